# Rotation and what PostgreSQL keeps copies in: a streaming standby, a base
# backup from two rotations ago, and recovery to the middle of a walk.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 3000;
my $primary =
  new_node('primary', init => [ allows_streaming => 1, has_archiving => 1 ]);

# Versions of the values, as "version|values" lines.
my $usage =
  q{SELECT (fieldcrypt.value_info(name)).version, count(*) FROM patient GROUP BY 1 ORDER BY 1};

# How many values open and are those of their rows.
my $sound =
  q{SELECT count(*) FROM patient WHERE name::text = 'name ' || id AND ssn = ('ssn ' || id)};

sql($primary, undef, 'CREATE UNIQUE INDEX ON patient (ssn)');
sql($primary, 'app',
	"INSERT INTO patient SELECT g, ('name ' || g)::text, ('ssn ' || g)::text FROM generate_series(1, $rows) g"
);
sql($primary, undef, q{
SELECT fieldcrypt.create_key('doomed');
SELECT fieldcrypt.grant_key('doomed', 'app', 'decrypt');
CREATE TABLE note (id int, body encrypted_text('doomed'));
GRANT ALL ON note TO app;
});
sql($primary, 'app', q{INSERT INTO note VALUES (1, 'to be erased')});

# ---- a standby follows rotations, walks and the destruction of a key ----

$primary->backup('old');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'old', has_streaming => 1);
$standby->start;

sub caught_up
{
	$primary->wait_for_catchup($standby);
	return $standby;
}

# On a cluster with standbys: make the version, see it cached everywhere, then
# write with it.
sql($primary, undef,
	q{CALL fieldcrypt.rotate_key('pii', activate => false)});
is( sql(caught_up(), undef,
		q{SELECT version, state FROM fieldcrypt.key_status WHERE key = 'pii' AND purpose = 'wrap' ORDER BY 1}
	),
	"1|active\n2|pre-active",
	'a version that is not active yet is there on the standby');
sql($primary, undef, q{CALL fieldcrypt.activate_version('pii', 2)});
sql($primary, undef, q{CALL fieldcrypt.rewrap_key('pii', batch_rows => 500)});
is(sql(caught_up(), undef, $usage), "2|$rows",
	'the walk has reached the standby');
is(sql($standby, 'app', $sound), $rows, 'where every value opens');
is( sql($standby, 'app',
		q{SET enable_seqscan = off; SELECT id FROM patient WHERE ssn = 'ssn 777'}
	),
	777,
	'and is found by its tag');
is( sql($standby, undef,
		q{SELECT cached FROM fieldcrypt.key_status WHERE key = 'pii' AND purpose = 'wrap' AND version = 2}
	),
	't',
	'key_status says that the standby has the version cached');

# While a walk runs the standby reads values of both versions.
sql($primary, undef, q{CALL fieldcrypt.rotate_key('pii')});
sql($primary, undef,
	q{CALL fieldcrypt.rewrap_column('patient', 'name', batch_rows => 100, max_duration => '0')}
);
is(sql(caught_up(), undef, $usage), "2|2900\n3|100",
	'a walk that was stopped stands on the standby as on the primary');
is(sql($standby, 'app', $sound), $rows, 'and every value opens there');

my $session =
  $standby->background_psql('postgres', extra_params => [ '-U', 'app' ]);
is($session->query('SELECT body FROM note'),
	'to be erased', 'a session of the standby reads under a key');

# The wrapped keys stand in the table's file, and afterwards in no file of a
# relation any more.
my %blobs = map { my ($name, $hex) = split(/\|/); ($name => pack('H*', $hex)) }
  split(/\n/,
	sql($primary, undef,
		q{SELECT 'purpose ' || purpose, encode(wrapped, 'hex') FROM fieldcrypt.key_versions JOIN fieldcrypt.keys USING (key_id) WHERE name = 'doomed'}
	));
is(scalar(keys %blobs), 2, 'a key has two wrapped keys');

sub blobs_in_files
{
	my ($node) = @_;
	sql($node, undef, 'CHECKPOINT');
	my %found = map { (split(/: /))[-1] => 1 } hits_in_dir($node->data_dir . '/base', \%blobs);
	return join(', ', sort keys %found);
}
is(blobs_in_files($primary), 'purpose 1, purpose 2', 'which stand in files');
my $segment = sql($primary, undef, 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
# a snapshot that still sees the old row keeps none of its bytes
my $snapshot = $primary->background_psql('postgres', extra_params => [ '-U', 'postgres' ]);
$snapshot->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM note');
sql($primary, undef, q{CALL fieldcrypt.destroy_key('doomed')});
$snapshot->query_safe('COMMIT');
is(blobs_in_files($primary), '', 'destroy_key leaves them in none');
isnt(sql($primary, undef, 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())'),
	$segment, 'and has switched to another WAL file');
is(blobs_in_files(caught_up()), '', 'nor on the standby');
sql_fails(caught_up(), 'app', 'SELECT body FROM note',
	'55000', qr/destroyed/, 'a destroyed key stops on the standby');
is($session->query('SELECT fieldcrypt.try_decrypt(body) IS NULL FROM note'),
	't', 'also in a session that had it');
$session->quit;
is( sql($standby, undef,
		q{SELECT count(*) FROM fieldcrypt.cache WHERE key = 'doomed'}),
	0,
	'and it is gone from the cache of the standby');

# While somebody holds the table the version is destroyed all the same, and what
# is left to do is said.
sql($primary, undef, q{
SELECT fieldcrypt.create_key('spare');
SELECT fieldcrypt.grant_key('spare', 'public', 'decrypt');
CREATE TABLE spare (body encrypted_text('spare'));
GRANT ALL ON spare TO app;
});
sql($primary, 'app', q{INSERT INTO spare VALUES ('kept')});
my $cached = q{SELECT string_agg(version::text, ' ' ORDER BY version) FROM fieldcrypt.cache WHERE key = 'spare' AND purpose = 'wrap'};
is(sql(caught_up(), 'app', 'SELECT body FROM spare'), 'kept', 'the standby reads under a version');
is(sql($standby, undef, $cached), '1', 'which it has cached');
sql($primary, undef, q{CALL fieldcrypt.rotate_key('spare')});
sql($primary, undef, q{CALL fieldcrypt.rewrap_key('spare')});
$snapshot->query_safe('BEGIN; LOCK TABLE fieldcrypt.key_versions IN ACCESS SHARE MODE');
my (undef, undef, $notice) = $primary->psql(
	'postgres',
	q{SET lock_timeout = '200ms'; CALL fieldcrypt.destroy_version('spare', 1)},
	extra_params => [ '-U', 'postgres' ]);
like($notice, qr/Use VACUUM FULL fieldcrypt.key_versions/, 'destroy_version does not wait for ever');
$snapshot->query_safe('COMMIT');
$snapshot->quit;
is( sql($primary, undef,
		q{SELECT state FROM fieldcrypt.key_status WHERE key = 'spare' AND purpose = 'wrap' AND version = 1}),
	'destroyed', 'and has destroyed it');
is(sql(caught_up(), 'app', 'SELECT body FROM spare'), 'kept', 'the standby reads on');
is(sql($standby, undef, $cached), '2', 'and has wiped the version that is destroyed');

# ---- recovery to the middle of a walk ----

my $middle = sql($primary, undef, 'SELECT pg_current_wal_insert_lsn()');
sql($primary, undef, q{CALL fieldcrypt.rewrap_key('pii')});
is(sql($primary, undef, $usage), "3|$rows", 'the walk has ended');
sql($primary, undef, q{CALL fieldcrypt.rotate_key('pii')});
sql($primary, undef, q{
SELECT fieldcrypt.grant_key('pii', 'postgres', 'decrypt');
CALL fieldcrypt.reencrypt_key('pii');
});
sql($primary, undef,
	"CALL fieldcrypt.destroy_version('pii', $_)")
  foreach 1 .. 3;
is(sql($primary, 'app', $sound), $rows,
	'and the versions before the last are gone');
sql($primary, undef, 'SELECT pg_switch_wal()');

my $recovered = PostgreSQL::Test::Cluster->new('recovered');
$recovered->init_from_backup($primary, 'old', has_restoring => 1, standby => 0);
$recovered->append_conf('postgresql.conf',
	"recovery_target_lsn = '$middle'\nrecovery_target_action = promote\narchive_mode = off\n");
$recovered->start;
wait_until(
	'recovery has ended',
	sub { sql($recovered, undef, 'SELECT pg_is_in_recovery()') eq 'f' });
is(sql($recovered, undef, $usage), "2|2900\n3|100",
	'recovered to the middle of a walk');
is(sql($recovered, 'app', $sound), $rows, 'every value opens');
sql($recovered, undef, q{CALL fieldcrypt.rewrap_key('pii')});
is(sql($recovered, undef, $usage), "3|$rows", 'and the walk can be finished');
is(sql($recovered, 'app', $sound), $rows, 'every value opens still');
$recovered->stop;

# ---- a base backup from several rotations ago ----

my $old = PostgreSQL::Test::Cluster->new('old');
$old->init_from_backup($primary, 'old');
$old->append_conf('postgresql.conf', "archive_mode = off\n");
$old->start;
is(sql($old, undef, $usage), "1|$rows", 'a backup holds what was then');
is(sql($old, 'app', $sound), $rows, 'and opens with the KMS alone');
is(sql($old, 'app', 'SELECT body FROM note'),
	'to be erased', 'also what has been destroyed since');
$old->stop;

$standby->stop;
$primary->stop;
done_testing();
