--
-- What the views show, and to whom.
--
SELECT fieldcrypt.create_key('regress_views');
SELECT fieldcrypt.grant_key('regress_views', current_user::text, 'decrypt');

-- providers and their check; every step of the check succeeds
SELECT provider, type, state, pid IS NOT NULL AS runs, last_error
  FROM fieldcrypt.providers WHERE provider = 'local';
SELECT count(*) > 0 AS has_steps, bool_and(ok) AS ok FROM fieldcrypt.check_provider('local');
SELECT * FROM fieldcrypt.check_provider('nowhere');

-- the cache holds what was used, until it is purged or locked
SELECT fieldcrypt.encrypt('x', 'regress_views') IS NOT NULL AS encrypted;
SELECT key, purpose, version, state, provider, kms_calls > 0 AS called, last_error
  FROM fieldcrypt.cache WHERE key = 'regress_views';
SELECT key, purpose, cached FROM fieldcrypt.key_status WHERE key = 'regress_views' ORDER BY 2;
SELECT fieldcrypt.purge_cache('regress_views') AS purged;
SELECT count(*) AS valid FROM fieldcrypt.cache WHERE key = 'regress_views' AND state = 'valid';
SELECT fieldcrypt.encrypt('x', 'regress_views') IS NOT NULL AS encrypted;
SELECT fieldcrypt.lock_key('regress_views');
SELECT count(*) AS valid FROM fieldcrypt.cache WHERE key = 'regress_views' AND state = 'valid';
SELECT fieldcrypt.encrypt('x', 'regress_views');
SELECT fieldcrypt.unlock_key('regress_views');
SELECT fieldcrypt.encrypt('x', 'regress_views') IS NOT NULL AS encrypted;
SELECT fieldcrypt.purge_cache() > 0 AS purged;
SELECT count(*) AS valid FROM fieldcrypt.cache WHERE state = 'valid';

-- memory protection
SELECT count(*) AS regions, bool_and(mechanism IS NOT NULL) AS named FROM fieldcrypt.memory_protection;

-- columns: plain, searchable, array, domain
CREATE DOMAIN regress_fc_domain AS encrypted_text('regress_views');
CREATE TABLE regress_fc_columns (
    a encrypted_text('regress_views'),
    b encrypted_text('regress_views', 'searchable'),
    c encrypted_text('regress_views')[],
    d regress_fc_domain,
    e text);
SELECT * FROM fieldcrypt.encrypted_columns WHERE relation = 'regress_fc_columns'::regclass ORDER BY 2;
DROP TABLE regress_fc_columns;
DROP DOMAIN regress_fc_domain;

-- everybody sees keys and grants, monitoring sees the rest, nobody the blobs
SET ROLE regress_fc_other;
SELECT DISTINCT key FROM fieldcrypt.key_status WHERE key = 'regress_views';
SELECT count(*) > 0 AS grants FROM fieldcrypt.grants;
SELECT count(*) >= 0 AS columns FROM fieldcrypt.encrypted_columns;
SELECT count(*) FROM fieldcrypt.cache;
SELECT count(*) FROM fieldcrypt.providers;
SELECT count(*) FROM fieldcrypt.memory_protection;
SELECT count(*) FROM fieldcrypt.key_versions;
SELECT fieldcrypt.purge_cache();
SELECT * FROM fieldcrypt.check_provider('local');
RESET ROLE;
GRANT pg_monitor TO regress_fc_other;
SET ROLE regress_fc_other;
SELECT count(*) >= 0 AS cache FROM fieldcrypt.cache;
SELECT count(*) > 0 AS providers FROM fieldcrypt.providers;
SELECT count(*) > 0 AS memory_protection FROM fieldcrypt.memory_protection;
RESET ROLE;
REVOKE pg_monitor FROM regress_fc_other;

SELECT fieldcrypt.revoke_key('regress_views', current_user::text, 'decrypt');
