/*-------------------------------------------------------------------------
 *
 * fc_planner_sorts.c
 *		Sorts on disk compare copies of the values: see fc_sort_copy.c.
 *
 * A finished plan is changed.  What was
 *
 *		Sort by value			becomes	Result: the columns as they were
 *		  ->  plan						  ->  Sort by copy
 *										        ->  Result: and sort_copy(value)
 *										              ->  plan
 *
 * where the first column that is sorted by is an encrypted one and the rows
 * are expected to take more than work_mem.  In doubt there are copies: they make
 * a sort in memory slower by a tenth, and one on disk faster by half.
 * Everything above sees the columns, and the order, that it saw before.
 *
 * Later columns are compared for few rows, as a rule, and stay as they are; so
 * does a sort of which a LIMIT wants so few rows that they fit into memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_planner.h"

/* What a copy adds to the width of a row: a header, its number and the text. */
#define COPY_WIDTH 40

/* What a sort needs for a row beyond what the planner counts. */
#define SORT_OVERHEAD 40

typedef struct Change
{
	const FcPlannerOids *oids;
	List	   *places;			/* of Plan *, the sorts to change, inner ones first */
	int			last_id;		/* the highest plan_node_id */
} Change;

/*---- Function declarations ----*/

static void visit(Plan **place, double bound, Change *change);
static void visit_list(List *plans, double bound, Change *change);
static void visit_children(Plan *plan, double bound, Change *change);
static double bound_of_limit(const Limit *limit);
static double constant_of(const Node *node, double otherwise);
static bool wants_copies(const Sort *sort, double bound, const FcPlannerOids *oids);
static Plan *sort_by_copies(Sort *sort, Change *change);
static Plan *with_copy(Sort *sort, Change *change);
static Plan *without_copy(Sort *sort, List *targets, Change *change);
static Result *make_result(const Plan *like, Plan *child, Change *change);

void
fc_copy_sorts(const FcPlannerOids *oids, PlannedStmt *statement)
{
	Change		change = { .oids = oids };
	ListCell   *cell;

	visit(&statement->planTree, -1, &change);
	visit_list(statement->subplans, -1, &change);
	foreach(cell, change.places)
	{
		Plan	  **place = (Plan **) lfirst(cell);

		*place = sort_by_copies((Sort *) *place, &change);
	}
	list_free(change.places);
}

/* bound: how many rows a LIMIT takes of this plan, or -1. */
static void
visit(Plan **place, double bound, Change *change)
{
	Plan	   *plan = *place;

	if (plan == NULL)
		return;
	check_stack_depth();
	change->last_id = Max(change->last_id, plan->plan_node_id);
	visit_children(plan, bound, change);
	if (IsA(plan, Sort) && wants_copies((Sort *) plan, bound, change->oids))
		change->places = lappend(change->places, place);
}

static void
visit_list(List *plans, double bound, Change *change)
{
	ListCell   *cell;

	foreach(cell, plans)
		visit((Plan **) &lfirst(cell), bound, change);
}

/* The bound goes down where ExecSetTupleBound takes it. */
static void
visit_children(Plan *plan, double bound, Change *change)
{
	double		below = -1;

	switch (nodeTag(plan))
	{
		case T_Limit:
			below = bound_of_limit((Limit *) plan);
			break;
		case T_Result:
		case T_Gather:
		case T_GatherMerge:
			below = bound;
			break;
		case T_Append:
			visit_list(((Append *) plan)->appendplans, bound, change);
			break;
		case T_MergeAppend:
			visit_list(((MergeAppend *) plan)->mergeplans, bound, change);
			break;
		case T_BitmapAnd:
			visit_list(((BitmapAnd *) plan)->bitmapplans, -1, change);
			break;
		case T_BitmapOr:
			visit_list(((BitmapOr *) plan)->bitmapplans, -1, change);
			break;
		case T_SubqueryScan:
			visit(&((SubqueryScan *) plan)->subplan, plan->qual == NIL ? bound : -1, change);
			break;
		case T_CustomScan:
			visit_list(((CustomScan *) plan)->custom_plans, -1, change);
			break;
		default:
			break;
	}
	visit(&plan->lefttree, below, change);
	visit(&plan->righttree, -1, change);
}

/* A count that is not known yet is that of a page, as a rule. */
static double
bound_of_limit(const Limit *limit)
{
	double		count;

	if (limit->limitCount == NULL || limit->limitOption == LIMIT_OPTION_WITH_TIES)
		return -1;
	count = constant_of(limit->limitCount, 1);
	return count < 0 ? -1 : count + Max(constant_of(limit->limitOffset, 0), 0);
}

/* NULL, as in LIMIT NULL, is -1. */
static double
constant_of(const Node *node, double otherwise)
{
	if (node == NULL || !IsA(node, Const))
		return otherwise;
	return ((const Const *) node)->constisnull ? -1 : DatumGetInt64(((const Const *) node)->constvalue);
}

static bool
wants_copies(const Sort *sort, double bound, const FcPlannerOids *oids)
{
	const Plan *plan = &sort->plan;
	double		rows = plan->plan_rows;
	double		row_bytes = MAXALIGN(plan->plan_width) + MAXALIGN(SizeofHeapTupleHeader) +
		SORT_OVERHEAD;

	if (sort->sortOperators[0] != oids->lt_values && sort->sortOperators[0] != oids->gt_values)
		return false;
	if (bound >= 0)
		rows = Min(rows, bound);
	return rows * row_bytes > work_mem * 1024.0;
}

static Plan *
sort_by_copies(Sort *sort, Change *change)
{
	List	   *targets = sort->plan.targetlist;
	bool		descending = sort->sortOperators[0] == change->oids->gt_values;
	TargetEntry *copy;

	sort->plan.lefttree = with_copy(sort, change);
	sort->sortColIdx[0] = list_length(sort->plan.lefttree->targetlist);
	sort->sortOperators[0] = descending ? change->oids->gt_copies : change->oids->lt_copies;

	/* as the child has it, a column more */
	copy = flatCopyTargetEntry(llast_node(TargetEntry, sort->plan.lefttree->targetlist));
	copy->expr = (Expr *) makeVarFromTargetEntry(OUTER_VAR, copy);
	sort->plan.targetlist = lappend(list_copy(targets), copy);
	return without_copy(sort, targets, change);
}

/* The child's columns and the copy. */
static Plan *
with_copy(Sort *sort, Change *change)
{
	Plan	   *child = sort->plan.lefttree;
	TargetEntry *value = (TargetEntry *) list_nth(child->targetlist, sort->sortColIdx[0] - 1);
	Result	   *result = make_result(child, child, change);
	List	   *targets = NIL;
	Expr	   *copy;
	ListCell   *cell;

	foreach(cell, child->targetlist)
	{
		TargetEntry *target = flatCopyTargetEntry(lfirst_node(TargetEntry, cell));

		target->expr = (Expr *) makeVarFromTargetEntry(OUTER_VAR, target);
		targets = lappend(targets, target);
	}
	copy = (Expr *) makeFuncExpr(change->oids->sort_copy, change->oids->copy_type,
								 list_make1(makeVarFromTargetEntry(OUTER_VAR, value)),
								 sort->collations[0], sort->collations[0],
								 COERCE_EXPLICIT_CALL);
	result->plan.targetlist = lappend(targets,
									  makeTargetEntry(copy, list_length(targets) + 1, NULL, true));
	result->plan.total_cost += cpu_operator_cost * child->plan_rows;
	result->plan.plan_width += COPY_WIDTH;
	sort->plan.plan_width += COPY_WIDTH;
	return &result->plan;
}

/* The sort's own columns, under their names; constants stay what they are. */
static Plan *
without_copy(Sort *sort, List *targets, Change *change)
{
	Result	   *result = make_result(&sort->plan, &sort->plan, change);
	ListCell   *cell;

	foreach(cell, targets)
	{
		TargetEntry *target = flatCopyTargetEntry(lfirst_node(TargetEntry, cell));

		if (!IsA(target->expr, Const))
			target->expr = (Expr *) makeVarFromTargetEntry(OUTER_VAR, target);
		result->plan.targetlist = lappend(result->plan.targetlist, target);
	}
	result->plan.total_cost += cpu_tuple_cost * sort->plan.plan_rows;
	result->plan.plan_width -= COPY_WIDTH;

	/* parameters that are set here are set below the nodes that use them */
	result->plan.initPlan = sort->plan.initPlan;
	sort->plan.initPlan = NIL;
	return &result->plan;
}

static Result *
make_result(const Plan *like, Plan *child, Change *change)
{
	Result	   *result = makeNode(Result);
	Plan	   *plan = &result->plan;

	plan->startup_cost = like->startup_cost;
	plan->total_cost = like->total_cost;
	plan->plan_rows = like->plan_rows;
	plan->plan_width = like->plan_width;
	plan->parallel_safe = like->parallel_safe;
	plan->plan_node_id = ++change->last_id;
	plan->extParam = bms_copy(like->extParam);
	plan->allParam = bms_copy(like->allParam);
	FC_COPY_DISABLED_NODES(plan, like);
	plan->lefttree = child;
	return result;
}
