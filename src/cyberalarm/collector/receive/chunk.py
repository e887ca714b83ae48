"""What receivers hand to the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event

# The kernel's bound for a line; longer ones are counted as overflow and not looked at.
LONGEST_LINE = 65_536


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of one source, each ended by a newline. `overflow` counts lines that were too long to take in."""

    source: str
    lines: bytes
    overflow: int = 0


class Intake:
    """A bounded queue between receivers and pipeline. When it is full receivers wait: TCP senders are pushed back, and UDP
    waits in the socket's buffer, whose losses the operating system counts.
    """

    def __init__(self, chunks: int = 256) -> None:
        self._queue: Queue[Chunk] = Queue(chunks)
        # Receivers read what has already arrived, then end.
        self.closing = Event()
        # Nobody takes chunks any more.
        self.abandoned = Event()

    def put(self, chunk: Chunk) -> None:
        """Hand over a chunk; waits while the pipeline is behind, and gives up only when there is no pipeline any more."""
        while not self.abandoned.is_set():
            try:
                self._queue.put(chunk, timeout=0.5)
            except Full:
                continue
            return

    def get(self, timeout: float) -> Chunk | None:
        """The next chunk, or None when none came in time (seconds)."""
        try:
            return self._queue.get(timeout=timeout)
        except Empty:
            return None

    @property
    def empty(self) -> bool:
        return self._queue.empty()
