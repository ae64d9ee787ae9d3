/*-------------------------------------------------------------------------
 *
 * fc_aead.c
 *		AES-256-GCM and the key derivation of XAES-256-GCM.
 *
 * One GCM context per process serves both directions.  It keeps the key of
 * the last value until fc_crypto_statement_end: that is a data key (or one
 * derived for a single value), never a master key, and re-keying it after
 * every value would cost a fifth of the value.  At the end it is freed, which
 * wipes it: that and a new one at the next value cost less than to re-key it.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_crypto_private.h"

/* The tag by parameter: the library makes one of a control, too. */
#define GCM_TAG_PARAM(bytes) \
	OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, (bytes), FC_GCM_TAG_BYTES)

static FcCipherContext *gcm_context;

void
fc_gcm_discard(void)
{
	fc_cipher_free(&fc_algorithms.gcm, gcm_context);
	gcm_context = NULL;
}

/*
 * Start one message.  nonce NULL asks the module to make one, which it does for
 * a new context only.
 */
static FcCipherContext *
gcm_take(const FcSecret *key, const uint8_t *nonce, bool encrypt)
{
	if (!fc_algorithms.ready)
		return NULL;
	if (nonce == NULL)
		fc_gcm_discard();
	if (gcm_context == NULL)
	{
		gcm_context = fc_cipher_new(&fc_algorithms.gcm);
		if (gcm_context == NULL)
			return NULL;
	}
	if (!fc_cipher_start(&fc_algorithms.gcm, gcm_context, encrypt, key, nonce,
						 nonce != NULL ? FC_GCM_NONCE_BYTES : 0))
		fc_gcm_discard();
	return gcm_context;
}

FcStatus
fc_gcm_seal(const FcSecret *key, uint8_t nonce[FC_GCM_NONCE_BYTES],
			const uint8_t *aad, size_t aad_len,
			const uint8_t *in, size_t len, uint8_t *out,
			uint8_t tag[FC_GCM_TAG_BYTES])
{
	const FcCipher *gcm = &fc_algorithms.gcm;
	bool		own_nonce = fc_algorithms.fips;
	OSSL_PARAM	tag_params[] = { GCM_TAG_PARAM(tag), OSSL_PARAM_END };
	OSSL_PARAM	nonce_params[] = {
		OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_UPDATED_IV, nonce, FC_GCM_NONCE_BYTES),
		OSSL_PARAM_END
	};
	FcCipherContext *ctx;

	if (len > FC_PLAINTEXT_MAX || aad_len > FC_PLAINTEXT_MAX)
		return FC_ERR_TOO_LONG;
	ctx = gcm_take(key, own_nonce ? NULL : nonce, true);
	if (ctx == NULL)
		return fc_openssl_failed(FC_ERR_CRYPTO);
	if (!fc_cipher_update(gcm, ctx, NULL, aad, aad_len) ||
		!fc_cipher_update(gcm, ctx, out, in, len) ||
		!fc_cipher_final(gcm, ctx) ||
		gcm->get_params(ctx, tag_params) != 1 ||
		(own_nonce && gcm->get_params(ctx, nonce_params) != 1))
	{
		fc_gcm_discard();
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
	const FcCipher *gcm = &fc_algorithms.gcm;
	FcCipherContext *ctx;
	uint8_t		expected[FC_GCM_TAG_BYTES];
	OSSL_PARAM	tag_params[] = { GCM_TAG_PARAM(expected), OSSL_PARAM_END };

	if (len > FC_PLAINTEXT_MAX || aad_len > FC_PLAINTEXT_MAX)
		return FC_ERR_TOO_LONG;
	memcpy(expected, tag, sizeof(expected)); /* parameters are not const-correct */
	ctx = gcm_take(key, nonce, false);
	if (ctx == NULL)
		goto failed;
	if (!fc_cipher_update(gcm, ctx, NULL, aad, aad_len) ||
		!fc_cipher_update(gcm, ctx, out, in, len) ||
		gcm->set_params(ctx, tag_params) != 1)
	{
		fc_gcm_discard();
		goto failed;
	}
	if (!fc_cipher_final(gcm, ctx))
	{
		fc_wipe(out, len);
		return fc_openssl_failed(FC_ERR_AUTH);
	}
	return FC_OK;

failed:
	fc_wipe(out, len);
	return fc_openssl_failed(FC_ERR_CRYPTO);
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
	FcCipherContext *ctx;
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
