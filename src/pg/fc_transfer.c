/*-------------------------------------------------------------------------
 *
 * fc_transfer.c
 *		Handing a root secret from one worker to another (see fc_transfer.h).
 *
 * What is in main shared memory says whose a slot is and whether it is full;
 * it stands under FC_LOCK_REQUESTS, and so do the 32 bytes in the secret
 * region.  A backend that is killed takes the server down with it, and the
 * restart wipes the region.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/ipc.h"
#include "storage/shmem.h"

#include "pg/fc_guc.h"
#include "pg/fc_requests.h"
#include "pg/fc_secretmem.h"
#include "pg/fc_shmem.h"
#include "pg/fc_transfer.h"

typedef struct FcTransferSlot
{
	uint64		ticket;			/* 0 = free */
	bool		filled;
	FcKeyContext context;		/* of the secret in it */
} FcTransferSlot;

typedef struct FcTransferTable
{
	uint64		last_ticket;
	FcTransferSlot slots[FC_TRANSFER_SLOTS];
} FcTransferTable;

static FcTransferTable *fc_transfers = NULL;

Size
fc_transfer_shmem_size(void)
{
	return sizeof(FcTransferTable);
}

void
fc_transfer_shmem_init(bool found)
{
	bool		ours;

	fc_transfers = ShmemInitStruct("fieldcrypt transfers", sizeof(FcTransferTable), &ours);
	if (!ours)
		memset(fc_transfers, 0, sizeof(FcTransferTable));
}

/* The secret of a transfer: behind those of the key cache. */
static FcSecret *
transfer_secret(int slot)
{
	return fc_secretmem_slot(fc_guc_cache_slots + slot);
}

/* The slot of a transfer that is still open, or NULL; the lock is held. */
static FcTransferSlot *
transfer_slot(const FcTransferRef *ref)
{
	if (ref->ticket == 0 || ref->slot < 0 || ref->slot >= FC_TRANSFER_SLOTS ||
		fc_transfers->slots[ref->slot].ticket != ref->ticket)
		return NULL;
	return &fc_transfers->slots[ref->slot];
}

static FcTransferRef
transfer_open(void)
{
	FcTransferRef ref = {-1, 0};
	int			i;

	LWLockAcquire(fc_lock(FC_LOCK_REQUESTS), LW_EXCLUSIVE);
	for (i = 0; i < FC_TRANSFER_SLOTS && ref.slot < 0; i++)
	{
		if (fc_transfers->slots[i].ticket != 0)
			continue;
		ref.slot = i;
		ref.ticket = ++fc_transfers->last_ticket;
		fc_transfers->slots[i].ticket = ref.ticket;
		fc_transfers->slots[i].filled = false;
	}
	LWLockRelease(fc_lock(FC_LOCK_REQUESTS));
	return ref;
}

/* In good order, after an error, and on the way out of the process. */
static void
transfer_close(int code, Datum arg)
{
	int			slot = DatumGetInt32(arg);

	LWLockAcquire(fc_lock(FC_LOCK_REQUESTS), LW_EXCLUSIVE);
	fc_secret_wipe(transfer_secret(slot));
	memset(&fc_transfers->slots[slot], 0, sizeof(FcTransferSlot));
	LWLockRelease(fc_lock(FC_LOCK_REQUESTS));
}

bool
fc_transfer_put(const FcTransferRef *ref, const FcKeyContext *context, const FcSecret *secret)
{
	FcTransferSlot *slot;

	LWLockAcquire(fc_lock(FC_LOCK_REQUESTS), LW_EXCLUSIVE);
	slot = transfer_slot(ref);
	if (slot != NULL)
	{
		memcpy(transfer_secret(ref->slot), secret, sizeof(FcSecret));
		slot->context = *context;
		slot->filled = true;
	}
	LWLockRelease(fc_lock(FC_LOCK_REQUESTS));
	return slot != NULL;
}

bool
fc_transfer_take(const FcTransferRef *ref, const FcKeyContext *context, FcSecret *secret)
{
	FcTransferSlot *slot;
	bool		taken;

	LWLockAcquire(fc_lock(FC_LOCK_REQUESTS), LW_EXCLUSIVE);
	slot = transfer_slot(ref);
	taken = slot != NULL && slot->filled &&
		memcmp(&slot->context, context, sizeof(FcKeyContext)) == 0;
	if (taken)
	{
		memcpy(secret, transfer_secret(ref->slot), sizeof(FcSecret));
		fc_secret_wipe(transfer_secret(ref->slot));
		slot->filled = false;
	}
	LWLockRelease(fc_lock(FC_LOCK_REQUESTS));
	return taken;
}

/* Not inlined: its variables have no business in a frame that errors jump back into. */
static pg_noinline const char *
transfer_exchange(FcRequest *out, FcRequest *in, int timeout_ms, FcAnswer *answer)
{
	fc_request_run(out, timeout_ms, answer);
	if (answer->status != FC_OK)
		return out->provider;
	fc_request_run(in, timeout_ms, answer);
	return in->provider;
}

const char *
fc_transfer_run(FcRequest *out, FcRequest *in, int timeout_ms, FcAnswer *answer)
{
	FcTransferRef ref = transfer_open();
	const char *volatile whose = in->provider;

	if (ref.slot < 0)
	{
		memset(answer, 0, sizeof(*answer));
		answer->status = FC_ERR_KMS_RETRY;
		strlcpy(answer->message, "too many keys are moved between providers at once",
				sizeof(answer->message));
		return whose;
	}
	out->kind = FC_REQUEST_HAND_OUT;
	in->kind = FC_REQUEST_TAKE_OVER;
	out->transfer = in->transfer = ref;

	/* Also on FATAL, which no PG_TRY sees. */
	PG_ENSURE_ERROR_CLEANUP(transfer_close, Int32GetDatum(ref.slot));
	{
		whose = transfer_exchange(out, in, timeout_ms, answer);
	}
	PG_END_ENSURE_ERROR_CLEANUP(transfer_close, Int32GetDatum(ref.slot));
	transfer_close(0, Int32GetDatum(ref.slot));
	return whose;
}
