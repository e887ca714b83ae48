"""The collector works inside the fence of its systemd unit, and the fence holds."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector.enrol import enrol
from cyberalarm.formats import library
from tests.collector import fence
from tests.collector.members import STRANGE, Home, blocked
from tests.collector.processes import MAIN, ROOT, end, environment, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.collector.fake_centre import FakeCentre

UNIT = ROOT / "deploy" / "collector" / "cyberalarm-collector.service"
ANALYSE = shutil.which("systemd-analyze")
MOST_EXPOSED = 1.5  # of 10, as systemd-analyze counts; what is left is being on the network

needs_systemd = pytest.mark.skipif(not ANALYSE, reason="systemd-analyze is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can build the fence")


@needs_systemd
def test_the_units_score() -> None:
    said = subprocess.run(
        [str(ANALYSE), "security", "--offline=yes", "--no-pager", str(UNIT)], capture_output=True, text=True
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    assert found, said.stderr
    assert float(found[1]) <= MOST_EXPOSED, said.stdout


@needs_systemd
def test_systemd_understands_the_unit() -> None:
    said = subprocess.run([str(ANALYSE), "verify", str(UNIT)], capture_output=True, text=True)
    complaints = [line for line in said.stderr.splitlines() if "is not executable" not in line and UNIT.stem in line]
    assert complaints == []


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that any account can reach; pytest's own are for their owner only."""
    with tempfile.TemporaryDirectory(prefix="cyberalarm-fence-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def low_port(kind: socket.SocketKind) -> int:
    """A free port that needs a right."""
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    for port in range(min(first, 1024) - 1, 600, -1):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    pytest.skip("every port is open to anybody here")


def fenced(place: Path, data: Path, *command: str) -> list[str]:
    (place / "stage").mkdir(exist_ok=True)
    visible = [Path(sys.base_prefix), Path(sys.prefix), ROOT]
    # As on a machine whose installer did not compile the packs.
    plan = fence.plan_of(UNIT, data, [library.ROOT / "__pycache__"], visible)
    (place / "plan").write_text(json.dumps(plan))
    return [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        sys.executable,
        fence.__file__,
        str(place / "plan"),
        *command,
    ]


@needs_systemd
@needs_root
def test_it_receives_spools_and_ships_inside_the_fence(place: Path, centre: FakeCentre) -> None:
    udp, tcp = low_port(socket.SOCK_DGRAM), low_port(socket.SOCK_STREAM)
    home = Home.make(place / "collector")
    text = home.path.read_text().replace(str(home.udp), str(udp)).replace(str(home.tcp), str(tcp))
    metrics = home.data / "metrics.sock"
    home.path.write_text(f'{text}[metrics]\nlisten = "unix:{metrics}"\n')
    enrol(home.config, centre.token().to_text())
    for path in (home.data, *home.data.rglob("*")):
        os.chown(path, fence.USER, fence.USER)
    (library.ROOT / "__pycache__").mkdir(exist_ok=True)
    log = place / "log"
    program = [sys.executable, "-c", MAIN, "collector", "run", "--config", str(home.path)]
    with log.open("wb") as out:
        process = subprocess.Popen(fenced(place, home.data, *program), env=environment(), stdout=out, stderr=out)
    try:
        wait_for("the collector", lambda: b"collector.running" in log.read_bytes() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        status = Path(f"/proc/{process.pid}/status").read_text()
        rights = ("CapEff:\t0000000000000400", "CapBnd:\t0000000000000400")
        for row in (f"Uid:\t{fence.USER}", "NoNewPrivs:\t1", "Seccomp:\t2", *rights):
            assert row in status
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(20):
                sender.sendto(blocked(number), ("127.0.0.1", udp))
        with socket.create_connection(("127.0.0.1", tcp)) as device:
            device.sendall(blocked(21) + b"\n" + STRANGE + b"\n")
            wait_for("the lines at the centre", lambda: centre.lines == 22)
        assert metrics.exists()
        assert list((home.data / "packs-bundled").glob("packs-*.bin")), "the packs were compiled where it may write"
    finally:
        assert end(process) == 0, log.read_text()
    assert b"Traceback" not in log.read_bytes(), log.read_text()
    assert centre.total().received == 22


PROBE = """
import ctypes, errno, json, mmap, os, pathlib, socket, subprocess, sys
data, told = pathlib.Path(sys.argv[1]), {}
def attempt(name, work):
    try:
        work()
        told[name] = "done"
    except OSError as error:
        told[name] = errno.errorcode.get(error.errno, str(error))
def run_what_was_written():
    (data / "tool").write_text("#!/bin/sh\\n")
    (data / "tool").chmod(0o755)
    subprocess.run([data / "tool"])
def system_call(number, *values):
    def work():
        ctypes.set_errno(0)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(number, *values) < 0:
            raise OSError(ctypes.get_errno(), "refused")
    return work
attempt("write data", lambda: (data / "x").write_text("x"))
attempt("start a process", lambda: subprocess.run([sys.executable, "-c", ""], check=True))
attempt("write beside", lambda: (data.parent / "x").write_text("x"))
attempt("write /etc", lambda: pathlib.Path("/etc/x").write_text("x"))
attempt("write /tmp", lambda: pathlib.Path("/tmp/x").write_text("x"))
attempt("run what was written", run_what_was_written)
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("raw packets", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("raw IP", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW))
attempt("chown", lambda: os.chown(data / "x", 0, 0))
attempt("setuid", lambda: os.setuid(0))
attempt("ptrace", system_call(101, 0, 1, 0, 0))
attempt("mount", system_call(165, 0, 0, 0, 0, 0))
attempt("io_uring", system_call(425, 1, 0))
attempt("written and run", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC))
print(json.dumps(told))
"""


@needs_systemd
@needs_root
def test_the_fence_holds(place: Path) -> None:
    data = place / "data"
    data.mkdir()
    os.chown(data, fence.USER, fence.USER)
    command = fenced(place, data, sys.executable, "-c", PROBE, str(data))
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    told = json.loads(done.stdout) if done.stdout else pytest.fail(done.stderr)
    assert {name for name, end_ in told.items() if end_ == "done"} == {"write data", "start a process"}, told
    assert told["write /etc"] == told["write beside"] == "EROFS"
    assert told["netlink"] == told["raw packets"] == told["ptrace"] == "EPERM"
