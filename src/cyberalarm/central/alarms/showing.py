"""Alarms as pages and mails show them: in words, with the names that the reader may read.

`names` maps collector number and device reference to the member's name for the device; it is empty for those who may not read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.central.alarms.kinds import OF_DEVICES
from cyberalarm.central.alarms.models import Alarm, AlarmQuerySet
from cyberalarm.central.alarms.services import worst_first
from cyberalarm.central.alarms.words import words_of
from cyberalarm.central.members.models import Collector
from cyberalarm.central.members.naming import Names, label

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_MOST_ENDED = 100


@dataclass(frozen=True, slots=True)
class AlarmView:
    """One alarm in words. `about` is what it is about: a device with its name and reference, or the collector."""

    kind: str
    title: str
    about: str
    seen: str
    next_step: str
    began: datetime
    ended: datetime | None
    collector: str
    collector_name: str
    site: str
    device: str


def standing_of(collectors: Iterable[int], names: Names) -> list[AlarmView]:
    """What stands at these collectors, worst first; nothing of those that may no longer send."""
    rows = _of(collectors).standing().exclude(collector__status=Collector.Status.REVOKED)
    return [view(alarm, names) for alarm in worst_first(rows)]


def ended_of(collectors: Iterable[int], names: Names, device: str | None = None) -> list[AlarmView]:
    """What stood there and has ended, newest first; of one device, if it is given."""
    rows = _of(collectors).filter(ended__isnull=False)
    if device is not None:
        rows = rows.filter(device=device)
    return [view(alarm, names) for alarm in rows.order_by("-ended", "-pk")[:_MOST_ENDED]]


def _of(collectors: Iterable[int]) -> AlarmQuerySet:
    return Alarm.objects.filter(collector__in=list(collectors)).select_related("collector__site")


def view(alarm: Alarm, names: Names) -> AlarmView:
    words = words_of(alarm)
    return AlarmView(
        kind=alarm.kind,
        title=words.title,
        about=_about(alarm, names),
        seen=words.seen,
        next_step=words.next_step,
        began=alarm.began,
        ended=alarm.ended,
        collector=alarm.collector.reference,
        collector_name=alarm.collector.name,
        site=alarm.collector.site.name,
        device=alarm.device,
    )


def _about(alarm: Alarm, names: Names) -> str:
    if alarm.kind in OF_DEVICES:
        return f"Device {label(names, alarm.collector_id, alarm.device)}"
    return f"Collector {alarm.collector.name}"
