"""`cyberalarm lab` as a person or a program uses it."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from cyberalarm.cli.printing import ExitCode
from cyberalarm.lab.truth import load
from tests.cli.program import run_inside

from .test_play import Receiver

if TYPE_CHECKING:
    from pathlib import Path

RUN = ["--seed", "7", "--days", "1", "--scale", "0.01", "--until", "2026-03-09T12:00"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lab") / "run"
    result = run_inside("lab", "generate", str(made), *RUN)
    assert result.code == ExitCode.DONE, result.stderr
    assert "school-fortigate" in result.stdout
    assert "remote-desktop-guessing" in result.stdout
    return made


def test_json_is_the_truth_and_nothing_else_is_on_stdout(tmp_path: Path, folder: Path) -> None:
    result = run_inside("lab", "generate", str(tmp_path), *RUN, "--output", "json")
    assert json.loads(result.stdout) == json.loads((folder / "truth.json").read_text())
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in folder.iterdir())


def test_play_sends_each_member_to_its_own_collector(folder: Path) -> None:
    truth = load(folder / "truth.json")
    with Receiver() as school, Receiver() as others:
        targets = ["--to", f"school={school.endpoint}", "--to", str(others.endpoint)]
        result = run_inside("lab", "play", str(folder), *targets, "--rate", "0", "--output", "json")
    assert result.code == ExitCode.DONE, result.stderr
    told = json.loads(result.stdout)
    assert told["dropped"] == 0
    for member in truth.members:
        receiver = school if member.key == "school" else others
        for device in member.devices:
            assert len(receiver.lines[device.bind]) == device.lines == told["lines"][device.name]


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("192.0.2.1:514", ExitCode.REFUSED),
        ("collector.example.org:514", ExitCode.REFUSED),
        ("127.0.0.1", ExitCode.NOT_UNDERSTOOD),
        ("127.0.0.1:0", ExitCode.NOT_UNDERSTOOD),
        ("nobody=127.0.0.1:514", ExitCode.NOT_UNDERSTOOD),
    ],
)
def test_targets_that_are_wrong_or_elsewhere_are_refused(folder: Path, to: str, code: ExitCode) -> None:
    result = run_inside("lab", "play", str(folder), "--to", to)
    assert result.code == code
    assert not result.stdout


def test_a_folder_of_something_else_is_refused_with_the_next_step(tmp_path: Path) -> None:
    result = run_inside("lab", "play", str(tmp_path), "--to", "127.0.0.1:5514")
    assert result.code == ExitCode.FAILED
    assert "cyberalarm lab generate" in result.stderr


def test_impossible_runs_are_refused(tmp_path: Path) -> None:
    result = run_inside("lab", "generate", str(tmp_path), "--days", "0")
    assert result.code == ExitCode.FAILED
    assert "days" in result.stderr


def test_nobody_who_takes_the_lines_is_said(folder: Path) -> None:
    result = run_inside("lab", "play", folder, "--to", "127.0.0.1:9", "--rate", "0")
    assert (result.code, result.stdout) == (ExitCode.NOT_REACHABLE, "")
    assert "(code: lab-receiver-gone)" in result.stderr


def test_json_lines_are_one_line(tmp_path: Path, folder: Path) -> None:
    result = run_inside("lab", "generate", tmp_path, *RUN, "--output", "jsonl")
    (line,) = result.stdout.splitlines()
    assert json.loads(line) == json.loads((folder / "truth.json").read_text())


def test_lines_that_are_lost_are_told_by_the_exit_code(folder: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf, Receiver() as others:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.bind(("127.0.0.1", 0))
        targets = ["--to", f"school-fortigate=127.0.0.1:{deaf.getsockname()[1]}", "--to", str(others.endpoint)]
        result = run_inside("lab", "play", folder, *targets, "--rate", "0", "--output", "json")
    assert result.code == ExitCode.INCOMPLETE, result.stderr
    assert json.loads(result.stdout)["dropped"] > 0
