/*-------------------------------------------------------------------------
 *
 * fc_worker_setup.c
 *		A worker reads and checks its section of the provider file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "pg/fc_guc.h"
#include "pg/fc_worker.h"
#include "pg/fc_worker_setup.h"

static char last_problem[FC_KMS_MESSAGE_MAX];	/* of the last reading, "" if none */

static void setup_refused(const FcSetup *setup, const char *problem, bool another_stays);
static bool setup_make(FcSetup *setup, char *problem);
static bool setup_configure(FcSetup *setup, char *problem);
static bool setup_common(FcSetup *setup, const FcKmsConfig *config, char *problem);
static void setup_drop(FcSetup *setup);
static void setup_probe(const FcSetup *setup);

bool
fc_setup_load(const char *name, FcSetup **current)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "fieldcrypt provider",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	FcSetup    *setup = palloc0(sizeof(FcSetup));
	char		problem[FC_KMS_MESSAGE_MAX];
	bool		made;

	setup->context = context;
	setup->name = name;
	made = setup_make(setup, problem);
	if (made)
	{
		if (*current != NULL)
		{
			if (setup->provider->inherit != NULL && setup->provider == (*current)->provider &&
				fc_provider_section_equal(setup->section, (*current)->section))
				setup->provider->inherit(setup->instance, (*current)->instance);
			(*current)->retired = true;
			if ((*current)->ntasks == 0)
				setup_drop(*current);
		}
		*current = setup;
		last_problem[0] = '\0';
		fc_providers_configured(name, setup->provider->type, setup->key);
		if (setup->provider->warning != NULL)
			fc_worker_log_warning(name, setup->provider->warning(setup->instance));
		setup_probe(setup);
	}
	else
	{
		setup_refused(setup, problem, *current != NULL);
		setup_drop(setup);
	}
	MemoryContextSwitchTo(old);
	return made;
}

/*
 * Said once per problem, not once per reload.  What is wrong with the file as
 * a whole the launcher says, and that we are no longer in it means that we
 * are about to be stopped.
 */
static void
setup_refused(const FcSetup *setup, const char *problem, bool another_stays)
{
	bool		in_file = setup->section != NULL;

	if (strcmp(problem, last_problem) == 0)
		return;
	strlcpy(last_problem, problem, sizeof(last_problem));

	if (another_stays)
	{
		if (in_file)
			fc_worker_log_refused(setup->name, problem);
	}
	else if (fc_providers_set_state(setup->name, FC_PROVIDER_MISCONFIGURED, problem) && in_file)
		fc_worker_log_state(setup->name);
}

/* False with *problem set if the section cannot be used. */
static bool
setup_make(FcSetup *setup, char *problem)
{
	FcProviderFile *file = fc_provider_file_read(fc_guc_provider_path());

	if (file->problem == NULL)
		setup->section = fc_provider_file_section(file, setup->name);
	if (file->problem != NULL)
		strlcpy(problem, file->problem, FC_KMS_MESSAGE_MAX);
	else if (setup->section == NULL)
		snprintf(problem, FC_KMS_MESSAGE_MAX, "provider \"%s\" is not in file \"%s\"",
				 setup->name, file->path);
	else if (setup->section->problem != NULL)
		strlcpy(problem, setup->section->problem, FC_KMS_MESSAGE_MAX);
	else
		return setup_configure(setup, problem);
	return false;
}

static bool
setup_configure(FcSetup *setup, char *problem)
{
	const FcProviderSection *section = setup->section;
	FcKmsOption *options = palloc(sizeof(FcKmsOption) * section->noptions);
	const FcKmsOption *unknown;
	FcKmsConfig config;
	FcKmsError	error = {0};
	int			type_line;
	int			i;

	for (i = 0; i < section->noptions; i++)
		options[i] = (FcKmsOption) {section->options[i].name, section->options[i].value,
			section->options[i].line};
	config.provider = section->name;
	config.options = options;
	config.noptions = section->noptions;
	config.data_directory = DataDir;

	(void) fc_kms_option(&config, "type", &type_line);
	setup->provider = fc_kms_find(section->type);
	if (setup->provider == NULL)
	{
		fc_provider_file_locate(section, type_line,
								psprintf("unknown provider type \"%s\"", section->type),
								problem);
		return false;
	}
	unknown = fc_kms_unknown_option(&config, setup->provider);
	if (unknown != NULL)
	{
		fc_provider_file_locate(section, unknown->line,
								psprintf("unknown option \"%s\" of a provider of type \"%s\"",
										 unknown->name, section->type), problem);
		return false;
	}
	if (setup->provider->configure(&config, &setup->instance, &error) != FC_OK)
	{
		setup->instance = NULL;
		fc_provider_file_locate(section, error.line, error.message, problem);
		return false;
	}
	return setup_common(setup, &config, problem);
}

/* The options that every provider has. */
static bool
setup_common(FcSetup *setup, const FcKmsConfig *config, char *problem)
{
	const FcProviderSection *section = setup->section;
	int			line;
	const char *value;

	value = fc_kms_option(config, "key", &line);
	if (value == NULL || value[0] == '\0')
		value = setup->provider->default_key(setup->instance);
	if (strlen(value) >= FC_KMS_KEY_MAX)
	{
		fc_provider_file_locate(section, line, "value of option \"key\" is too long", problem);
		return false;
	}
	setup->key = pstrdup(value);

	value = fc_kms_option(config, "keys", NULL);
	setup->keys = value ? pstrdup(value) : NULL;
	value = fc_kms_option(config, "databases", NULL);
	setup->databases = value ? pstrdup(value) : NULL;
	value = fc_kms_option(config, "delete_keys", &line);
	if (value != NULL && fc_kms_key_allowed(value, setup->key))
	{
		fc_provider_file_locate(section, line,
								psprintf("option \"delete_keys\" lists \"%.100s\", the default KMS key, which wraps many keys",
										 setup->key), problem);
		return false;
	}
	setup->delete_keys = value ? pstrdup(value) : NULL;

	setup->timeout_ms = fc_guc_kms_timeout;
	value = fc_kms_option(config, "timeout", &line);
	if (value != NULL &&
		(!parse_int(value, &setup->timeout_ms, GUC_UNIT_MS, NULL) ||
		 setup->timeout_ms <= 0))
	{
		fc_provider_file_locate(section, line,
								psprintf("\"%s\" is not a time for option \"timeout\" (for example \"5s\")",
										 value), problem);
		return false;
	}
	return true;
}

static void
setup_drop(FcSetup *setup)
{
	if (setup->instance != NULL)
		setup->provider->destroy(setup->instance);
	MemoryContextDelete(setup->context);
}

void
fc_setup_locate(const FcSetup *setup, FcKmsError *error)
{
	char		text[FC_KMS_MESSAGE_MAX];

	strlcpy(text, error->message, sizeof(text));
	if (error->status != FC_OK && error->line != 0)
		fc_provider_file_locate(setup->section, error->line, text, error->message);
}

/*
 * What can be found out without a network is found out at once, so that a
 * missing key file shows in the log and in the view before the first
 * statement fails.
 */
static void
setup_probe(const FcSetup *setup)
{
	FcProviderState state = FC_PROVIDER_READY;
	FcKmsCall  *call = palloc0(sizeof(FcKmsCall));

	call->op = FC_KMS_CHECK;
	call->kms_key = setup->key;
	call->context = FC_CHECK_CONTEXT;
	if (setup->provider->begin(setup->instance, call) == FC_KMS_DONE &&
		call->error.status != FC_OK)
		state = FC_PROVIDER_MISCONFIGURED;
	fc_setup_locate(setup, &call->error);
	setup->provider->finish(setup->instance, call);
	if (fc_providers_set_state(setup->name, state,
							   state == FC_PROVIDER_READY ? "" : call->error.message))
		fc_worker_log_state(setup->name);
	fc_wipe(call, sizeof(*call));
	pfree(call);
}

FcSetup *
fc_setup_use(FcSetup *setup)
{
	setup->ntasks++;
	return setup;
}

void
fc_setup_release(FcSetup *setup)
{
	if (--setup->ntasks == 0 && setup->retired)
		setup_drop(setup);
}

FcStatus
fc_setup_permitted(const FcSetup *setup, const char *dbname, const char *kms_key, char *message)
{
	if (setup == NULL)
	{
		strlcpy(message, last_problem, FC_KMS_MESSAGE_MAX);
		return FC_ERR_KMS_CONFIG;
	}
	if (setup->databases != NULL && !fc_kms_key_allowed(setup->databases, dbname))
	{
		snprintf(message, FC_KMS_MESSAGE_MAX,
				 "option \"databases\" of provider \"%s\" does not list database \"%s\"",
				 setup->name, dbname);
		return FC_ERR_KMS_AUTH;
	}
	if (strcmp(kms_key, setup->key) != 0 &&
		(setup->keys == NULL || !fc_kms_key_allowed(setup->keys, kms_key)))
	{
		snprintf(message, FC_KMS_MESSAGE_MAX,
				 "option \"keys\" of provider \"%s\" does not list KMS key \"%.100s\"",
				 setup->name, kms_key);
		return FC_ERR_KMS_KEY;
	}
	return FC_OK;
}

bool
fc_setup_deletes(const FcSetup *setup, const char *kms_key)
{
	return setup->delete_keys != NULL && strcmp(kms_key, setup->key) != 0 &&
		fc_kms_key_allowed(setup->delete_keys, kms_key);
}
