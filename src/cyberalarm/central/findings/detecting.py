"""Asks the event store which groups a rule fires on, and what their episodes consist of. Reads only.

What it does not do: remember anything (`services` does), or decide what belongs to one episode (`episodes`
does).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from cyberalarm.central.events.spans import Span, from_ms, to_ms
from cyberalarm.central.trends.services import rising_ports
from cyberalarm.core.schema import FieldType, event_schema

from .compiling import compiled
from .evidence import MOST_EXAMPLES, Evidence, Reporter
from .rule import Kind, Rule

if TYPE_CHECKING:
    from datetime import datetime

    from cyberalarm.central.events.rows import Row
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.core.places import Scope

# Groups that one rule may fire on in one run. Beyond that the rule says nothing useful; the run tells that it
# was cut.
MOST_GROUPS = 10_000


@dataclass(frozen=True, slots=True)
class Group:
    """What a rule groups by: `who` is a member's id, 0 for the network;

    `key` tells groups apart in the store.
    """

    who: int
    key: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A group and the windows (start, end in ms) in which it passed the rule's thresholds."""

    group: Group
    windows: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Figures:
    first: datetime
    last: datetime
    evidence: Evidence


def half_window_ms(rule: Rule) -> int:
    return int(rule.window.total_seconds() * 1000) // 2


def reach(rule: Rule, span: Span) -> Span:
    """The span with every window that touches it in full; windows overlap by half."""
    half = half_window_ms(rule)
    first, last = to_ms(span.start) // half - 1, to_ms(span.end) // half + 2
    return Span(from_ms(first * half), from_ms(last * half))


def hits(store: EventStore, rule: Rule, scope: Scope, span: Span) -> list[Hit]:
    """Where the rule fires on events of the span."""
    if rule.kind is Kind.RISING:
        return _rising_hits(store, rule, scope, span)
    half = half_window_ms(rule)
    wide = reach(rule, span)
    made = compiled(rule)
    rows = store.run(
        made.hits,
        scope,
        start=wide.start,
        end=wide.end,
        half=half,
        least_tries=rule.threshold.tries,
        least_distinct=rule.threshold.distinct,
        least_members=rule.threshold.members,
        least_hours=rule.threshold.hours,
        most=MOST_GROUPS,
        **made.values,
    )
    return [
        Hit(
            Group(row.number("who"), row.text("key"), row.texts("parts")),
            tuple((slot * half, (slot + 2) * half) for slot in row.numbers("slots")),
        )
        for row in rows
    ]


def _rising_hits(store: EventStore, rule: Rule, scope: Scope, span: Span) -> list[Hit]:
    rises = rising_ports(
        store,
        scope,
        span,
        least_sources=rule.threshold.distinct,
        least_members=rule.threshold.members,
    )
    found: dict[Group, list[tuple[int, int]]] = {}
    for rise in rises:
        parts = (str(rise.port), str(rise.protocol))
        # As the engine writes an array of texts; the figures are looked up by it.
        group = Group(0, f"['{parts[0]}','{parts[1]}']", parts)
        found.setdefault(group, []).append((to_ms(rise.span.start), to_ms(rise.span.end)))
    return [Hit(group, tuple(windows)) for group, windows in found.items()]


def figures(store: EventStore, rule: Rule, scope: Scope, wanted: list[tuple[Group, int, int]]) -> list[Figures | None]:
    """Exact figures of each (group, start, end in ms), in their order;

    None where nothing matches any more.
    """
    if not wanted:
        return []
    made = compiled(rule)
    rows = store.run(
        made.figures,
        scope,
        start=from_ms(min(start for _, start, _ in wanted)),
        end=from_ms(max(end for _, _, end in wanted)),
        whos=[group.who for group, _, _ in wanted],
        keys=[group.key for group, _, _ in wanted],
        starts=[start for _, start, _ in wanted],
        ends=[end for _, _, end in wanted],
        examples=MOST_EXAMPLES,
        **made.values,
    )
    found = {row.number("episode"): _figures(rule, row) for row in rows}
    return [found.get(at) for at in range(1, len(wanted) + 1)]


def _figures(rule: Rule, row: Row) -> Figures:
    return Figures(
        row.time("first"),
        row.time("last_seen"),
        Evidence(
            tries=row.number("tries"),
            distinct=row.number("distinct_values") if rule.distinct else 0,
            members=row.number("members"),
            forces=row.number("forces"),
            blocked=row.number("blocked"),
            allowed=row.number("allowed"),
            detected=row.number("detected"),
            established=row.number("established"),
            bytes_in=row.number("bytes_in"),
            source_count=row.number("source_count"),
            target_count=row.number("target_count"),
            port_count=row.number("port_count"),
            sources=row.texts("sources"),
            targets=row.texts("targets"),
            ports=row.numbers("ports"),
            signatures=row.texts("signatures"),
            cves=row.texts("cves"),
            threats=row.texts("threats"),
            reporters=tuple(
                Reporter(product, device)
                for product, device in zip(row.texts("products"), row.texts("devices"), strict=True)
            ),
        ),
    )


def shown(rule: Rule, group: Group) -> dict[str, str]:
    """The group's values by field, as people read them: IPv4 addresses as such."""
    values = dict(zip(rule.group_by, group.parts, strict=True))
    for field, value in values.items():
        if event_schema().field(field).type is FieldType.ADDRESS:
            address = ip_address(value)
            mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
            values[field] = str(mapped or address)
    return values
