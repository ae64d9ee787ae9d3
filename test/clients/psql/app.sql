-- psql: statements as they are typed, PREPARE for parameters, COPY.
-- Variables: type, searchable.
\pset null '<null>'
\pset fieldsep |
\pset recordsep ' ; '
\set ON_ERROR_STOP off

\echo -n 'migration: '
CREATE TABLE person (id integer PRIMARY KEY, email :searchable NOT NULL UNIQUE, name :type NOT NULL, city text);
ALTER TABLE person ADD COLUMN note :type;
SELECT count(*) FROM person;

\echo -n 'insert with bind parameters: '
PREPARE person_insert AS INSERT INTO person (id, email, name, note, city) VALUES ($1, $2, $3, $4, $5)
    RETURNING id, email, name, note;
EXECUTE person_insert (1, 'ada@example.org', 'Ada Lovelace', 'first', 'London');

\echo -n 'NULL and empty string: '
INSERT INTO person (id, email, name, note, city) VALUES
    (2, 'null@example.org', 'Nobody', NULL, NULL), (3, 'empty@example.org', 'Somebody', '', '');
SELECT id, note FROM person WHERE id IN (2, 3) ORDER BY id;

\echo -n 'IS NULL: '
SELECT id FROM person WHERE note IS NULL;

\echo -n 'equality with the empty string: '
SELECT id FROM person WHERE note = '';

\echo -n 'non-ASCII text: '
EXECUTE person_insert (4, 'zoë@example.org', 'Zoë Müller 😀', 'Ωμέγα 日本語', 'Köln');

\echo -n 'equality with non-ASCII text: '
SELECT id FROM person WHERE email = 'zoë@example.org' AND note = 'Ωμέγα 日本語';

\echo -n 'bulk insert: '
INSERT INTO person
SELECT 100 + i, 'user' || i || '@example.org', 'Name ' || lpad(i::text, 3, '0'), 'bulk', NULL
  FROM generate_series(1, 100) AS i;
SELECT count(*) FROM person WHERE id > 100;

\echo -n 'equality: '
SELECT id, name FROM person WHERE email = 'user7@example.org';

\echo -n 'equality without a match: '
PREPARE person_count AS SELECT count(*) FROM person WHERE email = $1;
EXECUTE person_count ('nobody@example.org');

\echo -n 'IN list: '
SELECT id FROM person
 WHERE email IN ('user1@example.org', 'user2@example.org', 'user3@example.org', 'nobody@example.org') ORDER BY id;

\echo -n 'LIKE: '
SELECT count(*) FROM person WHERE name LIKE 'Name 09%';

\echo -n 'ORDER BY: '
SELECT name FROM person WHERE id > 100 ORDER BY name DESC LIMIT 3;

\echo -n 'aggregates: '
SELECT count(DISTINCT name), min(name), max(name) FROM person WHERE id > 100;

\echo -n 'text functions: '
SELECT upper(name), length(name) FROM person WHERE email = 'ada@example.org';

\echo -n 'unique: '
INSERT INTO person VALUES (5, 'ada@example.org', 'Ada Lovelace', 'London', 'first');
\echo :LAST_ERROR_SQLSTATE

\echo -n 'upsert: '
INSERT INTO person VALUES (5, 'ada@example.org', 'Ada King', NULL, NULL)
    ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name;
SELECT id, name FROM person WHERE email = 'ada@example.org';

UPDATE person SET note = 'changed' WHERE email = 'ada@example.org';
\echo -n update: :ROW_COUNT|
SELECT note FROM person WHERE id = 1;

BEGIN;
INSERT INTO person VALUES (900, 'rollback@example.org', 'Rolled back', NULL, NULL);
UPDATE person SET note = 'rolled back' WHERE id = 1;
SELECT count(*) AS inside FROM person WHERE email = 'rollback@example.org' \gset
ROLLBACK;
SELECT count(*) AS after FROM person WHERE email = 'rollback@example.org' \gset
\echo rollback: :inside, then :after

BEGIN;
INSERT INTO person VALUES (901, 'commit@example.org', 'Committed', NULL, 'kept');
COMMIT;
\echo -n 'commit: '
SELECT count(*) FROM person WHERE email = 'commit@example.org' AND note = 'kept';

DELETE FROM person WHERE email = 'user100@example.org';
\echo -n delete: :ROW_COUNT', then '
SELECT count(*) FROM person WHERE id = 200;

\echo -n 'COPY in: '
COPY person FROM STDIN (FORMAT csv);
300,copy300@example.org,Größe,,
301,copy301@example.org,"Gr, ""öße""","",""
\.
SELECT id, email, name, note FROM person WHERE id >= 300 AND id < 302 ORDER BY id;

\echo -n 'COPY out: '
COPY (SELECT id, email, note FROM person WHERE id = 301) TO STDOUT (FORMAT csv);

\echo -n 'COPY out of the table: '
\copy person TO PROGRAM 'grep -c example.org'

\echo -n 'LIMIT and OFFSET, a subquery, a CTE: '
WITH p AS (SELECT name FROM person WHERE id > 100 ORDER BY name LIMIT 2 OFFSET 1)
SELECT (SELECT name FROM person WHERE id = 1), name FROM p;
