/*-------------------------------------------------------------------------
 *
 * fc_refuse.c
 *		What cannot be built on an encrypted column, and what to write instead.
 *
 * Indexes, constraints, partition keys and statistics would put an order, a
 * hash or a copy of the plaintext on disk, and would need the key wherever
 * PostgreSQL maintains them: in restore, VACUUM, replication, recovery.
 * What is allowed reads the header of a value only: blind_index() and
 * IS [NOT] NULL.
 *
 * The rows are those that the current command has just written, hence
 * SnapshotSelf.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "pg/fc_keyring.h"
#include "sqlapi/fc_hooks.h"
#include "sqlapi/fc_sqlapi.h"
#include "sqlapi/fc_tags.h"

/* One catalog row, found by OID; closed by row_close. */
typedef struct FcRow
{
	Relation	catalog;
	SysScanDesc scan;
	HeapTuple	tuple;			/* NULL if there is none */
} FcRow;

/*---- Function declarations ----*/

static void row_open(FcRow *row, Oid catalog, Oid index, AttrNumber column, Oid oid);
static void row_close(FcRow *row);
static Node *row_expression(const FcRow *row, AttrNumber column);
static void refuse_index_columns(const FcRow *row);
static void refuse_index_expressions(const FcRow *row);
static void refuse_keys_of_constraint(const FcRow *row);
static void refuse_check(const FcRow *row);
static void refuse_column(const char *what, Oid relation, AttrNumber column);
static int	hint_for_column(Oid relation, AttrNumber column);
static char generated_kind(Oid relation, AttrNumber column);

/*
 * fc_refuse_index
 *		Key columns, key expressions and the predicate.  INCLUDE columns only
 *		copy the stored bytes.
 */
void
fc_refuse_index(Oid index)
{
	FcRow		row;

	row_open(&row, IndexRelationId, IndexRelidIndexId, Anum_pg_index_indexrelid, index);
	if (row.tuple != NULL)
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(row.tuple);

		refuse_index_columns(&row);
		refuse_index_expressions(&row);
		if (form->indisunique || form->indisexclusion)
			fc_tags_refuse_mixed(form, (List *) row_expression(&row, Anum_pg_index_indexprs));
	}
	row_close(&row);
}

/*
 * fc_refuse_constraint
 *		Keys by their columns, before the index behind them is looked at,
 *		because the message is better; CHECKs by their expression.
 */
void
fc_refuse_constraint(Oid constraint)
{
	FcRow		row;

	row_open(&row, ConstraintRelationId, ConstraintOidIndexId,
			 Anum_pg_constraint_oid, constraint);
	if (row.tuple != NULL)
	{
		switch (((Form_pg_constraint) GETSTRUCT(row.tuple))->contype)
		{
			case CONSTRAINT_PRIMARY:
			case CONSTRAINT_UNIQUE:
			case CONSTRAINT_EXCLUSION:
			case CONSTRAINT_FOREIGN:
				refuse_keys_of_constraint(&row);
				break;
			case CONSTRAINT_CHECK:
				refuse_check(&row);
				break;
			default:
				break;
		}
	}
	row_close(&row);
}

/*
 * fc_refuse_statistics
 *		Extended statistics would store most common values in clear.
 */
void
fc_refuse_statistics(Oid statistics)
{
	FcRow		row;

	row_open(&row, StatisticExtRelationId, StatisticExtOidIndexId,
			 Anum_pg_statistic_ext_oid, statistics);
	if (row.tuple != NULL)
	{
		Form_pg_statistic_ext form = (Form_pg_statistic_ext) GETSTRUCT(row.tuple);
		List	   *exprs = (List *) row_expression(&row, Anum_pg_statistic_ext_stxexprs);
		ListCell   *cell;

		for (int i = 0; i < form->stxkeys.dim1; i++)
			refuse_column("a statistics object on", form->stxrelid, form->stxkeys.values[i]);

		foreach(cell, exprs)
		{
			Node	   *expr = (Node *) lfirst(cell);

			if (fc_type_contains(exprType(expr)) || fc_expr_opens(expr))
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("extended statistics cannot use values of type encrypted_text"),
						 errdetail("ANALYZE would store them in clear."),
						 errhint("Use fieldcrypt.blind_index() of a searchable column, or leave the column out.")));
		}
	}
	row_close(&row);
}

/*
 * fc_refuse_generated
 *		Defaults read no column and are free; generated columns may copy an
 *		encrypted value, not open it.  The hook names the column, not the row
 *		of pg_attrdef.
 */
void
fc_refuse_generated(Oid relation, AttrNumber column)
{
	ScanKeyData keys[2];
	FcRow		row;

	if (generated_kind(relation, column) == '\0')
		return;

	ScanKeyInit(&keys[0], Anum_pg_attrdef_adrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[1], Anum_pg_attrdef_adnum, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(column));
	row.catalog = table_open(AttrDefaultRelationId, AccessShareLock);
	row.scan = systable_beginscan(row.catalog, AttrDefaultIndexId, true, SnapshotSelf, 2, keys);
	row.tuple = systable_getnext(row.scan);
	if (row.tuple != NULL && fc_expr_opens(row_expression(&row, Anum_pg_attrdef_adbin)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("generated column \"%s\" cannot open values of type encrypted_text",
						get_attname(relation, column, false)),
				 errhint("A generated column may use fieldcrypt.blind_index(), IS NULL, or a copy of the column under the same key and search mode.")));
	row_close(&row);
}

/*
 * fc_refuse_partition_key
 *		No hook runs when a partition key is stored, so this is called after
 *		CREATE TABLE.
 */
void
fc_refuse_partition_key(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(relation));
	Form_pg_partitioned_table form;
	Datum		datum;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_partitioned_table) GETSTRUCT(tuple);
	for (int i = 0; i < form->partnatts; i++)
		refuse_column("a partition key on", relation, form->partattrs.values[i]);

	datum = SysCacheGetAttr(PARTRELID, tuple, Anum_pg_partitioned_table_partexprs, &isnull);
	if (!isnull)
	{
		List	   *exprs = (List *) stringToNode(TextDatumGetCString(datum));
		ListCell   *cell;

		foreach(cell, exprs)
		{
			Node	   *expr = (Node *) lfirst(cell);

			if (fc_type_contains(exprType(expr)) || fc_expr_opens(expr))
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("a partition key cannot open values of type encrypted_text"),
						 errhint("Partition by hash of fieldcrypt.blind_index() of a searchable column, or by another column.")));
		}
	}
	ReleaseSysCache(tuple);
}

static void
row_open(FcRow *row, Oid catalog, Oid index, AttrNumber column, Oid oid)
{
	ScanKeyData key;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	row->catalog = table_open(catalog, AccessShareLock);
	row->scan = systable_beginscan(row->catalog, index, true, SnapshotSelf, 1, &key);
	row->tuple = systable_getnext(row->scan);
}

static void
row_close(FcRow *row)
{
	systable_endscan(row->scan);
	table_close(row->catalog, AccessShareLock);
}

/* The expression in a pg_node_tree column, or NULL. */
static Node *
row_expression(const FcRow *row, AttrNumber column)
{
	bool		isnull;
	Datum		datum = heap_getattr(row->tuple, column,
									 RelationGetDescr(row->catalog), &isnull);

	return isnull ? NULL : (Node *) stringToNode(TextDatumGetCString(datum));
}

static void
refuse_index_columns(const FcRow *row)
{
	Form_pg_index form = (Form_pg_index) GETSTRUCT(row->tuple);

	for (int i = 0; i < form->indnkeyatts; i++)
		refuse_column("an index on", form->indrelid, form->indkey.values[i]);
}

static void
refuse_index_expressions(const FcRow *row)
{
	List	   *exprs = (List *) row_expression(row, Anum_pg_index_indexprs);
	ListCell   *cell;

	foreach(cell, exprs)
	{
		Node	   *expr = (Node *) lfirst(cell);

		if (fc_type_contains(exprType(expr)) || fc_expr_opens(expr))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("an index expression cannot open values of type encrypted_text"),
					 errhint("Index fieldcrypt.blind_index(column) of a searchable column instead.")));
	}

	if (fc_expr_opens(row_expression(row, Anum_pg_index_indpred)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("an index predicate cannot open values of type encrypted_text"),
				 errhint("A predicate may use fieldcrypt.blind_index(), IS NULL and IS NOT NULL.")));
}

static void
refuse_keys_of_constraint(const FcRow *row)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(row->tuple);
	const char *what = "a foreign key on";
	bool		isnull;
	Datum		datum;
	ArrayType  *keys;

	if (form->contype == CONSTRAINT_PRIMARY)
		what = "a primary key on";
	else if (form->contype == CONSTRAINT_UNIQUE)
		what = "a unique constraint on";
	else if (form->contype == CONSTRAINT_EXCLUSION)
		what = "an exclusion constraint on";

	datum = heap_getattr(row->tuple, Anum_pg_constraint_conkey,
						 RelationGetDescr(row->catalog), &isnull);
	if (isnull)
		return;
	keys = DatumGetArrayTypeP(datum);
	for (int i = 0; i < ArrayGetNItems(ARR_NDIM(keys), ARR_DIMS(keys)); i++)
		refuse_column(what, form->conrelid, ((int16 *) ARR_DATA_PTR(keys))[i]);
}

/*
 * A valid CHECK is dumped with its table and verified while the rows are
 * loaded, when no key can be had; one that is NOT VALID comes after the rows.
 */
static void
refuse_check(const FcRow *row)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(row->tuple);
	Node	   *expr;

	if (!form->convalidated)
		return;
	expr = row_expression(row, Anum_pg_constraint_conbin);
	if (!fc_expr_opens(expr))
		return;

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("check constraint \"%s\" opens values of type encrypted_text",
					NameStr(form->conname)),
			 errdetail("A dump with a valid constraint of this kind could not be restored without the key."),
			 OidIsValid(form->conrelid) ?
			 errhint("Add it by ALTER TABLE ... ADD CONSTRAINT ... CHECK (...) NOT VALID, which checks every new row.") :
			 errhint("Add it by ALTER DOMAIN ... ADD CONSTRAINT ... CHECK (...) NOT VALID, which checks every new value.")));
}

static void
refuse_column(const char *what, Oid relation, AttrNumber column)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	/* 0 is an expression, negative numbers are system columns */
	if (column <= 0)
		return;
	get_atttypetypmodcoll(relation, column, &type, &typmod, &collation);
	if (!fc_type_contains(type))
		return;

	if (!fc_type_is_direct(type))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s column \"%s\" is not supported, because its type %s contains encrypted_text",
						what, get_attname(relation, column, false), fc_type_label(type)),
				 errhint("Keep the value in a column of its own, of type encrypted_text('key', 'searchable'), and index fieldcrypt.blind_index() of that.")));

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s column \"%s\" of type encrypted_text is not supported",
					what, get_attname(relation, column, false)),
			 hint_for_column(relation, column)));
}

/* The statement to use, as far as the column's search mode allows one. */
static int
hint_for_column(Oid relation, AttrNumber column)
{
	const char *name = quote_identifier(get_attname(relation, column, false));
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(relation, column, &type, &typmod, &collation);
	(void) getBaseTypeAndTypmod(type, &typmod);
	if (typmod >= 0 && FC_TYPMOD_MODE(typmod) != 0)
		return errhint("Use the blind index: CREATE [UNIQUE] INDEX ON %s (fieldcrypt.blind_index(%s)).",
					   quote_identifier(get_rel_name(relation)), name);
	return errhint("Make the column searchable, encrypted_text('key', 'searchable'), and index fieldcrypt.blind_index(%s).",
				   name);
}

/* pg_attribute.attgenerated as the current command left it. */
static char
generated_kind(Oid relation, AttrNumber column)
{
	HeapTuple	tuple = fc_attribute_copy(relation, column);
	char		kind = '\0';

	if (HeapTupleIsValid(tuple))
	{
		kind = ((Form_pg_attribute) GETSTRUCT(tuple))->attgenerated;
		heap_freetuple(tuple);
	}
	return kind;
}
