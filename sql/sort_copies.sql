--
-- Sorts that do not fit into memory compare copies of the values: which sorts
-- do, that everything else of a plan stays as it was, and what copies are good
-- for apart from that (nothing).
--
\o /dev/null
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
\o
CREATE SCHEMA regress_fc_copies;
GRANT ALL ON SCHEMA regress_fc_copies TO PUBLIC;
SET search_path = regress_fc_copies;
SET ROLE regress_fc_app;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE t (id int, g int, p text, e encrypted_text('pii'));
CREATE TABLE few AS SELECT 1 AS id, NULL::encrypted_text('pii') AS e;
INSERT INTO t SELECT i, i % 3, v, v
  FROM (SELECT i, CASE WHEN i % 60 = 0 THEN NULL
                       WHEN i % 61 = 0 THEN ''
                       WHEN i % 307 = 0 THEN repeat('long ' || i % 5, 700)
                       ELSE 'name ' || (i * 7919 % 2500) END AS v
          FROM generate_series(1, 4000) i) s;
CREATE INDEX ON t (id);
ANALYZE t, few;

-- which sorts
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY e;
SET work_mem = '64kB';
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY e;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY e COLLATE "C" DESC NULLS LAST, id;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY g, e;
EXPLAIN (COSTS OFF) SELECT id FROM few ORDER BY e;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY p;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY e LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY e LIMIT 10 OFFSET 2000;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY e LIMIT NULL;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY e FETCH FIRST 10 ROWS WITH TIES;
EXPLAIN (COSTS OFF) WITH c AS MATERIALIZED (SELECT id, e FROM t ORDER BY e) SELECT count(*) FROM c;

-- the order of t by e is that of t by p: pairs of places where they differ
CREATE FUNCTION differ(by_value text, by_text text) RETURNS TABLE (n bigint, differ bigint) LANGUAGE plpgsql AS
$$ BEGIN
    RETURN QUERY EXECUTE format('SELECT count(*), count(*) FILTER (WHERE (a.v::text) IS DISTINCT FROM b.v)
        FROM (SELECT row_number() OVER () AS i, v FROM (%s) s) a
        FULL JOIN (SELECT row_number() OVER () AS i, v FROM (%s) s) b USING (i)', by_value, by_text);
END $$;
SELECT * FROM differ('SELECT e AS v FROM t ORDER BY e OFFSET 0', 'SELECT p AS v FROM t ORDER BY p OFFSET 0');
SELECT * FROM differ('SELECT e AS v FROM t ORDER BY e DESC OFFSET 0', 'SELECT p AS v FROM t ORDER BY p DESC OFFSET 0');
SELECT * FROM differ('SELECT e AS v FROM t ORDER BY e NULLS FIRST OFFSET 3000', 'SELECT p AS v FROM t ORDER BY p NULLS FIRST OFFSET 3000');
SELECT * FROM differ('SELECT id::text AS v FROM t ORDER BY e, id DESC OFFSET 0', 'SELECT id::text AS v FROM t ORDER BY p, id DESC OFFSET 0');
SELECT * FROM differ('SELECT e AS v FROM (SELECT DISTINCT e FROM t) s ORDER BY e OFFSET 0',
                     'SELECT p AS v FROM (SELECT DISTINCT p FROM t) s ORDER BY p OFFSET 0');
SELECT * FROM differ('SELECT e AS v FROM (SELECT e FROM t UNION ALL SELECT e FROM t WHERE g = 1) s ORDER BY e OFFSET 0',
                     'SELECT p AS v FROM (SELECT p FROM t UNION ALL SELECT p FROM t WHERE g = 1) s ORDER BY p OFFSET 0');
SELECT * FROM differ('SELECT max(e) OVER (PARTITION BY e) AS v FROM t ORDER BY e OFFSET 0',
                     'SELECT max(p) OVER (PARTITION BY p) AS v FROM t ORDER BY p OFFSET 0');
SET enable_hashagg = off;
SELECT * FROM differ('SELECT count(*)::text AS v FROM t GROUP BY e ORDER BY e OFFSET 0',
                     'SELECT count(*)::text AS v FROM t GROUP BY p ORDER BY p OFFSET 0');
RESET enable_hashagg;

-- a merge join goes back to rows of its inner side
SET enable_hashjoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM t a JOIN t b ON a.e = b.e;
SELECT (SELECT count(*) FROM t a JOIN t b ON a.e = b.e) = (SELECT count(*) FROM t a JOIN t b ON a.p = b.p) AS joined;
RESET enable_hashjoin;
RESET enable_nestloop;

-- cursors, both ways
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, e::text FROM t ORDER BY e DESC NULLS LAST, id;
MOVE FORWARD 2000 FROM c;
FETCH 2 FROM c;
FETCH BACKWARD 2 FROM c;
MOVE LAST FROM c;
FETCH PRIOR FROM c;
FETCH ABSOLUTE 1 FROM c;
CLOSE c;
DECLARE c CURSOR WITH HOLD FOR SELECT id, left(e, 10) FROM t ORDER BY e COLLATE "C", id;
COMMIT;
FETCH ABSOLUTE 70 FROM c;
CLOSE c;

-- what is stored from such a query are the values
CREATE TABLE kept AS SELECT id, e FROM t ORDER BY e;
INSERT INTO kept (id, e) SELECT id, e FROM t ORDER BY e DESC;
SELECT count(*), count(*) FILTER (WHERE k.e::text IS DISTINCT FROM t.p) AS differ FROM kept k JOIN t USING (id);
UPDATE t SET g = g + 0 FROM (SELECT id, e FROM t ORDER BY e OFFSET 0) s WHERE s.id = t.id AND t.id <= 100;
SELECT count(*) FROM (SELECT id FROM t ORDER BY e, id FOR UPDATE) s;
SELECT * FROM differ('SELECT e AS v FROM t ORDER BY e OFFSET 0', 'SELECT p AS v FROM t ORDER BY p OFFSET 0');

-- plans that are kept; queries within queries
PREPARE q(int, int) AS SELECT id FROM t WHERE id > $1 ORDER BY e COLLATE "C" DESC NULLS LAST, id LIMIT $2;
SET plan_cache_mode = force_generic_plan;
EXECUTE q(0, 3);
EXECUTE q(2000, 3);
RESET plan_cache_mode;
SELECT count(*) FROM few f, LATERAL (SELECT id FROM t WHERE t.id > f.id ORDER BY e OFFSET 0) s;
SELECT id, (SELECT count(*) FROM (SELECT e FROM t WHERE t.id > x.id ORDER BY e OFFSET 0) s) FROM t x WHERE id IN (1, 5, 3999) ORDER BY id;

-- parallel workers sort on their own
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT e FROM t ORDER BY e;
SELECT * FROM differ('SELECT e AS v FROM t ORDER BY e OFFSET 0', 'SELECT p AS v FROM t ORDER BY p OFFSET 0');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
SET max_parallel_workers_per_gather = 0;

-- without the privilege: as any sort
RESET ROLE;
GRANT SELECT ON t TO regress_fc_other;
SET ROLE regress_fc_other;
SELECT count(*) FROM (SELECT e FROM t ORDER BY e OFFSET 0) s;
SELECT count(*) FROM (SELECT e FROM t WHERE length(p) > 1000 ORDER BY e OFFSET 0) s;
SET ROLE regress_fc_app;

-- copies by themselves
SELECT fieldcrypt.sort_copy(e) FROM t WHERE id = 1;
SELECT 'x'::fieldcrypt.sort_copy;
CREATE TABLE copies (c fieldcrypt.sort_copy);
SELECT bool_and(NOT fieldcrypt.sort_copy(e) OPERATOR(fieldcrypt.<) fieldcrypt.sort_copy(e)),
       bool_and(fieldcrypt.sort_copy(e) OPERATOR(fieldcrypt.<) fieldcrypt.sort_copy('x'::encrypted_text)),
       bool_or(fieldcrypt.sort_copy(e) OPERATOR(fieldcrypt.>) fieldcrypt.sort_copy('x'::encrypted_text))
  FROM t;
RESET ROLE;
CREATE TABLE copies AS SELECT fieldcrypt.sort_copy('x'::encrypted_text) AS c;
SELECT count(*) FROM copies WHERE c OPERATOR(fieldcrypt.<) c;
SET client_min_messages = warning;
DROP SCHEMA regress_fc_copies CASCADE;
