/*-------------------------------------------------------------------------
 *
 * test_vectors.c
 *		Official vectors: NIST CAVP, Wycheproof, RFC 3394, RFC 4231, C2SP.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include <openssl/evp.h>

#include "crypto/fc_crypto.h"

static uint8_t buffer[6][8192];

/* result key nonce aad ciphertext tag plaintext */
static void
run_gcm(const char *name, int expected_valid, int expected_invalid)
{
	TestFile	t;
	char       *f[7];
	int			valid = 0;
	int			invalid = 0;
	int			wrong = 0;

	test_file_open(&t, name);
	while (test_file_next(&t, f, 7) == 7)
	{
		FcSecret	key;
		bool		good = strcmp(f[0], "valid") == 0;
		size_t		aad_len = test_hex(f[3], buffer[1]);
		size_t		ct_len = test_hex(f[4], buffer[2]);
		uint8_t		tag[16];
		FcStatus	status;

		test_hex(f[1], key.bytes);
		test_hex(f[2], buffer[0]);
		test_hex(f[5], buffer[3]);
		memset(buffer[5], 0x77, ct_len);
		status = fc_gcm_open(&key, buffer[0], buffer[1], aad_len, buffer[2], ct_len, buffer[5], buffer[3]);
		if (!good)
		{
			size_t		i;

			invalid++;
			for (i = 0; i < ct_len; i++)
				wrong += buffer[5][i] != 0;
			if (status != FC_ERR_AUTH)
				wrong++;
			continue;
		}
		valid++;
		test_hex(f[6], buffer[4]);
		if (status != FC_OK || memcmp(buffer[5], buffer[4], ct_len) != 0)
			wrong++;
		/* and the other way, in place */
		if (fc_gcm_seal(&key, buffer[0], buffer[1], aad_len, buffer[4], ct_len, buffer[4], tag) != FC_OK ||
			memcmp(buffer[4], buffer[2], ct_len) != 0 || memcmp(tag, buffer[3], 16) != 0)
			wrong++;
	}
	ok(wrong == 0 && valid == expected_valid && invalid == expected_invalid,
	   "%s: %d valid, %d invalid", name, valid, invalid);
}

/* result kek key wrapped */
static void
run_kw(const char *name, int expected_valid, int expected_invalid)
{
	TestFile	t;
	char       *f[4];
	int			valid = 0;
	int			invalid = 0;
	int			wrong = 0;
	static const FcSecret zero;

	test_file_open(&t, name);
	while (test_file_next(&t, f, 4) == 4)
	{
		FcSecret	kek;
		FcSecret	key;
		FcSecret	got;
		uint8_t		wrapped[FC_WRAPPED_BYTES];
		uint8_t		again[FC_WRAPPED_BYTES];
		FcStatus	status;

		test_hex(f[1], kek.bytes);
		if (test_hex(f[3], wrapped) != FC_WRAPPED_BYTES)
			wrong++;
		memset(&got, 0x77, sizeof(got));
		status = fc_kw_unwrap(&kek, wrapped, &got);
		if (strcmp(f[0], "valid") != 0)
		{
			invalid++;
			if (status != FC_ERR_AUTH || memcmp(&got, &zero, sizeof(got)) != 0)
				wrong++;
			continue;
		}
		valid++;
		test_hex(f[2], key.bytes);
		if (status != FC_OK || memcmp(&got, &key, sizeof(got)) != 0)
			wrong++;
		if (fc_kw_wrap(&kek, &key, again) != FC_OK || memcmp(again, wrapped, sizeof(again)) != 0)
			wrong++;
	}
	ok(wrong == 0 && valid == expected_valid && invalid == expected_invalid,
	   "%s: %d valid, %d invalid", name, valid, invalid);
}

/* One HMAC is one block of the KDF: 00000001 || fixed data. */
static void
run_kbkdf(void)
{
	static const uint8_t counter[4] = { 0, 0, 0, 1 };
	TestFile	t;
	char       *f[3];
	int			n = 0;
	int			wrong = 0;

	test_file_open(&t, "kbkdf_nist.txt");
	while (test_file_next(&t, f, 3) == 3)
	{
		FcSecret	key;
		uint8_t		out[32];
		size_t		fixed = test_hex(f[1], buffer[0]);
		size_t		want = test_hex(f[2], buffer[1]);

		test_hex(f[0], key.bytes);
		if (fc_hmac_sha256(&key, counter, 4, buffer[0], fixed, out) != FC_OK ||
			memcmp(out, buffer[1], want) != 0)
			wrong++;
		n++;
	}
	ok(wrong == 0 && n == 30, "kbkdf_nist.txt: %d", n);
}

static void
run_hmac(void)
{
	TestFile	t;
	char       *f[3];
	int			n = 0;
	int			wrong = 0;

	test_file_open(&t, "hmac_rfc4231.txt");
	while (test_file_next(&t, f, 3) == 3)
	{
		FcSecret	key;
		uint8_t		out[32];
		size_t		len = test_hex(f[1], buffer[0]);
		size_t		split;

		memset(&key, 0, sizeof(key));
		test_hex(f[0], key.bytes);
		test_hex(f[2], buffer[1]);
		for (split = 0; split <= len; split++)
		{
			if (fc_hmac_sha256(&key, buffer[0], split, buffer[0] + split, len - split, out) != FC_OK ||
				memcmp(out, buffer[1], 32) != 0)
				wrong++;
		}
		n++;
	}
	ok(wrong == 0 && n == 4, "hmac_rfc4231.txt: %d, split at every byte", n);
}

static FcStatus
xaes_seal(const FcSecret *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
		  const uint8_t *in, size_t len, uint8_t *out)
{
	FcSecret	derived;
	uint8_t		gcm_nonce[12];
	FcStatus	status = fc_xaes_derive(key, nonce, &derived);

	memcpy(gcm_nonce, nonce + 12, 12);
	if (status == FC_OK)
		status = fc_gcm_seal(&derived, gcm_nonce, aad, aad_len, in, len, out, out + len);
	return status;
}

static void
run_xaes(void)
{
	TestFile	t;
	char       *f[5];
	int			n = 0;
	int			wrong = 0;

	test_file_open(&t, "xaes_c2sp.txt");
	while (test_file_next(&t, f, 5) == 5)
	{
		FcSecret	key;
		size_t		aad_len = test_hex(f[2], buffer[1]);
		size_t		len = test_hex(f[3], buffer[2]);

		test_hex(f[0], key.bytes);
		test_hex(f[1], buffer[0]);
		test_hex(f[4], buffer[3]);
		if (xaes_seal(&key, buffer[0], buffer[1], aad_len, buffer[2], len, buffer[4]) != FC_OK ||
			memcmp(buffer[4], buffer[3], len + 16) != 0)
			wrong++;
		n++;
	}
	ok(wrong == 0 && n == 2, "xaes_c2sp.txt: %d", n);
}

/*
 * The accumulated test of the XAES-256-GCM specification: 10,000 random
 * messages drawn from one SHAKE-128, their ciphertexts absorbed by another.
 */
static void
run_xaes_accumulated(void)
{
	static const char want[] =
		"e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939";
	const size_t stream_len = 10000 * (32 + 24 + 1 + 255 + 1 + 255);
	uint8_t    *stream = malloc(stream_len);
	uint8_t    *p = stream;
	uint8_t		expected[32];
	uint8_t		sum[32];
	EVP_MD     *shake = EVP_MD_fetch(NULL, "SHAKE128", NULL);
	EVP_MD_CTX *s = EVP_MD_CTX_new();
	EVP_MD_CTX *d = EVP_MD_CTX_new();
	bool		good;
	int			i;

	test_hex(want, expected);
	good = stream != NULL && EVP_DigestInit_ex2(s, shake, NULL) == 1 &&
		   EVP_DigestFinalXOF(s, stream, stream_len) == 1 && EVP_DigestInit_ex2(d, shake, NULL) == 1;
	for (i = 0; i < 10000 && good; i++)
	{
		FcSecret	key;
		const uint8_t *nonce = p + 32;
		const uint8_t *text = p + 57;
		size_t		len = p[56];
		size_t		aad_len = text[len];
		const uint8_t *aad = text + len + 1;

		memcpy(key.bytes, p, 32);
		good = xaes_seal(&key, nonce, aad, aad_len, text, len, buffer[0]) == FC_OK &&
			   EVP_DigestUpdate(d, buffer[0], len + 16) == 1;
		p = stream + (aad - stream) + aad_len;
	}
	good = good && EVP_DigestFinalXOF(d, sum, 32) == 1 && memcmp(sum, expected, 32) == 0;
	ok(good, "xaes: accumulated test of 10,000 messages");
	EVP_MD_CTX_free(s);
	EVP_MD_CTX_free(d);
	EVP_MD_free(shake);
	free(stream);
}

int
main(void)
{
	ok(fc_crypto_init(false) == FC_OK, "init");
	run_gcm("gcm_nist.txt", 198, 100);
	run_gcm("gcm_wycheproof.txt", 39, 27);
	run_kw("kw_rfc3394.txt", 1, 0);
	run_kw("kw_nist.txt", 50, 20);
	run_kw("kw_wycheproof.txt", 4, 12);
	run_kbkdf();
	run_hmac();
	run_xaes();
	run_xaes_accumulated();
	return tap_done();
}
