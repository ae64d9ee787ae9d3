--
-- Sorting, grouping and joining by encrypted values: as by text, and what is
-- spilled to disk is ciphertext and keyed hashes.
--
\o /dev/null
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
SELECT fieldcrypt.grant_key('card', current_user::text, 'decrypt');
\o
CREATE SCHEMA regress_fc_sorting;
GRANT USAGE ON SCHEMA regress_fc_sorting TO PUBLIC;
SET search_path = regress_fc_sorting;
CREATE TABLE t (id int, a encrypted_text('pii'), p text);
CREATE TABLE o (id int, b encrypted_text('card'), p text);
CREATE VIEW few AS SELECT * FROM t WHERE id <= 300;
GRANT ALL ON t, o, few TO PUBLIC;
SET ROLE regress_fc_app;
SET max_parallel_workers_per_gather = 0;
INSERT INTO t SELECT i, v, v
  FROM (SELECT i, CASE WHEN i % 100 = 0 THEN NULL ELSE 'name ' || (i * 7919 % 1500) END AS v
          FROM generate_series(1, 3000) i) s;
INSERT INTO o SELECT i, v, v
  FROM (SELECT i, 'name ' || (i * 31 % 3000) AS v FROM generate_series(1, 500) i) s;
RESET ROLE;
ANALYZE t, o;
SET ROLE regress_fc_app;

-- ORDER BY, in memory and spilled, all directions
SELECT array_agg(id ORDER BY a, id) = array_agg(id ORDER BY p, id) AS asc,
       array_agg(id ORDER BY a DESC, id) = array_agg(id ORDER BY p DESC, id) AS desc,
       array_agg(id ORDER BY a NULLS FIRST, id) = array_agg(id ORDER BY p NULLS FIRST, id) AS first
  FROM t;
SET work_mem = '64kB';
SELECT array_agg(id ORDER BY a, id) = array_agg(id ORDER BY p, id) AS spilled FROM t;
SELECT (SELECT array_agg(id) FROM (SELECT id FROM t ORDER BY a, id) s) =
       (SELECT array_agg(id) FROM (SELECT id FROM t ORDER BY p, id) s) AS tuples;
SELECT id, a::text FROM t ORDER BY a, id LIMIT 3;
SELECT id, a::text FROM t ORDER BY a COLLATE "C" DESC NULLS LAST, id DESC LIMIT 3;
RESET work_mem;

-- runs that are merged twice: duplicates, the same bytes again and again, NULLs,
-- short texts and long ones (some of them in TOAST), in both suites
RESET ROLE;
\o /dev/null
SELECT fieldcrypt.create_key('regress_sorting', suite => 2);
SELECT fieldcrypt.grant_key('regress_sorting', 'regress_fc_app', 'decrypt');
SELECT fieldcrypt.grant_key('regress_sorting', current_user::text, 'decrypt');
\o
CREATE TABLE runs (id int, g int, p text, a encrypted_text('pii'), b encrypted_text('regress_sorting'));
GRANT ALL ON runs TO regress_fc_app;
-- the texts in the order of a query over one of the columns
CREATE FUNCTION in_order(query text, col text) RETURNS text[] LANGUAGE plpgsql AS
$$ DECLARE texts text[]; BEGIN
    EXECUTE 'SELECT array_agg(v::text) FROM (' || replace(query, '$', col) || ') s' INTO texts;
    RETURN texts;
END $$;
CREATE FUNCTION as_text(query text) RETURNS TABLE (rows int, suite_1 bool, suite_2 bool) LANGUAGE sql AS
$$ SELECT cardinality(p), in_order(query, 'a') = p, in_order(query, 'b') = p FROM in_order(query, 'p') p $$;
SET ROLE regress_fc_app;
INSERT INTO runs SELECT i, i / 2400, v, v, v
  FROM (SELECT i, CASE WHEN i % 50 = 0 THEN NULL
                       WHEN i % 211 = 0 THEN repeat(md5((i % 20)::text), 10 + i % 700)
                       WHEN i % 7 = 0 THEN (i % 3)::text
                       ELSE md5(i::text) END AS v
          FROM generate_series(1, 3600) i) s;
INSERT INTO runs SELECT x.id * 10000 + i, 2, x.p, x.a, x.b FROM runs x, generate_series(1, 40) i WHERE x.id <= 7;
RESET ROLE;
ANALYZE runs;
SET ROLE regress_fc_app;
SET work_mem = '64kB';
SELECT * FROM as_text('SELECT $ AS v FROM runs ORDER BY $ OFFSET 0');
SELECT * FROM as_text('SELECT $ AS v FROM runs ORDER BY $ COLLATE "C" DESC NULLS LAST OFFSET 0');
SELECT * FROM as_text('SELECT $ AS v, id FROM runs ORDER BY $, id OFFSET 0');
SELECT * FROM as_text('SELECT $ AS v, id FROM runs ORDER BY id % 3, $ OFFSET 0');
SELECT * FROM as_text('SELECT $ AS v FROM runs ORDER BY $ LIMIT 50');
SELECT * FROM as_text('SELECT $ AS v FROM runs ORDER BY $ DESC LIMIT 700');
SELECT * FROM as_text('SELECT unnest(array_agg($ ORDER BY $)) AS v FROM runs');
SELECT * FROM as_text('SELECT unnest(array_agg(DISTINCT $)) AS v FROM runs');
SELECT * FROM as_text('SELECT max($) OVER (ORDER BY $ ROWS 1 PRECEDING) AS v FROM runs ORDER BY $');
-- a part of the rows at a time: the first is merged, the others need not be
CREATE TEMP TABLE parts AS SELECT * FROM runs WHERE g = 0 OR id % 40 < 10 ORDER BY g;
CREATE INDEX ON parts (g);
ANALYZE parts;
SET enable_sort = off;
SELECT * FROM as_text('SELECT $ AS v FROM parts ORDER BY g, $ OFFSET 0');
SELECT * FROM as_text('SELECT $ AS v FROM parts ORDER BY g, $ LIMIT 2800');
RESET enable_sort;
DROP TABLE parts;
-- a key that is taken away while runs are merged: no value is shown any more
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT a FROM runs ORDER BY a;
MOVE 2000 FROM c;
RESET ROLE;
SELECT fieldcrypt.revoke_key('pii', 'regress_fc_app', 'decrypt') IS NULL AS revoked \gset
SET ROLE regress_fc_app;
MOVE 100 FROM c;
SET LOCAL fieldcrypt.on_denied = error;
FETCH 1 FROM c;
ROLLBACK;
SELECT * FROM as_text('SELECT $ AS v FROM runs ORDER BY $ OFFSET 0');
RESET work_mem;

-- GROUP BY, DISTINCT, UNION, window functions; by hash and by sort
SELECT count(*), sum(n) FROM (SELECT a, count(*) AS n FROM t GROUP BY a) s;
SELECT count(DISTINCT a) FROM t;
SET enable_hashagg = off;
SELECT count(*), sum(n) FROM (SELECT a, count(*) AS n FROM t GROUP BY a) s;
RESET enable_hashagg;
SET work_mem = '64kB';
SELECT count(*), sum(n) FROM (SELECT a, count(*) AS n FROM t GROUP BY a) s;
RESET work_mem;
SELECT count(*) FROM (SELECT DISTINCT a FROM t) s;
SELECT count(*) FROM (SELECT a FROM t UNION SELECT b FROM o) s;
SELECT count(*) FROM (SELECT a FROM t INTERSECT SELECT b FROM o) s;
SELECT count(*) FROM (SELECT a FROM t EXCEPT SELECT b FROM o) s;
SELECT max(r), max(n) FROM (SELECT rank() OVER (ORDER BY a) AS r, count(*) OVER (PARTITION BY a) AS n FROM t) s;

-- joins: no nested loop
RESET ROLE;
CREATE FUNCTION joins(query text) RETURNS TABLE (method text, rows bigint) LANGUAGE plpgsql AS
$$ BEGIN
    FOREACH method IN ARRAY ARRAY['hashjoin', 'mergejoin', 'nestloop'] LOOP
        PERFORM set_config('enable_hashjoin', (method = 'hashjoin')::text, true),
                set_config('enable_mergejoin', (method = 'mergejoin')::text, true),
                set_config('enable_nestloop', (method = 'nestloop')::text, true);
        EXECUTE query INTO rows;
        RETURN NEXT;
    END LOOP;
END $$;
SET ROLE regress_fc_app;
EXPLAIN (COSTS OFF) SELECT count(*) FROM t JOIN o ON t.a = o.b;
EXPLAIN (COSTS OFF) SELECT count(*) FROM t JOIN o ON t.a = o.p;
EXPLAIN (COSTS OFF) SELECT count(*) FROM t JOIN o ON t.p = o.b;
BEGIN;
SET LOCAL enable_hashjoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM t JOIN o ON t.a = o.p;
ROLLBACK;
BEGIN;
SELECT * FROM joins('SELECT count(*) FROM few t JOIN o ON t.p = o.p');
SELECT * FROM joins('SELECT count(*) FROM few t JOIN o ON t.a = o.b');
SELECT * FROM joins('SELECT count(*) FROM few t JOIN o ON t.a = o.p');
SELECT * FROM joins('SELECT count(*) FROM few t JOIN o ON t.p = o.b');
SELECT * FROM joins('SELECT count(*) FROM few t LEFT JOIN o ON t.a = o.p');
SELECT * FROM joins('SELECT count(*) FROM few t WHERE EXISTS (SELECT FROM o WHERE o.p = t.a)');
ROLLBACK;
-- subqueries, hashed
SELECT count(*) FROM t WHERE a IN (SELECT p FROM o);
SELECT count(*) FROM t WHERE p IN (SELECT b FROM o);
SELECT count(*) FROM t WHERE a NOT IN (SELECT p FROM o);
SELECT count(*) FROM t WHERE p NOT IN (SELECT b FROM o);
SELECT count(*) FROM t WHERE p NOT IN (SELECT p FROM o);
-- spilled join
SET work_mem = '64kB';
SET enable_mergejoin = off;
SELECT count(*) FROM t x JOIN t y ON x.a = y.a;
SELECT count(*) FROM t x JOIN t y ON x.a = y.p;
RESET enable_mergejoin;
RESET work_mem;
SELECT count(*) FROM t x JOIN t y ON x.p = y.p;

-- what is spilled: no plaintext, and no hash that could be computed without
-- the server's key; each search finds both where the column is a text.
-- PostgreSQL writes whole blocks, the end of which may be what was in a
-- session's memory: so the encrypted column has sessions that saw no other text.
RESET ROLE;
CREATE FUNCTION spilled(plan text, query text) RETURNS TABLE (files bool, plaintext bool, hashes bool) LANGUAGE plpgsql AS
$$ DECLARE c refcursor; content bytea; BEGIN
    PERFORM set_config('work_mem', '64kB', true), set_config('cursor_tuple_fraction', '1', true),
            set_config('enable_mergejoin', 'off', true), set_config('enable_nestloop', 'off', true),
            set_config('enable_hashagg', (plan <> 'sort')::text, true),
            set_config('enable_sort', (plan = 'sort')::text, true);
    OPEN c FOR EXECUTE query;
    MOVE NEXT FROM c;
    SELECT count(*) > 0, string_agg(pg_read_binary_file('base/pgsql_tmp/' || f), '')
      INTO files, content FROM pg_ls_dir('base/pgsql_tmp', true, false) f;
    CLOSE c;
    plaintext := position(('na' || 'me ')::bytea IN content) > 0;
    -- many of them: one or two may be there by chance
    SELECT count(*) FILTER (WHERE position(h IN content) > 0 OR
        position(substr(h, 4, 1) || substr(h, 3, 1) || substr(h, 2, 1) || substr(h, 1, 1) IN content) > 0) > 50
      INTO hashes FROM (SELECT int4send(hashtext(p)) AS h FROM t WHERE p IS NOT NULL AND id < 300) s;
    RETURN NEXT;
END $$;
SELECT * FROM spilled('sort', 'SELECT p FROM t ORDER BY p');
SELECT * FROM spilled('hash', 'SELECT count(*) FROM t GROUP BY p');
SELECT * FROM spilled('hash', 'SELECT x.p FROM t x JOIN t y ON x.p = y.p');
\c -
SET search_path = regress_fc_sorting;
SELECT * FROM spilled('sort', 'SELECT a FROM t ORDER BY a');
\c -
SET search_path = regress_fc_sorting;
SELECT * FROM spilled('hash', 'SELECT count(*) FROM t GROUP BY a');
\c -
SET search_path = regress_fc_sorting;
SELECT * FROM spilled('hash', 'SELECT x.a FROM t x JOIN t y ON x.a = y.a');
\c -
SET search_path = regress_fc_sorting;
SELECT * FROM spilled('hash', 'SELECT x.a FROM t x JOIN (SELECT DISTINCT a FROM t) y USING (a)');
SET max_parallel_workers_per_gather = 0;
SET ROLE regress_fc_app;

-- aggregates
SELECT min(a)::text, max(a)::text, min(p), max(p) FROM t;
SELECT pg_typeof(min(a)), pg_typeof(string_agg(a, ',')) FROM t;
SELECT string_agg(a, ', ' ORDER BY a) FROM t WHERE id <= 5;
SELECT string_agg(a, NULL ORDER BY id) FROM t WHERE id <= 2;
SELECT string_agg(DISTINCT a, ',') FROM t WHERE id <= 3;
SELECT min(a) IS NULL, string_agg(a, ',') IS NULL FROM t WHERE id = 100;
SELECT count(*) FROM (SELECT p, max(a) AS m FROM t GROUP BY p) s WHERE m <> p;
RESET ROLE;

-- every plan that spills, with a key nobody else has
SET ROLE regress_fc_other;
SELECT a FROM t ORDER BY a LIMIT 1;
SELECT count(*) FROM (SELECT a FROM t GROUP BY a) s;
SELECT count(*) FROM t JOIN o ON t.a = o.p;
SELECT max(a) FROM t;
SELECT string_agg(a, ',') FROM t;
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA regress_fc_sorting CASCADE;
