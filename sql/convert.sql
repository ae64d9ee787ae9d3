--
-- Encrypting and decrypting existing columns.
--
SELECT fieldcrypt.create_key('regress_convert'), fieldcrypt.create_key('regress_convert2');
SELECT fieldcrypt.grant_key('regress_convert', current_user::text, 'decrypt'),
       fieldcrypt.grant_key('regress_convert2', current_user::text, 'decrypt');


-- everything that is kept
CREATE TABLE regress_fc_people (
    id int PRIMARY KEY,
    name varchar(40) NOT NULL DEFAULT 'nobody',
    ssn text CONSTRAINT regress_fc_people_ssn UNIQUE,
    note text COLLATE "C"
);
INSERT INTO regress_fc_people SELECT i, 'name ' || i, CASE WHEN i % 10 > 0 THEN 'ssn ' || i END, repeat('note ', i * 50) FROM generate_series(1, 100) i;
CREATE TABLE regress_fc_plain AS SELECT * FROM regress_fc_people;
CREATE INDEX regress_fc_people_both ON regress_fc_people (id DESC, ssn);
CREATE VIEW regress_fc_view WITH (security_barrier) AS SELECT id, ssn AS number FROM regress_fc_people WHERE id > 50;
CREATE VIEW regress_fc_over AS SELECT v.number, p.id FROM regress_fc_view v JOIN regress_fc_plain p USING (id);
COMMENT ON VIEW regress_fc_view IS 'half of them';
COMMENT ON COLUMN regress_fc_view.number IS 'the number';
COMMENT ON COLUMN regress_fc_people.ssn IS 'social security number';
GRANT SELECT (number) ON regress_fc_view TO regress_fc_other;
GRANT SELECT ON regress_fc_over TO regress_fc_other;
GRANT SELECT (ssn), UPDATE (ssn) ON regress_fc_people TO regress_fc_other;
ALTER TABLE regress_fc_people ALTER ssn SET STATISTICS 50, ALTER ssn SET (n_distinct = -0.5);
ANALYZE regress_fc_people;
COMMENT ON INDEX regress_fc_people_both IS 'of both';
SELECT kind, object, verdict, detail FROM fieldcrypt.assess('regress_fc_people', 'ssn', 'regress_convert', 'exact') WHERE verdict <> 'estimate';
SELECT kind, object, verdict, detail FROM fieldcrypt.assess('regress_fc_people', 'name', 'regress_convert') WHERE verdict <> 'estimate';
SELECT kind FROM fieldcrypt.assess('regress_fc_people', 'ssn') WHERE verdict = 'estimate';
CALL fieldcrypt.encrypt_column('regress_fc_people', 'ssn', 'regress_convert', 'exact');
\set VERBOSITY terse
CALL fieldcrypt.encrypt_column('regress_fc_people', 'ssn', 'regress_convert', 'exact');
CALL fieldcrypt.encrypt_column('regress_fc_people', 'name', 'regress_convert', batch_rows => 7);
CALL fieldcrypt.encrypt_column('regress_fc_people', 'note', 'regress_convert2');
SELECT attname, attnotnull, attacl, COALESCE(array_to_string(attoptions, ' ') ~ 'n_distinct=-0.5', false) AS options, attcollation::regcollation,
       col_description(attrelid, attnum), pg_get_expr(adbin, adrelid), format_type(atttypid, atttypmod)
  FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
 WHERE attrelid = 'regress_fc_people'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT relname, indisunique, obj_description(indexrelid) AS comment, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
 WHERE indrelid = 'regress_fc_people'::regclass ORDER BY 1;
SELECT c.relname, c.reloptions, obj_description(c.oid), a.attname, a.attacl, col_description(c.oid, a.attnum)
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relname IN ('regress_fc_view', 'regress_fc_over') ORDER BY 1, a.attnum;
SELECT has_table_privilege('regress_fc_other', 'regress_fc_over', 'SELECT');
-- who depends on a role is known
SELECT objsubid, deptype FROM pg_shdepend WHERE refobjid = 'regress_fc_other'::regrole AND objid = 'regress_fc_people'::regclass;
-- values, searches, defaults
SELECT count(*), bool_and(e.name = p.name AND e.ssn IS NOT DISTINCT FROM p.ssn::text AND e.note::text = p.note) AS same
  FROM regress_fc_people e JOIN regress_fc_plain p USING (id);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM regress_fc_people WHERE ssn = 'ssn 42';
SELECT id FROM regress_fc_people WHERE ssn = 'ssn 42';
RESET enable_seqscan;
SELECT * FROM regress_fc_over WHERE id = 51;
INSERT INTO regress_fc_people (id) VALUES (1000) RETURNING name;
INSERT INTO regress_fc_people (id, ssn) VALUES (1001, 'ssn 1');
INSERT INTO regress_fc_people (id, name) VALUES (1002, NULL);
SELECT count(*) FROM pg_stats WHERE tablename = 'regress_fc_people' AND most_common_vals::text || histogram_bounds::text ~ 'ssn|name';
-- nothing is left behind
SELECT tgname FROM pg_trigger WHERE tgrelid = 'regress_fc_people'::regclass AND NOT tgisinternal;
SELECT conname FROM pg_constraint WHERE conrelid = 'regress_fc_people'::regclass AND contype IN ('c', 'u', 'p');
SELECT count(*) FROM fieldcrypt.rotation_progress;
CALL fieldcrypt.verify_column('regress_fc_people', 'ssn');

-- and back
SELECT kind, object, verdict FROM fieldcrypt.assess('regress_fc_people', 'ssn') WHERE verdict <> 'estimate';
CALL fieldcrypt.decrypt_column('regress_fc_people', 'ssn');
CALL fieldcrypt.decrypt_column('regress_fc_people', 'ssn');
CALL fieldcrypt.decrypt_column('regress_fc_people', 'note', 'varchar(10)');
CALL fieldcrypt.decrypt_column('regress_fc_people', 'note', 'varchar(10)', abandon => true);
CALL fieldcrypt.decrypt_column('regress_fc_people', 'note', 'integer');
CALL fieldcrypt.decrypt_column('regress_fc_people', 'name', 'varchar(40)');
ALTER TABLE regress_fc_people ALTER name DROP DEFAULT;
CALL fieldcrypt.decrypt_column('regress_fc_people', 'name', 'varchar(40)');
SELECT attname, attnotnull, attacl, attcollation::regcollation, col_description(attrelid, attnum), format_type(atttypid, atttypmod)
  FROM pg_attribute WHERE attrelid = 'regress_fc_people'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
 WHERE indrelid = 'regress_fc_people'::regclass ORDER BY 1;
SELECT count(*), bool_and(e.name = p.name AND e.ssn IS NOT DISTINCT FROM p.ssn) AS same
  FROM regress_fc_people e JOIN regress_fc_plain p USING (id);
DROP TABLE regress_fc_people CASCADE;

-- from an expression; the trigger only empties
CREATE TABLE regress_fc_bytes (id int, secret bytea NOT NULL, salt text);
INSERT INTO regress_fc_bytes SELECT i, convert_to('secret ' || i, 'UTF8'), i FROM generate_series(1, 20) i;
CALL fieldcrypt.encrypt_column('regress_fc_bytes', 'secret', 'regress_convert');
CALL fieldcrypt.encrypt_column('regress_fc_bytes', 'secret', 'regress_convert', 'lower', 'convert_from(secret, ''UTF8'') || salt', max_duration => '0');
INSERT INTO regress_fc_bytes VALUES (21, 'secret 21', 'x');
UPDATE regress_fc_bytes SET salt = 'changed' WHERE id = 5;
UPDATE regress_fc_bytes SET id = id WHERE id = 6;
SELECT id FROM regress_fc_bytes WHERE fieldcrypt_new_2 IS NULL ORDER BY id;
SELECT tgargs FROM pg_trigger WHERE tgrelid = 'regress_fc_bytes'::regclass;
CALL fieldcrypt.encrypt_column('regress_fc_bytes', 'secret', 'regress_convert', 'lower', 'convert_from(secret, ''UTF8'')');
CALL fieldcrypt.encrypt_column('regress_fc_bytes', 'secret', 'regress_convert', 'lower', 'convert_from(secret, ''UTF8'') || salt');
SELECT id, secret FROM regress_fc_bytes WHERE id IN (1, 5, 21) ORDER BY id;
SELECT count(*) FROM regress_fc_bytes WHERE secret::text LIKE 'secret%';
SELECT attnotnull, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'regress_fc_bytes'::regclass AND attname = 'secret';
DROP TABLE regress_fc_bytes;
CREATE TABLE regress_fc_expr (t text);
CALL fieldcrypt.encrypt_column('regress_fc_expr', 't', 'regress_convert', dry_run => true, "using" => 'lower(t)');
CALL fieldcrypt.encrypt_column('regress_fc_expr', 't', 'regress_convert', dry_run => true, "using" => 'nowhere(t)');
CALL fieldcrypt.encrypt_column('regress_fc_expr', 't', 'regress_convert', NULL, 't, t');
CALL fieldcrypt.encrypt_column('regress_fc_expr', 't', 'regress_convert', NULL, 't FROM pg_class');
CALL fieldcrypt.encrypt_column('regress_fc_expr', 't', 'regress_convert', NULL, '(SELECT t)');
CALL fieldcrypt.encrypt_column('regress_fc_expr', 't', 'regress_convert', NULL, 'no_such_column');
CALL fieldcrypt.encrypt_column('regress_fc_expr', 't', 'regress_convert', NULL, 'ARRAY[1]');
\d regress_fc_expr
DROP TABLE regress_fc_expr;
-- from PL/pgSQL, and once more
CREATE TABLE regress_fc_block (t text);
INSERT INTO regress_fc_block VALUES ('block');
DO $$ BEGIN CALL fieldcrypt.encrypt_column('regress_fc_block', 't', 'regress_convert'); END $$;
CALL fieldcrypt.encrypt_column('regress_fc_block', 't', 'regress_convert', dry_run => true);
SELECT t FROM regress_fc_block;
DROP TABLE regress_fc_block;
-- its names are found in the caller's search_path, by every step
CREATE SCHEMA regress_fc_path;
CREATE FUNCTION regress_fc_path.unlock(text) RETURNS text LANGUAGE sql AS 'SELECT reverse($1)';
CREATE TABLE regress_fc_locked (t text NOT NULL);
INSERT INTO regress_fc_locked VALUES ('olleh');
SET search_path = public, regress_fc_path;
CALL fieldcrypt.encrypt_column('regress_fc_locked', 't', 'regress_convert', NULL, 'unlock(t)', max_duration => '0');
INSERT INTO regress_fc_locked VALUES ('retal');
-- whatever the default isolation level and the time are
SET default_transaction_isolation = 'repeatable read';
CALL fieldcrypt.encrypt_column('regress_fc_locked', 't', 'regress_convert', NULL, 'unlock(t)');
RESET default_transaction_isolation;
RESET search_path;
SELECT t FROM regress_fc_locked ORDER BY t;
DROP TABLE regress_fc_locked;
DROP SCHEMA regress_fc_path CASCADE;

-- interrupted: the trigger mirrors meanwhile; another call is refused
CREATE TABLE regress_fc_slow (id int PRIMARY KEY, v text, n int DEFAULT 0);
INSERT INTO regress_fc_slow SELECT i, 'value ' || i FROM generate_series(1, 50) i;
CALL fieldcrypt.encrypt_column('regress_fc_slow', 'v', 'regress_convert', batch_rows => 10, max_duration => '0');
SELECT count(*) - count(fieldcrypt_new_2) AS left FROM regress_fc_slow;
INSERT INTO regress_fc_slow VALUES (51, 'value 51'), (52, NULL);
UPDATE regress_fc_slow SET v = 'changed' WHERE id = 1;
UPDATE regress_fc_slow SET v = NULL WHERE id = 2;
UPDATE regress_fc_slow SET n = 1 WHERE id = 50;
UPDATE regress_fc_slow SET fieldcrypt_new_2 = 'nonsense' WHERE id = 3;
SELECT id, v, fieldcrypt_new_2 FROM regress_fc_slow WHERE id IN (1, 2, 3, 50, 51, 52) ORDER BY id;
INSERT INTO regress_fc_slow SELECT 53, textin(encrypted_text_out(fieldcrypt_new_2)) FROM regress_fc_slow WHERE id = 1;
SET fieldcrypt.output = 'ciphertext';
SELECT textin(encrypted_text_out(fieldcrypt_new_2)) AS armour FROM regress_fc_slow WHERE id = 1 \gset
RESET fieldcrypt.output;
INSERT INTO regress_fc_slow VALUES (54, :'armour');
CALL fieldcrypt.encrypt_column('regress_fc_slow', 'v', 'regress_convert2');
CALL fieldcrypt.encrypt_column('regress_fc_slow', 'v', 'regress_convert', 'lower');
CALL fieldcrypt.encrypt_column('regress_fc_slow', 'v', 'regress_convert', NULL, 'v || n');
-- what the trigger did not see the comparison finds
ALTER TABLE regress_fc_slow DISABLE TRIGGER "~fieldcrypt_2";
CALL fieldcrypt.encrypt_column('regress_fc_slow', 'v', 'regress_convert');
UPDATE regress_fc_slow SET v = 'behind its back' WHERE id = 4;
-- giving up needs nothing that may be lost
CREATE TABLE regress_fc_lost (v text NOT NULL, e encrypted_text('regress_convert2'));
INSERT INTO regress_fc_lost VALUES ('kept', 'other');
CALL fieldcrypt.encrypt_column('regress_fc_lost', 'v', 'regress_convert', max_duration => '0');
-- who may only make triggers gets no key lent
GRANT SELECT, INSERT, UPDATE, TRIGGER ON regress_fc_lost TO regress_fc_other;
SET ROLE regress_fc_other;
CREATE TRIGGER trick BEFORE UPDATE ON regress_fc_lost FOR EACH ROW EXECUTE FUNCTION fieldcrypt.conversion_trigger('mirror', 'v', 'e');
UPDATE regress_fc_lost SET v = v;
CREATE OR REPLACE TRIGGER trick BEFORE UPDATE ON regress_fc_lost FOR EACH ROW EXECUTE FUNCTION fieldcrypt.conversion_trigger('mirror', 'fieldcrypt_new_1', 'e');
UPDATE regress_fc_lost SET v = v;
RESET ROLE;
DROP TRIGGER trick ON regress_fc_lost;
DROP TRIGGER "~fieldcrypt_1" ON regress_fc_lost;
CALL fieldcrypt.encrypt_column('regress_fc_lost', 'v', 'regress_convert');
CALL fieldcrypt.encrypt_column('regress_fc_lost', 'v', 'regress_convert2', abandon => true);
SELECT * FROM regress_fc_lost;
DROP TABLE regress_fc_lost;
ALTER TABLE regress_fc_slow ENABLE ALWAYS TRIGGER "~fieldcrypt_2";
CALL fieldcrypt.encrypt_column('regress_fc_slow', 'v', 'regress_convert', batch_rows => 10);
SELECT id, v FROM regress_fc_slow WHERE id < 6 OR id > 49 ORDER BY id;
-- after the exchange: nothing comes into the old column, and what is there goes
CREATE TABLE regress_fc_empty (id int, fieldcrypt_old_1 text, n int);
INSERT INTO regress_fc_empty VALUES (1, 'old', 0), (2, 'old', 0);
CREATE TRIGGER "~fieldcrypt_1" BEFORE INSERT OR UPDATE ON regress_fc_empty FOR EACH ROW
    EXECUTE FUNCTION fieldcrypt.conversion_trigger('empty', 'fieldcrypt_old_1', 'v');
\set VERBOSITY default
INSERT INTO regress_fc_empty VALUES (3, 'lost');
\set VERBOSITY terse
INSERT INTO regress_fc_empty (id) VALUES (3);
UPDATE regress_fc_empty SET n = 1 WHERE id = 1;
UPDATE regress_fc_empty SET fieldcrypt_old_1 = 'new' WHERE id = 2;
SELECT * FROM regress_fc_empty ORDER BY id;
DROP TABLE regress_fc_empty;
CREATE TABLE regress_fc_half (id int, v text);
INSERT INTO regress_fc_half VALUES (1, 'one');
CALL fieldcrypt.encrypt_column('regress_fc_half', 'v', 'regress_convert', max_duration => '0');
CALL fieldcrypt.encrypt_column('regress_fc_half', 'v', 'regress_convert', abandon => true);
CALL fieldcrypt.encrypt_column('regress_fc_half', 'v', 'regress_convert', abandon => true);
\d regress_fc_half
ALTER TABLE regress_fc_half RENAME v TO fieldcrypt_old_2;
COMMENT ON COLUMN regress_fc_half.fieldcrypt_old_2 IS 'what column v held before fieldcrypt converted it; it is being emptied';
ALTER TABLE regress_fc_half ADD v encrypted_text('regress_convert');
CALL fieldcrypt.encrypt_column('regress_fc_half', 'v', 'regress_convert', dry_run => true);
ALTER TABLE regress_fc_half RENAME v TO w;
CALL fieldcrypt.encrypt_column('regress_fc_half', 'w', 'regress_convert');
ALTER TABLE regress_fc_half RENAME w TO v;
CALL fieldcrypt.encrypt_column('regress_fc_half', 'v', 'regress_convert', abandon => true);
CALL fieldcrypt.decrypt_column('regress_fc_half', 'v');
CALL fieldcrypt.encrypt_column('regress_fc_half', 'v', 'regress_convert');
\d regress_fc_half
DROP TABLE regress_fc_half, regress_fc_slow;

-- a text that is an encrypted value already
CREATE TABLE regress_fc_armour (v text);
INSERT INTO regress_fc_armour VALUES ('good'), (:'armour');
CALL fieldcrypt.encrypt_column('regress_fc_armour', 'v', 'regress_convert');
DELETE FROM regress_fc_armour WHERE v <> 'good';
CALL fieldcrypt.encrypt_column('regress_fc_armour', 'v', 'regress_convert');
SELECT v FROM regress_fc_armour;
DROP TABLE regress_fc_armour;

-- partitions and children
CREATE TABLE regress_fc_parts (id int, v char(12) NOT NULL DEFAULT 'p', UNIQUE (id, v)) PARTITION BY RANGE (id);
CREATE TABLE regress_fc_part1 PARTITION OF regress_fc_parts FOR VALUES FROM (0) TO (10);
CREATE TABLE regress_fc_part2 (v char(12) NOT NULL DEFAULT 'p2', extra int, id int);
ALTER TABLE regress_fc_part2 DROP extra;
ALTER TABLE regress_fc_parts ATTACH PARTITION regress_fc_part2 FOR VALUES FROM (10) TO (20);
INSERT INTO regress_fc_parts SELECT i, 'part ' || i FROM generate_series(0, 19) i;
CALL fieldcrypt.encrypt_column('regress_fc_part1', 'v', 'regress_convert');
CALL fieldcrypt.encrypt_column('regress_fc_parts', 'v', 'regress_convert', 'exact', max_duration => '0');
UPDATE regress_fc_parts SET id = 19 - id WHERE id IN (0, 19);
INSERT INTO regress_fc_part2 (id) VALUES (15);
CALL fieldcrypt.encrypt_column('regress_fc_parts', 'v', 'regress_convert', 'exact');
SELECT tableoid::regclass, id, v FROM regress_fc_parts WHERE id IN (0, 15, 19) ORDER BY id, v;
INSERT INTO regress_fc_parts VALUES (3, 'part 3');
\d regress_fc_part2
CALL fieldcrypt.verify_column('regress_fc_parts', 'v');
CALL fieldcrypt.decrypt_column('regress_fc_parts', 'v', 'char(12)');
\d regress_fc_parts
CREATE TABLE regress_fc_parent (v text, n int);
CREATE TABLE regress_fc_child (extra int) INHERITS (regress_fc_parent);
INSERT INTO regress_fc_parent VALUES ('parent', 1);
INSERT INTO regress_fc_child VALUES ('child', 2, 3);
CALL fieldcrypt.encrypt_column('regress_fc_parent', 'v', 'regress_convert', max_duration => '0');
INSERT INTO regress_fc_child VALUES ('later', 3, 3);
SELECT v, fieldcrypt_new_1 FROM regress_fc_parent WHERE n = 3;
CALL fieldcrypt.encrypt_column('regress_fc_parent', 'v', 'regress_convert');
SELECT tableoid::regclass, v FROM regress_fc_parent ORDER BY n;
CREATE TABLE regress_fc_second (v encrypted_text('regress_convert'));
CREATE TABLE regress_fc_local (v encrypted_text('regress_convert'), n int);
ALTER TABLE regress_fc_local INHERIT regress_fc_parent, INHERIT regress_fc_second;
INSERT INTO regress_fc_local VALUES ('local', 4);
SELECT kind, object, verdict, detail FROM fieldcrypt.assess('regress_fc_parent', 'v') WHERE verdict = 'blocks';
ALTER TABLE regress_fc_local NO INHERIT regress_fc_second;
CALL fieldcrypt.decrypt_column('regress_fc_parent', 'v');
SELECT tableoid::regclass, v FROM regress_fc_parent ORDER BY n;
\d regress_fc_local
DROP TABLE regress_fc_second;
DROP TABLE regress_fc_parts, regress_fc_parent CASCADE;

-- names
CREATE SCHEMA "Regress fc's";
CREATE TABLE "Regress fc's"."a "" b" ("Id" int, "it's; \ %s" text NOT NULL DEFAULT 'dflt', "CHECK" int);
INSERT INTO "Regress fc's"."a "" b" VALUES (1, 'one'), (2, DEFAULT);
CREATE INDEX "an %d index" ON "Regress fc's"."a "" b" ("it's; \ %s", "CHECK");
CREATE VIEW "Regress fc's"."a %s view" ("Select", "It's") AS SELECT "Id", "it's; \ %s" FROM "Regress fc's"."a "" b";
COMMENT ON COLUMN "Regress fc's"."a "" b"."it's; \ %s" IS 'it''s; \ %s';
CALL fieldcrypt.encrypt_column('"Regress fc''s"."a "" b"', 'it''s; \ %s', 'regress_convert', 'exact', max_duration => '0');
INSERT INTO "Regress fc's"."a "" b" VALUES (3, 'three');
CALL fieldcrypt.encrypt_column('"Regress fc''s"."a "" b"', 'it''s; \ %s', 'regress_convert', 'exact');
SELECT * FROM "Regress fc's"."a %s view" ORDER BY 1;
\d "Regress fc's"."a "" b"
SELECT col_description('"Regress fc''s"."a "" b"'::regclass, attnum) FROM pg_attribute WHERE attrelid = '"Regress fc''s"."a "" b"'::regclass AND attname LIKE 'it%';
ALTER TABLE "Regress fc's"."a "" b" ALTER "it's; \ %s" DROP DEFAULT;
CALL fieldcrypt.decrypt_column('"Regress fc''s"."a "" b"', 'it''s; \ %s');
SELECT * FROM "Regress fc's"."a "" b" ORDER BY 1;
DROP SCHEMA "Regress fc's" CASCADE;

-- what cannot be kept is named, with the way out
CREATE TABLE regress_fc_bad (
    id int,
    v text PRIMARY KEY CHECK (v <> 'x'),
    g text GENERATED ALWAYS AS (lower(v)) STORED,
    vc varchar
);
CREATE TABLE regress_fc_refers (v text REFERENCES regress_fc_bad);
CREATE UNIQUE INDEX regress_fc_bad_u ON regress_fc_bad (v);
CREATE INDEX regress_fc_bad_l ON regress_fc_bad (lower(v));
CREATE INDEX regress_fc_bad_p ON regress_fc_bad (id) WHERE v > 'b';
CREATE INDEX regress_fc_bad_i ON regress_fc_bad (id) INCLUDE (v);
CREATE INDEX regress_fc_bad_o ON regress_fc_bad (v text_pattern_ops);
CREATE STATISTICS regress_fc_bad_s ON id, v FROM regress_fc_bad;
CREATE POLICY regress_fc_bad_policy ON regress_fc_bad USING (v = 'a');
CREATE VIEW regress_fc_bad_view AS SELECT upper(v) AS u FROM regress_fc_bad;
CREATE VIEW regress_fc_bad_order AS SELECT v FROM regress_fc_bad ORDER BY v;
CREATE VIEW regress_fc_bad_join AS SELECT v FROM regress_fc_bad JOIN regress_fc_refers USING (v);
CREATE VIEW regress_fc_bad_union AS SELECT v FROM regress_fc_bad UNION ALL SELECT v FROM regress_fc_refers;
CREATE VIEW regress_fc_bad_group AS SELECT v, count(*) FROM regress_fc_bad GROUP BY v;
CREATE VIEW regress_fc_bad_distinct AS SELECT DISTINCT v FROM regress_fc_bad;
CREATE VIEW regress_fc_bad_cte AS WITH s AS (SELECT v FROM regress_fc_bad) SELECT v FROM s;
CREATE VIEW regress_fc_bad_where AS SELECT id FROM regress_fc_bad WHERE EXISTS (SELECT FROM regress_fc_refers r WHERE r.v = regress_fc_bad.v);
CREATE VIEW regress_fc_bad_row AS SELECT b FROM regress_fc_bad b;
CREATE VIEW regress_fc_good_view AS SELECT id, v FROM regress_fc_bad WHERE id > 0;
CREATE VIEW regress_fc_bad_over AS SELECT v || '' AS w FROM regress_fc_good_view;
CREATE MATERIALIZED VIEW regress_fc_bad_mat AS SELECT v FROM regress_fc_bad;
CREATE RULE regress_fc_bad_rule AS ON UPDATE TO regress_fc_refers DO ALSO SELECT v FROM regress_fc_bad;
CREATE FUNCTION regress_fc_bad_func() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT max(v) FROM regress_fc_bad; END;
CREATE FUNCTION regress_fc_bad_audit() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE NOTICE ''%'', to_jsonb(NEW) ? ''v''; RETURN NEW; END';
CREATE TRIGGER regress_fc_bad_audit AFTER INSERT ON regress_fc_bad FOR EACH ROW EXECUTE FUNCTION regress_fc_bad_audit();
CREATE TRIGGER regress_fc_bad_of BEFORE UPDATE OF v ON regress_fc_bad FOR EACH ROW EXECUTE FUNCTION regress_fc_bad_audit();
CREATE TRIGGER "~zzz" BEFORE INSERT ON regress_fc_bad FOR EACH ROW EXECUTE FUNCTION regress_fc_bad_audit();
SET client_min_messages = error;
CREATE PUBLICATION regress_fc_bad_pub FOR TABLE regress_fc_bad (id, v);
RESET client_min_messages;
\pset format unaligned
SELECT kind, regexp_replace(object, '^\d+ ', '') AS object, verdict, detail
  FROM fieldcrypt.assess('regress_fc_bad', 'v', 'regress_convert', 'exact') WHERE verdict <> 'estimate';
SELECT kind, object, verdict FROM fieldcrypt.assess('regress_fc_bad', 'g') WHERE verdict = 'blocks' ORDER BY 1, 2;
SELECT kind, object, verdict FROM fieldcrypt.assess('regress_fc_bad', 'id') WHERE verdict = 'blocks' AND kind = 'column';
\pset format aligned
CALL fieldcrypt.encrypt_column('regress_fc_bad', 'v', 'regress_convert');
\d regress_fc_refers
CREATE TABLE regress_fc_key (v text, id int) PARTITION BY LIST (v);
SELECT kind, verdict FROM fieldcrypt.assess('regress_fc_key', 'v') WHERE verdict = 'blocks';
CREATE TABLE regress_fc_row (r regress_fc_plain);
SELECT kind, object, verdict FROM fieldcrypt.assess('regress_fc_plain', 'ssn') WHERE verdict = 'blocks';
DROP TABLE regress_fc_row, regress_fc_key;
DROP PUBLICATION regress_fc_bad_pub;
-- what publishes, clustering, sequences, replica identities
SET client_min_messages = error;
CREATE SCHEMA regress_fc_pubs;
CREATE TABLE regress_fc_pubs.t (id serial, v text) PARTITION BY RANGE (id);
CREATE TABLE regress_fc_pubs.t1 (id int NOT NULL, v text);
ALTER TABLE regress_fc_pubs.t ATTACH PARTITION regress_fc_pubs.t1 FOR VALUES FROM (0) TO (10);
CREATE INDEX t1_v ON regress_fc_pubs.t1 (v);
CLUSTER regress_fc_pubs.t1 USING t1_v;
CREATE PUBLICATION regress_fc_all FOR ALL TABLES;
CREATE PUBLICATION regress_fc_schema FOR TABLES IN SCHEMA regress_fc_pubs;
CREATE PUBLICATION regress_fc_root FOR TABLE regress_fc_pubs.t;
RESET client_min_messages;
SELECT kind, object, verdict, detail FROM fieldcrypt.assess('regress_fc_pubs.t', 'v') WHERE kind IN ('publication', 'cluster', 'replica identity');
SELECT kind, object, verdict, detail FROM fieldcrypt.assess('regress_fc_pubs.t', 'id', "using" => 'id::text') WHERE kind = 'sequence';
DROP PUBLICATION regress_fc_all, regress_fc_schema, regress_fc_root;
DROP TABLE regress_fc_pubs.t;
DROP SCHEMA regress_fc_pubs;
DROP TABLE regress_fc_bad, regress_fc_refers CASCADE;
DROP FUNCTION regress_fc_bad_audit();

-- bad values are named by place and key, never by content
CREATE TABLE regress_fc_damaged (id int, v encrypted_text('regress_convert'));
SELECT 'fieldcrypt:1:' || replace(encode(set_byte(b, 60, get_byte(b, 60) # 1), 'base64'), E'\n', '') AS altered
  FROM (SELECT decode(substr(:'armour', 14), 'base64') AS b) s \gset
SET fieldcrypt.input = 'auto';
INSERT INTO regress_fc_damaged VALUES (1, 'good'), (2, :'altered'), (3, NULL), (4, :'armour');
RESET fieldcrypt.input;
\set VERBOSITY default
CALL fieldcrypt.verify_column('regress_fc_damaged', 'v');
BEGIN;
CALL fieldcrypt.verify_column('regress_fc_damaged', 'v');
ROLLBACK;
CALL fieldcrypt.verify_column('regress_fc_damaged', 'id');
CALL fieldcrypt.decrypt_column('regress_fc_damaged', 'v');
CALL fieldcrypt.decrypt_column('regress_fc_damaged', 'v', abandon => true);
DROP TABLE regress_fc_damaged;

-- arguments and rights
\set VERBOSITY terse
CALL fieldcrypt.encrypt_column(NULL, 'ssn', 'regress_convert');
CALL fieldcrypt.encrypt_column('regress_fc_plain', 'nowhere', 'regress_convert');
CALL fieldcrypt.encrypt_column('regress_fc_plain', 'ssn', 'regress_nowhere');
CALL fieldcrypt.encrypt_column('regress_fc_plain', 'ssn', 'regress_convert', 'fuzzy');
CALL fieldcrypt.encrypt_column('regress_fc_plain', 'ssn', 'regress_convert', batch_rows => 0);
BEGIN;
CALL fieldcrypt.encrypt_column('regress_fc_plain', 'ssn', 'regress_convert');
ROLLBACK;
CREATE ROLE regress_fc_owner;
CREATE ROLE regress_fc_scribe;
GRANT CREATE ON SCHEMA public TO regress_fc_owner;
CREATE TABLE regress_fc_owned (id int, v text, w text);
CREATE FUNCTION regress_fc_me(text) RETURNS text LANGUAGE sql AS 'SELECT $1 || current_user';
INSERT INTO regress_fc_owned VALUES (1, 'owned', 'by ');
GRANT INSERT, UPDATE, SELECT ON regress_fc_owned TO regress_fc_scribe;
CALL fieldcrypt.encrypt_column('regress_fc_owned', 'v', 'regress_convert', max_duration => '0', abandon => true);
ALTER TABLE regress_fc_owned OWNER TO regress_fc_owner;
CALL fieldcrypt.encrypt_column('regress_fc_owned', 'v', 'regress_convert');
SET ROLE regress_fc_scribe;
CALL fieldcrypt.encrypt_column('regress_fc_owned', 'v', 'regress_convert');
SET ROLE regress_fc_owner;
CALL fieldcrypt.encrypt_column('regress_fc_owned', 'v', 'regress_convert');
RESET ROLE;
SELECT fieldcrypt.grant_key('regress_convert', 'regress_fc_owner', 'decrypt');
SET ROLE regress_fc_owner;
CREATE VIEW regress_fc_owned_view AS SELECT id, v FROM regress_fc_owned;
RESET ROLE;
-- a view is made anew by who may
REVOKE CREATE ON SCHEMA public FROM regress_fc_owner;
SET ROLE regress_fc_owner;
SELECT object, verdict FROM fieldcrypt.assess('regress_fc_owned', 'v', 'regress_convert') WHERE kind = 'view';
RESET ROLE;
GRANT CREATE ON SCHEMA public TO regress_fc_owner;
SET ROLE regress_fc_owner;
SELECT object, verdict FROM fieldcrypt.assess('regress_fc_owned', 'v', 'regress_convert') WHERE kind = 'view';
CALL fieldcrypt.encrypt_column('regress_fc_owned', 'v', 'regress_convert', max_duration => '0');
-- writers need no privilege on the key until the columns are exchanged
SET ROLE regress_fc_scribe;
INSERT INTO regress_fc_owned VALUES (2, 'written', 'by ');
SET ROLE regress_fc_owner;
CALL fieldcrypt.encrypt_column('regress_fc_owned', 'v', 'regress_convert');
SELECT v FROM regress_fc_owned_view ORDER BY id;
SET ROLE regress_fc_scribe;
INSERT INTO regress_fc_owned VALUES (3, 'written', 'by ');
CALL fieldcrypt.verify_column('regress_fc_owned', 'v');
RESET ROLE;
-- an expression runs as the owner
CALL fieldcrypt.encrypt_column('regress_fc_owned', 'w', 'regress_convert', NULL, 'regress_fc_me(w)');
SELECT id, w FROM regress_fc_owned ORDER BY id;
-- and the trigger lends nobody the key
SET ROLE regress_fc_owner;
SELECT 1 FROM fieldcrypt.has_key_privilege('regress_fc_owner', 'regress_convert2', 'encrypt') p WHERE NOT p;
CREATE TABLE regress_fc_trick (v text, e encrypted_text('regress_convert2'), n int);
CREATE TRIGGER trick BEFORE INSERT ON regress_fc_trick FOR EACH ROW EXECUTE FUNCTION fieldcrypt.conversion_trigger('mirror', 'e', 'v');
INSERT INTO regress_fc_trick (v) VALUES ('guess');
CREATE OR REPLACE TRIGGER trick BEFORE INSERT ON regress_fc_trick FOR EACH ROW EXECUTE FUNCTION fieldcrypt.conversion_trigger('mirror', 'v', 'n');
INSERT INTO regress_fc_trick (n) VALUES (1);
CREATE OR REPLACE TRIGGER trick BEFORE INSERT ON regress_fc_trick FOR EACH ROW EXECUTE FUNCTION fieldcrypt.conversion_trigger('mirror');
INSERT INTO regress_fc_trick (n) VALUES (1);
RESET ROLE;
SELECT fieldcrypt.revoke_key('regress_convert', 'regress_fc_owner', 'decrypt');
DROP TABLE regress_fc_owned, regress_fc_trick, regress_fc_plain CASCADE;
DROP FUNCTION regress_fc_me(text);
REVOKE CREATE ON SCHEMA public FROM regress_fc_owner;
DROP ROLE regress_fc_owner, regress_fc_scribe;
