#!/bin/sh
# test/make_provider.sh DIR: a directory with a key file and a provider file
# that names it.  DIR must lie outside any data directory.  Keeps what exists.
set -eu
umask 077
dir=$1
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
[ -f "$dir/local.key" ] || od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >"$dir/local.key"
if [ ! -f "$dir/fieldcrypt_kms.conf" ]; then
	cat >"$dir/fieldcrypt_kms.conf" <<END
local.type = 'local'
local.file = '$dir/local.key'
END
fi
