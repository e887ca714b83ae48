"""A copy of what left, before it was sealed, for the member who wants to see it: one file a bundle, the newest within a bound.

A copy is the very payload that was sealed into the envelope, with the envelope's digest and sequence beside it, itself sealed
with a key of this machine. The collector cannot open its own envelopes, so without copies nobody here could show what was sent.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm._kernel import events
from cyberalarm.collector.errors import CopyMissingError
from cyberalarm.collector.files import TEMPORARY, write_whole
from cyberalarm.envelope.errors import SealRefused
from cyberalarm.envelope.payload import Payload, read
from cyberalarm.formats.kernel_schema import schema_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cyberalarm.collector.spool import Link
    from cyberalarm.envelope.local import LocalKey

FOLDER = "sent"
_SUFFIX = ".sent"
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Copy:
    """What one envelope holds. `rows` are its events, each with names and addresses as text; `size` is in bytes, unsealed."""

    sequence: int
    envelope: str
    written: float
    size: int
    payload: Payload

    def rows(self) -> Iterator[dict[str, object]]:
        text = events(self.payload.arrow_ipc, json.dumps(schema_spec()))
        return (json.loads(line) for line in text.splitlines())


class Copies:
    def __init__(self, folder: Path, key: LocalKey, limit: int) -> None:
        """`limit` in bytes; 0 keeps none. Raises OSError."""
        self._folder = folder
        self._key = key
        self._limit = limit
        self._kept: deque[tuple[int, int]] = deque()
        self._size = 0

    def open(self) -> None:
        """Make ready for adding: tidy, and count what is there. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in self._folder.glob("*" + TEMPORARY):
            part.unlink()
        self._kept = deque((sequence, self._path(sequence).stat().st_size) for sequence in self.sequences())
        self._size = sum(size for _, size in self._kept)
        self._trim()

    def add(self, link: Link, payload: bytes) -> None:
        """Keep a copy. Raises OSError, which loses a copy and nothing else."""
        if not self._limit:
            return
        content = self._key.seal(bytes.fromhex(link.digest) + payload, _about(link.sequence))
        write_whole(self._path(link.sequence), content)
        self._kept.append((link.sequence, len(content)))
        self._size += len(content)
        self._trim()

    def sequences(self) -> list[int]:
        """The bundles of which there is a copy, oldest first."""
        names = (path.name.removesuffix(_SUFFIX) for path in self._folder.glob("*" + _SUFFIX))
        return sorted(int(name) for name in names if name.isdecimal())

    def read(self, sequence: int) -> Copy:
        """Raises CopyMissingError, SealRefused or PayloadMalformed for a damaged one, OSError."""
        path = self._path(sequence)
        try:
            sealed, written = path.read_bytes(), path.stat().st_mtime
        except FileNotFoundError as error:
            raise CopyMissingError(
                f"There is no copy of bundle {sequence}.",
                next_step="`cyberalarm collector show-sent` lists those that are kept; `sent_bytes` says how many.",
            ) from error
        content = self._key.open(sealed, _about(sequence))
        if len(content) < _DIGEST_BYTES:
            raise SealRefused(f"The copy {path.name} is damaged.")
        payload = content[_DIGEST_BYTES:]
        return Copy(sequence, content[:_DIGEST_BYTES].hex(), written, len(payload), read(payload))

    def _trim(self) -> None:
        while self._size > self._limit and self._kept:
            sequence, size = self._kept.popleft()
            self._path(sequence).unlink(missing_ok=True)
            self._size -= size

    def _path(self, sequence: int) -> Path:
        return self._folder / f"{sequence:020d}{_SUFFIX}"


def _about(sequence: int) -> bytes:
    return f"sent 1 {sequence}".encode("ascii")
