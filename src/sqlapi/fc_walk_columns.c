/*-------------------------------------------------------------------------
 *
 * fc_walk_columns.c
 *		Where values are stored: the columns that a walk has to visit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_hooks.h"
#include "sqlapi/fc_sqlapi.h"
#include "sqlapi/fc_walk.h"

static bool
stores_rows(char relkind)
{
	return relkind == RELKIND_RELATION || relkind == RELKIND_MATVIEW;
}

static FcWalkColumn *
make_column(Form_pg_attribute attribute)
{
	FcWalkColumn *column = palloc0(sizeof(FcWalkColumn));

	column->relation = attribute->attrelid;
	column->attnum = attribute->attnum;
	column->type = attribute->atttypid;
	column->direct = fc_type_is_direct(attribute->atttypid);
	strlcpy(column->name, NameStr(attribute->attname), sizeof(column->name));
	return column;
}

/* The column of that name, or NULL where the relation has none of our type. */
static FcWalkColumn *
find_column(Oid relation, const char *name)
{
	HeapTuple	tuple = SearchSysCacheAttName(relation, name);
	Form_pg_attribute attribute;
	FcWalkColumn *column = NULL;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	attribute = (Form_pg_attribute) GETSTRUCT(tuple);
	if (attribute->attnum > 0 && fc_type_contains(attribute->atttypid))
		column = make_column(attribute);
	ReleaseSysCache(tuple);
	return column;
}

List *
fc_walk_columns(Oid relation, const char *name)
{
	char	   *relname = get_rel_name(relation);
	List	   *columns = NIL;
	List	   *members;
	ListCell   *cell;

	if (relname == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relation),
				 errhint("Name an existing table.")));
	if (get_attnum(relation, name) == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", name, relname),
				 errhint("The view fieldcrypt.encrypted_columns lists the columns there are.")));
	if (find_column(relation, name) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("column \"%s\" of relation \"%s\" is not encrypted", name, relname),
				 errhint("The view fieldcrypt.encrypted_columns lists the columns there are.")));

	members = find_all_inheritors(relation, AccessShareLock, NULL);
	foreach(cell, members)
	{
		FcWalkColumn *column;

		if (!stores_rows(get_rel_relkind(lfirst_oid(cell))))
			continue;
		column = find_column(lfirst_oid(cell), name);
		if (column != NULL)
			columns = lappend(columns, column);
	}
	return columns;
}

/*
 * The prefix of the key that a column's values are under, or 0 where it takes
 * more than the column's own type modifier to tell.
 */
static uint32
column_prefix(Form_pg_attribute attribute)
{
	Oid			type = attribute->atttypid;
	int32		typmod = attribute->atttypmod;

	type = getBaseTypeAndTypmod(type, &typmod);
	if (type != fc_type_oid())
	{
		type = get_element_type(type);
		if (!OidIsValid(type))
			return 0;
		type = getBaseTypeAndTypmod(type, &typmod);
	}
	return type == fc_type_oid() && typmod >= 0 ? FC_TYPMOD_PREFIX(typmod) : 0;
}

static int
compare_columns(const ListCell *a, const ListCell *b)
{
	const FcWalkColumn *x = lfirst(a);
	const FcWalkColumn *y = lfirst(b);

	if (x->relation != y->relation)
		return x->relation < y->relation ? -1 : 1;
	return x->attnum - y->attnum;
}

List *
fc_walk_own_columns(Oid relation)
{
	List	   *columns = NIL;
	Relation	rel;
	int			i;

	if (!stores_rows(get_rel_relkind(relation)))
		return NIL;
	rel = relation_open(relation, AccessShareLock);
	for (i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), i);

		if (!attribute->attisdropped && fc_type_contains(attribute->atttypid))
			columns = lappend(columns, make_column(attribute));
	}
	relation_close(rel, AccessShareLock);
	return columns;
}

List *
fc_walk_all_columns(uint32 prefix)
{
	List	   *columns = NIL;
	Relation	rel = table_open(AttributeRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attribute attribute = (Form_pg_attribute) GETSTRUCT(tuple);
		uint32		own;

		if (attribute->attnum <= 0 || attribute->attisdropped ||
			!fc_type_contains(attribute->atttypid) ||
			!stores_rows(get_rel_relkind(attribute->attrelid)))
			continue;
		own = column_prefix(attribute);
		if (prefix == 0 || own == 0 || own == prefix)
			columns = lappend(columns, make_column(attribute));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	/* always in one order, so that two who lock them all do not meet */
	list_sort(columns, compare_columns);
	return columns;
}

bool
fc_walk_is_foreign_temp(const FcWalkColumn *column)
{
	return isOtherTempNamespace(get_rel_namespace(column->relation));
}

Relation
fc_walk_open(const FcWalkColumn *column, LOCKMODE lockmode)
{
	Relation	rel = try_relation_open(column->relation, lockmode);
	Form_pg_attribute attribute;

	if (rel == NULL)
		return NULL;
	if (stores_rows(rel->rd_rel->relkind) && !RELATION_IS_OTHER_TEMP(rel) &&
		column->attnum <= RelationGetNumberOfAttributes(rel))
	{
		attribute = TupleDescAttr(RelationGetDescr(rel), column->attnum - 1);
		if (!attribute->attisdropped && attribute->atttypid == column->type)
			return rel;
	}
	relation_close(rel, lockmode);
	return NULL;
}

char *
fc_walk_label(const FcWalkColumn *column)
{
	char	   *relname = get_rel_name(column->relation);
	char	   *schema = get_namespace_name(get_rel_namespace(column->relation));

	if (relname == NULL || schema == NULL)
		return psprintf("%u.%s", column->relation, quote_identifier(column->name));
	return psprintf("%s.%s", quote_qualified_identifier(schema, relname),
					quote_identifier(column->name));
}
