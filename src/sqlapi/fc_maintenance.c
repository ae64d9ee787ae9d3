/*-------------------------------------------------------------------------
 *
 * fc_maintenance.c
 *		What the maintenance worker of a database does: rotate keys that are
 *		due and were set to rotate by themselves, move their values to the new
 *		version in the hours set for that, and tell of other overdue keys.
 *
 * Every key is looked after by itself: an error is logged, and the key's turn
 * comes again with the next round.  Which version all values were moved to is
 * remembered in the key's row, so that a table without work is not read every
 * hour.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/fc_maintain.h"
#include "pg/fc_report.h"
#include "pg/fc_shmem.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_walk.h"

PG_FUNCTION_INFO_V1(fc_run_maintenance);

extern PGDLLEXPORT void fc_maintenance_main(Datum arg);

/*
 * One worker per database.  A lock of the kind that survives transactions and
 * their errors; users' advisory locks have 1 or 2 in the last field.
 */
#define MAINTENANCE_LOCK_CLASS 3

#define MINUTES_PER_DAY (HOURS_PER_DAY * MINS_PER_HOUR)
#define WINDOW_MINUTES_MIN 60

typedef struct DueKey
{
	char		name[FC_KEY_NAME_MAX];
	bool		automatic;
	bool		overdue;
	char	   *due_at;
	int			version;		/* that is active */
	bool		rewrapped;		/* every value is under it, as far as we know */
	char	   *window;			/* or NULL: any time */
} DueKey;

static char *database_name = NULL;

/* ---- windows ---- */

static int
minutes_of(const char *text)
{
	int			hours;
	int			minutes;

	if (strspn(text, "0123456789") != 2 || text[2] != ':' || strspn(text + 3, "0123456789") != 2)
		return -1;
	hours = atoi(text);
	minutes = atoi(text + 3);
	return hours < 24 && minutes < 60 ? hours * 60 + minutes : -1;
}

/* HH:MM-HH:MM; it may reach past midnight.  A shorter one might be missed. */
static bool
parse_window(const char *window, int *from, int *to)
{
	if (strlen(window) != 11 || window[5] != '-')
		return false;
	*from = minutes_of(window);
	*to = minutes_of(window + 6);
	return *from >= 0 && *to >= 0 &&
		(*to - *from + MINUTES_PER_DAY) % MINUTES_PER_DAY >= WINDOW_MINUTES_MIN;
}

void
fc_window_check(const char *window)
{
	int			from;
	int			to;

	if (!parse_window(window, &from, &to))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for \"%s\": \"%s\"", "daily_window", window),
				 errhint("Use two times of the day, at least an hour apart, as in '01:00-05:00' or '22:30-04:00'; they are in the server's TimeZone.")));
}

/* Seconds that are left of the window now; 0 outside it, -1 where there is none. */
static int64
window_left(const char *window)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;
	int			from;
	int			to;
	int			now;
	int			left;

	if (window == NULL)
		return -1;
	if (!parse_window(window, &from, &to) ||
		timestamp2tm(GetCurrentTimestamp(), &tz, &tm, &fsec, NULL, NULL) != 0)
		return 0;
	from *= 60;
	to *= 60;
	now = (tm.tm_hour * 60 + tm.tm_min) * 60 + tm.tm_sec;
	left = (to - now + SECS_PER_DAY) % SECS_PER_DAY;
	return left <= (to - from + SECS_PER_DAY) % SECS_PER_DAY ? left : 0;
}

/* ---- the keys ---- */

static char *
column(int row, int number)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number);
}

/* Keys with a cryptoperiod, in TopMemoryContext. */
static List *
list_keys(void)
{
	List	   *keys = NIL;
	int			i;

	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute("SELECT k.name, k.rotate_auto,"
					" v.activated_at OPERATOR(pg_catalog.+) k.rotate_every OPERATOR(pg_catalog.<=) pg_catalog.now(),"
					" v.activated_at OPERATOR(pg_catalog.+) k.rotate_every, v.version,"
					" k.rewrapped_to, k.rotate_window"
					" FROM fieldcrypt.keys k, fieldcrypt.key_versions v"
					" WHERE v.key_id OPERATOR(pg_catalog.=) k.key_id"
					" AND v.purpose OPERATOR(pg_catalog.=) 1 AND v.state OPERATOR(pg_catalog.=) 'active'"
					" AND k.state OPERATOR(pg_catalog.=) 'active' AND k.writes AND k.locked_at IS NULL"
					" AND k.rotate_every IS NOT NULL ORDER BY k.name", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the key tables");
	for (i = 0; i < (int) SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		DueKey	   *key = palloc0(sizeof(DueKey));
		char	   *overdue = column(i, 3);
		char	   *rewrapped_to = column(i, 6);

		strlcpy(key->name, column(i, 1), sizeof(key->name));
		key->automatic = column(i, 2)[0] == 't';
		key->overdue = overdue != NULL && overdue[0] == 't';
		key->due_at = column(i, 4);
		key->version = atoi(column(i, 5));
		key->rewrapped = key->version == 1 ||
			(rewrapped_to != NULL && atoi(rewrapped_to) == key->version);
		key->window = column(i, 7);
		keys = lappend(keys, key);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	PopActiveSnapshot();
	return keys;
}

static void
rotate(DueKey *key)
{
	LOCAL_FCINFO(fcinfo, 2);
	const FcKeyVersion *active;

	InitFunctionCallInfoData(*fcinfo, NULL, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = CStringGetTextDatum(key->name);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = BoolGetDatum(true);
	fcinfo->args[1].isnull = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) fc_rotate_key(fcinfo);
	PopActiveSnapshot();
	active = fc_keyring_active(fc_admin_key(key->name), FC_PURPOSE_WRAP);
	key->version = active->source.id.context.version;
	key->rewrapped = false;
	ereport(LOG,
			(errmsg("fieldcrypt rotated key \"%s\" of database \"%s\" to version %d",
					key->name, database_name, key->version)));
}

/*
 * The key counts as rewrapped when a walk has found nothing to do.  One that
 * had something may have missed what others were about to commit.
 */
static void
rewrap(DueKey *key)
{
	int64		seconds = window_left(key->window);
	bool		worked;

	if (seconds == 0)
		return;
	if (!fc_walk_rewrap_key(key->name,
							seconds < 0 ? 0 : GetCurrentTimestamp() + seconds * USECS_PER_SEC,
							&worked))
		ereport(LOG,
				(errmsg("fieldcrypt goes on rewrapping values of key \"%s\" of database \"%s\" in the next window",
						key->name, database_name)));
	else if (worked)
		ereport(LOG,
				(errmsg("fieldcrypt rewrapped the values of key \"%s\" of database \"%s\" under version %d",
						key->name, database_name, key->version)));
	else
		key->rewrapped = true;
}

/* Spares the next rounds the walk. */
static void
remember(DueKey *key)
{
	Oid			types[2] = {TEXTOID, INT4OID};
	Datum		values[2];

	values[0] = CStringGetTextDatum(key->name);
	values[1] = Int32GetDatum(key->version);
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) fc_admin_execute("UPDATE fieldcrypt.keys SET rewrapped_to = $2"
							" WHERE name OPERATOR(pg_catalog.=) $1",
							2, types, values, NULL);
	PopActiveSnapshot();
}

/*
 * Run one step in a transaction of its own.  An error of one key is no
 * reason to leave the others alone.
 */
static bool
attempt(DueKey *key, void (*step) (DueKey *key), const char *what)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "fieldcrypt maintenance",
												  ALLOCSET_DEFAULT_SIZES);
	volatile bool done = false;

	/* what survives the commits of a walk */
	PortalContext = context;
	PG_TRY();
	{
		StartTransactionCommand();
		MemoryContextSwitchTo(context);
		step(key);
		CommitTransactionCommand();
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("fieldcrypt could not %s key \"%s\" of database \"%s\": %s",
						what, key->name, database_name, error->message),
				 error->detail ? errdetail_internal("%s", error->detail) : 0,
				 errhint("It is tried again in about an hour.")));
	}
	PG_END_TRY();
	PortalContext = NULL;
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextDelete(context);
	return done;
}

static void
look_after(DueKey *key)
{
	bool		rotated = false;

	CHECK_FOR_INTERRUPTS();
	if (key->automatic && key->overdue)
		rotated = attempt(key, rotate, "rotate");
	if (key->overdue && !rotated && fc_maintain_warns())
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("key \"%s\" of database \"%s\" is overdue for rotation", key->name, database_name),
				 errdetail("It was due at %s.", key->due_at),
				 errhint("Use CALL fieldcrypt.rotate_key(%s); the view fieldcrypt.keys_due lists what is due.",
						 quote_literal_cstr(key->name))));
	if (key->automatic && !key->rewrapped &&
		attempt(key, rewrap, "rewrap the values of") && key->rewrapped)
		(void) attempt(key, remember, "remember that all is rewrapped of");
}

void
fc_maintenance_main(Datum arg)
{
	List	   *keys = NIL;
	ListCell   *cell;
	LOCKTAG		tag;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, MAINTENANCE_LOCK_CLASS);
	StartTransactionCommand();
	if (fc_shmem_ready() && fc_keyring_usable() &&
		LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL)
	{
		database_name = MemoryContextStrdup(TopMemoryContext, get_database_name(MyDatabaseId));
		keys = list_keys();
	}
	CommitTransactionCommand();

	fc_maintain_begin(database_name);
	pgstat_report_activity(STATE_RUNNING, "fieldcrypt maintenance");
	foreach(cell, keys)
		look_after(lfirst(cell));
	proc_exit(0);
}

/*
 * fc_run_maintenance
 *		Does not wait: the worker wants locks that the caller may hold.
 */
Datum
fc_run_maintenance(PG_FUNCTION_ARGS)
{
	BackgroundWorkerHandle *handle;
	pid_t		pid = 0;

	PreventCommandDuringRecovery("run_maintenance()");
	if (!fc_shmem_ready())
		fc_report_not_preloaded();
	handle = fc_maintain_start(MyDatabaseId, false);
	if (handle == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no free background worker slot"),
				 errhint("Increase max_worker_processes.")));
	(void) WaitForBackgroundWorkerStartup(handle, &pid);
	PG_RETURN_INT32(pid);
}
