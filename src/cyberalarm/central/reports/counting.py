"""Asks the event store a report's questions, and gives the answers as figures.

Every function takes the scope and the period. Nothing is cached, and nothing is worded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.central.reports.figures import (
    Bundle,
    Country,
    Day,
    Detection,
    Kind,
    LetIn,
    Origins,
    PortKey,
    PortTried,
    Source,
    Target,
    Threat,
    Totals,
    Tries,
)
from cyberalarm.central.reports.places import HOME, UNKNOWN, Places, is_private
from cyberalarm.core import addresses
from cyberalarm.core.ports import risky_ports

if TYPE_CHECKING:
    from cyberalarm.central.events.rows import Row
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.reports.period import Period
    from cyberalarm.core.places import Scope

# Rows that a report's CSV files hold at most; what is printed is shorter (see member_document).
MOST_ROWS = 1000
# Addresses that are looked up for the split by country. Beyond it, the least busy count as "country not
# known".
MOST_ADDRESSES = 50_000
# How `top_sources.sql` writes "no port".
_NO_PORT = 65536


@dataclass(frozen=True, slots=True)
class Counting:
    """One report's questions: a store, a scope and a period."""

    store: EventStore
    scope: Scope
    period: Period

    def _ask(self, name: str, **parameters: int | list[int]) -> list[Row]:
        return self.store.query(name, self.scope, start=self.period.start, end=self.period.end, **parameters)

    def totals(self) -> Totals:
        row = self._ask("sums")[0]
        return Totals(
            tries=tries(row),
            sources=row.number("sources"),
            targets=row.number("targets"),
            ports=row.number("ports"),
            members=row.number("members"),
            let_in=self._ask("let_in_total", risky=sorted(risky_ports()))[0].number("total"),
        )

    def days(self) -> tuple[Day, ...]:
        """Every day of the period in order, those without events too."""
        found = {r.day("day"): Day(r.day("day"), tries(r), r.number("members")) for r in self._ask("totals_by_day")}
        return tuple(found.get(day, Day(day, Tries())) for day in self.period.days)

    def origins(self, places: Places) -> Origins:
        classes = self._ask("totals_by_origin")[0]
        listed = self._ask("totals_by_source", limit=MOST_ADDRESSES)
        return place(
            [(addresses.pack(r.text("src_ip")), r.number("total")) for r in listed],
            places,
            placeable=classes.number("placeable"),
            own=classes.number("own"),
            no_address=classes.number("no_address"),
        )

    def sources(self, places: Places, *, widest_first: bool = False, limit: int = MOST_ROWS) -> tuple[Source, ...]:
        rows = self._ask("top_sources", least_members=1, widest_first=int(widest_first), limit=limit)
        return tuple(_source(row, places) for row in rows)

    def shared_sources(self, least_members: int) -> int:
        """How many sources at least so many members saw."""
        return self._ask("shared_sources", least_members=least_members)[0].number("sources")

    def ports(self, limit: int = MOST_ROWS, *, widest_first: bool = False) -> tuple[PortTried, ...]:
        """Busiest first, or what most members saw: then no member alone decides what is listed."""
        rows = (
            self._ask("network_ports", least_members=1, limit=limit)
            if widest_first
            else self._ask("top_ports", limit=limit)
        )
        return tuple(PortTried(_port(r), tries(r), r.number("sources"), r.number("members")) for r in rows)

    def targets(self) -> tuple[Target, ...]:
        return tuple(
            Target(r.text("dst_ip"), tries(r), r.number("sources"), r.number("ports"))
            for r in self._ask("top_targets", limit=MOST_ROWS)
        )

    def let_in(self) -> tuple[LetIn, ...]:
        return tuple(
            LetIn(
                address=r.text("dst_ip"),
                key=_port(r),
                count=r.number("total"),
                sources=r.number("sources"),
                established=r.number("established"),
                first=r.time("first"),
                last=r.time("last_seen"),
            )
            for r in self._ask("let_in", risky=sorted(risky_ports()), limit=MOST_ROWS)
        )

    def kinds(self) -> tuple[Kind, ...]:
        return tuple(
            Kind(r.text("sensor"), r.text("category"), tries(r), r.number("sources"))
            for r in self._ask("totals_by_kind")
        )

    def detections(self, limit: int = MOST_ROWS, *, widest_first: bool = False) -> tuple[Detection, ...]:
        """The most severe first, or what most members saw."""
        rows = (
            self._ask("network_signatures", least_members=1, limit=limit)
            if widest_first
            else self._ask("top_signatures", limit=limit)
        )
        return tuple(
            Detection(
                signature_id=r.text("signature_id"),
                signature=r.text("signature"),
                category=r.text("category"),
                severity=r.number("top_severity"),
                cves=r.texts("cves"),
                tries=tries(r),
                sources=r.number("sources"),
                first=r.time("first"),
                last=r.time("last_seen"),
                members=r.number("members"),
            )
            for r in rows
        )

    def threats(self) -> tuple[Threat, ...]:
        return tuple(
            Threat(
                sensor=r.text("sensor"),
                threat=r.text("threat"),
                sender_domain=r.text("domain"),
                count=r.number("total"),
                sources=r.number("sources"),
                first=r.time("first"),
                last=r.time("last_seen"),
            )
            for r in self._ask("threats_by_domain", limit=MOST_ROWS)
        )

    def forces(self) -> tuple[tuple[str, int, int, int], ...]:
        """Force code, members, events and sources, most events first."""
        return tuple(
            (r.text("force"), r.number("members"), r.number("total"), r.number("sources"))
            for r in self._ask("totals_by_force")
        )

    def bundles(self) -> tuple[Bundle, ...]:
        """Every bundle that events of the period came in."""
        return tuple(Bundle(r.number("collector"), r.number("sequence"), r.days("days")) for r in self._ask("bundles"))


def tries(row: Row) -> Tries:
    return Tries(
        blocked=row.number("blocked"),
        allowed=row.number("allowed"),
        detected=row.number("detected"),
        unknown=row.number("unknown"),
    )


def place(listed: list[tuple[bytes, int]], places: Places, *, placeable: int, own: int, no_address: int) -> Origins:
    """Split events by country. `placeable` counts all that have an outside address, listed or not."""
    by_country: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    private = 0
    for raw, count in listed:
        if is_private(raw):
            private += count
            continue
        code = places.country(raw)
        by_country[code] += count
        sources[code] += 1
    unplaced = by_country.pop(UNKNOWN, 0) + placeable - sum(count for _, count in listed)
    countries = sorted(by_country.items(), key=lambda item: (-item[1], item[0]))
    inside = by_country.get(HOME, 0)
    return Origins(
        inside=inside,
        outside=sum(by_country.values()) - inside,
        unplaced=unplaced,
        private=private,
        no_address=no_address,
        own=own,
        countries=tuple(Country(code, count, sources[code]) for code, count in countries),
    )


def _port(row: Row) -> PortKey:
    port = row["dst_port"]
    return PortKey(port if isinstance(port, int) else None, row.number("protocol"))


def _source(row: Row, places: Places) -> Source:
    address = row.text("src_ip")
    evidence = "unknown"
    if row.number("established"):
        evidence = "established"
    elif row.number("one_way"):
        evidence = "one_way"
    return Source(
        address=address,
        country=places.country(addresses.pack(address)),
        tries=tries(row),
        ports=row.number("ports"),
        top_ports=tuple(_port_key(pair) for pair in _pairs(row["top_ports"])),
        targets=row.number("targets"),
        first=row.time("first"),
        last=row.time("last_seen"),
        evidence=evidence,
        members=row.number("members"),
        forces=row.number("forces"),
    )


def _pairs(value: object) -> list[int]:
    """The keys of [(events, key), …]."""
    if not isinstance(value, tuple):
        raise TypeError("top_ports is not a list")
    return [pair[1] for pair in value if isinstance(pair, tuple)]


def _port_key(key: int) -> PortKey:
    port, protocol = divmod(key, 256)
    return PortKey(None if port == _NO_PORT else port, protocol)
