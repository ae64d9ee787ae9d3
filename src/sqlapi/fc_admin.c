/*-------------------------------------------------------------------------
 *
 * fc_admin.c
 *		Grants, locks and cache purges, and what all administrative functions
 *		share.
 *
 * The functions are SECURITY DEFINER with a fixed search_path; who may call
 * them is a matter of EXECUTE.  Rows are written through SPI with qualified
 * names, so that constraints and the guard of the tables see them; they are
 * read through the keyring, whose snapshot is fresh also in a repeatable read
 * transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "pg/fc_guc.h"
#include "pg/fc_keycache.h"
#include "pg/fc_keyring_tables.h"
#include "pg/fc_providers.h"
#include "pg/fc_report.h"
#include "pg/fc_shmem.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_guard.h"
#include "sqlapi/fc_sqlapi.h"

PG_FUNCTION_INFO_V1(fc_grant_key);
PG_FUNCTION_INFO_V1(fc_revoke_key);
PG_FUNCTION_INFO_V1(fc_has_key_privilege);
PG_FUNCTION_INFO_V1(fc_lock_key);
PG_FUNCTION_INFO_V1(fc_unlock_key);
PG_FUNCTION_INFO_V1(fc_purge_cache);

/* Keys locked in this transaction, to be wiped again when it commits. */
typedef struct PendingWipe
{
	FcKeyId		key_id;
	struct PendingWipe *next;
} PendingWipe;

static PendingWipe *pending_wipes = NULL;	/* in TopTransactionContext */

static void wipe_at_commit(XactEvent event, void *arg);

void
fc_admin_init(void)
{
	static bool registered = false;

	if (registered)
		return;
	RegisterXactCallback(wipe_at_commit, NULL);
	registered = true;
}

/* ---- shared by the administrative functions ---- */

static void
refuse_null(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

char *
fc_arg_text(FunctionCallInfo fcinfo, int n, const char *name)
{
	refuse_null(fcinfo, n, name);
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

bool
fc_arg_bool(FunctionCallInfo fcinfo, int n, const char *name)
{
	refuse_null(fcinfo, n, name);
	return PG_GETARG_BOOL(n);
}

int
fc_arg_int(FunctionCallInfo fcinfo, int n, const char *name)
{
	refuse_null(fcinfo, n, name);
	return PG_GETARG_INT32(n);
}

/*
 * The guard is left on every way out: an error caught by a savepoint's
 * handler would otherwise leave the tables open to the rest of the session.
 */
uint64
fc_admin_execute(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	volatile int result = 0;
	uint64		processed;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	fc_guard_enter();
	PG_TRY();
	{
		result = SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0);
	}
	PG_FINALLY();
	{
		fc_guard_leave();
	}
	PG_END_TRY();
	if (result < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(result));
	processed = SPI_processed;
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	/* what was written is seen, and its invalidations act, from here on */
	CommandCounterIncrement();
	return processed;
}

void
fc_admin_lock_keys(const char *command)
{
	Oid			keys = fc_keyring_table("keys");

	PreventCommandIfReadOnly(command);
	if (!OidIsValid(keys))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s\" does not exist", "fieldcrypt.keys"),
				 errhint("Use CREATE EXTENSION fieldcrypt.")));
	LockRelationOid(keys, ShareRowExclusiveLock);
	fc_keyring_forget();
}

void
fc_admin_become_owner(FcRunAs *caller)
{
	fc_run_as(fc_relation_owner(fc_keyring_table("keys")), SECURITY_LOCAL_USERID_CHANGE, caller);
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

const FcKey *
fc_admin_key(const char *name)
{
	const FcKey *key = fc_keyring_by_name(name);

	if (key == NULL)
		fc_report_unknown_key(name);
	return key;
}

Datum
fc_bytes_datum(const void *data, Size length)
{
	bytea	   *bytes = palloc(VARHDRSZ + length);

	SET_VARSIZE(bytes, VARHDRSZ + length);
	memcpy(VARDATA(bytes), data, length);
	return PointerGetDatum(bytes);
}

/*
 * fc_message_datum
 *		A KMS's words may be in any encoding, the database's is another.
 */
Datum
fc_message_datum(const char *message)
{
	text	   *copy = cstring_to_text(message);
	char	   *c = VARDATA(copy);
	char	   *end = c + strlen(message);

	for (; c < end; c++)
	{
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	}
	return PointerGetDatum(copy);
}

const char *
fc_message_or_status(const char *message, FcStatus status)
{
	return message[0] != '\0' ? message : fc_status_name(status);
}

/*
 * fc_admin_check_provider
 *		Right after a start this waits for the provider file to have been read.
 */
void
fc_admin_check_provider(const char *provider)
{
	char		message[FC_KMS_MESSAGE_MAX];
	char		problem[FC_KMS_MESSAGE_MAX];

	if (fc_providers_require(provider, fc_guc_kms_timeout, message))
		return;
	fc_providers_file_problem(problem);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("provider \"%s\" does not exist", provider),
			 problem[0] ? errdetail("The provider file cannot be used: %s", problem) : 0,
			 errhint("Add it to the file that fieldcrypt.provider_file names and reload the configuration; the view fieldcrypt.providers lists what there is.")));
}

/* ---- grants ---- */

static FcPrivilege
parse_privilege(const char *privilege)
{
	if (strcmp(privilege, "encrypt") == 0)
		return FC_PRIV_ENCRYPT;
	if (strcmp(privilege, "decrypt") == 0)
		return FC_PRIV_DECRYPT;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized key privilege: \"%s\"", privilege),
			 errhint("Use 'encrypt', or 'decrypt', which includes encrypt.")));
	return 0;
}

/* 42704 unless grantee is a role's name or public. */
static void
check_grantee(const char *grantee)
{
	if (strcmp(grantee, FC_GRANTEE_PUBLIC) == 0 ||
		(strlen(grantee) < NAMEDATALEN && OidIsValid(get_role_oid(grantee, true))))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("role \"%s\" does not exist", grantee),
			 pg_strcasecmp(grantee, FC_GRANTEE_PUBLIC) == 0 ?
			 errhint("Write 'public', in lower case, for everybody.") : 0));
}

static Datum
name_datum(const char *name)
{
	Name		result = palloc0(sizeof(NameData));

	namestrcpy(result, name);
	return NameGetDatum(result);
}

/*
 * fc_grant_key
 *		granted_by is the role in force outside every SECURITY DEFINER
 *		function (GetOuterUserId): whom SET ROLE made the caller.  The current
 *		user is the extension's owner here, and the session user may have
 *		acted for another.
 */
Datum
fc_grant_key(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	char	   *grantee = fc_arg_text(fcinfo, 1, "grantee");
	char	   *privilege = fc_arg_text(fcinfo, 2, "privilege");
	Oid			types[4] = {TEXTOID, NAMEOID, TEXTOID, NAMEOID};
	Datum		values[4];
	const FcKey *key;

	(void) parse_privilege(privilege);
	PreventCommandIfReadOnly("grant_key()");
	key = fc_admin_key(name);
	if (key->destroyed)
		fc_report_key_state(name, 0, "destroyed", NULL);
	check_grantee(grantee);

	values[0] = CStringGetTextDatum(name);
	values[1] = name_datum(grantee);
	values[2] = CStringGetTextDatum(privilege);
	values[3] = name_datum(GetUserNameFromId(GetOuterUserId(), false));
	/* the table's trigger fills in grantee_oid */
	(void) fc_admin_execute("INSERT INTO fieldcrypt.key_grants AS g (key, grantee, privilege, granted_by)"
							" VALUES ($1, $2, $3, $4)"
							" ON CONFLICT (key, grantee, privilege) DO UPDATE"
							" SET grantee_oid = EXCLUDED.grantee_oid,"
							" granted_by = EXCLUDED.granted_by,"
							" granted_at = pg_catalog.now()",
							4, types, values, NULL);
	PG_RETURN_VOID();
}

/*
 * fc_revoke_key
 *		Neither the role nor the key needs to exist any more: what a restore
 *		left behind can be taken back as well.
 */
Datum
fc_revoke_key(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	char	   *grantee = fc_arg_text(fcinfo, 1, "grantee");
	char	   *privilege = fc_arg_text(fcinfo, 2, "privilege");
	FcPrivilege which = parse_privilege(privilege);
	Oid			types[3] = {TEXTOID, TEXTOID, TEXTOID};
	Datum		values[3];

	PreventCommandIfReadOnly("revoke_key()");
	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(grantee);
	values[2] = CStringGetTextDatum(privilege);
	if (fc_admin_execute("DELETE FROM fieldcrypt.key_grants"
						 " WHERE key OPERATOR(pg_catalog.=) $1"
						 " AND grantee::pg_catalog.text OPERATOR(pg_catalog.=) $2"
						 " AND privilege OPERATOR(pg_catalog.=) $3",
						 3, types, values, NULL) > 0)
		PG_RETURN_VOID();

	(void) fc_admin_key(name);
	ereport(WARNING,
			(errcode(ERRCODE_WARNING_PRIVILEGE_NOT_REVOKED),
			 errmsg("\"%s\" had no grant of \"%s\" on key \"%s\"", grantee, privilege, name),
			 which == FC_PRIV_ENCRYPT ?
			 errhint("A grant of decrypt includes encrypt; the view fieldcrypt.grants shows who holds what.") : 0));
	PG_RETURN_VOID();
}

Datum
fc_has_key_privilege(PG_FUNCTION_ARGS)
{
	Name		role = PG_GETARG_NAME(0);
	char	   *name = fc_arg_text(fcinfo, 1, "key");
	FcPrivilege privilege = parse_privilege(fc_arg_text(fcinfo, 2, "privilege"));
	Oid			role_oid = get_role_oid_or_public(NameStr(*role));

	PG_RETURN_BOOL(fc_keyring_permits(fc_admin_key(name), role_oid, privilege));
}

/* ---- locks and the cache ---- */

/*
 * fc_admin_wipe
 *		Now, so that no reader goes on with it; and again when the lock is
 *		committed, because until then a reader may have had it fetched again.
 */
void
fc_admin_wipe(const FcKeyId *ids, int count)
{
	int			i;

	if (!fc_shmem_ready())
		return;
	for (i = 0; i < count; i++)
	{
		PendingWipe *wipe = MemoryContextAlloc(TopTransactionContext, sizeof(PendingWipe));

		wipe->key_id = ids[i];
		wipe->next = pending_wipes;
		pending_wipes = wipe;
		(void) fc_keycache_purge(MyDatabaseId, &ids[i]);
	}
}

/*
 * A prepared transaction's lock is wiped for at PREPARE: COMMIT PREPARED may
 * run in another session, and the lock itself refuses every use from then on.
 */
static void
wipe_at_commit(XactEvent event, void *arg)
{
	PendingWipe *wipe;

	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
	{
		for (wipe = pending_wipes; wipe != NULL; wipe = wipe->next)
			(void) fc_keycache_purge(MyDatabaseId, &wipe->key_id);
		pending_wipes = NULL;
	}
	else if (event == XACT_EVENT_ABORT)
		pending_wipes = NULL;
}

Datum
fc_lock_key(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	Oid			types[1] = {TEXTOID};
	Datum		values[1];
	FcKeyId    *ids;
	int			count;

	PreventCommandIfReadOnly("lock_key()");
	(void) fc_admin_key(name);
	values[0] = CStringGetTextDatum(name);
	/* a key that is locked already keeps its time, and is wiped once more */
	(void) fc_admin_execute("UPDATE fieldcrypt.keys"
							" SET locked_at = COALESCE(locked_at, pg_catalog.now())"
							" WHERE name OPERATOR(pg_catalog.=) $1",
							1, types, values, NULL);
	count = fc_keyring_ids(name, &ids);
	fc_admin_wipe(ids, count);
	PG_RETURN_VOID();
}

Datum
fc_unlock_key(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	Oid			types[1] = {TEXTOID};
	Datum		values[1];

	PreventCommandIfReadOnly("unlock_key()");
	(void) fc_admin_key(name);
	values[0] = CStringGetTextDatum(name);
	if (fc_admin_execute("UPDATE fieldcrypt.keys SET locked_at = NULL"
						 " WHERE name OPERATOR(pg_catalog.=) $1 AND locked_at IS NOT NULL",
						 1, types, values, NULL) == 0)
		ereport(NOTICE,
				(errmsg("key \"%s\" is not locked", name)));
	PG_RETURN_VOID();
}

/* How many keys of this database the cache holds now. */
static int
count_cached(void)
{
	FcSlotInfo	info;
	int			count = 0;
	int			i;

	for (i = 0; i < fc_guc_cache_slots; i++)
	{
		if (fc_keycache_info(i, &info) && info.id.database == MyDatabaseId &&
			info.state == FC_SLOT_VALID)
			count++;
	}
	return count;
}

/*
 * fc_purge_cache
 *		Works on a standby as well.  Without shared memory nothing is cached.
 */
Datum
fc_purge_cache(PG_FUNCTION_ARGS)
{
	int			purged = 0;

	if (PG_ARGISNULL(0))
	{
		if (fc_shmem_ready())
		{
			purged = count_cached();
			fc_keycache_purge_database(MyDatabaseId);
		}
	}
	else
	{
		char	   *name = fc_arg_text(fcinfo, 0, "key");
		FcKeyId    *ids;
		int			count;
		int			i;

		(void) fc_admin_key(name);
		count = fc_keyring_ids(name, &ids);
		for (i = 0; i < count && fc_shmem_ready(); i++)
			purged += fc_keycache_purge(MyDatabaseId, &ids[i]);
	}
	PG_RETURN_INT32(purged);
}
