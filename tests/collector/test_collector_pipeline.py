"""A line's way to the spool: one fate for each, and nothing lost where there is no room."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.collector import pipeline as pipelines
from cyberalarm.collector import spool as spools
from cyberalarm.collector.config import CollectorConfig
from cyberalarm.collector.devices import MOST_DEVICES, DeviceNames
from cyberalarm.collector.pipeline import Pipeline, Sealer
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.spool import Spool
from cyberalarm.core.outcome import Outcome
from cyberalarm.envelope import payload, sealing
from cyberalarm.envelope.keys import AnalysisKey, SigningKey, Suite
from cyberalarm.formats.library import bundled
from tests.collector.members import STRANGE, blocked, let_in

if TYPE_CHECKING:
    from pathlib import Path

TO = AnalysisKey.generate(Suite.CLASSIC)
CONFIG = CollectorConfig(time_zone="UTC", bundle_rows=1000)


def pipeline(folder: Path, limit: int = 10**9, config: CollectorConfig = CONFIG) -> Pipeline:
    sealer = Sealer("c-test", SigningKey.generate(), TO.public)
    return Pipeline(config, bundled(), DeviceNames(folder), Spool(folder / "spool", limit), sealer)


def bundles(folder: Path) -> list[tuple[int, int, int]]:
    """Lines, rows, and lines kept of every bundle in the spool."""
    found = []
    for path in sorted((folder / "spool").glob("*.env")):
        header = sealing.read_header(path.read_bytes())
        ledgers, _ = payload.unpack(sealing.open_sealed(path.read_bytes(), {TO.public.key_id: TO}))
        assert all(ledger.balanced for ledger in ledgers.values())
        assert header.lines == sum(ledger.received for ledger in ledgers.values())
        found.append((header.lines, header.events, sum(ledger.outcomes[Outcome.KEPT] for ledger in ledgers.values())))
    return found


_lines = st.lists(
    st.one_of(
        st.binary(max_size=120).map(lambda raw: raw.replace(b"\n", b".")),
        st.integers(0, 500).map(blocked),
        st.integers(0, 500).map(let_in),
        st.just(STRANGE),
        st.just(b""),
        st.sampled_from(
            [b"\xff\xfe", b"\xc3", b"<4>Mar 99 99:99:99 gateway kernel: IN=", b"x" * 70_000, b"\0\0", b" \r"]
        ),
    ),
    max_size=20,
)


@given(chunks=st.lists(st.tuples(_lines, st.integers(0, 3)), max_size=6))
@settings(max_examples=100, deadline=None)
def test_every_line_has_exactly_one_fate(chunks: list[tuple[list[bytes], int]], tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("pipeline")
    line_pipeline = pipeline(folder)
    sent = 0
    for lines, overflow in chunks:
        if lines or overflow:
            line_pipeline.take(Chunk("gateway", b"".join(line + b"\n" for line in lines), overflow))
            sent += len(lines) + overflow
    line_pipeline.close_bundle()
    total = line_pipeline.totals
    assert total.balanced
    assert total.received == sent
    assert sum(lines for lines, _, _ in bundles(folder)) == sent
    assert sum(kept for _, _, kept in bundles(folder)) == total.outcomes[Outcome.KEPT]


def test_a_full_spool_refuses_and_nothing_is_lost(tmp_path: Path) -> None:
    full = pipeline(tmp_path, limit=1)
    full.take(Chunk("a", blocked(1) + b"\n"))
    assert full.close_bundle()
    assert full.has_room, "rows that fit a bundle may still gather"
    full.take(Chunk("a", b"".join(blocked(n) + b"\n" for n in range(1000))))
    assert not full.has_room
    assert full.due
    assert full.close_bundle() is None
    assert (full.unspooled, len(bundles(tmp_path))) == (1000, 1)
    spool = full._spool
    spool.receipted(spool.next()[0])  # type: ignore[index]
    assert full.has_room
    assert full.close_bundle()
    assert bundles(tmp_path) == [(1000, 1000, 1000)]
    assert full.unspooled == 0


def test_a_full_disk_keeps_bundle_and_ledger_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were drained, and lines that came later, must not end in one another's ledger."""

    def refuse(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    gathered = pipeline(tmp_path)
    monkeypatch.setattr(pipelines, "_RETRY_SECONDS", 0.0)
    with monkeypatch.context() as broken:
        broken.setattr(spools, "write_durably", refuse)
        gathered.take(Chunk("a", blocked(1) + b"\n"))
        assert gathered.close_bundle() is None
        gathered.take(Chunk("a", blocked(2) + b"\n" + let_in(3) + b"\n"))
        assert gathered.close_bundle() is None
        assert gathered.unspooled == 3
        assert gathered.due
    assert gathered.close_bundle()
    assert gathered.close_bundle()
    assert gathered.close_bundle() is None
    assert bundles(tmp_path) == [(1, 1, 1), (2, 1, 1)]


def test_a_retry_waits_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "write_durably", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    gathered = pipeline(tmp_path)
    gathered.take(Chunk("a", blocked(1) + b"\n"))
    gathered._opened -= 3600
    assert gathered.due
    gathered.close_bundle()
    assert not gathered.due


def test_the_last_bundle_is_written_into_the_reserve(tmp_path: Path) -> None:
    full = pipeline(tmp_path, limit=1)
    full.take(Chunk("a", blocked(1) + b"\n"))
    full.close_bundle()
    full.take(Chunk("a", blocked(2) + b"\n"))
    full.pass_over(Chunk("a", b"one\ntwo\n", 1))
    assert full.close_bundle() is None
    assert full.close_bundle(last=True)
    assert full.unspooled == 0
    assert bundles(tmp_path) == [(1, 1, 1), (4, 1, 1)]
    assert full.totals.outcomes[Outcome.OVERFLOW] == 3


def test_forged_senders_cannot_fill_memory_or_spoil_a_bundle(tmp_path: Path) -> None:
    flooded = pipeline(tmp_path)
    for number in range(6000):
        flooded.take(Chunk(f"2001:db8::{number:x}", STRANGE + b"\n"))
    assert len(flooded.views) == MOST_DEVICES + 1
    assert flooded.close_bundle()
    assert bundles(tmp_path) == [(6000, 0, 0)]
    assert {view.source for view in flooded.views.values()} >= {"2001:db8::0", "all other senders"}


def test_what_the_kernel_dropped_stands_beside_the_ledger(tmp_path: Path) -> None:
    told = pipeline(tmp_path)
    told.dropped("listener 127.0.0.1:514", 7)
    assert (told.totals.received, told.totals.dropped_by_kernel) == (0, 7)
    assert told.totals.balanced


def test_replayed_lines_never_get_a_time_that_the_centre_refuses(tmp_path: Path) -> None:
    """A file of 1970 whose lines have no time of their own."""
    old = pipeline(tmp_path)
    old.take(Chunk("a", blocked(1).replace(b"Mar  9 12:00:00 ", b"") + b"\n"), reference_ms=-1)
    path = old.close_bundle() and next((tmp_path / "spool").glob("*.env"))
    import pyarrow as pa

    _, stream = payload.unpack(sealing.open_sealed(path.read_bytes(), {TO.public.key_id: TO}))
    rows = pa.ipc.open_stream(stream).read_all().to_pylist()
    assert [row["time"].year for row in rows] == [2000]


@pytest.mark.parametrize(("month", "hour"), [("Jan", 12), ("Jul", 11)])
def test_old_lines_are_read_with_the_offset_of_their_season(tmp_path: Path, month: str, hour: int) -> None:
    config = CollectorConfig(time_zone="Europe/London")
    sealer = Sealer("c-test", SigningKey.generate(), TO.public)
    line = blocked(1).replace(b"Mar ", month.encode() + b" ")
    replayed = Pipeline(config, bundled(), DeviceNames(tmp_path), Spool(tmp_path / "spool", 10**9), sealer)
    when = {"Jan": 1_736_424_000_000, "Jul": 1_752_055_200_000}[month]  # 9 January and 9 July 2025
    replayed.take(Chunk("a", line + b"\n"), reference_ms=when)
    replayed.close_bundle()
    import pyarrow as pa

    path = next((tmp_path / "spool").glob("*.env"))
    _, stream = payload.unpack(sealing.open_sealed(path.read_bytes(), {TO.public.key_id: TO}))
    [row] = pa.ipc.open_stream(stream).read_all().to_pylist()
    assert (row["time"].hour, row["time"].year) == (hour, 2025)


def test_a_bundle_is_due_after_its_time_from_its_first_line_on(tmp_path: Path) -> None:
    timed = pipeline(tmp_path)
    timed._opened = time.monotonic() - 3600
    assert not timed.due
    timed.take(Chunk("a", STRANGE + b"\n"))
    assert not timed.due, "a quiet hour before the first line does not count"
    timed._opened -= CONFIG.bundle_seconds
    assert timed.due


def test_devices_behind_one_relay_have_ledgers_of_their_own(tmp_path: Path) -> None:
    behind = pipeline(tmp_path)
    lines = [blocked(1), blocked(2).replace(b" gateway ", b" branch "), let_in(3), b"<13>no header at all", blocked(4)]
    behind.take(Chunk("192.168.1.1", b"".join(line + b"\n" for line in lines), overflow=2))
    behind.take(Chunk("192.168.1.2", blocked(5) + b"\n"))
    received = {view.source: view.ledger.received for view in behind.views.values()}
    assert received == {"192.168.1.1": 6, "192.168.1.1 branch": 1, "192.168.1.2": 1}
    assert behind.totals.outcomes[Outcome.OVERFLOW] == 2
    assert behind.close_bundle()
    assert bundles(tmp_path) == [(8, 4, 4)]
