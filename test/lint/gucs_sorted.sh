#!/bin/bash
# gucs_sorted.sh: settings are defined in alphabetical order within each
# function, and README.md documents every one.
set -euo pipefail
cd "$(dirname "$0")/../.."
awk '
	/^}/ { last = "" }
	match($0, /^[ \t]*DefineCustom[A-Za-z]+Variable\("fieldcrypt\.[a-z0-9_]+"/) {
		name = substr($0, RSTART, RLENGTH)
		sub(/.*"fieldcrypt\./, "", name)
		sub(/"/, "", name)
		if (last != "" && name < last) {
			printf "%s:%d: %s stands after %s\n", FILENAME, FNR, name, last
			bad = 1
		}
		last = name
		found++
	}
	END {
		if (!found) { print "no settings found"; bad = 1 }
		exit bad
	}' src/pg/fc_guc.c
status=0
for name in $(sed -n 's/.*DefineCustom[A-Za-z]*Variable("fieldcrypt\.\([a-z0-9_]*\)".*/\1/p' src/pg/fc_guc.c); do
	grep -qF "\`$name\`" README.md || { echo "README.md does not document the setting $name"; status=1; }
done
exit $status
