/*-------------------------------------------------------------------------
 *
 * fc_folded.c
 *		lower(column) = x, upper(column) = x and column ILIKE x, asked of the
 *		tags of search mode lower.
 *
 * The server folds by the collation's provider, the tag by a frozen table.
 * crypto/fc_fold.c lists the texts of which a provider may have made x, as
 * far as it knows; this file decides whether it may be asked: not in
 * encodings other than UTF-8, not in locales with another i or other rules for
 * dots, which one short text tells, and not for a pattern with wildcards.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_folded.h"
#include "sqlapi/fc_sqlapi.h"

PG_FUNCTION_INFO_V1(fc_blind_index_unlisted);

/* I and i with a combining dot above: what Unicode makes of them by default. */
#define DOTTED_UPPER "I\xcc\x87"
#define DOTTED_LOWER "i\xcc\x87"

static text *
fold(text *plain, FcFold how, Oid collation)
{
	return DatumGetTextPP(DirectFunctionCall1Coll(how == FC_FOLD_LOWER ? lower : upper,
												  collation, PointerGetDatum(plain)));
}

static bool
is_usual_locale(FcFold how, Oid collation)
{
	const char *from = how == FC_FOLD_LOWER ? DOTTED_UPPER : DOTTED_LOWER;
	const char *to = how == FC_FOLD_LOWER ? DOTTED_LOWER : DOTTED_UPPER;
	text	   *plain = cstring_to_text(from);
	text	   *folded = fold(plain, how, collation);
	bool		usual = VARSIZE_ANY_EXHDR(folded) == strlen(to) &&
		strncmp(VARDATA_ANY(folded), to, strlen(to)) == 0;

	pfree(folded);
	pfree(plain);
	return usual;
}

static bool
has_wildcards(const text *pattern)
{
	const char *data = VARDATA_ANY(pattern);

	for (Size i = 0; i < VARSIZE_ANY_EXHDR(pattern); i++)
	{
		if (data[i] == '%' || data[i] == '_' || data[i] == '\\')
			return true;
	}
	return false;
}

bool
fc_folded_init(FcFoldedText *folded, text *wanted, char form, Oid collation)
{
	FcFold		how = form == FC_FORM_UPPER ? FC_FOLD_UPPER : FC_FOLD_LOWER;

	if (form != FC_FORM_LOWER && form != FC_FORM_UPPER && form != FC_FORM_ILIKE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown form of comparison")));
	folded->owned = NULL;
	folded->bytes = NULL;
	folded->len = 0;
	folded->origins.count = 0;
	if (GetDatabaseEncoding() != PG_UTF8 || VARSIZE_ANY_EXHDR(wanted) > FC_FOLD_TEXT_MAX ||
		(form == FC_FORM_ILIKE && has_wildcards(wanted)) || !is_usual_locale(how, collation))
		return false;

	/* ILIKE lower-cases both sides */
	if (form == FC_FORM_ILIKE)
		wanted = folded->owned = fold(wanted, FC_FOLD_LOWER, collation);
	folded->bytes = (const uint8 *) VARDATA_ANY(wanted);
	folded->len = VARSIZE_ANY_EXHDR(wanted);
	return fc_fold_init(&folded->origins, how, folded->bytes, folded->len);
}

void
fc_folded_done(FcFoldedText *folded)
{
	if (folded->owned == NULL)
		return;
	fc_free_plain(folded->owned);
	folded->owned = NULL;
}

/*
 * fc_blind_index_unlisted
 *		The lowest uuid if blind_index_folded() cannot list the tags, so that
 *		"at least this one" is every tag; NULL, and no tag, if it can.
 */
Datum
fc_blind_index_unlisted(PG_FUNCTION_ARGS)
{
	FcFoldedText folded;
	bool		listed = fc_folded_init(&folded, PG_GETARG_TEXT_PP(0), PG_GETARG_CHAR(1),
										PG_GET_COLLATION());

	fc_folded_done(&folded);
	if (listed)
		PG_RETURN_NULL();
	PG_RETURN_UUID_P(palloc0(sizeof(pg_uuid_t)));
}
