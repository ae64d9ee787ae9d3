/*-------------------------------------------------------------------------
 *
 * fc_fold.c
 *		From what lower() or upper() of a server returned back to the texts of
 *		search mode lower that it may have come from.
 *
 * A server's case mapping is its collation provider's: of libc, ICU or
 * PostgreSQL itself, of one Unicode version or another, with or without the
 * mappings that depend on neighbours or change the length.  The tags are those
 * of one frozen table.  So this file says something only of characters for
 * which all of them agree, or differ in ways that are known, and nothing at
 * all of a text with any other:
 *
 *	ASCII	Only U+212A and U+0130 are lower-cased to ASCII, by the table as
 *			well.  Upper case has more origins: see the list.
 *	pairs	Lower case of a character for which the table has an upper case.
 *			Those that share it (as U+2126 and U+03A9 do) have the same lower
 *			case in the table.  The final sigma is the exception.
 *	U+00C0 to U+00FF, in upper case
 *	scripts and punctuation without case
 *
 * Not among them are combining marks, so that no composition or removal of
 * dots has a part in this.  Locales in which i and I are no pair (Turkish,
 * Azerbaijani and the like) or dots are removed (Lithuanian) are for the
 * caller to exclude.
 *
 * The regression test `folded` tries every code point under every collation
 * that the server has.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "crypto/fc_envelope.h"
#include "crypto/fc_fold.h"

/* An origin that the table keeps apart from the lower case of the image. */
typedef struct Special
{
	FcFold		fold;
	const char *image;
	const char *origin;
} Special;

static const Special specials[] = {
	/* the final sigma is lower case of U+03A3 at the end of a word */
	{FC_FOLD_LOWER, "\xcf\x82", "\xcf\x83"},
	/* long s, dotless i */
	{FC_FOLD_UPPER, "S", "\xc5\xbf"},
	{FC_FOLD_UPPER, "I", "\xc4\xb1"},
	/* where upper() changes the length: sharp s and ligatures */
	{FC_FOLD_UPPER, "SS", "\xc3\x9f"},
	{FC_FOLD_UPPER, "FF", "\xef\xac\x80"},
	{FC_FOLD_UPPER, "FI", "\xef\xac\x81"},
	{FC_FOLD_UPPER, "FL", "\xef\xac\x82"},
	{FC_FOLD_UPPER, "FFI", "\xef\xac\x83"},
	{FC_FOLD_UPPER, "FFL", "\xef\xac\x84"},
	{FC_FOLD_UPPER, "ST", "\xef\xac\x85"},
	{FC_FOLD_UPPER, "ST", "\xef\xac\x86"},
};

#define SPECIALS ((int) (sizeof(specials) / sizeof(specials[0])))

/* Code points without case, in any version: no letter maps to one. */
static const struct
{
	uint32_t	first;
	uint32_t	last;
}			caseless[] = {
	{0x0080, 0x00B4}, {0x00B6, 0x00BF}, /* Latin-1 but for the micro sign */
	{0x0590, 0x109F},			/* Hebrew, Arabic, India, Thai to Myanmar */
	{0x2000, 0x20CF},			/* punctuation, currencies */
	{0x3000, 0xA63F},			/* CJK, kana, Yi */
	{0xAC00, 0xD7A3},			/* Hangul */
};

#define CASELESS ((int) (sizeof(caseless) / sizeof(caseless[0])))

static bool
is_known(FcFold fold, uint32_t cp)
{
	int			i;

	if (cp < 0x80)
		return true;
	for (i = 0; i < CASELESS; i++)
	{
		if (cp >= caseless[i].first && cp <= caseless[i].last)
			return true;
	}
	if (fold == FC_FOLD_UPPER)
		return cp >= 0xC0 && cp <= 0xFF;
	return cp == 0x03C2 || fc_is_lower_of_pair(cp);
}

/* Bytes that the special takes at the beginning of the text; 0 if it is not there. */
static size_t
special_matches(const Special *special, FcFold fold, const uint8_t *text, size_t left)
{
	size_t		len = strlen(special->image);

	if (special->fold != fold || len > left || memcmp(text, special->image, len) != 0)
		return 0;
	return len;
}

/* From the end, so that the rest of each suffix is known. */
bool
fc_fold_init(FcFolded *folded, FcFold fold, const uint8_t *text, size_t len)
{
	size_t		at;
	size_t		n;
	uint32_t	cp;

	folded->fold = fold;
	folded->count = 0;
	if (len > FC_FOLD_TEXT_MAX)
		return false;
	for (at = 0; at < len; at += n)
	{
		n = fc_utf8_decode(text + at, len - at, &cp);
		if (n == 0 || !is_known(fold, cp))
			return false;
	}

	folded->ways[len] = 1;
	for (at = len; at-- > 0;)
	{
		uint32_t	ways = 0;
		int			i;

		n = fc_utf8_decode(text + at, len - at, &cp);
		if (n > 0)				/* else inside a character */
			ways = folded->ways[at + n];
		for (i = 0; i < SPECIALS && n > 0; i++)
		{
			size_t		bytes = special_matches(&specials[i], fold, text + at, len - at);

			if (bytes > 0)
				ways += folded->ways[at + bytes];
		}
		if (ways > FC_FOLD_MAX)
			return false;
		folded->ways[at] = (uint16_t) ways;
	}
	folded->count = folded->ways[0];
	return true;
}

size_t
fc_fold_origin(const FcFolded *folded, const uint8_t *text, size_t len, uint32_t n,
			   uint8_t *out)
{
	size_t		at = 0;
	size_t		used = 0;

	while (at < len)
	{
		const char *origin = NULL;
		uint32_t	cp;
		size_t		bytes = fc_utf8_decode(text + at, len - at, &cp);
		int			i;

		/* those of the character itself come first */
		for (i = 0; n >= folded->ways[at + bytes] && i < SPECIALS; i++)
		{
			size_t		taken = special_matches(&specials[i], folded->fold, text + at, len - at);

			if (taken == 0)
				continue;
			n -= folded->ways[at + bytes];
			bytes = taken;
			origin = specials[i].origin;
		}
		if (origin == NULL)
			memcpy(out + used, text + at, bytes);
		else
			memcpy(out + used, origin, strlen(origin));
		used += origin == NULL ? bytes : strlen(origin);
		at += bytes;
	}
	return used;
}
