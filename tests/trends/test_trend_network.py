"""Network trends on a real event store, checked against straight counts over the same rows."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from cyberalarm.central.events.arrow import FieldValue, Origin, table_of, with_origin
from cyberalarm.central.events.spans import Span
from cyberalarm.central.trends.rising import Basis
from cyberalarm.central.trends.services import network_trend, rising_ports
from cyberalarm.core.places import Scope, forces

if TYPE_CHECKING:
    from cyberalarm.central.events.store import EventStore

# A Monday in winter, when days of UK time are days of UTC.
START = datetime(2026, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = Span(START, START + 7 * DAY)
NATIONAL = Scope.national()
FORCE_OF = {1: "kent", 2: "kent", 3: "kent", 4: "cleveland", 5: "durham", 6: "cheshire"}


def insert(store: EventStore, member: int, rows: list[dict[str, FieldValue]]) -> None:
    force = FORCE_OF[member]
    origin = Origin(member, member, 1, force, forces()[force].region, START)
    store.insert(with_origin(table_of(rows), origin))


def a_week(rng: random.Random, member: int, start: datetime, count: int) -> list[dict[str, FieldValue]]:
    rows = []
    for _ in range(count):
        event: dict[str, FieldValue] = {"time": start + rng.random() * 7 * DAY, "count": rng.randrange(1, 9)}
        event |= {"direction": "inbound", "action": rng.choice(["blocked", "allowed"])}
        event |= {"src_ip": f"198.18.{rng.randrange(3)}.{rng.randrange(20)}", "dst_ip": f"203.0.113.{member}"}
        event |= {"dst_port": rng.choice([22, 445, 3389]), "protocol": 6}
        if rng.random() < 0.3:
            event |= {"sensor": "ids", "action": "detected", "signature": f"s{member % 2}"}
            event |= {"cve": ["CVE-2021-44228"]}
        elif rng.random() < 0.2:
            event |= {"sensor": "antivirus", "action": "detected", "threat": f"t{member}", "dst_port": None}
        rows.append(event)
    return rows


@pytest.fixture
def weeks(store: EventStore) -> dict[int, list[dict[str, FieldValue]]]:
    """Two weeks of random rows: the second is `WEEK`; gives the second's rows by member."""
    rng = random.Random(5)
    this = {m: a_week(rng, m, START, 60) for m in FORCE_OF}
    for member, rows in this.items():
        insert(store, member, a_week(rng, member, START - 7 * DAY, 30) + rows)
    return this


def lines(rows: list[dict[str, FieldValue]]) -> int:
    return sum(int(str(row["count"])) for row in rows)


def test_figures_equal_straight_counts(store: EventStore, weeks: dict[int, list[dict[str, FieldValue]]]) -> None:
    trend = network_trend(store, NATIONAL, WEEK)
    rows = [row for listed in weeks.values() for row in listed]
    assert trend.totals
    assert trend.previous
    assert trend.totals.total == lines(rows) == sum(d.total for d in trend.days)
    assert trend.totals.members == 6
    assert trend.totals.sources == len({row["src_ip"] for row in rows})
    assert {f.code: f.total for f in trend.forces} == {
        force: sum(lines(weeks[m]) for m, f in FORCE_OF.items() if f == force) for force in set(FORCE_OF.values())
    }
    assert sum(r.total for r in trend.regions) == trend.totals.total
    assert sum(r.previous for r in trend.regions) == trend.previous.total
    ports = Counter()
    for row in rows:
        if row.get("sensor") != "antivirus":
            ports[row["dst_port"]] += int(str(row["count"]))
    assert {p.port: p.total for p in trend.ports} == ports
    seen: dict[FieldValue, set[int]] = {}
    for member, listed in weeks.items():
        for row in listed:
            seen.setdefault(row["src_ip"], set()).add(member)
    for source in trend.sources:
        assert source.members == len(seen[source.address])
    assert trend.sources[0].members == max(len(s) for s in seen.values())
    assert trend.cves[0].total == lines([r for r in rows if r.get("cve")])
    assert trend.withheld.rows == 0


def test_a_force_s_trend_is_about_its_members(store: EventStore, weeks: dict[int, list[dict[str, FieldValue]]]) -> None:
    trend = network_trend(store, Scope.of_force("kent"), WEEK)
    assert trend.totals
    assert trend.totals.total == sum(lines(weeks[m]) for m in (1, 2, 3))
    assert [f.code for f in trend.forces] == ["kent"]


def test_the_members_edition_shows_nothing_that_rests_on_few(
    store: EventStore, weeks: dict[int, list[dict[str, FieldValue]]]
) -> None:
    trend = network_trend(store, NATIONAL, WEEK, minimum_members=3)
    assert trend.totals
    for table in (trend.days, trend.regions, trend.forces, trend.ports, trend.sources, trend.signatures):
        assert all(row.members >= 3 for row in table)
    assert [f.code for f in trend.forces] == ["kent"]
    assert trend.withheld.forces == 3
    assert trend.withheld.threats == 6
    assert not trend.threats
    # Cleveland and Durham make three members with Cheshire; the north east alone has two.
    hidden = trend.totals.members - sum(r.members for r in trend.regions)
    assert hidden == 0 or hidden >= 3


def test_a_small_network_s_members_edition_shows_nothing(store: EventStore) -> None:
    insert(store, 1, [{"time": START, "src_ip": "198.18.0.1", "direction": "inbound", "dst_port": 22}])
    trend = network_trend(store, NATIONAL, WEEK, minimum_members=3)
    assert trend.totals is None
    assert trend.withheld.totals
    tables = (trend.days, trend.forces, trend.regions, trend.ports, trend.sources, trend.signatures)
    assert not any(tables)


def test_nothing_at_all(store: EventStore) -> None:
    trend = network_trend(store, NATIONAL, WEEK)
    assert trend.totals
    assert trend.totals.total == 0
    assert trend.days == trend.rising == trend.sources == ()


def daily(store: EventStore, counts: list[int], port: int, member: int = 1) -> None:
    """So many sources on each day up to the last day of `WEEK`."""
    rows: list[dict[str, FieldValue]] = []
    for back, count in enumerate(reversed(counts)):
        noon = START + timedelta(days=6 - back, hours=12)
        for at in range(count):
            event: dict[str, FieldValue] = {"time": noon, "direction": "inbound", "dst_port": port}
            rows.append({**event, "protocol": 6, "src_ip": f"198.19.{at // 250}.{at % 250}"})
    insert(store, member, rows)


def test_a_port_rises_by_the_published_rule_when_there_is_a_month(store: EventStore) -> None:
    daily(store, [20, 24] * 14 + [90], 8291)
    daily(store, [90] * 29, 445)
    (risen,) = rising_ports(store, NATIONAL, WEEK)
    assert (risen.port, risen.day, risen.rise.sources) == (8291, (START + 6 * DAY).date(), 90)
    assert risen.rise.basis is Basis.HISTORY


def test_days_on_which_nobody_tried_a_port_count_as_none(store: EventStore) -> None:
    daily(store, [5] * 29, 445)
    daily(store, [25], 8291)
    (risen,) = rising_ports(store, NATIONAL, WEEK)
    assert (risen.port, risen.rise.usual, risen.rise.days) == (8291, 0, 28)


def test_a_port_rises_by_ratio_when_there_is_less_and_says_so(store: EventStore) -> None:
    daily(store, [20, 20, 20, 80], 8291)
    (risen,) = rising_ports(store, NATIONAL, WEEK)
    assert risen.rise.basis is Basis.RATIO
    assert rising_ports(store, Scope.of_force("cumbria"), WEEK) == []
    assert rising_ports(store, NATIONAL, WEEK, least_members=2) == []


def test_days_are_days_in_the_uk(store: EventStore) -> None:
    """Half past eleven in the evening UTC in summer is the next day's first hour in London."""
    late = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    table = table_of([{"time": late, "direction": "inbound", "src_ip": "198.18.0.1", "dst_port": 22}])
    origin = Origin(1, 1, 1, "kent", "south-east", late)
    store.insert(pa.concat_tables([with_origin(table, origin)]))
    trend = network_trend(store, NATIONAL, Span(late - DAY, late + DAY))
    assert [d.day.isoformat() for d in trend.days] == ["2026-07-02"]
