# Everything that keeps a database going works with the provider stopped and
# no key in the cache: maintenance, indexes, COPY, dumps, logical replication.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node(
	'main',
	init => [ allows_streaming => 'logical' ],
	conf => "max_connections = 30\nautovacuum_naptime = '1s'\n");
my $subscriber = new_node(
	'subscriber',
	kms => 0,
	set_up => 0,
	init => [ allows_streaming => 'logical' ],
	conf => "max_connections = 30\n");

my $tables = q{
CREATE TABLE full_identity (
	id int, name encrypted_text('pii'), ssn encrypted_text('pii', 'searchable'), n int);
ALTER TABLE full_identity REPLICA IDENTITY FULL;
};
sql($node, undef, qq{
$tables
CREATE UNIQUE INDEX patient_ssn ON patient (ssn);
CREATE TABLE generated (
	id int PRIMARY KEY,
	mail encrypted_text('pii', 'searchable=lower'),
	tag uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(mail)) STORED);
CREATE INDEX generated_tag ON generated (tag);
CREATE TABLE busy (LIKE patient) WITH (autovacuum_vacuum_threshold = 0,
	autovacuum_vacuum_scale_factor = 0, autovacuum_analyze_threshold = 0,
	autovacuum_analyze_scale_factor = 0, autovacuum_enabled = off);
CREATE MATERIALIZED VIEW copied AS SELECT * FROM patient;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
});
sql($node, 'app', q{
INSERT INTO patient SELECT g, ('name ' || g)::text, ('ssn ' || g)::text FROM generate_series(1, 300) g;
INSERT INTO patient VALUES (301, repeat('long ', 3000)::text, 'toasted'), (302, NULL, NULL);
INSERT INTO generated SELECT g, ('User' || g % 20 || '@Example.org')::text FROM generate_series(1, 200) g;
INSERT INTO busy SELECT * FROM patient;
INSERT INTO full_identity SELECT g, ('name ' || g)::text, ('ssn ' || g)::text, 0 FROM generate_series(1, 20) g;
});
my $everything = q{
SELECT md5(string_agg(concat(id, name::text, ssn::text), ',' ORDER BY id)) FROM patient};
my $before = sql($node, 'app', $everything);

# --- the provider stops ---------------------------------------------------

my $key_file = $node->{kms}->{key_file};
rename($key_file, "$key_file.away") or die "rename: $!";
$node->restart;

sub no_key_was_needed
{
	my ($what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is( sql($node, undef,
			q{SELECT count(*) FROM fieldcrypt.cache WHERE state = 'valid'}),
		'0',
		"$what: no key is cached");
	return;
}

sql_fails($node, 'app', 'SELECT name FROM patient WHERE id = 1',
	'58000', qr/ERROR/, 'nobody can read');
sql_fails($node, 'app', q{SELECT id FROM patient WHERE ssn = 'ssn 7'},
	'58000', qr/ERROR/, 'nor search');
no_key_was_needed('after a restart');

# --- maintenance ----------------------------------------------------------

sql_ok($node, undef, 'UPDATE patient SET id = id WHERE id % 3 = 0',
	'rows are written that leave the values alone');
foreach my $command (
	'VACUUM patient',
	'VACUUM (FREEZE, ANALYZE) patient',
	'VACUUM FULL patient',
	'ANALYZE',
	'REINDEX INDEX patient_ssn',
	'REINDEX TABLE patient',
	'REINDEX TABLE CONCURRENTLY generated',
	'CLUSTER patient USING patient_ssn',
	'CREATE INDEX again ON patient (ssn)',
	'CREATE UNIQUE INDEX CONCURRENTLY unique_again ON patient (ssn)',
	'CREATE INDEX hashed ON patient USING hash (fieldcrypt.blind_index(ssn))',
	'ALTER TABLE full_identity ADD tag uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(ssn)) STORED',
	'ALTER TABLE full_identity DROP tag',
	'ALTER TABLE patient SET TABLESPACE pg_default',
	'REFRESH MATERIALIZED VIEW copied',
	'CREATE TABLE taken AS SELECT * FROM patient',
	'CHECKPOINT')
{
	sql_ok($node, undef, $command, $command);
}
is( sql($node, undef,
		'SET enable_seqscan = off; SELECT count(*) FROM patient a JOIN taken b ON a.ssn = b.ssn'
	),
	'301',
	'joins of searchable columns');
is( sql($node, undef, q{
SELECT n_distinct FROM pg_stats WHERE tablename = 'generated' AND attname = 'mail'}),
	'20',
	'statistics count tags');
is( sql($node, undef,
		q{SELECT amount FROM fieldcrypt.blind_index_report('generated', 'mail') WHERE aspect = 'distinct tags'}
	),
	'20',
	'so does the report');

sql($node, undef,
	'ALTER TABLE busy SET (autovacuum_enabled = on); UPDATE busy SET id = id');
wait_until(
	'autovacuum vacuums and analyses',
	sub {
		sql($node, undef, q{
SELECT autovacuum_count > 0 AND autoanalyze_count > 0 FROM pg_stat_user_tables WHERE relname = 'busy'}
		) eq 't';
	});
no_key_was_needed('after maintenance');

# --- COPY -----------------------------------------------------------------

my $copy = 'COPY (SELECT * FROM patient ORDER BY id) TO STDOUT';
my $rows = sql($node, undef, $copy);
like($rows, qr/^1\tfieldcrypt:1:/, 'COPY writes ciphertext');
sql_ok($node, undef, "CREATE TABLE back (LIKE patient);\nCOPY back FROM STDIN;\n$rows\n\\.\n",
	'COPY takes it');
is( sql($node, undef, 'COPY (SELECT * FROM back ORDER BY id) TO STDOUT'),
	$rows, 'unchanged');
my $dir = PostgreSQL::Test::Utils::tempdir('dumps');
sql_ok(
	$node,
	undef,
	"COPY patient TO '$dir/binary' BINARY; TRUNCATE back; COPY back FROM '$dir/binary' BINARY",
	'binary COPY both ways');
is( sql($node, undef, 'COPY (SELECT * FROM back ORDER BY id) TO STDOUT'),
	$rows, 'unchanged');
no_key_was_needed('after COPY');

# --- logical replication --------------------------------------------------

sql($subscriber, undef, qq{
CREATE EXTENSION fieldcrypt;
CREATE TABLE patient (id bigint PRIMARY KEY, name encrypted_text('pii'),
	ssn encrypted_text('pii', 'searchable') UNIQUE);
$tables});
sql($node, undef, 'CREATE PUBLICATION p FOR TABLE patient, full_identity');
sql($subscriber, undef,
	'CREATE SUBSCRIPTION s CONNECTION '
	  . "'" . $node->connstr . " dbname=postgres'"
	  . ' PUBLICATION p');
$subscriber->wait_for_subscription_sync($node, 's');
is(sql($subscriber, undef, $copy), $rows, 'the initial copy arrives');
sql($node, undef, q{
INSERT INTO patient SELECT id + 1000, name, NULL FROM patient WHERE id < 5;
UPDATE patient SET id = 2000 WHERE id = 1001;
DELETE FROM patient WHERE id = 1002;
UPDATE full_identity SET n = 1 WHERE id % 2 = 0;
DELETE FROM full_identity WHERE id % 5 = 0;
INSERT INTO full_identity SELECT id + 100, name, ssn, 2 FROM full_identity WHERE id = 1;
});
$node->wait_for_catchup('s');
is(sql($subscriber, undef, $copy), sql($node, undef, $copy),
	'changes are applied');
my $full = 'COPY (SELECT * FROM full_identity ORDER BY id) TO STDOUT';
is(sql($subscriber, undef, $full), sql($node, undef, $full),
	'also with REPLICA IDENTITY FULL');
is(sql($subscriber, undef, 'SELECT count(*) FROM full_identity WHERE n = 1'),
	'8', 'to the right rows');
sql($subscriber, undef, 'DROP SUBSCRIPTION s');
sql($node, undef, 'DELETE FROM patient WHERE id > 1000; DROP PUBLICATION p');
no_key_was_needed('after replication');

# --- dump and restore -----------------------------------------------------

my ($ret, $plain, $err) = run_tool($node, [ 'pg_dump', 'postgres' ]);
is("$ret $err", '0 ', 'pg_dump');
($ret, undef, $err) =
  run_tool($node, [ 'pg_dump', '-Fd', '-j2', '-f', "$dir/directory", 'postgres' ]);
is("$ret $err", '0 ', 'pg_dump -Fd -j');
sql($subscriber, undef, 'CREATE ROLE app; CREATE ROLE nobody_here');
foreach my $database (qw(from_plain from_directory))
{
	sql($subscriber, undef, "CREATE DATABASE $database");
	($ret, undef, $err) = run_tool(
		$subscriber,
		$database eq 'from_plain'
		? [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $database ]
		: [ 'pg_restore', '-j2', '-e', '-d', $database, "$dir/directory" ],
		stdin => $database eq 'from_plain' ? $plain : '');
	is("$ret $err", '0 ', "$database is restored");
	is(sql($subscriber, undef, $copy, dbname => $database),
		$rows, 'with the same ciphertext');
	is( sql($subscriber, undef,
			q{SELECT count(*) FROM pg_indexes WHERE tablename = 'patient' AND indexdef ~ 'blind_index'},
			dbname => $database),
		'4',
		'and its blind indexes');
}
no_key_was_needed('after dump and restore');

# --- and comes back -------------------------------------------------------

rename("$key_file.away", $key_file) or die "rename: $!";
wait_until(
	'values can be read again',
	sub {
		my ($status, $out) = FieldCrypt::psql_as($node, 'app', $everything);
		return $status == 0 && $out eq $before;
	});
wait_until(
	'and found by their tags',
	sub {
		my ($status, $out) = FieldCrypt::psql_as($node, 'app',
			q{SET enable_seqscan = off; SELECT id FROM patient WHERE ssn = 'ssn 7'}
		);
		return $status == 0 && $out eq '7';
	});

$subscriber->stop;
$node->stop;
done_testing();
