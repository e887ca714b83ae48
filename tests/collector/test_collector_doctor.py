"""`doctor` in each state: what it finds, what to do, and the exit code."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import doctor, state
from cyberalarm.collector.doctor import Check, Verdict, examine
from cyberalarm.collector.enrol import enrol
from cyberalarm.collector.files import only_one
from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.envelope.tokens import RegistrationToken
from tests.collector.members import STRANGE, Home, blocked
from tests.collector.processes import cyberalarm, end, start, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.collector.fake_centre import FakeCentre


def found(home: Home) -> dict[str, Check]:
    return {check.link: check for check in examine(home.config)}


def says(check: Check, verdict: Verdict, *words: str) -> None:
    assert check.verdict is verdict, check
    for word in words:
        assert word in f"{check.found} {check.next_step}"


def ledger(**counts: int) -> dict[str, int]:
    made = Ledger()
    made.add(counts.get(outcome.value, 0) for outcome in Outcome)
    made.dropped_by_kernel = counts.get("dropped", 0)
    return made.to_json()


def device(counts: dict[str, int], **changes: object) -> state.DeviceNote:
    note = {"source": "192.0.2.1", "last_line": time.time(), "products": {"x": 1}, "absurd_times": 0, "ledger": counts}
    return state.DeviceNote.model_validate({**note, **changes})


def noted(home: Home, **changes: object) -> None:
    """Leave the note that a running collector would; the caller holds the folder as it would."""
    now = time.time()
    shipping = state.ShippingNote(sent=3, rows=9, last_receipt=now, trouble_code="", trouble="", trouble_since=0)
    note = {
        "written": now, "started": now - 60, "version": "0.1.0", "listening": {"udp": [], "tcp": []},
        "spool": {"waiting": 0, "bytes": 0, "limit": 1000}, "shipping": shipping, "held": False, "clock_ahead_ms": 5,
        "devices": {"d-one": device(ledger(kept=5))},
    }  # fmt: skip
    state.write(home.data, state.State.model_validate({**note, **changes}))


def test_not_enrolled(home: Home) -> None:
    checks = found(home)
    says(checks["Enrolment"], Verdict.BAD, "not enrolled yet", "collector enrol TOKEN")
    assert "Centre" not in checks, "one thing to do at a time"


def test_not_running_with_ports_free_and_taken(member: Home) -> None:
    with socket.create_server(("127.0.0.1", member.tcp)):
        checks = found(member)
    says(checks["Program"], Verdict.BAD, "not running", "cyberalarm collector run")
    says(checks[f"Port 127.0.0.1:{member.tcp} (TCP)"], Verdict.BAD, "Address already in use", "ss -lnptu")
    says(checks[f"Port 127.0.0.1:{member.udp} (UDP)"], Verdict.GOOD, "Free")
    says(checks["Enrolment"], Verdict.GOOD, "Enrolled as c-test")
    says(checks["Centre"], Verdict.GOOD, "answers, and knows this collector")


def test_a_port_that_needs_more_rights(member: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(endpoint: str, kind: socket.SocketKind) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor, "bound", refuse)
    says(found(member)[f"Port 127.0.0.1:{member.udp} (UDP)"], Verdict.BAD, "below 1024", "systemd unit")


def test_a_real_collector_from_its_first_moment_to_a_device_that_is_not_recognised(
    member: Home, centre: FakeCentre, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    process = start(log, "collector", "run", "--config", str(member.path))
    try:
        wait_for("the collector", lambda: b"collector.running" in log.read_bytes())
        wait_for("its note", lambda: "Devices" in found(member))
        checks = found(member)
        says(checks["Program"], Verdict.GOOD, "running")
        says(checks["Devices"], Verdict.ATTENTION, "Nothing has arrived yet", "Point your firewall's syslog")
        assert cyberalarm("collector", "doctor", "--config", str(member.path)).returncode == 4
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.9", 0))
            sender.sendto(blocked(1), ("127.0.0.1", member.udp))
        wait_for("the device", lambda: any(link.startswith("Device ") for link in found(member)))
        wait_for("its bundle", lambda: "1 bundles receipted" in found(member)["Sending"].found)
        good = cyberalarm("collector", "doctor", "--config", str(member.path), "--output", "json")
        assert (good.returncode, {check["verdict"] for check in json.loads(good.stdout)}) == (0, {"good"}), good.stdout
        with socket.create_connection(("127.0.0.1", member.tcp)) as sender:
            sender.sendall((STRANGE + b"\n") * 5)
        wait_for("the strange one", lambda: any("not recognised" in check.found for check in found(member).values()))
        bad = cyberalarm("collector", "doctor", "--config", str(member.path))
        assert bad.returncode == 1
        assert "5 of them are not recognised" in bad.stdout
        assert "→ Check the device's log format" in bad.stdout
    finally:
        assert end(process) == 0
    says(found(member)["Program"], Verdict.BAD, "not running")


@pytest.mark.parametrize(
    ("note", "verdict", "words"),
    [
        (device(ledger(kept=5)), Verdict.GOOD, "5 lines from 192.0.2.1: x."),
        (device(ledger(kept=5), last_line=-3600), Verdict.ATTENTION, "Silent for 60 minutes."),
        (device(ledger(kept=5, unrecognised=6)), Verdict.BAD, "6 of them are not recognised"),
        (device(ledger(unrecognised=6), products={}), Verdict.BAD, "no product recognised"),
        (device(ledger(kept=5, unrecognised=5)), Verdict.GOOD, "10 lines"),
        (device(ledger(dropped=7), last_line=0), Verdict.ATTENTION, "7 datagrams were lost"),
        (device(ledger(kept=5), absurd_times=5), Verdict.ATTENTION, "a time that cannot be"),
        (device({"received": 1}), Verdict.ATTENTION, "cannot be read"),
    ],
)
def test_a_device(member: Home, note: state.DeviceNote, verdict: Verdict, words: str) -> None:
    if note.last_line < 0:  # so many seconds before this test, however long those before it took
        note = note.model_copy(update={"last_line": time.time() + note.last_line})
    with only_one(member.data):
        noted(member, devices={"d-one": note})
        says(found(member)["Device d-one"], verdict, words)


def test_what_the_other_side_says_does_not_steer_the_terminal(member: Home) -> None:
    trouble = "The centre refuses a bundle: \x1b[2J\x9b31mall is well."
    with only_one(member.data):
        now = time.time()
        noted(
            member,
            shipping=state.ShippingNote(
                sent=0, rows=0, last_receipt=0, trouble_code="odd", trouble=trouble, trouble_since=now
            ),
        )
        told = cyberalarm("collector", "doctor", "--config", str(member.path))
    assert "The centre refuses a bundle: \N{REPLACEMENT CHARACTER}[2J" in told.stdout
    assert not {"\x1b", "\x9b"} & set(told.stdout)


def test_bundles_that_wait(member: Home) -> None:
    with only_one(member.data):
        noted(member, spool={"waiting": 4, "bytes": 100, "limit": 1000})
        says(found(member)["Sending"], Verdict.GOOD, "3 bundles receipted since the start, 4 waiting")
        noted(member, spool={"waiting": 4, "bytes": 850, "limit": 1000})
        says(found(member)["Sending"], Verdict.ATTENTION, "The spool is 85% full")
        noted(member, spool={"waiting": 4, "bytes": 850, "limit": 1000}, held=True)
        says(found(member)["Sending"], Verdict.ATTENTION, "asked this collector to hold; 4 bundles are kept")
        trouble = {
            "sent": 0,
            "rows": 0,
            "last_receipt": 0,
            "trouble_code": "chain-gap",
            "trouble": "Oh.",
            "trouble_since": 1,
        }
        noted(member, spool={"waiting": 4, "bytes": 8, "limit": 1000}, shipping=trouble)
        says(found(member)["Sending"], Verdict.BAD, "4 bundles wait. Oh.", "Code: chain-gap")
        noted(member, turned_away=12)
        says(
            found(member)["Connections"],
            Verdict.ATTENTION,
            "12 TCP connections were turned away",
            "listen.tcp_connections",
        )


def test_a_process_that_hangs(member: Home) -> None:
    with only_one(member.data):
        noted(member, written=time.time() - 120)
        says(found(member)["Program"], Verdict.ATTENTION, "has not said how it is")
        (member.data / "state.json").write_text('{"written": "yesterday"}')
        says(found(member)["Program"], Verdict.ATTENTION, "has not said how it is")
    noted(member)
    says(found(member)["Program"], Verdict.BAD, "not running")


@pytest.mark.parametrize(
    ("ahead_ms", "link", "verdict", "words"),
    [
        (10_000, "Centre", Verdict.GOOD, "answers"),
        (-120_000, "Clock", Verdict.ATTENTION, "This machine's clock is 120 s ahead"),
        (120_000, "Clock", Verdict.ATTENTION, "s behind"),
        (600_000, "Clock", Verdict.BAD, "more than five minutes off"),
    ],
)
def test_the_clock(member: Home, centre: FakeCentre, ahead_ms: int, link: str, verdict: Verdict, words: str) -> None:
    centre.clock_ms = ahead_ms
    check = found(member)[link]
    says(replace(check, found=check.found.replace("119 s", "120 s")), verdict, words)
    if verdict is not Verdict.GOOD:
        assert "NTP" in check.next_step


def test_a_clock_that_was_never_set(member: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CLOCK_FLOOR_S", time.time() + 10**9)
    says(found(member)["Clock"], Verdict.BAD, "clock is not set", "NTP")


def test_the_centre_is_away(member: Home, centre: FakeCentre) -> None:
    centre.__exit__()
    says(found(member)["Centre"], Verdict.BAD, "cannot be reached", "bundles are kept")


def test_the_centre_has_another_certificate_or_forgot_us(home: Home, centre: FakeCentre, tmp_path: Path) -> None:
    enrol(home.config, centre.token().to_text())
    identity = json.loads((home.data / "identity.json").read_text())
    (home.data / "identity.json").write_text(json.dumps({**identity, "pin": "ab" * 32}))
    says(found(home)["Centre"], Verdict.BAD, "certificate is not the one")
    (home.data / "identity.json").write_text(json.dumps(identity))
    (home.data / "signing.key").unlink()
    says(found(home)["Enrolment"], Verdict.BAD, "key", "missing")
    enrol(home.config, RegistrationToken(centre.url, centre.pin, "c-test", centre.token().secret).to_text())
    says(found(home)["Centre"], Verdict.GOOD, "knows this collector")


def test_a_full_disk_and_a_folder_without_rights(member: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_LEAST_FREE", 2**62)
    says(found(member)["Disk"], Verdict.ATTENTION, "GB free", "Free some space")
    monkeypatch.setattr(os, "access", lambda *_: False)
    says(found(member)["Disk"], Verdict.BAD, "cannot be written")
