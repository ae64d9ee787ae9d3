# kill -9 of the walking backend, of the worker, and of all of the server's
# processes, fifty times at random points of a walk: after recovery every
# value opens, and the next call finishes what was begun.
#
# FC_SEED chooses the points; the seed of a run is in its log.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $rows = 10000;
my $rounds = 50;
my $seed = $ENV{FC_SEED} // time();
my $node = new_node('main');
my $dir = PostgreSQL::Test::Utils::tempdir('kills');

srand($seed);
note("FC_SEED=$seed");

sub super { return sql($node, 'postgres', @_) }

# Values of the key per version, as "version|values" lines.
sub usage
{
	return super(
		'SELECT version, sum("values") FROM fieldcrypt.key_usage(\'walk\')'
		  . ' GROUP BY 1 ORDER BY 1');
}

sub active
{
	return super("SELECT version FROM fieldcrypt.key_status WHERE key = 'walk'"
		  . " AND purpose = 'wrap' AND state = 'active'");
}

# How many values open, belong to their row and are found by their tag.
sub sound
{
	return super(
		"SELECT count(*) FROM walked WHERE v::text = 'value ' || id || repeat(' long', 40 * (id % 3))"
		  . " AND bi = fieldcrypt.blind_index(v)");
}

sub server_answers
{
	return (
		$node->psql('postgres', 'SELECT 1', extra_params => [ '-U', 'postgres' ])
	)[0] == 0;
}

# The walk, and the process of its backend.
sub start_walk
{
	my ($command) = @_;
	my $walk = IPC::Run::start(
		[
			'psql', '-XAtq', '-U', 'postgres', '-d',
			$node->connstr('postgres') . ' application_name=walk',
			'-c', "CALL fieldcrypt.${command}_key('walk', batch_rows => 100)"
		],
		'<',
		\undef,
		'>', "$dir/walk.out", '2>', "$dir/walk.err");
	my $pid = wait_until(
		'the walk runs',
		sub {
			my $found = super(
				"SELECT pid FROM pg_stat_activity WHERE application_name = 'walk'"
				  . " AND query LIKE 'CALL%'");
			$found ne '' ? $found : !$walk->pumpable ? 'over' : 0;
		});
	return ($walk, $pid);
}

sub kill_walk { return kill(9, $_[0]) if $_[0] ne 'over' }

# With the postmaster goes everything, as when the machine fails.  Processes
# left behind may wait for ever for a lock that the walk held, and keep the
# server from starting.
sub kill_all
{
	my @children = child_pids($node, qr/./);

	$node->kill9;
	kill(9, @children) if @children;
	return;
}

my %kill = (
	backend => \&kill_walk,
	worker => sub { kill_hard($_[1]) },
	postmaster => \&kill_all);

super(
	q{
	SELECT fieldcrypt.create_key('walk');
	SELECT fieldcrypt.grant_key('walk', 'public', 'decrypt');
	CREATE TABLE walked (id int PRIMARY KEY,
		v encrypted_text('walk', 'searchable'),
		bi uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(v)) STORED);
	CREATE INDEX ON walked (bi);
	CREATE INDEX ON walked (fieldcrypt.blind_index(v));
	});
super(
	"INSERT INTO walked (id, v) SELECT i, 'value ' || i || repeat(' long', 40 * (i % 3)) FROM generate_series(1, $rows) i"
);
is(sound(), $rows, 'every value opens at first');

my $interrupted = 0;

foreach my $round (1 .. $rounds)
{
	my $command = $round % 2 ? 'rewrap' : 'reencrypt';
	my $victim = (qw(backend worker postmaster))[ $round % 3 ];

	super("CALL fieldcrypt.rotate_key('walk')");
	my $worker = worker_pid($node);
	my ($walk, $pid) = start_walk($command);
	usleep(int(rand(120_000)));
	$kill{$victim}->($pid, $worker);
	eval { $walk->finish };
	wait_until(
		"round $round: the server is back",
		sub {
			if ($victim eq 'postmaster')
			{
				# a failed start may have met the old process's file
				$node->{_pid} = undef;
				$node->start(fail_ok => 1) or return 0;
			}
			server_answers();
		});
	my $left = usage();
	$interrupted++ if $left =~ s/\n/ /g;
	note("round $round, kill -9 of the $victim during $command: $left");
	is(sound(), $rows, "round $round, $victim: every value opens");
	super("CALL fieldcrypt.${command}_key('walk')");
	is(usage(), active() . "|$rows", "round $round: the next $command finishes");
}
cmp_ok($interrupted, '>', $rounds / 2,
	"$interrupted of $rounds kills left work behind");

# The indexes lead to what the table holds.
super('CREATE EXTENSION amcheck');
super(
	"SELECT bt_index_check(indexrelid, true) FROM pg_index WHERE indrelid = 'walked'::regclass"
);
is( super(
		"SET enable_seqscan = off; SELECT count(*) FROM generate_series(1, $rows, 97) i"
		  . " WHERE EXISTS (SELECT FROM walked WHERE v = 'value ' || i || repeat(' long', 40 * (i % 3)) AND id = i)"
	),
	int(($rows - 1) / 97) + 1,
	'and values are found by the index');

# What is under the active version alone lets every old version go.
my $active = active();
super("CALL fieldcrypt.destroy_version('walk', $_)") foreach 1 .. $active - 1;
is(sound(), $rows, 'every value opens after the old versions were destroyed');

done_testing();
