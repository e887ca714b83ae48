"""The collector's Debian package on fresh systems: from `dpkg -i` to an envelope at a real centre, and away again."""

from __future__ import annotations

import io
import re
import signal
import socket
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.collector.members import blocked, free_port
from tests.collector.processes import ROOT, end, wait_for
from tests.deploy.conftest import build_package
from tests.deploy.roots import DebianRoot
from tests.whole.centres import RealCentre

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.whole.centres import Provisioned

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LINES = 200


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCentre]:
    made = RealCentre.make(tmp_path_factory.mktemp("centre") / "centre")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def system(request: pytest.FixtureRequest, package: Path, tmp_path_factory: pytest.TempPathFactory) -> DebianRoot:
    """A fresh system, with the package beside it."""
    made = DebianRoot.make(request.param, tmp_path_factory.mktemp("roots") / request.param)
    (made.path / "tmp" / "collector.deb").write_bytes(package.read_bytes())
    return made


def _configure(system: DebianRoot) -> int:
    """Set ports of our own in the configuration that came with the package; the port for UDP."""
    path = system.path / "etc/cyberalarm/collector.toml"
    udp, tcp = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    text = path.read_text("utf-8")
    ports = f'[listen]\nudp = ["127.0.0.1:{udp}"]\ntcp = ["127.0.0.1:{tcp}"]\n'
    assert text.count("[listen]\n") == 1
    text = re.sub(
        r"^# bundle_seconds = .*$", "bundle_seconds = 1", text.replace("[listen]\n", ports), flags=re.MULTILINE
    )
    path.write_text(text, "utf-8")
    return udp


def _reports(system: DebianRoot, centre: RealCentre, log: Path) -> None:
    """Run the collector as its service does; lines that are sent to it reach the centre; a signal ends it."""
    udp, before = _configure(system), centre.received()
    collector = system.start(log, "cyberalarm", "/usr/bin/cyberalarm", "collector", "run")
    try:
        wait_for("a running collector", lambda: "collector.running" in log.read_text("utf-8", "replace"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            for number in range(LINES):
                device.sendto(blocked(number), ("127.0.0.1", udp))
        wait_for("the lines at the centre", lambda: centre.received() == before + LINES)
    finally:
        ended = end(collector)
    assert ended in {0, -signal.SIGTERM}, log.read_text("utf-8", "replace")[-2000:]


def test_installed_enrolled_at_work_removed_and_purged(system: DebianRoot, centre: RealCentre, tmp_path: Path) -> None:
    before = system.files()
    [member] = centre.provision((f"Example School {system.path.name}", "kent"))
    _installs(system)
    _enrols(system, member)
    _reports(system, centre, tmp_path / "collector.log")
    _survives_an_upgrade(system)
    _is_removed(system, before)


def _installs(system: DebianRoot) -> None:
    said = system.run("dpkg", "-i", "/tmp/collector.deb")
    assert "sudo cyberalarm-collector enrol" in said, "the one next step is said"
    data = (system.path / "var/lib/cyberalarm-collector").stat()
    assert stat.S_IMODE(data.st_mode) == 0o700
    assert data.st_uid == int(system.run("id", "-u", "cyberalarm")) != 0
    assert "Run a collector" in system.run("cyberalarm", "collector", "--help")
    assert "The configuration is good." in system.run("cyberalarm", "collector", "run", "--check")
    assert "is not installed" in system.run("cyberalarm", "central", "serve", status=1)
    assert "is not installed" in system.run("cyberalarm", "demo", status=1)
    # Installed for this system's Python, so nothing is compiled when the service starts.
    assert list((system.path / "usr/lib/cyberalarm-collector/shared/cyberalarm/__pycache__").glob("*.pyc"))


def _enrols(system: DebianRoot, member: Provisioned) -> None:
    told = system.run("cyberalarm-collector", "doctor", status=1)
    assert "not enrolled" in told
    assert "below 1024" not in told, "the doctor has the right that the service has"
    said = system.run("cyberalarm-collector", "enrol", given=member.token)
    assert f"Enrolled as {member.collector}" in said
    assert _owner(system, "identity.json") == _owner(system, "signing.key") == _owner(system, ".")


def _owner(system: DebianRoot, name: str) -> int:
    return (system.path / "var/lib/cyberalarm-collector" / name).stat().st_uid


def _survives_an_upgrade(system: DebianRoot) -> None:
    """The next version over this one: what was configured and who it is stay."""
    config, identity = "etc/cyberalarm/collector.toml", "var/lib/cyberalarm-collector/identity.json"
    kept = {name: (system.path / name).read_bytes() for name in (config, identity)}
    newer = system.path / "tmp" / "newer"
    system.run("dpkg-deb", "-R", "/tmp/collector.deb", "/tmp/newer")
    control = newer / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: (.*)$", r"Version: \1+1", control.read_text(), flags=re.MULTILINE))
    system.run("dpkg-deb", "-Znone", "-b", "/tmp/newer", "/tmp/newer.deb")
    said = system.run("dpkg", "-i", "/tmp/newer.deb")
    assert "cyberalarm-collector enrol" not in said, "it is enrolled"
    assert {name: (system.path / name).read_bytes() for name in kept} == kept
    assert "cyberalarm" in system.run("cyberalarm", "--version")


def _is_removed(system: DebianRoot, before: set[str]) -> None:
    system.run("dpkg", "-r", "cyberalarm-collector")
    left = system.files() - before
    assert "var/lib/cyberalarm-collector/identity.json" in left, "removing keeps the data"
    assert "etc/cyberalarm/collector.toml" in left, "removing keeps the configuration"
    assert not any(name.startswith("usr") for name in left)
    system.run("dpkg", "-P", "cyberalarm-collector")
    accounts = {"etc/" + name + "-" for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")}
    assert system.files() - before <= accounts, (
        "purging leaves nothing but the copies that Debian keeps of its own lists"
    )
    assert "no such user" in system.run("id", "cyberalarm", status=1)


def _members(package: Path) -> list[tarfile.TarInfo]:
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getmembers()


def test_a_members_machine_gets_the_collector_only(package: Path) -> None:
    names = [member.name.removeprefix("./") for member in _members(package)]
    carried = {part.lower().split("-")[0] for name in names for part in name.split("/")}
    assert carried & {"django", "chdb", "pyarrow", "numpy", "pip", "jinja2"} == set()
    program = "usr/lib/cyberalarm-collector/shared/cyberalarm/"
    parts = {name.removeprefix(program).split("/")[0] for name in names if name.startswith(program)}
    assert {"collector", "formats", "envelope", "core", "cli"} <= parts
    assert parts & {"central", "scanner", "lab"} == set()


def test_nothing_in_it_is_owned_or_writable_by_others_or_runs_with_more_rights(package: Path) -> None:
    for member in _members(package):
        assert (member.uid, member.gid) == (0, 0), member.name
        assert member.issym() or not member.mode & 0o7022, member.name


def test_what_runs_at_installing_needs_no_network() -> None:
    for name in ("postinst", "prerm", "postrm"):
        text = (ROOT / "deploy" / "debian" / name).read_text("utf-8")
        assert re.search(r"\b(curl|wget|pip|apt|apt-get|https?:)\b", text) is None, name


def test_the_same_input_gives_the_same_bytes(package: Path, tmp_path: Path) -> None:
    [wheel] = (ROOT / ".build" / "deb-tests" / "own").glob("*.whl")
    again = build_package(tmp_path, ROOT / ".build" / "deb-tests", "--wheel", str(wheel))
    assert again.read_bytes() == package.read_bytes()
