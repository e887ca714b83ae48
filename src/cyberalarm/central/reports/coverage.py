"""How much of a member's network was in view during a period: which collectors sent, and the fate of their
lines.

An envelope belongs to the period in which its collector sealed it; one that was sealed more than an hour
after the period and holds events of it (late delivery, or old logs replayed) belongs to it as well. Its whole
ledger counts.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Max

from cyberalarm.central.ingest.models import Envelope
from cyberalarm.central.members.models import Collector, Member
from cyberalarm.central.reports.actions import UNRECOGNISED_LIMIT, not_understood
from cyberalarm.central.reports.figures import CollectorFigure, Coverage, View
from cyberalarm.core.outcome import Ledger, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


def member_coverage(member: Member, period: Period, bundles: Iterable[tuple[int, int]]) -> Coverage:
    """What a member's collectors sent.

    `bundles` names, as collector and sequence, those that hold events of the period.
    """
    collectors = list(
        Collector.objects.filter(site__member=member)
        .select_related("site")
        .order_by("site__name", "name", "id")
        .annotate(last_received=Max("envelopes__received"))
    )
    sent: dict[int, _Sent] = defaultdict(_Sent)
    for collector, ledgers in _ledgers([c.pk for c in collectors], period, bundles):
        entry = sent[collector]
        entry.envelopes += 1
        for device, counts in ledgers.items():
            entry.devices.add(device)
            entry.ledger.merge(Ledger.from_json(counts))
    figures = tuple(_figure(c, sent.get(c.pk, _Sent())) for c in collectors)
    return coverage_of(figures)


def scope_ledger(members: list[int], period: Period, bundles: Iterable[tuple[int, int]]) -> tuple[Ledger, int]:
    """The lines that all these members' collectors received, and how many of the members sent anything."""
    owner = dict(Collector.objects.filter(site__member__in=members).values_list("id", "site__member"))
    whole = Ledger()
    reporting: set[int] = set()
    for collector, ledgers in _ledgers(list(owner), period, bundles):
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
    if len(reported) < len(draft.collectors) or lost or not_understood(draft) > UNRECOGNISED_LIMIT:
        return View.PARTIAL
    return View.COMPLETE


def _figure(collector: Collector, sent: _Sent) -> CollectorFigure:
    last: datetime | None = collector.last_received  # type: ignore[attr-defined]
    return CollectorFigure(
        site=collector.site.name,
        name=collector.name,
        status=Collector.Status(collector.status).label,
        last_seen=last,
        envelopes=sent.envelopes,
        devices=len(sent.devices),
        ledger=sent.ledger,
    )


def _ledgers(
    collectors: list[int], period: Period, bundles: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, dict[str, dict[str, int]]]]:
    stored = Envelope.objects.filter(collector__in=collectors, state=Envelope.State.STORED)
    yield from (
        stored.filter(sealed__gte=period.start, sealed__lt=period.end).values_list("collector_id", "ledgers").iterator()
    )
    late = stored.filter(sealed__gte=period.end + _LATE)
    by_collector: dict[int, list[int]] = defaultdict(list)
    for collector, sequence in bundles:
        by_collector[collector].append(sequence)
    for collector, sequences in by_collector.items():
        for start in range(0, len(sequences), _AT_ONCE):
            some = late.filter(collector=collector, sequence__in=sequences[start : start + _AT_ONCE])
            yield from some.values_list("collector_id", "ledgers").iterator()
