/*-------------------------------------------------------------------------
 *
 * fc_keyring.h
 *		Reading the key tables: keys, versions, grants.
 *
 * The tables are read by systable scans, found by OID, never by SPI or
 * search_path, so that I/O functions may call this; only in a valid
 * transaction and never under a historic snapshot (fc_keyring_usable).
 * Entries are cached per backend; they are dropped on relcache invalidation
 * of the tables, which their ENABLE ALWAYS triggers send, and a transaction
 * that begins more than a second after they were read reads them again.
 *
 * Returned pointers stay valid until the next call into this module that may
 * re-read; callers copy what they keep.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_KEYRING_H
#define FC_KEYRING_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "crypto/fc_keys.h"
#include "pg/fc_keycache.h"

#define FC_KEY_NAME_MAX 64		/* with NUL */

typedef enum FcVersionState
{
	FC_VERSION_PRE_ACTIVE,
	FC_VERSION_ACTIVE,			/* exactly one per key and purpose */
	FC_VERSION_DECRYPT_ONLY,
	FC_VERSION_COMPROMISED,
	FC_VERSION_DESTROYED
} FcVersionState;

typedef struct FcKeyVersion
{
	FcVersionState state;
	bool		retired;		/* of purpose index: no tag is of it any more */
	TransactionId xmin;			/* that wrote the row */
	FcKeySource source;			/* identity, provider, KMS key, kcv, blob */
} FcKeyVersion;

typedef struct FcKey
{
	FcKeyId		key_id;
	char		name[FC_KEY_NAME_MAX];
	bool		destroyed;
	bool		locked;
	bool		writes;			/* of the key_ids with this name, the one that encrypts */
} FcKey;

typedef enum FcPrivilege
{
	FC_PRIV_ENCRYPT = 1,
	FC_PRIV_DECRYPT = 2			/* includes encrypt */
} FcPrivilege;

/* Is the extension there, and may its tables be read now? */
extern bool fc_keyring_usable(void);

/* By identity, by exact name (the one that writes), by 28-bit prefix (same). */
extern const FcKey *fc_keyring_by_id(const FcKeyId *key_id);
extern const FcKey *fc_keyring_by_name(const char *name);
extern const FcKey *fc_keyring_by_prefix(uint32 prefix);

/* A version of a key; NULL if the keyring has none of that number. */
extern const FcKeyVersion *fc_keyring_version(const FcKey *key, uint8 purpose, uint16 version);

/* The active version; NULL if none. */
extern const FcKeyVersion *fc_keyring_active(const FcKey *key, uint8 purpose);

/*
 * Versions of the index key that stored tags may be of: usually one, two
 * while rotate_index_key() is at work.  FC_INDEX_PLANNED counts one that is
 * about to be activated as well, for whoever makes a plan.  Returns how many.
 */
#define FC_INDEX_VERSIONS_MAX 32	/* tags tell no more apart */

typedef enum FcIndexUse
{
	FC_INDEX_STORED,
	FC_INDEX_PLANNED
} FcIndexUse;

extern int	fc_keyring_index_versions(const FcKey *key, FcIndexUse use,
									  uint16 versions[FC_INDEX_VERSIONS_MAX]);

/*
 * Highest version number the key ever had for the purpose, whatever became of
 * it; 0 if none.
 */
extern uint16 fc_keyring_last_version(const FcKey *key, uint8 purpose);

/*
 * Version n of those in use, counted from 0: those not destroyed and not
 * retired, of both purposes, of a key that is neither destroyed nor locked.  NULL past the end,
 * and for a key that is NULL.
 */
extern const FcKeyVersion *fc_keyring_nth_in_use(const FcKey *key, int n);

/*
 * Every identity of a name (NULL: of all), destroyed ones too; palloc'd,
 * returns how many.
 */
extern int	fc_keyring_ids(const char *name, FcKeyId **ids);

/* Name of this database, for FcKeySource and FcRequest. */
extern void fc_keyring_dbname(char out[NAMEDATALEN]);

/*
 * fc_keyring_permits
 *		Does role hold the privilege on the key: a grant whose role OID and
 *		name still belong together, to PUBLIC or to a role that `role` is a
 *		member of (is_member_of_role_nosuper: superuser does not count).
 */
extern bool fc_keyring_permits(const FcKey *key, Oid role, FcPrivilege privilege);

/*
 * fc_keyring_may
 *		The check that everything uses: the current user, and where the
 *		authenticated user is a superuser that user as well.
 */
extern bool fc_keyring_may(const FcKey *key, FcPrivilege privilege);

/* Forget what is cached in this backend (slow path after a lost slot). */
extern void fc_keyring_forget(void);

/* OIDs of the key tables; InvalidOid where the extension is not there. */
extern Oid	fc_keyring_table(const char *name);

/* OID of the type encrypted_text, InvalidOid where the extension is not there. */
extern Oid	fc_type_oid(void);
extern Oid	fc_extension_oid(void);

extern void fc_keyring_init(void);

#endif							/* FC_KEYRING_H */
