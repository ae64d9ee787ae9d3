/*-------------------------------------------------------------------------
 *
 * fuzz_armour.c
 *		libFuzzer target: armour, base64 and hexadecimal.
 *
 * What decodes must encode to the same text (one value, one armour), and what
 * encodes must decode to the same bytes.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "base/fc_b64.h"
#include "crypto/fc_envelope.h"
#include "fc_fuzz.h"

/* Exactly n bytes, so that one more is seen. */
static void *
room(size_t n)
{
	void       *p = malloc(n > 0 ? n : 1);

	CHECK(p != NULL);
	return p;
}

static void
check_decode(const char *text, size_t len)
{
	uint8_t    *out = room(FC_B64_MAX_DECODED(len));
	size_t		n = 0;
	FcValue		v;

	if (fc_armour_decode(text, len, out, &n, &v) == FC_OK)
	{
		char       *again = room(FC_ARMOUR_LEN(n));

		CHECK(fc_armour_is(text, len));
		CHECK(FC_ARMOUR_LEN(n) == len);
		fc_armour_encode(out, n, again);
		CHECK(memcmp(text, again, len) == 0);
		CHECK(v.gcm_tag + FC_GCM_TAG_BYTES == out + n);
		free(again);
	}
	if (fc_b64_decode(text, len, out, &n) == FC_OK)
	{
		char       *again = room(FC_B64_LEN(n));

		CHECK(FC_B64_LEN(n) == len);
		fc_b64_encode(out, n, again);
		CHECK(memcmp(text, again, len) == 0);
		free(again);
	}
	else
		CHECK(n == 0);
	free(out);
}

static void
check_encode(const uint8_t *data, size_t size)
{
	char       *text = room(FC_ARMOUR_LEN(size));
	char       *hex = room(2 * size);
	uint8_t    *back = room(FC_B64_MAX_DECODED(FC_ARMOUR_LEN(size)));
	size_t		n = 0;
	FcValue		v;
	FcValue		direct;
	FcStatus	status = fc_value_parse(data, size, &direct);

	fc_armour_encode(data, size, text);
	CHECK(fc_armour_decode(text, FC_ARMOUR_LEN(size), back, &n, &v) == status);
	CHECK(n == size && memcmp(back, data, size) == 0);
	CHECK(v.suite == direct.suite && v.ciphertext_len == direct.ciphertext_len);

	fc_hex_encode(data, size, hex);
	CHECK(fc_hex_decode(hex, 2 * size, back, size) == FC_OK);
	CHECK(memcmp(back, data, size) == 0);
	free(text);
	free(hex);
	free(back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *out = room(size / 2);

	check_decode((const char *) data, size);
	check_encode(data, size);
	if (fc_hex_decode((const char *) data, size, out, size / 2) == FC_OK)
		CHECK(size % 2 == 0);
	free(out);
	return 0;
}
