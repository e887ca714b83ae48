"""How far each file has been read, so that a restart neither loses nor doubles lines.

Invariants
- A position counts once the bundle that holds the lines before it is in the spool, and not earlier: before the bundle is put, its
  positions are written down as *intended* for its sequence (`intend`); they count when the spool's chain has reached that
  sequence. A kill between any two steps is decided the same way by the next start (`open`).
- What is read here is what counts: `get` never gives an intended position. What a bundle that waits in the journal will bring
  counts already (`expect`), since the journal keeps it until the spool has it.

One SQLite file in the data folder, made with the first position. It holds paths and digests, no word of any line. Whoever opens it
holds the data folder (`files.only_one`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from contextlib import closing, contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import structlog

from cyberalarm.collector.errors import SpoolFullError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

log = structlog.get_logger(__name__)

FILE = "positions.db"
_TABLE = """
create table if not exists place (
  key text primary key,
  value text,                -- counts
  intended text,             -- counts once the spool has this sequence
  sequence integer,
  changed real not null      -- seconds since 1970
) without rowid
"""


class Positions:
    """From any thread; every method may raise SpoolFullError. `damaged`: the file could not be read, and has been set aside."""

    def __init__(self, folder: Path, sequence: int) -> None:
        """Open; `sequence` is the newest that the spool ever held. A full disk does not keep the collector from starting."""
        self._path = folder / FILE
        self._lock = Lock()
        self._unsettled: int | None = sequence
        self._expected: deque[Mapping[str, str]] = deque()
        self.damaged = False
        try:
            if self._path.exists():
                with self._open():
                    pass
        except SpoolFullError:
            log.warning("positions.unwritten")
        except sqlite3.DatabaseError:
            self._path.replace(self._path.with_name(f"{FILE}.damaged-{time.time_ns()}"))
            self.damaged = True
            log.error("positions.damaged")  # noqa: TRY400 - the stack says nothing more

    def expect(self, places: Iterable[Mapping[str, str]]) -> None:
        """What bundles bring that a crash left in the journal, oldest first. They are the next to be spooled."""
        self._expected.extend(one for one in places)

    def get(self, key: str) -> str | None:
        """The position that counts."""
        for expected in reversed(self._expected):
            if key in expected:
                return expected[key]
        if not self._path.exists():
            return None
        with self._open() as database:
            found = database.execute("select value from place where key = ?", (key,)).fetchone()
        return found[0] if found else None

    def like(self, prefix: str) -> dict[str, str]:
        """All positions that count whose key begins so."""
        found: dict[str, str] = {}
        if self._path.exists():
            with self._open() as database:
                rows = database.execute(
                    "select key, value from place where substr(key, 1, ?) = ? and value is not null",
                    (len(prefix), prefix),
                )
                found = dict(rows.fetchall())
        for expected in tuple(self._expected):
            found |= {key: value for key, value in expected.items() if key.startswith(prefix)}
        return found

    def put(self, places: Mapping[str, str]) -> None:
        """Positions that count at once: there is no line before them that is not in the spool. Raises SpoolFullError."""
        with self._open() as database:
            database.executemany(
                "insert into place (key, value, changed) values (?, ?, ?)"
                " on conflict (key) do update set value = excluded.value, changed = excluded.changed",
                [(key, value, time.time()) for key, value in places.items()],
            )

    def forget(self, keys: list[str]) -> None:
        with self._open() as database:
            database.executemany("delete from place where key = ?", [(key,) for key in keys])

    def intend(self, sequence: int, places: Mapping[str, str]) -> None:
        """Positions that count once the spool has this sequence. Durable when this returns. Raises SpoolFullError."""
        with self._open() as database:
            database.executemany(
                "insert into place (key, intended, sequence, changed) values (?, ?, ?, ?)"
                " on conflict (key) do update set intended = excluded.intended, sequence = excluded.sequence,"
                " changed = excluded.changed",
                [(key, value, sequence, time.time()) for key, value in places.items()],
            )

    def reached(self, sequence: int) -> None:
        """The spool has this sequence. A failure does not matter: whoever opens next finds the same."""
        self._unsettled = sequence
        try:
            with self._open():
                pass
        except (SpoolFullError, sqlite3.Error):
            log.warning("positions.unwritten")
        if self._expected:
            self._expected.popleft()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable at its end."""
        with self._lock:
            if not self._path.exists():
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600))
            try:
                with closing(sqlite3.connect(self._path, timeout=5)) as database:
                    database.execute("pragma synchronous = full")
                    database.execute(_TABLE)
                    with database:
                        if self._unsettled is not None:
                            _settle(database, self._unsettled)
                        yield database
                    self._unsettled = None
            except (sqlite3.OperationalError, OSError) as error:
                raise SpoolFullError(
                    f"{self._path} cannot be written: {error}.",
                    next_step="Free some space on the disk of the data folder.",
                    code="spool-unwritable",
                ) from error


def _settle(database: sqlite3.Connection, sequence: int) -> None:
    database.execute(
        "update place set value = intended, intended = null, sequence = null where sequence <= ?", (sequence,)
    )
    # What was intended for a bundle that never came to be.
    database.execute("update place set intended = null, sequence = null where sequence is not null")
    database.execute("delete from place where value is null")
