/*-------------------------------------------------------------------------
 *
 * fc_walk_usage.c
 *		Which versions of which keys the values of a column, or of the whole
 *		database, are under.
 *
 * Counted exactly, from the first bytes of every visible value.  No key is
 * needed; whoever may not read a table may not count in it either.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "pg/fc_compat.h"
#include "pg/fc_keyring.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_valueio.h"
#include "sqlapi/fc_walk.h"

PG_FUNCTION_INFO_V1(fc_column_key_usage);
PG_FUNCTION_INFO_V1(fc_key_usage);

typedef struct Tally
{
	List	   *entries;
	MemoryContext context;
	FcTallyEntry *last;			/* the next value is nearly always like the last */
} Tally;

static bool
count_value(Datum *value, void *arg)
{
	Tally	   *tally = arg;
	MemoryContext old;
	FcHeader	header;
	ListCell   *cell;

	if (!fc_datum_header(*value, &header))
		memset(&header, 0, sizeof(header));
	if (tally->last == NULL || tally->last->version != header.version ||
		!fc_key_id_equal(&tally->last->key_id, &header.key_id))
	{
		tally->last = NULL;
		foreach(cell, tally->entries)
		{
			FcTallyEntry *entry = lfirst(cell);

			if (entry->version == header.version && fc_key_id_equal(&entry->key_id, &header.key_id))
				tally->last = entry;
		}
	}
	if (tally->last == NULL)
	{
		old = MemoryContextSwitchTo(tally->context);
		tally->last = palloc0(sizeof(FcTallyEntry));
		tally->last->key_id = header.key_id;
		tally->last->version = header.version;
		tally->entries = lappend(tally->entries, tally->last);
		MemoryContextSwitchTo(old);
	}
	tally->last->values++;
	return false;
}

void
fc_walk_scan(const FcWalkColumn *column, FcVisitor visitor, void *arg)
{
	Relation	rel = fc_walk_open(column, AccessShareLock);
	MemoryContext per_row;
	MemoryContext old;
	TableScanDesc scan;
	TupleTableSlot *slot;

	if (rel == NULL)
		return;
	per_row = AllocSetContextCreate(CurrentMemoryContext, "fieldcrypt walk", ALLOCSET_DEFAULT_SIZES);
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Datum		datum = slot_getattr(slot, column->attnum, &isnull);

		CHECK_FOR_INTERRUPTS();
		if (isnull)
			continue;
		old = MemoryContextSwitchTo(per_row);
		(void) fc_walk_visit(column, &datum, visitor, arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(per_row);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(per_row);
	table_close(rel, AccessShareLock);
}

List *
fc_walk_tally(const FcWalkColumn *column)
{
	Tally		tally = {NIL, CurrentMemoryContext, NULL};

	fc_walk_scan(column, count_value, &tally);
	return tally.entries;
}

/* 42501 unless the current user may see every row of the column. */
static void
check_readable(Oid relation, AttrNumber attnum)
{
	Oid			user = GetUserId();
	char	   *relname = get_rel_name(relation);

	if (relname == NULL)
		return;
	if (!fc_ownercheck(RelationRelationId, relation, user) &&
		pg_class_aclcheck(relation, user, ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck(relation, attnum, user, ACL_SELECT) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table %s", relname),
				 errhint("Counting its values needs SELECT on the column.")));
	if (check_enable_rls(relation, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("values of table %s cannot be counted because of its row-level security", relname),
				 errhint("The table's owner can count them, and roles with BYPASSRLS.")));
}

/* The name of a key for a row of the result; null where the keyring has none. */
static Datum
key_name_datum(const FcTallyEntry *entry, bool *isnull)
{
	const FcKey *key = entry->version > 0 ? fc_keyring_by_id(&entry->key_id) : NULL;

	*isnull = key == NULL;
	return key == NULL ? (Datum) 0 : CStringGetTextDatum(key->name);
}

/*
 * fc_column_key_usage
 *		A relation's partitions and children come as rows of their own.  Bytes
 *		that are no value at all have no key and no version.
 */
Datum
fc_column_key_usage(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			relation = PG_GETARG_OID(0);
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	List	   *columns = fc_walk_columns(relation, name);
	ListCell   *c;
	ListCell   *e;

	check_readable(relation, get_attnum(relation, name));
	InitMaterializedSRF(fcinfo, 0);
	foreach(c, columns)
	{
		const FcWalkColumn *column = lfirst(c);

		foreach(e, fc_walk_tally(column))
		{
			const FcTallyEntry *entry = lfirst(e);
			Datum		values[5];
			bool		nulls[5] = {false, false, false, false, false};

			values[0] = ObjectIdGetDatum(column->relation);
			values[1] = CStringGetTextDatum(column->name);
			values[2] = key_name_datum(entry, &nulls[2]);
			values[3] = Int32GetDatum(entry->version);
			nulls[3] = entry->version == 0;
			values[4] = Int64GetDatum(entry->values);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}

/* Of several identities with one name, all count. */
static bool
is_of_key(const FcTallyEntry *entry, const FcKeyId *ids, int count)
{
	int			i;

	for (i = 0; i < count && entry->version > 0; i++)
	{
		if (fc_key_id_equal(&ids[i], &entry->key_id))
			return true;
	}
	return false;
}

Datum
fc_key_usage(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	uint32		prefix = fc_key_id_prefix(&fc_admin_key(name)->key_id);
	FcKeyId    *ids;
	int			count = fc_keyring_ids(name, &ids);
	List	   *columns = fc_walk_all_columns(prefix);
	ListCell   *c;
	ListCell   *e;

	foreach(c, columns)
	{
		const FcWalkColumn *column = lfirst(c);

		if (!fc_walk_is_foreign_temp(column))
			check_readable(column->relation, column->attnum);
	}
	InitMaterializedSRF(fcinfo, 0);
	foreach(c, columns)
	{
		const FcWalkColumn *column = lfirst(c);

		foreach(e, fc_walk_tally(column))
		{
			const FcTallyEntry *entry = lfirst(e);
			Datum		values[4];
			bool		nulls[4] = {false, false, false, false};

			if (!is_of_key(entry, ids, count))
				continue;
			values[0] = ObjectIdGetDatum(column->relation);
			values[1] = CStringGetTextDatum(column->name);
			values[2] = Int32GetDatum(entry->version);
			values[3] = Int64GetDatum(entry->values);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}
