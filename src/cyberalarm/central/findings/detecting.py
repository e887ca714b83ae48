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

from .compiling import ONLY, compiled
from .evidence import MOST_EXAMPLES, Evidence, Reporter
from .rule import Kind, Rule, RuleLevel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cyberalarm.central.events.rows import Row
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.core.places import Scope

# Groups of one member (or of the network) that a rule lists one by one in a run. Beyond that, one finding counts them all: nobody
# reads more, and whoever can forge packets could make any number.
MOST_OF_A_MEMBER = 200
MOST_OF_THE_NETWORK = 1000
# Episodes whose figures are asked for in one query.
_FIGURES_AT_ONCE = 2000


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
class Flood:
    """All groups of a member that had more than can be listed: their window (ms), first and last event, and lines.

    Lines are those of each group's busiest window: at least as many were there.
    """

    who: int
    groups: int
    window: tuple[int, int]
    first: datetime
    last: datetime
    lines: int
    blocked: int


@dataclass(frozen=True, slots=True)
class Found:
    """Where a rule fired, and whose groups were too many to list."""

    hits: tuple[Hit, ...]
    floods: tuple[Flood, ...] = ()


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
    """Where the rule fires on events of the span, over all members of the scope."""
    return list(look(store, rule, scope, span).hits)


def look(store: EventStore, rule: Rule, scope: Scope, span: Span, members: Sequence[int] | None = None) -> Found:
    """Where the rule fires on events of the span; with `members`, on those members' within the scope."""
    if rule.kind is Kind.RISING:
        return _rising(store, rule, scope, span)
    half = half_window_ms(rule)
    wide = reach(rule, span)
    made = compiled(rule, only_members=members is not None)
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
        most=_most(rule),
        **made.values,
        **_only(members),
    )
    found = tuple(
        Hit(
            Group(row.number("who"), row.text("key"), row.texts("parts")),
            tuple((slot * half, (slot + 2) * half) for slot in row.numbers("slots")),
        )
        for row in rows
    )
    floods = {row.number("who"): _flood(row, half) for row in rows if row.number("all_groups") > _most(rule)}
    return Found(found, tuple(floods.values()))


def _most(rule: Rule) -> int:
    return MOST_OF_A_MEMBER if rule.level is RuleLevel.MEMBER else MOST_OF_THE_NETWORK


def _only(members: Sequence[int] | None) -> dict[str, list[int]]:
    return {} if members is None else {ONLY: list(members)}


def _flood(row: Row, half: int) -> Flood:
    first, last = row.numbers("all_slots")
    return Flood(
        who=row.number("who"),
        groups=row.number("all_groups"),
        window=(first * half, (last + 2) * half),
        first=row.time("all_first"),
        last=row.time("all_last"),
        lines=row.number("all_lines"),
        blocked=row.number("all_blocked"),
    )


def _rising(store: EventStore, rule: Rule, scope: Scope, span: Span) -> Found:
    rises = rising_ports(
        store,
        scope,
        span,
        least_sources=rule.threshold.distinct,
        least_members=rule.threshold.members,
    )
    found: dict[Group, list[tuple[int, int]]] = {}
    widest = sorted(rises, key=lambda r: -r.members)
    for rise in widest:
        parts = (str(rise.port), str(rise.protocol))
        # As the engine writes an array of texts; the figures are looked up by it.
        group = Group(0, f"['{parts[0]}','{parts[1]}']", parts)
        found.setdefault(group, []).append((to_ms(rise.span.start), to_ms(rise.span.end)))
    listed = tuple(Hit(group, tuple(windows)) for group, windows in found.items())
    if len(listed) <= MOST_OF_THE_NETWORK:
        return Found(listed)
    lines, spans = sum(r.total for r in rises), [r.span for r in rises]
    first, last = min(s.start for s in spans), max(s.end for s in spans)
    flood = Flood(0, len(listed), (to_ms(first), to_ms(last)), first, last, lines, 0)
    return Found(listed[:MOST_OF_THE_NETWORK], (flood,))


def figures(store: EventStore, rule: Rule, scope: Scope, wanted: list[tuple[Group, int, int]]) -> list[Figures | None]:
    """Exact figures of each (group, start, end in ms), in their order;

    None where nothing matches any more.
    """
    found: list[Figures | None] = []
    for at in range(0, len(wanted), _FIGURES_AT_ONCE):
        found += _some_figures(store, rule, scope, wanted[at : at + _FIGURES_AT_ONCE])
    return found


def _some_figures(
    store: EventStore, rule: Rule, scope: Scope, wanted: list[tuple[Group, int, int]]
) -> list[Figures | None]:
    members = sorted({group.who for group, _, _ in wanted}) if rule.level is RuleLevel.MEMBER else None
    made = compiled(rule, only_members=members is not None)
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
        **_only(members),
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
