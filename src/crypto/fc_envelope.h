/*-------------------------------------------------------------------------
 *
 * fc_envelope.h
 *		Value format 1: parse, seal, open, tags, armour.
 *
 * The parser allocates nothing and reads nothing beyond the length it is
 * given; it rejects unknown suites, flags, modes and impossible lengths.  A
 * parsed value points into the caller's bytes.  Suite 0 (a literal) is not
 * format 1 and is refused here: sqlapi/ tells it apart before it calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_ENVELOPE_H
#define FC_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fc_b64.h"
#include "base/fc_secret.h"
#include "base/fc_status.h"
#include "crypto/fc_format.h"
#include "crypto/fc_keys.h"

typedef struct FcValue
{
	uint8_t		suite;
	uint8_t		flags;
	FcKeyId		key_id;
	uint16_t	version;		/* of the master key */
	const uint8_t *tag;			/* 16 bytes, or NULL without FC_FLAG_TAG */
	const uint8_t *wrapped;		/* 40 bytes (suite 1), or NULL */
	const uint8_t *nonce;		/* 12 bytes (suite 1) or 24 (suite 2) */
	const uint8_t *ciphertext;
	size_t		ciphertext_len; /* = length of the plaintext */
	const uint8_t *gcm_tag;		/* 16 bytes */
} FcValue;

/*
 * fc_value_parse
 *		Only the header and the lengths; authenticity is fc_value_open's.
 *		FC_ERR_TRUNCATED, FC_ERR_SUITE, FC_ERR_FLAGS, FC_ERR_MODE,
 *		FC_ERR_TOO_LONG.  Version 0 does not exist and is FC_ERR_SUITE.
 */
extern FcStatus fc_value_parse(const void *data, size_t len,
							   FcValue *value) FC_CHECK_RESULT;

/* Search mode of the tag, or FC_MODE_NONE. */
extern uint8_t fc_value_mode(const FcValue *value);

/* Bytes that sealing a plaintext of this length takes; 0 if too long. */
extern size_t fc_value_size(uint8_t suite, bool tagged, size_t plaintext_len);

/*
 * fc_value_seal
 *		Write a whole value: fresh data key and nonce from fc_random.
 *		ctx: identity of the master key (purpose FC_PURPOSE_WRAP); master: K.
 *		tag: 16 bytes or NULL.  out_len must be fc_value_size(...).
 *		The data key is wiped before return.  FC_ERR_FIPS for suite 2 in FIPS
 *		mode; FC_ERR_TOO_LONG.
 */
extern FcStatus fc_value_seal(const FcKeyContext *ctx, const FcSecret *master,
							  const uint8_t *tag,
							  const uint8_t *plaintext, size_t plaintext_len,
							  uint8_t *out, size_t out_len) FC_CHECK_RESULT;

/*
 * fc_value_open
 *		Decrypt into out (value->ciphertext_len bytes).  FC_ERR_AUTH, and out
 *		wiped, if anything does not match; never says what.  FC_ERR_FIPS for
 *		suite 2 in FIPS mode.
 */
extern FcStatus fc_value_open(const FcValue *value, const FcSecret *master,
							  uint8_t *out) FC_CHECK_RESULT;

/*
 * fc_value_rewrap
 *		Suite 1 only: rewrite the wrapped data key of a value (out is a copy
 *		of the value's bytes, len long) under another version of the same key.
 *		The payload is not decrypted.
 */
extern FcStatus fc_value_rewrap(uint8_t *data, size_t len,
								const FcSecret *old_master,
								const FcKeyContext *new_ctx,
								const FcSecret *new_master) FC_CHECK_RESULT;

/*
 * fc_tag
 *		tag = byte0 || first 15 bytes of HMAC-SHA-256(index key, byte0 ||
 *		normalised), byte0 = mode and index-key version modulo 32.
 *		normalised comes from fc_normalise.
 */
extern FcStatus fc_tag(const FcSecret *index_key, uint8_t mode,
					   uint16_t index_version,
					   const uint8_t *normalised, size_t len,
					   uint8_t tag[FC_TAG_BYTES]) FC_CHECK_RESULT;

/*
 * fc_normalise
 *		The search modes over UTF-8: exact = the bytes; lower = simple
 *		lower-casing of Unicode 15.1, code point by code point; digits = ASCII
 *		0-9 only; last4 = the last four of those, or all if fewer.  Output
 *		never exceeds FC_NORMALISED_MAX(len) bytes; FC_ERR_UTF8 on invalid
 *		input.
 */
#define FC_NORMALISED_MAX(len) (((size_t) (len) * 3) / 2 + 4)
extern FcStatus fc_normalise(uint8_t mode, const uint8_t *text, size_t len,
							 uint8_t *out, size_t *out_len) FC_CHECK_RESULT;

/* True if the whole of text is valid UTF-8 (RFC 3629), no NUL bytes. */
extern bool fc_utf8_valid(const uint8_t *text, size_t len);

/*
 * Armour: FC_ARMOUR_PREFIX + canonical base64 of the value.
 */
#define FC_ARMOUR_LEN(value_len) (FC_ARMOUR_PREFIX_LEN + FC_B64_LEN(value_len))

/* Does the text begin with the armour's prefix? */
extern bool fc_armour_is(const char *text, size_t len);

/* Writes FC_ARMOUR_LEN(len) characters, no terminator. */
extern void fc_armour_encode(const uint8_t *value, size_t len, char *out);

/*
 * Decode and parse: out has room for FC_B64_MAX_DECODED(len), *value points
 * into it.  FC_ERR_ARMOUR, or what fc_value_parse says.
 */
extern FcStatus fc_armour_decode(const char *text, size_t len, uint8_t *out,
								 size_t *out_len, FcValue *value) FC_CHECK_RESULT;

#endif							/* FC_ENVELOPE_H */
