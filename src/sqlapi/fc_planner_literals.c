/*-------------------------------------------------------------------------
 *
 * fc_planner_literals.c
 *		Texts in plans: what is compared with an encrypted value is a secret
 *		as well.
 *
 * A constant text, as parameters are in custom plans, becomes a literal of
 * the type, which auto_explain prints as '***'.  Comparisons have operators
 * for two values.  LIKE and regular expressions take a text, so there it
 * becomes a literal that is cast back to text, which costs a copy per row; the
 * cast is not immutable, so it stays in the plan, and estimates see through
 * it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_planner.h"
#include "sqlapi/fc_sqlapi.h"

PG_FUNCTION_INFO_V1(fc_literal_support);

/* An operator between an encrypted value and a text. */
typedef struct FcTextOperator
{
	Oid			function;
	Oid			operator;
	Oid			of_values;		/* the same between two values, or InvalidOid */
} FcTextOperator;

#define MAX_OPERATORS 24

/*---- Function declarations ----*/

static const FcTextOperator *find_text_operator(const FcPlannerOids *oids, Oid function,
												Oid operator);
static Node *hide_in_operator(const FcPlannerOids *oids, FuncExpr *call,
							  const FcTextOperator *operator);
static Node *hide_in_call(const FcPlannerOids *oids, FuncExpr *call);
static Node *text_of_literal(const FcPlannerOids *oids, Node *literal);
static Node *texts_of_literals(const FcPlannerOids *oids, Node *literals);
static Node *constant_array(Node *array);

/*
 * fc_literal_support
 *		Support function of the operators between values and texts, and of
 *		functions that take a text to look for.
 */
Datum
fc_literal_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	const FcPlannerOids *oids;
	const FcTextOperator *operator;
	FuncExpr   *call;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	oids = fc_planner_oids();
	if (oids == NULL)
		PG_RETURN_POINTER(NULL);
	call = ((SupportRequestSimplify *) request)->fcall;
	operator = find_text_operator(oids, call->funcid, InvalidOid);
	if (operator != NULL && list_length(call->args) == 2)
		PG_RETURN_POINTER(hide_in_operator(oids, call, operator));
	PG_RETURN_POINTER(hide_in_call(oids, call));
}

/* A constant text as a literal of the type; anything else as it is. */
Node *
fc_literal_of_text(const FcPlannerOids *oids, Node *expr)
{
	Const	   *constant = (Const *) expr;
	text	   *plain;

	if (!IsA(expr, Const) || constant->consttype != TEXTOID || constant->constisnull)
		return expr;
	plain = DatumGetTextPP(constant->constvalue);
	return (Node *) makeConst(oids->type, -1, constant->constcollid, -1,
							  PointerGetDatum(fc_make_literal(VARDATA_ANY(plain),
															  VARSIZE_ANY_EXHDR(plain))),
							  false, false);
}

Node *
fc_hidden_text(const FcPlannerOids *oids, Node *expr)
{
	Node	   *literal = fc_literal_of_text(oids, expr);

	return literal == expr ? expr : text_of_literal(oids, literal);
}

/* The same for arrays of them. */
Node *
fc_literals_of_texts(const FcPlannerOids *oids, Node *expr)
{
	Const	   *constant = (Const *) constant_array(expr);
	ArrayType  *array;
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	if (constant == NULL)
		return expr;
	array = DatumGetArrayTypeP(constant->constvalue);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		text	   *plain;

		if (nulls[i])
			continue;
		plain = DatumGetTextPP(elements[i]);
		elements[i] = PointerGetDatum(fc_make_literal(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain)));
	}
	array = construct_md_array(elements, nulls, ARR_NDIM(array), ARR_DIMS(array), ARR_LBOUND(array),
							   oids->type, -1, false, TYPALIGN_INT);
	return (Node *) makeConst(oids->array_type, -1, constant->constcollid, -1,
							  PointerGetDatum(array), false, false);
}

bool
fc_shows_texts(const FcPlannerOids *oids, ScalarArrayOpExpr *any)
{
	return constant_array(lsecond(any->args)) != NULL &&
		find_text_operator(oids, InvalidOid, any->opno) != NULL;
}

Node *
fc_hide_texts(const FcPlannerOids *oids, ScalarArrayOpExpr *any)
{
	const FcTextOperator *operator = find_text_operator(oids, InvalidOid, any->opno);
	ScalarArrayOpExpr *result = copyObject(any);
	Node	   *literals = fc_literals_of_texts(oids, lsecond(result->args));

	if (OidIsValid(operator->of_values))
	{
		result->opno = operator->of_values;
		result->opfuncid = get_opcode(operator->of_values);
	}
	else
		literals = texts_of_literals(oids, literals);
	lsecond(result->args) = literals;
	return (Node *) result;
}

/* Looked up once per backend and extension, as fc_planner_oids() is. */
static const FcTextOperator *
find_text_operator(const FcPlannerOids *oids, Oid function, Oid operator)
{
	static const char *const names[] = {"=", "<>", "<", "<=", ">", ">="};
	static const char *const patterns[] = {"~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*"};
	static FcTextOperator operators[MAX_OPERATORS];
	static int	count;
	static Oid	type = InvalidOid;

	if (type != oids->type)
	{
		int			n = 0;

		for (int i = 0; i < lengthof(names); i++)
		{
			List	   *name = list_make2(makeString("pg_catalog"), makeString(pstrdup(names[i])));
			Oid			values = OpernameGetOprid(name, oids->type, oids->type);

			operators[n].of_values = operators[n + 1].of_values = values;
			operators[n++].operator = OpernameGetOprid(name, oids->type, TEXTOID);
			operators[n++].operator = OpernameGetOprid(name, TEXTOID, oids->type);
		}
		for (int i = 0; i < lengthof(patterns); i++)
		{
			List	   *name = list_make2(makeString("pg_catalog"), makeString(pstrdup(patterns[i])));

			operators[n].of_values = InvalidOid;
			operators[n++].operator = OpernameGetOprid(name, oids->type, TEXTOID);
		}
		operators[n].of_values = oids->same_values;
		operators[n++].operator = oids->same_text;
		operators[n].of_values = operators[n + 1].of_values = InvalidOid;
		operators[n++].operator = oids->same_folded;
		operators[n++].operator = oids->same_ilike;
		for (int i = 0; i < n; i++)
			operators[i].function = get_opcode(operators[i].operator);
		count = n;
		type = oids->type;
	}

	for (int i = 0; i < count; i++)
	{
		if (OidIsValid(function) ? operators[i].function == function :
			operators[i].operator == operator)
			return &operators[i];
	}
	return NULL;
}

static Node *
hide_in_operator(const FcPlannerOids *oids, FuncExpr *call, const FcTextOperator *operator)
{
	Node	   *left = linitial(call->args);
	Node	   *right = lsecond(call->args);
	Node	   *a = fc_literal_of_text(oids, left);
	Node	   *b = fc_literal_of_text(oids, right);
	Oid			use = operator->of_values;

	if (a == left && b == right)
		return NULL;
	if (!OidIsValid(use))
	{
		use = operator->operator;
		a = fc_hidden_text(oids, left);
		b = fc_hidden_text(oids, right);
	}
	return (Node *) make_opclause(use, BOOLOID, false, (Expr *) copyObject(a),
								  (Expr *) copyObject(b), InvalidOid, call->inputcollid);
}

/* Its first text, or array of texts, that is a constant. */
static Node *
hide_in_call(const FcPlannerOids *oids, FuncExpr *call)
{
	FuncExpr   *result = copyObject(call);
	ListCell   *cell;

	foreach(cell, result->args)
	{
		Node	   *argument = lfirst(cell);
		Node	   *literal = fc_literal_of_text(oids, argument);

		if (literal != argument)
		{
			lfirst(cell) = text_of_literal(oids, literal);
			return (Node *) result;
		}
		literal = fc_literals_of_texts(oids, argument);
		if (literal != argument)
		{
			lfirst(cell) = texts_of_literals(oids, literal);
			return (Node *) result;
		}
	}
	return NULL;
}

static Node *
text_of_literal(const FcPlannerOids *oids, Node *literal)
{
	return (Node *) makeFuncExpr(oids->text_of_value, TEXTOID, list_make1(literal),
								 exprCollation(literal), exprCollation(literal),
								 COERCE_EXPLICIT_CAST);
}

static Node *
texts_of_literals(const FcPlannerOids *oids, Node *literals)
{
	ArrayCoerceExpr *coerce = makeNode(ArrayCoerceExpr);
	CaseTestExpr *element = makeNode(CaseTestExpr);

	element->typeId = oids->type;
	element->typeMod = -1;
	element->collation = exprCollation(literals);
	coerce->arg = (Expr *) literals;
	coerce->elemexpr = (Expr *) text_of_literal(oids, (Node *) element);
	coerce->resulttype = TEXTARRAYOID;
	coerce->resulttypmod = -1;
	coerce->resultcollid = exprCollation(literals);
	coerce->coerceformat = COERCE_EXPLICIT_CAST;
	coerce->location = -1;
	return (Node *) coerce;
}

/*
 * The array of texts if it is a constant, or a list of constants that the
 * planner has not folded yet; else NULL.
 */
static Node *
constant_array(Node *array)
{
	ArrayExpr  *list = (ArrayExpr *) array;
	ListCell   *cell;
	Datum	   *elements;
	bool	   *nulls;
	int			dims[1];
	int			lbs[1] = {1};
	int			i = 0;

	if (IsA(array, Const))
		return ((Const *) array)->consttype == TEXTARRAYOID && !((Const *) array)->constisnull ?
			array : NULL;
	if (!IsA(array, ArrayExpr) || list->array_typeid != TEXTARRAYOID || list->multidims)
		return NULL;

	dims[0] = list_length(list->elements);
	elements = palloc(sizeof(Datum) * (dims[0] + 1));
	nulls = palloc(sizeof(bool) * (dims[0] + 1));
	foreach(cell, list->elements)
	{
		Const	   *element = lfirst(cell);

		if (!IsA(element, Const) || element->consttype != TEXTOID)
			return NULL;
		elements[i] = element->constvalue;
		nulls[i++] = element->constisnull;
	}
	return (Node *) makeConst(TEXTARRAYOID, -1, list->array_collid, -1,
							  PointerGetDatum(construct_md_array(elements, nulls, dims[0] > 0, dims, lbs,
																 TEXTOID, -1, false, TYPALIGN_INT)),
							  false, false);
}
