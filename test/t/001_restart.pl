# Restarts and reloads: values stay readable, the worker goes down and comes
# up with the server, and the provider file is followed or refused as a whole.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('main');
my $kms = $node->{kms};

# Short, empty, NULL, outside ASCII, and large enough for TOAST.
sql($node, 'app', q{
INSERT INTO patient VALUES
	(1, 'Ada Lovelace', '078-05-1120'),
	(2, '', NULL),
	(3, NULL, ''),
	(4, 'Дмитрий 🎹', 'ÅÄÖ');
INSERT INTO patient SELECT 5, repeat(md5('seed'), 3000)::text, '5';
});

my $query =
  q{SELECT id, coalesce(name::text, '(null)'), coalesce(ssn::text, '(null)') FROM patient ORDER BY id};
my $before = sql($node, 'app', $query);
like($before, qr/^1\|Ada Lovelace\|078-05-1120$/m, 'values read back');
like($before, qr/^2\|\|\(null\)$/m, 'an empty string stays one');
like($before, qr/^3\|\(null\)\|$/m, 'NULL stays NULL');
unlike(
	sql($node, undef, 'SELECT * FROM patient WHERE id < 5'),
	qr/Ada Lovelace|078-05-1120/,
	'the superuser sees ciphertext');

foreach my $mode (qw(fast immediate smart))
{
	my $worker = worker_pid($node);

	ok($worker, "a worker runs before a $mode shutdown");
	sql($node, undef, 'CHECKPOINT');

	# A session that idles with a key in use must hold up nothing.
	my $session =
	  $mode eq 'smart'
	  ? undef
	  : $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
	is($session->query('SELECT name FROM patient WHERE id = 1'),
		'Ada Lovelace', 'a session reads')
	  if $session;

	my $start = time();
	$node->stop($mode);
	my $took = time() - $start;

	# A second is the promise; the rest is for a busy machine.
	cmp_ok($took, '<', 2, "$mode shutdown takes no time");
	ok(!kill(0, $worker), 'the worker is gone with its server');
	eval { $session->quit } if $session;

	$node->start;
	is(sql($node, 'app', $query), $before, "values are readable after it");
}

# The file grows, shrinks, breaks.

my $good = slurp_file($kms->{provider_file});
my $list =
  'SELECT provider, type, state FROM fieldcrypt.providers WHERE provider IS NOT NULL ORDER BY provider';

sub reload_until
{
	my ($what, $expected) = @_;

	$node->reload;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($what, sub { sql($node, undef, $list) =~ $expected });
}

# Reload a spoilt file; what is said about it, with file and line, in the log.
sub reload_logs
{
	my ($what, $text, $message) = @_;
	my $position = log_position($node);

	write_provider_file($kms, $text);
	$node->reload;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_until(
		"$what: the log says so, with file and line",
		sub {
			log_since($node, $position) =~
			  /WARNING:.*$message.*file "\Q$kms->{provider_file}\E", line \d/;
		});
	return;
}

is( sql($node, undef, $list),
	'local|local|ready',
	'one provider to begin with');
my $first_worker = worker_pid($node);

write_key_file("$kms->{dir}/second.key", FieldCrypt::random_hex());
my $second =
  "second.type = 'local'\nsecond.file = '$kms->{dir}/second.key'\n";
write_provider_file($kms, $good . $second);
reload_until('a second provider appears',
	qr/^local\|local\|ready\nsecond\|local\|ready$/);
is(worker_pid($node), $first_worker, 'the first worker goes on');
sql_ok(
	$node, undef,
	q{SELECT fieldcrypt.create_key('other', 'second')},
	'it makes keys');

# Which one makes a key must be said, or set.
sql_fails(
	$node,
	undef,
	q{SELECT fieldcrypt.create_key('third')},
	'42704',
	qr/no provider is named.*fieldcrypt\.default_provider/s,
	'with two providers a key needs a name');
$node->append_conf('postgresql.conf',
	"fieldcrypt.default_provider = 'second'\n");
$node->reload;
wait_until(
	'or a default',
	sub {
		(   FieldCrypt::psql_as(
				$node, undef, q{SELECT fieldcrypt.create_key('third')})
		)[0] == 0;
	});
is( sql($node,
		undef,
		q{SELECT DISTINCT provider FROM fieldcrypt.key_status WHERE key = 'third'}
	),
	'second',
	'which makes it');
$node->append_conf('postgresql.conf', "fieldcrypt.default_provider = ''\n");

# An error of syntax leaves everything as it was.
reload_logs(
	'a syntax error',
	$good . "second.type = = 'local'\n",
	'syntax error');
reload_logs('a name without a dot',
	$good . $second . "third = 'x'\n", 'third');
is( sql($node, undef, $list),
	"local|local|ready\nsecond|local|ready",
	'a broken file changes nothing');
like(
	sql($node,
		undef,
		'SELECT last_error FROM fieldcrypt.providers WHERE provider IS NULL'),
	qr/third.*line 5/,
	'but shows in the view');
is(sql($node, 'app', $query), $before, 'values are readable all the while');

# A mistake of one provider: it goes on with what it had, the others are not
# touched.
my %mistakes = (
	'an unknown option' => [ $second =~ s/file/flie/r, 'flie' ],
	'an option set twice' => [ "${second}second.file = '/x'\n", 'twice' ],
	'an unknown type' => [ $second =~ s/'local'/'locale'/r, 'locale' ],
	'a missing type' => [ $second =~ s/^.*\n//r, 'option "type".*missing' ],
	'a missing option' =>
	  [ $second =~ s/\n.*//sr . "\n", 'option "file".*missing' ],
	'a relative path' =>
	  [ $second =~ s/'\/[^']*'/'second.key'/r, 'absolute' ],
	'a time that is none' =>
	  [ "${second}second.timeout = 'soon'\n", 'timeout' ]);
foreach my $what (sort keys %mistakes)
{
	my ($text, $message) = @{ $mistakes{$what} };

	reload_logs($what, $good . $text, $message);
	is( sql($node, undef, $list),
		"local|local|ready\nsecond|local|ready",
		"$what: a running provider goes on");
	is(worker_pid($node), $first_worker, "$what: so do the others");

	# A provider that never ran cannot go on with anything.
	write_provider_file($kms,
		$good . $second . $text =~ s/second\./fresh./gr);
	reload_until("$what: a new provider is misconfigured",
		qr/^fresh\|[^|]*\|misconfigured\nlocal\|local\|ready\n/);
	like(
		sql($node,
			undef,
			q{SELECT last_error FROM fieldcrypt.providers WHERE provider = 'fresh'}
		),
		qr/$message.*file "\Q$kms->{provider_file}\E", line \d/,
		"$what: its error names file and line");
	sql_fails($node, undef, q{SELECT fieldcrypt.create_key('fresh', 'fresh')},
		'58000', qr/$message/, "$what: so does create_key");
	write_provider_file($kms, $good . $second);
	reload_until("$what: put right",
		qr/^local\|local\|ready\nsecond\|local\|ready$/);
}

# Gone: its worker ends, its row goes, the other is not touched.
write_provider_file($kms, $good);
reload_until('a provider goes', qr/^local\|local\|ready$/);
is(worker_pid($node), $first_worker, 'the first worker still goes on');
is(sql($node, 'app', $query), $before, 'values are readable');

# No file at all: no providers; what is cached serves on.
rename($kms->{provider_file}, "$kms->{provider_file}.away") or die $!;
reload_until('without a file there are no providers', qr/^$/);
is(sql($node, 'app', $query), $before, 'cached keys serve on');
sql_fails(
	$node, undef, q{SELECT fieldcrypt.create_key('fourth')},
	'42704',
	qr/no provider is configured/,
	'a key cannot be made without a provider');
rename("$kms->{provider_file}.away", $kms->{provider_file}) or die $!;
reload_until('with the file they are back', qr/^local\|local\|ready$/);
sql_ok(
	$node, undef,
	q{SELECT fieldcrypt.create_key('fourth')},
	'and make keys again');

# What is no file: the launcher must not hang on it, nor must its server.
rename($kms->{provider_file}, "$kms->{provider_file}.away") or die $!;
system('mkfifo', '-m', '600', $kms->{provider_file}) == 0   or die 'mkfifo';
my $position = log_position($node);
$node->reload;
wait_until(
	'a provider file that is a fifo is refused',
	sub {
		log_since($node, $position) =~
		  /WARNING:.*\Q$kms->{provider_file}\E" is not a regular file/;
	});
is(sql($node, undef, $list), 'local|local|ready', 'what runs goes on');
my $start = time();
$node->restart;
cmp_ok(time() - $start, '<', 5, 'and a restart takes no time');
like(
	sql($node,
		undef,
		'SELECT last_error FROM fieldcrypt.providers WHERE provider IS NULL'),
	qr/not a regular file/,
	'the view says so');
unlink($kms->{provider_file})                               or die $!;
rename("$kms->{provider_file}.away", $kms->{provider_file}) or die $!;

# A provider file that lies badly is said to, and used: by default it is
# beside postgresql.conf, where base backups take it along.
$node->append_conf('postgresql.conf', "fieldcrypt.provider_file = ''\n");
rename($kms->{provider_file}, $node->data_dir . '/fieldcrypt_kms.conf')
  or die $!;
chmod(0644, $node->data_dir . '/fieldcrypt_kms.conf') or die $!;
$position = log_position($node);
$node->restart;
is(sql($node, 'app', $query),
	$before, 'the default place of the provider file');
like(
	log_since($node, $position),
	qr/WARNING:  provider file ".*" is inside the data directory/,
	'is inside the data directory, which is warned of');
like(
	log_since($node, $position),
	qr/WARNING:  provider file ".*" can be read or written by everybody/,
	'so is a file that everybody can read');

# A setting that only a restart can change takes effect then.
$node->append_conf('postgresql.conf', "fieldcrypt.cache_slots = 64\n");
$node->restart;
is(sql($node, 'app', $query),
	$before, 'values are readable with a smaller cache');
is(sql($node, undef, 'SHOW fieldcrypt.cache_slots'), '64',
	'which is smaller');

$node->stop;
done_testing();
