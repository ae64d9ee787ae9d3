# README's way to Vault and OpenBao, run as it is written there, and what it
# promises: the indented blocks of the section are a script for bash, lines of
# postgresql.conf, and statements.
#
# Changed are the directories, the ports and the user, nothing else: this is
# not root's machine.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use File::Basename qw(dirname);
use OpenBao;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Vault;

need_openbao();

my $root = PostgreSQL::Test::Utils::tempdir_short();
my $bao = OpenBao->new;    # for its free ports
my $server;

mkdir("$root/$_") or die $! foreach qw(etc srv);
$ENV{PATH} = dirname(OpenBao::program()) . ":$ENV{PATH}";

my ($section) = slurp_file("$FindBin::RealBin/../../README.md") =~
  /^### Vault and OpenBao\n(.*?)^##/ms;
my @blocks = $section =~ /((?:^    [^\n]*\n|^\n(?=    ))+)/mg;
my ($user, $group) = (scalar getpwuid($>), scalar getgrgid($)));
foreach (@blocks)
{
	s/^    //mg;
	s/8200/$bao->{port}/g;
	s/8201/$bao->{port} + 1/ge;
	s{(/etc/fieldcrypt|/srv/openbao)}{$root$1}g;
	s/-o postgres -g postgres/-o $user -g $group/;
	s/chown postgres/chown $user/;
}
is(scalar(@blocks), 4, 'a script, a configuration, statements of two roles');
my ($script, $conf, $superuser, $app) = @blocks;

# Every command has to succeed.  The server goes on; its pid is left in a file.
sub run_script
{
	my ($name, $text) = @_;

	open(my $fh, '>', "$root/$name") or die $!;
	print $fh "trap 'echo \$! >$root/pid' EXIT\n$text\n";
	close($fh) or die $!;
	unlink("$root/pid");
	my $status = system(
		"timeout 120 bash -e $root/$name >$root/$name.log 2>&1 </dev/null");
	$server = slurp_file("$root/pid") + 0 if -s "$root/pid";
	is($status, 0, $name) or diag(slurp_file("$root/$name.log"));
	return;
}

END
{
	my $status = $?;

	kill_hard($server) if $server;
	$? = $status;
}

my $node = new_node('main', kms => 0, preload => '', set_up => 0);

run_script('set_up', $script);
$node->append_conf('postgresql.conf', $conf);
$node->restart;

my ($ret, $out, $err) = FieldCrypt::psql_as($node, undef, $superuser);
is("$ret $err", '0 ', 'what the superuser runs succeeds');
like($out, qr/^compare\|t\|/m, 'the check is shown');
unlike($out, qr/\|f\|/, 'every step of it is ok');
($ret, $out, $err) = FieldCrypt::psql_as($node, 'app', $app);
is("$ret $out $err", '0 Ada Lovelace ', 'what app runs, too');
like(sql($node, undef, 'SELECT name FROM patient'),
	qr/^fieldcrypt:1:/, 'a superuser sees ciphertext');

my ($query) = $app =~ /^(SELECT .*)/m;

sub queries
{
	($ret, $out) = FieldCrypt::psql_as($node, 'app', $query);
	return $ret == 0 && $out eq 'Ada Lovelace';
}

# --- kill OpenBao: queries go on ---------------------------------------------

kill_hard($server);
$server = undef;
now_and_then(2, sub { queries() or die 'not served' });
pass('OpenBao is killed: queries go on');

# --- restart PostgreSQL: it is up --------------------------------------------

$node->restart;
sql_ok(
	$node, undef,
	'CREATE TABLE plain AS SELECT 1; SELECT count(*) FROM patient',
	'PostgreSQL is restarted: it is up');
my $start = time();
sql_fails($node, 'app', $query, '58000', qr/class: outage/,
	'what needs the key fails');
cmp_ok(time() - $start, '<', 12, 'within kms_timeout');

# --- start OpenBao again: they work, without a restart -----------------------

run_script(
	'start_again',
	join("\n",
		grep { /^(bao server|export|until|bao operator unseal)/ }
		  split(/\n/, $script)));
wait_until('OpenBao is started again: queries work', \&queries);

# --- nothing of it in the log ------------------------------------------------

my %secrets = map { $_ => slurp_file("$root/etc/fieldcrypt/$_") }
  qw(role_id secret_id);
($secrets{'root token'}) =
  slurp_file("$root/srv/openbao/init") =~ /^Initial Root Token: (\S+)/m;
is(join(' ', hits_in_string(slurp_file($node->logfile), \%secrets)),
	'', 'no credential in the log');
$node->stop;
done_testing();
