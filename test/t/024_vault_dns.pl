# Provider `vault`: its address is a host name, and DNS never answers.
#
# The whole test runs in name spaces of its own, whose only name server is a
# socket that nobody reads.  Where users may not make name spaces, it is
# skipped.

use strict;
use warnings FATAL => 'all';

my ($probe, @unshare);

# Before anything else is loaded: the test framework has no second start.
BEGIN
{
	$ENV{PATH} .= ':/usr/sbin:/sbin';
	@unshare = qw(unshare -U -m -n --map-current-user --keep-caps);
	$probe = $ENV{FC_TEST_NO_DNS} ? 'done' : 'failed';
	if ($probe ne 'done'
		&& system("@unshare ip link set lo up >/dev/null 2>&1") == 0)
	{
		$ENV{FC_TEST_NO_DNS} = 1;
		exec(@unshare, $^X, (map { "-I$_" } @INC), $0) or die "unshare: $!";
	}
}

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use IO::Socket::INET ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Vault;

plan skip_all => 'this user may not make name spaces' if $probe ne 'done';
need_openbao();

# --- no DNS ------------------------------------------------------------------

my $etc = PostgreSQL::Test::Utils::tempdir('etc');

sub etc_file
{
	my ($name, $text) = @_;

	open(my $fh, '>', "$etc/$name") or die $!;
	print $fh $text;
	close($fh) or die $!;
	return;
}

etc_file('resolv.conf', "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n");
etc_file('nsswitch.conf', "hosts: files dns\n");
etc_file('hosts', "127.0.0.1 localhost\n");
foreach my $name (qw(resolv.conf nsswitch.conf hosts))
{
	system('mount', '--bind', "$etc/$name", "/etc/$name") == 0
	  or die "mount /etc/$name";
}
system('ip', 'link', 'set', 'lo', 'up') == 0 or die 'ip link';
my $silent = IO::Socket::INET->new(
	Proto => 'udp',
	LocalAddr => '127.0.0.1',
	LocalPort => 53) or die "port 53: $!";

my $vault = Vault->new;
my $bao = $vault->{bao};
my $node = $vault->start_node('main');
my @name = (address => "https://kms.test:$bao->{port}");

sql($node, 'app', q{INSERT INTO patient VALUES (1, 'Ada', '1815')});
ok($vault->reads, 'an address needs no DNS');
$vault->know_root_secret;

# --- a server that starts, and one at work -----------------------------------

$vault->row('hanging DNS', 'outage', qr/the host name was not resolved in time/,
	@name, step => 'resolve');
$vault->delays_readers_only('hanging DNS');
# The second address has no name.
$vault->configure(address => "$name[1],$bao->{address}");
wait_until('the next address is tried', sub { $vault->reads });

# From a good start, DNS goes away: an outage that the cache survives.
my $position = log_position($node);
$vault->configure(@name);
wait_until('hanging DNS, at a refresh: an outage',
	sub { $vault->provider('state') eq 'outage' });
ok($vault->reads, 'hanging DNS, at a refresh: the cache serves');
$vault->log_is_clean('hanging DNS, at a refresh', $position);

# --- and it is back ----------------------------------------------------------

sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
ok(!$vault->reads, 'no key without DNS');
etc_file('hosts', "127.0.0.1 localhost kms.test\n");
wait_until('the name has an address: it works by itself',
	sub { $vault->reads });
is($vault->steps, $all_steps, 'and check_provider goes through');

$vault->log_is_clean('all of it');
$node->stop;
done_testing();
