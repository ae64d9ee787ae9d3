--
-- Functions on values: encrypt, decrypt, try_decrypt, value_info, blind_index;
-- statistics.
--
CREATE ROLE regress_fc_val_nobody;
CREATE ROLE regress_fc_val_writer;
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
SELECT fieldcrypt.grant_key('card', current_user::text, 'decrypt');
SELECT fieldcrypt.grant_key('pii', 'regress_fc_val_writer', 'encrypt');

-- encrypt and decrypt
SELECT fieldcrypt.decrypt(fieldcrypt.encrypt('Ada', 'pii')) AS ada,
       fieldcrypt.decrypt(fieldcrypt.encrypt('', 'pii')) = '' AS empty,
       fieldcrypt.encrypt(NULL, 'pii') IS NULL AS isnull;
SELECT fieldcrypt.decrypt(fieldcrypt.encrypt(plaintext => 'named', key => 'card'));
SELECT fieldcrypt.encrypt('Ada', 'regress_fc_no_such_key');
SELECT fieldcrypt.encrypt('Ada', 'Not A Name');
SELECT fieldcrypt.encrypt('fieldcrypt:1:anything', 'pii');
SELECT fieldcrypt.try_decrypt(fieldcrypt.encrypt('Ada', 'pii'));

-- value_info needs no key and no privilege
CREATE TABLE vals (id int, name encrypted_text('pii'), ssn encrypted_text('pii', 'searchable'),
                   email encrypted_text('pii', 'searchable=lower'), phone encrypted_text('pii', 'searchable=digits'),
                   pan encrypted_text('card', 'searchable=last4'));
GRANT SELECT, INSERT ON vals TO regress_fc_app, regress_fc_val_nobody, regress_fc_val_writer;
INSERT INTO vals VALUES
    (1, 'Ada', '078-05-1120', 'Ada@Example.org', '+44 (20) 7946-0000', '4111 1111 1111 1234'),
    (2, 'Ada', '078-05-1120', 'ADA@example.ORG', '442079460000', '1234'),
    (3, '', '', '', 'no digits', '12'),
    (4, NULL, NULL, NULL, NULL, NULL);
SET ROLE regress_fc_val_nobody;
SELECT id, i.key, i.version, i.suite, i.mode, i.index_version, i.bytes FROM vals, fieldcrypt.value_info(name) i ORDER BY id;
SELECT id, i.key, i.version, i.suite, i.mode, i.index_version, i.bytes FROM vals, fieldcrypt.value_info(pan) i ORDER BY id;
SELECT i.key, i.key_id ~ '^[0-9a-f]{12}$' AS key_id FROM vals, fieldcrypt.value_info(email) i WHERE id = 1;
SELECT * FROM fieldcrypt.value_info('literal');
RESET ROLE;

-- the tag: equal where the texts are equal under the mode
SELECT a.id AS a, b.id AS b,
       fieldcrypt.blind_index(a.name) = fieldcrypt.blind_index(b.name) AS name,
       fieldcrypt.blind_index(a.ssn) = fieldcrypt.blind_index(b.ssn) AS ssn,
       fieldcrypt.blind_index(a.email) = fieldcrypt.blind_index(b.email) AS email,
       fieldcrypt.blind_index(a.phone) = fieldcrypt.blind_index(b.phone) AS phone,
       fieldcrypt.blind_index(a.pan) = fieldcrypt.blind_index(b.pan) AS pan
  FROM vals a, vals b WHERE a.id < b.id ORDER BY 1, 2;
SELECT fieldcrypt.blind_index('literal'::encrypted_text) IS NULL AS literal,
       fieldcrypt.blind_index(fieldcrypt.encrypt('x', 'pii')) IS NULL AS untagged;

-- and the same from a text
SELECT fieldcrypt.blind_index(ssn) = fieldcrypt.blind_index('078-05-1120', 'pii', 'exact') AS ssn,
       fieldcrypt.blind_index(email) = fieldcrypt.blind_index('aDA@EXAMPLE.ORG', 'pii', 'lower') AS email,
       fieldcrypt.blind_index(phone) = fieldcrypt.blind_index('44 20 7946 0000', 'pii', 'digits') AS phone,
       fieldcrypt.blind_index(pan) = fieldcrypt.blind_index('xx1234', 'card', 'last4') AS pan
  FROM vals WHERE id = 1;
SELECT fieldcrypt.blind_index('1234', 'card', 'exact') = fieldcrypt.blind_index('1234', 'card', 'last4') AS modes_differ_not,
       fieldcrypt.blind_index('1234', 'card', 'exact') = fieldcrypt.blind_index('1234', 'pii', 'exact') AS keys_differ_not;
SELECT fieldcrypt.blind_index('ÄRGER ÉCOLE', 'pii', 'lower') = fieldcrypt.blind_index('ärger école', 'pii', 'lower') AS unicode;
SELECT fieldcrypt.blind_index('x', 'pii', 'searchable');
SELECT fieldcrypt.blind_index('x', 'pii', '');
SELECT fieldcrypt.blind_index('x', 'regress_fc_no_such_key', 'exact');

-- whoever may ask for tags can test guesses: decrypt, not encrypt
SET ROLE regress_fc_val_writer;
INSERT INTO vals (id, ssn) VALUES (5, 'written');
SELECT fieldcrypt.blind_index('078-05-1120', 'pii', 'exact');
SELECT count(fieldcrypt.blind_index(ssn)) AS stored_tags_are_seen FROM vals;
RESET ROLE;
SET ROLE regress_fc_val_nobody;
SELECT fieldcrypt.blind_index('078-05-1120', 'pii', 'exact');
SELECT fieldcrypt.encrypt('x', 'pii');
RESET ROLE;
SET ROLE regress_fc_app;
SELECT fieldcrypt.blind_index(ssn) = fieldcrypt.blind_index('078-05-1120', 'pii', 'exact') AS app FROM vals WHERE id = 1;
RESET ROLE;

-- labels
SELECT p.oid::regprocedure AS function, p.provolatile, p.proleakproof, p.proparallel
  FROM pg_proc p
 WHERE p.proname IN ('blind_index', 'encrypt', 'decrypt', 'try_decrypt', 'value_info')
   AND p.pronamespace = 'fieldcrypt'::regnamespace
 ORDER BY p.oid::regprocedure::text;

-- an index on the tag (terse: the detail would show a tag)
\set VERBOSITY terse
CREATE UNIQUE INDEX vals_phone ON vals (fieldcrypt.blind_index(phone));
\set VERBOSITY default
DELETE FROM vals WHERE id = 2;
CREATE UNIQUE INDEX vals_phone ON vals (fieldcrypt.blind_index(phone));

-- statistics: from nulls, widths and tags; no values, no histogram
CREATE TABLE stats (id int, name encrypted_text('pii'), ssn encrypted_text('pii', 'searchable'),
                    email encrypted_text('pii', 'searchable=lower'));
INSERT INTO stats SELECT i, ('n' || i % 10)::text, ('s' || i % 50)::text,
                         CASE WHEN i % 4 > 0 THEN (ARRAY['X', 'x'])[1 + i % 2]::text END
  FROM generate_series(1, 400) i;
ANALYZE stats;
SELECT attname, null_frac, n_distinct, most_common_vals IS NULL AS no_values,
       histogram_bounds IS NULL AS no_histogram, correlation IS NULL AS no_correlation
  FROM pg_stats WHERE tablename = 'stats' AND attname <> 'id' ORDER BY attname;
TRUNCATE stats;
INSERT INTO stats VALUES (1, NULL, NULL, NULL);
ANALYZE stats;
SELECT attname, null_frac, avg_width, n_distinct FROM pg_stats
 WHERE tablename = 'stats' AND attname <> 'id' ORDER BY attname;

DROP TABLE vals, stats;
SELECT fieldcrypt.revoke_key('pii', 'regress_fc_val_writer', 'encrypt');
SELECT fieldcrypt.revoke_key('pii', current_user::text, 'decrypt');
SELECT fieldcrypt.revoke_key('card', current_user::text, 'decrypt');
DROP ROLE regress_fc_val_nobody, regress_fc_val_writer;
