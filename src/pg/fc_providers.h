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
	bool		deletes;		/* the file has its option delete_keys */
	FcProviderState state;
	int			pid;			/* 0 = no worker */
	TimestampTz state_since;
	TimestampTz last_success;
	TimestampTz last_failure;
	FcStatus	last_status;
	uint64		calls;			/* wraps and unwraps asked of the KMS */
	uint64		failures;
	char		auth_state[16]; /* "" where the provider has no session */
	TimestampTz auth_expires;	/* of its token, 0 = never or no token */
	double		p50_ms;			/* of the latest calls that succeeded, login */
	double		p99_ms;			/* included; negative = none yet */
	char		message[FC_KMS_MESSAGE_MAX];
} FcProviderInfo;

extern Size fc_providers_shmem_size(void);
extern void fc_providers_shmem_init(bool found);

/* Copy row i; false past the end.  Only this one fills in the latencies. */
extern bool fc_providers_info(int i, FcProviderInfo *info);
extern bool fc_providers_find(const char *name, FcProviderInfo *info);

/* Wake the worker of a provider, if it runs. */
extern void fc_providers_wake(const char *name);

/*
 * The provider file could not be used at all: what the launcher said, or ""
 * (for error messages of create_key and for the view).
 */
extern void fc_providers_file_problem(char out[FC_KMS_MESSAGE_MAX]);

/*
 * fc_providers_require
 *		Is there such a provider?  Right after a start it waits for the
 *		launcher's first reading of the file, at most timeout_ms,
 *		interruptibly.  False with the reason in message.
 */
extern bool fc_providers_require(const char *name, int timeout_ms,
								 char message[FC_KMS_MESSAGE_MAX]);

/*----------
 * For the launcher.
 *----------
 */

/* One line of the provider file: `<provider>.<name> = '<value>'`. */
typedef struct FcProviderOption
{
	const char *name;
	const char *value;
	const char *file;			/* differs from the main file's in an include */
	int			line;
} FcProviderOption;

typedef struct FcProviderSection
{
	char		name[FC_KMS_NAME_MAX];
	const char *type;			/* "" if missing */
	const char *file;			/* where the section begins */
	int			line;
	int			noptions;
	FcProviderOption *options;
	const char *problem;		/* what makes it unusable, or NULL */
} FcProviderSection;

typedef struct FcProviderFile
{
	char	   *path;
	bool		missing;		/* no such file: no providers */
	const char *problem;		/* why the file as a whole is unusable, or NULL */
	int			nsections;
	FcProviderSection sections[FC_PROVIDERS_MAX];
} FcProviderFile;

/*
 * fc_provider_file_read
 *		Parse the file into the current memory context.  Never throws on what
 *		stands in it and logs nothing: what is wrong with the file is in
 *		->problem, what is wrong with one provider in its section's, each
 *		naming file and line.
 */
extern FcProviderFile *fc_provider_file_read(const char *path);

/* Section of a provider, or NULL. */
extern const FcProviderSection *fc_provider_file_section(const FcProviderFile *file,
														 const char *name);

/* Do both set the same options to the same values, wherever they stand? */
extern bool fc_provider_section_equal(const FcProviderSection *a, const FcProviderSection *b);

/*
 * A message that names file and line of an option; line 0 stands for where
 * the section begins.
 */
extern void fc_provider_file_locate(const FcProviderSection *section, int line,
									const char *message,
									char out[FC_KMS_MESSAGE_MAX]);

/* Say what is unwise about where and how the file lies (WARNINGs). */
extern void fc_provider_file_warn(const char *path);

/*
 * Make the table match the file (rows keep their counters) and wake those who
 * wait for the first reading; with a problem of the whole file the rows stay,
 * except where there is no file.
 */
extern void fc_providers_sync(const FcProviderFile *file);

/*----------
 * For workers: their own row.  All are no-ops once the row is gone.
 *----------
 */
extern void fc_providers_attach(const char *name);
extern void fc_providers_detach(const char *name);
extern void fc_providers_configured(const char *name, const char *type,
									const char *default_key);

/* Set state and message; true if the state or its message changed. */
extern bool fc_providers_set_state(const char *name, FcProviderState state,
								   const char *message);

/* Count a KMS call that began at `begun`; true if the state changed. */
extern bool fc_providers_note(const char *name, FcStatus status, const char *message,
							  TimestampTz begun);

/* State of the session; left_ms until its token expires, -1 = never or none. */
extern void fc_providers_session(const char *name, const char *state, int64 left_ms);

#endif							/* FC_PROVIDERS_H */
