/*-------------------------------------------------------------------------
 *
 * fc_worker.h
 *		The launcher and one worker per provider.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_WORKER_H
#define FC_WORKER_H

#include "postgres.h"

#include "pg/fc_keycache.h"

/* Register the launcher; from _PG_init when preloaded. */
extern void fc_launcher_register(void);

extern PGDLLEXPORT void fc_launcher_main(Datum arg);
extern PGDLLEXPORT void fc_worker_main(Datum arg);

/*
 * What workers say in the log: one line when a provider's state has changed,
 * and one when the KMS refuses a key or answers wrongly.  Outages are told
 * once for the provider, not once for every key.
 */
extern void fc_worker_log_state(const char *provider);

extern void fc_worker_log_refused(const char *provider, const char *problem);

/* What is unwise about the configuration; nothing if NULL. */
extern void fc_worker_log_warning(const char *provider, const char *warning);

/* What destroy_key() had deleted; outcome as FcKmsCall has it. */
extern void fc_worker_log_deleted(const char *provider, const char *kms_key,
								  const char *dbname, const char *outcome);

/* fc_keycache_fail, and the log line where one is due. */
extern void fc_worker_job_failed(const FcKeyJob *job, FcStatus status,
								 const char *message, int retry_after_ms);

#endif							/* FC_WORKER_H */
