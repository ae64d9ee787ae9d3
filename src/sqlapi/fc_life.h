/*-------------------------------------------------------------------------
 *
 * fc_life.h
 *		What the end of a key and that of its KMS keys share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_LIFE_H
#define FC_LIFE_H

#include "postgres.h"

#include "storage/lockdefs.h"

#include "base/fc_limits.h"

/* A KMS key that wraps, or wrapped, root secrets. */
typedef struct FcKmsKeyRef
{
	char		provider[FC_KMS_NAME_MAX];
	char		kms_key[FC_KMS_KEY_MAX];
} FcKmsKeyRef;

/* ---- fc_life.c ---- */

/*
 * fc_life_lock
 *		Lock a key table at a moment when it is free, without standing in the
 *		queue for it; false if there was none for lock_timeout.
 */
extern bool fc_life_lock(Oid relation, LOCKMODE mode);

/* ---- fc_life_kms.c ---- */

/*
 * fc_life_kms_keys
 *		The KMS keys of all versions of a key, also of those that are destroyed
 *		already: what they wrapped is in backups.  To be asked before the
 *		key is destroyed, which forgets those that were moved away from.
 *		Palloc'd; returns how many.
 */
extern int	fc_life_kms_keys(const char *name, FcKmsKeyRef **refs);

/*
 * fc_life_delete_kms_keys
 *		Have those deleted that option delete_keys of their provider lists and
 *		that wrap nothing else in this database, and say what became of them.
 *		Commits, so that nothing is held while a KMS is asked; for a key whose
 *		destruction is committed.  True if all are deleted, or will be.
 */
extern bool fc_life_delete_kms_keys(const FcKmsKeyRef *refs, int count);

/* Say which of them a transaction block leaves. */
extern void fc_life_leave_kms_keys(const FcKmsKeyRef *refs, int count);

#endif							/* FC_LIFE_H */
