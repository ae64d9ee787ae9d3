/*-------------------------------------------------------------------------
 *
 * fc_translate.c
 *		Indexes and UNIQUE on a searchable column, as people and ORMs write
 *		them, become indexes on its blind index.
 *
 * CREATE INDEX, and the indexes that CREATE TABLE makes for UNIQUE, come
 * through the utility hook as index statements.  ALTER TABLE makes its own
 * without asking, so UNIQUE is taken out of it and the index made afterwards,
 * under the name that the constraint would have had.  ALTER TABLE ... DROP
 * CONSTRAINT with that name drops the index.
 *
 * UNIQUE is translated for the mode exact only: under the others a tag is
 * shared by texts that differ.  Whatever is not translated is refused by
 * fc_refuse.c, with the statement to use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_type.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "pg/fc_keyring.h"
#include "sqlapi/fc_hooks.h"
#include "sqlapi/fc_planner.h"
#include "sqlapi/fc_sqlapi.h"

/*---- Local variables ----*/

static ProcessUtility_hook_type prev_ProcessUtility = NULL;

/*---- Function declarations ----*/

static void translate_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
							  ProcessUtilityContext context, ParamListInfo params,
							  QueryEnvironment *queryEnv, DestReceiver *dest,
							  QueryCompletion *qc);
static PlannedStmt *translate_index(PlannedStmt *pstmt);
static PlannedStmt *translate_alter(PlannedStmt *pstmt, List **after);
static IndexElem *searchable_element(Oid relation, List *elements, bool unique);
static void use_blind_index(Oid relation, List *elements, bool unique);
static bool is_searchable(Oid type, int32 typmod, bool unique);
static bool is_searchable_column(Oid relation, const char *name, bool unique);
static bool takes_unique(const Constraint *constraint);
static IndexStmt *index_of_constraint(const AlterTableStmt *alter, const Constraint *constraint,
									  List *columns);
static List *take_column_constraints(const AlterTableStmt *alter, ColumnDef *column);
static char *constraint_name(Oid relation, List *elements);
static bool is_blind_unique(Oid relation, const char *name);
static DropStmt *drop_of_index(Oid relation, const AlterTableCmd *cmd);
static void run_after(Node *stmt, const PlannedStmt *pstmt, const char *queryString);

void
fc_translate_init(void)
{
	prev_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = translate_utility;
}

static void
translate_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				  ProcessUtilityContext context, ParamListInfo params,
				  QueryEnvironment *queryEnv, DestReceiver *dest,
				  QueryCompletion *qc)
{
	Node	   *parse = pstmt->utilityStmt;
	List	   *after = NIL;
	ListCell   *cell;

	if ((IsA(parse, IndexStmt) || IsA(parse, AlterTableStmt)) &&
		IsTransactionState() && !IsBinaryUpgrade && OidIsValid(fc_type_oid()))
		pstmt = IsA(parse, IndexStmt) ? translate_index(pstmt) : translate_alter(pstmt, &after);

	if (prev_ProcessUtility)
		prev_ProcessUtility(pstmt, queryString, readOnlyTree, context,
							params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context,
								params, queryEnv, dest, qc);

	foreach(cell, after)
		run_after((Node *) lfirst(cell), pstmt, queryString);
}

/* The statement as it came, or a translated copy of it. */
static PlannedStmt *
translate_index(PlannedStmt *pstmt)
{
	IndexStmt  *stmt = (IndexStmt *) pstmt->utilityStmt;
	Oid			relation;

	if (stmt->relation == NULL || stmt->primary || stmt->deferrable ||
		stmt->excludeOpNames != NIL || stmt->transformed)
		return pstmt;
	relation = RangeVarGetRelid(stmt->relation, NoLock, true);
	if (!OidIsValid(relation) ||
		searchable_element(relation, stmt->indexParams, stmt->unique) == NULL)
		return pstmt;

	pstmt = copyObject(pstmt);
	stmt = (IndexStmt *) pstmt->utilityStmt;
	if (stmt->isconstraint)
	{
		stmt->isconstraint = false;
		if (stmt->idxname == NULL)
			stmt->idxname = constraint_name(relation, stmt->indexParams);
	}
	use_blind_index(relation, stmt->indexParams, stmt->unique);
	return pstmt;
}

/*
 * translate_alter
 *		A copy of the statement without the UNIQUE constraints that the
 *		statements in *after take care of.
 */
static PlannedStmt *
translate_alter(PlannedStmt *pstmt, List **after)
{
	AlterTableStmt *stmt = (AlterTableStmt *) pstmt->utilityStmt;
	Oid			relation;
	ListCell   *cell;

	if (stmt->objtype != OBJECT_TABLE)
		return pstmt;
	relation = RangeVarGetRelid(stmt->relation, NoLock, true);
	if (!OidIsValid(relation))
		return pstmt;

	pstmt = copyObject(pstmt);
	stmt = (AlterTableStmt *) pstmt->utilityStmt;
	foreach(cell, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, cell);

		fc_refuse_foreign_key(relation, cmd);
		if (cmd->subtype == AT_AddColumn && IsA(cmd->def, ColumnDef))
			*after = list_concat(*after,
								 take_column_constraints(stmt, (ColumnDef *) cmd->def));
		else if (cmd->subtype == AT_DropConstraint && is_blind_unique(relation, cmd->name))
		{
			*after = lappend(*after, drop_of_index(relation, cmd));
			stmt->cmds = foreach_delete_current(stmt->cmds, cell);
		}
		else if (cmd->subtype == AT_AddConstraint && takes_unique((Constraint *) cmd->def))
		{
			IndexStmt  *index = index_of_constraint(stmt, (Constraint *) cmd->def,
													((Constraint *) cmd->def)->keys);

			if (searchable_element(relation, index->indexParams, true) != NULL)
			{
				*after = lappend(*after, index);
				stmt->cmds = foreach_delete_current(stmt->cmds, cell);
			}
		}
	}
	return pstmt;
}

/* The first column of an index that can be translated, or NULL. */
static IndexElem *
searchable_element(Oid relation, List *elements, bool unique)
{
	ListCell   *cell;

	foreach(cell, elements)
	{
		IndexElem  *element = lfirst_node(IndexElem, cell);

		if (element->name != NULL && element->collation == NIL && element->opclass == NIL &&
			is_searchable_column(relation, element->name, unique))
			return element;
	}
	return NULL;
}

/* The index keeps the name that it would have had by its column. */
static void
use_blind_index(Oid relation, List *elements, bool unique)
{
	IndexElem  *element;

	while ((element = searchable_element(relation, elements, unique)) != NULL)
	{
		ColumnRef  *column = makeNode(ColumnRef);

		column->fields = list_make1(makeString(element->name));
		column->location = -1;
		element->expr = (Node *) makeFuncCall(list_make2(makeString("fieldcrypt"),
														 makeString("blind_index")),
											  list_make1(column), COERCE_EXPLICIT_CALL, -1);
		element->indexcolname = element->name;
		element->name = NULL;
		ereport(NOTICE,
				(errmsg("%s on searchable column \"%s\" is built on fieldcrypt.blind_index(%s)",
						unique ? "unique index" : "index", element->indexcolname,
						quote_identifier(element->indexcolname))));
	}
}

static bool
is_searchable(Oid type, int32 typmod, bool unique)
{
	uint8		mode;

	if (getBaseTypeAndTypmod(type, &typmod) != fc_type_oid() || typmod < 0)
		return false;
	mode = FC_TYPMOD_MODE(typmod);
	return unique ? mode == FC_MODE_EXACT : mode != FC_MODE_NONE;
}

static bool
is_searchable_column(Oid relation, const char *name, bool unique)
{
	AttrNumber	column = get_attnum(relation, name);
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (column <= 0)
		return false;
	get_atttypetypmodcoll(relation, column, &type, &typmod, &collation);
	return is_searchable(type, typmod, unique);
}

/* A UNIQUE that an index alone can keep. */
static bool
takes_unique(const Constraint *constraint)
{
	return IsA(constraint, Constraint) && constraint->contype == CONSTR_UNIQUE &&
		!constraint->deferrable && constraint->indexname == NULL;
}

static IndexStmt *
index_of_constraint(const AlterTableStmt *alter, const Constraint *constraint, List *columns)
{
	IndexStmt  *index = makeNode(IndexStmt);
	ListCell   *cell;

	index->relation = copyObject(alter->relation);
	index->relation->inh = true;
	index->idxname = constraint->conname;
	index->accessMethod = "btree";
	index->unique = true;
	index->nulls_not_distinct = constraint->nulls_not_distinct;
	index->isconstraint = true;
	index->tableSpace = constraint->indexspace;
	index->options = constraint->options;

	foreach(cell, columns)
	{
		IndexElem  *element = makeNode(IndexElem);

		element->name = pstrdup(strVal(lfirst(cell)));
		index->indexParams = lappend(index->indexParams, element);
	}
	foreach(cell, constraint->including)
	{
		IndexElem  *element = makeNode(IndexElem);

		element->name = pstrdup(strVal(lfirst(cell)));
		index->indexIncludingParams = lappend(index->indexIncludingParams, element);
	}
	return index;
}

/* ADD COLUMN ... UNIQUE: the constraints stand with the column. */
static List *
take_column_constraints(const AlterTableStmt *alter, ColumnDef *column)
{
	List	   *indexes = NIL;
	ListCell   *cell;
	Type		type;
	int32		typmod;
	Oid			typid;

	if (column->typeName == NULL || column->constraints == NIL)
		return NIL;
	type = LookupTypeName(NULL, column->typeName, &typmod, true);
	if (type == NULL)
		return NIL;
	typid = typeTypeId(type);
	ReleaseSysCache(type);
	if (!is_searchable(typid, typmod, true))
		return NIL;

	foreach(cell, column->constraints)
	{
		Constraint *constraint = (Constraint *) lfirst(cell);
		ListCell   *next = lnext(column->constraints, cell);

		if (!takes_unique(constraint))
			continue;
		/* DEFERRABLE follows as a node of its own */
		if (next != NULL && ((Constraint *) lfirst(next))->contype == CONSTR_ATTR_DEFERRABLE)
			continue;
		indexes = lappend(indexes, index_of_constraint(alter, constraint,
													   list_make1(makeString(column->colname))));
		column->constraints = foreach_delete_current(column->constraints, cell);
	}
	return indexes;
}

/* What PostgreSQL would call the constraint. */
static char *
constraint_name(Oid relation, List *elements)
{
	StringInfoData columns;
	ListCell   *cell;

	initStringInfo(&columns);
	foreach(cell, elements)
	{
		IndexElem  *element = lfirst_node(IndexElem, cell);

		appendStringInfo(&columns, "%s%s", columns.len > 0 ? "_" : "",
						 element->name ? element->name : "expr");
	}
	return ChooseRelationName(get_rel_name(relation), columns.data, "key",
							  get_rel_namespace(relation), true);
}

/* Is there a unique index on tags of that name, and no constraint? */
static bool
is_blind_unique(Oid relation, const char *name)
{
	Oid			oid = get_relname_relid(name, get_rel_namespace(relation));
	const FcPlannerOids *oids = fc_planner_oids();
	bool		found = false;
	Relation	index;
	ListCell   *cell;

	if (oids == NULL || !OidIsValid(oid) || IndexGetRelation(oid, true) != relation ||
		OidIsValid(get_relation_constraint_oid(relation, name, true)))
		return false;

	index = index_open(oid, AccessShareLock);
	if (index->rd_index->indisunique)
	{
		foreach(cell, RelationGetIndexExpressions(index))
		{
			Node	   *expr = (Node *) lfirst(cell);

			if (IsA(expr, FuncExpr) && ((FuncExpr *) expr)->funcid == oids->blind_index)
				found = true;
		}
	}
	index_close(index, NoLock);
	return found;
}

static DropStmt *
drop_of_index(Oid relation, const AlterTableCmd *cmd)
{
	DropStmt   *drop = makeNode(DropStmt);
	char	   *schema = get_namespace_name(get_rel_namespace(relation));

	ereport(NOTICE,
			(errmsg("dropping unique index \"%s\" on fieldcrypt.blind_index()", cmd->name)));
	drop->removeType = OBJECT_INDEX;
	drop->objects = list_make1(list_make2(makeString(schema), makeString(pstrdup(cmd->name))));
	drop->behavior = cmd->behavior;
	return drop;
}

static void
run_after(Node *stmt, const PlannedStmt *pstmt, const char *queryString)
{
	PlannedStmt *wrapper = makeNode(PlannedStmt);

	wrapper->commandType = CMD_UTILITY;
	wrapper->canSetTag = false;
	wrapper->utilityStmt = stmt;
	wrapper->stmt_location = pstmt->stmt_location;
	wrapper->stmt_len = pstmt->stmt_len;

	CommandCounterIncrement();
	ProcessUtility(wrapper, queryString, false, PROCESS_UTILITY_SUBCOMMAND,
				   NULL, NULL, None_Receiver, NULL);
}
