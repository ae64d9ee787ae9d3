/*-------------------------------------------------------------------------
 *
 * fc_shmem.h
 *		Shared memory of the extension: sums the modules' sizes, requests the
 *		LWLock tranche, initialises every module.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_SHMEM_H
#define FC_SHMEM_H

#include "postgres.h"

#include "storage/lwlock.h"

/* Bumped when the layout of anything in shared memory changes. */
#define FC_SHMEM_LAYOUT 5

typedef enum FcLock
{
	FC_LOCK_CACHE,
	FC_LOCK_REQUESTS,
	FC_LOCK_PROVIDERS,
	FC_LOCK_PROGRESS,			/* nothing else is taken under it */
	FC_LOCK_WARM,
	FC_LOCK_COUNT
} FcLock;

/* Install the hooks; from _PG_init when preloaded. */
extern void fc_shmem_init(void);

/*
 * True in a server that has our shared memory.  False when the library was
 * loaded later: everything that needs a key then says so
 * (fc_report_not_preloaded), everything else works.
 */
extern bool fc_shmem_ready(void);

/*
 * Lock order: FC_LOCK_PROVIDERS, FC_LOCK_REQUESTS, FC_LOCK_CACHE.
 * FC_LOCK_WARM is never held together with another.
 */
extern LWLock *fc_lock(FcLock which);

#endif							/* FC_SHMEM_H */
