/*-------------------------------------------------------------------------
 *
 * fc_sort.c
 *		Sort support of encrypted values: a sort opens each of them about once.
 *
 * What is sorted, and spilled, are the values as they are stored.  As their
 * abbreviated keys, which are in memory only and never written, stand numbers
 * of entries in a ring of opened texts.  The ring may get as large as the
 * sort's own memory, and a text takes less room than the value that the sort
 * keeps for it; so the texts of all that is in memory are there, and those of
 * what was written out are forgotten.  Should one be gone, the keys are tied,
 * and the values themselves decide.
 *
 * Equal values must have equal keys (DISTINCT in aggregates looks at them
 * first), so a text is in the ring once, and found by a hash table; and there
 * are no keys under a collation for which texts are equal whose bytes differ.
 *
 * Where PostgreSQL does without abbreviated keys (merging of runs, LIMIT,
 * columns after the first, merge joins) opened values come out of a cache, and
 * the ring is given up.  Merging opens each value once in every pass: nothing
 * but ciphertext is on disk, and of what was opened there is no room to keep
 * more than the values that are compared next.  Where the planner expects
 * merging it has copies sorted, which are cheaper to open (fc_sort_copy.c);
 * apart from that they are sorted as values are.
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

/* Where to find the key of a text. */
typedef struct FcKeySlot
{
	uint64		hash;			/* of the text */
	Datum		key;			/* 0 if the slot is free */
} FcKeySlot;

/* Behind ssup_extra. */
typedef struct FcSort
{
	FcOpener	opener;
	FcOpenedCache *cache;
	FcCopyCache *copies;		/* NULL in a sort of values */
	SortSupportData text;		/* of the opened values */
	bool		first;			/* the first column of a sort */
	bool		tied;			/* the keys just compared were equal */

	/*
	 * Positions count on and on, so a key never stands for two texts.  The
	 * distance from the first position of this run, modulo size, is where it
	 * is in the ring.
	 */
	char	   *ring;
	uint64		start;			/* position where the texts of this run begin */
	uint64		head;			/* next position to be written */
	Size		size;
	Size		limit;
	Size		touched;		/* bytes that were ever written */
	bool		compared;		/* keys, since the last one was made */
	MemoryContextCallback on_reset;

	/* keys by the hash of their texts; of texts that are gone some remain */
	FcKeySlot  *table;
	uint32		slots;			/* a power of two */
	uint32		used;
} FcSort;

/*---- Function declarations ----*/

static Datum sort_abbreviate(Datum original, SortSupport ssup);
static bool sort_keep_abbreviating(int memtupcount, SortSupport ssup);
static int	sort_compare_keys(Datum x, Datum y, SortSupport ssup);
static int	sort_compare(Datum x, Datum y, SortSupport ssup);
static text *opened_text(FcSort *sort, const struct varlena *value, Datum original);
static uint64 hash_text(const text *plain);
static Datum ring_intern(FcSort *sort, const text *plain);
static Datum ring_append(FcSort *sort, const text *plain);
static text *ring_text(const FcSort *sort, Datum key);
static void ring_next_run(FcSort *sort);
static bool ring_grow(FcSort *sort);
static void table_rebuild(FcSort *sort);
static void ring_release(FcSort *sort);
static void ring_wipe(void *arg);

Datum
fc_et_sortsupport(PG_FUNCTION_ARGS)
{
	fc_sort_support((SortSupport) PG_GETARG_POINTER(0), fc_decrypt_datum, NULL);
	PG_RETURN_VOID();
}

void
fc_sort_support(SortSupport ssup, FcOpener opener, FcCopyCache *copies)
{
	MemoryContext caller = MemoryContextSwitchTo(ssup->ssup_cxt);
	FcSort	   *sort = palloc0(sizeof(FcSort));

	sort->opener = opener;
	sort->copies = copies;
	sort->text.ssup_cxt = ssup->ssup_cxt;
	sort->text.ssup_collation = ssup->ssup_collation;
	varstr_sortsupport(&sort->text, TEXTOID, ssup->ssup_collation);

	sort->limit = (Size) work_mem * 1024;
	sort->cache = fc_opened_create(ssup->ssup_cxt, sort->limit, opener);
	sort->first = ssup->abbreviate;
	ssup->ssup_extra = sort;
	ssup->comparator = sort_compare;
	if (ssup->abbreviate && sizeof(Datum) >= sizeof(uint64) &&
		fc_collation_deterministic(ssup->ssup_collation))
	{
		sort->size = Min(sort->limit, FIRST_RING_BYTES);
		sort->ring = palloc(sort->size);
		sort->slots = FIRST_TABLE_SLOTS;
		sort->table = palloc0(sort->slots * sizeof(FcKeySlot));
		sort->on_reset.func = ring_wipe;
		sort->on_reset.arg = sort;
		MemoryContextRegisterResetCallback(ssup->ssup_cxt, &sort->on_reset);

		ssup->comparator = sort_compare_keys;
		ssup->abbrev_converter = sort_abbreviate;
		ssup->abbrev_abort = sort_keep_abbreviating;
		ssup->abbrev_full_comparator = sort_compare;
	}
	MemoryContextSwitchTo(caller);
}

static Datum
sort_abbreviate(Datum original, SortSupport ssup)
{
	FcSort	   *sort = (FcSort *) ssup->ssup_extra;
	struct varlena *value = PG_DETOAST_DATUM_PACKED(original);
	text	   *plain = sort->opener(value);
	Datum		key = ring_intern(sort, plain);

	fc_free_plain(plain);
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
	text	   *left;
	text	   *right;

	sort->compared = true;
	sort->tied = x == y && x != 0;
	if (sort->tied)
		return 0;
	left = ring_text(sort, x);
	right = ring_text(sort, y);
	if (left == NULL || right == NULL)
		return 0;
	return sort->text.comparator(PointerGetDatum(left), PointerGetDatum(right), &sort->text);
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
	if (sort->ring != NULL && ssup->abbrev_converter == NULL)
		ring_release(sort);

	a = PG_DETOAST_DATUM_PACKED(x);
	b = PG_DETOAST_DATUM_PACKED(y);
	if (!fc_same_bytes(a, b))
	{
		text	   *left = opened_text(sort, a, x);
		text	   *right = opened_text(sort, b, y);

		result = sort->text.comparator(PointerGetDatum(left), PointerGetDatum(right),
									   &sort->text);
	}
	if ((Pointer) a != DatumGetPointer(x))
		pfree(a);
	if ((Pointer) b != DatumGetPointer(y))
		pfree(b);
	return result;
}

/*
 * A sort is done with a value as soon as another one takes its room: it was
 * written to disk, or is beyond the LIMIT.  Not so a merge join, which comes
 * back to rows; and a later column comes here for few of the rows only.
 */
static text *
opened_text(FcSort *sort, const struct varlena *value, Datum original)
{
	if (sort->copies != NULL)
	{
		text	   *plain = fc_copy_text(sort->copies, value, DatumGetPointer(original));

		if (plain != NULL)
			return plain;
	}
	if (sort->first)
		return fc_opened_text_at(sort->cache, value, DatumGetPointer(original));
	return fc_opened_text(sort->cache, value);
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
	Datum		key;

	if (sort->ring == NULL || VARSIZE(plain) > sort->limit / 4)
		return 0;
	if (sort->compared)
		ring_next_run(sort);

	hash = hash_text(plain);
	for (slot = hash & (sort->slots - 1); sort->table[slot].key != 0;
		 slot = (slot + 1) & (sort->slots - 1))
	{
		text	   *known = NULL;

		if (sort->table[slot].hash == hash)
			known = ring_text(sort, sort->table[slot].key);
		if (known != NULL && VARSIZE(known) == VARSIZE(plain) &&
			memcmp(known, plain, VARSIZE(plain)) == 0)
			return sort->table[slot].key;
	}

	key = ring_append(sort, plain);
	sort->table[slot].hash = hash;
	sort->table[slot].key = key;
	if (++sort->used > sort->slots / 4 * 3)
		table_rebuild(sort);
	return key;
}

/* Over the oldest texts if it must be. */
static Datum
ring_append(FcSort *sort, const text *plain)
{
	Size		bytes = MAXALIGN(VARSIZE(plain));
	Size		rest;
	Size		offset;
	uint64		position;

	while (sort->head - sort->start + bytes > sort->size && ring_grow(sort))
		;

	/* texts are in one piece: leave the end if it is too short */
	rest = sort->size - (sort->head - sort->start) % sort->size;
	if (rest < bytes)
		sort->head += rest;
	position = sort->head;
	sort->head += bytes;

	offset = (position - sort->start) % sort->size;
	memcpy(sort->ring + offset, plain, VARSIZE(plain));
	sort->touched = Max(sort->touched, offset + bytes);
	return UInt64GetDatum(position + 1);
}

/* The text of a key, or NULL if it is of an earlier run or written over. */
static text *
ring_text(const FcSort *sort, Datum key)
{
	uint64		position = DatumGetUInt64(key) - 1;

	if (key == 0 || position < sort->start || position + sort->size < sort->head)
		return NULL;
	return (text *) (sort->ring + (position - sort->start) % sort->size);
}

/* Twice the ring, as long as nothing was written over and the limit allows. */
static bool
ring_grow(FcSort *sort)
{
	Size		size = Min(sort->size * 2, sort->limit);
	char	   *ring;

	if (size == sort->size || sort->head - sort->start > sort->size)
		return false;
	ring = MemoryContextAllocHuge(GetMemoryChunkContext(sort->ring), size);
	memcpy(ring, sort->ring, sort->head - sort->start);
	fc_wipe(sort->ring, sort->touched);
	pfree(sort->ring);
	sort->ring = ring;
	sort->size = size;
	return true;
}

/*
 * ring_next_run
 *		tuplesort compares when its memory is full, then writes out what it has
 *		and fills it anew.  So does the ring, which stays as small as the texts
 *		of one run.  Clearing a large table for each of many small runs would
 *		cost too much; there its old keys wait for table_rebuild.
 */
static void
ring_next_run(FcSort *sort)
{
	sort->compared = false;
	sort->start = sort->head;
	if (sort->used > sort->slots / 8)
	{
		memset(sort->table, 0, sort->slots * sizeof(FcKeySlot));
		sort->used = 0;
	}
}

/* Forget the keys of texts that are gone; a larger table if the rest is many. */
static void
table_rebuild(FcSort *sort)
{
	FcKeySlot  *old = sort->table;
	uint32		nold = sort->slots;
	uint32		alive = 0;

	for (uint32 i = 0; i < nold; i++)
		alive += ring_text(sort, old[i].key) != NULL;
	if (alive > nold / 2)
		sort->slots *= 2;

	sort->table = MemoryContextAllocExtended(GetMemoryChunkContext(old),
											 sort->slots * sizeof(FcKeySlot),
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	sort->used = alive;
	for (uint32 i = 0; i < nold; i++)
	{
		uint32		slot;

		if (ring_text(sort, old[i].key) == NULL)
			continue;
		slot = old[i].hash & (sort->slots - 1);
		while (sort->table[slot].key != 0)
			slot = (slot + 1) & (sort->slots - 1);
		sort->table[slot] = old[i];
	}
	pfree(old);
}

/* tuplesort goes on without keys, and will not have any again. */
static void
ring_release(FcSort *sort)
{
	ring_wipe(sort);
	pfree(sort->ring);
	pfree(sort->table);
	sort->ring = NULL;
	sort->table = NULL;
}

/* The context is going, the memory still there: leave no plaintext in it. */
static void
ring_wipe(void *arg)
{
	FcSort	   *sort = (FcSort *) arg;

	if (sort->ring != NULL)
		fc_wipe(sort->ring, sort->touched);
}
