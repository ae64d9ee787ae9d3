/*-------------------------------------------------------------------------
 *
 * fc_compat.h
 *		The only home of PostgreSQL version conditionals.
 *
 * Each shim has the newest server's name or signature, so that bodies read
 * as if written for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_COMPAT_H
#define FC_COMPAT_H

#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "fieldcrypt supports PostgreSQL 15 to 18"
#endif

#ifdef EXEC_BACKEND
#error "fieldcrypt needs fork(): the secret region is inherited"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#include "nodes/miscnodes.h"
#endif

#if PG_VERSION_NUM < 170000
#define AmAutoVacuumWorkerProcess() IsAutoVacuumWorkerProcess()
#endif

/* Soft errors exist since 16; before, the same call throws. */
#if PG_VERSION_NUM < 160000
#define ereturn(context, dummy_value, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
		return dummy_value; \
	} while (0)
#endif

/* Identity of the current transaction in this backend; 0 outside one. */
static inline LocalTransactionId
fc_current_lxid(void)
{
	if (MyProc == NULL)
		return InvalidLocalTransactionId;
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
#endif
}

#endif							/* FC_COMPAT_H */
