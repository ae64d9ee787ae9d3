/*-------------------------------------------------------------------------
 *
 * fc_envelope.c
 *		Value format 1: parse, seal, open, rewrap, tags (docs/format.md).
 *
 * Data keys live on the stack of one call and are wiped on every path out;
 * seal, open and rewrap end with fc_stack_wipe because the library's frames
 * below saw a master key.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "base/fc_bytes.h"
#include "crypto/fc_crypto.h"
#include "crypto/fc_crypto_private.h"
#include "crypto/fc_envelope.h"
#include "crypto/fc_envelope_private.h"

/* suite, flags, key_id, version, data type, tag length, tag */
#define AAD_MAX (FC_HEADER_BYTES + 2 + FC_TAG_BYTES)

#define VERSION_OFFSET 8 /* of the header */

static bool
mode_is_known(uint8_t mode)
{
	return mode != FC_MODE_NONE && mode <= FC_MODE_MAX;
}

FcStatus
fc_value_parse(const void *data, size_t len, FcValue *value)
{
	FcReader	r;
	const uint8_t *key_id;

	memset(value, 0, sizeof(*value));
	fc_reader_init(&r, data, len);
	value->suite = fc_read_u8(&r);
	value->flags = fc_read_u8(&r);
	key_id = fc_read_bytes(&r, FC_KEY_ID_BYTES);
	value->version = fc_read_u16(&r);
	if (r.failed)
		return FC_ERR_TRUNCATED;
	memcpy(value->key_id.bytes, key_id, FC_KEY_ID_BYTES);

	if (value->suite != FC_SUITE_KW_GCM && value->suite != FC_SUITE_XAES)
		return FC_ERR_SUITE;
	if ((value->flags & ~FC_FLAGS_KNOWN) != 0)
		return FC_ERR_FLAGS;
	if (value->version == 0)
		return FC_ERR_SUITE;

	if (value->flags & FC_FLAG_TAG)
		value->tag = fc_read_bytes(&r, FC_TAG_BYTES);
	if (value->suite == FC_SUITE_KW_GCM)
		value->wrapped = fc_read_bytes(&r, FC_WRAPPED_BYTES);
	value->nonce = fc_read_bytes(&r, value->suite == FC_SUITE_KW_GCM ? FC_GCM_NONCE_BYTES : FC_XAES_NONCE_BYTES);
	if (r.failed || r.left < FC_GCM_TAG_BYTES)
		return FC_ERR_TRUNCATED;
	if (value->tag != NULL && !mode_is_known(FC_TAG_MODE(value->tag[0])))
		return FC_ERR_MODE;

	value->ciphertext_len = r.left - FC_GCM_TAG_BYTES;
	if (value->ciphertext_len > FC_PLAINTEXT_MAX)
		return FC_ERR_TOO_LONG;
	value->ciphertext = fc_read_bytes(&r, value->ciphertext_len);
	value->gcm_tag = fc_read_bytes(&r, FC_GCM_TAG_BYTES);
	return r.failed ? FC_ERR_TRUNCATED : FC_OK;
}

uint8_t
fc_value_mode(const FcValue *value)
{
	return value->tag == NULL ? FC_MODE_NONE : FC_TAG_MODE(value->tag[0]);
}

size_t
fc_value_size(uint8_t suite, bool tagged, size_t plaintext_len)
{
	size_t		overhead = tagged ? FC_TAG_BYTES : 0;

	if (plaintext_len > FC_PLAINTEXT_MAX)
		return 0;
	if (suite == FC_SUITE_KW_GCM)
		return overhead + FC_OVERHEAD_KW_GCM + plaintext_len;
	if (suite == FC_SUITE_XAES)
		return overhead + FC_OVERHEAD_XAES + plaintext_len;
	return 0;
}

/*
 * The associated data of the payload.  The version is zero in suite 1: there
 * the wrap fails under another version's key, and a value can be rewrapped
 * without being decrypted.
 */
static size_t
build_aad(uint8_t suite, uint8_t flags, const FcKeyId *key_id, uint16_t version,
		  const uint8_t *tag, uint8_t aad[AAD_MAX])
{
	FcWriter	w;

	fc_writer_init(&w, aad, AAD_MAX);
	fc_write_u8(&w, suite);
	fc_write_u8(&w, flags);
	fc_write_bytes(&w, key_id->bytes, FC_KEY_ID_BYTES);
	fc_write_u16(&w, suite == FC_SUITE_KW_GCM ? 0 : version);
	fc_write_u8(&w, FC_DATA_TYPE_TEXT);
	fc_write_u8(&w, tag == NULL ? 0 : FC_TAG_BYTES);
	if (tag != NULL)
		fc_write_bytes(&w, tag, FC_TAG_BYTES);
	return AAD_MAX - w.left;
}

/*
 * What a caller may seal with; the version and mode that the parser would
 * refuse are refused before anything is written.
 */
static FcStatus
check_seal(const FcKeyContext *ctx, const uint8_t *tag, size_t plaintext_len,
		   size_t out_len)
{
	if (ctx->suite != FC_SUITE_KW_GCM && ctx->suite != FC_SUITE_XAES)
		return FC_ERR_SUITE;
	if (ctx->purpose != FC_PURPOSE_WRAP || ctx->version == 0)
		return FC_ERR_ARGUMENT;
	if (ctx->suite == FC_SUITE_XAES && fc_crypto_is_fips())
		return FC_ERR_FIPS;
	if (tag != NULL && !mode_is_known(FC_TAG_MODE(tag[0])))
		return FC_ERR_MODE;
	if (plaintext_len > FC_PLAINTEXT_MAX)
		return FC_ERR_TOO_LONG;
	if (out_len != fc_value_size(ctx->suite, tag != NULL, plaintext_len))
		return FC_ERR_ARGUMENT;
	return FC_OK;
}

FcStatus
fc_value_seal_with(const FcKeyContext *ctx, const FcSecret *master,
				   const uint8_t *tag,
				   const uint8_t *plaintext, size_t plaintext_len,
				   const uint8_t *random, uint8_t *out, size_t out_len)
{
	uint8_t		flags = tag != NULL ? FC_FLAG_TAG : 0;
	uint8_t		aad[AAD_MAX];
	size_t		aad_len;
	uint8_t    *p = out;
	FcSecret	data_key;
	FcStatus	status;

	status = check_seal(ctx, tag, plaintext_len, out_len);
	if (status != FC_OK)
		return status;

	*p++ = ctx->suite;
	*p++ = flags;
	memcpy(p, ctx->key_id.bytes, FC_KEY_ID_BYTES);
	p += FC_KEY_ID_BYTES;
	*p++ = (uint8_t) (ctx->version >> 8);
	*p++ = (uint8_t) ctx->version;
	if (tag != NULL)
	{
		memcpy(p, tag, FC_TAG_BYTES);
		p += FC_TAG_BYTES;
	}
	if (ctx->suite == FC_SUITE_KW_GCM)
	{
		memcpy(data_key.bytes, random, FC_SECRET_BYTES);
		status = fc_kw_wrap_raw(master, &data_key, p);
		p += FC_WRAPPED_BYTES;
		memcpy(p, random + FC_SECRET_BYTES, FC_GCM_NONCE_BYTES);
	}
	else
	{
		memcpy(p, random, FC_XAES_NONCE_BYTES);
		status = fc_xaes_derive(master, p, &data_key);
		p += FC_XAES_NONCE_BYTES - FC_GCM_NONCE_BYTES;
	}
	if (status == FC_OK)
	{
		uint8_t    *ciphertext = p + FC_GCM_NONCE_BYTES;

		aad_len = build_aad(ctx->suite, flags, &ctx->key_id, ctx->version, tag, aad);
		status = fc_gcm_seal(&data_key, p, aad, aad_len, plaintext, plaintext_len,
							 ciphertext, ciphertext + plaintext_len);
	}
	fc_secret_wipe(&data_key);
	if (status != FC_OK)
		fc_wipe(out, out_len);
	return status;
}

FcStatus
fc_value_seal(const FcKeyContext *ctx, const FcSecret *master,
			  const uint8_t *tag, const uint8_t *plaintext, size_t plaintext_len,
			  uint8_t *out, size_t out_len)
{
	uint8_t		random[FC_SEAL_RANDOM_MAX];
	size_t		random_len = ctx->suite == FC_SUITE_XAES ? FC_SEAL_RANDOM_XAES : FC_SEAL_RANDOM_KW_GCM;
	FcStatus	status;

	/* before anything is drawn */
	status = check_seal(ctx, tag, plaintext_len, out_len);
	if (status != FC_OK)
		return status;
	status = fc_random(random, random_len);
	if (status == FC_OK)
		status = fc_value_seal_with(ctx, master, tag, plaintext, plaintext_len,
									random, out, out_len);
	fc_wipe(random, sizeof(random));
	fc_stack_wipe();
	return status;
}

FcStatus
fc_value_open(const FcValue *value, const FcSecret *master, uint8_t *out)
{
	uint8_t		aad[AAD_MAX];
	size_t		aad_len;
	const uint8_t *nonce = value->nonce;
	FcSecret	data_key;
	FcStatus	status;

	if (value->suite == FC_SUITE_KW_GCM)
		status = fc_kw_unwrap_raw(master, value->wrapped, &data_key);
	else
	{
		status = fc_xaes_derive(master, nonce, &data_key);
		nonce += FC_XAES_NONCE_BYTES - FC_GCM_NONCE_BYTES;
	}
	if (status == FC_OK)
	{
		aad_len = build_aad(value->suite, value->flags, &value->key_id,
							value->version, value->tag, aad);
		status = fc_gcm_open(&data_key, nonce, aad, aad_len,
							 value->ciphertext, value->ciphertext_len, out,
							 value->gcm_tag);
	}
	else
		fc_wipe(out, value->ciphertext_len);
	fc_secret_wipe(&data_key);
	fc_stack_wipe();
	return status;
}

FcStatus
fc_value_rewrap(uint8_t *data, size_t len, const FcSecret *old_master,
				const FcKeyContext *new_ctx, const FcSecret *new_master)
{
	uint8_t		wrapped[FC_WRAPPED_BYTES];
	FcSecret	data_key;
	FcStatus	status;
	FcValue		value;

	status = fc_value_parse(data, len, &value);
	if (status != FC_OK)
		return status;
	if (value.suite != FC_SUITE_KW_GCM || new_ctx->suite != FC_SUITE_KW_GCM ||
		new_ctx->purpose != FC_PURPOSE_WRAP || new_ctx->version == 0 ||
		!fc_equal_ct(value.key_id.bytes, new_ctx->key_id.bytes, FC_KEY_ID_BYTES))
		return FC_ERR_ARGUMENT;

	status = fc_kw_unwrap_raw(old_master, value.wrapped, &data_key);
	if (status == FC_OK)
		status = fc_kw_wrap_raw(new_master, &data_key, wrapped);
	fc_secret_wipe(&data_key);
	fc_stack_wipe();
	if (status != FC_OK)
		return status;

	/* both halves, or neither */
	data[VERSION_OFFSET] = (uint8_t) (new_ctx->version >> 8);
	data[VERSION_OFFSET + 1] = (uint8_t) new_ctx->version;
	memcpy(data + (value.wrapped - data), wrapped, FC_WRAPPED_BYTES);
	return FC_OK;
}

FcStatus
fc_tag(const FcSecret *index_key, uint8_t mode, uint16_t index_version,
	   const uint8_t *normalised, size_t len, uint8_t tag[FC_TAG_BYTES])
{
	uint8_t		byte0 = FC_TAG_BYTE0(mode, index_version);
	uint8_t		mac[32];
	FcStatus	status;

	if (!mode_is_known(mode))
		return FC_ERR_MODE;
	status = fc_hmac_sha256(index_key, &byte0, 1, normalised, len, mac);
	tag[0] = byte0;
	memcpy(tag + 1, mac, FC_TAG_BYTES - 1);
	fc_wipe(mac, sizeof(mac));
	return status;
}
