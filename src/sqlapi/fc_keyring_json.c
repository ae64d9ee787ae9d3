/*-------------------------------------------------------------------------
 *
 * fc_keyring_json.c
 *		A keyring as JSON (see fc_keyring_json.h).
 *
 * The document holds wrapped keys, so it is worth no more than a dump of the
 * key tables: useless without the KMS, all that is needed with it.  Grants
 * and rotation intervals stay at home: they are each database's own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "base/fc_b64.h"
#include "sqlapi/fc_admin.h"
#include "sqlapi/fc_keyring_json.h"
#include "sqlapi/fc_sqlapi.h"
#include "sqlapi/fc_walk.h"

PG_FUNCTION_INFO_V1(fc_export_keyring);

#define KEYRING_FORMAT "fieldcrypt keyring"

/* Where the parser is, for its errors; numbers count from 0 as in JSON paths. */
typedef struct Place
{
	HeapTuple	row;
	int			key;
	int			version;		/* -1 = the key itself */
} Place;

static const char *const key_states[] = {"active", "destroyed", NULL};
static const char *const version_states[] = {
	"pre-active", "active", "decrypt-only", "compromised", "destroyed", NULL
};

/* ---- export ---- */

Datum
fc_export_keyring(PG_FUNCTION_ARGS)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {(Datum) 0};
	char		nulls[1] = {'n'};
	Datum		result;
	bool		isnull;

	if (!PG_ARGISNULL(0))
	{
		char	   *name = fc_arg_text(fcinfo, 0, "key");

		(void) fc_admin_key(name);
		values[0] = CStringGetTextDatum(name);
		nulls[0] = ' ';
	}
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("SELECT jsonb_build_object('format', '" KEYRING_FORMAT "', 'version', 1,"
							  " 'keys', COALESCE(jsonb_agg(jsonb_build_object("
							  "'name', k.name, 'key_id', encode(k.key_id, 'hex'), 'writes', k.writes,"
							  " 'state', k.state, 'locked_at', k.locked_at, 'created_at', k.created_at,"
							  " 'destroyed_at', k.destroyed_at, 'versions', v.list)"
							  " ORDER BY k.name, k.key_id), '[]'))"
							  " FROM fieldcrypt.keys k CROSS JOIN LATERAL ("
							  "SELECT COALESCE(jsonb_agg(jsonb_build_object("
							  "'purpose', CASE purpose WHEN 1 THEN 'wrap' ELSE 'index' END,"
							  " 'version', version, 'suite', suite, 'state', state, 'provider', provider,"
							  " 'kms_key', kms_key, 'wrapped', encode(wrapped, 'hex'), 'kcv', encode(kcv, 'hex'),"
							  " 'created_at', created_at, 'activated_at', activated_at, 'retired_at', retired_at,"
							  " 'destroyed_at', destroyed_at)"
							  " ORDER BY purpose, version), '[]') AS list"
							  " FROM fieldcrypt.key_versions x WHERE x.key_id = k.key_id) v"
							  " WHERE $1 IS NULL OR k.name = $1",
							  1, types, values, nulls, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read the key tables");
	result = SPI_datumTransfer(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull),
							   false, -1);
	SPI_finish();
	PG_RETURN_DATUM(result);
}

/* ---- parsing ---- */

static void
malformed(const Place *place, const char *field, const char *wanted)
{
	char		where[64];

	snprintf(where, sizeof(where), place->version < 0 ? "keys[%d]" : "keys[%d].versions[%d]",
			 place->key, place->version);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("malformed keyring"),
			 errdetail("\"%s\" of %s must be %s.", field, where, wanted),
			 errhint("Use what fieldcrypt.export_keyring() returned, unchanged.")));
}

/* Text of a column, palloc'd; NULL if null. */
static char *
optional(const Place *place, int column)
{
	return SPI_getvalue(place->row, SPI_tuptable->tupdesc, column);
}

static char *
word(const Place *place, int column, const char *field, Size max)
{
	char	   *text = optional(place, column);

	if (text == NULL || text[0] == '\0' || strlen(text) >= max)
		malformed(place, field, psprintf("a string of at most %zu bytes", max - 1));
	return text;
}

static char *
one_of(const Place *place, int column, const char *field, const char *const *choices)
{
	char	   *text = optional(place, column);
	int			i;

	for (i = 0; text != NULL && choices[i] != NULL; i++)
		if (strcmp(text, choices[i]) == 0)
			return text;
	malformed(place, field, "one of the states that the view fieldcrypt.key_status shows");
	return NULL;
}

static int
number(const Place *place, int column, const char *field, int max)
{
	char	   *text = optional(place, column);
	size_t		digits = text ? strspn(text, "0123456789") : 0;

	if (digits == 0 || digits > 5 || text[digits] != '\0' || atoi(text) < 1 || atoi(text) > max)
		malformed(place, field, psprintf("a number from 1 to %d", max));
	return atoi(text);
}

/* Hexadecimal digits of `least` to `most` bytes; returns how many. */
static int
hex(const Place *place, int column, const char *field, uint8 *out, Size least, Size most)
{
	char	   *text = optional(place, column);
	Size		bytes = text ? strlen(text) / 2 : 0;

	if (text == NULL || bytes < least || bytes > most ||
		fc_hex_decode(text, strlen(text), out, bytes) != FC_OK)
		malformed(place, field,
				  least == most ? psprintf("%zu hexadecimal digits", 2 * most) :
				  psprintf("hexadecimal digits of at most %zu bytes", most));
	return (int) bytes;
}

static FcJsonKey *
parse_key(const Place *place)
{
	FcJsonKey  *key = palloc0(sizeof(FcJsonKey));
	char	   *writes = optional(place, 5);

	key->name = word(place, 3, "name", FC_KEY_NAME_MAX);
	fc_key_name_check(key->name);
	(void) hex(place, 4, "key_id", key->key_id.bytes, FC_KEY_ID_BYTES, FC_KEY_ID_BYTES);
	if (fc_key_id_prefix(&key->key_id) != fc_name_prefix(key->name))
		malformed(place, "key_id", "made of the name: its first 28 bits are those of the name's hash");
	if (writes == NULL || (strcmp(writes, "true") != 0 && strcmp(writes, "false") != 0))
		malformed(place, "writes", "true or false");
	key->writes = writes[0] == 't';
	key->destroyed = strcmp(one_of(place, 6, "state", key_states), "destroyed") == 0;
	key->locked_at = optional(place, 7);
	key->created_at = optional(place, 8);
	key->destroyed_at = optional(place, 9);
	if (optional(place, 10) == NULL || strcmp(optional(place, 10), "array") != 0)
		malformed(place, "versions", "an array");
	return key;
}

static FcJsonVersion *
parse_version(const Place *place, const FcJsonKey *key)
{
	FcJsonVersion *version = palloc0(sizeof(FcJsonVersion));
	char	   *purpose = optional(place, 12);
	bool		destroyed;

	if (purpose == NULL || (strcmp(purpose, "wrap") != 0 && strcmp(purpose, "index") != 0))
		malformed(place, "purpose", "\"wrap\" or \"index\"");
	version->context.key_id = key->key_id;
	version->context.purpose = purpose[0] == 'w' ? FC_PURPOSE_WRAP : FC_PURPOSE_INDEX;
	version->context.version = number(place, 13, "version", PG_UINT16_MAX);
	version->context.suite = number(place, 14, "suite", FC_SUITE_XAES);
	version->state = one_of(place, 15, "state", version_states);
	version->provider = word(place, 16, "provider", FC_KMS_NAME_MAX);
	strlcpy(version->wrapped.kms_key, word(place, 17, "kms_key", FC_KMS_KEY_MAX), FC_KMS_KEY_MAX);
	(void) hex(place, 19, "kcv", version->wrapped.kcv, FC_KCV_BYTES, FC_KCV_BYTES);
	destroyed = strcmp(version->state, "destroyed") == 0;
	if (key->destroyed && !destroyed)
		malformed(place, "state", "\"destroyed\", as its key is");
	if (!destroyed)
		version->wrapped.blob_len = hex(place, 18, "wrapped", version->wrapped.blob, 1, FC_KMS_BLOB_MAX);
	else if (optional(place, 18) != NULL)
		malformed(place, "wrapped", "null, as the version is destroyed");
	version->created_at = optional(place, 20);
	version->activated_at = optional(place, 21);
	version->destroyed_at = optional(place, 22);
	version->retired_at = optional(place, 23);
	if (version->retired_at != NULL &&
		(version->context.purpose != FC_PURPOSE_INDEX || strcmp(version->state, "active") == 0 ||
		 strcmp(version->state, "pre-active") == 0))
		malformed(place, "retired_at", "null, as only a version of a blind index that another has replaced is retired");
	return version;
}

/* Nothing may stand there twice, and at most one version may be active. */
static void
check_version_unique(const Place *place, const FcJsonKey *key, const FcJsonVersion *version)
{
	ListCell   *cell;

	foreach(cell, key->versions)
	{
		const FcJsonVersion *other = lfirst(cell);

		if (other->context.purpose != version->context.purpose)
			continue;
		if (other->context.version == version->context.version)
			malformed(place, "version", "another number than those before it");
		if (strcmp(other->state, "active") == 0 && strcmp(version->state, "active") == 0)
			malformed(place, "state", "other than \"active\", which one before it is");
	}
}

static void
check_key_unique(const Place *place, const List *keys, const FcJsonKey *key)
{
	ListCell   *cell;

	foreach(cell, keys)
	{
		const FcJsonKey *other = lfirst(cell);

		if (fc_key_id_equal(&other->key_id, &key->key_id))
			malformed(place, "key_id", "another one than those before it");
		if (key->writes && other->writes && strcmp(other->name, key->name) == 0)
			malformed(place, "writes", "false, as a key of that name before it writes");
	}
}

/* One row per version, in the order of the document; columns 11 on are null where a key has none. */
static void
split(Datum keyring)
{
	Oid			types[1] = {JSONBOID};
	Datum		values[1] = {keyring};
	bool		isnull;

	if (SPI_execute_with_args("SELECT COALESCE($1->>'format' = '" KEYRING_FORMAT "' AND $1->>'version' = '1'"
							  " AND jsonb_typeof($1->'keys') = 'array', false)",
							  1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the keyring");
	if (!DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("malformed keyring"),
				 errdetail("It is no object with \"format\": \"%s\", \"version\": 1 and an array \"keys\".",
						   KEYRING_FORMAT),
				 errhint("Use what fieldcrypt.export_keyring() returned, unchanged.")));
	if (SPI_execute_with_args("SELECT k.n - 1, v.n - 1, k.j->>'name', k.j->>'key_id', k.j->>'writes',"
							  " k.j->>'state', k.j->>'locked_at', k.j->>'created_at', k.j->>'destroyed_at',"
							  " jsonb_typeof(k.j->'versions'), NULL, v.j->>'purpose', v.j->>'version', v.j->>'suite',"
							  " v.j->>'state', v.j->>'provider', v.j->>'kms_key', v.j->>'wrapped', v.j->>'kcv',"
							  " v.j->>'created_at', v.j->>'activated_at', v.j->>'destroyed_at', v.j->>'retired_at'"
							  " FROM jsonb_array_elements($1->'keys') WITH ORDINALITY k(j, n)"
							  " LEFT JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(k.j->'versions')"
							  " WHEN 'array' THEN k.j->'versions' END) WITH ORDINALITY v(j, n) ON true"
							  " ORDER BY k.n, v.n",
							  1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the keyring");
}

List *
fc_keyring_parse(Datum keyring)
{
	List	   *keys = NIL;
	FcJsonKey  *key = NULL;
	int			last = -1;
	uint64		i;

	split(keyring);
	for (i = 0; i < SPI_processed; i++)
	{
		Place		place = {SPI_tuptable->vals[i], 0, -1};
		char	   *number_in_key = optional(&place, 2);

		place.key = atoi(optional(&place, 1));
		if (place.key != last)
		{
			key = parse_key(&place);
			check_key_unique(&place, keys, key);
			keys = lappend(keys, key);
			last = place.key;
		}
		if (number_in_key != NULL)
		{
			FcJsonVersion *version;

			place.version = atoi(number_in_key);
			version = parse_version(&place, key);
			check_version_unique(&place, key, version);
			key->versions = lappend(key->versions, version);
		}
	}
	SPI_freetuptable(SPI_tuptable);
	return keys;
}
