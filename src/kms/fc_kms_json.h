/*-------------------------------------------------------------------------
 *
 * fc_kms_json.h
 *		Fields of a JSON answer, by a table.
 *
 * A parser of an answer lists what it needs; everything else in the answer is
 * ignored.  Types are checked, numbers are integers, text is UTF-8 without
 * NUL, an object may not have a name twice, nesting is limited.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_KMS_JSON_H
#define FC_KMS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fc_status.h"

typedef enum FcJsonType
{
	FC_JSON_TEXT,				/* char[room] */
	FC_JSON_INT,				/* int64_t */
	FC_JSON_BOOL,				/* bool */
	FC_JSON_TEXTS				/* char[room]: an array's strings, "; " between them, cut */
} FcJsonType;

typedef struct FcJsonField
{
	const char *object;			/* in this object of the answer; "" = the answer itself */
	const char *name;
	FcJsonType	type;
	bool		required;		/* null counts as missing */
	void	   *out;			/* left alone if the field is missing */
	size_t		room;			/* of text, with NUL */
} FcJsonField;

/*
 * fc_json_fields
 *		FC_OK, FC_ERR_NOMEM, or FC_ERR_KMS_DATA where the text is no JSON
 *		object, a field has another type than the table says or too long a
 *		value, or a required one is missing.  Fields may then be filled in
 *		partly.  The library's copies are wiped.
 */
extern FcStatus fc_json_fields(const char *text, size_t len, const FcJsonField *fields,
							   size_t nfields) FC_CHECK_RESULT;

#endif							/* FC_KMS_JSON_H */
