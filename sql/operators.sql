--
-- Operators: plaintext semantics, for values, texts and literals.
--
\o /dev/null
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
SELECT fieldcrypt.grant_key('card', current_user::text, 'decrypt');
\o
CREATE SCHEMA regress_fc_operators;
GRANT USAGE ON SCHEMA regress_fc_operators TO PUBLIC;
SET search_path = regress_fc_operators;
CREATE TABLE t (id int, a encrypted_text('pii'), b encrypted_text('card'), p text);
GRANT ALL ON t TO PUBLIC;
SET ROLE regress_fc_app;
INSERT INTO t SELECT i, v, v, v
  FROM unnest(ARRAY['Ada', 'ada', 'Bob', 'bobby', '', NULL, 'Ça', 'a%b', 'Ada'])
       WITH ORDINALITY AS u(v, i);

-- every pair compares as text does, in all three forms
SELECT count(*) AS pairs,
       count(*) FILTER (WHERE (x.a = y.b) IS DISTINCT FROM (x.p = y.p)) AS eq,
       count(*) FILTER (WHERE (x.a <> y.b) IS DISTINCT FROM (x.p <> y.p)) AS ne,
       count(*) FILTER (WHERE (x.a < y.b) IS DISTINCT FROM (x.p < y.p)) AS lt,
       count(*) FILTER (WHERE (x.a <= y.b) IS DISTINCT FROM (x.p <= y.p)) AS le,
       count(*) FILTER (WHERE (x.a > y.b) IS DISTINCT FROM (x.p > y.p)) AS gt,
       count(*) FILTER (WHERE (x.a >= y.b) IS DISTINCT FROM (x.p >= y.p)) AS ge
  FROM t x, t y;
SELECT count(*) AS pairs,
       count(*) FILTER (WHERE (x.a = y.p) IS DISTINCT FROM (x.p = y.p)) AS eq,
       count(*) FILTER (WHERE (x.a <> y.p) IS DISTINCT FROM (x.p <> y.p)) AS ne,
       count(*) FILTER (WHERE (x.a < y.p) IS DISTINCT FROM (x.p < y.p)) AS lt,
       count(*) FILTER (WHERE (x.a <= y.p) IS DISTINCT FROM (x.p <= y.p)) AS le,
       count(*) FILTER (WHERE (x.a > y.p) IS DISTINCT FROM (x.p > y.p)) AS gt,
       count(*) FILTER (WHERE (x.a >= y.p) IS DISTINCT FROM (x.p >= y.p)) AS ge
  FROM t x, t y;
SELECT count(*) AS pairs,
       count(*) FILTER (WHERE (x.p = y.a) IS DISTINCT FROM (x.p = y.p)) AS eq,
       count(*) FILTER (WHERE (x.p <> y.a) IS DISTINCT FROM (x.p <> y.p)) AS ne,
       count(*) FILTER (WHERE (x.p < y.a) IS DISTINCT FROM (x.p < y.p)) AS lt,
       count(*) FILTER (WHERE (x.p <= y.a) IS DISTINCT FROM (x.p <= y.p)) AS le,
       count(*) FILTER (WHERE (x.p > y.a) IS DISTINCT FROM (x.p > y.p)) AS gt,
       count(*) FILTER (WHERE (x.p >= y.a) IS DISTINCT FROM (x.p >= y.p)) AS ge
  FROM t x, t y;

-- literals, parameters, other string types
SELECT id FROM t WHERE a = 'Ada' ORDER BY id;
SELECT id FROM t WHERE 'Ada' = a ORDER BY id;
SELECT id FROM t WHERE a <> 'Ada' ORDER BY id;
SELECT id FROM t WHERE a = 'Ada'::varchar ORDER BY id;
SELECT id FROM t WHERE a = 'Ada '::char(4)::text ORDER BY id;
SELECT id FROM t WHERE a IN ('Ada', 'Bob', NULL) ORDER BY id;
SELECT id FROM t WHERE a NOT IN ('Ada', 'Bob') ORDER BY id;
SELECT id FROM t WHERE a = ANY (ARRAY['Ada', 'Bob']) ORDER BY id;
SELECT id FROM t WHERE a = ANY (ARRAY['Ada', 'Bob']::text[]) ORDER BY id;
SELECT id FROM t WHERE a BETWEEN 'A' AND 'Az' ORDER BY id;
SELECT id FROM t WHERE a IS DISTINCT FROM 'Ada' ORDER BY id;
SELECT id FROM t WHERE a IS NOT DISTINCT FROM NULL ORDER BY id;
SELECT id FROM t WHERE (a, b) = ('Ada', 'Ada') ORDER BY id;
SELECT id FROM t WHERE coalesce(a, 'none') = 'none' ORDER BY id;
SELECT id, nullif(a, 'Ada')::text FROM t ORDER BY id;
SELECT id, CASE a WHEN 'Ada' THEN 1 WHEN 'Bob' THEN 2 END FROM t ORDER BY id;
SELECT greatest(a, 'M')::text, least(a, 'M')::text FROM t ORDER BY id;
PREPARE by_unknown AS SELECT id FROM t WHERE a = $1 ORDER BY id;
PREPARE by_text (text) AS SELECT id FROM t WHERE a = $1 ORDER BY id;
EXECUTE by_unknown('Bob');
EXECUTE by_text('Bob');
SELECT id FROM t WHERE a = 5;

-- patterns
SELECT id FROM t WHERE a LIKE 'A%' ORDER BY id;
SELECT id FROM t WHERE a NOT LIKE 'A%' ORDER BY id;
SELECT id FROM t WHERE a ILIKE 'a%' ORDER BY id;
SELECT id FROM t WHERE a NOT ILIKE 'a%' ORDER BY id;
SELECT id FROM t WHERE a LIKE 'a#%b' ESCAPE '#' ORDER BY id;
SELECT id FROM t WHERE a ~ '^[AB]' ORDER BY id;
SELECT id FROM t WHERE a !~ '^[AB]' ORDER BY id;
SELECT id FROM t WHERE a ~* '^b' ORDER BY id;
SELECT id FROM t WHERE a !~* '^b' ORDER BY id;
SELECT id FROM t WHERE a SIMILAR TO '(A|B)%' ORDER BY id;
SELECT id FROM t WHERE a LIKE ANY (ARRAY['A%', 'B%']) ORDER BY id;
SELECT id FROM t x WHERE a LIKE (SELECT 'B' || '%') ORDER BY id;

-- collations
SELECT id FROM t WHERE a COLLATE "C" = 'Ada' ORDER BY id;
SELECT id FROM t WHERE (a COLLATE "C") < (a COLLATE "POSIX");

-- who may ask: without the key only values with the same bytes are equal
RESET ROLE;
SET ROLE regress_fc_other;
SELECT count(*) FROM t WHERE a = a;
SELECT count(*) FROM t WHERE a = 'Ada';
SELECT count(*) FROM t WHERE a = 'Ada'::text;
SELECT count(*) FROM t WHERE a < b;
SELECT count(*) FROM t WHERE a LIKE 'A%';
SELECT count(*) FROM t WHERE a ~ 'A';
SELECT count(*) FROM t x JOIN t y ON x.a = y.b;
SELECT count(DISTINCT a) FROM t;
SELECT a FROM t ORDER BY a;
SELECT 'x'::encrypted_text = 'x', 'x'::encrypted_text < 'y', 'x'::encrypted_text = 'x'::text,
       'x'::encrypted_text LIKE 'x%';
SELECT pg_catalog.encrypted_text_hash('guess');
SELECT fieldcrypt.text_hash('guess');
RESET ROLE;
SET ROLE regress_fc_writer;
SELECT count(*) FROM t WHERE a = 'Ada';
RESET ROLE;

-- statistics hold no values, and estimates open none
ANALYZE t;
SET ROLE regress_fc_other;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE a = 'Ada' AND a < 'B' AND a LIKE 'x%' AND a ~ 'y' AND b <> 'z';
RESET ROLE;

-- the families are complete
SELECT amname, opcname, amvalidate(o.oid)
  FROM pg_opclass o JOIN pg_am m ON m.oid = opcmethod
 WHERE opcname = 'encrypted_text_ops' ORDER BY 1;
-- text's own operators are in no family of ours
SELECT f.opfname FROM pg_amop o JOIN pg_opfamily f ON f.oid = o.amopfamily
 WHERE o.amopopr = 'pg_catalog.=(text, text)'::regoperator AND f.opfname LIKE 'encrypted%';

SET client_min_messages = warning;
DROP SCHEMA regress_fc_operators CASCADE;
