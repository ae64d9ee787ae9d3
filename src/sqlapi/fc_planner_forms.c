/*-------------------------------------------------------------------------
 *
 * fc_planner_forms.c
 *		Forms of comparison beside = that ask the blind index.
 *
 * matches(column, x) is equality of tags and nothing more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_planner.h"
#include "sqlapi/fc_sqlapi.h"

PG_FUNCTION_INFO_V1(fc_matches_support);

/*---- Function declarations ----*/

static Node *tag_condition(const FcPlannerOids *oids, Node *column, Node *other);

/* Support function of matches(). */
Datum
fc_matches_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	const FcPlannerOids *oids;
	FuncExpr   *call;
	Node	   *result = NULL;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	oids = fc_planner_oids();
	call = ((SupportRequestSimplify *) request)->fcall;
	if (oids != NULL && list_length(call->args) == 2)
		result = tag_condition(oids, linitial(call->args), lsecond(call->args));
	PG_RETURN_POINTER(result);
}

/*
 * tag_condition
 *		What `column = other` asks of the tags, without the comparison of the
 *		texts that it may need besides; NULL if that is not a searchable
 *		column.
 */
static Node *
tag_condition(const FcPlannerOids *oids, Node *column, Node *other)
{
	Node	   *result;

	if (fc_searchable_typmod(oids, column) < 0)
		return NULL;
	result = fc_rewrite_equality(oids, column, other, C_COLLATION_OID);
	return result != NULL && is_andclause(result) ?
		(Node *) linitial(((BoolExpr *) result)->args) : result;
}
