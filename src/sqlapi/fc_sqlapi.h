/*-------------------------------------------------------------------------
 *
 * fc_sqlapi.h
 *		What the files of sqlapi/ share: set-up of the hooks, the type
 *		modifier, policy of input and output, plaintext in and out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_SQLAPI_H
#define FC_SQLAPI_H

#include "postgres.h"

#include "fmgr.h"

#include "base/fc_secret.h"
#include "crypto/fc_envelope.h"
#include "pg/fc_compat.h"
#include "pg/fc_keyring.h"

/* ---- fc_typmod.c ---- */

/*
 * Type modifier: bits 0-27 = 28-bit prefix of the key's identity, bits 28-30
 * = search mode; -1 = none.
 */
#define FC_TYPMOD_MAKE(prefix, mode) ((int32) ((prefix) | ((uint32) (mode) << 28)))
#define FC_TYPMOD_PREFIX(typmod) ((uint32) (typmod) & 0x0fffffff)
#define FC_TYPMOD_MODE(typmod) ((uint8) (((uint32) (typmod) >> 28) & 7))

/*
 * May a column store a value of that key and mode?  One that is not searchable
 * may have any tags, which nobody asks for: set_search() goes through that, and
 * a dump or a subscription of then must be taken.
 */
static inline bool
fc_typmod_stores(int32 typmod, uint32 prefix, uint8 mode)
{
	return FC_TYPMOD_PREFIX(typmod) == prefix &&
		(FC_TYPMOD_MODE(typmod) == mode || FC_TYPMOD_MODE(typmod) == FC_MODE_NONE);
}

/* Is this a legal key name ([a-z0-9_][a-z0-9_.-]{0,62})? */
extern bool fc_key_name_valid(const char *name);
extern void fc_key_name_check(const char *name);	/* 42602 */

/* Prefix of a name; ERROR if it is the reserved 0. */
extern uint32 fc_name_prefix(const char *name);

/* Name of a mode for messages and SQL ("exact"), or NULL for none. */
extern const char *fc_mode_name(uint8 mode);

/* "exact" -> FC_MODE_EXACT; 22023 on anything else. */
extern uint8 fc_mode_parse(const char *name);

/* The key's name for a prefix, or "#" and 7 hex digits; palloc'd, never throws. */
extern char *fc_prefix_label(uint32 prefix);

/* ---- fc_context.c: what the process and the statement are doing ---- */

/* Output must be armour whatever the privileges: see design section 4. */
extern bool fc_output_must_be_armour(void);

/* Armour is taken here without any setting (COPY FROM of a restore, apply). */
extern bool fc_input_takes_armour(void);
extern bool fc_input_takes_plaintext(void);

/* A denied reader gets armour rather than an error (on_denied = auto). */
extern bool fc_denied_gets_armour(void);

/* An auto_explain hook is printing: literals show as '***'. */
extern bool fc_literals_hidden(void);

/* COPY nesting, kept by the utility hook. */
extern void fc_copy_enter(bool is_from);
extern void fc_copy_leave(bool is_from);
extern void fc_copy_reset(void);

/* Mark the running statement as having touched an encrypted value (log redaction). */
extern void fc_mark_touched(void);
extern bool fc_was_touched(void);

/* The running text has parameters that must not be logged, whenever it runs. */
extern void fc_mark_secret_params(void);

/* ---- fc_datum.c: between Datums and values ---- */

/* Suite 0: the plaintext itself, in memory only. */
extern bool fc_is_literal(const struct varlena *datum);

/* Detoasted, packed value -> parsed; XX001 if it does not parse. */
extern void fc_datum_parse(const struct varlena *datum, FcValue *value);

/* Make a literal from text in the server encoding. */
extern struct varlena *fc_make_literal(const char *text, Size len);

/*
 * Encrypt text in the server encoding for a type modifier (needs encrypt on
 * the key); tagged if the modifier names a mode.
 */
extern struct varlena *fc_encrypt_text(const char *text, Size len, int32 typmod);

/* The text of a value in the server encoding; needs decrypt on its key. */
extern text *fc_decrypt_datum(const struct varlena *datum);

/* Wipe and free such a text. */
static inline void
fc_free_plain(text *plain)
{
	fc_wipe(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
	pfree(plain);
}

/* The armour of a value, NUL-terminated, palloc'd. */
extern char *fc_datum_armour(const struct varlena *datum);

/* ---- set-up ---- */

extern void fc_ddl_init(void);		/* object_access_hook, utility hook */
extern void fc_log_init(void);		/* emit_log_hook */
extern void fc_statement_init(void);	/* statement-end wiping, executor hooks */
extern void fc_planner_init(void);	/* planner and relation info hooks */
extern void fc_translate_init(void);	/* utility hook: indexes on searchable columns */
extern void fc_wire_init(void);		/* analysis hook: columns and parameters as text */
extern void fc_admin_init(void);	/* transaction callbacks of lock_key etc. */

#endif							/* FC_SQLAPI_H */
