#!/bin/bash
# shell.sh: shellcheck on every shell script.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v shellcheck >/dev/null || { echo "skip: shellcheck is not installed"; exit 77; }
find test .ci -type f -not -path '*/build/*' 2>/dev/null | sort | while IFS= read -r f; do
	case $f in
		*.sh) printf '%s\0' "$f" ;;
		*.*) ;;
		*) if head -n 1 "$f" | grep -qE '^#!.*\b(ba)?sh\b'; then printf '%s\0' "$f"; fi ;;
	esac
done | xargs -0 shellcheck -S warning -x -e SC1091
