# A plain-SQL oracle: statements, written by hand and generated, are run on
# columns of text and on the same columns encrypted; the outputs must be the
# same, but for what differs by design and is listed in docs/clients.md.
#
# The generated ones depend on FC_ORACLE_SEED; FC_ORACLE_COUNT says how many.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin, "$FindBin::RealBin/../oracle";

use FieldCrypt;
use Differences;
use Grammar;
use Oracle;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{FC_ORACLE_SEED} // 1;
my $count = $ENV{FC_ORACLE_COUNT} // 4000;
my $dir = "$FindBin::RealBin/../oracle";
my %db = (dbname => 'oracle');

note("FC_ORACLE_SEED=$seed FC_ORACLE_COUNT=$count");

my $node = new_node('main',
	conf => "jit = off\nautovacuum = off\nmax_prepared_transactions = 2\nmax_parallel_workers_per_gather = 1\n");
my $icu = sql($node, undef, q{SELECT count(*) FROM pg_collation WHERE collname = 'en-x-icu'});

# Under a locale that sorts as people do, where there is one.
sql($node, undef, 'CREATE DATABASE oracle TEMPLATE template0' . ($icu ? " LOCALE_PROVIDER icu ICU_LOCALE 'en'" : ''));
set_up($node, 'oracle');
sql($node, undef, q{
SELECT fieldcrypt.create_key('second'), fieldcrypt.create_key('turning'), fieldcrypt.create_key('fast', suite => 2);
SELECT fieldcrypt.grant_key(key, 'app', 'decrypt') FROM unnest(ARRAY['second', 'turning', 'fast']) key;
GRANT EXECUTE ON PROCEDURE fieldcrypt.rotate_index_key TO app;
CREATE SCHEMA oracle_shared;
GRANT USAGE ON SCHEMA oracle_shared TO app;
GRANT CREATE ON DATABASE oracle TO app;
}, %db);
sql($node, undef, q{
CREATE COLLATION oracle_shared.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION oracle_shared.noaccent (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
}, %db) if $icu;

# enc1: suite 1; enc2: suite 2, and the modes of search by which most texts
# have the same tag; turning: with the index key half rotated.
my %types = (
	plain => { map { $_ => 'text' } qw(bare name code low other) },
	enc1 => types_of('pii', 'lower', 'second'),
	enc2 => types_of('fast', 'digits', 'pii'),
	turning => types_of('turning', 'lower', 'pii'));
my @encrypted = qw(enc1 enc2);

sub types_of
{
	my ($key, $mode, $other) = @_;
	return {
		bare => 'encrypted_text',
		name => "encrypted_text('$key')",
		code => "encrypted_text('$key', 'searchable')",
		low => "encrypted_text('$key', 'searchable=$mode')",
		other => "encrypted_text('$other')"
	};
}

foreach my $schema (sort keys %types)
{
	$types{$schema}{ndcoll} = $icu ? 'nocase' : '"C"';
	sql($node,
		'app',
		"CREATE SCHEMA $schema; SET client_min_messages = warning; SET search_path = $schema, oracle_shared;\n"
		  . Oracle::fill_in(Oracle::slurp("$dir/tables.sql"), $types{$schema}),
		%db);
}

# Run blocks in some schemas, at the same time; outputs by schema.
sub run_in
{
	my ($schemas, $blocks, %options) = @_;
	my %started = map {
		$_ => Oracle::start($node, schema => $_, types => $types{$_}, blocks => $blocks, role => 'app', %db, %options)
	} @$schemas;
	return map { $_ => Oracle::finish($started{$_}) } @$schemas;
}

# No difference but those of the list.
sub same_as_text
{
	my ($schema, $blocks, $plain, $encrypted, $differences, $test) = @_;
	my @unexpected = Oracle::compare($blocks, $plain, $encrypted, $differences);

	is(scalar(@unexpected), 0, $test);
	foreach my $difference (grep { defined } @unexpected[ 0 .. 19 ])
	{
		my %again = run_in([ 'plain', $schema ], [ $difference->{block} ], verbosity => 'default');

		diag(
			Encode::encode(
				'UTF-8', Oracle::report({ %$difference, plain => $again{plain}{0}, encrypted => $again{$schema}{0} }))
		);
	}
	return;
}

my $grammar = Grammar->new(seed => $seed, icu => $icu);
my @blocks = grep { $icu || $_->{text} !~ /x-icu|nocase|noaccent/ } Oracle::read_blocks("$dir/statements.sql");
my $written = @blocks;
foreach my $i (1 .. $count)
{
	my ($text, $ordered) = $grammar->block;

	push @blocks, { name => "generated $i of seed $seed", text => $text, ordered => $ordered };
}

my %output = run_in([ 'plain', @encrypted ], \@blocks);
my @differences = Differences::list();

foreach my $schema (sort keys %output)
{
	is(scalar(keys %{ $output{$schema} }), @blocks + 1, "$schema: every block was run");
}
foreach my $schema (@encrypted)
{
	same_as_text($schema, \@blocks, $output{plain}, $output{$schema}, \@differences, "$schema: the same as text");
}

# The list: each entry is needed, and documented.
my $clients = Oracle::slurp("$FindBin::RealBin/../../docs/clients.md");
foreach my $entry (@differences)
{
	cmp_ok($entry->{hits} // 0, '>', 0, "$entry->{name} differs");
	cmp_ok(index($clients =~ s/\s+/ /gr, $entry->{documented}), '>=', 0, "$entry->{name} is documented");
}

# That the statements are worth the name: most work, and find something.
my $plain = $output{plain};
my @generated = @$plain{ $written .. $#blocks };
my $errors = grep { /^ERROR:/m } @generated;
my $empty = grep { !/^\([1-9]\d* rows?\)|^(?:INSERT 0|UPDATE|DELETE|MERGE|FETCH|COPY) [1-9]/m } @generated;
my %states;
$states{$_}++ foreach map { /^ERROR:\s+(\S+)/mg } @generated;
note("$written written, $count generated, $errors with an error, $empty without a row; errors: ",
	join(', ', map { "$_ $states{$_}" } sort keys %states));
cmp_ok($errors, '<', $count / 10, 'few statements fail on text');
cmp_ok($empty, '<', $count / 2, 'most find rows');
is($states{57014} // 0, 0, 'none took too long');

if ($count >= 3000)
{
	is_deeply([ grep { !$grammar->{used}{$_} } $grammar->productions ], [], 'all of the grammar was used');
	wait_until(
		'every blind index was used',
		sub {
			my $unused = sql(
				$node, undef, q{
SELECT string_agg(indexrelid::regclass::text, ' ') FROM pg_stat_user_indexes
 WHERE schemaname ~ '^enc' AND pg_get_indexdef(indexrelid) ~ 'blind_index' AND idx_scan = 0}, %db);
			note("not used: $unused") if $unused ne '';
			return $unused eq '';
		},
		10);
}

# With two versions of the index key: a rotation that stops at its first pause,
# and then half of the rows written anew.  A unique index would have its table
# rotated as a whole: without it, and without the statements that ask for it.
sql($node, 'app', q{
DROP INDEX turning.u_code_key;
CALL fieldcrypt.rotate_index_key('turning', batch_rows => 5, pause => '2 s', max_duration => '1 s');
}, %db);
sql($node, 'app', "UPDATE turning.$_ SET code = code::text, low = low::text WHERE id % 2 = 0", %db)
  foreach qw(p q w u h par);
is(sql($node, undef, q{SELECT count(DISTINCT (fieldcrypt.value_info(code)).index_version) FROM turning.p}, %db),
	2, 'tags of two versions');
my @numbers = grep { $blocks[$_]{text} !~ /ON CONFLICT|(?:INTO|UPDATE|FROM) u x|INTO u AS/ } $written .. $#blocks;
my @turning = @blocks[@numbers];
my %before = map { $_ => $output{plain}{ $numbers[$_] } } 0 .. $#numbers;
my %turned = run_in(['turning'], \@turning);
same_as_text('turning', \@turning, \%before, $turned{turning}, [ Differences::list() ], 'turning: the same as text');

# That the comparison can fail: a row that is not the same, what was not run,
# an error of another kind, a difference that is not there any more.
sub complaints
{
	my ($some, $one, $other) = @_;
	my @complaints = Oracle::compare($some, $one, $other, [ Differences::list() ]);

	note("complaint: $_->{block}{name}") foreach @complaints;
	return scalar(@complaints);
}

my @some = @blocks[ 0 .. $written + 99 ];
is(complaints(\@some, $output{plain}, $output{enc1}), 0, 'nothing to complain of');
sql($node, 'app', q{UPDATE enc1.p SET name = name || '.' WHERE id = 1}, %db);
my %altered = run_in([ 'plain', @encrypted ], \@some);
cmp_ok(complaints(\@some, $altered{plain}, $altered{enc1}), '>', 10, 'an altered row is noticed');
is(complaints(\@some, $altered{plain}, $altered{enc2}), 0, 'only where it is');

my ($mix) = grep { ($_->{differs} // '') eq 'mix' } @blocks;
my $query = { name => 'a query', text => 'SELECT name FROM p', ordered => 1 };
my $out = "name\nAda\nBob\n";
is(complaints([$query], { 0 => $out }, { 0 => $out }), 0, 'the same');
is(complaints([$query], { 0 => $out }, {}), 1, 'no output');
is(complaints([$query], { 0 => $out }, { 0 => '' }), 1, 'an empty output');
is(complaints([$query], { 0 => $out }, { 0 => "name\nBob\nAda\n" }), 1, 'another order');
is(complaints([ { %$query, ordered => 0 } ], { 0 => $out }, { 0 => "name\nBob\nAda\n" }),
	0, 'an order that does not count');
is(complaints([ { %$query, ordered => 0 } ], { 0 => $out }, { 0 => "${out}Bob\n" }), 1, 'a line twice');
is(complaints([$query], { 0 => $out }, { 0 => "ERROR:  42846\n" }), 1, 'an error that is not expected here');
is(complaints([$mix], { 0 => $out }, { 0 => "ERROR:  42846\n" }), 0, 'an error that is expected');
is(complaints([$mix], { 0 => $out }, { 0 => "ERROR:  XX000\n" }), 1, 'another error than expected');
is(complaints([$mix], { 0 => $out }, { 0 => $out }), 1, 'no error where one is expected');

done_testing();
