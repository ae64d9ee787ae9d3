/*-------------------------------------------------------------------------
 *
 * fc_bgworker.h
 *		Starting background workers of this library while the server runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_BGWORKER_H
#define FC_BGWORKER_H

#include "postgres.h"

#include "postmaster/bgworker.h"

/* Where the postmaster finds the functions of workers. */
#define FC_LIBRARY "fieldcrypt"

/*
 * fc_bgworker_start
 *		Start a worker that is not restarted, and whose start and end wake this
 *		process; the caller has filled in name, type, flags, start time and
 *		arguments.  NULL if there is no process slot, else a handle that
 *		outlives the transaction.
 */
extern BackgroundWorkerHandle *fc_bgworker_start(BackgroundWorker *worker,
												 const char *function);

#endif							/* FC_BGWORKER_H */
