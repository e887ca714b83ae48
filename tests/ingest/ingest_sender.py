"""A collector as the tests need it: it enrols, seals bundles, and can do everything wrong on purpose."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from cyberalarm.central.events.arrow import table_of
from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.envelope import payload, sealing
from cyberalarm.envelope.keys import SigningKey, Suite, VerifyKey
from cyberalarm.envelope.sealing import Header

if TYPE_CHECKING:
    from cyberalarm.envelope.documents import Enrolment


def now_ms() -> int:
    return int(time.time() * 1000)


def events(rows: int, count: int = 1, device: str = "d1") -> pa.Table:
    """Blocked inbound connections from documentation addresses."""
    at = datetime.now(UTC).replace(microsecond=0)
    return table_of(
        {
            "time": at,
            "count": count,
            "sensor": "firewall",
            "product": "linux-netfilter",
            "device": device,
            "action": "blocked",
            "direction": "inbound",
            "src_ip": f"198.51.100.{n % 250}",
            "dst_ip": "203.0.113.7",
            "src_port": 40000 + n % 1000,
            "dst_port": 22,
            "protocol": 6,
        }
        for n in range(rows)
    )


def stream(table: pa.Table, compression: str | None = "zstd") -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def ledger(kept: int, routine: int = 3) -> Ledger:
    made = Ledger()
    counts = {Outcome.KEPT: kept, Outcome.ROUTINE: routine}
    made.add(counts.get(outcome, 0) for outcome in Outcome)
    return made


@dataclass
class Sender:
    """One collector's chain. `seal` moves on only when told so by `sent`."""

    enrolment: Enrolment
    key: SigningKey
    sequence: int = 1
    previous: str = sealing.FIRST_PREVIOUS
    suite: Suite = Suite.HYBRID
    sent_digests: list[str] = field(default_factory=list)

    def header(self, rows: int, lines: int) -> Header:
        return Header(self.enrolment.collector, self.sequence, self.previous, now_ms(), rows, lines)

    def seal_payload(self, content: bytes, header: Header, key: SigningKey | None = None) -> bytes:
        to = next(k for k in self.enrolment.analysis_keys if k.suite is self.suite)
        return sealing.seal(content, header, to, key or self.key)

    def seal(self, rows: int = 5, **changes: object) -> bytes:
        """The next envelope with this many rows; `changes` replace header fields."""
        counts = ledger(rows)
        content = payload.pack({"d1": counts}, stream(events(rows)))
        header = replace(self.header(rows, counts.received), **changes)  # type: ignore[arg-type]
        return self.seal_payload(content, header)

    def seal_table(self, table: pa.Table, ledgers: dict[str, Ledger] | None = None) -> bytes:
        """The next envelope with this table, and ledgers that fit unless given."""
        kept = sum(table.column("count").to_pylist()) if "count" in table.schema.names else 0
        ledgers = ledgers if ledgers is not None else {"d1": ledger(kept)}
        lines = sum(one.received for one in ledgers.values())
        return self.seal_payload(payload.pack(ledgers, stream(table)), self.header(table.num_rows, lines))

    def sent(self, envelope: bytes) -> None:
        """The envelope was accepted: the chain goes on after it."""
        self.sequence += 1
        self.previous = sealing.digest(envelope)
        self.sent_digests.append(self.previous)

    @property
    def receipt_key(self) -> VerifyKey:
        return VerifyKey(self.enrolment.receipt_key)
