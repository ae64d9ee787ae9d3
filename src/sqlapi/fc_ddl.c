/*-------------------------------------------------------------------------
 *
 * fc_ddl.c
 *		Rules about stored columns, kept by one object_access_hook.
 *
 * Every stored value names its key, so every stored column of the type must:
 * the hook sees each relation, column, domain, index, constraint and
 * statistics object as it is made or altered, however the statement was
 * spelled (ADD COLUMN, CREATE TABLE AS, matviews, partitions, LIKE, typed
 * tables, import of foreign schemas).  Views store nothing and are free.
 *
 * Nothing here needs a key or reads the key tables, except that dropping the
 * extension counts keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_database.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "pg/fc_guc.h"
#include "pg/fc_keycache.h"
#include "pg/fc_keyring.h"
#include "pg/fc_shmem.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_hooks.h"
#include "sqlapi/fc_sqlapi.h"
#include "sqlapi/fc_wire.h"

/*---- Local variables ----*/

static object_access_hook_type prev_object_access_hook = NULL;

static TimestampTz notice_at = 0;	/* the statement that has had its notice */

/*---- Function declarations ----*/

static void ddl_object_access(ObjectAccessType access, Oid classId, Oid objectId,
							  int subId, void *arg);
static bool rules_apply(void);
static void object_created(Oid classId, Oid objectId, int subId, void *arg);
static void object_altered(Oid classId, Oid objectId, int subId);
static void object_dropped(Oid classId, Oid objectId, int subId);
static void relation_created(Oid relation);
static void column_added(Oid relation, AttrNumber column);
static void column_altered(Oid relation, AttrNumber column);
static void domain_created(Oid type);
static char relation_kind(Oid relation);
static bool kind_has_stored_columns(char relkind);
static bool check_column(const FormData_pg_attribute *column);
static bool makes_searchable(const FormData_pg_attribute *column);
static void notice_searchable(List *columns);
static void refuse_row_type_users(Oid relation);
static int	statistics_target(HeapTuple attribute);
static void clear_statistics_target(Oid relation, AttrNumber column);
static void key_table_dropped(Oid relation);
static int	count_live_keys(Oid relation);

void
fc_ddl_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = ddl_object_access;
	fc_utility_init();
}

static void
ddl_object_access(ObjectAccessType access, Oid classId, Oid objectId,
				  int subId, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classId, objectId, subId, arg);

	/* the rest of the types are frequent: functions executed, names searched */
	switch (access)
	{
		case OAT_POST_CREATE:
			object_created(classId, objectId, subId, arg);
			break;
		case OAT_POST_ALTER:
			object_altered(classId, objectId, subId);
			break;
		case OAT_DROP:
			object_dropped(classId, objectId, subId);
			break;
		default:
			break;
	}
}

/*
 * rules_apply
 *		Not in a database without the extension, not while pg_upgrade rebuilds
 *		one that kept the rules, not for the extension's own script.
 */
static bool
rules_apply(void)
{
	if (IsBootstrapProcessingMode() || IsBinaryUpgrade || !IsTransactionState())
		return false;
	if (!OidIsValid(fc_type_oid()))
		return false;
	return !(creating_extension && CurrentExtensionObject == fc_extension_oid());
}

static void
object_created(Oid classId, Oid objectId, int subId, void *arg)
{
	ObjectAccessPostCreate *create = (ObjectAccessPostCreate *) arg;
	bool		internal = create != NULL && create->is_internal;

	/* the initial catalogs' objects cannot have the type */
	if (objectId < FirstNormalObjectId)
		return;

	switch (classId)
	{
		case RelationRelationId:
			if (!rules_apply())
				break;
			if (subId > 0)
				column_added(objectId, subId);
			else if (relation_kind(objectId) == RELKIND_INDEX ||
					 relation_kind(objectId) == RELKIND_PARTITIONED_INDEX)
				fc_refuse_index(objectId);
			else if (!internal)
				relation_created(objectId);
			break;
		case TypeRelationId:
			if (rules_apply())
				domain_created(objectId);
			break;
		case ConstraintRelationId:
			if (rules_apply())
				fc_refuse_constraint(objectId);
			break;
		case AttrDefaultRelationId:
			if (rules_apply())
				fc_refuse_generated(objectId, subId);
			break;
		case StatisticExtRelationId:
			if (rules_apply())
				fc_refuse_statistics(objectId);
			break;
		default:
			break;
	}
}

static void
object_altered(Oid classId, Oid objectId, int subId)
{
	if (objectId < FirstNormalObjectId)
		return;
	if (classId == RelationRelationId && subId > 0)
	{
		if (rules_apply())
			column_altered(objectId, subId);
	}
	else if (classId == ConstraintRelationId)
	{
		/* VALIDATE CONSTRAINT */
		if (rules_apply())
			fc_refuse_constraint(objectId);
	}
}

static void
object_dropped(Oid classId, Oid objectId, int subId)
{
	if (IsBinaryUpgrade || !IsTransactionState())
		return;
	/* should it stay after all, its keys are fetched again */
	if (classId == DatabaseRelationId && fc_shmem_ready())
		fc_keycache_purge_database(objectId);
	else if (classId == RelationRelationId && subId == 0)
		key_table_dropped(objectId);
	else if (classId == AuthIdRelationId && OidIsValid(fc_type_oid()))
		fc_grants_role_dropped(objectId);
}

/*
 * relation_created
 *		Check every column.  Those whose type only contains encrypted_text
 *		are analysed by PostgreSQL's own functions, which open and store
 *		elements, so their statistics are turned off.
 */
static void
relation_created(Oid relation)
{
	char		relkind = relation_kind(relation);
	List	   *searchable = NIL;
	List	   *opaque = NIL;
	ListCell   *cell;
	Relation	catalog;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!kind_has_stored_columns(relkind) && relkind != RELKIND_COMPOSITE_TYPE)
		return;

	ScanKeyInit(&key, Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	catalog = table_open(AttributeRelationId, AccessShareLock);
	scan = systable_beginscan(catalog, AttributeRelidNumIndexId, true,
							  SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attribute form = (Form_pg_attribute) GETSTRUCT(tuple);

		if (form->attnum <= 0 || form->attisdropped)
			continue;
		if (check_column(form))
			opaque = lappend_int(opaque, form->attnum);
		else if (makes_searchable(form))
			searchable = lappend(searchable, pstrdup(NameStr(form->attname)));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);

	if (relkind == RELKIND_COMPOSITE_TYPE)
		return;
	notice_searchable(searchable);
	if (opaque == NIL)
		return;
	CommandCounterIncrement();
	foreach(cell, opaque)
		clear_statistics_target(relation, (AttrNumber) lfirst_int(cell));
}

static void
column_added(Oid relation, AttrNumber column)
{
	char		relkind = relation_kind(relation);
	HeapTuple	tuple;
	Form_pg_attribute form;

	if (!kind_has_stored_columns(relkind) && relkind != RELKIND_COMPOSITE_TYPE)
		return;
	tuple = fc_attribute_copy(relation, column);
	if (tuple == NULL)
		return;
	form = (Form_pg_attribute) GETSTRUCT(tuple);

	if (!fc_type_contains(form->atttypid))
		return;
	refuse_row_type_users(relation);
	if (check_column(form) && relkind != RELKIND_COMPOSITE_TYPE)
	{
		CommandCounterIncrement();
		clear_statistics_target(relation, column);
	}
	else if (makes_searchable(form) && relkind != RELKIND_COMPOSITE_TYPE)
		notice_searchable(list_make1(NameStr(form->attname)));
}

/*
 * column_altered
 *		The type may have changed, or the statistics target.  The syscache
 *		still shows the row as it was before the command.
 */
static void
column_altered(Oid relation, AttrNumber column)
{
	char		relkind = relation_kind(relation);
	HeapTuple	old;
	HeapTuple	new;
	Form_pg_attribute before;
	Form_pg_attribute after;

	if (!kind_has_stored_columns(relkind) && relkind != RELKIND_COMPOSITE_TYPE)
		return;
	new = fc_attribute_copy(relation, column);
	if (new == NULL)
		return;
	after = (Form_pg_attribute) GETSTRUCT(new);
	if (!fc_type_contains(after->atttypid))
		return;

	old = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(column));
	before = HeapTupleIsValid(old) ? (Form_pg_attribute) GETSTRUCT(old) : NULL;
	if (before == NULL || before->atttypid != after->atttypid ||
		before->atttypmod != after->atttypmod)
	{
		if (check_column(after) && relkind != RELKIND_COMPOSITE_TYPE &&
			statistics_target(new) != 0)
		{
			CommandCounterIncrement();
			clear_statistics_target(relation, column);
		}
		if (makes_searchable(after) && relkind != RELKIND_COMPOSITE_TYPE &&
			(before == NULL || !makes_searchable(before)))
			notice_searchable(list_make1(NameStr(after->attname)));
	}
	else if (statistics_target(new) != 0 &&
			 statistics_target(new) != statistics_target(old) &&
			 !fc_type_is_direct(after->atttypid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("statistics on column \"%s\" are not supported, because its type %s contains encrypted_text",
						NameStr(after->attname), fc_type_label(after->atttypid)),
				 errdetail("ANALYZE would store its elements in clear."),
				 errhint("Leave the statistics target of the column at 0.")));
}

/* Domains are checked themselves: their base type stands in pg_type. */
static void
domain_created(Oid type)
{
	Relation	catalog = table_open(TypeRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_type_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(type));
	scan = systable_beginscan(catalog, TypeOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_type form = (Form_pg_type) GETSTRUCT(tuple);

		if (form->typtype == TYPTYPE_DOMAIN &&
			fc_type_content(form->typbasetype, form->typtypmod) == FC_CONTENT_UNKEYED)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("domain \"%s\" over encrypted_text must name a key",
							NameStr(form->typname)),
					 errhint("Write encrypted_text('key') with the name of a key.")));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

static char
relation_kind(Oid relation)
{
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	char		relkind = '\0';
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	scan = systable_beginscan(catalog, ClassOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		relkind = ((Form_pg_class) GETSTRUCT(tuple))->relkind;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return relkind;
}

static bool
kind_has_stored_columns(char relkind)
{
	return relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE ||
		relkind == RELKIND_MATVIEW || relkind == RELKIND_FOREIGN_TABLE;
}

/*
 * check_column
 *		Refuse a column that can hold values of no named key.  True if the
 *		type contains encrypted_text without being it.
 */
static bool
check_column(const FormData_pg_attribute *column)
{
	FcContent	content = fc_type_content(column->atttypid, column->atttypmod);
	const char *name = NameStr(column->attname);

	if (fc_wire_is(column->atttypid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" cannot be stored as it is described to clients", name),
				 errhint("SET fieldcrypt.describe_as = 'native'; before the statement is prepared keeps the type encrypted_text.")));
	if (content == FC_CONTENT_NONE)
		return false;
	if (content == FC_CONTENT_KEYED)
		return !fc_type_is_direct(column->atttypid);

	if (column->atttypid != fc_type_oid())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of type %s contains encrypted_text that names no key",
						name, fc_type_label(column->atttypid)),
				 errhint("Write encrypted_text('key') or encrypted_text('key')[], and give the key in composite types and domains; ranges are not supported.")));

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("column \"%s\" of type encrypted_text must name a key", name),
			 errhint("Write encrypted_text('key') with the name of a key, in a query as a cast: (%s)::encrypted_text('key').",
					 quote_identifier(name))));
	return false;
}

/* A searchable column of its own, not one that a parent table has already. */
static bool
makes_searchable(const FormData_pg_attribute *column)
{
	int32		typmod = column->atttypmod;

	return column->attislocal &&
		getBaseTypeAndTypmod(column->atttypid, &typmod) == fc_type_oid() &&
		typmod >= 0 && FC_TYPMOD_MODE(typmod) != FC_MODE_NONE;
}

/* Says it once per statement of the client. */
static void
notice_searchable(List *columns)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	StringInfoData names;
	ListCell   *cell;

	if (columns == NIL || notice_at == now)
		return;
	notice_at = now;
	initStringInfo(&names);
	foreach(cell, columns)
		appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "", (char *) lfirst(cell));
	ereport(NOTICE,
			(errmsg_plural("column %s is searchable: whoever may read it sees which values are equal, and a unique index tells an inserter which exist",
						   "columns %s are searchable: whoever may read them sees which values are equal, and a unique index tells an inserter which exist",
						   list_length(columns), names.data)));
}

void
fc_ddl_statement_begin(void)
{
	notice_at = 0;
}

/*
 * refuse_row_type_users
 *		Columns of other tables may have this relation's row type, and
 *		indexes and statistics on them.  PostgreSQL refuses to change the type
 *		of an attribute then; this refuses to add one.
 */
static void
refuse_row_type_users(Oid relation)
{
	Relation	rel = relation_open(relation, NoLock);

	if (OidIsValid(rel->rd_rel->reltype))
		find_composite_type_dependencies(rel->rd_rel->reltype, rel, NULL);
	relation_close(rel, NoLock);
}

HeapTuple
fc_attribute_copy(Oid relation, AttrNumber column)
{
	Relation	catalog = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(column));
	scan = systable_beginscan(catalog, AttributeRelidNumIndexId, true, SnapshotSelf, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return tuple;
}

/*
 * pg_attribute.attstattarget: a column of int4, int2 or nullable int2,
 * depending on the server; none means the default.
 */
static int
statistics_target(HeapTuple attribute)
{
	Relation	catalog = table_open(AttributeRelationId, AccessShareLock);
	bool		isnull;
	Datum		datum = heap_getattr(attribute, Anum_pg_attribute_attstattarget,
									 RelationGetDescr(catalog), &isnull);

	table_close(catalog, AccessShareLock);
	return isnull ? -1 : (int) DatumGetInt32(datum);
}

static void
clear_statistics_target(Oid relation, AttrNumber column)
{
	Relation	catalog = table_open(AttributeRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(relation),
											Int16GetDatum(column));
	Datum		values[Natts_pg_attribute] = {0};
	bool		nulls[Natts_pg_attribute] = {0};
	bool		replaces[Natts_pg_attribute] = {0};

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for attribute %d of relation %u", column, relation);

	/* zero has the same Datum as int2 and int4 */
	values[Anum_pg_attribute_attstattarget - 1] = Int16GetDatum(0);
	replaces[Anum_pg_attribute_attstattarget - 1] = true;
	tuple = heap_modify_tuple(tuple, RelationGetDescr(catalog), values, nulls, replaces);
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

/*
 * key_table_dropped
 *		DROP EXTENSION drops the members first, each visibly to the next, so
 *		the keys must be counted while fieldcrypt.keys is going, not when the
 *		extension's own turn comes.  As a member it cannot go alone.
 */
static void
key_table_dropped(Oid relation)
{
	char	   *name;
	char	   *schema;
	int			keys;

	if (fc_guc_allow_drop || relation < FirstNormalObjectId)
		return;
	name = get_rel_name(relation);
	if (name == NULL || strcmp(name, "keys") != 0)
		return;
	schema = get_namespace_name(get_rel_namespace(relation));
	if (schema == NULL || strcmp(schema, "fieldcrypt") != 0 ||
		!OidIsValid(getExtensionOfObject(RelationRelationId, relation)))
		return;

	keys = count_live_keys(relation);
	if (keys > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot drop extension fieldcrypt while it holds keys"),
				 errdetail_plural("%d key is not destroyed. What it encrypted, in backups too, could never be read again.",
								  "%d keys are not destroyed. What they encrypted, in backups too, could never be read again.",
								  keys, keys),
				 errhint("Save the result of SELECT fieldcrypt.export_keyring() first, then SET fieldcrypt.allow_drop = on.")));
}

static int
count_live_keys(Oid relation)
{
	Relation	rel = table_open(relation, AccessShareLock);
	AttrNumber	state = get_attnum(relation, "state");
	SysScanDesc scan;
	HeapTuple	tuple;
	int			count = 0;

	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull = true;
		Datum		datum = (Datum) 0;

		if (state != InvalidAttrNumber)
			datum = heap_getattr(tuple, state, RelationGetDescr(rel), &isnull);
		if (isnull || strcmp(TextDatumGetCString(datum), "destroyed") != 0)
			count++;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return count;
}
