/*-------------------------------------------------------------------------
 *
 * fc_context.c
 *		What the process and the running statement are doing, as far as input,
 *		output and the server log depend on it.
 *
 * A COPY counts only for the values that COPY itself reads or writes, not
 * for what triggers and functions do meanwhile.  So every COPY remembers how
 * deeply statements and triggers were nested when it began.
 *
 * "Touched" belongs to the text that the server would log: a statement may
 * be parsed in one protocol message, executed in another and fail in a third
 * (a deferred constraint at commit), and a query string may hold several
 * statements.  So the mark is a hash of debug_query_string, made once per
 * message, and a statement counts as touched while its text is the one that
 * was marked last.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "replication/logicalworker.h"
#include "replication/walsender.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "pg/fc_coredump.h"
#include "pg/fc_guc.h"
#include "sqlapi/fc_hooks.h"
#include "sqlapi/fc_sqlapi.h"

/*
 * COPYs running one inside the other (a trigger may run COPY through a
 * function).  Beyond this depth a COPY is treated as any other statement,
 * which errs on the strict side.
 */
#define FC_COPY_LEVELS 16

typedef struct FcCopyLevel
{
	bool		is_from;
	int			statement_depth;	/* inside the COPY command */
	int			trigger_depth;
	int			xact_nest;
	Oid			user;			/* whose rights were looked up, or InvalidOid */
	bool		restores;		/* superuser or owner of the database */
} FcCopyLevel;

/*---- Local variables ----*/

static FcCopyLevel copy_levels[FC_COPY_LEVELS];
static int	copy_depth = 0;		/* may exceed FC_COPY_LEVELS */

static bool touched = false;
static uint64 touched_hash;
static const char *touched_text;	/* only compared, never read */
static TimestampTz touched_at;

/* Bits of the hashes of texts; never cleared: a full set errs on the strict side. */
#define FC_SECRET_PARAMS_BITS 65536
static uint8 secret_params[FC_SECRET_PARAMS_BITS / 8];

/*---- Function declarations ----*/

static FcCopyLevel *copy_level(void);
static bool copy_to_running(void);
static bool user_restores(Oid user);
static bool user_administers(Oid user);
static uint64 query_hash(void);
static bool has_secret_params(uint64 hash);

/*
 * fc_output_must_be_armour
 *		Never plaintext here, whatever the privileges.  The first tests must
 *		come before anything that reads a table.
 */
bool
fc_output_must_be_armour(void)
{
	if (am_walsender || IsLogicalWorker() || HistoricSnapshotActive() ||
		AmAutoVacuumWorkerProcess() || !IsTransactionState())
		return true;
	if (fc_guc_output == FC_OUTPUT_CIPHERTEXT)
		return true;

	/* the audit trigger's to_jsonb(NEW) must not write plaintext */
	return fc_guc_trigger_output != FC_OUTPUT_PLAINTEXT && fc_trigger_depth() > 0;
}

bool
fc_input_takes_armour(void)
{
	FcCopyLevel *level;
	Oid			user;

	if (IsLogicalWorker())
		return true;

	level = copy_level();
	if (level == NULL || !level->is_from ||
		level->statement_depth != fc_statement_depth() ||
		level->trigger_depth != fc_trigger_depth())
		return false;

	user = GetUserId();
	if (level->user != user)
	{
		level->restores = user_restores(user);
		level->user = user;
	}
	return level->restores;
}

bool
fc_input_takes_plaintext(void)
{
	return IsLogicalWorker();
}

/*
 * fc_denied_gets_armour
 *		Dumps, and people who administer rather than use the data, see the
 *		armour; the application sees an error.
 */
bool
fc_denied_gets_armour(void)
{
	Oid			user = GetUserId();
	Oid			authenticated = GetAuthenticatedUserId();

	if (copy_to_running() || user_administers(user))
		return true;
	return authenticated != user && user_administers(authenticated);
}

void
fc_copy_enter(bool is_from)
{
	if (copy_depth < FC_COPY_LEVELS)
	{
		FcCopyLevel *level = &copy_levels[copy_depth];

		level->is_from = is_from;
		level->statement_depth = fc_statement_depth();
		level->trigger_depth = fc_trigger_depth();
		level->xact_nest = GetCurrentTransactionNestLevel();
		level->user = InvalidOid;
		level->restores = false;
	}
	copy_depth++;
}

void
fc_copy_leave(bool is_from)
{
	if (copy_depth > 0)
		copy_depth--;
}

void
fc_copy_reset(void)
{
	copy_depth = 0;
}

/*
 * A subtransaction that fails inside a COPY (an exception block in a trigger)
 * must leave the outer COPY alone.
 */
void
fc_copy_subxact_abort(void)
{
	int			nest = GetCurrentTransactionNestLevel();

	if (copy_depth > FC_COPY_LEVELS)
		return;
	while (copy_depth > 0 && copy_levels[copy_depth - 1].xact_nest >= nest)
		copy_depth--;
}

/*
 * fc_mark_touched
 *		Called for every value, so the usual case is three comparisons.
 */
void
fc_mark_touched(void)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();

	if (touched && touched_at == now && touched_text == debug_query_string)
		return;

	fc_coredump_limit();
	touched_hash = query_hash();
	touched_text = debug_query_string;
	touched_at = now;
	touched = true;
}

/*
 * fc_was_touched
 *		May run while an error is being logged: allocates nothing, never
 *		throws.
 */
bool
fc_was_touched(void)
{
	if (debug_query_string == NULL)
		return touched;
	return (touched && query_hash() == touched_hash) || has_secret_params(query_hash());
}

/*
 * fc_mark_secret_params
 *		Parameters are logged by Bind and Execute before anything touches a
 *		value; those of type encrypted_text mark the statement when they are
 *		read, those that were made text (fc_wire_params.c) do not.  So the text
 *		of such a statement is remembered, for as long as the backend lives.
 */
void
fc_mark_secret_params(void)
{
	uint64		hash = query_hash();

	if (hash == 0)
		return;
	for (int i = 0; i < 2; i++, hash >>= 32)
		secret_params[(hash % FC_SECRET_PARAMS_BITS) / 8] |= 1 << (hash % 8);
}

static bool
has_secret_params(uint64 hash)
{
	for (int i = 0; i < 2; i++, hash >>= 32)
	{
		if ((secret_params[(hash % FC_SECRET_PARAMS_BITS) / 8] & (1 << (hash % 8))) == 0)
			return false;
	}
	return true;
}

int
fc_trigger_depth(void)
{
	LOCAL_FCINFO(fcinfo, 0);

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	return DatumGetInt32(pg_trigger_depth(fcinfo));
}

static FcCopyLevel *
copy_level(void)
{
	if (copy_depth == 0 || copy_depth > FC_COPY_LEVELS)
		return NULL;
	return &copy_levels[copy_depth - 1];
}

/*
 * The rows of COPY (query) TO are written from within an executor run, those
 * of COPY table TO are not.
 */
static bool
copy_to_running(void)
{
	FcCopyLevel *level = copy_level();
	int			depth = fc_statement_depth();

	return level != NULL && !level->is_from &&
		(depth == level->statement_depth || depth == level->statement_depth + 1) &&
		level->trigger_depth == fc_trigger_depth();
}

static bool
user_restores(Oid user)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return false;
	owner = ((Form_pg_database) GETSTRUCT(tuple))->datdba;
	ReleaseSysCache(tuple);

	/* true for superusers, too */
	return has_privs_of_role(user, owner);
}

static bool
user_administers(Oid user)
{
	/* has_rolreplication is true for superusers, too */
	return has_rolreplication(user) ||
		is_member_of_role_nosuper(user, ROLE_PG_READ_ALL_DATA);
}

static uint64
query_hash(void)
{
	if (debug_query_string == NULL)
		return 0;
	return hash_bytes_extended((const unsigned char *) debug_query_string,
							   (int) strlen(debug_query_string), 0);
}
