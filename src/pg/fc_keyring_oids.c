/*-------------------------------------------------------------------------
 *
 * fc_keyring_oids.c
 *		Where the extension's tables and type are, and when what was read from
 *		them is out of date.
 *
 * OIDs are remembered per backend, but only complete answers: "not there" is
 * looked up again each time, which costs a probe of the syscache's negative
 * entries, so that CREATE EXTENSION needs no message of its own.
 *
 * One counter, the generation, moves on every invalidation message that may
 * concern the key tables or roles.  Callbacks run at awkward moments (within
 * a scan of these very tables, in a process without a transaction): they
 * only move counters and clear flags.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "pg/fc_compat.h"
#include "pg/fc_keyring_tables.h"

static FcKeyringOids table_oids;
static bool table_oids_valid = false;
static Oid	type_oid = InvalidOid;
static Oid	extension_oid = InvalidOid;
static uint64 generation = 1;

static void
relation_changed(Datum arg, Oid relid)
{
	if (!table_oids_valid || !OidIsValid(relid) || relid == table_oids.keys ||
		relid == table_oids.versions || relid == table_oids.grants)
	{
		generation++;
		table_oids_valid = false;
	}
}

static void
namespace_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	generation++;
	table_oids_valid = false;
	extension_oid = InvalidOid;
}

static void
type_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	type_oid = InvalidOid;
}

/* A role renamed, dropped, or made a member of another: grants may differ. */
static void
role_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	generation++;
}

void
fc_keyring_oids_init(void)
{
	static bool registered = false;

	if (registered)
		return;
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, namespace_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, type_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, role_changed, (Datum) 0);
	registered = true;
}

/* For how long the next transactions may use what this one read. */
#define FC_STAMP_USECS INT64CONST(1000000)

void
fc_stamp_take(FcReadStamp *stamp)
{
	stamp->generation = generation;
	stamp->lxid = fc_current_lxid();
	stamp->at = GetCurrentTimestamp();
}

bool
fc_stamp_fresh(const FcReadStamp *stamp)
{
	TimestampTz begun;

	if (stamp->generation != generation)
		return false;
	if (stamp->lxid == fc_current_lxid())
		return true;
	/* a clock set back does not make anything fresher */
	begun = GetCurrentTransactionStartTimestamp();
	return begun >= stamp->at && begun - stamp->at < FC_STAMP_USECS;
}

void
fc_keyring_forget(void)
{
	generation++;
}

const FcKeyringOids *
fc_keyring_oids(void)
{
	FcKeyringOids found;
	Oid			schema;

	if (table_oids_valid)
		return &table_oids;
	schema = get_namespace_oid("fieldcrypt", true);
	if (!OidIsValid(schema))
		return NULL;
	found.keys = get_relname_relid("keys", schema);
	found.keys_pkey = get_relname_relid("keys_pkey", schema);
	found.versions = get_relname_relid("key_versions", schema);
	found.versions_pkey = get_relname_relid("key_versions_pkey", schema);
	found.grants = get_relname_relid("key_grants", schema);
	found.grants_pkey = get_relname_relid("key_grants_pkey", schema);
	if (!OidIsValid(found.keys) || !OidIsValid(found.keys_pkey) ||
		!OidIsValid(found.versions) || !OidIsValid(found.versions_pkey) ||
		!OidIsValid(found.grants) || !OidIsValid(found.grants_pkey))
		return NULL;
	table_oids = found;
	table_oids_valid = true;
	return &table_oids;
}

/*
 * fc_keyring_usable
 *		IsTransactionState() is already false in an aborted transaction; the
 *		block state is asked as well because a procedure or a cursor may call
 *		us on the way out of one.
 */
bool
fc_keyring_usable(void)
{
	return OidIsValid(MyDatabaseId) && IsTransactionState() &&
		!IsAbortedTransactionBlockState() && !HistoricSnapshotActive() &&
		fc_keyring_oids() != NULL;
}

Oid
fc_keyring_table(const char *name)
{
	const FcKeyringOids *oids;

	if (!OidIsValid(MyDatabaseId) || !IsTransactionState() ||
		HistoricSnapshotActive())
		return InvalidOid;
	oids = fc_keyring_oids();
	if (oids == NULL)
		return InvalidOid;
	if (strcmp(name, "keys") == 0)
		return oids->keys;
	if (strcmp(name, "key_versions") == 0)
		return oids->versions;
	if (strcmp(name, "key_grants") == 0)
		return oids->grants;
	return InvalidOid;
}

Oid
fc_type_oid(void)
{
	if (!OidIsValid(type_oid) && OidIsValid(MyDatabaseId) && IsTransactionState())
		type_oid = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
								   CStringGetDatum("encrypted_text"),
								   ObjectIdGetDatum(PG_CATALOG_NAMESPACE));
	return type_oid;
}

/*
 * fc_extension_oid
 *		pg_extension has no syscache before PostgreSQL 18; the extension comes
 *		and goes with its schema, whose messages clear what is remembered.
 */
Oid
fc_extension_oid(void)
{
	if (!OidIsValid(extension_oid) && OidIsValid(MyDatabaseId) && IsTransactionState())
		extension_oid = get_extension_oid("fieldcrypt", true);
	return extension_oid;
}
