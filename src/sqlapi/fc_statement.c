/*-------------------------------------------------------------------------
 *
 * fc_statement.c
 *		Where statements begin and end.
 *
 * Nothing secret outlives a statement: when the outermost utility command or
 * executor run is over, and when a transaction ends, the crypto contexts and
 * the random pool are wiped and the broker forgets the keys it remembered.
 * Both are cheap where nothing was used.
 *
 * Hooks of other libraries that print at ExecutorEnd (auto_explain) run
 * inside ours if fieldcrypt stands last in shared_preload_libraries; while
 * they do, literals print as '***'.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"

#include "crypto/fc_crypto.h"
#include "pg/fc_broker.h"
#include "pg/fc_compat.h"
#include "pg/fc_guc.h"
#include "pg/fc_keyring.h"
#include "sqlapi/fc_hooks.h"
#include "sqlapi/fc_sqlapi.h"
#include "sqlapi/fc_wire.h"

/*---- Local variables ----*/

static ExecutorRun_hook_type prev_ExecutorRun = NULL;
static ExecutorFinish_hook_type prev_ExecutorFinish = NULL;
static ExecutorEnd_hook_type prev_ExecutorEnd = NULL;

static int	statement_depth = 0;
static bool literals_hidden = false;

/*---- Function declarations ----*/

static void statement_run(FC_EXECUTOR_RUN_PARAMS);
static void statement_finish(QueryDesc *queryDesc);
static void statement_end(QueryDesc *queryDesc);
static void statement_forget(void);
static bool must_run_serially(void);
static void mark_parallel(const QueryDesc *queryDesc);
static void statement_xact(XactEvent event, void *arg);
static void statement_subxact(SubXactEvent event, SubTransactionId mySubid,
							  SubTransactionId parentSubid, void *arg);

void
fc_statement_init(void)
{
	prev_ExecutorRun = ExecutorRun_hook;
	ExecutorRun_hook = statement_run;
	prev_ExecutorFinish = ExecutorFinish_hook;
	ExecutorFinish_hook = statement_finish;
	prev_ExecutorEnd = ExecutorEnd_hook;
	ExecutorEnd_hook = statement_end;

	RegisterXactCallback(statement_xact, NULL);
	RegisterSubXactCallback(statement_subxact, NULL);
}

bool
fc_literals_hidden(void)
{
	return literals_hidden;
}

int
fc_statement_depth(void)
{
	return statement_depth;
}

void
fc_statement_enter(void)
{
	statement_depth++;
}

void
fc_statement_leave(void)
{
	if (--statement_depth == 0)
		statement_forget();
}

static void
statement_run(FC_EXECUTOR_RUN_PARAMS)
{
	DestReceiver *dest = queryDesc->dest;

	if (queryDesc->plannedstmt->parallelModeNeeded && OidIsValid(fc_type_oid()))
	{
		if (must_run_serially())
			FC_EXECUTOR_RUN_SERIAL();
		else
			mark_parallel(queryDesc);
	}

	queryDesc->dest = fc_wire_receiver(queryDesc);
	fc_statement_enter();
	PG_TRY();
	{
		if (prev_ExecutorRun)
			prev_ExecutorRun(FC_EXECUTOR_RUN_ARGS);
		else
			standard_ExecutorRun(FC_EXECUTOR_RUN_ARGS);
	}
	PG_FINALLY();
	{
		/* a cursor runs many times */
		if (queryDesc->dest != dest)
			pfree(queryDesc->dest);
		queryDesc->dest = dest;
		fc_statement_leave();
	}
	PG_END_TRY();
}

/* AFTER triggers run here. */
static void
statement_finish(QueryDesc *queryDesc)
{
	fc_statement_enter();
	PG_TRY();
	{
		if (prev_ExecutorFinish)
			prev_ExecutorFinish(queryDesc);
		else
			standard_ExecutorFinish(queryDesc);
	}
	PG_FINALLY();
	{
		fc_statement_leave();
	}
	PG_END_TRY();
}

static void
statement_end(QueryDesc *queryDesc)
{
	bool		outer = literals_hidden;

	if (prev_ExecutorEnd == NULL)
		standard_ExecutorEnd(queryDesc);
	else
	{
		literals_hidden = true;
		PG_TRY();
		{
			prev_ExecutorEnd(queryDesc);
		}
		PG_FINALLY();
		{
			literals_hidden = outer;
		}
		PG_END_TRY();
	}

	if (statement_depth == 0)
		statement_forget();
}

/* Neither of these throws. */
static void
statement_forget(void)
{
	fc_crypto_statement_end();
	fc_broker_forget();
}

/*
 * Parallel workers do not know that their leader is in a trigger, and would
 * give out plaintext to to_jsonb() and the like.
 */
static bool
must_run_serially(void)
{
	return fc_guc_trigger_output != FC_OUTPUT_PLAINTEXT && fc_trigger_depth() > 0;
}

/*
 * The leader logs a worker's error with the text of the statement, and does
 * not know what the worker touched.
 */
static void
mark_parallel(const QueryDesc *queryDesc)
{
	ListCell   *cell;

	foreach(cell, queryDesc->plannedstmt->relationOids)
	{
		if (fc_relation_contains(lfirst_oid(cell)))
			fc_mark_touched();
	}
}

/*
 * An error has been logged by the time its transaction is aborted.  The
 * nesting depth is not reset: a procedure may end transactions within.
 */
static void
statement_xact(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
			statement_forget();
			fc_copy_reset();
			break;
		default:
			break;
	}
}

static void
statement_subxact(SubXactEvent event, SubTransactionId mySubid,
				  SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		fc_copy_subxact_abort();
}
