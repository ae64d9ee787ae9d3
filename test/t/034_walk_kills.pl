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

# The walk, and the process of its backend.
my %kill = (
	backend => sub { kill_hard($_[0]) if $_[0] ne '' },
	worker => sub { kill_hard($_[1]) },
	postmaster => sub { kill_all($node) });

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
	my ($walk, $pid) = start_call($node, 'walk',
		"CALL fieldcrypt.${command}_key('walk', batch_rows => 100)", $dir);
	usleep(int(rand(120_000)));
	$kill{$victim}->($pid, $worker);
	eval { $walk->finish };
	wait_until(
		"round $round: the server is back",
		sub { come_back($node, $victim eq 'postmaster') });
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
