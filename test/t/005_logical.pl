# Logical decoding prints ciphertext whoever asks; a subscriber takes it
# without KMS and without a grant, and encrypts what a plain publisher sends.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;

my $plaintext = 'PLANTED-for-decoding';
my $publisher = new_node(
	'publisher',
	init => [ allows_streaming => 'logical' ],
	conf => "max_connections = 30\n");

# --- decoding -------------------------------------------------------------

sql($publisher, undef, q{
ALTER ROLE app REPLICATION;
SELECT pg_create_logical_replication_slot('by_sql', 'test_decoding');
SELECT pg_create_logical_replication_slot('by_tool', 'test_decoding');
ALTER TABLE patient REPLICA IDENTITY FULL;
});
sql($publisher, 'app', qq{
INSERT INTO patient VALUES (1, '$plaintext', '$plaintext');
UPDATE patient SET name = '$plaintext changed' WHERE id = 1;
DELETE FROM patient WHERE id = 1;
});

my $peek =
  q{SELECT data FROM pg_logical_slot_peek_changes('by_sql', NULL, NULL)};
foreach my $role (undef, 'app')
{
	my $name = $role // 'the superuser';
	my $changes = sql($publisher, $role, $peek);

	like($changes, qr/INSERT.*fieldcrypt:1:/,
		"$name decodes ciphertext in SQL");
	like(
		$changes,
		qr/UPDATE.*old-key.*fieldcrypt:1:.*new-tuple.*fieldcrypt:1:/,
		"$name: old and new values");
	unlike($changes, qr/\Q$plaintext\E/, "$name: no plaintext");
}
is( sql($publisher, 'app',
		q{BEGIN; INSERT INTO patient VALUES (2, 'before', NULL);
SELECT count(*) > 0 FROM pg_logical_slot_peek_changes('by_sql', NULL, NULL);
SELECT name FROM patient WHERE id = 2; COMMIT}),
	"t\nbefore",
	'the same session reads plaintext before and after');

my $end = $publisher->lsn('flush');
my (undef, $out) = $publisher->pg_recvlogical_upto(
	'postgres', 'by_tool', $end,
	$PostgreSQL::Test::Utils::timeout_default,
	'include-xids' => '0');
like($out, qr/INSERT.*fieldcrypt:1:/, 'pg_recvlogical prints ciphertext');
unlike($out, qr/\Q$plaintext\E/, 'and no plaintext');
{
	local $ENV{PGUSER} = 'app';
	(undef, $out) = $publisher->pg_recvlogical_upto(
		'postgres', 'by_tool',
		$publisher->lsn('flush'),
		$PostgreSQL::Test::Utils::timeout_default);
	unlike($out // '', qr/\Q$plaintext\E/, 'nor for a granted role');
}
sql($publisher, undef, q{
SELECT pg_drop_replication_slot('by_sql');
SELECT pg_drop_replication_slot('by_tool');
ALTER TABLE patient REPLICA IDENTITY DEFAULT;
DELETE FROM patient;
});

# --- ciphertext from cluster to cluster -----------------------------------

# The subscriber has the type, and no key, no provider, no grant.
my $subscriber = new_node(
	'subscriber',
	kms => 0,
	set_up => 0,
	init => [ allows_streaming => 'logical' ],
	conf => "max_connections = 30\nmax_logical_replication_workers = 10\n");
sql($subscriber, undef, q{
CREATE EXTENSION fieldcrypt;
CREATE TABLE patient (
	id bigint PRIMARY KEY,
	name encrypted_text('pii'),
	ssn encrypted_text('pii', 'searchable')
);
});
my $connection = $publisher->connstr . ' dbname=postgres';
my $log = log_position($subscriber);

sql($publisher, 'app',
	qq{INSERT INTO patient SELECT g, ('$plaintext ' || g)::text, ('ssn ' || g)::text FROM generate_series(1, 50) g}
);
sql($publisher, undef, 'CREATE PUBLICATION p FOR TABLE patient');
sql($subscriber, undef,
	"CREATE SUBSCRIPTION s CONNECTION '$connection' PUBLICATION p");
$subscriber->wait_for_subscription_sync($publisher, 's');
my $copy = 'COPY (SELECT * FROM patient ORDER BY id) TO STDOUT';
is( sql($subscriber, undef, $copy),
	sql($publisher, undef, $copy),
	'the initial copy is the same ciphertext');

sql($publisher, 'app', qq{
INSERT INTO patient VALUES (51, '$plaintext 51', NULL);
UPDATE patient SET name = '$plaintext again' WHERE id = 1;
UPDATE patient SET id = 100 WHERE id = 2;
DELETE FROM patient WHERE id = 3;
});
sql($publisher, undef, q{CALL fieldcrypt.rotate_key('pii')});
sql($publisher, 'app',
	qq{UPDATE patient SET ssn = 'of version 2' WHERE id = 4});
$publisher->wait_for_catchup('s');
is( sql($subscriber, undef, $copy),
	sql($publisher, undef, $copy),
	'so are streamed changes');

# A long value stays in TOAST and is not sent again by an update beside it.
sql($publisher, 'app',
	qq{INSERT INTO patient VALUES (60, repeat('$plaintext', 2000)::text, 'a')}
);
sql($publisher, 'app', q{UPDATE patient SET ssn = 'b' WHERE id = 60});
$publisher->wait_for_catchup('s');
is( sql($subscriber, undef, $copy),
	sql($publisher, undef, $copy),
	'so are values in TOAST');

# REPLICA IDENTITY FULL finds rows by comparing values, here by their bytes.
SKIP:
{
	# the comparison needs the type's own operators
	skip 'no operator = for encrypted_text',
	  2
	  if sql($publisher, undef,
		q{SELECT count(*) FROM pg_operator WHERE oprname = '=' AND oprleft = 'encrypted_text'::regtype AND oprright = 'encrypted_text'::regtype}
	  ) eq '0';
	sql($_, undef, q{
CREATE TABLE full_identity (name encrypted_text('pii'), n int);
ALTER TABLE full_identity REPLICA IDENTITY FULL;
}) foreach $publisher, $subscriber;
	sql($publisher, undef,
		'GRANT ALL ON full_identity TO app; ALTER PUBLICATION p ADD TABLE full_identity'
	);
	sql($subscriber, undef, 'ALTER SUBSCRIPTION s REFRESH PUBLICATION');
	$subscriber->wait_for_subscription_sync($publisher, 's');
	sql($publisher, 'app', q{
INSERT INTO full_identity VALUES ('one', 1), ('two', 2);
UPDATE full_identity SET n = 3 WHERE n = 1;
DELETE FROM full_identity WHERE n = 2;
});
	$publisher->wait_for_catchup('s');
	is(sql($subscriber, undef, 'SELECT n FROM full_identity'),
		'3', 'REPLICA IDENTITY FULL');
	is( sql($subscriber, undef, 'COPY full_identity TO STDOUT'),
		sql($publisher, undef, 'COPY full_identity TO STDOUT'),
		'the same bytes');
}

# A column of another key is an error that names both, and stores nothing.
sql($publisher, undef, q{
SELECT fieldcrypt.create_key('other');
SELECT fieldcrypt.grant_key('other', 'app', 'decrypt');
CREATE TABLE mismatch (id int PRIMARY KEY, v encrypted_text('other'));
GRANT ALL ON mismatch TO app;
CREATE PUBLICATION p2 FOR TABLE mismatch;
});
sql($publisher, 'app', q{INSERT INTO mismatch VALUES (1, 'x')});
sql($subscriber, undef, qq{
CREATE TABLE mismatch (id int PRIMARY KEY, v encrypted_text('pii'));
CREATE SUBSCRIPTION s2 CONNECTION '$connection' PUBLICATION p2});
wait_until(
	'a column of another key is refused',
	sub {
		log_since($subscriber, $log) =~
		  /ciphertext does not fit the column's type/;
	});
is(sql($subscriber, undef, 'SELECT count(*) FROM mismatch'),
	'0', 'nothing is stored');
sql($subscriber, undef, 'DROP SUBSCRIPTION s2');

is(index(log_since($subscriber, $log), $plaintext),
	-1, "no plaintext in the subscriber's log");
is( join(' ', hits_in_dir($subscriber->data_dir, { planted => $plaintext })),
	'',
	'nor anywhere in its data directory');
sql($subscriber, undef, 'DROP SUBSCRIPTION s');

# The same over the binary protocol.
sql($subscriber, undef, qq{
TRUNCATE patient;
CREATE SUBSCRIPTION s CONNECTION '$connection' PUBLICATION p WITH (binary = true)}
);
$subscriber->wait_for_subscription_sync($publisher, 's');
sql($publisher, 'app',
	qq{INSERT INTO patient VALUES (70, '$plaintext 70', 'binary')});
$publisher->wait_for_catchup('s');
is( sql($subscriber, undef, $copy),
	sql($publisher, undef, $copy),
	'a binary subscription brings the same ciphertext');
sql($subscriber, undef, 'DROP SUBSCRIPTION s');

# --- a publication of all tables ------------------------------------------

# It takes the key tables along: the subscriber has the keyring then, and
# what happens to keys on the publisher must not stop the subscription.
sql($subscriber, undef, 'CREATE DATABASE everything');
sql($subscriber, undef, q{
CREATE EXTENSION fieldcrypt;
CREATE ROLE app LOGIN;
CREATE TABLE patient (
	id bigint PRIMARY KEY,
	name encrypted_text('pii'),
	ssn encrypted_text('pii', 'searchable')
);
CREATE TABLE mismatch (id int PRIMARY KEY, v encrypted_text('other'));
GRANT SELECT ON patient TO app;
}, dbname => 'everything');
sql($publisher, undef,
	'CREATE PUBLICATION everything FOR ALL TABLES; DELETE FROM patient');
sql($publisher, undef, 'DROP TABLE IF EXISTS full_identity');
sql($subscriber,
	undef,
	"CREATE SUBSCRIPTION everything CONNECTION '$connection' PUBLICATION everything",
	dbname => 'everything');
$subscriber->wait_for_subscription_sync($publisher, 'everything',
	'everything');
sql($publisher, undef, q{
CALL fieldcrypt.rotate_key('pii');
SELECT fieldcrypt.grant_key('other', 'postgres', 'encrypt');
SELECT fieldcrypt.revoke_key('other', 'postgres', 'encrypt');
SELECT fieldcrypt.lock_key('other');
});
sql($publisher, 'app',
	qq{INSERT INTO patient VALUES (1, '$plaintext last', NULL)});
$publisher->wait_for_catchup('everything');
is( sql($subscriber, undef,
		'SELECT count(*) FROM patient', dbname => 'everything'),
	'1',
	'changes of keys do not stop the subscription');
is( sql($subscriber,
		undef,
		q{SELECT string_agg(DISTINCT key || version || state, ' ' ORDER BY key || version || state) FROM fieldcrypt.key_status WHERE purpose = 'wrap'},
		dbname => 'everything'),
	sql($publisher,
		undef,
		q{SELECT string_agg(DISTINCT key || version || state, ' ' ORDER BY key || version || state) FROM fieldcrypt.key_status WHERE purpose = 'wrap'}
	),
	'the keyring is the same on both sides');
is( sql($subscriber,
		undef,
		q{SELECT string_agg(concat_ws(' ', key, grantee, privilege, active), ', ' ORDER BY key, grantee) FROM fieldcrypt.grants},
		dbname => 'everything'),
	'other app decrypt t, pii app decrypt t',
	'so are grants');
sql($subscriber, undef,
	'DROP SUBSCRIPTION everything',
	dbname => 'everything');

# --- a tag that the subscriber's searches do not ask for ------------------

# Its keyring is of before a rotation of the index key.
sql($publisher, undef, q{
SELECT fieldcrypt.unlock_key('other');
SELECT fieldcrypt.grant_key('pii', 'postgres', 'decrypt');
SET client_min_messages = warning;
CALL fieldcrypt.rotate_index_key('pii', exclusive => true);
});
$log = log_position($subscriber);
sql($subscriber, undef,
	"CREATE SUBSCRIPTION s4 CONNECTION '$connection' PUBLICATION p WITH (copy_data = false)",
	dbname => 'everything');
sql($publisher, 'app',
	qq{INSERT INTO patient VALUES (4, '$plaintext tag', 'unknown')});
wait_until(
	'a tag of an unknown version is refused',
	sub {
		log_since($subscriber, $log) =~
		  /ciphertext has a tag that searches do not ask for/;
	});
is( sql($subscriber, undef, 'SELECT count(*) FROM patient WHERE id = 4',
		dbname => 'everything'),
	'0', 'and is not stored');
sql($subscriber, undef, 'DROP SUBSCRIPTION s4', dbname => 'everything');

# --- plaintext from a plain publisher -------------------------------------

# The apply worker runs as the subscription's owner (from PostgreSQL 16 on as
# the table's), and that role needs encrypt on the key.
my $kms = new_kms();
$subscriber->append_conf('postgresql.conf',
	"fieldcrypt.provider_file = '$kms->{provider_file}'\n");
$subscriber->reload;
wait_until('the subscriber gets a provider', sub { worker_pid($subscriber) });
sql($publisher, undef, q{
CREATE TABLE legacy (id int PRIMARY KEY, v text);
INSERT INTO legacy VALUES (1, 'PLAIN one');
CREATE PUBLICATION p3 FOR TABLE legacy;
});
$log = log_position($subscriber);
sql($subscriber, undef, qq{
SELECT fieldcrypt.create_key('own');
CREATE ROLE reader LOGIN;
SELECT fieldcrypt.grant_key('own', 'reader', 'decrypt');
CREATE TABLE legacy (id int PRIMARY KEY, v encrypted_text('own'));
GRANT SELECT ON legacy TO reader;
CREATE SUBSCRIPTION s3 CONNECTION '$connection' PUBLICATION p3});
wait_until(
	'without a grant the initial copy is refused',
	sub { log_since($subscriber, $log) =~ /permission denied for key "own"/ }
);
is(sql($subscriber, undef, 'SELECT count(*) FROM legacy'),
	'0', 'nothing is stored');
sql($subscriber, undef,
	q{SELECT fieldcrypt.grant_key('own', 'postgres', 'encrypt')});
$subscriber->wait_for_subscription_sync($publisher, 's3');
sql($publisher, undef, q{
INSERT INTO legacy VALUES (2, 'PLAIN two');
UPDATE legacy SET v = 'PLAIN one changed' WHERE id = 1;
});
$publisher->wait_for_catchup('s3');
is( sql($subscriber, 'reader', 'SELECT v FROM legacy ORDER BY id'),
	"PLAIN one changed\nPLAIN two",
	'with one, plaintext arrives encrypted');
like(
	sql($subscriber, undef,
		'COPY (SELECT * FROM legacy ORDER BY id) TO STDOUT'),
	qr/^1\tfieldcrypt:1:.*\n2\tfieldcrypt:1:/,
	'all of it');
unlike(log_since($subscriber, $log),
	qr/PLAIN one/, 'and what was refused is not in the log');
sql($subscriber, undef, 'DROP SUBSCRIPTION s3');

$subscriber->stop;
$publisher->stop;
done_testing();
