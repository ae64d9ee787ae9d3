/*-------------------------------------------------------------------------
 *
 * fc_format.h
 *		Numbers of value format 1 (docs/format.md); frozen once released.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_FORMAT_H
#define FC_FORMAT_H

#include <stdint.h>

/* Suites.  Suite 0 is a literal: plaintext, in memory only, never stored. */
#define FC_SUITE_LITERAL	0
#define FC_SUITE_KW_GCM		1	/* AES-256-KW (RFC 3394) + AES-256-GCM */
#define FC_SUITE_XAES		2	/* XAES-256-GCM (C2SP), derived per value */

#define FC_FLAG_TAG			0x01
#define FC_FLAGS_KNOWN		FC_FLAG_TAG

#define FC_KEY_ID_BYTES		6
#define FC_HEADER_BYTES		10	/* suite, flags, key_id, version */
#define FC_TAG_BYTES		16
#define FC_WRAPPED_BYTES	40	/* RFC 3394 output for a 32-byte key */
#define FC_GCM_NONCE_BYTES	12
#define FC_XAES_NONCE_BYTES 24
#define FC_GCM_TAG_BYTES	16

#define FC_OVERHEAD_KW_GCM	(FC_HEADER_BYTES + FC_WRAPPED_BYTES + FC_GCM_NONCE_BYTES + FC_GCM_TAG_BYTES)	/* 78 */
#define FC_OVERHEAD_XAES	(FC_HEADER_BYTES + FC_XAES_NONCE_BYTES + FC_GCM_TAG_BYTES)	/* 50 */

/* Above this the armour would exceed PostgreSQL's 1 GB. */
#define FC_PLAINTEXT_MAX	805306000

/* Search modes: typmod bits 28-30 and the high 3 bits of tag byte 0. */
#define FC_MODE_NONE		0
#define FC_MODE_EXACT		1
#define FC_MODE_LOWER		2
#define FC_MODE_DIGITS		3
#define FC_MODE_LAST4		4
#define FC_MODE_MAX			4

/* Tag byte 0: mode in the high 3 bits, index-key version modulo 32 below. */
#define FC_TAG_BYTE0(mode, index_version) ((uint8_t) (((mode) << 5) | ((index_version) & 31)))
#define FC_TAG_MODE(byte0)	((byte0) >> 5)
#define FC_TAG_INDEX_VERSION(byte0) ((byte0) & 31)

/* Purposes of a root secret. */
#define FC_PURPOSE_WRAP		1
#define FC_PURPOSE_INDEX	2

/* Data type of the plaintext; part of the AAD, not stored. */
#define FC_DATA_TYPE_TEXT	1

#define FC_KCV_BYTES		8
#define FC_PREFIX_BITS		28

#define FC_ARMOUR_PREFIX	"fieldcrypt:1:"
#define FC_ARMOUR_PREFIX_LEN 13

#endif							/* FC_FORMAT_H */
