"""Old files sent as if their lines had just arrived."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import pty
import re
import socket
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector.errors import ReplayedBeforeError, SpoolFullError
from cyberalarm.collector.handover import Handed, Watcher
from cyberalarm.collector.receive.chunk import LONGEST_LINE
from cyberalarm.collector.replay import replay
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.core.outcome import Outcome
from tests.collector.fake_centre import problem
from tests.collector.members import STRANGE, blocked, let_in
from tests.collector.processes import MAIN, cyberalarm, end, environment, start, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.collector.fake_centre import FakeCentre
    from tests.collector.members import Home


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """300 blocked, 20 routine, 5 strange lines, one over-long, one empty, and a last one without its newline."""
    path = tmp_path / "old.log"
    lines = (
        [blocked(n) for n in range(300)]
        + [let_in(n) for n in range(20)]
        + [STRANGE] * 5
        + [b"x" * (3 * LONGEST_LINE), b""]
    )
    path.write_bytes(b"\n".join([*lines, blocked(300)]))
    return path


EXPECTED = {Outcome.KEPT: 301, Outcome.ROUTINE: 20, Outcome.UNRECOGNISED: 5, Outcome.OVERFLOW: 1, Outcome.MALFORMED: 1}


def test_every_line_has_its_fate_and_is_at_the_centre(member: Home, centre: FakeCentre, old: Path) -> None:
    read: list[int] = []
    done = replay(member.config, [old], on_progress=read.append)
    assert sum(read) == old.stat().st_size
    assert done.ledger.balanced
    assert {o: n for o, n in done.ledger.outcomes.items() if n} == EXPECTED
    assert (done.unsent, done.trouble, len(done.devices)) == (0, "", 1)
    assert centre.total().to_json() == done.ledger.to_json()


def test_a_name_that_is_no_text_is_shown_readably(member: Home, centre: FakeCentre, old: Path, tmp_path: Path) -> None:
    named = old.rename(tmp_path / os.fsdecode(b"caf\xe9.log"))
    arguments = [str(named), "--config", str(member.path)]
    assert cyberalarm("collector", "replay", *arguments).returncode == 0
    again = cyberalarm("collector", "replay", *arguments)
    assert (again.returncode, "as 'caf?.log'" in " ".join(again.stderr.split())) == (3, True), again.stderr
    resumed = cyberalarm("collector", "replay", "--resume", *arguments)
    assert resumed.returncode == 0
    assert ": left out, its lines were taken before." in " ".join(resumed.stdout.split())


def test_compressed_files_and_one_device_for_all(member: Home, centre: FakeCentre, old: Path, tmp_path: Path) -> None:
    packed = tmp_path / "old.log.1.gz"
    packed.write_bytes(gzip.compress(old.read_bytes()))
    arguments = ["--config", str(member.path), "--output", "json"]
    done = cyberalarm("collector", "replay", str(old), str(packed), "--device", "gateway", *arguments)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    [ledger] = told["devices"].values()
    assert (ledger["received"], ledger["kept"]) == (2 * 328, 2 * 301)
    assert centre.total().received == 2 * 328


@pytest.mark.parametrize("content", [gzip.compress(b"x" * 10**6)[:-20], b"\x1f\x8b\x08" + bytes(50)])
def test_a_damaged_archive_is_said_and_the_others_are_replayed(
    member: Home, centre: FakeCentre, old: Path, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "old.gz"
    path.write_bytes(content)
    done = replay(member.config, [path, old])
    assert [(failed, "It is damaged, or cut off." in why) for failed, why in done.failures] == [(path, True)]
    assert (centre.total().outcomes[Outcome.KEPT], done.whole) == (301, False)


def test_what_was_read_of_a_damaged_file_is_sent(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"".join(blocked(n) + b"\n" for n in range(50_000)))[:-9])
    done = replay(member.config, [cut])
    assert len(done.failures) == 1
    assert 40_000 < done.ledger.received <= 50_000
    assert centre.total().to_json() == done.ledger.to_json()


def test_a_centre_that_refuses_leaves_everything_in_the_spool(member: Home, centre: FakeCentre, old: Path) -> None:
    centre.answers += [problem(403, "collector-stopped")] * 50
    done = cyberalarm("collector", "replay", str(old), "--config", str(member.path))
    assert done.returncode == 4
    assert "1 bundles, 1 still to be sent." in done.stdout
    assert "asked this collector to pause" in done.stdout
    centre.answers.clear()
    again = replay(member.config, [], on_progress=lambda _: None)
    assert (again.unsent, centre.total().received) == (0, 328)


def test_a_spool_that_stays_full_is_said_and_the_rest_is_kept(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    """What was read but found no room is named; what is spooled is sent later."""
    centre.answers += [problem(503, "busy")] * 1000
    config = member.config.model_copy(update={"spool_bytes": 1, "bundle_rows": 1000, "bundle_seconds": 3600})
    path = tmp_path / "large.log"
    path.write_bytes(b"".join(blocked(n) + b"\n" for n in range(9_000)))
    with pytest.raises(SpoolFullError, match=r"The spool is full; [0-9,]+ lines that were read are in no bundle"):
        replay(config, [path], on_progress=lambda _: None, wait=1)
    centre.answers.clear()
    assert replay(member.config, [], on_progress=lambda _: None).unsent == 0
    assert 0 < centre.total().received < 9_000


def test_no_bundle_has_more_rows_than_the_centre_takes(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    path = tmp_path / "large.log"
    short = [blocked(n).replace(b"<4>Mar  9 12:00:00 gateway ", b"").partition(b" WINDOW")[0] for n in range(250_000)]
    path.write_bytes(b"\n".join(short) + b"\n")
    config = member.config.model_copy(update={"bundle_rows": 150_000, "bundle_seconds": 3600})
    done = replay(config, [path], on_progress=lambda _: None)
    assert done.ledger.outcomes[Outcome.KEPT] == 250_000
    assert max(one.events.num_rows for one in centre.taken) < 200_000
    assert centre.total().received == 250_000


def test_the_same_content_is_refused_the_second_time(
    member: Home, centre: FakeCentre, old: Path, tmp_path: Path
) -> None:
    replay(member.config, [old])
    copy = tmp_path / "other name.log"
    copy.write_bytes(old.read_bytes())
    more = tmp_path / "more.log"
    more.write_bytes(blocked(999) + b"\n")
    with pytest.raises(ReplayedBeforeError, match=r"other name\.log was replayed before, on .* as 'old\.log'") as said:
        replay(member.config, [more, copy])
    assert "--again" in said.value.next_step
    assert centre.total().received == 328, "nothing was taken of the others"
    done = replay(member.config, [more, copy], resume=True)
    assert (done.left_out, done.ledger.received) == ((copy,), 1)
    assert replay(member.config, [copy], again=True).ledger.received == 328
    assert centre.total().received == 2 * 328 + 1


def test_broken_off_and_gone_on_with(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    path = tmp_path / "large.log.gz"
    path.write_bytes(gzip.compress(b"".join(blocked(n) + b"\n" for n in range(40_000))))
    watcher = Watcher(taken=lambda _: watcher.stop.set())
    first = replay(member.config, [path], watcher=watcher)
    assert first.broken_off
    assert 0 < first.ledger.received < 40_000
    with pytest.raises(ReplayedBeforeError, match="in part"):
        replay(member.config, [path])
    rest = replay(member.config, [path], resume=True)
    assert rest.whole
    assert first.ledger.received + rest.ledger.received == 40_000 == centre.total().received


def test_killed_in_the_middle_and_gone_on_with(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    path, log = tmp_path / "large.log", tmp_path / "log"
    path.write_bytes(b"".join(blocked(n) + b"\n" for n in range(300_000)))
    process = start(log, "collector", "replay", str(path), "--config", str(member.path))
    wait_for("a first bundle", lambda: centre.lines > 0 or process.poll() is not None)
    process.kill()
    process.wait()
    done = cyberalarm("collector", "replay", str(path), "--resume", "--config", str(member.path), "--output", "json")
    assert done.returncode == 0, done.stderr
    assert centre.total().received == 300_000
    assert json.loads(done.stdout)["unsent"] == 0


def test_folders_and_rotated_files_are_one_device(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    folder = tmp_path / "logs" / "deeper"
    folder.mkdir(parents=True)
    (folder / "gateway.log").write_bytes(blocked(1) + b"\n")
    (folder.parent / "gateway.log.1.gz").write_bytes(gzip.compress(blocked(2) + b"\n"))
    (folder / "link.log").symlink_to(folder / "gateway.log")
    done = cyberalarm("collector", "replay", str(folder.parent), "--config", str(member.path), "--output", "json")
    assert done.returncode == 0, done.stderr
    assert [ledger["kept"] for ledger in json.loads(done.stdout)["devices"].values()] == [2]


@pytest.fixture
def collecting(member: Home, centre: FakeCentre, tmp_path: Path) -> Iterator[Home]:
    process = start(tmp_path / "service.log", "collector", "run", "--config", str(member.path))
    wait_for("the collector", lambda: b"collector.running" in (tmp_path / "service.log").read_bytes())
    yield member
    assert end(process) == 0, (tmp_path / "service.log").read_text()


def test_a_collector_that_runs_takes_files_over(collecting: Home, centre: FakeCentre, old: Path) -> None:
    old = old.rename(old.with_name(os.fsdecode(b"caf\xe9.log")))  # also a name that is no text
    done = cyberalarm("collector", "replay", str(old), "--config", str(collecting.path), "--output", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    [ledger] = told["devices"].values()
    assert ledger["received"] == 328
    assert {o: ledger[o] for o in EXPECTED} == {str(o): n for o, n in EXPECTED.items()}
    wait_for("all at the centre", lambda: centre.lines == 328)
    again = cyberalarm("collector", "replay", str(old), "--config", str(collecting.path))
    assert (again.returncode, "replayed-before" in again.stderr) == (3, True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.sendto(blocked(7), ("127.0.0.1", collecting.udp))
    wait_for("it goes on listening", lambda: centre.lines == 329)


def test_a_handed_over_replay_is_broken_off_and_gone_on_with(
    collecting: Home, centre: FakeCentre, tmp_path: Path
) -> None:
    path = tmp_path / "large.log"
    path.write_bytes(b"".join(blocked(n) + b"\n" for n in range(400_000)))
    stopping = Watcher()
    first = replay(collecting.config, [path], watcher=replace(stopping, read=lambda _: stopping.stop.set()))
    assert first.broken_off
    assert first.ledger.received < 400_000
    rest = replay(collecting.config, [path], resume=True)
    assert first.ledger.received + rest.ledger.received == 400_000
    wait_for("all at the centre", lambda: centre.lines == 400_000)


def test_strangers_words_on_the_socket_end_that_replay_only(collecting: Home, old: Path) -> None:
    for words in (b"{}", b"no json", b'{"take": {"key": "x"}}', b'{"mark": 5}', b"[" * 60_000):
        handed = Handed(collecting.data)
        handed._socket.send(words)
        handed.close()
    assert (collecting.data / "replay.sock").stat().st_mode & 0o077 == 0
    assert replay(collecting.config, [old]).ledger.received == 328


def test_of_a_file_that_has_grown_only_what_was_added_is_taken(member: Home, centre: FakeCentre, old: Path) -> None:
    replay(member.config, [old])
    with old.open("ab") as out:
        out.write(b" whose end was cut\n" + blocked(400) + b"\n" + blocked(401) + b"\n")
    done = replay(member.config, [old])
    assert (done.ledger.received, done.grown) == (2, (old,))
    assert centre.total().received == 330


def test_what_would_belong_to_another_user_is_not_written(
    member: Home, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    with pytest.raises(ConfigurationError, match=r"belongs to .*, who could not read"):
        replay(member.config, [old])


def test_a_bar_shows_rate_and_time_left_in_eighty_columns(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    path = tmp_path / "large.log"
    path.write_bytes(b"".join(let_in(n) + b"\n" for n in range(200_000)))
    command = [sys.executable, "-c", MAIN, "collector", "replay", str(path), "--config", str(member.path)]
    shown, screen = pty.openpty()
    with subprocess.Popen(
        command, env=environment() | {"TERM": "xterm"}, stdout=subprocess.PIPE, stderr=screen
    ) as process:
        os.close(screen)
        said = b""
        with contextlib.suppress(OSError):  # the terminal's way to say that the other side is gone
            while piece := os.read(shown, 65_536):
                said += piece
        assert process.stdout
        result = process.stdout.read()
    os.close(shown)
    frames = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode()))
    assert any(re.search(r"Replaying .* MB/s [\d,]+ lines/s \d:\d\d:\d\d", frame) for frame in frames), frames
    assert b"200,000" in result
    assert b"Replaying" not in result
