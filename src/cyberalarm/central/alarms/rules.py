"""When an alarm stands. Pure: what is known and the clock go in, a verdict comes out.

Each rule answers with what was raised, or that nothing is wrong, or that it cannot be told now; in the last case an alarm that
stands goes on standing, and none begins. A time that lies ahead of `now`, as after our clock was set back, is no silence.

Every figure here stands in docs/alarms.md, and a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING

from cyberalarm.central.alarms.habits import longest, usual
from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.core.versions import older

if TYPE_CHECKING:
    from collections.abc import Sequence

SILENT_AFTER = timedelta(minutes=15)
# A device may pause for twice as long as is usual at that time of day; a new one for three times its longest pause of all.
PAUSE_FACTOR, NEW_PAUSE_FACTOR = 2, 3
# A device is watched once it has sent for so long: one stray line makes no device.
WATCHED_AFTER = timedelta(hours=1)
# Until then it is new: its nights and weekends are not known, and nobody is written to.
NEW_FOR = timedelta(days=7)
# Not heard of for so long, it is taken as gone.
GONE_AFTER = timedelta(days=30)
BEHIND_AFTER = timedelta(minutes=15)
CLOCK_OFF = 300  # seconds
CLOCK_KNOWN_FOR = timedelta(hours=1)
DEVICE_CLOCK_AFTER = timedelta(minutes=15)
SPOOL_FULL, SPOOL_CALM = 80, 70  # per cent
DISK_FULL, DISK_CALM = 512, 768  # MiB
LEAST_DROPPED, DROPPED_SHARE = 100, 1 / 1000
TURNED_AWAY_FOR = timedelta(hours=1)
# So many lines within the hour and the one before show whether a device's format is known.
ENOUGH_LINES = 200


class Untold(Enum):
    """Why nothing is raised: nothing is wrong, or what is known does not tell."""

    CALM = "calm"
    CANNOT_TELL = "cannot tell"


CALM, CANNOT_TELL = Untold.CALM, Untold.CANNOT_TELL


@dataclass(frozen=True, slots=True)
class Raised:
    """Something is wrong since `began`. What `value` and `other` count is told by `words`; `mail`: its member is written to."""

    began: datetime
    value: int = 0
    other: int = 0
    code: str = ""
    mail: bool = True


Verdict = Raised | Untold


@dataclass(frozen=True, slots=True)
class Collecting:
    """What is known of one collector that may send.

    `steady_since`: since when it is heard without a break, None for long enough. `hour`: its lines of this hour and the one
    before. `refused_code` is empty where nothing it sent is refused now.
    """

    enrolled: datetime | None = None
    seen: datetime | None = None
    asked: datetime | None = None
    version: str = ""
    clock_offset: int | None = None
    clock_at: datetime | None = None
    load_at: datetime | None = None
    waiting: int = 0
    oldest_waiting: int = 0
    spool_percent: int = 0
    disk_free: int | None = None
    turned_away: int = 0
    turned_away_at: datetime | None = None
    sealed: datetime | None = None
    received: datetime | None = None
    refused_code: str = ""
    refused_since: datetime | None = None
    put_aside: int = 0
    put_aside_since: datetime | None = None
    put_aside_code: str = ""
    steady_since: datetime | None = None
    dropped: int = 0
    arrived: int = 0


@dataclass(frozen=True, slots=True)
class Sending:
    """What is known of one device. `first`: when its first lines came; `lines`: its newest ones."""

    first: datetime
    lines: datetime | None
    rests_since: datetime | None = None
    pauses: Sequence[int] = field(default=())
    pauses_at: datetime | None = None


def collector_silent(one: Collecting, now: datetime, up: datetime) -> Verdict:
    """Nothing was heard of it for 15 minutes, during all of which the centre was there to hear. `up`: since when it is."""
    if one.seen is None or (one.enrolled is not None and one.seen <= one.enrolled):
        return CALM  # it was never heard after it was enrolled: its page says which step is missing
    if now - one.seen < SILENT_AFTER:
        return CALM
    return Raised(one.seen) if now - up >= SILENT_AFTER else CANNOT_TELL


def refused(one: Collecting) -> Verdict:
    """Its newest bundles were refused, and none was receipted since."""
    return Raised(one.refused_since, code=one.refused_code) if one.refused_code and one.refused_since else CALM


def quarantined(one: Collecting) -> Verdict:
    """Bundles of it are put aside, and nobody has decided about them yet."""
    if not one.put_aside or one.put_aside_since is None:
        return CALM
    return Raised(one.put_aside_since, one.put_aside, code=one.put_aside_code)


def clock(one: Collecting, now: datetime) -> Verdict:
    """Its clock and ours differ by more than five minutes."""
    if one.clock_offset is None or one.clock_at is None or now - one.clock_at > CLOCK_KNOWN_FOR:
        return CANNOT_TELL
    return Raised(one.clock_at, one.clock_offset) if abs(one.clock_offset) > CLOCK_OFF else CALM


def behind(one: Collecting, now: datetime) -> Verdict:
    """A bundle has waited for 15 minutes, as it says itself, or as the newest one shows that came."""
    if _heard_lately(one.load_at, now) and one.oldest_waiting >= BEHIND_AFTER.total_seconds():
        return Raised(now - timedelta(seconds=one.oldest_waiting), one.oldest_waiting, one.waiting)
    if _heard_lately(one.received, now) and one.sealed is not None and one.received is not None:
        lag = one.received - one.sealed
        if lag >= BEHIND_AFTER:
            return Raised(one.sealed, int(lag.total_seconds()), one.waiting)
    return CALM if _heard_lately(one.seen, now) else CANNOT_TELL


def too_old(one: Collecting, minimum: str, now: datetime) -> Verdict:
    """Its program is older than this centre still understands."""
    return Raised(now, code=one.version[:64]) if one.version and older(one.version, minimum) else CALM


def spool(one: Collecting, now: datetime) -> Verdict:
    """Its spool is four fifths full; calm again below 70 per cent, so that the alarm does not flutter."""
    if not _heard_lately(one.load_at, now):
        return CANNOT_TELL
    if one.spool_percent >= SPOOL_FULL:
        return Raised(now, one.spool_percent)
    return CALM if one.spool_percent < SPOOL_CALM else CANNOT_TELL


def disk(one: Collecting, now: datetime) -> Verdict:
    """Less than 512 MiB are free on its disk; calm again from 768 on."""
    if not _heard_lately(one.load_at, now) or one.disk_free is None:
        return CANNOT_TELL
    if one.disk_free < DISK_FULL:
        return Raised(now, one.disk_free)
    return CALM if one.disk_free >= DISK_CALM else CANNOT_TELL


def dropped(one: Collecting, now: datetime) -> Verdict:
    """In this hour and the one before its machine dropped at least 100 datagrams, and one in a thousand of all that came."""
    everything = one.dropped + one.arrived
    if one.dropped >= LEAST_DROPPED and one.dropped >= everything * DROPPED_SHARE:
        return Raised(now, one.dropped, everything)
    return CALM


def turned_away(one: Collecting, now: datetime) -> Verdict:
    """Within the last hour its listeners turned connections away."""
    if one.turned_away_at is not None and one.turned_away and now - one.turned_away_at <= TURNED_AWAY_FOR:
        return Raised(one.turned_away_at, one.turned_away)
    return CALM


def can_judge_devices(one: Collecting, now: datetime, up: datetime) -> bool:
    """Would a device's lines have reached us, had it sent any? Only then is its silence its own."""
    if not _heard_lately(one.seen, now) or now - up < SILENT_AFTER or one.refused_code:
        return False
    if isinstance(behind(one, now), Raised):
        return False
    return one.steady_since is None or now - one.steady_since >= SILENT_AFTER


def is_resting(rests_since: datetime | None, lines: datetime | None) -> bool:
    """Does nobody expect anything of it? What it sends after it was put to rest wakes it."""
    return rests_since is not None and (lines is None or lines <= rests_since)


def device_silent(one: Sending, now: datetime) -> Verdict:
    """Nothing for 15 minutes, and for twice as long as it usually pauses at this time of day.

    Call it where `can_judge_devices`. In its first week, where its nights are not known, it may pause for three times its longest
    pause so far, and its member is not written to.
    """
    if one.lines is None or is_resting(one.rests_since, one.lines) or one.lines - one.first < WATCHED_AFTER:
        return CALM
    quiet = now - one.lines
    new = now - one.first < NEW_FOR
    allowed = max(SILENT_AFTER, allowance(one, now, new=new))
    if quiet < allowed or quiet >= GONE_AFTER:
        return CALM
    return Raised(one.lines, int(allowed.total_seconds()), int(new), mail=not new)


def allowance(one: Sending, now: datetime, *, new: bool) -> timedelta:
    """How long a device may pause now, by its habits alone."""
    if new:
        return NEW_PAUSE_FACTOR * longest(one.pauses, one.pauses_at, now)
    return PAUSE_FACTOR * usual(one.pauses, one.pauses_at, now)


def device_clock(skew: int | None, since: datetime | None, lines: datetime | None) -> Verdict:
    """The times in its lines differ from the collector's clock by more than five minutes, in all that came for 15 minutes."""
    if skew is None or since is None or lines is None or lines - since < DEVICE_CLOCK_AFTER:
        return CALM
    return Raised(since, skew)


def not_understood(hour: Ledger) -> bool:
    """Are most of a device's lines in no format that we know? Said once it has sent enough to judge by."""
    return hour.received >= ENOUGH_LINES and hour.outcomes[Outcome.UNRECOGNISED] * 2 > hour.received


def _heard_lately(at: datetime | None, now: datetime) -> bool:
    return at is not None and now - at < SILENT_AFTER
