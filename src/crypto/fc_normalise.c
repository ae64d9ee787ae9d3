/*-------------------------------------------------------------------------
 *
 * fc_normalise.c
 *		UTF-8 validity and the search modes.
 *
 * No locale, no library: a tag computed today must be the one that another
 * server, another operating system or a later release computes.  The caller
 * wipes the output, which is plaintext.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "crypto/fc_envelope.h"
#include "crypto/fc_fold.h"
#include "crypto/fc_unicode_lower.h"

#define LAST4 4

/*
 * RFC 3629: shortest form, no surrogates, at most U+10FFFF.  NUL is what
 * PostgreSQL's text cannot hold.
 */
size_t
fc_utf8_decode(const uint8_t *s, size_t left, uint32_t *cp)
{
	if (s[0] < 0x80)
	{
		*cp = s[0];
		return s[0] != 0 ? 1 : 0;
	}
	if (s[0] < 0xc2)
		return 0;
	if (s[0] < 0xe0)
	{
		if (left < 2 || (s[1] & 0xc0) != 0x80)
			return 0;
		*cp = (uint32_t) (s[0] & 0x1f) << 6 | (s[1] & 0x3f);
		return 2;
	}
	if (s[0] < 0xf0)
	{
		if (left < 3 || (s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
			return 0;
		*cp = (uint32_t) (s[0] & 0x0f) << 12 | (uint32_t) (s[1] & 0x3f) << 6 | (s[2] & 0x3f);
		return *cp >= 0x800 && (*cp < 0xd800 || *cp > 0xdfff) ? 3 : 0;
	}
	if (s[0] > 0xf4 || left < 4 || (s[1] & 0xc0) != 0x80 ||
		(s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
		return 0;
	*cp = (uint32_t) (s[0] & 0x07) << 18 | (uint32_t) (s[1] & 0x3f) << 12 |
		  (uint32_t) (s[2] & 0x3f) << 6 | (s[3] & 0x3f);
	return *cp >= 0x10000 && *cp <= 0x10ffff ? 4 : 0;
}

static size_t
utf8_encode(uint32_t cp, uint8_t *out)
{
	if (cp < 0x80)
	{
		out[0] = (uint8_t) cp;
		return 1;
	}
	if (cp < 0x800)
	{
		out[0] = (uint8_t) (0xc0 | cp >> 6);
		out[1] = (uint8_t) (0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000)
	{
		out[0] = (uint8_t) (0xe0 | cp >> 12);
		out[1] = (uint8_t) (0x80 | (cp >> 6 & 0x3f));
		out[2] = (uint8_t) (0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (uint8_t) (0xf0 | cp >> 18);
	out[1] = (uint8_t) (0x80 | (cp >> 12 & 0x3f));
	out[2] = (uint8_t) (0x80 | (cp >> 6 & 0x3f));
	out[3] = (uint8_t) (0x80 | (cp & 0x3f));
	return 4;
}

bool
fc_utf8_valid(const uint8_t *text, size_t len)
{
	size_t		i;
	size_t		n;
	uint32_t	cp;

	for (i = 0; i < len; i += n)
	{
		n = fc_utf8_decode(text + i, len - i, &cp);
		if (n == 0)
			return false;
	}
	return true;
}

/* Above ASCII. */
static uint32_t
lower_code_point(uint32_t cp)
{
	int			lo = 0;
	int			hi = FC_LOWER_RANGES - 1;

	while (lo <= hi)
	{
		int			mid = (lo + hi) / 2;
		const FcLowerRange *range = &fc_lower_ranges[mid];

		if (cp < range->first)
			hi = mid - 1;
		else if (cp > range->last)
			lo = mid + 1;
		else if ((cp - range->first) % range->step != 0)
			return cp;
		else
			return (uint32_t) ((int32_t) cp + range->delta);
	}
	return cp;
}

bool
fc_is_lower_of_pair(uint32_t cp)
{
	int			i;

	for (i = 0; i < (int) FC_LOWER_RANGES; i++)
	{
		const FcLowerRange *range = &fc_lower_ranges[i];
		int64_t		upper = (int64_t) cp - range->delta;

		if (upper >= range->first && upper <= range->last &&
			(upper - range->first) % range->step == 0)
			return true;
	}
	return false;
}

static FcStatus
normalise_lower(const uint8_t *text, size_t len, uint8_t *out, size_t *out_len)
{
	size_t		i;
	size_t		n;
	uint32_t	cp;

	for (i = 0; i < len; i += n)
	{
		n = fc_utf8_decode(text + i, len - i, &cp);
		if (n == 0)
			return FC_ERR_UTF8;
		if (cp >= 'A' && cp <= 'Z')
			cp += 'a' - 'A';
		else if (cp >= 0x80)
			cp = lower_code_point(cp);
		*out_len += utf8_encode(cp, out + *out_len);
	}
	return FC_OK;
}

/*
 * ASCII digits only.  No byte of a longer character is one, so bytes suffice
 * once the text is known to be valid.
 */
static void
normalise_digits(const uint8_t *text, size_t len, uint8_t *out, size_t *out_len)
{
	size_t		i;

	for (i = 0; i < len; i++)
	{
		if (text[i] >= '0' && text[i] <= '9')
			out[(*out_len)++] = text[i];
	}
}

/* Found from the end and written in the order of the text. */
static void
normalise_last4(const uint8_t *text, size_t len, uint8_t *out, size_t *out_len)
{
	uint8_t		last[LAST4];
	size_t		found = 0;

	while (len > 0 && found < LAST4)
	{
		len--;
		if (text[len] >= '0' && text[len] <= '9')
			last[LAST4 - ++found] = text[len];
	}
	memcpy(out, last + LAST4 - found, found);
	*out_len = found;
	fc_wipe(last, sizeof(last));
}

FcStatus
fc_normalise(uint8_t mode, const uint8_t *text, size_t len, uint8_t *out,
			 size_t *out_len)
{
	*out_len = 0;
	if (len > FC_PLAINTEXT_MAX)
		return FC_ERR_TOO_LONG;
	if (mode == FC_MODE_LOWER)
	{
		FcStatus	status = normalise_lower(text, len, out, out_len);

		if (status != FC_OK)
		{
			fc_wipe(out, *out_len);
			*out_len = 0;
		}
		return status;
	}
	if (!fc_utf8_valid(text, len))
		return FC_ERR_UTF8;
	switch (mode)
	{
		case FC_MODE_EXACT:
			if (len > 0)
				memcpy(out, text, len);
			*out_len = len;
			return FC_OK;
		case FC_MODE_DIGITS:
			normalise_digits(text, len, out, out_len);
			return FC_OK;
		case FC_MODE_LAST4:
			normalise_last4(text, len, out, out_len);
			return FC_OK;
		default:
			return FC_ERR_MODE;
	}
}
