"""`cyberalarm lab` as a person or a program uses it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cyberalarm.cli.lab import app
from cyberalarm.lab.truth import load

from .test_play import Receiver

if TYPE_CHECKING:
    from pathlib import Path

RUN = ["--seed", "7", "--days", "1", "--scale", "0.01", "--until", "2026-03-09T12:00"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lab") / "run"
    result = CliRunner().invoke(app, ["generate", str(made), *RUN])
    assert result.exit_code == 0, result.output
    assert "school-fortigate" in result.stdout
    assert "remote-desktop-guessing" in result.stdout
    return made


def test_json_is_the_truth_and_nothing_else_is_on_stdout(tmp_path: Path, folder: Path) -> None:
    result = CliRunner().invoke(app, ["generate", str(tmp_path), *RUN, "--output", "json"])
    assert json.loads(result.stdout) == json.loads((folder / "truth.json").read_text())
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in folder.iterdir())


def test_play_sends_each_member_to_its_own_collector(folder: Path) -> None:
    truth = load(folder / "truth.json")
    with Receiver() as school, Receiver() as others:
        targets = ["--to", f"school={school.endpoint}", "--to", str(others.endpoint)]
        result = CliRunner().invoke(app, ["play", str(folder), *targets, "--rate", "0", "--output", "json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["dropped"] == 0
    for member in truth.members:
        receiver = school if member.key == "school" else others
        for device in member.devices:
            assert len(receiver.lines[device.bind]) == device.lines == told["lines"][device.name]


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("192.0.2.1:514", 3),
        ("collector.example.org:514", 3),
        ("127.0.0.1", 2),
        ("127.0.0.1:0", 2),
        ("nobody=127.0.0.1:514", 2),
    ],
)
def test_targets_that_are_wrong_or_elsewhere_are_refused(folder: Path, to: str, code: int) -> None:
    result = CliRunner().invoke(app, ["play", str(folder), "--to", to])
    assert result.exit_code == code
    assert not result.stdout


def test_a_folder_of_something_else_is_refused_with_the_next_step(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["play", str(tmp_path), "--to", "127.0.0.1:5514"])
    assert result.exit_code == 2
    assert "cyberalarm lab generate" in result.stderr


def test_impossible_runs_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["generate", str(tmp_path), "--days", "0"])
    assert result.exit_code == 2
    assert "days" in result.stderr
