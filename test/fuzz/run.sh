#!/bin/sh
#
# Fuzz every target (fuzz_*.c) for SECONDS (default 60) each and print TAP.
#
#   test/fuzz/run.sh [SECONDS]
#
# FUZZ_CC names a clang with libFuzzer.  New inputs go to build/corpus, which
# is kept between runs; a crash leaves its input in build/.
#
set -u
cd "$(dirname "$0")" || exit 1

seconds=${1:-60}
cc=${FUZZ_CC:-}
if [ -z "$cc" ]; then
	for c in clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do
		if command -v "$c" >/dev/null 2>&1; then
			cc=$c
			break
		fi
	done
fi
if [ -z "$cc" ]; then
	echo "1..0 # SKIP no clang"
	exit 0
fi

src=../../src
flags="-std=gnu99 -Wall -Wextra -Werror -Wdeclaration-after-statement -Wmissing-prototypes -Wvla"
flags="$flags -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined"
flags="$flags -fno-sanitize-recover=all -I$src"
mkdir -p build

tests=0
status=0
for target in value armour text vault_answer vault_config; do
	tests=$((tests + 1))
	mkdir -p "build/corpus/$target"
	# shellcheck disable=SC2086
	if $cc $flags ${OPENSSL_CFLAGS:-} -o "build/fuzz_$target" "fuzz_$target.c" \
		"$src"/base/*.c "$src"/crypto/*.c "$src"/kms/fc_kms*.c ${OPENSSL_LIBS:--lssl -lcrypto} -ljansson \
		&& "build/fuzz_$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
			-print_final_stats=1 -artifact_prefix="build/$target-" \
			"build/corpus/$target" "corpus/$target" >"build/$target.log" 2>&1; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "build/$target.log")
		echo "ok $tests - fuzz_$target: $runs inputs in $seconds s"
	else
		tail -40 "build/$target.log" | sed 's/^/# /'
		echo "not ok $tests - fuzz_$target"
		status=1
	fi
done
echo "1..$tests"
exit $status
