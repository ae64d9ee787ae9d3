--
-- Rotating the key of blind indexes: whatever spelling, a search finds values
-- with tags of both versions, and nothing else, at every moment.
--
\o /dev/null
SELECT fieldcrypt.create_key('regress_ix');
SELECT fieldcrypt.grant_key('regress_ix', current_user::text, 'decrypt');
\o
CREATE SCHEMA regress_fc_ix;
GRANT USAGE ON SCHEMA regress_fc_ix TO PUBLIC;
SET search_path = regress_fc_ix;
CREATE VIEW versions AS
    SELECT version, state, retired_at IS NOT NULL AS retired
      FROM fieldcrypt.key_status WHERE key = 'regress_ix' AND purpose = 'index' ORDER BY version;
-- the column in every form of an index, and what else a column may be
CREATE DOMAIN dom AS encrypted_text('regress_ix', 'searchable');
CREATE TYPE pair AS (n int, v encrypted_text('regress_ix', 'searchable'));
CREATE TABLE t (id int PRIMARY KEY, v encrypted_text('regress_ix', 'searchable'),
    low encrypted_text('regress_ix', 'searchable=lower'), note encrypted_text('regress_ix'),
    d dom, list encrypted_text('regress_ix', 'searchable')[], p pair,
    v_bi uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(v)) STORED, changed int DEFAULT 0, txt text);
CREATE INDEX t_v ON t (fieldcrypt.blind_index(v));
CREATE INDEX t_bi ON t (v_bi);
CREATE INDEX t_low ON t (fieldcrypt.blind_index(low));
CREATE TABLE other (id int, v encrypted_text('regress_ix', 'searchable'), txt text);
CREATE INDEX other_v ON other (fieldcrypt.blind_index(v));
GRANT ALL ON ALL TABLES IN SCHEMA regress_fc_ix TO PUBLIC;
INSERT INTO t (id, v, low, note, d, list, p, txt)
    SELECT i, s, upper(s), s, s, ARRAY[s, NULL]::encrypted_text('regress_ix', 'searchable')[],
           ROW(i, s::encrypted_text('regress_ix', 'searchable'))::pair, s
      FROM (SELECT i, 'value ' || i AS s FROM generate_series(1, 40) i) x;
INSERT INTO t (id, v) VALUES (41, repeat('toasted ', 5000)), (42, NULL);
INSERT INTO other SELECT i, 'value ' || i % 10, 'value ' || i % 10 FROM generate_series(1, 20) i;
-- a value that cannot be opened keeps its tag: the rotation will not end
CREATE TABLE bad (id int, v encrypted_text('regress_ix', 'searchable'));
SET fieldcrypt.output = 'ciphertext';
CREATE TABLE old AS SELECT id, textin(encrypted_text_out(v)) AS armour FROM t WHERE id <= 40;
RESET fieldcrypt.output;
SET fieldcrypt.input = 'auto';
INSERT INTO bad SELECT 1, 'fieldcrypt:1:' || replace(encode(set_byte(b, 90, get_byte(b, 90) # 1), 'base64'), E'\n', '')
  FROM (SELECT decode(substr(armour, 14), 'base64') AS b FROM old WHERE id = 1) s;
RESET fieldcrypt.input;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.changed := OLD.changed + 1; RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();

-- what every form of a search finds
CREATE FUNCTION find(text) RETURNS SETOF int LANGUAGE sql STABLE AS
    'SELECT id FROM regress_fc_ix.t WHERE v = $1';
CREATE VIEW barrier WITH (security_barrier) AS SELECT id, v FROM t WHERE id > 0;
CREATE PROCEDURE search() LANGUAGE plpgsql AS
$$ DECLARE q text; n int; wrong text := ''; s text := 'value 7'; BEGIN
    SELECT count(*) INTO n FROM regress_fc_ix.t WHERE v = s;
    IF n <> 1 THEN wrong := wrong || ' variable'; END IF;
    FOREACH q IN ARRAY ARRAY[
        $q$v = 'value 7'$q$, $q$'value 7' = v$q$, $q$v = 'value 7'::text$q$, $q$v = 'value 7'::varchar$q$,
        $q$v IN ('value 7', 'none')$q$, $q$v = ANY ('{none,value 7}'::text[])$q$,
        $q$v = (SELECT txt FROM t x WHERE x.id = 7)$q$, $q$v = (SELECT x.v FROM t x WHERE x.id = 7)$q$,
        $q$d = 'value 7'$q$, $q$low = 'VALUE 7'$q$, $q$low IN ('VALUE 7', 'value 8')$q$,
        $q$lower(low) = 'value 7'$q$, $q$upper(low) = upper('value 7')$q$, $q$low ILIKE concat('value', ' 7')$q$,
        $q$v = 'value 7' AND low = 'VALUE 7'$q$, $q$id IN (SELECT find('value 7'))$q$,
        $q$id IN (SELECT id FROM barrier b WHERE b.v = 'value 7')$q$,
        $q$id IN (SELECT x.id FROM t x JOIN other o ON x.v = o.v WHERE o.id = 7)$q$,
        $q$id IN (SELECT x.id FROM t x JOIN other o ON x.v = o.txt WHERE o.id = 7)$q$,
        $q$fieldcrypt.blind_index(v) = fieldcrypt.blind_index('value 7', 'regress_ix', 'exact')$q$,
        $q$fieldcrypt.blind_index('vALUE 7', 'regress_ix', 'lower') = fieldcrypt.blind_index(low)$q$,
        $q$v_bi = fieldcrypt.blind_index(txt, 'regress_ix', 'exact') AND id = 7$q$,
        $q$v_bi = ANY (fieldcrypt.blind_indexes('value 7', 'regress_ix', 'exact'))$q$,
        $q$v IS NOT DISTINCT FROM 'value 7'$q$]
    LOOP
        EXECUTE 'SELECT coalesce(sum(id), 0) FROM t WHERE ' || q INTO n;
        IF n <> 7 THEN wrong := wrong || E'\n' || n || ': ' || q; END IF;
    END LOOP;
    SELECT count(*) INTO n FROM t JOIN other o USING (v);
    IF n <> 18 THEN wrong := wrong || E'\njoin ' || n; END IF;
    SELECT count(*) INTO n FROM t WHERE v IN (SELECT v FROM other);
    IF n <> 9 THEN wrong := wrong || E'\nsemijoin ' || n; END IF;
    SELECT count(*) INTO n FROM t WHERE v <> 'value 7';
    IF n <> 40 THEN wrong := wrong || E'\n<> ' || n; END IF;
    SELECT count(*) INTO n FROM t WHERE v = NULL;
    IF n <> 0 THEN wrong := wrong || E'\nnull ' || n; END IF;
    RAISE NOTICE 'wrong: %', wrong;
END $$;
SET max_parallel_workers_per_gather = 0;
SET plan_cache_mode = force_generic_plan;
PREPARE one AS SELECT id FROM t WHERE v = $1;
PREPARE few (text[]) AS SELECT id FROM t WHERE v = ANY ($1) ORDER BY id;
PREPARE pairs AS SELECT count(*) FROM t JOIN other o ON t.v = o.v;
EXECUTE one('value 7');
EXECUTE few('{value 7,value 8}');
EXECUTE pairs;
CALL search();

-- before it begins
CALL fieldcrypt.rotate_index_key('regress_ix', dry_run => true);
SELECT * FROM versions;

CALL fieldcrypt.rotate_index_key('regress_ix', batch_rows => 7);
SELECT * FROM versions;
-- tags are new, in generated columns and indexes too; nothing else is
SELECT count(*), bool_and(v_bi = fieldcrypt.blind_index(v)) AS generated,
       bool_and((fieldcrypt.value_info(v)).index_version = 2) AS v,
       bool_and((fieldcrypt.value_info(low)).index_version = 2) AS low,
       bool_and((fieldcrypt.value_info(d)).index_version = 2) AS d,
       bool_and((fieldcrypt.value_info(list[1])).index_version = 2) AS list,
       bool_and((fieldcrypt.value_info((p).v)).index_version = 2) AS p,
       bool_and(v::text = txt AND low::text = upper(txt) AND d::text = txt AND list[1]::text = txt AND (p).v::text = txt) AS texts,
       max(changed) AS touched
  FROM t WHERE id <= 40;
-- half of the rows with tags as they were, as from a dump or a subscription
SET fieldcrypt.input = 'auto';
CREATE TABLE back (id int, v encrypted_text('regress_ix', 'searchable'));
INSERT INTO back SELECT id, armour FROM old WHERE id <= 20;
RESET fieldcrypt.input;
SELECT count(*), (fieldcrypt.value_info(v)).index_version FROM back GROUP BY 2;
\set VERBOSITY terse
UPDATE t SET v = (SELECT b.v FROM back b WHERE b.id = t.id) WHERE id <= 20;
UPDATE other SET v = (SELECT b.v FROM back b WHERE b.id = other.id % 10) WHERE id <= 9;
\set VERBOSITY default
SELECT count(*), (fieldcrypt.value_info(v)).index_version FROM t WHERE v IS NOT NULL GROUP BY 2 ORDER BY 2;
SELECT count(*), (fieldcrypt.value_info(v)).index_version FROM other GROUP BY 2 ORDER BY 2;
CALL search();
SET enable_seqscan = off;
SET enable_bitmapscan = off;
CALL search();
EXECUTE one('value 7');
EXECUTE one('value 27');
EXECUTE few('{value 7,value 27,NULL}');
EXECUTE pairs;
EXPLAIN (COSTS OFF) EXECUTE one('value 7');
EXPLAIN (COSTS OFF) EXECUTE few('{value 7,value 8}');
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE low = 'VALUE 7';
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE v_bi = fieldcrypt.blind_index('value 7', 'regress_ix', 'exact');
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT id, v = 'value 7' AS eq FROM t WHERE id IN (7, 8, 42) ORDER BY id;

-- a value that comes to a column is tagged as one that is written
SELECT (fieldcrypt.value_info(v::encrypted_text('regress_ix', 'searchable=lower')::encrypted_text('regress_ix', 'searchable'))).index_version
  FROM back WHERE id = 1;

-- a unique index would not see that two tags are of one text
CREATE UNIQUE INDEX t_unique ON t (fieldcrypt.blind_index(v));
CREATE UNIQUE INDEX ON t (v_bi, id);
CREATE UNIQUE INDEX ON t (fieldcrypt.blind_index(low));
DROP INDEX t_blind_index_idx;

-- who may ask: as always, and columns may not be joined without opening them
SET ROLE regress_fc_other;
SELECT id FROM t WHERE v = 'value 7';
SELECT count(*) FROM t JOIN other o ON t.v = o.v;
RESET ROLE;

-- the walk goes on, and ends when nothing is left
CALL fieldcrypt.rotate_index_key('regress_ix', dry_run => true);
DROP TABLE bad;
CALL fieldcrypt.rotate_index_key('regress_ix');
SELECT * FROM versions;
CALL search();
EXECUTE one('value 7');
EXECUTE few('{value 7,value 27}');
EXECUTE pairs;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) EXECUTE one('value 7');
RESET enable_seqscan;
SELECT count(*) FROM fieldcrypt.rotation_progress;

-- an old dump: who holds decrypt has its values tagged again, others are told
TRUNCATE back;
SET fieldcrypt.input = 'auto';
INSERT INTO back SELECT id, armour FROM old WHERE id <= 10;
SELECT fieldcrypt.revoke_key('regress_ix', current_user::text, 'decrypt');
INSERT INTO back SELECT id, armour FROM old WHERE id = 11;
SELECT fieldcrypt.grant_key('regress_ix', current_user::text, 'decrypt');
RESET fieldcrypt.input;
SELECT count(*), (fieldcrypt.value_info(v)).index_version FROM back GROUP BY 2;
SELECT id FROM back WHERE v = 'value 7';

-- unique indexes: refused, or under a lock
CREATE TABLE u (id int, v encrypted_text('regress_ix', 'searchable') UNIQUE,
    w encrypted_text('regress_ix', 'searchable'),
    w_bi uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(w)) STORED UNIQUE);
INSERT INTO u (id, v, w) SELECT i, 'value ' || i, 'value ' || i FROM generate_series(1, 30) i;
CALL fieldcrypt.rotate_index_key('regress_ix');
CALL fieldcrypt.rotate_index_key('regress_ix', dry_run => true);
SELECT * FROM versions;
CALL fieldcrypt.rotate_index_key('regress_ix', batch_rows => 10, exclusive => true);
SELECT * FROM versions;
SELECT count(*), (fieldcrypt.value_info(v)).index_version, bool_and(fieldcrypt.blind_index(w) = w_bi) FROM u GROUP BY 2;
\set VERBOSITY terse
INSERT INTO u (id, v) VALUES (100, 'value 7');
INSERT INTO u (id, w) VALUES (100, 'value 7');
\set VERBOSITY default
INSERT INTO u (id, v) VALUES (100, 'value 7') ON CONFLICT (v) DO NOTHING;
SELECT id FROM u WHERE v = 'value 7';

-- what cannot follow
CREATE TABLE u_ref (bi uuid REFERENCES u (w_bi));
CALL fieldcrypt.rotate_index_key('regress_ix', exclusive => true);
DROP TABLE u_ref;
CREATE TABLE parts (id int, v encrypted_text('regress_ix', 'searchable')) PARTITION BY HASH (fieldcrypt.blind_index(v));
CREATE TABLE part0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CALL fieldcrypt.rotate_index_key('regress_ix', exclusive => true);
DROP TABLE parts;
-- a unique column with a value that cannot be opened
SET fieldcrypt.input = 'auto';
SET fieldcrypt.output = 'ciphertext';
INSERT INTO u (id, v) SELECT 101, 'fieldcrypt:1:' || replace(encode(set_byte(set_byte(b, 90, get_byte(b, 90) # 1), 20, 0), 'base64'), E'\n', '')
  FROM (SELECT decode(substr(textin(encrypted_text_out(v)), 14), 'base64') AS b FROM u WHERE id = 1) s;
RESET fieldcrypt.output;
RESET fieldcrypt.input;
SET client_min_messages = error;
CALL fieldcrypt.rotate_index_key('regress_ix', exclusive => true);
RESET client_min_messages;
SELECT * FROM versions;
DELETE FROM u WHERE id = 101;
CALL fieldcrypt.rotate_index_key('regress_ix', exclusive => true);
SELECT * FROM versions;
CALL search();
DROP TABLE u;

-- partitions and children
CREATE TABLE ranged (id int, v encrypted_text('regress_ix', 'searchable')) PARTITION BY RANGE (id);
CREATE TABLE range1 PARTITION OF ranged FOR VALUES FROM (0) TO (10);
CREATE TABLE range2 (v encrypted_text('regress_ix', 'searchable'), id int);
ALTER TABLE ranged ATTACH PARTITION range2 FOR VALUES FROM (10) TO (20);
CREATE INDEX ON ranged (fieldcrypt.blind_index(v));
INSERT INTO ranged SELECT i, 'value ' || i FROM generate_series(0, 19) i;
CREATE TABLE child (extra int) INHERITS (other);
INSERT INTO child VALUES (21, 'value 21', 'value 21', 1);
CALL fieldcrypt.rotate_index_key('regress_ix');
SELECT tableoid::regclass, count(*), (fieldcrypt.value_info(v)).index_version FROM ranged GROUP BY 1, 3 ORDER BY 1;
SELECT id FROM ranged WHERE v = 'value 15';
SELECT id FROM other WHERE v = 'value 21';

-- arguments, and who may
CALL fieldcrypt.rotate_index_key(NULL);
CALL fieldcrypt.rotate_index_key('regress_nowhere');
CALL fieldcrypt.rotate_index_key('regress_ix', exclusive => NULL);
CALL fieldcrypt.rotate_index_key('regress_ix', batch_rows => 0);
BEGIN;
CALL fieldcrypt.rotate_index_key('regress_ix');
ROLLBACK;
SET ROLE regress_fc_other;
CALL fieldcrypt.rotate_index_key('regress_ix');
RESET ROLE;
GRANT EXECUTE ON PROCEDURE fieldcrypt.rotate_index_key TO regress_fc_other;
SET ROLE regress_fc_other;
CALL fieldcrypt.rotate_index_key('regress_ix');
RESET ROLE;
SELECT fieldcrypt.grant_key('regress_ix', 'regress_fc_other', 'decrypt');
SET ROLE regress_fc_other;
CALL fieldcrypt.rotate_index_key('regress_ix');
RESET ROLE;
-- a custodian who owns the tables needs no privilege on the key tables
SET client_min_messages = warning;
DROP TABLE ranged, other, t, back CASCADE;
RESET client_min_messages;
CREATE TABLE owned (v encrypted_text('regress_ix', 'searchable'));
INSERT INTO owned VALUES ('owned');
ALTER TABLE owned OWNER TO regress_fc_other;
SET ROLE regress_fc_other;
CALL fieldcrypt.rotate_index_key('regress_ix');
SELECT v FROM owned WHERE v = 'owned';
RESET ROLE;
SELECT * FROM versions;
SELECT fieldcrypt.lock_key('regress_ix');
CALL fieldcrypt.rotate_index_key('regress_ix');
SELECT fieldcrypt.unlock_key('regress_ix');
CALL fieldcrypt.destroy_key('regress_ix');
CALL fieldcrypt.rotate_index_key('regress_ix');
SELECT * FROM versions;

REVOKE EXECUTE ON PROCEDURE fieldcrypt.rotate_index_key FROM regress_fc_other;
SET client_min_messages = warning;
DROP SCHEMA regress_fc_ix CASCADE;
