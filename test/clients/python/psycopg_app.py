"""psycopg 3.  Argument: text or binary, the format of parameters and results."""
import os
import sys

import psycopg

from steps import *

BINARY = sys.argv[1] == "binary"
# a pooler in transaction mode cannot keep prepared statements
conn = psycopg.connect(autocommit=True, prepare_threshold=None if os.environ.get("FC_POOLER") else 2)


def run(query, params=(), rows=True):
    """One statement; ? stands for a parameter in the chosen format."""
    cur = conn.cursor(binary=BINARY)
    cur.execute(query.replace("?", "%b" if BINARY else "%s"), params)
    return cur.fetchall() if rows else cur.rowcount


INSERT = "INSERT INTO person (id, email, name, note, city) VALUES (?, ?, ?, ?, ?)"


@step("migration")
def _():
    for statement in MIGRATION:
        run(statement, rows=False)
    return show(run("SELECT count(*) FROM person"))


@step("insert with bind parameters")
def _():
    return show(run(INSERT + " RETURNING id, email, name, note", ADA))


@step("NULL and empty string")
def _():
    run(INSERT, NULL_NOTE, rows=False)
    run(INSERT, EMPTY_NOTE, rows=False)
    return show(run("SELECT id, note FROM person WHERE id IN (2, 3) ORDER BY id"))


@step("IS NULL")
def _():
    return show(run("SELECT id FROM person WHERE note IS NULL"))


@step("equality with the empty string")
def _():
    return show(run("SELECT id FROM person WHERE note = ?", [""]))


@step("non-ASCII text")
def _():
    run(INSERT, ZOE, rows=False)
    return show(run("SELECT id, email, name, note FROM person WHERE id = 4"))


@step("equality with non-ASCII text")
def _():
    return show(run("SELECT id FROM person WHERE email = ? AND note = ?", [ZOE[1], ZOE[3]]))


@step("bulk insert")
def _():
    with conn.transaction(), conn.cursor() as cur:
        cur.executemany(INSERT.replace("?", "%b" if BINARY else "%s"), BULK)
    return show(run("SELECT count(*) FROM person WHERE id > 100"))


@step("equality")
def _():
    for _ in range(3):  # prepared by then
        rows = run("SELECT id, name FROM person WHERE email = ?", ["user7@example.org"])
    return show(rows)


@step("equality without a match")
def _():
    return show(run("SELECT count(*) FROM person WHERE email = ?", ["nobody@example.org"]))


@step("IN list")
def _():
    emails = ["user1@example.org", "user2@example.org", "user3@example.org", "nobody@example.org"]
    one = run("SELECT id FROM person WHERE email IN (?, ?, ?, ?) ORDER BY id", emails)
    assert one == run("SELECT id FROM person WHERE email = ANY (?) ORDER BY id", [emails])
    return show(one)


@step("LIKE")
def _():
    return show(run("SELECT count(*) FROM person WHERE name LIKE ?", ["Name 09%"]))


@step("ORDER BY")
def _():
    return show(run("SELECT name FROM person WHERE id > 100 ORDER BY name DESC LIMIT 3"))


@step("aggregates")
def _():
    return show(run("SELECT count(DISTINCT name), min(name), max(name) FROM person WHERE id > 100"))


@step("text functions")
def _():
    return show(run("SELECT upper(name), length(name) FROM person WHERE email = ?", [ADA[1]]))


@step("unique")
def _():
    try:
        run(INSERT, (5,) + ADA[1:], rows=False)
    except psycopg.errors.UniqueViolation as error:
        return error.sqlstate


@step("upsert")
def _():
    run(INSERT + " ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name",
        (5, ADA[1], "Ada King", None, None), rows=False)
    return show(run("SELECT id, name FROM person WHERE email = ?", [ADA[1]]))


@step("update")
def _():
    n = run("UPDATE person SET note = ? WHERE email = ?", ["changed", ADA[1]], rows=False)
    return show([[n] + list(row) for row in run("SELECT note FROM person WHERE id = 1")])


@step("rollback")
def _():
    count = "SELECT count(*) FROM person WHERE email = ?"
    email = "rollback@example.org"
    with conn.transaction(force_rollback=True):
        run(INSERT, (900, email, "Rolled back", None, None), rows=False)
        run("UPDATE person SET note = ? WHERE id = 1", ["rolled back"], rows=False)
        inside = show(run(count, [email]))
    return f"{inside}, then {show(run(count, [email]))}"


@step("commit")
def _():
    with conn.transaction():
        run(INSERT, (901, "commit@example.org", "Committed", "kept", None), rows=False)
    return show(run("SELECT count(*) FROM person WHERE email = ? AND note = ?", ["commit@example.org", "kept"]))


@step("delete")
def _():
    n = run("DELETE FROM person WHERE email = ?", ["user100@example.org"], rows=False)
    return f"{n}, then {show(run('SELECT count(*) FROM person WHERE id = 200'))}"


@step("COPY in")
def _():
    with conn.cursor() as cur:
        with cur.copy(f"COPY person FROM STDIN (FORMAT {'binary' if BINARY else 'text'})") as copy:
            if BINARY:
                copy.set_types(["int4", "text", "text", "text", "text"])
            for i in range(300, 303):
                copy.write_row((i, f"copy{i}@example.org", "Größe", None, ""))
    return show(run("SELECT id, email, name, note FROM person WHERE id BETWEEN 300 AND 302 ORDER BY id"))


@step("COPY out")
def _():
    with conn.cursor() as cur:
        with cur.copy("COPY (SELECT id, email, note FROM person WHERE id IN (1, 2) ORDER BY id) TO STDOUT"
                      f" (FORMAT {'binary' if BINARY else 'text'})") as copy:
            copy.set_types(["int4", "text", "text"])
            return show(copy.rows())


@step("type of the column")
def _():
    cur = conn.execute("SELECT name FROM person")
    return cur.description[0].type_code


run_steps()
