/*-------------------------------------------------------------------------
 *
 * fc_warm.c
 *		Warming up the key cache (see fc_warm.h).
 *
 * The key tables can be read only in their database, so the launcher starts
 * short-lived workers.  A survey, without a database, looks the names up:
 * connecting to a name that does not exist would end in a FATAL line each
 * time.  Then one worker per database asks the cache for every version in
 * use, says how many were not there, and ends.  It never waits for a KMS, so
 * that it stands in nobody's way (DROP DATABASE, shutdown): fetching is the
 * business of the provider's worker, which tries until it succeeds.
 *
 * While keys are missing the database is looked at again with growing pauses;
 * when none is, every now and then, because on a standby versions arrive that
 * no statement has asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/fc_bgworker.h"
#include "pg/fc_guc.h"
#include "pg/fc_keycache.h"
#include "pg/fc_keyring.h"
#include "pg/fc_shmem.h"
#include "pg/fc_warm.h"

/* Databases looked at at once: process slots are for others as well. */
#define FC_WARM_AT_ONCE		2

/* Pauses while keys are missing. */
#define FC_WARM_PAUSE_MIN_MS 1000
#define FC_WARM_PAUSE_MAX_MS 30000

/* Between looks at what cannot be warmed up, and at what is warm. */
#define FC_WARM_SLOW_MS		60000

/* Without anything to do; in recovery, to notice the promotion. */
#define FC_WARM_NAP_MS		10000
#define FC_WARM_RECOVERY_NAP_MS 2000

/* What became of a database. */
typedef enum FcWarmOutcome
{
	FC_WARM_SILENT,				/* nothing said: not begun, or an error in the log */
	FC_WARM_ASKED,				/* all keys asked for; see missing */
	FC_WARM_NO_DATABASE,
	FC_WARM_CLOSED,				/* accepts no connections */
	FC_WARM_NO_EXTENSION,
	FC_WARM_NO_ROOM,			/* in the cache */
	FC_WARM_NO_PROCESS			/* no slot for a worker */
} FcWarmOutcome;

/* In shared memory: what launcher and workers tell each other. */
typedef struct FcWarmRow
{
	char		name[NAMEDATALEN];
	Oid			database;		/* set by the survey */
	FcWarmOutcome outcome;
	int			missing;		/* keys that were not in the cache */
} FcWarmRow;

typedef struct FcWarmTable
{
	int			nrows;
	FcWarmRow	rows[FC_WARM_DATABASES_MAX];
} FcWarmTable;

/* The launcher's own: one entry per row, in the same order. */
typedef struct FcWarmCharge
{
	char		name[NAMEDATALEN];
	BackgroundWorkerHandle *handle; /* NULL = not running */
	TimestampTz next_start;
	int			pause_ms;
	bool		warm;			/* told of in the log */
	FcWarmOutcome complaint;	/* the last one in the log */
} FcWarmCharge;

static FcWarmTable *fc_table = NULL;
static FcWarmCharge fc_charges[FC_WARM_DATABASES_MAX];
static int	fc_ncharges = 0;
static BackgroundWorkerHandle *fc_survey = NULL;
static TimestampTz fc_survey_due = 0;	/* 0 = none is */
static bool fc_standby = false; /* was one when last looked at */

static bool fc_warm_row(int i, FcWarmRow *row);
static void fc_warm_tell(const char *name, FcWarmOutcome outcome, int missing, Oid database);
static void fc_warm_again(void);
static int	fc_warm_add(FcWarmCharge *charges, int n, const char *name);
static bool fc_warm_ended(BackgroundWorkerHandle **handle);
static BackgroundWorkerHandle *fc_warm_start(const char *name, Oid database);
static long fc_survey_turn(TimestampTz now);
static long fc_charge_turn(int i, TimestampTz now, int *running);
static void fc_charge_over(int i, TimestampTz now);
static void fc_charge_complain(FcWarmCharge *charge, FcWarmOutcome outcome);
static void fc_survey_main(void);
static FcWarmOutcome fc_warm_look_up(const char *name, Oid *database);
static FcWarmOutcome fc_warm_ask(int *missing);

/*
 * Shared memory
 */

Size
fc_warm_shmem_size(void)
{
	return sizeof(FcWarmTable);
}

void
fc_warm_shmem_init(bool found)
{
	bool		ours;

	fc_table = ShmemInitStruct("fieldcrypt warm-up", sizeof(FcWarmTable), &ours);
	if (!ours)
		memset(fc_table, 0, sizeof(FcWarmTable));
}

static bool
fc_warm_row(int i, FcWarmRow *row)
{
	bool		found;

	LWLockAcquire(fc_lock(FC_LOCK_WARM), LW_SHARED);
	found = i < fc_table->nrows;
	if (found)
		*row = fc_table->rows[i];
	LWLockRelease(fc_lock(FC_LOCK_WARM));
	return found;
}

/* By name: a reload may have moved the row, or removed it. */
static void
fc_warm_tell(const char *name, FcWarmOutcome outcome, int missing, Oid database)
{
	int			i;

	LWLockAcquire(fc_lock(FC_LOCK_WARM), LW_EXCLUSIVE);
	for (i = 0; i < fc_table->nrows; i++)
	{
		FcWarmRow  *row = &fc_table->rows[i];

		if (strcmp(row->name, name) != 0)
			continue;
		row->outcome = outcome;
		row->missing = missing;
		row->database = database;
	}
	LWLockRelease(fc_lock(FC_LOCK_WARM));
}

/*
 * The launcher
 */

/* Workers of names that left the list end by themselves. */
void
fc_warm_load(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "fieldcrypt warm-up",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	FcWarmCharge *fresh = palloc0(sizeof(fc_charges));
	int			n = 0;
	int			i;
	ListCell   *cell;

	foreach(cell, fc_guc_warm_names())
		n = fc_warm_add(fresh, n, (const char *) lfirst(cell));
	for (i = 0; i < fc_ncharges; i++)
		if (fc_charges[i].handle != NULL)
			pfree(fc_charges[i].handle);
	memcpy(fc_charges, fresh, sizeof(fc_charges));
	fc_ncharges = n;

	LWLockAcquire(fc_lock(FC_LOCK_WARM), LW_EXCLUSIVE);
	memset(fc_table, 0, sizeof(FcWarmTable));
	fc_table->nrows = n;
	for (i = 0; i < n; i++)
		strlcpy(fc_table->rows[i].name, fc_charges[i].name, NAMEDATALEN);
	LWLockRelease(fc_lock(FC_LOCK_WARM));

	fc_warm_again();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* A name that was in the list keeps what is known of it. */
static int
fc_warm_add(FcWarmCharge *charges, int n, const char *name)
{
	int			i;

	for (i = 0; i < n; i++)
		if (strcmp(charges[i].name, name) == 0)
			return n;
	if (n == FC_WARM_DATABASES_MAX)
		return n;
	for (i = 0; i < fc_ncharges; i++)
	{
		if (strcmp(fc_charges[i].name, name) == 0)
		{
			charges[n] = fc_charges[i];
			fc_charges[i].handle = NULL;
		}
	}
	strlcpy(charges[n].name, name, NAMEDATALEN);
	return n + 1;
}

/* From the start: names first, then every database. */
static void
fc_warm_again(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int			i;

	for (i = 0; i < fc_ncharges; i++)
	{
		fc_charges[i].next_start = now;
		fc_charges[i].pause_ms = FC_WARM_PAUSE_MIN_MS;
	}
	fc_survey_due = fc_ncharges > 0 ? now : 0;
}

long
fc_warm_turn(void)
{
	RecoveryState state = GetRecoveryState();
	TimestampTz now = GetCurrentTimestamp();
	long		nap = FC_WARM_NAP_MS;
	int			running = 0;
	int			i;

	if (fc_ncharges == 0)
		return nap;
	if (state == RECOVERY_STATE_ARCHIVE)
		fc_standby = true;
	else if (fc_standby && state == RECOVERY_STATE_DONE)
	{
		fc_standby = false;
		fc_warm_again();
		now = GetCurrentTimestamp();
	}
	if (state != RECOVERY_STATE_DONE)
		nap = FC_WARM_RECOVERY_NAP_MS;

	nap = Min(nap, fc_survey_turn(now));
	for (i = 0; i < fc_ncharges; i++)
	{
		if (fc_warm_ended(&fc_charges[i].handle))
			fc_charge_over(i, now);
		if (fc_charges[i].handle != NULL)
			running++;
	}
	for (i = 0; i < fc_ncharges; i++)
		nap = Min(nap, fc_charge_turn(i, now, &running));
	return nap;
}

/* True, once, when the worker has ended. */
static bool
fc_warm_ended(BackgroundWorkerHandle **handle)
{
	pid_t		pid;

	if (*handle == NULL || GetBackgroundWorkerPid(*handle, &pid) != BGWH_STOPPED)
		return false;
	pfree(*handle);
	*handle = NULL;
	return true;
}

/* Of the survey where name is "".  NULL if there is no process slot. */
static BackgroundWorkerHandle *
fc_warm_start(const char *name, Oid database)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "fieldcrypt warm-up%s%s",
			 name[0] ? ": " : "", name);
	strlcpy(worker.bgw_type, "fieldcrypt warm-up", sizeof(worker.bgw_type));
	strlcpy(worker.bgw_extra, name, sizeof(worker.bgw_extra));
	return fc_bgworker_start(&worker, "fc_warm_main");
}

/* Names that the survey did not find it looks up again, ever so slowly. */
static long
fc_survey_turn(TimestampTz now)
{
	FcWarmRow	row;
	int			i;

	if (fc_warm_ended(&fc_survey))
	{
		for (i = 0; i < fc_ncharges && fc_warm_row(i, &row); i++)
		{
			if (OidIsValid(row.database))
				continue;
			fc_charge_complain(&fc_charges[i], row.outcome);
			if (fc_survey_due == 0)
				fc_survey_due = now + (int64) FC_WARM_SLOW_MS * 1000;
		}
	}
	if (fc_survey == NULL && fc_survey_due != 0 && now >= fc_survey_due)
	{
		fc_survey = fc_warm_start("", InvalidOid);
		fc_survey_due = 0;
		if (fc_survey == NULL)
		{
			fc_charge_complain(&fc_charges[0], FC_WARM_NO_PROCESS);
			fc_survey_due = now + (int64) FC_WARM_PAUSE_MAX_MS * 1000;
		}
	}
	if (fc_survey_due == 0)
		return FC_WARM_NAP_MS;
	return Max(1, TimestampDifferenceMilliseconds(now, fc_survey_due));
}

/* Start the worker of a database if it is time to. */
static long
fc_charge_turn(int i, TimestampTz now, int *running)
{
	FcWarmCharge *charge = &fc_charges[i];
	FcWarmRow	row;

	if (charge->handle != NULL || fc_survey != NULL ||
		!fc_warm_row(i, &row) || !OidIsValid(row.database))
		return FC_WARM_NAP_MS;	/* we are told when a worker ends */

	if (now >= charge->next_start && *running < FC_WARM_AT_ONCE)
	{
		fc_warm_tell(charge->name, FC_WARM_SILENT, 0, row.database);
		charge->handle = fc_warm_start(charge->name, row.database);
		if (charge->handle != NULL)
		{
			(*running)++;
			return FC_WARM_NAP_MS;
		}
		fc_charge_complain(charge, FC_WARM_NO_PROCESS);
		charge->next_start = now + (int64) FC_WARM_PAUSE_MAX_MS * 1000;
	}
	else if (now >= charge->next_start)
		return FC_WARM_NAP_MS;	/* another has to end first */
	return Max(1, TimestampDifferenceMilliseconds(now, charge->next_start));
}

/* The worker of a database has ended: when is it to be looked at again? */
static void
fc_charge_over(int i, TimestampTz now)
{
	FcWarmCharge *charge = &fc_charges[i];
	FcWarmRow	row;
	int64		pause = FC_WARM_SLOW_MS;

	if (!fc_warm_row(i, &row))
		return;
	if (row.outcome == FC_WARM_ASKED && row.missing == 0)
	{
		pause = Max(pause, (int64) fc_guc_cache_refresh * 1000);
		charge->pause_ms = FC_WARM_PAUSE_MIN_MS;
		charge->complaint = FC_WARM_SILENT;
		if (!charge->warm)
			ereport(LOG,
					(errmsg("fieldcrypt has the keys of database \"%s\" in its cache",
							charge->name)));
		charge->warm = true;
	}
	else if (row.outcome == FC_WARM_ASKED || row.outcome == FC_WARM_SILENT)
	{
		pause = charge->pause_ms;
		charge->pause_ms = Min(charge->pause_ms * 2, FC_WARM_PAUSE_MAX_MS);
		charge->warm = false;
	}
	else
		fc_charge_complain(charge, row.outcome);
	charge->next_start = now + pause * 1000;

	/* Dropped meanwhile, maybe. */
	if (row.outcome == FC_WARM_SILENT)
	{
		fc_warm_tell(charge->name, FC_WARM_SILENT, 0, InvalidOid);
		fc_survey_due = charge->next_start;
	}
}

/* Once per problem, not once per try. */
static void
fc_charge_complain(FcWarmCharge *charge, FcWarmOutcome outcome)
{
	static const struct
	{
		int			code;
		const char *problem;
		const char *hint;
	}			texts[] = {
		[FC_WARM_NO_DATABASE] = {ERRCODE_UNDEFINED_DATABASE, "it does not exist",
		"Create it, or take it out of fieldcrypt.warm_databases."},
		[FC_WARM_CLOSED] = {ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "it does not accept connections",
		"Take it out of fieldcrypt.warm_databases."},
		[FC_WARM_NO_EXTENSION] = {ERRCODE_UNDEFINED_OBJECT, "the extension is not installed in it",
		"Run CREATE EXTENSION fieldcrypt in it, or take it out of fieldcrypt.warm_databases."},
		[FC_WARM_NO_ROOM] = {ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "the key cache has no free slot",
		"Increase fieldcrypt.cache_slots and restart the server."},
		[FC_WARM_NO_PROCESS] = {ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "no free background worker slot",
		"Increase max_worker_processes."},
	};

	charge->warm = false;
	if (charge->complaint == outcome || outcome < FC_WARM_NO_DATABASE)
		return;
	charge->complaint = outcome;
	ereport(WARNING,
			(errcode(texts[outcome].code),
			 errmsg("fieldcrypt cannot warm up database \"%s\": %s",
					charge->name, texts[outcome].problem),
			 errhint("%s", texts[outcome].hint)));
}

/*
 * The workers
 */

void
fc_warm_main(Datum arg)
{
	const char *name = MyBgworkerEntry->bgw_extra;
	Oid			database = DatumGetObjectId(arg);
	FcWarmOutcome outcome;
	int			missing = 0;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (name[0] == '\0')
		fc_survey_main();
	else
	{
		outcome = fc_warm_ask(&missing);
		fc_warm_tell(name, outcome, missing, database);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	proc_exit(0);
}

static void
fc_survey_main(void)
{
	FcWarmRow	row;
	int			i;

	for (i = 0; fc_warm_row(i, &row); i++)
	{
		Oid			database = InvalidOid;
		FcWarmOutcome outcome = fc_warm_look_up(row.name, &database);

		CHECK_FOR_INTERRUPTS();
		if (!OidIsValid(database) || database != row.database)
			fc_warm_tell(row.name, outcome, 0, database);
	}
}

/*
 * Without a database, and right after a start, pg_database can be read but
 * not its indexes: no syscache.
 */
static FcWarmOutcome
fc_warm_look_up(const char *name, Oid *database)
{
	FcWarmOutcome outcome = FC_WARM_NO_DATABASE;
	NameData	wanted;
	ScanKeyData scankey;
	SysScanDesc scan;
	HeapTuple	row;
	Relation	rel;

	namestrcpy(&wanted, name);
	ScanKeyInit(&scankey, Anum_pg_database_datname, BTEqualStrategyNumber, F_NAMEEQ,
				NameGetDatum(&wanted));
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &scankey);
	if (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(row);

		/* a limit of -2 marks what DROP DATABASE left half done */
		outcome = FC_WARM_CLOSED;
		if (form->datallowconn && form->datconnlimit >= -1)
		{
			*database = form->oid;
			outcome = FC_WARM_SILENT;
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return outcome;
}

/* Ask for every version in use. */
static FcWarmOutcome
fc_warm_ask(int *missing)
{
	FcWarmOutcome outcome = FC_WARM_ASKED;
	FcKeyId    *ids;
	int			nids;
	int			i;

	if (!fc_keyring_usable())
		return FC_WARM_NO_EXTENSION;
	nids = fc_keyring_ids(NULL, &ids);
	for (i = 0; i < nids; i++)
	{
		const FcKey *key = fc_keyring_by_id(&ids[i]);
		const FcKeyVersion *version;
		int			v;

		CHECK_FOR_INTERRUPTS();
		for (v = 0; (version = fc_keyring_nth_in_use(key, v)) != NULL; v++)
		{
			FcWant		want = fc_keycache_want(&version->source);

			if (want == FC_WANT_HELD)
				fc_keycache_supersede(&version->source.id);
			else
				(*missing)++;
			if (want == FC_WANT_NO_ROOM)
				outcome = FC_WARM_NO_ROOM;
		}
	}
	return outcome;
}
