/*-------------------------------------------------------------------------
 *
 * fc_broker.h
 *		"Give me the key for this value": privilege, keyring, cache, wait.
 *
 * The broker remembers per backend the last keys used, as (user, key,
 * version, purpose) -> FcKeyRef, so that the second value of a scan costs a
 * comparison and a copy.  What is remembered holds for one statement at most
 * and is dropped when a slot's seq moves, so that lock_key, purge_cache and
 * revoked grants take effect at the next statement or at the next value.
 *
 * Every function that hands out a key fills *key on the caller's stack; the
 * caller wipes it, also when it throws.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_BROKER_H
#define FC_BROKER_H

#include "postgres.h"

#include "base/fc_secret.h"
#include "crypto/fc_envelope.h"
#include "pg/fc_keyring.h"

/* What an attempt came to, for callers that must not throw. */
typedef enum FcAccess
{
	FC_ACCESS_OK,
	FC_ACCESS_DENIED,			/* no privilege */
	FC_ACCESS_FOREIGN,			/* key_id or version not in this keyring */
	FC_ACCESS_STATE,			/* locked, destroyed */
	FC_ACCESS_UNAVAILABLE,		/* outage or withdrawn */
	FC_ACCESS_NOT_PRELOADED
} FcAccess;

/*
 * Key to open a value (privilege decrypt).  fc_broker_open_key throws
 * what design section 11 says; the try form throws only on query cancel.
 */
extern void fc_broker_open_key(const FcValue *value, FcSecret *key);
extern FcAccess fc_broker_try_open_key(const FcValue *value, FcSecret *key);

/*
 * Key to write under: the active version of the key with this 28-bit prefix
 * (privilege encrypt).  *context says which it is.  name_hint is for the
 * error when no key has the prefix; may be NULL.
 */
extern void fc_broker_seal_key(uint32 prefix, FcKeyContext *context, FcSecret *key);

/*
 * For walks that move values to another version of their own key and show
 * nothing of them: a version of a key, or with version 0 the active one.
 * Throws as fc_broker_open_key does, but asks for no privilege; *context may
 * be NULL.
 */
extern void fc_broker_rewrap_key(const FcKeyId *key_id, uint16 version,
								 FcKeyContext *context, FcSecret *key);

/*
 * Index key of the same key; need_decrypt for blind_index(text, ...), else
 * encrypt.  *version: the index-key version, or 0 for the active one, and then
 * set to it.
 */
extern void fc_broker_index_key(uint32 prefix, FcPrivilege privilege,
								uint16 *version, FcSecret *key);

/* Does the current user hold decrypt on the value's key?  Never throws. */
extern bool fc_broker_may_decrypt(const FcValue *value);

/* Forget remembered references; statement end and transaction end. */
extern void fc_broker_forget(void);

extern void fc_broker_init(void);

#endif							/* FC_BROKER_H */
