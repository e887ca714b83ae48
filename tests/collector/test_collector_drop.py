"""The drop folder on a real file system: what is taken, what is refused, and what a restart finds."""

from __future__ import annotations

import gzip
import os
import time
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from backports import zstd

from cyberalarm.collector.positions import Positions
from cyberalarm.collector.receive import drop
from cyberalarm.collector.receive.chunk import Intake
from cyberalarm.collector.receive.drop import REASON, DropFolder
from cyberalarm.collector.receive.sections import Drop

if TYPE_CHECKING:
    from pathlib import Path

LINES = [b"<13>line %d" % n for n in range(3000)]
LOG = b"\n".join(LINES) + b"\n"


@dataclass
class Dropping:
    """A drop folder whose files need not settle. What is collected counts as spooled."""

    root: Path
    keep_days: int = 0
    settle: float = 0.0
    lines: list[bytes] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.root / "data").mkdir(exist_ok=True)
        self.folder = self.root / "drop"
        self.folder.mkdir(exist_ok=True)
        self.restart()

    def restart(self) -> None:
        self.positions = Positions(self.root / "data", 0)
        self.intake = Intake()
        section = Drop(folder=str(self.folder), keep_days=self.keep_days)
        self.drop = DropFolder(section, self.positions, self.intake)
        self.drop._settle = self.settle

    def turn(self, *, collect: bool = True) -> list[bytes]:
        """Look, read, collect, put away."""
        for _ in range(2):
            self.drop.turn()
            while collect and (chunk := self.intake.get(0)) is not None:
                self.lines += chunk.lines.split(b"\n")[:-1]
                if chunk.lines:
                    self.sources.append(chunk.source)
                assert chunk.place
                self.positions.put({chunk.place.key: chunk.place.value})
        return self.lines

    def names(self, folder: str) -> set[str]:
        return {one.name for one in (self.folder / folder).iterdir()}

    def reason(self, name: str) -> str:
        return (self.folder / "failed" / (name + REASON)).read_text("utf-8")


@pytest.fixture
def dropping(tmp_path: Path) -> Dropping:
    return Dropping(tmp_path)


def test_files_of_every_kind_are_taken_and_moved(dropping: Dropping) -> None:
    (dropping.folder / "a.log").write_bytes(LOG)
    (dropping.folder / "b.log.1.gz").write_bytes(gzip.compress(LOG + b"b\n"))
    (dropping.folder / "c.zst").write_bytes(zstd.compress(LOG + b"c\n"))
    with zipfile.ZipFile(dropping.folder / "d.zip", "w") as archive:
        archive.writestr("../../../tmp/x", LOG + b"d\n")
        archive.writestr("y", LOG)
    assert len(dropping.turn()) == 5 * 3000 + 3
    assert dropping.names("done") == {"a.log", "b.log.1.gz", "c.zst", "d.zip"}
    assert dropping.names("failed") == set()
    assert set(dropping.sources) == {"a.log", "b.log", "c", "d"}
    assert dropping.drop.progress.done == 4


def test_a_subfolder_names_the_device(dropping: Dropping) -> None:
    (dropping.folder / "192.0.2.7").mkdir()
    (dropping.folder / "192.0.2.7" / "old.log").write_bytes(LOG)
    dropping.turn()
    assert set(dropping.sources) == {"192.0.2.7"}
    assert dropping.names("done") == {"old.log"}
    assert (dropping.folder / "192.0.2.7").is_dir()


def test_a_file_is_taken_when_it_stands_still(tmp_path: Path) -> None:
    slow = Dropping(tmp_path, settle=0.3)
    path = slow.folder / "copying.log"
    for piece in (LOG[:100], LOG[100:5000], LOG[5000:]):
        with path.open("ab") as out:
            out.write(piece)
        assert slow.turn() == []
        time.sleep(0.1)
    time.sleep(0.35)
    assert slow.turn() == LINES


@pytest.mark.parametrize("name", [".hidden", "a.log.part", "a.filepart", "a.crdownload", "a.tmp", "a~"])
def test_unfinished_copies_are_left(dropping: Dropping, name: str) -> None:
    (dropping.folder / name).write_bytes(LOG)
    (dropping.folder / "empty").touch()
    assert dropping.turn() == []
    assert (dropping.folder / name).exists()
    (dropping.folder / name).rename(dropping.folder / "whole.log")
    assert dropping.turn() == LINES


def test_it_is_moved_once_its_lines_are_in_the_spool(dropping: Dropping) -> None:
    (dropping.folder / "a.log").write_bytes(LOG)
    dropping.turn(collect=False)
    assert (dropping.folder / "a.log").exists()
    dropping.restart()
    assert dropping.turn() == LINES
    assert dropping.names("done") == {"a.log"}


def test_killed_before_it_was_moved(dropping: Dropping) -> None:
    (dropping.folder / "a.log").write_bytes(LOG)
    dropping.drop.turn()
    while (chunk := dropping.intake.get(0)) is not None:
        assert chunk.place
        dropping.positions.put({chunk.place.key: chunk.place.value})
    dropping.restart()
    assert dropping.turn() == [], "its lines are in the spool already"
    assert dropping.names("done") == {"a.log"}
    assert dropping.names("failed") == set()


def test_killed_in_the_middle(dropping: Dropping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cyberalarm.collector.receive.reading.PIECE", 1000)
    (dropping.folder / "a.log.gz").write_bytes(gzip.compress(LOG))
    dropping.drop.turn()
    for _ in range(7):
        chunk = dropping.intake.get(0)
        assert chunk
        assert chunk.place
        dropping.lines += chunk.lines.split(b"\n")[:-1]
        dropping.positions.put({chunk.place.key: chunk.place.value})
    assert 0 < len(dropping.lines) < 3000
    dropping.restart()
    assert dropping.turn() == LINES


def test_the_same_content_is_not_taken_twice(dropping: Dropping) -> None:
    (dropping.folder / "a.log").write_bytes(LOG)
    dropping.turn()
    (dropping.folder / "copy.log").write_bytes(LOG)
    (dropping.folder / "a.log").write_bytes(LOG)
    assert dropping.turn() == LINES
    assert "taken before" in dropping.reason("copy.log")
    assert "as a.log" in dropping.reason("a.log")
    assert dropping.names("done") == {"a.log"}


def test_what_cannot_be_read_fails_with_a_reason(dropping: Dropping, tmp_path: Path) -> None:
    (dropping.folder / "cut.gz").write_bytes(gzip.compress(LOG)[:-9])
    with zipfile.ZipFile(dropping.folder / "in.zip", "w") as archive:
        archive.writestr("x.zip", b"PK\x03\x04 and so on")
    (tmp_path / "secret").write_text("secret")
    (dropping.folder / "link.log").symlink_to(tmp_path / "secret")
    os.mkfifo(dropping.folder / "pipe.log")
    dropping.turn()
    assert "damaged, or cut off" in dropping.reason("cut.gz")
    assert "What was read until then has been taken" in dropping.reason("cut.gz")
    assert "archive inside" in dropping.reason("in.zip")
    assert "cannot be read" in dropping.reason("link.log")
    assert b"secret" not in dropping.lines
    assert (tmp_path / "secret").read_text() == "secret"
    assert dropping.names("failed") >= {"cut.gz", "in.zip", "link.log"}
    assert (dropping.folder / "pipe.log").exists(), "what is no file is left alone"
    assert dropping.drop.progress.failed == 3


def test_names_that_are_there_already_get_a_number(dropping: Dropping) -> None:
    for number in range(3):
        (dropping.folder / "a.log").write_bytes(b"<13>%d\n" % number)
        dropping.turn()
    assert dropping.names("done") == {"a.log", "a-2.log", "a-3.log"}


def test_old_ones_are_removed_if_that_is_wished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Dropping(tmp_path, keep_days=1)
    (kept.folder / "a.log").write_bytes(LOG)
    kept.turn()
    monkeypatch.setattr(drop, "_TIDY_SECONDS", 0.0)
    kept.restart()
    kept.turn()
    assert kept.names("done") == {"a.log"}
    later = time.time() + 2 * 86_400
    monkeypatch.setattr(drop.time, "time", lambda: later)
    kept.turn()
    assert kept.names("done") == set()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    dropping = Dropping(tmp_path)
    dropping.folder.rmdir()
    dropping.folder.write_text("a file is in the way")
    dropping.drop.start()
    until = time.monotonic() + 10
    while not dropping.drop.progress.trouble and time.monotonic() < until:
        time.sleep(0.02)
    dropping.intake.close()
    dropping.drop.stop()
    assert str(dropping.folder) in dropping.drop.progress.trouble


def test_a_log_that_is_handed_in_every_night_counts_what_was_added(dropping: Dropping) -> None:
    for night in range(1, 4):
        (dropping.folder / "firewall.log").write_bytes(b"".join(b"<13>%d\n" % n for n in range(100 * night)))
        dropping.turn()
    assert dropping.lines == [b"<13>%d" % n for n in range(300)]
    assert dropping.names("done") == {"firewall.log", "firewall-2.log", "firewall-3.log"}


def test_names_that_are_no_text_or_too_long_hold_nothing_up(dropping: Dropping) -> None:
    latin = os.fsdecode(b"caf\xe9")
    long = "x" * 251 + ".log"
    for _ in range(2):  # the second time they are known, and fail
        (dropping.folder / latin).mkdir(exist_ok=True)
        (dropping.folder / f"{latin}.log").write_bytes(LOG)
        (dropping.folder / latin / "b.log").write_bytes(LOG + b"b\n")
        (dropping.folder / long).write_bytes(LOG + b"long\n")
        dropping.turn()
    assert not [one for one in dropping.folder.rglob("*.log") if one.parent.name not in ("done", "failed")]
    assert {f"{latin}.log", long, "b.log"} <= dropping.names("done")
    assert "as caf?.log." in dropping.reason(f"{latin}.log")
    assert any(name.startswith("x" * 200) and name.endswith(REASON) for name in dropping.names("failed"))
    assert set(dropping.sources) == {"caf?.log", "caf?", long}


def test_a_reason_is_never_written_through_a_link(dropping: Dropping, tmp_path: Path) -> None:
    dropping.turn()
    (dropping.folder / "failed" / ("a.log" + REASON)).symlink_to(tmp_path / "elsewhere")
    (dropping.folder / "a.log").symlink_to("/etc/hostname")
    dropping.turn()
    assert not (tmp_path / "elsewhere").exists()
    assert "a-2.log" in dropping.names("failed")


def test_a_file_that_cannot_be_moved_does_not_hold_up_the_others(
    dropping: Dropping, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dropping.folder / "a.log").symlink_to("/etc/hostname")
    (dropping.folder / "b.log").write_bytes(LOG)
    real = type(dropping.folder).rename

    def rename(path: Path, to: Path) -> Path:
        if path.name == "a.log":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, to)

    monkeypatch.setattr(type(dropping.folder), "rename", rename)
    for _ in range(2):
        with pytest.raises(PermissionError):
            dropping.drop.turn()
        while (chunk := dropping.intake.get(0)) is not None:
            assert chunk.place
            dropping.positions.put({chunk.place.key: chunk.place.value})
    assert "b.log" in dropping.names("done")
