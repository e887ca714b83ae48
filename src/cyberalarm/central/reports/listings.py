"""Tables that member and trend reports share. Pure; every string from a device passes `words.shown`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.central.reports import words
from cyberalarm.central.reports.document import Column, Table
from cyberalarm.central.reports.places import country_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyberalarm.central.reports.figures import Detection, NetworkItem, PortKey, Source, Totals, Tries

PRINTED_SOURCES = 15
PRINTED_DETECTIONS = 15
_LISTED = {"rising": "Rising", "port": "Tried widely", "cve": "Known weakness", "threat": "Named by devices"}
_EVIDENCE = {
    "established": "Both sides spoke",
    "one_way": "May be forged",
    "unknown": "Not known",
}


def number_column(title: str, width: float = 1.0) -> Column:
    return Column(title, width, "right")


def of_total(total: int, shown: int, noun: str, first: str = "busiest") -> str:
    """A note that says how much of a list is printed, and which come `first` in it; empty when all of it is."""
    if shown >= total:
        return ""
    return f"The {shown} {first} of {words.number(total)} {noun}. The CSV files hold more."


def source_rows(sources: Sequence[Source], *, members: bool) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            s.address,
            country_name(s.country),
            words.number(s.tries.total),
            (words.number(s.members) if members else words.number(s.ports)),
            _tried(s.top_ports),
            words.span(s.first, s.last),
            _fate(s.tries),
            _EVIDENCE[s.evidence],
        )
        for s in sources
    )


def sources_table(sources: Sequence[Source], total: int, *, members: bool = False) -> Table:
    """The busiest sources, or with `members` the most widely seen, with when, what and how sure."""
    top = sources[:PRINTED_SOURCES]
    return Table(
        "Sources seen at most members" if members else "Busiest sources",
        (
            Column("Address", 2.1),
            Column("Country", 1.5),
            number_column("Events", 1.05),
            number_column("Members" if members else "Ports", 1.15 if members else 0.85),
            Column("Tried most", 2.5),
            Column("First and last seen", 1.85),
            Column("Fate", 1.2),
            Column("How sure", 1.2),
        ),
        source_rows(top, members=members),
        of_total(total, len(top), "sources", "most widely seen" if members else "busiest"),
    )


def _tried(ports: Sequence[PortKey]) -> str:
    """The most tried port in words, the next ones as numbers."""
    if not ports:
        return "–"
    return ", ".join([words.port_short(ports[0]), *(words.port_brief(k) for k in ports[1:])])


def _fate(tries: Tries) -> str:
    if tries.allowed and tries.blocked:
        return f"{words.number(tries.allowed)} let through"
    if tries.allowed:
        return "Let through"
    if tries.blocked:
        return "Blocked"
    return "Reported"


def detections_table(detections: Sequence[Detection], *, members: bool = False) -> Table:
    """What intrusion detection named, the most severe first."""
    top = detections[:PRINTED_DETECTIONS]
    extra = (number_column("Members"),) if members else ()
    return Table(
        "What intrusion detection reported",
        (
            Column("Name given by the device", 3.4),
            Column("Kind", 2.0),
            Column("Severity", 0.9),
            Column("CVE", 1.5),
            number_column("Times", 0.8),
            number_column("Sources", 0.9),
            *extra,
        ),
        tuple(
            (
                words.shown(d.signature or d.signature_id),
                "Not said" if d.category == "none" else words.CATEGORIES[d.category],
                words.SEVERITIES[min(d.severity, 4)],
                ", ".join(words.shown(c) for c in d.cves) or "–",
                words.number(d.tries.total),
                words.number(d.sources),
                *((words.number(d.members),) if members else ()),
            )
            for d in top
        ),
        of_total(len(detections), len(top), "names", "most severe"),
    )


def network_table(items: Sequence[NetworkItem], caption: str, note: str = "") -> Table:
    """What several members saw, in one table."""
    return Table(
        caption,
        (
            Column("Why it is listed", 1.6),
            Column("What", 3.6),
            number_column("Members"),
            number_column("Events"),
        ),
        tuple((_LISTED[i.kind], _item(i), words.number(i.members), words.number(i.tries)) for i in items),
        note,
    )


def _item(item: NetworkItem) -> str:
    if item.key is None:
        return words.shown(item.name)
    port = f"{words.port_words(item.key)}, port {words.port_code(item.key)}"
    if item.kind != "rising":
        return port
    return f"{port}: {words.count(item.sources, 'source')} in a day, {item.usual:,.0f} is usual"


def change_table(now: Totals, before: Totals, noun: str) -> Table:
    """This period beside the one before."""
    pairs = (
        ("Suspicious events", now.tries.total, before.tries.total),
        ("Blocked", now.tries.blocked, before.tries.blocked),
        ("Let through", now.tries.allowed, before.tries.allowed),
        ("Reported by a device, not stopped by it", now.tries.detected, before.tries.detected),
        ("Outside addresses", now.sources, before.sources),
        ("Ports tried", now.ports, before.ports),
        ("Let in on risky ports", now.let_in, before.let_in),
    )
    return Table(
        f"This {noun} and the one before",
        (Column("", 2.4), number_column("Before"), number_column("Now"), Column("In words", 2.4)),
        tuple(
            (
                name,
                words.number(was),
                words.number(current),
                words.capital(words.change(current, was)) + " before",
            )
            for name, current, was in pairs
        ),
    )
