# The runbooks of docs/rotation.md, run as they stand there: every statement of
# its indented blocks, in order, and what the document says that it prints.
#
# Each section has a database of its own with key pii, version 1, and a table
# patient of 5000 rows.  HTML comments, which no reader sees, say the rest:
#
#	run: ...			SQL that comes before the next block
#	not run				the next block needs more than one server
#	output varies		the next block is run, its output is not compared
#	lose NAME, find NAME	a KMS goes away, and comes back
#
# Of what is printed the document may leave lines out, and wrap long ones.
# FC_SHOW=1 has everything that was printed in the log of the test.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use FieldCrypt;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $kms = new_kms();

# the document's KMSs, for one server: nothing here depends on what they are
write_key_file("$kms->{dir}/$_.key", FieldCrypt::random_hex()) foreach 'vault', 'new_kms';
write_provider_file(
	$kms,
	join '',
	map { "$_->[0].type = 'local'\n$_->[0].file = '$kms->{dir}/$_->[1].key'\n" }
	  [ 'local', 'local' ],
	[ 'vault', 'vault' ],
	[ 'new_kms', 'new_kms' ]);

my $node = new_node('main', kms => $kms,
	conf => "fieldcrypt.default_provider = 'vault'\n", set_up => 0);
my $database;
my $sections = 0;
my $statements = 0;

sub squeeze
{
	my ($text) = @_;
	$text =~ s/\s+/ /g;
	$text =~ s/^ | $//g;
	return $text;
}

# Standard output and messages of one statement, in one string.
sub run_statement
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run(
		[
			'psql', '-Xq', '-P', 'footer=off', '-U', 'postgres', '-d',
			$node->connstr($database), '-c', $sql
		],
		'<',
		\undef, '>', \$out, '2>', \$err);
	note("$sql\n$err$out") if $ENV{FC_SHOW};
	return "$err\n$out";
}

# The state of the provider tells when its worker has noticed.
sub move_kms
{
	my ($name, $from, $to) = @_;
	my $file = "$kms->{dir}/$name.key";

	rename("$file$from", "$file$to") or die "rename: $!";
	wait_until(
		"provider $name " . ($to eq '' ? 'is back' : 'is lost'),
		sub {
			sql($node, undef,
				"SELECT * FROM fieldcrypt.check_provider('$name')",
				dbname => $database);
			sql($node, undef,
				"SELECT state FROM fieldcrypt.providers WHERE provider = '$name'",
				dbname => $database) eq 'ready' xor $to ne '';
		});
	return;
}

sub begin_section
{
	$database = 'section' . ++$sections;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	sql($node, undef, q{
		SET client_min_messages = warning;
		CREATE EXTENSION fieldcrypt;
		SELECT fieldcrypt.create_key('pii', 'vault');
		SELECT fieldcrypt.grant_key('pii', 'postgres', 'decrypt');
		CREATE TABLE patient (id bigint PRIMARY KEY,
			name encrypted_text('pii'), ssn encrypted_text('pii', 'searchable'));
		INSERT INTO patient SELECT g, 'Name ' || g, 'ssn ' || g FROM generate_series(1, 5000) g;
	}, dbname => $database);
	return;
}

# What a block says is printed: messages and rows, long ones put together.
sub printed
{
	my @items;

	foreach my $line (@_)
	{
		next if $line =~ /^\s*-[-+]*$/ || $line !~ /\S/;
		if (@items && $line =~ /^ {5}/ && $items[-1] =~ /^(?:[A-Z]+: )/)
		{
			$items[-1] .= " $line";
		}
		else
		{
			push @items, $line;
		}
	}
	return map { squeeze($_) } @items;
}

sub check_statement
{
	my ($sql, $expected, $compare) = @_;
	my $seen = run_statement($sql);
	my @items = printed(@$expected);
	my $rest = squeeze($seen);
	my $title = substr(squeeze($sql), 0, 70);

	$statements++;
	if ((!$compare || !grep { /^ERROR:/ } @items) && $seen =~ /^ERROR:/m)
	{
		fail($title);
		diag($seen);
		return;
	}
	foreach my $item ($compare ? @items : ())
	{
		my $at = index($rest, $item);

		if ($at < 0)
		{
			fail($title);
			diag("document: $item\nprinted: $seen");
			return;
		}
		$rest = substr($rest, $at + length($item));
	}
	pass($title);
	return;
}

sub run_block
{
	my ($compare, @lines) = @_;
	my ($sql, @expected);

	foreach my $line (@lines, 'SELECT end')
	{
		if ($line =~ /^(?:SELECT|CALL|VACUUM|CREATE|INSERT|UPDATE|DELETE|ALTER|DROP|EXPLAIN|DISCARD)\b/
			&& (!defined $sql || $sql =~ /;\s*(?:--.*)?$/))
		{
			check_statement($sql, \@expected, $compare) if defined $sql;
			($sql, @expected) = ($line);
		}
		elsif (defined $sql && $sql !~ /;\s*(?:--.*)?$/)
		{
			$sql .= "\n$line";
		}
		else
		{
			push @expected, $line;
		}
	}
	return;
}

my @lines = split /\n/, slurp_file("$FindBin::RealBin/../../docs/rotation.md");
my ($run, $compare) = (1, 1);

while (@lines)
{
	my $line = shift @lines;

	begin_section() if $line =~ /^## /;
	if ($line =~ /^<!--/)
	{
		$line .= "\n" . shift @lines while $line !~ /-->/;
		my ($what, $sql) = $line =~ /^<!-- (run|not run|output varies|lose \w+|find \w+)(?:: (.*))? -->$/s
		  or die "comment is not understood: $line";
		$run = 0     if $what eq 'not run';
		$compare = 0 if $what eq 'output varies';
		move_kms($1, '', '.away') if $what =~ /^lose (.*)/;
		move_kms($1, '.away', '') if $what =~ /^find (.*)/;
		foreach (split /;\s*\n|;$/, $sql // '')
		{
			my $seen = run_statement($_);
			is($seen =~ /^ERROR:/m ? $seen : '', '', 'set-up: ' . substr(squeeze($_), 0, 60));
		}
	}
	next if $line !~ /^    /;

	my @block = ($line =~ s/^    //r);
	push @block, (shift @lines) =~ s/^    //r while @lines && $lines[0] =~ /^(?:    |$)/;
	run_block($compare, @block) if $run;
	($run, $compare) = (1, 1);
}
cmp_ok($statements, '>', 30, 'the document has statements');

done_testing();
