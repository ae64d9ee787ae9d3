# kill -9 of everything that can be killed, while clients write: the server
# comes back by itself, nothing that was committed is lost, every value opens,
# and the log does not hold what a dead backend was doing.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = new_node('main');
my $dir = PostgreSQL::Test::Utils::tempdir('writers');
my $writers = 2;
my $next_id = 1;

# A client that commits rows one by one until its connection breaks, and the
# identities of those that it was told are committed.
sub start_writer
{
	my ($number) = @_;
	my $out = "$dir/writer$number.out";
	my $script = "$dir/writer$number.sql";

	open(my $fh, '>', $script) or die "$script: $!";
	foreach (1 .. 20000)
	{
		print $fh
		  "INSERT INTO patient VALUES ($next_id, 'name of $next_id', 'ssn of $next_id') RETURNING id;\n";
		$next_id++;
	}
	close($fh);
	unlink($out);
	my $handle = IPC::Run::start(
		[
			'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-U', 'app', '-d',
			$node->connstr('postgres') . " application_name=writer$number",
			'-f', $script
		],
		'<',
		\undef,
		'>', $out, '2>',
		"$out.err");
	return { number => $number, handle => $handle, out => $out };
}

# Kill while writers write; see that they had begun, that they were thrown
# out, and that what they were told is true.
sub crash_while_writing
{
	my ($what, $kill, $come_back) = @_;
	my @running = map { start_writer($_) } 1 .. $writers;

	foreach my $writer (@running)
	{
		wait_until("writer $writer->{number} writes before $what",
			sub { -s $writer->{out} });
	}
	$kill->();
	foreach my $writer (@running)
	{
		eval { $writer->{handle}->finish };
		like(
			slurp_file("$writer->{out}.err"),
			qr/terminat|closed the connection|connection to server/,
			"$what: writer $writer->{number} was thrown out");
	}
	$come_back->();

	# One look at everything: the rows that clients know of, and all others.
	my @known = map { split /\n/, slurp_file($_->{out}) } @running;
	@known = grep { /^\d+$/ } @known;
	cmp_ok(scalar @known,
		'>', 0, "$what: clients know of " . @known . ' rows');
	my %there = map { split /\|/, $_, 2 } split /\n/,
	  sql($node, 'app', 'SELECT id, name::text || ssn::text FROM patient');
	my @lost = grep { !exists $there{$_} } @known;
	is(scalar @lost, 0, "$what: nothing committed is lost");
	my @wrong =
	  grep { $there{$_} ne "name of ${_}ssn of $_" } keys %there;
	is(scalar @wrong,
		0, "$what: every value of " . keys(%there) . ' rows opens');
	return;
}

sub wait_for_server
{
	my ($what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until(
		"the server is back after $what",
		sub {
			return 0 if !come_back($node);
			my ($ret, $out) = FieldCrypt::psql_as($node, 'app', 'SELECT 1');
			return $ret == 0 && $out eq '1';
		});
}

# A backend, in the middle of a statement that holds plaintext.
my $planted = 'PLANTED-in-a-dying-backend';
my $position = log_position($node);
crash_while_writing(
	'kill -9 of a backend',
	sub {
		my ($out, $err) = ('', '');
		my $sql =
		  "INSERT INTO patient SELECT 0, '$planted', 'x' FROM pg_sleep(60)";
		my $victim = IPC::Run::start(
			[
				'psql', '-XAtq', '-U', 'app', '-d',
				$node->connstr('postgres') . ' application_name=victim',
				'-c', $sql
			],
			'<',
			\undef,
			'>',
			\$out,
			'2>',
			\$err);
		my $pid = wait_until(
			'the victim runs its statement',
			sub {
				sql($node, undef,
					q{SELECT pid FROM pg_stat_activity WHERE application_name = 'victim' AND wait_event = 'PgSleep'}
				);
			});
		kill_hard($pid);
		eval { $victim->finish };
	},
	sub { wait_for_server('kill -9 of a backend') });
my $log = log_since($node, $position);
like($log, qr/terminated by signal 9/, 'the log says what happened');
is(index($log, $planted), -1, 'but not what the backend was running');

# A crash empties the cache: with the KMS out of reach nothing opens.
{
	my $key_file = $node->{kms}->{key_file};

	sql($node, 'app', 'SELECT count(name::text) FROM patient');
	rename($key_file, "$key_file.away") or die $!;
	my $session =
	  $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
	kill_hard(scalar $session->query('SELECT pg_backend_pid()'));
	eval { $session->quit };
	wait_for_server('another crash');
	sql_fails(
		$node, 'app', 'SELECT name FROM patient LIMIT 1',
		'58000',
		qr/is not at hand/,
		'no key outlives a crash');
	rename("$key_file.away", $key_file) or die $!;
	wait_until(
		'and comes back with the KMS',
		sub {
			(   FieldCrypt::psql_as(
					$node, 'app', 'SELECT name FROM patient LIMIT 1')
			)[0] == 0;
		});
}

# The worker.  It is attached to shared memory, so the server restarts.
crash_while_writing(
	'kill -9 of the worker',
	sub {
		my $pid = worker_pid($node);

		cmp_ok($pid, '>', 0, 'the worker runs');
		kill_hard($pid);
	},
	sub { wait_for_server('kill -9 of the worker') });

# The launcher.
crash_while_writing(
	'kill -9 of the launcher',
	sub {
		my @pids = child_pids($node, qr/fieldcrypt launcher/);

		is(scalar @pids, 1, 'one launcher runs');
		kill_hard($pids[0]);
	},
	sub { wait_for_server('kill -9 of the launcher') });
wait_until('its worker is back',
	sub { my $pid = worker_pid($node); $pid && kill(0, $pid) });
is(scalar(my @launchers = child_pids($node, qr/fieldcrypt launcher/)),
	1, 'so is the launcher');

# The worker ends in an ordinary way: no crash, and it comes back by itself.
my $session =
  $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
my $worker = worker_pid($node);
cmp_ok($worker, '>', 0, 'a worker runs');
kill('TERM', $worker);
wait_until(
	'a terminated worker is replaced',
	sub {
		my $pid = worker_pid($node);
		$pid && $pid != $worker && kill(0, $pid);
	});
is($session->query('SELECT 1'), '1', 'sessions have not noticed');
$session->quit;
sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
sql_ok(
	$node, 'app',
	'SELECT count(name::text) FROM patient',
	'the new worker unwraps');

# The launcher ends in an ordinary way: what is cached serves on, and both
# come back.
my ($launcher) = child_pids($node, qr/fieldcrypt launcher/);
kill('TERM', $launcher) == 1 or die $!;
sql_ok(
	$node, 'app',
	'SELECT count(name::text) FROM patient',
	'without a launcher cached keys are served');
wait_until(
	'a terminated launcher is replaced',
	sub {
		my ($pid) = child_pids($node, qr/fieldcrypt launcher/);
		$pid && $pid != $launcher;
	});
wait_until('and its worker',
	sub { my $pid = worker_pid($node); $pid && kill(0, $pid) });
sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
sql_ok($node, 'app', 'SELECT count(name::text) FROM patient',
	'which unwraps');

# The postmaster.  Its children notice and go; until then the old shared
# memory is in use and a start is refused.
crash_while_writing(
	'kill -9 of the postmaster',
	sub { $node->kill9 },
	sub {
		wait_until(
			'the server starts again after kill -9 of the postmaster',
			sub {
				# a failed start may have met the old process's file
				$node->{_pid} = undef;
				$node->start(fail_ok => 1);
			});
	});

$node->stop;
done_testing();
