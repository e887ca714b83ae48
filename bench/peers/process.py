"""Running a peer over a file of lines, and what it cost.

A peer reads a file and writes a line of nine texts for every line to another. What counts is the processor time of the whole
process, all its threads together, which on one core is what its wall clock could be at best; and of two inputs the difference,
so that start and end cost nothing. Each process is started here and ended by its own id.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
# The peers that `bench/unpack-peers` fetched come first.
PATH = os.pathsep.join((str(ROOT / ".build" / "peers" / "bin"), os.environ.get("PATH", ""), "/usr/sbin"))


@dataclass(frozen=True, slots=True)
class Job:
    """One corpus as a file, the file to write, and a folder for what the peer itself needs."""

    kind: str  # fortigate or mixed: which configuration
    lines: Path
    count: int
    out: Path
    folder: Path


@dataclass(frozen=True, slots=True)
class Peer:
    """A program; `command` writes its configuration and gives the command line."""

    name: str
    version: str
    command: Callable[[Job], list[str]]
    fields: bool = True  # false: it only copies lines


class PeerFailed(Exception):  # noqa: N818
    """A peer did not start or did not finish."""


def found(program: str) -> str | None:
    return shutil.which(program, path=PATH)


def version_of(program: str, option: str, word: int) -> str:
    """A word of what the program says first about itself. Raises PeerFailed with its words when it does not run."""
    done = subprocess.run([program, option], capture_output=True, text=True, check=False, timeout=PATIENCE)
    if done.returncode:
        raise PeerFailed(
            f"{program} {option} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[:300]}"
        )
    words = done.stdout.split()
    return words[word].strip("(),") if len(words) > word else "?"


def core() -> int:
    """The core on which everything is measured."""
    return max(os.sched_getaffinity(0))


def processor_seconds(peer: Peer, job: Job) -> float:
    """What one run over all lines of the job cost. Raises PeerFailed."""
    for old in (job.out, job.folder):
        shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
    job.folder.mkdir(parents=True)
    command = ["taskset", "-c", str(core()), *peer.command(job)]
    with (job.folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=job.folder)
    try:
        complete = _written(job, process)
    finally:
        if process.returncode is None:
            process.terminate()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if not complete and _count(job.out) < job.count:
        said = (job.folder / "log").read_text("utf-8", "replace").strip().splitlines()
        raise PeerFailed(f"{_count(job.out):,} of {job.count:,} lines; {' / '.join(said[:2])[:300]}")
    return used.ru_utime + used.ru_stime


def rate(peer: Peer, small: Job, large: Job, rounds: int) -> float:
    """Lines per second of processor time, between two sizes of input; the quickest of the rounds of each."""
    short = min(processor_seconds(peer, small) for _ in range(rounds))
    long = min(processor_seconds(peer, large) for _ in range(rounds))
    if long <= short:
        raise PeerFailed("the larger input took no longer than the smaller")
    return (large.count - small.count) / (long - short)


def _written(job: Job, process: subprocess.Popen[bytes]) -> bool:
    """Whether a line came out for every line; false when the process ended or nothing new came for long."""
    counted, position, last = 0, 0, time.monotonic()
    while counted < job.count:
        if job.out.exists():
            with job.out.open("rb") as lines:
                lines.seek(position)
                while piece := lines.read(1 << 20):
                    counted += piece.count(b"\n")
                    last = time.monotonic()
                position = lines.tell()
        if counted < job.count:
            if _ended(process) or time.monotonic() - last > PATIENCE:
                return False
            time.sleep(0.02)
    return True


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended, without taking its exit status, which says what it used."""
    state = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return state is not None


def _count(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
