/*-------------------------------------------------------------------------
 *
 * fc_hash.c
 *		Hash functions of encrypted values, and of texts joined with them.
 *
 * PostgreSQL writes the hash of every tuple that it spills to disk next to
 * the tuple, so it is keyed: SipHash-2-4 under a key that the server draws at
 * start and keeps in the secret region.
 *
 * Nobody calls these functions by name: who could, could look for the hash of
 * a guess in what was spilled.  Those of values are in everybody's reach all
 * the same, because PostgreSQL demands EXECUTE for NOT IN of a long list, so
 * they look at how they were called.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/primnodes.h"
#include "replication/logicalworker.h"
#include "utils/fmgrprotos.h"

#include "base/fc_secret.h"
#include "crypto/fc_crypto.h"
#include "pg/fc_compat.h"
#include "pg/fc_report.h"
#include "pg/fc_secretmem.h"
#include "sqlapi/fc_opened.h"
#include "sqlapi/fc_valueio.h"

PG_FUNCTION_INFO_V1(fc_et_hash);
PG_FUNCTION_INFO_V1(fc_et_hash_extended);
PG_FUNCTION_INFO_V1(fc_text_hash);
PG_FUNCTION_INFO_V1(fc_text_hash_extended);

/* Bytes of a SipHash key. */
#define SIPHASH_KEY_BYTES 16

/* A seed of 0 must give the hash without a seed. */
static uint64
keyed_hash(const void *data, Size len, uint64 seed)
{
	const uint8 *server_key = fc_secretmem_hash_key();
	uint8		key[SIPHASH_KEY_BYTES];
	uint64		hash;

	if (server_key == NULL)
		fc_report_not_preloaded();
	memcpy(key, server_key, sizeof(key));
	for (int i = 0; i < (int) sizeof(seed); i++)
		key[i] ^= (uint8) (seed >> (8 * i));
	hash = fc_siphash24(key, data, len);
	fc_wipe(key, sizeof(key));
	return hash;
}

/*
 * hash_plain
 *		Texts that are equal under the collation hash equal.  Where that is
 *		not a question of their bytes PostgreSQL's own hash knows, and the key
 *		is put on top.
 */
static uint64
hash_plain(text *plain, Oid collation, uint64 seed)
{
	uint64		hash;

	if (fc_collation_deterministic(collation))
		return keyed_hash(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain), seed);
	hash = DatumGetUInt64(DirectFunctionCall2Coll(hashtextextended, collation,
												  PointerGetDatum(plain),
												  Int64GetDatum(0)));
	return keyed_hash(&hash, sizeof(hash), seed);
}

/* Executor nodes call without an expression, lists of constants with theirs. */
static void
check_caller(FunctionCallInfo fcinfo)
{
	Node	   *expr = fcinfo->flinfo != NULL ? fcinfo->flinfo->fn_expr : NULL;

	if (expr != NULL && !IsA(expr, ScalarArrayOpExpr))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("hashes of encrypted values cannot be shown"),
				 errhint("Compare with =, or use fieldcrypt.blind_index() of a searchable column.")));
}

static uint64
hash_value(FunctionCallInfo fcinfo, uint64 seed)
{
	struct varlena *value;
	text	   *plain;
	uint64		hash;

	check_caller(fcinfo);
	value = PG_GETARG_VARLENA_PP(0);
	if (IsLogicalWorker())
		hash = keyed_hash(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), seed);
	else
	{
		plain = fc_decrypt_datum(value);
		hash = hash_plain(plain, PG_GET_COLLATION(), seed);
		fc_free_plain(plain);
	}
	PG_FREE_IF_COPY(value, 0);
	return hash;
}

static uint64
hash_text_argument(FunctionCallInfo fcinfo, uint64 seed)
{
	text	   *plain = PG_GETARG_TEXT_PP(0);
	uint64		hash = hash_plain(plain, PG_GET_COLLATION(), seed);

	PG_FREE_IF_COPY(plain, 0);
	return hash;
}

Datum
fc_et_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT32((uint32) hash_value(fcinfo, 0));
}

Datum
fc_et_hash_extended(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT64(hash_value(fcinfo, (uint64) PG_GETARG_INT64(1)));
}

Datum
fc_text_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT32((uint32) hash_text_argument(fcinfo, 0));
}

Datum
fc_text_hash_extended(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT64(hash_text_argument(fcinfo, (uint64) PG_GETARG_INT64(1)));
}
