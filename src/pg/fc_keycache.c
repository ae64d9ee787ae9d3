/*-------------------------------------------------------------------------
 *
 * fc_keycache.c
 *		The shared key cache: directory, look-up, copying, waiting, purging.
 *		What workers do with it is in fc_keycache_jobs.c.
 *
 * The directory is a hash table with chains through the slots, so that a
 * look-up under the shared lock touches one or two slots.  Identities end in
 * part of a SHA-256, so its first bytes serve as the hash.
 *
 * A waiter pins its slot by nwaiters, which is taken back by an error cleanup
 * that runs on FATAL exits too; so a slot is never reused under a waiter, and
 * a purge turns a slot that somebody waits for back into a wanted one instead
 * of freeing it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "port/pg_crc32c.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "pg/fc_guc.h"
#include "pg/fc_keycache_impl.h"
#include "pg/fc_maintain.h"
#include "pg/fc_providers.h"
#include "pg/fc_secretmem.h"
#include "pg/fc_shmem.h"

/* Identity without its trailing padding. */
#define FC_IDENTITY_BYTES (offsetof(FcKeyIdentity, blob_hash) + FC_BLOB_HASH_BYTES)

StaticAssertDecl(FC_IDENTITY_BYTES == sizeof(Oid) + sizeof(FcKeyContext) + FC_BLOB_HASH_BYTES,
				 "an identity has no padding inside");
StaticAssertDecl(sizeof(FcKeyContext) == FC_CONTEXT_BYTES,
				 "a key context has no padding");

/* Waiters look at the world at least this often, should a wake-up get lost. */
#define FC_WAIT_SLICE_MS 1000

/* What a look at a slot came to. */
typedef enum FcLook
{
	FC_LOOK_READY,				/* *ref is set */
	FC_LOOK_FAILED,				/* *failure is set */
	FC_LOOK_WAIT,				/* an attempt is under way or due */
	FC_LOOK_FULL				/* no slot to be had */
} FcLook;

FcKeyCache *fc_cache = NULL;
FcSlot	   *fc_slots = NULL;
static int32 *fc_buckets = NULL;

static int	fc_bucket_count(void);
static int32 *fc_bucket(const FcKeyIdentity *id);
static bool fc_same_identity(const FcKeyIdentity *a, const FcKeyIdentity *b);
static int	fc_slot_evict(void);
static bool fc_slot_may_try(FcSlot *slot, int64 boot);
static void fc_slot_refit(FcSlot *slot, const FcKeySource *source, int64 boot);
static void fc_slot_failure(const FcSlot *slot, FcKeyFailure *failure);
static void fc_distrust(const FcKeyRef *ref, const FcKeyIdentity *id);
static FcLook fc_enter(const FcKeySource *source, int *slot, uint64 *done,
					   FcKeyRef *ref, FcKeyFailure *failure);
static FcLook fc_look(int slot, uint64 done, FcKeyRef *ref, FcKeyFailure *failure);
static bool fc_wait_pinned(const FcKeySource *source, int slot, uint64 done,
						   int timeout_ms, FcKeyRef *ref, FcKeyFailure *failure);
static bool fc_wait(const FcKeySource *source, int i, uint64 done, int timeout_ms,
					FcKeyRef *ref, FcKeyFailure *failure);
static void fc_timed_out(const FcKeySource *source, int i, int timeout_ms,
						 FcKeyFailure *failure);
static void fc_leave(int code, Datum arg);
static int	fc_purge_where(Oid database, const FcKeyId *key_id);

/*
 * Set-up
 */

static int
fc_bucket_count(void)
{
	int			n = 1;

	while (n < fc_guc_cache_slots)
		n *= 2;
	return n;
}

Size
fc_keycache_shmem_size(void)
{
	Size		size = CACHELINEALIGN(sizeof(FcKeyCache));

	size = add_size(size, CACHELINEALIGN(mul_size(fc_bucket_count(), sizeof(int32))));
	return add_size(size, mul_size(fc_guc_cache_slots, sizeof(FcSlot)));
}

void
fc_keycache_shmem_init(bool found)
{
	bool		ours;
	int			i;

	fc_cache = ShmemInitStruct("fieldcrypt key cache", fc_keycache_shmem_size(), &ours);
	fc_buckets = (int32 *) ((char *) fc_cache + CACHELINEALIGN(sizeof(FcKeyCache)));
	fc_slots = (FcSlot *) ((char *) fc_buckets +
						   CACHELINEALIGN(fc_bucket_count() * sizeof(int32)));
	if (ours)
		return;

	fc_cache->nslots = fc_guc_cache_slots;
	fc_cache->nbuckets = fc_bucket_count();
	fc_cache->last_ticket = 0;
	for (i = 0; i < fc_cache->nbuckets; i++)
		fc_buckets[i] = -1;

	memset(fc_slots, 0, sizeof(FcSlot) * fc_cache->nslots);
	for (i = 0; i < fc_cache->nslots; i++)
	{
		FcSlot	   *slot = &fc_slots[i];

		pg_atomic_init_u64(&slot->seq, 0);
		pg_atomic_init_u32(&slot->crc, 0);
		pg_atomic_init_u64(&slot->used_boot, 0);
		pg_atomic_init_u64(&slot->used_at, 0);
		pg_atomic_init_u64(&slot->sealed, 0);
		ConditionVariableInit(&slot->cv);
		slot->next = i + 1 < fc_cache->nslots ? i + 1 : -1;
	}
	fc_cache->free_head = 0;
}

/*
 * Identity and checksum
 */

static bool
fc_same_identity(const FcKeyIdentity *a, const FcKeyIdentity *b)
{
	return memcmp(a, b, FC_IDENTITY_BYTES) == 0;
}

uint32
fc_slot_checksum(const FcKeyIdentity *id, const FcSecret *key)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, id, FC_IDENTITY_BYTES);
	COMP_CRC32C(crc, key->bytes, FC_SECRET_BYTES);
	FIN_CRC32C(crc);
	return crc;
}

/* FNV-1a; a collision costs a string comparison. */
uint32
fc_provider_hash(const char *provider)
{
	uint32		h = 2166136261u;

	while (*provider)
		h = (h ^ (uint8) *provider++) * 16777619u;
	return h;
}

static int32 *
fc_bucket(const FcKeyIdentity *id)
{
	uint32		h;

	memcpy(&h, id->blob_hash, sizeof(h));
	h ^= (uint32) id->database * 2654435761u;
	return &fc_buckets[h & (fc_cache->nbuckets - 1)];
}

int
fc_lookup(const FcKeyIdentity *id)
{
	int32		i;

	for (i = *fc_bucket(id); i >= 0; i = fc_slots[i].next)
		if (fc_same_identity(&fc_slots[i].source.id, id))
			return i;
	return -1;
}

/*
 * Slots; the lock is held exclusively, except where said otherwise
 */

/* Past cache_max_age?  Any lock mode. */
bool
fc_slot_expired(const FcSlot *slot, int64 boot, TimestampTz now)
{
	int64		age;

	if (fc_guc_cache_max_age == 0)
		return false;
	age = Max(boot - slot->refreshed_boot, (now - slot->refreshed_at) / 1000);
	return age >= (int64) fc_guc_cache_max_age * 1000;
}

bool
fc_slot_serves(const FcSlot *slot, int64 boot, TimestampTz now)
{
	return slot->state == FC_SLOT_VALID && !fc_slot_expired(slot, boot, now);
}

/* Not written twice in a millisecond: every statement of every backend is here. */
void
fc_slot_used(FcSlot *slot, int64 boot, TimestampTz now)
{
	if (pg_atomic_read_u64(&slot->used_boot) == (uint64) boot)
		return;
	pg_atomic_write_u64(&slot->used_boot, (uint64) boot);
	pg_atomic_write_u64(&slot->used_at, (uint64) now);
}

/*
 * Change the key bytes of a slot (NULL: wipe them).  seq is odd meanwhile, and
 * different afterwards, so every FcKeyRef taken before is void.
 */
void
fc_slot_write_key(int i, const FcSecret *key)
{
	FcSlot	   *slot = &fc_slots[i];
	uint64		seq = pg_atomic_read_u64(&slot->seq);

	Assert((seq & 1) == 0);
	pg_atomic_write_u64(&slot->seq, seq + 1);
	pg_write_barrier();
	if (key != NULL)
	{
		memcpy(fc_secretmem_slot(i), key, sizeof(FcSecret));
		pg_atomic_write_u32(&slot->crc, fc_slot_checksum(&slot->source.id, key));
	}
	else
	{
		fc_secret_wipe(fc_secretmem_slot(i));
		pg_atomic_write_u32(&slot->crc, 0);
	}
	pg_write_barrier();
	pg_atomic_write_u64(&slot->seq, seq + 2);
}

/* Take a slot out of the directory; nobody may wait for it. */
void
fc_slot_free(int i)
{
	FcSlot	   *slot = &fc_slots[i];
	int32	   *link = fc_bucket(&slot->source.id);

	Assert(slot->state != FC_SLOT_FREE && slot->nwaiters == 0);
	fc_slot_write_key(i, NULL);
	while (*link != i)
		link = &fc_slots[*link].next;
	*link = slot->next;

	slot->state = FC_SLOT_FREE;
	slot->running = false;
	slot->ticket = 0;
	slot->next = fc_cache->free_head;
	fc_cache->free_head = i;
}

/*
 * Make room: the least recently used slot that nobody waits for and that has
 * no attempt under way.  -1 if there is none.
 */
static int
fc_slot_evict(void)
{
	int			victim = -1;
	uint64		oldest = PG_UINT64_MAX;
	int			i;

	for (i = 0; i < fc_cache->nslots; i++)
	{
		FcSlot	   *slot = &fc_slots[i];
		uint64		used;

		if (slot->state == FC_SLOT_FREE || slot->nwaiters > 0 || slot->running)
			continue;
		used = pg_atomic_read_u64(&slot->used_boot);
		if (used < oldest)
		{
			oldest = used;
			victim = i;
		}
	}
	if (victim >= 0)
		fc_slot_free(victim);
	return victim;
}

/* Enter a key into the directory as wanted.  -1 if every slot is in use. */
int
fc_slot_assign(const FcKeySource *source, int64 boot, TimestampTz now)
{
	int			i;
	FcSlot	   *slot;
	int32	   *bucket;

	if (fc_cache->free_head < 0 && fc_slot_evict() < 0)
		return -1;

	i = fc_cache->free_head;
	slot = &fc_slots[i];
	fc_cache->free_head = slot->next;

	slot->source = *source;
	slot->provider_hash = fc_provider_hash(source->provider);
	slot->state = FC_SLOT_WANTED;
	slot->running = false;
	slot->ticket = 0;
	slot->due = 0;
	slot->last_attempt = 0;
	slot->not_before = 0;
	slot->refreshed_boot = 0;
	slot->denied_boot = 0;
	slot->done = 0;
	slot->failures = 0;
	slot->nwaiters = 0;
	slot->fetched_at = 0;
	slot->refreshed_at = 0;
	slot->failing_since = 0;
	slot->next_retry = 0;
	slot->unwraps = 0;
	pg_atomic_write_u64(&slot->sealed, 0);
	slot->last_status = FC_OK;
	slot->message[0] = '\0';
	fc_slot_used(slot, boot, now);

	bucket = fc_bucket(&source->id);
	slot->next = *bucket;
	*bucket = i;
	return i;
}

/*
 * The catalog may have learnt another way to the same blob (provider or
 * database renamed, KMS key moved): take it over, and try it at once.
 */
static void
fc_slot_refit(FcSlot *slot, const FcKeySource *source, int64 boot)
{
	if (strcmp(slot->source.provider, source->provider) == 0 &&
		strcmp(slot->source.kms_key, source->kms_key) == 0 &&
		strcmp(slot->source.dbname, source->dbname) == 0 &&
		memcmp(slot->source.kcv, source->kcv, FC_KCV_BYTES) == 0)
		return;

	slot->source = *source;
	slot->provider_hash = fc_provider_hash(source->provider);
	slot->running = false;
	slot->ticket = 0;
	slot->due = boot;
}

/*
 * May somebody who needs the key now wait for an attempt?  After an outage a
 * newcomer has the KMS tried again early, so that statements work again soon
 * after it is back, unless the KMS has said when to come; those who come
 * together share that attempt.
 */
static bool
fc_slot_may_try(FcSlot *slot, int64 boot)
{
	int64		pause;

	if (slot->running || slot->due <= boot)
		return true;
	if (fc_status_denies(slot->last_status) || boot < slot->not_before)
		return false;

	pause = fc_status_bad_answer(slot->last_status) ? FC_SLOW_RETRY_MS : FC_ASKED_RETRY_MS;
	if (boot - slot->last_attempt < pause)
		return false;
	slot->due = boot;
	return true;
}

/* Any lock mode. */
static void
fc_slot_failure(const FcSlot *slot, FcKeyFailure *failure)
{
	failure->state = slot->state;
	failure->status = slot->last_status;
	failure->since = slot->failing_since;
	failure->next_retry = slot->next_retry;
	strlcpy(failure->message, slot->message, sizeof(failure->message));
}

/*
 * Look-up and copy
 */

bool
fc_keycache_find(const FcKeyIdentity *id, FcKeyRef *ref)
{
	int64		boot = fc_boot_ms();
	TimestampTz now = GetCurrentTimestamp();
	bool		found = false;
	int			i;

	ref->slot = -1;
	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_SHARED);
	i = fc_lookup(id);
	if (i >= 0 && fc_slot_serves(&fc_slots[i], boot, now))
	{
		ref->slot = i;
		ref->seq = pg_atomic_read_u64(&fc_slots[i].seq);
		fc_slot_used(&fc_slots[i], boot, now);
		found = true;
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
	return found;
}

bool
fc_keycache_copy(const FcKeyRef *ref, const FcKeyIdentity *id, FcSecret *key)
{
	FcSlot	   *slot;
	volatile const uint64 *words;
	uint32		crc;
	int			w;

	if (ref->slot < 0 || ref->slot >= fc_cache->nslots)
		return false;
	slot = &fc_slots[ref->slot];
	words = (volatile const uint64 *) fc_secretmem_slot(ref->slot);

	if (pg_atomic_read_u64(&slot->seq) != ref->seq)
		return false;
	pg_read_barrier();
	for (w = 0; w < FC_SECRET_BYTES / 8; w++)
	{
		uint64		word = words[w];

		memcpy(key->bytes + 8 * w, &word, 8);
	}
	crc = pg_atomic_read_u32(&slot->crc);
	pg_read_barrier();
	if (likely(pg_atomic_read_u64(&slot->seq) == ref->seq))
	{
		if (likely(fc_slot_checksum(id, key) == crc))
			return true;
		fc_distrust(ref, id);
	}
	fc_secret_wipe(key);
	return false;
}

/*
 * The bytes did not change and yet do not match their checksum: a wrong
 * reference, which is the caller's business, or damaged memory, and then the
 * key must be fetched anew before it encrypts anything.
 */
static void
fc_distrust(const FcKeyRef *ref, const FcKeyIdentity *id)
{
	FcSlot	   *slot = &fc_slots[ref->slot];
	bool		damaged = false;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
	if (slot->state == FC_SLOT_VALID &&
		pg_atomic_read_u64(&slot->seq) == ref->seq &&
		fc_same_identity(&slot->source.id, id))
	{
		fc_slot_write_key(ref->slot, NULL);
		slot->state = FC_SLOT_WANTED;
		slot->due = 0;
		damaged = true;
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));

	if (damaged)
		ereport(LOG,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a key in the key cache failed its checksum and was wiped"),
				 errdetail("It will be fetched again. If this repeats, check the machine's memory.")));
}

/*
 * Waiting
 */

bool
fc_keycache_get(const FcKeySource *source, int timeout_ms,
				FcKeyRef *ref, FcKeyFailure *failure)
{
	int			slot;
	uint64		done;
	FcLook		look;

	if (fc_keycache_find(&source->id, ref))
		return true;

	memset(failure, 0, sizeof(*failure));
	if (!fc_providers_require(source->provider, timeout_ms, failure->message))
	{
		failure->state = FC_SLOT_FAILED;
		failure->status = FC_ERR_KMS_CONFIG;
		return false;
	}

	look = fc_enter(source, &slot, &done, ref, failure);
	if (look == FC_LOOK_FULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("every slot of the key cache is in use"),
				 errhint("Increase fieldcrypt.cache_slots (now %d) and restart the server.",
						 fc_guc_cache_slots)));
	if (look != FC_LOOK_WAIT)
		return look == FC_LOOK_READY;

	return fc_wait_pinned(source, slot, done, timeout_ms, ref, failure);
}

/* Wait, and unpin the slot whatever happens: on FATAL too, which no PG_TRY sees. */
static pg_noinline bool
fc_wait_pinned(const FcKeySource *source, int slot, uint64 done, int timeout_ms,
			   FcKeyRef *ref, FcKeyFailure *failure)
{
	volatile bool found = false;

	PG_ENSURE_ERROR_CLEANUP(fc_leave, Int32GetDatum(slot));
	{
		fc_providers_wake(source->provider);
		found = fc_wait(source, slot, done, timeout_ms, ref, failure);
	}
	PG_END_ENSURE_ERROR_CLEANUP(fc_leave, Int32GetDatum(slot));
	fc_leave(0, Int32GetDatum(slot));
	return found;
}

/*
 * Find or make the slot and see what to do about it; FC_LOOK_WAIT leaves it
 * pinned.
 */
static FcLook
fc_enter(const FcKeySource *source, int *slot, uint64 *done,
		 FcKeyRef *ref, FcKeyFailure *failure)
{
	int64		boot = fc_boot_ms();
	TimestampTz now = GetCurrentTimestamp();
	FcLook		look;
	int			i;

	ref->slot = -1;
	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
	i = fc_lookup(&source->id);
	if (i < 0)
		i = fc_slot_assign(source, boot, now);
	if (i < 0)
		look = FC_LOOK_FULL;
	else
	{
		FcSlot	   *s = &fc_slots[i];

		fc_slot_used(s, boot, now);
		if (fc_slot_serves(s, boot, now))
		{
			ref->slot = i;
			ref->seq = pg_atomic_read_u64(&s->seq);
			look = FC_LOOK_READY;
		}
		else
		{
			fc_slot_refit(s, source, boot);
			if (s->state == FC_SLOT_VALID)
				s->due = Min(s->due, boot); /* too old: only a fresh one will do */
			if (s->state == FC_SLOT_WANTED || fc_slot_may_try(s, boot))
			{
				s->nwaiters++;
				*done = s->done;
				look = FC_LOOK_WAIT;
			}
			else
			{
				fc_slot_failure(s, failure);
				look = FC_LOOK_FAILED;
			}
		}
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
	*slot = i;
	return look;
}

/*
 * Has the slot we wait for been settled?  `done` is as it was when we came.  A
 * key that came and was purged before we looked is a key to wait for again.
 */
static FcLook
fc_look(int i, uint64 done, FcKeyRef *ref, FcKeyFailure *failure)
{
	FcSlot	   *slot = &fc_slots[i];
	FcLook		look = FC_LOOK_WAIT;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_SHARED);
	if (fc_slot_serves(slot, fc_boot_ms(), GetCurrentTimestamp()))
	{
		ref->slot = i;
		ref->seq = pg_atomic_read_u64(&slot->seq);
		look = FC_LOOK_READY;
	}
	else if (slot->done != done && slot->last_status != FC_OK &&
			 (slot->state == FC_SLOT_FAILED || slot->state == FC_SLOT_WITHDRAWN))
	{
		fc_slot_failure(slot, failure);
		look = FC_LOOK_FAILED;
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
	return look;
}

static bool
fc_wait(const FcKeySource *source, int i, uint64 done, int timeout_ms,
		FcKeyRef *ref, FcKeyFailure *failure)
{
	int64		deadline = fc_boot_ms() + timeout_ms;

	for (;;)
	{
		FcLook		look = fc_look(i, done, ref, failure);
		int64		left = deadline - fc_boot_ms();

		if (look != FC_LOOK_WAIT)
			return look == FC_LOOK_READY;
		if (left <= 0)
		{
			fc_timed_out(source, i, timeout_ms, failure);
			return false;
		}
		CHECK_FOR_INTERRUPTS();
		fc_maintain_yield();
		if (ConditionVariableTimedSleep(&fc_slots[i].cv,
										(long) Min(left, FC_WAIT_SLICE_MS),
										PG_WAIT_EXTENSION))
			fc_providers_wake(source->provider);
	}
}

/* The worker did not settle the slot in time: say what is known. */
static void
fc_timed_out(const FcKeySource *source, int i, int timeout_ms, FcKeyFailure *failure)
{
	FcProviderInfo info;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_SHARED);
	fc_slot_failure(&fc_slots[i], failure);
	LWLockRelease(fc_lock(FC_LOCK_CACHE));

	failure->status = FC_ERR_KMS_RETRY;
	if (fc_providers_find(source->provider, &info) && info.pid == 0)
		snprintf(failure->message, sizeof(failure->message),
				 "the worker of provider \"%s\" is not running%s%s", source->provider,
				 info.message[0] ? ": " : "", info.message);
	else
		snprintf(failure->message, sizeof(failure->message),
				 "provider \"%s\" did not answer within %d ms", source->provider, timeout_ms);
}

/* Unpin; after an error, on the way out of the process, and in good order. */
static void
fc_leave(int code, Datum arg)
{
	ConditionVariableCancelSleep();
	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
	fc_slots[DatumGetInt32(arg)].nwaiters--;
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
}

/*
 * Purging
 */

int
fc_keycache_purge(Oid database, const FcKeyId *key_id)
{
	return fc_purge_where(database, key_id);
}

void
fc_keycache_purge_database(Oid database)
{
	(void) fc_purge_where(database, NULL);
}

/*
 * Wipe the slots of a database and key (NULL: all of its keys).  An attempt
 * under way loses its ticket, so that its answer, authorised before the purge,
 * is dropped; somebody who waits gets a new one.
 */
static int
fc_purge_where(Oid database, const FcKeyId *key_id)
{
	int			held = 0;
	int			i;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
	for (i = 0; i < fc_cache->nslots; i++)
	{
		FcSlot	   *slot = &fc_slots[i];

		if (slot->state == FC_SLOT_FREE ||
			slot->source.id.database != database ||
			(key_id != NULL &&
			 memcmp(&slot->source.id.context.key_id, key_id, sizeof(FcKeyId)) != 0))
			continue;

		if (slot->state == FC_SLOT_VALID)
			held++;
		if (slot->nwaiters == 0)
			fc_slot_free(i);
		else
		{
			fc_slot_write_key(i, NULL);
			slot->state = FC_SLOT_WANTED;
			slot->running = false;
			slot->ticket = 0;
			slot->due = 0;
			slot->failures = 0;
			slot->failing_since = 0;
			slot->next_retry = 0;
			slot->denied_boot = 0;
			slot->last_status = FC_OK;
			slot->message[0] = '\0';
		}
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
	return held;
}

/*
 * The view
 */

bool
fc_keycache_info(int i, FcSlotInfo *info)
{
	FcSlot	   *slot = &fc_slots[i];
	bool		used;

	if (i < 0 || i >= fc_cache->nslots)
		return false;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_SHARED);
	used = slot->state != FC_SLOT_FREE;
	if (used)
	{
		memset(info, 0, sizeof(*info));
		info->id = slot->source.id;
		info->state = slot->state;
		strlcpy(info->provider, slot->source.provider, sizeof(info->provider));
		info->fetched_at = slot->fetched_at;
		info->refreshed_at = slot->refreshed_at;
		if (slot->state == FC_SLOT_VALID && fc_guc_cache_max_age > 0)
			info->expires_at = slot->refreshed_at +
				(int64) fc_guc_cache_max_age * USECS_PER_SEC;
		info->last_used_at = (TimestampTz) pg_atomic_read_u64(&slot->used_at);
		info->failing_since = slot->failing_since;
		info->next_retry = slot->next_retry;
		info->unwraps = slot->unwraps;
		info->sealed = pg_atomic_read_u64(&slot->sealed);
		info->last_status = slot->last_status;
		strlcpy(info->message, slot->message, sizeof(info->message));
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
	return used;
}
