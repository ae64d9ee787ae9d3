# The maintenance of a database gives way to whoever wants the database for
# himself: DROP DATABASE does not fail because a KMS hangs, or because a big
# table is being rewrapped.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;

# longer than the five seconds that DROP DATABASE waits
my $node = new_node('main', conf => "fieldcrypt.kms_timeout = '10min'\n");

sub gives_way
{
	my ($database, $what, $under_way) = @_;
	my $position = log_position($node);

	wait_until("$what: maintenance is under way",
		sub { sql($node, undef, $under_way, dbname => $database) > 0 });
	sql_ok($node, undef, "DROP DATABASE $database",
		"$what: the database can be dropped");
	like(
		log_since($node, $position),
		qr/LOG:  fieldcrypt maintenance of database "$database" ends because another session/,
		"$what: the log tells");
	return;
}

# ---- a KMS that hangs ----

sql($node, undef, "CREATE DATABASE $_") foreach 'hangs', 'walks';
set_up($node, $_) foreach 'hangs', 'walks';
sql(
	$node, undef,
	q{SELECT fieldcrypt.set_rotation('pii', '1 microsecond', auto => true)},
	dbname => 'hangs');

# a worker that is stopped is as good as a KMS that hangs
my $worker = worker_pid($node);
cmp_ok($worker, '>', 0, 'a worker runs');
kill('STOP', $worker);
sql($node, undef, 'SELECT fieldcrypt.run_maintenance()', dbname => 'hangs');
gives_way('hangs', 'the KMS hangs',
	q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'hangs'
		AND backend_type = 'fieldcrypt maintenance' AND wait_event = 'Extension'});
kill('CONT', $worker);

# ---- a walk that takes long: an index expression that is slow by then ----

sql(
	$node, undef, q{
SELECT fieldcrypt.grant_key('pii', 'postgres', 'decrypt');
CREATE FUNCTION slow(id bigint) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
CREATE INDEX ON patient (slow(id));
CREATE INDEX ON patient (md5(fieldcrypt.blind_index(name)::text));
INSERT INTO patient SELECT g, 'name ' || g FROM generate_series(1, 100000) g;
CREATE OR REPLACE FUNCTION slow(id bigint) RETURNS int IMMUTABLE LANGUAGE plpgsql
	AS 'BEGIN PERFORM pg_catalog.pg_sleep(0.001); RETURN 1; END';
SELECT fieldcrypt.set_rotation('pii', '1 microsecond', auto => true);
SELECT fieldcrypt.run_maintenance();
}, dbname => 'walks');
gives_way('walks', 'a walk',
	'SELECT count(*) FROM fieldcrypt.rotation_progress WHERE rows_written > 0');

done_testing();
