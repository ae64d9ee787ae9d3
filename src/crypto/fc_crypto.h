/*-------------------------------------------------------------------------
 *
 * fc_crypto.h
 *		Primitives over OpenSSL 3: set-up, AEAD, key wrap, hashing, MAC,
 *		random.
 *
 * fc_crypto_init fetches every algorithm once, in the postmaster, so that
 * children inherit the fetched objects (a first fetch costs 3-4 ms).  It
 * handles no key and draws no random byte.  Contexts are per process and are
 * made at first use; a context that held a master or index key is re-keyed
 * with zeros before the function returns.
 *
 * All functions return FC_ERR_CRYPTO when the library fails, with OpenSSL's
 * error queue cleared.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_CRYPTO_H
#define FC_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fc_secret.h"
#include "base/fc_status.h"
#include "crypto/fc_format.h"

/*
 * fc_crypto_init
 *		Fetch AES-256-ECB, AES-256-GCM, SHA-256, HMAC (and with fips also
 *		AES-256-WRAP) with the property query "fips=yes" if fips is true.
 *		FC_ERR_FIPS if fips is asked for and no FIPS provider offers them.
 *		Idempotent.  The FIPS provider must be activated by openssl.cnf; it is
 *		not loaded from here.  Every other function below, fc_random apart,
 *		fails with FC_ERR_CRYPTO until this succeeded.
 */
extern FcStatus fc_crypto_init(bool fips) FC_CHECK_RESULT;

/* True if fc_crypto_init was called with fips. */
extern bool fc_crypto_is_fips(void);

/* "OpenSSL 3.0.19 27 Jan 2026, provider default"; static storage. */
extern const char *fc_crypto_version(void);

/* Protocol of an established TLS session (an SSL), "TLSv1.3"; static storage. */
extern const char *fc_tls_version(const void *session);

/*
 * AES-256-KW, RFC 3394 section 2.2, of exactly 32 bytes into 40.  Outside
 * FIPS mode it is built on AES-256-ECB: same bytes as AES-256-WRAP, seven
 * times faster in OpenSSL 3.0, whose own key wrap is table-based.
 */
extern FcStatus fc_kw_wrap(const FcSecret *kek, const FcSecret *key,
						   uint8_t out[FC_WRAPPED_BYTES]) FC_CHECK_RESULT;

/*
 * The reverse.  The check value is compared in constant time; *key is set
 * only if it matches and wiped otherwise (FC_ERR_AUTH).
 */
extern FcStatus fc_kw_unwrap(const FcSecret *kek,
							 const uint8_t wrapped[FC_WRAPPED_BYTES],
							 FcSecret *key) FC_CHECK_RESULT;

/*
 * AES-256-GCM (SP 800-38D), 96-bit nonce, 128-bit tag.  out may equal in.
 * In FIPS mode fc_gcm_seal makes the nonce itself, inside the module (IG C.H),
 * and writes it to nonce; otherwise it uses the nonce it is given.
 */
extern FcStatus fc_gcm_seal(const FcSecret *key,
							uint8_t nonce[FC_GCM_NONCE_BYTES],
							const uint8_t *aad, size_t aad_len,
							const uint8_t *in, size_t len, uint8_t *out,
							uint8_t tag[FC_GCM_TAG_BYTES]) FC_CHECK_RESULT;

/* FC_ERR_AUTH on any mismatch, and then out is wiped. */
extern FcStatus fc_gcm_open(const FcSecret *key,
							const uint8_t nonce[FC_GCM_NONCE_BYTES],
							const uint8_t *aad, size_t aad_len,
							const uint8_t *in, size_t len, uint8_t *out,
							const uint8_t tag[FC_GCM_TAG_BYTES]) FC_CHECK_RESULT;

/*
 * XAES-256-GCM key derivation (C2SP XAES-256-GCM): the AES-256-GCM key for
 * the first 12 bytes of a 24-byte nonce; the last 12 are the GCM nonce.
 * FC_ERR_FIPS in FIPS mode: the derivation would be outside the module.
 */
extern FcStatus fc_xaes_derive(const FcSecret *key, const uint8_t nonce[12],
							   FcSecret *derived) FC_CHECK_RESULT;

/* HMAC-SHA-256 (FIPS 198-1) over the concatenation of two pieces. */
extern FcStatus fc_hmac_sha256(const FcSecret *key,
							   const void *a, size_t a_len,
							   const void *b, size_t b_len,
							   uint8_t out[32]) FC_CHECK_RESULT;

/* SHA-256 (FIPS 180-4). */
extern FcStatus fc_sha256(const void *data, size_t len,
						  uint8_t out[32]) FC_CHECK_RESULT;

/*
 * SipHash-2-4, 64-bit output, for keyed in-memory hashes (never stored).
 */
extern uint64_t fc_siphash24(const uint8_t key[16], const void *data, size_t len);

/*
 * fc_random
 *		Fill out from the process's pool.  A refill is EVP_RAND_generate with
 *		32 bytes of getrandom(2) as additional input, so that a cloned VM does
 *		not repeat; consumed bytes are wiped at once; the pool is tied to the
 *		pid and never filled in the postmaster (fc_random_forbid).  A pool
 *		that was idle starts small (128 bytes) and grows to 4 kB while it is
 *		being drained without a wipe in between.
 */
extern FcStatus fc_random(void *out, size_t len) FC_CHECK_RESULT;

/* Wipe what the pool still holds; called at the end of every statement. */
extern void fc_random_wipe(void);

/*
 * Forbid fc_random in the calling process (the postmaster): it returns
 * FC_ERR_RANDOM there.  Children, which have another pid, may draw.
 */
extern void fc_random_forbid(void);

/*
 * fc_crypto_statement_end
 *		Drop what contexts may keep within a statement for speed: empty the
 *		GCM context (it may still hold the last data key) and wipe the pool.
 *		Cheap if nothing was used since the last call.  Never fails.
 */
extern void fc_crypto_statement_end(void);

#endif							/* FC_CRYPTO_H */
