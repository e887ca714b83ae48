"""Moments in which nothing is half stored, for a backup to begin in.

Whoever stores a group does it inside `storing`; many may at once, in any process. Inside `quiet` nobody does: no envelope is
recorded whose rows are not there, and no row is there whose envelope is not recorded. Being quiet takes milliseconds; envelopes
wait as long.

Between processes the relational database keeps the lock (PostgreSQL's advisory locks); on SQLite one process stores, and a lock
in its memory will do.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import connection

from cyberalarm.central.ingest.errors import BusyError
from cyberalarm.central.ingest.models import Envelope

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADVISORY = 0x63796265  # any number that nobody else in this database locks by
PATIENCE = 30.0

_changed = threading.Condition()
_storing = 0
_quiet = False


@contextmanager
def storing() -> Iterator[None]:
    """Hold this while a group goes through its steps."""
    global _storing  # noqa: PLW0603 - one process, one lock
    with _changed:
        _changed.wait_for(lambda: not _quiet)
        _storing += 1
    try:
        with _shared():
            yield
    finally:
        with _changed:
            _storing -= 1
            _changed.notify_all()


@contextmanager
def quiet(patience: float = PATIENCE) -> Iterator[None]:
    """Nobody stores in here, and nothing is half stored. Raises BusyError when that cannot be had in time."""
    global _quiet  # noqa: PLW0603
    until = time.monotonic() + patience
    with _changed:
        if not _changed.wait_for(lambda: not _quiet, patience):
            raise _never_quiet()
        _quiet = True
    try:
        with _changed:
            if not _changed.wait_for(lambda: not _storing, max(until - time.monotonic(), 0)):
                raise _never_quiet()
        with _exclusive(until):
            if Envelope.objects.filter(state=Envelope.State.STORING).exists():
                raise _never_quiet()
            yield
    finally:
        with _changed:
            _quiet = False
            _changed.notify_all()


def _never_quiet() -> BusyError:
    return BusyError(
        "Storing did not come to rest, or a group is half stored.",
        next_step="Try again in a moment; the centre completes what was interrupted by itself.",
    )


@contextmanager
def _shared() -> Iterator[None]:
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock_shared(%s)", [_ADVISORY])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_unlock_shared(%s)", [_ADVISORY])


@contextmanager
def _exclusive(until: float) -> Iterator[None]:
    if connection.vendor != "postgresql":
        yield
        return
    while not _try_lock():
        if time.monotonic() > until:
            raise _never_quiet()
        time.sleep(0.05)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_unlock(%s)", [_ADVISORY])


def _try_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", [_ADVISORY])
        row = cursor.fetchone()
    return bool(row and row[0])
