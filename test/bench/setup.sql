-- The benchmark's tables: one million short texts (names, addresses, numbers,
-- about 20 bytes), the same for every variant.  Run as superuser; :rows rows.
CREATE EXTENSION fieldcrypt;
CREATE EXTENSION pgcrypto;
SELECT fieldcrypt.create_key('bench1', suite => 1);
SELECT fieldcrypt.create_key('bench2', suite => 2);
CREATE ROLE bench LOGIN;
SELECT fieldcrypt.grant_key('bench1', 'bench', 'decrypt');
SELECT fieldcrypt.grant_key('bench2', 'bench', 'decrypt');
GRANT CREATE ON SCHEMA public TO bench;
SET ROLE bench;

-- vb has the same bytes as bytea, so that pgcrypto needs no conversion.
CREATE TABLE src AS
SELECT i AS id, v, convert_to(v, 'UTF8') AS vb
  FROM (SELECT i, CASE i % 3
               WHEN 0 THEN 'Firstname' || i % 977 || ' Name' || i % 1009
               WHEN 1 THEN 'user' || i || '@mail' || i % 97 || '.org'
               ELSE lpad((i::bigint * 2654435761 % 10000000000000000)::text, 16, '4') END AS v
          FROM generate_series(1, :rows) i) s;
ALTER TABLE src ADD PRIMARY KEY (id);

CREATE TABLE scan_plain (id int, v text);
CREATE TABLE scan_pgcrypto (id int, v bytea);
CREATE TABLE scan_suite1 (id int, v encrypted_text('bench1'));
CREATE TABLE scan_suite2 (id int, v encrypted_text('bench2'));
CREATE TABLE ins_plain (LIKE scan_plain);
CREATE TABLE ins_pgcrypto (LIKE scan_pgcrypto);
CREATE TABLE ins_suite1 (LIKE scan_suite1);
CREATE TABLE ins_suite2 (LIKE scan_suite2);
