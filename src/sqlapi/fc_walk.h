/*-------------------------------------------------------------------------
 *
 * fc_walk.h
 *		What the walks over stored values share: where values stand, reaching
 *		them inside arrays and composites, counting them by version.
 *
 * A walk needs no key to find its work: the header of a value names its key
 * and version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_WALK_H
#define FC_WALK_H

#include "postgres.h"

#include "access/attnum.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

#include "crypto/fc_keys.h"
#include "pg/fc_keyring.h"

/* A column that stores values: of a table or a materialized view. */
typedef struct FcWalkColumn
{
	Oid			relation;
	AttrNumber	attnum;
	Oid			type;
	bool		direct;			/* encrypted_text itself, or a domain over it */
	char		name[NAMEDATALEN];
} FcWalkColumn;

/* How many values of one version of one key. */
typedef struct FcTallyEntry
{
	FcKeyId		key_id;
	uint16		version;		/* 0: bytes that are no value of format 1 */
	int64		values;
} FcTallyEntry;

static inline bool
fc_key_id_equal(const FcKeyId *a, const FcKeyId *b)
{
	return memcmp(a, b, sizeof(FcKeyId)) == 0;	/* not a secret */
}

/* ---- fc_walk_columns.c ---- */

/*
 * fc_walk_columns
 *		The column in the relation, its partitions and its children; 42703 and
 *		42809 where it is none of ours.
 */
extern List *fc_walk_columns(Oid relation, const char *column);

/* The columns of our type that one relation stores itself. */
extern List *fc_walk_own_columns(Oid relation);

/*
 * fc_walk_all_columns
 *		Every such column of the database; with a prefix, those that may hold
 *		values of that key, else (0) all.
 */
extern List *fc_walk_all_columns(uint32 prefix);

/*
 * fc_walk_open
 *		Open the column's relation, which another transaction may have changed
 *		or dropped since the column was listed; NULL if the column is gone, or
 *		the table is another session's temporary one.
 */
extern Relation fc_walk_open(const FcWalkColumn *column, LOCKMODE lockmode);

/* Is it in another session's temporary table, which nobody else can read? */
extern bool fc_walk_is_foreign_temp(const FcWalkColumn *column);

/* "schema.table.column" quoted, for messages; palloc'd. */
extern char *fc_walk_label(const FcWalkColumn *column);

/* ---- fc_walk_visit.c ---- */

/* Sees one value, possibly toasted; true if it put another in its place. */
typedef bool (*FcVisitor) (Datum *value, void *arg);

/*
 * fc_walk_visit
 *		Show every value in a column's Datum to the visitor.  True, and *datum
 *		replaced, if one was replaced.
 */
extern bool fc_walk_visit(const FcWalkColumn *column, Datum *datum,
						  FcVisitor visitor, void *arg);

/* ---- fc_walk_usage.c ---- */

/*
 * fc_walk_scan
 *		Show every value of a column under the active snapshot to the visitor,
 *		which replaces none.
 */
extern void fc_walk_scan(const FcWalkColumn *column, FcVisitor visitor, void *arg);

/*
 * fc_walk_tally
 *		Count the values of a column by key and version under the active
 *		snapshot; a list of FcTallyEntry.
 */
extern List *fc_walk_tally(const FcWalkColumn *column);

/* ---- fc_walk_value.c ---- */

typedef enum FcMove
{
	FC_MOVE_NONE,				/* the value is under the active version */
	FC_MOVE_DONE,
	FC_MOVE_FAILED				/* altered, malformed, or its key is gone */
} FcMove;

/* The mode of a value stays. */
#define FC_MODE_KEEP 0xff

/*
 * How values are moved to the active version of their key, or (retag) to the
 * tag that a search asks for.
 */
typedef struct FcMover
{
	bool		fresh;			/* with new data keys: needs decrypt on the key */
	bool		retag;			/* by their tags; needs decrypt as well */
	uint8		mode;			/* retag: the mode to have, or FC_MODE_KEEP */
	bool		next_version;	/* retag: every tag is old, the version to come is not made yet */
	const FcKeyId *only;		/* identities of the key to treat; NULL = any key */
	int			nonly;
	bool		dry;			/* look only */
	int			moved;			/* values that were, or would be, moved */
	int			failed;			/* values that cannot be */
} FcMover;

/* A visitor; arg is an FcMover. */
extern bool fc_walk_move(Datum *value, void *arg);

/* ---- fc_walk.c ---- */

typedef struct FcWalk FcWalk;

/*
 * What a walk does with the rows that it finds.  The functions run in memory
 * that is reset after the row, but for begin, whose memory is the batch's.
 */
typedef struct FcTask
{
	/* Before a batch; may be NULL. */
	void		(*begin) (FcWalk *walk, Relation rel);

	/*
	 * Is there something to do?  Adds to *failed the values that nothing can
	 * be done with; work is not counted there.
	 */
	bool		(*look) (FcWalk *walk, const FcWalkColumn *column, TupleTableSlot *row,
						 int *failed);

	/* What the column of a locked row is to hold; false to leave the row. */
	bool		(*change) (FcWalk *walk, const FcWalkColumn *column, TupleTableSlot *row,
						   Datum *datum, bool *isnull, int *failed);

	/* Name the place of a value that nothing can be done with. */
	void		(*complain) (FcWalk *walk, const char *label, ItemPointer tid);

	/* Say how a column's walk ended; NULL where the caller does. */
	void		(*report) (FcWalk *walk, const char *label);
} FcTask;

/* Rewrapping, re-encrypting and tagging anew; walk->mover says which. */
extern const FcTask fc_move_task;

/* In place of a pause: in proportion to what each batch took. */
#define FC_WALK_REST (-1)

/* What the caller of a walk chose, and what came of it. */
struct FcWalk
{
	const char *command;		/* for errors */
	const FcTask *task;
	FcMover		mover;			/* of fc_move_task */
	void	   *arg;			/* of other tasks */
	int			batch_rows;
	int64		pause_ms;		/* between batches, or FC_WALK_REST */
	TimestampTz deadline;		/* 0 = none */
	bool		dry_run;		/* look only, in one transaction */
	bool		read_only;		/* look only, in batches */
	bool		atomic;			/* in the caller's transaction */
	int			max_passes;		/* 0 = until nothing is left */
	int			complaints;		/* at most so many; 0 = the usual number */
	int64		enough;			/* a pass that wrote no more is the last */
	bool		stopped;		/* by the deadline */
	int64		failed;			/* values that nothing could be done with, of all columns */
	bool		worked;			/* some column had something to do */

	/* of the last column walked */
	int64		rows;			/* visited in the last pass */
	int64		written;
	int64		column_failed;
	bool		moving;			/* still something to do after the last pass */
};

/* Walk one column to its end, or to the deadline. */
extern void fc_walk_column(FcWalk *walk, const FcWalkColumn *column);

/* ---- fc_walk_call.c ---- */

/*
 * fc_walk_options
 *		Read the arguments that the walks over values share, which begin at n,
 *		and refuse what cannot walk.
 */
extern void fc_walk_options(FunctionCallInfo fcinfo, int n, const char *command, FcWalk *walk);

/* Begin a walk with the arguments batch_rows, pause and max_duration, from n on. */
extern void fc_walk_pace(FunctionCallInfo fcinfo, int n, const char *command, FcWalk *walk);

/* Errors in a transaction block and on a standby. */
extern void fc_walk_check_call(FunctionCallInfo fcinfo, const char *command);

/* Was the procedure called where it may not commit? */
extern bool fc_walk_is_atomic(FunctionCallInfo fcinfo);

/*
 * fc_walk_rewrap_key
 *		What CALL rewrap_key(key) does, for a process that ends transactions as
 *		it likes; until the deadline, 0 = none.  False if that stopped it.
 *		*worked: was there a value to move?
 */
extern bool fc_walk_rewrap_key(const char *key, TimestampTz deadline, bool *worked);

/* SPI for a procedure that commits. */
extern void fc_walk_connect(const FcWalk *walk);

/* Walk columns, all of which the caller must own, unless they are others' temporary ones. */
extern void fc_walk_all(FcWalk *walk, List *columns);
extern void fc_walk_check_owners(const FcWalk *walk, List *columns);

/* 42501 unless the current user owns the column's table. */
extern void fc_walk_check_owner(const FcWalkColumn *column, const char *command);

/* ---- fc_walk_wait.c ---- */

/*
 * fc_walk_wait
 *		Commit, and wait until every transaction that runs now in this database
 *		has ended; prepared ones too.  False, and walk->stopped set, if the
 *		deadline came first; lock_timeout is obeyed.
 */
extern bool fc_walk_wait(FcWalk *walk);

/* Until the time is over or the latch is set; obeys cancellation. */
extern void fc_walk_sleep(int64 ms);

/* ---- fc_walk_row.c ---- */

typedef struct FcRowWriter FcRowWriter;

/* Within one batch: from open to close no transaction ends. */
extern FcRowWriter *fc_row_writer_open(Relation rel, const FcWalkColumn *column, bool retags);
extern void fc_row_writer_close(FcRowWriter *writer);

typedef enum FcRowResult
{
	FC_ROW_UNCHANGED,
	FC_ROW_WRITTEN,
	FC_ROW_LOCKED,				/* by somebody else, and wait was false */
	FC_ROW_GONE					/* deleted meanwhile */
} FcRowResult;

/* Lock the row's newest version, have the walk's task change it, write it. */
extern FcRowResult fc_row_write(FcRowWriter *writer, ItemPointer tid, bool wait,
								FcWalk *walk, int *failed);

#endif							/* FC_WALK_H */
