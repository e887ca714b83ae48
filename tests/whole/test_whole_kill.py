"""A real collector and a real centre, both killed again and again while lines arrive: what was spooled is stored exactly once."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from cyberalarm.envelope import sealing
from tests.collector.members import Home, blocked, let_in
from tests.collector.processes import cyberalarm, end, start, wait_for
from tests.whole.centres import RealCentre

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = 6


class Devices:
    """A TCP device that connects again when it is cut off, and a UDP device. They send until told to stop."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._stop = threading.Event()
        self.tcp_lines = self.udp_lines = 0
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._tcp, self._udp)]

    def __enter__(self) -> Devices:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _tcp(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._home.tcp), 5) as device:
                while not self._stop.is_set():
                    numbers = range(self.tcp_lines, self.tcp_lines + 40)
                    device.sendall(b"".join(blocked(n) + b"\n" + let_in(n) + b"\n" for n in numbers))
                    self.tcp_lines += 40
                    time.sleep(0.01)
            time.sleep(0.05)

    def _udp(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            while not self._stop.is_set():
                device.sendto(blocked(self.udp_lines, "192.0.2.200"), ("127.0.0.1", self._home.udp))
                self.udp_lines += 1
                time.sleep(0.001)


@pytest.fixture
def own_centre(tmp_path: Path) -> Iterator[RealCentre]:
    made = RealCentre.make(tmp_path / "centre")
    made.start()
    yield made
    made.stop()


def spooled(home: Home) -> dict[int, str]:
    """Sequence and digest of what stands in the spool; a collector that was killed has nothing else."""
    return {int(p.stem): sealing.digest(p.read_bytes()) for p in (home.data / "spool").glob("*.env")}


@pytest.mark.slow
def test_killed_on_both_sides(own_centre: RealCentre, tmp_path: Path) -> None:
    centre, chance = own_centre, random.Random(11)
    [member] = centre.provision(("Example School", "kent"))
    home = Home.make(tmp_path / "collector")
    log = tmp_path / "collector.log"
    enrolled = cyberalarm("collector", "enrol", member.token, "--config", str(home.path))
    assert enrolled.returncode == 0, enrolled.stderr
    acknowledged: dict[int, str] = {}

    def starts() -> int:
        return log.read_text("utf-8", "replace").count('"collector.running"') if log.exists() else 0

    def run() -> subprocess.Popen[bytes]:
        """A collector that runs: a signal before that would find a process that is still being loaded."""
        before = starts()
        process = start(log, "collector", "run", "--config", str(home.path))
        wait_for("a running collector", lambda: starts() > before)
        return process

    collector = run()
    try:
        with Devices(home):
            for number in range(ROUNDS):
                before = centre.received()
                wait_for("lines at the centre", lambda before=before: centre.received() > before + 200)  # type: ignore[misc]
                time.sleep(chance.random())
                if number % 2 == 0:
                    centre.kill()
                    time.sleep(1.5)  # bundles gather in the spool meanwhile
                collector.kill()
                collector.wait()
                acknowledged |= spooled(home)
                collector = run()
                if number % 2 == 0:
                    centre.start()
        wait_for("an empty spool", lambda: not spooled(home))
    finally:
        status = end(collector)
    assert status == 0, log.read_text()[-2000:]
    _send_rest(home)
    _check(centre, home, member.member, acknowledged)


def _send_rest(home: Home) -> None:
    from cyberalarm.collector.replay import replay

    assert replay(home.config, [], on_progress=lambda _: None).unsent == 0


def _check(centre: RealCentre, home: Home, member: str, acknowledged: dict[int, str]) -> None:
    """Ledgers, rows, chain and spool agree, and everything that was ever spooled is there once."""
    stored = centre.query(
        "select sequence, digest, rows, lines, state, collector_id from ingest_envelope order by sequence"
    )
    count = len(stored)
    assert [row[0] for row in stored] == list(range(1, count + 1))
    assert {row[4] for row in stored} == {"stored"}
    digests = {row[0]: row[1] for row in stored}
    assert acknowledged, "every kill left something in the spool"
    assert acknowledged.items() <= digests.items(), "what was spooled is stored, unchanged, in its place"
    chain = json.loads((home.data / "spool" / "chain.json").read_text())
    assert (chain["sequence"], chain["digest"]) == (count, digests[count])
    assert spooled(home) == {}
    [(received, kept)] = centre.query("select sum(received), sum(kept + recalled) from ingest_ledgertotal")
    assert received == sum(row[3] for row in stored)  # type: ignore[misc]
    assert centre.stored()[member] == kept
    assert received > kept > 0  # type: ignore[operator]
    centre.stop()
    collector = stored[0][5]
    assert isinstance(collector, int)
    assert centre.rows(collector, count) == [*(row[2] for row in stored), 0]
    previous = sealing.FIRST_PREVIOUS
    for path in sorted((centre.data / "envelopes").glob("c-*/*.env"), key=lambda p: int(p.stem)):
        header = sealing.read_header(path.read_bytes())
        assert header.previous == previous
        previous = sealing.digest(path.read_bytes())
        assert previous == digests[header.sequence]
