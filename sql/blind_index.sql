--
-- Searchable columns: equality uses the blind index, whatever spelling, and
-- never changes the answer.
--
\o /dev/null
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
SELECT fieldcrypt.grant_key('card', current_user::text, 'decrypt');
\o
CREATE SCHEMA regress_fc_blind;
GRANT USAGE ON SCHEMA regress_fc_blind TO PUBLIC;
SET search_path = regress_fc_blind;
CREATE DOMAIN ssn_domain AS encrypted_text('pii', 'searchable');
CREATE TABLE person (id int, ssn encrypted_text('pii', 'searchable'), note encrypted_text('pii'),
    email encrypted_text('pii', 'searchable=lower'), dom ssn_domain, p text);
CREATE TABLE visit (id int, ssn encrypted_text('pii', 'searchable'), pan encrypted_text('card', 'searchable'), p text);
CREATE UNIQUE INDEX person_ssn ON person (fieldcrypt.blind_index(ssn));
CREATE INDEX person_email ON person (fieldcrypt.blind_index(email));
CREATE INDEX person_dom ON person (fieldcrypt.blind_index(dom));
CREATE INDEX visit_ssn ON visit (fieldcrypt.blind_index(ssn));
GRANT ALL ON person, visit TO PUBLIC;
INSERT INTO person SELECT i, v, v, 'User' || i || '@Example.org', v, v
  FROM (SELECT i, 'ssn ' || i AS v FROM generate_series(1, 500) i) s;
INSERT INTO person VALUES (501, NULL, NULL, NULL, NULL, NULL);
INSERT INTO visit SELECT i, 'ssn ' || (i % 100), 'ssn ' || i, 'ssn ' || (i % 100) FROM generate_series(1, 300) i;
ANALYZE person, visit;

-- The indexes that a plan uses, and the tables that it reads as a whole.
CREATE FUNCTION scans(query text) RETURNS text LANGUAGE plpgsql AS
$$ DECLARE plan jsonb; result text; BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    SELECT string_agg(DISTINCT coalesce(n->>'Index Name', 'whole of ' || (n->>'Relation Name')), ', ') INTO result
      FROM jsonb_path_query(plan, '$.** ? (@."Node Type" == "Seq Scan" || @."Node Type" == "Index Scan" || @."Node Type" == "Bitmap Index Scan")') n;
    RETURN result;
END $$;
-- The number in a plan is the column's type modifier: it comes from the key's
-- name and is the same everywhere.
SET enable_seqscan = off;
SET max_parallel_workers_per_gather = 0;

-- literals, parameters, casts, either side
EXPLAIN (COSTS OFF) SELECT id FROM person WHERE ssn = 'ssn 7';
SELECT scans($$SELECT id FROM person WHERE 'ssn 7' = ssn$$);
EXPLAIN (COSTS OFF) SELECT id FROM person WHERE ssn = 'ssn 7'::text;
SELECT scans($$SELECT id FROM person WHERE 'ssn 7'::text = ssn$$);
SELECT scans($$SELECT id FROM person WHERE ssn = 'ssn 7'::varchar(20)$$);
SELECT scans($$SELECT id FROM person WHERE ssn = 'ssn 7'::char(20)::text$$);
SELECT scans($$SELECT id FROM person WHERE ssn = 'ssn 7'::encrypted_text('card')$$);
SELECT scans($$SELECT id FROM person WHERE ssn = 'ssn 7'::text::encrypted_text('pii')$$);
SELECT scans($$SELECT id FROM person WHERE ssn = 'ssn 7'::varchar::encrypted_text('pii')$$);
SELECT scans($$SELECT id FROM person WHERE ssn = 'ssn 7'::char(9)::encrypted_text('pii')$$);
SELECT scans($$SELECT id FROM person WHERE dom = 'ssn 7'$$);
SELECT scans($$SELECT id FROM person WHERE ssn = 'ssn 7' COLLATE "C"$$);
SELECT scans($$SELECT id FROM person WHERE ssn COLLATE "C" = 'ssn 7'$$);
SELECT scans($$SELECT id FROM person WHERE ssn = (SELECT p FROM visit WHERE id = 7)$$);
SELECT scans($$SELECT id FROM person WHERE ssn = concat('ssn ', 7)$$);
SELECT scans($$SELECT id FROM person WHERE ssn = 'ssn 7' OR ssn = 'ssn 8'$$);
SELECT scans($$SELECT id FROM person WHERE (ssn, id) = ('ssn 7', 7)$$);
SELECT id FROM person WHERE ssn = 'ssn 7';
SELECT id FROM person WHERE 'ssn 7' = ssn;
SELECT id FROM person WHERE ssn = 'ssn 7'::text;
SELECT id FROM person WHERE ssn = 'ssn 7'::varchar(5);
SELECT id FROM person WHERE ssn = 'ssn 7'::encrypted_text('card');
SELECT id FROM person WHERE ssn = 'ssn 7'::text::encrypted_text('pii');
SELECT id FROM person WHERE ssn = 'ssn 7'::char(9)::encrypted_text('pii');
SELECT id FROM person WHERE dom = 'ssn 7';
SELECT id FROM person WHERE ssn = (SELECT p FROM visit WHERE id = 7);
SELECT id FROM person WHERE ssn = 'SSN 7';
SELECT id FROM person WHERE ssn = NULL;
SELECT count(*) FROM person WHERE ssn <> 'ssn 7';
SELECT count(*) FROM person WHERE NOT ssn = 'ssn 7';
SELECT count(*) FROM person WHERE ssn IS NULL;
SELECT count(*) FROM person WHERE ssn IS DISTINCT FROM 'ssn 7';
SELECT id, ssn = 'ssn 7' AS eq FROM person WHERE id IN (7, 8, 501) ORDER BY id;

-- IN and ANY
SELECT scans($$SELECT id FROM person WHERE ssn IN ('ssn 7', 'ssn 8')$$);
SELECT scans($$SELECT id FROM person WHERE ssn = ANY ('{ssn 7,ssn 8}'::text[])$$);
SELECT scans($$SELECT id FROM person WHERE ssn = ANY ('{ssn 7,ssn 8}'::varchar[])$$);
SELECT scans($$SELECT id FROM person WHERE ssn IN (VALUES ('ssn 7'), ('ssn 8'))$$);
SELECT id FROM person WHERE ssn IN ('ssn 7', 'ssn 8') ORDER BY id;
SELECT id FROM person WHERE ssn = ANY ('{ssn 7,NULL,ssn 8}'::text[]) ORDER BY id;
SELECT id FROM person WHERE ssn = ANY ('{ssn 7,ssn 8}'::varchar[]) ORDER BY id;
SELECT id FROM person WHERE ssn = ANY ('{ssn 7}'::text[]::encrypted_text('pii')[]) ORDER BY id;
SELECT id FROM person WHERE ssn = ANY ('{}'::text[]);
SELECT id FROM person WHERE ssn IN (VALUES ('ssn 7'), ('ssn 8')) ORDER BY id;
SELECT id, ssn IN ('ssn 7', NULL) AS found FROM person WHERE id IN (7, 8, 501) ORDER BY id;
SELECT count(*) FROM person WHERE ssn NOT IN ('ssn 7', 'ssn 8');
SELECT count(*) FROM person WHERE ssn IN (SELECT ssn FROM visit);
SELECT count(*) FROM person WHERE ssn NOT IN (SELECT ssn FROM visit);

-- prepared statements, generic plans
SET plan_cache_mode = force_generic_plan;
PREPARE by_unknown AS SELECT id FROM person WHERE ssn = $1;
PREPARE by_varchar (varchar) AS SELECT id FROM person WHERE ssn = $1;
PREPARE by_array (text[]) AS SELECT id FROM person WHERE ssn = ANY ($1) ORDER BY id;
SELECT scans($$EXECUTE by_unknown('ssn 7')$$);
SELECT scans($$EXECUTE by_varchar('ssn 7')$$);
SELECT scans($$EXECUTE by_array('{ssn 7,ssn 8}')$$);
EXECUTE by_unknown('ssn 7');
EXECUTE by_varchar('ssn 8');
EXECUTE by_array('{ssn 7,ssn 8}');
RESET plan_cache_mode;

-- views, functions, subqueries, UNION ALL, DML
CREATE VIEW v AS SELECT id, ssn, email FROM person WHERE id > 0;
CREATE VIEW sb WITH (security_barrier) AS SELECT id, ssn FROM person WHERE id > 0;
CREATE FUNCTION find(text) RETURNS SETOF int LANGUAGE sql STABLE AS
    'SELECT id FROM regress_fc_blind.person WHERE ssn = $1';
CREATE FUNCTION find_any(text[]) RETURNS SETOF int LANGUAGE sql STABLE AS
    'SELECT id FROM regress_fc_blind.person WHERE ssn = ANY ($1)';
CREATE FUNCTION is_ssn(person, text) RETURNS bool LANGUAGE sql STABLE AS
    'SELECT $1.ssn IN ($2, ''none'')';
SELECT scans($$SELECT id FROM v WHERE ssn = 'ssn 7'$$);
SELECT scans($$SELECT id FROM sb WHERE ssn = 'ssn 7'$$);
SELECT scans($$SELECT id FROM sb WHERE ssn IN ('ssn 7', 'ssn 8')$$);
SELECT scans($$SELECT * FROM find('ssn 7')$$);
SELECT scans($$SELECT * FROM find_any('{ssn 7}')$$);
SELECT scans($$SELECT id FROM person WHERE is_ssn(person, 'ssn 7')$$);
SELECT scans($$SELECT id FROM (SELECT id, ssn FROM person UNION ALL SELECT id, ssn FROM visit) u WHERE ssn IN ('ssn 7', 'ssn 8')$$);
SELECT scans($$WITH c AS (SELECT id FROM person WHERE ssn IN ('ssn 7', 'ssn 8')) SELECT * FROM c$$);
SELECT scans($$UPDATE person SET note = 'x' WHERE ssn = 'ssn 7'$$);
SELECT scans($$DELETE FROM person WHERE ssn IN ('ssn 7', 'ssn 8')$$);
SELECT scans($$MERGE INTO person USING (VALUES ('ssn 7'::text)) AS s(v) ON ssn = v
    WHEN MATCHED THEN UPDATE SET note = 'm'$$);
SELECT * FROM find('ssn 7');
SELECT * FROM find_any('{ssn 7}');
DO $$ DECLARE n int; s text := 'ssn 9'; BEGIN SELECT id INTO n FROM person WHERE ssn = s; RAISE NOTICE 'found %', n; END $$;

-- joins; here the whole tables are for the planner to choose
RESET enable_seqscan;
SELECT scans($$SELECT count(*) FROM person p JOIN visit v ON p.ssn = v.ssn$$);
SELECT scans($$SELECT p.id FROM person p JOIN visit v ON p.ssn = v.ssn WHERE v.id = 7$$);
SELECT scans($$SELECT p.id FROM person p JOIN visit v ON p.ssn = v.pan WHERE v.id = 7$$);
SELECT scans($$SELECT p.id FROM person p JOIN visit v ON p.ssn = v.p WHERE v.id = 7$$);
SELECT count(*) FROM person p JOIN visit v ON p.ssn = v.ssn;
SELECT count(*) FROM person p JOIN visit v ON p.ssn = v.pan;
SELECT count(*) FROM person p JOIN visit v ON p.ssn = v.p;
SELECT count(*) FROM person p LEFT JOIN visit v ON p.ssn = v.ssn;
SELECT count(*) FROM person p FULL JOIN visit v USING (ssn);
SELECT count(*) FROM person p WHERE EXISTS (SELECT FROM visit v WHERE v.ssn = p.ssn);

-- the mode lower finds more than =, so = compares the texts too
EXPLAIN (COSTS OFF) SELECT id FROM person WHERE email = 'User7@Example.org';
SELECT scans($$SELECT id FROM person WHERE email IN ('User7@Example.org', 'user8@example.org')$$);
SELECT scans($$SELECT x.id FROM person x JOIN person y ON x.email = y.email WHERE y.id = 7$$);
SELECT id FROM person WHERE email = 'User7@Example.org';
SELECT id FROM person WHERE email = 'user7@example.org';
SELECT id FROM person WHERE email IN ('User7@Example.org', 'user8@example.org');
SELECT x.id FROM person x JOIN person y ON x.email = y.email WHERE y.id = 7;

-- columns that are not searchable compare texts
EXPLAIN (COSTS OFF) SELECT id FROM person WHERE note = 'ssn 7';

-- ON CONFLICT (column)
INSERT INTO person (id, ssn) VALUES (1000, 'ssn 7') ON CONFLICT (ssn) DO NOTHING;
INSERT INTO person (id, ssn, note) VALUES (1000, 'ssn 7', 'again')
    ON CONFLICT (ssn) DO UPDATE SET note = excluded.note RETURNING id, note::text;
EXPLAIN (COSTS OFF) INSERT INTO person (id, ssn) VALUES (1000, 'ssn 7') ON CONFLICT (ssn) DO NOTHING;
WITH i AS (INSERT INTO person (id, ssn) VALUES (1000, 'ssn 9') ON CONFLICT (ssn) DO NOTHING RETURNING id) SELECT count(*) FROM i;
\set VERBOSITY terse
INSERT INTO person (id, ssn) VALUES (1000, 'ssn 7');
\set VERBOSITY default
INSERT INTO visit (id, ssn) VALUES (1000, 'ssn 7') ON CONFLICT (ssn) DO NOTHING;
INSERT INTO person (id, note) VALUES (1000, 'n') ON CONFLICT (note) DO NOTHING;
UPDATE person SET ssn = 'ssn 600' WHERE ssn = 'ssn 500';
SELECT id FROM person WHERE ssn IN ('ssn 500', 'ssn 600');
DELETE FROM person WHERE ssn = 'ssn 600';

-- the generated column
CREATE TABLE gen (id int, ssn encrypted_text('pii', 'searchable'),
    tag uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(ssn)) STORED UNIQUE);
INSERT INTO gen SELECT i, 'ssn ' || i FROM generate_series(1, 100) i;
INSERT INTO gen VALUES (0, 'ssn 7') ON CONFLICT (tag) DO NOTHING;

-- partitions
SET enable_seqscan = off;
CREATE TABLE part (id int, ssn encrypted_text('pii', 'searchable')) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (100);
CREATE TABLE part2 PARTITION OF part FOR VALUES FROM (100) TO (200);
CREATE INDEX ON part (fieldcrypt.blind_index(ssn));
INSERT INTO part SELECT i, 'ssn ' || i FROM generate_series(1, 199) i;
SELECT scans($$SELECT id FROM part WHERE ssn = 'ssn 150'$$);
SELECT scans($$SELECT id FROM part WHERE ssn IN ('ssn 150', 'ssn 1')$$);
SELECT id FROM part WHERE ssn = 'ssn 150';

-- row-level security
ALTER TABLE person ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON person USING (id < 400);
CREATE POLICY q ON person AS RESTRICTIVE USING (ssn = 'ssn 7' OR id > 0);
SET ROLE regress_fc_app;
SELECT scans($$SELECT id FROM person WHERE ssn = 'ssn 7'$$);
SELECT scans($$SELECT id FROM person WHERE ssn IN ('ssn 7', 'ssn 8')$$);
RESET ROLE;
ALTER TABLE person DISABLE ROW LEVEL SECURITY;

-- who may ask: tags may be compared by whoever may read both columns, a text
-- may not be looked for
SET ROLE regress_fc_other;
SELECT count(*) FROM person p JOIN visit v ON p.ssn = v.ssn;
SELECT id FROM person WHERE ssn = 'ssn 7';
SELECT scans($$SELECT id FROM person WHERE ssn = 'ssn 7'$$);
SELECT id FROM person WHERE ssn IN ('ssn 7', 'ssn 8');
SELECT count(*) FROM person p JOIN visit v ON p.ssn = v.pan;
SELECT fieldcrypt.blind_index_as('ssn 7'::text, a.atttypmod)
  FROM pg_attribute a WHERE attrelid = 'person'::regclass AND attname = 'ssn';
RESET ROLE;
SET ROLE regress_fc_writer;
SELECT id FROM person WHERE ssn = 'ssn 7';
RESET ROLE;

-- keeping the index needs no key
\o /dev/null
SELECT fieldcrypt.lock_key('pii');
\o
VACUUM ANALYZE person;
REINDEX TABLE person;
CREATE INDEX person_again ON person USING hash (fieldcrypt.blind_index(ssn));
CLUSTER person USING person_ssn;
UPDATE person SET p = 'new' WHERE id = 8;
SELECT count(*) FROM person p JOIN visit v ON p.ssn = v.ssn;
SELECT count(*) FROM person WHERE ssn = 'ssn 7';
SELECT count(*) FROM person WHERE ssn IN ('ssn 7', 'ssn 8');
SELECT count(*) FROM person WHERE note = 'ssn 7';
\o /dev/null
SELECT fieldcrypt.unlock_key('pii');
\o
SELECT count(*) FROM person WHERE ssn = 'ssn 7';

-- the functions
SELECT fieldcrypt.blind_index_as(s.x, a.atttypmod) = fieldcrypt.blind_index(p.ssn) AS text,
       fieldcrypt.blind_index_as(s.x::encrypted_text('card'), a.atttypmod) = fieldcrypt.blind_index(p.ssn) AS value,
       fieldcrypt.blind_index_as(ARRAY[s.x, NULL], a.atttypmod) = ARRAY[fieldcrypt.blind_index(p.ssn), NULL] AS texts,
       fieldcrypt.blind_index_as(ARRAY[p.ssn, NULL], a.atttypmod) = ARRAY[fieldcrypt.blind_index(p.ssn), NULL] AS vals
  FROM pg_attribute a, person p, (VALUES ('ssn 7'::text)) s(x)
 WHERE attrelid = 'person'::regclass AND attname = 'ssn' AND p.id = 7;
SELECT fieldcrypt.blind_index_as('x'::text, -1);
SELECT fieldcrypt.blind_index_as('x'::text, 5);

SET client_min_messages = warning;
DROP SCHEMA regress_fc_blind CASCADE;
