/*-------------------------------------------------------------------------
 *
 * fc_hooks.h
 *		What the hook files share: nesting of statements, containment of the
 *		type, refusals, the cast to citext.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_HOOKS_H
#define FC_HOOKS_H

#include "postgres.h"

#include "access/attnum.h"
#include "access/htup.h"
#include "nodes/parsenodes.h"

/* ---- fc_context.c ---- */

/* How many triggers are running, one inside the other. */
extern int	fc_trigger_depth(void);

/* Forget the COPYs that a failed subtransaction had begun. */
extern void fc_copy_subxact_abort(void);

/* ---- fc_statement.c ---- */

/*
 * Nesting of utility commands and executor runs.  Whoever enters leaves, also
 * when it throws; leaving the outermost level wipes what a statement used.
 */
extern int	fc_statement_depth(void);
extern void fc_statement_enter(void);
extern void fc_statement_leave(void);

/* ---- fc_contains.c ---- */

typedef enum FcContent
{
	FC_CONTENT_NONE,			/* no encrypted_text in it */
	FC_CONTENT_KEYED,			/* every encrypted_text in it names its key */
	FC_CONTENT_UNKEYED			/* one does not, or a range is over the type */
} FcContent;

/*
 * What is in a type, through arrays, domains, composites, ranges and
 * multiranges.  Sees rows that the current command has written.
 */
extern FcContent fc_type_content(Oid type, int32 typmod);
extern bool fc_type_contains(Oid type);
extern bool fc_relation_contains(Oid relation);

/*
 * A type's name for messages: with its schema unless that is pg_catalog.
 * format_type_be() goes by the search_path, which maintenance commands change
 * from PostgreSQL 17 on.
 */
extern const char *fc_type_label(Oid type);

/* The column itself is encrypted_text or a domain over it. */
extern bool fc_type_is_direct(Oid type);

/*
 * Does an expression, or an implicit-AND list of them, use an encrypted value
 * for anything but fieldcrypt.blind_index(), IS [NOT] NULL, or being passed
 * on whole as its result?
 */
extern bool fc_expr_opens(Node *expr);

/* ---- fc_ddl.c ---- */

/* A copy of a column's row as the current command left it, or NULL. */
extern HeapTuple fc_attribute_copy(Oid relation, AttrNumber column);

/* A utility command of the client begins: what is said once may be said again. */
extern void fc_ddl_statement_begin(void);

/* ---- fc_refuse.c: 0A000 with a hint, or nothing ---- */

extern void fc_refuse_index(Oid index);
extern void fc_refuse_constraint(Oid constraint);
extern void fc_refuse_statistics(Oid statistics);
extern void fc_refuse_generated(Oid relation, AttrNumber column);
extern void fc_refuse_partition_key(Oid relation);

/* ---- fc_foreign_key.c: the same, before ALTER TABLE looks at the command ---- */

extern void fc_refuse_foreign_key(Oid relation, const AlterTableCmd *cmd);

/* ---- fc_utility.c ---- */

extern void fc_utility_init(void);

/* The innermost utility command that is running, T_Invalid for none. */
extern NodeTag fc_utility_tag(void);

/* EXECUTE, alone or within EXPLAIN or CREATE TABLE AS, or NULL. */
extern const ExecuteStmt *fc_utility_execute(void);

/* ---- fc_citext.c ---- */

/* Add the explicit cast if both types are there and it is not. */
extern void fc_citext_cast_add(void);

/* A CREATE CAST of a dump: is it that cast, is it there, tie it to the types. */
extern bool fc_citext_cast_named(const CreateCastStmt *stmt);
extern bool fc_citext_cast_exists(void);
extern void fc_citext_cast_tie(void);

#endif							/* FC_HOOKS_H */
