# pg_upgrade carries values and keys, with the KMS out of reach and without a
# grant; the new server opens them.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;

# Old and new are of one version, which is enough to see that the schema can
# be loaded in binary-upgrade mode and that types keep what values name.
my ($bin) = split /\n/, `pg_config --bindir`;
my $old = new_node('old');
sql($old, undef, q{
CREATE TABLE doc (id int, note encrypted_text('pii') DEFAULT 'nothing noted', tags encrypted_text('pii')[]);
ALTER TABLE doc ADD CONSTRAINT short CHECK (length(note::text) < 100) NOT VALID;
CREATE UNIQUE INDEX patient_ssn ON patient (fieldcrypt.blind_index(ssn));
CREATE VIEW labelled AS SELECT id, coalesce(name, 'no name'::encrypted_text) AS name FROM patient;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM patient;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
});
sql($old, 'app', q{
INSERT INTO patient VALUES (1, 'Ada Lovelace', '078-05-1120'), (2, NULL, '');
INSERT INTO doc (id, tags) VALUES (1, ARRAY['a', 'b']::text[]::encrypted_text('pii')[]);
});
sql($old, undef,
	q{CALL fieldcrypt.rotate_key('pii'); REFRESH MATERIALIZED VIEW kept; ANALYZE}
);
sql($old, 'app',
	q{INSERT INTO patient VALUES (3, repeat('long ', 2000)::text, 'third')});
my $everything =
  q{SELECT string_agg(concat_ws('|', id, md5(name::text), ssn::text), ';' ORDER BY id),
	(SELECT string_agg(note::text || tags::text, ';') FROM doc),
	(SELECT string_agg(md5(name::text), ';') FROM labelled),
	(SELECT string_agg(name::text, ';') FROM kept) FROM patient};
my $before = sql($old, 'app', $everything);
my $copy = sql($old, undef, 'COPY patient TO STDOUT');
$old->stop;

# The new cluster preloads the library and knows no provider.
my $new = new_node('new', kms => 0, start => 0);
my $dir = PostgreSQL::Test::Utils::tempdir('upgrade');
rename("$old->{kms}->{key_file}", "$old->{kms}->{key_file}.away") or die $!;
{
	# pg_upgrade writes into its working directory, and has a socket there
	my $socket = PostgreSQL::Test::Utils::tempdir_short();
	my ($out, $err) = ('', '');
	local $ENV{PGOPTIONS} = '';
	IPC::Run::run(
		[
			'pg_upgrade', '-U', 'postgres', '-d',
			$old->data_dir, '-D', $new->data_dir, '-b',
			$bin, '-B', $bin, '-s',
			$socket, '-p', $old->port, '-P',
			$new->port
		],
		'<',
		\undef,
		'>',
		\$out,
		'2>',
		\$err,
		init => sub { chdir($dir) or die "chdir $dir: $!" });
	is($? >> 8, 0, 'pg_upgrade') or diag($out . $err);
}

$new->start;
is(sql($new, undef, 'COPY patient TO STDOUT'),
	$copy, 'the values are the same bytes');
is( sql($new,
		undef,
		q{SELECT string_agg(key || purpose || version || state, ' ' ORDER BY key, purpose, version) FROM fieldcrypt.key_status}
	),
	'piiindex1active piiwrap1decrypt-only piiwrap2active',
	'so are keys and versions');
is( sql($new,
		undef,
		q{SELECT string_agg(typoutput::text || ' ' || typsend::text, ' ' ORDER BY typname) FROM pg_type WHERE typname IN ('wire_text', 'wire_text_array', 'wire_value')}
	),
	'fieldcrypt.wire_out fieldcrypt.wire_send fieldcrypt.wire_array_out fieldcrypt.wire_array_send fieldcrypt.wire_value_out fieldcrypt.wire_value_send',
	'what clients see as text has its output functions');
is( sql($new, undef,
		q{SELECT key, grantee, privilege, active FROM fieldcrypt.grants}),
	'pii|app|decrypt|t',
	'and grants');

rename("$old->{kms}->{key_file}.away", "$old->{kms}->{key_file}") or die $!;
$new->append_conf('postgresql.conf',
	"fieldcrypt.provider_file = '$old->{kms}->{provider_file}'\n");
$new->reload;
$new->{kms} = $old->{kms};
wait_until('the provider is there', sub { worker_pid($new) });
is(sql($new, 'app', $everything), $before, 'every value opens');
is( sql($new, 'app', "SELECT ssn FROM patient WHERE id = 1 \\gdesc\nSELECT ssn, name FROM patient WHERE id = 1"),
	"ssn|text\n078-05-1120|Ada Lovelace",
	'as text, for clients');
sql_fails($new, 'app', q{INSERT INTO patient VALUES (4, 'x', '078-05-1120')},
	'23505', qr/patient_ssn/, 'the unique blind index holds');
sql_ok($new, undef, q{CALL fieldcrypt.rotate_key('pii')}, 'the key rotates');
is( sql($new,
		undef,
		q{SELECT string_agg(DISTINCT tgenabled::text, '') FROM pg_trigger WHERE tgrelid IN ('fieldcrypt.keys'::regclass, 'fieldcrypt.key_versions'::regclass, 'fieldcrypt.key_grants'::regclass)}
	),
	'A',
	'the guards of the key tables are in force always');
sql_fails(
	$new, undef, 'DELETE FROM fieldcrypt.key_versions',
	'42501', qr/written only by/,
	'and refuse');

$new->stop;
done_testing();
