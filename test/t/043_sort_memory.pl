# What a sort opens is in the backend's memory while the sort needs it, and
# wiped when it ends, however it ends.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main');

# Made by the server, in other sessions than the one that sorts.
sql_ok($node, undef,
	q{CREATE TABLE names (id int, name encrypted_text('pii')); GRANT ALL ON names TO app},
	'a table');
sql_ok($node, 'app',
	q{INSERT INTO names SELECT i, 'SORTED' || md5(i::text) FROM generate_series(1, 3000) i},
	'with values');
sql_ok($node, undef,
	q{CREATE TABLE altered AS TABLE names; GRANT ALL ON altered TO app}, 'and a copy');
sql_ok($node, undef, 'ANALYZE names, altered', 'of which the planner knows the size');

# The copy has an altered value at its end.
my $whole =
  sql($node, undef, 'COPY (SELECT name FROM names WHERE id = 1) TO STDOUT');
my %flipped = map { $_ => $_ eq 'A' ? 'B' : 'A' } 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '+', '/';
$whole =~ s/^(.{120})(.)/$1$flipped{$2}/;
sql($node, undef, "COPY altered (name) FROM STDIN;\n$whole\n\\.\n");

my $session = $node->background_psql('postgres',
	on_error_stop => 0, extra_params => [ '-U', 'app' ]);
my $pid = $session->query('SELECT pg_backend_pid()');

# How often a text is in the backend's own memory; undef if it cannot be read.
sub texts_in_memory
{
	no warnings 'portable';
	my $count = 0;

	open(my $mem, '<:raw', "/proc/$pid/mem") or return;
	foreach my $map (split /\n/, slurp_file("/proc/$pid/maps"))
	{
		my ($from, $to) = map { hex } $map =~ /^([0-9a-f]+)-([0-9a-f]+) rw-p/
		  or next;

		sysseek($mem, $from, 0) or next;
		sysread($mem, my $bytes, $to - $from) or next;
		$count++ while $bytes =~ /SORTED[0-9a-f]/g;
	}
	close($mem);
	return $count;
}

# One statement after another; an error is found in the log.
sub run_all
{
	$session->query($_) foreach @_;
	return;
}

# Runs on disk are of values and their copies, neither of which shows a text.
sub runs_on_disk
{
	my $bytes = join '', map { slurp_file($_) } glob($node->data_dir . '/base/pgsql_tmp/*');

	cmp_ok(length($bytes), '>', 3000 * 150, 'merged: what is sorted is on disk');
	unlike($bytes, qr/SORTED/, 'merged: but no text');
	return;
}

sub sorts
{
	my ($what, $work_mem, $at_least, $at_most) = @_;
	my $order = 'ORDER BY name COLLATE "C"';
	my @fetched = (
		'BEGIN',
		"DECLARE c NO SCROLL CURSOR FOR SELECT name FROM names $order",
		'MOVE 100 FROM c');

	run_all("SET work_mem = '$work_mem'", @fetched);
	my $found = texts_in_memory();
	note("$what: $found texts");
	cmp_ok($found, '>=', $at_least, "$what: opened values are in memory");
	cmp_ok($found, '<=', $at_most, "$what: as many as are needed");
	runs_on_disk() if $what eq 'merged';
	run_all('CLOSE c');
	is(texts_in_memory(), 0, "$what: none when it is closed");
	run_all('COMMIT', @fetched);
	cmp_ok(texts_in_memory(), '>', 0, "$what: again");
	run_all('SELECT 1 / 0');
	is(texts_in_memory(), 0, "$what: none after an error");
	run_all('ROLLBACK');

	my $position = log_position($node);
	run_all("SELECT count(*) FROM (SELECT name FROM altered $order OFFSET 0) s");
	like(log_since($node, $position),
		qr/ERROR: +could not decrypt value/, "$what: an altered value is met");
	is(texts_in_memory(), 0, "$what: none after it");
	return;
}

SKIP:
{
	skip '/proc/PID/mem cannot be read', 18 unless defined texts_in_memory();
	is(texts_in_memory(), 0, 'nothing is opened yet');

	# The texts of the runs are given up when runs are merged.
	like(
		$session->query(
			q{SET work_mem = '64kB'; EXPLAIN SELECT name FROM names ORDER BY name COLLATE "C"}),
		qr/sort_copy/,
		'copies are sorted');
	sorts('merged', '64kB', 2, 200);
	sorts('in memory', '64MB', 3000, 6100);
}

$session->quit;
$node->stop;
done_testing();
