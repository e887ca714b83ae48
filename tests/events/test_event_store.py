"""The store itself: what it takes, keeps, gives back and refuses; who may open it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from cyberalarm.central.events import store as stores
from cyberalarm.central.events.arrow import (
    Origin,
    arrow_schema,
    check_stored,
    stored_schema,
    table_of,
    with_origin,
)
from cyberalarm.central.events.engine import ChdbFolder
from cyberalarm.central.events.errors import (
    EventStoreError,
    EventTableError,
    StoreHeldError,
    StoreNotRunningError,
)
from cyberalarm.central.events.store import EventStore
from cyberalarm.core.places import Scope
from cyberalarm.core.schema import FieldType, event_schema
from tests.events.event_rows import GIVEN, START, Given, emptied, table, totals

if TYPE_CHECKING:
    from pathlib import Path

NATIONAL = Scope.national()


def _clickhouse_type(name: str) -> str:
    """What a field's column must be, derived from the event schema."""
    field = event_schema().field(name)
    if field.type is FieldType.ENUM:
        return "Enum8(" + ", ".join(f"'{v}' = {at}" for at, v in enumerate(field.values)) + ")"
    plain = {
        FieldType.TIME: "DateTime64(3, 'UTC')",
        FieldType.U8: "UInt8",
        FieldType.U16: "UInt16",
        FieldType.U32: "UInt32",
        FieldType.U64: "UInt64",
        FieldType.NAME: "LowCardinality(String)",
        FieldType.TEXT: "String",
        FieldType.TEXTS: "Array(LowCardinality(String))",
        FieldType.ADDRESS: "IPv6",
        FieldType.SHA256: "FixedString(32)",
    }[field.type]
    return f"Nullable({plain})" if field.nullable else plain


def test_the_table_is_the_event_schema_plus_the_origin(store: EventStore) -> None:
    with store._client() as client:
        live = {row[0]: row[1] for row in client.query("describe table events").result_rows}
    for field in event_schema().fields:
        assert live.pop(field.name) == _clickhouse_type(field.name)
    origin = {
        "member": "UInt32",
        "collector": "UInt32",
        "sequence": "UInt64",
        "stored": "DateTime64(3, 'UTC')",
    }
    assert live == {**origin, "force": "LowCardinality(String)", "region": "LowCardinality(String)"}


def test_the_table_is_durable_before_an_answer(store: EventStore) -> None:
    with store._client() as client:
        ddl = client.query("show create table events").result_rows[0][0]
    for setting in ("fsync_after_insert = 1", "fsync_part_directory = 1"):
        assert setting in ddl


def test_what_is_stored_comes_back_as_it_was(empty: EventStore) -> None:
    event = {
        "time": START,
        "last": START + timedelta(seconds=59, milliseconds=999),
        "count": 2**32 - 1,
        "sensor": "antivirus",
        "product": "clamav",
        "device": "d1",
        "action": "detected",
        "direction": "outbound",
        "src_ip": "2001:db8::1",
        "dst_ip": "203.0.113.9",
        "src_port": 0,
        "dst_port": 65535,
        "protocol": 17,
        "bytes_in": 2**64 - 1,
        "bytes_out": 0,
        "packets": None,
        "evidence": "established",
        "signature_id": "1:2:3",
        "signature": "naïve ' \\ \u202e {x:String} \n",
        "category": "anomaly",
        "severity": 4,
        "cve": ["CVE-2021-44228", "CVE-2024-3400"],
        "threat": "Example.A",
        "file_sha256": bytes(range(32)),
        "sender_domain": "mail.example",
    }
    assert set(event) == set(arrow_schema().names)
    empty.insert(table([Given(4, event)]))
    names = ", ".join(stored_schema().names)
    from cyberalarm.central.events import queries

    whole = queries.parse("whole", f"-- All.\n-- returns: time\nselect {names} from events where {{scope}}")
    (row,) = empty.run(whole, Scope.of_member(4))
    expected = {**event, "cve": tuple(event["cve"]), "file_sha256": bytes(range(32)).hex()}
    expected |= {"member": 4, "collector": 4, "sequence": 1, "force": "durham", "region": "north-east"}
    assert dict(row) == {**expected, "stored": START}


def test_bundles_are_told_apart_counted_and_deleted(empty: EventStore) -> None:
    events = table_of([{"time": START}] * 5)
    bundles = [(1, 1), (1, 2), (2, 1)]
    parts = [with_origin(events, Origin(1, c, s, "kent", "south-east", START)) for c, s in bundles]
    empty.insert(pa.concat_tables(parts))
    assert [empty.bundle_rows(c, s) for c, s in bundles] == [5, 5, 5]
    empty.delete_bundle(1, 2)
    assert [empty.bundle_rows(c, s) for c, s in bundles] == [5, 0, 5]
    empty.delete_bundle(9, 9)
    assert empty.size()[0] == 10


def test_tables_with_dictionaries_of_their_own_are_joined(empty: EventStore) -> None:
    rows = [Given(m, {"time": START, "product": f"p{m}", "device": f"d{m}"}) for m in (1, 3, 4)]
    empty.insert(pa.concat_tables([table([row]) for row in rows]))
    seen = {r.text("force"): r.number("total") for r in totals_by_force(empty)}
    assert seen == {"kent": 1, "cleveland": 1, "durham": 1}


def totals_by_force(store: EventStore) -> list[stores.Row]:
    return store.query("totals_by_force", NATIONAL, start=START, end=START + timedelta(days=9000))


def test_rows_of_more_months_than_the_engine_s_bound_fit_in_one_insert_and_count_once(empty: EventStore) -> None:
    rows = [Given(1, {"time": START + timedelta(days=31 * at)}) for at in range(105)]
    for _ in range(2):
        empty.insert(table(rows), token="many")
        assert totals(empty) == [105] * 4


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=GIVEN)
def test_the_sum_of_counts_is_kept(empty: EventStore, rows: list[Given]) -> None:
    emptied(empty)
    empty.insert(table(rows))
    total = sum(r.number("total") for r in totals_by_force(empty))
    assert total == sum(int(str(row.event["count"])) for row in rows)


def _broken() -> dict[str, pa.Table]:
    good = table([Given(1, {"time": START})])

    def put(name: str, values: pa.Array) -> pa.Table:
        return good.set_column(good.schema.get_field_index(name), name, values)

    return {
        "a column too few": good.drop_columns(["stored"]),
        "another order": good.select(list(reversed(good.schema.names))),
        "a wrong type": put("count", pa.array([1], pa.int64())),
        "an unknown enum code": put("action", pa.array([9], pa.uint8())),
        "an empty value": put("time", pa.array([None], pa.timestamp("ms", "UTC"))),
    }


@pytest.mark.parametrize("what", sorted(_broken()))
def test_a_table_of_another_shape_is_refused_whole(what: str, empty: EventStore) -> None:
    with pytest.raises(EventTableError):
        empty.insert(_broken()[what])
    assert empty.size()[0] == 0


def test_an_empty_table_is_fine(empty: EventStore) -> None:
    none = table([Given(1, {"time": START})]).slice(0, 0)
    check_stored(none)
    empty.insert(none)
    assert empty.size()[0] == 0


def test_an_event_has_no_field_of_another_name() -> None:
    with pytest.raises(KeyError):
        table_of([{"time": START, "user_name": "somebody"}])


def test_many_threads_share_the_store(empty: EventStore) -> None:
    def work(at: int) -> int:
        events = table_of([{"time": START, "count": at + 1}] * 10)
        empty.insert(with_origin(events, Origin(1, at, 1, "kent", "south-east", START)))
        return empty.bundle_rows(at, 1)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(24))) == [10] * 24
    assert sum(r.number("total") for r in totals_by_force(empty)) == 10 * sum(range(1, 25))


def test_nobody_else_may_open_the_folder(store: EventStore) -> None:
    _only_with_a_folder(store)
    before = store.size()
    with pytest.raises(StoreHeldError):
        EventStore.open(store.directory)
    code = (
        "import sys; from pathlib import Path\n"
        "from cyberalarm.central.events.errors import StoreHeldError\n"
        "from cyberalarm.central.events.store import EventStore\n"
        "try: EventStore.open(Path(sys.argv[1]))\n"
        "except StoreHeldError as error: print(error.code)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(store.directory)], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "event-store-held", run.stderr
    assert store.size() == before, "and its owner goes on"


def test_a_failing_query_names_its_error_and_leaves_the_store_usable(store: EventStore) -> None:
    from cyberalarm.central.events import queries

    bad = queries.parse("bad", "-- Bad.\n-- returns: n\nselect throwIf(1) as n from events where {scope}")
    store.insert(table([Given(1, {"time": START})]))
    with pytest.raises(EventStoreError) as raised:
        store.run(bad, NATIONAL)
    assert raised.value.code == "event-store"
    assert len(totals_by_force(store)) > 0


def _only_with_a_folder(store: EventStore) -> None:
    if not isinstance(store._engine, ChdbFolder):
        pytest.skip("a server's folder is its own matter")


# Last in this file: it needs a store of its own, and a process holds one at a time.
def test_closing_opening_and_migrating_again(
    store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only_with_a_folder(store)
    store.close()
    store.close()
    with pytest.raises(StoreNotRunningError):
        store.size()
    second = EventStore.open(tmp_path / "second")
    second.insert(table([Given(1, {"time": START})]))
    second.close()
    newer = [*stores.migrations(), ("9999_example", ["alter table events add column if not exists x UInt8"])]
    monkeypatch.setattr(stores, "migrations", lambda: newer)
    for _ in range(2):
        again = EventStore.open(tmp_path / "second")
        assert again.size()[0] == 1
        with again._client() as client:
            names = [r[0] for r in client.query("select name from migrations order by name").result_rows]
        assert names == [name for name, _ in newer]
        again.close()


def test_the_process_s_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_current", None)
    with pytest.raises(StoreNotRunningError):
        stores.current()
