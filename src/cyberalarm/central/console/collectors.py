"""Collectors in trouble, in a scope: which, since when, how many, and which versions are in use.

Every function takes the scope, and nothing reads beyond it. Devices appear by their references: what members call them is not for
a list over many members (`accounts.services.may_read_device_names`).
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, Q

from cyberalarm.central.alarms.kinds import ORDER, Kind
from cyberalarm.central.alarms.models import Alarm, AlarmQuerySet
from cyberalarm.central.alarms.rules import SILENT_AFTER
from cyberalarm.central.alarms.words import words_of
from cyberalarm.central.members.models import Collector, Member
from cyberalarm.core.places import Level, Scope, forces, regions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.db.models import QuerySet

MOST_IN_CSV = 10_000
_MOST_VERSIONS = 10
_HEADS = (
    "since", "noticed", "force", "member", "member reference", "site", "collector", "collector reference", "alarm", "device",
    "product", "field", "in words", "last heard from", "version",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """What a person has chosen; empty is everything. A place outside the scope shows nothing."""

    kind: str = ""
    force: str = ""
    region: str = ""

    @classmethod
    def read(cls, asked: dict[str, str]) -> Filter:
        """What is not known is not chosen."""
        return cls(
            asked.get("kind", "") if asked.get("kind", "") in Kind.values else "",
            asked.get("force", "") if asked.get("force", "") in forces() else "",
            asked.get("region", "") if asked.get("region", "") in regions() else "",
        )

    @property
    def places(self) -> list[Scope]:
        chosen = [Scope.of_force(self.force)] if self.force else []
        return [*chosen, Scope.of_region(self.region)] if self.region else chosen

    @property
    def query(self) -> str:
        """As part of a link. All values are from fixed lists."""
        said = {"kind": self.kind, "force": self.force, "region": self.region}
        return "&".join(f"{name}={value}" for name, value in said.items() if value)


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many collectors there are, and of how many of them something is to be said."""

    enrolled: int
    heard: int
    waiting: int
    stopped: int
    troubled: int


@dataclass(frozen=True, slots=True)
class Counted:
    value: str
    name: str
    count: int


def alarms_in(scope: Scope, chosen: Filter) -> AlarmQuerySet:
    """What stands in a scope, what has stood longest first."""
    rows = Alarm.objects.all().within(scope).standing().filter(collector__status=Collector.Status.ENROLLED)
    for place in chosen.places:
        rows = rows.within(place)
    if chosen.kind:
        rows = rows.filter(kind=chosen.kind)
    return rows.select_related("collector__site__member").order_by("began", "pk")


def numbers_in(scope: Scope, chosen: Filter, now: datetime) -> Numbers:
    rows = _collectors_in(scope, chosen)
    counts = rows.aggregate(
        enrolled=Count("pk", filter=Q(status=Collector.Status.ENROLLED)),
        heard=Count("pk", filter=Q(status=Collector.Status.ENROLLED, last_seen__gt=now - SILENT_AFTER)),
        waiting=Count("pk", filter=Q(status=Collector.Status.PROVISIONED)),
        stopped=Count("pk", filter=Q(status=Collector.Status.STOPPED)),
    )
    troubled = alarms_in(scope, chosen).order_by().values("collector").distinct().count()
    return Numbers(troubled=troubled, **counts)


def kinds_in(scope: Scope, chosen: Filter) -> list[Counted]:
    """How many alarms of each kind stand, worst first, whichever kind is chosen."""
    rows = (
        alarms_in(scope, Filter("", chosen.force, chosen.region))
        .order_by()
        .values_list("kind")
        .annotate(count=Count("pk"))
    )
    found = [Counted(kind, str(Kind(kind).label), count) for kind, count in rows]
    return sorted(found, key=lambda one: ORDER[one.value])


def forces_in(scope: Scope, chosen: Filter) -> list[Counted]:
    """How many collectors are in trouble in each force of a region or the nation, most first."""
    if scope.level not in (Level.REGION, Level.NATIONAL):
        return []
    rows = (
        alarms_in(scope, Filter(chosen.kind, "", chosen.region))
        .order_by()
        .values_list("collector__site__member__force")
        .annotate(count=Count("collector", distinct=True))
    )
    found = [Counted(code, forces()[code].name if code in forces() else code, count) for code, count in rows]
    return sorted(found, key=lambda one: (-one.count, one.name))


def regions_of(scope: Scope) -> list[tuple[str, str]]:
    """The regions to choose from, for those who see more than one."""
    return [(code, region.name) for code, region in regions().items()] if scope.level is Level.NATIONAL else []


def versions_in(scope: Scope, chosen: Filter) -> list[tuple[str, int]]:
    """The versions that enrolled collectors use, most used first."""
    rows = _collectors_in(scope, chosen).filter(status=Collector.Status.ENROLLED)
    counted = rows.order_by().values_list("version").annotate(count=Count("pk")).order_by("-count", "version")
    return [(version or "not told", count) for version, count in counted[:_MOST_VERSIONS]]


def _collectors_in(scope: Scope, chosen: Filter) -> QuerySet[Collector]:
    rows = Collector.objects.filter(site__member__status=Member.Status.APPROVED)
    for place in (scope, *chosen.places):
        match place.level:
            case Level.REGION:
                rows = rows.filter(site__member__force__in=[force.code for force in regions()[place.code].forces])
            case Level.FORCE:
                rows = rows.filter(site__member__force=place.code)
            case Level.MEMBER:
                raise ValueError("the console shows police scopes")
    return rows


def as_csv(alarms: Iterable[Alarm]) -> str:
    """The list as a table for a spreadsheet. Times are ISO 8601."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(_HEADS)
    for alarm in alarms:
        collector, member = alarm.collector, alarm.collector.site.member
        row = (
            _time(alarm.began), _time(alarm.noticed), member.force_name, member.name, member.reference, collector.site.name,
            collector.name, collector.reference, alarm.get_kind_display(), alarm.device, alarm.product, alarm.field,
            words_of(alarm).seen, _time(collector.last_seen), collector.version,
        )  # fmt: skip
        table.writerow([_harmless(cell) for cell in row])
    return out.getvalue()


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""


def _harmless(cell: str) -> str:
    """A spreadsheet takes what begins so for a formula; members and devices choose such names themselves."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
