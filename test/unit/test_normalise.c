/*-------------------------------------------------------------------------
 *
 * test_normalise.c
 *		UTF-8 validity and the search modes.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include "crypto/fc_envelope.h"
#include "crypto/fc_fold.h"

/* Exactly-sized copies, so that a byte read or written too far is seen. */
static bool
is_normalised(uint8_t mode, const char *text, const char *expected)
{
	size_t		len = strlen(text);
	uint8_t    *in = malloc(len > 0 ? len : 1);
	uint8_t    *out = malloc(FC_NORMALISED_MAX(len));
	size_t		out_len = 99;
	bool		good;

	memcpy(in, text, len);
	good = fc_normalise(mode, in, len, out, &out_len) == FC_OK && out_len == strlen(expected) &&
		   memcmp(out, expected, out_len) == 0;
	if (!good)
		printf("# got %.*s\n", (int) out_len, (const char *) out);
	free(in);
	free(out);
	return good;
}

static void
test_utf8(void)
{
	static const char *const good[] = {
		"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa9z"
	};
	static const char *const bad[] = {
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2z", "\xdf\xc0", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe2\x82",
		"\xe2\x82z", "\xe2z\x82", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
		"\xf0\x9f\x98", "\xf0\x9f\x98z", "\xf0\x9fz\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff",
		"ok\xff", "\xc3\xa9\xa9"
	};
	size_t		i;
	int			wrong = 0;
	uint8_t		out[64];
	size_t		n;
	uint8_t		mode;
	uint32_t	cp;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		wrong += !fc_utf8_valid((const uint8_t *) good[i], strlen(good[i]));
	ok(wrong == 0, "UTF-8: valid sequences, the bounds of every length");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		size_t		len = strlen(bad[i]);
		uint8_t    *copy = malloc(len);

		memcpy(copy, bad[i], len);
		wrong += fc_utf8_valid(copy, len);
		for (mode = 1; mode <= 4; mode++)
			wrong += fc_normalise(mode, copy, len, out, &n) != FC_ERR_UTF8 || n != 0;
		free(copy);
	}
	ok(wrong == 0, "UTF-8: overlong, surrogate, too high, cut and stray bytes, in every mode");
	ok(!fc_utf8_valid((const uint8_t *) "a\0b", 3) && fc_normalise(1, (const uint8_t *) "\0", 1, out, &n) == FC_ERR_UTF8,
	   "UTF-8: NUL is refused");
	/* all three-byte strings: as many as there are code points of that length and shorter ones combined */
	i = 0;
	for (cp = 0; cp < 0x1000000; cp++)
	{
		uint8_t		s[3] = { (uint8_t) (cp >> 16), (uint8_t) (cp >> 8), (uint8_t) cp };

		i += fc_utf8_valid(s, 3);
	}
	/* 127^3 one-byte triples, 2 * 127 * 1920 pairs, 65536 - 2048 - 2048 alone */
	ok(i == 127 * 127 * 127 + 2 * 127 * 1920 + 61440, "UTF-8: %d of all three-byte strings are valid", (int) i);
}

static void
test_lower(void)
{
	ok(is_normalised(2, "", ""), "lower: empty");
	ok(is_normalised(2, "ABCxyz 019 @[`{", "abcxyz 019 @[`{"), "lower: ASCII");
	ok(is_normalised(2, "ÀÉÎÕÜÞ×ß", "àéîõüþ×ß"), "lower: Latin-1");
	ok(is_normalised(2, "İstanbul I", "istanbul i"), "lower: dotted capital I is i, capital I is i, in no locale");
	ok(is_normalised(2, "STRAẞE", "straße"), "lower: capital sharp s");
	ok(is_normalised(2, "ΑΣ ΟΔΟΣ", "ασ οδοσ"), "lower: final capital sigma is plain sigma");
	ok(is_normalised(2, "ς", "ς"), "lower: final sigma stays");
	ok(is_normalised(2, "ПРИВЕТ ЁЖ", "привет ёж"), "lower: Cyrillic");
	ok(is_normalised(2, "ᏣᎳᎩ Ᏽ", "ꮳꮃꭹ ᏽ"), "lower: Cherokee");
	ok(is_normalised(2, "𐐔𐐇𐐝", "𐐼𐐯𐑅"), "lower: Deseret");
	ok(is_normalised(2, "ᲐᲑ Ⴀ", "აბ ⴀ"), "lower: Georgian");
	ok(is_normalised(2, "ǄǅǆŸ", "ǆǆǆÿ"), "lower: digraphs");
	ok(is_normalised(2, "KÅΩ", "kåω"), "lower: Kelvin, Angstrom, Ohm signs");
	ok(is_normalised(2, "ȺȾ", "ⱥⱦ"), "lower: the two letters that grow");
	ok(is_normalised(2, "ȺȺȺȺȺȺȺȺȺȺȺȺȺȺȺȺȺȺȺȺ", "ⱥⱥⱥⱥⱥⱥⱥⱥⱥⱥⱥⱥⱥⱥⱥⱥⱥⱥⱥⱥ"),
	   "lower: a text of letters that grow fits");
	ok(is_normalised(2, "ⅨⓏ Ａ", "ⅸⓩ ａ"), "lower: Roman numerals, circled and full-width letters");
	ok(is_normalised(2, "漢字 \xf0\x9f\x98\x80 עברית", "漢字 \xf0\x9f\x98\x80 עברית"), "lower: no case, no change");
	ok(is_normalised(2, "A\xcc\x8a", "a\xcc\x8a"), "lower: no composition");
}

static void
test_digits(void)
{
	ok(is_normalised(3, "078-05-1120", "078051120"), "digits: separators go");
	ok(is_normalised(3, "tel. ٠١٢ 12 ３4", "124"), "digits: Arabic and full-width digits are none");
	ok(is_normalised(3, "²½no", "") && is_normalised(3, "", ""), "digits: empty result");
	ok(is_normalised(4, "078-05-1120", "1120"), "last4: the last four");
	ok(is_normalised(4, "1-1-2-0 x", "1120"), "last4: separators between");
	ok(is_normalised(4, "a1b2c3", "123"), "last4: all if fewer");
	ok(is_normalised(4, "xyz", "") && is_normalised(4, "", ""), "last4: empty result");
	ok(is_normalised(4, "12345٦٧", "2345"), "last4: Arabic digits are none");
	ok(is_normalised(1, "AbC é 1", "AbC é 1") && is_normalised(1, "", ""), "exact: the bytes");
}

/* Every code point: maps to itself or once, grows at most by half, is stable. */
static void
test_all_code_points(void)
{
	uint32_t	cp;
	int			mapped = 0;
	int			wrong = 0;

	for (cp = 1; cp < 0x110000; cp++)
	{
		uint8_t		in[4];
		uint8_t		out[FC_NORMALISED_MAX(4)];
		uint8_t		twice[FC_NORMALISED_MAX(6)];
		size_t		len;
		size_t		n;
		size_t		m;

		if (cp >= 0xd800 && cp <= 0xdfff)
			continue;
		if (cp < 0x80)
		{
			in[0] = (uint8_t) cp;
			len = 1;
		}
		else if (cp < 0x800)
		{
			in[0] = (uint8_t) (0xc0 | cp >> 6);
			in[1] = (uint8_t) (0x80 | (cp & 63));
			len = 2;
		}
		else if (cp < 0x10000)
		{
			in[0] = (uint8_t) (0xe0 | cp >> 12);
			in[1] = (uint8_t) (0x80 | (cp >> 6 & 63));
			in[2] = (uint8_t) (0x80 | (cp & 63));
			len = 3;
		}
		else
		{
			in[0] = (uint8_t) (0xf0 | cp >> 18);
			in[1] = (uint8_t) (0x80 | (cp >> 12 & 63));
			in[2] = (uint8_t) (0x80 | (cp >> 6 & 63));
			in[3] = (uint8_t) (0x80 | (cp & 63));
			len = 4;
		}
		if (fc_normalise(FC_MODE_LOWER, in, len, out, &n) != FC_OK || 2 * n > 3 * len ||
			fc_normalise(FC_MODE_LOWER, out, n, twice, &m) != FC_OK || m != n || memcmp(out, twice, n) != 0)
			wrong++;
		mapped += n != len || memcmp(in, out, len) != 0;
	}
	ok(wrong == 0, "lower: every code point grows at most by half and maps once");
	ok(mapped == 1433, "lower: %d code points have a lower case (1433 in Unicode 15.1)", mapped);
}

static uint32_t
origins(FcFold fold, const char *text)
{
	FcFolded	folded;

	return fc_fold_init(&folded, fold, (const uint8_t *) text, strlen(text)) ? folded.count : 0;
}

/* All origins of a text in a row, each with a bar behind it. */
static const char *
list_origins(FcFold fold, const char *text)
{
	static char list[256];
	size_t		used = 0;
	FcFolded	folded;

	(void) fc_fold_init(&folded, fold, (const uint8_t *) text, strlen(text));
	for (uint32_t i = 0; i < folded.count; i++)
	{
		used += fc_fold_origin(&folded, (const uint8_t *) text, strlen(text), i, (uint8_t *) list + used);
		list[used++] = '|';
	}
	list[used] = '\0';
	return list;
}

static void
test_fold(void)
{
	char		text[FC_FOLD_TEXT_MAX + 2];

	ok(strcmp(list_origins(FC_FOLD_LOWER, "ab1"), "ab1|") == 0, "fold: lower case of ASCII is itself");
	ok(strcmp(list_origins(FC_FOLD_LOWER, "\xcf\x82z"), "\xcf\x82z|\xcf\x83z|") == 0, "fold: the final sigma may be one that is not");
	ok(strcmp(list_origins(FC_FOLD_UPPER, "XSS"),
			  "XSS|XS\xc5\xbf|X\xc5\xbfS|X\xc5\xbf\xc5\xbf|X\xc3\x9f|") == 0,
	   "fold: upper case of long s and of sharp s");
	ok(origins(FC_FOLD_UPPER, "FFI") == 6 && origins(FC_FOLD_UPPER, "") == 1, "fold: overlapping ligatures are counted once each");
	ok(origins(FC_FOLD_LOWER, "i\xcc\x87") == 0 && origins(FC_FOLD_LOWER, "\xc9\xa4") == 0 &&
		   origins(FC_FOLD_UPPER, "\xce\x9c") == 0,
	   "fold: combining marks, letters without a pair and Greek capitals are not known");
	ok(origins(FC_FOLD_LOWER, "\xc3") == 0 && origins(FC_FOLD_LOWER, "\xc3\xbc\xc3") == 0, "fold: no UTF-8, no origins");
	memset(text, 'I', sizeof(text));
	text[11] = '\0';
	ok(origins(FC_FOLD_UPPER, text) == 0 && origins(FC_FOLD_UPPER, text + 1) == FC_FOLD_MAX, "fold: at most %d origins", FC_FOLD_MAX);
	memset(text, 'x', sizeof(text));
	text[FC_FOLD_TEXT_MAX + 1] = '\0';
	ok(origins(FC_FOLD_LOWER, text) == 0 && origins(FC_FOLD_LOWER, text + 1) == 1, "fold: at most %d bytes", FC_FOLD_TEXT_MAX);
}

int
main(void)
{
	uint8_t		out[16];
	size_t		n;

	test_utf8();
	test_lower();
	test_digits();
	test_all_code_points();
	test_fold();
	ok(fc_normalise(0, (const uint8_t *) "a", 1, out, &n) == FC_ERR_MODE &&
		   fc_normalise(5, (const uint8_t *) "a", 1, out, &n) == FC_ERR_MODE && n == 0,
	   "reserved modes are refused");
	return tap_done();
}
