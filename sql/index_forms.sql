--
-- Every form of equality that asks the blind index.  Each statement runs in
-- two schemas of the same make, one with encrypted columns and one with text,
-- and tells: is the plan one of the blind index alone; is the answer that of
-- text; what does a role get that holds the tables and no key.
--
\o /dev/null
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
\o
SET client_min_messages = warning;

CREATE SCHEMA regress_fc_forms;
GRANT USAGE ON SCHEMA regress_fc_forms TO PUBLIC;

-- The same statements make both; only the types differ.
CREATE FUNCTION regress_fc_forms.make(schema text, exact text, low text) RETURNS void LANGUAGE plpgsql AS
$make$ BEGIN
    EXECUTE format('CREATE SCHEMA %I; SET search_path = %I', schema, schema);
    EXECUTE format('CREATE DOMAIN ssn_domain AS %s', exact);
    EXECUTE format('CREATE TABLE person (id int, ssn %s, email %s, dom ssn_domain, note text, p text)', exact, low);
    EXECUTE format('CREATE TABLE visit (id int, ssn %s, email %s, p text)', exact, low);
    EXECUTE format('CREATE TABLE part (id int, ssn %s) PARTITION BY RANGE (id)', exact);
    EXECUTE format('CREATE TABLE base (id int, ssn %s)', exact);
    EXECUTE format('CREATE TABLE guarded (id int, ssn %s, owner name)', exact);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
    CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (1000);
    CREATE TABLE derived (more int) INHERITS (base);
    CREATE UNIQUE INDEX ON person (ssn);
    CREATE INDEX ON person (email);
    CREATE INDEX ON person (dom);
    CREATE INDEX ON visit (ssn);
    CREATE INDEX ON visit (email);
    CREATE INDEX ON part (ssn);
    CREATE INDEX ON base (ssn);
    CREATE INDEX ON derived (ssn);
    CREATE INDEX ON guarded (ssn);
    CREATE VIEW v AS SELECT id, ssn, email FROM person WHERE id > 0;
    CREATE VIEW vv AS SELECT id, ssn AS renamed FROM v;
    CREATE VIEW barrier WITH (security_barrier) AS SELECT id, ssn, email FROM person WHERE id < 250;
    CREATE VIEW both_tables AS SELECT id, ssn FROM person UNION ALL SELECT id, ssn FROM visit;
    CREATE FUNCTION find(text) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT id FROM person WHERE ssn = $1';
    CREATE FUNCTION find_body(text) RETURNS SETOF int STABLE BEGIN ATOMIC SELECT id FROM person WHERE ssn = $1; END;
    CREATE FUNCTION find_any(text[]) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT id FROM person WHERE ssn = ANY ($1)';
    CREATE FUNCTION is_ssn(person, text) RETURNS bool LANGUAGE sql STABLE AS 'SELECT $1.ssn IN ($2, ''none'')';
    INSERT INTO person SELECT i, ('ssn ' || i)::text, ('User' || i || '@Example.org')::text, ('ssn ' || i)::text, 'note', 'ssn ' || i
      FROM generate_series(1, 300) i;
    INSERT INTO person VALUES (301, NULL, NULL, NULL, NULL, NULL), (302, '', '', '', '', '');
    INSERT INTO visit SELECT i, ('ssn ' || i % 50)::text, (CASE i % 2 WHEN 0 THEN 'user' ELSE 'User' END || i % 50 || '@Example.org')::text, 'ssn ' || i % 50
      FROM generate_series(1, 200) i;
    INSERT INTO part SELECT i, ('ssn ' || i)::text FROM generate_series(1, 200) i;
    INSERT INTO base SELECT i, ('ssn ' || i)::text FROM generate_series(1, 100) i;
    INSERT INTO derived SELECT i, ('ssn ' || i)::text, i FROM generate_series(51, 150) i;
    INSERT INTO guarded SELECT i, ('ssn ' || i)::text, CASE WHEN i < 50 THEN name 'regress_fc_app' ELSE 'nobody' END
      FROM generate_series(1, 100) i;
    ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON guarded USING (owner = current_user);
    CREATE POLICY not_this ON guarded AS RESTRICTIVE USING (ssn = ANY ('{ssn 7,ssn 60}'::text[]) OR id > 20);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA %I TO PUBLIC', schema, schema);
    ANALYZE person, visit, part, base, derived, guarded;
END $make$;
SELECT regress_fc_forms.make('regress_fc_enc', 'encrypted_text(''pii'', ''searchable'')', 'encrypted_text(''pii'', ''searchable=lower'')');
SELECT regress_fc_forms.make('regress_fc_txt', 'text', 'text');

-- Every table that the plan reads is read through its blind index.
CREATE FUNCTION regress_fc_forms.uses_index(query text) RETURNS boolean LANGUAGE plpgsql AS
$$ DECLARE plan jsonb; result boolean; BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    SELECT bool_and(n ? 'Index Name' AND EXISTS (SELECT FROM pg_indexes WHERE indexname = n->>'Index Name'
                       AND schemaname = 'regress_fc_enc' AND (indexdef ~ 'fieldcrypt.blind_index' OR indexdef ~ '_tag')))
      INTO result FROM jsonb_path_query(plan, '$.** ? (exists (@."Relation Name") && @."Node Type" != "ModifyTable" || @."Node Type" == "Bitmap Index Scan")') n
     WHERE n->>'Node Type' <> 'Bitmap Heap Scan';
    RETURN coalesce(result, false);
END $$;

-- What a statement returns, and what it leaves in the tables; all undone.
CREATE FUNCTION regress_fc_forms.answer(query text) RETURNS text LANGUAGE plpgsql AS
$$ DECLARE rows text[] := '{}'; r record; left_over text; BEGIN
    IF query ~* '^(insert|update|delete|merge)' AND query !~* 'returning' THEN
        EXECUTE query;
    ELSE
        FOR r IN EXECUTE query LOOP rows := rows || r::text; END LOOP;
    END IF;
    SELECT md5(string_agg(concat(id, ssn::text, email::text, note), ',' ORDER BY id, note)) INTO left_over FROM person;
    RAISE SQLSTATE 'FC000' USING MESSAGE = (SELECT coalesce(string_agg(x, ' ' ORDER BY x), '') FROM unnest(rows) x) || ' ' || left_over;
EXCEPTION WHEN SQLSTATE 'FC000' THEN RETURN SQLERRM;
END $$;

CREATE FUNCTION regress_fc_forms.answer_as(role text, query text) RETURNS text LANGUAGE plpgsql AS
$$ DECLARE rows text[] := '{}'; r record; BEGIN
    PERFORM set_config('role', role, true);
    IF query ~* '^(insert|update|delete|merge)' AND query !~* 'returning' THEN
        EXECUTE query;
    ELSE
        FOR r IN EXECUTE query LOOP rows := rows || r::text; END LOOP;
    END IF;
    RAISE SQLSTATE 'FC000' USING MESSAGE = (SELECT coalesce(string_agg(x, ' ' ORDER BY x), '') FROM unnest(rows) x);
EXCEPTION WHEN OTHERS THEN RETURN SQLERRM;
END $$;

CREATE FUNCTION regress_fc_forms.form(query text, role text DEFAULT 'none', prepared text DEFAULT NULL,
    OUT index boolean, OUT same boolean, OUT without_key text) LANGUAGE plpgsql AS
$$ DECLARE seen text; BEGIN
    SET LOCAL enable_seqscan = off;
    SET LOCAL jit = off;
    SET LOCAL max_parallel_workers_per_gather = 0;
    PERFORM set_config('search_path', 'regress_fc_txt', true);
    IF prepared IS NOT NULL THEN EXECUTE 'PREPARE ' || prepared; END IF;
    PERFORM set_config('role', role, true);
    seen := CASE role WHEN 'none' THEN regress_fc_forms.answer(query) ELSE regress_fc_forms.answer_as(role, query) END;
    PERFORM set_config('role', 'none', true);
    IF prepared IS NOT NULL THEN DEALLOCATE PREPARE form; END IF;

    PERFORM set_config('search_path', 'regress_fc_enc', true);
    IF prepared IS NOT NULL THEN EXECUTE 'PREPARE ' || prepared; END IF;
    PERFORM set_config('role', role, true);
    index := regress_fc_forms.uses_index(query);
    same := seen = CASE role WHEN 'none' THEN regress_fc_forms.answer(query) ELSE regress_fc_forms.answer_as(role, query) END;
    PERFORM set_config('role', 'none', true);
    without_key := regress_fc_forms.answer_as('regress_fc_other', query);
    IF prepared IS NOT NULL THEN DEALLOCATE PREPARE form; END IF;
    PERFORM set_config('search_path', 'regress_fc_enc', true);
END $$;
CREATE FUNCTION regress_fc_forms.rows_planned(query text) RETURNS int LANGUAGE plpgsql AS
$$ DECLARE plan jsonb; BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN plan #>> '{0,Plan,Plan Rows}';
END $$;
\pset format unaligned
\pset tuples_only on

-- literals, texts, either side, domains
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE 'ssn 7' = ssn$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = 'ssn 7'::text$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = 'ssn 7'::varchar(20)$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = 'ssn 7'::char(20)::text$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = concat('ssn ', 7)$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = (SELECT 'ssn 7'::text OFFSET 0)$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = ''$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = 'SSN 7'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE dom = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE (ssn, id) = ('ssn 7', 7)$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = 'ssn 7' OR ssn = 'ssn 8'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = 'ssn 7' COLLATE "C"$$);
-- IN and ANY
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn IN ('ssn 7', 'ssn 8', NULL)$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = ANY ('{ssn 7,ssn 8}')$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = ANY ('{ssn 7,NULL,ssn 8}'::text[])$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = ANY ('{ssn 7,ssn 8}'::varchar[])$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = ANY (ARRAY['ssn 7', concat('ssn ', 8)])$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn IN (VALUES ('ssn 7'), ('ssn 8'))$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE dom IN ('ssn 7', 'ssn 8')$$);
-- bind parameters: as the type, as text, as the varchar that drivers send
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7')$$, prepared => $$form AS SELECT id FROM person WHERE ssn = $1$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7')$$, prepared => $$form (text) AS SELECT id FROM person WHERE ssn = $1$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7')$$, prepared => $$form (varchar) AS SELECT id FROM person WHERE ssn = $1$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7', 'ssn 8')$$, prepared => $$form (varchar, text) AS SELECT id FROM person WHERE ssn IN ($1, $2)$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('{ssn 7,ssn 8}')$$, prepared => $$form (text[]) AS SELECT id FROM person WHERE ssn = ANY ($1)$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('{ssn 7,ssn 8}')$$, prepared => $$form (varchar[]) AS SELECT id FROM person WHERE ssn = ANY ($1)$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form(NULL)$$, prepared => $$form (text) AS SELECT id FROM person WHERE ssn = $1 OR ssn = 'ssn 8'$$);
-- the same in generic plans
SET plan_cache_mode = force_generic_plan;
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7')$$, prepared => $$form AS SELECT id FROM person WHERE ssn = $1$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7')$$, prepared => $$form (text) AS SELECT id FROM person WHERE ssn = $1$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7')$$, prepared => $$form (varchar) AS SELECT id FROM person WHERE ssn = $1$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7', 'ssn 8')$$, prepared => $$form (varchar, text) AS SELECT id FROM person WHERE ssn IN ($1, $2)$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('{ssn 7,ssn 8}')$$, prepared => $$form (text[]) AS SELECT id FROM person WHERE ssn = ANY ($1)$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('{ssn 7,ssn 8}')$$, prepared => $$form (varchar[]) AS SELECT id FROM person WHERE ssn = ANY ($1)$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7')$$, prepared => $$form (varchar) AS UPDATE person SET note = 'x' WHERE ssn = $1 RETURNING id$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7')$$, prepared => $$form (text) AS DELETE FROM person WHERE ssn = $1 RETURNING id$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7')$$, prepared => $$form (text) AS SELECT id FROM part WHERE ssn = $1$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7')$$, prepared => $$form (text) AS SELECT id FROM barrier WHERE ssn = $1$$);
-- IN with parameters of type text is parsed as an OR, and asked at once
PREPARE list (varchar, text) AS SELECT id FROM person WHERE ssn IN ($1, $2) AND email IN ($2, $1, NULL);
CREATE FUNCTION regress_fc_forms.in_plan(query text, what text) RETURNS bigint LANGUAGE plpgsql AS
$$ DECLARE plan text; BEGIN
    SET LOCAL enable_seqscan = off;
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN regexp_count(plan, what);
END $$;
SELECT regress_fc_forms.in_plan($$EXECUTE list('ssn 7', 'ssn 8')$$, 'BitmapOr'), regress_fc_forms.in_plan($$EXECUTE list('ssn 7', 'ssn 8')$$, '= ANY') > 0;
EXECUTE list('ssn 7', 'ssn 8');
DEALLOCATE list;
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7', NULL)$$, prepared => $$form (text, text) AS SELECT id FROM person WHERE ssn IN ($1, $2)$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('User7@Example.org', 'user8@example.org')$$, prepared => $$form (text, text) AS SELECT id FROM person WHERE email IN ($1, $2)$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn = 'ssn 7' OR ssn = 'ssn 8' OR email = 'User9@Example.org'$$);
RESET plan_cache_mode;
-- views, also those that guard their rows
SELECT * FROM regress_fc_forms.form($$SELECT id FROM v WHERE ssn = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM vv WHERE renamed IN ('ssn 7', 'ssn 8')$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM barrier WHERE ssn = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM barrier WHERE ssn IN ('ssn 7', 'ssn 280')$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM both_tables WHERE ssn = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM both_tables WHERE ssn IN ('ssn 7', 'ssn 8')$$);
SELECT * FROM regress_fc_forms.form($$WITH c AS MATERIALIZED (SELECT id FROM person WHERE ssn IN ('ssn 7', 'ssn 8')) SELECT * FROM c$$);
SELECT * FROM regress_fc_forms.form($$UPDATE v SET ssn = 'ssn 999' WHERE ssn = 'ssn 7'$$);
-- row-level security
SELECT * FROM regress_fc_forms.form($$SELECT id FROM guarded WHERE ssn = 'ssn 7'$$, 'regress_fc_app');
SELECT * FROM regress_fc_forms.form($$SELECT id FROM guarded WHERE ssn = 'ssn 60'$$, 'regress_fc_app');
SELECT * FROM regress_fc_forms.form($$SELECT id FROM guarded WHERE ssn IN ('ssn 7', 'ssn 8', 'ssn 21')$$, 'regress_fc_app');
SELECT * FROM regress_fc_forms.form($$UPDATE guarded SET id = -1 WHERE ssn = 'ssn 21' RETURNING id$$, 'regress_fc_app');
-- partitions and inheritance
SELECT * FROM regress_fc_forms.form($$SELECT id FROM part WHERE ssn = 'ssn 150'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM part WHERE ssn IN ('ssn 7', 'ssn 150')$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM part WHERE ssn = 'ssn 150' AND id > 100$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM base WHERE ssn = 'ssn 70'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM base WHERE ssn = ANY ('{ssn 7,ssn 70}'::text[])$$);
SELECT * FROM regress_fc_forms.form($$UPDATE part SET id = id + 1 WHERE ssn = 'ssn 7' RETURNING id$$);
SELECT * FROM regress_fc_forms.form($$DELETE FROM base WHERE ssn IN ('ssn 7', 'ssn 70') RETURNING id$$);
-- functions in SQL, inlined; PL/pgSQL
SELECT * FROM regress_fc_forms.form($$SELECT * FROM find('ssn 7')$$);
SELECT * FROM regress_fc_forms.form($$SELECT * FROM find_body('ssn 7')$$);
SELECT * FROM regress_fc_forms.form($$SELECT * FROM find_any('{ssn 7,ssn 8}')$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE is_ssn(person, 'ssn 7')$$);
CREATE FUNCTION regress_fc_forms.in_plpgsql(wanted varchar) RETURNS boolean LANGUAGE plpgsql AS
$$ DECLARE line text; used boolean := false; BEGIN
    SET LOCAL enable_seqscan = off;
    FOR line IN EXPLAIN SELECT id FROM person WHERE ssn = wanted LOOP used := used OR line ~ 'person_ssn_idx'; END LOOP;
    RETURN used AND 7 = (SELECT id FROM person WHERE ssn = wanted);
END $$;
SELECT regress_fc_forms.in_plpgsql('ssn 7');
-- DML
SELECT * FROM regress_fc_forms.form($$UPDATE person SET note = 'x' WHERE ssn = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.form($$UPDATE person SET ssn = 'ssn 999' WHERE ssn IN ('ssn 7')$$);
SELECT * FROM regress_fc_forms.form($$DELETE FROM person WHERE ssn IN ('ssn 7', 'ssn 8')$$);
SELECT * FROM regress_fc_forms.form($$DELETE FROM person WHERE ssn = 'ssn 7' RETURNING id$$);
SELECT * FROM regress_fc_forms.form($$MERGE INTO person USING (VALUES ('ssn 7'::text)) AS s(v) ON ssn = v WHEN MATCHED THEN UPDATE SET note = 'm'$$);
SELECT * FROM regress_fc_forms.form($$INSERT INTO person SELECT 500, p FROM person WHERE ssn = 'ssn 7' ON CONFLICT (ssn) DO UPDATE SET note = 'again'$$);
SELECT * FROM regress_fc_forms.form($$INSERT INTO person SELECT 500, p FROM person WHERE ssn = 'ssn 7' ON CONFLICT DO NOTHING$$);
-- joins: the inner side by its index
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT * FROM regress_fc_forms.form($$SELECT p.id, v.id FROM person p JOIN visit v ON p.ssn = v.ssn WHERE v.ssn = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.form($$SELECT p.id FROM (VALUES ('ssn 7'::text), ('ssn 8')) x(t) JOIN person p ON p.ssn = x.t$$);
SELECT * FROM regress_fc_forms.form($$SELECT p.id, v.id FROM visit v JOIN person p ON p.ssn = v.p WHERE v.ssn = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.form($$SELECT p.id, v.id FROM visit v LEFT JOIN person p ON p.ssn = v.ssn AND p.id < 100 WHERE v.ssn = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.form($$SELECT p.id FROM person p WHERE p.ssn = 'ssn 7' AND EXISTS (SELECT FROM visit v WHERE v.ssn = p.ssn)$$);
SELECT * FROM regress_fc_forms.form($$SELECT v.id FROM part a JOIN visit v USING (ssn) WHERE a.ssn = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.form($$UPDATE person p SET note = 'j' FROM visit v WHERE v.ssn = p.ssn AND v.ssn IN ('ssn 7', 'ssn 8')$$);
SELECT * FROM regress_fc_forms.form($$DELETE FROM person p USING visit v WHERE v.ssn = p.ssn AND v.ssn = 'ssn 7'$$);
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
-- joins of whole tables: what two columns of one key share may be seen
CREATE FUNCTION regress_fc_forms.same(query text, OUT same boolean, OUT without_key text) LANGUAGE plpgsql AS
$$ DECLARE seen text; BEGIN
    PERFORM set_config('search_path', 'regress_fc_txt', true);
    seen := regress_fc_forms.answer(query);
    PERFORM set_config('search_path', 'regress_fc_enc', true);
    same := seen = regress_fc_forms.answer(query);
    without_key := regress_fc_forms.answer_as('regress_fc_other', query);
END $$;
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person p JOIN visit v ON p.ssn = v.ssn$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person p LEFT JOIN visit v ON p.ssn = v.ssn$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person p FULL JOIN visit v USING (ssn)$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person WHERE ssn IN (SELECT ssn FROM visit)$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person p JOIN visit v ON p.ssn = v.p$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person p JOIN visit v ON p.email = v.email$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person p WHERE ssn NOT IN (SELECT ssn FROM visit)$$);
-- nulls, and what is no equality
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person WHERE ssn IS NULL$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person WHERE ssn IS DISTINCT FROM 'ssn 7'$$);
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn IS NOT DISTINCT FROM 'ssn 7'$$);
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn IS NOT DISTINCT FROM NULL::text$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person WHERE ssn <> 'ssn 7'$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person WHERE NOT ssn = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person WHERE ssn NOT IN ('ssn 7', 'ssn 8')$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person WHERE ssn <> ALL ('{ssn 7,NULL}'::text[])$$);
SELECT * FROM regress_fc_forms.same($$SELECT id, ssn = 'ssn 7' FROM person WHERE id IN (7, 8, 301)$$);
-- the mode lower: = stays exact
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE email = 'User7@Example.org'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE email = 'user7@example.org'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE email IN ('User7@Example.org', 'user8@example.org')$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('User7@Example.org')$$, prepared => $$form (varchar) AS SELECT id FROM person WHERE email = $1$$);
SELECT * FROM regress_fc_forms.form($$UPDATE person SET note = 'l' WHERE email = 'User7@Example.org'$$);

-- the mode lower: texts that are equal by lower(), upper() or ILIKE, see also folded
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE lower(email) = 'user7@example.org'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE lower(email) = lower('USER7@example.org')$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE lower('USER7@example.org'::varchar) = lower(email::text)$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE upper(email::text) = upper('User7@example.org')$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE email ILIKE 'user7@EXAMPLE.org'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE email::text ILIKE concat('user7', '@EXAMPLE.org')$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE lower(email) = 'user7@example.org' OR email ILIKE 'user8@example.org'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE lower(email) = lower((SELECT 'User7@example.org'::text OFFSET 0))$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM barrier WHERE lower(email) = 'user7@example.org'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM v WHERE upper(email) = 'USER7@EXAMPLE.ORG'$$);
SELECT * FROM regress_fc_forms.form($$UPDATE person SET note = 'f' WHERE lower(email) = 'user7@example.org'$$);
SELECT * FROM regress_fc_forms.form($$SELECT (SELECT p.id FROM person p WHERE lower(p.email) = lower(v.email)) FROM visit v WHERE lower(v.email) = 'user7@example.org'$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('User7@example.org')$$, prepared => $$form AS SELECT id FROM person WHERE lower(email) = lower($1)$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('User7@example.org')$$, prepared => $$form (varchar) AS SELECT id FROM person WHERE upper(email::text) = upper($1)$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('User7@example.org')$$, prepared => $$form (text) AS SELECT id FROM person WHERE email ILIKE $1$$);
SET plan_cache_mode = force_generic_plan;
SELECT * FROM regress_fc_forms.form($$EXECUTE form('User7@example.org')$$, prepared => $$form AS SELECT id FROM person WHERE lower(email) = lower($1)$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('User7@example.org')$$, prepared => $$form (varchar) AS SELECT id FROM person WHERE upper(email::text) = upper($1)$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('User7@example.org')$$, prepared => $$form (text) AS SELECT id FROM person WHERE email ILIKE $1$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('User7%')$$, prepared => $$form (text) AS SELECT id FROM person WHERE email ILIKE $1$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form(NULL)$$, prepared => $$form (text) AS SELECT id FROM person WHERE lower(email) = $1 OR email ILIKE $1$$);
RESET plan_cache_mode;
-- not by the index: wildcards, the mode exact, what is no equality, joins
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE email ILIKE 'user7%'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE lower(ssn) = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person WHERE lower(email) <> 'user7@example.org' OR NOT email ILIKE 'user8@example.org'$$);
SELECT * FROM regress_fc_forms.same($$SELECT id, lower(email) = 'user7@example.org', email ILIKE NULL FROM person WHERE id IN (7, 8, 301)$$);
SELECT * FROM regress_fc_forms.same($$SELECT count(*) FROM person p JOIN visit v ON lower(p.email) = lower(v.email)$$);

-- the tag in a generated column; an update that leaves the value alone stays HOT
SET search_path = regress_fc_txt;
CREATE TABLE generated (id int, ssn text UNIQUE, email text, note text);
CREATE INDEX ON generated (email);
INSERT INTO generated SELECT id, ssn, email, note FROM person;
SET search_path = regress_fc_enc;
CREATE TABLE generated (id int, ssn encrypted_text('pii', 'searchable'), email encrypted_text('pii', 'searchable=lower'), note text,
    ssn_tag uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(ssn)) STORED UNIQUE,
    email_tag uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(email)) STORED) WITH (fillfactor = 50);
CREATE INDEX generated_pair ON generated (email_tag, id);
INSERT INTO generated SELECT id, ssn, email, note FROM person;
GRANT ALL ON generated TO PUBLIC;
ANALYZE generated;
SELECT * FROM regress_fc_forms.form($$SELECT id FROM generated WHERE ssn = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM generated WHERE ssn IN ('ssn 7', 'ssn 8')$$);
SELECT * FROM regress_fc_forms.form($$SELECT id FROM generated WHERE email = 'User7@Example.org' AND id > 3$$);
SELECT * FROM regress_fc_forms.form($$EXECUTE form('ssn 7')$$, prepared => $$form (varchar) AS SELECT id FROM generated WHERE ssn = $1$$);
SELECT * FROM regress_fc_forms.form($$UPDATE generated SET note = 'g' WHERE ssn = 'ssn 7' RETURNING id, note$$);
SELECT * FROM regress_fc_forms.form($$INSERT INTO generated (id, ssn) SELECT 500, ssn FROM generated WHERE ssn = 'ssn 7' ON CONFLICT (ssn) DO UPDATE SET note = 'again' RETURNING id, note$$);
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT * FROM regress_fc_forms.form($$SELECT p.id FROM generated g JOIN person p ON p.ssn = g.ssn WHERE g.ssn = 'ssn 7'$$);
SELECT * FROM regress_fc_forms.form($$SELECT g.id FROM visit v JOIN generated g ON g.ssn = v.ssn WHERE v.ssn = 'ssn 7'$$);
RESET enable_hashjoin;
RESET enable_mergejoin;
BEGIN;
SELECT pg_stat_get_xact_tuples_hot_updated('generated'::regclass) AS before \gset
UPDATE generated SET note = 'hot' WHERE ssn = 'ssn 7';
SELECT pg_stat_get_xact_tuples_hot_updated('generated'::regclass) - :before;
COMMIT;
SELECT regress_fc_forms.rows_planned($$SELECT FROM generated WHERE ssn = 'ssn 7'$$),
       regress_fc_forms.rows_planned($$SELECT FROM generated WHERE email = 'User7@Example.org'$$);
-- of what is not analysed yet the column's own statistics are taken
CREATE TABLE fresh (LIKE visit);
INSERT INTO fresh SELECT * FROM visit;
ANALYZE fresh;
CREATE INDEX ON fresh (ssn);
SELECT regress_fc_forms.rows_planned($$SELECT FROM fresh WHERE ssn = 'ssn 7'$$);

-- a plan knows what text may be: one that was made under another setting is not used
SET plan_cache_mode = force_generic_plan;
SET fieldcrypt.output = 'ciphertext';
SELECT ssn::encrypted_text('pii', 'searchable') AS armour FROM person WHERE id = 7 \gset
RESET fieldcrypt.output;
PREPARE cast_of (text) AS SELECT id FROM person WHERE ssn = $1::encrypted_text('pii', 'searchable');
EXECUTE cast_of('ssn 7');
SET fieldcrypt.input = 'auto';
EXECUTE cast_of(:'armour');
EXECUTE cast_of('ssn 8');
BEGIN;
SET LOCAL fieldcrypt.input = 'plaintext';
EXECUTE cast_of('ssn 9');
SELECT regress_fc_forms.uses_index($$EXECUTE cast_of('ssn 9')$$);
ROLLBACK;
EXECUTE cast_of(:'armour');
RESET fieldcrypt.input;
EXECUTE cast_of('ssn 7');
RESET plan_cache_mode;
-- more elements than are compared one by one
SELECT * FROM regress_fc_forms.form($$SELECT id FROM person WHERE ssn IN ('ssn 1', 'ssn 2', 'ssn 3', 'ssn 4', 'ssn 5', 'ssn 6', 'ssn 7', 'ssn 8', 'ssn 9', 'ssn 10', 'ssn 11')$$);
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn NOT IN ('ssn 1', 'ssn 2', 'ssn 3', 'ssn 4', 'ssn 5', 'ssn 6', 'ssn 7', 'ssn 8', 'ssn 9', 'ssn 10', 'ssn 11')$$);
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn = ANY ('{ssn 1,ssn 2,ssn 3,ssn 4,ssn 5,ssn 6,ssn 7,ssn 8,ssn 9,ssn 10,ssn 11}'::text[]) IS TRUE$$);
SET ROLE regress_fc_app;
SELECT count(*) FROM person WHERE ssn NOT IN ('ssn 1', 'ssn 2', 'ssn 3', 'ssn 4', 'ssn 5', 'ssn 6', 'ssn 7', 'ssn 8', 'ssn 9', 'ssn 10', 'ssn 11');
SELECT count(*) FROM person WHERE email NOT IN ('ssn 1', 'ssn 2', 'ssn 3', 'ssn 4', 'ssn 5', 'ssn 6', 'ssn 7', 'ssn 8', 'ssn 9', 'ssn 10', 'ssn 11');
SELECT count(*) FROM person a JOIN person b ON a.email = b.p OR a.ssn::text = b.p;
RESET ROLE;
-- patterns and ranges: their constants are literals in plans, and mean the same
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn LIKE 'ssn 1%'$$);
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn NOT LIKE 'ssn _'::varchar$$);
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn ILIKE 'SSN 1_'$$);
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn ~ '^ssn [12]$' OR ssn !~* 'SSN'$$);
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn LIKE ANY ('{ssn 1_,ssn 2_,NULL}'::text[])$$);
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn NOT LIKE ALL (ARRAY['ssn 1%', 'ssn 2%'])$$);
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn < 'ssn 2'::text AND 'ssn 11'::text <= ssn$$);
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn > ALL ('{ssn 2,ssn 3}'::text[])$$);
SELECT * FROM regress_fc_forms.same($$SELECT id FROM person WHERE ssn <> 'ssn 2'::text AND ssn >= '' AND ssn < 'ssn 3'$$);

\pset format aligned
\pset tuples_only off
RESET search_path;
DROP SCHEMA regress_fc_enc, regress_fc_txt, regress_fc_forms CASCADE;
