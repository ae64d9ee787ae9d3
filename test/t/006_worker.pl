# The worker, its key file and the cache: what goes wrong is said with the
# right SQLSTATE, what comes right heals by itself, and the KMS is asked once
# for a key and not once for a value.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = new_node('main', conf => "autovacuum_naptime = '1s'\n");
my $kms = $node->{kms};
my $good_file = slurp_file($kms->{provider_file});
my $good_key = slurp_file($kms->{key_file});
chomp($good_key);

my $read = 'SELECT name FROM patient WHERE id = 1';
sql($node, 'app',
	q{INSERT INTO patient SELECT g, 'name ' || g, 'ssn ' || g FROM generate_series(1, 1000) g}
);

sub reads
{
	my ($ret, $out) = FieldCrypt::psql_as($node, 'app', $read);
	return $ret == 0 && $out eq 'name 1';
}

sub provider
{
	my ($column) = @_;
	return sql($node, undef,
		"SELECT $column FROM fieldcrypt.providers WHERE provider = 'local'");
}

sub heals
{
	my ($test) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until("$test: heals by itself", \&reads);
}

# --- key files that cannot be used ----------------------------------------

# Each is noticed at the next call, not only when the configuration is read:
# the file can be put right, or be spoilt, at any time.
sub bad_key_file
{
	my ($what, $message, $spoil) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$spoil->();
	sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
	my $start = time();
	sql_fails(
		$node,
		'app',
		$read,
		'58000',
		qr/key "pii" is not at hand.*Provider "local", class: configuration, since .*, next retry .*$message.*check_provider/s,
		$what);
	cmp_ok(time() - $start, '<', 7, "$what: within kms_timeout");
	like(provider('last_error'), $message, "$what: the view says the same");
	is(provider('state'), 'misconfigured', "$what: as the provider's state");
	sql_fails($node, undef, q{SELECT fieldcrypt.create_key('new')},
		'58000', $message, "$what: create_key");
	is( sql($node, undef,
			q{SELECT bool_and(ok) FROM fieldcrypt.check_provider('local')}),
		'f',
		"$what: check_provider fails");
	like(
		sql($node,
			undef,
			q{SELECT string_agg(detail, ' ') FROM fieldcrypt.check_provider('local') WHERE NOT ok}
		),
		$message,
		"$what: and says why");
	unlink($kms->{key_file});
	write_key_file($kms->{key_file}, $good_key);
	heals($what);
	return;
}

bad_key_file(
	'missing',
	qr/cannot be opened: No such file/,
	sub { unlink($kms->{key_file}) or die $! });
SKIP:
{
	skip 'root reads everything', 10 if $> == 0;
	bad_key_file(
		'unreadable',
		qr/cannot be opened: Permission denied/,
		sub { chmod(0000, $kms->{key_file}) or die $! });
}
bad_key_file(
	'world-readable',
	qr/accessible to group or others \(mode 0644/,
	sub { chmod(0644, $kms->{key_file}) or die $! });
bad_key_file(
	'group-readable',
	qr/accessible to group or others \(mode 0640/,
	sub { chmod(0640, $kms->{key_file}) or die $! });
bad_key_file('too short', qr/too short/,
	sub { write_key_file($kms->{key_file}, substr($good_key, 2)) });
bad_key_file('too long', qr/too long/,
	sub { write_key_file($kms->{key_file}, "${good_key}00") });
bad_key_file(
	'not hexadecimal',
	qr/something else than hexadecimal digits/,
	sub { write_key_file($kms->{key_file}, 'z' . substr($good_key, 1)) });
bad_key_file(
	'not a regular file',
	qr/not a regular file/,
	sub {
		unlink($kms->{key_file})                             or die $!;
		system('mkfifo', '-m', '600', $kms->{key_file}) == 0 or die 'mkfifo';
	});
bad_key_file(
	'a link into the data directory',
	qr/inside the data directory/,
	sub {
		write_key_file($node->data_dir . '/hidden.key', $good_key);
		unlink($kms->{key_file})                                   or die $!;
		symlink($node->data_dir . '/hidden.key', $kms->{key_file}) or die $!;
	});
unlike(slurp_file($node->logfile),
	qr/\Q$good_key\E/i, 'no word of the key file is in the log');

# A key file inside the data directory is a mistake of the configuration.
write_provider_file($kms,
		"local.type = 'local'\nlocal.file = '"
	  . $node->data_dir
	  . "/hidden.key'\n");
my $inside =
  qr/inside the data directory.*file "\Q$kms->{provider_file}\E", line 2/s;
my $position = log_position($node);
$node->reload;
wait_until('a key file inside the data directory: refused at a reload',
	sub { log_since($node, $position) =~ $inside });
ok(reads(), 'what ran goes on with what it had');
$node->restart;
wait_until('refused at a start',
	sub { provider('state') eq 'misconfigured' });
like(provider('last_error'), $inside, 'its error names file and line');
sql_fails($node, 'app', $read, '58000', $inside, 'and fails statements');
unlink($node->data_dir . '/hidden.key');
write_provider_file($kms, $good_file);
$node->reload;
heals('a key file inside the data directory');
is(provider('state'), 'ready', 'the provider is ready again');

# Another key file is not the one that wrapped: a refusal, not an outage.
rename($kms->{key_file}, "$kms->{key_file}.good") or die $!;
write_key_file($kms->{key_file}, FieldCrypt::random_hex());
sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
sql_fails(
	$node, 'app', $read, '55000',
	qr/key "pii" was refused by its KMS.*wrapped by another key file/s,
	"somebody else's key file");
rename("$kms->{key_file}.good", $kms->{key_file}) or die $!;

# A refused key is asked for again after a minute; a reload does it at once.
$node->reload;
heals("somebody else's key file");

# --- outages --------------------------------------------------------------

# The server starts with its KMS down, and heals.
rename($kms->{key_file}, "$kms->{key_file}.away") or die $!;
$node->restart;
is(sql($node, undef, 'SELECT count(*), count(name) FROM patient'),
	'1000|1000', 'the server starts with the KMS down');
sql_fails($node, 'app', $read, '58000', qr/is not at hand/,
	'and cannot open');
is( sql($node,
		'app',
		q{SELECT count(fieldcrypt.try_decrypt(name)) FROM patient WHERE id < 5}
	),
	'0',
	'try_decrypt() gives NULL');
is(sql($node, undef, 'ANALYZE patient; SELECT 1'),
	'1', 'ANALYZE needs no key');
sql_ok($node, undef, q{CREATE TABLE later (v encrypted_text('pii'))},
	'nor does DDL');
sql_ok($node, undef,
	'CREATE INDEX patient_ssn ON patient (fieldcrypt.blind_index(ssn))',
	'nor an index');
sql_ok($node, undef, "$_ patient", "nor $_")
  foreach 'VACUUM FULL', 'VACUUM (FREEZE, ANALYZE)',
  'REINDEX TABLE CONCURRENTLY', 'CLUSTER patient_pkey ON';
sql_ok(
	$node,
	undef,
	'CREATE TABLE copied AS SELECT * FROM patient; UPDATE copied SET id = id + 10000',
	'nor moving whole values');
wait_until(
	'nor does autovacuum',
	sub {
		sql($node, undef,
			q{SELECT last_autoanalyze IS NOT NULL FROM pg_stat_user_tables WHERE relname = 'copied'}
		) eq 't';
	});
rename("$kms->{key_file}.away", $kms->{key_file}) or die $!;
heals('started with the KMS down');

# A statement that waits can be cancelled.  There is no KMS that hangs here,
# but a worker that is stopped is as good as one.
sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
my $worker = worker_pid($node);
cmp_ok($worker, '>', 0, 'a worker runs');
kill('STOP', $worker);
my $start = time();
sql_fails(
	$node, 'app', "SET statement_timeout = '500ms'; $read",
	'57014',
	qr/statement timeout/,
	'a waiting statement can be cancelled');
cmp_ok(time() - $start, '<', 3, 'at once');
$start = time();
sql_fails($node, 'app', $read, '58000', qr/is not at hand/, 'or times out');
my $took = time() - $start;
cmp_ok($took, '>', 4, 'not before kms_timeout');
cmp_ok($took, '<', 8, 'and not long after it');
sql_fails($node, undef, q{SELECT fieldcrypt.create_key('new')},
	'58000', qr/local/, 'so does create_key');

# A provider that hangs stalls nobody else.
write_key_file("$kms->{dir}/second.key", FieldCrypt::random_hex());
write_provider_file($kms,
	"${good_file}second.type = 'local'\nsecond.file = '$kms->{dir}/second.key'\n"
);
$node->reload;
wait_until('another provider comes up', sub { worker_pid($node, 'second') });
$start = time();
sql_ok(
	$node, undef,
	q{SELECT fieldcrypt.create_key('elsewhere', 'second')},
	'and works while the first one hangs');
cmp_ok(time() - $start, '<', 2, 'at once');
kill('CONT', $worker);
heals('a worker that hung');
write_provider_file($kms, $good_file);

# --- one call for many ----------------------------------------------------

sub calls_during
{
	my ($action) = @_;
	my $before = kms_calls($node);
	$action->();
	return kms_calls($node) - $before;
}

sub refresh_seconds
{
	my ($refresh, $max_age) = @_;

	$node->append_conf('postgresql.conf',
		"fieldcrypt.cache_refresh = '$refresh'\nfieldcrypt.cache_max_age = '$max_age'\n"
	);
	$node->reload;

	# settings reach backends and workers at different times
	wait_until(
		"cache_refresh is $refresh",
		sub { sql($node, undef, 'SHOW fieldcrypt.cache_refresh') eq $refresh }
	);
	return;
}

# After the reloads above, re-authorisation is spread over ten seconds; a
# restart gives a quiet start.
$node->restart;
ok(reads(), 'a key is fetched');
is( calls_during(
		sub {
			sql($node, 'app',
				'SELECT count(name::text), count(ssn::text) FROM patient')
			  foreach 1 .. 5;
			sql($node, 'app', q{UPDATE patient SET name = 'name ' || id});
		}),
	0,
	'no call per value, per statement or per session');

# Thirty sessions miss the same key in the same instant.
my $clients = 30;
sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
my $script = "$kms->{dir}/miss.sql";
append_to_file($script, "SELECT pg_advisory_lock_shared(1);\n$read;\n");
my $gate = $node->background_psql('postgres');
$gate->query_safe('SELECT pg_advisory_lock(1)');
my ($out, $err) = ('', '');
my $before = kms_calls($node);
my $bench = IPC::Run::start(
	[
		'pgbench', '-n', '-U', 'app',
		'-h', $node->host, '-p', $node->port,
		'-c', $clients, '-t', 1,
		'-f', $script, 'postgres'
	],
	'<',
	\undef,
	'>',
	\$out,
	'2>',
	\$err);
wait_until(
	"$clients sessions wait at the gate",
	sub {
		sql($node, undef,
			q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}
		) eq $clients;
	});
$gate->query_safe('SELECT pg_advisory_unlock(1)');
ok($bench->finish, 'all of them are answered') or diag($err);
$gate->quit;
is(kms_calls($node) - $before, 1, 'by one call');
is( sql($node,
		undef,
		q{SELECT sum(kms_calls) FROM fieldcrypt.cache WHERE key = 'pii' AND purpose = 'wrap'}
	),
	'1',
	'the view cache counts the same');

# --- refresh and age ------------------------------------------------------

refresh_seconds('1s', '1d');
my $calls = calls_during(
	sub {
		now_and_then(
			4,
			sub { sql($node, 'app', 'SELECT count(name::text) FROM patient') }
		);
	});

# Two keys may be in the cache (values and index), each refreshed every
# second; a reload adds one more each.
cmp_ok($calls, '>=', 2, 'every refresh asks the KMS again');
cmp_ok($calls, '<=', 16, 'and nothing else does');

# Served while the KMS is away, but no longer than cache_max_age.
refresh_seconds('1s', '3s');
ok(reads(), 'the key is fresh');
rename($kms->{key_file}, "$kms->{key_file}.away") or die $!;
$start = time();
ok(reads(), 'with the KMS away a cached key is served');
wait_until('until it is too old', sub { !reads() }, 15);
cmp_ok(time() - $start, '>', 1.5, 'not much earlier than cache_max_age');
sql_fails(
	$node, 'app', $read, '58000',
	qr/is not at hand.*No such file/s,
	'then it is not');
is( sql($node,
		undef,
		q{SELECT bool_or(state = 'valid') FROM fieldcrypt.cache WHERE key = 'pii' AND purpose = 'wrap'}
	),
	'f',
	'the cache does not hold it');
rename("$kms->{key_file}.away", $kms->{key_file}) or die $!;
heals('a key past its age');

# A session in the middle of its work notices as well.
my $session = $node->background_psql(
	'postgres',
	on_error_stop => 0,
	extra_params => [ '-U', 'app' ]);
is($session->query($read), 'name 1', 'a session reads');
rename($kms->{key_file}, "$kms->{key_file}.away") or die $!;
wait_until(
	'a session that had the key loses it too',
	sub {
		$session->query(
			'SELECT fieldcrypt.try_decrypt(name) IS NULL FROM patient WHERE id = 1'
		) eq 't';
	},
	15);
rename("$kms->{key_file}.away", $kms->{key_file}) or die $!;
wait_until(
	'and gets it back',
	sub {
		$session->query(
			'SELECT fieldcrypt.try_decrypt(name) FROM patient WHERE id = 1')
		  eq 'name 1';
	});
$session->quit;

# cache_max_age = 0: until restart.
refresh_seconds('1s', '0');
ok(reads(), 'the key is fresh');
rename($kms->{key_file}, "$kms->{key_file}.away") or die $!;
now_and_then(4, sub { reads() or die 'not served' });
pass('with cache_max_age = 0 a key is served on and on');
is(provider('state'), 'misconfigured', 'though the provider fails');
is( sql($node,
		undef,
		q{SELECT bool_and(failing_since IS NOT NULL AND next_retry IS NOT NULL AND expires_at IS NULL) FROM fieldcrypt.cache WHERE key = 'pii' AND purpose = 'wrap'}
	),
	't',
	'and the view cache says so');

# --- purge and lock -------------------------------------------------------

is(sql($node, undef, q{SELECT fieldcrypt.purge_cache('pii') > 0}),
	't', 'purge_cache() wipes');
sql_fails(
	$node, 'app', $read, '58000',
	qr/is not at hand/,
	'and so revokes at once');
rename("$kms->{key_file}.away", $kms->{key_file}) or die $!;
heals('a purged key');
refresh_seconds('5min', '1d');

sql($node, undef, q{SELECT fieldcrypt.lock_key('pii')});
sql_fails(
	$node, 'app', $read, '55000',
	qr/cannot be used.*locked.*unlock_key/s,
	'a locked key cannot be read with');
sql_fails($node, 'app', q{INSERT INTO patient VALUES (2000, 'x', NULL)},
	'55000', qr/locked/, 'nor written with');
is( sql($node,
		undef,
		q{SELECT count(*) FROM fieldcrypt.cache WHERE key = 'pii' AND state = 'valid'}
	),
	'0',
	'nor is it in the cache');
sql_ok(
	$node, undef,
	q{SELECT fieldcrypt.unlock_key('pii')},
	'it can be unlocked');
ok(reads(), 'and read with');

# A lock that is rolled back never was.
sql($node, undef, q{BEGIN; SELECT fieldcrypt.lock_key('pii'); ROLLBACK});
ok(reads(), 'a lock that was rolled back does nothing');

sql($node, undef,
	q{BEGIN; SAVEPOINT s; SELECT fieldcrypt.lock_key('pii'); ROLLBACK TO s; COMMIT}
);
ok(reads(), 'nor does one of a savepoint');

# The key tables can be maintained like any other, under running sessions.
$session = $node->background_psql(
	'postgres',
	on_error_stop => 0,
	extra_params => [ '-U', 'app' ]);
is($session->query($read), 'name 1', 'a session reads');
sql($node, undef, "REINDEX TABLE fieldcrypt.$_; VACUUM FULL fieldcrypt.$_")
  foreach qw(keys key_versions key_grants);
is($session->query($read),
	'name 1', 'and goes on when the key tables were rewritten');
$session->quit;

# Whatever happens to cache and versions, nobody who works is disturbed.
{
	my $script = "$kms->{dir}/load.sql";

	append_to_file(
		$script, q{\set id random(10000, 1000000000)
INSERT INTO patient VALUES (:id, 'name ' || :id, 'ssn ' || :id) ON CONFLICT DO NOTHING;
SELECT 1 / (bool_and(name::text = 'name ' || id AND ssn::text = 'ssn ' || id))::int FROM (SELECT * FROM patient ORDER BY id DESC LIMIT 50) p;
});
	my $busy = IPC::Run::start(
		[
			'pgbench', '-n', '-U', 'app',
			'-h', $node->host, '-p', $node->port,
			'-c', 6, '-T', 5,
			'-f', $script, 'postgres'
		],
		'<',
		\undef,
		'>',
		\$out,
		'2>',
		\$err);
	my $rotations = now_and_then(
		4,
		sub {
			sql($node, undef,
				q{SELECT fieldcrypt.purge_cache(); CALL fieldcrypt.rotate_key('pii')}
			);
		});
	ok($busy->finish,
		"no statement fails during $rotations purges and rotations")
	  or diag($err);
	is( sql($node,
			'app',
			q{SELECT count(*) FROM patient WHERE name::text <> 'name ' || id OR ssn::text <> 'ssn ' || id}
		),
		'0',
		'every value opens');
	cmp_ok(
		sql($node,
			undef,
			q{SELECT count(DISTINCT (fieldcrypt.value_info(name)).version) FROM patient}
		),
		'>', 3,
		'values are of many versions');
}

# purge_cache() of one database leaves the keys of others alone.
sql($node, undef, 'CREATE DATABASE beside');
set_up($node, 'beside');
sql($node, 'app',
	q{INSERT INTO patient VALUES (1, 'beside', NULL)},
	dbname => 'beside');
ok(reads(), 'both databases have a key in the cache');
is( calls_during(
		sub {
			sql($node, undef,
				'SELECT fieldcrypt.purge_cache()',
				dbname => 'beside');
			reads() or die;
		}),
	0,
	'purge_cache() is about one database');
isnt(
	sql($node, undef,
		'SELECT encode(key_id, $$hex$$) FROM fieldcrypt.keys',
		dbname => 'beside'),
	sql($node, undef, 'SELECT encode(key_id, $$hex$$) FROM fieldcrypt.keys'),
	'keys of one name in two databases are two keys');

# A key of a database is not served to another, though the rows be copied.
is( sql($node, undef,
		q{SELECT count(DISTINCT key_id) FROM fieldcrypt.cache_slots()}),
	'1',
	'the view shows the keys of this database only');

# The option `databases` is the worker's to enforce.
write_provider_file($kms, "${good_file}local.databases = 'postgres'\n");
$node->reload;
wait_until(
	'another database is refused',
	sub {
		my ($ret, undef, $stderr) = FieldCrypt::psql_as(
			$node, undef,
			q{SELECT fieldcrypt.create_key('more')},
			dbname => 'beside');
		return $ret == 3 && $stderr =~ /beside/;
	});
sql_ok(
	$node, undef,
	q{SELECT fieldcrypt.create_key('more')},
	'the one that is listed is not');

# The option `keys` is too.
write_provider_file($kms, "${good_file}local.keys = 'file'\n");
$node->reload;
wait_until(
	'KMS keys that are not listed are refused',
	sub {
		my ($ret, undef, $stderr) = FieldCrypt::psql_as($node, undef,
			q{SELECT fieldcrypt.create_key('most', kms_key => 'another')});
		return $ret == 3 && $stderr =~ /another/;
	});
write_provider_file($kms, $good_file);

# A cache with too few slots for all keys works, by evicting.  Further down
# sessions wait for a stopped worker: longer than it takes to start them all.
$node->append_conf('postgresql.conf', "fieldcrypt.cache_slots = 16\nfieldcrypt.kms_timeout = '60s'\n");
$node->restart;
sql($node, undef, q{
SELECT count(fieldcrypt.create_key('k' || g)) FROM generate_series(1, 24) g;
SELECT count(fieldcrypt.grant_key('k' || g, 'app', 'decrypt')) FROM generate_series(1, 24) g}
);
is( sql($node,
		'app',
		q{SELECT count(*) FROM generate_series(1, 24) g WHERE fieldcrypt.decrypt(fieldcrypt.encrypt('v' || g, 'k' || g)) = 'v' || g}
	),
	'24',
	'more keys than slots');
is( sql($node,
		'app',
		q{SELECT sum(length(fieldcrypt.decrypt(fieldcrypt.encrypt('v', 'k' || (1 + g % 24))))) FROM generate_series(0, 99) g}
	),
	'100',
	'in turns');

# Whoever waits for a key pins its slot.  Terminated, cancelled or tired of
# waiting, nobody may leave one behind: each round would lock all of them.
sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
$worker = worker_pid($node);
cmp_ok($worker, '>', 0, 'a worker runs');
kill('STOP', $worker);
foreach my $ending ('pg_terminate_backend', 'pg_cancel_backend')
{
	my @waiting;

	foreach my $n (1 .. 16)
	{
		my $statement =
		  $n == 16
		  ? q{SELECT fieldcrypt.create_key('waited_for')}
		  : "SELECT fieldcrypt.encrypt('x', 'k$n')";
		my @role = $n == 16 ? () : ('-U', 'app');

		push @waiting,
		  IPC::Run::start(
			[
				'psql', '-XAtq', '-d', $node->connstr('postgres'),
				@role, '-c', $statement
			],
			'<',
			\undef,
			'>',
			'/dev/null',
			'2>',
			'/dev/null');
	}
	my $waiters =
	  q{FROM pg_stat_activity WHERE state = 'active' AND query ~ 'fieldcrypt.(encrypt|create_key)' AND pid <> pg_backend_pid()};
	wait_until("sixteen sessions wait ($ending)",
		sub { sql($node, undef, "SELECT count(*) $waiters") eq '16' });
	sql($node, undef, "SELECT count($ending(pid)) $waiters");
	wait_until("and are gone ($ending)",
		sub { sql($node, undef, "SELECT count(*) $waiters") eq '0' }, 4);
	foreach my $session (@waiting)
	{
		eval { $session->finish };
	}
}
kill('CONT', $worker);
is( sql($node,
		'app',
		q{SELECT count(*) FROM generate_series(1, 24) g WHERE fieldcrypt.decrypt(fieldcrypt.encrypt('v' || g, 'k' || g)) = 'v' || g}
	),
	'24',
	'no slot is left behind');
sql_ok(
	$node, undef,
	q{SELECT fieldcrypt.create_key('waited_for')},
	'nor a request');

# --- a database that is dropped ----------------------------------------------

# What is not refreshed is not in the cache any more.
sql($node, undef, 'CREATE DATABASE doomed');
set_up($node, 'doomed');
refresh_seconds('1s', '1h');
sql_ok($node, 'app', q{SELECT fieldcrypt.encrypt('v', 'pii')},
	'a key of another database is used', dbname => 'doomed');
sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
$before = kms_calls($node);
wait_until('it is refreshed', sub { kms_calls($node) > $before + 2 });
sql($node, undef, 'DROP DATABASE doomed');
# an answer may have been under way
sleep(1);
is(calls_during(sub { sleep(4) }),
	0, 'once its database is dropped it is not');

$node->stop;
done_testing();
