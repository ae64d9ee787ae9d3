# A server that does not preload the library: ciphertext goes in and out, DDL
# and maintenance work, and what needs a key says which line is missing.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;

# A cluster that has the keys writes values and a dump ...
my $source = new_node('source');
sql($source, undef,
	q{CREATE UNIQUE INDEX patient_ssn ON patient (fieldcrypt.blind_index(ssn))}
);
sql($source, 'app', q{
INSERT INTO patient VALUES (1, 'Ada Lovelace', '078-05-1120'), (2, '', NULL), (3, NULL, '');
});
my $tags = sql($source, undef,
	'SELECT id, fieldcrypt.blind_index(ssn) FROM patient ORDER BY id');
my ($ret, $dump, $err) = run_tool($source, [ 'pg_dump', 'postgres' ]);
is($ret, 0, 'pg_dump');
$source->stop;

# ... which another takes that preloads something, but not this.
my $node = new_node('bare', preload => 'auto_explain', kms => 0, set_up => 0);
sql($node, undef, q{CREATE ROLE app LOGIN; CREATE ROLE nobody_here LOGIN});
($ret, undef, $err) = run_tool(
	$node,
	[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', 'postgres' ],
	stdin => $dump);
is($ret, 0, 'a dump restores');
is($err, '', 'without a word');

# What works.
like(sql($node, undef, 'COPY patient TO STDOUT'),
	qr/^1\tfieldcrypt:1:/, 'COPY TO');
my $copy = sql($node, undef, 'COPY patient TO STDOUT');
sql($node, undef,
	"CREATE TABLE again (LIKE patient INCLUDING ALL); COPY again FROM STDIN;\n$copy\n\\.\n"
);
is(sql($node, undef, 'COPY again TO STDOUT'), $copy, 'COPY FROM');
is( sql($node,
		undef,
		q{SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'patient'::regclass AND attname = 'ssn'}
	),
	q{encrypted_text('pii','searchable')},
	'types print their key');
is( sql($node, undef,
		'SELECT (fieldcrypt.value_info(ssn)).* FROM patient WHERE id = 1') =~
	  s/\|[0-9a-f]{12}\|/|id|/r,
	'pii|id|1|1|exact|1|11',
	'value_info()');
is( sql($node, undef,
		'SELECT id, fieldcrypt.blind_index(ssn) FROM patient ORDER BY id'),
	$tags,
	'blind_index()');
sql_ok(
	$node, undef, q{
REINDEX TABLE patient;
VACUUM (FULL, ANALYZE) patient;
CREATE TABLE made (id int, v encrypted_text('pii', 'searchable') DEFAULT 'nothing', w encrypted_text('unknown'));
CREATE INDEX ON made (fieldcrypt.blind_index(v));
ALTER TABLE made ADD x encrypted_text('pii');
ALTER TABLE made DROP COLUMN w;
CREATE VIEW seen AS SELECT id, coalesce(v, 'none'::encrypted_text) AS v FROM made;
CREATE TABLE made2 AS SELECT * FROM patient;
SELECT * FROM fieldcrypt.key_status, fieldcrypt.grants, fieldcrypt.encrypted_columns;
}, 'DDL and maintenance');
is( sql($node,
		undef,
		q{SELECT count(*) FROM fieldcrypt.encrypted_columns WHERE relation = 'made'::regclass}
	),
	'2',
	'the view encrypted_columns');
is( sql($node,
		undef,
		q{SELECT null_frac > 0, avg_width > 0 FROM pg_stats WHERE tablename = 'patient' AND attname = 'name'}
	),
	't|t',
	'ANALYZE counted');
($ret, my $again, $err) =
  run_tool($node, [ 'pg_dump', '-t', 'patient', 'postgres' ]);
is("$ret$err", '0', 'pg_dump');
like($again, qr/fieldcrypt:1:/, 'with ciphertext');
is( sql($node, 'nobody_here',
		q{SET fieldcrypt.on_denied = 'ciphertext'; SELECT name FROM patient WHERE id = 1}
	) =~ /^fieldcrypt:1:/,
	1,
	'settings work once the library is loaded');

# What does not, and the line that is missing.
my $line = qr/shared_preload_libraries = 'auto_explain,fieldcrypt'/;
sql_fails($node, 'app', 'SELECT name FROM patient WHERE id = 1',
	'55000', $line, 'reading');
sql_fails($node, 'app', 'SELECT name::text FROM patient WHERE id = 1',
	'55000', $line, 'a cast');
sql_fails($node, 'app',
	'SELECT fieldcrypt.decrypt(name) FROM patient WHERE id = 1',
	'55000', $line, 'decrypt()');
is( sql($node,
		'app',
		'SELECT fieldcrypt.try_decrypt(name) IS NULL FROM patient WHERE id = 1'
	),
	't',
	'try_decrypt() gives NULL');
sql_fails($node, 'app', q{INSERT INTO patient VALUES (9, 'x', NULL)},
	'55000', $line, 'writing');
sql_fails($node, 'app', q{SELECT fieldcrypt.encrypt('x', 'pii')},
	'55000', $line, 'encrypt()');
sql_fails($node, undef, q{SELECT fieldcrypt.create_key('new')},
	'55000', $line, 'create_key()');
sql_fails($node, undef, q{CALL fieldcrypt.rotate_key('pii')},
	'55000', $line, 'rotate_key()');
sql_fails($node, undef, q{SELECT * FROM fieldcrypt.check_provider('local')},
	'55000', $line, 'check_provider()');
is(sql($node, undef, 'SELECT count(*) FROM fieldcrypt.cache'),
	'0', 'the cache is empty');
is(sql($node, undef, 'SELECT count(*) FROM fieldcrypt.providers'),
	'0', 'there are no providers');

# Plaintext must not be stored where nothing would encrypt it.  Each statement
# runs in a session of its own, in which nothing has loaded the library yet.
foreach my $statement (
	'CREATE TABLE unkeyed (v encrypted_text)',
	'ALTER TABLE made ADD y encrypted_text',
	'CREATE TABLE unkeyed AS SELECT $$x$$::encrypted_text AS v',
	'CREATE DOMAIN unkeyed AS encrypted_text',
	'CREATE TYPE unkeyed AS (v encrypted_text)',
	'ALTER TABLE made ALTER v TYPE encrypted_text')
{
	my ($status, undef, $report) =
	  FieldCrypt::psql_as($node, undef, $statement);

	if ($status == 0)
	{
		# If the definition passed, no plaintext may.
		my ($stored) = FieldCrypt::psql_as($node, undef,
			$statement =~ /TABLE unkeyed \(/
			? q{INSERT INTO unkeyed VALUES ('PLANTED-unkeyed')}
			: 'SELECT 1/0');
		isnt($stored, 0, "refused, or at least stores nothing: $statement");
		sql($node, undef,
			'DROP TABLE IF EXISTS unkeyed; DROP DOMAIN IF EXISTS unkeyed; DROP TYPE IF EXISTS unkeyed'
		);
	}
	else
	{
		like($report, qr/0A000/, "refused: $statement");
	}
}

# Keys are not lost and grants not inherited here either.
sql_fails($node, undef, 'DROP EXTENSION fieldcrypt CASCADE',
	'55000', qr/allow_drop/, 'DROP EXTENSION is refused');
sql_fails(
	$node, undef, 'DELETE FROM fieldcrypt.key_versions',
	'42501',
	qr/written only by/,
	'so is writing key tables');
sql($node, undef, q{
CREATE ROLE leaver;
COPY fieldcrypt.key_grants (key, grantee, privilege) FROM STDIN;
pii	leaver	decrypt
\.
DROP ROLE leaver;
CREATE ROLE leaver;
});
is( sql($node, undef,
		q{SELECT fieldcrypt.has_key_privilege('leaver', 'pii', 'decrypt')}),
	'f',
	'a new role of an old name inherits nothing');

# Preloaded at last, it works.
$node->append_conf(
	'postgresql.conf', qq{
shared_preload_libraries = 'auto_explain,fieldcrypt'
fieldcrypt.provider_file = '$source->{kms}->{provider_file}'
});
$node->restart;
is( sql($node, 'app', 'SELECT name, ssn FROM patient WHERE id = 1'),
	'Ada Lovelace|078-05-1120',
	'with the line and the provider everything opens');

# A session cannot bring it in by itself, and cannot break anything by trying.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
sql_ok(
	$node, undef,
	q{LOAD 'fieldcrypt'; LOAD 'fieldcrypt'},
	'LOAD is silent');
sql_fails(
	$node,
	undef,
	q{LOAD 'fieldcrypt'; SELECT fieldcrypt.create_key('x')},
	'55000',
	qr/shared_preload_libraries = 'fieldcrypt'/,
	'and no substitute');

$node->stop;
done_testing();
