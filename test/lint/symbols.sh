#!/bin/bash
# symbols.sh: every symbol that the library exports carries our prefix, so
# that it cannot collide with another extension's.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ -f fieldcrypt.so ] || { echo "skip: fieldcrypt.so is not built"; exit 77; }
bad=$(nm -D --defined-only fieldcrypt.so | awk '{ print $NF }' |
	grep -vE '^(fc_[a-z0-9_]+|pg_finfo_fc_[a-z0-9_]+|_PG_init|Pg_magic_func)$' || true)
[ -z "$bad" ] || { printf '%s\n' "$bad" | sed 's/$/    <- exported without the prefix fc_/'; exit 1; }
