--
-- Changing the search mode of a column: set_search.  At every moment a search
-- finds what it should, and the type's word about the values holds.
--
\o /dev/null
SELECT fieldcrypt.create_key('regress_mode');
SELECT fieldcrypt.grant_key('regress_mode', current_user::text, 'decrypt');
\o
CREATE SCHEMA regress_fc_mode;
GRANT USAGE ON SCHEMA regress_fc_mode TO PUBLIC;
SET search_path = regress_fc_mode;
CREATE TABLE t (id int PRIMARY KEY, v encrypted_text('regress_mode') COLLATE "C" NOT NULL DEFAULT 'none', changed int DEFAULT 0);
ALTER TABLE t ALTER v SET STORAGE EXTENDED;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.changed := OLD.changed + 1; RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
INSERT INTO t SELECT i, 'Value ' || i FROM generate_series(1, 40) i;
INSERT INTO t VALUES (41, repeat('toasted ', 5000));
CREATE VIEW modes AS
    SELECT tableoid::regclass AS relation, (fieldcrypt.value_info(v)).mode, count(*) FROM t GROUP BY 1, 2 ORDER BY 1, 2;

-- a view needs the column's type
CALL fieldcrypt.set_search('t', 'v', 'exact');
DROP VIEW modes;
CREATE FUNCTION modes() RETURNS TABLE (mode text, count bigint) LANGUAGE sql AS
    'SELECT (fieldcrypt.value_info(v)).mode, count(*) FROM regress_fc_mode.t GROUP BY 1 ORDER BY 1';

CALL fieldcrypt.set_search('t', 'v', 'exact', dry_run => true);
SELECT * FROM modes();
SELECT pg_relation_filenode('t') AS filenode \gset
CALL fieldcrypt.set_search('t', 'v', 'exact', batch_rows => 7);
SELECT * FROM modes();
\d t
-- the table is not rewritten; what else was said about the column holds
SELECT pg_relation_filenode('t') = :filenode AS same_file, max(changed) AS touched,
       (SELECT attstorage FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v') AS storage FROM t;
CALL fieldcrypt.set_search('t', 'v', 'exact');
CREATE INDEX t_v ON t (v);
COMMENT ON INDEX t_v IS 'kept';
PREPARE find AS SELECT id FROM t WHERE v = $1 ORDER BY id;
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
EXECUTE find('Value 7');
EXPLAIN (COSTS OFF) EXECUTE find('Value 7');
INSERT INTO t (id) VALUES (42);
EXECUTE find('none');

-- another mode, interrupted: not searchable meanwhile, and right
CALL fieldcrypt.set_search('t', 'v', 'lower', batch_rows => 10, max_duration => '0');
SELECT * FROM modes();
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v';
EXECUTE find('Value 7');
EXECUTE find('Value 27');
EXECUTE find('value 7');
SELECT count(*) FROM t a JOIN t b ON a.v = b.v;
INSERT INTO t VALUES (43, 'Value 7');
EXECUTE find('Value 7');
UPDATE t SET id = -id WHERE v IN ('Value 8', 'Value 28') RETURNING id;
-- its dump is taken, with tags or without
\set VERBOSITY terse
SET fieldcrypt.input = 'auto';
SET fieldcrypt.output = 'ciphertext';
CREATE TABLE copy (v encrypted_text('regress_mode'));
INSERT INTO copy SELECT textin(encrypted_text_out(v)) FROM t;
RESET fieldcrypt.output;
RESET fieldcrypt.input;
SELECT (fieldcrypt.value_info(v)).mode, count(*) FROM copy GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM copy WHERE v = 'Value 7';
\set VERBOSITY default
CALL fieldcrypt.set_search('t', 'v', 'lower', batch_rows => 10);
SELECT * FROM modes();
EXECUTE find('Value 7');
EXECUTE find('VALUE 7');
EXPLAIN (COSTS OFF) EXECUTE find('Value 7');
SELECT id FROM t WHERE fieldcrypt.matches(v, 'VALUE 7') ORDER BY id;
SELECT obj_description('t_v'::regclass) AS comment;
CALL fieldcrypt.set_search('copy', 'v', 'digits', exclusive => true);
SELECT (fieldcrypt.value_info(v)).mode, count(*) FROM copy GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM copy WHERE fieldcrypt.matches(v, '7');

-- none
CALL fieldcrypt.set_search('t', 'v', 'none');
SELECT * FROM modes();
EXECUTE find('Value 7');
CALL fieldcrypt.set_search('t', 'v', 'none');
RESET enable_seqscan;

-- unique indexes: one transaction, or refused
CREATE TABLE u (id int, v encrypted_text('regress_mode', 'searchable') UNIQUE);
INSERT INTO u SELECT i, 'Value ' || i FROM generate_series(1, 20) i;
CALL fieldcrypt.set_search('u', 'v', 'lower');
CALL fieldcrypt.set_search('u', 'v', 'lower', dry_run => true);
CALL fieldcrypt.set_search('u', 'v', 'none', exclusive => true);
CALL fieldcrypt.set_search('u', 'v', 'lower', batch_rows => 5, exclusive => true);
\set VERBOSITY terse
INSERT INTO u VALUES (21, 'VALUE 7');
-- digits make two of them one
INSERT INTO u VALUES (22, 'Other 7');
CALL fieldcrypt.set_search('u', 'v', 'digits', exclusive => true);
\set VERBOSITY default
SELECT (fieldcrypt.value_info(v)).mode, count(*) FROM u GROUP BY 1;
SELECT id FROM u WHERE v = 'Value 7';
DROP TABLE u;

-- partitions and children, whose columns stand elsewhere
CREATE TABLE p (id int, v encrypted_text('regress_mode')) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 (gone int, v encrypted_text('regress_mode'), id int);
ALTER TABLE p2 DROP gone;
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20);
ALTER TABLE p2 ALTER v SET STORAGE MAIN;
INSERT INTO p SELECT i, 'Value ' || i FROM generate_series(0, 19) i;
CALL fieldcrypt.set_search('p1', 'v', 'exact');
CALL fieldcrypt.set_search('p', 'v', 'exact');
SELECT tableoid::regclass, (fieldcrypt.value_info(v)).mode, count(*) FROM p GROUP BY 1, 2 ORDER BY 1;
SELECT attrelid::regclass, format_type(atttypid, atttypmod), attstorage FROM pg_attribute
 WHERE attrelid IN ('p'::regclass, 'p1'::regclass, 'p2'::regclass) AND attname = 'v' ORDER BY 1;
CREATE INDEX ON p (v);
SELECT id FROM p WHERE v = 'Value 15';
CALL fieldcrypt.set_search('p', 'v', 'lower');
SELECT id FROM p WHERE v = 'Value 15';

-- generated columns follow
CREATE TABLE g (id int, v encrypted_text('regress_mode', 'searchable'),
    bi uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(v)) STORED) PARTITION BY RANGE (id);
CREATE TABLE g1 PARTITION OF g FOR VALUES FROM (0) TO (10);
CREATE TABLE g2 (missing bool GENERATED ALWAYS AS (v IS NULL) STORED) INHERITS (copy);
CREATE INDEX ON g (bi);
INSERT INTO g SELECT i, 'Value ' || i FROM generate_series(1, 9) i;
INSERT INTO g2 (v) VALUES ('in g2'), (NULL);
SELECT pg_relation_filenode('g1') AS filenode \gset
SET client_min_messages = warning;
CALL fieldcrypt.set_search('g', 'v', 'lower');
CALL fieldcrypt.set_search('copy', 'v', 'exact');
RESET client_min_messages;
SELECT pg_relation_filenode('g1') = :filenode AS same_file;
SELECT (fieldcrypt.value_info(v)).mode, bool_and(bi = fieldcrypt.blind_index(v)) AS generated, count(*) FROM g GROUP BY 1;
INSERT INTO g VALUES (3, 'value 7');
UPDATE g SET v = 'Value 70' WHERE id = 7;
SELECT id, bi = fieldcrypt.blind_index(v) AS generated FROM g WHERE fieldcrypt.matches(v, 'VALUE 7') OR v = 'Value 70' ORDER BY id;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM g1 WHERE v = 'Value 3';
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT id FROM g1 WHERE v = 'Value 3';
\d g1
INSERT INTO g2 (v) VALUES (NULL);
SELECT missing, count(*) FROM g2 GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM copy WHERE v = 'in g2';
UPDATE g SET bi = NULL;
\set VERBOSITY terse
ALTER TABLE g DROP COLUMN v;
\set VERBOSITY default

-- what cannot follow
CREATE TABLE c (v encrypted_text('regress_mode'), same encrypted_text('regress_mode') GENERATED ALWAYS AS (v) STORED);
CALL fieldcrypt.set_search('c', 'v', 'lower');
CREATE DOMAIN dom AS encrypted_text('regress_mode');
CREATE TABLE d (v dom, list encrypted_text('regress_mode')[], n int);
CALL fieldcrypt.set_search('d', 'v', 'lower');
CALL fieldcrypt.set_search('d', 'list', 'lower');
CALL fieldcrypt.set_search('d', 'n', 'lower');
CREATE MATERIALIZED VIEW m AS SELECT v FROM t;
CALL fieldcrypt.set_search('m', 'v', 'lower');
CALL fieldcrypt.set_search('t', 'v', 'lower');
DROP MATERIALIZED VIEW m;
CREATE TABLE h (v encrypted_text('regress_mode', 'searchable')) PARTITION BY HASH (fieldcrypt.blind_index(v));
CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CALL fieldcrypt.set_search('h', 'v', 'lower');
CREATE TABLE rows (t t);
CALL fieldcrypt.set_search('t', 'v', 'lower');
DROP TABLE rows;
CREATE TYPE typed AS (v encrypted_text('regress_mode'));
CREATE TABLE of_type OF typed;
CALL fieldcrypt.set_search('of_type', 'v', 'lower');
CREATE POLICY one ON t USING (v <> 'x');
CALL fieldcrypt.set_search('t', 'v', 'lower');
DROP POLICY one ON t;

-- a value that cannot be opened has no tag to be found by
SET fieldcrypt.input = 'auto';
SET fieldcrypt.output = 'ciphertext';
CREATE TABLE bad (v encrypted_text('regress_mode'));
INSERT INTO bad SELECT 'fieldcrypt:1:' || replace(encode(set_byte(b, 70, get_byte(b, 70) # 1), 'base64'), E'\n', '')
  FROM (SELECT decode(substr(textin(encrypted_text_out(v)), 14), 'base64') AS b FROM t WHERE id = 1) s;
RESET fieldcrypt.output;
RESET fieldcrypt.input;
CALL fieldcrypt.set_search('bad', 'v', 'exact');
DROP TABLE bad;

-- arguments, and who may
CALL fieldcrypt.set_search('t', 'v', 'fuzzy');
CALL fieldcrypt.set_search('t', 'v', NULL);
CALL fieldcrypt.set_search(NULL, 'v', 'exact');
BEGIN;
CALL fieldcrypt.set_search('t', 'v', 'exact');
ROLLBACK;
SET ROLE regress_fc_other;
CALL fieldcrypt.set_search('regress_fc_mode.t', 'v', 'exact');
RESET ROLE;
CREATE TABLE owned (v encrypted_text('regress_mode'));
INSERT INTO owned VALUES ('owned');
ALTER TABLE owned OWNER TO regress_fc_other;
SET ROLE regress_fc_other;
CALL fieldcrypt.set_search('owned', 'v', 'exact');
RESET ROLE;
SELECT fieldcrypt.grant_key('regress_mode', 'regress_fc_other', 'decrypt');
SET ROLE regress_fc_other;
CALL fieldcrypt.set_search('owned', 'v', 'exact');
SELECT * FROM owned WHERE v = 'owned';
RESET ROLE;

DEALLOCATE find;
SET client_min_messages = warning;
DROP SCHEMA regress_fc_mode CASCADE;
CALL fieldcrypt.destroy_key('regress_mode');
