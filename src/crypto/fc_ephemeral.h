/*-------------------------------------------------------------------------
 *
 * fc_ephemeral.h
 *		A cipher for what one process writes to disk and reads again.
 *
 * The key is drawn at random, exists in this process only, as the expanded
 * schedule of a context, and is gone with it: what is left on disk can then be
 * read by nobody.  AES-256 in counter mode (NIST SP 800-38A section 6.5), with
 * the number of the text as the first half of the counter block and the number
 * of its block as the second.
 *
 * It is not authenticated, and may be used for nothing that is shown or kept:
 * who alters such a text alters what it is compared as, and no more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_EPHEMERAL_H
#define FC_EPHEMERAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/fc_secret.h"
#include "base/fc_status.h"

typedef struct FcEphemeral
{
	struct FcCipherContext *context;	/* NULL if there is no key */
} FcEphemeral;

/* A fresh key from fc_random; FC_ERR_RANDOM or FC_ERR_CRYPTO, and then none. */
extern FcStatus fc_ephemeral_make(FcEphemeral *ephemeral) FC_CHECK_RESULT;

/* A given key, for tests; the caller wipes it. */
extern FcStatus fc_ephemeral_use(FcEphemeral *ephemeral, const FcSecret *key) FC_CHECK_RESULT;

/*
 * fc_ephemeral_apply
 *		Encrypt len bytes, or decrypt what this made of them: both are the same.
 *		out may equal in; at most FC_PLAINTEXT_MAX bytes (FC_ERR_TOO_LONG).
 *		Two texts must not have the same number.  out is wiped on failure.
 */
extern FcStatus fc_ephemeral_apply(FcEphemeral *ephemeral, uint64_t number,
								   const uint8_t *in, size_t len,
								   uint8_t *out) FC_CHECK_RESULT;

/* Wipe and free; harmless where there is no key. */
extern void fc_ephemeral_free(FcEphemeral *ephemeral);

#endif							/* FC_EPHEMERAL_H */
