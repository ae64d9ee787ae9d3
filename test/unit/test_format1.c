/*-------------------------------------------------------------------------
 *
 * test_format1.c
 *		The frozen answers of value format 1, and their armour.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include "base/fc_b64.h"
#include "crypto/fc_crypto.h"
#include "crypto/fc_envelope.h"
#include "crypto/fc_envelope_private.h"

static int counts[4]; /* kdf, wrap, tag, value */
static int wrong[4];

static void
check_kdf(char **f)
{
	FcKeyContext ctx;
	FcSecret	root;
	FcSecret	key;
	uint8_t		want[64];
	uint8_t		got[64];
	bool		good;

	ctx.purpose = (uint8_t) atoi(f[1]);
	ctx.suite = (uint8_t) atoi(f[2]);
	test_hex(f[3], ctx.key_id.bytes);
	ctx.version = (uint16_t) atoi(f[4]);
	test_hex(f[5], root.bytes);
	fc_context_bytes(&ctx, got);
	good = test_hex(f[6], want) == FC_CONTEXT_BYTES && memcmp(want, got, FC_CONTEXT_BYTES) == 0;
	test_hex(f[7], want);
	good = good && fc_derive_key(&root, &ctx, &key) == FC_OK && memcmp(want, key.bytes, 32) == 0;
	test_hex(f[8], want);
	good = good && fc_kcv(&root, &ctx, got) == FC_OK && memcmp(want, got, FC_KCV_BYTES) == 0;
	counts[0]++;
	wrong[0] += !good;
}

static void
check_wrap(char **f)
{
	FcSecret	master;
	FcSecret	key;
	uint8_t		want[FC_WRAPPED_BYTES];
	uint8_t		got[FC_WRAPPED_BYTES];

	test_hex(f[1], master.bytes);
	test_hex(f[2], key.bytes);
	test_hex(f[3], want);
	counts[1]++;
	wrong[1] += fc_kw_wrap(&master, &key, got) != FC_OK || memcmp(want, got, sizeof(got)) != 0;
}

static void
check_tag(char **f)
{
	FcSecret	key;
	uint8_t		text[256];
	uint8_t		want[FC_TAG_BYTES];
	uint8_t		got[FC_TAG_BYTES];
	size_t		len;

	test_hex(f[1], key.bytes);
	len = test_hex(f[4], text);
	test_hex(f[5], want);
	counts[2]++;
	wrong[2] += fc_tag(&key, (uint8_t) atoi(f[2]), (uint16_t) atoi(f[3]), text, len, got) != FC_OK ||
				memcmp(want, got, sizeof(got)) != 0;
}

static void
check_value(char **f)
{
	FcKeyContext ctx;
	FcSecret	root;
	FcSecret	master;
	FcValue		v;
	uint8_t		tag[FC_TAG_BYTES];
	uint8_t		random[FC_SEAL_RANDOM_MAX];
	uint8_t		text[512];
	uint8_t		want[1024];
	uint8_t		got[1024];
	char		armour[2048];
	bool		tagged = strcmp(f[4], "-") != 0;
	size_t		len;
	size_t		value_len;
	size_t		decoded;
	bool		good;

	ctx.purpose = FC_PURPOSE_WRAP;
	ctx.suite = (uint8_t) atoi(f[1]);
	test_hex(f[2], ctx.key_id.bytes);
	ctx.version = (uint16_t) atoi(f[3]);
	test_hex(f[4], tag);
	test_hex(f[5], root.bytes);
	test_hex(f[6], random);
	len = test_hex(f[7], text);
	value_len = test_hex(f[8], want);
	good = fc_derive_key(&root, &ctx, &master) == FC_OK &&
		   fc_value_size(ctx.suite, tagged, len) == value_len &&
		   fc_value_seal_with(&ctx, &master, tagged ? tag : NULL, text, len, random, got, value_len) == FC_OK &&
		   memcmp(want, got, value_len) == 0;
	fc_armour_encode(got, value_len, armour);
	good = good && strlen(f[9]) == FC_ARMOUR_LEN(value_len) && memcmp(f[9], armour, FC_ARMOUR_LEN(value_len)) == 0 &&
		   fc_armour_decode(f[9], strlen(f[9]), got, &decoded, &v) == FC_OK && decoded == value_len &&
		   v.ciphertext_len == len && fc_value_open(&v, &master, want) == FC_OK && memcmp(want, text, len) == 0;
	counts[3]++;
	wrong[3] += !good;
}

int
main(void)
{
	TestFile	t;
	char       *f[10];

	ok(fc_crypto_init(false) == FC_OK, "init");
	test_file_open(&t, "format1.txt");
	while (test_file_next(&t, f, 10) > 0)
	{
		if (strcmp(f[0], "kdf") == 0)
			check_kdf(f);
		else if (strcmp(f[0], "wrap") == 0)
			check_wrap(f);
		else if (strcmp(f[0], "tag") == 0)
			check_tag(f);
		else if (strcmp(f[0], "value") == 0)
			check_value(f);
		else
			ok(false, "unknown line %s", f[0]);
	}
	ok(wrong[0] == 0 && counts[0] == 8, "keys and check values: %d", counts[0]);
	ok(wrong[1] == 0 && counts[1] == 2, "wrapped keys: %d", counts[1]);
	ok(wrong[2] == 0 && counts[2] == 5, "tags: %d", counts[2]);
	ok(wrong[3] == 0 && counts[3] == 32, "whole values, sealed, armoured and opened: %d", counts[3]);
	return tap_done();
}
