/*-------------------------------------------------------------------------
 *
 * fc_guc.c
 *		All settings.
 *
 * Secrets are never settings: they would stand in SHOW, in pg_settings and in
 * the configuration file's backups.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/varlena.h"

#include "pg/fc_guc.h"

/* Lets DROP EXTENSION throw away wrapped keys that are not destroyed. */
bool fc_guc_allow_drop = false;

/*
 * How long a key is served while its KMS is out of reach; 0 = until restart.
 * Whoever can drop packets between server and KMS can use this time after a
 * revocation; whoever runs the database can use it to survive an outage.
 */
int fc_guc_cache_max_age = 24 * 3600;

/* How often a cached key is unwrapped anew, so that the KMS re-authorises. */
int fc_guc_cache_refresh = 300;

/* Slots of the key cache; the default fits a memlock limit of 64 kB. */
int fc_guc_cache_slots = 1024;

/* Provider of create_key() where the call names none. */
char *fc_guc_default_provider = NULL;

/* What clients are told that the type is. */
int fc_guc_describe_as = FC_DESCRIBE_TEXT;

/* Only algorithms of a FIPS provider, nonces made inside it, no suite 2. */
bool fc_guc_fips = false;

/* Core files with the memory of processes that handled a text; for debugging. */
bool fc_guc_full_core_files = false;

/* What the type's input takes; not for everybody, see design section 4. */
int fc_guc_input = FC_INPUT_PLAINTEXT;

/* How long a statement waits for a key, in milliseconds. */
int fc_guc_kms_timeout = 10000;

/* What a reader without the privilege gets. */
int fc_guc_on_denied = FC_DENIED_AUTO;

/* What a reader with the privilege gets. */
int fc_guc_output = FC_OUTPUT_PLAINTEXT;

/* Path of the provider file; empty = beside the configuration file. */
char *fc_guc_provider_file = NULL;

/* Keep row details and statements that touched encrypted values out of the log. */
bool fc_guc_redact_logs = true;

/* What to_jsonb(NEW) and its like see inside triggers. */
int fc_guc_trigger_output = FC_OUTPUT_CIPHERTEXT;

/* Databases whose keys are fetched before anybody asks. */
char *fc_guc_warm_databases = NULL;

static const struct config_enum_entry describe_as_options[] = {
	{"text", FC_DESCRIBE_TEXT, false},
	{"native", FC_DESCRIBE_NATIVE, false},
	{NULL, 0, false}
};

static const struct config_enum_entry input_options[] = {
	{"plaintext", FC_INPUT_PLAINTEXT, false},
	{"ciphertext", FC_INPUT_CIPHERTEXT, false},
	{"auto", FC_INPUT_AUTO, false},
	{NULL, 0, false}
};

static const struct config_enum_entry output_options[] = {
	{"plaintext", FC_OUTPUT_PLAINTEXT, false},
	{"ciphertext", FC_OUTPUT_CIPHERTEXT, false},
	{NULL, 0, false}
};

static const struct config_enum_entry on_denied_options[] = {
	{"auto", FC_DENIED_AUTO, false},
	{"ciphertext", FC_DENIED_CIPHERTEXT, false},
	{"error", FC_DENIED_ERROR, false},
	{"null", FC_DENIED_NULL, false},
	{NULL, 0, false}
};

static void assign_input(int newval, void *extra);
static bool check_warm_databases(char **newval, void **extra, GucSource source);
static void define_session_gucs(void);
static void define_server_gucs(void);
static void define_postmaster_gucs(void);

void
fc_guc_init(bool preloaded)
{
	define_session_gucs();
	define_server_gucs();

	/* PostgreSQL refuses to define postmaster-level settings after start-up. */
	if (preloaded)
		define_postmaster_gucs();

	MarkGUCPrefixReserved("fieldcrypt");
}

static void
define_session_gucs(void)
{
	DefineCustomBoolVariable("fieldcrypt.allow_drop",
							 "Allows DROP EXTENSION fieldcrypt while keys exist that are not destroyed.",
							 "The wrapped keys go with the extension, and with them every value and every dump of one table.",
							 &fc_guc_allow_drop, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("fieldcrypt.describe_as",
							 "The type by which clients see encrypted columns and parameters: text or native.",
							 "Statements that are prepared already keep what they were described with.",
							 &fc_guc_describe_as, FC_DESCRIBE_TEXT, describe_as_options,
							 PGC_USERSET, GUC_REPORT, NULL, NULL, NULL);
	DefineCustomBoolVariable("fieldcrypt.full_core_files",
							 "Lets core files hold the memory of sessions that handled a text of the type.",
							 "Set it before the session's first such text. Off, they hold registers, mappings and shared memory only.",
							 &fc_guc_full_core_files, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("fieldcrypt.input",
							 "What encrypted_text takes as input: plaintext, ciphertext or auto.",
							 "COPY FROM by a superuser or the database's owner takes ciphertext whatever this says.",
							 &fc_guc_input, FC_INPUT_PLAINTEXT, input_options,
							 PGC_SUSET, 0, NULL, assign_input, NULL);
	DefineCustomEnumVariable("fieldcrypt.on_denied",
							 "What a reader without the privilege on the key gets: auto, ciphertext, error or null.",
							 NULL,
							 &fc_guc_on_denied, FC_DENIED_AUTO, on_denied_options,
							 PGC_USERSET, GUC_REPORT, NULL, NULL, NULL);
	DefineCustomEnumVariable("fieldcrypt.output",
							 "What a reader with the privilege on the key gets: plaintext or ciphertext.",
							 NULL,
							 &fc_guc_output, FC_OUTPUT_PLAINTEXT, output_options,
							 PGC_USERSET, GUC_REPORT, NULL, NULL, NULL);
	DefineCustomBoolVariable("fieldcrypt.redact_logs",
							 "Keeps row details and statements that touched encrypted values out of the server log.",
							 NULL,
							 &fc_guc_redact_logs, true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("fieldcrypt.trigger_output",
							 "What the type's output gives inside triggers: ciphertext or plaintext.",
							 "An explicit cast to text decrypts in triggers too.",
							 &fc_guc_trigger_output, FC_OUTPUT_CIPHERTEXT, output_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

static void
define_server_gucs(void)
{
	DefineCustomIntVariable("fieldcrypt.cache_max_age",
							"How long a cached key is served while its KMS is out of reach.",
							"0 means until the server restarts.",
							&fc_guc_cache_max_age, 24 * 3600, 0, INT_MAX / 1000,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("fieldcrypt.cache_refresh",
							"How often a cached key is unwrapped anew by its KMS.",
							NULL,
							&fc_guc_cache_refresh, 300, 1, 24 * 3600,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomStringVariable("fieldcrypt.default_provider",
							   "Provider of create_key() where the call names none.",
							   "May stay empty while only one provider is configured.",
							   &fc_guc_default_provider, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("fieldcrypt.kms_timeout",
							"How long a statement waits for a key that is not in the cache.",
							NULL,
							&fc_guc_kms_timeout, 10000, 100, 10 * 60 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomStringVariable("fieldcrypt.provider_file",
							   "File that configures the key providers.",
							   "Empty means fieldcrypt_kms.conf beside the configuration file.",
							   &fc_guc_provider_file, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("fieldcrypt.warm_databases",
							   "Databases whose keys are fetched at start, at promotion and at reload.",
							   "A list of names, as they are written in SQL.",
							   &fc_guc_warm_databases, "",
							   PGC_SIGHUP, GUC_LIST_INPUT, check_warm_databases, NULL, NULL);
}

static void
define_postmaster_gucs(void)
{
	DefineCustomIntVariable("fieldcrypt.cache_slots",
							"Number of keys that the cache can hold.",
							"32 bytes of locked memory each.",
							&fc_guc_cache_slots, 1024, 16, 65536,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("fieldcrypt.fips",
							 "Uses only algorithms of OpenSSL's FIPS provider and refuses suite 2.",
							 NULL,
							 &fc_guc_fips, false,
							 PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

/*
 * Plans depend on it: where text can be armour, a cast of it is no plaintext
 * to look for.
 */
static void
assign_input(int newval, void *extra)
{
	if (newval != fc_guc_input)
		ResetPlanCache();
}

static bool
check_warm_databases(char **newval, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*newval);
	List	   *names;
	bool		ok = SplitIdentifierString(copy, ',', &names);

	if (!ok)
		GUC_check_errdetail("List syntax is invalid.");
	else if (list_length(names) > FC_WARM_DATABASES_MAX)
	{
		GUC_check_errdetail("More than %d databases are named.", FC_WARM_DATABASES_MAX);
		ok = false;
	}
	list_free(names);
	pfree(copy);
	return ok;
}

List *
fc_guc_warm_names(void)
{
	List	   *names = NIL;

	if (fc_guc_warm_databases == NULL ||
		!SplitIdentifierString(pstrdup(fc_guc_warm_databases), ',', &names))
		return NIL;
	return names;
}

char *
fc_guc_provider_path(void)
{
	char		path[MAXPGPATH];

	if (fc_guc_provider_file != NULL && fc_guc_provider_file[0] != '\0')
		return pstrdup(fc_guc_provider_file);

	if (ConfigFileName != NULL)
	{
		strlcpy(path, ConfigFileName, sizeof(path));
		get_parent_directory(path);
	}
	else
		strlcpy(path, DataDir, sizeof(path));
	return psprintf("%s/fieldcrypt_kms.conf", path);
}
