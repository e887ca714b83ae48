"""Our decoder: lines per second, the first event after a start, the loading of packs, memory over a long input.

What needs a fresh process gets one. A first start after installation is made in a copy of the program without anything kept.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.lines import RECEIVED_MS
from bench.peers.process import core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cyberalarm._kernel import Packs

SOURCE = Path(__file__).parents[1] / "src"
PIECE = 4 * 1024 * 1024  # as the collector's replay reads
LOOK = 4096  # bytes, to find where a line ends
FIRST = f"""
import sys
from cyberalarm.formats.library import bundled
kernel = bundled().kernel
sys.stdout.buffer.write(kernel.decode(sys.stdin.buffer.readline(), received_ms={RECEIVED_MS}).jsonl(1))
sys.stdout.flush()
"""
PROGRAM = "from cyberalarm.cli.app import main; main()"
LOAD = """
import time
from cyberalarm import _kernel
from cyberalarm.formats import library
kept = library.compile_bundled().read_bytes()
began = time.perf_counter()
_kernel.Packs.unpack(kept)
unpacked = time.perf_counter() - began
began = time.perf_counter()
library.compile_bundled()
print(len(library.bundled_files()), len(kept), unpacked, time.perf_counter() - began)
"""
STREAM = f"""
import sys
from cyberalarm.formats.library import bundled
def most():
    return next(row.split()[1] for row in open("/proc/self/status") if row.startswith("VmHWM:"))
kernel, total = bundled().kernel, int(sys.argv[2])
print(most(), end=" ")
done = early = 0
with open(sys.argv[1], "rb") as lines:
    while done < total:
        piece = lines.read({PIECE})
        if not piece:
            lines.seek(0)
            continue
        kernel.decode(piece, received_ms={RECEIVED_MS}).to_ipc("d-bench1")
        done += len(piece)
        if not early and done >= {16 * PIECE}:
            early = most()
print(early, most())
"""


def pieces(lines: Sequence[bytes]) -> list[bytes]:
    """The lines joined into buffers of about `PIECE` bytes."""
    made: list[list[bytes]] = [[]]
    size = 0
    for line in lines:
        if size > PIECE:
            made.append([])
            size = 0
        made[-1].append(line)
        size += len(line) + 1
    return [b"\n".join(part) + b"\n" for part in made]


def whole_lines(file: int, most: int = PIECE) -> Iterator[bytes]:
    """A file in pieces of about `most` bytes that end where a line ends; each is read as the kernel takes it, and never copied."""
    begin, size = 0, os.fstat(file).st_size
    while begin < size:
        end = min(begin + most, size)
        while end < size:
            look = os.pread(file, LOOK, end)
            at = look.find(b"\n")
            end += at + 1 if at >= 0 else len(look)
            if at >= 0:
                break
        yield os.pread(file, end - begin, begin)
        begin = end


def best(rounds: int, work: Callable[[], object]) -> float:
    """Processor seconds of the quickest round, on the one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core()})
    try:
        spent = []
        for _ in range(rounds):
            began = time.process_time()
            work()
            spent.append(time.process_time() - began)
    finally:
        os.sched_setaffinity(0, allowed)
    return min(spent)


def rates(kernel: Packs, lines: Sequence[bytes], file: Path, rounds: int) -> dict[str, float]:
    """Lines per second to columns, to Arrow, and from a file to a file of Arrow, which is what the peers do."""
    buffers, out = pieces(lines), file.with_suffix(".arrow")

    def columns() -> None:
        for buffer in buffers:
            kernel.decode(buffer, received_ms=RECEIVED_MS)

    def arrow() -> None:
        for buffer in buffers:
            kernel.decode(buffer, received_ms=RECEIVED_MS).to_ipc("d-bench1")

    def files() -> None:
        with file.open("rb", buffering=0) as source, out.open("wb", buffering=0) as target:
            for piece in whole_lines(source.fileno()):
                target.write(kernel.decode(piece, received_ms=RECEIVED_MS).to_ipc("d-bench1"))

    work = {"to columns": columns, "to Arrow": arrow, "file to file of Arrow": files}
    found = {name: len(lines) / best(rounds, job) for name, job in work.items()}
    few, count = needed(kernel, buffers)

    def columns_by_few() -> None:
        for buffer in buffers:
            few.decode(buffer, received_ms=RECEIVED_MS)

    found[f"to columns, only the packs needed ({count})"] = len(lines) / best(rounds, columns_by_few)
    return found


def needed(kernel: Packs, buffers: Sequence[bytes]) -> tuple[Packs, int]:
    """Only those packs that took a line, so that what the choice among all of them costs can be seen; how many."""
    from cyberalarm.formats.library import bundled
    from cyberalarm.formats.loader import build

    names = {name for buffer in buffers for name, _ in kernel.decode(buffer, received_ms=RECEIVED_MS).products()}
    packs = tuple(pack for pack in bundled().packs if pack.name in names)
    return build(packs).kernel, len(packs)


def nine(kernel: Packs, lines: Sequence[bytes]) -> list[tuple[str, ...]]:
    """The fields that peers take out, by line; empty where there is no event."""
    names = ("time", "src_ip", "dst_ip", "src_port", "dst_port", "protocol", "action", "bytes_in", "bytes_out")
    found: list[tuple[str, ...]] = []
    for line in lines:
        answer = json.loads(kernel.decode(line + b"\n", received_ms=RECEIVED_MS).jsonl(1))
        event = answer.get("event", {})
        found.append(tuple(str(event.get(name, "")) for name in names))
    return found


def first_event(line: bytes, folder: Path, rounds: int) -> list[tuple[str, float]]:
    """Seconds from starting a process to its first event, the quickest of some starts, and of the very first one."""
    copy = folder / "fresh"
    with_packs = {
        "Python alone, for comparison": ["import sys; sys.stdout.buffer.write(sys.stdin.buffer.readline())"],
        "the library": [FIRST],
        "`cyberalarm formats decode`": [PROGRAM, "formats", "decode", "--output", "jsonl"],
    }
    found = []
    for name, code in with_packs.items():
        until_first(code, line, SOURCE)
        found.append((name, min(until_first(code, line, SOURCE) for _ in range(max(5, rounds)))))
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__", "central", "lab"))
    found.append(("the library, first start after installation", until_first([FIRST], line, copy)))
    shutil.rmtree(copy)
    return found


def until_first(code: Sequence[str], line: bytes, source: Path) -> float:
    """Seconds until the process has written the first line."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", *code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(source)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(line + b"\n")
        process.stdin.close()
        if not process.stdout.readline():
            raise SystemExit("no event came")
        return time.perf_counter() - began


def loading() -> tuple[int, int, float, float]:
    """Number of packs, bytes of their compiled form, seconds to load it, seconds to read, check and compile them."""
    count, size, unpacked, compiled = _run([LOAD]).split()
    return int(count), int(size), float(unpacked), float(compiled)


def memory(file: Path, total: int) -> tuple[float, float, float]:
    """MB of a process when packs are loaded, at most after the first 64 MiB, and at most after all."""
    loaded, early, late = (int(word) / 1024 for word in _run([STREAM, str(file), str(total)]).split())
    return loaded, early, late


def _run(code: Sequence[str]) -> str:
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", *code], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout
