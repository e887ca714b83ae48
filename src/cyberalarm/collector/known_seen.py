"""Which known sources (`core.known_sources`) have shown up lately, so that a member can see what choosing them would change.

A look, not a count of everything: once a second into a few lines that were kept or left out as trusted. It remembers a number and a
time for each operator of the list, in this run; no address and no word of a line.
"""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING

from cyberalarm.collector.state import SeenNote
from cyberalarm.core import addresses
from cyberalarm.core.known_sources import operator_of
from cyberalarm.core.outcome import OUTCOMES, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm._kernel import Batch

_LOOK_S = 1.0
_LOOKED_INTO = 16  # lines at a time
_LONGEST_LOOK = 1 << 20  # bytes of a chunk that are searched for them
_OF_INTEREST = frozenset({OUTCOMES.index(Outcome.KEPT), OUTCOMES.index(Outcome.TRUSTED)})


class KnownSeen:
    """`seen` is by operator: of the lines that were looked at, how many, and when the last one was."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._next = 0.0
        self.seen: dict[str, SeenNote] = {}

    def saw(self, lines: bytes, outcomes: bytes, decode: Callable[[bytes], Batch]) -> None:
        """A chunk has been decoded and sieved; called for each, so it mostly does nothing."""
        now = self._clock()
        if 0 <= self._next - now <= _LOOK_S or not lines:
            return
        self._next = now + _LOOK_S
        some = _some(lines, outcomes)
        if some:
            for source in _sources(decode(some)):
                operator = operator_of(source)
                if operator is not None:
                    before = self.seen.get(operator.name)
                    self.seen[operator.name] = SeenNote(lines=(before.lines if before else 0) + 1, last=now)


def _some(lines: bytes, outcomes: bytes) -> bytes:
    """A few lines of interest, from anywhere in a chunk's first part."""
    whole = lines[:_LONGEST_LOOK].split(b"\n")[:-1]
    found = [line for line, outcome in zip(whole, outcomes, strict=False) if outcome in _OF_INTEREST]
    chosen = found if len(found) <= _LOOKED_INTO else random.sample(found, _LOOKED_INTO)
    return b"".join(line + b"\n" for line in chosen)


def _sources(batch: Batch) -> Iterator[bytes]:
    for line in batch.jsonl(1).splitlines():
        source = json.loads(line).get("event", {}).get("src_ip", "")
        if source:
            yield addresses.pack(source)
