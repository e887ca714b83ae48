"""How far files were read counts when the bundle with their lines is in the spool, wherever a kill comes between."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import positions as module
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.errors import SpoolFullError
from cyberalarm.collector.pipeline import Pipeline
from cyberalarm.collector.positions import FILE, Positions
from cyberalarm.collector.receive.chunk import Chunk, Place
from cyberalarm.collector.replay import _Run
from tests.collector.members import blocked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.collector.fake_centre import FakeCentre
    from tests.collector.members import Home


def test_what_was_intended_counts_once_the_spool_has_it(tmp_path: Path) -> None:
    made = Positions(tmp_path, 0)
    made.intend(1, {"a": "10"})
    assert made.get("a") is None
    made.reached(1)
    assert made.get("a") == "10"
    made.intend(2, {"a": "20", "b": "5"})
    assert (made.get("a"), made.get("b")) == ("10", None)


@pytest.mark.parametrize(("spooled", "found"), [(1, "10"), (2, "20")])
def test_a_kill_before_and_after_the_bundle_was_spooled(tmp_path: Path, spooled: int, found: str) -> None:
    made = Positions(tmp_path, 0)
    made.put({"a": "10"})
    made.intend(2, {"a": "20", "b": "5"})
    again = Positions(tmp_path, spooled)
    assert again.get("a") == found
    assert again.like("") == ({"a": "20", "b": "5"} if spooled == 2 else {"a": "10"})
    # What was not reached is gone for good: another bundle gets that sequence.
    assert Positions(tmp_path, 9).get("a") == found


def test_a_damaged_file_is_set_aside_and_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    made = Positions(tmp_path, 3)
    assert made.damaged
    assert made.get("a") is None
    made.put({"a": "1"})
    assert Positions(tmp_path, 3).get("a") == "1"
    assert len(list(tmp_path.glob(f"{FILE}.damaged-*"))) == 1


def test_nothing_is_written_until_there_is_something(tmp_path: Path) -> None:
    assert Positions(tmp_path, 0).get("a") is None
    assert not list(tmp_path.iterdir())


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    Positions(tmp_path, 0).put({"a": "1"})
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def chunk(number: int, value: str) -> Chunk:
    return Chunk("file", blocked(number) + b"\n", place=Place("a", value))


def test_a_full_disk_holds_bundle_and_positions_back_together(
    member: Home, centre: FakeCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _Run(member.config, 1)

    def full(*_: object, **__: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    run.pipeline.take(chunk(1, "10"))
    with monkeypatch.context() as disk:
        disk.setattr(module.sqlite3, "connect", full)
        assert run.pipeline.close_bundle() is None
        with pytest.raises(SpoolFullError, match="disk is full"):
            run.positions.get("a")
    assert run.spool.waiting == 0
    run.pipeline.take(chunk(2, "20"))
    assert run.pipeline.close_bundle() is not None
    assert run.positions.get("a") == "10", "the second line is not in the spool yet"
    assert run.pipeline.close_bundle() is not None
    assert run.positions.get("a") == "20"


def test_a_place_without_lines_counts_at_once_or_with_the_lines_before_it(member: Home, centre: FakeCentre) -> None:
    run = _Run(member.config, 1)
    run.pipeline.take(Chunk("file", b"", place=Place("empty", "ended")))
    assert run.positions.get("empty") == "ended"
    assert not run.pipeline.unspooled
    run.pipeline.take(chunk(1, "10"))
    run.pipeline.take(Chunk("file", b"", place=Place("a", "ended")))
    assert run.positions.get("a") is None
    run.pipeline.close_bundle()
    assert run.positions.get("a") == "ended"


KILLS = ["intend", "put", "reached"]


@pytest.mark.parametrize("step", KILLS)
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_each_step_no_line_is_lost_or_doubled(
    member: Home, centre: FakeCentre, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    """A reader that begins again where its position says hands in each of ten lines exactly once."""

    class KillError(BaseException):
        pass

    def read_on(run: _Run) -> None:
        begin = int(run.positions.get("a") or 0)
        for number in range(begin, 10):
            run.pipeline.take(chunk(number, str(number + 1)))
            run.pipeline.close_bundle()

    run = _Run(member.config, 1)
    owner = run.spool if step == "put" else run.positions
    original, calls = getattr(owner, step), 0

    def killed(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 4 and not after:
            raise KillError
        done = original(*arguments, **options)
        if calls == 4:
            raise KillError
        return done

    monkeypatch.setattr(owner, step, killed)
    with pytest.raises(KillError):
        read_on(run)
    again = _Run(member.config, 5)
    read_on(again)
    again.shipper.start()
    again.finish()
    again.shipper.stop(5)
    assert sorted(row["dst_port"] for row in centre.events()) == [1] * 10  # type: ignore[type-var]
    assert len({bytes(row["src_ip"]) for row in centre.events()}) == 10  # type: ignore[call-overload]
    assert centre.lines == 10


def test_pipelines_without_positions_take_files_as_well(member: Home, centre: FakeCentre) -> None:
    run = _Run(member.config, 1)
    plain = Pipeline(member.config, run.pipeline.library, DeviceNames(member.data), run.spool, run.pipeline.sealer)
    plain.take(chunk(1, "10"))
    assert plain.close_bundle() is not None


def test_what_the_journal_kept_after_a_power_cut_is_not_read_again(
    member: Home, centre: FakeCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines of files that are in the journal and not in the spool count, and so does their place; later lines are read again."""
    monkeypatch.setattr("cyberalarm.collector.pipeline.JOURNAL_SECONDS", 0.0)
    run = _Run(member.config, 1)
    run.pipeline.take(chunk(0, "1"))
    run.pipeline.take(chunk(1, "2"))
    run.pipeline.tick()
    run.pipeline.take(chunk(2, "3"))  # not in the journal any more
    again = _Run(member.config, 5)
    assert again.positions.get("a") == "2"
    assert again.positions.like("") == {"a": "2"}
    for number in range(2, 5):
        again.pipeline.take(chunk(number, str(number + 1)))
    again.shipper.start()
    again.finish()
    again.shipper.stop(5)
    assert again.positions.get("a") == "5"
    assert centre.lines == 5
    assert len({bytes(row["src_ip"]) for row in centre.events()}) == 5  # type: ignore[call-overload]
