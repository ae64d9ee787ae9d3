/*-------------------------------------------------------------------------
 *
 * fc_convert_state.c
 *		How far a conversion is, and what stands in its way.
 *
 * All state is in the catalogs: a column named fieldcrypt_new_N that is being
 * filled, N being the number of the column that is converted; after the
 * exchange a column named fieldcrypt_old_N, whose comment names the column
 * that it was.  So a conversion goes on after whatever ended it, and two
 * sessions that convert one column do each other no harm.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "executor/spi.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_convert.h"

#define OLD_PREFIX "fieldcrypt_old_"

static void set_names(FcConversion *conv, AttrNumber attnum);
static AttrNumber find_old(const FcConversion *conv, bool *plain);
static void check_trigger(FcConversion *conv);

List *
fc_convert_members(const FcConversion *conv, LOCKMODE lockmode)
{
	return find_all_inheritors(conv->relation, lockmode, NULL);
}

void
fc_convert_lock(const FcConversion *conv)
{
	FcWalkColumn column;
	ListCell   *cell;

	/* by OID: a name may mean another table when the lock is granted */
	LockRelationOid(conv->relation, AccessExclusiveLock);
	memset(&column, 0, sizeof(column));
	strlcpy(column.name, conv->column, sizeof(column.name));
	foreach(cell, fc_convert_members(conv, AccessExclusiveLock))
	{
		column.relation = lfirst_oid(cell);
		if (get_rel_name(column.relation) != NULL)
			fc_walk_check_owner(&column, conv->walk.command);
	}
}

char *
fc_convert_new_comment(const char *column)
{
	return psprintf("fieldcrypt is converting column %s to this one", quote_identifier(column));
}

char *
fc_convert_old_comment(const FcConversion *conv)
{
	return psprintf("what column %s held before fieldcrypt converted it; it is being emptied",
					quote_identifier(conv->column));
}

static void
refuse_other(const FcConversion *conv, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("column \"%s\" of \"%s\" is being converted %s", conv->column,
					get_rel_name(conv->relation), what),
			 errhint("Finish that by the same call as before, or give it up with abandon => true.")));
}

/* The column may have got another name after the exchange. */
static void
warn_of_others(const FcConversion *conv)
{
	Relation	rel = table_open(conv->relation, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	int			i;

	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped &&
			strncmp(NameStr(attribute->attname), OLD_PREFIX, strlen(OLD_PREFIX)) == 0)
			ereport(WARNING,
					(errmsg("column \"%s\" of \"%s\" is left from a conversion that has not ended",
							NameStr(attribute->attname), RelationGetRelationName(rel)),
					 errhint("Its comment names the column: call the procedure for that one, under that name.")));
	}
	table_close(rel, AccessShareLock);
}

/* The column has the type that it should have. */
static FcStage
stage_of_target(FcConversion *conv, Oid type, int32 typmod)
{
	bool		plain;
	AttrNumber	old = find_old(conv, &plain);

	if (conv->encrypt && typmod != conv->typmod)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of \"%s\" is encrypted already, as %s", conv->column,
						get_rel_name(conv->relation), format_type_with_typemod(type, typmod)),
				 errhint("Decrypt it first, or use ALTER TABLE ... ALTER ... TYPE.")));
	if (old == InvalidAttrNumber)
	{
		warn_of_others(conv);
		return FC_STAGE_DONE;
	}
	if (plain != conv->encrypt)
		refuse_other(conv, "the other way round");
	set_names(conv, atoi(get_attname(conv->relation, old, false) + strlen(OLD_PREFIX)));
	return FC_STAGE_EMPTY;
}

FcStage
fc_convert_stage(FcConversion *conv)
{
	char	   *relname = get_rel_name(conv->relation);
	AttrNumber	attnum = relname == NULL ? InvalidAttrNumber : get_attnum(conv->relation, conv->column);
	Oid			type;
	int32		typmod;
	Oid			collation;
	AttrNumber	shadow;
	bool		plain;

	if (relname == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", conv->relation),
				 errhint("Name an existing table.")));
	if (attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", conv->column, relname),
				 errhint("Name a column of the table.")));
	get_atttypetypmodcoll(conv->relation, attnum, &type, &typmod, &collation);
	if (conv->encrypt ? type == fc_type_oid() : type != fc_type_oid())
		return stage_of_target(conv, type, typmod);
	if (find_old(conv, &plain) != InvalidAttrNumber)
		refuse_other(conv, "the other way round");

	set_names(conv, attnum);
	shadow = get_attnum(conv->relation, conv->shadow);
	if (shadow == InvalidAttrNumber)
		return FC_STAGE_START;
	get_atttypetypmodcoll(conv->relation, shadow, &type, &typmod, &collation);
	if (conv->give_up)
		return FC_STAGE_FILL;
	if (type != conv->type || typmod != conv->typmod)
		refuse_other(conv, psprintf("to %s", format_type_with_typemod(type, typmod)));
	check_trigger(conv);
	return FC_STAGE_FILL;
}

static void
set_names(FcConversion *conv, AttrNumber attnum)
{
	conv->attnum = attnum;
	conv->shadow = psprintf("fieldcrypt_new_%d", attnum);
	conv->old = psprintf(OLD_PREFIX "%d", attnum);
	conv->trigger = psprintf("~fieldcrypt_%d", attnum);
	conv->check = psprintf("fieldcrypt_check_%d", attnum);
}

/* What a conversion that was interrupted after the exchange left behind. */
static AttrNumber
find_old(const FcConversion *conv, bool *plain)
{
	Relation	rel = table_open(conv->relation, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	char	   *expected = fc_convert_old_comment(conv);
	AttrNumber	found = InvalidAttrNumber;
	int			i;

	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		char	   *comment;

		if (attribute->attisdropped ||
			strncmp(NameStr(attribute->attname), OLD_PREFIX, strlen(OLD_PREFIX)) != 0)
			continue;
		comment = GetComment(conv->relation, RelationRelationId, attribute->attnum);
		if (comment != NULL && strcmp(comment, expected) == 0)
		{
			found = attribute->attnum;
			*plain = attribute->atttypid != fc_type_oid();
		}
	}
	table_close(rel, AccessShareLock);
	return found;
}

/* ---- the trigger ---- */

List *
fc_convert_trigger_args(FcConversion *conv)
{
	List	   *args = list_make2(pstrdup(conv->expression == NULL ? "mirror" : "clear"),
								  pstrdup(conv->shadow));
	Bitmapset  *columns = NULL;
	Relation	rel;
	Node	   *expr;
	FcRunAs		saved;
	int			i;

	if (conv->trigger_args != NIL)
		return conv->trigger_args;
	if (conv->expression == NULL)
		return conv->trigger_args = lappend(args, pstrdup(conv->column));
	rel = table_open(conv->relation, AccessShareLock);
	fc_run_as(rel->rd_rel->relowner, SECURITY_RESTRICTED_OPERATION, &saved);
	expr = fc_convert_parse(rel, conv->expression);
	fc_run_as_end(&saved);
	pull_varattnos(expr, 1, &columns);
	for (i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), i);
		bool		used = bms_is_member(attribute->attnum - FirstLowInvalidHeapAttributeNumber, columns) ||
			bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), conv->shadow) != 0 &&
			(used || attribute->attnum == conv->attnum))
			args = lappend(args, pstrdup(NameStr(attribute->attname)));
	}
	table_close(rel, AccessShareLock);
	return conv->trigger_args = args;
}

static bool
same_args(const Trigger *trigger, const List *args)
{
	ListCell   *cell;
	int			i = 0;

	if (trigger->tgnargs != list_length(args))
		return false;
	foreach(cell, args)
	{
		if (strcmp(trigger->tgargs[i++], lfirst(cell)) != 0)
			return false;
	}
	return true;
}

/* Does every table that holds rows have it, as this call would make it? */
static void
check_trigger(FcConversion *conv)
{
	List	   *args = fc_convert_trigger_args(conv);
	ListCell   *cell;

	foreach(cell, fc_convert_members(conv, AccessShareLock))
	{
		Relation	rel = table_open(lfirst_oid(cell), AccessShareLock);
		bool		enabled = rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE;
		bool		same = true;
		int			i;

		for (i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
		{
			Trigger    *trigger = &rel->trigdesc->triggers[i];

			if (strcmp(trigger->tgname, conv->trigger) != 0)
				continue;
			enabled = trigger->tgenabled == TRIGGER_FIRES_ALWAYS;
			same = same_args(trigger, args);
		}
		if (!same)
			refuse_other(conv, "by another expression");
		if (!enabled)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"%s\" has lost the trigger that keeps its new column filled",
							RelationGetRelationName(rel)),
					 errhint("Give the conversion up with abandon => true, and begin again.")));
		table_close(rel, AccessShareLock);
	}
}

/* ---- what is in the way ---- */

static char *
spi_text(int row, int column)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return value == NULL ? pstrdup("") : value;
}

void
fc_convert_survey(const FcConversion *conv, bool report)
{
	Oid			types[5] = {REGCLASSOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	const char *texts[4] = {conv->column, conv->key, conv->searchable, conv->expression};
	Datum		values[5];
	char		nulls[5] = "     ";
	StringInfoData blocks;
	int			i;

	values[0] = ObjectIdGetDatum(conv->relation);
	for (i = 0; i < 4; i++)
	{
		nulls[i + 1] = texts[i] == NULL ? 'n' : ' ';
		values[i + 1] = texts[i] == NULL ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	if (SPI_execute_with_args("SELECT kind, object, verdict, detail FROM fieldcrypt.assess($1, $2, $3, $4, $5)",
							  5, types, values, nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed");
	initStringInfo(&blocks);
	for (i = 0; i < SPI_processed; i++)
	{
		char	   *verdict = spi_text(i, 3);

		if (strcmp(verdict, "blocks") == 0)
			appendStringInfo(&blocks, "%s%s %s: %s", blocks.len > 0 ? "\n" : "",
							 spi_text(i, 1), spi_text(i, 2), spi_text(i, 4));
		if (report)
			ereport(NOTICE,
					(errmsg("%s: %s %s", verdict, spi_text(i, 1), spi_text(i, 2)),
					 errdetail("%s", spi_text(i, 4))));
	}
	if (blocks.len > 0 && !report)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of \"%s\" cannot be converted as it is", conv->column,
						get_rel_name(conv->relation)),
				 errdetail("%s", blocks.data),
				 errhint("Do what the detail says, then call the procedure again.")));
	SPI_freetuptable(SPI_tuptable);
}
