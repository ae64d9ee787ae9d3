/*-------------------------------------------------------------------------
 *
 * fc_keycache.h
 *		The shared cache of master and index keys.
 *
 * A slot has control state in main shared memory and 32 secret bytes in the
 * secret region.  Its identity is (database, key_id, purpose, version, suite,
 * first 16 bytes of SHA-256(wrapped blob)).  Slots also hold the wrapped blob
 * and the provider's name, so that the provider's worker refreshes without a
 * database connection.
 *
 * Locking.  FcKeyCache->lock (LWLock) guards the directory: identity, state,
 * times, error text.  It is held for memory operations only: never across a
 * KMS call, a wait, an ereport or a catalog read.  Key bytes are guarded by
 * the slot's seqlock: `seq` is odd while they change, and every change of
 * identity, key bytes or servability bumps it.  Writers hold lock
 * exclusively.  Readers take no lock: they remember (slot, seq) from a
 * directory look-up (FcKeyRef) and copy; the copy counts only if seq was the
 * remembered even number before and after, and the CRC-32C of key and
 * identity matches.  A refresh that brings the same key changes times only
 * and leaves seq alone.
 *
 * Process-local pointers never enter shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_KEYCACHE_H
#define FC_KEYCACHE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/condition_variable.h"

#include "base/fc_secret.h"
#include "base/fc_status.h"
#include "crypto/fc_keys.h"
#include "base/fc_limits.h"

#define FC_BLOB_HASH_BYTES 16

typedef struct FcKeyIdentity
{
	Oid			database;
	FcKeyContext context;		/* purpose, suite, key_id, version */
	uint8		blob_hash[FC_BLOB_HASH_BYTES];
} FcKeyIdentity;

/* Everything a worker needs to unwrap: what a backend hands over on a miss. */
typedef struct FcKeySource
{
	FcKeyIdentity id;
	char		dbname[NAMEDATALEN];	/* for the option `databases`; the worker
										 * has no catalog to ask */
	char		provider[FC_KMS_NAME_MAX];
	char		kms_key[FC_KMS_KEY_MAX];
	uint8		kcv[FC_KCV_BYTES];
	int			blob_len;
	uint8		blob[FC_KMS_BLOB_MAX];
} FcKeySource;

typedef enum FcSlotState
{
	FC_SLOT_FREE,
	FC_SLOT_WANTED,				/* asked for, not yet unwrapped */
	FC_SLOT_VALID,				/* key bytes present and servable */
	FC_SLOT_FAILED,				/* last attempt failed, no key bytes */
	FC_SLOT_WITHDRAWN			/* denied by the KMS, confirmed; wiped */
} FcSlotState;

/* A remembered directory look-up; backend-local. */
typedef struct FcKeyRef
{
	int			slot;			/* -1 = none */
	uint64		seq;
} FcKeyRef;

/* Why a key could not be had; copied out under the lock. */
typedef struct FcKeyFailure
{
	FcSlotState state;
	FcStatus	status;
	TimestampTz since;			/* first failure of this outage, 0 if none yet */
	TimestampTz next_retry;
	char		message[FC_KMS_MESSAGE_MAX];
} FcKeyFailure;

extern Size fc_keycache_shmem_size(void);
extern void fc_keycache_shmem_init(bool found);

/*
 * fc_keycache_find
 *		Directory look-up.  True and *ref if the slot is VALID and not past
 *		its age limit (monotonic-including-suspend and wall clock, the larger
 *		age wins).  Also stamps the slot as used (LRU).
 */
extern bool fc_keycache_find(const FcKeyIdentity *id, FcKeyRef *ref);

/*
 * fc_keycache_copy
 *		The hot path: copy the key to the caller's stack.  False if the slot
 *		changed since ref was taken (look it up again).  No lock, no system
 *		call.  The caller wipes *key.
 */
extern bool fc_keycache_copy(const FcKeyRef *ref, const FcKeyIdentity *id, FcSecret *key);

/*
 * fc_keycache_count
 *		Values were encrypted with the key of ref: a backend adds up and says
 *		so once a statement.  Not counted where the slot has changed since.
 */
extern void fc_keycache_count(const FcKeyRef *ref, uint64 values);

/*
 * fc_keycache_get
 *		Find, or ask the provider's worker and wait, interruptibly, at most
 *		timeout_ms.  True with *ref; false with *failure.  Many waiters of
 *		one key make one KMS call.  Must not be called with an LWLock or a
 *		buffer held.  ERRORs only on cancel or when every slot is locked.
 */
extern bool fc_keycache_get(const FcKeySource *source, int timeout_ms,
							FcKeyRef *ref, FcKeyFailure *failure);

/* Is the key there and servable?  Does not count as a use. */
extern bool fc_keycache_holds(const FcKeyIdentity *id);

/*
 * fc_keycache_want
 *		Have the key fetched, without waiting: for warming up.  Takes a free
 *		slot or none, since a key in use is worth more than one that may be.
 */
typedef enum FcWant
{
	FC_WANT_HELD,				/* it is there already */
	FC_WANT_ASKED,
	FC_WANT_NO_ROOM
} FcWant;
extern FcWant fc_keycache_want(const FcKeySource *source);

/*
 * fc_keycache_supersede
 *		The key tables name this blob now: free the slots of earlier ones of
 *		the same version, or they would go on being refreshed, and complained
 *		of once the KMS does not open the old blob any more.
 */
extern void fc_keycache_supersede(const FcKeyIdentity *id);

/* Wipe the slots of a key in a database now; returns how many held a key. */
extern int	fc_keycache_purge(Oid database, const FcKeyId *key_id);
extern void fc_keycache_purge_database(Oid database);

/*
 * For workers.  fc_keycache_next_job hands out a slot of this provider that
 * wants an unwrap now (WANTED, or due for refresh or retry) and marks it
 * running, so that no other call starts for it; *denial_pending says that the
 * previous answer was a denial to be confirmed by a fresh login.  Returns
 * false with *wait_ms until the next one is due.
 */
typedef struct FcKeyJob
{
	int			slot;
	uint64		ticket;			/* a slot reused meanwhile ignores the answer */
	bool		denial_pending;
	FcKeySource source;
} FcKeyJob;
extern bool fc_keycache_next_job(const char *provider, FcKeyJob *job, long *wait_ms);

/*
 * Results of a job.  key (the derived K, not the root secret) is copied into
 * the secret region.  A success publishes or refreshes; a failure applies the
 * rules of design section 6: outage = keep serving until cache_max_age, back
 * off with full jitter; denial = confirm at least 30 s later, then wipe and
 * WITHDRAWN; bad answer = never overwrites a good slot.  Returns true if the
 * slot's visible state changed (worth one log line).
 */
extern void fc_keycache_publish(const FcKeyJob *job, const FcSecret *key);
extern bool fc_keycache_fail(const FcKeyJob *job, FcStatus status, const char *message,
							 int retry_after_ms);

/*
 * Wipe slots past cache_max_age and forget failed ones that nobody asked for
 * in ten minutes.  A worker calls it every turn; the launcher with NULL, for
 * the slots of providers that have no worker any more.
 */
extern void fc_keycache_expire(const char *provider);

/*
 * fc_keycache_abandon
 *		A worker of this provider is gone: what it was running may be run
 *		again, and its answers no longer count.  At worker start and exit.
 */
extern void fc_keycache_abandon(const char *provider);

/*
 * fc_keycache_hurry
 *		The provider's configuration was (re)loaded: try failed and withdrawn
 *		slots now, and re-authorise the valid ones within ten seconds.
 */
extern void fc_keycache_hurry(const char *provider);

/*
 * fc_keycache_other_database
 *		A database, other than this one, with a key here that the KMS key
 *		wraps; it may have been dropped.  Looks from slot *next on, which it
 *		moves; InvalidOid past the end.
 */
extern Oid	fc_keycache_other_database(const char *provider, const char *kms_key,
									   Oid database, int *next);

/* One row of the view fieldcrypt.cache; no secrets. */
typedef struct FcSlotInfo
{
	FcKeyIdentity id;
	FcSlotState state;
	char		provider[FC_KMS_NAME_MAX];
	TimestampTz fetched_at;		/* 0 = never */
	TimestampTz refreshed_at;
	TimestampTz expires_at;		/* 0 = at restart */
	TimestampTz last_used_at;
	TimestampTz failing_since;
	TimestampTz next_retry;
	uint64		unwraps;		/* KMS calls for this slot */
	uint64		sealed;			/* values encrypted since it came into the cache */
	FcStatus	last_status;
	char		message[FC_KMS_MESSAGE_MAX];
} FcSlotInfo;

/* Copy slot i (0 .. cache_slots - 1); false if free. */
extern bool fc_keycache_info(int i, FcSlotInfo *info);

#endif							/* FC_KEYCACHE_H */
