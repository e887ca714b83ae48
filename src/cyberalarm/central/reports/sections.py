"""Sections that member and trend reports share: figures turned into tables, charts and sentences.

Pure apart from drawing charts. Every string from a device passes `words.shown`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.central.reports import charts, words
from cyberalarm.central.reports.document import Block, Chart, Column, Paragraph, Section, Table
from cyberalarm.central.reports.listings import number_column, of_total
from cyberalarm.central.reports.places import HOME, country_name
from cyberalarm.core.ports import risky_ports

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyberalarm.central.reports.figures import (
        Country,
        Day,
        Kind,
        Origins,
        PortTried,
        Tries,
    )

PRINTED_PORTS = 12
PRINTED_COUNTRIES = 10
# More days, or longer numbers, than fit in a table beside a chart.
DAYS_BESIDE = 10
WIDE_NUMBER = 10_000_000

_ACTIONS = (
    ("Blocked", charts.BLOCKED),
    ("Reported", charts.DETECTED),
    ("Let through", charts.ALLOWED),
    ("Not said", charts.UNKNOWN),
)
_SENSORS = {
    "firewall": "Firewall",
    "ids": "Intrusion detection",
    "antivirus": "Antivirus",
    "antispam": "Antispam",
}
# A device that names no category has still said what kind of device it is.
_UNNAMED = {
    "firewall": words.CATEGORIES["none"],
    "ids": "Something that intrusion detection named",
    "antivirus": words.CATEGORIES["malware"],
    "antispam": words.CATEGORIES["spam"],
}


def _parts(tries: Tries) -> tuple[charts.Part, ...]:
    values = (tries.blocked, tries.detected, tries.allowed, tries.unknown)
    return tuple(charts.Part(name, value, colour) for (name, colour), value in zip(_ACTIONS, values, strict=True))


def _bars(rows: Sequence[tuple[str, Tries]]) -> list[charts.Bar]:
    """Bars by action, without actions that none of them has."""
    bars = [charts.Bar(label, _parts(tries)) for label, tries in rows]
    used = {p.label for b in bars for p in b.parts if p.value} or {_ACTIONS[0][0]}
    return [charts.Bar(b.label, tuple(p for p in b.parts if p.label in used)) for b in bars]


def days_section(days: tuple[Day, ...]) -> Section:
    """Suspicious activity by day."""
    busiest = max(days, key=lambda d: d.tries.total)
    quietest = min(days, key=lambda d: d.tries.total)
    alt = (
        f"Suspicious events on each of {len(days)} days. The busiest was {words.day(busiest.day)} with "
        f"{words.number(busiest.tries.total)}, the quietest {words.day(quietest.day)} with "
        f"{words.number(quietest.tries.total)}."
    )
    rows = tuple(
        (
            words.day(d.day),
            words.number(d.tries.blocked),
            words.number(d.tries.allowed),
            words.number(d.tries.detected + d.tries.unknown),
            words.number(d.tries.total),
        )
        for d in days
    )
    table = Table(
        "Events by day",
        (
            Column("Day", 1.35),
            number_column("Blocked"),
            number_column("Let through"),
            number_column("Reported", 1.05),
            number_column("All"),
        ),
        rows,
    )
    beside = len(days) <= DAYS_BESIDE and busiest.tries.total < WIDE_NUMBER
    bars = _bars([(words.day_short(d.day) if beside else words.day(d.day), d.tries) for d in days])
    svg = charts.columns(bars, width=385, height=180) if beside else charts.columns(bars)
    chart = Chart("Events by day", svg, alt, table, "beside" if beside else "below")
    return Section("days", "Suspicious activity by day", (Paragraph(alt), chart))


def kinds_section(kinds: tuple[Kind, ...]) -> Section:
    rows = tuple(
        (
            kind_words(k),
            _SENSORS[k.sensor],
            words.number(k.tries.total),
            words.number(k.sources),
        )
        for k in kinds
    )
    table = Table(
        "Events by kind",
        (
            Column("What it was", 3.2),
            Column("Who saw it", 1.7),
            number_column("Events"),
            number_column("Sources"),
        ),
        rows,
    )
    return Section("kinds", "What kind of activity it was", (table,))


def kind_words(kind: Kind) -> str:
    if kind.category == "none":
        return _UNNAMED[kind.sensor]
    return words.CATEGORIES[kind.category]


def origins_section(origins: Origins, places_known: bool, *, own: str = "From your own network") -> Section:
    """Inside and outside the UK, and the countries behind it."""
    if not places_known:
        return Section(
            "places",
            "Where it came from",
            (Paragraph("This centre has no country database, so it cannot say which countries the sources are in."),),
        )
    whole = origins.total
    rows = [
        ("Inside the UK", origins.inside),
        ("Outside the UK", origins.outside),
        ("Country not known", origins.unplaced),
        ("An address that only exists inside a network", origins.private),
        ("No address was named, as with most antivirus reports", origins.no_address),
        (own, origins.own),
    ]
    split = Table(
        "Inside and outside the UK",
        (Column("Where", 3.4), number_column("Events"), number_column("Share")),
        tuple((name, words.number(n), words.percent(n, whole)) for name, n in rows if n or "UK" in name),
    )
    blocks: list[Block] = [Paragraph(_origins_words(origins)), split]
    if origins.countries:
        blocks.append(_countries(origins.countries, whole))
    return Section("places", "Where it came from", tuple(blocks))


def _origins_words(origins: Origins) -> str:
    placed = origins.inside + origins.outside
    if not placed:
        return "None of the sources could be placed in a country."
    top = max(origins.countries, key=lambda c: c.tries)
    return (
        f"Of the events whose country is known, {words.share(origins.inside, placed)} came from inside the "
        "UK and "
        f"{words.share(origins.outside, placed)} from outside. Most came from "
        f"{words.the_country(country_name(top.code))}. A country says where an address "
        "is registered, not who sits behind it: people often borrow machines elsewhere."
    )


def _countries(countries: tuple[Country, ...], whole: int) -> Chart:
    top = countries[:PRINTED_COUNTRIES]
    bars = [
        charts.Bar(
            country_name(c.code),
            (
                charts.Part("Inside the UK", c.tries if c.code == HOME else 0, charts.DETECTED),
                charts.Part("Outside the UK", 0 if c.code == HOME else c.tries, charts.BLOCKED),
            ),
        )
        for c in top
    ]
    alt = "Events by country: " + ", ".join(f"{country_name(c.code)} {words.number(c.tries)}" for c in top[:5]) + "."
    table = Table(
        "Busiest countries",
        (Column("Country", 2.2), number_column("Events"), number_column("Share"), number_column("Sources")),
        tuple(
            (
                country_name(c.code),
                words.number(c.tries),
                words.percent(c.tries, whole),
                words.number(c.sources),
            )
            for c in top
        ),
        of_total(len(countries), len(top), "countries"),
    )
    return Chart("Busiest countries", charts.rows(bars, width=385, step=21), alt, table, "beside")


def ports_section(ports: tuple[PortTried, ...], all_ports: int, *, members: bool = False) -> Section:
    """What was tried, in words."""
    if not ports:
        return Section("ports", "What they tried", (Paragraph("No connection from outside was tried."),))
    title = "Services tried at most members" if members else "Services tried most"
    top = ports[:PRINTED_PORTS]
    alt = (
        "Events by service tried: "
        + ", ".join(f"{words.port_short(p.key)} {words.number(p.tries.total)}" for p in top[:5])
        + "."
    )
    risky = risky_ports()
    extra = (number_column("Members"),) if members else ()
    table = Table(
        title,
        (
            Column("Service", 2.6),
            Column("Port", 1.1),
            number_column("Events"),
            number_column("Sources"),
            number_column("Blocked"),
            number_column("Let through", 1.1),
            *extra,
        ),
        tuple(
            (
                words.port_words(p.key) + (" *" if p.key.port in risky else ""),
                words.port_code(p.key),
                words.number(p.tries.total),
                words.number(p.sources),
                words.number(p.tries.blocked),
                words.number(p.tries.allowed),
                *((words.number(p.members),) if members else ()),
            )
            for p in top
        ),
        " ".join(
            part
            for part in (
                "* A service that should not face the Internet." if any(p.key.port in risky for p in top) else "",
                of_total(all_ports, len(top), "ports"),
            )
            if part
        ),
    )
    svg = charts.rows(_bars([(words.port_short(p.key), p.tries) for p in top[:8]]))
    return Section("ports", "What they tried", (Chart(title, svg, alt, table, "below"),))
