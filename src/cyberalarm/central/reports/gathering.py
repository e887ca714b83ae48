"""Gathers a whole report's figures: from the event store, the ledgers, the findings and the trends.

Every question is asked within the report's own scope; the one wider question, what the network saw, is asked
for the edition that members may read, which leaves out whatever rests on too few members.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.central.events.spans import Span
from cyberalarm.central.findings.models import Finding
from cyberalarm.central.findings.rules_folder import rules
from cyberalarm.central.members.models import Collector, Member
from cyberalarm.central.members.naming import names_of_member, with_names
from cyberalarm.central.reports.counting import Counting
from cyberalarm.central.reports.coverage import member_coverage, scope_ledger
from cyberalarm.central.reports.figures import (
    SEVERAL,
    FindingCount,
    FindingFigure,
    ForceFigure,
    MemberReport,
    NetworkItem,
    PortKey,
    TrendReport,
)
from cyberalarm.central.trends.services import network_trend, rising_ports
from cyberalarm.core.places import Level, Scope, forces, regions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cyberalarm.central.config import CentralConfig
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.findings.models import FindingQuerySet
    from cyberalarm.central.reports.period import Period
    from cyberalarm.central.reports.places import Places
    from cyberalarm.central.trends.figures import RisingPort

# What a member's report says of the network is one short table.
_NETWORK_ROWS = 5
# Rows of the trend report's lists.
_TREND_ROWS = 200


@dataclass(frozen=True, slots=True)
class Centre:
    """What reports need of the centre they are made in."""

    config: CentralConfig
    store: EventStore
    places: Places


def gather_member(
    centre: Centre,
    member: Member,
    period: Period,
    *,
    reference: str,
    made: datetime,
    network: tuple[NetworkItem, ...],
) -> MemberReport:
    """A member's figures. `network` comes from `gather_network`, once for all members of a period."""
    scope = Scope.of_member(member.pk)
    now = Counting(centre.store, scope, period)
    before = Counting(centre.store, scope, period.previous)
    previous = before.totals()
    coverage = member_coverage(member, period, now.bundles())
    seen_before = previous.tries.total > 0 or member_coverage(member, period.previous, ()).ledger.received > 0
    return MemberReport(
        reference=reference,
        service=centre.config.service_name,
        contact=centre.config.contact,
        member=member.name,
        kind=Member.Kind(member.kind).label,
        force=member.force_name,
        period=period,
        made=made,
        coverage=coverage,
        totals=now.totals(),
        previous=previous,
        previous_seen=seen_before,
        days=now.days(),
        origins=now.origins(centre.places),
        sources=now.sources(centre.places),
        ports=now.ports(),
        targets=now.targets(),
        let_in=now.let_in(),
        kinds=now.kinds(),
        detections=now.detections(),
        threats=now.threats(),
        findings=_findings(scope, period),
        network=network,
        minimum_members=centre.config.trend_minimum_members,
        places_known=centre.places.knows_countries,
    )


def gather_network(centre: Centre, period: Period) -> tuple[NetworkItem, ...]:
    """What members may be told of the whole network."""
    trend = network_trend(
        centre.store,
        Scope.national(),
        Span(period.start, period.end),
        minimum_members=centre.config.trend_minimum_members,
        rows=_NETWORK_ROWS,
    )
    ports = (NetworkItem("port", p.members, p.capped, key=PortKey(p.port, p.protocol)) for p in trend.ports)
    return (
        *_rising(trend.rising[:_NETWORK_ROWS]),
        *ports,
        *(NetworkItem("cve", c.members, c.capped, name=c.name) for c in trend.cves),
        *(NetworkItem("threat", t.members, t.capped, name=t.name) for t in trend.threats),
    )


def gather_trend(centre: Centre, scope: Scope, period: Period, *, reference: str, made: datetime) -> TrendReport:
    """The figures of a force's, a region's or the national trend report."""
    now = Counting(centre.store, scope, period)
    members = _members(scope)
    approved = [m for m in members if m.status == Member.Status.APPROVED]
    with_collector = set(
        Collector.objects.filter(site__member__in=[m.pk for m in approved]).values_list("site__member", flat=True)
    )
    ledger, reporting = scope_ledger([m.pk for m in members], period, now.bundles())
    rising = rising_ports(centre.store, scope, Span(period.start, period.end))
    return TrendReport(
        reference=reference,
        service=centre.config.service_name,
        contact=centre.config.contact,
        scope=scope,
        period=period,
        made=made,
        members_approved=len(approved),
        members_with_collector=len(with_collector),
        members_reporting=reporting,
        ledger=ledger,
        totals=now.totals(),
        previous=Counting(centre.store, scope, period.previous).totals(),
        days=now.days(),
        origins=now.origins(centre.places),
        sources=now.sources(centre.places, widest_first=True, limit=_TREND_ROWS),
        shared_sources=now.shared_sources(SEVERAL),
        ports=now.ports(_TREND_ROWS, widest_first=True),
        kinds=now.kinds(),
        detections=now.detections(_TREND_ROWS, widest_first=True),
        forces=tuple(
            ForceFigure(code, forces()[code].name if code in forces() else code, seen, tries, sources)
            for code, seen, tries, sources in now.forces()
        ),
        findings=_finding_counts(scope, period),
        rising=tuple(_rising(rising)),
        minimum_members=centre.config.trend_minimum_members,
        places_known=centre.places.knows_countries,
    )


def _rising(found: Iterable[RisingPort]) -> Iterable[NetworkItem]:
    """Each port once, on its newest day."""
    seen: set[PortKey] = set()
    for port in found:
        key = PortKey(port.port, port.protocol)
        if key not in seen:
            seen.add(key)
            yield NetworkItem(
                "rising", port.members, port.total, key=key, usual=port.rise.usual, sources=port.rise.sources
            )


def _members(scope: Scope) -> list[Member]:
    match scope.level:
        case Level.MEMBER:
            raise ValueError("a trend report is about a force, a region or the nation")
        case Level.FORCE:
            return list(Member.objects.filter(force=scope.code))
        case Level.REGION:
            return list(Member.objects.filter(force__in=[f.code for f in regions()[scope.code].forces]))
        case Level.NATIONAL:
            return list(Member.objects.all())


def _touching(scope: Scope, period: Period) -> FindingQuerySet:
    """The scope's findings whose activity touches the period."""
    within = Finding.objects.all().within(scope)
    return within.filter(merged_into__isnull=True, first_seen__lt=period.end, last_seen__gte=period.start)


def _findings(scope: Scope, period: Period) -> tuple[FindingFigure, ...]:
    rows = _touching(scope, period)
    names = names_of_member(scope.member) if scope.member is not None else {}
    return tuple(
        FindingFigure(
            rule=f.rule,
            title=f.title,
            severity=f.severity,
            what=with_names(f.what, names),
            advice=tuple(with_names(step, names) for step in f.advice),
            first=f.first_seen,
            last=f.last_seen,
            count=f.count,
            category=f.category,
            allowed=f.facts.allowed,
        )
        for f in rows.order_by("-severity", "-count", "id")
    )


def _finding_counts(scope: Scope, period: Period) -> tuple[FindingCount, ...]:
    rows = _touching(scope, period)
    severity: dict[str, int] = defaultdict(int)
    findings: dict[str, int] = defaultdict(int)
    members: dict[str, set[int]] = defaultdict(set)
    for rule, level, member in rows.values_list("rule", "severity", "member_id"):
        severity[rule] = max(severity[rule], level)
        findings[rule] += 1
        if member is not None:
            members[rule].add(member)
    return tuple(
        FindingCount(rule, _rule_words(rule), severity[rule], findings[rule], len(members[rule]))
        for rule in sorted(findings, key=lambda r: (-severity[r], -findings[r], r))
    )


def _rule_words(rule: str) -> str:
    """What a rule says to police in one sentence, where it is still part of the program."""
    known = rules().get(rule)
    return known.summary if known else f"Found by the rule {rule}."
