/*-------------------------------------------------------------------------
 *
 * fc_warm.h
 *		Warming up: the keys of the databases that fieldcrypt.warm_databases
 *		names are fetched before anybody asks for them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_WARM_H
#define FC_WARM_H

#include "postgres.h"

extern Size fc_warm_shmem_size(void);
extern void fc_warm_shmem_init(bool found);

/*----------
 * For the launcher.
 *----------
 */

/* The setting may have changed, or all is to be looked at again. */
extern void fc_warm_load(void);

/* Do what is to be done; returns in how many milliseconds to look again. */
extern long fc_warm_turn(void);

extern PGDLLEXPORT void fc_warm_main(Datum arg);

#endif							/* FC_WARM_H */
