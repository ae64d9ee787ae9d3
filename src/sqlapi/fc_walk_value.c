/*-------------------------------------------------------------------------
 *
 * fc_walk_value.c
 *		Moving one value to the active version of its key.
 *
 * Rewrapping changes the wrapped data key and nothing else, and asks for no
 * privilege: nothing is shown.  A suite that wraps nothing, and every value
 * when fresh data keys are wanted, is opened and sealed again inside this
 * file.  The tag is kept: it is of the text, not of the master key.
 *
 * Tagging anew opens the value and writes it as if its text came to a column,
 * since the payload authenticates the tag.
 *
 * As in fc_datum.c all memory is allocated before a key is asked for, and
 * between getting one and wiping it only pure C runs.  Two keys are needed;
 * getting the second may throw, so the first is wiped in a PG_CATCH.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "utils/memutils.h"

#include "base/fc_secret.h"
#include "crypto/fc_envelope.h"
#include "pg/fc_broker.h"
#include "pg/fc_compat.h"
#include "pg/fc_report.h"
#include "sqlapi/fc_valueio.h"
#include "sqlapi/fc_walk.h"

static bool
is_wanted(const FcMover *mover, const FcKeyId *key_id)
{
	int			i;

	for (i = 0; i < mover->nonly; i++)
	{
		if (fc_key_id_equal(&mover->only[i], key_id))
			return true;
	}
	return mover->only == NULL;
}

/* Has a value the tag that one written now would have? */
static bool
tag_is_wanted(const FcMover *mover, const FcKey *key, const FcHeader *header)
{
	uint8		mode = mover->mode == FC_MODE_KEEP ? header->mode : mover->mode;
	const FcKeyVersion *active;

	if (header->mode != mode)
		return false;
	if (mode == FC_MODE_NONE)
		return true;
	/* where a mode is given, the column's searches ask for tags of the key that writes */
	if (mover->mode != FC_MODE_KEEP && !key->writes)
		return false;
	if (mover->next_version)
		return false;
	active = fc_keyring_active(key, FC_PURPOSE_INDEX);
	return active == NULL ||
		FC_TAG_INDEX_VERSION(header->tag[0]) == (active->source.id.context.version & 31);
}

/*
 * What is to be done with a value, by its header and the keyring.  A locked
 * key is no failure of the value: asking for it says so and ends the walk.
 */
static FcMove
judge(const FcMover *mover, const FcHeader *header)
{
	const FcKey *key;
	const FcKeyVersion *active;
	const FcKeyVersion *own;

	if (!is_wanted(mover, &header->key_id))
		return FC_MOVE_NONE;
	if (mover->retag && mover->mode == FC_MODE_NONE && header->mode == FC_MODE_NONE)
		return FC_MOVE_NONE;
	key = fc_keyring_by_id(&header->key_id);
	if (key == NULL || key->destroyed)
		return FC_MOVE_FAILED;
	if (mover->retag && tag_is_wanted(mover, key, header))
		return FC_MOVE_NONE;
	active = fc_keyring_active(key, FC_PURPOSE_WRAP);
	if (!mover->retag && active != NULL && active->source.id.context.version == header->version)
		return FC_MOVE_NONE;
	own = fc_keyring_version(key, FC_PURPOSE_WRAP, header->version);
	if (own == NULL || own->state == FC_VERSION_DESTROYED)
		return FC_MOVE_FAILED;
	return FC_MOVE_DONE;
}

/* The key that the value is under, then the active one. */
static void
get_keys(const FcMover *mover, const FcValue *value, FcSecret *old,
		 FcKeyContext *context, FcSecret *active)
{
	if (mover->fresh)
		fc_broker_open_key(value, old);
	else
		fc_broker_rewrap_key(&value->key_id, value->version, NULL, old);
	PG_TRY();
	{
		fc_broker_rewrap_key(&value->key_id, 0, context, active);
	}
	PG_CATCH();
	{
		fc_secret_wipe(old);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* Another wrapped data key in a copy of the value; NULL if it does not open. */
static struct varlena *
rewrap(const struct varlena *datum, const FcSecret *old, const FcKeyContext *context,
	   const FcSecret *active, struct varlena *copy, FcStatus *status)
{
	Size		len = VARSIZE_ANY_EXHDR(datum);

	memcpy(VARDATA(copy), VARDATA_ANY(datum), len);
	SET_VARSIZE(copy, VARHDRSZ + len);
	*status = fc_value_rewrap((uint8 *) VARDATA(copy), len, old, context, active);
	return *status == FC_OK ? copy : NULL;
}

/* Open and seal again; plain has room for the text and is wiped. */
static struct varlena *
reseal(const FcValue *value, const FcSecret *old, const FcKeyContext *context,
	   const FcSecret *active, uint8 *plain, struct varlena *copy, FcStatus *status)
{
	Size		size = fc_value_size(context->suite, value->tag != NULL, value->ciphertext_len);

	*status = fc_value_open(value, old, plain);
	if (*status == FC_OK)
		*status = fc_value_seal(context, active, value->tag, plain, value->ciphertext_len,
								(uint8 *) VARDATA(copy), size);
	fc_wipe(plain, value->ciphertext_len);
	SET_VARSIZE(copy, VARHDRSZ + size);
	return *status == FC_OK ? copy : NULL;
}

/* The value under the active version; NULL if it cannot be opened. */
static struct varlena *
move_value(const FcMover *mover, const struct varlena *datum)
{
	struct varlena *copy;
	struct varlena *result;
	FcKeyContext context;
	FcSecret	old;
	FcSecret	active;
	FcStatus	status;
	FcValue		value;
	uint8	   *plain;

	if (fc_value_parse(VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum), &value) != FC_OK)
		return NULL;
	/* suite 1 takes the most, whatever the active version's is */
	copy = palloc(VARHDRSZ + fc_value_size(FC_SUITE_KW_GCM, value.tag != NULL, value.ciphertext_len));
	plain = palloc_extended(value.ciphertext_len + 1, MCXT_ALLOC_HUGE);

	get_keys(mover, &value, &old, &context, &active);
	if (!mover->fresh && value.suite == FC_SUITE_KW_GCM && context.suite == FC_SUITE_KW_GCM)
		result = rewrap(datum, &old, &context, &active, copy, &status);
	else
		result = reseal(&value, &old, &context, &active, plain, copy, &status);
	fc_secret_wipe(&old);
	fc_secret_wipe(&active);

	pfree(plain);
	if (status != FC_OK && status != FC_ERR_AUTH)
		fc_report_internal(status);
	return result;
}

/* The value with another tag, or none; NULL if it cannot be opened. */
static struct varlena *
retag_value(const FcMover *mover, const struct varlena *datum)
{
	struct varlena *volatile result = NULL;
	FcSecret	key;
	FcStatus	status;
	FcValue		value;
	uint8	   *plain;
	uint8		mode;

	if (fc_value_parse(VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum), &value) != FC_OK)
		return NULL;
	mode = mover->mode == FC_MODE_KEEP ? fc_value_mode(&value) : mover->mode;
	plain = palloc_extended(value.ciphertext_len + 1, MCXT_ALLOC_HUGE);

	fc_broker_open_key(&value, &key);
	status = fc_value_open(&value, &key, plain);
	fc_secret_wipe(&key);
	PG_TRY();
	{
		if (status == FC_OK)
			result = fc_seal_utf8((char *) plain, value.ciphertext_len,
								  FC_TYPMOD_MAKE(fc_key_id_prefix(&value.key_id), mode));
	}
	PG_FINALLY();
	{
		fc_wipe(plain, value.ciphertext_len);
		pfree(plain);
	}
	PG_END_TRY();
	if (status != FC_OK && status != FC_ERR_AUTH)
		fc_report_internal(status);
	return result;
}

bool
fc_walk_move(Datum *value, void *arg)
{
	FcMover    *mover = arg;
	FcMove		move = FC_MOVE_FAILED;
	FcHeader	header;
	struct varlena *moved;

	if (fc_datum_header(*value, &header))
		move = judge(mover, &header);
	else if (mover->only != NULL)
		move = FC_MOVE_NONE;	/* nobody's: rewrap_column reports it */
	if (move == FC_MOVE_DONE && !mover->dry)
	{
		moved = mover->retag ? retag_value(mover, PG_DETOAST_DATUM_PACKED(*value)) :
			move_value(mover, PG_DETOAST_DATUM_PACKED(*value));
		if (moved != NULL)
			*value = PointerGetDatum(moved);
		else
			move = FC_MOVE_FAILED;
	}
	if (move == FC_MOVE_FAILED)
		mover->failed++;
	if (move != FC_MOVE_DONE)
		return false;
	mover->moved++;
	return !mover->dry;
}

/* ---- the task of a walk ---- */

static bool
look_move(FcWalk *walk, const FcWalkColumn *column, TupleTableSlot *row, int *failed)
{
	FcMover		look = walk->mover;
	bool		isnull;
	Datum		datum = slot_getattr(row, column->attnum, &isnull);

	if (isnull)
		return false;
	look.dry = true;
	look.moved = look.failed = 0;
	(void) fc_walk_visit(column, &datum, fc_walk_move, &look);
	/* where there is work too, the failures are counted while it is done */
	if (look.moved > 0)
		return true;
	*failed += look.failed;
	return false;
}

static bool
change_move(FcWalk *walk, const FcWalkColumn *column, TupleTableSlot *row,
			Datum *datum, bool *isnull, int *failed)
{
	bool		replaced;

	*datum = slot_getattr(row, column->attnum, isnull);
	if (*isnull)
		return false;
	walk->mover.failed = 0;
	replaced = fc_walk_visit(column, datum, fc_walk_move, &walk->mover);
	*failed += walk->mover.failed;
	return replaced;
}

static void
complain_move(FcWalk *walk, const char *label, ItemPointer tid)
{
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg(walk->mover.retag ? "a value of %s at (%u,%u) cannot be tagged anew" :
					"a value of %s at (%u,%u) cannot be moved to another version",
					label, ItemPointerGetBlockNumberNoCheck(tid),
					ItemPointerGetOffsetNumberNoCheck(tid)),
			 errdetail("Its key or version is destroyed or not in this keyring, or the value was altered."),
			 errhint("fieldcrypt.value_info() shows what its header says.")));
}

static void
report_move(FcWalk *walk, const char *label)
{
	ereport(NOTICE,
			(walk->dry_run ?
			 errmsg("%s: %lld of %lld rows would be written, %lld values cannot be moved",
					label, (long long) walk->written, (long long) walk->rows,
					(long long) walk->column_failed) :
			 errmsg("%s: %lld rows written, %lld values cannot be moved",
					label, (long long) walk->written, (long long) walk->column_failed),
			 walk->stopped ?
			 errdetail("The walk was stopped by max_duration before its end.") : 0,
			 walk->stopped ?
			 errhint("Call the procedure again: it goes on where it stopped.") : 0));
}

const FcTask fc_move_task = {
	NULL, look_move, change_move, complain_move, report_move
};
