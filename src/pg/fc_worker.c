/*-------------------------------------------------------------------------
 *
 * fc_worker.c
 *		The worker of one provider: the only kind of process that talks to a
 *		key management service, and the only file of pg/ that sees kms/.
 *
 * A worker has no database.  It reads its own section of the provider file,
 * makes an instance of the provider's type, and serves two queues: requests of
 * backends (a new wrapped key, a check, the end of a KMS key) and jobs of the
 * key cache (unwrap, refresh).  Either becomes a task, and a task is one or
 * several calls of the provider, one after the other.  A call that wants the
 * network is handed to the transport and the worker goes on; so many tasks can
 * be under way, and a slow service delays only what waits for it.
 *
 * Secrets: a root secret lives in a task and in its call, both wiped when the
 * task ends and when the process exits, whatever the reason; a master key
 * lives on the stack between derivation and publication.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/prctl.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "crypto/fc_crypto.h"
#include "crypto/fc_keys.h"
#include "kms/fc_kms.h"
#include "pg/fc_guc.h"
#include "pg/fc_keycache.h"
#include "pg/fc_providers.h"
#include "pg/fc_requests.h"
#include "pg/fc_transfer.h"
#include "pg/fc_worker.h"
#include "pg/fc_worker_check.h"
#include "pg/fc_worker_setup.h"

/* Calls in flight at once; more wait in shared memory. */
#define FC_TASKS_MAX		16

/* The worker looks round this often without being asked to. */
#define FC_WORKER_NAP_MS	10000

typedef enum FcTaskKind
{
	FC_TASK_FREE,
	FC_TASK_UNWRAP,				/* a job of the key cache */
	FC_TASK_CREATE,				/* FC_REQUEST_CREATE, and others once root is here */
	FC_TASK_CHECK,				/* FC_REQUEST_CHECK */
	FC_TASK_OPEN,				/* FC_REQUEST_VERIFY, REWRAP, HAND_OUT: unwrap what there is */
	FC_TASK_DELETE,				/* FC_REQUEST_DELETE */
	FC_TASK_UPKEEP				/* of the provider's session */
} FcTaskKind;

typedef struct FcTask
{
	FcTaskKind	kind;
	FcSetup    *setup;
	bool		in_flight;		/* the transport has call.http */
	bool		waiting;		/* for another task's login */
	TimestampTz deadline;
	TimestampTz step_started;
	TimestampTz sent;			/* the exchange under way */
	char		kms_key[FC_KMS_KEY_MAX];
	char		context[FC_CONTEXT_TEXT_MAX];
	FcSecret	root;			/* CREATE, CHECK: what is wrapped */
	FcKmsCall	call;

	FcKeyJob	job;			/* UNWRAP */
	int			request_slot;	/* all but UNWRAP */
	uint64		request_ticket;
	FcRequest	request;
	FcAnswer	answer;
	FcCheckTrace trace;			/* CHECK */
} FcTask;

static char fc_name[FC_KMS_NAME_MAX];	/* the provider's */
static FcSetup *fc_setup = NULL;
static FcTask fc_tasks[FC_TASKS_MAX];

static void load_setup(void);
static void worker_exit(int code, Datum arg);
static long worker_turn(void);
static void worker_wait(long nap);

static FcTask *task_slot(void);
static void task_start_job(FcTask *task);
static void task_start_request(FcTask *task);
static void task_start_move(FcTask *task);
static void task_start_delete(FcTask *task);
static long task_start_upkeep(long nap);
static void task_call(FcTask *task, FcKmsOp op);
static void task_resume(FcTask *task);
static void task_advance(FcTask *task, FcKmsStep step);
static void task_unwrapped(FcTask *task);
static bool task_made(FcTask *task, FcKmsOp *next);
static bool task_opened(FcTask *task, FcKmsOp *next);
static void task_deleted(FcTask *task);
static void task_answer(FcTask *task, FcStatus status, const char *message);
static void task_end(FcTask *task);

/*
 * Life of the process
 */

void
fc_worker_main(Datum arg)
{
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGUSR1, procsignal_sigusr1_handler);
	BackgroundWorkerUnblockSignals();

	/* Root secrets pass through this process: no core files, no ptrace. */
	(void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);

	strlcpy(fc_name, MyBgworkerEntry->bgw_extra, sizeof(fc_name));
	before_shmem_exit(worker_exit, (Datum) 0);
	fc_requests_abandon(fc_name);
	fc_keycache_abandon(fc_name);
	fc_providers_attach(fc_name);
	load_setup();

	while (!ShutdownRequestPending)
	{
		long		nap;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			load_setup();
		}
		nap = worker_turn();
		fc_crypto_statement_end();
		fc_stack_wipe();
		if (!ShutdownRequestPending)
			worker_wait(nap);
	}
	proc_exit(0);
}

/* A new configuration may let jobs succeed that failed. */
static void
load_setup(void)
{
	if (fc_setup_load(fc_name, &fc_setup))
		fc_keycache_hurry(fc_name);
}

/* Runs on errors too: nothing secret and nothing taken is left behind. */
static void
worker_exit(int code, Datum arg)
{
	fc_wipe(fc_tasks, sizeof(fc_tasks));
	fc_random_wipe();
	fc_providers_detach(fc_name);
	fc_requests_abandon(fc_name);
	fc_keycache_abandon(fc_name);
}

/*
 * Advance what the transport has finished, take new work, and say how long
 * there is nothing to do.
 */
static long
worker_turn(void)
{
	const FcKmsTransport *transport = fc_kms_transport();
	TimestampTz now = GetCurrentTimestamp();
	long		nap = FC_WORKER_NAP_MS;
	long		wait_ms = -1;
	FcTask	   *task;
	int			i;

	transport->run();
	for (i = 0; i < FC_TASKS_MAX; i++)
	{
		task = &fc_tasks[i];
		if (task->kind == FC_TASK_FREE || !task->in_flight)
			continue;
		if (now < task->deadline && !transport->finished(&task->call.http))
			nap = Min(nap, TimestampDifferenceMilliseconds(now, task->deadline));
		else
			task_resume(task);
	}

	/* A login may have ended just now. */
	for (i = 0; i < FC_TASKS_MAX; i++)
	{
		task = &fc_tasks[i];
		if (task->kind == FC_TASK_FREE || !task->waiting)
			continue;
		nap = Min(nap, TimestampDifferenceMilliseconds(now, task->deadline));
		task->waiting = false;
		task_advance(task, task->setup->provider->resume(task->setup->instance, &task->call));
	}

	if (fc_setup != NULL)
	{
		FcKmsSession session = fc_kms_session(fc_setup->provider, fc_setup->instance);

		fc_providers_session(fc_name, session.state, session.left_ms);
	}
	nap = task_start_upkeep(nap);
	fc_keycache_expire(fc_name);
	while (!ShutdownRequestPending && (task = task_slot()) != NULL)
	{
		if (fc_request_take(fc_name, &task->request_slot, &task->request_ticket, &task->request))
			task_start_request(task);
		else if (fc_keycache_next_job(fc_name, &task->job, &wait_ms))
			task_start_job(task);
		else
			break;
	}
	return wait_ms >= 0 ? Min(nap, wait_ms) : nap;
}

/* Wait for the latch, and for the transport where there is one at work. */
static void
worker_wait(long nap)
{
	const FcKmsTransport *transport = fc_kms_transport();
	int			events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH;
	pgsocket	sock = transport->descriptor();
	long		timeout = transport->timeout();

	if (timeout >= 0)
		nap = Min(nap, timeout);
	if (sock == PGINVALID_SOCKET)
		(void) WaitLatch(MyLatch, events, nap, PG_WAIT_EXTENSION);
	else
		(void) WaitLatchOrSocket(MyLatch, events | WL_SOCKET_READABLE, sock, nap,
								 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

/*
 * Tasks
 */

static FcTask *
task_slot(void)
{
	int			i;

	for (i = 0; i < FC_TASKS_MAX; i++)
		if (fc_tasks[i].kind == FC_TASK_FREE)
			return &fc_tasks[i];
	return NULL;
}

static void
task_start_job(FcTask *task)
{
	const FcKeySource *source = &task->job.source;
	char		message[FC_KMS_MESSAGE_MAX];
	FcStatus	status = fc_setup_permitted(fc_setup, source->dbname, source->kms_key, message);

	if (status == FC_OK && (source->blob_len <= 0 || source->blob_len > FC_KMS_BLOB_MAX))
	{
		status = FC_ERR_KMS_DATA;
		strlcpy(message, "the wrapped key has an impossible length", sizeof(message));
	}
	if (status != FC_OK)
	{
		fc_worker_job_failed(&task->job, status, message, 0);
		return;
	}

	task->kind = FC_TASK_UNWRAP;
	task->setup = fc_setup_use(fc_setup);
	strlcpy(task->kms_key, source->kms_key, sizeof(task->kms_key));
	fc_context_text(&source->id.context, task->context);
	task_call(task, FC_KMS_UNWRAP);
}

static void
task_start_request(FcTask *task)
{
	const FcRequest *request = &task->request;
	bool		create = request->kind == FC_REQUEST_CREATE;
	char		message[FC_KMS_MESSAGE_MAX] = "";
	FcStatus	status;

	memset(&task->answer, 0, sizeof(task->answer));
	strlcpy(task->kms_key, request->kms_key, sizeof(task->kms_key));
	if (task->kms_key[0] == '\0' && fc_setup != NULL)
		strlcpy(task->kms_key, fc_setup->key, sizeof(task->kms_key));
	strlcpy(task->answer.kms_key, task->kms_key, sizeof(task->answer.kms_key));

	if (request->kind == FC_REQUEST_DELETE)
	{
		task_start_delete(task);
		return;
	}
	if (!create && request->kind != FC_REQUEST_CHECK)
	{
		task_start_move(task);
		return;
	}
	status = fc_setup_permitted(fc_setup, request->dbname, task->kms_key, message);
	task->step_started = GetCurrentTimestamp();
	if (!create)
		fc_answer_step(&task->answer, "configuration", status, 0, message);
	if (status == FC_OK)
	{
		status = fc_random(&task->root, sizeof(task->root));
		if (status != FC_OK)
			strlcpy(message, fc_status_name(status), sizeof(message));
	}
	if (status != FC_OK)
	{
		task_answer(task, status, message);
		return;
	}

	task->kind = create ? FC_TASK_CREATE : FC_TASK_CHECK;
	task->setup = fc_setup_use(fc_setup);
	if (create)
		fc_context_text(&request->context, task->context);
	else
		strlcpy(task->context, FC_CHECK_CONTEXT, sizeof(task->context));

	/* all of a check in less time than the backend waits, so that it has an answer */
	if (!create)
		task->deadline = task->step_started +
			(int64) Min(task->setup->timeout_ms, fc_guc_kms_timeout) * 900;
	task_call(task, create ? FC_KMS_WRAP : FC_KMS_CHECK);
}

/*
 * A root secret that exists: unwrap what it is wrapped in, or take it from
 * another worker.  Once it is in task->root, the rest is that of a new key.
 */
static void
task_start_move(FcTask *task)
{
	const FcRequest *request = &task->request;
	const FcWrapped *old = &request->old;
	bool		take = request->kind == FC_REQUEST_TAKE_OVER;
	bool		wraps = take || request->kind == FC_REQUEST_REWRAP;
	char		message[FC_KMS_MESSAGE_MAX];
	FcStatus	status = FC_OK;

	if (wraps)
		status = fc_setup_permitted(fc_setup, request->dbname, task->kms_key, message);
	if (status == FC_OK && !take)
		status = fc_setup_permitted(fc_setup, request->dbname, old->kms_key, message);
	if (status == FC_OK && !take && (old->blob_len <= 0 || old->blob_len > FC_KMS_BLOB_MAX))
	{
		status = FC_ERR_KMS_DATA;
		strlcpy(message, "the wrapped key has an impossible length", sizeof(message));
	}
	if (status == FC_OK && take &&
		!fc_transfer_take(&request->transfer, &request->context, &task->root))
	{
		status = FC_ERR_KMS_RETRY;
		strlcpy(message, "the key that was to be taken over is not there any more", sizeof(message));
	}
	if (status != FC_OK)
	{
		task_answer(task, status, message);
		return;
	}

	task->kind = take ? FC_TASK_CREATE : FC_TASK_OPEN;
	task->setup = fc_setup_use(fc_setup);
	fc_context_text(&request->context, task->context);
	if (!take)
	{
		strlcpy(task->kms_key, old->kms_key, sizeof(task->kms_key));
		memcpy(task->answer.blob, old->blob, old->blob_len);
		task->answer.blob_len = old->blob_len;
	}
	task_call(task, take ? FC_KMS_WRAP : FC_KMS_UNWRAP);
}

/*
 * A KMS key that is not listed is none of ours: not even an error.  One that is
 * listed, and that another database is seen to use, is listed by mistake.
 */
static void
task_start_delete(FcTask *task)
{
	const FcRequest *request = &task->request;
	char		message[FC_KMS_MESSAGE_MAX];
	FcStatus	status;

	task->answer.left = fc_setup != NULL && !fc_setup_deletes(fc_setup, task->kms_key);
	if (task->answer.left)
	{
		task_answer(task, FC_OK, "");
		return;
	}
	status = fc_setup_permitted(fc_setup, request->dbname, task->kms_key, message);
	if (status == FC_OK && request->used_by[0] != '\0')
	{
		status = FC_ERR_KMS_CONFIG;
		snprintf(message, sizeof(message),
				 "option \"delete_keys\" lists it, but database \"%s\" uses it too", request->used_by);
	}
	if (status != FC_OK)
	{
		task_answer(task, status, message);
		return;
	}
	task->kind = FC_TASK_DELETE;
	task->setup = fc_setup_use(fc_setup);
	task_call(task, FC_KMS_DELETE);
}

/* If the session wants it now; otherwise the nap lasts no longer than until then. */
static long
task_start_upkeep(long nap)
{
	bool		any = fc_setup != NULL && fc_setup->provider->upkeep_due != NULL;
	long		due = any ? fc_setup->provider->upkeep_due(fc_setup->instance) : -1;
	FcTask	   *task = due == 0 ? task_slot() : NULL;

	if (task == NULL)
		return due > 0 ? Min(nap, due) : nap;
	task->kind = FC_TASK_UPKEEP;
	task->setup = fc_setup_use(fc_setup);
	strlcpy(task->kms_key, fc_setup->key, sizeof(task->kms_key));
	task_call(task, FC_KMS_UPKEEP);
	return nap;
}

/* Make a call of the provider, and the calls that follow from it. */
static void
task_call(FcTask *task, FcKmsOp op)
{
	FcKmsCall  *call = &task->call;
	const uint8 *blob = task->kind == FC_TASK_UNWRAP ? task->job.source.blob : task->answer.blob;
	int			blob_len = task->kind == FC_TASK_UNWRAP ? task->job.source.blob_len : task->answer.blob_len;

	fc_wipe(call, sizeof(*call));
	call->op = op;
	call->kms_key = task->kms_key;
	call->context = task->context;
	call->fresh_login = op == FC_KMS_CHECK ||
		(task->kind == FC_TASK_UNWRAP && task->job.denial_pending);
	if (op == FC_KMS_WRAP)
		call->secret = task->root;
	if (op == FC_KMS_UNWRAP)
	{
		memcpy(call->blob, blob, blob_len);
		call->blob_len = blob_len;
	}

	task->step_started = GetCurrentTimestamp();
	if (task->kind != FC_TASK_CHECK)
		task->deadline = task->step_started + (int64) task->setup->timeout_ms * 1000;
	task_advance(task, task->setup->provider->begin(task->setup->instance, call));
}

/* The exchange has ended, or its time is up: take the next step. */
static void
task_resume(FcTask *task)
{
	const FcKmsTransport *transport = fc_kms_transport();
	FcKmsHttp  *http = &task->call.http;
	bool		late = !transport->finished(http);
	FcKmsStep	step;

	if (late)
	{
		transport->release(http);
		http->transport = FC_ERR_KMS_RETRY;
		snprintf(http->transport_error, sizeof(http->transport_error),
				 "no answer within %d ms", task->setup->timeout_ms);
	}
	if (task->kind == FC_TASK_CHECK)
		fc_check_note(&task->trace, &task->call, task->sent);
	step = task->setup->provider->resume(task->setup->instance, &task->call);
	if (!late)
		transport->release(http);
	task->in_flight = false;
	task_advance(task, step);
}

/*
 * A step of the provider has ended: hand its exchange to the transport, or
 * see what comes after the call.
 */
static void
task_advance(FcTask *task, FcKmsStep step)
{
	const FcKmsTransport *transport = fc_kms_transport();
	FcKmsOp		next;

	if (step != FC_KMS_DONE)
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), task->deadline);

		if (left > 0)
		{
			task->waiting = step == FC_KMS_WAIT;
			task->in_flight = step == FC_KMS_WANT_HTTP;
			if (task->in_flight)
			{
				task->sent = GetCurrentTimestamp();
				/* a login, too: a connection that is open has the old client certificate */
				task->call.http.fresh = task->call.op == FC_KMS_CHECK || task->call.logging_in;
				transport->start(&task->call.http, (int) left);
			}
			return;
		}
		(void) fc_kms_fail(&task->call.error, FC_ERR_KMS_RETRY, 0,
						   "no answer within %d ms", task->setup->timeout_ms);
	}

	task->setup->provider->finish(task->setup->instance, &task->call);
	if (task->call.op == FC_KMS_WRAP && task->call.error.status == FC_OK &&
		(task->call.blob_len == 0 || task->call.blob_len > FC_KMS_BLOB_MAX))
		(void) fc_kms_fail(&task->call.error, FC_ERR_KMS_DATA, 0,
						   "the KMS returned a wrapped key of impossible length");
	fc_setup_locate(task->setup, &task->call.error);
	/* a role that may not delete keys can still wrap and unwrap with them */
	if (task->kind != FC_TASK_UPKEEP && task->kind != FC_TASK_DELETE &&
		fc_providers_note(fc_name, task->call.error.status, task->call.error.message,
						  task->step_started))
		fc_worker_log_state(fc_name);

	/* At most three calls follow one another. */
	if (task->kind == FC_TASK_UNWRAP)
		task_unwrapped(task);
	else if (task->kind == FC_TASK_DELETE)
		task_deleted(task);
	else if (task->kind != FC_TASK_UPKEEP &&
			 (task->kind == FC_TASK_OPEN ? task_opened(task, &next) : task_made(task, &next)))
	{
		task_call(task, next);
		return;
	}
	task_end(task);
}

/* R is here, or is not: compare, derive K, publish. */
static void
task_unwrapped(FcTask *task)
{
	const FcKeySource *source = &task->job.source;
	FcKmsCall  *call = &task->call;
	FcStatus	status = call->error.status;
	const char *message = call->error.message;
	uint8		kcv[FC_KCV_BYTES] = {0};
	FcSecret	key = {{0}};

	if (status == FC_OK)
		status = fc_kcv(&call->secret, &source->id.context, kcv);
	if (status == FC_OK && !fc_equal_ct(kcv, source->kcv, sizeof(kcv)))
	{
		status = FC_ERR_KCV;
		message = "the KMS returned another key than the one that was wrapped";
	}
	if (status == FC_OK)
		status = fc_derive_key(&call->secret, &source->id.context, &key);

	if (status == FC_OK)
		fc_keycache_publish(&task->job, &key);
	else
		fc_worker_job_failed(&task->job, status,
						message[0] ? message : fc_status_name(status),
						call->error.retry_after_ms);
	fc_secret_wipe(&key);
	fc_wipe(kcv, sizeof(kcv));
}

/*
 * A new key, and a check likewise: wrapped, then unwrapped again from the very
 * bytes that will be stored, and compared.  A service that cannot open what it
 * has just closed must be found out before anything is encrypted.
 */
static bool
task_made(FcTask *task, FcKmsOp *next)
{
	FcKmsCall  *call = &task->call;
	FcAnswer   *answer = &task->answer;
	bool		check = task->kind == FC_TASK_CHECK;
	FcStatus	status = call->error.status;
	const char *message = call->error.message;

	if (check && call->op == FC_KMS_CHECK)
		fc_check_reached(&task->trace, task->setup, call, answer);
	else if (check)
		fc_answer_step(answer, call->op == FC_KMS_WRAP ? "wrap" : "unwrap", status,
					   GetCurrentTimestamp() - task->step_started, message);
	if (status == FC_OK && call->op == FC_KMS_WRAP)
	{
		memcpy(answer->blob, call->blob, call->blob_len);
		answer->blob_len = (int) call->blob_len;
	}
	if (status == FC_OK && call->op != FC_KMS_UNWRAP)
	{
		*next = call->op == FC_KMS_CHECK ? FC_KMS_WRAP : FC_KMS_UNWRAP;
		return true;
	}

	if (status == FC_OK)
	{
		task->step_started = GetCurrentTimestamp();
		if (!fc_equal_ct(&call->secret, &task->root, sizeof(FcSecret)))
		{
			status = FC_ERR_KMS_DATA;
			message = "the KMS returned another key than the one that was wrapped";
		}
		else if (!check && (status = fc_kcv(&task->root, &task->request.context, answer->kcv)) != FC_OK)
			message = fc_status_name(status);
		if (check)
			fc_answer_step(answer, "compare", status,
						   GetCurrentTimestamp() - task->step_started, message);
	}
	if (check)
		answer->blob_len = 0;	/* a check makes no key */
	task_answer(task, status, message);
	return false;
}

/*
 * What was wrapped is open, or is not.  Only what has the check value of its
 * row goes any further.
 */
static bool
task_opened(FcTask *task, FcKmsOp *next)
{
	const FcRequest *request = &task->request;
	FcKmsCall  *call = &task->call;
	FcStatus	status = call->error.status;
	const char *message = call->error.message;
	uint8		kcv[FC_KCV_BYTES] = {0};

	task->answer.blob_len = 0;
	if (status == FC_OK && (status = fc_kcv(&call->secret, &request->context, kcv)) != FC_OK)
		message = fc_status_name(status);
	if (status == FC_OK && !fc_equal_ct(kcv, request->old.kcv, sizeof(kcv)))
	{
		status = FC_ERR_KCV;
		message = "the KMS returned another key than the one that was wrapped";
	}
	fc_wipe(kcv, sizeof(kcv));

	if (status == FC_OK && request->kind == FC_REQUEST_REWRAP)
	{
		task->root = call->secret;
		task->kind = FC_TASK_CREATE;
		strlcpy(task->kms_key, task->answer.kms_key, sizeof(task->kms_key));
		*next = FC_KMS_WRAP;
		return true;
	}
	if (status == FC_OK && request->kind == FC_REQUEST_HAND_OUT &&
		!fc_transfer_put(&request->transfer, &request->context, &call->secret))
	{
		status = FC_ERR_KMS_RETRY;
		message = "nobody waits for the key any more";
	}
	task_answer(task, status, message);
	return false;
}

static void
task_deleted(FcTask *task)
{
	const FcKmsCall *call = &task->call;
	bool		done = call->error.status == FC_OK;

	if (done)
		fc_worker_log_deleted(fc_name, task->kms_key, task->request.dbname, call->outcome);
	task_answer(task, call->error.status, done ? call->outcome : call->error.message);
}

/* Nothing but the wrapped key and its check value leaves the worker. */
static void
task_answer(FcTask *task, FcStatus status, const char *message)
{
	task->answer.status = status;
	strlcpy(task->answer.message, message, sizeof(task->answer.message));
	if (status != FC_OK)
		task->answer.blob_len = 0;
	fc_request_answer(task->request_slot, task->request_ticket, &task->answer);
}

/* Wipe and release a task that has ended. */
static void
task_end(FcTask *task)
{
	FcSetup    *setup = task->setup;

	fc_wipe(task, sizeof(*task));
	fc_setup_release(setup);
}
