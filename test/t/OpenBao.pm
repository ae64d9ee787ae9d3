
=pod

=head1 NAME

OpenBao - a real OpenBao for TAP tests of the provider C<vault>

=head1 DESCRIPTION

Starts the server by test/openbao_up.sh, with TLS, raft storage and an audit
log, and speaks to it as its administrator.

=cut

package OpenBao;

use strict;
use warnings FATAL => 'all';

use Cwd            qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run       ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

my $scripts = abs_path(dirname(__FILE__) . '/..');

# The program: BAO_BIN, the one that test/setup.sh fetched, or PATH's.
sub program
{
	my $cache = $ENV{FC_CACHE} // '/var/tmp/fieldcrypt-cache';
	my @places = ($ENV{BAO_BIN} // (), "$cache/openbao/bao");

	push @places, map { "$_/bao" } split /:/, $ENV{PATH};
	foreach my $place (@places)
	{
		return $place if -x $place && -f $place;
	}
	return undef;
}

# A server in a fresh directory; both its ports (raft's is the next one) free.
sub new
{
	my ($class) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir_short() . '/bao';
	my $port;

	do
	{
		$port = PostgreSQL::Test::Cluster::get_free_port();
	} while (!PostgreSQL::Test::Cluster::can_bind('127.0.0.1', $port + 1));
	return bless {
		dir => $dir,
		port => $port,
		address => "https://127.0.0.1:$port"
	  },
	  $class;
}

sub start
{
	my ($self, %env) = @_;

	local %ENV = (
		%ENV,
		BAO_BIN => program(),
		# relative to the server's directory: nodes of a cluster must agree on it
		BAO_TOP =>
		  qq(audit "file" "f" {\n  options {\n    file_path = "audit.log"\n  }\n}\n),
		%env);

	# not IPC::Run: the server would keep its pipes open
	mkdir($self->{dir});
	system(
		qq(bash "$scripts/openbao_up.sh" "$self->{dir}" $self->{port} >"$self->{dir}/up.log" 2>&1 </dev/null)
	  ) == 0
	  or die 'openbao_up.sh failed: ' . slurp_file("$self->{dir}/up.log");
	$self->{env} =
	  { slurp_file("$self->{dir}/env") =~ /^export (\w+)=(.*)$/mg };
	return;
}

# -9 kills it; without an argument it ends in its own time.
sub stop
{
	my ($self, @how) = @_;

	system('bash', "$scripts/openbao_down.sh", $self->{dir}, @how) == 0
	  or die 'openbao_down.sh failed';
	return;
}

# Status of sys/health: 200 active, 429 standby; 000 if there is no answer.
sub health
{
	my ($self) = @_;
	my $out = '';

	IPC::Run::run(
		[
			'curl', '-s', '-o', '/dev/null', '-w', '%{http_code}',
			'--cacert', "$self->{dir}/ca.pem", '--max-time', '5',
			"$self->{address}/v1/sys/health"
		],
		'<',
		\undef,
		'>',
		\$out);
	return $out;
}

sub pid
{
	my ($self) = @_;
	return $self->{env}{BAO_PID};
}

# As administrator; dies unless the answer is a success.  Returns its text.
sub api
{
	my ($self, $method, $path, $body, %more) = @_;
	my ($out, $err) = ('', '');
	my $token = $more{token} // $self->{env}{BAO_ROOT_TOKEN};
	my @command = (
		'curl', '-sS',
		'-w', '\n%{http_code}',
		'--cacert', "$self->{dir}/ca.pem",
		'-H', "X-Vault-Token: $token",
		'-X', $method);

	push @command, '-H', "X-Vault-Namespace: $more{namespace}/"
	  if $more{namespace};
	push @command, '-H', "X-Vault-Wrap-TTL: $more{wrap_ttl}"
	  if $more{wrap_ttl};
	push @command, '-d', $body if defined $body;
	IPC::Run::run([ @command, "$self->{address}/v1/$path" ],
		'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(30));
	my ($text, $status) = $out =~ /\A(.*)\n(\d+)\z/s;
	die "$method $path: $out$err" if !defined $status || $status !~ /^2/;
	return $text;
}

# What the role may do; by default, use the Transit key.
sub policy
{
	my ($self, $text) = @_;

	$text //=
	  q(path "transit/encrypt/fc" {capabilities=["update"]} path "transit/decrypt/fc" {capabilities=["update"]});
	$text =~ s/"/\\"/g;
	$self->api('PUT', 'sys/policies/acl/fc', qq({"policy":"$text"}));
	return;
}

sub unseal
{
	my ($self) = @_;
	$self->api('PUT', 'sys/unseal',
		qq({"key":"$self->{env}{BAO_UNSEAL_KEY}"}));
	return;
}

# Requests of a path that the audit log has, from a position on.
sub audit_position
{
	my ($self) = @_;
	return -s "$self->{dir}/audit.log" // 0;
}

sub requests
{
	my ($self, $pattern, $position) = @_;
	my $log = slurp_file("$self->{dir}/audit.log", $position // 0);

	return
	  scalar grep { /"type":"request"/ && /"path":"$pattern"/ } split /\n/,
	  $log;
}

1;
