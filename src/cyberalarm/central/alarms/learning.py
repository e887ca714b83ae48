"""Learns how long devices usually pause, from the pauses that the receiving side noted.

Not learnt is what was no pause of the device (its collector was silent) and what an alarm told of: an outage must not become
its own excuse. But two alarms of silence within a week are a habit that has changed, and the second is learnt. In its first week
everything is learnt, also what raised an alarm.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from cyberalarm.central.alarms import habits
from cyberalarm.central.alarms.kinds import Kind
from cyberalarm.central.alarms.models import Alarm
from cyberalarm.central.ingest.models import Pause
from cyberalarm.central.members.models import Device

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_AT_ONCE = 5_000
_CHANGED_WITHIN = timedelta(days=7)
_Key = tuple[int, str]


def learn() -> int:
    """Take in the pauses that wait, the oldest first; gives how many."""
    waiting = list(Pause.objects.order_by("pk")[:MOST_AT_ONCE])
    if not waiting:
        return 0
    by_device: dict[_Key, list[Pause]] = defaultdict(list)
    for pause in waiting:
        by_device[pause.collector_id, pause.device].append(pause)
    collectors = {collector for collector, _ in by_device}
    alarms = _alarms(collectors, min(pause.began for pause in waiting))
    rows = {(row.collector_id, row.reference): row for row in Device.objects.filter(collector__in=collectors)}
    new: list[Device] = []
    known: list[Device] = []
    for key, pauses in by_device.items():
        fit = [pause for pause in pauses if is_usual(pause, alarms.get((key[0], ""), ()), alarms.get(key, ()))]
        if not fit:
            continue
        (known if key in rows else new).append(rows.get(key) or Device(collector_id=key[0], reference=key[1]))
        _take((known if key in rows else new)[-1], fit)
    with transaction.atomic():
        Device.objects.bulk_create(new, batch_size=500)
        Device.objects.bulk_update(known, ["pauses", "pauses_at"], batch_size=500)
        Pause.objects.filter(pk__lte=waiting[-1].pk).delete()
    return len(waiting)


def _take(device: Device, pauses: Sequence[Pause]) -> None:
    for pause in pauses:
        device.pauses = habits.learn(device.pauses, device.pauses_at, pause.began, pause.ended)
        device.pauses_at = max(device.pauses_at or pause.ended, pause.ended)


def _alarms(collectors: set[int], since: datetime) -> dict[_Key, list[Alarm]]:
    """Alarms of silence that touch this time or the week before, by collector and device; the device is empty for its own."""
    found: dict[_Key, list[Alarm]] = defaultdict(list)
    rows = Alarm.objects.filter(
        collector__in=collectors,
        kind__in=(Kind.COLLECTOR_SILENT, Kind.DEVICE_SILENT),
        began__gte=since - _CHANGED_WITHIN - habits.LONGEST,
    )
    for alarm in rows:
        found[alarm.collector_id, alarm.device].append(alarm)
    return found


def is_usual(pause: Pause, collector: Sequence[Alarm], device: Sequence[Alarm]) -> bool:
    """Is this pause one to learn from? Given the alarms of silence of its collector, and of the device itself."""
    if any(alarm.began < pause.ended and (alarm.ended is None or alarm.ended > pause.began) for alarm in collector):
        return False
    raised = [alarm for alarm in device if abs(alarm.began - pause.began) < timedelta(seconds=1)]
    if not raised or any(alarm.other for alarm in raised):
        return True
    return any(
        alarm.ended is not None and pause.began - _CHANGED_WITHIN <= alarm.ended <= pause.began
        for alarm in device
        if alarm not in raised
    )
