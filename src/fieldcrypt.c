/*-------------------------------------------------------------------------
 *
 * fieldcrypt.c
 *		Module start: a list of the modules' inits.
 *
 * Preloaded, the library maps the secret region, reserves shared memory and
 * registers the launcher, all in the postmaster: no key, no random draw and
 * no network code before fork.  Loaded later (LOAD, pg_upgrade, a server
 * without the preload line) it defines its session settings and hooks and is
 * silent: whatever needs a key says so when it is called.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "crypto/fc_crypto.h"
#include "pg/fc_broker.h"
#include "pg/fc_guc.h"
#include "pg/fc_keyring.h"
#include "pg/fc_secretmem.h"
#include "pg/fc_shmem.h"
#include "pg/fc_transfer.h"
#include "pg/fc_worker.h"
#include "sqlapi/fc_sqlapi.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static void
start_crypto(void)
{
	FcStatus	status = fc_crypto_init(fc_guc_fips);

	if (status == FC_OK)
		return;
	ereport(FATAL,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("could not set up cryptography: %s", fc_status_name(status)),
			 fc_guc_fips ?
			 errhint("fieldcrypt.fips is on: OpenSSL's FIPS provider must be installed and activated in openssl.cnf.") : 0));
}

void
_PG_init(void)
{
	bool		preloaded = process_shared_preload_libraries_in_progress;

	fc_guc_init(preloaded);
	start_crypto();

	if (preloaded)
	{
		fc_random_forbid();
		if (!IsBinaryUpgrade)
		{
			fc_secretmem_create(fc_guc_cache_slots + FC_TRANSFER_SLOTS);
			fc_shmem_init();
			fc_launcher_register();
		}
	}

	fc_keyring_init();
	fc_broker_init();
	fc_admin_init();
	fc_statement_init();
	fc_ddl_init();
	fc_translate_init();
	fc_planner_init();
	if (preloaded)
		fc_wire_init();
	fc_log_init();
}
