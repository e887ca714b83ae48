"""Folders, free ports and processes of a demonstration. Ends exactly the processes that it started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MARK = "made-by-cyberalarm-demo"
_PROGRAM = (sys.executable, "-c", "from cyberalarm.cli.app import main; main()")


class DemoError(CyberAlarmError):
    """The demonstration cannot go on."""

    code = "demo"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port on loopback that nobody uses now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fresh_folder(folder: Path) -> Path:
    """An empty folder for one demonstration. Removes only what an earlier demonstration left."""
    if folder.exists():
        if not (folder / _MARK).exists() and any(folder.iterdir()):
            raise DemoError(f"{folder} exists and is not an earlier demonstration's.", next_step="Name another folder.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARK).touch()
    return folder.resolve()


def program(*arguments: str, given: str = "") -> str:
    """Run one command of this program to its end; gives what it printed. Raises DemoError with what it said."""
    done = subprocess.run(
        [*_PROGRAM, *arguments], input=given, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise DemoError(f"`cyberalarm {arguments[0]} {arguments[1]}` failed: {done.stderr.strip()[-600:]}")
    return done.stdout


@dataclass(slots=True)
class Stage:
    """The processes of a demonstration, with their logs in `folder`."""

    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str) -> None:
        """Start one command of this program as a process of its own."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [*_PROGRAM, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C reaches us alone; we end the others in order
            )

    def wait_for(self, what: str, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until something is so. Raises DemoError when it takes too long, or a process has ended."""
        deadline = time.monotonic() + seconds
        while not ready():
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise DemoError(f"The process {name!r} ended early: {self._last_words(name)}")
            if time.monotonic() > deadline:
                raise DemoError(
                    f"{what} took longer than {seconds:.0f} s.", next_step=f"See the logs in {self.folder}."
                )
            time.sleep(0.1)

    def stop(self, name: str) -> int:
        """End one process politely, and wait for it."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def stop_all(self) -> None:
        """End all, the newest first: collectors before the centre."""
        for name in reversed(list(self.processes)):
            self.stop(name)

    def _last_words(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text("utf-8", "replace").strip()[-600:]
