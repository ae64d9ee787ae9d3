# On the wire the type is text: what a client is told of columns and
# parameters, in every kind of statement, and that nothing else changes.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;
use Wire;

use constant { TEXT => 25, TEXT_ARRAY => 1009, BIGINT => 20 };

my $node = new_node('main');
sql($node, undef, q{
CREATE TABLE doc (id bigint PRIMARY KEY, note encrypted_text('pii'), tags encrypted_text('pii')[]);
CREATE DOMAIN ssn_type AS encrypted_text('pii', 'searchable');
CREATE TABLE domains (id bigint, ssn ssn_type);
GRANT ALL ON doc, domains TO app, nobody_here;
CREATE INDEX ON patient (ssn);
});
sql($node, 'app', q{
INSERT INTO patient SELECT i, 'name ' || i, i::text FROM generate_series(1, 3) i;
INSERT INTO doc VALUES (1, 'a note', ARRAY['x', NULL, 'z']::text[]);
INSERT INTO domains VALUES (1, '1');
});
my ($native, $native_array) = split /\|/,
  sql($node, undef,
	q{SELECT oid, typarray FROM pg_type WHERE typname = 'encrypted_text'});

my $app = Wire->connect($node, 'app');
is($app->{parameters}{'fieldcrypt.describe_as'},
	'text', 'the setting is reported');

# A statement's columns, when it is described and when it is executed, by the
# extended and by the simple protocol.
sub columns_are
{
	my ($sql, $types, $rows, $test) = @_;
	my $described = $app->prepare('', $sql);
	my $run = $app->run('', 0);
	my $binary = $app->run('', 1);
	my $simple = $app->simple($sql);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply($described->{columns}, $types, "$test: described")
	  or diag($described->{message});
	is_deeply($run->{columns},    $types, "$test: portal");
	is_deeply($simple->{columns}, $types, "$test: simple");
	is_deeply($run->{rows},       $rows,  "$test: rows")
	  or diag($run->{message});
	is_deeply($simple->{rows}, $rows, "$test: simple rows");
	is($binary->{error}, undef, "$test: binary");
	return $binary;
}

is_deeply(
	columns_are(
		'SELECT name, ssn FROM patient WHERE id = 1',
		[ TEXT, TEXT ],
		[ [ 'name 1', '1' ] ], 'SELECT')->{rows},
	[ [ 'name 1', '1' ] ],
	'a binary value is its text');
columns_are('SELECT ssn FROM domains', [TEXT], [ ['1'] ], 'a domain');
columns_are('SELECT name FROM patient ORDER BY name DESC LIMIT 2',
	[TEXT], [ ['name 3'], ['name 2'] ], 'ORDER BY');
columns_are(
	'SELECT name FROM patient ORDER BY id FOR UPDATE',
	[TEXT],
	[ ['name 1'], ['name 2'], ['name 3'] ],
	'FOR UPDATE');
columns_are(
	'SELECT name, sum(id)::bigint FROM patient GROUP BY name ORDER BY name',
	[ TEXT, BIGINT ],
	[ [ 'name 1', '1' ], [ 'name 2', '2' ], [ 'name 3', '3' ] ],
	'GROUP BY');
columns_are(
	'SELECT name, count(*) FROM patient WHERE id < 2 GROUP BY ROLLUP (name) ORDER BY name',
	[ TEXT, BIGINT ],
	[ [ 'name 1', '1' ], [ undef, '1' ] ],
	'ROLLUP');
columns_are(
	'SELECT name, rank() OVER (ORDER BY name) FROM patient ORDER BY 1',
	[ TEXT, BIGINT ],
	[ [ 'name 1', '1' ], [ 'name 2', '2' ], [ 'name 3', '3' ] ],
	'a window');
columns_are(
	q{SELECT DISTINCT substr(name::text, 1, 4)::encrypted_text('pii') AS cut FROM patient},
	[TEXT], [ ['name'] ], 'DISTINCT');
columns_are(
	'SELECT DISTINCT ON (id % 2) id, name FROM patient ORDER BY id % 2, name DESC',
	[ BIGINT, TEXT ],
	[ [ '2', 'name 2' ], [ '3', 'name 3' ] ],
	'DISTINCT ON');
columns_are(
	'SELECT name FROM patient WHERE id = 1 UNION SELECT ssn FROM patient ORDER BY 1 DESC LIMIT 2',
	[TEXT], [ ['name 1'], ['3'] ], 'UNION');
columns_are('(VALUES (NULL::encrypted_text)) EXCEPT ALL SELECT name FROM patient',
	[TEXT], [ [undef] ], 'EXCEPT of VALUES');
columns_are(
	'WITH RECURSIVE r AS (SELECT id, name FROM patient WHERE id = 1 UNION ALL SELECT p.id, p.name FROM r JOIN patient p ON p.id = r.id + 1) SELECT DISTINCT name FROM r ORDER BY 1',
	[TEXT],
	[ ['name 1'], ['name 2'], ['name 3'] ],
	'WITH RECURSIVE and DISTINCT');
columns_are(
	'WITH u AS (UPDATE patient SET name = name WHERE id = 1 RETURNING name), v AS (SELECT * FROM u) SELECT name FROM u UNION ALL (SELECT name FROM v WHERE EXISTS (SELECT FROM u)) ORDER BY 1',
	[TEXT],
	[ ['name 1'], ['name 1'] ],
	'WITH that modifies data, and UNION');
columns_are('UPDATE patient SET name = name WHERE id = 2 RETURNING id, name',
	[ BIGINT, TEXT ],
	[ [ '2', 'name 2' ] ],
	'RETURNING');
columns_are(q{SELECT coalesce(name, 'none') FROM patient WHERE id = 1},
	[TEXT], [ ['name 1'] ], 'an expression');
columns_are(q{SELECT 'literal'::encrypted_text},
	[TEXT], [ ['literal'] ], 'a literal');

my $binary = columns_are('SELECT tags FROM doc',
	[TEXT_ARRAY], [ ['{x,NULL,z}'] ], 'an array');
is( unpack('H*', $binary->{rows}[0][0]),
	'0000000100000001' . '00000019'
	  . '0000000300000001'
	  . '0000000178' . 'ffffffff' . '000000017a',
	'a binary array is one of text');

# The table and the column that a result is from are still told: an
# updatable result set asks for them.
like(
	$app->prepare('', 'SELECT DISTINCT ssn AS s FROM patient')->{names}[0],
	qr/^s$/, 'names are kept');

# Cursors, prepared statements of SQL.
$app->simple('BEGIN');
$app->simple('DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT name FROM patient ORDER BY name');
my $fetched = $app->simple('FETCH 1 FROM c');
is_deeply([ $fetched->{columns}, $fetched->{rows} ],
	[ [TEXT], [ ['name 1'] ] ], 'FETCH');
$app->simple('COMMIT');
is_deeply(
	$app->simple('FETCH LAST FROM c')->{rows},
	[ ['name 3'] ],
	'FETCH from a cursor that was held');
$app->simple('BEGIN; DECLARE u CURSOR FOR SELECT name FROM patient FOR UPDATE');
my $current = $app->simple('FETCH FROM u')->{rows};
is_deeply(
	$app->simple('DELETE FROM patient WHERE CURRENT OF u RETURNING name')
	  ->{rows},
	$current, 'WHERE CURRENT OF');
$app->simple('ROLLBACK');
$app->simple('PREPARE s AS SELECT name FROM patient WHERE id = $1');
my $executed = $app->simple('EXECUTE s(2)');
is_deeply([ $executed->{columns}, $executed->{rows} ],
	[ [TEXT], [ ['name 2'] ] ], 'EXECUTE');

# A function that fetches from the client's cursor, of SQL or of the protocol,
# or from what was collected for it, gets armour; the client gets the text of
# the rows that are left.
sql($node, 'app', q{
CREATE FUNCTION fetched(INOUT c refcursor, OUT value text) LANGUAGE plpgsql AS $$
BEGIN
	FETCH c INTO value;
END $$});
my %portals = (
	'a query' => 'SELECT name FROM patient ORDER BY id',
	'RETURNING' => 'UPDATE patient SET name = name RETURNING name',
	'WITH that modifies data' =>
	  'WITH u AS (UPDATE patient SET name = name RETURNING name) SELECT name FROM u',
	'EXECUTE of SQL' => 'EXECUTE all_names',
	'EXECUTE of the protocol' => 'EXECUTE protocol_names',
	'FETCH' => 'FETCH ALL FROM all_names',
);
$app->simple('PREPARE all_names AS SELECT name FROM patient ORDER BY id');
$app->prepare('protocol_names', 'SELECT name FROM patient ORDER BY id');
foreach my $kind (sort keys %portals)
{
	my @execute = ('E', "portal\0" . pack('N', 1), 'S', '');
	my @rows;

	$app->simple('BEGIN; DECLARE all_names CURSOR FOR SELECT name FROM patient ORDER BY id');
	$app->prepare('', $portals{$kind});
	$app->send_messages('B', "portal\0\0" . pack('nnn', 0, 0, 0),
		@execute);
	push @rows, $app->answer->{rows};
	my $fetched = $app->simple(q{SELECT value FROM fetched('portal')});
	like($fetched->{rows}[0][0], qr/^fieldcrypt:1:/, "$kind: armour is fetched")
	  or diag($fetched->{message});
	$app->send_messages(@execute);
	push @rows, $app->answer->{rows};
	like(join(' ', map { map { $_->[0] } @$_ } @rows),
		qr/^name \d name \d$/, "$kind: the client gets text");
	$app->simple('ROLLBACK');
}

# Parameters that the client leaves undeclared.
sub parameters_are
{
	my ($sql, $types, $values, $rows, $test) = @_;
	my $described = $app->prepare('', $sql);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply($described->{params}, $types, "$test: described")
	  or diag($described->{message});
	foreach my $format (0, 1)
	{
		my $run = $app->run('', $format, @$values);

		is_deeply($run->{rows}, $rows, "$test: rows, format $format")
		  or diag($run->{message});
	}
	return;
}

parameters_are('SELECT name FROM patient WHERE ssn = $1',
	[TEXT], ['2'], [ ['name 2'] ], '=');
parameters_are(
	'SELECT name FROM patient WHERE ssn IN ($1, $2) ORDER BY id',
	[ TEXT, TEXT ],
	[ '1', '3' ],
	[ ['name 1'], ['name 3'] ],
	'IN');
parameters_are('SELECT name FROM patient WHERE name > $1 AND name < $2',
	[ TEXT, TEXT ],
	[ 'name 1', 'name 3' ],
	[ ['name 2'] ],
	'ranges');
parameters_are('UPDATE patient SET name = $1 WHERE ssn = $2 RETURNING name',
	[ TEXT, TEXT ], [ 'new', '2' ], [ ['new'] ], 'UPDATE');
parameters_are('UPDATE patient SET name = $1 WHERE id = 2 RETURNING name',
	[TEXT], [undef], [ [undef] ], 'a null');

my $insert = 'INSERT INTO patient (id, name, ssn) VALUES ($1, $2, $3), ($1 + 1, $2, $4) ON CONFLICT (id) DO UPDATE SET name = $2 RETURNING name';
is_deeply(
	$app->prepare('ins', $insert)->{params},
	[ BIGINT, TEXT, TEXT, TEXT ],
	'INSERT: described');
is_deeply(
	$app->run('ins', 0, '20', 'Zoe', '20', '21')->{rows},
	[ ['Zoe'], ['Zoe'] ],
	'INSERT: rows');
like(
	sql($node, undef, 'SELECT name FROM patient WHERE id = 21'),
	qr/^fieldcrypt:1:/, 'INSERT: encrypted');
is_deeply(
	$app->prepare('any', 'SELECT name FROM patient WHERE ssn = ANY ($1)')
	  ->{params},
	[TEXT_ARRAY],
	'ANY: described');
is_deeply($app->run('any', 0, '{1}')->{rows}, [ ['name 1'] ], 'ANY: rows');
is_deeply(
	$app->prepare('typed', 'SELECT name FROM patient WHERE ssn = $1', 1043)
	  ->{params},
	[1043],
	'a declared type stays');

# Where text does not do, the statement works as it is.
my $coalesce = 'UPDATE patient SET name = COALESCE($1, name) WHERE id = 1 RETURNING name';
is_deeply($app->prepare('coalesce', $coalesce)->{params},
	[$native], 'COALESCE: described as what it is');
is_deeply($app->run('coalesce', 0, 'x')->{rows}, [ ['x'] ], 'COALESCE: rows');

# What Django binds on the server: a cast that names no key.
is_deeply(
	$app->prepare('unnest',
		'INSERT INTO patient (id, name) SELECT * FROM unnest(($1)::int[], ($2)::encrypted_text[]) RETURNING name'
	)->{columns},
	[TEXT],
	'a parameter cast without a key: described');
is_deeply(
	$app->run('unnest', 0, '{601,602}', '{Una,Due}')->{rows},
	[ ['Una'], ['Due'] ],
	'a parameter cast without a key: rows');
$app->simple('DELETE FROM patient WHERE id IN (601, 602)');
is($app->prepare('', 'SELECT name FROM patient WHERE nothing = $1')->{error},
	'42703', 'an error is reported as ever');

# Prepared statements are analysed again after DDL, by whatever message comes
# first, and stay what they were.
$app->prepare('sel', 'SELECT name FROM patient WHERE ssn = $1 ORDER BY name');
foreach my $message (qw(run describe))
{
	sql($node, undef, "COMMENT ON TABLE patient IS '$message'; ALTER TABLE patient ALTER id SET STATISTICS 10");
	if ($message eq 'describe')
	{
		$app->send_messages('D', "Ssel\0", 'S', '');
		my $again = $app->answer;
		is_deeply([ $again->{params}, $again->{columns} ],
			[ [TEXT], [TEXT] ], 'described again after DDL')
		  or diag($again->{message});
	}
	my $again = $app->run('sel', 0, '3');
	is_deeply([ $again->{columns}, $again->{rows} ],
		[ [TEXT], [ ['name 3'] ] ], "after DDL: $message")
	  or diag($again->{message});
	is_deeply(
		$app->run('ins', 0, '20', 'Zoe', '20', '21')->{rows},
		[ ['Zoe'], ['Zoe'] ],
		"INSERT after DDL: $message");
	is_deeply($app->run('coalesce', 0, 'x')->{rows},
		[ ['x'] ], "COALESCE after DDL: $message");
	is_deeply($app->simple('EXECUTE s(3)')->{rows},
		[ ['name 3'] ], "EXECUTE after DDL: $message");
}

# The setting counts when a statement is prepared.
$app->simple(q{SET fieldcrypt.describe_as = 'native'});
is($app->{parameters}{'fieldcrypt.describe_as'},
	'native', 'a change is reported');
is_deeply($app->run('sel', 0, '3')->{columns},
	[TEXT], 'what was prepared stays text');
is_deeply(
	$app->prepare('nat', 'SELECT name FROM patient WHERE ssn = $1'),
	{
		rows => [],
		params => [$native],
		columns => [$native],
		names => ['name']
	},
	'native: described');
is_deeply($app->run('nat', 1, '3')->{rows}, [ ['name 3'] ], 'native: rows');
is_deeply($app->simple('SELECT tags FROM doc')->{columns},
	[$native_array], 'native: an array');
sql($node, undef, 'ALTER TABLE patient ALTER id SET STATISTICS 20');
is_deeply($app->simple('EXECUTE s(3)')->{rows},
	[ ['name 3'] ], 'EXECUTE stays what it was, analysed under native');
is($app->run('sel', 0, '3')->{error},
	'0A000', 'a statement of the protocol says that its columns changed');
$app->simple(q{RESET fieldcrypt.describe_as});
is_deeply($app->run('sel', 0, '3')->{rows},
	[ ['name 3'] ], 'and works again under its setting');

# What does not go to the client, or is stored, has the type itself.
is($app->simple('CREATE TABLE copied AS EXECUTE s(3)')->{error},
	'0A000', 'CREATE TABLE AS EXECUTE is refused');
sql_ok(
	$node, 'app', q{
CREATE VIEW shown AS SELECT DISTINCT name FROM patient;
CREATE TABLE made AS SELECT name, ssn FROM patient;
SELECT name INTO into_made FROM patient;
CREATE MATERIALIZED VIEW kept AS SELECT name FROM patient ORDER BY name;
INSERT INTO made SELECT name, ssn FROM patient;
CREATE FUNCTION in_sql() RETURNS SETOF encrypted_text LANGUAGE sql AS 'SELECT name FROM patient ORDER BY name';
CREATE FUNCTION in_plpgsql() RETURNS text LANGUAGE plpgsql AS $$
DECLARE r record; c refcursor; types text := '';
BEGIN
	SELECT name INTO r FROM patient LIMIT 1;
	types := types || pg_typeof(r.name);
	EXECUTE 'SELECT name FROM patient LIMIT 1' INTO r;
	types := types || ' ' || pg_typeof(r.name);
	OPEN c FOR SELECT name FROM patient;
	FETCH c INTO r;
	types := types || ' ' || pg_typeof(r.name);
	UPDATE patient SET name = name WHERE id = 3 RETURNING name INTO r;
	types := types || ' ' || pg_typeof(r.name);
	RETURN types;
END $$;
CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
	EXECUTE 'SELECT name FROM patient LIMIT 1' INTO r;
	IF pg_typeof(r.name) <> 'encrypted_text'::regtype THEN
		RAISE EXCEPTION 'type %', pg_typeof(r.name);
	END IF;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON made DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION at_commit();
}, 'views, tables and functions are made');
is( sql($node, undef, q{
SELECT string_agg(DISTINCT format_type(atttypid, NULL), ' ') FROM pg_attribute
 WHERE attrelid = ANY ('{shown,made,into_made,kept}'::regclass[]) AND attnum > 0}),
	'encrypted_text', 'their columns have the type');
is( sql($node, 'app', 'SELECT in_plpgsql()'),
	'encrypted_text encrypted_text encrypted_text encrypted_text',
	'so has what PL/pgSQL gets');
is_deeply($app->simple('SELECT in_sql()')->{columns},
	[TEXT], 'what a function returns to the client is text');
is($app->simple(q{INSERT INTO made VALUES ('x', 'y')})->{error},
	undef, 'a deferred trigger');
$app->prepare('', q{INSERT INTO made VALUES ('x', 'y')});
is($app->run('', 0)->{error}, undef, 'a deferred trigger at Sync');
is(sql($node, 'app', 'COPY (SELECT name FROM patient WHERE id = 3) TO STDOUT'),
	'name 3', 'COPY of a query');
unlike(sql($node, 'app', 'EXPLAIN (VERBOSE) SELECT name FROM patient'),
	qr/to_wire/, 'EXPLAIN shows the statement as it is');

# Who may not read gets what on_denied says.
my $nobody = Wire->connect($node, 'nobody_here');
$nobody->prepare('p', 'SELECT name FROM patient WHERE id = 3');
is($nobody->run('p', 0)->{error}, '42501', 'denied');
is($nobody->run('p', 1)->{error}, '42501', 'denied, binary');
is($nobody->simple('UPDATE patient SET id = id WHERE id = 3 RETURNING name')->{error},
	'42501', 'denied in RETURNING');
$nobody->simple(q{SET fieldcrypt.on_denied = 'ciphertext'});
my $armour = $nobody->run('p', 0)->{rows}[0][0];
like($armour, qr/^fieldcrypt:1:/, 'on_denied = ciphertext');
is($nobody->run('p', 1)->{rows}[0][0], $armour, 'the same, binary');
$nobody->simple(q{SET fieldcrypt.on_denied = 'null'});
is_deeply($nobody->run('p', 0)->{rows}, [ [''] ], 'on_denied = null');
my $super = Wire->connect($node, 'postgres');
is($super->simple('SELECT name FROM patient WHERE id = 3')->{rows}[0][0],
	$armour, 'a superuser gets armour');
$app->simple(q{SET fieldcrypt.output = 'ciphertext'});
is($app->simple('SELECT name FROM patient WHERE id = 3')->{rows}[0][0],
	$armour, 'output = ciphertext');
$app->simple('RESET fieldcrypt.output');

# pg_dump --inserts reads by a cursor.
my ($ret, $dump) = run_tool($node,
	[ 'pg_dump', '--inserts', '-a', '-t', 'patient', 'postgres' ]);
like($dump, qr/VALUES \(3, '\Q$armour\E', 'fieldcrypt:1:/,
	'pg_dump --inserts writes armour');

# What collects results before they are sent writes them to files: sorts,
# RETURNING, FETCH, EXECUTE, cursors.  No plaintext is in them.
$node->append_conf('postgresql.conf', "work_mem = '64kB'\n");
$node->reload;
my $planted = 'PLANTED-ON-THE-WIRE';
sql($node, 'app', qq{INSERT INTO patient SELECT i, '$planted' || i, i::text FROM generate_series(1001, 4000) i});
my $temp = $node->data_dir . '/base/pgsql_tmp';
my %spills = (
	'ORDER BY' => "SELECT name FROM patient WHERE id > 1000 ORDER BY id",
	'DISTINCT' => "SELECT DISTINCT name FROM patient WHERE id > 1000",
	'RETURNING' => "UPDATE patient SET id = id WHERE id > 1000 RETURNING name",
	'WITH' =>
	  "WITH u AS (UPDATE patient SET id = id WHERE id > 1000 RETURNING name) SELECT * FROM u",
	'FETCH' => 'FETCH ALL FROM spilled',
	'EXECUTE' => 'EXECUTE spilled',
	# who asks for text has it written: so the search below does find it
	'a cast' => 'UPDATE patient SET id = id WHERE id > 1000 RETURNING name::text',
);
foreach my $kind (sort keys %spills)
{
	my $wire = Wire->connect($node, 'app');
	$wire->simple("BEGIN; DECLARE spilled SCROLL CURSOR WITH HOLD FOR SELECT name FROM patient WHERE id > 1000; COMMIT")
	  if $kind eq 'FETCH';
	$wire->simple('PREPARE spilled AS SELECT name FROM patient WHERE id > 1000')
	  if $kind eq 'EXECUTE';

	# suspended, a portal keeps its files
	$wire->simple('BEGIN');
	$wire->prepare('', $spills{$kind});
	$wire->send_messages('B', "portal\0\0" . pack('nnn', 0, 0, 0),
		'E', "portal\0" . pack('N', 1), 'S', '');
	my $first = $wire->answer;
	like($first->{rows}[0][0], qr/^$planted/, "$kind: plaintext is sent");
	my $files = () = glob("$temp/pgsql_tmp*");
	my @hits = hits_in_dir($temp, { planted => $planted });
	is(scalar(@hits) > 0, $kind eq 'a cast', "$kind: not written, unless asked for")
	  or diag("@hits");
	cmp_ok($files, '>', 0, "$kind: files were there");
	$wire->simple('ROLLBACK');
	$wire->close;
}

$_->close foreach $app, $nobody, $super;
$node->stop;
done_testing();
