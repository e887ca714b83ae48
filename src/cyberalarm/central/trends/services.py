"""What is seen over the network of a scope: `network_trend`, and ports that are rising.

Everything comes from the event store within the scope given; nothing is remembered. Days are days of UK time.

Lists put what most members saw first, so that no member alone decides what stands in them. Among what as many saw, they go
by events with no member counted for more than ten times the middle one (of those who saw it, the lower of two middle ones):
`capped`. `total` is as counted, whoever counted it.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cyberalarm.central.events.spans import Span

from .figures import (
    DayFigure,
    NamedFigure,
    NetworkTrend,
    PlaceFigure,
    PortFigure,
    RisingPort,
    SignatureFigure,
    SourceFigure,
    Totals,
    Withheld,
)
from .rising import HISTORY_DAYS, rise
from .withholding import parts, series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyberalarm.central.events.rows import Row
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.core.places import Scope

LONDON = ZoneInfo("Europe/London")
# A page or report shows no more than this of each table.
MOST_ROWS = 20
# Below this many sources a day, "more than usual" is chance.
LEAST_SOURCES = 20


def network_trend(
    store: EventStore, scope: Scope, span: Span, *, minimum_members: int = 0, rows: int = MOST_ROWS
) -> NetworkTrend:
    """Everything that a trend says about a span. `minimum_members` above 0 makes the edition for members."""
    held: dict[str, int] = {}
    minimum = minimum_members

    def top(query: str) -> list[Row]:
        return store.query(query, scope, start=span.start, end=span.end, limit=rows, least_members=max(1, minimum))

    totals, previous = _totals(store, scope, span), _totals(store, scope, span.previous)
    days, held["days"] = series(_days(store, scope, span), minimum)
    regions, held["regions"] = parts(_places(store, scope, span, "region"), minimum)
    forces, held["forces"] = _forces(store, scope, span, regions, minimum)
    held |= _held(store, scope, span, minimum)
    rising = rising_ports(store, scope, span)
    risen = [port for port in rising if port.members >= minimum]
    held["rising"] = len(rising) - len(risen)
    return NetworkTrend(
        scope=scope,
        span=span,
        minimum_members=minimum,
        totals=_shown(totals, minimum),
        previous=_shown(previous, minimum),
        days=days,
        regions=regions,
        forces=forces,
        ports=tuple(_port(row) for row in top("network_ports")),
        rising=tuple(risen[:rows]),
        sources=_shared_sources(store, scope, span, max(2, minimum), rows),
        signatures=tuple(_signature(row) for row in top("network_signatures")),
        cves=tuple(_named(row, "cve_id") for row in top("network_cves")),
        threats=tuple(_named(row, "threat") for row in top("network_threats")),
        withheld=Withheld(**held, totals=totals.members < minimum),
    )


def rising_ports(
    store: EventStore,
    scope: Scope,
    span: Span,
    *,
    least_sources: int = LEAST_SOURCES,
    least_members: int = 1,
) -> list[RisingPort]:
    """Ports that rose on a day touched by the span, the last day's first, then at how many members and how far."""
    first, last = _day(span.start), _day(span.end - timedelta(microseconds=1))
    start, end = _midnight(first - timedelta(days=HISTORY_DAYS)), _midnight(last + timedelta(days=1))
    seen = [row.day("day") for row in store.query("totals_by_day", scope, start=start, end=end)]
    rows = store.query("port_sources_by_day", scope, start=start, end=end, least_sources=max(1, least_sources))
    found: list[RisingPort] = []
    for row in rows:
        counts = zip(row.numbers("sources"), row.numbers("members"), row.numbers("totals"), strict=True)
        by_day = dict(zip(row.days("days"), counts, strict=True))
        for day, (sources, members, total) in by_day.items():
            if day < first or sources < least_sources or members < least_members:
                continue
            since = day - timedelta(days=HISTORY_DAYS)
            before = [by_day.get(d, (0, 0, 0))[0] for d in seen if since <= d < day]
            if risen := rise(sources, before):
                port, protocol = row.number("dst_port"), row.number("protocol")
                found.append(RisingPort(port, protocol, day, _whole(day), members, total, risen))
    return sorted(found, key=_by_day_and_width)


def _by_day_and_width(port: RisingPort) -> tuple[int, int, float, int, int]:
    return -port.day.toordinal(), -port.members, port.rise.usual - port.rise.sources, port.port, port.protocol


def _day(moment: datetime) -> date:
    return moment.astimezone(LONDON).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, LONDON)


def _whole(day: date) -> Span:
    return Span(_midnight(day), _midnight(day + timedelta(days=1)))


def _totals(store: EventStore, scope: Scope, span: Span) -> Totals:
    row = store.query("sums", scope, start=span.start, end=span.end)[0]
    names = ("total", "allowed", "blocked", "detected", "sources", "targets", "ports", "members")
    return Totals(*(row.number(name) for name in names))


def _held(store: EventStore, scope: Scope, span: Span, minimum: int) -> dict[str, int]:
    """How many rows of each list are left out for too few members."""
    if not minimum:
        return {}
    rows = store.query("network_withheld", scope, start=span.start, end=span.end, least_members=minimum)
    return {row.text("list"): row.number("held") for row in rows}


def _shown(totals: Totals, minimum: int) -> Totals | None:
    return None if totals.members < minimum else totals


def _days(store: EventStore, scope: Scope, span: Span) -> list[DayFigure]:
    names = ("total", "allowed", "blocked", "detected", "members")
    rows = store.query("totals_by_day", scope, start=span.start, end=span.end)
    return [DayFigure(row.day("day"), *(row.number(name) for name in names)) for row in rows]


def _places(store: EventStore, scope: Scope, span: Span, kind: str) -> list[PlaceFigure]:
    query = f"totals_by_{kind}"
    before = {
        row.text(kind): row.number("total")
        for row in store.query(query, scope, start=span.previous.start, end=span.previous.end)
    }
    return [
        PlaceFigure(
            row.text(kind),
            row.text("region"),
            row.number("total"),
            before.get(row.text(kind), 0),
            row.number("allowed"),
            row.number("sources"),
            row.number("members"),
        )
        for row in store.query(query, scope, start=span.start, end=span.end)
    ]


def _forces(
    store: EventStore, scope: Scope, span: Span, regions: Sequence[PlaceFigure], minimum: int
) -> tuple[tuple[PlaceFigure, ...], int]:
    """Forces of shown regions, withheld region by region, since each region's total is shown beside them."""
    everywhere = _places(store, scope, span, "force")
    shown: list[PlaceFigure] = []
    for region in regions:
        kept, _ = parts([force for force in everywhere if force.region == region.code], minimum)
        shown.extend(kept)
    return tuple(shown), len(everywhere) - len(shown)


def _port(row: Row) -> PortFigure:
    port = row["dst_port"]
    names = ("protocol", "total", "allowed", "blocked", "sources", "members", "capped")
    return PortFigure(port if isinstance(port, int) else None, *(row.number(name) for name in names))


def _shared_sources(store: EventStore, scope: Scope, span: Span, least: int, rows: int) -> tuple[SourceFigure, ...]:
    """Sources that at least so many members saw; one member's own are for its own report."""
    found = store.query(
        "top_sources", scope, start=span.start, end=span.end, least_members=least, widest_first=1, limit=rows
    )
    return tuple(_source(row) for row in found)


def _source(row: Row) -> SourceFigure:
    return SourceFigure(
        address=row.text("src_ip"),
        members=row.number("members"),
        forces=row.number("forces"),
        total=row.number("total"),
        established=row.number("established"),
        ports=row.number("ports"),
        first=row.time("first"),
        last=row.time("last_seen"),
    )


def _signature(row: Row) -> SignatureFigure:
    return SignatureFigure(
        signature=row.text("signature") or row.text("signature_id"),
        category=row.text("category"),
        severity=row.number("top_severity"),
        total=row.number("total"),
        sources=row.number("sources"),
        members=row.number("members"),
        capped=row.number("capped"),
        cves=row.texts("cves"),
    )


def _named(row: Row, name: str) -> NamedFigure:
    return NamedFigure(row.text(name), row.number("total"), row.number("members"), row.number("capped"))
