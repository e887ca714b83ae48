"""What watching for drift costs: the pipeline's own work on chunks of lines, with the watch and without, in one run.

    python bench/drift.py [SECONDS]

Chunks are as large as the UDP receiver hands them over when a site is busy, of four devices in turn. Both ways take turns, so that
a noisy machine hurts both; what the watch takes is also measured alone, where that noise does not drown it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

from cyberalarm.collector.bundle import Sealer
from cyberalarm.collector.config import CollectorConfig
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.drift.watch import Watch
from cyberalarm.collector.pipeline import Pipeline
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.spool import Spool
from cyberalarm.envelope.keys import AnalysisKey, SigningKey
from cyberalarm.formats.library import bundled

RATE = 50_000  # lines in a second
ROUNDS = 5  # of ten seconds' lines
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


def alone(piece: bytes, lines: int) -> float:
    """Processor seconds that the watch itself takes for a second at RATE, with a clock that is moved on by hand."""
    now = [time.time()]
    decode = partial(bundled().kernel.decode, received_ms=int(now[0] * 1000))
    batch = decode(piece)
    tally = (batch.counts(), batch.products())
    used = []
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(Path(folder), clock=lambda: now[0])
        for _ in range(ROUNDS):
            before = time.thread_time()
            for number in range(10 * RATE // lines):
                now[0] += lines / RATE
                watch.saw(f"d-{number % 4}", piece, batch, tally, decode)
                watch.tick()
            used.append((time.thread_time() - before) / 10)
    return median(used)


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
            watch = Watch(Path(one))
            watched, bare = pipeline(Path(one), watch), pipeline(Path(other), None)
            used = [(second(watched, chunks, watch), second(bare, chunks, None)) for _ in range(seconds)]
            with_it, without = (RATE / median(way) / 1000 for way in zip(*used, strict=True))
        own = alone(pieces[0], size)
        print(
            f"{size:4} lines a chunk, {strange / size:4.0%} not recognised: {with_it:5.0f} k lines/s with it,"
            f" {without:5.0f} k without; alone it takes {own * 100:4.2f}% of a core at 50 k/s"
        )


if __name__ == "__main__":
    main()
