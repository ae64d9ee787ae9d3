/*-------------------------------------------------------------------------
 *
 * fc_tags.c
 *		What is built on the tags of a searchable column: indexes, generated
 *		columns, foreign keys, partitions.
 *
 * An index may read the tags itself, by an expression, or a generated column
 * that does.  What else a generated column is made of does not matter: it is
 * taken to change when the tags do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_class.h"
#include "nodes/bitmapset.h"
#include "optimizer/optimizer.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "pg/fc_compat.h"
#include "pg/fc_keyring.h"
#include "sqlapi/fc_sqlapi.h"
#include "sqlapi/fc_tags.h"

#define MEMBER(attnum) ((attnum) - FirstLowInvalidHeapAttributeNumber)

bool
fc_tags_possible(const FcWalkColumn *column)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (!column->direct)
		return true;
	get_atttypetypmodcoll(column->relation, column->attnum, &type, &typmod, &collation);
	(void) getBaseTypeAndTypmod(type, &typmod);
	return typmod < 0 || FC_TYPMOD_MODE(typmod) != FC_MODE_NONE;
}

/* The column and the generated columns that read it, as pull_varattnos has them. */
static Bitmapset *
columns_of_tags(Relation rel, AttrNumber attnum)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Bitmapset  *result = bms_make_singleton(MEMBER(attnum));
	int			i;

	for (i = 0; desc->constr != NULL && i < desc->constr->num_defval; i++)
	{
		const AttrDefault *def = &desc->constr->defval[i];
		Bitmapset  *used = NULL;

		if (!TupleDescAttr(desc, def->adnum - 1)->attgenerated)
			continue;
		pull_varattnos(stringToNode(def->adbin), 1, &used);
		if (bms_is_member(MEMBER(attnum), used))
			result = bms_add_member(result, MEMBER(def->adnum));
	}
	return result;
}

/* Does a key column of the index depend on one of the table's columns? */
static bool
index_reads(Form_pg_index form, List *expressions, const Bitmapset *columns)
{
	Bitmapset  *used = NULL;
	int			i;

	pull_varattnos((Node *) expressions, 1, &used);
	for (i = 0; i < form->indnkeyatts; i++)
	{
		if (form->indkey.values[i] != 0)
			used = bms_add_member(used, MEMBER(form->indkey.values[i]));
	}
	return bms_overlap(used, columns);
}

char *
fc_tags_unique_index(const FcWalkColumn *column)
{
	Relation	rel = fc_walk_open(column, AccessShareLock);
	Bitmapset  *columns;
	char	   *name = NULL;
	ListCell   *cell;

	if (rel == NULL)
		return NULL;
	columns = columns_of_tags(rel, column->attnum);
	foreach(cell, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if ((index->rd_index->indisunique || index->rd_index->indisexclusion) &&
			index_reads(index->rd_index, RelationGetIndexExpressions(index), columns))
			name = pstrdup(RelationGetRelationName(index));
		index_close(index, AccessShareLock);
	}
	relation_close(rel, AccessShareLock);
	return name;
}

/* ---- what cannot follow ---- */

static bool
array_overlaps(HeapTuple tuple, AttrNumber attribute, TupleDesc desc, const Bitmapset *columns)
{
	bool		isnull;
	Datum		datum = heap_getattr(tuple, attribute, desc, &isnull);
	ArrayType  *keys;
	int			i;

	if (isnull)
		return false;
	keys = DatumGetArrayTypeP(datum);
	for (i = 0; i < ArrayGetNItems(ARR_NDIM(keys), ARR_DIMS(keys)); i++)
	{
		if (bms_is_member(MEMBER(((int16 *) ARR_DATA_PTR(keys))[i]), columns))
			return true;
	}
	return false;
}

static void
refuse_foreign_keys(Relation rel, const FcWalkColumn *column)
{
	Bitmapset  *columns = columns_of_tags(rel, column->attnum);
	Relation	catalog = table_open(ConstraintRelationId, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(catalog);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);

		if (form->contype != CONSTRAINT_FOREIGN)
			continue;
		if ((form->conrelid == column->relation &&
			 array_overlaps(tuple, Anum_pg_constraint_conkey, desc, columns)) ||
			(form->confrelid == column->relation &&
			 array_overlaps(tuple, Anum_pg_constraint_confkey, desc, columns)))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("tags of %s cannot be changed because of foreign key \"%s\"",
							fc_walk_label(column), NameStr(form->conname)),
					 errhint("Drop the foreign key first.")));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

static void
refuse_partition_keys(const FcWalkColumn *column)
{
	ListCell   *cell;

	foreach(cell, get_partition_ancestors(column->relation))
	{
		Relation	parent = relation_open(lfirst_oid(cell), AccessShareLock);
		AttrNumber	attnum = get_attnum(lfirst_oid(cell), column->name);
		PartitionKey key = RelationGetPartitionKey(parent);
		Bitmapset  *used = NULL;

		if (key != NULL)
			pull_varattnos((Node *) key->partexprs, 1, &used);
		if (attnum > 0 && bms_is_member(MEMBER(attnum), used))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("tags of %s cannot be changed because they are in the partition key of \"%s\"",
							fc_walk_label(column), RelationGetRelationName(parent)),
					 errdetail("Rows would have to move to other partitions."),
					 errhint("Copy the rows into a table that is partitioned by another column.")));
		relation_close(parent, AccessShareLock);
	}
}

void
fc_tags_refuse_change(const FcWalkColumn *column)
{
	Relation	rel = fc_walk_open(column, AccessShareLock);

	if (rel == NULL)
		return;
	refuse_foreign_keys(rel, column);
	if (rel->rd_rel->relispartition)
		refuse_partition_keys(column);
	relation_close(rel, AccessShareLock);
}

/* ---- making a unique index ---- */

/* Values whose tags a walk has yet to rewrite. */
static int
count_old_tags(const FcWalkColumn *column)
{
	FcMover		look;

	memset(&look, 0, sizeof(look));
	look.retag = look.dry = true;
	look.mode = FC_MODE_KEEP;
	PushActiveSnapshot(GetLatestSnapshot());
	fc_walk_scan(column, fc_walk_move, &look);
	PopActiveSnapshot();
	return look.moved;
}

static void
refuse_mixed_column(const FcWalkColumn *column, uint32 prefix)
{
	uint16		versions[FC_INDEX_VERSIONS_MAX];
	const FcKey *key;

	/* activating a version waits until this index can be seen */
	LockRelationOid(fc_keyring_table("key_versions"), RowShareLock);
	key = fc_keyring_by_prefix(prefix);
	if (key == NULL || fc_keyring_index_versions(key, FC_INDEX_STORED, versions) < 2 ||
		count_old_tags(column) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a unique index over the tags of %s cannot be made now", fc_walk_label(column)),
			 errdetail("The index key of \"%s\" is being rotated: a duplicate with another version's tag would not be noticed.",
					   fc_prefix_label(prefix)),
			 errhint("Call fieldcrypt.rotate_index_key(%s) until it has finished.",
					 quote_literal_cstr(fc_prefix_label(prefix)))));
}

/* The index's own row cannot be found by anybody yet, so the caller has it. */
void
fc_tags_refuse_mixed(Form_pg_index index, List *expressions)
{
	Relation	rel;
	ListCell   *cell;

	if (!fc_keyring_usable())
		return;
	rel = relation_open(index->indrelid, NoLock);
	foreach(cell, fc_walk_own_columns(index->indrelid))
	{
		FcWalkColumn *column = lfirst(cell);
		Oid			type;
		int32		typmod;
		Oid			collation;

		get_atttypetypmodcoll(index->indrelid, column->attnum, &type, &typmod, &collation);
		(void) getBaseTypeAndTypmod(type, &typmod);
		if (column->direct && typmod >= 0 && FC_TYPMOD_MODE(typmod) != FC_MODE_NONE &&
			index_reads(index, expressions, columns_of_tags(rel, column->attnum)))
			refuse_mixed_column(column, FC_TYPMOD_PREFIX(typmod));
	}
	relation_close(rel, NoLock);
}
