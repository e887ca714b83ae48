"""What a backup holds: its manifest, and the list of its files.

A depot holds `backups/<name>.json` (the manifest), `backups/<name>.list` (the files, an SQLite database packed with zstd) and
`objects/<name>/<number>` (sealed streams of many files each, `envelope.vault`). A backup exists once its manifest does. A list
may name objects of earlier backups: what has not changed is not written again. Manifest and list are readable by whoever can
read the depot: they hold names of tables, references of collectors, sizes and digests, and nothing of what the files say.

Lists are databases, so that backups of many millions of files need little memory.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from cyberalarm.central.backup.errors import BackupDamagedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cyberalarm.central.backup.depot import Depot, Source

FORM = 1
_NAME = re.compile(r"\d{8}t\d{6}z_[0-9a-f]{6}", re.ASCII)
_MOST_MANIFEST = 64 * 1024 * 1024
PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup. `statements` make the event store's tables; `rows` are theirs when it was made, `envelopes` those with a
    receipt.
    """

    name: str
    made: str
    version: str
    key_id: str
    database: str
    files: int
    size: int
    written: int
    list_digest: str
    list_size: int
    statements: tuple[str, ...]
    rows: Mapping[str, int]
    envelopes: int
    audit: str
    form: int = FORM

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode("ascii") + b"\n"


def fingerprint(manifest: Manifest) -> str:
    """SHA-256 that stands for the whole backup: whoever noted it knows later that nothing was changed."""
    return hashlib.sha256(manifest.to_json()).hexdigest()


def names(depot: Depot) -> list[str]:
    """The backups in a depot, oldest first."""
    found = (name.removeprefix("backups/").removesuffix(".json") for name in depot.sizes("backups"))
    return sorted(name for name in found if _NAME.fullmatch(name))


def load(depot: Depot, name: str) -> Manifest:
    """Raises BackupDamagedError."""
    raw = b""
    with depot.reading(f"backups/{name}.json") as source:
        for piece in pieces(source):
            raw += piece
            if len(raw) > _MOST_MANIFEST:
                break
    try:
        table = json.loads(raw)
        if table.get("form") != FORM:
            raise BackupDamagedError(
                f"The backup {name} has another form than this version reads.",
                next_step="Use the version that made it.",
            )
        table["statements"] = tuple(table["statements"])
        found = Manifest(**table)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupDamagedError(f"The manifest of the backup {name} is damaged.", next_step="Use another.") from error
    if found.name != name or found.to_json() != raw:
        raise BackupDamagedError(
            f"The manifest of the backup {name} is not as it was written.", next_step="Use another."
        )
    return found


def pieces(source: Source) -> Iterator[bytes]:
    while piece := source.read(PIECE):
        yield piece


@dataclass(frozen=True, slots=True)
class File:
    """A file of a backup: where its bytes are in which object. `stamp` (time of change, ns) tells whether it is still the same."""

    path: str
    size: int
    stamp: int
    digest: str
    object: str
    offset: int


_SCHEMA = """
create table files (path text primary key, size integer, stamp integer, digest text, object text, at integer) without rowid;
create table objects (name text primary key, size integer, digest text) without rowid;
"""


class Listing:
    """The list of one backup's files. Used by one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        fresh = not path.exists()
        self._base = sqlite3.connect(path)
        if fresh:
            self._base.executescript(_SCHEMA)

    def add(self, file: File) -> None:
        row = (file.path, file.size, file.stamp, file.digest, file.object, file.offset)
        self._base.execute("insert into files values (?, ?, ?, ?, ?, ?)", row)

    def add_object(self, name: str, size: int, digest: str) -> None:
        self._base.execute("insert or ignore into objects values (?, ?, ?)", (name, size, digest))

    def same(self, path: str, size: int, stamp: int) -> File | None:
        """The file of this name, where it is still the same."""
        row = self._base.execute(
            "select * from files where path = ? and size = ? and stamp = ?", (path, size, stamp)
        ).fetchone()
        return File(*row) if row else None

    def object(self, name: str) -> tuple[int, str]:
        """Size and digest of a sealed object."""
        row = self._base.execute("select size, digest from objects where name = ?", (name,)).fetchone()
        return int(row[0]), str(row[1])

    def objects(self) -> list[tuple[str, int, str]]:
        return list(self._base.execute("select name, size, digest from objects order by name"))

    def inside(self, name: str) -> Iterator[File]:
        """The files that are read from an object, in the order in which they lie there."""
        for row in self._base.execute("select * from files where object = ? order by at, path", (name,)):
            yield File(*row)

    def paths(self, name: str, most: int) -> list[str]:
        return [file.path for file, _ in zip(self.inside(name), range(most), strict=False)]

    def totals(self) -> tuple[int, int]:
        """Files, and their bytes."""
        files, size = self._base.execute("select count(*), coalesce(sum(size), 0) from files").fetchone()
        return int(files), int(size)

    def close(self) -> None:
        self._base.commit()
        self._base.close()


def save(depot: Depot, name: str, path: Path) -> tuple[str, int]:
    """Put a closed list into the depot; gives digest and size of what was written."""
    digest, size = hashlib.sha256(), 0
    packed = path.with_suffix(".zst")
    with path.open("rb") as source, pa.CompressedOutputStream(str(packed), "zstd") as out:
        for piece in pieces(source):
            out.write(piece)
    with packed.open("rb") as source, depot.writing(f"backups/{name}.list") as out:
        for piece in pieces(source):
            digest.update(piece)
            size += len(piece)
            out.write(piece)
    packed.unlink()
    return digest.hexdigest(), size


def fetch(depot: Depot, manifest: Manifest, folder: Path) -> Listing:
    """The list of a backup, brought into this folder. Raises BackupDamagedError."""
    packed, path, digest = folder / "list.zst", folder / f"{manifest.name}.list", hashlib.sha256()
    with depot.reading(f"backups/{manifest.name}.list") as source, packed.open("wb") as out:
        for piece in pieces(source):
            digest.update(piece)
            out.write(piece)
    if digest.hexdigest() != manifest.list_digest:
        raise BackupDamagedError(f"backups/{manifest.name}.list is damaged.", next_step="Use another backup.")
    with pa.CompressedInputStream(str(packed), "zstd") as unpacked, path.open("wb") as out:
        for piece in pieces(unpacked):
            out.write(piece)
    packed.unlink()
    with closing(sqlite3.connect(path)) as base:
        base.execute("select 1 from files limit 1")
    return Listing(path)
