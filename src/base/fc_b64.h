/*-------------------------------------------------------------------------
 *
 * fc_b64.h
 *		Canonical base64 (RFC 4648 section 4) and hexadecimal.
 *
 * Decoding is strict: padding required, unused bits zero, no white space, no
 * other alphabet (RFC 4648 sections 3.2, 3.3, 3.5), so that every byte string
 * has exactly one text form.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_B64_H
#define FC_B64_H

#include <stddef.h>
#include <stdint.h>

#include "base/fc_status.h"

/* Characters that n bytes need, padding included, no terminator. */
#define FC_B64_LEN(n) ((((size_t) (n) + 2) / 3) * 4)

/* Upper bound of the bytes that n characters decode to. */
#define FC_B64_MAX_DECODED(n) (((size_t) (n) / 4) * 3)

/* Writes exactly FC_B64_LEN(len) characters, no terminator. */
extern void fc_b64_encode(const uint8_t *data, size_t len, char *out);

/*
 * Decodes len characters into out (room FC_B64_MAX_DECODED(len)) and sets
 * *out_len.  FC_ERR_ARMOUR on anything not canonical.
 */
extern FcStatus fc_b64_decode(const char *text, size_t len, uint8_t *out,
							  size_t *out_len) FC_CHECK_RESULT;

/* Writes 2 * len lower-case digits, no terminator. */
extern void fc_hex_encode(const uint8_t *data, size_t len, char *out);

/*
 * Decodes exactly 2 * len digits of either case.  FC_ERR_ARMOUR on anything
 * else.  Constant time in the digits' values: key files go through it.
 */
extern FcStatus fc_hex_decode(const char *text, size_t text_len,
							  uint8_t *out, size_t len) FC_CHECK_RESULT;

#endif							/* FC_B64_H */
