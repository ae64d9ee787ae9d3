#!/bin/bash
# tests_listed.sh: every test that exists is run, and every test that is
# listed exists.
set -euo pipefail
cd "$(dirname "$0")/../.."
status=0

complain()
{
	echo "$*"
	status=1
}

# The value of a variable of the Makefile, without make.
listed=" $(awk '/^REGRESS =/ { on = 1; sub(/^REGRESS =/, "") }
	on { more = /\\$/; sub(/\\$/, ""); printf "%s ", $0; if (!more) exit }' Makefile | tr -s '\t ' ' ') "

for f in sql/*.sql; do
	topic=$(basename "$f" .sql)
	case $topic in fieldcrypt--*) continue ;; esac
	case $listed in *" $topic "*) ;; *) complain "$f is not in REGRESS" ;; esac
	[ -f "expected/$topic.out" ] || complain "$f has no expected/$topic.out"
done
for topic in $listed; do
	[ -f "sql/$topic.sql" ] || complain "REGRESS names $topic, but there is no sql/$topic.sql"
done
for f in expected/*.out; do
	[ -e "$f" ] || continue
	topic=$(basename "$f" .out)
	[ -f "sql/$topic.sql" ] || [ -f "sql/${topic%_[0-9]}.sql" ] || complain "$f belongs to no test"
done

for f in test/isolation/specs/*.spec; do
	[ -e "$f" ] || { complain "there are no isolation specs"; break; }
	[ -f "test/isolation/expected/$(basename "$f" .spec).out" ] || complain "$f has no expected output"
done
for f in test/isolation/expected/*.out; do
	[ -e "$f" ] || continue
	spec=$(basename "$f" .out)
	[ -f "test/isolation/specs/$spec.spec" ] || [ -f "test/isolation/specs/${spec%_[0-9]}.spec" ] ||
		complain "$f belongs to no spec"
done

# TAP: the Makefile runs test/t/*.pl; anything that looks like a test but
# would be missed is an error.
ls test/t/*.pl >/dev/null 2>&1 || complain "there are no TAP tests"
while IFS= read -r f; do
	complain "$f is not run: TAP tests are test/t/NNN_topic.pl"
done < <(find test/t -name '*.t' -o -mindepth 2 -name '[0-9][0-9][0-9]_*.pl')
grep -q '^PROVE_TESTS = .*test/t/\*\.pl' Makefile || complain "PROVE_TESTS does not run test/t/*.pl"

# Unit tests are named in test/unit/Makefile, fuzz targets found or named by
# test/fuzz/run.sh.
ls test/unit/test_*.c >/dev/null 2>&1 || complain "there are no unit tests"
for f in test/unit/test_*.c test/unit/*.sh; do
	[ -e "$f" ] || continue
	name=$(basename "$f" .c)
	grep -qE "(^|[[:space:]])$name([[:space:]]|\$)" test/unit/Makefile || complain "$f is not in test/unit/Makefile"
done
ls test/fuzz/fuzz_*.c >/dev/null 2>&1 || complain "there are no fuzz targets"
for f in test/fuzz/fuzz_*.c; do
	[ -e "$f" ] || continue
	name=$(basename "$f" .c)
	grep -v '^#' test/fuzz/run.sh 2>/dev/null | grep -qE "(^|[^a-z_])(fuzz_)?${name#fuzz_}([^a-z_]|\$)" ||
		complain "$f is not run by test/fuzz/run.sh"
done
exit $status
