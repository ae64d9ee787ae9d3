/*-------------------------------------------------------------------------
 *
 * fc_keywrap.c
 *		AES key wrap (RFC 3394) of one 256-bit key.
 *
 * Outside FIPS mode the 24 block operations run on an AES-256-ECB context:
 * the library's own AES-256-WRAP uses the table-based AES (slower by a factor
 * of seven and not constant-time).  In FIPS mode the module's own service is
 * the approved one and is used.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include <openssl/evp.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_crypto_private.h"

#define SEMIBLOCK 8 /* RFC 3394 works on 64-bit blocks */
#define SEMIBLOCKS 4 /* of the key being wrapped */
#define STEPS (6 * SEMIBLOCKS)

static EVP_CIPHER_CTX *wrap_contexts[2]; /* unwrap, wrap; FIPS mode only */

static FcStatus module_wrap(bool wrap, const FcSecret *kek, const uint8_t *in,
							int in_len, uint8_t *out, int out_len);

/* The initial value of RFC 3394 section 2.2.3.1. */
static const uint8_t initial_value[SEMIBLOCK] = {
	0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6
};

/*
 * RFC 3394 section 2.2.1, index-based, with A and R[] as halves of blocks.
 */
static bool
ecb_wrap(FcCipherContext *ctx, const FcSecret *key, uint8_t *out)
{
	uint8_t		block[FC_AES_BLOCK];
	uint64_t	a = fc_half_get(initial_value);
	uint64_t	r[SEMIBLOCKS];
	bool		ok = true;

	memcpy(r, key->bytes, sizeof(r));
	for (uint64_t t = 1; t <= STEPS && ok; t++)
	{
		uint64_t   *ri = &r[(t - 1) % SEMIBLOCKS];

		fc_block_put(block, a, *ri);
		ok = fc_ecb_blocks(ctx, block, block, sizeof(block));
		a = fc_half_get(block) ^ fc_big_endian(t);
		*ri = fc_half_get(block + SEMIBLOCK);
	}
	memcpy(out, &a, sizeof(a));
	memcpy(out + SEMIBLOCK, r, sizeof(r));
	fc_wipe(r, sizeof(r));
	fc_wipe(block, sizeof(block));
	return ok;
}

/*
 * RFC 3394 section 2.2.2.  *match says whether the initial value came out;
 * only the caller looks at the key, and only then.
 */
static bool
ecb_unwrap(FcCipherContext *ctx, const uint8_t *wrapped, FcSecret *key, bool *match)
{
	uint8_t		block[FC_AES_BLOCK];
	uint64_t	a = fc_half_get(wrapped);
	uint64_t	r[SEMIBLOCKS];
	bool		ok = true;

	memcpy(r, wrapped + SEMIBLOCK, sizeof(r));
	for (uint64_t t = STEPS; t >= 1 && ok; t--)
	{
		uint64_t   *ri = &r[(t - 1) % SEMIBLOCKS];

		fc_block_put(block, a ^ fc_big_endian(t), *ri);
		ok = fc_ecb_blocks(ctx, block, block, sizeof(block));
		a = fc_half_get(block);
		*ri = fc_half_get(block + SEMIBLOCK);
	}
	memcpy(key->bytes, r, sizeof(r));
	*match = fc_equal_ct(&a, initial_value, sizeof(a));
	fc_wipe(r, sizeof(r));
	fc_wipe(block, sizeof(block));
	return ok;
}

FcStatus
fc_kw_wrap_raw(const FcSecret *kek, const FcSecret *key,
			   uint8_t out[FC_WRAPPED_BYTES])
{
	FcCipherContext *ctx;
	bool		ok;

	if (fc_algorithms.fips)
		return module_wrap(true, kek, key->bytes, sizeof(key->bytes),
						   out, FC_WRAPPED_BYTES);
	ctx = fc_ecb_take(kek, true);
	if (ctx == NULL)
		return fc_openssl_failed(FC_ERR_CRYPTO);
	ok = ecb_wrap(ctx, key, out);
	if (!fc_ecb_release() || !ok)
	{
		/* an unfinished wrap is the key itself, or close to it */
		fc_wipe(out, FC_WRAPPED_BYTES);
		return fc_openssl_failed(FC_ERR_CRYPTO);
	}
	return FC_OK;
}

FcStatus
fc_kw_unwrap_raw(const FcSecret *kek, const uint8_t wrapped[FC_WRAPPED_BYTES],
				 FcSecret *key)
{
	FcCipherContext *ctx;
	FcStatus	status;
	bool		match = false;
	bool		ok;

	if (fc_algorithms.fips)
		return module_wrap(false, kek, wrapped, FC_WRAPPED_BYTES,
						   key->bytes, sizeof(key->bytes));
	ctx = fc_ecb_take(kek, false);
	if (ctx == NULL)
	{
		fc_secret_wipe(key);
		return fc_openssl_failed(FC_ERR_CRYPTO);
	}
	ok = ecb_unwrap(ctx, wrapped, key, &match);
	if (!fc_ecb_release() || !ok)
		status = fc_openssl_failed(FC_ERR_CRYPTO);
	else
		status = match ? FC_OK : FC_ERR_AUTH;
	if (status != FC_OK)
		fc_secret_wipe(key);
	return status;
}

/*
 * The FIPS module's AES-256-WRAP, re-keyed with zeros afterwards.  It writes
 * the whole of a wrapped key's plaintext before it knows whether the check
 * value is right (and up to 8 bytes more than it returns), so it works on a
 * buffer of its own.
 */
static FcStatus
module_wrap(bool wrap, const FcSecret *kek, const uint8_t *in, int in_len,
			uint8_t *out, int out_len)
{
	EVP_CIPHER_CTX *ctx = wrap_contexts[wrap];
	const EVP_CIPHER *cipher = NULL;
	uint8_t		buffer[FC_WRAPPED_BYTES + SEMIBLOCK];
	FcStatus	status = FC_ERR_CRYPTO;
	int			n = 0;

	if (ctx == NULL)
	{
		ctx = EVP_CIPHER_CTX_new();
		if (ctx == NULL)
			goto out;
		EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
		wrap_contexts[wrap] = ctx;
		cipher = fc_algorithms.wrap;
	}
	if (EVP_CipherInit_ex2(ctx, cipher, kek->bytes, NULL, wrap, NULL) != 1)
		goto out;
	if (EVP_CipherUpdate(ctx, buffer, &n, in, in_len) == 1 && n == out_len)
		status = FC_OK;
	else if (!wrap)
		status = FC_ERR_AUTH;
	if (EVP_CipherInit_ex2(ctx, NULL, fc_zero_key.bytes, NULL, wrap, NULL) != 1)
		status = FC_ERR_CRYPTO;

out:
	if (status == FC_OK)
		memcpy(out, buffer, (size_t) out_len);
	else
		fc_wipe(out, (size_t) out_len);
	fc_wipe(buffer, sizeof(buffer));
	if (status == FC_ERR_CRYPTO)
	{
		EVP_CIPHER_CTX_free(ctx);
		wrap_contexts[wrap] = NULL;
	}
	return status == FC_OK ? FC_OK : fc_openssl_failed(status);
}

FcStatus
fc_kw_wrap(const FcSecret *kek, const FcSecret *key, uint8_t out[FC_WRAPPED_BYTES])
{
	FcStatus	status = fc_kw_wrap_raw(kek, key, out);

	fc_stack_wipe();
	return status;
}

FcStatus
fc_kw_unwrap(const FcSecret *kek, const uint8_t wrapped[FC_WRAPPED_BYTES],
			 FcSecret *key)
{
	FcStatus	status = fc_kw_unwrap_raw(kek, wrapped, key);

	fc_stack_wipe();
	return status;
}

void
fc_kw_discard(void)
{
	int			i;

	for (i = 0; i < 2; i++)
	{
		EVP_CIPHER_CTX_free(wrap_contexts[i]);
		wrap_contexts[i] = NULL;
	}
}
