/*-------------------------------------------------------------------------
 *
 * fc_siphash.c
 *		SipHash-2-4 (Aumasson and Bernstein, 2012), 64-bit output.
 *
 * Keyed hashes of plaintext that PostgreSQL may write into temporary files:
 * without the key they must tell nothing.  Never stored in a value.
 *
 *-------------------------------------------------------------------------
 */
#include "crypto/fc_crypto.h"

typedef struct SipState
{
	uint64_t	v0;
	uint64_t	v1;
	uint64_t	v2;
	uint64_t	v3;
} SipState;

static inline uint64_t
rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

/* Little-endian, as the paper has it, whatever the machine. */
static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t	v = 0;
	int			i;

	for (i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static inline void
sip_round(SipState *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static inline void
sip_absorb(SipState *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	sip_round(s);
	s->v0 ^= m;
}

uint64_t
fc_siphash24(const uint8_t key[16], const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t	k0 = load64(key);
	uint64_t	k1 = load64(key + 8);
	uint64_t	last = (uint64_t) len << 56;
	size_t		left = len;
	SipState	s;
	int			i;

	s.v0 = k0 ^ UINT64_C(0x736f6d6570736575);
	s.v1 = k1 ^ UINT64_C(0x646f72616e646f6d);
	s.v2 = k0 ^ UINT64_C(0x6c7967656e657261);
	s.v3 = k1 ^ UINT64_C(0x7465646279746573);
	for (; left >= 8; left -= 8, p += 8)
		sip_absorb(&s, load64(p));
	for (i = 0; i < (int) left; i++)
		last |= (uint64_t) p[i] << (8 * i);
	sip_absorb(&s, last);
	s.v2 ^= 0xff;
	for (i = 0; i < 4; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
