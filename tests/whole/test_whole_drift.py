"""A device's firmware is updated and its lines change: the collector notices, the member and the centre read of it, and it ends.

Real processes: the centre, the collector (whose windows last a second instead of four minutes), and a device that sends UDP.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cyberalarm.central import control
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.enrol import enrol
from tests.collector.members import Home, blocked
from tests.collector.processes import cyberalarm, end, environment, python, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.whole.centres import RealCentre

QUICK = """
import sys
from dataclasses import replace
from cyberalarm.collector.drift import rate, watch
rate.LIMITS = replace(rate.LIMITS, window_s=1.0, learn_windows=4)
watch._SAVE_S = 0.2
from cyberalarm.cli.app import main
main()
"""

# A member's page, as somebody of the member reads it.
PAGE = """
import sys
from pathlib import Path
from cyberalarm.cli.django_setup import set_up
set_up(Path(sys.argv[1]))
from django.test import Client
from cyberalarm.central.accounts.models import User
from cyberalarm.central.accounts.services import create_member_user
from cyberalarm.central.members.models import Member
member = Member.objects.get(reference=sys.argv[2])
owner = User.objects.filter(email="owner@drift.example").first() or create_member_user(
    "owner@drift.example", "Olive Owner", "purple-lantern-marmalade", member)
client = Client(SERVER_NAME="localhost")
client.force_login(owner)
print(client.get(f"/member/collectors/{sys.argv[3]}", secure=True).content.decode())
"""

CHANGED = b'<134>2026-11-18T09:15:00Z gateway fw2: verdict=block user=alice from=198.51.100.7 note="alice\'s pc" alice@example.org'


class Device:
    """Sends lines by UDP until the test is over; what it sends can be changed."""

    def __init__(self, home: Home) -> None:
        self.lines = [blocked(n) for n in range(20)]
        self._port = home.udp
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def _send(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.2", 0))
            while not self._over.wait(0.1):
                for line in self.lines:
                    sender.sendto(line, ("127.0.0.1", self._port))

    def __enter__(self) -> Device:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@contextmanager
def collecting(home: Home, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        command = [sys.executable, "-c", QUICK, "collector", "run", "--config", str(home.path)]
        process = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield process
    finally:
        if process.poll() is None:
            assert end(process) == 0, log.read_text()


def drift(home: Home) -> dict[str, str] | None:
    """What the doctor says of it."""
    rows = json.loads(cyberalarm("collector", "doctor", "--config", str(home.path), "--output", "json").stdout)
    return next((row for row in rows if row["link"].endswith(": drift")), None)


def windows_learnt(home: Home) -> int:
    try:
        devices = json.loads((home.data / "drift.json").read_bytes())["devices"]
    except (OSError, ValueError):
        return 0
    return max((device["share"]["windows"] for device in devices.values()), default=0)


def test_an_update_of_a_devices_firmware(real_centre: RealCentre, tmp_path: Path) -> None:
    [member] = real_centre.provision(("Drift", "kent"))
    home, log = Home.make(tmp_path / "collector"), tmp_path / "log"
    enrol(home.config, member.token)
    name = DeviceNames(home.data).name("127.0.0.2")

    def at_the_centre() -> list[tuple[object, ...]]:
        return real_centre.query(
            "select a.device, a.kind, a.since from ingest_devicealarm a join members_collector c on c.id = a.collector_id"
            " where c.reference = ?",
            member.collector,
        )

    def page() -> str:
        return python(PAGE, str(real_centre.config), member.member, member.collector)

    with Device(home) as device, collecting(home, log) as process:
        wait_for("something learnt", lambda: windows_learnt(home) >= 6)
        assert drift(home) is None
        device.lines = device.lines[:10] + [CHANGED] * 10
        wait_for("the alarm at the centre", lambda: bool(at_the_centre()))
        [(where, kind, since)] = at_the_centre()
        assert (where, kind) == (name, "not-recognised")
        process.kill()
        process.wait()
        with collecting(home, log):
            wait_for("the doctor", lambda: (drift(home) or {}).get("sample", "") != "")
            said = drift(home) or {}
            assert said["verdict"] == "attention"
            assert "Fewer lines are recognised, since " in said["found"]
            form = '<134>0000-00-00T00:00:00Z gateway fw0: verdict=… user=… from=… note="…" [mailbox]'
            assert said["sample"] == form
            assert form in cyberalarm("collector", "samples", "--config", str(home.path)).stdout
            control.ask(real_centre.data, "look")
            told = page()
            assert f"Device {name}: fewer lines are recognised" in told
            assert "verdict" not in told, "no sample leaves the collector"
            [formats] = [row for row in json.loads(_status(real_centre)) if row["name"] == "Formats"]
            assert "1 device's format has changed." in formats["words"]
            [(_, _, after)] = at_the_centre()
            assert after == since, "the restart changed nothing"
            device.lines = [blocked(n) for n in range(20)]
            wait_for("its end at the centre", lambda: not at_the_centre())
            control.ask(real_centre.data, "look")
            assert "What needs a look" not in page()
            wait_for("its end at the doctor's", lambda: drift(home) is None)
    for path in home.data.glob("*.json"):
        assert b"alice" not in path.read_bytes()
        assert path.name == "state.json" or b"198.51.100" not in path.read_bytes()
    assert b"alice" not in log.read_bytes()


def _status(centre: RealCentre) -> str:
    return cyberalarm("central", "status", "--output", "json", "--config", str(centre.config)).stdout
