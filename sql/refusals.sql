--
-- What cannot be built on an encrypted column, and what can.
--
CREATE SCHEMA regress_fc_refusals;
SET search_path = regress_fc_refusals;
CREATE TYPE comp AS (n int, a encrypted_text('pii'));
CREATE DOMAIN dom AS encrypted_text('pii');
CREATE DOMAIN sdom AS encrypted_text('pii', 'searchable');
CREATE TABLE t (id int, a encrypted_text('pii'), s encrypted_text('pii', 'searchable'),
                l encrypted_text('pii')[], c comp, d dom, sd sdom, n text);
CREATE FUNCTION wrapped(encrypted_text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN 'constant'; END $$;
CREATE FUNCTION row_text(t) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN 'constant'; END $$;

-- index keys
CREATE INDEX ON t (a);
CREATE INDEX ON t USING hash (a);
CREATE INDEX ON t (l);
CREATE INDEX ON t USING gin (l);
CREATE INDEX ON t (c);
CREATE INDEX ON t (d);
CREATE UNIQUE INDEX ON t (s, a);
-- index expressions and predicates
CREATE INDEX ON t (wrapped(a));
CREATE INDEX ON t (row_text(t));
CREATE INDEX ON t ((array[a]));
CREATE INDEX ON t ((coalesce(a, s)));
CREATE INDEX ON t (((c).a));
CREATE INDEX ON t ((l[1]));
CREATE INDEX ON t (id) WHERE wrapped(a) = 'x';
CREATE INDEX ON t (fieldcrypt.blind_index(coalesce(s, a)));
CREATE INDEX ON t ((row(s, id) IS NULL));
-- allowed
CREATE UNIQUE INDEX t_blind ON t (fieldcrypt.blind_index(s));
CREATE INDEX t_blind_domain ON t (fieldcrypt.blind_index(sd));
CREATE INDEX t_blind_hash ON t USING hash (fieldcrypt.blind_index(s));
CREATE INDEX t_blind_field ON t (fieldcrypt.blind_index((c).a));
CREATE INDEX t_include ON t (id) INCLUDE (a, s);
CREATE INDEX t_null ON t ((a IS NULL)) WHERE s IS NOT NULL;
CREATE INDEX t_pred ON t (id) WHERE fieldcrypt.blind_index(s) IS NOT NULL;
REINDEX TABLE t;

-- keys and constraints
CREATE TABLE r (a encrypted_text('pii') PRIMARY KEY);
CREATE TABLE r (id int, s encrypted_text('pii', 'searchable=digits') UNIQUE);
CREATE TABLE r (c comp PRIMARY KEY);
ALTER TABLE t ADD PRIMARY KEY (a);
ALTER TABLE t ADD UNIQUE (id, a);
ALTER TABLE t ADD EXCLUDE (a WITH =);
ALTER TABLE t ADD CONSTRAINT t_excl EXCLUDE (fieldcrypt.blind_index(s) WITH =);
ALTER TABLE t ADD CONSTRAINT t_key UNIQUE (id) INCLUDE (a);

-- checks: those that open values only if NOT VALID
CREATE TABLE r (a encrypted_text('pii') CHECK (a <> ''));
CREATE TABLE r (a encrypted_text('pii'), CHECK (a::text <> '') NOT VALID);
ALTER TABLE t ADD CONSTRAINT opens CHECK (a::text <> '');
ALTER TABLE t ADD CONSTRAINT opens CHECK (wrapped(a) <> '');
ALTER TABLE t ADD CONSTRAINT opens CHECK (row_text(t) <> '');
ALTER TABLE t ADD CONSTRAINT opens CHECK (a::text <> '') NOT VALID;
ALTER TABLE t VALIDATE CONSTRAINT opens;
ALTER TABLE t ADD CONSTRAINT there CHECK (a IS NOT NULL OR s IS NOT NULL);
ALTER TABLE t ADD CONSTRAINT tags CHECK (fieldcrypt.blind_index(s) IS NOT NULL);
CREATE DOMAIN r_dom AS encrypted_text('pii') CHECK (value::text <> '');
CREATE DOMAIN n_dom AS encrypted_text('pii') CHECK (value IS NOT NULL);
ALTER DOMAIN n_dom ADD CONSTRAINT opens CHECK (value::text <> '');
ALTER DOMAIN n_dom ADD CONSTRAINT opens CHECK (value::text <> '') NOT VALID;
ALTER DOMAIN n_dom VALIDATE CONSTRAINT opens;

-- partition keys
CREATE TABLE r (a encrypted_text('pii')) PARTITION BY LIST (a);
CREATE TABLE r (a encrypted_text('pii')) PARTITION BY HASH (a);
CREATE TABLE r (a encrypted_text('pii')) PARTITION BY RANGE (wrapped(a));
CREATE TABLE r (id int, c comp) PARTITION BY LIST (c);
CREATE TEMP TABLE r (id int);
CREATE TABLE regress_fc_refusals.r (a encrypted_text('pii')) PARTITION BY LIST (a);
DROP TABLE pg_temp.r;
CREATE TABLE p (s encrypted_text('pii', 'searchable'))
    PARTITION BY HASH (fieldcrypt.blind_index(s));
CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0);

-- generated columns
ALTER TABLE t ADD COLUMN g text GENERATED ALWAYS AS (wrapped(a)) STORED;
ALTER TABLE t ADD COLUMN g encrypted_text('pii') GENERATED ALWAYS AS (coalesce(a, s)) STORED;
CREATE TABLE r (a encrypted_text('pii'), g text GENERATED ALWAYS AS (wrapped(a)) STORED);
CREATE TABLE g (s encrypted_text('pii', 'searchable'),
    tag uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(s)) STORED UNIQUE,
    present boolean GENERATED ALWAYS AS (s IS NOT NULL) STORED,
    copy encrypted_text('pii', 'searchable') GENERATED ALWAYS AS (s) STORED);
-- defaults read no column
CREATE TABLE def (a encrypted_text('pii') DEFAULT 'unknown');

-- extended statistics
CREATE STATISTICS r ON a, id FROM t;
CREATE STATISTICS r ON c, id FROM t;
CREATE STATISTICS r ON (wrapped(a)), id FROM t;
CREATE STATISTICS r ON (a::text) FROM t;
CREATE STATISTICS st ON (fieldcrypt.blind_index(s)), (a IS NULL), id FROM t;

-- a rule about columns holds for generated ones added later, and in partitions
ALTER TABLE p ADD COLUMN g text GENERATED ALWAYS AS (wrapped(s)) STORED;
CREATE INDEX p_blind ON p (fieldcrypt.blind_index(s));

-- altering a column takes what is on it along
CREATE TABLE alt (a text, b text UNIQUE, c text CHECK (c <> ''), d text, e int);
CREATE INDEX ON alt (lower(d));
CREATE STATISTICS alt_st ON a, e FROM alt;
ALTER TABLE alt ALTER COLUMN a TYPE encrypted_text('pii');
ALTER TABLE alt ALTER COLUMN b TYPE encrypted_text('pii');
ALTER TABLE alt ALTER COLUMN c TYPE encrypted_text('pii');
ALTER TABLE alt ALTER COLUMN d TYPE encrypted_text('pii');

-- ordinary statistics: none for what merely contains the type
SELECT attname FROM pg_attribute
 WHERE attrelid = 't'::regclass AND attnum > 0 AND attstattarget = 0 ORDER BY attnum;
ALTER TABLE t ALTER COLUMN l SET STATISTICS 100;
ALTER TABLE t ALTER COLUMN l SET STATISTICS -1;
ALTER TABLE t ALTER COLUMN l SET STATISTICS 0;
ALTER TABLE t ALTER COLUMN a SET STATISTICS 100;
ALTER TABLE alt ADD COLUMN l encrypted_text('pii')[];
ALTER TABLE alt ADD COLUMN m text[];
ALTER TABLE alt ALTER COLUMN m TYPE encrypted_text('pii')[] USING NULL;
SELECT attname FROM pg_attribute
 WHERE attrelid = 'alt'::regclass AND attnum > 0 AND attstattarget = 0 ORDER BY attnum;

-- foreign keys: the hint's statements, as they stand
\o /dev/null
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
\o
SET client_min_messages = warning;
CREATE TABLE parent (id int, email encrypted_text('pii', 'searchable'), low encrypted_text('pii', 'searchable=lower'), p text UNIQUE);
CREATE TABLE child (id int, "E Mail" encrypted_text('pii', 'searchable') REFERENCES parent (email));
CREATE TABLE child (id int, "E Mail" encrypted_text('pii', 'searchable'), low encrypted_text('pii', 'searchable=lower'), p text);
ALTER TABLE child ADD FOREIGN KEY (id, "E Mail") REFERENCES parent (id, email);
ALTER TABLE parent ADD email_tag uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(email)) STORED UNIQUE; ALTER TABLE child ADD "E Mail_tag" uuid GENERATED ALWAYS AS (fieldcrypt.blind_index("E Mail")) STORED REFERENCES parent (email_tag);
ALTER TABLE child ADD CONSTRAINT low_key FOREIGN KEY (low) REFERENCES parent (low);
ALTER TABLE child ADD FOREIGN KEY (low) REFERENCES parent (p);
ALTER TABLE child ADD FOREIGN KEY (p) REFERENCES parent (email);
ALTER TABLE child ADD late encrypted_text('pii', 'searchable') REFERENCES parent (email);
ALTER TABLE child ADD late encrypted_text('pii') REFERENCES parent;
ALTER TABLE child ADD late encrypted_text('pii') REFERENCES nowhere (x);
ALTER TABLE child ADD FOREIGN KEY (p) REFERENCES parent (p);
INSERT INTO parent (id, email) VALUES (1, 'ada@example.org'), (2, 'bob@example.org');
INSERT INTO child (id, "E Mail") VALUES (1, 'ada@example.org'), (2, NULL);
\set VERBOSITY terse
INSERT INTO child (id, "E Mail") VALUES (3, 'eve@example.org');
UPDATE child SET "E Mail" = 'eve@example.org' WHERE id = 2;
DELETE FROM parent WHERE id = 1;
\set VERBOSITY default
UPDATE child SET "E Mail" = 'bob@example.org' WHERE id = 1;
DELETE FROM parent WHERE id = 1;
SELECT count(*) FROM child JOIN parent ON "E Mail" = email;
RESET client_min_messages;

-- tables of other types are left alone
CREATE TABLE plain (id int PRIMARY KEY, v text UNIQUE CHECK (v <> ''), l text[],
    g text GENERATED ALWAYS AS (upper(v)) STORED);
CREATE INDEX ON plain USING gin (l);
CREATE STATISTICS plain_st ON id, v, (upper(v)) FROM plain;

SET client_min_messages = warning;
DROP SCHEMA regress_fc_refusals CASCADE;
