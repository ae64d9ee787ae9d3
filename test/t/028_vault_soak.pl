# Provider `vault`: the worker neither grows nor keeps connections over ten
# thousand refreshes, with a session that ends every few seconds.
#
# The worker's descriptors are hidden from everybody but root, since it is not
# dumpable; what is counted is the size of its table of them, and TCP
# connections to OpenBao.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;
use Vault;

need_openbao();

# Two slots for each key, and each slot is refreshed every second.
my $nkeys = 250;
my $refreshes = 10_000;

my $vault = Vault->new;
my $bao = $vault->{bao};
my $node = $vault->start_node('main',
	conf => "fieldcrypt.warm_databases = 'postgres'\n");

$vault->know_root_secret;
sql($node, undef,
	"SELECT count(fieldcrypt.create_key('k' || g)) FROM generate_series(1, $nkeys) g"
);
$bao->api('POST', 'auth/approle/role/fc',
	q({"token_policies":"fc","token_ttl":"4s","token_max_ttl":"9s"}));
$node->restart;
wait_until('all keys are at hand',
	sub { sql($node, undef, 'SELECT fieldcrypt.ready()') eq 't' });
cmp_ok(
	sql($node, undef, q{SELECT count(*) FROM fieldcrypt.cache WHERE state = 'valid'}),
	'==', 2 * $nkeys + 2, 'in a slot each');

my $worker = worker_pid($node, 'vault');

sub measure
{
	my %seen = map { /^(\w+):\s+(\d+)/ ? ($1 => $2) : () }
	  split /\n/, slurp_file("/proc/$worker/status");
	my $port = sprintf('%04X', $bao->{port});

	# established, or closed by the other side alone
	$seen{connections} = grep { /^ *\d+: \S+ [0-9A-F]{8}:$port 0[18] / }
	  split /\n/, slurp_file('/proc/net/tcp');
	note(join ' ', map { "$_=$seen{$_}" }
		  qw(RssAnon VmData FDSize Threads connections));
	return \%seen;
}

sub wait_for_calls
{
	my ($what, $count) = @_;
	my $end = kms_calls($node, 'vault') + $count;

	return wait_until($what, sub { kms_calls($node, 'vault') >= $end }, 180);
}

# What is allocated once, and the most that is in use at once, is there then.
wait_for_calls('settled', 3000);
my $position = $bao->audit_position;
my $before = measure();
wait_for_calls("$refreshes refreshes", $refreshes);
my $after = measure();

is(worker_pid($node, 'vault'), $worker, 'by the same worker');
cmp_ok($bao->requests('transit/decrypt/fc', $position),
	'>=', $refreshes, 'all of which OpenBao answered');
cmp_ok($bao->requests('auth/approle/login', $position),
	'>=', 2, 'with several logins');

# 64 kB: not even seven bytes for each refresh
cmp_ok($after->{RssAnon} - $before->{RssAnon},
	'<=', 64, 'the memory in use is the same');
cmp_ok($after->{VmData} - $before->{VmData},
	'<=', 256, 'and the memory that is mapped');
is($after->{FDSize}, $before->{FDSize}, 'the table of descriptors as well');
is($after->{Threads}, $before->{Threads}, 'and the number of threads');
# one for each call at once; a login makes one more, which lives for a minute
cmp_ok($after->{connections}, '<=', 16 + 16, 'connections do not pile up');

$vault->log_is_clean('all of it');
$node->stop;
done_testing();
