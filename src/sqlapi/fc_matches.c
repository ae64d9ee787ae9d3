/*-------------------------------------------------------------------------
 *
 * fc_matches.c
 *		matches(value, text): the same under the value's search mode.
 *
 * The answer is whether the tags are equal, so a blind index gives the same
 * one; fc_planner_forms.c asks it where there is a column to ask.  A tag made
 * by another index key than the active one, or under another identity of the
 * key, cannot be compared: then the value is opened and tagged anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/fc_bytes.h"
#include "base/fc_secret.h"
#include "pg/fc_compat.h"
#include "sqlapi/fc_valueio.h"
#include "sqlapi/fc_walk.h"

PG_FUNCTION_INFO_V1(fc_matches);

/* Was the tag made as one would be made now, as far as its header tells? */
static bool
is_comparable(const FcHeader *header, uint32 prefix, const uint8 now[FC_TAG_BYTES])
{
	const FcKey *key = fc_keyring_by_prefix(prefix);

	return key != NULL && fc_key_id_equal(&key->key_id, &header->key_id) &&
		header->tag[0] == now[0];
}

static void
check_searchable(const struct varlena *value, const FcHeader *header, bool known)
{
	FcValue		parsed;

	if (known && header->mode != FC_MODE_NONE)
		return;
	if (!fc_is_literal(value))
		fc_datum_parse(value, &parsed); /* says so if it is malformed */
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("value is not searchable"),
			 errdetail("Only values of a searchable column have a search mode to match under."),
			 errhint("Compare with =, or declare the column encrypted_text('key', 'searchable=lower').")));
}

Datum
fc_matches(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	text	   *other = PG_GETARG_TEXT_PP(1);
	uint8		wanted[FC_TAG_BYTES];
	uint8		tag[FC_TAG_BYTES];
	FcHeader	header;
	bool		known = fc_datum_header(PointerGetDatum(value), &header);
	uint32		prefix;

	check_searchable(value, &header, known);
	prefix = fc_key_id_prefix(&header.key_id);
	fc_tag_text(VARDATA_ANY(other), VARSIZE_ANY_EXHDR(other), prefix, header.mode,
				FC_PRIV_DECRYPT, 0, wanted);

	if (is_comparable(&header, prefix, wanted))
		memcpy(tag, header.tag, FC_TAG_BYTES);
	else
	{
		text	   *plain = fc_decrypt_datum(value);

		fc_tag_text(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain), prefix, header.mode,
					FC_PRIV_DECRYPT, 0, tag);
		fc_free_plain(plain);
	}
	PG_RETURN_BOOL(fc_equal_ct(tag, wanted, FC_TAG_BYTES));
}
