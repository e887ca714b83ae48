"""The technical part of a Member Summary Threat Report: every figure as a table or a chart.

Pure apart from drawing charts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.central.reports import words
from cyberalarm.central.reports.actions import by_rule
from cyberalarm.central.reports.document import Block, Column, Note, Paragraph, Part, Section, Table
from cyberalarm.central.reports.listings import (
    change_table,
    detections_table,
    number_column,
    of_total,
    sources_table,
)
from cyberalarm.central.reports.sections import (
    days_section,
    kinds_section,
    origins_section,
    ports_section,
)

if TYPE_CHECKING:
    from cyberalarm.central.reports.figures import FindingFigure, MemberReport

PRINTED_TARGETS = 12
PRINTED_LET_IN = 12
PRINTED_THREATS = 10


def technical_part(report: MemberReport) -> Part:
    sections = (
        _findings(report),
        _fate(report),
        days_section(report.days),
        origins_section(report.origins, report.places_known),
        Section("sources", "The busiest sources", _sources(report)),
        ports_section(report.ports, report.totals.ports),
        _targets(report),
        kinds_section(report.kinds),
        _devices_said(report),
        *_change(report),
    )
    return Part(
        "For whoever looks after your network",
        "The figures behind the first page. The CSV files that come with this report hold the same rows, and "
        "more of them.",
        sections,
    )


def _sources(report: MemberReport) -> tuple[Block, ...]:
    if not report.sources:
        return (Paragraph("No event named an outside address."),)
    return (
        Paragraph(f"“May be forged”: {words.MAY_BE_FORGED}"),
        sources_table(report.sources, report.totals.sources),
    )


def _findings(report: MemberReport) -> Section:
    if not report.findings:
        return Section("findings", "Findings and advice", (Paragraph("Our checks drew no finding from this period."),))
    table = Table(
        "Findings, the most severe first",
        (
            Column("Severity", 0.85),
            Column("What we found", 3.2),
            Column("What to do", 3.2),
            number_column("Findings", 0.85),
            Column("When", 1.3),
        ),
        tuple(_finding_row(alike) for alike in by_rule(report.findings)),
        "Findings of one kind stand together under the busiest of them. The CSV files list each.",
    )
    return Section("findings", "Findings and advice", (table,))


def _finding_row(alike: tuple[FindingFigure, ...]) -> tuple[str, ...]:
    busiest = alike[0]
    first = min((f.first for f in alike if f.first), default=None)
    last = max((f.last for f in alike if f.last), default=None)
    return (
        words.SEVERITIES[min(busiest.severity, 4)],
        words.sentences(words.shown(busiest.title), words.shown(busiest.what)),
        words.sentences(*(words.shown(a) for a in busiest.advice)) or "–",
        words.number(len(alike)),
        words.span(first, last) if first and last else "–",
    )


def _fate(report: MemberReport) -> Section:
    tries = report.totals.tries
    table = Table(
        "What your devices did",
        (Column("What the device did", 3.0), number_column("Events"), number_column("Share")),
        tuple(
            (name, words.number(n), words.percent(n, tries.total))
            for name, n in (
                ("Blocked it", tries.blocked),
                ("Let it through", tries.allowed),
                ("Reported it, without saying that it was stopped", tries.detected),
                ("Did not say", tries.unknown),
            )
        ),
    )
    blocks: list[Block] = [table]
    if report.let_in:
        blocks.append(
            Note(
                "warn",
                f"{words.capital(words.count(report.totals.let_in, 'connection'))} came in where none should",
                "The services below should not face the Internet. Close them at the firewall, or let them be "
                "reached through a VPN only.",
            )
        )
        blocks.append(_let_in_table(report))
    else:
        blocks.append(
            Note(
                "calm",
                "No risky door stood open",
                "No connection was seen to be let in to a service that should not face the Internet.",
            )
        )
    return Section("fate", "Blocked or let in", tuple(blocks))


def _let_in_table(report: MemberReport) -> Table:
    rows = tuple(
        (
            words.port_words(r.key),
            words.port_code(r.key),
            r.address or "not named",
            words.number(r.count),
            words.number(r.sources),
            words.span(r.first, r.last),
        )
        for r in report.let_in[:PRINTED_LET_IN]
    )
    return Table(
        "Let in to services that should not face the Internet",
        (
            Column("Service", 2.3),
            Column("Port", 1.0),
            Column("Your address", 1.9),
            number_column("Connections", 1.1),
            number_column("Sources", 0.9),
            Column("First and last", 2.0),
        ),
        rows,
        of_total(len(report.let_in), len(rows), "rows"),
    )


def _targets(report: MemberReport) -> Section:
    if not report.targets:
        return Section(
            "targets",
            "Which of your addresses were tried",
            (Paragraph("No event named one of your addresses."),),
        )
    rows = tuple(
        (
            t.address,
            words.number(t.tries.total),
            words.number(t.sources),
            words.number(t.ports),
            words.number(t.tries.blocked),
            words.number(t.tries.allowed),
        )
        for t in report.targets[:PRINTED_TARGETS]
    )
    table = Table(
        "Your addresses, the most tried first",
        (
            Column("Your address", 2.4),
            number_column("Events"),
            number_column("Sources"),
            number_column("Ports tried"),
            number_column("Blocked"),
            number_column("Let through"),
        ),
        rows,
        of_total(report.totals.targets, len(rows), "addresses"),
    )
    return Section("targets", "Which of your addresses were tried", (table,))


def _devices_said(report: MemberReport) -> Section:
    blocks: list[Block] = []
    if report.detections:
        blocks.append(detections_table(report.detections))
    for sensor, caption in (("antivirus", "What antivirus reported"), ("antispam", "What antispam reported")):
        rows = sorted((t for t in report.threats if t.sensor == sensor), key=lambda t: words.is_test_file(t.threat))
        if not rows:
            continue
        domain = sensor == "antispam"
        top = rows[:PRINTED_THREATS]
        columns = (
            Column("Name given by the device", 3.0),
            *((Column("Sender's domain", 2.4),) if domain else ()),
            number_column("Times", 0.8),
            Column("First and last seen", 2.0),
        )
        cells = tuple(
            (
                words.shown(t.threat) or "not named",
                *((words.shown(t.sender_domain) or "not named",) if domain else ()),
                words.number(t.count),
                words.span(t.first, t.last),
            )
            for t in top
        )
        blocks.append(Table(caption, columns, cells, of_total(len(rows), len(top), "names")))
    if not blocks:
        blocks.append(
            Paragraph(
                "No intrusion detection, antivirus or antispam device reported anything in this period, or "
                "none sends its log to us."
            )
        )
    return Section("devices", "What your protective devices reported", tuple(blocks))


def _change(report: MemberReport) -> tuple[Section, ...]:
    """Nothing where there is nothing to compare with, as the first page says."""
    if not report.previous_seen:
        return ()
    table = change_table(report.totals, report.previous, report.period.noun)
    return (Section("change", "Change since last time", (table,)),)
