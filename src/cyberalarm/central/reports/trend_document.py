"""The trend report in words, for a force, a region or the nation. For police: members are counted and never
named.

Pure apart from drawing charts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.central.reports import words
from cyberalarm.central.reports.about import about, police_help
from cyberalarm.central.reports.document import (
    Block,
    Bullets,
    Column,
    Document,
    KeyFigure,
    KeyFigures,
    Paragraph,
    Part,
    Section,
    Table,
)
from cyberalarm.central.reports.figures import SEVERAL
from cyberalarm.central.reports.listings import (
    change_table,
    detections_table,
    network_table,
    number_column,
    of_total,
    sources_table,
)
from cyberalarm.central.reports.sections import days_section, kinds_section, origins_section, ports_section
from cyberalarm.core.outcome import Outcome
from cyberalarm.core.places import Level

if TYPE_CHECKING:
    from cyberalarm.central.reports.figures import TrendReport

KIND = "Threat trend report"
PRINTED_FORCES = 50
PRINTED_RISING = 12


def trend_document(report: TrendReport) -> Document:
    """Word a scope's figures."""
    headline, tone, standfirst = _headline(report)
    empty = report.totals.tries.total == 0
    least = words.small(report.minimum_members)
    return Document(
        service=report.service,
        kind=KIND,
        subject={Level.NATIONAL: "National picture"}.get(report.scope.level, report.scope.name),
        facts=(
            ("Period", report.period.words),
            ("Covers", {Level.NATIONAL: "All forces"}.get(report.scope.level, report.scope.name)),
            ("Made", words.moment_long(report.made)),
            ("Reference", report.reference),
        ),
        handling=(
            "Handling: for police. Members are counted and not named, and a figure that rests on fewer than "
            f"{least} of them could "
            "still point at one: do not pass such a figure on."
        ),
        headline=headline,
        tone=tone,
        standfirst=standfirst,
        owner=_first_page(report),
        parts=(
            *(() if empty else (_analysis(report),)),
            about(
                report.service,
                help_lines=police_help(report.contact),
                limits=(
                    (
                        "Members without a collector, and organisations that are not members: this is not a "
                        "sample of the country."
                    ),
                ),
            ),
        ),
    )


def _headline(report: TrendReport) -> tuple[str, str, str]:
    every = report.totals.tries.total
    if not report.members_reporting:
        return (
            f"Nothing reached us for {report.period.words}.",
            "warn",
            (
                f"{words.capital(words.count(report.members_approved, 'member'))} take part and "
                f"{words.number(report.members_with_collector)} "
                "have a collector. This report therefore says nothing about threats."
            ),
        )
    members = words.count(report.totals.members, "member")
    return (
        f"{members.capitalize()} saw {words.count(every, 'suspicious event')}, {report.period.words}.",
        "quiet",
        (
            f"They came from {words.count(report.totals.sources, 'outside address', 'outside addresses')}. "
            "Devices blocked "
            f"{words.share(report.totals.tries.blocked, every)} of them."
        ),
    )


def _first_page(report: TrendReport) -> tuple[Section, ...]:
    totals = report.totals
    figures = KeyFigures(
        (
            KeyFigure(words.number(totals.tries.total), "suspicious events"),
            KeyFigure(words.number(totals.sources), "outside addresses they came from"),
            KeyFigure(
                words.number(report.shared_sources),
                f"of them seen at {words.small(SEVERAL)} or more members",
            ),
            KeyFigure(
                words.number(totals.let_in),
                "connections let in to services that should not face the Internet",
            ),
        )
    )
    now, before = totals.tries.total, report.previous.tries.total
    change = (
        f"{words.capital(words.change(now, before))} before: {words.number(now)} now, {words.number(before)} "
        f"from {report.period.previous.words}. "
        f"{words.capital(words.count(totals.members, 'member'))} sent events now, "
        f"{words.number(report.previous.members)} then."
        if before
        else f"Nothing reached us for {report.period.previous.words}, so there is nothing to compare with."
    )
    return (
        Section("figures", "The period in four figures", (figures,)),
        Section("compare", f"More or less than the {report.period.noun} before?", (Paragraph(change),)),
        Section("stands-out", "What stands out", (_stands_out(report),)),
        Section("view", "How complete is the picture?", _picture(report)),
    )


def _stands_out(report: TrendReport) -> Block:
    said = []
    if report.ports:
        top = report.ports[0]
        said.append(
            f"Tried most widely: {words.port_words(top.key)} (port {words.port_code(top.key)}), "
            f"{words.count(top.tries.total, 'event')} from "
            f"{words.count(top.sources, 'source')} at {words.count(top.members, 'member')}."
        )
    if report.rising:
        rising = report.rising[0]
        if rising.key is not None:
            said.append(
                f"Rising: {words.port_words(rising.key)} (port {words.port_code(rising.key)}), tried by "
                f"{words.count(rising.sources, 'source')} "
                f"in a day where {rising.usual:,.0f} is usual."
            )
    shared = [s for s in report.sources if s.members >= SEVERAL]
    if shared:
        widest = max(shared, key=lambda s: (s.members, s.tries.total))
        said.append(
            f"Seen most widely: {widest.address}, at {words.count(widest.members, 'member')} of "
            f"{words.count(widest.forces, 'force')}."
        )
    if report.findings:
        worst = report.findings[0]
        said.append(f"Gravest finding: {worst.title} {words.capital(words.count(worst.members, 'member'))} had it.")
    if report.totals.let_in:
        said.append(
            f"Let in to services that should not face the Internet: {words.count(report.totals.let_in, 'connection')}."
        )
    return Bullets(tuple(said)) if said else Paragraph("Nothing stands out.")


def _picture(report: TrendReport) -> tuple[Block, ...]:
    ledger = report.ledger
    unread = ledger.outcomes[Outcome.UNRECOGNISED] + ledger.outcomes[Outcome.MALFORMED]
    lost = ledger.outcomes[Outcome.OVERFLOW] + ledger.dropped_by_kernel
    rows = (
        ("Members that take part", report.members_approved),
        ("Members with a collector", report.members_with_collector),
        ("Members whose collector sent something", report.members_reporting),
        ("Members with suspicious events", report.totals.members),
        ("Lines received", ledger.received),
        ("Lines kept as suspicious", ledger.outcomes[Outcome.KEPT]),
        ("Lines not understood", unread),
        ("Lines lost", lost),
    )
    table = Table(
        "Behind these figures",
        (Column("What", 3.0), number_column("Number")),
        tuple((name, words.number(n)) for name, n in rows),
    )
    return (table,)


def _analysis(report: TrendReport) -> Part:
    sections = (
        days_section(report.days),
        ports_section(report.ports, report.totals.ports, members=True),
        _rising(report),
        Section("sources", "Sources, the most widely seen first", _sources(report)),
        origins_section(report.origins, report.places_known, own="From the members' own networks"),
        kinds_section(report.kinds),
        _detections(report),
        _findings(report),
        *((_forces(report),) if report.scope.level is not Level.FORCE else ()),
        *_change(report),
    )
    return Part(
        "The figures",
        "Events, places and techniques. The CSV files that come with this report hold the same rows.",
        sections,
    )


def _change(report: TrendReport) -> tuple[Section, ...]:
    """Nothing where there is nothing to compare with, as the first page says."""
    if not report.previous.tries.total:
        return ()
    table = change_table(report.totals, report.previous, report.period.noun)
    return (Section("change", "Change since last time", (table,)),)


def _rising(report: TrendReport) -> Section:
    if not report.rising:
        return Section(
            "rising", "What is rising", (Paragraph("No port was tried by clearly more sources than usual."),)
        )
    return Section(
        "rising",
        "What is rising",
        (network_table(report.rising[:PRINTED_RISING], "Ports tried by more sources than usual"),),
    )


def _sources(report: TrendReport) -> tuple[Block, ...]:
    if not report.sources:
        return (Paragraph("No event named an outside address."),)
    return (
        Paragraph(f"“May be forged”: {words.MAY_BE_FORGED}"),
        sources_table(report.sources, report.totals.sources, members=True),
    )


def _detections(report: TrendReport) -> Section:
    if not report.detections:
        return Section(
            "devices",
            "What intrusion detection reported",
            (Paragraph("No intrusion detection reported anything."),),
        )
    return Section("devices", "What intrusion detection reported", (detections_table(report.detections, members=True),))


def _findings(report: TrendReport) -> Section:
    if not report.findings:
        return Section("findings", "Findings", (Paragraph("Our checks drew no finding from this period."),))
    table = Table(
        "Findings by rule",
        (
            Column("Severity", 0.8),
            Column("What was found", 4.6),
            number_column("Findings", 0.8),
            number_column("Members", 0.8),
        ),
        tuple(
            (words.SEVERITIES[min(f.severity, 4)], f.title, words.number(f.findings), words.number(f.members))
            for f in report.findings
        ),
    )
    return Section("findings", "Findings", (table,))


def _forces(report: TrendReport) -> Section:
    top = report.forces[:PRINTED_FORCES]
    table = Table(
        "Events by force",
        (
            Column("Force", 2.6),
            number_column("Members"),
            number_column("Events"),
            number_column("Share"),
            number_column("Sources"),
        ),
        tuple(
            (
                f.name,
                words.number(f.members),
                words.number(f.tries),
                words.percent(f.tries, report.totals.tries.total),
                words.number(f.sources),
            )
            for f in top
        ),
        of_total(len(report.forces), len(top), "forces"),
    )
    return Section("forces", "By force", (table,))
