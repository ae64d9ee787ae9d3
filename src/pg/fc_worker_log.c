/*-------------------------------------------------------------------------
 *
 * fc_worker_log.c
 *		What workers say in the server log (see fc_worker.h).
 *
 * Messages come from providers, which keep secrets out of them; keys are
 * named by their context, never by their name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "crypto/fc_keys.h"
#include "pg/fc_providers.h"
#include "pg/fc_worker.h"

void
fc_worker_log_state(const char *provider)
{
	FcProviderInfo info;

	if (!fc_providers_find(provider, &info))
		return;
	switch (info.state)
	{
		case FC_PROVIDER_STARTING:
			break;
		case FC_PROVIDER_READY:
			ereport(LOG,
					(errcode(ERRCODE_SUCCESSFUL_COMPLETION),
					 errmsg("fieldcrypt provider \"%s\" is ready", provider)));
			break;
		case FC_PROVIDER_OUTAGE:
			ereport(WARNING,
					(errcode(ERRCODE_SYSTEM_ERROR),
					 errmsg("fieldcrypt provider \"%s\" is out of reach: %s",
							provider, info.message),
					 errdetail("Keys in the cache are served until fieldcrypt.cache_max_age.")));
			break;
		case FC_PROVIDER_DENIED:
			ereport(WARNING,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("fieldcrypt provider \"%s\" was refused by its KMS: %s",
							provider, info.message),
					 errhint("Check the provider's credentials and the state of its KMS key.")));
			break;
		case FC_PROVIDER_MISCONFIGURED:
			ereport(WARNING,
					(errcode(ERRCODE_CONFIG_FILE_ERROR),
					 errmsg("fieldcrypt provider \"%s\" cannot be used: %s",
							provider, info.message),
					 errhint("Correct what the message names; after a change of the provider file, reload the configuration.")));
			break;
	}
}

void
fc_worker_log_refused(const char *provider, const char *problem)
{
	ereport(WARNING,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("new configuration of fieldcrypt provider \"%s\" cannot be used: %s",
					provider, problem),
			 errdetail("The provider goes on with the configuration it had."),
			 errhint("Correct the file and reload the configuration.")));
}

void
fc_worker_log_warning(const char *provider, const char *warning)
{
	if (warning != NULL)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("fieldcrypt provider \"%s\": %s", provider, warning)));
}

void
fc_worker_log_deleted(const char *provider, const char *kms_key, const char *dbname,
					  const char *outcome)
{
	ereport(LOG,
			(errcode(ERRCODE_SUCCESSFUL_COMPLETION),
			 errmsg("KMS key \"%s\" of fieldcrypt provider \"%s\" is %s",
					kms_key, provider, outcome),
			 errdetail("A key of database \"%s\" that it wrapped was destroyed.", dbname)));
}

void
fc_worker_job_failed(const FcKeyJob *job, FcStatus status, const char *message,
					 int retry_after_ms)
{
	bool		changed = fc_keycache_fail(job, status, message, retry_after_ms);
	bool		denied = status == FC_ERR_KMS_AUTH || status == FC_ERR_KMS_KEY;
	bool		wrong = status == FC_ERR_KMS_DATA || status == FC_ERR_KCV;
	char		context[FC_CONTEXT_TEXT_MAX];

	if (!changed || (!denied && !wrong))
		return;

	fc_context_text(&job->source.id.context, context);
	ereport(WARNING,
			(errcode(wrong ? ERRCODE_DATA_CORRUPTED : ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("fieldcrypt provider \"%s\" did not unwrap a key of database \"%s\": %s",
					job->source.provider, job->source.dbname, message),
			 errdetail("The key is %s.", context),
			 wrong ?
			 errhint("The wrapped key or the answer of the KMS may have been tampered with.") :
			 errhint("If this is not intended, restore the access; the key is asked for again every minute.")));
}
