/*-------------------------------------------------------------------------
 *
 * fc_valueio.h
 *		What the files that move values in and out of SQL share beyond
 *		fc_sqlapi.h: headers without detoasting, tags of texts, the rules of
 *		input and of denied output.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_VALUEIO_H
#define FC_VALUEIO_H

#include "postgres.h"

#include "fmgr.h"

#include "pg/fc_broker.h"
#include "sqlapi/fc_sqlapi.h"

/* ---- fc_datum.c ---- */

/* A literal: suite 0, a zero byte in the place of the flags, the text. */
#define FC_LITERAL_HEADER_BYTES 2

/* What the first bytes of a value say; nothing here is authenticated. */
typedef struct FcHeader
{
	uint8		suite;			/* FC_SUITE_KW_GCM or FC_SUITE_XAES */
	FcKeyId		key_id;
	uint16		version;		/* of the master key */
	uint8		mode;			/* FC_MODE_NONE without a tag */
	uint8		tag[FC_TAG_BYTES];	/* valid if mode is not FC_MODE_NONE */
} FcHeader;

/*
 * fc_datum_header
 *		Read the header of a possibly toasted value, fetching no more than
 *		its first bytes.  False for a literal and for bytes that are not
 *		format 1; raises nothing on any bytes.
 */
extern bool fc_datum_header(Datum datum, FcHeader *header);

/* The text of a literal, palloc'd. */
extern text *fc_literal_text(const struct varlena *datum);

/*
 * Open a parsed value: needs decrypt on its key.  The result is in the server
 * encoding.  The try form returns NULL where the others throw, but for cancel
 * and lack of memory.
 */
extern text *fc_open_text(const FcValue *value);
extern char *fc_open_cstring(const FcValue *value);
extern text *fc_try_open_text(const FcValue *value);

/*
 * fc_tag_text
 *		The tag that a text in the server encoding has under a version of the
 *		index key of a prefix, or (0) its active one; needs the privilege on
 *		the key.
 */
extern void fc_tag_text(const char *text, Size len, uint32 prefix, uint8 mode,
						FcPrivilege privilege, uint16 version,
						uint8 tag[FC_TAG_BYTES]);

/*
 * fc_seal_utf8
 *		What a column of the type modifier stores for a text that is UTF-8
 *		already; needs encrypt on the key.
 */
extern struct varlena *fc_seal_utf8(const char *utf8, Size len, int32 typmod);

/* ---- fc_coerce.c ---- */

/*
 * fc_tag_is_searched
 *		Does a search in a column of the value's key and mode find its tag?
 *		True where the keyring does not know the key: restored values may come
 *		before it.  A tag that a walk has yet to rewrite is found as well; with
 *		`keep` it is noted, until the end of the transaction, that such a tag
 *		is being stored, so that its version is not retired meanwhile.
 */
extern bool fc_tag_is_searched(const FcHeader *header, bool keep);

/* The value under its own key and mode with the tag that a write gives now. */
extern struct varlena *fc_tag_anew(const struct varlena *datum, const FcHeader *header);

/* ---- fc_type_io.c ---- */

extern PGDLLEXPORT Datum fc_encrypted_text_out(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum fc_encrypted_text_send(PG_FUNCTION_ARGS);

/*
 * fc_value_from_text
 *		The input rules of design section 4 for text in the server encoding.
 *		NULL after a soft error was reported to escontext.
 */
extern struct varlena *fc_value_from_text(const char *text, Size len, int32 typmod,
										  fmNodePtr escontext);

/* fieldcrypt.input = ciphertext and nothing else allows plaintext: 22P03. */
extern void fc_check_plaintext_allowed(void);

/* The value's key and mode are not what the type modifier names: 22P03. */
extern void fc_report_typmod_mismatch(uint32 prefix, uint8 mode, int32 typmod,
									  fmNodePtr escontext);

/* A search would not find the value's tag: 22P03. */
extern void fc_report_tag_not_searched(const FcHeader *header, fmNodePtr escontext);

/* What a reader without decrypt gets. */
typedef enum FcDenied
{
	FC_DENIED_SHOW_ARMOUR,
	FC_DENIED_SHOW_NULL
} FcDenied;

/*
 * fc_denied_outcome
 *		Apply fieldcrypt.on_denied for a reader who lacks decrypt on the
 *		value's key; throws where the outcome is an error.  auto_armour says
 *		what "auto" gives here.
 */
extern FcDenied fc_denied_outcome(const FcValue *value, bool auto_armour);

#endif							/* FC_VALUEIO_H */
