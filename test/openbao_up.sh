#!/bin/bash
# test/openbao_up.sh DIR [PORT]: start, or start again, a real OpenBao with TLS
# and storage that survives a kill; prints what a client needs (also in
# DIR/env).  In it: the Transit key fc, a policy fc for it, and the auth
# methods approle, cert and kubernetes (the jwt method mounted there), each
# with a role fc.
#
#   BAO_BIN       the program (default: bao in PATH)
#   BAO_LISTENER, BAO_TOP   more lines for its configuration
#   BAO_LOCKOUT   not empty: wrong logins lock a role, as by default
#   BAO_JOIN      directory of a node: join its cluster, as a standby
#
# Needs curl and openssl, no root; listens on 127.0.0.1, PORT and PORT + 1.
set -euo pipefail
umask 077
mkdir -p "${1:?usage: openbao_up.sh DIR [PORT]}/data"
DIR=$(cd "$1" && pwd)
PORT=${2:-8200}
ADDRESS=https://127.0.0.1:$PORT
PID=
cd "$DIR"

die()
{
	echo "openbao_up.sh: $*" >&2
	[ ! -f log ] || tail -n 5 log >&2
	exit 1
}

# A key and a certificate of our CA: NAME COMMON_NAME EXTENSIONS
leaf()
{
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
	printf '%b' "$3" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
}

make_certificates()
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=fieldcrypt test CA" \
		-keyout ca.key -out ca.pem -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2>/dev/null
	leaf server localhost 'subjectAltName=DNS:localhost,DNS:kms.test,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n'
	leaf client fieldcrypt 'extendedKeyUsage=clientAuth\n'
	openssl genrsa -out sa.key 2048 2>/dev/null
	openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
}

# performance_multiplier: a single node need not wait for others.  Lockout is
# off unless it is what is tested: tests log in wrongly on purpose.
write_configuration()
{
	cat >bao.hcl <<END
storage "raft" {
  path = "$DIR/data"
  node_id = "n$PORT"
  performance_multiplier = "1"
${BAO_JOIN:+$(retry_join)}
}
listener "tcp" {
  address = "127.0.0.1:$PORT"
  tls_cert_file = "$DIR/server.pem"
  tls_key_file = "$DIR/server.key"
  tls_client_ca_file = "$DIR/ca.pem"
  ${BAO_LISTENER:-}
}
api_addr = "$ADDRESS"
cluster_addr = "https://127.0.0.1:$((PORT + 1))"
${BAO_LOCKOUT:+# }user_lockout "all" { disable_lockout = "true" }
${BAO_TOP:-}
END
}

# Certificates, unseal key and credentials are those of the cluster; who has
# joined once, or was joined, is no longer sure to be the active node.
take_over()
{
	cp "$BAO_JOIN"/*.pem "$BAO_JOIN"/*.key "$BAO_JOIN"/init.json "$BAO_JOIN"/env .
	touch joined "$BAO_JOIN/joined"
}

retry_join()
{
	cat <<END
  retry_join {
    leader_api_addr = "$(sed -n 's/^api_addr = "\(.*\)"/\1/p' "$BAO_JOIN/bao.hcl")"
    leader_ca_cert_file = "$DIR/ca.pem"
  }
END
}

request()
{
	curl -sS --max-time 20 --cacert ca.pem --cert client.pem --key client.key "$@"
}

health()
{
	request -o /dev/null -w '%{http_code}' "$ADDRESS/v1/sys/health" 2>/dev/null || true
}

# Wait until its health is one of these codes.
wait_for()
{
	local end=$((SECONDS + 20))

	until [[ $(health) =~ ^($1)$ ]]; do
		kill -0 "$PID" 2>/dev/null || die "the server ended"
		[ $SECONDS -lt $end ] || die "no health $1"
		${2:-sleep 0.02}
	done
}

unseal()
{
	request -f -o /dev/null -X PUT -d "{\"key\":\"$UNSEAL_KEY\"}" "$ADDRESS/v1/sys/unseal" || true
	sleep 0.1
}

field()
{
	sed -n "s/.*\"$1\":\[*\"\([^\"]*\)\".*/\1/p"
}

post()
{
	request -f -H "X-Vault-Token: $TOKEN" -X POST -d "$2" "$ADDRESS/v1/$1"
}

pem()
{
	awk '{ printf "%s\\n", $0 }' "$1"
}

set_up()
{
	post sys/mounts/transit '{"type":"transit"}'
	post transit/keys/fc '{"type":"aes256-gcm96"}' >/dev/null
	post transit/config/keys '{"disable_upsert":true}' >/dev/null
	post sys/policies/acl/fc '{"policy":"path \"transit/encrypt/fc\" {capabilities=[\"update\"]}\npath \"transit/decrypt/fc\" {capabilities=[\"update\"]}"}'
	post sys/auth/approle '{"type":"approle"}'
	post auth/approle/role/fc '{"token_policies":"fc","token_ttl":"60s","token_max_ttl":"10m"}'
	post sys/auth/cert '{"type":"cert"}'
	post auth/cert/certs/fc "{\"certificate\":\"$(pem ca.pem)\",\"allowed_common_names\":[\"fieldcrypt\"],\"token_policies\":[\"fc\"],\"token_ttl\":\"60s\"}"
	post sys/auth/kubernetes '{"type":"jwt"}'
	post auth/kubernetes/config "{\"jwt_validation_pubkeys\":[\"$(pem sa.pub)\"]}"
	post auth/kubernetes/role/fc '{"role_type":"jwt","user_claim":"sub","bound_audiences":["vault"],"token_policies":["fc"],"token_ttl":"60s"}'
}

if [ -f pid ] && kill -0 "$(cat pid)" 2>/dev/null; then
	die "already running, pid $(cat pid)"
fi
[ -z "${BAO_JOIN:-}" ] || take_over
[ -f ca.pem ] || make_certificates
write_configuration
setsid "${BAO_BIN:-bao}" server -config="$DIR/bao.hcl" >log 2>&1 </dev/null &
PID=$!
echo $PID >pid
wait_for '200|429|501|503'

fresh=
if [ ! -f init.json ]; then
	fresh=1
	request -f -X PUT -d '{"secret_shares":1,"secret_threshold":1}' "$ADDRESS/v1/sys/init" >init.json
fi
UNSEAL_KEY=$(field keys <init.json)
TOKEN=$(field root_token <init.json)
if [ -f joined ]; then
	# a node that joins is sealed again and again until it has
	unseal
	wait_for '200|429' unseal
	. ./env
	ROLE_ID=$BAO_ROLE_ID
	SECRET_ID=$BAO_SECRET_ID
else
	unseal
	wait_for 200
	[ -z "$fresh" ] || set_up
	ROLE_ID=$(request -f -H "X-Vault-Token: $TOKEN" "$ADDRESS/v1/auth/approle/role/fc/role-id" | field role_id)
	SECRET_ID=$(post auth/approle/role/fc/secret-id '{}' | field secret_id)
fi
printf 'export %s\n' "BAO_PID=$PID" "BAO_ROOT_TOKEN=$TOKEN" "BAO_UNSEAL_KEY=$UNSEAL_KEY" "BAO_ROLE_ID=$ROLE_ID" \
	"BAO_SECRET_ID=$SECRET_ID" | tee env
