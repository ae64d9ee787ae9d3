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
#include "sqlapi/fc_folded.h"
#include "sqlapi/fc_valueio.h"

PG_FUNCTION_INFO_V1(fc_blind_index_as);
PG_FUNCTION_INFO_V1(fc_blind_index_as_text);
PG_FUNCTION_INFO_V1(fc_blind_index_as_array);
PG_FUNCTION_INFO_V1(fc_blind_index_folded);

/* The tags of one text: as many as there are versions. */
typedef struct Versions
{
	int32		typmod;
	int			count;
	uint16		numbers[FC_INDEX_VERSIONS_MAX]; /* 0: whichever is active */
} Versions;

/*
 * Of which versions of the index key stored tags may be.  Nothing is planned
 * for longer than the function runs: a plan made earlier asks for the tags of
 * today.
 */
static void
get_versions(int32 typmod, Versions *versions)
{
	const FcKey *key;

	if (typmod < 0 || FC_TYPMOD_MODE(typmod) == FC_MODE_NONE ||
		FC_TYPMOD_MODE(typmod) > FC_MODE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("type modifier %d is not one of a searchable column", typmod)));
	versions->typmod = typmod;
	versions->count = 0;
	key = fc_keyring_usable() ? fc_keyring_by_prefix(FC_TYPMOD_PREFIX(typmod)) : NULL;
	if (key != NULL)
		versions->count = fc_keyring_index_versions(key, FC_INDEX_STORED, versions->numbers);
	if (versions->count <= 1)
	{
		/* asking for the active one reports what is wrong with the key */
		versions->count = 1;
		versions->numbers[0] = 0;
	}
}

/*
 * One tag, for a plan that was made while there was one version.  The walk
 * that rewrites tags waits for such plans before the first new tag is stored;
 * a standby cannot wait.
 */
static void
get_version(int32 typmod, Versions *versions)
{
	get_versions(typmod, versions);
	if (versions->count > 1)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not search because the index key of \"%s\" is being rotated",
						fc_prefix_label(FC_TYPMOD_PREFIX(typmod))),
				 errdetail("The plan of the statement was made before the rotation began."),
				 errhint("Run the transaction again.")));
}

/* The tags of a text, one per version. */
static void
tags_of_text(const char *plain, Size len, const Versions *versions, Datum *tags)
{
	int			i;

	StaticAssertStmt(UUID_LEN == FC_TAG_BYTES, "a tag must fill a uuid");
	for (i = 0; i < versions->count; i++)
	{
		pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));

		fc_tag_text(plain, len, FC_TYPMOD_PREFIX(versions->typmod),
					FC_TYPMOD_MODE(versions->typmod), FC_PRIV_DECRYPT,
					versions->numbers[i], uuid->data);
		tags[i] = UUIDPGetDatum(uuid);
	}
}

static void
tags_of_value(const struct varlena *value, const Versions *versions, Datum *tags)
{
	text	   *plain;

	if (fc_is_literal(value))
	{
		tags_of_text(VARDATA_ANY(value) + FC_LITERAL_HEADER_BYTES,
					 VARSIZE_ANY_EXHDR(value) - FC_LITERAL_HEADER_BYTES, versions, tags);
		return;
	}
	plain = fc_decrypt_datum(value);
	tags_of_text(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain), versions, tags);
	fc_free_plain(plain);
}

Datum
fc_blind_index_as(PG_FUNCTION_ARGS)
{
	Versions	versions;
	Datum		tag;

	get_version(PG_GETARG_INT32(1), &versions);
	tags_of_value(PG_GETARG_VARLENA_PP(0), &versions, &tag);
	PG_RETURN_DATUM(tag);
}

Datum
fc_blind_index_as_text(PG_FUNCTION_ARGS)
{
	text	   *plain = PG_GETARG_TEXT_PP(0);
	Versions	versions;
	Datum		tag;

	get_version(PG_GETARG_INT32(1), &versions);
	tags_of_text(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain), &versions, &tag);
	PG_RETURN_DATUM(tag);
}

/*
 * Of texts or of values, each with all its tags; nulls stay.  The shape stays
 * as far as there is one tag of each.
 */
Datum
fc_blind_index_as_array(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	Oid			element = ARR_ELEMTYPE(array);
	Versions	versions;
	Datum	   *elements;
	Datum	   *tags;
	bool	   *nulls;
	bool	   *no_tags;
	int			count;
	int			total;
	int			lbound = 1;
	int16		typlen;
	bool		typbyval;
	char		typalign;

	get_versions(PG_GETARG_INT32(1), &versions);
	get_typlenbyvalalign(element, &typlen, &typbyval, &typalign);
	deconstruct_array(array, element, typlen, typbyval, typalign, &elements, &nulls, &count);
	total = count * versions.count;
	tags = palloc0(total * sizeof(Datum) + 1);
	no_tags = palloc0(total * sizeof(bool) + 1);
	for (int i = 0; i < count; i++)
	{
		Datum	   *own = tags + i * versions.count;
		struct varlena *value;

		if (nulls[i])
		{
			memset(no_tags + i * versions.count, true, versions.count * sizeof(bool));
			continue;
		}
		value = PG_DETOAST_DATUM_PACKED(elements[i]);
		if (element == TEXTOID)
			tags_of_text(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), &versions, own);
		else
			tags_of_value(value, &versions, own);
	}
	if (versions.count == 1 || count == 0)
		PG_RETURN_ARRAYTYPE_P(construct_md_array(tags, no_tags, ARR_NDIM(array),
												 ARR_DIMS(array), ARR_LBOUND(array),
												 UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	PG_RETURN_ARRAYTYPE_P(construct_md_array(tags, no_tags, 1, &total, &lbound,
											 UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

/*
 * fc_blind_index_folded
 *		All tags of texts that lower() or upper() may have made this one of;
 *		none if the texts are not known, see fc_folded.c.
 */
Datum
fc_blind_index_folded(PG_FUNCTION_ARGS)
{
	FcFoldedText folded;
	Versions	versions;
	Datum	   *tags;
	char	   *origin;
	uint32		count;

	get_versions(PG_GETARG_INT32(1), &versions);
	if (FC_TYPMOD_MODE(versions.typmod) != FC_MODE_LOWER)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("type modifier %d is not one of search mode lower", versions.typmod)));
	fc_folded_init(&folded, PG_GETARG_TEXT_PP(0), PG_GETARG_CHAR(2), PG_GET_COLLATION());
	count = folded.origins.count;
	tags = palloc(count * versions.count * sizeof(Datum) + 1);
	origin = palloc(FC_FOLD_BYTES(folded.len));
	for (uint32 i = 0; i < count; i++)
	{
		Size		len = fc_fold_origin(&folded.origins, folded.bytes, folded.len, i,
										 (uint8 *) origin);

		tags_of_text(origin, len, &versions, tags + i * versions.count);
		fc_wipe(origin, len);
	}
	fc_folded_done(&folded);
	PG_RETURN_ARRAYTYPE_P(construct_array(tags, (int) (count * versions.count),
										  UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}
