/*-------------------------------------------------------------------------
 *
 * fc_utility.c
 *		The utility hook: nesting of COPY, and the few rules of DDL that no
 *		object access hook can see.
 *
 * In a server without shared_preload_libraries a session has the hooks only
 * once the library is loaded, and a CREATE TABLE need not load it.  So the
 * extension's event triggers call fc_ddl_event: before DDL, which loads the
 * library in time for the object access hook, and after, for what the
 * utility hook was too late for.  Where the hooks were there the rules are
 * looked at twice.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "miscadmin.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "parser/parse_type.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"

#include "pg/fc_keyring.h"
#include "sqlapi/fc_guard.h"
#include "sqlapi/fc_hooks.h"
#include "sqlapi/fc_sqlapi.h"
#include "sqlapi/fc_wire.h"

PG_FUNCTION_INFO_V1(fc_ddl_event);

/*---- Local variables ----*/

static ProcessUtility_hook_type prev_ProcessUtility = NULL;

/* The innermost command; its tree may be gone if it ends a transaction. */
static NodeTag running_tag = T_Invalid;
static const Node *running = NULL;

/*---- Function declarations ----*/

static void utility_hook(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
						 ProcessUtilityContext context, ParamListInfo params,
						 QueryEnvironment *queryEnv, DestReceiver *dest,
						 QueryCompletion *qc);
static bool utility_before(Node *parse);
static void utility_after(Node *parse);
static bool extension_here(void);
static void refuse_range(const CreateRangeStmt *stmt);
static void check_partitioned(const CreateStmt *stmt);
static void mark_copy(const CopyStmt *stmt);

void
fc_utility_init(void)
{
	prev_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = utility_hook;
}

/*
 * fc_ddl_event
 *		fieldcrypt.ddl_event(), on ddl_command_start and ddl_command_end.
 */
Datum
fc_ddl_event(PG_FUNCTION_ARGS)
{
	EventTriggerData *data;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("fieldcrypt.ddl_event() can only be called as an event trigger"),
				 errhint("CREATE EXTENSION fieldcrypt makes the triggers that call it.")));

	data = (EventTriggerData *) fcinfo->context;
	if (data->parsetree == NULL)
		PG_RETURN_NULL();
	if (strcmp(data->event, "ddl_command_end") == 0)
		utility_after(data->parsetree);
	else if (IsA(data->parsetree, CreateRangeStmt) && extension_here() && !IsBinaryUpgrade)
		refuse_range((CreateRangeStmt *) data->parsetree);
	PG_RETURN_NULL();
}

NodeTag
fc_utility_tag(void)
{
	return running_tag;
}

const ExecuteStmt *
fc_utility_execute(void)
{
	const Node *stmt;

	switch (running_tag)
	{
		case T_ExecuteStmt:
			return (const ExecuteStmt *) running;
		case T_ExplainStmt:
			stmt = ((const ExplainStmt *) running)->query;
			break;
		case T_CreateTableAsStmt:
			stmt = ((const CreateTableAsStmt *) running)->query;
			break;
		default:
			return NULL;
	}

	/* analysis has put a Query around it */
	if (stmt != NULL && IsA(stmt, Query))
		stmt = ((const Query *) stmt)->utilityStmt;
	if (stmt != NULL && IsA(stmt, CreateTableAsStmt))
	{
		stmt = ((const CreateTableAsStmt *) stmt)->query;
		if (stmt != NULL && IsA(stmt, Query))
			stmt = ((const Query *) stmt)->utilityStmt;
	}
	return stmt != NULL && IsA(stmt, ExecuteStmt) ? (const ExecuteStmt *) stmt : NULL;
}

static void
utility_hook(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			 ProcessUtilityContext context, ParamListInfo params,
			 QueryEnvironment *queryEnv, DestReceiver *dest,
			 QueryCompletion *qc)
{
	NodeTag		outer_tag = running_tag;
	const Node *outer = running;
	Node	   *parse = pstmt->utilityStmt;
	bool		copy = IsA(parse, CopyStmt);
	bool		is_from = copy && ((CopyStmt *) parse)->is_from;

	/* after a COMMIT or CALL the tree may be gone; after these it is there */
	bool		watched = IsA(parse, CreateStmt) || IsA(parse, CreateExtensionStmt) ||
		IsA(parse, CreateCastStmt) || IsA(parse, CreateDomainStmt) || IsA(parse, AlterTableStmt);

	if (!utility_before(parse))
	{
		if (qc)
			SetQueryCompletion(qc, CMDTAG_CREATE_CAST, 0);
		return;
	}

	if (fc_statement_depth() == 0)
		fc_ddl_statement_begin();
	running_tag = nodeTag(parse);
	running = parse;
	fc_statement_enter();
	PG_TRY();
	{
		if (copy)
			fc_copy_enter(is_from);
		if (prev_ProcessUtility)
			prev_ProcessUtility(pstmt, queryString, readOnlyTree, context,
								params, queryEnv, dest, qc);
		else
			standard_ProcessUtility(pstmt, queryString, readOnlyTree, context,
									params, queryEnv, dest, qc);
		if (watched)
			utility_after(parse);
	}
	PG_FINALLY();
	{
		if (copy)
			fc_copy_leave(is_from);
		fc_statement_leave();
		running_tag = outer_tag;
		running = outer;
	}
	PG_END_TRY();
}

/*
 * utility_before
 *		False if there is nothing left to do: the cast to citext, which a dump
 *		contains, has been made together with the extension.
 */
static bool
utility_before(Node *parse)
{
	switch (nodeTag(parse))
	{
		case T_CopyStmt:
			if (extension_here())
				mark_copy((CopyStmt *) parse);
			break;
		case T_CreateRangeStmt:
			if (extension_here() && !IsBinaryUpgrade)
				refuse_range((CreateRangeStmt *) parse);
			break;
		case T_CreateCastStmt:
			if (extension_here() && fc_citext_cast_named((CreateCastStmt *) parse) &&
				fc_citext_cast_exists())
			{
				ereport(NOTICE,
						(errcode(ERRCODE_DUPLICATE_OBJECT),
						 errmsg("cast from type encrypted_text to type citext already exists, skipping"),
						 errhint("fieldcrypt adds this cast where citext is installed.")));
				return false;
			}
			break;
		default:
			break;
	}
	return true;
}

static void
utility_after(Node *parse)
{
	/* pg_upgrade makes the extension's domains before its type */
	if (IsA(parse, CreateDomainStmt))
		fc_wire_domain_made((CreateDomainStmt *) parse);
	if (!extension_here())
		return;

	switch (nodeTag(parse))
	{
		case T_CreateStmt:
			if (((CreateStmt *) parse)->partspec != NULL && !IsBinaryUpgrade)
				check_partitioned((CreateStmt *) parse);
			break;
		case T_CreateExtensionStmt:
			if (!IsBinaryUpgrade)
				fc_citext_cast_add();
			break;
		case T_CreateCastStmt:
			if (fc_citext_cast_named((CreateCastStmt *) parse))
				fc_citext_cast_tie();
			break;
		case T_AlterTableStmt:
			fc_guard_altered((AlterTableStmt *) parse);
			break;
		default:
			break;
	}
}

/* Not for COMMIT in a failed transaction and the like. */
static bool
extension_here(void)
{
	return IsTransactionState() && OidIsValid(fc_type_oid());
}

/*
 * Ranges order their bounds by the plaintext.  The hook on pg_type runs
 * before the subtype is stored, so the statement is looked at instead.
 */
static void
refuse_range(const CreateRangeStmt *stmt)
{
	ListCell   *cell;

	foreach(cell, stmt->params)
	{
		DefElem    *param = (DefElem *) lfirst(cell);

		if (strcmp(param->defname, "subtype") == 0 &&
			fc_type_contains(LookupTypeNameOid(NULL, defGetTypeName(param), true)))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("range types over encrypted_text are not supported"),
					 errhint("Keep the two bounds in columns of their own.")));
	}
}

/*
 * A partition key is stored without any hook.  The table is in the schema
 * where CREATE TABLE put it, which need not be the first on the path.
 */
static void
check_partitioned(const CreateStmt *stmt)
{
	RangeVar   *name = copyObject(stmt->relation);
	Oid			schema = RangeVarGetCreationNamespace(name);
	Oid			relation = get_relname_relid(name->relname, schema);

	if (OidIsValid(relation))
		fc_refuse_partition_key(relation);
}

/*
 * The context of a COPY error is the whole row, also when it fails before
 * the encrypted column's turn has come.
 */
static void
mark_copy(const CopyStmt *stmt)
{
	Oid			relation;

	if (stmt->relation == NULL)
		return;
	relation = RangeVarGetRelid(stmt->relation, NoLock, true);
	if (OidIsValid(relation) && fc_relation_contains(relation))
		fc_mark_touched();
}
