#!/bin/bash
# sql_comments.sh: every object that an install script creates has a comment,
# and every SECURITY DEFINER routine sets search_path and is revoked from
# PUBLIC.
set -euo pipefail
cd "$(dirname "$0")/../.."
perl -0777 -ne '
	s/--[^\n]*//g;
	my (%made, %said, $bad);
	# OR REPLACE and argument lists do not matter: count by kind and name
	$made{"$1 $2"}++ while /^CREATE\s+(?:OR\s+REPLACE\s+)?(SCHEMA|TYPE|FUNCTION|PROCEDURE|AGGREGATE|VIEW|TABLE|EVENT TRIGGER|OPERATOR CLASS|OPERATOR FAMILY|OPERATOR)\s+([^\s(;]+)/gm;
	$said{"$1 $2"}++ while /^COMMENT\s+ON\s+(SCHEMA|TYPE|FUNCTION|PROCEDURE|AGGREGATE|VIEW|TABLE|EVENT TRIGGER|OPERATOR CLASS|OPERATOR FAMILY|OPERATOR)\s+([^\s(;]+)/gm;
	$made{"CAST ($1 AS $2)"}++ while /^CREATE\s+CAST\s*\(\s*(\S+)\s+AS\s+(\S+?)\s*\)/gm;
	$said{"CAST ($1 AS $2)"}++ while /^COMMENT\s+ON\s+CAST\s*\(\s*(\S+)\s+AS\s+(\S+?)\s*\)/gm;
	for my $object (sort keys %made)
	{
		my $n = $object =~ /^TYPE/ ? 1 : $made{$object};	# a type has a shell
		next if ($said{$object} // 0) >= $n;
		print "$ARGV: no COMMENT ON $object\n";
		$bad = 1;
	}
	while (/^CREATE\s+(FUNCTION|PROCEDURE)\s+([^\s(;]+)([^;]*);/gm)
	{
		my ($kind, $name, $body) = ($1, $2, $3);
		next unless $body =~ /SECURITY DEFINER/;
		if ($body !~ /SET search_path = pg_catalog, pg_temp/)
		{
			print "$ARGV: $name is SECURITY DEFINER without SET search_path = pg_catalog, pg_temp\n";
			$bad = 1;
		}
		if (!/^REVOKE ALL ON $kind \Q$name\E\(/m)
		{
			print "$ARGV: $name is SECURITY DEFINER and not revoked from PUBLIC\n";
			$bad = 1;
		}
	}
	exit 1 if $bad;' sql/fieldcrypt--*.sql
