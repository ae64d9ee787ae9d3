/*-------------------------------------------------------------------------
 *
 * fc_typmod.c
 *		The type modifier: encrypted_text('key'[, 'searchable[=mode]']).
 *
 * A modifier holds the first 28 bits of SHA-256 of the key's name and the
 * search mode, so that DDL restores before any key exists.  The key tables
 * are consulted only to refuse a name whose prefix belongs to another key,
 * and to print the name again; where they cannot be read the prefix itself is
 * printed, as # and seven digits, which is accepted back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/fc_compat.h"
#include "pg/fc_report.h"
#include "sqlapi/fc_sqlapi.h"

PG_FUNCTION_INFO_V1(fc_encrypted_text_typmod_in);
PG_FUNCTION_INFO_V1(fc_encrypted_text_typmod_out);
PG_FUNCTION_INFO_V1(fc_typmod_key);
PG_FUNCTION_INFO_V1(fc_typmod_mode);

/* "#" and the prefix's 28 bits in hexadecimal */
#define PREFIX_LABEL_LEN (1 + FC_PREFIX_BITS / 4)

#define SEARCHABLE "searchable"
#define SPELLINGS \
	"Write encrypted_text('key'), encrypted_text('key', 'searchable') or encrypted_text('key', 'searchable=MODE'), where MODE is exact, lower, digits or last4."

static uint32 prefix_of_argument(const char *name);
static uint8 mode_of_option(const char *option);

/* Indexed by FC_MODE_*. */
static const char *const mode_names[FC_MODE_MAX + 1] = {
	NULL, "exact", "lower", "digits", "last4"
};

static inline bool
name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/*
 * fc_key_name_valid
 *		[a-z0-9_][a-z0-9_.-]{0,62}: fits everywhere a name goes, needs no
 *		quoting in a file name or a URL, and has one spelling.
 */
bool
fc_key_name_valid(const char *name)
{
	Size		len = strlen(name);

	if (len == 0 || len >= FC_KEY_NAME_MAX || !name_start(name[0]))
		return false;
	for (Size i = 1; i < len; i++)
		if (!name_start(name[i]) && name[i] != '.' && name[i] != '-')
			return false;
	return true;
}

void
fc_key_name_check(const char *name)
{
	if (fc_key_name_valid(name))
		return;
	if (strchr(name, '/') != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid key name \"%s\"", name),
				 errdetail("A name with \"/\" is reserved for keys of tenants."),
				 errhint("Use \"_\", \".\" or \"-\" to separate the parts of a name.")));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_NAME),
			 errmsg("invalid key name \"%s\"", name),
			 errdetail("A key name has 1 to %d characters: lower-case letters a-z, digits, \"_\", and after the first also \".\" and \"-\".",
					   FC_KEY_NAME_MAX - 1)));
}

uint32
fc_name_prefix(const char *name)
{
	uint32		prefix;
	FcStatus	status = fc_key_prefix(name, strlen(name), &prefix);

	if (status != FC_OK)
		fc_report_internal(status);
	if (prefix == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("key name \"%s\" cannot be used", name),
				 errdetail("Its hash is a reserved value."),
				 errhint("Choose another name.")));
	return prefix;
}

const char *
fc_mode_name(uint8 mode)
{
	return mode <= FC_MODE_MAX ? mode_names[mode] : NULL;
}

uint8
fc_mode_parse(const char *name)
{
	for (uint8 mode = FC_MODE_EXACT; mode <= FC_MODE_MAX; mode++)
		if (strcmp(name, mode_names[mode]) == 0)
			return mode;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized search mode \"%s\"", name),
			 errhint("The search modes are exact, lower, digits and last4.")));
	return FC_MODE_NONE;		/* not reached */
}

char *
fc_prefix_label(uint32 prefix)
{
	const FcKey *key = NULL;

	if (fc_keyring_usable())
		key = fc_keyring_by_prefix(prefix);
	return key ? pstrdup(key->name) : psprintf("#%07x", prefix & 0x0fffffff);
}

/* The arguments as C strings; ERROR unless it is a plain array without nulls. */
static int
typmod_arguments(ArrayType *array, Datum **arguments)
{
	int			count;

	if (ARR_ELEMTYPE(array) != CSTRINGOID || ARR_NDIM(array) != 1 || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier for type %s", "encrypted_text"),
				 errhint(SPELLINGS)));
	deconstruct_array(array, CSTRINGOID, -2, false, TYPALIGN_CHAR, arguments, NULL, &count);
	return count;
}

Datum
fc_encrypted_text_typmod_in(PG_FUNCTION_ARGS)
{
	Datum	   *arguments;
	int			count = typmod_arguments(PG_GETARG_ARRAYTYPE_P(0), &arguments);
	uint8		mode = FC_MODE_NONE;
	uint32		prefix;

	if (count < 1 || count > 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("type %s takes one or two modifiers, not %d", "encrypted_text", count),
				 errhint(SPELLINGS)));

	prefix = prefix_of_argument(DatumGetCString(arguments[0]));
	if (count == 2)
		mode = mode_of_option(DatumGetCString(arguments[1]));
	PG_RETURN_INT32(FC_TYPMOD_MAKE(prefix, mode));
}

/* "#0123abc", as typmod_out prints a prefix without a key; false if malformed. */
static bool
parse_prefix_label(const char *label, uint32 *prefix)
{
	*prefix = 0;
	if (strlen(label) != PREFIX_LABEL_LEN)
		return false;
	for (const char *p = label + 1; *p; p++)
	{
		if (*p >= '0' && *p <= '9')
			*prefix = *prefix << 4 | (*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			*prefix = *prefix << 4 | (*p - 'a' + 10);
		else
			return false;
	}
	return *prefix != 0;
}

static uint32
prefix_of_argument(const char *name)
{
	const FcKey *key = NULL;
	uint32		prefix;

	if (name[0] == '#')
	{
		if (!parse_prefix_label(name, &prefix))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid key prefix \"%s\"", name),
					 errdetail("A prefix is \"#\" and %d hexadecimal digits in lower case, not all zero.",
							   PREFIX_LABEL_LEN - 1),
					 errhint(SPELLINGS)));
		return prefix;
	}
	if (strcmp(name, "*") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("columns whose values name their keys one by one are not supported"),
				 errhint(SPELLINGS)));
	fc_key_name_check(name);
	prefix = fc_name_prefix(name);

	/* A key that does not exist yet is fine; another one in its place is not. */
	if (fc_keyring_usable())
		key = fc_keyring_by_prefix(prefix);
	if (key && strcmp(key->name, name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("key name \"%s\" cannot be told from key \"%s\"", name, key->name),
				 errdetail("The hashes of both names begin with the same %d bits, which is all that a column's type stores.",
						   FC_PREFIX_BITS),
				 errhint("Choose another name.")));
	return prefix;
}

static uint8
mode_of_option(const char *option)
{
	Size		len = strlen(SEARCHABLE);

	if (strcmp(option, SEARCHABLE) == 0)
		return FC_MODE_EXACT;
	if (strncmp(option, SEARCHABLE "=", len + 1) == 0)
		return fc_mode_parse(option + len + 1);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized option \"%s\" for type %s", option, "encrypted_text"),
			 errhint(SPELLINGS)));
	return FC_MODE_NONE;		/* not reached */
}

Datum
fc_encrypted_text_typmod_out(PG_FUNCTION_ARGS)
{
	int32		typmod = PG_GETARG_INT32(0);
	const char *mode;
	char	   *label;

	if (typmod < 0)
		PG_RETURN_CSTRING(pstrdup(""));

	label = fc_prefix_label(FC_TYPMOD_PREFIX(typmod));
	mode = fc_mode_name(FC_TYPMOD_MODE(typmod));
	if (mode == NULL)
		PG_RETURN_CSTRING(psprintf("('%s')", label));
	if (FC_TYPMOD_MODE(typmod) == FC_MODE_EXACT)
		PG_RETURN_CSTRING(psprintf("('%s','" SEARCHABLE "')", label));
	PG_RETURN_CSTRING(psprintf("('%s','" SEARCHABLE "=%s')", label, mode));
}

Datum
fc_typmod_key(PG_FUNCTION_ARGS)
{
	int32		typmod = PG_GETARG_INT32(0);

	if (typmod < 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(fc_prefix_label(FC_TYPMOD_PREFIX(typmod))));
}

Datum
fc_typmod_mode(PG_FUNCTION_ARGS)
{
	int32		typmod = PG_GETARG_INT32(0);
	const char *mode = typmod < 0 ? NULL : fc_mode_name(FC_TYPMOD_MODE(typmod));

	if (mode == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(mode));
}
