/*-------------------------------------------------------------------------
 *
 * test_vault.c
 *		The provider `vault` without a network: options, requests, answers, and
 *		what a call does when they come one after the other.  The bodies were
 *		recorded from OpenBao 2.7.2.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/fc_b64.h"
#include "crypto/fc_crypto.h"
#include "kms/fc_kms_json.h"
#include "kms/fc_kms_vault.h"

#define CONTEXT "fieldcrypt/1 purpose=1 suite=1 key_id=0123456789ab version=1"
#define BLOB "vault:v1:XjsPQWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo="
#define ONE_ERROR "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}"
#define DENIED "{\"errors\":[\"permission denied\"]}"
#define LOGIN "{\"request_id\":\"x\",\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,\"data\":null," \
			  "\"wrap_info\":null,\"warnings\":null,\"auth\":{\"client_token\":\"s.token-1\",\"accessor\":\"a\"," \
			  "\"policies\":[\"default\",\"fc\"],\"lease_duration\":60,\"renewable\":true,\"token_type\":\"service\"}}"
#define WRAPPED "{\"request_id\":\"x\",\"data\":{\"ciphertext\":\"" BLOB "\",\"key_version\":1},\"warnings\":null,\"auth\":null}"
#define OPENED "{\"request_id\":\"x\",\"data\":{\"plaintext\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"},\"auth\":null}"

static char dir[] = "/tmp/fc_test_vault_XXXXXX";
static int64_t clock_ms = 1000000;

static int64_t
test_clock(void)
{
	return clock_ms;
}

static char *
path_of(const char *name)
{
	static char path[4][128];
	static int	n = 0;

	n = (n + 1) % 4;
	snprintf(path[n], sizeof(path[n]), "%s/%s", dir, name);
	return path[n];
}

static void
write_file(const char *name, const char *text, mode_t mode)
{
	FILE	   *f;

	unlink(path_of(name));
	f = fopen(path_of(name), "w");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0 || chmod(path_of(name), mode) != 0)
	{
		printf("Bail out! cannot write %s\n", name);
		exit(1);
	}
}

/* Options are pairs; a NULL value leaves the option out. */
static FcStatus
configure(FcKmsInstance **instance, FcKmsError *error, const char *const *pairs)
{
	FcKmsOption	options[32];
	FcKmsConfig	config = { "v", options, 0, "/nonexistent" };

	for (; pairs[0] != NULL; pairs += 2)
	{
		if (pairs[1] == NULL)
			continue;
		options[config.noptions].name = pairs[0];
		options[config.noptions].value = pairs[1];
		options[config.noptions].line = (int) config.noptions + 1;
		config.noptions++;
	}
	memset(error, 0, sizeof(*error));
	return fc_kms_vault.configure(&config, instance, error);
}

static FcKmsInstance *
approle(const char *address)
{
	const char *pairs[] = { "address", address, "auth", "approle",
							"role_id_file", path_of("role_id"), "secret_id_file", path_of("secret_id"),
							"key", "fc", NULL };
	FcKmsInstance *instance = NULL;
	FcKmsError	error;

	if (configure(&instance, &error, pairs) != FC_OK)
		printf("Bail out! %s\n", error.message);
	return instance;
}

static void
start(FcKmsCall *call, FcKmsOp op)
{
	size_t		i;

	memset(call, 0, sizeof(*call));
	call->op = op;
	call->kms_key = "fc";
	call->context = CONTEXT;
	if (op == FC_KMS_WRAP)
		for (i = 0; i < FC_SECRET_BYTES; i++)
			call->secret.bytes[i] = (uint8_t) i;
	if (op == FC_KMS_UNWRAP)
	{
		call->blob_len = strlen(BLOB);
		memcpy(call->blob, BLOB, call->blob_len);
	}
}

/* Answer what the call wants, and take its next step. */
static FcKmsStep
answer(FcKmsInstance *instance, FcKmsCall *call, int status, const char *body)
{
	call->http.transport = FC_OK;
	call->http.status = status;
	call->http.answer = body;
	call->http.answer_len = strlen(body);
	call->http.location = NULL;
	call->http.retry_after_ms = 0;
	return fc_kms_vault.resume(instance, call);
}

static FcKmsStep
no_answer(FcKmsInstance *instance, FcKmsCall *call, FcStatus status)
{
	call->http.transport = status;
	call->http.status = 0;
	call->http.answer = NULL;
	call->http.answer_len = 0;
	snprintf(call->http.transport_error, sizeof(call->http.transport_error), "could not connect");
	return fc_kms_vault.resume(instance, call);
}

static bool
has_header(const FcKmsCall *call, const char *header)
{
	const char *const *h;

	for (h = call->http.headers; *h != NULL; h++)
		if (strcmp(*h, header) == 0)
			return true;
	return false;
}

static bool
asks(const FcKmsCall *call, const char *method, const char *url)
{
	return strcmp(call->http.method, method) == 0 && strcmp(call->http.url, url) == 0;
}

static void
test_json(void)
{
	static const char *const bad[] = {
		"", " ", "{", "}", "[]", "null", "1", "\"x\"", "{\"a\":", "{\"a\":{\"t\":\"x\"}", "{\"a\":{\"t\":\"x\"}} x",
		"{'a':1}", "{\"a\":{\"t\":1}}", "{\"a\":{\"t\":[\"x\"]}}", "{\"a\":{\"t\":{}}}", "{\"a\":{\"t\":true}}",
		"{\"a\":{\"t\":null}}", "{\"a\":{}}", "{}", "{\"a\":\"t\"}", "{\"a\":[]}", "{\"a\":null}",
		"{\"a\":{\"t\":\"x\",\"t\":\"y\"}}", "{\"a\":{\"t\":\"12345678\"}}", "{\"a\":{\"t\":\"\\u0000\"}}",
		"{\"a\":{\"t\":\"\xff\"}}", "{\"a\":{\"t\":\"\\ud800\"}}", "{\"a\":{\"t\":\"x\"},\"n\":1e999}",
		"{\"a\":{\"t\":\"x\"},\"n\":9223372036854775808}", "{\"a\":{\"t\":\"x\"},\"n\":\"1\"}",
		"{\"a\":{\"t\":\"x\"},\"n\":1.5}", "{\"a\":{\"t\":\"x\"},\"n\":99999999999999999999999999999999}"
	};
	char		text[8] = "";
	int64_t		number = 7;
	const char *good = "{\"a\":{\"t\":\"1234567\"},\"n\":-3}";
	const char *quoted = "{\"a\":{\"t\":\"x\"},\"q\":\"\\\"";
	char		deep[256];
	const FcJsonField fields[] = {
		{ "a", "t", FC_JSON_TEXT, true, text, sizeof(text) },
		{ "", "n", FC_JSON_INT, false, &number, 0 }
	};
	size_t		i;
	int			accepted = 0;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (fc_json_fields(bad[i], strlen(bad[i]), fields, 2) != FC_ERR_KMS_DATA)
			printf("# %s: accepted (%d)\n", bad[i], ++accepted);
	ok(accepted == 0, "%zu texts that are not as the table says", i);
	ok(fc_json_fields(good, strlen(good), fields, 2) == FC_OK &&
	   strcmp(text, "1234567") == 0 && number == -3, "fields are taken");
	ok(fc_json_fields(NULL, 0, fields, 2) == FC_ERR_KMS_DATA, "no text at all");

	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"a\":", 5);
	ok(fc_json_fields(deep, sizeof(deep), fields, 2) == FC_ERR_KMS_DATA, "nesting has a limit");
	memset(deep, '[', sizeof(deep));
	memcpy(deep, quoted, strlen(quoted));
	memcpy(deep + sizeof(deep) - 2, "\"}", 2);
	ok(fc_json_fields(deep, sizeof(deep), fields, 2) == FC_OK, "of brackets, not of text");
}

static void
expect_config(const char *message, const char *name, const char *value)
{
	const char *pairs[] = { "address", "https://h:8200", "auth", "approle", "role_id_file", "/r",
							"secret_id_file", "/s", "key", "fc", name, value, NULL };
	FcKmsInstance *instance = NULL;
	FcKmsError	error;
	size_t		i;

	for (i = 0; i < 10; i += 2)
		if (strcmp(pairs[i], name) == 0)
			pairs[i + 1] = NULL;
	if (message == NULL)
	{
		ok(configure(&instance, &error, pairs) == FC_OK, "%s = '%s' is taken", name, value);
		fc_kms_vault.destroy(instance);
	}
	else
		ok(configure(&instance, &error, pairs) == FC_ERR_KMS_CONFIG && instance == NULL &&
		   strstr(error.message, message) != NULL, "%s = '%s': %s", name, value ? value : "", error.message);
}

static void
test_config(void)
{
	static const char *const bad[] = {
		"h:8200", "ftp://h", "http://h", "http://localhost:8200", "http://127.0.0.1.evil.com", "http://10.0.0.1",
		"https://", "https://:8200", "https://h:", "https://h:0", "https://h:65536", "https://h:123456",
		"https://u@h", "https://u:p@h", "https://h?x", "https://h#x", "https://h/..", "https://h/a//b",
		"https://h/%2e", "https://[::1", "https://[]", "https://[zz]", "http://[::2]", "https://h:82x", "HTTPS://h",
		"https://h\\", "https://h:8200/a b?"
	};
	size_t		i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_config("is not an https address", "address", bad[i]);
	expect_config(NULL, "address", "https://kms.example.com:8200/");
	expect_config(NULL, "address", "https://10.0.0.1, https://[2001:db8::1]:8200 ,https://h/ingress/kms");
	expect_config(NULL, "address", "http://127.0.0.1:8200,http://[::1]:8200");
	expect_config("is missing", "address", NULL);
	expect_config("is missing", "address", " , ");
	expect_config("more than 8", "address",
				  "https://1,https://2,https://3,https://4,https://5,https://6,https://7,https://8,https://9");
	expect_config("must be token, approle", "auth", "userpass");
	expect_config("must be token, approle", "auth", NULL);
	expect_config("needs option \"token_file\"", "auth", "token");
	expect_config("needs option \"role\"", "auth", "kubernetes");
	expect_config("needs option \"client_cert_file\"", "auth", "cert");
	expect_config("needs option \"secret_id_file\"", "secret_id_file", NULL);
	expect_config("not an absolute path", "secret_id_file", "secret");
	expect_config("is missing", "key", NULL);
	expect_config("cannot be the value", "key", "a/b");
	expect_config("cannot be the value", "key", "..");
	expect_config("cannot be the value", "mount", "a/../b");
	expect_config("cannot be the value", "mount", "a b");
	ok(!fc_vault_path_ok("a\r\nX-Evil: 1", true), "nothing that would end a header");
	expect_config("cannot be the value", "namespace", "a//b");
	expect_config(NULL, "namespace", "/a/b/");
	expect_config(NULL, "mount", "kms/transit/");
	expect_config("must be 1.2 or 1.3", "tls_min", "1.1");
	expect_config(NULL, "tls_min", "1.3");
	expect_config("needs option \"client_cert_file\"", "client_key_file", "/k");
	expect_config("not an absolute path", "ca_file", "ca.pem");
}

static void
test_plain_http(void)
{
	FcKmsInstance *instance = approle("http://127.0.0.1:8200");

	ok(fc_kms_vault.warning(instance) != NULL && instance->config.address[0].plain,
	   "http to a loopback address: %s", fc_kms_vault.warning(instance));
	fc_kms_vault.destroy(instance);
	instance = approle("https://127.0.0.1:8200");
	ok(fc_kms_vault.warning(instance) == NULL && !instance->config.address[0].plain, "https: no warning");
	fc_kms_vault.destroy(instance);
}

static void
test_requests(void)
{
	FcKmsInstance *instance = approle("https://a:8200/");
	FcKmsCall	call;

	start(&call, FC_KMS_WRAP);
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP &&
	   asks(&call, "POST", "https://a:8200/v1/auth/approle/login"), "a call begins with a login");
	ok(strcmp(call.http.body, "{\"role_id\":\"role\",\"secret_id\":\"se\\\"cr\\\\et\"}") == 0, "its body is quoted");
	ok(call.http.headers[2] == NULL, "it has no token");
	ok(answer(instance, &call, 200, LOGIN) == FC_KMS_WANT_HTTP &&
	   asks(&call, "POST", "https://a:8200/v1/transit/encrypt/fc"), "then it encrypts");
	ok(has_header(&call, "X-Vault-Token: s.token-1") && has_header(&call, "X-Vault-Request: true"), "with the token");
	ok(strncmp(call.http.body, "{\"plaintext\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\",\"associated_data\":\"ZmllbGRjcnlwdC8x", 91) == 0,
	   "the secret and its context");
	ok(answer(instance, &call, 200, WRAPPED) == FC_KMS_DONE && call.error.status == FC_OK &&
	   call.blob_len == strlen(BLOB) && memcmp(call.blob, BLOB, call.blob_len) == 0, "the blob is the ciphertext");
	fc_kms_vault.finish(instance, &call);

	start(&call, FC_KMS_UNWRAP);
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP &&
	   asks(&call, "POST", "https://a:8200/v1/transit/decrypt/fc") &&
	   strstr(call.http.body, "{\"ciphertext\":\"" BLOB "\",\"associated_data\":\"") == call.http.body,
	   "the next call uses the token");
	ok(answer(instance, &call, 200, OPENED) == FC_KMS_DONE && call.error.status == FC_OK &&
	   call.secret.bytes[0] == 0 && call.secret.bytes[31] == 31, "and opens");
	fc_kms_vault.finish(instance, &call);

	start(&call, FC_KMS_CHECK);
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP &&
	   asks(&call, "GET", "https://a:8200/v1/transit/keys/fc"), "a check reads the key");
	ok(answer(instance, &call, 200, "{\"data\":{\"supports_encryption\":true,\"supports_decryption\":true,\"derived\":false}}") == FC_KMS_DONE &&
	   call.error.status == FC_OK, "which is there");
	fc_kms_vault.finish(instance, &call);

	start(&call, FC_KMS_UNWRAP);
	call.kms_key = "../sys/seal";
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_DONE && call.error.status == FC_ERR_KMS_KEY, "a key is a name");
	fc_kms_vault.finish(instance, &call);
	start(&call, FC_KMS_UNWRAP);
	call.blob[8] = '"';
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_DONE && call.error.status == FC_ERR_KMS_DATA,
	   "a blob of another provider");
	fc_kms_vault.finish(instance, &call);
	fc_kms_vault.destroy(instance);
}

static void
test_other_logins(void)
{
	const char *pairs[] = { "address", "https://a", "auth", "token", "token_file", path_of("token"), "role", "r",
							"jwt_file", path_of("token"), "client_cert_file", path_of("token"), "key", "fc",
							"namespace", "ns1/ns2", "auth_mount", "other/", "mount", "m/n", NULL };
	FcKmsInstance *instance;
	FcKmsError	error;
	FcKmsCall	call;

	start(&call, FC_KMS_UNWRAP);
	ok(configure(&instance, &error, pairs) == FC_OK && fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP &&
	   asks(&call, "GET", "https://a/v1/auth/token/lookup-self") && has_header(&call, "X-Vault-Token: s.static") &&
	   has_header(&call, "X-Vault-Namespace: ns1/ns2/"), "a token looks itself up");
	ok(answer(instance, &call, 403, DENIED) == FC_KMS_WANT_HTTP &&
	   asks(&call, "POST", "https://a/v1/m/n/decrypt/fc") && has_header(&call, "X-Vault-Token: s.static"),
	   "and is used though it may not");
	ok(answer(instance, &call, 403, DENIED) == FC_KMS_DONE && call.error.status == FC_ERR_KMS_AUTH, "until it is refused");
	fc_kms_vault.finish(instance, &call);
	fc_kms_vault.destroy(instance);

	pairs[3] = "kubernetes";
	start(&call, FC_KMS_UNWRAP);
	ok(configure(&instance, &error, pairs) == FC_OK && fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP &&
	   asks(&call, "POST", "https://a/v1/auth/other/login") &&
	   strcmp(call.http.body, "{\"role\":\"r\",\"jwt\":\"s.static\"}") == 0 && call.http.tls->client_cert_file != NULL,
	   "a service account");
	fc_kms_vault.finish(instance, &call);
	fc_kms_vault.destroy(instance);

	pairs[3] = "cert";
	start(&call, FC_KMS_UNWRAP);
	ok(configure(&instance, &error, pairs) == FC_OK && fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP &&
	   strcmp(call.http.body, "{\"name\":\"r\"}") == 0, "a certificate");
	fc_kms_vault.finish(instance, &call);
	fc_kms_vault.destroy(instance);
}

static void
test_files(void)
{
	static const struct
	{
		const char *text;
		mode_t		mode;
		const char *message;
	} bad[] = {
		{ "", 0600, "is empty" }, { " \n\t", 0600, "is empty" }, { "a b", 0600, "something else" },
		{ "a\nb", 0600, "something else" }, { "\xc3\xa4", 0600, "something else" }, { "a", 0604, "everybody" }
	};
	FcKmsInstance *instance = approle("https://a");
	FcKmsCall	call;
	char	   *big = malloc(FC_SECRET_FILE_MAX + 1);
	size_t		i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		write_file("secret_id", bad[i].text, bad[i].mode);
		start(&call, FC_KMS_UNWRAP);
		ok(fc_kms_vault.begin(instance, &call) == FC_KMS_DONE && call.error.status == FC_ERR_KMS_CONFIG &&
		   strstr(call.error.message, bad[i].message) != NULL && call.error.line == 4, "%s", call.error.message);
		fc_kms_vault.finish(instance, &call);
	}
	memset(big, 'x', FC_SECRET_FILE_MAX);
	big[FC_SECRET_FILE_MAX] = '\0';
	write_file("secret_id", big, 0600);
	start(&call, FC_KMS_UNWRAP);
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_DONE && strstr(call.error.message, "too long") != NULL, "too long a file");
	fc_kms_vault.finish(instance, &call);
	unlink(path_of("secret_id"));
	start(&call, FC_KMS_UNWRAP);
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_DONE && strstr(call.error.message, "cannot be opened") != NULL, "no file");
	fc_kms_vault.finish(instance, &call);
	write_file("secret_id", "se\"cr\\et\n", 0640);
	free(big);
	fc_kms_vault.destroy(instance);
}

/* One answer of each kind, to a call with a token that is fresh. */
static const struct
{
	FcKmsOp		op;
	int			status;
	const char *body;
	FcStatus	expected;
} answers[] = {
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"cipher: message authentication failed\"]}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"invalid ciphertext: no prefix\"]}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"invalid ciphertext: wrong number of fields\"]}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"invalid ciphertext: version is too new\"]}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"invalid ciphertext: could not decode base64\"]}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"invalid ciphertext: version number could not be decoded\"]}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"invalid ciphertext length\"]}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"illegal base64 data at input byte 0\"]}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"invalid ciphertext: ciphertext or signature version is disallowed by policy (too old)\"]}", FC_ERR_KMS_KEY },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"ciphertext or signature version is disallowed by policy (too old)\"]}", FC_ERR_KMS_KEY },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"encryption key not found\"]}", FC_ERR_KMS_KEY },
	{ FC_KMS_WRAP, 400, "{\"errors\":[\"encryption key not found\"]}", FC_ERR_KMS_KEY },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"refusing to use soft-deleted key\"]}", FC_ERR_KMS_KEY },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information must be included in order to perform operations with the key\"]}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 400, "Client sent an HTTP request to an HTTPS server.\n", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 400, "{\"request_id\":\"x\",\"data\":{\"batch_results\":[]},\"auth\":null}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 400, "{\"errors\":[\"failed to decode \\\"X-Vault-Index\\\"\"]}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 403, DENIED, FC_ERR_KMS_AUTH },
	{ FC_KMS_UNWRAP, 403, ONE_ERROR, FC_ERR_KMS_AUTH },
	{ FC_KMS_CHECK, 403, ONE_ERROR, FC_OK },
	{ FC_KMS_UNWRAP, 403, "<html>forbidden</html>", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 403, "", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 403, "{\"error\":\"permission denied\"}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 403, "{\"errors\":\"permission denied\"}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 403, "{\"errors\":[{}]}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 403, "{\"errors\":[\"permission", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 404, "{\"errors\":[\"no handler for route \\\"transit/decrypt/fc\\\". route entry not found.\"]}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 404, "{\"errors\":[\"1 error occurred:\\n\\t* unsupported path\\n\\n\"]}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 404, "{\"errors\":[\"namespace not found\"]}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 404, "{\"errors\":[]}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_CHECK, 404, "{\"errors\":[]}", FC_ERR_KMS_KEY },
	{ FC_KMS_CHECK, 404, "404 page not found\n", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 405, "{\"errors\":[]}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 405, "{\"errors\":[\"1 error occurred:\\n\\t* unsupported operation\\n\\n\"]}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 408, "", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 412, "", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 413, "{\"errors\":[\"http: request body too large\"]}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 415, "", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 425, "", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 429, "{\"errors\":[\"request path \\\"transit/decrypt/fc\\\": rate limit quota exceeded\"]}", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 429, "{\"errors\":[]}", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 472, "", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 473, "", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 500, "{\"errors\":[\"local node not active but active cluster node not found\"]}", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 500, "{\"errors\":[\"1 error occurred:\\n\\t* unable to get associated_data/additional_data from factory[0]: illegal base64 data at input byte 0\\n\\n\"]}", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 502, "<html>bad gateway</html>", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 503, "{\"errors\":[\"Vault is sealed\"]}", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 503, "{\"errors\":[\"API access to this namespace has been locked by an administrator - \\\"ns1/ns2/\\\" must be unlocked to gain access.\"]}", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 503, "{\"errors\":[\"namespace is sealed\"]}", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 504, "", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 530, "", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 307, "", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 301, "", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 302, "", FC_ERR_KMS_CONFIG },
	{ FC_KMS_UNWRAP, 0, "", FC_ERR_KMS_RETRY },
	{ FC_KMS_UNWRAP, 204, "", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 200, "", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 200, "<html>hello</html>", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 200, WRAPPED, FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 200, "{\"data\":{\"plaintext\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 200, "{\"data\":{\"plaintext\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\"}}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 200, "{\"data\":{\"plaintext\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\"}}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 200, "{\"data\":{\"plaintext\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 200, "{\"data\":{\"plaintext\":\"\"}}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 200, "{\"data\":{\"plaintext\":null}}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 200, "{\"data\":{\"plaintext\":7}}", FC_ERR_KMS_DATA },
	{ FC_KMS_UNWRAP, 200, "{\"data\":null}", FC_ERR_KMS_DATA },
	{ FC_KMS_WRAP, 200, OPENED, FC_ERR_KMS_DATA },
	{ FC_KMS_WRAP, 200, "{\"data\":{\"ciphertext\":\"bao:v1:abc\"}}", FC_ERR_KMS_DATA },
	{ FC_KMS_WRAP, 200, "{\"data\":{\"ciphertext\":\"vault:v1:a\\\"b\"}}", FC_ERR_KMS_DATA },
	{ FC_KMS_WRAP, 200, "{\"data\":{\"ciphertext\":\"vault:v1:abc\"},\"warnings\":[\"Endpoint ignored these unrecognized parameters: [associated_data]\"]}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_CHECK, 200, "{\"data\":{\"derived\":true}}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_CHECK, 200, "{\"data\":{\"supports_decryption\":false}}", FC_ERR_KMS_CONFIG },
	{ FC_KMS_CHECK, 200, "{\"data\":{\"soft_deleted\":true}}", FC_ERR_KMS_KEY },
	{ FC_KMS_CHECK, 200, "[]", FC_ERR_KMS_DATA }
};

static void
test_answers(void)
{
	size_t		i;

	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
	{
		FcKmsInstance *instance = approle("https://a");
		FcKmsCall	call;
		FcKmsStep	step;

		start(&call, answers[i].op);
		step = fc_kms_vault.begin(instance, &call);
		if (step == FC_KMS_WANT_HTTP)
			step = answer(instance, &call, 200, LOGIN);
		if (step == FC_KMS_WANT_HTTP)
			step = answer(instance, &call, answers[i].status, answers[i].body);
		ok(step == FC_KMS_DONE && call.error.status == answers[i].expected &&
		   strstr(call.error.message, "token-1") == NULL && strstr(call.error.message, "AAECAw") == NULL,
		   "%d: %s", answers[i].status, call.error.message);
		fc_kms_vault.finish(instance, &call);
		fc_kms_vault.destroy(instance);
	}
}

#define NOT_ALLOWED "{\"errors\":[\"error deleting policy subject_1: deletion is not allowed for this key\"]}"
#define NOT_THERE "{\"errors\":[\"error deleting policy subject_1: could not delete key; not found\"]}"
#define NOT_KNOWN "{\"errors\":[\"no existing key named subject_1 could be found\"]}"
#define SOFT "{\"errors\":[\"refusing to use soft-deleted key\"]}"

/* A deletion with a fresh token, up to the first request's answer. */
static FcKmsStep
begin_deletion(FcKmsInstance *instance, FcKmsCall *call, int status, const char *body)
{
	start(call, FC_KMS_DELETE);
	call->kms_key = "subject_1";
	(void) fc_kms_vault.begin(instance, call);
	(void) answer(instance, call, 200, LOGIN);
	ok(asks(call, "DELETE", "https://a/v1/transit/keys/subject_1") && call->http.body_len == 0 &&
	   has_header(call, "X-Vault-Token: s.token-1"), "a deletion");
	return answer(instance, call, status, body);
}

static void
end_deletion(FcKmsInstance *instance, FcKmsCall *call, FcKmsStep step, FcStatus status,
			 const char *outcome)
{
	ok(step == FC_KMS_DONE && call->error.status == status && strcmp(call->outcome, outcome) == 0,
	   "ends with %d, \"%s\" %s", status, outcome, call->error.message);
	fc_kms_vault.finish(instance, call);
	fc_kms_vault.destroy(instance);
}

/* What there is to do until the key is gone, and what is no success. */
static void
test_deletions(void)
{
	static const struct
	{
		int			status[3];	/* of the answers to DELETE, to config, to DELETE again */
		const char *body[3];
		FcStatus	expected;
		const char *outcome;
	} deletions[] = {
		{ { 204 }, { "" }, FC_OK, "deleted" },
		{ { 400, 200, 204 }, { NOT_ALLOWED, "{\"data\":{\"deletion_allowed\":true}}", "" }, FC_OK, "deleted" },
		{ { 400, 204, 204 }, { NOT_ALLOWED, "", "" }, FC_OK, "deleted" },
		{ { 400 }, { NOT_THERE }, FC_OK, "deleted already" },
		{ { 400, 400 }, { NOT_ALLOWED, NOT_KNOWN }, FC_OK, "deleted already" },
		{ { 400, 200, 400 }, { NOT_ALLOWED, "{}", NOT_THERE }, FC_OK, "deleted already" },
		{ { 400, 200, 400 }, { NOT_ALLOWED, "{}", NOT_ALLOWED }, FC_ERR_KMS_CONFIG, "" },
		{ { 400, 400 }, { NOT_ALLOWED, SOFT }, FC_ERR_KMS_CONFIG, "" },
		{ { 400, 400 }, { NOT_THERE "x", NOT_THERE "x" }, FC_ERR_KMS_CONFIG, "" },
		{ { 404 }, { "{\"errors\":[]}" }, FC_ERR_KMS_CONFIG, "" },
		{ { 404 }, { NOT_THERE }, FC_ERR_KMS_CONFIG, "" },
		{ { 403 }, { "<html>forbidden</html>" }, FC_ERR_KMS_CONFIG, "" },
		{ { 403 }, { ONE_ERROR }, FC_ERR_KMS_AUTH, "" },
		{ { 400, 403 }, { NOT_ALLOWED, ONE_ERROR }, FC_ERR_KMS_AUTH, "" },
		{ { 400, 503 }, { NOT_ALLOWED, "{\"errors\":[\"Vault is sealed\"]}" }, FC_ERR_KMS_RETRY, "" },
		{ { 503 }, { "{\"errors\":[\"Vault is sealed\"]}" }, FC_ERR_KMS_RETRY, "" }
	};
	size_t		i;

	for (i = 0; i < sizeof(deletions) / sizeof(deletions[0]); i++)
	{
		FcKmsInstance *instance = approle("https://a");
		FcKmsCall	call;
		FcKmsStep	step = begin_deletion(instance, &call, deletions[i].status[0], deletions[i].body[0]);

		if (deletions[i].status[1] != 0)
		{
			ok(step == FC_KMS_WANT_HTTP && asks(&call, "POST", "https://a/v1/transit/keys/subject_1/config") &&
			   strcmp(call.http.body, "{\"deletion_allowed\":true}") == 0, "is allowed");
			step = answer(instance, &call, deletions[i].status[1], deletions[i].body[1]);
		}
		if (deletions[i].status[2] != 0)
		{
			ok(step == FC_KMS_WANT_HTTP && asks(&call, "DELETE", "https://a/v1/transit/keys/subject_1") &&
			   call.http.body_len == 0, "and tried again");
			step = answer(instance, &call, deletions[i].status[2], deletions[i].body[2]);
		}
		end_deletion(instance, &call, step, deletions[i].expected, deletions[i].outcome);
	}
}

/* In the middle of it the token is refused, and an address is lost. */
static void
test_deletion_goes_on(void)
{
	FcKmsInstance *instance = approle("https://a,https://b");
	FcKmsCall	call;
	FcKmsStep	step;

	(void) begin_deletion(instance, &call, 204, "");
	fc_kms_vault.finish(instance, &call);
	start(&call, FC_KMS_DELETE);
	call.kms_key = "subject_1";
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP && call.outcome[0] == '\0' &&
	   answer(instance, &call, 400, NOT_ALLOWED) == FC_KMS_WANT_HTTP &&
	   answer(instance, &call, 403, DENIED) == FC_KMS_WANT_HTTP &&
	   asks(&call, "POST", "https://a/v1/auth/approle/login"), "another login");
	step = answer(instance, &call, 200, LOGIN);
	ok(step == FC_KMS_WANT_HTTP && asks(&call, "POST", "https://a/v1/transit/keys/subject_1/config"),
	   "goes on where it was");
	step = no_answer(instance, &call, FC_ERR_KMS_RETRY);
	ok(step == FC_KMS_WANT_HTTP && asks(&call, "POST", "https://b/v1/transit/keys/subject_1/config") &&
	   strcmp(call.http.body, "{\"deletion_allowed\":true}") == 0, "at the other address");
	step = answer(instance, &call, 200, "{}");
	ok(step == FC_KMS_WANT_HTTP && asks(&call, "DELETE", "https://b/v1/transit/keys/subject_1"), "to the end");
	end_deletion(instance, &call, answer(instance, &call, 204, ""), FC_OK, "deleted");

	instance = approle("https://a");
	start(&call, FC_KMS_DELETE);
	call.kms_key = "subject_1/config";
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_DONE && call.error.status == FC_ERR_KMS_KEY,
	   "only what is a name is deleted");
	fc_kms_vault.finish(instance, &call);
	fc_kms_vault.destroy(instance);
}

static void
test_long_errors(void)
{
	FcKmsInstance *instance = approle("https://a");
	FcKmsCall	call;
	char		body[4096];

	memset(body, 'e', sizeof(body));
	memcpy(body, "{\"errors\":[\"\\u0001\\u00e4 x", strlen("{\"errors\":[\"\\u0001\\u00e4 x"));
	memcpy(body + sizeof(body) - 4, "\"]}", 4);
	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	(void) answer(instance, &call, 503, body);
	ok(call.error.status == FC_ERR_KMS_RETRY && strlen(call.error.message) < 200 &&
	   strstr(call.error.message, "503: x") != NULL, "a long error is cut: %s", call.error.message);
	fc_kms_vault.finish(instance, &call);

	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	(void) answer(instance, &call, 200, "{\"auth\":{\"client_token\":\"s.0123456789abcdef\",\"lease_duration\":60}}");
	(void) answer(instance, &call, 503, "{\"errors\":[\"bad token s.0123456789abcdef\"]}");
	ok(call.error.status == FC_ERR_KMS_RETRY && strstr(call.error.message, "0123") == NULL,
	   "a token is not repeated: %s", call.error.message);
	fc_kms_vault.finish(instance, &call);

	/* one that is not the one sent, as that of a session before */
	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	(void) answer(instance, &call, 503, "{\"errors\":[\"0 s.tx/hvs.CAESIJlWh4sY5x0-q_Z7 at transit/decrypt/patients\"]}");
	ok(call.error.status == FC_ERR_KMS_RETRY &&
	   strstr(call.error.message, ": 0 s.tx/hvs.*** at transit/decrypt/patients") != NULL,
	   "nor any other: %s", call.error.message);
	fc_kms_vault.finish(instance, &call);

	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	call.http.transport = FC_OK;
	call.http.status = 429;
	call.http.retry_after_ms = 2000;
	call.http.answer = "{\"errors\":[]}";
	call.http.answer_len = 13;
	(void) fc_kms_vault.resume(instance, &call);
	ok(call.error.status == FC_ERR_KMS_RETRY && call.error.retry_after_ms == 2000, "Retry-After is handed on");
	fc_kms_vault.finish(instance, &call);
	fc_kms_vault.destroy(instance);
}

static void
test_refused_login(void)
{
	static const char wrong[] = "{\"errors\":[\"invalid role or secret ID\"]}";
	FcKmsInstance *instance = approle("https://a");
	FcKmsCall	call;
	int			logins = 0;
	int			i;

	for (i = 0; i < 15 * 60; i++)
	{
		start(&call, FC_KMS_UNWRAP);
		call.fresh_login = i % 2 == 1;
		if (fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP)
		{
			logins++;
			(void) answer(instance, &call, 400, wrong);
		}
		if (call.error.status != FC_ERR_KMS_AUTH || strstr(call.error.message, "invalid role or secret ID") == NULL)
			break;
		fc_kms_vault.finish(instance, &call);
		clock_ms += 1000;
	}
	ok(i == 15 * 60, "a wrong secret id is a refusal each time");
	ok(logins >= 2 && logins < 5, "of %d logins in a quarter of an hour", logins);

	write_file("secret_id", "another\n", 0600);
	start(&call, FC_KMS_UNWRAP);
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP, "a changed file is tried at once");
	ok(answer(instance, &call, 403, DENIED) == FC_KMS_DONE && call.error.status == FC_ERR_KMS_AUTH, "a locked role is a refusal too");
	fc_kms_vault.finish(instance, &call);
	write_file("secret_id", "se\"cr\\et\n", 0600);
	fc_kms_vault.destroy(instance);
}

static bool session_is(const FcKmsInstance *instance, const char *state, int64_t left_ms);

/* However often the file is read again, a role is not locked. */
static void
test_refused_reload(void)
{
	static const char wrong[] = "{\"errors\":[\"invalid role or secret ID\"]}";
	FcKmsInstance *instance = approle("https://a");
	FcKmsInstance *old;
	FcKmsCall	call;
	int			logins = 0;
	int			kept = 0;
	int			i;

	for (i = 0; i < 15 * 60; i++)
	{
		start(&call, FC_KMS_UNWRAP);
		if (fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP)
		{
			logins++;
			(void) answer(instance, &call, 400, wrong);
		}
		fc_kms_vault.finish(instance, &call);
		clock_ms += 1000;
		if (i % 30 == 29)
		{
			old = instance;
			instance = approle("https://a");
			fc_kms_vault.inherit(instance, old);
			fc_kms_vault.destroy(old);
			kept += session_is(instance, "refused", -1);
		}
		if (i == 31)
			ok(logins == 2, "the first reload is a try");
	}
	ok(kept == 30, "each reload keeps the refusal");
	ok(logins == 4, "of %d logins in a quarter of an hour with a reload each half minute", logins);

	write_file("secret_id", "another\n", 0600);
	start(&call, FC_KMS_UNWRAP);
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP, "a changed file is tried at once then too");
	fc_kms_vault.finish(instance, &call);
	write_file("secret_id", "se\"cr\\et\n", 0600);
	fc_kms_vault.destroy(instance);
}

static void
test_login_answers(void)
{
	FcKmsInstance *instance = approle("https://a");
	FcKmsCall	call;

	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	ok(answer(instance, &call, 500, "{\"errors\":[\"failed to verify client's certificate: x509: certificate specifies an incompatible key usage\"]}") == FC_KMS_DONE &&
	   call.error.status == FC_ERR_KMS_CONFIG, "a certificate for another use");
	fc_kms_vault.finish(instance, &call);
	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	ok(answer(instance, &call, 503, "{\"errors\":[\"Vault is sealed\"]}") == FC_KMS_DONE &&
	   call.error.status == FC_ERR_KMS_RETRY, "sealed is no refusal");
	fc_kms_vault.finish(instance, &call);
	start(&call, FC_KMS_UNWRAP);
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP, "and is tried again at once");
	ok(answer(instance, &call, 200, "{\"auth\":{\"client_token\":\"\",\"lease_duration\":60}}") == FC_KMS_DONE &&
	   call.error.status == FC_ERR_KMS_DATA, "a login without a token");
	fc_kms_vault.finish(instance, &call);
	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	ok(answer(instance, &call, 200, "{\"auth\":{\"client_token\":\"a b\",\"lease_duration\":60}}") == FC_KMS_DONE &&
	   call.error.status == FC_ERR_KMS_DATA, "a token that would end its header");
	fc_kms_vault.finish(instance, &call);
	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	ok(answer(instance, &call, 200, "{\"auth\":{\"client_token\":\"t\",\"lease_duration\":-1}}") == FC_KMS_DONE &&
	   call.error.status == FC_ERR_KMS_DATA, "a lease below zero");
	fc_kms_vault.finish(instance, &call);
	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	ok(answer(instance, &call, 200, "{\"auth\":{\"client_token\":\"t\",\"lease_duration\":9223372036854775807}}") == FC_KMS_WANT_HTTP &&
	   instance->session.expires > clock_ms, "a lease longer than time");
	fc_kms_vault.finish(instance, &call);
	fc_kms_vault.destroy(instance);
}

static void
test_revoked_token(void)
{
	FcKmsInstance *instance = approle("https://a");
	FcKmsCall	call;
	FcKmsCall	other;

	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	(void) answer(instance, &call, 200, LOGIN);
	(void) answer(instance, &call, 200, OPENED);
	fc_kms_vault.finish(instance, &call);

	start(&call, FC_KMS_UNWRAP);
	start(&other, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	(void) fc_kms_vault.begin(instance, &other);
	ok(answer(instance, &call, 403, DENIED) == FC_KMS_WANT_HTTP &&
	   asks(&call, "POST", "https://a/v1/auth/approle/login"), "403: log in again");
	ok(answer(instance, &other, 403, DENIED) == FC_KMS_WAIT && fc_kms_vault.resume(instance, &other) == FC_KMS_WAIT,
	   "another call waits for it");
	ok(answer(instance, &call, 200, LOGIN) == FC_KMS_WANT_HTTP &&
	   asks(&call, "POST", "https://a/v1/transit/decrypt/fc"), "and ask again");
	ok(fc_kms_vault.resume(instance, &other) == FC_KMS_WANT_HTTP &&
	   asks(&other, "POST", "https://a/v1/transit/decrypt/fc"), "as the other does");
	ok(answer(instance, &call, 403, ONE_ERROR) == FC_KMS_DONE && call.error.status == FC_ERR_KMS_AUTH, "denied, then");
	ok(answer(instance, &other, 200, OPENED) == FC_KMS_DONE && other.error.status == FC_OK, "or not");
	fc_kms_vault.finish(instance, &call);
	fc_kms_vault.finish(instance, &other);

	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	ok(answer(instance, &call, 403, ONE_ERROR) == FC_KMS_DONE, "a token refused when it was new is not replaced");
	fc_kms_vault.finish(instance, &call);
	clock_ms += 30000;
	start(&call, FC_KMS_UNWRAP);
	call.fresh_login = true;
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP &&
	   asks(&call, "POST", "https://a/v1/auth/approle/login"), "a denial is confirmed by a login");

	/* the login never ends */
	start(&other, FC_KMS_UNWRAP);
	other.fresh_login = true;
	ok(fc_kms_vault.begin(instance, &other) == FC_KMS_WAIT, "one for all");
	fc_kms_vault.finish(instance, &call);
	ok(fc_kms_vault.resume(instance, &other) == FC_KMS_DONE && other.error.status == FC_ERR_KMS_RETRY,
	   "an abandoned login fails for all");
	fc_kms_vault.finish(instance, &other);
	fc_kms_vault.destroy(instance);
}

static void
test_addresses(void)
{
	FcKmsInstance *instance = approle("https://a,https://b:1,https://c");
	FcKmsCall	call;

	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	ok(asks(&call, "POST", "https://a/v1/auth/approle/login") && call.http.timeout_ms > 0,
	   "the first address, with a part of the time");
	ok(no_answer(instance, &call, FC_ERR_KMS_RETRY) == FC_KMS_WANT_HTTP &&
	   asks(&call, "POST", "https://b:1/v1/auth/approle/login"), "down: the next");
	ok(answer(instance, &call, 503, "{\"errors\":[\"Vault is sealed\"]}") == FC_KMS_WANT_HTTP &&
	   asks(&call, "POST", "https://c/v1/auth/approle/login") && call.http.timeout_ms == 0,
	   "sealed: the last, with all that is left");
	ok(answer(instance, &call, 200, LOGIN) == FC_KMS_WANT_HTTP && asks(&call, "POST", "https://c/v1/transit/decrypt/fc"),
	   "and stay there");
	call.http.location = "https://b:1/v1/transit/decrypt/fc";
	call.http.transport = FC_OK;
	call.http.status = 307;
	call.http.answer_len = 0;
	ok(fc_kms_vault.resume(instance, &call) == FC_KMS_WANT_HTTP && asks(&call, "POST", "https://b:1/v1/transit/decrypt/fc"),
	   "307: the node it names");
	call.http.location = "https://b:1/v1/transit/decrypt/fc";
	ok(fc_kms_vault.resume(instance, &call) == FC_KMS_WANT_HTTP && asks(&call, "POST", "https://a/v1/transit/decrypt/fc"),
	   "307 to itself: another");
	call.http.location = "https://evil/v1/transit/decrypt/fc";
	ok(fc_kms_vault.resume(instance, &call) == FC_KMS_DONE && call.error.status == FC_ERR_KMS_RETRY,
	   "307 to a stranger: an outage");
	fc_kms_vault.finish(instance, &call);

	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	ok(answer(instance, &call, 429, "{\"errors\":[]}") == FC_KMS_DONE, "a quota is not dodged");
	fc_kms_vault.finish(instance, &call);
	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	ok(no_answer(instance, &call, FC_ERR_KMS_DATA) == FC_KMS_DONE && call.error.status == FC_ERR_KMS_DATA,
	   "too long an answer ends it");
	fc_kms_vault.finish(instance, &call);
	ok(fc_vault_address_of(&instance->config, "https://b:12/v1") == -1 &&
	   fc_vault_address_of(&instance->config, "https://c.evil/v1") == -1 &&
	   fc_vault_address_of(&instance->config, NULL) == -1, "addresses match as a whole");
	fc_kms_vault.destroy(instance);
}

/* Let the session's upkeep run; the call wants HTTP then. */
static void
upkeep(FcKmsInstance *instance, FcKmsCall *call)
{
	clock_ms += fc_kms_vault.upkeep_due(instance);
	start(call, FC_KMS_UPKEEP);
	(void) fc_kms_vault.begin(instance, call);
}

static bool
session_is(const FcKmsInstance *instance, const char *state, int64_t left_ms)
{
	FcKmsSession session = fc_kms_session(&fc_kms_vault, instance);

	return strcmp(session.state, state) == 0 && session.left_ms == left_ms;
}

static void
test_upkeep(void)
{
	FcKmsInstance *instance = approle("https://a");
	FcKmsCall	call;
	long		due;

	ok(fc_kms_vault.upkeep_due(instance) == -1, "no session, no upkeep");
	ok(session_is(instance, "none", -1), "and it says so");
	start(&call, FC_KMS_UPKEEP);
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_DONE && call.error.status == FC_OK, "nor a call for it");
	fc_kms_vault.finish(instance, &call);
	start(&call, FC_KMS_UNWRAP);
	(void) fc_kms_vault.begin(instance, &call);
	(void) answer(instance, &call, 200, LOGIN);
	due = fc_kms_vault.upkeep_due(instance);
	ok(due <= 40000 && due >= 35000, "due at two thirds of the lease or a little earlier: %ld ms", due);
	ok(session_is(instance, "logged in", 60000), "the session says how long its token lasts");
	fc_kms_vault.finish(instance, &call);

	upkeep(instance, &call);
	ok(asks(&call, "POST", "https://a/v1/auth/token/renew-self") && has_header(&call, "X-Vault-Token: s.token-1") &&
	   fc_kms_vault.upkeep_due(instance) == -1, "renew, once");
	ok(answer(instance, &call, 200, LOGIN) == FC_KMS_DONE && fc_kms_vault.upkeep_due(instance) > 30000, "renewed");
	fc_kms_vault.finish(instance, &call);

	upkeep(instance, &call);
	ok(answer(instance, &call, 503, "{\"errors\":[\"Vault is sealed\"]}") == FC_KMS_DONE &&
	   instance->session.token[0] != '\0' && fc_kms_vault.upkeep_due(instance) >= 1000, "sealed: the token stays, try later");
	fc_kms_vault.finish(instance, &call);

	upkeep(instance, &call);
	ok(answer(instance, &call, 200, "{\"auth\":{\"client_token\":\"s.token-1\",\"lease_duration\":20,\"renewable\":true}}") == FC_KMS_DONE &&
	   !instance->session.renewable, "a lease that became shorter");
	fc_kms_vault.finish(instance, &call);
	upkeep(instance, &call);
	ok(asks(&call, "POST", "https://a/v1/auth/approle/login"), "is the last: log in");
	ok(answer(instance, &call, 400, "{\"errors\":[\"invalid role or secret ID\"]}") == FC_KMS_DONE &&
	   instance->session.token[0] != '\0' && fc_kms_vault.upkeep_due(instance) >= 1000, "refused: the old token stays");
	fc_kms_vault.finish(instance, &call);
	start(&call, FC_KMS_UNWRAP);
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP && asks(&call, "POST", "https://a/v1/transit/decrypt/fc"),
	   "and serves until it ends");
	fc_kms_vault.finish(instance, &call);
	clock_ms += 20 * 60 * 1000;
	ok(session_is(instance, "refused", -1), "the session says that its login was refused");
	start(&call, FC_KMS_UNWRAP);
	ok(fc_kms_vault.begin(instance, &call) == FC_KMS_WANT_HTTP && asks(&call, "POST", "https://a/v1/auth/approle/login"), "then not");
	(void) answer(instance, &call, 200, LOGIN);
	fc_kms_vault.finish(instance, &call);

	upkeep(instance, &call);
	ok(answer(instance, &call, 500, "{\"errors\":[\"1 error occurred:\\n\\t* past the max TTL, cannot renew\\n\\n\"]}") == FC_KMS_WANT_HTTP &&
	   asks(&call, "POST", "https://a/v1/auth/approle/login"), "what cannot be renewed is replaced");
	ok(answer(instance, &call, 200, "{\"auth\":{\"client_token\":\"root\",\"lease_duration\":0}}") == FC_KMS_DONE &&
	   fc_kms_vault.upkeep_due(instance) == -1, "a token without end needs no upkeep");
	ok(session_is(instance, "logged in", -1), "and has no end to tell");
	fc_kms_vault.finish(instance, &call);
	fc_kms_vault.destroy(instance);
}

int
main(void)
{
	char		command[128];

	if (fc_crypto_init(false) != FC_OK || mkdtemp(dir) == NULL)
	{
		printf("Bail out! cannot begin\n");
		return 1;
	}
	fc_vault_clock = test_clock;
	write_file("role_id", "role\n", 0644);
	write_file("secret_id", "se\"cr\\et\n", 0640);
	write_file("token", " s.static\n\n", 0600);

	test_json();
	test_config();
	test_plain_http();
	test_requests();
	test_other_logins();
	test_files();
	test_answers();
	test_deletions();
	test_deletion_goes_on();
	test_long_errors();
	test_refused_login();
	test_refused_reload();
	test_login_answers();
	test_revoked_token();
	test_addresses();
	test_upkeep();

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		printf("# %s is left\n", dir);
	return tap_done();
}
