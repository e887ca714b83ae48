"""What a lying collector could make the centre spend, or show to people: each is refused before it costs anything."""

from __future__ import annotations

import json
import sys
import unicodedata
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from cyberalarm.central.ingest import arrow_bounds, checks
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import payload
from tests.ingest import ingest_forging as forging
from tests.ingest.ingest_judging import pk, refused
from tests.ingest.ingest_sender import Sender, events, ledger, now_ms, stream
from tests.ingest.test_ingest_bundle import with_column
from tests.kernel.decoding import batch_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.ingest.services import Ingest

LONG = "a" * (8 * 1024 * 1024)


def code_of(judge: Callable[[], object]) -> str:
    with pytest.raises(CyberAlarmError) as caught:
        judge()
    return caught.value.code


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """8 MiB of product name in some hundred bytes, which only the mark of before version 5 says to be compressed."""
    forged = partial(forging.dictionary, value=LONG, version=forging.V4)
    return forging.with_first_dictionary(stream(events(1), None), forged)


def test_arrow_still_follows_the_older_mark_and_the_centre_refuses_it(
    receiving: Ingest, store: EventStore, sender: Sender, bomb: bytes
) -> None:
    assert len(bomb) < 10_000
    assert pa.ipc.open_stream(bomb).read_all()["product"][0].as_py() == LONG
    assert code_of(lambda: arrow_bounds.extent(bomb)) == "events-unreadable"
    envelope = sender.seal_payload(payload.pack({"d1": ledger(1)}, bomb), sender.header(1, 4))
    assert refused(receiving, store, sender, envelope) == "events-unreadable"


@pytest.mark.parametrize(
    ("version", "metadata", "lawful"),
    [
        (forging.V5, None, True),
        (forging.V4, None, False),
        (forging.V5, forging.LEGACY_MARK, False),
        (forging.V5, ("a", "b"), False),
        (0, None, False),
    ],
)
def test_only_messages_of_version_5_without_metadata_are_measured(
    version: int, metadata: tuple[str, str] | None, lawful: bool
) -> None:
    forged = partial(forging.dictionary, value="linux", version=version, metadata=metadata, packed=False)
    raw = forging.with_first_dictionary(stream(events(1), None), forged)
    if lawful:
        assert checks.read_events(raw)["product"].to_pylist() == ["linux"]
    else:
        assert code_of(lambda: arrow_bounds.extent(raw)) == "events-unreadable"


def test_a_whole_stream_of_version_4_is_refused() -> None:
    options = pa.ipc.IpcWriteOptions(metadata_version=pa.ipc.MetadataVersion.V4)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, events(2).schema, options=options) as writer:
        writer.write_table(events(2))
    raw = bytes(sink.getvalue())
    assert pa.ipc.open_stream(raw).read_all().num_rows == 2
    assert code_of(lambda: checks.read_events(raw)) == "events-unreadable"


def with_dictionary(entries: int, rows: int) -> pa.Table:
    """Rows that all use the first of many entries."""
    table = events(rows)
    at = table.schema.get_field_index("product")
    names = pa.array([f"p{n}" for n in range(entries)])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), names)
    return table.set_column(at, table.schema.field(at), column)


@pytest.mark.parametrize(
    ("entries", "rows", "lawful"), [(4096, 1, True), (4097, 1, False), (5000, 5000, True), (5001, 5000, False)]
)
def test_a_dictionary_is_no_longer_than_the_rows(entries: int, rows: int, lawful: bool) -> None:
    raw = stream(with_dictionary(entries, rows))
    if lawful:
        assert arrow_bounds.extent(raw).rows == rows
    else:
        assert code_of(lambda: arrow_bounds.extent(raw)) == "events-too-many"


def test_dictionaries_that_replace_one_another_add_up() -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, events(1).schema) as writer:
        for part in range(3):
            table = with_dictionary(2000, 1)
            at = table.schema.get_field_index("product")
            names = pa.array([f"{part}-{n}" for n in range(2000)])
            column = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), names)
            writer.write_table(table.set_column(at, table.schema.field(at), column))
    raw = bytes(sink.getvalue())
    assert pa.ipc.open_stream(raw).read_all().num_rows == 3
    assert code_of(lambda: arrow_bounds.extent(raw)) == "events-too-many"


def months(number: int) -> pa.Table:
    first = datetime(2010, 1, 15, 12, tzinfo=UTC)
    times = [first.replace(year=2010 + n // 12, month=n % 12 + 1) for n in range(number)] * 2
    table = with_column("time", list(times), rows=len(times))
    at = table.schema.get_field_index("last")
    return table.set_column(at, table.schema.field(at), pa.array(times, table.schema.field(at).type))


def test_a_bundle_is_of_so_many_months_and_no_more(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    most = checks.MOST_MONTHS
    assert refused(receiving, store, sender, sender.seal_table(months(most + 1))) == "events-time"
    receiving.receive(sender.seal_table(months(most)))
    assert store.bundle_rows(pk(sender), 1) == 2 * most


def unwanted(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in checks.UNWANTED)


def table_with(texts: Sequence[str]) -> pa.Table:
    return with_column("signature", list(texts), rows=len(texts))


@bounds(max_examples=300, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=6), st.data())
def test_a_text_is_refused_exactly_when_a_character_of_it_is_unwanted(texts: list[str], data: st.DataObject) -> None:
    if data.draw(st.booleans(), "with one more"):
        at = data.draw(st.integers(0, len(texts) - 1))
        span = data.draw(st.sampled_from(checks.UNWANTED))
        texts[at] += chr(data.draw(st.integers(*span)))
    values = pa.array(texts, pa.utf8())
    assert checks._has_unwanted_characters(values) == any(map(unwanted, "".join(texts)))


@pytest.mark.parametrize("mark", ["\x00", "\u009f", "\u061c", "\u200b", "\u202e", "\u2066", "\ufeff"])
def test_an_unwanted_character_is_found_wherever_slices_meet(monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    monkeypatch.setattr(checks, "_SLICE", 16)
    for before in range(40):
        assert checks._has_unwanted_characters(pa.array(["é" * (before % 3) + "x" * before, mark, "y" * 20]))
        assert not checks._has_unwanted_characters(pa.array(["é" * (before % 3) + "x" * before, "ż", "y" * 20]))


@pytest.mark.parametrize("column", ["signature", "threat", "product", "device", "sender_domain", "signature_id", "cve"])
def test_reversing_and_invisible_characters_are_refused_in_every_column(
    receiving: Ingest, store: EventStore, sender: Sender, column: str
) -> None:
    for mark in ("\u202e", "\u2066", "\u200b", "\ufeff", "\u2028"):
        value = f"exe.{mark}fdp"
        table = with_column(column, [[value], []] if column == "cve" else [value, "x"])
        assert refused(receiving, store, sender, sender.seal_table(table)) == "events-text"


def test_the_kernel_takes_out_exactly_what_the_centre_refuses() -> None:
    """Every character there is, as part of what an IDS calls its alert, through the kernel and the centre's checks."""
    every = [chr(n) for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n)) != "Cs"]
    texts = ["<" + "".join(every[at : at + 40]) + ">" for at in range(0, len(every), 40)]
    lines = [alert(text).encode() for text in texts]
    table = checks.read_events(batch_of(b"\n".join(lines) + b"\n").to_ipc("d1"))
    assert table["signature"].to_pylist() == ["".join(c for c in text if not unwanted(c)) for text in texts]
    checks.check_events(table, now_ms())


def alert(signature: str) -> str:
    """A Suricata alert as EVE JSON."""
    event = {
        "timestamp": "2026-11-18T09:30:00.000000+0000",
        "flow_id": 1,
        "event_type": "alert",
        "src_ip": "198.51.100.80",
        "src_port": 1,
        "dest_ip": "203.0.113.1",
        "dest_port": 80,
        "proto": "TCP",
        "alert": {"signature_id": 1, "signature": signature},
    }
    return json.dumps(event, ensure_ascii=False)


def test_more_lines_than_there_can_be_are_refused_in_sum(receiving: Ingest, store: EventStore, sender: Sender) -> None:
    half = checks.MOST_LINES // 2
    ledgers = {"d1": ledger(2, routine=half), "d2": ledger(0, routine=half)}
    assert refused(receiving, store, sender, sender.seal_table(events(2), ledgers)) == "ledger-implausible"
    ledgers["d2"] = ledger(0, routine=half - 2)
    receiving.receive(sender.seal_table(events(2), ledgers))


def test_times_of_one_month_in_all_years_are_different_months() -> None:
    times = [datetime(2000 + year, month, 1, 1, tzinfo=UTC) for year in range(25) for month in range(1, 7)]
    table = with_column("time", list(times), rows=len(times))
    assert code_of(lambda: checks.check_events(table, now_ms())) == "events-time"
