"""Bundles that are sealed and signed as they should be, but hold something unlawful: each is refused by its
code.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from cyberalarm.central.enrolment.problems import PROBLEMS
from cyberalarm.central.events.arrow import arrow_schema
from cyberalarm.central.ingest import arrow_bounds
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import payload
from tests.ingest.ingest_judging import pk, refused
from tests.ingest.ingest_sender import Sender, events, ledger, now_ms, stream

if TYPE_CHECKING:
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.ingest.services import Ingest
    from cyberalarm.core.outcome import Ledger


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "payload-malformed"),
        (b"CAP1\xff\xff\xff\xff", "payload-malformed"),
        (payload.pack({}, b""), "events-unreadable"),
        (payload.pack({}, b"\0" * 100), "events-unreadable"),
        (payload.pack({}, stream(events(1))[:-200]), "events-unreadable"),
    ],
)
def test_a_payload_that_is_no_bundle_is_refused(
    receiving: Ingest, store: EventStore, sender: Sender, content: bytes, code: str
) -> None:
    envelope = sender.seal_payload(content, sender.header(0, 0))
    assert refused(receiving, store, sender, envelope) == code


def with_column(name: str, values: list[object], rows: int = 2) -> pa.Table:
    table = events(rows)
    at = table.schema.get_field_index(name)
    field = table.schema.field(at)
    column = (
        pa.array(values, pa.utf8()).dictionary_encode()
        if pa.types.is_dictionary(field.type)
        else pa.array(values, field.type)
    )
    return table.set_column(at, field, column)


def drop_last() -> pa.Table:
    return events(2).select(arrow_schema().names[:-1])


def wider_count() -> pa.Table:
    table = events(2)
    at = table.schema.get_field_index("count")
    return table.set_column(at, pa.field("count", pa.uint64(), nullable=False), table["count"].cast(pa.uint64()))


YEAR_1999 = datetime(1999, 12, 31, tzinfo=UTC)
SOON = datetime.now(UTC) + timedelta(days=2)


@pytest.mark.parametrize(
    ("table", "code"),
    [
        (drop_last(), "events-schema"),
        (wider_count(), "events-schema"),
        (events(2).append_column("payload", pa.array(["a", "b"])), "events-schema"),
        (with_column("sensor", [0, 4]), "events-enum"),
        (with_column("category", [0, 200]), "events-enum"),
        (with_column("severity", [0, 5]), "events-severity"),
        (with_column("count", [1, 0]), "events-count"),
        (with_column("time", [YEAR_1999, YEAR_1999]), "events-time"),
        (with_column("last", [SOON, SOON]), "events-time"),
        (with_column("last", [YEAR_1999 + timedelta(days=400)] * 2), "events-time"),
        (with_column("signature", ["x" * 3000, ""]), "events-text"),
        (with_column("threat", ["bell\x07", ""]), "events-text"),
        (with_column("threat", ["c1 \u009b31m", ""]), "events-text"),
        (with_column("product", ["x" * 65, "y"]), "events-text"),
        (with_column("cve", [["CVE-2024-0001"] * 17, []]), "events-text"),
        (with_column("cve", [[None], []]), "events-empty-value"),
        (with_column("sender_domain", ["a" * 254, None]), "events-text"),
        (with_column("device", [None, "d1"]), "events-empty-value"),
    ],
)
def test_events_that_break_the_schema_are_refused(
    receiving: Ingest, store: EventStore, sender: Sender, table: pa.Table, code: str
) -> None:
    assert refused(receiving, store, sender, sender.seal_table(table)) == code


def test_a_list_may_promise_that_no_item_is_empty(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    """As the kernel's own streams do."""
    table = with_column("cve", [["CVE-2024-0001"], []])
    at = table.schema.get_field_index("cve")
    strict = pa.list_(pa.field("item", pa.utf8(), nullable=False))
    changed = table.set_column(at, pa.field("cve", strict, nullable=False), table["cve"].cast(strict))
    receiving.receive(sender.seal_table(changed))
    assert store.bundle_rows(pk(sender), 1) == 2


def test_text_outside_ascii_is_accepted(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    receiving.receive(sender.seal_table(with_column("threat", ["Żółć à ¡", "日本語"])))
    assert store.bundle_rows(pk(sender), 1) == 2


def test_too_many_rows_are_refused(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    few = events(1000)
    table = pa.concat_tables([few] * (arrow_bounds.MAX_ROWS // 1000 + 1)).unify_dictionaries().combine_chunks()
    assert refused(receiving, store, sender, sender.seal_table(table)) == "events-too-many"


def test_a_bundle_that_unpacks_to_gigabytes_is_refused_before_it_is_unpacked(
    receiving: Ingest, store: EventStore, sender: Sender
) -> None:
    bomb = with_column("signature", ["x" * (150 * 1024 * 1024), ""])
    envelope = sender.seal_table(bomb)
    assert len(envelope) < 1024 * 1024
    with pytest.raises(CyberAlarmError) as caught:
        arrow_bounds.extent(stream(bomb))
    assert caught.value.code == "events-too-many"
    assert refused(receiving, store, sender, envelope) == "events-too-many"


def test_the_measured_extent_is_what_reading_takes() -> None:
    for table in (events(0), events(1), with_column("cve", [["CVE-2024-0001"], []]), events(5000)):
        for compression in (None, "zstd", "lz4"):
            raw = stream(table, compression)
            read = pa.ipc.open_stream(raw).read_all()
            found = arrow_bounds.extent(raw)
            assert found.rows == table.num_rows
            assert found.unpacked >= read.get_total_buffer_size() * 0.5
            assert found.unpacked <= read.get_total_buffer_size() + 4096


@bounds(max_examples=150, deadline=None)
@given(at=st.integers(0, 10**6), value=st.integers(0, 255), cut=st.integers(0, 3000))
def test_measuring_and_reading_are_total(at: int, value: int, cut: int) -> None:
    from cyberalarm.central.ingest import checks

    raw = bytearray(_GOOD)
    raw[at % len(raw)] = value
    for candidate in (bytes(raw), bytes(raw[:cut])):
        try:
            table = checks.read_events(candidate)
            checks.check_events(table, now_ms())
        except CyberAlarmError as error:
            assert error.code in PROBLEMS  # noqa: PT017


_GOOD = stream(events(20))


def unbalanced() -> Ledger:
    made = ledger(2)
    made.received += 1
    return made


@pytest.mark.parametrize(
    ("ledgers", "code"),
    [
        ({"d1": unbalanced()}, "ledger-unbalanced"),
        ({"d1": ledger(3)}, "ledger-unbalanced"),
        ({}, "ledger-unbalanced"),
        ({"d1": ledger(2, routine=2**41)}, "ledger-implausible"),
    ],
)
def test_a_ledger_that_does_not_balance_is_refused(
    receiving: Ingest, store: EventStore, sender: Sender, ledgers: dict[str, Ledger], code: str
) -> None:
    assert refused(receiving, store, sender, sender.seal_table(events(2), ledgers)) == code
