"""Lines per second from raw lines to Arrow on one core, beside a naive Python regular expression in the same run.

    python bench/decode.py [ROUNDS]

Lines are the lab's: FortiGate alone, and the mix of all its devices. `decode` gives columns; `to Arrow` adds the compressed
IPC stream. The peer finds `key=value` pairs with `re` and builds a dictionary, which is what a script would do.
"""

from __future__ import annotations

import re
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LINES = 60_000
PIECE = 4 * 1024 * 1024  # as the collector's replay reads
PAIR = re.compile(rb'(\w+)=("[^"]*"|\S*)')


def lab_lines() -> tuple[list[bytes], list[bytes]]:
    """FortiGate lines, and a mix of all devices, in the order in which they would arrive."""
    from cyberalarm.lab.generate import generate
    from cyberalarm.lab.scenario import default_scenario

    fortigate: list[bytes] = []
    mixed: list[bytes] = []
    for line in generate(default_scenario(), "bench", datetime(2026, 11, 20, tzinfo=UTC), 7, 1.0):
        if line.device == "school-fortigate" and len(fortigate) < LINES:
            fortigate.append(line.line)
        if len(mixed) < LINES:
            mixed.append(line.line)
        if len(fortigate) == len(mixed) == LINES:
            break
    return fortigate, mixed


def pieces(lines: list[bytes]) -> list[bytes]:
    """The lines joined into buffers of about `PIECE` bytes."""
    found: list[list[bytes]] = [[]]
    size = 0
    for line in lines:
        if size > PIECE:
            found.append([])
            size = 0
        found[-1].append(line)
        size += len(line)
    return [b"\n".join(part) + b"\n" for part in found]


def best(rounds: int, work: Callable[[], object]) -> float:
    """Seconds of the quickest round."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def main(rounds: int = 5) -> None:
    from cyberalarm.formats.library import bundled

    kernel = bundled().kernel
    now = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1000)
    for name, lines in zip(("FortiGate", "mixed lab"), lab_lines(), strict=True):
        buffers = pieces(lines)
        width = sum(map(len, lines)) / len(lines)

        def decode(buffers: list[bytes] = buffers) -> None:
            for buffer in buffers:
                kernel.decode(buffer, received_ms=now)

        def arrow(buffers: list[bytes] = buffers) -> None:
            for buffer in buffers:
                kernel.decode(buffer, received_ms=now).to_ipc("d-bench1")

        def naive(lines: list[bytes] = lines) -> None:
            for line in lines:
                dict(PAIR.findall(line))

        rates = {label: len(lines) / best(rounds, work) for label, work in
                 (("decode", decode), ("decode to Arrow", arrow), ("Python re (peer)", naive))}  # fmt: skip
        print(f"{name} lines, {len(lines):,} of {width:.0f} bytes on average")
        for label, rate in rates.items():
            print(f"  {label:20}{rate:>12,.0f} lines/s   {rate / rates['Python re (peer)']:6.1f} x the peer")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
