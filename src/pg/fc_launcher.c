/*-------------------------------------------------------------------------
 *
 * fc_launcher.c
 *		The launcher: reads the provider file and keeps one worker per
 *		provider running.
 *
 * It runs from the very start of the server, in recovery and on standbys too,
 * without a database.  Workers are dynamic background workers that PostgreSQL
 * does not restart by itself: the launcher does, so that a worker that keeps
 * failing is restarted ever more slowly.
 *
 * A provider that left the file keeps its entry until its worker has ended,
 * so that there are never two workers of one name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

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

#include "pg/fc_bgworker.h"
#include "pg/fc_guc.h"
#include "pg/fc_keycache.h"
#include "pg/fc_maintain.h"
#include "pg/fc_providers.h"
#include "pg/fc_requests.h"
#include "pg/fc_secretmem.h"
#include "pg/fc_warm.h"
#include "pg/fc_worker.h"

#define FC_RESTART_MIN_MS	1000
#define FC_RESTART_MAX_MS	30000

/* A worker that ran this long starts again with the shortest pause. */
#define FC_RESTART_CALM_MS	60000

/* The launcher looks round this often without being asked to. */
#define FC_LAUNCHER_NAP_MS	10000

/* Seconds after which a launcher that failed is started again. */
#define FC_LAUNCHER_RESTART 5

typedef struct FcCharge
{
	char		name[FC_KMS_NAME_MAX];	/* "" = free entry */
	bool		wanted;			/* in the file */
	BackgroundWorkerHandle *handle; /* NULL = not running */
	TimestampTz started;
	TimestampTz next_start;
	int			pause_ms;		/* before the next restart */
	bool		complained;		/* about having no process slot */
} FcCharge;

/* Twice as many as providers: those that are going and those that come. */
#define FC_CHARGES_MAX (2 * FC_PROVIDERS_MAX)

static FcCharge fc_charges[FC_CHARGES_MAX];
static MemoryContext fc_file_context = NULL;
static char fc_last_problem[FC_KMS_MESSAGE_MAX];

static void fc_launcher_load(void);
static void fc_launcher_log_problem(const FcProviderFile *file);
static FcCharge *fc_charge(const char *name, bool create);
static long fc_charge_turn(FcCharge *charge);
static void fc_charge_start(FcCharge *charge);
static void fc_charge_ended(FcCharge *charge);
static void fc_launcher_exit(int code, Datum arg);

void
fc_launcher_register(void)
{
	BackgroundWorker worker;

	if (IsBinaryUpgrade)
		return;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_PostmasterStart;
	worker.bgw_restart_time = FC_LAUNCHER_RESTART;
	strlcpy(worker.bgw_library_name, FC_LIBRARY, sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "fc_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "fieldcrypt launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "fieldcrypt launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}

void
fc_launcher_main(Datum arg)
{
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGUSR1, procsignal_sigusr1_handler);
	BackgroundWorkerUnblockSignals();
	before_shmem_exit(fc_launcher_exit, (Datum) 0);

	fc_file_context = AllocSetContextCreate(TopMemoryContext, "fieldcrypt provider file",
											ALLOCSET_DEFAULT_SIZES);
	(void) fc_secretmem_hash_key();
	fc_launcher_load();
	fc_warm_load();

	while (!ShutdownRequestPending)
	{
		long		nap = FC_LAUNCHER_NAP_MS;
		int			i;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			fc_launcher_load();
			fc_warm_load();
		}
		for (i = 0; i < FC_CHARGES_MAX; i++)
			if (fc_charges[i].name[0] != '\0')
				nap = Min(nap, fc_charge_turn(&fc_charges[i]));
		nap = Min(nap, fc_warm_turn());
		nap = Min(nap, fc_maintain_turn());
		fc_keycache_expire(NULL);

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 nap, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}

	/*
	 * Status 1, as the logical replication launcher: should somebody else than
	 * the postmaster have sent the signal, we are started again.
	 */
	proc_exit(1);
}

/* Read the file; on a problem of the whole file what runs goes on running. */
static void
fc_launcher_load(void)
{
	MemoryContext old = MemoryContextSwitchTo(fc_file_context);
	char	   *path = fc_guc_provider_path();
	FcProviderFile *file = fc_provider_file_read(path);
	int			i;

	fc_launcher_log_problem(file);
	if (file->problem == NULL)
		fc_provider_file_warn(path);

	if (file->problem == NULL || file->missing)
	{
		for (i = 0; i < FC_CHARGES_MAX; i++)
			fc_charges[i].wanted = false;
		for (i = 0; i < file->nsections; i++)
		{
			FcCharge   *charge = fc_charge(file->sections[i].name, true);

			if (charge != NULL)
				charge->wanted = true;
		}
	}
	fc_providers_sync(file);

	MemoryContextSwitchTo(old);
	MemoryContextReset(fc_file_context);
}

/* Once per problem, not once per reload. */
static void
fc_launcher_log_problem(const FcProviderFile *file)
{
	const char *problem = file->problem ? file->problem : "";

	if (strncmp(problem, fc_last_problem, sizeof(fc_last_problem) - 1) == 0)
		return;
	strlcpy(fc_last_problem, problem, sizeof(fc_last_problem));

	if (file->missing)
		ereport(LOG,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("fieldcrypt has no key providers: %s", problem),
				 errhint("Create the file, or set fieldcrypt.provider_file.")));
	else if (problem[0] != '\0')
		ereport(WARNING,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("provider file of fieldcrypt cannot be used: %s", problem),
				 errdetail("Providers that are running go on with what they had."),
				 errhint("Correct the file and reload the configuration.")));
}

/* Entry of a provider; NULL if there is none and none is to be made. */
static FcCharge *
fc_charge(const char *name, bool create)
{
	FcCharge   *spare = NULL;
	int			i;

	for (i = 0; i < FC_CHARGES_MAX; i++)
	{
		if (strcmp(fc_charges[i].name, name) == 0)
			return &fc_charges[i];
		if (spare == NULL && fc_charges[i].name[0] == '\0')
			spare = &fc_charges[i];
	}
	if (!create || spare == NULL)
		return NULL;

	memset(spare, 0, sizeof(*spare));
	strlcpy(spare->name, name, sizeof(spare->name));
	spare->pause_ms = FC_RESTART_MIN_MS;
	return spare;
}

/*
 * Do for one provider what is to be done; returns in how many milliseconds to
 * look again.
 */
static long
fc_charge_turn(FcCharge *charge)
{
	TimestampTz now = GetCurrentTimestamp();
	pid_t		pid;

	if (charge->handle != NULL &&
		GetBackgroundWorkerPid(charge->handle, &pid) == BGWH_STOPPED)
		fc_charge_ended(charge);

	if (!charge->wanted)
	{
		if (charge->handle != NULL)
			TerminateBackgroundWorker(charge->handle);
		else
			charge->name[0] = '\0';
		return FC_LAUNCHER_NAP_MS;
	}

	if (charge->handle == NULL && now >= charge->next_start)
		fc_charge_start(charge);
	if (charge->handle == NULL)
		return Max(1, TimestampDifferenceMilliseconds(now, charge->next_start));
	return FC_LAUNCHER_NAP_MS;
}

static void
fc_charge_start(FcCharge *charge)
{
	BackgroundWorker worker;
	TimestampTz now = GetCurrentTimestamp();
	FcProviderInfo info;

	/* Left over from a launcher that ended: it will go, and tell us. */
	if (fc_providers_find(charge->name, &info) && info.pid != 0)
	{
		charge->next_start = now + (int64) FC_RESTART_MIN_MS * 1000;
		return;
	}

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_PostmasterStart;
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "fieldcrypt worker: %s", charge->name);
	strlcpy(worker.bgw_type, "fieldcrypt worker", sizeof(worker.bgw_type));
	strlcpy(worker.bgw_extra, charge->name, sizeof(worker.bgw_extra));

	charge->handle = fc_bgworker_start(&worker, "fc_worker_main");
	if (charge->handle != NULL)
	{
		charge->started = now;
		charge->complained = false;
	}
	else
	{
		charge->next_start = now + (int64) charge->pause_ms * 1000;
		charge->pause_ms = Min(charge->pause_ms * 2, FC_RESTART_MAX_MS);
		(void) fc_providers_set_state(charge->name, FC_PROVIDER_OUTAGE,
									  "no free background worker slot: increase max_worker_processes");
		if (!charge->complained)
			ereport(WARNING,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("could not start the worker of fieldcrypt provider \"%s\"",
							charge->name),
					 errhint("Increase max_worker_processes.")));
		charge->complained = true;
	}
}

/* The worker has ended, for whatever reason. */
static void
fc_charge_ended(FcCharge *charge)
{
	TimestampTz now = GetCurrentTimestamp();

	pfree(charge->handle);
	charge->handle = NULL;
	fc_requests_abandon(charge->name);
	fc_keycache_abandon(charge->name);

	if (TimestampDifferenceExceeds(charge->started, now, FC_RESTART_CALM_MS))
		charge->pause_ms = FC_RESTART_MIN_MS;
	charge->next_start = now + (int64) charge->pause_ms * 1000;
	charge->pause_ms = Min(charge->pause_ms * 2, FC_RESTART_MAX_MS);
}

/* Workers do not outlive the launcher: the next one starts its own. */
static void
fc_launcher_exit(int code, Datum arg)
{
	int			i;

	for (i = 0; i < FC_CHARGES_MAX; i++)
		if (fc_charges[i].handle != NULL)
			TerminateBackgroundWorker(fc_charges[i].handle);
}
