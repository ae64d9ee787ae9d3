/* sql/fieldcrypt--0.1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION fieldcrypt" to load this file. \quit

CREATE SCHEMA fieldcrypt;
COMMENT ON SCHEMA fieldcrypt IS 'fieldcrypt: keys, grants, procedures and views of encrypted columns';
GRANT USAGE ON SCHEMA fieldcrypt TO PUBLIC;

----------------------------------------------------------------------
-- The type.  It lives in pg_catalog so that it is found under any
-- search_path; everything that is not part of the type is in fieldcrypt.
----------------------------------------------------------------------

CREATE TYPE pg_catalog.encrypted_text;

CREATE FUNCTION pg_catalog.encrypted_text_in(cstring, oid, int4) RETURNS pg_catalog.encrypted_text
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_in';
COMMENT ON FUNCTION pg_catalog.encrypted_text_in(cstring, oid, int4) IS 'I/O';

CREATE FUNCTION pg_catalog.encrypted_text_out(pg_catalog.encrypted_text) RETURNS cstring
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_out';
COMMENT ON FUNCTION pg_catalog.encrypted_text_out(pg_catalog.encrypted_text) IS 'I/O';

CREATE FUNCTION pg_catalog.encrypted_text_recv(internal, oid, int4) RETURNS pg_catalog.encrypted_text
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_recv';
COMMENT ON FUNCTION pg_catalog.encrypted_text_recv(internal, oid, int4) IS 'I/O';

CREATE FUNCTION pg_catalog.encrypted_text_send(pg_catalog.encrypted_text) RETURNS bytea
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_send';
COMMENT ON FUNCTION pg_catalog.encrypted_text_send(pg_catalog.encrypted_text) IS 'I/O';

CREATE FUNCTION pg_catalog.encrypted_text_typmod_in(cstring[]) RETURNS int4
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_typmod_in';
COMMENT ON FUNCTION pg_catalog.encrypted_text_typmod_in(cstring[]) IS 'I/O typmod';

CREATE FUNCTION pg_catalog.encrypted_text_typmod_out(int4) RETURNS cstring
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_typmod_out';
COMMENT ON FUNCTION pg_catalog.encrypted_text_typmod_out(int4) IS 'I/O typmod';

CREATE FUNCTION pg_catalog.encrypted_text_typanalyze(internal) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_typanalyze';
COMMENT ON FUNCTION pg_catalog.encrypted_text_typanalyze(internal) IS
    'statistics of encrypted values: null fraction, width, distinct tags; opens nothing';

CREATE TYPE pg_catalog.encrypted_text (
    INPUT = pg_catalog.encrypted_text_in,
    OUTPUT = pg_catalog.encrypted_text_out,
    RECEIVE = pg_catalog.encrypted_text_recv,
    SEND = pg_catalog.encrypted_text_send,
    TYPMOD_IN = pg_catalog.encrypted_text_typmod_in,
    TYPMOD_OUT = pg_catalog.encrypted_text_typmod_out,
    ANALYZE = pg_catalog.encrypted_text_typanalyze,
    INTERNALLENGTH = VARIABLE,
    STORAGE = external,
    CATEGORY = 'S',
    PREFERRED = false,
    COLLATABLE = true
);
COMMENT ON TYPE pg_catalog.encrypted_text IS
    'text, encrypted under the key that the type modifier names: encrypted_text(''key''[, ''searchable''])';

-- Casts.  Into the type by assignment; out of it only explicitly.  The casts
-- to varchar, bpchar and name stand here because without a row PostgreSQL
-- would supply an assignment cast by I/O.

CREATE FUNCTION fieldcrypt.coerce_support(internal) RETURNS internal
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_coerce_support';
COMMENT ON FUNCTION fieldcrypt.coerce_support(internal) IS
    'planner support of the coercion: set_search() changes a column''s type without rewriting its table';
CREATE FUNCTION pg_catalog.encrypted_text(pg_catalog.encrypted_text, int4, bool) RETURNS pg_catalog.encrypted_text
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE SUPPORT fieldcrypt.coerce_support AS 'MODULE_PATHNAME', 'fc_encrypted_text_coerce';
COMMENT ON FUNCTION pg_catalog.encrypted_text(pg_catalog.encrypted_text, int4, bool) IS
    'bring a value under the key and search mode of a type modifier';
CREATE CAST (pg_catalog.encrypted_text AS pg_catalog.encrypted_text)
    WITH FUNCTION pg_catalog.encrypted_text(pg_catalog.encrypted_text, int4, bool) AS IMPLICIT;
COMMENT ON CAST (pg_catalog.encrypted_text AS pg_catalog.encrypted_text) IS 'apply the type modifier: key and search mode';

CREATE FUNCTION fieldcrypt.text_cast_support(internal) RETURNS internal
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_text_cast_support';
COMMENT ON FUNCTION fieldcrypt.text_cast_support(internal) IS
    'planner support of the cast from text: no plan shows a constant that is to be encrypted';
CREATE FUNCTION pg_catalog.encrypted_text(text, int4, bool) RETURNS pg_catalog.encrypted_text
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE SUPPORT fieldcrypt.text_cast_support AS 'MODULE_PATHNAME', 'fc_text_to_encrypted_text';
COMMENT ON FUNCTION pg_catalog.encrypted_text(text, int4, bool) IS 'encrypt text';
CREATE CAST (text AS pg_catalog.encrypted_text)
    WITH FUNCTION pg_catalog.encrypted_text(text, int4, bool) AS ASSIGNMENT;
COMMENT ON CAST (text AS pg_catalog.encrypted_text) IS 'encrypt text';

CREATE FUNCTION pg_catalog.encrypted_text(varchar, int4, bool) RETURNS pg_catalog.encrypted_text
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_text_to_encrypted_text';
COMMENT ON FUNCTION pg_catalog.encrypted_text(varchar, int4, bool) IS 'encrypt varchar';
CREATE CAST (varchar AS pg_catalog.encrypted_text)
    WITH FUNCTION pg_catalog.encrypted_text(varchar, int4, bool) AS ASSIGNMENT;
COMMENT ON CAST (varchar AS pg_catalog.encrypted_text) IS 'encrypt varchar';

CREATE FUNCTION pg_catalog.encrypted_text(bpchar, int4, bool) RETURNS pg_catalog.encrypted_text
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_bpchar_to_encrypted_text';
COMMENT ON FUNCTION pg_catalog.encrypted_text(bpchar, int4, bool) IS 'encrypt char(n), without its padding';
CREATE CAST (bpchar AS pg_catalog.encrypted_text)
    WITH FUNCTION pg_catalog.encrypted_text(bpchar, int4, bool) AS ASSIGNMENT;
COMMENT ON CAST (bpchar AS pg_catalog.encrypted_text) IS 'encrypt char(n), without its padding';

-- Types whose cast to text is not their output.  Any other is assigned by I/O.
CREATE FUNCTION pg_catalog.encrypted_text(boolean, int4, bool) RETURNS pg_catalog.encrypted_text
    LANGUAGE sql VOLATILE STRICT PARALLEL SAFE RETURN pg_catalog.encrypted_text($1::text, $2, $3);
COMMENT ON FUNCTION pg_catalog.encrypted_text(boolean, int4, bool) IS 'encrypt boolean, as its cast to text';
CREATE CAST (boolean AS pg_catalog.encrypted_text)
    WITH FUNCTION pg_catalog.encrypted_text(boolean, int4, bool) AS ASSIGNMENT;
COMMENT ON CAST (boolean AS pg_catalog.encrypted_text) IS 'encrypt';
CREATE FUNCTION pg_catalog.encrypted_text(inet, int4, bool) RETURNS pg_catalog.encrypted_text
    LANGUAGE sql VOLATILE STRICT PARALLEL SAFE RETURN pg_catalog.encrypted_text($1::text, $2, $3);
COMMENT ON FUNCTION pg_catalog.encrypted_text(inet, int4, bool) IS 'encrypt inet, as its cast to text';
CREATE CAST (inet AS pg_catalog.encrypted_text)
    WITH FUNCTION pg_catalog.encrypted_text(inet, int4, bool) AS ASSIGNMENT;
COMMENT ON CAST (inet AS pg_catalog.encrypted_text) IS 'encrypt';

CREATE FUNCTION pg_catalog.text(pg_catalog.encrypted_text) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_to_text';
COMMENT ON FUNCTION pg_catalog.text(pg_catalog.encrypted_text) IS 'decrypt to text';
CREATE CAST (pg_catalog.encrypted_text AS text) WITH FUNCTION pg_catalog.text(pg_catalog.encrypted_text);
COMMENT ON CAST (pg_catalog.encrypted_text AS text) IS 'decrypt; needs decrypt on the key';

CREATE FUNCTION pg_catalog."varchar"(pg_catalog.encrypted_text) RETURNS varchar
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_to_text';
COMMENT ON FUNCTION pg_catalog."varchar"(pg_catalog.encrypted_text) IS 'decrypt to varchar';
CREATE CAST (pg_catalog.encrypted_text AS varchar) WITH FUNCTION pg_catalog."varchar"(pg_catalog.encrypted_text);
COMMENT ON CAST (pg_catalog.encrypted_text AS varchar) IS 'decrypt; needs decrypt on the key';

CREATE FUNCTION pg_catalog.bpchar(pg_catalog.encrypted_text) RETURNS bpchar
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_to_text';
COMMENT ON FUNCTION pg_catalog.bpchar(pg_catalog.encrypted_text) IS 'decrypt to char';
CREATE CAST (pg_catalog.encrypted_text AS bpchar) WITH FUNCTION pg_catalog.bpchar(pg_catalog.encrypted_text);
COMMENT ON CAST (pg_catalog.encrypted_text AS bpchar) IS 'decrypt; needs decrypt on the key';

CREATE FUNCTION pg_catalog.name(pg_catalog.encrypted_text) RETURNS name
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_to_name';
COMMENT ON FUNCTION pg_catalog.name(pg_catalog.encrypted_text) IS 'decrypt to name';
CREATE CAST (pg_catalog.encrypted_text AS name) WITH FUNCTION pg_catalog.name(pg_catalog.encrypted_text);
COMMENT ON CAST (pg_catalog.encrypted_text AS name) IS 'decrypt; needs decrypt on the key';

----------------------------------------------------------------------
-- Key tables.  pg_dump carries their rows; nobody writes them but the
-- functions below and a restore.
----------------------------------------------------------------------

CREATE TABLE fieldcrypt.keys (
    key_id       bytea NOT NULL PRIMARY KEY CHECK (octet_length(key_id) = 6),
    name         text COLLATE "C" NOT NULL CHECK (name ~ '^[a-z0-9_][a-z0-9_.-]{0,62}$'),
    writes       boolean NOT NULL DEFAULT true,
    state        text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'destroyed')),
    locked_at    timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    rotate_every interval CHECK (rotate_every > '0'),
    rotate_auto  boolean NOT NULL DEFAULT false,
    rotate_window text COLLATE "C" CHECK (rotate_window ~ '^\d\d:\d\d-\d\d:\d\d$'),
    rewrapped_to integer
);
CREATE UNIQUE INDEX keys_name_writes ON fieldcrypt.keys (name) WHERE writes;
CREATE INDEX keys_name ON fieldcrypt.keys (name);
COMMENT ON TABLE fieldcrypt.keys IS 'keys by name and identity; written only by fieldcrypt''s functions and by a restore';
COMMENT ON COLUMN fieldcrypt.keys.key_id IS 'first 28 bits of SHA-256(name), then 20 random bits; stands in every value';
COMMENT ON COLUMN fieldcrypt.keys.name IS 'what SQL calls the key; never changes and is never used again';
COMMENT ON COLUMN fieldcrypt.keys.writes IS 'of several identities with one name, the one that encrypts';
COMMENT ON COLUMN fieldcrypt.keys.state IS 'active or destroyed';
COMMENT ON COLUMN fieldcrypt.keys.locked_at IS 'since when lock_key() refuses every use, or null';
COMMENT ON COLUMN fieldcrypt.keys.created_at IS 'when create_key() made it';
COMMENT ON COLUMN fieldcrypt.keys.destroyed_at IS 'when it was destroyed, or null';
COMMENT ON COLUMN fieldcrypt.keys.rotate_every IS 'how long a version is to encrypt before the next one, or null; see keys_due';
COMMENT ON COLUMN fieldcrypt.keys.rotate_auto IS 'does the server rotate the key, and rewrap its values, when it is due';
COMMENT ON COLUMN fieldcrypt.keys.rotate_window IS 'when the server may rewrap by itself, as HH:MM-HH:MM, or null for any time';
COMMENT ON COLUMN fieldcrypt.keys.rewrapped_to IS 'version to which the server has last moved every value by itself, or null';

CREATE TABLE fieldcrypt.key_versions (
    key_id       bytea NOT NULL CHECK (octet_length(key_id) = 6),
    purpose      smallint NOT NULL CHECK (purpose IN (1, 2)),
    version      integer NOT NULL CHECK (version BETWEEN 1 AND 65535),
    suite        smallint NOT NULL CHECK (suite IN (1, 2)),
    state        text NOT NULL CHECK (state IN ('pre-active', 'active', 'decrypt-only', 'compromised', 'destroyed')),
    provider     text COLLATE "C" NOT NULL,
    kms_key      text COLLATE "C" NOT NULL,
    wrapped      bytea,
    kcv          bytea NOT NULL CHECK (octet_length(kcv) = 8),
    seal         bytea,
    created_at   timestamptz NOT NULL DEFAULT now(),
    activated_at timestamptz,
    destroyed_at timestamptz,
    old_provider text COLLATE "C",
    old_kms_key  text COLLATE "C",
    old_wrapped  bytea,
    rewrapped_at timestamptz,
    retired_at   timestamptz,
    PRIMARY KEY (key_id, purpose, version),
    CHECK (wrapped IS NOT NULL OR state = 'destroyed'),
    CHECK ((old_wrapped IS NULL) = (old_provider IS NULL) AND (old_wrapped IS NULL) = (old_kms_key IS NULL))
);
CREATE UNIQUE INDEX key_versions_active ON fieldcrypt.key_versions (key_id, purpose) WHERE state = 'active';
COMMENT ON TABLE fieldcrypt.key_versions IS 'wrapped root secrets, one per key, purpose and version; written only by fieldcrypt''s functions and by a restore';
COMMENT ON COLUMN fieldcrypt.key_versions.key_id IS 'identity of the key';
COMMENT ON COLUMN fieldcrypt.key_versions.purpose IS '1 = wraps data keys, 2 = blind index';
COMMENT ON COLUMN fieldcrypt.key_versions.version IS 'number of the version; never used again';
COMMENT ON COLUMN fieldcrypt.key_versions.suite IS '1 = AES-256-KW + AES-256-GCM, 2 = XAES-256-GCM';
COMMENT ON COLUMN fieldcrypt.key_versions.state IS 'SP 800-57 state: pre-active, active, decrypt-only, compromised, destroyed';
COMMENT ON COLUMN fieldcrypt.key_versions.provider IS 'section of the provider file whose KMS unwraps it';
COMMENT ON COLUMN fieldcrypt.key_versions.kms_key IS 'key inside the KMS';
COMMENT ON COLUMN fieldcrypt.key_versions.wrapped IS 'the root secret as the KMS returned it; useless without the KMS';
COMMENT ON COLUMN fieldcrypt.key_versions.kcv IS 'check value: detects a wrong answer of the KMS';
COMMENT ON COLUMN fieldcrypt.key_versions.seal IS 'signature over the row where wrapping needs only a public key, else null';
COMMENT ON COLUMN fieldcrypt.key_versions.created_at IS 'when it was made';
COMMENT ON COLUMN fieldcrypt.key_versions.activated_at IS 'when it became active, or null';
COMMENT ON COLUMN fieldcrypt.key_versions.destroyed_at IS 'when it was destroyed, or null';
COMMENT ON COLUMN fieldcrypt.key_versions.old_provider IS 'provider of old_wrapped, or null';
COMMENT ON COLUMN fieldcrypt.key_versions.old_kms_key IS 'KMS key of old_wrapped, or null';
COMMENT ON COLUMN fieldcrypt.key_versions.old_wrapped IS 'what rewrap_keyring() or move_key() replaced, until it is completed or undone, else null';
COMMENT ON COLUMN fieldcrypt.key_versions.rewrapped_at IS 'when wrapped was last replaced, or null';
COMMENT ON COLUMN fieldcrypt.key_versions.retired_at IS 'of a blind index: since when no value has its tags and searches do not ask for them, or null';

CREATE TABLE fieldcrypt.key_grants (
    key         text COLLATE "C" NOT NULL,
    grantee     name NOT NULL,
    privilege   text COLLATE "C" NOT NULL CHECK (privilege IN ('encrypt', 'decrypt')),
    grantee_oid oid,
    granted_by  name NOT NULL DEFAULT session_user,
    granted_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, grantee, privilege)
);
COMMENT ON TABLE fieldcrypt.key_grants IS 'who may encrypt and decrypt; written only by grant_key(), revoke_key() and by a restore';
COMMENT ON COLUMN fieldcrypt.key_grants.key IS 'name of the key';
COMMENT ON COLUMN fieldcrypt.key_grants.grantee IS 'name of the role, or public';
COMMENT ON COLUMN fieldcrypt.key_grants.privilege IS 'encrypt, or decrypt (which includes encrypt)';
COMMENT ON COLUMN fieldcrypt.key_grants.grantee_oid IS 'OID of the role when granted or restored; the grant counts only while name and OID name one role; 0 = public, null = inactive';
COMMENT ON COLUMN fieldcrypt.key_grants.granted_by IS 'who granted it';
COMMENT ON COLUMN fieldcrypt.key_grants.granted_at IS 'when it was granted';

REVOKE ALL ON fieldcrypt.keys, fieldcrypt.key_versions, fieldcrypt.key_grants FROM PUBLIC;
-- so that the database's owner can run pg_dump; the blobs are wrapped
GRANT SELECT ON fieldcrypt.keys, fieldcrypt.key_versions, fieldcrypt.key_grants TO pg_database_owner;

SELECT pg_catalog.pg_extension_config_dump('fieldcrypt.keys', '');
SELECT pg_catalog.pg_extension_config_dump('fieldcrypt.key_versions', '');
SELECT pg_catalog.pg_extension_config_dump('fieldcrypt.key_grants', '');

CREATE FUNCTION fieldcrypt.guard_key_tables() RETURNS trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_guard_key_tables';
REVOKE ALL ON FUNCTION fieldcrypt.guard_key_tables() FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.guard_key_tables() IS
    'lets only fieldcrypt''s functions and a restore write the key tables, and tells every backend of a change';

CREATE TRIGGER guard_rows BEFORE INSERT OR UPDATE OR DELETE ON fieldcrypt.keys
    FOR EACH ROW EXECUTE FUNCTION fieldcrypt.guard_key_tables();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON fieldcrypt.keys
    FOR EACH STATEMENT EXECUTE FUNCTION fieldcrypt.guard_key_tables();
CREATE TRIGGER guard_rows BEFORE INSERT OR UPDATE OR DELETE ON fieldcrypt.key_versions
    FOR EACH ROW EXECUTE FUNCTION fieldcrypt.guard_key_tables();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON fieldcrypt.key_versions
    FOR EACH STATEMENT EXECUTE FUNCTION fieldcrypt.guard_key_tables();
CREATE TRIGGER guard_rows BEFORE INSERT OR UPDATE OR DELETE ON fieldcrypt.key_grants
    FOR EACH ROW EXECUTE FUNCTION fieldcrypt.guard_key_tables();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON fieldcrypt.key_grants
    FOR EACH STATEMENT EXECUTE FUNCTION fieldcrypt.guard_key_tables();
ALTER TABLE fieldcrypt.keys ENABLE ALWAYS TRIGGER guard_rows;
ALTER TABLE fieldcrypt.keys ENABLE ALWAYS TRIGGER guard_truncate;
ALTER TABLE fieldcrypt.key_versions ENABLE ALWAYS TRIGGER guard_rows;
ALTER TABLE fieldcrypt.key_versions ENABLE ALWAYS TRIGGER guard_truncate;
ALTER TABLE fieldcrypt.key_grants ENABLE ALWAYS TRIGGER guard_rows;
ALTER TABLE fieldcrypt.key_grants ENABLE ALWAYS TRIGGER guard_truncate;

----------------------------------------------------------------------
-- Values
----------------------------------------------------------------------

CREATE FUNCTION fieldcrypt.encrypt(plaintext text, key text) RETURNS pg_catalog.encrypted_text
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypt';
COMMENT ON FUNCTION fieldcrypt.encrypt(text, text) IS 'encrypt text under a key; needs encrypt on it';

CREATE FUNCTION fieldcrypt.decrypt(value pg_catalog.encrypted_text) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_to_text';
COMMENT ON FUNCTION fieldcrypt.decrypt(pg_catalog.encrypted_text) IS 'decrypt a value; needs decrypt on its key';

CREATE FUNCTION fieldcrypt.try_decrypt(value pg_catalog.encrypted_text) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_try_decrypt';
COMMENT ON FUNCTION fieldcrypt.try_decrypt(pg_catalog.encrypted_text) IS
    'decrypt a value, or NULL where it cannot: no privilege, key not at hand, value altered';

CREATE FUNCTION fieldcrypt.value_info(value pg_catalog.encrypted_text,
    OUT key text, OUT key_id text, OUT version integer, OUT suite integer,
    OUT mode text, OUT index_version integer, OUT bytes integer) RETURNS record
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_value_info';
COMMENT ON FUNCTION fieldcrypt.value_info(pg_catalog.encrypted_text) IS
    'what a value''s header says: key, version, suite, search mode, length of the text; needs no key';

CREATE FUNCTION fieldcrypt.blind_index(value pg_catalog.encrypted_text) RETURNS uuid
    LANGUAGE C IMMUTABLE LEAKPROOF STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_blind_index';
COMMENT ON FUNCTION fieldcrypt.blind_index(pg_catalog.encrypted_text) IS
    'the tag of a value of a searchable column, or NULL; reads the header only, needs no key';

CREATE FUNCTION fieldcrypt.blind_index(plaintext text, key text, mode text) RETURNS uuid
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_blind_index_text';
COMMENT ON FUNCTION fieldcrypt.blind_index(text, text, text) IS
    'the tag that a text has under a key and search mode; needs decrypt on the key';

CREATE FUNCTION fieldcrypt.blind_indexes(plaintext text, key text, mode text) RETURNS uuid[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_blind_indexes_text';
COMMENT ON FUNCTION fieldcrypt.blind_indexes(text, text, text) IS
    'the tags that a text may have under a key and search mode: two while the index key is being rotated, else one; needs decrypt on the key';

CREATE FUNCTION fieldcrypt.typmod_key(typmod integer) RETURNS text
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_typmod_key';
COMMENT ON FUNCTION fieldcrypt.typmod_key(integer) IS 'name of the key in a type modifier, or # and its prefix in hexadecimal';

CREATE FUNCTION fieldcrypt.typmod_mode(typmod integer) RETURNS text
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_typmod_mode';
COMMENT ON FUNCTION fieldcrypt.typmod_mode(integer) IS 'search mode in a type modifier, or NULL if the column is not searchable';

----------------------------------------------------------------------
-- Keys
----------------------------------------------------------------------

CREATE FUNCTION fieldcrypt.create_key(key text, provider text DEFAULT NULL, kms_key text DEFAULT NULL,
                                      suite integer DEFAULT 1, if_not_exists boolean DEFAULT false) RETURNS void
    LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_create_key';
REVOKE ALL ON FUNCTION fieldcrypt.create_key(text, text, text, integer, boolean) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.create_key(text, text, text, integer, boolean) IS
    'make a key: two root secrets (values and blind index), wrapped by the KMS, unwrapped again and compared';

CREATE FUNCTION fieldcrypt.grant_key(key text, grantee text, privilege text) RETURNS void
    LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_grant_key';
REVOKE ALL ON FUNCTION fieldcrypt.grant_key(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.grant_key(text, text, text) IS
    'allow a role, or public, to encrypt or decrypt (which includes encrypt) with a key';

CREATE FUNCTION fieldcrypt.revoke_key(key text, grantee text, privilege text) RETURNS void
    LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_revoke_key';
REVOKE ALL ON FUNCTION fieldcrypt.revoke_key(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.revoke_key(text, text, text) IS 'take back what grant_key() gave';

CREATE FUNCTION fieldcrypt.has_key_privilege(role name, key text, privilege text) RETURNS boolean
    LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'fc_has_key_privilege';
COMMENT ON FUNCTION fieldcrypt.has_key_privilege(name, text, text) IS
    'does a role hold encrypt or decrypt on a key, itself, by membership or by public';

CREATE FUNCTION fieldcrypt.lock_key(key text) RETURNS void
    LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_lock_key';
REVOKE ALL ON FUNCTION fieldcrypt.lock_key(text) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.lock_key(text) IS 'refuse every use of a key, and wipe it from the cache, until unlock_key()';

CREATE FUNCTION fieldcrypt.unlock_key(key text) RETURNS void
    LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_unlock_key';
REVOKE ALL ON FUNCTION fieldcrypt.unlock_key(text) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.unlock_key(text) IS 'allow a key again that lock_key() locked';

CREATE FUNCTION fieldcrypt.purge_cache(key text DEFAULT NULL) RETURNS integer
    LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_purge_cache';
REVOKE ALL ON FUNCTION fieldcrypt.purge_cache(text) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.purge_cache(text) IS
    'wipe a key, or all keys of this database, from this server''s cache; the next use asks the KMS again';

CREATE FUNCTION fieldcrypt.check_provider(provider text, OUT step text, OUT ok boolean, OUT milliseconds integer, OUT detail text)
    RETURNS SETOF record
    LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_check_provider';
REVOKE ALL ON FUNCTION fieldcrypt.check_provider(text) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.check_provider(text) IS
    'try a provider step by step, up to the first that fails: resolve, connect, tls, auth, wrap, unwrap, compare; one row each';

CREATE PROCEDURE fieldcrypt.rotate_key(key text, activate boolean DEFAULT true)
    LANGUAGE C SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_rotate_key';
REVOKE ALL ON PROCEDURE fieldcrypt.rotate_key(text, boolean) FROM PUBLIC;
COMMENT ON PROCEDURE fieldcrypt.rotate_key(text, boolean) IS
    'make a new version of a key, verified through the KMS, and write with it from now on; old values stay readable';

CREATE PROCEDURE fieldcrypt.activate_version(key text, version integer)
    LANGUAGE C SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_activate_version';
REVOKE ALL ON PROCEDURE fieldcrypt.activate_version(text, integer) FROM PUBLIC;
COMMENT ON PROCEDURE fieldcrypt.activate_version(text, integer) IS
    'write with a version that rotate_key(key, activate => false) made';

----------------------------------------------------------------------
-- Views
----------------------------------------------------------------------

CREATE FUNCTION fieldcrypt.cache_slots(
    OUT key_id bytea, OUT purpose smallint, OUT version integer, OUT state text, OUT provider text,
    OUT fetched_at timestamptz, OUT refreshed_at timestamptz, OUT expires_at timestamptz,
    OUT last_used_at timestamptz, OUT failing_since timestamptz, OUT next_retry timestamptz,
    OUT kms_calls bigint, OUT sealed bigint, OUT last_error text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'fc_cache_slots';
COMMENT ON FUNCTION fieldcrypt.cache_slots() IS 'this database''s slots of the key cache; no key bytes';

CREATE FUNCTION fieldcrypt.provider_list(
    OUT provider text, OUT type text, OUT state text, OUT pid integer, OUT default_key text,
    OUT state_since timestamptz, OUT last_success timestamptz, OUT last_failure timestamptz,
    OUT kms_calls bigint, OUT failures bigint,
    OUT auth_state text, OUT auth_expires timestamptz,
    OUT latency_p50_ms double precision, OUT latency_p99_ms double precision,
    OUT last_error_class text, OUT last_error text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'fc_provider_list';
REVOKE ALL ON FUNCTION fieldcrypt.provider_list() FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.provider_list() IS 'the providers of the provider file, the state of their workers and sessions, and how long their last calls took; no credentials';

CREATE FUNCTION fieldcrypt.ready() RETURNS boolean
    LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'fc_ready';
REVOKE ALL ON FUNCTION fieldcrypt.ready() FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.ready() IS 'does this server''s cache hold every key version of this database that is in use?';

CREATE FUNCTION fieldcrypt.memory_protection_info(
    OUT region text, OUT mechanism text, OUT bytes bigint, OUT locked boolean, OUT dump_excluded boolean,
    OUT unreadable_by_other_processes boolean, OUT problem text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'fc_memory_protection';
REVOKE ALL ON FUNCTION fieldcrypt.memory_protection_info() FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.memory_protection_info() IS 'how the memory that holds keys is protected on this server';

CREATE VIEW fieldcrypt.cache AS
    SELECT k.name AS key, encode(s.key_id, 'hex') AS key_id,
           CASE s.purpose WHEN 1 THEN 'wrap' ELSE 'index' END AS purpose,
           s.version, s.state, s.provider, s.fetched_at, s.refreshed_at, s.expires_at,
           s.last_used_at, s.failing_since, s.next_retry, s.kms_calls, s.sealed, s.last_error
      FROM fieldcrypt.cache_slots() s LEFT JOIN fieldcrypt.keys k ON k.key_id = s.key_id;
COMMENT ON VIEW fieldcrypt.cache IS 'keys of this database in this server''s cache; no key bytes';

CREATE VIEW fieldcrypt.providers AS SELECT * FROM fieldcrypt.provider_list();
COMMENT ON VIEW fieldcrypt.providers IS 'providers of the provider file: state of worker and session, and how long the last calls took';

CREATE VIEW fieldcrypt.memory_protection AS SELECT * FROM fieldcrypt.memory_protection_info();
COMMENT ON VIEW fieldcrypt.memory_protection IS 'how the memory that holds keys is protected on this server';

CREATE VIEW fieldcrypt.grants AS
    SELECT g.key, g.grantee::text AS grantee, g.privilege, g.granted_by::text AS granted_by, g.granted_at,
           COALESCE(g.grantee_oid = 0 OR r.oid IS NOT NULL, false) AS active
      FROM fieldcrypt.key_grants g
      LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee_oid AND r.rolname = g.grantee;
COMMENT ON VIEW fieldcrypt.grants IS 'who may encrypt and decrypt; inactive where the role was dropped or made anew';

CREATE VIEW fieldcrypt.encrypted_columns AS
    SELECT c.oid::regclass AS relation, a.attname::text AS "column",
           pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
           fieldcrypt.typmod_key(m.typmod) AS key,
           fieldcrypt.typmod_mode(m.typmod) AS mode
      FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
      CROSS JOIN LATERAL (SELECT CASE
             WHEN a.atttypmod <> -1 THEN a.atttypmod
             WHEN t.typtype = 'd' THEN t.typtypmod
             WHEN e.typtype = 'd' THEN e.typtypmod
             ELSE -1 END AS typmod) m
     WHERE a.attnum > 0 AND NOT a.attisdropped
       AND c.relkind IN ('r', 'p', 'm', 'v', 'f', 'c')
       AND 'pg_catalog.encrypted_text'::pg_catalog.regtype IN
           (t.oid, t.typbasetype, e.oid, e.typbasetype);
COMMENT ON VIEW fieldcrypt.encrypted_columns IS 'columns of type encrypted_text, arrays and domains of it: key and search mode';

-- Suite 1 wraps at most 2^40 data keys under a version, suite 2 derives at most
-- 2^48.  What a version has sealed in all its life nobody knows; what is known
-- is how much since its key came into this server's cache, and about how many
-- rows there are.
CREATE VIEW fieldcrypt.key_status AS
    SELECT k.name AS key, encode(k.key_id, 'hex') AS key_id,
           CASE v.purpose WHEN 1 THEN 'wrap' ELSE 'index' END AS purpose,
           v.version, v.suite::integer AS suite,
           CASE WHEN k.state = 'destroyed' THEN 'destroyed' ELSE v.state END AS state,
           k.writes, k.locked_at IS NOT NULL AS locked,
           v.provider, v.kms_key, v.created_at, v.activated_at, v.retired_at, v.destroyed_at,
           COALESCE(s.valid, false) AS cached,
           v.rewrapped_at, v.old_provider,
           CASE WHEN l.max_values IS NOT NULL THEN COALESCE(s.sealed, 0) END AS sealed_since_cached,
           CASE WHEN l.max_values IS NOT NULL THEN COALESCE(e.rows, 0) END AS estimated_rows,
           l.max_values,
           GREATEST(s.sealed, e.rows, 0) > l.max_values / 16 * 15 AS near_limit
      FROM fieldcrypt.keys k
      JOIN fieldcrypt.key_versions v ON v.key_id = k.key_id
      CROSS JOIN LATERAL (SELECT CASE WHEN v.purpose = 1 AND v.state = 'active' AND k.state = 'active'
             THEN (CASE v.suite WHEN 1 THEN 1::bigint << 40 ELSE 1::bigint << 48 END) END AS max_values) l
      LEFT JOIN (SELECT bool_or(x.state = 'valid') AS valid, max(x.sealed) AS sealed, x.key_id, x.purpose, x.version
                   FROM fieldcrypt.cache_slots() x GROUP BY x.key_id, x.purpose, x.version) s
        ON s.key_id = v.key_id AND s.purpose = v.purpose AND s.version = v.version
      LEFT JOIN (SELECT c.key, sum(GREATEST(r.reltuples, 0))::bigint AS rows
                   FROM fieldcrypt.encrypted_columns c JOIN pg_catalog.pg_class r ON r.oid = c.relation
                  WHERE r.relkind IN ('r', 'm') GROUP BY c.key) e
        ON e.key = k.name AND k.writes;
COMMENT ON VIEW fieldcrypt.key_status IS 'every version of every key of this database: state, provider, whether this server has it cached, and how far the active one is from its limit';

GRANT SELECT ON fieldcrypt.key_status, fieldcrypt.grants, fieldcrypt.encrypted_columns TO PUBLIC;
GRANT SELECT ON fieldcrypt.cache, fieldcrypt.providers, fieldcrypt.memory_protection TO pg_monitor;

-- A function inside a view is checked against the caller.  key_status is for
-- everybody; what only pg_monitor should see of a slot, cache_slots() itself
-- hides from others.
GRANT EXECUTE ON FUNCTION fieldcrypt.cache_slots() TO PUBLIC;
GRANT EXECUTE ON FUNCTION fieldcrypt.provider_list(), fieldcrypt.memory_protection_info(), fieldcrypt.ready() TO pg_monitor;

----------------------------------------------------------------------
-- Operators: those of text, on the plaintext; decrypt is needed on the key of
-- every value that is opened.  COST: opening a value takes about this many
-- times what comparing two texts takes.
----------------------------------------------------------------------

CREATE FUNCTION pg_catalog.encrypted_text_eq_support(internal) RETURNS internal
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_et_eq_support';
COMMENT ON FUNCTION pg_catalog.encrypted_text_eq_support(internal) IS
    'planner support of =: asks the blind index of a searchable column';
CREATE FUNCTION pg_catalog.encrypted_text_literal_support(internal) RETURNS internal
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_literal_support';
COMMENT ON FUNCTION pg_catalog.encrypted_text_literal_support(internal) IS
    'planner support: constant texts become literals of the type, which logged plans do not show';
CREATE FUNCTION pg_catalog.encrypted_text_eq(pg_catalog.encrypted_text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_eq_support AS 'MODULE_PATHNAME', 'fc_et_eq';
COMMENT ON FUNCTION pg_catalog.encrypted_text_eq(pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'implementation of = operator';
CREATE FUNCTION pg_catalog.encrypted_text_ne(pg_catalog.encrypted_text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_ne';
COMMENT ON FUNCTION pg_catalog.encrypted_text_ne(pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'implementation of <> operator';
CREATE FUNCTION pg_catalog.encrypted_text_lt(pg_catalog.encrypted_text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_lt';
COMMENT ON FUNCTION pg_catalog.encrypted_text_lt(pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'implementation of < operator';
CREATE FUNCTION pg_catalog.encrypted_text_le(pg_catalog.encrypted_text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_le';
COMMENT ON FUNCTION pg_catalog.encrypted_text_le(pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'implementation of <= operator';
CREATE FUNCTION pg_catalog.encrypted_text_gt(pg_catalog.encrypted_text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_gt';
COMMENT ON FUNCTION pg_catalog.encrypted_text_gt(pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'implementation of > operator';
CREATE FUNCTION pg_catalog.encrypted_text_ge(pg_catalog.encrypted_text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_ge';
COMMENT ON FUNCTION pg_catalog.encrypted_text_ge(pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'implementation of >= operator';
CREATE FUNCTION pg_catalog.encrypted_text_cmp(pg_catalog.encrypted_text, pg_catalog.encrypted_text) RETURNS int4
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_cmp';
COMMENT ON FUNCTION pg_catalog.encrypted_text_cmp(pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'less-equal-greater';

CREATE OPERATOR pg_catalog.= (FUNCTION = pg_catalog.encrypted_text_eq, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = pg_catalog.encrypted_text,
    COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
COMMENT ON OPERATOR pg_catalog.= (pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'equal, as text';
CREATE OPERATOR pg_catalog.<> (FUNCTION = pg_catalog.encrypted_text_ne, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = pg_catalog.encrypted_text,
    COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=),
    RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR pg_catalog.<> (pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'not equal, as text';
CREATE OPERATOR pg_catalog.< (FUNCTION = pg_catalog.encrypted_text_lt, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = pg_catalog.encrypted_text,
    COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=),
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
COMMENT ON OPERATOR pg_catalog.< (pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'less than, as text';
CREATE OPERATOR pg_catalog.<= (FUNCTION = pg_catalog.encrypted_text_le, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = pg_catalog.encrypted_text,
    COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>),
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
COMMENT ON OPERATOR pg_catalog.<= (pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'less than or equal, as text';
CREATE OPERATOR pg_catalog.> (FUNCTION = pg_catalog.encrypted_text_gt, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = pg_catalog.encrypted_text,
    COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=),
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
COMMENT ON OPERATOR pg_catalog.> (pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'greater than, as text';
CREATE OPERATOR pg_catalog.>= (FUNCTION = pg_catalog.encrypted_text_ge, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = pg_catalog.encrypted_text,
    COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<),
    RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR pg_catalog.>= (pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'greater than or equal, as text';

CREATE FUNCTION pg_catalog.encrypted_text_text_eq(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_eq_support AS 'MODULE_PATHNAME', 'fc_et_text_eq';
COMMENT ON FUNCTION pg_catalog.encrypted_text_text_eq(pg_catalog.encrypted_text, text) IS 'implementation of = operator';
CREATE FUNCTION pg_catalog.encrypted_text_text_ne(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_text_ne';
COMMENT ON FUNCTION pg_catalog.encrypted_text_text_ne(pg_catalog.encrypted_text, text) IS 'implementation of <> operator';
CREATE FUNCTION pg_catalog.encrypted_text_text_lt(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_text_lt';
COMMENT ON FUNCTION pg_catalog.encrypted_text_text_lt(pg_catalog.encrypted_text, text) IS 'implementation of < operator';
CREATE FUNCTION pg_catalog.encrypted_text_text_le(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_text_le';
COMMENT ON FUNCTION pg_catalog.encrypted_text_text_le(pg_catalog.encrypted_text, text) IS 'implementation of <= operator';
CREATE FUNCTION pg_catalog.encrypted_text_text_gt(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_text_gt';
COMMENT ON FUNCTION pg_catalog.encrypted_text_text_gt(pg_catalog.encrypted_text, text) IS 'implementation of > operator';
CREATE FUNCTION pg_catalog.encrypted_text_text_ge(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_text_ge';
COMMENT ON FUNCTION pg_catalog.encrypted_text_text_ge(pg_catalog.encrypted_text, text) IS 'implementation of >= operator';
CREATE FUNCTION pg_catalog.encrypted_text_text_cmp(pg_catalog.encrypted_text, text) RETURNS int4
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_text_cmp';
COMMENT ON FUNCTION pg_catalog.encrypted_text_text_cmp(pg_catalog.encrypted_text, text) IS 'less-equal-greater';

CREATE OPERATOR pg_catalog.= (FUNCTION = pg_catalog.encrypted_text_text_eq, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
COMMENT ON OPERATOR pg_catalog.= (pg_catalog.encrypted_text, text) IS 'equal, as text';
CREATE OPERATOR pg_catalog.<> (FUNCTION = pg_catalog.encrypted_text_text_ne, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=),
    RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR pg_catalog.<> (pg_catalog.encrypted_text, text) IS 'not equal, as text';
CREATE OPERATOR pg_catalog.< (FUNCTION = pg_catalog.encrypted_text_text_lt, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=),
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
COMMENT ON OPERATOR pg_catalog.< (pg_catalog.encrypted_text, text) IS 'less than, as text';
CREATE OPERATOR pg_catalog.<= (FUNCTION = pg_catalog.encrypted_text_text_le, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>),
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
COMMENT ON OPERATOR pg_catalog.<= (pg_catalog.encrypted_text, text) IS 'less than or equal, as text';
CREATE OPERATOR pg_catalog.> (FUNCTION = pg_catalog.encrypted_text_text_gt, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=),
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
COMMENT ON OPERATOR pg_catalog.> (pg_catalog.encrypted_text, text) IS 'greater than, as text';
CREATE OPERATOR pg_catalog.>= (FUNCTION = pg_catalog.encrypted_text_text_ge, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<),
    RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR pg_catalog.>= (pg_catalog.encrypted_text, text) IS 'greater than or equal, as text';

CREATE FUNCTION pg_catalog.text_encrypted_text_eq(text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_eq_support AS 'MODULE_PATHNAME', 'fc_text_et_eq';
COMMENT ON FUNCTION pg_catalog.text_encrypted_text_eq(text, pg_catalog.encrypted_text) IS 'implementation of = operator';
CREATE FUNCTION pg_catalog.text_encrypted_text_ne(text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_text_et_ne';
COMMENT ON FUNCTION pg_catalog.text_encrypted_text_ne(text, pg_catalog.encrypted_text) IS 'implementation of <> operator';
CREATE FUNCTION pg_catalog.text_encrypted_text_lt(text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_text_et_lt';
COMMENT ON FUNCTION pg_catalog.text_encrypted_text_lt(text, pg_catalog.encrypted_text) IS 'implementation of < operator';
CREATE FUNCTION pg_catalog.text_encrypted_text_le(text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_text_et_le';
COMMENT ON FUNCTION pg_catalog.text_encrypted_text_le(text, pg_catalog.encrypted_text) IS 'implementation of <= operator';
CREATE FUNCTION pg_catalog.text_encrypted_text_gt(text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_text_et_gt';
COMMENT ON FUNCTION pg_catalog.text_encrypted_text_gt(text, pg_catalog.encrypted_text) IS 'implementation of > operator';
CREATE FUNCTION pg_catalog.text_encrypted_text_ge(text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_text_et_ge';
COMMENT ON FUNCTION pg_catalog.text_encrypted_text_ge(text, pg_catalog.encrypted_text) IS 'implementation of >= operator';
CREATE FUNCTION pg_catalog.text_encrypted_text_cmp(text, pg_catalog.encrypted_text) RETURNS int4
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_text_et_cmp';
COMMENT ON FUNCTION pg_catalog.text_encrypted_text_cmp(text, pg_catalog.encrypted_text) IS 'less-equal-greater';

CREATE OPERATOR pg_catalog.= (FUNCTION = pg_catalog.text_encrypted_text_eq, LEFTARG = text, RIGHTARG = pg_catalog.encrypted_text,
    COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
COMMENT ON OPERATOR pg_catalog.= (text, pg_catalog.encrypted_text) IS 'equal, as text';
CREATE OPERATOR pg_catalog.<> (FUNCTION = pg_catalog.text_encrypted_text_ne, LEFTARG = text, RIGHTARG = pg_catalog.encrypted_text,
    COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=),
    RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR pg_catalog.<> (text, pg_catalog.encrypted_text) IS 'not equal, as text';
CREATE OPERATOR pg_catalog.< (FUNCTION = pg_catalog.text_encrypted_text_lt, LEFTARG = text, RIGHTARG = pg_catalog.encrypted_text,
    COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=),
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
COMMENT ON OPERATOR pg_catalog.< (text, pg_catalog.encrypted_text) IS 'less than, as text';
CREATE OPERATOR pg_catalog.<= (FUNCTION = pg_catalog.text_encrypted_text_le, LEFTARG = text, RIGHTARG = pg_catalog.encrypted_text,
    COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>),
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
COMMENT ON OPERATOR pg_catalog.<= (text, pg_catalog.encrypted_text) IS 'less than or equal, as text';
CREATE OPERATOR pg_catalog.> (FUNCTION = pg_catalog.text_encrypted_text_gt, LEFTARG = text, RIGHTARG = pg_catalog.encrypted_text,
    COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=),
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
COMMENT ON OPERATOR pg_catalog.> (text, pg_catalog.encrypted_text) IS 'greater than, as text';
CREATE OPERATOR pg_catalog.>= (FUNCTION = pg_catalog.text_encrypted_text_ge, LEFTARG = text, RIGHTARG = pg_catalog.encrypted_text,
    COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<),
    RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR pg_catalog.>= (text, pg_catalog.encrypted_text) IS 'greater than or equal, as text';

----------------------------------------------------------------------
-- LIKE and regular expressions
----------------------------------------------------------------------

CREATE FUNCTION pg_catalog.encrypted_text_like(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_like';
COMMENT ON FUNCTION pg_catalog.encrypted_text_like(pg_catalog.encrypted_text, text) IS 'implementation of ~~ operator';
CREATE FUNCTION pg_catalog.encrypted_text_nlike(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_nlike';
COMMENT ON FUNCTION pg_catalog.encrypted_text_nlike(pg_catalog.encrypted_text, text) IS 'implementation of !~~ operator';
CREATE FUNCTION pg_catalog.encrypted_text_iclike(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_iclike';
COMMENT ON FUNCTION pg_catalog.encrypted_text_iclike(pg_catalog.encrypted_text, text) IS 'implementation of ~~* operator';
CREATE FUNCTION pg_catalog.encrypted_text_icnlike(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_icnlike';
COMMENT ON FUNCTION pg_catalog.encrypted_text_icnlike(pg_catalog.encrypted_text, text) IS 'implementation of !~~* operator';
CREATE FUNCTION pg_catalog.encrypted_text_regexeq(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_regexeq';
COMMENT ON FUNCTION pg_catalog.encrypted_text_regexeq(pg_catalog.encrypted_text, text) IS 'implementation of ~ operator';
CREATE FUNCTION pg_catalog.encrypted_text_regexne(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_regexne';
COMMENT ON FUNCTION pg_catalog.encrypted_text_regexne(pg_catalog.encrypted_text, text) IS 'implementation of !~ operator';
CREATE FUNCTION pg_catalog.encrypted_text_icregexeq(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_icregexeq';
COMMENT ON FUNCTION pg_catalog.encrypted_text_icregexeq(pg_catalog.encrypted_text, text) IS 'implementation of ~* operator';
CREATE FUNCTION pg_catalog.encrypted_text_icregexne(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_icregexne';
COMMENT ON FUNCTION pg_catalog.encrypted_text_icregexne(pg_catalog.encrypted_text, text) IS 'implementation of !~* operator';

CREATE OPERATOR pg_catalog.~~ (FUNCTION = pg_catalog.encrypted_text_like, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    NEGATOR = OPERATOR(pg_catalog.!~~), RESTRICT = likesel, JOIN = likejoinsel);
COMMENT ON OPERATOR pg_catalog.~~ (pg_catalog.encrypted_text, text) IS 'LIKE, as text';
CREATE OPERATOR pg_catalog.!~~ (FUNCTION = pg_catalog.encrypted_text_nlike, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    NEGATOR = OPERATOR(pg_catalog.~~), RESTRICT = nlikesel, JOIN = nlikejoinsel);
COMMENT ON OPERATOR pg_catalog.!~~ (pg_catalog.encrypted_text, text) IS 'NOT LIKE, as text';
CREATE OPERATOR pg_catalog.~~* (FUNCTION = pg_catalog.encrypted_text_iclike, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    NEGATOR = OPERATOR(pg_catalog.!~~*), RESTRICT = iclikesel, JOIN = iclikejoinsel);
COMMENT ON OPERATOR pg_catalog.~~* (pg_catalog.encrypted_text, text) IS 'ILIKE, as text';
CREATE OPERATOR pg_catalog.!~~* (FUNCTION = pg_catalog.encrypted_text_icnlike, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    NEGATOR = OPERATOR(pg_catalog.~~*), RESTRICT = icnlikesel, JOIN = icnlikejoinsel);
COMMENT ON OPERATOR pg_catalog.!~~* (pg_catalog.encrypted_text, text) IS 'NOT ILIKE, as text';
CREATE OPERATOR pg_catalog.~ (FUNCTION = pg_catalog.encrypted_text_regexeq, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    NEGATOR = OPERATOR(pg_catalog.!~), RESTRICT = regexeqsel, JOIN = regexeqjoinsel);
COMMENT ON OPERATOR pg_catalog.~ (pg_catalog.encrypted_text, text) IS 'matches regular expression, as text';
CREATE OPERATOR pg_catalog.!~ (FUNCTION = pg_catalog.encrypted_text_regexne, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    NEGATOR = OPERATOR(pg_catalog.~), RESTRICT = regexnesel, JOIN = regexnejoinsel);
COMMENT ON OPERATOR pg_catalog.!~ (pg_catalog.encrypted_text, text) IS 'does not match regular expression, as text';
CREATE OPERATOR pg_catalog.~* (FUNCTION = pg_catalog.encrypted_text_icregexeq, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    NEGATOR = OPERATOR(pg_catalog.!~*), RESTRICT = icregexeqsel, JOIN = icregexeqjoinsel);
COMMENT ON OPERATOR pg_catalog.~* (pg_catalog.encrypted_text, text) IS 'matches regular expression, case-insensitively, as text';
CREATE OPERATOR pg_catalog.!~* (FUNCTION = pg_catalog.encrypted_text_icregexne, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    NEGATOR = OPERATOR(pg_catalog.~*), RESTRICT = icregexnesel, JOIN = icregexnejoinsel);
COMMENT ON OPERATOR pg_catalog.!~* (pg_catalog.encrypted_text, text) IS 'does not match regular expression, case-insensitively, as text';

----------------------------------------------------------------------
-- Operator families.  Both have text as a member, so that encrypted values and
-- texts are joined by hash and by merge.  Its own operators there are these of
-- schema fieldcrypt and not text's: a family that had text's = would show up in
-- the plans of statements that have nothing to do with encryption.
----------------------------------------------------------------------

CREATE OPERATOR fieldcrypt.#<# (FUNCTION = pg_catalog.text_lt, LEFTARG = text, RIGHTARG = text,
    COMMUTATOR = OPERATOR(fieldcrypt.#>#), NEGATOR = OPERATOR(fieldcrypt.#>=#), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
COMMENT ON OPERATOR fieldcrypt.#<# (text, text) IS 'less than; joins texts with encrypted values';
CREATE OPERATOR fieldcrypt.#<=# (FUNCTION = pg_catalog.text_le, LEFTARG = text, RIGHTARG = text,
    COMMUTATOR = OPERATOR(fieldcrypt.#>=#), NEGATOR = OPERATOR(fieldcrypt.#>#), RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
COMMENT ON OPERATOR fieldcrypt.#<=# (text, text) IS 'less than or equal; joins texts with encrypted values';
CREATE OPERATOR fieldcrypt.#=# (FUNCTION = pg_catalog.texteq, LEFTARG = text, RIGHTARG = text,
    COMMUTATOR = OPERATOR(fieldcrypt.#=#), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
COMMENT ON OPERATOR fieldcrypt.#=# (text, text) IS 'equal; joins texts with encrypted values';
CREATE OPERATOR fieldcrypt.#>=# (FUNCTION = pg_catalog.text_ge, LEFTARG = text, RIGHTARG = text,
    COMMUTATOR = OPERATOR(fieldcrypt.#<=#), NEGATOR = OPERATOR(fieldcrypt.#<#), RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR fieldcrypt.#>=# (text, text) IS 'greater than or equal; joins texts with encrypted values';
CREATE OPERATOR fieldcrypt.#># (FUNCTION = pg_catalog.text_gt, LEFTARG = text, RIGHTARG = text,
    COMMUTATOR = OPERATOR(fieldcrypt.#<#), NEGATOR = OPERATOR(fieldcrypt.#<=#), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
COMMENT ON OPERATOR fieldcrypt.#># (text, text) IS 'greater than; joins texts with encrypted values';

CREATE FUNCTION pg_catalog.encrypted_text_hash(pg_catalog.encrypted_text) RETURNS int4
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_hash';
COMMENT ON FUNCTION pg_catalog.encrypted_text_hash(pg_catalog.encrypted_text) IS 'hash, keyed';
CREATE FUNCTION pg_catalog.encrypted_text_hash_extended(pg_catalog.encrypted_text, int8) RETURNS int8
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_hash_extended';
COMMENT ON FUNCTION pg_catalog.encrypted_text_hash_extended(pg_catalog.encrypted_text, int8) IS 'hash, keyed';
CREATE FUNCTION fieldcrypt.text_hash(text) RETURNS int4
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1 AS 'MODULE_PATHNAME', 'fc_text_hash';
COMMENT ON FUNCTION fieldcrypt.text_hash(text) IS 'hash of a text that is joined with encrypted values, keyed';
CREATE FUNCTION fieldcrypt.text_hash_extended(text, int8) RETURNS int8
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1 AS 'MODULE_PATHNAME', 'fc_text_hash_extended';
COMMENT ON FUNCTION fieldcrypt.text_hash_extended(text, int8) IS 'hash of a text that is joined with encrypted values, keyed';
-- Nobody calls them by name: who could, could look for the hash of a guess in
-- what was spilled to disk.  The first two see to that themselves, because NOT
-- IN of a long list needs EXECUTE.
REVOKE ALL ON FUNCTION fieldcrypt.text_hash(text), fieldcrypt.text_hash_extended(text, int8) FROM PUBLIC;
CREATE FUNCTION pg_catalog.encrypted_text_sortsupport(internal) RETURNS void
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1 AS 'MODULE_PATHNAME', 'fc_et_sortsupport';
COMMENT ON FUNCTION pg_catalog.encrypted_text_sortsupport(internal) IS 'sort support';

CREATE OPERATOR FAMILY pg_catalog.encrypted_text_ops USING btree;
COMMENT ON OPERATOR FAMILY pg_catalog.encrypted_text_ops USING btree IS 'encrypted values, and texts joined with them';
CREATE OPERATOR CLASS pg_catalog.encrypted_text_ops DEFAULT FOR TYPE pg_catalog.encrypted_text USING btree
    FAMILY pg_catalog.encrypted_text_ops AS
    OPERATOR 1 pg_catalog.< (pg_catalog.encrypted_text, pg_catalog.encrypted_text),
    OPERATOR 2 pg_catalog.<= (pg_catalog.encrypted_text, pg_catalog.encrypted_text),
    OPERATOR 3 pg_catalog.= (pg_catalog.encrypted_text, pg_catalog.encrypted_text),
    OPERATOR 4 pg_catalog.>= (pg_catalog.encrypted_text, pg_catalog.encrypted_text),
    OPERATOR 5 pg_catalog.> (pg_catalog.encrypted_text, pg_catalog.encrypted_text),
    FUNCTION 1 pg_catalog.encrypted_text_cmp(pg_catalog.encrypted_text, pg_catalog.encrypted_text),
    FUNCTION 2 pg_catalog.encrypted_text_sortsupport(internal);
COMMENT ON OPERATOR CLASS pg_catalog.encrypted_text_ops USING btree IS 'sorting and grouping of encrypted values; no index can be built with it';
ALTER OPERATOR FAMILY pg_catalog.encrypted_text_ops USING btree ADD
    OPERATOR 1 pg_catalog.< (pg_catalog.encrypted_text, text),
    OPERATOR 2 pg_catalog.<= (pg_catalog.encrypted_text, text),
    OPERATOR 3 pg_catalog.= (pg_catalog.encrypted_text, text),
    OPERATOR 4 pg_catalog.>= (pg_catalog.encrypted_text, text),
    OPERATOR 5 pg_catalog.> (pg_catalog.encrypted_text, text),
    FUNCTION 1 (pg_catalog.encrypted_text, text) pg_catalog.encrypted_text_text_cmp(pg_catalog.encrypted_text, text),
    OPERATOR 1 pg_catalog.< (text, pg_catalog.encrypted_text),
    OPERATOR 2 pg_catalog.<= (text, pg_catalog.encrypted_text),
    OPERATOR 3 pg_catalog.= (text, pg_catalog.encrypted_text),
    OPERATOR 4 pg_catalog.>= (text, pg_catalog.encrypted_text),
    OPERATOR 5 pg_catalog.> (text, pg_catalog.encrypted_text),
    FUNCTION 1 (text, pg_catalog.encrypted_text) pg_catalog.text_encrypted_text_cmp(text, pg_catalog.encrypted_text),
    OPERATOR 1 fieldcrypt.#<# (text, text),
    OPERATOR 2 fieldcrypt.#<=# (text, text),
    OPERATOR 3 fieldcrypt.#=# (text, text),
    OPERATOR 4 fieldcrypt.#>=# (text, text),
    OPERATOR 5 fieldcrypt.#># (text, text),
    FUNCTION 1 (text, text) pg_catalog.bttextcmp(text, text),
    FUNCTION 2 (text, text) pg_catalog.bttextsortsupport(internal);

CREATE OPERATOR FAMILY pg_catalog.encrypted_text_ops USING hash;
COMMENT ON OPERATOR FAMILY pg_catalog.encrypted_text_ops USING hash IS 'encrypted values, and texts joined with them';
CREATE OPERATOR CLASS pg_catalog.encrypted_text_ops DEFAULT FOR TYPE pg_catalog.encrypted_text USING hash
    FAMILY pg_catalog.encrypted_text_ops AS
    OPERATOR 1 pg_catalog.= (pg_catalog.encrypted_text, pg_catalog.encrypted_text),
    FUNCTION 1 pg_catalog.encrypted_text_hash(pg_catalog.encrypted_text),
    FUNCTION 2 pg_catalog.encrypted_text_hash_extended(pg_catalog.encrypted_text, int8);
COMMENT ON OPERATOR CLASS pg_catalog.encrypted_text_ops USING hash IS 'hashing of encrypted values; no index can be built with it';
ALTER OPERATOR FAMILY pg_catalog.encrypted_text_ops USING hash ADD
    OPERATOR 1 pg_catalog.= (pg_catalog.encrypted_text, text),
    OPERATOR 1 pg_catalog.= (text, pg_catalog.encrypted_text),
    OPERATOR 1 fieldcrypt.#=# (text, text),
    FUNCTION 1 (text, text) fieldcrypt.text_hash(text),
    FUNCTION 2 (text, text) fieldcrypt.text_hash_extended(text, int8);

----------------------------------------------------------------------
-- Aggregates
----------------------------------------------------------------------

CREATE FUNCTION pg_catalog.encrypted_text_larger(pg_catalog.encrypted_text, pg_catalog.encrypted_text) RETURNS pg_catalog.encrypted_text
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_larger';
COMMENT ON FUNCTION pg_catalog.encrypted_text_larger(pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'larger of two';
CREATE FUNCTION pg_catalog.encrypted_text_smaller(pg_catalog.encrypted_text, pg_catalog.encrypted_text) RETURNS pg_catalog.encrypted_text
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_smaller';
COMMENT ON FUNCTION pg_catalog.encrypted_text_smaller(pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'smaller of two';
CREATE FUNCTION pg_catalog.string_agg_transfn(internal, pg_catalog.encrypted_text, text) RETURNS internal
    LANGUAGE C STABLE PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_string_agg_transfn';
COMMENT ON FUNCTION pg_catalog.string_agg_transfn(internal, pg_catalog.encrypted_text, text) IS 'aggregate transition function';
CREATE AGGREGATE pg_catalog.max(pg_catalog.encrypted_text) (SFUNC = pg_catalog.encrypted_text_larger, STYPE = pg_catalog.encrypted_text,
    COMBINEFUNC = pg_catalog.encrypted_text_larger, SORTOP = OPERATOR(pg_catalog.>), PARALLEL = SAFE);
COMMENT ON AGGREGATE pg_catalog.max(pg_catalog.encrypted_text) IS 'largest value';
CREATE AGGREGATE pg_catalog.min(pg_catalog.encrypted_text) (SFUNC = pg_catalog.encrypted_text_smaller, STYPE = pg_catalog.encrypted_text,
    COMBINEFUNC = pg_catalog.encrypted_text_smaller, SORTOP = OPERATOR(pg_catalog.<), PARALLEL = SAFE);
COMMENT ON AGGREGATE pg_catalog.min(pg_catalog.encrypted_text) IS 'smallest value';
CREATE AGGREGATE pg_catalog.string_agg(pg_catalog.encrypted_text, text) (SFUNC = pg_catalog.string_agg_transfn, STYPE = internal,
    FINALFUNC = pg_catalog.string_agg_finalfn, PARALLEL = SAFE);
COMMENT ON AGGREGATE pg_catalog.string_agg(pg_catalog.encrypted_text, text) IS 'concatenate values into a text';

----------------------------------------------------------------------
-- Blind index: what the planner puts in the place of = on a searchable column
----------------------------------------------------------------------

CREATE FUNCTION fieldcrypt.blind_index_as(value pg_catalog.encrypted_text, typmod integer) RETURNS uuid
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_blind_index_as';
COMMENT ON FUNCTION fieldcrypt.blind_index_as(pg_catalog.encrypted_text, integer) IS
    'the tag that the text of a value has in a searchable column of a type modifier; needs decrypt on the column''s key';
CREATE FUNCTION fieldcrypt.blind_index_as(plaintext text, typmod integer) RETURNS uuid
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_blind_index_as_text';
COMMENT ON FUNCTION fieldcrypt.blind_index_as(text, integer) IS
    'the tag that a text has in a searchable column of a type modifier; needs decrypt on the column''s key';
CREATE FUNCTION fieldcrypt.blind_index_as(vals pg_catalog.encrypted_text[], typmod integer) RETURNS uuid[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_blind_index_as_array';
COMMENT ON FUNCTION fieldcrypt.blind_index_as(pg_catalog.encrypted_text[], integer) IS
    'the tags that the texts of values have in a searchable column of a type modifier; needs decrypt on the column''s key';
CREATE FUNCTION fieldcrypt.blind_index_as(plaintexts text[], typmod integer) RETURNS uuid[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_blind_index_as_array';
COMMENT ON FUNCTION fieldcrypt.blind_index_as(text[], integer) IS
    'the tags that texts have in a searchable column of a type modifier; needs decrypt on the column''s key';

-- Equality of the texts where a tag says less than that: search modes other
-- than exact.  The planner has applied the tag already.
CREATE FUNCTION fieldcrypt.same_text(pg_catalog.encrypted_text, pg_catalog.encrypted_text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20 AS 'MODULE_PATHNAME', 'fc_et_eq';
COMMENT ON FUNCTION fieldcrypt.same_text(pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'implementation of #=# operator';
CREATE FUNCTION fieldcrypt.same_text(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_text_eq';
COMMENT ON FUNCTION fieldcrypt.same_text(pg_catalog.encrypted_text, text) IS 'implementation of #=# operator';
CREATE FUNCTION fieldcrypt.same_text_sel(internal, oid, internal, integer) RETURNS float8
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_same_text_sel';
COMMENT ON FUNCTION fieldcrypt.same_text_sel(internal, oid, internal, integer) IS 'restriction selectivity of #=#: nothing beyond the tag''s';
CREATE FUNCTION fieldcrypt.same_text_joinsel(internal, oid, internal, smallint, internal) RETURNS float8
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_same_text_sel';
COMMENT ON FUNCTION fieldcrypt.same_text_joinsel(internal, oid, internal, smallint, internal) IS 'join selectivity of #=#: nothing beyond the tag''s';

CREATE OPERATOR fieldcrypt.#=# (FUNCTION = fieldcrypt.same_text, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = pg_catalog.encrypted_text,
    RESTRICT = fieldcrypt.same_text_sel, JOIN = fieldcrypt.same_text_joinsel);
COMMENT ON OPERATOR fieldcrypt.#=# (pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'equal, after the blind index has been asked';
CREATE OPERATOR fieldcrypt.#=# (FUNCTION = fieldcrypt.same_text, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    RESTRICT = fieldcrypt.same_text_sel, JOIN = fieldcrypt.same_text_joinsel);
COMMENT ON OPERATOR fieldcrypt.#=# (pg_catalog.encrypted_text, text) IS 'equal, after the blind index has been asked';

----------------------------------------------------------------------
-- Functions of text that applications call on a column: each is the one of
-- text on the explicit cast, so it needs decrypt.  Those that ask for the
-- collation have a string as their body, which is analysed where it is called:
-- in an SQL-standard body the collation is always the default.
----------------------------------------------------------------------

CREATE FUNCTION pg_catalog.length(pg_catalog.encrypted_text) RETURNS int4
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.length($1::text);
COMMENT ON FUNCTION pg_catalog.length(pg_catalog.encrypted_text) IS 'number of characters';
CREATE FUNCTION pg_catalog.char_length(pg_catalog.encrypted_text) RETURNS int4
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.length($1::text);
COMMENT ON FUNCTION pg_catalog.char_length(pg_catalog.encrypted_text) IS 'number of characters';
CREATE FUNCTION pg_catalog.character_length(pg_catalog.encrypted_text) RETURNS int4
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.length($1::text);
COMMENT ON FUNCTION pg_catalog.character_length(pg_catalog.encrypted_text) IS 'number of characters';
CREATE FUNCTION pg_catalog.octet_length(pg_catalog.encrypted_text) RETURNS int4
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.octet_length($1::text);
COMMENT ON FUNCTION pg_catalog.octet_length(pg_catalog.encrypted_text) IS 'number of bytes';
CREATE FUNCTION pg_catalog.upper(pg_catalog.encrypted_text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.upper($1::pg_catalog.text)';
COMMENT ON FUNCTION pg_catalog.upper(pg_catalog.encrypted_text) IS 'upper case';
CREATE FUNCTION pg_catalog.lower(pg_catalog.encrypted_text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.lower($1::pg_catalog.text)';
COMMENT ON FUNCTION pg_catalog.lower(pg_catalog.encrypted_text) IS 'lower case';
CREATE FUNCTION pg_catalog.initcap(pg_catalog.encrypted_text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.initcap($1::pg_catalog.text)';
COMMENT ON FUNCTION pg_catalog.initcap(pg_catalog.encrypted_text) IS 'first letter of each word in upper case';
CREATE FUNCTION pg_catalog."substring"(pg_catalog.encrypted_text, int4) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.substr($1::text, $2);
COMMENT ON FUNCTION pg_catalog."substring"(pg_catalog.encrypted_text, int4) IS 'part of the text';
CREATE FUNCTION pg_catalog."substring"(pg_catalog.encrypted_text, int4, int4) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.substr($1::text, $2, $3);
COMMENT ON FUNCTION pg_catalog."substring"(pg_catalog.encrypted_text, int4, int4) IS 'part of the text';
CREATE FUNCTION pg_catalog.substr(pg_catalog.encrypted_text, int4) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.substr($1::text, $2);
COMMENT ON FUNCTION pg_catalog.substr(pg_catalog.encrypted_text, int4) IS 'part of the text';
CREATE FUNCTION pg_catalog.substr(pg_catalog.encrypted_text, int4, int4) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.substr($1::text, $2, $3);
COMMENT ON FUNCTION pg_catalog.substr(pg_catalog.encrypted_text, int4, int4) IS 'part of the text';
CREATE FUNCTION pg_catalog."substring"(pg_catalog.encrypted_text, text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog."substring"($1::pg_catalog.text, $2)';
COMMENT ON FUNCTION pg_catalog."substring"(pg_catalog.encrypted_text, text) IS 'part that matches a regular expression';
CREATE FUNCTION pg_catalog."substring"(pg_catalog.encrypted_text, text, text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog."substring"($1::pg_catalog.text, $2, $3)';
COMMENT ON FUNCTION pg_catalog."substring"(pg_catalog.encrypted_text, text, text) IS 'part that matches an SQL regular expression';
CREATE FUNCTION pg_catalog."left"(pg_catalog.encrypted_text, int4) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog."left"($1::text, $2);
COMMENT ON FUNCTION pg_catalog."left"(pg_catalog.encrypted_text, int4) IS 'first characters';
CREATE FUNCTION pg_catalog."right"(pg_catalog.encrypted_text, int4) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog."right"($1::text, $2);
COMMENT ON FUNCTION pg_catalog."right"(pg_catalog.encrypted_text, int4) IS 'last characters';
CREATE FUNCTION pg_catalog.btrim(pg_catalog.encrypted_text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.btrim($1::text);
COMMENT ON FUNCTION pg_catalog.btrim(pg_catalog.encrypted_text) IS 'without spaces at both ends';
CREATE FUNCTION pg_catalog.btrim(pg_catalog.encrypted_text, text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.btrim($1::text, $2);
COMMENT ON FUNCTION pg_catalog.btrim(pg_catalog.encrypted_text, text) IS 'without some characters at both ends';
CREATE FUNCTION pg_catalog.ltrim(pg_catalog.encrypted_text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.ltrim($1::text);
COMMENT ON FUNCTION pg_catalog.ltrim(pg_catalog.encrypted_text) IS 'without spaces at the left end';
CREATE FUNCTION pg_catalog.ltrim(pg_catalog.encrypted_text, text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.ltrim($1::text, $2);
COMMENT ON FUNCTION pg_catalog.ltrim(pg_catalog.encrypted_text, text) IS 'without some characters at the left end';
CREATE FUNCTION pg_catalog.rtrim(pg_catalog.encrypted_text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.rtrim($1::text);
COMMENT ON FUNCTION pg_catalog.rtrim(pg_catalog.encrypted_text) IS 'without spaces at the right end';
CREATE FUNCTION pg_catalog.rtrim(pg_catalog.encrypted_text, text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.rtrim($1::text, $2);
COMMENT ON FUNCTION pg_catalog.rtrim(pg_catalog.encrypted_text, text) IS 'without some characters at the right end';
CREATE FUNCTION pg_catalog."position"(pg_catalog.encrypted_text, text) RETURNS int4
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.strpos($1::pg_catalog.text, $2)';
COMMENT ON FUNCTION pg_catalog."position"(pg_catalog.encrypted_text, text) IS 'where another text is in the text';
CREATE FUNCTION pg_catalog.strpos(pg_catalog.encrypted_text, text) RETURNS int4
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.strpos($1::pg_catalog.text, $2)';
COMMENT ON FUNCTION pg_catalog.strpos(pg_catalog.encrypted_text, text) IS 'where another text is in the text';
CREATE FUNCTION pg_catalog."overlay"(pg_catalog.encrypted_text, text, int4) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog."overlay"($1::text, $2, $3);
COMMENT ON FUNCTION pg_catalog."overlay"(pg_catalog.encrypted_text, text, int4) IS 'another text in the place of a part';
CREATE FUNCTION pg_catalog."overlay"(pg_catalog.encrypted_text, text, int4, int4) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog."overlay"($1::text, $2, $3, $4);
COMMENT ON FUNCTION pg_catalog."overlay"(pg_catalog.encrypted_text, text, int4, int4) IS 'another text in the place of a part';
CREATE FUNCTION pg_catalog.replace(pg_catalog.encrypted_text, text, text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.replace($1::pg_catalog.text, $2, $3)';
COMMENT ON FUNCTION pg_catalog.replace(pg_catalog.encrypted_text, text, text) IS 'every occurrence of a text replaced';
CREATE FUNCTION pg_catalog.regexp_replace(pg_catalog.encrypted_text, text, text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.regexp_replace($1::pg_catalog.text, $2, $3)';
COMMENT ON FUNCTION pg_catalog.regexp_replace(pg_catalog.encrypted_text, text, text) IS 'what matches a regular expression replaced';
CREATE FUNCTION pg_catalog.regexp_replace(pg_catalog.encrypted_text, text, text, text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.regexp_replace($1::pg_catalog.text, $2, $3, $4)';
COMMENT ON FUNCTION pg_catalog.regexp_replace(pg_catalog.encrypted_text, text, text, text) IS 'what matches a regular expression replaced';
CREATE FUNCTION pg_catalog.regexp_match(pg_catalog.encrypted_text, text) RETURNS text[]
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.regexp_match($1::pg_catalog.text, $2)';
COMMENT ON FUNCTION pg_catalog.regexp_match(pg_catalog.encrypted_text, text) IS 'first match of a regular expression';
CREATE FUNCTION pg_catalog.regexp_match(pg_catalog.encrypted_text, text, text) RETURNS text[]
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.regexp_match($1::pg_catalog.text, $2, $3)';
COMMENT ON FUNCTION pg_catalog.regexp_match(pg_catalog.encrypted_text, text, text) IS 'first match of a regular expression';
CREATE FUNCTION pg_catalog.regexp_like(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.regexp_like($1::pg_catalog.text, $2)';
COMMENT ON FUNCTION pg_catalog.regexp_like(pg_catalog.encrypted_text, text) IS 'does the text match a regular expression';
CREATE FUNCTION pg_catalog.regexp_like(pg_catalog.encrypted_text, text, text) RETURNS bool
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.regexp_like($1::pg_catalog.text, $2, $3)';
COMMENT ON FUNCTION pg_catalog.regexp_like(pg_catalog.encrypted_text, text, text) IS 'does the text match a regular expression';
CREATE FUNCTION pg_catalog.split_part(pg_catalog.encrypted_text, text, int4) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.split_part($1::pg_catalog.text, $2, $3)';
COMMENT ON FUNCTION pg_catalog.split_part(pg_catalog.encrypted_text, text, int4) IS 'one field of the text';
CREATE FUNCTION pg_catalog.starts_with(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.starts_with($1::pg_catalog.text, $2)';
COMMENT ON FUNCTION pg_catalog.starts_with(pg_catalog.encrypted_text, text) IS 'does the text begin with another';
CREATE FUNCTION pg_catalog.md5(pg_catalog.encrypted_text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.md5($1::text);
COMMENT ON FUNCTION pg_catalog.md5(pg_catalog.encrypted_text) IS 'MD5 of the text';
CREATE FUNCTION pg_catalog.to_tsvector(pg_catalog.encrypted_text) RETURNS tsvector
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.to_tsvector($1::text);
COMMENT ON FUNCTION pg_catalog.to_tsvector(pg_catalog.encrypted_text) IS 'the text as a text search document';
CREATE FUNCTION pg_catalog.to_tsvector(regconfig, pg_catalog.encrypted_text) RETURNS tsvector
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.to_tsvector($1, $2::text);
COMMENT ON FUNCTION pg_catalog.to_tsvector(regconfig, pg_catalog.encrypted_text) IS 'the text as a text search document';
CREATE FUNCTION pg_catalog.textcat(pg_catalog.encrypted_text, text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN $1::text OPERATOR(pg_catalog.||) $2;
COMMENT ON FUNCTION pg_catalog.textcat(pg_catalog.encrypted_text, text) IS 'implementation of || operator';
CREATE FUNCTION pg_catalog.textcat(text, pg_catalog.encrypted_text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN $1 OPERATOR(pg_catalog.||) $2::text;
COMMENT ON FUNCTION pg_catalog.textcat(text, pg_catalog.encrypted_text) IS 'implementation of || operator';
CREATE FUNCTION pg_catalog.textcat(pg_catalog.encrypted_text, pg_catalog.encrypted_text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN $1::text OPERATOR(pg_catalog.||) $2::text;
COMMENT ON FUNCTION pg_catalog.textcat(pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'implementation of || operator';
CREATE FUNCTION pg_catalog.textanycat(pg_catalog.encrypted_text, anynonarray) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT $1::pg_catalog.text OPERATOR(pg_catalog.||) $2::pg_catalog.text';
COMMENT ON FUNCTION pg_catalog.textanycat(pg_catalog.encrypted_text, anynonarray) IS 'implementation of || operator';
CREATE FUNCTION pg_catalog.anytextcat(anynonarray, pg_catalog.encrypted_text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS 'SELECT $1::pg_catalog.text OPERATOR(pg_catalog.||) $2::pg_catalog.text';
COMMENT ON FUNCTION pg_catalog.anytextcat(anynonarray, pg_catalog.encrypted_text) IS 'implementation of || operator';

CREATE OPERATOR pg_catalog.|| (FUNCTION = pg_catalog.textanycat, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = anynonarray);
COMMENT ON OPERATOR pg_catalog.|| (pg_catalog.encrypted_text, anynonarray) IS 'concatenate, as text';
CREATE OPERATOR pg_catalog.|| (FUNCTION = pg_catalog.anytextcat, LEFTARG = anynonarray, RIGHTARG = pg_catalog.encrypted_text);
COMMENT ON OPERATOR pg_catalog.|| (anynonarray, pg_catalog.encrypted_text) IS 'concatenate, as text';
CREATE OPERATOR pg_catalog.|| (FUNCTION = pg_catalog.textcat, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text);
COMMENT ON OPERATOR pg_catalog.|| (pg_catalog.encrypted_text, text) IS 'concatenate, as text';
CREATE OPERATOR pg_catalog.|| (FUNCTION = pg_catalog.textcat, LEFTARG = text, RIGHTARG = pg_catalog.encrypted_text);
COMMENT ON OPERATOR pg_catalog.|| (text, pg_catalog.encrypted_text) IS 'concatenate, as text';
CREATE OPERATOR pg_catalog.|| (FUNCTION = pg_catalog.textcat, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = pg_catalog.encrypted_text);
COMMENT ON OPERATOR pg_catalog.|| (pg_catalog.encrypted_text, pg_catalog.encrypted_text) IS 'concatenate, as text';
CREATE OPERATOR pg_catalog.^@ (FUNCTION = pg_catalog.starts_with, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    RESTRICT = prefixsel, JOIN = prefixjoinsel);
COMMENT ON OPERATOR pg_catalog.^@ (pg_catalog.encrypted_text, text) IS 'starts with, as text';

----------------------------------------------------------------------
-- Which values are under which version.  Reads headers only: SELECT on the
-- table, no key.
----------------------------------------------------------------------

CREATE FUNCTION fieldcrypt.column_key_usage(relation regclass, "column" text,
    OUT relation regclass, OUT "column" text, OUT key text, OUT version integer, OUT "values" bigint)
    RETURNS SETOF record
    LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'fc_column_key_usage';
COMMENT ON FUNCTION fieldcrypt.column_key_usage(regclass, text) IS
    'how many values of a column are under which version of which key; exact, needs no key';

CREATE FUNCTION fieldcrypt.key_usage(key text,
    OUT relation regclass, OUT "column" text, OUT version integer, OUT "values" bigint)
    RETURNS SETOF record
    LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'fc_key_usage';
COMMENT ON FUNCTION fieldcrypt.key_usage(text) IS
    'how many values in which columns of this database are under which version of a key; exact, needs no key';

----------------------------------------------------------------------
-- Walks: they commit after every batch, run as their caller, and want the
-- caller to own the tables.
----------------------------------------------------------------------

CREATE PROCEDURE fieldcrypt.rewrap_column(relation regclass, "column" text, batch_rows integer DEFAULT 1000,
    pause interval DEFAULT NULL, max_duration interval DEFAULT NULL, dry_run boolean DEFAULT false)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_rewrap_column';
COMMENT ON PROCEDURE fieldcrypt.rewrap_column(regclass, text, integer, interval, interval, boolean) IS
    'move a column''s values to the active version of their keys: only the wrapped data key changes';

CREATE PROCEDURE fieldcrypt.rewrap_key(key text, batch_rows integer DEFAULT 1000,
    pause interval DEFAULT NULL, max_duration interval DEFAULT NULL, dry_run boolean DEFAULT false)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_rewrap_key';
COMMENT ON PROCEDURE fieldcrypt.rewrap_key(text, integer, interval, interval, boolean) IS
    'move every value of a key in this database to the key''s active version: only the wrapped data key changes';

CREATE PROCEDURE fieldcrypt.reencrypt_column(relation regclass, "column" text, batch_rows integer DEFAULT 1000,
    pause interval DEFAULT NULL, max_duration interval DEFAULT NULL, dry_run boolean DEFAULT false)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_reencrypt_column';
COMMENT ON PROCEDURE fieldcrypt.reencrypt_column(regclass, text, integer, interval, interval, boolean) IS
    'move a column''s values to the active version of their keys with fresh data keys; needs decrypt on the keys';

CREATE PROCEDURE fieldcrypt.reencrypt_key(key text, batch_rows integer DEFAULT 1000,
    pause interval DEFAULT NULL, max_duration interval DEFAULT NULL, dry_run boolean DEFAULT false)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_reencrypt_key';
COMMENT ON PROCEDURE fieldcrypt.reencrypt_key(text, integer, interval, interval, boolean) IS
    'move every value of a key in this database to the key''s active version with fresh data keys; needs decrypt on the key';

CREATE FUNCTION fieldcrypt.rotation_walks(
    OUT pid integer, OUT command text, OUT relation regclass, OUT "column" text, OUT pass integer,
    OUT blocks_done bigint, OUT blocks_total bigint, OUT rows_written bigint, OUT rows_skipped bigint,
    OUT errors bigint, OUT started_at timestamptz) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'fc_rotation_walks';
REVOKE ALL ON FUNCTION fieldcrypt.rotation_walks() FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.rotation_walks() IS 'the walks that run in this database now';
GRANT EXECUTE ON FUNCTION fieldcrypt.rotation_walks() TO pg_monitor;

-- Blocks are what is known in advance: the first pass visits all of them, later
-- ones end when they find nothing, so only the first has a time left.
CREATE VIEW fieldcrypt.rotation_progress AS
    SELECT w.pid, w.command, w.relation, w."column", w.pass,
           CASE WHEN w.pass = 1 THEN 'all rows' ELSE 'rows that were locked or moved' END AS phase,
           w.blocks_done, w.blocks_total, w.rows_written, w.rows_skipped, w.errors, w.started_at,
           round(w.rows_written / w.seconds) AS rows_per_second,
           CASE WHEN w.pass = 1 AND w.blocks_done > 0 THEN
               make_interval(secs => round(w.seconds * (w.blocks_total - w.blocks_done) / w.blocks_done)::double precision)
           END AS time_left
      FROM (SELECT *, greatest(extract(epoch FROM clock_timestamp() - started_at), 0.001) AS seconds
              FROM fieldcrypt.rotation_walks()) w;
COMMENT ON VIEW fieldcrypt.rotation_progress IS
    'walks that run now: column, pass, blocks done of total, rows written and left out, values that cannot be moved, speed and time left';
GRANT SELECT ON fieldcrypt.rotation_progress TO pg_monitor;

----------------------------------------------------------------------
-- The life of a key
----------------------------------------------------------------------

CREATE PROCEDURE fieldcrypt.retire_version(key text, version integer)
    LANGUAGE C SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_retire_version';
REVOKE ALL ON PROCEDURE fieldcrypt.retire_version(text, integer) FROM PUBLIC;
COMMENT ON PROCEDURE fieldcrypt.retire_version(text, integer) IS
    'never encrypt with a version that was made and not activated; it only decrypts';

CREATE PROCEDURE fieldcrypt.mark_compromised(key text, version integer)
    LANGUAGE C SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_mark_compromised';
REVOKE ALL ON PROCEDURE fieldcrypt.mark_compromised(text, integer) FROM PUBLIC;
COMMENT ON PROCEDURE fieldcrypt.mark_compromised(text, integer) IS
    'mark a version that is not active as compromised; it still decrypts, until its values are re-encrypted';

CREATE PROCEDURE fieldcrypt.destroy_version(key text, version integer)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_destroy_version';
REVOKE ALL ON PROCEDURE fieldcrypt.destroy_version(text, integer) FROM PUBLIC;
COMMENT ON PROCEDURE fieldcrypt.destroy_version(text, integer) IS
    'destroy a version that no value of this database needs; its number is never used again';

CREATE PROCEDURE fieldcrypt.destroy_key(key text)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_destroy_key';
REVOKE ALL ON PROCEDURE fieldcrypt.destroy_key(text) FROM PUBLIC;
COMMENT ON PROCEDURE fieldcrypt.destroy_key(text) IS
    'destroy every version of a key, for values and for blind indexes: its values are lost for ever, its name is never used again';

CREATE FUNCTION fieldcrypt.set_rotation(key text, every interval, auto boolean DEFAULT false,
                                        daily_window text DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_set_rotation';
REVOKE ALL ON FUNCTION fieldcrypt.set_rotation(text, interval, boolean, text) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.set_rotation(text, interval, boolean, text) IS
    'say how often a key is to be rotated, or null for never, and whether the server does it by itself; the view keys_due shows when';

CREATE VIEW fieldcrypt.keys_due AS
    SELECT k.name AS key, v.version, v.activated_at, k.rotate_every,
           v.activated_at + k.rotate_every AS due_at,
           COALESCE(v.activated_at + k.rotate_every <= now(), false) AS overdue,
           k.rotate_auto AS auto, k.rotate_window AS daily_window
      FROM fieldcrypt.keys k
      JOIN fieldcrypt.key_versions v
        ON v.key_id = k.key_id AND v.purpose = 1 AND v.state = 'active'
     WHERE k.state = 'active' AND k.writes AND k.rotate_every IS NOT NULL;
COMMENT ON VIEW fieldcrypt.keys_due IS 'keys with a rotation interval: when the active version is due, and whether it is overdue';
GRANT SELECT ON fieldcrypt.keys_due TO PUBLIC;

CREATE FUNCTION fieldcrypt.run_maintenance() RETURNS integer
    LANGUAGE C VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_run_maintenance';
REVOKE ALL ON FUNCTION fieldcrypt.run_maintenance() FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.run_maintenance() IS
    'do now, in a background worker, what the server does every hour for keys that rotate by themselves; returns its process ID';

----------------------------------------------------------------------
-- The keyring as a whole.  The procedures commit after every version, so they
-- run as their caller, and write the key tables as the tables' owner.
----------------------------------------------------------------------

CREATE PROCEDURE fieldcrypt.rewrap_keyring(provider text, complete boolean DEFAULT false, undo boolean DEFAULT false)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_rewrap_keyring';
REVOKE ALL ON PROCEDURE fieldcrypt.rewrap_keyring(text, boolean, boolean) FROM PUBLIC;
COMMENT ON PROCEDURE fieldcrypt.rewrap_keyring(text, boolean, boolean) IS
    'after the root key of a KMS was rotated: wrap every root secret of the provider anew, keeping the old until it is completed or undone';

CREATE PROCEDURE fieldcrypt.move_key(key text, provider text, kms_key text DEFAULT NULL,
    complete boolean DEFAULT false, undo boolean DEFAULT false)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_move_key';
REVOKE ALL ON PROCEDURE fieldcrypt.move_key(text, text, text, boolean, boolean) FROM PUBLIC;
COMMENT ON PROCEDURE fieldcrypt.move_key(text, text, text, boolean, boolean) IS
    'have every version of a key wrapped by another KMS or another KMS key, keeping the old wrapped keys until it is completed or undone';

CREATE FUNCTION fieldcrypt.export_keyring(key text DEFAULT NULL) RETURNS jsonb
    LANGUAGE C STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_export_keyring';
REVOKE ALL ON FUNCTION fieldcrypt.export_keyring(text) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.export_keyring(text) IS
    'the keys of this database, or those of one name, with their wrapped root secrets; for import_keyring()';

CREATE FUNCTION fieldcrypt.import_keyring(keyring jsonb, verify boolean DEFAULT true,
    OUT key text, OUT key_id text, OUT purpose text, OUT version integer, OUT action text) RETURNS SETOF record
    LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_import_keyring';
REVOKE ALL ON FUNCTION fieldcrypt.import_keyring(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.import_keyring(jsonb, boolean) IS
    'take over keys that export_keyring() of another database returned; what exists here, or was destroyed here, stays as it is';

----------------------------------------------------------------------
-- Searching under the column's mode
----------------------------------------------------------------------

CREATE FUNCTION fieldcrypt.matches_support(internal) RETURNS internal
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_matches_support';
COMMENT ON FUNCTION fieldcrypt.matches_support(internal) IS
    'planner support of matches(): asks the blind index of a searchable column';
CREATE FUNCTION fieldcrypt.matches(value pg_catalog.encrypted_text, plaintext text) RETURNS boolean
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT fieldcrypt.matches_support AS 'MODULE_PATHNAME', 'fc_matches';
COMMENT ON FUNCTION fieldcrypt.matches(pg_catalog.encrypted_text, text) IS
    'is the value the same as a text under its column''s search mode; needs decrypt on its key';

----------------------------------------------------------------------
-- What a blind index reveals
----------------------------------------------------------------------

CREATE FUNCTION fieldcrypt.blind_index_tally(relation regclass, "column" text,
    OUT index_version integer, OUT "values" bigint, OUT distinct_tags bigint, OUT most_frequent bigint)
    RETURNS SETOF record
    LANGUAGE C STABLE STRICT SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'fc_blind_index_tally';
COMMENT ON FUNCTION fieldcrypt.blind_index_tally(regclass, text) IS
    'tags of a searchable column by version of the index key: values, different tags, values with the most frequent one; needs no key';

CREATE FUNCTION fieldcrypt.blind_index_report(relation regclass, "column" text,
    OUT aspect text, OUT name text, OUT amount bigint, OUT remark text)
    RETURNS SETOF record
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
WITH RECURSIVE tally AS (
    SELECT * FROM fieldcrypt.blind_index_tally(relation, "column")
), total AS (
    SELECT COALESCE(sum(t."values"), 0)::bigint AS n, COALESCE(sum(t.distinct_tags), 0)::bigint AS tags,
           COALESCE(max(t.most_frequent), 0) AS most,
           COALESCE(sum(t."values") FILTER (WHERE t.index_version IS NULL), 0)::bigint AS untagged,
           count(t.index_version) AS versions
      FROM tally t
), members AS (
    SELECT blind_index_report.relation::oid AS rel
    UNION
    SELECT h.inhrelid FROM pg_inherits h JOIN members m ON h.inhparent = m.rel
), col AS (
    SELECT e.key, e.mode FROM fieldcrypt.encrypted_columns e
     WHERE e.relation = blind_index_report.relation AND e."column" = blind_index_report."column"
), tags AS (
    -- in every table of the tree: the expression, and columns generated as it
    SELECT m.rel, format('fieldcrypt.blind_index(%I)', "column") AS expr,
           format('fieldcrypt.blind_index((%I)::', "column") AS of_domain
      FROM members m
), generated AS (
    SELECT t.rel, a.attnum, a.attname
      FROM tags t
      JOIN pg_attribute a ON a.attrelid = t.rel AND a.attgenerated = 's' AND NOT a.attisdropped
      JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE pg_get_expr(d.adbin, d.adrelid) = t.expr OR starts_with(pg_get_expr(d.adbin, d.adrelid), t.of_domain)
), indexes AS (
    SELECT DISTINCT ON (i.indexrelid) i.indexrelid, i.indisunique, g.attname,
           pg_relation_size(i.indexrelid) AS size
      FROM tags t
      JOIN pg_index i ON i.indrelid = t.rel
      CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) k
      LEFT JOIN generated g ON g.rel = i.indrelid AND g.attnum = i.indkey[k - 1]
     WHERE g.attnum IS NOT NULL OR pg_get_indexdef(i.indexrelid, k, false) = t.expr
           OR starts_with(pg_get_indexdef(i.indexrelid, k, false), t.of_domain)
     ORDER BY i.indexrelid, k
), joinable AS (
    SELECT e.relation, e."column"
      FROM fieldcrypt.encrypted_columns e JOIN col USING (key, mode) JOIN pg_class c ON c.oid = e.relation
     WHERE c.relkind IN ('r', 'p', 'm', 'f') AND e.relation NOT IN (SELECT m.rel FROM members m)
        OR e.relation = blind_index_report.relation AND e."column" <> blind_index_report."column"
), readers AS (
    SELECT r.rolname
      FROM pg_roles r CROSS JOIN col
     WHERE r.rolname !~ '^pg_' AND has_column_privilege(r.oid, blind_index_report.relation, "column", 'SELECT')
       AND EXISTS (SELECT FROM fieldcrypt.key_status s WHERE s.key = col.key)
       AND fieldcrypt.has_key_privilege(r.rolname, col.key, 'encrypt')
), report AS (
    SELECT 1 AS place, 'mode' AS aspect, col.mode AS name, NULL::bigint AS amount,
           CASE col.mode
             WHEN 'exact' THEN 'texts that are equal have equal tags'
             WHEN 'lower' THEN 'texts that are equal in lower case have equal tags'
             WHEN 'digits' THEN 'texts with the same digits have equal tags'
             WHEN 'last4' THEN 'texts with the same last four digits have equal tags' END AS remark
      FROM col
    UNION ALL
    SELECT 2, 'key', col.key, NULL, 'its index key makes the tags' FROM col
    UNION ALL
    SELECT 3, 'index key version', t.index_version::text, t."values", 'values with tags of this version, modulo 32'
      FROM tally t WHERE t.index_version IS NOT NULL
    UNION ALL
    SELECT 4, 'values', NULL, n, 'not null' FROM total
    UNION ALL
    SELECT 5, 'values without tag', NULL, untagged, 'no search finds them' FROM total
    UNION ALL
    SELECT 6, 'distinct tags', NULL, tags, 'different texts, under the mode' FROM total
    UNION ALL
    SELECT 7, 'most frequent tag', NULL, most, 'values that share it' FROM total
    UNION ALL
    SELECT 8, 'index', i.indexrelid::regclass::text, i.size,
           CASE WHEN i.indisunique THEN 'unique, ' ELSE '' END
           || COALESCE('on the generated column ' || quote_ident(i.attname), 'on blind_index()') || ', size in bytes'
      FROM indexes i
    UNION ALL
    SELECT 9, 'comparable column', format('%s.%I', j.relation, j."column"), NULL,
           'equal texts have equal tags there as well'
      FROM joinable j
    UNION ALL
    SELECT 10, 'can test guesses', r.rolname, NULL, 'holds encrypt or decrypt on the key, and SELECT on the column'
      FROM readers r
    UNION ALL
    SELECT 11, 'warning', NULL, untagged, 'values without a tag are in a searchable column: write them again'
      FROM total WHERE untagged > 0
    UNION ALL
    SELECT 12, 'warning', NULL, versions, 'versions of the index key are in use: finish its rotation'
      FROM total WHERE versions > 1
    UNION ALL
    SELECT 13, 'warning', NULL, NULL, 'no index: every search reads the whole table'
     WHERE NOT EXISTS (SELECT FROM indexes)
    UNION ALL
    SELECT 14, 'warning', NULL, most, 'values have the same text: who knows what is common can tell which'
      FROM total WHERE most > 1 AND most >= n / 20
    UNION ALL
    SELECT 15, 'warning', NULL, tags, 'different texts only, each many times: they can be guessed by how often they stand there'
      FROM total WHERE tags > 0 AND n >= 10 * tags
    UNION ALL
    SELECT 16, 'warning', NULL, 11111, 'different tags at most: whoever can test guesses finds every text''s last four digits'
      FROM col WHERE col.mode = 'last4'
    UNION ALL
    SELECT 17, 'warning', i.indexrelid::regclass::text, NULL,
           'a unique index tells whoever may INSERT that a value exists'
      FROM indexes i WHERE i.indisunique
    UNION ALL
    SELECT 18, 'warning', 'public', NULL, 'everybody may read the column, and sees which values are equal'
     WHERE EXISTS (SELECT FROM pg_class c, aclexplode(c.relacl) x
                    WHERE c.oid = blind_index_report.relation AND x.grantee = 0 AND x.privilege_type = 'SELECT')
        OR EXISTS (SELECT FROM pg_attribute a, aclexplode(a.attacl) x
                    WHERE a.attrelid = blind_index_report.relation AND a.attname = blind_index_report."column"
                      AND x.grantee = 0 AND x.privilege_type = 'SELECT')
)
SELECT r.aspect, r.name, r.amount, r.remark FROM report r ORDER BY r.place, r.name COLLATE "C", r.amount
$$;
COMMENT ON FUNCTION fieldcrypt.blind_index_report(regclass, text) IS
    'what the blind index of a column reveals and costs: counts of tags, indexes, columns it can be compared with, roles that can test guesses, warnings; no key is needed';

----------------------------------------------------------------------
-- The key of blind indexes.  A walk like those above; it also makes, activates
-- and retires versions of the key.
----------------------------------------------------------------------

CREATE PROCEDURE fieldcrypt.rotate_index_key(key text, batch_rows integer DEFAULT 1000,
    pause interval DEFAULT NULL, max_duration interval DEFAULT NULL, dry_run boolean DEFAULT false,
    exclusive boolean DEFAULT false)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_rotate_index_key';
REVOKE ALL ON PROCEDURE fieldcrypt.rotate_index_key(text, integer, interval, interval, boolean, boolean) FROM PUBLIC;
COMMENT ON PROCEDURE fieldcrypt.rotate_index_key(text, integer, interval, interval, boolean, boolean) IS
    'make a new version of the key of blind indexes and rewrite all tags under it, or go on with that; needs decrypt on the key';

----------------------------------------------------------------------
-- What clients see as text (fieldcrypt.describe_as).  The library gives the
-- domains the output functions: a value in them is encrypted, and is opened on
-- its way to the client.  The CHECK lets nobody else make one.
----------------------------------------------------------------------

CREATE FUNCTION fieldcrypt.wire_value_out(text) RETURNS cstring
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_wire_value_out';
REVOKE ALL ON FUNCTION fieldcrypt.wire_value_out(text) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.wire_value_out(text) IS 'output of wire_value: that of the encrypted value';

CREATE FUNCTION fieldcrypt.wire_value_send(text) RETURNS bytea
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_wire_value_send';
REVOKE ALL ON FUNCTION fieldcrypt.wire_value_send(text) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.wire_value_send(text) IS 'binary output of wire_value: that of the encrypted value';

CREATE FUNCTION fieldcrypt.wire_out(text) RETURNS cstring
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_wire_out';
REVOKE ALL ON FUNCTION fieldcrypt.wire_out(text) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.wire_out(text) IS 'output of wire_text: that of the encrypted value';

CREATE FUNCTION fieldcrypt.wire_send(text) RETURNS bytea
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_wire_send';
REVOKE ALL ON FUNCTION fieldcrypt.wire_send(text) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.wire_send(text) IS 'binary output of wire_text: that of the encrypted value';

CREATE FUNCTION fieldcrypt.wire_array_out(text[]) RETURNS cstring
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_wire_array_out';
REVOKE ALL ON FUNCTION fieldcrypt.wire_array_out(text[]) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.wire_array_out(text[]) IS 'output of wire_text_array';

CREATE FUNCTION fieldcrypt.wire_array_send(text[]) RETURNS bytea
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_wire_array_send';
REVOKE ALL ON FUNCTION fieldcrypt.wire_array_send(text[]) FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.wire_array_send(text[]) IS 'binary output of wire_text_array';

CREATE DOMAIN fieldcrypt.wire_value AS text CHECK (VALUE IS NULL);
COMMENT ON DOMAIN fieldcrypt.wire_value IS 'the value of an encrypted column on its way to a client that sees it as text; internal';

CREATE DOMAIN fieldcrypt.wire_text AS text CHECK (VALUE IS NULL);
COMMENT ON DOMAIN fieldcrypt.wire_text IS 'an encrypted value on its way to a client that sees it as text; internal';

CREATE DOMAIN fieldcrypt.wire_text_array AS text[] CHECK (VALUE IS NULL);
COMMENT ON DOMAIN fieldcrypt.wire_text_array IS 'an array of encrypted values on its way to a client that sees it as text[]; internal';

-- volatile: computed after a sort, not carried through it
CREATE FUNCTION fieldcrypt.to_wire(pg_catalog.encrypted_text) RETURNS fieldcrypt.wire_text
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_to_wire';
COMMENT ON FUNCTION fieldcrypt.to_wire(pg_catalog.encrypted_text) IS 'what a client sees as text; internal';

CREATE FUNCTION fieldcrypt.to_wire(pg_catalog.encrypted_text[]) RETURNS fieldcrypt.wire_text_array
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_to_wire_array';
COMMENT ON FUNCTION fieldcrypt.to_wire(pg_catalog.encrypted_text[]) IS 'what a client sees as text[]; internal';

CREATE PROCEDURE fieldcrypt.set_search(relation regclass, "column" text, mode text, batch_rows integer DEFAULT 1000,
    pause interval DEFAULT NULL, max_duration interval DEFAULT NULL, dry_run boolean DEFAULT false,
    exclusive boolean DEFAULT false)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_set_search';
COMMENT ON PROCEDURE fieldcrypt.set_search(regclass, text, text, integer, interval, interval, boolean, boolean) IS
    'change the search mode of a column (none, exact, lower, digits, last4) and the tags of its values; needs decrypt on the key';

----------------------------------------------------------------------
-- lower(column) = x, upper(column) = x and column ILIKE x on a column of search
-- mode lower.  The planner adds
--     blind_index(column) = ANY (blind_index_folded(x, typmod, form))
--     OR blind_index(column) BETWEEN blind_index_unlisted(x, form) AND the last uuid
-- and keeps the comparison, with these operators in place of its own.
----------------------------------------------------------------------

CREATE FUNCTION fieldcrypt.blind_index_folded(plaintext text, typmod integer, form "char") RETURNS uuid[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_blind_index_folded';
COMMENT ON FUNCTION fieldcrypt.blind_index_folded(text, integer, "char") IS
    'the tags of all texts that are the same as this one by lower(), upper() or ILIKE; needs decrypt on the column''s key';
CREATE FUNCTION fieldcrypt.blind_index_unlisted(plaintext text, form "char") RETURNS uuid
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'fc_blind_index_unlisted';
COMMENT ON FUNCTION fieldcrypt.blind_index_unlisted(text, "char") IS
    'the lowest uuid if blind_index_folded() cannot list the tags of a text, NULL if it can';

CREATE FUNCTION fieldcrypt.same_folded(text, text) RETURNS bool
    LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'texteq';
COMMENT ON FUNCTION fieldcrypt.same_folded(text, text) IS 'implementation of #==# operator';
CREATE FUNCTION fieldcrypt.same_ilike(pg_catalog.encrypted_text, text) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 20
    SUPPORT pg_catalog.encrypted_text_literal_support AS 'MODULE_PATHNAME', 'fc_et_iclike';
COMMENT ON FUNCTION fieldcrypt.same_ilike(pg_catalog.encrypted_text, text) IS 'implementation of #~~*# operator';
CREATE OPERATOR fieldcrypt.#==# (FUNCTION = fieldcrypt.same_folded, LEFTARG = text, RIGHTARG = text,
    RESTRICT = fieldcrypt.same_text_sel, JOIN = fieldcrypt.same_text_joinsel);
COMMENT ON OPERATOR fieldcrypt.#==# (text, text) IS 'equal, after the blind index has been asked';
CREATE OPERATOR fieldcrypt.#~~*# (FUNCTION = fieldcrypt.same_ilike, LEFTARG = pg_catalog.encrypted_text, RIGHTARG = text,
    RESTRICT = fieldcrypt.same_text_sel, JOIN = fieldcrypt.same_text_joinsel);
COMMENT ON OPERATOR fieldcrypt.#~~*# (pg_catalog.encrypted_text, text) IS 'ILIKE, after the blind index has been asked';

----------------------------------------------------------------------
-- Converting columns
----------------------------------------------------------------------

CREATE FUNCTION fieldcrypt.conversion_trigger() RETURNS trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_conversion_trigger';
COMMENT ON FUNCTION fieldcrypt.conversion_trigger() IS
    'fills the new column of a table of which a column is being encrypted or decrypted; acts as the table''s owner';

CREATE FUNCTION fieldcrypt.view_passes(view regclass, relation regclass, "column" text) RETURNS boolean
    LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'fc_view_passes';
COMMENT ON FUNCTION fieldcrypt.view_passes(regclass, regclass, text) IS
    'does a view, itself or over other views, only pass a column of a table on, and use it for nothing else?';

CREATE FUNCTION fieldcrypt.assess(relation regclass, "column" text, key text DEFAULT NULL, searchable text DEFAULT NULL,
    "using" text DEFAULT NULL, OUT kind text, OUT object text, OUT verdict text, OUT detail text) RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
WITH RECURSIVE
-- the column, and its table's partitions and children
a AS (
    SELECT c.oid AS relid, c.relkind, c.reloftype, c.reltype, c.relowner, c.relacl, c.relispartition,
           t.attnum, t.atttypid, t.atttypmod, t.attcollation, t.attnotnull, t.attacl, t.attinhcount,
           t.attgenerated, t.atthasdef, t.attname,
           t.atttypid = 'pg_catalog.encrypted_text'::regtype AS encrypted,
           format_type(t.atttypid, t.atttypmod) AS type, c.oid::regclass::text AS tab, quote_ident(t.attname) AS col
      FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid
     WHERE c.oid = relation AND t.attname = "column" AND t.attnum > 0 AND NOT t.attisdropped),
tree AS (
    SELECT relid FROM a
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.relid),
m AS (
    SELECT tree.relid, t.attnum, c.relkind, c.relname, tree.relid = a.relid AS is_root
      FROM a, tree JOIN pg_class c ON c.oid = tree.relid JOIN pg_attribute t ON t.attrelid = c.oid
     WHERE t.attname = a.attname AND NOT t.attisdropped),
dep AS (
    SELECT d.classid, d.objid, d.objsubid, m.relid, m.attnum
      FROM m JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = m.relid AND d.refobjsubid = m.attnum),
views AS (
    SELECT w.ev_class AS view, w.oid AS rule, w.rulename FROM dep JOIN pg_rewrite w
        ON dep.classid = 'pg_rewrite'::regclass AND dep.objid = w.oid
    UNION
    SELECT w.ev_class, w.oid, w.rulename
      FROM views v
      JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = v.view AND d.classid = 'pg_rewrite'::regclass
      JOIN pg_rewrite w ON w.oid = d.objid
     WHERE w.ev_class <> v.view),
idx AS (
    SELECT i.indexrelid, i.indrelid, i.indisunique, i.indisprimary, i.indisreplident, i.indisclustered, m.is_root, con.oid AS con,
           con.contype, ic.relispartition, ic.oid::regclass::text AS name, con.conname,
           am.amname IN ('btree', 'hash') AND i.indpred IS NULL AND con.condeferrable IS NOT TRUE
           AND CASE WHEN a.encrypted THEN
                   NOT EXISTS (SELECT FROM generate_series(1, i.indnatts) k
                                WHERE i.indkey[k - 1] = m.attnum
                                   OR i.indkey[k - 1] = 0 AND pg_get_indexdef(i.indexrelid, k, true)
                                      <> 'fieldcrypt.blind_index(' || a.col || ')')
               ELSE
                   i.indexprs IS NULL
                   AND NOT EXISTS (SELECT FROM generate_series(i.indnkeyatts + 1, i.indnatts) k WHERE i.indkey[k - 1] = m.attnum)
                   AND NOT EXISTS (SELECT FROM generate_series(1, i.indnkeyatts) k
                                     JOIN pg_opclass o ON o.oid = i.indclass[k - 1]
                                     LEFT JOIN pg_collation l ON l.oid = i.indcollation[k - 1]
                                    WHERE i.indkey[k - 1] = m.attnum AND (NOT o.opcdefault OR l.collisdeterministic IS FALSE))
               END AS simple
      FROM a, m
      JOIN pg_index i ON i.indrelid = m.relid
      JOIN pg_class ic ON ic.oid = i.indexrelid
      JOIN pg_am am ON am.oid = ic.relam
      LEFT JOIN pg_constraint con ON con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x')
     WHERE m.attnum = ANY (i.indkey)
        OR EXISTS (SELECT FROM dep WHERE dep.classid = 'pg_class'::regclass AND dep.objid = i.indexrelid)),
size AS (
    SELECT sum(GREATEST(c.reltuples, 0))::bigint AS rows, sum(pg_table_size(c.oid))::bigint AS bytes,
           max(CASE WHEN a.encrypted THEN 0 ELSE 78 END + CASE WHEN searchable IS NULL THEN 0 ELSE 16 END
               + COALESCE((SELECT avg(s.avg_width) FROM pg_stats s JOIN m ON format('%I.%I', s.schemaname, s.tablename) = m.relid::regclass::text
                              OR s.tablename = m.relname AND s.schemaname = (SELECT n.nspname FROM pg_namespace n JOIN pg_class x ON x.relnamespace = n.oid WHERE x.oid = m.relid)
                            WHERE s.attname = a.attname), 32))::bigint AS width
      FROM a, m JOIN pg_class c ON c.oid = m.relid),
-- what publishes the rows of each table: itself, its schema, or a table above it
published AS (
    SELECT m.relid, r.prpubid AS pub, r.oid AS rel FROM m JOIN pg_publication_rel r ON r.prrelid = m.relid OR r.prrelid IN (SELECT pg_partition_ancestors(m.relid))
    UNION ALL
    SELECT m.relid, n.pnpubid, NULL FROM m JOIN pg_class c ON c.oid = m.relid OR c.oid IN (SELECT pg_partition_ancestors(m.relid)) JOIN pg_publication_namespace n ON n.pnnspid = c.relnamespace
    UNION ALL
    SELECT m.relid, p.oid, NULL FROM m, pg_publication p WHERE p.puballtables),
found(kind, object, verdict, detail) AS (
    -- the column itself
    SELECT 'column', col, 'blocks', format('Type %s is not converted as it is: give an expression by "using", or use a column of type text, varchar or char.', type)
      FROM a WHERE NOT encrypted AND atttypid NOT IN (25, 1042, 1043) AND "using" IS NULL
    UNION ALL
    SELECT 'column', col, 'blocks', 'It is inherited: convert the column of the parent or of the partitioned table.' FROM a WHERE attinhcount > 0
    UNION ALL
    SELECT 'column', col, 'blocks', format('It is generated: ALTER TABLE %s ALTER %s DROP EXPRESSION.', tab, col) FROM a WHERE attgenerated <> ''
    UNION ALL
    SELECT 'column', col, 'note', format('The length limit of %s is not kept: add CHECK (length(%s::text) <= %s) NOT VALID.%s', type, col, atttypmod - 4,
           CASE WHEN atttypid = 1042 THEN ' Blanks at the end count from then on.' ELSE '' END)
      FROM a WHERE NOT encrypted AND atttypmod > 4 AND atttypid IN (1042, 1043)
    UNION ALL
    SELECT 'column', col, 'note', 'It becomes the last column of the table: INSERT and COPY without a list of columns then put values into other columns than before. During the conversion the table has one column more, which SELECT * shows.' FROM a
    UNION ALL
    SELECT 'default', pg_get_expr(d.adbin, d.adrelid), CASE WHEN a.encrypted THEN 'blocks' WHEN "using" IS NULL THEN 'kept' ELSE 'note' END,
           CASE WHEN a.encrypted THEN format('ALTER TABLE %s ALTER %s DROP DEFAULT;', tab, col)
                WHEN "using" IS NULL THEN 'It stays in the catalogs in clear.' ELSE 'It is not kept: set it again.' END
      FROM a JOIN pg_attrdef d ON d.adrelid = a.relid AND d.adnum = a.attnum WHERE a.attgenerated = ''
    UNION ALL
    SELECT 'security label', col, 'blocks', 'Remove the label, and give it again afterwards.'
      FROM a JOIN pg_seclabel l ON l.classoid = 'pg_class'::regclass AND l.objoid = a.relid AND l.objsubid = a.attnum
    UNION ALL
    SELECT 'sequence', d.objid::regclass::text, 'blocks', format('The column owns it: ALTER TABLE %s ALTER %s DROP IDENTITY; or ALTER SEQUENCE %s OWNED BY NONE;', tab, col, d.objid::regclass)
      FROM a JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.relid AND d.refobjsubid = a.attnum
                             AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
      JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
    -- the table
    UNION ALL
    SELECT 'table', tab, 'blocks', 'Only columns of tables are converted.' FROM a WHERE relkind NOT IN ('r', 'p')
    UNION ALL
    SELECT 'table', tab, 'blocks', 'It is a typed table.' FROM a WHERE reloftype <> 0
    UNION ALL
    SELECT 'table', m.relid::regclass::text, 'blocks', 'It is a foreign table: detach it.' FROM m WHERE relkind = 'f'
    UNION ALL
    SELECT 'table', m.relid::regclass::text, 'converted', 'It is converted together with its parent.' FROM m WHERE NOT is_root AND relkind IN ('r', 'p')
    UNION ALL
    SELECT 'table', m.relid::regclass::text, 'blocks', format('It inherits the column from %s as well: ALTER TABLE %s NO INHERIT %s;', i.inhparent::regclass, m.relid::regclass, i.inhparent::regclass)
      FROM a, m JOIN pg_inherits i ON i.inhrelid = m.relid
     WHERE i.inhparent NOT IN (SELECT relid FROM tree)
       AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = i.inhparent AND t.attname = a.attname AND NOT t.attisdropped) AND NOT m.is_root
    UNION ALL
    SELECT 'row type', format('%s.%I', t.attrelid::regclass, t.attname), 'blocks', format('A stored column has the row type of %s.', tab)
      FROM a JOIN pg_attribute t ON t.atttypid = a.reltype OR t.atttypid = (SELECT y.typarray FROM pg_type y WHERE y.oid = a.reltype)
      JOIN pg_class c ON c.oid = t.attrelid AND c.relkind IN ('r', 'p', 'm', 'f') WHERE t.attnum > 0 AND NOT t.attisdropped
    UNION ALL
    SELECT 'partition key', m.relid::regclass::text, 'blocks', 'The table is partitioned by the column.'
      FROM m JOIN pg_partitioned_table p ON p.partrelid = m.relid
     WHERE m.attnum = ANY (p.partattrs)
        OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = m.relid AND d.objsubid = 0
                      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = m.relid AND d.refobjsubid = m.attnum)
    UNION ALL
    SELECT 'replica identity', m.relid::regclass::text, 'blocks', format('Its updates are published, and a subscriber could not find the rows: ALTER TABLE %s REPLICA IDENTITY FULL; or give it a primary key.', m.relid::regclass)
      FROM m JOIN pg_class c ON c.oid = m.relid
     WHERE c.relkind = 'r' AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
       AND EXISTS (SELECT FROM published u JOIN pg_publication p ON p.oid = u.pub WHERE u.relid = m.relid AND p.pubupdate)
    -- indexes and constraints
    UNION ALL
    SELECT 'cluster', name, 'blocks', format('The table is clustered on it: ALTER TABLE %s SET WITHOUT CLUSTER;', indrelid::regclass)
      FROM idx WHERE indisclustered
    UNION ALL
    SELECT CASE WHEN con IS NULL THEN 'index' ELSE 'constraint' END, COALESCE(quote_ident(conname), name),
           CASE WHEN simple AND is_root AND ok THEN 'replaced' ELSE 'blocks' END,
           CASE WHEN simple AND is_root AND ok AND encrypted THEN format('It becomes %s index on the column.', CASE WHEN indisunique THEN 'a unique' ELSE 'an' END)
                WHEN simple AND is_root AND ok THEN format('It becomes %s index on fieldcrypt.blind_index(%s). The build blocks writers; to avoid that see docs/convert.md.%s', CASE WHEN indisunique THEN 'a unique' ELSE 'an' END, col,
                     CASE WHEN con IS NULL THEN '' ELSE ' ON CONFLICT ON CONSTRAINT no longer finds it.' END)
                WHEN con IS NULL THEN format('DROP INDEX %s;', name)
                ELSE format('ALTER TABLE %s DROP CONSTRAINT %I;', indrelid::regclass, conname) END
      FROM a, LATERAL (SELECT idx.*, NOT indisprimary AND NOT indisreplident AND contype IS DISTINCT FROM 'x'
                              AND (a.encrypted OR searchable IS NOT NULL AND (searchable = 'exact' OR NOT indisunique)) AS ok
                         FROM idx WHERE NOT relispartition) i
    UNION ALL
    SELECT 'constraint', quote_ident(n.conname), 'blocks', format('ALTER TABLE %s DROP CONSTRAINT %I;', n.conrelid::regclass, n.conname)
      FROM m JOIN pg_constraint n ON n.conrelid = m.relid AND n.contype IN ('c', 'f') AND m.attnum = ANY (n.conkey)
                                  OR n.confrelid = m.relid AND m.attnum = ANY (n.confkey)
     WHERE n.conparentid = 0 AND n.conislocal AND n.conname NOT LIKE 'fieldcrypt\_check\_%'
    UNION ALL
    SELECT 'generated column', format('%s.%I', d.adrelid::regclass, t.attname), 'blocks', format('ALTER TABLE %s DROP COLUMN %I;', d.adrelid::regclass, t.attname)
      FROM dep JOIN pg_attrdef d ON dep.classid = 'pg_attrdef'::regclass AND d.oid = dep.objid
      JOIN pg_attribute t ON t.attrelid = d.adrelid AND t.attnum = d.adnum
     WHERE d.adnum <> dep.attnum AND t.attinhcount = 0
    UNION ALL
    SELECT 'statistics', s.oid::text || ' ' || quote_ident(s.stxname), 'blocks', format('DROP STATISTICS %s.%I;', s.stxnamespace::regnamespace, s.stxname)
      FROM m JOIN pg_statistic_ext s ON s.stxrelid = m.relid
     WHERE m.attnum = ANY (s.stxkeys) OR EXISTS (SELECT FROM dep WHERE dep.classid = 'pg_statistic_ext'::regclass AND dep.objid = s.oid)
    -- code
    UNION ALL
    SELECT CASE WHEN c.relkind = 'm' THEN 'materialized view' WHEN v.rulename = '_RETURN' THEN 'view' ELSE 'rule' END,
           CASE WHEN v.rulename = '_RETURN' THEN v.view::regclass::text ELSE format('%I of %s', v.rulename, v.view::regclass) END,
           CASE WHEN k.kept THEN 'kept' ELSE 'blocks' END,
           CASE WHEN k.kept THEN 'It only passes the column on; it is made anew over the new column.'
                WHEN c.relkind = 'm' THEN format('It holds the text in clear: DROP MATERIALIZED VIEW %s;', v.view::regclass)
                WHEN v.rulename <> '_RETURN' THEN format('DROP RULE %I ON %s;', v.rulename, v.view::regclass)
                ELSE format('It does more than pass the column on, or more than views depends on it, or it is not yours: DROP VIEW %s; and make it again afterwards.', v.view::regclass) END
      FROM a, views v JOIN pg_class c ON c.oid = v.view,
           LATERAL (SELECT v.rulename = '_RETURN' AND c.relkind = 'v' AND pg_has_role(c.relowner, 'USAGE') AND NOT c.relhastriggers
                           AND NOT EXISTS (SELECT FROM m WHERE NOT m.is_root AND EXISTS (SELECT FROM pg_depend d
                                 WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = v.rule AND d.refobjid = m.relid))
                           AND fieldcrypt.view_passes(v.view, a.relid, a.attname::text)
                           AND NOT EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = v.view AND w.rulename <> '_RETURN')
                           AND NOT EXISTS (SELECT FROM pg_attrdef d WHERE d.adrelid = v.view)
                           AND NOT EXISTS (SELECT FROM pg_seclabel l WHERE l.classoid = 'pg_class'::regclass AND l.objoid = v.view)
                           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype IN ('e', 'x') AND d.classid = 'pg_class'::regclass AND d.objid = v.view)
                           AND NOT EXISTS (SELECT FROM pg_depend d LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
                                            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = v.view AND d.deptype IN ('n', 'a')
                                              AND NOT EXISTS (SELECT FROM views x WHERE x.rule = w.oid))
                           AND NOT EXISTS (SELECT FROM pg_type y JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (y.oid, y.typarray)
                                            WHERE y.oid = c.reltype AND d.deptype IN ('n', 'a'))
                           AND ((SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
                                OR has_schema_privilege(c.relnamespace, 'CREATE') AND has_schema_privilege(c.relowner, c.relnamespace, 'CREATE')) AS kept) k
    UNION ALL
    SELECT 'policy', quote_ident(p.polname), 'blocks', format('DROP POLICY %I ON %s;', p.polname, p.polrelid::regclass)
      FROM dep JOIN pg_policy p ON dep.classid = 'pg_policy'::regclass AND p.oid = dep.objid
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text, 'blocks', format('Its body uses the column: DROP %s %s;', CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, p.oid::regprocedure)
      FROM dep JOIN pg_proc p ON dep.classid = 'pg_proc'::regclass AND p.oid = dep.objid
    UNION ALL
    SELECT 'trigger', format('%I of %s', g.tgname, g.tgrelid::regclass), v.verdict,
           CASE WHEN v.verdict = 'blocks' AND g.tgname COLLATE "C" > '~fieldcrypt' COLLATE "C" THEN 'It fires after the trigger that mirrors the column: give it a name that sorts before ~.'
                WHEN v.verdict = 'blocks' THEN format('It names the column (UPDATE OF, WHEN): DROP TRIGGER %I ON %s;', g.tgname, g.tgrelid::regclass)
                WHEN p.prosrc ~* '(to_json|hstore|format|concat|(new|old)::text)' THEN 'It may make text of the whole row: there the column is ciphertext from then on. Check that nothing keeps it in clear, audit tables too.'
                ELSE 'Check what it does with the column.' END
      FROM a, m JOIN pg_trigger g ON g.tgrelid = m.relid JOIN pg_proc p ON p.oid = g.tgfoid,
           LATERAL (SELECT CASE WHEN EXISTS (SELECT FROM dep WHERE dep.classid = 'pg_trigger'::regclass AND dep.objid = g.oid)
                                  OR g.tgtype & 3 = 3 AND g.tgtype & 20 <> 0 AND g.tgname COLLATE "C" > '~fieldcrypt' COLLATE "C"
                                THEN 'blocks' ELSE 'note' END AS verdict) v
     WHERE NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgname NOT LIKE '~fieldcrypt\_%'
    -- replication
    UNION ALL
    SELECT 'publication', quote_ident(p.pubname), CASE WHEN u.listed THEN 'blocks' ELSE 'note' END,
           CASE WHEN u.listed THEN format('Its list of columns or its row filter names the column: ALTER PUBLICATION %I DROP TABLE %s; and add it again afterwards.', p.pubname, u.relid::regclass)
                ELSE 'Subscribers stop at the columns of the conversion, which they do not have: take the table out of the publication, and add it again and copy it afterwards.' END
      FROM (SELECT DISTINCT ON (d.pub) d.pub, d.relid, l.listed
              FROM published d,
                   LATERAL (SELECT d.rel IS NOT NULL AND EXISTS (SELECT FROM dep WHERE dep.classid = 'pg_publication_rel'::regclass AND dep.objid = d.rel) AS listed) l
             ORDER BY d.pub, l.listed DESC, d.relid <> relation, d.relid) u
      JOIN pg_publication p ON p.oid = u.pub
    -- roles
    UNION ALL
    SELECT 'role', CASE x.grantee WHEN 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(x.grantee)) END, 'note',
           format('It may %s the column and does not hold %s on the key %s.', string_agg(DISTINCT lower(x.privilege_type), ', '),
                  CASE WHEN bool_or(x.privilege_type = 'SELECT') THEN 'decrypt' ELSE 'encrypt' END, key)
      FROM a, LATERAL (SELECT * FROM aclexplode(a.relacl) UNION ALL SELECT * FROM aclexplode(a.attacl)) x
     WHERE key IS NOT NULL AND x.privilege_type IN ('SELECT', 'INSERT', 'UPDATE')
       AND CASE x.grantee WHEN 0 THEN NOT EXISTS (SELECT FROM fieldcrypt.grants g WHERE g.key = assess.key AND g.grantee = 'public' AND g.active
                                                     AND (g.privilege = 'decrypt' OR x.privilege_type <> 'SELECT'))
                ELSE NOT fieldcrypt.has_key_privilege(pg_get_userbyid(x.grantee), key, CASE x.privilege_type WHEN 'SELECT' THEN 'decrypt' ELSE 'encrypt' END) END
     GROUP BY x.grantee
    -- the size of it
    UNION ALL
    SELECT 'rows', rows::text, 'estimate', 'By the statistics of the last VACUUM or ANALYZE.' FROM size
    UNION ALL
    SELECT 'disk', pg_size_pretty(2 * bytes + rows * width), 'estimate', 'Every row is written twice; less where VACUUM frees room meanwhile.' FROM size WHERE bytes IS NOT NULL
    UNION ALL
    SELECT 'WAL', pg_size_pretty(3 * bytes + rows * (2 * width + 60)), 'estimate', 'Full pages after checkpoints included.' FROM size WHERE bytes IS NOT NULL
    UNION ALL
    SELECT 'time', justify_interval(make_interval(secs => GREATEST(1, round(rows / 5000.0)))) ::text, 'estimate', 'At 5000 rows a second, with the pauses that it makes by default.' FROM size WHERE bytes IS NOT NULL
    UNION ALL
    SELECT 'sessions', tab, 'note', 'Prepared statements that return the column fail with "cached plan must not change result type" until they are prepared anew: have pools reconnect, or use DEALLOCATE ALL.' FROM a)
SELECT f.kind, f.object, f.verdict, f.detail FROM found f
 ORDER BY array_position(ARRAY['blocks', 'replaced', 'converted', 'kept', 'note', 'estimate'], f.verdict), f.kind, f.object COLLATE "C";
END;
COMMENT ON FUNCTION fieldcrypt.assess(regclass, text, text, text, text) IS
    'what encrypt_column or decrypt_column would meet: what blocks it and how to remove that, what is replaced and kept, what it takes';

CREATE PROCEDURE fieldcrypt.encrypt_column(relation regclass, "column" text, key text, searchable text DEFAULT NULL,
    "using" text DEFAULT NULL, batch_rows integer DEFAULT 1000, pause interval DEFAULT NULL,
    max_duration interval DEFAULT NULL, dry_run boolean DEFAULT false, abandon boolean DEFAULT false)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_encrypt_column';
COMMENT ON PROCEDURE fieldcrypt.encrypt_column(regclass, text, text, text, text, integer, interval, interval, boolean, boolean) IS
    'encrypt an existing column online; interrupted, call it again with the same arguments';

CREATE PROCEDURE fieldcrypt.decrypt_column(relation regclass, "column" text, type text DEFAULT 'text',
    batch_rows integer DEFAULT 1000, pause interval DEFAULT NULL,
    max_duration interval DEFAULT NULL, dry_run boolean DEFAULT false, abandon boolean DEFAULT false)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_decrypt_column';
COMMENT ON PROCEDURE fieldcrypt.decrypt_column(regclass, text, text, integer, interval, interval, boolean, boolean) IS
    'make an encrypted column plain again, online; interrupted, call it again with the same arguments';

CREATE PROCEDURE fieldcrypt.verify_column(relation regclass, "column" text, batch_rows integer DEFAULT 1000,
    pause interval DEFAULT NULL, max_duration interval DEFAULT NULL,
    INOUT "values" bigint DEFAULT NULL, INOUT bad bigint DEFAULT NULL)
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_verify_column';
COMMENT ON PROCEDURE fieldcrypt.verify_column(regclass, text, integer, interval, interval, bigint, bigint) IS
    'does every value of a column authenticate? Bad ones are named by place and key; returns how many there are';

----------------------------------------------------------------------
-- Sorts on disk.  The planner has them compare copies of the texts under a key
-- of their own, of this query, instead of opening values again and again.
-- Nobody has a column of the type.
----------------------------------------------------------------------

CREATE TYPE fieldcrypt.sort_copy;
CREATE FUNCTION fieldcrypt.sort_copy_in(cstring) RETURNS fieldcrypt.sort_copy
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_sort_copy_in';
COMMENT ON FUNCTION fieldcrypt.sort_copy_in(cstring) IS 'I/O; raises an error';
CREATE FUNCTION fieldcrypt.sort_copy_out(fieldcrypt.sort_copy) RETURNS cstring
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_sort_copy_out';
COMMENT ON FUNCTION fieldcrypt.sort_copy_out(fieldcrypt.sort_copy) IS 'I/O; raises an error';
CREATE TYPE fieldcrypt.sort_copy (
    INPUT = fieldcrypt.sort_copy_in,
    OUTPUT = fieldcrypt.sort_copy_out,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = extended,
    COLLATABLE = true
);
COMMENT ON TYPE fieldcrypt.sort_copy IS 'text of an encrypted value under a key that goes with the query; internal';
REVOKE ALL ON TYPE fieldcrypt.sort_copy FROM PUBLIC;

CREATE FUNCTION fieldcrypt.sort_copy(pg_catalog.encrypted_text) RETURNS fieldcrypt.sort_copy
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'fc_sort_copy';
COMMENT ON FUNCTION fieldcrypt.sort_copy(pg_catalog.encrypted_text) IS 'what a sort on disk compares; internal';
CREATE FUNCTION fieldcrypt.sort_copy_lt(fieldcrypt.sort_copy, fieldcrypt.sort_copy) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_sort_copy_lt';
COMMENT ON FUNCTION fieldcrypt.sort_copy_lt(fieldcrypt.sort_copy, fieldcrypt.sort_copy) IS 'implementation of < operator';
CREATE FUNCTION fieldcrypt.sort_copy_gt(fieldcrypt.sort_copy, fieldcrypt.sort_copy) RETURNS bool
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_sort_copy_gt';
COMMENT ON FUNCTION fieldcrypt.sort_copy_gt(fieldcrypt.sort_copy, fieldcrypt.sort_copy) IS 'implementation of > operator';
CREATE FUNCTION fieldcrypt.sort_copy_cmp(fieldcrypt.sort_copy, fieldcrypt.sort_copy) RETURNS int4
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_sort_copy_cmp';
COMMENT ON FUNCTION fieldcrypt.sort_copy_cmp(fieldcrypt.sort_copy, fieldcrypt.sort_copy) IS 'less-equal-greater';
CREATE FUNCTION fieldcrypt.sort_copy_sortsupport(internal) RETURNS void
    LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_sort_copy_sortsupport';
COMMENT ON FUNCTION fieldcrypt.sort_copy_sortsupport(internal) IS 'sort support';
CREATE OPERATOR fieldcrypt.< (FUNCTION = fieldcrypt.sort_copy_lt,
    LEFTARG = fieldcrypt.sort_copy, RIGHTARG = fieldcrypt.sort_copy, COMMUTATOR = OPERATOR(fieldcrypt.>));
COMMENT ON OPERATOR fieldcrypt.< (fieldcrypt.sort_copy, fieldcrypt.sort_copy) IS 'less than';
CREATE OPERATOR fieldcrypt.> (FUNCTION = fieldcrypt.sort_copy_gt,
    LEFTARG = fieldcrypt.sort_copy, RIGHTARG = fieldcrypt.sort_copy, COMMUTATOR = OPERATOR(fieldcrypt.<));
COMMENT ON OPERATOR fieldcrypt.> (fieldcrypt.sort_copy, fieldcrypt.sort_copy) IS 'greater than';
CREATE OPERATOR FAMILY fieldcrypt.sort_copy_ops USING btree;
COMMENT ON OPERATOR FAMILY fieldcrypt.sort_copy_ops USING btree IS 'sorts on disk';
CREATE OPERATOR CLASS fieldcrypt.sort_copy_ops DEFAULT FOR TYPE fieldcrypt.sort_copy USING btree
    FAMILY fieldcrypt.sort_copy_ops AS
    OPERATOR 1 fieldcrypt.< (fieldcrypt.sort_copy, fieldcrypt.sort_copy),
    OPERATOR 5 fieldcrypt.> (fieldcrypt.sort_copy, fieldcrypt.sort_copy),
    FUNCTION 1 fieldcrypt.sort_copy_cmp(fieldcrypt.sort_copy, fieldcrypt.sort_copy),
    FUNCTION 2 fieldcrypt.sort_copy_sortsupport(internal);
COMMENT ON OPERATOR CLASS fieldcrypt.sort_copy_ops USING btree IS 'sorts on disk';

----------------------------------------------------------------------
-- Event triggers.  In a server without the preload line nothing would load
-- the library before a session's first DDL, and a column that names no key
-- could be made.  They stand last: they would fire for the statements above.
----------------------------------------------------------------------

CREATE FUNCTION fieldcrypt.ddl_event() RETURNS event_trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'fc_ddl_event';
REVOKE ALL ON FUNCTION fieldcrypt.ddl_event() FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.ddl_event() IS
    'loads the library before DDL that could store encrypted values, and adds the cast to citext';

CREATE EVENT TRIGGER fieldcrypt_ddl_start ON ddl_command_start
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE MATERIALIZED VIEW',
                 'CREATE FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA', 'ALTER TABLE', 'ALTER FOREIGN TABLE',
                 'ALTER MATERIALIZED VIEW', 'CREATE TYPE', 'ALTER TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN',
                 'CREATE INDEX', 'CREATE STATISTICS', 'CREATE SCHEMA', 'CREATE EXTENSION', 'CREATE CAST',
                 'DROP EXTENSION', 'DROP OWNED')
    EXECUTE FUNCTION fieldcrypt.ddl_event();
COMMENT ON EVENT TRIGGER fieldcrypt_ddl_start IS 'loads fieldcrypt before DDL that could store encrypted values';

CREATE EVENT TRIGGER fieldcrypt_ddl_end ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE EXTENSION', 'CREATE CAST')
    EXECUTE FUNCTION fieldcrypt.ddl_event();
COMMENT ON EVENT TRIGGER fieldcrypt_ddl_end IS 'checks new tables and adds the explicit cast to citext';
