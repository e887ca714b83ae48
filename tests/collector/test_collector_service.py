"""The running program as a process of its own: lines in, bundles out, a clean end, and nothing told that should not be."""

from __future__ import annotations

import json
import operator
import re
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import identity as identities
from cyberalarm.collector import service as services
from cyberalarm.collector import state as notes
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.errors import CentreRefusedError, PartFailedError
from cyberalarm.collector.files import only_one
from cyberalarm.collector.replay import replay
from cyberalarm.collector.service import Service
from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.envelope.keys import AnalysisKey
from tests.collector.fake_centre import problem
from tests.collector.members import STRANGE, Home, blocked, let_in
from tests.collector.processes import cyberalarm, end, python, start, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from cyberalarm.collector.config import CollectorConfig
    from tests.collector.fake_centre import FakeCentre


@contextmanager
def running(home: Home, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`collector run` as a process, ready to take lines. Ended politely unless the test did it."""
    process = start(log, "collector", "run", "--config", str(home.path))
    try:
        wait_for("the collector", lambda: b"collector.running" in log.read_bytes() or process.poll() is not None)
        yield process
    finally:
        if process.poll() is None:
            assert end(process) == 0, log.read_text()


def udp(home: Home, *datagrams: bytes, source: str = "127.0.0.2") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", home.udp))


def tcp(home: Home, source: str = "127.0.0.3") -> socket.socket:
    return socket.create_connection(("127.0.0.1", home.tcp), 10, source_address=(source, 0))


def received_by_device(centre: FakeCentre) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in centre.taken:
        for device, ledger in one.ledgers.items():
            found[device] = found.get(device, 0) + ledger.received
    return found


def test_lines_in_bundles_out(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(member, log):
        udp(member, *[blocked(n) for n in range(200)])
        with tcp(member) as device:
            device.sendall(b"".join(let_in(n) + b"\n" for n in range(100)) + STRANGE + b"\n")
            wait_for("everything at the centre", lambda: centre.lines == 301)
        wait_for("a note of it", lambda: _noted(member, "sent") == len(centre.taken))
        state = notes.read(member.data)
    assert centre.total().outcomes[Outcome.KEPT] == 200
    assert centre.total().outcomes[Outcome.ROUTINE] == 100
    assert centre.total().outcomes[Outcome.UNRECOGNISED] == 1
    assert state is not None
    names = DeviceNames(member.data)
    devices = state.devices
    assert set(devices) == {names.name("127.0.0.2"), names.name("127.0.0.3")} == set(received_by_device(centre))
    assert {d.source for d in devices.values()} == {"127.0.0.2", "127.0.0.3"}
    assert all(Ledger.from_json(d.ledger).balanced for d in devices.values())
    assert state.listening.udp == [f"127.0.0.1:{member.udp}"]
    assert state.listening.tcp == [f"127.0.0.1:{member.tcp}"]
    assert (member.data / "state.json").stat().st_mode & 0o077 == 0
    assert {row["device"] for row in centre.events()} == {names.name("127.0.0.2")}


def _noted(home: Home, key: str) -> object:
    note = notes.read(home.data)
    return getattr(note.shipping, key) if note else None


def test_terminated_right_after_the_last_line(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    """Everything that was sent before has its fate in a bundle, to the line."""
    each, log = 20_000, tmp_path / "log"
    with running(member, log) as process, tcp(member, "127.0.0.4") as one, tcp(member, "127.0.0.5") as two:
        one.sendall(b"".join(blocked(n) + b"\n" for n in range(each)))
        two.sendall(b"".join(let_in(n) + b"\n" for n in range(each)) + b"unfinished")
        udp(member, *[STRANGE] * 200)
        assert end(process) == 0, log.read_text()
    replay(member.config, [], on_progress=lambda _: None)
    names = DeviceNames(member.data)
    expected = {"127.0.0.4": each, "127.0.0.5": each + 1, "127.0.0.2": 200}
    assert received_by_device(centre) == {names.name(source): lines for source, lines in expected.items()}
    assert centre.total().outcomes[Outcome.KEPT] == each
    assert centre.total().balanced


def test_terminated_while_lines_arrive(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    """Whatever a sender had sent before the signal is counted; nothing is counted that was not sent."""
    sent = dict.fromkeys(("127.0.0.6", "127.0.0.7", "127.0.0.8"), 0)

    def keep_sending(source: str) -> None:
        number = 0
        with tcp(member, source) as device:
            try:
                while True:
                    device.sendall(b"".join(blocked(number + n) + b"\n" for n in range(50)))
                    number += 50
                    sent[source] = number
            except OSError:
                return

    with running(member, tmp_path / "log") as process:
        threads = [threading.Thread(target=keep_sending, args=(source,)) for source in sent]
        for thread in threads:
            thread.start()
        wait_for("a stream of lines", lambda: centre.lines > 3_000 and min(sent.values()) > 1_000)
        before = dict(sent)
        assert end(process) == 0
        for thread in threads:
            thread.join(20)
    replay(member.config, [], on_progress=lambda _: None)
    names, received = DeviceNames(member.data), received_by_device(centre)
    for source, lines in before.items():
        assert lines <= received[names.name(source)] <= sent[source] + 50
    assert centre.total().balanced


def test_a_spool_that_is_full_does_not_hinder_the_end(member: Home, centre: FakeCentre, tmp_path: Path) -> None:
    centre.answers += [problem(503, "busy")] * 1000
    small = member.config.model_copy(update={"spool_bytes": 1, "bundle_rows": 1000})
    stop = threading.Event()
    with only_one(small.data):
        service = Service(small)
        work = threading.Thread(target=service.run, args=(stop,))
        work.start()
        with tcp(member) as device:
            device.sendall(b"".join(blocked(n) + b"\n" for n in range(900)))
            wait_for("a first bundle", lambda: service._spool.full)
            sender = threading.Thread(target=_send_until_closed, args=(device,))
            sender.start()
            # The pipeline is its thread's own: look while it stands still, waiting for room.
            wait_for("no room", lambda: operator.le(*reversed(service._intake.waiting)))
            stop.set()
            work.join(30)
            assert not work.is_alive()
            sender.join(30)
        total = service._pipeline.totals
        assert service._pipeline.unspooled == 0
    assert total.outcomes[Outcome.OVERFLOW] > 0
    centre.answers.clear()
    replay(member.config, [], on_progress=lambda _: None)
    assert centre.total().to_json() == total.to_json()


def _send_until_closed(device: socket.socket) -> None:
    number = 1000
    try:
        while True:
            device.sendall(b"".join(blocked(number + n) + b"\n" for n in range(100)))
            number += 100
    except OSError:
        return


ADDRESS = re.compile(rb"\b(?!127\.0\.0\.1\b|0\.0\.0\.0\b)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b|2001:db8")


def test_nothing_is_told_in_the_log(home: Home, centre: FakeCentre, tmp_path: Path) -> None:
    """No address, no word of a line, no token: through enrolment, lines of every kind, trouble, refusal and the end."""
    token, log = centre.token().to_text(), tmp_path / "log"
    enrolled = cyberalarm("collector", "enrol", token, "--config", str(home.path))
    centre.answers += [problem(500, "oops"), problem(422, "events-time")]
    with running(home, log):
        udp(home, *[blocked(n) for n in range(50)], STRANGE, b"\xff\xfe", b"x" * 60_000)
        with tcp(home) as device:
            device.sendall(b"x" * 100_000 + b"\n" + STRANGE + b"\n99 <1>cut off")
        wait_for("trouble", lambda: b"ship.trouble" in log.read_bytes())
        wait_for("refusal", lambda: b"events-time" in log.read_bytes())
    said = log.read_bytes() + enrolled.stderr.encode()
    events = [json.loads(line)["event"] for line in log.read_bytes().splitlines()]
    assert {"collector.running", "ship.trouble", "collector.stopped"} <= set(events)
    assert not ADDRESS.search(said), ADDRESS.search(said)
    assert b"127.0.0.1" not in said
    for word in (b"mystery", b"cat sat", b"UFW", b"mailbox", token.encode(), token.split(".")[1].encode()[:30]):
        assert word not in said


HEAVY = ("django", "chdb", "pyarrow", "numpy", "pandas", "jinja2", "uvicorn", "clickhouse_connect")
WHAT_IS_LOADED = """
import sys
sys.argv = ["cyberalarm", *sys.argv[1:]]
from cyberalarm.cli.app import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
import cyberalarm.collector.service, cyberalarm.collector.doctor, cyberalarm.collector.replay, cyberalarm.collector.enrol
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_collector_loads_nothing_heavy(home: Home) -> None:
    said = python(WHAT_IS_LOADED, "collector", "run", "--check", "--config", str(home.path))
    assert said.startswith("The configuration is good.")
    loaded = said.splitlines()[-1].split()
    assert "cyberalarm" in loaded
    assert not set(HEAVY) & set(loaded)


def test_not_enrolled_and_taken_ports_are_said_without_a_traceback(home: Home, member: Home, tmp_path: Path) -> None:
    other = cyberalarm("collector", "run", "--config", str(Home.make(tmp_path / "fresh").path))
    assert other.returncode == 1
    assert "not enrolled yet" in other.stderr
    with socket.create_server(("127.0.0.1", member.tcp)):
        taken = cyberalarm("collector", "run", "--config", str(member.path))
    assert taken.returncode == 1
    assert f"TCP port 127.0.0.1:{member.tcp} cannot be used: Address already in use." in taken.stderr
    with only_one(member.data):
        busy = cyberalarm("collector", "run", "--config", str(member.path))
    assert (busy.returncode, "(code: folder-busy)" in busy.stderr) == (1, True)
    assert not any("Traceback" in done.stderr for done in (other, taken, busy))


def bundle(service: Service, number: int) -> None:
    from cyberalarm.collector.receive.chunk import Chunk

    service._pipeline.take(Chunk("gateway", blocked(number) + b"\n"))
    assert service._pipeline.close_bundle()


def test_a_new_analysis_key_is_taken_up_and_kept(service: Service, member: Home, centre: FakeCentre) -> None:
    bundle(service, 1)
    old, new = centre.analysis[0], AnalysisKey.generate()
    centre.analysis = [new, old]
    service._ask_status()
    bundle(service, 2)
    assert identities.load(member.data).analysis_key == new.public
    assert [service._shipper.step(), service._shipper.step()] == [0.0, 0.0]
    assert [one.key for one in centre.taken] == [old.public.key_id, new.public.key_id]
    assert centre.total().received == 2


def test_a_status_that_is_not_ours_changes_nothing(
    service: Service, member: Home, centre: FakeCentre, monkeypatch
) -> None:
    from cyberalarm.envelope.documents import Status
    from cyberalarm.envelope.errors import SignatureRefused
    from cyberalarm.envelope.keys import SigningKey

    forged = Status("c-test", "1", (), "9.0.0", True, 1, 1, "0" * 64, (AnalysisKey.generate().public,))
    monkeypatch.setattr(service._centre, "status", lambda *_: forged.sign(SigningKey.generate()))
    with pytest.raises(SignatureRefused):
        service._ask_status()
    other = Status("c-else", "1", (), "9.0.0", True, 1, 1, "0" * 64, (AnalysisKey.generate().public,))
    monkeypatch.setattr(service._centre, "status", lambda *_: other.sign(centre.receipt_key))
    with pytest.raises(CentreRefusedError):
        service._ask_status()
    assert not service._shipper.hold
    assert identities.load(member.data).analysis_key == centre.analysis[0].public


@pytest.mark.parametrize(
    ("stop", "minimum", "held"), [(True, "0.1.0", True), (False, "99.0.0", True), (False, "x", False)]
)
def test_the_stop_switch_and_the_minimum_version(
    service: Service, centre: FakeCentre, stop: bool, minimum: str, held: bool
) -> None:
    centre.held, centre.minimum_version = stop, minimum
    service._ask_status()
    bundle(service, 1)
    assert (service._shipper.step() is None) is held
    centre.held, centre.minimum_version = False, "0.1.0"
    service._ask_status()
    service._shipper.step()
    assert centre.lines == 1


def run_in_thread(config: CollectorConfig, stop: threading.Event, failures: list[BaseException]) -> threading.Thread:
    def work() -> None:
        try:
            with only_one(config.data):
                Service(config).run(stop)
        except PartFailedError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_lines_wait_until_the_clock_is_set(member: Home, centre: FakeCentre, monkeypatch) -> None:
    """A computer without a battery wakes up in 1970."""
    stop = threading.Event()
    monkeypatch.setattr(services, "CLOCK_FLOOR_S", time.time() + 10**9)
    work = run_in_thread(member.config, stop, [])
    wait_for("a note", lambda: (note := notes.read(member.data)) is not None and note.clock_unset)
    with tcp(member) as device:
        device.sendall(b"".join(blocked(n) + b"\n" for n in range(100)))
        time.sleep(0.5)
        assert centre.arrivals == 0
        monkeypatch.undo()
        wait_for("the lines", lambda: centre.lines == 100)
    stop.set()
    work.join(30)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_part_that_fails_ends_the_program_cleanly(member: Home, centre: FakeCentre, monkeypatch) -> None:
    """Half a collector that looks alive is worse than one that is started anew."""
    from cyberalarm.collector.receive.udp import UdpReceiver

    monkeypatch.setattr(UdpReceiver, "_hand_over", lambda self: 1 / 0)
    failures: list[BaseException] = []
    work = run_in_thread(member.config, threading.Event(), failures)
    wait_for("the note", lambda: notes.read(member.data) is not None)
    with tcp(member) as device:
        device.sendall(STRANGE + b"\n")
        udp(member, b"poison")
        work.join(30)
    assert [str(failure) for failure in failures] == [
        f"A part of the collector has failed: 127.0.0.1:{member.udp}. See its log."
    ]
    replay(member.config, [], on_progress=lambda _: None)
    assert centre.lines == 1, "what came by the other way was put away"


def test_a_disk_that_refuses_the_note_does_not_stop_it(service: Service, member: Home, monkeypatch) -> None:
    monkeypatch.setattr("cyberalarm.collector.state.write", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    service._write_state()
