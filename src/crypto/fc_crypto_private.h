/*-------------------------------------------------------------------------
 *
 * fc_crypto_private.h
 *		What the files of crypto/ share among themselves; nobody else
 *		includes it, unit tests apart.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_CRYPTO_PRIVATE_H
#define FC_CRYPTO_PRIVATE_H

#include <stdbool.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/fc_secret.h"
#include "base/fc_status.h"
#include "crypto/fc_cipher.h"
#include "crypto/fc_format.h"

/*
 * The fetched algorithms: read-only after fc_crypto_init and inherited by
 * fork.  wrap is set in FIPS mode only.
 */
typedef struct FcAlgorithms
{
	bool		ready; /* fc_crypto_init succeeded */
	bool		fips; /* only what the FIPS module offers */
	const char *properties; /* of every fetch: "fips=yes", or NULL */
	FcCipher	ecb; /* AES-256-ECB */
	FcCipher	gcm; /* AES-256-GCM */
	EVP_CIPHER *wrap; /* AES-256-WRAP */
	EVP_MD     *sha256;
	EVP_MAC    *hmac;
} FcAlgorithms;

extern FcAlgorithms fc_algorithms;

/* A key of zeros, with which contexts are re-keyed. */
extern const FcSecret fc_zero_key;

/* Clear OpenSSL's error queue and return the status given. */
extern FcStatus fc_openssl_failed(FcStatus status);

/*
 * The AES-256-ECB context, keyed for one direction; NULL if the library
 * fails.  Whoever takes it gives it back with fc_ecb_release, which re-keys
 * it with zeros, and reports a failure of that (the context is then freed,
 * which wipes it too).
 */
extern FcCipherContext *fc_ecb_take(const FcSecret *key, bool encrypt);
extern bool fc_ecb_release(void);

/* Whole blocks through such a context, in its direction; out may equal in. */
static inline bool
fc_ecb_blocks(FcCipherContext *context, uint8_t *out, const uint8_t *in, size_t len)
{
	return fc_cipher_blocks(&fc_algorithms.ecb, context, out, in, len);
}

/*
 * Blocks as two halves.  A block is written at once, and read in halves: the
 * library loads all 16 bytes, and a processor cannot forward two stores of 8
 * to one load, for which it waits longer than for a round of AES.  Halves are
 * numbers only where bits move from byte to byte, and then big-endian.
 */
#define FC_AES_BLOCK 16

typedef uint64_t FcHalves __attribute__((vector_size(FC_AES_BLOCK)));

static inline uint64_t
fc_half_get(const uint8_t *bytes)
{
	uint64_t	half;

	memcpy(&half, bytes, sizeof(half));
	return half;
}

static inline void
fc_block_put(uint8_t *block, uint64_t left, uint64_t right)
{
	FcHalves	halves = { left, right };

	memcpy(block, &halves, sizeof(halves));
}

/* Between a half and the number that its bytes are, either way. */
static inline uint64_t
fc_big_endian(uint64_t half)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap64(half);
#else
	return half;
#endif
}

/*
 * fc_kw_wrap and fc_kw_unwrap without the final fc_stack_wipe, for callers
 * that end with one themselves.
 */
extern FcStatus fc_kw_wrap_raw(const FcSecret *kek, const FcSecret *key,
							   uint8_t out[FC_WRAPPED_BYTES]) FC_CHECK_RESULT;
extern FcStatus fc_kw_unwrap_raw(const FcSecret *kek,
								 const uint8_t wrapped[FC_WRAPPED_BYTES],
								 FcSecret *key) FC_CHECK_RESULT;

/*
 * Free a file's contexts, when fc_crypto_init changes its mind; that of GCM at
 * the end of a statement, too.
 */
extern void fc_ecb_discard(void);
extern void fc_kw_discard(void);
extern void fc_gcm_discard(void);
extern void fc_random_discard(void);

#endif /* FC_CRYPTO_PRIVATE_H */
