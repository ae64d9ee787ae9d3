/*-------------------------------------------------------------------------
 *
 * fc_convert_ddl.c
 *		The DDL of a conversion: making the new column, exchanging it with the
 *		old one.
 *
 * The statements run by SPI as the caller, who owns the table; names in them
 * are qualified and quoted, and search_path is pinned for their transaction.
 * What no statement moves from column to column is moved in the catalogs:
 * privileges, comments, statistics targets and column options.
 *
 * The check constraint is what makes the exchange short: it is validated
 * while clients write, and proves under the lock, without a scan, that the
 * new column is filled wherever the old one is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_convert.h"

void
fc_convert_run(const char *format,...)
{
	StringInfoData sql;
	int			result;

	initStringInfo(&sql);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&sql, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&sql, needed);
	}
	result = SPI_execute(sql.data, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
	pfree(sql.data);
}

/* ---- set-up ---- */

static bool
column_is_not_null(Oid relation, const char *column)
{
	HeapTuple	tuple = SearchSysCacheAttName(relation, column);
	bool		result = HeapTupleIsValid(tuple) && ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

static const char *
collate_clause(const FcConversion *conv)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(conv->relation, conv->attnum, &type, &typmod, &collation);
	if (!OidIsValid(collation) || collation == DEFAULT_COLLATION_OID)
		return "";
	return psprintf(" COLLATE %s", generate_collation_name(collation));
}

static void
make_trigger(FcConversion *conv, const List *arguments)
{
	StringInfoData args;
	List	   *members = fc_convert_members(conv, NoLock);
	ListCell   *cell;

	initStringInfo(&args);
	foreach(cell, arguments)
	{
		appendStringInfo(&args, "%s%s", args.len > 0 ? ", " : "", quote_literal_cstr(lfirst(cell)));
	}
	foreach(cell, members)
	{
		Oid			relation = lfirst_oid(cell);

		/* partitions get theirs from the partitioned table */
		if (!get_rel_relispartition(relation))
			fc_convert_run("CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s FOR EACH ROW"
						   " EXECUTE FUNCTION fieldcrypt.conversion_trigger(%s)",
						   quote_identifier(conv->trigger), fc_relation_name(relation), args.data);
	}
	foreach(cell, members)
	{
		fc_convert_run("ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %s",
					   fc_relation_name(lfirst_oid(cell)), quote_identifier(conv->trigger));
	}
}

static void
comment_shadow(FcConversion *conv)
{
	ListCell   *cell;

	foreach(cell, fc_convert_members(conv, NoLock))
	{
		CreateComments(lfirst_oid(cell), RelationRelationId,
					   get_attnum(lfirst_oid(cell), conv->shadow),
					   fc_convert_new_comment(conv->column));
	}
	CommandCounterIncrement();
}

void
fc_convert_set_up(FcConversion *conv)
{
	char	   *table;

	fc_convert_lock(conv);
	table = fc_relation_name(conv->relation);

	fc_convert_run("SET LOCAL search_path = pg_catalog, pg_temp");
	if (fc_convert_stage(conv) != FC_STAGE_START)
		return;					/* another session was faster */
	fc_convert_survey(conv, false);
	fc_convert_run("ALTER TABLE %s ADD COLUMN %s %s%s", table, conv->shadow, conv->type_sql,
				   collate_clause(conv));
	comment_shadow(conv);
	make_trigger(conv, fc_convert_trigger_args(conv));
	if (conv->expression != NULL)
		return;
	if (column_is_not_null(conv->relation, conv->column))
		fc_convert_run("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID",
					   table, conv->check, conv->shadow);
	else
		fc_convert_run("ALTER TABLE %s ADD CONSTRAINT %s CHECK ((%s IS NULL) = (%s IS NULL)) NOT VALID",
					   table, conv->check, conv->shadow, quote_identifier(conv->column));
}

static void
drop_trigger(FcConversion *conv)
{
	ListCell   *cell;

	foreach(cell, fc_convert_members(conv, NoLock))
	{
		if (!get_rel_relispartition(lfirst_oid(cell)))
			fc_convert_run("DROP TRIGGER IF EXISTS %s ON %s", quote_identifier(conv->trigger),
						   fc_relation_name(lfirst_oid(cell)));
	}
}

void
fc_convert_take_down(FcConversion *conv)
{
	fc_convert_lock(conv);
	fc_convert_run("SET LOCAL search_path = pg_catalog, pg_temp");
	drop_trigger(conv);
	fc_convert_run("ALTER TABLE %s DROP COLUMN IF EXISTS %s", fc_relation_name(conv->relation),
				   conv->shadow);
}

/* ---- from column to column ---- */

/* Move the ACL and the statistics target. */
static void
move_attribute(Oid relation, AttrNumber from, AttrNumber to)
{
	int			moved[] = {Anum_pg_attribute_attacl,
	Anum_pg_attribute_attstattarget};
	Relation	catalog = table_open(AttributeRelationId, RowExclusiveLock);
	TupleDesc	desc = RelationGetDescr(catalog);
	HeapTuple	old = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(from));
	HeapTuple	new = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(to));
	Datum		values[lengthof(moved)];
	bool		nulls[lengthof(moved)];
	int			none = Anum_pg_attribute_attacl;
	bool		null = true;
	Datum		nothing = (Datum) 0;
	Oid		   *members = NULL;
	int			count = 0;
	Oid			owner;
	int			i;

	if (!HeapTupleIsValid(old) || !HeapTupleIsValid(new))
		elog(ERROR, "cache lookup failed for a column of relation %u", relation);
	for (i = 0; i < lengthof(moved); i++)
		values[i] = heap_getattr(old, moved[i], desc, &nulls[i]);
	new = heap_modify_tuple_by_cols(new, desc, lengthof(moved), moved, values, nulls);
	CatalogTupleUpdate(catalog, &new->t_self, new);
	if (!nulls[0])
	{
		owner = fc_relation_owner(relation);
		count = aclmembers(DatumGetAclP(values[0]), &members);
		updateAclDependencies(RelationRelationId, relation, to, owner, 0, NULL, count, members);
		count = aclmembers(DatumGetAclP(values[0]), &members);
		updateAclDependencies(RelationRelationId, relation, from, owner, count, members, 0, NULL);
		old = heap_modify_tuple_by_cols(old, desc, 1, &none, &nothing, &null);
		CatalogTupleUpdate(catalog, &old->t_self, old);
	}
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

static void
move_default(FcConversion *conv, Oid relation, AttrNumber from)
{
	char	   *table = fc_relation_name(relation);

	fc_convert_run("SELECT pg_catalog.pg_get_expr(adbin, adrelid) FROM pg_catalog.pg_attrdef"
				   " WHERE adrelid = %u AND adnum = %d", relation, from);
	if (SPI_processed != 1)
		return;
	/* an expression has a use for the old column alone */
	if (conv->expression == NULL)
		fc_convert_run("ALTER TABLE ONLY %s ALTER COLUMN %s SET DEFAULT %s", table, conv->shadow,
					   SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	fc_convert_run("ALTER TABLE ONLY %s ALTER COLUMN %s DROP DEFAULT", table,
				   quote_identifier(conv->column));
}

/* n_distinct and n_distinct_inherited; what begins with pg_ is the server's own */
static void
move_options(FcConversion *conv, Oid relation, AttrNumber from)
{
	fc_convert_run("SELECT pg_catalog.string_agg(o, ', ') FROM pg_catalog.pg_attribute,"
				   " pg_catalog.unnest(attoptions) o WHERE attrelid = %u AND attnum = %d"
				   " AND o !~ '^pg_' HAVING pg_catalog.count(*) > 0", relation, from);
	if (SPI_processed == 1)
		fc_convert_run("ALTER TABLE ONLY %s ALTER COLUMN %s SET (%s)", fc_relation_name(relation),
					   conv->shadow, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
}

/* One table of the tree; before the columns are renamed. */
static void
move_column(FcConversion *conv, Oid relation)
{
	AttrNumber	from = get_attnum(relation, conv->column);
	AttrNumber	to = get_attnum(relation, conv->shadow);
	char	   *comment = GetComment(relation, RelationRelationId, from);

	move_default(conv, relation, from);
	move_options(conv, relation, from);
	move_attribute(relation, from, to);
	/* no statistics of what is to go */
	fc_convert_run("ALTER TABLE ONLY %s ALTER COLUMN %s SET STATISTICS 0", fc_relation_name(relation),
				   quote_identifier(conv->column));
	CreateComments(relation, RelationRelationId, to, comment);
	CreateComments(relation, RelationRelationId, from, fc_convert_old_comment(conv));
	RemoveStatistics(relation, from);
	CommandCounterIncrement();
}

/* ---- the exchange ---- */

/* Is the new column filled?  The constraint has proved it, or a scan does. */
static void
check_filled(FcConversion *conv)
{
	if (conv->expression != NULL)
		return;
	fc_convert_run("SELECT FROM pg_catalog.pg_constraint WHERE conrelid = %u AND conname = %s"
				   " AND contype = 'c' AND convalidated",
				   conv->relation, quote_literal_cstr(conv->check));
	if (SPI_processed == 1)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" has lost the constraint that keeps its new column filled",
					get_rel_name(conv->relation)),
			 errhint("Give the conversion up with abandon => true, and begin again.")));
}

/* NOT NULL of one table; the constraint saves PostgreSQL the scan. */
static List *
not_null_tables(FcConversion *conv, List *members)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, members)
	{
		if (column_is_not_null(lfirst_oid(cell), conv->column))
			result = lappend_oid(result, lfirst_oid(cell));
	}
	return result;
}

/* The table is locked against everybody, and the stage was looked at. */
void
fc_convert_swap(FcConversion *conv)
{
	char	   *table = fc_relation_name(conv->relation);
	List	   *members = fc_convert_members(conv, NoLock);
	char	   *column = pstrdup(quote_identifier(conv->column));
	List	   *not_null;
	List	   *views;
	ListCell   *cell;

	fc_convert_run("SET LOCAL search_path = pg_catalog, pg_temp");
	check_filled(conv);
	fc_convert_survey(conv, false);
	not_null = not_null_tables(conv, members);
	views = fc_convert_drop_views(conv);
	fc_convert_swap_indexes(conv);
	drop_trigger(conv);
	foreach(cell, members)
	{
		move_column(conv, lfirst_oid(cell));
	}
	foreach(cell, not_null)
	{
		if (column_is_not_null(lfirst_oid(cell), conv->column))
			fc_convert_run("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL",
						   fc_relation_name(lfirst_oid(cell)), column);
	}
	fc_convert_run("ALTER TABLE %s RENAME COLUMN %s TO %s", table, column, conv->old);
	fc_convert_run("ALTER TABLE %s RENAME COLUMN %s TO %s", table, conv->shadow, column);
	foreach(cell, not_null)
	{
		/* the parent's goes down to its children */
		if (!column_is_not_null(lfirst_oid(cell), conv->column))
			fc_convert_run("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL",
						   fc_relation_name(lfirst_oid(cell)), column);
	}
	if (conv->expression == NULL)
		fc_convert_run("ALTER TABLE %s DROP CONSTRAINT %s", table, conv->check);
	/* an INSERT without a list of columns would lose its value with the column */
	make_trigger(conv, list_make3("empty", conv->old, conv->column));
	fc_convert_make_views(views);
}

void
fc_convert_drop_old(FcConversion *conv)
{
	ListCell   *cell;

	fc_convert_run("SET LOCAL search_path = pg_catalog, pg_temp");
	drop_trigger(conv);
	/* a child whose column was its own before it was inherited keeps it */
	foreach(cell, fc_convert_members(conv, NoLock))
	{
		if (get_attnum(lfirst_oid(cell), conv->old) != InvalidAttrNumber)
			fc_convert_run("ALTER TABLE %s DROP COLUMN %s", fc_relation_name(lfirst_oid(cell)), conv->old);
	}
}
