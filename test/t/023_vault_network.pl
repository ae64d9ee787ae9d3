# Provider `vault`: TLS, addresses, and servers that answer wrongly, slowly or
# not at all.  What no real server does is done by kms_stub.py.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use File::Copy ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Vault;

need_openbao();

my $vault = Vault->new;
my $bao = $vault->{bao};
my $dir = $vault->{dir};
my $node = $vault->start_node('main');

sql($node, 'app', q{INSERT INTO patient VALUES (1, 'Ada', '1815')});
ok($vault->reads, 'it works');
$vault->know_root_secret;

# --- certificates ------------------------------------------------------------

# OpenBao reads its certificate again at SIGHUP.
sub serve_certificate
{
	my ($file) = @_;
	my $name = "$bao->{dir}/server.pem";

	File::Copy::copy($name, "$name.good") if !-e "$name.good";
	File::Copy::copy($file, $name) or die $!;
	kill('HUP', $bao->pid) or die $!;
	return wait_until(
		'OpenBao serves another certificate',
		sub {
			my $seen =
			  `openssl s_client -connect 127.0.0.1:$bao->{port} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint 2>/dev/null`;
			my $wanted = `openssl x509 -noout -fingerprint -in '$name'`;
			return $seen eq $wanted;
		});
}

sub make_certificate
{
	my ($file, $days, $name) = @_;

	system(
		qq(cd '$bao->{dir}' && printf 'subjectAltName=$name\\nextendedKeyUsage=serverAuth\\n' >'$file.ext' &&
		openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $days -extfile '$file.ext' -out '$file' 2>/dev/null)
	) == 0 or die 'openssl';
	return $file;
}

serve_certificate(
	make_certificate("$dir/expired.pem", -1, 'IP:127.0.0.1'));
$vault->row(
	'an expired certificate',
	'configuration',
	qr/TLS verification failed: .*certificate has expired/,
	step => 'tls');
serve_certificate(
	make_certificate("$dir/elsewhere.pem", 10, 'DNS:vault.example.com'));
$vault->row('a wrong host name', 'configuration', qr/TLS verification failed/,
	step => 'tls');
serve_certificate("$bao->{dir}/server.pem.good");
wait_until('the right certificate: it works by itself',
	sub { $vault->reads });

system(
	"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other -keyout $dir/other.key -out $dir/other.pem 2>/dev/null"
) == 0 or die 'openssl';
$vault->row('a wrong CA', 'configuration', qr/TLS verification failed/,
	ca_file => "$dir/other.pem", step => 'tls');
$vault->row('no CA file', 'configuration', qr/nothing\.pem/,
	ca_file => "$dir/nothing.pem");

# A stub: no OpenBao speaks TLS 1.1.
$vault->row('TLS 1.1 only', 'outage', qr/protocol version/,
	address => $vault->stub('tls11'), step => 'tls');

# A KMS that has no TLS 1.3 serves, unless that is required.
$bao->stop('-9');
$bao->start(BAO_LISTENER => 'tls_max_version = "tls12"');
$vault->good_again('TLS 1.2');
like(
	sql($node, undef,
		q{SELECT detail FROM fieldcrypt.check_provider('vault') WHERE step = 'tls'}
	),
	qr/^TLSv1\.2, certificate and host name verified$/,
	'TLS 1.2: check_provider shows it');
$vault->row('TLS 1.2 where 1.3 is required', 'outage', qr/protocol version/,
	tls_min => '1.3', step => 'tls');
$bao->stop('-9');
$bao->start;
wait_until('TLS 1.3 again: it works by itself', sub { $vault->reads });

# --- addresses ---------------------------------------------------------------

$vault->row('plain http', 'configuration',
	qr/http:\/\/192\.0\.2\.1:8200" is not an https address/,
	address => 'http://192.0.2.1:8200', step => 'configuration');
$vault->row(
	'http that only looks like loopback',
	'configuration',
	qr/is not an https address/,
	address => 'http://127.0.0.1.example.com:8200');
my $position = log_position($node);
$vault->row('http to a loopback address that speaks TLS',
	'configuration', qr/answered 400, not in the form of a Vault/,
	address => "http://127.0.0.1:$bao->{port}", step => 'auth');
like(
	log_since($node, $position),
	qr/WARNING:.*is not encrypted/,
	'which is allowed, with a warning');
$vault->row('a host name that does not exist',
	'outage', qr/host name (could not be|was not) resolved/,
	address => 'https://vault.invalid:8200', step => 'resolve');

my $dead = 'https://127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();
my $hanging = $vault->stub('hang');
my $standby = $vault->stub('login-redirect');
$vault->configure(
	tls_min => '1.3',
	address => "$dead, $standby,$bao->{address}/");
wait_until('the next address: after a dead one and a standby; TLS 1.3',
	sub { $vault->steps eq $all_steps });
$node->restart;
ok($vault->reads, 'for statements as well');
$vault->configure(address => "$hanging,$bao->{address}");
wait_until('and after one that hangs', sub { $vault->steps eq $all_steps });
$bao->api('PUT', 'sys/seal');
$vault->row('one hangs and the other is sealed',
	'outage', qr/503: Vault is sealed/,
	address => "$hanging,$bao->{address}");
$bao->unseal;
wait_until('unsealed', sub { $vault->reads });

# --- answers that no KMS gives -----------------------------------------------

my $tampering = 'wrong answer, possible tampering';
$vault->row('an answer of a megabyte', $tampering,
	qr/longer than 262144 bytes/,
	address => $vault->stub('huge'), step => 'key');
$vault->row(
	'an answer of a megabyte to the login',
	$tampering,
	qr/longer than 262144 bytes/,
	address => $vault->stub('login-huge'), step => 'auth');
$vault->row('a truncated answer', $tampering,
	qr/answer of the KMS is not what it should be/,
	address => $vault->stub('truncated'), step => 'key');
$vault->row(
	'a truncated answer to the login',
	$tampering,
	qr/answer to the login is not what it should be/,
	address => $vault->stub('login-truncated'), step => 'auth');
$vault->row('another key', $tampering,
	qr/another key than the one that was wrapped/,
	address => $vault->stub('wrongkey'));
$vault->row(
	'a page with status 403 is no denial',
	'configuration',
	qr/answered 403, not in the form of a Vault/,
	address => $vault->stub('login-page403'), step => 'auth');
$vault->row(
	'nor is one after the login',
	'configuration',
	qr/answered 403, not in the form of a Vault/,
	address => $vault->stub('page403'));
$vault->row('a redirection', 'outage', qr/is a standby/,
	address => $standby, step => 'auth');
$vault->row('a redirection after the login', 'outage', qr/is a standby/,
	address => $vault->stub('redirect'), step => 'key');
$vault->row('a slow drip', 'outage', qr/(no|not) answer(ed)? (within|in time)/,
	address => $vault->stub('drip'), step => 'key');
$vault->row(
	'a slow drip at the login',
	'outage',
	qr/(no|not) answer(ed)? (within|in time)/,
	address => $vault->stub('login-drip'), step => 'auth');
$vault->row('accepts and never answers', 'outage',
	qr/did not answer the TLS handshake in time|not answer within/,
	address => $hanging, step => 'tls');

# A good key is not overwritten by any of these.
foreach my $mode ('wrongkey', 'truncated')
{
	$vault->good_again('OpenBao itself');
	$position = log_position($node);
	$vault->configure(address => $vault->stub($mode));
	wait_until(
		"$mode, at a refresh: is reported",
		sub { log_since($node, $position) =~ /may have been tampered with/ });
	ok($vault->reads, "$mode, at a refresh: the good key is kept");
	$vault->log_is_clean("$mode, at a refresh", $position);
}
$vault->good_again('OpenBao itself');

# --- a server that hangs -----------------------------------------------------

foreach my $how ('accepts and never answers', 'is stopped')
{
	if ($how eq 'is stopped')
	{
		# a reload is obeyed though a call hangs
		my $hung = $vault->background($read);
		$vault->waiting('a call hangs', 1);
		$vault->configure;
		wait_until('a reload is obeyed meanwhile', sub { $vault->reads }, 5);
		$hung->{handle}->finish;
		kill('STOP', $bao->pid);
	}
	else
	{
		$vault->configure(address => $hanging);
		wait_until('a server that hangs is an outage',
			sub { $vault->provider('state') eq 'outage' });
	}
	sql($node, undef, 'SELECT fieldcrypt.purge_cache()');
	$vault->delays_readers_only("OpenBao $how");
}
kill('CONT', $bao->pid);
wait_until('it goes on, and so does the database', sub { $vault->reads });

# --- in the end --------------------------------------------------------------

$vault->log_is_clean('all of it');
$node->stop;
done_testing();
