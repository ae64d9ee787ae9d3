/*-------------------------------------------------------------------------
 *
 * test_fips.c
 *		The code of FIPS mode.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_crypto_private.h"
#include "crypto/fc_envelope.h"

/*
 * With a FIPS provider (OPENSSL_CONF names a configuration that activates
 * one) its services are used.  Without one, the refusal is tested, and then
 * the same code over the default provider's algorithms: the module's key wrap,
 * a nonce made inside, no suite 2.
 */
static bool
have_fips(void)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", "fips=yes");

	EVP_CIPHER_free(cipher);
	return cipher != NULL;
}

static void
test_values(void)
{
	FcKeyContext ctx = { FC_PURPOSE_WRAP, FC_SUITE_KW_GCM, { { 1, 2, 3, 4, 5, 6 } }, 7 };
	FcSecret	master;
	uint8_t		value[200];
	uint8_t		nonces[300][12];
	uint8_t		text[100];
	uint8_t		out[100];
	FcValue		v;
	size_t		len;
	size_t		i;
	int			wrong = 0;
	int			repeats = 0;

	RAND_bytes(master.bytes, 32);
	RAND_bytes(text, sizeof(text));
	for (i = 0; i < 300; i++)
	{
		size_t		n = i % 100;
		size_t		j;

		len = fc_value_size(1, false, n);
		if (fc_value_seal(&ctx, &master, NULL, text, n, value, len) != FC_OK ||
			fc_value_parse(value, len, &v) != FC_OK || fc_value_open(&v, &master, out) != FC_OK ||
			memcmp(out, text, n) != 0)
			wrong++;
		memcpy(nonces[i], v.nonce, 12);
		for (j = 0; j < i; j++)
			repeats += memcmp(nonces[i], nonces[j], 12) == 0;
		if (i % 10 == 0)
			fc_crypto_statement_end();
	}
	ok(wrong == 0 && repeats == 0, "values are sealed with the module's nonce, and open");
	value[30] ^= 1;
	ok(fc_value_open(&v, &master, out) == FC_ERR_AUTH, "an altered wrapped key is refused");
	value[30] ^= 1;
	value[70] ^= 1;
	ok(fc_value_open(&v, &master, out) == FC_ERR_AUTH, "an altered payload is refused");
	value[70] ^= 1;
	ok(fc_value_open(&v, &master, out) == FC_OK, "and the value still opens");
	ctx.suite = FC_SUITE_XAES;
	len = fc_value_size(2, false, 5);
	ok(fc_value_seal(&ctx, &master, NULL, text, 5, value, len) == FC_ERR_FIPS, "suite 2 is not sealed");
	memset(value, 0, sizeof(value));
	value[0] = 2;
	value[9] = 1;
	ok(fc_value_parse(value, len, &v) == FC_OK && fc_value_open(&v, &master, out) == FC_ERR_FIPS,
	   "nor opened");
}

/* A value written outside FIPS mode opens inside, and the other way round. */
static void
test_same_format(bool simulated)
{
	FcKeyContext ctx = { FC_PURPOSE_WRAP, FC_SUITE_KW_GCM, { { 1, 2, 3, 4, 5, 6 } }, 7 };
	FcSecret	root;
	FcSecret	k1;
	FcSecret	k2;
	uint8_t		value[200];
	uint8_t		out[100];
	size_t		len = fc_value_size(1, false, 5);
	FcValue		v;

	RAND_bytes(root.bytes, 32);
	ok(fc_derive_key(&root, &ctx, &k1) == FC_OK &&
		   fc_value_seal(&ctx, &k1, NULL, (const uint8_t *) "hello", 5, value, len) == FC_OK,
	   "sealed in FIPS mode");
	if (simulated)
		fc_algorithms.fips = false;
	else
		ok(fc_crypto_init(false) == FC_OK && !fc_crypto_is_fips(), "init without FIPS after FIPS");
	ok(fc_derive_key(&root, &ctx, &k2) == FC_OK && memcmp(&k1, &k2, 32) == 0 &&
		   fc_value_parse(value, len, &v) == FC_OK && fc_value_open(&v, &k2, out) == FC_OK &&
		   memcmp(out, "hello", 5) == 0,
	   "opened outside it");
}

int
main(void)
{
	bool		real = have_fips();

	if (real)
	{
		ok(fc_crypto_init(true) == FC_OK && fc_crypto_is_fips(), "init with FIPS: %s", fc_crypto_version());
		ok(strstr(fc_crypto_version(), "fips") != NULL, "the provider is named");
	}
	else
	{
		ok(fc_crypto_init(true) == FC_ERR_FIPS && !fc_crypto_is_fips(), "no FIPS provider: refused");
		ok(fc_crypto_init(false) == FC_OK && !fc_crypto_is_fips(), "and init without FIPS still works");
		printf("# no FIPS provider: the code of FIPS mode runs over the default one\n");
		fc_algorithms.wrap = EVP_CIPHER_fetch(NULL, "AES-256-WRAP", NULL);
		fc_algorithms.fips = true;
	}
	test_values();
	test_same_format(!real);
	return tap_done();
}
