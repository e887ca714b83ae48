"""An operator publishes packs; a collector that runs reads by them within one look at the status, without a restart."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import state as notes
from cyberalarm.core.outcome import Ledger, Outcome
from tests.collector.members import Home, blocked
from tests.collector.pack_releases import FAULTY, NAME, PACK, turnstile
from tests.collector.processes import cyberalarm, end, start, wait_for
from tests.whole.centres import RealCentre

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE_ROUND = 90.0
# The collector asks for the status each minute; a test need not wait so long.
OFTEN = "import cyberalarm.collector.service as service\nservice._STATUS_SECONDS = 3.0"


@pytest.fixture
def own_centre(tmp_path: Path) -> Iterator[RealCentre]:
    made = RealCentre.make(tmp_path / "centre")
    yield made
    made.stop()


def command(*arguments: object) -> str:
    told = cyberalarm(*map(str, arguments))
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout.strip()


def refused(*arguments: object) -> str:
    """The code with which a command was refused."""
    told = cyberalarm(*map(str, arguments))
    assert told.returncode == 3, told.stdout + told.stderr
    return told.stderr.rpartition("(code: ")[2].rstrip(")\n")


@pytest.mark.slow
def test_packs_reach_a_collector_that_runs(own_centre: RealCentre, tmp_path: Path) -> None:
    centre, key = own_centre, tmp_path / "release.key"
    public = command("formats", "release", "new-key", key)
    centre.config.write_text(centre.config.read_text() + f'release_keys = ["{public}"]\n')
    centre.start()
    [member] = centre.provision(("Example School", "kent"))
    home = Home.make(tmp_path / "collector")
    command("collector", "enrol", member.token, "--config", home.path)
    arguments = (tmp_path / "log", "collector", "run", "--config", str(home.path))
    process = start(*arguments, before=OFTEN)
    try:
        _journey(centre, home, tmp_path, key)
        process.kill()
        process.wait()
        started = time.time()
        process = start(*arguments, before=OFTEN)
        wait_for("the collector again", lambda: _state(home).started > started)
        assert _state(home).packs.release == 7, "from its disk, before anything else"
        _withdrawal(centre, home)
    finally:
        status = end(process)
    assert status == 0, (tmp_path / "log").read_text()


def _journey(centre: RealCentre, home: Home, folder: Path, key: Path) -> None:
    wait_for("the collector", lambda: notes.read(home.data) is not None)
    wait_for("the centre's list of sources, if it names nobody", lambda: _state(home).sources.number >= 1, ONE_ROUND)
    sent = _send(home, [turnstile(n) for n in range(20)])
    wait_for("strange lines", lambda: _ledger(home).outcomes[Outcome.UNRECOGNISED] == 20)
    built = _build(folder, key, 7, PACK)
    operator = ("--why", "A new product.", "--config", centre.config)
    _tampering_is_refused(folder, built, operator)
    command("central", "publish-packs", built, *operator)
    assert refused("central", "publish-packs", _build(folder, key, 6, PACK), *operator) == "release-older"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        until = time.monotonic() + ONE_ROUND
        # Lines keep coming while packs change: none may be lost, none counted twice.
        while not _state(home).packs.release:
            assert time.monotonic() < until, (folder / "log").read_text()
            device.sendto(blocked(sent), ("127.0.0.1", home.udp))
            sent += 1
            time.sleep(0.005)
    sent += _send(home, [turnstile(n) for n in range(30)])
    wait_for("every line", lambda: _ledger(home).received == sent)
    ledger = _ledger(home)
    assert ledger.balanced
    assert ledger.outcomes[Outcome.UNRECOGNISED] == 20
    assert ledger.outcomes[Outcome.KEPT] == sent - 20
    assert _state(home).packs.packs == [f"{NAME} 1"]
    wait_for("all of it at the centre", lambda: centre.received() == sent)
    assert centre.query("select sum(kept), sum(received) from ingest_ledgertotal") == [(sent - 20, sent)]
    assert "Pack release 7 is in use" in cyberalarm("collector", "doctor", "--config", str(home.path)).stdout
    explained = command("collector", "explain", turnstile(1).decode(), "--config", home.path, "--output", "json")
    assert (json.loads(explained)["outcome"], json.loads(explained)["product"]) == ("kept", NAME)
    acts = centre.query("select action, subject, why from audit_entry where action like 'packs-%'")
    assert acts == [("packs-published", "release:7", "A new product.")]


def _withdrawal(centre: RealCentre, home: Home) -> None:
    _send(home, [turnstile(n) for n in range(4)])
    wait_for("lines that are known", lambda: _ledger(home).outcomes[Outcome.KEPT] == 4)
    command("central", "withdraw-packs", "--why", "Enough.", "--config", centre.config)
    wait_for("the program's own packs", lambda: not _state(home).packs.release, ONE_ROUND)
    _send(home, [turnstile(n) for n in range(5)])
    wait_for("strange lines again", lambda: _ledger(home).outcomes[Outcome.UNRECOGNISED] == 5)
    assert _ledger(home).balanced


def _build(folder: Path, key: Path, number: int, text: str) -> Path:
    packs = folder / f"packs-{number}"
    packs.mkdir()
    (packs / "turnstile.toml").write_text(text)
    built = folder / f"release-{number}"
    command("formats", "release", "build", built, "--key", key, "--number", number, "--packs", packs)
    return built


def _tampering_is_refused(folder: Path, built: Path, operator: tuple[object, ...]) -> None:
    whole = built.read_bytes()
    changed, cut, other = folder / "changed", folder / "cut", folder / "other.key"
    changed.write_bytes(whole.replace(b'"number":7', b'"number":9'))
    cut.write_bytes(whole[:-20])
    command("formats", "release", "new-key", other)
    strange = _build(folder, other, 8, PACK)
    assert refused("central", "publish-packs", changed, *operator) == "release-signature"
    assert refused("central", "publish-packs", cut, *operator) == "release-malformed"
    assert refused("central", "publish-packs", strange, *operator) == "release-key-unknown"
    faulty = folder / "faulty"
    faulty.mkdir()
    (faulty / "turnstile.toml").write_text(FAULTY)
    arguments = ("--key", folder / "release.key", "--number", 9, "--packs", faulty)
    assert refused("formats", "release", "build", folder / "release-9", *arguments) == "release-lint"


def _send(home: Home, lines: list[bytes]) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        for line in lines:
            device.sendto(line, ("127.0.0.1", home.udp))
    return len(lines)


def _state(home: Home) -> notes.State:
    state = notes.read(home.data)
    assert state is not None
    return state


def _ledger(home: Home) -> Ledger:
    """Of all devices: the hosts in the lines are two."""
    total = Ledger()
    for device in _state(home).devices.values():
        total.merge(Ledger.from_json(device.ledger))
    return total
