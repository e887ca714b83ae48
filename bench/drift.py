"""What watching for drift costs: the pipeline's own work on chunks of lines, with the watch and without, in one run.

    python bench/drift.py [SECONDS]

Chunks are as large as the UDP receiver hands them over when a site is busy, of four devices in turn. Both ways take turns, so that
a noisy machine hurts both; the watch's own processor time is measured inside, where that noise does not drown it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from cyberalarm.collector.config import CollectorConfig
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.drift.watch import Watch
from cyberalarm.collector.pipeline import Pipeline, Sealer
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.spool import Spool
from cyberalarm.envelope.keys import AnalysisKey, SigningKey
from cyberalarm.formats.library import bundled

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm._kernel import Batch
    from cyberalarm.collector.drift.watch import Tally

RATE = 50_000  # lines in a second
STRANGE = b"<13>Nov 20 12:00:00 gateway mystery: user alice from 198.51.100.7 sat on the mat\n"


def line(number: int) -> bytes:
    return (
        f'<134>date=2026-11-20 time=12:00:00 devname="gw" devid="FGT60E" logid="0000000013" type="traffic" subtype="forward"'
        f' level="notice" vd="root" srcip=198.51.100.{number % 250 + 1} srcport=40000 srcintf="wan1" dstip=203.0.113.7'
        f' dstport={number % 60000 + 1} dstintf="lan" proto=6 action="deny" policyid=0 service="tcp" sentbyte=0 rcvdbyte=0\n'
    ).encode()


def pipeline(folder: Path, watch: Watch | None) -> Pipeline:
    config = CollectorConfig(time_zone="UTC")
    sealer = Sealer("c-bench", SigningKey.generate(), AnalysisKey.generate().public)
    return Pipeline(config, bundled(), DeviceNames(folder), Spool(folder / "spool", 10**9), sealer, watch)


class Timed(Watch):
    """A watch that adds up the processor time of its own thread while it works."""

    used = 0.0
    clocked = 0

    def saw(self, name: str, lines: bytes, batch: Batch, tally: Tally, decode: Callable[[bytes], Batch]) -> None:
        before = time.thread_time()
        super().saw(name, lines, batch, tally, decode)
        self.used += time.thread_time() - before
        self.clocked += 1

    def tick(self) -> None:
        before = time.thread_time()
        super().tick()
        self.used += time.thread_time() - before
        self.clocked += 1


def clock_cost() -> float:
    """What looking at the processor's clock adds to each measurement."""
    return median(-(time.thread_time() - time.thread_time()) for _ in range(10_000))


def second(made: Pipeline, chunks: list[Chunk], watch: Watch | None) -> float:
    """Take in one second's lines, spread over a second as they come; the processor seconds that it took."""
    began, used = time.perf_counter(), 0.0
    for number, chunk in enumerate(chunks):
        time.sleep(max(0.0, began + number / len(chunks) - time.perf_counter()))
        before = time.thread_time()
        made.take(chunk)
        if watch is not None:
            watch.tick()
        used += time.thread_time() - before
    return used


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for size, strange in ((20, 0), (20, 2), (500, 0), (500, 50)):
        pieces = [b"".join(line(at + n) for n in range(size - strange)) + STRANGE * strange for at in range(64)]
        chunks = [Chunk(f"192.0.2.{n % 4}", pieces[n % 64]) for n in range(RATE // size)]
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            watch = Timed(Path(one))
            watched, bare = pipeline(Path(one), watch), pipeline(Path(other), None)
            used = [(second(watched, chunks, watch), second(bare, chunks, None)) for _ in range(seconds)]
            with_it, without = (RATE / median(way) / 1000 for way in zip(*used, strict=True))
        own = (watch.used - watch.clocked * clock_cost()) / seconds
        print(
            f"{size:4} lines a chunk, {strange / size:4.0%} not recognised: {with_it:5.0f} k lines/s with it,"
            f" {without:5.0f} k without; at 50 k lines/s it took {own * 100:4.2f}% of a core"
        )


if __name__ == "__main__":
    main()
