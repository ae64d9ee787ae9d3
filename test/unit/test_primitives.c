/*-------------------------------------------------------------------------
 *
 * test_primitives.c
 *		Set-up, hashing, and comparison with the library's own services.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "crypto/fc_crypto.h"

static void
test_before_init(void)
{
	FcSecret	key;
	uint8_t		out[64] = { 0 };
	uint8_t		nonce[12] = { 0 };

	memset(&key, 1, sizeof(key));
	ok(fc_sha256("abc", 3, out) == FC_ERR_CRYPTO && fc_kw_wrap(&key, &key, out) == FC_ERR_CRYPTO &&
		   fc_gcm_seal(&key, nonce, NULL, 0, NULL, 0, NULL, out) == FC_ERR_CRYPTO &&
		   fc_gcm_open(&key, nonce, NULL, 0, NULL, 0, NULL, out) == FC_ERR_CRYPTO &&
		   fc_hmac_sha256(&key, "a", 1, NULL, 0, out) == FC_ERR_CRYPTO &&
		   fc_xaes_derive(&key, nonce, &key) == FC_ERR_CRYPTO,
	   "before init every primitive fails");
	fc_crypto_statement_end();
	ok(!fc_crypto_is_fips(), "before init it is not FIPS");
}

static void
test_init(void)
{
	ok(fc_crypto_init(false) == FC_OK && fc_crypto_init(false) == FC_OK, "init, twice");
	ok(!fc_crypto_is_fips() && strncmp(fc_crypto_version(), "OpenSSL 3", 9) == 0 &&
		   strstr(fc_crypto_version(), ", provider default") != NULL,
	   "version: %s", fc_crypto_version());
}

static void
test_hashes(void)
{
	uint8_t		out[32];
	uint8_t		expected[32];

	test_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", expected);
	ok(fc_sha256("abc", 3, out) == FC_OK && memcmp(out, expected, 32) == 0, "SHA-256 of abc");
	test_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", expected);
	ok(fc_sha256(NULL, 0, out) == FC_OK && memcmp(out, expected, 32) == 0, "SHA-256 of nothing");
}

/* Our key wrap and the library's, over random keys. */
static void
test_wrap_equals_evp(void)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-WRAP", NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int			i;
	int			same = 0;

	for (i = 0; i < 2000; i++)
	{
		FcSecret	kek;
		FcSecret	key;
		FcSecret	back;
		uint8_t		ours[FC_WRAPPED_BYTES];
		uint8_t		theirs[FC_WRAPPED_BYTES + 8];
		int			n = 0;

		RAND_bytes(kek.bytes, 32);
		RAND_bytes(key.bytes, 32);
		if (EVP_EncryptInit_ex2(ctx, cipher, kek.bytes, NULL, NULL) == 1 &&
			EVP_EncryptUpdate(ctx, theirs, &n, key.bytes, 32) == 1 && n == FC_WRAPPED_BYTES &&
			fc_kw_wrap(&kek, &key, ours) == FC_OK && memcmp(ours, theirs, FC_WRAPPED_BYTES) == 0 &&
			fc_kw_unwrap(&kek, theirs, &back) == FC_OK && memcmp(&back, &key, 32) == 0)
			same++;
	}
	ok(same == 2000, "key wrap: same bytes as the library's AES-256-WRAP, %d random keys", same);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
}

static void
test_wrap_tamper(void)
{
	FcSecret	kek;
	FcSecret	key;
	FcSecret	out;
	uint8_t		wrapped[FC_WRAPPED_BYTES];
	static const FcSecret zero;
	int			bit;
	int			wrong = 0;

	RAND_bytes(kek.bytes, 32);
	RAND_bytes(key.bytes, 32);
	ok(fc_kw_wrap(&kek, &key, wrapped) == FC_OK, "key wrap: wraps");
	for (bit = 0; bit < 8 * FC_WRAPPED_BYTES; bit++)
	{
		wrapped[bit / 8] ^= (uint8_t) (1 << (bit % 8));
		out = key;
		if (fc_kw_unwrap(&kek, wrapped, &out) != FC_ERR_AUTH || memcmp(&out, &zero, 32) != 0)
			wrong++;
		wrapped[bit / 8] ^= (uint8_t) (1 << (bit % 8));
	}
	for (bit = 0; bit < 256; bit++)
	{
		kek.bytes[bit / 8] ^= (uint8_t) (1 << (bit % 8));
		if (fc_kw_unwrap(&kek, wrapped, &out) != FC_ERR_AUTH || memcmp(&out, &zero, 32) != 0)
			wrong++;
		kek.bytes[bit / 8] ^= (uint8_t) (1 << (bit % 8));
	}
	ok(wrong == 0, "key wrap: every bit of the wrapped key and of the KEK counts; the key is wiped");
}

/* A call in one direction must not disturb the next in the other. */
static void
test_gcm_interleaved(void)
{
	FcSecret	key;
	uint8_t		nonce[12];
	uint8_t		tag[16];
	uint8_t		text[300];
	uint8_t		sealed[300];
	uint8_t		opened[300];
	size_t		len;
	int			wrong = 0;

	for (len = 0; len < sizeof(text); len++)
	{
		RAND_bytes(key.bytes, 32);
		RAND_bytes(nonce, 12);
		RAND_bytes(text, (int) len);
		if (fc_gcm_seal(&key, nonce, nonce, len % 13, text, len, sealed, tag) != FC_OK ||
			fc_gcm_open(&key, nonce, nonce, len % 13, sealed, len, opened, tag) != FC_OK ||
			memcmp(text, opened, len) != 0)
			wrong++;
		if (len % 7 == 0)
			fc_crypto_statement_end();
		tag[len % 16] ^= 0x40;
		if (fc_gcm_open(&key, nonce, nonce, len % 13, sealed, len, opened, tag) != FC_ERR_AUTH)
			wrong++;
	}
	ok(wrong == 0, "GCM: seal and open in turn, 0 to 299 bytes, statement ends between");
	ok(fc_gcm_seal(&key, nonce, NULL, 0, text, (size_t) FC_PLAINTEXT_MAX + 1, sealed, tag) == FC_ERR_TOO_LONG &&
		   fc_gcm_open(&key, nonce, NULL, 0, text, (size_t) FC_PLAINTEXT_MAX + 1, sealed, tag) == FC_ERR_TOO_LONG,
	   "GCM: too long is refused before anything is read");
	ok(ERR_peek_error() == 0, "the library's error queue is empty");
}

static uint64_t
evp_siphash(EVP_MAC_CTX *ctx, const uint8_t *key, const uint8_t *data, size_t len)
{
	size_t		size = 8;
	size_t		n = 0;
	uint8_t		out[16];
	uint64_t	v = 0;
	OSSL_PARAM	params[2];
	int			i;

	params[0] = OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size);
	params[1] = OSSL_PARAM_construct_end();
	if (EVP_MAC_init(ctx, key, 16, params) != 1 || EVP_MAC_update(ctx, data, len) != 1 ||
		EVP_MAC_final(ctx, out, &n, sizeof(out)) != 1 || n != 8)
		return 0;
	for (i = 7; i >= 0; i--)
		v = v << 8 | out[i];
	return v;
}

static void
test_siphash(void)
{
	EVP_MAC    *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	uint8_t		key[16];
	uint8_t		data[300];
	size_t		i;
	int			wrong = 0;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t) i;
	memcpy(key, data, 16);
	ok(fc_siphash24(key, data, 15) == UINT64_C(0xa129ca6149be45e5), "SipHash-2-4: the paper's vector");
	for (i = 0; i < sizeof(data); i++)
	{
		if (fc_siphash24(key, data, i) != evp_siphash(ctx, key, data, i))
			wrong++;
	}
	ok(wrong == 0, "SipHash-2-4: same as the library's, 0 to 299 bytes");
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

int
main(void)
{
	test_before_init();
	test_init();
	test_hashes();
	test_wrap_equals_evp();
	test_wrap_tamper();
	test_gcm_interleaved();
	test_siphash();
	return tap_done();
}
