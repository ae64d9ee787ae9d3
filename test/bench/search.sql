-- Tables of test/bench/search.sh, in random order of their texts, the same for
-- text and for encrypted columns.  Run by the role bench; :rows rows.
SET client_min_messages = warning;
CREATE TABLE find_text (id int, v text, note text DEFAULT 'x');
CREATE TABLE find_enc (id int, v encrypted_text('bench', 'searchable'), note text DEFAULT 'x');
CREATE TABLE join_text (id int, v text);
CREATE TABLE join_enc (id int, v encrypted_text('bench', 'searchable'));
CREATE TABLE hot (id int, v encrypted_text('bench', 'searchable'), note text DEFAULT 'x',
    tag uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(v)) STORED) WITH (fillfactor = 50);
CREATE TABLE cold (id int, v encrypted_text('bench', 'searchable'), note text DEFAULT 'x') WITH (fillfactor = 50);
CREATE TABLE ids (id uuid);

INSERT INTO find_text SELECT i, 'user' || i || '@mail' || i % 97 || '.example.org' FROM generate_series(1, :rows) i ORDER BY random();
INSERT INTO find_enc SELECT id, v FROM find_text;
INSERT INTO join_text SELECT id, v FROM find_text ORDER BY random();
INSERT INTO join_enc SELECT id, v FROM join_text;
INSERT INTO hot SELECT id, v FROM find_text LIMIT 10000;
INSERT INTO cold SELECT id, v FROM find_text LIMIT 10000;
INSERT INTO ids SELECT gen_random_uuid() FROM find_text;
CREATE INDEX find_text_v ON find_text (v);
CREATE INDEX find_enc_v ON find_enc (v);
CREATE INDEX ids_id ON ids (id);
CREATE INDEX ON hot (tag);
CREATE INDEX ON cold (v);
