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

#define FC_SECRET_BYTES 32

typedef struct FcSecret
{
	uint8_t		bytes[FC_SECRET_BYTES];
} FcSecret;

/* Overwrite memory with zeros in a way the compiler may not remove. */
extern void fc_wipe(void *data, size_t len);

/* fc_wipe of a whole secret. */
extern void fc_secret_wipe(FcSecret *secret);

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
