/*-------------------------------------------------------------------------
 *
 * fc_provider_file.c
 *		Parser of the provider file (see fc_providers.h).
 *
 * PostgreSQL's own parser does the syntax, `include` among it; this file does
 * the names.  What is wrong with one provider must not take the others along,
 * so such a problem is kept with its section, and only what cannot be given
 * to any section makes the file unusable.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <sys/stat.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "pg/fc_compat.h"
#include "pg/fc_providers.h"

#define FC_PROVIDER_NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789_"

static bool fc_file_parse(FcProviderFile *file, ConfigVariable **head);
static void fc_file_add(FcProviderFile *file, const ConfigVariable *item);
static FcProviderSection *fc_file_make_section(FcProviderFile *file,
											   const ConfigVariable *item,
											   const char *name);
static void fc_section_add(FcProviderSection *section, const ConfigVariable *item,
						   const char *option);
static bool fc_name_ok(const char *name, size_t len);

FcProviderFile *
fc_provider_file_read(const char *path)
{
	FcProviderFile *file = palloc0(sizeof(FcProviderFile));
	ConfigVariable *head = NULL;
	ConfigVariable *item;
	int			i;

	file->path = pstrdup(path);
	if (!fc_file_parse(file, &head))
		return file;

	for (item = head; item != NULL && file->problem == NULL; item = item->next)
		if (!item->ignore)
			fc_file_add(file, item);

	for (i = 0; i < file->nsections; i++)
	{
		FcProviderSection *section = &file->sections[i];

		if (section->type[0] == '\0' && section->problem == NULL)
			section->problem = psprintf("option \"type\" of provider \"%s\" is missing (file \"%s\", line %d)",
										section->name, section->file, section->line);
	}
	return file;
}

const FcProviderSection *
fc_provider_file_section(const FcProviderFile *file, const char *name)
{
	int			i;

	for (i = 0; i < file->nsections; i++)
		if (strcmp(file->sections[i].name, name) == 0)
			return &file->sections[i];
	return NULL;
}

bool
fc_provider_section_equal(const FcProviderSection *a, const FcProviderSection *b)
{
	int			i;

	if (a->noptions != b->noptions)
		return false;
	for (i = 0; i < a->noptions; i++)
		if (strcmp(a->options[i].name, b->options[i].name) != 0 ||
			strcmp(a->options[i].value, b->options[i].value) != 0)
			return false;
	return true;
}

void
fc_provider_file_locate(const FcProviderSection *section, int line,
						const char *message, char out[FC_KMS_MESSAGE_MAX])
{
	const char *file = section->file;
	int			i;

	for (i = 0; i < section->noptions; i++)
		if (line != 0 && section->options[i].line == line)
			file = section->options[i].file;
	snprintf(out, FC_KMS_MESSAGE_MAX, "%s (file \"%s\", line %d)",
			 message, file, line != 0 ? line : section->line);
}

/* Open and parse.  False with file->problem set. */
static bool
fc_file_parse(FcProviderFile *file, ConfigVariable **head)
{
	ConfigVariable *tail = NULL;
	ConfigVariable *item;
	struct stat st;
	FILE	   *fp;

	/* before it is opened: opening a fifo would hang the launcher */
	if (stat(file->path, &st) == 0 && !S_ISREG(st.st_mode))
	{
		file->problem = psprintf("provider file \"%s\" is not a regular file", file->path);
		return false;
	}
	fp = AllocateFile(file->path, "r");
	if (fp == NULL)
	{
		file->missing = errno == ENOENT;
		file->problem = psprintf("provider file \"%s\" could not be opened: %m", file->path);
		return false;
	}

	/*
	 * The parser reports through the list as well as to the log; the log line
	 * is the launcher's to write, once.
	 */
	(void) ParseConfigFp(fp, file->path, 0, DEBUG2, head, &tail);
	FreeFile(fp);

	for (item = *head; item != NULL; item = item->next)
	{
		if (item->errmsg == NULL)
			continue;
		file->problem = psprintf("%s (file \"%s\", line %d)", item->errmsg,
								 item->filename ? item->filename : file->path,
								 item->sourceline);
		return false;
	}
	return true;
}

/* File one `<provider>.<option> = '<value>'`. */
static void
fc_file_add(FcProviderFile *file, const ConfigVariable *item)
{
	const char *dot = strchr(item->name, '.');
	char		name[FC_KMS_NAME_MAX];
	FcProviderSection *section;

	if (dot == NULL || strchr(dot + 1, '.') != NULL)
	{
		file->problem = psprintf("\"%s\" is not of the form provider.option (file \"%s\", line %d)",
								 item->name, item->filename, item->sourceline);
		return;
	}
	if (!fc_name_ok(item->name, dot - item->name))
	{
		file->problem = psprintf("\"%.*s\" is not a provider name: lower-case letters, digits and underscores, at most %d (file \"%s\", line %d)",
								 (int) Min(dot - item->name, FC_KMS_NAME_MAX),
								 item->name, FC_KMS_NAME_MAX - 1,
								 item->filename, item->sourceline);
		return;
	}

	strlcpy(name, item->name, dot - item->name + 1);
	section = unconstify(FcProviderSection *, fc_provider_file_section(file, name));
	if (section == NULL)
		section = fc_file_make_section(file, item, name);
	if (section != NULL)
		fc_section_add(section, item, dot + 1);
}

static FcProviderSection *
fc_file_make_section(FcProviderFile *file, const ConfigVariable *item, const char *name)
{
	FcProviderSection *section;

	if (file->nsections == FC_PROVIDERS_MAX)
	{
		file->problem = psprintf("more than %d providers (file \"%s\", line %d)",
								 FC_PROVIDERS_MAX, item->filename, item->sourceline);
		return NULL;
	}
	section = &file->sections[file->nsections++];
	strlcpy(section->name, name, sizeof(section->name));
	section->type = "";
	section->file = pstrdup(item->filename);
	section->line = item->sourceline;
	return section;
}

static void
fc_section_add(FcProviderSection *section, const ConfigVariable *item, const char *option)
{
	FcProviderOption *o;
	int			i;

	for (i = 0; i < section->noptions; i++)
	{
		if (strcmp(section->options[i].name, option) != 0)
			continue;
		if (section->problem == NULL)
			section->problem = psprintf("option \"%s\" of provider \"%s\" is set twice (file \"%s\", line %d)",
										option, section->name,
										item->filename, item->sourceline);
		return;
	}

	if (section->options == NULL)
		section->options = palloc(sizeof(FcProviderOption));
	else
		section->options = repalloc(section->options,
									sizeof(FcProviderOption) * (section->noptions + 1));
	o = &section->options[section->noptions++];
	o->name = pstrdup(option);
	o->value = pstrdup(item->value);
	o->file = pstrdup(item->filename);
	o->line = item->sourceline;
	if (strcmp(option, "type") == 0)
		section->type = o->value;
}

static bool
fc_name_ok(const char *name, size_t len)
{
	return len > 0 && len < FC_KMS_NAME_MAX &&
		!(name[0] >= '0' && name[0] <= '9') &&
		strspn(name, FC_PROVIDER_NAME_CHARS) >= len;
}

/*
 * Neither is an error: a test server may well keep its file in the data
 * directory.  But base backups and pg_rewind copy it from there, and it tells
 * where credentials lie.
 */
void
fc_provider_file_warn(const char *path)
{
	char		real[PATH_MAX];	/* what realpath() may write */
	char		data[PATH_MAX];
	struct stat st;

	if (stat(path, &st) != 0)
		return;
	if ((st.st_mode & S_IRWXO) != 0)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("provider file \"%s\" can be read or written by everybody", path),
				 errhint("Set its mode to 0600, or to 0640 with a group of administrators.")));

	if (realpath(path, real) != NULL && realpath(DataDir, data) != NULL &&
		path_is_prefix_of_path(data, real))
		ereport(WARNING,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("provider file \"%s\" is inside the data directory", path),
				 errdetail("Base backups and pg_rewind copy it to other machines."),
				 errhint("Move it elsewhere and set fieldcrypt.provider_file.")));
}
