/*-------------------------------------------------------------------------
 *
 * fc_convert.h
 *		Converting a column in place: encrypt_column and decrypt_column.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_CONVERT_H
#define FC_CONVERT_H

#include "postgres.h"

#include "nodes/execnodes.h"

#include "sqlapi/fc_relation.h"
#include "sqlapi/fc_valueio.h"
#include "sqlapi/fc_walk.h"

/* One conversion; lives in memory that survives the commits. */
typedef struct FcConversion
{
	FcWalk		walk;
	bool		encrypt;		/* else decrypt */
	Oid			relation;		/* as named: the root of a tree of tables */
	char	   *column;
	char	   *label;			/* both, for messages */
	Oid			type;			/* that the column is to have */
	int32		typmod;
	char	   *type_sql;		/* the same for DDL */
	char	   *key;			/* encrypt: its name and the search mode, as given */
	char	   *searchable;
	char	   *expression;		/* encrypt: "using"; NULL = the column itself */
	List	   *trigger_args;	/* once they are known */
	bool		give_up;		/* whatever it looks like */
	bool		verify;			/* compare what is filled already */

	/* names in the table; they end with the column's number before the swap */
	AttrNumber	attnum;
	char	   *shadow;			/* the column that is being filled */
	char	   *old;			/* the column after the swap */
	char	   *trigger;		/* keeps the shadow filled, or the old column empty */
	char	   *check;			/* proves that it is */

	/* of the current batch */
	AttrNumber	source_att;
	AttrNumber	shadow_att;
	Oid			owner;
	ExprState  *expr;
	ExprContext *econtext;
} FcConversion;

typedef enum FcStage
{
	FC_STAGE_START,				/* nothing is there */
	FC_STAGE_FILL,				/* shadow, trigger and check are there */
	FC_STAGE_EMPTY,				/* swapped; the old column is still there */
	FC_STAGE_DONE
} FcStage;

/* ---- fc_convert_value.c ---- */

extern const FcTask fc_fill_task;	/* arg: the FcConversion */
extern const FcTask fc_empty_task;

/* text, varchar or char */
extern bool fc_convert_is_text(Oid type);

/*
 * The caller's expression over the rows of a table, coerced to text; the
 * table's owner is to be the current user.
 */
extern Node *fc_convert_parse(Relation rel, const char *expression);

/* ---- fc_convert_state.c ---- */

/* How far the conversion is; fills in the names.  Errors if it cannot be. */
extern FcStage fc_convert_stage(FcConversion *conv);

/* The tables whose rows hold the column, and those that only name it. */
extern List *fc_convert_members(const FcConversion *conv, LOCKMODE lockmode);

/* Lock them against everybody; the caller must own them. */
extern void fc_convert_lock(const FcConversion *conv);

/* The comment that says that the shadow is ours; only owners comment. */
extern char *fc_convert_new_comment(const char *column);

/* The comment by which the old column is known after the exchange. */
extern char *fc_convert_old_comment(const FcConversion *conv);

/* The arguments of the trigger: a list of strings. */
extern List *fc_convert_trigger_args(FcConversion *conv);

/* Errors where something stands in the way; with report, everything as NOTICEs. */
extern void fc_convert_survey(const FcConversion *conv, bool report);

/* ---- fc_convert_ddl.c ---- */

/* Run one statement; names in it are quoted and qualified. */
extern void fc_convert_run(const char *format,...) pg_attribute_printf(1, 2);

/* Make shadow, trigger and check; in the caller's transaction. */
extern void fc_convert_set_up(FcConversion *conv);

/* Take them away again. */
extern void fc_convert_take_down(FcConversion *conv);

/* Exchange the columns; in the caller's transaction. */
extern void fc_convert_swap(FcConversion *conv);

/* Drop the old one, and the trigger that kept it empty. */
extern void fc_convert_drop_old(FcConversion *conv);

/* ---- fc_convert_index.c ---- */

/* Build the indexes that take the place of those on the column. */
extern void fc_convert_build_indexes(FcConversion *conv);

/* Drop the old ones and give their names to the new ones. */
extern void fc_convert_swap_indexes(FcConversion *conv);

/* ---- fc_convert_view.c ---- */

/* Drop the views over the column; returns what makes them again. */
extern List *fc_convert_drop_views(FcConversion *conv);
extern void fc_convert_make_views(List *views);

/* ---- fc_verify.c ---- */

/*
 * fc_value_opens
 *		Does a value authenticate under its key?  False where it cannot ever
 *		(altered, malformed, key destroyed or not in this keyring); whatever
 *		may heal (no privilege, locked, outage) is an error.  *plain, if asked
 *		for, is the text in the server encoding.
 */
extern bool fc_value_opens(Datum datum, FcHeader *header, text **plain);

#endif							/* FC_CONVERT_H */
