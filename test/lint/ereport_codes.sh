#!/bin/bash
# ereport_codes.sh: every ereport that raises an error says its SQLSTATE.
set -euo pipefail
cd "$(dirname "$0")/../.."
find src -name '*.[ch]' -print0 | sort -z | xargs -0 perl -0777 -ne '
	my $text = $_;
	our $bad;
	$text =~ s{/\*.*?\*/}{ (my $c = $&) =~ s/[^\n]//g; $c }gse;
	while ($text =~ /\b(ereport|ereturn|errsave)\s*(?=\()/g)
	{
		my ($what, $start) = ($1, pos($text));
		my $line = 1 + (substr($text, 0, $start) =~ tr/\n//);
		next if $text =~ /#define [^\n]*\G/ && substr($text, 0, $start) =~ /#define[^\n]*$/;
		my ($depth, $i, $in) = (0, $start, "");
		for (; $i < length($text); $i++)
		{
			my $ch = substr($text, $i, 1);
			if ($in) { if ($ch eq "\\") { $i++ } elsif ($ch eq $in) { $in = "" } next }
			if ($ch eq "\"" || $ch eq "\x27") { $in = $ch; next }
			$depth++ if $ch eq "(";
			last if $ch eq ")" && --$depth == 0;
		}
		my $call = substr($text, $start, $i - $start);
		next if $what eq "ereport" && $call =~ /^\(\s*(LOG|LOG_SERVER_ONLY|DEBUG[1-5]|INFO|NOTICE|COMMERROR|WARNING)\b/;
		next if $call =~ /__VA_ARGS__/;
		next if $call =~ /\berrcode/;
		print "$ARGV:$line: $what without errcode\n";
		$bad = 1;
	}
	END { exit 1 if $bad }'
