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
DROP TABLE wire_made, wire_into, wire_executed, wire, wire_domains;
DROP DOMAIN wire_code;
