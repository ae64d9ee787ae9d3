/*-------------------------------------------------------------------------
 *
 * fc_shmem.c
 *		Shared memory of the extension (see fc_shmem.h).
 *
 * The startup hook runs whenever shared memory is made: at server start and
 * again after a crash.  The secret region survives a crash in the postmaster,
 * so the hook wipes it: a directory without entries must not stand beside
 * keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "pg/fc_keycache.h"
#include "pg/fc_progress.h"
#include "pg/fc_providers.h"
#include "pg/fc_requests.h"
#include "pg/fc_secretmem.h"
#include "pg/fc_shmem.h"
#include "pg/fc_transfer.h"
#include "pg/fc_warm.h"

#define FC_SHMEM_TRANCHE	"fieldcrypt"
#define FC_SHMEM_MAGIC		0x46434d31	/* "FCM1" */

typedef struct FcShmemHeader
{
	uint32		magic;
	uint32		layout;			/* FC_SHMEM_LAYOUT of who made it */
} FcShmemHeader;

static FcShmemHeader *fc_header = NULL;
static LWLockPadded *fc_locks = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void fc_shmem_request(void);
static void fc_shmem_startup(void);

void
fc_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = fc_shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = fc_shmem_startup;
}

bool
fc_shmem_ready(void)
{
	return fc_header != NULL &&
		fc_header->magic == FC_SHMEM_MAGIC &&
		fc_header->layout == FC_SHMEM_LAYOUT;
}

LWLock *
fc_lock(FcLock which)
{
	Assert(fc_locks != NULL);
	return &fc_locks[which].lock;
}

static void
fc_shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	/* ShmemInitStruct aligns every piece: leave room for that. */
	RequestAddinShmemSpace(CACHELINEALIGN(sizeof(FcShmemHeader)));
	RequestAddinShmemSpace(CACHELINEALIGN(fc_keycache_shmem_size()));
	RequestAddinShmemSpace(CACHELINEALIGN(fc_requests_shmem_size()));
	RequestAddinShmemSpace(CACHELINEALIGN(fc_transfer_shmem_size()));
	RequestAddinShmemSpace(CACHELINEALIGN(fc_providers_shmem_size()));
	RequestAddinShmemSpace(CACHELINEALIGN(fc_progress_shmem_size()));
	RequestAddinShmemSpace(CACHELINEALIGN(fc_warm_shmem_size()));
	RequestNamedLWLockTranche(FC_SHMEM_TRANCHE, FC_LOCK_COUNT);
}

static void
fc_shmem_startup(void)
{
	FcShmemHeader *header;
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	header = ShmemInitStruct("fieldcrypt", sizeof(FcShmemHeader), &found);
	if (found && (header->magic != FC_SHMEM_MAGIC ||
				  header->layout != FC_SHMEM_LAYOUT))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("shared memory was laid out by another version of fieldcrypt"),
				 errhint("Restart the server.")));

	fc_locks = GetNamedLWLockTranche(FC_SHMEM_TRANCHE);
	fc_keycache_shmem_init(found);
	fc_requests_shmem_init(found);
	fc_transfer_shmem_init(found);
	fc_providers_shmem_init(found);
	fc_progress_shmem_init(found);
	fc_warm_shmem_init(found);
	if (!found)
	{
		fc_secretmem_wipe_all();
		header->layout = FC_SHMEM_LAYOUT;
		header->magic = FC_SHMEM_MAGIC;
	}
	fc_header = header;
	LWLockRelease(AddinShmemInitLock);
}
