"""What the Python clients share: one line per step on standard output."""
import os
import sys
import traceback

TYPE = os.environ["FC_TYPE"]
TYPE_SEARCHABLE = os.environ["FC_TYPE_SEARCHABLE"]

MIGRATION = [
    f"""CREATE TABLE person (
            id integer PRIMARY KEY,
            email {TYPE_SEARCHABLE} NOT NULL UNIQUE,
            name {TYPE} NOT NULL,
            city text)""",
    f"ALTER TABLE person ADD COLUMN note {TYPE}",
]
ADA = (1, "ada@example.org", "Ada Lovelace", "first", "London")
NULL_NOTE = (2, "null@example.org", "Nobody", None, None)
EMPTY_NOTE = (3, "empty@example.org", "Somebody", "", "")
ZOE = (4, "zoë@example.org", "Zoë Müller 😀", "Ωμέγα 日本語", "Köln")
BULK = [(100 + i, f"user{i}@example.org", f"Name {i:03}", None, "bulk") for i in range(1, 101)]
STEPS = []


def show(rows):
    """Rows of columns as one line."""
    return " ; ".join("|".join("<null>" if c is None else str(c) for c in row) for row in rows)


def step(title):
    """Make the decorated function the next step."""

    def add(function):
        STEPS.append((title, function))
        return function

    return add


def failed(error):
    traceback.print_exception(error, file=sys.stderr)
    return "ERROR " + str(error).replace("\n", " ")


def run_steps():
    for title, function in STEPS:
        try:
            result = function()
        except Exception as error:  # the next steps are still worth a try
            result = failed(error)
        print(f"{title}: {result}", flush=True)


async def run_steps_async():
    for title, function in STEPS:
        try:
            result = await function()
        except Exception as error:
            result = failed(error)
        print(f"{title}: {result}", flush=True)
