/*-------------------------------------------------------------------------
 *
 * fc_type_io.c
 *		Input and output of type encrypted_text, in text and binary.
 *
 * Input with typmod -1 is a constant of some statement: PostgreSQL parses it
 * before anybody knows the column.  It becomes a literal (suite 0), which the
 * coercion encrypts when it reaches a column.  Input with a type modifier
 * (COPY, array and record input) is encrypted here.
 *
 * Output never raises for a catalogue reason.  What forbids plaintext
 * whatever the privileges is tested before any table is read: under a
 * historic snapshot the grants that a table shows are not today's.
 *
 * Output functions cannot return NULL: with fieldcrypt.on_denied = null the
 * casts and decrypt() return NULL, and output prints an empty string.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"

#include "base/fc_b64.h"
#include "base/fc_secret.h"
#include "pg/fc_compat.h"
#include "pg/fc_guc.h"
#include "pg/fc_report.h"
#include "sqlapi/fc_valueio.h"

PG_FUNCTION_INFO_V1(fc_encrypted_text_in);
PG_FUNCTION_INFO_V1(fc_encrypted_text_out);
PG_FUNCTION_INFO_V1(fc_encrypted_text_recv);
PG_FUNCTION_INFO_V1(fc_encrypted_text_send);

/* What an auto_explain line shows in place of a literal. */
#define HIDDEN_LITERAL "***"

static struct varlena *armour_in(const char *text, Size len, int32 typmod,
								 fmNodePtr escontext);
static struct varlena *with_searched_tag(struct varlena *datum, const FcValue *value,
										 fmNodePtr escontext);
static bool shows_plaintext(const struct varlena *datum, const FcValue *value,
							char **instead);

/* ---- input ---- */

static inline bool
armour_allowed(void)
{
	return fc_guc_input != FC_INPUT_PLAINTEXT || fc_input_takes_armour();
}

void
fc_check_plaintext_allowed(void)
{
	if (fc_guc_input != FC_INPUT_CIPHERTEXT || fc_input_takes_plaintext())
		return;

	/* the context would print the text: COPY's shows the column's value */
	error_context_stack = NULL;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("plaintext for type %s where only ciphertext is accepted", "encrypted_text"),
			 errdetail("fieldcrypt.input is \"ciphertext\"."),
			 errhint("SET fieldcrypt.input = 'plaintext'; has text encrypted, 'auto' takes both.")));
}

struct varlena *
fc_value_from_text(const char *text, Size len, int32 typmod, fmNodePtr escontext)
{
	if (fc_armour_is(text, len))
		return armour_in(text, len, typmod, escontext);

	/*
	 * A constant is not encrypted yet and may never be: the defaults and
	 * views of a dump are restored under input = ciphertext.  The coercion
	 * tests the setting when such a constant comes to a column.
	 */
	if (typmod < 0)
		return fc_make_literal(text, len);

	fc_check_plaintext_allowed();
	return fc_encrypt_text(text, len, typmod);
}

/*
 * armour_in
 *		What begins like armour is armour: taken as the value that it is, or
 *		refused, but never encrypted.  It is checked against the type modifier
 *		by its header alone, so that a dump restores without any key.
 */
static struct varlena *
armour_in(const char *text, Size len, int32 typmod, fmNodePtr escontext)
{
	struct varlena *result = palloc(VARHDRSZ + FC_B64_MAX_DECODED(len));
	FcValue		value;
	size_t		value_len;
	FcStatus	status;
	uint32		prefix;
	uint8		mode;

	status = fc_armour_decode(text, len, (uint8 *) VARDATA(result), &value_len, &value);
	if (status != FC_OK)
	{
		fc_report_bad_armour(status, escontext);
		return NULL;
	}
	if (!armour_allowed())
		ereturn(escontext, NULL,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("ciphertext for type %s where only plaintext is accepted", "encrypted_text"),
				 errdetail("The text is a value that is encrypted already."),
				 errhint("To load a dump, run in the session: SET fieldcrypt.input = 'ciphertext'; or start the client with PGOPTIONS='-c fieldcrypt.input=ciphertext'.")));

	prefix = fc_key_id_prefix(&value.key_id);
	mode = fc_value_mode(&value);
	if (typmod >= 0 && !fc_typmod_stores(typmod, prefix, mode))
	{
		fc_report_typmod_mismatch(prefix, mode, typmod, escontext);
		return NULL;
	}
	SET_VARSIZE(result, VARHDRSZ + value_len);
	return typmod >= 0 && FC_TYPMOD_MODE(typmod) != FC_MODE_NONE ?
		with_searched_tag(result, &value, escontext) : result;
}

/*
 * with_searched_tag
 *		A value of an old dump may have a tag of an index key that has been
 *		rotated out since.  A search would miss it: so it is tagged again if
 *		the role may open it, and refused if not.
 */
static struct varlena *
with_searched_tag(struct varlena *datum, const FcValue *value, fmNodePtr escontext)
{
	FcHeader	header;

	if (!fc_datum_header(PointerGetDatum(datum), &header) || fc_tag_is_searched(&header, true))
		return datum;
	if (!IsLogicalWorker() && fc_broker_may_decrypt(value))
		return fc_tag_anew(datum, &header);
	fc_report_tag_not_searched(&header, escontext);
	return NULL;
}

void
fc_report_tag_not_searched(const FcHeader *header, fmNodePtr escontext)
{
	ereturn(escontext, ,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("ciphertext has a tag that searches do not ask for"),
			 errdetail("Its tag is of version %d modulo 32 of the index key of \"%s\", which is not in use.",
					   FC_TAG_INDEX_VERSION(header->tag[0]),
					   fc_prefix_label(fc_key_id_prefix(&header->key_id))),
			 errhint("Load it as a role that holds decrypt on the key: the value is tagged again.")));
}

/* "key "pii", searchable=exact", for messages; palloc'd */
static char *
describe(uint32 prefix, uint8 mode)
{
	const char *name = fc_mode_name(mode);

	return psprintf("key \"%s\", %s%s", fc_prefix_label(prefix),
					name ? "searchable=" : "not searchable", name ? name : "");
}

void
fc_report_typmod_mismatch(uint32 prefix, uint8 mode, int32 typmod, fmNodePtr escontext)
{
	ereturn(escontext, ,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("ciphertext does not fit the column's type"),
			 errdetail("The value: %s. The column: %s.",
					   describe(prefix, mode),
					   describe(FC_TYPMOD_PREFIX(typmod), FC_TYPMOD_MODE(typmod))),
			 errhint("Load it into a column of its own key and search mode.")));
}

/*
 * input
 *		Both input functions.  With a type modifier the text is plaintext of a
 *		row: whatever goes wrong, the caller's error context is not printed,
 *		since COPY's holds the line.  Without one it stays, for it is what
 *		points at the constant in the statement.
 */
static struct varlena *
input(const char *text, Size len, int32 typmod, fmNodePtr escontext)
{
	ErrorContextCallback *context = error_context_stack;
	struct varlena *result;

	if (typmod >= 0)
		error_context_stack = NULL;
	result = fc_value_from_text(text, len, typmod, escontext);
	error_context_stack = context;
	return result;
}

Datum
fc_encrypted_text_in(PG_FUNCTION_ARGS)
{
	char	   *text = PG_GETARG_CSTRING(0);

	PG_RETURN_POINTER(input(text, strlen(text), PG_GETARG_INT32(2), fcinfo->context));
}

Datum
fc_encrypted_text_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len;
	char	   *text = pq_getmsgtext(buf, buf->len - buf->cursor, &len);
	struct varlena *result;

	result = input(text, len, PG_GETARG_INT32(2), fcinfo->context);
	fc_wipe(text, len);
	pfree(text);
	PG_RETURN_POINTER(result);
}

/* ---- output ---- */

FcDenied
fc_denied_outcome(const FcValue *value, bool auto_armour)
{
	char		hex[2 * FC_KEY_ID_BYTES + 1];
	const FcKey *key;

	switch ((FcOnDenied) fc_guc_on_denied)
	{
		case FC_DENIED_CIPHERTEXT:
			return FC_DENIED_SHOW_ARMOUR;
		case FC_DENIED_NULL:
			return FC_DENIED_SHOW_NULL;
		case FC_DENIED_AUTO:
			if (auto_armour)
				return FC_DENIED_SHOW_ARMOUR;
			break;
		case FC_DENIED_ERROR:
			break;
	}

	key = fc_keyring_by_id(&value->key_id);
	if (key)
		fc_report_denied(key->name, "decrypt");
	fc_hex_encode(value->key_id.bytes, FC_KEY_ID_BYTES, hex);
	hex[2 * FC_KEY_ID_BYTES] = '\0';
	fc_report_foreign_key(hex, value->version);
}

/*
 * shows_plaintext
 *		The output rules for a parsed value; *instead is what to print where
 *		the answer is no, palloc'd.
 */
static bool
shows_plaintext(const struct varlena *datum, const FcValue *value, char **instead)
{
	bool		armour = true;

	if (!fc_output_must_be_armour() && fc_guc_output == FC_OUTPUT_PLAINTEXT)
	{
		if (fc_broker_may_decrypt(value))
			return true;
		/* outside a transaction nobody's privileges can be known */
		if (fc_keyring_usable())
			armour = fc_denied_outcome(value, fc_denied_gets_armour()) == FC_DENIED_SHOW_ARMOUR;
	}
	*instead = armour ? fc_datum_armour(datum) : pstrdup("");
	return false;
}

Datum
fc_encrypted_text_out(PG_FUNCTION_ARGS)
{
	struct varlena *datum = PG_GETARG_VARLENA_PP(0);
	char	   *instead;
	FcValue		value;

	if (fc_is_literal(datum))
	{
		if (fc_literals_hidden())
			PG_RETURN_CSTRING(pstrdup(HIDDEN_LITERAL));
		PG_RETURN_CSTRING(pnstrdup(VARDATA_ANY(datum) + FC_LITERAL_HEADER_BYTES,
								   VARSIZE_ANY_EXHDR(datum) - FC_LITERAL_HEADER_BYTES));
	}

	fc_datum_parse(datum, &value);
	if (shows_plaintext(datum, &value, &instead))
		PG_RETURN_CSTRING(fc_open_cstring(&value));
	PG_RETURN_CSTRING(instead);
}

/* What textsend does, and the buffer wiped if it had to be converted. */
static bytea *
send_text(text *shown)
{
	char	   *bytes = VARDATA(shown);
	Size		len = VARSIZE(shown) - VARHDRSZ;
	char	   *client = pg_server_to_client(bytes, len);
	StringInfoData buf;

	/* text and bytea have one layout, and these are the bytes to send */
	if (client == bytes)
		return (bytea *) shown;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, client, strlen(client));
	fc_wipe(client, strlen(client));
	pfree(client);
	fc_wipe(bytes, len);
	pfree(shown);
	return pq_endtypsend(&buf);
}

Datum
fc_encrypted_text_send(PG_FUNCTION_ARGS)
{
	struct varlena *datum = PG_GETARG_VARLENA_PP(0);
	char	   *instead;
	FcValue		value;

	if (fc_is_literal(datum))
	{
		if (fc_literals_hidden())
			PG_RETURN_BYTEA_P(send_text(cstring_to_text(HIDDEN_LITERAL)));
		PG_RETURN_BYTEA_P(send_text(fc_literal_text(datum)));
	}

	fc_datum_parse(datum, &value);
	if (shows_plaintext(datum, &value, &instead))
		PG_RETURN_BYTEA_P(send_text(fc_open_text(&value)));
	PG_RETURN_BYTEA_P(send_text(cstring_to_text(instead)));
}
