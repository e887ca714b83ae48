"""What the collector tells the centre of how it copes, with each question for its status: five small numbers.

How long the oldest bundle has waited is known from when the chain was seen to have reached it: to the minute, and since this
process began, so that what waited before is told as younger than it is. The centre sees by the bundles themselves how old they are.
"""

from __future__ import annotations

import shutil
from collections import deque
from typing import TYPE_CHECKING

from cyberalarm.envelope.requests import Load

if TYPE_CHECKING:
    from pathlib import Path

# Moments that are remembered; beyond, each second one is forgotten: then the age is known less exactly, and never told as higher.
MOST_MOMENTS = 2_000
_MIB = 1024 * 1024


class Waiting:
    """When the chain had come how far. Ask it with each question; `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._reached: deque[tuple[int, float]] = deque()  # sequence of the newest bundle, and when it was first seen

    def oldest(self, now: float, head: int, done: int) -> int:
        """Seconds for which the bundle after `done` has waited, the newest being `head`; 0 where none waits."""
        if not self._reached or self._reached[-1][0] != head:
            self._reached.append((head, now))
        if len(self._reached) > MOST_MOMENTS:
            self._reached = deque(list(self._reached)[::2])
        while self._reached and self._reached[0][0] <= done:
            self._reached.popleft()
        if head <= done or not self._reached:
            return 0
        return max(int(now - self._reached[0][1]), 0)


class Telling:
    """Puts the five numbers together. Make one for a run, and call `told` once the centre has answered."""

    def __init__(self, data: Path, limit: int) -> None:
        self._data = data
        self._limit = limit
        self._waiting = Waiting()
        self._away = self._away_told = 0

    def load(self, now: float, head: int, done: int, size: int, turned_away: int) -> Load:
        """`size`: bytes in the spool; `turned_away`: connections, since the start."""
        self._away = turned_away
        return Load(
            waiting=max(head - done, 0),
            oldest=self._waiting.oldest(now, head, done),
            spool=size * 100 // max(self._limit, 1),
            disk=self._free(),
            turned_away=max(turned_away - self._away_told, 0),
        )

    def told(self) -> None:
        """What was turned away so far need not be told again."""
        self._away_told = self._away

    def _free(self) -> int:
        try:
            return shutil.disk_usage(self._data).free // _MIB
        except OSError:
            return 0
