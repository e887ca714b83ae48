"""What one process of the centre may do at a time, wherever it runs: PostgreSQL's advisory locks.

With SQLite there is nothing to hold: one process has the data folder, and its writing transactions are immediate. A lock ends
with its transaction or connection, so a dead process holds none.
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

_OURS = 0x43_59_41_4C  # "CYAL": other programs' locks in the same database have other first numbers


class Lock(IntEnum):
    """The second number of a lock. Numbers are never used anew: old and new versions run side by side."""

    MIGRATIONS = 1
    AUDIT = 2


def hold(lock: Lock) -> None:
    """Wait for a lock and hold it until this transaction ends. Call it inside one."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_OURS, lock])


@contextmanager
def held(lock: Lock) -> Iterator[None]:
    """Wait for a lock and hold it over any number of transactions of this thread."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [_OURS, lock])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_OURS, lock])
