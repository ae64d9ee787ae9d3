/*-------------------------------------------------------------------------
 *
 * fc_relation.h
 *		Name and owner of a relation, and acting as its owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_RELATION_H
#define FC_RELATION_H

#include "postgres.h"

#include "miscadmin.h"

/* Schema-qualified and quoted, for SQL and messages; palloc'd. */
extern char *fc_relation_name(Oid relation);

extern Oid	fc_relation_owner(Oid relation);

/* Who ran before. */
typedef struct FcRunAs
{
	Oid			user;
	int			context;
	int			nest;
} FcRunAs;

/*
 * fc_run_as
 *		Act as another role until fc_run_as_end, which also takes back settings
 *		made meanwhile.  An error puts everything back with the transaction.
 *		`restriction` is SECURITY_RESTRICTED_OPERATION for a user's code, or
 *		SECURITY_LOCAL_USERID_CHANGE for our own.
 */
extern void fc_run_as(Oid role, int restriction, FcRunAs *saved);
extern void fc_run_as_end(const FcRunAs *saved);

#endif							/* FC_RELATION_H */
