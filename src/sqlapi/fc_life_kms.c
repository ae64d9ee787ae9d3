/*-------------------------------------------------------------------------
 *
 * fc_life_kms.c
 *		destroy_key() and the KMS: a KMS key that belongs to one key goes with
 *		it, where the provider's option delete_keys says so.
 *
 * Only that makes what is in backups and archives worthless.  It cannot be
 * taken back by a rollback, so the key's end is committed first; and what the
 * KMS does not do is a WARNING, since the key stays destroyed.
 *
 * The database knows which of its own keys use the KMS key.  Of others it sees
 * those whose keys are in the server's cache, which is better than nothing: that
 * is why the administrator lists the keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "pg/fc_guc.h"
#include "pg/fc_keycache.h"
#include "pg/fc_providers.h"
#include "pg/fc_report.h"
#include "pg/fc_requests.h"
#include "pg/fc_shmem.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_life.h"

/* Rows are in SPI_tuptable afterwards; the caller is connected to SPI. */
static uint64
read_versions(const char *sql, int nargs, Oid *types, Datum *values)
{
	FcRunAs		caller;

	fc_admin_become_owner(&caller);
	if (SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the key versions");
	fc_run_as_end(&caller);
	return SPI_processed;
}

/* "", which is deleted nowhere, for what is too long to be one of ours. */
static void
copy_column(uint64 row, int column, char *out, Size size)
{
	char	   *text = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	if (text == NULL || strlcpy(out, text, size) >= size)
		out[0] = '\0';
}

int
fc_life_kms_keys(const char *name, FcKmsKeyRef **refs)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1];
	uint64		count;
	uint64		i;

	values[0] = CStringGetTextDatum(name);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	count = read_versions("WITH v AS (SELECT * FROM fieldcrypt.key_versions WHERE key_id IN"
						  " (SELECT key_id FROM fieldcrypt.keys WHERE name = $1))"
						  " SELECT provider, kms_key FROM v UNION"
						  " SELECT old_provider, old_kms_key FROM v WHERE old_wrapped IS NOT NULL"
						  " ORDER BY 1, 2", 1, types, values);
	*refs = SPI_palloc(Max(count, 1) * sizeof(FcKmsKeyRef));
	for (i = 0; i < count; i++)
	{
		copy_column(i, 1, (*refs)[i].provider, FC_KMS_NAME_MAX);
		copy_column(i, 2, (*refs)[i].kms_key, FC_KMS_KEY_MAX);
	}
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	return (int) count;
}

/* Does a version of this database need it, or a move that may be undone? */
static bool
in_use(const FcKmsKeyRef *ref)
{
	Oid			types[2] = {TEXTOID, TEXTOID};
	Datum		values[2];
	bool		used;

	values[0] = CStringGetTextDatum(ref->provider);
	values[1] = CStringGetTextDatum(ref->kms_key);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	used = read_versions("SELECT FROM fieldcrypt.key_versions WHERE state <> 'destroyed'"
						 " AND (provider = $1 AND kms_key = $2 OR old_provider = $1 AND old_kms_key = $2)"
						 " LIMIT 1", 2, types, values) > 0;
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	return used;
}

/* Another database that is seen to use it, "" if none. */
static void
find_user(const FcKmsKeyRef *ref, char out[NAMEDATALEN])
{
	int			next = 0;
	Oid			database;

	while (OidIsValid(database = fc_keycache_other_database(ref->provider, ref->kms_key,
															MyDatabaseId, &next)))
	{
		char	   *name = get_database_name(database);

		if (name != NULL)
		{
			strlcpy(out, name, NAMEDATALEN);
			return;
		}
	}
	out[0] = '\0';
}

/*
 * Only the worker knows what delete_keys lists.  Where it is not set, or there
 * is no such provider, nobody is asked or told.
 */
static bool
may_be_listed(const FcKmsKeyRef *ref, int timeout_ms)
{
	char		message[FC_KMS_MESSAGE_MAX];
	FcProviderInfo info;

	return ref->kms_key[0] != '\0' && fc_shmem_ready() &&
		fc_providers_require(ref->provider, timeout_ms, message) &&
		fc_providers_find(ref->provider, &info) && info.deletes &&
		strcmp(info.default_key, ref->kms_key) != 0;
}

static void
warn_left(const FcKmsKeyRef *ref, FcStatus status, const char *message)
{
	bool		refused = status == FC_ERR_KMS_AUTH || status == FC_ERR_KMS_KEY;

	ereport(WARNING,
			(errcode(refused ? ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE : ERRCODE_SYSTEM_ERROR),
			 errmsg("KMS key \"%s\" of provider \"%s\" could not be deleted",
					ref->kms_key, ref->provider),
			 errdetail("Class: %s: %s", fc_report_class(status),
					   fc_message_or_status(message, status)),
			 errhint("What is destroyed in this database stays so. Look whether the KMS key is still there; if it belongs to this key alone, delete it with the KMS's own command.")));
}

/* The transaction is over when this returns; false if the key is left. */
static bool
delete_kms_key(const FcKmsKeyRef *ref)
{
	FcRequest	request = {.kind = FC_REQUEST_DELETE, .database = MyDatabaseId};
	FcAnswer	answer;
	bool		used;

	if (!may_be_listed(ref, fc_guc_kms_timeout))
		return false;

	/* who makes a version with it just now is waited for */
	if (!fc_life_lock(fc_keyring_table("keys"), ShareRowExclusiveLock))
	{
		warn_left(ref, FC_ERR_KMS_RETRY, "another transaction is making keys and has not ended");
		return false;
	}
	used = in_use(ref);
	find_user(ref, request.used_by);
	fc_keyring_dbname(request.dbname);
	SPI_commit();
	if (used)
		return false;

	strlcpy(request.provider, ref->provider, sizeof(request.provider));
	strlcpy(request.kms_key, ref->kms_key, sizeof(request.kms_key));
	memset(&answer, 0, sizeof(answer));
	fc_request_run(&request, fc_guc_kms_timeout, &answer);
	if (answer.status != FC_OK)
		warn_left(ref, answer.status, answer.message);
	else if (!answer.left)
		ereport(NOTICE,
				(errmsg("KMS key \"%s\" of provider \"%s\" is %s",
						ref->kms_key, ref->provider, answer.message)));
	return answer.status == FC_OK && !answer.left;
}

bool
fc_life_delete_kms_keys(const FcKmsKeyRef *refs, int count)
{
	bool		all = count > 0;
	int			i;

	for (i = 0; i < count; i++)
	{
		if (!delete_kms_key(&refs[i]))
			all = false;
	}
	return all;
}

void
fc_life_leave_kms_keys(const FcKmsKeyRef *refs, int count)
{
	int			i;

	for (i = 0; i < count; i++)
	{
		if (may_be_listed(&refs[i], 0) && !in_use(&refs[i]))
			ereport(NOTICE,
					(errmsg("KMS key \"%s\" of provider \"%s\" is not deleted in a transaction block",
							refs[i].kms_key, refs[i].provider),
					 errhint("If it belongs to this key alone, delete it with the KMS's own command once the transaction is committed.")));
	}
}
