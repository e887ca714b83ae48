"""Events at the scale of a whole network of members, as arrays of numbers: for benchmarks, not for the truth of detections.

What is made up, and from what it is taken:
- sources: a few scanners reach everybody, most are seen once (Zipf; SANS DShield's daily source lists have this shape); each lives
  for some days and prefers few ports; sweeps try many
- members: most are small, few are large (lognormal weights), with one public address or some
- a source stays for a while: its visit of a member is several rows, one for each minute summary, port and address
- time: a third more by day than by night, whole days in order, so that a network's months arrive as they would
- campaigns: for some days a hundred sources try one port at half of the members
- rows: one in twenty is a detection with a signature; some are let in, some leave the member's own network

Invariants: the same network and number give the same rows (seeded by both); memory is that of one batch; rows of a batch are in no
order but the day's. Numbers stand for addresses, ports and so on; enums are the schema's codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cyberalarm.core.places import forces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    Numbers = np.ndarray[tuple[int], np.dtype[np.integer]]
    Reals = np.ndarray[tuple[int], np.dtype[np.floating]]

DAY_MS = 86_400_000
SIGNATURES = 400
_COMMON_PORTS = np.array(
    [23, 22, 445, 80, 443, 3389, 8080, 5060, 1433, 3306, 5900, 8443, 2323, 81, 8000, 6379, 53, 123, 21, 25]
)
_ALLOWED, _BLOCKED, _DETECTED = 1, 2, 3
_INBOUND, _OUTBOUND = 1, 2
_FIREWALL, _IDS, _ANTIVIRUS, _ANTISPAM = range(4)
_SPAM, _MALWARE, _EXPLOIT = 8, 5, 3


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch of events of one day: one array a field, all of one length. `source` and `target` are IPv4 addresses."""

    member: Numbers  # index into the network's members
    time: Numbers  # ms since 1970
    last: Numbers
    count: Numbers
    sensor: Numbers
    action: Numbers
    direction: Numbers
    source: Numbers
    target: Numbers
    source_port: Numbers
    port: Numbers
    protocol: Numbers
    signature: Numbers  # 0: none
    category: Numbers
    evidence: Numbers


@dataclass(frozen=True)
class Network:
    """So many members over so many days from `start` (a midnight UTC) with so many events in all."""

    members: int
    days: int
    events: int
    start: datetime
    seed: int = 7

    @property
    def sources(self) -> int:
        """Different sources that can appear: one for about 250 events, and never few."""
        return max(20_000, self.events // 250)

    @cached_property
    def _weights(self) -> Reals:
        """Cumulated shares of the members' volume."""
        drawn = np.random.default_rng(self.seed).lognormal(0.0, 1.0, self.members)
        return np.cumsum(drawn / drawn.sum())

    @cached_property
    def member_forces(self) -> tuple[str, ...]:
        codes = sorted(forces())
        drawn = np.random.default_rng(self.seed + 1).integers(0, len(codes), self.members)
        return tuple(codes[at] for at in drawn)

    def day(self, day: int, rows_at_once: int) -> Iterator[Rows]:
        """The day's events, in batches."""
        left = self.events * (day + 1) // self.days - self.events * day // self.days
        part = 0
        while left:
            size = min(left, rows_at_once)
            yield self._batch(np.random.default_rng([self.seed, day, part]), day, size)
            left -= size
            part += 1

    def _batch(self, rng: np.random.Generator, day: int, size: int) -> Rows:
        visits = max(1, size // 3)
        member = np.searchsorted(self._weights, rng.random(visits)).astype(np.uint32)
        rank = self._ranks(rng, visits)
        campaign = rng.random(visits) < (0.04 if day % 9 < 3 else 0.0)
        rank[campaign] = rng.integers(0, 100, int(campaign.sum())) + self.sources + 100 * (day // 9)
        visit = np.sort(np.concatenate([np.arange(visits), self._more(rng, visits, size - visits)]))
        return self._fields(rng, day, member[visit], rank[visit], campaign[visit], visit)

    def _ranks(self, rng: np.random.Generator, count: int) -> Numbers:
        """Which sources come: log-uniform over ranks, which is Zipf with exponent 1."""
        return np.exp(rng.random(count) * np.log(self.sources)).astype(np.int64)

    @staticmethod
    def _more(rng: np.random.Generator, visits: int, more: int) -> Numbers:
        """Visits that have further rows: few have many."""
        heavy = (rng.random(more) ** 3 * visits).astype(np.int64)
        return np.where(rng.random(more) < 0.5, heavy, rng.integers(0, visits, more))

    def _fields(
        self, rng: np.random.Generator, day: int, member: Numbers, rank: Numbers, campaign: Numbers, visit: Numbers
    ) -> Rows:
        size = len(visit)
        # A source beyond the hundred that never rest is another one each week.
        life = np.where(rank < 100, 0, day // 7)
        source = _address(rank * 1_000 + life)
        began = _scattered(visit + 31 * day, DAY_MS)
        time = np.where(rng.random(size) < 0.25, 7 * DAY_MS // 24 + began // 2, began) + rng.integers(
            0, 20 * 60_000, size
        )
        time = np.minimum(time, DAY_MS - 1)
        port, protocol = self._ports(rng, rank, size)
        port = np.where(campaign, 10_000 + 7 * (day // 9), port)
        kind = rng.random(size)
        sensor = np.select([kind < 0.05, kind < 0.056, kind < 0.06], [_IDS, _ANTISPAM, _ANTIVIRUS], _FIREWALL)
        detected = sensor != _FIREWALL
        lines = np.minimum(rng.zipf(2.2, size), 500)
        begin = int(self.start.timestamp() * 1000) + day * DAY_MS
        return Rows(
            member=member,
            time=begin + time,
            last=begin + time + np.where(lines > 1, rng.integers(0, 60_000, size), 0),
            count=lines,
            sensor=sensor,
            action=np.where(detected, _DETECTED, np.where(rng.random(size) < 0.02, _ALLOWED, _BLOCKED)),
            direction=np.where(detected & (rng.random(size) < 0.1), _OUTBOUND, _INBOUND),
            source=source,
            target=_address(
                member.astype(np.int64) * 64 + (rng.random(size) ** 4 * (1 + member % 16)).astype(np.int64) + 2**40
            ),
            source_port=rng.integers(1024, 65536, size),
            port=port,
            protocol=protocol,
            signature=np.where(sensor == _IDS, 1 + _scattered(rank + port, SIGNATURES), 0),
            category=np.select(
                [sensor == _IDS, sensor == _ANTISPAM, sensor == _ANTIVIRUS], [_EXPLOIT, _SPAM, _MALWARE], 0
            ),
            evidence=np.where(detected & (rng.random(size) < 0.3), 2, 1),
        )

    @staticmethod
    def _ports(rng: np.random.Generator, rank: Numbers, size: int) -> tuple[Numbers, Numbers]:
        """Each source has a port of its own that it mostly tries; sweeps, and the rest of its tries, go anywhere."""
        common = _COMMON_PORTS[(rng.random(size) ** 2.5 * len(_COMMON_PORTS)).astype(np.int64)]
        favourite = _COMMON_PORTS[_scattered(rank, len(_COMMON_PORTS))]
        anywhere = rng.integers(1, 65536, size)
        which = rng.random(size)
        sweeps = _scattered(rank + 5, 10) < 2
        port = np.select([sweeps & (which < 0.8), which < 0.6, which < 0.85], [anywhere, favourite, common], anywhere)
        return port, np.where((port == 53) | (port == 123) | (port == 5060), 17, 6)


def _scattered(numbers: Numbers, below: int) -> Numbers:
    """Numbers turned into others below a bound, the same for the same (Knuth's multiplicative hashing)."""
    mixed = (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)
    return (mixed % np.uint64(below)).astype(np.int64)


def _address(numbers: Numbers) -> Numbers:
    """IPv4 addresses between 1.0.0.0 and 223.255.255.255, scattered."""
    return _scattered(numbers, 223 * 2**24 - 2**24) + 2**24
