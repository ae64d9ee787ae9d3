#!/bin/bash
# test/run.sh: every test, on a fresh Debian 12 as root or with sudo.
#
# Installs what is missing (test/setup.sh), copies the work tree to a
# directory that an unprivileged user can read, builds and installs there,
# then runs the stages below.  Every stage's results are counted from what it
# printed; a stage that printed none, or that failed without saying which
# test, counts as one failure.  The last line is "N passed, N failed".
#
#   FUZZ_SECONDS=60   seconds per fuzz target
#   FC_STAGES="..."   only these stages, in this order
#   FC_KEEP=1         keep the work directory and its logs
set -uo pipefail
. "$(dirname "$0")/lib.sh"

STAGES=${FC_STAGES:-lint unit fuzz regress isolation tap clients versions}
FUZZ_SECONDS=${FUZZ_SECONDS:-60}
PASSED=0
FAILED=0
START=$SECONDS

# What a failed stage has to show.
show()
{
	local file=$1 lines=$2

	if [ -s "$file" ]; then
		echo "--- $(basename "$file"), last $lines lines"
		tail -n "$lines" "$file"
	fi
}

# The tests that failed, each with what was said about it.
failures()
{
	awk '
		/^not ok [0-9]+/ && !/# *TODO/ || /\.\.\. +FAILED/ { print; left = 15; next }
		/^ok [0-9]+|^test\// { left = 0 }
		/^#/ && left > 0 { print; left-- }' "$1"
}

# Run one stage: count what it printed, show why it failed.
stage()
{
	local name=$1 status=0 passed failed begin=$SECONDS log
	shift

	log=$LOGS/$name.log
	echo "=== $name"
	"$@" >"$log" 2>&1 </dev/null || status=$?
	read -r passed failed < <(fc_count "$log")
	if [ $((passed + failed)) = 0 ]; then
		echo "stage $name printed no result"
		failed=1
	elif [ "$status" != 0 ] && [ "$failed" = 0 ]; then
		echo "stage $name ended with status $status"
		failed=1
	fi
	if [ "$failed" != 0 ]; then
		failures "$log"
		case $name in
			regress) show "$SRC/regression.diffs" 150 ;;
			isolation) show "$SRC/output_iso/regression.diffs" 150 ;;
			*) ;;
		esac
		show "$log" 40
	fi
	echo "$name: $passed passed, $failed failed ($((SECONDS - begin)) s)"
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + failed))
}

# Something before the tests failed: nothing can be said about them.
give_up()
{
	echo "$1"
	show "$2" 80
	echo "0 passed, 1 failed"
	exit 1
}

user_make()
{
	fc_as_user env HOME="$FC_WORK" make --no-print-directory -C "$SRC" \
		PG_CONFIG="$FC_BIN/pg_config" FUZZ_SECONDS="$FUZZ_SECONDS" "$@"
}

# Verbose, so that every test prints its line; merged, so that what a test says
# about its failure follows it.
run_tap()
{
	user_make check-tap PG_PROVE_EXTRA='--verbose --merge'
}

fc_setup_log=$(mktemp)
echo "=== setup"
bash "$FC_ROOT/test/setup.sh" tests >"$fc_setup_log" 2>&1 </dev/null ||
	give_up "could not install what the tests need" "$fc_setup_log"
grep '^#' "$fc_setup_log" || true
rm -f "$fc_setup_log"

fc_work_dir test
SRC=$FC_WORK/src
LOGS=$(mktemp -d)
trap 'status=$?; rm -rf "$LOGS"; fc_cleanup $status' EXIT
fc_copy_tree "$SRC" || give_up "could not copy the work tree" /dev/null

echo "=== build"
fc_build_install "$SRC" >"$LOGS/build.log" 2>&1 </dev/null || give_up "the build failed" "$LOGS/build.log"

for s in $STAGES; do
	case $s in
		lint) stage lint user_make lint ;;
		unit) stage unit user_make check-unit ;;
		fuzz) stage fuzz user_make check-fuzz ;;
		regress) stage regress user_make check-regress ;;
		isolation) stage isolation user_make check-isolation ;;
		tap) stage tap run_tap ;;
		clients) stage clients env FC_INSTALLED=1 bash "$FC_ROOT/test/clients/run.sh" ;;
		versions) stage versions bash "$FC_ROOT/test/versions.sh" ;;
		*) give_up "there is no stage $s" /dev/null ;;
	esac
done

echo "total: $((SECONDS - START)) s"
echo "$PASSED passed, $FAILED failed"
[ "$FAILED" = 0 ]
