"""A report's figures against a straight count of the rows, on a real event store; then its three forms
against the figures.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import Counter, defaultdict
from datetime import datetime
from subprocess import run

import pytest
from django.conf import settings

from cyberalarm.central.reports.counting import Counting
from cyberalarm.central.reports.models import Form, Report
from cyberalarm.central.reports.period import LONDON, Period
from cyberalarm.central.reports.places import Places
from cyberalarm.central.reports.services import make_member_reports, make_trend_report
from cyberalarm.core.places import Scope, forces
from cyberalarm.core.ports import risky_ports

from tests.reports.generated_rows import Row, rows_of, send  # isort: skip
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.members.models import Collector


def inside(rows: list[Row], period: Period) -> list[Row]:
    return [r for r in rows if isinstance(r["time"], datetime) and period.start <= r["time"] < period.end]


def n(row: Row) -> int:
    assert isinstance(row["count"], int)
    return row["count"]


def by(rows: list[Row], *names: str) -> Counter[object]:
    """Events by the values of some fields."""
    sums: Counter[object] = Counter()
    for row in rows:
        sums[row[names[0]] if len(names) == 1 else tuple(row[name] for name in names)] += n(row)
    return sums


def from_outside(rows: list[Row]) -> list[Row]:
    return [r for r in rows if r["direction"] in {"inbound", "unknown"} and r["src_ip"]]


def at_network_devices(rows: list[Row]) -> list[Row]:
    return [r for r in rows if r["direction"] in {"inbound", "unknown"} and r["sensor"] in {"firewall", "ids"}]


@pytest.mark.parametrize("seed", range(4))
def test_figures_equal_a_straight_count(
    seed: int, store: EventStore, period: Period, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector()
    drawn = rows_of(seed, period, 700)
    send(store, collector, drawn)
    # Another member's rows of the same week must not show.
    send(store, make_collector("Somebody else"), rows_of(seed + 100, period, 50))
    rows = inside(drawn, period)
    assert len(rows) < len(drawn)
    counting = Counting(store, Scope.of_member(collector.site.member.pk), period)

    totals = counting.totals()
    actions = by(rows, "action")
    assert totals.tries.total == sum(map(n, rows))
    assert (totals.tries.blocked, totals.tries.allowed) == (actions["blocked"], actions["allowed"])
    assert (totals.tries.detected, totals.tries.unknown) == (actions["detected"], actions["unknown"])
    assert totals.sources == len({r["src_ip"] for r in from_outside(rows)})
    assert totals.members == 1
    risky = [
        r
        for r in at_network_devices(rows)
        if r["action"] == "allowed" and r["direction"] == "inbound" and r["dst_port"] in risky_ports()
    ]
    assert totals.let_in == sum(map(n, risky)) == sum(row.count for row in counting.let_in())

    days: Counter[object] = Counter()
    for row in rows:
        assert isinstance(row["time"], datetime)
        days[row["time"].astimezone(LONDON).date()] += n(row)
    assert {d.day: d.tries.total for d in counting.days()} == {day: days[day] for day in period.days}

    sources = by(from_outside(rows), "src_ip")
    assert {s.address: s.tries.total for s in counting.sources(Places())} == dict(sources)
    for source in counting.sources(Places()):
        of_source = [r for r in from_outside(rows) if r["src_ip"] == source.address]
        ports = by(at_network_devices(of_source), "dst_port", "protocol")
        seen = at_network_devices(of_source)
        assert source.ports == len({(r["dst_port"], r["protocol"]) for r in seen if r["dst_port"] is not None})
        assert source.targets == len({r["dst_ip"] for r in seen if r["dst_ip"]})
        assert len(source.top_ports) == min(3, len(ports))
        for first in source.top_ports[:1]:
            assert ports[(first.port, first.protocol)] == max(ports.values())
        evidence = {r["evidence"] for r in of_source}
        assert source.evidence == next(e for e in ("established", "one_way", "unknown") if e in evidence)

    tried = by(at_network_devices(rows), "dst_port", "protocol")
    assert {(p.key.port, p.key.protocol): p.tries.total for p in counting.ports()} == dict(tried)
    targets = by([r for r in at_network_devices(rows) if r["dst_ip"]], "dst_ip")
    assert {t.address: t.tries.total for t in counting.targets()} == dict(targets)
    assert {(k.sensor, k.category): k.tries.total for k in counting.kinds()} == dict(by(rows, "sensor", "category"))
    assert counting.origins(Places()).total == totals.tries.total

    named = defaultdict(int)
    for row in rows:
        if row["sensor"] in {"firewall", "ids"} and row["signature"]:
            named[(row["signature"], row["category"])] += n(row)
    assert {(d.signature, d.category): d.tries.total for d in counting.detections()} == dict(named)
    threats = defaultdict(int)
    for row in rows:
        if row["sensor"] in {"antivirus", "antispam"}:
            threats[(row["sensor"], row["threat"], row.get("sender_domain") or "")] += n(row)
    assert {(t.sensor, t.threat, t.sender_domain): t.count for t in counting.threats()} == dict(threats)


def text_of_pdf(path: Path) -> str:
    return run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True).stdout.decode()


def csv_rows(path: Path, name: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(path) as archive:
        return list(csv.DictReader(io.StringIO(archive.read(f"{name}.csv").decode("utf-8-sig"), newline="")))


def html_text(path: Path) -> str:
    return re.sub(r"<[^>]+>", " ", path.read_text("utf-8"))


def files(report: Report) -> dict[Form, Path]:
    return {form: report.file(settings.CONFIG.data, form) for form in Form}


@pytest.mark.parametrize("seed", [11, 12])
def test_three_forms_say_the_same(
    seed: int, store: EventStore, period: Period, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector()
    drawn = rows_of(seed, period, 500)
    send(store, collector, drawn, sealed=period.start, routine=1_000, unrecognised=7)
    rows = inside(drawn, period)
    [report] = make_member_reports(store, [collector.site.member], period, period.end)
    made = files(report)

    whole = sum(map(n, rows))
    summary = {r["what"]: r["value"] for r in csv_rows(made[Form.CSV], "summary")}
    assert summary["events"] == str(whole)
    html, pdf = html_text(made[Form.HTML]), text_of_pdf(made[Form.PDF])
    for text in (html, pdf):
        assert f"{whole:,}" in text
        assert f"{int(summary['sources']):,}" in text
        assert f"{int(summary['let_in_on_risky_ports']):,}" in text
    sources = csv_rows(made[Form.CSV], "sources")
    assert sum(int(r["events"]) for r in sources) == sum(map(n, from_outside(rows)))
    flat = re.sub(r"\s", "", pdf)
    for row in sources[:15]:
        assert row["address"] in html
        assert row["address"] in flat
        assert f"{int(row['events']):,}" in html
        assert f"{int(row['events']):,}" in pdf
    for row in csv_rows(made[Form.CSV], "days"):
        assert f"{int(row['events']):,}" in html
        assert f"{int(row['events']):,}" in pdf
    for row in csv_rows(made[Form.CSV], "ports")[:12]:
        assert f"{int(row['events']):,}" in html
        assert f"{int(row['events']):,}" in pdf
    [sent] = csv_rows(made[Form.CSV], "collectors")
    assert int(sent["received"]) == sum(map(n, drawn)) + 1_007
    assert sent["received"] == str(
        sum(
            int(sent[o])
            for o in (
                "kept",
                "routine",
                "internal",
                "outbound",
                "trusted",
                "noise",
                "unrecognised",
                "malformed",
                "overflow",
            )
        )
    )
    assert f"{int(sent['received']):,}" in html
    assert f"{int(sent['received']):,}" in pdf


def test_trend_adds_members_up(store: EventStore, period: Period, make_collector: Callable[..., Collector]) -> None:
    rows: list[Row] = []
    for seed, force in ((21, "kent"), (22, "kent"), (23, "durham")):
        drawn = rows_of(seed, period, 200)
        send(store, make_collector(f"Member {seed}", force), drawn)
        rows += inside(drawn, period)
    made = make_trend_report(store, Scope.national(), period, period.end)
    paths = files(made)
    whole = sum(map(n, rows))
    summary = {r["what"]: r["value"] for r in csv_rows(paths[Form.CSV], "summary")}
    assert int(summary["events"]) == whole
    assert summary["members_reporting"] == "3"
    by_force = csv_rows(paths[Form.CSV], "forces")
    assert {r["force"]: r["members"] for r in by_force} == {"kent": "2", "durham": "1"}
    assert sum(int(r["events"]) for r in by_force) == whole
    assert f"{whole:,}" in html_text(paths[Form.HTML])
    assert f"{whole:,}" in text_of_pdf(paths[Form.PDF])
    # Members are counted and never named.
    assert "Member 21" not in html_text(paths[Form.HTML]) + text_of_pdf(paths[Form.PDF])

    kent = make_trend_report(store, Scope.of_force("kent"), period, period.end)
    summary = {r["what"]: r["value"] for r in csv_rows(files(kent)[Form.CSV], "summary")}
    assert int(summary["events"]) < whole
    assert summary["members_reporting"] == "2"
    region = make_trend_report(store, Scope.of_region(forces()["kent"].region), period, period.end)
    summary = {r["what"]: r["value"] for r in csv_rows(files(region)[Form.CSV], "summary")}
    assert summary["members_reporting"] == "2"
