/*-------------------------------------------------------------------------
 *
 * fc_kms.h
 *		The provider interface: how a worker wraps and unwraps root secrets.
 *
 * A provider does no network I/O.  It turns a call into steps: each step ends
 * with the call done, with a request for the transport, which the worker
 * carries out while it goes on serving its latch (design section 6), handing
 * the answer to the next step, or with the wish to wait for another call.  A
 * provider that needs several round trips (log in, then decrypt; try the next
 * address) asks several times.  So a network provider with long waits, retries
 * and token renewal fits the same interface as `local`, which finishes in its
 * first step.
 *
 * Providers run only in their own worker process, one call at a time or many:
 * all state of a call is in FcKmsCall, all state of a provider (tokens) in
 * its instance.  Nothing here throws, logs or allocates from PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_KMS_H
#define FC_KMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fc_limits.h"
#include "base/fc_secret.h"
#include "base/fc_status.h"

/* One option of a provider's section, as read from the provider file. */
typedef struct FcKmsOption
{
	const char *name;			/* "address" */
	const char *value;
	int			line;			/* in the file */
} FcKmsOption;

/*
 * A section.  Everything here is valid during configure only: an instance
 * copies what it keeps.
 */
typedef struct FcKmsConfig
{
	const char *provider;		/* the section's name */
	const FcKmsOption *options;
	size_t		noptions;
	const char *data_directory; /* key files inside it are refused */
} FcKmsConfig;

/* What went wrong, for the views, the log and SQL; no secrets in it. */
typedef struct FcKmsError
{
	FcStatus	status;			/* FC_OK or FC_ERR_KMS_* */
	int			line;			/* of the provider file, 0 if not about it */
	int			retry_after_ms; /* what the KMS asked for, 0 if nothing */
	char		message[FC_KMS_MESSAGE_MAX];
} FcKmsError;

typedef enum FcKmsOp
{
	FC_KMS_WRAP,				/* secret -> blob */
	FC_KMS_UNWRAP,				/* blob -> secret */
	FC_KMS_CHECK,				/* reach the KMS and the key, change nothing */
	FC_KMS_UPKEEP,				/* renew the session; asked for by upkeep_due */
	FC_KMS_DELETE				/* have the KMS key deleted, now or when the KMS does so */
} FcKmsOp;

typedef enum FcKmsStep
{
	FC_KMS_DONE,				/* call->error says how it ended */
	FC_KMS_WANT_HTTP,			/* carry out call->http, then resume */
	FC_KMS_WAIT					/* another call is logging in: resume after it took a step */
} FcKmsStep;

/*
 * How the transport secures a connection.  Whatever stands here, the
 * certificate and the host name are verified.
 */
typedef struct FcKmsTls
{
	const char *ca_file;		/* NULL: the system's authorities */
	const char *client_cert_file;	/* NULL: none */
	const char *client_key_file;	/* NULL: in client_cert_file */
	bool		tls13;			/* TLS 1.3 only; otherwise 1.2 or later */
} FcKmsTls;

/* How far an exchange got on the way to its server. */
typedef enum FcKmsReach
{
	FC_KMS_NOWHERE,
	FC_KMS_RESOLVED,			/* the host name has an address */
	FC_KMS_CONNECTED,
	FC_KMS_SECURED				/* TLS is established; over plain http: connected */
} FcKmsReach;

#define FC_KMS_OUTCOME_MAX	64
#define FC_KMS_PEER_MAX		64
#define FC_KMS_TLS_MAX		16

/* What the transport saw of it, for check_provider. */
typedef struct FcKmsTrace
{
	FcKmsReach	reach;
	int64_t		micros[FC_KMS_SECURED + 1]; /* when it got there, since the start */
	char		peer[FC_KMS_PEER_MAX];	/* IP address, "" = not known */
	int			port;
	char		tls[FC_KMS_TLS_MAX];	/* "TLSv1.3", "" = not known */
	bool		verified;		/* certificate and host name */
} FcKmsTrace;

/*
 * One exchange for the HTTP transport.  The provider owns the strings, which
 * stay valid until the next step; buffers that held secrets are wiped by the
 * provider.
 */
typedef struct FcKmsHttp
{
	const char *method;			/* "POST" */
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated */
	const char *body;
	size_t		body_len;
	const FcKmsTls *tls;
	bool		plain;			/* the URL is http, to a loopback address */
	bool		fresh;			/* the worker's: resolve and connect anew */
	int			timeout_ms;		/* less than what the call has left; 0 = all of it */

	/* filled in by the transport */
	FcStatus	transport;		/* FC_OK, FC_ERR_KMS_RETRY, _CONFIG, or _DATA: answer too long */
	char		transport_error[FC_KMS_MESSAGE_MAX];
	int			status;			/* HTTP status */
	int			retry_after_ms;
	const char *answer;			/* capped; owned and wiped by the transport */
	size_t		answer_len;
	const char *location;		/* of a 307, or NULL */
	FcKmsTrace	trace;			/* also of an exchange that failed or was dropped */
} FcKmsHttp;

typedef struct FcKmsCall
{
	FcKmsOp		op;
	const char *kms_key;		/* reference of the KMS key */
	const char *context;		/* AAD, from fc_context_text */
	bool		fresh_login;	/* confirm a denial: do not reuse a session */

	FcSecret	secret;			/* in for WRAP, out for UNWRAP; caller wipes */
	uint8_t		blob[FC_KMS_BLOB_MAX];	/* out for WRAP, in for UNWRAP */
	size_t		blob_len;
	char		outcome[FC_KMS_OUTCOME_MAX];	/* out for DELETE: the key "is ...": "deleted" */

	FcKmsHttp	http;
	bool		logging_in;		/* what it is at, or was at when it ended */
	FcKmsError	error;			/* set when a step returns FC_KMS_DONE */
	void	   *state;			/* the provider's, freed by its finish */
} FcKmsCall;

typedef struct FcKmsInstance FcKmsInstance;

/* Of a provider's session, for monitoring. */
typedef struct FcKmsSession
{
	const char *state;			/* "none", "logged in", "refused"; "" = has no session */
	int64_t		left_ms;		/* until the token expires; -1 = never, or no token */
} FcKmsSession;

typedef struct FcKmsProvider
{
	const char *type;			/* "local" */

	/*
	 * Names of the options it knows beyond the common ones, NULL-terminated.
	 * One that can delete keys lists delete_keys, and leaves it to the worker,
	 * which asks for FC_KMS_DELETE of these keys only; of others the call ends
	 * with FC_ERR_KMS_CONFIG.  A key that is gone already is a success.
	 */
	const char *const *options;

	/*
	 * Check the options and make an instance.  On failure *error names the
	 * option's line.  Must not contact anything.
	 */
	FcStatus	(*configure) (const FcKmsConfig *config, FcKmsInstance **instance,
							  FcKmsError *error);
	void		(*destroy) (FcKmsInstance *instance);

	/*
	 * Take over what must outlive a reload from the instance that this one,
	 * made of the same options, is about to replace.  May be NULL.
	 */
	void		(*inherit) (FcKmsInstance *instance, const FcKmsInstance *old);

	/* KMS key that create_key uses when none is named; never NULL. */
	const char *(*default_key) (const FcKmsInstance *instance);

	/* First step of a call, and the step after call->http was carried out. */
	FcKmsStep	(*begin) (FcKmsInstance *instance, FcKmsCall *call);
	FcKmsStep	(*resume) (FcKmsInstance *instance, FcKmsCall *call);

	/* Free and wipe what the call holds; also after an abandoned call. */
	void		(*finish) (FcKmsInstance *instance, FcKmsCall *call);

	/*
	 * Milliseconds until the instance wants a call FC_KMS_UPKEEP, 0 for now,
	 * -1 for never.  Its result is nobody's but the instance's.  NULL where a
	 * provider has no session.
	 */
	long		(*upkeep_due) (const FcKmsInstance *instance);

	/* Fill in the state of the session.  NULL where a provider has none. */
	void		(*session) (const FcKmsInstance *instance, FcKmsSession *session);

	/* What is unwise about the configuration, or NULL.  May be NULL itself. */
	const char *(*warning) (const FcKmsInstance *instance);
} FcKmsProvider;

/*
 * The HTTP transport: what carries out FcKmsCall.http.  It never waits: the
 * worker waits on its descriptor together with its latch.
 */
typedef struct FcKmsTransport
{
	/* Begin an exchange; `http` stays put until finished or cancelled. */
	void		(*start) (FcKmsHttp *http, int timeout_ms);

	/* Descriptor that is readable when there is work; -1 if nothing is open. */
	int			(*descriptor) (void);

	/* Milliseconds until the transport must be run at the latest; -1 = none. */
	long		(*timeout) (void);

	/* Do what can be done without waiting. */
	void		(*run) (void);

	/* Has this exchange ended (its results are then filled in)? */
	bool		(*finished) (const FcKmsHttp *http);

	/*
	 * Drop an exchange, or release and wipe the answer of a finished one; the
	 * worker calls it after the step that read the answer.  Touches only what
	 * the transport filled in: the next exchange may already be prepared.
	 */
	void		(*release) (FcKmsHttp *http);
} FcKmsTransport;

/* The transport (fc_http.c). */
extern const FcKmsTransport *fc_kms_transport(void);

/* Find a provider type; NULL if unknown. */
extern const FcKmsProvider *fc_kms_find(const char *type);

/* The session of an instance; state "" where its provider has none. */
extern FcKmsSession fc_kms_session(const FcKmsProvider *provider,
								   const FcKmsInstance *instance);

/* Value of an option, or NULL; *line (may be NULL) gets where it stands. */
extern const char *fc_kms_option(const FcKmsConfig *config, const char *name, int *line);

/*
 * First option that neither every provider has (type, key, keys, databases,
 * timeout: the worker's business) nor this type; NULL if all are known.
 */
extern const FcKmsOption *fc_kms_unknown_option(const FcKmsConfig *config,
												const FcKmsProvider *provider);

/* Set error from status, line and a printf format (no secrets in it). */
extern FcStatus fc_kms_fail(FcKmsError *error, FcStatus status, int line,
							const char *fmt,...) __attribute__((format(printf, 4, 5)));

/*
 * fc_kms_key_allowed
 *		Does the comma-separated list of patterns (* matches any characters)
 *		allow this KMS key?  Providers wrap and unwrap only with such keys.
 */
extern bool fc_kms_key_allowed(const char *patterns, const char *kms_key);

/* The provider types, one file each. */
extern const FcKmsProvider fc_kms_local;
extern const FcKmsProvider fc_kms_vault;

#endif							/* FC_KMS_H */
