"""What receivers hand to the pipeline."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from threading import Condition, Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# The kernel's bound for a line; longer ones are counted as overflow and not looked at.
LONGEST_LINE = 65_536
# Bytes that may wait between receivers and pipeline: a third of a second of a very busy site.
MOST_WAITING = 16 * 1024 * 1024
# Bytes of files that may wait. They are read again at any time, so few need to, and what devices send goes first.
_MOST_READ_AHEAD = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file has been read once the chunk that carries this is in the spool. `value` is its reader's own text."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of one source, each ended by a newline. `overflow` counts lines that were too long to take in.

    `reference_ms` is when the lines were written, if that was not now. What has a `place` can be read again. What became of the
    lines is told to `tally`, too: device and counts of outcomes.
    """

    source: str
    lines: bytes
    overflow: int = 0
    reference_ms: int | None = None
    place: Place | None = None
    tally: Callable[[str, list[int]], None] | None = None


class Intake:
    """A queue between receivers and pipeline, bounded in bytes. When it is full receivers wait: TCP senders are pushed back, and
    UDP waits in the socket's buffer, whose losses the operating system counts.

    Chunks of files have a lane of their own, which is served when no device's chunk waits.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._chunks: deque[Chunk] = deque()
        self._read: deque[Chunk] = deque()
        self._bytes = 0
        self._read_bytes = 0
        self._changed = Condition()
        # Receivers read what has already arrived, then end.
        self.closing = Event()
        # Nobody takes chunks any more.
        self.abandoned = Event()

    def put(self, chunk: Chunk) -> None:
        """Hand over a chunk; waits while the pipeline is behind, and gives up only when there is no pipeline any more."""
        with self._changed:
            while self._bytes >= self._most and not self.abandoned.is_set():
                self._changed.wait(0.5)
            if self.abandoned.is_set():
                return
            self._chunks.append(chunk)
            self._bytes += len(chunk.lines)
            self._changed.notify_all()

    def put_read(self, chunk: Chunk, timeout: float | None = None) -> bool:
        """Hand over a chunk that can be read again; waits while others do. False, and not taken, once the intake is closing.

        Raises TimeoutError when there was no room in time (seconds).
        """
        until = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while self._read_bytes >= _MOST_READ_AHEAD and not self.closing.is_set():
                if until is not None and time.monotonic() >= until:
                    raise TimeoutError
                self._changed.wait(0.2)
            if self.closing.is_set():
                return False
            self._read.append(chunk)
            self._read_bytes += len(chunk.lines)
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """Let receivers end, and forget what can be read again: it is, after the next start."""
        with self._changed:
            self.closing.set()
            self._read.clear()
            self._read_bytes = 0
            self._changed.notify_all()

    def get(self, timeout: float) -> Chunk | None:
        """The next chunk, or None when none came in time (seconds)."""
        with self._changed:
            if self.empty and not self._changed.wait_for(lambda: not self.empty, timeout):
                return None
            if not self._chunks:
                chunk = self._read.popleft()
                self._read_bytes -= len(chunk.lines)
                self._changed.notify_all()
                return chunk
            chunk = self._chunks.popleft()
            before, self._bytes = self._bytes, self._bytes - len(chunk.lines)
            if before >= self._most:
                self._changed.notify_all()
            return chunk

    @property
    def empty(self) -> bool:
        return not (self._chunks or self._read)

    @property
    def waiting(self) -> tuple[int, int]:
        """Bytes that wait now, and how many may; those of files, which can wait where they are, not counted."""
        return self._bytes, self._most
