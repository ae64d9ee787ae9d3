/*-------------------------------------------------------------------------
 *
 * fc_index_key.c
 *		Rotating the key of blind indexes: rotate_index_key.
 *
 * Tags of two versions cannot be compared, and rewriting all of them takes
 * time.  So a rotation goes through states, each committed, that the rows of
 * the key's index versions show; a call goes on from the one it finds:
 *
 *	- nothing: one version is active, and searches ask for its tags.
 *	- prepared: a new version is pre-active.  Plans made from now on ask for
 *	  the tags of whatever versions there are when they run.  The older ones
 *	  must be gone before the first new tag is stored, so the next state waits
 *	  for all transactions that run.
 *	- walking: the new version is active and the old one decrypt-only.  New
 *	  tags are written, searches ask for both, the walk rewrites what is old.
 *	- nothing again, the old version retired: when no value has its tag.
 *
 * That no old tag is left needs care without a lock on the tables.  Values
 * are copied from row to row as they are, also from an old snapshot.  So
 * after the walk: wait for every transaction (they may have begun before the
 * new version was active); count the old tags in one snapshot; wait again for
 * whoever was then at work; count once more, with a lock that keeps armour
 * with old tags from coming in (fc_coerce.c takes the other half), and retire
 * the version in the transaction that found none.
 *
 * A unique index would let a duplicate in whose tag is of the other version.
 * Tables that have one are locked and rewritten in the transaction that makes
 * the new version active, so that nobody ever sees both in them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"

#include "pg/fc_compat.h"
#include "pg/fc_progress.h"
#include "pg/fc_report.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_tags.h"
#include "sqlapi/fc_valueio.h"
#include "sqlapi/fc_walk.h"

PG_FUNCTION_INFO_V1(fc_rotate_index_key);

/* Walks of one call that may leave work behind, before it gives up. */
#define ROUNDS 3

typedef enum State
{
	STATE_NOTHING,
	STATE_PREPARED,
	STATE_WALKING
} State;

typedef struct Rotation
{
	FcWalk		walk;
	char	   *name;
	FcKeyId		key_id;
	bool		exclusive;
	int			next;			/* STATE_PREPARED: the version to activate */
	int			active;			/* the version that writes */
	int			old;			/* STATE_WALKING: the version before */
} Rotation;

static State
look(Rotation *rotation)
{
	uint16		numbers[FC_INDEX_VERSIONS_MAX];
	const FcKey *key = fc_admin_key_in_use(rotation->name);
	State		state = STATE_NOTHING;
	int			count;
	int			i;

	rotation->key_id = key->key_id;
	count = fc_keyring_index_versions(key, FC_INDEX_PLANNED, numbers);
	for (i = 0; i < count; i++)
	{
		switch (fc_keyring_version(key, FC_PURPOSE_INDEX, numbers[i])->state)
		{
			case FC_VERSION_PRE_ACTIVE:
				rotation->next = numbers[i];
				return STATE_PREPARED;
			case FC_VERSION_ACTIVE:
				rotation->active = numbers[i];
				break;
			default:
				rotation->old = numbers[i];
				state = STATE_WALKING;
		}
	}
	return state;
}

/* The columns whose values may have tags. */
static List *
tagged_columns(const Rotation *rotation)
{
	List	   *columns = NIL;
	ListCell   *cell;

	foreach(cell, fc_walk_all_columns(fc_key_id_prefix(&rotation->key_id)))
	{
		if (fc_tags_possible(lfirst(cell)))
			columns = lappend(columns, lfirst(cell));
	}
	return columns;
}

/* ---- columns with unique indexes ---- */

static void
report_unique(const Rotation *rotation, const FcWalkColumn *column, const char *index)
{
	bool		dry_run = rotation->walk.dry_run;

	ereport(dry_run ? NOTICE : ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 dry_run ?
			 errmsg("%s has the unique index \"%s\" and is rewritten under an exclusive lock",
					fc_walk_label(column), index) :
			 errmsg("index key of \"%s\" cannot be rotated while clients write to %s",
					rotation->name, fc_walk_label(column)),
			 dry_run ? 0 :
			 errdetail("While there are tags of two versions its unique index \"%s\" would let a duplicate in.",
					   index),
			 rotation->exclusive ? 0 :
			 errhint("Use exclusive => true, which locks such tables until all their tags are rewritten.")));
}

/* The columns to rewrite under a lock; refused unless the caller wants that. */
static List *
unique_columns(const Rotation *rotation)
{
	List	   *columns = NIL;
	ListCell   *cell;

	foreach(cell, tagged_columns(rotation))
	{
		const FcWalkColumn *column = lfirst(cell);
		char	   *index = fc_tags_unique_index(column);

		if (index == NULL || fc_walk_is_foreign_temp(column))
			continue;
		if (!rotation->exclusive || rotation->walk.dry_run)
			report_unique(rotation, column, index);
		columns = lappend(columns, lfirst(cell));
	}
	return columns;
}

static bool
has_column(List *columns, const FcWalkColumn *column)
{
	ListCell   *cell;

	foreach(cell, columns)
	{
		const FcWalkColumn *other = lfirst(cell);

		if (other->relation == column->relation && other->attnum == column->attnum)
			return true;
	}
	return false;
}

/* Lock their tables; then nobody makes another unique index until we commit. */
static List *
lock_unique_columns(const Rotation *rotation)
{
	List	   *columns = unique_columns(rotation);
	ListCell   *cell;

	foreach(cell, columns)
		LockRelationOid(((FcWalkColumn *) lfirst(cell))->relation, AccessExclusiveLock);
	LockRelationOid(fc_keyring_table("key_versions"), ExclusiveLock);
	foreach(cell, unique_columns(rotation))
	{
		if (!has_column(columns, lfirst(cell)))
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("a unique index on tags of %s was made just now",
							fc_walk_label(lfirst(cell))),
					 errhint("Call the procedure again.")));
	}
	return columns;
}

/* ---- from state to state ---- */

/* Nothing -> prepared. */
static void
prepare(Rotation *rotation)
{
	FcRunAs		caller;

	(void) unique_columns(rotation);
	fc_admin_become_owner(&caller);
	fc_admin_lock_keys(rotation->walk.command);
	/* not if another call was first */
	if (look(rotation) == STATE_NOTHING)
		(void) fc_admin_make_version(rotation->name, FC_PURPOSE_INDEX);
	fc_run_as_end(&caller);
	SPI_commit();
}

/* Prepared -> walking.  False if stopped before. */
static bool
activate(Rotation *rotation)
{
	FcWalk		walk = rotation->walk;
	FcRunAs		caller;
	List	   *columns;

	if (!fc_walk_wait(&rotation->walk))
		return false;
	fc_admin_lock_keys(rotation->walk.command);
	if (look(rotation) == STATE_PREPARED)
	{
		columns = lock_unique_columns(rotation);
		fc_admin_become_owner(&caller);
		fc_admin_activate(&rotation->key_id, FC_PURPOSE_INDEX, rotation->next);
		fc_run_as_end(&caller);

		walk.atomic = true;
		walk.deadline = 0;
		fc_walk_all(&walk, columns);
		if (walk.failed > 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("%lld values in columns with a unique index cannot be tagged anew",
							(long long) walk.failed),
					 errdetail("Their old tags would be no obstacle to duplicates. Nothing has been changed."),
					 errhint("Delete or restore these values, or drop the unique index, and call the procedure again.")));
	}
	SPI_commit();
	return true;
}

/* How many values have another tag than the active version's? */
static int64
count_old(const Rotation *rotation)
{
	FcMover		mover = rotation->walk.mover;
	ListCell   *cell;

	mover.dry = true;
	mover.moved = mover.failed = 0;
	/* columns made after the snapshot are seen as well */
	PushActiveSnapshot(GetLatestSnapshot());
	foreach(cell, tagged_columns(rotation))
	{
		if (!fc_walk_is_foreign_temp(lfirst(cell)))
			fc_walk_scan(lfirst(cell), fc_walk_move, &mover);
	}
	PopActiveSnapshot();
	return (int64) mover.moved + mover.failed;
}

/* Others' temporary tables cannot be read. */
static bool
is_hidden(const Rotation *rotation)
{
	ListCell   *cell;

	foreach(cell, tagged_columns(rotation))
	{
		if (!fc_walk_is_foreign_temp(lfirst(cell)))
			continue;
		ereport(NOTICE,
				(errmsg("version %d of the index key of \"%s\" stays in use", rotation->old, rotation->name),
				 errdetail("Temporary tables of other sessions may hold values with its tags. One is %s.",
						   fc_walk_label(lfirst(cell))),
				 errhint("Call the procedure again when these sessions have ended.")));
		return true;
	}
	return false;
}

/* Walking -> nothing, unless values are left; returns how many. */
static int64
retire(Rotation *rotation)
{
	Oid			types[1] = {BYTEAOID};
	Datum		values[1];
	FcRunAs		caller;
	int64		left;

	fc_admin_lock_keys(rotation->walk.command);
	LockRelationOid(fc_keyring_table("key_versions"), ExclusiveLock);
	left = count_old(rotation);
	if (left == 0 && look(rotation) == STATE_WALKING && !is_hidden(rotation))
	{
		values[0] = fc_bytes_datum(rotation->key_id.bytes, FC_KEY_ID_BYTES);
		fc_admin_become_owner(&caller);
		(void) fc_admin_execute("UPDATE fieldcrypt.key_versions SET retired_at = pg_catalog.now()"
								" WHERE key_id OPERATOR(pg_catalog.=) $1"
								" AND purpose OPERATOR(pg_catalog.=) 2::pg_catalog.int2"
								" AND state IN ('decrypt-only', 'compromised')"
								" AND retired_at IS NULL",
								1, types, values, NULL);
		fc_run_as_end(&caller);
		ereport(NOTICE,
				(errmsg("blind indexes of key \"%s\" are under version %d; version %d is retired",
						rotation->name, rotation->active, rotation->old)));
	}
	SPI_commit();
	return left;
}

/* Rewrite tags, and retire the old version when none of it is left. */
static void
walk_to_end(Rotation *rotation)
{
	int64		left = 0;
	int			round;

	for (round = 0; round < ROUNDS; round++)
	{
		rotation->walk.failed = 0;
		fc_walk_all(&rotation->walk, tagged_columns(rotation));
		if (rotation->walk.stopped || !fc_walk_wait(&rotation->walk))
			return;
		left = count_old(rotation);
		if (left == 0)
		{
			if (!fc_walk_wait(&rotation->walk))
				return;
			left = retire(rotation);
			if (left == 0)
				return;
		}
		else if (left <= rotation->walk.failed)
			break;
	}
	ereport(NOTICE,
			(errmsg("version %d of the index key of \"%s\" stays in use", rotation->old, rotation->name),
			 errdetail("%lld values still have its tags; searches find them.", (long long) left),
			 errhint("Call the procedure again when what keeps them is gone.")));
}

static void
check_caller(Rotation *rotation)
{
	const FcKey *key = fc_admin_key_in_use(rotation->name);
	List	   *columns;
	ListCell   *cell;

	rotation->key_id = key->key_id;
	if (!fc_keyring_may(key, FC_PRIV_DECRYPT))
		fc_report_denied(rotation->name, "decrypt");
	columns = tagged_columns(rotation);
	fc_walk_check_owners(&rotation->walk, columns);
	foreach(cell, columns)
		fc_tags_refuse_change(lfirst(cell));
}

Datum
fc_rotate_index_key(PG_FUNCTION_ARGS)
{
	Rotation	rotation;
	State		state;

	memset(&rotation, 0, sizeof(rotation));
	rotation.name = fc_arg_text(fcinfo, 0, "key");
	fc_walk_options(fcinfo, 1, "rotate_index_key", &rotation.walk);
	rotation.exclusive = fc_arg_bool(fcinfo, 5, "exclusive");
	rotation.walk.mover.retag = true;
	rotation.walk.mover.mode = FC_MODE_KEEP;
	rotation.walk.mover.only = &rotation.key_id;
	rotation.walk.mover.nonly = 1;

	fc_walk_connect(&rotation.walk);
	check_caller(&rotation);
	state = look(&rotation);
	rotation.walk.mover.next_version = rotation.walk.dry_run && state != STATE_WALKING;
	if (rotation.walk.dry_run)
	{
		if (state != STATE_WALKING)
			(void) unique_columns(&rotation);
		fc_walk_all(&rotation.walk, tagged_columns(&rotation));
	}
	else
	{
		if (state == STATE_NOTHING)
			prepare(&rotation);
		if (state == STATE_WALKING || activate(&rotation))
		{
			/* who is active and who was before */
			(void) look(&rotation);
			walk_to_end(&rotation);
		}
	}
	SPI_finish();
	return (Datum) 0;
}
