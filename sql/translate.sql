--
-- CREATE INDEX and UNIQUE on a searchable column, as ORMs write them, become
-- its blind index.
--
\o /dev/null
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
\o
CREATE SCHEMA regress_fc_translate;
SET search_path = regress_fc_translate;

-- CREATE TABLE
CREATE TABLE account (id int PRIMARY KEY, email encrypted_text('pii', 'searchable') NOT NULL UNIQUE,
    ssn encrypted_text('pii', 'searchable'), note encrypted_text('pii'),
    low encrypted_text('pii', 'searchable=lower'), CONSTRAINT account_id_ssn UNIQUE (id, ssn));
CREATE TABLE IF NOT EXISTS account (id int, email encrypted_text('pii', 'searchable') UNIQUE);
CREATE TEMP TABLE account (email encrypted_text('pii', 'searchable') UNIQUE NULLS NOT DISTINCT);
DROP TABLE pg_temp.account;

-- ALTER TABLE
ALTER TABLE account ADD UNIQUE (ssn);
ALTER TABLE account ADD CONSTRAINT account_named UNIQUE (ssn) INCLUDE (id), ADD COLUMN plain text UNIQUE;
ALTER TABLE account ADD COLUMN phone encrypted_text('pii', 'searchable') UNIQUE, ADD UNIQUE (plain, id);
ALTER TABLE account ADD UNIQUE (plain, email);

-- CREATE INDEX
CREATE INDEX ON account (ssn);
CREATE INDEX account_mixed ON account (id, ssn DESC NULLS LAST) WHERE id > 0;
CREATE INDEX account_hash ON account USING hash (ssn);
CREATE INDEX account_low ON account (low);
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS account_conc ON account (ssn);
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS account_conc ON account (ssn);
SELECT c.relname, pg_get_indexdef(c.oid)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = 'account'::regclass ORDER BY 1;
SELECT conname, contype FROM pg_constraint
 WHERE conrelid = 'account'::regclass AND contype IN ('p', 'u') ORDER BY 1;

-- as a constraint it came, as a constraint it goes
ALTER TABLE account DROP CONSTRAINT account_named, DROP CONSTRAINT account_plain_id_key;
ALTER TABLE account DROP CONSTRAINT account_ssn_idx;
ALTER TABLE account DROP CONSTRAINT IF EXISTS account_nowhere;
ALTER TABLE account DROP CONSTRAINT account_phone_key, ADD CONSTRAINT account_phone_key UNIQUE (phone);
SELECT relname FROM pg_class WHERE relname IN ('account_named', 'account_phone_key', 'account_ssn_idx') AND relnamespace = 'regress_fc_translate'::regnamespace ORDER BY 1;

-- they hold
INSERT INTO account (id, email) VALUES (1, 'a@example.org');
\set VERBOSITY terse
INSERT INTO account (id, email) VALUES (2, 'a@example.org');
\set VERBOSITY default
INSERT INTO account (id, email, note) VALUES (2, 'a@example.org', 'upsert')
    ON CONFLICT (email) DO UPDATE SET note = excluded.note RETURNING id, note::text;

-- partitions, inheritance, copies
CREATE TABLE part (id int, ssn encrypted_text('pii', 'searchable')) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE INDEX ON part (ssn);
CREATE TABLE part2 PARTITION OF part FOR VALUES FROM (10) TO (20);
CREATE TABLE alike (LIKE account INCLUDING ALL);
SELECT c.relname, pg_get_indexdef(c.oid)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid IN ('part'::regclass, 'part1'::regclass, 'part2'::regclass) ORDER BY 1;

-- in functions and in CREATE SCHEMA
DO $$ BEGIN EXECUTE 'CREATE TABLE made (s encrypted_text(''pii'', ''searchable'') UNIQUE)'; END $$;
CREATE SCHEMA regress_fc_translate2 CREATE TABLE t (s encrypted_text('pii', 'searchable') UNIQUE);
SELECT schemaname, indexname FROM pg_indexes WHERE tablename IN ('made', 't') AND schemaname LIKE 'regress_fc_translate%' ORDER BY 1;

-- still refused: what a tag cannot keep
CREATE TABLE r (s encrypted_text('pii', 'searchable') PRIMARY KEY);
CREATE TABLE r (s encrypted_text('pii', 'searchable') UNIQUE DEFERRABLE);
CREATE TABLE r (s encrypted_text('pii', 'searchable=lower') UNIQUE);
CREATE TABLE r (s encrypted_text('pii') UNIQUE);
ALTER TABLE account ADD UNIQUE (low);
ALTER TABLE account ADD UNIQUE (note);
ALTER TABLE account ADD UNIQUE (ssn) DEFERRABLE;
ALTER TABLE account ADD COLUMN late encrypted_text('pii', 'searchable') UNIQUE DEFERRABLE;
CREATE INDEX ON account (note);
CREATE INDEX ON account (ssn text_pattern_ops);
CREATE INDEX ON account (ssn COLLATE "C");
CREATE TABLE r (s encrypted_text('pii', 'searchable') REFERENCES account (email));

SET client_min_messages = warning;
DROP SCHEMA regress_fc_translate2 CASCADE;
DROP SCHEMA regress_fc_translate CASCADE;
