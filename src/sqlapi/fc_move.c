/*-------------------------------------------------------------------------
 *
 * fc_move.c
 *		Wrapping root secrets anew: rewrap_keyring, after the KMS's root key
 *		was rotated, and move_key, to another KMS or KMS key.
 *
 * A version is done in four steps.  Its row is read and the transaction
 * ended; the worker unwraps the blob, checks it, wraps it anew, unwraps that
 * and compares; the new blob is fetched into the key cache, so that nobody
 * who comes after the commit has to wait; then the row is written, if it
 * still has the blob that was read.  The blob that is replaced stays in the
 * row until the caller says that it is complete, and can be brought back.
 * There is no other state: what was done shows in the rows, and the next call
 * goes on with the rest.
 *
 * The procedures commit, so they run as their caller; EXECUTE on them is for
 * key custodians, who own no key table: rows are read and written as the
 * tables' owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "crypto/fc_crypto.h"
#include "pg/fc_guc.h"
#include "pg/fc_keycache.h"
#include "pg/fc_providers.h"
#include "pg/fc_report.h"
#include "pg/fc_requests.h"
#include "pg/fc_shmem.h"
#include "sqlapi/fc_admin.h"

PG_FUNCTION_INFO_V1(fc_rewrap_keyring);
PG_FUNCTION_INFO_V1(fc_move_key);

/* Somebody else rewrapped the version meanwhile: read it again, this often. */
#define MOVE_TRIES 5

/* For an UPDATE: the version of identity_args, if it has the blob $4 still. */
#define WHERE_STILL_SO \
	" WHERE key_id OPERATOR(pg_catalog.=) $1 AND purpose OPERATOR(pg_catalog.=) $2" \
	" AND version OPERATOR(pg_catalog.=) $3 AND wrapped OPERATOR(pg_catalog.=) $4"

typedef enum MoveKind
{
	MOVE_REWRAP,				/* wrap anew and keep the old blob */
	MOVE_COMPLETE,				/* let the old blob go */
	MOVE_UNDO					/* bring the old blob back */
} MoveKind;

typedef enum MoveResult
{
	MOVE_DONE,
	MOVE_SKIPPED,				/* nothing to do */
	MOVE_CHANGED,				/* the row is another one by now */
	MOVE_FAILED					/* said so; others may succeed */
} MoveResult;

typedef struct Move
{
	const char *command;
	MoveKind	kind;
	const char *provider;		/* to wrap with */
	const char *kms_key;		/* likewise; NULL: what each version has */
	const char *only_key;		/* move_key: of this key; else of the provider */
	int			failed;
} Move;

/* One version, as it was read. */
typedef struct MoveItem
{
	char		name[FC_KEY_NAME_MAX];
	bool		locked;
	FcKeyContext context;
	char		provider[FC_KMS_NAME_MAX];
	FcWrapped	now;
	char		old_provider[FC_KMS_NAME_MAX];	/* "" = there is no old blob */
	FcWrapped	old;
} MoveItem;

/* ---- reading and writing the key tables ---- */

static uint64
write_as_owner(const char *sql, int nargs, Oid *types, Datum *values)
{
	FcRunAs		caller;
	uint64		rows;

	fc_admin_become_owner(&caller);
	rows = fc_admin_execute(sql, nargs, types, values, NULL);
	fc_run_as_end(&caller);
	return rows;
}

/* Rows are in SPI_tuptable afterwards. */
static void
read_as_owner(const char *sql, int nargs, Oid *types, Datum *values)
{
	FcRunAs		caller;

	fc_admin_become_owner(&caller);
	if (SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the key tables");
	fc_run_as_end(&caller);
}

static void
row_text(int column, char *out, Size size)
{
	char	   *text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);

	strlcpy(out, text ? text : "", size);
}

/* Returns its length, 0 if null; what does not fit is no wrapped key of ours. */
static int
row_bytes(HeapTuple row, int column, void *out, Size size)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, SPI_tuptable->tupdesc, column, &isnull);
	bytea	   *bytes;

	if (isnull)
		return 0;
	bytes = DatumGetByteaPP(value);
	if (VARSIZE_ANY_EXHDR(bytes) > size)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a row of the key tables is too long")));
	memcpy(out, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	return VARSIZE_ANY_EXHDR(bytes);
}

static int
row_int(HeapTuple row, int column)
{
	return atoi(SPI_getvalue(row, SPI_tuptable->tupdesc, column));
}

/*
 * The versions to be treated, of keys and versions that are not destroyed.
 * Locked keys are among them: a lock keeps a key from being used, not from
 * being looked after.  Survives the commits.
 */
static int
list_versions(const Move *move, FcKeyContext **list)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1];
	uint64		i;
	uint64		n;

	values[0] = CStringGetTextDatum(move->only_key ? move->only_key : move->provider);
	read_as_owner(move->only_key ?
				  "SELECT v.key_id, v.purpose, v.version, v.suite"
				  " FROM fieldcrypt.keys k, fieldcrypt.key_versions v"
				  " WHERE v.key_id OPERATOR(pg_catalog.=) k.key_id"
				  " AND k.name OPERATOR(pg_catalog.=) $1"
				  " AND k.state OPERATOR(pg_catalog.=) 'active'"
				  " AND v.state OPERATOR(pg_catalog.<>) 'destroyed'"
				  " ORDER BY k.name, v.key_id, v.purpose, v.version" :
				  "SELECT v.key_id, v.purpose, v.version, v.suite"
				  " FROM fieldcrypt.keys k, fieldcrypt.key_versions v"
				  " WHERE v.key_id OPERATOR(pg_catalog.=) k.key_id"
				  " AND v.provider OPERATOR(pg_catalog.=) $1"
				  " AND k.state OPERATOR(pg_catalog.=) 'active'"
				  " AND v.state OPERATOR(pg_catalog.<>) 'destroyed'"
				  " ORDER BY k.name, v.key_id, v.purpose, v.version",
				  1, types, values);
	n = SPI_processed;
	*list = palloc0(Max(n, 1) * sizeof(FcKeyContext));
	for (i = 0; i < n; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		FcKeyContext *context = &(*list)[i];

		(void) row_bytes(row, 1, context->key_id.bytes, FC_KEY_ID_BYTES);
		context->purpose = row_int(row, 2);
		context->version = row_int(row, 3);
		context->suite = row_int(row, 4);
	}
	SPI_freetuptable(SPI_tuptable);
	return (int) n;
}

static int
identity_args(const FcKeyContext *context, Oid *types, Datum *values)
{
	types[0] = BYTEAOID;
	values[0] = fc_bytes_datum(context->key_id.bytes, FC_KEY_ID_BYTES);
	types[1] = INT4OID;
	values[1] = Int32GetDatum(context->purpose);
	types[2] = INT4OID;
	values[2] = Int32GetDatum(context->version);
	return 3;
}

/* False if the version is gone. */
static bool
read_item(const FcKeyContext *context, MoveItem *item)
{
	Oid			types[3];
	Datum		values[3];
	HeapTuple	row;
	bool		found;

	memset(item, 0, sizeof(*item));
	item->context = *context;
	read_as_owner("SELECT k.name, k.locked_at IS NOT NULL, v.provider, v.kms_key, v.old_provider,"
				  " v.old_kms_key, v.wrapped, v.kcv, v.old_wrapped"
				  " FROM fieldcrypt.keys k, fieldcrypt.key_versions v"
				  " WHERE v.key_id OPERATOR(pg_catalog.=) k.key_id"
				  " AND v.key_id OPERATOR(pg_catalog.=) $1"
				  " AND v.purpose OPERATOR(pg_catalog.=) $2"
				  " AND v.version OPERATOR(pg_catalog.=) $3"
				  " AND k.state OPERATOR(pg_catalog.=) 'active'"
				  " AND v.state OPERATOR(pg_catalog.<>) 'destroyed'",
				  identity_args(context, types, values), types, values);
	found = SPI_processed == 1;
	if (found)
	{
		char		locked[2];

		row = SPI_tuptable->vals[0];
		row_text(1, item->name, sizeof(item->name));
		row_text(2, locked, sizeof(locked));
		item->locked = locked[0] == 't';
		row_text(3, item->provider, sizeof(item->provider));
		row_text(4, item->now.kms_key, sizeof(item->now.kms_key));
		row_text(5, item->old_provider, sizeof(item->old_provider));
		row_text(6, item->old.kms_key, sizeof(item->old.kms_key));
		item->now.blob_len = row_bytes(row, 7, item->now.blob, sizeof(item->now.blob));
		(void) row_bytes(row, 8, item->now.kcv, FC_KCV_BYTES);
		item->old.blob_len = row_bytes(row, 9, item->old.blob, sizeof(item->old.blob));
		memcpy(item->old.kcv, item->now.kcv, FC_KCV_BYTES);
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/*
 * Write the row, if it still has the blob that was read.  The lock keeps the
 * makers and destroyers of versions away meanwhile.
 */
static bool
write_item(const Move *move, const MoveItem *item, const char *provider, const FcAnswer *answer)
{
	Oid			types[7];
	Datum		values[7];
	int			n = identity_args(&item->context, types, values);
	uint64		rows;

	types[n] = BYTEAOID;
	values[n++] = fc_bytes_datum(item->now.blob, item->now.blob_len);
	fc_admin_lock_keys(move->command);
	if (move->kind == MOVE_COMPLETE)
		rows = write_as_owner("UPDATE fieldcrypt.key_versions"
							  " SET old_provider = NULL, old_kms_key = NULL, old_wrapped = NULL"
							  WHERE_STILL_SO, n, types, values);
	else if (move->kind == MOVE_UNDO)
		rows = write_as_owner("UPDATE fieldcrypt.key_versions SET provider = old_provider,"
							  " kms_key = old_kms_key, wrapped = old_wrapped, rewrapped_at = pg_catalog.now(),"
							  " old_provider = NULL, old_kms_key = NULL, old_wrapped = NULL"
							  WHERE_STILL_SO " AND old_wrapped IS NOT NULL", n, types, values);
	else
	{
		types[n] = TEXTOID;
		values[n++] = CStringGetTextDatum(provider);
		types[n] = TEXTOID;
		values[n++] = CStringGetTextDatum(answer->kms_key);
		types[n] = BYTEAOID;
		values[n++] = fc_bytes_datum(answer->blob, answer->blob_len);
		rows = write_as_owner("UPDATE fieldcrypt.key_versions SET old_provider = provider,"
							  " old_kms_key = kms_key, old_wrapped = wrapped, rewrapped_at = pg_catalog.now(),"
							  " provider = $5, kms_key = $6, wrapped = $7"
							  WHERE_STILL_SO " AND old_wrapped IS NULL", n, types, values);
	}
	SPI_commit();
	return rows == 1;
}

/* ---- asking the workers; no transaction is under way that holds anything ---- */

static void
fill_request(FcRequest *request, const MoveItem *item, FcRequestKind kind, const char *provider)
{
	memset(request, 0, sizeof(*request));
	request->kind = kind;
	request->database = MyDatabaseId;
	fc_keyring_dbname(request->dbname);
	request->context = item->context;
	strlcpy(request->provider, provider, sizeof(request->provider));
}

/* Returns the provider whose answer it is. */
static const char *
ask_rewrap(const MoveItem *item, const char *provider, const char *kms_key, FcAnswer *answer)
{
	FcRequest	out;
	FcRequest	in;

	if (strcmp(item->provider, provider) == 0)
	{
		fill_request(&in, item, FC_REQUEST_REWRAP, provider);
		strlcpy(in.kms_key, kms_key, sizeof(in.kms_key));
		in.old = item->now;
		fc_request_run(&in, fc_guc_kms_timeout, answer);
		return provider;
	}
	fill_request(&out, item, FC_REQUEST_HAND_OUT, item->provider);
	out.old = item->now;
	fill_request(&in, item, FC_REQUEST_TAKE_OVER, provider);
	strlcpy(in.kms_key, kms_key, sizeof(in.kms_key));
	return strcmp(fc_transfer_run(&out, &in, fc_guc_kms_timeout, answer), out.provider) == 0 ?
		item->provider : provider;
}

static void
ask_verify(const MoveItem *item, const FcWrapped *what, const char *provider, FcAnswer *answer)
{
	FcRequest	request;

	fill_request(&request, item, FC_REQUEST_VERIFY, provider);
	request.old = *what;
	fc_request_run(&request, fc_guc_kms_timeout, answer);
}

/* The place of a wrapped key in the cache. */
static void
cache_source(const MoveItem *item, const char *provider, const char *kms_key,
			 const uint8 *blob, int blob_len, FcKeySource *source)
{
	uint8		hash[32];
	FcStatus	status = fc_sha256(blob, blob_len, hash);

	if (status != FC_OK)
		fc_report_internal(status);
	memset(source, 0, sizeof(*source));
	source->id.database = MyDatabaseId;
	source->id.context = item->context;
	memcpy(source->id.blob_hash, hash, FC_BLOB_HASH_BYTES);
	fc_keyring_dbname(source->dbname);
	strlcpy(source->provider, provider, sizeof(source->provider));
	strlcpy(source->kms_key, kms_key, sizeof(source->kms_key));
	memcpy(source->kcv, item->now.kcv, FC_KCV_BYTES);
	memcpy(source->blob, blob, blob_len);
	source->blob_len = blob_len;
}

/*
 * Who needs the key after the commit finds it in the cache.  Only for keys
 * that are there now.
 */
static bool
fetch_ahead(const MoveItem *item, const FcKeySource *source, FcAnswer *answer)
{
	FcKeySource now;
	FcKeyRef	ref;
	FcKeyFailure failure;

	cache_source(item, item->provider, item->now.kms_key, item->now.blob, item->now.blob_len, &now);
	if (item->locked || !fc_keycache_holds(&now.id) ||
		fc_keycache_get(source, fc_guc_kms_timeout, &ref, &failure))
		return true;
	answer->status = failure.status;
	strlcpy(answer->message, failure.message, sizeof(answer->message));
	return false;
}

/*
 * A KMS that is out of reach is so for the other versions too: that ends the
 * call.  What it refuses or answers wrongly is said, and the others are tried.
 */
static MoveResult
failed(Move *move, const MoveItem *item, const char *provider, const FcAnswer *answer)
{
	if (answer->status == FC_ERR_KMS_RETRY || answer->status == FC_ERR_KMS_CONFIG)
	{
		FcOutage	outage = {item->name, item->context.version, provider,
		answer->status, answer->message, 0, 0};

		fc_report_outage(&outage);
	}
	move->failed++;
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("version %d of key \"%s\" stays as it is", item->context.version, item->name),
			 errdetail("Provider \"%s\", %s key: %s", provider,
					   item->context.purpose == FC_PURPOSE_WRAP ? "wrap" : "index",
					   fc_message_or_status(answer->message, answer->status))));
	return MOVE_FAILED;
}

/* ---- one version ---- */

static MoveResult
rewrap_item(Move *move, const MoveItem *item)
{
	const char *kms_key = move->kms_key ? move->kms_key : item->now.kms_key;
	const char *whose;
	FcKeySource source;
	FcAnswer	answer;

	if (move->only_key != NULL && strcmp(item->provider, move->provider) == 0 &&
		strcmp(item->now.kms_key, kms_key) == 0)
		return MOVE_SKIPPED;
	if (item->old.blob_len > 0)
	{
		if (move->only_key == NULL)
			return MOVE_SKIPPED;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of key \"%s\" still keeps its earlier wrapped key",
						item->context.version, item->name),
				 errhint("Complete that move first, with complete => true, or undo it, with undo => true.")));
	}

	memset(&answer, 0, sizeof(answer));
	whose = ask_rewrap(item, move->provider, kms_key, &answer);
	if (answer.status == FC_OK &&
		(answer.blob_len <= 0 || answer.blob_len > FC_KMS_BLOB_MAX))
		answer.status = FC_ERR_KMS_DATA;
	if (answer.status == FC_OK && !fc_equal_ct(answer.kcv, item->now.kcv, FC_KCV_BYTES))
		answer.status = FC_ERR_KCV;
	if (answer.status != FC_OK)
		return failed(move, item, whose, &answer);
	cache_source(item, move->provider, answer.kms_key, answer.blob, answer.blob_len, &source);
	if (!fetch_ahead(item, &source, &answer))
		return failed(move, item, whose, &answer);
	if (!write_item(move, item, move->provider, &answer))
		return MOVE_CHANGED;
	fc_keycache_supersede(&source.id);
	return MOVE_DONE;
}

/* Only what opens now may take the place of the other. */
static MoveResult
settle_item(Move *move, const MoveItem *item)
{
	bool		undo = move->kind == MOVE_UNDO;
	const char *provider = undo ? item->old_provider : item->provider;
	const FcWrapped *keep = undo ? &item->old : &item->now;
	FcKeySource source;
	FcAnswer	answer;

	if (item->old.blob_len == 0)
		return MOVE_SKIPPED;
	memset(&answer, 0, sizeof(answer));
	ask_verify(item, keep, provider, &answer);
	if (answer.status != FC_OK)
		return failed(move, item, provider, &answer);
	cache_source(item, provider, keep->kms_key, keep->blob, keep->blob_len, &source);
	if (undo && !fetch_ahead(item, &source, &answer))
		return failed(move, item, provider, &answer);
	if (!write_item(move, item, NULL, NULL))
		return MOVE_CHANGED;
	fc_keycache_supersede(&source.id);
	return MOVE_DONE;
}

static MoveResult
treat(Move *move, const FcKeyContext *context, char *name)
{
	MoveResult	result = MOVE_CHANGED;
	MoveItem	   *item = palloc(sizeof(MoveItem));
	int			tries;

	for (tries = 0; tries < MOVE_TRIES && result == MOVE_CHANGED; tries++)
	{
		bool		there = read_item(context, item);
		FcKeySource source;

		/* ends the transaction: nothing is held while the KMS is asked */
		SPI_commit();
		if (there && tries > 0)
		{
			/* what was fetched ahead the time before is nobody's */
			cache_source(item, item->provider, item->now.kms_key,
						 item->now.blob, item->now.blob_len, &source);
			fc_keycache_supersede(&source.id);
		}
		if (!there)
			result = MOVE_SKIPPED;
		else
		{
			strlcpy(name, item->name, FC_KEY_NAME_MAX);
			result = move->kind == MOVE_REWRAP ? rewrap_item(move, item) : settle_item(move, item);
		}
	}
	if (result == MOVE_CHANGED)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("version %d of key \"%s\" is being changed by others",
						context->version, name),
				 errhint("Try again.")));
	pfree(item);
	return result;
}

/* ---- the procedures ---- */

static const char *const verbs[] = {
	[MOVE_REWRAP] = "wrapped anew", [MOVE_COMPLETE] = "completed", [MOVE_UNDO] = "undone"
};

static void
report_key(const Move *move, const char *name, int done, int all)
{
	if (name[0] != '\0')
		ereport(NOTICE,
				(errmsg("key \"%s\": %d of %d versions %s", name, done, all, verbs[move->kind])));
}

/* One NOTICE per key, once all its versions have been treated. */
static void
treat_all(Move *move)
{
	FcKeyContext *list;
	int			count = list_versions(move, &list);
	char		reported[FC_KEY_NAME_MAX] = "";
	int			done = 0;
	int			all = 0;
	int			i;

	for (i = 0; i < count; i++)
	{
		char		name[FC_KEY_NAME_MAX];
		MoveResult	result;

		CHECK_FOR_INTERRUPTS();
		strlcpy(name, reported, sizeof(name));
		result = treat(move, &list[i], name);
		if (strcmp(name, reported) != 0)
		{
			report_key(move, reported, done, all);
			done = all = 0;
			strlcpy(reported, name, sizeof(reported));
		}
		done += result == MOVE_DONE;
		all++;
	}
	report_key(move, reported, done, all);
	if (move->failed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%d of %d versions could not be %s", move->failed, count, verbs[move->kind]),
				 errdetail("What could be is committed."),
				 errhint("See the warnings for the reasons; then call the procedure again, which goes on with the rest.")));
}

static void
run(FunctionCallInfo fcinfo, Move *move, int flags)
{
	bool		complete = fc_arg_bool(fcinfo, flags, "complete");
	bool		undo = fc_arg_bool(fcinfo, flags + 1, "undo");

	move->kind = complete ? MOVE_COMPLETE : undo ? MOVE_UNDO : MOVE_REWRAP;
	if (complete && undo)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"complete\" and \"undo\" exclude each other")));
	PreventCommandIfReadOnly(move->command);
	if (!fc_shmem_ready())
		fc_report_not_preloaded();
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run inside a transaction block", move->command),
				 errdetail("It commits after every version."),
				 errhint("Call it on its own.")));
	if (move->only_key != NULL)
		(void) fc_admin_key(move->only_key);
	fc_admin_check_provider(move->provider);

	/* what is allocated from here on survives the commits */
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	treat_all(move);
	SPI_finish();
}

Datum
fc_rewrap_keyring(PG_FUNCTION_ARGS)
{
	Move		move = {.command = "rewrap_keyring"};

	move.provider = fc_arg_text(fcinfo, 0, "provider");
	run(fcinfo, &move, 1);
	return (Datum) 0;
}

Datum
fc_move_key(PG_FUNCTION_ARGS)
{
	Move		move = {.command = "move_key"};
	FcProviderInfo info;

	move.only_key = fc_arg_text(fcinfo, 0, "key");
	move.provider = fc_arg_text(fcinfo, 1, "provider");
	if (!PG_ARGISNULL(2))
		move.kms_key = fc_arg_text(fcinfo, 2, "kms_key");
	else
		move.kms_key = fc_shmem_ready() && fc_providers_find(move.provider, &info) ?
			pstrdup(info.default_key) : "";
	if (strlen(move.kms_key) >= FC_KMS_KEY_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("KMS key reference is too long"),
				 errdetail("It holds at most %d bytes.", FC_KMS_KEY_MAX - 1)));
	run(fcinfo, &move, 3);
	return (Datum) 0;
}
