"""Verifying a backup, and making a centre from one.

Restoring is atomic: everything is put together in a folder beside the data folder, held against the manifest, and given its
name at the end. A restore that was cut off leaves that folder, and the next one begins anew. A data folder that holds anything
is refused.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyberalarm.central.backup import listing
from cyberalarm.central.backup.errors import BackupDamagedError, RestoreRefusedError
from cyberalarm.central.backup.staging import POSTGRESQL, SQLITE, run_tool
from cyberalarm.central.backup.taking import check_object
from cyberalarm.central.events import freezing
from cyberalarm.central.events.store import EventStore
from cyberalarm.envelope.errors import SealRefused
from cyberalarm.envelope.files import sync_folder
from cyberalarm.envelope.vault import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm.central.backup.depot import Depot
    from cyberalarm.central.backup.listing import File, Listing, Manifest
    from cyberalarm.envelope.keys import AnalysisKey

    Progress = Callable[[str, int, int], None]

# A dump of PostgreSQL waits in the restored folder until it has been brought into an empty database.
DUMP = "central.postgresql"
_MARK = ".restoring"
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Damage:
    """Something in a backup that is not what was written, and files that cannot be restored because of it."""

    object: str
    what: str
    files: tuple[str, ...]


def verify(depot: Depot, manifest: Manifest, key: AnalysisKey | None, progress: Progress) -> list[Damage]:
    """Read every object of a backup and hold it against its digest; with the recovery key, open it and every file as well.

    Gives what is damaged. Raises BackupDamagedError when the list itself is.
    """
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="cyberalarm-verify-") as scratch,
        closing(listing.fetch(depot, manifest, Path(scratch))) as files,
    ):
        objects = files.objects()
        for at, (name, size, digest) in enumerate(objects):
            progress("Verifying", at, len(objects))
            try:
                check_object(depot, name, size, digest)
                if key is not None:
                    for _ in _unpacked(depot, name, files, key, None):
                        pass
            except (BackupDamagedError, SealRefused) as error:
                found.append(Damage(name, error.what, tuple(files.paths(name, _MOST_NAMED))))
    return found


def restore(depot: Depot, manifest: Manifest, key: AnalysisKey, data: Path, progress: Progress) -> None:
    """Make the data folder from a backup. Raises RestoreRefusedError, BackupDamagedError, SealRefused."""
    refuse_occupied(data)
    building = data.with_name(f"{data.name}.restoring")
    if building.exists():
        if not (building / _MARK).exists() and any(building.iterdir()):
            raise RestoreRefusedError(f"{building} is in the way, and no restore made it.", next_step="Move it away.")
        shutil.rmtree(building)
    building.mkdir(mode=0o700, parents=True)
    (building / _MARK).write_text(manifest.name, "ascii")
    with (
        tempfile.TemporaryDirectory(prefix="cyberalarm-restore-") as scratch,
        closing(listing.fetch(depot, manifest, Path(scratch))) as files,
    ):
        unpacked = 0
        for name, _, _ in files.objects():
            for file in _unpacked(depot, name, files, key, building):
                unpacked += file.size
                progress("Reading", unpacked, manifest.size)
    _relational(manifest, building)
    _events(manifest, building, progress)
    _move_files(building)
    (building / _MARK).unlink()
    sync_folder(building)
    with suppress(FileNotFoundError):
        data.rmdir()
    building.rename(data)
    sync_folder(data.parent)


def refuse_occupied(data: Path) -> None:
    """Raises RestoreRefusedError when the folder holds anything."""
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise RestoreRefusedError(
            f"The data folder {data} is not empty.",
            next_step="Move it away, or name another one in the configuration; nothing is ever overwritten.",
        )


def _unpacked(depot: Depot, name: str, files: Listing, key: AnalysisKey, into: Path | None) -> Iterator[File]:
    """Take an object's files out, into a folder where one is named; each is given once it is whole and proven."""
    with depot.reading(name) as source:
        stream = _Stream(opened(source, key))
        for file in files.inside(name):
            digest = hashlib.sha256()
            with ExitStack() as stack:
                out = stack.enter_context(_target(into, file).open("xb")) if into else None
                for piece in stream.part(file.offset, file.size):
                    digest.update(piece)
                    if out:
                        out.write(piece)
                if out:
                    out.flush()
                    os.fsync(out.fileno())
            if digest.hexdigest() != file.digest:
                raise BackupDamagedError(f"{file.path} in {name} is damaged.", next_step="Use another backup.")
            yield file
        stream.end()


def _target(into: Path, file: File) -> Path:
    parts = file.path.split("/")
    if any(part in ("", ".", "..") for part in parts) or parts[0] not in ("relational", "events", "files"):
        raise BackupDamagedError(f"The backup names a file outside of its folder: {file.path!r}.")
    path = into.joinpath("backup", *parts)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


class _Stream:
    """A sealed stream read from its beginning to its end, in parts."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._held, self._at = chunks, memoryview(b""), 0

    def part(self, offset: int, size: int) -> Iterator[bytes]:
        if offset < self._at:
            raise BackupDamagedError("The backup's list names overlapping files.")
        for _ in self._take(offset - self._at):
            pass
        yield from self._take(size)

    def end(self) -> None:
        """Read what is left, so that a cut or damage there is found."""
        for _ in self._chunks:
            pass

    def _take(self, size: int) -> Iterator[bytes]:
        self._at += size
        while size:
            if not self._held:
                piece = next(self._chunks, None)
                if piece is None:
                    raise BackupDamagedError("A sealed object is shorter than the backup's list says.")
                self._held = memoryview(piece)
            part, self._held = self._held[:size], self._held[size:]
            size -= len(part)
            yield bytes(part)


def _relational(manifest: Manifest, building: Path) -> None:
    snapshot = building / "backup" / "relational" / f"central.{manifest.database}"
    if manifest.database == SQLITE:
        with closing(sqlite3.connect(snapshot)) as base:
            told = base.execute("pragma integrity_check").fetchone()[0]
            stored = base.execute("select count(*) from ingest_envelope where state = 'stored'").fetchone()[0]
        if told != "ok" or stored != manifest.envelopes:
            raise BackupDamagedError("The relational database in the backup is damaged.", next_step="Use another.")
        snapshot.rename(building / "central.sqlite3")
    elif manifest.database == POSTGRESQL:
        snapshot.rename(building / DUMP)


def into_postgresql(data: Path) -> None:
    """Bring the dump that a restore left into the database of the configuration, which must be empty; all or nothing.

    Needs Django to be set up. Raises RestoreRefusedError, BackupRefusedError.
    """
    from django.db import connection

    from cyberalarm.central.backup.moment import postgresql_target

    dump = data / DUMP
    if connection.vendor != POSTGRESQL:
        raise RestoreRefusedError(
            "The backup holds a PostgreSQL database, and the configuration names none.",
            next_step="Configure an empty one.",
        )
    if connection.introspection.table_names():
        raise RestoreRefusedError("The relational database is not empty.", next_step="Configure an empty one.")
    target, environment = postgresql_target()
    run_tool(["pg_restore", "--single-transaction", "--no-owner", "--exit-on-error", *target, str(dump)], environment)
    dump.unlink()


def _events(manifest: Manifest, building: Path, progress: Progress) -> None:
    parts = building / "backup" / "events"
    folders = {folder.name: folder for folder in parts.iterdir()} if parts.is_dir() else {}
    store = EventStore.open(building / "events", bare=True)
    try:
        done = 0

        def attached(_table: str) -> None:
            nonlocal done
            done += 1
            progress("Filling tables", done, len(manifest.rows))

        counted = freezing.refill(store, manifest.statements, folders, attached)
    finally:
        store.close()
    wrong = [table for table, rows in manifest.rows.items() if counted.get(table) != rows]
    if wrong:
        raise BackupDamagedError(
            f"The table {wrong[0]} has {counted.get(wrong[0], 0):,} rows after the restore instead of"
            f" {manifest.rows[wrong[0]]:,}.",
            next_step="Use another backup.",
        )


def _move_files(building: Path) -> None:
    """Other files to their places, and the scaffolding away."""
    files = building / "backup" / "files"
    for path in sorted(files.iterdir()) if files.is_dir() else ():
        path.rename(building / path.name)
    shutil.rmtree(building / "backup")
