/*-------------------------------------------------------------------------
 *
 * test_kms_local.c
 *		The provider interface's helpers and the provider `local`.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/fc_crypto.h"
#include "kms/fc_kms.h"

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define KEY_B "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define CONTEXT "fieldcrypt/1 purpose=1 suite=1 key_id=0123456789ab version=1"

static char dir[] = "/tmp/fc_test_kms_XXXXXX";
static char data_dir[64];
static char key_file[64];

static void
write_key(const char *path, const char *text, mode_t mode)
{
	FILE	   *f;

	unlink(path);
	f = fopen(path, "w");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0 || chmod(path, mode) != 0)
	{
		printf("Bail out! cannot write %s\n", path);
		exit(1);
	}
}

static FcStatus
configure(const char *file, FcKmsInstance **instance, FcKmsError *error)
{
	FcKmsOption	options[] = {{"type", "local", 3}, {"file", file, 4}};
	FcKmsConfig	config = {"dev", options, file != NULL ? 2 : 1, data_dir};

	memset(error, 0, sizeof(*error));
	return fc_kms_local.configure(&config, instance, error);
}

/* Run a call; its status. */
static FcStatus
run(FcKmsInstance *instance, FcKmsCall *call, FcKmsOp op, const char *context)
{
	call->op = op;
	call->kms_key = "file";
	call->context = context;
	if (fc_kms_local.begin(instance, call) != FC_KMS_DONE)
		return FC_ERR_ARGUMENT;
	fc_kms_local.finish(instance, call);
	return call->error.status;
}

static void
test_patterns(void)
{
	ok(fc_kms_key_allowed("a", "a"), "a key matches itself");
	ok(!fc_kms_key_allowed("a", "ab"), "no match of a prefix");
	ok(!fc_kms_key_allowed("ab", "a"), "no match of a longer pattern");
	ok(fc_kms_key_allowed("x, y ,z", "y"), "blanks around a pattern do not count");
	ok(!fc_kms_key_allowed("", "a"), "an empty list allows nothing");
	ok(!fc_kms_key_allowed(" , ,", ""), "empty patterns allow nothing");
	ok(fc_kms_key_allowed("*", "anything"), "* allows anything");
	ok(fc_kms_key_allowed("arn:*:key/*", "arn:aws:kms:eu:1:key/77"), "several *");
	ok(!fc_kms_key_allowed("arn:*:key/*", "arn:aws:kms:eu:1:alias/77"), "the fixed parts count");
	ok(fc_kms_key_allowed("a*b", "ab"), "* may stand for nothing");
	ok(fc_kms_key_allowed("*ab", "aab"), "* gives back what it took");
	ok(!fc_kms_key_allowed("A*", "abc"), "case counts");
	ok(!fc_kms_key_allowed("a?c", "abc"), "? is no wildcard");
}

static void
test_registry(void)
{
	FcKmsOption	options[] = {
		{"type", "local", 1}, {"file", "/x", 2}, {"keys", "*", 3}, {"fiel", "/y", 4}
	};
	FcKmsConfig	config = {"dev", options, 4, NULL};
	const FcKmsOption *unknown;
	FcKmsError	error = {0};
	int			line;

	ok(fc_kms_find("local") == &fc_kms_local, "type local is known");
	ok(fc_kms_find("LOCAL") == NULL && fc_kms_find("") == NULL, "others are not");
	ok(fc_kms_find("vault") == &fc_kms_vault, "type vault is known");
	ok(strcmp(fc_kms_option(&config, "file", &line), "/x") == 0 && line == 2, "option with its line");
	ok(fc_kms_option(&config, "key", &line) == NULL && line == 0, "option that is not set");
	unknown = fc_kms_unknown_option(&config, &fc_kms_local);
	ok(unknown != NULL && unknown->line == 4, "unknown option is found");
	config.noptions = 3;
	ok(fc_kms_unknown_option(&config, &fc_kms_local) == NULL, "known options pass");
	ok(fc_kms_fail(&error, FC_ERR_KMS_DATA, 7, "%0300d", 1) == FC_ERR_KMS_DATA &&
	   error.line == 7 && strlen(error.message) == FC_KMS_MESSAGE_MAX - 1,
	   "a long message is cut");
}

static void
test_configure(void)
{
	FcKmsInstance *instance = NULL;
	FcKmsError	error;
	char		path[128];
	char		link_path[128];

	ok(configure(NULL, &instance, &error) == FC_ERR_KMS_CONFIG && instance == NULL,
	   "file is required");
	ok(configure("relative", &instance, &error) == FC_ERR_KMS_CONFIG && error.line == 4,
	   "file must be absolute");
	snprintf(path, sizeof(path), "%s/key", data_dir);
	write_key(path, KEY_A, 0600);
	ok(configure(path, &instance, &error) == FC_ERR_KMS_CONFIG &&
	   strstr(error.message, "inside the data directory") != NULL,
	   "refused inside the data directory");
	snprintf(link_path, sizeof(link_path), "%s/link", dir);
	ok(symlink(path, link_path) == 0 &&
	   configure(link_path, &instance, &error) == FC_ERR_KMS_CONFIG,
	   "refused through a symbolic link");
	unlink(link_path);
	snprintf(link_path, sizeof(link_path), "%s/../data/key", data_dir);
	ok(configure(link_path, &instance, &error) == FC_ERR_KMS_CONFIG, "refused through ..");
	unlink(path);
	ok(configure(path, &instance, &error) == FC_ERR_KMS_CONFIG,
	   "refused though the file is not there");
	snprintf(path, sizeof(path), "%s2/key", data_dir);
	ok(configure(path, &instance, &error) == FC_OK, "a neighbour with a longer name is fine");
	fc_kms_local.destroy(instance);
}

static void
expect_problem(const char *text, mode_t mode, const char *message)
{
	FcKmsInstance *instance = NULL;
	FcKmsError	error;
	FcKmsCall	call;

	memset(&call, 0, sizeof(call));
	if (text != NULL)
		write_key(key_file, text, mode);
	ok(configure(key_file, &instance, &error) == FC_OK &&
	   run(instance, &call, FC_KMS_CHECK, CONTEXT) == FC_ERR_KMS_CONFIG &&
	   strstr(call.error.message, message) != NULL &&
	   strstr(call.error.message, key_file) != NULL && call.error.line == 4,
	   "key file is refused: %s", call.error.message);
	fc_kms_local.destroy(instance);
}

static void
test_key_file(void)
{
	char		text[256];

	unlink(key_file);
	expect_problem(NULL, 0, "cannot be opened");
	expect_problem(KEY_A, 0640, "accessible to group or others");
	expect_problem(KEY_A, 0604, "accessible to group or others");
	expect_problem("", 0600, "too short");
	expect_problem("\n", 0600, "too short");
	snprintf(text, sizeof(text), "%.63s\n", KEY_A);
	expect_problem(text, 0600, "too short");
	snprintf(text, sizeof(text), "%s0", KEY_A);
	expect_problem(text, 0600, "too long");
	snprintf(text, sizeof(text), "%s\n\n", KEY_A);
	expect_problem(text, 0600, "too long");
	snprintf(text, sizeof(text), "%s%s", KEY_A, KEY_A);
	expect_problem(text, 0600, "too long");
	snprintf(text, sizeof(text), "%.63sg", KEY_A);
	expect_problem(text, 0600, "hexadecimal");
	unlink(key_file);
	if (mkfifo(key_file, 0600) == 0)
		expect_problem(NULL, 0, "not a regular file");
	unlink(key_file);
	if (mkdir(key_file, 0700) == 0)
		expect_problem(NULL, 0, "not a regular file");
	rmdir(key_file);
}

static void
test_calls(void)
{
	FcKmsInstance *instance = NULL;
	FcKmsError	error;
	FcKmsCall	call;
	FcSecret	secret;
	uint8_t		blob[FC_KMS_BLOB_MAX];
	size_t		len;
	size_t		i;
	int			opened = 0;

	write_key(key_file, KEY_A "\n", 0600);
	ok(configure(key_file, &instance, &error) == FC_OK, "configure");
	ok(strcmp(fc_kms_local.default_key(instance), "file") == 0, "default key");
	memset(&call, 0, sizeof(call));
	ok(run(instance, &call, FC_KMS_CHECK, CONTEXT) == FC_OK, "check");
	ok(run(instance, &call, FC_KMS_DELETE, CONTEXT) == FC_ERR_KMS_CONFIG &&
	   strstr(call.error.message, "cannot delete keys") != NULL, "delete: %s", call.error.message);

	for (i = 0; i < sizeof(secret.bytes); i++)
		secret.bytes[i] = (uint8_t) i;
	call.secret = secret;
	ok(run(instance, &call, FC_KMS_WRAP, CONTEXT) == FC_OK && call.blob_len == 69, "wrap");
	len = call.blob_len;
	memcpy(blob, call.blob, len);
	ok(run(instance, &call, FC_KMS_WRAP, CONTEXT) == FC_OK &&
	   memcmp(blob, call.blob, len) != 0, "wrapped twice: two nonces");

	fc_secret_wipe(&call.secret);
	memcpy(call.blob, blob, len);
	ok(run(instance, &call, FC_KMS_UNWRAP, CONTEXT) == FC_OK &&
	   memcmp(&call.secret, &secret, sizeof(secret)) == 0, "unwrap");
	ok(run(instance, &call, FC_KMS_UNWRAP, CONTEXT "0") == FC_ERR_KMS_DATA,
	   "another context does not open");

	for (i = 0; i < len; i++)
	{
		FcStatus	status;

		memcpy(call.blob, blob, len);
		call.blob[i] ^= 0x40;
		status = run(instance, &call, FC_KMS_UNWRAP, CONTEXT);
		opened += status != (i >= 1 && i < 9 ? FC_ERR_KMS_KEY : FC_ERR_KMS_DATA);
	}
	ok(opened == 0, "every altered byte is found out");
	memcpy(call.blob, blob, len);
	call.blob_len = len - 1;
	ok(run(instance, &call, FC_KMS_UNWRAP, CONTEXT) == FC_ERR_KMS_DATA, "too short a blob");
	call.blob_len = 0;
	ok(run(instance, &call, FC_KMS_UNWRAP, CONTEXT) == FC_ERR_KMS_DATA, "an empty blob");
	call.blob_len = len;

	write_key(key_file, KEY_B, 0600);
	ok(run(instance, &call, FC_KMS_UNWRAP, CONTEXT) == FC_ERR_KMS_KEY &&
	   strstr(call.error.message, "another key file") != NULL, "another key file");
	write_key(key_file, KEY_A, 0600);
	ok(run(instance, &call, FC_KMS_UNWRAP, CONTEXT) == FC_OK, "the file is read anew every time");
	ok(fc_kms_local.resume(instance, &call) == FC_KMS_DONE &&
	   call.error.status == FC_ERR_ARGUMENT, "nothing to resume");
	fc_kms_local.destroy(instance);
	fc_kms_local.destroy(NULL);
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
	snprintf(data_dir, sizeof(data_dir), "%s/data", dir);
	snprintf(key_file, sizeof(key_file), "%s/dev.key", dir);
	if (mkdir(data_dir, 0700) != 0)
		return 1;

	test_patterns();
	test_registry();
	test_configure();
	test_key_file();
	test_calls();

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		printf("# %s is left\n", dir);
	return tap_done();
}
