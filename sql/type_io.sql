--
-- Input and output of the type: literals, encryption on the way in, what
-- readers with and without the privilege get, arrays, records, domains.
--
CREATE ROLE regress_fc_io_nobody;
CREATE ROLE regress_fc_io_writer;
-- the tests run as a superuser, and SET ROLE lends nothing that he does not hold
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
SELECT fieldcrypt.grant_key('card', current_user::text, 'decrypt');
SELECT fieldcrypt.grant_key('pii', 'regress_fc_io_writer', 'encrypt');

CREATE TABLE io (id int, name encrypted_text('pii'), ssn encrypted_text('pii', 'searchable'));
GRANT SELECT, INSERT ON io TO regress_fc_app, regress_fc_io_nobody, regress_fc_io_writer;

-- a literal is text: it needs no key and prints as it was written
SELECT 'Ada'::encrypted_text AS literal, ''::encrypted_text AS empty, NULL::encrypted_text IS NULL AS isnull;
SET ROLE regress_fc_io_nobody;
SELECT 'Ada'::encrypted_text AS literal;
RESET ROLE;

-- in
INSERT INTO io VALUES (1, 'Ada Lovelace', '078-05-1120'), (2, '', ''), (3, NULL, NULL);
COPY io (id, ssn, name) FROM stdin;
4	219-09-9999	Grace Hopper
5		\N
\.
PREPARE io_insert(int, encrypted_text) AS INSERT INTO io VALUES ($1, $2);
EXECUTE io_insert(6, 'Mary Somerville');
DEALLOCATE io_insert;

-- out
SET ROLE regress_fc_app;
SELECT * FROM io ORDER BY id;
COPY (SELECT * FROM io ORDER BY id) TO stdout;
COPY (SELECT * FROM io ORDER BY id) TO stdout WITH CSV;
SELECT to_json(io) FROM io ORDER BY id LIMIT 1;
SELECT io FROM io ORDER BY id LIMIT 1;
SELECT array_agg(name ORDER BY id) FROM io;
RESET ROLE;

-- what is stored is not the text
SET fieldcrypt.output = 'ciphertext';
SELECT count(*) AS armoured FROM io WHERE format('%s', name) LIKE 'fieldcrypt:1:%';
SELECT count(DISTINCT format('%s', name)) = count(name) AS all_differ FROM io WHERE name IS NOT NULL;
SELECT 'Ada'::encrypted_text AS literals_are_no_ciphertext;
SELECT name::text AS an_explicit_cast_decrypts FROM io WHERE id = 1;
RESET fieldcrypt.output;

-- every row gets its own data key
UPDATE io SET name = 'same';
SET fieldcrypt.output = 'ciphertext';
SELECT count(DISTINCT format('%s', name)) AS different, count(*) AS total FROM io;
RESET fieldcrypt.output;

-- without the privilege; the session of a superuser shows ciphertext, others an error
SET ROLE regress_fc_io_nobody;
SELECT format('%s', name) LIKE 'fieldcrypt:1:%' AS armour FROM io WHERE id = 1;
SELECT id, ssn IS NULL AS isnull FROM io ORDER BY id;
SET fieldcrypt.on_denied = 'error';
SELECT name FROM io WHERE id = 1;
SET fieldcrypt.on_denied = 'null';
SELECT id, format('<%s>', name) AS empty FROM io WHERE id = 1;
SET fieldcrypt.on_denied = 'ciphertext';
SELECT format('%s', name) LIKE 'fieldcrypt:1:%' AS armour FROM io WHERE id = 1;
RESET fieldcrypt.on_denied;
INSERT INTO io VALUES (7, 'x', 'y');
COPY io (id, name) FROM stdin;
7	nobody may write this
\.
RESET ROLE;

-- encrypt without decrypt
SET ROLE regress_fc_io_writer;
INSERT INTO io VALUES (7, 'written', 'unseen');
SET fieldcrypt.on_denied = 'error';
SELECT name FROM io WHERE id = 7;
RESET fieldcrypt.on_denied;
RESET ROLE;
SET ROLE regress_fc_app;
SELECT name, ssn FROM io WHERE id = 7;
RESET ROLE;

-- what fieldcrypt.input accepts
SET fieldcrypt.input = 'ciphertext';
INSERT INTO io VALUES (8, 'x', 'y');
INSERT INTO io VALUES (8, 'x'::text, 'y'::text);
CREATE TABLE io_default (id int, name encrypted_text('pii') DEFAULT 'none');
RESET fieldcrypt.input;
INSERT INTO io_default VALUES (1);
SET ROLE regress_fc_app;
SET fieldcrypt.input = 'auto';
RESET ROLE;
SET fieldcrypt.input = 'auto';
INSERT INTO io VALUES (8, 'either', 'either');
RESET fieldcrypt.input;

-- domains, arrays, composites
CREATE DOMAIN io_domain AS encrypted_text('pii', 'searchable');
CREATE TYPE io_pair AS (a encrypted_text('pii'), b encrypted_text('card'));
CREATE TABLE io_nested (d io_domain, a encrypted_text('pii')[], p io_pair);
INSERT INTO io_nested VALUES ('in a domain', '{one,"two, three",NULL}', '(left,right)');
INSERT INTO io_nested VALUES ('again', ARRAY['four', 'five']::text[], ROW('l', 'r'));
SELECT * FROM io_nested;
SELECT (fieldcrypt.value_info(d)).mode AS d, (fieldcrypt.value_info(a[2])).key AS a,
       (fieldcrypt.value_info((p).b)).key AS p
  FROM io_nested;

-- text and binary are one: send gives the bytes of the text
SELECT encrypted_text_send(name) = convert_to('none', 'UTF8') AS same FROM io_default;

-- large values, and values at the edges of short headers
INSERT INTO io SELECT 1000 + n, repeat('x', n)::text, repeat('y', n)::text
  FROM unnest(ARRAY[15, 16, 31, 32, 33, 47, 48, 49, 126, 127, 2000, 300000]) n;
SELECT id - 1000 AS length, name::text = repeat('x', id - 1000) AS name,
       ssn::text = repeat('y', id - 1000) AS ssn
  FROM io WHERE id > 1000 ORDER BY id;

DROP TABLE io, io_default, io_nested;
DROP TYPE io_pair;
DROP DOMAIN io_domain;
SELECT fieldcrypt.revoke_key('pii', 'regress_fc_io_writer', 'encrypt');
SELECT fieldcrypt.revoke_key('pii', current_user::text, 'decrypt');
SELECT fieldcrypt.revoke_key('card', current_user::text, 'decrypt');
DROP ROLE regress_fc_io_nobody, regress_fc_io_writer;
