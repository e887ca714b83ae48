"""When a job is due. Pure: the clock is an argument.

Invariants
- A slot that was done is never due again; of slots that were missed only the newest counts, since every job covers whatever its
  predecessor left undone.
- After a failure the next try waits, longer each time; after `MOST_TRIES` in a row the slot is given up, and the next one is tried.
- A clock that jumps back makes nothing run twice for the slots that it repeats. A moment that lies far in the future was
  written by a clock that was wrong, and holds nothing up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
# Half a day of trying, at the waits above.
MOST_TRIES = 16
# How far a clock may be ahead of the one that reads it before what it wrote is not believed.
BELIEVED = timedelta(minutes=10)
# How long after its last success a job is late: many slots of the short ones, since a restart or a slow run may take a few.
_LATE = {
    "minute": timedelta(minutes=30),
    "hour": timedelta(hours=4),
    "day": timedelta(days=2),
    "week": timedelta(days=8),
}
_LATE_AFTER_MONTH = timedelta(days=35)
# How long a run may take before it is said to hang: many times what it takes on a busy centre.
_LONG = {"minute": timedelta(minutes=15), "hour": timedelta(hours=2)}
_LONG_OTHERWISE = timedelta(hours=12)
# Daily, weekly and monthly work starts once the collectors have sent the night's last bundles.
_FIRST_HOUR = 5


class Every(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Last(StrEnum):
    DONE = "done"
    FAILED = "failed"
    GIVEN_UP = "given-up"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class LastRun:
    """What is known of a job's latest run."""

    key: str
    state: Last
    attempts: int
    next_try: datetime | None


def slot(every: Every, now: datetime) -> str:
    """The name of the newest slot that has begun; later ones have greater names."""
    if every is Every.MINUTE:
        return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
    if every is Every.HOUR:
        return now.astimezone(UTC).strftime("%Y-%m-%dT%H")
    # Wall-clock arithmetic on purpose: five o'clock stays five o'clock when the clocks change.
    local = now.astimezone(LONDON).replace(tzinfo=None) - timedelta(hours=_FIRST_HOUR)
    if every is Every.DAY:
        return local.strftime("%Y-%m-%d")
    if every is Every.MONTH:
        return local.strftime("%Y-%m")
    year, week, _ = local.isocalendar()
    return f"{year}-W{week:02d}"


def next_slot(every: Every, now: datetime) -> datetime:
    """When the next slot begins."""
    if every is Every.MINUTE:
        return now.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    if every is Every.HOUR:
        return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    local = now.astimezone(LONDON).replace(tzinfo=None) - timedelta(hours=_FIRST_HOUR)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if every is Every.DAY:
        begins = day + timedelta(days=1)
    elif every is Every.WEEK:
        begins = day + timedelta(days=7 - day.weekday())
    else:
        begins = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return (begins + timedelta(hours=_FIRST_HOUR)).replace(tzinfo=LONDON).astimezone(UTC)


def due(every: Every, now: datetime, last: LastRun | None) -> str | None:
    """The slot to run now, or None. `last` is the latest run that did not begin in the future (`BELIEVED`)."""
    newest = slot(every, now)
    if last is None:
        return newest
    match last.state:
        case Last.RUNNING:
            return None
        case Last.DONE:
            return newest if newest > last.key else None
        case Last.GIVEN_UP:
            return newest if newest > last.key and _waited(now, last.next_try) else None
        case Last.FAILED:
            return max(newest, last.key) if _waited(now, last.next_try) else None


def _waited(now: datetime, until: datetime | None) -> bool:
    return until is None or now >= until or until - now > LONGEST_WAIT + BELIEVED


def wait_after(attempts: int) -> timedelta:
    """How long to wait after so many failures in a row."""
    doublings = min(max(attempts, 1) - 1, 20)  # more would only overflow
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def late_after(every: Every) -> timedelta:
    """How long after its last success, or after the centre's start, a job is late."""
    return _LATE.get(every.value, _LATE_AFTER_MONTH)


def long_after(every: Every) -> timedelta:
    """How long a run may take before somebody should look."""
    return _LONG.get(every.value, _LONG_OTHERWISE)


def late(every: Every, now: datetime, done: datetime | None, since: datetime | None) -> bool:
    """Has a job been without success for too long? `done`: its last success; `since`: when the supervisor started.

    False when neither is known: nobody runs the jobs here, and none was ever done.
    """
    known = [moment for moment in (done, since) if moment is not None]
    return bool(known) and now - max(known) > late_after(every)
