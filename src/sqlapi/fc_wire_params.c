/*-------------------------------------------------------------------------
 *
 * fc_wire_params.c
 *		Parameters that a client left undeclared, and that PostgreSQL inferred
 *		to be encrypted_text, become text.
 *
 * PostgreSQL keeps the parameters' types with the prepared statement, and
 * declares them when it analyses the statement anew.  So the first analysis
 * must be what the later ones will be, and is simply done again, with text.
 *
 * Where text does not do (COALESCE($1, column): no common type; a cast of $1
 * that names no key), the statement stays as it was, and its parameters are
 * described as what they are.  That is found out by trying, in a
 * subtransaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parse_param.h"
#include "parser/parser.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_planner.h"
#include "sqlapi/fc_sqlapi.h"
#include "sqlapi/fc_wire.h"

/* parse_param.c's own, behind p_ref_hook_state; the same from 15 to 18. */
typedef struct VarParamState
{
	Oid		  **paramTypes;
	int		   *numParams;
} VarParamState;

/*---- Function declarations ----*/

static Oid	text_of(const FcWireOids *oids, Oid type);
static bool try_again(ParseState *pstate, VarParamState *params, Query *query);
static bool casts_without_key(Node *node, void *context);
static Query *analyse(ParseState *pstate, VarParamState *params);

bool
fc_wire_parameters(ParseState *pstate, Query *query)
{
	const FcWireOids *oids = fc_wire_oids();
	VarParamState *params = (VarParamState *) pstate->p_ref_hook_state;
	Oid		   *types;
	Oid		   *before;
	int			count;
	bool		found = false;

	if (oids == NULL || params == NULL)
		return false;
	count = *params->numParams;
	types = *params->paramTypes;
	for (int i = 0; i < count && !found; i++)
		found = OidIsValid(text_of(oids, types[i]));
	if (!found)
		return false;

	before = palloc(sizeof(Oid) * count);
	memcpy(before, types, sizeof(Oid) * count);
	for (int i = 0; i < count; i++)
	{
		if (OidIsValid(text_of(oids, before[i])))
			types[i] = text_of(oids, before[i]);
	}
	found = try_again(pstate, params, query);
	if (found)
		fc_mark_secret_params();
	else
		memcpy(types, before, sizeof(Oid) * count);
	pfree(before);
	return found;
}

static Oid
text_of(const FcWireOids *oids, Oid type)
{
	if (type < FirstNormalObjectId)
		return InvalidOid;
	type = getBaseType(type);
	if (type == oids->type)
		return TEXTOID;
	return type == oids->array_type ? TEXTARRAYOID : InvalidOid;
}

static bool
try_again(ParseState *pstate, VarParamState *params, Query *query)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Query	   *volatile again = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		again = analyse(pstate, params);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;

		/* types that do not go together; not a cancel, nor lack of memory */
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION)
			ReThrowError(error);
		FreeErrorData(error);
		again = NULL;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (again == NULL || casts_without_key((Node *) again, NULL))
		return false;
	again->stmt_location = query->stmt_location;
	again->stmt_len = query->stmt_len;
	*query = *again;
	return true;
}

/*
 * A cast of a text that names no key is an error when it runs; of a parameter
 * of the type itself it is none.
 */
static bool
casts_without_key(Node *node, void *context)
{
	const FcPlannerOids *oids = fc_planner_oids();

	if (node == NULL || oids == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, casts_without_key, context, 0);
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == oids->cast_text)
	{
		Const	   *typmod = lsecond(((FuncExpr *) node)->args);

		if (IsA(typmod, Const) && DatumGetInt32(typmod->constvalue) < 0)
			return true;
	}
	return expression_tree_walker(node, casts_without_key, context);
}

/* As parse_analyze_varparams() does; a Parse message holds one statement. */
static Query *
analyse(ParseState *pstate, VarParamState *params)
{
	List	   *statements = raw_parser(pstate->p_sourcetext, RAW_PARSE_DEFAULT);
	ParseState *again = make_parsestate(NULL);
	Query	   *query;

	again->p_sourcetext = pstate->p_sourcetext;
	again->p_queryEnv = pstate->p_queryEnv;
	setup_parse_variable_parameters(again, params->paramTypes, params->numParams);
	query = transformTopLevelStmt(again, linitial_node(RawStmt, statements));
	check_variable_parameters(again, query);
	free_parsestate(again);
	return query;
}
