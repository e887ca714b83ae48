"""Rows of several members in several forces and regions, for tests of the event store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
from hypothesis import strategies as st

from cyberalarm.central.events.arrow import Origin, table_of, with_origin
from cyberalarm.central.events.queries import TABLES
from cyberalarm.core.places import forces
from cyberalarm.core.schema import event_schema

if TYPE_CHECKING:
    from cyberalarm.central.events.arrow import FieldValue
    from cyberalarm.central.events.store import EventStore

START = datetime(2026, 11, 2, tzinfo=UTC)
# Two forces of one region, one of another; two members share a force.
FORCE_OF = {1: "kent", 2: "kent", 3: "cleveland", 4: "durham"}


@dataclass(frozen=True, slots=True)
class Given:
    """An event and whose it is."""

    member: int
    event: dict[str, FieldValue]


def _enum(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from(event_schema().field(name).values)


_EVENTS = st.fixed_dictionaries(
    {
        "time": st.integers(0, 4 * 86_400).map(lambda s: START + timedelta(seconds=s)),
        "count": st.integers(1, 50),
        "sensor": _enum("sensor"),
        "product": st.sampled_from(["one", "two"]),
        "device": st.sampled_from(["aa", "bb"]),
        "action": _enum("action"),
        "direction": _enum("direction"),
        "src_ip": st.sampled_from(["198.18.0.1", "198.18.0.2", "2001:db8::7", ""]),
        "dst_ip": st.sampled_from(["203.0.113.1", "203.0.113.2", ""]),
        "dst_port": st.sampled_from([None, 22, 123, 3389]),
        "src_port": st.sampled_from([None, 53, 40000]),
        "protocol": st.sampled_from([6, 17, 255]),
        "bytes_in": st.sampled_from([None, 60, 900]),
        "evidence": _enum("evidence"),
        "signature_id": st.sampled_from(["", "1"]),
        "signature": st.sampled_from(["", 'it\'s {scope} \\ "quoted"']),
        "category": _enum("category"),
        "severity": st.integers(0, 4),
        "cve": st.sampled_from([[], ["CVE-2021-44228"], ["CVE-2021-44228", "CVE-2024-3400"]]),
        "threat": st.sampled_from(["", "Example.A"]),
        "sender_domain": st.sampled_from([None, "mail.example"]),
    }
)
GIVEN = st.lists(st.builds(Given, st.sampled_from(sorted(FORCE_OF)), _EVENTS), min_size=1, max_size=40)


def emptied(store: EventStore) -> EventStore:
    """The store without any rows, in the rollups neither."""
    with store._client() as client:
        for name in TABLES:
            client.command(f"truncate table {name}")
    return store


def totals(store: EventStore) -> list[int]:
    """Lines in each table that holds them all."""
    with store._client() as client:
        asked = ["sum(count) from events"]
        lines = "sum(allowed + blocked + detected + unknown)"
        asked += [f"{lines} from {name}" for name in ("source_days", "total_days", "source_index")]
        return [int(client.query(f"select {what}").result_rows[0][0]) for what in asked]


def table(rows: list[Given]) -> pa.Table:
    """The rows as `EventStore.insert` takes them; a collector has its member's number."""
    tables = []
    for member in sorted({row.member for row in rows}):
        force = FORCE_OF[member]
        origin = Origin(member, member, 1, force, forces()[force].region, START)
        tables.append(with_origin(table_of([row.event for row in rows if row.member == member]), origin))
    return pa.concat_tables(tables)
