"""A member that lies rules neither the order nor the contents of what the network is said to see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cyberalarm.central.events.spans import Span
from cyberalarm.central.trends.services import network_trend
from cyberalarm.core.places import Scope
from tests.events.event_rows import emptied
from tests.trends.test_trend_network import FORCE_OF, insert

if TYPE_CHECKING:
    from cyberalarm.central.events.arrow import FieldValue
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.trends.figures import NetworkTrend

START = datetime(2026, 11, 2, tzinfo=UTC)
WEEK = Span(START, START + timedelta(days=7))
LIAR = 1
HONEST = [member for member in FORCE_OF if member != LIAR]
ROWS = 5
MINIMUM = 3
MOST = 2**32 - 1


def event(port: int, name: str, count: int, source: str = "198.18.0.1") -> dict[str, FieldValue]:
    fields: dict[str, FieldValue] = {
        "time": START,
        "count": count,
        "sensor": "ids",
        "action": "detected",
        "severity": 2,
    }
    fields |= {"direction": "inbound", "src_ip": source, "dst_ip": "203.0.113.7", "dst_port": port, "protocol": 6}
    return {**fields, "signature": f"sig {name}", "cve": [f"CVE-2027-{port:05d}"]}


def virus(name: str, count: int) -> dict[str, FieldValue]:
    return {"time": START, "count": count, "sensor": "antivirus", "action": "detected", "threat": name}


def lists(trend: NetworkTrend) -> dict[str, list[tuple[object, int, int]]]:
    return {
        "ports": [(p.port, p.members, p.capped) for p in trend.ports],
        "signatures": [(s.signature, s.members, s.capped) for s in trend.signatures],
        "cves": [(c.name, c.members, c.capped) for c in trend.cves],
        "threats": [(t.name, t.members, t.capped) for t in trend.threats],
        "sources": [(s.address, s.members, 0) for s in trend.sources],
    }


def trend_of(store: EventStore, scope: Scope, minimum: int) -> NetworkTrend:
    return network_trend(store, scope, WEEK, minimum_members=minimum, rows=ROWS)


def begin(store: EventStore, shared: dict[int, int]) -> None:
    """Every honest member saw the same, each as often as said."""
    emptied(store)
    for member in HONEST:
        rows = [event(port, str(port), count, f"198.18.1.{port % 250}") for port, count in shared.items()]
        insert(store, member, rows + [virus(f"Real.{port}", count) for port, count in shared.items()])


SHARED = st.dictionaries(st.integers(1, 200), st.integers(1, 1000), min_size=1, max_size=ROWS)
LIES = st.lists(st.tuples(st.integers(1, 400), st.integers(1, MOST)), max_size=40)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shared=SHARED, lies=LIES, invented=st.integers(0, 60))
def test_members_are_still_told_what_honest_members_share(
    store: EventStore, shared: dict[int, int], lies: list[tuple[int, int]], invented: int
) -> None:
    begin(store, shared)
    told = lists(trend_of(store, Scope.national(), MINIMUM))
    rows = [row for port, count in lies for row in (event(port, str(port), count), virus(f"Real.{port}", count))]
    rows += [event(10_000 + n, f"fake {n}", MOST, f"192.0.2.{n}") for n in range(invented)]
    rows += [virus(f"Fake {n}", MOST) for n in range(invented)]
    if rows:
        insert(store, LIAR, rows)
    for edition in (MINIMUM, 0):
        after = lists(trend_of(store, Scope.national(), edition))
        for name, rows_before in told.items():
            told_now = {row[0]: row for row in after[name]}
            assert {row[0] for row in rows_before} <= set(told_now), name
            for key, members, capped in rows_before:
                _, members_now, capped_now = told_now[key]
                assert members <= members_now <= members + 1
                assert capped_now <= capped + 10 * capped // len(HONEST)
            if edition:
                assert set(told_now) == {row[0] for row in rows_before} or name == "sources", name


def test_a_single_liar_tops_no_list_and_what_is_left_out_is_counted(store: EventStore) -> None:
    begin(store, {445: 1000, 3389: 500})
    insert(store, LIAR, [event(10_000 + n, f"fake {n}", MOST) for n in range(30)])
    members, police = trend_of(store, Scope.national(), MINIMUM), trend_of(store, Scope.national(), 0)
    assert [p.port for p in members.ports] == [445, 3389]
    assert [p.port for p in police.ports][:2] == [445, 3389]
    assert [c.name for c in police.cves][:2] == ["CVE-2027-00445", "CVE-2027-03389"]
    assert (members.withheld.ports, members.withheld.cves, members.withheld.signatures) == (30, 30, 30)
    assert police.withheld.rows == 0


def test_events_are_shown_as_counted_and_capped_beside_it(store: EventStore) -> None:
    """Five members with 7 each and one with all that a row can say: 5 * 7 + 10 * 7."""
    begin(store, {22: 7})
    insert(store, LIAR, [event(22, "22", MOST)])
    (port,) = trend_of(store, Scope.national(), MINIMUM).ports
    assert (port.total, port.capped, port.members) == (5 * 7 + MOST, 5 * 7 + 10 * 7, 6)


def test_a_member_alone_is_not_capped(store: EventStore) -> None:
    begin(store, {22: 7})
    (port,) = trend_of(store, Scope.of_force("durham"), 0).ports
    assert (port.total, port.capped, port.members) == (7, 7, 1)


def test_rising_ports_of_one_member_do_not_crowd_out_what_members_share(store: EventStore) -> None:
    noon = START + timedelta(days=6, hours=12)
    emptied(store)

    def sources(port: int, many: int) -> list[dict[str, FieldValue]]:
        return [{**event(port, "x", 1, f"198.19.{n // 250}.{n % 250}"), "time": noon} for n in range(many)]

    for member in HONEST:
        quiet = [{**event(443, "x", 1), "time": noon - timedelta(days=back)} for back in range(1, 6)]
        insert(store, member, quiet + sources(8291, 30))
    insert(store, LIAR, [row for n in range(ROWS + 3) for row in sources(20_000 + n, 200)])
    trend = trend_of(store, Scope.national(), MINIMUM)
    assert [r.port for r in trend.rising] == [8291]
    assert trend.withheld.rising == ROWS + 3
    assert trend_of(store, Scope.national(), 0).rising[0].port == 8291
