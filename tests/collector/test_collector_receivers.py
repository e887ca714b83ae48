"""All receivers of a running collector side by side: every line counted once, for its device, also over kills."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import time
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import state as notes
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.enrol import enrol
from cyberalarm.collector.receive.chunk import Chunk, Intake, Place
from cyberalarm.envelope import certificate
from tests.collector.members import Home, blocked, free_port
from tests.collector.processes import cyberalarm, end, start, wait_for

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.collector.fake_centre import FakeCentre


class Site:
    """A collector that listens on everything, with a file that grows and a drop folder."""

    def __init__(self, folder: Path, centre: FakeCentre) -> None:
        self.home = Home.make(folder / "collector")
        self.six, self.tls = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
        self.logs, self.drop = folder / "logs", folder / "drop"
        self.logs.mkdir()
        text = self.home.path.read_text()
        more = f'", "[::1]:{self.six}"]'
        text = text.replace(f'udp = ["127.0.0.1:{self.home.udp}"]', f'udp = ["127.0.0.1:{self.home.udp}{more}')
        text = text.replace(f'tcp = ["127.0.0.1:{self.home.tcp}"]', f'tcp = ["127.0.0.1:{self.home.tcp}{more}')
        text = text.replace("[networks]", f'tls = ["127.0.0.1:{self.tls}", "[::1]:{self.tls}"]\n[networks]')
        text += f'[drop]\nfolder = "{self.drop}"\nsettle_seconds = 1\n[[files]]\npath = "{self.logs}/*.log"\n'
        self.home.path.write_text(text)
        self.paths = certificate.make(self.home.data, ["localhost"])
        self.log = folder / "log"
        enrol(self.home.config, centre.token().to_text())

    def start(self) -> subprocess.Popen[bytes]:
        before = self.log.read_bytes().count(b"collector.running") if self.log.exists() else 0
        process = start(self.log, "collector", "run", "--config", str(self.home.path))
        wait_for("the collector", lambda: self.log.read_bytes().count(b"collector.running") > before)
        return process

    def note(self) -> notes.State:
        found = notes.read(self.home.data)
        assert found
        return found


@pytest.fixture
def site(tmp_path: Path, centre: FakeCentre) -> Site:
    return Site(tmp_path, centre)


def lines(first: int, count: int) -> bytes:
    return b"".join(blocked(first + n) + b"\n" for n in range(count))


def test_every_way_in_at_once(site: Site, centre: FakeCentre) -> None:
    process = site.start()
    try:
        trusting = ssl.create_default_context(cafile=str(site.paths.certificate))
        for number, host in enumerate(("127.0.0.1", "::1")):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as udp:
                udp.sendto(blocked(1000 + number), (host, site.six if number else site.home.udp))
            with socket.create_connection((host, site.six if number else site.home.tcp)) as tcp:
                tcp.sendall(lines(2000 + 10 * number, 10))
            with trusting.wrap_socket(socket.create_connection((host, site.tls)), server_hostname="localhost") as tls:
                tls.sendall(lines(3000 + 100 * number, 100))
        with socket.create_connection(("127.0.0.1", site.tls)) as plain:
            plain.sendall(b"<13>in the clear\n")
            (site.logs / "192.0.2.77.log").write_bytes(lines(4000, 500))
            (site.drop / "old.log.gz.part").write_bytes(gzip.compress(lines(5000, 5000)))
            (site.drop / "old.log.gz.part").rename(site.drop / "old.log.gz")
            wait_for("all lines at the centre", lambda: centre.lines == 2 + 20 + 200 + 500 + 5000)
        wait_for("the file put away", (site.drop / "done" / "old.log.gz").exists)
        wait_for("a note of it", lambda: site.note().drop.done == 1 and bool(site.note().tls.failures))
        note = site.note()
        assert note.listening.tls == [f"127.0.0.1:{site.tls}", f"[::1]:{site.tls}"]
        assert note.files.following == 1
        names = DeviceNames(site.home.data)
        counts = {device: one.ledger["received"] for device, one in note.devices.items()}
        assert counts == {
            names.name("127.0.0.1"): 1 + 10 + 100,
            names.name("::1"): 1 + 10 + 100,
            names.name("192.0.2.77"): 500,
            names.name("old.log"): 5000,
        }
        checks = cyberalarm("collector", "doctor", "--config", str(site.home.path), "--output", "json")
        told = {check["link"]: check["found"] for check in json.loads(checks.stdout)}
        assert "plain syslog was sent to the TLS port" in told["TLS"]
        assert "1 done" in told["Drop folder"]
        assert "1 file followed" in told["Files"]
    finally:
        assert end(process) == 0, site.log.read_text()


def test_killed_again_and_again_while_files_are_read(site: Site, centre: FakeCentre) -> None:
    """Not one line of files is lost or doubled."""
    written, process = 0, site.start()
    (site.drop / "old.log").write_bytes(lines(1_000_000, 60_000))
    for pause in (1.3, 2.1, 1.7):
        with (site.logs / "gateway.log").open("ab") as out:
            out.write(lines(written, 4000))
        written += 4000
        if pause == 2.1:
            (site.logs / "gateway.log").rename(site.logs / "gateway.log.1")
        time.sleep(pause)
        process.kill()
        process.wait()
        process = site.start()
    try:
        wait_for("everything", lambda: centre.lines >= written + 60_000 and (site.drop / "done" / "old.log").exists())
        time.sleep(1.5)  # what comes twice would come now
        assert centre.lines == written + 60_000
        assert centre.total().balanced
    finally:
        assert end(process) == 0, site.log.read_text()


def test_a_port_without_a_certificate_is_told_at_the_start(site: Site) -> None:
    site.paths.certificate.unlink()
    done = cyberalarm("collector", "run", "--config", str(site.home.path))
    assert done.returncode == 1
    assert "tls-certificate.pem is not there" in done.stderr
    assert "cyberalarm collector certificate" in done.stderr


def test_devices_go_before_files() -> None:
    intake = Intake(100)
    place = Place("a", "1")
    assert intake.put_read(Chunk("file", b"x" * 3_000_000, place=place))
    with pytest.raises(TimeoutError):
        intake.put_read(Chunk("file", b"more", place=place), 0.01)
    intake.put(Chunk("device", b"line\n"))
    first, second = intake.get(0), intake.get(0)
    assert (first and first.source, second and second.source) == ("device", "file")
    assert intake.empty
    intake.put_read(Chunk("file", b"later\n", place=place))
    intake.close()
    assert intake.empty, "it is read again after the next start"
    assert not intake.put_read(Chunk("file", b"more", place=place))
