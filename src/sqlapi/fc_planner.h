/*-------------------------------------------------------------------------
 *
 * fc_planner.h
 *		What the planner files share: the objects that rewritten expressions
 *		are made of, and the rewriting itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_PLANNER_H
#define FC_PLANNER_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "nodes/primnodes.h"

/* OIDs of our own objects in this database. */
typedef struct FcPlannerOids
{
	Oid			type;			/* encrypted_text */
	Oid			array_type;
	Oid			eq_values;		/* encrypted_text = encrypted_text */
	Oid			eq_text;		/* encrypted_text = text */
	Oid			same_values;	/* #=#, for rechecks */
	Oid			same_text;
	Oid			blind_index;	/* blind_index(encrypted_text) */
	Oid			tag_of_text;	/* blind_index(text, key, mode) */
	Oid			tags_of_text;	/* blind_indexes(text, key, mode) */
	Oid			uuid_eq;
	Oid			as_value;		/* blind_index_as(...) */
	Oid			as_text;
	Oid			as_values;
	Oid			as_texts;
	Oid			text_of_value;	/* the cast to text */
	Oid			lower_value;	/* lower(encrypted_text), upper(...), ILIKE */
	Oid			upper_value;
	Oid			ilike_text;
	Oid			folded;			/* blind_index_folded(text, typmod, form) */
	Oid			unlisted;		/* blind_index_unlisted(text, form) */
	Oid			same_folded;	/* operators for rechecks: #==#, #~~*# */
	Oid			same_ilike;
	Oid			uuid_ge;
	Oid			uuid_le;
	Oid			cast_value;		/* casts into the type */
	Oid			cast_text;
	Oid			cast_varchar;
	Oid			cast_bpchar;
	Oid			lt_values;		/* encrypted_text < encrypted_text, and > */
	Oid			gt_values;
	Oid			sort_copy;		/* sort_copy(encrypted_text) */
	Oid			copy_type;		/* what it returns, with its < and > */
	Oid			lt_copies;
	Oid			gt_copies;
} FcPlannerOids;

/* NULL where the extension is not there, or not whole. */
extern const FcPlannerOids *fc_planner_oids(void);

/* Type modifier of a searchable column, or -1 for any other expression. */
extern int32 fc_searchable_typmod(const FcPlannerOids *oids, Node *expr);

/* blind_index(column) */
extern Expr *fc_make_blind_index(const FcPlannerOids *oids, Node *column);

/*
 * fc_search_versions
 *		How many versions of the index key the tags in a searchable column may
 *		be of.  Whatever is planned by the answer is planned again when the
 *		key tables change.
 */
extern int	fc_search_versions(int32 typmod);

/* Has the statement being planned asked since the flag was last cleared? */
extern bool fc_search_planned;

/* What `left = right` becomes, or NULL if it stays. */
extern Node *fc_rewrite_equality(const FcPlannerOids *oids, Node *left, Node *right,
								 Oid collation);

/* What `tag = blind_index(text, key, mode)` becomes, or NULL if it stays. */
extern Node *fc_rewrite_tag_of_text(const FcPlannerOids *oids, OpExpr *equality);

/* What `column = ANY (array)` becomes, or NULL if it stays. */
extern Node *fc_rewrite_any(const FcPlannerOids *oids, ScalarArrayOpExpr *any);

/* ---- fc_planner_forms.c: lists, lower(column) = x, upper(column) = x, ILIKE ---- */

/* column = x OR column = y, as IN with parameters is parsed, or NULL. */
extern Node *fc_rewrite_list(const FcPlannerOids *oids, BoolExpr *list);

/* What one of these becomes, or NULL if it stays. */
extern Node *fc_rewrite_fold(const FcPlannerOids *oids, OpExpr *comparison);

/* Could it become something?  Cheap: asked about every operator of a statement. */
extern bool fc_is_fold(const FcPlannerOids *oids, const OpExpr *comparison);

/* ---- fc_planner_literals.c: constant texts as literals of the type ---- */

/* What is no constant comes back as it is. */
extern Node *fc_literal_of_text(const FcPlannerOids *oids, Node *expr);
extern Node *fc_literals_of_texts(const FcPlannerOids *oids, Node *expr);

/* A constant text as a literal that is cast back; what is none as it is. */
extern Node *fc_hidden_text(const FcPlannerOids *oids, Node *expr);

/* `value op ANY (texts)` and ALL: does it show texts, and without them. */
extern bool fc_shows_texts(const FcPlannerOids *oids, ScalarArrayOpExpr *any);
extern Node *fc_hide_texts(const FcPlannerOids *oids, ScalarArrayOpExpr *any);

/* ---- fc_planner_indexes.c: tags in generated columns ---- */

extern void fc_planner_indexes_init(void);

/* Show indexes on generated tags as indexes on blind_index(column), too. */
extern void fc_show_generated_tags(const FcPlannerOids *oids, Oid relation, RelOptInfo *rel);

/* The same for ON CONFLICT, whose columns have become blind_index(column). */
extern void fc_use_generated_arbiter(const FcPlannerOids *oids, Query *query);

/* ---- fc_planner_sorts.c: sorts on disk ---- */

/* Have the sorts of a finished plan that will not fit into memory sort copies. */
extern void fc_copy_sorts(const FcPlannerOids *oids, PlannedStmt *statement);

#endif							/* FC_PLANNER_H */
