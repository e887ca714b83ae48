"""Rows a second into the event store and bytes a row on disk, beside a plain table of the same engine.

    python bench/store.py [--rows 3000000] [--batch 250000]

The rows are made up to be like a firewall's week: few sources send most, times rise, one or two lines a row.
The plain table has the event's columns only: no origin, no codecs, no fsync, no order but time. Both are
written batch by batch in the same run, in turn. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import clickhouse_connect
import numpy as np
import pyarrow as pa
import structlog

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from typing import TYPE_CHECKING

from cyberalarm.central.events.arrow import Origin, arrow_schema, with_origin
from cyberalarm.central.events.spans import to_ms
from cyberalarm.central.events.store import EventStore
from cyberalarm.core.places import Scope

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

START = datetime(2026, 11, 2, tzinfo=UTC)
WEEK_MS = 7 * 86_400_000
MAPPED = np.frombuffer(bytes(10) + b"\xff\xff", dtype=np.uint8)
PORTS = np.array([22, 23, 80, 443, 445, 1433, 3306, 3389, 5060, 8080, 123, 53], dtype=np.uint16)
PLAIN = """
create table plain
(
    time DateTime64(3, 'UTC'), last DateTime64(3, 'UTC'), count UInt32, sensor UInt8,
    product LowCardinality(String), device LowCardinality(String), action UInt8, direction UInt8,
    src_ip IPv6, dst_ip IPv6, src_port Nullable(UInt16), dst_port Nullable(UInt16), protocol UInt8,
    bytes_in Nullable(UInt64), bytes_out Nullable(UInt64), packets Nullable(UInt64), evidence UInt8,
    signature_id String, signature String, category UInt8, severity UInt8,
    cve Array(LowCardinality(String)), threat String, file_sha256 Nullable(FixedString(32)),
    sender_domain Nullable(String)
)
engine = MergeTree order by time
"""


def addresses(tail: np.ndarray, first: int, second: int) -> pa.Array:
    """IPv4-mapped addresses `first.second.x.y` from 16-bit tails."""
    raw = np.empty((len(tail), 16), dtype=np.uint8)
    raw[:, :12] = MAPPED
    raw[:, 12], raw[:, 13] = first, second
    raw[:, 14], raw[:, 15] = tail >> 8, tail & 255
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(tail), [None, pa.py_buffer(raw.tobytes())])


def rows(rng: np.random.Generator, count: int, at: int, of: int) -> pa.Table:
    """One bundle's events: a slice of the week, minute summaries of a firewall with some detections."""
    begin, length = to_ms(START) + WEEK_MS * at // of, WEEK_MS // of
    when = np.sort(rng.integers(begin, begin + length, count))
    source = np.minimum(rng.zipf(1.3, count) - 1, 65_535).astype(np.uint16)
    detected = rng.random(count) < 0.05
    signature = rng.integers(0, 200, count)
    port = PORTS[np.minimum(rng.zipf(1.6, count) - 1, len(PORTS) - 1)]
    name = [f"ET EXPLOIT example {n} tried" if d else "" for n, d in zip(signature, detected, strict=True)]
    number = [str(2_000_000 + n) if d else "" for n, d in zip(signature, detected, strict=True)]
    cves = [[f"CVE-2024-{1000 + n}"] if d and n < 60 else [] for n, d in zip(signature, detected, strict=True)]
    lines = np.minimum(rng.zipf(2.2, count), 500).astype(np.uint32)
    product = pa.DictionaryArray.from_arrays(pa.array(detected.astype(np.int32)), ["fortinet-fortigate", "suricata"])
    device = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), ["d-1"])
    columns = {
        "time": pa.array(when, pa.timestamp("ms", "UTC")),
        "last": pa.array(when + np.where(lines > 1, rng.integers(0, 60_000, count), 0), pa.timestamp("ms", "UTC")),
        "count": pa.array(lines),
        "sensor": pa.array(detected.astype(np.uint8)),
        "product": product,
        "device": device,
        "action": pa.array(np.where(detected, 3, 2).astype(np.uint8)),
        "direction": pa.array(np.ones(count, np.uint8)),
        "src_ip": addresses(source, 198, 18),
        "dst_ip": addresses(rng.integers(0, 60, count).astype(np.uint16), 203, 0),
        "src_port": pa.array(rng.integers(1024, 65535, count).astype(np.uint16), mask=lines > 1),
        "dst_port": pa.array(port),
        "protocol": pa.array(np.where(port < 100, 6, 17).astype(np.uint8)),
        "bytes_in": pa.array((lines * 60).astype(np.uint64), mask=rng.random(count) < 0.3),
        "bytes_out": pa.nulls(count, pa.uint64()),
        "packets": pa.array(lines.astype(np.uint64)),
        "evidence": pa.array(np.ones(count, np.uint8)),
        "signature_id": pa.array(number),
        "signature": pa.array(name),
        "category": pa.array(np.where(detected, 3, 0).astype(np.uint8)),
        "severity": pa.array(np.where(detected, 3, 0).astype(np.uint8)),
        "cve": pa.array(cves, pa.list_(pa.utf8())),
        "threat": pa.array([""] * count),
        "file_sha256": pa.nulls(count, pa.binary(32)),
        "sender_domain": pa.nulls(count, pa.utf8()),
    }
    return pa.table([columns[n] for n in arrow_schema().names], schema=arrow_schema())


def size(client: Client, table: str) -> int:
    """Bytes on disk of a table's parts, once they are merged."""
    client.command(f"optimize table {table} final")
    answer = client.query(
        "select sum(bytes_on_disk) from system.parts where table = {table:String} and active",
        parameters={"table": table},
    )
    return int(answer.result_rows[0][0])


def questions(store: EventStore) -> dict[str, float]:
    """Milliseconds of the questions that pages and the runner ask, the better of two."""
    week = {"start": START, "end": START + timedelta(days=7)}
    asked = {
        "member_page": lambda: store.query(
            "top_sources", Scope.of_member(3), **week, least_members=1, widest_first=0, limit=20
        ),
        "national_ports": lambda: store.query("top_ports", Scope.national(), **week, limit=20),
        "network_ports": lambda: store.query("network_ports", Scope.national(), **week, least_members=1, limit=20),
        "source_lookup": lambda: store.query("source_lookup", Scope.national(), **week, source="198.18.0.9"),
    }
    found = {}
    for name, ask in asked.items():
        spent = []
        for _ in range(2):
            began = time.perf_counter()
            assert ask()
            spent.append(time.perf_counter() - began)
        found[name] = round(min(spent) * 1000, 1)
    return found


def measure(store: EventStore, client: Client, batches: int, batch: int) -> dict[str, object]:
    """Write every batch into both tables, then ask."""
    client.command(PLAIN)
    rng = np.random.default_rng(7)
    ours = plain = 0.0
    for at in range(batches):
        events = rows(rng, batch, at, batches)
        member = at % 20 + 1
        began = time.perf_counter()
        store.insert(with_origin(events, Origin(member, member, at, "kent", "south-east", START)))
        ours += time.perf_counter() - began
        began = time.perf_counter()
        client.insert_arrow("plain", events)
        plain += time.perf_counter() - began
        print(f"\r{at + 1} of {batches} batches", end="", file=sys.stderr)
    print(file=sys.stderr)
    count = batches * batch
    return {
        "rows": count,
        "rows_a_batch": batch,
        "stored_rows_a_second": round(count / ours),
        "plain_rows_a_second": round(count / plain),
        "ratio": round(plain / ours, 2),
        "bytes_a_row": round(size(client, "events") / count, 2),
        "plain_bytes_a_row": round(size(client, "plain") / count, 2),
        "milliseconds": questions(store),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--batch", type=int, default=250_000)
    given = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with tempfile.TemporaryDirectory(prefix="cyberalarm-bench-") as folder:
        store = EventStore.open(Path(folder) / "store")
        client = clickhouse_connect.get_client(dsn=f"chdb://{store.directory}")
        try:
            result = measure(store, client, max(1, given.rows // given.batch), given.batch)
        finally:
            client.close()
            store.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
