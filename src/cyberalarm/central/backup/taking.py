"""Copying a held moment into a depot, sealed, and only what an earlier backup there does not have.

Order: the relational snapshot and the event store (both of the held moment), then originals, other files, and keys last, so
that every key is there that an original needs. The list, then the manifest are written at the end: a backup that was cut off
does not exist, and what it left behind is named by nothing. Everything written is read again before the manifest is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cyberalarm import __version__
from cyberalarm.central.backup import listing
from cyberalarm.central.backup.errors import BackupDamagedError, BackupRefusedError
from cyberalarm.central.backup.listing import PIECE, File, Listing, Manifest
from cyberalarm.central.backup.staging import STAGING, release
from cyberalarm.envelope.vault import VaultWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm.central.backup.depot import Depot
    from cyberalarm.central.backup.staging import Moment
    from cyberalarm.envelope.keys import AnalysisPublicKey

LOCK = "backup.lock"
# An object holds files until it has so many bytes; a larger file has one of its own. So many requests to S3, not one a file.
_OBJECT_BYTES = 128 * 1024 * 1024
# What a data folder holds and no backup does: what is made anew, or copied as part of the moment.
_LEFT_OUT = frozenset({"events", STAGING, LOCK, "control.sock"})
_UNFINISHED = "."


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to copy: its name in the backup, and where it lies."""

    name: str
    path: Path


def new_name(now: datetime) -> str:
    """Names sort by when a backup was made; the ending tells two of one second apart."""
    return f"{now.astimezone(UTC):%Y%m%dt%H%M%Sz}_{secrets.token_hex(3)}"


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """One backup of a centre at a time. Raises BackupRefusedError."""
    handle = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise BackupRefusedError("A backup of this centre is being made.", next_step="Wait for its end.") from error
    try:
        yield
    finally:
        os.close(handle)


def forget_broken_off(data: Path) -> None:
    """Let go of what a backup held that was killed; not while one is being made."""
    with suppress(BackupRefusedError), alone(data):
        release(data, data / "events")


def take(
    depot: Depot,
    data: Path,
    name: str,
    moment: Moment,
    key: AnalysisPublicKey,
    progress: Callable[[str, int, int], None],
) -> Manifest:
    """Copy a held moment. `progress` is told what is done, how many bytes of how many.

    Raises BackupRefusedError, BackupDamagedError when something written cannot be read again.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cyberalarm-backup-")))
        before = _newest(depot, scratch, key.key_id)
        if before:
            stack.callback(before.close)
        new = Listing(scratch / f"{name}.list")
        copying = _Copying(depot, name, key, new, before)
        total = sum(_size(file.path) for file in files_of(data, moment))
        for file in files_of(data, moment):
            copying.add(file)
            progress("Copying", copying.seen, total)
        copying.finish()
        for at, (written, size, digest) in enumerate(copying.written):
            progress("Verifying", at, len(copying.written))
            check_object(depot, written, size, digest)
        files, size = new.totals()
        new.close()
        digest, length = listing.save(depot, name, new.path)
    manifest = Manifest(
        name=name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        key_id=key.key_id,
        database=moment["database"],
        files=files,
        size=size,
        written=sum(size for _, size, _ in copying.written),
        list_digest=digest,
        list_size=length,
        statements=tuple(moment["statements"]),
        rows=dict(moment["rows"]),
        envelopes=moment["envelopes"],
        audit=moment["audit"],
    )
    with depot.writing(f"backups/{name}.json") as out:
        out.write(manifest.to_json())
    return manifest


def files_of(data: Path, moment: Moment) -> Iterator[Wanted]:
    """Everything to copy, in the order in which it must be."""
    snapshot = Path(moment["snapshot"])
    yield Wanted(f"relational/{snapshot.name}", snapshot)
    for table, folder in sorted(moment["tables"].items()):
        yield from _below(Path(folder), f"events/{table}")
    others = sorted(
        p.name for p in data.iterdir() if p.name not in _LEFT_OUT and not p.name.startswith("central.sqlite3")
    )
    last = [name for name in others if name in ("secrets", "keys")]
    for name in [name for name in others if name not in last] + last:
        if (data / name).is_dir():
            yield from _below(data / name, f"files/{name}")
        else:
            yield Wanted(f"files/{name}", data / name)


def _below(folder: Path, name: str) -> Iterator[Wanted]:
    """Files of a folder and those below; without names that begin with a dot, which are unfinished or locks. No links are
    followed.
    """
    with os.scandir(folder) if folder.is_dir() else _none() as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith(_UNFINISHED):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path), f"{name}/{entry.name}")
        elif entry.is_file(follow_symlinks=False):
            yield Wanted(f"{name}/{entry.name}", Path(entry.path))


@contextmanager
def _none() -> Iterator[Iterator[os.DirEntry[str]]]:
    yield iter(())


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _newest(depot: Depot, scratch: Path, key_id: str) -> Listing | None:
    """The list of the newest backup that is sealed to the same key; a damaged one only costs that all is written again."""
    for name in reversed(listing.names(depot)):
        with suppress(BackupDamagedError):
            manifest = listing.load(depot, name)
            if manifest.key_id == key_id:
                return listing.fetch(depot, manifest, scratch)
    return None


class _Copying:
    """Writes files into objects, and the list of both."""

    def __init__(self, depot: Depot, name: str, key: AnalysisPublicKey, new: Listing, before: Listing | None) -> None:
        self._depot, self._name, self._key, self._new, self._before = depot, name, key, new, before
        self._there = depot.sizes("objects") if before else {}
        self._open: _Object | None = None
        self.written: list[tuple[str, int, str]] = []
        self.seen = 0

    def add(self, wanted: Wanted) -> None:
        try:
            source = wanted.path.open("rb")
        except FileNotFoundError:
            return  # a report or mail that was just removed; what belongs to the moment is held
        with source:
            found = os.fstat(source.fileno())
            self.seen += found.st_size
            same = self._before.same(wanted.name, found.st_size, found.st_mtime_ns) if self._before else None
            if same and self._before and self._keep(same, self._before):
                return
            into = self._object()
            at, digest, size = into.offset, hashlib.sha256(), 0
            while piece := source.read(PIECE):
                digest.update(piece)
                into.add(piece)
                size += len(piece)
        self._new.add(File(wanted.name, size, found.st_mtime_ns, digest.hexdigest(), into.name, at))
        if into.offset >= _OBJECT_BYTES:
            self.finish()

    def _keep(self, file: File, before: Listing) -> bool:
        """Name the bytes that an earlier backup wrote, where they still are."""
        size, digest = before.object(file.object)
        if self._there.get(file.object) != size:
            return False
        self._new.add(file)
        self._new.add_object(file.object, size, digest)
        return True

    def _object(self) -> _Object:
        if self._open is None:
            self._open = _Object(self._depot, f"objects/{self._name}/{len(self.written):06d}", self._key)
        return self._open

    def finish(self) -> None:
        """End the object that is being written."""
        if self._open is not None:
            size, digest = self._open.close()
            self._new.add_object(self._open.name, size, digest)
            self.written.append((self._open.name, size, digest))
            self._open = None


class _Object:
    """A sealed object that is being written."""

    def __init__(self, depot: Depot, name: str, key: AnalysisPublicKey) -> None:
        self.name, self.offset = name, 0
        self._size, self._digest = 0, hashlib.sha256()
        self._stack = ExitStack()
        self._out = self._stack.enter_context(depot.writing(name))
        self._vault = VaultWriter(self._write, key)

    def _write(self, sealed: bytes) -> None:
        self._digest.update(sealed)
        self._size += len(sealed)
        self._out.write(sealed)

    def add(self, piece: bytes) -> None:
        self.offset += len(piece)
        self._vault.add(piece)

    def close(self) -> tuple[int, str]:
        with self._stack:
            self._vault.close()
        return self._size, self._digest.hexdigest()


def check_object(depot: Depot, name: str, size: int, digest: str) -> None:
    """Read an object and hold it against what was written. Raises BackupDamagedError naming it."""
    found, length = hashlib.sha256(), 0
    with depot.reading(name) as source:
        for piece in listing.pieces(source):
            found.update(piece)
            length += len(piece)
    if length != size or found.hexdigest() != digest:
        raise BackupDamagedError(
            f"{name} is damaged: it has not the bytes that were written.", next_step="Make another backup."
        )
