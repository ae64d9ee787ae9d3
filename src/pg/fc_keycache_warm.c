/*-------------------------------------------------------------------------
 *
 * fc_keycache_warm.c
 *		Filling the key cache before anybody needs the keys, freeing what
 *		nobody needs any more, and counting uses.
 *
 * Unlike fc_keycache_get nothing here waits: a slot that is asked for is in
 * the hands of its provider's worker, which tries until it has the key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pg/fc_keycache_impl.h"
#include "pg/fc_providers.h"
#include "pg/fc_shmem.h"

bool
fc_keycache_holds(const FcKeyIdentity *id)
{
	int64		boot = fc_boot_ms();
	TimestampTz now = GetCurrentTimestamp();
	bool		held;
	int			i;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_SHARED);
	i = fc_lookup(id);
	held = i >= 0 && fc_slot_serves(&fc_slots[i], boot, now);
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
	return held;
}

/*
 * A slot that failed keeps its schedule: asking for it again counts as a use,
 * so that it is not forgotten, but does not press a KMS that is down.
 */
FcWant
fc_keycache_want(const FcKeySource *source)
{
	int64		boot = fc_boot_ms();
	TimestampTz now = GetCurrentTimestamp();
	FcWant		want = FC_WANT_ASKED;
	int			i;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
	i = fc_lookup(&source->id);
	if (i >= 0)
	{
		fc_slot_used(&fc_slots[i], boot, now);
		if (fc_slot_serves(&fc_slots[i], boot, now))
			want = FC_WANT_HELD;
	}
	else if (fc_cache->free_head >= 0)
		(void) fc_slot_assign(source, boot, now);
	else
		want = FC_WANT_NO_ROOM;
	LWLockRelease(fc_lock(FC_LOCK_CACHE));

	if (want == FC_WANT_ASKED)
		fc_providers_wake(source->provider);
	return want;
}

/* Another blob of the same version?  Any lock mode. */
static bool
fc_slot_superseded(const FcSlot *slot, const FcKeyIdentity *id)
{
	const FcKeyIdentity *other = &slot->source.id;

	return slot->state != FC_SLOT_FREE && slot->nwaiters == 0 &&
		other->database == id->database &&
		memcmp(&other->context, &id->context, sizeof(FcKeyContext)) == 0 &&
		memcmp(other->blob_hash, id->blob_hash, FC_BLOB_HASH_BYTES) != 0;
}

void
fc_keycache_supersede(const FcKeyIdentity *id)
{
	bool		any = false;
	int			i;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_SHARED);
	for (i = 0; i < fc_cache->nslots && !any; i++)
		any = fc_slot_superseded(&fc_slots[i], id);
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
	if (!any)
		return;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
	for (i = 0; i < fc_cache->nslots; i++)
		if (fc_slot_superseded(&fc_slots[i], id))
			fc_slot_free(i);
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
}

void
fc_keycache_count(const FcKeyRef *ref, uint64 values)
{
	if (ref->slot >= 0 && ref->slot < fc_cache->nslots &&
		pg_atomic_read_u64(&fc_slots[ref->slot].seq) == ref->seq)
		pg_atomic_fetch_add_u64(&fc_slots[ref->slot].sealed, (int64) values);
}

Oid
fc_keycache_other_database(const char *provider, const char *kms_key, Oid database, int *next)
{
	Oid			other = InvalidOid;

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_SHARED);
	while (*next < fc_cache->nslots && !OidIsValid(other))
	{
		const FcSlot *slot = &fc_slots[(*next)++];

		if (slot->state != FC_SLOT_FREE && slot->source.id.database != database &&
			strcmp(slot->source.provider, provider) == 0 &&
			strcmp(slot->source.kms_key, kms_key) == 0)
			other = slot->source.id.database;
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
	return other;
}
