"""The spool: sealed bundles on disk until the centre has receipted them.

Invariants
- A file `<sequence>.env` is a whole envelope: it is written as `.part`, flushed, then renamed, and the folder flushed.
- Sequences in the folder have no gap, and follow the one in `chain.json` (the last that was receipted and removed).
- `previous` of each envelope is the digest of the one before, also across restarts and kills at any point.
- Nothing is removed before its receipt was verified; `chain.json` is moved on before the file is removed, so a kill between
  the two leaves a file that is recognised as done and removed at the next start.
- When the folder holds its bound, or the disk is full, `put` raises and nothing is lost, because nothing was taken. Sending goes on
  then: `ballast` gives its room to the note of a receipt, after which the envelope's own room is free.
- A file that changed since it was written is never sent: `next` raises. What it must be stands in the header of the one behind it
  (`previous`), and of the newest in memory. So opening reads the newest file only, however many wait.

One process at a time uses a spool (`files.only_one`). It does not talk to the network, and cannot open what it holds.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.collector.errors import SpoolDamagedError, SpoolFullError
from cyberalarm.collector.files import TEMPORARY, flush_folder, write_durably, write_whole
from cyberalarm.envelope.errors import EnvelopeRefused
from cyberalarm.envelope.sealing import FIRST_PREVIOUS, MAX_HEADER, digest, peek_header, read_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyberalarm.envelope.sealing import Header

SUFFIX = ".env"
_CHAIN = "chain.json"
_BALLAST = "ballast"
_BALLAST_BYTES = 64 * 1024  # a few blocks of any file system: `chain.json` has some 100 bytes
# What the last bundle of a run may take beyond the bound, so that ending loses nothing that was counted.
_RESERVE = 128 * 1024 * 1024


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
        self._sizes = self._tidied()  # of what waits, the oldest first
        self._size = sum(self._sizes)
        self._head = self._read_head()
        self._load_ballast()

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
        return len(self._sizes)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._size

    @property
    def oldest(self) -> float:
        """When the oldest envelope that waits was written, seconds since 1970; 0 when none waits, or that cannot be told."""
        try:
            return self._path(self._done.sequence + 1).stat().st_mtime if self._sizes else 0.0
        except OSError:
            return 0.0

    @property
    def full(self) -> bool:
        return self._size >= self._limit

    def continues(self, link: Link) -> bool:
        """Would what waits, or comes next, be taken by a centre whose newest envelope is `link`? Raises SpoolDamagedError."""
        if self._done.sequence < link.sequence < self._head.sequence:
            return self._link(link.sequence) == link
        return link in (self._done, self._head)

    def begin_after(self, link: Link) -> None:
        """Let an empty spool go on at a place that the centre names. Raises SpoolDamagedError when envelopes wait."""
        if self._sizes:
            raise SpoolDamagedError("The chain cannot begin elsewhere while envelopes wait in the spool.")
        self._write_chain(link)
        self._head = link

    def put(self, seal: Callable[[int, str], bytes], *, last: bool = False) -> Link:
        """Add the envelope that `seal(sequence, previous)` makes; durable when this returns. Raises SpoolFullError.

        `last`: the process is about to end, so the reserve may be used.
        """
        if self._size >= self._limit + (_RESERVE if last else 0):
            raise SpoolFullError(
                f"The spool holds {self._size:,} bytes, its limit.",
                next_step="Check with `cyberalarm collector doctor` why the centre cannot be reached.",
            )
        sequence = self.head.sequence + 1
        envelope = seal(sequence, self.head.digest)
        try:
            write_durably(self._path(sequence), envelope)
        except OSError as error:
            with suppress(OSError):  # a disk that became read-only; the next attempt takes its place
                self._path(sequence).unlink()  # in place, but not surely on the disk
            raise SpoolFullError(
                f"A bundle cannot be written: {error.strerror}.",
                next_step="Free some space on the disk of the data folder.",
                code="spool-unwritable",
            ) from error
        self._head = Link(sequence, digest(envelope))
        self._sizes.append(len(envelope))
        self._size += len(envelope)
        return self._head

    def next(self) -> tuple[Link, bytes] | None:
        """The oldest envelope that waits, without removing it. Raises SpoolDamagedError."""
        if not self._sizes:
            return None
        link = self._link(self._done.sequence + 1)
        path = self._path(link.sequence)
        try:
            envelope = path.read_bytes()
        except OSError as error:
            raise _damaged(path.name) from error
        if digest(envelope) != link.digest or self._header(link.sequence).previous != self._done.digest:
            raise _damaged(path.name)
        return link, envelope

    def receipted(self, link: Link) -> None:
        """Remove the oldest envelope, once its receipt was verified. Raises SpoolDamagedError for any other, OSError.

        After an OSError the envelope either still waits, or is done and only its file is left until the next start.
        """
        if not self._sizes or self._link(self._done.sequence + 1) != link:
            raise SpoolDamagedError("A receipt came for an envelope that is not the oldest in the spool.")
        self._write_chain(link)
        self._size -= self._sizes.popleft()
        self._path(link.sequence).unlink()
        flush_folder(self._folder)
        self._load_ballast()

    def _path(self, sequence: int) -> Path:
        return self._folder / f"{sequence:020d}{SUFFIX}"

    def _write_chain(self, link: Link) -> None:
        content = json.dumps({"sequence": link.sequence, "digest": link.digest}).encode("ascii")
        try:
            write_durably(self._folder / _CHAIN, content)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            (self._folder / _BALLAST).unlink(missing_ok=True)
            write_durably(self._folder / _CHAIN, content)
        self._done = link

    def _load_ballast(self) -> None:
        """Keep some room for the note of a receipt. No harm where there is none, or after a crash with half of it."""
        path = self._folder / _BALLAST
        with suppress(OSError):
            if not path.exists() or path.stat().st_size != _BALLAST_BYTES:
                write_whole(path, bytes(_BALLAST_BYTES))

    def _read_chain(self) -> Link:
        try:
            value = json.loads((self._folder / _CHAIN).read_bytes())
            return Link(int(value["sequence"]), str(value["digest"]))
        except FileNotFoundError:
            return BEGINNING
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(_CHAIN) from error

    def _tidied(self) -> deque[int]:
        """The sizes of what waits, after removing what is done."""
        found: dict[int, int] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not entry.name.endswith(SUFFIX):
                    continue
                try:
                    found[int(entry.name.removesuffix(SUFFIX))] = entry.stat().st_size
                except ValueError as error:
                    raise _damaged(entry.name) from error
        for sequence in [s for s in found if s <= self._done.sequence]:
            self._path(sequence).unlink()
            del found[sequence]
        waiting = sorted(found)
        if waiting != list(range(self._done.sequence + 1, self._done.sequence + 1 + len(waiting))):
            raise SpoolDamagedError("An envelope is missing from the spool.", next_step=_DAMAGED)
        return deque(found[sequence] for sequence in waiting)

    def _read_head(self) -> Link:
        """The newest envelope, read whole: those put in from now on follow it. Raises SpoolDamagedError."""
        if not self._sizes:
            return self._done
        sequence = self._done.sequence + len(self._sizes)
        envelope = self._path(sequence).read_bytes()
        try:
            read_header(envelope)
        except EnvelopeRefused as error:
            raise _damaged(self._path(sequence).name) from error
        self._header(sequence)
        return Link(sequence, digest(envelope))

    def _link(self, sequence: int) -> Link:
        """A waiting envelope's place, as the one behind it says. Raises SpoolDamagedError."""
        if sequence == self._head.sequence:
            return self._head
        return Link(sequence, self._header(sequence + 1).previous)

    def _header(self, sequence: int) -> Header:
        """What the file of this sequence begins with. Raises SpoolDamagedError."""
        path = self._path(sequence)
        try:
            with path.open("rb") as source:
                header = peek_header(source.read(MAX_HEADER + 64))
        except (OSError, EnvelopeRefused) as error:
            raise _damaged(path.name) from error
        if header.sequence != sequence:
            raise _damaged(path.name)
        return header


def waits(folder: Path, sequence: int) -> bool:
    """Does an envelope wait in a spool that another process may have open? Looks only."""
    return (folder / f"{sequence:020d}{SUFFIX}").exists()


def set_aside(folder: Path) -> int:
    """Move a whole spool out of the way, keeping it; gives how many envelopes it holds. It must not be open."""
    if not folder.exists():
        return 0
    aside = folder.with_name(f"{folder.name}-set-aside-{time.time_ns()}")
    folder.rename(aside)
    flush_folder(aside.parent)
    return len(list(aside.glob("*" + SUFFIX)))


_DAMAGED = "Restore the spool folder; or ask for a new token and enrol with --set-aside, which keeps a copy and begins a new chain."


def _damaged(name: str) -> SpoolDamagedError:
    return SpoolDamagedError(f"The spool's file {name} is damaged.", next_step=_DAMAGED)
