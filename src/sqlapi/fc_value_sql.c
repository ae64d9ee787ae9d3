/*-------------------------------------------------------------------------
 *
 * fc_value_sql.c
 *		Functions on values: encrypt(), value_info(), blind_index().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "base/fc_b64.h"
#include "pg/fc_compat.h"
#include "pg/fc_report.h"
#include "sqlapi/fc_valueio.h"

PG_FUNCTION_INFO_V1(fc_encrypt);
PG_FUNCTION_INFO_V1(fc_value_info);
PG_FUNCTION_INFO_V1(fc_blind_index);
PG_FUNCTION_INFO_V1(fc_blind_index_text);
PG_FUNCTION_INFO_V1(fc_blind_indexes_text);

/* Columns of value_info(). */
enum
{
	INFO_KEY,
	INFO_KEY_ID,
	INFO_VERSION,
	INFO_SUITE,
	INFO_MODE,
	INFO_INDEX_VERSION,
	INFO_BYTES,
	INFO_COLUMNS
};

/*
 * The prefix of a key that SQL names.  By name and not by prefix alone: a
 * misspelt name must not find another key.
 */
static uint32
prefix_of_key(const text *name)
{
	char	   *key = text_to_cstring(name);

	fc_key_name_check(key);
	if (fc_keyring_usable() && fc_keyring_by_name(key) == NULL)
		fc_report_unknown_key(key);
	return fc_name_prefix(key);
}

Datum
fc_encrypt(PG_FUNCTION_ARGS)
{
	text	   *plain = PG_GETARG_TEXT_PP(0);
	uint32		prefix = prefix_of_key(PG_GETARG_TEXT_PP(1));

	if (fc_armour_is(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("ciphertext for type %s where only plaintext is accepted", "encrypted_text"),
				 errdetail("The text begins like a value that is encrypted already.")));
	PG_RETURN_POINTER(fc_encrypt_text(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain),
									  FC_TYPMOD_MAKE(prefix, FC_MODE_NONE)));
}

/* The columns of value_info() for a value that is not a literal. */
static void
value_columns(const FcValue *value, Datum *columns, bool *nulls)
{
	const FcKey *key = fc_keyring_usable() ? fc_keyring_by_id(&value->key_id) : NULL;
	uint8		mode = fc_value_mode(value);
	char		hex[2 * FC_KEY_ID_BYTES];

	nulls[INFO_KEY] = key == NULL;
	if (key)
		columns[INFO_KEY] = CStringGetTextDatum(key->name);

	fc_hex_encode(value->key_id.bytes, FC_KEY_ID_BYTES, hex);
	columns[INFO_KEY_ID] = PointerGetDatum(cstring_to_text_with_len(hex, sizeof(hex)));
	columns[INFO_VERSION] = Int32GetDatum(value->version);
	nulls[INFO_KEY_ID] = nulls[INFO_VERSION] = false;

	if (mode != FC_MODE_NONE)
	{
		columns[INFO_MODE] = CStringGetTextDatum(fc_mode_name(mode));
		columns[INFO_INDEX_VERSION] = Int32GetDatum(FC_TAG_INDEX_VERSION(value->tag[0]));
		nulls[INFO_MODE] = nulls[INFO_INDEX_VERSION] = false;
	}
}

/*
 * index_version is what the tag stores: the index key's version modulo 32.
 * bytes is the length of the text, in UTF-8; of a literal, in the server
 * encoding.
 */
Datum
fc_value_info(PG_FUNCTION_ARGS)
{
	struct varlena *datum = PG_GETARG_VARLENA_PP(0);
	Datum		columns[INFO_COLUMNS] = {0};
	bool		nulls[INFO_COLUMNS];
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tupdesc = BlessTupleDesc(tupdesc);

	memset(nulls, true, sizeof(nulls));
	nulls[INFO_SUITE] = nulls[INFO_BYTES] = false;

	if (fc_is_literal(datum))
	{
		columns[INFO_SUITE] = Int32GetDatum(FC_SUITE_LITERAL);
		columns[INFO_BYTES] = Int32GetDatum(VARSIZE_ANY_EXHDR(datum) - FC_LITERAL_HEADER_BYTES);
	}
	else
	{
		FcValue		value;

		fc_datum_parse(datum, &value);
		columns[INFO_SUITE] = Int32GetDatum(value.suite);
		columns[INFO_BYTES] = Int32GetDatum((int32) value.ciphertext_len);
		value_columns(&value, columns, nulls);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, columns, nulls)));
}

static Datum
uuid_of_tag(const uint8 tag[FC_TAG_BYTES])
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));

	StaticAssertStmt(UUID_LEN == FC_TAG_BYTES, "a tag must fill a uuid");
	memcpy(uuid->data, tag, UUID_LEN);
	return UUIDPGetDatum(uuid);
}

/*
 * fc_blind_index
 *		IMMUTABLE and LEAKPROOF, and indexes are built on it: it looks at the
 *		header alone and answers NULL to any bytes that it does not know.
 */
Datum
fc_blind_index(PG_FUNCTION_ARGS)
{
	FcHeader	header;

	if (!fc_datum_header(PG_GETARG_DATUM(0), &header) || header.mode == FC_MODE_NONE)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(uuid_of_tag(header.tag));
}

/* Who may ask for tags can test guesses: that is reading, hence decrypt. */
Datum
fc_blind_index_text(PG_FUNCTION_ARGS)
{
	text	   *plain = PG_GETARG_TEXT_PP(0);
	uint32		prefix = prefix_of_key(PG_GETARG_TEXT_PP(1));
	uint8		mode = fc_mode_parse(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	uint8		tag[FC_TAG_BYTES];

	fc_tag_text(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain), prefix, mode,
				FC_PRIV_DECRYPT, 0, tag);
	PG_RETURN_DATUM(uuid_of_tag(tag));
}

/*
 * The tags that a text may have: of every version of the index key that
 * stored tags may be of.
 */
Datum
fc_blind_indexes_text(PG_FUNCTION_ARGS)
{
	text	   *plain = PG_GETARG_TEXT_PP(0);
	uint32		prefix = prefix_of_key(PG_GETARG_TEXT_PP(1));
	uint8		mode = fc_mode_parse(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	const FcKey *key = fc_keyring_usable() ? fc_keyring_by_prefix(prefix) : NULL;
	uint16		versions[FC_INDEX_VERSIONS_MAX] = {0};
	Datum		tags[FC_INDEX_VERSIONS_MAX];
	uint8		tag[FC_TAG_BYTES];
	int			count = 0;

	if (key != NULL)
		count = fc_keyring_index_versions(key, FC_INDEX_STORED, versions);
	/* the active one also where there is none: that reports what is wrong */
	for (int i = 0; i < Max(count, 1); i++)
	{
		fc_tag_text(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain), prefix, mode,
					FC_PRIV_DECRYPT, versions[i], tag);
		tags[i] = uuid_of_tag(tag);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(tags, Max(count, 1), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}
