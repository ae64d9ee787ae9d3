/*-------------------------------------------------------------------------
 *
 * fc_opened.c
 *		Cache of opened values for sorts and comparisons.
 *
 * Two-way sets, found by the last bytes of the value: those of an authentic
 * value are the tag of GCM, as good as a hash and already there.  An entry
 * may be dropped whenever another comes, except the one last returned: it is
 * the other side of the comparison.
 *
 * A caller that reads value after value into the same few places, as the merge
 * of a sort does, tells where a value is.  What stood there before is not
 * coming back and goes at once, so that little memory is used, again and again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/fc_secret.h"
#include "pg/fc_compat.h"
#include "sqlapi/fc_opened.h"
#include "sqlapi/fc_sqlapi.h"

#define WAYS 2
#define FIRST_SLOTS 16
/*
 * Slots grow with the entries, up to one per this many bytes of the limit.
 * While there are few entries they have many slots, lest two that are both
 * needed again and again, and a third one, meet in a set.
 */
#define BYTES_PER_SLOT 128
#define SLOTS_PER_ENTRY 16

typedef struct FcOpened
{
	text	   *plain;
	Size		charged;		/* bytes counted against the limit */
	const void *at;				/* where it was seen last, or NULL */
	Size		len;			/* of the value */
	uint8		value[FLEXIBLE_ARRAY_MEMBER];
} FcOpened;

struct FcOpenedCache
{
	MemoryContext context;
	MemoryContextCallback on_reset;
	FcOpener	opener;
	Size		limit;
	Size		used;
	uint32		nslots;			/* a power of two */
	uint32		nentries;
	uint32		hand;			/* where eviction goes on */
	FcOpened  **slots;
	FcOpened   *last;			/* returned last */
	FcOpened  **places;			/* the entries of which at is set; or NULL */
	Oid			user;			/* for whom and in which statement the */
	TimestampTz statement;		/* entries were opened */
};

/*---- Function declarations ----*/

static void cache_wipe(void *arg);
static void cache_clear(FcOpenedCache *cache);
static void cache_grow(FcOpenedCache *cache);
static void drop_entry(FcOpenedCache *cache, FcOpened **slot);
static void drop_replaced(FcOpenedCache *cache, FcOpened *entry);
static FcOpened **find_set(const FcOpenedCache *cache, const uint8 *bytes, Size len);
static bool is_value(const FcOpened *entry, const uint8 *bytes, Size len);
static void check_owner(FcOpenedCache *cache);
static text *insert_entry(FcOpenedCache *cache, const struct varlena *value);

FcOpenedCache *
fc_opened_create(MemoryContext context, Size limit, FcOpener opener)
{
	MemoryContext own = AllocSetContextCreate(context, "fieldcrypt opened values",
											  ALLOCSET_SMALL_SIZES);
	FcOpenedCache *cache = MemoryContextAllocZero(own, sizeof(FcOpenedCache));

	cache->context = own;
	cache->opener = opener;
	cache->limit = limit;
	cache->nslots = FIRST_SLOTS;
	cache->slots = MemoryContextAllocZero(own, FIRST_SLOTS * sizeof(FcOpened *));
	cache->on_reset.func = cache_wipe;
	cache->on_reset.arg = cache;
	MemoryContextRegisterResetCallback(own, &cache->on_reset);
	return cache;
}

FcOpenedCache *
fc_opened_of_call(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo == NULL)
		return fc_opened_create(CurrentMemoryContext, FC_OPENED_SMALL, fc_decrypt_datum);
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = fc_opened_create(fcinfo->flinfo->fn_mcxt, FC_OPENED_SMALL,
													fc_decrypt_datum);
	return (FcOpenedCache *) fcinfo->flinfo->fn_extra;
}

text *
fc_opened_text(FcOpenedCache *cache, const struct varlena *value)
{
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(value);
	Size		len = VARSIZE_ANY_EXHDR(value);
	FcOpened  **set;

	check_owner(cache);
	set = find_set(cache, bytes, len);
	for (int i = 0; i < WAYS; i++)
	{
		if (is_value(set[i], bytes, len))
		{
			cache->last = set[i];
			return set[i]->plain;
		}
	}
	return insert_entry(cache, value);
}

text *
fc_opened_text_at(FcOpenedCache *cache, const struct varlena *value, const void *at)
{
	FcOpened  **place;
	text	   *plain;

	check_owner(cache);
	if (cache->places == NULL)
		cache->places = MemoryContextAllocZero(cache->context, FC_PLACES * sizeof(FcOpened *));
	place = &cache->places[FC_PLACE_OF(at)];
	if (is_value(*place, (const uint8 *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)))
	{
		cache->last = *place;
		return cache->last->plain;
	}

	if (*place != NULL && (*place)->at == at)
		drop_replaced(cache, *place);
	plain = fc_opened_text(cache, value);

	/* an entry has one place, and a place one entry */
	if (*place != NULL)
		(*place)->at = NULL;
	if (cache->last->at != NULL)
		cache->places[FC_PLACE_OF(cache->last->at)] = NULL;
	cache->last->at = at;
	*place = cache->last;
	return plain;
}

/* A cursor may be fetched by another user, or after a revoke. */
static void
check_owner(FcOpenedCache *cache)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (cache->user == GetUserId() && cache->statement == statement)
		return;
	cache_clear(cache);
	cache->user = GetUserId();
	cache->statement = statement;
}

static bool
is_value(const FcOpened *entry, const uint8 *bytes, Size len)
{
	return entry != NULL && entry->len == len && memcmp(entry->value, bytes, len) == 0;
}

/* The context is going, the memory still there: leave no plaintext in it. */
static void
cache_wipe(void *arg)
{
	FcOpenedCache *cache = (FcOpenedCache *) arg;

	for (uint32 i = 0; i < cache->nslots; i++)
	{
		FcOpened   *entry = cache->slots[i];

		if (entry != NULL)
			fc_wipe(entry->plain, VARSIZE(entry->plain));
	}
}

static void
cache_clear(FcOpenedCache *cache)
{
	cache->last = NULL;
	for (uint32 i = 0; i < cache->nslots; i++)
		drop_entry(cache, &cache->slots[i]);
}

static void
drop_entry(FcOpenedCache *cache, FcOpened **slot)
{
	FcOpened   *entry = *slot;

	if (entry == NULL || entry == cache->last)
		return;
	*slot = NULL;
	cache->used -= entry->charged;
	cache->nentries--;
	if (entry->at != NULL)
		cache->places[FC_PLACE_OF(entry->at)] = NULL;
	fc_wipe(entry->plain, VARSIZE(entry->plain));
	pfree(entry->plain);
	pfree(entry);
}

/* Another value stands where this one was. */
static void
drop_replaced(FcOpenedCache *cache, FcOpened *entry)
{
	FcOpened  **set = find_set(cache, entry->value, entry->len);

	drop_entry(cache, set[0] == entry ? &set[0] : &set[1]);
}

/* The first slot of the set where a value would be. */
static FcOpened **
find_set(const FcOpenedCache *cache, const uint8 *bytes, Size len)
{
	uint32		hash = (uint32) len;

	if (len >= sizeof(hash))
		memcpy(&hash, bytes + len - sizeof(hash), sizeof(hash));
	return cache->slots + (hash & (cache->nslots / WAYS - 1)) * WAYS;
}

/* Twice the sets: each old one is divided between two. */
static void
cache_grow(FcOpenedCache *cache)
{
	FcOpened  **old = cache->slots;
	uint32		nold = cache->nslots;

	cache->slots = MemoryContextAllocExtended(cache->context, nold * 2 * sizeof(FcOpened *),
											  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	cache->nslots = nold * 2;
	for (uint32 i = 0; i < nold; i++)
	{
		FcOpened  **set;

		if (old[i] == NULL)
			continue;
		set = find_set(cache, old[i]->value, old[i]->len);
		set[set[0] != NULL ? 1 : 0] = old[i];
	}
	pfree(old);
}

/*
 * insert_entry
 *		Opening comes first: if it throws, the cache is as it was.  The entry
 *		last returned is never dropped, so a set of two always has room.
 */
static text *
insert_entry(FcOpenedCache *cache, const struct varlena *value)
{
	Size		len = VARSIZE_ANY_EXHDR(value);
	MemoryContext caller = MemoryContextSwitchTo(cache->context);
	text	   *plain = cache->opener(value);
	FcOpened   *entry = MemoryContextAllocHuge(cache->context, offsetof(FcOpened, value) + len);
	FcOpened  **set;

	MemoryContextSwitchTo(caller);
	entry->plain = plain;
	entry->at = NULL;
	entry->len = len;
	memcpy(entry->value, VARDATA_ANY(value), len);
	entry->charged = GetMemoryChunkSpace(entry) + GetMemoryChunkSpace(plain);

	for (uint32 i = 0; i < cache->nslots && cache->used + entry->charged > cache->limit; i++)
		drop_entry(cache, &cache->slots[cache->hand++ & (cache->nslots - 1)]);
	if (cache->nentries >= cache->nslots / SLOTS_PER_ENTRY &&
		cache->nslots < cache->limit / BYTES_PER_SLOT)
		cache_grow(cache);

	set = find_set(cache, entry->value, len);
	if (set[0] != NULL && set[1] != NULL)
		drop_entry(cache, set[0] == cache->last ? &set[1] : &set[0]);
	set[set[0] != NULL ? 1 : 0] = entry;
	cache->used += entry->charged;
	cache->nentries++;
	cache->last = entry;
	return entry->plain;
}
