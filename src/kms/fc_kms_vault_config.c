/*-------------------------------------------------------------------------
 *
 * fc_kms_vault_config.c
 *		Options of the provider `vault`.
 *
 * Everything that gets into a URL or a header is held to a small alphabet
 * here, so that nothing has to be quoted later.  Files are judged when they
 * are used: what is wrong with one may be put right without a reload.
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kms/fc_kms_vault.h"

#define FC_VAULT_PATH_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
#define FC_VAULT_URL_LONGEST 200

const char *const fc_vault_options[] = {
	"address", "auth", "auth_mount", "ca_file", "client_cert_file",
	"client_key_file", "delete_keys", "jwt_file", "mount", "namespace", "role",
	"role_id_file", "secret_id_file", "tls_min", "token_file", NULL
};

/* Which files and names a method of logging in needs, and where it is mounted. */
static const struct FcVaultMethod
{
	const char *name;
	FcVaultAuth auth;
	const char *mount;
	const char *needs[2];
} fc_vault_methods[] = {
	{"token", FC_VAULT_TOKEN, "token", {"token_file", NULL}},
	{"approle", FC_VAULT_APPROLE, "approle", {"role_id_file", "secret_id_file"}},
	{"kubernetes", FC_VAULT_KUBERNETES, "kubernetes", {"role", NULL}},
	{"cert", FC_VAULT_CERT, "cert", {"client_cert_file", NULL}}
};

/* Where Kubernetes puts the token of a pod's service account. */
#define FC_VAULT_JWT_FILE	"/var/run/secrets/kubernetes.io/serviceaccount/token"

static FcStatus config_addresses(const FcKmsConfig *config, FcVaultConfig *out, FcKmsError *error);
static FcStatus config_address(FcVaultConfig *out, const char *text, size_t len, int line,
							   FcKmsError *error);
static bool url_ok(const char *url, bool *plain);
static bool host_ok(const char *host, size_t len, bool *loopback);
static FcStatus config_auth(const FcKmsConfig *config, FcVaultConfig *out, FcKmsError *error);
static FcStatus config_path(const FcKmsConfig *config, const char *name, const char *standard,
							bool slashes, char **out, FcKmsError *error);
static FcStatus config_file(const FcKmsConfig *config, const char *name, char **out, int *line,
							FcKmsError *error);
static FcStatus config_files(const FcKmsConfig *config, FcVaultConfig *out, FcKmsError *error);
static FcStatus config_tls(const FcKmsConfig *config, FcVaultConfig *out, FcKmsError *error);
static FcStatus nomem(FcKmsError *error);

FcStatus
fc_vault_configure(const FcKmsConfig *config, FcVaultConfig *out, FcKmsError *error)
{
	FcStatus	status = config_addresses(config, out, error);

	if (status == FC_OK)
		status = config_auth(config, out, error);
	if (status == FC_OK)
		status = config_path(config, "mount", "transit", true, &out->mount, error);
	if (status == FC_OK)
		status = config_path(config, "namespace", NULL, true, &out->namespace, error);
	if (status == FC_OK)
		status = config_path(config, "role", NULL, false, &out->role, error);
	if (status == FC_OK)
		status = config_path(config, "key", NULL, false, &out->key, error);
	if (status == FC_OK && out->key == NULL)
		status = fc_kms_fail(error, FC_ERR_KMS_CONFIG, 0,
							 "option \"key\" of provider \"%s\" is missing", config->provider);
	if (status == FC_OK)
		status = config_files(config, out, error);
	if (status == FC_OK)
		status = config_tls(config, out, error);
	if (status == FC_OK && config->data_directory != NULL)
		out->data_directory = realpath(config->data_directory, NULL);
	return status;
}

void
fc_vault_config_free(FcVaultConfig *config)
{
	int			i;

	for (i = 0; i < config->naddresses; i++)
		free(config->address[i].url);
	free(config->mount);
	free(config->namespace);
	free(config->auth_mount);
	free(config->role);
	free(config->key);
	free(config->token_file.path);
	free(config->role_id_file.path);
	free(config->secret_id_file.path);
	free(config->jwt_file.path);
	free(config->ca_file);
	free(config->client_cert_file);
	free(config->client_key_file);
	free(config->data_directory);
}

static FcStatus
nomem(FcKmsError *error)
{
	return fc_kms_fail(error, FC_ERR_NOMEM, 0, "out of memory");
}

bool
fc_vault_path_ok(const char *text, bool slashes)
{
	const char *p = text;

	/* no empty part, and none that begins with a dot */
	for (;;)
	{
		size_t		n = strspn(p, FC_VAULT_PATH_CHARS);

		if (n == 0 || *p == '.')
			return false;
		p += n;
		if (*p == '\0')
			return true;
		if (*p != '/' || !slashes)
			return false;
		p++;
	}
}

/* A comma-separated list; the worker begins with the first. */
static FcStatus
config_addresses(const FcKmsConfig *config, FcVaultConfig *out, FcKmsError *error)
{
	int			line;
	const char *p = fc_kms_option(config, "address", &line);

	while (p != NULL && *p != '\0')
	{
		size_t		len;
		FcStatus	status;

		p += strspn(p, ", \t");
		len = strcspn(p, ", \t");
		if (len == 0)
			break;
		status = config_address(out, p, len, line, error);
		if (status != FC_OK)
			return status;
		p += len;
	}
	if (out->naddresses == 0)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, line,
						   "option \"address\" of provider \"%s\" is missing", config->provider);
	return FC_OK;
}

static FcStatus
config_address(FcVaultConfig *out, const char *text, size_t len, int line, FcKmsError *error)
{
	FcVaultAddress *address = &out->address[out->naddresses];

	if (out->naddresses == FC_VAULT_ADDRESSES)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, line,
						   "option \"address\" lists more than %d addresses", FC_VAULT_ADDRESSES);
	while (len > 0 && text[len - 1] == '/')
		len--;
	address->url = strndup(text, len);
	if (address->url == NULL)
		return nomem(error);
	out->naddresses++;
	if (len > FC_VAULT_URL_LONGEST || !url_ok(address->url, &address->plain))
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, line,
						   "\"%.100s\" is not an https address (http: loopback addresses only, as 127.0.0.1)",
						   address->url);
	if (address->plain)
		(void) snprintf(out->warning, sizeof(out->warning),
						"address \"%.100s\" is not encrypted: whoever can listen on this machine's loopback interface sees tokens and keys",
						address->url);
	return FC_OK;
}

/* Scheme, host, port and path; nothing else: no user, no query. */
static bool
url_ok(const char *url, bool *plain)
{
	bool		http = strncmp(url, "http://", 7) == 0;
	bool		loopback;
	const char *host;
	size_t		len;

	if (!http && strncmp(url, "https://", 8) != 0)
		return false;
	host = url + (http ? 7 : 8);
	len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	if (len > strlen(host) || !host_ok(host, len, &loopback) || (http && !loopback))
		return false;
	*plain = http;

	host += len;
	if (*host == ':')
	{
		len = strspn(host + 1, "0123456789");
		if (len == 0 || len > 5 || atoi(host + 1) < 1 || atoi(host + 1) > 65535)
			return false;
		host += len + 1;
	}
	return *host == '\0' || (*host == '/' && fc_vault_path_ok(host + 1, true));
}

/*
 * Loopback addresses are written as such.  A name may be anything, also
 * tomorrow.
 */
static bool
host_ok(const char *host, size_t len, bool *loopback)
{
	size_t		i;

	if (len == 0)
		return false;
	if (host[0] == '[')
	{
		*loopback = len == 5 && strncmp(host, "[::1]", 5) == 0;
		return len > 3 && strspn(host + 1, "0123456789abcdefABCDEF:.") == len - 2;
	}
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char) host[i]) && host[i] != '.' && host[i] != '-' && host[i] != '_')
			return false;
	*loopback = strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") >= len;
	return true;
}

int
fc_vault_address_of(const FcVaultConfig *config, const char *url)
{
	int			i;

	for (i = 0; url != NULL && i < config->naddresses; i++)
	{
		size_t		len = strlen(config->address[i].url);

		if (strncmp(url, config->address[i].url, len) == 0 && (url[len] == '/' || url[len] == '\0'))
			return i;
	}
	return -1;
}

static FcStatus
config_auth(const FcKmsConfig *config, FcVaultConfig *out, FcKmsError *error)
{
	int			line;
	const char *value = fc_kms_option(config, "auth", &line);
	const struct FcVaultMethod *method = NULL;
	size_t		i;

	for (i = 0; value != NULL && i < sizeof(fc_vault_methods) / sizeof(fc_vault_methods[0]); i++)
		if (strcmp(fc_vault_methods[i].name, value) == 0)
			method = &fc_vault_methods[i];
	if (method == NULL)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, line,
						   "option \"auth\" of provider \"%s\" must be token, approle, kubernetes or cert",
						   config->provider);
	out->auth = method->auth;
	for (i = 0; i < 2; i++)
	{
		value = method->needs[i] != NULL ? fc_kms_option(config, method->needs[i], NULL) : "-";
		if (value == NULL || value[0] == '\0')
			return fc_kms_fail(error, FC_ERR_KMS_CONFIG, line,
							   "auth method %s needs option \"%s\"", method->name, method->needs[i]);
	}
	return config_path(config, "auth_mount", method->mount, true, &out->auth_mount, error);
}

/* Slashes at either end do not count. */
static FcStatus
config_path(const FcKmsConfig *config, const char *name, const char *standard,
			bool slashes, char **out, FcKmsError *error)
{
	int			line;
	const char *value = fc_kms_option(config, name, &line);
	size_t		len;

	if (value == NULL || value[0] == '\0')
		value = standard;
	if (value == NULL)
		return FC_OK;
	while (slashes && *value == '/')
		value++;
	len = strlen(value);
	while (slashes && len > 0 && value[len - 1] == '/')
		len--;
	*out = strndup(value, len);
	if (*out == NULL)
		return nomem(error);
	if (len >= FC_VAULT_PATH_MAX || !fc_vault_path_ok(*out, slashes))
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, line,
						   "\"%.100s\" cannot be the value of option \"%s\"", value, name);
	return FC_OK;
}

static FcStatus
config_file(const FcKmsConfig *config, const char *name, char **out, int *line, FcKmsError *error)
{
	const char *value = fc_kms_option(config, name, line);

	if (value == NULL || value[0] == '\0')
		return FC_OK;
	if (value[0] != '/')
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, *line,
						   "value of option \"%s\" is not an absolute path: \"%.100s\"", name, value);
	*out = strdup(value);
	return *out != NULL ? FC_OK : nomem(error);
}

static FcStatus
config_files(const FcKmsConfig *config, FcVaultConfig *out, FcKmsError *error)
{
	const struct
	{
		const char *name;
		FcSecretFile *file;
		bool		guarded;
	} files[] = {
		{"token_file", &out->token_file, true},
		{"role_id_file", &out->role_id_file, false},
		{"secret_id_file", &out->secret_id_file, true},
		{"jwt_file", &out->jwt_file, false}
	};
	size_t		i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
	{
		FcStatus	status = config_file(config, files[i].name, &files[i].file->path,
										 &files[i].file->line, error);

		if (status != FC_OK)
			return status;
		files[i].file->guarded = files[i].guarded;
	}
	if (out->auth == FC_VAULT_KUBERNETES && out->jwt_file.path == NULL)
	{
		out->jwt_file.path = strdup(FC_VAULT_JWT_FILE);
		if (out->jwt_file.path == NULL)
			return nomem(error);
	}
	return FC_OK;
}

static FcStatus
config_tls(const FcKmsConfig *config, FcVaultConfig *out, FcKmsError *error)
{
	int			line;
	int			cert_line = 0;
	const char *value;
	FcStatus	status = config_file(config, "ca_file", &out->ca_file, &line, error);

	if (status == FC_OK)
		status = config_file(config, "client_cert_file", &out->client_cert_file, &cert_line, error);
	if (status == FC_OK)
		status = config_file(config, "client_key_file", &out->client_key_file, &line, error);
	if (status != FC_OK)
		return status;
	if (out->client_key_file != NULL && out->client_cert_file == NULL)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, line,
						   "option \"client_key_file\" needs option \"client_cert_file\"");

	out->client_key.path = out->client_key_file != NULL ? out->client_key_file : out->client_cert_file;
	out->client_key.line = out->client_key_file != NULL ? line : cert_line;
	out->client_key.guarded = true;

	value = fc_kms_option(config, "tls_min", &line);
	if (value != NULL && strcmp(value, "1.2") != 0 && strcmp(value, "1.3") != 0)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, line,
						   "option \"tls_min\" must be 1.2 or 1.3");
	out->tls.tls13 = value != NULL && strcmp(value, "1.3") == 0;
	out->tls.ca_file = out->ca_file;
	out->tls.client_cert_file = out->client_cert_file;
	out->tls.client_key_file = out->client_key_file;
	return FC_OK;
}
