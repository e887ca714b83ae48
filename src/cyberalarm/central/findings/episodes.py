"""Joins the windows in which a rule fired into episodes. Pure.

Invariants: an episode ends when its rule has been silent for `QUIET`; it is never longer than `LONGEST`
before the next begins; windows that arrive later, in any order of arrival, are joined to the episodes that
they touch. `QUIET` is a whole day, so two episodes of one group never begin on the same day, which is what
makes the day part of a finding's key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_DAY_MS = int(timedelta(days=1).total_seconds() * 1000)
QUIET_MS = _DAY_MS
LONGEST_MS = 7 * _DAY_MS


@dataclass(frozen=True, slots=True, order=True)
class Episode:
    """From `start` on, up to but without `end`, in ms.

    `known` are the findings that it continues, earliest first.
    """

    start: int
    end: int
    known: tuple[int, ...] = ()


def join(known: Iterable[Episode], fired: Iterable[tuple[int, int]]) -> list[Episode]:
    """The episodes that known ones and newly fired windows (start, end) make together, in order of time."""
    waiting = sorted([*known, *(Episode(start, end) for start, end in fired)], key=lambda e: (e.start, e.end))
    joined: list[Episode] = []
    for one in waiting:
        last = joined[-1] if joined else None
        if last and one.start < last.end + QUIET_MS and one.start < last.start + LONGEST_MS:
            joined[-1] = replace(last, end=max(last.end, one.end), known=last.known + one.known)
        else:
            joined.append(one)
    return joined
