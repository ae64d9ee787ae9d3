/*-------------------------------------------------------------------------
 *
 * fc_cipher.c
 *		How the functions of a provider's cipher are found.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include <openssl/core.h>
#include <openssl/provider.h>

#include "crypto/fc_cipher.h"

static const OSSL_DISPATCH *find_functions(const OSSL_ALGORITHM *algorithms, const EVP_CIPHER *fetched);
static void take_functions(FcCipher *cipher, const OSSL_DISPATCH *function);
static bool is_whole(const FcCipher *cipher);

bool
fc_cipher_fetch(FcCipher *cipher, const char *name, const char *properties)
{
	const OSSL_PROVIDER *provider;
	const OSSL_ALGORITHM *algorithms;
	const OSSL_DISPATCH *functions;
	int			no_cache = 0;

	memset(cipher, 0, sizeof(*cipher));
	cipher->fetched = EVP_CIPHER_fetch(NULL, name, properties);
	if (cipher->fetched == NULL)
		return false;

	provider = EVP_CIPHER_get0_provider(cipher->fetched);
	cipher->provider = OSSL_PROVIDER_get0_provider_ctx(provider);
	algorithms = OSSL_PROVIDER_query_operation(provider, OSSL_OP_CIPHER, &no_cache);
	functions = find_functions(algorithms, cipher->fetched);
	if (functions != NULL)
		take_functions(cipher, functions);
	OSSL_PROVIDER_unquery_operation(provider, OSSL_OP_CIPHER, algorithms);

	if (is_whole(cipher))
		return true;
	fc_cipher_release(cipher);
	return false;
}

void
fc_cipher_release(FcCipher *cipher)
{
	EVP_CIPHER_free(cipher->fetched);
	memset(cipher, 0, sizeof(*cipher));
}

/* Names stand in one string, "AES-256-GCM:id-aes256-GCM:2.16.840...". */
static const OSSL_DISPATCH *
find_functions(const OSSL_ALGORITHM *algorithms, const EVP_CIPHER *fetched)
{
	for (; algorithms != NULL && algorithms->algorithm_names != NULL; algorithms++)
	{
		const char *names = algorithms->algorithm_names;
		size_t		len = strcspn(names, ":");
		char		first[64];

		if (len >= sizeof(first))
			continue;
		memcpy(first, names, len);
		first[len] = '\0';
		if (EVP_CIPHER_is_a(fetched, first))
			return algorithms->implementation;
	}
	return NULL;
}

static void
take_functions(FcCipher *cipher, const OSSL_DISPATCH *function)
{
	for (; function->function_id != 0; function++)
	{
		switch (function->function_id)
		{
			case OSSL_FUNC_CIPHER_NEWCTX:
				cipher->newctx = OSSL_FUNC_cipher_newctx(function);
				break;
			case OSSL_FUNC_CIPHER_FREECTX:
				cipher->freectx = OSSL_FUNC_cipher_freectx(function);
				break;
			case OSSL_FUNC_CIPHER_ENCRYPT_INIT:
				cipher->encrypt_init = OSSL_FUNC_cipher_encrypt_init(function);
				break;
			case OSSL_FUNC_CIPHER_DECRYPT_INIT:
				cipher->decrypt_init = OSSL_FUNC_cipher_decrypt_init(function);
				break;
			case OSSL_FUNC_CIPHER_UPDATE:
				cipher->update = OSSL_FUNC_cipher_update(function);
				break;
			case OSSL_FUNC_CIPHER_FINAL:
				cipher->final = OSSL_FUNC_cipher_final(function);
				break;
			case OSSL_FUNC_CIPHER_CIPHER:
				cipher->cipher = OSSL_FUNC_cipher_cipher(function);
				break;
			case OSSL_FUNC_CIPHER_GET_CTX_PARAMS:
				cipher->get_params = OSSL_FUNC_cipher_get_ctx_params(function);
				break;
			case OSSL_FUNC_CIPHER_SET_CTX_PARAMS:
				cipher->set_params = OSSL_FUNC_cipher_set_ctx_params(function);
				break;
			default:
				break;
		}
	}
}

static bool
is_whole(const FcCipher *cipher)
{
	return cipher->newctx != NULL && cipher->freectx != NULL &&
		cipher->encrypt_init != NULL && cipher->decrypt_init != NULL &&
		cipher->update != NULL && cipher->final != NULL && cipher->cipher != NULL &&
		cipher->get_params != NULL && cipher->set_params != NULL;
}
