/*-------------------------------------------------------------------------
 *
 * fc_coredump.h
 *		Keeping texts out of core files.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_COREDUMP_H
#define FC_COREDUMP_H

#include "postgres.h"

/*
 * fc_coredump_limit
 *		From now on a core file of this process leaves out its private memory,
 *		unless fieldcrypt.full_core_files is on.  Costs three system calls the
 *		first time.  Never throws.
 */
extern void fc_coredump_limit(void);

#endif							/* FC_COREDUMP_H */
