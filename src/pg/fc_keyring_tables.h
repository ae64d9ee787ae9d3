/*-------------------------------------------------------------------------
 *
 * fc_keyring_tables.h
 *		Shape of the key tables and the shared parts of their readers.
 *
 * Private to the files that read the tables by systable scans: fc_keyring.c,
 * fc_keyring_oids.c, fc_grants.c, and the guard of the tables in sqlapi.
 * The numbers repeat sql/fieldcrypt--*.sql; columns are only ever added at
 * the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_KEYRING_TABLES_H
#define FC_KEYRING_TABLES_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"

#include "crypto/fc_keys.h"
#include "pg/fc_keyring.h"

#define Anum_fc_keys_key_id				1
#define Anum_fc_keys_name				2
#define Anum_fc_keys_writes				3
#define Anum_fc_keys_state				4
#define Anum_fc_keys_locked_at			5
#define Natts_fc_keys					7

#define Anum_fc_key_versions_key_id		1
#define Anum_fc_key_versions_purpose	2
#define Anum_fc_key_versions_version	3
#define Anum_fc_key_versions_suite		4
#define Anum_fc_key_versions_state		5
#define Anum_fc_key_versions_provider	6
#define Anum_fc_key_versions_kms_key	7
#define Anum_fc_key_versions_wrapped	8
#define Anum_fc_key_versions_kcv		9
#define Anum_fc_key_versions_old_provider 14
#define Anum_fc_key_versions_old_kms_key 15
#define Anum_fc_key_versions_old_wrapped 16
#define Anum_fc_key_versions_retired_at	18
#define Natts_fc_key_versions			18

#define Anum_fc_key_grants_key			1
#define Anum_fc_key_grants_grantee		2
#define Anum_fc_key_grants_privilege	3
#define Anum_fc_key_grants_grantee_oid	4
#define Natts_fc_key_grants				6

/* How the grant tables spell the grantee that everybody is a member of. */
#define FC_GRANTEE_PUBLIC "public"

/* ---- fc_keyring_oids.c ---- */

typedef struct FcKeyringOids
{
	Oid			keys;
	Oid			keys_pkey;
	Oid			versions;
	Oid			versions_pkey;
	Oid			grants;
	Oid			grants_pkey;
} FcKeyringOids;

/* NULL where the extension is not there or half there.  Needs a transaction. */
extern const FcKeyringOids *fc_keyring_oids(void);

/*
 * When something was read.  It is fresh while the generation stands (which
 * moves whenever the key tables, or a role, may have changed), for the rest
 * of the transaction, and in transactions that begin within a second:
 * invalidations alone would do, but a superuser can disable the triggers that
 * send them.
 */
typedef struct FcReadStamp
{
	uint64		generation;
	LocalTransactionId lxid;
	TimestampTz at;
} FcReadStamp;

extern void fc_stamp_take(FcReadStamp *stamp);
extern bool fc_stamp_fresh(const FcReadStamp *stamp);
extern void fc_keyring_oids_init(void);

/* ---- fc_keyring.c ---- */

/* A key_id as a bytea Datum that needs no allocation. */
typedef union FcKeyIdDatum
{
	struct varlena header;
	int32		align;
	char		space[VARHDRSZ + FC_KEY_ID_BYTES];
} FcKeyIdDatum;

extern Datum fc_key_id_datum(const FcKeyId *key_id, FcKeyIdDatum *space);

/* Columns of a row; false if null or longer than the room there is. */
extern bool fc_row_text(HeapTuple row, TupleDesc desc, int column, char *out, Size size);
extern bool fc_row_bytes(HeapTuple row, TupleDesc desc, int column, void *out,
						 Size size, int *length);
extern bool fc_row_key_id(HeapTuple row, TupleDesc desc, int column, FcKeyId *out);

#endif							/* FC_KEYRING_TABLES_H */
