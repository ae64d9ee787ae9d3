/*-------------------------------------------------------------------------
 *
 * fc_aead.c
 *		AES-256-GCM and the key derivation of XAES-256-GCM.
 *
 * One GCM context per process serves both directions.  It keeps the key of
 * the last value until fc_crypto_statement_end: that is a data key (or one
 * derived for a single value), never a master key, and re-keying it after
 * every value would cost a third of the value.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include <openssl/evp.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_crypto_private.h"

#define AES_BLOCK 16

static EVP_CIPHER_CTX *gcm_context;
static bool gcm_used; /* since the last fc_gcm_forget */

static void
gcm_free(void)
{
	EVP_CIPHER_CTX_free(gcm_context);
	gcm_context = NULL;
	gcm_used = false;
}

/*
 * Start one message: key and nonce in one call, which is what makes a fresh
 * key per value affordable.  nonce NULL asks the module to make one; that
 * needs the cipher again, because only a reset context forgets the old nonce.
 */
static EVP_CIPHER_CTX *
gcm_take(const FcSecret *key, const uint8_t *nonce, bool encrypt)
{
	const EVP_CIPHER *cipher = nonce == NULL ? fc_algorithms.gcm : NULL;

	if (gcm_context == NULL)
	{
		if (!fc_algorithms.ready)
			return NULL;
		gcm_context = EVP_CIPHER_CTX_new();
		if (gcm_context == NULL)
			return NULL;
		cipher = fc_algorithms.gcm;
	}
	gcm_used = true;
	if (EVP_CipherInit_ex2(gcm_context, cipher, key->bytes, nonce, encrypt, NULL) != 1)
	{
		gcm_free();
		return NULL;
	}
	return gcm_context;
}

FcStatus
fc_gcm_seal(const FcSecret *key, uint8_t nonce[FC_GCM_NONCE_BYTES],
			const uint8_t *aad, size_t aad_len,
			const uint8_t *in, size_t len, uint8_t *out,
			uint8_t tag[FC_GCM_TAG_BYTES])
{
	bool		own_nonce = fc_algorithms.fips;
	EVP_CIPHER_CTX *ctx;
	uint8_t		empty[1];
	int			n = 0;

	if (len > FC_PLAINTEXT_MAX || aad_len > FC_PLAINTEXT_MAX)
		return FC_ERR_TOO_LONG;
	ctx = gcm_take(key, own_nonce ? NULL : nonce, true);
	if (ctx == NULL)
		return fc_openssl_failed(FC_ERR_CRYPTO);
	if ((aad_len > 0 &&
		 EVP_EncryptUpdate(ctx, NULL, &n, aad, (int) aad_len) != 1) ||
		(len > 0 &&
		 (EVP_EncryptUpdate(ctx, out, &n, in, (int) len) != 1 || n != (int) len)) ||
		EVP_EncryptFinal_ex(ctx, len > 0 ? out : empty, &n) != 1 ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, FC_GCM_TAG_BYTES, tag) != 1 ||
		(own_nonce &&
		 EVP_CIPHER_CTX_get_updated_iv(ctx, nonce, FC_GCM_NONCE_BYTES) != 1))
	{
		gcm_free();
		fc_wipe(out, len);
		return fc_openssl_failed(FC_ERR_CRYPTO);
	}
	return FC_OK;
}

FcStatus
fc_gcm_open(const FcSecret *key, const uint8_t nonce[FC_GCM_NONCE_BYTES],
			const uint8_t *aad, size_t aad_len,
			const uint8_t *in, size_t len, uint8_t *out,
			const uint8_t tag[FC_GCM_TAG_BYTES])
{
	EVP_CIPHER_CTX *ctx;
	uint8_t		expected[FC_GCM_TAG_BYTES];
	uint8_t		empty[1];
	int			n = 0;

	if (len > FC_PLAINTEXT_MAX || aad_len > FC_PLAINTEXT_MAX)
		return FC_ERR_TOO_LONG;
	memcpy(expected, tag, sizeof(expected)); /* the call is not const-correct */
	ctx = gcm_take(key, nonce, false);
	if (ctx == NULL)
		goto failed;
	if ((aad_len > 0 &&
		 EVP_DecryptUpdate(ctx, NULL, &n, aad, (int) aad_len) != 1) ||
		(len > 0 &&
		 (EVP_DecryptUpdate(ctx, out, &n, in, (int) len) != 1 || n != (int) len)) ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, FC_GCM_TAG_BYTES, expected) != 1)
	{
		gcm_free();
		goto failed;
	}
	if (EVP_DecryptFinal_ex(ctx, len > 0 ? out : empty, &n) != 1)
	{
		fc_wipe(out, len);
		return fc_openssl_failed(FC_ERR_AUTH);
	}
	return FC_OK;

failed:
	fc_wipe(out, len);
	return fc_openssl_failed(FC_ERR_CRYPTO);
}

void
fc_gcm_forget(void)
{
	static const uint8_t zero_nonce[FC_GCM_NONCE_BYTES];

	if (!gcm_used)
		return;
	if (gcm_context != NULL &&
		EVP_CipherInit_ex2(gcm_context, NULL, fc_zero_key.bytes, zero_nonce, 0, NULL) != 1)
	{
		(void) fc_openssl_failed(FC_ERR_CRYPTO);
		gcm_free();
	}
	gcm_used = false;
}

void
fc_gcm_discard(void)
{
	gcm_free();
}

/*
 * C2SP XAES-256-GCM: the two blocks of a CMAC-based KDF in counter mode
 * (SP 800-108r1) with label 'X', written as the AES calls that they are:
 * K1 = L doubled in GF(2^128) with L = AES(key, 0), and
 * derived = AES(key, M1 ^ K1) || AES(key, M2 ^ K1).
 *
 * Refused in FIPS mode: the derivation happens outside the module.
 */
FcStatus
fc_xaes_derive(const FcSecret *key, const uint8_t nonce[12], FcSecret *derived)
{
	EVP_CIPHER_CTX *ctx;
	uint8_t		k1[AES_BLOCK] = { 0 };
	uint8_t		m[2 * AES_BLOCK] = { 0 };
	uint8_t		carry;
	int			i;
	bool		ok;

	if (fc_algorithms.fips)
	{
		fc_secret_wipe(derived);
		return FC_ERR_FIPS;
	}
	ctx = fc_ecb_take(key, true);
	if (ctx == NULL)
	{
		fc_secret_wipe(derived);
		return fc_openssl_failed(FC_ERR_CRYPTO);
	}
	ok = fc_ecb_blocks(ctx, k1, k1, sizeof(k1));

	/* shift left by one bit; the bit that falls out selects the polynomial */
	carry = (uint8_t) (k1[0] >> 7);
	for (i = 0; i < AES_BLOCK - 1; i++)
		k1[i] = (uint8_t) (k1[i] << 1 | k1[i + 1] >> 7);
	k1[AES_BLOCK - 1] = (uint8_t) (k1[AES_BLOCK - 1] << 1 ^ (0x87 & -carry));

	m[1] = 1;
	m[AES_BLOCK + 1] = 2;
	m[2] = m[AES_BLOCK + 2] = 'X';
	memcpy(m + 4, nonce, 12);
	memcpy(m + AES_BLOCK + 4, nonce, 12);
	for (i = 0; i < 2 * AES_BLOCK; i++)
		m[i] ^= k1[i % AES_BLOCK];
	ok = ok && fc_ecb_blocks(ctx, derived->bytes, m, sizeof(m));
	fc_wipe(k1, sizeof(k1));
	fc_wipe(m, sizeof(m));
	if (!fc_ecb_release(true) || !ok)
	{
		fc_secret_wipe(derived);
		return fc_openssl_failed(FC_ERR_CRYPTO);
	}
	return FC_OK;
}
