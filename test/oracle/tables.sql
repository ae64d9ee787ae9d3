-- The tables of the oracle, once per schema.  {name}, {code}, {low} and
-- {other} stand for the types: text in schema plain; elsewhere encrypted,
-- searchable, searchable=lower, and under another key.
CREATE TABLE vals (i int PRIMARY KEY, v text);
INSERT INTO vals SELECT i, v FROM unnest(ARRAY[
	'Ada', 'ada', 'ADA', 'Bob', 'bob', 'bobby', '', ' ', U&'\00C7a', U&'C\0327a',
	U&'stra\00DFe', 'STRASSE', 'strasse', U&'\0130stanbul', 'istanbul', U&'\0131stanbul', 'Istanbul',
	'a%b', 'a_b', E'a\\b', U&'\65E5\672C\8A9E', U&'\0391\03A3', U&'\03B1\03C2', U&'\03B1\03C3',
	U&'\+01F600', U&'\00E9', U&'e\0301', U&'\00C9', '10', '9', '010', 'null', 'O''Brien', '"quoted"',
	'ends  ', E'tab\there', E'line\nbreak', 'zebra', 'Zebra', 'fieldcrypt:', '{a,b}', NULL
]) WITH ORDINALITY AS u(v, i);

CREATE FUNCTION val(i int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT v FROM vals WHERE vals.i = val.i % 43 $$;

CREATE TABLE p (id int PRIMARY KEY, n int, name {name}, code {code}, low {low}, other {other} COLLATE "C", city text, tags {name}[]);
INSERT INTO p SELECT i, i % 5, val(i), val(i * 3), val(i * 5), val(i + 7), val(i * 2),
	CASE WHEN i % 4 > 0 THEN (ARRAY[val(i), val(i + 1), NULL])[1:(i % 4)] END FROM generate_series(1, 44) i;
CREATE INDEX p_code ON p (code);
CREATE INDEX p_low ON p (low);

CREATE TABLE q (id int PRIMARY KEY, n int, name {name}, code {code}, low {low}, other {other} COLLATE "C", city text);
INSERT INTO q SELECT i * 2, i % 7, val(i * 5), val(i), val(i * 3), val(i * 9), val(i) FROM generate_series(1, 22) i;
CREATE INDEX q_code ON q (code, n);

CREATE TABLE w (id int PRIMARY KEY, n int, name {name}, code {code}, low {low}, other {other} COLLATE "C", city text DEFAULT 'nowhere');
INSERT INTO w SELECT i * 3, i % 4, val(i), val(i + 20), val(i + 12), val(i), val(i + 3) FROM generate_series(1, 15) i;
CREATE INDEX w_low ON w (low);

CREATE TABLE u (id int PRIMARY KEY, n int, name {name}, code {code} UNIQUE, low {low}, other {other} COLLATE "C", city text);
INSERT INTO u SELECT i, i % 4, val(i), val(i * 2), val(i), val(i), val(i) FROM generate_series(1, 18) i;

-- partitioned, by plain columns
CREATE TABLE h (id int, n int, name {name}, code {code}, low {low}, other {other} COLLATE "C", city text) PARTITION BY LIST (n);
CREATE TABLE h0 PARTITION OF h FOR VALUES IN (0, 1);
CREATE TABLE h1 PARTITION OF h FOR VALUES IN (2, NULL) PARTITION BY HASH (id);
CREATE TABLE h1a PARTITION OF h1 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE h1b PARTITION OF h1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE h9 PARTITION OF h DEFAULT;
INSERT INTO h SELECT i, i % 4, val(i + 1), val(i * 7), val(i), val(i * 3), val(i) FROM generate_series(1, 30) i;
CREATE INDEX h_code ON h (code);
CREATE INDEX h_low ON h (low);

-- inherited; the child has its columns in another order
CREATE TABLE par (id int, n int, name {name}, code {code}, low {low}, other {other} COLLATE "C", city text);
CREATE TABLE child (extra int, city text, code {code}, id int, name {name}, n int, other {other} COLLATE "C", low {low});
ALTER TABLE child INHERIT par;
INSERT INTO par SELECT i, i % 3, val(i), val(i), val(i + 1), val(i), val(i) FROM generate_series(1, 12) i;
INSERT INTO child (id, n, name, code, low, other, city) SELECT i, i % 3, val(i), val(i * 3), val(i), val(i), val(i) FROM generate_series(13, 22) i;
CREATE INDEX par_code ON par (code);
CREATE INDEX child_code ON child (code);

-- behind row-level security, which binds the owner too
CREATE TABLE r (id int PRIMARY KEY, n int, name {name}, code {code}, low {low}, other {other} COLLATE "C", city text);
INSERT INTO r SELECT i, i % 3, val(i), val(i), val(i), val(i), val(i) FROM generate_series(1, 20) i;
CREATE INDEX r_code ON r (code);
ALTER TABLE r ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY r_read ON r FOR SELECT USING (code <> 'Bob' OR name = code AND n > 0);
CREATE POLICY r_write ON r USING (n < 2) WITH CHECK (name <> 'forbidden');

-- views
CREATE VIEW vw AS SELECT id, n, name, code, low, other, city FROM w WHERE name <> 'hidden' OR name IS NULL WITH CHECK OPTION;
CREATE VIEW vsb WITH (security_barrier) AS SELECT id, n, name, code, low, other, city FROM p WHERE name <> 'ada' AND n > 0;
CREATE VIEW vu AS SELECT id, n, name, code, low, other, city FROM q UNION ALL SELECT id, n, code, name, low, other, city FROM w;
CREATE MATERIALIZED VIEW mv AS SELECT id, n, name, code, low, other, city FROM p WHERE id % 2 = 0;
CREATE INDEX mv_code ON mv (code);

-- composites, domains, arrays
CREATE TYPE pair AS (k int, v {name});
CREATE DOMAIN dom AS {name};
CREATE DOMAIN dom_code AS {code};
CREATE TABLE c (id int PRIMARY KEY, x pair, d dom, dc dom_code, arr {name}[], xs pair[]);
INSERT INTO c SELECT i, (i % 3, val(i))::pair, val(i), val(i * 3), ARRAY[val(i), val(i + 1)], ARRAY[(i, val(i))::pair, (i, val(i + 2))::pair]
	FROM generate_series(1, 25) i;
CREATE INDEX c_dc ON c (dc);

-- values out of line
CREATE TABLE big (id int PRIMARY KEY, name {name}, code {code});
INSERT INTO big SELECT i, repeat(val(i), i * 300), repeat(val(i), i * 500) FROM generate_series(1, 20) i;
CREATE INDEX big_code ON big USING hash (code);

-- under a collation that has equal texts of different bytes
CREATE TABLE nd (id int PRIMARY KEY, name {name} COLLATE {ndcoll}, code {code} COLLATE {ndcoll}, city text COLLATE {ndcoll});
INSERT INTO nd SELECT i, val(i), val(i * 3), val(i * 2) FROM generate_series(1, 43) i;

-- functions of applications
CREATE FUNCTION by_code(x text) RETURNS SETOF int LANGUAGE sql STABLE AS $$ SELECT id FROM p WHERE code = x $$;
CREATE FUNCTION by_code_pl(x text) RETURNS SETOF int LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN QUERY SELECT id FROM p WHERE code = x; END $$;
CREATE FUNCTION is_code(x {name}, y text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RETURN x = y; END $$;

ANALYZE;
