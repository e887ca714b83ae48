"""Old files sent as if their lines had just arrived."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector.errors import SpoolFullError
from cyberalarm.collector.receive.chunk import LONGEST_LINE
from cyberalarm.collector.replay import replay
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.core.outcome import Outcome
from tests.collector.fake_centre import problem
from tests.collector.members import STRANGE, blocked, let_in
from tests.collector.processes import cyberalarm

if TYPE_CHECKING:
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
def test_a_damaged_archive_is_said(member: Home, centre: FakeCentre, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "old.gz"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"old\.gz: cannot be read"):
        replay(member.config, [path], on_progress=lambda _: None)


def test_what_was_read_before_a_damaged_file_is_sent_and_said(
    member: Home, centre: FakeCentre, old: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"".join(blocked(n) + b"\n" for n in range(50_000)))[:-9])
    with pytest.raises(ConfigurationError, match=r"cut\.gz: cannot be read") as said:
        replay(member.config, [old, cut, old], on_progress=lambda _: None)
    taken = centre.total().received
    assert taken > 328, "of the damaged file as well"
    assert f"{taken:,} lines were taken in until then" in said.value.next_step
    assert replay(member.config, [], on_progress=lambda _: None).bundles == 0


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
