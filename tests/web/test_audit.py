"""The record of privileged acts can only grow, and notices when somebody rewrites it."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import pwd
from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, connection, transaction

from cyberalarm.central.audit.errors import AppendOnlyError, ChainBrokenError
from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.audit.services import FIRST_PREVIOUS, digest, record, verify_chain

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User


def _without_triggers() -> list[str]:
    if connection.vendor == "postgresql":
        return ["DROP TRIGGER audit_entry_append_only ON audit_entry"]
    return [f"DROP TRIGGER {name}" for name in ("audit_entry_no_update", "audit_entry_no_delete")]


@pytest.fixture
def rows(officer: User) -> list[Entry]:
    """One of each act, with a reason for every second, and at the end one from the machine's console."""
    made = [record(officer, action, f"member:m-{at}", "left us" * (at % 2)) for at, action in enumerate(Action)]
    return [*made, record(None, Action.REVOKED, "collector:c-1", "stolen")]


def test_an_act_at_the_console_has_a_name_and_no_number(officer: User) -> None:
    by_person = record(officer, Action.STOPPED, "collector:c-1", "it floods us")
    assert (by_person.actor, by_person.actor_name, by_person.why) == (officer.pk, None, "it floods us")
    by_nobody = Entry.objects.get(pk=record(None, Action.RESUMED, "collector:c-1").pk)
    assert (by_nobody.actor, by_nobody.actor_name, by_nobody.why) == (0, pwd.getpwuid(os.getuid()).pw_name, None)
    assert by_nobody.who.endswith("at the machine's console")


def test_rows_of_before_keep_their_digest(officer: User) -> None:
    """A row without the later columns has the digest that the first version of the program gave it."""
    row = record(officer, Action.MEMBER_VIEWED, "member:m-1")
    table = {
        "sequence": row.sequence, "at": row.at.astimezone(UTC).isoformat(timespec="microseconds"), "actor": row.actor,
        "actor_role": row.actor_role, "action": "member-viewed", "subject": "member:m-1", "previous": row.previous,
    }  # fmt: skip
    old = hashlib.sha256(json.dumps(table, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()
    assert row.digest == old


def test_rows_are_chained(rows: list[Entry]) -> None:
    for before, after in itertools.pairwise(rows):
        assert after.previous == before.digest
        assert after.sequence == before.sequence + 1
    first = Entry.objects.order_by("sequence")[0]
    assert (first.sequence, first.previous) == (1, FIRST_PREVIOUS)
    assert verify_chain() == Entry.objects.count() >= len(rows)


def test_a_row_read_back_has_the_digest_it_was_given(rows: list[Entry]) -> None:
    for row in rows:
        assert digest(Entry.objects.get(pk=row.pk)) == row.digest


def test_the_orm_refuses(rows: list[Entry]) -> None:
    row = Entry.objects.get(pk=rows[0].pk)
    row.subject = "member:other"
    for act in (
        row.save,
        row.delete,
        Entry.objects.all().delete,
        lambda: Entry.objects.all().update(subject="x"),
        lambda: Entry.objects.bulk_create([row]),
        lambda: Entry.objects.bulk_update([row], ["subject"]),
        lambda: Entry.objects.create(sequence=99),
    ):
        with pytest.raises(AppendOnlyError):
            act()


@pytest.mark.parametrize("statement", ["UPDATE audit_entry SET subject = 'x'", "DELETE FROM audit_entry"])
def test_the_database_refuses(rows: list[Entry], statement: str) -> None:
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert verify_chain() >= len(rows)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET subject = 'member:other' WHERE sequence = %s",
        "UPDATE audit_entry SET actor = actor + 1 WHERE sequence = %s",
        "UPDATE audit_entry SET at = '2020-01-01 00:00:00' WHERE sequence = %s",
        "UPDATE audit_entry SET previous = digest WHERE sequence = %s",
        "UPDATE audit_entry SET why = 'another reason' WHERE sequence = %s",
        "UPDATE audit_entry SET actor_name = 'somebody' WHERE sequence = %s",
        "DELETE FROM audit_entry WHERE sequence = %s",
    ],
)
def test_rewriting_behind_the_triggers_is_noticed(rows: list[Entry], statement: str) -> None:
    with connection.cursor() as cursor:
        for statement_off in _without_triggers():
            cursor.execute(statement_off)
        cursor.execute(statement, [rows[2].sequence])
    with pytest.raises(ChainBrokenError) as caught:
        verify_chain()
    assert str(rows[2].sequence) in str(caught.value) or str(rows[3].sequence) in str(caught.value)
