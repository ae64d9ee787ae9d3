#!/bin/bash
# test/bench/rotation.sh: rotation under load and what a walk costs, as Markdown
# on standard output.
#
# First a table of ROWS values is rotated and rewrapped while pgbench reads and
# updates it.  Every read compares the value with its row, and every update
# counts in its row, so that a wrong value and a lost update are found; either,
# a failed statement or a value left behind ends the script with status 1.
# Then rewrap, re-encryption and the rotation of the index key take turns on
# tables of short and of 8 KB values, with an UPDATE of plain text as what it
# takes to write the bytes.  Times alone never fail the script.
#
#   ROWS=1000000  BIG_ROWS=10000  REPETITIONS=3  SEGMENT=4 (seconds of a pgbench run)
#   READERS=1  WRITERS=1  PAUSES="default 0ms"  (one walk of the big table for each)
set -euo pipefail
. "$(dirname "$0")/lib.sh"

ROWS=${ROWS:-1000000}
BIG_ROWS=${BIG_ROWS:-10000}
REPETITIONS=${REPETITIONS:-3}
SEGMENT=${SEGMENT:-4}
READERS=${READERS:-1}
WRITERS=${WRITERS:-1}
PAUSES=${PAUSES:-default 0ms}
KINDS="short incompressible compressible"
WALKS="update rewrap_key reencrypt_key rotate_index_key"
FAILED=0

check()
{
	local what=$1 got=$2 want=$3

	if [ "$got" = "$want" ]; then
		say "ok: $what"
	else
		say "FAILED: $what: $got instead of $want"
		FAILED=1
	fi
}

sql()
{
	FC_PGDATABASE=bench fc_psql "$DIR" -q -At "$@"
}

# Milliseconds of a statement, as psql timed it.
timed()
{
	sql -o /dev/null -c '\timing on' -c "$1" 2>/dev/null | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1
}

ratio_of()
{
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'
}

# ---- clients ----

# One pgbench run; its transactions per second go to the file, and what it did
# or failed to do to counts.SCRIPT, which all runs share.
segment()
{
	local script=$1 clients=$2 file=$3 log

	log=$(mktemp -p "$RESULTS")
	if ! fc_as_user "$FC_BIN/pgbench" -n -M prepared -h "$DIR" -U postgres -f "$FC_WORK/$script.sql" \
		-c "$clients" -j "$clients" -T "$SEGMENT" -D rows="$ROWS" bench >"$log" 2>&1; then
		echo aborted >>"$RESULTS/failed"
		tail -n 5 "$log" >&2
	fi
	sed -n 's/^number of failed transactions: \([1-9][0-9]*\).*/\1/p' "$log" >>"$RESULTS/failed"
	sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$log" >>"$RESULTS/counts.$script"
	sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$log" >>"$RESULTS/$file"
	rm -f "$log"
}

# Readers and writers side by side, each segment counted for PHASE.
clients()
{
	local phase=$1 writer

	segment update "$WRITERS" "update.$phase" &
	writer=$!
	segment read "$READERS" "read.$phase"
	wait "$writer"
}

mean()
{
	awk '{ sum += $1 } END { printf "%.0f", (NR ? sum / NR : 0) }' "$1"
}

usage()
{
	sql -c "SELECT string_agg(version || ':' || n, ' ' ORDER BY version) FROM
		(SELECT version, sum(\"values\") AS n FROM fieldcrypt.key_usage('$1') GROUP BY 1) u"
}

active()
{
	sql -c "SELECT version FROM fieldcrypt.key_status WHERE key = '$1' AND purpose = 'wrap' AND state = 'active'"
}

measure_clients()
{
	for _ in 1 2 3; do
		clients "$1.$2"
	done
}

# Rotate and rewrap the big table with clients, who are measured before and after too.
walk_with_clients()
{
	local pause=$1 phase=pause$1 option="" walk begin seconds

	[ "$pause" = default ] || option=", pause => '$pause'"
	say "clients alone, then with a walk (pause: $pause)"
	clients warm
	measure_clients before "$phase"
	# a segment that only the end of the walk reached is not counted
	: >"$RESULTS/read.during.$phase"
	begin=$(date +%s%N)
	sql -c "CALL fieldcrypt.rotate_key('load')" \
		-c "CALL fieldcrypt.rewrap_key('load'$option)" 2>"$RESULTS/walk.log" >&2 &
	walk=$!
	while kill -0 "$walk" 2>/dev/null; do
		clients segment
		kill -0 "$walk" 2>/dev/null || break
		tail -n 1 "$RESULTS/read.segment" >>"$RESULTS/read.during.$phase"
		tail -n 1 "$RESULTS/update.segment" >>"$RESULTS/update.during.$phase"
	done
	wait "$walk" || {
		cat "$RESULTS/walk.log" >&2
		check "the walk with pause $pause" failed completes
	}
	seconds=$((($(date +%s%N) - begin) / 1000000000))
	[ -s "$RESULTS/read.during.$phase" ] || fc_die "the walk ended within ${SEGMENT} s: use more ROWS"
	say "the walk took about $seconds s"
	measure_clients after "$phase"
	echo "$seconds" >"$RESULTS/seconds.$phase"
	check "values per version after the walk" "$(usage load)" "$(active load):$ROWS"
}

# ---- the cost of a value ----

# "update": what PostgreSQL takes to write as many bytes of plain text anew.
measure()
{
	local kind=$1 walk=$2 rows=$3 rep=$4 t

	case $walk in
		update) t=$(timed "UPDATE plain_$kind SET v = v || ''") ;;
		rotate_index_key) t=$(timed "CALL fieldcrypt.rotate_index_key('$kind', pause => '0')") ;;
		*)
			sql -c "CALL fieldcrypt.rotate_key('$kind')"
			t=$(timed "CALL fieldcrypt.$walk('$kind', pause => '0')")
			;;
	esac
	[ "$rep" = 0 ] || awk -v t="$t" -v n="$rows" 'BEGIN { printf "%.2f\n", t * 1000 / n }' >>"$RESULTS/$kind.$walk"
	sql -c "VACUUM $kind" -c "VACUUM plain_$kind" -c CHECKPOINT
}

rows_of()
{
	if [ "$1" = short ]; then
		echo $((BIG_ROWS * 10))
	else
		echo "$BIG_ROWS"
	fi
}

bash "$FC_ROOT/test/setup.sh" demo >&2 </dev/null
fc_work_dir rotation
DIR=$FC_WORK/server
RESULTS=$(mktemp -d)
trap 'bench_finish $?' EXIT

say "build and start"
fc_copy_tree "$FC_WORK/src"
fc_build_install "$FC_WORK/src" >&2 </dev/null
fc_cluster_start "$DIR" "shared_buffers = '2GB'" "max_wal_size = '16GB'" "checkpoint_timeout = '1h'" "autovacuum = off" "jit = off"
fc_psql "$DIR" -q -c 'CREATE DATABASE bench'

say "load $ROWS rows"
sql -c 'CREATE EXTENSION fieldcrypt' -c "SELECT fieldcrypt.create_key('load')" \
	-c "SELECT fieldcrypt.grant_key('load', 'public', 'decrypt')" \
	-c "CREATE TABLE load (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, v encrypted_text('load')) WITH (fillfactor = 80)" \
	-c "INSERT INTO load SELECT i, 0, 'value ' || i || ' 0' FROM generate_series(1, $ROWS) i" \
	-c 'VACUUM ANALYZE load' -c CHECKPOINT >/dev/null
# division by zero where a value is not that of its row
fc_as_user tee "$FC_WORK/read.sql" >/dev/null <<'END'
\set id random(1, :rows)
SELECT 1 / (v::text = 'value ' || id || ' ' || n)::int FROM load WHERE id = :id;
END
fc_as_user tee "$FC_WORK/update.sql" >/dev/null <<'END'
\set id random(1, :rows)
UPDATE load SET n = n + 1, v = 'value ' || id || ' ' || n + 1 WHERE id = :id;
END
: >"$RESULTS/failed"
for pause in $PAUSES; do
	walk_with_clients "$pause"
done
check "failed statements" "$(wc -l <"$RESULTS/failed")" 0
check "values that open and are those of their rows" \
	"$(sql -c "SELECT count(*) FROM load WHERE v::text = 'value ' || id || ' ' || n")" "$ROWS"
check "updates that are there" "$(sql -c 'SELECT sum(n) FROM load')" "$(awk '{ n += $1 } END { print n + 0 }' "$RESULTS/counts.update")"

say "the cost of a value"
for kind in $KINDS; do
	case $kind in
		short) text="'value ' || i" ;;
		compressible) text="i || repeat(' again', 8192 / 6)" ;;
		incompressible) text="(SELECT string_agg(md5(i || '-' || g), '') FROM generate_series(1, 256) g)" ;;
	esac
	sql -c "SELECT fieldcrypt.create_key('$kind')" -c "SELECT fieldcrypt.grant_key('$kind', 'public', 'decrypt')" \
		-c "CREATE TABLE $kind (id int PRIMARY KEY, v encrypted_text('$kind', 'searchable'))" \
		-c "INSERT INTO $kind SELECT i, $text FROM generate_series(1, $(rows_of "$kind")) i" \
		-c "CREATE TABLE copy_$kind AS SELECT id, md5(v::text) AS hash FROM $kind" \
		-c "CREATE TABLE plain_$kind (id int PRIMARY KEY, v text)" \
		-c "ALTER TABLE plain_$kind ALTER v SET STORAGE EXTERNAL" \
		-c "INSERT INTO plain_$kind SELECT id, v::text FROM $kind" \
		-c "VACUUM ANALYZE $kind" -c CHECKPOINT >/dev/null
done
for rep in $(seq 0 "$REPETITIONS"); do
	for kind in $KINDS; do
		for walk in $WALKS; do
			measure "$kind" "$walk" "$(rows_of "$kind")" "$rep"
		done
	done
done
for kind in $KINDS; do
	check "values per version of $kind" "$(usage "$kind")" "$(active "$kind"):$(rows_of "$kind")"
	check "values of $kind that are what they were" \
		"$(sql -c "SELECT count(*) FROM $kind JOIN copy_$kind USING (id) WHERE md5(v::text) = hash")" "$(rows_of "$kind")"
done

cat <<END
$(machine)
Load average at the end: $(cut -d' ' -f1-3 /proc/loadavg).
$ROWS values; clients: $READERS reading, $WRITERS updating; batches of 1000 rows.

| rotate_key + rewrap_key, pause | seconds | values per second | reads per second before | during | after | during to before | updates per second before | during | after |
|---|---|---|---|---|---|---|---|---|---|
END
for pause in $PAUSES; do
	phase=pause$pause
	before=$(mean "$RESULTS/read.before.$phase")
	during=$(mean "$RESULTS/read.during.$phase")
	seconds=$(cat "$RESULTS/seconds.$phase")
	echo "| $pause | $seconds | $((ROWS / (seconds > 0 ? seconds : 1))) | $before | $during | $(mean "$RESULTS/read.after.$phase") | $(verdict "$(ratio_of "$during" "$before")" "at least" 0.7) | $(mean "$RESULTS/update.before.$phase") | $(mean "$RESULTS/update.during.$phase") | $(mean "$RESULTS/update.after.$phase") |"
done
cat <<END

| microseconds a value, medians of $REPETITIONS | UPDATE of plain text | rewrap_key | reencrypt_key | rotate_index_key | re-encrypt to rewrap |
|---|---|---|---|---|---|
END
for kind in $KINDS; do
	case $kind in
		short) title="short values" ;;
		*) title="8 KB, $kind" ;;
	esac
	printf '| %s | ' "$title"
	for walk in $WALKS; do
		printf '%.1f | ' "$(median "$kind.$walk")"
	done
	r=$(ratio_of "$(median "$kind.reencrypt_key")" "$(median "$kind.rewrap_key")")
	if [ "$kind" = short ]; then
		echo "$r |"
	else
		echo "$(verdict "$r" "at least" 2) |"
	fi
done
exit "$FAILED"
