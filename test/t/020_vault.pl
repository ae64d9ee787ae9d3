# Provider `vault` against a real OpenBao with TLS: what happens to a database
# when its KMS works, is away, is sealed, refuses, lies or hangs.  What no real
# server does is done by kms_stub.py.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use IPC::Run     ();
use MIME::Base64 qw(decode_base64 encode_base64 encode_base64url);
use OpenBao;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

plan skip_all =>
  'no program bao: test/setup.sh tests fetches OpenBao, or set BAO_BIN'
  if !defined OpenBao::program();
plan skip_all => 'OpenBao is started by curl(1)'
  if system('curl --version >/dev/null 2>&1') != 0;

my $bao = OpenBao->new;
$bao->start;

my $dir = PostgreSQL::Test::Utils::tempdir('kms');
chmod(0700, $dir) or die $!;
my $kms = { dir => $dir, provider_file => "$dir/fieldcrypt_kms.conf" };
my $both =
  q(path "transit/encrypt/fc" {capabilities=["update"]} path "transit/decrypt/fc" {capabilities=["update"]});
my %approle = (
	address => $bao->{address},
	ca_file => "$bao->{dir}/ca.pem",
	auth => 'approle',
	role_id_file => "$dir/role_id",
	secret_id_file => "$dir/secret_id",
	key => 'fc');

# Everything that must not be in the server's log.
my %secrets;

sub credential
{
	my ($name, $text) = @_;
	write_key_file("$dir/$name", $text);
	$secrets{"$name $text"} = $text if $name ne 'role_id';
	return;
}

sub provider_text
{
	my (%options) = @_;
	return "vault.type = 'vault'\n"
	  . join('', map { "vault.$_ = '$options{$_}'\n" } sort keys %options);
}

credential('role_id', $bao->{env}{BAO_ROLE_ID});
credential('secret_id', $bao->{env}{BAO_SECRET_ID});
$secrets{root} = $bao->{env}{BAO_ROOT_TOKEN};
write_provider_file($kms, provider_text(%approle));

my $node = new_node(
	'main',
	kms => $kms,
	conf => "fieldcrypt.cache_refresh = '1s'\nlog_min_messages = debug1\n");
my $read = 'SELECT name FROM patient WHERE id = 1';

sub reads
{
	my ($ret, $out) = FieldCrypt::psql_as($node, 'app', $read);
	return $ret == 0 && $out eq 'Ada';
}

sub provider
{
	my ($column) = @_;
	return sql($node, undef,
		"SELECT $column FROM fieldcrypt.providers WHERE provider = 'vault'");
}

sub steps
{
	return sql($node, undef,
		q{SELECT string_agg(step || '=' || ok, ' ') FROM fieldcrypt.check_provider('vault')}
	);
}

my $all_steps =
  'configuration=true reach=true wrap=true unwrap=true compare=true';

# Take other options over.
sub configure
{
	my (%options) = @_;
	write_provider_file($kms, provider_text(%options));
	$node->reload;
	return;
}

# A first reading with these options fails like this, and within the time.
sub fails_with
{
	my ($what, $sqlstate, $pattern, %options) = @_;
	my $start;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->stop;
	write_provider_file($kms, provider_text(%options));
	$node->start;
	$start = time();
	sql_fails($node, 'app', $read, $sqlstate, $pattern, $what);
	cmp_ok(time() - $start, '<', 7, "$what: within kms_timeout");
	return;
}

sub good_again
{
	my ($what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	configure(%approle);
	wait_until("$what: and works again", \&reads);
	return;
}

my @stubs;

sub stub
{
	my ($mode, $host, $certificate) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my ($out, $err) = ('', '');
	my $stub = IPC::Run::start(
		[
			'python3',
			"$FindBin::RealBin/kms_stub.py",
			$mode,
			$host // '127.0.0.1',
			$port,
			$certificate // "$bao->{dir}/server.pem",
			"$bao->{dir}/server.key"
		],
		'<',
		\undef,
		'>',
		\$out,
		'2>',
		\$err);

	push @stubs, $stub;
	for (1 .. 100)
	{
		$stub->pump_nb;
		last if $out =~ /ready/;
		usleep(50_000);
	}
	die "kms_stub.py: $err" if $out !~ /ready/;
	return 'https://' . ($host // '127.0.0.1') . ":$port";
}

# --- it works ----------------------------------------------------------------

sql($node, 'app',
	q{INSERT INTO patient VALUES (1, 'Ada', '1815'), (2, 'Charles', '1791')});
ok(reads(), 'a key wrapped by OpenBao serves');
is(provider('state'), 'ready', 'the provider is ready');
is(steps(), $all_steps, 'check_provider goes through all steps');

my ($wrapped, $kms_key) = split /\|/,
  sql($node, undef,
	q{SELECT convert_from(wrapped, 'UTF8'), kms_key FROM fieldcrypt.key_versions WHERE purpose = 1}
  );
like(
	$wrapped,
	qr/^vault:v1:[A-Za-z0-9+\/=]+$/,
	'what is stored is the ciphertext of Transit');
is($kms_key, 'fc', 'with the name of its key');

my $key_id =
  sql($node, undef, q{SELECT encode(key_id, 'hex') FROM fieldcrypt.keys});
cmp_ok($bao->requests('auth/approle/login'), '==', 1, 'one login was enough');
ok( !eval {
		$bao->api('POST', 'transit/decrypt/fc',
			qq({"ciphertext":"$wrapped"}));
		1;
	},
	'it does not open without its context');

# The root secret, for the search in the log.
my $context = sql($node, undef,
	qq{SELECT format('fieldcrypt/1 purpose=1 suite=1 key_id=%s version=1', '$key_id')}
);
my $answer = eval {
	$bao->api(
		'POST',
		'transit/decrypt/fc',
		sprintf(
			'{"ciphertext":"%s","associated_data":"%s"}',
			$wrapped, encode_base64($context, '')));
} // '';
ok($answer =~ /"plaintext":"([^"]+)"/, 'but with it')
  or diag("context: $context");
%secrets = (%secrets, secret_forms('root secret', decode_base64($1)))
  if $answer =~ /"plaintext":"([^"]+)"/;

sql_fails(
	$node, undef, q{SELECT fieldcrypt.create_key('x', kms_key => 'other')},
	'55000',
	qr/option "keys"/,
	'a KMS key that is not listed');

# --- a lease ends ------------------------------------------------------------

$bao->api('POST', 'auth/approle/role/fc',
	q({"token_policies":"fc","token_ttl":"4s","token_max_ttl":"9s"}));
my $position = $bao->audit_position;
configure(%approle);
now_and_then(14, sub { reads() or die 'not served' });
cmp_ok($bao->requests('auth/token/renew-self', $position),
	'>=', 2, 'tokens are renewed');
cmp_ok($bao->requests('auth/approle/login', $position),
	'>=', 2, 'and replaced when they cannot be');
cmp_ok($bao->requests('auth/approle/login', $position),
	'<=', 4, 'but only then');
is( provider(
		q{auth_state || ' ' || (auth_expires BETWEEN now() AND now() + interval '5 s')}
	),
	'logged in true',
	'the view shows the session');
is( provider('latency_p50_ms > 0 AND latency_p99_ms >= latency_p50_ms'),
	't', 'and how long calls take');
$bao->api('POST', 'auth/approle/role/fc',
	q({"token_policies":"fc","token_ttl":"60s","token_max_ttl":"10m"}));
configure(%approle);

# --- away --------------------------------------------------------------------

$node->restart;
ok(reads(), 'a restarted server asks again');
$bao->stop('-9');
wait_until('OpenBao is killed: an outage',
	sub { provider('state') eq 'outage' });
like(
	provider('last_error'),
	qr/could not connect: Connection refused/,
	'the view says why');
now_and_then(3, sub { reads() or die 'not served' });
pass('reads go on');
sql_ok($node, 'app', q{INSERT INTO patient VALUES (3, 'Grace', NULL)},
	'and writes');

$node->restart;
pass('a server starts without its KMS');
my $start = time();
sql_fails(
	$node, 'app', $read, '58000',
	qr/key "pii" is not at hand.*Provider "vault".*Connection refused/s,
	'but has no key');
cmp_ok(time() - $start, '<', 7, 'which it says within kms_timeout');
sql_ok($node, undef, 'SELECT count(*) FROM pg_class',
	'everything else works');
$bao->start;
wait_until('OpenBao is back: it works by itself', \&reads);

# --- sealed ------------------------------------------------------------------

$bao->api('PUT', 'sys/seal');
wait_until('a sealed OpenBao is an outage',
	sub { provider('last_error') =~ /503: Vault is sealed/ });
is(provider('state'), 'outage', 'as its state says');
ok(reads(), 'that the cache survives');
$bao->unseal;
wait_until('unsealed', sub { provider('state') eq 'ready' });

# --- one call for many -------------------------------------------------------

sql($node, undef, "ALTER SYSTEM SET fieldcrypt.cache_refresh = '1h'");
$node->restart;
$position = $bao->audit_position;
my @sessions = map {
	my $out = '';
	[
		IPC::Run::start(
			[
				'psql', '-XAtq', '-d', $node->connstr('postgres'),
				'-U', 'app', '-c', $read
			],
			'<',
			\undef,
			'>',
			\$out,
			'2>',
			\my $err),
		\$out
	];
} 1 .. 30;
$_->[0]->finish foreach @sessions;
is(scalar(grep { ${ $_->[1] } eq "Ada\n" } @sessions),
	30, '30 sessions that miss one key');
is($bao->requests('transit/decrypt/fc', $position),
	1, 'make one decrypt call');
is($bao->requests('auth/approle/login', $position), 1, 'and one login');

# --- refusals ----------------------------------------------------------------

credential('wrong', '12345678-9abc-def0-1234-56789abcdef0');
$position = $bao->audit_position;
fails_with(
	'a wrong secret id',
	'55000', qr/refused by its KMS.*\(login\): invalid role or secret ID/s,
	%approle, secret_id_file => "$dir/wrong");
is(provider('state'), 'denied', 'the provider was denied');
now_and_then(
	5,
	sub {
		sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
		reads() and die 'reads with a wrong secret id';
	});
cmp_ok($bao->requests('auth/approle/login', $position),
	'<=', 2, 'a wrong secret id is not tried again and again');
my $bad = steps();
like(
	$bad,
	qr/^configuration=true reach=false$/,
	'check_provider shows which step failed');
write_key_file("$dir/wrong", $bao->{env}{BAO_SECRET_ID});
is(steps(), $all_steps, 'a corrected file is tried at once');
$node->reload;
wait_until('and keys come back after a reload', \&reads);
good_again('the right file');

# The policy is withdrawn under a server at work: confirmed, then wiped.
sql($node, undef, "ALTER SYSTEM SET fieldcrypt.cache_refresh = '1s'");
$node->reload;
$position = $bao->audit_position;
$bao->policy(q(path "transit/encrypt/fc" {capabilities=["update"]}));
$start = time();
wait_until('a policy is withdrawn: denied',
	sub { provider('state') eq 'denied' });
ok(reads(), 'the key is served until that is confirmed');
my $log_position = log_position($node);
wait_until('then it is wiped', sub { !reads() }, 60);
cmp_ok(time() - $start, '>', 28, 'no earlier than half a minute');
cmp_ok(time() - $start, '<', 45, 'nor much later');
sql_fails(
	$node,
	'app',
	$read,
	'55000',
	qr/refused by its KMS.*\(policy, mount, path or namespace\): 1 error occurred: \* permission denied/s,
	'and every statement fails closed');
cmp_ok($bao->requests('auth/approle/login', $position),
	'>=', 2, 'after fresh logins');
$bao->policy($both);
good_again('the policy is back');

# A revoked token is no refusal: log in again.
$position = $bao->audit_position;
$bao->api('POST', 'sys/leases/revoke-force/auth/approle/login', '{}');
now_and_then(4, sub { reads() or die 'not served' });
cmp_ok($bao->requests('auth/approle/login', $position),
	'>=', 1, 'a revoked token is replaced');
is(provider('state'), 'ready', 'unnoticed');

# Keys.
$bao->api('POST', 'transit/keys/gone', '{"type":"aes256-gcm96"}');
$bao->policy(q(path "transit/+/+" {capabilities=["update","read"]}));
configure(%approle, keys => 'gone');
wait_until(
	'another Transit key',
	sub {
		(   FieldCrypt::psql_as(
				$node,
				undef,
				q{SELECT fieldcrypt.create_key('second', kms_key => 'gone', if_not_exists => true)}
			))[0] == 0;
	});
sql($node, undef, q{SELECT fieldcrypt.grant_key('second', 'app', 'decrypt')});
my $second = q{SELECT fieldcrypt.decrypt(fieldcrypt.encrypt('x', 'second'))};
is(sql($node, 'app', $second), 'x', 'serves');
$bao->api('DELETE', 'transit/keys/gone/soft-delete');
$node->restart;
sql_fails($node, 'app', $second, '55000', qr/soft-deleted/,
	'a soft-deleted key');
$bao->api('POST', 'transit/keys/gone/soft-delete-restore', '{}');
$bao->api('POST', 'transit/keys/gone/rotate', '{}');
$bao->api('POST', 'transit/keys/gone/config',
	'{"min_decryption_version":2,"deletion_allowed":true}');
$node->restart;
sql_fails(
	$node, 'app', $second, '55000',
	qr/disallowed by policy \(too old\)/,
	'a version below the minimum');
$bao->api('DELETE', 'transit/keys/gone');
$node->restart;
sql_fails(
	$node, 'app', $second, '55000',
	qr/encryption key not found/,
	'a deleted key');
ok(reads(), 'other keys are not touched');
$bao->policy($both);

# --- too many requests -------------------------------------------------------

$bao->api('POST', 'sys/quotas/config',
	'{"enable_rate_limit_response_headers":true}');
$bao->api('POST', 'sys/quotas/rate-limit/q',
	'{"rate":1,"interval":"60s","path":"transit/decrypt/fc"}');
$node->restart;
wait_until(
	'a quota',
	sub {
		reads();
		provider('last_error') =~
		  /429: request path "transit\/decrypt\/fc": rate limit quota exceeded/;
	});
is(provider('state'), 'outage', 'is an outage');
$bao->api('DELETE', 'sys/quotas/rate-limit/q');
good_again('without the quota');

# --- TLS and addresses -------------------------------------------------------

my $stub = stub('wrongkey', '127.0.0.2');
fails_with(
	'a wrong host name',
	'58000', qr/class: configuration.*TLS verification failed/s,
	%approle, address => $stub);
is(provider('state'), 'misconfigured', 'a mistake of the configuration');
system(
	"cd '$bao->{dir}' && openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days -1 -extfile server.ext -out expired.pem 2>/dev/null"
) == 0 or die 'openssl';
fails_with(
	'an expired certificate',
	'58000',
	qr/class: configuration.*TLS verification failed.*certificate has expired/s,
	%approle,
	address => stub('wrongkey', '127.0.0.1', "$bao->{dir}/expired.pem"));
system(
	"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other -keyout $dir/other.key -out $dir/other.pem 2>/dev/null"
) == 0 or die 'openssl';
fails_with('a wrong CA', '58000',
	qr/class: configuration.*TLS verification failed/s,
	%approle, ca_file => "$dir/other.pem");
fails_with('no CA file', '58000', qr/class: configuration/,
	%approle, ca_file => "$dir/nothing.pem");
fails_with('plain http', '58000',
	qr/http:\/\/192\.0\.2\.1:8200" is not an https address/,
	%approle, address => 'http://192.0.2.1:8200');
fails_with(
	'http that only looks like loopback',
	'58000', qr/is not an https address/,
	%approle, address => 'http://127.0.0.1.example.com:8200');
$log_position = log_position($node);
fails_with(
	'http to a loopback address',
	'58000', qr/answered 400/,
	%approle, address => "http://127.0.0.1:$bao->{port}");
like(
	log_since($node, $log_position),
	qr/WARNING:.*is not encrypted/,
	'which is allowed, with a warning');
fails_with(
	'a wrong mount',
	'55000', qr/mount, path or namespace/,
	%approle, mount => 'elsewhere');
good_again('the right options');

my $dead = 'https://127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();
my $hanging = stub('hang');
my $standby = stub('redirect');
configure(
	%approle,
	tls_min => '1.3',
	address => "$dead, $standby,$bao->{address}/");
is(steps(), $all_steps,
	'the next address: after a dead one and a standby; TLS 1.3');
configure(%approle, address => "$hanging,$bao->{address}");
is(steps(), $all_steps, 'and after one that hangs');

# --- other ways to log in ----------------------------------------------------

my $made =
  $bao->api('POST', 'auth/token/create', '{"policies":["fc"],"ttl":"10m"}');
my ($token) = $made =~ /"client_token":"([^"]+)"/;
credential('token', $token);
my %base = map { $_ => $approle{$_} } qw(address ca_file key);
configure(%base, auth => 'token', token_file => "$dir/token");
is(steps(), $all_steps, 'a token');
$bao->api('POST', 'auth/token/revoke', qq({"token":"$token"}));
$node->reload;
like(steps(), qr/=false/, 'a revoked token');
credential('token', 's.0123456789abcdefghijklmn');
chmod(0644, "$dir/token") or die $!;
fails_with(
	'a token that everybody may read', '58000', qr/accessible to everybody/,
	%base,
	auth => 'token',
	token_file => "$dir/token");
configure(
	%base,
	auth => 'cert',
	role => 'fc',
	client_cert_file => "$bao->{dir}/client.pem",
	client_key_file => "$bao->{dir}/client.key");
is(steps(), $all_steps, 'a client certificate');

sub jwt
{
	my ($expires) = @_;
	my $text =
	  encode_base64url('{"alg":"RS256","typ":"JWT"}') . '.'
	  . encode_base64url(
		sprintf(
			'{"sub":"pg","aud":"vault","iat":%d,"nbf":%d,"exp":%d}',
			time() - 10,
			time() - 10,
			$expires));
	my $signature;

	IPC::Run::run(
		[ 'openssl', 'dgst', '-sha256', '-sign', "$bao->{dir}/sa.key" ],
		'<', \$text, '>', \$signature)
	  or die 'openssl';
	return "$text." . encode_base64url($signature);
}
credential('jwt', jwt(time() + 600));
configure(%base, auth => 'kubernetes', role => 'fc', jwt_file => "$dir/jwt");
is(steps(), $all_steps, 'a service account');
credential('jwt', jwt(time() - 600));
fails_with(
	'an expired service account token', '55000', qr/token is expired/, %base,
	auth => 'kubernetes',
	role => 'fc',
	jwt_file => "$dir/jwt");

# A namespace of its own.
$bao->api('POST', 'sys/namespaces/team', '{}');
$bao->api('POST', 'sys/mounts/kms', '{"type":"transit"}',
	namespace => 'team');
$bao->api('POST', 'kms/keys/fc', '{"type":"aes256-gcm96"}',
	namespace => 'team');
$bao->api(
	'PUT', 'sys/policies/acl/fc',
	'{"policy":"path \"kms/*\" {capabilities=[\"update\",\"read\"]}"}',
	namespace => 'team');
($token) = $bao->api(
	'POST', 'auth/token/create',
	'{"ttl":"10m","policies":["fc"]}', namespace => 'team'
) =~ /"client_token":"([^"]+)"/;
credential('token', $token);
configure(
	%base,
	auth => 'token',
	token_file => "$dir/token",
	namespace => '/team/',
	mount => 'kms/');
is(steps(), $all_steps, 'a namespace and a mount');
good_again('the first one');

# --- answers that no KMS gives -----------------------------------------------

fails_with(
	'an answer of a megabyte',
	'58000', qr/longer than 262144 bytes/,
	%approle, address => stub('huge'));
fails_with(
	'a truncated answer',
	'58000', qr/answer to the login is not what it should be/,
	%approle, address => stub('truncated'));
fails_with(
	'a page with status 403 is no denial',
	'58000', qr/answered 403, not in the form of a Vault/,
	%approle, address => stub('page403'));
fails_with(
	'a redirection',
	'58000', qr/is a standby/,
	%approle, address => $standby);
fails_with(
	'a slow answer',
	'58000', qr/(no|not) answer within/,
	%approle, address => stub('drip'));
fails_with('another key', '58000',
	qr/another key than the one that was wrapped/,
	%approle, address => stub('wrongkey'));

# A good key is not overwritten by such an answer.
good_again('OpenBao itself');
configure(%approle, address => stub('wrongkey'));
$log_position = log_position($node);
wait_until(
	'a wrong key is reported',
	sub { log_since($node, $log_position) =~ /may have been tampered with/ });
ok(reads(), 'and the good one is kept');
configure(%approle);

# --- a server that hangs -----------------------------------------------------

sql($node, undef, 'CREATE DATABASE doomed');
foreach my $how ('accepts and never answers', 'is stopped')
{
	if ($how eq 'is stopped')
	{
		# a reload is obeyed though a call hangs
		my $hung = IPC::Run::start(
			[
				'psql', '-XAtq', '-d', $node->connstr('postgres'),
				'-U', 'app', '-c', $read
			],
			'<',
			\undef,
			'>',
			\my $none,
			'2>',
			\my $error);
		usleep(500_000);
		configure(%approle);
		wait_until('a reload is obeyed while a call hangs', \&reads, 5);
		$hung->finish;
		kill('STOP', $bao->pid);
	}
	else
	{
		configure(%approle, address => $hanging);
	}
	sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
	my ($out, $err) = ('', '');
	my $waiting = IPC::Run::start(
		[
			'psql', '-XAtq', '-d', $node->connstr('postgres'),
			'-U', 'app', '-c', $read
		],
		'<',
		\undef,
		'>',
		\$out,
		'2>',
		\$err);
	usleep(700_000);
	$start = time();
	sql($node, undef, 'DROP DATABASE doomed');
	sql($node, undef, 'CREATE DATABASE doomed');
	cmp_ok(time() - $start, '<', 3, "OpenBao $how: databases come and go");
	$start = time();
	$node->reload;
	$waiting->finish;
	like($err, qr/not at hand/, "OpenBao $how: a statement fails");
	cmp_ok(time() - $start, '<', 7, "OpenBao $how: in time");
	$waiting = IPC::Run::start(
		[
			'psql', '-XAtq', '-d', $node->connstr('postgres'),
			'-U', 'app', '-c', $read
		],
		'<',
		\undef,
		'>',
		\$out,
		'2>',
		\$err);
	usleep(700_000);
	$start = time();
	$node->stop('fast');
	cmp_ok(time() - $start, '<', 3, "OpenBao $how: fast shutdown is fast");
	$waiting->finish;
	$node->start;
}
kill('CONT', $bao->pid);
wait_until('it goes on, and so does the database', \&reads);

# --- the log -----------------------------------------------------------------

my @hits = hits_in_file($node->logfile, \%secrets);
is("@hits", '', 'neither token nor key is in the server log');
unlike(
	slurp_file($node->logfile),
	qr/\b(hvs|s)\.[A-Za-z0-9]{20,}/,
	'nor anything that looks like a token');
unlike(slurp_file($node->logfile), qr/vault:v1:/, 'nor a wrapped key');

$node->stop;
foreach my $process (@stubs)
{
	$process->kill_kill;
}
$bao->stop('-9');
done_testing();

END
{
	my $status = $?;

	# whatever failed above, leave nothing running
	foreach my $process (@stubs)
	{
		eval { $process->kill_kill };
	}
	eval { $bao->stop('-9') } if defined $bao && defined $bao->{env};
	$? = $status;
}
