-- Statements about text, each block in a transaction that is rolled back.
-- Types are written as in tables.sql; {bare} is the type without a key.
--- comparison
SELECT id, name = 'Ada', name <> 'Ada', name < 'b', name <= 'b', name > 'b', name >= 'b', 'Ada' = name, 'b' > name FROM p ORDER BY id;
SELECT id, name = city, city < name, name = code, low >= other, name = name, code <> low FROM p ORDER BY id;
SELECT id, name = 'Ada'::varchar, name = 'Ada'::char(5), name = 'Ada'::name FROM p ORDER BY id;
--- comparison of every pair (any order)
SELECT x.id, y.id, x.name = y.code, x.name < y.code, x.low <= y.other, x.city > y.name FROM p x, q y;
--- nulls
SELECT id FROM p WHERE name = NULL;
SELECT id FROM p WHERE name IS NULL OR code IS NOT NULL ORDER BY id;
SELECT count(*) FROM p WHERE name NOT IN ('Ada', NULL);
SELECT count(*) FROM p WHERE code NOT IN (SELECT code FROM q);
SELECT count(*) FROM p WHERE code NOT IN (SELECT code FROM q WHERE code IS NOT NULL);
SELECT count(*) FROM p WHERE city NOT IN (SELECT name FROM q);
SELECT count(*) FROM p WHERE code IS DISTINCT FROM NULL;
SELECT x.id, y.id FROM p x JOIN q y ON x.code IS NOT DISTINCT FROM y.code ORDER BY 1, 2;
SELECT id FROM p WHERE (name = 'Ada') IS NOT TRUE ORDER BY id;
SELECT id, name IS NOT DISTINCT FROM code FROM p ORDER BY id;
SELECT COALESCE(name, code, 'none') FROM p ORDER BY id;
SELECT num_nulls(name, code, low) FROM p ORDER BY id;
--- the empty string is not null
SELECT id, name IS NULL, name = '', length(name) FROM p WHERE name = '' OR code = '' ORDER BY id;
SELECT count(*) FROM q WHERE code = '';
--- unicode (any order)
SELECT id, name FROM p WHERE name IN (U&'\00C7a', U&'C\0327a', U&'\00E9', U&'e\0301');
SELECT id FROM p WHERE code = U&'\00C7a';
SELECT id FROM p WHERE normalize(name::text, NFC) = U&'\00C7a';
SELECT id FROM p WHERE low = U&'\0130stanbul' OR low = 'istanbul';
SELECT id FROM p WHERE lower(low) = lower(U&'\0130STANBUL');
SELECT id FROM p WHERE lower(low) = lower('ISTANBUL') OR upper(low) = upper('istanbul');
SELECT id FROM p WHERE upper(name) = 'STRASSE' OR low ILIKE U&'STRA\1E9EE';
SELECT id FROM p WHERE lower(low) = lower(U&'\0391\03A3');
SELECT id FROM p WHERE upper(low::text) = upper(U&'\03B1\03C2'::text);
SELECT id FROM p WHERE low ILIKE U&'\03B1\03C3';
SELECT id, length(name), octet_length(name), upper(name), initcap(low) FROM p;
--- collations
SELECT id, name FROM p ORDER BY name COLLATE "C", id;
SELECT id, name FROM p ORDER BY name COLLATE "en-x-icu", id;
SELECT id, name FROM p ORDER BY name COLLATE "tr-x-icu" DESC NULLS LAST, id;
SELECT id, other FROM p ORDER BY other, id;
SELECT id, name FROM p ORDER BY name USING <, id;
SELECT id FROM p WHERE name COLLATE "C" < 'a' ORDER BY id;
SELECT id FROM p WHERE name < 'a' COLLATE "en-x-icu" ORDER BY id;
SELECT lower(name COLLATE "tr-x-icu"), upper(other COLLATE "tr-x-icu"), initcap(name COLLATE "tr-x-icu") FROM p ORDER BY id;
SELECT min(name COLLATE "C"), max(name COLLATE "C"), min(name), max(name) FROM p;
SELECT collation for (name), collation for (other), collation for (name COLLATE "C") FROM p LIMIT 1;
--- conflicting collations
SELECT id FROM p WHERE name COLLATE "C" < code COLLATE "en-x-icu";
--- conflicting collations of columns
SELECT (other < (low COLLATE "en-x-icu")) FROM p ORDER BY id;
--- nondeterministic collations
SELECT id FROM nd WHERE name = 'ADA' ORDER BY id;
SELECT id FROM nd WHERE code = 'ADA' ORDER BY id;
SELECT id FROM nd WHERE code IN ('ADA', 'BOB', 'STRASSE') ORDER BY id;
SELECT id FROM nd WHERE code = ANY (ARRAY['ADA', 'zEBRA']) ORDER BY id;
SELECT count(DISTINCT name), count(DISTINCT code), count(DISTINCT city) FROM nd;
SELECT count(*) FROM nd GROUP BY name ORDER BY 1;
SELECT x.id, y.id FROM nd x JOIN nd y ON x.name = y.code AND x.id < y.id ORDER BY 1, 2;
SELECT x.id, y.id FROM nd x JOIN nd y ON x.code = y.city AND x.id < y.id ORDER BY 1, 2;
SELECT x.id, y.id FROM nd x FULL JOIN nd y ON x.code = y.code AND x.id = y.id + 1 ORDER BY 1, 2;
SELECT id FROM nd ORDER BY name, id;
SELECT id, rank() OVER (ORDER BY name) FROM nd ORDER BY id;
SELECT id FROM p WHERE code COLLATE nocase = 'ADA' ORDER BY id;
SELECT id FROM p WHERE low COLLATE noaccent = 'CA' ORDER BY id;
SELECT id FROM nd WHERE code NOT IN (SELECT city FROM nd WHERE city > 'm') ORDER BY id;
--- patterns
SELECT id FROM p WHERE name LIKE 'A%' OR name NOT LIKE '%a%' ORDER BY id;
SELECT id FROM p WHERE name LIKE 'a\%b' OR name LIKE 'a#_b' ESCAPE '#' OR name LIKE '__' ORDER BY id;
SELECT id FROM p WHERE name ILIKE 'aD_' OR low ILIKE 'BOB' OR low NOT ILIKE '%a%' ORDER BY id;
SELECT id FROM p WHERE name ~ '^[ab]' OR name !~ 'a' OR name ~* '^S' OR name !~* 'S' ORDER BY id;
SELECT id FROM p WHERE name SIMILAR TO '(a|b)%' OR name NOT SIMILAR TO '%[a-z]%' ORDER BY id;
SELECT id FROM p WHERE name LIKE ANY (ARRAY['A%', 'b%']) AND name NOT LIKE ALL (ARRAY['Ada', '%y']) ORDER BY id;
SELECT id FROM p WHERE starts_with(name, 'A') OR code ^@ 'b' ORDER BY id;
SELECT id FROM p WHERE regexp_like(name, '^a', 'i') ORDER BY id;
SELECT id, regexp_match(name, '(.)(.)$'), regexp_replace(name, '[aeiou]', '*', 'g'), substring(name FROM '.{2}$') FROM p ORDER BY id;
SELECT id FROM p WHERE name LIKE city ESCAPE '' ORDER BY id;
--- a pattern from a column of the type (differs: pattern)
SELECT id FROM p WHERE city LIKE name;
--- a pattern from another column of the type (differs: pattern)
SELECT x.id, y.id FROM p x, q y WHERE x.name ILIKE y.name;
--- IN, ANY, ALL and rows
SELECT id FROM p WHERE code IN ('Ada', 'Bob', '10') ORDER BY id;
SELECT id FROM p WHERE code IN ('Ada', city, name) ORDER BY id;
SELECT id FROM p WHERE code = ANY ('{Ada,Bob,NULL}') ORDER BY id;
SELECT id FROM p WHERE code = ANY (ARRAY['Ada', 'Bob']::varchar[]) ORDER BY id;
SELECT id FROM p WHERE code = ANY (ARRAY(SELECT city FROM q)) ORDER BY id;
SELECT id FROM p WHERE code = ANY (ARRAY(SELECT name FROM q)) ORDER BY id;
SELECT id FROM p WHERE code <> ALL ('{Ada,Bob}') AND low > ALL (ARRAY['a', 'A']) ORDER BY id;
SELECT id FROM p WHERE code = ANY ('{}'::text[]) OR code <> ALL (NULL::text[]) ORDER BY id;
SELECT id FROM p WHERE (name, code) = ('Ada', 'ADA') OR (name, n) < ('b', 3) OR (n, low) >= (2, 'x') ORDER BY id;
SELECT id FROM p WHERE (code, n) IN (SELECT code, n FROM q) ORDER BY id;
SELECT id FROM p WHERE (code, n) NOT IN (SELECT code, n FROM q WHERE code IS NOT NULL) ORDER BY id;
SELECT id FROM p WHERE (code, low) IN (('Ada', 'ada'), ('bob', 'Bob'), ('10', '9')) ORDER BY id;
SELECT id FROM p WHERE ROW (name, code) IS DISTINCT FROM ROW (low, other) ORDER BY id;
SELECT id FROM p WHERE name BETWEEN 'B' AND 'c' OR name NOT BETWEEN SYMMETRIC 'z' AND 'A' ORDER BY id;
SELECT id FROM p WHERE code = (SELECT max(code) FROM q) OR code = (SELECT 'Bob') OR code = SOME (SELECT city FROM u) ORDER BY id;
SELECT id FROM p WHERE code IN (VALUES ('Ada'), ('Bob')) ORDER BY id;
--- a subquery of more than one row
SELECT id FROM p WHERE code = (SELECT code FROM q);
--- CASE and friends
SELECT id, CASE name WHEN 'Ada' THEN 1 WHEN 'bob' THEN 2 ELSE 3 END FROM p ORDER BY id;
SELECT id, CASE WHEN name > 'm' THEN name WHEN code IS NULL THEN 'none' ELSE low END FROM p ORDER BY id;
SELECT id, COALESCE(name, 'x'), COALESCE(name::text, city), NULLIF(name, 'Ada'), NULLIF(name, code), NULLIF('Ada', name), greatest(name, code, 'm'), least(low, other) FROM p ORDER BY id;
SELECT id, COALESCE(NULLIF(name, ''), 'empty') FROM p ORDER BY id;
--- columns of several types (any order)
SELECT COALESCE(name, code), greatest(code, low) FROM p;
SELECT name FROM p UNION SELECT code FROM q EXCEPT SELECT other FROM w;
--- COALESCE with text (differs: mix)
SELECT COALESCE(name, city) FROM p;
--- CASE with text (differs: mix)
SELECT CASE WHEN id > 3 THEN name ELSE city END FROM p;
--- UNION with text (differs: mix)
SELECT name FROM p UNION SELECT city FROM p;
--- UNION with text on the left (differs: mix)
SELECT city FROM p UNION ALL SELECT name FROM p;
--- an array of both (differs: mix)
SELECT ARRAY[name, city] FROM p;
--- VALUES with both (differs: mix)
SELECT * FROM p, LATERAL (VALUES (p.name), (p.city)) v (x);
--- the ways around it (any order)
SELECT COALESCE(name::text, city), CASE WHEN id > 3 THEN name::text ELSE city END, ARRAY[name::text, city] FROM p;
SELECT name::text FROM p UNION SELECT city FROM p;
SELECT p.id FROM p JOIN (SELECT 'Ada'::text AS code) t ON p.code = t.code;
SELECT id FROM p WHERE city LIKE name::text OR to_tsvector('simple', low) @@ 'bob';
SELECT reverse(name::text), lpad(low::text, 4, '.'), (SELECT count(*) FROM by_code(p.name::text)) FROM p;
SELECT id FROM p WHERE tags::text[] = ARRAY['Ada']::text[] OR tags::text[] @> ARRAY[city];
INSERT INTO w (id, city, name) SELECT 100 + id, name::text, city FROM p;
UPDATE w SET city = name::text WHERE id < 100;
CREATE TABLE made AS SELECT COALESCE(name, code)::{name} AS v FROM p;
SELECT v FROM made WHERE v > 'b';
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS $$ SELECT name::text FROM p ORDER BY id LIMIT 1 $$;
SELECT pg_temp.f(), string_agg(city, name::text ORDER BY id) FROM p;
--- USING with text (differs: using)
SELECT id FROM p JOIN (SELECT 'Ada'::text AS code) t USING (code);
--- NATURAL JOIN with text (differs: using)
SELECT id FROM (SELECT 'Ada'::text AS code) t NATURAL JOIN p;
--- USING with the type
SELECT code, p.id, q.id FROM p JOIN q USING (code) ORDER BY 1, 2, 3;
SELECT code, n, p.id, q.id FROM p FULL JOIN q USING (code, n) ORDER BY 1, 2, 3, 4;
SELECT low, p.id, q.id FROM p FULL JOIN q USING (low) ORDER BY 1, 2, 3;
SELECT count(*) FROM w NATURAL JOIN u;
--- joins
SELECT x.id, y.id FROM p x JOIN q y ON x.code = y.code ORDER BY 1, 2;
SELECT x.id, y.id FROM p x LEFT JOIN q y ON x.low = y.low ORDER BY 1, 2;
SELECT x.id, y.id FROM p x FULL JOIN q y ON x.low = y.low ORDER BY 1, 2;
SELECT x.id, y.id FROM p x FULL JOIN q y ON x.name = y.code ORDER BY 1, 2;
SELECT x.id, y.id FROM p x FULL JOIN q y ON x.code = y.city ORDER BY 1, 2;
SELECT x.id, y.id FROM p x RIGHT JOIN q y ON x.other = y.name AND x.n > 1 ORDER BY 1, 2;
SELECT x.id FROM p x WHERE EXISTS (SELECT FROM q y WHERE y.code = x.code AND y.low = x.low) ORDER BY 1;
SELECT x.id FROM p x WHERE NOT EXISTS (SELECT FROM q y WHERE y.low = x.low) ORDER BY 1;
SELECT x.id, y.id FROM p x JOIN q y ON lower(x.low) = lower(y.low) ORDER BY 1, 2;
SELECT x.id, y.id FROM p x JOIN q y ON lower(x.code) = lower(y.city) ORDER BY 1, 2;
SELECT x.id, z.id FROM p x CROSS JOIN LATERAL (SELECT * FROM q y WHERE y.code >= x.code ORDER BY y.code, y.id LIMIT 1) z ORDER BY 1, 2;
SELECT x.id, y.id, z.id FROM p x JOIN q y ON x.code = y.code JOIN w z ON z.name = y.code ORDER BY 1, 2, 3;
--- merge joins
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_nestloop = off;
SELECT x.id, y.id FROM p x JOIN q y ON x.name = y.name ORDER BY 1, 2;
SELECT x.id, y.id FROM p x FULL JOIN q y ON x.low = y.low ORDER BY 1, 2;
SELECT x.id, y.id FROM p x LEFT JOIN q y ON x.name = y.city ORDER BY 1, 2;
SELECT x.id, y.id FROM nd x JOIN nd y ON x.name = y.code ORDER BY 1, 2;
--- index scans
SET LOCAL enable_seqscan = off;
SELECT id FROM p WHERE code = 'Ada' ORDER BY id;
SELECT id FROM p WHERE low = 'Ada' ORDER BY id;
SELECT id FROM p WHERE low IN ('Ada', 'bob') ORDER BY id;
SELECT id FROM h WHERE code = 'Bob' OR low = 'ada' ORDER BY id;
SELECT id FROM par WHERE code = 'Bob' ORDER BY id;
SELECT id FROM r WHERE code = 'Bob' ORDER BY id;
SELECT id FROM vsb WHERE code = 'Bob' ORDER BY id;
SELECT id FROM mv WHERE code = 'Bob' ORDER BY id;
SELECT id FROM c WHERE dc = 'Bob' ORDER BY id;
SELECT id FROM q WHERE code = 'Bob' AND n = 4 ORDER BY id;
SELECT id FROM u WHERE code > 'm' AND code = 'zebra' ORDER BY id;
SELECT id FROM big WHERE code = (SELECT repeat('Ada', 500)) ORDER BY id;
--- ordering
SELECT id, name FROM p ORDER BY name, id;
SELECT id, name FROM p ORDER BY name DESC NULLS LAST, id DESC;
SELECT id FROM p ORDER BY code NULLS FIRST, low DESC, id LIMIT 10 OFFSET 3;
SELECT id, n, name FROM p ORDER BY n, name, id;
SELECT id FROM p ORDER BY lower(name), name, id FETCH FIRST 7 ROWS ONLY;
SELECT code FROM p ORDER BY code FETCH FIRST 3 ROWS WITH TIES;
SELECT name AS v FROM p UNION ALL SELECT code FROM q ORDER BY v LIMIT 20;
--- distinct and grouping
SELECT DISTINCT name FROM p ORDER BY name;
SELECT DISTINCT ON (name) name, id FROM p ORDER BY name, id DESC;
SELECT DISTINCT code, n FROM h ORDER BY 1, 2;
SELECT name, count(*) FROM p GROUP BY name HAVING count(*) > 1 ORDER BY name;
SELECT name, n, count(*), grouping(name, n) FROM p GROUP BY GROUPING SETS ((name), (n), (name, n), ()) ORDER BY 1, 2, 4;
SELECT code, low, count(*) FROM p GROUP BY ROLLUP (code, low) ORDER BY 1, 2, 3;
SELECT code, n, count(*) FROM p GROUP BY CUBE (code, n) ORDER BY 1, 2, 3;
SELECT lower(low), count(*) FROM p GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM (SELECT name FROM p GROUP BY name) g;
--- aggregates
SELECT count(name), count(DISTINCT name), min(name), max(name), min(code), max(low) FROM p;
SELECT min(name), max(name), string_agg(name, ',') FROM p WHERE false;
SELECT string_agg(name, ',' ORDER BY name), string_agg(DISTINCT name, '|' ORDER BY name DESC) FROM p;
SELECT string_agg(name, n::text ORDER BY id) FROM p;
SELECT array_agg(name ORDER BY id), array_agg(DISTINCT name), array_agg(name ORDER BY name COLLATE "C") FROM p;
SELECT mode() WITHIN GROUP (ORDER BY name), percentile_disc(0.3) WITHIN GROUP (ORDER BY code), percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY low) FROM p;
SELECT rank('bob') WITHIN GROUP (ORDER BY name), dense_rank('bob') WITHIN GROUP (ORDER BY name), cume_dist('m') WITHIN GROUP (ORDER BY code) FROM p;
SELECT n, max(name) FILTER (WHERE name < 'm'), bool_and(name <> ''), sum(length(name)) FROM p GROUP BY n ORDER BY n;
SELECT json_agg(name ORDER BY id), jsonb_agg(code ORDER BY id), json_object_agg(id, name ORDER BY id) FROM p;
SELECT count(DISTINCT (name, code)) FROM p;
--- a delimiter of the type (differs: text-argument)
SELECT string_agg(city, name ORDER BY id) FROM p;
--- windows
SELECT id, rank() OVER w, dense_rank() OVER w, row_number() OVER (w ROWS UNBOUNDED PRECEDING), count(*) OVER (PARTITION BY name) FROM p WINDOW w AS (ORDER BY name, id) ORDER BY id;
SELECT id, lag(name) OVER w, lead(name, 2, 'none') OVER w, first_value(name) OVER w, nth_value(code, 2) OVER w FROM p WINDOW w AS (PARTITION BY n ORDER BY name, id) ORDER BY id;
SELECT id, max(name) OVER (ORDER BY id ROWS 2 PRECEDING), min(code) OVER (PARTITION BY low ORDER BY id) FROM p ORDER BY id;
SELECT id, string_agg(name, ',') OVER (PARTITION BY n ORDER BY id) FROM p ORDER BY id;
--- set operations
SELECT name FROM p UNION SELECT name FROM q ORDER BY 1;
SELECT name FROM p INTERSECT SELECT name FROM q ORDER BY 1;
SELECT name FROM p EXCEPT SELECT name FROM q ORDER BY 1;
SELECT code, n FROM p INTERSECT ALL SELECT code, n FROM p ORDER BY 1, 2;
SELECT name FROM p EXCEPT ALL SELECT code FROM p ORDER BY 1;
SELECT name FROM p UNION SELECT 'literal' UNION SELECT NULL ORDER BY 1;
TABLE u ORDER BY id;
--- subqueries and CTEs
WITH x AS (SELECT name, count(*) AS c FROM p GROUP BY name) SELECT a.name, b.c FROM x a JOIN x b USING (name) ORDER BY 1;
WITH x AS MATERIALIZED (SELECT * FROM p WHERE code <> 'Ada') SELECT id FROM x WHERE code = 'Bob' ORDER BY id;
WITH RECURSIVE x (id, name) AS (SELECT id, name FROM p WHERE id = 1 UNION ALL SELECT p.id, p.name FROM x JOIN p ON p.id = x.id + 1 WHERE x.name <> 'bobby') SELECT * FROM x ORDER BY id;
WITH RECURSIVE x (code) AS (SELECT code FROM p WHERE id = 1 UNION SELECT q.code FROM x JOIN q ON q.code > x.code) SELECT code FROM x ORDER BY code;
WITH RECURSIVE x AS (SELECT id, code FROM p WHERE id < 3 UNION ALL SELECT x.id + 1, p.code FROM x JOIN p ON p.id = x.id + 1 WHERE x.id < 9) CYCLE code SET looped USING path SELECT id, code, looped FROM x ORDER BY id, code;
WITH RECURSIVE x AS (SELECT id, code FROM p WHERE id < 3 UNION ALL SELECT x.id + 5, p.code FROM x JOIN p ON p.id = x.id + 5 WHERE x.id < 9) SEARCH DEPTH FIRST BY code SET o SELECT id, code FROM x ORDER BY o;
SELECT id, (SELECT max(q.name) FROM q WHERE q.code = p.code) FROM p ORDER BY id;
SELECT id FROM p WHERE name > ALL (SELECT name FROM q WHERE name < 'b') ORDER BY id;
SELECT * FROM (SELECT name, code FROM p ORDER BY id LIMIT 5) s ORDER BY 1, 2;
SELECT s.name FROM (SELECT p.name, q.id FROM p LEFT JOIN q ON p.code = q.code OFFSET 0) s WHERE s.name = 'Ada' ORDER BY s.id;
--- functions of text
SELECT length(name), char_length(name), octet_length(name), upper(name), lower(name), initcap(name) FROM p ORDER BY id;
SELECT substring(name FROM 2 FOR 2), substring(name, 2), substr(name, 1, 2), left(name, -1), right(name, 2), substring(name SIMILAR '%#"a#"%' ESCAPE '#') FROM p ORDER BY id;
SELECT trim(name), trim(BOTH 'aA' FROM name), ltrim(name, 'A'), rtrim(name), btrim(name, 'b'), position('a' IN name), strpos(name, 'o') FROM p ORDER BY id;
SELECT overlay(name PLACING 'xx' FROM 2), replace(name, 'a', 'b'), split_part(name, 'a', 2), md5(name), name || '!', '!' || name, name || code, name || city, n || name FROM p ORDER BY id;
SELECT to_tsvector('simple', name), to_tsvector('english', low) @@ 'ada' FROM p ORDER BY id;
SELECT concat(name, '-', code), concat_ws(',', name, low), format('%s %L %I', name, code, low), quote_literal(name), quote_nullable(code) FROM p WHERE low IS NOT NULL ORDER BY id;
SELECT name::varchar(3), name::char(5), name::name, CAST(name AS text) FROM p ORDER BY id;
SELECT to_json(name), to_jsonb(code), json_build_object('a', name), jsonb_build_array(low), row_to_json(p) FROM p ORDER BY id;
--- rows as text
SELECT row(name, code), p, p::text, (p).name, row(p.*) FROM p ORDER BY id;
--- records compare
SELECT x.id FROM p x JOIN p y ON row(x.name, x.code) = row(y.name, y.code) AND x.id < y.id ORDER BY 1;
SELECT count(DISTINCT row(name, n)), max(id) FROM p;
SELECT x.id FROM u x WHERE x = (SELECT y FROM u y WHERE y.id = 3);
SELECT id FROM u ORDER BY u;
--- concatenation with other types
SELECT name || n, n || name, name || 1.5, true || code, name || NULL, NULL || name, name || 'x'::varchar, 'x'::char(3) || name, date '2026-01-01' || low, name || row(1, 2), name || '[1]'::jsonb FROM p ORDER BY id;
SELECT name || current_user || n, (SELECT max(id) FROM p) || name FROM p WHERE id = 1;
SELECT name || '{x}' FROM p WHERE id = 1;
SELECT ARRAY['x'] || name::text, 'x' || ARRAY[name], tags || 'x' FROM p WHERE id = 1;
SELECT id FROM p WHERE name ^@ 'A' AND NOT code ^@ city ORDER BY id;
--- functions outside the set (differs: text-argument)
SELECT reverse(name) FROM p;
--- functions of an application (differs: text-argument)
SELECT by_code(name) FROM p;
--- casts to other types
SELECT name::text::int FROM p WHERE name = '10';
SELECT (name::text)::jsonb FROM p WHERE name = 'null';
--- a cast to a number
SELECT name::int FROM p WHERE name = '10';
--- a cast that names no key (differs: cast)
SELECT city::{bare} FROM p;
--- casts to the type (any order)
SELECT city::{name} AS a, 'lit'::{name} AS b, 'lit'::{bare} AS c, n::text::{name} AS d, CAST(city || 'x' AS {code}) AS e FROM p;
SELECT name::{code}, code::{name}, low::{other} FROM p;
--- the type's name (differs: typeof)
SELECT pg_typeof(name), pg_typeof(city) FROM p LIMIT 1;
--- what the client is told
SELECT name, code AS c, low || 'x', tags, length(name), max(name) OVER () FROM p \gdesc
SELECT min(name), array_agg(code), COALESCE(max(low), 'x') FROM p \gdesc
--- arrays
SELECT id, tags, tags[1], tags[2:3], cardinality(tags), array_length(tags, 1), array_to_string(tags, ',', '-') FROM p ORDER BY id;
SELECT id FROM p WHERE 'Ada' = ANY (tags) OR tags[1] = 'bob' ORDER BY id;
SELECT id, unnest(tags) FROM p ORDER BY 1, 2;
SELECT id FROM p WHERE tags @> ARRAY[name] OR tags && ARRAY[code] ORDER BY id;
SELECT id FROM p WHERE tags = '{Ada}' OR tags @> '{bob}' ORDER BY id;
SELECT x.id FROM p x JOIN p y ON x.tags = y.tags AND x.id <> y.id ORDER BY 1;
SELECT tags, count(*) FROM p GROUP BY tags ORDER BY tags;
SELECT id, array_position(tags, name), array_remove(tags, name), array_append(tags, code), tags || ARRAY[name], name || tags FROM p ORDER BY id;
SELECT id, array_cat(tags, tags), tags[1] || 'x', array_upper(tags, 1) FROM p ORDER BY id;
SELECT array_agg(tags ORDER BY id) FROM p WHERE cardinality(tags) = 2;
--- arrays, written (any order)
UPDATE p SET tags = ARRAY['new', name, NULL] WHERE id = 1 RETURNING id, tags;
UPDATE p SET tags[2] = 'second' WHERE id = 2 RETURNING id, tags;
UPDATE p SET tags = '{"x y","",NULL}' WHERE id = 3 RETURNING id, tags;
UPDATE p SET tags = string_to_array('a,b', ',') WHERE id = 4 RETURNING id, tags;
UPDATE p SET tags = tags || 'more'::{name} WHERE id = 5 RETURNING id, tags;
INSERT INTO p (id, tags) VALUES (100, ARRAY['a', 'b']::text[]), (101, '{}') RETURNING id, tags;
--- an array of the type and one of text (differs: array)
SELECT id FROM p WHERE tags = ARRAY['Ada']::text[];
--- composites
SELECT id, x, (x).v, (x).k, xs, xs[1].v, (xs[2]).v FROM c ORDER BY id;
SELECT id FROM c WHERE (x).v = 'Ada' OR x = (1, 'Ada')::pair ORDER BY id;
SELECT id FROM c ORDER BY x, id;
SELECT x, count(*) FROM c GROUP BY x ORDER BY x;
SELECT to_json(x), row_to_json(c), jsonb_populate_record(NULL::pair, '{"k": 1, "v": "json"}') FROM c ORDER BY id;
UPDATE c SET x.v = 'changed' WHERE id = 1 RETURNING x;
UPDATE c SET x = ROW (9, 'whole') WHERE id = 2 RETURNING x;
UPDATE c SET x = '(9,"in a string")', xs = '{"(1,a)","(2,b)"}' WHERE id = 3 RETURNING x, xs;
INSERT INTO c SELECT 100, (y.x).k::int, NULL FROM c y WHERE false;
--- domains
SELECT id, d, dc, d = dc, d || 'x', upper(d), length(dc) FROM c ORDER BY id;
SELECT x.id, y.id FROM c x JOIN p y ON x.dc = y.code ORDER BY 1, 2;
SELECT id FROM c WHERE d = 'Ada' OR dc IN ('Bob', 'bob') ORDER BY id;
SELECT d, count(*) FROM c GROUP BY d ORDER BY d;
UPDATE c SET d = 'in a domain', dc = d::text WHERE id = 1 RETURNING d, dc;
--- a domain that checks (differs: check)
CREATE DOMAIN short AS {name} CHECK (length(VALUE) < 5);
--- a domain that checks what is written
CREATE DOMAIN short AS {name};
ALTER DOMAIN short ADD CHECK (length(VALUE) < 5) NOT VALID;
CREATE TEMP TABLE t (v short);
INSERT INTO t VALUES ('abc'), (NULL);
SELECT * FROM t ORDER BY v;
INSERT INTO t VALUES ('too long');
--- insert (any order)
INSERT INTO w (id, n, name, code, low, other) VALUES (100, 1, 'new', 'new code', 'New', 'elsewhere'), (101, 2, DEFAULT, NULL, '', 'x') RETURNING *;
INSERT INTO w SELECT 200 + id, n, name, code, low, other, city FROM p;
INSERT INTO w (id, name, code, low, city) SELECT 300 + id, code, name, other, name::text FROM q RETURNING id, name, code, low, city;
INSERT INTO w (id, name, code) SELECT 400, city, lower(name) FROM p WHERE id = 1 RETURNING name, code;
INSERT INTO w (id, name, code, low) VALUES (500, U&'\00C7a', 12::text, CURRENT_DATE - CURRENT_DATE || 'x') RETURNING name, code, low;
INSERT INTO w (id, name) VALUES (501, 'a'::varchar), (502, 'b'::char(3)), (503, (SELECT max(name) FROM p)) RETURNING id, name;
INSERT INTO w DEFAULT VALUES;
--- insert of a number
INSERT INTO w (id, name) VALUES (100, 5);
--- insert of a number in a query
INSERT INTO w (id, name) SELECT 100, 5;
--- assignment of other types (any order)
INSERT INTO w (id, name, code) VALUES (100, date '2026-01-01', true), (101, false, 1.50), (102, inet '10.0.0.1', cidr '10/8') RETURNING name, code;
INSERT INTO w (id, name, code) SELECT 110 + id, n = 1, n FROM p WHERE id < 4 RETURNING name, code;
INSERT INTO w (id, name, code, low) VALUES (120, 'x'::"char", 'y'::name, '<a/>'::xml), (121, '{1,2}'::int[], '[1]'::jsonb, interval '1 day') RETURNING name, code, low;
UPDATE w SET name = n > 1, code = id, low = now() - now() WHERE id < 10 RETURNING name, code, low;
--- into a column of text (differs: assign)
INSERT INTO w (id, city) SELECT 100, name FROM p WHERE id = 1;
--- into a column of text, updated (differs: assign)
UPDATE w SET city = name;
--- upsert (any order)
INSERT INTO u (id, code, name) VALUES (50, 'Ada', 'second') ON CONFLICT (code) DO NOTHING RETURNING id;
INSERT INTO u (id, code, name) VALUES (51, 'Bob', 'upserted') ON CONFLICT (code) DO UPDATE SET name = excluded.name, low = u.name WHERE u.code = excluded.code RETURNING *;
INSERT INTO u (id, code) SELECT 100 + id, code FROM q ON CONFLICT (code) DO NOTHING;
INSERT INTO u (id, code) SELECT 200 + min(id), code FROM q WHERE code IS NOT NULL GROUP BY code ON CONFLICT (code) DO UPDATE SET n = 99, name = lower(excluded.code);
INSERT INTO u (id, code) VALUES (60, 'fresh'), (1, 'other') ON CONFLICT DO NOTHING RETURNING id, code;
SELECT count(*), sum(n) FROM u;
SELECT id, code, name FROM u WHERE id < 60 ORDER BY id;
--- upsert, twice the same row
INSERT INTO u (id, code) VALUES (70, 'twice'), (71, 'twice') ON CONFLICT (code) DO UPDATE SET n = 1;
--- unique violation
INSERT INTO u (id, code) VALUES (80, 'Ada');
--- unique violation by update
UPDATE u SET code = 'same';
--- upsert on a constraint (differs: on-constraint)
INSERT INTO u (id, code) VALUES (50, 'Ada') ON CONFLICT ON CONSTRAINT u_code_key DO NOTHING;
--- update (any order)
UPDATE w SET name = 'all';
UPDATE w SET name = upper(name), code = name, low = code, other = low WHERE id < 20 RETURNING *;
UPDATE w SET (name, code) = ('row', low), n = length(name) WHERE id = 6 RETURNING name, code, n;
UPDATE w SET (name, low) = (SELECT p.name, p.code FROM p WHERE p.id = w.id) RETURNING id, name, low;
UPDATE w SET name = q.name, city = q.code::text FROM q WHERE q.id = w.id RETURNING w.id, w.name, q.code;
UPDATE w SET name = DEFAULT, code = NULL WHERE low IS NOT NULL;
SELECT * FROM w ORDER BY id;
--- update by an index (any order)
SET LOCAL enable_seqscan = off;
UPDATE u SET name = 'by code' WHERE code = 'Ada' RETURNING id;
UPDATE u SET code = 'recoded' WHERE code IN ('Bob', 'ADA') AND id < 0;
UPDATE p SET code = 'moved' WHERE code = 'Ada';
SELECT id FROM p WHERE code = 'moved' ORDER BY id;
SELECT id FROM p WHERE code = 'Ada' ORDER BY id;
DELETE FROM p WHERE low = 'Ada' OR code IN ('moved');
SELECT count(*) FROM p;
--- delete (any order)
DELETE FROM w WHERE name = 'Ada' RETURNING id, name;
DELETE FROM w USING q WHERE w.name = q.code RETURNING w.id, q.id;
DELETE FROM p WHERE code IN (SELECT code FROM q WHERE n > 3);
SELECT count(*) FROM p;
--- merge
MERGE INTO w USING q ON w.id = q.id WHEN MATCHED AND w.name <> q.name THEN UPDATE SET name = q.name, code = q.low WHEN MATCHED THEN DELETE WHEN NOT MATCHED AND q.code > 'b' THEN INSERT (id, name, code, city) VALUES (q.id, q.code, 'merged', q.name::text) WHEN NOT MATCHED THEN DO NOTHING;
SELECT * FROM w ORDER BY id;
--- merge on the type
MERGE INTO u USING (SELECT code, min(id) AS id, max(name) AS name FROM q GROUP BY code) s ON u.code = s.code WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, code, name) VALUES (1000 + s.id, s.code, s.name);
SELECT * FROM u ORDER BY id;
--- writing in a CTE
WITH gone AS (DELETE FROM w WHERE code > 'm' RETURNING *), put AS (INSERT INTO p (id, name, code) SELECT 1000 + id, name, code FROM gone RETURNING id, name) SELECT * FROM put ORDER BY id;
WITH up AS (UPDATE u SET name = 'cte' WHERE code = 'ada' RETURNING id, name, code) SELECT up.*, q.id FROM up LEFT JOIN q ON q.code = up.code ORDER BY 1, 4;
--- prepared statements
PREPARE a AS SELECT id FROM p WHERE code = $1 ORDER BY id;
EXECUTE a('Ada'); EXECUTE a('Bob'); EXECUTE a(NULL); EXECUTE a('nobody'); EXECUTE a(''); EXECUTE a('ada'); EXECUTE a('ADA');
PREPARE b (text) AS SELECT id FROM p WHERE code = $1 OR low = $1 ORDER BY id;
EXECUTE b('Ada'); EXECUTE b('bob');
PREPARE c (varchar, text[]) AS SELECT id FROM p WHERE code = $1 OR low = ANY ($2) ORDER BY id;
EXECUTE c('Ada', '{bob,Bob}'); EXECUTE c(NULL, NULL); EXECUTE c('Ada', '{}');
PREPARE d AS INSERT INTO w (id, name, code, city) VALUES ($1, $2, $2, $3) RETURNING *;
EXECUTE d(100, 'p', 'c'); EXECUTE d(101, NULL, NULL);
PREPARE e AS UPDATE w SET name = $1 WHERE name = $2 OR code LIKE $3 RETURNING id, name;
EXECUTE e('new', 'Ada', 'b%'); EXECUTE e('', 'new', '');
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'b';
--- prepared statements, generic
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE a AS SELECT id FROM p WHERE code = $1 ORDER BY id;
EXECUTE a('Ada'); EXECUTE a('Bob'); EXECUTE a(NULL);
PREPARE b AS SELECT id FROM p WHERE low IN ($1, $2) OR (code, n) = ($3, $4) ORDER BY id;
EXECUTE b('Ada', 'bob', 'Bob', 1); EXECUTE b(NULL, '', '10', 2);
PREPARE c (text[]) AS SELECT id FROM p WHERE code = ANY ($1) ORDER BY id;
EXECUTE c('{Ada,Bob}'); EXECUTE c('{NULL}'); EXECUTE c(NULL);
PREPARE d AS INSERT INTO u (id, code, name) VALUES ($1, $2, $3) ON CONFLICT (code) DO UPDATE SET name = $3 RETURNING id, name;
EXECUTE d(90, 'Ada', 'again'); EXECUTE d(91, 'brand new', 'x');
PREPARE e AS SELECT x.id, y.id FROM p x JOIN q y ON x.code = y.code WHERE x.low = $1 ORDER BY 1, 2;
EXECUTE e('ada'); EXECUTE e('Ada');
PREPARE f (text) AS SELECT id FROM h WHERE code = $1 UNION ALL SELECT id FROM par WHERE code = $1 ORDER BY id;
EXECUTE f('Ada');
--- cursors
DECLARE c SCROLL CURSOR FOR SELECT id, name FROM p ORDER BY name, id;
FETCH 3 FROM c; MOVE FORWARD 5 IN c; FETCH NEXT FROM c; FETCH PRIOR FROM c; FETCH ABSOLUTE 2 FROM c; FETCH LAST FROM c; FETCH BACKWARD 2 FROM c;
CLOSE c;
DECLARE u CURSOR FOR SELECT * FROM w WHERE name > 'b' FOR UPDATE;
DECLARE b BINARY CURSOR FOR SELECT name FROM p WHERE id = 1;
MOVE 1 IN b;
DECLARE one CURSOR FOR SELECT id, name FROM w WHERE id = 3 FOR UPDATE;
FETCH one;
UPDATE w SET name = 'current' WHERE CURRENT OF one RETURNING id, name;
--- copy out (any order)
COPY p TO STDOUT;
COPY (SELECT * FROM p ORDER BY name, id) TO STDOUT (FORMAT csv, HEADER, NULL 'nothing', FORCE_QUOTE *);
COPY q (name, code) TO STDOUT (DELIMITER '|', NULL '');
--- copy in
COPY w (id, name, code, low, city) FROM STDIN;
100	Ada	Ada	Ada	Ada
101	\N		a\tb	\\x
102	Ça	ends  	\N	x
\.
COPY u (id, code) FROM STDIN (FORMAT csv, NULL 'nothing', FORCE_NOT_NULL (code));
100,"quoted ""value"""
101,
102,nothing
\.
SELECT id, name, code, low, city FROM w WHERE id > 90 ORDER BY id;
SELECT id, code FROM u WHERE id > 90 ORDER BY id;
--- copy in, filtered
COPY w (id, name) FROM STDIN WHERE name <> 'Bob';
200	Bob
201	bob
\.
SELECT id, name FROM w WHERE id >= 200 ORDER BY id;
--- copy in, a duplicate
COPY u (id, code) FROM STDIN;
100	Ada
\.
--- copy in, partitioned
COPY h (id, n, name, code) FROM STDIN;
100	0	zero	Ada
101	2	two	Ada
102	9	nine	\N
\.
SELECT tableoid::regclass::text LIKE 'h%', id, name, code FROM h WHERE id >= 100 OR code = 'Ada' ORDER BY id;
--- triggers that change NEW (any order)
CREATE FUNCTION pg_temp.before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND OLD.name = NEW.name THEN RETURN NULL; END IF;
	IF NEW.name = 'skip' THEN RETURN NULL; END IF;
	NEW.name := upper(NEW.name);
	NEW.code := coalesce(NEW.code, 'by trigger');
	NEW.city := NEW.name::text || NEW.n;
	RETURN NEW;
END $$;
CREATE TRIGGER b BEFORE INSERT OR UPDATE ON w FOR EACH ROW EXECUTE FUNCTION pg_temp.before();
INSERT INTO w (id, n, name) VALUES (100, 1, 'abc'), (101, 2, 'skip'), (102, 3, NULL) RETURNING *;
UPDATE w SET name = 'abc' WHERE id IN (3, 6) RETURNING *;
UPDATE w SET n = 5 RETURNING id;
--- triggers with a condition (any order)
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.city := 'changed'; RETURN NEW; END $$;
CREATE TRIGGER b BEFORE UPDATE OF name, code ON w FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION pg_temp.note();
UPDATE w SET name = name, code = 'x' WHERE id = 3 RETURNING city;
UPDATE w SET name = 'x' WHERE id IN (3, 6, 9) RETURNING city;
--- transition tables
CREATE TABLE audit (op text, old_name {name}, new_name {name}, total text);
CREATE FUNCTION pg_temp.after() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit SELECT TG_OP, o.name, n.name, NULL FROM o FULL JOIN n ON o.id = n.id;
	INSERT INTO audit SELECT 'sum', min(name), max(name), count(*)::text FROM n;
	RETURN NULL;
END $$;
CREATE TRIGGER a AFTER UPDATE ON w REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.after();
UPDATE w SET name = lower(name) WHERE name > 'A';
SELECT * FROM audit ORDER BY 1, 2, 3;
--- a row written by a trigger as JSON (differs: trigger-output)
CREATE FUNCTION pg_temp.js() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.city := to_jsonb(NEW)->>'name'; RETURN NEW; END $$;
CREATE TRIGGER b BEFORE INSERT ON w FOR EACH ROW EXECUTE FUNCTION pg_temp.js();
INSERT INTO w (id, name) VALUES (100, 'in json') RETURNING city;
--- a variable of text in a trigger (differs: trigger-output)
CREATE FUNCTION pg_temp.va() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE t text; BEGIN t := NEW.name; NEW.city := t; RETURN NEW; END $$;
CREATE TRIGGER b BEFORE INSERT ON w FOR EACH ROW EXECUTE FUNCTION pg_temp.va();
INSERT INTO w (id, name) VALUES (100, 'in a variable') RETURNING city;
--- a trigger in place of a view's rule
CREATE VIEW v AS SELECT id, name, upper(name) AS up FROM w;
CREATE FUNCTION pg_temp.instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE w SET name = NEW.name WHERE id = OLD.id AND name IS DISTINCT FROM NEW.name; RETURN NEW; END $$;
CREATE TRIGGER i INSTEAD OF UPDATE ON v FOR EACH ROW EXECUTE FUNCTION pg_temp.instead();
UPDATE v SET name = 'through' WHERE up = 'ADA' RETURNING id, name;
SELECT id, name FROM w WHERE name = 'through' ORDER BY id;
--- rules
CREATE TABLE log (id int, was {name}, is_now {name});
CREATE RULE w_log AS ON UPDATE TO w WHERE OLD.name IS DISTINCT FROM NEW.name DO ALSO INSERT INTO log VALUES (OLD.id, OLD.name, NEW.name);
CREATE RULE w_no AS ON DELETE TO w WHERE OLD.name = 'Ada' DO INSTEAD NOTHING;
UPDATE w SET name = 'ruled' WHERE id < 10;
SELECT * FROM log ORDER BY id;
DELETE FROM w;
SELECT id, name FROM w ORDER BY id;
--- views (any order)
SELECT id, name FROM vw WHERE code = 'Bob' OR name = 'Ada' ORDER BY id;
UPDATE vw SET name = 'seen' WHERE code > 'b' RETURNING id, name;
INSERT INTO vw (id, name, code) VALUES (100, 'fine', 'x') RETURNING *;
DELETE FROM vw WHERE name = 'seen' RETURNING id;
SELECT count(*) FROM w;
SELECT id FROM vu WHERE name = 'Ada' ORDER BY id;
SELECT id FROM vu WHERE code IN ('Ada', 'Bob') ORDER BY id;
CREATE VIEW v2 AS SELECT name, count(*) FROM p GROUP BY name;
SELECT * FROM v2 WHERE name > 'b' ORDER BY name;
CREATE OR REPLACE VIEW v2 AS SELECT name, count(*) FROM p WHERE name <> 'bob' GROUP BY name;
SELECT * FROM v2 WHERE name IN ('bob', 'bobby') ORDER BY name;
--- a view checks what goes in
INSERT INTO vw (id, name) VALUES (100, 'hidden');
--- a view checks what is changed
UPDATE vw SET name = 'hidden' WHERE id = 3;
--- a security barrier view is updatable (any order)
UPDATE vsb SET code = 'barrier', name = 'ada' WHERE code = 'Bob' RETURNING id, name;
SELECT id, code FROM p WHERE code = 'barrier' ORDER BY id;
--- a materialised view
SELECT id, name FROM mv WHERE code = 'Ada' OR name = 'ada' ORDER BY id;
CREATE MATERIALIZED VIEW m2 AS SELECT name, code FROM p WHERE name <> 'Ada';
CREATE INDEX ON m2 (code);
REFRESH MATERIALIZED VIEW m2;
SELECT * FROM m2 WHERE code = 'Bob' ORDER BY 1, 2;
--- row-level security (any order)
SELECT id, name FROM r ORDER BY id;
SELECT id FROM r WHERE code = 'Bob' OR name LIKE 'a%' ORDER BY id;
UPDATE r SET name = 'secure' WHERE code > 'b' RETURNING id;
DELETE FROM r WHERE name = 'secure' RETURNING id;
INSERT INTO r (id, n, name, code) VALUES (100, 1, 'ok', 'ok') RETURNING *;
--- row-level security refuses
INSERT INTO r (id, n, name, code) VALUES (100, 1, 'forbidden', 'ok');
--- partitions (any order)
SELECT id, n, name FROM h WHERE code = 'Ada' AND n IN (0, 2) ORDER BY id;
UPDATE h SET n = n + 1, name = name || '+' WHERE code > 'a' RETURNING id, n, name;
SELECT tableoid::regclass::text ~ 'h[019]', id, n, name FROM h ORDER BY id;
INSERT INTO h (id, n, name, code) SELECT 100 + id, n, code, name FROM q RETURNING id, n, name;
DELETE FROM h WHERE name IN (SELECT name FROM p) RETURNING id;
SELECT x.id, y.id FROM h x JOIN h y ON x.code = y.code AND x.n = y.n AND x.id < y.id ORDER BY 1, 2;
CREATE TABLE h5 (LIKE h INCLUDING ALL);
INSERT INTO h5 (id, n, code) VALUES (1000, 50, 'attached');
ALTER TABLE h ATTACH PARTITION h5 FOR VALUES IN (50);
SELECT id FROM h WHERE code = 'attached';
--- inheritance (any order)
SELECT tableoid::regclass::text LIKE '%child', id, name FROM par;
SELECT id, name FROM ONLY par WHERE name > 'b';
UPDATE par SET name = 'both' WHERE code IN ('Ada', '10') RETURNING id, name;
DELETE FROM par USING q WHERE par.code = q.code AND q.n < 3 RETURNING par.id;
SELECT id, name, code FROM par;
--- tables made and changed
CREATE TABLE t (id serial PRIMARY KEY, v {name} NOT NULL DEFAULT 'dflt', w {code} UNIQUE, n int);
INSERT INTO t (n) VALUES (1), (2) RETURNING *;
INSERT INTO t (v, w) VALUES (DEFAULT, 'a'), ('x', 'b') RETURNING *;
ALTER TABLE t ALTER v SET DEFAULT 'other', ADD COLUMN late {name} DEFAULT 'late', ADD COLUMN txt text DEFAULT 'plain';
INSERT INTO t (w) VALUES ('c') RETURNING *;
ALTER TABLE t ALTER txt TYPE {name};
SELECT * FROM t WHERE txt = 'plain' ORDER BY id;
ALTER TABLE t ALTER v TYPE {code};
CREATE INDEX ON t (v);
SELECT id FROM t WHERE v = 'dflt' ORDER BY id;
ALTER TABLE t RENAME v TO renamed;
SELECT renamed FROM t ORDER BY id;
ALTER TABLE t DROP COLUMN w, DROP COLUMN late;
TABLE t ORDER BY id;
TRUNCATE t;
SELECT count(*) FROM t;
CREATE TABLE alike (LIKE p INCLUDING ALL);
INSERT INTO alike SELECT * FROM p;
SELECT id FROM alike WHERE code = 'Ada' ORDER BY id;
--- back to text
ALTER TABLE w ALTER name TYPE text USING name::text, ALTER low TYPE varchar(50) USING low::varchar;
SELECT id, name, low FROM w WHERE name < 'b' ORDER BY id;
--- back to text without saying how (differs: assign)
ALTER TABLE u ALTER name TYPE text;
--- not null
CREATE TEMP TABLE t (v {name} NOT NULL);
INSERT INTO t VALUES (NULL);
--- not null, added later
ALTER TABLE p ALTER name SET NOT NULL;
--- check constraints
CREATE TABLE t (id int, v {name});
ALTER TABLE t ADD CONSTRAINT c CHECK (v <> 'bad' AND length(v) < 6) NOT VALID;
INSERT INTO t VALUES (1, 'good'), (2, NULL);
TABLE t ORDER BY id;
INSERT INTO t VALUES (3, 'bad');
--- check constraints by update
ALTER TABLE w ADD CHECK (name <> 'bad') NOT VALID;
UPDATE w SET name = 'fine' WHERE id = 3 RETURNING id;
UPDATE w SET name = 'bad' WHERE id = 3;
--- check of null
CREATE TEMP TABLE t (v {name} CHECK (v IS NOT NULL));
INSERT INTO t VALUES (NULL);
--- a check that is validated (differs: check)
CREATE TABLE t (v {name} CHECK (v <> 'bad'));
--- temporary tables and CREATE TABLE AS (any order)
CREATE TEMP TABLE t1 AS SELECT id, name, code, low, city FROM p WHERE name > 'a';
SELECT * FROM t1;
SELECT name, code INTO TEMP t2 FROM q;
SELECT count(*) FROM t1 JOIN t2 ON t1.code = t2.code;
CREATE TEMP TABLE t3 (a, b) AS VALUES (1, 'x'), (2, 'y');
SELECT t3.a FROM t3 JOIN p ON p.name <> t3.b WHERE p.id = 1;
CREATE TEMP TABLE t4 ON COMMIT DROP AS SELECT upper(name) AS up, name::text AS t, count(*) FROM p GROUP BY 1, 2;
SELECT * FROM t4;
--- a table of a query that mixes types (differs: unkeyed)
CREATE TABLE t AS SELECT COALESCE(name, code) AS v FROM p;
--- a table of a query on a view that mixes types (differs: unkeyed)
CREATE TABLE t AS SELECT name FROM vu;
--- a primary key (differs: constraint)
CREATE TABLE t (v {code} PRIMARY KEY);
--- a foreign key (differs: constraint)
CREATE TABLE t (v {code} REFERENCES u (code));
--- an exclusion constraint (differs: constraint)
CREATE TABLE t (v {code}, EXCLUDE (v WITH =));
--- a deferrable constraint (differs: constraint)
CREATE TABLE t (v {code} UNIQUE DEFERRABLE);
--- a partition key (differs: partition-key)
CREATE TABLE t (v {code}) PARTITION BY LIST (v);
--- an index on a column that is not searchable (differs: index)
CREATE INDEX ON p (name);
--- an index on an expression (differs: index-expression)
CREATE INDEX ON p (lower(name));
--- an index with a predicate (differs: index-expression)
CREATE INDEX ON p (id) WHERE name <> 'Ada';
--- a generated column (differs: generated)
CREATE TABLE t (v {name}, g text GENERATED ALWAYS AS (v || '!') STORED);
--- a generated copy
CREATE TABLE t (v {name}, g {name} GENERATED ALWAYS AS (v) STORED, isnull bool GENERATED ALWAYS AS (v IS NULL) STORED);
INSERT INTO t VALUES ('x'), (NULL) RETURNING v, g, isnull;
--- statistics (differs: statistics)
CREATE STATISTICS st ON name, code FROM p;
--- text that looks like a value (differs: armour)
INSERT INTO w (id, name) VALUES (100, 'fieldcrypt:1:');
--- functions
SELECT * FROM by_code('Ada') ORDER BY 1;
SELECT * FROM by_code_pl('Ada') ORDER BY 1;
SELECT id, (SELECT count(*) FROM by_code(p.city)) FROM p ORDER BY id;
SELECT id, is_code(code, city), is_code(code, 'Ada') FROM p ORDER BY id;
SELECT is_code('a', 'a'), is_code('a', 'b');
CREATE FUNCTION pg_temp.f(x {bare}) RETURNS {bare} LANGUAGE sql AS $$ SELECT x $$;
SELECT pg_temp.f(name), pg_temp.f('lit') FROM p ORDER BY id;
CREATE FUNCTION pg_temp.g(OUT a {bare}, OUT b int) RETURNS SETOF record LANGUAGE sql AS $$ SELECT name, id FROM p WHERE name > 'b' $$;
SELECT * FROM pg_temp.g() ORDER BY b;
CREATE FUNCTION pg_temp.t(x text) RETURNS TABLE (id int, name {bare}) LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT p.id, p.name FROM p WHERE p.code = x ORDER BY 1; END $$;
SELECT * FROM pg_temp.t('Ada');
CREATE FUNCTION pg_temp.poly(anyelement, anyarray) RETURNS anyelement LANGUAGE sql AS $$ SELECT COALESCE($1, $2[1]) $$;
SELECT pg_temp.poly(name, tags) FROM p ORDER BY id;
--- PL/pgSQL
CREATE FUNCTION pg_temp.f() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	r p%ROWTYPE; v p.name%TYPE; t text; a text[]; c CURSOR (k text) FOR SELECT name FROM p WHERE code = k ORDER BY id; rec record;
BEGIN
	SELECT * INTO r FROM p WHERE id = 1; RETURN NEXT r.name;
	SELECT name INTO v FROM p WHERE id = 2; RETURN NEXT v;
	v := 'assigned'; RETURN NEXT v;
	t := r.name; RETURN NEXT t;
	SELECT name INTO t FROM p WHERE id = 3; RETURN NEXT t;
	r.name := 'field'; RETURN NEXT r.name || '!';
	FOR rec IN SELECT id, name FROM p WHERE name > 'b' ORDER BY name, id LIMIT 3 LOOP RETURN NEXT rec.name; END LOOP;
	OPEN c('Ada'); FETCH c INTO v; CLOSE c; RETURN NEXT v;
	EXECUTE 'SELECT name FROM p WHERE code = $1 ORDER BY id LIMIT 1' INTO v USING 'Bob'; RETURN NEXT v;
	EXECUTE format('SELECT name FROM p WHERE code = %L ORDER BY id LIMIT 1', v) INTO v; RETURN NEXT COALESCE(v, 'nothing');
	SELECT array_agg(name::text ORDER BY id) INTO a FROM p WHERE id < 4; RETURN NEXT a[2];
	IF r.code = 'Ada' OR r.code IN ('x', 'y') THEN RETURN NEXT 'yes'; ELSE RETURN NEXT 'no'; END IF;
	CASE r.name WHEN 'field' THEN RETURN NEXT 'case'; ELSE RETURN NEXT 'else'; END CASE;
	UPDATE w SET name = r.name WHERE id = 3 RETURNING name INTO v; RETURN NEXT v;
	INSERT INTO w (id, name, code) VALUES (100, t, v) RETURNING code INTO t; RETURN NEXT t;
	FOREACH v IN ARRAY ARRAY['x', 'y'] LOOP RETURN NEXT v; END LOOP;
	BEGIN INSERT INTO u (id, code) VALUES (99, 'Ada'); EXCEPTION WHEN unique_violation THEN RETURN NEXT 'violation'; END;
END $$;
SELECT * FROM pg_temp.f();
--- PL/pgSQL loops over an array
CREATE FUNCTION pg_temp.f() RETURNS SETOF text LANGUAGE plpgsql AS $$ DECLARE a p.tags%TYPE; v text; r record; BEGIN SELECT tags INTO a FROM p WHERE id = 3; FOREACH v IN ARRAY a LOOP RETURN NEXT v; END LOOP; FOR r IN SELECT unnest(a) AS e LOOP RETURN NEXT r.e; END LOOP; END $$;
SELECT * FROM pg_temp.f();
--- a procedure
CREATE PROCEDURE pg_temp.put(i int, v text, INOUT n int) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO w (id, name) VALUES (i, v); SELECT count(*) INTO n FROM w WHERE name = v; END $$;
CALL pg_temp.put(100, 'called', 0);
--- values out of line (any order)
SELECT id, length(name), md5(code), left(name, 5), right(code, 5) FROM big;
SELECT x.id, y.id FROM big x JOIN big y ON x.name = y.name;
SELECT id FROM big WHERE name LIKE '%AdaAda%' OR code = repeat('bob', 2500);
UPDATE big SET name = name || 'tail' WHERE id < 5 RETURNING length(name);
UPDATE big SET id = id + 100 WHERE id > 15 RETURNING length(name), length(code);
SELECT count(DISTINCT name), max(length(code)) FROM big;
--- locking clauses
SELECT id, name FROM w WHERE name > 'b' ORDER BY id FOR UPDATE;
SELECT id FROM w WHERE code = 'Ada' ORDER BY id FOR SHARE SKIP LOCKED;
SELECT id, name FROM w TABLESAMPLE BERNOULLI (100) WHERE name = 'Ada' ORDER BY id;
--- errors are the same
SELECT nothing FROM p;
--- errors in expressions
SELECT name + 1 FROM p;
--- a regular expression that is wrong
SELECT id FROM p WHERE name ~ '(';
--- a pattern that is wrong
SELECT id FROM p WHERE name LIKE 'a\';
--- division of a length
SELECT 1 / (length(name) - 3) FROM p WHERE name = 'Ada';
--- a comparison with a number
SELECT id FROM p WHERE name = 5;
--- a comparison with a boolean
SELECT id FROM p WHERE name = true;
--- a name that is too long for its type
SELECT name::varchar(2), name::char(1) FROM p ORDER BY id;
--- parallel
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL enable_indexscan = off;
SELECT count(*), min(name), max(code), count(DISTINCT low) FROM p WHERE name <> 'Ada';
SELECT name, count(*) FROM p GROUP BY name ORDER BY name;
SELECT x.id, y.id FROM p x JOIN q y ON x.code = y.code WHERE x.low > 'a' ORDER BY 1, 2;
SELECT id FROM p WHERE code IN ('Ada', 'Bob') ORDER BY id;
--- XML and JSON of a table
SELECT jsonb_agg(to_jsonb(q) ORDER BY id) FROM q;
SELECT * FROM json_populate_recordset(NULL::q, '[{"id": 1, "name": "from json", "code": "x"}, {"id": 2}]');
INSERT INTO w SELECT * FROM jsonb_populate_record(NULL::w, '{"id": 100, "name": "from json", "code": "y"}') RETURNING *;
--- several statements see their own writes
INSERT INTO p (id, code, low) VALUES (100, 'mine', 'Mine'), (101, 'mine', 'MINE');
SELECT id FROM p WHERE code = 'mine' ORDER BY id;
SELECT id FROM p WHERE lower(low) = 'mine' ORDER BY id;
SAVEPOINT s;
UPDATE p SET code = 'yours' WHERE code = 'mine';
SELECT id FROM p WHERE code = 'yours' ORDER BY id;
ROLLBACK TO s;
SELECT id FROM p WHERE code = 'mine' ORDER BY id;
--- unique in other forms (any order)
CREATE TABLE t (id int, n int, v {code}, w {code}, x {low}, CONSTRAINT t_key UNIQUE (n, v), UNIQUE NULLS NOT DISTINCT (w), UNIQUE (id) INCLUDE (v));
INSERT INTO t VALUES (1, 1, 'a', NULL), (2, 2, 'a', 'x') RETURNING *;
INSERT INTO t VALUES (3, 1, 'a', 'y') ON CONFLICT (n, v) DO UPDATE SET x = excluded.w RETURNING *;
INSERT INTO t VALUES (4, 4, 'd', NULL) ON CONFLICT (w) DO UPDATE SET v = 'null again' RETURNING *;
INSERT INTO t VALUES (5, 1, NULL, 'z'), (6, 1, NULL, 'zz') ON CONFLICT (n, v) DO NOTHING RETURNING *;
CREATE UNIQUE INDEX t_part ON t (v) WHERE id > 100;
INSERT INTO t VALUES (101, 101, 'p', 'p'), (102, 102, 'P', 'q');
INSERT INTO t VALUES (103, 103, 'p', 'r') ON CONFLICT (v) WHERE id > 100 DO UPDATE SET x = 'partial' RETURNING *;
ALTER TABLE t DROP CONSTRAINT t_key, ADD CONSTRAINT t_again UNIQUE (v, w);
INSERT INTO t VALUES (104, 104, 'p', 'p') ON CONFLICT (v, w) DO NOTHING RETURNING id;
ALTER TABLE t ADD COLUMN late {code} UNIQUE;
INSERT INTO t (id, late) VALUES (200, 'late') ON CONFLICT (late) DO NOTHING RETURNING id, late;
INSERT INTO t (id, late) VALUES (201, 'late') ON CONFLICT (late) DO NOTHING RETURNING id, late;
TABLE t;
--- unique, two columns violated
CREATE TABLE t (id int, v {code}, UNIQUE (id, v));
INSERT INTO t VALUES (1, 'a'), (1, 'b'), (1, NULL), (1, NULL), (1, 'a');
--- unique, made on what is not
INSERT INTO w (id, code) VALUES (100, 'dup'), (101, 'dup');
CREATE UNIQUE INDEX ON w (code);
--- upsert where no index is
INSERT INTO u (id, name) VALUES (100, 'x') ON CONFLICT (name) DO NOTHING;
--- upsert into a partitioned table
CREATE TABLE t (id int, v {code}, n int, UNIQUE (n, v)) PARTITION BY LIST (n);
CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
CREATE TABLE t2 PARTITION OF t DEFAULT;
INSERT INTO t VALUES (1, 'a', 1), (2, 'a', 2), (3, 'b', 3);
INSERT INTO t VALUES (4, 'a', 1), (5, 'b', 3), (6, 'c', 1) ON CONFLICT (n, v) DO UPDATE SET id = excluded.id * 10;
SELECT * FROM t ORDER BY n, v;
SELECT id FROM t WHERE v = 'a' AND n = 1;
--- other indexes
CREATE INDEX i1 ON w (code DESC NULLS LAST, n);
CREATE INDEX i2 ON w USING hash (code);
CREATE INDEX i3 ON w (n) INCLUDE (id);
REINDEX TABLE w;
CLUSTER w USING w_pkey;
SET LOCAL enable_seqscan = off;
SELECT id FROM w WHERE code = 'ada' ORDER BY id;
SELECT id FROM w WHERE code IS NULL OR code = 'zebra' ORDER BY id;
SELECT id FROM w WHERE code = ANY (ARRAY['ada', NULL, 'zebra']) AND n > 0 ORDER BY id;
--- equality with expressions (any order)
SELECT id FROM p WHERE code = name OR code = lower(name) OR code = city || '' OR code = COALESCE(low::text, 'x');
SELECT id FROM p WHERE code = 'Ada' COLLATE "C" OR code = 'Bob' COLLATE "en-x-icu" OR code COLLATE "tr-x-icu" = 'ada';
SELECT id FROM p WHERE code = ANY (string_to_array('Ada,Bob', ',')) OR code IN (SELECT unnest(tags) FROM p) OR code = ANY (tags);
SELECT id FROM p WHERE NOT code = 'Ada' AND NOT (code IN ('Bob', 'bob')) AND (code = 'ADA') IS NOT TRUE;
SELECT id FROM p WHERE (code = 'Ada') = (low = 'ada');
SELECT id, code = 'Ada', code IN ('Ada', 'Bob'), low = ANY ('{Ada,ada}') FROM p;
SELECT id FROM p WHERE code = current_user OR code = 'Ada'::name OR code = 'Ada  '::char(5) OR code = format('%s', 'Bob');
SELECT count(*) FILTER (WHERE code = 'Ada'), sum(CASE WHEN code = 'Bob' THEN 1 ELSE 0 END) FROM p;
SELECT x.id, y.id FROM p x JOIN q y ON (x.code = y.code) IS TRUE;
SELECT x.id, y.id FROM p x LEFT JOIN q y ON x.code = y.code AND y.low = 'ada' WHERE y.code IS NULL OR y.code = 'Ada';
SELECT x.id, y.o, y.e FROM p x, unnest(x.tags) WITH ORDINALITY y (e, o) WHERE y.e = x.name OR y.e > 'b';
SELECT id FROM p WHERE code = (SELECT q.code FROM q WHERE q.id = p.id) AND EXISTS (SELECT FROM w WHERE w.code = p.low OR w.low = p.low);
SELECT id FROM p WHERE (code, name) = ANY (SELECT code, low FROM q) OR (code, low) <> ALL (SELECT 'Ada', 'bob');
--- ordering by operator and window frames
SELECT id FROM p ORDER BY name USING >, id;
SELECT id, count(*) OVER (ORDER BY name RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING), count(*) OVER (ORDER BY name GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES) FROM p ORDER BY id;
SELECT ntile(3) OVER (ORDER BY name, id), percent_rank() OVER (ORDER BY code) FROM p ORDER BY id;
--- a frame that text has not
SELECT count(*) OVER (ORDER BY name RANGE BETWEEN 'a' PRECEDING AND CURRENT ROW) FROM p;
--- an aggregate that text has not
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY name) FROM p;
--- one column grouped twice (any order)
SELECT a, b, grouping(a, b), count(*) FROM (SELECT code AS a, code AS b FROM p) s GROUP BY CUBE (a, b) ORDER BY 1, 2, 3;
SELECT a, b, max(a) OVER (PARTITION BY b) FROM (SELECT name AS a, name AS b FROM p) s GROUP BY GROUPING SETS ((a), (b)) ORDER BY 1, 2, 3;
SELECT DISTINCT a, grouping(a) FROM (SELECT name AS a FROM p) s GROUP BY GROUPING SETS ((a), (a), ()) ORDER BY 1, 2 LIMIT 9;
SELECT name AS x, upper(name) AS y, count(*) FROM p GROUP BY ROLLUP (name) HAVING count(*) > 0 ORDER BY name LIMIT 7;
SELECT min(tags), max(tags), array_agg(tags[1] ORDER BY id) FROM p;
--- JSON and XML of values
SELECT jsonb_build_object(name, code), json_object_agg(name, n) OVER (PARTITION BY id) FROM p WHERE name IS NOT NULL ORDER BY id;
SELECT xmlelement(NAME e, xmlattributes(code AS a), name), xmlforest(low, city) FROM p WHERE name <> E'tab\there' ORDER BY id;
SELECT jsonb_path_exists(to_jsonb(p), '$.name ? (@ == "Ada")') FROM p ORDER BY id;
--- a column's privileges, comments, renaming
GRANT SELECT (id, name) ON w TO PUBLIC;
COMMENT ON COLUMN w.name IS 'a comment';
ALTER TABLE w RENAME COLUMN name TO renamed;
SELECT id, renamed FROM vw JOIN w USING (id) WHERE renamed = vw.name ORDER BY id;
--- set operations that are stored (any order)
INSERT INTO w (id, name) SELECT 100, 'a' UNION SELECT 101, 'b' UNION ALL SELECT 102, NULL RETURNING id, name;
INSERT INTO w (id, name) SELECT 200 + id, name FROM p WHERE n = 1 UNION ALL SELECT 300 + id, name FROM q WHERE n = 2 RETURNING id, name;
INSERT INTO w (id, name) VALUES (400, 'first'), (401, (SELECT city FROM p WHERE id = 1)), (402, NULL), (403, lower('X')) RETURNING id, name;
INSERT INTO w (id, name, code) SELECT 500 + n, max(name), min(code) FROM p GROUP BY n RETURNING id, name, code;
INSERT INTO w (id, name) SELECT DISTINCT ON (city) 600 + id, city FROM q ORDER BY city, id RETURNING id, name;
--- functions in DEFAULT and in CHECK
CREATE TABLE t (id int, v {name} DEFAULT upper('dflt'), w {code} DEFAULT 'x' || 'y', c text DEFAULT 'z');
INSERT INTO t (id) VALUES (1) RETURNING *;
INSERT INTO t VALUES (2, DEFAULT, DEFAULT, DEFAULT) RETURNING *;
--- MERGE with constants and parameters
PREPARE m (int, text) AS MERGE INTO w USING (SELECT $1 AS id, $2 AS v) s ON w.id = s.id AND w.code = s.v WHEN MATCHED THEN UPDATE SET name = s.v WHEN NOT MATCHED THEN INSERT (id, code, name) VALUES (s.id + 500, s.v, s.v);
EXECUTE m(3, 'Istanbul'); EXECUTE m(6, 'nothing');
SELECT id, name, code FROM w ORDER BY id;
--- cursors of PL/pgSQL
CREATE FUNCTION pg_temp.f() RETURNS refcursor LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'mine'; BEGIN OPEN c FOR SELECT id, name FROM p ORDER BY name, id; RETURN c; END $$;
SELECT pg_temp.f();
FETCH 5 FROM mine;
--- a cursor of the client, in PL/pgSQL (differs: client-cursor)
DECLARE c CURSOR FOR SELECT name FROM p ORDER BY id;
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'c'; v text; BEGIN FETCH c INTO v; RETURN v; END $$;
SELECT pg_temp.f();
--- a table of what EXECUTE gives (differs: as-execute)
PREPARE s AS SELECT name FROM p;
CREATE TEMP TABLE t AS EXECUTE s;
--- a function that returns text (differs: returns)
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS $$ SELECT name FROM p ORDER BY id LIMIT 1 $$;
--- text search without the function (differs: pattern)
SELECT id FROM p WHERE name @@ 'ada';
