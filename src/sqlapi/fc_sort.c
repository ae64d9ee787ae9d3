/*-------------------------------------------------------------------------
 *
 * fc_sort.c
 *		Sort support of encrypted values: a sort opens each of them about once.
 *
 * What is sorted, and spilled, are the values as they are stored.  As their
 * abbreviated keys, which are in memory only and never written, stand numbers
 * of entries in a ring of opened texts.  The ring is as large as the sort's
 * own memory, and a text takes less room than the value that the sort keeps
 * for it; so the texts of all that is in memory are there.  Should one be
 * gone, the keys are tied, and the values themselves decide.
 *
 * Equal values must have equal keys (DISTINCT in aggregates looks at them
 * first), so a text is in the ring once, and found by a hash table; and there
 * are no keys under a collation for which texts are equal whose bytes differ.
 *
 * Where PostgreSQL does without abbreviated keys (merging of runs, LIMIT,
 * columns after the first, merge joins) opened values come out of a cache.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/varlena.h"

#include "base/fc_secret.h"
#include "crypto/fc_crypto.h"
#include "pg/fc_compat.h"
#include "pg/fc_secretmem.h"
#include "sqlapi/fc_opened.h"
#include "sqlapi/fc_sqlapi.h"

PG_FUNCTION_INFO_V1(fc_et_sortsupport);

#define FIRST_RING_BYTES (64 * 1024)

#define FIRST_TABLE_SLOTS 1024	/* a power of two */

/* An opened text in the ring. */
typedef struct FcRingEntry
{
	uint64		hash;
	char		plain[FLEXIBLE_ARRAY_MEMBER];	/* a text */
} FcRingEntry;

/* Behind ssup_extra. */
typedef struct FcSort
{
	FcOpenedCache *cache;
	SortSupportData text;		/* of the opened values */
	bool		tied;			/* the keys just compared were equal */

	/* positions count on and on; a position modulo size is where it is */
	char	   *ring;
	uint64		head;			/* next position to be written */
	Size		size;
	Size		limit;
	MemoryContextCallback on_reset;

	/* keys by the hash of their texts; those of overwritten entries remain */
	Datum	   *table;
	uint32		slots;			/* a power of two */
	uint32		used;
} FcSort;

/*---- Function declarations ----*/

static Datum sort_abbreviate(Datum original, SortSupport ssup);
static bool sort_keep_abbreviating(int memtupcount, SortSupport ssup);
static int	sort_compare_keys(Datum x, Datum y, SortSupport ssup);
static int	sort_compare(Datum x, Datum y, SortSupport ssup);
static uint64 hash_text(const text *plain);
static Datum ring_intern(FcSort *sort, const text *plain);
static Datum ring_append(FcSort *sort, const text *plain, uint64 hash);
static FcRingEntry *ring_entry(const FcSort *sort, Datum key);
static bool ring_grow(FcSort *sort);
static void table_rebuild(FcSort *sort);
static void ring_wipe(void *arg);

Datum
fc_et_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);
	MemoryContext caller = MemoryContextSwitchTo(ssup->ssup_cxt);
	FcSort	   *sort = palloc0(sizeof(FcSort));

	sort->text.ssup_cxt = ssup->ssup_cxt;
	sort->text.ssup_collation = ssup->ssup_collation;
	varstr_sortsupport(&sort->text, TEXTOID, ssup->ssup_collation);

	sort->limit = (Size) work_mem * 1024;
	sort->cache = fc_opened_create(ssup->ssup_cxt, sort->limit);
	ssup->ssup_extra = sort;
	ssup->comparator = sort_compare;
	if (ssup->abbreviate && sizeof(Datum) >= sizeof(uint64) &&
		fc_collation_deterministic(ssup->ssup_collation))
	{
		sort->size = Min(sort->limit, FIRST_RING_BYTES);
		sort->ring = palloc(sort->size);
		sort->slots = FIRST_TABLE_SLOTS;
		sort->table = palloc0(sort->slots * sizeof(Datum));
		sort->on_reset.func = ring_wipe;
		sort->on_reset.arg = sort;
		MemoryContextRegisterResetCallback(ssup->ssup_cxt, &sort->on_reset);

		ssup->comparator = sort_compare_keys;
		ssup->abbrev_converter = sort_abbreviate;
		ssup->abbrev_abort = sort_keep_abbreviating;
		ssup->abbrev_full_comparator = sort_compare;
	}
	MemoryContextSwitchTo(caller);
	PG_RETURN_VOID();
}

static Datum
sort_abbreviate(Datum original, SortSupport ssup)
{
	FcSort	   *sort = (FcSort *) ssup->ssup_extra;
	struct varlena *value = PG_DETOAST_DATUM_PACKED(original);
	text	   *plain = fc_decrypt_datum(value);
	Datum		key = ring_intern(sort, plain);

	fc_wipe(VARDATA(plain), VARSIZE(plain) - VARHDRSZ);
	pfree(plain);
	if ((Pointer) value != DatumGetPointer(original))
		pfree(value);
	return key;
}

/* The keys stand for the whole text, so they are always worth it. */
static bool
sort_keep_abbreviating(int memtupcount, SortSupport ssup)
{
	return false;
}

/*
 * sort_compare_keys
 *		When this returns 0, tuplesort's next call is sort_compare, with the
 *		values of these two keys.  Where the keys are of one text there is
 *		nothing left to find out, and sort_compare is told.
 */
static int
sort_compare_keys(Datum x, Datum y, SortSupport ssup)
{
	FcSort	   *sort = (FcSort *) ssup->ssup_extra;
	FcRingEntry *left;
	FcRingEntry *right;

	sort->tied = x == y && x != 0;
	if (sort->tied)
		return 0;
	left = ring_entry(sort, x);
	right = ring_entry(sort, y);
	if (left == NULL || right == NULL)
		return 0;
	return sort->text.comparator(PointerGetDatum(left->plain),
								 PointerGetDatum(right->plain), &sort->text);
}

static int
sort_compare(Datum x, Datum y, SortSupport ssup)
{
	FcSort	   *sort = (FcSort *) ssup->ssup_extra;
	struct varlena *a;
	struct varlena *b;
	int			result = 0;

	if (sort->tied)
	{
		sort->tied = false;
		return 0;
	}

	a = PG_DETOAST_DATUM_PACKED(x);
	b = PG_DETOAST_DATUM_PACKED(y);
	if (!fc_same_bytes(a, b))
	{
		text	   *left = fc_opened_text(sort->cache, a);
		text	   *right = fc_opened_text(sort->cache, b);

		result = sort->text.comparator(PointerGetDatum(left), PointerGetDatum(right),
									   &sort->text);
	}
	if ((Pointer) a != DatumGetPointer(x))
		pfree(a);
	if ((Pointer) b != DatumGetPointer(y))
		pfree(b);
	return result;
}

/* Keyed, so that nobody can choose texts that collide. */
static uint64
hash_text(const text *plain)
{
	static const uint8 no_key[16];
	const uint8 *key = fc_secretmem_hash_key();

	return fc_siphash24(key != NULL ? key : no_key,
						VARDATA(plain), VARSIZE(plain) - VARHDRSZ);
}

/*
 * ring_intern
 *		The key of a text: its position in the ring plus one, or 0 if it is
 *		too large to be there.
 */
static Datum
ring_intern(FcSort *sort, const text *plain)
{
	uint64		hash;
	uint32		slot;

	if (offsetof(FcRingEntry, plain) + VARSIZE(plain) > sort->limit / 4)
		return 0;

	hash = hash_text(plain);
	for (slot = hash & (sort->slots - 1); sort->table[slot] != 0;
		 slot = (slot + 1) & (sort->slots - 1))
	{
		FcRingEntry *entry = ring_entry(sort, sort->table[slot]);

		if (entry != NULL && entry->hash == hash &&
			VARSIZE(entry->plain) == VARSIZE(plain) &&
			memcmp(entry->plain, plain, VARSIZE(plain)) == 0)
			return sort->table[slot];
	}

	sort->table[slot] = ring_append(sort, plain, hash);
	if (++sort->used > sort->slots / 2)
	{
		Datum		key = sort->table[slot];

		table_rebuild(sort);
		return key;
	}
	return sort->table[slot];
}

/* Over the oldest entries if it must be. */
static Datum
ring_append(FcSort *sort, const text *plain, uint64 hash)
{
	Size		bytes = MAXALIGN(offsetof(FcRingEntry, plain) + VARSIZE(plain));
	Size		rest;
	uint64		position;
	FcRingEntry *entry;

	while (sort->head + bytes > sort->size && ring_grow(sort))
		;

	/* entries are in one piece: leave the end if it is too short */
	rest = sort->size - sort->head % sort->size;
	if (rest < bytes)
		sort->head += rest;
	position = sort->head;
	sort->head += bytes;

	entry = (FcRingEntry *) (sort->ring + position % sort->size);
	entry->hash = hash;
	memcpy(entry->plain, plain, VARSIZE(plain));
	return UInt64GetDatum(position + 1);
}

/* The entry of a key, or NULL if it has been written over. */
static FcRingEntry *
ring_entry(const FcSort *sort, Datum key)
{
	uint64		position = DatumGetUInt64(key) - 1;

	if (key == 0 || position + sort->size < sort->head)
		return NULL;
	return (FcRingEntry *) (sort->ring + position % sort->size);
}

/* Twice the ring, as long as nothing was written over and the limit allows. */
static bool
ring_grow(FcSort *sort)
{
	Size		size = Min(sort->size * 2, sort->limit);
	char	   *ring;

	if (size == sort->size || sort->head > sort->size)
		return false;
	ring = MemoryContextAllocHuge(GetMemoryChunkContext(sort->ring), size);
	memcpy(ring, sort->ring, sort->head);
	fc_wipe(sort->ring, sort->size);
	pfree(sort->ring);
	sort->ring = ring;
	sort->size = size;
	return true;
}

/* Forget the keys of overwritten entries; a larger table if the rest is many. */
static void
table_rebuild(FcSort *sort)
{
	Datum	   *old = sort->table;
	uint32		nold = sort->slots;
	uint32		alive = 0;

	for (uint32 i = 0; i < nold; i++)
		alive += ring_entry(sort, old[i]) != NULL;
	if (alive > nold / 4)
		sort->slots *= 2;

	sort->table = MemoryContextAllocExtended(GetMemoryChunkContext(old),
											 sort->slots * sizeof(Datum),
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	sort->used = alive;
	for (uint32 i = 0; i < nold; i++)
	{
		FcRingEntry *entry = ring_entry(sort, old[i]);
		uint32		slot;

		if (entry == NULL)
			continue;
		slot = entry->hash & (sort->slots - 1);
		while (sort->table[slot] != 0)
			slot = (slot + 1) & (sort->slots - 1);
		sort->table[slot] = old[i];
	}
	pfree(old);
}

/* The context is going, the memory still there: leave no plaintext in it. */
static void
ring_wipe(void *arg)
{
	FcSort	   *sort = (FcSort *) arg;

	fc_wipe(sort->ring, Min((uint64) sort->size, sort->head));
}
