/*-------------------------------------------------------------------------
 *
 * fc_aead.c
 *		AES-256-GCM and the key derivation of XAES-256-GCM.
 *
 * One GCM context per process serves both directions.  It keeps the key of
 * the last value until fc_crypto_statement_end: that is a data key (or one
 * derived for a single value), never a master key, and re-keying it after
 * every value would cost a third of the value.  At the end it is emptied
 * rather than re-keyed: the library wipes what it frees, and that and a new
 * schedule at the next value are cheaper.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_crypto_private.h"

/* The tag by parameter: the library makes one of a control, too. */
#define GCM_TAG_PARAM(bytes) \
	OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, (bytes), FC_GCM_TAG_BYTES)

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
	const EVP_CIPHER *cipher = nonce == NULL || !gcm_used ? fc_algorithms.gcm : NULL;

	if (!fc_algorithms.ready)
		return NULL;
	if (gcm_context == NULL)
	{
		gcm_context = EVP_CIPHER_CTX_new();
		if (gcm_context == NULL)
			return NULL;
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
	OSSL_PARAM	tag_params[] = { GCM_TAG_PARAM(tag), OSSL_PARAM_END };
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
		EVP_CIPHER_CTX_get_params(ctx, tag_params) != 1 ||
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
	OSSL_PARAM	tag_params[] = { GCM_TAG_PARAM(expected), OSSL_PARAM_END };
	uint8_t		empty[1];
	int			n = 0;

	if (len > FC_PLAINTEXT_MAX || aad_len > FC_PLAINTEXT_MAX)
		return FC_ERR_TOO_LONG;
	memcpy(expected, tag, sizeof(expected)); /* parameters are not const-correct */
	ctx = gcm_take(key, nonce, false);
	if (ctx == NULL)
		goto failed;
	if ((aad_len > 0 &&
		 EVP_DecryptUpdate(ctx, NULL, &n, aad, (int) aad_len) != 1) ||
		(len > 0 &&
		 (EVP_DecryptUpdate(ctx, out, &n, in, (int) len) != 1 || n != (int) len)) ||
		EVP_CIPHER_CTX_set_params(ctx, tag_params) != 1)
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
	if (gcm_used && EVP_CIPHER_CTX_reset(gcm_context) != 1)
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
	uint8_t		l[FC_AES_BLOCK] = { 0 };
	uint8_t		m[2 * FC_AES_BLOCK];
	uint64_t	left;
	uint64_t	right;
	uint64_t	carry;
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
	ok = fc_ecb_blocks(ctx, l, l, sizeof(l));

	/* shift left by one bit; the bit that falls out selects the polynomial */
	left = fc_big_endian(fc_half_get(l));
	right = fc_big_endian(fc_half_get(l + FC_AES_BLOCK / 2));
	carry = left >> 63;
	left = left << 1 | right >> 63;
	right = right << 1 ^ (0x87 & -carry);

	/* counter, label, a zero byte and the nonce */
	left ^= (uint64_t) 'X' << 40 | (uint64_t) nonce[0] << 24 | (uint64_t) nonce[1] << 16 |
			(uint64_t) nonce[2] << 8 | (uint64_t) nonce[3];
	right ^= fc_big_endian(fc_half_get(nonce + 4));
	fc_block_put(m, fc_big_endian(left ^ (uint64_t) 1 << 48), fc_big_endian(right));
	fc_block_put(m + FC_AES_BLOCK, fc_big_endian(left ^ (uint64_t) 2 << 48), fc_big_endian(right));
	ok = ok && fc_ecb_blocks(ctx, derived->bytes, m, sizeof(m));
	fc_wipe(l, sizeof(l));
	fc_wipe(m, sizeof(m));
	if (!fc_ecb_release() || !ok)
	{
		fc_secret_wipe(derived);
		return fc_openssl_failed(FC_ERR_CRYPTO);
	}
	return FC_OK;
}
