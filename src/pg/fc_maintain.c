/*-------------------------------------------------------------------------
 *
 * fc_maintain.c
 *		Maintenance (see fc_maintain.h).
 *
 * The launcher has no database, so once an hour it starts a round: a worker
 * without a database that lists the databases and starts one worker after the
 * other in them.  It waits for each for a while only, since one that rewraps a
 * big table takes long; that one ends in its own time.  Templates, and
 * databases that accept no connections, are left out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/fc_bgworker.h"
#include "pg/fc_maintain.h"

/*
 * Between rounds, less than the hour that a daily window lasts at least, and
 * before the next try where no process could be had.
 */
#define FC_MAINTAIN_MS		(50 * 60 * 1000)
#define FC_MAINTAIN_RETRY_MS (60 * 1000)

/* Overdue keys are told of once in this time. */
#define FC_MAINTAIN_WARN_MS (24 * 60 * 60 * 1000)

/* How long a round waits for one database before it goes on to the next. */
#define FC_MAINTAIN_WAIT_MS (10 * 1000)

/* In recovery, or while a round is under way. */
#define FC_MAINTAIN_NAP_MS	10000

static BackgroundWorkerHandle *fc_round = NULL;
static TimestampTz fc_round_due = 0;
static TimestampTz fc_warned = 0;
static const char *fc_maintained = NULL; /* database of this worker */

static BackgroundWorkerHandle *start_worker(const char *function, const char *what,
											Oid database, bool warn);
static List *list_databases(void);
static void wait_for(BackgroundWorkerHandle *handle);

/*
 * The launcher
 */

long
fc_maintain_turn(void)
{
	TimestampTz now = GetCurrentTimestamp();
	pid_t		pid;

	if (GetRecoveryState() != RECOVERY_STATE_DONE)
		return FC_MAINTAIN_NAP_MS;
	if (fc_round != NULL)
	{
		if (GetBackgroundWorkerPid(fc_round, &pid) != BGWH_STOPPED)
			return FC_MAINTAIN_NAP_MS;
		pfree(fc_round);
		fc_round = NULL;
	}
	if (now >= fc_round_due)
	{
		bool		warn = fc_warned == 0 ||
						   TimestampDifferenceExceeds(fc_warned, now, FC_MAINTAIN_WARN_MS);

		fc_round = start_worker("fc_maintain_main", "fieldcrypt maintenance", InvalidOid, warn);
		if (fc_round != NULL && warn)
			fc_warned = now;
		fc_round_due = now +
			(int64) (fc_round ? FC_MAINTAIN_MS : FC_MAINTAIN_RETRY_MS) * 1000;
	}
	return Max(1, TimestampDifferenceMilliseconds(now, fc_round_due));
}

/*
 * The workers
 */

static BackgroundWorkerHandle *
start_worker(const char *function, const char *what, Oid database, bool warn)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	strlcpy(worker.bgw_name, what, sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "fieldcrypt maintenance", sizeof(worker.bgw_type));
	worker.bgw_extra[0] = warn;
	return fc_bgworker_start(&worker, function);
}

BackgroundWorkerHandle *
fc_maintain_start(Oid database, bool warn)
{
	char		name[BGW_MAXLEN];

	snprintf(name, sizeof(name), "fieldcrypt maintenance of database %u", database);
	return start_worker("fc_maintenance_main", name, database, warn);
}

bool
fc_maintain_warns(void)
{
	return MyBgworkerEntry->bgw_extra[0];
}

void
fc_maintain_begin(const char *database)
{
	fc_maintained = database;
}

/*
 * DROP DATABASE, RENAME and the like hold a lock on the database that
 * conflicts with what connecting takes, and then wait five seconds for other
 * sessions to go.  Whoever did not ask for us must not have to wait for a KMS
 * or for the end of a walk.
 */
void
fc_maintain_yield(void)
{
	LOCKTAG		tag;

	if (fc_maintained == NULL || !IsTransactionState())
		return;
	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	if (LockAcquire(&tag, RowExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
	{
		(void) LockRelease(&tag, RowExclusiveLock, false);
		return;
	}
	ereport(LOG,
			(errmsg("fieldcrypt maintenance of database \"%s\" ends because another session wants the database for itself",
					fc_maintained),
			 errhint("It goes on in about an hour.")));
	proc_exit(0);
}

/* A round. */
void
fc_maintain_main(Datum arg)
{
	List	   *databases;
	ListCell   *cell;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(InvalidOid, InvalidOid, 0);

	databases = list_databases();
	foreach(cell, databases)
	{
		BackgroundWorkerHandle *handle = fc_maintain_start(lfirst_oid(cell), fc_maintain_warns());

		if (handle == NULL)
		{
			ereport(WARNING,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("fieldcrypt could not see to keys that are due for rotation: no free background worker slot"),
					 errhint("Increase max_worker_processes.")));
			break;
		}
		wait_for(handle);
	}
	proc_exit(0);
}

/*
 * Without a database, and right after a start, pg_database can be read but
 * not its indexes: no syscache.
 */
static List *
list_databases(void)
{
	List	   *list = NIL;
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	row;

	StartTransactionCommand();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(row);
		MemoryContext old;

		/* a limit of -2 marks what DROP DATABASE left half done */
		if (form->datistemplate || !form->datallowconn || form->datconnlimit < -1)
			continue;
		old = MemoryContextSwitchTo(TopMemoryContext);
		list = lappend_oid(list, form->oid);
		MemoryContextSwitchTo(old);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	return list;
}

static void
wait_for(BackgroundWorkerHandle *handle)
{
	TimestampTz start = GetCurrentTimestamp();
	pid_t		pid;

	while (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED &&
		   !TimestampDifferenceExceeds(start, GetCurrentTimestamp(), FC_MAINTAIN_WAIT_MS))
	{
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 1000, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}
