/*-------------------------------------------------------------------------
 *
 * fc_kms_vault.h
 *		What the files of the provider `vault` share; nobody else includes it.
 *
 *		fc_kms_vault.c			calls: log in, ask, try the next address
 *		fc_kms_vault_config.c	options
 *		fc_kms_vault_wire.c		requests and answers
 *		fc_kms_secret_file.c	files that hold credentials
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_KMS_VAULT_H
#define FC_KMS_VAULT_H

#include "kms/fc_kms.h"
#include "kms/fc_kms_secret_file.h"

#define FC_VAULT_ADDRESSES	8
#define FC_VAULT_PATH_MAX	256 /* mount, namespace, role: with NUL */
#define FC_VAULT_URL_MAX	1536
#define FC_VAULT_TOKEN_MAX	8192
#define FC_VAULT_BODY_MAX	(2 * FC_SECRET_FILE_MAX + 1024)
#define FC_VAULT_TEXT_MAX	151 /* of the KMS's own words, with NUL */

#define FC_VAULT_NEVER		INT64_MAX

typedef enum FcVaultAuth
{
	FC_VAULT_TOKEN,
	FC_VAULT_APPROLE,
	FC_VAULT_KUBERNETES,
	FC_VAULT_CERT
} FcVaultAuth;

typedef struct FcVaultAddress
{
	char	   *url;			/* no slash at the end */
	bool		plain;			/* http, to a loopback address */
} FcVaultAddress;

typedef struct FcVaultConfig
{
	FcVaultAddress address[FC_VAULT_ADDRESSES];
	int			naddresses;
	FcVaultAuth auth;
	char	   *mount;
	char	   *namespace;		/* or NULL */
	char	   *auth_mount;
	char	   *role;			/* or NULL */
	char	   *key;
	FcSecretFile token_file;	/* path NULL where not set */
	FcSecretFile role_id_file;
	FcSecretFile secret_id_file;
	FcSecretFile jwt_file;
	char	   *ca_file;
	char	   *client_cert_file;
	char	   *client_key_file;
	FcSecretFile client_key;	/* which of these two holds the private key */
	FcKmsTls	tls;			/* likewise points to the texts above */
	char	   *data_directory; /* real path, or NULL */
	char		warning[FC_KMS_MESSAGE_MAX];
} FcVaultConfig;

/* What a refused login was tried with: one of these moves, and it is tried again. */
typedef struct FcVaultStamp
{
	FcFileStamp file[2];
} FcVaultStamp;

/*
 * The session that all calls of an instance share.  Times are CLOCK_BOOTTIME
 * milliseconds.
 */
typedef struct FcVaultSession
{
	char		token[FC_VAULT_TOKEN_MAX];	/* "" = none */
	uint64_t	generation;		/* counts tokens */
	int64_t		obtained;
	int64_t		expires;
	int64_t		upkeep;			/* when to renew it, or to log in again */
	int64_t		lease_ms;
	bool		renewable;

	uint64_t	refused_generation; /* a token that was refused right after its login */

	const FcKmsCall *owner;		/* that logs in or renews, or NULL */
	uint64_t	attempts;		/* logins that have ended */
	FcKmsError	failure;		/* of the last one */

	int			refusals;		/* one after the other, with the same credentials */
	int64_t		refused;		/* when the last one was */
	FcKmsError	refusal;
	bool		hasten;			/* a reload asked for one try before its time */
	FcVaultStamp stamp;			/* of the last login */
	FcVaultStamp accepted;		/* of the last that succeeded */
} FcVaultSession;

struct FcKmsInstance
{
	FcVaultConfig config;
	FcVaultSession session;
	int			address;		/* the last one that answered */
};

typedef enum FcVaultPhase
{
	FC_VAULT_START,
	FC_VAULT_WAIT,				/* for another call's login */
	FC_VAULT_LOGIN,
	FC_VAULT_RENEW,
	FC_VAULT_ASK				/* encrypt, decrypt, read the key, delete it */
} FcVaultPhase;

/* The requests of FC_KMS_DELETE, one after the other. */
typedef enum FcVaultDeletion
{
	FC_VAULT_DELETE,			/* enough if deletion is allowed of the key */
	FC_VAULT_ALLOW,				/* allow it */
	FC_VAULT_DELETE_ALLOWED
} FcVaultDeletion;

/* State of a call; wiped as a whole. */
typedef struct FcVaultCall
{
	FcVaultPhase phase;
	FcVaultDeletion deletion;
	int			address;
	unsigned	tried;			/* addresses of this exchange, by bit */
	uint64_t	generation;		/* of the token sent */
	uint64_t	attempts;		/* of the session when it began to wait */
	bool		renewed;		/* has logged in, or waited for a login */

	const char *headers[6];
	char		token_header[FC_VAULT_TOKEN_MAX + 16];
	char		namespace_header[FC_VAULT_PATH_MAX + 32];
	char		url[FC_VAULT_URL_MAX];
	char		body[FC_VAULT_BODY_MAX];
} FcVaultCall;

/* What the answer to a login or renewal says of the token. */
typedef struct FcVaultLease
{
	char		token[FC_VAULT_TOKEN_MAX];	/* "" = the one that was sent */
	int64_t		seconds;		/* 0 = for ever */
	bool		renewable;
} FcVaultLease;

/* fc_kms_vault_config.c */
extern const char *const fc_vault_options[];
extern FcStatus fc_vault_configure(const FcKmsConfig *config, FcVaultConfig *out,
								   FcKmsError *error) FC_CHECK_RESULT;
extern void fc_vault_config_free(FcVaultConfig *config);

/* Is this text safe in a path: letters, digits and _ . - (and / if allowed)? */
extern bool fc_vault_path_ok(const char *text, bool slashes);

/* Address of the list that a Location points to; -1 if none. */
extern int	fc_vault_address_of(const FcVaultConfig *config, const char *url);

/*
 * fc_kms_vault_wire.c: builders fill call->http and the buffers of st, for the
 * address st->address.  Parsers read call->http.
 */
extern FcStatus fc_vault_build_login(const FcVaultConfig *config, FcVaultCall *st,
									 FcKmsHttp *http, FcKmsError *error) FC_CHECK_RESULT;
extern void fc_vault_build_renew(const FcVaultConfig *config, FcVaultCall *st,
								 FcKmsHttp *http, const FcVaultSession *session);
extern FcStatus fc_vault_build_ask(const FcVaultConfig *config, FcVaultCall *st,
								   FcKmsCall *call, const FcVaultSession *session) FC_CHECK_RESULT;

extern FcStatus fc_vault_parse_lease(const FcKmsHttp *http, FcVaultAuth auth, bool login,
									 FcVaultLease *lease) FC_CHECK_RESULT;
extern FcStatus fc_vault_parse_answer(FcKmsCall *call);

/*
 * The class of a failed exchange, with *error set; FC_OK if it did not fail.
 * FC_ERR_KMS_AUTH and _KEY, which take keys away, come only of answers in the
 * KMS's own form.
 */
extern FcStatus fc_vault_classify(const char *address, FcVaultPhase phase,
								  const FcKmsCall *call, FcKmsError *error);

/* fc_kms_vault.c: the clock, for unit tests to move. */
extern int64_t (*fc_vault_clock) (void);

#endif							/* FC_KMS_VAULT_H */
