--
-- blind_index_report(): what the tags of a column tell, without a key.
--
CREATE SCHEMA regress_fc_report;
GRANT USAGE ON SCHEMA regress_fc_report TO PUBLIC;
SET search_path = regress_fc_report;
SET client_min_messages = warning;
\o /dev/null
SELECT fieldcrypt.create_key('report');
SELECT fieldcrypt.grant_key('report', current_user::text, 'decrypt');
SELECT fieldcrypt.grant_key('report', 'regress_fc_writer', 'encrypt');
\o
CREATE DOMAIN mail AS encrypted_text('report', 'searchable=lower');
CREATE TABLE person (id int, ssn encrypted_text('report', 'searchable'), mail mail, pin encrypted_text('report', 'searchable=last4'),
    note encrypted_text('report'), "Odd Name" encrypted_text('report', 'searchable=digits'));
CREATE TABLE visit (id int, ssn encrypted_text('report', 'searchable'), tag uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(ssn)) STORED UNIQUE);
CREATE TABLE part (id int, ssn encrypted_text('report', 'searchable')) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (1000);
CREATE UNIQUE INDEX person_ssn ON person (ssn);
CREATE INDEX person_mail ON person (id, mail);
CREATE INDEX part_ssn ON part (ssn);
INSERT INTO person SELECT i, 'ssn ' || i, CASE WHEN i < 40 THEN 'Same@Example.org' ELSE 'user' || i END, i % 5, 'n', i % 7 FROM generate_series(1, 100) i;
INSERT INTO person VALUES (101);
INSERT INTO visit SELECT i, 'ssn ' || i FROM generate_series(1, 10) i;
INSERT INTO part SELECT i, 'ssn ' || i FROM generate_series(91, 110) i;
\o /dev/null
SELECT fieldcrypt.revoke_key('report', current_user::text, 'decrypt');
\o
GRANT SELECT ON person TO regress_fc_writer, regress_fc_app;
GRANT SELECT (id, ssn) ON visit TO PUBLIC;
SELECT * FROM fieldcrypt.blind_index_report('person', 'ssn');
SELECT pg_get_indexdef('person_mail'::regclass, 2, false);
SELECT * FROM fieldcrypt.blind_index_report('person', 'mail');
SELECT * FROM fieldcrypt.blind_index_report('person', 'pin');
SELECT * FROM fieldcrypt.blind_index_report('person', 'Odd Name');
SELECT * FROM fieldcrypt.blind_index_report('visit', 'ssn');
SELECT * FROM fieldcrypt.blind_index_report('part', 'ssn');
SELECT * FROM fieldcrypt.blind_index_tally('person', 'ssn');
-- a table without rows
CREATE TABLE empty (v encrypted_text('report', 'searchable'));
SELECT * FROM fieldcrypt.blind_index_report('empty', 'v') WHERE aspect <> 'comparable column';
-- neither a key nor more than SELECT is needed
\o /dev/null
SELECT fieldcrypt.lock_key('report');
\o
SET ROLE regress_fc_app;
SELECT aspect, amount FROM fieldcrypt.blind_index_report('person', 'ssn') WHERE aspect ~ 'values|tag';
SELECT aspect, amount FROM fieldcrypt.blind_index_report('visit', 'ssn') WHERE aspect ~ 'values|tag';
SELECT * FROM fieldcrypt.blind_index_report('part', 'ssn');
RESET ROLE;
\o /dev/null
SELECT fieldcrypt.unlock_key('report');
\o
-- what has none
SELECT * FROM fieldcrypt.blind_index_report('person', 'note');
SELECT * FROM fieldcrypt.blind_index_report('person', 'id');
SELECT * FROM fieldcrypt.blind_index_report('person', 'nothing');

DROP SCHEMA regress_fc_report CASCADE;
CALL fieldcrypt.destroy_key('report');
