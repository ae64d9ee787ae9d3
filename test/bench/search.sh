#!/bin/bash
# test/bench/search.sh: searching, joining and sorting encrypted columns against
# text, as Markdown on standard output.
#
# As bench.sh: one run, the variants taking turns, medians and ratios.
#
#   ROWS=1000000  REPETITIONS=5  PGBENCH_SECONDS=3
set -euo pipefail
. "$(dirname "$0")/lib.sh"

ROWS=${ROWS:-1000000}
REPETITIONS=${REPETITIONS:-5}
PGBENCH_SECONDS=${PGBENCH_SECONDS:-3}

lookup_query()
{
	echo '\set id random(1, '"$ROWS"')'
	echo "SELECT $2 FROM find_$1 WHERE v = 'user' || :id::int || '@mail' || :id::int % 97 || '.example.org';"
}

join_query()
{
	echo "SELECT count(*) FROM find_$1 a JOIN join_$1 b ON a.v = b.v"
}

# Of the tables without an index.
sort_query()
{
	echo "SET work_mem = '$2'; SELECT count(*) FROM (SELECT v FROM join_$1 ORDER BY v OFFSET 0) s"
}

# Milliseconds of the last statement.
last_timed()
{
	bench_sql -At -o /dev/null -c '\timing on' -c "${1%%;*}" -c "${1#*;}" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1
}

# Percentage of updates that are HOT.
hot_updates()
{
	bench_sql -qAt -c "BEGIN" -c "UPDATE $1 SET note = 'y'$2 WHERE id % 10 = 0" \
		-c "SELECT round(100.0 * pg_stat_get_xact_tuples_hot_updated('$1'::regclass) / nullif(pg_stat_get_xact_tuples_updated('$1'::regclass), 0))" -c COMMIT
}

bench_start
say "load $ROWS rows"
admin_sql -q -o /dev/null <<'END'
CREATE EXTENSION fieldcrypt;
CREATE ROLE bench LOGIN;
GRANT CREATE ON SCHEMA public TO bench;
SELECT fieldcrypt.create_key('bench');
SELECT fieldcrypt.grant_key('bench', 'bench', 'decrypt');
END
bench_sql -q -v rows="$ROWS" <"$FC_ROOT/test/bench/search.sql"
admin_sql -q -c 'VACUUM ANALYZE' -c CHECKPOINT

say "lookups"
for v in text enc; do
	lookup_query $v id | fc_as_user tee "$FC_WORK/find_$v.sql" >/dev/null
	lookup_query $v v | fc_as_user tee "$FC_WORK/read_$v.sql" >/dev/null
done
for _ in $(seq 1 "$REPETITIONS"); do
	for kind in find read; do
		for v in text enc; do
			record "${kind}1_$v" "$(pgbench_tps "$ALL_CPUS" "$FC_WORK/${kind}_$v.sql" 1)"
			record "${kind}cpu_$v" "$(pgbench_tps 0 "$FC_WORK/${kind}_$v.sql" 1)"
		done
	done
done
pin_server "$ALL_CPUS"

say "joins"
for rep in $(seq 0 "$REPETITIONS"); do
	for v in text enc; do
		t=$(last_timed "SET work_mem = '256MB'; $(join_query $v)")
		[ "$rep" = 0 ] || record "join_$v" "$t"
	done
done
plan=$(bench_sql -At -c "EXPLAIN (COSTS OFF) SELECT count(*) FROM find_enc a JOIN join_text b ON a.v = b.v")
mixed=$(echo "$plan" | sed -n 's/^.*->  *\(Hash Join\|Merge Join\|Nested Loop\).*/\1/p' | head -n 1)

say "sorts"
for rep in $(seq 0 "$REPETITIONS"); do
	t=$(timed "SELECT sum(octet_length(v::text)) FROM join_enc")
	[ "$rep" = 0 ] || record scan_enc "$t"
	for mem in 4MB 256MB; do
		for v in text enc; do
			t=$(last_timed "$(sort_query $v $mem)")
			[ "$rep" = 0 ] || record "sort${mem}_$v" "$t"
		done
	done
done

# An encrypted sort to scan and plain sort together.
sort_ratio()
{
	awk -v e="$(median "sort$1_enc")" -v s="$(median scan_enc)" -v p="$(median "sort$1_text")" \
		'BEGIN { printf "%.2f", e / (s + p) }'
}

index_bytes()
{
	bench_sql -At -c "SELECT pg_relation_size('$1')"
}

row()
{
	printf '| %s | %.0f [%s] | %.0f [%s] | %s |\n' "$1" "$(median "$2_text")" "$(spread "$2_text")" \
		"$(median "$2_enc")" "$(spread "$2_enc")" "$3"
}

cat <<END
$(machine)
$ROWS values, $(bench_sql -Atc 'SELECT round(avg(octet_length(v)), 1) FROM find_text') bytes on average, suite 1; medians of $REPETITIONS, variants taking turns; JIT and parallel query off.

| | text | encrypted | ratio |
|---|---|---|---|
END
row "lookups per second by an index on the value, 1 client" find1 "$(verdict "$(ratio find1_enc find1_text)" "at least" 0.9)"
row "the same, all on one CPU" findcpu "$(ratio findcpu_enc findcpu_text)"
row "lookups that read the value, 1 client" read1 "$(ratio read1_enc read1_text)"
row "the same, all on one CPU" readcpu "$(ratio readcpu_enc readcpu_text)"
row "join of two tables on the value, ms" join "$(verdict "$(ratio join_enc join_text)" "at most" 1.5)"
for mem in 4MB 256MB; do
	row "ORDER BY, work_mem $mem, ms" "sort$mem" "$(verdict "$(sort_ratio $mem)" "at most" 1.5) of the scan ($(printf '%.0f' "$(median scan_enc)") ms) and the plain sort"
done
cat <<END
| index, MB, text's against blind index | $(($(index_bytes find_text_v) / 1048576)) | $(($(index_bytes find_enc_v) / 1048576)) | $(verdict "$(awk -v a="$(index_bytes find_enc_v)" -v b="$(index_bytes ids_id)" 'BEGIN { printf "%.2f", a / b }')" "at most" 1.3) of one on uuid |
| HOT updates that leave the value alone, % | | $(hot_updates hot '') | tag in a generated column; $(hot_updates cold '') with an index on the expression |
| HOT updates that write the same text again, % | | $(hot_updates hot ', v = v::text') | tag in a generated column; $(hot_updates cold ', v = v::text') with an index on the expression |

Join of an encrypted and a text column: $mixed.
END
