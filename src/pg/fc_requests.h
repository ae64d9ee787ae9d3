/*-------------------------------------------------------------------------
 *
 * fc_requests.h
 *		Requests from backends to workers that are not cache misses: make a
 *		new wrapped key, wrap one anew or for another provider, check a
 *		provider, delete a KMS key.
 *
 * A request is a slot in shared memory with a condition variable.  The root
 * secret of a key never leaves the worker, except for another worker
 * (fc_transfer.h): the answer holds the wrapped blob, the KMS key and the
 * check value only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_REQUESTS_H
#define FC_REQUESTS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "base/fc_limits.h"
#include "base/fc_status.h"
#include "crypto/fc_keys.h"
#include "pg/fc_transfer.h"

#define FC_REQUEST_SLOTS 64

typedef enum FcRequestKind
{
	FC_REQUEST_CREATE,			/* new root secret, wrapped, unwrapped again, compared */
	FC_REQUEST_CHECK,			/* resolve, authenticate, wrap, unwrap, compare */
	FC_REQUEST_DELETE,			/* the KMS key, if option delete_keys lists it */

	/* of a root secret that is wrapped already, in request.old */
	FC_REQUEST_VERIFY,			/* unwrap, check value */
	FC_REQUEST_REWRAP,			/* the same, then as CREATE */
	FC_REQUEST_HAND_OUT,		/* as VERIFY, and leave it for another worker */
	FC_REQUEST_TAKE_OVER		/* take what another left, then as CREATE */
} FcRequestKind;

#define FC_CHECK_STEPS_MAX 10

typedef struct FcCheckStep
{
	char		step[16];
	bool		ok;
	int			millis;
	char		detail[FC_KMS_MESSAGE_MAX]; /* what was found, or what is wrong; may be "" */
} FcCheckStep;

/* A root secret as it is wrapped now. */
typedef struct FcWrapped
{
	char		kms_key[FC_KMS_KEY_MAX];
	uint8		kcv[FC_KCV_BYTES];
	int			blob_len;
	uint8		blob[FC_KMS_BLOB_MAX];
} FcWrapped;

typedef struct FcRequest
{
	FcRequestKind kind;
	Oid			database;
	char		dbname[NAMEDATALEN];	/* for the option `databases` */
	FcKeyContext context;		/* for all but CHECK and DELETE */
	char		provider[FC_KMS_NAME_MAX];
	char		kms_key[FC_KMS_KEY_MAX];	/* to wrap with; "" = the provider's default */
	FcWrapped	old;			/* for VERIFY, REWRAP, HAND_OUT */
	FcTransferRef transfer;		/* for HAND_OUT, TAKE_OVER */
	char		used_by[NAMEDATALEN];	/* for DELETE: another database, or "" */
} FcRequest;

typedef struct FcAnswer
{
	FcStatus	status;			/* FC_OK or FC_ERR_KMS_* */
	char		message[FC_KMS_MESSAGE_MAX];	/* of DELETE that succeeded: the key "is ..." */
	bool		left;			/* DELETE: not listed, so nothing was done */
	char		kms_key[FC_KMS_KEY_MAX];
	uint8		kcv[FC_KCV_BYTES];
	int			blob_len;
	uint8		blob[FC_KMS_BLOB_MAX];
	int			nsteps;			/* for CHECK */
	FcCheckStep steps[FC_CHECK_STEPS_MAX];
} FcAnswer;

extern Size fc_requests_shmem_size(void);
extern void fc_requests_shmem_init(bool found);

/*
 * fc_request_run
 *		Hand the request to the provider's worker and wait, interruptibly, at
 *		most timeout_ms.  A time-out is an answer with FC_ERR_KMS_RETRY.  On
 *		cancel the request is given up; the worker drops its answer.
 */
extern void fc_request_run(const FcRequest *request, int timeout_ms, FcAnswer *answer);

/* For workers: take the next request of this provider; false if none. */
extern bool fc_request_take(const char *provider, int *slot, uint64 *ticket, FcRequest *request);
extern void fc_request_answer(int slot, uint64 ticket, const FcAnswer *answer);

/* Add a row to the answer of a CHECK. */
extern void fc_answer_step(FcAnswer *answer, const char *step, FcStatus status,
						   int64 micros, const char *detail);

/* A worker is gone: fail what it had taken. */
extern void fc_requests_abandon(const char *provider);

#endif							/* FC_REQUESTS_H */
