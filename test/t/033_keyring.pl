# The keyring as a whole, with a real OpenBao: its root key is rotated under
# clients, keys move between KMSs, everything is interrupted, keys are shared
# between clusters, and keys rotate by themselves.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use IPC::Run ();
use OpenBao;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use Vault ();

plan skip_all =>
  'no program bao: test/setup.sh tests fetches OpenBao, or set BAO_BIN'
  if !defined OpenBao::program();
plan skip_all => 'OpenBao is started by curl(1)'
  if system('curl --version >/dev/null 2>&1') != 0;

my $bao = OpenBao->new;
$bao->start;
$bao->api('POST', 'transit/keys/fc2', '{"type":"aes256-gcm96"}');
$bao->policy(
	join ' ',
	map { qq(path "transit/$_" {capabilities=["update"]}) }
	  qw(encrypt/fc decrypt/fc encrypt/fc2 decrypt/fc2));

my $kms = new_kms();
my $dir = $kms->{dir};
my %vault = (
	address => $bao->{address},
	ca_file => "$bao->{dir}/ca.pem",
	auth => 'approle',
	role_id_file => "$dir/role_id",
	secret_id_file => "$dir/secret_id",
	key => 'fc',
	keys => 'fc,fc2',
	timeout => '3s');
my %secrets = (
	root => $bao->{env}{BAO_ROOT_TOKEN},
	secret_id => $bao->{env}{BAO_SECRET_ID});

sub provider_text
{
	my (%options) = @_;
	return
		"local.type = 'local'\nlocal.file = '$kms->{key_file}'\n"
	  . "vault.type = 'vault'\n"
	  . join('', map { "vault.$_ = '$options{$_}'\n" } sort keys %options);
}

write_key_file("$dir/role_id", $bao->{env}{BAO_ROLE_ID});
write_key_file("$dir/secret_id", $bao->{env}{BAO_SECRET_ID});
write_provider_file($kms, provider_text(%vault));

my $node = new_node(
	'main',
	kms => $kms,
	init => [ allows_streaming => 1 ],
	conf => "fieldcrypt.cache_refresh = '1s'\nfieldcrypt.default_provider = 'vault'\n"
	  . "log_min_messages = info\ntimezone = 'UTC'\n");

sub super { return sql($node, undef, @_) }

sub configure
{
	my (%options) = @_;
	write_provider_file($kms, provider_text(%options));
	$node->reload;
	return;
}

# Wrapped keys of a key, as the KMS returned them.
sub blobs
{
	my ($key, $column) = @_;
	$column //= 'wrapped';
	return super(
		qq{SELECT string_agg(encode(v.$column, 'hex'), ' ' ORDER BY v.purpose, v.version)
	         FROM fieldcrypt.keys k JOIN fieldcrypt.key_versions v USING (key_id)
	        WHERE k.name = '$key'});
}

# How many versions of the keyring a version of the Transit key has wrapped.
sub wrapped_by
{
	my ($number) = @_;
	return super(
		"SELECT count(*) FROM fieldcrypt.key_versions WHERE encode(wrapped, 'escape') LIKE 'vault:v$number:%'"
	);
}

sub reads
{
	my ($where) = @_;
	my ($ret, $out) = FieldCrypt::psql_as($where // $node, 'app',
		'SELECT name FROM patient WHERE id = 1');
	return $ret == 0 && $out eq 'Ada';
}

sub stub { return Vault::stub({ bao => $bao }, @_) }

# Clients that read and write meanwhile; none of their statements may fail.
sub with_clients
{
	my ($what, $action) = @_;
	my ($out, $err) = ('', '');
	my $script = "$dir/clients.sql";

	open(my $fh, '>', $script) or die $!;
	print $fh "\\set id random(1, 200)\n"
	  . "SELECT 1 / (v::text LIKE 'value %')::int FROM moved WHERE id = :id;\n"
	  . "UPDATE moved SET v = 'value again' WHERE id = :id;\n"
	  . "SELECT 1 / (name IS NOT NULL)::int FROM patient WHERE id = 1;\n";
	close($fh) or die $!;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $bench = IPC::Run::start(
		[
			'pgbench', '-n', '-c', '4', '-C', '-t', '100',
			'-U', 'postgres', '-f', $script, $node->connstr('postgres')
		],
		'<',
		\undef,
		'>',
		\$out,
		'2>',
		\$err);
	$action->();
	$bench->finish;
	is($bench->full_result(0), 0, "$what: no statement of a client failed")
	  or diag($err);
	unlike($err, qr/ERROR|abort/, "$what: pgbench saw no error");
	return;
}

super(
	q{
	SELECT fieldcrypt.grant_key('pii', 'postgres', 'decrypt');
	INSERT INTO patient VALUES (1, 'Ada', '1815');
	SELECT fieldcrypt.create_key('moved', 'local');
	SELECT fieldcrypt.grant_key('moved', 'postgres', 'decrypt');
	CREATE TABLE moved (id int PRIMARY KEY, v encrypted_text('moved', 'searchable'));
	INSERT INTO moved SELECT i, 'value ' || i FROM generate_series(1, 200) i;
	CALL fieldcrypt.rotate_key('moved');
	INSERT INTO moved VALUES (0, 'value 0');
	});

sub all_open
{
	my ($what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(reads(), "$what: a value of a key of the KMS opens");
	is( super(
			"SELECT count(*) FROM moved WHERE v::text LIKE 'value %' AND (id > 0 OR v = 'value 0')"
		),
		201,
		"$what: every value opens");
	return;
}

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
ok(reads($standby), 'a standby has the key');

# ---- the root key of the KMS is rotated ----

$bao->api('POST', 'transit/keys/fc/rotate');
my $before = blobs('pii');
is(wrapped_by(2), 0, 'what was wrapped stays as it was');
with_clients(
	'rewrap_keyring',
	sub {
		my ($ret, $out, $err) = FieldCrypt::psql_as($node, undef,
			q{CALL fieldcrypt.rewrap_keyring('vault')});
		is($ret, 0, 'rewrap_keyring') or diag($err);
		like($err, qr/NOTICE.*key "pii": 2 of 2 versions wrapped anew/,
			'a NOTICE per key');
	});
is(wrapped_by(2), 2, 'every version of the provider is wrapped anew');
is(blobs('pii', 'old_wrapped'), $before, 'and keeps what it had');
is(blobs('moved', 'old_wrapped'), '', 'keys of other providers are left alone');

# undone, the old is back
super(q{CALL fieldcrypt.rewrap_keyring('vault', undo => true)});
is(blobs('pii'), $before, 'undo brings the old back');
ok(reads(), 'which opens');
super(q{CALL fieldcrypt.rewrap_keyring('vault')});
super(q{CALL fieldcrypt.rewrap_keyring('vault', complete => true)});
is(blobs('pii', 'old_wrapped'), '', 'complete lets it go');
is(wrapped_by(2), 2, 'and keeps the new');

$node->wait_for_catchup($standby);
wait_until('the standby reads by the new wrapped key', sub { reads($standby) });
my $position = log_position($node);
my $standby_position = log_position($standby);
$bao->api('POST', 'transit/keys/fc/config', '{"min_decryption_version":2}');
now_and_then(4, sub { reads() && reads($standby) or die 'not served' });
super('SELECT fieldcrypt.purge_cache()');
sql($standby, undef, 'SELECT fieldcrypt.purge_cache()');
all_open('with the old root key gone');
ok(reads($standby), 'on a standby too');
unlike(log_since($node, $position), qr/did not unwrap/,
	'nobody asks for the old wrapped keys any more');
unlike(log_since($standby, $standby_position),
	qr/did not unwrap/, 'on a standby neither');
sql_fails($standby, undef, q{CALL fieldcrypt.rewrap_keyring('vault')},
	'25006', qr/read-only/, 'a standby rewraps nothing');

# ---- a KMS that lies, or hangs ----

$before = blobs('pii');
my $local_before = blobs('moved');
configure(%vault, address => stub('wrongkey'));
sql_fails(
	$node, undef, q{CALL fieldcrypt.rewrap_keyring('vault')}, '55000',
	qr/2 of 2 versions could not be wrapped anew/,
	'a KMS that opens everything to something else');
sql_fails($node, undef, q{CALL fieldcrypt.move_key('moved', 'vault')},
	'55000', qr/3 of 3 versions could not/,
	'a KMS that does not open what it wraps');
is(blobs('pii'), $before, 'its answers replace nothing');
is(blobs('moved'), $local_before, 'of neither key');

configure(%vault, address => stub('hang'));
foreach my $time (1 .. 10)
{
	my ($ret, $out, $err) = FieldCrypt::psql_as($node, undef,
		q{SET statement_timeout = '200ms'; CALL fieldcrypt.move_key('moved', 'vault')}
	);
	$ret == 3 && $err =~ /statement timeout/ or die "not cancelled: $err";
}
pass('ten moves were cancelled while a KMS hung');
configure(%vault);
wait_until('the KMS is back', sub { reads() });
is(blobs('moved'), $local_before, 'nothing was replaced');

# ---- to another KMS, and back ----

my %roots = map { ("$_->{purpose} $_->{version}" => $_->{root}) }
  FieldCrypt::master_keys($node, 'moved');
%secrets = (%secrets, secret_forms("root secret $_", $roots{$_}))
  foreach sort keys %roots;

# by a custodian, who owns nothing and may read no key table
super(
	q{CREATE ROLE custodian LOGIN;
	  GRANT EXECUTE ON PROCEDURE fieldcrypt.move_key, fieldcrypt.rewrap_keyring TO custodian}
);
with_clients(
	'move_key',
	sub {
		my ($ret, $out, $err) = FieldCrypt::psql_as($node, 'custodian',
			q{CALL fieldcrypt.move_key('moved', 'vault')});
		is($ret, 0, 'move_key') or diag($err);
		like($err, qr/key "moved": 3 of 3 versions wrapped anew/, 'to the KMS');
	});
is( super(
		q{SELECT string_agg(DISTINCT provider || ' ' || kms_key || ' ' || old_provider, ',')
	      FROM fieldcrypt.key_status WHERE key = 'moved'}),
	'vault fc local',
	'the key is at the KMS, and remembers where it was');
is(blobs('moved', 'old_wrapped'), $local_before, 'the old wrapped keys too');
super('SELECT fieldcrypt.purge_cache()');
all_open('moved to the KMS');
sql_fails($node, undef, q{CALL fieldcrypt.move_key('moved', 'vault', 'fc2')},
	'55000', qr/still keeps its earlier wrapped key/,
	'one move after the other');
super(q{CALL fieldcrypt.move_key('moved', 'vault', complete => true)});

super(q{CALL fieldcrypt.move_key('moved', 'vault', 'fc2')});
is( super(
		q{SELECT string_agg(DISTINCT kms_key, ',') FROM fieldcrypt.key_status WHERE key = 'moved'}
	),
	'fc2',
	'to another key of the same KMS');
super(q{CALL fieldcrypt.rotate_key('moved')});
super('SELECT fieldcrypt.purge_cache()');
all_open('moved to another key of the KMS');
super(q{CALL fieldcrypt.move_key('moved', 'vault', 'fc2', complete => true)});

# a new version is where the others are; back home the secrets are the same
super(q{CALL fieldcrypt.move_key('moved', 'local')});
super(q{CALL fieldcrypt.move_key('moved', 'local', complete => true)});
my %again = map { ("$_->{purpose} $_->{version}" => $_->{root}) }
  FieldCrypt::master_keys($node, 'moved');
is(scalar(keys %again), 4, 'four versions came back');
is_deeply([ map { $again{$_} } sort keys %roots ],
	[ map { $roots{$_} } sort keys %roots ],
	'with the secrets that went');
all_open('moved back');

# main shared memory, which every process maps, has seen no root secret
my $core = FieldCrypt::core_of((child_pids($node, qr/checkpointer/))[0]);
SKIP:
{
	skip 'no gcore', 1 unless defined $core;
	is_deeply([ FieldCrypt::hits_in_file($core, \%secrets) ],
		[], 'no root secret is in shared memory');
}

# ---- interrupted ----

super(
	q{DO $$ BEGIN FOR i IN 1..30 LOOP
	    PERFORM fieldcrypt.create_key('many_' || i); END LOOP; END $$;
	  SELECT fieldcrypt.grant_key('many_7', 'postgres', 'decrypt');
	  CREATE TABLE kept (v encrypted_text('many_7'));
	  INSERT INTO kept VALUES ('seven')});

sub pending
{
	return super(
		"SELECT count(*) FROM fieldcrypt.key_versions WHERE old_wrapped IS NOT NULL"
	);
}

my $all = super(
	"SELECT count(*) FROM fieldcrypt.key_versions WHERE provider = 'vault'");
my $between = 0;

foreach my $victim ('backend', 'worker', 'backend', 'worker')
{
	my $call = IPC::Run::start(
		[
			'psql', '-XAtq', '-U', 'postgres',
			'-d', $node->connstr('postgres') . ' application_name=rewrap',
			'-c', q{CALL fieldcrypt.rewrap_keyring('vault')}
		],
		'<',
		\undef,
		'>',
		"$dir/call.out",
		'2>',
		"$dir/call.err");
	my $pid = '';

	for (1 .. 200)
	{
		$pid = super(
			"SELECT pid FROM pg_stat_activity WHERE application_name = 'rewrap'");
		last if $pid ne '' && pending() > 3;
		usleep(5_000);
	}
	$pid = FieldCrypt::worker_pid($node, 'vault') if $victim eq 'worker';
	FieldCrypt::kill_hard($pid) if $pid ne '';
	eval { $call->finish };
	wait_until("the server is back ($victim killed)", \&reads);
	my $left = pending();
	note("$victim killed: $left of $all are wrapped anew");
	$between++ if $left > 0 && $left < $all;
	all_open("$victim killed");
	super(q{CALL fieldcrypt.rewrap_keyring('vault')});
	is(pending(), $all, 'the next call does the rest');
	super(q{CALL fieldcrypt.rewrap_keyring('vault', complete => true)});
	is(pending(), 0, 'and it can be completed');
}
cmp_ok($between, '>', 0, "$between of four kills left work behind");
is(super('SELECT v FROM kept'), 'seven', 'all keys open');

# three at once: each version is done by one of them
sub every_blob
{
	my ($column) = @_;
	return super(
		"SELECT md5(string_agg(encode($column, 'hex'), ' ' ORDER BY key_id, purpose, version))"
		  . " FROM fieldcrypt.key_versions WHERE provider = 'vault'");
}

$before = every_blob('wrapped');
my @calls = map {
	IPC::Run::start(
		[
			'psql', '-XAtq', '-U', 'postgres', '-d',
			$node->connstr('postgres'), '-c',
			q{CALL fieldcrypt.rewrap_keyring('vault')}
		],
		'<',
		\undef,
		'>',
		"$dir/two$_.out",
		'2>',
		"$dir/two$_.err")
} 1 .. 3;
$_->finish foreach @calls;
is(join(' ', map { $_->full_result(0) } @calls),
	'0 0 0', 'three calls at once do not fail');
is(pending(), $all, 'and do every version');
is(every_blob('old_wrapped'), $before, 'once');
super('SELECT fieldcrypt.purge_cache()');
all_open('after three at once');
super(q{CALL fieldcrypt.rewrap_keyring('vault', complete => true)});

# a version that is destroyed meanwhile keeps nothing
super(q{CALL fieldcrypt.rewrap_keyring('vault')});
super(q{CALL fieldcrypt.destroy_key('many_30')});
is(blobs('many_30', 'old_wrapped') . blobs('many_30'),
	'', 'destroy_key leaves no blob behind');
super(q{CALL fieldcrypt.rewrap_keyring('vault', complete => true)});

# ---- keys of one cluster in another ----

my $other = new_node(
	'other',
	kms => $kms,
	conf => "fieldcrypt.default_provider = 'vault'\n");
my $export = super('SELECT fieldcrypt.export_keyring()');
my $armour = sql($node, 'app', 'SELECT name FROM patient WHERE id = 1',
	options => '-c fieldcrypt.output=ciphertext');
like($armour, qr/^fieldcrypt:1:/, 'a value of one cluster');
sql($other, undef, "INSERT INTO patient VALUES (1, '$armour')",
	options => '-c fieldcrypt.input=ciphertext');
sql_fails(
	$other, 'app',
	'SELECT name FROM patient',
	'55000', qr/import_keyring/,
	'another cluster does not open it');
sql($other, undef,
	"CREATE TABLE moved (id int, v encrypted_text('moved', 'searchable'))");
my $imported = sql($other, undef,
	"SELECT key, purpose, action FROM fieldcrypt.import_keyring('$export') WHERE key IN ('pii', 'many_30') ORDER BY 1, 2"
);
is( $imported, join("\n",
		'many_30|index|imported as destroyed',
		'many_30|wrap|imported as destroyed',
		'pii|index|imported',
		'pii|wrap|imported'),
	'import_keyring says what it did');
is(sql($other, 'app', 'SELECT name FROM patient'),
	'Ada', 'then it does, under the name that was there');
sql($other, 'app', "INSERT INTO patient VALUES (2, 'Grace')");
is( sql($other, undef,
		q{SELECT count(DISTINCT (fieldcrypt.value_info(name)).key_id) FROM patient}
	),
	2,
	'while its own key goes on writing');
sql($other, undef,
	q{SELECT fieldcrypt.grant_key('moved', 'postgres', 'decrypt')});
foreach my $row (split /\n/,
	sql($node, undef, 'SELECT id, v FROM moved WHERE id < 3',
		options => '-c fieldcrypt.output=ciphertext'))
{
	my ($id, $value) = split /\|/, $row;
	sql($other, undef, "INSERT INTO moved VALUES ($id, '$value')",
		options => '-c fieldcrypt.input=ciphertext');
}
is( sql($other, undef, q{SELECT count(*) FROM moved WHERE v::text LIKE 'value %'}),
	3,
	'values under several versions');
is(sql($other, undef, q{SELECT id FROM moved WHERE v = 'value 0'}),
	0, 'found by their blind index');
is( sql($other, undef,
		"SELECT DISTINCT action FROM fieldcrypt.import_keyring('$export') ORDER BY 1"
	),
	"destroyed here, not imported\nexists",
	'a second import changes nothing');

# a version that was made meanwhile
super(q{CALL fieldcrypt.rotate_key('moved')});
super(q{INSERT INTO moved VALUES (1000, 'value new')});
my $new = sql($node, undef, 'SELECT v FROM moved WHERE id = 1000',
	options => '-c fieldcrypt.output=ciphertext');
$export = super(q{SELECT fieldcrypt.export_keyring('moved')});
is( sql($other, undef,
		"SELECT DISTINCT action FROM fieldcrypt.import_keyring('$export') WHERE action <> 'exists'"
	),
	'imported as pre-active',
	'a new version is not activated');
sql($other, undef, "INSERT INTO moved VALUES (1000, '$new')",
	options => '-c fieldcrypt.input=ciphertext');
is(sql($other, undef, 'SELECT v FROM moved WHERE id = 1000'),
	'value new', 'but opens');
sql_ok($other, undef,
	q{CALL fieldcrypt.activate_version('moved', 4)}, 'and can be activated');

# a KMS that is away: nothing is imported unseen
$bao->stop;
$export = super(q{SELECT fieldcrypt.export_keyring('many_1')});
sql($other, undef, 'CREATE DATABASE second');
sql($other, undef, 'CREATE EXTENSION fieldcrypt', dbname => 'second');
sql_fails(
	$other, undef,
	"SELECT * FROM fieldcrypt.import_keyring('$export')",
	'58000', qr/verify => false/,
	'an import that cannot be verified',
	dbname => 'second');
is(sql($other, undef, 'SELECT count(*) FROM fieldcrypt.keys', dbname => 'second'),
	0, 'imports nothing');
sql_ok(
	$other, undef,
	"SELECT * FROM fieldcrypt.import_keyring('$export', verify => false)",
	'unless it is told to',
	dbname => 'second');
sql_fails($node, undef, q{CALL fieldcrypt.rewrap_keyring('vault')},
	'58000', qr/Provider "vault", class: outage/,
	'rewrap_keyring while the KMS is away');

# ---- rotation that runs by itself; the KMS is still away ----

my $hour = (gmtime)[2];
my $closed = sprintf('%02d:00-%02d:00', ($hour + 3) % 24, ($hour + 5) % 24);
my $open = sprintf('%02d:00-%02d:00', ($hour + 22) % 24, ($hour + 3) % 24);

sub versions
{
	my ($key) = @_;
	return super(
		"SELECT count(*) FROM fieldcrypt.key_status WHERE key = '$key' AND purpose = 'wrap'"
	);
}

super(
	q{SELECT fieldcrypt.create_key('auto', 'local');
	  SELECT fieldcrypt.grant_key('auto', 'postgres', 'decrypt');
	  CREATE TABLE auto (id int, v encrypted_text('auto'));
	  INSERT INTO auto SELECT i, 'value ' || i FROM generate_series(1, 100) i;
	  SELECT fieldcrypt.set_rotation('many_2', '1 microsecond', auto => true);
	  SELECT fieldcrypt.set_rotation('pii', '1 microsecond')});
super(
	"SELECT fieldcrypt.set_rotation('auto', '1 microsecond', auto => true, daily_window => '$closed')"
);
my $old = super("SET fieldcrypt.output = 'ciphertext'; SELECT v FROM auto WHERE id = 1");
$position = log_position($node);
super('SELECT fieldcrypt.run_maintenance()');
wait_until('an overdue key is rotated', sub { versions('auto') == 2 });
wait_until(
	'a key whose KMS is away is not, and the others are',
	sub {
		log_since($node, $position) =~
		  /WARNING:  fieldcrypt could not rotate key "many_2" of database "postgres"/;
	});
wait_until('maintenance has ended',
	sub { !child_pids($node, qr/fieldcrypt maintenance/) });
is(versions('many_2'), 1, 'it has no new version');
is( super(
		q{SELECT version || ' ' || "values" FROM fieldcrypt.key_usage('auto')}),
	'1 100',
	'outside the window no value is rewrapped');
like(
	log_since($node, $position),
	qr/LOG:  fieldcrypt rotated key "auto" of database "postgres" to version 2/,
	'the log tells');

# in the window, as soon as the server has started
super("SELECT fieldcrypt.set_rotation('auto', '1 day', auto => true, daily_window => '$open')");
$bao->start;
$position = log_position($node);
$node->restart;
wait_until(
	'in the window values are rewrapped',
	sub {
		super(
			q{SELECT version || ' ' || "values" FROM fieldcrypt.key_usage('auto')})
		  eq '2 100';
	});
wait_until('the log tells',
	sub {
		log_since($node, $position) =~
		  /LOG:  fieldcrypt rewrapped the values of key "auto" of database "postgres" under version 2/;
	});
wait_until(
	'an overdue key that does not rotate by itself is told of',
	sub {
		log_since($node, $position) =~
		  /WARNING:  key "pii" of database "postgres" is overdue for rotation/;
	});
wait_until('maintenance has ended',
	sub { !child_pids($node, qr/fieldcrypt maintenance/) });
is(versions('pii'), 1, 'and left alone');
is(super("SELECT rewrapped_to IS NULL FROM fieldcrypt.keys WHERE name = 'auto'"),
	't', 'one walk is not enough: others may have been writing old values');
is(versions('auto'), 2, 'a key that is not due is left alone');

# a value that was encrypted before the rotation is committed after the walk
super("SET fieldcrypt.input = 'ciphertext'; INSERT INTO auto VALUES (101, '$old')");
super('SELECT fieldcrypt.run_maintenance()');
wait_until(
	'the next round finds it',
	sub {
		super(
			q{SELECT version || ' ' || "values" FROM fieldcrypt.key_usage('auto')})
		  eq '2 101';
	});
wait_until('maintenance has ended',
	sub { !child_pids($node, qr/fieldcrypt maintenance/) });

# the next but one finds nothing to do
$position = log_position($node);
super('SELECT fieldcrypt.run_maintenance()');
wait_until('what was done is remembered',
	sub { super("SELECT rewrapped_to FROM fieldcrypt.keys WHERE name = 'auto'") eq '2' });
wait_until('many_2 is rotated once its KMS is back',
	sub { versions('many_2') >= 2 });
wait_until('maintenance has ended',
	sub { !child_pids($node, qr/fieldcrypt maintenance/) });
unlike(log_since($node, $position), qr/key "auto"/, 'nothing is done twice');
sql_fails($standby, undef, 'SELECT fieldcrypt.run_maintenance()',
	'25006', qr/recovery/, 'a standby maintains nothing');
unlike(log_since($standby, 0), qr/fieldcrypt rotated|is overdue/,
	'nor does it by itself');

# ---- nothing secret is left behind ----

foreach my $where ($node, $standby, $other)
{
	is_deeply(
		[ FieldCrypt::hits_in_file($where->logfile, \%secrets) ],
		[],
		'nothing secret in the log of ' . $where->name);
}
$node->stop;
is_deeply([ FieldCrypt::hits_in_dir($node->data_dir, \%secrets) ],
	[], 'nor in the data directory');

$standby->stop;
$other->stop;
$bao->stop;
done_testing();
