"""Files that grow and rotate, on a real file system: no line lost, none twice, whatever is done to the files."""

from __future__ import annotations

import gzip
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cyberalarm.collector.positions import Positions
from cyberalarm.collector.receive import growing
from cyberalarm.collector.receive.chunk import LONGEST_LINE, Intake
from cyberalarm.collector.receive.growing import GrowingFiles
from cyberalarm.collector.receive.sections import WatchedFile


@dataclass
class Reader:
    """Reads as the collector does, without its clock: each turn looks for files. What is collected counts as spooled."""

    data: Path
    sections: list[WatchedFile]
    lines: list[bytes] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    overflow: int = 0

    def __post_init__(self) -> None:
        self.data.mkdir(exist_ok=True)
        self.restart()

    def restart(self) -> None:
        """Killed, and started again: what was not collected is forgotten."""
        self.positions = Positions(self.data, 0)
        self.intake = Intake()
        self.files = GrowingFiles(self.sections, self.data, self.positions, self.intake)

    def turn(self, *, collect: bool = True) -> list[bytes]:
        self.files._scan_at = 0.0
        while self.files.turn():
            if collect:
                self._collect()
        if collect:
            self._collect()
        return self.lines

    def _collect(self) -> None:
        while (chunk := self.intake.get(0)) is not None:
            self.lines += chunk.lines.split(b"\n")[:-1]
            self.overflow += chunk.overflow
            self.sources.add(chunk.source)
            assert chunk.place
            self.positions.put({chunk.place.key: chunk.place.value})

    def close(self) -> None:
        for one in self.files._followed.values():
            os.close(one.handle)


def watched(path: Path | str, **more: str) -> list[WatchedFile]:
    return [WatchedFile.model_validate({"path": str(path), **more})]


def append(path: Path, *lines: bytes) -> None:
    with path.open("ab") as out:
        out.write(b"".join(line + b"\n" for line in lines))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "eve.json"


def test_lines_are_taken_once_they_are_whole(tmp_path: Path, log: Path) -> None:
    reader = Reader(tmp_path / "data", watched(log, device="suricata"))
    assert reader.turn() == []
    assert reader.files.troubles == {str(log): "It is not there."}
    log.write_bytes(b"one\ntw")
    assert reader.turn() == [b"one"]
    assert reader.files.troubles == {}
    append(log, b"o", b"three")
    assert reader.turn() == [b"one", b"two", b"three"]
    assert reader.sources == {"suricata"}


def test_a_restart_goes_on_where_what_was_spooled_ends(tmp_path: Path, log: Path) -> None:
    reader = Reader(tmp_path / "data", watched(log))
    append(log, b"one", b"two")
    reader.turn()
    append(log, b"three")
    reader.turn(collect=False)  # read, and not in the spool
    reader.restart()
    append(log, b"four")
    assert reader.turn() == [b"one", b"two", b"three", b"four"]


def test_rename_and_create(tmp_path: Path, log: Path) -> None:
    """A writer goes on into the old file until it is told; both are read."""
    reader = Reader(tmp_path / "data", watched(log))
    with log.open("ab", buffering=0) as writer:
        writer.write(b"one\n")
        reader.turn()
        log.rename(log.with_name("eve.json.1"))
        writer.write(b"two\n")
        append(log, b"three")
        assert sorted(reader.turn()) == [b"one", b"three", b"two"]
        writer.write(b"late\n")
        assert sorted(reader.turn()) == [b"late", b"one", b"three", b"two"]


def test_rotated_while_the_collector_was_away(tmp_path: Path, log: Path) -> None:
    reader = Reader(tmp_path / "data", watched(log))
    append(log, b"one")
    reader.turn()
    append(log, b"two")
    log.rename(log.with_name("eve.json.1"))
    append(log, b"three")
    reader.restart()
    assert sorted(reader.turn()) == [b"one", b"three", b"two"]


def test_rotated_twice_while_the_collector_was_away(tmp_path: Path, log: Path) -> None:
    reader = Reader(tmp_path / "data", watched(log))
    append(log.with_name("eve.json.9"), b"from before the first start")
    append(log, b"one")
    reader.turn()
    append(log, b"two")
    log.rename(log.with_name("eve.json.2"))
    append(log, b"three")
    log.rename(log.with_name("eve.json.1"))
    append(log, b"four")
    reader.restart()
    assert sorted(reader.turn()) == [b"four", b"one", b"three", b"two"]


def test_rotated_again_while_the_name_led_nowhere(tmp_path: Path, log: Path) -> None:
    """The first is gone at one look; a second comes and goes before the next."""
    reader = Reader(tmp_path / "data", watched(log))
    append(log, b"one")
    reader.turn()
    log.rename(log.with_name("eve.json.2"))
    reader.turn()
    append(log, b"two")
    log.rename(log.with_name("eve.json.1"))
    assert reader.turn() == [b"one", b"two"]
    append(log, b"three")
    assert reader.turn() == [b"one", b"two", b"three"]


def test_a_name_that_is_no_text_is_told_readably(tmp_path: Path, log: Path) -> None:
    latin = log.with_name(os.fsdecode(b"caf\xe9.log"))
    append(latin, b"one")
    log.with_name(os.fsdecode(b"\xe9.log")).symlink_to(latin)
    reader = Reader(tmp_path / "data", watched(log.parent / "*.log"))
    assert reader.turn() == [b"one"]
    assert reader.sources == {str(log.with_name("caf?.log"))}
    assert list(reader.files.troubles) == [str(log.with_name("?.log"))]
    append(latin, b"two")
    reader.restart()
    assert reader.turn() == [b"one", b"two"]


def test_a_file_that_is_being_packed_is_no_trouble(tmp_path: Path, log: Path) -> None:
    reader = Reader(tmp_path / "data", watched(log))
    append(log, b"one")
    reader.turn()
    rotated, packed = log.with_name("eve.json.1"), log.with_name("eve.json.1.gz")
    log.rename(rotated)
    append(log, b"two")
    reader.turn()
    log.rename(log.with_name("eve.json.0"))
    time.sleep(0.02)
    packed.write_bytes(gzip.compress(b"one\n"))
    reader.turn()
    assert str(packed) not in reader.files.troubles
    os.utime(packed, ns=(rotated.stat().st_atime_ns, rotated.stat().st_mtime_ns))
    rotated.unlink()
    assert reader.turn() == [b"one", b"two"]
    assert str(packed) not in reader.files.troubles


def test_compressed_before_it_was_read_is_told(tmp_path: Path, log: Path) -> None:
    reader = Reader(tmp_path / "data", watched(log))
    append(log, b"one")
    reader.turn()
    log.rename(log.with_name("eve.json.2"))
    time.sleep(0.02)
    packed = log.with_name("eve.json.1.gz")
    packed.write_bytes(gzip.compress(b"between\n"))
    append(log, b"two")
    reader.restart()
    assert reader.turn() == [b"one", b"two"]
    assert "It is compressed" in reader.files.troubles[str(packed)]


def test_rotated_away_while_the_collector_was_away_is_told(tmp_path: Path, log: Path) -> None:
    reader = Reader(tmp_path / "data", watched(log))
    append(log, b"one")
    reader.turn()
    log.with_name("keeps.the.inode").hardlink_to(log)
    Path(log).unlink()
    log.with_name("keeps.the.inode").rename(tmp_path / "elsewhere")
    append(log, b"two")
    reader.restart()
    assert reader.turn() == [b"one", b"two"]
    assert "was renamed or removed" in reader.files.troubles[str(log)]


@pytest.mark.parametrize("regrown", [1, 400])
def test_copytruncate_also_when_it_grew_past_the_old_place(tmp_path: Path, log: Path, regrown: int) -> None:
    reader = Reader(tmp_path / "data", watched(log))
    before = [b"before %d" % n for n in range(300)]
    append(log, *before)
    reader.turn()
    os.truncate(log, 0)
    after = [b"after  %d" % n for n in range(regrown)]
    append(log, *after)
    assert reader.turn() == before + after
    reader.restart()
    os.truncate(log, 0)
    append(log, *before)
    assert reader.turn() == before + after + before


def test_a_writer_that_leaves_a_hole_when_truncated(tmp_path: Path, log: Path) -> None:
    reader = Reader(tmp_path / "data", watched(log))
    with log.open("wb", buffering=0) as writer:
        writer.write(b"one\n" * 1000)
        reader.turn()
        os.truncate(log, 0)
        writer.write(b"two\n")  # at its old place; zeros lie before it
        assert reader.turn() == [b"one"] * 1000 + [b"two"]


def test_an_inode_that_is_used_again_is_a_new_file(tmp_path: Path, log: Path) -> None:
    reader = Reader(tmp_path / "data", watched(log))
    append(log, b"old one", b"old two")
    reader.turn()
    [(key, one)] = reader.files._followed.items()
    reader.restart()
    with log.open("r+b") as file:  # the same inode with other content, as a file system may give it out again
        file.write(b"new ONE\nnew TWO\nmore\n")
    assert reader.turn()[2:] == [b"new ONE", b"new TWO", b"more"]
    assert [key] == list(reader.files._followed)
    os.close(one.handle)


def test_wildcards_find_files_that_come_later(tmp_path: Path, log: Path) -> None:
    reader = Reader(tmp_path / "data", watched(log.parent / "*.log"))
    for address in ("192.0.2.1", "192.0.2.2"):
        append(log.with_name(f"{address}.log"), address.encode())
    append(log.with_name("other.txt"), b"not wanted")
    assert sorted(reader.turn()) == [b"192.0.2.1", b"192.0.2.2"]
    append(log.with_name("access.log"), b"three")
    assert len(reader.turn()) == 3
    assert reader.sources == {"192.0.2.1", "192.0.2.2", str(log.with_name("access.log"))}


def test_one_file_of_two_names_is_read_once(tmp_path: Path, log: Path) -> None:
    append(log, b"one")
    log.with_name("eve.json.1").hardlink_to(log)
    assert Reader(tmp_path / "data", watched(f"{log}*")).turn() == [b"one"]


def test_from_the_end_is_for_what_was_there_before_the_first_start_only(tmp_path: Path, log: Path) -> None:
    log.write_bytes(b"old\nhal")
    reader = Reader(tmp_path / "data", watched(log, begin="end"))
    assert reader.turn() == []
    append(log, b"f", b"new")
    assert reader.turn() == [b"new"], "what stood half there is no line"
    log.rename(log.with_name("eve.json.1"))
    append(log, b"rotated")
    assert reader.turn() == [b"new", b"rotated"]
    log.rename(log.with_name("eve.json.2"))
    append(log, b"while away")
    reader.restart()
    assert reader.turn() == [b"new", b"rotated", b"while away"]


def test_a_huge_line_is_counted_once_also_over_a_restart(tmp_path: Path, log: Path) -> None:
    reader = Reader(tmp_path / "data", watched(log))
    log.write_bytes(b"x" * (10 * LONGEST_LINE))
    reader.turn()
    reader.restart()
    append(log, b"x" * LONGEST_LINE, b"after")
    assert reader.turn() == [b"after"]
    assert reader.overflow == 1


def test_links_folders_pipes_and_own_files_are_not_read(tmp_path: Path, log: Path) -> None:
    secret = tmp_path / "secret"
    append(secret, b"secret")
    log.symlink_to(secret)
    os.mkfifo(log.with_name("pipe.json"))
    log.with_name("folder.json").mkdir()
    log.with_name("old.json").write_bytes(gzip.compress(b"packed"))
    reader = Reader(tmp_path / "data", watched(log.parent / "*.json"))
    assert reader.turn() == []
    assert len(reader.files.troubles) == 4
    own = Reader(tmp_path / "data", watched(tmp_path / "data" / "positions.db"))
    own.positions.put({"a": "1"})
    assert own.turn() == []
    assert "own folder" in next(iter(own.files.troubles.values()))
    named = Reader(tmp_path / "more", watched(log))
    assert named.turn() == [b"secret"], "a path that an administrator wrote may be a link"


def test_what_may_not_be_read_is_told(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(log, b"one")
    reader = Reader(tmp_path / "data", watched(log))

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as rights:  # root reads everything
        rights.setattr(growing.os, "open", denied)
        assert reader.turn() == []
        assert reader.files.troubles == {str(log): "It cannot be read: Permission denied."}
    assert reader.turn() == [b"one"]


def test_open_files_are_bounded(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "MOST_FILES", 5)
    for number in range(8):
        append(log.with_name(f"{number}.log"), b"%d" % number)
    reader = Reader(tmp_path / "data", watched(log.parent / "*.log"))
    assert len(reader.turn()) == 5
    assert len(reader.files.troubles) == 3


def test_a_file_that_is_gone_is_closed_and_its_last_half_line_taken(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "_GRACE_SECONDS", 0.05)
    reader = Reader(tmp_path / "data", watched(log))
    log.write_bytes(b"one\nunfinished")
    reader.turn()
    log.unlink()
    reader.turn()
    time.sleep(0.1)
    assert reader.turn() == [b"one", b"unfinished"]
    assert reader.files.following == 0


def test_old_lines_keep_the_files_time(tmp_path: Path, log: Path) -> None:
    append(log, b"one")
    os.utime(log, (1e9, 1e9))
    reader = Reader(tmp_path / "data", watched(log))
    reader.turn(collect=False)
    chunk = reader.intake.get(0)
    assert chunk
    assert chunk.reference_ms == 10**12


class Machine(RuleBasedStateMachine):
    """Anything may happen to a log in any order; each line that was written whole arrives exactly once."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = Path(tempfile.mkdtemp(prefix="growing-", dir="/dev/shm" if Path("/dev/shm").exists() else None))
        (self.folder / "logs").mkdir()
        self.log = self.folder / "logs" / "a.log"
        self.reader = Reader(self.folder / "data", watched(self.log))
        self.number = 0
        self.written: list[bytes] = []
        self.rotations = 0

    @rule(count=st.integers(1, 30))
    def write(self, count: int) -> None:
        lines = [b"line %d" % (self.number + n) for n in range(count)]
        self.number += count
        append(self.log, *lines)
        self.written += lines

    @precondition(lambda self: self.reader.lines)  # what was renamed before it was ever seen is nobody's
    @rule()
    def rename(self) -> None:
        if self.log.exists():
            self.rotations += 1
            self.log.rename(self.log.with_name(f"a.log.{self.rotations}"))

    @rule()
    def truncate_after_reading(self) -> None:
        """copytruncate loses what was not read: nobody can help that."""
        self.read()
        if self.log.exists():
            os.truncate(self.log, 0)

    @rule()
    def read(self) -> None:
        self.reader.turn()

    @rule()
    def kill(self) -> None:
        self.reader.turn(collect=False)
        self.reader.close()
        self.reader.restart()

    @precondition(lambda self: self.log.exists())
    @rule()
    def many_restarts(self) -> None:
        self.read()
        self.reader.close()
        self.reader.restart()
        self.read()

    @invariant()
    def none_twice(self) -> None:
        assert len(self.reader.lines) == len(set(self.reader.lines))

    def teardown(self) -> None:
        self.reader.turn()
        self.reader.close()
        assert sorted(self.reader.lines) == sorted(self.written)


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestMachine = Machine.TestCase
