--
-- Who holds what on a key.
--
SELECT fieldcrypt.create_key('regress_grants');
CREATE ROLE regress_fc_group;
CREATE ROLE regress_fc_member IN ROLE regress_fc_group;
CREATE ROLE regress_fc_custodian;

-- arguments
SELECT fieldcrypt.grant_key('regress_grants', 'regress_fc_group', 'read');
SELECT fieldcrypt.grant_key('regress_grants', 'regress_fc_nobody', 'decrypt');
SELECT fieldcrypt.grant_key('regress_grants', 'PUBLIC', 'decrypt');
SELECT fieldcrypt.grant_key('regress_nowhere', 'regress_fc_group', 'decrypt');
SELECT fieldcrypt.has_key_privilege('regress_fc_nobody', 'regress_grants', 'decrypt');
SELECT fieldcrypt.has_key_privilege('regress_fc_group', 'regress_nowhere', 'decrypt');
SELECT fieldcrypt.has_key_privilege('regress_fc_group', 'regress_grants', 'read');

-- nobody holds anything by default, a superuser neither
CREATE VIEW regress_fc_held AS
    SELECT r.role, fieldcrypt.has_key_privilege(r.role, 'regress_grants', 'encrypt') AS encrypt,
           fieldcrypt.has_key_privilege(r.role, 'regress_grants', 'decrypt') AS decrypt
      FROM (VALUES (1, name 'regress_fc_group'), (2, 'regress_fc_member'),
                   (3, 'regress_fc_custodian'), (4, 'public')) r (n, role) ORDER BY n;
SELECT * FROM regress_fc_held;
SELECT fieldcrypt.has_key_privilege(current_user, 'regress_grants', 'encrypt') AS superuser;

-- membership counts; decrypt includes encrypt
SELECT fieldcrypt.grant_key('regress_grants', 'regress_fc_group', 'encrypt');
SELECT * FROM regress_fc_held;
SELECT fieldcrypt.grant_key('regress_grants', 'regress_fc_group', 'decrypt');
SELECT fieldcrypt.grant_key('regress_grants', 'regress_fc_group', 'decrypt');
SELECT * FROM regress_fc_held;
SELECT fieldcrypt.revoke_key('regress_grants', 'regress_fc_group', 'encrypt');
SELECT * FROM regress_fc_held;

-- a membership lost counts at once
BEGIN;
SELECT fieldcrypt.has_key_privilege('regress_fc_member', 'regress_grants', 'decrypt');
REVOKE regress_fc_group FROM regress_fc_member;
SELECT fieldcrypt.has_key_privilege('regress_fc_member', 'regress_grants', 'decrypt');
ROLLBACK;
SELECT fieldcrypt.has_key_privilege('regress_fc_member', 'regress_grants', 'decrypt');

-- taking back what is not there
SELECT fieldcrypt.revoke_key('regress_grants', 'regress_fc_group', 'encrypt');
SELECT fieldcrypt.revoke_key('regress_grants', 'regress_fc_nobody', 'decrypt');
SELECT fieldcrypt.revoke_key('regress_nowhere', 'regress_fc_group', 'decrypt');

-- public
SELECT fieldcrypt.grant_key('regress_grants', 'public', 'encrypt');
SELECT * FROM regress_fc_held;
SELECT key, grantee, privilege, active FROM fieldcrypt.grants WHERE key = 'regress_grants' ORDER BY 2, 3;
SELECT fieldcrypt.revoke_key('regress_grants', 'public', 'encrypt');

-- grants roll back
BEGIN;
SELECT fieldcrypt.revoke_key('regress_grants', 'regress_fc_group', 'decrypt');
SAVEPOINT s;
SELECT fieldcrypt.grant_key('regress_grants', 'regress_fc_custodian', 'decrypt');
SELECT * FROM regress_fc_held;
ROLLBACK TO s;
SELECT * FROM regress_fc_held;
ROLLBACK;
SELECT * FROM regress_fc_held;

-- EXECUTE is what a custodian needs, and all that he needs
SET ROLE regress_fc_custodian;
SELECT fieldcrypt.grant_key('regress_grants', 'regress_fc_custodian', 'decrypt');
RESET ROLE;
GRANT EXECUTE ON FUNCTION fieldcrypt.grant_key(text, text, text) TO regress_fc_custodian;
SET ROLE regress_fc_custodian;
SELECT fieldcrypt.grant_key('regress_grants', 'regress_fc_member', 'encrypt');
SELECT * FROM fieldcrypt.key_grants;
RESET ROLE;
SELECT grantee, privilege, granted_by FROM fieldcrypt.grants
 WHERE key = 'regress_grants' AND granted_by = 'regress_fc_custodian';

-- a grant is of a role, not of a name: renamed, made anew, restored
ALTER ROLE regress_fc_group RENAME TO regress_fc_renamed;
SELECT fieldcrypt.has_key_privilege('regress_fc_renamed', 'regress_grants', 'decrypt');
SELECT grantee, active FROM fieldcrypt.grants WHERE key = 'regress_grants' AND privilege = 'decrypt';
ALTER ROLE regress_fc_renamed RENAME TO regress_fc_group;
SELECT fieldcrypt.has_key_privilege('regress_fc_group', 'regress_grants', 'decrypt');
DROP ROLE regress_fc_group;
SELECT count(*) AS left_over FROM fieldcrypt.key_grants WHERE grantee = 'regress_fc_group';
CREATE ROLE regress_fc_group;
SELECT fieldcrypt.has_key_privilege('regress_fc_group', 'regress_grants', 'decrypt');

-- a restore: the OIDs of the other server do not count
INSERT INTO fieldcrypt.key_grants (key, grantee, privilege, grantee_oid)
VALUES ('regress_grants', 'regress_fc_ghost', 'decrypt', 10),
       ('regress_grants', 'regress_fc_group', 'encrypt', 10),
       ('regress_grants', 'public', 'decrypt', 10);
SELECT grantee, privilege, grantee_oid IS NULL AS no_oid, active
  FROM fieldcrypt.key_grants JOIN fieldcrypt.grants USING (key, grantee, privilege)
 WHERE key = 'regress_grants' ORDER BY 1, 2;
CREATE ROLE regress_fc_ghost;
SELECT active FROM fieldcrypt.grants WHERE key = 'regress_grants' AND grantee = 'regress_fc_ghost';
SELECT fieldcrypt.revoke_key('regress_grants', 'public', 'decrypt');
SELECT fieldcrypt.has_key_privilege('regress_fc_ghost', 'regress_grants', 'decrypt');

-- nobody else inserts
GRANT ALL ON ALL TABLES IN SCHEMA fieldcrypt TO regress_fc_custodian;
SET ROLE regress_fc_custodian;
INSERT INTO fieldcrypt.key_grants (key, grantee, privilege)
VALUES ('regress_grants', 'regress_fc_custodian', 'decrypt');
UPDATE fieldcrypt.key_grants SET grantee = 'regress_fc_custodian';
DELETE FROM fieldcrypt.key_grants;
RESET ROLE;
REVOKE ALL ON ALL TABLES IN SCHEMA fieldcrypt FROM regress_fc_custodian;

REVOKE EXECUTE ON FUNCTION fieldcrypt.grant_key(text, text, text) FROM regress_fc_custodian;
DROP VIEW regress_fc_held;
DROP ROLE regress_fc_group, regress_fc_member, regress_fc_custodian, regress_fc_ghost;
-- what never was active is not removed with a role of that name
SELECT grantee AS left_over FROM fieldcrypt.key_grants WHERE key = 'regress_grants';
SELECT fieldcrypt.revoke_key('regress_grants', 'regress_fc_ghost', 'decrypt');
