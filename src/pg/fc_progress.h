/*-------------------------------------------------------------------------
 *
 * fc_progress.h
 *		How far the walks of this server are: one slot per walking backend.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_PROGRESS_H
#define FC_PROGRESS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/lock.h"

/* More walks than this at a time go unseen. */
#define FC_PROGRESS_SLOTS 64

typedef struct FcProgress
{
	int			pid;			/* 0 = free */
	Oid			database;
	Oid			relation;
	char		column[NAMEDATALEN];
	char		command[32];
	int			pass;
	int64		blocks_done;
	int64		blocks_total;
	int64		rows_written;
	int64		rows_skipped;	/* locked by others, in this pass */
	int64		errors;			/* values that cannot be moved, in this pass */
	TimestampTz started;		/* of this column's walk */
	VirtualTransactionId waiting;	/* has done nothing yet and waits for others */
} FcProgress;

extern Size fc_progress_shmem_size(void);
extern void fc_progress_shmem_init(bool found);

/*
 * fc_progress_set
 *		Show this backend's walk; pid and database are filled in.  The slot is
 *		given back by fc_progress_end, or when the backend exits.
 */
extern void fc_progress_set(const FcProgress *progress);
extern void fc_progress_end(void);

/* Is it the transaction of a walk that waits for others? */
extern bool fc_progress_waits(VirtualTransactionId vxid);

/* Copy slot i; false if free. */
extern bool fc_progress_get(int i, FcProgress *out);

#endif							/* FC_PROGRESS_H */
