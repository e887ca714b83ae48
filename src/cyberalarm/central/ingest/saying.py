"""Keeps on a collector's row what it said of itself with its question for its status, and how its clock goes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cyberalarm.central.members.models import Collector

if TYPE_CHECKING:
    from datetime import datetime

    from cyberalarm.envelope.requests import InUse

# A wrong clock is believed once no question with a right one was answered for so long: a question that somebody kept and asks
# again is as old as a wrong clock makes it look.
_BELIEVED_AFTER = timedelta(minutes=15)


def note(collector: Collector, asked_at: int, in_use: InUse | None, now: datetime) -> None:
    """A question was answered. `asked_at` is the collector's own time of it, ms."""
    said: dict[str, object] = {
        "last_seen": now,
        "asked": now,
        "first_asked": collector.first_asked or now,
        "clock_offset": _offset(asked_at, now),
        "clock_at": now,
    }
    if in_use:
        said |= {"version": in_use.program, "pack_release": in_use.release, "pack_refused": in_use.refused}
    if in_use and in_use.load:
        load = in_use.load
        said |= {
            "load_at": now,
            "waiting": load.waiting,
            "oldest_waiting": load.oldest,
            "spool_percent": load.spool,
            "disk_free": load.disk,
        }
        if load.turned_away:
            said |= {"turned_away": load.turned_away, "turned_away_at": now}
    Collector.objects.filter(pk=collector.pk).update(**said)


def note_wrong_clock(collector: Collector, asked_at: int, now: datetime) -> None:
    """A question was refused for its time alone: its signature is the collector's."""
    if collector.asked is None or now - collector.asked >= _BELIEVED_AFTER:
        Collector.objects.filter(pk=collector.pk).update(clock_offset=_offset(asked_at, now), clock_at=now)


def _offset(asked_at: int, now: datetime) -> int:
    return round(asked_at / 1000 - now.timestamp())
