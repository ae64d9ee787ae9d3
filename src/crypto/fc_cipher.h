/*-------------------------------------------------------------------------
 *
 * fc_cipher.h
 *		Ciphers of the provider, called as libcrypto calls them; private to
 *		crypto/.
 *
 * Every value has a key of its own, so keys are set as often as blocks are
 * encrypted.  Each time EVP_CipherInit_ex2 of OpenSSL 3.0 asks the provider, by
 * name, for the lengths of key and nonce, which takes longer than to set the
 * key: 40 of 65 ns for AES, 110 of 350 ns of a short message in GCM.  So a
 * cipher is fetched as ever, which decides on the provider and on FIPS, and
 * then its functions are called directly: they are the documented interface
 * between libcrypto and providers (provider-cipher(7)), and OpenSSL hands them
 * out (OSSL_PROVIDER_query_operation(3)).  The lengths are constants here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_CIPHER_H
#define FC_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/core_dispatch.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/fc_secret.h"

/* A fetched cipher; read-only then, and inherited by fork. */
typedef struct FcCipher
{
	EVP_CIPHER *fetched; /* keeps the provider; NULL if there is none */
	void	   *provider; /* the provider's own context */
	OSSL_FUNC_cipher_newctx_fn *newctx;
	OSSL_FUNC_cipher_freectx_fn *freectx;
	OSSL_FUNC_cipher_encrypt_init_fn *encrypt_init;
	OSSL_FUNC_cipher_decrypt_init_fn *decrypt_init;
	OSSL_FUNC_cipher_update_fn *update;
	OSSL_FUNC_cipher_final_fn *final;
	OSSL_FUNC_cipher_cipher_fn *cipher;
	OSSL_FUNC_cipher_get_ctx_params_fn *get_params;
	OSSL_FUNC_cipher_set_ctx_params_fn *set_params;
} FcCipher;

/* What the provider makes of a key; wiped by the provider when it is freed. */
typedef struct FcCipherContext FcCipherContext;

/* False, and nothing is fetched, if there is no such cipher or it is not whole. */
extern bool fc_cipher_fetch(FcCipher *cipher, const char *name, const char *properties);

/* After all its contexts; harmless where nothing was fetched. */
extern void fc_cipher_release(FcCipher *cipher);

/* NULL without memory; freed with fc_cipher_free, which takes NULL too. */
static inline FcCipherContext *
fc_cipher_new(const FcCipher *cipher)
{
	return (FcCipherContext *) cipher->newctx(cipher->provider);
}

static inline void
fc_cipher_free(const FcCipher *cipher, FcCipherContext *context)
{
	if (context != NULL)
		cipher->freectx(context);
}

/*
 * Set key, direction and nonce (NULL and 0: none).  A context that refused is
 * good for nothing but fc_cipher_free.
 */
static inline bool
fc_cipher_start(const FcCipher *cipher, FcCipherContext *context, bool encrypt,
				const FcSecret *key, const uint8_t *nonce, size_t nonce_len)
{
	return encrypt ?
		cipher->encrypt_init(context, key->bytes, sizeof(key->bytes), nonce, nonce_len, NULL) == 1 :
		cipher->decrypt_init(context, key->bytes, sizeof(key->bytes), nonce, nonce_len, NULL) == 1;
}

/* All of a message without padding, or the next part of it; out may equal in. */
static inline bool
fc_cipher_blocks(const FcCipher *cipher, FcCipherContext *context, uint8_t *out,
				 const uint8_t *in, size_t len)
{
	size_t		n = 0;

	return cipher->cipher(context, out, &n, len, in, len) == 1 && n == len;
}

/*
 * A part of an authenticated message; out NULL: associated data.  Nothing to
 * be done if it is empty.
 */
static inline bool
fc_cipher_update(const FcCipher *cipher, FcCipherContext *context, uint8_t *out,
				 const uint8_t *in, size_t len)
{
	size_t		n = 0;

	return len == 0 || (cipher->update(context, out, &n, len, in, len) == 1 && n == len);
}

/* The end of a message: makes the tag, or compares it. */
static inline bool
fc_cipher_final(const FcCipher *cipher, FcCipherContext *context)
{
	uint8_t		rest[16];
	size_t		n = 0;

	return cipher->final(context, rest, &n, sizeof(rest)) == 1 && n == 0;
}

#endif /* FC_CIPHER_H */
