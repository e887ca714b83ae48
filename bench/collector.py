"""The highest rate of UDP syslog that one collector takes without a loss, and its memory, beside rsyslog and syslog-ng.

    python bench/collector.py [SECONDS]

The collector is the real program as a process of its own with everything on: receive, decode, sieve, summarise, seal, spool (it
sends to nobody). rsyslog and syslog-ng (Debian's packages, where they are on PATH) write the same lines to a file, in the same run,
and do nothing else. The lines are the lab's FortiGate lines, from one sender that keeps a steady rate; loopback only. A rate counts
when every datagram that was sent in its seconds was taken: by the collector's ledger, or by the lines in the file. Rates are tried
upwards until two fail, or the sender can go no faster. Sender and receiver share the machine.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

RATES = (20_000, 50_000, 80_000, 100_000, 120_000, 150_000, 200_000)
SUSTAINED_RATE, SUSTAINED_SECONDS = 50_000, 60.0  # the design's figure
MEMORY_RATE = 10_000  # the design's figure for memory is at this rate
LINES = 30_000
PATIENCE = 30.0

# Sends the lines of a file round and round at a rate, in bursts of a few milliseconds; says how many it sent.
SENDER = """
import socket, sys, time
lines = open(sys.argv[1], "rb").read().split(b"\\n")[:-1]
port, rate, seconds = int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.connect(("127.0.0.1", port))
send, total, sent = sender.send, int(rate * seconds), 0
began = time.perf_counter()
while sent < total:
    due = min(int((time.perf_counter() - began) * rate), total)
    while sent < due:
        send(lines[sent % len(lines)])
        sent += 1
    time.sleep(0.0005)
print(sent, time.perf_counter() - began)
"""


class Receiver(Protocol):
    """Something that takes syslog on a UDP port as a process of its own."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def taken(self) -> int:
        """Lines since it was started."""


@dataclass(slots=True)
class Collector:
    """`cyberalarm collector run` on a folder of its own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    name: str = "cyberalarm"

    @classmethod
    def start(cls, folder: Path, port: int) -> Collector:
        from cyberalarm.collector.identity import Identity, make_signing_key
        from cyberalarm.envelope.keys import AnalysisKey, SigningKey

        (folder / "collector.toml").write_text(
            f'data = "data"\n[listen]\nudp = ["127.0.0.1:{port}"]\ntcp = []\n[networks]\nown = ["203.0.113.0/24"]\n'
        )
        make_signing_key(folder / "data")
        nobody = "https://127.0.0.1:9"  # the discard port: nobody answers
        receipts, analysis = SigningKey.generate().verify_key, AnalysisKey.generate().public
        Identity("c-bench", nobody, "", receipts, analysis).save(folder / "data")
        program = "from cyberalarm.cli.app import main; main()"
        command = [sys.executable, "-c", program, "collector", "run", "--config", str(folder / "collector.toml")]
        made = cls(folder, port, _start(command, folder))
        if not _came((folder / "data" / "state.json").exists):
            raise SystemExit(f"the collector did not start: {(folder / 'log').read_text()}")
        return made

    def taken(self) -> int:
        state = json.loads((self.folder / "data" / "state.json").read_bytes())
        return sum(device["ledger"]["received"] for device in state["devices"].values())


@dataclass(slots=True)
class Peer:
    """A syslog server that writes every line to `out`."""

    name: str
    out: Path
    port: int
    process: subprocess.Popen[bytes]
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


def rsyslog(folder: Path, port: int, program: str) -> Peer:
    out = folder / "rsyslog.out"
    (folder / "rsyslog.conf").write_text(
        f"""\
global(workDirectory="{folder}")
module(load="imudp" timeRequery="8" threads="1")
ruleset(name="all") {{ action(type="omfile" file="{out}" asyncWriting="on" ioBufferSize="256k" flushInterval="1") }}
input(type="imudp" address="127.0.0.1" port="{port}" ruleset="all" rcvbufSize="16m")
"""
    )
    command = [program, "-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "rsyslog.pid")]
    return Peer("rsyslog", out, port, _start(command, folder))


def syslog_ng(folder: Path, port: int, program: str) -> Peer:
    out = folder / "syslog-ng.out"
    (folder / "syslog-ng.conf").write_text(
        f"""\
@version: 3.38
options {{ stats-freq(0); flush-lines(1000); use-dns(no); dns-cache(no); }};
source s {{ network(ip("127.0.0.1") transport("udp") port({port}) so-rcvbuf(16777216) log-iw-size(100000) flags(no-parse)); }};
destination d {{ file("{out}" template("$MSG\\n") log-fifo-size(1000000)); }};
log {{ source(s); destination(d); }};
"""
    )
    own = ("pidfile", "persist", "control")
    files = [f"--{name}{'-file' if name == 'persist' else ''}={folder / f'syslog-ng.{name}'}" for name in own]
    command = [program, "--foreground", "--no-caps", f"--cfgfile={folder / 'syslog-ng.conf'}", *files]
    return Peer("syslog-ng", out, port, _start(command, folder))


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _came(ready: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    return any(f":{port:04X} " in row for row in Path("/proc/net/udp").read_text("ascii").splitlines())


def memory(process: subprocess.Popen[bytes], key: str) -> float:
    """MB of a process: VmRSS is now, VmHWM the most so far."""
    for row in Path(f"/proc/{process.pid}/status").read_text("ascii").splitlines():
        if row.startswith(key + ":"):
            return int(row.split()[1]) / 1024
    return 0.0


def busy(process: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Round:
    """One rate at one receiver; `rate` is what the sender really reached."""

    rate: float
    lost: int
    cores: float


def play(receiver: Receiver, lines: Path, rate: int, seconds: float) -> Round:
    before, used = receiver.taken(), busy(receiver.process)
    command = [sys.executable, "-c", SENDER, str(lines), str(receiver.port), str(rate), str(seconds)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 10 + PATIENCE, check=True).stdout
    cores = (busy(receiver.process) - used) / float(said.split()[1])
    sent = int(said.split()[0])
    # Until it has all, or nothing new has come for three looks at a note that is renewed every two seconds.
    got, same = 0, 0
    while got < sent and same < 3:
        time.sleep(2.2 if isinstance(receiver, Collector) else 1.2)
        now = receiver.taken() - before
        same = same + 1 if now == got else 0
        got = now
    return Round(sent / float(said.split()[1]), sent - got, cores)


def climb(receiver: Receiver, lines: Path, seconds: float) -> list[tuple[str, str]]:
    """The highest rate without a loss, and what it took."""
    found, failed = Round(0.0, 0, 0.0), 0
    for rate in RATES:
        done = play(receiver, lines, rate, seconds)
        short = done.rate < rate * 0.95  # the sender cannot reach it: nothing more to learn
        print(
            f"  {receiver.name} {done.rate:,.0f} lines/s: {done.lost:,} lost, {done.cores:.2f} cores", file=sys.stderr
        )
        if done.lost == 0:
            found, failed = max(found, done, key=lambda one: one.rate), 0
        else:
            failed += 1
        if failed == 2 or short:
            break
    words = f"{found.rate:>9,.0f} lines/s without a loss ({found.cores:.2f} cores)"
    return [(receiver.name, words), (f"{receiver.name} memory, most", f"{memory(receiver.process, 'VmHWM'):>9.0f} MB")]


def write_lines(path: Path) -> int:
    """The lab's FortiGate lines; gives their mean length."""
    from datetime import UTC, datetime

    from cyberalarm.lab.generate import generate
    from cyberalarm.lab.scenario import default_scenario

    found: list[bytes] = []
    now = datetime.now(UTC).replace(microsecond=0)
    for line in generate(default_scenario(), "bench", now, 7, 1.0):
        if line.device == "school-fortigate":
            found.append(line.line)
        if len(found) == LINES:
            break
    path.write_bytes(b"\n".join(found) + b"\n")
    return sum(map(len, found)) // len(found)


def run(seconds: float = 5.0) -> list[tuple[str, str]]:
    """All figures, each with its name."""
    figures: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="cyberalarm-bench-") as made:
        folder = Path(made)
        lines = folder / "lines"
        figures.append(("lines", f"{write_lines(lines):>9,} bytes on average; each rate for {seconds:.0f} s"))
        for start in receivers(folder):
            receiver = start()
            try:
                if not _came(lambda port=receiver.port: listens(port)):  # type: ignore[misc]
                    figures.append((receiver.name, "did not start: not measured"))
                    continue
                if isinstance(receiver, Collector):
                    time.sleep(2)
                    figures.append(("cyberalarm memory, idle", f"{memory(receiver.process, 'VmRSS'):>9.0f} MB"))
                    play(receiver, lines, MEMORY_RATE, seconds)
                    words = f"{memory(receiver.process, 'VmHWM'):>9.0f} MB"
                    figures.append((f"cyberalarm memory, most at {MEMORY_RATE:,} lines/s", words))
                figures += climb(receiver, lines, seconds)
                held = play(receiver, lines, SUSTAINED_RATE, SUSTAINED_SECONDS)
                name = f"{receiver.name}, {SUSTAINED_SECONDS:.0f} s at {SUSTAINED_RATE:,} lines/s"
                figures.append((name, f"{held.lost:>9,} lost ({held.cores:.2f} cores)"))
            finally:
                receiver.process.terminate()
                receiver.process.wait(60)
    return figures


def receivers(folder: Path) -> list[Callable[[], Receiver]]:
    """The collector, and those peers that are installed."""
    found: list[Callable[[], Receiver]] = [lambda: Collector.start(folder, free_port())]
    unpacked = Path(__file__).resolve().parents[1] / ".build" / "peers" / "bin"  # by bench/unpack-peers
    path = os.pathsep.join((str(unpacked), os.environ.get("PATH", ""), "/usr/sbin"))
    for name, make in (("rsyslogd", rsyslog), ("syslog-ng", syslog_ng)):
        if program := shutil.which(name, path=path):
            found.append(lambda make=make, program=program: make(folder, free_port(), program))  # type: ignore[misc]
        else:
            print(f"{name} is not installed: not measured", file=sys.stderr)
    return found


if __name__ == "__main__":
    for name, words in run(float((sys.argv[1:] or ["5"])[0])):
        print(f"{name:44}{words}")
