/*-------------------------------------------------------------------------
 *
 * fc_random.c
 *		The pool of random bytes: data keys and nonces.
 *
 * A call of the library's generator costs two microseconds, most of it a
 * system call, so bytes are drawn ahead.  The rules that make this safe:
 *
 * - A refill mixes 32 bytes of getrandom(2) into the generator as additional
 *   input.  The generator's state is copied with a virtual machine, and two
 *   copies would produce the same keys and nonces; the kernel reseeds itself
 *   when it notices the copy.
 * - The pool never crosses fork: a child handler empties it, and a refill
 *   compares the pid as well (once per refill, not once per draw).  The
 *   postmaster is forbidden to draw at all.
 * - Bytes are wiped as they are handed out, and what is left is wiped at the
 *   end of the statement: memory holds no key of a value yet to be written.
 *   A pool starts small, so that a statement that writes one value does not
 *   pay for 93, and doubles while it is drained.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_crypto_private.h"

#define POOL_BYTES_MIN 128
#define POOL_BYTES_MAX 4096
#define KERNEL_BYTES 32 /* additional input of a refill */
#define STRENGTH_BITS 256

typedef struct RandomPool
{
	uint8_t		bytes[POOL_BYTES_MAX];
	size_t		next; /* offset of the first byte not handed out */
	size_t		filled; /* bytes of the last refill */
	size_t		size; /* what the next refill draws; 0 = minimum */
	pid_t		pid; /* process that filled it */
} RandomPool;

static RandomPool pool;
static pid_t forbidden_pid = -1;
static bool fork_handler_set;

/* A generator of the FIPS module's own; FIPS mode only. */
static EVP_RAND_CTX *fips_generator;
static pid_t fips_generator_pid = -1;

void
fc_random_wipe(void)
{
	if (pool.filled > pool.next)
		fc_wipe(pool.bytes + pool.next, pool.filled - pool.next);
	pool.next = 0;
	pool.filled = 0;
	pool.size = 0;
}

void
fc_random_forbid(void)
{
	fc_random_wipe();
	forbidden_pid = getpid();
}

void
fc_random_discard(void)
{
	fc_random_wipe();
	EVP_RAND_CTX_free(fips_generator);
	fips_generator = NULL;
}

static bool
kernel_bytes(uint8_t *out, size_t len)
{
	while (len > 0)
	{
		ssize_t		n = getrandom(out, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		out += n;
		len -= (size_t) n;
	}
	return true;
}

/*
 * In FIPS mode keys must come from the module's own generator, while the
 * process's default one may be another provider's; it serves as the source of
 * entropy only.
 */
static EVP_RAND_CTX *
make_fips_generator(void)
{
	OSSL_PARAM	params[3];
	char		cipher[] = "AES-256-CTR";
	EVP_RAND   *rand;
	EVP_RAND_CTX *ctx;

	rand = EVP_RAND_fetch(NULL, "CTR-DRBG", fc_algorithms.properties);
	if (rand == NULL)
		return NULL;
	ctx = EVP_RAND_CTX_new(rand, RAND_get0_primary(NULL));
	EVP_RAND_free(rand);
	if (ctx == NULL)
		return NULL;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, 0);
	params[1] = OSSL_PARAM_construct_end();
	if (fc_algorithms.properties != NULL)
	{
		params[1] = OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_PROPERTIES,
													 (char *) fc_algorithms.properties, 0);
		params[2] = OSSL_PARAM_construct_end();
	}
	if (EVP_RAND_instantiate(ctx, STRENGTH_BITS, 0, NULL, 0, params) != 1)
	{
		EVP_RAND_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static EVP_RAND_CTX *
generator(pid_t pid)
{
	if (!fc_algorithms.fips)
		return RAND_get0_private(NULL);
	if (fips_generator == NULL || fips_generator_pid != pid)
	{
		EVP_RAND_CTX_free(fips_generator);
		fips_generator = make_fips_generator();
		fips_generator_pid = pid;
	}
	return fips_generator;
}

static FcStatus
refill(void)
{
	pid_t		pid = getpid();
	size_t		size = pool.size < POOL_BYTES_MIN ? POOL_BYTES_MIN : pool.size;
	uint8_t		extra[KERNEL_BYTES];
	EVP_RAND_CTX *rand;
	bool		ok;

	if (pid == forbidden_pid)
		return FC_ERR_RANDOM;
	if (!fork_handler_set)
	{
		if (pthread_atfork(NULL, NULL, fc_random_wipe) != 0)
			return FC_ERR_RANDOM;
		fork_handler_set = true;
	}
	rand = generator(pid);
	ok = rand != NULL && kernel_bytes(extra, sizeof(extra)) &&
		 EVP_RAND_generate(rand, pool.bytes, size, STRENGTH_BITS, 0,
						   extra, sizeof(extra)) == 1;
	fc_wipe(extra, sizeof(extra));
	if (!ok)
	{
		fc_wipe(pool.bytes, size);
		return fc_openssl_failed(FC_ERR_RANDOM);
	}
	pool.pid = pid;
	pool.next = 0;
	pool.filled = size;
	pool.size = size < POOL_BYTES_MAX ? 2 * size : POOL_BYTES_MAX;
	return FC_OK;
}

FcStatus
fc_random(void *out, size_t len)
{
	uint8_t    *p = out;
	size_t		done = 0;

	while (done < len)
	{
		size_t		n = pool.filled - pool.next;

		if (n == 0)
		{
			FcStatus	status = refill();

			if (status != FC_OK)
			{
				fc_wipe(out, len);
				return status;
			}
			continue;
		}
		if (n > len - done)
			n = len - done;
		memcpy(p + done, pool.bytes + pool.next, n);
		fc_wipe(pool.bytes + pool.next, n);
		pool.next += n;
		done += n;
	}
	return FC_OK;
}
