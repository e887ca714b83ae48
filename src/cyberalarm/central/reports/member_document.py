"""The Member Summary Threat Report in words: a first page for the owner, the rest for whoever looks after the
network.

Pure apart from drawing charts. A member whose network was not in view gets a report that says so, never a
clean bill.
"""

from __future__ import annotations

from cyberalarm.central.reports import words
from cyberalarm.central.reports.about import about, member_help
from cyberalarm.central.reports.actions import collector_name, first_steps, needs_attention, not_understood
from cyberalarm.central.reports.document import (
    Block,
    Column,
    Document,
    KeyFigure,
    KeyFigures,
    Paragraph,
    Part,
    Section,
    Steps,
    Table,
)
from cyberalarm.central.reports.figures import Coverage, MemberReport, View
from cyberalarm.central.reports.listings import network_table, number_column
from cyberalarm.central.reports.member_sections import technical_part
from cyberalarm.core.outcome import Outcome

KIND = "Member Summary Threat Report"


def member_document(report: MemberReport) -> Document:
    """Word a member's figures."""
    unseen = report.totals.tries.total == 0 and report.coverage.view in {View.NONE, View.NEVER, View.SILENT}
    headline, tone, standfirst = _unseen(report) if unseen else _seen(report)
    return Document(
        service=report.service,
        kind=KIND,
        subject=words.shown(report.member),
        facts=(
            ("Period", report.period.words),
            ("Police force", report.force),
            ("Made", words.moment_long(report.made)),
            ("Reference", report.reference),
        ),
        handling=(
            "Handling: for the member named above and its police contacts. It names addresses of a network; "
            "share it with those "
            "who look after that network, and do not publish it."
        ),
        headline=headline,
        tone=tone,
        standfirst=standfirst,
        owner=_owner(report, unseen=unseen),
        parts=(*(() if unseen else (technical_part(report),)), _closing(report)),
    )


def _unseen(report: MemberReport) -> tuple[str, str, str]:
    span = report.period.words
    match report.coverage.view:
        case View.NONE:
            why = "No collector has been set up, so nothing from your network reaches us."
        case View.NEVER:
            why = "A collector is registered, and it has never sent anything."
        case _:
            last = report.coverage.last_sent
            why = (
                f"No collector has sent anything since {words.moment_long(last)}."
                if last
                else "No collector has sent anything."
            )
    return (
        f"We could not see your network ({span}).",
        "warn",
        f"{why} This report therefore says nothing about how safe your network is.",
    )


def _seen(report: MemberReport) -> tuple[str, str, str]:
    totals = report.totals
    every = totals.tries.total
    span = f"in the week of {report.period.words}" if report.period.length == 7 else f"from {report.period.words}"
    if report.period.length == 1:
        span = f"on {report.period.words}"
    if every == 0:
        return (
            f"We saw no suspicious activity on your network {span}.",
            "calm",
            (
                f"Your devices sent {words.count(report.coverage.ledger.received, 'line')} and none was "
                "suspicious. Most networks that face the "
                "Internet see some every day: please check that your firewall is set to log the connections "
                "that "
                "it blocks."
            ),
        )
    headline = f"We saw {words.count(every, 'suspicious event')} on your network {span}."
    stopped = f"Your devices blocked {words.share(totals.tries.blocked, every)} of them."
    if totals.let_in:
        came = words.capital(words.count(totals.let_in, "connection"))
        stopped += f" {came} came in to services that should not face the Internet."
    verdict = "There is something to act on." if needs_attention(report) else "Nothing here calls for urgent action."
    return headline, ("warn" if needs_attention(report) else "calm"), f"{stopped} {verdict}"


def _owner(report: MemberReport, *, unseen: bool) -> tuple[Section, ...]:
    steps = Section("steps", "Three things to do first", (Steps(first_steps(report)),))
    view = Section("view", "Was our view complete?", _view(report.coverage, report.period.length))
    if unseen:
        return (steps, view)
    compare = Section(
        "compare", f"More or less than the {report.period.noun} before?", (Paragraph(_comparison(report)),)
    )
    figures = Section("figures", "The period in four figures", (_key_figures(report),))
    return (figures, compare, steps, view)


def _key_figures(report: MemberReport) -> KeyFigures:
    totals = report.totals
    return KeyFigures(
        (
            KeyFigure(words.number(totals.tries.total), "suspicious events"),
            KeyFigure(words.number(totals.sources), "outside addresses they came from"),
            KeyFigure(
                words.number(totals.let_in),
                "connections let in to services that should not face the Internet",
            ),
            KeyFigure(words.number(len(report.findings)), "findings that our checks drew from them"),
        )
    )


def _comparison(report: MemberReport) -> str:
    now, before = report.totals.tries.total, report.previous.tries.total
    span = report.period.previous.words
    if not report.previous_seen:
        return f"We cannot say: nothing reached us for {span}."
    said = words.change(now, before)
    text = f"{words.capital(said)} before: {words.count(now, 'event')} now, {words.number(before)} from {span}."
    if report.totals.let_in != report.previous.let_in:
        text += (
            " Connections let in to services that should not face the Internet: "
            f"{words.number(report.totals.let_in)} now, "
            f"{words.number(report.previous.let_in)} then."
        )
    return text + " More tries do not by themselves mean more danger; much of it goes to everybody on the Internet."


def _view(coverage: Coverage, days: int) -> tuple[Block, ...]:
    ledger = coverage.ledger
    lost = ledger.outcomes[Outcome.OVERFLOW] + ledger.dropped_by_kernel
    match coverage.view:
        case View.NONE:
            return (Paragraph("No. There is no collector on your network."),)
        case View.NEVER | View.SILENT:
            text = "No. Nothing was received for this period."
        case View.PARTIAL:
            text = f"Not wholly. {_missing(coverage, lost)}"
        case View.COMPLETE:
            text = f"Yes, as far as we can tell. {_whole(coverage, days)}"
    if ledger.received:
        unread = ledger.outcomes[Outcome.UNRECOGNISED] + ledger.outcomes[Outcome.MALFORMED]
        text += (
            f" We received {words.count(ledger.received, 'line')}, kept "
            f"{words.number(ledger.outcomes[Outcome.KEPT])} as suspicious and could not "
            f"read {words.number(unread)} ({words.percent(unread, ledger.received)})."
        )
    return (Paragraph(text), _collectors_table(coverage, days))


def _whole(coverage: Coverage, days: int) -> str:
    """How we know of every day: lines came on it, or the events themselves say so."""
    every = "the day" if days == 1 else f"each of the {words.small(days)} days"
    if any(c.late_days for c in coverage.collectors):
        return (
            f"What every collector sent covers {every}, by the times in the events themselves, since some of it was sent "
            "later than it was written. No line was lost on the way."
        )
    return f"Every collector sent on {every}, and no line was lost on the way."


def _missing(coverage: Coverage, lost: int) -> str:
    quiet = sum(1 for c in coverage.collectors if not c.reported)
    parts = []
    if quiet:
        parts.append(
            f"{words.capital(words.small(quiet))} of {words.small(len(coverage.collectors))} collectors sent nothing."
        )
    parts += [
        f"{collector_name(c)} sent nothing on {words.days(c.quiet_days)}."
        for c in coverage.collectors
        if c.reported and c.quiet_days
    ]
    parts += [
        f"{collector_name(c)} heard nothing from {words.listed([words.shown(d) for d in c.gone])}, which sent before."
        for c in coverage.collectors
        if c.reported and c.gone
    ]
    if lost:
        parts.append(
            f"{words.capital(words.count(lost, 'line'))} {'was' if lost == 1 else 'were'} lost because a "
            "machine was too busy."
        )
    if not parts and not_understood(coverage) > 0:
        parts.append("A good part of the lines could not be read.")
    return " ".join(parts)


def _collectors_table(coverage: Coverage, days: int) -> Table:
    return Table(
        "What each collector sent",
        (
            Column("Collector", 2.4),
            number_column("Days", 0.8),
            number_column("Devices", 1.0),
            number_column("Lines received", 1.2),
            number_column("Kept as suspicious", 1.3),
            number_column("Not understood", 1.2),
            number_column("Lost", 0.7),
            Column("Last heard from", 1.4),
        ),
        tuple(
            (
                words.shown(f"{c.site}: {c.name}"),
                f"{len(c.days)} of {days}",
                words.number(c.devices),
                words.number(c.ledger.received),
                words.number(c.ledger.outcomes[Outcome.KEPT]),
                words.number(c.ledger.outcomes[Outcome.UNRECOGNISED] + c.ledger.outcomes[Outcome.MALFORMED]),
                words.number(c.ledger.outcomes[Outcome.OVERFLOW] + c.ledger.dropped_by_kernel),
                words.moment(c.last_seen) if c.last_seen else "never",
            )
            for c in coverage.collectors
        ),
        "A day counts when lines were received on it, or when events that happened on it were received later.",
    )


def _closing(report: MemberReport) -> Part:
    part = about(report.service, help_lines=member_help(report.contact), limits=_limits(report))
    least = words.small(report.minimum_members)
    if report.network:
        blocks: tuple[Block, ...] = (
            network_table(
                report.network,
                "Seen across the network",
                f"Only what at least {least} members saw is listed, so that none can be recognised; of events on services, "
                "weaknesses and names, no member is counted for more than ten times as many as the middle one.",
            ),
        )
    else:
        blocks = (
            Paragraph(f"Nothing was seen at {least} or more members in this period, and nothing else may be told."),
        )
    network = Section("network", "Seen across the network", blocks)
    return Part("Beyond your network, and about this report", part.intro, (network, *part.sections))


def _limits(report: MemberReport) -> tuple[str, ...]:
    if report.coverage.view is View.COMPLETE:
        return ()
    return (
        (
            "The parts of your network, and the days, of which no collector sent anything, and lines that were lost or not "
            "understood (see the first page)."
        ),
    )
