/*-------------------------------------------------------------------------
 *
 * fc_envelope_private.h
 *		Sealing with given random bytes: for fc_value_seal and for tests that
 *		reproduce frozen values.  A data key must never be used twice; nobody
 *		else includes this.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_ENVELOPE_PRIVATE_H
#define FC_ENVELOPE_PRIVATE_H

#include "crypto/fc_envelope.h"

/* Random bytes of one value. */
#define FC_SEAL_RANDOM_KW_GCM (FC_SECRET_BYTES + FC_GCM_NONCE_BYTES)
#define FC_SEAL_RANDOM_XAES FC_XAES_NONCE_BYTES
#define FC_SEAL_RANDOM_MAX FC_SEAL_RANDOM_KW_GCM

/*
 * fc_value_seal_with
 *		As fc_value_seal, with random = data key || nonce (suite 1, 44 bytes)
 *		or nonce (suite 2, 24 bytes).  In FIPS mode the module replaces the
 *		nonce.  The caller wipes random and the stack.
 */
extern FcStatus fc_value_seal_with(const FcKeyContext *ctx, const FcSecret *master,
								   const uint8_t *tag,
								   const uint8_t *plaintext, size_t plaintext_len,
								   const uint8_t *random,
								   uint8_t *out, size_t out_len) FC_CHECK_RESULT;

#endif /* FC_ENVELOPE_PRIVATE_H */
