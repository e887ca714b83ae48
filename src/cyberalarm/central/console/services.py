"""What the console shows of a scope. Every function takes the scope, and nothing reads beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from cyberalarm.central.accounts.services import may_decide_sign_up
from cyberalarm.central.audit.models import Action
from cyberalarm.central.audit.services import record
from cyberalarm.central.console.errors import DecisionRefusedError
from cyberalarm.central.findings.models import Finding, FindingQuerySet
from cyberalarm.central.ingest.models import activity_of
from cyberalarm.central.members.models import Collector, Member
from cyberalarm.central.portal.services import signs_of
from cyberalarm.central.portal.status import QUIET_AFTER, standing_refusal
from cyberalarm.central.reports.models import Report
from cyberalarm.core.places import Level, Scope, forces, regions
from cyberalarm.core.ports import port_name

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from cyberalarm.central.accounts.models import User
    from cyberalarm.central.events.rows import Row
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.ingest.refusals import Refusal

PERIODS: tuple[int, ...] = (7, 28)
_TOP = 10
_MOST_FINDINGS = 20
_MOST_TROUBLED = 20
# Most of those whose newest note is a refusal are refused still; the rest were receipted since.
_MOST_LOOKED_AT = 500


@dataclass(frozen=True, slots=True)
class DayCount:
    """Suspicious events of one day, and how many of them were let in."""

    day: date
    total: int
    allowed: int


@dataclass(frozen=True, slots=True)
class PortCount:
    """`number` is as people read it; protocols without ports have none."""

    name: str
    number: str
    total: int
    allowed: int
    sources: int
    members: int


@dataclass(frozen=True, slots=True)
class SourceCount:
    address: str
    total: int
    allowed: int
    ports: int
    members: int
    last: datetime
    may_be_forged: bool


@dataclass(frozen=True, slots=True)
class ForceCount:
    code: str
    name: str
    total: int
    members: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The figures of one scope over one period."""

    title: str
    days: tuple[DayCount, ...]
    total: int
    before: int
    allowed: int
    sources: int
    ports: tuple[PortCount, ...]
    top_sources: tuple[SourceCount, ...]
    forces: tuple[ForceCount, ...]


def overview(store: EventStore, scope: Scope, days: int) -> Overview:
    """Figures of the last `days` whole UK days, today included."""
    end = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    start = end - timedelta(days=days)
    sums = store.query("sums", scope, start=start, end=end)[0]
    before = store.query("sums", scope, start=start - timedelta(days=days), end=start)[0]
    return Overview(
        title=scope.name,
        days=_days(store, scope, start, end),
        total=sums.number("total"),
        before=before.number("total"),
        allowed=sums.number("allowed"),
        sources=sums.number("sources"),
        ports=_ports(store, scope, start, end),
        top_sources=_sources(store, scope, start, end),
        forces=_forces(store, scope, start, end) if scope.level in (Level.REGION, Level.NATIONAL) else (),
    )


def _days(store: EventStore, scope: Scope, start: datetime, end: datetime) -> tuple[DayCount, ...]:
    """One entry for every day, also for days on which nothing was seen."""
    rows = store.query("totals_by_day", scope, start=start, end=end)
    seen = {row.day("day"): DayCount(row.day("day"), row.number("total"), row.number("allowed")) for row in rows}
    first, last = timezone.localtime(start).date(), timezone.localtime(end).date()
    every = [first + timedelta(days=at) for at in range((last - first).days)]
    return tuple(seen.get(day, DayCount(day, 0, 0)) for day in every)


def _ports(store: EventStore, scope: Scope, start: datetime, end: datetime) -> tuple[PortCount, ...]:
    return tuple(
        PortCount(
            name=port_name(_port(row), row.number("protocol")),
            number="–" if _port(row) is None else str(_port(row)),
            total=row.number("total"),
            allowed=row.number("allowed"),
            sources=row.number("sources"),
            members=row.number("members"),
        )
        for row in store.query("network_ports", scope, start=start, end=end, least_members=1, limit=_TOP)
    )


def _port(row: Row) -> int | None:
    port = row["dst_port"]
    return port if isinstance(port, int) else None


def _sources(store: EventStore, scope: Scope, start: datetime, end: datetime) -> tuple[SourceCount, ...]:
    return tuple(
        SourceCount(
            address=row.text("src_ip"),
            total=row.number("total"),
            allowed=row.number("allowed"),
            ports=row.number("ports"),
            members=row.number("members"),
            last=row.time("last_seen"),
            may_be_forged=row.number("established") == 0,
        )
        for row in store.query("top_sources", scope, start=start, end=end, least_members=1, widest_first=1, limit=_TOP)
    )


def _forces(store: EventStore, scope: Scope, start: datetime, end: datetime) -> tuple[ForceCount, ...]:
    rows = store.query("totals_by_force", scope, start=start, end=end)
    counted = [
        ForceCount(row.text("force"), forces()[row.text("force")].name, row.number("total"), row.number("members"))
        for row in rows
    ]
    return tuple(sorted(counted, key=lambda force: (-force.total, force.name)))


def why_nothing(scope: Scope) -> str:
    """What is missing where a scope has nothing to show: members, collectors, or lines."""
    members = members_in(scope).filter(status=Member.Status.APPROVED)
    if not members.exists():
        return "No organisation of this scope is an approved member."
    rows = Collector.objects.filter(site__member__in=members)
    enrolled = rows.filter(status=Collector.Status.ENROLLED)
    if not rows.exists():
        return f"{members.count():,} members are approved, and none has provisioned a collector."
    if not enrolled.exists():
        return f"{rows.count():,} collectors are provisioned, and none is enrolled and allowed to send."
    heard = enrolled.filter(chain__received__isnull=False).count()
    if not heard:
        return f"{enrolled.count():,} collectors are enrolled, and none has sent a bundle: the list of collectors says why."
    sent = f"{heard:,} of {enrolled.count():,} enrolled collectors have sent bundles"
    return f"{sent}; nothing suspicious of this period was in them."


def members_in(scope: Scope) -> QuerySet[Member]:
    """The members that a police scope covers."""
    match scope.level:
        case Level.NATIONAL:
            return Member.objects.all()
        case Level.REGION:
            return Member.objects.filter(force__in=[force.code for force in regions()[scope.code].forces])
        case Level.FORCE:
            return Member.objects.filter(force=scope.code)
        case Level.MEMBER:
            raise ValueError("the console shows police scopes")


def findings_in(scope: Scope, *, most: int = _MOST_FINDINGS) -> list[Finding]:
    """Findings that nobody has closed, worst and newest first."""
    return list(all_findings_in(scope).open().order_by("-severity", "-last_seen")[:most])


def all_findings_in(scope: Scope) -> FindingQuerySet:
    """Findings of any status, newest first."""
    rows = Finding.objects.all().within(scope).filter(merged_into__isnull=True).select_related("member")
    return rows.order_by("-last_seen", "-pk")


@dataclass(frozen=True, slots=True)
class Troubled:
    """A collector whose bundles are refused, and whose it is."""

    member: Member
    name: str
    reference: str
    refusal: Refusal


def troubled_in(scope: Scope) -> list[Troubled]:
    """Collectors that reach us and are refused, longest refused first."""
    now = timezone.now()
    rows = Collector.objects.filter(
        site__member__in=members_in(scope).filter(status=Member.Status.APPROVED),
        status=Collector.Status.ENROLLED,
        refused_at__gte=now - QUIET_AFTER,
    )
    chosen = list(rows.select_related("site__member").order_by("refused_since")[:_MOST_LOOKED_AT])
    activity = activity_of(row.pk for row in chosen)
    found = []
    for row in chosen:
        refusal = standing_refusal(signs_of(row, activity[row.pk]), now)
        if refusal:
            found.append(Troubled(row.site.member, row.name, row.reference, refusal))
    return found[:_MOST_TROUBLED]


def reports_of(member: Member) -> list[Report]:
    return list(Report.objects.filter(member=member).order_by("-period_end"))


def reports_in(scope: Scope) -> list[Report]:
    """Trend reports of exactly this scope."""
    rows = Report.objects.filter(member__isnull=True, scope_level=str(scope.level), scope_code=scope.code)
    return list(rows.order_by("-period_end")[:_TOP])


def pending_in(scope: Scope) -> QuerySet[Member]:
    return members_in(scope).filter(status=Member.Status.PENDING).order_by("created")


def decide(user: User, member: Member, *, approve: bool) -> Member:
    """Approve or decline a waiting member, and record who did it.

    Raises DecisionRefusedError when the person may not, or when somebody has decided already.
    """
    if not may_decide_sign_up(user, member):
        raise DecisionRefusedError(
            "Only a Cyber Protect officer of the member's force decides.",
            next_step="Ask the force's officer.",
        )
    with transaction.atomic():
        fresh = Member.objects.select_for_update().get(pk=member.pk)
        if fresh.status != Member.Status.PENDING:
            raise DecisionRefusedError("Somebody has decided this already.", next_step="Load the page again.")
        fresh.status = Member.Status.APPROVED if approve else Member.Status.DECLINED
        fresh.approved = timezone.now() if approve else None
        fresh.decided_by = user.email
        fresh.save(update_fields=["status", "approved", "decided_by"])
        record(user, Action.APPROVED if approve else Action.DECLINED, f"member:{fresh.reference}")
    return fresh
