/*-------------------------------------------------------------------------
 *
 * fc_providers.h
 *		The table of configured providers in shared memory, and the parser of
 *		the provider file.
 *
 * The launcher writes the table; workers write their own row; backends read
 * it to find whom to wake and for the view fieldcrypt.providers.  Options and
 * credentials are never in it: each worker reads the file itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_PROVIDERS_H
#define FC_PROVIDERS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "base/fc_limits.h"
#include "base/fc_status.h"

#define FC_PROVIDERS_MAX 32

typedef enum FcProviderState
{
	FC_PROVIDER_STARTING,
	FC_PROVIDER_READY,			/* last call succeeded, or none yet made */
	FC_PROVIDER_OUTAGE,			/* last call failed in a way that heals itself */
	FC_PROVIDER_DENIED,			/* the KMS refused */
	FC_PROVIDER_MISCONFIGURED	/* the section cannot be used; see message */
} FcProviderState;

typedef struct FcProviderInfo
{
	char		name[FC_KMS_NAME_MAX];
	char		type[16];
	char		default_key[FC_KMS_KEY_MAX];
	FcProviderState state;
	int			pid;			/* 0 = no worker */
	TimestampTz state_since;
	TimestampTz last_success;
	TimestampTz last_failure;
	FcStatus	last_status;
	uint64		calls;			/* wraps and unwraps asked of the KMS */
	uint64		failures;
	char		message[FC_KMS_MESSAGE_MAX];
} FcProviderInfo;

extern Size fc_providers_shmem_size(void);
extern void fc_providers_shmem_init(bool found);

/* Copy row i; false past the end. */
extern bool fc_providers_info(int i, FcProviderInfo *info);
extern bool fc_providers_find(const char *name, FcProviderInfo *info);

/* Wake the worker of a provider, if it runs. */
extern void fc_providers_wake(const char *name);

/*
 * The provider file could not be used at all: what the launcher said, or ""
 * (for error messages of create_key and for the view).
 */
extern void fc_providers_file_problem(char out[FC_KMS_MESSAGE_MAX]);

#endif							/* FC_PROVIDERS_H */
