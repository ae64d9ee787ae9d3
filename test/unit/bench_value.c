/*-------------------------------------------------------------------------
 *
 * bench_value.c
 *		Nanoseconds of CPU time per value: seal, open, tag, rewrap.
 *
 * Best of several rounds; contexts re-keyed and stacks wiped as in the server,
 * the pool warm, no end of statement within a round.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_envelope.h"

#define ROUNDS 15
#define CALLS 20000

typedef struct Bench
{
	FcKeyContext ctx;
	FcSecret	master;
	size_t		text_len;
	size_t		value_len;
	uint8_t		text[8192];
	uint8_t		value[8192 + 128];
	uint8_t		out[8192];
	uint8_t		tag[FC_TAG_BYTES];
	bool		tagged;
} Bench;

typedef FcStatus (*Call)(Bench *b);

static FcStatus
run_seal(Bench *b)
{
	return fc_value_seal(&b->ctx, &b->master, b->tagged ? b->tag : NULL, b->text, b->text_len, b->value, b->value_len);
}

static FcStatus
run_open(Bench *b)
{
	FcValue		v;
	FcStatus	status = fc_value_parse(b->value, b->value_len, &v);

	return status == FC_OK ? fc_value_open(&v, &b->master, b->out) : status;
}

static FcStatus
run_tag(Bench *b)
{
	return fc_tag(&b->master, FC_MODE_EXACT, 1, b->text, b->text_len, b->tag);
}

static FcStatus
run_rewrap(Bench *b)
{
	return fc_value_rewrap(b->value, b->value_len, &b->master, &b->ctx, &b->master);
}

static FcStatus
run_seal_and_end(Bench *b)
{
	FcStatus	status = run_seal(b);

	fc_crypto_statement_end();
	return status;
}

static double
measure(Call call, Bench *b)
{
	double		best = 1e9;
	int			round;
	int			i;

	for (round = 0; round < ROUNDS; round++)
	{
		struct timespec from;
		struct timespec to;
		double		ns;

		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
		for (i = 0; i < CALLS; i++)
		{
			if (call(b) != FC_OK)
				abort();
		}
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
		ns = ((double) (to.tv_sec - from.tv_sec) * 1e9 + (double) (to.tv_nsec - from.tv_nsec)) / CALLS;
		if (ns < best)
			best = ns;
	}
	return best;
}

int
main(void)
{
	static const size_t lengths[] = { 20, 64, 1024, 8192 };
	static Bench b;
	int			suite;
	size_t		i;

	if (fc_crypto_init(false) != FC_OK)
		return 1;
	printf("%s\n", fc_crypto_version());
	b.ctx.purpose = FC_PURPOSE_WRAP;
	b.ctx.version = 1;
	memset(b.master.bytes, 7, sizeof(b.master.bytes));
	printf("%6s %6s %10s %10s %10s %10s %16s\n", "suite", "bytes", "seal", "open", "tag", "rewrap", "seal+statement");
	for (suite = 1; suite <= 2; suite++)
	{
		for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		{
			double		seal;
			double		open;

			b.ctx.suite = (uint8_t) suite;
			b.text_len = lengths[i];
			b.value_len = fc_value_size(b.ctx.suite, false, b.text_len);
			seal = measure(run_seal, &b);
			open = measure(run_open, &b);
			printf("%6d %6zu %10.0f %10.0f %10.0f %10.0f %16.0f\n", suite, b.text_len, seal, open,
				   measure(run_tag, &b), suite == 1 ? measure(run_rewrap, &b) : 0.0, measure(run_seal_and_end, &b));
		}
	}
	return 0;
}
