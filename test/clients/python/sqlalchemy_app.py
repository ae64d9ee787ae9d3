"""SQLAlchemy, core and ORM, and Alembic.  Argument: psycopg or asyncpg."""
import asyncio
import os
import sys

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_types import EncryptedText
from steps import *

DRIVER = sys.argv[1]
URL = sa.URL.create(
    f"postgresql+{DRIVER}", os.environ["PGUSER"], os.environ["PGPASSWORD"],
    os.environ["PGHOST"], int(os.environ["PGPORT"]), os.environ["PGDATABASE"])


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "person"
    __table_args__ = (sa.Index("person_email", "email", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    email: Mapped[str] = mapped_column(EncryptedText("pii", "searchable"))
    name: Mapped[str] = mapped_column(EncryptedText("pii"))
    city: Mapped[str | None] = mapped_column(sa.Text)
    note: Mapped[str | None] = mapped_column(EncryptedText("pii"))


def person(row):
    return dict(zip(("id", "email", "name", "note", "city"), row))


def alembic(connection, what, *args):
    config = Config()
    config.set_main_option("script_location", os.path.join(os.path.dirname(__file__), "alembic_people"))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = Base.metadata
    what(config, *args)


def steps(session):
    """The steps; the session is a plain one, also on asyncpg."""

    def query(statement):
        return show(session.execute(statement).all())

    def count(*conditions):
        return session.scalar(sa.select(sa.func.count()).select_from(Person).where(*conditions))

    @step("migration")
    def _():
        alembic(session.connection(), command.upgrade, "head")
        alembic(session.connection(), command.downgrade, "0001")
        alembic(session.connection(), command.upgrade, "head")
        session.commit()
        return count()

    @step("insert with bind parameters")
    def _():
        returning = insert(Person).values(person(ADA)).returning(Person.id, Person.email, Person.name, Person.note)
        result = query(returning)
        session.commit()
        return result

    @step("NULL and empty string")
    def _():
        session.add_all([Person(**person(NULL_NOTE)), Person(**person(EMPTY_NOTE))])
        session.commit()
        return query(sa.select(Person.id, Person.note).where(Person.id.in_([2, 3])).order_by(Person.id))

    @step("IS NULL")
    def _():
        return query(sa.select(Person.id).where(Person.note.is_(None)))

    @step("equality with the empty string")
    def _():
        return query(sa.select(Person.id).where(Person.note == ""))

    @step("non-ASCII text")
    def _():
        session.add(Person(**person(ZOE)))
        session.commit()
        session.expire_all()
        found = session.get(Person, 4)
        return show([[found.id, found.email, found.name, found.note]])

    @step("equality with non-ASCII text")
    def _():
        return query(sa.select(Person.id).where(Person.email == ZOE[1], Person.note == ZOE[3]))

    @step("bulk insert")
    def _():
        session.execute(insert(Person), [person(row) for row in BULK])
        session.commit()
        return count(Person.id > 100)

    @step("equality")
    def _():
        return query(sa.select(Person.id, Person.name).where(Person.email == "user7@example.org"))

    @step("equality without a match")
    def _():
        return count(Person.email == "nobody@example.org")

    @step("IN list")
    def _():
        emails = ["user1@example.org", "user2@example.org", "user3@example.org", "nobody@example.org"]
        return query(sa.select(Person.id).where(Person.email.in_(emails)).order_by(Person.id))

    @step("LIKE")
    def _():
        assert count(Person.name.startswith("Name 09")) == count(Person.name.ilike("nAME 09%"))
        return count(Person.name.like("Name 09%"))

    @step("ORDER BY")
    def _():
        return query(sa.select(Person.name).where(Person.id > 100).order_by(Person.name.desc()).limit(3))

    @step("aggregates")
    def _():
        name = Person.name
        return query(sa.select(sa.func.count(name.distinct()), sa.func.min(name), sa.func.max(name))
                     .where(Person.id > 100))

    @step("text functions")
    def _():
        return query(sa.select(sa.func.upper(Person.name), sa.func.length(Person.name)).where(Person.email == ADA[1]))

    @step("unique")
    def _():
        try:
            session.add(Person(**person((5,) + ADA[1:])))
            session.commit()
        except IntegrityError as error:
            session.rollback()
            return error.orig.sqlstate

    @step("upsert")
    def _():
        statement = insert(Person).values(person((5, ADA[1], "Ada King", None, None)))
        session.execute(statement.on_conflict_do_update(
            index_elements=[Person.email], set_={"name": statement.excluded.name}))
        session.commit()
        return query(sa.select(Person.id, Person.name).where(Person.email == ADA[1]))

    @step("update")
    def _():
        done = session.execute(sa.update(Person).where(Person.email == ADA[1]).values(note="changed"))
        session.commit()
        return f"{done.rowcount}|" + query(sa.select(Person.note).where(Person.id == 1))

    @step("rollback")
    def _():
        session.add(Person(**person((900, "rollback@example.org", "Rolled back", None, None))))
        session.get(Person, 1).note = "rolled back"
        session.flush()
        inside = count(Person.email == "rollback@example.org")
        session.rollback()
        return f"{inside}, then {count(Person.email == 'rollback@example.org')}"

    @step("commit")
    def _():
        session.add(Person(**person((901, "commit@example.org", "Committed", "kept", None))))
        session.commit()
        return count(Person.email == "commit@example.org", Person.note == "kept")

    @step("delete")
    def _():
        done = session.execute(sa.delete(Person).where(Person.email == "user100@example.org"))
        session.commit()
        return f"{done.rowcount}, then {count(Person.id == 200)}"

    @step("reflection")
    def _():
        columns = sa.inspect(session.connection()).get_columns("person")
        return show([[c["name"], isinstance(c["type"], sa.Text), c["nullable"]] for c in columns])

    @step("autogenerate finds nothing to change")
    def _():
        # the index is one on an expression in the database
        options = {"include_object": lambda item, name, kind, *_: name != "person_email"}
        return compare_metadata(MigrationContext.configure(session.connection(), opts=options), Base.metadata)

    @step("two columns compared, GROUP BY, CASE")
    def _():
        kind = sa.case((Person.name == Person.note, "same"), (Person.note == "", "empty"), else_="other")
        return query(sa.select(kind, sa.func.count()).group_by(kind).order_by(kind))


def run_in(connection):
    with Session(connection) as session:
        steps(session)
        run_steps()


async def run_asyncpg():
    engine = create_async_engine(URL)
    async with engine.connect() as connection:
        await connection.run_sync(run_in)
    await engine.dispose()


if DRIVER == "asyncpg":
    asyncio.run(run_asyncpg())
else:
    with sa.create_engine(URL).connect() as connection:
        run_in(connection)
