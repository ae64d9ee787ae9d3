"""Django: a model, its migrations, its query set methods.

Argument: client or server, where parameters are bound.
"""
import os
import sys

import django
from django.conf import settings
from django.core.management import call_command

from steps import *

settings.configure(
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PGDATABASE"], "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"],
        "USER": os.environ["PGUSER"], "PASSWORD": os.environ["PGPASSWORD"],
        "DISABLE_SERVER_SIDE_CURSORS": bool(os.environ.get("FC_POOLER")),
        "OPTIONS": {"server_side_binding": sys.argv[1] == "server"},
    }},
    INSTALLED_APPS=["django_people"], USE_TZ=True)
django.setup()

from django.db import IntegrityError, models, transaction  # noqa: E402
from django.db.models import Count, Max, Min  # noqa: E402
from django.db.models.functions import Length, Upper  # noqa: E402
from django_people.models import Person  # noqa: E402


def person(row):
    return Person(**dict(zip(("id", "email", "name", "note", "city"), row)))


@step("migration")
def _():
    call_command("migrate", verbosity=0)
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    return Person.objects.count()


@step("insert with bind parameters")
def _():
    person(ADA).save(force_insert=True)
    return show(Person.objects.filter(id=1).values_list("id", "email", "name", "note"))


@step("NULL and empty string")
def _():
    person(NULL_NOTE).save()
    person(EMPTY_NOTE).save()
    return show(Person.objects.filter(id__in=[2, 3]).order_by("id").values_list("id", "note"))


@step("IS NULL")
def _():
    return show(Person.objects.filter(note__isnull=True).values_list("id"))


@step("equality with the empty string")
def _():
    return show(Person.objects.filter(note="").values_list("id"))


@step("non-ASCII text")
def _():
    person(ZOE).save()
    return show(Person.objects.filter(id=4).values_list("id", "email", "name", "note"))


@step("equality with non-ASCII text")
def _():
    return show(Person.objects.filter(email=ZOE[1], note=ZOE[3]).values_list("id"))


@step("bulk insert")
def _():
    Person.objects.bulk_create([person(row) for row in BULK])
    return Person.objects.filter(id__gt=100).count()


@step("equality")
def _():
    found = Person.objects.get(email="user7@example.org")
    return f"{found.id}|{found.name}"


@step("equality without a match")
def _():
    return Person.objects.filter(email="nobody@example.org").count()


@step("IN list")
def _():
    emails = ["user1@example.org", "user2@example.org", "user3@example.org", "nobody@example.org"]
    return show(Person.objects.filter(email__in=emails).order_by("id").values_list("id"))


@step("LIKE")
def _():
    return Person.objects.filter(name__startswith="Name 09").count()


@step("ORDER BY")
def _():
    return show(Person.objects.filter(id__gt=100).order_by("-name").values_list("name")[:3])


@step("aggregates")
def _():
    row = Person.objects.filter(id__gt=100).aggregate(n=Count("name", distinct=True), low=Min("name"), high=Max("name"))
    return show([row.values()])


@step("text functions")
def _():
    return show(Person.objects.filter(email=ADA[1]).values_list(Upper("name"), Length("name")))


@step("unique")
def _():
    try:
        person((5,) + ADA[1:]).save(force_insert=True)
    except IntegrityError as error:
        return error.__cause__.sqlstate


@step("upsert")
def _():
    Person.objects.bulk_create([person((5, ADA[1], "Ada King", None, None))], update_conflicts=True,
                               unique_fields=["email"], update_fields=["name"])
    return show(Person.objects.filter(email=ADA[1]).values_list("id", "name"))


@step("update")
def _():
    n = Person.objects.filter(email=ADA[1]).update(note="changed")
    return f"{n}|{Person.objects.get(id=1).note}"


@step("rollback")
def _():
    same = Person.objects.filter(email="rollback@example.org")
    with transaction.atomic():
        person((900, "rollback@example.org", "Rolled back", None, None)).save()
        Person.objects.filter(id=1).update(note="rolled back")
        inside = same.count()
        transaction.set_rollback(True)
    return f"{inside}, then {same.count()}"


@step("commit")
def _():
    with transaction.atomic():
        person((901, "commit@example.org", "Committed", "kept", None)).save()
    return Person.objects.filter(email="commit@example.org", note="kept").count()


@step("delete")
def _():
    n, _ = Person.objects.filter(email="user100@example.org").delete()
    return f"{n}, then {Person.objects.filter(id=200).count()}"


@step("icontains, iexact, regex, exclude, distinct")
def _():
    objects = Person.objects.filter(id__gt=100)
    return show([[objects.filter(name__icontains="E 09").count(), objects.filter(name__iexact="nAmE 001").count(),
                  objects.filter(name__regex="00[1-5]$").count(), objects.exclude(email="user1@example.org").count(),
                  objects.values("name").distinct().count()]])


@step("get_or_create, update_or_create, in_bulk")
def _():
    _, created = Person.objects.get_or_create(email=ADA[1], defaults={"id": 6, "name": "x"})
    found, created2 = Person.objects.update_or_create(email=ADA[1], defaults={"note": "again"})
    many = Person.objects.in_bulk(["user1@example.org", "user2@example.org"], field_name="email")
    return show([[created, created2, found.note, len(many)]])


@step("union")
def _():
    one = Person.objects.filter(id=1).values_list("name")
    return show(one.union(Person.objects.filter(id=101).values_list("name")).order_by("name"))


run_steps()
