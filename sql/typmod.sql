--
-- The type modifier: spellings, what is printed, what is refused.
--
CREATE TABLE typmod_ok (
    a encrypted_text('pii'),
    b encrypted_text('pii', 'searchable'),
    c encrypted_text('pii', 'searchable=exact'),
    d encrypted_text('card', 'searchable=lower'),
    e encrypted_text('card', 'searchable=digits'),
    f encrypted_text(card, 'searchable=last4'),
    g encrypted_text('regress_fc_not_made_yet'),
    h encrypted_text('#0123abc', 'searchable')
);
SELECT attname, pg_catalog.format_type(atttypid, atttypmod)
  FROM pg_catalog.pg_attribute
 WHERE attrelid = 'typmod_ok'::regclass AND attnum > 0 AND attname <> 'g'
 ORDER BY attnum;

-- without a key the name is not known: the prefix is printed, and taken back
SELECT pg_catalog.format_type(atttypid, atttypmod) AS type, atttypmod AS typmod
  FROM pg_catalog.pg_attribute
 WHERE attrelid = 'typmod_ok'::regclass AND attname = 'g' \gset
SELECT :'type' ~ '^encrypted_text\(''#[0-9a-f]{7}''\)$' AS prefix_printed;
CREATE TABLE typmod_again (g :type);
SELECT atttypmod = :typmod AS same
  FROM pg_catalog.pg_attribute
 WHERE attrelid = 'typmod_again'::regclass AND attname = 'g';

-- what is printed is what made it
SELECT attname,
       pg_catalog.format_type(atttypid, atttypmod) =
       pg_catalog.format_type('encrypted_text'::regtype, atttypmod) AS stable,
       fieldcrypt.typmod_key(atttypmod) AS key,
       fieldcrypt.typmod_mode(atttypmod) AS mode
  FROM pg_catalog.pg_attribute
 WHERE attrelid = 'typmod_ok'::regclass AND attnum > 0 AND attname <> 'g'
 ORDER BY attnum;
SELECT fieldcrypt.typmod_key(-1) IS NULL AS no_key, fieldcrypt.typmod_mode(-1) IS NULL AS no_mode;

-- number of arguments
CREATE TABLE typmod_bad (a encrypted_text());
CREATE TABLE typmod_bad (a encrypted_text('pii', 'searchable', 'lower'));

-- options
CREATE TABLE typmod_bad (a encrypted_text('pii', 'search'));
CREATE TABLE typmod_bad (a encrypted_text('pii', 'SEARCHABLE'));
CREATE TABLE typmod_bad (a encrypted_text('pii', ''));
CREATE TABLE typmod_bad (a encrypted_text('pii', 'searchable='));
CREATE TABLE typmod_bad (a encrypted_text('pii', 'searchable=upper'));
CREATE TABLE typmod_bad (a encrypted_text('pii', 'searchable=lower '));

-- names
CREATE TABLE typmod_bad (a encrypted_text(''));
CREATE TABLE typmod_bad (a encrypted_text('Pii'));
CREATE TABLE typmod_bad (a encrypted_text('-pii'));
CREATE TABLE typmod_bad (a encrypted_text('pii data'));
CREATE TABLE typmod_bad (a encrypted_text('tenants/7'));
CREATE TABLE typmod_bad (a encrypted_text('*'));
CREATE TABLE typmod_bad (a encrypted_text(repeat('x', 64)));
CREATE TABLE typmod_bad (a encrypted_text('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'));
CREATE TABLE typmod_name (a encrypted_text('_x.y-z9xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'));

-- prefixes
CREATE TABLE typmod_bad (a encrypted_text('#'));
CREATE TABLE typmod_bad (a encrypted_text('#0000000'));
CREATE TABLE typmod_bad (a encrypted_text('#123abc'));
CREATE TABLE typmod_bad (a encrypted_text('#0123ABC'));
CREATE TABLE typmod_bad (a encrypted_text('#0123abcd'));
CREATE TABLE typmod_bad (a encrypted_text('#0123abg'));

-- a cast spells it too
SELECT 'x'::encrypted_text('pii', 'nope');

DROP TABLE typmod_ok, typmod_again, typmod_name;
