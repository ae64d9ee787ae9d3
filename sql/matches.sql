--
-- matches(): the same under the column's search mode, with and without index.
--
\o /dev/null
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
\o
CREATE SCHEMA regress_fc_matches;
GRANT USAGE ON SCHEMA regress_fc_matches TO PUBLIC;
SET search_path = regress_fc_matches;
SET client_min_messages = warning;
CREATE DOMAIN phone AS encrypted_text('pii', 'searchable=digits');
CREATE TABLE contact (id int, exact encrypted_text('pii', 'searchable'), low encrypted_text('pii', 'searchable=lower'),
    digits phone, last4 encrypted_text('pii', 'searchable=last4'), none encrypted_text('pii'));
INSERT INTO contact VALUES
    (1, 'Ada', 'Ada@Example.org', '+44 20 7946 0018', '4111-1111-1111-1234', 'Ada'),
    (2, 'ada', 'ada@example.ORG', '442079460018', '1234', 'ada'),
    (3, 'ÄDA', 'ÄDA', '(0)20', '5500 0000 0000 0004', 'x'),
    (4, '', '', 'none', '12', ''),
    (5, NULL, NULL, NULL, NULL, NULL);
INSERT INTO contact SELECT i, 'v' || i, 'V' || i, i::text, i::text, 'v' FROM generate_series(10000, 10300) i;
GRANT SELECT ON contact TO PUBLIC;
ANALYZE contact;

-- without an index
SELECT id FROM contact WHERE fieldcrypt.matches(exact, 'Ada');
SELECT id FROM contact WHERE fieldcrypt.matches(low, 'ADA@example.ORG') ORDER BY id;
SELECT id FROM contact WHERE fieldcrypt.matches(low, 'äda');
SELECT id FROM contact WHERE fieldcrypt.matches(digits, '44-20-7946-0018') ORDER BY id;
SELECT id FROM contact WHERE fieldcrypt.matches(last4, '1234') ORDER BY id;
SELECT id FROM contact WHERE fieldcrypt.matches(last4, 'x1x2') ORDER BY id;
SELECT id FROM contact WHERE fieldcrypt.matches(digits, 'no digits');
SELECT id FROM contact WHERE fieldcrypt.matches(low, NULL);
SELECT id, fieldcrypt.matches(low, 'ADA@EXAMPLE.ORG') FROM contact WHERE id < 6 ORDER BY id;
SELECT id FROM contact WHERE NOT fieldcrypt.matches(exact, 'Ada') AND id < 6 ORDER BY id;
-- on values that no planner sees
DO $$ DECLARE v encrypted_text; BEGIN
    SELECT low INTO v FROM contact WHERE id = 1;
    RAISE WARNING '% %', fieldcrypt.matches(v, 'ada@example.org'), fieldcrypt.matches(v, 'bob@example.org');
END $$;
-- a value without a search mode
SELECT id FROM contact WHERE fieldcrypt.matches(none, 'Ada');
SELECT fieldcrypt.matches('Ada', 'ada');
SELECT fieldcrypt.matches(fieldcrypt.encrypt('Ada', 'pii'), 'Ada');
-- a tag that was changed to one of another index key (the low five bits of
-- byte 0 are its version) would be made anew: whoever opens the value notices
CREATE TABLE altered AS SELECT id, low FROM contact WHERE id = 1;
\set VERBOSITY terse
SET fieldcrypt.input = 'ciphertext';
SET fieldcrypt.output = 'ciphertext';
INSERT INTO altered SELECT 2, ('fieldcrypt:1:' || translate(encode(set_byte(b, 10, get_byte(b, 10) # 2), 'base64'), E'\n', ''))::text
  FROM (SELECT decode(substr(c, 14), 'base64') AS b FROM (SELECT encode(encrypted_text_send(low), 'escape') AS c FROM altered) x) y;
RESET fieldcrypt.input;
RESET fieldcrypt.output;
\set VERBOSITY default

-- with one, and the same answers
CREATE FUNCTION scans(query text) RETURNS text LANGUAGE plpgsql AS
$$ DECLARE plan jsonb; BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN (SELECT string_agg(DISTINCT coalesce(n->>'Index Name', 'whole of ' || (n->>'Relation Name')), ', ')
      FROM jsonb_path_query(plan, '$.** ? (@."Node Type" == "Seq Scan" || @."Node Type" == "Index Scan" || @."Node Type" == "Bitmap Index Scan")') n);
END $$;
CREATE INDEX exact_tag ON contact (exact);
CREATE INDEX low_tag ON contact (low);
CREATE INDEX digits_tag ON contact (digits);
ALTER TABLE contact ADD last4_tag uuid GENERATED ALWAYS AS (fieldcrypt.blind_index(last4)) STORED;
CREATE INDEX last4_tag ON contact (last4_tag);
ANALYZE contact;
SET enable_seqscan = off;
SELECT scans($$SELECT id FROM contact WHERE fieldcrypt.matches(exact, 'Ada')$$);
SELECT scans($$SELECT id FROM contact WHERE fieldcrypt.matches(low, 'ADA@example.ORG')$$);
SELECT scans($$SELECT id FROM contact WHERE fieldcrypt.matches(digits, '44-20-7946-0018'::varchar)$$);
SELECT scans($$SELECT id FROM contact WHERE fieldcrypt.matches(last4, '1234')$$);
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM contact WHERE fieldcrypt.matches(low, 'ADA@example.ORG');
RESET enable_bitmapscan;
SELECT id FROM contact WHERE fieldcrypt.matches(exact, 'Ada');
SELECT id FROM contact WHERE fieldcrypt.matches(low, 'ADA@example.ORG') ORDER BY id;
SELECT id FROM contact WHERE fieldcrypt.matches(low, 'äda');
SELECT id FROM contact WHERE fieldcrypt.matches(digits, '44-20-7946-0018') ORDER BY id;
SELECT id FROM contact WHERE fieldcrypt.matches(last4, '1234') ORDER BY id;
SELECT id FROM contact WHERE fieldcrypt.matches(last4, 'x1x2') ORDER BY id;
SELECT id FROM contact WHERE fieldcrypt.matches(digits, 'no digits');
SELECT id FROM contact WHERE fieldcrypt.matches(low, NULL);
PREPARE low (varchar) AS SELECT id FROM contact WHERE fieldcrypt.matches(low, $1) ORDER BY id;
SET plan_cache_mode = force_generic_plan;
SELECT scans($$EXECUTE low('ADA@example.ORG')$$);
EXECUTE low('ADA@example.ORG');
EXECUTE low(NULL);
RESET plan_cache_mode;
SELECT scans($$SELECT a.id FROM contact a JOIN contact b ON fieldcrypt.matches(a.low, b.low::text) WHERE b.id = 1$$);
SELECT a.id FROM contact a JOIN contact b ON fieldcrypt.matches(a.low, b.low::text) WHERE b.id = 1 ORDER BY 1;

-- decrypt is needed, with and without an index
SET ROLE regress_fc_writer;
SELECT id FROM contact WHERE fieldcrypt.matches(low, 'ADA@example.ORG');
DO $$ DECLARE v encrypted_text; BEGIN
    SELECT low INTO v FROM contact WHERE id = 1;
    RAISE WARNING '%', fieldcrypt.matches(v, 'ada@example.org');
END $$;
RESET ROLE;

DROP SCHEMA regress_fc_matches CASCADE;
