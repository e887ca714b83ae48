"""The journal: a crash takes the last second, and nothing is sent twice."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.collector import journal as journals
from cyberalarm.collector import pipeline as pipelines
from cyberalarm.collector.bundle import Sealer
from cyberalarm.collector.config import CollectorConfig
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.journal import Journal
from cyberalarm.collector.pipeline import Pipeline
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.spool import Spool
from cyberalarm.envelope import payload, sealing
from cyberalarm.envelope.keys import AnalysisKey, SigningKey, Suite
from cyberalarm.envelope.local import LocalKey
from cyberalarm.formats.library import bundled
from tests.collector.members import blocked, let_in

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.core.outcome import Ledger

TO = AnalysisKey.generate(Suite.CLASSIC)
SEALER = Sealer("c-test", SigningKey.generate(), TO.public)
KEY = LocalKey(bytes(32))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "JOURNAL_SECONDS", 0.0)


def collector(folder: Path, limit: int = 10**9) -> Pipeline:
    """A pipeline as it starts on this folder."""
    config = CollectorConfig(time_zone="UTC")
    spool = Spool(folder / "spool", limit)
    journal = Journal(folder / "journal", KEY)
    return Pipeline(config, bundled(), DeviceNames(folder), spool, SEALER, journal=journal)


def take(line_pipeline: Pipeline, *lines: bytes) -> None:
    line_pipeline.take(Chunk("gateway", b"".join(line + b"\n" for line in lines)))
    line_pipeline.tick()


def spooled(folder: Path) -> list[tuple[int, int]]:
    """Lines and events' counts of every bundle in the spool."""
    found = []
    for path in sorted((folder / "spool").glob("*.env")):
        ledgers, _ = payload.unpack(sealing.open_sealed(path.read_bytes(), {TO.public.key_id: TO}))
        assert all(ledger.balanced for ledger in ledgers.values())
        found.append((sum(one.received for one in ledgers.values()), sum(one.sent for one in ledgers.values())))
    return found


def test_what_was_gathered_is_there_after_a_crash(tmp_path: Path) -> None:
    crashed = collector(tmp_path)
    take(crashed, blocked(1), blocked(2), let_in(3))
    take(crashed, blocked(1), blocked(4))
    again = collector(tmp_path)
    assert (again.unspooled, again.due) == (5, True)
    assert again.close_bundle()
    assert spooled(tmp_path) == [(5, 4)]
    assert not list((tmp_path / "journal").iterdir())
    assert collector(tmp_path).unspooled == 0


def test_new_lines_come_behind_what_was_recovered(tmp_path: Path) -> None:
    take(collector(tmp_path), blocked(1))
    second = collector(tmp_path)
    take(second, blocked(2), blocked(3))
    third = collector(tmp_path)
    assert third.unspooled == 3, "neither was spooled, and the second crash lost neither"
    while third.unspooled and third.close_bundle(last=True):
        pass
    assert spooled(tmp_path) == [(1, 1), (2, 2)]


def test_a_bundle_that_was_spooled_is_not_recovered(tmp_path: Path) -> None:
    """The crash between spooling a bundle and removing its journal."""
    crashed = collector(tmp_path)
    take(crashed, blocked(1))
    shutil.copytree(tmp_path / "journal", tmp_path / "kept")
    assert crashed.close_bundle()
    shutil.rmtree(tmp_path / "journal")
    (tmp_path / "kept").rename(tmp_path / "journal")
    assert collector(tmp_path).unspooled == 0
    assert not list((tmp_path / "journal").iterdir())


def test_what_waits_for_room_and_what_came_after_it_are_both_recovered(tmp_path: Path) -> None:
    full = collector(tmp_path, limit=1)
    take(full, blocked(1))
    assert full.close_bundle()
    take(full, blocked(2))
    full._spool._size = 0
    full._spool.put = lambda *_args, **_more: (_ for _ in ()).throw(pipelines.SpoolFullError("full"))  # type: ignore[method-assign]
    assert full.close_bundle() is None
    take(full, blocked(3), blocked(4))
    again = collector(tmp_path)
    assert again.unspooled == 3
    while again.unspooled and again.close_bundle():
        pass
    assert spooled(tmp_path) == [(1, 1), (1, 1), (2, 2)]


@given(cut=st.floats(0, 1), flip=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_torn_or_damaged_record_ends_the_journal_there(
    cut: float, flip: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    crashed = collector(folder)
    sizes = []
    for number in range(4):
        take(crashed, blocked(number))
        (path,) = (folder / "journal").iterdir()
        sizes.append(path.stat().st_size)
    whole = path.read_bytes()
    at = min(int(cut * len(whole)), len(whole) - 1)
    path.write_bytes(whole[:at] + (bytes([whole[at] ^ 1]) + whole[at + 1 :] if flip else b""))
    again = collector(folder)
    assert again.unspooled == sum(size <= at for size in sizes)


def test_a_full_disk_stops_the_journal_and_not_the_collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int) -> None:
        raise OSError(28, "No space left on device")

    line_pipeline = collector(tmp_path)
    take(line_pipeline, blocked(1))
    with monkeypatch.context() as broken:
        broken.setattr(journals.os, "fsync", refuse)
        take(line_pipeline, blocked(2))
    take(line_pipeline, blocked(3))
    assert collector(tmp_path / "nowhere").unspooled == 0
    shutil.copytree(tmp_path / "journal", tmp_path / "crash" / "journal")
    assert collector(tmp_path / "crash").unspooled == 1, (
        "only what was surely written, and nothing that does not fit it"
    )
    assert line_pipeline.close_bundle()
    assert spooled(tmp_path) == [(3, 3)]
    take(line_pipeline, blocked(5))
    assert collector(tmp_path).unspooled == 1, "the next bundle has its journal again"


def test_nothing_readable_stands_in_the_journal(tmp_path: Path) -> None:
    take(collector(tmp_path), blocked(1))
    (path,) = (tmp_path / "journal").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    device = DeviceNames(tmp_path).name("gateway").encode()
    assert device not in path.read_bytes()
    assert b"netfilter" not in path.read_bytes()
    assert Journal(tmp_path / "journal", LocalKey(b"x" * 32)).recover(0) == []


def test_a_gap_that_a_full_disk_left_doubles_nothing_after_another_crash(tmp_path: Path) -> None:
    """The bundle before was neither spooled nor noted; the one behind it keeps its own place in the chain."""
    take(collector(tmp_path), blocked(1), blocked(2))
    (first,) = (tmp_path / "journal").iterdir()
    ledgers, rows = _record(tmp_path)
    Journal(tmp_path / "journal", KEY).write(2, ledgers, rows)
    first.unlink()
    kept = (tmp_path / "journal" / f"{2:020d}.journal").read_bytes()
    again = collector(tmp_path)
    assert again.unspooled == 2
    while again.due and again.close_bundle():
        pass
    assert spooled(tmp_path) == [(0, 0), (2, 2)]
    (tmp_path / "journal" / f"{2:020d}.journal").write_bytes(kept)  # as if the crash had come before it was removed
    assert collector(tmp_path).unspooled == 0


def _record(folder: Path) -> tuple[dict[str, Ledger], bytes]:
    (found,) = Journal(folder / "journal", KEY).recover(0)
    return dict(found.ledgers), found.arrow_ipc


def test_a_journal_of_another_chain_or_that_cannot_be_read_stops_nothing(tmp_path: Path) -> None:
    take(collector(tmp_path), blocked(1))
    ledgers, rows = _record(tmp_path)
    Journal(tmp_path / "journal", KEY).write(400, ledgers, rows)
    (tmp_path / "journal" / "strange.journal").write_bytes(b"x")
    assert collector(tmp_path).unspooled == 1
