/*-------------------------------------------------------------------------
 *
 * fc_keys.c
 *		Key identities, derivation of master and index keys, check value.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "base/fc_b64.h"
#include "base/fc_bytes.h"
#include "crypto/fc_crypto.h"
#include "crypto/fc_keys.h"

#define KEY_ID_RANDOM_BITS 20
#define KEY_ID_RANDOM_MASK ((UINT32_C(1) << KEY_ID_RANDOM_BITS) - 1)

/* The label of the KBKDF, and the fixed data built from it. */
#define KDF_LABEL "fieldcrypt/1"
#define KDF_LABEL_BYTES (sizeof(KDF_LABEL) - 1)
#define KDF_INPUT_BYTES (4 + KDF_LABEL_BYTES + 1 + FC_CONTEXT_BYTES + 4)
#define KDF_COUNTER 1
#define KDF_LENGTH_BITS (8 * FC_SECRET_BYTES)

#define KCV_LABEL "fieldcrypt/1 kcv"
#define KCV_LABEL_BYTES (sizeof(KCV_LABEL) - 1)

#define MAC_BYTES 32

FcStatus
fc_key_prefix(const char *name, size_t len, uint32_t *prefix)
{
	uint8_t		hash[32];
	FcStatus	status = fc_sha256(name, len, hash);

	*prefix = 0;
	if (status == FC_OK)
		*prefix = (uint32_t) hash[0] << 20 | (uint32_t) hash[1] << 12 |
				  (uint32_t) hash[2] << 4 | (uint32_t) hash[3] >> 4;
	return status;
}

FcKeyId
fc_key_id_make(uint32_t prefix, uint32_t random20)
{
	uint64_t	id = (uint64_t) (prefix & ((UINT32_C(1) << FC_PREFIX_BITS) - 1)) << KEY_ID_RANDOM_BITS |
				  (random20 & KEY_ID_RANDOM_MASK);
	FcKeyId		key_id;
	int			i;

	for (i = FC_KEY_ID_BYTES - 1; i >= 0; i--, id >>= 8)
		key_id.bytes[i] = (uint8_t) id;
	return key_id;
}

uint32_t
fc_key_id_prefix(const FcKeyId *key_id)
{
	const uint8_t *b = key_id->bytes;

	return (uint32_t) b[0] << 20 | (uint32_t) b[1] << 12 |
		   (uint32_t) b[2] << 4 | (uint32_t) b[3] >> 4;
}

void
fc_context_bytes(const FcKeyContext *ctx, uint8_t out[FC_CONTEXT_BYTES])
{
	FcWriter	w;

	fc_writer_init(&w, out, FC_CONTEXT_BYTES);
	fc_write_u8(&w, ctx->purpose);
	fc_write_u8(&w, ctx->suite);
	fc_write_bytes(&w, ctx->key_id.bytes, FC_KEY_ID_BYTES);
	fc_write_u16(&w, ctx->version);
}

void
fc_context_text(const FcKeyContext *ctx, char out[FC_CONTEXT_TEXT_MAX])
{
	char		hex[2 * FC_KEY_ID_BYTES + 1];

	fc_hex_encode(ctx->key_id.bytes, FC_KEY_ID_BYTES, hex);
	hex[2 * FC_KEY_ID_BYTES] = '\0';
	snprintf(out, FC_CONTEXT_TEXT_MAX,
			 "fieldcrypt/1 purpose=%u suite=%u key_id=%s version=%u",
			 (unsigned) ctx->purpose, (unsigned) ctx->suite, hex,
			 (unsigned) ctx->version);
}

/*
 * One block of SP 800-108r1 section 4.1 is one HMAC, so it is written as one:
 * EVP_KDF would allocate a context that keeps R.
 */
FcStatus
fc_derive_key(const FcSecret *root, const FcKeyContext *ctx, FcSecret *key)
{
	uint8_t		input[KDF_INPUT_BYTES];
	uint8_t		context[FC_CONTEXT_BYTES];
	FcStatus	status;
	FcWriter	w;

	fc_context_bytes(ctx, context);
	fc_writer_init(&w, input, sizeof(input));
	fc_write_u32(&w, KDF_COUNTER);
	fc_write_bytes(&w, KDF_LABEL, KDF_LABEL_BYTES);
	fc_write_u8(&w, 0);
	fc_write_bytes(&w, context, sizeof(context));
	fc_write_u32(&w, KDF_LENGTH_BITS);

	/* fc_hmac_sha256 wipes its context, its stack, and key if it fails */
	status = fc_hmac_sha256(root, input, sizeof(input), NULL, 0, key->bytes);
	return w.failed ? FC_ERR_ARGUMENT : status;
}

FcStatus
fc_kcv(const FcSecret *root, const FcKeyContext *ctx, uint8_t kcv[FC_KCV_BYTES])
{
	uint8_t		context[FC_CONTEXT_BYTES];
	uint8_t		mac[MAC_BYTES];
	FcStatus	status;

	fc_context_bytes(ctx, context);
	status = fc_hmac_sha256(root, KCV_LABEL, KCV_LABEL_BYTES,
							context, sizeof(context), mac);
	/* mac is zeros if that failed; the rest of it stays unknown to everybody */
	memcpy(kcv, mac, FC_KCV_BYTES);
	fc_wipe(mac, sizeof(mac));
	return status;
}
