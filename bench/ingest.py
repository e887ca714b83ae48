"""Events per second from sealed envelopes to durable receipts, beside the bare event store in the same run.

    python bench/ingest.py [ENVELOPES] [ROWS]

Makes envelopes of realistic rows for several collectors, then measures three ways, each into an empty store
of its own: `insert` (EventStore.insert of the same rows, as large groups), `open` (verify, open, unpack and
check, nothing stored), and `ingest` (the whole of it: verify, open, check, keep the original, group commit,
receipt) thirty collectors at once.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from cyberalarm.envelope.keys import VerifyKey

    Chains = list[tuple[VerifyKey, list[bytes]]]

COLLECTORS = 30  # each sends one envelope after the other; all at once


def table(rows: int, seed: int) -> pa.Table:
    """Rows with the variety of a firewall's minute: many sources, few ports, mostly absent byte counts."""
    from cyberalarm.central.events.arrow import arrow_schema, table_of

    random = np.random.default_rng(seed)
    at = int(time.time() * 1000) - random.integers(0, 3_600_000, rows)
    one = table_of([{"time": datetime.now(UTC), "sensor": "firewall", "product": "linux-netfilter", "device": "d1"}])
    source = np.zeros((rows, 16), np.uint8)
    source[:, 10:12] = 0xFF
    source[:, 12:14] = (198, 18)  # RFC 2544
    source[:, 14:] = random.zipf(1.3, (rows, 2)) % 256
    columns = {
        "time": pa.array(np.sort(at), pa.timestamp("ms", "UTC")),
        "last": pa.array(np.sort(at) + 100, pa.timestamp("ms", "UTC")),
        "count": pa.array(random.geometric(0.7, rows), pa.uint32()),
        "action": pa.array(np.full(rows, 2, np.uint8)),
        "direction": pa.array(np.full(rows, 1, np.uint8)),
        "src_ip": pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), rows, [None, pa.py_buffer(source.tobytes())]),
        "src_port": pa.array(random.integers(1024, 65535, rows), pa.uint16()),
        "dst_port": pa.array(random.choice([22, 23, 80, 443, 445, 3389, 8080, 5060], rows), pa.uint16()),
        "protocol": pa.array(np.full(rows, 6, np.uint8)),
    }
    repeated = one.take(pa.array(np.zeros(rows, np.int64)))
    return pa.table([columns.get(f.name, repeated[f.name]) for f in arrow_schema()], schema=arrow_schema())


def sealed(envelopes: int, rows: int) -> Chains:
    """Enrolled collectors in the database, and a chain of envelopes for each."""
    from django.conf import settings

    from cyberalarm.central.enrolment.keys import centre_keys
    from cyberalarm.central.enrolment.models import Chain
    from cyberalarm.central.members.models import Collector, Member, Site
    from cyberalarm.core.outcome import Ledger, Outcome
    from cyberalarm.envelope import payload, sealing
    from cyberalarm.envelope.keys import SigningKey

    to = centre_keys(settings.CONFIG).analysis_public[0]
    member = Member.objects.create(name="Bench", kind="school", force="kent", status="approved")
    site = Site.objects.create(member=member, name="Main")
    chains = []
    for number in range(COLLECTORS):
        key = SigningKey.generate()
        collector = Collector.objects.create(site=site, name="B", status="enrolled", public_key=key.public)
        Chain.objects.create(collector=collector)
        previous, chain = sealing.FIRST_PREVIOUS, []
        for sequence in range(1, envelopes // COLLECTORS + 1):
            events = table(rows, number * 1000 + sequence)
            kept = sum(events["count"].to_pylist())
            ledger = Ledger()
            ledger.add(kept if outcome is Outcome.KEPT else 0 for outcome in Outcome)
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, events.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as out:
                out.write_table(events)
            header = sealing.Header(collector.reference, sequence, previous, int(time.time() * 1000), rows, kept)
            envelope = sealing.seal(payload.pack({"d1": ledger}, bytes(sink.getvalue())), header, to, key)
            previous = sealing.digest(envelope)
            chain.append(envelope)
        chains.append((key.verify_key, chain))
    return chains


def report(name: str, events: int, began: float, cpu: float) -> float:
    took, busy = time.perf_counter() - began, time.process_time() - cpu
    rate = f"{events / took:>12,.0f} events/s"
    print(f"{name:8} {events:>10,} events  {took:7.2f} s  {rate}  ({busy / took:.2f} cores)")
    return events / took


def measure_open(chains: Chains, total: int) -> list[pa.Table]:
    """Verify, open, unpack and check every envelope; gives the tables."""
    from django.conf import settings

    from cyberalarm.central.enrolment.keys import centre_keys
    from cyberalarm.central.ingest import checks
    from cyberalarm.envelope import payload, sealing

    keys = centre_keys(settings.CONFIG).analysis
    began, cpu = time.perf_counter(), time.process_time()
    tables = []
    for verify_key, chain in chains:
        for envelope in chain:
            header = sealing.verify(envelope, verify_key)
            ledgers, stream = payload.unpack(sealing.open_sealed(envelope, keys))
            events = checks.read_events(stream)
            checks.check_events(events, int(time.time() * 1000))
            checks.check_ledgers(ledgers, header, events)
            tables.append(events)
    report("open", total, began, cpu)
    return tables


def measure_insert(tables: list[pa.Table], total: int, folder: Path) -> float:
    """The event store alone, in groups of ten envelopes."""
    from cyberalarm.central.events.arrow import Origin, with_origin
    from cyberalarm.central.events.store import EventStore

    store = EventStore.open(folder)
    origin = Origin(1, 1, 1, "kent", "south-east", datetime.now(UTC))
    rows = [with_origin(table, origin) for table in tables]
    groups = [pa.concat_tables(rows[n : n + 10]) for n in range(0, len(rows), 10)]
    began, cpu = time.perf_counter(), time.process_time()
    for group in groups:
        store.insert(group)
    rate = report("insert", total, began, cpu)
    store.close()
    return rate


def measure_ingest(chains: Chains, total: int, folder: Path) -> tuple[float, float]:
    """The whole of it; gives the rate and the bytes that an event takes on disk."""
    from django.conf import settings

    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.ingest import services

    store = EventStore.open(folder)
    ingest = services.start(settings.CONFIG, store)
    began, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(COLLECTORS) as pool:
        list(pool.map(lambda chain: [ingest.receive(e) for e in chain[1]], chains))
    rate = report("ingest", total, began, cpu)
    services.stop()
    found, on_disk = store.size()
    store.close()
    if found != total:
        raise SystemExit(f"stored {found} of {total} rows")
    return rate, on_disk / total


def main(envelopes: int, rows: int, folder: Path) -> None:
    import django
    import structlog

    (folder / "central.toml").write_text('data = "data"\n')
    os.environ["CYBERALARM_CENTRAL_CONFIG"] = str(folder / "central.toml")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cyberalarm.central.settings")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    chains = sealed(envelopes, rows)
    total = sum(len(chain) for _, chain in chains) * rows
    size = sum(len(e) for _, chain in chains for e in chain)
    print(f"{total // rows} envelopes of {rows:,} rows, {size / total:.1f} bytes per row sealed")
    bare = measure_insert(measure_open(chains, total), total, folder / "bare")
    whole, stored = measure_ingest(chains, total, folder / "events")
    print(f"ingest runs at {whole / bare:.0%} of the bare store; {stored:.1f} bytes per event stored")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cyberalarm-bench-") as made:
        main(int((sys.argv[1:] or ["50"])[0]), int((sys.argv[2:] or ["20000"])[0]), Path(made))
