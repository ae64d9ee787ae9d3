/*-------------------------------------------------------------------------
 *
 * fc_report.c
 *		From a status of the lower layers to an ereport.
 *
 * SQLSTATEs are design section 11's and part of the interface: monitoring and
 * retry logic of applications depend on them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "crypto/fc_format.h"
#include "pg/fc_compat.h"
#include "pg/fc_report.h"

void
fc_report_not_preloaded(void)
{
	const char *now = GetConfigOption("shared_preload_libraries", true, false);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("fieldcrypt is not in shared_preload_libraries"),
			 errdetail("Without it no key can be had; ciphertext can still be copied, dumped and replicated."),
			 errhint("Set shared_preload_libraries = '%s%sfieldcrypt' and restart the server.",
					 now ? now : "", (now && now[0]) ? "," : "")));
	pg_unreachable();
}

void
fc_report_denied(const char *key, const char *privilege)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for key \"%s\"", key),
			 errdetail("The privilege \"%s\" is needed. Superusers do not hold it by themselves, nor lend it by SET ROLE.",
					   privilege),
			 errhint("A key custodian can run: SELECT fieldcrypt.grant_key('%s', '<role>', '%s');",
					 key, privilege)));
	pg_unreachable();
}

void
fc_report_unknown_key(const char *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("key \"%s\" does not exist in this database", key),
			 errhint("Make it with SELECT fieldcrypt.create_key('%s'); or restore the key tables of the database it comes from.",
					 key)));
	pg_unreachable();
}

void
fc_report_unknown_prefix(uint32 prefix)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("the key that the type names does not exist in this database"),
			 errdetail("No key has the prefix #%07x.", prefix),
			 errhint("Make it with fieldcrypt.create_key(), under the name that the column's definition gives, or restore the key tables.")));
	pg_unreachable();
}

void
fc_report_foreign_key(const char *key_id_hex, int version)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the value's key is not in this database's keyring"),
			 errdetail("The value names key %s version %d.", key_id_hex, version),
			 errhint("Take the key over from the database that wrote the value, with fieldcrypt.export_keyring() there and import_keyring() here.")));
	pg_unreachable();
}

void
fc_report_key_state(const char *key, int version, const char *state, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("key \"%s\" cannot be used", key),
			 version > 0 ? errdetail("Version %d is %s.", version, state)
			 : errdetail("The key is %s.", state),
			 hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}

/* The class of a KMS failure in the words of design section 6. */
const char *
fc_report_class(FcStatus status)
{
	switch (status)
	{
		case FC_ERR_KMS_RETRY:
			return "outage";
		case FC_ERR_KMS_AUTH:
			return "credentials refused";
		case FC_ERR_KMS_KEY:
			return "key refused";
		case FC_ERR_KMS_DATA:
		case FC_ERR_KCV:
			return "wrong answer, possible tampering";
		case FC_ERR_KMS_CONFIG:
			return "configuration";
		default:
			return fc_status_name(status);
	}
}

void
fc_report_outage(const FcOutage *outage)
{
	bool		withdrawn = outage->status == FC_ERR_KMS_AUTH || outage->status == FC_ERR_KMS_KEY;
	char	   *since = outage->since ? pstrdup(timestamptz_to_str(outage->since)) : "now";
	char	   *next = outage->next_retry ? pstrdup(timestamptz_to_str(outage->next_retry)) : "at the next use";
	const char *message = outage->message[0] ? outage->message : fc_status_name(outage->status);

	if (withdrawn)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("key \"%s\" was refused by its KMS", outage->key),
				 errdetail("Provider \"%s\", class: %s, since %s, next retry %s: %s",
						   outage->provider, fc_report_class(outage->status), since, next, message),
				 errhint("Ask whoever runs the KMS; SELECT * FROM fieldcrypt.check_provider('%s'); shows each step.",
						 outage->provider)));
	ereport(ERROR,
			(errcode(ERRCODE_SYSTEM_ERROR),
			 errmsg("key \"%s\" is not at hand", outage->key),
			 errdetail("Provider \"%s\", class: %s, since %s, next retry %s: %s",
					   outage->provider, fc_report_class(outage->status), since, next, message),
			 errhint("The statement will succeed when the provider answers again; SELECT * FROM fieldcrypt.check_provider('%s'); shows each step.",
					 outage->provider)));
	pg_unreachable();
}

void
fc_report_altered(const char *key, int version)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("could not decrypt value"),
			 errdetail("The value names key \"%s\" version %d, which does not open it: it was altered or damaged.",
					   key, version)));
	pg_unreachable();
}

void
fc_report_bad_armour(FcStatus status, struct Node *escontext)
{
	ereturn(escontext, ,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("malformed ciphertext for type %s", "encrypted_text"),
			 errdetail("The text begins with \"%s\", but %s.", FC_ARMOUR_PREFIX, fc_status_name(status)),
			 errhint("Ciphertext is copied as a whole or not at all.")));
}

void
fc_report_internal(FcStatus status)
{
	ereport(ERROR,
			(errcode(status == FC_ERR_NOMEM ? ERRCODE_OUT_OF_MEMORY : ERRCODE_INTERNAL_ERROR),
			 errmsg("cryptographic operation failed: %s", fc_status_name(status))));
	pg_unreachable();
}

void
fc_report_too_long(Size length)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("text is too long to be encrypted"),
			 errdetail("It has %zu bytes in UTF-8; at most %d can be encrypted.", length, FC_PLAINTEXT_MAX)));
	pg_unreachable();
}
