# encrypt_column and decrypt_column of a table that clients update all the
# time, while backends and whole servers are killed with SIGKILL at random
# points: no value is lost or changed, and the next call finishes.  What was
# plain before is not in the table's files any more once they are rewritten.
#
# FC_SEED chooses the points; the seed of a run is in its log.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $rows = 4000;
my $rounds = 12;
my $seed = $ENV{FC_SEED} // time();
my $node = new_node('main', init => [ allows_streaming => 1 ]);
my $dir = PostgreSQL::Test::Utils::tempdir('convert');

srand($seed);
note("FC_SEED=$seed");

sub super { return sql($node, 'postgres', @_) }

# Both columns are written together, so they stay equal.
append_to_file(
	"$dir/write.sql", <<"EOF");
\\set id random(1, $rows)
\\set new random(1, 1000000000)
UPDATE conv SET v = 'new ' || :new, copy = 'new ' || :new WHERE id = :id;
INSERT INTO conv (v, copy, n) SELECT v::text, copy, n + 1 FROM conv WHERE id = :id AND id % 50 = 0;
DELETE FROM conv WHERE n > 0 AND id % 3 = 0;
EOF

sub start_clients
{
	my ($out) = @_;

	return IPC::Run::start(
		[
			'pgbench', '-n', '-c', '3', '-T', '600', '-U', 'postgres',
			'-f', "$dir/write.sql", '-h', $node->host, '-p', $node->port,
			'postgres'
		],
		'<',
		\undef,
		'>', "$dir/$out.out", '2>', "$dir/$out.err");
}

sub stop_clients
{
	my ($clients) = @_;

	# not INT, which is ignored by what a shell started in the background
	$clients->signal('TERM');
	eval { $clients->finish };
	return;
}

sub encrypted
{
	return super("SELECT atttypid = 'encrypted_text'::regtype FROM pg_attribute"
		  . " WHERE attrelid = 'conv'::regclass AND attname = 'v'") eq 't';
}

sub command
{
	my ($encrypt, $options) = @_;

	$options //= '';
	return $encrypt
	  ? "CALL fieldcrypt.encrypt_column('conv', 'v', 'conv', 'exact', batch_rows => 50$options)"
	  : "CALL fieldcrypt.decrypt_column('conv', 'v', batch_rows => 50$options)";
}

# Rows whose text is not what was written, and columns left from a conversion.
sub wrong
{
	return super('SELECT count(*) FROM conv WHERE v IS NULL OR v::text <> copy');
}

sub columns
{
	return super("SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_attribute"
		  . " WHERE attrelid = 'conv'::regclass AND attnum > 0 AND NOT attisdropped");
}

super(
	q{
	SELECT fieldcrypt.create_key('conv');
	SELECT fieldcrypt.grant_key('conv', 'public', 'decrypt');
	CREATE TABLE conv (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text NOT NULL, copy text, n int DEFAULT 0);
	CREATE INDEX conv_v ON conv (v);
	CREATE VIEW conv_view AS SELECT id, v FROM conv;
	});
super(
	"INSERT INTO conv (v, copy) SELECT s, s FROM (SELECT 'value ' || i || repeat(' long', 900 * (i % 50 / 49)) AS s FROM generate_series(1, $rows) i) t"
);

# How long one takes here, with clients and pauses, and nobody killed.
my $begun = time();
my $undisturbed = start_clients('undisturbed');
super(command(1, ", pause => '4 ms'"));
stop_clients($undisturbed);
my $duration = time() - $begun;
note("a conversion takes $duration seconds");

my $left = 0;

foreach my $round (1 .. $rounds)
{
	my $encrypt = !encrypted();
	my $victim = $round % 3 ? 'backend' : 'postmaster';
	my $clients = start_clients('killed');
	my ($run, $pid) = start_call($node, 'conversion', command($encrypt, ", pause => '4 ms'"), $dir);

	usleep(int(rand(900_000 * $duration)));
	if ($victim eq 'postmaster') { kill_all($node) }
	elsif ($pid ne '') { kill_hard($pid) }
	eval { $run->finish };
	stop_clients($clients);
	wait_until("round $round: the server is back", sub { come_back($node, $victim eq 'postmaster') });
	my $columns = columns();
	$left++ if $columns ne 'copy,id,n,v';
	note("round $round, kill -9 of the $victim while it " . ($encrypt ? 'encrypted' : 'decrypted') . ": $columns");
	is(wrong(), 0, "round $round, $victim: every text is what was written");

	# what was interrupted goes on, whichever way, while clients write
	$encrypt = !encrypted() if $columns eq 'copy,id,n,v';
	$clients = start_clients('finished');
	super(command($encrypt));
	stop_clients($clients);
	unlike(slurp_file("$dir/finished.err"), qr/ERROR|aborted/, "round $round: no client's statement failed");
	is(columns(), 'copy,id,n,v', "round $round: the next call finishes");
	is(super("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'conv'::regclass"), 0, "round $round: and leaves no trigger");
	is(encrypted(), $encrypt, "round $round: and has done what it should");
	is(wrong(), 0, "round $round: every text is what was written, afterwards");
}
cmp_ok($left, '>', $rounds / 4, "$left of $rounds kills left work behind");
super(command(1)) unless encrypted();
is( super(
		"SET enable_seqscan = off; SELECT count(*) FROM conv c WHERE NOT EXISTS (SELECT FROM conv WHERE v = c.copy AND id = c.id)"
	),
	0,
	'and values are found by the index');
is(super("SELECT count(*) = (SELECT count(*) FROM conv) FROM conv_view"), 't', 'the view is there');

# Where plaintext remains, and where not.
my %planted = (planted => 'PLANTED7');
my $heap = $node->data_dir . '/base';

super(q{
	CREATE TABLE heaped (id int PRIMARY KEY, v text);
	INSERT INTO heaped SELECT i, 'PLANTED7 ' || i % 7 || repeat(md5(i::text), 100 * (i % 2)) FROM generate_series(1, 300) i;
	CREATE INDEX heaped_v ON heaped (v) WHERE length(v) < 100;
	ANALYZE heaped;
	CHECKPOINT;
});
ok(hits_in_dir($heap, \%planted) > 0, 'plaintext is found before');
sql_fails($node, 'postgres', "CALL fieldcrypt.encrypt_column('heaped', 'v', 'conv')",
	'0A000', qr/DROP INDEX public\.heaped_v/, 'a partial index of the text');
super('DROP INDEX heaped_v');
my (undef, undef, $report) = FieldCrypt::psql_as($node, 'postgres', "CALL fieldcrypt.encrypt_column('heaped', 'v', 'conv')");
like($report, qr/plaintext is still in: dead rows.*pg_statistic.*WAL/s, 'the report names what remains');
super('VACUUM FULL heaped');
super('VACUUM FULL pg_statistic');
super('CHECKPOINT');
is(join("\n", hits_in_dir($heap, \%planted)), '', 'no plaintext in the files after VACUUM FULL');
is(super("SELECT count(*) FROM heaped WHERE v LIKE 'PLANTED7 %'"), 300, 'and all of it in the values');

# From pgcrypto, in a schema of its own; its passphrase stays out of the files.
SKIP:
{
	skip 'pgcrypto is not installed', 4
	  if super("SELECT count(*) FROM pg_available_extensions WHERE name = 'pgcrypto'") eq '0';

	super(q{
		CREATE SCHEMA ext;
		CREATE EXTENSION pgcrypto SCHEMA ext;
		CREATE TABLE pgp (id int PRIMARY KEY, v bytea NOT NULL);
		INSERT INTO pgp SELECT i, ext.pgp_sym_encrypt('secret ' || i, 'PASSPHRASE7') FROM generate_series(1, 50) i;
	});
	my $call = q{SET search_path = public, ext;
		SET app.passphrase = 'PASSPHRASE7';
		CALL fieldcrypt.encrypt_column('pgp', 'v', 'conv', "using" => 'pgp_sym_decrypt(v, current_setting(''app.passphrase''))'%s);};
	super(sprintf($call, ", max_duration => '0'"));
	super("INSERT INTO pgp VALUES (51, ext.pgp_sym_encrypt('secret 51', 'PASSPHRASE7'))");
	sql_fails($node, 'postgres', sprintf($call, '') =~ s/PASSPHRASE7/wrong/r,
		'39000', qr/Wrong key/, 'a wrong passphrase');
	super(sprintf($call, ''));
	is(super("SELECT count(*) FROM pgp WHERE v = 'secret ' || id"), 51, 'pgcrypto values are converted');
	super('CHECKPOINT');
	is(join("\n", hits_in_dir($heap, { passphrase => 'PASSPHRASE7' })), '', 'the passphrase is in no file');
}

# On a standby values can be verified, and nothing be converted.
$node->backup('after');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'after', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is( sql($standby, 'postgres', "CALL fieldcrypt.verify_column('conv', 'v', batch_rows => 100)"),
	super('SELECT count(*) FROM conv') . '|0',
	'every value opens on a standby');
sql_fails($standby, 'postgres', "CALL fieldcrypt.decrypt_column('conv', 'v')",
	'25006', qr/cannot execute decrypt_column/, 'no conversion on a standby');

done_testing();
