/*-------------------------------------------------------------------------
 *
 * fc_worker_check.h
 *		What check_provider has to tell of a provider, step by step.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_WORKER_CHECK_H
#define FC_WORKER_CHECK_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "kms/fc_kms.h"
#include "pg/fc_requests.h"
#include "pg/fc_worker_setup.h"

/* What was seen on the way to the KMS; zeroed before the first call. */
typedef struct FcCheckTrace
{
	bool		any;			/* has there been an exchange? */
	FcKmsTrace	last;			/* of the last one: an address that failed does not count */
	int64		auth_micros;	/* spent on logging in, connecting not included */
	int64		ask_micros;		/* and on the rest */
} FcCheckTrace;

/* An exchange that was sent at `sent` has ended; before the call is resumed. */
extern void fc_check_note(FcCheckTrace *trace, const FcKmsCall *call, TimestampTz sent);

/*
 * The call FC_KMS_CHECK has ended: add its steps, up to the one that failed.
 * Only what was tried is a step: a key file is not connected to.
 */
extern void fc_check_reached(const FcCheckTrace *trace, const FcSetup *setup,
							 const FcKmsCall *call, FcAnswer *answer);

#endif							/* FC_WORKER_CHECK_H */
