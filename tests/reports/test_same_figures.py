"""The console, a trend and a report answer the same question with the same number, on the same rows."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from cyberalarm.central.console.services import overview
from cyberalarm.central.events.spans import Span
from cyberalarm.central.reports.counting import Counting
from cyberalarm.central.reports.models import Form
from cyberalarm.central.reports.period import Period
from cyberalarm.central.reports.places import Places
from cyberalarm.central.reports.services import make_trend_report
from cyberalarm.central.trends.services import network_trend
from cyberalarm.core.places import Scope
from tests.reports.generated_rows import Row, rows_of, send
from tests.reports.test_report_counts import csv_rows, html_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.members.models import Collector

MORE = 5_000  # longer than any list


def three_members(store: EventStore, period: Period, make_collector: Callable[..., Collector]) -> None:
    """Three members of two forces, who saw many of the same addresses."""
    for seed, force in ((31, "kent"), (32, "kent"), (33, "durham")):
        send(store, make_collector(f"Member {seed}", force), rows_of(seed, period, 300))


def test_figures_are_the_same_everywhere(store: EventStore, make_collector: Callable[..., Collector]) -> None:
    # The console shows the days up to today.
    period = Period.ending(timezone.localtime().date())
    three_members(store, period, make_collector)
    scope = Scope.of_force("kent")
    report = Counting(store, scope, period)
    trend = network_trend(store, scope, Span(period.start, period.end), rows=MORE)
    console = overview(store, scope, period.length)
    totals = report.totals()
    assert trend.totals
    assert totals.tries.total == trend.totals.total == console.total > 0
    assert totals.tries.allowed == trend.totals.allowed == console.allowed
    assert totals.sources == trend.totals.sources == console.sources > 2
    assert (totals.targets, totals.ports) == (trend.totals.targets, trend.totals.ports)

    days = {d.day: d.tries.total for d in report.days() if d.tries.total}
    assert days == {d.day: d.total for d in trend.days} == {d.day: d.total for d in console.days if d.total}
    ports = {(p.key.port, p.key.protocol): (p.tries.total, p.sources, p.members) for p in report.ports()}
    assert ports == {(p.port, p.protocol): (p.total, p.sources, p.members) for p in trend.ports}
    tried = {(str(p.key.port or "–"), p.tries.total, p.sources, p.members) for p in report.ports()}
    assert console.ports
    assert {(p.number, p.total, p.sources, p.members) for p in console.ports} <= tried
    assert [p.members for p in console.ports] == sorted((p.members for p in console.ports), reverse=True)
    sources = report.sources(Places())
    known = {(s.address, s.tries.total, s.ports, s.evidence != "established") for s in sources}
    assert console.top_sources
    assert {(s.address, s.total, s.ports, s.may_be_forged) for s in console.top_sources} <= known
    shared = {s.address: (s.tries.total, s.members, s.ports) for s in sources if s.members > 1}
    assert shared == {s.address: (s.total, s.members, s.ports) for s in trend.sources}
    assert report.shared_sources(2) == len(shared) > 0
    assert [(f.code, f.total, f.sources, f.members) for f in trend.forces] == [
        (code, total, sources, members) for code, members, total, sources in report.forces()
    ]
    assert sum(f.total for f in trend.regions) == totals.tries.total
    assert {(d.signature or d.signature_id, d.category): d.tries.total for d in report.detections()} == {
        (s.signature, s.category): s.total for s in trend.signatures
    }
    named: Counter[str] = Counter()
    for threat in report.threats():
        named[threat.threat] += threat.count
    of_trend: Counter[str] = Counter()
    for one in trend.threats:
        of_trend[one.name] += one.total
    assert named == of_trend


def test_shared_sources_are_counted_and_not_listed(
    store: EventStore, period: Period, make_collector: Callable[..., Collector]
) -> None:
    """More addresses at two members than any list of the report holds."""
    for member in range(2):
        rows: list[Row] = [
            {
                "time": period.start,
                "direction": "inbound",
                "dst_port": 22,
                "protocol": 6,
                "src_ip": f"198.18.{member * 50 + at // 250}.{at % 250}"
                if at >= 700
                else f"198.19.{at // 250}.{at % 250}",
            }
            for at in range(900)
        ]
        send(store, make_collector(f"Member {member}"), rows)
    made = make_trend_report(store, Scope.of_force("kent"), period, period.end)
    summary = {r["what"]: r["value"] for r in csv_rows(made.file(settings.CONFIG.data, Form.CSV), "summary")}
    assert (summary["sources"], summary["sources_at_two_members_or_more"]) == ("1100", "700")
    page = html_text(made.file(settings.CONFIG.data, Form.HTML))
    assert re.search(r"700\s+of them seen at two or more members", page)


def test_the_trend_report_speaks_of_members_and_not_to_one(
    store: EventStore, period: Period, make_collector: Callable[..., Collector]
) -> None:
    three_members(store, period, make_collector)
    made = make_trend_report(store, Scope.national(), period, period.end)
    page = re.sub(
        r"<style>.*?</style>", "", made.file(settings.CONFIG.data, Form.HTML).read_text("utf-8"), flags=re.DOTALL
    )
    assert re.findall(r"\b(?:your?|yours|you)\b", page, re.IGNORECASE) == []
