/*-------------------------------------------------------------------------
 *
 * fc_planner.c
 *		Equality on a searchable column asks the blind index.
 *
 * column = x becomes blind_index(column) = blind_index_as(x, typmod), an
 * equality of uuids that any index on the tags serves; with searchable
 * columns of one key and mode on both sides it becomes an equality of two
 * tags, for which nothing is opened.  Where equal tags do not mean equal
 * texts (every mode but exact) the texts are compared as well, by an operator
 * that is not rewritten again.
 *
 * While the index key is being rotated a column has tags of two versions.
 * Then a value's tags are asked for all at once, blind_index(column) = ANY
 * (blind_index_as(array[x], typmod)), and what stands against a column is
 * opened: tags of two versions cannot be compared, and an equality that is no
 * operator of two expressions would leave nested loops as the only join.
 *
 * The expressions must be what CREATE INDEX stored, node for node, or the
 * index is not recognised: the argument as it stands, the collation that the
 * parser gives the call.
 *
 * Constant texts become literals of the type, see fc_planner_literals.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "pg/fc_compat.h"
#include "pg/fc_guc.h"
#include "pg/fc_keyring.h"
#include "sqlapi/fc_opened.h"
#include "sqlapi/fc_planner.h"
#include "sqlapi/fc_sqlapi.h"

PG_FUNCTION_INFO_V1(fc_et_eq_support);
PG_FUNCTION_INFO_V1(fc_same_text_sel);
PG_FUNCTION_INFO_V1(fc_text_cast_support);

/*---- Function declarations ----*/

static bool load_oids(FcPlannerOids *oids, Oid type);
static bool load_fold_oids(FcPlannerOids *oids, Oid type);
static bool load_sort_oids(FcPlannerOids *oids, Oid type);
static Oid	find_function(const char *schema, const char *name, int nargs, Oid a, Oid b);
static Oid	find_function3(const char *schema, const char *name);
static Oid	find_operator(const char *schema, const char *name, Oid left, Oid right);
static Node *compare_literal(const FcPlannerOids *oids, Node *left, Node *right, Oid collation);
static Node *strip_casts(const FcPlannerOids *oids, Node *expr);
static Node *strip_array_casts(const FcPlannerOids *oids, Node *expr);
static Expr *make_tag_match(const FcPlannerOids *oids, Node *column, Node *other, int32 typmod);
static Expr *make_tag_any(const FcPlannerOids *oids, Node *column, Node *array, bool of_text,
						  int32 typmod);
static Expr *make_tag_equality(Expr *left, Expr *right);
static Expr *make_call(Oid function, Oid result, Node *argument, int32 typmod);
static Node *add_recheck(int32 typmod, Expr *tags, Expr *recheck);

/*
 * fc_planner_oids
 *		Looked up once per backend and extension: all of it goes and comes
 *		with the type.
 */
const FcPlannerOids *
fc_planner_oids(void)
{
	static FcPlannerOids oids;
	Oid			type = fc_type_oid();

	if (!OidIsValid(type))
		return NULL;
	if (oids.type != type)
	{
		FcPlannerOids found;

		if (!load_oids(&found, type))
			return NULL;
		oids = found;
	}
	return &oids;
}

static bool
load_oids(FcPlannerOids *oids, Oid type)
{
	const char *own = "fieldcrypt";
	const char *core = "pg_catalog";
	Oid			coerce[3] = {type, INT4OID, BOOLOID};
	List	   *cast_name = list_make2(makeString("pg_catalog"), makeString("encrypted_text"));

	oids->type = type;
	oids->array_type = get_array_type(type);
	oids->eq_values = find_operator(core, "=", type, type);
	oids->eq_text = find_operator(core, "=", type, TEXTOID);
	oids->same_values = find_operator(own, "#=#", type, type);
	oids->same_text = find_operator(own, "#=#", type, TEXTOID);
	oids->blind_index = find_function(own, "blind_index", 1, type, InvalidOid);
	oids->tag_of_text = find_function3(own, "blind_index");
	oids->tags_of_text = find_function3(own, "blind_indexes");
	oids->uuid_eq = find_operator(core, "=", UUIDOID, UUIDOID);
	oids->as_value = find_function(own, "blind_index_as", 2, type, INT4OID);
	oids->as_text = find_function(own, "blind_index_as", 2, TEXTOID, INT4OID);
	oids->as_values = find_function(own, "blind_index_as", 2, oids->array_type, INT4OID);
	oids->as_texts = find_function(own, "blind_index_as", 2, TEXTARRAYOID, INT4OID);
	oids->text_of_value = find_function(core, "text", 1, type, InvalidOid);
	oids->uuid_ge = find_operator(core, ">=", UUIDOID, UUIDOID);
	oids->uuid_le = find_operator(core, "<=", UUIDOID, UUIDOID);
	oids->cast_value = LookupFuncName(cast_name, 3, coerce, true);
	coerce[0] = TEXTOID;
	oids->cast_text = LookupFuncName(cast_name, 3, coerce, true);
	coerce[0] = VARCHAROID;
	oids->cast_varchar = LookupFuncName(cast_name, 3, coerce, true);
	coerce[0] = BPCHAROID;
	oids->cast_bpchar = LookupFuncName(cast_name, 3, coerce, true);

	/* a script may be half run, or an older one installed */
	return OidIsValid(oids->eq_values) && OidIsValid(oids->eq_text) &&
		OidIsValid(oids->same_values) && OidIsValid(oids->same_text) &&
		OidIsValid(oids->blind_index) && OidIsValid(oids->tag_of_text) &&
		OidIsValid(oids->tags_of_text) && OidIsValid(oids->as_value) &&
		OidIsValid(oids->as_text) && OidIsValid(oids->as_values) &&
		OidIsValid(oids->as_texts) && OidIsValid(oids->text_of_value) &&
		OidIsValid(oids->cast_value) && load_fold_oids(oids, type) && load_sort_oids(oids, type) &&
		OidIsValid(oids->cast_text) && OidIsValid(oids->cast_varchar) &&
		OidIsValid(oids->cast_bpchar);
}

/* lower(), upper() and ILIKE of a value, and what stands for them. */
static bool
load_sort_oids(FcPlannerOids *oids, Oid type)
{
	oids->lt_values = find_operator("pg_catalog", "<", type, type);
	oids->gt_values = find_operator("pg_catalog", ">", type, type);
	oids->sort_copy = find_function("fieldcrypt", "sort_copy", 1, type, InvalidOid);
	if (!OidIsValid(oids->sort_copy))
		return false;
	oids->copy_type = get_func_rettype(oids->sort_copy);
	oids->lt_copies = find_operator("fieldcrypt", "<", oids->copy_type, oids->copy_type);
	oids->gt_copies = find_operator("fieldcrypt", ">", oids->copy_type, oids->copy_type);
	return OidIsValid(oids->lt_values) && OidIsValid(oids->gt_values) &&
		OidIsValid(oids->lt_copies) && OidIsValid(oids->gt_copies);
}

static bool
load_fold_oids(FcPlannerOids *oids, Oid type)
{
	Oid			folded[3] = {TEXTOID, INT4OID, CHAROID};

	oids->lower_value = find_function("pg_catalog", "lower", 1, type, InvalidOid);
	oids->upper_value = find_function("pg_catalog", "upper", 1, type, InvalidOid);
	oids->ilike_text = find_operator("pg_catalog", "~~*", type, TEXTOID);
	oids->folded = LookupFuncName(list_make2(makeString("fieldcrypt"),
											 makeString("blind_index_folded")),
								  3, folded, true);
	oids->unlisted = find_function("fieldcrypt", "blind_index_unlisted", 2, TEXTOID, CHAROID);
	oids->same_folded = find_operator("fieldcrypt", "#==#", TEXTOID, TEXTOID);
	oids->same_ilike = find_operator("fieldcrypt", "#~~*#", type, TEXTOID);
	return OidIsValid(oids->lower_value) && OidIsValid(oids->upper_value) &&
		OidIsValid(oids->ilike_text) && OidIsValid(oids->folded) &&
		OidIsValid(oids->unlisted) && OidIsValid(oids->same_folded) &&
		OidIsValid(oids->same_ilike);
}

static Oid
find_function(const char *schema, const char *name, int nargs, Oid a, Oid b)
{
	Oid			types[2] = {a, b};

	return LookupFuncName(list_make2(makeString(pstrdup(schema)), makeString(pstrdup(name))),
						  nargs, types, true);
}

/* name(text, text, text) */
static Oid
find_function3(const char *schema, const char *name)
{
	Oid			types[3] = {TEXTOID, TEXTOID, TEXTOID};

	return LookupFuncName(list_make2(makeString(pstrdup(schema)), makeString(pstrdup(name))),
						  3, types, true);
}

static Oid
find_operator(const char *schema, const char *name, Oid left, Oid right)
{
	return OpernameGetOprid(list_make2(makeString(pstrdup(schema)), makeString(pstrdup(name))),
							left, right);
}

/*
 * fc_et_eq_support
 *		Support function of every = with an encrypted value.
 */
Datum
fc_et_eq_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	Node	   *result = NULL;

	if (IsA(request, SupportRequestSimplify))
	{
		FuncExpr   *call = ((SupportRequestSimplify *) request)->fcall;
		const FcPlannerOids *oids = fc_planner_oids();

		if (oids != NULL && list_length(call->args) == 2)
			result = fc_rewrite_equality(oids, (Node *) linitial(call->args),
										 (Node *) lsecond(call->args), call->inputcollid);
	}
	PG_RETURN_POINTER(result);
}

/*
 * fc_text_cast_support
 *		Support function of the cast from text: a constant becomes a literal,
 *		which is encrypted by the coercion instead.  Not armour: the cast takes
 *		or refuses that.
 */
Datum
fc_text_cast_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	const FcPlannerOids *oids;
	FuncExpr   *call;
	Node	   *literal;
	int32		typmod;
	text	   *plain;

	if (!IsA(request, SupportRequestSimplify) || (oids = fc_planner_oids()) == NULL)
		PG_RETURN_POINTER(NULL);
	call = ((SupportRequestSimplify *) request)->fcall;
	if (list_length(call->args) != 3 || !IsA(lsecond(call->args), Const))
		PG_RETURN_POINTER(NULL);
	literal = fc_literal_of_text(oids, (Node *) linitial(call->args));
	typmod = DatumGetInt32(((Const *) lsecond(call->args))->constvalue);
	if (literal == (Node *) linitial(call->args) || typmod < 0)
		PG_RETURN_POINTER(NULL);
	plain = DatumGetTextPP(((Const *) linitial(call->args))->constvalue);
	if (fc_armour_is(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain)))
		PG_RETURN_POINTER(NULL);

	call = copyObject(call);
	call->funcid = oids->cast_value;
	linitial(call->args) = literal;
	PG_RETURN_POINTER(call);
}

/* The tag has been counted; the comparison of texts hardly excludes more. */
Datum
fc_same_text_sel(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(1.0);
}

int32
fc_searchable_typmod(const FcPlannerOids *oids, Node *expr)
{
	int32		typmod;

	while (expr != NULL && IsA(expr, RelabelType))
		expr = (Node *) ((RelabelType *) expr)->arg;
	if (expr == NULL || !IsA(expr, Var))
		return -1;

	typmod = ((Var *) expr)->vartypmod;
	if (getBaseTypeAndTypmod(((Var *) expr)->vartype, &typmod) != oids->type)
		return -1;
	return typmod >= 0 && FC_TYPMOD_MODE(typmod) != FC_MODE_NONE ? typmod : -1;
}

/*
 * A COLLATE clause has become a RelabelType to the same type, and is no part
 * of an index expression; one from a domain to its base type is.
 */
Expr *
fc_make_blind_index(const FcPlannerOids *oids, Node *column)
{
	while (IsA(column, RelabelType) &&
		   exprType((Node *) ((RelabelType *) column)->arg) == oids->type)
		column = (Node *) ((RelabelType *) column)->arg;

	return (Expr *) makeFuncExpr(oids->blind_index, UUIDOID, list_make1(copyObject(column)),
								 InvalidOid, exprCollation(column), COERCE_EXPLICIT_CALL);
}

bool		fc_search_planned = false;

int
fc_search_versions(int32 typmod)
{
	uint16		versions[FC_INDEX_VERSIONS_MAX];
	const FcKey *key;

	fc_search_planned = true;
	key = fc_keyring_usable() ? fc_keyring_by_prefix(FC_TYPMOD_PREFIX(typmod)) : NULL;
	return key != NULL ? fc_keyring_index_versions(key, FC_INDEX_PLANNED, versions) : 1;
}

Node *
fc_rewrite_equality(const FcPlannerOids *oids, Node *left, Node *right, Oid collation)
{
	int32		typmod = fc_searchable_typmod(oids, left);
	int32		other = fc_searchable_typmod(oids, right);
	Expr	   *tags;
	bool		is_text = false;

	if (!OidIsValid(collation))
		return NULL;
	if ((typmod < 0 && other < 0) || !fc_collation_deterministic(collation))
		return compare_literal(oids, left, right, collation);

	/* the column first */
	if (typmod < 0)
	{
		Node	   *swap = left;

		left = right;
		right = swap;
		typmod = other;
		other = -1;
	}

	if (typmod == other)
	{
		if (fc_search_versions(typmod) > 1)
			return NULL;
		tags = make_tag_equality(fc_make_blind_index(oids, left),
								 fc_make_blind_index(oids, right));
	}
	else
	{
		right = fc_literal_of_text(oids, strip_casts(oids, right));
		is_text = exprType(right) == TEXTOID;
		if (!is_text && getBaseType(exprType(right)) != oids->type)
			return NULL;
		tags = make_tag_match(oids, left, right, typmod);
		if (tags == NULL)
			return NULL;
	}

	return add_recheck(typmod, tags,
					   make_opclause(is_text ? oids->same_text : oids->same_values,
									 BOOLOID, false, (Expr *) copyObject(left),
									 (Expr *) copyObject(right), InvalidOid, collation));
}

/* The comparison with a text that is a constant, or NULL if neither side is one. */
static Node *
compare_literal(const FcPlannerOids *oids, Node *left, Node *right, Oid collation)
{
	Node	   *a = fc_literal_of_text(oids, left);
	Node	   *b = fc_literal_of_text(oids, right);

	if (a == left && b == right)
		return NULL;
	return (Node *) make_opclause(oids->eq_values, BOOLOID, false,
								  (Expr *) copyObject(a), (Expr *) copyObject(b),
								  InvalidOid, collation);
}

Node *
fc_rewrite_any(const FcPlannerOids *oids, ScalarArrayOpExpr *any)
{
	Node	   *left = (Node *) linitial(any->args);
	Node	   *array = (Node *) lsecond(any->args);
	int32		typmod;
	Oid			element;
	Expr	   *tags;
	ScalarArrayOpExpr *recheck;

	if (!any->useOr || (any->opno != oids->eq_values && any->opno != oids->eq_text))
		return NULL;
	typmod = fc_searchable_typmod(oids, left);
	if (typmod < 0 || !OidIsValid(any->inputcollid) ||
		!fc_collation_deterministic(any->inputcollid))
		return NULL;

	array = fc_literals_of_texts(oids, strip_array_casts(oids, array));
	element = get_element_type(getBaseType(exprType(array)));
	if (element != oids->type && element != TEXTOID)
		return NULL;

	tags = make_tag_any(oids, left, array, element == TEXTOID, typmod);

	recheck = copyObject(any);
	recheck->opno = element == TEXTOID ? oids->same_text : oids->same_values;
	recheck->opfuncid = get_opcode(recheck->opno);
	lsecond(recheck->args) = copyObject(array);
	return add_recheck(typmod, tags, (Expr *) recheck);
}

/*
 * strip_casts
 *		A cast into the type encrypts, is volatile, and would keep the index
 *		from being used; what it encrypts is what is looked for.  Not where
 *		the cast may take armour: that is no text.
 */
static Node *
strip_casts(const FcPlannerOids *oids, Node *expr)
{
	while (IsA(expr, FuncExpr))
	{
		FuncExpr   *call = (FuncExpr *) expr;

		if (call->funcid == oids->cast_value)
			expr = (Node *) linitial(call->args);
		else if (fc_guc_input != FC_INPUT_PLAINTEXT)
			break;
		else if (call->funcid == oids->cast_text)
			return (Node *) linitial(call->args);
		else if (call->funcid == oids->cast_varchar)
			return (Node *) makeRelabelType((Expr *) linitial(call->args), TEXTOID, -1,
											exprCollation((Node *) linitial(call->args)),
											COERCE_IMPLICIT_CAST);
		else if (call->funcid == oids->cast_bpchar)
			return (Node *) makeFuncExpr(F_TEXT_BPCHAR, TEXTOID, list_make1(linitial(call->args)),
										 exprCollation((Node *) linitial(call->args)),
										 exprCollation((Node *) linitial(call->args)),
										 COERCE_IMPLICIT_CAST);
		else
			break;
	}
	return expr;
}

/* strip_casts for arrays: text[]::encrypted_text('key')[] and the like. */
static Node *
strip_array_casts(const FcPlannerOids *oids, Node *expr)
{
	while (IsA(expr, ArrayCoerceExpr))
	{
		ArrayCoerceExpr *coerce = (ArrayCoerceExpr *) expr;
		Oid			function = IsA(coerce->elemexpr, FuncExpr) ?
			((FuncExpr *) coerce->elemexpr)->funcid : InvalidOid;

		if (function == oids->cast_value ||
			(function == oids->cast_text && fc_guc_input == FC_INPUT_PLAINTEXT))
			expr = (Node *) coerce->arg;
		else
			break;
	}
	return expr;
}

/*
 * make_tag_match
 *		The tags of what a text or value finds in a column; NULL if the
 *		comparison has to open what it compares.
 */
static Expr *
make_tag_match(const FcPlannerOids *oids, Node *column, Node *other, int32 typmod)
{
	bool		is_text = exprType(other) == TEXTOID;
	ArrayExpr  *array;

	if (fc_search_versions(typmod) <= 1)
		return make_tag_equality(fc_make_blind_index(oids, column),
								 make_call(is_text ? oids->as_text : oids->as_value,
										   UUIDOID, other, typmod));
	if (contain_var_clause(other))
		return NULL;

	array = makeNode(ArrayExpr);
	array->element_typeid = is_text ? TEXTOID : oids->type;
	array->array_typeid = is_text ? TEXTARRAYOID : oids->array_type;
	array->array_collid = exprCollation(other);
	if (exprType(other) != array->element_typeid)
		other = (Node *) makeRelabelType((Expr *) copyObject(other), oids->type, -1,
										 exprCollation(other), COERCE_IMPLICIT_CAST);
	array->elements = list_make1(copyObject(other));
	array->location = -1;
	return make_tag_any(oids, column, (Node *) array, is_text, typmod);
}

/* blind_index(column) = ANY (blind_index_as(array, typmod)) */
static Expr *
make_tag_any(const FcPlannerOids *oids, Node *column, Node *array, bool of_text, int32 typmod)
{
	ScalarArrayOpExpr *tags = makeNode(ScalarArrayOpExpr);

	/* as many tags as there are versions when it runs */
	fc_search_planned = true;
	tags->opno = oids->uuid_eq;
	tags->opfuncid = get_opcode(tags->opno);
	tags->useOr = true;
	tags->args = list_make2(fc_make_blind_index(oids, column),
							make_call(of_text ? oids->as_texts : oids->as_values,
									  UUIDARRAYOID, array, typmod));
	tags->location = -1;
	return (Expr *) tags;
}

/* The versions of the key that a call of blind_index() names; 2 where it is not known. */
static int
versions_of_call(FuncExpr *call)
{
	Const	   *key = lsecond(call->args);
	uint32		prefix;

	if (!IsA(key, Const) || key->constisnull)
		return 2;
	if (fc_key_prefix(VARDATA_ANY(DatumGetPointer(key->constvalue)),
					  VARSIZE_ANY_EXHDR(DatumGetPointer(key->constvalue)), &prefix) != FC_OK)
		return 2;
	return fc_search_versions(FC_TYPMOD_MAKE(prefix, FC_MODE_EXACT));
}

Node *
fc_rewrite_tag_of_text(const FcPlannerOids *oids, OpExpr *equality)
{
	Node	   *tag = linitial(equality->args);
	FuncExpr   *call = lsecond(equality->args);
	ScalarArrayOpExpr *result;

	if (equality->opno != oids->uuid_eq)
		return NULL;
	if (IsA(tag, FuncExpr) && ((FuncExpr *) tag)->funcid == oids->tag_of_text)
	{
		tag = lsecond(equality->args);
		call = linitial(equality->args);
	}
	if (!IsA(call, FuncExpr) || call->funcid != oids->tag_of_text)
		return NULL;
	fc_search_planned = true;
	if (versions_of_call(call) <= 1)
		return NULL;

	call = copyObject(call);
	call->funcid = oids->tags_of_text;
	call->funcresulttype = UUIDARRAYOID;
	result = makeNode(ScalarArrayOpExpr);
	result->opno = oids->uuid_eq;
	result->opfuncid = get_opcode(result->opno);
	result->useOr = true;
	result->args = list_make2(copyObject(tag), call);
	result->location = -1;
	return (Node *) result;
}

static Expr *
make_tag_equality(Expr *left, Expr *right)
{
	Oid			uuid_eq = find_operator("pg_catalog", "=", UUIDOID, UUIDOID);

	return make_opclause(uuid_eq, BOOLOID, false, left, right, InvalidOid, InvalidOid);
}

/* function(argument, typmod) */
static Expr *
make_call(Oid function, Oid result, Node *argument, int32 typmod)
{
	Const	   *modifier = makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
									 Int32GetDatum(typmod), false, true);

	return (Expr *) makeFuncExpr(function, result,
								 list_make2(copyObject(argument), modifier),
								 InvalidOid, exprCollation(argument), COERCE_EXPLICIT_CALL);
}

static Node *
add_recheck(int32 typmod, Expr *tags, Expr *recheck)
{
	if (FC_TYPMOD_MODE(typmod) == FC_MODE_EXACT)
		return (Node *) tags;
	return (Node *) makeBoolExpr(AND_EXPR, list_make2(tags, recheck), -1);
}
