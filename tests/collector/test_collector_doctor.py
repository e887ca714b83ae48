"""`doctor` in each state: what it finds, what to do, and the exit code."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import state
from cyberalarm.collector.doctor import Check, Verdict, devices, examine, links, ports
from cyberalarm.collector.doctor import centre as centre_link
from cyberalarm.collector.enrol import enrol
from cyberalarm.collector.files import only_one
from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.envelope.tokens import RegistrationToken
from tests.collector.members import STRANGE, Home, blocked
from tests.collector.processes import MAIN, cyberalarm, end, environment, start, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.collector.fake_centre import FakeCentre


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A collector whose configuration has nothing that anybody could remark on, wherever the tests run."""
    made = Home.make(tmp_path / "collector", f"spool_bytes = {64 * 1024**2}")
    text = (
        made.path.read_text()
        .replace('"UTC"', '"Europe/London"')
        .replace("[listen]", "[listen]\nreceive_buffer = 65536")
    )
    made.path.write_text(text)
    return made


def found(home: Home) -> dict[str, Check]:
    return {check.link: check for check in examine(home.path)}


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
    says(
        checks[f"Port 127.0.0.1:{member.tcp} (TCP)"], Verdict.BAD, "Address already in use", f"(process {os.getpid()})"
    )
    says(checks[f"Port 127.0.0.1:{member.udp} (UDP)"], Verdict.GOOD, "Free")
    says(checks["Enrolment"], Verdict.GOOD, "Enrolled as c-test")
    says(checks["Centre"], Verdict.GOOD, "answers, and knows this collector")


def test_a_port_that_needs_more_rights(member: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(endpoint: str, kind: socket.SocketKind) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ports, "bound", refuse)
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
        says(checks["Devices"], Verdict.ATTENTION, "Nothing has arrived yet", "point your firewall's syslog")
        says(checks[f"Port 127.0.0.1:{member.udp} (UDP)"], Verdict.GOOD, "Open, by the collector")
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
        (device(ledger(kept=9, unrecognised=1)), Verdict.GOOD, "90.0% recognised"),
        (device(ledger(kept=6, unrecognised=4)), Verdict.ATTENTION, "4 of them are not recognised"),
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
        says(found(member)["Sending"], Verdict.GOOD, "3 bundles receipted since the start", "4 waiting")
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
    monkeypatch.setattr(centre_link, "CLOCK_FLOOR_S", time.time() + 10**9)
    says(found(member)["Clock"], Verdict.BAD, "clock is not set", "NTP")


def test_the_centre_is_away(member: Home, centre: FakeCentre) -> None:
    centre.__exit__()
    says(found(member)["Centre"], Verdict.BAD, "nobody listens there", "Bundles are kept")


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
    monkeypatch.setattr(links, "_LEAST_FREE", 2**62)
    says(found(member)["Disk"], Verdict.ATTENTION, "GB free", "Free some space")
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    says(found(member)["Disk"], Verdict.BAD, "cannot be written")


def test_a_configuration_with_mistakes_is_the_first_and_only_thing_to_do(home: Home) -> None:
    home.path.write_text('tme_zone = "UTC"\n[listen]\nudp = 5\n')
    checks = examine(home.path)
    assert {check.link for check in checks} == {"Configuration"}
    says(checks[0], Verdict.BAD, "line 1", "no such key", "time_zone")
    says(checks[1], Verdict.BAD, "line 3", "'listen.udp'")
    told = cyberalarm("collector", "doctor", "--config", str(home.path))
    assert (told.returncode, "no such key" in told.stdout) == (1, True)


def test_files_that_another_account_made(member: Home) -> None:
    """As after `sudo cyberalarm collector enrol`, when the service is somebody else."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(member.data, 65534, -1)
    says(found(member)["Disk"], Verdict.BAD, "signing.key", "chown -R")


def test_another_account_is_told_what_it_may_not_see(member: Home) -> None:
    """An account that is not the folder's owner, and has no right to pass over that."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can give files away")
    for path in (member.data, *member.data.rglob("*")):
        os.chown(path, 65534, -1)
    rights = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    command = [*rights, sys.executable, "-c", MAIN, "collector", "doctor", "--config", str(member.path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"may not look into {member.data}" in done.stdout
    assert "sudo -u nobody cyberalarm collector doctor" in done.stdout
    assert "not enrolled" not in done.stdout, "nothing is said of what cannot be seen"
    assert not done.stderr


def test_what_another_version_left_running(member: Home) -> None:
    with only_one(member.data):
        noted(member, version="0.0.9")
        says(found(member)["Program"], Verdict.ATTENTION, "version 0.0.9", "restart")


def test_a_port_that_was_configured_after_the_start(member: Home) -> None:
    with only_one(member.data):
        noted(member, listening={"udp": [f"127.0.0.1:{member.udp}"], "tcp": []})
        says(found(member)[f"Port 127.0.0.1:{member.udp} (UDP)"], Verdict.GOOD, "by the collector")
        says(found(member)[f"Port 127.0.0.1:{member.tcp} (TCP)"], Verdict.ATTENTION, "does not listen there", "restart")


def test_nothing_arrives_names_where_to_send_and_what_to_look_at(member: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere = member.path.read_text().replace(f"127.0.0.1:{member.udp}", f"0.0.0.0:{member.udp}")
    member.path.write_text(everywhere)
    monkeypatch.setattr(devices.machine, "own_address", lambda: "192.0.2.44")
    with only_one(member.data):
        noted(member, devices={}, listening={"udp": [f"0.0.0.0:{member.udp}"], "tcp": [f"127.0.0.1:{member.tcp}"]})
        check = found(member)["Devices"]
    says(check, Verdict.ATTENTION, "since the collector started", f"192.0.2.44, port {member.udp} (UDP)")
    says(check, Verdict.ATTENTION, f"tcpdump -ni any udp port {member.udp}", "docs/devices", "formats guide", "--watch")


def test_lost_datagrams_say_which_bound_to_raise(member: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = device(ledger(dropped=70), source="listener 0.0.0.0:514", last_line=0)
    monkeypatch.setattr(devices.machine, "granted_buffer", lambda: 1000)
    with only_one(member.data):
        noted(member, devices={"d-one": lost})
        says(
            found(member)["Device d-one"],
            Verdict.ATTENTION,
            "70 datagrams were lost at 0.0.0.0:514",
            "net.core.rmem_max",
        )
        says(found(member)["Device d-one"], Verdict.ATTENTION, "grants 1,000 bytes of the 65,536", "sysctl")


def test_the_centre_wants_a_newer_version(member: Home, centre: FakeCentre) -> None:
    with only_one(member.data):
        noted(member, held=True, minimum_version="9.0.0")
        says(found(member)["Sending"], Verdict.ATTENTION, "asks for version 9.0.0", "Update")
    centre.minimum_version = "9.0.0"
    says(found(member)["Centre"], Verdict.ATTENTION, "asks for version 9.0.0", "Update")


def test_what_waits_while_nothing_runs(member: Home) -> None:
    spool = member.data / "spool"
    spool.mkdir(exist_ok=True)
    for number in (1, 2):
        (spool / f"{number:020d}.env").write_bytes(b"x")
    os.utime(spool / f"{1:020d}.env", (time.time() - 7300, time.time() - 7300))
    says(found(member)["Sending"], Verdict.ATTENTION, "2 bundles wait on the disk, the oldest made 2 hours ago")


def test_many_made_up_senders_do_not_make_an_endless_list(member: Home) -> None:
    many = {f"d-{number}": device(ledger(kept=1)) for number in range(300)}
    with only_one(member.data):
        noted(member, devices=many)
        checks = examine(member.path)
    assert len(checks) < 70
    assert any("250 more senders are not shown" in check.found for check in checks)


def test_watch_shows_who_sends_what(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    unseen = cyberalarm("collector", "doctor", "--watch", "1", "--config", str(member.path))
    assert (unseen.returncode, "(code: collector-unseen)" in unseen.stderr) == (1, True)
    log, shown = tmp_path / "log", tmp_path / "shown"
    process = start(log, "collector", "run", "--config", str(member.path))
    try:
        wait_for("the collector", lambda: b"collector.running" in log.read_bytes())
        wait_for("its note", lambda: state.read(member.data) is not None)
        quiet = cyberalarm("collector", "doctor", "--watch", "1", "--config", str(member.path))
        assert (quiet.returncode, "Nothing has arrived yet" in quiet.stdout) == (4, True)
        watching = start(
            shown, "collector", "doctor", "--watch", "6", "--output", "jsonl", "--config", str(member.path)
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.9", 0))
            until = time.monotonic() + 5
            while time.monotonic() < until and not shown.read_bytes():
                sender.sendto(blocked(1), ("127.0.0.1", member.udp))
                sender.sendto(STRANGE, ("127.0.0.1", member.udp))
                time.sleep(0.1)
        assert watching.wait(60) == 0
    finally:
        assert end(process) == 0
    rows = [json.loads(line) for line in shown.read_text().splitlines()]
    assert {row["source"] for row in rows[:-1]} == {"127.0.0.9"}
    total = rows[-1]["senders"][0]
    assert (total["source"], total["products"].keys()) == ("127.0.0.9", {"linux-netfilter"})
    assert total["outcomes"]["kept"] == sum(row["outcomes"].get("kept", 0) for row in rows[:-1])
    assert total["lines"] == sum(total["outcomes"].values())
    assert b"203.0.113.7" not in shown.read_bytes(), "no line's content"
