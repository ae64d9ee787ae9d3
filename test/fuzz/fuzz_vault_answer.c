/*-------------------------------------------------------------------------
 *
 * fuzz_vault_answer.c
 *		libFuzzer target: answers of a KMS to the provider `vault`.
 *
 * Input: operation, then up to six answers, each a status (two bytes), a
 * length (two bytes) and that many bytes of body.  A call ends, whatever it is
 * told; it never succeeds with something else than the answer held, and no
 * message holds the token or the secret.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>
#include <unistd.h>

#include "kms/fc_kms_vault.h"
#include "fc_fuzz.h"

#define ANSWERS_MAX 6
#define TOKEN "s.AAAAAAAAAAAAAAAAAAAAAAAA"
#define SECRET_BASE64 "W1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1s="

static char file[] = "/tmp/fuzz_vault_XXXXXX";

static void
remove_file(void)
{
	(void) unlink(file);
}

static FcKmsInstance *
make_instance(void)
{
	static bool made = false;
	const FcKmsOption options[] = {
		{ "address", "https://a:8200,https://b", 1 },
		{ "auth", "cert", 2 },
		{ "client_cert_file", file, 3 },
		{ "key", "fc", 4 }
	};
	FcKmsConfig	config = { "v", options, 4, NULL };
	FcKmsInstance *instance = NULL;
	FcKmsError	error;

	/* the certificate's file is looked at, though never read */
	if (!made)
	{
		int			fd = mkstemp(file);

		CHECK(fd >= 0);
		close(fd);
		CHECK(atexit(remove_file) == 0);
		made = true;
	}
	CHECK(fc_kms_vault.configure(&config, &instance, &error) == FC_OK);
	return instance;
}

/* The next answer, in memory of exactly its size; false when there is none. */
static bool
next_answer(const uint8_t **data, size_t *size, FcKmsHttp *http)
{
	size_t		len;
	char	   *body;

	if (*size < 4)
		return false;
	http->status = (*data)[0] << 8 | (*data)[1];
	http->location = http->status == 307 ? "https://b/v1/x" : NULL;
	len = (size_t) (*data)[2] << 8 | (*data)[3];
	*data += 4;
	*size -= 4;
	if (len > *size)
		len = *size;
	body = malloc(len > 0 ? len : 1);
	CHECK(body != NULL);
	memcpy(body, *data, len);
	*data += len;
	*size -= len;
	http->transport = FC_OK;
	http->answer = body;
	http->answer_len = len;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FcKmsInstance *instance = make_instance();
	FcKmsCall	call;
	FcKmsStep	step;
	int			i;

	memset(&call, 0, sizeof(call));
	call.op = size > 0 ? (FcKmsOp) ((data[0] & 7) % 5) : FC_KMS_CHECK;
	call.kms_key = "fc";
	call.context = "fieldcrypt/1 check";
	call.blob_len = 12;
	memcpy(call.blob, "vault:v1:abc", 12);
	if (call.op == FC_KMS_WRAP)
		memset(call.secret.bytes, '[', sizeof(call.secret.bytes));
	call.fresh_login = size > 0 && (data[0] & 0x80) != 0;
	if (size > 0 && (data[0] & 0x40) != 0)
	{
		memcpy(instance->session.token, TOKEN, sizeof(TOKEN));
		instance->session.renewable = true;
		instance->session.expires = FC_VAULT_NEVER;
	}
	if (size > 0)
	{
		data++;
		size--;
	}

	step = fc_kms_vault.begin(instance, &call);
	for (i = 0; i < ANSWERS_MAX && step == FC_KMS_WANT_HTTP; i++)
	{
		CHECK(strncmp(call.http.url, "https://a:8200/v1/", 18) == 0 || strncmp(call.http.url, "https://b/v1/", 13) == 0);
		if (!next_answer(&data, &size, &call.http))
			break;
		step = fc_kms_vault.resume(instance, &call);
		free((void *) call.http.answer);
	}
	CHECK(step != FC_KMS_WAIT);
	if (step == FC_KMS_DONE)
	{
		CHECK(memchr(call.error.message, '\0', sizeof(call.error.message)) != NULL);
		CHECK(strstr(call.error.message, TOKEN) == NULL);
		CHECK(strstr(call.error.message, SECRET_BASE64) == NULL);
		for (size_t c = 0; call.error.message[c] != '\0'; c++)
			CHECK(call.error.message[c] >= ' ' && call.error.message[c] <= '~');
		CHECK(call.blob_len <= FC_KMS_BLOB_MAX);
		CHECK((call.outcome[0] != '\0') == (call.error.status == FC_OK && call.op == FC_KMS_DELETE));
		CHECK(call.error.status != FC_OK || call.op != FC_KMS_WRAP || memcmp(call.blob, "vault:v", 7) == 0);
	}
	fc_kms_vault.finish(instance, &call);
	fc_kms_vault.destroy(instance);
	return 0;
}
