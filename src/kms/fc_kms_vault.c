/*-------------------------------------------------------------------------
 *
 * fc_kms_vault.c
 *		Provider `vault`: HashiCorp Vault and OpenBao, engine Transit.
 *
 * The blob is the ciphertext as the KMS gives it ("vault:v1:..."), bound to
 * the context as associated data.
 *
 * All calls of an instance share one session.  Whoever finds none logs in
 * and owns it meanwhile; the others wait for the outcome, so a server that
 * starts with a hundred keys to unwrap logs in once.  At two thirds of its
 * lease a token is renewed, or where it cannot be, replaced.
 *
 * A 403 may mean a token that was revoked: the call logs in and asks once
 * more.  A refused login is not repeated with the same credentials before a
 * pause that grows to 20 minutes: five wrong AppRole logins lock the role for
 * a quarter of an hour, for the right ones too.  A changed credential file
 * ends the pause, and so does a reload, as long as that is not the fifth try.
 *
 * An address that does not answer, is sealed or has no active node passes the
 * exchange on to the next one of the list, each at most once.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crypto/fc_crypto.h"
#include "kms/fc_kms_mem.h"
#include "kms/fc_kms_vault.h"

/* How long one address may take while there are others to try. */
#define FC_VAULT_TRY_MS		3000

/*
 * A token this young is fresh enough to confirm a denial (see fresh_login),
 * and if it was refused as soon as it was made, then it is not the token.
 */
#define FC_VAULT_FRESH_MS	20000

/* Pauses after one, two and more refused logins. */
#define FC_VAULT_PAUSE_FRESH_MS 20000
#define FC_VAULT_PAUSE_1_MS 60000
#define FC_VAULT_PAUSE_2_MS (5 * 60000)
#define FC_VAULT_PAUSE_3_MS (20 * 60000)

/* So many refusals in a row, and a reload does not hasten the next try. */
#define FC_VAULT_REFUSALS_MAX 4

/* After an upkeep that failed: between these, a sixth of what is left. */
#define FC_VAULT_POSTPONE_MIN_MS 1000
#define FC_VAULT_POSTPONE_MAX_MS 60000

static FcStatus vault_configure(const FcKmsConfig *config, FcKmsInstance **instance,
								FcKmsError *error);
static void vault_destroy(FcKmsInstance *self);
static void vault_inherit(FcKmsInstance *self, const FcKmsInstance *old);
static const char *vault_default_key(const FcKmsInstance *self);
static FcKmsStep vault_begin(FcKmsInstance *self, FcKmsCall *call);
static FcKmsStep vault_resume(FcKmsInstance *self, FcKmsCall *call);
static void vault_finish(FcKmsInstance *self, FcKmsCall *call);
static long vault_upkeep_due(const FcKmsInstance *self);
static void vault_session(const FcKmsInstance *self, FcKmsSession *session);
static const char *vault_warning(const FcKmsInstance *self);

static int64_t vault_boot_ms(void);
static FcKmsStep vault_done(FcKmsCall *call);
static FcKmsStep vault_send(FcKmsInstance *self, FcKmsCall *call);
static bool vault_elsewhere(FcKmsInstance *self, FcKmsCall *call);
static FcKmsStep vault_login(FcKmsInstance *self, FcKmsCall *call);
static FcKmsStep vault_login_request(FcKmsInstance *self, FcKmsCall *call);
static FcKmsStep vault_login_answer(FcKmsInstance *self, FcKmsCall *call);
static void vault_login_explain(const FcKmsInstance *self, FcKmsCall *call);
static void vault_login_over(FcKmsInstance *self, FcKmsCall *call);
static bool vault_login_paused(const FcKmsInstance *self, const FcKmsCall *call);
static FcKmsStep vault_waited(FcKmsInstance *self, FcKmsCall *call);
static FcKmsStep vault_upkeep(FcKmsInstance *self, FcKmsCall *call);
static FcKmsStep vault_renew_answer(FcKmsInstance *self, FcKmsCall *call);
static FcKmsStep vault_ask(FcKmsInstance *self, FcKmsCall *call);
static FcKmsStep vault_ask_answer(FcKmsInstance *self, FcKmsCall *call);
static FcKmsStep vault_delete_answer(FcKmsInstance *self, FcKmsCall *call, FcStatus status);
static bool session_usable(const FcVaultSession *session);
static void session_take(FcVaultSession *session, const FcVaultLease *lease);
static void session_postpone(FcVaultSession *session);
static void session_stamp(const FcVaultConfig *config, FcVaultStamp *stamp);
static bool stamp_equal(const FcVaultStamp *a, const FcVaultStamp *b);

const FcKmsProvider fc_kms_vault = {
	.type = "vault",
	.options = fc_vault_options,
	.configure = vault_configure,
	.destroy = vault_destroy,
	.inherit = vault_inherit,
	.default_key = vault_default_key,
	.begin = vault_begin,
	.resume = vault_resume,
	.finish = vault_finish,
	.upkeep_due = vault_upkeep_due,
	.session = vault_session,
	.warning = vault_warning
};

int64_t (*fc_vault_clock) (void) = vault_boot_ms;

static int64_t
vault_boot_ms(void)
{
	struct timespec ts;

#ifdef CLOCK_BOOTTIME
	clock_gettime(CLOCK_BOOTTIME, &ts);
#else
	clock_gettime(CLOCK_MONOTONIC, &ts);
#endif
	return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * The instance
 */

static FcStatus
vault_configure(const FcKmsConfig *config, FcKmsInstance **instance, FcKmsError *error)
{
	FcKmsInstance *self = fc_mem_calloc(1, sizeof(*self));
	FcStatus	status;

	*instance = NULL;
	if (self == NULL)
		return fc_kms_fail(error, FC_ERR_NOMEM, 0, "out of memory");
	status = fc_vault_configure(config, &self->config, error);
	if (status != FC_OK)
	{
		vault_destroy(self);
		return status;
	}
	*instance = self;
	return FC_OK;
}

static void
vault_destroy(FcKmsInstance *self)
{
	if (self == NULL)
		return;
	fc_vault_config_free(&self->config);
	fc_mem_free(self);
}

static void
vault_inherit(FcKmsInstance *self, const FcKmsInstance *old)
{
	const FcVaultSession *was = &old->session;
	FcVaultSession *own = &self->session;

	own->refusals = was->refusals;
	own->refused = was->refused;
	own->refusal = was->refusal;
	own->stamp = was->stamp;
	own->hasten = was->refusals < FC_VAULT_REFUSALS_MAX;
}

static const char *
vault_default_key(const FcKmsInstance *self)
{
	return self->config.key;
}

static void
vault_session(const FcKmsInstance *self, FcKmsSession *session)
{
	const FcVaultSession *own = &self->session;

	if (!session_usable(own))
		session->state = own->refusals > 0 ? "refused" : "none";
	else
	{
		session->state = "logged in";
		if (own->expires != FC_VAULT_NEVER)
			session->left_ms = own->expires - fc_vault_clock();
	}
}

static const char *
vault_warning(const FcKmsInstance *self)
{
	return self->config.warning[0] != '\0' ? self->config.warning : NULL;
}

/*
 * Steps of a call
 */

static FcKmsStep
vault_begin(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultCall *st;

	if (!fc_vault_path_ok(call->kms_key, false))
	{
		(void) fc_kms_fail(&call->error, FC_ERR_KMS_KEY, 0,
						   "\"%.100s\" is not the name of a Transit key", call->kms_key);
		return FC_KMS_DONE;
	}
	call->state = st = fc_mem_calloc(1, sizeof(*st));
	if (st == NULL)
	{
		(void) fc_kms_fail(&call->error, FC_ERR_NOMEM, 0, "out of memory");
		return FC_KMS_DONE;
	}
	if (call->op == FC_KMS_UPKEEP)
		return vault_upkeep(self, call);
	if (session_usable(&self->session) &&
		(!call->fresh_login ||
		 fc_vault_clock() - self->session.obtained < FC_VAULT_FRESH_MS))
		return vault_ask(self, call);
	return vault_login(self, call);
}

static FcKmsStep
vault_resume(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultCall *st = call->state;
	FcKmsStep	step = FC_KMS_DONE;

	switch (st->phase)
	{
		case FC_VAULT_START:
			(void) fc_kms_fail(&call->error, FC_ERR_ARGUMENT, 0, "nothing to resume");
			break;
		case FC_VAULT_WAIT:
			step = vault_waited(self, call);
			break;
		case FC_VAULT_LOGIN:
			step = vault_login_answer(self, call);
			break;
		case FC_VAULT_RENEW:
			step = vault_renew_answer(self, call);
			break;
		case FC_VAULT_ASK:
			step = vault_ask_answer(self, call);
			break;
	}
	fc_stack_wipe();
	return step;
}

/* An abandoned login is a failed one for those who wait for it. */
static void
vault_finish(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultSession *session = &self->session;
	FcVaultCall *st = call->state;

	if (session->owner == call)
	{
		session->owner = NULL;
		session_postpone(session);
		if (st->phase == FC_VAULT_LOGIN)
		{
			session->attempts++;
			(void) fc_kms_fail(&session->failure, FC_ERR_KMS_RETRY, 0,
							   "the login was not answered in time");
		}
	}
	fc_mem_free(st);
	call->state = NULL;
}

static FcKmsStep
vault_done(FcKmsCall *call)
{
	(void) fc_kms_fail(&call->error, FC_OK, 0, "%s", "");
	return FC_KMS_DONE;
}

/* The request is built; see that one address does not eat all the time. */
static FcKmsStep
vault_send(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultCall *st = call->state;
	unsigned	all = (1u << self->config.naddresses) - 1;
	unsigned	others = all & ~st->tried & ~(1u << st->address);

	call->http.timeout_ms = others != 0 ? FC_VAULT_TRY_MS : 0;
	return FC_KMS_WANT_HTTP;
}

/*
 * Shall the exchange be tried at another address, and is there one?  A
 * standby may name it; only those of the list are ever sent a token.
 */
static bool
vault_elsewhere(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultCall *st = call->state;
	const FcKmsHttp *http = &call->http;
	int			n = self->config.naddresses;
	int			named = http->transport == FC_OK && http->status == 307 ?
						fc_vault_address_of(&self->config, http->location) : -1;
	int			i;

	if (http->transport == FC_ERR_KMS_DATA ||
		(http->transport == FC_OK && http->status != 307 && http->status < 472))
		return false;
	st->tried |= 1u << st->address;
	if (named >= 0 && (st->tried & (1u << named)) == 0)
	{
		st->address = named;
		return true;
	}
	for (i = 1; i < n; i++)
	{
		int			next = (st->address + i) % n;

		if ((st->tried & (1u << next)) == 0)
		{
			st->address = next;
			return true;
		}
	}
	return false;
}

/*
 * Logging in
 */

static FcKmsStep
vault_login(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultSession *session = &self->session;
	FcVaultCall *st = call->state;

	call->logging_in = true;
	if (session->owner != NULL)
	{
		st->attempts = session->attempts;
		st->phase = FC_VAULT_WAIT;
		return FC_KMS_WAIT;
	}
	if (vault_login_paused(self, call))
	{
		(void) fc_kms_fail(&call->error, session->refusal.status, session->refusal.line,
						   "%.220s; not tried again yet", session->refusal.message);
		return FC_KMS_DONE;
	}
	session->owner = call;
	st->phase = FC_VAULT_LOGIN;
	st->tried = 0;
	st->address = self->address;
	return vault_login_request(self, call);
}

/* Files are read anew for each address: it is as simple, and they may change. */
static FcKmsStep
vault_login_request(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultSession *session = &self->session;
	FcVaultStamp stamp;

	session_stamp(&self->config, &stamp);
	if (!stamp_equal(&stamp, &session->stamp))
		session->refusals = 0;
	session->stamp = stamp;
	if (fc_vault_build_login(&self->config, call->state, &call->http, &call->error) == FC_OK)
		return vault_send(self, call);
	vault_login_over(self, call);
	return FC_KMS_DONE;
}

static FcKmsStep
vault_login_answer(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultSession *session = &self->session;
	FcVaultCall *st = call->state;
	FcVaultLease lease;
	FcStatus	status = fc_vault_classify(self->config.address[st->address].url,
										   FC_VAULT_LOGIN, call, &call->error);

	memset(&lease, 0, sizeof(lease));
	if (status == FC_OK)
	{
		status = fc_vault_parse_lease(&call->http, self->config.auth, true, &lease);
		(void) fc_kms_fail(&call->error, status, 0, "%s",
						   status == FC_OK ? "" : "the answer to the login is not what it should be");
	}
	else if (self->config.auth == FC_VAULT_TOKEN && call->http.transport == FC_OK &&
			 (call->http.status == 403 || call->http.status == 404))
	{
		/* a token that may not look at itself may still do its work */
		status = fc_kms_fail(&call->error, FC_OK, 0, "%s", "");
	}
	else if (vault_elsewhere(self, call))
		return vault_login_request(self, call);

	if (status == FC_ERR_KMS_AUTH)
		vault_login_explain(self, call);
	if (status == FC_OK)
	{
		if (lease.token[0] == '\0')
			snprintf(lease.token, sizeof(lease.token), "%s",
					 st->token_header + strlen("X-Vault-Token: "));
		session_take(session, &lease);
		session->generation++;
		session->obtained = fc_vault_clock();
		session->accepted = session->stamp;
		self->address = st->address;
		st->renewed = true;
	}
	fc_wipe(&lease, sizeof(lease));
	vault_login_over(self, call);
	if (status != FC_OK || call->op == FC_KMS_UPKEEP)
		return FC_KMS_DONE;
	return vault_ask(self, call);
}

/*
 * The KMS does not say why it refuses an AppRole login; some reasons can be
 * told, or guessed, from here.
 */
static void
vault_login_explain(const FcKmsInstance *self, FcKmsCall *call)
{
	const FcVaultSession *session = &self->session;
	const FcVaultCall *st = call->state;
	size_t		len = strlen(call->error.message);
	const char *why = "";

	if (self->config.auth != FC_VAULT_APPROLE)
		return;
	if (call->http.status == 403)
		why = "; wrong auth mount, or the role is locked after wrong logins";
	else if (strstr(st->body, "\"secret_id\":\"s.") != NULL || strstr(st->body, "\"secret_id\":\"hvs.") != NULL)
		why = "; the secret id looks like a wrapping token, which must be unwrapped first";
	else if (session->obtained != 0 && stamp_equal(&session->accepted, &session->stamp))
		why = "; it was accepted before: it has expired or its uses are spent";
	snprintf(call->error.message + len, sizeof(call->error.message) - len, "%s", why);
}

/* The outcome stands in call->error; tell it to those who wait. */
static void
vault_login_over(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultSession *session = &self->session;

	session->owner = NULL;
	session->hasten = false;
	session->attempts++;
	session->failure = call->error;
	if (call->error.status == FC_OK)
		session->refusals = 0;
	else
		session_postpone(session);
	if (call->error.status == FC_ERR_KMS_AUTH)
	{
		session->refusals++;
		session->refused = fc_vault_clock();
		session->refusal = call->error;
	}
}

/* Has the KMS lately refused these very credentials? */
static bool
vault_login_paused(const FcKmsInstance *self, const FcKmsCall *call)
{
	const FcVaultSession *session = &self->session;
	FcVaultStamp stamp;
	int64_t		pause = FC_VAULT_PAUSE_3_MS;

	if (session->refusals == 0 || session->hasten)
		return false;
	session_stamp(&self->config, &stamp);
	if (!stamp_equal(&stamp, &session->stamp))
		return false;
	if (session->refusals == 1)
		pause = call->fresh_login ? FC_VAULT_PAUSE_FRESH_MS : FC_VAULT_PAUSE_1_MS;
	else if (session->refusals == 2)
		pause = FC_VAULT_PAUSE_2_MS;
	return fc_vault_clock() - session->refused < pause;
}

/* Another call's login or renewal may have ended. */
static FcKmsStep
vault_waited(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultSession *session = &self->session;
	FcVaultCall *st = call->state;

	if (session->owner != NULL)
		return FC_KMS_WAIT;
	if (session->attempts != st->attempts)
	{
		/* a check goes the way itself, to tell how far it gets */
		if (call->op == FC_KMS_CHECK && session->failure.status != FC_OK &&
			session->failure.status != FC_ERR_KMS_AUTH)
			return vault_login(self, call);
		st->renewed = true;
		if (session->failure.status != FC_OK)
		{
			call->error = session->failure;
			return FC_KMS_DONE;
		}
	}
	if (session_usable(session) && (st->renewed || !call->fresh_login))
		return vault_ask(self, call);
	return vault_login(self, call);
}

/*
 * Keeping the session
 */

static long
vault_upkeep_due(const FcKmsInstance *self)
{
	const FcVaultSession *session = &self->session;
	int64_t		left;

	if (session->token[0] == '\0' || session->owner != NULL || session->upkeep == FC_VAULT_NEVER)
		return -1;
	left = session->upkeep - fc_vault_clock();
	return left > 0 ? (long) left : 0;
}

static FcKmsStep
vault_upkeep(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultSession *session = &self->session;
	FcVaultCall *st = call->state;

	if (vault_upkeep_due(self) != 0)
		return vault_done(call);
	if (!session->renewable || !session_usable(session))
	{
		FcKmsStep	step = vault_login(self, call);

		if (step == FC_KMS_DONE)
			session_postpone(session);
		return step;
	}
	session->owner = call;
	st->phase = FC_VAULT_RENEW;
	st->address = self->address;
	fc_vault_build_renew(&self->config, st, &call->http, session);
	return vault_send(self, call);
}

/*
 * While no node can renew, the token is good until it expires.  What the KMS
 * will not renew is replaced.  A lease that has become shorter is near its
 * end: the next time we log in.
 */
static FcKmsStep
vault_renew_answer(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultSession *session = &self->session;
	FcVaultCall *st = call->state;
	FcVaultLease lease;
	FcStatus	status = fc_vault_classify(self->config.address[st->address].url,
										   FC_VAULT_RENEW, call, &call->error);

	if (status != FC_OK && vault_elsewhere(self, call))
	{
		fc_vault_build_renew(&self->config, st, &call->http, session);
		return vault_send(self, call);
	}
	session->owner = NULL;
	if (status == FC_OK)
		status = fc_vault_parse_lease(&call->http, self->config.auth, false, &lease);
	if (status == FC_OK)
	{
		int64_t		before = session->lease_ms;

		session_take(session, &lease);
		if (session->lease_ms != 0 && session->lease_ms < before - 1000)
			session->renewable = false;
		session->lease_ms = session->lease_ms < before ? before : session->lease_ms;
		self->address = st->address;
		fc_wipe(&lease, sizeof(lease));
		return vault_done(call);
	}
	if (call->http.transport == FC_OK && call->http.status != 307 &&
		call->http.status != 429 && call->http.status != 503)
	{
		session->renewable = false;
		return vault_login(self, call);
	}
	session_postpone(session);
	return FC_KMS_DONE;
}

/*
 * Asking
 */

static FcKmsStep
vault_ask(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultCall *st = call->state;

	call->logging_in = false;
	st->phase = FC_VAULT_ASK;
	st->tried = 0;
	st->address = self->address;
	if (fc_vault_build_ask(&self->config, st, call, &self->session) != FC_OK)
		return FC_KMS_DONE;
	return vault_send(self, call);
}

static FcKmsStep
vault_ask_answer(FcKmsInstance *self, FcKmsCall *call)
{
	FcVaultSession *session = &self->session;
	FcVaultCall *st = call->state;
	FcStatus	status = fc_vault_classify(self->config.address[st->address].url,
										   FC_VAULT_ASK, call, &call->error);

	if (status == FC_OK)
		self->address = st->address;
	if (call->op == FC_KMS_DELETE && call->http.transport == FC_OK &&
		(status == FC_OK || call->http.status == 400))
		return vault_delete_answer(self, call, status);
	if (status == FC_OK)
	{
		(void) fc_vault_parse_answer(call);
		return FC_KMS_DONE;
	}
	if (vault_elsewhere(self, call))
	{
		if (fc_vault_build_ask(&self->config, st, call, session) != FC_OK)
			return FC_KMS_DONE;
		return vault_send(self, call);
	}
	if (status != FC_ERR_KMS_AUTH)
		return FC_KMS_DONE;

	/* Whoever may use a key need not be allowed to look at it, given a good token. */
	if (call->op == FC_KMS_CHECK && (st->renewed || session->refused_generation == st->generation))
		return vault_done(call);

	/* Was it the token?  Only a new one tells. */
	if (st->renewed)
		session->refused_generation = st->generation;
	else if (session->generation != st->generation && session_usable(session))
	{
		st->renewed = true;
		return vault_ask(self, call);
	}
	else if (session->refused_generation != st->generation ||
			 fc_vault_clock() - session->obtained >= FC_VAULT_FRESH_MS)
	{
		st->renewed = true;
		fc_wipe(session->token, sizeof(session->token));
		return vault_login(self, call);
	}
	return FC_KMS_DONE;
}

/*
 * A key that may be deleted is, by the first request, for which a role needs
 * no more than `delete`.  Otherwise it is refused with 400, and whether for
 * that reason shows when it is tried again.
 */
static FcKmsStep
vault_delete_answer(FcKmsInstance *self, FcKmsCall *call, FcStatus status)
{
	FcVaultCall *st = call->state;
	bool		gone = status == FC_ERR_KMS_KEY;

	if (status == FC_OK && st->deletion == FC_VAULT_ALLOW)
		st->deletion = FC_VAULT_DELETE_ALLOWED;
	else if (status == FC_ERR_KMS_CONFIG && st->deletion == FC_VAULT_DELETE)
		st->deletion = FC_VAULT_ALLOW;
	else
	{
		if (status != FC_OK && !gone)
			return FC_KMS_DONE;
		snprintf(call->outcome, sizeof(call->outcome), "%s", gone ? "deleted already" : "deleted");
		return vault_done(call);
	}
	return vault_ask(self, call);
}

/*
 * The session
 */

static bool
session_usable(const FcVaultSession *session)
{
	return session->token[0] != '\0' && fc_vault_clock() < session->expires;
}

/* Up to a tenth earlier than two thirds, so that servers do not march in step. */
static void
session_take(FcVaultSession *session, const FcVaultLease *lease)
{
	int64_t		now = fc_vault_clock();
	uint8_t		jitter = 0;

	if (lease->token[0] != '\0')
		memcpy(session->token, lease->token, sizeof(session->token));
	session->lease_ms = lease->seconds * 1000;
	session->renewable = lease->renewable;
	session->expires = FC_VAULT_NEVER;
	session->upkeep = FC_VAULT_NEVER;
	if (lease->seconds == 0)
		return;
	if (fc_random(&jitter, 1) != FC_OK)
		jitter = 0;
	session->expires = now + session->lease_ms;
	session->upkeep = now + session->lease_ms * 2 / 3 - session->lease_ms * jitter / 3840;
}

static void
session_postpone(FcVaultSession *session)
{
	int64_t		now = fc_vault_clock();
	int64_t		pause;

	if (session->upkeep == FC_VAULT_NEVER)
		return;
	pause = (session->expires - now) / 6;
	if (pause < FC_VAULT_POSTPONE_MIN_MS)
		pause = FC_VAULT_POSTPONE_MIN_MS;
	if (pause > FC_VAULT_POSTPONE_MAX_MS || now >= session->expires)
		pause = FC_VAULT_POSTPONE_MAX_MS;
	if (session->upkeep < now + pause)
		session->upkeep = now + pause;
}

static bool
stamp_equal(const FcVaultStamp *a, const FcVaultStamp *b)
{
	return fc_file_stamp_equal(&a->file[0], &b->file[0]) &&
		   fc_file_stamp_equal(&a->file[1], &b->file[1]);
}

static void
session_stamp(const FcVaultConfig *config, FcVaultStamp *stamp)
{
	const FcSecretFile *file[2] = { NULL, NULL };
	static const FcSecretFile none = { NULL, 0, false };
	const FcSecretFile cert = { config->client_cert_file, 0, false };

	if (config->auth == FC_VAULT_APPROLE)
	{
		file[0] = &config->role_id_file;
		file[1] = &config->secret_id_file;
	}
	else if (config->auth == FC_VAULT_KUBERNETES)
		file[0] = &config->jwt_file;
	else if (config->auth == FC_VAULT_TOKEN)
		file[0] = &config->token_file;
	else
	{
		file[0] = &cert;
		file[1] = &config->client_key;
	}
	fc_secret_file_stamp(file[0] != NULL ? file[0] : &none, &stamp->file[0]);
	fc_secret_file_stamp(file[1] != NULL ? file[1] : &none, &stamp->file[1]);
}
