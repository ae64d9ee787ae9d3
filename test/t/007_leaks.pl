# Where plaintext and keys must not be found: disks, WAL, log, statistics,
# views, memory images.  Every search is first shown to find what it looks for
# where it may be.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use IPC::Run     ();
use MIME::Base64 qw(decode_base64 encode_base64);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $plant = 'PLANTED7';
my %planted = (planted => $plant);

# Everything that prints what statements do is on, fieldcrypt last.
my $contrib =
  -e `pg_config --pkglibdir` =~ s/\s+$//r . '/pg_stat_statements.so';
my $preload =
  $contrib ? 'pg_stat_statements,auto_explain,fieldcrypt' : 'fieldcrypt';
my $node = new_node(
	'main',
	preload => $preload,
	init => [ allows_streaming => 'logical' ],
	conf => q{
shared_buffers = 16MB
max_connections = 20
wal_log_hints = on
log_min_messages = debug1
log_min_error_statement = error
log_error_verbosity = verbose
log_parameter_max_length_on_error = -1
track_activity_query_size = 32kB
autovacuum = off
} . (   $contrib
		? q{
auto_explain.log_verbose = on
auto_explain.log_analyze = on
pg_stat_statements.track = all
}
		: ''));

sql($node, undef, q{
CREATE TABLE leak (
	id int PRIMARY KEY,
	must encrypted_text('pii') NOT NULL,
	may encrypted_text('pii'),
	searched encrypted_text('pii', 'searchable'),
	small int CHECK (small < 100)
);
ALTER TABLE leak ADD CONSTRAINT short CHECK (length(may::text) < 60) NOT VALID;
CREATE UNIQUE INDEX leak_searched ON leak (fieldcrypt.blind_index(searched));
CREATE INDEX leak_may ON leak (fieldcrypt.blind_index(may));
CREATE TABLE parted (id int, v encrypted_text('pii')) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (1000000);
CREATE VIEW checked AS SELECT * FROM leak WHERE small > 10 WITH CHECK OPTION;
CREATE TABLE audit (row jsonb, as_text text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit VALUES (to_jsonb(NEW), format('%s', NEW));
	RETURN NEW;
END
$$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON leak
	FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TABLE plain (t text, v varchar, c char(20), n name);
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
SELECT pg_create_logical_replication_slot('s', 'test_decoding');
});
sql($node, undef, 'CREATE EXTENSION pg_stat_statements') if $contrib;

# The same value with its last byte changed: its key opens, its tag does not.
sub alter_last_byte
{
	my ($armour) = @_;
	my $bytes = decode_base64($armour =~ s/^fieldcrypt:1://r);

	substr($bytes, -1) ^= "\x01";
	return 'fieldcrypt:1:' . encode_base64($bytes, '');
}

# pgbench with a parameter per variable: values are in no statement's text.
sub with_parameters
{
	my ($mode, $script, %variables) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir('bench') . '/script.sql';
	my ($out, $err) = ('', '');

	append_to_file($file, $script);
	IPC::Run::run(
		[
			'pgbench', '-n', '-U', 'app', '-h', $node->host,
			'-p', $node->port, '-M', $mode, '-t', 1,
			(map { ('-D', "$_=$variables{$_}") } sort keys %variables),
			'-f', $file, 'postgres'
		],
		'<',
		\undef,
		'>',
		\$out,
		'2>',
		\$err);
	print $err;
	return $err;
}

# --- values that arrive ---------------------------------------------------

my $insert =
  "INSERT INTO leak (id, must, may, searched) VALUES (:id, :must, :may, :searched);\n";
my $position = log_position($node);
foreach my $mode (qw(extended prepared))
{
	my $id = $mode eq 'extended' ? 1 : 2;

	with_parameters(
		$mode, $insert,
		id => $id,
		must => "$plant-$mode",
		may => $plant,
		searched => "$plant-$id");
	is(sql($node, 'app', "SELECT must FROM leak WHERE id = $id"),
		"$plant-$mode", "parameters are stored ($mode)");
}

# COPY's data is no statement either; the second row goes to TOAST.
sql($node, 'app',
		"COPY leak (id, must) FROM STDIN;\n3\t$plant-copy\n4\t"
	  . ("$plant-toast " x 3000)
	  . "\n\\.\n");
is( sql($node, 'app', 'SELECT length(must::text) FROM leak WHERE id = 4'),
	3000 * length("$plant-toast "),
	'so is what COPY brought');

# Many rows, updated, so that pages split, are pruned and vacuumed; made by
# the server from a parameter.
with_parameters(
	'extended',
	"INSERT INTO leak (id, must, searched) SELECT g, CAST(:v AS text) || g, CAST(:v AS text) || g FROM generate_series(10, 3000) g;\n"
	  . "UPDATE leak SET may = CAST(:v AS text) || id WHERE id % 3 = 0;\n"
	  . "UPDATE leak SET may = CAST(:v AS text) || 'again' WHERE id % 7 = 0;\n"
	  . "DELETE FROM leak WHERE id % 11 = 0 AND id > 10;\n",
	v => $plant);
is( sql($node,
		'app',
		qq{SELECT count(*) > 2000 AND bool_and(must::text LIKE '$plant%') FROM leak}
	),
	't',
	'and what the server made of a parameter');

# What is unlike the values of a column of text: the statistics.
sql($node, undef,
	'VACUUM ANALYZE; REINDEX TABLE leak; CLUSTER leak USING leak_pkey; CHECKPOINT'
);
is( sql($node, undef,
		q{SELECT count(*) FROM pg_stats WHERE tablename = 'leak' AND attname IN ('must', 'may', 'searched')
	AND (most_common_vals IS NOT NULL OR histogram_bounds IS NOT NULL)}),
	'0',
	'ANALYZE keeps no values');
is( sql($node,
		undef,
		q{SELECT count(*) FROM pg_stats WHERE tablename = 'leak' AND attname IN ('must', 'may', 'searched') AND null_frac < 1}
	),
	'3',
	'but knows the columns');

# A sort on disk, by another column.  Of temporary files nothing stays, so
# look while it runs: a cursor keeps them.
my $session =
  $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
$session->query_safe(q{SET work_mem = '64kB'});
$session->query_safe('BEGIN');
$session->query_safe(
	'DECLARE c CURSOR FOR SELECT * FROM leak a JOIN (SELECT id FROM leak) b USING (id) ORDER BY a.id % 17'
);
$session->query_safe('FETCH 10 FROM c');
my @temporary = glob($node->data_dir . '/base/pgsql_tmp/*');
cmp_ok(scalar @temporary, '>', 0, 'a sort is on disk');
is(join(' ', hits_in_dir($node->data_dir . '/base/pgsql_tmp', \%planted)),
	'', 'with no plaintext in it');
$session->query_safe('COMMIT');
$session->quit;

is( sql($node, 'app',
		q{SELECT count(*) FILTER (WHERE row::text LIKE '%fieldcrypt:1:%'), count(*) FILTER (WHERE as_text LIKE '%fieldcrypt:1:%') FROM audit}
	  ) =~ /^(\d+)\|\1$/
	  && $1 > 0,
	1,
	'an audit trigger writes ciphertext');

# Decoding by SQL: the old WAL, again as text.
unlike(
	sql($node, undef,
		q{SELECT data FROM pg_logical_slot_peek_changes('s', NULL, NULL)}),
	qr/$plant/,
	'decoding prints no plaintext');

# --- statements that fail -------------------------------------------------

# As the granted role: its own client may see what it sent, the log may not.
sub fails_silently
{
	my ($test, $sqlstate, $sql) = @_;
	my $start = log_position($node);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $report = sql_fails($node, 'app', $sql, $sqlstate, qr/ERROR/, $test);
	my $log = log_since($node, $start);

	like($log, qr/ERROR:  $sqlstate/, "$test: is in the log");
	unlike($log, qr/$plant/, "$test: without the plaintext");
	return $report;
}

fails_silently('NOT NULL', '23502',
	"INSERT INTO leak (id, may) VALUES (50000, '$plant')");
fails_silently('CHECK on another column',
	'23514',
	"INSERT INTO leak (id, must, small) VALUES (50000, '$plant', 100)");
fails_silently(
	'CHECK on the column',
	'23514',
	"INSERT INTO leak (id, must, may) VALUES (50000, 'x', repeat('$plant', 10)::text)"
);
fails_silently('CHECK at UPDATE',
	'23514', "UPDATE leak SET small = 100, may = '$plant' WHERE id = 1");
fails_silently('primary key', '23505',
	"INSERT INTO leak (id, must) VALUES (1, '$plant')");
fails_silently('unique blind index',
	'23505',
	"INSERT INTO leak (id, must, searched) VALUES (50000, 'x', '$plant-1')");
fails_silently('no partition', '23514',
	"INSERT INTO parted VALUES (-1, '$plant')");
fails_silently('partition constraint',
	'23514', "INSERT INTO parted_1 VALUES (-1, '$plant')");
fails_silently('view with check option',
	'44000',
	"INSERT INTO checked (id, must, small) VALUES (50000, '$plant', 1)");
fails_silently('COPY, NOT NULL',
	'23502',
	"COPY leak (id, must, may) FROM STDIN;\n50000\t\\N\t$plant\n\\.\n");
fails_silently('COPY, CHECK', '23514',
	"COPY leak (id, must, small) FROM STDIN;\n50000\t$plant\t100\n\\.\n");
fails_silently('COPY, primary key',
	'23505', "COPY leak (id, must) FROM STDIN;\n1\t$plant\n\\.\n");
fails_silently('COPY, another column',
	'22P02',
	"COPY leak (id, must, small) FROM STDIN;\n50000\t$plant\tx\n\\.\n");
fails_silently('COPY, a column too many',
	'22P04', "COPY leak (id, must) FROM STDIN;\n50000\t$plant\t1\t1\n\\.\n");
fails_silently('COPY, a column missing',
	'22P04', "COPY leak (id, must, may) FROM STDIN;\n50000\t$plant\n\\.\n");
fails_silently('COPY, malformed ciphertext',
	'22P03',
	"COPY leak (id, must) FROM STDIN;\n50000\tfieldcrypt:1:$plant\n\\.\n");
fails_silently(
	'division by zero beside a value',
	'22012',
	"INSERT INTO leak (id, must) VALUES (1/(length('$plant'::text) - 8), '$plant')"
);
fails_silently('cast of an opened value',
	'22P02', 'SELECT must::text::int FROM leak WHERE id = 1');
fails_silently('cast of an opened value in DML',
	'22P02', 'UPDATE leak SET small = must::text::int WHERE id = 1');
fails_silently('date of an opened value',
	'22007', 'SELECT must::text::date FROM leak WHERE id = 1');
fails_silently('json of an opened value',
	'22P02', 'SELECT must::text::jsonb FROM leak WHERE id = 1');
fails_silently(
	'plain column too short',
	'22001',
	"INSERT INTO plain (c) SELECT must::text || repeat('x', 30) FROM leak WHERE id = 1"
);
fails_silently('assignment to text',
	'42804', 'INSERT INTO plain (t) SELECT must FROM leak');
fails_silently('assignment to varchar',
	'42804', 'INSERT INTO plain (v) SELECT must FROM leak');
fails_silently('assignment to name',
	'42804', 'INSERT INTO plain (n) SELECT must FROM leak');
fails_silently(
	'error in a function',
	'P0001',
	qq{DO \$\$ DECLARE r record; BEGIN INSERT INTO leak (id, must) VALUES (50000, '$plant') RETURNING * INTO r; RAISE EXCEPTION 'failed'; END \$\$}
);

fails_silently(
	'dynamic SQL in a function',
	'23502',
	qq{DO \$\$ BEGIN EXECUTE format('INSERT INTO leak (id, may) VALUES (50000, %L)', '$plant'); END \$\$}
);
fails_silently(
	'syntax error in dynamic SQL after a value',
	'42601',
	qq{DO \$\$ DECLARE v text; BEGIN SELECT must::text INTO v FROM leak WHERE id = 1; EXECUTE 'SELEC ' || quote_literal(v); END \$\$}
);
fails_silently(
	'statement timeout',
	'57014',
	"SET statement_timeout = '200ms'; INSERT INTO leak (id, must) SELECT 50000, '$plant' FROM pg_sleep(5)"
);
fails_silently(
	'text too long for an index', '54000', qq{
CREATE TEMP TABLE t (v text); CREATE INDEX ON t (v);
INSERT INTO t SELECT string_agg(must::text || md5(g::text), '') FROM leak, generate_series(1, 3000) g WHERE id = 1}
);
fails_silently(
	'a statement after another in one string',
	'23502',
	"INSERT INTO leak (id, must) VALUES (50001, '$plant') \\; INSERT INTO leak (id, may) VALUES (50000, '$plant')"
);
fails_silently(
	'at commit', '23503', qq{
CREATE TABLE IF NOT EXISTS child (id int REFERENCES leak DEFERRABLE INITIALLY DEFERRED, v encrypted_text('pii'));
BEGIN; INSERT INTO child VALUES (60000, '$plant') \\; COMMIT});

# A statement that waits for a lock is logged while it runs.
sql($node, undef,
	q{ALTER ROLE app SET log_lock_waits = on; ALTER ROLE app SET deadlock_timeout = '100ms'}
);

sub in_lock
{
	my ($mine, $theirs, $role) = @_;
	my $one = $node->background_psql(
		'postgres',
		on_error_stop => 0,
		extra_params => [ '-U', 'app' ]);
	my $two = $node->background_psql(
		'postgres',
		on_error_stop => 0,
		extra_params => [ '-U', $role // 'app' ]);

	$one->query("BEGIN; $mine->[0]");
	$two->query("BEGIN; $theirs->[0]");
	$one->{stdin} .= "$mine->[1];\n";
	$one->{run}->pump_nb;
	wait_until(
		'a session waits for a lock',
		sub {
			$one->{run}->pump_nb;
			sql($node, undef,
				'SELECT count(*) FROM pg_locks WHERE NOT granted') eq '1';
		});
	my ($error) = $theirs->[1] ? $two->query($theirs->[1]) : '';
	usleep(300_000);    # twice deadlock_timeout: the waiter has been logged
	$two->query('ROLLBACK');
	$one->{run}->pump_nb;
	$one->quit;
	$two->quit;
	return;
}
my $update = "UPDATE leak SET may = '$plant'";
$position = log_position($node);
in_lock(
	[ 'SELECT 1', "$update WHERE id = 1" ],
	[ 'UPDATE leak SET small = 1 WHERE id = 1', '' ]);
like(
	log_since($node, $position),
	qr/still waiting for/,
	'a waiting statement is logged');
unlike(log_since($node, $position), qr/$plant/, 'without its text');

# A deadlock is logged with the statements of all who are in it.
$position = log_position($node);
in_lock(
	[ "$update WHERE id = 1", "$update WHERE id = 2" ],
	[ "$update WHERE id = 2", "$update WHERE id = 1" ]);
like(
	log_since($node, $position),
	qr/deadlock detected/,
	'a deadlock is logged');
unlike(log_since($node, $position), qr/$plant/, 'without the statements');

# Also where the one who logs it has nothing to do with encrypted values.
$position = log_position($node);
sql($node, undef,
	'CREATE TABLE locked (id int); CREATE TABLE counter AS SELECT 1 AS n; GRANT ALL ON locked, counter TO app, nobody_here'
);
sql($node, undef,
	q{ALTER ROLE app SET deadlock_timeout = '10s'; ALTER ROLE nobody_here SET deadlock_timeout = '100ms'}
);
in_lock(
	[
		'UPDATE counter SET n = 2',
		"WITH l AS (SELECT count(*) AS n FROM locked) INSERT INTO leak (id, must) SELECT 51000 + n, '$plant' FROM l"
	],
	[
		'LOCK TABLE locked IN ACCESS EXCLUSIVE MODE',
		'UPDATE counter SET n = 3'
	],
	'nobody_here');
like(
	log_since($node, $position),
	qr/deadlock detected/,
	'a deadlock found by somebody else is logged');
unlike(log_since($node, $position),
	qr/$plant/, "without the statements of those who hold encrypted values");
sql($node, undef,
	q{ALTER ROLE app RESET log_lock_waits; ALTER ROLE app RESET deadlock_timeout}
);

# Parameters of a statement that succeeds, which the server is told to log.
sql($node, undef,
	q{ALTER ROLE app SET log_statement = 'all'; ALTER ROLE app SET log_duration = on; ALTER ROLE app SET log_min_duration_statement = 0}
);
foreach my $mode (qw(extended prepared))
{
	my $start = log_position($node);
	with_parameters(
		$mode, "DELETE FROM leak WHERE id = :id;\n$insert",
		id => 52000,
		must => $plant,
		may => $plant,
		searched => "$plant-52000");
	my $log = log_since($node, $start);
	like(
		$log,
		qr/(execute|duration).*INSERT INTO leak/,
		"$mode: statements are logged");
	unlike($log, qr/$plant/,
		"$mode: without the parameters of encrypted columns");
}
sql($node, undef,
	q{ALTER ROLE app RESET log_statement; ALTER ROLE app RESET log_duration; ALTER ROLE app RESET log_min_duration_statement}
);

# Parameters of a statement that fails, which the server is told to log.
foreach my $mode (qw(extended prepared))
{
	my $start = log_position($node);
	my $said = with_parameters(
		$mode, $insert,
		id => 1,
		must => "$plant",
		may => $plant,
		searched => $plant);
	like($said, qr/duplicate key/,
		"$mode: a statement with parameters fails");
	my $log = log_since($node, $start);
	like($log, qr/ERROR:  23505/, "$mode: it is in the log");
	unlike($log, qr/$plant/, "$mode: without its parameters");
}

# The statement's text is hidden only where values were touched.
$position = log_position($node);
sql_fails($node, 'app', 'SELECT 1/0 AS still_logged',
	'22012', qr/division/, 'any other statement');
like(log_since($node, $position), qr/still_logged/, 'is logged as ever');

# Who wants the old log back may have it.
$position = log_position($node);
sql_fails($node, 'app', q{SET fieldcrypt.redact_logs = off},
	'42501', qr/redact_logs/, 'not everybody may turn redaction off');
sql($node, undef, q{ALTER ROLE app SET fieldcrypt.redact_logs = off});
sql_fails($node, 'app', q{INSERT INTO leak (id, may) VALUES (50000, 'SHOWN')},
	'23502', qr/null value/, 'without redaction');
like(log_since($node, $position),
	qr/SHOWN/, 'the log shows what it always showed');
sql($node, undef, q{ALTER ROLE app RESET fieldcrypt.redact_logs});

# --- plans, statements, activity ------------------------------------------

SKIP:
{
	skip 'no pg_stat_statements and auto_explain', 68 unless $contrib;

	# only here, since it prints the text of statements as well
	sql($node, undef, 'ALTER ROLE app SET auto_explain.log_min_duration = 0');
	$position = log_position($node);
	sql($node, 'app',
		qq{INSERT INTO leak (id, must) VALUES (70000, 'PLAN-literal')});
	my $log = log_since($node, $position);
	my ($plan) = $log =~ /(Insert on public\.leak.*?)\n\d{4}-/s;
	like($plan // $log,
		qr/'\*\*\*'::encrypted_text/, 'auto_explain prints the plan');
	unlike($plan // $log, qr/PLAN-literal/, 'without the constant');

	$position = log_position($node);
	with_parameters(
		'extended', $insert,
		id => 70001,
		must => $plant,
		may => $plant,
		searched => "$plant-70001");
	$log = log_since($node, $position);
	like(
		$log,
		qr/Insert on public\.leak/,
		'a plan of a statement with parameters');
	unlike($log, qr/$plant/, 'prints none of them');

	# Whatever a value is compared with: as a literal, and as a parameter in a
	# plan that was made for it.
	foreach my $condition (
		'may LIKE :v',
		'may NOT ILIKE :v',
		'may ~ :v',
		'may !~* CAST(:v AS varchar)',
		'may < CAST(:v AS text)',
		'CAST(:v AS text) <> may',
		'may >= :v',
		'may = CAST(:v AS text)',
		'searched = CAST(:v AS varchar)',
		'may IN (:v, CAST(:v AS text))',
		'searched IN (:v, CAST(:v AS text))',
		'may = ANY (CAST(:a AS text[]))',
		'searched = ANY (CAST(:a AS text[]))',
		'may <> ALL (CAST(:a AS varchar[]))',
		'may LIKE ANY (CAST(:a AS text[]))',
		'fieldcrypt.matches(searched, :v)')
	{
		my $query = "SELECT count(*) FROM leak WHERE $condition";
		my $literals = $query =~ s/:v/'PLAN-form'/gr;
		$literals =~ s/:a/'{PLAN-form,b}'/g;

		$position = log_position($node);
		sql($node, 'app', $literals);
		$log = log_since($node, $position);
		($plan) = $log =~ /\n\s*(Aggregate.*?)\n\d{4}-/s;
		like($plan // $log, qr/\*\*\*/, "$condition: auto_explain prints the plan");
		unlike($plan // $log, qr/PLAN-form/, 'without the text');

		$position = log_position($node);
		with_parameters(
			'prepared', "$query;\n",
			v => 'PLAN-form',
			a => '{PLAN-form,b}');
		$log = log_since($node, $position);
		like($log, qr/Aggregate.*\*\*\*/s,
			"$condition: a plan with parameters is printed");
		unlike($log, qr/PLAN-form/, 'without them');
	}
	sql($node, undef, 'ALTER ROLE app RESET auto_explain.log_min_duration');

	unlike(
		sql($node,
			undef,
			q{SELECT query FROM pg_stat_statements WHERE query ~ 'leak' AND query !~* 'copy|do \$\$'}
		),
		qr/PLAN-literal/,
		'pg_stat_statements has no constant');
}

# Activity: a session that has just sent a parameter.
unlike(
	sql($node, undef,
		q{SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid()}),
	qr/$plant/,
	'pg_stat_activity shows no parameters');

# --- all of it at once ----------------------------------------------------

sql($node, undef, 'CHECKPOINT; SELECT pg_switch_wal()');

# The needle can be found: as it stands, and in a table of text.
sql($node, undef,
	q{CREATE TABLE control AS SELECT 'CONTROL-' || 'needle' AS v; CHECKPOINT}
);
my @control = hits_in_dir($node->data_dir, { control => 'CONTROL-needle' });
cmp_ok(scalar(grep { m{/base/} } @control), '>', 0, 'a heap is searched');
cmp_ok(scalar(grep { m{/pg_wal/} } @control), '>', 0, 'the WAL is searched');

# Literals that statements carried may be in statement texts that the server
# keeps (pg_stat_statements writes a file at shutdown); parameters may not,
# and all that was planted in tables came by parameter or by COPY.
my @hits = hits_in_dir($node->data_dir, \%planted);
is(join(' ', @hits), '', 'no plaintext in the data directory');

# --- the keys -------------------------------------------------------------

my @keys = master_keys($node, 'pii');
is(scalar @keys, 2, 'the keys can be worked out from file and tables');
my %secrets;
foreach my $key (@keys)
{
	%secrets = (
		%secrets,
		secret_forms("root secret (purpose $key->{purpose})", $key->{root}),
		secret_forms("master key (purpose $key->{purpose})", $key->{master}));
}
my $kek = slurp_file($node->{kms}->{key_file}) =~ s/\s+$//r;
my %kek = secret_forms('key file', pack('H*', $kek));

is( join(' ', hits_in_file($node->{kms}->{key_file}, \%kek)),
	'key file half 0 hex key file half 1 hex key file hex',
	'the search finds a key where it is');
is(join(' ', hits_in_dir($node->data_dir, { %secrets, %kek })),
	'', 'no key in the data directory');
is(join(' ', hits_in_file($node->logfile, { %secrets, %kek })),
	'', 'nor in the log');

# A backend between statements, after it has read, written and failed.
my $mechanism = sql($node, undef,
	q{SELECT mechanism FROM fieldcrypt.memory_protection WHERE region = 'keys'});
note("memory for keys: $mechanism");
$session =
  $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
my $pid = $session->query('SELECT pg_backend_pid()');
$session->query_safe(
	q{SELECT count(must::text), count(searched::text) FROM leak});
$session->query_safe(
	q{INSERT INTO leak (id, must, searched) VALUES (80000, 'core', 'core'), (80001, 'core', 'other')}
);
$session->query_safe(
	q{UPDATE leak SET searched = 'changed' WHERE id = 80000});
$session->query_safe(q{SET application_name = 'CORE-control'});

# One value opens as far as its key, and is then found to be altered.
my ($wrap) = grep { $_->{purpose} == 1 } @keys;
my ($whole) =
  sql($node, undef, 'COPY (SELECT must FROM leak WHERE id = 2) TO STDOUT');
sql($node, undef,
	'CREATE TABLE altered (v encrypted_text($$pii$$)); GRANT SELECT ON altered TO app'
);
sql($node, undef,
	"COPY altered FROM STDIN;\n" . alter_last_byte($whole) . "\n\\.\n");
$session->query_safe(
	q{SELECT count(must::text) FROM leak WHERE id IN (1, 80001)});
$session->query_safe('SELECT fieldcrypt.try_decrypt(v) FROM altered');
$session->{run}->pump_nb;
my ($failed) =
  (FieldCrypt::psql_as($node, 'app', 'SELECT v FROM altered'))[2];
like($failed, qr/XX001/, 'an altered value does not open');
my %data_keys;

foreach my $id (1, 2, 80000, 80001)
{
	my $armour = sql($node, undef,
		"COPY (SELECT must FROM leak WHERE id = $id) TO STDOUT");
	my $key = data_key($armour, $wrap->{master});

	is(length($key), 32, "the data key of row $id can be worked out");
	%data_keys = (%data_keys, secret_forms("data key of row $id", $key));
}

SKIP:
{
	my $core = core_of($pid, $mechanism eq 'memfd_secret');
	skip 'no core file could be taken (is gdb installed?)', 2 unless $core;
	is(join(' ', hits_in_file($core, { control => 'CORE-control' })),
		'control', 'a core file holds what a backend has in memory');
	is(join(' ', hits_in_file($core, { %secrets, %kek })), '', 'but no key');
	is(join(' ', hits_in_file($core, \%data_keys)),
		'', 'nor a data key of a value that it read or wrote');
	unlink($core);
}

# The worker, after a fetch.
sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
$session->query_safe(q{SELECT count(must::text) FROM leak});
my $worker = worker_pid($node);
SKIP:
{
	my $core = core_of($worker, $mechanism eq 'memfd_secret');
	skip 'the worker gives no core file', 1 unless $core;
	is(join(' ', hits_in_file($core, { %secrets, %kek })),
		'', 'no key in a core file of the worker');
	unlink($core);
}

# A backend that has taken parameters, and the postmaster, in whose core file
# is all of shared memory: buffers, statements of sessions, WAL on its way.
# The server itself copies parameters and results while it works, and what it
# frees holds them until it is used again: so the core file that a crash (or
# gcore without -a) makes leaves the backend's own memory out.
my $parameter_script =
  PostgreSQL::Test::Utils::tempdir('bench') . '/script.sql';
append_to_file($parameter_script,
	$insert
	  . "SELECT must FROM leak WHERE id = :id;\nSELECT pg_backend_pid();\n\\sleep 60 s\n"
);

# Run code with the pid of a session that has sent and read a text, and idles.
sub with_idle_session
{
	my ($id, $code) = @_;
	my ($out, $err) = ('', '');
	my $bench = IPC::Run::start(
		[
			'pgbench', '-n',
			'-U', 'app',
			'-h', $node->host,
			'-p', $node->port,
			'-M', 'extended',
			'-t', 1,
			'-D', "id=$id",
			'-D', 'must=MEMORY-needle',
			'-D', 'may=MEMORY-needle',
			'-D', "searched=MEMORY-needle $id",
			'-f', $parameter_script,
			'postgres'
		],
		'<',
		\undef,
		'>',
		\$out,
		'2>',
		\$err);
	my $idle = wait_until(
		'a session with a parameter idles',
		sub {
			sql($node, undef,
				q{SELECT pid FROM pg_stat_activity WHERE state = 'idle' AND query = 'SELECT pg_backend_pid();'}
			);
		});
	$code->($idle);
	$bench->signal('TERM');
	eval { $bench->finish };
	wait_until(
		'the session is gone',
		sub {
			sql($node, undef,
				"SELECT count(*) FROM pg_stat_activity WHERE pid = $idle") eq
			  '0';
		});
}

SKIP:
{
	my ($whole_core, $usual_core, $shared_core, $full_core);

	with_idle_session(
		90000,
		sub {
			my ($postmaster) = split /\n/,
			  slurp_file($node->data_dir . '/postmaster.pid');
			$usual_core = core_of($_[0]);
			$whole_core = core_of($_[0], $mechanism eq 'memfd_secret');
			$shared_core = core_of($postmaster, $mechanism eq 'memfd_secret');
		});
	skip 'no core file could be taken (is gdb installed?)', 7
	  unless $whole_core && $usual_core && $shared_core;
	sql($node, undef, 'ALTER ROLE app SET fieldcrypt.full_core_files = on');
	with_idle_session(90001, sub { $full_core = core_of($_[0]); });
	sql($node, undef, 'ALTER ROLE app RESET fieldcrypt.full_core_files');

	my %parameter = (parameter => 'MEMORY-needle');
	my %control = (control => 'SELECT pg_backend_pid();');

	is(join(' ', hits_in_file($whole_core, { %secrets, %kek })),
		'',
		'no key in all the memory of a backend that took parameters');
	is(join(' ', hits_in_file($usual_core, \%control)),
		'control', 'its core file holds shared memory');
	is( join(' ', hits_in_file($usual_core, { %secrets, %kek, %parameter })),
		'',
		'but no key, and no text that was sent or read');
	is(join(' ', hits_in_file($full_core, { %secrets, %kek, %parameter })),
		'parameter', 'with full_core_files it holds the text, and no key');
	is(join(' ', hits_in_file($shared_core, \%control)),
		'control', 'a core file of the postmaster holds shared memory');
	is(join(' ', hits_in_file($shared_core, { %secrets, %kek })),
		'', 'but no key');
	is(join(' ', hits_in_file($shared_core, \%parameter)),
		'', 'and no plaintext');
	unlink($whole_core, $usual_core, $shared_core, $full_core);
}

# The region itself, from a process of the same user.
SKIP:
{
	skip "keys are in memory of mechanism $mechanism", 3
	  if $mechanism ne 'memfd_secret';
	my ($line) = grep { /secretmem/ } split /\n/,
	  slurp_file("/proc/$pid/maps");
	ok($line, 'the region is mapped');
	no warnings 'portable';
	my ($from, $to) = map { hex } $line =~ /^([0-9a-f]+)-([0-9a-f]+) /;
	open(my $mem, '<:raw', "/proc/$pid/mem") or skip "/proc/PID/mem: $!", 2;
	sysseek($mem, $from, 0)                  or die "seek: $!";
	my $got = sysread($mem, my $bytes, $to - $from);
	ok(!defined $got, 'and cannot be read through /proc/PID/mem');
	ok($!{EIO} || $!{EFAULT}, "which says: $!");
	close($mem);

	# no descriptor leads to it
	my @open = grep { defined && /secretmem/ }
	  map { readlink($_) } glob("/proc/$pid/fd/*");
	is(scalar @open, 0, 'no descriptor of it is open');
}
is( sql($node,
		undef,
		q{SELECT locked AND dump_excluded FROM fieldcrypt.memory_protection WHERE region = 'keys'}
	),
	't',
	'the region is locked and excluded from dumps') if $mechanism ne 'none';
$session->quit;

# A crash of the whole server leaves nothing either.
my $postmaster_log = log_position($node);
kill_hard(worker_pid($node));
wait_until(
	'the server is back after a crash',
	sub {
		my ($ret, $out) = FieldCrypt::psql_as($node, 'app',
			'SELECT must FROM leak WHERE id = 1');
		return $ret == 0 && $out eq "$plant-extended";
	});
$node->stop;
is(join(' ', hits_in_dir($node->data_dir, { %secrets, %kek })),
	'', 'no key in the data directory of a stopped server');
is(join(' ', hits_in_file($node->logfile, { %secrets, %kek })),
	'', 'nor in its log');

# --- a server that may not lock memory ------------------------------------

my $limited =
  new_node('limited', memlock => 0, conf => "shared_buffers = 16MB\n");
like(
	slurp_file($limited->logfile),
	qr/WARNING:  memory for keys is not fully protected.*RLIMIT_MEMLOCK is 0 kB/,
	'the log names what was refused and the limit');
like(
	slurp_file($limited->logfile),
	qr/HINT:  Raise RLIMIT_MEMLOCK.*fieldcrypt\.cache_slots/,
	'and says what to do');
my $state = sql($limited, undef,
	q{SELECT mechanism, locked, dump_excluded, unreadable_by_other_processes, problem FROM fieldcrypt.memory_protection WHERE region = 'keys'}
);
like($state, qr/^none\|f\|t\|f\|.*RLIMIT_MEMLOCK/, 'the view shows it');
sql($limited, undef, 'ALTER ROLE app SET fieldcrypt.full_core_files = on');
$session =
  $limited->background_psql('postgres', extra_params => [ '-U', 'app' ]);
$pid = $session->query('SELECT pg_backend_pid()');
$session->query_safe(q{INSERT INTO patient VALUES (1, 'x', 'y')});
is($session->query('SELECT name FROM patient'),
	'x', 'keys are at hand all the same');
%secrets = map {
	secret_forms("root secret (purpose $_->{purpose})", $_->{root}),
	  secret_forms("master key (purpose $_->{purpose})", $_->{master})
} master_keys($limited, 'pii');
SKIP:
{
	my $core = core_of($pid);
	skip 'no core file could be taken (is gdb installed?)', 1 unless $core;
	is(join(' ', hits_in_file($core, \%secrets)),
		'', 'an ordinary core file holds no key');
	unlink($core);
}
# What such a server cannot hide is in its memory, where the search finds it;
# so it can be seen that keys are wiped.
sub keys_in_memory
{
	no warnings 'portable';
	my $postmaster =
	  (split /\n/, slurp_file($limited->data_dir . '/postmaster.pid'))[0];
	my %found;

	open(my $mem, '<:raw', "/proc/$postmaster/mem") or return 'unreadable';
	foreach my $map (split /\n/, slurp_file("/proc/$postmaster/maps"))
	{
		my ($from, $to) = map { hex } $map =~ /^([0-9a-f]+)-([0-9a-f]+) rw/
		  or next;

		sysseek($mem, $from, 0)               or next;
		sysread($mem, my $bytes, $to - $from) or next;
		$found{$_} = 1 foreach hits_in_string($bytes, \%secrets);
	}
	close($mem);
	return join(' ', sort keys %found);
}
SKIP:
{
	my $found = keys_in_memory();

	skip '/proc/PID/mem cannot be read', 7 if $found eq 'unreadable';
	like($found, qr/^master key .*raw/, 'a key in use is in memory');
	unlike(
		$found,
		qr/root secret|hex|base64/,
		'in one form, and without what it was derived from');
	sql($limited, undef, q{SELECT fieldcrypt.lock_key('pii')});
	is(keys_in_memory(), '', 'a locked key is wiped');
	sql($limited, undef, q{SELECT fieldcrypt.unlock_key('pii')});
	$session->query_safe('SELECT name FROM patient');
	like(
		keys_in_memory(),
		qr/^master key .*raw/,
		'an unlocked one comes back with its use');
	sql($limited, undef, q{SELECT fieldcrypt.purge_cache()});
	is(keys_in_memory(), '', 'a purged key is wiped');
	$session->query_safe('SELECT name FROM patient');

	# Nothing must bring it back by itself: the key file is away.
	rename($limited->{kms}->{key_file}, "$limited->{kms}->{key_file}.away")
	  or die $!;
	kill_hard($pid);
	eval { $session->quit };
	wait_until('the server is back after a crash',
		sub { (FieldCrypt::psql_as($limited, 'app', 'SELECT 1'))[0] == 0 });
	is(keys_in_memory(), '', 'a crash wipes all keys');
}
eval { $session->quit };
$limited->stop;

# --- the log in its other formats -----------------------------------------

my $collected = new_node(
	'collected',
	conf => q{
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog'
log_directory = 'log'
});
sql($collected, undef,
	q{ALTER TABLE patient ADD small int CHECK (small < 100)});
foreach my $statement (
	"INSERT INTO patient VALUES (1, '$plant', '$plant', 100)",
	"COPY patient FROM STDIN;\n1\t$plant\t$plant\t100\n\\.\n",
	"DO \$\$ BEGIN EXECUTE format('INSERT INTO patient VALUES (1, %L, NULL, 100)', '$plant'); END \$\$"
  )
{
	sql_fails(
		$collected, 'app', $statement, '23514',
		qr/violates check constraint/,
		'a statement fails');
}
$collected->stop;
foreach my $format (qw(log csv json))
{
	my @files = glob($collected->data_dir . "/log/*.$format");

	is(scalar(@files), 1, "$format: there is a log");
	like(
		slurp_file($files[0]),
		qr/violates check constraint/,
		"$format: it has the errors");
	is(join(' ', hits_in_file($files[0], \%planted)),
		'', "$format: without the values");
}

done_testing();
