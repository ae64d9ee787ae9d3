/*-------------------------------------------------------------------------
 *
 * fc_views.c
 *		What the views on the cache, the providers and the memory protection
 *		read, and check_provider.  No key bytes, no credentials.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "pg/fc_guc.h"
#include "pg/fc_keycache.h"
#include "pg/fc_keyring.h"
#include "pg/fc_providers.h"
#include "pg/fc_report.h"
#include "pg/fc_requests.h"
#include "pg/fc_secretmem.h"
#include "pg/fc_shmem.h"
#include "sqlapi/fc_admin.h"

PG_FUNCTION_INFO_V1(fc_cache_slots);
PG_FUNCTION_INFO_V1(fc_provider_list);
PG_FUNCTION_INFO_V1(fc_ready);
PG_FUNCTION_INFO_V1(fc_memory_protection);
PG_FUNCTION_INFO_V1(fc_check_provider);

/* The widest row of these functions. */
#define FC_ROW_MAX 16

/* A row being filled column by column, from left to right. */
typedef struct RowBuilder
{
	Datum		values[FC_ROW_MAX];
	bool		nulls[FC_ROW_MAX];
	int			filled;
} RowBuilder;

static void
put(RowBuilder *row, Datum value)
{
	Assert(row->filled < FC_ROW_MAX);
	row->nulls[row->filled] = false;
	row->values[row->filled++] = value;
}

static void
put_null(RowBuilder *row)
{
	Assert(row->filled < FC_ROW_MAX);
	row->nulls[row->filled] = true;
	row->values[row->filled++] = (Datum) 0;
}

/* 0 is "never" or "none". */
static void
put_time(RowBuilder *row, TimestampTz when)
{
	if (when == 0)
		put_null(row);
	else
		put(row, TimestampTzGetDatum(when));
}

static void
put_millis(RowBuilder *row, double millis)
{
	if (millis < 0)
		put_null(row);
	else
		put(row, Float8GetDatum(millis));
}

/* A token may have run out since the worker last looked at it. */
static void
put_auth(RowBuilder *row, const FcProviderInfo *info)
{
	bool		expired = info->auth_expires != 0 &&
						  info->auth_expires <= GetCurrentTimestamp();

	if (info->auth_state[0] == '\0')
		put_null(row);
	else
		put(row, CStringGetTextDatum(expired ? "expired" : info->auth_state));
	put_time(row, info->auth_expires);
}

static void
put_message(RowBuilder *row, const char *message, FcStatus status)
{
	if (message[0] == '\0' && status == FC_OK)
		put_null(row);
	else
		put(row, fc_message_datum(fc_message_or_status(message, status)));
}

static void
emit(FunctionCallInfo fcinfo, RowBuilder *row)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	Assert(row->filled == rsinfo->setDesc->natts);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row->values, row->nulls);
	row->filled = 0;
}

static const char *
slot_state_name(FcSlotState state)
{
	switch (state)
	{
		case FC_SLOT_FREE:
			return "free";
		case FC_SLOT_WANTED:
			return "wanted";
		case FC_SLOT_VALID:
			return "valid";
		case FC_SLOT_FAILED:
			return "failed";
		case FC_SLOT_WITHDRAWN:
			return "withdrawn";
	}
	return "unknown";
}

/*
 * fc_cache_slots
 *		The view key_status reads this as whoever asks: what a KMS said, which
 *		may name hosts, is for those who may see all statistics.
 */
Datum
fc_cache_slots(PG_FUNCTION_ARGS)
{
	bool		shows_errors = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
	RowBuilder	row = {.filled = 0};
	FcSlotInfo	info;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	for (i = 0; fc_shmem_ready() && i < fc_guc_cache_slots; i++)
	{
		if (!fc_keycache_info(i, &info) || info.id.database != MyDatabaseId)
			continue;
		put(&row, fc_bytes_datum(info.id.context.key_id.bytes, FC_KEY_ID_BYTES));
		put(&row, Int16GetDatum(info.id.context.purpose));
		put(&row, Int32GetDatum(info.id.context.version));
		put(&row, CStringGetTextDatum(slot_state_name(info.state)));
		put(&row, CStringGetTextDatum(info.provider));
		put_time(&row, info.fetched_at);
		put_time(&row, info.refreshed_at);
		put_time(&row, info.expires_at);
		put_time(&row, info.last_used_at);
		put_time(&row, info.failing_since);
		put_time(&row, info.next_retry);
		put(&row, Int64GetDatum(info.unwraps));
		put(&row, Int64GetDatum(info.sealed));
		if (shows_errors)
			put_message(&row, info.message, info.last_status);
		else
			put_null(&row);
		emit(fcinfo, &row);
	}
	return (Datum) 0;
}

static const char *
provider_state_name(FcProviderState state)
{
	switch (state)
	{
		case FC_PROVIDER_STARTING:
			return "starting";
		case FC_PROVIDER_READY:
			return "ready";
		case FC_PROVIDER_OUTAGE:
			return "outage";
		case FC_PROVIDER_DENIED:
			return "denied";
		case FC_PROVIDER_MISCONFIGURED:
			return "misconfigured";
	}
	return "unknown";
}

static void
emit_provider(FunctionCallInfo fcinfo, const FcProviderInfo *info)
{
	RowBuilder	row = {.filled = 0};

	put(&row, CStringGetTextDatum(info->name));
	put(&row, CStringGetTextDatum(info->type));
	put(&row, CStringGetTextDatum(provider_state_name(info->state)));
	if (info->pid == 0)
		put_null(&row);
	else
		put(&row, Int32GetDatum(info->pid));
	if (info->default_key[0] == '\0')
		put_null(&row);
	else
		put(&row, fc_message_datum(info->default_key));
	put_time(&row, info->state_since);
	put_time(&row, info->last_success);
	put_time(&row, info->last_failure);
	put(&row, Int64GetDatum(info->calls));
	put(&row, Int64GetDatum(info->failures));
	put_auth(&row, info);
	put_millis(&row, info->p50_ms);
	put_millis(&row, info->p99_ms);
	if (info->last_status == FC_OK)
		put_null(&row);
	else
		put(&row, CStringGetTextDatum(fc_report_class(info->last_status)));
	put_message(&row, info->message, info->last_status);
	emit(fcinfo, &row);
}

/* The provider file itself is at fault: a row without a name says how. */
static void
emit_file_problem(FunctionCallInfo fcinfo, const char *problem)
{
	RowBuilder	row = {.filled = 0};

	put_null(&row);
	put_null(&row);
	put(&row, CStringGetTextDatum(provider_state_name(FC_PROVIDER_MISCONFIGURED)));
	while (row.filled < 14)
		put_null(&row);
	put(&row, CStringGetTextDatum(fc_report_class(FC_ERR_KMS_CONFIG)));
	put(&row, fc_message_datum(problem));
	emit(fcinfo, &row);
}

/*
 * fc_provider_list
 *		A file that became unusable at a reload leaves the providers of the
 *		last good one running, so both may show.
 */
Datum
fc_provider_list(PG_FUNCTION_ARGS)
{
	FcProviderInfo info;
	char		problem[FC_KMS_MESSAGE_MAX];
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	if (!fc_shmem_ready())
		return (Datum) 0;
	fc_providers_file_problem(problem);
	if (problem[0] != '\0')
		emit_file_problem(fcinfo, problem);
	for (i = 0; fc_providers_info(i, &info); i++)
		emit_provider(fcinfo, &info);
	return (Datum) 0;
}

/*
 * fc_ready
 *		For failover managers: false, rather than an error, where the library
 *		is not preloaded.
 */
Datum
fc_ready(PG_FUNCTION_ARGS)
{
	FcKeyId    *ids;
	int			nids;
	bool		ready = fc_shmem_ready();
	int			i;

	if (!ready)
		PG_RETURN_BOOL(false);
	nids = fc_keyring_ids(NULL, &ids);
	for (i = 0; i < nids && ready; i++)
	{
		const FcKey *key = fc_keyring_by_id(&ids[i]);
		const FcKeyVersion *version;
		int			v;

		for (v = 0; ready && (version = fc_keyring_nth_in_use(key, v)) != NULL; v++)
			ready = fc_keycache_holds(&version->source.id);
	}
	PG_RETURN_BOOL(ready);
}

Datum
fc_memory_protection(PG_FUNCTION_ARGS)
{
	static const FcSecretMemInfo absent = {
		.mechanism = "none", .problem = "not preloaded"
	};
	const FcSecretMemInfo *info = fc_shmem_ready() ? fc_secretmem_info() : &absent;
	RowBuilder	row = {.filled = 0};

	InitMaterializedSRF(fcinfo, 0);
	put(&row, CStringGetTextDatum("keys"));
	put(&row, CStringGetTextDatum(info->mechanism));
	put(&row, Int64GetDatum(info->bytes));
	put(&row, BoolGetDatum(info->locked));
	put(&row, BoolGetDatum(info->dump_excluded));
	put(&row, BoolGetDatum(info->proc_protected));
	if (info->problem == NULL)
		put_null(&row);
	else
		put(&row, fc_message_datum(info->problem));
	emit(fcinfo, &row);

	/* what a session that handles texts holds of them */
	put(&row, CStringGetTextDatum("texts"));
	put(&row, CStringGetTextDatum("coredump_filter"));
	put_null(&row);
	put(&row, BoolGetDatum(false));
	put(&row, BoolGetDatum(!fc_guc_full_core_files));
	put(&row, BoolGetDatum(false));
	if (fc_guc_full_core_files)
		put(&row, CStringGetTextDatum("fieldcrypt.full_core_files is on"));
	else
		put_null(&row);
	emit(fcinfo, &row);
	return (Datum) 0;
}

static void
emit_step(FunctionCallInfo fcinfo, const char *step, bool ok, int millis, const char *detail)
{
	RowBuilder	row = {.filled = 0};

	put(&row, fc_message_datum(step));
	put(&row, BoolGetDatum(ok));
	if (millis < 0)
		put_null(&row);
	else
		put(&row, Int32GetDatum(millis));
	if (detail[0] == '\0')
		put_null(&row);
	else
		put(&row, fc_message_datum(detail));
	emit(fcinfo, &row);
}

/*
 * fc_check_provider
 *		One row per step.  A failure that no step accounts for (nobody
 *		answered in time, the request was lost) is a row of its own.
 */
Datum
fc_check_provider(PG_FUNCTION_ARGS)
{
	char	   *provider = fc_arg_text(fcinfo, 0, "provider");
	FcRequest	request;
	FcAnswer	answer;
	bool		failed = false;
	int			i;

	if (!fc_shmem_ready())
		fc_report_not_preloaded();
	fc_admin_check_provider(provider);
	InitMaterializedSRF(fcinfo, 0);

	memset(&request, 0, sizeof(request));
	request.kind = FC_REQUEST_CHECK;
	request.database = MyDatabaseId;
	fc_keyring_dbname(request.dbname);
	strlcpy(request.provider, provider, sizeof(request.provider));
	memset(&answer, 0, sizeof(answer));
	fc_request_run(&request, fc_guc_kms_timeout, &answer);

	for (i = 0; i < answer.nsteps && i < FC_CHECK_STEPS_MAX; i++)
	{
		const FcCheckStep *step = &answer.steps[i];

		failed = failed || !step->ok;
		emit_step(fcinfo, step->step, step->ok, step->millis, step->detail);
	}
	if (answer.status != FC_OK && !failed)
		emit_step(fcinfo, "answer", false, -1,
				  fc_message_or_status(answer.message, answer.status));
	return (Datum) 0;
}
