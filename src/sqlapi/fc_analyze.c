/*-------------------------------------------------------------------------
 *
 * fc_analyze.c
 *		Statistics of encrypted columns.
 *
 * ANALYZE runs without keys, as the table's owner and in autovacuum, and what
 * it stores in pg_statistic is readable text; so nothing is opened, and there
 * are no most common values and no histogram.  What is left is what a value
 * shows anyway: whether it is null, how wide it is, and which tag it has.
 *
 * Equal tags are equal texts under the column's search mode, so counting them
 * gives the number of distinct values.  Without tags every value is taken to
 * be different: with nothing stored the planner would guess 200 groups.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "commands/vacuum.h"
#include "utils/lsyscache.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_valueio.h"

PG_FUNCTION_INFO_V1(fc_encrypted_text_typanalyze);

/* Rows to sample per unit of the statistics target, as std_typanalyze has it. */
#define SAMPLE_ROWS_PER_TARGET 300

typedef struct Tag
{
	uint8		bytes[FC_TAG_BYTES];
} Tag;

/* What one pass over the sample finds. */
typedef struct Sample
{
	int			nulls;
	int			nonnulls;
	double		total_width;	/* as stored, toast pointers as pointers */
	int			ntags;
	Tag		   *tags;			/* room for every row; NULL if not searchable */
} Sample;

static void compute_encrypted_stats(VacAttrStatsP stats, AnalyzeAttrFetchFunc fetchfunc,
									int samplerows, double totalrows);
static double estimate_distinct(Sample *sample, double nullfrac, double totalrows);

Datum
fc_encrypted_text_typanalyze(PG_FUNCTION_ARGS)
{
	VacAttrStats *stats = (VacAttrStats *) PG_GETARG_POINTER(0);

	if (FC_STATS_TARGET(stats) < 0)
		FC_STATS_TARGET(stats) = default_statistics_target;
	stats->compute_stats = compute_encrypted_stats;
	stats->minrows = SAMPLE_ROWS_PER_TARGET * FC_STATS_TARGET(stats);
	PG_RETURN_BOOL(true);
}

/* Search mode of the column, looking through domains. */
static uint8
column_mode(const VacAttrStats *stats)
{
	int32		typmod = stats->attrtypmod;

	if (typmod < 0)
		(void) getBaseTypeAndTypmod(stats->attrtypid, &typmod);
	return typmod < 0 ? FC_MODE_NONE : FC_TYPMOD_MODE(typmod);
}

static void
scan_sample(VacAttrStatsP stats, AnalyzeAttrFetchFunc fetchfunc, int samplerows,
			Sample *sample)
{
	memset(sample, 0, sizeof(*sample));
	if (column_mode(stats) != FC_MODE_NONE)
		sample->tags = palloc(sizeof(Tag) * (Size) Max(samplerows, 1));

	for (int i = 0; i < samplerows; i++)
	{
		FcHeader	header;
		bool		isnull;
		Datum		value;

		fc_vacuum_delay_point();
		value = fetchfunc(stats, i, &isnull);
		if (isnull)
		{
			sample->nulls++;
			continue;
		}
		sample->nonnulls++;
		sample->total_width += VARSIZE_ANY(DatumGetPointer(value));
		if (sample->tags && fc_datum_header(value, &header) && header.mode != FC_MODE_NONE)
			memcpy(sample->tags[sample->ntags++].bytes, header.tag, FC_TAG_BYTES);
	}
}

static void
compute_encrypted_stats(VacAttrStatsP stats, AnalyzeAttrFetchFunc fetchfunc,
						int samplerows, double totalrows)
{
	Sample		sample;

	scan_sample(stats, fetchfunc, samplerows, &sample);
	if (sample.nonnulls + sample.nulls == 0)
		return;

	stats->stats_valid = true;
	stats->stanullfrac = (double) sample.nulls / (double) samplerows;
	if (sample.nonnulls == 0)
	{
		stats->stawidth = 0;	/* "unknown" */
		stats->stadistinct = 0.0;
		return;
	}
	stats->stawidth = sample.total_width / (double) sample.nonnulls;
	stats->stadistinct = estimate_distinct(&sample, stats->stanullfrac, totalrows);
}

static int
compare_tags(const void *a, const void *b)
{
	/* tags stand in the table and in its index: not secrets */
	return memcmp(a, b, FC_TAG_BYTES);
}

/*
 * estimate_distinct
 *		stadistinct as compute_distinct_stats computes it, with the estimator
 *		of Haas and Stokes: n*d / (n - f1 + f1*n/N), where n values of N were
 *		sampled, with d distinct ones, f1 of them seen once.
 *
 * Values without a tag in a searchable column are damaged or foreign; they
 * count as seen once.
 */
static double
estimate_distinct(Sample *sample, double nullfrac, double totalrows)
{
	double		n = sample->nonnulls;
	double		nrows = totalrows * (1.0 - nullfrac);
	int			untagged = sample->nonnulls - sample->ntags;
	int			ndistinct = untagged;
	int			once = untagged;
	double		estimate;

	if (sample->ntags > 0)
		qsort(sample->tags, sample->ntags, sizeof(Tag), compare_tags);
	for (int i = 0, next; i < sample->ntags; i = next)
	{
		next = i + 1;
		while (next < sample->ntags && compare_tags(&sample->tags[i], &sample->tags[next]) == 0)
			next++;
		ndistinct++;
		if (next == i + 1)
			once++;
	}

	if (once == ndistinct)
		return -1.0 * (1.0 - nullfrac); /* all different, and so in the table */
	if (once == 0)
		return ndistinct;		/* every value seen twice: these are all */

	estimate = nrows > 0 ? (n * ndistinct) / ((n - once) + once * n / nrows) : 0;
	estimate = floor(Min(Max(estimate, ndistinct), Max(nrows, ndistinct)) + 0.5);

	/* a share of the table if it will grow with the table */
	return estimate > 0.1 * totalrows ? -(estimate / totalrows) : estimate;
}
