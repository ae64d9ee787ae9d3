/*-------------------------------------------------------------------------
 *
 * fc_blind_index_as.c
 *		The tag that a text would have in a searchable column.
 *
 * Whoever asks can test guesses, so it needs decrypt on the column's key, and
 * on the key of the value that is asked about.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "base/fc_secret.h"
#include "pg/fc_compat.h"
#include "sqlapi/fc_valueio.h"

PG_FUNCTION_INFO_V1(fc_blind_index_as);
PG_FUNCTION_INFO_V1(fc_blind_index_as_text);
PG_FUNCTION_INFO_V1(fc_blind_index_as_array);

static Datum
tag_of_text(const char *plain, Size len, int32 typmod)
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));

	if (typmod < 0 || FC_TYPMOD_MODE(typmod) == FC_MODE_NONE ||
		FC_TYPMOD_MODE(typmod) > FC_MODE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("type modifier %d is not one of a searchable column", typmod)));
	StaticAssertStmt(UUID_LEN == FC_TAG_BYTES, "a tag must fill a uuid");
	fc_tag_text(plain, len, FC_TYPMOD_PREFIX(typmod), FC_TYPMOD_MODE(typmod),
				FC_PRIV_DECRYPT, uuid->data);
	return UUIDPGetDatum(uuid);
}

static Datum
tag_of_value(const struct varlena *value, int32 typmod)
{
	text	   *plain;
	Datum		tag;

	if (fc_is_literal(value))
		return tag_of_text(VARDATA_ANY(value) + FC_LITERAL_HEADER_BYTES,
						   VARSIZE_ANY_EXHDR(value) - FC_LITERAL_HEADER_BYTES, typmod);

	plain = fc_decrypt_datum(value);
	tag = tag_of_text(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain), typmod);
	fc_wipe(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
	pfree(plain);
	return tag;
}

Datum
fc_blind_index_as(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(tag_of_value(PG_GETARG_VARLENA_PP(0), PG_GETARG_INT32(1)));
}

Datum
fc_blind_index_as_text(PG_FUNCTION_ARGS)
{
	text	   *plain = PG_GETARG_TEXT_PP(0);

	PG_RETURN_DATUM(tag_of_text(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain),
								PG_GETARG_INT32(1)));
}

/* Of texts or of values; the shape and the nulls stay. */
Datum
fc_blind_index_as_array(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int32		typmod = PG_GETARG_INT32(1);
	Oid			element = ARR_ELEMTYPE(array);
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	int16		typlen;
	bool		typbyval;
	char		typalign;

	get_typlenbyvalalign(element, &typlen, &typbyval, &typalign);
	deconstruct_array(array, element, typlen, typbyval, typalign, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		struct varlena *value;

		if (nulls[i])
			continue;
		value = PG_DETOAST_DATUM_PACKED(elements[i]);
		if (element == TEXTOID)
			elements[i] = tag_of_text(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), typmod);
		else
			elements[i] = tag_of_value(value, typmod);
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(elements, nulls, ARR_NDIM(array),
											 ARR_DIMS(array), ARR_LBOUND(array),
											 UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}
