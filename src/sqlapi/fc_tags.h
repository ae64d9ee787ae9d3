/*-------------------------------------------------------------------------
 *
 * fc_tags.h
 *		What is built on the tags of a searchable column.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_TAGS_H
#define FC_TAGS_H

#include "postgres.h"

#include "catalog/pg_index.h"

#include "sqlapi/fc_walk.h"

/* May values of the column have tags?  True unless its type says no. */
extern bool fc_tags_possible(const FcWalkColumn *column);

/*
 * fc_tags_unique_index
 *		Name of a unique index, or one of an exclusion constraint, that
 *		compares the column's tags; NULL if there is none.
 */
extern char *fc_tags_unique_index(const FcWalkColumn *column);

/*
 * fc_tags_refuse_change
 *		0A000 if rows would be in the wrong place, or foreign keys broken, with
 *		other tags: nobody but the executor moves a row to another partition or
 *		checks a foreign key.
 */
extern void fc_tags_refuse_change(const FcWalkColumn *column);

/*
 * fc_tags_refuse_mixed
 *		55000 if a unique index is being made over tags of two versions: it
 *		would not see that two of them are of one text.
 */
extern void fc_tags_refuse_mixed(Form_pg_index index, List *expressions);

/* ---- fc_tags_generated.c ---- */

/* Can a generated column that reads the tags be kept by the two below? */
extern bool fc_tags_generated_follows(Oid relation, AttrNumber attnum);

/*
 * fc_tags_suspend_generated
 *		Make plain columns of the generated ones that read a column of these
 *		relations, parents first; to be given to fc_tags_resume_generated()
 *		with the type modifier that the column then has.
 */
extern List *fc_tags_suspend_generated(List *relations, const char *column);
extern void fc_tags_resume_generated(List *suspended, int32 typmod);

#endif							/* FC_TAGS_H */
