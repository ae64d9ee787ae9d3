--
-- Ciphertext where it may not be, malformed and altered ciphertext.  No
-- ciphertext is printed: it is different in every run.
--
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
SELECT fieldcrypt.grant_key('card', current_user::text, 'decrypt');

-- What a statement comes to, without the line that quotes it.
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', SQLSTATE || ': ' || SQLERRM, 'DETAIL: ' || NULLIF(detail, ''), 'HINT: ' || NULLIF(hint, ''));
END $$;

CREATE FUNCTION pg_temp.armour(bytes bytea) RETURNS text LANGUAGE sql AS $$
    SELECT 'fieldcrypt:1:' || replace(encode(bytes, 'base64'), E'\n', '')
$$;
CREATE FUNCTION pg_temp.unarmour(armour text) RETURNS bytea LANGUAGE sql AS $$
    SELECT decode(substr(armour, 14), 'base64')
$$;

CREATE TABLE bad (id int, name encrypted_text('pii'), ssn encrypted_text('pii', 'searchable'),
                  email encrypted_text('pii', 'searchable=lower'), pan encrypted_text('card'));
INSERT INTO bad VALUES (1, 'Ada Lovelace', '078-05-1120', 'ada@example.org', '4111111111111234');
SET fieldcrypt.output = 'ciphertext';
SELECT name AS name, ssn AS ssn, email AS email, pan AS pan FROM bad \gset
RESET fieldcrypt.output;

-- plaintext mode: refused by every way in, never encrypted again
SELECT pg_temp.try(format('INSERT INTO bad (name) VALUES (%L)', :'name'));
SELECT pg_temp.try(format('INSERT INTO bad (name) VALUES (%L::text)', :'name')) LIKE '22P03: %' AS text;
SELECT pg_temp.try(format('INSERT INTO bad (name) VALUES (%L::varchar)', :'name')) LIKE '22P03: %' AS varchar;
SELECT pg_temp.try(format('SELECT fieldcrypt.encrypt(%L, ''pii'')', :'name')) LIKE '22P03: %' AS encrypt;
SELECT pg_temp.try(format('SELECT %L::encrypted_text', :'name')) LIKE '22P03: %' AS literal;
SELECT pg_temp.try(format('SELECT ARRAY[%L]::encrypted_text(''pii'')[]', :'name')) LIKE '22P03: %' AS array;
SELECT pg_temp.try(format('SELECT jsonb_populate_record(NULL::bad, jsonb_build_object(''name'', %L))', :'name')) LIKE '22P03: %' AS json;
SELECT pg_temp.try('INSERT INTO bad (name) VALUES (''fieldcrypt:1:'')');
SELECT pg_temp.try('INSERT INTO bad (name) VALUES (''fieldcrypt:1:not base64'')');
SELECT pg_temp.try('INSERT INTO bad (name) VALUES (''fieldcrypt:1:not base64''::text)') LIKE '22P03: %' AS text;

-- what only resembles it is plaintext
INSERT INTO bad (id, name) VALUES (2, 'fieldcrypt:1'), (3, 'fieldcrypt:2:AAAA'), (4, ' fieldcrypt:1:AAAA'), (5, 'Fieldcrypt:1:AAAA');
SELECT id, name::text FROM bad WHERE id > 1 ORDER BY id;

-- ciphertext mode: taken, checked against the column by the header
SET fieldcrypt.input = 'ciphertext';
SELECT pg_temp.try(format('INSERT INTO bad VALUES (10, %L, %L, %L, %L)', :'name', :'ssn', :'email', :'pan'));
SELECT name::text, ssn::text, email::text, pan::text FROM bad WHERE id = 10;
CREATE FUNCTION pg_temp.put(col text, armour text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT jsonb_populate_record(NULL::bad, jsonb_build_object(%L, %L))', col, armour))
$$;
SELECT pg_temp.put('name', :'name') AS fits, pg_temp.put('email', :'email') AS fits_too;
SELECT pg_temp.put('name', :'pan') AS another_key;
-- a column that is not searchable may have tags, which nobody asks for
SELECT pg_temp.put('name', :'ssn') AS tagged;
SELECT pg_temp.put('ssn', :'name') AS untagged;
SELECT pg_temp.put('ssn', :'email') AS another_mode;
-- a constant is a value of its own before it comes to the column: brought under the column's key
SELECT pg_temp.try(format('INSERT INTO bad (id, name) VALUES (12, %L)', :'pan')) AS by_coercion;
SELECT name::text FROM bad WHERE id = 12;
SELECT pg_temp.try(format('SELECT %L::text::encrypted_text(''pii'')', :'pan')) LIKE '22P03: %' AS text;
SELECT pg_temp.try('SELECT ''plain''::text::encrypted_text(''pii'')') AS plaintext;
COPY bad (id, name) FROM stdin;
11	nor is plaintext taken by COPY
\.
RESET fieldcrypt.input;

-- malformed: base64
SET fieldcrypt.input = 'auto';
SELECT what, pg_temp.try(format('SELECT %L::encrypted_text', armour)) FROM (VALUES
    ('nothing', 'fieldcrypt:1:'),
    ('no padding', rtrim(:'name', '=') || 'A'),
    ('white space', :'name' || ' '),
    ('new line', replace(:'name', 'fieldcrypt:1:', E'fieldcrypt:1:\n')),
    ('other alphabet', overlay(:'name' placing '-' from 40 for 1))) v(what, armour);

-- malformed: header and lengths
SELECT what, split_part(pg_temp.try(format('SELECT %L::encrypted_text', pg_temp.armour(bytes))), E'\n', 1) AS result,
       split_part(pg_temp.try(format('SELECT %L::encrypted_text', pg_temp.armour(bytes))), E'\n', 2) AS detail
  FROM (VALUES
    ('suite 0', set_byte(pg_temp.unarmour(:'name'), 0, 0)),
    ('suite 3', set_byte(pg_temp.unarmour(:'name'), 0, 3)),
    ('suite 255', set_byte(pg_temp.unarmour(:'name'), 0, 255)),
    ('reserved flag', set_byte(pg_temp.unarmour(:'name'), 1, 2)),
    ('mode 0', set_byte(pg_temp.unarmour(:'ssn'), 10, 1)),
    ('mode 5', set_byte(pg_temp.unarmour(:'ssn'), 10, 161)),
    ('one byte', '\x01'::bytea),
    ('header only', substr(pg_temp.unarmour(:'name'), 1, 10)),
    ('77 bytes', substr(pg_temp.unarmour(:'name'), 1, 77)),
    ('78 bytes', substr(pg_temp.unarmour(:'name'), 1, 78)),
    ('93 bytes, tagged', substr(pg_temp.unarmour(:'ssn'), 1, 93))) v(what, bytes);

-- altered: every byte of a value, one at a time
CREATE TEMP TABLE altered (pos int, value text);
INSERT INTO altered
    SELECT p, pg_temp.armour(set_byte(b, p, get_byte(b, p) # 1))
      FROM pg_temp.unarmour(:'ssn') b, generate_series(0, length(b) - 1) p;
INSERT INTO altered SELECT -1, pg_temp.armour(b || '\x00'::bytea) FROM pg_temp.unarmour(:'ssn') b;
INSERT INTO altered SELECT -2, pg_temp.armour(substr(b, 1, length(b) - 1)) FROM pg_temp.unarmour(:'ssn') b;
SELECT left(pg_temp.try(format('SELECT (%L::encrypted_text)::text', value)), 5) AS sqlstate,
       array_agg(pos ORDER BY pos) AS bytes, count(*)
  FROM altered GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM altered
 WHERE pg_temp.try(format('DO $x$ BEGIN IF fieldcrypt.try_decrypt(%L) IS NOT NULL THEN RAISE ''opened''; END IF; END $x$', value))
       LIKE '%opened%';

-- nothing is said of the value
SELECT pg_temp.try(format('SELECT (%L::encrypted_text)::text', value)) FROM altered WHERE pos = 40;

-- a key that this database does not have
SELECT regexp_replace(pg_temp.try(format('SELECT (%L::encrypted_text)::text',
           pg_temp.armour(overlay(pg_temp.unarmour(:'name') placing '\x0123abc45678' from 3 for 6)))), 'version \d+', 'version N');
SELECT fieldcrypt.try_decrypt(pg_temp.armour(overlay(pg_temp.unarmour(:'name') placing '\x0123abc45678' from 3 for 6))::encrypted_text('#0123abc')) IS NULL AS isnull;
RESET fieldcrypt.input;

-- errors while a row is encrypted do not quote the row
SELECT fieldcrypt.revoke_key('card', current_user::text, 'decrypt');
COPY bad (id, pan) FROM stdin;
13	4111111111111234
\.

DROP TABLE bad, altered;
SELECT fieldcrypt.revoke_key('pii', current_user::text, 'decrypt');
