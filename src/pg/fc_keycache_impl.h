/*-------------------------------------------------------------------------
 *
 * fc_keycache_impl.h
 *		What the files of the key cache share: fc_keycache.c (directory,
 *		backends), fc_keycache_jobs.c (workers) and fc_keycache_warm.c
 *		(warm-up).  Nobody else includes it.
 *
 * Times.  Decisions are made on CLOCK_BOOTTIME in milliseconds: it neither
 * jumps nor stops while the machine sleeps.  TimestampTz values are for people,
 * and for the age limit, where the larger of both ages wins.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_KEYCACHE_IMPL_H
#define FC_KEYCACHE_IMPL_H

#include <time.h>

#include "port/atomics.h"
#include "utils/timestamp.h"

#include "pg/fc_keycache.h"

/* A slot that is retried only when somebody asks. */
#define FC_NEVER_DUE PG_INT64_MAX

/* Outage: a waiter may have the KMS tried again this long after the last try. */
#define FC_ASKED_RETRY_MS 1000

/* Denials are tried again this often; bad answers at most this often. */
#define FC_SLOW_RETRY_MS 60000

/* A denial of a key in use is confirmed no earlier than this. */
#define FC_DENIAL_CONFIRM_MS 30000

/* Failed slots that nobody asks for are forgotten after this time. */
#define FC_FORGET_MS (10 * 60 * 1000)

/*
 * One slot.  seq and crc come first: together with the key in the secret
 * region they are all that the hot path touches.  Fields marked (a) are
 * written under the shared lock, hence atomic; all others under the exclusive
 * one.
 */
typedef struct FcSlot
{
	pg_atomic_uint64 seq;		/* odd while key bytes change */
	pg_atomic_uint32 crc;		/* of identity and key */

	FcSlotState state;
	int32		next;			/* in its bucket, or in the free list; -1 = end */
	uint32		provider_hash;	/* of source.provider: a scan's quick look */

	/* the attempt under way */
	bool		running;
	uint64		ticket;			/* of that attempt; 0 = none, answers ignored */

	/* schedule, CLOCK_BOOTTIME milliseconds */
	int64		due;			/* next attempt */
	int64		last_attempt;	/* start of the last one, 0 = none */
	int64		not_before;		/* what the KMS asked for, whoever waits */
	int64		refreshed_boot; /* last success */
	int64		denied_boot;	/* first denial of a key in use, 0 = none */

	uint64		done;			/* attempts that ended; waiters watch it */
	int			failures;		/* since the last success */
	int			nwaiters;		/* backends that wait; > 0 pins the slot */

	FcKeySource source;

	pg_atomic_uint64 used_boot; /* (a) last look-up, for LRU */
	pg_atomic_uint64 used_at;	/* (a) the same as TimestampTz */
	pg_atomic_uint64 sealed;	/* values encrypted with it; see fc_keycache_count */

	TimestampTz fetched_at;
	TimestampTz refreshed_at;
	TimestampTz failing_since;
	TimestampTz next_retry;
	uint64		unwraps;
	FcStatus	last_status;
	char		message[FC_KMS_MESSAGE_MAX];

	ConditionVariable cv;
} FcSlot;

typedef struct FcKeyCache
{
	int			nslots;
	int			nbuckets;		/* power of two */
	int32		free_head;		/* list of free slots */
	uint64		last_ticket;
	/* int32 buckets[nbuckets] follow, then FcSlot slots[nslots] */
} FcKeyCache;

extern FcKeyCache *fc_cache;
extern FcSlot *fc_slots;

extern uint32 fc_provider_hash(const char *provider);
extern bool fc_slot_expired(const FcSlot *slot, int64 boot, TimestampTz now);
extern bool fc_slot_serves(const FcSlot *slot, int64 boot, TimestampTz now);
extern int	fc_lookup(const FcKeyIdentity *id);
extern void fc_slot_used(FcSlot *slot, int64 boot, TimestampTz now);
extern int	fc_slot_assign(const FcKeySource *source, int64 boot, TimestampTz now);
extern uint32 fc_slot_checksum(const FcKeyIdentity *id, const FcSecret *key);
extern void fc_slot_write_key(int i, const FcSecret *key);
extern void fc_slot_free(int i);

static inline int64
fc_boot_ms(void)
{
	struct timespec ts;

#ifdef CLOCK_BOOTTIME
	clock_gettime(CLOCK_BOOTTIME, &ts);
#else
	clock_gettime(CLOCK_MONOTONIC, &ts);
#endif
	return (int64) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Does the KMS refuse, rather than fail to answer? */
static inline bool
fc_status_denies(FcStatus status)
{
	return status == FC_ERR_KMS_AUTH || status == FC_ERR_KMS_KEY;
}

/* A wrong answer, possibly tampering: says nothing about keys we hold. */
static inline bool
fc_status_bad_answer(FcStatus status)
{
	return status == FC_ERR_KMS_DATA || status == FC_ERR_KCV;
}

#endif							/* FC_KEYCACHE_IMPL_H */
