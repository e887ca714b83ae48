"""Running this program as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
MAIN = "from cyberalarm.cli.app import main; main()"
PATIENCE = 60.0


def environment() -> dict[str, str]:
    """Ours, with this tree's packages first and no proxy."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PYTHONUNBUFFERED": "1"}


def python(program: str, *arguments: str, timeout: float = PATIENCE) -> str:
    """Run a piece of Python to its end; gives what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment(), capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cyberalarm(*arguments: str, given: str = "", timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    """Run a command of this program to its end."""
    command = [sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(command, env=environment(), input=given, capture_output=True, text=True, timeout=timeout)


def start(log: Path, *arguments: str, before: str = "") -> subprocess.Popen[bytes]:
    """Start a command of this program, after the code in `before`; what it says is appended to `log`."""
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-c", f"{before}\n{MAIN}", *arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )


def end(process: subprocess.Popen[bytes], seconds: float = PATIENCE) -> int:
    """SIGTERM, and wait."""
    process.terminate()
    try:
        return process.wait(seconds)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_for(what: str, ready: Callable[[], bool], seconds: float = PATIENCE) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, f"{what}: not within {seconds} s"
        time.sleep(0.02)
