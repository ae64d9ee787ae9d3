# Dumps hold ciphertext and restore as everybody runs them: into another
# cluster, with no setting but the preload line (or not even that), with the
# KMS out of reach and without a grant.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir('dumps');
my $from = new_node('from');
my $plaintext = 'PLANTED-for-dumps';

sql($from, undef, q{
CREATE TABLE doc (
	id serial PRIMARY KEY,
	note encrypted_text('pii') DEFAULT 'nothing noted',
	tags encrypted_text('pii')[]
);
ALTER TABLE doc ADD CONSTRAINT short CHECK (length(note::text) < 100) NOT VALID;
CREATE UNIQUE INDEX patient_ssn ON patient (fieldcrypt.blind_index(ssn));
CREATE DOMAIN email AS encrypted_text('pii');
CREATE TYPE person AS (name encrypted_text('pii'), age int);
CREATE TABLE contact (id int PRIMARY KEY, mail email, who person);
CREATE VIEW labelled AS
	SELECT id, coalesce(name, 'no name'::encrypted_text) AS name FROM patient;
CREATE TABLE parted (id int, name encrypted_text('pii')) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
ALTER TABLE doc ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON doc TO app USING (note::text <> 'secret'::text);
CREATE POLICY typed ON doc AS RESTRICTIVE TO app
	USING (coalesce(note, 'x'::encrypted_text) IS NOT NULL);
CREATE FUNCTION greeting(who encrypted_text DEFAULT 'world') RETURNS text
	LANGUAGE sql AS $$ SELECT 'hello ' || who::text $$;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app;
});
sql($from, 'app', qq{
INSERT INTO patient VALUES (1, '$plaintext 1', '$plaintext ssn'), (2, NULL, '');
INSERT INTO doc (id, tags) VALUES (1, ARRAY['$plaintext a', '$plaintext b']::text[]::encrypted_text('pii')[]);
INSERT INTO doc (id, note) VALUES (2, '$plaintext note');
INSERT INTO contact VALUES (1, '$plaintext mail', ROW('$plaintext name'::text::encrypted_text('pii'), 36));
INSERT INTO parted VALUES (5, '$plaintext parted');
});
sql($from, undef, q{CALL fieldcrypt.rotate_key('pii')});
sql($from, 'app',
	qq{INSERT INTO patient VALUES (3, '$plaintext 3', 'other')});

# Everything that a granted role sees, in one line.
my $everything = q{
SELECT (SELECT string_agg(concat_ws('|', id, coalesce(name::text, '-'), coalesce(ssn::text, '-')), ';' ORDER BY id) FROM patient)
	|| '#' || (SELECT string_agg(concat_ws('|', id, note::text, coalesce(tags::text, '-')), ';' ORDER BY id) FROM doc)
	|| '#' || (SELECT string_agg(mail::encrypted_text('pii')::text || (who).name::text, ';') FROM contact)
	|| '#' || (SELECT string_agg(name::text, ';') FROM parted)
	|| '#' || (SELECT string_agg(name::text, ';' ORDER BY id) FROM labelled)
	|| '#' || greeting()};
my $before = sql($from, 'app', $everything);
like(
	$before,
	qr/^1\|\Q$plaintext\E 1\|\Q$plaintext\E ssn;2\|-\|;3.*nothing noted.*no name.*hello world$/,
	'the tables are filled');

# The dumps.  log_error_verbosity does not matter: any word on stderr counts.

sub dump_ok
{
	my ($what, @options) = @_;
	my ($ret, $out, $err) =
	  run_tool($from, [ 'pg_dump', @options, 'postgres' ]);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($ret, 0, "$what: pg_dump");
	is($err, '', "$what: pg_dump says nothing");
	return $out;
}

my $plain = dump_ok('plain');
dump_ok('custom', '-Fc', '-f', "$dir/custom");
dump_ok('directory', '-Fd', '-j2', '-f', "$dir/directory");
my $inserts = dump_ok('inserts', '--inserts', '--rows-per-insert=2');
my ($ret, $globals, $err) = run_tool($from, [ 'pg_dumpall', '-g' ]);
is($ret, 0, 'pg_dumpall -g');

# Every cluster has its superuser already.
$globals =~ s/^CREATE ROLE postgres;$//m;

like($plain, qr/fieldcrypt:1:/, 'a dump holds ciphertext');
unlike($plain, qr/\Q$plaintext\E/, 'and no plaintext');
unlike($inserts, qr/\Q$plaintext\E/, 'nor does one of INSERTs');
is(join(' ', hits_in_dir($dir, { planted => $plaintext })),
	'', 'nor any other format');
like($plain, qr/'nothing noted'/, 'constants of the schema are schema');
like($plain, qr/encrypted_text\('pii','searchable'\)/, 'types print the key');

# COPY in binary is a dump, too.
sql($from, undef,
	"COPY patient TO '$dir/binary' BINARY; CREATE TABLE from_binary (LIKE patient); COPY from_binary FROM '$dir/binary' BINARY; GRANT SELECT ON from_binary TO app"
);
is(join(' ', hits_in_file("$dir/binary", { planted => $plaintext })),
	'', 'COPY BINARY holds no plaintext');
is( sql($from,
		'app',
		q{SELECT count(*) FROM from_binary f JOIN patient p USING (id) WHERE f.name::text IS NOT DISTINCT FROM p.name::text AND f.ssn::text IS NOT DISTINCT FROM p.ssn::text}
	),
	'3',
	'and comes back');
sql($from, undef, 'DROP TABLE from_binary');

# A superuser who was granted the key still can have a dump of ciphertext.
sql($from, undef,
	q{SELECT fieldcrypt.grant_key('pii', 'postgres', 'decrypt')});
(undef, my $granted) = run_tool(
	$from,
	[ 'pg_dump', 'postgres' ],
	env => { PGOPTIONS => '-c fieldcrypt.output=ciphertext' });
unlike($granted, qr/\Q$plaintext\E/,
	'output = ciphertext keeps plaintext out of the dump of a grantee');
like($granted, qr/fieldcrypt:1:/, 'and ciphertext in');
sql($from, undef,
	q{SELECT fieldcrypt.revoke_key('pii', 'postgres', 'decrypt')});

# A cluster to restore into: preload line, and nothing else of fieldcrypt.
# Its roles come from pg_dumpall.
sub new_target
{
	my ($name, %options) = @_;
	my $node = new_node($name, kms => 0, set_up => 0, %options);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($ret, $out, $err) = run_tool(
		$node,
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', 'postgres' ],
		stdin => $globals);
	is("$ret$err", '0', "$name: roles are restored");
	return $node;
}

sub psql_restore
{
	my ($node, $database, $text, $test, %params) = @_;
	my ($ret, $out, $err) = run_tool(
		$node,
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', $database ],
		stdin => $text,
		%params);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($ret, 0, $test);
	is($err, '', "$test: without a word");
	return;
}

sub pg_restore_ok
{
	my ($node, $test, @arguments) = @_;
	my ($ret, $out, $err) = run_tool($node, [ 'pg_restore', @arguments ]);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($ret, 0, $test);
	is($err, '', "$test: without a word");
	return;
}

my $to = new_target('target');
sql($to, undef, "CREATE DATABASE $_")
  foreach qw(plain custom directory one inserts data_only owned);

psql_restore($to, 'plain', $plain, 'psql < dump');
pg_restore_ok($to, 'pg_restore -j2', '-j2', '-d', 'custom', "$dir/custom");
pg_restore_ok($to, 'pg_restore -j2 of a directory',
	'-j2', '-d', 'directory', "$dir/directory");

# One table needs the extension; the keys may follow.
sql($to, undef, 'CREATE EXTENSION fieldcrypt', dbname => 'one');
pg_restore_ok($to, 'pg_restore -t',
	'-t', 'patient', '-d', 'one', "$dir/custom");
is( sql($to,
		undef,
		'SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = $$patient$$::regclass AND attnum = 2',
		dbname => 'one'),
	"encrypted_text('#" . key_prefix() . "')",
	'before the keys are there a type prints their prefix');
like(sql($to, undef, 'COPY patient TO STDOUT', dbname => 'one'),
	qr/^1\tfieldcrypt:1:/, 'the values are there');
pg_restore_ok($to, 'pg_restore of the key tables',
	'--data-only', '-n', 'fieldcrypt', '-d', 'one', "$dir/custom");

# In parts, triggers disabled.  Constraints come last: one that opens values
# is checked for every row that arrives when it is there already.
pg_restore_ok($to, 'pg_restore --section=pre-data',
	'--section=pre-data', '-d', 'data_only', "$dir/custom");
pg_restore_ok($to, 'pg_restore --data-only --disable-triggers',
	'--data-only', '--disable-triggers', '-d', 'data_only', "$dir/custom");
is( sql($to, undef,
		q{SELECT string_agg(DISTINCT tgname || tgenabled::text, ' ') FROM pg_trigger WHERE tgrelid IN ('fieldcrypt.keys'::regclass, 'fieldcrypt.key_versions'::regclass, 'fieldcrypt.key_grants'::regclass)},
		dbname => 'data_only'),
	'guard_rowsA guard_truncateA',
	'the guards of the key tables fire always again');
pg_restore_ok($to, 'pg_restore --section=post-data',
	'--section=post-data', '-d', 'data_only', "$dir/custom");

# INSERTs are ordinary statements: they need one line, and the hint is it.
my ($ret_i, undef, $err_i) = run_tool(
	$to,
	[
		'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1',
		'-v', 'VERBOSITY=verbose', 'inserts'
	],
	stdin => $inserts);
is($ret_i, 3, 'a dump of INSERTs stops');
like($err_i, qr/ERROR:  22P03/, 'at the first ciphertext');
my ($line) = $err_i =~ /HINT:.*(PGOPTIONS='[^']*')/;
is( $line,
	q{PGOPTIONS='-c fieldcrypt.input=ciphertext'},
	'its hint is the line to use');
sql($to, undef, 'DROP DATABASE inserts');
sql($to, undef, 'CREATE DATABASE inserts');
psql_restore(
	$to, 'inserts', $inserts,
	'psql < dump of INSERTs',
	env => { PGOPTIONS => ($line // '') =~ s/^PGOPTIONS='|'$//gr });

# The owner of a database restores what is his, superuser or not.
sql($to, undef, q{
CREATE ROLE landlord LOGIN;
ALTER DATABASE owned OWNER TO landlord;
});
sql($to, undef, q{
CREATE EXTENSION fieldcrypt;
GRANT ALL ON SCHEMA public TO landlord;
}, dbname => 'owned');
pg_restore_ok(
	$to, 'pg_restore by the owner of the database',
	'-U', 'landlord',
	'--no-owner', '--no-privileges',
	'-t', 'patient',
	'-d', 'owned',
	"$dir/custom");
is(sql($to, 'landlord', 'SELECT count(*) FROM patient', dbname => 'owned'),
	'3', 'the rows are there');
sql_fails(
	$to,
	'landlord',
	'SELECT name FROM patient WHERE id = 1',
	'55000',
	qr/not in this database's keyring/,
	'he cannot read what he has no key for',
	dbname => 'owned');

# Somebody else may not load ciphertext.
my ($armour) = $plain =~ /(fieldcrypt:1:[A-Za-z0-9+\/=]+)/;
sql($to, undef, 'GRANT ALL ON patient TO app', dbname => 'plain');
sql_fails(
	$to,
	'app',
	"COPY patient FROM STDIN;\n77\t$armour\t\\N\n\\.\n",
	'22P03',
	qr/ciphertext/,
	'COPY of ciphertext by anybody else is refused',
	dbname => 'plain');

# No KMS has been asked for anything so far.  Reading says what is missing.
sql_fails(
	$to, 'app', 'SELECT name FROM patient WHERE id = 1',
	'58000', qr/local/, 'without the provider nothing opens',
	dbname => 'plain',
	timeout => 60);
sql_fails(
	$to,
	undef,
	'SELECT name::text FROM patient WHERE id = 1',
	'42501',
	qr/permission denied for key "pii"/,
	'nor for the superuser, who has no grant',
	dbname => 'plain');

# With the provider file of the cluster that the dump came from, it does.
$to->append_conf('postgresql.conf',
	"fieldcrypt.provider_file = '$from->{kms}->{provider_file}'\n");
$to->reload;
wait_until(
	'the provider is there',
	sub {
		sql($to, undef,
			'SELECT pid FROM fieldcrypt.providers',
			dbname => 'plain');
	});

# Without triggers nobody asked whom the names of grantees name here: such
# grants do not count until they are given anew.
is( sql($to, undef,
		'SELECT active FROM fieldcrypt.grants',
		dbname => 'data_only'),
	'f',
	'a grant that came without triggers is not active');
sql($to, undef,
	q{SELECT fieldcrypt.grant_key('pii', 'app', 'decrypt')},
	dbname => 'data_only');
foreach my $database (qw(plain custom directory inserts data_only))
{
	is( sql_ok(
			$to, 'app', $everything,
			"$database: statements run",
			dbname => $database),
		$before,
		"$database: every value opens");
	is( sql($to,
			undef,
			q{SELECT string_agg(key || purpose || version || state, ' ' ORDER BY key, purpose, version) FROM fieldcrypt.key_status},
			dbname => $database),
		'piiindex1active piiwrap1decrypt-only piiwrap2active',
		"$database: keys and versions are those of the dump");
}

sql($to, undef, 'GRANT SELECT ON patient TO app', dbname => 'one');
is( sql($to, 'app', 'SELECT name FROM patient WHERE id = 1', dbname => 'one'),
	"$plaintext 1",
	'one: a table and its keys, restored apart, open');

# The dump's grants are in force, since the roles are there.
is( sql($to, undef,
		q{SELECT key, grantee, privilege, active FROM fieldcrypt.grants},
		dbname => 'plain'),
	'pii|app|decrypt|t',
	'grants came along');

# A restored database goes on by itself: new version, new values, blind index.
sql_ok(
	$to, undef,
	q{CALL fieldcrypt.rotate_key('pii')},
	'a restored key rotates',
	dbname => 'custom');
sql_ok($to, 'app', q{INSERT INTO patient VALUES (4, 'new', 'new ssn')},
	'and writes', dbname => 'custom');
sql_fails(
	$to,
	'app',
	qq{INSERT INTO patient VALUES (5, 'dup', '$plaintext ssn')},
	'23505',
	qr/patient_ssn/,
	'its unique blind index holds against old values',
	dbname => 'custom');

# Over a database that has keys: they are not thrown away unless somebody
# says so, and then everything is there again.
my ($ret_c, undef, $err_c) = run_tool(
	$to,
	[
		'pg_restore', '--clean', '--if-exists', '-1',
		'-d', 'plain', "$dir/custom"
	]);
is($ret_c, 1, 'pg_restore --clean stops at keys');
like($err_c, qr/while it holds keys.*allow_drop/s, 'and says how to go on');
($ret_c, undef, $err_c) = run_tool(
	$to,
	[
		'pg_restore', '--clean', '--if-exists', '-1',
		'-d', 'plain', "$dir/custom"
	],
	env => { PGOPTIONS => '-c fieldcrypt.allow_drop=on' });
is("$ret_c$err_c", '0', 'with allow_drop it goes on');
is(sql($to, 'app', $everything, dbname => 'plain'),
	$before, 'and every value opens');

# A grant to a role that is not there: a warning, nothing more, and not active.
$to->stop;
my $lonely = new_node('lonely', kms => 0, set_up => 0);
($ret, undef, $err) = run_tool(
	$lonely,
	[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', 'postgres' ],
	stdin => "CREATE EXTENSION fieldcrypt;\n"
	  . join('', $plain =~ /^COPY fieldcrypt\..*?^\\\.\n/msg));
is($ret, 0, 'key tables load where the roles are missing');
like($err, qr/WARNING.*"app"/, 'with a warning that names the role');
is( sql($lonely, undef, 'SELECT key, grantee, active FROM fieldcrypt.grants'),
	'pii|app|f',
	'and a grant that does not count');
sql($lonely, undef, 'CREATE ROLE app LOGIN');
is( sql($lonely, undef, q{SELECT active FROM fieldcrypt.grants})
	  . sql(
		$lonely, undef,
		q{SELECT fieldcrypt.has_key_privilege('app', 'pii', 'decrypt')}),
	'ff',
	'also when a role of that name appears');
$lonely->stop;

# A server that does not preload the library takes it all the same.
my $bare = new_target('bare', preload => '');
sql($bare, undef, 'CREATE DATABASE plain');
psql_restore($bare, 'plain', $plain, 'psql < dump without preload');
like(sql($bare, undef, 'COPY patient TO STDOUT', dbname => 'plain'),
	qr/^1\tfieldcrypt:1:/, 'the values are there');
my (undef, $again) = run_tool($bare, [ 'pg_dump', 'plain' ]);
is( join('', sort { $a cmp $b } $again =~ /fieldcrypt:1:[A-Za-z0-9+\/=]+/g),
	join('', sort { $a cmp $b } $plain =~ /fieldcrypt:1:[A-Za-z0-9+\/=]+/g),
	'and can be dumped from there again');
$bare->stop;

# Between rewrap_keyring and its end a version has two wrapped keys.
my $both =
  q{SELECT string_agg(encode(sha256(wrapped) || sha256(old_wrapped), 'hex'), ' ' ORDER BY key_id, purpose, version) FROM fieldcrypt.key_versions WHERE old_provider IS NOT NULL AND old_kms_key IS NOT NULL};
sql($from, undef, q{CALL fieldcrypt.rewrap_keyring('local')});
my (undef, $rewrapped) = run_tool($from, [ 'pg_dump', 'postgres' ]);
sql($from, undef, 'CREATE DATABASE twice');
psql_restore($from, 'twice', $rewrapped, 'psql < dump between rewrap_keyring and its end');
like(sql($from, undef, $both), qr/^[0-9a-f]{128}/, 'a version has two wrapped keys');
is(sql($from, undef, $both, dbname => 'twice'), sql($from, undef, $both), 'which a dump carries');
sql($from, undef, q{CALL fieldcrypt.rewrap_keyring('local', undo => true)}, dbname => 'twice');
is( sql($from, undef, q{SELECT count(*) FROM fieldcrypt.key_versions WHERE old_wrapped IS NOT NULL}, dbname => 'twice'),
	'0', 'and what was before can be brought back there');

# The 28 bits of a key's identity that a type modifier holds.
sub key_prefix
{
	return sql($from, undef,
		q{SELECT substr(encode(key_id, 'hex'), 1, 7) FROM fieldcrypt.keys WHERE name = 'pii'}
	);
}

$from->stop;
done_testing();
