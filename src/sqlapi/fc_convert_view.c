/*-------------------------------------------------------------------------
 *
 * fc_convert_view.c
 *		Views over a column that is being converted.
 *
 * A view is bound to the column by number, so it would go on reading the old
 * one.  One that only passes the column on can be made anew from its
 * definition: nothing in it depends on the column's type.  It gets back
 * owner, options, privileges and comments.  Others stand in the way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "commands/comment.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteSupport.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_convert.h"

PG_FUNCTION_INFO_V1(fc_view_passes);

/* ---- does a view only pass the column on? ---- */

/* The column that is looked for. */
typedef struct Target
{
	Oid			relation;
	AttrNumber	attnum;
} Target;

typedef struct Uses
{
	const Target *target;
	Oid			view;
	List	   *queries;		/* innermost first */
	bool		used;
} Uses;

static bool view_outputs(Oid view, const Target *target, Bitmapset **columns);

/* Which columns of a relation in a query hold the target; false if it is used. */
static bool
relation_columns(const Uses *uses, const RangeTblEntry *rte, Bitmapset **columns)
{
	*columns = NULL;
	/* before PostgreSQL 16 a view's query lists the view itself */
	if (rte->rtekind != RTE_RELATION || rte->relid == uses->view)
		return true;
	if (rte->relid == uses->target->relation)
		*columns = bms_make_singleton(uses->target->attnum);
	else if (rte->relkind == RELKIND_VIEW)
		return view_outputs(rte->relid, uses->target, columns);
	return true;
}

static bool
holds_target(Uses *uses, const Var *var)
{
	Query	   *query = list_nth(uses->queries, var->varlevelsup);
	RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);
	Bitmapset  *columns;

	if (rte->rtekind == RTE_JOIN && var->varattno > 0)
	{
		/* a merged column of USING: it is compared */
		Node	   *alias = list_nth(rte->joinaliasvars, var->varattno - 1);

		return !IsA(alias, Var) || holds_target(uses, (Var *) alias);
	}
	if (!relation_columns(uses, rte, &columns))
		return true;
	if (columns == NULL)
		return false;
	return var->varattno == 0 || bms_is_member(var->varattno, columns);
}

static bool
find_use(Node *node, void *context)
{
	Uses	   *uses = context;

	if (node == NULL || uses->used)
		return uses->used;
	if (IsA(node, Var))
	{
		uses->used = holds_target(uses, (Var *) node);
		return uses->used;
	}
	if (IsA(node, Query))
	{
		uses->queries = lcons(node, uses->queries);
		(void) query_tree_walker((Query *) node, find_use, context, QTW_IGNORE_JOINALIASES);
		uses->queries = list_delete_first(uses->queries);
		return uses->used;
	}
	return expression_tree_walker(node, find_use, context);
}

static Query *
view_query(Oid view)
{
	Relation	rel = try_relation_open(view, AccessShareLock);
	Query	   *query = NULL;

	if (rel == NULL)
		return NULL;
	if (rel->rd_rel->relkind == RELKIND_VIEW && rel->rd_rules != NULL &&
		rel->rd_rules->numLocks == 1 && list_length(rel->rd_rules->rules[0]->actions) == 1)
		query = copyObject(linitial_node(Query, rel->rd_rules->rules[0]->actions));
	relation_close(rel, AccessShareLock);
	return query;
}

/* Which columns of the view are the target; false if it is used otherwise. */
static bool
view_outputs(Oid view, const Target *target, Bitmapset **columns)
{
	Query	   *query = view_query(view);
	Uses		uses = {target, view, NIL, false};
	ListCell   *cell;

	check_stack_depth();
	*columns = NULL;
	if (query == NULL)
		return false;
	uses.queries = list_make1(query);
	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!IsA(entry->expr, Var) || entry->resjunk || entry->ressortgroupref != 0 ||
			!holds_target(&uses, (Var *) entry->expr))
			continue;
		*columns = bms_add_member(*columns, entry->resno);
		/* not seen again below */
		entry->expr = (Expr *) makeNullConst(exprType((Node *) entry->expr), -1, InvalidOid);
	}
	/* what is passed on may not be sorted, grouped or made distinct */
	if (query->distinctClause != NIL && *columns != NULL)
		return false;
	uses.queries = NIL;
	return !find_use((Node *) query, &uses);
}

Datum
fc_view_passes(PG_FUNCTION_ARGS)
{
	char	   *column = text_to_cstring(PG_GETARG_TEXT_PP(2));
	Target		target = {PG_GETARG_OID(1), get_attnum(PG_GETARG_OID(1), column)};
	Bitmapset  *columns;

	PG_RETURN_BOOL(target.attnum > 0 && view_outputs(PG_GETARG_OID(0), &target, &columns));
}

/* ---- making views anew ---- */

/* A comment or an ACL; attnum 0 is the view's own. */
typedef struct SavedItem
{
	AttrNumber	attnum;
	char	   *comment;
	Acl		   *acl;
} SavedItem;

typedef struct SavedView
{
	Oid			oid;
	char	   *name;
	char	   *create;
	char	   *owner;
	List	   *items;
} SavedView;

static char *
column_text(int row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

static void
save_item(SavedView *view, AttrNumber attnum, Datum acl, bool isnull)
{
	SavedItem  *item = palloc0(sizeof(SavedItem));

	item->attnum = attnum;
	item->comment = GetComment(view->oid, RelationRelationId, attnum);
	item->acl = isnull ? NULL : DatumGetAclPCopy(acl);
	if (item->comment != NULL || item->acl != NULL)
		view->items = lappend(view->items, item);
}

static void
save_items(SavedView *view)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(view->oid));
	int			natts = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
	bool		isnull;
	Datum		acl = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &isnull);
	int			i;

	save_item(view, 0, acl, isnull);
	ReleaseSysCache(tuple);
	for (i = 1; i <= natts; i++)
	{
		tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(view->oid), Int16GetDatum(i));
		if (!HeapTupleIsValid(tuple))
			continue;
		acl = SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attacl, &isnull);
		save_item(view, i, acl, isnull);
		ReleaseSysCache(tuple);
	}
}

/*
 * The views that have to be made anew, each after those that it reads.  The
 * survey has seen that all of them can be.
 */
static List *
save_views(FcConversion *conv)
{
	List	   *views = NIL;
	ListCell   *cell;
	int			i;

	fc_convert_run(
		"WITH RECURSIVE v(view, level) AS ("
		" SELECT w.ev_class, 1 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid"
		" WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
		" AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = %u AND d.refobjsubid = %d"
		" UNION SELECT w.ev_class, v.level + 1 FROM v"
		" JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = v.view"
		" AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
		" JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid WHERE w.ev_class <> v.view)"
		" SELECT c.oid, pg_catalog.pg_get_viewdef(c.oid), pg_catalog.pg_get_userbyid(c.relowner),"
		" pg_catalog.array_to_string(c.reloptions, ', ')"
		" FROM pg_catalog.pg_class c JOIN v ON v.view = c.oid GROUP BY c.oid ORDER BY pg_catalog.max(v.level), c.oid",
		conv->relation, conv->attnum);
	for (i = 0; i < SPI_processed; i++)
	{
		SavedView  *view = palloc0(sizeof(SavedView));
		char	   *options = column_text(i, 4);

		view->oid = atooid(column_text(i, 1));
		view->name = fc_relation_name(view->oid);
		view->owner = column_text(i, 3);
		view->create = psprintf("CREATE VIEW %s%s AS %s", view->name,
								options == NULL ? "" : psprintf(" WITH (%s)", options),
								column_text(i, 2));
		views = lappend(views, view);
	}
	foreach(cell, views)
	{
		save_items(lfirst(cell));
	}
	return views;
}

List *
fc_convert_drop_views(FcConversion *conv)
{
	List	   *views = save_views(conv);
	int			i;

	for (i = list_length(views) - 1; i >= 0; i--)
		fc_convert_run("DROP VIEW %s", ((SavedView *) list_nth(views, i))->name);
	return views;
}

static void
restore_acl(Oid view, AttrNumber attnum, Acl *acl)
{
	Oid			catalog_id = attnum == 0 ? RelationRelationId : AttributeRelationId;
	Relation	catalog = table_open(catalog_id, RowExclusiveLock);
	int			column = attnum == 0 ? Anum_pg_class_relacl : Anum_pg_attribute_attacl;
	HeapTuple	tuple = attnum == 0 ? SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(view)) :
		SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(view), Int16GetDatum(attnum));
	Oid			owner = fc_relation_owner(view);
	Datum		value = PointerGetDatum(acl);
	bool		isnull = false;
	Oid		   *old = NULL;
	Oid		   *members;
	int			nold = 0;
	int			count = aclmembers(acl, &members);
	Datum		before;

	/* default privileges may have given it one */
	before = heap_getattr(tuple, column, RelationGetDescr(catalog), &isnull);
	if (!isnull)
		nold = aclmembers(DatumGetAclP(before), &old);
	isnull = false;
	tuple = heap_modify_tuple_by_cols(tuple, RelationGetDescr(catalog), 1, &column, &value, &isnull);
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	updateAclDependencies(RelationRelationId, view, attnum, owner, nold, old, count, members);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

void
fc_convert_make_views(List *views)
{
	ListCell   *cell;
	ListCell   *item;

	foreach(cell, views)
	{
		SavedView  *view = lfirst(cell);
		Oid			oid;

		fc_convert_run("%s", view->create);
		fc_convert_run("ALTER VIEW %s OWNER TO %s", view->name, quote_identifier(view->owner));
		oid = DatumGetObjectId(DirectFunctionCall1(to_regclass, CStringGetTextDatum(view->name)));
		foreach(item, view->items)
		{
			SavedItem  *saved = lfirst(item);

			if (saved->acl != NULL)
				restore_acl(oid, saved->attnum, saved->acl);
			if (saved->comment != NULL)
				CreateComments(oid, RelationRelationId, saved->attnum, saved->comment);
		}
	}
}
