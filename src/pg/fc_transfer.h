/*-------------------------------------------------------------------------
 *
 * fc_transfer.h
 *		Handing a root secret from one provider's worker to another's.
 *
 * Each worker holds the credentials of one KMS, so a key that moves to
 * another KMS passes between two processes: through a slot of the secret
 * region, never through main shared memory.  The backend that asked for the
 * move opens a transfer, one worker puts the secret there, the other takes
 * it, which wipes the slot; whatever happens, the backend closes it, and
 * closing wipes it too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_TRANSFER_H
#define FC_TRANSFER_H

#include "postgres.h"

#include "crypto/fc_keys.h"

/* Transfers at once; the default cache_slots and these fit 64 kB. */
#define FC_TRANSFER_SLOTS 8

/* A ticket is never used twice: who comes late finds nothing. */
typedef struct FcTransferRef
{
	int			slot;
	uint64		ticket;			/* 0 = none */
} FcTransferRef;

struct FcRequest;
struct FcAnswer;

extern Size fc_transfer_shmem_size(void);
extern void fc_transfer_shmem_init(bool found);

/*
 * fc_transfer_run
 *		Have the worker of `out` unwrap and check request->old and hand the
 *		root secret to the worker of `in`, which wraps it, unwraps it again
 *		and compares.  The requests' kinds and transfers are filled in here.
 *		*answer is that of the request that failed, or of `in`.  Returns the
 *		provider whose answer it is.
 */
extern const char *fc_transfer_run(struct FcRequest *out, struct FcRequest *in,
								   int timeout_ms, struct FcAnswer *answer);

/*
 * For workers.  False if nobody waits for the transfer any more, or if the
 * secret is not that of the context.
 */
extern bool fc_transfer_put(const FcTransferRef *ref, const FcKeyContext *context,
							const FcSecret *secret);
extern bool fc_transfer_take(const FcTransferRef *ref, const FcKeyContext *context,
							 FcSecret *secret);

#endif							/* FC_TRANSFER_H */
