"""The operator at the centre's own command line: how it is, stopping a collector, a second start, a port that is taken."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

from tests.collector.processes import cyberalarm

if TYPE_CHECKING:
    from tests.whole.centres import RealCentre


def test_how_the_centre_is(real_centre: RealCentre) -> None:
    told = cyberalarm("central", "status", "--output", "json", "--config", str(real_centre.config))
    rows = json.loads(told.stdout)
    assert told.returncode in {0, 4}, told.stdout
    assert not [row for row in rows if row["grave"] and not row["good"]]
    assert len(rows) > 4


def test_a_collector_is_stopped_resumed_and_revoked(real_centre: RealCentre) -> None:
    [member] = real_centre.provision(("Stopped and revoked", "kent"))
    enrolled = cyberalarm("collector", "enrol", "-", "--config", str(_collector(real_centre)), given=member.token)
    assert enrolled.returncode == 0, enrolled.stderr

    def act(*words: str) -> int:
        arguments = (*words, "--why", "A test.", "--config", str(real_centre.config))
        return cyberalarm("central", *arguments).returncode

    def status() -> object:
        [(found,)] = real_centre.query("select status from members_collector where reference = ?", member.collector)
        return found

    for word, wanted in (("stop", "stopped"), ("resume", "enrolled"), ("revoke", "revoked")):
        assert act("collector", word, member.collector) == 0
        assert status() == wanted
    assert act("collector", "resume", member.collector) != 0  # revoked is for good
    assert act("collector", "stop", "c-nobody") == 1
    assert act("end-membership", member.member) == 0
    reasons = real_centre.query("select why from audit_entry where subject like ?", f"%{member.collector}%")
    assert ("A test.",) in reasons


def _collector(real_centre: RealCentre) -> object:
    config = real_centre.folder / "collector.toml"
    config.write_text('data = "collector"\n')
    return config


def test_a_second_start_changes_nothing_and_says_who_is_there(real_centre: RealCentre) -> None:
    other = real_centre.folder / "second.toml"
    other.write_text(f'data = "data"\nport = {_free_port()}\n')
    told = cyberalarm("central", "serve", "--config", str(other))
    assert told.returncode == 1
    assert "event-store-held" in told.stderr


def test_a_taken_port_is_said_before_anything_starts(real_centre: RealCentre) -> None:
    port = real_centre.config.read_text().rpartition("port = ")[2].strip()
    other = real_centre.folder / "other.toml"
    other.write_text(f'data = "elsewhere"\nport = {port}\n')
    told = cyberalarm("central", "serve", "--config", str(other))
    assert told.returncode == 1
    assert f"port {port}" in told.stderr
    assert "Traceback" not in told.stderr
    assert not (real_centre.folder / "elsewhere" / "events").exists()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
