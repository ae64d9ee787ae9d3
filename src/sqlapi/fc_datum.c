/*-------------------------------------------------------------------------
 *
 * fc_datum.c
 *		Between Datums and values: literals, sealing, opening, armour.
 *
 * Two rules shape every function that holds a key.  All memory is allocated
 * before the key is asked for, and between getting a key and wiping it only
 * pure C of crypto/ runs: so nothing can throw past a key on the stack, and
 * no PG_TRY is needed on the hot path.  Errors are raised after the wipe.
 *
 * The plaintext inside a value is UTF-8.  Where the server encoding is UTF-8
 * text goes in and out without a copy.  Elsewhere it is converted here, with
 * the conversions of pg_catalog and not those of the search path (a user's
 * default conversion would see the plaintext), and without the errors of the
 * server's own converter, which print the offending bytes.  Buffers that held
 * plaintext and belong to this file are wiped before they are freed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_conversion.h"
#include "catalog/pg_namespace_d.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/fc_b64.h"
#include "base/fc_secret.h"
#include "crypto/fc_crypto.h"
#include "pg/fc_compat.h"
#include "pg/fc_report.h"
#include "sqlapi/fc_valueio.h"

/* Bytes converted per call of a conversion function. */
#define CONVERT_CHUNK 8192

static text *open_text(const FcValue *value, bool noerror);
static bool open_into(const FcValue *value, uint8 *out, bool noerror);
static char *convert(const char *src, Size len, bool to_utf8, Size before, Size *out_len);
static void tag_utf8(const char *utf8, Size len, uint32 prefix, uint8 mode,
					 FcPrivilege privilege, uint16 version, uint8 tag[FC_TAG_BYTES]);

/* ---- literals ---- */

bool
fc_is_literal(const struct varlena *datum)
{
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(datum);

	return VARSIZE_ANY_EXHDR(datum) >= FC_LITERAL_HEADER_BYTES &&
		   bytes[0] == FC_SUITE_LITERAL && bytes[1] == 0;
}

struct varlena *
fc_make_literal(const char *text, Size len)
{
	struct varlena *result;
	char	   *bytes;

	/* what cannot be encrypted need not be carried towards a column */
	if (len > FC_PLAINTEXT_MAX)
		fc_report_too_long(len);

	/* the statement's own text holds the plaintext */
	fc_mark_touched();

	result = palloc(VARHDRSZ + FC_LITERAL_HEADER_BYTES + len);
	SET_VARSIZE(result, VARHDRSZ + FC_LITERAL_HEADER_BYTES + len);
	bytes = VARDATA(result);
	bytes[0] = FC_SUITE_LITERAL;
	bytes[1] = 0;
	memcpy(bytes + FC_LITERAL_HEADER_BYTES, text, len);
	return result;
}

text *
fc_literal_text(const struct varlena *datum)
{
	Size		len = VARSIZE_ANY_EXHDR(datum) - FC_LITERAL_HEADER_BYTES;
	text	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), VARDATA_ANY(datum) + FC_LITERAL_HEADER_BYTES, len);
	return result;
}

/* ---- parsing ---- */

void
fc_datum_parse(const struct varlena *datum, FcValue *value)
{
	if (fc_value_parse(VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum), value) != FC_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("encrypted value is malformed"),
				 errdetail("It is not a value of format 1: it was altered or damaged.")));
}

/* The header from its bytes; total is the length of the whole value. */
static bool
read_header(const uint8 *bytes, Size len, Size total, FcHeader *header)
{
	Size		overhead;

	if (len < FC_HEADER_BYTES)
		return false;
	header->suite = bytes[0];
	if (header->suite == FC_SUITE_KW_GCM)
		overhead = FC_OVERHEAD_KW_GCM;
	else if (header->suite == FC_SUITE_XAES)
		overhead = FC_OVERHEAD_XAES;
	else
		return false;

	memcpy(header->key_id.bytes, bytes + 2, FC_KEY_ID_BYTES);
	header->version = (uint16) (bytes[8] << 8 | bytes[9]);
	header->mode = FC_MODE_NONE;
	if (header->version == 0 || (bytes[1] & ~FC_FLAGS_KNOWN) != 0)
		return false;
	if (bytes[1] & FC_FLAG_TAG)
	{
		overhead += FC_TAG_BYTES;
		if (len < FC_HEADER_BYTES + FC_TAG_BYTES)
			return false;
		memcpy(header->tag, bytes + FC_HEADER_BYTES, FC_TAG_BYTES);
		header->mode = FC_TAG_MODE(header->tag[0]);
		if (header->mode == FC_MODE_NONE || header->mode > FC_MODE_MAX)
			return false;
	}
	return total >= overhead;
}

bool
fc_datum_header(Datum datum, FcHeader *header)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(datum);
	struct varlena *slice = value;
	bool		ok;

	if (VARATT_IS_EXTERNAL(value) || VARATT_IS_COMPRESSED(value))
		slice = detoast_attr_slice(value, 0, FC_HEADER_BYTES + FC_TAG_BYTES);

	ok = read_header((const uint8 *) VARDATA_ANY(slice), VARSIZE_ANY_EXHDR(slice),
					 toast_raw_datum_size(datum) - VARHDRSZ, header);
	if (slice != value)
		pfree(slice);
	return ok;
}

/* ---- opening ---- */

text *
fc_decrypt_datum(const struct varlena *datum)
{
	FcValue		value;

	if (fc_is_literal(datum))
		return fc_literal_text(datum);
	fc_datum_parse(datum, &value);
	return fc_open_text(&value);
}

text *
fc_open_text(const FcValue *value)
{
	return open_text(value, false);
}

text *
fc_try_open_text(const FcValue *value)
{
	return open_text(value, true);
}

static text *
open_text(const FcValue *value, bool noerror)
{
	Size		len = value->ciphertext_len;
	text	   *result = palloc(VARHDRSZ + len);

	if (!open_into(value, (uint8 *) VARDATA(result), noerror))
	{
		pfree(result);
		return NULL;
	}

	if (GetDatabaseEncoding() != PG_UTF8)
	{
		char	   *utf8 = (char *) result;

		result = (text *) convert(VARDATA(utf8), len, false, VARHDRSZ, &len);
		fc_wipe(VARDATA(utf8), value->ciphertext_len);
		pfree(utf8);
		if (result == NULL && !noerror)
			ereport(ERROR,
					(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
					 errmsg("decrypted text has a character that encoding \"%s\" does not have",
							GetDatabaseEncodingName())));
		if (result == NULL)
			return NULL;
	}
	SET_VARSIZE(result, VARHDRSZ + len);
	return result;
}

char *
fc_open_cstring(const FcValue *value)
{
	Size		len = value->ciphertext_len;
	text	   *opened;
	char	   *result;

	if (GetDatabaseEncoding() == PG_UTF8)
	{
		result = palloc(len + 1);
		(void) open_into(value, (uint8 *) result, false);
		result[len] = '\0';
		return result;
	}

	opened = open_text(value, false);
	len = VARSIZE(opened) - VARHDRSZ;
	result = pnstrdup(VARDATA(opened), len);
	fc_wipe(VARDATA(opened), len);
	pfree(opened);
	return result;
}

/* Of what key the value is, for the one error that must not say more. */
static void
report_altered(const FcValue *value)
{
	const FcKey *key = fc_keyring_usable() ? fc_keyring_by_id(&value->key_id) : NULL;

	fc_report_altered(key ? key->name : fc_prefix_label(fc_key_id_prefix(&value->key_id)),
					  value->version);
}

/* Decrypt into out, which has room for the plaintext. */
static bool
open_into(const FcValue *value, uint8 *out, bool noerror)
{
	FcSecret	key;
	FcStatus	status;

	fc_mark_touched();

	if (!noerror)
		fc_broker_open_key(value, &key);
	else if (fc_broker_try_open_key(value, &key) != FC_ACCESS_OK)
		return false;

	status = fc_value_open(value, &key, out);	/* clears the stack below */
	fc_secret_wipe(&key);

	if (status == FC_OK)
		return true;
	if (noerror)
		return false;
	if (status == FC_ERR_AUTH)
		report_altered(value);
	fc_report_internal(status);
	return false;				/* not reached */
}

/* ---- encoding ---- */

/* The conversion between the server encoding and UTF-8; looked up once. */
static Oid
conversion_proc(bool to_utf8)
{
	static Oid	procs[2] = {InvalidOid, InvalidOid};
	int			server = GetDatabaseEncoding();

	if (!OidIsValid(procs[to_utf8]))
		procs[to_utf8] = to_utf8 ?
			FindDefaultConversion(PG_CATALOG_NAMESPACE, server, PG_UTF8) :
			FindDefaultConversion(PG_CATALOG_NAMESPACE, PG_UTF8, server);
	if (!OidIsValid(procs[to_utf8]))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("type %s cannot be used in a database with encoding \"%s\"",
						"encrypted_text", GetDatabaseEncodingName()),
				 errdetail("There is no conversion between it and UTF-8.")));
	return procs[to_utf8];
}

/* A larger buffer with the same beginning; the old one is wiped and freed. */
static char *
regrow(char *buffer, Size used, Size size)
{
	char	   *grown = palloc_extended(size, MCXT_ALLOC_HUGE);

	memcpy(grown, buffer, used);
	fc_wipe(buffer, used);
	pfree(buffer);
	return grown;
}

/*
 * How much to convert at once.  Some encodings write a base character and a
 * combining one of Unicode as one character, so UTF-8 is not cut before the
 * combining characters that the server's maps know: U+02C0 to U+037F and
 * U+309A.
 */
static int
chunk_length(const char *src, Size len, bool to_utf8)
{
	Size		cut = CONVERT_CHUNK;

	if (len <= CONVERT_CHUNK)
		return (int) len;
	if (to_utf8)
		return CONVERT_CHUNK;
	while (cut > CONVERT_CHUNK / 2)
	{
		const uint8 *next = (const uint8 *) src + cut;
		bool		inside = (next[0] & 0xc0) == 0x80;
		bool		combining = (next[0] >= 0xcb && next[0] <= 0xcd) ||
			(next[0] == 0xe3 && len - cut > 2 && next[1] == 0x82 && next[2] == 0x9a);

		if (!inside && !combining)
			break;
		cut--;
	}
	return (int) cut;
}

/*
 * convert
 *		Convert between the server encoding and UTF-8 into a new buffer whose
 *		first `before` bytes are left for a header.  Sets *out_len to the
 *		length of the text.  NULL if some character cannot be converted or the
 *		result does not fit a Datum.
 *
 * In a SQL_ASCII database the bytes are taken as UTF-8 and only checked.  The
 * conversion functions stop at a character that a chunk cuts in two, and the
 * next chunk begins there.
 */
static char *
convert(const char *src, Size len, bool to_utf8, Size before, Size *out_len)
{
	int			server = GetDatabaseEncoding();
	bool		plain = server == PG_SQL_ASCII;
	Oid			proc = plain ? InvalidOid : conversion_proc(to_utf8);
	Size		room = CONVERT_CHUNK * MAX_CONVERSION_GROWTH + 1;
	Size		size = before + len + (plain ? 0 : room);
	Size		used = before;
	char	   *out;

	if (plain && !fc_utf8_valid((const uint8 *) src, len))
		return NULL;

	out = palloc_extended(size, MCXT_ALLOC_HUGE);
	if (plain)
	{
		memcpy(out + used, src, len);
		used += len;
		len = 0;
	}
	while (len > 0 && used < MaxAllocSize)
	{
		int			taken;

		if (size - used < room)
		{
			size += size / 2 + room;
			out = regrow(out, used, size);
		}
		taken = pg_do_encoding_conversion_buf(proc,
											  to_utf8 ? server : PG_UTF8,
											  to_utf8 ? PG_UTF8 : server,
											  (unsigned char *) src,
											  chunk_length(src, len, to_utf8),
											  (unsigned char *) out + used, (int) room, true);
		if (taken <= 0)
			break;
		src += taken;
		len -= taken;
		used += strlen(out + used);
		CHECK_FOR_INTERRUPTS();
	}

	*out_len = used - before;
	if (len == 0 && used < MaxAllocSize)
		return out;
	fc_wipe(out, used);
	pfree(out);
	return NULL;
}

/*
 * Text in the server encoding as UTF-8: the same pointer where they are the
 * same, else a buffer that the caller wipes and frees.
 */
static char *
server_to_utf8(const char *text, Size len, Size *utf8_len)
{
	char	   *utf8;

	*utf8_len = len;
	if (GetDatabaseEncoding() == PG_UTF8)
		return unconstify(char *, text);

	utf8 = convert(text, len, true, 0, utf8_len);
	if (utf8 == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("text to be encrypted cannot be converted from encoding \"%s\" to UTF-8",
						GetDatabaseEncodingName())));
	return utf8;
}

/* ---- sealing ---- */

/*
 * fc_encrypt_text
 *		The caller's error context is put aside while plaintext is at work:
 *		COPY's would print the row, SPI's the statement.  An error leaves it
 *		aside, which is the purpose; error recovery resets it.
 */
struct varlena *
fc_encrypt_text(const char *text, Size len, int32 typmod)
{
	ErrorContextCallback *context = error_context_stack;
	struct varlena *volatile result = NULL;
	Size		utf8_len;
	char	   *utf8;

	Assert(typmod >= 0);

	error_context_stack = NULL;
	fc_mark_touched();

	utf8 = server_to_utf8(text, len, &utf8_len);
	if (utf8 == text)
		result = fc_seal_utf8(utf8, utf8_len, typmod);
	else
	{
		PG_TRY();
		{
			result = fc_seal_utf8(utf8, utf8_len, typmod);
		}
		PG_FINALLY();
		{
			fc_wipe(utf8, utf8_len);
			pfree(utf8);
		}
		PG_END_TRY();
	}

	error_context_stack = context;
	return result;
}

struct varlena *
fc_seal_utf8(const char *utf8, Size len, int32 typmod)
{
	uint32		prefix = FC_TYPMOD_PREFIX(typmod);
	uint8		mode = FC_TYPMOD_MODE(typmod);
	bool		tagged = mode != FC_MODE_NONE;
	uint8		tag[FC_TAG_BYTES];
	struct varlena *result;
	FcKeyContext context;
	FcSecret	key;
	FcStatus	status = FC_ERR_ARGUMENT;
	Size		room;
	Size		size;

	if (len > FC_PLAINTEXT_MAX)
		fc_report_too_long(len);

	/* suite 1 takes the most; which suite it is comes with the key */
	room = fc_value_size(FC_SUITE_KW_GCM, tagged, len);
	result = palloc(VARHDRSZ + room);

	if (tagged)
		tag_utf8(utf8, len, prefix, mode, FC_PRIV_ENCRYPT, 0, tag);

	fc_broker_seal_key(prefix, &context, &key);
	size = fc_value_size(context.suite, tagged, len);
	if (size > 0 && size <= room)
		status = fc_value_seal(&context, &key, tagged ? tag : NULL,
							   (const uint8 *) utf8, len,
							   (uint8 *) VARDATA(result), size);
	fc_secret_wipe(&key);

	if (status != FC_OK)
		fc_report_internal(status);
	SET_VARSIZE(result, VARHDRSZ + size);
	return result;
}

void
fc_tag_text(const char *text, Size len, uint32 prefix, uint8 mode,
			FcPrivilege privilege, uint16 version, uint8 tag[FC_TAG_BYTES])
{
	Size		utf8_len;
	char	   *utf8;

	fc_mark_touched();
	utf8 = server_to_utf8(text, len, &utf8_len);
	if (utf8 == text)
	{
		tag_utf8(utf8, utf8_len, prefix, mode, privilege, version, tag);
		return;
	}

	PG_TRY();
	{
		tag_utf8(utf8, utf8_len, prefix, mode, privilege, version, tag);
	}
	PG_FINALLY();
	{
		fc_wipe(utf8, utf8_len);
		pfree(utf8);
	}
	PG_END_TRY();
}

/*
 * tag_utf8
 *		Mode exact takes the bytes as they are, without a copy: their validity
 *		was checked where they entered the server or were converted.
 */
static void
tag_utf8(const char *utf8, Size len, uint32 prefix, uint8 mode,
		 FcPrivilege privilege, uint16 version, uint8 tag[FC_TAG_BYTES])
{
	const uint8 *input = (const uint8 *) utf8;
	Size		room = mode == FC_MODE_EXACT ? 0 : FC_NORMALISED_MAX(len);
	uint8	   *buffer = NULL;
	FcStatus	status = FC_OK;
	FcSecret	key;

	if (room > 0)
		buffer = palloc_extended(room, MCXT_ALLOC_HUGE);

	fc_broker_index_key(prefix, privilege, &version, &key);
	if (buffer)
	{
		status = fc_normalise(mode, input, len, buffer, &len);
		input = buffer;
	}
	if (status == FC_OK)
		status = fc_tag(&key, mode, version, input, len, tag);
	fc_secret_wipe(&key);

	if (buffer)
	{
		fc_wipe(buffer, room);
		pfree(buffer);
	}
	if (status == FC_ERR_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("text to be encrypted is not valid UTF-8")));
	if (status != FC_OK)
		fc_report_internal(status);
}

/* ---- armour ---- */

char *
fc_datum_armour(const struct varlena *datum)
{
	Size		len = VARSIZE_ANY_EXHDR(datum);
	Size		armour_len = FC_ARMOUR_LEN(len);
	FcValue		value;
	char	   *result;

	/* a damaged value must be noticed by the dump, not by the restore */
	fc_datum_parse(datum, &value);

	result = palloc(armour_len + 1);
	fc_armour_encode((const uint8 *) VARDATA_ANY(datum), len, result);
	result[armour_len] = '\0';
	return result;
}
