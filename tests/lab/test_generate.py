"""A run is the same every time, in order, and its truth is what its files hold."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from cyberalarm.core.errors import ConfigurationError
from cyberalarm.core.outcome import Outcome
from cyberalarm.lab import truth as truths
from cyberalarm.lab.generate import generate, plan, read, write
from cyberalarm.lab.scenario import default_scenario

from .conftest import UNTIL

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.lab.generate import Plan, PlayLine

SMALL = 0.02


def fingerprint(seed: str) -> str:
    digest = hashlib.sha256()
    for line in generate(default_scenario(), seed, UNTIL, days=2, scale=SMALL):
        digest.update(f"{line.time} {line.device} {line.scripted} {line.outcome} ".encode() + line.line + b"\n")
    return digest.hexdigest()


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert fingerprint("a") == fingerprint("a")
    assert fingerprint("a") != fingerprint("b")


def test_another_process_with_another_hash_seed_gives_the_same_bytes() -> None:
    code = "from tests.lab.test_generate import fingerprint; print(fingerprint('a'))"
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "4711",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == fingerprint("a")


def test_lines_come_in_order_and_inside_the_run(week: Plan, lines: list[PlayLine]) -> None:
    assert all(a.time <= b.time for a, b in pairwise(lines))
    assert week.window.start <= lines[0].time
    assert lines[-1].time < week.window.end
    assert week.window.end == UNTIL.timestamp() * 1000


def test_no_line_holds_a_line_end_and_none_is_longer_than_a_datagram(lines: list[PlayLine]) -> None:
    assert not any(b"\n" in x.line or b"\r" in x.line for x in lines)
    # RFC 5426 3.2: receivers should take 2048
    assert max(len(x.line) for x in lines) < 2048


def test_a_run_ends_where_its_end_is_truncated() -> None:
    decided = plan(default_scenario(), "1", datetime(2026, 3, 9, 12, 34, 56, 789, tzinfo=UTC), days=1, scale=0)
    assert decided.window.end == datetime(2026, 3, 9, 12, 34, tzinfo=UTC).timestamp() * 1000


@pytest.mark.parametrize(("days", "scale"), [(0, 1), (0.1, 1), (1e9, 1), (7, -1), (7, 1e9), (float("nan"), 1)])
def test_impossible_lengths_and_scales_are_refused(days: float, scale: float) -> None:
    with pytest.raises(ConfigurationError):
        plan(default_scenario(), "1", UNTIL, days, scale)


def test_background_follows_the_scale_and_the_script_does_not(lines: list[PlayLine]) -> None:
    def ordinary(scale: float) -> int:
        return sum(x.scripted is None for x in generate(default_scenario(), "s", UNTIL, days=2, scale=scale))

    assert 1.8 < ordinary(0.1) / ordinary(0.05) < 2.2
    scripted = Counter(x.scripted for x in lines if x.scripted)
    again = Counter(x.scripted for x in generate(default_scenario(), "test", UNTIL, days=7, scale=0) if x.scripted)
    assert scripted == again


def test_truth_totals_are_what_the_files_hold(tmp_path: Path) -> None:
    truth = write(tmp_path, default_scenario(), "w", UNTIL, days=3, scale=SMALL)
    rows = [row.split("\t") for row in (tmp_path / "timeline.tsv").read_text().splitlines()]
    assert truth.lines == len(rows)
    for member in truth.members:
        for device in member.devices:
            log = (tmp_path / f"{device.name}.log").read_bytes()
            assert log.count(b"\n") == device.lines == sum(device.outcomes.values())
            assert len(log) == device.bytes + device.lines
            counted = Counter(row[2] for row in rows if row[1] == device.name)
            assert counted == {k: v for k, v in device.outcomes.items() if v}
            assert device.scripted == sum(1 for row in rows if row[1] == device.name and row[3])
    for episode in truth.episodes:
        mine = [row for row in rows if row[3] == episode.id]
        assert Counter(row[1] for row in mine) == episode.lines
        assert episode.kept == sum(row[2] == Outcome.KEPT for row in mine)
        assert (episode.start, episode.end) == (int(mine[0][0]), int(mine[-1][0]))


def test_a_folder_reads_back_as_what_was_generated(tmp_path: Path) -> None:
    truth = write(tmp_path, default_scenario(), "r", UNTIL, days=1, scale=SMALL)
    assert list(read(tmp_path)) == list(generate(default_scenario(), "r", UNTIL, days=1, scale=SMALL))
    assert truths.load(tmp_path / "truth.json") == truth
    assert json.loads((tmp_path / "truth.json").read_text())["seed"] == "r"


def test_a_folder_that_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        list(read(tmp_path))
    write(tmp_path, default_scenario(), "r", UNTIL, days=1, scale=0)
    log = tmp_path / "school-fortigate.log"
    log.write_bytes(log.read_bytes()[:-200])
    with pytest.raises(ConfigurationError, match="ends early"):
        list(read(tmp_path))


def test_a_demo_week_is_about_a_hundred_and_fifty_thousand_lines() -> None:
    count = sum(1 for _ in generate(default_scenario(), "1", UNTIL))
    assert 130_000 < count < 170_000


def test_any_week_of_the_year_can_be_written() -> None:
    for days in range(0, 365, 73):
        lines = generate(default_scenario(), "1", UNTIL + timedelta(days=days), days=0.25, scale=SMALL)
        assert sum(1 for _ in lines) > 5_000
