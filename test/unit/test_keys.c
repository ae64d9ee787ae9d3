/*-------------------------------------------------------------------------
 *
 * test_keys.c
 *		Key identities, derivation, check value.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_keys.h"

static FcKeyContext
random_context(void)
{
	FcKeyContext ctx;
	uint8_t		r[16];

	RAND_bytes(r, sizeof(r));
	ctx.purpose = r[0] % 2 + 1;
	ctx.suite = r[1] % 2 + 1;
	memcpy(ctx.key_id.bytes, r + 2, FC_KEY_ID_BYTES);
	ctx.version = (uint16_t) (r[8] << 8 | r[9] | 1);
	return ctx;
}

static bool
evp_kbkdf(const FcSecret *root, const FcKeyContext *ctx, uint8_t out[32])
{
	EVP_KDF    *kdf = EVP_KDF_fetch(NULL, "KBKDF", NULL);
	EVP_KDF_CTX *kctx = EVP_KDF_CTX_new(kdf);
	uint8_t		context[FC_CONTEXT_BYTES];
	char		label[] = "fieldcrypt/1";
	char		mac[] = "HMAC";
	char		digest[] = "SHA256";
	OSSL_PARAM	params[6];
	bool		good;

	fc_context_bytes(ctx, context);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MAC, mac, 0);
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *) root->bytes, 32);
	params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, label, strlen(label));
	params[4] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, context, sizeof(context));
	params[5] = OSSL_PARAM_construct_end();
	good = EVP_KDF_derive(kctx, out, 32, params) == 1;
	EVP_KDF_CTX_free(kctx);
	EVP_KDF_free(kdf);
	return good;
}

static void
test_derive(void)
{
	int			i;
	int			same = 0;
	FcKeyContext ctx = random_context();
	FcKeyContext other;
	FcSecret	root;
	FcSecret	key;
	FcSecret	key2;
	uint8_t		kcv[FC_KCV_BYTES];
	uint8_t		kcv2[FC_KCV_BYTES];
	int			differ = 0;

	for (i = 0; i < 500; i++)
	{
		uint8_t		theirs[32];

		ctx = random_context();
		RAND_bytes(root.bytes, 32);
		if (evp_kbkdf(&root, &ctx, theirs) && fc_derive_key(&root, &ctx, &key) == FC_OK &&
			memcmp(key.bytes, theirs, 32) == 0)
			same++;
	}
	ok(same == 500, "derivation equals EVP_KDF KBKDF for %d random contexts", same);

	ok(fc_derive_key(&root, &ctx, &key) == FC_OK && fc_kcv(&root, &ctx, kcv) == FC_OK, "one key and its check value");
	for (i = 0; i < 10; i++)
	{
		other = ctx;
		if (i < 6)
			other.key_id.bytes[i] ^= 1;
		else if (i == 6)
			other.version ^= 1;
		else if (i == 7)
			other.version ^= 0x100;
		else if (i == 8)
			other.suite ^= 3;
		else
			other.purpose ^= 3;
		if (fc_derive_key(&root, &other, &key2) == FC_OK && memcmp(&key, &key2, 32) != 0 &&
			fc_kcv(&root, &other, kcv2) == FC_OK && memcmp(kcv, kcv2, sizeof(kcv)) != 0)
			differ++;
	}
	ok(differ == 10, "every field of the context makes another key and check value");
	root.bytes[31] ^= 1;
	ok(fc_derive_key(&root, &ctx, &key2) == FC_OK && memcmp(&key, &key2, 32) != 0 &&
		   fc_kcv(&root, &ctx, kcv2) == FC_OK && memcmp(kcv, kcv2, sizeof(kcv)) != 0,
	   "and so does one bit of the root secret");
}

static void
test_identity(void)
{
	uint32_t	prefix;
	FcKeyId		id;
	static const uint8_t expected[6] = { 0x12, 0x34, 0x56, 0x7a, 0xbc, 0xde };
	FcKeyContext ctx = { FC_PURPOSE_INDEX, FC_SUITE_XAES, { { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab } }, 65535 };
	uint8_t		bytes[FC_CONTEXT_BYTES];
	static const uint8_t want[FC_CONTEXT_BYTES] = { 2, 2, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xff, 0xff };
	char		text[FC_CONTEXT_TEXT_MAX];

	/* sha256("abc") = ba7816bf... */
	ok(fc_key_prefix("abc", 3, &prefix) == FC_OK && prefix == 0xba7816b, "prefix: first 28 bits of SHA-256");
	id = fc_key_id_make(0x1234567, 0xabcde);
	ok(memcmp(id.bytes, expected, 6) == 0 && fc_key_id_prefix(&id) == 0x1234567, "key_id: prefix and random part");
	id = fc_key_id_make(0xffffffff, 0xffffffff);
	ok(fc_key_id_prefix(&id) == 0xfffffff && id.bytes[0] == 0xff && id.bytes[5] == 0xff, "key_id: all ones");
	id = fc_key_id_make(0, 0xfff00000);
	ok(fc_key_id_prefix(&id) == 0 && id.bytes[3] == 0 && id.bytes[5] == 0, "key_id: 20 random bits and no more");
	fc_context_bytes(&ctx, bytes);
	ok(memcmp(bytes, want, sizeof(want)) == 0, "context: bytes");
	fc_context_text(&ctx, text);
	ok(strcmp(text, "fieldcrypt/1 purpose=2 suite=2 key_id=0123456789ab version=65535") == 0, "context: text");
}

int
main(void)
{
	ok(fc_crypto_init(false) == FC_OK, "init");
	test_derive();
	test_identity();
	return tap_done();
}
