"""Beginning and ending alarms, and what pages show of them.

Invariants:
- at most one alarm of a kind stands for a collector and device; one that comes back within an hour is the same one
- what cannot be told now neither begins nor ends an alarm
- nobody is written to twice within a day about the same thing (`mailing`)

`evaluate` is the minute's job: it reads and writes for all collectors together.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import transaction

from cyberalarm.central.alarms import rules
from cyberalarm.central.alarms.gathering import Gathered, Key, gather
from cyberalarm.central.alarms.kinds import ORDER, Kind
from cyberalarm.central.alarms.models import Alarm
from cyberalarm.central.ingest.services import MINIMUM_VERSION
from cyberalarm.core.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyberalarm.central.alarms.rules import Collecting, Raised, Verdict

log = structlog.get_logger(__name__)

_one_at_a_time = threading.Lock()

# About the same thing a member is written to at most once in so long.
NOT_AGAIN = timedelta(hours=24)
KEPT = timedelta(days=400)
_AT_ONCE = 1_000
# What lines that do not come can neither begin nor end; the other alarms of devices rest on what was said or received.
_NEED_LINES = (Kind.DEVICE_SILENT, Kind.NOT_UNDERSTOOD)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one look has changed, and how many alarms stand after it."""

    begun: int
    ended: int
    standing: int


def evaluate(now: datetime, up: datetime) -> Changes:
    """Look at every collector and device. `up`: since when this centre has been there to hear them."""
    with _one_at_a_time:
        return _evaluate(now, up)


def _evaluate(now: datetime, up: datetime) -> Changes:
    known = gather(now)
    wanted, held = _judge(known, now, up)
    new = [_alarm(key, raised, now) for key, raised in wanted.items() if key not in known.standing]
    back = {key_of for key_of in wanted if key_of not in known.standing and key_of in known.ended}
    changed = [_changed(known.standing[key], raised) for key, raised in wanted.items() if key in known.standing]
    ended = [
        alarm for key, alarm in known.standing.items() if key not in wanted and (key.collector, key.kind) not in held
    ]
    for alarm in ended:
        alarm.ended = now
    again = [known.ended[key] for key in back]
    for alarm in again:
        alarm.ended = None
    new = [alarm for alarm in new if _key(alarm) not in back]
    _hush(new, now)
    with transaction.atomic():
        # Ended ones first, since only one of a kind may stand.
        Alarm.objects.bulk_update(ended, ["ended"], batch_size=_AT_ONCE)
        Alarm.objects.bulk_update(again, ["ended"], batch_size=_AT_ONCE)
        Alarm.objects.bulk_update([one for one in changed if one], ["value", "other", "code"], batch_size=_AT_ONCE)
        Alarm.objects.bulk_create(new, batch_size=_AT_ONCE)
    if new or again or ended:
        log.info("alarms.changed", begun=len(new) + len(again), ended=len(ended))
    return Changes(len(new) + len(again), len(ended), len(known.standing) - len(ended) + len(new) + len(again))


def _key(alarm: Alarm) -> Key:
    return Key(alarm.collector_id, alarm.kind, alarm.device, alarm.product, alarm.field)


def _judge(known: Gathered, now: datetime, up: datetime) -> tuple[dict[Key, Raised], set[tuple[int, str]]]:
    """What stands, and of which collectors' kinds that cannot be told."""
    wanted: dict[Key, Raised] = {}
    held: set[tuple[int, str]] = set()
    judgeable = set()
    for collector, one in known.collecting.items():
        for kind, verdict in _of_collector(one, now, up):
            if isinstance(verdict, rules.Raised):
                wanted[Key(collector, kind)] = verdict
            elif verdict is rules.CANNOT_TELL:
                held.add((collector, kind))
        if rules.can_judge_devices(one, now, up):
            judgeable.add(collector)
        else:
            held.update((collector, kind) for kind in _NEED_LINES)
    of_devices = _of_devices(known, now)
    wanted |= {
        key: one
        for key, one in of_devices
        if isinstance(one, rules.Raised) and (key.collector in judgeable or key.kind != Kind.DEVICE_SILENT)
    }
    return wanted, held


def _of_collector(one: Collecting, now: datetime, up: datetime) -> Iterator[tuple[str, Verdict]]:
    silent = rules.collector_silent(one, now, up)
    yield Kind.COLLECTOR_SILENT, silent
    yield Kind.REFUSED, rules.refused(one)
    yield Kind.QUARANTINED, rules.quarantined(one)
    yield Kind.CLOCK, rules.clock(one, now)
    yield Kind.DISK, rules.disk(one, now)
    yield Kind.SPOOL, rules.spool(one, now)
    yield Kind.BEHIND, rules.behind(one, now)
    yield Kind.TOO_OLD, rules.too_old(one, MINIMUM_VERSION, now)
    yield Kind.DROPPED, rules.dropped(one, now)
    yield Kind.TURNED_AWAY, rules.turned_away(one, now)


def _of_devices(known: Gathered, now: datetime) -> Iterator[tuple[Key, Verdict]]:
    for (collector, device), sending in known.quiet.items():
        yield Key(collector, Kind.DEVICE_SILENT, device), rules.device_silent(sending, now)
    for (collector, device), (skew, since, lines) in known.skewed.items():
        yield Key(collector, Kind.DEVICE_CLOCK, device), rules.device_clock(skew, since, lines)
    for key, (since, before, share) in known.told.items():
        yield key, rules.Raised(since, before, share)
    fallen = {(key.collector, key.device) for key in known.told if key.kind == Kind.NOT_RECOGNISED}
    for (collector, device), hour in known.unread.items():
        if rules.not_understood(hour) and (collector, device) not in fallen:
            unread = hour.outcomes[Outcome.UNRECOGNISED]
            yield Key(collector, Kind.NOT_UNDERSTOOD, device), rules.Raised(now, unread, hour.received)


def _alarm(key: Key, raised: Raised, now: datetime) -> Alarm:
    return Alarm(
        collector_id=key.collector,
        device=key.device,
        kind=key.kind,
        product=key.product,
        field=key.field,
        began=min(raised.began, now),
        noticed=now,
        value=raised.value,
        other=raised.other,
        code=raised.code,
        mail=raised.mail,
    )


def _changed(alarm: Alarm, raised: Raised) -> Alarm | None:
    """The alarm with new figures, if a reader would care: not each minute because a second has passed."""
    if alarm.code == raised.code and abs(alarm.value - raised.value) * 10 <= abs(alarm.value):
        return None
    alarm.value, alarm.other, alarm.code = raised.value, raised.other, raised.code
    return alarm


def _hush(new: Iterable[Alarm], now: datetime) -> None:
    """Nobody is to be written to about what they were written to about today."""
    alarms = list(new)
    if not alarms:
        return
    lately = Alarm.objects.filter(mailed__gte=now - NOT_AGAIN).values_list(
        "collector", "kind", "device", "product", "field"
    )
    told = {Key(*row) for row in lately}
    for alarm in alarms:
        if _key(alarm) in told:
            alarm.mail = False


def forget(now: datetime) -> int:
    """Remove alarms that ended long ago; gives how many."""
    return Alarm.objects.filter(ended__lt=now - KEPT).delete()[0]


def worst_first(alarms: Iterable[Alarm]) -> list[Alarm]:
    """In the order in which a member should look at them."""
    return sorted(alarms, key=lambda alarm: (ORDER.get(alarm.kind, len(ORDER)), alarm.began, alarm.pk))
