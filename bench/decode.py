"""Lines per second from raw lines to Arrow on one core, beside its peers in the same run, and what a start costs.

    python bench/decode.py [ROUNDS] [LINES]

Everybody takes the same fields out of the same lines (`bench/fields.py`): we all of the schema, the peers these. Corpora: the lab's
FortiGate lines, the mix of all its devices, and real lines by others where they are there (`bench/lines.py`). Peers
(`bench/peers/`): syslog-ng with its parsers, rsyslog with mmnormalize, and Python's `re`, which is what a script would do. Vector's
`vrl` crate is not among them: it and the 150 crates that it needs had not built in ten minutes on two cores. Rates are lines per
second of processor time on one core; Arrow is written without compression. Each one's answers to a sample are compared with what
`re` found.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import fields, kernel
from bench.lines import corpora
from bench.peers import rsyslog, syslog_ng
from bench.peers.process import Job, Peer, PeerFailed, note, processor_seconds, rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyberalarm._kernel import Packs

ROUNDS, LINES = 3, 60_000
LARGE = 4  # the larger of two inputs is that many times the smaller
SAMPLE = 2_000
STREAMED = 1 << 30
GOALS = {"FortiGate lines": 1_500_000, "mixed lab lines": 1_000_000, "mixed real lines": 1_000_000}
TIMES_PEERS, FIRST_EVENT_MS = 10, 100
WIDTH = 50


def main(rounds: int = ROUNDS, count: int = LINES) -> None:
    from cyberalarm.formats.library import bundled

    packs = bundled().kernel
    installed = peers()
    print("fields of everybody: " + ", ".join(fields.NAMES))
    print("peers: " + (", ".join(f"{peer.name} {peer.version}" for peer in installed) or "none"))
    with tempfile.TemporaryDirectory(prefix="cyberalarm-bench-") as made:
        folder = Path(made)
        named = corpora(count)
        for name, lines in named.items():
            note(f"  {name}")
            measure(name, lines, installed, packs, folder, rounds)
        if "mixed real lines" not in named:
            print("mixed real lines: none here (CYBERALARM_CORPORA)")
        start_and_memory(next(iter(named.values())), folder, rounds)


def peers() -> list[Peer]:
    """Those that are here; one line says what to do for the rest."""
    found = [*filter(None, [syslog_ng.peer()]), *rsyslog.peers()]
    names = {peer.name.partition(",")[0] for peer in found}
    if missing := sorted({"rsyslog", "syslog-ng"} - names):
        note(f"not measured: {', '.join(missing)}; `bench/unpack-peers` fetches Debian's packages into .build/peers")
    return found


def measure(
    name: str, lines: Sequence[bytes], installed: Sequence[Peer], packs: Packs, folder: Path, rounds: int
) -> None:
    """One corpus, everybody."""
    small, large = folder / "small", folder / "large"
    small.write_bytes(b"\n".join(lines) + b"\n")
    large.write_bytes(small.read_bytes() * LARGE)
    kind = "fortigate" if name.startswith("FortiGate") else "mixed"
    jobs = [
        Job(kind, file, len(lines) * times, folder / "out", folder / "peer")
        for file, times in ((small, 1), (large, LARGE))
    ]
    sample = Sample([lines[n] for n in range(0, len(lines), max(1, len(lines) // SAMPLE))], len(lines), "real" in name)
    width = sum(map(len, lines)) / len(lines)
    print(f"\n{name}, {len(lines):,} of {width:.0f} bytes on average")
    ours = kernel.rates(packs, lines, small, rounds)
    right = sample.judge(kernel.nine(packs, sample.lines))
    for label, value in ours.items():
        told = goal(value >= GOALS[name], f"{GOALS[name]:,}") if label == "to Arrow" else ""
        print(f"  {'cyberalarm, ' + label:{WIDTH}}{value:>11,.0f} lines/s{told}")
    print(f"  {'':{WIDTH}}  {sample.words(right)}")
    mine = Mine(ours["file to file of Arrow"], right)

    def naive() -> None:
        for line in lines:
            fields.texts(line)

    found = [[text.decode("utf-8", "replace") for text in fields.texts(line)] for line in sample.lines]
    agreed = sample.judge(found)
    row("Python re, which answers are compared with", len(lines) / kernel.best(rounds, naive), mine, sample, agreed)
    for peer in installed:
        note(f"    {peer.name}")
        try:
            processor_seconds(peer, jobs[0])
            answers = jobs[0].out.read_bytes().split(b"\n")
            got = [answers[n].decode("utf-8", "replace").split("\t") for n in sample.places()] if peer.fields else []
            row(peer.name, rate(peer, jobs[0], jobs[1], rounds), mine, sample, sample.judge(got) if got else None)
        except PeerFailed as problem:
            print(f"  {peer.name:{WIDTH}}not measured: {problem}")
    jobs[0].out.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Sample:
    """Every so many lines of a corpus, and how good answers to them are."""

    lines: list[bytes]
    of: int
    real: bool  # `re` knows few of them: what counts is whether a source was found

    def places(self) -> range:
        return range(0, self.of, max(1, self.of // SAMPLE))

    def judge(self, answers: Sequence[Sequence[str]]) -> Right:
        if self.real:
            with_source = sum(1 for answer in answers if len(answer) > 1 and fields.is_address(answer[1]))
            return Right(with_source / len(answers), len(answers), "")
        whole = [answer if len(answer) == len(fields.NAMES) else [""] * len(fields.NAMES) for answer in answers]
        return Right(*fields.share_right(self.lines, whole))

    def words(self, right: Right) -> str:
        if self.real:
            return f"found a source in {right.share:.1%} of {right.asked:,} sampled lines"
        worst = f" (most often wrong: {right.worst})" if right.worst else ""
        return f"all fields right on {right.share:.1%} of {right.asked:,} sampled lines{worst}"


class Right(NamedTuple):
    """The share of answers that were right, how many there were, and the field that was wrong most often."""

    share: float
    asked: int
    worst: str


class Mine(NamedTuple):
    """What peers are compared with."""

    rate: float
    right: Right


def row(name: str, value: float, mine: Mine, sample: Sample, right: Right | None) -> None:
    """A peer's rate beside ours; no ratio to one that leaves most of the work undone."""
    times = mine.rate / value
    told = f"we do {times:.1f} x"
    if right is None:
        told += "; takes nothing out"
    elif right.share < mine.right.share / 2:
        told = "no ratio: it knows few of these lines"
    else:
        told += goal(times >= TIMES_PEERS, f"{TIMES_PEERS} x")
    print(f"  {name:{WIDTH}}{value:>11,.0f} lines/s   {told}")
    if right is not None and (sample.real or not name.startswith("Python")):  # to agree with itself says nothing
        print(f"  {'':{WIDTH}}  {sample.words(right)}")


def goal(reached: bool, words: str) -> str:
    return f"   goal {words}: {'reached' if reached else 'not reached'}"


def start_and_memory(lines: Sequence[bytes], folder: Path, rounds: int) -> None:
    """What a start costs, and what a long input does."""
    count, size, unpacked, compiled = kernel.loading()
    print(f"\npacks: {count}, compiled {size / 1e6:.1f} MB")
    print(f"  {'loading the compiled form':{WIDTH + 6}}{unpacked * 1000:>8,.0f} ms")
    print(f"  {'reading, checking and compiling':{WIDTH + 6}}{compiled * 1000:>8,.0f} ms")
    print("from the start of a process to its first event, all packs loaded")
    for name, seconds in kernel.first_event(lines[0], folder, rounds):
        told = "" if "Python" in name else goal(seconds * 1000 <= FIRST_EVENT_MS, f"{FIRST_EVENT_MS}")
        print(f"  {name:{WIDTH + 6}}{seconds * 1000:>8,.0f} ms{told}")
    file = folder / "small"
    file.write_bytes(b"\n".join(lines) + b"\n")
    loaded, early, late = kernel.memory(file, STREAMED)
    print(f"memory, {STREAMED >> 20:,} MiB decoded to Arrow in pieces of {kernel.PIECE >> 20} MiB")
    print(f"  {'packs loaded':{WIDTH + 6}}{loaded:>8,.0f} MB")
    print(f"  {'most, after the first 64 MiB':{WIDTH + 6}}{early:>8,.0f} MB")
    print(f"  {'most, after all':{WIDTH + 6}}{late:>8,.0f} MB")


if __name__ == "__main__":
    try:
        main(*map(int, sys.argv[1:]))
    except PeerFailed as problem:
        sys.exit(f"A peer does not run, so there is nothing to compare with.\n{problem}")
