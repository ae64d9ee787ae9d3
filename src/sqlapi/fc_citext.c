/*-------------------------------------------------------------------------
 *
 * fc_citext.c
 *		An explicit cast from encrypted_text to citext.
 *
 * Without a row in pg_cast, PostgreSQL assigns the one to the other by I/O,
 * and plaintext would land in citext columns without anybody having asked.
 *
 * The cast belongs to neither extension: as a member of one it would hinder
 * dropping the other.  It depends on both types automatically, so that
 * dropping either takes it along.  pg_dump therefore writes a CREATE CAST,
 * which fails on nothing: where the cast exists already the utility hook
 * skips the command, and where it does not the dependencies are made
 * automatic afterwards.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_cast.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "pg/fc_keyring.h"
#include "sqlapi/fc_hooks.h"

/*---- Function declarations ----*/

static Oid	citext_oid(void);
static Oid	cast_oid(Oid source, Oid target);

void
fc_citext_cast_add(void)
{
	Oid			source;
	Oid			target;

	CommandCounterIncrement();
	source = fc_type_oid();
	target = citext_oid();
	if (!OidIsValid(source) || !OidIsValid(target) || OidIsValid(cast_oid(source, target)))
		return;
	(void) fc_cast_create_inout(source, target, COERCION_CODE_EXPLICIT, DEPENDENCY_AUTO);
	CommandCounterIncrement();
}

/* Is it CREATE CAST (encrypted_text AS citext) WITH INOUT, explicit? */
bool
fc_citext_cast_named(const CreateCastStmt *stmt)
{
	Oid			source;
	Oid			target;

	if (!stmt->inout || stmt->context != COERCION_EXPLICIT)
		return false;
	source = LookupTypeNameOid(NULL, stmt->sourcetype, true);
	if (!OidIsValid(source) || source != fc_type_oid())
		return false;
	target = LookupTypeNameOid(NULL, stmt->targettype, true);
	return OidIsValid(target) && target == citext_oid();
}

bool
fc_citext_cast_exists(void)
{
	return OidIsValid(cast_oid(fc_type_oid(), citext_oid()));
}

/* Turn the dependencies of a cast that a dump has made into automatic ones. */
void
fc_citext_cast_tie(void)
{
	ObjectAddress cast;
	ObjectAddress type;

	CommandCounterIncrement();
	ObjectAddressSet(cast, CastRelationId, cast_oid(fc_type_oid(), citext_oid()));
	if (!OidIsValid(cast.objectId))
		return;
	(void) deleteDependencyRecordsFor(CastRelationId, cast.objectId, true);
	ObjectAddressSet(type, TypeRelationId, fc_type_oid());
	recordDependencyOn(&cast, &type, DEPENDENCY_AUTO);
	ObjectAddressSet(type, TypeRelationId, citext_oid());
	recordDependencyOn(&cast, &type, DEPENDENCY_AUTO);
	CommandCounterIncrement();
}

/* The type of that name in the schema of the extension citext. */
static Oid
citext_oid(void)
{
	Relation	catalog = table_open(ExtensionRelationId, AccessShareLock);
	Oid			schema = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("citext"));
	scan = systable_beginscan(catalog, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);

	if (!OidIsValid(schema))
		return InvalidOid;
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum("citext"), ObjectIdGetDatum(schema));
}

static Oid
cast_oid(Oid source, Oid target)
{
	return GetSysCacheOid2(CASTSOURCETARGET, Anum_pg_cast_oid,
						   ObjectIdGetDatum(source), ObjectIdGetDatum(target));
}
