"""The command line from outside: as a process of its own, or quicker, its `main` in this process with its streams caught."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cyberalarm.cli.app import main
from cyberalarm.cli.nouns import NOUNS, app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MAIN = "from cyberalarm.cli.app import main; main()"
PATIENCE = 120


@dataclass(frozen=True, slots=True)
class Told:
    """How a command ended, and what it said on each stream."""

    code: int
    stdout: str
    stderr: str


def environment(**more: str) -> dict[str, str]:
    """Ours, with this tree's packages, lines that do not wrap, and no configuration of the tests' own centre."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CYBERALARM_", "DJANGO_"))}
    return {**kept, "PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "error", "COLUMNS": "200", **more}


def run(*arguments: object, given: bytes = b"", before: str = "", cwd: Path | None = None, **more: str) -> Told:
    """Run one command as a process of its own; `before` is Python to run first."""
    done = subprocess.run(
        [sys.executable, "-c", f"{before}\n{MAIN}", *map(str, arguments)],
        input=given,
        capture_output=True,
        env=environment(**more),
        timeout=PATIENCE,
        cwd=cwd,
    )
    return Told(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_inside(*arguments: object) -> Told:
    """Run one command in this process, as `main` does it, with its errors and exit code."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.detach().getvalue().decode())  # type: ignore[attr-defined]
    return Told(int(ended.value.code or 0), *texts)


def commands() -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command with its words, groups among them, in the order of help."""
    from typer.main import get_command

    root = get_command(app)
    assert set(root.list_commands(None)) == set(NOUNS)  # type: ignore[attr-defined, arg-type]
    yield from _within((), root)


def _within(words: tuple[str, ...], command: object) -> Iterator[tuple[tuple[str, ...], object]]:
    yield words, command
    if hasattr(command, "list_commands"):
        for name in command.list_commands(None):
            yield from _within((*words, name), command.get_command(None, name))
