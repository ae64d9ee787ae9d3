--
-- Making, locking and guarding keys.
--

-- create_key: names, arguments, duplicates
SELECT fieldcrypt.create_key('regress_keys');
SELECT fieldcrypt.create_key('regress_keys');
SELECT fieldcrypt.create_key('regress_keys', if_not_exists => true);
SELECT fieldcrypt.create_key(NULL);
SELECT fieldcrypt.create_key('');
SELECT fieldcrypt.create_key('Upper');
SELECT fieldcrypt.create_key('tenant/one');
SELECT fieldcrypt.create_key(repeat('n', 64));
SELECT fieldcrypt.create_key('regress_no', suite => 3);
SELECT fieldcrypt.create_key('regress_no', suite => NULL);
SELECT fieldcrypt.create_key('regress_no', provider => 'nowhere');
SELECT fieldcrypt.create_key('regress_no', kms_key => repeat('k', 600));
SELECT fieldcrypt.create_key('regress_suite2', 'local', suite => 2);

-- a name whose hash begins as another's: columns could not tell them apart
SELECT fieldcrypt.create_key('t0_kkasgc');

-- two root secrets, both active, both wrapped
SELECT k.name, v.purpose, v.version, v.suite, v.state, v.wrapped IS NOT NULL AS wrapped,
       octet_length(v.kcv) AS kcv, v.activated_at IS NOT NULL AS activated
  FROM fieldcrypt.keys k JOIN fieldcrypt.key_versions v USING (key_id)
 WHERE k.name LIKE 'regress\_%' ORDER BY 1, 2;
SELECT count(DISTINCT v.wrapped) AS blobs, count(DISTINCT v.kcv) AS kcvs
  FROM fieldcrypt.keys k JOIN fieldcrypt.key_versions v USING (key_id)
 WHERE k.name = 'regress_keys';

-- the identity begins with 28 bits of the hash of the name
SELECT substr(encode(key_id, 'hex'), 1, 7) = substr(encode(sha256(name::bytea), 'hex'), 1, 7) AS named
  FROM fieldcrypt.keys WHERE name = 'regress_keys';

-- rolled back, a key is not there, and its name is free
BEGIN;
SELECT fieldcrypt.create_key('regress_rolled');
SELECT fieldcrypt.has_key_privilege(current_user, 'regress_rolled', 'decrypt');
ROLLBACK;
SELECT fieldcrypt.has_key_privilege(current_user, 'regress_rolled', 'decrypt');

-- read-only
BEGIN READ ONLY;
SELECT fieldcrypt.create_key('regress_no');
ROLLBACK;

-- lock and unlock
SELECT fieldcrypt.lock_key('regress_keys');
SELECT key, purpose, locked FROM fieldcrypt.key_status WHERE key = 'regress_keys' ORDER BY 2;
CALL fieldcrypt.rotate_key('regress_keys');
SELECT fieldcrypt.lock_key('regress_keys');
SELECT fieldcrypt.unlock_key('regress_keys');
SELECT fieldcrypt.unlock_key('regress_keys');
SELECT fieldcrypt.lock_key('regress_nowhere');
SELECT fieldcrypt.unlock_key('regress_nowhere');
SELECT fieldcrypt.purge_cache('regress_nowhere');

-- nobody writes the tables by hand, whoever he is and however he tries
UPDATE fieldcrypt.keys SET name = 'regress_other' WHERE name = 'regress_keys';
DELETE FROM fieldcrypt.keys WHERE name = 'regress_keys';
UPDATE fieldcrypt.key_versions SET state = 'destroyed';
DELETE FROM fieldcrypt.key_versions;
TRUNCATE fieldcrypt.keys;
TRUNCATE fieldcrypt.key_versions;
TRUNCATE fieldcrypt.key_grants;
SET session_replication_role = replica;
DELETE FROM fieldcrypt.key_versions;
TRUNCATE fieldcrypt.key_versions;
RESET session_replication_role;

-- an error caught leaves the tables guarded
DO $$
BEGIN
    PERFORM fieldcrypt.create_key('regress_keys');
EXCEPTION WHEN duplicate_object THEN
    RAISE NOTICE 'caught';
END $$;
DELETE FROM fieldcrypt.key_versions;

-- a restore inserts, but no identity that is not made of its name, no name
-- beside another of the same prefix, nothing that the cache has no room for
INSERT INTO fieldcrypt.keys (key_id, name) VALUES ('\x010203040506', 'regress_restored');
INSERT INTO fieldcrypt.keys (key_id, name)
SELECT substr(key_id, 1, 5) || set_byte('\x00'::bytea, 0, get_byte(key_id, 5) # 1), 't0_kkasgc'
  FROM fieldcrypt.keys WHERE name = 'pii';
INSERT INTO fieldcrypt.key_versions (key_id, purpose, version, suite, state, provider, kms_key, wrapped, kcv)
VALUES ('\x010203040506', 1, 1, 1, 'active', 'p', repeat('k', 600), '\x00', '\x0102030405060708');
\set VERBOSITY terse
INSERT INTO fieldcrypt.key_versions (key_id, purpose, version, suite, state, provider, kms_key, wrapped, kcv)
VALUES ('\x010203040506', 1, 1, 3, 'active', 'p', 'k', '\x00', '\x0102030405060708');
\set VERBOSITY default

-- a second identity of a name opens and does not write
BEGIN;
INSERT INTO fieldcrypt.keys (key_id, name, writes)
SELECT substr(key_id, 1, 5) || set_byte('\x00'::bytea, 0, get_byte(key_id, 5) # 1), name, false
  FROM fieldcrypt.keys WHERE name = 'regress_keys';
SELECT fieldcrypt.lock_key('regress_keys');
SELECT count(*) AS locked FROM fieldcrypt.keys WHERE name = 'regress_keys' AND locked_at IS NOT NULL;
ROLLBACK;

-- roles that write every table do not write these
CREATE ROLE regress_fc_etl;
GRANT pg_write_all_data, pg_read_all_data TO regress_fc_etl;
SET ROLE regress_fc_etl;
INSERT INTO fieldcrypt.key_grants (key, grantee, privilege) VALUES ('pii', 'regress_fc_etl', 'decrypt');
DELETE FROM fieldcrypt.key_versions;
SELECT fieldcrypt.create_key('regress_no');
RESET ROLE;
DROP ROLE regress_fc_etl;
