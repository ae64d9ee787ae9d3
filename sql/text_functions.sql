--
-- Functions of text called on an encrypted column: the result of text, for
-- whoever may decrypt.
--
\o /dev/null
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
\o
CREATE SCHEMA regress_fc_functions;
GRANT USAGE ON SCHEMA regress_fc_functions TO PUBLIC;
SET search_path = regress_fc_functions;
CREATE TABLE t (id int, a encrypted_text('pii'), p text);
GRANT SELECT ON t TO PUBLIC;
INSERT INTO t VALUES (1, '  Ada, Countess of Lovelace ', '  Ada, Countess of Lovelace '),
    (2, 'xxBobxx', 'xxBobxx'), (3, '', ''), (4, NULL, NULL), (5, 'Ça va', 'Ça va');

-- each function on the column and on the text; a row is printed where they differ
CREATE FUNCTION differ(expression text) RETURNS SETOF text LANGUAGE plpgsql AS
$$ DECLARE n int; BEGIN
    EXECUTE 'SELECT count(*) FROM t WHERE (' || regexp_replace(expression, '\mCOL\M', 'a', 'g') ||
            ')::text IS DISTINCT FROM (' || regexp_replace(expression, '\mCOL\M', 'p', 'g') || ')::text' INTO n;
    IF n > 0 THEN RETURN NEXT expression || ': ' || n; END IF;
END $$;
SELECT d FROM unnest(ARRAY[
    'length(COL)', 'char_length(COL)', 'character_length(COL)', 'octet_length(COL)',
    'upper(COL)', 'lower(COL)', 'initcap(COL)', 'lower(COL COLLATE "C")',
    'substring(COL from 3)', 'substring(COL from 3 for 4)', 'substring(COL for 2)',
    'substring(COL, 3)', 'substring(COL, 3, 4)', 'substr(COL, 3)', 'substr(COL, 3, 4)',
    'substring(COL from ''A.*s'')', 'substring(COL similar ''%#"A__#"%'' escape ''#'')',
    'left(COL, 3)', 'right(COL, 3)', 'left(COL, -2)',
    'trim(COL)', 'trim(both ''x'' from COL)', 'trim(leading from COL)', 'trim(trailing ''x'' from COL)',
    'btrim(COL)', 'btrim(COL, ''x'')', 'ltrim(COL)', 'ltrim(COL, ''x'')', 'rtrim(COL)', 'rtrim(COL, ''x'')',
    'position(''a'' in COL)', 'strpos(COL, ''o'')',
    'overlay(COL placing ''ZZ'' from 2)', 'overlay(COL placing ''ZZ'' from 2 for 4)',
    'replace(COL, ''x'', ''y'')', 'regexp_replace(COL, ''x+'', ''y'')', 'regexp_replace(COL, ''x'', ''y'', ''g'')',
    'regexp_match(COL, ''(o)(b|u)'')', 'regexp_match(COL, ''ADA'', ''i'')',
    'regexp_like(COL, ''^x'')', 'regexp_like(COL, ''ADA'', ''i'')',
    'split_part(COL, '','', 1)', 'starts_with(COL, ''xx'')', 'md5(COL)',
    'to_tsvector(''simple'', COL)', 'to_tsvector(COL)',
    'COL || ''!''', '''!'' || COL', 'COL || COL', 'COL || ''!''::text', '''!''::text || COL', 'COL || NULL',
    'COL || ''!''::varchar', 'COL || 5', '5 || COL', 'COL || true', 'COL || ''!''::char(2)', 'COL ^@ ''xx''', 'concat(COL, ''!'')', 'format(''%s'', COL)', 'quote_literal(COL)'
]) e, differ(e) d;
SELECT upper(a), length(a), left(a, 3) || '|' AS l, trim(both 'x' from a) AS t, split_part(a, ',', 1) AS s,
       regexp_match(a, '(A.a)') AS m
  FROM t ORDER BY id;
SELECT pg_typeof(upper(a)), pg_typeof(a || 'x'), pg_typeof(length(a)), pg_typeof(regexp_match(a, 'x')) FROM t LIMIT 1;

-- conditions and groups
SELECT id FROM t WHERE lower(a) = lower('XXBOBXX');
SELECT id FROM t WHERE upper(a::text) = upper('xxbobxx');
SELECT length(a), count(*) FROM t GROUP BY length(a) ORDER BY 1;

-- they are expanded in place
EXPLAIN (COSTS OFF, VERBOSE) SELECT upper(a), a || 'x' FROM t;

-- functions of literals are those of text, and nothing is ambiguous
SELECT length('abc'), upper('abc'), left('abc', 1), substring('abc' from 2), trim('  x '), position('b' in 'abc'),
       'a' || 'b' AS cat, 'a' || 1 AS cat2, 1 || 'a' AS cat3, replace('abc', 'b', 'x'), overlay('abc' placing 'x' from 2),
       split_part('a,b', ',', 2), starts_with('abc', 'a'), regexp_replace('abc', 'b', ''), string_agg('a', ','), min('a'), max('b');
SELECT pg_typeof(min('a')), pg_typeof('a' || 'b'), ARRAY['a'] || 'b'::text AS arr, '[1]'::jsonb || '[2]' AS json,
       'a'::varchar || 'b' AS var, 'a'::char(3) || 'b' AS bp, to_tsvector('simple', 'a b');

-- who may ask
SET ROLE regress_fc_other;
SELECT upper(a) FROM t;
SELECT a || 'x' FROM t;
SELECT length(a) FROM t;
SELECT id FROM t WHERE starts_with(a, 'xx');
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA regress_fc_functions CASCADE;
