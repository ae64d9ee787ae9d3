/*-------------------------------------------------------------------------
 *
 * fc_opened.h
 *		Values that were opened a moment ago; private to the operators.
 *
 * A sort compares a value some twenty times and a grouping twice; opening it
 * each time would cost more than everything else.  A value is found by its
 * bytes, all of them compared; its address is a hint at most.  What the cache
 * holds counts for one user and one statement, is wiped when it is dropped,
 * and goes with the memory context it was made in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_OPENED_H
#define FC_OPENED_H

#include "postgres.h"

#include "fmgr.h"

typedef struct FcOpenedCache FcOpenedCache;

/* Enough for both sides of a comparison and the groups around it. */
#define FC_OPENED_SMALL (64 * 1024)

/* Opens a detoasted datum, as fc_decrypt_datum() does, or throws. */
typedef text *(*FcOpener)(const struct varlena *datum);

/*
 * Places that are remembered.  The merge of a sort keeps its tuples in slots
 * of 1 kB side by side, one per run, so they do not share one of these.
 */
#define FC_PLACES 64			/* a power of two */
#define FC_PLACE_OF(at) (((uintptr_t) (at) >> 10) & (FC_PLACES - 1))

/* limit: bytes that it holds, but for the two values last asked for. */
extern FcOpenedCache *fc_opened_create(MemoryContext context, Size limit, FcOpener opener);

/* The small cache of a function call, kept in fn_extra. */
extern FcOpenedCache *fc_opened_of_call(FunctionCallInfo fcinfo);

/*
 * fc_opened_text
 *		The text of a detoasted value; needs decrypt on its key.  What this
 *		call and the one before it returned stays until the next call.
 */
extern text *fc_opened_text(FcOpenedCache *cache, const struct varlena *value);

/*
 * fc_opened_text_at
 *		The same for a value at the given address (of the datum, before it was
 *		detoasted), by a caller for whom a value is done with as soon as
 *		another one stands at its address.
 */
extern text *fc_opened_text_at(FcOpenedCache *cache, const struct varlena *value, const void *at);

/* ---- fc_compare.c ---- */

/* Do the stored bytes agree?  Such values are equal without a key. */
extern bool fc_same_bytes(const struct varlena *a, const struct varlena *b);

/* Does equality under the collation mean equal bytes?  ERROR without one. */
extern bool fc_collation_deterministic(Oid collation);

/* ---- fc_sort.c ---- */

typedef struct FcCopyCache FcCopyCache;

/*
 * fc_sort_support
 *		Set up sort support for values, or for copies of them, of which the last
 *		ones are kept open in `copies`.
 */
extern void fc_sort_support(struct SortSupportData *ssup, FcOpener opener, FcCopyCache *copies);

/* ---- fc_sort_copy.c ---- */

/*
 * fc_copy_text
 *		The text of a copy that stands at the given address.  What this call
 *		and the one before it returned stays until the next call.  NULL for the
 *		copy of a pointer.
 */
extern text *fc_copy_text(FcCopyCache *cache, const struct varlena *copy, const void *at);

#endif							/* FC_OPENED_H */
