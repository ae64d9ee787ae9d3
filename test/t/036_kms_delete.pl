# destroy_key() has the key's own KMS key deleted, in a real OpenBao: which ones
# are, which ones are left, and what there is to see when it does not work.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Vault;

need_openbao();

my $vault = Vault->new;
my $bao = $vault->{bao};

# What the document says that a role needs, for `subject_*` and `team`.
my $document = slurp_file("$FindBin::RealBin/../../docs/kms.md");
my $uses = join ' ',
  map { qq(path "transit/$_" {capabilities=["update"]}) }
  map { ("encrypt/$_", "decrypt/$_") } 'fc', 'team', 'subject_*';
my ($may_delete) =
  $document =~ /^ +(path "transit\/keys\/subject_\*" \{ capabilities = \["delete"\] \})$/m;
my ($may_allow) =
  $document =~ /^ +(path "transit\/keys\/subject_\*" \{ capabilities = \["delete", "update"\].*\})$/m;

ok(defined $may_delete && defined $may_allow, 'the document has both policies');
$bao->api('POST', "transit/keys/$_", '{"type":"aes256-gcm96"}')
  foreach 'team', map { "subject_$_" } 1 .. 11;
$bao->policy("$uses $may_allow");
$vault->{approle}{keys} = 'team, subject_*';
$vault->{approle}{delete_keys} = 'subject_*, other';
$vault->write;

my $node = $vault->start_node('main',
	conf => "max_prepared_transactions = 4\nfieldcrypt.default_provider = 'vault'\n");
my $pristine = log_position($node);

sub super { return sql($node, undef, @_) }

# A key and a value of it.
sub make
{
	my ($key, $kms_key) = @_;

	super(
		qq{SELECT fieldcrypt.create_key('$key', kms_key => '$kms_key');
		   SELECT fieldcrypt.grant_key('$key', 'postgres', 'decrypt');
		   CREATE TABLE "$key" (v encrypted_text('$key'));
		   INSERT INTO "$key" VALUES ('of $key')});
	return;
}

# Destroy a key, and return what is said.
sub destroy
{
	my ($key) = @_;
	my ($ret, $out, $err) = FieldCrypt::psql_as($node, undef, "CALL fieldcrypt.destroy_key('$key')");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($ret, 0, "$key is destroyed") or diag($err);
	is( super(
			qq{SELECT string_agg(DISTINCT state, ',') FROM fieldcrypt.key_status WHERE key = '$key'}
		),
		'destroyed',
		"$key: so it says");
	return $err;
}

sub kms_has
{
	my ($kms_key) = @_;
	my $seen = eval { $bao->api('GET', "transit/keys/$kms_key") };

	return 1 if defined $seen;
	die $@   if $@ !~ /\n404/;
	return 0;
}

sub deleted
{
	my ($err, $kms_key, $test) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($err, qr/NOTICE:  00000: KMS key "$kms_key" of provider "vault" is deleted\n/,
		"$test: it is said");
	ok(!kms_has($kms_key), "$test: and true");
	return;
}

# Left, and not a word about it.
sub left
{
	my ($err, $kms_key, $test) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	unlike($err, qr/WARNING|KMS key "/, "$test: nothing is said");
	like($err, qr/Only destroying the KMS key itself is final/, "$test: but what is open");
	ok(kms_has($kms_key), "$test: it is there");
	return;
}

sub not_deleted
{
	my ($err, $kms_key, $pattern, $test) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($err, qr/WARNING:  \w{5}: KMS key "$kms_key" of provider "vault" could not be deleted\n.*$pattern.*HINT:  .*delete it with the KMS's own command/s,
		"$test: a warning");
	like($err, qr/Only destroying the KMS key itself is final/, "$test: and what is open");
	return;
}

# ---- which are deleted ----

make('own', 'subject_1');
super(q{CALL fieldcrypt.rotate_key('own')});
my ($wrapped) = super(
	q{SELECT convert_from(v.wrapped, 'UTF8') FROM fieldcrypt.key_versions v JOIN fieldcrypt.keys k USING (key_id)
	   WHERE k.name = 'own' AND purpose = 1 AND version = 1});
my $position = $bao->audit_position;
my $log = log_position($node);
my $said = destroy('own');
deleted($said, 'subject_1', 'a KMS key of its own');
like($said, qr/It opens only while the KMS still has the KMS key/, 'what remains is worthless');
like($said, qr/HINT:  Let backups and archives expire, those of the KMS too/, 'except in backups of the KMS');
is( join(' ', map { $bao->requests($_, $position) } 'transit/keys/subject_1', 'transit/keys/subject_1/config'),
	'3 1',
	'it was asked for, allowed, asked for again, and looked at by this test');
like(
	log_since($node, $log),
	qr/LOG:  KMS key "subject_1" of fieldcrypt provider "vault" is deleted\n.*DETAIL:  A key of database "postgres"/,
	'the log has it');
ok(!defined eval { $bao->api('POST', 'transit/decrypt/subject_1', qq({"ciphertext":"$wrapped"})) }
	  && $@ =~ /encryption key not found/,
	'what a backup has opens no more');

my ($query) = $document =~ /^ +(SELECT DISTINCT key, provider, kms_key FROM .*);$/m;
is(super($query), 'own|vault|subject_1', 'the view tells which KMS keys were of what is destroyed');

make('one', 'subject_2');
make('two', 'subject_2');
$position = $bao->audit_position;
left(destroy('one'), 'subject_2', 'a KMS key that another key needs');
is($bao->requests('transit/keys/.*', $position), 1, 'the KMS is not even asked');
is(super('SELECT v FROM two'), 'of two', 'the other key goes on');
deleted(destroy('two'), 'subject_2', 'a KMS key that no key needs any more');

make('member', 'team');
make('default', 'fc');
$position = $bao->audit_position;
left(destroy('member'), 'team', 'a KMS key that is not listed');
left(destroy('default'), 'fc', 'the default key');
is($bao->requests('transit/keys/.*', $position), 2, 'the KMS is not asked');

make('moved', 'subject_3');
super(q{CALL fieldcrypt.move_key('moved', 'vault', 'subject_4')});
make('there', 'subject_3');
left(destroy('there'), 'subject_3', 'a KMS key that a move could be undone to');
$said = destroy('moved');
deleted($said, $_, 'both KMS keys of a key under way') foreach 'subject_3', 'subject_4';

$bao->api('POST', 'transit/keys/subject_5/config', '{"deletion_allowed":true}');
make('gone', 'subject_5');
$bao->api('DELETE', 'transit/keys/subject_5');
like(destroy('gone'), qr/KMS key "subject_5" of provider "vault" is deleted already/,
	'a KMS key that is gone');

# ---- in a transaction block ----

make('block', 'subject_6');
$position = $bao->audit_position;
(undef, undef, $said) = FieldCrypt::psql_as($node, undef,
	q{BEGIN; CALL fieldcrypt.destroy_key('block'); ROLLBACK});
like($said, qr/KMS key "subject_6" of provider "vault" is not deleted in a transaction block\n.*HINT:  .*once the transaction is committed/s,
	'in a transaction block it says what is left to do');
is($bao->requests('transit/keys/.*', $position), 0, 'and asks nobody');
super('SELECT fieldcrypt.purge_cache()');
is(super('SELECT v FROM block'), 'of block', 'rolled back, all is as before');

# ---- somebody makes a key with it meanwhile ----

# A prepared transaction holds the keys until all stand in the queue behind it.
sub in_queue
{
	my ($what, @statements) = @_;
	my @sessions;

	super(q{BEGIN; LOCK TABLE fieldcrypt.keys IN SHARE ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'first'});
	foreach my $statement (@statements)
	{
		push @sessions, $vault->background($statement, 'postgres');
		wait_until(
			"$what: " . @sessions . ' in the queue',
			sub {
				super(q{SELECT count(*) FROM pg_locks WHERE relation = 'fieldcrypt.keys'::regclass AND NOT granted}
				) == @sessions;
			});
	}
	super(q{COMMIT PREPARED 'first'});
	$_->{handle}->finish foreach @sessions;
	return map { ${ $_->{err} } } @sessions;
}

($said) = in_queue(
	'a key is made meanwhile',
	q{CALL fieldcrypt.destroy_key('block')},
	q{SELECT fieldcrypt.create_key('late', kms_key => 'subject_6')});
left($said, 'subject_6', 'a KMS key that was taken for another key meanwhile');
super(q{SELECT fieldcrypt.purge_cache(); SELECT fieldcrypt.grant_key('late', 'postgres', 'decrypt');
        CREATE TABLE late (v encrypted_text('late')); INSERT INTO late VALUES ('x')});
is(super('SELECT v FROM late'), 'x', 'which can be used');

($said) = in_queue(
	'keys are being made',
	q{CALL fieldcrypt.destroy_key('late')},
	q{BEGIN; LOCK TABLE fieldcrypt.keys IN SHARE ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'second'});
not_deleted($said, 'subject_6', 'another transaction is making keys', 'while it is not known');
super(q{COMMIT PREPARED 'second'});
ok(kms_has('subject_6'), 'the KMS key is left');

# ---- what can go wrong ----

sub hang
{
	$vault->configure(address => $vault->stub('hang'));
	wait_until('the KMS hangs', sub { $vault->steps ne $all_steps });
	return;
}

make('denied', 'subject_7');
$bao->policy($uses);
not_deleted(destroy('denied'), 'subject_7', 'credentials refused: .*403 .*permission denied', 'without the right');
ok(kms_has('subject_7'), 'the KMS key is left');
is($vault->provider('state'), 'ready', 'which does not make the provider a denied one');
super('SELECT fieldcrypt.purge_cache()');
make('refused', 'subject_8');
is(super('SELECT v FROM refused'), 'of refused', 'and keys are made and opened');

$bao->policy("$uses $may_delete");
make('half', 'subject_9');
not_deleted(destroy('refused'), 'subject_8', '403', 'with the right to delete only');
$bao->api('POST', 'transit/keys/subject_9/config', '{"deletion_allowed":true}');
deleted(destroy('half'), 'subject_9', 'of a key whose deletion is allowed it is enough');
$bao->policy("$uses $may_allow");

make('elsewhere', 'subject_10');
$vault->configure(databases => 'elsewhere');
wait_until('the databases are read',
	sub { $vault->steps eq 'configuration failed' });
not_deleted(destroy('elsewhere'), 'subject_10', 'does not list database "postgres"',
	'a database that may not use the provider');
$vault->configure;
wait_until('the databases are read', sub { $vault->steps eq $all_steps });
ok(kms_has('subject_10'), 'the KMS key is left');

# of another database, which has the same key
super('CREATE DATABASE copy');
make('copied', 'subject_10');
my $export = super(q{SELECT fieldcrypt.export_keyring('copied')});
sql($node, undef,
	qq{CREATE EXTENSION fieldcrypt;
	   SELECT fieldcrypt.import_keyring('$export');
	   SELECT fieldcrypt.grant_key('copied', 'postgres', 'decrypt');
	   CREATE TABLE copied (v encrypted_text('copied'));
	   INSERT INTO copied VALUES ('of copied')},
	dbname => 'copy');
not_deleted(destroy('copied'), 'subject_10', 'database "copy" uses it too', 'while a copy is in use');
ok(kms_has('subject_10'), 'the KMS key is left');
sql($node, undef, 'SELECT fieldcrypt.purge_cache()', dbname => 'copy');
is(sql($node, undef, 'SELECT v FROM copied', dbname => 'copy'), 'of copied', 'and the copy opens');
super('DROP DATABASE copy');

make('down', 'subject_11');
make('hangs', 'subject_10');
$bao->stop;
my $start = time();
not_deleted(destroy('down'), 'subject_11', 'outage: ', 'the KMS is down');
cmp_ok(time() - $start, '<', 7, 'within kms_timeout');
$bao->start;
ok(kms_has('subject_11'), 'the KMS key is left');

hang();
$start = time();
not_deleted(destroy('hangs'), 'subject_10', 'outage: .*(?:no answer|did not answer)', 'the KMS hangs');
cmp_ok(time() - $start, '<', 8, 'within kms_timeout');
$vault->configure;
wait_until('the KMS is back', sub { $vault->steps eq $all_steps });

# cancelled meanwhile
make('cancelled', 'subject_10');
hang();
$said = sql_fails($node, undef,
	q{SET statement_timeout = '2s'; CALL fieldcrypt.destroy_key('cancelled')},
	'57014', qr/CONTEXT:  finishing after key "cancelled" was destroyed/, 'waiting can be cancelled');
is(super(q{SELECT state FROM fieldcrypt.keys WHERE name = 'cancelled'}),
	'destroyed', 'and the key stays destroyed');
$vault->configure;
wait_until('the KMS is back', sub { $vault->steps eq $all_steps });

# ---- the option ----

foreach my $list ('*', 'other, f*', 'fc')
{
	$log = log_position($node);
	$vault->configure(delete_keys => $list);
	wait_until(
		"delete_keys = '$list' is refused, with file and line",
		sub {
			log_since($node, $log) =~
			  /WARNING:  new configuration .* option "delete_keys" lists "fc", the default KMS key.*fieldcrypt_kms.conf", line \d/;
		});
	$vault->configure;
	wait_until('and the good one is taken', sub { $vault->steps eq $all_steps });
}
make('unlisted', 'subject_10');
$vault->configure(delete_keys => undef, databases => 'elsewhere');
wait_until('the option is gone',
	sub { $vault->steps eq 'configuration failed' });
$vault->configure(delete_keys => undef);
wait_until('the databases are read', sub { $vault->steps eq $all_steps });
left(destroy('unlisted'), 'subject_10', 'without the option');

my $local = new_node('other');
$log = log_position($local);
write_provider_file($local->{kms},
	slurp_file($local->{kms}{provider_file}) . "local.delete_keys = 'x'\n");
$local->reload;
wait_until(
	'a provider that cannot delete keys does not know the option',
	sub {
		log_since($local, $log) =~
		  /unknown option "delete_keys" of a provider of type "local".*line 3/;
	});

$vault->log_is_clean('all of it', $pristine);
done_testing();
