/*-------------------------------------------------------------------------
 *
 * fc_convert.c
 *		The procedures encrypt_column and decrypt_column.
 *
 * A new column is filled beside the old one: by a trigger for the rows that
 * clients write, by a walk for the others.  When every row has been compared,
 * the two are exchanged in one short transaction.  Then the old column is
 * emptied, batch by batch, and dropped.  Until the exchange clients read and
 * write the old column.
 *
 * Every step ends with a commit and begins with a look at the catalogs, so a
 * call goes on where another one ended, however it ended.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "pg/fc_progress.h"
#include "pg/fc_report.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_convert.h"

PG_FUNCTION_INFO_V1(fc_encrypt_column);
PG_FUNCTION_INFO_V1(fc_decrypt_column);

/* ---- steps ---- */

/*
 * A step of DDL: one transaction.  What it does after it has waited for a
 * lock depends on what was committed until then, so it is never one of
 * REPEATABLE READ, whatever the default is.
 */
static void
begin_step(void)
{
	SPI_commit();
	XactIsoLevel = XACT_READ_COMMITTED;
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_step(void)
{
	PopActiveSnapshot();
	SPI_commit();
}

/* The columns of that name in the tables that hold rows. */
static List *
stored_columns(FcConversion *conv, const char *name)
{
	List	   *columns = NIL;
	ListCell   *cell;

	foreach(cell, fc_convert_members(conv, AccessShareLock))
	{
		HeapTuple	tuple = SearchSysCacheAttName(lfirst_oid(cell), name);
		FcWalkColumn *column;

		if (!HeapTupleIsValid(tuple))
			continue;
		if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_RELATION)
		{
			column = palloc0(sizeof(FcWalkColumn));
			column->relation = lfirst_oid(cell);
			column->attnum = ((Form_pg_attribute) GETSTRUCT(tuple))->attnum;
			column->type = ((Form_pg_attribute) GETSTRUCT(tuple))->atttypid;
			/* for progress and messages: what the caller calls it */
			strlcpy(column->name, conv->column, sizeof(column->name));
			columns = lappend(columns, column);
		}
		ReleaseSysCache(tuple);
	}
	return columns;
}

/* Walk every table.  *written, *failed and *moving add up. */
static void
walk_tables(FcConversion *conv, const char *name, const FcTask *task,
			int64 *written, int64 *failed, bool *moving)
{
	List	   *columns = stored_columns(conv, name);
	ListCell   *cell;

	*written = *failed = 0;
	*moving = false;
	conv->walk.task = task;
	conv->walk.arg = conv;
	foreach(cell, columns)
	{
		if (conv->walk.stopped)
			break;
		fc_walk_column(&conv->walk, lfirst(cell));
		*written += conv->walk.written;
		*failed += conv->walk.column_failed;
		*moving = *moving || conv->walk.moving;
	}
}

static void
report_stopped(const FcConversion *conv, const char *what, int64 rows)
{
	ereport(NOTICE,
			(errmsg("%s: %lld rows %s", conv->label, (long long) rows, what),
			 errdetail("The walk was stopped by max_duration before its end."),
			 errhint("Call the procedure again: it goes on where it stopped.")));
}

static void
check_failed(const FcConversion *conv, int64 failed)
{
	if (failed == 0)
		return;
	ereport(ERROR,
			(errcode(conv->encrypt ? ERRCODE_INVALID_BINARY_REPRESENTATION : ERRCODE_DATA_CORRUPTED),
			 errmsg("%lld values of %s cannot be converted", (long long) failed, conv->label),
			 errdetail("The warnings name the first of them by their place."),
			 errhint("Correct or remove them and call the procedure again, or give up with abandon => true.")));
}

/* ---- fill ---- */

/* The rows that were written while the last pass went on; whatever the time is. */
static void
fill_under_lock(FcConversion *conv)
{
	TimestampTz deadline = conv->walk.deadline;
	int64		written;
	int64		failed;
	bool		moving;

	conv->walk.atomic = true;
	conv->walk.deadline = 0;
	conv->verify = false;
	walk_tables(conv, conv->shadow, &fc_fill_task, &written, &failed, &moving);
	conv->walk.atomic = false;
	conv->walk.deadline = deadline;
	check_failed(conv, failed);
}

static void
exchange(FcConversion *conv)
{
	begin_step();
	fc_convert_lock(conv);
	if (fc_convert_stage(conv) == FC_STAGE_FILL)
	{
		if (conv->expression != NULL)
			fill_under_lock(conv);
		fc_convert_swap(conv);
	}
	end_step();
}

static void
validate(FcConversion *conv)
{
	if (conv->expression != NULL)
		return;
	begin_step();
	fc_convert_run("ALTER TABLE %s VALIDATE CONSTRAINT %s", fc_relation_name(conv->relation), conv->check);
	end_step();
}

/* True if the columns were exchanged, false if the time was over. */
static bool
fill(FcConversion *conv)
{
	int64		written;
	int64		filled;
	int64		failed;
	bool		moving;

	begin_step();
	fc_convert_survey(conv, false);
	end_step();

	conv->verify = false;
	conv->walk.max_passes = 1;
	walk_tables(conv, conv->shadow, &fc_fill_task, &filled, &failed, &moving);
	if (conv->walk.stopped)
	{
		report_stopped(conv, "converted", filled);
		return false;
	}
	check_failed(conv, failed);
	begin_step();
	fc_convert_build_indexes(conv);
	end_step();

	/* compares every row, and waits for those that were locked */
	conv->verify = true;
	conv->walk.max_passes = 0;
	conv->walk.enough = conv->expression == NULL ? 0 : conv->walk.batch_rows;
	walk_tables(conv, conv->shadow, &fc_fill_task, &written, &failed, &moving);
	conv->walk.enough = 0;
	filled += written;
	if (conv->walk.stopped)
	{
		report_stopped(conv, "converted", filled);
		return false;
	}
	check_failed(conv, failed);
	if (moving)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("rows of %s were still changing faster than they could be converted", conv->label),
				 errhint("Call the procedure again when fewer are written.")));
	validate(conv);
	exchange(conv);
	ereport(NOTICE,
			(errmsg("%s: %lld rows converted and verified, columns exchanged", conv->label, (long long) filled)));
	return true;
}

/* ---- empty and drop the old column ---- */

static void
report_end(const FcConversion *conv)
{
	if (!conv->encrypt)
	{
		ereport(NOTICE, (errmsg("%s is decrypted", conv->label)));
		return;
	}
	ereport(NOTICE,
			(errmsg("%s is encrypted", conv->label),
			 errdetail("The plaintext is still in: dead rows and free space of the table's files, and of pg_statistic's, until they are rewritten, WAL and its archive, replication slots, base backups, dumps, and standbys until they have replayed this."),
			 errhint("Use VACUUM FULL on %s and pg_statistic and SELECT pg_switch_wal(), and let backups and archives expire. The column is the last one now: INSERT and COPY need a list of columns. Sessions with prepared statements may have to reconnect.",
					 fc_relation_name(conv->relation))));
}

static bool
empty(FcConversion *conv)
{
	int64		written;
	int64		failed;
	bool		moving;

	walk_tables(conv, conv->old, &fc_empty_task, &written, &failed, &moving);
	if (conv->walk.stopped)
	{
		report_stopped(conv, "emptied of the old column", written);
		return false;
	}
	begin_step();
	fc_convert_lock(conv);
	if (fc_convert_stage(conv) == FC_STAGE_EMPTY)
		fc_convert_drop_old(conv);
	end_step();
	report_end(conv);
	return true;
}

/* ---- the call ---- */

/*
 * Who may: the owner.  The caller reads all texts; the trigger writes them as
 * the owner of each table.
 */
static void
check_rights(const FcConversion *conv)
{
	const FcKey *key = conv->encrypt ? fc_admin_key(conv->key) : NULL;
	FcPrivilege privilege = conv->encrypt ? FC_PRIV_ENCRYPT : FC_PRIV_DECRYPT;
	FcWalkColumn column;
	char	   *prefix;
	Oid			type;
	int32		typmod;
	Oid			collation;
	ListCell   *cell;

	if (key == NULL)
	{
		get_atttypetypmodcoll(conv->relation, conv->attnum, &type, &typmod, &collation);
		prefix = fc_prefix_label(FC_TYPMOD_PREFIX(typmod));
		key = fc_admin_key(prefix);
	}
	if (key->destroyed)
		fc_report_key_state(key->name, 0, "destroyed", NULL);
	if (!fc_keyring_may(key, FC_PRIV_DECRYPT))
		fc_report_denied(key->name, "decrypt");
	memset(&column, 0, sizeof(column));
	strlcpy(column.name, conv->column, sizeof(column.name));
	foreach(cell, fc_convert_members(conv, AccessShareLock))
	{
		Oid			owner = fc_relation_owner(lfirst_oid(cell));

		column.relation = lfirst_oid(cell);
		fc_walk_check_owner(&column, conv->walk.command);
		if (!fc_keyring_permits(key, owner, privilege))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("role \"%s\" does not hold %s on key \"%s\"", GetUserNameFromId(owner, false),
							conv->encrypt ? "encrypt" : "decrypt", key->name),
					 errdetail("It owns the table, and as the owner a trigger converts what clients write meanwhile."),
					 errhint("Use fieldcrypt.grant_key().")));
	}
}

static void
abandon(FcConversion *conv, FcStage stage)
{
	if (stage == FC_STAGE_EMPTY)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the columns of %s are exchanged already", conv->label),
				 errhint("Call the procedure again without abandon, which empties the old column.")));
	if (stage == FC_STAGE_FILL)
	{
		begin_step();
		fc_convert_take_down(conv);
		end_step();
	}
	ereport(NOTICE, (errmsg("%s: the conversion is given up", conv->label)));
}

static void
go_on_context(void *arg)
{
	errcontext("%s of %s; what is committed stays, and the same call goes on from there",
			   ((FcConversion *) arg)->walk.command, ((FcConversion *) arg)->label);
}

static void
report_done(const FcConversion *conv)
{
	ereport(NOTICE,
			(conv->encrypt ? errmsg("%s is encrypted already", conv->label) :
			 errmsg("%s is not encrypted", conv->label)));
}

static void
dry_run(FcConversion *conv)
{
	switch (fc_convert_stage(conv))
	{
		case FC_STAGE_START:
			/* so that an expression is looked at */
			(void) fc_convert_trigger_args(conv);
			/* FALLTHROUGH */
		case FC_STAGE_FILL:
			fc_convert_survey(conv, true);
			break;
		case FC_STAGE_EMPTY:
			ereport(NOTICE,
					(errmsg("the columns of %s are exchanged already; the old one has still to be emptied",
							conv->label)));
			break;
		case FC_STAGE_DONE:
			report_done(conv);
			break;
	}
}

static void
run(FcConversion *conv)
{
	for (;;)
	{
		switch (fc_convert_stage(conv))
		{
			case FC_STAGE_START:
				check_rights(conv);
				/* an expression is parsed with the caller's search_path */
				(void) fc_convert_trigger_args(conv);
				begin_step();
				fc_convert_set_up(conv);
				end_step();
				break;
			case FC_STAGE_FILL:
				check_rights(conv);
				if (!fill(conv))
					return;
				break;
			case FC_STAGE_EMPTY:
				(void) empty(conv);
				return;
			case FC_STAGE_DONE:
				report_done(conv);
				return;
		}
	}
}

/* The arguments dry_run and abandon stand at n. */
static Datum
convert(FunctionCallInfo fcinfo, int n, FcConversion *conv)
{
	bool		dry = fc_arg_bool(fcinfo, n, "dry_run");
	FcWalkColumn column;
	ErrorContextCallback context;

	conv->give_up = fc_arg_bool(fcinfo, n + 1, "abandon");
	if (!dry)
		fc_walk_check_call(fcinfo, conv->walk.command);
	memset(&column, 0, sizeof(column));
	column.relation = conv->relation;
	strlcpy(column.name, conv->column, sizeof(column.name));
	fc_walk_check_owner(&column, conv->walk.command);
	if (SPI_connect_ext(dry ? 0 : SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	conv->label = psprintf("%s.%s", fc_relation_name(conv->relation), quote_identifier(conv->column));
	if (dry)
	{
		dry_run(conv);
		SPI_finish();
		return (Datum) 0;
	}

	context.callback = go_on_context;
	context.arg = conv;
	context.previous = error_context_stack;
	error_context_stack = &context;
	PG_TRY();
	{
		if (conv->give_up)
			abandon(conv, fc_convert_stage(conv));
		else
			run(conv);
	}
	PG_FINALLY();
	{
		fc_progress_end();
	}
	PG_END_TRY();
	error_context_stack = context.previous;
	SPI_finish();
	return (Datum) 0;
}

static FcConversion *
make_conversion(FunctionCallInfo fcinfo, bool encrypt, int options)
{
	FcConversion *conv = palloc0(sizeof(FcConversion));

	if (PG_ARGISNULL(0))
		(void) fc_arg_text(fcinfo, 0, "relation");
	conv->encrypt = encrypt;
	conv->relation = PG_GETARG_OID(0);
	conv->column = fc_arg_text(fcinfo, 1, "column");
	fc_walk_pace(fcinfo, options, encrypt ? "encrypt_column" : "decrypt_column", &conv->walk);
	return conv;
}

Datum
fc_encrypt_column(PG_FUNCTION_ARGS)
{
	FcConversion *conv = make_conversion(fcinfo, true, 5);
	uint8		mode = FC_MODE_NONE;

	conv->key = fc_arg_text(fcinfo, 2, "key");
	(void) fc_admin_key(conv->key);
	if (!PG_ARGISNULL(3))
	{
		conv->searchable = text_to_cstring(PG_GETARG_TEXT_PP(3));
		mode = fc_mode_parse(conv->searchable);
	}
	if (!PG_ARGISNULL(4))
		conv->expression = text_to_cstring(PG_GETARG_TEXT_PP(4));
	conv->type = fc_type_oid();
	conv->typmod = FC_TYPMOD_MAKE(fc_name_prefix(conv->key), mode);
	conv->type_sql = psprintf("pg_catalog.encrypted_text(%s%s)", quote_literal_cstr(conv->key),
							  mode == FC_MODE_NONE ? "" :
							  psprintf(", 'searchable=%s'", fc_mode_name(mode)));
	return convert(fcinfo, 8, conv);
}

Datum
fc_decrypt_column(PG_FUNCTION_ARGS)
{
	FcConversion *conv = make_conversion(fcinfo, false, 3);
	char	   *type = fc_arg_text(fcinfo, 2, "type");

	parseTypeString(type, &conv->type, &conv->typmod, FC_PARSE_TYPE_THROWS);
	if (!fc_convert_is_text(conv->type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a column cannot be decrypted to type %s", format_type_be(conv->type)),
				 errhint("Use text, varchar or char.")));
	conv->type_sql = format_type_with_typemod(conv->type, conv->typmod);
	return convert(fcinfo, 6, conv);
}
