"""No query sees beyond its scope: within one it answers what it answers nationally on those rows alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings

from cyberalarm.central.events import queries
from cyberalarm.central.findings.compiling import ONLY, compiled
from cyberalarm.central.findings.rules_folder import rules
from cyberalarm.core.places import Level, Scope, forces
from tests.events.event_rows import FORCE_OF, GIVEN, START, Given, emptied, table

if TYPE_CHECKING:
    from cyberalarm.central.events.store import EventStore, Parameter

SCOPES = (
    Scope.of_member(1),
    Scope.of_force("kent"),
    Scope.of_region("north-east"),
    Scope.of_force("cheshire"),
    Scope.of_member(77),
)


def covers(scope: Scope, member: int) -> bool:
    """Scope as the words say it, written apart from the store's own conditions."""
    force = FORCE_OF[member]
    return {
        Level.MEMBER: scope.member == member,
        Level.FORCE: scope.code == force,
        Level.REGION: scope.code == forces()[force].region,
        Level.NATIONAL: True,
    }[scope.level]


def a_value(name: str, kind: str) -> Parameter:
    """Something lawful for a query's parameter."""
    if kind.startswith("DateTime64"):
        return START + timedelta(days=10) if name == "end" else START - timedelta(days=1)
    if kind == "IPv6":
        return "198.18.0.1"
    if kind == "Array(IPv6)":
        return ["198.18.0.1", "2001:db8::7"]
    if kind.startswith("Array(UInt16"):
        return [22, 3389]
    if kind.startswith("UInt"):
        return 1 if name.startswith("least") else 50
    if kind == "Array(String)":
        return ["198.18.0.1"]
    if kind == "String":
        return ""
    raise AssertionError(f"{name}: {kind} is new: say here what is lawful for it")


def all_queries() -> list[tuple[queries.Query, dict[str, Parameter]]]:
    found = []
    for name in queries.names():
        query = queries.load(name)
        values = {p: a_value(p, kind) for p, kind in query.parameters.items()}
        found.append((query, values))
        if of_days := queries.load_of_days(name):
            found.append((replace(of_days, name=f"days/{name}"), values))
    for rule in rules().values():
        made, of_some = compiled(rule), compiled(rule, only_members=True)
        own: dict[str, Parameter] = {"half": 1_800_000, "start": START, "end": START + timedelta(days=10)}
        own |= {"most": 100, "least_tries": 1, "least_distinct": 0, "least_members": 0, "least_hours": 0}
        found.append((made.hits, {**own, **made.values}))
        found.append((replace(of_some.hits, name=f"{made.hits.name}_only"), {**own, **made.values, ONLY: [1, 3, 77]}))
    return found


def fill(store: EventStore, rows: list[Given]) -> None:
    emptied(store)
    if rows:
        store.insert(table(rows))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=GIVEN)
def test_a_query_counts_only_rows_in_its_scope(store: EventStore, rows: list[Given]) -> None:
    asked = all_queries()
    fill(store, rows)
    within = {(scope, query.name): store.run(query, scope, **values) for scope in SCOPES for query, values in asked}
    for scope in SCOPES:
        fill(store, [row for row in rows if covers(scope, row.member)])
        for query, values in asked:
            alone = store.run(query, Scope.national(), **values)
            assert within[scope, query.name] == alone, f"{query.name} within {scope.name}"


def test_there_is_something_to_leak(empty: EventStore) -> None:
    """Guards the test above: nationally, the same rows are seen."""
    event = {"time": START, "src_ip": "198.18.0.1", "direction": "inbound", "count": 3}
    empty.insert(table([Given(1, {**event}), Given(3, {**event})]))
    period = {"start": START, "end": START + timedelta(days=1)}

    def total(scope: Scope) -> int:
        return empty.query("sums", scope, **period)[0].number("total")

    assert [total(s) for s in (Scope.national(), *SCOPES)] == [6, 3, 3, 3, 0, 0]


def test_times_keep_their_milliseconds_and_zone(empty: EventStore) -> None:
    moment = START + timedelta(milliseconds=7)
    empty.insert(table([Given(1, {"time": moment})]))
    exact = {"start": moment, "end": moment + timedelta(milliseconds=1)}
    row = empty.query("sums", Scope.of_member(1), **exact)[0]
    assert row.number("total") == 1
    assert row.time("first") == moment
    assert row.time("first").utcoffset() == timedelta(0)
    elsewhere = datetime.fromisoformat("2026-11-02T05:30:00.008+05:30")
    later = {"start": elsewhere, "end": elsewhere + timedelta(hours=1)}
    assert empty.query("sums", Scope.of_member(1), **later)[0].number("total") == 0
