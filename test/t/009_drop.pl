# Keys are not lost by accident, and nobody gets at them by the back door:
# DROP EXTENSION, DROP ROLE, and writing the key tables.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main');
sql($node, 'app', q{INSERT INTO patient VALUES (1, 'Ada', NULL)});

# --- roles ----------------------------------------------------------------

my $may = q{SELECT fieldcrypt.has_key_privilege('clerk', 'pii', 'decrypt')};
sql($node, undef, q{
CREATE ROLE clerk LOGIN;
GRANT SELECT ON patient TO clerk;
SELECT fieldcrypt.grant_key('pii', 'clerk', 'decrypt');
});
is(sql($node, 'clerk', 'SELECT name FROM patient'), 'Ada', 'a grantee reads');
sql($node, undef, 'REVOKE ALL ON patient FROM clerk; DROP ROLE clerk');
is( sql($node,
		undef,
		q{SELECT count(*) FROM fieldcrypt.key_grants WHERE grantee = 'clerk'}
	),
	'0',
	'DROP ROLE takes the grants along');
sql($node, undef,
	'CREATE ROLE clerk LOGIN; GRANT SELECT ON patient TO clerk');
is(sql($node, undef, $may),
	'f', 'a new role of that name has inherited nothing');
sql_fails(
	$node, 'clerk', 'SELECT name FROM patient',
	'42501',
	qr/permission denied for key/,
	'and reads nothing');

# Dropped from another database, where the grants cannot be reached.
sql($node, undef, q{
SELECT fieldcrypt.grant_key('pii', 'clerk', 'decrypt');
REVOKE ALL ON patient FROM clerk;
CREATE DATABASE elsewhere;
});
sql($node, undef, 'DROP ROLE clerk', dbname => 'elsewhere');
sql($node, undef,
	'CREATE ROLE clerk LOGIN; GRANT SELECT ON patient TO clerk',
	dbname => 'postgres');
is( sql($node, undef,
		q{SELECT active FROM fieldcrypt.grants WHERE grantee = 'clerk'}),
	'f',
	'a grant that was left behind is not active');
is(sql($node, undef, $may),
	'f', 'and does not count for a new role of that name');
sql_fails(
	$node, 'clerk', 'SELECT name FROM patient',
	'42501',
	qr/permission denied for key/,
	'who reads nothing');

# A session of the dropped role itself.
sql($node, undef,
	q{CREATE ROLE leaver LOGIN; GRANT SELECT ON patient TO leaver; SELECT fieldcrypt.grant_key('pii', 'leaver', 'decrypt')}
);
my $session = $node->background_psql(
	'postgres',
	on_error_stop => 0,
	extra_params => [ '-U', 'leaver' ]);
is($session->query('SELECT name FROM patient'), 'Ada', 'a session reads');
sql($node, undef, 'DROP OWNED BY leaver; DROP ROLE leaver');
isnt($session->query('SELECT name FROM patient'),
	'Ada', 'and no more when its role is gone');
$session->quit;

# A renamed role is the same one, but its grant names another: not active
# until somebody says so.
sql($node, undef,
	q{CREATE ROLE before LOGIN; GRANT SELECT ON patient TO before; SELECT fieldcrypt.grant_key('pii', 'before', 'decrypt'); ALTER ROLE before RENAME TO after}
);
is( sql($node, undef,
		q{SELECT fieldcrypt.has_key_privilege('after', 'pii', 'decrypt')}),
	'f',
	'a renamed role is not the one that was granted');

# A dropped role rolled back.
sql($node, undef,
	q{BEGIN; REVOKE ALL ON patient FROM app; DROP OWNED BY app; DROP ROLE app; ROLLBACK}
);
is(sql($node, 'app', 'SELECT name FROM patient'),
	'Ada', 'DROP ROLE that is rolled back does nothing');

# --- the key tables -------------------------------------------------------

sql($node, undef, q{
CREATE ROLE etl LOGIN;
GRANT pg_write_all_data, pg_read_all_data TO etl;
});
my %writes = (
	'INSERT of a grant' =>
	  q{INSERT INTO fieldcrypt.key_grants (key, grantee, privilege) VALUES ('pii', 'etl', 'decrypt')},
	'UPDATE of a grant' =>
	  q{UPDATE fieldcrypt.key_grants SET grantee = 'etl' WHERE grantee = 'app'},
	'DELETE of a grant' => q{DELETE FROM fieldcrypt.key_grants},
	'UPDATE of a key' => q{UPDATE fieldcrypt.keys SET locked_at = NULL},
	'DELETE of a key' => q{DELETE FROM fieldcrypt.keys},
	'INSERT of a version' =>
	  q{INSERT INTO fieldcrypt.key_versions SELECT key_id, purpose, 9, suite, 'pre-active', provider, kms_key, wrapped, kcv FROM fieldcrypt.key_versions},
	'UPDATE of a version' =>
	  q{UPDATE fieldcrypt.key_versions SET wrapped = '\x00'},
	'DELETE of a version' => q{DELETE FROM fieldcrypt.key_versions},
	'MERGE' =>
	  q{MERGE INTO fieldcrypt.key_grants g USING (VALUES (1)) v ON true WHEN MATCHED THEN DELETE},
	'COPY' =>
	  "COPY fieldcrypt.key_grants (key, grantee, privilege) FROM STDIN;\npii\tetl\tdecrypt\n\\.\n",
);
foreach my $what (sort keys %writes)
{
	sql_fails($node, 'etl', $writes{$what}, '42501', qr/fieldcrypt/,
		"pg_write_all_data: $what");
	sql_fails($node, 'etl', "BEGIN; $writes{$what}",
		'42501', qr/fieldcrypt/,
		"pg_write_all_data, in a transaction: $what");
}
foreach my $what (sort grep { !/INSERT|COPY/ } keys %writes)
{
	# A superuser may bring rows back, as a restore does, and nothing else.
	sql_fails(
		$node, undef, $writes{$what}, '42501',
		qr/written only by/,
		"superuser: $what");
	sql_fails(
		$node, undef,
		"SET session_replication_role = replica; $writes{$what}",
		'42501',
		qr/written only by/,
		"superuser as a replica: $what");
}
sql_fails(
	$node, undef, "TRUNCATE fieldcrypt.$_ CASCADE",
	'42501',
	qr/cannot be truncated/,
	"superuser: TRUNCATE $_") foreach qw(keys key_versions key_grants);
sql_fails(
	$node,
	undef,
	'SET session_replication_role = replica; TRUNCATE fieldcrypt.keys',
	'42501',
	qr/cannot be truncated/,
	'superuser as a replica: TRUNCATE');
sql_fails(
	$node, 'app', 'SELECT * FROM fieldcrypt.key_versions',
	'42501',
	qr/permission denied/,
	'wrapped keys are not for everybody to see');

# Rows that a restore would not bring are refused from a superuser too.
sql_fails(
	$node,
	undef,
	q{INSERT INTO fieldcrypt.keys (key_id, name) VALUES ('\x000000000000', 'made')},
	'23514',
	qr/identity/,
	'a key whose identity is not made of its name');
sql_fails(
	$node,
	undef,
	q{INSERT INTO fieldcrypt.keys (key_id, name) SELECT key_id, 'stolen' FROM fieldcrypt.keys WHERE name = 'pii'},
	'23514',
	qr/identity/,
	'a name with the identity of another');

# None of all that has changed anything.
is(sql($node, 'app', 'SELECT name FROM patient'),
	'Ada', 'the key still opens');
is( sql($node,
		undef,
		q{SELECT string_agg(grantee, ',' ORDER BY grantee) FROM fieldcrypt.grants WHERE active}
	),
	'app',
	'and the grants are what they were');

# Functions that change keys and grants are for whom they are granted to.
foreach my $statement (
	q{SELECT fieldcrypt.create_key('mine')},
	q{SELECT fieldcrypt.grant_key('pii', 'app', 'decrypt')},
	q{SELECT fieldcrypt.revoke_key('pii', 'app', 'decrypt')},
	q{SELECT fieldcrypt.lock_key('pii')},
	q{SELECT fieldcrypt.unlock_key('pii')},
	q{SELECT fieldcrypt.purge_cache()},
	q{CALL fieldcrypt.rotate_key('pii')},
	q{CALL fieldcrypt.activate_version('pii', 1)})
{
	sql_fails($node, 'app', $statement, '42501',
		qr/permission denied for (function|procedure)/, $statement);
}
sql($node, undef, q{
CREATE ROLE custodian LOGIN;
GRANT EXECUTE ON FUNCTION fieldcrypt.create_key(text, text, text, integer, boolean), fieldcrypt.grant_key(text, text, text) TO custodian;
});
sql_ok(
	$node,
	'custodian',
	q{SELECT fieldcrypt.create_key('theirs'); SELECT fieldcrypt.grant_key('theirs', 'app', 'encrypt')},
	'a custodian needs EXECUTE and nothing else');

# The views are readable for whom they are meant: a view does not lend the
# right to run the functions in it.
sql_ok(
	$node,
	'app',
	'SELECT * FROM fieldcrypt.key_status, fieldcrypt.grants, fieldcrypt.encrypted_columns',
	'everybody may look at keys, grants and columns');
sql($node, undef, 'CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher');
sql_ok(
	$node,
	'watcher',
	'SELECT * FROM fieldcrypt.cache, fieldcrypt.providers, fieldcrypt.memory_protection',
	'pg_monitor may look at cache, providers and memory');
sql_fails(
	$node, 'app', 'SELECT * FROM fieldcrypt.providers',
	'42501',
	qr/permission denied/,
	'others may not');

# --- DROP EXTENSION -------------------------------------------------------

my $report = sql_fails($node, undef, 'DROP EXTENSION fieldcrypt CASCADE',
	'55000', qr/allow_drop/, 'DROP EXTENSION CASCADE while keys exist');
is(sql($node, 'app', 'SELECT name FROM patient'), 'Ada', 'nothing is gone');
sql_fails(
	$node, undef, 'DROP SCHEMA fieldcrypt CASCADE',
	'2BP01', qr/extension fieldcrypt requires it/,
	'DROP SCHEMA');
sql_fails(
	$node, undef, 'DROP TABLE fieldcrypt.key_versions CASCADE',
	'2BP01', qr/extension fieldcrypt requires it/,
	'DROP TABLE');
sql_fails($node, 'app', 'SET fieldcrypt.allow_drop = on',
	'42501', qr/allow_drop/, 'not everybody may allow it');
sql_fails(
	$node,
	undef,
	'SET fieldcrypt.allow_drop = on; DROP EXTENSION fieldcrypt',
	'2BP01',
	qr/column name of table patient/,
	'with allow_drop PostgreSQL itself protects the columns');
sql($node, undef, 'DROP TABLE patient');
sql_fails($node, undef, 'DROP EXTENSION fieldcrypt',
	'55000', qr/allow_drop/,
	'without columns, keys are still worth keeping: dumps need them');
sql_ok(
	$node, undef,
	'SET fieldcrypt.allow_drop = on; DROP EXTENSION fieldcrypt',
	'with allow_drop it goes');
is( sql($node,
		undef,
		q{SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'fieldcrypt'}
	),
	'0',
	'and leaves nothing');

# Other tables, other roles and a session that had it go on working.
is(sql($node, 'app', 'SELECT 1'), '1', 'the server goes on');
set_up($node);
sql_ok(
	$node,
	'app',
	q{INSERT INTO patient VALUES (1, 'again', NULL); SELECT name FROM patient},
	'it can be made again');

# A database without keys lets it go without a word.
sql($node, undef, 'CREATE EXTENSION fieldcrypt', dbname => 'elsewhere');
sql_ok(
	$node, undef,
	'DROP EXTENSION fieldcrypt',
	'without keys nothing holds it',
	dbname => 'elsewhere');

# DROP DATABASE takes the keys out of the cache.
sql($node, undef, 'CREATE DATABASE gone');
set_up($node, 'gone');
sql($node, 'app',
	q{INSERT INTO patient VALUES (1, 'x', NULL)},
	dbname => 'gone');
sql_ok($node, undef, 'DROP DATABASE gone', 'DROP DATABASE is not held up');

$node->stop;
done_testing();
