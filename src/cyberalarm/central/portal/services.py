"""What the portal shows of one member. Every function takes the member, and reads nothing beyond it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Count, F, Min, Q
from django.utils import timezone

from cyberalarm.central.alarms.kinds import Kind
from cyberalarm.central.alarms.showing import AlarmView, standing_of
from cyberalarm.central.findings.models import Finding, FindingQuerySet
from cyberalarm.central.ingest import refusals
from cyberalarm.central.ingest.models import Activity, LedgerTotal, activity_of
from cyberalarm.central.ingest.services import MINIMUM_VERSION
from cyberalarm.central.members.models import Collector, Member, Site
from cyberalarm.central.members.naming import Names, names_of
from cyberalarm.central.portal.devices import DeviceView, devices_of, together
from cyberalarm.central.portal.status import (
    Headline,
    Signs,
    Standing,
    State,
    Words,
    headline,
    standing_refusal,
    state_of,
    words_of,
)
from cyberalarm.central.portal.steps import NOT_REACHED, Progress, Reached, Step, steps
from cyberalarm.central.releases import services as releases
from cyberalarm.central.reports.models import Report
from cyberalarm.core.outcome import Outcome
from cyberalarm.core.places import Scope
from cyberalarm.core.versions import older

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cyberalarm.core.outcome import Ledger

# One page; older ones are in the reports.
_MOST_FINDINGS = 200


@dataclass(frozen=True, slots=True)
class CollectorView:
    """One collector as the portal shows it."""

    reference: str
    name: str
    site: str
    state: State
    words: Words
    received: int
    kept: int
    last_seen: datetime | None
    newest_lines: datetime | None
    status_since: datetime | None
    enrolled: datetime | None
    key_since: datetime | None
    version: str
    platform: str
    packs: str
    token_expires: datetime | None
    devices: tuple[DeviceView, ...]
    alarms: tuple[AlarmView, ...]
    steps: tuple[Step, ...]

    @property
    def complete(self) -> bool:
        """Is every step done that its member can do something for?"""
        return all(step.done for step in self.steps[:5])


@dataclass(frozen=True, slots=True)
class SiteView:
    """One site with its collectors."""

    key: int
    name: str
    collectors: tuple[CollectorView, ...]


@dataclass(frozen=True, slots=True)
class MemberView:
    """All that the portal's front page says."""

    headline: Headline
    sites: tuple[SiteView, ...]
    alarms: tuple[AlarmView, ...]
    findings_open: int


def member_view(member: Member) -> MemberView:
    """The state of a member, its sites and its collectors."""
    now = timezone.now()
    views = collector_views(member, now)
    sites = tuple(
        SiteView(site.pk, site.name, tuple(views[c.pk] for c in site.collectors.all()))
        for site in member.sites.prefetch_related("collectors")
    )
    standings = [Standing(c.state, c.words, alarms=len(c.alarms)) for site in sites for c in site.collectors]
    alarms = tuple(standing_of(views, names_of(views)))
    return MemberView(headline(member.status, len(sites), standings), sites, alarms, open_findings(member))


def collector_views(member: Member, now: datetime, *, names: bool = True) -> dict[int, CollectorView]:
    """Every collector of a member, by its number, in the order of sites and names. `names`: with those of its devices."""
    rows = Collector.objects.filter(site__member=member).select_related("site").order_by("site__name", "name")
    return _views(rows, now, names=names)


def collector_view(collector: Collector, now: datetime, *, names: bool = True) -> CollectorView:
    """One collector as pages show it."""
    return _views([collector], now, names=names)[collector.pk]


def signs_of(collector: Collector, activity: Activity) -> Signs:
    """What is known of a collector, as its state is judged by."""
    return Signs(
        status=collector.status,
        token_expires=collector.token_expires,
        enrolled=collector.enrolled,
        seen=collector.last_seen,
        receipted=activity.envelope,
        lines=activity.lines,
        refusal=refusals.newest(collector),
        token=bool(collector.token_hash),
        asked=collector.asked,
        too_old=bool(collector.version) and older(collector.version, MINIMUM_VERSION),
    )


@dataclass(frozen=True, slots=True)
class _Firsts:
    """When the first lines of a collector came, the first that were recognised, the first that were suspicious."""

    line: Reached = NOT_REACHED
    recognised: Reached = NOT_REACHED
    kept: Reached = NOT_REACHED


def _views(rows: Iterable[Collector], now: datetime, *, names: bool) -> dict[int, CollectorView]:
    collectors = {row.pk: row for row in rows}
    activity = activity_of(collectors)
    known: Names = names_of(collectors) if names else {}
    devices = devices_of(collectors, known, now)
    firsts = _firsts(collectors)
    reports = _first_reports({row.site.member_id for row in collectors.values()})
    alarms: dict[str, list[AlarmView]] = {}
    for alarm in standing_of(collectors, known):
        alarms.setdefault(alarm.collector, []).append(alarm)
    return {
        pk: _view(
            row,
            activity[pk],
            devices[pk],
            tuple(alarms.get(row.reference, ())),
            _progress(row, activity[pk], firsts.get(pk, _Firsts()), reports.get(row.site.member_id)),
            now,
        )
        for pk, row in collectors.items()
    }


def _view(
    collector: Collector,
    activity: Activity,
    devices: tuple[DeviceView, ...],
    alarms: tuple[AlarmView, ...],
    progress: Progress,
    now: datetime,
) -> CollectorView:
    day = together(devices)
    signs = signs_of(collector, activity)
    state = state_of(_with_lines(signs, day, alarms), now)
    return CollectorView(
        reference=collector.reference,
        name=collector.name,
        site=collector.site.name,
        state=state,
        words=words_of(state, standing_refusal(signs, now)),
        received=day.received,
        kept=day.outcomes[Outcome.KEPT],
        last_seen=collector.last_seen,
        newest_lines=activity.lines,
        status_since=collector.status_since,
        enrolled=collector.enrolled,
        key_since=collector.key_since or collector.enrolled,
        version=collector.version,
        platform=collector.platform,
        packs=releases.in_use(collector.pack_release, collector.pack_refused),
        token_expires=collector.token_expires,
        devices=devices,
        alarms=alarms,
        steps=steps(progress),
    )


def _with_lines(signs: Signs, day: Ledger, alarms: Iterable[AlarmView]) -> Signs:
    """The signs with what became of the day's lines, and whether it is behind."""
    return replace(signs, day=day, behind=any(alarm.kind == Kind.BEHIND for alarm in alarms))


def _progress(collector: Collector, activity: Activity, firsts: _Firsts, report: datetime | None) -> Progress:
    return Progress(
        token=Reached(bool(collector.token_hash) or collector.enrolled is not None, collector.created),
        enrolled=Reached.when(collector.enrolled),
        status=Reached.when(collector.first_asked, also=activity.envelope is not None),
        line=firsts.line,
        recognised=firsts.recognised,
        suspicious=firsts.kept,
        # A report is the member's: it says something of this collector once lines of it can have been in one.
        report=Reached.when(report) if firsts.line.done else NOT_REACHED,
    )


def _firsts(collectors: Iterable[int]) -> dict[int, _Firsts]:
    """Of rows of before there is no time of the later steps, but their counts say that they were reached."""
    counted = Q(received__gt=0)
    known = Q(received__gt=F("unrecognised") + F("malformed") + F("overflow"))
    rows = (
        LedgerTotal.objects.filter(collector__in=list(collectors))
        .order_by()
        .values_list("collector")
        .annotate(
            line=Min("first_received", filter=counted),
            recognised_at=Min("first_recognised"),
            recognised=Count("pk", filter=known),
            kept_at=Min("first_kept"),
            kept_by=Count("pk", filter=Q(kept__gt=0)),
        )
    )
    return {
        pk: _Firsts(
            Reached.when(line),
            Reached.when(recognised_at, also=recognised > 0),
            Reached.when(kept_at, also=kept_by > 0),
        )
        for pk, line, recognised_at, recognised, kept_at, kept_by in rows
    }


def _first_reports(members: set[int]) -> dict[int, datetime]:
    rows = Report.objects.filter(member__in=members).order_by().values_list("member").annotate(first=Min("made"))
    return dict(rows)


def collector_of(member: Member, reference: str) -> Collector | None:
    """This member's collector of that name, or None."""
    return Collector.objects.filter(site__member=member, reference=reference).first()


@transaction.atomic
def add_site(member: Member, name: str) -> Site | None:
    """A new site, or None when the member has one of this name."""
    if Site.objects.filter(member=member, name__iexact=name).exists():
        return None
    return Site.objects.create(member=member, name=name)


def findings_of(member: Member) -> list[Finding]:
    """The member's findings, newest first."""
    return list(_findings(member).order_by("-last_seen", "-severity")[:_MOST_FINDINGS])


def open_findings(member: Member) -> int:
    return _findings(member).filter(status=Finding.Status.OPEN).count()


def _findings(member: Member) -> FindingQuerySet:
    return Finding.objects.all().within(Scope.of_member(member.pk)).filter(merged_into__isnull=True)


def reports_of(member: Member) -> list[Report]:
    """The member's own reports, newest first."""
    return list(Report.objects.filter(member=member).order_by("-period_end"))
