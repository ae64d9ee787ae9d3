#!/bin/bash
# format.sh: are the sources laid out as .clang-format says?
#
# Compared are logical lines: where each statement, declaration and brace
# stands and how far it is indented.  Alignment inside a line and the breaking
# of long expressions are free, because clang-format cannot express
# PostgreSQL's.  Needs clang-format 14, whose output other versions change.
set -euo pipefail
cd "$(dirname "$0")/../.."
formatter=$(command -v clang-format-14) || { echo "skip: clang-format-14 is not installed"; exit 77; }
status=0

logical()
{
	perl -ne '
		BEGIN { our ($text, $indent, $quiet, $out) = ("", "", 0, "") }
		chomp;
		if (/^\s*#/ || $quiet) { $quiet = /\\$/; next }	# macros: free
		next if /^\s*$/;
		my ($lead, $body) = /^(\s*)(.*?)\s*$/;
		$indent = $lead if $text eq "";
		(my $bare = $body) =~ s/[ \t]+//g;
		$text .= $bare;
		if ($body =~ m{[;{}]$|\*/$|^case\b.*:$|^\w+:$})
		{
			$out .= "$indent$text\n";
			$text = "";
		}
		END
		{
			$out .= "$indent$text\n" if $text ne "";
			$out =~ s/\n[ \t]*\};/};/g;	# the end of an initialiser
			print $out;
		}'
}

for file in $(find src test/unit test/fuzz -name '*.[ch]' -not -path '*/build/*' -not -name '*_lower.h' 2>/dev/null | sort); do
	if ! difference=$(diff <(logical <"$file") <("$formatter" --style=file "$file" | logical)); then
		printf '%s\n' "$difference" | sed "s|^|$file: |"
		status=1
	fi
done
[ $status = 0 ] || echo "(< as it stands, > as it should be; white space inside lines left out)"
exit $status
