# Runs the same statements on text and on the encrypted type and compares what
# came out.
#
# A block is some statements, run in a transaction that is rolled back: a hash
# with `name`, `text`, `ordered` (does the order of lines count) and maybe
# `differs` (the name of the difference that it is there to show).

package Oracle;

use strict;
use warnings FATAL => 'all';

use Encode     ();
use File::Temp ();
use IPC::Run   ();

sub slurp
{
	my ($path) = @_;

	open(my $fh, '<:encoding(UTF-8)', $path) or die "$path: $!";
	local $/ = undef;
	my $text = <$fh>;
	close($fh) or die "$path: $!";
	return $text;
}

# {name} and the like stand for types; a brace of anything else stays.
sub fill_in
{
	my ($text, $types) = @_;
	my $known = join('|', sort keys %$types);

	return $text =~ s/\{($known)\}/$types->{$1}/gr;
}

# The hand-written list: each block begins with a line "--- name".  "(any
# order)" and "(differs: ...)" may follow.
sub read_blocks
{
	my ($path) = @_;
	my @blocks;

	foreach my $part (split /^--- /m, slurp($path))
	{
		next if $part =~ /\A(?:\s*--[^\n]*\n|\s)*\z/;
		my ($title, $text) = split /\n/, $part, 2;
		my ($differs) = $title =~ /\(differs: ([\w-]+)\)/;
		my $ordered = $title !~ /\(any order\)/;

		$title =~ s/ \(.*//;
		push @blocks,
		  {
			name => $title,
			text => $text,
			ordered => $ordered,
			differs => $differs
		  };
	}
	return @blocks;
}

# What psql is fed for some blocks.
sub script
{
	my ($schema, $types, $blocks, $verbosity) = @_;
	my $script = "\\set ON_ERROR_STOP 0\n\\set VERBOSITY $verbosity\n\\pset null '(null)'\n"
	  . "SET client_min_messages = error;\nSET search_path = $schema, oracle_shared;\nSET statement_timeout = '30s';\n";

	foreach my $i (0 .. $#$blocks)
	{
		$script .=
		  "\\echo ##$i##\nBEGIN;\n" . fill_in($blocks->[$i]{text}, $types) . "\nROLLBACK;\nDEALLOCATE ALL;\n";
	}
	return $script . '\echo ##' . @$blocks . "##\n";
}

# Feed it to psql in the background; finish() gives the outputs by number.
sub start
{
	my ($node, %options) = @_;
	my $file = File::Temp->new(SUFFIX => '.sql');
	my $out = File::Temp->new(SUFFIX => '.out');

	print $file Encode::encode('UTF-8', script(@options{qw(schema types blocks)}, $options{verbosity} // 'sqlstate'));
	close($file) or die $!;
	local $ENV{PGCLIENTENCODING} = 'UTF8';
	my $run = IPC::Run::start(
		[
			'psql', '-X', '-A', '-h', $node->host, '-p', $node->port, '-U',
			$options{role}, '-d', $options{dbname}, '-f', $file->filename
		],
		'<',
		\undef,
		'>',
		$out->filename,
		'2>&1');
	return { run => $run, file => $file, out => $out };
}

sub finish
{
	my ($started) = @_;

	$started->{run}->finish;
	my @parts = split /^##(\d+)##\n/m, slurp($started->{out}->filename);
	my %outputs;

	shift @parts;
	while (my ($number, $output) = splice(@parts, 0, 2))
	{
		# where psql read a statement from is not of interest
		$outputs{$number} = ($output // '') =~ s/^psql:[^ ]+: //mgr;
	}
	return \%outputs;
}

sub same
{
	my ($block, $one, $other) = @_;

	return 0 unless defined $one && defined $other;
	return $one eq $other if $block->{ordered};
	return join("\n", sort split /\n/, $one) eq join("\n", sort split /\n/, $other);
}

# The differences that have no entry in the list.  Those that have one are
# counted in it.
sub compare
{
	my ($blocks, $plain, $encrypted, $differences) = @_;
	my @unexpected;

	foreach my $i (0 .. $#$blocks)
	{
		my ($block, $one, $other) = ($blocks->[$i], $plain->{$i}, $encrypted->{$i});
		my $why = '';

		if (same($block, $one, $other))
		{
			next unless $block->{differs};
			$why = "no difference, should be $block->{differs}";
		}
		else
		{
			my ($entry) = grep { explains($_, $block, $one, $other) } @$differences;

			if ($entry)
			{
				$entry->{hits}++;
				next;
			}
		}
		push @unexpected, { block => $block, why => $why, plain => $one, encrypted => $other };
	}
	return @unexpected;
}

# Does an entry of the list explain the difference?  Its pattern must match the
# statement, and what came out of it must be what it says.
sub explains
{
	my ($entry, $block, $plain, $encrypted) = @_;

	return 0 unless defined $plain && defined $encrypted;
	return 0 if $block->{differs}  && $block->{differs} ne $entry->{name};
	return 0 if !$block->{differs} && !($entry->{generated} && $block->{text} =~ $entry->{generated});
	return 0 if $plain =~ /^ERROR:/m;
	return $encrypted =~ $entry->{output};
}

sub report
{
	my ($difference) = @_;
	my $block = $difference->{block};

	return
		"--- $block->{name} $difference->{why}\n$block->{text}\n-- text\n"
	  . ($difference->{plain} // '(nothing)')
	  . "-- encrypted\n"
	  . ($difference->{encrypted} // '(nothing)');
}

1;
