/*-------------------------------------------------------------------------
 *
 * fc_casts.c
 *		Casts from and to the string types, decrypt() and try_decrypt().
 *
 * A cast into the type takes the column's type modifier; without one there is
 * no key to encrypt under.  A cast out of the type is always written by
 * somebody: it decrypts in triggers too and whatever fieldcrypt.output says,
 * and a reader without the privilege gets an error unless he asked for
 * something else by fieldcrypt.on_denied.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "pg/fc_compat.h"
#include "pg/fc_guc.h"
#include "sqlapi/fc_valueio.h"

PG_FUNCTION_INFO_V1(fc_text_to_encrypted_text);
PG_FUNCTION_INFO_V1(fc_bpchar_to_encrypted_text);
PG_FUNCTION_INFO_V1(fc_encrypted_text_to_text);
PG_FUNCTION_INFO_V1(fc_encrypted_text_to_name);
PG_FUNCTION_INFO_V1(fc_try_decrypt);

/* ---- into the type ---- */

static struct varlena *
cast_in(const char *text, Size len, int32 typmod)
{
	if (typmod < 0 && !fc_armour_is(text, len))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("cast to type %s does not name a key", "encrypted_text"),
				 errhint("Name the key: CAST(... AS encrypted_text('key')).")));
	return fc_value_from_text(text, len, typmod, NULL);
}

/* text and varchar */
Datum
fc_text_to_encrypted_text(PG_FUNCTION_ARGS)
{
	text	   *source = PG_GETARG_TEXT_PP(0);

	PG_RETURN_POINTER(cast_in(VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source),
							  PG_GETARG_INT32(1)));
}

/* The padding of char(n) is no part of the text, as in text(bpchar). */
Datum
fc_bpchar_to_encrypted_text(PG_FUNCTION_ARGS)
{
	BpChar	   *source = PG_GETARG_BPCHAR_PP(0);

	PG_RETURN_POINTER(cast_in(VARDATA_ANY(source),
							  bpchartruelen(VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source)),
							  PG_GETARG_INT32(1)));
}

/* ---- out of the type ---- */

/*
 * cast_out
 *		NULL where fieldcrypt.on_denied = null applies.  The privilege is
 *		tested apart only where a denial is not an error; else the broker
 *		tests it with the key.
 */
static text *
cast_out(const struct varlena *datum)
{
	FcValue		value;

	if (fc_is_literal(datum))
		return fc_literal_text(datum);

	fc_datum_parse(datum, &value);
	if ((fc_guc_on_denied == FC_DENIED_CIPHERTEXT || fc_guc_on_denied == FC_DENIED_NULL) &&
		!fc_broker_may_decrypt(&value))
	{
		if (fc_denied_outcome(&value, false) == FC_DENIED_SHOW_NULL)
			return NULL;
		return cstring_to_text(fc_datum_armour(datum));
	}
	return fc_open_text(&value);
}

/* text, varchar, bpchar; decrypt() */
Datum
fc_encrypted_text_to_text(PG_FUNCTION_ARGS)
{
	text	   *result = cast_out(PG_GETARG_VARLENA_PP(0));

	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}

/* Longer texts are cut, as text is when cast to name. */
Datum
fc_encrypted_text_to_name(PG_FUNCTION_ARGS)
{
	text	   *shown = cast_out(PG_GETARG_VARLENA_PP(0));
	Name		result;
	int			len;

	if (shown == NULL)
		PG_RETURN_NULL();

	len = VARSIZE_ANY_EXHDR(shown);
	if (len >= NAMEDATALEN)
		len = pg_mbcliplen(VARDATA_ANY(shown), len, NAMEDATALEN - 1);
	result = palloc0(NAMEDATALEN);
	memcpy(NameStr(*result), VARDATA_ANY(shown), len);

	fc_free_plain(shown);
	PG_RETURN_NAME(result);
}

Datum
fc_try_decrypt(PG_FUNCTION_ARGS)
{
	struct varlena *datum = PG_GETARG_VARLENA_PP(0);
	text	   *result;
	FcValue		value;

	if (fc_is_literal(datum))
		PG_RETURN_TEXT_P(fc_literal_text(datum));
	if (fc_value_parse(VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum), &value) != FC_OK)
		PG_RETURN_NULL();

	result = fc_try_open_text(&value);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}
