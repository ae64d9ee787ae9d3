# What differs from text by design: the list of docs/clients.md.
#
# An entry has a name, by which the hand-written statements call it; what the
# output on the encrypted type must be; the words of the document that say so;
# and, if generated statements may meet it, what they look like.  The output on
# text is never an error.

package Differences;

use strict;
use warnings FATAL => 'all';

sub failing
{
	my ($name, $states, $documented, %more) = @_;
	return { name => $name, output => qr/^ERROR:  (?:$states)$/m, documented => $documented, %more };
}

sub list
{
	return (
		failing('mix', '42846', '`COALESCE`, `CASE`, `UNION`, `ARRAY` and the like', generated => qr/\(VALUES /),
		failing('using', 'XX000', '`JOIN ... USING` and `NATURAL JOIN`', generated => qr/\(VALUES .* USING \(/s),
		failing('assign', '42804', '`INSERT ... SELECT` and assignment into a text column'),
		failing('cast', '42804', 'of a text value does not name a key'),
		failing('pattern', '42883', 'The pattern of `LIKE`'),
		failing('array', '42883', 'Arrays of the type and of text', generated => qr/(?=.*\(VALUES ).*ARRAY\[/s),
		failing('text-argument', '42883', 'Functions that take text'),
		failing('unkeyed', '0A000', 'Columns of several types in one'),
		failing('constraint', '0A000|42830', 'No PRIMARY KEY, FOREIGN KEY, exclusion constraint'),
		failing('returns', '42P13', 'SQL functions that return text'),
		failing('as-execute', '0A000', '`CREATE TABLE AS EXECUTE`'),
		failing('partition-key', '0A000', 'or partition key'),
		failing('index', '0A000', 'no index and no UNIQUE unless'),
		failing('on-constraint', '42704', '`ON CONFLICT ON CONSTRAINT` does not'),
		failing('index-expression', '42P17', 'No index on an expression that decrypts'),
		failing('generated', '42P17', 'no generated column either'),
		failing('statistics', '0A000', 'extended statistics'),
		failing('check', '0A000', '`CHECK` that reads a value must be'),
		failing('armour', '22P03', 'A text that begins with `fieldcrypt:1:`'),
		{
			name => 'trigger-output',
			output => qr/^fieldcrypt:1:/m,
			documented => 'in triggers they get ciphertext'
		},
		{
			name => 'client-cursor',
			output => qr/^fieldcrypt:1:/m,
			documented => "`FETCH` in PL/pgSQL from a cursor that the client declared"
		},
		{
			name => 'typeof',
			output => qr/^encrypted_text\|text$/m,
			documented => '`pg_typeof()` and the catalogs'
		});
}

1;
