"""How long a device usually pauses, by time of day. Pure.

A device's habit is 72 numbers, one for each hour of a weekday, a Saturday and a Sunday, London time: the longest pause, in
minutes, that was under way in that hour. A firewall that sleeps at night has long pauses at night and short ones by day, so its
silence at eleven in the morning is noticed within a quarter of an hour, and its nights never. What is learnt fades by an eighth
a week, so that one odd day is not held against its alarms for ever.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONDON = ZoneInfo("Europe/London")
SLOTS = 3 * 24
_WEEK = timedelta(days=7)
_FADING = 7 / 8
_HOUR = timedelta(hours=1)
# Beyond this a pause says no more of any hour: a device that is silent for so long is another matter.
LONGEST = timedelta(days=30)


def slot(at: datetime) -> int:
    """Which of the 72 a moment belongs to."""
    local = at.astimezone(LONDON)
    return max(local.weekday() - 4, 0) * 24 + local.hour


def usual(pauses: Sequence[int], learnt: datetime | None, at: datetime) -> timedelta:
    """The longest pause that is usual at this time of day, or an hour before or after it."""
    near = {slot(at + shift) for shift in (-_HOUR, timedelta(), _HOUR)}
    return timedelta(minutes=max((_known(pauses, index) for index in near), default=0) * _faded(learnt, at))


def longest(pauses: Sequence[int], learnt: datetime | None, at: datetime) -> timedelta:
    """The longest pause that is usual at any time of day."""
    return timedelta(minutes=max(pauses, default=0) * _faded(learnt, at))


def learn(pauses: Sequence[int], learnt: datetime | None, began: datetime, ended: datetime) -> list[int]:
    """The habit after one more pause. One that ends before it begins teaches nothing."""
    faded = _faded(learnt, ended)
    known = [round(_known(pauses, index) * faded) for index in range(SLOTS)]
    for at, reached in _hours(began, min(ended, began + LONGEST)):
        index = slot(at)
        known[index] = max(known[index], -(-int(reached.total_seconds()) // 60))
    return known


def _hours(began: datetime, ended: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """Each hour that a pause touches, and how long it has lasted at that hour's end."""
    at = began.astimezone(UTC)
    while at < ended:
        turn = min(at.replace(minute=0, second=0, microsecond=0) + _HOUR, ended)
        yield at, turn - began
        at = turn


def _known(pauses: Sequence[int], index: int) -> int:
    return pauses[index] if index < len(pauses) else 0


def _faded(learnt: datetime | None, at: datetime) -> float:
    weeks = (at - learnt) / _WEEK if learnt else 0.0
    return float(_FADING ** max(weeks, 0.0))
