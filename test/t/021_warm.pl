# Warming up: keys are in the cache before the first statement asks for them.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use File::Copy ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $primary = new_node('primary', init => [ allows_streaming => 1 ]);
my $read = 'SELECT name, ssn FROM patient WHERE id = 1';

sub ready
{
	my ($node, $dbname) = @_;

	return sql($node, undef, 'SELECT fieldcrypt.ready()',
		dbname => $dbname // 'postgres') eq 't';
}

# Slots of this database that hold a key, and what their keys' use was.
sub slots
{
	my ($node, $dbname) = @_;

	return sql($node, undef,
		q{SELECT string_agg(concat_ws(' ', key, purpose, version), ', ' ORDER BY key, purpose, version)
		    FROM fieldcrypt.cache WHERE state = 'valid'},
		dbname => $dbname // 'postgres');
}

sub away
{
	my ($kms) = @_;

	rename($kms->{key_file}, "$kms->{key_file}.away") or die $!;
	return;
}

sub back
{
	my ($kms) = @_;

	rename("$kms->{key_file}.away", $kms->{key_file}) or die $!;
	return;
}

# --- ready(), without warming up -------------------------------------------

sql($primary, 'app', q{INSERT INTO patient VALUES (1, 'one', 'ssn 1')});
sql($primary, undef, q{CALL fieldcrypt.rotate_key('pii')});
sql($primary, undef, q{
SELECT fieldcrypt.create_key('spare');
SELECT fieldcrypt.create_key('shut');
SELECT fieldcrypt.lock_key('shut')});
my $all =
  'pii index 1, pii wrap 1, pii wrap 2, spare index 1, spare wrap 1';

$primary->restart;
ok(!ready($primary), 'not ready after a restart without warming up');
is(slots($primary), '', 'nothing is in the cache');
sql_fails($primary, 'nobody_here', 'SELECT fieldcrypt.ready()',
	'42501', qr/permission denied for function ready/,
	'ready() is not for everybody');
sql($primary, undef, 'GRANT pg_monitor TO nobody_here');
sql_ok($primary, 'nobody_here', 'SELECT fieldcrypt.ready()',
	'but for pg_monitor');
sql($primary, undef, 'REVOKE pg_monitor FROM nobody_here');

# --- reload and restart ----------------------------------------------------

sql($primary, undef, 'CREATE DATABASE "Other DB"');
sql($primary, undef, 'CREATE DATABASE plain');
set_up($primary, 'Other DB');
my $position = log_position($primary);
$primary->append_conf('postgresql.conf',
	qq{fieldcrypt.warm_databases = 'postgres, "Other DB", nowhere, plain, template0'\n}
);
$primary->reload;
wait_until('a reload warms up', sub { ready($primary) });
is(slots($primary), $all, 'every version of every key that is not locked');
wait_until('another database as well',
	sub { ready($primary, 'Other DB') });
wait_until(
	'the log tells',
	sub {
		log_since($primary, $position) =~
		  /has the keys of database "postgres" in its cache/;
	});

$position = log_position($primary);
$primary->restart;
wait_until('a restart warms up', sub { ready($primary) });
is(slots($primary), $all, 'before the first statement');
cmp_ok(kms_calls($primary), '>=', 5, 'by calls of the KMS');
is( sql($primary,
		undef,
		q{SELECT latency_p50_ms >= 0 AND latency_p99_ms >= latency_p50_ms AND
			auth_state IS NULL AND auth_expires IS NULL
			FROM fieldcrypt.providers WHERE provider = 'local'}),
	't',
	'whose latency shows');

# --- names that cannot be warmed up ----------------------------------------

wait_until(
	'warnings',
	sub {
		my $log = log_since($primary, $position);
		return $log =~ /WARNING:[^\n]*database "nowhere": it does not exist/
		  && $log =~
		  /WARNING:[^\n]*database "plain": the extension is not installed/
		  && $log =~
		  /WARNING:[^\n]*database "template0": it does not accept connections/;
	});
now_and_then(3, sub { $primary->reload; });
my $log = log_since($primary, $position);
my @warnings = $log =~ /(WARNING:[^\n]*cannot warm up[^\n]*)/g;
is(scalar(@warnings), 3, 'one for each, however often it is looked at')
  or diag(join("\n", @warnings));
unlike($log, qr/FATAL/, 'and no worker fails');
ok(ready($primary), 'reloads take nothing away');

# --- the key file comes late -----------------------------------------------

away($primary->{kms});
$primary->restart;
sql_fails($primary, 'app', $read, '58000', qr/not at hand/,
	'without the key file nothing is read');
ok(!ready($primary), 'nor is the server ready');
back($primary->{kms});
wait_until('it warms up by itself when the file is back',
	sub { ready($primary) });

# --- shutdown while warming ------------------------------------------------

away($primary->{kms});
$primary->restart;
my $start = time();
$primary->stop('fast');
cmp_ok(time() - $start, '<', 5, 'a fast shutdown right after the start');

# Warm-up workers wait for a lock on the key tables, if on anything.
$primary->start;
my $locker = $primary->background_psql('postgres');
$locker->query('BEGIN; LOCK TABLE fieldcrypt.keys IN ACCESS EXCLUSIVE MODE');
$primary->reload;
wait_until(
	'a warm-up worker waits',
	sub { child_pids($primary, qr/fieldcrypt warm-up: postgres/) > 0 });
$start = time();
$primary->stop('fast');
cmp_ok(time() - $start, '<', 5, 'a fast shutdown while one waits');
eval { $locker->quit };
back($primary->{kms});
$primary->start;
wait_until('warm again', sub { ready($primary) });

# --- standby and promotion -------------------------------------------------

$primary->backup('base');

# A standby with a KMS of its own.
sub new_standby
{
	my ($name) = @_;
	my $kms = new_kms();
	my $node = PostgreSQL::Test::Cluster->new($name);

	File::Copy::copy($primary->{kms}->{key_file}, $kms->{key_file})
	  or die $!;
	$node->init_from_backup($primary, 'base', has_streaming => 1);
	$node->{kms} = $kms;
	$node->append_conf('postgresql.conf',
		"fieldcrypt.provider_file = '$kms->{provider_file}'\n");
	$node->start;
	return $node;
}

# Warm, and seen to be: it will not be looked at again for a while.
sub settled
{
	my ($node) = @_;

	return slurp_file($node->logfile) =~
	  /has the keys of database "postgres" in its cache/;
}

my $standby = new_standby('standby');
my $second = new_standby('second');
wait_until('a standby warms up', sub { ready($standby) });
is(slots($standby), $all, 'before the first statement there too');

# What the primary makes later is fetched as well; a reload does it at once.
wait_until('the standby has settled', sub { settled($standby) });
sql($primary, undef, q{CALL fieldcrypt.rotate_key('pii')});
sql($primary, 'app', q{INSERT INTO patient VALUES (2, 'two', 'ssn 2')});
$primary->wait_for_catchup($standby);
ok(!ready($standby), 'a version made meanwhile is missing');
$standby->reload;
wait_until('and fetched', sub { ready($standby) });

away($standby->{kms});
$standby->promote;
is( sql($standby, 'app', 'SELECT name, ssn FROM patient ORDER BY id'),
	"one|ssn 1\ntwo|ssn 2",
	'a promotion without the key file serves what was warm');
ok(ready($standby), 'which is everything');
sql_ok(
	$standby, 'app',
	q{INSERT INTO patient VALUES (3, 'three', 'ssn 3')},
	'also for writing');

# The promotion itself warms up.
wait_until('another standby has settled', sub { settled($second) });
sql($second, undef, 'SELECT fieldcrypt.purge_cache()');
ok(!ready($second), 'its cache is emptied');
$second->promote;
wait_until('and filled by a promotion', sub { ready($second) });

$second->stop;
$standby->stop;
$primary->stop;
done_testing();
