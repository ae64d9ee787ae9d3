/*-------------------------------------------------------------------------
 *
 * fc_set_search.c
 *		Changing the search mode of a column while clients work: set_search.
 *
 * Searches ask for tags of one mode only, so a column may be called
 * searchable only while each of its values has such a tag.  A column that is
 * not searchable is compared by opening its values, whatever tags they have.
 * So the change goes through that state:
 *
 *	- another mode: the column is made not searchable; its definition changes
 *	  and no row does.
 *	- not searchable: a walk gives the values the tag of the new mode, or takes
 *	  it away, in batches that commit.  Writers still write values without.
 *	- the new mode: with the table locked, the values written meanwhile are
 *	  tagged and the definition is changed, in one transaction.
 *
 * The column's definition is all the state there is: the next call goes on
 * from what it finds.  A unique index would let duplicates in meanwhile, so
 * with one everything is done in one transaction that locks the table.
 *
 * The definition is changed by ALTER TABLE, which knows what hangs on it and
 * builds the indexes anew.  It would rewrite the table as well, if the planner
 * support function below did not tell it that the values are as they should be.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/toast_compression.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "commands/tablecmds.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "pg/fc_keyring.h"
#include "pg/fc_report.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_relation.h"
#include "sqlapi/fc_sqlapi.h"
#include "sqlapi/fc_tags.h"
#include "sqlapi/fc_walk.h"

PG_FUNCTION_INFO_V1(fc_set_search);
PG_FUNCTION_INFO_V1(fc_coerce_support);

typedef struct Change
{
	FcWalk		walk;
	Oid			relation;
	char	   *column;
	uint8		mode;			/* to have */
	bool		exclusive;
	int32		typmod;			/* as it is now */
	Oid			collation;
} Change;

/* The definition that is being changed: values are as the second wants them. */
static struct
{
	bool		running;
	int32		from;
	int32		to;
}			switching;

/* ---- the definition ---- */

/*
 * fc_coerce_support
 *		Support function of the coercion to a type modifier: none is needed in
 *		the expression by which ALTER TABLE, run by us, would rewrite the
 *		column.  An expression of a query has a planner's root.
 */
Datum
fc_coerce_support(PG_FUNCTION_ARGS)
{
	SupportRequestSimplify *request = (SupportRequestSimplify *) PG_GETARG_POINTER(0);
	Node	   *value;
	Node	   *typmod;

	if (!IsA(request, SupportRequestSimplify) || !switching.running || request->root != NULL ||
		list_length(request->fcall->args) < 2)
		PG_RETURN_POINTER(NULL);
	value = linitial(request->fcall->args);
	typmod = lsecond(request->fcall->args);
	if (!IsA(value, Var) || ((Var *) value)->vartypmod != switching.from ||
		!IsA(typmod, Const) || DatumGetInt32(((Const *) typmod)->constvalue) != switching.to)
		PG_RETURN_POINTER(NULL);
	PG_RETURN_POINTER(relabel_to_typmod(value, switching.to));
}

static void
run_alter(const char *sql)
{
	int			result = SPI_execute(sql, false, 0);

	if (result != SPI_OK_UTILITY)
		elog(ERROR, "could not alter a table: %s", SPI_result_code_string(result));
}

/* What ALTER ... TYPE sets back to the type's own: what to run to have it again. */
static List *
storage_statements(const Change *change, List *members)
{
	List	   *statements = NIL;
	ListCell   *cell;

	foreach(cell, members)
	{
		HeapTuple	tuple = SearchSysCacheAttName(lfirst_oid(cell), change->column);
		Form_pg_attribute form = HeapTupleIsValid(tuple) ? (Form_pg_attribute) GETSTRUCT(tuple) : NULL;
		char	   *prefix;

		if (form == NULL)
			continue;
		prefix = psprintf("ALTER TABLE ONLY %s ALTER COLUMN %s SET ", fc_relation_name(lfirst_oid(cell)),
						  quote_identifier(change->column));
		if (form->attstorage != get_typstorage(form->atttypid))
			statements = lappend(statements, psprintf("%sSTORAGE %s", prefix,
													  form->attstorage == TYPSTORAGE_PLAIN ? "PLAIN" :
													  form->attstorage == TYPSTORAGE_MAIN ? "MAIN" :
													  form->attstorage == TYPSTORAGE_EXTENDED ? "EXTENDED" :
													  "EXTERNAL"));
		if (CompressionMethodIsValid(form->attcompression))
			statements = lappend(statements, psprintf("%sCOMPRESSION %s", prefix,
													  GetCompressionMethodName(form->attcompression)));
		ReleaseSysCache(tuple);
	}
	return statements;
}

/* ALTER TABLE, with the table and its children locked by the caller. */
static void
switch_mode(Change *change, List *members, uint8 mode)
{
	uint32		prefix = FC_TYPMOD_PREFIX(change->typmod);
	const char *name = fc_mode_name(mode);
	List	   *storage = storage_statements(change, members);
	List	   *generated = fc_tags_suspend_generated(members, change->column);
	StringInfoData sql;
	ListCell   *cell;

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ALTER COLUMN %s TYPE pg_catalog.encrypted_text(%s",
					 fc_relation_name(change->relation), quote_identifier(change->column),
					 quote_literal_cstr(fc_prefix_label(prefix)));
	if (name != NULL)
		appendStringInfo(&sql, ", 'searchable=%s'", name);
	appendStringInfoString(&sql, ")");
	if (change->collation != DEFAULT_COLLATION_OID)
		appendStringInfo(&sql, " COLLATE %s", generate_collation_name(change->collation));

	switching.from = change->typmod;
	switching.to = FC_TYPMOD_MAKE(prefix, mode);
	switching.running = true;
	PG_TRY();
	{
		run_alter(sql.data);
	}
	PG_FINALLY();
	{
		switching.running = false;
	}
	PG_END_TRY();
	change->typmod = switching.to;
	fc_tags_resume_generated(generated, change->typmod);
	foreach(cell, storage)
		run_alter(lfirst(cell));
}

/* ---- what cannot be done ---- */

static void
refuse(const Change *change, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("search mode of column \"%s\" of relation \"%s\" cannot be changed",
					change->column, get_rel_name(change->relation)),
			 errdetail_internal("%s", detail),
			 errhint("%s", hint)));
}

/* Read the definition; refuse what has no search mode of its own. */
static void
look(Change *change)
{
	char		relkind = get_rel_relkind(change->relation);
	HeapTuple	tuple;
	Form_pg_attribute form;

	(void) fc_walk_columns(change->relation, change->column);
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		refuse(change, "It is not a table.", "Change the column of the table, and make the relation anew.");
	tuple = SearchSysCacheAttName(change->relation, change->column);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for column \"%s\"", change->column);
	form = (Form_pg_attribute) GETSTRUCT(tuple);
	if (form->atttypid != fc_type_oid())
		refuse(change, psprintf("The mode belongs to the type %s.", format_type_be(form->atttypid)),
			   "Use ALTER TABLE ... ALTER COLUMN ... TYPE, which rewrites the table under its lock.");
	if (form->attinhcount > 0)
		refuse(change, "The column is inherited.", "Call set_search for the table at the top.");
	change->typmod = form->atttypmod;
	change->collation = form->attcollation;
	ReleaseSysCache(tuple);
}

/* May ALTER TABLE keep, or build anew, what depends on the column? */
static bool
follows(const ObjectAddress *object, Oid relation, AttrNumber attnum)
{
	ObjectAddress column;

	switch (object->classId)
	{
		case RelationRelationId:
			return get_rel_relkind(object->objectId) == RELKIND_INDEX ||
				get_rel_relkind(object->objectId) == RELKIND_PARTITIONED_INDEX;
		case ConstraintRelationId:
			return true;
		case AttrDefaultRelationId:
			/* its own default, or a generated column that reads it */
			column = GetAttrDefaultColumnAddress(object->objectId);
			return (column.objectId == relation && column.objectSubId == attnum) ||
				fc_tags_generated_follows(column.objectId, column.objectSubId);
		default:
			return false;
	}
}

static void
refuse_dependents(const Change *change, Oid relation)
{
	AttrNumber	attnum = get_attnum(relation, change->column);
	Relation	catalog = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[2], Anum_pg_depend_refobjsubid, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(attnum));
	scan = systable_beginscan(catalog, DependReferenceIndexId, true, NULL, 3, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);
		ObjectAddress object;

		ObjectAddressSubSet(object, form->classid, form->objid, form->objsubid);
		if (!follows(&object, relation, attnum))
			refuse(change, psprintf("%s depends on the column.", getObjectDescription(&object, false)),
				   "Drop it first, and make it again afterwards.");
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

static void
refuse_unique(const Change *change, const FcWalkColumn *column, const char *index)
{
	if (change->mode == FC_MODE_NONE)
		refuse(change, psprintf("Without tags the unique index \"%s\" would find no duplicate.", index),
			   "Drop the index first.");
	if (change->exclusive)
		return;
	if (change->walk.dry_run)
		ereport(NOTICE,
				(errmsg("%s has the unique index \"%s\" and needs exclusive => true",
						fc_walk_label(column), index)));
	else
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("search mode of %s cannot be changed while clients write to it",
						fc_walk_label(column)),
				 errdetail("Until all tags are rewritten its unique index \"%s\" would let a duplicate in.",
						   index),
				 errhint("Use exclusive => true, which locks the table meanwhile.")));
}

/* One of the table and its children. */
static void
check_member(const Change *change, Oid relation)
{
	FcWalkColumn column = {.relation = relation};
	Relation	rel;

	strlcpy(column.name, change->column, sizeof(column.name));
	fc_walk_check_owner(&column, change->walk.command);
	rel = table_open(relation, NoLock);
	if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		refuse(change, psprintf("%s is a foreign table.", fc_relation_name(relation)),
			   "Detach it first.");
	if (OidIsValid(rel->rd_rel->reloftype))
		refuse(change, psprintf("%s is a table of type %s.", fc_relation_name(relation),
								format_type_be(rel->rd_rel->reloftype)),
			   "Use ALTER TABLE ... NOT OF first.");
	/* columns of other tables that have its row type */
	find_composite_type_dependencies(rel->rd_rel->reltype, rel, NULL);
	table_close(rel, NoLock);
	refuse_dependents(change, relation);
}

/* The table and its children, locked, with all refusals; before any change. */
static List *
check_members(Change *change, LOCKMODE lockmode)
{
	List	   *members;
	List	   *columns;
	ListCell   *cell;

	LockRelationOid(change->relation, lockmode);
	look(change);
	members = find_all_inheritors(change->relation, lockmode, NULL);
	foreach(cell, members)
		check_member(change, lfirst_oid(cell));
	columns = fc_walk_columns(change->relation, change->column);
	foreach(cell, columns)
	{
		char	   *index = fc_tags_unique_index(lfirst(cell));

		fc_tags_refuse_change(lfirst(cell));
		if (index != NULL)
			refuse_unique(change, lfirst(cell), index);
	}
	return members;
}

/* ---- from state to state ---- */

/*
 * Lock first what whoever retires a version of the index key locks before the
 * tables: so values that were tagged with it cannot become searchable.
 */
static List *
lock_members(Change *change)
{
	LockRelationOid(fc_keyring_table("key_versions"), RowShareLock);
	return check_members(change, AccessExclusiveLock);
}

/* Retag what is left and change the definition, in one transaction. */
static void
finish(Change *change)
{
	List	   *members = lock_members(change);
	FcWalk		walk = change->walk;

	walk.atomic = true;
	walk.deadline = 0;
	walk.failed = 0;
	fc_walk_all(&walk, fc_walk_columns(change->relation, change->column));
	if (walk.failed > 0 && change->mode != FC_MODE_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%lld values of column \"%s\" cannot be tagged", (long long) walk.failed,
						change->column),
				 errdetail("No search would find them, so the column is not made searchable=%s.", fc_mode_name(change->mode)),
				 errhint("Delete or restore these values, and call the procedure again.")));
	if (FC_TYPMOD_MODE(change->typmod) != change->mode)
		switch_mode(change, members, change->mode);
	SPI_commit();
}

static void
run_online(Change *change)
{
	if (FC_TYPMOD_MODE(change->typmod) != FC_MODE_NONE)
	{
		switch_mode(change, lock_members(change), FC_MODE_NONE);
		SPI_commit();
		ereport(NOTICE,
				(errmsg("column \"%s\" of relation \"%s\" is not searchable now: comparisons open its values",
						change->column, get_rel_name(change->relation))));
	}
	fc_walk_all(&change->walk, fc_walk_columns(change->relation, change->column));
	if (!change->walk.stopped && change->mode != FC_MODE_NONE)
		finish(change);
}

static void
check_privilege(const Change *change)
{
	uint32		prefix = FC_TYPMOD_PREFIX(change->typmod);
	const FcKey *key = fc_keyring_usable() ? fc_keyring_by_prefix(prefix) : NULL;

	/* without a key there are no values that we could tag */
	if (key != NULL && !fc_keyring_may(key, FC_PRIV_DECRYPT))
		fc_report_denied(key->name, "decrypt");
}

static uint8
mode_argument(const char *name)
{
	return strcmp(name, "none") == 0 ? FC_MODE_NONE : fc_mode_parse(name);
}

Datum
fc_set_search(PG_FUNCTION_ARGS)
{
	Change		change;

	memset(&change, 0, sizeof(change));
	if (PG_ARGISNULL(0))
		(void) fc_arg_text(fcinfo, 0, "relation");
	change.relation = PG_GETARG_OID(0);
	change.column = fc_arg_text(fcinfo, 1, "column");
	change.mode = mode_argument(fc_arg_text(fcinfo, 2, "mode"));
	fc_walk_options(fcinfo, 3, "set_search", &change.walk);
	change.exclusive = fc_arg_bool(fcinfo, 7, "exclusive");
	change.walk.mover.retag = true;
	change.walk.mover.mode = change.mode;

	fc_walk_connect(&change.walk);
	(void) check_members(&change, AccessShareLock);
	check_privilege(&change);
	if (FC_TYPMOD_MODE(change.typmod) == change.mode && change.mode != FC_MODE_NONE)
		ereport(NOTICE,
				(errmsg("column \"%s\" of relation \"%s\" is %s already", change.column,
						get_rel_name(change.relation),
						psprintf("searchable=%s", fc_mode_name(change.mode)))));
	else if (change.walk.dry_run)
		fc_walk_all(&change.walk, fc_walk_columns(change.relation, change.column));
	else
	{
		/* nobody can be between two locks of ours */
		SPI_commit();
		if (change.exclusive)
			finish(&change);
		else
			run_online(&change);
	}
	SPI_finish();
	return (Datum) 0;
}
