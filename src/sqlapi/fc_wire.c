/*-------------------------------------------------------------------------
 *
 * fc_wire.c
 *		On the wire the type is text (fieldcrypt.describe_as).
 *
 * Half of the drivers cannot read a type that they do not know.  So the
 * statements that a client sends have their output columns, and the
 * parameters that the client left undeclared, described as text.  Nothing
 * else is touched: not a view, not what a function or procedure runs, not
 * COPY, not what is stored by CREATE TABLE AS.
 *
 * post_parse_analyze_hook sees all of these alike.  What a client sent is
 * told by the text being analysed: it is the string that the server works on,
 * the pointer itself, while every function brings a string of its own.
 *
 * Plain columns are relabelled as wire_value; other output is wrapped into
 * to_wire(), see fc_wire_type.c.  Sorting and grouping stay with the encrypted
 * value, which becomes a column of its own that the client does not get; in
 * such a query all is wrapped, since to_wire() is computed above a sort, while
 * a relabelled column would go through it beside the value, or as its key.
 * DISTINCT and set operations compare all columns, so there all this is done in
 * a query around the statement; in grouping sets as well, where PostgreSQL
 * before 18 takes two grouped columns for one that come from the same column,
 * if they stand inside a call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "commands/prepare.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parse_relation.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"

#include "pg/fc_compat.h"
#include "pg/fc_guc.h"
#include "sqlapi/fc_hooks.h"
#include "sqlapi/fc_sqlapi.h"
#include "sqlapi/fc_wire.h"

/*---- Local variables ----*/

static post_parse_analyze_hook_type prev_post_parse_analyze = NULL;

/*---- Function declarations ----*/

static void describe(ParseState *pstate, Query *query, JumbleState *jstate);
static Query *shown_query(Query *query);
static void describe_columns(Query *query, const FcWireOids *oids);
static bool for_client(const ParseState *pstate);
static bool sent_by_client(const char *text);
static const PreparedStatement *executed(const ParseState *pstate);
static bool described_as_text(const PreparedStatement *prepared);
static bool has_encrypted(List *targets, bool keys, const FcWireOids *oids);
static Expr *wire_expression(Expr *expr, bool relabels, const FcWireOids *oids);
static void wire_targets(List **targets, const FcWireOids *oids);
static void put_query_around(Query *query);
static bool raise_cte_references(Node *node, void *context);

void
fc_wire_init(void)
{
	prev_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = describe;
}

static void
describe(ParseState *pstate, Query *query, JumbleState *jstate)
{
	bool		wanted = shown_query(query) != NULL && for_client(pstate);

	/* other hooks get the statement that is analysed again as their own */
	if (wanted && pstate->p_coerce_param_hook != NULL && fc_statement_depth() == 0 &&
		fc_wire_parameters(pstate, query) && IsQueryIdEnabled())
		jstate = fc_jumble_query(query, pstate->p_sourcetext);

	if (prev_post_parse_analyze)
		prev_post_parse_analyze(pstate, query, jstate);

	if (wanted && fc_wire_oids() != NULL)
		describe_columns(shown_query(query), fc_wire_oids());
}

/*
 * The query whose rows the client gets, now or by FETCH.  That of a cursor is
 * part of the command; only PostgreSQL 18 brings it to the hook by itself.
 */
static Query *
shown_query(Query *query)
{
	if (query->commandType != CMD_UTILITY)
		return query;
	if (IsA(query->utilityStmt, DeclareCursorStmt))
		return castNode(Query, ((DeclareCursorStmt *) query->utilityStmt)->query);
	return NULL;
}

static void
describe_columns(Query *query, const FcWireOids *oids)
{
	if (query->commandType != CMD_SELECT)
		wire_targets(&query->returningList, oids);
	else if (has_encrypted(query->targetList, false, oids))
	{
		if (query->setOperations != NULL || query->distinctClause != NIL ||
			query->groupingSets != NIL)
			put_query_around(query);
		wire_targets(&query->targetList, oids);
	}
}

/* ---- which statements ---- */

/*
 * for_client
 *		Is this a statement whose result goes to the client, and is it to be
 *		described as text?  A prepared statement that is analysed again stays
 *		as it was where that can be known: its columns may not change.
 */
static bool
for_client(const ParseState *pstate)
{
	const PreparedStatement *prepared;

	if (whereToSendOutput != DestRemote || pstate->p_sourcetext == NULL)
		return false;

	prepared = executed(pstate);
	if (prepared != NULL)
		return described_as_text(prepared);
	return fc_guc_describe_as == FC_DESCRIBE_TEXT && sent_by_client(pstate->p_sourcetext);
}

static bool
sent_by_client(const char *text)
{
	switch (fc_statement_depth())
	{
		case 0:

			/*
			 * A Describe message may have its statement analysed again, and
			 * has no text.  Neither have a deferred trigger at Sync and a
			 * function called without SQL, but these come through SPI.
			 */
			if (debug_query_string == NULL)
				return error_context_stack == NULL && fc_trigger_depth() == 0;
			return text == debug_query_string;
		case 1:
			return text == debug_query_string && fc_utility_tag() == T_PrepareStmt;
		default:
			return false;
	}
}

/* The prepared statement that EXECUTE has analysed again, or NULL. */
static const PreparedStatement *
executed(const ParseState *pstate)
{
	const ExecuteStmt *stmt = fc_utility_execute();
	const PreparedStatement *prepared;

	if (stmt == NULL)
		return NULL;
	prepared = FetchPreparedStatement(stmt->name, false);
	if (prepared == NULL || prepared->plansource->query_string != pstate->p_sourcetext)
		return NULL;
	return prepared;
}

static bool
described_as_text(const PreparedStatement *prepared)
{
	TupleDesc	columns = prepared->plansource->resultDesc;

	for (int i = 0; columns != NULL && i < columns->natts; i++)
	{
		if (fc_wire_is(TupleDescAttr(columns, i)->atttypid))
			return true;
	}
	return false;
}

/* ---- output columns ---- */

/* The expression as the client is to get it; NULL if it stays. */
static Expr *
wire_expression(Expr *expr, bool relabels, const FcWireOids *oids)
{
	Oid			type = exprType((Node *) expr);
	int32		typmod = exprTypmod((Node *) expr);
	Oid			collation;
	Oid			base;
	bool		array = false;

	/* nothing built in is made of the type */
	if (type < FirstNormalObjectId)
		return NULL;
	base = getBaseTypeAndTypmod(type, &typmod);
	if (base != oids->type)
	{
		Oid			element = get_element_type(base);

		if (!OidIsValid(element) || getBaseType(element) != oids->type)
			return NULL;
		array = true;
	}

	collation = exprCollation((Node *) expr);

	/* a column of a named key holds no literals */
	if (relabels && !array && typmod >= 0 && IsA(expr, Var))
		return (Expr *) makeRelabelType(expr, oids->value, -1, collation, COERCE_IMPLICIT_CAST);

	base = array ? oids->array_type : oids->type;
	if (type != base)
		expr = (Expr *) makeRelabelType(expr, base, -1, collation, COERCE_IMPLICIT_CAST);
	return (Expr *) makeFuncExpr(array ? oids->to_text_array : oids->to_text,
								 array ? oids->text_array : oids->text,
								 list_make1(expr), collation, collation,
								 COERCE_EXPLICIT_CALL);
}

/* Is one of the columns encrypted, or (keys) one that is sorted or grouped by? */
static bool
has_encrypted(List *targets, bool keys, const FcWireOids *oids)
{
	ListCell   *cell;

	foreach(cell, targets)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);

		if ((keys ? target->ressortgroupref != 0 : !target->resjunk) &&
			wire_expression(target->expr, true, oids) != NULL)
			return true;
	}
	return false;
}

static void
wire_targets(List **targets, const FcWireOids *oids)
{
	int			count = list_length(*targets);
	bool		relabels = !has_encrypted(*targets, true, oids);
	List	   *keys = NIL;
	ListCell   *cell;

	foreach(cell, *targets)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		Expr	   *wire;

		if (target->resjunk)
			continue;
		wire = wire_expression(target->expr, relabels, oids);
		if (wire == NULL)
			continue;
		if (target->ressortgroupref != 0)
		{
			TargetEntry *key = makeTargetEntry(copyObject(target->expr), ++count, NULL, true);

			key->ressortgroupref = target->ressortgroupref;
			target->ressortgroupref = 0;
			keys = lappend(keys, key);
		}
		target->expr = wire;
	}
	*targets = list_concat(*targets, keys);
}

/*
 * put_query_around
 *		Make the statement SELECT * FROM (statement).  WITH comes along to the
 *		outside, where it must stand if it modifies data.
 */
static void
put_query_around(Query *query)
{
	Query	   *inner = makeNode(Query);
	ParseState *pstate = make_parsestate(NULL);
	RangeTblRef *from = makeNode(RangeTblRef);
	int			depth = 0;
	ListCell   *cell;

	*inner = *query;
	memset(query, 0, sizeof(Query));
	query->type = T_Query;
	query->commandType = CMD_SELECT;
	query->querySource = inner->querySource;
	query->queryId = inner->queryId;
	query->canSetTag = inner->canSetTag;
	query->stmt_location = inner->stmt_location;
	query->stmt_len = inner->stmt_len;

	query->cteList = inner->cteList;
	query->hasRecursive = inner->hasRecursive;
	query->hasModifyingCTE = inner->hasModifyingCTE;
	inner->cteList = NIL;
	inner->hasRecursive = false;
	inner->hasModifyingCTE = false;
	inner->queryId = 0;
	(void) query_tree_walker(inner, raise_cte_references, &depth, QTW_EXAMINE_RTES_BEFORE);

	(void) addRangeTableEntryForSubquery(pstate, inner, makeAlias("statement", NIL), false, true);
	query->rtable = pstate->p_rtable;
	from->rtindex = 1;
	query->jointree = makeFromExpr(list_make1(from), NULL);
	free_parsestate(pstate);

	foreach(cell, inner->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);
		TargetEntry *outer;

		if (target->resjunk)
			continue;
		outer = makeTargetEntry((Expr *) makeVarFromTargetEntry(1, target),
								list_length(query->targetList) + 1, target->resname, false);
		outer->resorigtbl = target->resorigtbl;
		outer->resorigcol = target->resorigcol;
		query->targetList = lappend(query->targetList, outer);
	}
}

/* References to the statement's WITH pass one query more; context: depth. */
static bool
raise_cte_references(Node *node, void *context)
{
	int		   *depth = (int *) context;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_CTE && rte->ctelevelsup == *depth)
			rte->ctelevelsup++;
		return false;
	}
	if (IsA(node, Query))
	{
		(*depth)++;
		(void) query_tree_walker((Query *) node, raise_cte_references, context,
								 QTW_EXAMINE_RTES_BEFORE);
		(*depth)--;
		return false;
	}
	return expression_tree_walker(node, raise_cte_references, context);
}
