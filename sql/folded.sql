--
-- lower(column) = x, upper(column) = x and column ILIKE x on a column of search
-- mode lower.  The server folds by collation and provider, the tags are made by
-- one table: what the index leaves out must never be what the comparison finds.
--
\o /dev/null
SELECT fieldcrypt.grant_key('pii', current_user::text, 'decrypt');
\o
SET client_min_messages = warning;
CREATE SCHEMA regress_fc_folded;
GRANT USAGE ON SCHEMA regress_fc_folded TO PUBLIC;
SET search_path = regress_fc_folded;
CREATE TABLE person (id int, name encrypted_text('pii', 'searchable=lower'), p text);
CREATE INDEX ON person (name);

-- every provider that there is, locales with rules of their own among them
CREATE VIEW providers AS
SELECT quote_ident(collname) AS name, collname IN ('tr-x-icu', 'az-x-icu', 'lt-x-icu') AS special
  FROM pg_collation
 WHERE collname IN ('default', 'C', 'C.utf8', 'ucs_basic', 'pg_c_utf8', 'pg_unicode_fast', 'und-x-icu', 'de-x-icu',
                    'el-x-icu', 'tr-x-icu', 'az-x-icu', 'lt-x-icu', 'nl-x-icu', 'hy-x-icu');

-- Code points whose tag is not among those listed for what they are folded to.
-- All code points were tried like this; here are the blocks with letters that
-- have case, and those around them.
CREATE FUNCTION left_out(provider text, form text, OUT missing bigint, OUT listed bigint) LANGUAGE plpgsql AS
$$ BEGIN
    EXECUTE format($q$
        SELECT count(*) FILTER (WHERE nothing IS NULL AND NOT fieldcrypt.blind_index(c, 'pii', 'lower') = ANY (tags)),
               count(*) FILTER (WHERE nothing IS NULL)
          FROM (SELECT c, fieldcrypt.blind_index_unlisted(folded COLLATE %1$s, %2$L) AS nothing,
                       fieldcrypt.blind_index_folded(folded COLLATE %1$s,
                         (SELECT atttypmod FROM pg_attribute WHERE attrelid = 'person'::regclass AND attname = 'name'), %2$L) AS tags
                  FROM (SELECT chr(i) AS c, %3$s(chr(i) COLLATE %1$s) AS folded FROM generate_series(1, 131071) i
                         WHERE i < 12288 OR i BETWEEN 42560 AND 44031 OR i BETWEEN 63744 AND 70000
                            OR i BETWEEN 71840 AND 71935 OR i BETWEEN 93696 AND 93951 OR i BETWEEN 125184 AND 125279 OFFSET 0) s OFFSET 0) s
        $q$, provider, left(form, 1), form) INTO missing, listed;
END $$;
SELECT form, sum(missing) AS missing, bool_and(special = (listed = 0)) AS as_expected
  FROM providers, unnest(ARRAY['lower', 'upper']) form, LATERAL left_out(name, form)
 GROUP BY form ORDER BY form;

-- texts, and what they must be found by
INSERT INTO person
SELECT n, t, t FROM unnest(ARRAY['ada@example.org', 'ADA@Example.ORG', 'MISS', 'miss', 'mißs', 'miſs', 'mıss', 'MİSS', 'mi' || U&'\0307' || 'ss',
    'strasse', 'straße', 'STRAẞE', 'STRASSE', 'ſtraße', 'office', 'oﬃce', 'oﬀice', 'OFFICE', 'ﬆop', 'ﬅop', 'stop', 'STOP',
    'kelvin', U&'\212Aelvin', 'KELVIN', 'ångström', U&'\212Bngström', 'ÅNGSTRÖM', U&'A\030Angstrom',
    'ΟΔΟΣ', 'οδος', 'οδοσ', 'ΟΔΟΣ ΟΔΟΣ', 'οδος οδος', 'οδοσ οδος', 'ς', 'σ', 'Σ', 'ΑΣ.', 'ας.', 'Jürgen', 'JÜRGEN', 'jürgen',
    'JU' || U&'\0308' || 'RGEN', 'O’Brien', 'o’brien', 'O''BRIEN', '李', 'иван', 'ИВАН', 'ⅷ', 'Ⅷ', 'ǆ', 'ǅ', 'Ǆ', 'µ', 'μ', 'Μ', 'ÿ', 'Ÿ',
    'a_b', 'A_B', 'a%b', 'a\b', 'ŉ', 'ʼN', 'ɤ', '', NULL]) WITH ORDINALITY u(t, n);
INSERT INTO person SELECT 1000 + i, 'x' || i, 'x' || i FROM generate_series(1, 30) i;
ANALYZE person;

CREATE FUNCTION differences(provider text, generic boolean, OUT asked bigint, OUT different text) LANGUAGE plpgsql AS
$$ DECLARE
    form text; t text; by_index int[]; by_text int[];
BEGIN
    asked := 0;
    SET LOCAL enable_seqscan = off;
    SET LOCAL jit = off;
    PERFORM set_config('plan_cache_mode', CASE WHEN generic THEN 'force_generic_plan' ELSE 'force_custom_plan' END, true);
    FOREACH form IN ARRAY ARRAY['lower(%1$s COLLATE %2$s) = lower($1)', 'upper(%1$s COLLATE %2$s) = upper($1)', 'lower(%1$s COLLATE %2$s) = $1',
                                'upper(%1$s COLLATE %2$s) = $1', '%1$s COLLATE %2$s ILIKE $1'] LOOP
        EXECUTE format('PREPARE by_index(text) AS SELECT array_agg(id ORDER BY id) FROM person WHERE ' || form, 'name', provider);
        EXECUTE format('PREPARE by_text(text) AS SELECT array_agg(id ORDER BY id) FROM person WHERE ' || form, 'p', provider);
        FOR t IN SELECT p FROM person WHERE id < 1000 LOOP
            CONTINUE WHEN form ~ 'ILIKE' AND t ~ '\\';
            EXECUTE format('EXECUTE by_index(%L)', t) INTO by_index;
            EXECUTE format('EXECUTE by_text(%L)', t) INTO by_text;
            asked := asked + 1;
            IF by_index IS DISTINCT FROM by_text THEN
                different := concat_ws(', ', different, format('%s of %s: %s, not %s', format(form, 'x', provider), t, by_index, by_text));
            END IF;
        END LOOP;
        DEALLOCATE by_index;
        DEALLOCATE by_text;
    END LOOP;
END $$;
SELECT generic, bool_and(asked > 300) AS asked, string_agg(name || ': ' || different, '; ') AS different
  FROM providers, unnest(ARRAY[false, true]) generic, LATERAL differences(name, generic)
 GROUP BY generic ORDER BY generic;

-- how many tags are asked for
CREATE FUNCTION tags(wanted text, form "char") RETURNS int LANGUAGE sql AS
$$ SELECT CASE WHEN fieldcrypt.blind_index_unlisted(wanted COLLATE "C", form) IS NULL THEN
       cardinality(fieldcrypt.blind_index_folded(wanted COLLATE "C",
           (SELECT atttypmod FROM pg_attribute WHERE attrelid = 'person'::regclass AND attname = 'name'), form)) END $$;
SELECT tags('jürgen', 'l'), tags('οδος', 'l'), tags('JANE', 'u'), tags('IS', 'u'), tags('MISS', 'u'), tags('OFFICES', 'u'), tags('', 'u');
SELECT tags(repeat('I', 10), 'u'), tags(repeat('I', 11), 'u'), tags(repeat('x', 1024), 'l'), tags(repeat('x', 1025), 'l'), tags('a%', 'i'),
       tags(U&'i\0307', 'l');
SELECT tags('x', 'x');
SELECT fieldcrypt.blind_index_folded('x', 1, 'l');
-- tags are for those who may decrypt
SET ROLE regress_fc_other;
SELECT fieldcrypt.blind_index_folded('x', atttypmod, 'l') FROM pg_attribute WHERE attrelid = 'regress_fc_folded.person'::regclass AND attname = 'name';
RESET ROLE;

RESET search_path;
DROP SCHEMA regress_fc_folded CASCADE;
