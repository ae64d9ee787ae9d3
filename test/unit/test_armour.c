/*-------------------------------------------------------------------------
 *
 * test_armour.c
 *		Armour: round trip and the texts that are refused.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include <openssl/rand.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_envelope.h"

/* A value of suite 2 without tag and with n bytes of ciphertext, unauthentic. */
static size_t
make_value(uint8_t *out, size_t n)
{
	size_t		len = FC_OVERHEAD_XAES + n;

	RAND_bytes(out, (int) len);
	out[0] = FC_SUITE_XAES;
	out[1] = 0;
	out[8] = 1;
	return len;
}

static FcStatus
decode(const char *text, size_t len)
{
	uint8_t		out[2048];
	size_t		out_len;
	FcValue		v;

	return fc_armour_decode(text, len, out, &out_len, &v);
}

static void
test_round_trip(void)
{
	uint8_t		value[512];
	uint8_t		back[512];
	char		text[1024];
	size_t		n;
	size_t		back_len;
	int			wrong = 0;
	FcValue		v;

	for (n = 0; n < 300; n++)
	{
		size_t		len = make_value(value, n);
		size_t		text_len = FC_ARMOUR_LEN(len);

		memset(text, '!', sizeof(text));
		fc_armour_encode(value, len, text);
		if (text[text_len] != '!' || !fc_armour_is(text, text_len) ||
			fc_armour_decode(text, text_len, back, &back_len, &v) != FC_OK || back_len != len ||
			memcmp(value, back, len) != 0 || v.ciphertext_len != n || v.nonce != back + FC_HEADER_BYTES)
			wrong++;
	}
	ok(wrong == 0, "round trip of 300 lengths");
}

static void
test_prefix(void)
{
	ok(fc_armour_is("fieldcrypt:1:", 13) && fc_armour_is("fieldcrypt:1:x", 14), "the prefix is enough");
	ok(!fc_armour_is("fieldcrypt:1:", 12) && !fc_armour_is("fieldcrypt:2:", 13) && !fc_armour_is("Fieldcrypt:1:", 13) &&
		   !fc_armour_is(" fieldcrypt:1:", 14) && !fc_armour_is("", 0) && !fc_armour_is(NULL, 0),
	   "other prefixes are not");
	ok(decode("fieldcrypt:1:", 13) == FC_ERR_TRUNCATED, "prefix alone: truncated");
	ok(decode("fieldcrypt:1:AQ==", 17) == FC_ERR_TRUNCATED, "one byte: truncated");
	ok(decode("fieldcrypt:2:AQ==", 17) == FC_ERR_ARMOUR, "another format: not armour");
	ok(decode("", 0) == FC_ERR_ARMOUR, "nothing: not armour");
}

/*
 * Every single change of the text must be refused or decode to other bytes:
 * one value has one armour.
 */
static void
test_canonical(size_t n)
{
	uint8_t		value[512];
	uint8_t		back[512];
	char		text[1024];
	char		again[1024];
	size_t		len = make_value(value, n);
	size_t		text_len = FC_ARMOUR_LEN(len);
	size_t		back_len;
	size_t		i;
	int			c;
	int			bad = 0;
	FcValue		v;

	fc_armour_encode(value, len, text);
	for (i = 0; i < text_len; i++)
	{
		char		saved = text[i];

		for (c = 0; c < 256; c++)
		{
			if ((char) c == saved)
				continue;
			text[i] = (char) c;
			if (fc_armour_decode(text, text_len, back, &back_len, &v) != FC_OK)
				continue;
			fc_armour_encode(back, back_len, again);
			if (memcmp(text, again, text_len) != 0 || (back_len == len && memcmp(back, value, len) == 0))
				bad++;
		}
		text[i] = saved;
	}
	ok(bad == 0, "%d bytes of ciphertext: no second text for any value", (int) n);
	/* white space, one character at any place */
	for (i = 0; i <= text_len; i++)
	{
		static const char blanks[] = " \n\r\t";

		for (c = 0; c < 4; c++)
		{
			memcpy(again, text, i);
			again[i] = blanks[c];
			memcpy(again + i + 1, text + i, text_len - i);
			bad += decode(again, text_len + 1) == FC_OK;
			/* and in place of a character, so that the length is a multiple of four */
			if (i < text_len)
			{
				memcpy(again, text, text_len);
				again[i] = blanks[c];
				bad += decode(again, text_len) == FC_OK;
			}
		}
	}
	for (i = 0; i < text_len; i++)
		bad += decode(text, i) == FC_OK && i < FC_ARMOUR_LEN(FC_OVERHEAD_XAES);
	/* padding left out or doubled */
	memcpy(again, text, text_len);
	memcpy(again + text_len, "====", 4);
	bad += decode(again, text_len + 4) == FC_OK;
	bad += decode(again, text_len + 1) == FC_OK;
	bad += text[text_len - 1] == '=' && decode(text, text_len - 1) == FC_OK;
	bad += text[text_len - 2] == '=' && decode(text, text_len - 2) == FC_OK;
	ok(bad == 0, "%d bytes of ciphertext: white space, missing and extra padding", (int) n);
}

static void
test_parse_status(void)
{
	uint8_t		value[512];
	char		text[1024];
	size_t		len = make_value(value, 5);

	value[0] = 0;
	fc_armour_encode(value, len, text);
	ok(decode(text, FC_ARMOUR_LEN(len)) == FC_ERR_SUITE, "armour of a literal is refused");
	value[0] = 2;
	value[1] = 4;
	fc_armour_encode(value, len, text);
	ok(decode(text, FC_ARMOUR_LEN(len)) == FC_ERR_FLAGS, "reserved flags in armour");
}

int
main(void)
{
	size_t		n;

	test_round_trip();
	test_prefix();
	for (n = 0; n < 6; n++)
		test_canonical(n);
	test_parse_status();
	return tap_done();
}
