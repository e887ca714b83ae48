"""Many lines with planted secrets through decoding, summary and sealing; then every bundle is opened and searched for them.

`python -m tests.privacy.fuzz [LINES]`, or `make privacy`, takes ten million and says what it found; `test_privacy.py` takes fewer.
Half of the bundles hold every event that was understood, as if the sieve had let all pass; the other half went through the sieve.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from cyberalarm._kernel import Summary
from cyberalarm.collector import sieve as sieves
from cyberalarm.collector.config import CollectorConfig, Networks
from cyberalarm.core.addresses import PRIVATE_NETWORKS, network_range
from cyberalarm.core.outcome import Ledger
from cyberalarm.envelope.keys import AnalysisKey, SigningKey, Suite
from cyberalarm.envelope.payload import pack, unpack
from cyberalarm.envelope.sealing import FIRST_PREVIOUS, Header, open_sealed, seal
from cyberalarm.formats.library import bundled
from tests.privacy.planting import MARK, NOON, Sown, lines
from tests.privacy.planting import field as whole_field

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 5_000
BUNDLE = 100_000  # lines
ALL_ROWS = 1_000_000
OWN = ["203.0.113.0/24", "198.51.100.0/25"]


@dataclass
class Found:
    """What a run saw. `rows` stand for `events` lines; `leaks` are the values that held a secret, `inside` counts rows between two
    addresses of the member's.
    """

    lines: int = 0
    known: int = 0
    rows: int = 0
    events: int = 0
    bundles: int = 0
    leaks: list[str] = field(default_factory=list)
    inside: int = 0
    products: Counter[str] = field(default_factory=Counter)


class Site:
    """Decodes, summarises and seals as a collector does, and opens as the centre does."""

    def __init__(self, found: Found, *, sieved: bool) -> None:
        self._found = found
        config = CollectorConfig(networks=Networks(own=OWN))
        self._sieve = sieves.build(config) if sieved else None
        self._summary = Summary(bundled().kernel)
        self._to = AnalysisKey.generate(Suite.CLASSIC)
        self._signing = SigningKey.generate()
        self._ledger = Ledger()
        self._inside = [network_range(network) for network in (*PRIVATE_NETWORKS, *OWN)]

    def take(self, chunk: list[bytes]) -> Counter[str]:
        """Take in lines; gives how many each product knew."""
        batch = bundled().kernel.decode(b"\n".join(chunk), received_ms=NOON)
        assert batch.lines == len(chunk)
        if self._sieve is not None:
            self._sieve.apply(batch, "d-secret")
        self._summary.add(batch, "d-secret")
        if self._sieve is not None:
            for _, again in self._summary.recall(self._sieve, ALL_ROWS):
                self._ledger.recalled += again
        self._ledger.add(batch.counts())
        if self._ledger.received >= BUNDLE:
            self.close()
        return Counter(dict(batch.products()))

    def close(self) -> None:
        """Seal a bundle, open it again, and look into every byte of it."""
        ipc, rows = self._summary.drain()
        ledger, self._ledger = self._ledger, Ledger()
        header = Header("c-secret", 1, FIRST_PREVIOUS, NOON, rows, ledger.received)
        envelope = seal(pack({"d-secret": ledger}, ipc), header, self._to.public, self._signing)
        ledgers, opened = unpack(open_sealed(envelope, {self._to.public.key_id: self._to}))
        table = pa.ipc.open_stream(opened).read_all()
        events = pc.sum(table["count"]).as_py() or 0
        assert events == sum(one.sent for one in ledgers.values())
        self._found.events += events
        self._found.rows += rows
        self._found.bundles += 1
        self._search(table)
        if self._sieve is not None:
            self._found.inside += sum(map(self._both_inside, table["src_ip"].to_pylist(), table["dst_ip"].to_pylist()))

    def _search(self, table: pa.Table) -> None:
        for name in table.column_names:
            for chunk in table[name].chunks:
                arrays = [chunk.dictionary] if pa.types.is_dictionary(chunk.type) else [chunk]
                raw = b"".join(bytes(b) for array in arrays for b in array.buffers() if b is not None)
                if MARK in raw:
                    values = (str(value) for array in arrays for value in array.to_pylist())
                    self._found.leaks += [f"{name}: {value}" for value in values if MARK.decode() in value]

    def _both_inside(self, source: bytes, target: bytes) -> bool:
        return all(any(a <= int.from_bytes(end) <= b for a, b in self._inside) for end in (source, target))


def run(
    number: int, seed: int, field_of: list[Sown] | None = None, on_progress: Callable[[int], None] | None = None
) -> Found:
    """Plant, decode, seal, open, search: so many lines in all."""
    found = Found()
    sites = [Site(found, sieved=False), Site(found, sieved=True)]
    grown = lines(field_of or whole_field(), number, seed)
    turn = 0
    while chunk := list(islice(grown, CHUNK)):
        known = sites[turn % len(sites)].take([line for _, line in chunk])
        meant = Counter(one.product for one, _ in chunk)
        found.known += (known & meant).total()
        found.products += known
        found.lines += len(chunk)
        turn += 1
        if on_progress:
            on_progress(found.lines)
    for site in sites:
        site.close()
    return found


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    begun = time.monotonic()

    def show(at: int) -> None:
        if at % 500_000 == 0:
            sys.stderr.write(f"{at:,} lines, {at / (time.monotonic() - begun):,.0f} a second\n")

    found = run(number, seed=int(begun), on_progress=show)
    sys.stdout.write(
        f"{found.lines:,} lines of {len(found.products)} products, {found.known / found.lines:.1%} known for what they are\n"
        f"{found.events:,} events in {found.rows:,} rows of {found.bundles} sealed bundles\n"
        f"{len(found.leaks)} values with a planted secret, {found.inside} rows between two inside addresses\n"
    )
    for leak in sorted(set(found.leaks))[:50]:
        sys.stdout.write(leak + "\n")
    sys.exit(1 if found.leaks or found.inside else 0)


if __name__ == "__main__":
    main()
