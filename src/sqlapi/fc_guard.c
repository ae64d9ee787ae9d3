/*-------------------------------------------------------------------------
 *
 * fc_guard.c
 *		The trigger on the key tables: who may write them, and telling every
 *		backend that they were written.
 *
 * Privileges alone do not protect the tables: pg_write_all_data writes every
 * table, and one grant row is as good as a decrypt privilege.  So rows come
 * from fieldcrypt's own functions, or, INSERT only, from whoever restores: a
 * superuser, the extension's owner or the database's owner; or, as one of
 * these, from a subscription.  Nobody deletes a version that is not
 * destroyed, and nobody truncates.
 *
 * The triggers are ENABLE ALWAYS: they fire in a logical replication worker
 * and under session_replication_role = replica.  They send the relcache
 * invalidation that makes backends, on standbys too, read again.  ENABLE
 * TRIGGER, with which pg_restore --disable-triggers ends, would leave them as
 * triggers that fire in ordinary sessions only; they are made ALWAYS again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/fc_limits.h"
#include "pg/fc_compat.h"
#include "pg/fc_keyring_tables.h"
#include "pg/fc_report.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_guard.h"

PG_FUNCTION_INFO_V1(fc_guard_key_tables);

static int	guard_depth = 0;

static HeapTuple guard_row(TriggerData *trigdata);
static void check_key_row(Relation rel, HeapTuple row);
static void check_version_row(Relation rel, HeapTuple row);
static void check_version_delete(Relation rel, HeapTuple row);
static HeapTuple fill_grantee(Relation rel, HeapTuple row);

void
fc_guard_enter(void)
{
	guard_depth++;
}

void
fc_guard_leave(void)
{
	guard_depth--;
}

/* May the current user bring rows back: a dump's COPY or INSERT? */
static bool
may_restore(void)
{
	Oid			user = GetUserId();
	Oid			extension = fc_extension_oid();

	return superuser_arg(user) ||
		fc_ownercheck(DatabaseRelationId, MyDatabaseId, user) ||
		(OidIsValid(extension) && fc_ownercheck(ExtensionRelationId, extension, user));
}

static void
refuse(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("table \"%s.%s\" is written only by fieldcrypt's functions and by a restore",
					"fieldcrypt", RelationGetRelationName(rel)),
			 errhint("Use the functions and procedures of schema fieldcrypt, such as create_key, import_keyring, rotate_key, rewrap_keyring, move_key, destroy_key, set_rotation, lock_key, grant_key and revoke_key.")));
}

Datum
fc_guard_key_tables(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TriggerEvent event;
	Relation	rel;
	HeapTuple	result = NULL;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager",
						"guard_key_tables")));
	event = trigdata->tg_event;
	rel = trigdata->tg_relation;
	if (!TRIGGER_FIRED_BEFORE(event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired before the event",
						"guard_key_tables")));
	if (TRIGGER_FIRED_FOR_STATEMENT(event))
	{
		if (TRIGGER_FIRED_BY_TRUNCATE(event))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("table \"%s.%s\" cannot be truncated",
							"fieldcrypt", RelationGetRelationName(rel)),
					 RelationGetRelid(rel) == fc_keyring_table("key_grants") ?
					 errhint("Use fieldcrypt.revoke_key().") :
					 errdetail("Values encrypted under a key that is gone cannot be read by anybody.")));
		return PointerGetDatum(NULL);
	}

	result = guard_row(trigdata);
	CacheInvalidateRelcacheByRelid(RelationGetRelid(rel));
	return PointerGetDatum(result);
}

/* Check one row of the event and return the row to go on with. */
static HeapTuple
guard_row(TriggerData *trigdata)
{
	Relation	rel = trigdata->tg_relation;
	Oid			relid = RelationGetRelid(rel);
	bool		is_insert = TRIGGER_FIRED_BY_INSERT(trigdata->tg_event);
	bool		is_delete = TRIGGER_FIRED_BY_DELETE(trigdata->tg_event);
	HeapTuple	row = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ?
		trigdata->tg_newtuple : trigdata->tg_trigtuple;

	/*
	 * A publication of all tables carries the publisher's keyring along.  What
	 * is done to keys there must not stop the subscription here.
	 */
	if (guard_depth == 0 && !((is_insert || IsLogicalWorker()) && may_restore()))
		refuse(rel);

	if (relid == fc_keyring_table("keys"))
	{
		if (is_insert)
			check_key_row(rel, row);
	}
	else if (relid == fc_keyring_table("key_versions"))
	{
		if (is_delete)
			check_version_delete(rel, row);
		else
			check_version_row(rel, row);
	}
	else if (relid == fc_keyring_table("key_grants"))
	{
		if (!is_delete)
			row = fill_grantee(rel, row);
	}
	return row;
}

/* Does another row, also one not yet committed, hold the prefix for another name? */
static void
check_prefix_free(Relation rel, const char *name, uint32 prefix)
{
	const FcKeyringOids *oids = fc_keyring_oids();
	FcKeyId		low = fc_key_id_make(prefix, 0);
	FcKeyId		high = fc_key_id_make(prefix, 0xfffff);
	FcKeyIdDatum low_space;
	FcKeyIdDatum high_space;
	SnapshotData dirty;
	ScanKeyData scankey[2];
	SysScanDesc scan;
	HeapTuple	other;
	char		other_name[FC_KEY_NAME_MAX];

	if (oids == NULL)
		return;
	/* rows of this very COPY too, which no MVCC snapshot shows yet */
	InitDirtySnapshot(dirty);
	ScanKeyInit(&scankey[0], Anum_fc_keys_key_id, BTGreaterEqualStrategyNumber, F_BYTEAGE,
				fc_key_id_datum(&low, &low_space));
	ScanKeyInit(&scankey[1], Anum_fc_keys_key_id, BTLessEqualStrategyNumber, F_BYTEALE,
				fc_key_id_datum(&high, &high_space));
	scan = systable_beginscan(rel, oids->keys_pkey, true, &dirty, 2, scankey);
	while (HeapTupleIsValid(other = systable_getnext(scan)))
	{
		if (fc_row_text(other, RelationGetDescr(rel), Anum_fc_keys_name,
						other_name, sizeof(other_name)) &&
			strcmp(other_name, name) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("key name \"%s\" cannot be used beside key \"%s\"", name, other_name),
					 errdetail("Columns would take one for the other: the first 28 bits of the names' hashes are the same."),
					 errhint("Choose another name.")));
	}
	systable_endscan(scan);
}

/*
 * A key's identity must be made of its name, and its prefix must not be
 * another name's: otherwise a column of one key would be encrypted under the
 * other.  What the table's constraints refuse anyway is left to them.
 */
static void
check_key_row(Relation rel, HeapTuple row)
{
	TupleDesc	desc = RelationGetDescr(rel);
	char		name[FC_KEY_NAME_MAX];
	FcKeyId		key_id;
	FcStatus	status;
	uint32		prefix;

	if (!fc_row_text(row, desc, Anum_fc_keys_name, name, sizeof(name)) ||
		!fc_row_key_id(row, desc, Anum_fc_keys_key_id, &key_id))
		return;
	status = fc_key_prefix(name, strlen(name), &prefix);
	if (status != FC_OK)
		fc_report_internal(status);
	if (prefix == 0 || fc_key_id_prefix(&key_id) != prefix)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("key \"%s\" has an identity that is not made of its name", name),
				 errdetail("The first 28 bits of a key_id are those of the hash of the name.")));
	check_prefix_free(rel, name, prefix);
}

static int
column_bytes(HeapTuple row, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = heap_getattr(row, column, desc, &isnull);

	return isnull ? 0 : (int) toast_raw_datum_size(value) - VARHDRSZ;
}

/* What would not fit into the key cache is refused here, not found out later. */
static void
check_version_row(Relation rel, HeapTuple row)
{
	static const struct
	{
		int			column;
		const char *name;
		int			max;
	}			limits[] = {
		{Anum_fc_key_versions_provider, "provider", FC_KMS_NAME_MAX - 1},
		{Anum_fc_key_versions_kms_key, "kms_key", FC_KMS_KEY_MAX - 1},
		{Anum_fc_key_versions_wrapped, "wrapped", FC_KMS_BLOB_MAX},
		{Anum_fc_key_versions_old_provider, "old_provider", FC_KMS_NAME_MAX - 1},
		{Anum_fc_key_versions_old_kms_key, "old_kms_key", FC_KMS_KEY_MAX - 1},
		{Anum_fc_key_versions_old_wrapped, "old_wrapped", FC_KMS_BLOB_MAX},
	};
	int			i;

	for (i = 0; i < lengthof(limits); i++)
	{
		if (column_bytes(row, RelationGetDescr(rel), limits[i].column) > limits[i].max)
			ereport(ERROR,
					(errcode(ERRCODE_CHECK_VIOLATION),
					 errmsg("column \"%s\" of a key version is too long", limits[i].name),
					 errdetail("It holds at most %d bytes.", limits[i].max)));
	}
}

static void
check_version_delete(Relation rel, HeapTuple row)
{
	char		state[16];

	if (fc_row_text(row, RelationGetDescr(rel), Anum_fc_key_versions_state,
					state, sizeof(state)) &&
		strcmp(state, "destroyed") == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a key version that is not destroyed cannot be deleted"),
			 errdetail("Values encrypted under it could not be read by anybody.")));
}

/*
 * The OID that the grantee's name stands for here and now.  A restore may
 * name roles that do not exist (yet): their grants lie dormant, since a role
 * made later under that name may be somebody else's.
 */
static HeapTuple
fill_grantee(Relation rel, HeapTuple row)
{
	TupleDesc	desc = RelationGetDescr(rel);
	int			column = Anum_fc_key_grants_grantee_oid;
	char		key[FC_KEY_NAME_MAX];
	const char *grantee;
	bool		isnull;
	Datum		value;
	Oid			role = InvalidOid;

	value = heap_getattr(row, Anum_fc_key_grants_grantee, desc, &isnull);
	if (isnull)
		return row;
	grantee = NameStr(*DatumGetName(value));
	isnull = false;
	if (strcmp(grantee, FC_GRANTEE_PUBLIC) != 0)
	{
		role = get_role_oid(grantee, true);
		isnull = !OidIsValid(role);
	}
	if (isnull)
	{
		if (!fc_row_text(row, desc, Anum_fc_key_grants_key, key, sizeof(key)))
			key[0] = '\0';
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("grant on key \"%s\" to role \"%s\" is inactive: the role does not exist",
						key, grantee),
				 errhint("Create the role, then use fieldcrypt.grant_key().")));
	}
	value = ObjectIdGetDatum(role);
	return heap_modify_tuple_by_cols(row, desc, 1, &column, &value, &isnull);
}

/* The triggers of one key table that are enabled become ENABLE ALWAYS. */
static void
make_always(Oid relation)
{
	Relation	catalog = table_open(TriggerRelationId, RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		changed = false;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);

		if (form->tgisinternal || form->tgenabled != TRIGGER_FIRES_ON_ORIGIN ||
			(strcmp(NameStr(form->tgname), "guard_rows") != 0 &&
			 strcmp(NameStr(form->tgname), "guard_truncate") != 0))
			continue;
		tuple = heap_copytuple(tuple);
		((Form_pg_trigger) GETSTRUCT(tuple))->tgenabled = TRIGGER_FIRES_ALWAYS;
		CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
		changed = true;
	}
	systable_endscan(scan);
	table_close(catalog, RowExclusiveLock);
	if (changed)
		CacheInvalidateRelcacheByRelid(relation);
}

void
fc_guard_altered(const AlterTableStmt *stmt)
{
	static const char *const tables[] = {"keys", "key_versions", "key_grants"};
	bool		enabled = false;
	Oid			relation;
	ListCell   *cell;
	int			i;

	foreach(cell, stmt->cmds)
	{
		AlterTableType command = ((AlterTableCmd *) lfirst(cell))->subtype;

		enabled |= command == AT_EnableTrig || command == AT_EnableTrigAll ||
			command == AT_EnableTrigUser;
	}
	if (!enabled)
		return;
	relation = RangeVarGetRelid(stmt->relation, NoLock, true);
	for (i = 0; OidIsValid(relation) && i < lengthof(tables); i++)
	{
		if (relation == fc_keyring_table(tables[i]))
		{
			CommandCounterIncrement();
			make_always(relation);
		}
	}
}

/*
 * fc_grants_role_dropped
 *		Runs inside DROP ROLE: no SPI, no trigger, so it sends the invalidation
 *		itself.  Rows in other databases stay; their OID names nobody any more.
 */
void
fc_grants_role_dropped(Oid role)
{
	const FcKeyringOids *oids = fc_keyring_usable() ? fc_keyring_oids() : NULL;
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData scankey;
	HeapTuple	row;
	bool		changed = false;

	if (oids == NULL || !OidIsValid(role))
		return;
	rel = try_table_open(oids->grants, RowExclusiveLock);
	if (rel == NULL)
		return;
	ScanKeyInit(&scankey, Anum_fc_key_grants_grantee_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(role));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &scankey);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		simple_heap_delete(rel, &row->t_self);
		changed = true;
	}
	systable_endscan(scan);
	if (changed)
		CacheInvalidateRelcacheByRelid(RelationGetRelid(rel));
	table_close(rel, NoLock);
}
