--
-- Versions of a key.
--
SELECT fieldcrypt.create_key('regress_rotate');
CREATE VIEW regress_fc_versions AS
    SELECT purpose, version, suite, state, activated_at IS NOT NULL AS activated
      FROM fieldcrypt.key_status WHERE key = 'regress_rotate' ORDER BY purpose DESC, version;
SELECT * FROM regress_fc_versions;

-- arguments
CALL fieldcrypt.rotate_key(NULL);
CALL fieldcrypt.rotate_key('regress_rotate', NULL);
CALL fieldcrypt.rotate_key('regress_nowhere');
CALL fieldcrypt.activate_version('regress_rotate', NULL);
CALL fieldcrypt.activate_version('regress_nowhere', 1);

-- the old version goes on opening, the new one writes
CALL fieldcrypt.rotate_key('regress_rotate');
SELECT * FROM regress_fc_versions;

-- in two steps: a version that every server can have before it is used
CALL fieldcrypt.rotate_key('regress_rotate', activate => false);
SELECT * FROM regress_fc_versions;
CALL fieldcrypt.activate_version('regress_rotate', 1);
CALL fieldcrypt.activate_version('regress_rotate', 2);
CALL fieldcrypt.activate_version('regress_rotate', 4);
CALL fieldcrypt.activate_version('regress_rotate', 0);
CALL fieldcrypt.activate_version('regress_rotate', 65536);
CALL fieldcrypt.activate_version(key => 'regress_rotate', version => 3);
SELECT * FROM regress_fc_versions;

-- the versions are different keys under one KMS key
SELECT count(DISTINCT v.wrapped) AS blobs, count(DISTINCT v.kcv) AS kcvs, count(DISTINCT v.kms_key) AS kms_keys
  FROM fieldcrypt.keys k JOIN fieldcrypt.key_versions v USING (key_id)
 WHERE k.name = 'regress_rotate' AND v.purpose = 1;

-- in a transaction, and undone
BEGIN;
CALL fieldcrypt.rotate_key('regress_rotate');
SELECT * FROM regress_fc_versions WHERE state = 'active';
ROLLBACK;
SELECT * FROM regress_fc_versions WHERE state = 'active';

-- values follow the active version; the values of old ones stay readable
SELECT fieldcrypt.grant_key('regress_rotate', current_user::text, 'decrypt');
CREATE TABLE regress_fc_rotated (id int, v encrypted_text('regress_rotate'));
INSERT INTO regress_fc_rotated VALUES (1, 'before');
CALL fieldcrypt.rotate_key('regress_rotate');
INSERT INTO regress_fc_rotated VALUES (2, 'after');
SELECT id, fieldcrypt.decrypt(v), (fieldcrypt.value_info(v)).version FROM regress_fc_rotated ORDER BY id;

-- suite 2 stays suite 2
SELECT fieldcrypt.create_key('regress_rotate2', suite => 2);
CALL fieldcrypt.rotate_key('regress_rotate2');
SELECT purpose, version, suite, state FROM fieldcrypt.key_status
 WHERE key = 'regress_rotate2' ORDER BY purpose DESC, version;

-- who may
SET ROLE regress_fc_app;
CALL fieldcrypt.rotate_key('regress_rotate');
CALL fieldcrypt.activate_version('regress_rotate', 1);
RESET ROLE;

DROP TABLE regress_fc_rotated;
DROP VIEW regress_fc_versions;
SELECT fieldcrypt.revoke_key('regress_rotate', current_user::text, 'decrypt');
