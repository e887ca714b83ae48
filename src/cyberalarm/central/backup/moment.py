"""One moment of a centre, held still in its data folder until it has been copied.

Order, and why: storing is brought to rest (`ingest.quiet`), a snapshot of the relational database is begun and the event store
frozen, and storing goes on: milliseconds. So no receipt is in a backup without its rows, and no rows without their record, in
raw events or rollups. Sealed originals, keys and other files are copied afterwards: they are on disk before what names them,
and never change.

What is held is let go of by `release`, also when whoever copied it died: the next `hold` and the centre's next start clear it away.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import structlog
from django.db import connection

from cyberalarm.central.audit.models import Entry
from cyberalarm.central.backup.staging import POSTGRESQL, SQLITE, STAGING, release, run_tool
from cyberalarm.central.events import freezing
from cyberalarm.central.ingest import quiet
from cyberalarm.central.ingest.models import Envelope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cyberalarm.central.backup.staging import Moment
    from cyberalarm.central.config import CentralConfig
    from cyberalarm.central.events.store import EventStore

log = structlog.get_logger(__name__)

_PAGES = 4096  # copied at once


def hold(config: CentralConfig, store: EventStore, name: str) -> Moment:
    """Hold this moment under a name. One at a time: the caller has the backup's lock. Raises BackupRefusedError, BusyError."""
    release(config.data, store.directory)
    staging = config.data / STAGING
    staging.mkdir(mode=0o700)
    kind = POSTGRESQL if connection.vendor == "postgresql" else SQLITE
    snapshot = staging / f"central.{kind}"
    try:
        with _snapshot(kind) as copy:
            with quiet.quiet():
                copy.begin()
                tables = freezing.freeze(store, name)
                envelopes = Envelope.objects.filter(state=Envelope.State.STORED).count()
                newest = Entry.objects.order_by("-sequence").first()
            copy.write(snapshot)
    except BaseException:
        release(config.data, store.directory)
        raise
    log.info("backup.held", name=name, envelopes=envelopes)
    return {
        "database": kind,
        "snapshot": str(snapshot),
        "statements": [table.statement for table in tables],
        "rows": {table.name: table.rows for table in tables if table.folder},
        "tables": {table.name: str(table.folder) for table in tables if table.folder},
        "envelopes": envelopes,
        "audit": f"{newest.sequence}:{newest.digest}" if newest else "",
    }


class _Sqlite:
    """A read transaction is the snapshot (WAL); the online backup interface copies what it sees, while others write."""

    def __init__(self) -> None:
        self._base = sqlite3.connect(f"file:{connection.settings_dict['NAME']}?mode=ro", uri=True, isolation_level=None)

    def begin(self) -> None:
        self._base.execute("begin")
        self._base.execute("select count(*) from sqlite_master").fetchone()

    def write(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as copy:
            self._base.backup(copy, pages=_PAGES)
        path.chmod(0o600)

    def close(self) -> None:
        self._base.close()


class _Postgresql:
    """An exported snapshot, dumped by PostgreSQL's own pg_dump, while others write."""

    def __init__(self) -> None:
        self._copy = connection.copy()
        self._snapshot = ""

    def begin(self) -> None:
        with self._copy.cursor() as cursor:
            cursor.execute("begin isolation level repeatable read read only")
            cursor.execute("select pg_export_snapshot()")
            row = cursor.fetchone()
            self._snapshot = str(row[0]) if row else ""

    def write(self, path: Path) -> None:
        target, environment = postgresql_target()
        command = ["pg_dump", "--format=custom", f"--snapshot={self._snapshot}", f"--file={path}", *target]
        run_tool(command, environment)
        path.chmod(0o600)

    def close(self) -> None:
        self._copy.close()


@contextmanager
def _snapshot(kind: str) -> Iterator[_Sqlite | _Postgresql]:
    copy = _Postgresql() if kind == POSTGRESQL else _Sqlite()
    try:
        yield copy
    finally:
        copy.close()


def postgresql_target() -> tuple[list[str], dict[str, str]]:
    """How PostgreSQL's own programs reach our database: arguments, and the environment with the password."""
    wanted = connection.settings_dict
    options = {"--host": wanted.get("HOST"), "--port": wanted.get("PORT"), "--username": wanted.get("USER")}
    arguments = [f"{name}={value}" for name, value in options.items() if value]
    password = {"PGPASSWORD": str(wanted["PASSWORD"])} if wanted.get("PASSWORD") else {}
    return [*arguments, f"--dbname={wanted['NAME']}"], {**os.environ, **password}
