--
-- The keyring as a whole: wrapping anew, moving, exporting, importing; and
-- rotation that runs by itself.
--
SELECT fieldcrypt.create_key('regress_ring');
SELECT fieldcrypt.grant_key('regress_ring', current_user::text, 'decrypt');
CALL fieldcrypt.rotate_key('regress_ring');
CREATE TABLE regress_fc_ring (id int, v encrypted_text('regress_ring', 'searchable'));
INSERT INTO regress_fc_ring VALUES (1, 'one'), (2, 'two');
CREATE VIEW regress_fc_blobs AS
    SELECT v.purpose, v.version, v.provider, v.wrapped, v.old_wrapped, v.old_provider
      FROM fieldcrypt.keys k JOIN fieldcrypt.key_versions v USING (key_id)
     WHERE k.name = 'regress_ring' AND k.writes;
CREATE TABLE regress_fc_before AS SELECT * FROM regress_fc_blobs;

-- arguments
CALL fieldcrypt.rewrap_keyring(NULL);
CALL fieldcrypt.rewrap_keyring('nowhere');
CALL fieldcrypt.rewrap_keyring('local', complete => true, undo => true);
CALL fieldcrypt.move_key('regress_nowhere', 'local');
CALL fieldcrypt.move_key('regress_ring', 'nowhere');
CALL fieldcrypt.move_key('regress_ring', 'local', repeat('k', 600));
BEGIN;
CALL fieldcrypt.rewrap_keyring('local');
ROLLBACK;
BEGIN;
CALL fieldcrypt.move_key('regress_ring', 'local');
ROLLBACK;

-- already there; and a KMS key that the provider does not allow
CALL fieldcrypt.move_key('regress_ring', 'local');
CALL fieldcrypt.move_key('regress_ring', 'local', 'elsewhere');

-- every version is wrapped anew, the old blob is kept, once
SET client_min_messages = warning;
CALL fieldcrypt.rewrap_keyring('local');
CALL fieldcrypt.rewrap_keyring('local');
RESET client_min_messages;
SELECT n.purpose, n.version, n.wrapped <> b.wrapped AS anew, n.old_wrapped = b.wrapped AS kept, n.old_provider
  FROM regress_fc_blobs n JOIN regress_fc_before b USING (purpose, version) ORDER BY 1, 2;
SELECT id, v FROM regress_fc_ring ORDER BY id;
SELECT count(*) FROM regress_fc_ring WHERE v = 'two';
SELECT count(*) FROM fieldcrypt.cache WHERE key = 'regress_ring' AND purpose = 'wrap' AND version = 2;
SELECT DISTINCT old_provider, rewrapped_at IS NOT NULL AS rewrapped
  FROM fieldcrypt.key_status WHERE key = 'regress_ring';

-- undone: the old blobs are back
CALL fieldcrypt.move_key('regress_ring', 'local', undo => true);
CALL fieldcrypt.move_key('regress_ring', 'local', undo => true);
SELECT count(*) AS as_before FROM regress_fc_blobs n JOIN regress_fc_before b USING (purpose, version)
 WHERE n.wrapped = b.wrapped AND n.old_wrapped IS NULL;
SELECT id, v FROM regress_fc_ring ORDER BY id;

-- completed: the old blobs are gone; a destroyed version keeps neither
SET client_min_messages = warning;
CALL fieldcrypt.rewrap_keyring('local');
RESET client_min_messages;
CALL fieldcrypt.move_key('regress_ring', 'local', complete => true);
SET client_min_messages = warning;
CALL fieldcrypt.rewrap_keyring('local');
CALL fieldcrypt.destroy_version('regress_ring', 1);
RESET client_min_messages;
SELECT purpose, version, wrapped IS NULL AS gone, old_wrapped IS NULL AS old_gone
  FROM regress_fc_blobs ORDER BY 1, 2;
SET client_min_messages = warning;
CALL fieldcrypt.rewrap_keyring('local', complete => true);
RESET client_min_messages;
SELECT count(*) FROM fieldcrypt.key_versions WHERE old_wrapped IS NOT NULL;
SELECT id, v FROM regress_fc_ring ORDER BY id;

-- a locked key is looked after, and not fetched
SELECT fieldcrypt.lock_key('regress_ring');
SET client_min_messages = warning;
CALL fieldcrypt.rewrap_keyring('local');
RESET client_min_messages;
CALL fieldcrypt.move_key('regress_ring', 'local', complete => true);
SELECT count(*) FROM fieldcrypt.cache WHERE key = 'regress_ring';
SELECT fieldcrypt.unlock_key('regress_ring');
SELECT id, v FROM regress_fc_ring ORDER BY id;
SET client_min_messages = warning;
CALL fieldcrypt.rewrap_keyring('local', complete => true);
RESET client_min_messages;

-- the tables stay guarded after an error
UPDATE fieldcrypt.key_versions SET old_wrapped = NULL;

-- export: wrapped keys and no grants
SELECT jsonb_object_keys(fieldcrypt.export_keyring('regress_ring')) ORDER BY 1;
SELECT k->>'name' AS name, k->>'writes' AS writes, v->>'purpose' AS purpose, v->>'version' AS version,
       v->>'state' AS state, length(v->>'wrapped') AS digits
  FROM jsonb_array_elements(fieldcrypt.export_keyring('regress_ring')->'keys') k,
       jsonb_array_elements(k->'versions') v ORDER BY 3 DESC, 4;
SELECT fieldcrypt.export_keyring('regress_nowhere');

-- import: what is here stays
CREATE TEMP TABLE regress_fc_export AS SELECT fieldcrypt.export_keyring('regress_ring') AS ring;
SELECT key, purpose, version, action FROM regress_fc_export, fieldcrypt.import_keyring(ring) ORDER BY 2 DESC, 3;
SELECT key, purpose, version, action
  FROM regress_fc_export, fieldcrypt.import_keyring(jsonb_set(ring, '{keys,0,versions,1,kcv}', '"0011223344556677"'))
 ORDER BY 2 DESC, 3;
SELECT DISTINCT action FROM fieldcrypt.import_keyring(fieldcrypt.export_keyring('regress_life'));

-- a version that is not here, and does not open
SELECT * FROM regress_fc_export, fieldcrypt.import_keyring(jsonb_set(ring, '{keys,0,versions,1,version}', '7'));
SELECT * FROM regress_fc_export,
       fieldcrypt.import_keyring(jsonb_set(jsonb_set(ring, '{keys,0,versions,1,version}', '7'),
                                           '{keys,0,versions,1,provider}', '"nowhere"'));
BEGIN;
SELECT key, purpose, version, action FROM regress_fc_export,
       fieldcrypt.import_keyring(jsonb_set(ring, '{keys,0,versions,1,version}', '7'), verify => false)
 ORDER BY 2 DESC, 3;
SELECT version, state FROM fieldcrypt.key_status WHERE key = 'regress_ring' AND purpose = 'wrap' ORDER BY 1;
ROLLBACK;

-- another identity of the name: it opens, and what wrote goes on writing
BEGIN;
SELECT key, purpose, version, action
  FROM regress_fc_export, fieldcrypt.import_keyring(jsonb_set(ring, '{keys,0,key_id}',
         to_jsonb(left(ring#>>'{keys,0,key_id}', 11) || translate(right(ring#>>'{keys,0,key_id}', 1), '0123456789abcdef', '123456789abcdef0'))),
         verify => false) ORDER BY 2 DESC, 3;
SELECT writes, count(*) FROM fieldcrypt.keys WHERE name = 'regress_ring' GROUP BY 1 ORDER BY 1;
INSERT INTO regress_fc_ring VALUES (3, 'three');
SELECT id, v FROM regress_fc_ring ORDER BY id;
ROLLBACK;

-- a name that was destroyed here is used up, for other identities too
SELECT DISTINCT action
  FROM regress_fc_export, fieldcrypt.import_keyring(jsonb_set(jsonb_set(ring, '{keys,0,name}', '"regress_life"'), '{keys,0,key_id}',
         (SELECT to_jsonb(left(encode(sha256('regress_life'), 'hex'), 7) || '00000'))), verify => false);

-- destroyed there: a tombstone here, unless the key is here
BEGIN;
SELECT key, action FROM fieldcrypt.import_keyring(jsonb_build_object('format', 'fieldcrypt keyring', 'version', 1, 'keys',
    jsonb_build_array(jsonb_build_object('name', 'regress_tomb', 'key_id', left(encode(sha256('regress_tomb'), 'hex'), 7) || '12345',
        'writes', true, 'state', 'destroyed', 'versions', jsonb_build_array(jsonb_build_object('purpose', 'wrap', 'version', 1,
        'suite', 1, 'state', 'destroyed', 'provider', 'local', 'kms_key', 'file', 'kcv', '0000000000000000'))))));
SELECT fieldcrypt.create_key('regress_tomb');
ROLLBACK;
SELECT key, purpose, version, action
  FROM regress_fc_export, fieldcrypt.import_keyring(jsonb_set(jsonb_set(ring, '{keys,0,versions,1,state}', '"destroyed"'),
                                                              '{keys,0,versions,1,wrapped}', 'null')) ORDER BY 2 DESC, 3;

-- malformed: an error that names the place
SELECT fieldcrypt.import_keyring(NULL);
SELECT fieldcrypt.import_keyring('{}');
SELECT fieldcrypt.import_keyring('[1]');
SELECT fieldcrypt.import_keyring('{"format": "fieldcrypt keyring", "version": 2, "keys": []}');
SELECT fieldcrypt.import_keyring('{"format": "fieldcrypt keyring", "version": 1, "keys": []}');
SELECT fieldcrypt.import_keyring('{"format": "fieldcrypt keyring", "version": 1, "keys": [1]}');
CREATE FUNCTION pg_temp.broken(path text[], value jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
    detail text;
BEGIN
    PERFORM fieldcrypt.import_keyring(jsonb_set(ring, path, value)) FROM regress_fc_export;
    RETURN 'imported';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ': ' || said || ': ' || detail;
END $$;
SELECT path, value, pg_temp.broken(path::text[], value) FROM (VALUES
    (1, '{keys,0,name}', '"Upper"'::jsonb), (2, '{keys,0,name}', 'null'), (3, '{keys,0,name}', '"other"'),
    (4, '{keys,0,key_id}', '"0011"'), (5, '{keys,0,writes}', '1'), (6, '{keys,0,state}', '"gone"'),
    (7, '{keys,0,state}', '"destroyed"'), (8, '{keys,0,versions}', '{}'), (9, '{keys,0,versions,1}', '3'),
    (10, '{keys,0,versions,1,purpose}', '"seal"'), (11, '{keys,0,versions,1,version}', '0'),
    (12, '{keys,0,versions,1,version}', '65536'), (13, '{keys,0,versions,1,version}', '1'),
    (14, '{keys,0,versions,1,suite}', '3'), (15, '{keys,0,versions,1,state}', '"new"'),
    (16, '{keys,0,versions,1,provider}', '""'), (17, '{keys,0,versions,1,kms_key}', to_jsonb(repeat('k', 600))),
    (18, '{keys,0,versions,1,wrapped}', '"xy"'), (19, '{keys,0,versions,1,wrapped}', 'null'),
    (20, '{keys,0,versions,1,wrapped}', to_jsonb(repeat('00', 1025))), (21, '{keys,0,versions,1,kcv}', '"00"'),
    (22, '{keys,0,versions,1,state}', '"destroyed"')) AS t(n, path, value)
 WHERE length(value::text) < 100 ORDER BY n;
SELECT pg_temp.broken('{keys,0,versions,1,kms_key}', to_jsonb(repeat('k', 600)));
SELECT pg_temp.broken('{keys,0,versions,1,wrapped}', to_jsonb(repeat('00', 1025)));

-- a version of the index key that is retired there is not asked for here
BEGIN;
SELECT key, purpose, version, action
  FROM regress_fc_export, fieldcrypt.import_keyring(jsonb_set(ring, '{keys,0,versions}',
         jsonb_build_array((ring#>'{keys,0,versions,-1}') || '{"version": 2, "retired_at": "2026-01-02 03:04:05+00", "state": "decrypt-only"}')),
         verify => false);
SELECT version, state, retired_at AT TIME ZONE 'UTC' AS retired_at FROM fieldcrypt.key_status
 WHERE key = 'regress_ring' AND purpose = 'index' ORDER BY 1;
SELECT v->>'version' AS version, (v->>'retired_at')::timestamptz AT TIME ZONE 'UTC' AS retired_at
  FROM jsonb_path_query(fieldcrypt.export_keyring('regress_ring'), '$.keys[*].versions[*] ? (@.purpose == "index")') v ORDER BY 1;
ROLLBACK;
SELECT pg_temp.broken('{keys,0,versions,-1,retired_at}', '"2026-01-02 03:04:05+00"');

-- a name whose hash begins as another's
SELECT * FROM regress_fc_export, fieldcrypt.import_keyring(jsonb_set(jsonb_set(ring, '{keys,0,name}', '"t0_kkasgc"'),
    '{keys,0,key_id}', (SELECT to_jsonb(left(encode(sha256('t0_kkasgc'), 'hex'), 7) || '00000'))), verify => false);
SELECT count(*) FROM fieldcrypt.keys WHERE name IN ('t0_kkasgc', 'other', 'regress_tomb');

-- rotation that runs by itself
SELECT fieldcrypt.set_rotation('regress_ring', '90 days', auto => true, daily_window => '22:30-04:00');
SELECT key, rotate_every, overdue, auto, daily_window FROM fieldcrypt.keys_due WHERE key = 'regress_ring';
SELECT fieldcrypt.set_rotation('regress_ring', NULL, auto => true);
SELECT fieldcrypt.set_rotation('regress_ring', '90 days', daily_window => '01:00-05:00');
SELECT fieldcrypt.set_rotation('regress_ring', '90 days', auto => NULL);
SELECT fieldcrypt.set_rotation('regress_ring', '90 days', auto => true, daily_window => '1:00-5:00');
SELECT fieldcrypt.set_rotation('regress_ring', '90 days', auto => true, daily_window => '01:00-24:00');
SELECT fieldcrypt.set_rotation('regress_ring', '90 days', auto => true, daily_window => '01:00-01:59');
SELECT fieldcrypt.set_rotation('regress_ring', '90 days', auto => true, daily_window => '01:00 05:00');
SELECT fieldcrypt.set_rotation('regress_ring', '90 days', auto => true, daily_window => '-1:00-05:00');
SELECT key, rotate_every, auto, daily_window FROM fieldcrypt.keys_due WHERE key = 'regress_ring';
SELECT fieldcrypt.set_rotation('regress_ring', NULL);
SELECT count(*) FROM fieldcrypt.keys_due WHERE key = 'regress_ring';

-- how far the active version is from its limit
INSERT INTO regress_fc_ring SELECT i, 'v' FROM generate_series(4, 100) i;
SELECT purpose, version, state, sealed_since_cached >= 97 AS counted, max_values, near_limit
  FROM fieldcrypt.key_status WHERE key = 'regress_ring' ORDER BY 1, 2;

-- who may
SET ROLE regress_fc_app;
CALL fieldcrypt.rewrap_keyring('local');
CALL fieldcrypt.move_key('regress_ring', 'local');
SELECT fieldcrypt.export_keyring();
SELECT fieldcrypt.import_keyring('{}');
SELECT fieldcrypt.run_maintenance();
RESET ROLE;

-- a key custodian who owns no table may, and gets nothing else by it
CREATE ROLE regress_fc_custodian;
GRANT EXECUTE ON PROCEDURE fieldcrypt.move_key TO regress_fc_custodian;
SET ROLE regress_fc_custodian;
CALL fieldcrypt.move_key('regress_ring', 'local');
SELECT count(*) FROM fieldcrypt.key_versions;
RESET ROLE;
REVOKE EXECUTE ON PROCEDURE fieldcrypt.move_key FROM regress_fc_custodian;
DROP ROLE regress_fc_custodian;

DROP TABLE regress_fc_ring, regress_fc_before;
DROP VIEW regress_fc_blobs;
