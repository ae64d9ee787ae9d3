/*-------------------------------------------------------------------------
 *
 * fc_secret.c
 *		Wiping of the stack and constant-time comparison.
 *
 *-------------------------------------------------------------------------
 */
#include "base/fc_secret.h"

/* Deep enough for the HMAC path of OpenSSL 3.0; a unit test looks. */
#define STACK_WIPE_BYTES 4096

/*
 * Must have a frame of its own, below the caller's: never inlined.
 */
__attribute__((noinline)) void
fc_stack_wipe(void)
{
	uint8_t		below[STACK_WIPE_BYTES];

	fc_wipe(below, sizeof(below));
}

bool
fc_equal_ct(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *pa = a;
	const volatile uint8_t *pb = b;
	uint8_t		diff = 0;
	size_t		i;

	/* volatile: the compiler may not leave the loop at the first difference */
	for (i = 0; i < len; i++)
		diff |= (uint8_t) (pa[i] ^ pb[i]);
	return diff == 0;
}
