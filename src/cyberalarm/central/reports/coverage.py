"""How much of a member's network was in view during a period: which collectors sent, and the fate of their
lines.

An envelope belongs to the period in which its collector sealed it; one that was sealed more than an hour
after the period and holds events of it (late delivery, or old logs replayed) belongs to it as well. Its whole
ledger counts.

A day counts as covered by a collector when it sealed lines on that day, or when events that happened on that
day came from it whenever it sealed them. A day of late delivery on which nothing was suspicious cannot be told
from a day out of view, and counts as out of view.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Max

from cyberalarm.central.ingest.models import Envelope, LedgerTotal
from cyberalarm.central.ingest.totals import OTHER_DEVICES
from cyberalarm.central.members.models import Collector, Device, Member
from cyberalarm.central.members.naming import Names, label, names_of
from cyberalarm.central.reports.actions import UNRECOGNISED_LIMIT, not_understood
from cyberalarm.central.reports.figures import Bundle, CollectorFigure, Coverage, View
from cyberalarm.central.reports.period import LONDON
from cyberalarm.core.outcome import Ledger, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cyberalarm.central.reports.period import Period

# Longer than the time that a collector keeps a bundle open, shorter than a delivery that deserves to be
# called late.
_LATE = timedelta(hours=1)
# SQLite takes at most 32,766 values in one statement; this leaves room.
_AT_ONCE = 5_000


@dataclass(slots=True)
class _Sent:
    envelopes: int = 0
    devices: set[str] = field(default_factory=set)
    ledger: Ledger = field(default_factory=Ledger)
    sealed_days: set[date] = field(default_factory=set)
    event_days: set[date] = field(default_factory=set)

    def add(self, sealed: datetime, ledgers: dict[str, dict[str, int]]) -> None:
        self.envelopes += 1
        for device, counts in ledgers.items():
            ledger = Ledger.from_json(counts)
            self.ledger.merge(ledger)
            if ledger.received:
                self.devices.add(device)
                self.sealed_days.add(sealed.astimezone(LONDON).date())


def member_coverage(member: Member, period: Period, bundles: Sequence[Bundle]) -> Coverage:
    """What a member's collectors sent. `bundles` are those that hold events of the period."""
    collectors = list(
        Collector.objects.filter(site__member=member)
        .select_related("site")
        .order_by("site__name", "name", "id")
        .annotate(last_received=Max("envelopes__received"))
    )
    sent: dict[int, _Sent] = defaultdict(_Sent)
    for collector, sealed, ledgers in _ledgers([c.pk for c in collectors], period, bundles):
        sent[collector].add(sealed, ledgers)
    for bundle in bundles:
        sent[bundle.collector].event_days.update(bundle.days)
    known = _devices_before([c.pk for c in collectors], period)
    names = names_of([c.pk for c in collectors])
    figures = tuple(
        _figure(c, period, sent.get(c.pk, _Sent()), known.get(c.pk, frozenset()), names) for c in collectors
    )
    return coverage_of(figures)


def scope_ledger(members: list[int], period: Period, bundles: Sequence[Bundle]) -> tuple[Ledger, int]:
    """The lines that all these members' collectors received, and how many of the members sent anything."""
    owner = dict(Collector.objects.filter(site__member__in=members).values_list("id", "site__member"))
    whole = Ledger()
    reporting: set[int] = set()
    for collector, _, ledgers in _ledgers(list(owner), period, bundles):
        reporting.add(owner[collector])
        for counts in ledgers.values():
            whole.merge(Ledger.from_json(counts))
    return whole, len(reporting)


def coverage_of(figures: tuple[CollectorFigure, ...]) -> Coverage:
    """Judge what the collectors sent."""
    whole = Ledger()
    for figure in figures:
        whole.merge(figure.ledger)
    last = max((f.last_seen for f in figures if f.last_seen), default=None)
    draft = Coverage(View.COMPLETE, figures, last, whole)
    return Coverage(_view(draft), figures, last, whole)


def _view(draft: Coverage) -> View:
    if not draft.collectors:
        return View.NONE
    reported = [c for c in draft.collectors if c.reported]
    if not reported:
        return View.NEVER if draft.last_sent is None else View.SILENT
    lost = draft.ledger.outcomes[Outcome.OVERFLOW] + draft.ledger.dropped_by_kernel
    unseen = len(reported) < len(draft.collectors) or any(c.quiet_days or c.gone for c in reported)
    if unseen or lost or not_understood(draft) > UNRECOGNISED_LIMIT:
        return View.PARTIAL
    return View.COMPLETE


def _figure(collector: Collector, period: Period, sent: _Sent, known: frozenset[str], names: Names) -> CollectorFigure:
    last: datetime | None = collector.last_received  # type: ignore[attr-defined]
    covered = sent.sealed_days | sent.event_days
    return CollectorFigure(
        site=collector.site.name,
        name=collector.name,
        status=Collector.Status(collector.status).label,
        last_seen=last,
        envelopes=sent.envelopes,
        devices=len(sent.devices),
        ledger=sent.ledger,
        days=tuple(day for day in period.days if day in covered),
        quiet_days=tuple(day for day in period.days if day not in covered),
        late_days=sum(1 for day in period.days if day in sent.event_days - sent.sealed_days),
        gone=tuple(label(names, collector.pk, device) for device in sorted(known - sent.devices)),
    )


def _devices_before(collectors: list[int], period: Period) -> dict[int, frozenset[str]]:
    """The devices that each collector had before the period, that were not gone long before it, and that are not at rest."""
    rows = LedgerTotal.objects.filter(
        collector__in=collectors,
        received__gt=0,
        first_received__lt=period.start,
        last_received__gte=period.previous.start,
    ).exclude(device=OTHER_DEVICES)
    resting = set(
        Device.objects.filter(collector__in=collectors, rests_since__isnull=False).values_list(
            "collector_id", "reference"
        )
    )
    found: dict[int, set[str]] = defaultdict(set)
    for collector, device in rows.values_list("collector_id", "device"):
        if (collector, device) not in resting:
            found[collector].add(device)
    return {collector: frozenset(devices) for collector, devices in found.items()}


def _ledgers(
    collectors: list[int], period: Period, bundles: Iterable[Bundle]
) -> Iterator[tuple[int, datetime, dict[str, dict[str, int]]]]:
    """Collector, time of sealing and ledgers of every envelope that belongs to the period."""
    stored = Envelope.objects.filter(collector__in=collectors, state=Envelope.State.STORED)
    wanted = ("collector_id", "sealed", "ledgers")
    yield from stored.filter(sealed__gte=period.start, sealed__lt=period.end).values_list(*wanted).iterator()
    late = stored.filter(sealed__gte=period.end + _LATE)
    by_collector: dict[int, list[int]] = defaultdict(list)
    for bundle in bundles:
        by_collector[bundle.collector].append(bundle.sequence)
    for collector, sequences in by_collector.items():
        for start in range(0, len(sequences), _AT_ONCE):
            some = late.filter(collector=collector, sequence__in=sequences[start : start + _AT_ONCE])
            yield from some.values_list(*wanted).iterator()
