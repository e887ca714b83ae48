"""Those that take syslog on a UDP port, each as a process of its own in a folder of its own: our collector, rsyslog, syslog-ng.

Whoever is here must start: what does not listen within half a minute, or ends before, raises with its own words.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.peers.process import PeerFailed, found, note, version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATIENCE = 30.0
BUFFER = 16 * 1024 * 1024  # of the socket: what the collector asks for by itself, and both peers are told to


class Receiver(Protocol):
    """Something that takes syslog on a UDP port of this machine."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    interval: float  # seconds after which what `taken` says is new again

    def taken(self) -> int:
        """Lines since it was started."""

    def tidy(self) -> None:
        """Make room on the disk between two rounds."""


@dataclass(slots=True)
class Collector:
    """`cyberalarm collector run`."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    name: str = "cyberalarm"
    interval: float = 2.2

    def taken(self) -> int:
        state = json.loads((self.folder / "data" / "state.json").read_bytes())
        return sum(device["ledger"]["received"] for device in state["devices"].values())

    def tidy(self) -> None:
        """Nothing: what it spools is bounded."""


@dataclass(slots=True)
class Peer:
    """A syslog server that appends every line to `out`."""

    name: str
    out: Path
    port: int
    process: subprocess.Popen[bytes]
    interval: float = 1.2
    counted: int = 0
    read_to: int = 0

    def taken(self) -> int:
        """Lines in the file; only what came since the last look is read."""
        if self.out.exists():
            with self.out.open("rb") as lines:
                lines.seek(self.read_to)
                while piece := lines.read(1 << 20):
                    self.counted += piece.count(b"\n")
                self.read_to = lines.tell()
        return self.counted

    def tidy(self) -> None:
        """Empty the file, of which all has been counted; both peers append."""
        if self.out.exists():
            self.taken()
            self.out.write_bytes(b"")
            self.read_to = 0


def collector(folder: Path) -> Collector:
    from cyberalarm.collector.identity import Identity, make_signing_key
    from cyberalarm.envelope.keys import AnalysisKey, SigningKey

    port = free_port()
    (folder / "collector.toml").write_text(
        f'data = "data"\n[listen]\nudp = ["127.0.0.1:{port}"]\ntcp = []\n[networks]\nown = ["203.0.113.0/24"]\n'
    )
    make_signing_key(folder / "data")
    nobody = "https://127.0.0.1:9"  # the discard port: nobody answers
    receipts, analysis = SigningKey.generate().verify_key, AnalysisKey.generate().public
    Identity("c-bench", nobody, "", receipts, analysis).save(folder / "data")
    program = "from cyberalarm.cli.app import main; main()"
    command = [sys.executable, "-c", program, "collector", "run", "--config", str(folder / "collector.toml")]
    state = folder / "data" / "state.json"
    return Collector(folder, port, start(command, folder, lambda: state.exists() and listens(port)))


def rsyslog(program: str, folder: Path) -> Peer:
    out, port, conf = folder / "out", free_port(), folder / "conf"
    conf.write_text(
        f"""\
global(workDirectory="{folder}")
main_queue(queue.size="100000" queue.dequeueBatchSize="1024" queue.workerThreads="1")
module(load="imudp" timeRequery="8" threads="1" batchSize="128")
template(name="t" type="string" string="%rawmsg%\\n")
ruleset(name="all") {{ action(type="omfile" file="{out}" template="t" asyncWriting="on" ioBufferSize="256k" flushInterval="1") }}
input(type="imudp" address="127.0.0.1" port="{port}" ruleset="all" rcvbufSize="{BUFFER}")
"""
    )
    command = [program, "-n", "-f", str(conf), "-i", str(folder / "pid")]
    name = f"rsyslog {version_of(program, '-v', 1)}"
    return Peer(name, out, port, start(command, folder, lambda: listens(port)))


def syslog_ng(program: str, folder: Path) -> Peer:
    out, port, conf = folder / "out", free_port(), folder / "conf"
    conf.write_text(
        f"""\
@version: 3.38
options {{ stats-freq(0); flush-lines(1000); use-dns(no); dns-cache(no); }};
source s {{ network(ip("127.0.0.1") transport("udp") port({port}) so-rcvbuf({BUFFER}) log-iw-size(100000) flags(no-parse)); }};
destination d {{ file("{out}" template("$MSG\\n") log-fifo-size(1000000)); }};
log {{ source(s); destination(d); }};
"""
    )
    own = [f"--{name}={folder / name}" for name in ("pidfile", "persist-file", "control")]
    command = [program, "--foreground", "--no-caps", f"--cfgfile={conf}", *own]
    name = f"syslog-ng {version_of(program, '--version', 2)}"
    return Peer(name, out, port, start(command, folder, lambda: listens(port)))


def installed() -> list[Callable[[Path], Receiver]]:
    """What starts each one in a folder: the collector, and those peers that are here; one line says what to do for the rest."""
    makers: list[Callable[[Path], Receiver]] = [collector]
    for name, make in (("rsyslogd", rsyslog), ("syslog-ng", syslog_ng)):
        if program := found(name):
            makers.append(lambda folder, make=make, program=program: make(program, folder))  # type: ignore[misc]
        else:
            note(f"not measured: {name}; `bench/unpack-peers` fetches Debian's packages into .build/peers")
    return makers


def start(command: Sequence[str], folder: Path, ready: Callable[[], bool]) -> subprocess.Popen[bytes]:
    """A process that is ready. Raises PeerFailed with what it said when it ends, or is not ready within PATIENCE."""
    said = folder / "log"
    with said.open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
    until = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None:
            raise PeerFailed(_words(command, f"ended with {process.returncode}", said))
        if time.monotonic() > until:
            stop(process)
            raise PeerFailed(_words(command, f"did not listen within {PATIENCE:.0f} s", said))
        time.sleep(0.05)
    return process


def _words(command: Sequence[str], end: str, said: Path) -> str:
    last = said.read_text("utf-8", "replace").strip().splitlines()[-20:]
    return "\n".join([f"{' '.join(command)}\n{end}:", *(f"  {line}" for line in last or ["(it said nothing)"])])


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    return any(f":{port:04X} " in row for row in Path("/proc/net/udp").read_text("ascii").splitlines())
