/*-------------------------------------------------------------------------
 *
 * fc_guard.h
 *		Licence to write the key tables; private to sqlapi.
 *
 * The trigger on the key tables lets a row through that one of fieldcrypt's
 * own functions writes: between fc_guard_enter and fc_guard_leave, which
 * nest and which the caller pairs with PG_TRY and PG_FINALLY.  Nothing that a
 * user wrote may run in between.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_GUARD_H
#define FC_GUARD_H

#include "postgres.h"

#include "nodes/parsenodes.h"

extern void fc_guard_enter(void);
extern void fc_guard_leave(void);

/* ALTER TABLE has run: triggers of the key tables that it enabled fire always. */
extern void fc_guard_altered(const AlterTableStmt *stmt);

#endif							/* FC_GUARD_H */
