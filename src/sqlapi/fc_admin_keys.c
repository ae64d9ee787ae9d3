/*-------------------------------------------------------------------------
 *
 * fc_admin_keys.c
 *		Making keys and versions: create_key, rotate_key, activate_version.
 *
 * All of them hold SHARE ROW EXCLUSIVE on fieldcrypt.keys until the end of
 * the transaction, so that of two makers of one name or version the second
 * sees what the first did.  Readers are not held up.  The root secret of a
 * new version is made, wrapped, unwrapped again and compared in the
 * provider's worker before its row is written; the backend sees the wrapped
 * blob only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "crypto/fc_crypto.h"
#include "pg/fc_guc.h"
#include "pg/fc_keyring.h"
#include "pg/fc_providers.h"
#include "pg/fc_report.h"
#include "pg/fc_requests.h"
#include "pg/fc_shmem.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_sqlapi.h"

PG_FUNCTION_INFO_V1(fc_create_key);
PG_FUNCTION_INFO_V1(fc_rotate_key);
PG_FUNCTION_INFO_V1(fc_activate_version);

/* Draws of 20 random bits before create_key gives up; one nearly always does. */
#define FC_KEY_ID_DRAWS 100

static const char *
state_name(FcVersionState state)
{
	switch (state)
	{
		case FC_VERSION_PRE_ACTIVE:
			return "pre-active";
		case FC_VERSION_ACTIVE:
			return "active";
		case FC_VERSION_DECRYPT_ONLY:
			return "decrypt-only";
		case FC_VERSION_COMPROMISED:
			return "compromised";
		case FC_VERSION_DESTROYED:
			return "destroyed";
	}
	return "unknown";
}

static void
check_suite(int suite)
{
	if (suite != FC_SUITE_KW_GCM && suite != FC_SUITE_XAES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized suite: %d", suite),
				 errhint("Use 1 (AES-256-KW and AES-256-GCM) or 2 (XAES-256-GCM).")));
	if (suite == FC_SUITE_XAES && fc_guc_fips)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("suite %d cannot be used while \"%s\" is on", suite, "fieldcrypt.fips"),
				 errhint("Use suite 1.")));
}

/*
 * The provider to use when the caller names none: the setting, or the only
 * one there is.
 */
static char *
default_provider(void)
{
	FcProviderInfo only;
	FcProviderInfo info;
	char		problem[FC_KMS_MESSAGE_MAX];
	int			count = 0;

	if (fc_guc_default_provider != NULL && fc_guc_default_provider[0] != '\0')
		return pstrdup(fc_guc_default_provider);
	/* asks for no provider: waits until the provider file has been read */
	(void) fc_providers_require("", fc_guc_kms_timeout, problem);
	while (count < 2 && fc_providers_info(count, &info))
	{
		only = info;
		count++;
	}
	if (count == 1)
		return pstrdup(only.name);
	fc_providers_file_problem(problem);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 count == 0 ? errmsg("no provider is configured") :
			 errmsg("no provider is named, and more than one is configured"),
			 problem[0] ? errdetail("The provider file cannot be used: %s", problem) : 0,
			 count == 0 ?
			 errhint("Describe a KMS in the file that fieldcrypt.provider_file names and reload the configuration.") :
			 errhint("Name one in the call or in the setting fieldcrypt.default_provider; the view fieldcrypt.providers lists them.")));
	return NULL;
}

/*
 * Have the provider's worker make the root secret that the context stands
 * for.  kms_key "" is the provider's default; the answer says which it was.
 */
static void
request_version(const char *name, const FcKeyContext *context, const char *provider,
				const char *kms_key, FcAnswer *answer)
{
	FcRequest	request;
	FcOutage	outage;

	memset(&request, 0, sizeof(request));
	request.kind = FC_REQUEST_CREATE;
	request.database = MyDatabaseId;
	fc_keyring_dbname(request.dbname);
	request.context = *context;
	strlcpy(request.provider, provider, sizeof(request.provider));
	strlcpy(request.kms_key, kms_key, sizeof(request.kms_key));
	memset(answer, 0, sizeof(*answer));
	fc_request_run(&request, fc_guc_kms_timeout, answer);

	if (answer->status == FC_OK &&
		(answer->blob_len <= 0 || answer->blob_len > FC_KMS_BLOB_MAX))
		answer->status = FC_ERR_KMS_DATA;
	if (answer->status == FC_OK)
		return;
	memset(&outage, 0, sizeof(outage));
	outage.key = name;
	outage.version = context->version;
	outage.provider = provider;
	outage.status = answer->status;
	outage.message = answer->message;
	fc_report_outage(&outage);
}

static void
insert_version(const FcKeyContext *context, const char *provider, const FcAnswer *answer,
			   bool active)
{
	Oid			types[10] = {BYTEAOID, INT2OID, INT4OID, INT2OID, TEXTOID,
	TEXTOID, TEXTOID, BYTEAOID, BYTEAOID, TIMESTAMPTZOID};
	Datum		values[10];
	char		nulls[10];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = fc_bytes_datum(context->key_id.bytes, FC_KEY_ID_BYTES);
	values[1] = Int16GetDatum(context->purpose);
	values[2] = Int32GetDatum(context->version);
	values[3] = Int16GetDatum(context->suite);
	values[4] = CStringGetTextDatum(active ? "active" : "pre-active");
	values[5] = CStringGetTextDatum(provider);
	values[6] = CStringGetTextDatum(answer->kms_key);
	values[7] = fc_bytes_datum(answer->blob, answer->blob_len);
	values[8] = fc_bytes_datum(answer->kcv, FC_KCV_BYTES);
	values[9] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	if (!active)
		nulls[9] = 'n';
	(void) fc_admin_execute("INSERT INTO fieldcrypt.key_versions (key_id, purpose, version,"
							" suite, state, provider, kms_key, wrapped, kcv, activated_at)"
							" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
							10, types, values, nulls);
}

/* ---- create_key ---- */

/*
 * Is the name free?  False if the key is there and that is all right.  Any
 * other name that shares the prefix is in the way for ever: columns could not
 * tell the two keys apart.
 */
static bool
name_is_free(const char *name, uint32 prefix, bool if_not_exists)
{
	const FcKey *key = fc_keyring_by_prefix(prefix);

	if (key == NULL)
		return true;
	if (strcmp(key->name, name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("key name \"%s\" cannot be used beside key \"%s\"", name, key->name),
				 errdetail("Columns would take one for the other: the first 28 bits of the names' hashes are the same."),
				 errhint("Choose another name.")));
	if (key->destroyed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("key \"%s\" was destroyed and its name is never used again", name),
				 errhint("Choose another name.")));
	ereport(if_not_exists ? NOTICE : ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 if_not_exists ? errmsg("key \"%s\" already exists, skipping", name) :
			 errmsg("key \"%s\" already exists", name)));
	return false;
}

static FcKeyId
draw_key_id(uint32 prefix)
{
	int			i;

	for (i = 0; i < FC_KEY_ID_DRAWS; i++)
	{
		uint32		random20;
		FcStatus	status = fc_random(&random20, sizeof(random20));
		FcKeyId		key_id;

		if (status != FC_OK)
			fc_report_internal(status);
		key_id = fc_key_id_make(prefix, random20 & 0xfffff);
		if (fc_keyring_by_id(&key_id) == NULL)
			return key_id;
	}
	fc_report_internal(FC_ERR_RANDOM);
}

static void
insert_key(const FcKeyId *key_id, const char *name)
{
	Oid			types[2] = {BYTEAOID, TEXTOID};
	Datum		values[2];

	values[0] = fc_bytes_datum(key_id->bytes, FC_KEY_ID_BYTES);
	values[1] = CStringGetTextDatum(name);
	(void) fc_admin_execute("INSERT INTO fieldcrypt.keys (key_id, name) VALUES ($1, $2)",
							2, types, values, NULL);
}

/*
 * Both root secrets of a new key, under one KMS key: if the caller named
 * none, the one that the provider took for the first.
 */
static void
make_key(const char *name, uint32 prefix, int suite, const char *provider, const char *kms_key)
{
	FcKeyContext wrap;
	FcKeyContext index;
	FcAnswer	wrap_answer;
	FcAnswer	index_answer;

	memset(&wrap, 0, sizeof(wrap));
	wrap.purpose = FC_PURPOSE_WRAP;
	wrap.suite = suite;
	wrap.key_id = draw_key_id(prefix);
	wrap.version = 1;
	index = wrap;
	index.purpose = FC_PURPOSE_INDEX;

	request_version(name, &wrap, provider, kms_key, &wrap_answer);
	request_version(name, &index, provider, wrap_answer.kms_key, &index_answer);
	insert_key(&wrap.key_id, name);
	insert_version(&wrap, provider, &wrap_answer, true);
	insert_version(&index, provider, &index_answer, true);
}

Datum
fc_create_key(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	char	   *provider = PG_ARGISNULL(1) ? NULL : fc_arg_text(fcinfo, 1, "provider");
	char	   *kms_key = PG_ARGISNULL(2) ? "" : fc_arg_text(fcinfo, 2, "kms_key");
	int			suite = fc_arg_int(fcinfo, 3, "suite");
	bool		if_not_exists = fc_arg_bool(fcinfo, 4, "if_not_exists");
	uint32		prefix;

	fc_key_name_check(name);
	prefix = fc_name_prefix(name);
	check_suite(suite);
	if (strlen(kms_key) >= FC_KMS_KEY_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("KMS key reference is too long"),
				 errdetail("It holds at most %d bytes.", FC_KMS_KEY_MAX - 1)));
	if (!fc_shmem_ready())
		fc_report_not_preloaded();

	fc_admin_lock_keys("create_key()");
	if (!name_is_free(name, prefix, if_not_exists))
		PG_RETURN_VOID();
	if (provider == NULL)
		provider = default_provider();
	fc_admin_check_provider(provider);
	make_key(name, prefix, suite, provider, kms_key);
	PG_RETURN_VOID();
}

/* ---- versions ---- */

/* The key of that name, refused if it is destroyed or locked. */
const FcKey *
fc_admin_key_in_use(const char *name)
{
	const FcKey *key = fc_admin_key(name);

	if (key->destroyed)
		fc_report_key_state(name, 0, "destroyed", NULL);
	if (key->locked)
		fc_report_key_state(name, 0, "locked", "Use fieldcrypt.unlock_key() first.");
	return key;
}

/*
 * Write with a version from now on.  The old one goes first: the index on
 * active versions has room for one at a time.
 */
void
fc_admin_activate(const FcKeyId *key_id, uint8 purpose, int version)
{
	Oid			types[3] = {BYTEAOID, INT2OID, INT4OID};
	Datum		values[3];

	values[0] = fc_bytes_datum(key_id->bytes, FC_KEY_ID_BYTES);
	values[1] = Int16GetDatum(purpose);
	values[2] = Int32GetDatum(version);
	(void) fc_admin_execute("UPDATE fieldcrypt.key_versions SET state = 'decrypt-only'"
							" WHERE key_id OPERATOR(pg_catalog.=) $1"
							" AND purpose OPERATOR(pg_catalog.=) $2"
							" AND state OPERATOR(pg_catalog.=) 'active'",
							2, types, values, NULL);
	if (fc_admin_execute("UPDATE fieldcrypt.key_versions"
						 " SET state = 'active', activated_at = pg_catalog.now()"
						 " WHERE key_id OPERATOR(pg_catalog.=) $1"
						 " AND purpose OPERATOR(pg_catalog.=) $2"
						 " AND version OPERATOR(pg_catalog.=) $3"
						 " AND state OPERATOR(pg_catalog.=) 'pre-active'",
						 3, types, values, NULL) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not activate version %d because of a concurrent change", version),
				 errhint("Try again.")));
}

int
fc_admin_make_version(const char *name, uint8 purpose)
{
	char		provider[FC_KMS_NAME_MAX];
	char		kms_key[FC_KMS_KEY_MAX];
	const FcKey *key = fc_admin_key_in_use(name);
	const FcKeyVersion *active = fc_keyring_active(key, purpose);
	FcKeyContext context;
	FcAnswer	answer;
	int			last;

	if (active == NULL)
		fc_report_key_state(name, 0, "without an active version",
							"Use fieldcrypt.activate_version() if it has a pre-active one.");
	last = fc_keyring_last_version(key, purpose);
	if (last >= PG_UINT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("key \"%s\" has used all version numbers", name),
				 errhint("Make another key and re-encrypt under it.")));

	context = active->source.id.context;
	context.version = last + 1;
	strlcpy(provider, active->source.provider, sizeof(provider));
	strlcpy(kms_key, active->source.kms_key, sizeof(kms_key));
	check_suite(context.suite);
	fc_admin_check_provider(provider);

	request_version(name, &context, provider, kms_key, &answer);
	insert_version(&context, provider, &answer, false);
	return context.version;
}

Datum
fc_rotate_key(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	bool		activate = fc_arg_bool(fcinfo, 1, "activate");
	FcKeyId		key_id;
	int			version;

	if (!fc_shmem_ready())
		fc_report_not_preloaded();
	fc_admin_lock_keys("rotate_key()");
	key_id = fc_admin_key_in_use(name)->key_id;
	version = fc_admin_make_version(name, FC_PURPOSE_WRAP);
	if (activate)
		fc_admin_activate(&key_id, FC_PURPOSE_WRAP, version);
	return (Datum) 0;
}

Datum
fc_activate_version(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 0, "key");
	int			number = fc_arg_int(fcinfo, 1, "version");
	const FcKeyVersion *version = NULL;
	const FcKey *key;
	FcKeyId		key_id;

	fc_admin_lock_keys("activate_version()");
	key = fc_admin_key_in_use(name);
	key_id = key->key_id;
	if (number >= 1 && number <= PG_UINT16_MAX)
		version = fc_keyring_version(key, FC_PURPOSE_WRAP, number);
	if (version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("key \"%s\" has no version %d", name, number),
				 errhint("The view fieldcrypt.key_status lists its versions.")));
	if (version->state != FC_VERSION_PRE_ACTIVE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of key \"%s\" cannot be activated", number, name),
				 errdetail("The version is %s; only a pre-active version becomes active.",
						   state_name(version->state)),
				 errhint("Use CALL fieldcrypt.rotate_key() to make a new version.")));
	fc_admin_activate(&key_id, FC_PURPOSE_WRAP, number);
	return (Datum) 0;
}
