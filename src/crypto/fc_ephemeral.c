/*-------------------------------------------------------------------------
 *
 * fc_ephemeral.c
 *		AES-256-CTR under a key that nobody else has.
 *
 * The key stream is made with AES-256-ECB.  Blocks do not wait for each other,
 * so several go in one call.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "crypto/fc_crypto.h"
#include "crypto/fc_crypto_private.h"
#include "crypto/fc_ephemeral.h"

#define BLOCKS_AT_ONCE 8
#define STREAM_BYTES (BLOCKS_AT_ONCE * FC_AES_BLOCK)

FcStatus
fc_ephemeral_make(FcEphemeral *ephemeral)
{
	FcSecret	key;
	FcStatus	status;

	ephemeral->context = NULL;
	status = fc_random(key.bytes, sizeof(key.bytes));
	if (status == FC_OK)
		status = fc_ephemeral_use(ephemeral, &key);
	fc_secret_wipe(&key);
	return status;
}

FcStatus
fc_ephemeral_use(FcEphemeral *ephemeral, const FcSecret *key)
{
	FcCipherContext *context = NULL;

	ephemeral->context = NULL;
	if (fc_algorithms.ready)
		context = fc_cipher_new(&fc_algorithms.ecb);
	if (context != NULL && fc_cipher_start(&fc_algorithms.ecb, context, true, key, NULL, 0))
		ephemeral->context = context;
	else
		fc_cipher_free(&fc_algorithms.ecb, context);
	fc_stack_wipe();
	return ephemeral->context != NULL ? FC_OK : fc_openssl_failed(FC_ERR_CRYPTO);
}

FcStatus
fc_ephemeral_apply(FcEphemeral *ephemeral, uint64_t number, const uint8_t *in,
				   size_t len, uint8_t *out)
{
	uint8_t		stream[STREAM_BYTES];
	uint64_t	block = 0;
	bool		ok = ephemeral->context != NULL;

	if (len > FC_PLAINTEXT_MAX)
		return FC_ERR_TOO_LONG;
	for (size_t done = 0; done < len && ok;)
	{
		size_t		n = len - done < STREAM_BYTES ? len - done : STREAM_BYTES;
		size_t		used = 0;

		for (; used < n; used += FC_AES_BLOCK)
			fc_block_put(stream + used, fc_big_endian(number), fc_big_endian(block++));
		ok = fc_ecb_blocks(ephemeral->context, stream, stream, used);
		for (size_t i = 0; i < n && ok; i++)
			out[done + i] = in[done + i] ^ stream[i];
		done += n;
	}
	fc_wipe(stream, sizeof(stream));
	if (ok)
		return FC_OK;
	fc_wipe(out, len);
	return fc_openssl_failed(FC_ERR_CRYPTO);
}

void
fc_ephemeral_free(FcEphemeral *ephemeral)
{
	fc_cipher_free(&fc_algorithms.ecb, ephemeral->context);
	ephemeral->context = NULL;
}
