"""What receivers hand to the pipeline."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Condition, Event

# The kernel's bound for a line; longer ones are counted as overflow and not looked at.
LONGEST_LINE = 65_536
# Bytes that may wait between receivers and pipeline: a third of a second of a very busy site.
MOST_WAITING = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of one source, each ended by a newline. `overflow` counts lines that were too long to take in."""

    source: str
    lines: bytes
    overflow: int = 0


class Intake:
    """A queue between receivers and pipeline, bounded in bytes. When it is full receivers wait: TCP senders are pushed back, and
    UDP waits in the socket's buffer, whose losses the operating system counts.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._chunks: deque[Chunk] = deque()
        self._bytes = 0
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

    def get(self, timeout: float) -> Chunk | None:
        """The next chunk, or None when none came in time (seconds)."""
        with self._changed:
            if not self._chunks and not self._changed.wait_for(lambda: bool(self._chunks), timeout):
                return None
            chunk = self._chunks.popleft()
            before, self._bytes = self._bytes, self._bytes - len(chunk.lines)
            if before >= self._most:
                self._changed.notify_all()
            return chunk

    @property
    def empty(self) -> bool:
        return not self._chunks

    @property
    def waiting(self) -> tuple[int, int]:
        """Bytes that wait now, and how many may."""
        return self._bytes, self._most
