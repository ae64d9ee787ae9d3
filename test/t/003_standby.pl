# A streaming standby has a worker, a cache and a provider file of its own.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use File::Copy ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_node('primary', init => [ allows_streaming => 1 ]);

sql($primary, 'app', q{
INSERT INTO patient SELECT g, ('name ' || g)::text, ('ssn ' || g)::text
  FROM generate_series(1, 100) g});

$primary->backup('base');
my $kms = new_kms();
File::Copy::copy($primary->{kms}->{key_file}, $kms->{key_file}) or die $!;
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->{kms} = $kms;
$standby->append_conf('postgresql.conf',
	"fieldcrypt.provider_file = '$kms->{provider_file}'\n");
$standby->start;

# Statements on the standby once it has what the primary has.
sub caught_up
{
	$primary->wait_for_catchup($standby);
	return $standby;
}

my $read_all =
  q{SELECT count(*), count(DISTINCT name::text), min(ssn::text) FROM patient};
is( sql(caught_up(), 'app', $read_all),
	'100|100|ssn 1',
	'values are readable on the standby');
cmp_ok(kms_calls($standby), '>', 0, 'by its own worker');
isnt(worker_pid($standby), worker_pid($primary), 'which is another process');
unlike(sql($standby, undef, 'SELECT * FROM patient LIMIT 1'),
	qr/name 1/, 'the superuser sees ciphertext there too');
sql_fails(
	$standby, 'nobody_here', 'SELECT name FROM patient',
	'42501',
	qr/permission denied for key "pii"/,
	'so does not a role without a grant');

# What changes on the primary counts here, in sessions that already ran.
my $session =
  $standby->background_psql('postgres', extra_params => [ '-U', 'app' ]);
is($session->query('SELECT name FROM patient WHERE id = 7'),
	'name 7', 'a session reads');

sql($primary, undef, q{CALL fieldcrypt.rotate_key('pii')});
sql($primary, 'app',
	q{INSERT INTO patient VALUES (101, 'after rotation', NULL)});
caught_up();
is( $session->query(
		'SELECT name FROM patient WHERE id IN (7, 101) ORDER BY id'),
	"name 7\nafter rotation",
	'values of two versions are readable');
is( sql($standby,
		undef,
		q{SELECT (fieldcrypt.value_info(name)).version FROM patient WHERE id IN (7, 101) ORDER BY id}
	),
	"1\n2",
	'they are of two versions');

sql($primary, undef, q{SELECT fieldcrypt.lock_key('pii')});
sql_fails(caught_up(), 'app', 'SELECT name FROM patient WHERE id = 7',
	'55000', qr/locked/, 'lock_key on the primary reaches the standby');
is( $session->query(
		'SELECT fieldcrypt.try_decrypt(name) IS NULL FROM patient WHERE id = 7'
	),
	't',
	'also a session that had the key');
sql($primary, undef, q{SELECT fieldcrypt.unlock_key('pii')});
caught_up();
is($session->query('SELECT name FROM patient WHERE id = 7'),
	'name 7', 'so does unlock_key');

sql($primary, undef,
	q{SELECT fieldcrypt.revoke_key('pii', 'app', 'decrypt')});
caught_up();
is( $session->query(
		'SELECT fieldcrypt.try_decrypt(name) IS NULL FROM patient WHERE id = 7'
	),
	't',
	'and revoke_key');
sql($primary, undef, q{SELECT fieldcrypt.grant_key('pii', 'app', 'decrypt')});
caught_up();
is($session->query('SELECT name FROM patient WHERE id = 7'),
	'name 7', 'and grant_key');
$session->quit;

# What the standby itself may not do.
sql_fails($standby, undef, q{SELECT fieldcrypt.create_key('here')},
	'25006', qr/read-only/, 'no key is made on a standby');
sql_fails($standby, undef, q{CALL fieldcrypt.rotate_key('pii')},
	'25006', qr/read-only/, 'nor rotated');
sql_ok(
	$standby, undef,
	q{SELECT fieldcrypt.purge_cache()},
	'but its cache can be purged');

# The key file is lost on the standby.
rename($kms->{key_file}, "$kms->{key_file}.away") or die $!;
sql($standby, undef, q{SELECT fieldcrypt.purge_cache()});
sql_fails(
	$standby,
	'app',
	'SELECT name FROM patient WHERE id = 7',
	'58000',
	qr/key "pii" is not at hand.*Provider "local".*since/s,
	'without the key file the standby says so');
like(sql($standby, undef, 'COPY patient TO STDOUT'),
	qr/^7\tfieldcrypt:1:/m, 'and still gives out ciphertext');
is(sql($primary, 'app', 'SELECT name FROM patient WHERE id = 7'),
	'name 7', 'the primary has not noticed');
rename("$kms->{key_file}.away", $kms->{key_file}) or die $!;
wait_until(
	'the standby heals when the file is back',
	sub {
		my ($ret, $out) = FieldCrypt::psql_as($standby, 'app',
			'SELECT name FROM patient WHERE id = 7');
		return $ret == 0 && $out eq 'name 7';
	});

# Promotion: the cache stays, and keys are made with this server's provider.
$standby->promote;
is(sql($standby, 'app', 'SELECT name FROM patient WHERE id = 7'),
	'name 7', 'values are readable after promotion');
sql_ok(
	$standby, undef,
	q{CALL fieldcrypt.rotate_key('pii')},
	'and keys can be rotated');
sql_ok(
	$standby, 'app',
	q{INSERT INTO patient VALUES (102, 'promoted', NULL)},
	'and written with');
is( sql($standby,
		undef,
		q{SELECT (fieldcrypt.value_info(name)).version FROM patient WHERE id = 102}
	),
	'3',
	'the new version writes');

$standby->stop;
$primary->stop;
done_testing();
