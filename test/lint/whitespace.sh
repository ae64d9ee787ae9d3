#!/bin/bash
# whitespace.sh: no trailing white space, a newline at the end of every file,
# no CRLF, files of at most 800 lines in src/.
set -euo pipefail
cd "$(dirname "$0")/../.."
status=0
while IFS= read -r f; do
	if grep -nP '[ \t\r]+$' "$f" | sed "s|^|$f:|;s|\$|    <- white space at the end of the line|" | grep .; then
		status=1
	fi
	if [ -s "$f" ] && [ -n "$(tail -c 1 "$f")" ]; then
		echo "$f: no newline at the end"
		status=1
	fi
done < <(find Makefile README.md CHANGELOG.md SECURITY.md CONTRIBUTING.md fieldcrypt.control src sql docs test .ci -type f \
	\( -name '*.[ch]' -o -name '*.sql' -o -name '*.sh' -o -name '*.pl' -o -name '*.pm' -o -name '*.md' \
	-o -name '*.awk' -o -name '*.control' -o -name '*.in' -o -name '*.spec' -o -name Makefile -o -name run \) \
	-not -path '*/build/*' 2>/dev/null | sort)
while read -r lines f; do
	if [ "$f" != total ] && [ "$lines" -gt 800 ]; then
		echo "$f: $lines lines; split it (at most 800)"
		status=1
	fi
done < <(find src -name '*.[ch]' -not -name '*_table.[ch]' -exec wc -l {} +)
exit $status
