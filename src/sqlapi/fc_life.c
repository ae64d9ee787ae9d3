/*-------------------------------------------------------------------------
 *
 * fc_life.c
 *		The end of versions and keys: retire_version, mark_compromised,
 *		destroy_version, destroy_key; and set_rotation.
 *
 * Like the makers of versions (fc_admin_keys.c) all of them hold SHARE ROW
 * EXCLUSIVE on fieldcrypt.keys until the end of the transaction.  What is
 * destroyed leaves a tombstone: its number, or name, is never used again.
 *
 * The two that destroy commit, so they run as their caller, as the procedures
 * of fc_move.c do.  What becomes of the KMS keys is in fc_life_kms.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/fc_compat.h"
#include "pg/fc_report.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_life.h"
#include "sqlapi/fc_walk.h"

PG_FUNCTION_INFO_V1(fc_retire_version);
PG_FUNCTION_INFO_V1(fc_mark_compromised);
PG_FUNCTION_INFO_V1(fc_destroy_version);
PG_FUNCTION_INFO_V1(fc_destroy_key);
PG_FUNCTION_INFO_V1(fc_set_rotation);

/* Columns named in an error; more are counted. */
#define LIFE_NAMED_COLUMNS 5

/* How long to look for a moment in which nobody holds a key table. */
#define LIFE_LOCK_MS 10000
#define LIFE_LOCK_POLL_MS 20

#define LIFE_DESTROYED_HINT "What is destroyed stays so; fieldcrypt.create_key() and rotate_key() make anew."

/* ---- states ---- */

/*
 * Lock the keyring and look the version up.  An active version is refused:
 * something has to encrypt.
 */
static FcVersionState
lock_version(const char *command, const char *name, int number, FcKeyId *key_id)
{
	const FcKeyVersion *version = NULL;
	const FcKey *key;

	fc_admin_lock_keys(command);
	key = fc_admin_key(name);
	if (key->destroyed)
		fc_report_key_state(name, 0, "destroyed", LIFE_DESTROYED_HINT);
	*key_id = key->key_id;
	if (number >= 1 && number <= PG_UINT16_MAX)
		version = fc_keyring_version(key, FC_PURPOSE_WRAP, number);
	if (version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("key \"%s\" has no version %d", name, number),
				 errhint("The view fieldcrypt.key_status lists its versions.")));
	if (version->state == FC_VERSION_ACTIVE)
		fc_report_key_state(name, number, "active",
							"Use CALL fieldcrypt.rotate_key() first, so that another version encrypts.");
	if (version->state == FC_VERSION_DESTROYED)
		fc_report_key_state(name, number, "destroyed", LIFE_DESTROYED_HINT);
	return version->state;
}

static void
set_state(const FcKeyId *key_id, int version, const char *state)
{
	Oid			types[3] = {BYTEAOID, INT4OID, TEXTOID};
	Datum		values[3];

	values[0] = fc_bytes_datum(key_id->bytes, FC_KEY_ID_BYTES);
	values[1] = Int32GetDatum(version);
	values[2] = CStringGetTextDatum(state);
	(void) fc_admin_execute("UPDATE fieldcrypt.key_versions SET state = $3"
							" WHERE key_id OPERATOR(pg_catalog.=) $1"
							" AND purpose OPERATOR(pg_catalog.=) 1::pg_catalog.int2"
							" AND version OPERATOR(pg_catalog.=) $2",
							3, types, values, NULL);
}

/*
 * fc_retire_version
 *		Rotation retires the version it replaces; what this is for is one that
 *		was made and is not to become active any more.
 */
Datum
fc_retire_version(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	int			number = fc_arg_int(fcinfo, 1, "version");
	FcKeyId		key_id;

	switch (lock_version("retire_version()", name, number, &key_id))
	{
		case FC_VERSION_PRE_ACTIVE:
			set_state(&key_id, number, "decrypt-only");
			break;
		case FC_VERSION_COMPROMISED:
			fc_report_key_state(name, number, "compromised",
								"A compromised version stays marked so until it is destroyed.");
		default:
			ereport(NOTICE,
					(errmsg("version %d of key \"%s\" is decrypt-only already", number, name)));
			break;
	}
	return (Datum) 0;
}

Datum
fc_mark_compromised(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	int			number = fc_arg_int(fcinfo, 1, "version");
	FcKeyId		key_id;

	(void) lock_version("mark_compromised()", name, number, &key_id);
	set_state(&key_id, number, "compromised");
	ereport(NOTICE,
			(errmsg("version %d of key \"%s\" is marked as compromised and still opens values", number, name),
			 errdetail("Whoever had the version's key may know the data key of every value that was ever under it; rewrapping does not change that."),
			 errhint("Use CALL fieldcrypt.reencrypt_key(%s), which gives the values that are left under old versions fresh data keys. Values that were rewrapped since are under the active version: rotate once more, then re-encrypt.",
					 quote_literal_cstr(name))));
	return (Datum) 0;
}

/* ---- who still needs a version ---- */

/* Values of a key, of one version or (0) of any, in a column. */
static int64
values_of(const FcWalkColumn *column, const FcKeyId *key_id, int version)
{
	int64		values = 0;
	ListCell   *cell;

	foreach(cell, fc_walk_tally(column))
	{
		const FcTallyEntry *entry = lfirst(cell);

		if (fc_key_id_equal(&entry->key_id, key_id) && entry->version > 0 &&
			(version == 0 || entry->version == version))
			values += entry->values;
	}
	return values;
}

/*
 * Nobody may write a value that we have not seen: the tables stand still
 * until the version is gone.  Temporary tables of other sessions cannot be
 * read; those that may hold values of the key are in the way.
 */
static void
lock_tables(List *columns, const char *name, uint32 prefix)
{
	ListCell   *cell;

	foreach(cell, fc_walk_all_columns(prefix))
	{
		if (fc_walk_is_foreign_temp(lfirst(cell)))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("temporary tables of other sessions may hold values of key \"%s\"", name),
					 errdetail("One is %s.", fc_walk_label(lfirst(cell))),
					 errhint("Try again when these sessions have ended.")));
	}
	foreach(cell, columns)
	{
		if (!fc_walk_is_foreign_temp(lfirst(cell)))
			LockRelationOid(((FcWalkColumn *) lfirst(cell))->relation, ShareLock);
	}
	AcceptInvalidationMessages();
}

/* 55006, naming the columns, if any value is under the version. */
static void
check_unused(const char *name, const FcKeyId *key_id, int version)
{
	List	   *columns = fc_walk_all_columns(0);
	StringInfoData where;
	int64		total = 0;
	int			named = 0;
	ListCell   *cell;

	lock_tables(columns, name, fc_key_id_prefix(key_id));
	initStringInfo(&where);
	/* not the transaction's snapshot, which may be older than the locks */
	PushActiveSnapshot(GetLatestSnapshot());
	foreach(cell, columns)
	{
		int64		values = values_of(lfirst(cell), key_id, version);

		total += values;
		if (values > 0 && ++named <= LIFE_NAMED_COLUMNS)
			appendStringInfo(&where, "%s%s (%lld)", named > 1 ? ", " : "",
							 fc_walk_label(lfirst(cell)), (long long) values);
	}
	PopActiveSnapshot();
	if (total == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("version %d of key \"%s\" is needed by %lld values", version, name, (long long) total),
			 named > LIFE_NAMED_COLUMNS ?
			 errdetail("They are in %s and %d more columns.", where.data, named - LIFE_NAMED_COLUMNS) :
			 errdetail("They are in %s.", where.data),
			 errhint("Use CALL fieldcrypt.rewrap_key(%s) first, or reencrypt_key() after a compromise.",
					 quote_literal_cstr(name))));
}

/* ---- destroying ---- */

/* What stands between a destroyed blob and being gone. */
static void
report_remains(const char *what, bool rewritten, bool kms_keys_deleted)
{
	const char *rows = rewritten ? "" :
		"dead rows of fieldcrypt.key_versions until they are vacuumed and overwritten, ";
	const char *blocks = rewritten ? ", free blocks of the file system" : "";
	const char *who = kms_keys_deleted ?
		"It opens only while the KMS still has the KMS key, in a backup of its own for example." :
		"Whoever has one of these and may use the KMS key can open it.";
	const char *first = rewritten ? "Let" :
		"Use VACUUM FULL fieldcrypt.key_versions and SELECT pg_switch_wal(), and let";
	const char *last = kms_keys_deleted ? ", those of the KMS too." :
		". Only destroying the KMS key itself is final.";

	ereport(NOTICE,
			(errmsg("%s is destroyed in this database", what),
			 errdetail("The wrapped key is still in: %sWAL and its archive, replication slots, base backups, dumps and export files%s, and standbys until they have replayed this. %s",
					   rows, blocks, who),
			 errhint("%s backups and archives expire%s", first, last)));
}

/*
 * Every session reads the key tables, and would stand behind us if we stood in
 * the queue for the lock: so we look again and again for a moment in which it
 * is free.
 */
bool
fc_life_lock(Oid relation, LOCKMODE mode)
{
	TimestampTz since = GetCurrentTimestamp();
	int			timeout = LockTimeout > 0 ? LockTimeout : LIFE_LOCK_MS;

	while (!ConditionalLockRelationOid(relation, mode))
	{
		if (TimestampDifferenceExceeds(since, GetCurrentTimestamp(), timeout))
			return false;
		fc_walk_sleep(LIFE_LOCK_POLL_MS);
	}
	return true;
}

static void
name_destroyed(void *arg)
{
	errcontext("finishing after %s was destroyed", (char *) arg);
}

/*
 * A table that is written anew has the rows that are visible now, and no dead
 * ones, which CLUSTER and VACUUM FULL keep for the snapshots of others.
 * ALTER TABLE does so for any expression in a column's place; this one changes
 * nothing.  The WAL file with the page as it was goes to the archive.
 */
static void
rewrite_versions(void)
{
	FcRunAs		caller;

	fc_admin_become_owner(&caller);
	if (SPI_execute("ALTER TABLE fieldcrypt.key_versions ALTER COLUMN kcv"
					" TYPE pg_catalog.bytea USING pg_catalog.byteacat(kcv, '\\x')",
					false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not rewrite the key versions");
	fc_run_as_end(&caller);
	SPI_commit();
	(void) RequestXLogSwitch(false);
}

/*
 * What was destroyed is committed, its KMS keys are deleted, and its bytes are
 * removed from the table's file in further transactions; inside a caller's
 * transaction that is left to the caller.
 */
static void
finish_destroying(FunctionCallInfo fcinfo, const char *what, const FcKmsKeyRef *refs, int nrefs)
{
	bool		alone = fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		!castNode(CallContext, fcinfo->context)->atomic;
	ErrorContextCallback context = {error_context_stack, name_destroyed, NULL};
	FcKmsKeyRef *kept;
	bool		deleted;
	bool		rewritten;

	if (!alone)
	{
		report_remains(what, false, false);
		fc_life_leave_kms_keys(refs, nrefs);
		return;
	}
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	/* what follows may fail, and must not take this back; copies survive it */
	what = pstrdup(what);
	kept = palloc(Max(nrefs, 1) * sizeof(FcKmsKeyRef));
	if (nrefs > 0)
		memcpy(kept, refs, nrefs * sizeof(FcKmsKeyRef));
	SPI_commit();
	context.arg = unconstify(char *, what);
	error_context_stack = &context;
	deleted = fc_life_delete_kms_keys(kept, nrefs);
	rewritten = fc_life_lock(fc_keyring_table("key_versions"), AccessExclusiveLock);
	if (rewritten)
		rewrite_versions();
	error_context_stack = context.previous;
	report_remains(what, rewritten, deleted);
	SPI_finish();
}

/* Take the blobs out of one version, or (0) of every version of a key. */
static void
destroy_versions(const FcKeyId *key_id, int version)
{
	Oid			types[2] = {BYTEAOID, INT4OID};
	Datum		values[2];
	FcRunAs		caller;

	values[0] = fc_bytes_datum(key_id->bytes, FC_KEY_ID_BYTES);
	values[1] = Int32GetDatum(version);
	fc_admin_become_owner(&caller);
	(void) fc_admin_execute("UPDATE fieldcrypt.key_versions SET state = 'destroyed',"
							" wrapped = NULL, seal = NULL, kcv = '\\x0000000000000000',"
							" old_provider = NULL, old_kms_key = NULL, old_wrapped = NULL,"
							" destroyed_at = pg_catalog.now()"
							" WHERE key_id OPERATOR(pg_catalog.=) $1"
							" AND ($2 OPERATOR(pg_catalog.=) 0"
							" OR (purpose OPERATOR(pg_catalog.=) 1::pg_catalog.int2"
							" AND version OPERATOR(pg_catalog.=) $2))"
							" AND state OPERATOR(pg_catalog.<>) 'destroyed'",
							2, types, values, NULL);
	fc_run_as_end(&caller);
}

/*
 * The keyring is read as it is now; a transaction with an earlier snapshot
 * does not update what it does not see.  What others committed meanwhile must
 * not outlive the key unnoticed.
 */
static void
check_destroyed(const char *name, const FcKeyId *key_id, int version)
{
	static const uint8 purposes[] = {FC_PURPOSE_WRAP, FC_PURPOSE_INDEX};
	const FcKey *key;
	bool		complete;

	CommandCounterIncrement();
	fc_keyring_forget();
	key = fc_keyring_by_id(key_id);
	complete = key != NULL && (version != 0 || key->destroyed);
	for (int i = 0; complete && i < lengthof(purposes); i++)
	{
		for (int n = 1; n <= fc_keyring_last_version(key, purposes[i]); n++)
		{
			const FcKeyVersion *other = fc_keyring_version(key, purposes[i], n);

			if (other != NULL && other->state != FC_VERSION_DESTROYED &&
				(version == 0 || (purposes[i] == FC_PURPOSE_WRAP && n == version)))
				complete = false;
		}
	}
	if (!complete)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not destroy key \"%s\" because of a concurrent change", name),
				 errhint("Try again, in a transaction of its own.")));
}

Datum
fc_destroy_version(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	int			number = fc_arg_int(fcinfo, 1, "version");
	FcKeyId		key_id;

	(void) lock_version("destroy_version()", name, number, &key_id);
	check_unused(name, &key_id, number);
	destroy_versions(&key_id, number);
	check_destroyed(name, &key_id, number);
	fc_admin_wipe(&key_id, 1);
	finish_destroying(fcinfo, psprintf("version %d of key \"%s\"", number, name), NULL, 0);
	return (Datum) 0;
}

/* How many values nobody will open any more. */
static int64
count_lost(const FcKeyId *ids, int count)
{
	int64		lost = 0;
	ListCell   *cell;
	int			i;

	PushActiveSnapshot(GetLatestSnapshot());
	foreach(cell, fc_walk_all_columns(fc_key_id_prefix(&ids[0])))
	{
		for (i = 0; i < count; i++)
			lost += values_of(lfirst(cell), &ids[i], 0);
	}
	PopActiveSnapshot();
	return lost;
}

/*
 * fc_destroy_key
 *		Crypto-shredding: values are expected to be there, and are lost.  The
 *		index versions go too, or the tags of the values could be compared
 *		with those of guesses.
 */
Datum
fc_destroy_key(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	Oid			types[1] = {TEXTOID};
	Datum		values[1];
	FcRunAs		caller;
	FcKmsKeyRef *refs;
	int			nrefs;
	FcKeyId    *ids;
	int			count;
	int			i;

	fc_admin_lock_keys("destroy_key()");
	if (fc_admin_key(name)->destroyed)
		fc_report_key_state(name, 0, "destroyed", LIFE_DESTROYED_HINT);
	count = fc_keyring_ids(name, &ids);
	nrefs = fc_life_kms_keys(name, &refs);
	ereport(NOTICE,
			(errmsg("%lld values of key \"%s\" can never be decrypted again",
					(long long) count_lost(ids, count), name)));
	values[0] = CStringGetTextDatum(name);
	fc_admin_become_owner(&caller);
	(void) fc_admin_execute("UPDATE fieldcrypt.keys SET state = 'destroyed',"
							" destroyed_at = pg_catalog.now()"
							" WHERE name OPERATOR(pg_catalog.=) $1",
							1, types, values, NULL);
	fc_run_as_end(&caller);
	for (i = 0; i < count; i++)
	{
		destroy_versions(&ids[i], 0);
		check_destroyed(name, &ids[i], 0);
	}
	fc_admin_wipe(ids, count);
	finish_destroying(fcinfo, psprintf("key \"%s\"", name), refs, nrefs);
	return (Datum) 0;
}

/* ---- cryptoperiods ---- */

static void
check_period(Datum every)
{
	Interval	zero = {0, 0, 0};

	if (DatumGetInt32(DirectFunctionCall2(interval_cmp, every, IntervalPGetDatum(&zero))) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be longer than zero", "every"),
				 errhint("Use an interval such as '90 days', or null for no rotation.")));
}

Datum
fc_set_rotation(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	bool		automatic = fc_arg_bool(fcinfo, 2, "auto");
	char	   *window = PG_ARGISNULL(3) ? NULL : fc_arg_text(fcinfo, 3, "daily_window");
	Oid			types[4] = {TEXTOID, INTERVALOID, BOOLOID, TEXTOID};
	Datum		values[4];
	char		nulls[4] = {' ', ' ', ' ', ' '};

	if (!PG_ARGISNULL(1))
		check_period(PG_GETARG_DATUM(1));
	if (window != NULL)
		fc_window_check(window);
	if ((automatic && PG_ARGISNULL(1)) || (window != NULL && !automatic))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 automatic ? errmsg("\"auto\" needs an interval \"every\"") :
				 errmsg("\"daily_window\" needs \"auto\""),
				 errhint("As in SELECT fieldcrypt.set_rotation(%s, '90 days', auto => true, daily_window => '01:00-05:00').",
						 quote_literal_cstr(name))));
	fc_admin_lock_keys("set_rotation()");
	if (fc_admin_key(name)->destroyed)
		fc_report_key_state(name, 0, "destroyed", LIFE_DESTROYED_HINT);
	values[0] = CStringGetTextDatum(name);
	values[1] = PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1);
	nulls[1] = PG_ARGISNULL(1) ? 'n' : ' ';
	values[2] = BoolGetDatum(automatic);
	values[3] = window ? CStringGetTextDatum(window) : (Datum) 0;
	nulls[3] = window ? ' ' : 'n';
	(void) fc_admin_execute("UPDATE fieldcrypt.keys SET rotate_every = $2, rotate_auto = $3, rotate_window = $4"
							" WHERE name OPERATOR(pg_catalog.=) $1",
							4, types, values, nulls);
	PG_RETURN_VOID();
}
