/*-------------------------------------------------------------------------
 *
 * fc_worker.h
 *		The launcher and one worker per provider.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_WORKER_H
#define FC_WORKER_H

#include "postgres.h"

/* Register the launcher; from _PG_init when preloaded. */
extern void fc_launcher_register(void);

extern PGDLLEXPORT void fc_launcher_main(Datum arg);
extern PGDLLEXPORT void fc_worker_main(Datum arg);

#endif							/* FC_WORKER_H */
