"""What the service manager is told: ready when the ports are open, alive while the pipeline turns, stopping."""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector.supervision import Supervisor
from tests.collector.members import Home, blocked
from tests.collector.processes import end, start

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.collector.fake_centre import FakeCentre


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)

    def said(self, seconds: float) -> str:
        """The next message, or nothing within so many seconds."""
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(4096).decode()
        except TimeoutError:
            return ""

    def until(self, word: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while word not in self.said(max(end - time.monotonic(), 0.01)):
            assert time.monotonic() < end, word

    def close(self) -> None:
        self._socket.close()


@contextmanager
def supervised(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str = ""
) -> Iterator[tuple[Manager, subprocess.Popen[bytes]]]:
    path = tmp_path / "notify"
    manager = Manager(str(path))
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", "900000")
    process = start(tmp_path / "log", "collector", "run", "--config", str(home.path), before=before)
    try:
        yield manager, process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        manager.close()


def test_ready_alive_stopping(
    member: Home, centre: FakeCentre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with supervised(member, tmp_path, monkeypatch) as (manager, process):
        assert "READY=1" in manager.said(60)
        socket.create_connection(("127.0.0.1", member.tcp), 1).close()  # the ports are open
        for _ in range(5):
            assert manager.said(2) == "WATCHDOG=1"
        process.terminate()
        manager.until("STOPPING=1")
        assert end(process) == 0


def test_a_pipeline_that_stands_still_is_not_called_alive(
    member: Home, centre: FakeCentre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = (
        "import time; from cyberalarm.collector.pipeline import Pipeline\n"
        "Pipeline.take = lambda *_, **__: time.sleep(60)"
    )
    with supervised(member, tmp_path, monkeypatch, stuck) as (manager, process):
        manager.until("READY=1")
        assert manager.said(2) == "WATCHDOG=1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(blocked(1), ("127.0.0.1", member.udp))
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 1.5:
            if manager.said(1.5):
                quiet_since = time.monotonic()
        assert process.poll() is None


def test_abstract_names_and_other_processes_watchdogs(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"cyberalarm-test-{os.getpid()}"
    manager = Manager(f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    supervisor = Supervisor()
    supervisor.alive()
    supervisor.ready("here")
    assert manager.said(5) == "READY=1\nSTATUS=here", "the watchdog is of another process"
    manager.close()
    supervisor.ready("gone")  # the manager went away: no reason to fail


@pytest.mark.parametrize("microseconds", ["", "x", "-5"])
def test_without_a_manager_nothing_happens(microseconds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    supervisor = Supervisor()
    supervisor.ready("x")
    supervisor.alive()
    supervisor.stopping()
