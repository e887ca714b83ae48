"""The lab's network as tables that the event store takes."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from cyberalarm.central.events.arrow import stored_schema
from cyberalarm.core.places import forces
from cyberalarm.lab.network import DAY_MS, SIGNATURES

if TYPE_CHECKING:
    from cyberalarm.lab.network import Network, Rows

_MAPPED = np.frombuffer(bytes(10) + b"\xff\xff", dtype=np.uint8)
_SIGNATURES = pa.array(["", *(f"ET EXPLOIT example number {n} tried from outside" for n in range(1, SIGNATURES + 1))])
_NUMBERS = pa.array(["", *(str(2_000_000 + n) for n in range(1, SIGNATURES + 1))])
_CVES = pa.array(
    [[f"CVE-2024-{1000 + n}"] if n and n % 3 == 0 else [] for n in range(SIGNATURES + 1)], pa.list_(pa.utf8())
)
_PRODUCTS = ["fortinet-fortigate", "suricata", "clamav", "spamassassin"]
_THREATS = pa.array(["", *(f"Example.Threat.{n}" for n in range(50))])
_DOMAINS = pa.array([None, *(f"mail{n}.example" for n in range(200))])


def table_of(network: Network, rows: Rows, sequence: int) -> pa.Table:
    """One insert's table: bundles of as many collectors as there are members in it."""
    count = len(rows.time)
    spam, virus = rows.sensor == 3, rows.sensor == 2
    named = np.where(spam | virus, 1 + rows.source % 50, 0)
    codes = sorted(set(network.member_forces))
    force = np.array([codes.index(code) for code in network.member_forces], dtype=np.int32)[rows.member]
    regions = sorted({forces()[code].region for code in codes})
    region = np.array([regions.index(forces()[code].region) for code in codes], dtype=np.int32)
    device = (rows.member % 200).astype(np.int32)
    columns = {
        "time": _times(rows.time),
        "last": _times(rows.last),
        "count": pa.array(rows.count.astype(np.uint32)),
        "sensor": pa.array(rows.sensor.astype(np.uint8)),
        "product": pa.DictionaryArray.from_arrays(pa.array(rows.sensor.astype(np.int32)), _PRODUCTS),
        "device": pa.DictionaryArray.from_arrays(pa.array(device), [f"d-{n}" for n in range(200)]),
        "action": pa.array(rows.action.astype(np.uint8)),
        "direction": pa.array(rows.direction.astype(np.uint8)),
        "src_ip": _addresses(rows.source),
        "dst_ip": _addresses(rows.target),
        "src_port": pa.array(rows.source_port.astype(np.uint16), mask=rows.count > 1),
        "dst_port": pa.array(rows.port.astype(np.uint16), mask=spam | virus),
        "protocol": pa.array(rows.protocol.astype(np.uint8)),
        "bytes_in": pa.array((rows.count * 60).astype(np.uint64), mask=rows.source % 10 < 3),
        "bytes_out": pa.nulls(count, pa.uint64()),
        "packets": pa.array(rows.count.astype(np.uint64)),
        "evidence": pa.array(rows.evidence.astype(np.uint8)),
        "signature_id": _NUMBERS.take(pa.array(rows.signature)),
        "signature": _SIGNATURES.take(pa.array(rows.signature)),
        "category": pa.array(rows.category.astype(np.uint8)),
        "severity": pa.array(np.where(rows.signature > 0, 1 + rows.signature % 4, 0).astype(np.uint8)),
        "cve": _CVES.take(pa.array(rows.signature)),
        "threat": _THREATS.take(pa.array(named)),
        "file_sha256": pa.nulls(count, pa.binary(32)),
        "sender_domain": _DOMAINS.take(pa.array(np.where(spam, 1 + rows.source % 200, 0))),
        "member": pa.array(rows.member + np.uint32(1), pa.uint32()),
        "collector": pa.array(rows.member + np.uint32(1), pa.uint32()),
        "sequence": pa.array(np.full(count, sequence, np.uint64)),
        "force": pa.DictionaryArray.from_arrays(pa.array(force), codes),
        "region": pa.DictionaryArray.from_arrays(pa.array(region[force]), regions),
        "stored": _times(np.full(count, int(rows.time[0]) // DAY_MS * DAY_MS + DAY_MS + sequence)),
    }
    return pa.table([columns[name] for name in stored_schema().names], schema=stored_schema())


def _times(milliseconds: np.ndarray) -> pa.Array:
    return pa.array(milliseconds.astype(np.int64), pa.timestamp("ms", "UTC"))


def _addresses(numbers: np.ndarray) -> pa.Array:
    raw = np.empty((len(numbers), 16), dtype=np.uint8)
    raw[:, :12] = _MAPPED
    raw[:, 12:] = numbers.astype(">u4").view(np.uint8).reshape(-1, 4)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(numbers), [None, pa.py_buffer(raw.tobytes())])


def end_of(network: Network) -> timedelta:
    return timedelta(days=network.days)
