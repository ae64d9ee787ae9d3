/*-------------------------------------------------------------------------
 *
 * fc_keyring_json.h
 *		A keyring as JSON: what export_keyring writes and import_keyring reads.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_KEYRING_JSON_H
#define FC_KEYRING_JSON_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "pg/fc_keyring.h"
#include "pg/fc_requests.h"

typedef struct FcJsonVersion
{
	FcKeyContext context;
	const char *state;			/* as in the table */
	const char *provider;
	FcWrapped	wrapped;		/* blob_len 0 where it is destroyed */
	const char *created_at;		/* times as text, or NULL */
	const char *activated_at;
	const char *destroyed_at;
	const char *retired_at;
} FcJsonVersion;

typedef struct FcJsonKey
{
	FcKeyId		key_id;
	char	   *name;
	bool		writes;
	bool		destroyed;
	const char *locked_at;
	const char *created_at;
	const char *destroyed_at;
	List	   *versions;		/* of FcJsonVersion */
} FcJsonKey;

/*
 * fc_keyring_parse
 *		List of FcJsonKey.  Whatever is not exactly as export_keyring writes it
 *		is an error (22023) that names the place.
 */
extern List *fc_keyring_parse(Datum keyring);

#endif							/* FC_KEYRING_JSON_H */
