"""The spool: sealed bundles on disk until the centre has receipted them.

Invariants
- A file `<sequence>.env` is a whole envelope: it is written as `.part`, flushed, then renamed, and the folder flushed.
- Sequences in the folder have no gap, and follow the one in `chain.json` (the last that was receipted and removed).
- `previous` of each envelope is the digest of the one before, also across restarts and kills at any point.
- Nothing is removed before its receipt was verified; `chain.json` is moved on before the file is removed, so a kill between
  the two leaves a file that is recognised as done and removed at the next start.
- The folder never holds more than its bound; then `put` raises and nothing is lost, because nothing was taken.

One process at a time uses a spool (`files.only_one`). It does not talk to the network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.collector.errors import SpoolDamagedError, SpoolFullError
from cyberalarm.collector.files import TEMPORARY, flush_folder, write_durably
from cyberalarm.envelope.errors import EnvelopeRefused
from cyberalarm.envelope.sealing import FIRST_PREVIOUS, digest, read_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SUFFIX = ".env"
_CHAIN = "chain.json"


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain: the sequence of an envelope and its digest."""

    sequence: int
    digest: str


BEGINNING = Link(0, FIRST_PREVIOUS)


class Spool:
    def __init__(self, folder: Path, limit: int) -> None:
        """Open a spool, tidying what a crash left. Raises SpoolDamagedError."""
        self._folder = folder
        self._limit = limit
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in folder.glob("*" + TEMPORARY):
            part.unlink()
        self._done = self._read_chain()
        self._waiting = self._scan()
        self._size = sum(self._path(s).stat().st_size for s in self._waiting)
        self._head = self._find_head()

    @property
    def head(self) -> Link:
        """The newest envelope ever put in."""
        return self._head

    @property
    def done(self) -> Link:
        """The newest envelope that was receipted."""
        return self._done

    @property
    def waiting(self) -> int:
        """Envelopes not yet receipted."""
        return len(self._waiting)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._size

    @property
    def full(self) -> bool:
        return self._size >= self._limit

    def begin_after(self, link: Link) -> None:
        """Start an empty, unused spool at a place that the centre names (a collector that moved to a new machine)."""
        if self._head != BEGINNING or self._waiting:
            return
        self._write_chain(link)
        self._head = self._done = link

    def put(self, seal: Callable[[int, str], bytes]) -> Link:
        """Add the envelope that `seal(sequence, previous)` makes; durable when this returns. Raises SpoolFullError."""
        if self.full:
            raise SpoolFullError(
                f"The spool holds {self._size:,} bytes, its limit.",
                next_step="Check with `cyberalarm collector doctor` why the centre cannot be reached.",
            )
        sequence = self._head.sequence + 1
        envelope = seal(sequence, self._head.digest)
        write_durably(self._path(sequence), envelope)
        self._waiting.append(sequence)
        self._size += len(envelope)
        self._head = Link(sequence, digest(envelope))
        return self._head

    def next(self) -> tuple[Link, bytes] | None:
        """The oldest envelope that waits, without removing it."""
        if not self._waiting:
            return None
        sequence = self._waiting[0]
        envelope = self._path(sequence).read_bytes()
        return Link(sequence, digest(envelope)), envelope

    def receipted(self, link: Link) -> None:
        """Remove the oldest envelope, once its receipt was verified."""
        if not self._waiting or self._waiting[0] != link.sequence:
            raise SpoolDamagedError("A receipt came for an envelope that is not the oldest in the spool.")
        self._write_chain(link)
        self._done = link
        self._remove(link.sequence)
        self._waiting.pop(0)

    def _path(self, sequence: int) -> Path:
        return self._folder / f"{sequence:020d}{_SUFFIX}"

    def _remove(self, sequence: int) -> None:
        path = self._path(sequence)
        size = path.stat().st_size
        path.unlink()
        flush_folder(self._folder)
        self._size -= size

    def _write_chain(self, link: Link) -> None:
        content = json.dumps({"sequence": link.sequence, "digest": link.digest})
        write_durably(self._folder / _CHAIN, content.encode("ascii"))

    def _read_chain(self) -> Link:
        try:
            value = json.loads((self._folder / _CHAIN).read_bytes())
            return Link(int(value["sequence"]), str(value["digest"]))
        except FileNotFoundError:
            return BEGINNING
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(_CHAIN) from error

    def _scan(self) -> list[int]:
        found = sorted(int(p.name.removesuffix(_SUFFIX)) for p in self._folder.glob("*" + _SUFFIX))
        for sequence in [s for s in found if s <= self._done.sequence]:
            self._path(sequence).unlink()
        waiting = [s for s in found if s > self._done.sequence]
        if waiting != list(range(self._done.sequence + 1, self._done.sequence + 1 + len(waiting))):
            raise SpoolDamagedError(
                "An envelope is missing from the spool.",
                next_step="Restore the spool folder, or enrol again to begin a new chain.",
            )
        return waiting

    def _find_head(self) -> Link:
        link = self._done
        for sequence in self._waiting:
            envelope = self._path(sequence).read_bytes()
            try:
                header = read_header(envelope)
            except EnvelopeRefused as error:
                raise _damaged(self._path(sequence).name) from error
            if header.sequence != sequence or header.previous != link.digest:
                raise _damaged(self._path(sequence).name)
            link = Link(sequence, digest(envelope))
        return link


def _damaged(name: str) -> SpoolDamagedError:
    return SpoolDamagedError(
        f"The spool's file {name} is damaged.",
        next_step="Keep a copy of the spool folder, then ask your contact.",
    )
