/*-------------------------------------------------------------------------
 *
 * fc_sort_copy.c
 *		What a sort on disk compares, in place of the values.
 *
 * A sort that does not fit into its memory writes its rows out and reads them
 * again, once for each pass of merging, and to compare the values it has to
 * open them each time.  So the planner (fc_planner_sorts.c) gives such a sort
 * a column more: the text of the value, encrypted under a key that exists for
 * this call of sort_copy() only, in this process.  Opening that costs a tenth
 * of opening the value, and what is on disk is as unreadable as the value:
 * more so, as its key is gone when the query ends.
 *
 * Of a value that is stored outside of its row there is a copy of the pointer
 * only; the text would make the sort many times as large.  Such values are
 * opened as in any sort.
 *
 * A key lives as long as the FmgrInfo of the call, in the memory of the query,
 * as the sort does.  The sort knows nothing of the call, so the copies say by
 * number which key they are under.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/ilist.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/varlena.h"

#include "base/fc_secret.h"
#include "crypto/fc_crypto.h"
#include "crypto/fc_ephemeral.h"
#include "pg/fc_compat.h"
#include "pg/fc_report.h"
#include "sqlapi/fc_opened.h"
#include "sqlapi/fc_sqlapi.h"

PG_FUNCTION_INFO_V1(fc_sort_copy);
PG_FUNCTION_INFO_V1(fc_sort_copy_in);
PG_FUNCTION_INFO_V1(fc_sort_copy_out);
PG_FUNCTION_INFO_V1(fc_sort_copy_cmp);
PG_FUNCTION_INFO_V1(fc_sort_copy_lt);
PG_FUNCTION_INFO_V1(fc_sort_copy_gt);
PG_FUNCTION_INFO_V1(fc_sort_copy_sortsupport);

/*
 * Behind the length word: the number of the text under its key, which is not
 * 0, and the encrypted text; or 0 and a pointer to the value.  The first half
 * of the number, by its bits, is that of the key.
 */
#define NUMBER_BYTES sizeof(uint64)
#define KEY_SHIFT 40
#define KEY_MAX ((UINT64CONST(1) << (64 - KEY_SHIFT)) - 1)

typedef struct SortCopyKey
{
	dlist_node	link;
	uint64		key;			/* 1 to KEY_MAX */
	uint64		next;			/* text under it, from 0 */
	FcEphemeral cipher;
	MemoryContextCallback on_reset;
} SortCopyKey;

/* Those of the queries that run, the one used last in front. */
static dlist_head keys = DLIST_STATIC_INIT(keys);
static uint64 last_key = 0;

/*
 * Texts of the copies that are compared next, in buffers that are used again
 * and again.
 */
typedef struct OpenedCopy
{
	uint64		number;			/* 0 if there is none */
	text	   *plain;
	Size		size;			/* of the buffer */
} OpenedCopy;

struct FcCopyCache
{
	MemoryContext context;
	MemoryContextCallback on_reset;
	OpenedCopy *last;			/* returned last */
	OpenedCopy	opened[FC_PLACES + 1]; /* one for two that have the same place */
};

/*---- Function declarations ----*/

static SortCopyKey *key_make(MemoryContext context);
static void key_free(void *arg);
static SortCopyKey *key_find(uint64 key);
static struct varlena *make_copy(uint64 number, Size len);
static uint64 number_of(const struct varlena *copy);
static void open_into(text *plain, const struct varlena *copy, uint64 number);
static text *open_copy(const struct varlena *copy);
static text *open_stored(const struct varlena *copy);
static void cache_wipe(void *arg);
static int	compare(FunctionCallInfo fcinfo);

Datum
fc_sort_copy(PG_FUNCTION_ARGS)
{
	Datum		value = PG_GETARG_DATUM(0);
	SortCopyKey *key = (SortCopyKey *) fcinfo->flinfo->fn_extra;
	struct varlena *copy;
	struct varlena *datum;
	text	   *plain;
	Size		len;
	uint64		number;
	FcStatus	status;

	if (VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value)))
	{
		len = VARSIZE_EXTERNAL(DatumGetPointer(value));
		copy = make_copy(0, len);
		memcpy(VARDATA(copy) + NUMBER_BYTES, DatumGetPointer(value), len);
		PG_RETURN_POINTER(copy);
	}

	if (key == NULL || key->next >> KEY_SHIFT != 0)
		fcinfo->flinfo->fn_extra = key = key_make(fcinfo->flinfo->fn_mcxt);
	datum = PG_DETOAST_DATUM_PACKED(value);
	plain = fc_decrypt_datum(datum);
	len = VARSIZE_ANY_EXHDR(plain);
	number = key->key << KEY_SHIFT | key->next++;
	copy = make_copy(number, len);
	status = fc_ephemeral_apply(&key->cipher, number, (uint8 *) VARDATA_ANY(plain), len,
								(uint8 *) VARDATA(copy) + NUMBER_BYTES);
	fc_free_plain(plain);
	if (status != FC_OK)
		fc_report_internal(status);
	PG_RETURN_POINTER(copy);
}

static struct varlena *
make_copy(uint64 number, Size len)
{
	struct varlena *copy = palloc(VARHDRSZ + NUMBER_BYTES + len);

	SET_VARSIZE(copy, VARHDRSZ + NUMBER_BYTES + len);
	memcpy(VARDATA(copy), &number, NUMBER_BYTES);
	return copy;
}

/* ---- keys ---- */

/*
 * Numbers of keys are not used again before all of them were: a copy that was
 * kept beyond its query would otherwise be opened to nonsense.
 */
static SortCopyKey *
key_make(MemoryContext context)
{
	SortCopyKey *key = MemoryContextAllocZero(context, sizeof(SortCopyKey));
	FcStatus	status = fc_ephemeral_make(&key->cipher);

	if (status != FC_OK)
		fc_report_internal(status);
	key->key = last_key = last_key % KEY_MAX + 1;
	dlist_push_head(&keys, &key->link);
	key->on_reset.func = key_free;
	key->on_reset.arg = key;
	MemoryContextRegisterResetCallback(context, &key->on_reset);
	return key;
}

static void
key_free(void *arg)
{
	SortCopyKey *key = (SortCopyKey *) arg;

	dlist_delete(&key->link);
	fc_ephemeral_free(&key->cipher);
}

static SortCopyKey *
key_find(uint64 key)
{
	dlist_iter	iter;

	dlist_foreach(iter, &keys)
	{
		SortCopyKey *found = dlist_container(SortCopyKey, link, iter.cur);

		if (found->key == key)
		{
			dlist_move_head(&keys, &found->link);
			return found;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("value of type %s is not of this query", "fieldcrypt.sort_copy"),
			 errdetail("Its key was gone when the query that made it ended.")));
}

/* ---- opening ---- */

static uint64
number_of(const struct varlena *copy)
{
	uint64		number;

	memcpy(&number, VARDATA_ANY(copy), NUMBER_BYTES);
	return number;
}

/* There is room for the text. */
static void
open_into(text *plain, const struct varlena *copy, uint64 number)
{
	Size		len = VARSIZE_ANY_EXHDR(copy) - NUMBER_BYTES;
	SortCopyKey *key = key_find(number >> KEY_SHIFT);
	FcStatus	status;

	SET_VARSIZE(plain, VARHDRSZ + len);
	status = fc_ephemeral_apply(&key->cipher, number,
								(const uint8 *) VARDATA_ANY(copy) + NUMBER_BYTES, len,
								(uint8 *) VARDATA(plain));
	if (status != FC_OK)
		fc_report_internal(status);
}

static text *
open_copy(const struct varlena *copy)
{
	uint64		number = number_of(copy);
	text	   *plain;

	if (number == 0)
		return open_stored(copy);
	plain = palloc(VARHDRSZ + VARSIZE_ANY_EXHDR(copy) - NUMBER_BYTES);
	open_into(plain, copy, number);
	return plain;
}

static text *
open_stored(const struct varlena *copy)
{
	union
	{
		struct varlena pointer;
		char		bytes[VARHDRSZ_EXTERNAL + sizeof(varatt_external)];
	}			stored;
	struct varlena *datum;
	text	   *plain;

	memcpy(stored.bytes, VARDATA_ANY(copy) + NUMBER_BYTES, sizeof(stored.bytes));
	datum = PG_DETOAST_DATUM_PACKED(PointerGetDatum(&stored.pointer));
	plain = fc_decrypt_datum(datum);
	pfree(datum);
	return plain;
}

/* ---- what was opened last ---- */

text *
fc_copy_text(FcCopyCache *cache, const struct varlena *copy, const void *at)
{
	uint64		number = number_of(copy);
	Size		size = VARSIZE_ANY_EXHDR(copy) - NUMBER_BYTES + VARHDRSZ;
	OpenedCopy *opened = &cache->opened[FC_PLACE_OF(at)];

	if (number == 0)
		return NULL;
	if (opened == cache->last && opened->number != number)
		opened = &cache->opened[FC_PLACES];
	cache->last = opened;
	if (opened->number == number)
		return opened->plain;

	opened->number = 0;
	if (opened->size < size)
	{
		if (opened->plain != NULL)
		{
			fc_wipe(opened->plain, opened->size);
			pfree(opened->plain);
			opened->plain = NULL;
			opened->size = 0;
		}
		opened->plain = MemoryContextAlloc(cache->context, Max(size, 64));
		opened->size = Max(size, 64);
	}
	open_into(opened->plain, copy, number);
	opened->number = number;
	return opened->plain;
}

/* The context is going, the memory still there: leave no plaintext in it. */
static void
cache_wipe(void *arg)
{
	FcCopyCache *cache = (FcCopyCache *) arg;

	for (int i = 0; i <= FC_PLACES; i++)
	{
		if (cache->opened[i].plain != NULL)
			fc_wipe(cache->opened[i].plain, cache->opened[i].size);
	}
}

/* ---- the type ---- */

/* Nothing makes one but fc_sort_copy. */
Datum
fc_sort_copy_in(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot accept a value of type %s", "fieldcrypt.sort_copy")));
	PG_RETURN_VOID();
}

Datum
fc_sort_copy_out(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot display a value of type %s", "fieldcrypt.sort_copy")));
	PG_RETURN_VOID();
}

Datum
fc_sort_copy_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);
	FcCopyCache *cache = MemoryContextAllocZero(ssup->ssup_cxt, sizeof(FcCopyCache));

	cache->context = ssup->ssup_cxt;
	cache->on_reset.func = cache_wipe;
	cache->on_reset.arg = cache;
	MemoryContextRegisterResetCallback(ssup->ssup_cxt, &cache->on_reset);
	fc_sort_support(ssup, open_copy, cache);
	PG_RETURN_VOID();
}

static int
compare(FunctionCallInfo fcinfo)
{
	text	   *a = open_copy(PG_GETARG_VARLENA_PP(0));
	text	   *b = open_copy(PG_GETARG_VARLENA_PP(1));
	int			result = varstr_cmp(VARDATA_ANY(a), VARSIZE_ANY_EXHDR(a),
									VARDATA_ANY(b), VARSIZE_ANY_EXHDR(b), PG_GET_COLLATION());

	fc_free_plain(a);
	fc_free_plain(b);
	return result;
}

Datum
fc_sort_copy_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}

Datum
fc_sort_copy_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

Datum
fc_sort_copy_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}
