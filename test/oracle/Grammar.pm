# Random statements about text: a grammar, driven by a seed.
#
# Every statement must have one right output.  What is ordered only in part is
# marked so, and compared as a set of lines; aggregates order their input by
# all of it; texts that are equal and not the same (nondeterministic
# collations) are compared and never shown; nothing is written that fails for
# some rows only, since plans may differ in which rows they look at.

package Grammar;

use strict;
use warnings FATAL => 'all';

my @COLUMNS = qw(id n name code low other city);
my @ENCRYPTED = qw(name code code low low other);
my @READ = qw(p p p q q q w u h h par par r vw vsb vu mv);
# Each column of one type: those of vu have several, and so no type modifier.
my @TYPED = grep { $_ ne 'vu' } @READ;
my @WRITE = qw(w w h par vw r u);
my @OPERATORS = qw(= = = = = <> < <= > >=);

my @LITERALS = (
	'Ada', 'ada', 'ADA', 'Bob',
	'bob', 'bobby', '', ' ',
	"\x{c7}a", "C\x{327}a", "stra\x{df}e", 'STRASSE',
	'strasse', "\x{130}stanbul", 'istanbul', "\x{131}stanbul",
	'Istanbul', 'a%b', 'a_b', 'a\\b',
	"\x{65e5}\x{672c}\x{8a9e}", "\x{391}\x{3a3}", "\x{3b1}\x{3c2}", "\x{3b1}\x{3c3}",
	"\x{1f600}", "\x{e9}", "e\x{301}", "\x{c9}",
	'10', '9', '010', 'null',
	"O'Brien", '"quoted"', 'ends  ', 'zebra',
	'Zebra', 'nobody', '{a,b}', 'm');
my @PATTERNS = (
	'A%', '%a', '%a%', '_da', 'b%', '', '%', 'bob', 'ada', 'a\\%b', "stra\x{df}%", '%stanbul', '__', 'Ada', "\x{3b1}%"
);
my @REGEXES =
  ('^A', 'a$', '[ab]', '^b.*y$', '^$', '.', "^stra(ss|\x{df})e\$", 'stanbul', '\\d+', '^(ada|bob)$', "\x{e9}");
my @SIMILAR = ('A%', '(a|b)%', '[a-c]+', '_{3}', "%\x{df}%", '');
my @SETTINGS = (
	'enable_hashjoin = off',
	'enable_mergejoin = off',
	'enable_nestloop = off',
	'enable_seqscan = off',
	'enable_indexscan = off',
	'enable_bitmapscan = off',
	'enable_sort = off',
	'enable_hashagg = off',
	'enable_memoize = off',
	'enable_material = off',
	'enable_incremental_sort = off',
	'enable_partitionwise_join = on',
	'enable_partitionwise_aggregate = on',
	'work_mem = 64',
	'from_collapse_limit = 1',
	'join_collapse_limit = 1',
	'plan_cache_mode = force_generic_plan',
	'plan_cache_mode = force_custom_plan',
	'constraint_exclusion = on',
	'cursor_tuple_fraction = 1');
my @PARALLEL = (
	'parallel_setup_cost = 0',
	'parallel_tuple_cost = 0',
	'min_parallel_table_scan_size = 0',
	'min_parallel_index_scan_size = 0',
	'parallel_leader_participation = off');

# icu: are there ICU collations to use?
sub new
{
	my ($class, %options) = @_;
	my $self = bless { icu => $options{icu}, used => {} }, $class;

	$self->{collations} = [ '"C"', '"POSIX"', $options{icu} ? ('"en-x-icu"', '"tr-x-icu"', '"und-x-icu"') : () ];
	$self->{nondeterministic} = $options{icu} ? [ 'nocase', 'noaccent' ] : [];
	srand($options{seed});
	return $self;
}

# ---- dice

sub one     { return $_[ int(rand(@_)) ]; }
sub chance  { return rand(100) < $_[0]; }
sub between { return $_[0] + int(rand($_[1] - $_[0] + 1)); }
sub quoted  { return "'" . ($_[0] =~ s/'/''/gr) . "'"; }
sub column  { return ($_[0] // 'x') . '.' . $_[1]; }

# One of several productions, by weight; counted, so that the test can see
# that all were used.
sub produce
{
	my ($self, $rule, $weights, @arguments) = @_;
	my $total = 0;

	$total += $weights->{$_} foreach sort keys %$weights;
	my $at = rand($total);
	foreach my $name (sort keys %$weights)
	{
		$at -= $weights->{$name};
		next if $at >= 0;
		my $method = "${rule}_$name";

		$self->{used}{$method}++;
		return $self->$method(@arguments);
	}
	die "$rule: no production";
}

# ---- expressions
#
# A scope is a list of aliases; each has the columns @COLUMNS.

# A constant; or, in a prepared statement or function, a parameter for it.
sub literal
{
	my ($self, $text) = @_;
	$text //= one(@LITERALS);

	if ($self->{parameters} && chance(70) && @{ $self->{parameters} } < 6)
	{
		push @{ $self->{parameters} }, $text;
		return '$' . @{ $self->{parameters} };
	}
	return quoted($text);
}

sub typed_literal
{
	my ($self) = @_;
	return $self->literal . one('::text', '::text', '::varchar', '::varchar(3)');
}

sub encrypted_column
{
	my ($self, $scope) = @_;
	return column(one(@$scope), one(@ENCRYPTED));
}

# Of the encrypted type, where there is one.
my %ENC = (
	column => 30,
	coalesce => 2,
	coalesce_literal => 2,
	nullif => 2,
	case => 2,
	case_literal => 1,
	greatest => 2,
	subquery => 1);

sub enc
{
	my ($self, $scope, $depth) = @_;
	return $self->encrypted_column($scope) if $depth <= 0;
	return $self->produce('enc', \%ENC, $scope, $depth - 1);
}
sub enc_column { my ($self, $scope) = @_; return $self->encrypted_column($scope); }

sub enc_coalesce
{
	my ($self, $s, $d) = @_;
	return 'COALESCE(' . $self->enc($s, $d) . ', ' . $self->enc($s, $d) . ')';
}

sub enc_coalesce_literal
{
	my ($self, $s, $d) = @_;
	return 'COALESCE(' . $self->enc($s, $d) . ', ' . quoted(one(@LITERALS)) . ')';
}

sub enc_nullif
{
	my ($self, $s, $d) = @_;
	return 'NULLIF(' . $self->enc($s, $d) . ', ' . $self->string($s, $d) . ')';
}

sub enc_case
{
	my ($self, $s, $d) = @_;
	return
		'CASE WHEN '
	  . $self->bool($s, $d)
	  . ' THEN '
	  . $self->enc($s, $d)
	  . ' ELSE '
	  . $self->enc($s, $d) . ' END';
}

sub enc_case_literal
{
	my ($self, $s, $d) = @_;
	return
		'CASE '
	  . $self->enc($s, $d)
	  . ' WHEN '
	  . $self->string($s, $d)
	  . ' THEN '
	  . $self->enc($s, $d)
	  . ' ELSE '
	  . quoted(one(@LITERALS)) . ' END';
}

sub enc_greatest
{
	my ($self, $s, $d) = @_;
	return one('greatest', 'least') . '(' . $self->enc($s, $d) . ', ' . $self->enc($s, $d) . ')';
}

sub enc_subquery
{
	my ($self, $s, $d) = @_;
	my ($from, $inner) = $self->relation;
	return
		'(SELECT '
	  . one('min', 'max')
	  . "($inner."
	  . one(@ENCRYPTED)
	  . ") FROM $from WHERE "
	  . $self->bool([ @$s, $inner ], $d) . ')';
}

# Of type text everywhere.
my %TEXT = (
	city => 6,
	cast => 3,
	lower => 4,
	upper => 2,
	initcap => 1,
	concat => 3,
	substr => 2,
	ends => 2,
	trim => 2,
	replace => 1,
	regexp => 1,
	split => 1,
	overlay => 1,
	digest => 1,
	coalesce => 1,
	case => 1,
	typed => 3,
	aggregate => 1);

sub text
{
	my ($self, $scope, $depth) = @_;
	return column(one(@$scope), 'city') if $depth <= 0;
	return $self->produce('text', \%TEXT, $scope, $depth - 1);
}
sub text_city { my ($self, $s) = @_; return column(one(@$s), 'city'); }

sub text_cast
{
	my ($self, $s, $d) = @_;
	return '(' . $self->enc($s, $d) . ')' . one('::text', '::varchar', '::varchar(4)');
}

sub text_lower
{
	my ($self, $s, $d) = @_;
	return 'lower(' . $self->string($s, $d) . ($self->{icu} && chance(10) ? ' COLLATE "tr-x-icu"' : '') . ')';
}
sub text_upper   { my ($self, $s, $d) = @_; return 'upper(' . $self->string($s, $d) . ')'; }
sub text_initcap { my ($self, $s, $d) = @_; return 'initcap(' . $self->enc($s, $d) . ')'; }

sub text_concat
{
	my ($self, $s, $d) = @_;
	return '(' . join(' || ', map { $self->string($s, $d) } 1 .. between(2, 3)) . ' || ' . $self->enc($s, 0) . ')';
}

sub text_substr
{
	my ($self, $s, $d) = @_;
	my $value = $self->enc($s, $d);
	my ($from, $for) = (between(-1, 4), between(0, 3));

	return one(
		"substr($value, $from)",
		"substr($value, $from, $for)",
		"substring($value, $from)",
		"substring($value FROM $from FOR $for)",
		"substring($value FOR $for)",
		"substring($value FROM " . quoted(one(@REGEXES)) . ')');
}

sub text_ends
{
	my ($self, $s, $d) = @_;
	return one('left', 'right') . '(' . $self->enc($s, $d) . ', ' . between(-2, 3) . ')';
}

sub text_trim
{
	my ($self, $s, $d) = @_;
	my $value = $self->enc($s, $d);
	return one(
		"trim($value)",
		"trim(both 'a' FROM $value)",
		"ltrim($value, 'Aa')",
		"rtrim($value)",
		"btrim($value, 'ab')",
		"trim(trailing FROM $value)",
		"trim(leading 'A' FROM $value)");
}

sub text_replace
{
	my ($self, $s, $d) = @_;
	return 'replace(' . $self->enc($s, $d) . ', ' . quoted(one('a', 'A', 'an', '')) . ', ' . $self->literal . ')';
}

sub text_regexp
{
	my ($self, $s, $d) = @_;
	my $value = $self->enc($s, $d);
	return one(
		"regexp_replace($value, '[ab]', 'x')",
		"regexp_replace($value, 'a', '<\\&>', 'gi')",
		"(regexp_match($value, '(.)(a)'))[1]");
}

sub text_split
{
	my ($self, $s, $d) = @_;
	return 'split_part(' . $self->enc($s, $d) . ", 'a', " . one(1, 2, -1) . ')';
}

sub text_overlay
{
	my ($self, $s, $d) = @_;
	return 'overlay(' . $self->enc($s, $d) . " PLACING 'zz' FROM " . between(1, 3) . one('', ' FOR 1') . ')';
}
sub text_digest { my ($self, $s, $d) = @_; return 'md5(' . $self->enc($s, $d) . ')'; }

sub text_coalesce
{
	my ($self, $s, $d) = @_;
	return 'COALESCE((' . $self->enc($s, $d) . ')::text, ' . $self->text($s, $d) . ')';
}

sub text_case
{
	my ($self, $s, $d) = @_;
	return
		'CASE WHEN '
	  . $self->bool($s, $d)
	  . ' THEN '
	  . $self->text($s, $d)
	  . ' ELSE '
	  . $self->text($s, $d) . ' END';
}
sub text_typed { my ($self) = @_; return $self->typed_literal; }

sub text_aggregate
{
	my ($self, $s, $d) = @_;
	my ($from, $inner) = $self->relation;
	my $column = "$inner." . one(@ENCRYPTED);
	return
	  "(SELECT string_agg($column, ',' ORDER BY $column) FROM $from WHERE " . $self->bool([ @$s, $inner ], 0) . ')';
}

sub string
{
	my ($self, $scope, $depth) = @_;
	my $dice = @$scope ? rand(100) : 96;

	return $self->enc($scope, $depth)  if $dice < 40;
	return $self->text($scope, $depth) if $dice < 60;
	return $self->literal              if $dice < 97 || !$self->{icu};
	return '(' . $self->literal . ' COLLATE ' . one(@{ $self->{collations} }) . ')';
}

my %INTEGER = (n => 5, id => 3, constant => 4, length => 4, position => 1, sum => 1, count => 1);

sub integer    { my ($self, $scope, $depth) = @_; return $self->produce('integer', \%INTEGER, $scope, $depth - 1); }
sub integer_n  { my ($self, $s) = @_;             return column(one(@$s), 'n'); }
sub integer_id { my ($self, $s) = @_;             return column(one(@$s), 'id'); }
sub integer_constant { return between(-1, 12); }

sub integer_length
{
	my ($self, $s, $d) = @_;
	return one('length', 'char_length', 'octet_length') . '(' . $self->enc($s, $d) . ')';
}

sub integer_position
{
	my ($self, $s, $d) = @_;
	my $value = $self->enc($s, $d);
	return one("position('a' IN $value)", "strpos($value, 'a')");
}

sub integer_sum
{
	my ($self, $s, $d) = @_;
	return '(' . $self->integer($s, $d) . ' + ' . $self->integer($s, $d) . ')';
}

sub integer_count
{
	my ($self, $s, $d) = @_;
	my ($from, $inner) = $self->relation;
	return "(SELECT count(*)::int FROM $from WHERE " . $self->bool([ @$s, $inner ], $d) . ')';
}

my %BOOL = (
	compare => 24,
	equal => 16,
	column_pair => 8,
	in => 8,
	any => 6,
	between => 3,
	like => 5,
	regex => 3,
	similar => 1,
	null => 4,
	distinct => 4,
	row => 4,
	row_in => 2,
	exists => 3,
	in_query => 3,
	quantified => 2,
	starts => 1,
	folded => 4,
	collated => 4,
	nondeterministic => 2,
	integer => 3,
	and => 10,
	or => 7,
	not => 4,
	test => 2,
	same_matches => 1,
	or_equal => 3,
	array => 2);

sub bool
{
	my ($self, $scope, $depth) = @_;
	return $self->bool_equal($scope, 0) if $depth < 0;
	return $self->produce('bool', \%BOOL, $scope, $depth - 1);
}

sub bool_compare
{
	my ($self, $s, $d) = @_;
	my ($one, $other) = ($self->enc($s, $d), $self->string($s, $d));

	($one, $other) = ($other, $one) if chance(30);
	return "$one " . one(@OPERATORS) . " $other";
}

sub bool_equal
{
	my ($self, $s) = @_;
	my ($column, $literal) = ($self->encrypted_column($s), chance(80) ? $self->literal : $self->typed_literal);
	return chance(80) ? "$column = $literal" : "$literal = $column";
}

sub bool_column_pair
{
	my ($self, $s) = @_;
	my $column = one(qw(code code low name));
	return column(one(@$s), $column) . ' ' . one(qw(= = = <>)) . ' ' . column(one(@$s), $column);
}

sub bool_in
{
	my ($self, $s, $d) = @_;
	my @list = map { chance(8) ? 'NULL' : chance(75) ? $self->literal : $self->string($s, $d) } 1 .. between(1, 4);
	return $self->enc($s, $d) . one(' IN (', ' IN (', ' NOT IN (') . join(', ', @list) . ')';
}

sub bool_any
{
	my ($self, $s, $d) = @_;
	my @list = map { chance(8) ? undef : one(@LITERALS) } 1 .. between(0, 4);
	my $array = one(
		'ARRAY[' . join(', ', map { defined $_ ? quoted($_) : 'NULL' } @list) . ']::text[]',
		'ARRAY[' . join(', ', map { $self->literal } 1 .. 2) . ']',
		'ARRAY[' . join(', ', map { $self->enc($s, 0) } 1 .. 2) . ']',
		'ARRAY[' . join(', ', map { $self->text($s, 0) } 1 .. 2) . ']',
		quoted('{' . join(',', map { defined $_ ? '"' . s/(["\\])/\\$1/gr . '"' : 'NULL' } @list) . '}'));
	return
		$self->enc($s, $d) . ' '
	  . one('= ANY', '= ANY', '<> ALL', '= ALL', '<> ANY', '< ANY', '>= ALL')
	  . " ($array)";
}

sub bool_between
{
	my ($self, $s, $d) = @_;
	return
		$self->enc($s, $d)
	  . one(' BETWEEN ', ' NOT BETWEEN ', ' BETWEEN SYMMETRIC ')
	  . $self->string($s, $d) . ' AND '
	  . $self->string($s, $d);
}

sub bool_like
{
	my ($self, $s, $d) = @_;
	return
		$self->enc($s, $d)
	  . one(' LIKE ', ' NOT LIKE ', ' ILIKE ', ' ILIKE ', ' NOT ILIKE ')
	  . (chance(10) ? column(one(@$s), 'city') . " ESCAPE ''" : $self->literal(one(@PATTERNS)));
}

sub bool_regex
{
	my ($self, $s, $d) = @_;
	return $self->enc($s, $d) . one(' ~ ', ' !~ ', ' ~* ', ' !~* ') . $self->literal(one(@REGEXES));
}

sub bool_similar
{
	my ($self, $s, $d) = @_;
	return $self->enc($s, $d) . one(' SIMILAR TO ', ' NOT SIMILAR TO ') . quoted(one(@SIMILAR));
}
sub bool_null { my ($self, $s, $d) = @_; return $self->enc($s, $d) . one(' IS NULL', ' IS NOT NULL'); }

sub bool_distinct
{
	my ($self, $s, $d) = @_;
	return $self->enc($s, $d) . one(' IS DISTINCT FROM ', ' IS NOT DISTINCT FROM ') . $self->string($s, $d);
}

sub bool_row
{
	my ($self, $s, $d) = @_;
	return
		'('
	  . $self->enc($s, $d) . ', '
	  . $self->integer($s, 0) . ') '
	  . one(@OPERATORS) . ' ('
	  . $self->string($s, $d) . ', '
	  . $self->integer($s, 0) . ')';
}

sub bool_row_in
{
	my ($self, $s, $d) = @_;
	my ($from, $inner) = $self->relation;
	my $column = one(@ENCRYPTED);
	return
		'('
	  . $self->enc($s, $d) . ', '
	  . column(one(@$s), 'n') . ') '
	  . one('IN', 'IN', 'NOT IN')
	  . " (SELECT $inner.$column, $inner.n FROM $from WHERE "
	  . $self->bool([ @$s, $inner ], $d) . ')';
}

sub bool_exists
{
	my ($self, $s, $d) = @_;
	my ($from, $inner) = $self->relation;
	my $column = one(qw(code low name));
	return
		one('EXISTS', 'EXISTS', 'NOT EXISTS')
	  . " (SELECT FROM $from WHERE $inner.$column = "
	  . column(one(@$s), one($column, $column, 'city')) . ' AND '
	  . $self->bool([ @$s, $inner ], $d) . ')';
}

sub bool_in_query
{
	my ($self, $s, $d) = @_;
	my ($from, $inner) = $self->relation;
	return
		$self->enc($s, $d)
	  . one(' IN ', ' IN ', ' NOT IN ')
	  . '(SELECT '
	  . column($inner, one(@ENCRYPTED, 'city'))
	  . " FROM $from WHERE "
	  . $self->bool([ chance(50) ? @$s : (), $inner ], $d) . ')';
}

sub bool_quantified
{
	my ($self, $s, $d) = @_;
	my ($from, $inner) = $self->relation;
	return
		$self->enc($s, $d) . ' '
	  . one(@OPERATORS)
	  . one(' ANY ', ' ALL ')
	  . '(SELECT '
	  . column($inner, one(@ENCRYPTED, 'city'))
	  . " FROM $from WHERE "
	  . $self->bool([$inner], $d) . ')';
}

sub bool_starts
{
	my ($self, $s, $d) = @_;
	return 'starts_with(' . $self->enc($s, $d) . ', ' . $self->literal(one('a', 'A', 'b', '')) . ')';
}

sub bool_folded
{
	my ($self, $s) = @_;
	my ($function, $column) = (one('lower', 'upper'), one('low', 'low', 'low', 'code'));
	my $cast = one('', '', '::text');
	my $other = one(
		"$function(" . $self->literal . ')',
		$self->literal,
		"$function(" . column(one(@$s), 'city') . ')',
		"$function(" . column(one(@$s), $column) . "$cast)");
	return "$function(" . column(one(@$s), $column) . "$cast) = $other";
}

sub bool_collated
{
	my ($self, $s, $d) = @_;
	return
		$self->enc($s, $d)
	  . ' COLLATE '
	  . one(@{ $self->{collations} }) . ' '
	  . one(@OPERATORS) . ' '
	  . $self->enc($s, $d);
}

sub bool_nondeterministic
{
	my ($self, $s) = @_;
	return $self->bool_equal($s) unless @{ $self->{nondeterministic} };
	return
		$self->encrypted_column($s)
	  . ' COLLATE '
	  . one(@{ $self->{nondeterministic} }) . ' '
	  . one(@OPERATORS) . ' '
	  . one($self->literal, $self->encrypted_column($s), column(one(@$s), 'city'));
}

sub bool_integer
{
	my ($self, $s, $d) = @_;
	return $self->integer($s, $d) . ' ' . one(@OPERATORS) . ' ' . $self->integer($s, $d);
}
sub bool_and { my ($self, $s, $d) = @_; return '(' . $self->bool($s, $d) . ' AND ' . $self->bool($s, $d) . ')'; }
sub bool_or  { my ($self, $s, $d) = @_; return '(' . $self->bool($s, $d) . ' OR ' . $self->bool($s, $d) . ')'; }

sub bool_or_equal
{
	my ($self, $s) = @_;
	return '(' . join(' OR ', map { $self->bool_equal($s) } 1 .. between(2, 3)) . ')';
}
sub bool_not { my ($self, $s, $d) = @_; return 'NOT (' . $self->bool($s, $d) . ')'; }

sub bool_test
{
	my ($self, $s, $d) = @_;
	return '(' . $self->bool($s, $d) . ') ' . one('IS TRUE', 'IS NOT TRUE', 'IS UNKNOWN', 'IS NOT FALSE');
}

sub bool_same_matches
{
	my ($self, $s) = @_;
	my $c = $self->encrypted_column($s);
	return "$c " . one(@OPERATORS) . " $c";
}

sub bool_array
{
	my ($self, $s) = @_;
	my ($one, $other) = map {
		'ARRAY[' . join(', ', map { $self->encrypted_column($s) } 1 .. 2) . ']'
	} 1 .. 2;
	return "$one " . one('=', '<', '@>', '&&', '<>') . " $other";
}

# ---- queries

# A relation for FROM, and its alias.
sub relation
{
	my ($self) = @_;
	my $alias = 't' . ++$self->{aliases};
	my $name = $self->{names} && chance(50) ? one(@{ $self->{names} }) : one(@READ);
	return ("$name $alias", $alias);
}

# Anything that FROM takes: returns text and aliases.
my %SOURCE = (table => 14, derived => 2, distinct => 1, grouped => 1, values => 1, union => 1, limited => 1);

sub source
{
	my ($self, $depth) = @_;
	return $self->relation if $depth <= 0;
	return $self->produce('source', \%SOURCE, $depth - 1);
}
sub source_table { my ($self) = @_; return $self->relation; }

sub source_derived
{
	my ($self, $d) = @_;
	my $alias = 'd' . ++$self->{aliases};
	my ($from, $inner) = $self->relation;
	my @list = map {
			$_ eq 'city'             ? $self->text([$inner], $d) . ' AS city'
		  : /^(id|n)$/ || chance(70) ? "$inner.$_"
		  : $self->enc([$inner], $d)
		  . " AS $_"
	} @COLUMNS;
	return ('(SELECT ' . join(', ', @list) . " FROM $from WHERE " . $self->bool([$inner], $d) . ") $alias", $alias);
}

sub source_distinct
{
	my ($self, $d) = @_;
	my $alias = 'd' . ++$self->{aliases};
	my ($from, $inner) = $self->relation;
	return (
		"(SELECT DISTINCT $inner.n AS id, $inner.n, $inner.name, $inner.code, $inner.low, $inner.other, $inner.city FROM $from) $alias",
		$alias);
}

sub source_grouped
{
	my ($self, $d) = @_;
	my $alias = 'd' . ++$self->{aliases};
	my ($from, $inner) = $self->relation;
	return (
		"(SELECT min($inner.id) AS id, count(*)::int AS n, $inner.name, max($inner.code) AS code, min($inner.low) AS low, max($inner.other) AS other, min($inner.city) AS city FROM $from GROUP BY $inner.name) $alias",
		$alias);
}

sub source_values
{
	my ($self, $d) = @_;
	my $alias = 'd' . ++$self->{aliases};
	my @rows = map {
			"($_, "
		  . between(0, 4)
		  . join('', map { ', ' . (chance(10) ? 'NULL' : quoted(one(@LITERALS))) } 1 .. 5) . ')'
	} 1 .. between(2, 4);
	return ('(VALUES ' . join(', ', @rows) . ") $alias (" . join(', ', @COLUMNS) . ')', $alias);
}

sub source_union
{
	my ($self, $d) = @_;
	my $alias = 'd' . ++$self->{aliases};
	my @arms = map {
		my ($from, $inner) = $self->relation;
		'SELECT ' . join(', ', map { "$inner.$_" } @COLUMNS) . " FROM $from"
	} 1 .. 2;
	return ('(' . join(one(' UNION ALL ', ' UNION ALL ', ' UNION ', ' INTERSECT ', ' EXCEPT '), @arms) . ") $alias",
		$alias);
}

sub source_limited
{
	my ($self, $d) = @_;
	my $alias = 'd' . ++$self->{aliases};
	my ($from, $inner) = $self->relation;
	return (
		'(SELECT '
		  . join(', ', map { "$inner.$_" } @COLUMNS)
		  . " FROM $from ORDER BY "
		  . $self->encrypted_column([$inner])
		  . one('', ' DESC', ' NULLS FIRST') . ', '
		  . join(', ', map { "$inner.$_" } @COLUMNS)
		  . ' LIMIT '
		  . between(1, 12)
		  . ") $alias",
		$alias);
}

# What joins: FULL JOIN takes only equalities.
sub join_equality
{
	my ($self, $left, $right) = @_;
	my $column = one(qw(code code low low name other));
	my ($one, $other) =
	  (column(one(@$left), $column), column($right, one($column, $column, $column, 'city', 'other')));
	my $collate = chance(6) ? ' COLLATE ' . one(@{ $self->{collations} }, @{ $self->{nondeterministic} }) : '';

	($one, $other) = ("lower($one)", "lower($other)") if $column eq 'low' && chance(30);
	return ($collate eq '' && chance(50) ? "$other = $one" : "$one$collate = $other")
	  . (chance(25)                      ? ' AND ' . column(one(@$left), 'n') . " = $right.n" : '');
}

sub joined
{
	my ($self, $depth) = @_;
	my ($from, $alias) = $self->source($depth);
	my @scope = ($alias);

	while (@scope < 3 && chance(@scope == 1 ? 50 : 25))
	{
		my $kind =
		  one('JOIN', 'JOIN', 'LEFT JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN', 'FULL JOIN', 'LATERAL', 'USING');

		$self->{used}{"join_$kind"}++;
		if ($kind eq 'LATERAL')
		{
			my ($inner_from, $inner) = $self->relation;
			my $outer = 'd' . ++$self->{aliases};
			my $order = 'ORDER BY ' . join(', ', map { "$inner.$_" } 'code', 'id', @COLUMNS);

			$from .=
				one(' CROSS JOIN LATERAL', ' LEFT JOIN LATERAL')
			  . ' (SELECT '
			  . join(', ', map { "$inner.$_" } @COLUMNS)
			  . " FROM $inner_from WHERE "
			  . $self->join_equality(\@scope, $inner)
			  . " $order LIMIT 2) $outer";
			$from .= ' ON true' if $from =~ /LEFT JOIN LATERAL (?!.*LATERAL)/s;
			push @scope, $outer;
			next;
		}
		if ($kind eq 'USING' && @scope == 1)
		{
			my ($right_from, $right) = $self->relation;

			$from .=
				one(' JOIN ', ' LEFT JOIN ', ' FULL JOIN ')
			  . "$right_from USING ("
			  . one('code', 'low', 'name', 'code, n') . ')';
			push @scope, $right;
			next;
		}
		$kind = 'JOIN' if $kind eq 'USING';
		my ($right_from, $right) = $self->source($depth - 1);

		$from .= " $kind $right_from ON " . $self->join_equality(\@scope, $right);
		$from .= ' AND ' . $self->bool([ @scope, $right ], 0) if $kind ne 'FULL JOIN' && chance(30);
		push @scope, $right;
	}
	return ($from, \@scope);
}

sub aggregate
{
	my ($self, $s) = @_;
	my $value = $self->enc($s, chance(20) ? 1 : 0);
	my $filter = chance(15) ? ' FILTER (WHERE ' . $self->bool($s, 0) . ')' : '';
	my $call = one(
		'count(*)',
		"count($value)",
		"count(DISTINCT $value)",
		"min($value)",
		"max($value)",
		"string_agg($value, ',' ORDER BY $value)",
		"string_agg(DISTINCT $value, ',' ORDER BY $value)",
		"array_agg($value ORDER BY $value DESC)",
		"array_agg(DISTINCT $value)",
		"mode() WITHIN GROUP (ORDER BY $value)",
		"percentile_disc(0.5) WITHIN GROUP (ORDER BY $value)",
		"sum(length($value))",
		'bool_or(' . $self->bool($s, 0) . ')');

	# one DISTINCT aggregate after another, and a filter on any of them
	return $call . $filter;
}

my %QUERY = (
	plain => 30,
	count => 12,
	ordered => 10,
	distinct => 6,
	distinct_on => 4,
	grouped => 12,
	sets => 5,
	window => 6,
	setop => 8,
	cte => 6,
	recursive => 3,
	having => 4,
	aggregates => 8);

# Returns the text and whether its rows come in a certain order.
sub query
{
	my ($self, $depth) = @_;
	return $self->produce('query', \%QUERY, $depth);
}

sub select_list
{
	my ($self, $s, $count) = @_;
	return map {
		my $dice = rand(100);
		(     $dice < 55 ? $self->enc($s, $dice < 20 ? 1 : 0)
			: $dice < 75 ? $self->text($s, 1)
			: $dice < 85 ? '(' . $self->bool($s, 0) . ')'
			:              $self->integer($s, 1))
	} 1 .. $count;
}

sub query_plain
{
	my ($self, $d) = @_;
	my ($from, $s) = $self->joined($d);
	return (
		'SELECT '
		  . join(', ', map({ "$_.id" } @$s), $self->select_list($s, between(1, 3)))
		  . " FROM $from WHERE "
		  . $self->bool($s, $d),
		0);
}

sub query_count
{
	my ($self, $d) = @_;
	my ($from, $s) = $self->joined($d);
	return ('SELECT count(*), sum(' . column($s->[-1], 'id') . ") FROM $from WHERE " . $self->bool($s, $d), 0);
}

sub query_ordered
{
	my ($self, $d) = @_;
	my ($from, $s) = $self->joined($d);
	my @list = (map({ "$_.id" } @$s), $self->select_list($s, between(1, 2)));
	my $order =
		$self->enc($s, 1)
	  . (chance(25) ? ' COLLATE ' . one(@{ $self->{collations} }, @{ $self->{nondeterministic} }) : '')
	  . one('', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST');
	my $limit = one('', ' LIMIT ' . between(1, 9), ' LIMIT 5 OFFSET ' . between(0, 5), ' FETCH FIRST 3 ROWS ONLY');

	return (
		'SELECT '
		  . join(', ', @list)
		  . " FROM $from WHERE "
		  . $self->bool($s, $d)
		  . " ORDER BY $order, "
		  . join(', ', 1 .. @list)
		  . $limit,
		1);
}

sub query_distinct
{
	my ($self, $d) = @_;
	my ($from, $s) = $self->joined($d);
	return (
		'SELECT DISTINCT '
		  . join(', ', $self->select_list($s, between(1, 2)))
		  . " FROM $from WHERE "
		  . $self->bool($s, $d),
		0);
}

sub query_distinct_on
{
	my ($self, $d) = @_;
	my ($from, $s) = $self->joined($d);
	my @columns = map {
		my $alias = $_;
		map { "$alias.$_" } @COLUMNS
	} @$s;
	my $on = $self->encrypted_column($s);
	return (
		"SELECT DISTINCT ON ($on) "
		  . join(', ', @columns)
		  . " FROM $from WHERE "
		  . $self->bool($s, $d)
		  . " ORDER BY $on"
		  . one('', ' DESC') . ', '
		  . join(', ', @columns),
		1);
}

sub query_grouped
{
	my ($self, $d) = @_;
	my ($from, $s) = $self->joined($d);
	my @by = map { chance(75) ? $self->encrypted_column($s) : 'lower(' . $self->encrypted_column($s) . ')' }
	  1 .. between(1, 2);
	return (
		'SELECT '
		  . join(', ', @by, map { $self->aggregate($s) } 1 .. between(1, 3))
		  . " FROM $from WHERE "
		  . $self->bool($s, $d)
		  . ' GROUP BY '
		  . join(', ', @by),
		0);
}

sub query_having
{
	my ($self, $d) = @_;
	my ($from, $s) = $self->joined($d);
	my $by = $self->encrypted_column($s);
	my $having = one(
		'count(*) > 1',
		"max($by) " . one(@OPERATORS) . ' ' . $self->literal,
		"$by = " . $self->literal,
		"count(DISTINCT $by) = 1",
		"$by IN (" . $self->literal . ', ' . $self->literal . ')');
	return ("SELECT $by, count(*) FROM $from WHERE " . $self->bool($s, $d) . " GROUP BY $by HAVING $having", 0);
}

sub query_sets
{
	my ($self, $d) = @_;
	my ($from, $s) = $self->joined($d);
	my ($one, $other) = ($self->encrypted_column($s), column(one(@$s), one('n', 'city', 'low')));
	my $sets = one(
		"ROLLUP ($one, $other)",
		"CUBE ($one, $other)",
		"GROUPING SETS (($one), ($other), ())",
		"GROUPING SETS (($one, $other), ($one))");
	return (
		"SELECT $one, $other, grouping($one, $other), count(*), min($one) FROM $from WHERE "
		  . $self->bool($s, $d)
		  . " GROUP BY $sets",
		0);
}

sub query_aggregates
{
	my ($self, $d) = @_;
	my ($from, $s) = $self->joined($d);
	return (
		'SELECT '
		  . join(', ', map { $self->aggregate($s) } 1 .. between(2, 4))
		  . " FROM $from WHERE "
		  . $self->bool($s, $d),
		0);
}

sub query_window
{
	my ($self, $d) = @_;
	my ($from, $s) = $self->joined($d);
	my ($one, $other) = ($self->encrypted_column($s), $self->encrypted_column($s));
	my $window = one(
		"PARTITION BY $one ORDER BY $other",
		"ORDER BY $one DESC",
		"PARTITION BY $one",
		"ORDER BY $one, $other NULLS FIRST");
	my $call = one('rank()', 'dense_rank()', 'count(*)', "min($other)", "max($one)", "count($one)", 'cume_dist()',
		$window =~ /ORDER/ ? "first_value($one)" : 'count(*)');
	$call = "max($one)" if $call =~ /first_value/ && $window !~ /ORDER BY \Q$one\E/;
	return (
		'SELECT '
		  . join(', ', map({ "$_.id" } @$s), $one, "$call OVER ($window)")
		  . " FROM $from WHERE "
		  . $self->bool($s, $d),
		0);
}

sub query_setop
{
	my ($self, $d) = @_;
	my $arms = between(2, 3);
	my $text = '';

	for my $i (1 .. $arms)
	{
		my ($from, $s) = $self->joined($d - 1);

		$text .= one(' UNION ', ' UNION ALL ', ' INTERSECT ', ' EXCEPT ', ' EXCEPT ALL ', ' INTERSECT ALL ')
		  if $i > 1;
		$text .=
			'SELECT '
		  . $self->encrypted_column($s) . ', '
		  . ($i > 1 && chance(10) ? 'NULL' : column($s->[0], 'n'))
		  . " FROM $from WHERE "
		  . $self->bool($s, $d - 1);
	}
	return chance(30) ? ("$text ORDER BY 1, 2", 1) : ($text, 0);
}

sub query_cte
{
	my ($self, $d) = @_;
	my $name = 'cte' . ++$self->{aliases};
	my ($from, $inner) = $self->source($d - 1);
	my $with =
		"WITH $name AS "
	  . one('', '', 'MATERIALIZED ', 'NOT MATERIALIZED ')
	  . '(SELECT '
	  . join(', ', map { "$inner.$_" } @COLUMNS)
	  . " FROM $from WHERE "
	  . $self->bool([$inner], $d - 1) . ') ';
	local $self->{names} = [ $name, @{ $self->{names} // [] } ];
	my ($from2, $s) = $self->joined($d - 1);

	return (
		$with
		  . 'SELECT '
		  . join(', ', map({ "$_.id" } @$s), $self->select_list($s, 1))
		  . " FROM $from2 WHERE "
		  . $self->bool($s, $d),
		0);
}

sub query_recursive
{
	my ($self, $d) = @_;
	my ($start, $step) = (one(@TYPED), one(@TYPED));
	my $column = one(qw(code low name));
	return (
		"WITH RECURSIVE walk (id, v) AS (SELECT x.id, x.$column FROM $start x WHERE "
		  . $self->bool(['x'], 0)
		  . " UNION SELECT y.id, y.$column FROM walk x JOIN $step y ON y.id = x.id + "
		  . between(1, 3)
		  . ' WHERE y.'
		  . one($column, 'city') . ' '
		  . one('<>', '>=', 'IS DISTINCT FROM')
		  . ' x.v) SELECT count(*), min(v), max(v), count(DISTINCT v) FROM walk',
		0);
}

# ---- whole statements

sub random_value
{
	my ($self, $s, $column, $depth) = @_;
	return between(0, 4) if $column eq 'n';
	return chance(8) ? 'NULL' : chance(60) ? $self->literal : $self->text($s, $depth) if $column eq 'city';
	return chance(8) ? 'NULL' : $self->string($s, $depth);
}

sub assignments
{
	my ($self, $s, $depth) = @_;
	my %chosen = map { $_ => 1 } map { one(qw(name code low other city n)) } 1 .. between(1, 3);
	return join(', ', map { "$_ = " . $self->random_value($s, $_, $depth) } sort keys %chosen);
}

sub returning
{
	my ($self, $alias) = @_;
	return chance(50) ? " RETURNING $alias.id, " . join(', ', $self->select_list([$alias], 1)) : '';
}

sub literals_row
{
	my ($self, $id) = @_;
	return "($id, " . join(', ', map { $self->random_value([], $_, -1) } qw(n name code low other)) . ", 'city')";
}

my %STATEMENT = (
	query => 100,
	prepare => 12,
	cursor => 3,
	copy => 3,
	describe => 4,
	sql_function => 4,
	plpgsql => 4,
	create_as => 2,
	insert => 4,
	insert_select => 4,
	upsert => 7,
	update => 9,
	update_from => 5,
	delete => 5,
	delete_using => 4,
	merge => 5,
	view => 2,
	writing_cte => 2,
	do_block => 2);

# Returns the statements of one block and whether the order of lines counts.
sub block
{
	my ($self) = @_;
	my $settings = '';

	$self->{aliases} = 0;
	delete $self->{parameters};
	if (chance(40))
	{
		$settings .= "SET LOCAL $_;\n" foreach map { one(@SETTINGS) } 1 .. between(1, 4);
	}
	elsif (chance(4))
	{
		$settings .= "SET LOCAL $_;\n" foreach @PARALLEL;
	}
	my ($text, $ordered) = $self->produce('statement', \%STATEMENT, chance(70) ? 1 : 2);
	return ($settings . $text, $ordered);
}
sub statement_query { my ($self, $d) = @_; my ($text, $ordered) = $self->query($d); return ("$text;", $ordered); }

sub as_parameters
{
	my ($self, $build) = @_;
	local $self->{parameters} = [];
	my ($text, $ordered) = $build->();

	my (@values, %number);

	# alternatives that were not taken have used up numbers
	$text =~ s/\$(\d+)/'$' . ($number{$1} \/\/= push(@values, $self->{parameters}[ $1 - 1 ]))/ge;
	return ($text, $ordered, @values);
}

sub statement_prepare
{
	my ($self, $d) = @_;
	my ($text, $ordered, @values) = $self->as_parameters(
		sub {
			return chance(80)
			  ? $self->query($d)
			  : (
				'UPDATE w x SET '
				  . $self->assignments(['x'], 0)
				  . ' WHERE '
				  . $self->bool(['x'], $d)
				  . ' RETURNING x.*',
				0);
		});
	my @runs = map {
		@values
		  ? '('
		  . join(', ', map { my $v = $_; chance(10) ? 'NULL' : quoted(chance(60) ? $v : one(@LITERALS)) } @values)
		  . ')'
		  : ''
	} 1 .. 2;
	my $types =
	  @values && chance(40) ? ' (' . join(', ', map { one('text', 'text', 'varchar', 'unknown') } @values) . ')' : '';

	return (
		one('', 'SET LOCAL plan_cache_mode = force_generic_plan;' . "\n")
		  . "PREPARE s$types AS $text;\n"
		  . join('', map { "EXECUTE s$_;\n" } @runs),
		$ordered);
}

sub statement_cursor
{
	my ($self, $d) = @_;
	my ($text) = $self->query_ordered($d);
	return (
		"DECLARE cur "
		  . one('', 'SCROLL ')
		  . "CURSOR FOR $text;\nFETCH 2 FROM cur;\nMOVE 1 IN cur;\nFETCH 3 FROM cur;",
		1);
}

sub statement_copy
{
	my ($self, $d) = @_;
	my ($text, $ordered) = $self->query($d);
	return ("COPY ($text) TO STDOUT" . one('', ' (FORMAT csv)', ' (FORMAT csv, FORCE_QUOTE *)') . ';', $ordered);
}
sub statement_describe { my ($self, $d) = @_; my ($text) = $self->query($d); return ("$text \\gdesc", 0); }

# The constants of a query become the arguments of a function.
sub in_function
{
	my ($self, $d) = @_;
	my ($text, $s, @values) = $self->as_parameters(
		sub {
			my ($from, $s) = $self->joined($d);
			return ("SELECT $s->[0].id FROM $from WHERE " . $self->bool($s, $d));
		});
	my $arguments = join(', ', map { one('text', 'text', 'varchar') } @values);
	return ($text, $arguments, join(', ', map { quoted($_) } @values));
}

sub statement_sql_function
{
	my ($self, $d) = @_;
	my ($text, $types, $values) = $self->in_function($d);
	return (
		"CREATE FUNCTION pg_temp.f($types) RETURNS SETOF int LANGUAGE sql STABLE AS \$\$ $text \$\$;\nSELECT f, count(*) FROM pg_temp.f($values) f GROUP BY f;",
		0);
}

sub statement_plpgsql
{
	my ($self, $d) = @_;
	my ($text, $types, $values) = $self->in_function($d);
	return (
		"CREATE FUNCTION pg_temp.f($types) RETURNS SETOF int LANGUAGE plpgsql STABLE AS \$\$ BEGIN RETURN QUERY $text; END \$\$;\nSELECT f, count(*) FROM pg_temp.f($values) f GROUP BY f;",
		0);
}

sub statement_do_block
{
	my ($self, $d) = @_;
	my ($from, $alias) = $self->relation;
	my $column = one(@ENCRYPTED);
	return (
		"DO \$\$ DECLARE rec record; seen text := ''; BEGIN FOR rec IN SELECT $alias.id, $alias.$column AS v FROM $from WHERE "
		  . $self->bool([$alias], $d)
		  . " ORDER BY $alias.$column, $alias.id LOOP IF rec.v = "
		  . $self->literal
		  . " OR rec.v LIKE 'b%' THEN seen := seen || rec.id || rec.v; END IF; END LOOP;\n"
		  . "PERFORM set_config('oracle.seen', seen, true); END \$\$;\nSELECT current_setting('oracle.seen');",
		1);
}

sub statement_create_as
{
	my ($self, $d) = @_;
	my ($from, $alias) = (one(@TYPED) . ' t', 't');
	return (
		'CREATE TEMP TABLE made AS SELECT '
		  . join(', ', map { "$alias.$_" } @COLUMNS)
		  . " FROM $from WHERE "
		  . $self->bool([$alias], $d)
		  . ";\nSELECT x.* FROM made x WHERE "
		  . $self->bool(['x'], 0) . ';',
		0);
}

sub statement_view
{
	my ($self, $d) = @_;
	my ($from, $s) = $self->joined($d);
	my $alias = one(@$s);
	return (
		'CREATE TEMP VIEW made '
		  . one('', '', 'WITH (security_barrier) ')
		  . 'AS SELECT '
		  . join(', ', map { "$alias.$_" } @COLUMNS)
		  . " FROM $from WHERE "
		  . $self->bool($s, $d)
		  . ";\nSELECT x.* FROM made x WHERE "
		  . $self->bool(['x'], $d) . ';',
		0);
}

sub statement_insert
{
	my ($self, $d) = @_;
	my $table = one(@WRITE);
	return (
		"INSERT INTO $table AS x ("
		  . join(', ', @COLUMNS)
		  . ') VALUES '
		  . join(', ', map { $self->literals_row(100 + $_) } 1 .. between(1, 3))
		  . $self->returning('x')
		  . ";\nSELECT x.* FROM $table x WHERE x.id > 90;",
		0);
}

sub statement_insert_select
{
	my ($self, $d) = @_;
	my ($table, $from, $s) = (one(@WRITE), $self->joined($d));
	my $alias = $s->[0];
	my @values = map { $_ eq 'city' ? $self->text($s, 1) : chance(60) ? "$alias.$_" : $self->random_value($s, $_, 1) }
	  qw(n name code low other city);
	return (
		"INSERT INTO $table AS x (" . join(', ', @COLUMNS) . ") SELECT 100 + row_number() OVER (ORDER BY " . join(
			', ',
			map {
				my $t = $_;
				map { "$t.$_" } @COLUMNS
			} @$s)
		  . '), '
		  . join(', ', @values)
		  . " FROM $from WHERE "
		  . $self->bool($s, $d)
		  . " ON CONFLICT DO NOTHING;\nSELECT x.n, x.name, x.code, x.low, x.other, x.city FROM $table x WHERE x.id > 90;",
		0);
}

sub statement_upsert
{
	my ($self, $d) = @_;
	my $target = one('(code)', '(code)', '(code)', '(id)', '');
	my $action =
	  $target eq '' || chance(25)
	  ? 'DO NOTHING'
	  : 'DO UPDATE SET '
	  . one(
		'name = excluded.name',
		'n = x.n + 1',
		'name = excluded.code, low = x.name',
		'city = (x.name)::text || excluded.name',
		'code = excluded.name') . (chance(40) ? ' WHERE ' . $self->bool([ 'x', 'excluded' ], 0) : '');
	return (
		'INSERT INTO u AS x ('
		  . join(', ', @COLUMNS)
		  . ') VALUES '
		  . join(', ', map { $self->literals_row(one(1 .. 18, 50 .. 60)) } 1 .. between(1, 2))
		  . " ON CONFLICT $target $action"
		  . $self->returning('x')
		  . ";\nTABLE u;",
		0);
}

sub statement_update
{
	my ($self, $d) = @_;
	my $table = one(@WRITE);
	return (
		"UPDATE $table x SET "
		  . $self->assignments(['x'], 1)
		  . ' WHERE '
		  . $self->bool(['x'], $d)
		  . $self->returning('x')
		  . ";\nSELECT x.id, x.n, x.name, x.code, x.low, x.other, x.city FROM $table x;",
		0);
}

sub statement_update_from
{
	my ($self, $d) = @_;
	my ($table, $source) = (one(@WRITE), one(qw(p q u mv)));
	return (
		"UPDATE $table x SET "
		  . $self->assignments([ 'x', 'y' ], 1)
		  . " FROM $source y WHERE x.id = y.id AND "
		  . $self->bool([ 'x', 'y' ], $d)
		  . $self->returning('x')
		  . ";\nSELECT x.id, x.n, x.name, x.code, x.low, x.other, x.city FROM $table x;",
		0);
}

sub statement_delete
{
	my ($self, $d) = @_;
	my $table = one(@WRITE);
	return (
		"DELETE FROM $table x WHERE "
		  . $self->bool(['x'], $d)
		  . $self->returning('x')
		  . ";\nSELECT x.id FROM $table x;",
		0);
}

sub statement_delete_using
{
	my ($self, $d) = @_;
	my ($table, $from, $alias) = (one(@WRITE), $self->relation);
	my $column = one(qw(code low name));
	return (
		"DELETE FROM $table x USING $from WHERE x.$column = "
		  . column($alias, one($column, $column, 'city')) . ' AND '
		  . $self->bool([ 'x', $alias ], $d)
		  . ";\nSELECT x.id FROM $table x;",
		0);
}

sub statement_merge
{
	my ($self, $d) = @_;
	my $source = one(qw(p q u mv));
	return (
		"MERGE INTO w x USING $source y ON x.id = y.id AND "
		  . $self->bool([ 'x', 'y' ], 0)
		  . "\nWHEN MATCHED AND "
		  . $self->bool([ 'x', 'y' ], $d)
		  . ' THEN '
		  . one('DELETE', 'UPDATE SET ' . $self->assignments([ 'x', 'y' ], 0))
		  . "\nWHEN MATCHED THEN UPDATE SET name = y.name, n = 7"
		  . "\nWHEN NOT MATCHED AND y.code "
		  . one(@OPERATORS) . ' '
		  . $self->literal
		  . ' THEN INSERT (id, name, code, low, city) VALUES (200 + y.id, y.name, '
		  . one('y.code', 'y.name', $self->literal)
		  . ", y.low, y.city);\nTABLE w;",
		0);
}

sub statement_writing_cte
{
	my ($self, $d) = @_;
	return (
		one('WITH moved AS (DELETE FROM w x WHERE '
			  . $self->bool(['x'], $d)
			  . ' RETURNING x.*) SELECT x.id, x.name FROM moved x WHERE '
			  . $self->bool(['x'], 0) . ';',
			'WITH new AS (UPDATE w x SET '
			  . $self->assignments(['x'], 0)
			  . ' WHERE '
			  . $self->bool(['x'], $d)
			  . ' RETURNING x.*) SELECT n.id, n.name, n.code, n.low FROM new n JOIN q ON q.code = n.code;'),
		0);
}

# What the grammar has, to see that all of it was used.
sub productions
{
	my %rules = (
		enc => \%ENC,
		text => \%TEXT,
		integer => \%INTEGER,
		bool => \%BOOL,
		source => \%SOURCE,
		query => \%QUERY,
		statement => \%STATEMENT);
	return map {
		my $rule = $_;
		map { "${rule}_$_" } grep { $rules{$rule}{$_} } sort keys %{ $rules{$rule} }
	} sort keys %rules;
}

1;
