/*-------------------------------------------------------------------------
 *
 * fc_kms.c
 *		Registry of provider types, and what all of them share.
 *
 *-------------------------------------------------------------------------
 */
#include "kms/fc_kms.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const FcKmsProvider *const fc_kms_types[] = {
	&fc_kms_local,
	&fc_kms_vault,
};

static const char *const fc_kms_common_options[] = {
	"databases", "key", "keys", "timeout", "type", NULL
};

static bool fc_name_listed(const char *const *names, const char *name);
static bool fc_pattern_matches(const char *pattern, size_t len, const char *text);

const FcKmsProvider *
fc_kms_find(const char *type)
{
	size_t		i;

	for (i = 0; i < sizeof(fc_kms_types) / sizeof(fc_kms_types[0]); i++)
		if (strcmp(fc_kms_types[i]->type, type) == 0)
			return fc_kms_types[i];
	return NULL;
}

FcKmsSession
fc_kms_session(const FcKmsProvider *provider, const FcKmsInstance *instance)
{
	FcKmsSession session = {"", -1};

	if (provider->session != NULL)
		provider->session(instance, &session);
	return session;
}

const char *
fc_kms_option(const FcKmsConfig *config, const char *name, int *line)
{
	size_t		i;

	if (line != NULL)
		*line = 0;
	for (i = 0; i < config->noptions; i++)
	{
		if (strcmp(config->options[i].name, name) != 0)
			continue;
		if (line != NULL)
			*line = config->options[i].line;
		return config->options[i].value;
	}
	return NULL;
}

static bool
fc_name_listed(const char *const *names, const char *name)
{
	for (; *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

const FcKmsOption *
fc_kms_unknown_option(const FcKmsConfig *config, const FcKmsProvider *provider)
{
	size_t		i;

	for (i = 0; i < config->noptions; i++)
		if (!fc_name_listed(fc_kms_common_options, config->options[i].name) &&
			!fc_name_listed(provider->options, config->options[i].name))
			return &config->options[i];
	return NULL;
}

FcStatus
fc_kms_fail(FcKmsError *error, FcStatus status, int line, const char *fmt,...)
{
	va_list		args;

	error->status = status;
	error->line = line;
	error->retry_after_ms = 0;
	va_start(args, fmt);
	(void) vsnprintf(error->message, sizeof(error->message), fmt, args);
	va_end(args);
	return status;
}

bool
fc_kms_key_allowed(const char *patterns, const char *kms_key)
{
	const char *p = patterns;

	for (;;)
	{
		const char *end;
		size_t		len;

		p += strspn(p, " \t,");
		if (*p == '\0')
			return false;
		len = strcspn(p, ",");
		end = p + len;
		while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
			len--;
		if (fc_pattern_matches(p, len, kms_key))
			return true;
		p = end;
	}
}

/*
 * The whole text against a pattern in which * stands for any characters.  On
 * a mismatch the last * takes one character more; earlier ones never need to
 * be tried again, so the time is at most the product of both lengths.
 */
static bool
fc_pattern_matches(const char *pattern, size_t len, const char *text)
{
	size_t		p = 0;
	size_t		star = len;		/* place after the last *, len if none yet */
	const char *retry = NULL;

	while (*text != '\0')
	{
		if (p < len && pattern[p] == '*')
		{
			star = ++p;
			retry = text;
		}
		else if (p < len && pattern[p] == *text)
		{
			p++;
			text++;
		}
		else if (retry != NULL)
		{
			p = star;
			text = ++retry;
		}
		else
			return false;
	}
	while (p < len && pattern[p] == '*')
		p++;
	return p == len;
}
