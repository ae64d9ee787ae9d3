/*-------------------------------------------------------------------------
 *
 * fc_verify.c
 *		verify_column: does every value of a column authenticate?
 *
 * Values are opened inside this file and shown to nobody; the caller needs
 * decrypt on their keys all the same, since it learns which of them open.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"

#include "base/fc_b64.h"
#include "base/fc_secret.h"
#include "crypto/fc_envelope.h"
#include "pg/fc_broker.h"
#include "pg/fc_compat.h"
#include "pg/fc_progress.h"
#include "pg/fc_report.h"
#include "pg/fc_shmem.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_convert.h"

PG_FUNCTION_INFO_V1(fc_verify_column);

/* Bad values that are named, of one table: enough for damage, too few for a lost key. */
#define VERIFY_COMPLAINTS 1000

/* What a walk has seen. */
typedef struct Verifier
{
	int64		values;
	int64		bad;			/* of the columns before this one */
	bool		known;			/* has the last bad value a header? */
	FcHeader	header;			/* it */
} Verifier;

/* ---- one value ---- */

/* The key that a value names, if it can still open anything. */
static bool
key_is_here(const FcHeader *header)
{
	const FcKey *key = fc_keyring_by_id(&header->key_id);
	const FcKeyVersion *version;

	if (key == NULL || key->destroyed)
		return false;
	version = fc_keyring_version(key, FC_PURPOSE_WRAP, header->version);
	return version != NULL && version->state != FC_VERSION_DESTROYED;
}

bool
fc_value_opens(Datum datum, FcHeader *header, text **plain)
{
	struct varlena *packed;
	FcSecret	key;
	FcStatus	status;
	FcValue		value;
	uint8	   *buffer;

	memset(header, 0, sizeof(*header));
	if (!fc_datum_header(datum, header) || !key_is_here(header))
		return false;
	packed = PG_DETOAST_DATUM_PACKED(datum);
	if (fc_value_parse(VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed), &value) != FC_OK)
		return false;
	if (plain != NULL)
	{
		*plain = fc_try_open_text(&value);
		if (*plain != NULL)
			return true;
	}

	/* once more, to tell what may heal from what never will */
	buffer = palloc_extended(value.ciphertext_len + 1, MCXT_ALLOC_HUGE);
	fc_broker_open_key(&value, &key);
	status = fc_value_open(&value, &key, buffer);
	fc_secret_wipe(&key);
	fc_wipe(buffer, value.ciphertext_len);
	pfree(buffer);
	if (status != FC_OK && status != FC_ERR_AUTH)
		fc_report_internal(status);
	if (status == FC_OK && plain != NULL)
		*plain = fc_open_text(&value);
	return status == FC_OK;
}

/* ---- the walk ---- */

typedef struct Visit
{
	Verifier   *verifier;
	int			failed;
} Visit;

static bool
visit_value(Datum *value, void *arg)
{
	Visit	   *visit = arg;
	FcHeader	header;

	visit->verifier->values++;
	if (fc_value_opens(*value, &header, NULL))
		return false;
	visit->failed++;
	visit->verifier->header = header;
	visit->verifier->known = header.version > 0;
	return false;
}

static bool
look_verify(FcWalk *walk, const FcWalkColumn *column, TupleTableSlot *row, int *failed)
{
	Visit		visit = {walk->arg, 0};
	bool		isnull;
	Datum		datum = slot_getattr(row, column->attnum, &isnull);

	if (!isnull)
		(void) fc_walk_visit(column, &datum, visit_value, &visit);
	*failed += visit.failed;
	return false;
}

static void
complain_verify(FcWalk *walk, const char *label, ItemPointer tid)
{
	Verifier   *verifier = walk->arg;
	const FcKey *key = verifier->known ? fc_keyring_by_id(&verifier->header.key_id) : NULL;
	char		hex[2 * FC_KEY_ID_BYTES + 1];

	fc_hex_encode(verifier->header.key_id.bytes, FC_KEY_ID_BYTES, hex);
	hex[2 * FC_KEY_ID_BYTES] = '\0';
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("a value of %s at (%u,%u) does not authenticate", label,
					ItemPointerGetBlockNumberNoCheck(tid), ItemPointerGetOffsetNumberNoCheck(tid)),
			 !verifier->known ? errdetail("It is not a value of format 1.") :
			 key == NULL ? errdetail("Its key, %s, is not in this database's keyring.", hex) :
			 !key_is_here(&verifier->header) ?
			 errdetail("Version %d of its key \"%s\" is destroyed or not here.",
					   verifier->header.version, key->name) :
			 errdetail("Version %d of its key \"%s\" does not open it: it was altered or damaged.",
					   verifier->header.version, key->name)));
}

static void
report_verify(FcWalk *walk, const char *label)
{
	Verifier   *verifier = walk->arg;

	ereport(NOTICE,
			(errmsg("%s: %lld rows read, %lld values do not authenticate", label,
					(long long) walk->rows, (long long) walk->column_failed),
			 walk->stopped ?
			 errdetail("The walk was stopped by max_duration before its end.") : 0));
	verifier->bad += walk->column_failed;
}

static const FcTask verify_task = {
	NULL, look_verify, NULL, complain_verify, report_verify
};

/* ---- the call ---- */

static Datum
result_row(FunctionCallInfo fcinfo, const Verifier *verifier)
{
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int64GetDatum(verifier->values);
	values[1] = Int64GetDatum(verifier->bad);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * fc_verify_column
 *		Reads only, so it may run inside a transaction block and on a standby;
 *		outside of one it commits after every batch, to hold back no VACUUM.
 */
Datum
fc_verify_column(PG_FUNCTION_ARGS)
{
	char	   *name = fc_arg_text(fcinfo, 1, "column");
	bool		atomic = fc_walk_is_atomic(fcinfo);
	Verifier	verifier;
	FcWalk		walk;
	List	   *columns;
	ListCell   *cell;

	if (PG_ARGISNULL(0))
		(void) fc_arg_text(fcinfo, 0, "relation");
	if (!fc_shmem_ready())
		fc_report_not_preloaded();
	memset(&verifier, 0, sizeof(verifier));
	fc_walk_pace(fcinfo, 2, "verify_column", &walk);
	walk.task = &verify_task;
	walk.arg = &verifier;
	walk.read_only = true;
	walk.complaints = VERIFY_COMPLAINTS;
	walk.atomic = atomic;

	if (SPI_connect_ext(atomic ? 0 : SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	columns = fc_walk_columns(PG_GETARG_OID(0), name);
	foreach(cell, columns)
	{
		fc_walk_check_owner(lfirst(cell), walk.command);
	}
	PG_TRY();
	{
		foreach(cell, columns)
		{
			if (!walk.stopped)
				fc_walk_column(&walk, lfirst(cell));
		}
	}
	PG_FINALLY();
	{
		fc_progress_end();
	}
	PG_END_TRY();
	SPI_finish();
	return result_row(fcinfo, &verifier);
}
