
=pod

=head1 NAME

FieldCrypt - what the TAP tests of fieldcrypt share

=head1 DESCRIPTION

Nodes with the extension, its key provider and a granted role; statements as
another role with their SQLSTATE; waiting with a limit; searching whole
directories and memory images for planted bytes.

A "KMS" here is the provider C<local>: a directory of its own, outside every
data directory, with a key file and a provider file.  Several nodes may share
one, and a test plays outage by moving its key file away.

=cut

package FieldCrypt;

use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(hmac_sha256);
use Exporter 'import';
use File::Copy   ();
use File::Find   ();
use IPC::Run     ();
use MIME::Base64 qw(decode_base64 encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(
  new_kms new_node set_up
  write_provider_file write_key_file
  sql sql_ok sql_fails
  wait_until now_and_then
  kms_calls worker_pid child_pids kill_hard kill_all come_back
  script_file start_call
  log_position log_since
  run_tool
  secret_forms hits_in_string hits_in_dir hits_in_file
  master_keys data_key core_of
);

# Longest time that anything here waits for something that ought to happen.
our $patience = 60;
$patience = $PostgreSQL::Test::Utils::timeout_default
  if $PostgreSQL::Test::Utils::timeout_default < $patience;

=pod

=head2 Nodes

=over

=item new_kms()

A directory with a fresh key file and a provider file that names it.
Returns a hash: C<dir>, C<key_file>, C<provider_file>.

=cut

sub new_kms
{
	my $dir = PostgreSQL::Test::Utils::tempdir('kms');
	my $kms = {
		dir => $dir,
		key_file => "$dir/local.key",
		provider_file => "$dir/fieldcrypt_kms.conf"
	};

	chmod(0700, $dir) or die "chmod $dir: $!";
	write_key_file($kms->{key_file}, random_hex());
	write_provider_file($kms,
		"local.type = 'local'\nlocal.file = '$kms->{key_file}'\n");
	return $kms;
}

sub random_hex
{
	open(my $random, '<:raw', '/dev/urandom') or die "/dev/urandom: $!";
	sysread($random, my $bytes, 32) == 32     or die "short read: $!";
	close($random);
	return unpack('H*', $bytes);
}

# Make a key file the way its owner would: complete and with its mode before
# it has its name, so that a worker never sees half of it.
sub write_key_file
{
	my ($path, $text, $mode) = @_;

	open(my $fh, '>', "$path.new") or die "$path.new: $!";
	print $fh "$text\n";
	close($fh)                        or die "$path.new: $!";
	chmod($mode // 0600, "$path.new") or die "chmod $path.new: $!";
	rename("$path.new", $path)        or die "rename $path: $!";
	return;
}

sub write_provider_file
{
	my ($kms, $text) = @_;
	my $path = $kms->{provider_file};

	open(my $fh, '>', "$path.new") or die "$path.new: $!";
	print $fh $text;
	close($fh)                 or die "$path.new: $!";
	chmod(0600, "$path.new")   or die "chmod $path.new: $!";
	rename("$path.new", $path) or die "rename $path: $!";
	return;
}

=pod

=item new_node($name, %options)

A started server with fieldcrypt preloaded.  Options: C<kms> (default a new
one; 0 for none, so that no setting but the preload line is made), C<init>
(array of arguments for init()), C<conf> (lines for postgresql.conf),
C<preload> (default 'fieldcrypt'; '' for none), C<set_up> (default 1: see
set_up()), C<start> (default 1), C<memlock> (limit of locked memory in kB).  The node's KMS is in C<< $node->{kms} >>.

=cut

sub new_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $kms = $options{kms} // new_kms();
	my $preload = $options{preload} // 'fieldcrypt';
	my $conf = '';

	# The locale is fixed, so that results depend on the test alone.
	my %init = (
		extra => [ '--encoding=UTF8', '--locale=C', '-U', 'postgres' ],
		@{ $options{init} // [] });
	$node->init(%init);

	# restart_after_crash: production's default, which the framework turns
	# off.  log_statement: what a client asks for is its own affair; tests that
	# search the log must not find it there.
	$conf .= "shared_preload_libraries = '$preload'\n" if $preload ne '';
	$conf .= "restart_after_crash = on\nlog_statement = none\n";
	$conf .= "fieldcrypt.provider_file = '$kms->{provider_file}'\n" if $kms;
	$conf .= "fieldcrypt.kms_timeout = '5s'\n"                      if $kms;
	$conf .= $options{conf} // '';
	$node->append_conf('postgresql.conf', $conf);
	$node->{kms} = $kms;

	start_limited($node, $options{memlock}) if $options{start} // 1;
	set_up($node) if ($options{start} // 1) && ($options{set_up} // 1);
	return $node;
}

# Start a node, maybe with little memory that it may lock.
sub start_limited
{
	my ($node, $memlock) = @_;

	return $node->start unless defined $memlock;

	# the limit is inherited, and cannot be raised again: so in a child
	my $starter = PostgreSQL::Test::Utils::tempdir() . '/pg_ctl';
	my $real = (grep { -x "$_/pg_ctl" } split /:/, $ENV{PATH})[0];
	open(my $fh, '>', $starter) or die "$starter: $!";
	print $fh "#!/bin/sh\nulimit -l $memlock\nexec '$real/pg_ctl' \"\$@\"\n";
	close($fh);
	chmod(0700, $starter) or die $!;
	local $ENV{PATH} = ($starter =~ s/\/pg_ctl$//r) . ":$ENV{PATH}";
	return $node->start;
}

# One superuser name everywhere, whoever runs the tests.
$ENV{PGUSER} = 'postgres';

=pod

=item set_up($node, $database)

Extension, key C<pii>, role C<app> holding decrypt on it, role C<nobody_here>
holding nothing, and a table C<patient> that both may use.

=cut

sub set_up
{
	my ($node, $database) = @_;

	sql($node, undef, q{
CREATE EXTENSION fieldcrypt;
SELECT fieldcrypt.create_key('pii');
DO $$
BEGIN
	IF to_regrole('app') IS NULL THEN
		CREATE ROLE app LOGIN;
		CREATE ROLE nobody_here LOGIN;
	END IF;
END
$$;
SELECT fieldcrypt.grant_key('pii', 'app', 'decrypt');
CREATE TABLE patient (
	id bigint PRIMARY KEY,
	name encrypted_text('pii'),
	ssn encrypted_text('pii', 'searchable')
);
GRANT ALL ON patient TO app, nobody_here;
GRANT CREATE ON SCHEMA public TO app;
}, dbname => $database // 'postgres');
	return;
}

=pod

=back

=head2 Statements

=over

=item sql($node, $role, $sql, %params)

Run statements as a role (undef = the superuser) and return their output; die
if one fails.  C<dbname>: default postgres.  C<options>: PGOPTIONS.

=cut

sub psql_as
{
	my ($node, $role, $sql, %params) = @_;
	my @extra = ('-v', 'VERBOSITY=verbose');

	push @extra, '-U', $role if defined $role;
	local $ENV{PGOPTIONS} = $params{options} // '';
	local $ENV{PGCLIENTENCODING} = $params{encoding} // 'UTF8';
	my ($ret, $out, $err) = $node->psql(
		$params{dbname} // 'postgres', $sql,
		extra_params => \@extra,
		timeout => $params{timeout}
		  // $PostgreSQL::Test::Utils::timeout_default);
	return ($ret, $out, $err);
}

sub sql
{
	my ($node, $role, $sql, %params) = @_;
	my ($ret, $out, $err) = psql_as($node, $role, $sql, %params);

	die "statement failed: $sql\n$err\n" if $ret != 0;
	return $out;
}

# The same as a test: statements succeed, and nothing at all is complained of.
sub sql_ok
{
	my ($node, $role, $sql, $test, %params) = @_;
	my ($ret, $out, $err) = psql_as($node, $role, $sql, %params);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($ret, 0, $test) or diag($err);
	return $out;
}

=pod

=item sql_fails($node, $role, $sql, $sqlstate, $pattern, $test, %params)

The statement must fail with this SQLSTATE and with a report (message, detail
and hint) that matches the pattern.  Returns the report.

=cut

sub sql_fails
{
	my ($node, $role, $sql, $sqlstate, $pattern, $test, %params) = @_;
	my ($ret, $out, $err) = psql_as($node, $role, $sql, %params);
	my ($seen) = $err =~ /(?:ERROR|FATAL):\s+([0-9A-Z]{5}):/;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($seen // 'no error', $sqlstate, "$test: SQLSTATE")
	  or diag("statement: $sql\noutput: $out\nreport: $err");
	like($err, $pattern, "$test: report");
	return $err;
}

=pod

=back

=head2 Waiting

=over

=item wait_until($what, $condition, $seconds)

Call $condition until it returns true; a failed test named $what when the time
is over.  Polls, since nothing tells a client what a background process did.

=cut

sub wait_until
{
	my ($what, $condition, $seconds) = @_;
	my $end = time() + ($seconds // $patience);
	my $result;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	until ($result = $condition->())
	{
		if (time() > $end)
		{
			fail("in time: $what");
			return;
		}
		usleep(100_000);
	}
	pass("in time: $what");
	return $result;
}

# Call something every 100 ms for a while; returns how often.
sub now_and_then
{
	my ($seconds, $action) = @_;
	my $end = time() + $seconds;
	my $times = 0;

	while (time() < $end)
	{
		$action->();
		$times++;
		usleep(100_000);
	}
	return $times;
}

=pod

=back

=head2 The server's processes and its log

=cut

# Calls that a provider's worker made to its KMS since the server started.
sub kms_calls
{
	my ($node, $provider) = @_;

	$provider //= 'local';
	return sql($node, undef,
		"SELECT kms_calls FROM fieldcrypt.providers WHERE provider = '$provider'"
	);
}

sub worker_pid
{
	my ($node, $provider) = @_;

	$provider //= 'local';
	my $pid = sql($node, undef,
		"SELECT pid FROM fieldcrypt.providers WHERE provider = '$provider'");
	return $pid eq '' ? 0 : $pid;
}

# Children of a node's postmaster whose title matches.  Processes without a
# database connection are in no view.
sub child_pids
{
	my ($node, $pattern) = @_;
	my $postmaster =
	  (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my @pids;

	foreach my $dir (glob('/proc/[0-9]*'))
	{
		open(my $fh, '<', "$dir/stat") or next;
		my $stat = <$fh> // '';
		close($fh);

		# the program's name stands in parentheses and may hold anything
		my ($parent) = $stat =~ /^\d+ \(.*\) \S (\d+)/s;
		next unless defined $parent && $parent == $postmaster;
		open($fh, '<', "$dir/cmdline") or next;
		my $title = <$fh> // '';
		close($fh);
		push @pids, $dir =~ /(\d+)$/ if $title =~ $pattern;
	}
	return @pids;
}

# kill -9, of exactly one process: 0 would mean all of ours.
sub kill_hard
{
	my ($pid) = @_;

	die 'no process to kill'
	  unless defined $pid && $pid =~ /^\d+$/ && $pid > 1;
	return kill(9, $pid);
}

# With the postmaster goes everything, as when the machine fails.  Processes
# left behind may wait for ever for a lock that a killed one held, and keep the
# server from starting.
sub kill_all
{
	my ($node) = @_;
	my @children = child_pids($node, qr/./);

	$node->kill9;
	kill(9, @children) if @children;
	return;
}

# Does the server answer again after a crash?  To be asked again if not; after
# kill_all it has to be started.
sub come_back
{
	my ($node, $start) = @_;

	if ($start)
	{
		# a failed start may have met the old process's file
		$node->{_pid} = undef;
		$node->start(fail_ok => 1) or return 0;
	}

	# psql that is refused may be gone before it is sent the statement
	my $answers = eval {
		($node->psql('postgres', 'SELECT 1',
				extra_params => [ '-U', 'postgres' ]))[0] == 0;
	};
	return $answers // 0;
}

# A file for pgbench; its path.
sub script_file
{
	my ($dir, $name, $text) = @_;

	open(my $fh, '>', "$dir/$name") or die "$dir/$name: $!";
	print $fh $text;
	close($fh) or die "$dir/$name: $!";
	return "$dir/$name";
}

# A session, known by its name, that runs one CALL in the background, once it
# does.  Its handle, and its pid or '' if it is over.  What it prints is in
# $name.out and $name.err.
sub start_call
{
	my ($node, $name, $call, $dir) = @_;
	my $handle = IPC::Run::start(
		[
			'psql', '-XAtq', '-U', 'postgres', '-d',
			$node->connstr('postgres') . " application_name=$name",
			'-c', $call
		],
		'<',
		\undef,
		'>', "$dir/$name.out", '2>', "$dir/$name.err");
	my $pid = wait_until(
		"$name runs",
		sub {
			my $found = sql($node, 'postgres',
				"SELECT pid FROM pg_stat_activity WHERE application_name = '$name'"
				  . " AND query LIKE 'CALL%'");
			$found ne '' ? $found : !$handle->pumpable ? 'over' : 0;
		});
	return ($handle, $pid eq 'over' ? '' : $pid);
}

sub log_position
{
	my ($node) = @_;
	return -s $node->logfile;
}

sub log_since
{
	my ($node, $position) = @_;
	return slurp_file($node->logfile, $position // 0);
}

=pod

=head2 Programs

=over

=item run_tool($node, \@command, %params)

Run pg_dump and the like against a node; returns (exit status, stdout,
stderr).  C<stdin>: text.  C<env>: hash of environment variables.

=cut

sub run_tool
{
	my ($node, $command, %params) = @_;
	my ($out, $err) = ('', '');
	my $stdin = $params{stdin} // '';

	local %ENV = (
		%ENV,
		PGHOST => $node->host,
		PGPORT => $node->port,
		%{ $params{env} // {} });
	print '# Running: ', join(' ', @$command), "\n";
	IPC::Run::run($command, '<', \$stdin, '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	print $err;
	return ($? >> 8, $out, $err);
}

=pod

=back

=head2 Planted bytes

=over

=item secret_forms($label, $bytes)

The forms in which 32 secret bytes might be left behind: raw, hexadecimal,
base64, and each half (a key schedule for decryption holds only one).  Returns
a hash from label to bytes.

=cut

sub secret_forms
{
	my ($label, $bytes) = @_;
	my %forms = (
		"$label raw" => $bytes,
		"$label hex" => unpack('H*', $bytes),
		"$label HEX" => uc(unpack('H*', $bytes)),
		# the last group depends on padding: leave it out
		"$label base64" => substr(encode_base64($bytes, ''), 0, 40));

	foreach my $half (0, 1)
	{
		my $part = substr($bytes, 16 * $half, 16);

		$forms{"$label half $half raw"} = $part;
		$forms{"$label half $half hex"} = unpack('H*', $part);
		$forms{"$label half $half base64"} =
		  substr(encode_base64($part, ''), 0, 20);
	}
	return %forms;
}

=pod

=item hits_in_string($string, \%needles), hits_in_file, hits_in_dir

Labels of the needles that were found (in a file: in pieces, so that memory
images of any size can be searched; in a directory: "file: label", over all
files below it).

=cut

sub hits_in_string
{
	my ($string, $needles) = @_;
	return grep { index($string, $needles->{$_}) >= 0 } sort keys %$needles;
}

sub hits_in_file
{
	my ($path, $needles) = @_;
	my $overlap = 0;
	my $window = '';
	my %found;

	foreach my $needle (values %$needles)
	{
		$overlap = length($needle) if length($needle) > $overlap;
	}

	# files of a running server come and go
	open(my $fh, '<:raw', $path) or return ();
	while (sysread($fh, my $piece, 4 * 1024 * 1024))
	{
		$window .= $piece;
		$found{$_} = 1 foreach hits_in_string($window, $needles);
		$window = substr($window, -$overlap) if length($window) > $overlap;
	}
	close($fh);
	return sort keys %found;
}

sub hits_in_dir
{
	my ($dir, $needles) = @_;
	my @hits;

	File::Find::find(
		{
			no_chdir => 1,
			wanted => sub {
				my $path = $File::Find::name;
				return unless -f $path;
				push @hits, map { "$path: $_" } hits_in_file($path, $needles);
			}
		},
		$dir);
	return @hits;
}

=pod

=item master_keys($node, $key)

The root secrets and master keys of a key, worked out by the documentation of
the format and by openssl(1), without a line of the extension's code: from the
rows of fieldcrypt.key_versions and the key file.  Returns a list of hashes
(C<purpose>, C<version>, C<root>, C<master>), each checked by its kcv.

=cut

sub master_keys
{
	my ($node, $key) = @_;
	my $kek = slurp_file($node->{kms}->{key_file});
	my @keys;

	$kek =~ s/\s+$//;
	my $rows = sql(
		$node, undef, qq{
SELECT encode(v.key_id, 'hex'), v.purpose, v.version, v.suite, encode(v.wrapped, 'hex'), encode(v.kcv, 'hex')
  FROM fieldcrypt.key_versions v JOIN fieldcrypt.keys k USING (key_id)
 WHERE k.name = '$key' ORDER BY 2, 3});
	foreach my $row (split /\n/, $rows)
	{
		my ($id, $purpose, $version, $suite, $wrapped, $kcv) = split /\|/,
		  $row;
		my $context =
			pack('CC', $purpose, $suite)
		  . pack('H*', $id)
		  . pack('n', $version);
		my $root = unwrap_local($kek, pack('H*', $wrapped));

		# design: SP 800-108 in counter mode, one block
		my $master = hmac_sha256(
			pack('N', 1) . "fieldcrypt/1\0" . $context . pack('N', 256),
			$root);

		die "unwrapped something else than the extension did"
		  unless unpack('H*',
			substr(hmac_sha256("fieldcrypt/1 kcv$context", $root), 0, 8)) eq
		  $kcv;
		push @keys,
		  {
			purpose => $purpose,
			version => $version,
			root => $root,
			master => $master
		  };
	}
	return @keys;
}

# What the provider `local` wrapped: version, fingerprint (8), nonce (12),
# ciphertext (32), tag (16).  GCM encrypts in counter mode from 2 on, which
# openssl(1) can do by itself; that it is the right key, the kcv tells.
sub unwrap_local
{
	my ($kek, $blob) = @_;
	my ($version, $nonce, $ciphertext) = unpack('C x8 a12 a32', $blob);
	my $root = '';

	die "no blob of provider local" if $version != 1 || length($blob) != 69;
	IPC::Run::run(
		[
			'openssl', 'enc', '-d', '-aes-256-ctr', '-K', $kek,
			'-iv', unpack('H*', $nonce) . '00000002'
		],
		'<',
		\$ciphertext,
		'>',
		\$root) or die 'openssl failed';
	return $root;
}

=pod

=item data_key($armour, $master)

The data key of a value of suite 1, likewise by openssl(1) alone.

=cut

sub data_key
{
	my ($armour, $master) = @_;
	my ($suite, $flags, $rest) =
	  unpack('C C x8 a*', decode_base64($armour =~ s/^fieldcrypt:1://r));
	my $wrapped = substr($rest, $flags & 1 ? 16 : 0, 40);
	my $key = '';

	die "no value of suite 1: $armour" if $suite != 1;
	IPC::Run::run(
		[
			'openssl', 'enc',
			'-d', '-id-aes256-wrap',
			'-K', unpack('H*', $master),
			'-iv', 'A6' x 8
		],
		'<',
		\$wrapped,
		'>',
		\$key) or die 'openssl failed';
	return $key;
}

=pod

=item core_of($pid, $everything)

A memory image of a process as a core dump would have it; with $everything
also of what it excludes from dumps.  Returns the file, or undef where there
is no gcore(1) or it may not look.

=cut

sub core_of
{
	my ($pid, $everything) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir('core');
	my ($out, $err) = ('', '');
	my @command = ('gcore', $everything ? '-a' : (), '-o', "$dir/core", $pid);

	eval {
		IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err,
			IPC::Run::timeout(120));
	};
	print "$out$err";
	return -s "$dir/core.$pid" ? "$dir/core.$pid" : undef;
}

=pod

=back

=cut

1;
