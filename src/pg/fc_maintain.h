/*-------------------------------------------------------------------------
 *
 * fc_maintain.h
 *		Maintenance: once an hour a short-lived worker in each database sees
 *		to keys that are due for rotation.
 *
 * Here is who starts whom; what such a worker does is in
 * sqlapi/fc_maintenance.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_MAINTAIN_H
#define FC_MAINTAIN_H

#include "postgres.h"

#include "postmaster/bgworker.h"

/*
 * For the launcher: do what is to be done; returns in how many milliseconds
 * to look again.
 */
extern long fc_maintain_turn(void);

/*
 * Start the worker of a database; NULL if there is no process slot.  `warn`:
 * it is to say which keys are overdue.
 */
extern BackgroundWorkerHandle *fc_maintain_start(Oid database, bool warn);

/* Is this worker to warn? */
extern bool fc_maintain_warns(void);

/*
 * For what can last: is this process the maintenance of a database, and does
 * somebody want that database for himself, as DROP DATABASE does, then it ends.
 */
extern void fc_maintain_yield(void);

/* From now on this process is the maintenance of that database, its own. */
extern void fc_maintain_begin(const char *database);

extern PGDLLEXPORT void fc_maintain_main(Datum arg);

#endif							/* FC_MAINTAIN_H */
