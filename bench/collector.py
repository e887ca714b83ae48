"""What one collector takes over UDP without a loss, and what it needs for it, beside rsyslog and syslog-ng in the same run.

    python bench/collector.py [SECONDS [SUSTAINED SECONDS]]

The collector is the real program as a process of its own with everything on: receive, decode, sieve, summarise, seal, spool (it
sends to nobody). rsyslog and syslog-ng (Debian's packages; `bench/unpack-peers`) write the same lines to a file, and no more.
The lines are the lab's FortiGate lines. One sender (`bench/sender.py`) keeps a steady rate, in bursts of a millisecond, on the same
machine; loopback only; one receiver after the other. A line is lost that was sent and is neither in the collector's ledger nor in
the peer's file when nothing new has come for three looks. Three questions to each:

- how many lines it loses of the design's 50,000 a second over 60 seconds;
- the highest rate of which it loses nothing: rates are tried upwards until two fail one after the other or the sender can go no
  faster (then the figure is the sender's, and more may be possible), then between the last that held and the first that failed;
- the processor time for either, as cores, and the most memory that it ever had.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import receivers, sender
from bench.peers.process import PeerFailed, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.receivers import Receiver

RATES = (20_000, 50_000, 80_000, 100_000, 120_000, 150_000, 200_000, 250_000, 300_000, 400_000)
BETWEEN = 2  # rates tried between the last that held and the first that failed
SECONDS = 5.0
SUSTAINED_RATE, SUSTAINED_SECONDS = 50_000, 60.0  # the design's figure
MEMORY_RATE = 10_000  # the design's figure for memory is at this rate
LINES = 30_000
PATIENCE = 30.0
HOW = """\
The lab's FortiGate lines, {width} bytes on average, from one sender over loopback; sender and receiver share {cores} cores.
cyberalarm decodes, sieves, summarises, seals and spools; the others write the lines to a file and do nothing else.
Each asks for a receive buffer of {buffer} MiB; syslog-ng takes only what any account may have, here {bound:.0%} of it.
Lost: sent, and neither in the ledger nor in the file when nothing new comes. Cores: processor time over sending time."""
TRUST = 0.97  # of the wanted rate; below it the sender was the limit


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
    """One rate at one receiver; `rate` is what the sender really reached, `short` when that was not what was wanted."""

    rate: float
    sent: int
    lost: int
    cores: float
    short: bool

    @property
    def share(self) -> float:
        return self.lost / self.sent if self.sent else 0.0


NOTHING = Round(0.0, 0, 0, 0.0, short=False)


def play(receiver: Receiver, lines: Path, rate: int, seconds: float) -> Round:
    """Send at a rate and see what came. Raises PeerFailed when the receiver has ended."""
    receiver.tidy()
    before, used = receiver.taken(), busy(receiver.process)
    command = [sys.executable, sender.__file__, str(lines), str(receiver.port), str(rate), str(seconds)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 10 + PATIENCE, check=True).stdout
    sent, took = int(said.split()[0]), float(said.split()[1])
    got, same = 0, 0
    while got < sent and same < 3:
        sleep(receiver.interval)
        now = receiver.taken() - before
        same = same + 1 if now == got else 0
        got = now
    if receiver.process.poll() is not None:
        raise PeerFailed(f"{receiver.name} ended with {receiver.process.returncode} while it was measured")
    # All processor time that these lines took, over the time in which they came.
    cores = (busy(receiver.process) - used) / took
    done = Round(sent / took, sent, sent - got, cores, short=sent / took < rate * TRUST)
    note(f"  {receiver.name} {done.rate:,.0f} lines/s for {took:.0f} s: {done.lost:,} lost, {cores:.2f} cores")
    return done


def climb(receiver: Receiver, lines: Path, seconds: float) -> Round:
    """The highest rate without a loss."""
    held, failed = NOTHING, []
    for rate in RATES:
        done = play(receiver, lines, rate, seconds)
        if done.lost:
            failed.append(rate)
        else:
            held, failed = done, []
        if len(failed) == 2 or done.short:
            break
    for _ in range(BETWEEN if failed else 0):
        rate = int(held.rate + failed[0]) // 2
        done = play(receiver, lines, rate, seconds)
        if done.lost:
            failed[0] = rate
        else:
            held = done
    return held


class Row(NamedTuple):
    """One receiver's answers."""

    name: str
    sustained: Round
    highest: Round
    memory: float


def write_lines(path: Path) -> int:
    """The lab's FortiGate lines; gives their mean length."""
    from datetime import UTC, datetime
    from itertools import islice

    from cyberalarm.lab.generate import generate
    from cyberalarm.lab.scenario import default_scenario

    now = datetime.now(UTC).replace(microsecond=0)
    made = generate(default_scenario(), "bench", now, 7, 1.0)
    found = list(islice((line.line for line in made if line.device == "school-fortigate"), LINES))
    path.write_bytes(b"\n".join(found) + b"\n")
    return sum(map(len, found)) // len(found)


def table(rows: list[Row], seconds: float, sustained: float) -> Iterator[str]:
    yield f"{'':20}{SUSTAINED_RATE:,} lines/s for {sustained:.0f} s{'':12}highest rate without a loss, {seconds:.0f} s"
    yield f"{'':20}{'sent':>10}{'lost':>10}{'share':>9}{'cores':>7}{'lines/s':>14}{'cores':>7}{'memory, most':>15}"
    for row in rows:
        held, most = row.sustained, row.highest
        limit = ("≥ " if most.short else "") + f"{most.rate:,.0f}"
        yield (
            f"{row.name:20}{held.sent:>10,}{held.lost:>10,}{held.share:>9.2%}{held.cores:>7.2f}"
            f"{limit:>14}{most.cores:>7.2f}{row.memory:>12,.0f} MB"
        )
    if any(row.highest.short for row in rows):
        yield "≥: the sender could go no faster"


def main(seconds: float = SECONDS, sustained: float = SUSTAINED_SECONDS) -> None:
    rows, ours = [], []
    with tempfile.TemporaryDirectory(prefix="cyberalarm-bench-") as made:
        lines = Path(made, "lines")
        width = write_lines(lines)
        for number, start in enumerate(receivers.installed()):
            folder = Path(made, str(number))
            folder.mkdir()
            receiver = start(folder)
            try:
                if isinstance(receiver, receivers.Collector):
                    sleep(2)
                    ours.append(f"cyberalarm's memory, idle: {memory(receiver.process, 'VmRSS'):,.0f} MB")
                    play(receiver, lines, MEMORY_RATE, seconds)
                    most = memory(receiver.process, "VmHWM")
                    ours.append(f"cyberalarm's memory, most at {MEMORY_RATE:,} lines/s: {most:,.0f} MB")
                held = play(receiver, lines, SUSTAINED_RATE, sustained)
                highest = climb(receiver, lines, seconds)
                rows.append(Row(receiver.name, held, highest, memory(receiver.process, "VmHWM")))
            finally:
                receivers.stop(receiver.process)
    bound = int(Path("/proc/sys/net/core/rmem_max").read_text("ascii")) / receivers.BUFFER
    print(HOW.format(width=width, cores=os.cpu_count(), buffer=receivers.BUFFER >> 20, bound=min(bound, 1)))
    print()
    print("\n".join(table(rows, seconds, sustained)))
    print("\n".join(ours))


if __name__ == "__main__":
    try:
        main(*map(float, sys.argv[1:]))
    except PeerFailed as problem:
        sys.exit(f"A receiver failed, so there is nothing to compare with.\n{problem}")
