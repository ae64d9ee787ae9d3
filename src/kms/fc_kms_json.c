/*-------------------------------------------------------------------------
 *
 * fc_kms_json.c
 *		Fields of a JSON answer, by a table (see fc_kms_json.h).
 *
 * The parser is jansson, not PostgreSQL's own: the latter raises errors by
 * longjmp where memory or the stack ends, copies strings into contexts that
 * nobody wipes, and has another interface in almost every major version.
 * Jansson returns errors, takes an allocator (ours wipes), and is the same in
 * the server, under sanitizers and in the fuzzer.
 *
 *-------------------------------------------------------------------------
 */
#include <jansson.h>
#include <string.h>

#include "kms/fc_kms_json.h"
#include "kms/fc_kms_mem.h"

/* Answers of a KMS nest three deep; jansson recurses. */
#define FC_JSON_DEPTH_MAX	16

static bool json_shallow(const char *text, size_t len);
static FcStatus json_take(const json_t *value, const FcJsonField *field);
static FcStatus json_take_texts(const json_t *value, const FcJsonField *field);

FcStatus
fc_json_fields(const char *text, size_t len, const FcJsonField *fields, size_t nfields)
{
	FcStatus	status = FC_OK;
	json_error_t error;
	json_t	   *root;
	size_t		i;

	json_set_alloc_funcs(fc_mem_alloc, fc_mem_free);
	if (text == NULL || !json_shallow(text, len))
		return FC_ERR_KMS_DATA;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		return json_error_code(&error) == json_error_out_of_memory ? FC_ERR_NOMEM : FC_ERR_KMS_DATA;
	if (!json_is_object(root))
		status = FC_ERR_KMS_DATA;

	for (i = 0; i < nfields && status == FC_OK; i++)
	{
		const FcJsonField *field = &fields[i];
		const json_t *object = field->object[0] == '\0' ? root : json_object_get(root, field->object);
		const json_t *value = json_object_get(object, field->name);

		/* a field of something that is no object is missing as well */
		if (value != NULL && !json_is_null(value))
			status = json_take(value, field);
		else if (field->required)
			status = FC_ERR_KMS_DATA;
	}
	json_decref(root);
	return status;
}

/* Is the text nested little enough for a parser that recurses? */
static bool
json_shallow(const char *text, size_t len)
{
	int			depth = 0;
	bool		quoted = false;
	size_t		i;

	for (i = 0; i < len; i++)
	{
		char		c = text[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']'))
			depth--;
		if (depth > FC_JSON_DEPTH_MAX)
			return false;
	}
	return true;
}

static FcStatus
json_take(const json_t *value, const FcJsonField *field)
{
	switch (field->type)
	{
		case FC_JSON_TEXT:
			if (!json_is_string(value) || json_string_length(value) >= field->room)
				return FC_ERR_KMS_DATA;
			memcpy(field->out, json_string_value(value), json_string_length(value) + 1);
			return FC_OK;
		case FC_JSON_INT:
			if (!json_is_integer(value))
				return FC_ERR_KMS_DATA;
			*(int64_t *) field->out = json_integer_value(value);
			return FC_OK;
		case FC_JSON_BOOL:
			if (!json_is_boolean(value))
				return FC_ERR_KMS_DATA;
			*(bool *) field->out = json_is_true(value);
			return FC_OK;
		case FC_JSON_TEXTS:
			return json_take_texts(value, field);
	}
	return FC_ERR_ARGUMENT;
}

static FcStatus
json_take_texts(const json_t *value, const FcJsonField *field)
{
	char	   *out = field->out;
	size_t		used = 0;
	size_t		i;

	if (!json_is_array(value))
		return FC_ERR_KMS_DATA;
	for (i = 0; i < json_array_size(value); i++)
	{
		const json_t *element = json_array_get(value, i);
		const char *separator = i > 0 ? "; " : "";
		const char *parts[2];
		int			p;

		if (!json_is_string(element))
			return FC_ERR_KMS_DATA;
		parts[0] = separator;
		parts[1] = json_string_value(element);
		for (p = 0; p < 2; p++)
		{
			size_t		n = strlen(parts[p]);

			if (n > field->room - 1 - used)
				n = field->room - 1 - used;
			memcpy(out + used, parts[p], n);
			used += n;
		}
	}
	out[used] = '\0';
	return FC_OK;
}
