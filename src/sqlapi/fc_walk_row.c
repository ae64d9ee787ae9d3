/*-------------------------------------------------------------------------
 *
 * fc_walk_row.c
 *		Writing a row of which one column was changed by a walk.
 *
 * The row keeps its meaning: the text and every other column; or a column is
 * filled or emptied that nobody uses yet or any more.  So it is written below the executor, as logical replication writes rows: no trigger
 * fires, no policy is asked and no constraint is checked again.  Generated
 * columns are computed again only where tags change, which is all of a value
 * that they can show.  The table's indexes get the new row where it could not
 * stay beside the old one.  Expressions and predicates are a user's code: they
 * run as the table's owner in a restricted operation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_relation.h"
#include "sqlapi/fc_walk.h"

struct FcRowWriter
{
	Relation	rel;
	const FcWalkColumn *column;
	bool		generates;		/* generated columns may change */
	EState	   *estate;
	ResultRelInfo *info;
	TupleTableSlot *old;
	TupleTableSlot *new;
};

FcRowWriter *
fc_row_writer_open(Relation rel, const FcWalkColumn *column, bool retags)
{
	FcRowWriter *writer = palloc0(sizeof(FcRowWriter));

	/* a subscriber must be able to find the row */
	CheckCmdReplicaIdentity(rel, CMD_UPDATE);
	writer->rel = rel;
	writer->column = column;
	writer->generates = retags && RelationGetDescr(rel)->constr != NULL &&
		RelationGetDescr(rel)->constr->has_generated_stored;
	writer->estate = CreateExecutorState();
	writer->info = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->info, rel, 0, NULL, 0);
	writer->info->ri_TrigDesc = NULL;
	ExecOpenIndices(writer->info, false);
	writer->old = table_slot_create(rel, NULL);
	writer->new = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	return writer;
}

void
fc_row_writer_close(FcRowWriter *writer)
{
	ExecDropSingleTupleTableSlot(writer->new);
	ExecDropSingleTupleTableSlot(writer->old);
	ExecCloseIndices(writer->info);
	FreeExecutorState(writer->estate);
	pfree(writer);
}

/* Expressions are a user's code. */
static void
become_owner(FcRowWriter *writer, FcRunAs *invoker)
{
	fc_run_as(writer->rel->rd_rel->relowner, SECURITY_RESTRICTED_OPERATION, invoker);
}

static void
compute_generated(FcRowWriter *writer)
{
	FcRunAs		invoker;

	become_owner(writer, &invoker);
	/* all of them, as for a new row: the executor knows no list of changed columns */
	ExecComputeStoredGenerated(writer->info, writer->estate, writer->new, CMD_INSERT);
	fc_run_as_end(&invoker);
}

static void
enter_indexes(FcRowWriter *writer, FcUpdateIndexes update)
{
	FcRunAs		invoker;

	become_owner(writer, &invoker);
	(void) fc_insert_index_tuples(writer->info, writer->new, writer->estate, update);
	fc_run_as_end(&invoker);
}

static TM_Result
lock_row(FcRowWriter *writer, ItemPointer tid, bool wait)
{
	TM_FailureData failure;

	return table_tuple_lock(writer->rel, tid, GetActiveSnapshot(), writer->old,
							GetCurrentCommandId(true), LockTupleNoKeyExclusive,
							wait ? LockWaitBlock : LockWaitSkip,
							TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
}

static void
store_row(FcRowWriter *writer, Datum datum, bool isnull)
{
	TupleTableSlot *new = writer->new;
	TM_FailureData failure;
	LockTupleMode mode;
	FcUpdateIndexes update;
	ItemPointerData tid = writer->old->tts_tid;
	int			natts = RelationGetNumberOfAttributes(writer->rel);
	TM_Result	result;

	slot_getallattrs(writer->old);
	ExecClearTuple(new);
	memcpy(new->tts_values, writer->old->tts_values, natts * sizeof(Datum));
	memcpy(new->tts_isnull, writer->old->tts_isnull, natts * sizeof(bool));
	new->tts_values[writer->column->attnum - 1] = datum;
	new->tts_isnull[writer->column->attnum - 1] = isnull;
	ExecStoreVirtualTuple(new);
	new->tts_tableOid = RelationGetRelid(writer->rel);
	if (writer->generates)
		compute_generated(writer);

	result = table_tuple_update(writer->rel, &tid, new, GetCurrentCommandId(true),
								GetActiveSnapshot(), InvalidSnapshot, true,
								&failure, &mode, &update);
	if (result != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not write a row of \"%s\" because of a concurrent update",
						RelationGetRelationName(writer->rel)),
				 errhint("Call the procedure again: it goes on where it stopped.")));
	if (writer->info->ri_NumIndices > 0 && FC_INDEXES_CHANGE(update))
		enter_indexes(writer, update);
}

FcRowResult
fc_row_write(FcRowWriter *writer, ItemPointer tid, bool wait, FcWalk *walk, int *failed)
{
	MemoryContext old;
	FcRowResult row = FC_ROW_UNCHANGED;
	Datum		datum;
	bool		isnull;

	switch (lock_row(writer, tid, wait))
	{
		case TM_Ok:
			break;
		case TM_WouldBlock:
			return FC_ROW_LOCKED;
		default:
			return FC_ROW_GONE;
	}
	/* what was locked may be newer than what the scan saw */
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->estate));
	if (walk->task->change(walk, writer->column, writer->old, &datum, &isnull, failed))
	{
		store_row(writer, datum, isnull);
		row = FC_ROW_WRITTEN;
	}
	MemoryContextSwitchTo(old);
	ExecClearTuple(writer->new);
	ResetPerTupleExprContext(writer->estate);
	return row;
}
