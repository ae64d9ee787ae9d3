# Provider `vault` against a real OpenBao with TLS: what happens to a database
# when its KMS works, is away, is sealed or refuses.  Logging in is tested in
# 022_vault_login.pl, the network in 023_vault_network.pl.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Vault;

need_openbao();

my $vault = Vault->new;
my $bao = $vault->{bao};
my $node = $vault->start_node('main');

# --- it works ----------------------------------------------------------------

sql($node, 'app',
	q{INSERT INTO patient VALUES (1, 'Ada', '1815'), (2, 'Charles', '1791')});
ok($vault->reads, 'a key wrapped by OpenBao serves');
is($vault->provider('state'), 'ready', 'the provider is ready');
cmp_ok($bao->requests('auth/approle/login'), '==', 1, 'one login was enough');

my $wrapped = $vault->know_root_secret;
like(
	$wrapped,
	qr/^vault:v1:[A-Za-z0-9+\/=]+$/,
	'what is stored is the ciphertext of Transit');
is( sql($node, undef,
		q{SELECT DISTINCT kms_key FROM fieldcrypt.key_versions}),
	'fc',
	'with the name of its key');
ok( !eval {
		$bao->api('POST', 'transit/decrypt/fc',
			qq({"ciphertext":"$wrapped"}));
		1;
	},
	'it does not open without its context');
sql_fails(
	$node, undef, q{SELECT fieldcrypt.create_key('x', kms_key => 'other')},
	'55000',
	qr/option "keys"/,
	'a KMS key that is not listed');

# --- check_provider ----------------------------------------------------------

is($vault->steps, $all_steps, 'check_provider goes through all steps');
my $details = sql($node, undef,
	q{SELECT string_agg(step || ': ' || coalesce(detail, '-'), E'\n') FROM fieldcrypt.check_provider('vault')}
);
like(
	$details,
	qr/^configuration: -\nresolve: 127\.0\.0\.1\nconnect: 127\.0\.0\.1 port $bao->{port}\ntls: TLSv1\.3, certificate and host name verified\nauth: the token expires in \d+ s\nkey: fc\nwrap: -\nunwrap: -\ncompare: -$/,
	'and says what it found');
is( sql($node, undef,
		q{SELECT bool_and(milliseconds BETWEEN 0 AND 5000) FROM fieldcrypt.check_provider('vault')}
	),
	't',
	'and how long each took');
is($vault->provider('last_error IS NULL'),
	't', 'none of which is taken for an error');

# A key that may be looked at, and is not there.
$vault->configure(key => 'nothing', keys => 'fc');
$bao->policy(q(path "transit/+/+" {capabilities=["update","read"]}));
wait_until('check_provider ends at a key that is missing',
	sub { $vault->steps =~ / auth key failed$/ });
$bao->policy;
wait_until('or at wrap, without the right to look at it',
	sub { $vault->steps =~ / auth key wrap failed$/ });
$vault->good_again('the right key');

# --- a lease ends ------------------------------------------------------------

$bao->api('POST', 'auth/approle/role/fc',
	q({"token_policies":"fc","token_ttl":"4s","token_max_ttl":"9s"}));
my $position = $bao->audit_position;
$vault->configure;
now_and_then(14, sub { $vault->reads or die 'not served' });
cmp_ok($bao->requests('auth/token/renew-self', $position),
	'>=', 2, 'tokens are renewed');
cmp_ok($bao->requests('auth/approle/login', $position),
	'>=', 2, 'and replaced when they cannot be');
cmp_ok($bao->requests('auth/approle/login', $position),
	'<=', 4, 'but only then');
is( $vault->provider(
		q{auth_state || ' ' || (auth_expires BETWEEN now() AND now() + interval '5 s')}
	),
	'logged in true',
	'the view shows the session');
is( $vault->provider('latency_p50_ms > 0 AND latency_p99_ms >= latency_p50_ms'
	),
	't',
	'and how long calls take');
$bao->api('POST', 'auth/approle/role/fc',
	q({"token_policies":"fc","token_ttl":"60s","token_max_ttl":"10m"}));
$vault->configure;

# --- killed, for longer than cache_refresh -----------------------------------

$node->restart;
ok($vault->reads, 'a restarted server asks again');
my $log_position = log_position($node);
$bao->stop('-9');
wait_until('OpenBao is killed: an outage',
	sub { $vault->provider('state') eq 'outage' });
like(
	$vault->provider('last_error'),
	qr/could not connect: Connection refused/,
	'the view says why');
now_and_then(4, sub { $vault->reads or die 'not served' });
pass('reads go on');
sql_ok($node, 'app', q{INSERT INTO patient VALUES (3, 'Grace', NULL)},
	'and writes');
my @lines = log_since($node, $log_position) =~ /(WARNING:[^\n]*provider)/g;
is(scalar(@lines), 1, 'the log has one line, not one for each try');
like($vault->steps, qr/resolve connect failed$/,
	'check_provider ends at connect');
$vault->log_is_clean('an outage', $log_position);

# --- killed, and the server restarted ----------------------------------------

$vault->row('a server that starts without its KMS',
	'outage', qr/could not connect: Connection refused/);
sql_ok($node, undef, 'SELECT count(*) FROM pg_class',
	'everything else works');
$bao->start;
wait_until('OpenBao is back: it works by itself', sub { $vault->reads });

# --- killed, for longer than cache_max_age -----------------------------------

sql($node, undef, q{ALTER SYSTEM SET fieldcrypt.cache_max_age = '4s'});
$node->reload;
wait_until('a key that was fetched under the shorter age',
	sub { $vault->reads });
$log_position = log_position($node);
my $start = time();
$bao->stop('-9');
ok($vault->reads, 'a key is served while it is young');
wait_until(
	'and no longer than cache_max_age',
	sub { !$vault->reads });
cmp_ok(time() - $start, '>', 2, 'though for some time');
$vault->seen(
	'killed for longer than cache_max_age',
	'outage', qr/could not connect: Connection refused/);
$vault->log_is_clean('killed for longer than cache_max_age', $log_position);
$bao->start;
wait_until('a restarted OpenBao: it works by itself', sub { $vault->reads });
sql($node, undef, q{ALTER SYSTEM RESET fieldcrypt.cache_max_age});
$node->reload;

# --- sealed ------------------------------------------------------------------

$bao->api('PUT', 'sys/seal');
wait_until('a sealed OpenBao is an outage',
	sub { $vault->provider('last_error') =~ /503: Vault is sealed/ });
is($vault->provider('state'), 'outage', 'as its state says');
ok($vault->reads, 'that the cache survives');
$vault->row(
	'sealed, and the server restarted',
	'outage',
	qr/answered 503: Vault is sealed/,
	step => 'auth');
$bao->unseal;
wait_until('unsealed: it works by itself', sub { $vault->reads });

# --- one call for many -------------------------------------------------------

sql($node, undef, "ALTER SYSTEM SET fieldcrypt.cache_refresh = '1h'");
sql($node, undef, 'ALTER SYSTEM SET max_connections = 120');
sql($node, undef, "ALTER SYSTEM SET fieldcrypt.kms_timeout = '60s'");
$position = $bao->audit_position;
$node->restart;
ok($vault->reads, 'a session and a connection');
is($bao->requests('auth/approle/login', $position), 1, 'by one login');
sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
$position = $bao->audit_position;
kill('STOP', $bao->pid) or die $!;
my @sessions = map { $vault->background($read) } 1 .. 100;
$vault->waiting('100 connections miss one key', 100);
kill('CONT', $bao->pid) or die $!;
$_->{handle}->finish foreach @sessions;
is(scalar(grep { ${ $_->{out} } eq "Ada\n" } @sessions),
	100, '100 connections read')
  or diag(join '', map { ${ $_->{err} } } @sessions);
is($bao->requests('transit/decrypt/fc', $position),
	1, 'after one decrypt call');
is($bao->requests('auth/approle/login', $position), 0, 'and no login');
sql($node, undef, "ALTER SYSTEM SET fieldcrypt.cache_refresh = '1s'");
sql($node, undef, 'ALTER SYSTEM RESET fieldcrypt.kms_timeout');
$node->reload;

# --- the policy is withdrawn -------------------------------------------------

# Under a server at work: confirmed, then wiped.
$position = $bao->audit_position;
$log_position = log_position($node);
$bao->policy(q(path "transit/encrypt/fc" {capabilities=["update"]}));
$start = time();
wait_until('a policy is withdrawn: denied',
	sub { $vault->provider('state') eq 'denied' });
ok($vault->reads, 'the key is served until that is confirmed');
wait_until('then it is wiped', sub { !$vault->reads }, 60);
cmp_ok(time() - $start, '>', 28, 'no earlier than half a minute');
cmp_ok(time() - $start, '<', 45, 'nor much later');
$vault->seen(
	'policy withdrawn',
	'credentials refused',
	qr/answered 403 \(policy, mount, path or namespace\): 1 error occurred: \* permission denied/
);
like(
	$vault->steps,
	qr/ auth key wrap unwrap failed$/,
	'check_provider ends at unwrap');
cmp_ok($bao->requests('auth/approle/login', $position),
	'>=', 2, 'after fresh logins');
$vault->log_is_clean('policy withdrawn', $log_position);
$bao->policy;
$vault->good_again('the policy is back');

# --- keys --------------------------------------------------------------------

$bao->api('POST', 'transit/keys/gone', '{"type":"aes256-gcm96"}');
$bao->policy(q(path "transit/+/+" {capabilities=["update","read"]}));
my %gone = (keys => 'gone');
$vault->configure(%gone);
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

# Each shows at once in a server that starts.  The view tells of the latest
# call of all, so nothing else is to be asked meanwhile.
sql($node, undef, "ALTER SYSTEM SET fieldcrypt.cache_refresh = '1h'");
sub gone
{
	my ($what, $pattern) = @_;

	$node->restart;
	my $from = log_position($node);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$vault->seen($what, 'key refused', $pattern, sql => $second);
	ok($vault->reads, "$what: other keys are not touched");
	$vault->log_is_clean($what, $from);
	return;
}

$bao->api('DELETE', 'transit/keys/gone/soft-delete');
gone('a soft-deleted key', qr/refusing to use soft-deleted key/);
$bao->api('POST', 'transit/keys/gone/soft-delete-restore', '{}');
$bao->api('POST', 'transit/keys/gone/rotate', '{}');
$bao->api('POST', 'transit/keys/gone/config',
	'{"min_decryption_version":2,"deletion_allowed":true}');
gone('min_decryption_version raised', qr/disallowed by policy \(too old\)/);
$bao->api('POST', 'transit/keys/gone/config', '{"min_decryption_version":1}');
$node->reload;
wait_until(
	'lowered again: it works by itself',
	sub { (FieldCrypt::psql_as($node, 'app', $second))[0] == 0 });
$bao->api('DELETE', 'transit/keys/gone');
gone('a deleted key', qr/encryption key not found/);
sql($node, undef, "ALTER SYSTEM SET fieldcrypt.cache_refresh = '1s'");
$bao->policy;
$vault->configure;

# --- too many requests -------------------------------------------------------

$bao->api('POST', 'sys/quotas/config',
	'{"enable_rate_limit_response_headers":true}');
$bao->api('POST', 'sys/quotas/rate-limit/q',
	'{"rate":1,"interval":"60s","path":"transit/decrypt/fc"}');
$node->restart;
$log_position = log_position($node);
wait_until(
	'a quota',
	sub {
		$vault->reads;
		$vault->provider('last_error') =~
		  /429: request path "transit\/decrypt\/fc": rate limit quota exceeded/;
	});
is($vault->provider(q{state || ', ' || last_error_class}),
	'outage, outage', 'is an outage');
sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
$start = time();
sql_fails(
	$node, 'app', $read, '58000',
	qr/class: outage.*rate limit quota exceeded/s,
	'too many requests');
cmp_ok(time() - $start, '<', 7, 'too many requests: within kms_timeout');
# OpenBao does not audit what it refuses for a quota
my $calls = kms_calls($node, 'vault');
now_and_then(4, sub { $vault->reads and die 'the quota lets through' });
cmp_ok(kms_calls($node, 'vault') - $calls,
	'<=', 1, 'and Retry-After is honoured, however often somebody asks');
$vault->log_is_clean('too many requests', $log_position);
$bao->api('DELETE', 'sys/quotas/rate-limit/q');
$vault->good_again('without the quota');

# --- in the end --------------------------------------------------------------

$vault->log_is_clean('all of it');
$node->stop;
done_testing();
