/*-------------------------------------------------------------------------
 *
 * fc_kms_vault_wire.c
 *		Requests and answers of the provider `vault`: HashiCorp Vault's and
 *		OpenBao's Transit engine and auth methods.
 *
 * Messages carry the KMS's own error text, cut and made printable, and
 * nothing else of an answer; of a successful answer nothing at all.
 *
 * An answer takes a key away (FC_ERR_KMS_AUTH, FC_ERR_KMS_KEY) only in the
 * form that Vault and OpenBao give to errors, {"errors": [...]}: a proxy that
 * answers 403 with a page of its own is an outage.
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/fc_b64.h"
#include "kms/fc_kms_json.h"
#include "kms/fc_kms_vault.h"

/* Long enough for any error that is told from others by its text. */
#define FC_VAULT_ERRORS_MAX 1024

/* So much of a request in an error is no accident, and shorter than a credential. */
#define FC_VAULT_ECHO_MAX	16

/* What tokens, secret ids and base64 are made of; prefixes end in a dot. */
#define FC_VAULT_CREDENTIAL_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-"
#define FC_VAULT_CREDENTIAL_MIN	20

/* What may stand in a ciphertext; none of it needs quoting. */
#define FC_VAULT_CIPHERTEXT_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=:._-"
#define FC_VAULT_CIPHERTEXT_PREFIX "vault:v"

/* No lease is longer: keeps times far from overflow. */
#define FC_VAULT_LEASE_MAX_S ((int64_t) 10 * 365 * 24 * 3600)

typedef struct FcErrorText
{
	const char *text;
	FcStatus	status;
} FcErrorText;

/*
 * Errors of status 400 of Transit.  The first that is contained counts: what
 * is said of versions begins with "invalid ciphertext" as well.
 */
static const FcErrorText fc_ask_errors[] = {
	{"disallowed by policy (too old)", FC_ERR_KMS_KEY},
	{"encryption key not found", FC_ERR_KMS_KEY},
	{"soft-deleted", FC_ERR_KMS_KEY},
	{"message authentication failed", FC_ERR_KMS_DATA},
	{"invalid ciphertext", FC_ERR_KMS_DATA},
	{"illegal base64", FC_ERR_KMS_DATA}
};

/* To FC_KMS_DELETE: the key is not there, which is what was wanted. */
static const FcErrorText fc_delete_errors[] = {
	{"could not delete key; not found", FC_ERR_KMS_KEY},
	{"no existing key named", FC_ERR_KMS_KEY}
};

static bool append(char *out, size_t room, size_t *used, const char *text, bool quoted);
static void wire_request(const FcVaultConfig *config, FcVaultCall *st, FcKmsHttp *http,
						 const char *method, const char *token);
static FcStatus login_body(const FcVaultConfig *config, FcVaultCall *st, FcKmsError *error);
static FcStatus ask_body(FcVaultCall *st, FcKmsCall *call);
static const char *ask_method(const FcVaultCall *st, const FcKmsCall *call);
static bool wire_errors(const FcKmsHttp *http, char *text, size_t room);
static bool wire_echoes(const char *text, const FcVaultCall *st);
static FcStatus class_of_login(int status, const char *errors);
static FcStatus class_of_ask(FcKmsOp op, int status, const char *errors);
static FcStatus class_of_status(int status);
static FcStatus parse_ciphertext(FcKmsCall *call);
static FcStatus parse_plaintext(FcKmsCall *call);
static FcStatus parse_key(FcKmsCall *call);

/*
 * Requests
 */

/* Append text, as the inside of a JSON string if quoted; false: no room. */
static bool
append(char *out, size_t room, size_t *used, const char *text, bool quoted)
{
	for (; *text != '\0'; text++)
	{
		bool		escape = quoted && (*text == '"' || *text == '\\');

		if (*used + (escape ? 2 : 1) >= room)
			return false;
		if (escape)
			out[(*used)++] = '\\';
		out[(*used)++] = *text;
	}
	out[*used] = '\0';
	return true;
}

/* All but URL and body.  token: NULL for none. */
static void
wire_request(const FcVaultConfig *config, FcVaultCall *st, FcKmsHttp *http,
			 const char *method, const char *token)
{
	int			n = 0;

	st->headers[n++] = "Content-Type: application/json";
	st->headers[n++] = "X-Vault-Request: true";
	if (token != NULL)
	{
		snprintf(st->token_header, sizeof(st->token_header), "X-Vault-Token: %s", token);
		st->headers[n++] = st->token_header;
	}
	if (config->namespace != NULL)
	{
		snprintf(st->namespace_header, sizeof(st->namespace_header),
				 "X-Vault-Namespace: %s/", config->namespace);
		st->headers[n++] = st->namespace_header;
	}
	st->headers[n] = NULL;

	http->method = method;
	http->url = st->url;
	http->headers = st->headers;
	http->body = st->body;
	http->body_len = strlen(st->body);
	http->tls = &config->tls;
	http->plain = config->address[st->address].plain;
}

FcStatus
fc_vault_build_login(const FcVaultConfig *config, FcVaultCall *st, FcKmsHttp *http,
					 FcKmsError *error)
{
	const char *address = config->address[st->address].url;
	FcStatus	status;

	fc_wipe(st->body, sizeof(st->body));
	if (config->client_key.path != NULL)
	{
		status = fc_secret_file_examine(&config->client_key, config->data_directory, error);
		if (status != FC_OK)
			return status;
	}
	if (config->auth == FC_VAULT_TOKEN)
	{
		char		token[FC_SECRET_FILE_MAX];

		status = fc_secret_file_read(&config->token_file, config->data_directory, token, error);
		if (status == FC_OK && strlen(token) >= FC_VAULT_TOKEN_MAX)
			status = fc_kms_fail(error, FC_ERR_KMS_CONFIG, config->token_file.line,
								 "file \"%s\" is too long to hold a token", config->token_file.path);
		if (status == FC_OK)
		{
			snprintf(st->url, sizeof(st->url), "%s/v1/auth/token/lookup-self", address);
			wire_request(config, st, http, "GET", token);
		}
		fc_wipe(token, sizeof(token));
		return status;
	}
	status = login_body(config, st, error);
	if (status == FC_OK)
	{
		snprintf(st->url, sizeof(st->url), "%s/v1/auth/%s/login", address, config->auth_mount);
		wire_request(config, st, http, "POST", NULL);
	}
	return status;
}

static FcStatus
login_body(const FcVaultConfig *config, FcVaultCall *st, FcKmsError *error)
{
	char		secret[FC_SECRET_FILE_MAX];
	size_t		used = 0;
	bool		room = true;
	FcStatus	status = FC_OK;

#define PUT(text, quoted) (room = room && append(st->body, sizeof(st->body), &used, text, quoted))
	if (config->auth == FC_VAULT_APPROLE)
	{
		status = fc_secret_file_read(&config->role_id_file, config->data_directory, secret, error);
		if (status == FC_OK)
		{
			PUT("{\"role_id\":\"", false);
			PUT(secret, true);
			status = fc_secret_file_read(&config->secret_id_file, config->data_directory, secret, error);
		}
		if (status == FC_OK)
		{
			PUT("\",\"secret_id\":\"", false);
			PUT(secret, true);
			PUT("\"}", false);
		}
	}
	else if (config->auth == FC_VAULT_KUBERNETES)
	{
		status = fc_secret_file_read(&config->jwt_file, config->data_directory, secret, error);
		if (status == FC_OK)
		{
			PUT("{\"role\":\"", false);
			PUT(config->role, true);
			PUT("\",\"jwt\":\"", false);
			PUT(secret, true);
			PUT("\"}", false);
		}
	}
	else
	{
		PUT(config->role != NULL ? "{\"name\":\"" : "{", false);
		PUT(config->role != NULL ? config->role : "", true);
		PUT(config->role != NULL ? "\"}" : "}", false);
	}
#undef PUT
	fc_wipe(secret, sizeof(secret));
	if (status == FC_OK && !room)
		status = fc_kms_fail(error, FC_ERR_KMS_CONFIG, 0, "the credentials are too long");
	return status;
}

void
fc_vault_build_renew(const FcVaultConfig *config, FcVaultCall *st, FcKmsHttp *http,
					 const FcVaultSession *session)
{
	snprintf(st->url, sizeof(st->url), "%s/v1/auth/token/renew-self",
			 config->address[st->address].url);
	snprintf(st->body, sizeof(st->body), "{}");
	wire_request(config, st, http, "POST", session->token);
}

FcStatus
fc_vault_build_ask(const FcVaultConfig *config, FcVaultCall *st, FcKmsCall *call,
				   const FcVaultSession *session)
{
	const char *verb = call->op == FC_KMS_WRAP ? "encrypt" :
					   call->op == FC_KMS_UNWRAP ? "decrypt" : "keys";
	bool		allow = call->op == FC_KMS_DELETE && st->deletion == FC_VAULT_ALLOW;
	FcStatus	status = FC_OK;

	fc_wipe(st->body, sizeof(st->body));
	if (allow)
		snprintf(st->body, sizeof(st->body), "{\"deletion_allowed\":true}");
	else if (call->op == FC_KMS_WRAP || call->op == FC_KMS_UNWRAP)
		status = ask_body(st, call);
	if (status != FC_OK)
		return status;
	snprintf(st->url, sizeof(st->url), "%s/v1/%s/%s/%s%s", config->address[st->address].url,
			 config->mount, verb, call->kms_key, allow ? "/config" : "");
	wire_request(config, st, &call->http, ask_method(st, call), session->token);
	st->generation = session->generation;
	return FC_OK;
}

static const char *
ask_method(const FcVaultCall *st, const FcKmsCall *call)
{
	if (call->op == FC_KMS_CHECK)
		return "GET";
	return call->op == FC_KMS_DELETE && st->deletion != FC_VAULT_ALLOW ? "DELETE" : "POST";
}

/* The secret or the blob, and the context that it is bound to. */
static FcStatus
ask_body(FcVaultCall *st, FcKmsCall *call)
{
	char		context[512];
	char		text[FC_KMS_BLOB_MAX + 1] = { 0 };
	size_t		len = strlen(call->context);
	bool		wrap = call->op == FC_KMS_WRAP;

	if (FC_B64_LEN(len) >= sizeof(context))
		return fc_kms_fail(&call->error, FC_ERR_ARGUMENT, 0, "the context is too long");
	fc_b64_encode((const uint8_t *) call->context, len, context);
	context[FC_B64_LEN(len)] = '\0';

	if (wrap)
		fc_b64_encode(call->secret.bytes, FC_SECRET_BYTES, text);
	else if (call->blob_len <= FC_KMS_BLOB_MAX)
		memcpy(text, call->blob, call->blob_len);
	if (!wrap && (strncmp(text, FC_VAULT_CIPHERTEXT_PREFIX, strlen(FC_VAULT_CIPHERTEXT_PREFIX)) != 0 ||
				  strspn(text, FC_VAULT_CIPHERTEXT_CHARS) != call->blob_len))
		return fc_kms_fail(&call->error, FC_ERR_KMS_DATA, 0,
						   "the wrapped key was not made by a provider of type \"vault\"");
	snprintf(st->body, sizeof(st->body), "{\"%s\":\"%s\",\"associated_data\":\"%s\"}",
			 wrap ? "plaintext" : "ciphertext", text, context);
	fc_wipe(text, sizeof(text));
	return FC_OK;
}

/*
 * Failures
 */

/*
 * The errors of an answer in the KMS's own form, white space and all that is
 * not printable made blanks; false if it has another form.
 */
static bool
wire_errors(const FcKmsHttp *http, char *text, size_t room)
{
	const FcJsonField field = { "", "errors", FC_JSON_TEXTS, true, text, room };
	char	   *in;
	char	   *out;

	text[0] = '\0';
	if (fc_json_fields(http->answer, http->answer_len, &field, 1) != FC_OK)
	{
		text[0] = '\0';
		return false;
	}
	for (in = out = text; *in != '\0'; in++)
	{
		bool		blank = *in <= ' ' || *in > '~';

		if (!blank)
			*out++ = *in;
		else if (out > text && out[-1] != ' ')
			*out++ = ' ';
	}
	while (out > text && out[-1] == ' ')
		out--;
	*out = '\0';
	return true;
}

/*
 * Does the text repeat a part of what was sent?  A server that is broken, or
 * that wants credentials in our log, may do that.
 */
static bool
wire_echoes(const char *text, const FcVaultCall *st)
{
	char		part[FC_VAULT_ECHO_MAX + 1] = "";

	for (; strlen(text) >= FC_VAULT_ECHO_MAX; text++)
	{
		memcpy(part, text, FC_VAULT_ECHO_MAX);
		if (strstr(st->token_header, part) != NULL || strstr(st->body, part) != NULL)
			return true;
	}
	return false;
}

/*
 * Put *** in the place of every word that could be a credential, sent in this
 * call, in one before it, or never: a long one that is not all small letters
 * as words and paths are.
 */
static void
wire_hide(char *text)
{
	char	   *out = text;

	while (*text != '\0')
	{
		size_t		len = strspn(text, FC_VAULT_CREDENTIAL_CHARS);

		if (len >= FC_VAULT_CREDENTIAL_MIN && strspn(text, "abcdefghijklmnopqrstuvwxyz/_-") < len)
		{
			memcpy(out, "***", 3);
			out += 3;
			text += len;
			continue;
		}
		if (len == 0)
			len = 1;			/* what ends a word */
		memmove(out, text, len);
		out += len;
		text += len;
	}
	*out = '\0';
}

FcStatus
fc_vault_classify(const char *address, FcVaultPhase phase, const FcKmsCall *call,
				  FcKmsError *error)
{
	const FcKmsHttp *http = &call->http;
	char		errors[FC_VAULT_ERRORS_MAX];
	const char *advice = "";
	FcStatus	status;
	bool		own;

	if (http->transport != FC_OK)
		return fc_kms_fail(error, http->transport, 0, "%.80s: %.160s", address, http->transport_error);
	if (http->status == 200 || http->status == 204)
		return FC_OK;
	if (http->status == 307)
		return fc_kms_fail(error, FC_ERR_KMS_RETRY, 0,
						   "%.80s is a standby and could not reach the active node", address);

	own = wire_errors(http, errors, sizeof(errors));
	if (!own)
		status = class_of_status(http->status);
	else if (phase == FC_VAULT_ASK)
		status = class_of_ask(call->op, http->status, errors);
	else
		status = class_of_login(http->status, errors);

	if (wire_echoes(errors, call->state))
		snprintf(errors, sizeof(errors), "(a text that repeats what was sent)");
	wire_hide(errors);
	if (status == FC_ERR_KMS_AUTH)
		advice = phase == FC_VAULT_ASK ? " (policy, mount, path or namespace)" : " (login)";
	(void) fc_kms_fail(error, status, 0, "%.80s answered %d%s%s%.150s", address, http->status,
					   advice, own && errors[0] != '\0' ? ": " : own ? "" : ", not in the form of a Vault",
					   errors);
	error->retry_after_ms = http->retry_after_ms;
	return status;
}

/* What a status says by itself; never that a key is to go. */
static FcStatus
class_of_status(int status)
{
	switch (status)
	{
		case 408:
		case 412:
		case 425:
		case 429:
		case 472:				/* health codes of replicas, seen behind proxies */
		case 473:
		case 474:
			return FC_ERR_KMS_RETRY;
		default:
			return status >= 500 || status < 300 ? FC_ERR_KMS_RETRY : FC_ERR_KMS_CONFIG;
	}
}

static FcStatus
class_of_login(int status, const char *errors)
{
	if (status == 400 || status == 403)
		return FC_ERR_KMS_AUTH;

	/* OpenBao answers 500 to a certificate that can never pass */
	if (status == 500 && strstr(errors, "failed to verify client's certificate") != NULL)
		return FC_ERR_KMS_CONFIG;
	return class_of_status(status);
}

static FcStatus
class_of_ask(FcKmsOp op, int status, const char *errors)
{
	bool		deletes = op == FC_KMS_DELETE;
	const FcErrorText *known = deletes ? fc_delete_errors : fc_ask_errors;
	size_t		count = deletes ? sizeof(fc_delete_errors) / sizeof(fc_delete_errors[0]) :
							  sizeof(fc_ask_errors) / sizeof(fc_ask_errors[0]);
	size_t		i;

	if (status == 403)
		return FC_ERR_KMS_AUTH;
	if (status == 404 && op == FC_KMS_CHECK && errors[0] == '\0')
		return FC_ERR_KMS_KEY;	/* keys/x without a body: no such key */
	for (i = 0; status == 400 && i < count; i++)
		if (strstr(errors, known[i].text) != NULL)
			return known[i].status;
	return class_of_status(status);
}

/*
 * Answers
 */

FcStatus
fc_vault_parse_lease(const FcKmsHttp *http, FcVaultAuth auth, bool login, FcVaultLease *lease)
{
	bool		lookup = login && auth == FC_VAULT_TOKEN;
	const char *object = lookup ? "data" : "auth";
	const FcJsonField fields[] = {
		{ object, lookup ? "ttl" : "lease_duration", FC_JSON_INT, true, &lease->seconds, 0 },
		{ object, "renewable", FC_JSON_BOOL, false, &lease->renewable, 0 },
		{ object, "client_token", FC_JSON_TEXT, true, lease->token, sizeof(lease->token) }
	};
	FcStatus	status;

	memset(lease, 0, sizeof(*lease));
	status = fc_json_fields(http->answer, http->answer_len, fields, login && !lookup ? 3 : 2);
	if (status != FC_OK)
		return status;
	if (lease->seconds < 0)
		return FC_ERR_KMS_DATA;
	if (lease->seconds > FC_VAULT_LEASE_MAX_S)
		lease->seconds = FC_VAULT_LEASE_MAX_S;

	/* it goes into a header */
	if (login && !lookup && lease->token[0] == '\0')
		return FC_ERR_KMS_DATA;
	for (const char *p = lease->token; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return FC_ERR_KMS_DATA;
	return FC_OK;
}

FcStatus
fc_vault_parse_answer(FcKmsCall *call)
{
	FcStatus	status;

	switch (call->op)
	{
		case FC_KMS_WRAP:
			status = parse_ciphertext(call);
			break;
		case FC_KMS_UNWRAP:
			status = parse_plaintext(call);
			break;
		default:
			status = parse_key(call);
			break;
	}
	if (status == FC_OK)
		return fc_kms_fail(&call->error, FC_OK, 0, "%s", "");
	if (status == FC_ERR_KMS_DATA)
		return fc_kms_fail(&call->error, FC_ERR_KMS_DATA, 0,
						   "the answer of the KMS is not what it should be");
	return status == FC_ERR_NOMEM ? fc_kms_fail(&call->error, FC_ERR_NOMEM, 0, "out of memory") : status;
}

/*
 * A server that does not know the context says so in a warning only, and the
 * wrapped key would be bound to nothing.
 */
static FcStatus
parse_ciphertext(FcKmsCall *call)
{
	char		text[FC_KMS_BLOB_MAX + 1];
	char		warnings[FC_VAULT_ERRORS_MAX] = "";
	const FcJsonField fields[] = {
		{ "data", "ciphertext", FC_JSON_TEXT, true, text, sizeof(text) },
		{ "", "warnings", FC_JSON_TEXTS, false, warnings, sizeof(warnings) }
	};
	FcStatus	status = fc_json_fields(call->http.answer, call->http.answer_len, fields, 2);
	size_t		len;

	if (status != FC_OK)
		return status;
	if (strstr(warnings, "associated_data") != NULL)
		return fc_kms_fail(&call->error, FC_ERR_KMS_CONFIG, 0,
						   "this KMS does not know the parameter associated_data: it is too old");
	len = strlen(text);
	if (strncmp(text, FC_VAULT_CIPHERTEXT_PREFIX, strlen(FC_VAULT_CIPHERTEXT_PREFIX)) != 0 ||
		strspn(text, FC_VAULT_CIPHERTEXT_CHARS) != len)
		return FC_ERR_KMS_DATA;
	memcpy(call->blob, text, len);
	call->blob_len = len;
	return FC_OK;
}

static FcStatus
parse_plaintext(FcKmsCall *call)
{
	char		text[FC_B64_LEN(FC_SECRET_BYTES) + 1];
	uint8_t		bytes[FC_B64_MAX_DECODED(FC_B64_LEN(FC_SECRET_BYTES))];
	const FcJsonField field = { "data", "plaintext", FC_JSON_TEXT, true, text, sizeof(text) };
	FcStatus	status = fc_json_fields(call->http.answer, call->http.answer_len, &field, 1);
	size_t		len = 0;

	if (status == FC_OK &&
		(fc_b64_decode(text, strlen(text), bytes, &len) != FC_OK || len != FC_SECRET_BYTES))
		status = FC_ERR_KMS_DATA;
	if (status == FC_OK)
		memcpy(call->secret.bytes, bytes, FC_SECRET_BYTES);
	fc_wipe(text, sizeof(text));
	fc_wipe(bytes, sizeof(bytes));
	return status;
}

static FcStatus
parse_key(FcKmsCall *call)
{
	bool		encrypts = true;
	bool		decrypts = true;
	bool		derived = false;
	bool		deleted = false;
	const FcJsonField fields[] = {
		{ "data", "supports_encryption", FC_JSON_BOOL, false, &encrypts, 0 },
		{ "data", "supports_decryption", FC_JSON_BOOL, false, &decrypts, 0 },
		{ "data", "derived", FC_JSON_BOOL, false, &derived, 0 },
		{ "data", "soft_deleted", FC_JSON_BOOL, false, &deleted, 0 }
	};
	FcStatus	status = fc_json_fields(call->http.answer, call->http.answer_len, fields, 4);

	if (status != FC_OK)
		return status;
	if (deleted)
		return fc_kms_fail(&call->error, FC_ERR_KMS_KEY, 0,
						   "the Transit key \"%.100s\" is soft-deleted", call->kms_key);
	if (derived || !encrypts || !decrypts)
		return fc_kms_fail(&call->error, FC_ERR_KMS_CONFIG, 0,
						   "the Transit key \"%.100s\" is %s; a key of type aes256-gcm96 is needed",
						   call->kms_key, derived ? "a derived one" : "not for encryption");
	return FC_OK;
}
