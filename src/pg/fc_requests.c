/*-------------------------------------------------------------------------
 *
 * fc_requests.c
 *		Requests from backends to workers (see fc_requests.h).
 *
 * A slot belongs to the backend that filled it until that backend frees it;
 * the worker only ever moves it from QUEUED to TAKEN to DONE.  A backend that
 * gives up frees the slot at once: the ticket makes sure that an answer that
 * comes later finds nobody.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "pg/fc_maintain.h"
#include "pg/fc_providers.h"
#include "pg/fc_requests.h"
#include "pg/fc_shmem.h"

/* Waiters look at the world at least this often, should a wake-up get lost. */
#define FC_WAIT_SLICE_MS 1000

typedef enum FcRequestState
{
	FC_REQUEST_FREE,
	FC_REQUEST_QUEUED,			/* no worker has it yet */
	FC_REQUEST_TAKEN,			/* a worker is at it */
	FC_REQUEST_DONE				/* answer is set */
} FcRequestState;

typedef struct FcRequestSlot
{
	FcRequestState state;
	uint64		ticket;			/* of the request in it; 0 when free */
	FcRequest	request;
	FcAnswer	answer;
	ConditionVariable cv;
} FcRequestSlot;

typedef struct FcRequestTable
{
	uint64		last_ticket;
	FcRequestSlot slots[FC_REQUEST_SLOTS];
} FcRequestTable;

static FcRequestTable *fc_requests = NULL;

static int	fc_request_put(const FcRequest *request);
static void fc_request_wait(int i, const FcRequest *request, int timeout_ms,
							FcAnswer *answer);
static bool fc_request_done(int i, FcAnswer *answer);
static void fc_request_leave(int code, Datum arg);
static void fc_answer_fail(FcAnswer *answer, FcStatus status, const char *message);

Size
fc_requests_shmem_size(void)
{
	return sizeof(FcRequestTable);
}

void
fc_requests_shmem_init(bool found)
{
	bool		ours;
	int			i;

	fc_requests = ShmemInitStruct("fieldcrypt requests", sizeof(FcRequestTable), &ours);
	if (ours)
		return;
	memset(fc_requests, 0, sizeof(FcRequestTable));
	for (i = 0; i < FC_REQUEST_SLOTS; i++)
		ConditionVariableInit(&fc_requests->slots[i].cv);
}

void
fc_request_run(const FcRequest *request, int timeout_ms, FcAnswer *answer)
{
	char		message[FC_KMS_MESSAGE_MAX];
	int			slot;

	if (!fc_providers_require(request->provider, timeout_ms, message))
	{
		fc_answer_fail(answer, FC_ERR_KMS_CONFIG, message);
		return;
	}

	slot = fc_request_put(request);
	if (slot < 0)
	{
		fc_answer_fail(answer, FC_ERR_KMS_RETRY,
					   "too many requests to key management services at once");
		return;
	}

	/* Also on FATAL, which no PG_TRY sees. */
	PG_ENSURE_ERROR_CLEANUP(fc_request_leave, Int32GetDatum(slot));
	{
		fc_providers_wake(request->provider);
		fc_request_wait(slot, request, timeout_ms, answer);
	}
	PG_END_ENSURE_ERROR_CLEANUP(fc_request_leave, Int32GetDatum(slot));
	fc_request_leave(0, Int32GetDatum(slot));
}

/*
 * Queue a request; -1 if all slots are in use.  Not inlined: its variables
 * have no business in a frame that an error jumps back into.
 */
static pg_noinline int
fc_request_put(const FcRequest *request)
{
	int			found = -1;
	int			i;

	LWLockAcquire(fc_lock(FC_LOCK_REQUESTS), LW_EXCLUSIVE);
	for (i = 0; i < FC_REQUEST_SLOTS && found < 0; i++)
	{
		FcRequestSlot *slot = &fc_requests->slots[i];

		if (slot->state != FC_REQUEST_FREE)
			continue;
		slot->state = FC_REQUEST_QUEUED;
		slot->ticket = ++fc_requests->last_ticket;
		slot->request = *request;
		found = i;
	}
	LWLockRelease(fc_lock(FC_LOCK_REQUESTS));
	return found;
}

static void
fc_request_wait(int i, const FcRequest *request, int timeout_ms, FcAnswer *answer)
{
	TimestampTz start = GetCurrentTimestamp();

	while (!fc_request_done(i, answer))
	{
		long		left = timeout_ms - TimestampDifferenceMilliseconds(start, GetCurrentTimestamp());
		char		message[FC_KMS_MESSAGE_MAX];

		if (left <= 0)
		{
			snprintf(message, sizeof(message),
					 "provider \"%s\" did not answer within %d ms",
					 request->provider, timeout_ms);
			fc_answer_fail(answer, FC_ERR_KMS_RETRY, message);
			return;
		}
		CHECK_FOR_INTERRUPTS();
		fc_maintain_yield();
		if (ConditionVariableTimedSleep(&fc_requests->slots[i].cv,
										Min(left, FC_WAIT_SLICE_MS), PG_WAIT_EXTENSION))
			fc_providers_wake(request->provider);
	}
}

static bool
fc_request_done(int i, FcAnswer *answer)
{
	FcRequestSlot *slot = &fc_requests->slots[i];
	bool		done;

	LWLockAcquire(fc_lock(FC_LOCK_REQUESTS), LW_SHARED);
	done = slot->state == FC_REQUEST_DONE;
	if (done)
		*answer = slot->answer;
	LWLockRelease(fc_lock(FC_LOCK_REQUESTS));
	return done;
}

/* Free the slot, whatever became of the request. */
static void
fc_request_leave(int code, Datum arg)
{
	FcRequestSlot *slot = &fc_requests->slots[DatumGetInt32(arg)];

	ConditionVariableCancelSleep();
	LWLockAcquire(fc_lock(FC_LOCK_REQUESTS), LW_EXCLUSIVE);
	slot->state = FC_REQUEST_FREE;
	slot->ticket = 0;
	LWLockRelease(fc_lock(FC_LOCK_REQUESTS));
}

static void
fc_answer_fail(FcAnswer *answer, FcStatus status, const char *message)
{
	memset(answer, 0, sizeof(*answer));
	answer->status = status;
	strlcpy(answer->message, message, sizeof(answer->message));
}

void
fc_answer_step(FcAnswer *answer, const char *step, FcStatus status, int64 micros,
			   const char *detail)
{
	FcCheckStep *row = &answer->steps[answer->nsteps];

	if (answer->nsteps == FC_CHECK_STEPS_MAX)
		return;
	answer->nsteps++;
	strlcpy(row->step, step, sizeof(row->step));
	row->ok = status == FC_OK;
	row->millis = (int) Min(Max(micros, 0) / 1000, PG_INT32_MAX);
	strlcpy(row->detail, detail, sizeof(row->detail));
}

bool
fc_request_take(const char *provider, int *slot, uint64 *ticket, FcRequest *request)
{
	int			oldest = -1;
	int			i;

	LWLockAcquire(fc_lock(FC_LOCK_REQUESTS), LW_EXCLUSIVE);
	for (i = 0; i < FC_REQUEST_SLOTS; i++)
	{
		FcRequestSlot *s = &fc_requests->slots[i];

		if (s->state == FC_REQUEST_QUEUED &&
			strcmp(s->request.provider, provider) == 0 &&
			(oldest < 0 || s->ticket < fc_requests->slots[oldest].ticket))
			oldest = i;
	}
	if (oldest >= 0)
	{
		FcRequestSlot *s = &fc_requests->slots[oldest];

		s->state = FC_REQUEST_TAKEN;
		*slot = oldest;
		*ticket = s->ticket;
		*request = s->request;
	}
	LWLockRelease(fc_lock(FC_LOCK_REQUESTS));
	return oldest >= 0;
}

void
fc_request_answer(int slot, uint64 ticket, const FcAnswer *answer)
{
	FcRequestSlot *s = &fc_requests->slots[slot];
	bool		ours;

	LWLockAcquire(fc_lock(FC_LOCK_REQUESTS), LW_EXCLUSIVE);
	ours = s->state == FC_REQUEST_TAKEN && s->ticket == ticket;
	if (ours)
	{
		s->answer = *answer;
		s->state = FC_REQUEST_DONE;
	}
	LWLockRelease(fc_lock(FC_LOCK_REQUESTS));
	if (ours)
		ConditionVariableBroadcast(&s->cv);
}

void
fc_requests_abandon(const char *provider)
{
	int			i;

	for (i = 0; i < FC_REQUEST_SLOTS; i++)
	{
		FcRequestSlot *s = &fc_requests->slots[i];
		bool		failed;

		LWLockAcquire(fc_lock(FC_LOCK_REQUESTS), LW_EXCLUSIVE);
		failed = s->state == FC_REQUEST_TAKEN &&
			strcmp(s->request.provider, provider) == 0;
		if (failed)
		{
			fc_answer_fail(&s->answer, FC_ERR_KMS_RETRY,
						   "the worker of the provider stopped before it answered");
			s->state = FC_REQUEST_DONE;
		}
		LWLockRelease(fc_lock(FC_LOCK_REQUESTS));
		if (failed)
			ConditionVariableBroadcast(&s->cv);
	}
}
