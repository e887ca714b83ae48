"""How much the centre has in hand at once, and whose turn it is.

Three bounds, each kept by what an envelope has already proven when it is asked for:

- `Room`: bytes of envelopes in memory, whoever sent them; first come, first served, and not for longer than a while
- `Turns`: of one collector one envelope at a time, and no more waiting behind it than one of the longest would be;
  no collector waits for another
- places: a semaphore of `services`, for what is opened and stored; taken in turn, so by one envelope of a collector
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cyberalarm.central.ingest.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator


def busy() -> BusyError:
    return BusyError("The centre is busy.", next_step="Send the envelope again in a moment.")


class Room:
    """So many bytes, lent in the order in which they are asked for. `patience` is in seconds."""

    def __init__(self, most: int, patience: float) -> None:
        self._most = self._free = most
        self._patience = patience
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    @contextmanager
    def lent(self, size: int) -> Iterator[None]:
        """Hold so many bytes, or all there are if it is more. Raises BusyError when too many are before it."""
        size = min(size, self._most)
        self._wait(size)
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()

    def _wait(self, size: int) -> None:
        ticket = object()
        with self._changed:
            self._line.append(ticket)
            try:
                if not self._changed.wait_for(
                    lambda: self._line[0] is ticket and self._free >= size, timeout=self._patience
                ):
                    raise busy()
                self._free -= size
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()


@dataclass(slots=True)
class _Line:
    """The envelopes of one collector: one has the lock, the others wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    envelopes: int = 0
    size: int = 0


class Turns:
    """One line for each collector that has an envelope in hand, and none for the others. `patience` is in seconds."""

    def __init__(self, most_bytes: int, patience: float) -> None:
        self._most_bytes = most_bytes
        self._patience = patience
        self._guard = threading.Lock()
        self._lines: dict[int, _Line] = {}

    @contextmanager
    def turn(self, collector: int, size: int) -> Iterator[None]:
        """Wait until no other envelope of this collector is in hand. Raises BusyError when the line is too long."""
        line = self._join(collector, size)
        try:
            if not line.lock.acquire(timeout=self._patience):
                raise busy()
            try:
                yield
            finally:
                line.lock.release()
        finally:
            self._leave(collector, line, size)

    def _join(self, collector: int, size: int) -> _Line:
        with self._guard:
            line = self._lines.setdefault(collector, _Line())
            if line.envelopes and line.size + size > self._most_bytes:
                raise busy()
            line.envelopes += 1
            line.size += size
            return line

    def _leave(self, collector: int, line: _Line, size: int) -> None:
        with self._guard:
            line.envelopes -= 1
            line.size -= size
            if not line.envelopes:
                del self._lines[collector]

    @property
    def collectors(self) -> int:
        """How many have an envelope in hand."""
        with self._guard:
            return len(self._lines)
