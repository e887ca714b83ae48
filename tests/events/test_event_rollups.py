"""What is asked about whole days is answered from the rollups, and is what the events themselves would answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cyberalarm.central.events import queries
from cyberalarm.central.events.errors import QueryFileError
from cyberalarm.core.places import Scope
from tests.events.event_rows import GIVEN, START, Given, emptied, table, totals
from tests.events.test_event_scope import SCOPES, a_value

if TYPE_CHECKING:
    from cyberalarm.central.events.rows import Row, Value
    from cyberalarm.central.events.store import EventStore

LONDON = ZoneInfo("Europe/London")
ROLLED = tuple(name for name in queries.names() if queries.load_of_days(name))
# Rows over four days from here: one with events in winter, one over the hour that is there twice.
WINTER, AUTUMN = START, datetime(2026, 10, 24, tzinfo=LONDON)


def midnight(first: datetime, day: int) -> datetime:
    return datetime.combine(first.astimezone(LONDON).date() + timedelta(days=day), datetime.min.time(), LONDON)


def figures(rows: list[Row], query: queries.Query) -> list[tuple[Value, ...]]:
    return [tuple(row[name] for name in query.returns) for row in rows]


def moved(rows: list[Given], to: datetime) -> list[Given]:
    """The same rows at another time of the year."""
    by = to - START
    return [Given(row.member, {**row.event, "time": row.event["time"] + by}) for row in rows]  # type: ignore[operator]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=GIVEN, first=st.sampled_from([WINTER, AUTUMN]), days=st.tuples(st.integers(-1, 2), st.integers(3, 5)))
def test_rollups_answer_what_events_would(
    store: EventStore, rows: list[Given], first: datetime, days: tuple[int, int]
) -> None:
    emptied(store)
    given = moved(rows, first)
    for some in (given[::2], given[1::2]):
        if some:
            store.insert(table(some))  # the rollups' rows of one day and source lie in two parts, merged or not
    period = {"start": midnight(first, days[0]), "end": midnight(first, days[1])}
    for name in ROLLED:
        raw, rolled = queries.load(name), queries.load_of_days(name)
        assert rolled is not None
        values = {p: a_value(p, kind) for p, kind in raw.parameters.items()} | period
        for scope in (Scope.national(), *SCOPES):
            expected = figures(store.run(raw, scope, **values), raw)
            assert figures(store.run(rolled, scope, **values), raw) == expected, f"{name} within {scope.name}"


def test_rows_that_differ_in_one_thing_are_told_apart(empty: EventStore) -> None:
    """Guards the test above: there is something in most answers."""
    event = {"time": START, "src_ip": "198.18.0.1", "dst_ip": "203.0.113.1", "dst_port": 3389, "protocol": 6}
    event |= {"sensor": "ids", "direction": "inbound", "action": "allowed", "signature": "x", "cve": ["CVE-2024-1"]}
    event |= {"evidence": "established", "category": "exploit"}
    spam = {"time": START, "sensor": "antispam", "threat": "t", "action": "detected"}
    empty.insert(table([Given(1, {**event}), Given(3, {**event}), Given(3, {**spam})]))
    period = {"start": midnight(START, 0), "end": midnight(START, 1)}
    for name in ROLLED:
        kinds = queries.load(name).parameters
        assert empty.query(name, Scope.national(), **{p: a_value(p, k) for p, k in kinds.items()} | period), name


@pytest.mark.parametrize(
    ("start", "end", "from_rollups"),
    [
        (midnight(WINTER, 0), midnight(WINTER, 1), True),
        (midnight(AUTUMN, 0), midnight(AUTUMN, 2), True),
        (midnight(WINTER, 0), midnight(WINTER, 1) + timedelta(hours=1), False),
        (midnight(WINTER, 0) + timedelta(milliseconds=1), midnight(WINTER, 1), False),
        (datetime(2026, 7, 1, tzinfo=ZoneInfo("UTC")), datetime(2026, 7, 2, tzinfo=ZoneInfo("UTC")), False),
        (datetime(2000, 1, 1, tzinfo=ZoneInfo("UTC")), datetime(2200, 1, 1, tzinfo=ZoneInfo("UTC")), False),
    ],
)
def test_only_whole_days_of_uk_time_are_asked_of_the_rollups(
    start: datetime, end: datetime, from_rollups: bool
) -> None:
    assert ("source_days" in queries.fitting("sums", {"start": start, "end": end}).sql) is from_rollups


def test_the_period_is_the_events_own_off_the_day(empty: EventStore) -> None:
    empty.insert(table([Given(1, {"time": START + timedelta(hours=hour)}) for hour in range(48)]))
    asked = {"start": START + timedelta(hours=5), "end": START + timedelta(hours=29)}
    assert empty.query("sums", Scope.of_member(1), **asked)[0].number("total") == 24


def test_a_rollup_s_query_is_held_to_the_same_rules() -> None:
    with pytest.raises(QueryFileError):
        queries.parse("x", "-- x\n-- returns: n\nselect count() as n from source_days where day > 1")
    with pytest.raises(QueryFileError):
        queries.parse("x", "-- x\n-- returns: n\nselect count() as n from source_days where {scope} or 1")


def test_a_token_counts_once_in_every_rollup(empty: EventStore) -> None:
    rows = table([Given(m, {"time": START, "count": 3, "src_ip": f"198.18.0.{n}"}) for m in (1, 3) for n in range(9)])
    for _ in range(3):
        empty.insert(rows, token="same")
        assert totals(empty) == [54] * 4
    with empty._client() as client:
        client.command("truncate table total_days")  # as if the first attempt had not reached it
    empty.insert(rows, token="same")
    assert totals(empty) == [54] * 4
