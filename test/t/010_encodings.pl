# A value is UTF-8 whatever the encoding of the database it is read in.

use strict;
use warnings FATAL => 'all';
use utf8;

use Encode qw(encode);
use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main');
my %databases = (latin1 => 'LATIN1', utf8 => 'UTF8', ascii => 'SQL_ASCII');
foreach my $name (sort keys %databases)
{
	sql($node, undef,
		"CREATE DATABASE $name TEMPLATE template0 ENCODING '$databases{$name}' LOCALE 'C'"
	);
	set_up($node, $name);
}

# Statements are text here; psql wants bytes.
sub bytes { return encode('UTF-8', $_[0]) }

# --- LATIN1 ---------------------------------------------------------------

my $text = 'Ærøskøbing, Zoë, 10 ¼ £ÿ';
sql($node, 'app',
	bytes("INSERT INTO patient VALUES (1, '$text', 'é')"),
	dbname => 'latin1');
is( sql($node, 'app',
		'SELECT name FROM patient WHERE id = 1', dbname => 'latin1'),
	bytes($text),
	'LATIN1: what goes in comes out');
is( sql($node,
		'app',
		'SELECT length(name::text), octet_length(name::text), (fieldcrypt.value_info(name)).bytes FROM patient WHERE id = 1',
		dbname => 'latin1'),
	length($text) . '|' . length($text) . '|' . length(bytes($text)),
	'LATIN1 here, UTF-8 in the value');
is( sql($node, 'app', 'SELECT name FROM patient WHERE id = 1',
		dbname => 'latin1',
		encoding => 'LATIN1'),
	encode('ISO-8859-1', $text),
	'a client of LATIN1 gets LATIN1');
is( sql($node, 'app',
		bytes(
			q{SELECT fieldcrypt.blind_index(ssn) = fieldcrypt.blind_index('é', 'pii', 'exact') FROM patient WHERE id = 1}
		),
		dbname => 'latin1'),
	't',
	'tags are made of UTF-8 there');
is( sql($node, 'app',
		bytes(
			q{SET client_min_messages = warning; SET enable_seqscan = off;
			  CREATE TEMP TABLE low (v encrypted_text('pii', 'searchable=lower'));
			  CREATE INDEX ON low (v);
			  INSERT INTO low VALUES ('Zoë'), ('Bob');
			  SELECT v FROM low WHERE lower(v) = 'zoë' AND upper(v) = upper('Zoë') AND v ILIKE 'zoë'}
		),
		dbname => 'latin1'),
	bytes('Zoë'),
	'comparisons that fold case do without the index there, and are right');

# Out of LATIN1, into UTF-8: a dump says what encoding it is in.
my ($ret, $dump) =
  run_tool($node, [ 'pg_dump', '--no-privileges', 'latin1' ]);
is($ret, 0, 'a dump of the LATIN1 database');
sql($node, undef,
	q{CREATE DATABASE from_latin1 TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'}
);
($ret, undef, my $err) = run_tool(
	$node,
	[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', 'from_latin1' ],
	stdin => $dump);
is("$ret$err", '0', 'restores into a UTF-8 database');
sql($node, undef, 'GRANT ALL ON patient TO app', dbname => 'from_latin1');
is( sql($node, 'app',
		'SELECT name FROM patient WHERE id = 1', dbname => 'from_latin1'),
	bytes($text),
	'where the values read the same');
is( sql($node, 'app',
		bytes(
			q{SELECT fieldcrypt.blind_index(ssn) = fieldcrypt.blind_index('é', 'pii', 'exact') FROM patient WHERE id = 1}
		),
		dbname => 'from_latin1'),
	't',
	'and are found by the same tags');

# The other way: what LATIN1 cannot spell is an error there, and only there.
sql($node, 'app',
	bytes(
		q{INSERT INTO patient VALUES (2, '10 €', NULL), (3, 'Zoë', NULL), (4, 'Дмитрий 🎹', NULL)}
	),
	dbname => 'from_latin1');
($ret, $dump) =
  run_tool($node, [ 'pg_dump', '--no-privileges', 'from_latin1' ]);
sql($node, undef,
	q{CREATE DATABASE back TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'});
($ret, undef, $err) = run_tool(
	$node,
	[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', 'back' ],
	stdin => $dump);
is("$ret$err", '0', 'a dump of UTF-8 values restores into LATIN1');
sql($node, undef, 'GRANT ALL ON patient TO app', dbname => 'back');
is( sql($node, 'app',
		'SELECT name FROM patient WHERE id IN (1, 3) ORDER BY id',
		dbname => 'back'),
	bytes("$text\nZoë"),
	'what LATIN1 can spell is read');

foreach my $id (2, 4)
{
	my $report = sql_fails(
		$node,
		'app',
		"SELECT name FROM patient WHERE id = $id",
		'22P05',
		qr/a character that encoding "LATIN1" does not have/,
		"row $id: what it cannot is a clear error",
		dbname => 'back');

	# the server's own words would hold bytes of the value
	unlike($report, qr/10|Дмитрий/,
		"row $id: which does not print the value");
}
like(sql($node, undef, 'COPY patient TO STDOUT', dbname => 'back'),
	qr/^4\tfieldcrypt:1:/m, 'as ciphertext it travels on');

# --- UTF-8 ----------------------------------------------------------------

my %invalid = (
	'a lone continuation byte' => '\x80',
	'a truncated sequence' => '\xc3',
	'an overlong form' => '\xc0\xaf',
	'a surrogate' => '\xed\xa0\x80',
	'beyond the last code point' => '\xf4\x90\x80\x80');
foreach my $what (sort keys %invalid)
{
	# The server checks what it takes in before we see it.
	sql_fails(
		$node,
		'app',
		"INSERT INTO patient VALUES (10, E'PLANTED$invalid{$what}', NULL)",
		'22021',
		qr/invalid byte sequence/,
		"UTF8: $what",
		dbname => 'utf8');

	# SQL_ASCII takes anything: there it is ours to refuse.
	my $report = sql_fails(
		$node, 'app',
		"INSERT INTO patient VALUES (10, E'PLANTED$invalid{$what}', NULL)",
		'22021', qr/UTF-?8/, "SQL_ASCII: $what",
		dbname => 'ascii',
		encoding => 'SQL_ASCII');
	sql_fails(
		$node, 'app', "SELECT fieldcrypt.encrypt(E'$invalid{$what}', 'pii')",
		'22021', qr/UTF-?8/, "SQL_ASCII, encrypt(): $what",
		dbname => 'ascii',
		encoding => 'SQL_ASCII');
}
is(sql($node, undef, 'SELECT count(*) FROM patient', dbname => $_),
	'0', "$_: nothing was stored")
  foreach qw(utf8 ascii);

# --- SQL_ASCII ------------------------------------------------------------

sql($node, 'app', bytes("INSERT INTO patient VALUES (1, '$text', 'é')"),
	dbname => 'ascii',
	encoding => 'SQL_ASCII');
is( sql($node, 'app', 'SELECT name FROM patient WHERE id = 1',
		dbname => 'ascii',
		encoding => 'SQL_ASCII'),
	bytes($text),
	'SQL_ASCII: valid UTF-8 goes in and out');

# --- every length, every plane --------------------------------------------

is( sql($node, 'app', q{
INSERT INTO patient SELECT g, string_agg(chr(c), '')::text, NULL
  FROM generate_series(100, 120) g,
       LATERAL (SELECT (1 + (g * 7919 * n) % 1000000)::int AS c FROM generate_series(1, g) n) x
 WHERE c NOT BETWEEN 55296 AND 57343
 GROUP BY g;
SELECT count(*), bool_and(name::text = (SELECT string_agg(chr(c), '') FROM (SELECT (1 + (id * 7919 * n) % 1000000)::int AS c FROM generate_series(1, id) n) x WHERE c NOT BETWEEN 55296 AND 57343)) FROM patient WHERE id >= 100
}, dbname => 'utf8'),
	'21|t',
	'code points of all planes');

$node->stop;
done_testing();
