"""What the portal shows of one member. Every function takes the member, and reads nothing beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from cyberalarm.central.findings.models import Finding, FindingQuerySet
from cyberalarm.central.ingest import refusals
from cyberalarm.central.ingest.models import Activity, DeviceAlarm, LedgerTotal, activity_of
from cyberalarm.central.members.models import Collector, Member, Site
from cyberalarm.central.portal.status import (
    Headline,
    Signs,
    Standing,
    State,
    Words,
    headline,
    is_unknown,
    standing_refusal,
    state_of,
    words_of,
)
from cyberalarm.central.releases import services as releases
from cyberalarm.central.reports.models import Report
from cyberalarm.core.alarm import alarm_words
from cyberalarm.core.outcome import OUTCOMES, Outcome
from cyberalarm.core.places import Scope

if TYPE_CHECKING:
    from datetime import datetime

# One page; older ones are in the reports.
_MOST_FINDINGS = 200


@dataclass(frozen=True, slots=True)
class DeviceLedger:
    """What became of the lines of one device, since the beginning."""

    device: str
    received: int
    counts: tuple[int, ...]
    dropped: int

    @property
    def is_unknown(self) -> bool:
        """Are most of its lines in no format that we know?"""
        return is_unknown(self.received, self.counts[OUTCOMES.index(Outcome.UNRECOGNISED)])


@dataclass(frozen=True, slots=True)
class AlarmView:
    """An alarm that stands at a collector, in words."""

    device: str
    title: str
    seen: str
    next_step: str
    since: datetime


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
    devices: tuple[DeviceLedger, ...]
    alarms: tuple[AlarmView, ...]


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
    findings_open: int


def member_view(member: Member) -> MemberView:
    """The state of a member, its sites and its collectors."""
    now = timezone.now()
    views = collector_views(member, now)
    sites = tuple(
        SiteView(site.pk, site.name, tuple(views[c.pk] for c in site.collectors.all()))
        for site in member.sites.prefetch_related("collectors")
    )
    standings = [
        Standing(
            collector.state,
            collector.words,
            changed=len({alarm.device for alarm in collector.alarms}),
            unknown=sum(device.is_unknown for device in collector.devices),
        )
        for site in sites
        for collector in site.collectors
    ]
    return MemberView(headline(member.status, len(sites), standings), sites, open_findings(member))


def collector_views(member: Member, now: datetime) -> dict[int, CollectorView]:
    """Every collector of a member, by its number, in the order of sites and names."""
    rows = Collector.objects.filter(site__member=member).select_related("site").order_by("site__name", "name")
    activity = activity_of(row.pk for row in rows)
    return {row.pk: _view(row, activity[row.pk], now) for row in rows}


def collector_view(collector: Collector, now: datetime) -> CollectorView:
    """One collector as pages show it."""
    return _view(collector, activity_of([collector.pk])[collector.pk], now)


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
    )


def _view(collector: Collector, activity: Activity, now: datetime) -> CollectorView:
    devices = device_ledgers(collector)
    received = sum(device.received for device in devices)
    kept = sum(device.counts[OUTCOMES.index(Outcome.KEPT)] for device in devices)
    signs = signs_of(collector, activity)
    state = state_of(signs, now)
    return CollectorView(
        reference=collector.reference,
        name=collector.name,
        site=collector.site.name,
        state=state,
        words=words_of(state, standing_refusal(signs, now)),
        received=received,
        kept=kept,
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
        alarms=alarms_of(collector),
    )


def alarms_of(collector: Collector) -> tuple[AlarmView, ...]:
    """The alarms that stand at a collector, oldest first; none of one that may no longer send."""
    if collector.status == Collector.Status.REVOKED:
        return ()
    rows = []
    for row in DeviceAlarm.objects.filter(collector=collector):
        words = alarm_words(row.alarm())
        rows.append(AlarmView(row.device, words.title, words.seen, words.next_step, row.since))
    return tuple(rows)


def device_ledgers(collector: Collector) -> tuple[DeviceLedger, ...]:
    """Per device: lines received, and how many ended in each outcome."""
    rows = []
    for total in LedgerTotal.objects.filter(collector=collector).order_by("device"):
        ledger = total.ledger()
        counts = tuple(ledger.outcomes[outcome] for outcome in OUTCOMES)
        rows.append(DeviceLedger(total.device, ledger.received, counts, ledger.dropped_by_kernel))
    return tuple(rows)


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
