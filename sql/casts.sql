--
-- Casts: into the type by assignment, out of it only explicitly; the coercion
-- between keys and search modes.
--
CREATE ROLE regress_fc_cast_nobody;
CREATE ROLE regress_fc_cast_card;
CREATE ROLE regress_fc_cast_pii;
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
SELECT fieldcrypt.grant_key('card', current_user::text, 'decrypt');
SELECT fieldcrypt.grant_key('card', 'regress_fc_cast_card', 'decrypt');
SELECT fieldcrypt.grant_key('pii', 'regress_fc_cast_pii', 'decrypt');

CREATE TABLE casts (id int, name encrypted_text('pii'), ssn encrypted_text('pii', 'searchable'),
                    email encrypted_text('pii', 'searchable=lower'), pan encrypted_text('card', 'searchable=last4'));
CREATE TABLE plain (id int, t text, v varchar, c char(12), n name);
GRANT SELECT, INSERT ON casts, plain TO regress_fc_cast_nobody, regress_fc_cast_card, regress_fc_cast_pii;
INSERT INTO plain VALUES (1, ' text ', ' varchar ', ' bpchar ', 'name');

-- in, by assignment
INSERT INTO casts (id, name) SELECT 1, t FROM plain;
INSERT INTO casts (id, name) SELECT 2, v FROM plain;
INSERT INTO casts (id, name) SELECT 3, c FROM plain;
INSERT INTO casts (id, name) SELECT 4, n FROM plain;
INSERT INTO casts (id, name) VALUES (5, 12345);
SELECT id, '<' || name::text || '>' AS name FROM casts ORDER BY id;

-- in, without a key
SELECT 'x'::text::encrypted_text;
SELECT CAST('x'::varchar AS encrypted_text);
SELECT CAST('x'::char(3) AS encrypted_text);
SELECT 'x'::text::encrypted_text('pii')::text;

-- out, explicitly
SELECT name::text, name::varchar, name::varchar(3) AS v3, name::char(20) || '|' AS bpchar, name::name
  FROM casts WHERE id = 4;
SELECT octet_length(repeat('x', 100)::text::encrypted_text('pii')::name::text) AS name_is_cut;
SELECT 'literal'::encrypted_text::text, fieldcrypt.decrypt('literal');

-- out, not by assignment
INSERT INTO plain (t) SELECT name FROM casts;
INSERT INTO plain (v) SELECT name FROM casts;
INSERT INTO plain (c) SELECT name FROM casts;
INSERT INTO plain (n) SELECT name FROM casts;
UPDATE plain SET v = (SELECT name FROM casts WHERE id = 4);
SELECT count(*) FROM plain;

-- without the privilege: an error, whatever is asked for by default
SET ROLE regress_fc_cast_nobody;
SELECT name::text FROM casts WHERE id = 4;
SELECT fieldcrypt.decrypt(name) FROM casts WHERE id = 4;
SELECT name::name FROM casts WHERE id = 4;
SELECT fieldcrypt.try_decrypt(name) IS NULL AS isnull FROM casts WHERE id = 4;
SELECT fieldcrypt.try_decrypt('literal') AS literal;
SET fieldcrypt.on_denied = 'null';
SELECT name::text IS NULL AS t, fieldcrypt.decrypt(name) IS NULL AS d, name::name IS NULL AS n
  FROM casts WHERE id = 4;
SET fieldcrypt.on_denied = 'ciphertext';
SELECT name::text LIKE 'fieldcrypt:1:%' AS t, fieldcrypt.decrypt(name) LIKE 'fieldcrypt:1:%' AS d
  FROM casts WHERE id = 4;
SET fieldcrypt.on_denied = 'error';
SELECT name::text FROM casts WHERE id = 4;
RESET fieldcrypt.on_denied;
INSERT INTO casts (id, name) VALUES (6, 'x'::text);
RESET ROLE;

-- the coercion: another mode, another key
TRUNCATE casts;
INSERT INTO casts (id, name) VALUES (1, '4111-1111-1111-1234');
INSERT INTO casts (id, ssn) SELECT 2, name FROM casts WHERE id = 1;
INSERT INTO casts (id, email) SELECT 3, ssn FROM casts WHERE id = 2;
INSERT INTO casts (id, pan) SELECT 4, email FROM casts WHERE id = 3;
INSERT INTO casts (id, name) SELECT 5, pan FROM casts WHERE id = 4;
SELECT id, COALESCE(name::text, ssn::text, email::text, pan::text) AS text,
       i.key, i.mode, i.suite, i.bytes
  FROM casts, fieldcrypt.value_info(COALESCE(name, ssn::encrypted_text('pii'), email::encrypted_text('pii'),
                                             pan::encrypted_text('card'))) i
 ORDER BY id;
SELECT id, (fieldcrypt.value_info(name)).mode AS name, (fieldcrypt.value_info(ssn)).mode AS ssn,
       (fieldcrypt.value_info(email)).mode AS email, (fieldcrypt.value_info(pan)).mode AS pan
  FROM casts ORDER BY id;

-- a value that already fits is moved as it is, and needs no key
SET fieldcrypt.output = 'ciphertext';
SELECT format('%s', name::encrypted_text('pii')) = format('%s', name) AS unchanged FROM casts WHERE id = 1;
RESET fieldcrypt.output;
SET ROLE regress_fc_cast_nobody;
INSERT INTO casts (id, name) SELECT 6, name FROM casts WHERE id = 1;
INSERT INTO casts (id, ssn) SELECT 7, name FROM casts WHERE id = 1;
INSERT INTO casts (id, pan) SELECT 7, name FROM casts WHERE id = 1;
RESET ROLE;

-- another key needs decrypt on the source and encrypt on the target
SET ROLE regress_fc_cast_card;
INSERT INTO casts (id, pan) SELECT 8, name FROM casts WHERE id = 1;
INSERT INTO casts (id, name) SELECT 8, pan FROM casts WHERE id = 4;
RESET ROLE;
SET ROLE regress_fc_cast_pii;
INSERT INTO casts (id, pan) SELECT 8, name FROM casts WHERE id = 1;
INSERT INTO casts (id, ssn) SELECT 8, name FROM casts WHERE id = 1;
SELECT ssn FROM casts WHERE id = 8;
RESET ROLE;

-- PL/pgSQL: a variable names its key, or cannot be assigned text
DO $$
DECLARE
    v encrypted_text('pii') := 'constant';
    t text := 'variable';
BEGIN
    v := t;
    RAISE NOTICE '%', v::text;
END $$;
DO $$
DECLARE
    v encrypted_text;
    t text := 'variable';
BEGIN
    v := t;
END $$;

-- types whose cast to text is not their output
CREATE TABLE other_types (v encrypted_text('pii'), t text);
INSERT INTO other_types VALUES (true, true), (inet '10.0.0.1', inet '10.0.0.1'), (cidr '10/8', cidr '10/8'), (1.50, 1.50), (NULL::bool, NULL::bool);
INSERT INTO other_types SELECT b, b FROM (VALUES (false)) b(b);
SELECT v::text, t FROM other_types;
SELECT true::encrypted_text;

DROP TABLE casts, plain, other_types;
SELECT fieldcrypt.revoke_key('pii', current_user::text, 'decrypt');
SELECT fieldcrypt.revoke_key('card', current_user::text, 'decrypt');
SELECT fieldcrypt.revoke_key('card', 'regress_fc_cast_card', 'decrypt');
SELECT fieldcrypt.revoke_key('pii', 'regress_fc_cast_pii', 'decrypt');
DROP ROLE regress_fc_cast_nobody, regress_fc_cast_card, regress_fc_cast_pii;
