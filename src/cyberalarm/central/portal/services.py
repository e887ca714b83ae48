"""What the portal shows of one member. Every function takes the member, and reads nothing beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from cyberalarm.central.findings.models import Finding, FindingQuerySet
from cyberalarm.central.ingest.models import LedgerTotal
from cyberalarm.central.members.models import Collector, Member, Site
from cyberalarm.central.portal.status import WORDS, Headline, State, Words, headline, state_of
from cyberalarm.central.reports.models import Report
from cyberalarm.core.outcome import OUTCOMES, Outcome
from cyberalarm.core.places import Scope

if TYPE_CHECKING:
    from datetime import datetime

# One page; older ones are in the reports.
_MOST_FINDINGS = 200

# Each outcome's name and meaning, for people.
OUTCOME_WORDS: dict[Outcome, tuple[str, str]] = {
    Outcome.KEPT: ("Suspicious", "Its metadata was kept and sent"),
    Outcome.ROUTINE: ("Routine", "Allowed, and nothing suspicious about it"),
    Outcome.INTERNAL: ("Internal", "Between your own machines"),
    Outcome.OUTBOUND: ("Outbound", "From you to the Internet, and nothing was detected"),
    Outcome.TRUSTED: ("Trusted", "From a source that you trust"),
    Outcome.NOISE: ("Not about traffic", "The device talks about itself"),
    Outcome.UNRECOGNISED: ("Not recognised", "We do not know this format yet; tell us which device it is"),
    Outcome.MALFORMED: ("Damaged", "Cut off, or with an impossible value"),
    Outcome.OVERFLOW: ("Not looked at", "Over-long, or the collector was out of room"),
}


@dataclass(frozen=True, slots=True)
class DeviceLedger:
    """What became of the lines of one device, since the beginning."""

    device: str
    received: int
    counts: tuple[int, ...]
    dropped: int


@dataclass(frozen=True, slots=True)
class CollectorView:
    """One collector as the portal shows it."""

    reference: str
    name: str
    state: State
    words: Words
    received: int
    kept: int
    last_seen: datetime | None
    enrolled: datetime | None
    version: str
    platform: str
    token_expires: datetime | None
    devices: tuple[DeviceLedger, ...]


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
    sites = tuple(
        SiteView(site.pk, site.name, tuple(collector_view(c, now) for c in site.collectors.all()))
        for site in member.sites.prefetch_related("collectors")
    )
    states = [collector.state for site in sites for collector in site.collectors]
    return MemberView(headline(member.status, len(sites), states), sites, open_findings(member))


def collector_view(collector: Collector, now: datetime) -> CollectorView:
    devices = device_ledgers(collector)
    received = sum(device.received for device in devices)
    kept = sum(device.counts[OUTCOMES.index(Outcome.KEPT)] for device in devices)
    state = state_of(collector.status, collector.token_expires, received, collector.last_seen, now)
    return CollectorView(
        reference=collector.reference,
        name=collector.name,
        state=state,
        words=WORDS[state],
        received=received,
        kept=kept,
        last_seen=collector.last_seen if received else None,
        enrolled=collector.enrolled,
        version=collector.version,
        platform=collector.platform,
        token_expires=collector.token_expires,
        devices=devices,
    )


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
