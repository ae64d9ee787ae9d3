/*-------------------------------------------------------------------------
 *
 * fuzz_value.c
 *		libFuzzer target: the parser of values, and opening what it accepts.
 *
 * The keys are those of test/vectors/format1.txt.  Whatever opens must be one
 * of the values of that file, byte for byte: everything else is a forgery.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_envelope.h"
#include "fc_fuzz.h"

#ifndef FC_VECTORS
#define FC_VECTORS "../vectors"
#endif

#define MAX_SEALED 64
#define MAX_BYTES 512

extern int LLVMFuzzerInitialize(int *argc, char ***argv);

static uint8_t sealed[MAX_SEALED][MAX_BYTES];
static size_t sealed_len[MAX_SEALED];
static int sealed_count;
static FcSecret root;

static size_t
from_hex(const char *text, uint8_t *out, size_t room)
{
	size_t		n;
	unsigned	byte;

	for (n = 0; n < room && sscanf(text + 2 * n, "%2x", &byte) == 1; n++)
		out[n] = (uint8_t) byte;
	return n;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char	line[16384];
	static char	field[2][4096];
	FILE       *file = fopen(FC_VECTORS "/format1.txt", "r");

	(void) argc;
	(void) argv;
	CHECK(file != NULL);
	CHECK(fc_crypto_init(false) == FC_OK);
	while (fgets(line, sizeof(line), file) != NULL)
	{
		if (sscanf(line, "value %*s %*s %*s %*s %4095s %*s %*s %4095s", field[0], field[1]) != 2)
			continue;
		CHECK(sealed_count < MAX_SEALED);
		CHECK(from_hex(field[0], root.bytes, sizeof(root.bytes)) == sizeof(root.bytes));
		sealed_len[sealed_count] = from_hex(field[1], sealed[sealed_count], MAX_BYTES);
		sealed_count++;
	}
	fclose(file);
	CHECK(sealed_count == 32);
	return 0;
}

static bool
was_sealed(const uint8_t *data, size_t size)
{
	int			i;

	for (i = 0; i < sealed_count; i++)
	{
		if (sealed_len[i] == size && memcmp(sealed[i], data, size) == 0)
			return true;
	}
	return false;
}

static void
check_parsed(const uint8_t *data, size_t size, const FcValue *v)
{
	CHECK(fc_value_size(v->suite, v->tag != NULL, v->ciphertext_len) == size);
	CHECK(v->gcm_tag + FC_GCM_TAG_BYTES == data + size);
	CHECK(v->ciphertext + v->ciphertext_len == v->gcm_tag);
	CHECK(v->nonce > data && v->nonce < v->ciphertext);
	CHECK((v->wrapped != NULL) == (v->suite == FC_SUITE_KW_GCM));
	CHECK((v->tag != NULL) == (fc_value_mode(v) != FC_MODE_NONE));
	CHECK(v->version != 0 && fc_value_mode(v) <= FC_MODE_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FcValue		v;
	FcKeyContext ctx;
	FcSecret	master;
	uint8_t    *out;
	FcStatus	status;
	bool		genuine;
	size_t		i;

	if (fc_value_parse(data, size, &v) != FC_OK)
	{
		CHECK(!was_sealed(data, size));
		return 0;
	}
	check_parsed(data, size, &v);
	ctx.purpose = FC_PURPOSE_WRAP;
	ctx.suite = v.suite;
	ctx.key_id = v.key_id;
	ctx.version = v.version;
	CHECK(fc_derive_key(&root, &ctx, &master) == FC_OK);

	out = malloc(v.ciphertext_len + 1);
	CHECK(out != NULL);
	memset(out, 0xee, v.ciphertext_len + 1);
	status = fc_value_open(&v, &master, out);
	genuine = was_sealed(data, size);
	CHECK(status == (genuine ? FC_OK : FC_ERR_AUTH));
	CHECK(out[v.ciphertext_len] == 0xee);
	for (i = 0; !genuine && i < v.ciphertext_len; i++)
		CHECK(out[i] == 0);
	free(out);

	/* rewrapping to the same key keeps a genuine value and changes no other */
	if (v.suite == FC_SUITE_KW_GCM)
	{
		uint8_t    *copy = malloc(size);

		CHECK(copy != NULL);
		memcpy(copy, data, size);
		status = fc_value_rewrap(copy, size, &master, &ctx, &master);
		CHECK(status == FC_OK || status == FC_ERR_AUTH);
		CHECK(memcmp(copy, data, size) == 0);
		free(copy);
	}
	return 0;
}
