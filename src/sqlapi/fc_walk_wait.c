/*-------------------------------------------------------------------------
 *
 * fc_walk_wait.c
 *		Waiting for transactions that may still act on what was so before.
 *
 * As CREATE INDEX CONCURRENTLY waits, but for all transactions of the
 * database: one that reads nothing at the moment may have a plan that is out
 * of date, or hold a value in a variable.
 *
 * While it waits a walk has no snapshot and has done nothing that anybody
 * waits for, and says so in its progress slot.  Of two that wait at a time the
 * second to say so leaves the first out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "pg/fc_compat.h"
#include "pg/fc_progress.h"
#include "sqlapi/fc_walk.h"

#define WAIT_POLL_MS 20

void
fc_walk_sleep(int64 ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, (long) ms,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static void
show_waiting(const FcWalk *walk)
{
	FcProgress	progress;

	memset(&progress, 0, sizeof(progress));
	strlcpy(progress.command, walk->command, sizeof(progress.command));
	progress.started = GetCurrentTimestamp();
	GET_VXID_FROM_PGPROC(progress.waiting, *MyProc);
	fc_progress_set(&progress);
}

/* Sleep a little; false if the wait has to end. */
static bool
go_on(FcWalk *walk, TimestampTz since)
{
	TimestampTz now = GetCurrentTimestamp();

	if (now >= walk->deadline)
	{
		walk->stopped = true;
		return false;
	}
	if (LockTimeout > 0 && TimestampDifferenceExceeds(since, now, LockTimeout))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("canceling statement due to lock timeout"),
				 errhint("Call the procedure again: it goes on where it stopped.")));
	fc_walk_sleep(WAIT_POLL_MS);
	return true;
}

/* A lock cannot be waited for until a moment, so before a deadline we look again. */
static void
wait_for(FcWalk *walk, VirtualTransactionId vxid, TimestampTz since)
{
	if (walk->deadline == 0)
	{
		if (!fc_progress_waits(vxid))
			(void) VirtualXactLock(vxid, true);
		return;
	}
	while (!VirtualXactLock(vxid, false) && !fc_progress_waits(vxid) && go_on(walk, since))
		;
}

bool
fc_walk_wait(FcWalk *walk)
{
	VirtualTransactionId *others;
	TimestampTz since = GetCurrentTimestamp();
	int			count;
	int			i;

	SPI_commit();
	show_waiting(walk);
	others = GetCurrentVirtualXIDs(InvalidTransactionId, false, false,
								   PROC_IN_VACUUM | PROC_IN_SAFE_IC, &count);
	PG_TRY();
	{
		for (i = 0; i < count && !walk->stopped; i++)
			wait_for(walk, others[i], since);
	}
	PG_FINALLY();
	{
		fc_progress_end();
	}
	PG_END_TRY();
	if (walk->stopped)
		ereport(NOTICE,
				(errmsg("%s was stopped by max_duration while it waited for transactions that began before",
						walk->command),
				 errhint("Call the procedure again: it goes on where it stopped.")));
	return !walk->stopped;
}
