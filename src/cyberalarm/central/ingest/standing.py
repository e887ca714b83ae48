"""The alarms that stand at each collector, kept as its newest bundle said: what is no longer named has ended.

Only what differs is written, since most bundles say what the one before said. Called by the writer's thread alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cyberalarm.central.ingest.models import DeviceAlarm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cyberalarm.core.alarm import Alarm

_Key = tuple[int, str, str, str, str]


def keep(said: Mapping[int, Iterable[Alarm]], now: datetime) -> None:
    """Replace the alarms of these collectors, by number, by those that they said last. No alarm began after `now`."""
    if not said:
        return
    wanted = {_key(row): row for collector, alarms in said.items() for row in _rows(collector, alarms, now)}
    ended, changed = [], []
    for row in DeviceAlarm.objects.filter(collector__in=list(said)):
        new = wanted.pop(_key(row), None)
        if new is None:
            ended.append(row.pk)
        elif (new.since, new.before, new.now) != (row.since, row.before, row.now):
            new.pk = row.pk
            changed.append(new)
    if ended:
        DeviceAlarm.objects.filter(pk__in=ended).delete()
    if changed:
        DeviceAlarm.objects.bulk_update(changed, ["since", "before", "now"])
    if wanted:
        DeviceAlarm.objects.bulk_create(wanted.values())


def _key(row: DeviceAlarm) -> _Key:
    return (row.collector_id, row.device, row.kind, row.product, row.field)


def _rows(collector: int, alarms: Iterable[Alarm], now: datetime) -> Iterable[DeviceAlarm]:
    for alarm in alarms:
        yield DeviceAlarm(
            collector_id=collector,
            device=alarm.device,
            kind=alarm.kind.value,
            product=alarm.product,
            field=alarm.field,
            since=min(datetime.fromtimestamp(alarm.since / 1000, UTC), now),
            before=alarm.before,
            now=alarm.now,
        )
