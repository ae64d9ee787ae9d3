/*-------------------------------------------------------------------------
 *
 * fc_planner_forms.c
 *		Forms of comparison beside = and = ANY that ask the blind index.
 *
 * matches(column, x) is equality of tags and nothing more.
 *
 * lower(column) = x, upper(column) = x and column ILIKE x compare texts, which
 * the server folds otherwise than the tags are made.  What is asked of the
 * tags is what follows from the comparison: the tag is one of those of all
 * texts that are folded to x.  For some x they are not known, and then every
 * tag may be the one; where x is known only to the executor, an OR of two index
 * conditions serves both, and the one that does not apply finds nothing at
 * once.  The comparison stays, by an operator that is not rewritten again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_folded.h"
#include "sqlapi/fc_opened.h"
#include "sqlapi/fc_planner.h"
#include "sqlapi/fc_sqlapi.h"
#include "sqlapi/fc_valueio.h"

PG_FUNCTION_INFO_V1(fc_matches_support);

/*---- Function declarations ----*/

/* A comparison of a column's folded text. */
typedef struct FoldForm
{
	Node	   *column;
	Node	   *other;
	char		form;
	Oid			collation;		/* by which it is folded */
} FoldForm;

static Node *tag_condition(const FcPlannerOids *oids, Node *column, Node *other);
static bool find_fold(const FcPlannerOids *oids, const OpExpr *comparison, FoldForm *found);
static Node *folded_column(const FcPlannerOids *oids, Node *expr, FoldForm *found);
static Node *cast_column(const FcPlannerOids *oids, Node *expr);
static bool is_fixed(Node *expr);
static bool has_var(Node *node, void *context);
static Node *make_fold_condition(const FcPlannerOids *oids, const FoldForm *fold, int32 typmod);
static Node *make_listed(const FcPlannerOids *oids, const FoldForm *fold, int32 typmod);
static Node *make_unlisted(const FcPlannerOids *oids, const FoldForm *fold);
static text *constant_text(const FcPlannerOids *oids, Node *expr);
static Node *make_form(char form);

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

/*
 * fc_rewrite_list
 *		Where values and texts have no common type IN becomes an OR: as one
 *		= ANY it is one index condition.
 */
Node *
fc_rewrite_list(const FcPlannerOids *oids, BoolExpr *list)
{
	OpExpr	   *first = linitial(list->args);
	ScalarArrayOpExpr *any = makeNode(ScalarArrayOpExpr);
	ArrayExpr  *array = makeNode(ArrayExpr);
	ListCell   *cell;

	if (list->boolop != OR_EXPR || !IsA(first, OpExpr) ||
		(first->opno != oids->eq_text && first->opno != oids->eq_values) ||
		fc_searchable_typmod(oids, linitial(first->args)) < 0)
		return NULL;
	array->element_typeid = first->opno == oids->eq_text ? TEXTOID : oids->type;
	array->array_typeid = first->opno == oids->eq_text ? TEXTARRAYOID : oids->array_type;
	array->array_collid = first->inputcollid;
	array->location = -1;
	foreach(cell, list->args)
	{
		OpExpr	   *each = lfirst(cell);

		if (!IsA(each, OpExpr) || each->opno != first->opno ||
			each->inputcollid != first->inputcollid ||
			!equal(linitial(each->args), linitial(first->args)) ||
			exprType(lsecond(each->args)) != array->element_typeid ||
			!is_fixed(lsecond(each->args)))
			return NULL;
		array->elements = lappend(array->elements, copyObject(lsecond(each->args)));
	}

	any->opno = first->opno;
	any->opfuncid = get_opcode(any->opno);
	any->useOr = true;
	any->inputcollid = first->inputcollid;
	any->args = list_make2(copyObject(linitial(first->args)), array);
	any->location = -1;
	return fc_rewrite_any(oids, any);
}

bool
fc_is_fold(const FcPlannerOids *oids, const OpExpr *comparison)
{
	FoldForm	found;

	return find_fold(oids, comparison, &found);
}

Node *
fc_rewrite_fold(const FcPlannerOids *oids, OpExpr *comparison)
{
	FoldForm	fold;
	int32		typmod;
	Node	   *condition;
	OpExpr	   *recheck;

	if (!find_fold(oids, comparison, &fold))
		return NULL;
	typmod = fc_searchable_typmod(oids, fold.column);
	if (FC_TYPMOD_MODE(typmod) != FC_MODE_LOWER ||
		!OidIsValid(comparison->inputcollid) || !OidIsValid(fold.collation) ||
		!fc_collation_deterministic(comparison->inputcollid) ||
		!fc_collation_deterministic(fold.collation) || !is_fixed(fold.other))
		return NULL;
	condition = make_fold_condition(oids, &fold, typmod);
	if (condition == NULL)
		return NULL;

	recheck = copyObject(comparison);
	recheck->opno = fold.form == FC_FORM_ILIKE ? oids->same_ilike : oids->same_folded;
	recheck->opfuncid = get_opcode(recheck->opno);
	if (fold.form == FC_FORM_ILIKE)
		linitial(recheck->args) = copyObject(fold.column);
	linitial(recheck->args) = fc_hidden_text(oids, linitial(recheck->args));
	lsecond(recheck->args) = fc_hidden_text(oids, lsecond(recheck->args));
	return (Node *) makeBoolExpr(AND_EXPR, list_make2(condition, recheck), -1);
}

/* Of text = text and of ILIKE, those with the folded text of a searchable column. */
static bool
find_fold(const FcPlannerOids *oids, const OpExpr *comparison, FoldForm *found)
{
	Node	   *left;
	Node	   *right;

	if (comparison->opno != TextEqualOperator && comparison->opno != OID_TEXT_ICLIKE_OP &&
		comparison->opno != oids->ilike_text)
		return false;
	left = linitial(comparison->args);
	right = lsecond(comparison->args);
	found->other = right;
	if (comparison->opno == TextEqualOperator)
	{
		found->column = folded_column(oids, left, found);
		if (found->column == NULL)
		{
			found->column = folded_column(oids, right, found);
			found->other = left;
		}
		return found->column != NULL;
	}

	found->form = FC_FORM_ILIKE;
	found->collation = comparison->inputcollid;
	found->column = cast_column(oids, left);
	return found->column != NULL;
}

/* The column of lower(column) or upper(column), before or after inlining. */
static Node *
folded_column(const FcPlannerOids *oids, Node *expr, FoldForm *found)
{
	FuncExpr   *call = (FuncExpr *) expr;

	if (!IsA(expr, FuncExpr))
		return NULL;
	if (call->funcid == oids->lower_value || call->funcid == F_LOWER_TEXT)
		found->form = FC_FORM_LOWER;
	else if (call->funcid == oids->upper_value || call->funcid == F_UPPER_TEXT)
		found->form = FC_FORM_UPPER;
	else
		return NULL;
	found->collation = call->inputcollid;
	return cast_column(oids, linitial(call->args));
}

/* A searchable column, by itself or cast to text; else NULL. */
static Node *
cast_column(const FcPlannerOids *oids, Node *expr)
{
	while (IsA(expr, RelabelType) && exprType(expr) == TEXTOID)
		expr = (Node *) ((RelabelType *) expr)->arg;
	if (IsA(expr, FuncExpr) && ((FuncExpr *) expr)->funcid == oids->text_of_value)
		expr = linitial(((FuncExpr *) expr)->args);
	return fc_searchable_typmod(oids, expr) >= 0 ? expr : NULL;
}

/*
 * May the expression be evaluated as often as one likes, and once for all rows?
 * Where it is a join the other condition is one that hashes.
 */
static bool
is_fixed(Node *expr)
{
	return !contain_subplans(expr) && !has_var(expr, NULL) && !contain_volatile_functions(expr);
}

/* A Var of this or an outer query. */
static bool
has_var(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) || IsA(node, PlaceHolderVar))
		return true;
	return expression_tree_walker(node, has_var, context);
}

/*
 * make_fold_condition
 *		The tag is listed, or nothing is known of x; NULL if x is a constant of
 *		which nothing is known.
 */
static Node *
make_fold_condition(const FcPlannerOids *oids, const FoldForm *fold, int32 typmod)
{
	text	   *wanted = constant_text(oids, fold->other);
	FcFoldedText folded;
	bool		listed;

	if (IsA(fold->other, Const) && wanted == NULL)
		return NULL;			/* a null finds nothing anyway */
	if (wanted == NULL)
		return (Node *) makeBoolExpr(OR_EXPR,
									 list_make2(make_listed(oids, fold, typmod),
												make_unlisted(oids, fold)),
									 -1);
	listed = fc_folded_init(&folded, wanted, fold->form, fold->collation);
	fc_folded_done(&folded);
	return listed ? make_listed(oids, fold, typmod) : NULL;
}

/* blind_index(column) = ANY (blind_index_folded(x, typmod, form)) */
static Node *
make_listed(const FcPlannerOids *oids, const FoldForm *fold, int32 typmod)
{
	ScalarArrayOpExpr *any = makeNode(ScalarArrayOpExpr);
	List	   *args = list_make3(fc_hidden_text(oids, copyObject(fold->other)),
								  makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
											Int32GetDatum(typmod), false, true),
								  make_form(fold->form));

	/* as many tags as there are versions when it runs */
	fc_search_planned = true;
	any->opno = oids->uuid_eq;
	any->opfuncid = get_opcode(any->opno);
	any->useOr = true;
	any->args = list_make2(fc_make_blind_index(oids, fold->column),
						   makeFuncExpr(oids->folded, UUIDARRAYOID, args, InvalidOid,
										fold->collation, COERCE_EXPLICIT_CALL));
	any->location = -1;
	return (Node *) any;
}

/*
 * blind_index(column) BETWEEN blind_index_unlisted(x, form) AND the last uuid.
 * The upper end excludes nothing, but a range is estimated to be a small one.
 */
static Node *
make_unlisted(const FcPlannerOids *oids, const FoldForm *fold)
{
	pg_uuid_t  *last = palloc(sizeof(pg_uuid_t));
	List	   *args = list_make2(copyObject(fold->other), make_form(fold->form));
	Expr	   *least;
	Expr	   *most;

	memset(last, 0xff, sizeof(pg_uuid_t));
	least = make_opclause(oids->uuid_ge, BOOLOID, false,
						  fc_make_blind_index(oids, fold->column),
						  (Expr *) makeFuncExpr(oids->unlisted, UUIDOID, args, InvalidOid,
												fold->collation, COERCE_EXPLICIT_CALL),
						  InvalidOid, InvalidOid);
	most = make_opclause(oids->uuid_le, BOOLOID, false,
						 fc_make_blind_index(oids, fold->column),
						 (Expr *) makeConst(UUIDOID, -1, InvalidOid, UUID_LEN,
											UUIDPGetDatum(last), false, false),
						 InvalidOid, InvalidOid);
	return (Node *) makeBoolExpr(AND_EXPR, list_make2(least, most), -1);
}

/* The text of a constant, also of one that has been hidden; else NULL. */
static text *
constant_text(const FcPlannerOids *oids, Node *expr)
{
	Const	   *constant = (Const *) expr;
	struct varlena *value;

	if (IsA(expr, FuncExpr) && ((FuncExpr *) expr)->funcid == oids->text_of_value)
		constant = linitial(((FuncExpr *) expr)->args);
	if (!IsA(constant, Const) || constant->constisnull)
		return NULL;
	value = (struct varlena *) PG_DETOAST_DATUM_PACKED(constant->constvalue);
	if (constant->consttype == TEXTOID)
		return (text *) value;
	return constant->consttype == oids->type && fc_is_literal(value) ?
		fc_literal_text(value) : NULL;
}

static Node *
make_form(char form)
{
	return (Node *) makeConst(CHAROID, -1, InvalidOid, sizeof(char), CharGetDatum(form),
							  false, true);
}
