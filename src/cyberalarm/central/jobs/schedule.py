"""When a job is due. Pure: the clock is an argument.

Invariants: a slot that was done is never due again; of slots that were missed only the newest counts, since
every job covers whatever its predecessor left undone; after a failure the next try waits, longer each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
# How long after its last success a job is late: many slots of the short ones, since a restart or a slow run may take a few.
_LATE_AFTER_MINUTE, _LATE_AFTER_HOUR, _LATE_AFTER_WEEK = timedelta(minutes=30), timedelta(hours=4), timedelta(days=8)
# Weekly work starts on Monday once the collectors have sent the night's last bundles.
_WEEKLY_HOUR = 5


class Every(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    WEEK = "week"


class Last(StrEnum):
    DONE = "done"
    FAILED = "failed"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class LastRun:
    """What is known of a job's latest run."""

    key: str
    state: Last
    attempts: int
    next_try: datetime | None


def slot(every: Every, now: datetime) -> str:
    """The name of the newest slot that has begun."""
    match every:
        case Every.MINUTE:
            return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
        case Every.HOUR:
            return now.astimezone(UTC).strftime("%Y-%m-%dT%H")
        case Every.WEEK:
            # Wall-clock arithmetic on purpose: five o'clock stays five o'clock when the clocks change.
            local = now.astimezone(LONDON).replace(tzinfo=None) - timedelta(hours=_WEEKLY_HOUR)
            year, week, _ = local.isocalendar()
            return f"{year}-W{week:02d}"


def due(every: Every, now: datetime, last: LastRun | None) -> str | None:
    """The slot to run now, or None."""
    newest = slot(every, now)
    if last is None:
        return newest
    match last.state:
        case Last.RUNNING:
            return None
        case Last.DONE:
            return None if last.key == newest else newest
        case Last.FAILED:
            return None if last.next_try and now < last.next_try else newest


def wait_after(attempts: int) -> timedelta:
    """How long to wait after so many failures in a row."""
    doublings = min(max(attempts, 1) - 1, 20)  # more would only overflow
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def late_after(every: Every) -> timedelta:
    """How long after its last success, or after the centre's start, a job is late."""
    match every:
        case Every.MINUTE:
            return _LATE_AFTER_MINUTE
        case Every.HOUR:
            return _LATE_AFTER_HOUR
        case Every.WEEK:
            return _LATE_AFTER_WEEK


def late(every: Every, now: datetime, done: datetime | None, since: datetime | None) -> bool:
    """Has a job been without success for too long? `done`: its last success; `since`: when the supervisor started.

    False when neither is known: nobody runs the jobs here, and none was ever done.
    """
    known = [moment for moment in (done, since) if moment is not None]
    return bool(known) and now - max(known) > late_after(every)
