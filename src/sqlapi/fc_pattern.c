/*-------------------------------------------------------------------------
 *
 * fc_pattern.c
 *		LIKE and regular expressions on encrypted values, and string_agg():
 *		PostgreSQL's own functions, called with the plaintext.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_valueio.h"

PG_FUNCTION_INFO_V1(fc_et_like);
PG_FUNCTION_INFO_V1(fc_et_nlike);
PG_FUNCTION_INFO_V1(fc_et_iclike);
PG_FUNCTION_INFO_V1(fc_et_icnlike);
PG_FUNCTION_INFO_V1(fc_et_regexeq);
PG_FUNCTION_INFO_V1(fc_et_regexne);
PG_FUNCTION_INFO_V1(fc_et_icregexeq);
PG_FUNCTION_INFO_V1(fc_et_icregexne);
PG_FUNCTION_INFO_V1(fc_et_string_agg_transfn);

/* Does the value match the pattern, as `match` of text says? */
static bool
matches(FunctionCallInfo fcinfo, PGFunction match)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	text	   *plain = fc_decrypt_datum(value);
	bool		result = DatumGetBool(DirectFunctionCall2Coll(match, PG_GET_COLLATION(),
															  PointerGetDatum(plain),
															  PG_GETARG_DATUM(1)));

	fc_free_plain(plain);
	PG_FREE_IF_COPY(value, 0);
	return result;
}

Datum
fc_et_like(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matches(fcinfo, textlike));
}

Datum
fc_et_nlike(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matches(fcinfo, textnlike));
}

Datum
fc_et_iclike(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matches(fcinfo, texticlike));
}

Datum
fc_et_icnlike(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matches(fcinfo, texticnlike));
}

Datum
fc_et_regexeq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matches(fcinfo, textregexeq));
}

Datum
fc_et_regexne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matches(fcinfo, textregexne));
}

Datum
fc_et_icregexeq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matches(fcinfo, texticregexeq));
}

Datum
fc_et_icregexne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matches(fcinfo, texticregexne));
}

/* The state is string_agg's own; the text is appended to it and wiped. */
Datum
fc_et_string_agg_transfn(PG_FUNCTION_ARGS)
{
	text	   *plain = NULL;
	Datum		state;

	if (!PG_ARGISNULL(1))
	{
		plain = fc_decrypt_datum(PG_GETARG_VARLENA_PP(1));
		fcinfo->args[1].value = PointerGetDatum(plain);
	}
	state = string_agg_transfn(fcinfo);
	if (plain != NULL)
	{
		fc_free_plain(plain);
	}
	return state;
}
