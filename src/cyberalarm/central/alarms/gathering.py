"""Reads what the rules judge by, for every collector at once: the same few queries for one collector and for ten thousand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from django.db.models import F, Q, Sum

from cyberalarm.central.alarms.kinds import Kind
from cyberalarm.central.alarms.models import Alarm
from cyberalarm.central.alarms.rules import ENOUGH_LINES, GONE_AFTER, LEAST_DROPPED, SILENT_AFTER, Collecting, Sending
from cyberalarm.central.ingest import quarantine
from cyberalarm.central.ingest.models import DeviceAlarm, LedgerSpan, LedgerTotal
from cyberalarm.central.ingest.refusals import Refusal, stands
from cyberalarm.central.ingest.totals import OTHER_DEVICES
from cyberalarm.central.members.models import Collector, Device, Member
from cyberalarm.core.alarm import FORMAT_KINDS
from cyberalarm.core.outcome import Ledger, Outcome

if TYPE_CHECKING:
    from django.db.models import QuerySet

# An alarm that comes back within this goes on: the same alarm, and nobody is told twice.
SAME_AGAIN = timedelta(hours=1)


class Key(NamedTuple):
    """What tells alarms apart that stand."""

    collector: int
    kind: str
    device: str = ""
    product: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that is known now. `quiet` and `skewed` hold only the devices that may raise an alarm."""

    collecting: dict[int, Collecting]
    quiet: dict[tuple[int, str], Sending]
    skewed: dict[tuple[int, str], tuple[int, datetime, datetime | None]]
    unread: dict[tuple[int, str], Ledger]
    told: dict[Key, tuple[datetime, int, int]]
    standing: dict[Key, Alarm]
    ended: dict[Key, Alarm] = field(default_factory=dict)  # within `SAME_AGAIN`


def speaking() -> QuerySet[Collector]:
    """The collectors that alarms are about: those that may send."""
    return Collector.objects.filter(status=Collector.Status.ENROLLED, site__member__status=Member.Status.APPROVED)


def gather(now: datetime) -> Gathered:
    """Read everything, in ten queries."""
    alarms = Alarm.objects.filter(Q(ended__isnull=True) | Q(ended__gte=now - SAME_AGAIN))
    standing: dict[Key, Alarm] = {}
    ended: dict[Key, Alarm] = {}
    for alarm in alarms.order_by("ended"):
        (standing if alarm.ended is None else ended)[key_of(alarm)] = alarm
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    quiet, skewed = _devices(now)
    return Gathered(
        _collecting(hour, now, _steady(standing, ended, now)), quiet, skewed, _unread(hour), _told(now), standing, ended
    )


def key_of(alarm: Alarm) -> Key:
    return Key(alarm.collector_id, alarm.kind, alarm.device, alarm.product, alarm.field)


_COLUMNS = (
    "pk", "enrolled", "last_seen", "asked", "version", "clock_offset", "clock_at", "load_at", "waiting", "oldest_waiting",
    "spool_percent", "disk_free", "turned_away", "turned_away_at", "refused_code", "refused_at", "refused_since",
    "refused_proven", "chain__sealed", "chain__received",
)  # fmt: skip
# After these a collector may still be catching up, and a device's silence is not its own.
_UNSTEADY = (Kind.COLLECTOR_SILENT, Kind.BEHIND, Kind.REFUSED)


def _steady(standing: dict[Key, Alarm], ended: dict[Key, Alarm], now: datetime) -> dict[int, datetime]:
    """Since when each collector is heard without a break, of those where that is not long ago."""
    steady: dict[int, datetime] = {}
    for key, alarm in (*ended.items(), *standing.items()):
        if key.kind in _UNSTEADY:
            steady[key.collector] = max(steady.get(key.collector, alarm.began), alarm.ended or now)
    return steady


def _collecting(hour: datetime, now: datetime, steady: dict[int, datetime]) -> dict[int, Collecting]:
    spans = LedgerSpan.objects.filter(hours=1, start__gte=hour).order_by().values_list("collector")
    sums = spans.annotate(lost=Sum("dropped_by_kernel"), came=Sum("received")).filter(lost__gte=LEAST_DROPPED)
    dropped = {collector: (lost, came) for collector, lost, came in sums}
    put_aside = quarantine.standing_of(speaking())
    found = {}
    for row in speaking().order_by().values(*_COLUMNS).iterator():
        aside, aside_since, aside_code = put_aside.get(row["pk"], (0, None, ""))
        code, since = _refused(row, now)
        lost, came = dropped.get(row["pk"], (0, 0))
        found[row["pk"]] = Collecting(
            enrolled=row["enrolled"],
            seen=row["last_seen"],
            asked=row["asked"],
            version=row["version"],
            clock_offset=row["clock_offset"],
            clock_at=row["clock_at"],
            load_at=row["load_at"],
            waiting=row["waiting"] or 0,
            oldest_waiting=row["oldest_waiting"] or 0,
            spool_percent=row["spool_percent"] or 0,
            disk_free=row["disk_free"],
            turned_away=row["turned_away"] or 0,
            turned_away_at=row["turned_away_at"],
            sealed=row["chain__sealed"],
            received=row["chain__received"],
            refused_code=code,
            refused_since=since,
            put_aside=aside,
            put_aside_since=aside_since,
            put_aside_code=aside_code,
            steady_since=steady.get(row["pk"]),
            dropped=lost,
            arrived=came,
        )
    return found


def _refused(row: dict[str, object], now: datetime) -> tuple[str, datetime | None]:
    code, at, since, received = row["refused_code"], row["refused_at"], row["refused_since"], row["chain__received"]
    if not isinstance(code, str) or not isinstance(at, datetime) or not isinstance(since, datetime):
        return "", None
    refusal = Refusal(code, at, since, bool(row["refused_proven"]))
    receipted = received if isinstance(received, datetime) else None
    return (code, since) if stands(refusal, receipted, now) else ("", None)


def _devices(
    now: datetime,
) -> tuple[dict[tuple[int, str], Sending], dict[tuple[int, str], tuple[int, datetime, datetime | None]]]:
    """Devices that have been quiet for a while, and those whose clocks seem wrong."""
    silent = Q(last_lines__lte=now - SILENT_AFTER, last_lines__gt=now - GONE_AFTER)
    wrong = Q(skew_since__isnull=False, last_lines__gt=now - GONE_AFTER)
    rows = LedgerTotal.objects.filter(silent | wrong, collector__in=speaking()).exclude(device=OTHER_DEVICES)
    wanted = ("collector", "device", "first_received", "last_lines", "skew", "skew_since")
    read = list(rows.order_by().values_list(*wanted))
    known = {
        (collector, reference): (rests, pauses, learnt)
        for collector, reference, rests, pauses, learnt in Device.objects.filter(collector__in=speaking())
        .filter(Q(rests_since__isnull=False) | Q(pauses_at__isnull=False))
        .order_by()
        .values_list("collector", "reference", "rests_since", "pauses", "pauses_at")
    }
    quiet: dict[tuple[int, str], Sending] = {}
    skewed: dict[tuple[int, str], tuple[int, datetime, datetime | None]] = {}
    for collector, device, first, lines, skew, since in read:
        rests, pauses, learnt = known.get((collector, device), (None, [], None))
        quiet[collector, device] = Sending(first, lines, rests, tuple(pauses), learnt)
        if skew is not None and since is not None:
            skewed[collector, device] = (skew, since, lines)
    return quiet, skewed


def _unread(hour: datetime) -> dict[tuple[int, str], Ledger]:
    """Devices most of whose lines, since this hour's predecessor began, nobody understands."""
    rows = (
        LedgerSpan.objects.filter(hours=1, start__gte=hour, collector__in=speaking())
        .order_by()
        .values_list("collector", "device")
        .annotate(came=Sum("received"), unread=Sum("unrecognised"))
        .filter(came__gte=ENOUGH_LINES, unread__gt=F("came") / 2)
    )
    found = {}
    for collector, device, came, unread in rows:
        ledger = Ledger()
        ledger.outcomes[Outcome.UNRECOGNISED], ledger.outcomes[Outcome.NOISE] = unread, came - unread
        ledger.received = came
        found[collector, device] = ledger
    return found


def _told(now: datetime) -> dict[Key, tuple[datetime, int, int]]:
    """What collectors themselves say of their devices' formats. Whether a device is silent is judged here (`rules`)."""
    rows = DeviceAlarm.objects.filter(collector__in=speaking(), kind__in=[kind.value for kind in FORMAT_KINDS])
    wanted = ("collector", "kind", "device", "product", "field", "since", "before", "now")
    return {
        Key(collector, kind, device, product, name): (min(since, now), before, share)
        for collector, kind, device, product, name, since, before, share in rows.order_by().values_list(*wanted)
    }
