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

CREATE FUNCTION pg_catalog.encrypted_text(pg_catalog.encrypted_text, int4, bool) RETURNS pg_catalog.encrypted_text
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_encrypted_text_coerce';
COMMENT ON FUNCTION pg_catalog.encrypted_text(pg_catalog.encrypted_text, int4, bool) IS
    'bring a value under the key and search mode of a type modifier';
CREATE CAST (pg_catalog.encrypted_text AS pg_catalog.encrypted_text)
    WITH FUNCTION pg_catalog.encrypted_text(pg_catalog.encrypted_text, int4, bool) AS IMPLICIT;
COMMENT ON CAST (pg_catalog.encrypted_text AS pg_catalog.encrypted_text) IS 'apply the type modifier: key and search mode';

CREATE FUNCTION pg_catalog.encrypted_text(text, int4, bool) RETURNS pg_catalog.encrypted_text
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'fc_text_to_encrypted_text';
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
    destroyed_at timestamptz
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
    PRIMARY KEY (key_id, purpose, version),
    CHECK (wrapped IS NOT NULL OR state = 'destroyed')
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
    'try a provider step by step: configuration, wrap, unwrap, compare; one row per step';

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
    OUT kms_calls bigint, OUT last_error text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'fc_cache_slots';
COMMENT ON FUNCTION fieldcrypt.cache_slots() IS 'this database''s slots of the key cache; no key bytes';

CREATE FUNCTION fieldcrypt.provider_list(
    OUT provider text, OUT type text, OUT state text, OUT pid integer, OUT default_key text,
    OUT state_since timestamptz, OUT last_success timestamptz, OUT last_failure timestamptz,
    OUT kms_calls bigint, OUT failures bigint, OUT last_error text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'fc_provider_list';
REVOKE ALL ON FUNCTION fieldcrypt.provider_list() FROM PUBLIC;
COMMENT ON FUNCTION fieldcrypt.provider_list() IS 'the providers of the provider file and the state of their workers; no credentials';

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
           s.last_used_at, s.failing_since, s.next_retry, s.kms_calls, s.last_error
      FROM fieldcrypt.cache_slots() s LEFT JOIN fieldcrypt.keys k ON k.key_id = s.key_id;
COMMENT ON VIEW fieldcrypt.cache IS 'keys of this database in this server''s cache; no key bytes';

CREATE VIEW fieldcrypt.providers AS SELECT * FROM fieldcrypt.provider_list();
COMMENT ON VIEW fieldcrypt.providers IS 'providers of the provider file and the state of their workers';

CREATE VIEW fieldcrypt.memory_protection AS SELECT * FROM fieldcrypt.memory_protection_info();
COMMENT ON VIEW fieldcrypt.memory_protection IS 'how the memory that holds keys is protected on this server';

CREATE VIEW fieldcrypt.key_status AS
    SELECT k.name AS key, encode(k.key_id, 'hex') AS key_id,
           CASE v.purpose WHEN 1 THEN 'wrap' ELSE 'index' END AS purpose,
           v.version, v.suite::integer AS suite,
           CASE WHEN k.state = 'destroyed' THEN 'destroyed' ELSE v.state END AS state,
           k.writes, k.locked_at IS NOT NULL AS locked,
           v.provider, v.kms_key, v.created_at, v.activated_at, v.destroyed_at,
           COALESCE(s.state = 'valid', false) AS cached
      FROM fieldcrypt.keys k
      JOIN fieldcrypt.key_versions v ON v.key_id = k.key_id
      LEFT JOIN fieldcrypt.cache_slots() s
        ON s.key_id = v.key_id AND s.purpose = v.purpose AND s.version = v.version;
COMMENT ON VIEW fieldcrypt.key_status IS 'every version of every key of this database: state, provider, and whether this server has it cached';

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

GRANT SELECT ON fieldcrypt.key_status, fieldcrypt.grants, fieldcrypt.encrypted_columns TO PUBLIC;
GRANT SELECT ON fieldcrypt.cache, fieldcrypt.providers, fieldcrypt.memory_protection TO pg_monitor;

-- A function inside a view is checked against the caller.  key_status is for
-- everybody; what only pg_monitor should see of a slot, cache_slots() itself
-- hides from others.
GRANT EXECUTE ON FUNCTION fieldcrypt.cache_slots() TO PUBLIC;
GRANT EXECUTE ON FUNCTION fieldcrypt.provider_list(), fieldcrypt.memory_protection_info() TO pg_monitor;

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
