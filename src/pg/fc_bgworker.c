/*-------------------------------------------------------------------------
 *
 * fc_bgworker.c
 *		Starting background workers of this library while the server runs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "pg/fc_bgworker.h"

BackgroundWorkerHandle *
fc_bgworker_start(BackgroundWorker *worker, const char *function)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	BackgroundWorkerHandle *handle = NULL;

	worker->bgw_restart_time = BGW_NEVER_RESTART;
	worker->bgw_notify_pid = MyProcPid;
	strlcpy(worker->bgw_library_name, FC_LIBRARY, sizeof(worker->bgw_library_name));
	strlcpy(worker->bgw_function_name, function, sizeof(worker->bgw_function_name));
	if (!RegisterDynamicBackgroundWorker(worker, &handle))
		handle = NULL;
	MemoryContextSwitchTo(old);
	return handle;
}
