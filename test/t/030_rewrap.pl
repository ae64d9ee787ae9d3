# Rotating and rewrapping while clients read and update: no statement fails,
# every value opens, and whatever ended a walk, the next call finishes it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 50000;
my $node = new_node('main');
my $dir = PostgreSQL::Test::Utils::tempdir('rewrap');

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

# Every value opens and is the one that its row was last given.
sub all_open
{
	my ($what) = @_;

	is( super(
			"SELECT count(*) FROM walked WHERE v::text = 'value ' || id || ' ' || n"
			  . " AND bi = fieldcrypt.blind_index(v)"),
		$rows,
		"$what: every value opens");
	return;
}

super(
	q{
	SELECT fieldcrypt.create_key('walk');
	SELECT fieldcrypt.grant_key('walk', 'public', 'decrypt');
	CREATE TABLE walked (id int PRIMARY KEY, n int DEFAULT 0,
		v encrypted_text('walk', 'searchable'),
		bi uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(v)) STORED);
	CREATE INDEX ON walked (bi);
	});
super(
	"INSERT INTO walked (id, v) SELECT i, 'value ' || i || ' 0' FROM generate_series(1, $rows) i"
);
is(usage(), "1|$rows", 'all values are under version 1');

# ---- with clients ----

my $read = script_file($dir, 'read.sql',
	"\\set id random(1, $rows)\nSELECT 1 / (v::text LIKE 'value :id %')::int FROM walked WHERE id = :id;\n"
);
my $update = script_file($dir, 'update.sql',
	"\\set id random(1, $rows)\n"
	  . "UPDATE walked SET n = n WHERE id = :id;\n"
	  . "UPDATE walked SET n = n + 1, v = 'value :id ' || n + 1 WHERE id = :id;\n");
my $bench_out = "$dir/pgbench.out";
my $bench = IPC::Run::start(
	[
		'pgbench', '-n', '-c', '4', '-j', '2', '-T', '12', '-U', 'postgres',
		'-f', "$read\@3", '-f', "$update\@1", $node->connstr('postgres')
	],
	'<',
	\undef,
	'>', $bench_out, '2>',
	"$bench_out.err");
my $walks = 0;

while ($walks < 3)
{
	super("CALL fieldcrypt.rotate_key('walk')");
	super("CALL fieldcrypt.rewrap_key('walk', batch_rows => 500)");
	is(usage(), active() . "|$rows",
		'no value is left under an old version while clients write');
	$walks++;
}
$bench->finish;
is($bench->full_result(0), 0, 'no statement of a client failed')
  or diag(slurp_file("$bench_out.err"));
unlike(slurp_file("$bench_out.err"), qr/ERROR|abort/, 'pgbench saw no error');
all_open('after walks among clients');

# ---- a row that somebody has locked ----

super("CALL fieldcrypt.rotate_key('walk')");
my $holder = IPC::Run::start(
	[
		'psql', '-XAtq', '-U', 'postgres', '-d', $node->connstr('postgres'),
		'-c', 'BEGIN', '-c', 'UPDATE walked SET n = n WHERE id = 77',
		'-c', 'SELECT pg_sleep(15)', '-c', 'COMMIT'
	],
	'<',
	\undef,
	'>', "$dir/holder.out", '2>', "$dir/holder.err");
wait_until(
	'a row is locked',
	sub {
		super(
			"SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
		) > 0;
	});
my ($rc, $out, $err) = $node->psql(
	'postgres',
	"SET lock_timeout = '200ms'; CALL fieldcrypt.rewrap_key('walk')",
	extra_params => [ '-U', 'postgres' ]);
like($err, qr/lock timeout/, 'lock_timeout ends a walk that waits for a row');
like(usage(), qr/^\d+\|1\n\d+\|@{[$rows - 1]}$/,
	'all rows but the locked one were done');
super("CALL fieldcrypt.rewrap_key('walk')");
$holder->finish;
is(usage(), active() . "|$rows", 'without a timeout the walk waits and ends');

# ---- seen from outside, cancelled, terminated ----

foreach my $ending ('pg_cancel_backend', 'pg_terminate_backend')
{
	super("CALL fieldcrypt.rotate_key('walk')");
	my $walk = IPC::Run::start(
		[
			'psql', '-XAtq', '-U', 'postgres', '-d', $node->connstr('postgres'),
			'-c', "CALL fieldcrypt.rewrap_key('walk', batch_rows => 50, pause => '50 ms')"
		],
		'<',
		\undef,
		'>', "$dir/walk.out", '2>', "$dir/walk.err");
	wait_until(
		"rotation_progress shows the walk ($ending)",
		sub {
			super(
				"SELECT count(*) FROM fieldcrypt.rotation_progress"
				  . " WHERE relation = 'walked'::regclass AND \"column\" = 'v' AND command = 'rewrap_key'"
				  . " AND pass = 1 AND phase = 'all rows' AND rows_written > 0 AND blocks_done > 0"
				  . " AND blocks_total > blocks_done AND errors = 0"
				  . " AND rows_per_second > 0 AND time_left >= '0' AND time_left < '1 hour'"
			) == 1;
		});
	super("SELECT $ending(pid) FROM fieldcrypt.rotation_progress");
	eval { $walk->finish };
	is(super('SELECT count(*) FROM fieldcrypt.rotation_progress'),
		0, "a walk that is gone is not shown ($ending)");
	like(usage(), qr/\n/, "and left work behind ($ending)");
}
super("CALL fieldcrypt.rewrap_key('walk')");
is(usage(), active() . "|$rows", 'the next call finishes it');

# ---- a value that an update moves behind the walk ----

# The only value is in the middle of a big table of full pages; the only free
# space is at the table's beginning.
super(q{
	CREATE TABLE sparse (id int, n int, v encrypted_text('walk')) WITH (autovacuum_enabled = off);
	INSERT INTO sparse SELECT i, 0, CASE i WHEN 240000 THEN 'value' END FROM generate_series(1, 300000) i;
	DELETE FROM sparse WHERE id <= 1000 OR id > 260000;
});
super('VACUUM sparse');
super("CALL fieldcrypt.rotate_key('walk')");
my $behind = IPC::Run::start(
	[
		'psql', '-XAtq', '-U', 'postgres', '-d', $node->connstr('postgres'),
		'-c', "CALL fieldcrypt.rewrap_column('sparse', 'v', pause => '3 s')"
	],
	'<',
	\undef,
	'>', "$dir/behind.out", '2>', "$dir/behind.err");
# in its first pause, if it has one; or it is over
wait_until(
	'the walk has begun',
	sub {
		super(
			"SELECT (SELECT count(*) FROM fieldcrypt.rotation_progress WHERE relation = 'sparse'::regclass AND blocks_done > 0)"
			  . " + (SELECT count(*) FROM fieldcrypt.column_key_usage('sparse', 'v') WHERE version = "
			  . active() . ')') > 0;
	});
super('UPDATE sparse SET n = 1 WHERE id = 240000');
is(super("SELECT ctid < '(100,0)' FROM sparse WHERE id = 240000"),
	't', 'the row has moved to the beginning');
$behind->finish;
is( super("SELECT version FROM fieldcrypt.column_key_usage('sparse', 'v')"),
	active(), 'its value is under the new version all the same');
super('DROP TABLE sparse');
super("CALL fieldcrypt.rewrap_key('walk')");

# What is under the active version alone lets every old version go.
my $active = active();
super("CALL fieldcrypt.destroy_version('walk', $_)") foreach 1 .. $active - 1;
all_open('after the old versions were destroyed');

done_testing();
