/*-------------------------------------------------------------------------
 *
 * fc_coerce.c
 *		The coercion that PostgreSQL applies when a value comes to a column:
 *		bring it under the key and search mode of the type modifier.
 *
 * The function sees the value and the target, not the source column; so the
 * value's own header must say how its tag was made, and it does.  A value
 * that is already what the target wants is returned as it came, even toasted,
 * after a look at its first bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "replication/logicalworker.h"
#include "storage/lmgr.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_valueio.h"

PG_FUNCTION_INFO_V1(fc_encrypted_text_coerce);

/*
 * Would a value that is written now get another tag?  Tags of another
 * identity of the key (an imported one) or of another version of the index
 * key are never found by a search for the current one.  Needs the key tables
 * but no key; where they cannot be read the value stays as it is.
 */
static bool
tag_is_current(const FcHeader *header, uint32 prefix)
{
	const FcKeyVersion *version;
	const FcKey *key;

	if (!fc_keyring_usable())
		return true;
	key = fc_keyring_by_prefix(prefix);
	if (key == NULL)
		return true;
	if (memcmp(&key->key_id, &header->key_id, sizeof(FcKeyId)) != 0)
		return false;
	version = fc_keyring_active(key, FC_PURPOSE_INDEX);
	return version == NULL ||
		   (version->source.id.context.version & 31) == FC_TAG_INDEX_VERSION(header->tag[0]);
}

/*
 * Is the tag of a version that stored tags may be of?  versions: of the key
 * that the value itself names.
 */
static bool
is_of_version(const FcHeader *header, const uint16 *versions, int count)
{
	int			i;

	for (i = 0; i < count; i++)
	{
		if ((versions[i] & 31) == FC_TAG_INDEX_VERSION(header->tag[0]))
			return true;
	}
	return false;
}

bool
fc_tag_is_searched(const FcHeader *header, bool keep)
{
	uint16		versions[FC_INDEX_VERSIONS_MAX];
	const FcKey *key;

	if (header->mode == FC_MODE_NONE || !fc_keyring_usable())
		return true;
	key = fc_keyring_by_id(&header->key_id);
	if (key == NULL || fc_keyring_last_version(key, FC_PURPOSE_INDEX) == 0)
		return true;
	if (tag_is_current(header, fc_key_id_prefix(&header->key_id)))
		return true;
	if (keep && !RecoveryInProgress())
	{
		/* retiring a version takes a lock that waits for this one */
		LockRelationOid(fc_keyring_table("key_versions"), RowShareLock);
		key = fc_keyring_by_id(&header->key_id);
	}
	return key != NULL &&
		is_of_version(header, versions, fc_keyring_index_versions(key, FC_INDEX_STORED, versions));
}

/* Is the value what a column of this type modifier stores? */
static bool
fits(const FcHeader *header, int32 typmod)
{
	uint32		prefix = FC_TYPMOD_PREFIX(typmod);

	/* an apply worker has no keys: what was published is taken by its header */
	if (IsLogicalWorker())
	{
		if (!fc_typmod_stores(typmod, fc_key_id_prefix(&header->key_id), header->mode))
			fc_report_typmod_mismatch(fc_key_id_prefix(&header->key_id), header->mode,
									  typmod, NULL);
		if (FC_TYPMOD_MODE(typmod) != FC_MODE_NONE && !fc_tag_is_searched(header, true))
			fc_report_tag_not_searched(header, NULL);
		return true;
	}
	return fc_key_id_prefix(&header->key_id) == prefix && header->mode == FC_TYPMOD_MODE(typmod) &&
		(header->mode == FC_MODE_NONE || tag_is_current(header, prefix));
}

/* Decrypt under the source's key, encrypt under the target's. */
static struct varlena *
reencrypt(const struct varlena *datum, int32 typmod)
{
	struct varlena *volatile result = NULL;
	text	   *plain = fc_decrypt_datum(datum);
	Size		len = VARSIZE_ANY_EXHDR(plain);

	PG_TRY();
	{
		result = fc_encrypt_text(VARDATA_ANY(plain), len, typmod);
	}
	PG_FINALLY();
	{
		fc_free_plain(plain);
	}
	PG_END_TRY();
	return result;
}

struct varlena *
fc_tag_anew(const struct varlena *datum, const FcHeader *header)
{
	return reencrypt(datum, FC_TYPMOD_MAKE(fc_key_id_prefix(&header->key_id), header->mode));
}

Datum
fc_encrypted_text_coerce(PG_FUNCTION_ARGS)
{
	Datum		source = PG_GETARG_DATUM(0);
	int32		typmod = PG_GETARG_INT32(1);
	struct varlena *datum;
	FcHeader	header;

	if (typmod < 0)
		PG_RETURN_DATUM(source);
	if (fc_datum_header(source, &header) && fits(&header, typmod))
		PG_RETURN_DATUM(source);

	datum = PG_GETARG_VARLENA_PP(0);
	if (fc_is_literal(datum))
	{
		fc_check_plaintext_allowed();
		PG_RETURN_POINTER(fc_encrypt_text(VARDATA_ANY(datum) + FC_LITERAL_HEADER_BYTES,
										  VARSIZE_ANY_EXHDR(datum) - FC_LITERAL_HEADER_BYTES,
										  typmod));
	}
	/* also says so if the value does not parse */
	PG_RETURN_POINTER(reencrypt(datum, typmod));
}
