# shellcheck shell=bash
# test/bench/lib.sh: what the benchmarks share: a server, timing, medians.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# shellcheck disable=SC2034
ALL_CPUS=0-$(($(nproc) - 1))

say()
{
	echo "# $*" >&2
}

bench_sql()
{
	FC_PGUSER=bench FC_PGDATABASE=bench fc_psql "$DIR" "$@"
}

admin_sql()
{
	FC_PGDATABASE=bench fc_psql "$DIR" "$@"
}

# Milliseconds of a statement, as psql timed it.
timed()
{
	bench_sql -At -o /dev/null -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1
}

# Let the server, as far as it starts processes from now on, use these CPUs.
# One client and its backend on one CPU do not wait for an idle CPU to wake up,
# which on virtual machines costs more than the query and varies.
pin_server()
{
	fc_as_user taskset -cp "$1" "$(fc_as_user head -n 1 "$DIR/data/postmaster.pid")" >/dev/null
}

# Transactions per second of a pgbench run on the given CPUs.
pgbench_tps()
{
	local cpus=$1 script=$2 clients=$3
	shift 3

	pin_server "$cpus"
	fc_as_user taskset -c "$cpus" "$FC_BIN/pgbench" -n -h "$DIR" -U bench -M prepared -f "$script" -c "$clients" -j "$clients" \
		-T "$PGBENCH_SECONDS" "$@" bench 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p' | tail -n 1
}

record()
{
	echo "$2" >>"$RESULTS/$1"
}

# Median, lowest and highest of what was recorded; ratio of two medians.
median()
{
	sort -n "$RESULTS/$1" | awk '{ a[NR] = $1 } END { print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'
}

spread()
{
	sort -n "$RESULTS/$1" | awk -v f="${2:-%.0f}" 'NR == 1 { low = $1 } { high = $1 } END { printf f "-" f, low, high }'
}

ratio()
{
	awk -v a="$(median "$1")" -v b="$(median "$2")" 'BEGIN { printf "%.2f", a / b }'
}

# "1.02 (at most 1.15: yes)"
verdict()
{
	awk -v v="$1" -v word="$2" -v limit="$3" 'BEGIN {
		ok = word == "at most" ? v <= limit : v >= limit
		printf "%s (%s %s: %s)", v, word, limit, ok ? "yes" : "NO" }'
}

# Build, and start a server with a database `bench`; DIR and RESULTS are set.
bench_start()
{
	bash "$FC_ROOT/test/setup.sh" demo >&2 </dev/null
	fc_work_dir bench
	DIR=$FC_WORK/server
	RESULTS=$(mktemp -d)
	trap 'bench_finish $?' EXIT

	say "build and start"
	fc_copy_tree "$FC_WORK/src"
	fc_build_install "$FC_WORK/src" >&2 </dev/null
	fc_cluster_start "$DIR" "shared_buffers = '2GB'" "max_wal_size = '16GB'" "checkpoint_timeout = '1h'" \
		"autovacuum = off" "jit = off" "max_parallel_workers_per_gather = 0" "synchronous_commit = off"
	fc_psql "$DIR" -q -c 'CREATE DATABASE bench'
}

bench_finish()
{
	rm -rf "$RESULTS"
	fc_cleanup "$1"
}

# What the figures belong to.
machine()
{
	cat <<END
Machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1048576 }' /proc/meminfo) RAM,
Linux $(uname -r), PostgreSQL $(admin_sql -Atc 'SHOW server_version'), $(openssl version | cut -d' ' -f1,2).
END
}
