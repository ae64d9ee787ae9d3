--
-- What psql, as a client, is told of a statement's columns: text, unless
-- fieldcrypt.describe_as says native.  test/t/040_wire.pl has the protocol.
--
CREATE TABLE wire (id int, name encrypted_text('pii'), code encrypted_text('pii', 'searchable'), tags encrypted_text('pii')[]);
CREATE DOMAIN wire_code AS encrypted_text('pii');
CREATE TABLE wire_domains (code wire_code);
GRANT ALL ON wire, wire_domains TO regress_fc_app, regress_fc_other;
SET ROLE regress_fc_app;
INSERT INTO wire VALUES (1, 'Ada', 'A', ARRAY['x', 'y']::text[]), (2, 'Bob', 'B', NULL), (3, 'Ada', 'C', NULL);
INSERT INTO wire_domains VALUES ('A');

SELECT * FROM wire \gdesc
SELECT code FROM wire_domains \gdesc
SELECT w AS whole_row, pg_typeof(name) FROM wire w LIMIT 1 \gdesc
SELECT pg_typeof(name), pg_typeof(tags) FROM wire WHERE id = 1;

-- sorted, grouped, distinct, combined
SELECT name, tags FROM wire ORDER BY name DESC, id;
SELECT name, count(*) FROM wire GROUP BY name ORDER BY name;
SELECT name, count(*), grouping(name) FROM wire GROUP BY CUBE (name) ORDER BY grouping(name), name;
SELECT upper(name::text)::encrypted_text('pii') AS loud, count(*) FROM wire GROUP BY name ORDER BY 2 \gdesc
SELECT name, row_number() OVER (PARTITION BY name ORDER BY id) FROM wire ORDER BY name, 2;
SELECT DISTINCT name FROM wire ORDER BY name \gdesc
SELECT DISTINCT name FROM wire ORDER BY name;
SELECT DISTINCT ON (name) name, id FROM wire ORDER BY name, id DESC;
SELECT name FROM wire UNION SELECT code FROM wire ORDER BY 1 DESC;
SELECT name FROM wire UNION ALL SELECT code FROM wire ORDER BY name LIMIT 3 \gdesc
SELECT name FROM wire INTERSECT SELECT name FROM wire WHERE id > 1 ORDER BY name;
SELECT name, id FROM wire ORDER BY name FETCH FIRST 1 ROW WITH TIES;
SELECT name, generate_series(1, 2) FROM wire WHERE id = 2 ORDER BY 2;
SELECT name FROM wire ORDER BY id FOR UPDATE;
VALUES ('x'::encrypted_text), (NULL) \gdesc
SELECT coalesce(name, 'none') FROM wire WHERE id = 2;

-- RETURNING, and WITH, which stays at the top of the statement
UPDATE wire SET name = 'Zoe' WHERE id = 2 RETURNING name, tags \gdesc
UPDATE wire SET name = 'Zoe' WHERE id = 2 RETURNING name, tags;
INSERT INTO wire (id, name) VALUES (4, 'Eve') RETURNING *;
DELETE FROM wire WHERE id = 4 RETURNING name;
WITH u AS (UPDATE wire SET id = id RETURNING id, name), v AS (SELECT * FROM u WHERE id < 3)
SELECT name FROM u WHERE EXISTS (SELECT FROM v) UNION SELECT name FROM (WITH u AS (SELECT code AS name FROM wire) SELECT name FROM u) x ORDER BY 1;
WITH RECURSIVE r AS (SELECT id, name FROM wire WHERE id = 1 UNION ALL SELECT w.id, w.name FROM r JOIN wire w ON w.id = r.id + 1)
SELECT DISTINCT name FROM r ORDER BY name;

-- parameters
SELECT name FROM wire WHERE code = $1 \gdesc
PREPARE by_code AS SELECT name FROM wire WHERE code = $1 ORDER BY name;
EXECUTE by_code('B');
EXECUTE by_code('A') \gdesc

-- views over it, updated
CREATE VIEW pg_temp.wire_view AS SELECT id, name FROM wire;
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'wire_view'::regclass ORDER BY attnum;
UPDATE wire_view SET name = 'Max' WHERE id = 3 RETURNING name;

-- cursors
BEGIN;
DECLARE c CURSOR FOR SELECT name FROM wire ORDER BY id FOR UPDATE;
FETCH c \gdesc
FETCH c;
UPDATE wire SET name = 'Ann' WHERE CURRENT OF c RETURNING name;
DECLARE s SCROLL CURSOR WITH HOLD FOR SELECT DISTINCT name FROM wire ORDER BY name;
COMMIT;
FETCH LAST FROM s;
FETCH ABSOLUTE 1 FROM s;
CLOSE s;

-- what is stored, or stays in the server, has the type
CREATE TEMP TABLE wire_made AS SELECT DISTINCT name, tags FROM wire;
SELECT name INTO TEMP wire_into FROM wire;
SELECT attrelid::regclass, attname, format_type(atttypid, NULL) FROM pg_attribute
 WHERE attrelid IN ('wire_made'::regclass, 'wire_into'::regclass) AND attnum > 0 ORDER BY 1, 2;
CREATE TEMP TABLE wire_executed AS EXECUTE by_code('B');
EXPLAIN (VERBOSE, COSTS OFF) SELECT name FROM wire;
-- one column grouped twice
SELECT a, b, grouping(a, b) FROM (SELECT name AS a, name AS b FROM wire WHERE id = 1) w GROUP BY ROLLUP (a, b) ORDER BY 3;
SET fieldcrypt.describe_as = 'native';
SELECT name, tags FROM wire \gdesc
SELECT DISTINCT name FROM wire ORDER BY name;
PREPARE natively AS SELECT name FROM wire WHERE code = $1;
CREATE TEMP TABLE wire_executed AS EXECUTE natively('B');
EXECUTE by_code('B') \gdesc
RESET fieldcrypt.describe_as;
SELECT name FROM wire_executed;

-- nobody makes a value of the domain
SELECT 'x'::fieldcrypt.wire_text;
CREATE TABLE pg_temp.wire_kept (c fieldcrypt.wire_text);

SELECT 'x'::fieldcrypt.wire_value;
CREATE TABLE pg_temp.wire_kept (c fieldcrypt.wire_value);

-- a long value, out of line; nulls
CREATE TEMP TABLE wire_long (id int, note encrypted_text('pii'));
INSERT INTO wire_long VALUES (1, repeat('long ', 2000)), (2, NULL), (3, repeat('gone ', 2000));
SELECT note = repeat('long ', 2000) AS known FROM wire_long WHERE id = 1 \gset
SELECT note FROM wire_long WHERE id = 1 \gset
DELETE FROM wire_long WHERE id = 3 RETURNING note AS gone \gset
SELECT :'known' AS known, :'note' = repeat('long ', 2000) AS read, :'gone' = repeat('gone ', 2000) AS returned;
SELECT note FROM wire_long WHERE id = 2;

-- whoever fetches in the server what is on its way to the client gets armour,
-- and literals as their text
CREATE FUNCTION pg_temp.fetched(cursor_name refcursor) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	value text;
BEGIN
	LOOP
		FETCH cursor_name INTO value;
		EXIT WHEN NOT FOUND;
		RETURN NEXT left(value, 13);
	END LOOP;
END $$;
CREATE FUNCTION pg_temp.executed(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN EXECUTE statement LOOP
		RETURN NEXT left(r.name, 13);
	END LOOP;
END $$;
BEGIN;
DECLARE plain SCROLL CURSOR FOR SELECT name FROM wire ORDER BY id;
DECLARE mixed CURSOR FOR SELECT coalesce(nullif(name, 'Ann'), 'none') FROM wire ORDER BY id;
DECLARE held CURSOR WITH HOLD FOR SELECT code FROM wire ORDER BY id;
DECLARE sorted CURSOR FOR SELECT name FROM wire ORDER BY name;
MOVE 1 IN plain;
SELECT * FROM pg_temp.fetched('plain');
FETCH ABSOLUTE 1 IN plain;
SELECT * FROM pg_temp.fetched('mixed');
SELECT * FROM pg_temp.fetched('sorted');
FETCH held;
COMMIT;
SELECT * FROM pg_temp.fetched('held');
FETCH FIRST IN held;
CLOSE held;
-- row by row, with nothing left of each
BEGIN;
DECLARE many CURSOR FOR SELECT name FROM wire, generate_series(1, 4000);
SELECT count(*) > 10000 AS many FROM pg_temp.fetched('many');
RESET ROLE;
SELECT sum(used_bytes) < 500000 AS little FROM pg_backend_memory_contexts WHERE name = 'ExecutorState';
COMMIT;
SET ROLE regress_fc_app;
PREPARE by_id AS SELECT name FROM wire WHERE id = $1;
EXECUTE by_id(2);
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE by_id(2);
SELECT * FROM pg_temp.executed('EXECUTE by_id(2)');
SELECT 1 AS one \; UPDATE wire SET id = id WHERE id = 2 RETURNING name \; EXECUTE by_id(1);

-- who gets armour, and when
SET fieldcrypt.output = 'ciphertext';
SELECT name FROM wire WHERE id = 1 \gset
SELECT left(:'name', 13) AS armour, length(:'name');
RESET fieldcrypt.output;

-- parallel workers hand values on
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET enable_hashjoin = off;
SELECT name FROM wire WHERE id < 3 ORDER BY id;
SELECT name AS a, name AS b FROM wire ORDER BY name;
SELECT w.name FROM wire w JOIN wire v ON v.name = w.name AND v.id = w.id ORDER BY v.name;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET enable_hashjoin;

-- a column that was tampered with: damaged, a literal, and one that looks like
-- the text of a literal
RESET ROLE;
CREATE TABLE wire_damaged (id int, name bytea);
INSERT INTO wire_damaged VALUES (1, '\x0300666768'), (2, '\x000061'), (3, 'text'), (4, 'fieldcrypt:1:text'), (5, '');
GRANT SELECT ON wire_damaged TO regress_fc_app;
UPDATE pg_attribute SET (atttypid, atttypmod, attcollation) =
       (SELECT atttypid, atttypmod, attcollation FROM pg_attribute WHERE attrelid = 'wire'::regclass AND attname = 'name')
 WHERE attrelid = 'wire_damaged'::regclass AND attname = 'name';
SET ROLE regress_fc_app;
SELECT name FROM wire_damaged WHERE id = 1;
SELECT name FROM wire_damaged WHERE id = 2;
SELECT name FROM wire_damaged WHERE id = 3;
SELECT name FROM wire_damaged WHERE id = 4;
SELECT name FROM wire_damaged WHERE id = 5;
BEGIN;
DECLARE c CURSOR FOR SELECT name FROM wire_damaged WHERE id IN (1, 2) ORDER BY id DESC;
FETCH c;
FETCH c;
ROLLBACK;

-- who may not read
RESET ROLE;
SET ROLE regress_fc_other;
SET fieldcrypt.on_denied = 'error';
SELECT name FROM wire;
SELECT DISTINCT tags FROM wire WHERE id = 1;
UPDATE wire SET id = id RETURNING name;
SET fieldcrypt.on_denied = 'null';
SELECT name, tags FROM wire WHERE id = 1;
RESET fieldcrypt.on_denied;
RESET ROLE;
DEALLOCATE ALL;
DROP VIEW wire_view;
DROP TABLE wire_made, wire_into, wire_executed, wire, wire_domains, wire_long, wire_damaged;
DROP DOMAIN wire_code;
