/*-------------------------------------------------------------------------
 *
 * test_random.c
 *		The random pool.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "crypto/fc_crypto.h"

#define DRAWS 20000

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

static bool
is_zero(const uint8_t *data, size_t len)
{
	while (len > 0)
	{
		if (data[--len] != 0)
			return false;
	}
	return true;
}

static void
test_no_repeats(void)
{
	uint8_t    *all = malloc(DRAWS * 32);
	int			i;
	int			repeats = 0;
	bool		good = all != NULL;

	for (i = 0; i < DRAWS && good; i++)
	{
		good = fc_random(all + 32 * i, 32) == FC_OK;
		if (i % 97 == 0)
			fc_random_wipe();
	}
	qsort(all, DRAWS, 32, compare);
	for (i = 1; i < DRAWS; i++)
		repeats += memcmp(all + 32 * (i - 1), all + 32 * i, 32) == 0;
	ok(good && repeats == 0 && !is_zero(all, 32), "%d draws of 32 bytes, %d repeats", DRAWS, repeats);
	free(all);
}

/* Every length, so that draws cross refills at every offset. */
static void
test_lengths(void)
{
	size_t		len;
	bool		good = true;
	uint8_t    *big = malloc(100000);

	for (len = 0; len < 300 && good; len++)
	{
		uint8_t		out[302];
		size_t		i;

		memset(out, 0, sizeof(out));
		good = fc_random(out + 1, len) == FC_OK && out[0] == 0 && out[len + 1] == 0 &&
			   (len < 32 || !is_zero(out + 1, len));
		/* no run of 16 zero bytes: nothing was left out */
		for (i = 1; i + 16 <= len && good; i++)
			good = !is_zero(out + i, 16);
	}
	ok(good, "draws of 0 to 299 bytes fill exactly what was asked for");
	good = big != NULL && fc_random(big, 100000) == FC_OK;
	for (len = 0; len + 16 <= 100000 && good; len++)
		good = !is_zero(big + len, 16);
	ok(good, "one draw of 100,000 bytes");
	free(big);
}

/* Draw in a child; the parent reads what it drew. */
static bool
child_draw(uint8_t out[32])
{
	int			fd[2];
	pid_t		pid;
	int			status = 1;
	bool		good;

	if (pipe(fd) != 0)
		return false;
	pid = fork();
	if (pid == 0)
	{
		uint8_t		mine[32];
		bool		drawn = fc_random(mine, 32) == FC_OK;

		_exit(drawn && write(fd[1], mine, 32) == 32 ? 0 : 1);
	}
	close(fd[1]);
	good = pid > 0 && read(fd[0], out, 32) == 32;
	close(fd[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	return good && status == 0;
}

static void
test_fork(void)
{
	uint8_t		drawn[5][32];
	int			i;
	int			j;
	bool		good;

	/* the parent's pool is full here: a child must not use what is left */
	good = fc_random(drawn[0], 32) == FC_OK && child_draw(drawn[1]) && child_draw(drawn[2]) &&
		   child_draw(drawn[3]) && fc_random(drawn[4], 32) == FC_OK;
	for (i = 0; i < 5; i++)
	{
		for (j = 0; j < i; j++)
			good = good && memcmp(drawn[i], drawn[j], 32) != 0;
	}
	ok(good, "three children and their parent draw different bytes from a filled pool");
}

static void
test_forbid(void)
{
	uint8_t		out[32];
	uint8_t		first[32];

	ok(fc_random(out, 32) == FC_OK, "draws before it is forbidden");
	fc_random_forbid();
	memset(out, 0x77, sizeof(out));
	ok(fc_random(out, 32) == FC_ERR_RANDOM && is_zero(out, 32), "a forbidden process gets zeros and an error");
	ok(fc_random(out, 0) == FC_OK, "nothing may always be drawn");
	ok(child_draw(out) && child_draw(first) && memcmp(out, first, 32) != 0 && !is_zero(out, 32),
	   "its children draw, and differ");
	ok(fc_random(out, 1) == FC_ERR_RANDOM, "it stays forbidden");
}

int
main(void)
{
	ok(fc_crypto_init(false) == FC_OK, "init");
	fc_random_wipe();
	test_no_repeats();
	test_lengths();
	test_fork();
	test_forbid();
	return tap_done();
}
