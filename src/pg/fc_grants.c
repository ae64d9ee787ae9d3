/*-------------------------------------------------------------------------
 *
 * fc_grants.c
 *		Who may encrypt and decrypt with a key.
 *
 * A row of key_grants counts only while its role OID and its role name still
 * name one role, so that a re-created role inherits nothing and a restored
 * row of a missing role lies dormant.  What a role may do with a key is
 * remembered for the transaction, and forgotten earlier when the tables, a
 * role or a membership changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "pg/fc_compat.h"
#include "pg/fc_keyring_tables.h"

/* More (key, role) pairs than this in one transaction start over. */
#define FC_RIGHTS_MAX 4096

typedef struct RightsTag
{
	FcKeyId		key_id;
	Oid			role;
} RightsTag;

typedef struct Rights
{
	RightsTag	tag;			/* MUST BE FIRST */
	int			held;			/* FcPrivilege bits */
} Rights;

static HTAB *rights = NULL;
static FcReadStamp rights_read = {0};

/* Start over if what is remembered may be out of date; see keyring_begin. */
static void
rights_begin(void)
{
	HASHCTL		ctl;

	AcceptInvalidationMessages();
	if (rights != NULL && fc_stamp_fresh(&rights_read) &&
		hash_get_num_entries(rights) < FC_RIGHTS_MAX)
		return;
	if (rights != NULL)
		hash_destroy(rights);
	rights = NULL;
	ctl.keysize = sizeof(RightsTag);
	ctl.entrysize = sizeof(Rights);
	ctl.hcxt = TopMemoryContext;
	rights = hash_create("fieldcrypt grants", 16, &ctl,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	fc_stamp_take(&rights_read);
}

/* Do this OID and this name still belong to one role? */
static bool
role_is(Oid role, const char *name)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		same;

	if (!HeapTupleIsValid(tuple))
		return false;
	same = strcmp(NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname), name) == 0;
	ReleaseSysCache(tuple);
	return same;
}

/* What one row of key_grants gives the role; 0 if nothing. */
static int
row_gives(HeapTuple row, TupleDesc desc, Oid role)
{
	char		privilege[16];
	const char *grantee;
	Oid			grantee_oid;
	bool		isnull;
	Datum		value;

	value = heap_getattr(row, Anum_fc_key_grants_grantee_oid, desc, &isnull);
	if (isnull)
		return 0;
	grantee_oid = DatumGetObjectId(value);
	value = heap_getattr(row, Anum_fc_key_grants_grantee, desc, &isnull);
	if (isnull ||
		!fc_row_text(row, desc, Anum_fc_key_grants_privilege, privilege, sizeof(privilege)))
		return 0;
	grantee = NameStr(*DatumGetName(value));

	if (!OidIsValid(grantee_oid))
	{
		if (strcmp(grantee, FC_GRANTEE_PUBLIC) != 0)
			return 0;
	}
	else if (!OidIsValid(role) || !role_is(grantee_oid, grantee) ||
			 !is_member_of_role_nosuper(role, grantee_oid))
		return 0;

	if (strcmp(privilege, "decrypt") == 0)
		return FC_PRIV_DECRYPT | FC_PRIV_ENCRYPT;
	return strcmp(privilege, "encrypt") == 0 ? FC_PRIV_ENCRYPT : 0;
}

/* All that the role holds on the keys of this name. */
static int
read_rights(const char *name, Oid role)
{
	const FcKeyringOids *oids = fc_keyring_oids();
	Oid			index = oids->grants_pkey;
	Relation	rel = try_table_open(oids->grants, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	row;
	int			held = 0;

	if (rel == NULL)
		return 0;
	if (RelationGetNumberOfAttributes(rel) >= Natts_fc_key_grants)
	{
		Datum		wanted = CStringGetTextDatum(name);

		ScanKeyInit(&key, Anum_fc_key_grants_key, BTEqualStrategyNumber, F_TEXTEQ, wanted);
		key.sk_collation = C_COLLATION_OID;
		scan = systable_beginscan(rel, index, true, NULL, 1, &key);
		while (HeapTupleIsValid(row = systable_getnext(scan)))
			held |= row_gives(row, RelationGetDescr(rel), role);
		systable_endscan(scan);
		pfree(DatumGetPointer(wanted));
	}
	table_close(rel, AccessShareLock);
	return held;
}

bool
fc_keyring_permits(const FcKey *key, Oid role, FcPrivilege privilege)
{
	RightsTag	tag;
	Rights	   *entry;
	char		name[FC_KEY_NAME_MAX];
	int			held;

	if (!fc_keyring_usable())
		return false;
	memset(&tag, 0, sizeof(tag));
	tag.key_id = key->key_id;
	tag.role = role;
	rights_begin();
	entry = hash_search(rights, &tag, HASH_FIND, NULL);
	if (entry != NULL)
		return (entry->held & privilege) != 0;

	strlcpy(name, key->name, sizeof(name));
	held = read_rights(name, role);
	entry = hash_search(rights, &tag, HASH_ENTER, NULL);
	entry->held = held;
	return (held & privilege) != 0;
}

/*
 * Who logged in.  Known wherever a transaction can run: parallel workers
 * connect as, and then adopt, the leader's (ParallelWorkerMain); background
 * workers without a user, autovacuum and single-user mode are the bootstrap
 * superuser, who has no more than anybody else.  Should a process ever be
 * without, the session user stands in.
 */
static Oid
authenticated_user(void)
{
	Oid			login = GetAuthenticatedUserId();

	return OidIsValid(login) ? login : GetSessionUserId();
}

/*
 * fc_keyring_may
 *		SET ROLE and SECURITY DEFINER lend a superuser nothing: whoever logged
 *		in as one needs a grant of his own as well.
 */
bool
fc_keyring_may(const FcKey *key, FcPrivilege privilege)
{
	Oid			user = GetUserId();
	Oid			login = authenticated_user();

	if (!fc_keyring_permits(key, user, privilege))
		return false;
	if (!OidIsValid(login) || login == user || !superuser_arg(login))
		return true;
	return fc_keyring_permits(key, login, privilege);
}
