"""The journal: what the open bundle holds, written down each second, so that a power cut takes the last second only.

Invariants
- A file `<sequence>.journal` belongs to the bundle that will have this sequence. It is removed once that bundle is in the spool,
  and not used when the spool has it already, so nothing is sent twice.
- A record is the ledgers of the whole bundle so far, how far files were read for it, and the rows since the record before. It holds
  what will leave the site, never a line; it is sealed with a key of this machine.
- Whatever is on the disk can be read: a record that was torn ends its file, and those before it stand.

It is written to by the pipeline's thread. When the disk is full there is no journal, and `write` says so.
"""

from __future__ import annotations

import json
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from cyberalarm._kernel import joined
from cyberalarm.collector.files import flush_folder
from cyberalarm.envelope.errors import PayloadMalformed, SealRefused
from cyberalarm.envelope.payload import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from cyberalarm.core.outcome import Ledger
    from cyberalarm.envelope.local import LocalKey

log = structlog.get_logger(__name__)

FOLDER = "journal"
SECONDS = 1.0
_SUFFIX = ".journal"
_LENGTH = struct.Struct(">I")
# A bundle that waits for room and one that is open: more are never without a journal.
_MOST_GAP = 8
# A second's rows are a few megabytes at most; a damaged length must not take the memory.
_MOST_RECORD = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Recovered:
    """A bundle that was not spooled when the collector ended."""

    sequence: int
    ledgers: Mapping[str, Ledger]
    arrow_ipc: bytes
    rows: int
    places: Mapping[str, str]


class Journal:
    def __init__(self, folder: Path, key: LocalKey) -> None:
        """Raises OSError."""
        self._folder = folder
        self._key = key
        self._file: BinaryIO | None = None
        self._sequence = 0
        self._records = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(
        self, sequence: int, ledgers: Mapping[str, Ledger], rows: bytes, places: Mapping[str, str] | None = None
    ) -> None:
        """Add a record for the bundle that will have this sequence; on the disk when this returns. Raises OSError, and then the
        file ends before the record.
        """
        file = self._open(sequence)
        told = json.dumps(dict(places or {})).encode("ascii")
        record = _LENGTH.pack(len(told)) + told + pack(ledgers, rows)
        sealed = self._key.seal(record, _about(sequence, self._records))
        start = file.tell()
        try:
            file.write(_LENGTH.pack(len(sealed)) + sealed)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                file.truncate(start)
                file.seek(start)
            raise
        self._records += 1

    def spooled(self, sequence: int) -> None:
        """The bundle of this sequence is in the spool. Raises nothing: what cannot be removed is passed over at the next start."""
        if self._sequence == sequence:
            self._close()
        with suppress(OSError):
            self._path(sequence).unlink(missing_ok=True)

    def recover(self, head: int) -> list[Recovered]:
        """The bundles that are not in a spool whose newest sequence is `head`, oldest first; files of others are removed.

        Each has the sequence of its file, since that alone tells after another crash whether it was spooled. A disk that was full
        can leave a gap in front of one: an empty bundle takes that place.
        """
        found: list[Recovered] = []
        for path in sorted(self._folder.glob("*" + _SUFFIX)):
            try:
                sequence = int(path.name.removesuffix(_SUFFIX))
                bundle = self._read(path, sequence) if sequence > head else None
                if bundle is None:
                    path.unlink()
                    continue
            except (ValueError, OSError) as error:
                log.warning("journal.unreadable", reason=type(error).__name__)
                continue
            expected = (found[-1].sequence if found else head) + 1
            if sequence - expected > _MOST_GAP:
                log.warning("journal.of_another_chain")
                continue
            found += [Recovered(missing, {}, *joined([]), {}) for missing in range(expected, sequence)]
            found.append(bundle)
        return found

    def _open(self, sequence: int) -> BinaryIO:
        if self._file is None or self._sequence != sequence:
            self._close()
            handle = os.open(self._path(sequence), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = os.fdopen(handle, "wb", buffering=0)
            self._sequence, self._records = sequence, 0
            flush_folder(self._folder)
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._file = None

    def _read(self, path: Path, sequence: int) -> Recovered | None:
        ledgers: Mapping[str, Ledger] = {}
        places: Mapping[str, str] = {}
        streams = []
        with path.open("rb") as file:
            for number, sealed in enumerate(_records(file)):
                try:
                    record = self._key.open(sealed, _about(sequence, number))
                    end = _LENGTH.size + _LENGTH.unpack_from(record)[0]
                    ledgers, rows = unpack(record[end:])
                    places = json.loads(record[_LENGTH.size : end])
                except (SealRefused, PayloadMalformed):
                    break
                streams.append(rows)
        if not streams:
            return None
        arrow_ipc, rows_in_all = joined(streams)
        return Recovered(sequence, ledgers, arrow_ipc, rows_in_all, places)

    def _path(self, sequence: int) -> Path:
        return self._folder / f"{sequence:020d}{_SUFFIX}"


def _about(sequence: int, number: int) -> bytes:
    return f"journal 2 {sequence} {number}".encode("ascii")


def _records(file: BinaryIO) -> Iterator[bytes]:
    while len(head := file.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        sealed = file.read(length) if length <= _MOST_RECORD else b""
        if len(sealed) != length:
            return
        yield sealed
