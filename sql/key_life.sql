--
-- Retiring, compromising and destroying versions and keys.
--
SELECT fieldcrypt.create_key('regress_life');
SELECT fieldcrypt.grant_key('regress_life', current_user::text, 'decrypt');
CREATE VIEW regress_fc_versions AS
    SELECT purpose, version, state, destroyed_at IS NOT NULL AS destroyed
      FROM fieldcrypt.key_status WHERE key = 'regress_life' ORDER BY purpose DESC, version;
CREATE TABLE regress_fc_lives (id int, v encrypted_text('regress_life', 'searchable'));
INSERT INTO regress_fc_lives VALUES (1, 'one'), (2, 'two');

-- arguments, and what an active version allows
CALL fieldcrypt.retire_version('regress_life', NULL);
CALL fieldcrypt.retire_version('regress_nowhere', 1);
CALL fieldcrypt.retire_version('regress_life', 7);
CALL fieldcrypt.retire_version('regress_life', 1);
CALL fieldcrypt.mark_compromised('regress_life', 1);
CALL fieldcrypt.destroy_version('regress_life', 1);

-- a version that is not to become active
CALL fieldcrypt.rotate_key('regress_life', activate => false);
CALL fieldcrypt.retire_version('regress_life', 2);
CALL fieldcrypt.retire_version('regress_life', 2);
CALL fieldcrypt.activate_version('regress_life', 2);
SELECT * FROM regress_fc_versions;

-- compromised: it goes on opening until its values have moved
CALL fieldcrypt.rotate_key('regress_life');
INSERT INTO regress_fc_lives VALUES (3, 'three');
CALL fieldcrypt.mark_compromised('regress_life', 1);
CALL fieldcrypt.retire_version('regress_life', 1);
SELECT id, v, (fieldcrypt.value_info(v)).version FROM regress_fc_lives ORDER BY id;

-- a version that values need stays
CALL fieldcrypt.destroy_version('regress_life', 1);
CALL fieldcrypt.reencrypt_key('regress_life');
CALL fieldcrypt.destroy_version('regress_life', 1);
CALL fieldcrypt.destroy_version('regress_life', 1);
CALL fieldcrypt.mark_compromised('regress_life', 1);
SELECT * FROM regress_fc_versions;
SELECT v.version, v.wrapped IS NULL AS gone, encode(v.kcv, 'hex') AS kcv
  FROM fieldcrypt.keys k JOIN fieldcrypt.key_versions v USING (key_id)
 WHERE k.name = 'regress_life' AND v.state = 'destroyed';
SELECT id, v FROM regress_fc_lives ORDER BY id;

-- the number is not used again
CALL fieldcrypt.rotate_key('regress_life');
SELECT version, state FROM regress_fc_versions WHERE purpose = 'wrap' ORDER BY version;

-- in a transaction, and undone
BEGIN;
CALL fieldcrypt.destroy_key('regress_life');
SELECT v FROM regress_fc_lives WHERE id = 1;
ROLLBACK;
SELECT v FROM regress_fc_lives WHERE id = 1;

-- cryptoperiods
SELECT fieldcrypt.set_rotation('regress_life', '90 days');
SELECT key, version, rotate_every, due_at - activated_at AS period, overdue FROM fieldcrypt.keys_due;
SELECT fieldcrypt.set_rotation('regress_life', '1 microsecond');
SELECT key, overdue FROM fieldcrypt.keys_due;
SELECT fieldcrypt.set_rotation('regress_life', '-1 days');
SELECT fieldcrypt.set_rotation('regress_life', NULL);
SELECT count(*) FROM fieldcrypt.keys_due;
SELECT fieldcrypt.set_rotation('regress_nowhere', '1 day');

-- who may
SET ROLE regress_fc_app;
CALL fieldcrypt.retire_version('regress_life', 3);
CALL fieldcrypt.mark_compromised('regress_life', 3);
CALL fieldcrypt.destroy_version('regress_life', 3);
CALL fieldcrypt.destroy_key('regress_life');
SELECT fieldcrypt.set_rotation('regress_life', '1 day');
RESET ROLE;

-- a key custodian who owns no table may, and gets nothing else by it
\set VERBOSITY terse
SELECT fieldcrypt.create_key('regress_life_two');
CALL fieldcrypt.rotate_key('regress_life_two');
GRANT EXECUTE ON PROCEDURE fieldcrypt.destroy_version, fieldcrypt.destroy_key TO regress_fc_other;
SET ROLE regress_fc_other;
SET search_path = pg_temp;
CALL fieldcrypt.destroy_version('regress_life_two', 1);
CALL fieldcrypt.destroy_key('regress_life_two');
SELECT current_user, current_setting('search_path');
DELETE FROM fieldcrypt.key_versions;
RESET search_path;
RESET ROLE;
REVOKE EXECUTE ON PROCEDURE fieldcrypt.destroy_version, fieldcrypt.destroy_key FROM regress_fc_other;
SELECT v.purpose, v.version, v.state, v.wrapped IS NULL AS gone FROM fieldcrypt.keys JOIN fieldcrypt.key_versions v USING (key_id)
 WHERE name = 'regress_life_two' ORDER BY 1, 2;
\set VERBOSITY default

-- the end: nothing opens, nothing is written, the name is used up
CALL fieldcrypt.destroy_key('regress_life');
CALL fieldcrypt.destroy_key('regress_life');
SELECT * FROM regress_fc_versions;
SELECT v FROM regress_fc_lives WHERE id = 1;
SELECT fieldcrypt.blind_index('one', 'regress_life', 'exact');
INSERT INTO regress_fc_lives VALUES (4, 'four');
SELECT fieldcrypt.create_key('regress_life');
CALL fieldcrypt.rotate_key('regress_life');
CALL fieldcrypt.rewrap_key('regress_life');
SELECT version, "values" FROM fieldcrypt.key_usage('regress_life');

DROP TABLE regress_fc_lives;
DROP VIEW regress_fc_versions;
