/*-------------------------------------------------------------------------
 *
 * fc_worker_setup.h
 *		What a worker has been told about its provider: its section of the
 *		provider file, made into an instance.
 *
 * Only for the worker: with it this is what of pg/ sees kms/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_WORKER_SETUP_H
#define FC_WORKER_SETUP_H

#include "postgres.h"

#include "kms/fc_kms.h"
#include "pg/fc_providers.h"

/* AAD of the key that a check wraps; no key in use has this context. */
#define FC_CHECK_CONTEXT	"fieldcrypt/1 check"

/*
 * A configured provider.  A reload makes a new one; the old one goes when its
 * last task has ended.
 */
typedef struct FcSetup
{
	MemoryContext context;
	const char *name;			/* the provider's */
	const FcProviderSection *section;	/* for messages that name a line */
	const FcKmsProvider *provider;
	FcKmsInstance *instance;
	const char *key;			/* default KMS key */
	const char *keys;			/* patterns, or NULL: `key` only */
	const char *databases;		/* patterns, or NULL: all */
	const char *delete_keys;	/* patterns, or NULL: none */
	int			timeout_ms;
	int			ntasks;			/* that use it */
	bool		retired;
} FcSetup;

/*
 * fc_setup_load
 *		Read the provider's section and make a setup of it, which replaces
 *		*current; if it cannot be used, a setup that worked stays.  Returns
 *		whether there is a new one.  Logs and shows in the view what is wrong.
 */
extern bool fc_setup_load(const char *name, FcSetup **current);

/* A task begins and ends to use the setup. */
extern FcSetup *fc_setup_use(FcSetup *setup);
extern void fc_setup_release(FcSetup *setup);

/* Have an error that is about the provider file name the place in it. */
extern void fc_setup_locate(const FcSetup *setup, FcKmsError *error);

/*
 * fc_setup_permitted
 *		May this database use the provider, and with this KMS key?  setup may
 *		be NULL: there is none, and message says why.  A refusal is a denial,
 *		not an outage: taking a database or a key out of the configuration
 *		takes the keys out of the cache.
 */
extern FcStatus fc_setup_permitted(const FcSetup *setup, const char *dbname,
								   const char *kms_key, char *message);

/* May destroy_key() have this KMS key deleted?  The default key never. */
extern bool fc_setup_deletes(const FcSetup *setup, const char *kms_key);

#endif							/* FC_WORKER_SETUP_H */
