/*-------------------------------------------------------------------------
 *
 * fc_secret.c
 *		Wiping and constant-time comparison.
 *
 * The wipe is memset followed by an empty asm statement that claims to read
 * the memory: gcc and clang must then assume that the zeros are used, at
 * every level of optimisation and with link-time optimisation, and memset
 * stays as fast as the C library makes it.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "base/fc_secret.h"

/* Deep enough for the HMAC path of OpenSSL 3.0; a unit test looks. */
#define STACK_WIPE_BYTES 4096

void
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

void
fc_secret_wipe(FcSecret *secret)
{
	fc_wipe(secret->bytes, sizeof(secret->bytes));
}

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
