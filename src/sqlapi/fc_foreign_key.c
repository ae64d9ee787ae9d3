/*-------------------------------------------------------------------------
 *
 * fc_foreign_key.c
 *		Foreign keys from and to encrypted columns, and what to write instead.
 *
 * PostgreSQL refuses these itself, because there is no constraint to refer to
 * or no operator, and its messages lead nowhere.  Tags in generated columns can
 * be referred to, as far as equal texts have equal tags on both sides.
 *
 * CREATE TABLE adds its foreign keys by ALTER TABLE, so that is where all are
 * seen.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "pg/fc_keyring.h"
#include "sqlapi/fc_hooks.h"
#include "sqlapi/fc_sqlapi.h"

/* A column on one side of a foreign key. */
typedef struct FcKeyColumn
{
	const char *relation;
	const char *name;
	bool		encrypted;
	int32		typmod;			/* of the encrypted type */
} FcKeyColumn;

static void
describe_type(FcKeyColumn *column, Oid type, int32 typmod)
{
	column->encrypted = getBaseTypeAndTypmod(type, &typmod) == fc_type_oid();
	column->typmod = typmod;
}

static FcKeyColumn
column_of_relation(Oid relation, const char *name)
{
	FcKeyColumn column = {get_rel_name(relation), name, false, -1};
	AttrNumber	attnum = get_attnum(relation, name);
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (attnum > 0)
	{
		get_atttypetypmodcoll(relation, attnum, &type, &typmod, &collation);
		describe_type(&column, type, typmod);
	}
	return column;
}

static FcKeyColumn
column_of_definition(Oid relation, const ColumnDef *def)
{
	FcKeyColumn column = {get_rel_name(relation), def->colname, false, -1};
	int32		typmod;
	Type		type = def->typeName ? LookupTypeName(NULL, def->typeName, &typmod, true) : NULL;

	if (type != NULL)
	{
		describe_type(&column, typeTypeId(type), typmod);
		ReleaseSysCache(type);
	}
	return column;
}

/* The statements to use, if tags of the two columns can be compared. */
static int
hint_for_columns(const FcKeyColumn *from, const FcKeyColumn *to)
{
	char	   *tag;

	if (!from->encrypted || !to->encrypted || from->typmod != to->typmod ||
		FC_TYPMOD_MODE(from->typmod) != FC_MODE_EXACT)
		return errhint("Make both columns encrypted_text('key', 'searchable') under one key, and let a column generated as fieldcrypt.blind_index() of the one reference a unique one of the other.");

	tag = psprintf("%s_tag", to->name);
	return errhint("Leave it out, and reference the tag: ALTER TABLE %s ADD %s uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(%s)) STORED UNIQUE; ALTER TABLE %s ADD %s uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(%s)) STORED REFERENCES %s (%s);",
				   quote_identifier(to->relation), quote_identifier(tag), quote_identifier(to->name),
				   quote_identifier(from->relation),
				   quote_identifier(psprintf("%s_tag", from->name)), quote_identifier(from->name),
				   quote_identifier(to->relation), quote_identifier(tag));
}

static void
refuse_column(const FcKeyColumn *from, Oid referenced, const List *columns, int place)
{
	FcKeyColumn to = {NULL, NULL, false, -1};

	if (OidIsValid(referenced) && place < list_length(columns))
		to = column_of_relation(referenced, strVal(list_nth(columns, place)));
	if (!from->encrypted && !to.encrypted)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg(from->encrypted ? "a foreign key on column \"%s\" of type encrypted_text is not supported" :
					"a foreign key to column \"%s\" of type encrypted_text is not supported",
					from->encrypted ? from->name : to.name),
			 hint_for_columns(from, &to)));
}

void
fc_refuse_foreign_key(Oid relation, const AlterTableCmd *cmd)
{
	List	   *constraints = NIL;
	ListCell   *cell;

	if (cmd->subtype == AT_AddColumn && IsA(cmd->def, ColumnDef))
		constraints = ((ColumnDef *) cmd->def)->constraints;
	else if (cmd->subtype == AT_AddConstraint && IsA(cmd->def, Constraint))
		constraints = list_make1(cmd->def);

	foreach(cell, constraints)
	{
		Constraint *constraint = (Constraint *) lfirst(cell);
		Oid			referenced;
		FcKeyColumn from;

		if (!IsA(constraint, Constraint) || constraint->contype != CONSTR_FOREIGN)
			continue;
		referenced = RangeVarGetRelid(constraint->pktable, NoLock, true);
		if (cmd->subtype == AT_AddColumn)
		{
			from = column_of_definition(relation, (ColumnDef *) cmd->def);
			refuse_column(&from, referenced, constraint->pk_attrs, 0);
		}
		for (int i = 0; cmd->subtype == AT_AddConstraint && i < list_length(constraint->fk_attrs); i++)
		{
			from = column_of_relation(relation, strVal(list_nth(constraint->fk_attrs, i)));
			refuse_column(&from, referenced, constraint->pk_attrs, i);
		}
	}
}
