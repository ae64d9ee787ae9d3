
=pod

=head1 NAME

Vault - what the TAP tests of the provider C<vault> share

=head1 DESCRIPTION

A node whose provider C<vault> is configured for an OpenBao, and the rows of
the table of failures: what a backend sees, how long it waits, what the view
says, and that the server's log holds no token and no key.

=cut

package Vault;

use strict;
use warnings FATAL => 'all';

use Cwd            qw(abs_path);
use Exporter       qw(import);
use File::Basename qw(dirname);
use FieldCrypt;
use IPC::Run     ();
use MIME::Base64 qw(decode_base64 encode_base64);
use OpenBao;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(need_openbao $read $all_steps);

our $read = 'SELECT name FROM patient WHERE id = 1';
our $all_steps =
  'configuration resolve connect tls auth key wrap unwrap compare';

# What a failure of a class is for a backend and for the view.
my %classes = (
	'outage' => [ '58000', 'outage' ],
	'configuration' => [ '58000', 'misconfigured' ],
	'wrong answer, possible tampering' => [ '58000', 'ready' ],
	'credentials refused' => [ '55000', 'denied' ],
	'key refused' => [ '55000', 'denied' ]);

my $here = abs_path(dirname(__FILE__));
my @running;

sub need_openbao
{
	plan skip_all =>
	  'no program bao: test/setup.sh tests fetches OpenBao, or set BAO_BIN'
	  if !defined OpenBao::program();
	plan skip_all => 'OpenBao is started by curl(1)'
	  if system('curl --version >/dev/null 2>&1') != 0;
	return;
}

=pod

=over

=item Vault->new(%options)

A started OpenBao and a directory for credentials; C<bao> is in it.  Options:
C<bao> to use that one, C<bao_env> for its start.

=cut

sub new
{
	my ($class, %options) = @_;
	my $bao = $options{bao};
	my $dir = PostgreSQL::Test::Utils::tempdir('kms');

	chmod(0700, $dir) or die $!;
	if (!defined $bao)
	{
		$bao = OpenBao->new;
		push @running, $bao;
		$bao->start(%{ $options{bao_env} // {} });
	}
	my $self = bless {
		bao => $bao,
		dir => $dir,
		kms => { dir => $dir, provider_file => "$dir/fieldcrypt_kms.conf" },
		secrets => {},
		stubs => []
	  },
	  $class;

	$self->{approle} = {
		address => $bao->{address},
		ca_file => "$bao->{dir}/ca.pem",
		auth => 'approle',
		role_id_file => "$dir/role_id",
		secret_id_file => "$dir/secret_id",
		key => 'fc'
	};
	$self->credential('role_id', $bao->{env}{BAO_ROLE_ID});
	$self->credential('secret_id', $bao->{env}{BAO_SECRET_ID});
	$self->{secrets}{root} = $bao->{env}{BAO_ROOT_TOKEN};
	$self->write;
	return $self;
}

# One more node of its OpenBao's cluster.
sub join_bao
{
	my ($self) = @_;
	my $bao = OpenBao->new;

	push @running, $bao;
	$bao->start(BAO_JOIN => $self->{bao}{dir});
	return $bao;
}

# The node; its log is to tell everything.
sub start_node
{
	my ($self, $name, %options) = @_;

	$options{conf} =
	  "fieldcrypt.cache_refresh = '1s'\nlog_min_messages = debug1\n"
	  . ($options{conf} // '');
	$self->{node} = new_node($name, kms => $self->{kms}, %options);
	return $self->{node};
}

# A file with a credential; it must not be in the log.
sub credential
{
	my ($self, $name, $text, $mode) = @_;

	write_key_file("$self->{dir}/$name", $text, $mode);
	$self->{secrets}{"$name $text"} = $text if $name !~ /role_id$/;
	return "$self->{dir}/$name";
}

# Write the provider file: AppRole with these options changed, undef takes one away.
sub write
{
	my ($self, %changes) = @_;
	my %options = (%{ $self->{approle} }, %changes);

	write_provider_file(
		$self->{kms},
		"vault.type = 'vault'\n"
		  . join('',
			map { "vault.$_ = '$options{$_}'\n" }
			grep { defined $options{$_} } sort keys %options));
	return;
}

sub configure
{
	my ($self, %changes) = @_;

	$self->write(%changes);
	$self->{node}->reload;
	return;
}

sub reads
{
	my ($self, $node) = @_;
	my ($ret, $out) =
	  FieldCrypt::psql_as($node // $self->{node}, 'app', $read);
	return $ret == 0 && $out eq 'Ada';
}

sub provider
{
	my ($self, $column, $node) = @_;
	return sql($node // $self->{node},
		undef,
		"SELECT $column FROM fieldcrypt.providers WHERE provider = 'vault'");
}

# The steps of a check; the one that failed has a mark.
sub steps
{
	my ($self, $node) = @_;
	return sql($node // $self->{node},
		undef,
		q{SELECT string_agg(step || CASE WHEN ok THEN '' ELSE ' failed' END, ' ') FROM fieldcrypt.check_provider('vault')}
	);
}

=pod

=item row($what, $class, $pattern, %changes)

A row of the table: a server started with these options fails a first reading
with this class and text.  C<node>: another one.

=cut

sub row
{
	my ($self, $what, $class, $pattern, %changes) = @_;
	my $node = delete $changes{node} // $self->{node};
	my $last_step = delete $changes{step};
	my ($sqlstate, $state) = @{ $classes{$class} };

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->stop;
	$self->write(%changes);
	my $position = log_position($node);
	$node->start;
	$self->seen($what, $class, $pattern, node => $node);
	if (defined $last_step)
	{
		my $start = time();
		like($self->steps($node), qr/\b$last_step failed$/,
			"$what: check_provider ends at $last_step");
		cmp_ok(time() - $start, '<', 7, "$what: and is in time");
	}
	return $self->log_is_clean($what, $position, $node);
}

# What there is to see while something is wrong.
sub seen
{
	my ($self, $what, $class, $pattern, %more) = @_;
	my $node = $more{node} // $self->{node};
	my ($sqlstate, $state) = @{ $classes{$class} };
	my $start = time();

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sql_fails($node, 'app', $more{sql} // $read,
		$sqlstate, qr/class: $class,.*$pattern/s, $what);
	cmp_ok(time() - $start, '<', 7, "$what: within kms_timeout");

	# that it was another key is known of a slot, not of the KMS
	my $view =
	  $pattern =~ /another key/
	  ? sql($node, undef,
		qq{SELECT 'ready $class: ' || last_error FROM fieldcrypt.cache WHERE purpose = 'wrap' AND last_error IS NOT NULL}
	  )
	  : $self->provider(
		q{state || ' ' || last_error_class || ': ' || last_error}, $node);
	like($view, qr/^$state $class: /, "$what: state and class in the view");
	like($view, $pattern, "$what: error in the view");
	return;
}

# Neither token nor key, and nothing that looks like one.
sub log_is_clean
{
	my ($self, $what, $position, $node) = @_;
	my $log = log_since($node // $self->{node}, $position // 0);
	my @hits = hits_in_string($log, $self->{secrets});

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	push @hits, 'a token' if $log =~ /\b(hvs|s|b)\.[A-Za-z0-9]{20,}/;
	push @hits, 'a wrapped key' if $log =~ /vault:v\d+:/;
	push @hits, 'a service account token' if $log =~ /eyJ[A-Za-z0-9]{10}/;
	is("@hits", '', "$what: neither token nor key in the log");
	return;
}

sub good_again
{
	my ($self, $what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$self->configure;
	wait_until("$what: and works again", sub { $self->reads });
	return;
}

# The root secret of the wrapped column key, so that the log can be searched.
sub know_root_secret
{
	my ($self) = @_;
	my ($wrapped, $key_id) = split /\|/,
	  sql($self->{node}, undef,
		q{SELECT convert_from(v.wrapped, 'UTF8'), encode(key_id, 'hex')
		    FROM fieldcrypt.key_versions v JOIN fieldcrypt.keys k USING (key_id)
		   WHERE k.name = 'pii' AND purpose = 1 AND version = 1});
	my $answer = $self->{bao}->api(
		'POST',
		'transit/decrypt/fc',
		sprintf(
			'{"ciphertext":"%s","associated_data":"%s"}',
			$wrapped,
			encode_base64(
				"fieldcrypt/1 purpose=1 suite=1 key_id=$key_id version=1", '')
		));
	my ($secret) = $answer =~ /"plaintext":"([^"]+)"/;

	$self->{secrets} = {
		%{ $self->{secrets} },
		secret_forms('root secret', decode_base64($secret))
	};
	return $wrapped;
}

=pod

=item stub($mode, %options)

Start kms_stub.py; returns its address.  Options: C<host>, C<certificate>.

=cut

sub stub
{
	my ($self, $mode, %options) = @_;
	my $host = $options{host} // '127.0.0.1';
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $bao = $self->{bao}{dir};
	my ($out, $err) = ('', '');
	my $stub = IPC::Run::start(
		[
			'python3', "$here/kms_stub.py", $mode, $host, $port,
			$options{certificate} // "$bao/server.pem",
			"$bao/server.key"
		],
		'<',
		\undef,
		'>',
		\$out,
		'2>',
		\$err);

	push @running, $stub;
	for (1 .. 200)
	{
		$stub->pump_nb;
		last if $out =~ /ready/;
		usleep(50_000);
	}
	die "kms_stub.py: $err" if $out !~ /ready/;
	return "https://$host:$port";
}

# A session that runs one statement in the background.
sub background
{
	my ($self, $sql, $role) = @_;
	my ($out, $err) = ('', '');
	my $handle = IPC::Run::start(
		[
			'psql', '-XAtq',
			'-d', $self->{node}->connstr('postgres'),
			'-U', $role // 'app',
			'-v', 'VERBOSITY=verbose', '-c', $sql
		],
		'<',
		\undef,
		'>',
		\$out,
		'2>',
		\$err);

	return { handle => $handle, out => \$out, err => \$err };
}

# That many backends wait for a key.
sub waiting
{
	my ($self, $what, $count) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until(
		$what,
		sub {
			sql($self->{node}, undef,
				q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active' AND wait_event_type = 'Extension'}
			) >= $count;
		});
}

=pod

=item delays_readers_only($what)

The KMS hangs, and no key is cached: a statement that needs one ends with
58000 in time and can be cancelled; databases come and go, and a fast shutdown
is fast.  The node is then started again.

=cut

sub delays_readers_only
{
	my ($self, $what) = @_;
	my $node = $self->{node};
	my $waiting = $self->background($read);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$self->waiting("$what: a statement waits", 1);
	my $start = time();
	sql($node, undef, 'CREATE DATABASE doomed');
	sql($node, undef, 'DROP DATABASE doomed');
	cmp_ok(time() - $start, '<', 3, "$what: databases come and go");
	my $canceled = $self->background("SET statement_timeout = '1s'; $read");
	$canceled->{handle}->finish;
	like(${ $canceled->{err} }, qr/57014/, "$what: waiting can be cancelled");
	$node->reload;
	$waiting->{handle}->finish;
	like(${ $waiting->{err} },
		qr/58000.*not at hand/, "$what: a statement fails");
	cmp_ok(time() - $start, '<', 9, "$what: in time");
	$waiting = $self->background($read);
	$self->waiting("$what: another waits", 1);
	$start = time();
	$node->stop('fast');
	cmp_ok(time() - $start, '<', 3, "$what: fast shutdown is fast");
	$waiting->{handle}->finish;
	$node->start;
	return;
}

# Whatever failed, leave nothing running.
END
{
	my $status = $?;

	foreach my $process (@running)
	{
		eval {
			$process->isa('OpenBao')
			  ? $process->stop('-9')
			  : $process->kill_kill;
		};
	}
	$? = $status;
}

=pod

=back

=cut

1;
