/*-------------------------------------------------------------------------
 *
 * fc_convert_value.c
 *		Filling the new column of a conversion, row by row: the walk's tasks
 *		and the trigger that mirrors what clients write meanwhile.
 *
 * The trigger fills the new column as the table's owner, who must hold the
 * privilege on the key: writers need none until the columns are exchanged.
 * Nobody gains by making such a trigger on a table of his own.
 *
 * Where the new column comes from a caller's expression, the trigger only
 * empties it: expressions hold passwords, which may not be stored in the
 * catalogs.  The walk finds the rows again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/fc_secret.h"
#include "pg/fc_compat.h"
#include "sqlapi/fc_convert.h"

PG_FUNCTION_INFO_V1(fc_conversion_trigger);

/* ---- the caller's expression ---- */

static Node *
raw_expression(const char *text)
{
	List	   *list = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *select = (SelectStmt *) linitial_node(RawStmt, list)->stmt;
	ResTarget  *target;

	if (list_length(list) == 1 && IsA(select, SelectStmt) && list_length(select->targetList) == 1 &&
		select->distinctClause == NIL && select->fromClause == NIL && select->whereClause == NULL &&
		select->groupClause == NIL && select->havingClause == NULL && select->windowClause == NIL &&
		select->sortClause == NIL && select->limitCount == NULL && select->limitOffset == NULL &&
		select->lockingClause == NIL && select->withClause == NULL && select->op == SETOP_NONE)
	{
		target = linitial_node(ResTarget, select->targetList);
		if (target->name == NULL && target->indirection == NIL)
			return target->val;
	}
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("argument \"%s\" must be one expression", "using"),
			 errhint("Write an expression over the columns of the table, such as pgp_sym_decrypt(secret, '...').")));
	return NULL;				/* not reached */
}

Node *
fc_convert_parse(Relation rel, const char *expression)
{
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item;
	Node	   *expr;
	Oid			type;

	pstate->p_sourcetext = expression;
	item = addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, true);
	addNSItemToQuery(pstate, item, false, true, true);
	expr = transformExpr(pstate, raw_expression(expression), EXPR_KIND_ALTER_COL_TRANSFORM);
	type = exprType(expr);
	expr = coerce_to_target_type(pstate, expr, type, TEXTOID, -1, COERCION_ASSIGNMENT,
								 COERCE_IMPLICIT_CAST, -1);
	if (expr == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("argument \"%s\" is of type %s, which is not assigned to text",
						"using", format_type_be(type)),
				 errhint("Write an explicit cast or a conversion to text.")));
	assign_expr_collations(pstate, expr);
	free_parsestate(pstate);
	return expr;
}

/* ---- texts ---- */

bool
fc_convert_is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

/* The text of a column's value that is not encrypted. */
static text *
plain_text(Datum datum, Oid type)
{
	text	   *value = (text *) PG_DETOAST_DATUM_PACKED(datum);

	/* the padding of char(n) is no part of the text */
	if (type == BPCHAROID)
		return cstring_to_text_with_len(VARDATA_ANY(value),
										bpchartruelen(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
	return value;
}

static Datum
make_target(const text *source, Oid type, int32 typmod)
{
	char	   *string;
	Oid			input;
	Oid			ioparam;

	if (type == fc_type_oid())
		return PointerGetDatum(fc_encrypt_text(VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source), typmod));
	string = text_to_cstring(source);
	getTypeInputInfo(type, &input, &ioparam);
	return OidInputFunctionCall(input, string, ioparam, typmod);
}

static bool
same_text(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		fc_equal_ct(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a));
}

/* Does the new column hold the text, under the key and mode that it should? */
static bool
is_made(const FcConversion *conv, const text *source, Datum target)
{
	FcHeader	header;
	text	   *opened;
	bool		same;

	if (!conv->encrypt)
	{
		opened = plain_text(target, conv->type);
		if (conv->type == BPCHAROID)
			source = cstring_to_text_with_len(VARDATA_ANY(source),
											  bpchartruelen(VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source)));
		return same_text(source, opened);
	}
	if (!fc_value_opens(target, &header, &opened))
		return false;
	same = fc_key_id_prefix(&header.key_id) == FC_TYPMOD_PREFIX(conv->typmod) &&
		header.mode == FC_TYPMOD_MODE(conv->typmod) && same_text(source, opened);
	fc_wipe(VARDATA_ANY(opened), VARSIZE_ANY_EXHDR(opened));
	return same;
}

/* ---- the walk that fills ---- */

static void
begin_fill(FcWalk *walk, Relation rel)
{
	FcConversion *conv = walk->arg;
	Node	   *expr;
	FcRunAs		saved;

	conv->source_att = get_attnum(RelationGetRelid(rel), conv->column);
	conv->shadow_att = get_attnum(RelationGetRelid(rel), conv->shadow);
	conv->owner = rel->rd_rel->relowner;
	if (conv->source_att == InvalidAttrNumber || conv->shadow_att == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("a column of \"%s\" went while it was being converted",
						RelationGetRelationName(rel)),
				 errhint("Call the procedure again to see where it stands.")));
	if (conv->expression == NULL)
		return;
	fc_run_as(conv->owner, SECURITY_RESTRICTED_OPERATION, &saved);
	expr = fc_convert_parse(rel, conv->expression);
	/* both are gone with the batch's memory */
	conv->expr = ExecPrepareExpr((Expr *) expr, CreateExecutorState());
	conv->econtext = CreateStandaloneExprContext();
	fc_run_as_end(&saved);
}

/*
 * The text that the new column is to hold, NULL for none.  *failed: there is
 * one that cannot be had or converted.
 */
static text *
get_source(FcConversion *conv, TupleTableSlot *row, bool *failed)
{
	FcHeader	header;
	FcRunAs		saved;
	text	   *source;
	bool		isnull;
	Datum		datum;

	*failed = false;
	if (conv->expression != NULL)
	{
		conv->econtext->ecxt_scantuple = row;
		fc_run_as(conv->owner, SECURITY_RESTRICTED_OPERATION, &saved);
		datum = ExecEvalExpr(conv->expr, conv->econtext, &isnull);
		fc_run_as_end(&saved);
		source = isnull ? NULL : DatumGetTextPP(datum);
	}
	else
	{
		datum = slot_getattr(row, conv->source_att, &isnull);
		if (isnull)
			return NULL;
		if (!conv->encrypt)
		{
			*failed = !fc_value_opens(datum, &header, &source);
			return *failed ? NULL : source;
		}
		source = plain_text(datum, TupleDescAttr(row->tts_tupleDescriptor,
												 conv->source_att - 1)->atttypid);
	}
	*failed = source != NULL && fc_armour_is(VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source));
	return source;
}

static bool
look_fill(FcWalk *walk, const FcWalkColumn *column, TupleTableSlot *row, int *failed)
{
	FcConversion *conv = walk->arg;
	bool		empty = slot_attisnull(row, conv->shadow_att);
	bool		bad;
	text	   *source;
	bool		work;

	if (!empty && !conv->verify)
		return false;
	/* a first look without opening or computing anything */
	if (conv->expression == NULL && !conv->verify)
		return !slot_attisnull(row, conv->source_att);
	source = get_source(conv, row, &bad);
	if (bad)
	{
		(*failed)++;
		return false;
	}
	work = (source == NULL) != empty;
	if (source != NULL && !empty)
		work = !is_made(conv, source, slot_getattr(row, conv->shadow_att, &bad));
	if (conv->econtext != NULL)
		ResetExprContext(conv->econtext);
	return work;
}

static bool
change_fill(FcWalk *walk, const FcWalkColumn *column, TupleTableSlot *row,
			Datum *datum, bool *isnull, int *failed)
{
	FcConversion *conv = walk->arg;
	bool		bad;
	text	   *source = get_source(conv, row, &bad);

	if (bad)
	{
		(*failed)++;
		return false;
	}
	*isnull = source == NULL;
	if (source == NULL)
		return !slot_attisnull(row, conv->shadow_att);
	/* a client's trigger may have been faster */
	*datum = slot_getattr(row, conv->shadow_att, &bad);
	if (!bad && (!conv->verify || is_made(conv, source, *datum)))
		return false;
	*datum = make_target(source, conv->type, conv->typmod);
	if (conv->econtext != NULL)
		ResetExprContext(conv->econtext);
	return true;
}

static void
complain_fill(FcWalk *walk, const char *label, ItemPointer tid)
{
	FcConversion *conv = walk->arg;

	if (conv->encrypt)
		ereport(WARNING,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("the text of %s at (%u,%u) is an encrypted value already", conv->column,
						ItemPointerGetBlockNumberNoCheck(tid), ItemPointerGetOffsetNumberNoCheck(tid)),
				 errhint("Replace it by its text first.")));
	else
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a value of %s at (%u,%u) cannot be decrypted", conv->column,
						ItemPointerGetBlockNumberNoCheck(tid), ItemPointerGetOffsetNumberNoCheck(tid)),
				 errhint("fieldcrypt.verify_column() finds them all, and their keys.")));
}

const FcTask fc_fill_task = {
	begin_fill, look_fill, change_fill, complain_fill, NULL
};

/* ---- the walk that empties the old column ---- */

static bool
look_empty(FcWalk *walk, const FcWalkColumn *column, TupleTableSlot *row, int *failed)
{
	return !slot_attisnull(row, column->attnum);
}

static bool
change_empty(FcWalk *walk, const FcWalkColumn *column, TupleTableSlot *row,
			 Datum *datum, bool *isnull, int *failed)
{
	*datum = (Datum) 0;
	*isnull = true;
	return !slot_attisnull(row, column->attnum);
}

static void
complain_empty(FcWalk *walk, const char *label, ItemPointer tid)
{
}

const FcTask fc_empty_task = {
	NULL, look_empty, change_empty, complain_empty, NULL
};

/* ---- the trigger ---- */

/* The number of a column of a type that conversions are between. */
static int
trigger_column(Relation rel, const char *name, bool any)
{
	int			n = SPI_fnumber(RelationGetDescr(rel), name);
	Oid			type = n <= 0 ? InvalidOid : TupleDescAttr(RelationGetDescr(rel), n - 1)->atttypid;

	if (n <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of \"%s\", which is being converted, does not exist",
						name, RelationGetRelationName(rel)),
				 errhint("Give the column its name back, or drop the trigger and the column that fieldcrypt added.")));
	if (!any && !fc_convert_is_text(type) && type != fc_type_oid())
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of \"%s\" cannot be converted", name, RelationGetRelationName(rel)),
				 errhint("A conversion is between text, varchar or char and encrypted_text.")));
	return n;
}

/*
 * Is the trigger one that a conversion made?  It lends the owner's privilege
 * on the key to whoever writes the table, so somebody who may only create
 * triggers on it must not be able to choose the columns.  The comment is the
 * owner's word; a partition has that of the table at the top.
 */
static void
check_genuine(FunctionCallInfo fcinfo, Relation rel, char **args)
{
	Oid			top = RelationGetRelid(rel);
	AttrNumber	target;
	char	   *comment;

	if (fcinfo->flinfo->fn_extra != NULL)
		return;					/* once in a statement */
	if (rel->rd_rel->relispartition)
		top = llast_oid(get_partition_ancestors(top));
	target = get_attnum(top, args[1]);
	comment = target == InvalidAttrNumber ? NULL : GetComment(top, RelationRelationId, target);
	if (comment == NULL || strcmp(comment, fc_convert_new_comment(args[2])) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("no conversion of column \"%s\" of \"%s\" is under way", args[2],
						RelationGetRelationName(rel)),
				 errhint("Drop the trigger: fieldcrypt.encrypt_column() and decrypt_column() make their own.")));
	fcinfo->flinfo->fn_extra = rel;
}

/* Is a column in NEW what it is in OLD?  False for an INSERT. */
static bool
is_kept(TriggerData *data, int column)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	Form_pg_attribute attribute = TupleDescAttr(desc, column - 1);
	bool		null_old;
	bool		null_new;
	Datum		old;
	Datum		new;

	if (!TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		return false;
	old = heap_getattr(data->tg_trigtuple, column, desc, &null_old);
	new = heap_getattr(data->tg_newtuple, column, desc, &null_new);
	if (null_old || null_new)
		return null_old && null_new;
	/* a toasted value that was not touched has its old pointer */
	return datumIsEqual(old, new, attribute->attbyval, attribute->attlen);
}

/* The new column's content, computed as the table's owner. */
static Datum
mirror(Relation rel, Datum datum, int source, int target)
{
	Form_pg_attribute from = TupleDescAttr(RelationGetDescr(rel), source - 1);
	Form_pg_attribute to = TupleDescAttr(RelationGetDescr(rel), target - 1);
	text	   *plain;
	FcRunAs		saved;
	Datum		result;

	fc_run_as(rel->rd_rel->relowner, SECURITY_RESTRICTED_OPERATION, &saved);
	if (from->atttypid == fc_type_oid())
		plain = fc_decrypt_datum((struct varlena *) PG_DETOAST_DATUM_PACKED(datum));
	else
		plain = plain_text(datum, from->atttypid);
	if (to->atttypid == fc_type_oid() && fc_armour_is(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("the text for column \"%s\" is an encrypted value already", NameStr(from->attname)),
				 errdetail("The column is being encrypted."),
				 errhint("Write the text itself.")));
	result = make_target(plain, to->atttypid, to->atttypmod);
	fc_run_as_end(&saved);
	return result;
}

/* Nothing may come into the old column any more; what is there goes. */
static HeapTuple
empty_old(TriggerData *data, HeapTuple row, const char *old, const char *column)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	int			target = trigger_column(data->tg_relation, old, true);
	Datum		datum;
	bool		isnull;

	(void) heap_getattr(row, target, desc, &isnull);
	if (isnull)
		return row;
	if (!is_kept(data, target))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of \"%s\" is being emptied and takes no value", old,
						RelationGetRelationName(data->tg_relation)),
				 errdetail("It is what column \"%s\" was before it was converted.", column),
				 errhint("INSERT and COPY need a list of columns: \"%s\" is now the last one.", column)));
	isnull = true;
	datum = (Datum) 0;
	return heap_modify_tuple_by_cols(row, desc, 1, &target, &datum, &isnull);
}

/*
 * fc_conversion_trigger
 *		Arguments: "mirror" or "clear", the new column, the columns that it is
 *		made of; or "empty", the old column, the column that took its name.
 */
Datum
fc_conversion_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	char	  **args;
	HeapTuple	row;
	Relation	rel;
	int			target;
	int			source = 0;
	bool		kept = true;
	bool		mirrors;
	bool		isnull;
	Datum		datum;
	int			i;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) || TRIGGER_FIRED_BY_DELETE(data->tg_event) ||
		data->tg_trigger->tgnargs < 3)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by the trigger of a conversion",
						"conversion_trigger"),
				 errhint("fieldcrypt.encrypt_column() and decrypt_column() make the triggers that call it.")));
	args = data->tg_trigger->tgargs;
	rel = data->tg_relation;
	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
	if (strcmp(args[0], "empty") == 0)
		return PointerGetDatum(empty_old(data, row, args[1], args[2]));
	mirrors = strcmp(args[0], "mirror") == 0;
	if (mirrors)
		check_genuine(fcinfo, rel, args);
	target = trigger_column(rel, args[1], false);
	for (i = 2; i < data->tg_trigger->tgnargs; i++)
	{
		source = trigger_column(rel, args[i], !mirrors);
		kept = kept && is_kept(data, source);
	}

	/* what is made already is kept, whatever the client wrote there */
	if (kept)
	{
		datum = heap_getattr(data->tg_trigtuple, target, RelationGetDescr(rel), &isnull);
		if (!isnull || !mirrors)
			return PointerGetDatum(is_kept(data, target) ? row :
								   heap_modify_tuple_by_cols(row, RelationGetDescr(rel), 1,
															 &target, &datum, &isnull));
	}
	datum = heap_getattr(row, source, RelationGetDescr(rel), &isnull);
	if (!mirrors)
		isnull = true;
	if (!isnull)
		datum = mirror(rel, datum, source, target);
	return PointerGetDatum(heap_modify_tuple_by_cols(row, RelationGetDescr(rel), 1,
													 &target, &datum, &isnull));
}
