"""The demonstration: it ends well when everything scripted is found, and badly when something is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cyberalarm.cli.demonstration.verdict import Found, audit, judge
from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.lab.truth import DeviceTruth, EpisodeTruth, MemberTruth
from tests.collector.processes import MAIN, environment, wait_for

# The script's own volume does not shrink with the background, so everything must still be found.
SCALE = "0.02"


def demonstrate(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAIN, "demo", "--once", "--scale", SCALE, "--folder", str(folder / "demo")]
    with (folder / "steps").open("w") as steps:
        return subprocess.Popen(
            command,
            env=environment(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=steps,
            text=True,
        )


def whole(process: subprocess.Popen[str], seconds: float) -> str:
    try:
        said, _ = process.communicate(timeout=seconds)
    finally:
        if process.poll() is None:
            process.terminate()  # it ends what it started
            process.communicate(timeout=60)
    return said


def of_the_demo(folder: Path, *words: str) -> list[int]:
    """Processes that the demonstration in this folder started, by words of their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if any(str(folder) in part for part in line) and set(words) <= set(line):
            found.append(int(path.parent.name))
    return found


@pytest.mark.slow
def test_everything_scripted_is_found(tmp_path: Path) -> None:
    process = demonstrate(tmp_path)
    said = whole(process, 240)
    assert process.returncode == 0, said[-3000:] + (tmp_path / "steps").read_text()[-2000:]
    assert "MISSING" not in said
    assert "WRONG" not in said
    assert said.count("  found  ") >= 15
    assert said.count("balances") == 3
    reports = [
        line.strip()
        for line in said.splitlines()
        if line.strip().endswith(("report.html", "report.pdf", "report-csv.zip"))
    ]
    assert len(reports) == 12, "three members and the trends, in three forms"
    assert all(Path(report).stat().st_size > 1000 for report in reports)
    assert of_the_demo(tmp_path) == [], "nothing keeps running"


@pytest.mark.slow
def test_a_collector_that_dies_is_not_a_good_end(tmp_path: Path) -> None:
    process = demonstrate(tmp_path)
    steps = tmp_path / "steps"
    wait_for("the playing", lambda: "Playing" in steps.read_text() or process.poll() is not None, 120)
    [victim] = of_the_demo(tmp_path / "demo" / "council", "collector", "run")
    os.kill(victim, signal.SIGKILL)
    said = whole(process, 200)
    assert process.returncode not in {0, None}, said
    assert "Traceback" not in steps.read_text()
    assert of_the_demo(tmp_path) == []


def at(hour: int) -> int:
    return int(datetime(2026, 3, 9, hour, tzinfo=UTC).timestamp() * 1000)


EPISODE = EpisodeTruth(
    id="school-guessing",
    kind="guessing",
    findings=("ssh-guessing",),
    member="school",
    sources=("198.51.100.9",),
    targets=(),
    ports=(22,),
    allowed=False,
    spoofable=False,
    cves=(),
    malware=(),
    start=at(9),
    end=at(11),
    kept=10,
    lines={},
)
FOUND = Found(
    rule="ssh-guessing", member="school", source="198.51.100.9", first=datetime(2026, 3, 9, 10, tzinfo=UTC),
    last=datetime(2026, 3, 9, 12, tzinfo=UTC), cves=frozenset(), threats=frozenset(),
)  # fmt: skip


def test_what_was_found_is_found() -> None:
    assert judge(EPISODE, [FOUND]).missing == ()
    assert judge(EPISODE, [replace(FOUND, source="")]).missing == (), "a rule about targets names no source"
    assert judge(EPISODE, [replace(FOUND, member="")]).missing == (), "a rule over the network names no member"
    assert judge(replace(EPISODE, findings=()), []).missing == (), "a decoy must not be found"


@pytest.mark.parametrize(
    "found",
    [
        [],
        [replace(FOUND, rule="port-scan")],
        [replace(FOUND, member="council")],
        [replace(FOUND, source="198.51.100.10")],
        [replace(FOUND, first=datetime(2026, 3, 9, 11, 30, tzinfo=UTC))],
        [replace(FOUND, last=datetime(2026, 3, 9, 8, tzinfo=UTC), first=datetime(2026, 3, 9, 7, tzinfo=UTC))],
    ],
)
def test_what_was_not_found_is_missing(found: list[Found]) -> None:
    assert judge(EPISODE, found).missing == ("no finding of the rule ssh-guessing",)


def test_every_cve_and_malware_name_must_be_in_a_finding() -> None:
    exploit = replace(
        EPISODE, findings=("exploit-attempt",), cves=("CVE-2099-0001", "CVE-2099-0002"), malware=("Made.Up",)
    )
    found = replace(FOUND, rule="exploit-attempt", cves=frozenset({"CVE-2099-0001"}))
    assert judge(exploit, [found]).missing == ("CVE-2099-0002 is in no finding", "Made.Up is in no finding")
    other = replace(found, cves=frozenset({"CVE-2099-0002"}), threats=frozenset({"Made.Up"}))
    assert judge(exploit, [found, other]).missing == ()


def ledger(kept: int = 7, routine: int = 3, dropped: int = 0) -> Ledger:
    made = Ledger()
    made.add({Outcome.KEPT: kept, Outcome.ROUTINE: routine}.get(outcome, 0) for outcome in Outcome)
    made.dropped_by_kernel = dropped
    return made


DEVICE = DeviceTruth("d", "linux", "h", "udp", "127.0.0.2", 10, 1000, 0, {"kept": 7, "routine": 3})
MEMBER = MemberTruth("school", "A school", "school", "kent", (), (), (), (DEVICE,))


def test_a_ledger_that_agrees_has_no_trouble() -> None:
    assert audit(MEMBER, ledger(), ledger(), 7).trouble == ()


@pytest.mark.parametrize(
    ("own", "centre", "rows", "trouble"),
    [
        (ledger(), ledger(), 6, "the event store holds 6 of 7 lines that were kept or recalled"),
        (ledger(), ledger(routine=2), 7, "the centre's ledger differs from the collector's"),
        (ledger(kept=6, routine=4), ledger(kept=6, routine=4), 6, "kept: 6 lines instead of 7"),
        (ledger(routine=2), ledger(routine=2), 7, "routine: 2 lines instead of 3"),
        (ledger(dropped=1), ledger(dropped=1), 7, "1 datagrams were lost before the collector"),
        (replace(ledger(), received=11), replace(ledger(), received=11), 7, "received is not the sum of the outcomes"),
    ],
)
def test_a_ledger_that_does_not_is_said(own: Ledger, centre: Ledger, rows: int, trouble: str) -> None:
    assert trouble in audit(MEMBER, own, centre, rows).trouble
