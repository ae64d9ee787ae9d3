/*-------------------------------------------------------------------------
 *
 * fc_crypto.c
 *		Set-up of OpenSSL, the ECB context, SHA-256 and HMAC.
 *
 * fc_crypto_init fetches algorithms and nothing else, so it may run in the
 * postmaster: it makes no context, sees no key and draws no random byte.
 * Every context is made at first use, in the process that uses it, and lives
 * as long as that process.  The postmaster calls nothing but fc_crypto_init,
 * fc_crypto_is_fips, fc_crypto_version, fc_sha256 and fc_random_forbid, so no
 * context that ever held a key exists before fork; a child that inherited the
 * SHA-256 context owns its copy of it.  For the same reason no function here
 * asks for the pid on each call (a system call in the C library of today).
 *
 * In FIPS mode all algorithms are fetched with "fips=yes".  The provider must
 * have been activated by openssl.cnf: to load it from here would take the
 * default provider, and with it TLS, from the rest of the process.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_crypto_private.h"

FcAlgorithms fc_algorithms;

const FcSecret fc_zero_key;

static char version_text[160] = "OpenSSL, not initialised";

static FcCipherContext *ecb_context; /* of both directions */
static EVP_MD_CTX *sha256_context;
static EVP_MAC_CTX *hmac_context;

static bool hmac_run(const FcSecret *key, const void *a, size_t a_len,
					 const void *b, size_t b_len, uint8_t out[32]);

FcStatus
fc_openssl_failed(FcStatus status)
{
	ERR_clear_error();
	return status;
}

/*
 * Free everything: after a failed init, and before an init of the other kind.
 */
static void
discard_all(void)
{
	fc_ecb_discard();
	fc_kw_discard();
	fc_gcm_discard();
	fc_random_discard();
	EVP_MD_CTX_free(sha256_context);
	sha256_context = NULL;
	EVP_MAC_CTX_free(hmac_context);
	hmac_context = NULL;

	fc_cipher_release(&fc_algorithms.ecb);
	fc_cipher_release(&fc_algorithms.gcm);
	EVP_CIPHER_free(fc_algorithms.wrap);
	EVP_MD_free(fc_algorithms.sha256);
	EVP_MAC_free(fc_algorithms.hmac);
	memset(&fc_algorithms, 0, sizeof(fc_algorithms));
}

static void
set_version_text(void)
{
	const OSSL_PROVIDER *provider = EVP_CIPHER_get0_provider(fc_algorithms.gcm.fetched);

	snprintf(version_text, sizeof(version_text), "%s, provider %s",
			 OpenSSL_version(OPENSSL_VERSION),
			 provider != NULL ? OSSL_PROVIDER_get0_name(provider) : "unknown");
}

FcStatus
fc_crypto_init(bool fips)
{
	const char *properties = fips ? "fips=yes" : NULL;
	bool		ciphers;

	if (fc_algorithms.ready && fc_algorithms.fips == fips)
		return FC_OK;
	discard_all();

	fc_algorithms.fips = fips;
	fc_algorithms.properties = properties;
	ciphers = fc_cipher_fetch(&fc_algorithms.ecb, "AES-256-ECB", properties) &&
		fc_cipher_fetch(&fc_algorithms.gcm, "AES-256-GCM", properties);
	fc_algorithms.sha256 = EVP_MD_fetch(NULL, "SHA256", properties);
	fc_algorithms.hmac = EVP_MAC_fetch(NULL, "HMAC", properties);
	if (fips)
		fc_algorithms.wrap = EVP_CIPHER_fetch(NULL, "AES-256-WRAP", properties);

	if (!ciphers || fc_algorithms.sha256 == NULL || fc_algorithms.hmac == NULL ||
		(fips && fc_algorithms.wrap == NULL))
	{
		discard_all();
		return fc_openssl_failed(fips ? FC_ERR_FIPS : FC_ERR_CRYPTO);
	}
	set_version_text();
	fc_algorithms.ready = true;
	return FC_OK;
}

bool
fc_crypto_is_fips(void)
{
	return fc_algorithms.ready && fc_algorithms.fips;
}

const char *
fc_crypto_version(void)
{
	return version_text;
}

void
fc_crypto_statement_end(void)
{
	fc_gcm_discard();
	fc_random_wipe();
}

FcCipherContext *
fc_ecb_take(const FcSecret *key, bool encrypt)
{
	if (ecb_context == NULL)
	{
		if (!fc_algorithms.ready)
			return NULL;
		ecb_context = fc_cipher_new(&fc_algorithms.ecb);
		if (ecb_context == NULL)
			return NULL;
	}
	if (!fc_cipher_start(&fc_algorithms.ecb, ecb_context, encrypt, key, NULL, 0))
		fc_ecb_discard();
	return ecb_context;
}

/*
 * Zeros always in the direction of encryption, whose schedule is as long as
 * that of decryption, takes its place and is made sooner.
 */
bool
fc_ecb_release(void)
{
	if (fc_cipher_start(&fc_algorithms.ecb, ecb_context, true, &fc_zero_key, NULL, 0))
		return true;
	fc_ecb_discard();
	return false;
}

void
fc_ecb_discard(void)
{
	fc_cipher_free(&fc_algorithms.ecb, ecb_context);
	ecb_context = NULL;
}

FcStatus
fc_sha256(const void *data, size_t len, uint8_t out[32])
{
	if (sha256_context == NULL)
	{
		if (!fc_algorithms.ready)
			return FC_ERR_CRYPTO;
		sha256_context = EVP_MD_CTX_new();
		if (sha256_context == NULL)
			return fc_openssl_failed(FC_ERR_CRYPTO);
	}
	if (EVP_DigestInit_ex2(sha256_context, fc_algorithms.sha256, NULL) != 1 ||
		EVP_DigestUpdate(sha256_context, data, len) != 1 ||
		EVP_DigestFinal_ex(sha256_context, out, NULL) != 1)
		return fc_openssl_failed(FC_ERR_CRYPTO);
	return FC_OK;
}

/*
 * The context, with its digest chosen once: EVP_MAC_init with a key alone
 * keeps it.
 */
static EVP_MAC_CTX *
hmac_take(void)
{
	OSSL_PARAM	params[3];
	char		digest[] = "SHA256";
	EVP_MAC_CTX *ctx;

	if (hmac_context != NULL)
		return hmac_context;
	if (!fc_algorithms.ready)
		return NULL;
	ctx = EVP_MAC_CTX_new(fc_algorithms.hmac);
	if (ctx == NULL)
		return NULL;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[1] = OSSL_PARAM_construct_end();
	if (fc_algorithms.properties != NULL)
	{
		params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_PROPERTIES,
													 (char *) fc_algorithms.properties, 0);
		params[2] = OSSL_PARAM_construct_end();
	}
	if (EVP_MAC_CTX_set_params(ctx, params) != 1)
	{
		EVP_MAC_CTX_free(ctx);
		return NULL;
	}
	hmac_context = ctx;
	return ctx;
}

static bool
hmac_run(const FcSecret *key, const void *a, size_t a_len,
		 const void *b, size_t b_len, uint8_t out[32])
{
	EVP_MAC_CTX *ctx = hmac_take();
	size_t		out_len = 0;
	bool		ok;

	if (ctx == NULL)
		return false;
	ok = EVP_MAC_init(ctx, key->bytes, sizeof(key->bytes), NULL) == 1 &&
		 (a_len == 0 || EVP_MAC_update(ctx, a, a_len) == 1) &&
		 (b_len == 0 || EVP_MAC_update(ctx, b, b_len) == 1) &&
		 EVP_MAC_final(ctx, out, &out_len, 32) == 1 &&
		 out_len == 32;

	/* whatever happened, the key does not stay in the context */
	if (!ok ||
		EVP_MAC_init(ctx, fc_zero_key.bytes, sizeof(fc_zero_key.bytes), NULL) != 1)
	{
		EVP_MAC_CTX_free(hmac_context);
		hmac_context = NULL;
		ok = false;
	}
	return ok;
}

FcStatus
fc_hmac_sha256(const FcSecret *key, const void *a, size_t a_len,
			   const void *b, size_t b_len, uint8_t out[32])
{
	bool		ok = hmac_run(key, a, a_len, b, b_len, out);

	/* the hash's frames hold the padded key */
	fc_stack_wipe();
	if (!ok)
	{
		fc_wipe(out, 32);
		return fc_openssl_failed(FC_ERR_CRYPTO);
	}
	return FC_OK;
}
