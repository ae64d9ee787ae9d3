#!/bin/bash
# banned.sh: calls and words that must not stand in the sources.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=test/lint
status=0
sources=$(find src test/unit test/fuzz -name '*.[ch]' -not -path '*/build/*' 2>/dev/null | sort)
product=$(find src -name '*.[ch]' | sort)

complain()
{
	if [ -n "$1" ]; then
		printf '%s\n' "$1" | sed "s|\$|    <- $2|"
		status=1
	fi
}

# shellcheck disable=SC2086
code=$(perl $here/strip.pl $product)
complain "$(grep -E '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|system|popen)[ 	]*\(' <<<"$code" || true)" \
	'banned call: use the bounded or PostgreSQL form'
complain "$(grep -E '\bPG_VERSION_NUM\b' <<<"$code" | grep -v '^src/pg/fc_compat\.h:' || true)" \
	'version conditionals live in fc_compat.h only'
# shellcheck disable=SC2086
complain "$(perl $here/strip.pl -c $sources | grep -E '^[^:]*:[0-9]*:.*//' || true)" \
	'line comment: use /* */'

while IFS=: read -r file count; do
	allowed=$(awk -F'\t' -v f="$file" '$1 == f && $3 != "" { print $2 }' $here/memcmp_allowed.txt)
	if [ "$count" -gt "${allowed:-0}" ]; then
		complain "$file: $count calls of memcmp, ${allowed:-0} allowed" \
			'secrets: fc_equal_ct; else add a line with the reason to memcmp_allowed.txt'
	fi
done < <(grep -E '\bmemcmp[ 	]*\(' <<<"$code" | cut -d: -f1 | uniq -c | awk '{ print $2 ":" $1 }')

# Words that mark unfinished work, in everything that is ours.
words='\b(TO''DO|FIX''ME|X''XX|HA''CK|T''BD|W''IP)\b|not (yet )?implem''ented|unimplem''ented'
complain "$(find Makefile src sql test docs README.md CHANGELOG.md SECURITY.md CONTRIBUTING.md -type f \
	\( -name '*.[ch]' -o -name '*.sql' -o -name '*.sh' -o -name '*.pl' -o -name '*.pm' -o -name '*.md' -o -name Makefile -o -name '*.awk' \) \
	-not -path '*/build/*' -not -path test/lib.sh -not -path test/run.sh -print0 | xargs -0 grep -nE "$words" || true)" 'unfinished: finish it or file an issue'
exit $status
