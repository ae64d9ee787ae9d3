"""asyncpg: its values travel in binary, through prepared statements."""
import asyncio
import os

import asyncpg

from steps import *

INSERT = "INSERT INTO person (id, email, name, note, city) VALUES ($1, $2, $3, $4, $5)"
conn = None


async def query(*args):
    return show(await conn.fetch(*args))


@step("migration")
async def _():
    for statement in MIGRATION:
        await conn.execute(statement)
    return await query("SELECT count(*) FROM person")


@step("insert with bind parameters")
async def _():
    return await query(INSERT + " RETURNING id, email, name, note", *ADA)


@step("NULL and empty string")
async def _():
    await conn.execute(INSERT, *NULL_NOTE)
    await conn.execute(INSERT, *EMPTY_NOTE)
    return await query("SELECT id, note FROM person WHERE id IN (2, 3) ORDER BY id")


@step("IS NULL")
async def _():
    return await query("SELECT id FROM person WHERE note IS NULL")


@step("equality with the empty string")
async def _():
    return await query("SELECT id FROM person WHERE note = $1", "")


@step("non-ASCII text")
async def _():
    await conn.execute(INSERT, *ZOE)
    return await query("SELECT id, email, name, note FROM person WHERE id = 4")


@step("equality with non-ASCII text")
async def _():
    return await query("SELECT id FROM person WHERE email = $1 AND note = $2", ZOE[1], ZOE[3])


@step("bulk insert")
async def _():
    await conn.executemany(INSERT, BULK)
    return await query("SELECT count(*) FROM person WHERE id > 100")


@step("equality")
async def _():
    return await query("SELECT id, name FROM person WHERE email = $1", "user7@example.org")


@step("equality without a match")
async def _():
    return await query("SELECT count(*) FROM person WHERE email = $1", "nobody@example.org")


@step("IN list")
async def _():
    emails = ["user1@example.org", "user2@example.org", "user3@example.org", "nobody@example.org"]
    one = await query("SELECT id FROM person WHERE email IN ($1, $2, $3, $4) ORDER BY id", *emails)
    assert one == await query("SELECT id FROM person WHERE email = ANY ($1) ORDER BY id", emails)
    return one


@step("LIKE")
async def _():
    return await query("SELECT count(*) FROM person WHERE name LIKE $1", "Name 09%")


@step("ORDER BY")
async def _():
    return await query("SELECT name FROM person WHERE id > 100 ORDER BY name DESC LIMIT 3")


@step("aggregates")
async def _():
    return await query("SELECT count(DISTINCT name), min(name), max(name) FROM person WHERE id > 100")


@step("text functions")
async def _():
    return await query("SELECT upper(name), length(name) FROM person WHERE email = $1", ADA[1])


@step("unique")
async def _():
    try:
        await conn.execute(INSERT, 5, *ADA[1:])
    except asyncpg.UniqueViolationError as error:
        return error.sqlstate


@step("upsert")
async def _():
    await conn.execute(INSERT + " ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name",
                       5, ADA[1], "Ada King", None, None)
    return await query("SELECT id, name FROM person WHERE email = $1", ADA[1])


@step("update")
async def _():
    status = await conn.execute("UPDATE person SET note = $1 WHERE email = $2", "changed", ADA[1])
    return status.split()[-1] + "|" + await query("SELECT note FROM person WHERE id = 1")


@step("rollback")
async def _():
    count = "SELECT count(*) FROM person WHERE email = $1"
    email = "rollback@example.org"
    transaction = conn.transaction()
    await transaction.start()
    await conn.execute(INSERT, 900, email, "Rolled back", None, None)
    await conn.execute("UPDATE person SET note = $1 WHERE id = 1", "rolled back")
    inside = await query(count, email)
    await transaction.rollback()
    return f"{inside}, then {await query(count, email)}"


@step("commit")
async def _():
    async with conn.transaction():
        await conn.execute(INSERT, 901, "commit@example.org", "Committed", "kept", None)
    return await query("SELECT count(*) FROM person WHERE email = $1 AND note = $2", "commit@example.org", "kept")


@step("delete")
async def _():
    status = await conn.execute("DELETE FROM person WHERE email = $1", "user100@example.org")
    return status.split()[-1] + ", then " + await query("SELECT count(*) FROM person WHERE id = 200")


@step("COPY in")
async def _():
    await conn.copy_records_to_table(
        "person", columns=["id", "email", "name", "note", "city"],
        records=[(i, f"copy{i}@example.org", "Größe", None, "") for i in range(300, 303)])
    return await query("SELECT id, email, name, note FROM person WHERE id BETWEEN 300 AND 302 ORDER BY id")


@step("type of the column")
async def _():
    statement = await conn.prepare("SELECT name FROM person WHERE email = $1")
    return f"{statement.get_attributes()[0].type.name}, parameter {statement.get_parameters()[0].name}"


async def main():
    global conn
    # a pooler in transaction mode cannot keep prepared statements
    conn = await asyncpg.connect(statement_cache_size=0 if os.environ.get("FC_POOLER") else 100)
    await run_steps_async()
    await conn.close()


asyncio.run(main())
