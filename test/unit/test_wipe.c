/*-------------------------------------------------------------------------
 *
 * test_wipe.c
 *		No key stays in the memory of the process.
 *
 * After each call every writable mapping of the process is searched for the
 * keys that the call handled: each half of 16 bytes, because a decryption
 * schedule holds only halves; as they are, combined with the inner and the
 * outer pad of HMAC, and with the bytes of each 32-bit word reversed, which is
 * how SHA-256 keeps its input.  The needles are kept masked and are compared
 * masked, so that the search never finds itself.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include <openssl/rand.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_ephemeral.h"
#include "crypto/fc_envelope.h"
#include "crypto/fc_envelope_private.h"

#define MASK 0x5a
#define PIECE 16

typedef struct Masked
{
	uint8_t		bytes[FC_SECRET_BYTES];
} Masked;

static Masked root_masked;
static Masked master_masked;
static Masked new_master_masked;
static Masked data_key_masked;
static FcKeyContext ctx1 = { FC_PURPOSE_WRAP, FC_SUITE_KW_GCM, { { 1, 2, 3, 4, 5, 6 } }, 1 };
static FcKeyContext ctx2 = { FC_PURPOSE_WRAP, FC_SUITE_XAES, { { 1, 2, 3, 4, 5, 6 } }, 1 };
static const uint8_t text[] = "Ada Lovelace, 078-05-1120";

#define TEXT_BYTES (sizeof(text) - 1)
#define VALUE1_BYTES (FC_OVERHEAD_KW_GCM + TEXT_BYTES)
#define VALUE2_BYTES (FC_OVERHEAD_XAES + TEXT_BYTES)

/* Byte by byte through volatile: no copy in vector registers or spills. */
__attribute__((noinline)) static void
unmask(FcSecret *out, const Masked *in)
{
	volatile uint8_t *p = out->bytes;
	int			i;

	for (i = 0; i < FC_SECRET_BYTES; i++)
		p[i] = in->bytes[i] ^ MASK;
}

__attribute__((noinline)) static void
mask(Masked *out, FcSecret *in)
{
	volatile uint8_t *p = in->bytes;
	int			i;

	for (i = 0; i < FC_SECRET_BYTES; i++)
		out->bytes[i] = p[i] ^ MASK;
	fc_secret_wipe(in);
}

/* The byte at p + i stands for: byte i, or byte i of the word reversed. */
__attribute__((noinline)) static int
count_in(const uint8_t *from, const uint8_t *to, const uint8_t *masked, uint8_t pad, size_t reverse)
{
	const uint8_t *p;
	int			found = 0;

	for (p = from; p + PIECE <= to; p++)
	{
		size_t		i = 0;

		while (i < PIECE && (uint8_t) (p[i] ^ MASK ^ pad) == masked[i ^ reverse])
			i++;
		found += i == PIECE;
	}
	return found;
}

/* Copies of any half of the secret in the writable memory of the process. */
static int
copies(const Masked *secret, bool tell)
{
	static const uint8_t pads[3] = { 0, 0x36, 0x5c };
	FILE       *maps = fopen("/proc/self/maps", "r");
	char		line[512];
	int			found = 0;

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
	{
		unsigned long from;
		unsigned long to;
		char		perm[8];
		int			half;

		if (sscanf(line, "%lx-%lx %7s", &from, &to, perm) != 3 || strncmp(perm, "rw", 2) != 0)
			continue;
		for (half = 0; half < FC_SECRET_BYTES; half += PIECE)
		{
			int			form;

			for (form = 0; form < 6; form++)
			{
				int			n = count_in((const uint8_t *) from, (const uint8_t *) to, secret->bytes + half,
								 pads[form / 2], form % 2 == 0 ? 0 : 3);

				if (n > 0 && tell)
					printf("# %d of half %d, form %d, in %s", n, half / PIECE, form, line);
				found += n;
			}
		}
	}
	if (maps != NULL)
		fclose(maps);
	return found;
}

static void
test_control(void)
{
	static FcSecret planted;

	unmask(&planted, &master_masked);
	ok(copies(&master_masked, false) == 2, "control: a key left in memory is found");
	fc_secret_wipe(&planted);
	ok(copies(&master_masked, true) == 0, "control: and not once it is wiped");
}

/* One call with the clear keys on the stack, wiped right after it. */
typedef FcStatus (*Call)(const FcSecret *master, uint8_t *value);

static FcStatus
call_seal1(const FcSecret *master, uint8_t *value)
{
	return fc_value_seal(&ctx1, master, NULL, text, TEXT_BYTES, value, VALUE1_BYTES);
}

static FcStatus
call_seal2(const FcSecret *master, uint8_t *value)
{
	return fc_value_seal(&ctx2, master, NULL, text, TEXT_BYTES, value, VALUE2_BYTES);
}

static FcStatus
call_open(const FcSecret *master, uint8_t *value)
{
	uint8_t		out[TEXT_BYTES];
	FcValue		v;
	FcStatus	status = fc_value_parse(value, value[0] == 1 ? VALUE1_BYTES : VALUE2_BYTES, &v);

	return status == FC_OK ? fc_value_open(&v, master, out) : status;
}

static FcStatus
call_open_altered(const FcSecret *master, uint8_t *value)
{
	FcStatus	status;

	value[VALUE2_BYTES - 1] ^= 1;
	status = call_open(master, value);
	value[VALUE2_BYTES - 1] ^= 1;
	return status == FC_ERR_AUTH ? FC_OK : FC_ERR_ARGUMENT;
}

static FcStatus
call_unwrap_altered(const FcSecret *master, uint8_t *value)
{
	FcStatus	status;

	value[20] ^= 1;
	status = call_open(master, value);
	value[20] ^= 1;
	return status == FC_ERR_AUTH ? FC_OK : FC_ERR_ARGUMENT;
}

static FcStatus
call_rewrap(const FcSecret *master, uint8_t *value)
{
	FcSecret	other;
	FcStatus	status;

	unmask(&other, &new_master_masked);
	status = fc_value_rewrap(value, VALUE1_BYTES, master, &ctx1, &other);
	if (status == FC_OK)
		status = fc_value_rewrap(value, VALUE1_BYTES, &other, &ctx1, master);
	fc_secret_wipe(&other);
	return status;
}

static FcStatus
call_tag(const FcSecret *master, uint8_t *value)
{
	uint8_t		tag[FC_TAG_BYTES];

	(void) value;
	return fc_tag(master, FC_MODE_EXACT, 1, text, TEXT_BYTES, tag);
}

static FcStatus
call_kcv(const FcSecret *master, uint8_t *value)
{
	uint8_t		kcv[FC_KCV_BYTES];

	(void) value;
	return fc_kcv(master, &ctx1, kcv);
}

static FcStatus
call_derive(const FcSecret *master, uint8_t *value)
{
	FcSecret	key;
	FcStatus	status;

	(void) value;
	status = fc_derive_key(master, &ctx1, &key);
	fc_secret_wipe(&key);
	return status;
}

static FcStatus
call_wrap(const FcSecret *master, uint8_t *value)
{
	FcSecret	key;
	FcStatus	status;
	uint8_t		wrapped[FC_WRAPPED_BYTES];

	(void) value;
	unmask(&key, &data_key_masked);
	status = fc_kw_wrap(master, &key, wrapped);
	fc_secret_wipe(&key);
	if (status == FC_OK)
		status = fc_kw_unwrap(master, wrapped, &key);
	fc_secret_wipe(&key);
	return status;
}

/* The key that the payload of a value is encrypted with, masked. */
static bool
remember_data_key(const uint8_t *value)
{
	FcSecret	master;
	FcSecret	key;
	FcStatus	status;

	unmask(&master, &master_masked);
	status = value[0] == 1 ? fc_kw_unwrap(&master, value + FC_HEADER_BYTES, &key) : fc_xaes_derive(&master, value + FC_HEADER_BYTES, &key);
	fc_secret_wipe(&master);
	mask(&data_key_masked, &key);
	fc_stack_wipe();
	return status == FC_OK;
}

/* Call with the key in clear, of which nothing is left but what the call left. */
static FcStatus
with_key(Call call, uint8_t *value, const Masked *key)
{
	FcSecret	master;
	FcStatus	status;

	unmask(&master, key);
	status = call(&master, value);
	fc_secret_wipe(&master);
	return status;
}

static void
run(const char *name, Call call, uint8_t *value, const Masked *key)
{
	FcStatus	status = with_key(call, value, key);
	int			left = copies(key, true);

	ok(status == FC_OK && left == 0, "%s: the key is gone after the call", name);
}

static void
test_values(void)
{
	uint8_t		value[VALUE1_BYTES];
	bool		good;

	run("seal, suite 1", call_seal1, value, &master_masked);
	good = remember_data_key(value);
	fc_crypto_statement_end();
	ok(good && copies(&data_key_masked, true) == 0, "seal, suite 1: the data key is gone at the end of the statement");

	run("open, suite 1", call_open, value, &master_masked);
	ok(copies(&data_key_masked, false) > 0, "open, suite 1: the context keeps the data key within the statement");
	fc_crypto_statement_end();
	ok(copies(&data_key_masked, true) == 0, "open, suite 1: the data key is gone at the end of the statement");

	run("open, altered wrap", call_unwrap_altered, value, &master_masked);
	ok(copies(&data_key_masked, true) == 0, "open, altered wrap: no data key");
	run("rewrap", call_rewrap, value, &master_masked);
	ok(copies(&new_master_masked, true) == 0 && copies(&data_key_masked, true) == 0,
	   "rewrap: the new key and the data key are gone after the call");
	run("wrap and unwrap", call_wrap, value, &master_masked);
	ok(copies(&data_key_masked, true) == 0, "wrap and unwrap: the wrapped key is gone after the call");

	run("seal, suite 2", call_seal2, value, &master_masked);
	good = remember_data_key(value);
	fc_crypto_statement_end();
	ok(good && copies(&data_key_masked, true) == 0, "seal, suite 2: the derived key is gone at the end of the statement");
	run("open, suite 2", call_open, value, &master_masked);
	run("open, altered payload", call_open_altered, value, &master_masked);
	fc_crypto_statement_end();
	ok(copies(&data_key_masked, true) == 0, "open, suite 2: the derived key is gone at the end of the statement");
}

/* The key of a sort's copies: as long as its cipher, and no longer. */
static FcEphemeral ephemeral;

static FcStatus
call_ephemeral(const FcSecret *master, uint8_t *value)
{
	FcStatus	status = fc_ephemeral_use(&ephemeral, master);

	return status == FC_OK ? fc_ephemeral_apply(&ephemeral, 1, value, VALUE1_BYTES, value) : status;
}

static void
test_ephemeral(void)
{
	uint8_t		value[VALUE1_BYTES] = { 0 };

	ok(with_key(call_ephemeral, value, &master_masked) == FC_OK && copies(&master_masked, false) > 0,
	   "ephemeral: the cipher has the key");
	fc_ephemeral_free(&ephemeral);
	ok(copies(&master_masked, true) == 0, "ephemeral: gone with the cipher");
}

static void
test_hmac(void)
{
	FcSecret	root;
	FcSecret	key;
	Masked		derived;
	FcStatus	status;

	run("tag", call_tag, NULL, &root_masked);
	run("check value", call_kcv, NULL, &root_masked);
	run("derivation", call_derive, NULL, &root_masked);

	unmask(&root, &root_masked);
	status = fc_derive_key(&root, &ctx1, &key);
	fc_secret_wipe(&root);
	mask(&derived, &key);
	ok(status == FC_OK && copies(&derived, true) == 0, "derivation: no second copy of the derived key");
}

static void
test_random_pool(void)
{
	FcSecret	drawn;
	FcSecret	last;
	Masked		first_masked;
	Masked		last_masked;
	FcStatus	status;
	int			i;

	status = fc_random(drawn.bytes, FC_SECRET_BYTES);
	mask(&first_masked, &drawn);
	ok(status == FC_OK && copies(&first_masked, true) == 0, "pool: bytes are wiped as they are handed out");

	/* a child draws what the pool still holds; the parent must not find it after a wipe */
	for (i = 0; i < 100; i++)
		status = fc_random(last.bytes, FC_SECRET_BYTES);
	mask(&last_masked, &last);
	fc_crypto_statement_end();
	ok(status == FC_OK && copies(&last_masked, true) == 0 && copies(&first_masked, true) == 0,
	   "pool: nothing of it is left at the end of the statement");
}

static void
random_masked(Masked *out)
{
	FcSecret	s;

	RAND_bytes(s.bytes, sizeof(s.bytes));
	mask(out, &s);
}

int
main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	ok(fc_crypto_init(false) == FC_OK, "init");
	random_masked(&root_masked);
	random_masked(&master_masked);
	random_masked(&new_master_masked);
	random_masked(&data_key_masked);
	test_control();
	test_values();
	test_ephemeral();
	test_hmac();
	test_random_pool();
	return tap_done();
}
