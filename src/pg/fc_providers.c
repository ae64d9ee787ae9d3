/*-------------------------------------------------------------------------
 *
 * fc_providers.c
 *		The table of configured providers in shared memory (see
 *		fc_providers.h).
 *
 * A worker's row names its process by its index in ProcGlobal->allProcs, so
 * that its latch can be set without a pointer in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "pg/fc_compat.h"
#include "pg/fc_providers.h"
#include "pg/fc_shmem.h"

/* Waiters for the first reading look again at least this often. */
#define FC_WAIT_SLICE_MS 200

/*
 * Latencies are told of this many calls, the latest: a percentile of all calls
 * since the start would hide what the KMS does now.
 */
#define FC_LATENCIES 128

typedef struct FcProviderRow
{
	FcProviderInfo info;
	int			procno;			/* of the worker, valid while info.pid != 0 */
	uint64		ntimed;			/* calls timed since the start */
	uint32		micros[FC_LATENCIES];	/* a ring of the latest */
} FcProviderRow;

typedef struct FcProviderTable
{
	bool		loaded;			/* the launcher has read the file once */
	ConditionVariable loaded_cv;
	char		file_problem[FC_KMS_MESSAGE_MAX];
	int			nrows;
	FcProviderRow rows[FC_PROVIDERS_MAX];
} FcProviderTable;

static FcProviderTable *fc_table = NULL;

static FcProviderRow *fc_row(const char *name);
static int	fc_compare_micros(const void *a, const void *b);
static void fc_quantiles(uint32 *micros, int n, FcProviderInfo *info);
static bool fc_table_loaded(void);
static bool fc_section_has(const FcProviderSection *section, const char *option);
static bool fc_row_set_state(FcProviderRow *row, FcProviderState state,
							 const char *message);
static void fc_row_time(FcProviderRow *row, TimestampTz begun);

Size
fc_providers_shmem_size(void)
{
	return sizeof(FcProviderTable);
}

void
fc_providers_shmem_init(bool found)
{
	bool		ours;

	fc_table = ShmemInitStruct("fieldcrypt providers", sizeof(FcProviderTable), &ours);
	if (ours)
		return;
	memset(fc_table, 0, sizeof(FcProviderTable));
	ConditionVariableInit(&fc_table->loaded_cv);
}

/* Row of a provider, or NULL; the lock is held. */
static FcProviderRow *
fc_row(const char *name)
{
	int			i;

	for (i = 0; i < fc_table->nrows; i++)
		if (strcmp(fc_table->rows[i].info.name, name) == 0)
			return &fc_table->rows[i];
	return NULL;
}

/*
 * Readers
 */

static int
fc_compare_micros(const void *a, const void *b)
{
	uint32		x = *(const uint32 *) a;
	uint32		y = *(const uint32 *) b;

	return (x > y) - (x < y);
}

/* The smallest value that is at least as long as the share of all of them. */
static void
fc_quantiles(uint32 *micros, int n, FcProviderInfo *info)
{
	info->p50_ms = info->p99_ms = -1;
	if (n == 0)
		return;
	qsort(micros, n, sizeof(uint32), fc_compare_micros);
	info->p50_ms = micros[(n * 50 + 99) / 100 - 1] / 1000.0;
	info->p99_ms = micros[(n * 99 + 99) / 100 - 1] / 1000.0;
}

bool
fc_providers_info(int i, FcProviderInfo *info)
{
	uint32		micros[FC_LATENCIES];
	int			n = 0;
	bool		found;

	LWLockAcquire(fc_lock(FC_LOCK_PROVIDERS), LW_SHARED);
	found = i >= 0 && i < fc_table->nrows;
	if (found)
	{
		const FcProviderRow *row = &fc_table->rows[i];

		*info = row->info;
		n = (int) Min(row->ntimed, FC_LATENCIES);
		memcpy(micros, row->micros, n * sizeof(uint32));
	}
	LWLockRelease(fc_lock(FC_LOCK_PROVIDERS));
	if (found)
		fc_quantiles(micros, n, info);
	return found;
}

bool
fc_providers_find(const char *name, FcProviderInfo *info)
{
	FcProviderRow *row;
	bool		found;

	LWLockAcquire(fc_lock(FC_LOCK_PROVIDERS), LW_SHARED);
	row = fc_row(name);
	found = row != NULL;
	if (found)
		*info = row->info;
	LWLockRelease(fc_lock(FC_LOCK_PROVIDERS));
	return found;
}

/*
 * The latch is set under the lock: the worker clears its pid under the
 * exclusive one before its PGPROC can become somebody else's.
 */
void
fc_providers_wake(const char *name)
{
	FcProviderRow *row;

	LWLockAcquire(fc_lock(FC_LOCK_PROVIDERS), LW_SHARED);
	row = fc_row(name);
	if (row != NULL && row->info.pid != 0)
		SetLatch(&ProcGlobal->allProcs[row->procno].procLatch);
	LWLockRelease(fc_lock(FC_LOCK_PROVIDERS));
}

void
fc_providers_file_problem(char out[FC_KMS_MESSAGE_MAX])
{
	LWLockAcquire(fc_lock(FC_LOCK_PROVIDERS), LW_SHARED);
	strlcpy(out, fc_table->file_problem, FC_KMS_MESSAGE_MAX);
	LWLockRelease(fc_lock(FC_LOCK_PROVIDERS));
}

static bool
fc_table_loaded(void)
{
	bool		loaded;

	LWLockAcquire(fc_lock(FC_LOCK_PROVIDERS), LW_SHARED);
	loaded = fc_table->loaded;
	LWLockRelease(fc_lock(FC_LOCK_PROVIDERS));
	return loaded;
}

bool
fc_providers_require(const char *name, int timeout_ms, char message[FC_KMS_MESSAGE_MAX])
{
	FcProviderInfo info;
	TimestampTz start = GetCurrentTimestamp();
	char		problem[FC_KMS_MESSAGE_MAX];

	message[0] = '\0';
	if (!IsUnderPostmaster || IsBinaryUpgrade)
	{
		strlcpy(message, "key management services are not reachable in single-user and upgrade mode",
				FC_KMS_MESSAGE_MAX);
		return false;
	}

	while (!fc_table_loaded() &&
		   !TimestampDifferenceExceeds(start, GetCurrentTimestamp(), timeout_ms))
	{
		CHECK_FOR_INTERRUPTS();
		(void) ConditionVariableTimedSleep(&fc_table->loaded_cv, FC_WAIT_SLICE_MS,
										   PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();

	if (fc_providers_find(name, &info))
		return true;

	fc_providers_file_problem(problem);
	snprintf(message, FC_KMS_MESSAGE_MAX,
			 "provider \"%s\" is not configured on this server%s%s",
			 name, problem[0] ? ": " : "", problem);
	return false;
}

/*
 * The launcher
 */

static bool
fc_section_has(const FcProviderSection *section, const char *option)
{
	int			i;

	for (i = 0; i < section->noptions; i++)
		if (strcmp(section->options[i].name, option) == 0)
			return true;
	return false;
}

void
fc_providers_sync(const FcProviderFile *file)
{
	FcProviderTable *fresh = palloc0(sizeof(FcProviderTable));
	TimestampTz now = GetCurrentTimestamp();
	int			i;

	LWLockAcquire(fc_lock(FC_LOCK_PROVIDERS), LW_EXCLUSIVE);
	if (file->problem == NULL || file->missing)
	{
		for (i = 0; i < file->nsections; i++)
		{
			const FcProviderSection *section = &file->sections[i];
			FcProviderRow *old = fc_row(section->name);
			FcProviderRow *row = &fresh->rows[i];

			if (old != NULL)
				*row = *old;
			else
			{
				strlcpy(row->info.name, section->name, sizeof(row->info.name));
				strlcpy(row->info.type, section->type, sizeof(row->info.type));
				row->info.state = FC_PROVIDER_STARTING;
				row->info.state_since = now;
			}
			row->info.deletes = fc_section_has(section, "delete_keys");
		}
		memcpy(fc_table->rows, fresh->rows, sizeof(fresh->rows));
		fc_table->nrows = file->nsections;
	}
	strlcpy(fc_table->file_problem, file->problem ? file->problem : "",
			sizeof(fc_table->file_problem));
	fc_table->loaded = true;
	LWLockRelease(fc_lock(FC_LOCK_PROVIDERS));

	ConditionVariableBroadcast(&fc_table->loaded_cv);
	pfree(fresh);
}

/*
 * Workers
 */

void
fc_providers_attach(const char *name)
{
	FcProviderRow *row;

	LWLockAcquire(fc_lock(FC_LOCK_PROVIDERS), LW_EXCLUSIVE);
	row = fc_row(name);
	if (row != NULL)
	{
		row->info.pid = MyProcPid;
		row->procno = fc_my_procno();
	}
	LWLockRelease(fc_lock(FC_LOCK_PROVIDERS));
}

void
fc_providers_detach(const char *name)
{
	FcProviderRow *row;

	LWLockAcquire(fc_lock(FC_LOCK_PROVIDERS), LW_EXCLUSIVE);
	row = fc_row(name);
	if (row != NULL && row->info.pid == MyProcPid)
	{
		row->info.pid = 0;
		row->info.auth_state[0] = '\0';
		row->info.auth_expires = 0;
		(void) fc_row_set_state(row, FC_PROVIDER_STARTING, "");
	}
	LWLockRelease(fc_lock(FC_LOCK_PROVIDERS));
}

void
fc_providers_configured(const char *name, const char *type, const char *default_key)
{
	FcProviderRow *row;

	LWLockAcquire(fc_lock(FC_LOCK_PROVIDERS), LW_EXCLUSIVE);
	row = fc_row(name);
	if (row != NULL)
	{
		strlcpy(row->info.type, type, sizeof(row->info.type));
		strlcpy(row->info.default_key, default_key, sizeof(row->info.default_key));
	}
	LWLockRelease(fc_lock(FC_LOCK_PROVIDERS));
}

/* state_since moves with the state only, not with its message. */
static bool
fc_row_set_state(FcProviderRow *row, FcProviderState state, const char *message)
{
	bool		changed = row->info.state != state;

	if (changed)
	{
		row->info.state = state;
		row->info.state_since = GetCurrentTimestamp();
	}
	if (strncmp(row->info.message, message, sizeof(row->info.message) - 1) != 0)
	{
		strlcpy(row->info.message, message, sizeof(row->info.message));
		changed = true;
	}
	return changed;
}

bool
fc_providers_set_state(const char *name, FcProviderState state, const char *message)
{
	FcProviderRow *row;
	bool		changed = false;

	LWLockAcquire(fc_lock(FC_LOCK_PROVIDERS), LW_EXCLUSIVE);
	row = fc_row(name);
	if (row != NULL)
	{
		row->info.last_status = state == FC_PROVIDER_MISCONFIGURED ? FC_ERR_KMS_CONFIG :
								state == FC_PROVIDER_OUTAGE ? FC_ERR_KMS_RETRY : FC_OK;
		changed = fc_row_set_state(row, state, message);
	}
	LWLockRelease(fc_lock(FC_LOCK_PROVIDERS));
	return changed;
}

/* A clock set back makes a call look short, not endless. */
static void
fc_row_time(FcProviderRow *row, TimestampTz begun)
{
	int64		micros = GetCurrentTimestamp() - begun;

	row->micros[row->ntimed++ % FC_LATENCIES] = (uint32) Min(Max(micros, 0), PG_UINT32_MAX);
}

void
fc_providers_session(const char *name, const char *state, int64 left_ms)
{
	FcProviderRow *row;

	LWLockAcquire(fc_lock(FC_LOCK_PROVIDERS), LW_EXCLUSIVE);
	row = fc_row(name);
	if (row != NULL)
	{
		TimestampTz expires = left_ms < 0 ? 0 : GetCurrentTimestamp() + left_ms * 1000;

		strlcpy(row->info.auth_state, state, sizeof(row->info.auth_state));
		/* told every turn: the same token must not seem to move */
		if (expires == 0 || expires < row->info.auth_expires - USECS_PER_SEC ||
			expires > row->info.auth_expires + USECS_PER_SEC)
			row->info.auth_expires = expires;
	}
	LWLockRelease(fc_lock(FC_LOCK_PROVIDERS));
}

bool
fc_providers_note(const char *name, FcStatus status, const char *message,
				  TimestampTz begun)
{
	FcProviderRow *row;
	bool		changed = false;

	LWLockAcquire(fc_lock(FC_LOCK_PROVIDERS), LW_EXCLUSIVE);
	row = fc_row(name);
	if (row != NULL)
	{
		FcProviderState old = row->info.state;
		FcProviderState state = FC_PROVIDER_OUTAGE;

		row->info.calls++;
		row->info.last_status = status;
		if (status == FC_OK)
		{
			row->info.last_success = GetCurrentTimestamp();
			fc_row_time(row, begun);
			state = FC_PROVIDER_READY;
		}
		else
		{
			row->info.failures++;
			row->info.last_failure = GetCurrentTimestamp();
			if (status == FC_ERR_KMS_AUTH || status == FC_ERR_KMS_KEY)
				state = FC_PROVIDER_DENIED;
			else if (status == FC_ERR_KMS_CONFIG)
				state = FC_PROVIDER_MISCONFIGURED;
			else if (status == FC_ERR_KMS_DATA || status == FC_ERR_KCV)
				state = FC_PROVIDER_READY;	/* it answers; the slot tells the rest */
		}
		(void) fc_row_set_state(row, state, message);
		changed = old != state;
	}
	LWLockRelease(fc_lock(FC_LOCK_PROVIDERS));
	return changed;
}
