#!/bin/bash
# test/openbao_down.sh DIR [-9]: stop the server that openbao_up.sh started in
# DIR; -9 kills it.  Its data stays.
set -euo pipefail
DIR=$(cd "${1:?usage: openbao_down.sh DIR [-9]}" && pwd)
SIGNAL=TERM
[ "${2:-}" != -9 ] || SIGNAL=KILL

[ -f "$DIR/pid" ] || exit 0
PID=$(cat "$DIR/pid")
rm -f "$DIR/pid"

# pids are used again: only if it is still the server of this directory
{ tr '\0' ' ' <"/proc/$PID/cmdline"; } 2>/dev/null | grep -qF -- "-config=$DIR/bao.hcl" || exit 0
kill -"$SIGNAL" "$PID"
for _ in $(seq 100); do
	kill -0 "$PID" 2>/dev/null || exit 0
	sleep 0.1
done
kill -KILL "$PID"
