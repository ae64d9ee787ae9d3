/*-------------------------------------------------------------------------
 *
 * fc_keycache_jobs.c
 *		The workers' side of the key cache: what is to be unwrapped now, and
 *		what an answer changes.
 *
 * The rules (design section 6), by the class of a failed attempt:
 *
 *	outage (RETRY, CONFIG, and failures of our own)
 *		a key in use is served until cache_max_age; the next attempt comes
 *		after a random time below 0.25 s * 2^n, at most 30 s (full jitter), or
 *		what the KMS asked for.
 *	denial (AUTH, KEY)
 *		a key in use is served until a second denial at least 30 s later, for
 *		which the worker logs in afresh; then it is wiped and the slot is
 *		WITHDRAWN.  Without a key the first denial counts.  Either way the KMS
 *		is asked again every 60 s, so that a restored grant heals by itself.
 *	bad answer (DATA, KCV)
 *		never touches a key in use.  Without a key it is tried again only when
 *		somebody asks, at most every 60 s: the same blob will hardly do better.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"

#include "pg/fc_guc.h"
#include "pg/fc_keycache_impl.h"
#include "pg/fc_secretmem.h"
#include "pg/fc_shmem.h"

#define FC_BACKOFF_BASE_MS	250
#define FC_BACKOFF_CAP_MS	30000
#define FC_BACKOFF_FLOOR_MS 20
#define FC_RETRY_AFTER_CAP_MS 60000

/* Refreshes come this much earlier or later, in parts of cache_refresh. */
#define FC_REFRESH_JITTER	0.2

/* After a reload, valid keys are re-authorised within this time. */
#define FC_HURRY_SPREAD_MS	10000

static int64 fc_slot_due(const FcSlot *slot);
static int	fc_next_due(const char *provider, uint32 hash, int64 boot, int64 *due);
static int64 fc_refresh_delay(void);
static int64 fc_outage_delay(int failures, int retry_after_ms);
static void fc_fail_outage(FcSlot *slot, int64 boot, int retry_after_ms);
static void fc_fail_denied(int i, int64 boot);
static void fc_fail_bad_answer(FcSlot *slot, int64 boot);
static void fc_expire_slot(int i, int64 boot, TimestampTz now);
static bool fc_slot_stale(const FcSlot *slot, int64 boot, TimestampTz now);

/* Is this slot the provider's?  NULL: any provider. */
static inline bool
fc_slot_of(const FcSlot *slot, const char *provider, uint32 hash)
{
	if (slot->state == FC_SLOT_FREE)
		return false;
	return provider == NULL ||
		(slot->provider_hash == hash && strcmp(slot->source.provider, provider) == 0);
}

/*
 * When the slot wants an attempt.  A shorter cache_refresh takes effect on
 * reload, not only after the interval that was drawn from the longer one.
 */
static int64
fc_slot_due(const FcSlot *slot)
{
	if (slot->state == FC_SLOT_FREE || slot->running)
		return FC_NEVER_DUE;
	if (slot->state == FC_SLOT_VALID && slot->failures == 0)
		return Min(slot->due, slot->refreshed_boot +
				   (int64) (fc_guc_cache_refresh * 1000.0 * (1 + FC_REFRESH_JITTER)));
	return slot->due;
}

/*
 * The provider's slot that is due first, -1 if none ever is.  Somebody who
 * waits comes before any refresh.  Any lock mode.
 */
static int
fc_next_due(const char *provider, uint32 hash, int64 boot, int64 *due)
{
	int			best = -1;
	bool		best_awaited = false;
	int			i;

	*due = FC_NEVER_DUE;
	for (i = 0; i < fc_cache->nslots; i++)
	{
		FcSlot	   *slot = &fc_slots[i];
		int64		d;
		bool		awaited;

		if (!fc_slot_of(slot, provider, hash))
			continue;
		d = fc_slot_due(slot);
		if (d == FC_NEVER_DUE)
			continue;
		awaited = d <= boot && slot->nwaiters > 0;
		if (best < 0 || (awaited && !best_awaited) ||
			(awaited == best_awaited && d < *due))
		{
			best = i;
			best_awaited = awaited;
			*due = d;
		}
	}
	return best;
}

/*
 * The search runs under the shared lock, so that readers are not held up by
 * the walk; the slot found is looked at again under the exclusive one.
 */
bool
fc_keycache_next_job(const char *provider, FcKeyJob *job, long *wait_ms)
{
	uint32		hash = fc_provider_hash(provider);

	for (;;)
	{
		int64		boot = fc_boot_ms();
		int64		due;
		int			i;
		FcSlot	   *slot;
		bool		taken = false;

		LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_SHARED);
		i = fc_next_due(provider, hash, boot, &due);
		LWLockRelease(fc_lock(FC_LOCK_CACHE));
		if (i < 0 || due > boot)
		{
			*wait_ms = i < 0 ? -1 : (long) Min(due - boot, PG_INT32_MAX);
			return false;
		}

		slot = &fc_slots[i];
		LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
		if (fc_slot_of(slot, provider, hash) && fc_slot_due(slot) <= boot)
		{
			slot->running = true;
			slot->ticket = ++fc_cache->last_ticket;
			slot->last_attempt = boot;
			slot->unwraps++;
			job->slot = i;
			job->ticket = slot->ticket;
			job->denial_pending = slot->denied_boot != 0;
			job->source = slot->source;
			taken = true;
		}
		LWLockRelease(fc_lock(FC_LOCK_CACHE));
		if (taken)
			return true;
	}
}

static int64
fc_refresh_delay(void)
{
	double		spread = 1 + FC_REFRESH_JITTER * (2 * pg_prng_double(&pg_global_prng_state) - 1);

	return (int64) (fc_guc_cache_refresh * 1000.0 * spread);
}

static int64
fc_outage_delay(int failures, int retry_after_ms)
{
	int			shift = Min(Max(failures - 1, 0), 10);
	int64		limit = Min((int64) FC_BACKOFF_BASE_MS << shift, FC_BACKOFF_CAP_MS);
	int64		delay = (int64) (limit * pg_prng_double(&pg_global_prng_state));

	delay = Max(delay, FC_BACKOFF_FLOOR_MS);
	return Max(delay, (int64) Min(retry_after_ms, FC_RETRY_AFTER_CAP_MS));
}

void
fc_keycache_publish(const FcKeyJob *job, const FcSecret *key)
{
	FcSlot	   *slot = &fc_slots[job->slot];
	int64		boot = fc_boot_ms();
	TimestampTz now = GetCurrentTimestamp();
	int64		delay = fc_refresh_delay();
	bool		ours;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
	ours = slot->running && slot->ticket == job->ticket;
	if (ours)
	{
		/* The same key again leaves seq, and so everybody's FcKeyRef, alone. */
		if (slot->state != FC_SLOT_VALID ||
			!fc_equal_ct(fc_secretmem_slot(job->slot), key, sizeof(FcSecret)) ||
			pg_atomic_read_u32(&slot->crc) != fc_slot_checksum(&slot->source.id, key))
		{
			fc_slot_write_key(job->slot, key);
			slot->fetched_at = now;
		}
		slot->state = FC_SLOT_VALID;
		slot->running = false;
		slot->ticket = 0;
		slot->refreshed_at = now;
		slot->refreshed_boot = boot;
		slot->due = boot + delay;
		slot->denied_boot = 0;
		slot->failures = 0;
		slot->failing_since = 0;
		slot->next_retry = 0;
		slot->last_status = FC_OK;
		slot->message[0] = '\0';
		slot->done++;
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
	if (ours)
		ConditionVariableBroadcast(&slot->cv);
}

bool
fc_keycache_fail(const FcKeyJob *job, FcStatus status, const char *message,
				 int retry_after_ms)
{
	FcSlot	   *slot = &fc_slots[job->slot];
	int64		boot = fc_boot_ms();
	TimestampTz now = GetCurrentTimestamp();
	bool		changed = false;
	bool		ours;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
	ours = slot->running && slot->ticket == job->ticket;
	if (ours)
	{
		FcSlotState old_state = slot->state;
		FcStatus	old_status = slot->last_status;

		slot->running = false;
		slot->ticket = 0;
		slot->failures++;
		slot->last_status = status;
		strlcpy(slot->message, message, sizeof(slot->message));
		if (slot->failing_since == 0)
			slot->failing_since = now;

		if (fc_status_denies(status))
			fc_fail_denied(job->slot, boot);
		else if (fc_status_bad_answer(status))
			fc_fail_bad_answer(slot, boot);
		else
			fc_fail_outage(slot, boot, retry_after_ms);

		fc_expire_slot(job->slot, boot, now);
		if (slot->state == FC_SLOT_WANTED)
			slot->state = FC_SLOT_FAILED;
		slot->next_retry = slot->due == FC_NEVER_DUE ? 0 : now + (slot->due - boot) * 1000;
		slot->done++;
		changed = slot->state != old_state || old_status != status;
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
	if (ours)
		ConditionVariableBroadcast(&slot->cv);
	return changed;
}

/* A withdrawn key is not un-withdrawn by an outage: its slow cadence stays. */
static void
fc_fail_outage(FcSlot *slot, int64 boot, int retry_after_ms)
{
	slot->not_before = boot + Min(retry_after_ms, FC_RETRY_AFTER_CAP_MS);
	if (slot->state == FC_SLOT_WITHDRAWN)
		slot->due = boot + FC_SLOW_RETRY_MS;
	else
		slot->due = boot + fc_outage_delay(slot->failures, retry_after_ms);
}

static void
fc_fail_denied(int i, int64 boot)
{
	FcSlot	   *slot = &fc_slots[i];

	slot->due = boot + FC_SLOW_RETRY_MS;
	if (slot->state != FC_SLOT_VALID)
		return;

	if (slot->denied_boot == 0)
		slot->denied_boot = boot;
	if (boot - slot->denied_boot < FC_DENIAL_CONFIRM_MS)
		slot->due = slot->denied_boot + FC_DENIAL_CONFIRM_MS;
	else
	{
		fc_slot_write_key(i, NULL);
		slot->state = FC_SLOT_WITHDRAWN;
	}
}

static void
fc_fail_bad_answer(FcSlot *slot, int64 boot)
{
	if (slot->state == FC_SLOT_VALID)
		slot->due = boot + FC_SLOW_RETRY_MS;
	else
		slot->due = FC_NEVER_DUE;
}

/* Wipe a key past its age; lock held exclusively. */
static void
fc_expire_slot(int i, int64 boot, TimestampTz now)
{
	FcSlot	   *slot = &fc_slots[i];

	if (slot->state != FC_SLOT_VALID || !fc_slot_expired(slot, boot, now))
		return;

	fc_slot_write_key(i, NULL);
	slot->state = FC_SLOT_FAILED;
	if (slot->last_status == FC_OK)
	{
		slot->last_status = FC_ERR_KMS_RETRY;
		strlcpy(slot->message, "the key was not refreshed within fieldcrypt.cache_max_age",
				sizeof(slot->message));
		slot->failing_since = now;
		slot->due = boot;
	}
}

/* Failed, and nobody asked for it in a long time.  Any lock mode. */
static bool
fc_slot_stale(const FcSlot *slot, int64 boot, TimestampTz now)
{
	if (slot->state == FC_SLOT_VALID)
		return fc_slot_expired(slot, boot, now);
	return slot->nwaiters == 0 && !slot->running &&
		boot - (int64) pg_atomic_read_u64((pg_atomic_uint64 *) &slot->used_boot) > FC_FORGET_MS;
}

void
fc_keycache_expire(const char *provider)
{
	uint32		hash = provider ? fc_provider_hash(provider) : 0;
	int64		boot = fc_boot_ms();
	TimestampTz now = GetCurrentTimestamp();
	bool		any = false;
	int			i;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_SHARED);
	for (i = 0; i < fc_cache->nslots && !any; i++)
		any = fc_slot_of(&fc_slots[i], provider, hash) &&
			fc_slot_stale(&fc_slots[i], boot, now);
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
	if (!any)
		return;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
	for (i = 0; i < fc_cache->nslots; i++)
	{
		FcSlot	   *slot = &fc_slots[i];

		if (!fc_slot_of(slot, provider, hash) || !fc_slot_stale(slot, boot, now))
			continue;
		if (slot->state == FC_SLOT_VALID)
			fc_expire_slot(i, boot, now);
		else
			fc_slot_free(i);
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
}

void
fc_keycache_abandon(const char *provider)
{
	uint32		hash = fc_provider_hash(provider);
	int			i;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
	for (i = 0; i < fc_cache->nslots; i++)
	{
		FcSlot	   *slot = &fc_slots[i];

		if (!slot->running || !fc_slot_of(slot, provider, hash))
			continue;
		slot->running = false;
		slot->ticket = 0;
		slot->due = 0;
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
}

void
fc_keycache_hurry(const char *provider)
{
	uint32		hash = fc_provider_hash(provider);
	int64		boot = fc_boot_ms();
	int			i;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
	for (i = 0; i < fc_cache->nslots; i++)
	{
		FcSlot	   *slot = &fc_slots[i];
		int64		due = boot;

		if (!fc_slot_of(slot, provider, hash))
			continue;

		/* A pending denial keeps its time: it is to be confirmed, not rushed. */
		if (slot->state == FC_SLOT_VALID)
		{
			if (slot->denied_boot != 0)
				continue;
			due += (int64) (FC_HURRY_SPREAD_MS * pg_prng_double(&pg_global_prng_state));
		}
		slot->due = Min(slot->due, due);
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
}
