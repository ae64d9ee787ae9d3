--
-- The extension itself, and what the other topics use: keys, roles.
--
CREATE EXTENSION fieldcrypt;
SELECT extversion, nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'fieldcrypt';

-- Every object of the extension has a comment.  (From 17 on, row types and
-- array types are members as well.)
SELECT pg_describe_object(classid, objid, 0) AS without_comment
  FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'fieldcrypt')
   AND obj_description(objid, classid::regclass::name) IS NULL
   AND NOT EXISTS (SELECT FROM pg_type t
                    WHERE classid = 'pg_type'::regclass AND t.oid = objid AND (typrelid <> 0 OR typcategory = 'A'))
 ORDER BY 1;

-- So does every column of the key tables.
SELECT attrelid::regclass::text AS relation, attname
  FROM pg_attribute
 WHERE attrelid IN ('fieldcrypt.keys'::regclass, 'fieldcrypt.key_versions'::regclass, 'fieldcrypt.key_grants'::regclass)
   AND attnum > 0 AND col_description(attrelid, attnum) IS NULL
 ORDER BY 1, 2;

-- What everybody may call: nothing that makes, changes or shows a key.
SELECT p.oid::regprocedure::text AS executable_by_public
  FROM pg_proc p
 WHERE pronamespace = 'fieldcrypt'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')
 ORDER BY 1;
SELECT c.oid::regclass::text AS readable_by_public
  FROM pg_class c
 WHERE relnamespace = 'fieldcrypt'::regnamespace AND relkind IN ('r', 'v')
   AND has_table_privilege('public', c.oid, 'SELECT')
 ORDER BY 1;

-- Every routine that runs as its owner pins search_path.
SELECT p.oid::regprocedure::text AS without_search_path
  FROM pg_proc p
 WHERE pronamespace = 'fieldcrypt'::regnamespace AND prosecdef
   AND NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)
 ORDER BY 1;

-- Only blind_index(encrypted_text) is leakproof, only it and the reading of a
-- type modifier are immutable.
SELECT p.oid::regprocedure::text AS routine, provolatile AS volatility, proleakproof AS leakproof
  FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'fieldcrypt'
 WHERE prokind <> 'a' AND (provolatile = 'i' OR proleakproof)
 ORDER BY 1;

-- Keys of the following topics.
SELECT fieldcrypt.create_key('pii');
SELECT fieldcrypt.create_key('card', 'local');
SELECT key, purpose, version, suite, state, writes, locked, provider
  FROM fieldcrypt.key_status ORDER BY key, purpose DESC, version;

-- Roles of the following topics: app reads and writes, writer only writes,
-- other holds nothing.
CREATE ROLE regress_fc_app;
CREATE ROLE regress_fc_writer;
CREATE ROLE regress_fc_other;
SELECT fieldcrypt.grant_key('pii', 'regress_fc_app', 'decrypt');
SELECT fieldcrypt.grant_key('card', 'regress_fc_app', 'decrypt');
SELECT fieldcrypt.grant_key('pii', 'regress_fc_writer', 'encrypt');
SELECT key, grantee, privilege, active FROM fieldcrypt.grants ORDER BY 1, 2, 3;
