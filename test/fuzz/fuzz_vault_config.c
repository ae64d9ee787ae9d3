/*-------------------------------------------------------------------------
 *
 * fuzz_vault_config.c
 *		libFuzzer target: options of the provider `vault`, and the Location of a
 *		redirection.
 *
 * Input: lines "name=value" and one "location=".  A configuration that is
 * taken has addresses of https, or of http to a loopback address, and nothing
 * in it could end a header or a path; a location is that of a listed address
 * or of none.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "kms/fc_kms_vault.h"
#include "fc_fuzz.h"

#define OPTIONS_MAX 20

static void
check_text(const char *text, bool slashes)
{
	if (text == NULL)
		return;
	CHECK(strlen(text) < FC_VAULT_PATH_MAX && strstr(text, "..") != text && strstr(text, "/.") == NULL);
	for (; *text != '\0'; text++)
		CHECK((*text > ' ' && *text <= '~' && strchr("\"\\?#%&@:", *text) == NULL) && (slashes || *text != '/'));
}

static void
check_address(const FcVaultAddress *address)
{
	const char *url = address->url;
	size_t		len = strlen(url);
	size_t		i;

	CHECK(address->plain ? strncmp(url, "http://127.", 11) == 0 || strncmp(url, "http://[::1]", 12) == 0 :
		  strncmp(url, "https://", 8) == 0);
	CHECK(len > 8 && url[len - 1] != '/');
	for (i = 0; i < len; i++)
		CHECK(url[i] > ' ' && url[i] <= '~' && strchr("\"\\?#%&@", url[i]) == NULL);
}

static void
check_instance(const FcKmsInstance *instance, const char *location)
{
	const FcVaultConfig *config = &instance->config;
	int			found = fc_vault_address_of(config, location);
	int			i;

	CHECK(config->naddresses > 0 && config->naddresses <= FC_VAULT_ADDRESSES);
	for (i = 0; i < config->naddresses; i++)
		check_address(&config->address[i]);
	CHECK(found >= -1 && found < config->naddresses);
	if (found >= 0)
		CHECK(strncmp(location, config->address[found].url, strlen(config->address[found].url)) == 0);
	CHECK(config->mount != NULL && config->auth_mount != NULL && config->key != NULL);
	check_text(config->mount, true);
	check_text(config->auth_mount, true);
	check_text(config->namespace, true);
	check_text(config->role, false);
	check_text(config->key, false);
	CHECK(config->ca_file == NULL || config->ca_file[0] == '/');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FcKmsOption options[OPTIONS_MAX];
	FcKmsConfig config = { "v", options, 0, NULL };
	FcKmsInstance *instance = NULL;
	FcKmsError	error;
	const char *location = NULL;
	char	   *text = malloc(size + 1);
	char	   *rest = text;
	char	   *line;

	CHECK(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL && config.noptions < OPTIONS_MAX)
	{
		char	   *value = strchr(line, '=');

		if (value == NULL)
			continue;
		*value++ = '\0';
		if (strcmp(line, "location") == 0)
			location = value;
		else
			options[config.noptions++] = (FcKmsOption) { line, value, (int) config.noptions + 1 };
	}

	(void) fc_kms_unknown_option(&config, &fc_kms_vault);
	if (fc_kms_vault.configure(&config, &instance, &error) == FC_OK)
	{
		check_instance(instance, location);
		fc_kms_vault.destroy(instance);
	}
	else
		CHECK(instance == NULL && error.message[0] != '\0' &&
			  memchr(error.message, '\0', sizeof(error.message)) != NULL);
	free(text);
	return 0;
}
