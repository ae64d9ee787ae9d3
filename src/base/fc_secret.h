/*-------------------------------------------------------------------------
 *
 * fc_secret.h
 *		Fixed-size secrets, wiping, constant-time comparison.
 *
 * This is the only wipe primitive of the project.  Every secret is 32 bytes:
 * root secret, master key, index key, data key.  A secret lives on the stack
 * of one call or in a slot of the secret region; whoever declares one wipes
 * it on every path out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_SECRET_H
#define FC_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FC_SECRET_BYTES 32

typedef struct FcSecret
{
	uint8_t		bytes[FC_SECRET_BYTES];
} FcSecret;

/*
 * Overwrite memory with zeros in a way the compiler may not remove: memset
 * followed by an empty asm statement that claims to read the memory.  gcc and
 * clang must then assume that the zeros are used, at every level of
 * optimisation and with link-time optimisation, and memset stays as fast as
 * they make it.
 */
static inline void
fc_wipe(void *data, size_t len)
{
	/* memset of nothing at NULL is undefined */
	if (len == 0)
		return;
	memset(data, 0, len);
	__asm__ __volatile__(""
						 :
						 : "r"(data)
						 : "memory");
}

/* fc_wipe of a whole secret. */
static inline void
fc_secret_wipe(FcSecret *secret)
{
	fc_wipe(secret->bytes, sizeof(secret->bytes));
}

/*
 * Clear the dead stack below the caller: library calls leave copies of key
 * material in frames that nobody wipes (seen with the HMAC path of OpenSSL
 * 3.0).  Clears 4 kB; call it last, before returning from the outermost
 * function that handled a key.
 */
extern void fc_stack_wipe(void);

/* True if equal; the time depends on len alone. */
extern bool fc_equal_ct(const void *a, const void *b, size_t len);

#endif							/* FC_SECRET_H */
