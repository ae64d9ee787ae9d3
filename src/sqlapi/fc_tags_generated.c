/*-------------------------------------------------------------------------
 *
 * fc_tags_generated.c
 *		Keeping generated columns through a change of the type modifier of the
 *		column that they read.
 *
 * ALTER TABLE changes no column that a generated one reads.  Here the
 * expression reads the header of a value at most, and what is stored is what
 * it gives, before and after.  So for the time of the ALTER the generated
 * columns are plain ones, and then get their expressions back, over the new
 * type modifier.  The tables are locked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "executor/spi.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_hooks.h"
#include "sqlapi/fc_relation.h"
#include "sqlapi/fc_tags.h"

/* A generated column without its expression. */
typedef struct Suspended
{
	Oid			relation;
	AttrNumber	attnum;
	AttrNumber	source;			/* the column that it reads */
	Node	   *expression;
} Suspended;

static bool
is_stored_generated(Oid relation, AttrNumber attnum, Oid *type)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(attnum));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_attribute) GETSTRUCT(tuple))->attgenerated == ATTRIBUTE_GENERATED_STORED;
	*type = ((Form_pg_attribute) GETSTRUCT(tuple))->atttypid;
	ReleaseSysCache(tuple);
	return result;
}

/* A copy of the value itself has a type modifier of its own, which would stay. */
bool
fc_tags_generated_follows(Oid relation, AttrNumber attnum)
{
	Oid			type;

	return is_stored_generated(relation, attnum, &type) && !fc_type_contains(type);
}

/* ---- away with the expressions ---- */

static List *
list_generated(Oid relation, AttrNumber source, List *list)
{
	Relation	rel = table_open(relation, NoLock);
	TupleDesc	desc = RelationGetDescr(rel);
	int			i;

	for (i = 0; desc->constr != NULL && i < desc->constr->num_defval; i++)
	{
		const AttrDefault *def = &desc->constr->defval[i];
		Node	   *expression = stringToNode(def->adbin);
		Bitmapset  *used = NULL;
		Suspended  *one;

		pull_varattnos(expression, 1, &used);
		if (!TupleDescAttr(desc, def->adnum - 1)->attgenerated ||
			!bms_is_member(source - FirstLowInvalidHeapAttributeNumber, used))
			continue;
		one = palloc(sizeof(Suspended));
		one->relation = relation;
		one->attnum = def->adnum;
		one->source = source;
		one->expression = expression;
		list = lappend(list, one);
	}
	table_close(rel, NoLock);
	return list;
}

List *
fc_tags_suspend_generated(List *relations, const char *column)
{
	List	   *list = NIL;
	ListCell   *cell;

	foreach(cell, relations)
		list = list_generated(lfirst_oid(cell), get_attnum(lfirst_oid(cell), column), list);
	/* parents come first, and their children's columns with them */
	foreach(cell, list)
	{
		const Suspended *one = lfirst(cell);
		Oid			type;
		char	   *sql;

		if (!is_stored_generated(one->relation, one->attnum, &type))
			continue;
		sql = psprintf("ALTER TABLE %s ALTER COLUMN %s DROP EXPRESSION",
					   fc_relation_name(one->relation),
					   quote_identifier(get_attname(one->relation, one->attnum, false)));
		if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
			elog(ERROR, "could not alter a generated column");
	}
	return list;
}

/* ---- and back ---- */

typedef struct Modifier
{
	AttrNumber	attnum;
	int32		typmod;
} Modifier;

static Node *
with_typmod(Node *node, void *context)
{
	const Modifier *modifier = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) copyObject(node);

		if (var->varattno == modifier->attnum)
			var->vartypmod = modifier->typmod;
		return (Node *) var;
	}
	return expression_tree_mutator(node, with_typmod, context);
}

static void
mark_generated(const Suspended *one)
{
	Relation	catalog = table_open(AttributeRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(one->relation),
											Int16GetDatum(one->attnum));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for attribute %d of relation %u", one->attnum, one->relation);
	((Form_pg_attribute) GETSTRUCT(tuple))->attgenerated = ATTRIBUTE_GENERATED_STORED;
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

void
fc_tags_resume_generated(List *list, int32 typmod)
{
	ListCell   *cell;

	foreach(cell, list)
	{
		const Suspended *one = lfirst(cell);
		Modifier	modifier = {one->source, typmod};
		Relation	rel;

		mark_generated(one);
		rel = table_open(one->relation, NoLock);
		(void) fc_store_attr_default(rel, one->attnum, with_typmod(one->expression, &modifier));
		table_close(rel, NoLock);
		CommandCounterIncrement();
	}
}
