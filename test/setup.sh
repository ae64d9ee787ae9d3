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

fc_packages "postgresql-$FC_PG_MAJOR" "postgresql-server-dev-$FC_PG_MAJOR" \
	gcc make libc6-dev libssl-dev openssl
if [ "$what" = tests ]; then
	# clang-14 and its run-time library: sanitizers and libFuzzer.
	# libipc-run-perl: TAP.  gdb: core files.  pip and mmdebstrap: the other
	# major versions.
	fc_packages clang-14 clang-format-14 libclang-rt-14-dev libipc-run-perl \
		gdb shellcheck binutils python3 mmdebstrap
	python3 -m pip --version >/dev/null 2>&1 || fc_packages python3-pip
fi
