"""Summaries and the Arrow that leaves the kernel: counts are exact, the schema is the event's, codes are the table's."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm._kernel import Summary
from cyberalarm.central.events.arrow import arrow_schema
from cyberalarm.core import addresses
from cyberalarm.core.ports import PROTOCOLS
from cyberalarm.core.schema import FieldType, event_schema
from cyberalarm.formats.library import bundled
from tests.kernel.decoding import EXAMPLES, batch_of, told
from tests.kernel.test_kernel_sieve import OWN, STRANGER, alert, sieve, traffic


def read(ipc: bytes) -> pa.Table:
    table = pa.ipc.open_stream(ipc).read_all()
    table.validate(full=True)
    return table


def check_schema(found: pa.Schema) -> None:
    wanted = arrow_schema()
    assert found.names == wanted.names
    for field in wanted:
        kind = found.field(field.name).type
        if pa.types.is_list(kind):  # the kernel promises more: no item of a list is null
            assert not kind.value_field.nullable
            kind = pa.list_(kind.value_type)
        assert kind == field.type, field.name
        assert found.field(field.name).nullable == field.nullable, field.name


def test_batch_and_summary_have_the_contracts_schema() -> None:
    batch = batch_of("\n".join(EXAMPLES).encode())
    summary = Summary(bundled().kernel)
    summary.add(batch, "d-1")
    for ipc in (batch.to_ipc("d-1"), summary.drain()[0], summary.drain()[0], batch_of(b"").to_ipc("d-1")):
        check_schema(pa.ipc.open_stream(ipc).schema)
        read(ipc)


def test_every_field_of_every_example_is_the_same_in_arrow_and_in_text() -> None:
    batch = batch_of("\n".join(EXAMPLES).encode())
    rows = read(batch.to_ipc("d-1")).to_pylist()
    events = [f for f in told(batch) if f.event]
    assert len(rows) == len(events) == batch.rows
    for row, found in zip(rows, events, strict=True):
        assert row["product"] == found.product
        assert (row["device"], row["count"], row["time"]) == ("d-1", 1, row["last"])
        for field in event_schema().fields:
            if field.name in {"product", "device", "count", "last"}:
                continue
            assert _as_text(field.name, row[field.name]) == _lawful(field.name, found.event), field.name


def _as_text(name: str, value: object) -> object:
    field = event_schema().field(name)
    match value:
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
        case bytes():
            return addresses.text(value) if field.type is FieldType.ADDRESS else value.hex()
        case int() if field.type is FieldType.ENUM:
            return field.values[value]
        case int() if name == "protocol":
            return PROTOCOLS.get(value, "not said").lower() if value != 255 else None
    return value


def _lawful(name: str, event: dict[str, object]) -> object:
    """A field of the text, with what its absence stands for."""
    field = event_schema().field(name)
    if name == "protocol":
        return {"ipv6-icmp": "icmpv6"}.get(str(event.get(name)), event.get(name))
    if name == "time" and name not in event:
        return "2026-11-18T12:00:00.000Z"  # that of receipt, which the text does not claim
    if name in event or field.nullable:
        return event.get(name)
    empty = {FieldType.ENUM: field.values[:1], FieldType.TEXTS: ([],), FieldType.U8: (0,)}
    return empty.get(field.type, ("",))[0]


_BATCHES = st.lists(
    st.lists(
        st.one_of(
            st.builds(
                traffic,
                st.sampled_from([STRANGER, "198.51.100.24"]),
                st.just(OWN),
                st.sampled_from([22, 443]),
                st.sampled_from(["deny", "accept"]),
                st.integers(1_794_999_900, 1_795_000_100),
            ),
            st.builds(alert, st.just(STRANGER), st.just(OWN), st.integers(1_794_999_900, 1_795_000_100)),
            st.sampled_from(EXAMPLES),
            st.just("who knows"),
        ),
        max_size=25,
    ),
    max_size=5,
)


@settings(max_examples=100, deadline=None)
@given(_BATCHES, st.booleans())
def test_counts_add_up_whatever_the_batches(batches: list[list[str]], sieved: bool) -> None:
    summary = Summary(bundled().kernel)
    by = sieve()
    kept = 0
    per_device: Counter[str] = Counter()
    for number, lines in enumerate(batches):
        batch = batch_of("\n".join(lines).encode())
        if sieved:
            by.apply(batch)
        added = summary.add(batch, f"d-{number % 2}")
        assert added == batch.counts()[0]
        kept += added
        per_device[f"d-{number % 2}"] += added
    rows_before = summary.rows
    ipc, rows = summary.drain()
    table = read(ipc)
    assert rows == rows_before == table.num_rows
    assert sum(table["count"].to_pylist()) == kept
    by_device: Counter[str] = Counter()
    for row in table.to_pylist():
        by_device[row["device"]] += row["count"]
        assert row["time"] <= row["last"]
        assert int(row["time"].timestamp()) // 60 == int(row["last"].timestamp()) // 60
    assert by_device == +per_device
    assert summary.rows == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(EXAMPLES), max_size=20), st.data())
def test_how_lines_fall_into_batches_changes_nothing(lines: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(lines)))
    one, two = Summary(bundled().kernel), Summary(bundled().kernel)
    one.add(batch_of("\n".join(lines).encode()), "d-1")
    for part in (lines[:cut], lines[cut:]):
        two.add(batch_of("\n".join(part).encode()), "d-1")
    assert read(one.drain()[0]).to_pylist() == read(two.drain()[0]).to_pylist()


def test_a_flow_is_one_row_a_minute_and_sums_its_numbers() -> None:
    at = 1_794_999_600  # a whole minute
    lines = [
        traffic(STRANGER, OWN, 22, "deny", at).replace("srcport=40000", f"srcport={40_000 + n} sentbyte={n} sentpkt=2")
        for n in range(10)
    ]
    lines += [traffic(STRANGER, OWN, 22, "deny", at + 59), traffic(STRANGER, OWN, 22, "deny", at + 60)]
    summary = Summary(bundled().kernel)
    summary.add(batch_of("\n".join(lines).encode()), "d-1")
    first, second = read(summary.drain()[0]).to_pylist()
    assert (first["count"], second["count"]) == (11, 1)
    assert (first["src_port"], second["src_port"]) == (None, 40_000), "only where all lines had the same"
    assert (first["bytes_in"], first["packets"]) == (45, 20)
    assert int(first["time"].timestamp()) == at
    assert int(first["last"].timestamp()) == at + 59
