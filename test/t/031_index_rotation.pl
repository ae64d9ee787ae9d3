# Rotating the key of blind indexes while clients search and write, killed
# again and again, with a prepared transaction, a dump from the middle and a
# standby with an old snapshot: no search misses a row, and whatever
# interrupted a rotation, the next call finishes it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use File::Copy ();
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $rows = 20000;
my $node = new_node(
	'main',
	init => [ allows_streaming => 1 ],
	conf => "max_prepared_transactions = 5\n");
my $dir = PostgreSQL::Test::Utils::tempdir('index');

sub super { return sql($node, 'postgres', @_) }

my $rotate = "CALL fieldcrypt.rotate_index_key('ix', batch_rows => 200)";

# Versions of the index key that are in use, as "version|state" lines.
sub in_use
{
	return super("SELECT version, state FROM fieldcrypt.key_status WHERE key = 'ix'"
		  . " AND purpose = 'index' AND retired_at IS NULL ORDER BY 1");
}

# Values per version of their tags, as "version|values" lines.
sub tags
{
	return super("SELECT (fieldcrypt.value_info(v)).index_version, count(*)"
		  . " FROM searched GROUP BY 1 ORDER BY 1");
}

# Every row is found by its text, through the index, and only it.
sub all_found
{
	my ($on, $what) = @_;

	is( sql($on, 'postgres', q{
			SET enable_seqscan = off;
			DO $$ DECLARE r record; found int; wrong int := 0; BEGIN
				FOR r IN SELECT id FROM searched ORDER BY id LOOP
					SELECT count(*) INTO found FROM searched
					 WHERE v = 'value ' || r.id AND id = r.id;
					IF found <> 1 THEN wrong := wrong + 1; END IF;
				END LOOP;
				PERFORM set_config('test.wrong', wrong::text, false);
			END $$;
			SELECT current_setting('test.wrong')}),
		'0',
		"$what: every row is found");
	return;
}

# A rotation in the background; its pid once it is at work.
super(
	q{
	SELECT fieldcrypt.create_key('ix');
	SELECT fieldcrypt.grant_key('ix', 'public', 'decrypt');
	CREATE TABLE searched (id int PRIMARY KEY, n int DEFAULT 0,
		v encrypted_text('ix', 'searchable'),
		bi uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(v)) STORED);
	CREATE INDEX ON searched (fieldcrypt.blind_index(v));
	CREATE INDEX ON searched (bi);
	});
super(
	"INSERT INTO searched (id, v) SELECT i, 'value ' || i FROM generate_series(1, $rows) i"
);
super('ANALYZE searched');

# ---- with clients ----

# A search that misses its row divides by zero.
my $search = script_file($dir, 'search.sql',
	"\\set id random(1, $rows)\nSELECT 1 / count(*) FROM searched WHERE v = 'value ' || :id;\n"
);
my $join = script_file($dir, 'join.sql',
	"\\set id random(1, $rows)\nSELECT 1 / count(*) FROM searched WHERE id = :id AND v = ANY (ARRAY['value ' || :id, 'none']);\n"
);
my $update = script_file($dir, 'update.sql',
	"\\set id random(1, $rows)\n"
	  . "UPDATE searched SET n = n + 1, v = 'value ' || :id WHERE v = 'value ' || :id RETURNING 1 / 1;\n"
	  . "BEGIN;\nUPDATE searched SET n = n + 1 WHERE v = 'value ' || :id;\n"
	  . "SELECT 1 / count(*) FROM searched WHERE v = 'value ' || :id;\nCOMMIT;\n");
my $bench_out = "$dir/pgbench.out";
my $bench = IPC::Run::start(
	[
		'pgbench', '-n', '-M', 'prepared', '-c', '4', '-j', '2', '-T', '12', '-U', 'postgres',
		'-f', "$search\@3", '-f', "$join\@1", '-f', "$update\@2",
		$node->connstr('postgres') . ' options=-cplan_cache_mode=force_generic_plan'
	],
	'<',
	\undef,
	'>', $bench_out, '2>',
	"$bench_out.err");

foreach my $version (2 .. 4)
{
	super($rotate);
	is(in_use(), "$version|active",
		"version $version alone is in use while clients write");
	is(tags(), "$version|$rows", 'no old tag is left');
}
$bench->finish;
is($bench->full_result(0), 0, 'no search of a client missed its row')
  or diag(slurp_file("$bench_out.err"));
unlike(slurp_file("$bench_out.err"), qr/ERROR|abort/, 'pgbench saw no error');
is(super("SELECT count(*) FROM searched WHERE bi = fieldcrypt.blind_index(v)"),
	$rows, 'generated columns have the tags');

# ---- a prepared transaction, timeouts ----

super("BEGIN; UPDATE searched SET v = 'value 5' WHERE id = 5; PREPARE TRANSACTION 'two'");
my ($rc, $out, $err) = $node->psql(
	'postgres',
	"SET lock_timeout = '200ms'; $rotate",
	extra_params => [ '-U', 'postgres' ]);
like($err, qr/lock timeout/, 'a rotation waits for a prepared transaction');
is(in_use(), "4|active\n5|pre-active", 'with the next version made and not used');
($rc, $out, $err) = $node->psql(
	'postgres',
	"CALL fieldcrypt.rotate_index_key('ix', max_duration => '200 ms')",
	extra_params => [ '-U', 'postgres' ]);
like($err, qr/stopped by max_duration while it waited/, 'max_duration ends the wait');
is(sql($node, 'postgres', "SELECT id FROM searched WHERE v = 'value 6'"),
	'6', 'searching goes on');
super("COMMIT PREPARED 'two'");

# ---- two at a time ----

super("SELECT fieldcrypt.create_key('ix2'); SELECT fieldcrypt.grant_key('ix2', 'public', 'decrypt');"
	  . "CREATE TABLE second (v encrypted_text('ix2', 'searchable'))");
my ($first) = start_call($node, 'rotation', $rotate, $dir);
super("CALL fieldcrypt.rotate_index_key('ix2')");
$first->finish;
is($first->full_result(0), 0, 'two rotations at a time do not wait for each other for ever')
  or diag(slurp_file("$dir/rotation.err"));
is(in_use(), '5|active', 'the interrupted rotation has ended');

# ---- in the middle ----

# A row that is locked when the walk comes keeps the rotation from ending.
sub stop_in_the_middle
{
	my ($version) = @_;
	my ($handle, $pid) = start_call($node, 'rotation',
		"CALL fieldcrypt.rotate_index_key('ix', batch_rows => 50, pause => '50 ms')", $dir);

	wait_until('half of the tags are new',
		sub { tags() =~ /^\d+\|\d+\n$version\|\d{3,}$/ });
	super("SELECT pg_terminate_backend($pid)");
	eval { $handle->finish };
	is(in_use(), ($version - 1) . "|decrypt-only\n$version|active",
		'two versions are in use in the middle of a rotation');
	return;
}
stop_in_the_middle(6);
all_found($node, 'in the middle');

# its dump
my ($status, $dump, $complaint) = run_tool($node,
	[ 'pg_dump', '-U', 'postgres', '-d', 'postgres', '--no-owner' ],
	env => { PGOPTIONS => '-c fieldcrypt.output=ciphertext' });
is($status, 0, 'pg_dump in the middle');
sql($node, 'postgres', 'CREATE DATABASE copy');
($status, $out, $complaint) = run_tool(
	$node,
	[ 'psql', '-XqU', 'postgres', '-v', 'ON_ERROR_STOP=1', '-d', 'copy' ],
	stdin => $dump);
is($status, 0, 'is restored') or diag($complaint);
is( sql($node, 'postgres', "SELECT count(*) FROM searched WHERE v = ANY (SELECT 'value ' || i FROM generate_series(1, $rows, 1000) i)", dbname => 'copy'),
	$rows / 1000, 'and its rows are found there');
sql($node, 'postgres', $rotate, dbname => 'copy');
is( sql($node, 'postgres', "SELECT count(DISTINCT (fieldcrypt.value_info(v)).index_version) FROM searched", dbname => 'copy'),
	1, 'where the rotation can be finished');

# ---- a standby ----

$node->backup('base');
my $kms = new_kms();
File::Copy::copy($node->{kms}->{key_file}, $kms->{key_file}) or die $!;
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf',
	"fieldcrypt.provider_file = '$kms->{provider_file}'\nhot_standby_feedback = on\n");
$standby->start;
$node->wait_for_catchup($standby);
all_found($standby, 'on a standby, in the middle');

my $session = $standby->background_psql('postgres', extra_params => [ '-U', 'postgres' ]);
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM fieldcrypt.keys');
wait_until(
	'the primary knows the snapshot',
	sub {
		super('SELECT count(*) FROM pg_stat_replication WHERE backend_xmin IS NOT NULL') > 0;
	});
my $old_id = super("SELECT max(id) FROM searched WHERE (fieldcrypt.value_info(v)).index_version = 5");
super($rotate);
is(in_use(), '6|active', 'the next call finishes it');
$node->wait_for_catchup($standby);
is($session->query_safe("SELECT count(*) FROM searched WHERE v = 'value $old_id'"),
	1, 'an old snapshot on the standby finds a row by its old tag');
$session->query_safe('COMMIT');
is($session->query_safe("SELECT count(*) FROM searched WHERE v = 'value $old_id'"),
	1, 'a new one by its new tag');
$session->quit;

# A cursor is planned when it is declared, and asks for a tag when it is read.
$session = $standby->background_psql('postgres',
	on_error_stop => 0, extra_params => [ '-U', 'postgres' ]);
$session->query("BEGIN; DECLARE c CURSOR FOR SELECT id FROM searched WHERE v = 'value 9'");
super($rotate);
$node->wait_for_catchup($standby);
$session->query('\\set VERBOSITY verbose');
$session->query('FETCH c');
like($session->{stderr}, qr/40001: could not search because the index key of "ix" is being rotated/,
	'a plan of before a rotation is told to try again on a standby');
$session->query('ROLLBACK');
is($session->query("SELECT id FROM searched WHERE v = 'value 9'"), '9', 'which finds the row');
$session->quit;
all_found($standby, 'on a standby, after it');
$standby->stop;

# ---- killed at random points ----

my $interrupted = 0;

foreach my $round (1 .. 10)
{
	my ($handle, $pid) = start_call($node, 'rotation', $rotate, $dir);

	usleep(int(rand(300_000)));
	kill(9, $pid) if $pid ne '';
	eval { $handle->finish };
	wait_until('the server is back',
		sub { come_back($node) });
	my $left = in_use();
	$interrupted++ if $left =~ s/\n/ /g;
	note("round $round: $left");
	is( super("SELECT count(*) FROM searched WHERE v = ANY (SELECT 'value ' || i FROM generate_series(1, $rows, 100) i)"),
		$rows / 100, "round $round: rows are found");
	# a rotation that had ended begins anew
	super($rotate);
	like(in_use(), qr/^\d+\|active$/, "round $round: the next call finishes");
}
cmp_ok($interrupted, '>', 0, "$interrupted of ten kills left work behind");
all_found($node, 'after ten kills');

# ---- another search mode, killed at random points ----

# The column's type, and how many modes its values have.
sub search_mode
{
	return super("SELECT coalesce(fieldcrypt.typmod_mode(atttypmod), 'none') FROM pg_attribute"
		  . " WHERE attrelid = 'moded'::regclass AND attname = 'v'");
}

sub modes
{
	return super("SELECT string_agg(DISTINCT coalesce((fieldcrypt.value_info(v)).mode, 'none'), ' ')"
		  . " FROM moded");
}

super("CREATE TABLE moded (id int PRIMARY KEY, n int DEFAULT 0, v encrypted_text('ix'))");
super("INSERT INTO moded (id, v) SELECT i, 'Value ' || i FROM generate_series(1, $rows) i");
super("CREATE INDEX ON moded (fieldcrypt.blind_index(v))");
my $write = script_file($dir, 'moded.sql',
	"\\set id random(1, $rows)\nUPDATE moded SET n = n + 1, v = 'Value ' || :id WHERE id = :id;\n"
	  . "SELECT 1 / count(*) FROM moded WHERE id = :id AND v = 'Value ' || :id;\n");
$interrupted = 0;
foreach my $round (1 .. 6)
{
	my $mode = (qw(exact lower none))[ $round % 3 ];
	my $change = "CALL fieldcrypt.set_search('moded', 'v', '$mode', batch_rows => 200)";
	my $clients = IPC::Run::start(
		[
			'pgbench', '-n', '-M', 'prepared', '-c', '2', '-T', '60', '-U', 'postgres',
			'-f', $write, $node->connstr('postgres')
		],
		'<', \undef, '>', "$dir/clients.out", '2>', "$dir/clients.err");
	my ($handle, $pid) = start_call($node, 'rotation', $change, $dir);

	usleep(int(rand(400_000)));
	kill(9, $pid) if $pid ne '';
	eval { $handle->finish };
	# the crash has ended the clients, unless the change was done before
	$clients->kill_kill;
	wait_until('the server is back',
		sub { come_back($node) });
	unlike(slurp_file("$dir/clients.err"), qr/division by zero/, "round $round: no search of a client missed its row");
	my ($type, $values) = (search_mode(), modes());
	$interrupted++ if $type ne $mode || $values ne $mode;
	note("round $round, $mode: the type is $type, values are $values");
	is($values, $type, "round $round: a searchable column has tags of its mode") if $type ne 'none';
	is( super("SELECT count(*) FROM moded WHERE v = ANY (SELECT 'Value ' || i FROM generate_series(1, $rows, 100) i)"),
		$rows / 100, "round $round: rows are found");
	super($change);
	is(search_mode() . ' ' . modes(), "$mode $mode", "round $round: the next call finishes");
	is( super("SET enable_seqscan = off; SELECT id FROM moded WHERE v = 'Value 77'"),
		'77', "round $round: the row is found");
}
cmp_ok($interrupted, '>', 0, "$interrupted of six kills left work behind");

# its dump, from between two modes
super("CALL fieldcrypt.set_search('moded', 'v', 'lower')");
super("CALL fieldcrypt.set_search('moded', 'v', 'exact', max_duration => '0')");
is(modes(), 'exact lower', 'a column with values of two modes');
($status, $dump, $complaint) = run_tool($node,
	[ 'pg_dump', '-U', 'postgres', '-d', 'postgres', '--no-owner' ],
	env => { PGOPTIONS => '-c fieldcrypt.output=ciphertext' });
sql($node, 'postgres', 'CREATE DATABASE moded');
($status, $out, $complaint) = run_tool(
	$node,
	[ 'psql', '-XqU', 'postgres', '-v', 'ON_ERROR_STOP=1', '-d', 'moded' ],
	stdin => $dump);
is($status, 0, 'its dump is restored') or diag($complaint);
sql($node, 'postgres', "CALL fieldcrypt.set_search('moded', 'v', 'exact')", dbname => 'moded');
is( sql($node, 'postgres', "SELECT count(*) FROM moded WHERE v = ANY (SELECT 'Value ' || i FROM generate_series(1, $rows, 100) i)", dbname => 'moded'),
	$rows / 100, 'and made searchable there');

done_testing();
