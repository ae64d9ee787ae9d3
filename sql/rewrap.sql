--
-- Moving values to the active version of their keys.
--
SELECT fieldcrypt.create_key('regress_rewrap');
SELECT fieldcrypt.create_key('regress_rewrap2', suite => 2);
SELECT fieldcrypt.grant_key('regress_rewrap', current_user::text, 'decrypt'),
       fieldcrypt.grant_key('regress_rewrap2', current_user::text, 'decrypt');

-- every shape of a column
CREATE DOMAIN regress_fc_domain AS encrypted_text('regress_rewrap');
CREATE TYPE regress_fc_pair AS (n int, v encrypted_text('regress_rewrap'));
CREATE TABLE regress_fc_shapes (
    id int PRIMARY KEY,
    v encrypted_text('regress_rewrap', 'searchable'),
    w encrypted_text('regress_rewrap2'),
    list encrypted_text('regress_rewrap')[],
    d regress_fc_domain,
    pair regress_fc_pair,
    v_bi uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(v)) STORED UNIQUE,
    changed int DEFAULT 0
);
CREATE INDEX regress_fc_shapes_v ON regress_fc_shapes (fieldcrypt.blind_index(v));
INSERT INTO regress_fc_shapes
    SELECT i, 'value ' || i, 'other ' || i, ARRAY['a' || i, NULL, 'b']::encrypted_text('regress_rewrap')[],
           'domain ' || i, ROW(i, ('pair ' || i)::encrypted_text('regress_rewrap'))::regress_fc_pair
      FROM generate_series(1, 100) i;
INSERT INTO regress_fc_shapes (id, v) VALUES (101, repeat('toasted ', 5000)), (102, NULL);
CREATE TABLE regress_fc_before AS SELECT id, v::text AS v, w::text AS w, v_bi FROM regress_fc_shapes;
SELECT * FROM fieldcrypt.column_key_usage('regress_fc_shapes', 'v');
SELECT * FROM fieldcrypt.key_usage('regress_rewrap') ORDER BY "column";

-- triggers do not fire, policies do not hide
CREATE FUNCTION regress_fc_touch() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.changed := OLD.changed + 1; RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON regress_fc_shapes FOR EACH ROW EXECUTE FUNCTION regress_fc_touch();
CREATE POLICY few ON regress_fc_shapes USING (id < 10);
ALTER TABLE regress_fc_shapes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CALL fieldcrypt.rotate_key('regress_rewrap');
CALL fieldcrypt.rotate_key('regress_rewrap2');
CALL fieldcrypt.rewrap_column('regress_fc_shapes', 'v', dry_run => true);
SELECT version, "values" FROM fieldcrypt.column_key_usage('regress_fc_shapes', 'v');
CALL fieldcrypt.rewrap_column('regress_fc_shapes', 'v', batch_rows => 7);
CALL fieldcrypt.rewrap_column('regress_fc_shapes', 'v');
CALL fieldcrypt.rewrap_key('regress_rewrap', batch_rows => 50, pause => '1 ms');
CALL fieldcrypt.rewrap_key('regress_rewrap2');
SELECT * FROM fieldcrypt.key_usage('regress_rewrap') ORDER BY "column";
SELECT * FROM fieldcrypt.key_usage('regress_rewrap2');
SELECT count(*) AS rows, bool_and(t.v::text IS NOT DISTINCT FROM b.v) AS v,
       bool_and(t.w::text IS NOT DISTINCT FROM b.w) AS w,
       bool_and(t.v_bi IS NOT DISTINCT FROM b.v_bi AND t.v_bi IS NOT DISTINCT FROM fieldcrypt.blind_index(t.v)) AS tags,
       max(t.changed) AS touched
  FROM regress_fc_shapes t JOIN regress_fc_before b USING (id);
SELECT id, list, d, pair FROM regress_fc_shapes WHERE id = 3;

-- the indexes find the rows
SET enable_seqscan = off;
SELECT id FROM regress_fc_shapes WHERE fieldcrypt.blind_index(v) = fieldcrypt.blind_index('value 42', 'regress_rewrap', 'exact');
SELECT id FROM regress_fc_shapes WHERE v_bi = fieldcrypt.blind_index('value 43', 'regress_rewrap', 'exact');
SELECT id FROM regress_fc_shapes WHERE id = 44;
RESET enable_seqscan;

-- rewrapping keeps the ciphertext, re-encrypting does not
SET fieldcrypt.output = 'ciphertext';
CREATE TEMP TABLE regress_fc_tails AS
    SELECT id, right(textin(encrypted_text_out(v)), 20) AS tail FROM regress_fc_shapes WHERE id <= 100;
RESET fieldcrypt.output;
CALL fieldcrypt.rotate_key('regress_rewrap');
CALL fieldcrypt.rewrap_column('regress_fc_shapes', 'v');
SET fieldcrypt.output = 'ciphertext';
SELECT count(*) FROM regress_fc_shapes JOIN regress_fc_tails USING (id) WHERE tail = right(textin(encrypted_text_out(v)), 20);
RESET fieldcrypt.output;
CALL fieldcrypt.rotate_key('regress_rewrap');
CALL fieldcrypt.reencrypt_column('regress_fc_shapes', 'v');
SET fieldcrypt.output = 'ciphertext';
SELECT count(*) FROM regress_fc_shapes JOIN regress_fc_tails USING (id) WHERE tail = right(textin(encrypted_text_out(v)), 20);
RESET fieldcrypt.output;
CALL fieldcrypt.reencrypt_key('regress_rewrap');
SELECT bool_and(t.v::text IS NOT DISTINCT FROM b.v) AS v FROM regress_fc_shapes t JOIN regress_fc_before b USING (id);

-- partitions and children
CREATE TABLE regress_fc_parts (id int, v encrypted_text('regress_rewrap')) PARTITION BY RANGE (id);
CREATE TABLE regress_fc_part1 PARTITION OF regress_fc_parts FOR VALUES FROM (0) TO (10);
CREATE TABLE regress_fc_part2 (v encrypted_text('regress_rewrap'), id int);
ALTER TABLE regress_fc_parts ATTACH PARTITION regress_fc_part2 FOR VALUES FROM (10) TO (20);
INSERT INTO regress_fc_parts SELECT i, 'part ' || i FROM generate_series(0, 19) i;
CALL fieldcrypt.rotate_key('regress_rewrap');
CALL fieldcrypt.rewrap_column('regress_fc_parts', 'v');
SELECT relation, version, "values" FROM fieldcrypt.column_key_usage('regress_fc_parts', 'v') ORDER BY 1;
SELECT count(*) FROM regress_fc_parts WHERE v::text = 'part ' || id;

-- a materialized view, a child, a domain's array; an index's code runs as the
-- table's owner
CREATE TABLE regress_fc_parent (v encrypted_text('regress_rewrap'), n int);
CREATE TABLE regress_fc_child (extra int) INHERITS (regress_fc_parent);
INSERT INTO regress_fc_parent VALUES ('parent', 1);
INSERT INTO regress_fc_child VALUES ('child', 2, 3);
CREATE MATERIALIZED VIEW regress_fc_mat AS SELECT v FROM regress_fc_parent;
CREATE FUNCTION regress_fc_who(int) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT current_user::text';
CREATE ROLE regress_fc_indexer;
GRANT CREATE ON SCHEMA public TO regress_fc_indexer;
CREATE TABLE regress_fc_coded (v encrypted_text('regress_rewrap'), n int);
INSERT INTO regress_fc_coded VALUES ('coded', 1);
CREATE INDEX ON regress_fc_coded (regress_fc_who(n), fieldcrypt.blind_index(v));
ALTER TABLE regress_fc_coded OWNER TO regress_fc_indexer;
CALL fieldcrypt.rotate_key('regress_rewrap');
CALL fieldcrypt.rewrap_column('regress_fc_parent', 'v');
CALL fieldcrypt.rewrap_column('regress_fc_mat', 'v');
CALL fieldcrypt.rewrap_column('regress_fc_coded', 'v');
SELECT tableoid::regclass, v, (fieldcrypt.value_info(v)).version FROM regress_fc_parent ORDER BY n;
SELECT v, (fieldcrypt.value_info(v)).version FROM regress_fc_mat ORDER BY v::text;
SET enable_seqscan = off;
SELECT v FROM regress_fc_coded WHERE regress_fc_who(n) = 'regress_fc_indexer';
RESET enable_seqscan;
DROP TABLE regress_fc_parent, regress_fc_coded CASCADE;
DROP FUNCTION regress_fc_who(int);
REVOKE CREATE ON SCHEMA public FROM regress_fc_indexer;
DROP ROLE regress_fc_indexer;

-- a value that was altered is counted and named by its place, never shown
CREATE TABLE regress_fc_bad (id int, v encrypted_text('regress_rewrap'));
SET fieldcrypt.input = 'auto';
INSERT INTO regress_fc_bad VALUES (1, 'good');
SET fieldcrypt.output = 'ciphertext';
SELECT textin(encrypted_text_out(v)) AS armour FROM regress_fc_bad \gset
RESET fieldcrypt.output;
SELECT 'fieldcrypt:1:' || encode(set_byte(b, 20, get_byte(b, 20) # 1), 'base64') AS altered
  FROM (SELECT decode(substr(:'armour', 14), 'base64') AS b) s \gset
INSERT INTO regress_fc_bad SELECT 2, replace(:'altered', E'\n', '');
RESET fieldcrypt.input;
CALL fieldcrypt.rotate_key('regress_rewrap');
CALL fieldcrypt.rewrap_column('regress_fc_bad', 'v');
SELECT id, fieldcrypt.try_decrypt(v), (fieldcrypt.value_info(v)).version - (SELECT max(version) FROM fieldcrypt.key_status WHERE key = 'regress_rewrap') AS behind FROM regress_fc_bad ORDER BY id;
DROP TABLE regress_fc_bad;

-- no walk runs
SELECT count(*) FROM fieldcrypt.rotation_progress;

-- arguments
CALL fieldcrypt.rewrap_column(NULL, 'v');
CALL fieldcrypt.rewrap_column('regress_fc_shapes', 'nowhere');
CALL fieldcrypt.rewrap_column('regress_fc_shapes', 'id');
CALL fieldcrypt.rewrap_column('regress_fc_shapes', 'v', batch_rows => 0);
CALL fieldcrypt.rewrap_column('regress_fc_shapes', 'v', pause => '-1 s');
CALL fieldcrypt.rewrap_key('regress_nowhere');
CALL fieldcrypt.rewrap_column('regress_fc_shapes', 'v', max_duration => '0');
BEGIN;
CALL fieldcrypt.rewrap_key('regress_rewrap');
ROLLBACK;

-- who may: the owner, without any privilege on the key; to re-encrypt, with
-- decrypt
CREATE ROLE regress_fc_owner;
CREATE TABLE regress_fc_owned (v encrypted_text('regress_rewrap'));
INSERT INTO regress_fc_owned VALUES ('owned');
ALTER TABLE regress_fc_owned OWNER TO regress_fc_owner;
CALL fieldcrypt.rotate_key('regress_rewrap');
SET ROLE regress_fc_other;
CALL fieldcrypt.rewrap_column('regress_fc_owned', 'v');
SELECT * FROM fieldcrypt.column_key_usage('regress_fc_owned', 'v');
SET ROLE regress_fc_owner;
SELECT relation, "column", "values" FROM fieldcrypt.column_key_usage('regress_fc_owned', 'v');
CALL fieldcrypt.rewrap_key('regress_rewrap');
CALL fieldcrypt.reencrypt_column('regress_fc_owned', 'v');
-- nor does its own trigger fire, or its own policy hide the row from it
CREATE FUNCTION pg_temp.regress_fc_fail() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''fired''; END';
CREATE TRIGGER fail BEFORE UPDATE ON regress_fc_owned FOR EACH ROW EXECUTE FUNCTION pg_temp.regress_fc_fail();
CREATE POLICY none ON regress_fc_owned USING (false);
ALTER TABLE regress_fc_owned ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT relation, "column", "values" FROM fieldcrypt.column_key_usage('regress_fc_owned', 'v');
CALL fieldcrypt.rewrap_column('regress_fc_owned', 'v');
RESET ROLE;
SELECT v FROM regress_fc_owned;

DROP TABLE regress_fc_shapes, regress_fc_before, regress_fc_tails, regress_fc_parts, regress_fc_owned;
DROP TYPE regress_fc_pair;
DROP DOMAIN regress_fc_domain;
DROP FUNCTION regress_fc_touch(), pg_temp.regress_fc_fail();
DROP ROLE regress_fc_owner;
