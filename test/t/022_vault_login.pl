# Provider `vault`: every way to log in to a real OpenBao, and every way in
# which that is refused.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use IPC::Run     ();
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Vault;

need_openbao();

# Lockout as by default: five wrong logins, a quarter of an hour.
my $vault = Vault->new(bao_env => { BAO_LOCKOUT => 1 });
my $bao = $vault->{bao};
my $dir = $vault->{dir};
my $node = $vault->start_node('main');
my @no_approle = (role_id_file => undef, secret_id_file => undef);

sql($node, 'app', q{INSERT INTO patient VALUES (1, 'Ada', '1815')});
ok($vault->reads, 'it works');
$vault->know_root_secret;

# Keys come through this way of logging in, from the beginning.
sub logs_in
{
	my ($what, %changes) = @_;
	my $position;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->stop;
	$vault->write(%changes);
	$position = log_position($node);
	$node->start;
	ok($vault->reads, "$what: keys are at hand");
	is($vault->steps, $all_steps, "$what: check_provider");
	is($vault->provider('state'), 'ready', "$what: the view");
	$vault->log_is_clean($what, $position);
	return;
}

sub token
{
	my ($options, %more) = @_;
	my ($token) = $bao->api('POST', 'auth/token/create',
		qq({"policies":["fc"],$options}), %more) =~
	  /"client_token":"([^"]+)"/;
	return $token;
}

# --- tokens ------------------------------------------------------------------

my @token_file = (auth => 'token', token_file => "$dir/token", @no_approle);
my $token = token(q("ttl":"10m"));
$vault->credential('token', $token);
logs_in('a token', @token_file);

# Withdrawn under a server at work, and replaced in the file, as an agent does.
$bao->api('POST', 'auth/token/revoke', qq({"token":"$token"}));
wait_until('a revoked token: denied',
	sub { $vault->provider('state') eq 'denied' });
ok($vault->reads, 'a revoked token: keys are served until it is confirmed');
$vault->credential('token', token(q("ttl":"10m")));
wait_until('the file is read again, without a reload',
	sub { $vault->provider('state') eq 'ready' }, 90);

$vault->credential('token', $token);
$vault->row('a revoked token', 'credentials refused',
	qr/answered 403.*permission denied/, @token_file);
$vault->credential('token', 's.0123456789abcdefghijklmn');
$vault->row('a wrong token', 'credentials refused',
	qr/answered 403.*permission denied/, @token_file);
$token = token(q("ttl":"1s","explicit_max_ttl":"1s"));
$vault->credential('token', $token);
wait_until(
	'a token has expired',
	sub {
		!eval { $bao->api('GET', 'auth/token/lookup-self', undef, token => $token); };
	});
$vault->row('an expired token', 'credentials refused',
	qr/answered 403.*permission denied/, @token_file);
$vault->credential('token', token(q("ttl":"10m")), 0644);
$vault->row('a token that everybody may read',
	'configuration', qr/accessible to everybody/,
	@token_file, step => 'auth');
$vault->row('no token', 'configuration', qr/cannot be opened/,
	@token_file,
	token_file => "$dir/nothing",
	step => 'auth');
$vault->credential('token', token(q("ttl":"10m","type":"batch")));
logs_in('a batch token', @token_file);

# --- certificates ------------------------------------------------------------

my @cert = (
	auth => 'cert',
	role => 'fc',
	client_cert_file => "$bao->{dir}/client.pem",
	client_key_file => "$bao->{dir}/client.key",
	@no_approle);
logs_in('a client certificate', @cert);
system(
	"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=fieldcrypt -keyout $dir/other.key -out $dir/other.pem -addext extendedKeyUsage=clientAuth 2>/dev/null"
) == 0 or die 'openssl';
$vault->row(
	"another authority's client certificate",
	'credentials refused',
	qr/answered 400 \(login\): invalid certificate or no client certificate supplied/,
	@cert,
	client_cert_file => "$dir/other.pem",
	client_key_file => "$dir/other.key",
	step => 'auth');
foreach my $suffix ('pem', 'key')
{
	write_key_file("$dir/other.$suffix",
		slurp_file("$bao->{dir}/client.$suffix"));
}
is($vault->steps, $all_steps,
	'files that are put right are tried at once');
$vault->row(
	'a server certificate for a client',
	'configuration',
	qr/incompatible key usage/,
	@cert,
	client_cert_file => "$bao->{dir}/server.pem",
	client_key_file => "$bao->{dir}/server.key",
	step => 'auth');
chmod(0644, "$dir/other.key") or die $!;
$vault->row(
	'a client key that everybody may read',
	'configuration',
	qr/other\.key" is accessible to everybody/,
	@cert,
	client_key_file => "$dir/other.key",
	step => 'auth');
$vault->row('no client certificate', 'configuration', qr/certificate|cert/,
	@cert, client_cert_file => "$dir/nothing.pem");

# --- service accounts --------------------------------------------------------

sub jwt
{
	my ($expires, $audience) = @_;
	my $text =
	  encode_base64url('{"alg":"RS256","typ":"JWT"}') . '.'
	  . encode_base64url(
		sprintf(
			'{"sub":"pg","aud":"%s","iat":%d,"nbf":%d,"exp":%d}',
			$audience // 'vault',
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

my @kubernetes =
  (auth => 'kubernetes', role => 'fc', jwt_file => "$dir/jwt", @no_approle);
$vault->credential('jwt', jwt(time() + 600));
logs_in('a service account', @kubernetes);
$vault->credential('jwt', jwt(time() - 600));
$vault->row('an expired service account token',
	'credentials refused', qr/token is expired/,
	@kubernetes, step => 'auth');
$vault->credential('jwt', jwt(time() + 600, 'elsewhere'));
$vault->row(
	'a service account token for somebody else',
	'credentials refused',
	qr/invalid audience/, @kubernetes);
$vault->credential('jwt', jwt(time() + 600));
$vault->row('a role that is not there', 'credentials refused',
	qr/role "nobody" could not be found/,
	@kubernetes, role => 'nobody');

# --- a namespace of its own --------------------------------------------------

$bao->api('POST', 'sys/namespaces/team', '{}');
my @team = (namespace => 'team');
$bao->api('POST', 'sys/mounts/kms', '{"type":"transit"}', @team);
$bao->api('POST', 'kms/keys/fc', '{"type":"aes256-gcm96"}', @team);
$bao->api(
	'PUT',
	'sys/policies/acl/fc',
	'{"policy":"path \"kms/+/fc\" {capabilities=[\"update\",\"read\"]}"}',
	@team);
$bao->api('POST', 'sys/auth/apps', '{"type":"approle"}', @team);
$bao->api('POST', 'auth/apps/role/db', '{"token_policies":"fc"}', @team);
my ($role_id) = $bao->api('GET', 'auth/apps/role/db/role-id', undef, @team) =~
  /"role_id":"([^"]+)"/;
my ($secret_id) =
  $bao->api('POST', 'auth/apps/role/db/secret-id', '{}', @team) =~
  /"secret_id":"([^"]+)"/;
my @namespace = (
	namespace => '/team/',
	mount => 'kms/',
	auth_mount => 'apps',
	role_id_file => $vault->credential('team_role_id', $role_id),
	secret_id_file => $vault->credential('team_secret_id', $secret_id));
$vault->configure(@namespace);
wait_until('a namespace, a mount and an auth mount',
	sub { $vault->steps eq $all_steps });
$vault->row('a namespace that is not there', 'configuration',
	qr/404: namespace not found/,
	@namespace, namespace => 'nowhere', step => 'auth');
$vault->row(
	'a wrong mount',
	'credentials refused',
	qr/answered 403 \(policy, mount, path or namespace\)/,
	mount => 'elsewhere',
	step => 'wrap');
$vault->row(
	'a wrong auth mount',
	'credentials refused',
	qr/answered 403 \(login\): permission denied/,
	auth_mount => 'elsewhere',
	step => 'auth');

# --- secret ids --------------------------------------------------------------

# A wrapping token in place of the secret id that is in it.
my ($wrapping) = $bao->api('POST', 'auth/approle/role/fc/secret-id', '{}',
	wrap_ttl => '60s') =~ /"token":"([^"]+)"/;
$vault->credential('wrapping', $wrapping);
$vault->row(
	'a response-wrapped secret id',
	'credentials refused',
	qr/invalid role or secret ID; the secret id looks like a wrapping token, which must be unwrapped first/,
	secret_id_file => "$dir/wrapping");

# One use: the first login works, the next one says what is the matter.
$bao->api('POST', 'auth/approle/role/once',
	'{"token_policies":"fc","secret_id_num_uses":1,"token_ttl":"3s","token_max_ttl":"3s"}'
);
my ($once_role) =
  $bao->api('GET', 'auth/approle/role/once/role-id') =~ /"role_id":"([^"]+)"/;
my ($once) = $bao->api('POST', 'auth/approle/role/once/secret-id', '{}') =~
  /"secret_id":"([^"]+)"/;
my @once = (
	role_id_file => $vault->credential('once_role_id', $once_role),
	secret_id_file => $vault->credential('once', $once));
$node->stop;
$vault->write(@once);
$node->start;
ok($vault->reads, 'a secret id of one use serves');
my $position = log_position($node);
wait_until(
	'once',
	sub {
		$vault->provider(q{state || ' ' || last_error}) =~
		  /^denied .*invalid role or secret ID; it was accepted before: it has expired or its uses are spent/;
	});
$vault->log_is_clean('a secret id of one use', $position);
$vault->row(
	'a secret id whose uses are spent',
	'credentials refused',
	qr/answered 400 \(login\): invalid role or secret ID/,
	@once,
	step => 'auth');

# --- lockout -----------------------------------------------------------------

# A wrong secret id is asked about so seldom that the role is not locked.
$vault->good_again('AppRole');
$vault->credential('wrong', '12345678-9abc-def0-1234-56789abcdef0');
$position = $bao->audit_position;
$vault->row(
	'a wrong secret id',
	'credentials refused',
	qr/answered 400 \(login\): invalid role or secret ID/,
	secret_id_file => "$dir/wrong",
	step => 'auth');
like($vault->provider('last_error'),
	qr/not tried again yet/, 'it is not tried again at once');
now_and_then(
	5,
	sub {
		sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
		$vault->reads and die 'reads with a wrong secret id';
		$vault->steps;
	});
cmp_ok($bao->requests('auth/approle/login', $position),
	'<=', 2, 'nor again and again');
write_key_file("$dir/wrong", $bao->{env}{BAO_SECRET_ID});
is($vault->steps, $all_steps,
	'a corrected file is tried at once, and the role is not locked');
$node->reload;
wait_until('keys come back after a reload', sub { $vault->reads });

# Somebody else locks it.
foreach (1 .. 6)
{
	eval {
		$bao->api('POST', 'auth/approle/login',
			qq({"role_id":"$bao->{env}{BAO_ROLE_ID}","secret_id":"12345678-9abc-def0-1234-56789abcdef0"})
		);
	};
}
$vault->row(
	'a locked role',
	'credentials refused',
	qr/answered 403 \(login\): permission denied; .*the role is locked after wrong logins/,
	step => 'auth');
my ($accessor) = $bao->api('GET', 'sys/auth') =~
  /"approle\/":\{[^{}]*"accessor":"([^"]+)"/;
$bao->api('POST',
	"sys/locked-users/$accessor/unlock/$bao->{env}{BAO_ROLE_ID}");
$node->reload;
wait_until('unlocked: it works after a reload', sub { $vault->reads });

# --- in the end --------------------------------------------------------------

$vault->log_is_clean('all of it');
$node->stop;
done_testing();
