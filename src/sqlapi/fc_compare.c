/*-------------------------------------------------------------------------
 *
 * fc_compare.c
 *		Comparison operators: those of text, on the plaintext.
 *
 * Values whose stored bytes agree are equal to everybody; every other
 * comparison opens both sides and needs decrypt on their keys.  A literal and
 * a text are there already and cost nothing.
 *
 * A logical apply worker looks for the old row of a table with REPLICA
 * IDENTITY FULL by the type's equality.  It has no key, and needs none: the
 * bytes are replicated as they are, so there equality is of the bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "replication/logicalworker.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "base/fc_secret.h"
#include "pg/fc_compat.h"
#include "sqlapi/fc_opened.h"
#include "sqlapi/fc_valueio.h"

PG_FUNCTION_INFO_V1(fc_et_eq);
PG_FUNCTION_INFO_V1(fc_et_ne);
PG_FUNCTION_INFO_V1(fc_et_lt);
PG_FUNCTION_INFO_V1(fc_et_le);
PG_FUNCTION_INFO_V1(fc_et_gt);
PG_FUNCTION_INFO_V1(fc_et_ge);
PG_FUNCTION_INFO_V1(fc_et_cmp);
PG_FUNCTION_INFO_V1(fc_et_larger);
PG_FUNCTION_INFO_V1(fc_et_smaller);
PG_FUNCTION_INFO_V1(fc_et_text_eq);
PG_FUNCTION_INFO_V1(fc_et_text_ne);
PG_FUNCTION_INFO_V1(fc_et_text_lt);
PG_FUNCTION_INFO_V1(fc_et_text_le);
PG_FUNCTION_INFO_V1(fc_et_text_gt);
PG_FUNCTION_INFO_V1(fc_et_text_ge);
PG_FUNCTION_INFO_V1(fc_et_text_cmp);
PG_FUNCTION_INFO_V1(fc_text_et_eq);
PG_FUNCTION_INFO_V1(fc_text_et_ne);
PG_FUNCTION_INFO_V1(fc_text_et_lt);
PG_FUNCTION_INFO_V1(fc_text_et_le);
PG_FUNCTION_INFO_V1(fc_text_et_gt);
PG_FUNCTION_INFO_V1(fc_text_et_ge);
PG_FUNCTION_INFO_V1(fc_text_et_cmp);

/* One side of a comparison. */
typedef struct FcSide
{
	const char *data;
	Size		len;
	text	   *owned;			/* opened for this comparison, or NULL */
} FcSide;

bool
fc_same_bytes(const struct varlena *a, const struct varlena *b)
{
	Size		len = VARSIZE_ANY_EXHDR(a);

	return len == VARSIZE_ANY_EXHDR(b) && memcmp(VARDATA_ANY(a), VARDATA_ANY(b), len) == 0;
}

bool
fc_collation_deterministic(Oid collation)
{
	if (!OidIsValid(collation))
		ereport(ERROR,
				(errcode(ERRCODE_INDETERMINATE_COLLATION),
				 errmsg("could not determine which collation to use for string comparison"),
				 errhint("Use the COLLATE clause to set the collation explicitly.")));
	if (collation == DEFAULT_COLLATION_OID || collation == C_COLLATION_OID)
		return true;
	return get_collation_isdeterministic(collation);
}

/*
 * The text of a value.  A cache is worth its copies only where the value may
 * come again: not against a literal or a text.
 */
static FcSide
side_of_value(const struct varlena *value, FcOpenedCache *cache)
{
	FcSide		side;
	text	   *plain;

	side.owned = NULL;
	if (fc_is_literal(value))
	{
		side.data = VARDATA_ANY(value) + FC_LITERAL_HEADER_BYTES;
		side.len = VARSIZE_ANY_EXHDR(value) - FC_LITERAL_HEADER_BYTES;
		return side;
	}
	if (cache != NULL)
		plain = fc_opened_text(cache, value);
	else
		plain = side.owned = fc_decrypt_datum(value);
	side.data = VARDATA_ANY(plain);
	side.len = VARSIZE_ANY_EXHDR(plain);
	return side;
}

static FcSide
side_of_text(const text *value)
{
	FcSide		side;

	side.owned = NULL;
	side.data = VARDATA_ANY(value);
	side.len = VARSIZE_ANY_EXHDR(value);
	return side;
}

static void
side_wipe(FcSide *side)
{
	if (side->owned == NULL)
		return;
	fc_wipe(VARDATA_ANY(side->owned), side->len);
	pfree(side->owned);
}

/*
 * Zero or not is all that the caller wants where `equality` is set: under a
 * deterministic collation a look at the bytes tells, as for text.
 */
static int
compare_sides(const FcSide *a, const FcSide *b, Oid collation, bool equality)
{
	if (equality && fc_collation_deterministic(collation))
		return a->len != b->len || memcmp(a->data, b->data, a->len) != 0;
	return varstr_cmp(a->data, (int) a->len, b->data, (int) b->len, collation);
}

/* Two values. */
static int
compare_values(FunctionCallInfo fcinfo, bool equality)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);
	FcOpenedCache *cache = NULL;
	FcSide		left;
	FcSide		right;
	int			result = 0;

	if (!fc_same_bytes(a, b))
	{
		if (equality && IsLogicalWorker())
			result = 1;
		else
		{
			if (!fc_is_literal(a) && !fc_is_literal(b))
				cache = fc_opened_of_call(fcinfo);
			left = side_of_value(a, cache);
			right = side_of_value(b, cache);
			result = compare_sides(&left, &right, PG_GET_COLLATION(), equality);
			side_wipe(&left);
			side_wipe(&right);
		}
	}
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

/* A value and a text; value_first says which is the left one. */
static int
compare_mixed(FunctionCallInfo fcinfo, bool value_first, bool equality, FcOpenedCache *cache)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(value_first ? 0 : 1);
	text	   *other = PG_GETARG_TEXT_PP(value_first ? 1 : 0);
	FcSide		left = side_of_value(value, cache);
	FcSide		right = side_of_text(other);
	int			result;

	if (value_first)
		result = compare_sides(&left, &right, PG_GET_COLLATION(), equality);
	else
		result = compare_sides(&right, &left, PG_GET_COLLATION(), equality);
	side_wipe(&left);
	PG_FREE_IF_COPY(value, value_first ? 0 : 1);
	PG_FREE_IF_COPY(other, value_first ? 1 : 0);
	return result;
}

/* ---- value and value ---- */

Datum
fc_et_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo, true) == 0);
}

Datum
fc_et_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo, true) != 0);
}

Datum
fc_et_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo, false) < 0);
}

Datum
fc_et_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo, false) <= 0);
}

Datum
fc_et_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo, false) > 0);
}

Datum
fc_et_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo, false) >= 0);
}

Datum
fc_et_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_values(fcinfo, false));
}

/* min() and max() keep the value as it is stored. */
Datum
fc_et_larger(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(PG_GETARG_DATUM(compare_values(fcinfo, false) > 0 ? 0 : 1));
}

Datum
fc_et_smaller(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(PG_GETARG_DATUM(compare_values(fcinfo, false) < 0 ? 0 : 1));
}

/* ---- value and text ---- */

Datum
fc_et_text_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_mixed(fcinfo, true, true, NULL) == 0);
}

Datum
fc_et_text_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_mixed(fcinfo, true, true, NULL) != 0);
}

Datum
fc_et_text_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_mixed(fcinfo, true, false, NULL) < 0);
}

Datum
fc_et_text_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_mixed(fcinfo, true, false, NULL) <= 0);
}

Datum
fc_et_text_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_mixed(fcinfo, true, false, NULL) > 0);
}

Datum
fc_et_text_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_mixed(fcinfo, true, false, NULL) >= 0);
}

/* Merge joins call this for the same value some times in a row. */
Datum
fc_et_text_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_mixed(fcinfo, true, false, fc_opened_of_call(fcinfo)));
}

/* ---- text and value ---- */

Datum
fc_text_et_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_mixed(fcinfo, false, true, NULL) == 0);
}

Datum
fc_text_et_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_mixed(fcinfo, false, true, NULL) != 0);
}

Datum
fc_text_et_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_mixed(fcinfo, false, false, NULL) < 0);
}

Datum
fc_text_et_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_mixed(fcinfo, false, false, NULL) <= 0);
}

Datum
fc_text_et_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_mixed(fcinfo, false, false, NULL) > 0);
}

Datum
fc_text_et_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_mixed(fcinfo, false, false, NULL) >= 0);
}

Datum
fc_text_et_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_mixed(fcinfo, false, false, fc_opened_of_call(fcinfo)));
}
