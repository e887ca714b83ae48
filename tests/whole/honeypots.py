"""The honeypots' events as lines that a Linux firewall would have written, and straight counts of the same events.

What the file does not know (length, time to live, flags) is written as zero or not at all; ICMP has a type and no ports; nothing is
made up.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from pathlib import Path

LONDON = ZoneInfo("Europe/London")
# RFC 1918, RFC 6598, RFC 3927, loopback: who sends from these to a member is inside its network. Written out here on purpose.
INSIDE = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"))
)
Port: TypeAlias = tuple[str, str]  # port, or nothing; protocol


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the file. Ports are texts, empty where there are none."""

    at: datetime
    host: str
    source: IPv4Address
    protocol: str
    kind: str
    source_port: str
    port: str

    @property
    def inside(self) -> bool:
        return any(self.source in network for network in INSIDE)

    @property
    def day(self) -> date:
        """The day as people in the UK count it."""
        return self.at.astimezone(LONDON).date()

    def line(self, target: str) -> bytes:
        ports = f" SPT={self.source_port} DPT={self.port}" if self.port else f" TYPE={self.kind} CODE=0"
        rest = {"TCP": " WINDOW=0 RES=0x00 URGP=0", "UDP": " LEN=0"}.get(self.protocol, "")
        return (
            f"<4>{self.at.isoformat()} {self.host} kernel: DROP IN=eth0 OUT= MAC= SRC={self.source} DST={target} "
            f"LEN=0 TOS=0x00 PREC=0x00 TTL=0 ID=0 PROTO={self.protocol}{ports}{rest}\n"
        ).encode("ascii")


def read(path: Path) -> list[Event]:
    with path.open(newline="", encoding="utf-8") as rows:
        return [
            Event(
                at=datetime.fromisoformat(row["datetime"]).replace(tzinfo=UTC),
                host=row["host"],
                source=IPv4Address(int(row["src"])),
                protocol=row["proto"],
                kind=row["type"],
                source_port=row["spt"],
                port=row["dpt"],
            )
            for row in csv.DictReader(rows)
        ]


@dataclass(slots=True)
class Counts:
    """Straight counts, one event after the other."""

    received: int = 0
    inside: int = 0
    days: Counter[date] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    ports: Counter[Port] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Events from outside: what leaves a member's network."""
        return self.received - self.inside

    def add(self, event: Event) -> None:
        self.received += 1
        if event.inside:
            self.inside += 1
            return
        self.days[event.day] += 1
        self.sources[str(event.source)] += 1
        self.ports[event.port, event.protocol] += 1

    def top_sources(self) -> list[tuple[str, int]]:
        """Most events first; the smaller address where two are even, as a person would list them."""
        return sorted(self.sources.items(), key=lambda pair: (-pair[1], ip_address(pair[0])))
