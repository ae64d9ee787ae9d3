--
-- Every stored column of the type names a key, however the column comes
-- about.  Refused with 0A000 and a hint; what names a key passes.
--
CREATE SCHEMA regress_fc_unkeyed;
SET search_path = regress_fc_unkeyed;
\set VERBOSITY default

-- tables
CREATE TABLE u (a encrypted_text);
CREATE TEMP TABLE u (a encrypted_text);
CREATE UNLOGGED TABLE u (a encrypted_text);
CREATE TABLE u (a encrypted_text('pii'), b int, "Odd name" encrypted_text);
CREATE TABLE k (id int, a encrypted_text('pii'), b encrypted_text('card', 'searchable'));
CREATE TEMP TABLE kt (a encrypted_text('pii'));
CREATE UNLOGGED TABLE ku (a encrypted_text('pii'));

-- columns added and altered; the modifier is lost where it is not repeated
ALTER TABLE k ADD COLUMN c encrypted_text;
ALTER TABLE k ADD COLUMN c encrypted_text('card');
ALTER TABLE k ALTER COLUMN a TYPE encrypted_text;
ALTER TABLE k ALTER COLUMN a TYPE encrypted_text('card');
ALTER TABLE k ALTER COLUMN a TYPE encrypted_text('pii');
ALTER TABLE k ADD COLUMN d text;
ALTER TABLE k ALTER COLUMN d TYPE encrypted_text USING d::encrypted_text('pii');
ALTER TABLE k ALTER COLUMN d TYPE encrypted_text('pii');

-- queries that make tables
CREATE TABLE u AS SELECT 'x'::encrypted_text AS a;
CREATE TABLE u AS SELECT coalesce(a, 'x') AS a FROM k;
CREATE TABLE u AS SELECT CASE WHEN id > 0 THEN a ELSE 'x' END AS a FROM k;
CREATE TABLE u AS SELECT a FROM k UNION ALL SELECT b FROM k;
SELECT 'x'::encrypted_text AS a INTO u;
CREATE MATERIALIZED VIEW u AS SELECT coalesce(a, 'x') AS a FROM k;
CREATE TABLE u AS WITH RECURSIVE r(a, n) AS
    (SELECT 'x'::encrypted_text, 1 UNION ALL SELECT a, n + 1 FROM r WHERE n < 3)
    SELECT a FROM r;
CREATE FUNCTION rt() RETURNS TABLE (a encrypted_text) LANGUAGE sql AS
    $$ SELECT a FROM regress_fc_unkeyed.k $$;
CREATE TABLE u AS SELECT a FROM rt();
SET fieldcrypt.describe_as = 'native';
PREPARE made AS SELECT coalesce(a, 'x') AS a FROM k;
CREATE TABLE u AS EXECUTE made;
DEALLOCATE made;
RESET fieldcrypt.describe_as;
CREATE TABLE k_as AS SELECT a, coalesce(a, 'x')::encrypted_text('pii') AS b FROM k;
SELECT a INTO k_into FROM k;
CREATE MATERIALIZED VIEW k_mat AS SELECT a, b FROM k;
REFRESH MATERIALIZED VIEW k_mat;
CREATE TABLE k_like (LIKE k INCLUDING ALL);

-- partitions, inheritance, foreign tables
CREATE TABLE u (id int, a encrypted_text) PARTITION BY RANGE (id);
CREATE TABLE k_part (id int, a encrypted_text('pii')) PARTITION BY RANGE (id);
CREATE TABLE k_part_1 PARTITION OF k_part FOR VALUES FROM (0) TO (10);
ALTER TABLE k_part ADD COLUMN b encrypted_text;
ALTER TABLE k_part ADD COLUMN b encrypted_text('card');
CREATE TABLE k_child (extra encrypted_text) INHERITS (k);
CREATE TABLE k_child (extra encrypted_text('pii')) INHERITS (k);
ALTER TABLE k ADD COLUMN e encrypted_text;
CREATE FOREIGN DATA WRAPPER regress_fc_fdw;
CREATE SERVER regress_fc_server FOREIGN DATA WRAPPER regress_fc_fdw;
CREATE FOREIGN TABLE u (a encrypted_text) SERVER regress_fc_server;
CREATE FOREIGN TABLE k_foreign (a encrypted_text('pii')) SERVER regress_fc_server;
ALTER FOREIGN TABLE k_foreign ADD COLUMN b encrypted_text;
ALTER FOREIGN TABLE k_foreign ALTER COLUMN a TYPE encrypted_text;

-- arrays
CREATE TABLE u (a encrypted_text[]);
CREATE TABLE k_array (a encrypted_text('pii')[]);
ALTER TABLE k_array ALTER COLUMN a TYPE encrypted_text[];
CREATE TABLE u AS SELECT array['x'::encrypted_text] AS a;

-- domains
CREATE DOMAIN u_domain AS encrypted_text;
CREATE DOMAIN u_domain AS encrypted_text[];
CREATE DOMAIN k_domain AS encrypted_text('pii');
CREATE DOMAIN k_domain2 AS k_domain;
CREATE DOMAIN k_domain_array AS k_domain[];
CREATE TABLE k_of_domains (a k_domain, b k_domain2, c k_domain_array, d k_domain[]);

-- composite types
CREATE TYPE u_comp AS (n int, a encrypted_text);
CREATE TYPE u_comp AS (n int, a encrypted_text[]);
CREATE TYPE k_comp AS (n int, a encrypted_text('pii'));
ALTER TYPE k_comp ADD ATTRIBUTE b encrypted_text;
ALTER TYPE k_comp ALTER ATTRIBUTE a TYPE encrypted_text;
ALTER TYPE k_comp ADD ATTRIBUTE b encrypted_text('card');
CREATE TABLE k_typed OF k_comp;
CREATE TABLE k_of_comps (a k_comp, b k_comp[]);
CREATE DOMAIN k_comp_domain AS k_comp;

-- a row type that others use does not get the type afterwards
CREATE TYPE plain_comp AS (n int);
CREATE TABLE plain_user (p plain_comp);
ALTER TYPE plain_comp ADD ATTRIBUTE a encrypted_text('pii');
CREATE TABLE plain_table (n int);
CREATE TABLE plain_user2 (p plain_table[]);
ALTER TABLE plain_table ADD COLUMN a encrypted_text('pii');
DROP TABLE plain_user, plain_user2;
ALTER TYPE plain_comp ADD ATTRIBUTE a encrypted_text('pii');
ALTER TABLE plain_table ADD COLUMN a encrypted_text('pii');

-- ranges, whose bounds would be ordered by plaintext
CREATE TYPE u_range AS RANGE (subtype = encrypted_text);
CREATE TYPE u_range AS RANGE (subtype = k_domain);

-- views store nothing; their row types do
CREATE VIEW v AS SELECT coalesce(a, 'x') AS a, 'y'::encrypted_text AS b FROM k;
CREATE OR REPLACE VIEW v AS
    SELECT coalesce(a, 'x') AS a, 'y'::encrypted_text AS b, 'z'::encrypted_text AS c FROM k;
CREATE TABLE u (r v);
CREATE TABLE u AS SELECT * FROM v;

-- inside functions and DO the rules are the same
DO $$ BEGIN CREATE TEMP TABLE u (a encrypted_text); END $$;
DO $$ BEGIN EXECUTE 'CREATE TABLE k_nullif AS SELECT nullif(a, ''x'') AS a FROM k'; END $$;
CREATE SCHEMA regress_fc_unkeyed2 CREATE TABLE u (a encrypted_text);

-- nothing unkeyed came to be
SELECT c.relname, a.attname
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE a.atttypid = 'encrypted_text'::regtype AND a.atttypmod = -1
   AND c.relkind IN ('r', 'p', 'm', 'f', 'c') AND a.attnum > 0 AND NOT a.attisdropped;

SET client_min_messages = warning;
DROP SCHEMA regress_fc_unkeyed CASCADE;
DROP SERVER regress_fc_server CASCADE;
DROP FOREIGN DATA WRAPPER regress_fc_fdw;
