/*-------------------------------------------------------------------------
 *
 * fc_kms_local.c
 *		Provider `local`: the root key is a file of 64 hexadecimal digits.
 *
 * For development and tests: whoever reads the file has the keys.  The file
 * is read anew for every call and wiped, so that taking it away, or giving it
 * to somebody else, shows at the next refresh as with any KMS.
 *
 * Blob:
 *		off len
 *		0	1	0x01
 *		1	8	fingerprint: first 8 of HMAC-SHA-256(file key, "fieldcrypt/1 local")
 *		9	12	GCM nonce
 *		21	32	ciphertext
 *		53	16	GCM tag; AAD is the context's text
 *
 * The fingerprint tells "wrapped by another key file" from a damaged blob.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fc_b64.h"
#include "crypto/fc_crypto.h"
#include "kms/fc_kms.h"

#define FC_LOCAL_VERSION	0x01
#define FC_LOCAL_FINGERPRINT_BYTES 8
#define FC_LOCAL_LABEL		"fieldcrypt/1 local"

#define FC_LOCAL_FINGERPRINT_OFF 1
#define FC_LOCAL_NONCE_OFF	(FC_LOCAL_FINGERPRINT_OFF + FC_LOCAL_FINGERPRINT_BYTES)
#define FC_LOCAL_CIPHERTEXT_OFF (FC_LOCAL_NONCE_OFF + FC_GCM_NONCE_BYTES)
#define FC_LOCAL_TAG_OFF	(FC_LOCAL_CIPHERTEXT_OFF + FC_SECRET_BYTES)
#define FC_LOCAL_BLOB_BYTES (FC_LOCAL_TAG_OFF + FC_GCM_TAG_BYTES)

#define FC_LOCAL_DIGITS		(2 * FC_SECRET_BYTES)

struct FcKmsInstance
{
	char	   *file;			/* absolute path of the key file */
	char	   *data_directory; /* real path, or NULL */
	int			line;			/* of the option `file` */
};

static const char *const fc_local_options[] = {"file", NULL};

static FcStatus local_configure(const FcKmsConfig *config, FcKmsInstance **instance,
								FcKmsError *error);
static void local_destroy(FcKmsInstance *instance);
static const char *local_default_key(const FcKmsInstance *instance);
static FcKmsStep local_begin(FcKmsInstance *instance, FcKmsCall *call);
static FcKmsStep local_resume(FcKmsInstance *instance, FcKmsCall *call);
static void local_finish(FcKmsInstance *instance, FcKmsCall *call);

static FcStatus local_check_place(const FcKmsInstance *self, FcKmsError *error);
static FcStatus local_check_file(const FcKmsInstance *self, int fd, FcKmsError *error);
static FcStatus local_read_key(const FcKmsInstance *self, FcSecret *key,
							   FcKmsError *error);
static FcStatus local_parse_key(const FcKmsInstance *self, const char *text,
								size_t len, FcSecret *key, FcKmsError *error);
static FcStatus local_fingerprint(const FcSecret *key,
								  uint8_t out[FC_LOCAL_FINGERPRINT_BYTES]);
static FcStatus local_wrap(const FcSecret *key, FcKmsCall *call);
static FcStatus local_unwrap(const FcKmsInstance *self, const FcSecret *key,
							 FcKmsCall *call);

const FcKmsProvider fc_kms_local = {
	.type = "local",
	.options = fc_local_options,
	.configure = local_configure,
	.destroy = local_destroy,
	.default_key = local_default_key,
	.begin = local_begin,
	.resume = local_resume,
	.finish = local_finish
};

/*
 * Only the option is judged here.  What is wrong with the file itself may be
 * put right without touching the configuration, so every call judges it.
 */
static FcStatus
local_configure(const FcKmsConfig *config, FcKmsInstance **instance, FcKmsError *error)
{
	int			line;
	const char *file = fc_kms_option(config, "file", &line);
	FcKmsInstance *self;
	FcStatus	status;

	*instance = NULL;
	if (file == NULL || file[0] == '\0')
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, line,
						   "option \"file\" of provider \"%s\" is missing",
						   config->provider);
	if (file[0] != '/')
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, line,
						   "key file \"%s\" is not an absolute path", file);

	self = calloc(1, sizeof(*self));
	if (self == NULL)
		return fc_kms_fail(error, FC_ERR_NOMEM, 0, "out of memory");
	self->line = line;
	self->file = strdup(file);
	if (config->data_directory != NULL)
		self->data_directory = realpath(config->data_directory, NULL);
	if (self->file == NULL)
	{
		local_destroy(self);
		return fc_kms_fail(error, FC_ERR_NOMEM, 0, "out of memory");
	}

	status = local_check_place(self, error);
	if (status != FC_OK)
	{
		local_destroy(self);
		return status;
	}
	*instance = self;
	return FC_OK;
}

static void
local_destroy(FcKmsInstance *instance)
{
	if (instance == NULL)
		return;
	free(instance->file);
	free(instance->data_directory);
	free(instance);
}

static const char *
local_default_key(const FcKmsInstance *instance)
{
	(void) instance;
	return "file";
}

/* Every call is done in its first step. */
static FcKmsStep
local_begin(FcKmsInstance *instance, FcKmsCall *call)
{
	FcSecret	key;
	FcStatus	status = local_read_key(instance, &key, &call->error);

	if (status == FC_OK)
	{
		switch (call->op)
		{
			case FC_KMS_WRAP:
				status = local_wrap(&key, call);
				break;
			case FC_KMS_UNWRAP:
				status = local_unwrap(instance, &key, call);
				break;
			case FC_KMS_CHECK:
			case FC_KMS_UPKEEP:
				break;
			case FC_KMS_DELETE:
				status = fc_kms_fail(&call->error, FC_ERR_KMS_CONFIG, 0,
									 "a provider of type \"local\" cannot delete keys");
				break;
		}
		if (status == FC_OK)
			(void) fc_kms_fail(&call->error, FC_OK, 0, "%s", "");
	}
	fc_secret_wipe(&key);
	fc_stack_wipe();
	return FC_KMS_DONE;
}

static FcKmsStep
local_resume(FcKmsInstance *instance, FcKmsCall *call)
{
	(void) instance;
	(void) fc_kms_fail(&call->error, FC_ERR_ARGUMENT, 0, "nothing to resume");
	return FC_KMS_DONE;
}

static void
local_finish(FcKmsInstance *instance, FcKmsCall *call)
{
	(void) instance;
	(void) call;
}

/*
 * The file must not lie in the data directory: every base backup would carry
 * the key together with what it encrypts.  Symbolic links are followed.
 */
static FcStatus
local_check_place(const FcKmsInstance *self, FcKmsError *error)
{
	char		real[PATH_MAX];
	const char *path = self->file;
	size_t		len;

	if (self->data_directory == NULL)
		return FC_OK;

	/* Not there yet: judge what is written; the next call sees the rest. */
	if (realpath(self->file, real) != NULL)
		path = real;

	len = strlen(self->data_directory);
	if (strncmp(path, self->data_directory, len) == 0 && path[len] == '/')
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, self->line,
						   "key file \"%s\" is inside the data directory", self->file);
	return FC_OK;
}

/* Whose file it is, and who else may read it. */
static FcStatus
local_check_file(const FcKmsInstance *self, int fd, FcKmsError *error)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, self->line,
						   "key file \"%s\" cannot be examined: %s",
						   self->file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, self->line,
						   "key file \"%s\" is not a regular file", self->file);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, self->line,
						   "key file \"%s\" belongs neither to the server's user nor to root",
						   self->file);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, self->line,
						   "key file \"%s\" is accessible to group or others (mode %04o, want 0600)",
						   self->file, (unsigned int) (st.st_mode & 07777));
	return FC_OK;
}

/* Read the key.  *key is wiped by the caller, whatever comes back. */
static FcStatus
local_read_key(const FcKmsInstance *self, FcSecret *key, FcKmsError *error)
{
	char		text[FC_LOCAL_DIGITS + 2];	/* newline, and one to see more */
	size_t		len = 0;
	FcStatus	status = local_check_place(self, error);
	int			fd;

	fc_secret_wipe(key);
	if (status != FC_OK)
		return status;

	/* O_NONBLOCK: opening a fifo must not hang the worker. */
	fd = open(self->file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, self->line,
						   "key file \"%s\" cannot be opened: %s",
						   self->file, strerror(errno));

	status = local_check_file(self, fd, error);
	while (status == FC_OK && len < sizeof(text))
	{
		ssize_t		n = read(fd, text + len, sizeof(text) - len);

		if (n > 0)
			len += (size_t) n;
		else if (n == 0)
			break;
		else if (errno != EINTR)
			status = fc_kms_fail(error, FC_ERR_KMS_CONFIG, self->line,
								 "key file \"%s\" cannot be read: %s",
								 self->file, strerror(errno));
	}
	close(fd);

	if (status == FC_OK)
		status = local_parse_key(self, text, len, key, error);
	fc_wipe(text, sizeof(text));
	return status;
}

static FcStatus
local_parse_key(const FcKmsInstance *self, const char *text, size_t len,
				FcSecret *key, FcKmsError *error)
{
	if (len > 0 && len <= FC_LOCAL_DIGITS + 1 && text[len - 1] == '\n')
		len--;
	if (len != FC_LOCAL_DIGITS)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, self->line,
						   "key file \"%s\" is too %s: it must hold exactly %d hexadecimal digits",
						   self->file, len < FC_LOCAL_DIGITS ? "short" : "long",
						   FC_LOCAL_DIGITS);
	if (fc_hex_decode(text, len, key->bytes, sizeof(key->bytes)) != FC_OK)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, self->line,
						   "key file \"%s\" holds something else than hexadecimal digits",
						   self->file);
	return FC_OK;
}

static FcStatus
local_fingerprint(const FcSecret *key, uint8_t out[FC_LOCAL_FINGERPRINT_BYTES])
{
	uint8_t		mac[32];
	FcStatus	status = fc_hmac_sha256(key, FC_LOCAL_LABEL, strlen(FC_LOCAL_LABEL),
										NULL, 0, mac);

	if (status == FC_OK)
		memcpy(out, mac, FC_LOCAL_FINGERPRINT_BYTES);
	fc_wipe(mac, sizeof(mac));
	return status;
}

static FcStatus
local_wrap(const FcSecret *key, FcKmsCall *call)
{
	uint8_t    *blob = call->blob;
	FcStatus	status;

	blob[0] = FC_LOCAL_VERSION;
	status = local_fingerprint(key, blob + FC_LOCAL_FINGERPRINT_OFF);
	if (status == FC_OK)
		status = fc_random(blob + FC_LOCAL_NONCE_OFF, FC_GCM_NONCE_BYTES);
	if (status == FC_OK)
		status = fc_gcm_seal(key, blob + FC_LOCAL_NONCE_OFF,
							 (const uint8_t *) call->context, strlen(call->context),
							 call->secret.bytes, FC_SECRET_BYTES,
							 blob + FC_LOCAL_CIPHERTEXT_OFF, blob + FC_LOCAL_TAG_OFF);
	if (status != FC_OK)
		return fc_kms_fail(&call->error, status, 0, "could not wrap the key: %s",
						   fc_status_name(status));
	call->blob_len = FC_LOCAL_BLOB_BYTES;
	return FC_OK;
}

static FcStatus
local_unwrap(const FcKmsInstance *self, const FcSecret *key, FcKmsCall *call)
{
	const uint8_t *blob = call->blob;
	uint8_t		fingerprint[FC_LOCAL_FINGERPRINT_BYTES];
	FcStatus	status;

	if (call->blob_len != FC_LOCAL_BLOB_BYTES || blob[0] != FC_LOCAL_VERSION)
		return fc_kms_fail(&call->error, FC_ERR_KMS_DATA, 0,
						   "the wrapped key was not made by a provider of type \"local\"");

	status = local_fingerprint(key, fingerprint);
	if (status == FC_OK &&
		!fc_equal_ct(fingerprint, blob + FC_LOCAL_FINGERPRINT_OFF, sizeof(fingerprint)))
		return fc_kms_fail(&call->error, FC_ERR_KMS_KEY, self->line,
						   "the key was wrapped by another key file than \"%s\"",
						   self->file);

	if (status == FC_OK)
		status = fc_gcm_open(key, blob + FC_LOCAL_NONCE_OFF,
							 (const uint8_t *) call->context, strlen(call->context),
							 blob + FC_LOCAL_CIPHERTEXT_OFF, FC_SECRET_BYTES,
							 call->secret.bytes, blob + FC_LOCAL_TAG_OFF);
	if (status == FC_ERR_AUTH)
		return fc_kms_fail(&call->error, FC_ERR_KMS_DATA, 0,
						   "the wrapped key does not open: it was altered or belongs to another key");
	if (status != FC_OK)
		return fc_kms_fail(&call->error, status, 0, "could not unwrap the key: %s",
						   fc_status_name(status));
	return FC_OK;
}
