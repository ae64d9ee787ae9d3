# Provider `vault`, a server that is restarted, and its standbys: keys are at
# hand before the first statement, and a failover needs no KMS.  What warming
# up does otherwise is tested in 021_warm.pl.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Vault;

need_openbao();

my $vault = Vault->new;
my $bao = $vault->{bao};
my $primary = $vault->start_node(
	'primary',
	init => [ allows_streaming => 1 ],
	conf => "fieldcrypt.warm_databases = 'postgres'\n");

sub ready
{
	my ($node) = @_;
	return sql($node, undef, 'SELECT fieldcrypt.ready()') eq 't';
}

sub cached
{
	my ($node) = @_;
	return sql($node, undef,
		q{SELECT string_agg(concat_ws(' ', key, purpose, version), ', ' ORDER BY purpose, version)
		    FROM fieldcrypt.cache WHERE state = 'valid'});
}

# The same provider file serves: it lies outside the data directory.
sub new_standby
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init_from_backup($primary, 'base', has_streaming => 1);
	$node->append_conf('postgresql.conf', $conf) if defined $conf;
	$node->{kms} = $vault->{kms};
	$node->start;
	return $node;
}

# --- a restart ---------------------------------------------------------------

sql($primary, 'app', q{INSERT INTO patient VALUES (1, 'Ada', '1815')});
sql($primary, undef, q{CALL fieldcrypt.rotate_key('pii')});
sql($primary, 'app', q{INSERT INTO patient VALUES (2, 'Grace', '1906')});
$vault->know_root_secret;
my $everything = 'SELECT name, ssn FROM patient ORDER BY id';
my $rows = "Ada|1815\nGrace|1906";
my $all = 'pii index 1, pii wrap 1, pii wrap 2';

my $position = $bao->audit_position;
$primary->restart;
wait_until('a restart warms up', sub { ready($primary) });
is(cached($primary), $all, 'every version, before the first statement');
cmp_ok($bao->requests('transit/decrypt/fc', $position),
	'>=', 3, 'by calls of OpenBao');
$primary->backup('base');

# --- a standby that starts while the KMS is down ------------------------------

$bao->stop('-9');
my $standby = new_standby('standby');
is( sql($standby, undef, 'SELECT pg_is_in_recovery(), count(*) FROM patient'),
	't|2',
	'a standby without a KMS is up');
ok(!ready($standby), 'and not ready');
$vault->seen(
	'a standby without a KMS', 'outage',
	qr/could not connect: Connection refused/,
	node => $standby);
$vault->log_is_clean('a standby without a KMS', 0, $standby);
$bao->start;
wait_until('OpenBao is back: it warms up by itself',
	sub { ready($standby) });
is(cached($standby), $all, 'every version');
is(sql($standby, 'app', $everything), $rows, 'and reads');

# --- failover while the KMS is down -------------------------------------------

# This one does not look round by itself any more, once it is warm.
my $second = new_standby('second', "fieldcrypt.cache_refresh = '1h'\n");
wait_until(
	'a second standby warms up',
	sub {
		ready($second)
		  && slurp_file($second->logfile) =~
		  /has the keys of database "postgres" in its cache/;
	});
$bao->stop('-9');
wait_until('the standby knows of the outage',
	sub { $vault->provider('state', $standby) eq 'outage' });
$primary->stop('immediate');
$standby->promote;
is(sql($standby, 'app', $everything),
	$rows, 'a failover without a KMS serves what was warm');
ok(ready($standby), 'which is everything');
sql_ok(
	$standby, 'app',
	q{INSERT INTO patient VALUES (3, 'Edsger', '1930')},
	'also for writing');
is( sql($standby, 'app', q{SELECT name FROM patient WHERE ssn = '1930'}),
	'Edsger', 'and searching');
$bao->start;
wait_until('OpenBao is back: ready',
	sub { $vault->provider('state', $standby) eq 'ready' });
ok(ready($standby), 'and still warm');

# --- the promotion itself warms up -------------------------------------------

sql($second, undef, 'SELECT fieldcrypt.purge_cache()');
ok(!ready($second), 'an emptied cache');
$second->promote;
wait_until('is filled by a promotion', sub { ready($second) });
is(cached($second), $all, 'with every version');

$vault->log_is_clean('the standby', 0, $standby);
$vault->log_is_clean('the second standby', 0, $second);
$second->stop;
$standby->stop;
done_testing();
