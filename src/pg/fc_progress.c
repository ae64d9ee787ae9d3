/*-------------------------------------------------------------------------
 *
 * fc_progress.c
 *		Slots in shared memory behind the view fieldcrypt.rotation_progress.
 *
 * A walk writes its slot once a batch, so one lock for all is enough.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "pg/fc_progress.h"
#include "pg/fc_shmem.h"

static FcProgress *slots = NULL;
static int	my_slot = -1;

Size
fc_progress_shmem_size(void)
{
	return mul_size(FC_PROGRESS_SLOTS, sizeof(FcProgress));
}

void
fc_progress_shmem_init(bool found)
{
	bool		there;

	slots = ShmemInitStruct("fieldcrypt progress", fc_progress_shmem_size(), &there);
	if (!there)
		memset(slots, 0, fc_progress_shmem_size());
}

void
fc_progress_end(void)
{
	if (my_slot < 0)
		return;
	LWLockAcquire(fc_lock(FC_LOCK_PROGRESS), LW_EXCLUSIVE);
	memset(&slots[my_slot], 0, sizeof(FcProgress));
	LWLockRelease(fc_lock(FC_LOCK_PROGRESS));
	my_slot = -1;
}

static void
end_at_exit(int code, Datum arg)
{
	fc_progress_end();
}

/* The lock is held. */
static void
take_slot(void)
{
	int			i;

	for (i = 0; i < FC_PROGRESS_SLOTS && my_slot < 0; i++)
	{
		if (slots[i].pid == 0)
			my_slot = i;
	}
}

void
fc_progress_set(const FcProgress *progress)
{
	static bool registered = false;

	if (!fc_shmem_ready())
		return;
	if (!registered)
	{
		before_shmem_exit(end_at_exit, (Datum) 0);
		registered = true;
	}
	LWLockAcquire(fc_lock(FC_LOCK_PROGRESS), LW_EXCLUSIVE);
	if (my_slot < 0)
		take_slot();
	if (my_slot >= 0)
	{
		slots[my_slot] = *progress;
		slots[my_slot].pid = MyProcPid;
		slots[my_slot].database = MyDatabaseId;
	}
	LWLockRelease(fc_lock(FC_LOCK_PROGRESS));
}

bool
fc_progress_waits(VirtualTransactionId vxid)
{
	bool		found = false;
	int			i;

	if (!fc_shmem_ready())
		return false;
	LWLockAcquire(fc_lock(FC_LOCK_PROGRESS), LW_SHARED);
	for (i = 0; i < FC_PROGRESS_SLOTS; i++)
	{
		if (slots[i].pid != 0 && VirtualTransactionIdIsValid(slots[i].waiting) &&
			VirtualTransactionIdEquals(slots[i].waiting, vxid))
			found = true;
	}
	LWLockRelease(fc_lock(FC_LOCK_PROGRESS));
	return found;
}

bool
fc_progress_get(int i, FcProgress *out)
{
	if (!fc_shmem_ready() || i < 0 || i >= FC_PROGRESS_SLOTS)
		return false;
	LWLockAcquire(fc_lock(FC_LOCK_PROGRESS), LW_SHARED);
	*out = slots[i];
	LWLockRelease(fc_lock(FC_LOCK_PROGRESS));
	return out->pid != 0;
}
