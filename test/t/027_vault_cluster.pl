# Provider `vault` and a cluster of three OpenBao nodes: a standby that answers
# reads, a failover, and a standby that sends everybody to a dead node.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;
use Vault;

need_openbao();

my $vault = Vault->new;
my $first = $vault->{bao};
my $node = $vault->start_node('main');

sql($node, 'app', q{INSERT INTO patient VALUES (1, 'Ada', '1815')});
ok($vault->reads, 'it works');
$vault->know_root_secret;

# --- three nodes -------------------------------------------------------------

$first->api(
	'POST',
	'sys/storage/raft/autopilot/configuration',
	'{"server_stabilization_time":"1s"}');
my @nodes = ($first, $vault->join_bao, $vault->join_bao);
wait_until(
	'a cluster of three that vote',
	sub {
		my $voters = () =
		  $first->api('GET', 'sys/storage/raft/configuration') =~
		  /"voter":true/g;
		return $voters == 3;
	});

sub active
{
	my $found;

	wait_until('one is active',
		sub { ($found) = grep { $_->health eq '200' } @nodes });
	return $found;
}

my $active = active();
my @all = (address => join(',', map { $_->{address} } @nodes));

# --- a standby answers -------------------------------------------------------

my ($standby) = grep { $_ != $active } @nodes;
my $at_active = $active->audit_position;
$node->stop;
$vault->write(address => $standby->{address});
$node->start;
ok($vault->reads, 'a standby: keys are at hand');
is($vault->steps, $all_steps, 'a standby: check_provider');
cmp_ok($active->requests('auth/approle/login', $at_active),
	'>=', 1, 'the active node logs in');

# It forwards the first request with a token that it does not know yet.
my $at_standby = $standby->audit_position;
wait_until('a standby answers refreshes itself',
	sub { $standby->requests('transit/decrypt/fc', $at_standby) >= 2 });

# --- the active node dies ----------------------------------------------------

$node->stop;
$vault->write(@all);
$node->start;
ok($vault->reads, 'three addresses');
my $position = log_position($node);
my $dead = $active;
$dead->stop('-9');
now_and_then(2, sub { $vault->reads or die 'not served' });
pass('the active node is killed: the cache serves');
$node->restart;
wait_until('after a restart the others do', sub { $vault->reads });
$active = active();
is($vault->steps, $all_steps, 'check_provider');
$vault->log_is_clean('the active node is killed', $position);

# --- the last one, without a quorum ------------------------------------------

my ($last) = grep { $_ != $dead && $_ != $active } @nodes;
$vault->configure(address => $last->{address});
$at_standby = $last->audit_position;
wait_until('the last standby answers refreshes',
	sub { $last->requests('transit/decrypt/fc', $at_standby) >= 2 });
$active->stop('-9');
$at_standby = $last->audit_position;
wait_until(
	'and goes on alone, with the token that there is',
	sub { $last->requests('transit/decrypt/fc', $at_standby) >= 2 });
sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
ok($vault->reads, 'so that keys can be fetched');
is($vault->provider('state'), 'ready', 'the view');
$vault->row(
	'a standby that sends to a dead node',
	'outage',
	qr/is a standby and could not reach the active node/,
	address => $last->{address},
	step => 'auth');

# --- and back ----------------------------------------------------------------

$dead->start;
wait_until('a quorum again: it works by itself', sub { $vault->reads });
$vault->configure(@all);
wait_until('with all addresses, too', sub { $vault->steps eq $all_steps });

$vault->log_is_clean('all of it');
$node->stop;
done_testing();
