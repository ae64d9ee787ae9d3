/*-------------------------------------------------------------------------
 *
 * test_ephemeral.c
 *		The cipher of copies: counter mode as the library itself does it.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include <openssl/evp.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_ephemeral.h"

#define LONGEST 1000

static const FcSecret key = { "an AES-256 key of the unit tests" };

/* AES-256-CTR of the library, from the counter block number || 0. */
static bool
reference(uint64_t number, const uint8_t *in, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t		counter[16] = { 0 };
	int			n = 0;
	bool		good;

	for (int i = 0; i < 8; i++)
		counter[i] = (uint8_t) (number >> (56 - 8 * i));
	good = EVP_EncryptInit_ex2(ctx, EVP_aes_256_ctr(), key.bytes, counter, NULL) == 1 &&
		EVP_EncryptUpdate(ctx, out, &n, in, (int) len) == 1 && n == (int) len;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

static void
test_reference(void)
{
	static const uint64_t numbers[] = { 0, 1, UINT64_C(0x0102030405060708), UINT64_MAX };
	FcEphemeral ephemeral;
	uint8_t		in[LONGEST];
	uint8_t		out[LONGEST + 1];
	uint8_t		expected[LONGEST];
	int			wrong = 0;
	bool		good = fc_ephemeral_use(&ephemeral, &key) == FC_OK;

	for (size_t i = 0; i < LONGEST; i++)
		in[i] = (uint8_t) (i * 7);
	for (size_t n = 0; n < sizeof(numbers) / sizeof(numbers[0]); n++)
	{
		for (size_t len = 0; len <= LONGEST && good; len++)
		{
			out[len] = 0xa5;
			good = fc_ephemeral_apply(&ephemeral, numbers[n], in, len, out) == FC_OK &&
				(len == 0 || reference(numbers[n], in, len, expected));
			wrong += memcmp(out, expected, len) != 0 || out[len] != 0xa5;
			good = good && fc_ephemeral_apply(&ephemeral, numbers[n], out, len, out) == FC_OK;
			wrong += memcmp(out, in, len) != 0;
		}
	}
	ok(good && wrong == 0, "as the library's counter mode, all lengths to %d, and back in place", LONGEST);
	fc_ephemeral_free(&ephemeral);
}

static void
test_keys_differ(void)
{
	static const uint8_t zeros[32];
	FcEphemeral a;
	FcEphemeral b;
	uint8_t		one[32];
	uint8_t		two[32];
	bool		good = fc_ephemeral_make(&a) == FC_OK && fc_ephemeral_make(&b) == FC_OK &&
		fc_ephemeral_apply(&a, 1, zeros, 32, one) == FC_OK &&
		fc_ephemeral_apply(&b, 1, zeros, 32, two) == FC_OK;

	ok(good && memcmp(one, two, 32) != 0 && memcmp(one, zeros, 32) != 0, "each has a key of its own");
	good = fc_ephemeral_apply(&a, 2, zeros, 32, two) == FC_OK;
	ok(good && memcmp(one, two, 16) != 0 && memcmp(one + 16, two, 16) != 0 && memcmp(two, two + 16, 16) != 0,
	   "each text and each block has a key stream of its own");
	fc_ephemeral_free(&a);
	fc_ephemeral_free(&b);
}

static void
test_refused(void)
{
	static const uint8_t zeros[8];
	FcEphemeral ephemeral;
	uint8_t		out[8] = "filled.";

	ok(fc_ephemeral_make(&ephemeral) == FC_OK &&
	   fc_ephemeral_apply(&ephemeral, 1, zeros, (size_t) FC_PLAINTEXT_MAX + 1, out) == FC_ERR_TOO_LONG &&
	   out[0] == 'f', "too long, and nothing is written");
	fc_ephemeral_free(&ephemeral);
	ok(fc_ephemeral_apply(&ephemeral, 1, zeros, 8, out) == FC_ERR_CRYPTO && memcmp(out, zeros, 8) == 0,
	   "nothing without a key, and the output is wiped");
	fc_ephemeral_free(&ephemeral);
	ok(ephemeral.context == NULL, "freed twice");
}

int
main(void)
{
	FcEphemeral ephemeral;

	ok(fc_ephemeral_use(&ephemeral, &key) == FC_ERR_CRYPTO && ephemeral.context == NULL,
	   "none before the algorithms are there");
	ok(fc_crypto_init(false) == FC_OK, "init");
	test_reference();
	test_keys_differ();
	test_refused();
	return tap_done();
}
