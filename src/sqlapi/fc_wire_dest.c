/*-------------------------------------------------------------------------
 *
 * fc_wire_dest.c
 *		Rows that do not go to the client directly.
 *
 * A column that clients are told is text (fc_wire.c) may stand in the rows of
 * a running query as the encrypted value itself, in the domain wire_value.
 * The client gets such rows through the domain's output functions.  Everybody
 * else would take the bytes for text: PL/pgSQL fetches from cursors of the
 * client, also from those of the protocol, and runs its EXECUTE; and what is
 * collected before it is sent (RETURNING, FETCH, EXECUTE, cursors WITH HOLD)
 * can be fetched by PL/pgSQL, too.  So wherever else rows go, they pass a
 * receiver that makes armour of the values, as to_wire() does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "executor/tuptable.h"
#include "tcop/dest.h"
#include "utils/memutils.h"

#include "sqlapi/fc_valueio.h"
#include "sqlapi/fc_wire.h"

/* In the query's memory, for one run. */
typedef struct ArmourReceiver
{
	DestReceiver pub;			/* MUST BE FIRST */
	DestReceiver *target;
	Oid			type;			/* wire_value */
	TupleTableSlot *slot;
	MemoryContext row_context;
} ArmourReceiver;

/*---- Function declarations ----*/

static bool takes_values(CommandDest dest);
static bool has_values(TupleDesc columns);
static void receiver_startup(DestReceiver *self, int operation, TupleDesc columns);
static bool receiver_row(TupleTableSlot *slot, DestReceiver *self);
static void receiver_shutdown(DestReceiver *self);
static void receiver_destroy(DestReceiver *self);

DestReceiver *
fc_wire_receiver(const QueryDesc *queryDesc)
{
	ArmourReceiver *receiver;

	if (takes_values(queryDesc->dest->mydest) || !has_values(queryDesc->tupDesc))
		return queryDesc->dest;

	receiver = MemoryContextAllocZero(queryDesc->estate->es_query_cxt, sizeof(*receiver));
	receiver->pub.receiveSlot = receiver_row;
	receiver->pub.rStartup = receiver_startup;
	receiver->pub.rShutdown = receiver_shutdown;
	receiver->pub.rDestroy = receiver_destroy;
	receiver->pub.mydest = queryDesc->dest->mydest;
	receiver->target = queryDesc->dest;
	receiver->type = fc_wire_oids()->value;
	return &receiver->pub;
}

/*
 * The client, by the output functions; the leader of a parallel worker, which
 * may yet sort by the column; nobody.
 */
static bool
takes_values(CommandDest dest)
{
	return dest == DestRemote || dest == DestRemoteExecute || dest == DestTupleQueue ||
		dest == DestNone;
}

static bool
has_values(TupleDesc columns)
{
	const FcWireOids *oids;

	for (int i = 0; columns != NULL && i < columns->natts; i++)
	{
		Oid			type = TupleDescAttr(columns, i)->atttypid;

		if (type >= FirstNormalObjectId && (oids = fc_wire_oids()) != NULL &&
			type == oids->value)
			return true;
	}
	return false;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc columns)
{
	ArmourReceiver *receiver = (ArmourReceiver *) self;

	receiver->slot = MakeSingleTupleTableSlot(columns, &TTSOpsVirtual);
	receiver->row_context = AllocSetContextCreate(CurrentMemoryContext, "fieldcrypt row for the wire",
												  ALLOCSET_SMALL_SIZES);
	receiver->target->rStartup(receiver->target, operation, columns);
}

static bool
receiver_row(TupleTableSlot *slot, DestReceiver *self)
{
	ArmourReceiver *receiver = (ArmourReceiver *) self;
	TupleTableSlot *out = receiver->slot;
	TupleDesc	columns = out->tts_tupleDescriptor;
	MemoryContext previous;

	slot_getallattrs(slot);
	ExecClearTuple(out);
	MemoryContextReset(receiver->row_context);
	previous = MemoryContextSwitchTo(receiver->row_context);
	for (int i = 0; i < columns->natts; i++)
	{
		out->tts_isnull[i] = slot->tts_isnull[i];
		out->tts_values[i] = slot->tts_values[i];
		if (!out->tts_isnull[i] && TupleDescAttr(columns, i)->atttypid == receiver->type)
			out->tts_values[i] = fc_wire_armour(slot->tts_values[i]);
	}
	MemoryContextSwitchTo(previous);
	ExecStoreVirtualTuple(out);
	return receiver->target->receiveSlot(out, receiver->target);
}

static void
receiver_shutdown(DestReceiver *self)
{
	ArmourReceiver *receiver = (ArmourReceiver *) self;

	receiver->target->rShutdown(receiver->target);
	ExecDropSingleTupleTableSlot(receiver->slot);
	MemoryContextDelete(receiver->row_context);
}

static void
receiver_destroy(DestReceiver *self)
{
	/* never called: whoever owns the query owns only its own receiver */
}
