/*-------------------------------------------------------------------------
 *
 * fc_b64.c
 *		Canonical base64 (RFC 4648 section 4) and hexadecimal.
 *
 * Base64 carries ciphertext and wrapped blobs only, so table look-ups that
 * depend on the data are allowed there; hexadecimal carries keys and has
 * none.
 *
 *-------------------------------------------------------------------------
 */
#include "base/fc_b64.h"
#include "base/fc_secret.h"

#define BAD 0xff

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of each ASCII character, BAD if it is not of the alphabet. */
static const uint8_t sextet[128] = {
	BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
	BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD,
	BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 62, BAD, BAD, BAD, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, BAD, BAD, BAD, BAD, BAD, BAD,
	BAD, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, BAD, BAD, BAD, BAD, BAD,
	BAD, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, BAD, BAD, BAD, BAD, BAD
};

void
fc_b64_encode(const uint8_t *data, size_t len, char *out)
{
	size_t		i;

	for (i = 0; len - i >= 3; i += 3)
	{
		uint32_t	v = (uint32_t) data[i] << 16 | (uint32_t) data[i + 1] << 8 | data[i + 2];

		*out++ = alphabet[v >> 18];
		*out++ = alphabet[(v >> 12) & 63];
		*out++ = alphabet[(v >> 6) & 63];
		*out++ = alphabet[v & 63];
	}
	if (len - i > 0)
	{
		uint32_t	v = (uint32_t) data[i] << 16;

		if (len - i == 2)
			v |= (uint32_t) data[i + 1] << 8;
		*out++ = alphabet[v >> 18];
		*out++ = alphabet[(v >> 12) & 63];
		*out++ = len - i == 2 ? alphabet[(v >> 6) & 63] : '=';
		*out++ = '=';
	}
}

/* Value of one character; a value with the high bit set is an error. */
static inline uint8_t
b64_value(char c)
{
	uint8_t		u = (uint8_t) c;

	return u < 128 ? sextet[u] : BAD;
}

FcStatus
fc_b64_decode(const char *text, size_t len, uint8_t *out, size_t *out_len)
{
	size_t		pad = 0;
	size_t		full;
	size_t		i;
	uint8_t    *start = out;
	uint8_t		bad = 0;

	*out_len = 0;
	if (len % 4 != 0)
		return FC_ERR_ARMOUR;
	if (len == 0)
		return FC_OK;
	if (text[len - 1] == '=')
		pad = text[len - 2] == '=' ? 2 : 1;

	/* whole groups; a '=' anywhere in them is not of the alphabet */
	full = pad > 0 ? len - 4 : len;
	for (i = 0; i < full; i += 4)
	{
		uint8_t		a = b64_value(text[i]);
		uint8_t		b = b64_value(text[i + 1]);
		uint8_t		c = b64_value(text[i + 2]);
		uint8_t		d = b64_value(text[i + 3]);

		bad |= a | b | c | d;
		*out++ = (uint8_t) (a << 2 | b >> 4);
		*out++ = (uint8_t) (b << 4 | c >> 2);
		*out++ = (uint8_t) (c << 6 | d);
	}
	if (pad > 0)
	{
		uint8_t		a = b64_value(text[full]);
		uint8_t		b = b64_value(text[full + 1]);
		uint8_t		c = pad == 1 ? b64_value(text[full + 2]) : 0;

		bad |= a | b | c;
		/* the bits that do not belong to a byte must be zero */
		if ((pad == 2 && (b & 15) != 0) || (pad == 1 && (c & 3) != 0))
			return FC_ERR_ARMOUR;
		*out++ = (uint8_t) (a << 2 | b >> 4);
		if (pad == 1)
			*out++ = (uint8_t) (b << 4 | c >> 2);
	}
	if (bad & 0x80)
		return FC_ERR_ARMOUR;
	*out_len = (size_t) (out - start);
	return FC_OK;
}

void
fc_hex_encode(const uint8_t *data, size_t len, char *out)
{
	size_t		i;

	for (i = 0; i < len; i++)
	{
		unsigned	hi = data[i] >> 4;
		unsigned	lo = data[i] & 15;

		/* 'a' - '0' - 10 is added where the digit is 10 or more, branch-free */
		*out++ = (char) ('0' + hi + (((9 - hi) >> 8) & ('a' - '0' - 10)));
		*out++ = (char) ('0' + lo + (((9 - lo) >> 8) & ('a' - '0' - 10)));
	}
}

/*
 * The value of a hexadecimal digit, or 0x100 set if it is none; no branch and
 * no table depends on the digit.  Each mask is all ones if the character is
 * in the range: (lo - 1 - c) and (c - hi - 1) both borrow exactly then.
 */
static unsigned
hex_value(char digit)
{
	unsigned	c = (uint8_t) digit;
	unsigned	l = c | 0x20; /* lower case */
	unsigned	is_num = (((unsigned) '0' - 1 - c) & (c - '9' - 1)) >> 8;
	unsigned	is_alpha = (((unsigned) 'a' - 1 - l) & (l - 'f' - 1)) >> 8;

	return (is_num & (c - '0')) | (is_alpha & (l - 'a' + 10)) |
		   (~(is_num | is_alpha) & 0x100);
}

FcStatus
fc_hex_decode(const char *text, size_t text_len, uint8_t *out, size_t len)
{
	unsigned	bad = 0;
	size_t		i;

	if (text_len % 2 != 0 || text_len / 2 != len)
		return FC_ERR_ARMOUR;
	for (i = 0; i < len; i++)
	{
		unsigned	hi = hex_value(text[2 * i]);
		unsigned	lo = hex_value(text[2 * i + 1]);

		bad |= hi | lo;
		out[i] = (uint8_t) (hi << 4 | lo);
	}
	if (bad & 0x100)
	{
		/* no part of a key is left behind */
		fc_wipe(out, len);
		return FC_ERR_ARMOUR;
	}
	return FC_OK;
}
