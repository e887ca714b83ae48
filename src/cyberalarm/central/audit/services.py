"""Adding to the record of privileged acts, and checking that nobody rewrote it."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from cyberalarm.central.audit.errors import ChainBrokenError
from cyberalarm.central.audit.models import COLLECTOR, CONSOLE, NOBODY, Action, Entry
from cyberalarm.central.locks import Lock, hold

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User

FIRST_PREVIOUS = "0" * 64
# As long as the columns are.
_LONGEST_NAME = 64
_LONGEST_WHY = 200


def digest(entry: Entry) -> str:
    """SHA-256 over all columns but the digest itself, as canonical JSON; columns that came later only where filled."""
    table: dict[str, str | int] = {
        "sequence": entry.sequence,
        "at": _text(entry.at),
        "actor": entry.actor,
        "actor_role": entry.actor_role,
        "action": str(entry.action),
        "subject": entry.subject,
        "previous": entry.previous,
    }
    later = {"actor_name": entry.actor_name, "why": entry.why}
    table |= {name: value for name, value in later.items() if value is not None}
    return hashlib.sha256(json.dumps(table, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def record(actor: User | None, action: Action, subject: str = "", why: str = "", *, collector: str = "") -> Entry:
    """Add one row. Call it inside the transaction of the act, so that both happen or neither.

    Without an actor it is the collector of this reference, that acts for itself; or else somebody at the machine's console, who is
    recorded by the account that this process runs as.
    Writers are serial: SQLite's immediate transactions allow one at a time, PostgreSQL's wait for a lock; and `sequence` being the
    key makes the loser of any other race fail rather than fork the chain.
    """
    with transaction.atomic():
        hold(Lock.AUDIT)
        last = Entry.objects.order_by("-sequence").first()
        entry = Entry(
            sequence=last.sequence + 1 if last else 1,
            at=timezone.now(),
            actor=actor.pk if actor else NOBODY,
            actor_role=actor.role if actor else COLLECTOR if collector else CONSOLE,
            actor_name=None if actor else collector or _account(),
            action=action,
            subject=subject,
            why=why[:_LONGEST_WHY] or None,
            previous=last.digest if last else FIRST_PREVIOUS,
        )
        entry.digest = digest(entry)
        entry._insert_once()  # noqa: SLF001
    return entry


def _account() -> str:
    """The machine's name for the account of this process; its number where it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name[:_LONGEST_NAME]
    except KeyError:
        return f"account {os.getuid()}"


def verify_chain() -> int:
    """Check every row against the one before; give the number of rows.

    Raises ChainBrokenError at the first row that was changed, removed or put in. Rows cut off at the end
    cannot be noticed from inside: keep the newest digest elsewhere to notice that too.
    """
    previous, expected = FIRST_PREVIOUS, 1
    for entry in Entry.objects.order_by("sequence").iterator(chunk_size=1000):
        if entry.sequence != expected or entry.previous != previous or entry.digest != digest(entry):
            raise ChainBrokenError(
                f"The audit record is broken at row {entry.sequence} (expected row {expected}).",
                next_step="Keep the database as it is and compare it with the last backup.",
            )
        previous, expected = entry.digest, expected + 1
    return expected - 1
