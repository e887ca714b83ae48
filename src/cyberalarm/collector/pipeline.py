"""A line's way from the intake to the spool: decode, sieve, summarise, count, seal.

Invariants
- Every line of every chunk is counted in exactly one outcome of its device's ledger.
- A bundle holds the ledger of exactly the lines whose events it holds: the sum of its rows' counts is the sum of `kept`.
- Lines are taken from the intake only while the bundle that they join can still be spooled.

One thread runs it. It neither receives nor sends.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cyberalarm._kernel import Summary
from cyberalarm.collector import sieve
from cyberalarm.core.outcome import Ledger
from cyberalarm.envelope.payload import pack
from cyberalarm.envelope.sealing import Header, seal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.devices import DeviceNames
    from cyberalarm.collector.receive.chunk import Chunk
    from cyberalarm.collector.spool import Link, Spool
    from cyberalarm.envelope.keys import AnalysisPublicKey, SigningKey
    from cyberalarm.formats.loader import Library


@dataclass(frozen=True, slots=True)
class Sealer:
    """What it takes to make an envelope of this collector's."""

    collector: str
    key: SigningKey
    to: AnalysisPublicKey

    def put(self, spool: Spool, ledgers: Mapping[str, Ledger], arrow_ipc: bytes, rows: int) -> Link:
        """Seal a bundle and spool it. Raises SpoolFullError."""
        payload = pack(ledgers, arrow_ipc)
        lines = sum(ledger.received for ledger in ledgers.values())

        def seal_at(sequence: int, previous: str) -> bytes:
            header = Header(self.collector, sequence, previous, int(time.time() * 1000), rows, lines)
            return seal(payload, header, self.to, self.key)

        return spool.put(seal_at)


@dataclass(slots=True)
class DeviceView:
    """What the member may want to know of a device, in this run."""

    source: str
    ledger: Ledger = field(default_factory=Ledger)
    products: dict[str, int] = field(default_factory=dict)
    last_line: float = 0.0
    absurd_times: int = 0


class Pipeline:
    def __init__(
        self, config: CollectorConfig, library: Library, devices: DeviceNames, spool: Spool, sealer: Sealer
    ) -> None:
        self._config = config
        self._kernel = library.kernel
        self._sieve = sieve.build(config)
        self._summary = Summary(library.kernel)
        self._devices = devices
        self._spool = spool
        self._sealer = sealer
        self._ledgers: dict[str, Ledger] = {}
        self._opened = time.monotonic()
        self.views: dict[str, DeviceView] = {}

    def take(self, chunk: Chunk, *, reference_ms: int | None = None) -> None:
        """Take in a chunk. `reference_ms` is when its lines were written, if that was not now."""
        device = self._devices.name(chunk.source)
        ledger = self._ledgers.setdefault(device, Ledger())
        view = self.views.setdefault(device, DeviceView(chunk.source))
        now = time.time()
        batch = self._kernel.decode(
            chunk.lines,
            received_ms=int(now * 1000) if reference_ms is None else reference_ms,
            utc_offset_s=self._config.utc_offset_s,
        )
        self._sieve.apply(batch)
        self._summary.add(batch, device)
        counts = batch.counts()
        counts[-1] += chunk.overflow
        ledger.add(counts)
        view.ledger.add(counts)
        view.last_line = now
        view.absurd_times += batch.absurd_times
        for product, lines in batch.products():
            view.products[product] = view.products.get(product, 0) + lines

    def dropped(self, source: str, datagrams: int) -> None:
        """Note datagrams that the operating system dropped at a listener before anybody could see them."""
        device = self._devices.name(source)
        for ledger in (
            self._ledgers.setdefault(device, Ledger()),
            self.views.setdefault(device, DeviceView(source)).ledger,
        ):
            ledger.dropped_by_kernel += datagrams

    @property
    def due(self) -> bool:
        """Is it time to close the bundle?"""
        if not self._ledgers:
            return False
        old = time.monotonic() - self._opened >= self._config.bundle_seconds
        return old or self._summary.rows >= self._config.bundle_rows

    @property
    def has_room(self) -> bool:
        """May more lines be taken in? Not while the bundle is full and the spool too."""
        return not (self._spool.full and self._summary.rows >= self._config.bundle_rows)

    def close_bundle(self) -> Link | None:
        """Seal and spool what was gathered. Gives its place in the chain, or None when there was nothing, or no room."""
        if not self._ledgers or self._spool.full:
            return None
        arrow_ipc, rows = self._summary.drain()
        link = self._sealer.put(self._spool, self._ledgers, arrow_ipc, rows)
        self._ledgers = {}
        self._opened = time.monotonic()
        return link

    @property
    def totals(self) -> Ledger:
        """All devices of this run together."""
        total = Ledger()
        for view in self.views.values():
            total.merge(view.ledger)
        return total
