/*-------------------------------------------------------------------------
 *
 * fc_worker_check.c
 *		What check_provider has to tell of a provider (see fc_worker_check.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "pg/fc_worker_check.h"

static bool check_network(const FcCheckTrace *trace, const FcKmsCall *call, FcAnswer *answer);
static void check_auth(const FcCheckTrace *trace, const FcSetup *setup, const FcKmsCall *call,
					   FcAnswer *answer);

void
fc_check_note(FcCheckTrace *trace, const FcKmsCall *call, TimestampTz sent)
{
	const FcKmsTrace *seen = &call->http.trace;
	int64		micros = GetCurrentTimestamp() - sent - seen->micros[FC_KMS_SECURED];

	trace->any = true;
	trace->last = *seen;
	if (seen->reach != FC_KMS_SECURED)
		return;
	if (call->logging_in)
		trace->auth_micros += Max(micros, 0);
	else
		trace->ask_micros += Max(micros, 0);
}

void
fc_check_reached(const FcCheckTrace *trace, const FcSetup *setup, const FcKmsCall *call,
				 FcAnswer *answer)
{
	bool		failed = call->error.status != FC_OK;

	if (trace->any && !check_network(trace, call, answer))
		return;
	if (setup->provider->session != NULL)
	{
		check_auth(trace, setup, call, answer);
		if (failed && call->logging_in)
			return;
	}
	fc_answer_step(answer, "key", call->error.status, trace->ask_micros,
				   failed ? call->error.message : call->kms_key);
}

/* False if it did not get through; the step that failed is then the last. */
static bool
check_network(const FcCheckTrace *trace, const FcKmsCall *call, FcAnswer *answer)
{
	static const char *const steps[] = {NULL, "resolve", "connect", "tls"};
	const FcKmsTrace *seen = &trace->last;
	char		detail[FC_KMS_MESSAGE_MAX];
	int			i;

	for (i = FC_KMS_RESOLVED; i <= FC_KMS_SECURED; i++)
	{
		if ((int) seen->reach < i)
		{
			fc_answer_step(answer, steps[i], call->error.status, 0, call->error.message);
			return false;
		}
		if (i == FC_KMS_RESOLVED)
			strlcpy(detail, seen->peer, sizeof(detail));
		else if (i == FC_KMS_CONNECTED)
			snprintf(detail, sizeof(detail), "%s port %d", seen->peer, seen->port);
		else if (call->http.plain)
			strlcpy(detail, "none: plain http to a loopback address", sizeof(detail));
		else
			snprintf(detail, sizeof(detail), "%s, certificate and host name %s",
					 seen->tls[0] != '\0' ? seen->tls : "unknown version",
					 seen->verified ? "verified" : "not verified");
		fc_answer_step(answer, steps[i], FC_OK, seen->micros[i] - seen->micros[i - 1], detail);
	}
	return true;
}

static void
check_auth(const FcCheckTrace *trace, const FcSetup *setup, const FcKmsCall *call,
		   FcAnswer *answer)
{
	FcKmsSession session = fc_kms_session(setup->provider, setup->instance);
	char		detail[FC_KMS_MESSAGE_MAX];

	if (call->error.status != FC_OK && call->logging_in)
		strlcpy(detail, call->error.message, sizeof(detail));
	else if (session.left_ms < 0)
		strlcpy(detail, "the token does not expire", sizeof(detail));
	else
		snprintf(detail, sizeof(detail), "the token expires in %d s", (int) (session.left_ms / 1000));
	fc_answer_step(answer, "auth", call->logging_in ? call->error.status : FC_OK,
				   trace->auth_micros, detail);
}
