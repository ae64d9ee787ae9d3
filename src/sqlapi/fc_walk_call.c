/*-------------------------------------------------------------------------
 *
 * fc_walk_call.c
 *		The procedures that walk: rewrap_column, rewrap_key, reencrypt_column,
 *		reencrypt_key.
 *
 * They end transactions, so they run as their caller and not inside a
 * transaction block.  The caller owns the tables.  Rewrapping shows nothing
 * and needs no privilege on the key; re-encrypting needs decrypt.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pg/fc_compat.h"
#include "pg/fc_progress.h"
#include "pg/fc_report.h"
#include "pg/fc_shmem.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_walk.h"

PG_FUNCTION_INFO_V1(fc_rewrap_column);
PG_FUNCTION_INFO_V1(fc_rewrap_key);
PG_FUNCTION_INFO_V1(fc_reencrypt_column);
PG_FUNCTION_INFO_V1(fc_reencrypt_key);

#define WALK_BATCH_ROWS_MAX 1000000

/* As the procedures' default. */
#define WALK_BATCH_ROWS 1000

void
fc_walk_check_owner(const FcWalkColumn *column, const char *command)
{
	if (fc_ownercheck(RelationRelationId, column->relation, GetUserId()))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of the table that holds %s", fc_walk_label(column)),
			 errhint("%s rewrites rows of tables that its caller owns.", command)));
}

static int64
interval_ms(FunctionCallInfo fcinfo, int n, const char *name)
{
	Interval   *interval = PG_GETARG_INTERVAL_P(n);
	int64		days = (int64) interval->month * DAYS_PER_MONTH + interval->day;
	int64		ms = interval->time / 1000 + days * SECS_PER_DAY * 1000;

	if (ms < 0 || ms > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is out of range", name),
				 errhint("Use an interval between 0 and 24 days.")));
	return ms;
}

void
fc_walk_pace(FunctionCallInfo fcinfo, int n, const char *command, FcWalk *walk)
{
	memset(walk, 0, sizeof(*walk));
	walk->command = command;
	walk->batch_rows = fc_arg_int(fcinfo, n, "batch_rows");
	if (walk->batch_rows < 1 || walk->batch_rows > WALK_BATCH_ROWS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is out of range", "batch_rows"),
				 errhint("Use a number from 1 to %d.", WALK_BATCH_ROWS_MAX)));
	walk->pause_ms = PG_ARGISNULL(n + 1) ? FC_WALK_REST : interval_ms(fcinfo, n + 1, "pause");
	if (!PG_ARGISNULL(n + 2))
		walk->deadline = GetCurrentTimestamp() + interval_ms(fcinfo, n + 2, "max_duration") * 1000;
}

bool
fc_walk_is_atomic(FunctionCallInfo fcinfo)
{
	return fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic;
}

void
fc_walk_check_call(FunctionCallInfo fcinfo, const char *command)
{
	PreventCommandIfReadOnly(command);
	if (!fc_shmem_ready())
		fc_report_not_preloaded();
	if (fc_walk_is_atomic(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run inside a transaction block", command),
				 errdetail("It commits after every batch."),
				 errhint("Call it on its own, or with dry_run => true.")));
}

void
fc_walk_options(FunctionCallInfo fcinfo, int n, const char *command, FcWalk *walk)
{
	fc_walk_pace(fcinfo, n, command, walk);
	walk->task = &fc_move_task;
	walk->dry_run = fc_arg_bool(fcinfo, n + 3, "dry_run");
	if (!walk->dry_run)
		fc_walk_check_call(fcinfo, command);
}

void
fc_walk_check_owners(const FcWalk *walk, List *columns)
{
	ListCell   *cell;

	foreach(cell, columns)
	{
		if (!fc_walk_is_foreign_temp(lfirst(cell)))
			fc_walk_check_owner(lfirst(cell), walk->command);
	}
}

void
fc_walk_all(FcWalk *walk, List *columns)
{
	ListCell   *cell;

	fc_walk_check_owners(walk, columns);
	PG_TRY();
	{
		foreach(cell, columns)
		{
			if (!walk->stopped && !fc_walk_is_foreign_temp(lfirst(cell)))
				fc_walk_column(walk, lfirst(cell));
		}
	}
	PG_FINALLY();
	{
		fc_progress_end();
	}
	PG_END_TRY();
}

void
fc_walk_connect(const FcWalk *walk)
{
	/* what is allocated from here on survives the commits */
	if (SPI_connect_ext(walk->dry_run ? 0 : SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
}

static Datum
walk_column(FunctionCallInfo fcinfo, const char *command, bool fresh)
{
	char	   *column = fc_arg_text(fcinfo, 1, "column");
	FcWalk		walk;

	if (PG_ARGISNULL(0))
		(void) fc_arg_text(fcinfo, 0, "relation");
	fc_walk_options(fcinfo, 2, command, &walk);
	walk.mover.fresh = fresh;
	fc_walk_connect(&walk);
	fc_walk_all(&walk, fc_walk_columns(PG_GETARG_OID(0), column));
	SPI_finish();
	return (Datum) 0;
}

/* Walk every column of the database that has the key. */
static void
walk_values(FcWalk *walk, const char *name)
{
	const FcKey *key;
	FcKeyId    *ids;

	fc_walk_connect(walk);
	key = fc_admin_key(name);
	if (key->destroyed)
		fc_report_key_state(name, 0, "destroyed", "Its values cannot be opened any more; key_usage() counts them.");
	walk->mover.nonly = fc_keyring_ids(name, &ids);
	walk->mover.only = ids;
	fc_walk_all(walk, fc_walk_all_columns(fc_key_id_prefix(&ids[0])));
	SPI_finish();
}

static Datum
walk_key(FunctionCallInfo fcinfo, const char *command, bool fresh)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	FcWalk		walk;

	fc_walk_options(fcinfo, 1, command, &walk);
	walk.mover.fresh = fresh;
	walk_values(&walk, name);
	return (Datum) 0;
}

bool
fc_walk_rewrap_key(const char *key, TimestampTz deadline, bool *worked)
{
	FcWalk		walk;

	memset(&walk, 0, sizeof(walk));
	walk.command = "rewrap_key";
	walk.task = &fc_move_task;
	walk.batch_rows = WALK_BATCH_ROWS;
	walk.pause_ms = FC_WALK_REST;
	walk.deadline = deadline;
	walk_values(&walk, key);
	*worked = walk.worked;
	return !walk.stopped;
}

Datum
fc_rewrap_column(PG_FUNCTION_ARGS)
{
	return walk_column(fcinfo, "rewrap_column", false);
}

Datum
fc_rewrap_key(PG_FUNCTION_ARGS)
{
	return walk_key(fcinfo, "rewrap_key", false);
}

Datum
fc_reencrypt_column(PG_FUNCTION_ARGS)
{
	return walk_column(fcinfo, "reencrypt_column", true);
}

Datum
fc_reencrypt_key(PG_FUNCTION_ARGS)
{
	return walk_key(fcinfo, "reencrypt_key", true);
}
