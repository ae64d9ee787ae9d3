/*-------------------------------------------------------------------------
 *
 * fc_convert_index.c
 *		The indexes of a column that is being converted: plain ones become
 *		blind indexes and the other way round.
 *
 * An index is made from the definition of the one that it replaces, before
 * the columns are exchanged, and takes over its name then.  Building it locks
 * the table against writers.  Somebody who cannot have that makes it himself
 * by CREATE INDEX CONCURRENTLY, under the name that is looked for here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/comment.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "parser/parser.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_convert.h"

/* One index to replace. */
typedef struct OldIndex
{
	Oid			oid;
	char	   *name;
	char	   *constraint;		/* NULL: an index alone */
	char	   *definition;
	char	   *new_name;
} OldIndex;

static char *
column_text(int row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

/* The survey has seen that each of them can be replaced. */
static List *
old_indexes(FcConversion *conv)
{
	List	   *indexes = NIL;
	int			i;

	fc_convert_run("SELECT i.indexrelid, c.relname, n.conname, pg_catalog.pg_get_indexdef(i.indexrelid)"
				   " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
				   " LEFT JOIN pg_catalog.pg_constraint n ON n.conindid = i.indexrelid AND n.contype = 'u'"
				   " WHERE i.indrelid = %u AND (%d = ANY (i.indkey) OR EXISTS (SELECT FROM pg_catalog.pg_depend d"
				   " WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid"
				   " AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
				   " AND d.refobjid = i.indrelid AND d.refobjsubid = %d)) ORDER BY i.indexrelid",
				   conv->relation, conv->attnum, conv->attnum);
	for (i = 0; i < SPI_processed; i++)
	{
		OldIndex   *index = palloc0(sizeof(OldIndex));

		index->oid = atooid(column_text(i, 1));
		index->name = column_text(i, 2);
		index->constraint = column_text(i, 3);
		index->definition = column_text(i, 4);
		index->new_name = psprintf("fieldcrypt_idx_%u", index->oid);
		indexes = lappend(indexes, index);
	}
	return indexes;
}

/* fieldcrypt.blind_index(column) as the parser makes it? */
static bool
is_blind_index(Node *expr, const char *column)
{
	FuncCall   *call = (FuncCall *) expr;
	ColumnRef  *ref;

	if (expr == NULL || !IsA(expr, FuncCall) || list_length(call->args) != 1 ||
		strcmp(strVal(llast(call->funcname)), "blind_index") != 0)
		return false;
	ref = linitial(call->args);
	return IsA(ref, ColumnRef) && strcmp(strVal(llast(ref->fields)), column) == 0;
}

/* Let a key of the index read the new column. */
static void
replace_element(FcConversion *conv, IndexElem *element)
{
	ColumnRef  *column;

	if (!conv->encrypt)
	{
		if (is_blind_index(element->expr, conv->column))
		{
			element->name = pstrdup(conv->shadow);
			element->expr = NULL;
		}
		return;
	}
	if (element->name == NULL || strcmp(element->name, conv->column) != 0)
		return;
	column = makeNode(ColumnRef);
	column->fields = list_make1(makeString(pstrdup(conv->shadow)));
	column->location = -1;
	element->expr = (Node *) makeFuncCall(list_make2(makeString("fieldcrypt"), makeString("blind_index")),
										  list_make1(column), COERCE_EXPLICIT_CALL, -1);
	element->name = NULL;
	element->collation = NIL;
	element->opclass = NIL;
}

static void
build_index(FcConversion *conv, const OldIndex *old)
{
	List	   *parsed = raw_parser(old->definition, RAW_PARSE_DEFAULT);
	IndexStmt  *stmt = castNode(IndexStmt, linitial_node(RawStmt, parsed)->stmt);
	PlannedStmt *wrapper = makeNode(PlannedStmt);
	ListCell   *cell;

	foreach(cell, stmt->indexParams)
	{
		replace_element(conv, lfirst_node(IndexElem, cell));
	}
	stmt->idxname = pstrdup(old->new_name);
	/* of a partitioned table's index the definition says ONLY */
	stmt->relation->inh = true;
	wrapper->commandType = CMD_UTILITY;
	wrapper->utilityStmt = (Node *) stmt;
	wrapper->stmt_location = -1;
	wrapper->stmt_len = 0;
	ProcessUtility(wrapper, "CREATE INDEX", false, PROCESS_UTILITY_QUERY, NULL, NULL,
				   None_Receiver, NULL);
	CommandCounterIncrement();
}

/* Is it there, complete, and as unique as the old one? */
static bool
is_built(FcConversion *conv, const OldIndex *old)
{
	fc_convert_run("SELECT n.indisvalid AND n.indisunique = o.indisunique"
				   " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_index n ON n.indexrelid = c.oid,"
				   " pg_catalog.pg_index o WHERE n.indrelid = %u AND c.relname = %s AND o.indexrelid = %u",
				   conv->relation, quote_literal_cstr(old->new_name), old->oid);
	if (SPI_processed == 0)
		return false;
	if (strcmp(column_text(0, 1), "t") == 0)
		return true;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("index \"%s\" is not valid, or not as unique as \"%s\"", old->new_name, old->name),
			 errhint("Drop it, or make it again.")));
	return false;				/* not reached */
}

void
fc_convert_build_indexes(FcConversion *conv)
{
	ListCell   *cell;

	fc_convert_run("SET LOCAL search_path = pg_catalog, pg_temp");
	foreach(cell, old_indexes(conv))
	{
		if (!is_built(conv, lfirst(cell)))
			build_index(conv, lfirst(cell));
	}
}

void
fc_convert_swap_indexes(FcConversion *conv)
{
	char	   *schema = get_namespace_name(get_rel_namespace(conv->relation));
	ListCell   *cell;

	foreach(cell, old_indexes(conv))
	{
		OldIndex   *old = lfirst(cell);
		char	   *comment;

		/* made since the new ones were built */
		if (!is_built(conv, old))
			build_index(conv, old);
		comment = GetComment(old->oid, RelationRelationId, 0);
		if (old->constraint != NULL)
			fc_convert_run("ALTER TABLE %s DROP CONSTRAINT %s", fc_relation_name(conv->relation),
						   quote_identifier(old->constraint));
		else
			fc_convert_run("DROP INDEX %s", quote_qualified_identifier(schema, old->name));
		fc_convert_run("ALTER INDEX %s RENAME TO %s", quote_qualified_identifier(schema, old->new_name),
					   quote_identifier(old->name));
		CreateComments(get_relname_relid(old->name, get_rel_namespace(conv->relation)),
					   RelationRelationId, 0, comment);
		CommandCounterIncrement();
	}
}
