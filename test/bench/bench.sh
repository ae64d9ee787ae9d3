#!/bin/bash
# test/bench/bench.sh: speed and size, as Markdown on standard output.
#
# Everything is measured in one run on one server, the variants taking turns,
# and reported as medians and ratios: absolute times depend on the machine.
# pgcrypto's raw encrypt() and decrypt() with AES-256 (no authentication, no
# nonce, no key management) is what the ratios refer to; it reads and writes
# bytea and is spared the conversion to text.
#
#   ROWS=1000000  REPETITIONS=5  PGBENCH_SECONDS=3
set -euo pipefail
. "$(dirname "$0")/lib.sh"

ROWS=${ROWS:-1000000}
REPETITIONS=${REPETITIONS:-5}
PGBENCH_SECONDS=${PGBENCH_SECONDS:-3}
VARIANTS="plain pgcrypto suite1 suite2"
AES_KEY="'\\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'"

scan_query()
{
	case $1 in
		plain) echo "SELECT sum(octet_length(v)) FROM scan_plain" ;;
		pgcrypto) echo "SELECT sum(octet_length(decrypt(v, $AES_KEY, 'aes'))) FROM scan_pgcrypto" ;;
		*) echo "SELECT sum(octet_length(v::text)) FROM scan_$1" ;;
	esac
}

insert_query()
{
	case $2 in
		pgcrypto) echo "INSERT INTO $1_pgcrypto SELECT id, encrypt(vb, $AES_KEY, 'aes') FROM src" ;;
		*) echo "INSERT INTO $1_$2 SELECT id, v FROM src" ;;
	esac
}

point_query()
{
	echo '\set id random(1, '"$ROWS"')'
	case $1 in
		pgcrypto) echo "SELECT decrypt(v, $AES_KEY, 'aes') FROM scan_pgcrypto WHERE id = :id;" ;;
		*) echo "SELECT v FROM scan_$1 WHERE id = :id;" ;;
	esac
}

bench_start
say "load $ROWS rows"
admin_sql -q -o /dev/null -v rows="$ROWS" <"$FC_ROOT/test/bench/setup.sql"
for v in $VARIANTS; do
	bench_sql -q -c "$(insert_query scan "$v")" -c "ALTER TABLE scan_$v ADD PRIMARY KEY (id)"
done
admin_sql -q -c 'VACUUM ANALYZE' -c CHECKPOINT
calls_begin=$(admin_sql -Atc 'SELECT coalesce(sum(kms_calls), 0) FROM fieldcrypt.cache')
time_begin=$SECONDS

say "scans"
for rep in $(seq 0 "$REPETITIONS"); do
	for v in $VARIANTS; do
		t=$(timed "$(scan_query "$v")")
		[ "$rep" = 0 ] || record "scan_$v" "$t"		# the first round warms up
	done
done

say "inserts"
for rep in $(seq 0 "$REPETITIONS"); do
	for v in $VARIANTS; do
		bench_sql -q -c "TRUNCATE ins_$v"
		t=$(timed "$(insert_query ins "$v")")
		[ "$rep" = 0 ] || record "insert_$v" "$t"
	done
	admin_sql -q -c CHECKPOINT
done

say "two connections"
for rep in $(seq 1 "$REPETITIONS"); do
	for v in $VARIANTS; do
		query=$(scan_query "$v")
		for n in 1 2; do
			begin=$(date +%s%N)
			pids=()
			for _ in $(seq 1 $n); do
				bench_sql -At -o /dev/null -c "$query" -c "$query" &
				pids+=($!)
			done
			for pid in "${pids[@]}"; do
				wait "$pid"
			done
			record "conn${n}_$v" $((($(date +%s%N) - begin) / 1000000))
		done
	done
done

say "point reads"
for v in $VARIANTS; do
	point_query "$v" | fc_as_user tee "$FC_WORK/point_$v.sql" >/dev/null
done
for rep in $(seq 1 "$REPETITIONS"); do
	# One client is mostly waiting for a CPU to wake up, and how long that takes
	# changes from second to second: many short runs, in turns.
	for _ in 1 2 3 4 5 6 7 8; do
		for v in $VARIANTS; do
			record "point1_$v" "$(PGBENCH_SECONDS=1 pgbench_tps "$ALL_CPUS" "$FC_WORK/point_$v.sql" 1)"
		done
	done
	for v in $VARIANTS; do
		record "pointcpu_$v" "$(pgbench_tps 0 "$FC_WORK/point_$v.sql" 1)"
		record "point2_$v" "$(pgbench_tps "$ALL_CPUS" "$FC_WORK/point_$v.sql" 2)"
	done
done
say "a new connection for every read"
connects=$(pgbench_tps "$ALL_CPUS" "$FC_WORK/point_suite1.sql" 8 -C)
calls_end=$(admin_sql -Atc 'SELECT coalesce(sum(kms_calls), 0) FROM fieldcrypt.cache')
elapsed=$((SECONDS - time_begin))
keys=$(admin_sql -Atc "SELECT count(*) FROM fieldcrypt.cache")
refresh=$(admin_sql -Atc "SELECT setting FROM pg_settings WHERE name = 'fieldcrypt.cache_refresh'")
calls=$((calls_end - calls_begin))
allowed=$((keys * (elapsed / refresh + 1)))

overhead()
{
	# less one byte: the length word of a short value
	bench_sql -Atc "SELECT string_agg(DISTINCT (pg_column_size(e.v) - 1 - octet_length(s.v))::text, ', ')
		FROM scan_$1 e JOIN src s USING (id) WHERE e.id <= 10000"
}

cat <<END
$(machine)
$ROWS values, $(bench_sql -Atc 'SELECT round(avg(octet_length(v)), 1) FROM src') bytes on average; medians of $REPETITIONS, variants taking turns; JIT and parallel query off.

| | plain text | pgcrypto raw | suite 1 | suite 2 |
|---|---|---|---|---|
END
row()
{
	local title=$1 name=$2 v

	printf '| %s' "$title"
	for v in $VARIANTS; do
		printf ' | %.0f [%s]' "$(median "${name}_$v")" "$(spread "${name}_$v")"
	done
	printf ' |\n'
}
row "full scan that decrypts every row, ms" scan
row "INSERT ... SELECT, ms" insert
row "two full scans in one connection, ms" conn1
row "two full scans in each of two connections, ms" conn2
row "point reads per second, 1 client" point1
row "point reads per second, 1 client, all on one CPU" pointcpu
row "point reads per second, 2 clients" point2
printf '| table size, MB'
for v in $VARIANTS; do
	printf ' | %s' "$(bench_sql -Atc "SELECT round(pg_table_size('scan_$v') / 1048576.0, 1)")"
done
printf ' |\n\n'

two()
{
	awk -v one="$(median "conn1_$1")" -v two="$(median "conn2_$1")" 'BEGIN { printf "%.2f", 2 * one / two }'
}
cat <<END
| ratio | suite 1 | suite 2 |
|---|---|---|
| full scan, to pgcrypto raw | $(verdict "$(ratio scan_suite1 scan_pgcrypto)" "at most" 1.15) | $(verdict "$(ratio scan_suite2 scan_pgcrypto)" "at most" 0.6) |
| INSERT ... SELECT, to pgcrypto raw | $(verdict "$(ratio insert_suite1 insert_pgcrypto)" "at most" 1.25) | $(verdict "$(ratio insert_suite2 insert_pgcrypto)" "at most" 0.9) |
| point reads, 1 client, to plain text | $(verdict "$(ratio point1_suite1 point1_plain)" "at least" 0.95) | $(verdict "$(ratio point1_suite2 point1_plain)" "at least" 0.95) |
| point reads, 1 client, all on one CPU, to plain text (pgcrypto: $(ratio pointcpu_pgcrypto pointcpu_plain)) | $(ratio pointcpu_suite1 pointcpu_plain) | $(ratio pointcpu_suite2 pointcpu_plain) |
| point reads, 2 clients, to plain text | $(ratio point2_suite1 point2_plain) | $(ratio point2_suite2 point2_plain) |
| throughput of two connections to one (plain text: $(two plain)) | $(verdict "$(two suite1)" "at least" 1.9) | $(verdict "$(two suite2)" "at least" 1.9) |
| bytes over the text | $(verdict "$(overhead suite1)" "at most" 78) | $(verdict "$(overhead suite2)" "at most" 50) |

Provider calls: $calls in $elapsed s for $keys cached keys with a refresh interval of $refresh s (at most $allowed: $([ "$calls" -le "$allowed" ] && echo yes || echo NO)),
with $(printf '%.0f' "$connects") new connections a second at the end.
END
