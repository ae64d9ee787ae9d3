/*-------------------------------------------------------------------------
 *
 * fc_walk.c
 *		Walking a column in batches that commit.
 *
 * Work is found by the header of each value, so a walk has no state to keep:
 * whatever ended it, the next call finds what is left.  The first pass leaves
 * out rows that others have locked; later passes wait for them, and look for
 * values that an update has moved to where the pass before had already been.
 * A pass that finds nothing is the last.  It is a single batch, so that one
 * snapshot shows it every row, wherever an update moves it meanwhile.
 *
 * A walk never waits for a row while it holds another, so it cannot be part
 * of a deadlock of rows: before it waits it ends its batch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/fc_compat.h"
#include "pg/fc_maintain.h"
#include "pg/fc_progress.h"
#include "sqlapi/fc_walk.h"

/* Rows looked at in one batch, where few of them have work to do. */
#define WALK_BATCH_VISITS 100000

/* A table whose rows are always locked must not keep a walk for ever. */
#define WALK_PASSES 20

/* Values that nothing can be done with are named up to this number. */
#define WALK_WARNINGS 10

#define WALK_REPORT_MS 10000

/*
 * A walk that may choose its pauses rests twice as long as its batch took,
 * which leaves others two thirds of the CPU and the disk it would use, and
 * more where they are busy.  A batch that waited for something does not make
 * it rest for long.
 */
#define WALK_REST_FACTOR 2
#define WALK_REST_MAX_MS 1000

/* One column's walk. */
typedef struct Course
{
	FcWalk	   *walk;
	const FcWalkColumn *column;
	char	   *label;
	int			pass;
	ItemPointerData next;		/* where the next batch begins */
	int64		rows;			/* of this pass: visited, */
	int64		written;		/* written, */
	int64		locked;			/* left out because somebody had locked them, */
	int64		failed;			/* values that cannot be moved */
	int64		total_written;
	BlockNumber nblocks;
	TimestampTz started;
	TimestampTz reported;
} Course;

static void
report_failure(Course *course, ItemPointer tid)
{
	FcWalk	   *walk = course->walk;
	int			most = walk->complaints > 0 ? walk->complaints : WALK_WARNINGS;

	if (course->pass == 1 && course->failed <= most)
		walk->task->complain(walk, course->label, tid);
}

/* Has the row work to do?  Counts values that nothing can be done with. */
static bool
has_work(Course *course, TupleTableSlot *slot, MemoryContext context)
{
	FcWalk	   *walk = course->walk;
	MemoryContext old = MemoryContextSwitchTo(context);
	int			failed = 0;
	bool		work = walk->task->look(walk, course->column, slot, &failed);

	MemoryContextSwitchTo(old);
	MemoryContextReset(context);
	if (failed > 0)
	{
		course->failed += failed;
		report_failure(course, &slot->tts_tid);
	}
	return work;
}

/*
 * Treat one row that has work.  False if the batch must end before it, so
 * that nothing is held while we wait.
 */
static bool
treat_row(Course *course, FcRowWriter *writer, ItemPointer tid, int *held)
{
	FcRowResult result;
	int			failed = 0;

	if (writer == NULL)
	{
		course->written++;
		return true;
	}
	result = fc_row_write(writer, tid, course->pass > 1 && *held == 0, course->walk, &failed);
	if (result == FC_ROW_LOCKED && course->pass > 1)
		return false;
	if (result == FC_ROW_LOCKED)
		course->locked++;
	if (result == FC_ROW_WRITTEN)
		course->written++;
	if (result == FC_ROW_WRITTEN || result == FC_ROW_UNCHANGED)
		(*held)++;				/* locked, whether written or not */
	if (failed > 0)
	{
		course->failed += failed;
		report_failure(course, tid);
	}
	return true;
}

/*
 * Must the batch end before this row?  As long as its pass has found nothing
 * to do it goes on, or else it would not be known that there was nothing.
 */
static bool
batch_is_full(const Course *course, int held, int visits)
{
	const FcWalk *walk = course->walk;

	if (walk->dry_run)
		return false;
	if (walk->read_only)
		return visits > walk->batch_rows;
	if (held >= walk->batch_rows)
		return true;
	if (visits % WALK_BATCH_VISITS != 0)
		return false;
	return course->written > 0 || course->locked > 0 ||
		(walk->deadline != 0 && GetCurrentTimestamp() >= walk->deadline);
}

static void
scan_batch(Course *course, Relation rel, FcRowWriter *writer, bool *more)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "fieldcrypt walk",
												  ALLOCSET_DEFAULT_SIZES);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ItemPointerData last;
	TableScanDesc scan;
	int			visits = 0;
	int			held = 0;

	*more = false;
	ItemPointerSet(&last, MaxBlockNumber, MaxOffsetNumber);
	scan = table_beginscan_tidrange(rel, GetActiveSnapshot(), &course->next, &last);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		ItemPointerData tid = slot->tts_tid;

		CHECK_FOR_INTERRUPTS();
		if (batch_is_full(course, held, ++visits))
			*more = true;
		else if (has_work(course, slot, context) && !treat_row(course, writer, &tid, &held))
			*more = true;
		if (*more)
		{
			course->next = tid;
			break;
		}
		course->rows++;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(context);
}

/* Returns whether there is more to visit. */
static bool
run_batch(Course *course)
{
	FcWalk	   *walk = course->walk;
	bool		reads = walk->dry_run || walk->read_only;
	Relation	rel;
	FcRowWriter *writer = NULL;
	bool		more = false;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "fieldcrypt batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	/* in one transaction its first snapshot may be older than its locks */
	PushActiveSnapshot(walk->atomic ? GetLatestSnapshot() : GetTransactionSnapshot());
	rel = fc_walk_open(course->column, reads ? AccessShareLock : RowExclusiveLock);
	if (rel != NULL)
	{
		/* the owner may be another one since the walk began */
		fc_walk_check_owner(course->column, walk->command);
		course->nblocks = RelationGetNumberOfBlocks(rel);
		if (walk->task->begin != NULL)
			walk->task->begin(walk, rel);
		if (!reads)
			writer = fc_row_writer_open(rel, course->column, walk->mover.retag);
		scan_batch(course, rel, writer, &more);
		if (writer != NULL)
			fc_row_writer_close(writer);
		table_close(rel, NoLock);
	}
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return more;
}

/* How long to sleep after a batch. */
static int64
rest_ms(const FcWalk *walk, TimestampTz begun)
{
	int64		took;

	if (walk->pause_ms != FC_WALK_REST)
		return walk->pause_ms;
	took = TimestampDifferenceMilliseconds(begun, GetCurrentTimestamp());
	return Min(WALK_REST_FACTOR * took, WALK_REST_MAX_MS);
}

/* Commit the batch that began then, and sleep if there are more to come. */
static void
end_batch(Course *course, TimestampTz begun, bool more)
{
	int64		rest;

	if (course->walk->atomic)
		CommandCounterIncrement();
	if (course->walk->dry_run || course->walk->atomic)
		return;
	SPI_commit();
	fc_maintain_yield();
	if (!more)
		return;
	rest = rest_ms(course->walk, begun);
	if (rest > 0)
		fc_walk_sleep(rest);
}

/* For the view fieldcrypt.rotation_progress. */
static void
show_progress(const Course *course)
{
	FcProgress	progress;

	memset(&progress, 0, sizeof(progress));
	progress.relation = course->column->relation;
	strlcpy(progress.column, course->column->name, sizeof(progress.column));
	strlcpy(progress.command, course->walk->command, sizeof(progress.command));
	progress.pass = course->pass;
	progress.blocks_done = ItemPointerGetBlockNumberNoCheck(&course->next);
	progress.blocks_total = course->nblocks;
	progress.rows_written = course->total_written + course->written;
	progress.rows_skipped = course->locked;
	progress.errors = course->failed;
	progress.started = course->started;
	fc_progress_set(&progress);
}

static void
report_progress(Course *course)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!TimestampDifferenceExceeds(course->reported, now, WALK_REPORT_MS))
		return;
	course->reported = now;
	ereport(NOTICE,
			(errmsg("%s: pass %d, block %u of %u, %lld rows written",
					course->label, course->pass,
					ItemPointerGetBlockNumberNoCheck(&course->next), course->nblocks,
					(long long) (course->total_written + course->written))));
}

static void
run_pass(Course *course)
{
	FcWalk	   *walk = course->walk;
	bool		more = true;

	course->rows = course->written = course->locked = course->failed = 0;
	ItemPointerSet(&course->next, 0, FirstOffsetNumber);
	while (more && !walk->stopped)
	{
		TimestampTz begun = GetCurrentTimestamp();

		show_progress(course);
		more = run_batch(course);
		end_batch(course, begun, more);
		report_progress(course);
		if (walk->deadline != 0 && GetCurrentTimestamp() >= walk->deadline)
			walk->stopped = true;
	}
	course->total_written += course->written;
}

void
fc_walk_column(FcWalk *walk, const FcWalkColumn *column)
{
	int			max_passes = walk->max_passes > 0 ? walk->max_passes : WALK_PASSES;
	Course		course;

	memset(&course, 0, sizeof(course));
	course.walk = walk;
	course.column = column;
	course.label = fc_walk_label(column);
	course.started = course.reported = GetCurrentTimestamp();
	do
	{
		course.pass++;
		run_pass(&course);
		walk->moving = course.written > walk->enough || course.locked > 0;
	} while (!walk->stopped && !walk->dry_run && walk->moving && course.pass < max_passes);
	walk->failed += course.failed;
	walk->worked = walk->worked || course.total_written > 0 || walk->moving;
	walk->column_failed = course.failed;
	walk->rows = course.rows;
	walk->written = course.total_written;
	if (walk->task->report != NULL)
		walk->task->report(walk, course.label);
	if (walk->max_passes == 0 && !walk->stopped && !walk->dry_run && course.written > walk->enough)
		ereport(WARNING,
				(errmsg("values of %s were still moving after %d passes", course.label, course.pass),
				 errhint("Call the procedure again: it goes on with what is left.")));
	pfree(course.label);
}
