/*-------------------------------------------------------------------------
 *
 * fc_keyring.c
 *		The backend's copy of the key tables.
 *
 * Rows are read by systable scans with a NULL snapshot, which is fresh for
 * every scan, needs no snapshot of the caller's, and sees what this
 * transaction did up to its current command: I/O functions run where SPI may
 * not (fetching from a held cursor, Bind, parallel workers).
 *
 * The copy lives in one memory context and is never repaired, only dropped
 * whole: when it is stale, or when the generation moved (fc_stamp_fresh).  So
 * an entry that is there is valid, and the hot path is one hash probe.  The context dropped is kept until the next one is
 * dropped, so that a pointer handed out survives one re-read.
 *
 * Absence is remembered as well: a column of values of a foreign keyring
 * costs one scan per key, not one per value.
 *
 * Nothing here raises because of what a row says: a row that cannot be used
 * (column too long for shared memory, unknown state) is as good as absent,
 * since type output must never fail for a catalogue reason.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "crypto/fc_crypto.h"
#include "pg/fc_compat.h"
#include "pg/fc_keycache.h"
#include "pg/fc_keyring_tables.h"
#include "pg/fc_report.h"
#include "pg/fc_shmem.h"

/* More keys than this in one transaction start over: bounds what a flood of
 * made-up key_ids can allocate. */
#define FC_KEYRING_MAX 4096

typedef struct KeyEntry
{
	FcKey		key;			/* MUST BE FIRST: key.key_id is the hash key */
	bool		present;		/* false: remembered as absent */
	uint16		last_version[FC_PURPOSE_INDEX + 1];	/* highest number, by purpose */
	int			nversions;
	FcKeyVersion *versions;		/* by purpose and version, unusable rows left out */
} KeyEntry;

typedef struct PrefixEntry
{
	uint32		prefix;			/* MUST BE FIRST */
	bool		present;
	FcKeyId		key_id;			/* the one that writes */
} PrefixEntry;

static MemoryContext keyring_context = NULL;
static MemoryContext retired_context = NULL;
static HTAB *keys_by_id = NULL;
static HTAB *keys_by_prefix = NULL;
static FcReadStamp cached = {0};

static KeyEntry *find_or_read(const FcKeyId *key_id);
static PrefixEntry *read_prefix(uint32 prefix);

void
fc_keyring_init(void)
{
	fc_keyring_oids_init();
}

/* ---- columns of rows ---- */

Datum
fc_key_id_datum(const FcKeyId *key_id, FcKeyIdDatum *space)
{
	SET_VARSIZE(&space->header, sizeof(space->space));
	memcpy(VARDATA(&space->header), key_id->bytes, FC_KEY_ID_BYTES);
	return PointerGetDatum(&space->header);
}

bool
fc_row_bytes(HeapTuple row, TupleDesc desc, int column, void *out, Size size, int *length)
{
	bool		isnull;
	Datum		value = heap_getattr(row, column, desc, &isnull);
	struct varlena *packed;
	bool		fits;

	if (isnull)
		return false;
	packed = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(value));
	fits = VARSIZE_ANY_EXHDR(packed) <= size;
	if (fits)
	{
		*length = VARSIZE_ANY_EXHDR(packed);
		memcpy(out, VARDATA_ANY(packed), *length);
	}
	if ((Pointer) packed != DatumGetPointer(value))
		pfree(packed);
	return fits;
}

bool
fc_row_text(HeapTuple row, TupleDesc desc, int column, char *out, Size size)
{
	int			length;

	if (!fc_row_bytes(row, desc, column, out, size - 1, &length))
		return false;
	out[length] = '\0';
	return true;
}

bool
fc_row_key_id(HeapTuple row, TupleDesc desc, int column, FcKeyId *out)
{
	int			length;

	return fc_row_bytes(row, desc, column, out->bytes, FC_KEY_ID_BYTES, &length) &&
		length == FC_KEY_ID_BYTES;
}

/* ---- the copy ---- */

/*
 * Start over if what is remembered may be out of date.  Messages of other
 * backends are taken first: a transaction that has all its locks would not
 * look at them again before its end, and a key locked meanwhile must show.
 */
static void
keyring_begin(void)
{
	HASHCTL		ctl;

	AcceptInvalidationMessages();
	if (keys_by_prefix != NULL && fc_stamp_fresh(&cached) &&
		hash_get_num_entries(keys_by_id) + hash_get_num_entries(keys_by_prefix) < FC_KEYRING_MAX)
		return;

	keys_by_id = NULL;
	keys_by_prefix = NULL;
	if (retired_context != NULL)
		MemoryContextDelete(retired_context);
	retired_context = keyring_context;
	keyring_context = NULL;
	keyring_context = AllocSetContextCreate(TopMemoryContext, "fieldcrypt keyring",
											ALLOCSET_SMALL_SIZES);
	ctl.hcxt = keyring_context;
	ctl.keysize = sizeof(FcKeyId);
	ctl.entrysize = sizeof(KeyEntry);
	keys_by_id = hash_create("fieldcrypt keys by id", 16, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ctl.keysize = sizeof(uint32);
	ctl.entrysize = sizeof(PrefixEntry);
	keys_by_prefix = hash_create("fieldcrypt keys by prefix", 16, &ctl,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	fc_stamp_take(&cached);
}

const FcKey *
fc_keyring_by_id(const FcKeyId *key_id)
{
	FcKeyId		id = *key_id;	/* may point into what keyring_begin drops */
	KeyEntry   *entry;

	if (!fc_keyring_usable())
		return NULL;
	keyring_begin();
	entry = find_or_read(&id);
	return entry->present ? &entry->key : NULL;
}

const FcKey *
fc_keyring_by_prefix(uint32 prefix)
{
	PrefixEntry *by_prefix;
	KeyEntry   *entry;

	if (!fc_keyring_usable())
		return NULL;
	keyring_begin();
	by_prefix = hash_search(keys_by_prefix, &prefix, HASH_FIND, NULL);
	if (by_prefix == NULL)
		by_prefix = read_prefix(prefix);
	if (!by_prefix->present)
		return NULL;
	entry = find_or_read(&by_prefix->key_id);
	return entry->present ? &entry->key : NULL;
}

/*
 * fc_keyring_by_name
 *		A prefix belongs to one name, so the name only confirms what the prefix
 *		finds.
 */
const FcKey *
fc_keyring_by_name(const char *name)
{
	Size		length = strlen(name);
	const FcKey *key;
	FcStatus	status;
	uint32		prefix;

	if (length == 0 || length >= FC_KEY_NAME_MAX)
		return NULL;
	status = fc_key_prefix(name, length, &prefix);
	if (status != FC_OK)
		fc_report_internal(status);
	key = fc_keyring_by_prefix(prefix);
	return key != NULL && strcmp(key->name, name) == 0 ? key : NULL;
}

/*
 * The entry that a key handed out earlier belongs to.  Does not start over:
 * the caller goes on using its pointer.
 */
static KeyEntry *
entry_of(const FcKey *key)
{
	KeyEntry   *entry = NULL;
	FcKeyId		id = key->key_id;

	if (keys_by_id != NULL)
		entry = hash_search(keys_by_id, &id, HASH_FIND, NULL);
	if (entry == NULL)
	{
		if (!fc_keyring_usable())
			return NULL;
		keyring_begin();
		entry = find_or_read(&id);
	}
	return entry->present ? entry : NULL;
}

const FcKeyVersion *
fc_keyring_version(const FcKey *key, uint8 purpose, uint16 version)
{
	KeyEntry   *entry = entry_of(key);
	int			i;

	for (i = 0; entry != NULL && i < entry->nversions; i++)
	{
		const FcKeyContext *context = &entry->versions[i].source.id.context;

		if (context->purpose == purpose && context->version == version)
			return &entry->versions[i];
	}
	return NULL;
}

const FcKeyVersion *
fc_keyring_active(const FcKey *key, uint8 purpose)
{
	KeyEntry   *entry = entry_of(key);
	int			i;

	for (i = 0; entry != NULL && i < entry->nversions; i++)
	{
		const FcKeyVersion *version = &entry->versions[i];

		if (version->source.id.context.purpose == purpose &&
			version->state == FC_VERSION_ACTIVE)
			return version;
	}
	return NULL;
}

const FcKeyVersion *
fc_keyring_nth_in_use(const FcKey *key, int n)
{
	KeyEntry   *entry = NULL;
	int			i;

	if (key != NULL && !key->destroyed && !key->locked)
		entry = entry_of(key);
	for (i = 0; entry != NULL && i < entry->nversions; i++)
		if (entry->versions[i].state != FC_VERSION_DESTROYED &&
			!entry->versions[i].retired && n-- == 0)
			return &entry->versions[i];
	return NULL;
}

/*
 * May a tag of the version stand in a row that the caller can see?  Until an
 * old snapshot is gone, it can hold tags that were rewritten since: to it the
 * version is retired no sooner than the row that says so is visible to it.
 */
static bool
carries_tags(const FcKeyVersion *version, FcIndexUse use)
{
	if (version->source.id.context.purpose != FC_PURPOSE_INDEX ||
		version->state == FC_VERSION_DESTROYED)
		return false;
	if (version->state == FC_VERSION_PRE_ACTIVE)
		return use == FC_INDEX_PLANNED;
	return !version->retired ||
		(ActiveSnapshotSet() && IsMVCCSnapshot(GetActiveSnapshot()) &&
		 XidInMVCCSnapshot(version->xmin, GetActiveSnapshot()));
}

int
fc_keyring_index_versions(const FcKey *key, FcIndexUse use,
						  uint16 versions[FC_INDEX_VERSIONS_MAX])
{
	KeyEntry   *entry = entry_of(key);
	int			count = 0;
	int			i;

	for (i = 0; entry != NULL && i < entry->nversions && count < FC_INDEX_VERSIONS_MAX; i++)
	{
		if (carries_tags(&entry->versions[i], use))
			versions[count++] = entry->versions[i].source.id.context.version;
	}
	return count;
}

uint16
fc_keyring_last_version(const FcKey *key, uint8 purpose)
{
	KeyEntry   *entry = entry_of(key);

	Assert(purpose == FC_PURPOSE_WRAP || purpose == FC_PURPOSE_INDEX);
	return entry != NULL ? entry->last_version[purpose] : 0;
}

/*
 * fc_keyring_dbname
 *		A database cannot be renamed while anybody is connected to it.
 */
void
fc_keyring_dbname(char out[NAMEDATALEN])
{
	static char name[NAMEDATALEN] = "";

	if (name[0] == '\0')
	{
		char	   *found = get_database_name(MyDatabaseId);

		if (found != NULL)
		{
			strlcpy(name, found, sizeof(name));
			pfree(found);
		}
	}
	memcpy(out, name, NAMEDATALEN);
}

/* ---- reading the tables ---- */

static bool
row_is(HeapTuple row, TupleDesc desc, int column, const char *word)
{
	char		text[16];

	return fc_row_text(row, desc, column, text, sizeof(text)) && strcmp(text, word) == 0;
}

/* Fill *key from a row of fieldcrypt.keys; false if the row is unusable. */
static bool
parse_key(HeapTuple row, TupleDesc desc, FcKey *key)
{
	bool		isnull;
	Datum		writes;

	memset(key, 0, sizeof(*key));
	if (!fc_row_key_id(row, desc, Anum_fc_keys_key_id, &key->key_id) ||
		!fc_row_text(row, desc, Anum_fc_keys_name, key->name, sizeof(key->name)))
		return false;
	writes = heap_getattr(row, Anum_fc_keys_writes, desc, &isnull);
	key->writes = !isnull && DatumGetBool(writes);
	/* what is not plainly active is out of use */
	key->destroyed = !row_is(row, desc, Anum_fc_keys_state, "active");
	(void) heap_getattr(row, Anum_fc_keys_locked_at, desc, &isnull);
	key->locked = !isnull;
	return true;
}

static bool
parse_state(HeapTuple row, TupleDesc desc, FcVersionState *state)
{
	static const struct
	{
		const char *name;
		FcVersionState state;
	}			states[] = {
		{"pre-active", FC_VERSION_PRE_ACTIVE},
		{"active", FC_VERSION_ACTIVE},
		{"decrypt-only", FC_VERSION_DECRYPT_ONLY},
		{"compromised", FC_VERSION_COMPROMISED},
		{"destroyed", FC_VERSION_DESTROYED},
	};
	char		text[16];
	int			i;

	if (!fc_row_text(row, desc, Anum_fc_key_versions_state, text, sizeof(text)))
		return false;
	for (i = 0; i < lengthof(states); i++)
	{
		if (strcmp(text, states[i].name) == 0)
		{
			*state = states[i].state;
			return true;
		}
	}
	return false;
}

/* Purpose, version and suite; false if a number is out of range. */
static bool
parse_context(HeapTuple row, TupleDesc desc, FcKeyContext *context)
{
	bool		isnull[3];
	int			purpose = DatumGetInt16(heap_getattr(row, Anum_fc_key_versions_purpose, desc, &isnull[0]));
	int			version = DatumGetInt32(heap_getattr(row, Anum_fc_key_versions_version, desc, &isnull[1]));
	int			suite = DatumGetInt16(heap_getattr(row, Anum_fc_key_versions_suite, desc, &isnull[2]));

	if (isnull[0] || isnull[1] || isnull[2] ||
		purpose < FC_PURPOSE_WRAP || purpose > FC_PURPOSE_INDEX ||
		version < 1 || version > PG_UINT16_MAX ||
		suite < FC_SUITE_KW_GCM || suite > FC_SUITE_XAES)
		return false;
	context->purpose = purpose;
	context->version = version;
	context->suite = suite;
	return true;
}

/* The wrapped blob and its hash; a destroyed version has none. */
static bool
parse_blob(HeapTuple row, TupleDesc desc, FcKeyVersion *version)
{
	FcKeySource *source = &version->source;
	uint8		hash[32];
	FcStatus	status;

	if (!fc_row_bytes(row, desc, Anum_fc_key_versions_wrapped,
					  source->blob, sizeof(source->blob), &source->blob_len))
	{
		source->blob_len = 0;
		return version->state == FC_VERSION_DESTROYED;
	}
	status = fc_sha256(source->blob, source->blob_len, hash);
	if (status != FC_OK)
		fc_report_internal(status);
	memcpy(source->id.blob_hash, hash, FC_BLOB_HASH_BYTES);
	return true;
}

/*
 * Fill *version from a row of fieldcrypt.key_versions.  The context is filled
 * in first and stands also where the rest is unusable: a version number that
 * was ever used is never drawn again.
 */
static bool
parse_version(HeapTuple row, TupleDesc desc, const FcKeyId *key_id, FcKeyVersion *version)
{
	FcKeySource *source = &version->source;
	int			length;
	bool		isnull;

	memset(version, 0, sizeof(*version));
	if (!parse_context(row, desc, &source->id.context))
		return false;
	source->id.context.key_id = *key_id;
	source->id.database = MyDatabaseId;
	fc_keyring_dbname(source->dbname);
	version->xmin = HeapTupleHeaderGetXmin(row->t_data);
	(void) heap_getattr(row, Anum_fc_key_versions_retired_at, desc, &isnull);
	version->retired = !isnull && source->id.context.purpose == FC_PURPOSE_INDEX;
	return parse_state(row, desc, &version->state) &&
		fc_row_text(row, desc, Anum_fc_key_versions_provider,
					source->provider, sizeof(source->provider)) &&
		fc_row_text(row, desc, Anum_fc_key_versions_kms_key,
					source->kms_key, sizeof(source->kms_key)) &&
		fc_row_bytes(row, desc, Anum_fc_key_versions_kcv,
					 source->kcv, FC_KCV_BYTES, &length) &&
		length == FC_KCV_BYTES &&
		parse_blob(row, desc, version);
}

static bool
read_key_row(const FcKeyId *key_id, FcKey *key)
{
	const FcKeyringOids *oids = fc_keyring_oids();
	Oid			index = oids->keys_pkey;
	Relation	rel = try_table_open(oids->keys, AccessShareLock);
	FcKeyIdDatum space;
	ScanKeyData scankey;
	bool		present = false;

	if (rel == NULL)
		return false;
	if (RelationGetNumberOfAttributes(rel) >= Natts_fc_keys)
	{
		SysScanDesc scan;
		HeapTuple	row;

		ScanKeyInit(&scankey, Anum_fc_keys_key_id, BTEqualStrategyNumber, F_BYTEAEQ,
					fc_key_id_datum(key_id, &space));
		scan = systable_beginscan(rel, index, true, NULL, 1, &scankey);
		row = systable_getnext(scan);
		present = HeapTupleIsValid(row) && parse_key(row, RelationGetDescr(rel), key);
		systable_endscan(scan);
	}
	table_close(rel, AccessShareLock);
	return present;
}

/* Add a version to the entry; its array lives in the keyring's context. */
static void
add_version(KeyEntry *entry, int *room, const FcKeyVersion *version)
{
	if (*room == 0)
	{
		*room = 4;
		entry->versions = MemoryContextAlloc(keyring_context, *room * sizeof(FcKeyVersion));
	}
	else if (entry->nversions == *room)
	{
		*room *= 2;
		entry->versions = repalloc(entry->versions, *room * sizeof(FcKeyVersion));
	}
	entry->versions[entry->nversions++] = *version;
}

static void
read_version_rows(const FcKeyId *key_id, KeyEntry *entry)
{
	const FcKeyringOids *oids = fc_keyring_oids();
	Oid			index = oids->versions_pkey;
	Relation	rel = try_table_open(oids->versions, AccessShareLock);
	FcKeyIdDatum space;
	ScanKeyData scankey;
	SysScanDesc scan;
	HeapTuple	row;
	FcKeyVersion version;
	int			room = 0;

	if (rel == NULL)
		return;
	if (RelationGetNumberOfAttributes(rel) < Natts_fc_key_versions)
	{
		table_close(rel, AccessShareLock);
		return;
	}
	ScanKeyInit(&scankey, Anum_fc_key_versions_key_id, BTEqualStrategyNumber, F_BYTEAEQ,
				fc_key_id_datum(key_id, &space));
	scan = systable_beginscan(rel, index, true, NULL, 1, &scankey);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		bool		usable = parse_version(row, RelationGetDescr(rel), key_id, &version);
		const FcKeyContext *context = &version.source.id.context;

		if (context->version > entry->last_version[context->purpose])
			entry->last_version[context->purpose] = context->version;
		if (usable)
			add_version(entry, &room, &version);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/*
 * A standby replays that a key was locked or destroyed, or one version of it;
 * no command runs here that would wipe its cache.  The first to read the rows
 * does.
 */
static void
purge_replayed(const KeyEntry *entry)
{
	int			i;

	if (!fc_shmem_ready() || !RecoveryInProgress())
		return;
	if (entry->key.destroyed || entry->key.locked)
		(void) fc_keycache_purge(MyDatabaseId, &entry->key.key_id);
	for (i = 0; i < entry->nversions; i++)
	{
		/* its row names no blob: whichever is cached is an earlier one */
		if (entry->versions[i].state == FC_VERSION_DESTROYED)
			fc_keycache_supersede(&entry->versions[i].source.id);
	}
}

/*
 * The entry of a key_id, read if it is not there yet.  It enters the hash
 * only when it is complete, so that an error on the way leaves nothing half.
 */
static KeyEntry *
find_or_read(const FcKeyId *key_id)
{
	KeyEntry   *entry = hash_search(keys_by_id, key_id, HASH_FIND, NULL);
	KeyEntry	fresh;

	if (entry != NULL)
		return entry;
	memset(&fresh, 0, sizeof(fresh));
	fresh.present = fc_keyring_oids() != NULL && read_key_row(key_id, &fresh.key);
	if (fresh.present && fc_keyring_oids() != NULL)
		read_version_rows(key_id, &fresh);
	fresh.key.key_id = *key_id;
	entry = hash_search(keys_by_id, key_id, HASH_ENTER, NULL);
	*entry = fresh;
	if (fresh.present)
		purge_replayed(entry);
	return entry;
}

/*
 * How well a row of the prefix serves: one that lives before a destroyed one,
 * one that writes before one that only opens.  -1: does not serve at all; a
 * name that the prefix is not made of must not take a column over.
 */
static int
rank_of(const FcKey *key, uint32 prefix)
{
	FcStatus	status;
	uint32		own;

	status = fc_key_prefix(key->name, strlen(key->name), &own);
	if (status != FC_OK)
		fc_report_internal(status);
	if (own != prefix)
		return -1;
	return (key->destroyed ? 0 : 2) + (key->writes ? 1 : 0);
}

/* Scan the key_ids from prefix << 20 to prefix << 20 | 0xfffff. */
static bool
scan_prefix(uint32 prefix, FcKeyId *best)
{
	const FcKeyringOids *oids = fc_keyring_oids();
	FcKeyId		low = fc_key_id_make(prefix, 0);
	FcKeyId		high = fc_key_id_make(prefix, 0xfffff);
	FcKeyIdDatum low_space;
	FcKeyIdDatum high_space;
	ScanKeyData scankey[2];
	SysScanDesc scan;
	HeapTuple	row;
	Relation	rel;
	Oid			index;
	int			best_rank = -1;

	if (oids == NULL)
		return false;
	index = oids->keys_pkey;
	rel = try_table_open(oids->keys, AccessShareLock);
	if (rel == NULL)
		return false;
	ScanKeyInit(&scankey[0], Anum_fc_keys_key_id, BTGreaterEqualStrategyNumber, F_BYTEAGE,
				fc_key_id_datum(&low, &low_space));
	ScanKeyInit(&scankey[1], Anum_fc_keys_key_id, BTLessEqualStrategyNumber, F_BYTEALE,
				fc_key_id_datum(&high, &high_space));
	scan = systable_beginscan(rel, index, true, NULL, 2, scankey);
	while (RelationGetNumberOfAttributes(rel) >= Natts_fc_keys &&
		   HeapTupleIsValid(row = systable_getnext(scan)))
	{
		FcKey		key;
		int			rank;

		if (!parse_key(row, RelationGetDescr(rel), &key))
			continue;
		rank = rank_of(&key, prefix);
		if (rank > best_rank)
		{
			best_rank = rank;
			*best = key.key_id;
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return best_rank >= 0;
}

static PrefixEntry *
read_prefix(uint32 prefix)
{
	PrefixEntry *entry;
	FcKeyId		best;
	bool		present = scan_prefix(prefix, &best);

	entry = hash_search(keys_by_prefix, &prefix, HASH_ENTER, NULL);
	entry->present = present;
	if (present)
		entry->key_id = best;
	return entry;
}

/*
 * fc_keyring_ids
 *		For functions that act on every identity of a name (lock_key,
 *		purge_cache) or of all (ready): not remembered.
 */
int
fc_keyring_ids(const char *name, FcKeyId **ids)
{
	const FcKeyringOids *oids = fc_keyring_usable() ? fc_keyring_oids() : NULL;
	int			count = 0;
	int			room = 4;
	SysScanDesc scan;
	HeapTuple	row;
	Relation	rel;
	FcKey		key;

	*ids = palloc(room * sizeof(FcKeyId));
	rel = oids != NULL ? try_table_open(oids->keys, AccessShareLock) : NULL;
	if (rel == NULL)
		return 0;
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (RelationGetNumberOfAttributes(rel) >= Natts_fc_keys &&
		   HeapTupleIsValid(row = systable_getnext(scan)))
	{
		if (!parse_key(row, RelationGetDescr(rel), &key) ||
			(name != NULL && strcmp(key.name, name) != 0))
			continue;
		if (count == room)
			*ids = repalloc(*ids, (room *= 2) * sizeof(FcKeyId));
		(*ids)[count++] = key.key_id;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return count;
}
