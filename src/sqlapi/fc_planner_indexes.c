/*-------------------------------------------------------------------------
 *
 * fc_planner_indexes.c
 *		Tags that stand in a stored generated column.
 *
 * tag uuid GENERATED ALWAYS AS (blind_index(column)) STORED holds what the
 * expression gives, but PostgreSQL does not look for one when it sees the
 * other.  So the planner is shown each index on such a column a second time,
 * as an index on the expression; the first showing stays, for those who ask
 * for the generated column by name.
 *
 * Statistics of the expression are those of the generated column, or, where
 * no index has been analysed yet, of the encrypted column: ANALYZE counts its
 * distinct tags.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type_d.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_planner.h"

/*---- Local variables ----*/

static get_index_stats_hook_type prev_get_index_stats = NULL;

/*---- Function declarations ----*/

static bool index_stats(PlannerInfo *root, Oid index, AttrNumber column,
						VariableStatData *vardata);
static FuncExpr *generated_tag(const FcPlannerOids *oids, Relation rel, AttrNumber column);
static IndexOptInfo *index_on_expression(const FcPlannerOids *oids, Relation rel,
										 IndexOptInfo *index);
static AttrNumber index_key(Oid index, AttrNumber column);
static bool has_unique_expression(Relation rel, Node *expr);

void
fc_planner_indexes_init(void)
{
	prev_get_index_stats = get_index_stats_hook;
	get_index_stats_hook = index_stats;
}

void
fc_show_generated_tags(const FcPlannerOids *oids, Oid relation, RelOptInfo *rel)
{
	Relation	table;
	TupleConstr *constr;
	List	   *more = NIL;
	ListCell   *cell;

	if (rel->indexlist == NIL)
		return;
	table = table_open(relation, NoLock);
	constr = RelationGetDescr(table)->constr;
	if (constr != NULL && constr->has_generated_stored)
	{
		foreach(cell, rel->indexlist)
		{
			IndexOptInfo *index = index_on_expression(oids, table, lfirst(cell));

			if (index != NULL)
				more = lappend(more, index);
		}
	}
	table_close(table, NoLock);
	rel->indexlist = list_concat(rel->indexlist, more);
}

/*
 * fc_use_generated_arbiter
 *		ON CONFLICT (column) where it is the generated column that is unique:
 *		blind_index(column) in the inference becomes that column.
 */
void
fc_use_generated_arbiter(const FcPlannerOids *oids, Query *query)
{
	Relation	table;
	ListCell   *cell;

	if (query->onConflict == NULL || query->resultRelation == 0)
		return;
	table = table_open(rt_fetch(query->resultRelation, query->rtable)->relid, NoLock);
	foreach(cell, query->onConflict->arbiterElems)
	{
		InferenceElem *element = lfirst_node(InferenceElem, cell);
		Node	   *expr = element->expr;

		if (!IsA(expr, FuncExpr) || ((FuncExpr *) expr)->funcid != oids->blind_index)
			continue;
		expr = copyObject(expr);
		ChangeVarNodes(expr, query->resultRelation, 1, 0);
		if (has_unique_expression(table, expr))
			continue;
		for (AttrNumber i = 1; i <= RelationGetNumberOfAttributes(table); i++)
		{
			FuncExpr   *tag = generated_tag(oids, table, i);

			if (tag != NULL && equal(tag, expr))
				element->expr = (Node *) makeVar(query->resultRelation, i, UUIDOID, -1,
												 InvalidOid, 0);
		}
	}
	table_close(table, NoLock);
}

/* blind_index(...) if a column is generated as that, with varno 1; else NULL. */
static FuncExpr *
generated_tag(const FcPlannerOids *oids, Relation rel, AttrNumber column)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), column - 1);
	Node	   *expr;

	if (attribute->attgenerated != ATTRIBUTE_GENERATED_STORED || attribute->attisdropped ||
		attribute->atttypid != UUIDOID)
		return NULL;
	expr = build_column_default(rel, column);
	if (expr == NULL || !IsA(expr, FuncExpr) || ((FuncExpr *) expr)->funcid != oids->blind_index)
		return NULL;
	return (FuncExpr *) expr;
}

/*
 * index_on_expression
 *		The index as it would be if it had been made on the expressions of the
 *		generated columns among its keys; NULL if there are none.
 */
static IndexOptInfo *
index_on_expression(const FcPlannerOids *oids, Relation rel, IndexOptInfo *index)
{
	IndexOptInfo *result = NULL;
	ListCell   *old = list_head(index->indexprs);
	List	   *exprs = NIL;
	List	   *targets = NIL;

	for (int i = 0; i < index->ncolumns; i++)
	{
		TargetEntry *target = i < list_length(index->indextlist) ?
			flatCopyTargetEntry(list_nth(index->indextlist, i)) : NULL;
		FuncExpr   *tag = NULL;

		if (index->indexkeys[i] == 0)
		{
			exprs = lappend(exprs, lfirst(old));
			old = lnext(index->indexprs, old);
		}
		else if (index->indexkeys[i] > 0)
			tag = generated_tag(oids, rel, index->indexkeys[i]);
		if (tag != NULL)
		{
			if (result == NULL)
			{
				result = makeNode(IndexOptInfo);
				memcpy(result, index, sizeof(IndexOptInfo));
				result->indexkeys = palloc(sizeof(int) * index->ncolumns);
				memcpy(result->indexkeys, index->indexkeys, sizeof(int) * index->ncolumns);
			}
			ChangeVarNodes((Node *) tag, 1, index->rel->relid, 0);
			result->indexkeys[i] = 0;
			exprs = lappend(exprs, tag);
			if (target != NULL)
				target->expr = (Expr *) tag;
		}
		targets = lappend(targets, target);
	}
	if (result == NULL)
		return NULL;
	result->indexprs = exprs;
	result->indextlist = index->indextlist == NIL ? NIL : targets;
	return result;
}

static bool
index_stats(PlannerInfo *root, Oid index, AttrNumber column, VariableStatData *vardata)
{
	const FcPlannerOids *oids = fc_planner_oids();
	FuncExpr   *call = (FuncExpr *) vardata->var;
	RangeTblEntry *rte;
	HeapTuple	tuple;
	AttrNumber	attribute;

	if (prev_get_index_stats && prev_get_index_stats(root, index, column, vardata))
		return true;
	if (oids == NULL || call == NULL || !IsA(call, FuncExpr) ||
		call->funcid != oids->blind_index || !IsA(linitial(call->args), Var) ||
		vardata->rel == NULL || vardata->rel->relid == 0)
		return false;

	/* those of an analysed index on the expression are the best */
	if (SearchSysCacheExists3(STATRELATTINH, ObjectIdGetDatum(index),
							  Int16GetDatum(column), BoolGetDatum(false)))
		return false;

	rte = planner_rt_fetch(vardata->rel->relid, root);
	attribute = index_key(index, column);
	if (attribute <= 0)
		attribute = ((Var *) linitial(call->args))->varattno;
	tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(rte->relid),
							Int16GetDatum(attribute), BoolGetDatum(rte->inh));
	if (!HeapTupleIsValid(tuple))
		return false;
	vardata->statsTuple = tuple;
	vardata->freefunc = ReleaseSysCache;
	vardata->acl_ok = false;	/* equality of uuids is leakproof */
	return true;
}

/* The table's column that an index has as its key, or 0 for an expression. */
static AttrNumber
index_key(Oid index, AttrNumber column)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	AttrNumber	key = 0;

	if (!HeapTupleIsValid(tuple))
		return 0;
	if (column > 0 && column <= ((Form_pg_index) GETSTRUCT(tuple))->indnatts)
		key = ((Form_pg_index) GETSTRUCT(tuple))->indkey.values[column - 1];
	ReleaseSysCache(tuple);
	return key;
}

static bool
has_unique_expression(Relation rel, Node *expr)
{
	List	   *indexes = RelationGetIndexList(rel);
	bool		found = false;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_index->indisunique &&
			list_member(RelationGetIndexExpressions(index), expr))
			found = true;
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return found;
}
