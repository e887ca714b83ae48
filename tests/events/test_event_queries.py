"""Query files obey their rules, and texts that would see beyond a scope are refused."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.central.events import queries
from cyberalarm.central.events.errors import QueryFileError, QueryParameterError
from cyberalarm.core.places import Scope
from cyberalarm.core.schema import event_schema
from tests.events.event_rows import START, Given, table
from tests.events.test_event_scope import a_value, all_queries

if TYPE_CHECKING:
    from cyberalarm.central.events.store import EventStore

HEADER = "-- What it is for.\n-- returns: n\n"
GOOD = HEADER + "select count() as n from events where {scope} and src_port = 1 group by member"


@pytest.mark.parametrize("name", queries.names())
def test_a_query_file_loads_and_answers_with_the_columns_it_names(name: str, store: EventStore) -> None:
    query = queries.load(name)
    assert query.meaning[0].isupper()
    every = {"time": START, "last": START, "direction": "inbound", "action": "allowed", "dst_port": 22}
    every |= {"src_ip": "198.18.0.1", "dst_ip": "203.0.113.1", "signature": "s", "cve": ["CVE-2021-44228"]}
    every |= {"threat": "t", "sender_domain": "mail.example", "evidence": "established", "category": "scan"}
    if not store.size()[0]:
        given_sensors = [(member, sensor) for member in (1, 2, 3) for sensor in SENSORS]
        store.insert(table([Given(member, {**every, "sensor": sensor}) for member, sensor in given_sensors]))
    rows = store.query(name, Scope.national(), **{p: a_value(p, t) for p, t in query.parameters.items()})
    for row in rows:  # columns that only serve the query itself may follow
        assert tuple(row)[: len(query.returns)] == query.returns
    assert rows


SENSORS = event_schema().field("sensor").values


def test_a_good_query_is_taken() -> None:
    assert queries.parse("good", GOOD).returns == ("n",)


@pytest.mark.parametrize(
    ("what", "sql"),
    [
        ("no scope", "select count() as n from events where src_port = 1"),
        ("scope in a comment", "select count() as n from events where 1 /* {scope} */"),
        ("scope in a text", "select count() as n from events where '{scope}' = ''"),
        ("or after the scope", "select count() as n from events where {scope} or 1"),
        ("or after an and", "select count() as n from events where {scope} and 0 or 1"),
        ("or on the next line", "select count() as n from events where {scope} and (1)\n or\n1"),
        ("ternary", "select count() as n from events where {scope} and 0 ? 1 : 1"),
        ("not", "select count() as n from events where not {scope}"),
        ("compared", "select count() as n from events where {scope} = 0"),
        ("second read", "select count() as n from events where {scope} union all select 1 from events"),
        ("second scope elsewhere", "select {scope} as n from events where 1"),
        ("comma join", "select count() as n from events, events where {scope}"),
        ("join", "select count() as n from events where {scope} and 1 in (select 1 from x)"),
        ("in a table", "select count() as n from events where {scope} and (1 in events)"),
        ("other database", "select count() as n from default.events where {scope}"),
        ("quoted", 'select count() as n from "events" where {scope}'),
        ("back-quoted", "select count() as n from `events` where {scope}"),
        ("table function", "select count() as n from merge('default', 'events') where {scope}"),
        ("system table", "select count() as n from system.parts"),
        ("own events", "with events as (select 1) select count() as n from events where {scope}"),
        ("two statements", "select count() as n from events where {scope} and 1; select 1"),
        ("upper case", "SELECT count() AS n FROM EVENTS WHERE 1"),
        ("reserved", "select {scope_member:UInt32} as n from events where {scope}"),
    ],
)
def test_a_query_that_could_see_more_is_refused(what: str, sql: str) -> None:
    with pytest.raises(QueryFileError):
        queries.parse(what.replace(" ", "_"), HEADER + sql)


@pytest.mark.parametrize("text", ["select 1", "-- meaning only\nselect 1", "-- returns: n\nselect 1"])
def test_a_query_without_a_header_is_refused(text: str) -> None:
    with pytest.raises(QueryFileError):
        queries.parse("bad", text)


@given(st.text())
def test_parsing_is_total(text: str) -> None:
    try:
        queries.parse("any", HEADER + text)
    except QueryFileError:
        return
    bare = text.lower()
    assert "events" not in bare or "{scope}" in bare


@pytest.mark.parametrize("name", ["", "..", "../store", "Sums", "templates/detection", "no_such_query"])
def test_only_query_files_can_be_named(name: str, store: EventStore) -> None:
    with pytest.raises(QueryFileError):
        store.query(name, Scope.national())


def test_parameters_must_be_the_query_s_own(store: EventStore) -> None:
    with pytest.raises(QueryParameterError):
        store.query("sums", Scope.national(), start=START)
    naive = START.replace(tzinfo=None)
    with pytest.raises(QueryParameterError):
        store.query("sums", Scope.national(), start=naive, end=naive + timedelta(days=1))


@settings(deadline=None)  # over HTTP the first call connects
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_texts_travel_as_values(store: EventStore, texts: list[str]) -> None:
    """Whatever a parameter's text says, it comes back as it was."""
    clean = [t.replace("\x00", "") for t in texts]
    query = queries.parse("echo", HEADER.replace("n\n", "whole, n\n") + ECHO)
    row = store.run(query, Scope.national(), texts=clean, one=clean[0])[0]
    assert row.texts("whole") == tuple(clean)
    assert row.text("n") == clean[0]


ECHO = "select {texts:Array(String)} as whole, {one:String} as n"


def test_every_compiled_rule_is_held_to_the_same_rules() -> None:
    """Rules become queries by the same door; the list holds at least every file and every rule."""
    assert len(all_queries()) > len(queries.names())
