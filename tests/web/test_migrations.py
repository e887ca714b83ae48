"""Migrations: they are the models, and the code of before goes on working while and after they are applied.

The rule (docs/operating.md, "Upgrade"): the schema is brought up to date first, then processes are replaced one by one, so for
a while the code of before writes to the schema of today. A migration therefore only adds: what it adds may be left out by who
does not know it. What is to go is first no longer used, and removed in a later version.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from importlib.resources import files
from io import StringIO
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.migrations import operations as ops
from django.db.migrations.loader import MigrationLoader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.migrations import Migration

# What is removed now, with the version that stopped using it: the second of two steps. Nothing so far.
SECOND_STEPS: dict[tuple[str, str], str] = {}
_TAKEN_AWAY = (ops.RemoveField, ops.RenameField, ops.RenameModel, ops.DeleteModel, ops.AlterModelTable)
_SQL_TAKEN_AWAY = re.compile(
    r"\b(drop\s+(table|column|view|database)|rename\s+(table|column)|truncate|clear\s+column|exchange\s+tables)\b",
    re.IGNORECASE,
)
_LOADER = MigrationLoader(None)


def ours() -> Iterator[tuple[tuple[str, str], Migration]]:
    for key, migration in sorted(_LOADER.disk_migrations.items()):
        if apps.get_app_config(key[0]).name.startswith("cyberalarm."):
            yield key, migration


def test_no_migration_is_missing() -> None:
    told = StringIO()
    call_command("makemigrations", check_changes=True, dry_run=True, stdout=told)
    assert "No changes detected" in told.getvalue()


def faults(operation: ops.base.Operation) -> str:
    """What an operation would do to code that does not know of it; empty when nothing."""
    if isinstance(operation, _TAKEN_AWAY):
        return "takes away what the code of before uses"
    if isinstance(operation, ops.AddField):
        field = operation.field
        if not field.null and not field.has_db_default() and not field.many_to_many:
            return "adds a column that the code of before leaves empty: give it db_default, or let it be null"
    if isinstance(operation, ops.RunPython) and operation.reverse_code is None:
        return "cannot be undone: give it a reverse_code, if only RunPython.noop"
    return ""


@pytest.mark.parametrize(
    ("key", "migration"), list(ours()), ids=lambda one: "/".join(one) if isinstance(one, tuple) else ""
)
def test_a_migration_only_adds(key: tuple[str, str], migration: Migration) -> None:
    if key in SECOND_STEPS:
        return
    new = {operation.name.lower() for operation in migration.operations if isinstance(operation, ops.CreateModel)}
    judged = [one for one in migration.operations if getattr(one, "model_name", "").lower() not in new]
    assert [f"{one.describe()}: {fault}" for one in judged if (fault := faults(one))] == []


@pytest.mark.parametrize(
    ("operation", "refused"),
    [
        (ops.AddField("x", "y", models.IntegerField()), True),
        (ops.AddField("x", "y", models.IntegerField(default=0)), True),  # Django's default is not the database's
        (ops.AddField("x", "y", models.IntegerField(default=0, db_default=0)), False),
        (ops.AddField("x", "y", models.IntegerField(null=True)), False),
        (ops.RemoveField("x", "y"), True),
        (ops.RenameField("x", "y", "z"), True),
        (ops.DeleteModel("x"), True),
        (ops.CreateModel("x", []), False),
    ],
)
def test_the_rule_tells_good_from_bad(operation: ops.base.Operation, refused: bool) -> None:
    assert bool(faults(operation)) is refused


def test_event_migrations_only_add() -> None:
    folder = files("cyberalarm.central.events").joinpath("migrations")
    texts = {path.name: path.read_text("utf-8") for path in folder.iterdir() if path.name.endswith(".sql")}
    assert texts
    for name, text in texts.items():
        plain = re.sub(r"--[^\n]*", "", text)
        assert not _SQL_TAKEN_AWAY.search(plain), name


_VALUES: dict[type[models.Field], object] = {
    models.CharField: "x",
    models.TextField: "x",
    models.BooleanField: False,
    models.DateTimeField: datetime(2026, 11, 20, tzinfo=UTC),
    models.DateField: date(2026, 11, 20),
    models.JSONField: {},
    models.BinaryField: b"x",
    models.UUIDField: uuid4(),
    models.FloatField: 1.0,
    models.IntegerField: 1,
    models.ForeignKey: 1,
}
# What a constraint of the table asks for beside.
_ROWS: dict[str, dict[str, object]] = {
    "accounts.user": {"role": "operator", "scope_level": "national", "scope_code": ""}
}


def value_for(field: models.Field) -> object:
    """Something that the field may hold; keys of other tables are not looked at before a transaction ends."""
    return next(value for kind, value in _VALUES.items() if isinstance(field, kind))


def states() -> Iterator[tuple[str, str]]:
    """Every state of an app that some code was delivered with, but for the newest."""
    for label in sorted({key[0] for key, _ in ours()}):
        names = [name for (app, name), _ in ours() if app == label]
        for name in names[:-1]:
            yield label, name


@pytest.mark.parametrize(("label", "name"), list(states()))
def test_the_code_of_before_writes_and_reads_on_the_schema_of_today(migrated: None, label: str, name: str) -> None:
    """Each model as the code of that migration knew it, on today's tables: a row is written, read and changed."""
    known = _LOADER.project_state((label, name)).apps
    today = {model._meta.label_lower for model in apps.get_app_config(label).get_models()}
    for model in known.get_app_config(label).get_models():
        if model._meta.label_lower not in today:
            continue
        required = [
            f
            for f in model._meta.local_concrete_fields
            if not f.null and not f.has_default() and not f.has_db_default()
        ]
        row = {f.attname: value_for(f) for f in required if not isinstance(f, models.AutoField)}
        row |= _ROWS.get(model._meta.label_lower, {})
        with transaction.atomic():
            made = model._base_manager.create(**row)
            assert model._base_manager.get(pk=made.pk) is not None
            if label != "audit":  # whose rows cannot be changed
                made.save(force_update=True)
            transaction.set_rollback(True)
    assert connection.is_usable()
