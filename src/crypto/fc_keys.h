/*-------------------------------------------------------------------------
 *
 * fc_keys.h
 *		Key identities, derivation of master and index keys, check value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_KEYS_H
#define FC_KEYS_H

#include <stdint.h>

#include "base/fc_secret.h"
#include "base/fc_status.h"
#include "crypto/fc_format.h"

typedef struct FcKeyId
{
	uint8_t		bytes[FC_KEY_ID_BYTES];
} FcKeyId;

/* What one root secret is for: the context of its derivation. */
typedef struct FcKeyContext
{
	uint8_t		purpose;		/* FC_PURPOSE_* */
	uint8_t		suite;			/* FC_SUITE_KW_GCM or FC_SUITE_XAES */
	FcKeyId		key_id;
	uint16_t	version;		/* 1 .. 65535 */
} FcKeyContext;

#define FC_CONTEXT_BYTES 10		/* purpose, suite, key_id, version */

/* "fieldcrypt/1 purpose=1 suite=1 key_id=0123456789ab version=1" + NUL fits. */
#define FC_CONTEXT_TEXT_MAX 80

/* The 28-bit prefix of a key name: first 28 bits of SHA-256(name). */
extern FcStatus fc_key_prefix(const char *name, size_t len,
							  uint32_t *prefix) FC_CHECK_RESULT;

/* prefix (28 bits) followed by the low 20 bits of random20. */
extern FcKeyId fc_key_id_make(uint32_t prefix, uint32_t random20);

/* The 28-bit prefix inside a key_id. */
extern uint32_t fc_key_id_prefix(const FcKeyId *key_id);

/* The context's bytes: purpose u8 || suite u8 || key_id 6 || version u16. */
extern void fc_context_bytes(const FcKeyContext *ctx, uint8_t out[FC_CONTEXT_BYTES]);

/* The same as NUL-terminated text, for KMSs that take AAD; never the name. */
extern void fc_context_text(const FcKeyContext *ctx, char out[FC_CONTEXT_TEXT_MAX]);

/*
 * fc_derive_key
 *		K = KBKDF (SP 800-108r1 section 4.1, HMAC-SHA-256, counter mode, one
 *		block, counter 32 bits before the fixed data):
 *		HMAC(R, 00000001 || "fieldcrypt/1" || 00 || context || 00000100).
 *		Equals `openssl kdf -kdfopt mac:HMAC -kdfopt digest:SHA256 ... KBKDF`.
 */
extern FcStatus fc_derive_key(const FcSecret *root, const FcKeyContext *ctx,
							  FcSecret *key) FC_CHECK_RESULT;

/* First 8 bytes of HMAC-SHA-256(R, "fieldcrypt/1 kcv" || context). */
extern FcStatus fc_kcv(const FcSecret *root, const FcKeyContext *ctx,
					   uint8_t kcv[FC_KCV_BYTES]) FC_CHECK_RESULT;

#endif							/* FC_KEYS_H */
