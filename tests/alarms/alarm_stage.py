"""Members, collectors and devices as the centre knows them, at a chosen moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cyberalarm.central.alarms import services
from cyberalarm.central.alarms.models import Alarm
from cyberalarm.central.enrolment.models import Chain
from cyberalarm.central.ingest.models import LedgerTotal
from cyberalarm.central.members.models import Collector, Member, Site

NOW = datetime(2026, 11, 18, 11, 5, tzinfo=UTC)  # a Wednesday in November: London's clock is UTC
MINUTE, HOUR, DAY, SECOND = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
LONG_UP = NOW - 90 * DAY


def new_site(name: str = "Hill Street School", force: str = "essex") -> Site:
    member = Member.objects.create(
        name=name, kind=Member.Kind.SCHOOL, force=force, status=Member.Status.APPROVED, approved=NOW
    )
    return Site.objects.create(member=member, name="Main building")


def new_collector(site: Site | None = None, at: datetime = NOW, **values: object) -> Collector:
    """One that works: enrolled long ago, heard of just now, on time, with room."""
    usual: dict[str, object] = {
        "name": "Cellar", "status": Collector.Status.ENROLLED, "enrolled": at - 60 * DAY, "last_seen": at, "asked": at,
        "first_asked": at - 60 * DAY, "clock_offset": 0, "clock_at": at, "load_at": at, "waiting": 0,
        "oldest_waiting": 0, "spool_percent": 1, "disk_free": 9_000, "version": "0.1.0",
    }  # fmt: skip
    made = Collector.objects.create(site=site or new_site(), **{**usual, **values})
    Chain.objects.create(collector=made, sequence=1, sealed=at, received=at)
    return made


def new_device(collector: Collector, name: str = "d-one", **values: object) -> LedgerTotal:
    usual: dict[str, object] = {
        "first_received": NOW - 60 * DAY, "last_received": NOW, "last_lines": NOW, "received": 10_000, "routine": 10_000,
    }  # fmt: skip
    return LedgerTotal.objects.create(collector=collector, device=name, **{**usual, **values})


def alive(collector: Collector, at: datetime) -> None:
    """It asks for its status and sends, at this moment."""
    Collector.objects.filter(pk=collector.pk).update(last_seen=at, asked=at, clock_at=at, load_at=at)
    Chain.objects.filter(collector=collector).update(sealed=at, received=at)


def standing() -> list[tuple[str, str]]:
    return [(alarm.kind, alarm.device) for alarm in Alarm.objects.standing()]


def look(at: datetime = NOW, up: datetime = LONG_UP) -> services.Changes:
    return services.evaluate(at, up)
