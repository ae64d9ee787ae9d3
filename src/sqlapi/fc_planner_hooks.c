/*-------------------------------------------------------------------------
 *
 * fc_planner_hooks.c
 *		IN, = ANY, lower(), upper(), ILIKE and ON CONFLICT on searchable
 *		columns; sorts on disk.
 *
 * No support function is asked about these, so one walk rewrites them.  It
 * runs from two hooks, because each misses what the other sees: planner_hook
 * comes before functions are inlined and before PostgreSQL 18 makes = ANY of
 * IN (VALUES ...), get_relation_info_hook after, but not where UNION ALL was
 * pulled up.  The walk finds nothing in what it has rewritten.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/plancat.h"
#include "optimizer/planner.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "pg/fc_keyring.h"
#include "sqlapi/fc_planner.h"
#include "sqlapi/fc_sqlapi.h"

/*---- Local variables ----*/

static planner_hook_type prev_planner = NULL;
static get_relation_info_hook_type prev_get_relation_info = NULL;

/*---- Function declarations ----*/

static PlannedStmt *plan_statement(Query *parse, const char *query_string,
								   int cursor_options, ParamListInfo params);
static void depend_on_versions(PlannedStmt *plan);
static void refuse_old_snapshot(const FcPlannerOids *oids, Oid relation);
static void relation_info(PlannerInfo *root, Oid relation, bool inhparent, RelOptInfo *rel);
static bool has_work(Node *node, void *context);
static Node *rewrite(Node *node, void *context);
static Node *rewrite_arbiter(InferenceElem *element, const FcPlannerOids *oids);
static void rewrite_jointree(Node *node, const FcPlannerOids *oids);
static Node *rewrite_quals(Node *quals, const FcPlannerOids *oids);

void
fc_planner_init(void)
{
	prev_planner = planner_hook;
	planner_hook = plan_statement;
	prev_get_relation_info = get_relation_info_hook;
	get_relation_info_hook = relation_info;
	fc_planner_indexes_init();
}

static PlannedStmt *
plan_statement(Query *parse, const char *query_string, int cursor_options, ParamListInfo params)
{
	const FcPlannerOids *oids = IsTransactionState() ? fc_planner_oids() : NULL;
	bool		outer = fc_search_planned;
	PlannedStmt *result;

	fc_search_planned = false;
	if (oids != NULL && has_work((Node *) parse, unconstify(FcPlannerOids *, oids)))
		parse = (Query *) rewrite((Node *) parse, unconstify(FcPlannerOids *, oids));

	result = prev_planner ? prev_planner(parse, query_string, cursor_options, params) :
		standard_planner(parse, query_string, cursor_options, params);
	if (oids != NULL)
		fc_copy_sorts(oids, result);
	if (fc_search_planned)
		depend_on_versions(result);
	/* a planner that ran this one, for a function, knows no better */
	fc_search_planned |= outer;
	return result;
}

/*
 * How a column is searched depends on the versions of its key, so a cached
 * plan lives no longer than what the plan cache knows of the key tables.
 */
static void
depend_on_versions(PlannedStmt *plan)
{
	Oid			versions = fc_keyring_table("key_versions");

	if (OidIsValid(versions))
		plan->relationOids = list_append_unique_oid(plan->relationOids, versions);
}

/*
 * refuse_old_snapshot
 *		A column is called searchable from the moment that all of its values
 *		have the tag.  A transaction that goes on with an earlier snapshot reads
 *		rows of before, which no search would find.
 */
static void
refuse_old_snapshot(const FcPlannerOids *oids, Oid relation)
{
	Relation	rel;
	int			i;

	if (!IsolationUsesXactSnapshot() || !FirstSnapshotSet)
		return;
	rel = table_open(relation, NoLock);
	for (i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute form = TupleDescAttr(RelationGetDescr(rel), i);
		TransactionId xmin;
		HeapTuple	tuple;

		if (form->attisdropped || form->atttypid != oids->type || form->atttypmod < 0 ||
			FC_TYPMOD_MODE(form->atttypmod) == FC_MODE_NONE)
			continue;
		tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(i + 1));
		if (!HeapTupleIsValid(tuple))
			continue;
		xmin = HeapTupleHeaderGetXmin(tuple->t_data);
		ReleaseSysCache(tuple);
		if (TransactionIdIsNormal(xmin) && !TransactionIdIsCurrentTransactionId(xmin) &&
			XidInMVCCSnapshot(xmin, GetTransactionSnapshot()))
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not read column \"%s\" of table \"%s\" because of a concurrent change of its definition",
							NameStr(form->attname), RelationGetRelationName(rel)),
					 errdetail("Searches would miss values as the transaction's snapshot shows them."),
					 errhint("Run the transaction again.")));
	}
	table_close(rel, NoLock);
}

/*
 * relation_info
 *		Quals have been preprocessed but not yet distributed to relations.
 */
static void
relation_info(PlannerInfo *root, Oid relation, bool inhparent, RelOptInfo *rel)
{
	const FcPlannerOids *oids = fc_planner_oids();
	ListCell   *cell;

	if (prev_get_relation_info)
		prev_get_relation_info(root, relation, inhparent, rel);
	if (oids == NULL)
		return;

	refuse_old_snapshot(oids, relation);
	fc_show_generated_tags(oids, relation, rel);
	rewrite_jointree((Node *) root->parse->jointree, oids);
	foreach(cell, root->parse->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);
		ListCell   *level;

		/* a list of implicit ANDs per level of nested views */
		foreach(level, rte->securityQuals)
			lfirst(level) = rewrite_quals((Node *) lfirst(level), oids);
	}
}

/* Is there anything to rewrite?  Most statements are not copied for nothing. */
static bool
has_work(Node *node, void *context)
{
	const FcPlannerOids *oids = (const FcPlannerOids *) context;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_work, context, 0);
	if (IsA(node, InferenceElem) &&
		fc_searchable_typmod(oids, ((InferenceElem *) node)->expr) >= 0)
		return true;
	if (IsA(node, ScalarArrayOpExpr) &&
		(((ScalarArrayOpExpr *) node)->opno == oids->eq_values ||
		 ((ScalarArrayOpExpr *) node)->opno == oids->eq_text ||
		 fc_shows_texts(oids, (ScalarArrayOpExpr *) node)))
		return true;
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == oids->tag_of_text)
		return true;
	if (IsA(node, OpExpr) && fc_is_fold(oids, (OpExpr *) node))
		return true;
	if (IsA(node, BoolExpr) && fc_rewrite_list(oids, (BoolExpr *) node) != NULL)
		return true;
	return expression_tree_walker(node, has_work, context);
}

static Node *
rewrite(Node *node, void *context)
{
	const FcPlannerOids *oids = (const FcPlannerOids *) context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
	{
		Query	   *result = query_tree_mutator((Query *) node, rewrite, context, 0);

		fc_use_generated_arbiter(oids, result);
		return (Node *) result;
	}
	if (IsA(node, InferenceElem))
		return rewrite_arbiter((InferenceElem *) node, oids);
	if (IsA(node, ScalarArrayOpExpr))
	{
		Node	   *result = fc_rewrite_any(oids, (ScalarArrayOpExpr *) node);

		if (result == NULL && fc_shows_texts(oids, (ScalarArrayOpExpr *) node))
			result = fc_hide_texts(oids, (ScalarArrayOpExpr *) node);
		if (result != NULL)
			return expression_tree_mutator(result, rewrite, context);
	}
	if (IsA(node, OpExpr) && list_length(((OpExpr *) node)->args) == 2)
	{
		Node	   *result = fc_rewrite_tag_of_text(oids, (OpExpr *) node);

		if (result == NULL && fc_is_fold(oids, (OpExpr *) node))
			result = fc_rewrite_fold(oids, (OpExpr *) node);
		if (result != NULL)
			return expression_tree_mutator(result, rewrite, context);
	}
	if (IsA(node, BoolExpr))
	{
		Node	   *result = fc_rewrite_list(oids, (BoolExpr *) node);

		if (result != NULL)
			return result;
	}
	return expression_tree_mutator(node, rewrite, context);
}

/*
 * ON CONFLICT (column): the unique index of a searchable column is the one on
 * its tags.
 */
static Node *
rewrite_arbiter(InferenceElem *element, const FcPlannerOids *oids)
{
	InferenceElem *result = copyObject(element);

	if (fc_searchable_typmod(oids, element->expr) >= 0)
	{
		result->expr = (Node *) fc_make_blind_index(oids, element->expr);
		result->infercollid = InvalidOid;
		result->inferopclass = InvalidOid;
	}
	return (Node *) result;
}

static void
rewrite_jointree(Node *node, const FcPlannerOids *oids)
{
	if (node == NULL)
		return;
	if (IsA(node, FromExpr))
	{
		FromExpr   *from = (FromExpr *) node;
		ListCell   *cell;

		foreach(cell, from->fromlist)
			rewrite_jointree((Node *) lfirst(cell), oids);
		from->quals = rewrite_quals(from->quals, oids);
	}
	else if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		rewrite_jointree(join->larg, oids);
		rewrite_jointree(join->rarg, oids);
		join->quals = rewrite_quals(join->quals, oids);
	}
}

/* Quals are lists of implicit ANDs here; an AND that we add joins the list. */
static Node *
rewrite_quals(Node *quals, const FcPlannerOids *oids)
{
	List	   *result = NIL;
	ListCell   *cell;

	if (!has_work(quals, unconstify(FcPlannerOids *, oids)))
		return quals;
	quals = rewrite(quals, unconstify(FcPlannerOids *, oids));
	if (!IsA(quals, List))
		return quals;

	foreach(cell, (List *) quals)
	{
		Node	   *qual = (Node *) lfirst(cell);

		if (is_andclause(qual))
			result = list_concat(result, ((BoolExpr *) qual)->args);
		else
			result = lappend(result, qual);
	}
	return (Node *) result;
}
