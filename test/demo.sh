#!/bin/bash
# test/demo.sh: what fieldcrypt does, shown on a throw-away cluster.
#
# For a Debian 12, as root or with sudo.  Installs PostgreSQL 15 and a
# compiler if they are missing, builds the extension, starts a server of its
# own (no TCP, socket and data in a temporary directory) with the provider
# `local`, and removes everything again but the packages.  Every step ends
# with a line that says what it showed; a claim that does not hold makes the
# exit status 1.
#
#   FC_KEEP=1   keep the clusters' directory
set -euo pipefail
. "$(dirname "$0")/lib.sh"

ROWS=5000
STEP=0
FALSE_CLAIMS=0
START=$SECONDS

step()
{
	STEP=$((STEP + 1))
	printf '\n--- %d. %s\n' "$STEP" "$1"
}

# shown TEXT CONDITION...: say what was shown, if the condition holds.
shown()
{
	local text=$1
	shift

	if "$@"; then
		echo "=> shown: $text"
	else
		echo "=> NOT TRUE: $text"
		FALSE_CLAIMS=$((FALSE_CLAIMS + 1))
	fi
}

contains()
{
	case $1 in *"$2"*) return 0 ;; *) return 1 ;; esac
}

lacks()
{
	! contains "$1" "$2"
}

# sql ROLE DIR [psql options]: as a role that logs in itself.
sql()
{
	local role=$1 dir=$2
	shift 2

	FC_PGUSER=$role FC_PGDATABASE=clinic fc_psql "$dir" "$@"
}

echo "fieldcrypt demonstration"
bash "$FC_ROOT/test/setup.sh" demo </dev/null
fc_work_dir demo
A=$FC_WORK/a
B=$FC_WORK/b

SHAREDIR=$("$FC_BIN/pg_config" --sharedir)
HAD_FIELDCRYPT=$(ls "$SHAREDIR/extension/fieldcrypt.control" 2>/dev/null || true)
# Take the extension out again unless it was installed before.
finish()
{
	if [ -z "$HAD_FIELDCRYPT" ] && [ -d "$FC_WORK/src" ]; then
		fc_as_root make -s -C "$FC_WORK/src" uninstall PG_CONFIG="$FC_BIN/pg_config" >/dev/null 2>&1 || true
	fi
	fc_cleanup "$1"
}
trap 'finish $?' EXIT

step "Build, install, start a server"
fc_copy_tree "$FC_WORK/src"
fc_build_install "$FC_WORK/src" >"$FC_WORK.log" 2>&1 </dev/null ||
	{ cat "$FC_WORK.log"; rm -f "$FC_WORK.log"; fc_die "the build failed"; }
rm -f "$FC_WORK.log"
fc_cluster_start "$A"
echo "Provider file (outside the data directory; the key file it names has mode 0600):"
fc_as_user sed 's/^/    /' "$A/kms/fieldcrypt_kms.conf"
fc_psql "$A" -q -c 'CREATE DATABASE clinic'
shown "PostgreSQL $(fc_psql "$A" -Atc 'SHOW server_version') runs with fieldcrypt preloaded" \
	test "$(fc_psql "$A" -Atc 'SHOW shared_preload_libraries')" = fieldcrypt

step "One key, two roles, one table"
sql postgres "$A" -q -e -At <<'END'
CREATE EXTENSION fieldcrypt;
SELECT fieldcrypt.create_key('pii');
CREATE ROLE app LOGIN;
CREATE ROLE reporting LOGIN;
SELECT fieldcrypt.grant_key('pii', 'app', 'decrypt');
CREATE TABLE patient (
    id    bigint PRIMARY KEY,
    name  encrypted_text('pii') NOT NULL,
    ssn   encrypted_text('pii', 'searchable') NOT NULL,
    phone encrypted_text('pii'),
    city  text);
GRANT SELECT, INSERT ON patient TO app;
GRANT SELECT ON patient TO reporting;
END
shown "three columns of patient are encrypted under the key pii" \
	test "$(sql postgres "$A" -Atc "SELECT count(*) FROM fieldcrypt.encrypted_columns WHERE relation = 'patient'::regclass AND key = 'pii'")" = 3

step "$ROWS rows, inserted by the role app with ordinary SQL"
sql app "$A" -q -v rows="$ROWS" <<'END'
INSERT INTO patient
SELECT i,
       (ARRAY['Mary','James','Patricia','Robert','Jennifer','John','Linda','Michael','Elizabeth','David',
              'Barbara','William','Susan','Richard','Jessica','Joseph','Karen','Thomas','Sarah','Aaliyah'])[1 + (i * 7919) % 20]
       || ' ' ||
       (ARRAY['Smith','Johnson','Williams','Brown','Jones','Garcia','Miller','Davis','Rodriguez','Martinez',
              'Hernandez','Lopez','Gonzalez','Wilson','Anderson','Thomas','Taylor','Moore','Jackson','Nguyen',
              'O''Brien','Müller','Petrović'])[1 + (i * 104729) % 23],
       format('%s-%s-%s', lpad((100 + (i * 31) % 565)::text, 3, '0'),
              lpad((1 + (i / 9000) % 99)::text, 2, '0'), lpad((i % 9000 + 1)::text, 4, '0')),
       CASE WHEN i % 10 <> 0 THEN format('+1-555-%s-%s', lpad((i * 13 % 1000)::text, 3, '0'), lpad((i * 37 % 10000)::text, 4, '0')) END,
       (ARRAY['Springfield','Riverside','Franklin','Greenville','Bristol','Clinton'])[1 + i % 6]
  FROM generate_series(2, :rows) AS i;
END
# Values that stand nowhere else, to be looked for on disk later.
# shellcheck disable=SC2016
sql app "$A" -q <<'END'
PREPARE one (bigint, text, text, text, text) AS INSERT INTO patient VALUES ($1, $2, $3, $4, $5);
EXECUTE one (1, 'Ada Lovelace', '078-05-1120', NULL, 'Marylebone');
END
n=$(sql app "$A" -Atc 'SELECT count(*) FROM patient')
shown "$n rows, encrypted as they were written; a NULL stays NULL in $(sql app "$A" -Atc 'SELECT count(*) FROM patient WHERE phone IS NULL') of them" \
	test "$n" = "$ROWS"

step "Read by app, which holds decrypt on the key"
out=$(sql app "$A" -c 'SELECT id, name, ssn, phone, city FROM patient WHERE id <= 3 ORDER BY id')
echo "$out"
shown "app sees text, by an unchanged SELECT" contains "$out" "Ada Lovelace"

step "Read by reporting, which may SELECT but holds nothing on the key"
out=$(sql reporting "$A" -v VERBOSITY=verbose -c 'SELECT id, name FROM patient WHERE id = 1' 2>&1) || true
echo "$out" | grep -v '^LOCATION'
shown "the statement fails with SQLSTATE 42501 and shows nothing" contains "$out" 42501
out=$(sql reporting "$A" -Atc 'SELECT city, count(*) FROM patient GROUP BY 1 ORDER BY 2 DESC LIMIT 1')
shown "the columns that are not encrypted stay readable ($out)" lacks "$out" ERROR

step "Read by the superuser"
out=$(sql postgres "$A" -Atc 'SELECT name FROM patient WHERE id = 1')
echo "$out"
shown "the superuser's session shows the ciphertext, in its text form" contains "$out" "fieldcrypt:1:"

step "Search by the blind index"
sql postgres "$A" -q -e -c 'CREATE UNIQUE INDEX patient_ssn ON patient (ssn)' -c 'ANALYZE patient'
query="SELECT id, name FROM patient WHERE ssn = '078-05-1120'"
plan=$(sql app "$A" -Atc "EXPLAIN (COSTS OFF) $query")
echo "$query;"
echo "$plan" | sed 's/^/    /'
out=$(sql app "$A" -Atc "$query")
echo "$out"
shown "the one row is found through the index, without opening any other value" \
	test "$out" = "1|Ada Lovelace" -a "$(contains "$plan" patient_ssn && echo yes)" = yes
out=$(sql app "$A" -Atc "SELECT count(*) FROM patient WHERE name LIKE 'Ada%'; SELECT name FROM patient ORDER BY name LIMIT 1")
echo "$out"
shown "LIKE finds the one Ada, ORDER BY starts with the first name of the alphabet" \
	test "$(echo "$out" | tr '\n' '|')" = "1|Aaliyah Anderson|"
out=$(sql app "$A" -v VERBOSITY=verbose -c "INSERT INTO patient VALUES (0, 'Somebody Else', '078-05-1120')" 2>&1) || true
echo "$out" | grep -v -e '^LOCATION' -e '^SCHEMA' -e '^TABLE' -e '^CONSTRAINT' || true
shown "the same number is refused a second time (23505), and the error does not repeat it" \
	test "$(contains "$out" 23505 && lacks "${out%%INSERT*}" 078-05-1120 && echo yes)" = yes

step "Rotate the key and rewrap"
sql postgres "$A" -q -e -c "CALL fieldcrypt.rotate_key('pii')"
sql app "$A" -q -c "INSERT INTO patient SELECT 1000000 + i, 'New Patient ' || i, '900-00-' || lpad(i::text, 4, '0'), NULL, 'Bristol' FROM generate_series(1, 100) i"
sql postgres "$A" -c 'SELECT (fieldcrypt.value_info(name)).version, count(*) FROM patient GROUP BY 1 ORDER BY 1'
out=$(sql postgres "$A" -Atc 'SELECT (fieldcrypt.value_info(name)).version, count(*) FROM patient GROUP BY 1 ORDER BY 1' | tr '\n' ' ')
shown "new rows stand under version 2, the others still under version 1" test "$out" = "1|$ROWS 2|100 "
out=$(sql app "$A" -Atc "SELECT count(*) FROM patient WHERE length(name::text) > 3 AND ssn::text ~ '^[0-9]{3}-[0-9]{2}-[0-9]{4}\$'")
shown "all $out values of both versions decrypt" test "$out" = $((ROWS + 100))
sql postgres "$A" -q -e -c "CALL fieldcrypt.rewrap_key('pii')" -c "CALL fieldcrypt.destroy_version('pii', 1)"
out=$(sql postgres "$A" -Atc "SELECT count(*) FROM fieldcrypt.key_usage('pii') WHERE version = 1")
shown "rewrapped in batches, without decrypting: no value stands under version 1, which is destroyed" test "$out" = 0
out=$(sql app "$A" -Atc "SELECT count(*) FROM patient WHERE length(name::text) > 3 AND ssn::text ~ '^[0-9]{3}-[0-9]{2}-[0-9]{4}\$'")
shown "all $out values still decrypt" test "$out" = $((ROWS + 100))

step "Dump, and restore into another cluster"
fingerprint="SELECT md5(string_agg(id || name::text || ssn::text || coalesce(phone::text, '-'), '|' ORDER BY id)) FROM patient"
fc_as_user "$FC_BIN/pg_dump" -h "$A" -U postgres -f "$FC_WORK/clinic.sql" clinic
fc_as_user mkdir -p "$B"
fc_as_user cp -R "$A/kms" "$B/kms"
fc_as_user sed -i "s|$A/|$B/|" "$B/kms/fieldcrypt_kms.conf"
before=$(sql app "$A" -Atc "$fingerprint")
fc_cluster_start "$B"
fc_psql "$B" -q -c 'CREATE ROLE app LOGIN' -c 'CREATE ROLE reporting LOGIN' -c 'CREATE DATABASE clinic'
sql postgres "$B" -q -o /dev/null -f - < <(fc_as_user cat "$FC_WORK/clinic.sql")
after=$(sql app "$B" -Atc "$fingerprint")
fc_as_user grep -m 1 -A 1 '^COPY public.patient' "$FC_WORK/clinic.sql" | cut -c 1-100
dumped=$(fc_as_user grep -c -e Lovelace -e 078-05-1120 "$FC_WORK/clinic.sql" || true)
shown "the dump holds ciphertext only ($dumped lines with the planted name or number)" test "$dumped" = 0
shown "restored by psql -f with no setting, every value decrypts there for app, which holds the same provider key" \
	test "$after" = "$before" -a -n "$before"
out=$(sql reporting "$B" -v VERBOSITY=verbose -Atc 'SELECT name FROM patient WHERE id = 1' 2>&1) || true
shown "grants came with the dump: reporting is refused there too" contains "$out" 42501

step "The bytes on disk"
armour=$(sql postgres "$A" -Atc 'SELECT name FROM patient WHERE id = 1')
bytes=$(printf %s "${armour#fieldcrypt:1:}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
echo "the value of name in row 1, $((${#bytes} / 2)) bytes for 12 characters:"
echo "    suite ${bytes:0:2}, flags ${bytes:2:2}, key ${bytes:4:12}, version ${bytes:16:4}"
echo "    data key, wrapped by the master key  ${bytes:20:80}"
echo "    nonce ${bytes:100:24}"
echo "    ciphertext and GCM tag  ${bytes:124}"
shown "a value is its text plus 78 bytes" test $((${#bytes} / 2)) = 90
for dir in "$A" "$B"; do
	fc_psql "$dir" -q -c CHECKPOINT
	fc_cluster_stop "$dir"
done
hits()
{
	fc_as_user grep -rlaF -- "$1" "$A/data" "$B/data" | wc -l || true
}
control=$(hits Marylebone)
echo "files in the two data directories, WAL included, that contain"
echo "    Marylebone (the city, not encrypted): $control"
echo "    Lovelace: $(hits Lovelace)"
echo "    078-05-1120: $(hits 078-05-1120)"
shown "nothing of the planted name and number is on disk (the city is: the search works)" \
	test "$control" -gt 0 -a "$(hits Lovelace)" = 0 -a "$(hits 078-05-1120)" = 0
key=$(fc_as_user cat "$A/kms/local.key")
shown "nor is the provider's key" test "$(hits "$key")" = 0

printf '\n%d steps in %d seconds, %d claims not true\n' "$STEP" "$((SECONDS - START))" "$FALSE_CLAIMS"
[ "$FALSE_CLAIMS" = 0 ]
