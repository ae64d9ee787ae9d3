# strip.pl FILE...: C text with comments and the insides of strings and
# character constants blanked, each line with "FILE:LINE:" before it, so that
# the other checks see code only.  With -c, line comments (//) are kept.
use strict;
use warnings;

my $keep = @ARGV && $ARGV[0] eq '-c' ? shift : '';

for my $file (@ARGV)
{
	open(my $fh, '<', $file) or die "$file: $!\n";
	my $text = do { local $/; <$fh> };
	close($fh);

	$text =~ s{(/\*.*?\*/)|("(?:\\.|[^"\\\n])*")|('(?:\\.|[^'\\\n])*')|(//[^\n]*)}
	  { defined $1 ? blank($1) : defined $2 ? '""' : defined $3 ? "''" : $keep ? $4 : '' }gse;

	my $n = 0;
	print "$file:", ++$n, ":$_\n" for split(/\n/, $text, -1);
}

sub blank
{
	my $s = shift;
	$s =~ s/[^\n]//g;
	return " $s";
}
