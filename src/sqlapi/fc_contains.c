/*-------------------------------------------------------------------------
 *
 * fc_contains.c
 *		Where encrypted_text hides: in types and in expressions.
 *
 * The support functions of arrays, records and ranges call those of their
 * elements, and are IMMUTABLE whatever the elements' are.  So every rule
 * about the type is a rule about every type that contains it.
 *
 * Hooks run before the command counter moves on; attributes and types that
 * the command itself has written are read under SnapshotSelf.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "pg/fc_keyring.h"
#include "sqlapi/fc_hooks.h"

/* What the expression walker looks for. */
typedef struct FcExprSearch
{
	Oid			blind_index;	/* fieldcrypt.blind_index(encrypted_text) */
} FcExprSearch;

/*---- Function declarations ----*/

static FcContent type_content(Oid type, int32 typmod, Oid target);
static FcContent composite_content(Oid relation, Oid target);
static Oid	blind_index_oid(void);
static bool opens_top(Node *expr, FcExprSearch *search);
static bool opens_walker(Node *node, void *context);
static Node *harmless_argument(Node *node, const FcExprSearch *search);
static bool is_bare(Node *node, FcExprSearch *search);
static bool yields_value(Node *node);

FcContent
fc_type_content(Oid type, int32 typmod)
{
	Oid			target;

	/* the type is made by an extension, so nothing built in contains it */
	if (type < FirstNormalObjectId)
		return FC_CONTENT_NONE;
	target = fc_type_oid();
	if (!OidIsValid(target))
		return FC_CONTENT_NONE;
	return type_content(type, typmod, target);
}

bool
fc_type_contains(Oid type)
{
	return fc_type_content(type, -1) != FC_CONTENT_NONE;
}

bool
fc_relation_contains(Oid relation)
{
	Oid			target = fc_type_oid();

	return OidIsValid(target) && relation >= FirstNormalObjectId &&
		composite_content(relation, target) != FC_CONTENT_NONE;
}

const char *
fc_type_label(Oid type)
{
	static const char catalog[] = "pg_catalog.";
	const char *label = format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY);

	if (strncmp(label, catalog, sizeof(catalog) - 1) == 0)
		label += sizeof(catalog) - 1;
	return label;
}

bool
fc_type_is_direct(Oid type)
{
	return type >= FirstNormalObjectId && getBaseType(type) == fc_type_oid();
}

bool
fc_expr_opens(Node *expr)
{
	FcExprSearch search;
	ListCell   *cell;

	search.blind_index = blind_index_oid();
	if (expr == NULL || !IsA(expr, List))
		return opens_top(expr, &search);

	foreach(cell, (List *) expr)
	{
		if (opens_top((Node *) lfirst(cell), &search))
			return true;
	}
	return false;
}

static FcContent
type_content(Oid type, int32 typmod, Oid target)
{
	FcContent	content = FC_CONTENT_NONE;
	HeapTuple	tuple;
	Form_pg_type form;

	if (type == target)
		return typmod < 0 ? FC_CONTENT_UNKEYED : FC_CONTENT_KEYED;
	if (type < FirstNormalObjectId)
		return FC_CONTENT_NONE;

	check_stack_depth();
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		return FC_CONTENT_NONE;
	form = (Form_pg_type) GETSTRUCT(tuple);

	switch (form->typtype)
	{
		case TYPTYPE_DOMAIN:
			content = type_content(form->typbasetype, form->typtypmod, target);
			break;
		case TYPTYPE_COMPOSITE:
			content = composite_content(form->typrelid, target);
			break;
		case TYPTYPE_RANGE:
			content = type_content(get_range_subtype(type), -1, target);
			if (content != FC_CONTENT_NONE)
				content = FC_CONTENT_UNKEYED;
			break;
		case TYPTYPE_MULTIRANGE:
			content = type_content(get_multirange_range(type), -1, target);
			break;
		default:
			if (IsTrueArrayType(form))
				content = type_content(form->typelem, typmod, target);
			break;
	}
	ReleaseSysCache(tuple);
	return content;
}

/* The worst that an attribute of a composite type, or of a row, holds. */
static FcContent
composite_content(Oid relation, Oid target)
{
	FcContent	content = FC_CONTENT_NONE;
	Relation	catalog;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	catalog = table_open(AttributeRelationId, AccessShareLock);
	scan = systable_beginscan(catalog, AttributeRelidNumIndexId, true,
							  SnapshotSelf, 1, &key);
	while (content != FC_CONTENT_UNKEYED &&
		   HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attribute form = (Form_pg_attribute) GETSTRUCT(tuple);
		FcContent	found;

		if (form->attnum <= 0 || form->attisdropped)
			continue;
		found = type_content(form->atttypid, form->atttypmod, target);
		if (found > content)
			content = found;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return content;
}

static Oid
blind_index_oid(void)
{
	Oid			type = fc_type_oid();
	Oid			schema = get_namespace_oid("fieldcrypt", true);

	if (!OidIsValid(type) || !OidIsValid(schema))
		return InvalidOid;
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum("blind_index"),
						   PointerGetDatum(buildoidvector(&type, 1)),
						   ObjectIdGetDatum(schema));
}

/*
 * opens_top
 *		The whole of an expression, or the argument of something harmless.
 *		It may itself be an encrypted value; what it is made of may not.
 */
static bool
opens_top(Node *expr, FcExprSearch *search)
{
	Node	   *argument;

	if (expr == NULL || is_bare(expr, search))
		return false;
	argument = harmless_argument(expr, search);
	if (argument != NULL)
		return opens_top(argument, search);
	return expression_tree_walker(expr, opens_walker, search);
}

static bool
opens_walker(Node *node, void *context)
{
	FcExprSearch *search = (FcExprSearch *) context;
	Node	   *argument;

	if (node == NULL)
		return false;
	argument = harmless_argument(node, search);
	if (argument != NULL)
		return opens_top(argument, search);
	if (yields_value(node))
		return true;
	return expression_tree_walker(node, opens_walker, context);
}

/* What blind_index() or a null test reads, or NULL. */
static Node *
harmless_argument(Node *node, const FcExprSearch *search)
{
	if (IsA(node, NullTest))
		return (Node *) ((NullTest *) node)->arg;
	if (IsA(node, FuncExpr) && OidIsValid(search->blind_index) &&
		((FuncExpr *) node)->funcid == search->blind_index)
		return (Node *) linitial(((FuncExpr *) node)->args);
	return NULL;
}

/* A column or a part of one, with nothing done to it. */
static bool
is_bare(Node *node, FcExprSearch *search)
{
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_Var:
		case T_CoerceToDomainValue:
			return true;
		case T_RelabelType:
			return is_bare((Node *) ((RelabelType *) node)->arg, search);
		case T_FieldSelect:
			return is_bare((Node *) ((FieldSelect *) node)->arg, search);
		case T_SubscriptingRef:
			{
				SubscriptingRef *ref = (SubscriptingRef *) node;

				return ref->refassgnexpr == NULL &&
					!expression_tree_walker((Node *) ref->refupperindexpr, opens_walker, search) &&
					!expression_tree_walker((Node *) ref->reflowerindexpr, opens_walker, search) &&
					is_bare((Node *) ref->refexpr, search);
			}
		default:
			return false;
	}
}

/*
 * Does a node hand an encrypted value to whoever stands above it?  A constant
 * does not count: it is text that somebody wrote into the schema.
 */
static bool
yields_value(Node *node)
{
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Param:
		case T_FuncExpr:
		case T_OpExpr:
		case T_NullIfExpr:
		case T_SubscriptingRef:
		case T_FieldSelect:
		case T_FieldStore:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_ConvertRowtypeExpr:
		case T_CollateExpr:
		case T_CaseExpr:
		case T_CaseTestExpr:
		case T_ArrayExpr:
		case T_RowExpr:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_CoerceToDomain:
		case T_CoerceToDomainValue:
			return fc_type_contains(exprType(node));
		default:
			return false;
	}
}
