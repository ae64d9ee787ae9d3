/*-------------------------------------------------------------------------
 *
 * fc_import.c
 *		import_keyring: take over keys that another database exported.
 *
 * What is here stays as it is: a version that exists is never replaced, what
 * was destroyed never comes back, and the key that writes under a name goes on
 * writing.  Everything is read, checked, and opened through its provider
 * before the first row is written, and it is one transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/fc_b64.h"
#include "crypto/fc_crypto.h"
#include "pg/fc_guc.h"
#include "pg/fc_report.h"
#include "pg/fc_requests.h"
#include "pg/fc_shmem.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_keyring_json.h"
#include "sqlapi/fc_sqlapi.h"

PG_FUNCTION_INFO_V1(fc_import_keyring);

typedef enum ImportAction
{
	IMPORT_NEW,
	IMPORT_PRE_ACTIVE,			/* active there; here another version is */
	IMPORT_TOMBSTONE,			/* destroyed there, and not known here */
	IMPORT_EXISTS,
	IMPORT_CONFLICT,			/* here the number belongs to another secret */
	IMPORT_DESTROYED_HERE,
	IMPORT_DESTROYED_THERE,		/* but not here, where it stays */
	IMPORT_NAME_DESTROYED		/* the name was used up here */
} ImportAction;

static const char *const action_texts[] = {
	[IMPORT_NEW] = "imported",
	[IMPORT_PRE_ACTIVE] = "imported as pre-active",
	[IMPORT_TOMBSTONE] = "imported as destroyed",
	[IMPORT_EXISTS] = "exists",
	[IMPORT_CONFLICT] = "conflict, not imported",
	[IMPORT_DESTROYED_HERE] = "destroyed here, not imported",
	[IMPORT_DESTROYED_THERE] = "destroyed there, kept here",
	[IMPORT_NAME_DESTROYED] = "name destroyed here, not imported",
};

static bool
is_destroyed(const FcJsonVersion *version)
{
	return version->wrapped.blob_len == 0;
}

/*
 * May the key be imported as a new one?  Errors where its name is in the way
 * of another.
 */
static bool
key_is_new(const FcJsonKey *key, bool *name_destroyed)
{
	const FcKey *by_prefix = fc_keyring_by_prefix(fc_key_id_prefix(&key->key_id));

	*name_destroyed = false;
	if (by_prefix != NULL && strcmp(by_prefix->name, key->name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("key name \"%s\" cannot be used beside key \"%s\"", key->name, by_prefix->name),
				 errdetail("Columns would take one for the other: the first 28 bits of the names' hashes are the same."),
				 errhint("Import the keyring without that key, or into another database.")));
	if (fc_keyring_by_id(&key->key_id) != NULL)
		return false;
	/* the best of the name's identities: if it is destroyed, all are */
	by_prefix = fc_keyring_by_prefix(fc_key_id_prefix(&key->key_id));
	*name_destroyed = by_prefix != NULL && by_prefix->destroyed && !key->destroyed;
	return !*name_destroyed;
}

static ImportAction
decide(const FcJsonKey *key, const FcJsonVersion *version)
{
	const FcKeyContext *context = &version->context;
	bool		name_destroyed;
	bool		is_new = key_is_new(key, &name_destroyed);
	const FcKey *here = fc_keyring_by_id(&key->key_id);
	const FcKeyVersion *same;

	if (name_destroyed)
		return IMPORT_NAME_DESTROYED;
	if (is_new)
		return is_destroyed(version) ? IMPORT_TOMBSTONE : IMPORT_NEW;
	same = fc_keyring_version(here, context->purpose, context->version);
	if (here->destroyed || (same != NULL && same->state == FC_VERSION_DESTROYED))
		return IMPORT_DESTROYED_HERE;
	if (is_destroyed(version))
		return same != NULL || key->destroyed ? IMPORT_DESTROYED_THERE : IMPORT_TOMBSTONE;
	if (same != NULL)
		return fc_equal_ct(same->source.kcv, version->wrapped.kcv, FC_KCV_BYTES) ?
			IMPORT_EXISTS : IMPORT_CONFLICT;
	return strcmp(version->state, "active") == 0 &&
		fc_keyring_active(here, context->purpose) != NULL ? IMPORT_PRE_ACTIVE : IMPORT_NEW;
}

/* ---- what is imported must open ---- */

static void
verify_version(const FcJsonKey *key, const FcJsonVersion *version)
{
	FcRequest	request;
	FcAnswer	answer;
	const char *purpose = version->context.purpose == FC_PURPOSE_WRAP ? "wrap" : "index";

	fc_admin_check_provider(version->provider);
	memset(&request, 0, sizeof(request));
	request.kind = FC_REQUEST_VERIFY;
	request.database = MyDatabaseId;
	fc_keyring_dbname(request.dbname);
	request.context = version->context;
	strlcpy(request.provider, version->provider, sizeof(request.provider));
	request.old = version->wrapped;
	memset(&answer, 0, sizeof(answer));
	fc_request_run(&request, fc_guc_kms_timeout, &answer);
	if (answer.status == FC_OK)
		return;
	ereport(ERROR,
			(errcode(answer.status == FC_ERR_KMS_RETRY || answer.status == FC_ERR_KMS_CONFIG ?
					 ERRCODE_SYSTEM_ERROR : ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("key \"%s\" was not imported: provider \"%s\" does not open it", key->name, version->provider),
			 errdetail("The %s key, version %d: %s", purpose, version->context.version,
					   fc_message_or_status(answer.message, answer.status)),
			 errhint("Nothing was imported. With verify => false keys are imported as they are.")));
}

static void
verify_all(List *keys)
{
	ListCell   *k;
	ListCell   *v;

	if (!fc_shmem_ready())
		fc_report_not_preloaded();
	foreach(k, keys)
	{
		const FcJsonKey *key = lfirst(k);

		foreach(v, key->versions)
		{
			ImportAction action = decide(key, lfirst(v));

			if (action == IMPORT_NEW || action == IMPORT_PRE_ACTIVE)
				verify_version(key, lfirst(v));
		}
	}
}

/* ---- writing ---- */

static void
put_text(const char *text, int n, Datum *values, char *nulls)
{
	nulls[n] = text ? ' ' : 'n';
	values[n] = text ? CStringGetTextDatum(text) : (Datum) 0;
}

/* Of several keys of one name the one that is here goes on writing. */
static void
insert_key(const FcJsonKey *key)
{
	Oid			types[7] = {BYTEAOID, TEXTOID, BOOLOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[7];
	char		nulls[7];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = fc_bytes_datum(key->key_id.bytes, FC_KEY_ID_BYTES);
	values[1] = CStringGetTextDatum(key->name);
	values[2] = BoolGetDatum(key->writes);
	put_text(key->destroyed ? "destroyed" : "active", 3, values, nulls);
	put_text(key->locked_at, 4, values, nulls);
	put_text(key->created_at, 5, values, nulls);
	put_text(key->destroyed_at, 6, values, nulls);
	(void) fc_admin_execute("INSERT INTO fieldcrypt.keys"
							" (key_id, name, writes, state, locked_at, created_at, destroyed_at)"
							" VALUES ($1, $2, $3 AND NOT EXISTS (SELECT FROM fieldcrypt.keys"
							" WHERE name = $2 AND writes), $4, $5::timestamptz,"
							" COALESCE($6::timestamptz, now()), $7::timestamptz)",
							7, types, values, nulls);
}

static void
insert_version(const FcJsonVersion *version, const char *state)
{
	Oid			types[13] = {BYTEAOID, INT2OID, INT4OID, INT2OID, TEXTOID, TEXTOID, TEXTOID,
	BYTEAOID, BYTEAOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[13];
	char		nulls[13];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = fc_bytes_datum(version->context.key_id.bytes, FC_KEY_ID_BYTES);
	values[1] = Int16GetDatum(version->context.purpose);
	values[2] = Int32GetDatum(version->context.version);
	values[3] = Int16GetDatum(version->context.suite);
	put_text(state, 4, values, nulls);
	put_text(version->provider, 5, values, nulls);
	put_text(version->wrapped.kms_key, 6, values, nulls);
	values[7] = fc_bytes_datum(version->wrapped.blob, version->wrapped.blob_len);
	if (is_destroyed(version))
		nulls[7] = 'n';
	values[8] = fc_bytes_datum(version->wrapped.kcv, FC_KCV_BYTES);
	put_text(version->created_at, 9, values, nulls);
	put_text(strcmp(state, "pre-active") == 0 ? NULL : version->activated_at, 10, values, nulls);
	put_text(version->destroyed_at, 11, values, nulls);
	/* searches here do not ask for its tags either */
	put_text(version->retired_at, 12, values, nulls);
	(void) fc_admin_execute("INSERT INTO fieldcrypt.key_versions (key_id, purpose, version,"
							" suite, state, provider, kms_key, wrapped, kcv, created_at, activated_at, destroyed_at, retired_at)"
							" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, COALESCE($10::timestamptz, now()),"
							" $11::timestamptz, $12::timestamptz, $13::timestamptz)",
							13, types, values, nulls);
}

static void
emit(FunctionCallInfo fcinfo, const FcJsonKey *key, const FcJsonVersion *version, ImportAction action)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char		hex[2 * FC_KEY_ID_BYTES + 1];
	Datum		values[5];
	bool		nulls[5] = {false};

	fc_hex_encode(key->key_id.bytes, FC_KEY_ID_BYTES, hex);
	hex[2 * FC_KEY_ID_BYTES] = '\0';
	values[0] = CStringGetTextDatum(key->name);
	values[1] = CStringGetTextDatum(hex);
	values[2] = CStringGetTextDatum(version->context.purpose == FC_PURPOSE_WRAP ? "wrap" : "index");
	values[3] = Int32GetDatum(version->context.version);
	values[4] = CStringGetTextDatum(action_texts[action]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	if (action == IMPORT_CONFLICT)
		ereport(WARNING,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("version %d of key \"%s\" is another secret here than there",
						version->context.version, key->name),
				 errdetail("Both databases made a version of that number. Values of the other one cannot be opened here."),
				 errhint("Rotate a shared key in one database only. There, rotate it again and rewrap its values, then import it.")));
}

static void
import_key(FunctionCallInfo fcinfo, const FcJsonKey *key)
{
	bool		name_destroyed;
	bool		is_new = key_is_new(key, &name_destroyed);
	ImportAction *actions = palloc(sizeof(ImportAction) * (list_length(key->versions) + 1));
	ListCell   *cell;
	int			i = 0;

	/* all of them, before what is written changes the answer */
	foreach(cell, key->versions)
		actions[i++] = decide(key, lfirst(cell));
	if (is_new)
		insert_key(key);
	i = 0;
	foreach(cell, key->versions)
	{
		const FcJsonVersion *version = lfirst(cell);
		ImportAction action = actions[i++];

		if (action == IMPORT_NEW || action == IMPORT_TOMBSTONE)
			insert_version(version, version->state);
		else if (action == IMPORT_PRE_ACTIVE)
			insert_version(version, "pre-active");
		emit(fcinfo, key, version, action);
	}
}

/*
 * fc_import_keyring
 *		The KMS is asked before the lock is taken, so what is to be done is
 *		decided twice; the second time counts.
 */
Datum
fc_import_keyring(PG_FUNCTION_ARGS)
{
	bool		verify = fc_arg_bool(fcinfo, 1, "verify");
	MemoryContext outer = CurrentMemoryContext;
	List	   *keys;
	ListCell   *cell;

	if (PG_ARGISNULL(0))
		(void) fc_arg_text(fcinfo, 0, "keyring");
	PreventCommandIfReadOnly("import_keyring()");
	InitMaterializedSRF(fcinfo, 0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	keys = fc_keyring_parse(PG_GETARG_DATUM(0));
	if (verify)
		verify_all(keys);
	fc_admin_lock_keys("import_keyring()");
	foreach(cell, keys)
		import_key(fcinfo, lfirst(cell));
	SPI_finish();
	MemoryContextSwitchTo(outer);
	return (Datum) 0;
}
