#!/bin/bash
# lint.sh: every static check, one TAP line each; what a check found follows
# its line.  README.md beside this file explains them.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
here=test/lint
number=0
failures=0

check()
{
	local name=$1 out status=0
	shift

	number=$((number + 1))
	out=$("$@" 2>&1) || status=$?
	if [ $status = 0 ]; then
		echo "ok $number - lint: $name"
	elif [ $status = 77 ]; then
		echo "ok $number - lint: $name # SKIP ${out#skip: }"
	else
		echo "not ok $number - lint: $name"
		printf '%s\n' "$out" | sed 's/^/#   /'
		failures=$((failures + 1))
	fi
}

layers()
{
	find src -name '*.[ch]' -print0 | sort -z | xargs -0 awk -f $here/check_layers.awk $here/layers.txt
}

check layers layers
check banned bash $here/banned.sh
check symbols bash $here/symbols.sh
check tests_listed bash $here/tests_listed.sh
check gucs_sorted bash $here/gucs_sorted.sh
check sql_comments bash $here/sql_comments.sh
check ereport_codes bash $here/ereport_codes.sh
check format bash $here/format.sh
check shell bash $here/shell.sh
check whitespace bash $here/whitespace.sh
echo "1..$number"
[ $failures = 0 ]
