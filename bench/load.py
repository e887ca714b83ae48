"""Ten thousand collectors against one running centre over loopback: how long a receipt takes, what is lost or doubled, memory.

    python bench/load.py [--collectors 10000] [--minutes 3] [--rows 100] [--burst 0.3] [--restarts 0.01]

The centre is `cyberalarm central serve`, a process of its own with TLS. Each collector has a key and a chain of its own and sends
a bundle a minute, as real ones do: a connection for each (they rest between bundles), one envelope at a time, back-off with jitter
after a failure, the same envelope until its receipt comes. A share (`--burst`) sends within two seconds of the full minute, as
after a power cut; the others are spread over it. A share (`--restarts`) drops its connection in each minute after it has sent an
envelope and before the answer, and sends the same again. Envelopes are sealed beforehand, so that little but the centre works while
it is measured; the sender's share of the processor is shown. Every receipt is verified afterwards, and the rows are counted in the
store.

    --soak MINUTES  goes on for so long, and says how the centre's memory went
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.ingest import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyberalarm.envelope.keys import SigningKey

MINUTE = 60.0
PATIENCE = 90.0  # seconds for one attempt, as a collector has
FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0
TABLES = 20  # different ones; sealed anew for each collector and minute


@dataclass(slots=True)
class Sender:
    """One simulated collector."""

    number: int
    reference: str
    key: SigningKey
    phase: float  # seconds after the full minute
    chain: list[bytes] = field(default_factory=list)
    receipts: list[bytes] = field(default_factory=list)

    @property
    def address(self) -> str:
        """An address of its own in 127.0.0.0/8, so that bounds per address mean what they mean outside."""
        return f"127.1.{self.number >> 8 & 255}.{max(self.number & 255, 1)}"


@dataclass(slots=True)
class Seen:
    """What the senders saw. Times are in seconds from the moment a bundle was due to its receipt."""

    took: list[float] = field(default_factory=list)
    busy: int = 0
    failed: int = 0
    dropped: int = 0


def enrolled(count: int, burst: float, draw: random.Random) -> list[Sender]:
    """Members, sites and enrolled collectors in the database, one of each for a sender."""
    from django.utils import timezone

    from cyberalarm.central.enrolment.models import Chain
    from cyberalarm.central.members.models import Collector, Member, Site
    from cyberalarm.envelope.keys import SigningKey

    members = Member.objects.bulk_create(
        [Member(name=f"Member {n}", kind="school", force="kent", status="approved") for n in range(count)], 500
    )
    sites = Site.objects.bulk_create([Site(member=member, name="Main") for member in members], 500)
    keys = [SigningKey.generate() for _ in range(count)]
    now = timezone.now()
    collectors = Collector.objects.bulk_create(
        [
            Collector(site=site, name="C", status="enrolled", public_key=key.public, key_since=now, enrolled=now)
            for site, key in zip(sites, keys, strict=True)
        ],
        500,
    )
    Chain.objects.bulk_create([Chain(collector=one) for one in collectors], 500)
    return [
        Sender(n, one.reference, key, draw.uniform(0, 2) if draw.random() < burst else draw.uniform(0, MINUTE))
        for n, (one, key) in enumerate(zip(collectors, keys, strict=True))
    ]


def seal(senders: list[Sender], minutes: int, rows: int, progress: bool) -> int:
    """A chain for each sender; gives how many bytes all envelopes have."""
    import pyarrow as pa
    from django.conf import settings

    from cyberalarm.central.enrolment.keys import centre_keys
    from cyberalarm.core.outcome import Ledger, Outcome
    from cyberalarm.envelope import payload, sealing

    to = centre_keys(settings.CONFIG).analysis_public[0]
    inside = []
    for seed in range(TABLES):
        events = table(rows, seed)
        kept = sum(events["count"].to_pylist())
        ledger = Ledger()
        ledger.add(kept if outcome is Outcome.KEPT else 0 for outcome in Outcome)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, events.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as out:
            out.write_table(events)
        inside.append((payload.pack({"d1": ledger}, bytes(sink.getvalue())), kept))
    size = 0
    for sender in senders:
        previous = sealing.FIRST_PREVIOUS
        for minute in range(minutes):
            content, lines = inside[(sender.number + minute) % TABLES]
            at = int(time.time() * 1000)
            header = sealing.Header(sender.reference, minute + 1, previous, at, rows, lines)
            envelope = sealing.seal(content, header, to, sender.key)
            previous = sealing.digest(envelope)
            sender.chain.append(envelope)
            size += len(envelope)
        if progress and sender.number % 1000 == 0:
            print(f"\rsealing {sender.number:,} of {len(senders):,}", end="", file=sys.stderr)
    return size


class Load:
    """All senders on one event loop."""

    def __init__(self, port: int, certificate: Path, restarts: float, draw: random.Random) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=str(certificate))
        self._context.check_hostname = False
        self._restarts = restarts
        self._draw = draw
        self.seen = Seen()

    async def run(self, senders: list[Sender], minutes: int) -> None:
        begin = time.monotonic() + 2.0
        async with asyncio.TaskGroup() as tasks:
            for sender in senders:
                tasks.create_task(self._live(sender, begin, minutes))

    async def _live(self, sender: Sender, begin: float, minutes: int) -> None:
        for minute in range(minutes):
            due = begin + minute * MINUTE + sender.phase
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            sender.receipts.append(await self._deliver(sender, sender.chain[minute]))
            self.seen.took.append(time.monotonic() - due)

    async def _deliver(self, sender: Sender, envelope: bytes) -> bytes:
        """The receipt, however often it takes."""
        if self._draw.random() < self._restarts:
            self.seen.dropped += 1
            await self._send(sender, envelope, drop=True)
        wait = FIRST_WAIT
        while True:
            status, after, body = await self._send(sender, envelope)
            if status == 200:
                return body
            if status and status not in (429, 503):
                raise SystemExit(f"the centre refused an envelope: {status} {body[:300]!r}")
            self.seen.busy += bool(status)
            self.seen.failed += not status
            await asyncio.sleep(max(after, wait * self._draw.uniform(0.7, 1.3)))
            wait = min(wait * 2, LONGEST_WAIT)

    async def _send(self, sender: Sender, envelope: bytes, drop: bool = False) -> tuple[int, float, bytes]:
        """Status (0: no answer), Retry-After, body."""
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self._port, ssl=self._context, local_addr=(sender.address, 0), ssl_handshake_timeout=60
                )
                try:
                    head = (
                        f"POST /api/collector/v1/envelopes HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
                        f"Content-Type: application/octet-stream\r\nContent-Length: {len(envelope)}\r\n\r\n"
                    )
                    writer.write(head.encode("ascii") + envelope)
                    await writer.drain()
                    return (0, 0.0, b"") if drop else await _answer(reader)
                finally:
                    writer.transport.abort() if drop else writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            return 0, 0.0, b""


async def _answer(reader: asyncio.StreamReader) -> tuple[int, float, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(lines[0].split()[1]), float(headers.get("retry-after", "0")), body


@contextlib.contextmanager
def centre(config: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`cyberalarm central serve` as a process of its own; gives it and its port."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from cyberalarm.cli.app import main; main()",
                "central",
                "serve",
                "--config",
                str(config),
            ],
            stdout=out,
            stderr=out,
        )
    port = int(config.read_text().split("port = ")[1].split("\n")[0])
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None:
                raise SystemExit(log.read_text()[-3000:])
            time.sleep(0.1)
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


def used(pid: int) -> tuple[float, int]:
    """Processor seconds and resident bytes of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE")


async def watched(load: Load, senders: list[Sender], minutes: int, pid: int) -> list[int]:
    """Run the load; gives the centre's resident bytes, minute by minute."""
    memory = []

    async def watch() -> None:
        while True:
            await asyncio.sleep(MINUTE / 2)
            memory.append(used(pid)[1])
            done = len(load.seen.took)
            print(
                f"\r{done:,} of {len(senders) * minutes:,} receipts, {memory[-1] / 2**20:,.0f} MiB",
                end="",
                file=sys.stderr,
            )

    watching = asyncio.create_task(watch())
    await load.run(senders, minutes)
    watching.cancel()
    return memory


def check(senders: list[Sender], rows: int, data: Path) -> None:
    """Every receipt is the centre's, for its envelope; every row is stored once."""
    from django.conf import settings

    from cyberalarm.central.enrolment.keys import centre_keys
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.envelope import receipts, sealing

    key = centre_keys(settings.CONFIG).receipts.verify_key
    for sender in senders:
        for envelope, raw in zip(sender.chain, sender.receipts, strict=True):
            receipt = receipts.read(raw, key)
            if (receipt.envelope, receipt.rows) != (sealing.digest(envelope), rows):
                raise SystemExit("a receipt is for another envelope")
    store = EventStore.open(data / "events")
    found, _ = store.size()
    store.close()
    wanted = sum(len(sender.chain) for sender in senders) * rows
    print(f"rows receipted {wanted:,}, rows stored {found:,}: {wanted - found:,} lost or doubled")
    if found != wanted:
        raise SystemExit(1)


def shown(seen: Seen, took: float, centre_cpu: float, own_cpu: float) -> None:
    times = sorted(seen.took)

    def at(share: float) -> float:
        return times[min(len(times) - 1, int(len(times) * share))]

    print(
        f"{len(times):,} receipts in {took:.0f} s; from due to receipt: p50 {at(0.5):.2f} s, p95 {at(0.95):.2f} s,"
        f" p99 {at(0.99):.2f} s, longest {times[-1]:.2f} s"
    )
    print(f"answered busy {seen.busy:,}, no answer {seen.failed:,}, connections dropped on purpose {seen.dropped:,}")
    print(
        f"processor: centre {centre_cpu / took:.2f} cores ({centre_cpu / len(times) * 1000:.1f} ms a bundle),"
        f" senders {own_cpu / took:.2f} cores"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--collectors", type=int, default=10_000)
    parser.add_argument("--minutes", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--burst", type=float, default=0.3)
    parser.add_argument("--restarts", type=float, default=0.01)
    parser.add_argument("--soak", type=int, default=0)
    options = parser.parse_args()
    minutes = options.soak or options.minutes
    with tempfile.TemporaryDirectory(prefix="cyberalarm-load-") as name:
        folder = Path(name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = folder / "central.toml"
        config.write_text(f'data = "{folder}/data"\nhost = "127.0.0.1"\nport = {port}\n')
        os.environ["CYBERALARM_CENTRAL_CONFIG"] = str(config)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cyberalarm.central.settings")
        import django
        import structlog

        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
        django.setup()
        from django.conf import settings
        from django.core.management import call_command

        from cyberalarm.central.enrolment.keys import centre_keys

        call_command("migrate", verbosity=0)
        draw = random.Random(5)
        senders = enrolled(options.collectors, options.burst, draw)
        size = seal(senders, minutes, options.rows, sys.stderr.isatty())
        print(
            f"{datetime.now(UTC):%H:%M} {len(senders):,} collectors, {minutes} minutes, {options.rows} rows a bundle,"
            f" {size / len(senders) / minutes:,.0f} bytes each; {options.burst:.0%} within two seconds of the full minute"
        )
        with centre(config, folder / "centre.log") as (process, _):
            load = Load(port, centre_keys(settings.CONFIG).certificate.certificate, options.restarts, draw)
            cpu, _ = used(process.pid)
            own, began = time.process_time(), time.monotonic()
            memory = asyncio.run(watched(load, senders, minutes, process.pid))
            shown(load.seen, time.monotonic() - began, used(process.pid)[0] - cpu, time.process_time() - own)
            print("centre's memory, each half minute, MiB: " + " ".join(f"{m / 2**20:.0f}" for m in memory[-60:]))
        check(senders, options.rows, folder / "data")


if __name__ == "__main__":
    main()
