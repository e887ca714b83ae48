"""A line's way from the intake to the spool: decode, sieve, summarise, count, seal.

Invariants
- Every line of every chunk is counted in exactly one outcome of its device's ledger.
- A bundle holds the ledger of exactly the lines whose events it holds: the sum of its rows' counts is the sum of `kept`. That
  stays so when the disk is full: a bundle that was drained but could not be written is kept as it is and tried again.
- A bundle's rows were all read by the packs that its summary began with: other packs (`use`) come in between two bundles.
- Lines are taken from the intake only while there is room for what they may become.

One thread runs it. It neither receives nor sends.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from cyberalarm._kernel import Summary
from cyberalarm.collector import sieve
from cyberalarm.collector.errors import SpoolFullError
from cyberalarm.core.outcome import OUTCOMES, Ledger, Outcome
from cyberalarm.envelope.payload import MAX_DEVICES, pack
from cyberalarm.envelope.sealing import Header, seal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.devices import DeviceNames
    from cyberalarm.collector.drift.watch import Watch
    from cyberalarm.collector.keyring import Following
    from cyberalarm.collector.receive.chunk import Chunk
    from cyberalarm.collector.spool import Link, Spool
    from cyberalarm.core.alarm import Alarm
    from cyberalarm.envelope.keys import AnalysisPublicKey, SigningKey
    from cyberalarm.formats.library import Library

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 5.0
# The earliest time that a working clock can show: this program did not exist before. A computer without a battery begins in 1970.
CLOCK_FLOOR_S = 1_735_689_600  # 2025-01-01
_EARLIEST_MS = 946_684_800_000  # 2000-01-01: what the centre takes, at the earliest


@dataclass(frozen=True, slots=True)
class Bundle:
    """Gathered and drained, but not yet in the spool. `alarms` are None for a centre that does not read them.

    `release` is the pack release by which the lines were read, 0 for the packs of the program.
    """

    ledgers: Mapping[str, Ledger]
    arrow_ipc: bytes
    rows: int
    alarms: tuple[Alarm, ...] | None = None
    release: int = 0


@dataclass(frozen=True, slots=True)
class Sealer:
    """What it takes to make an envelope of this collector's. `following` is the key that signs from a bundle on, where there is
    one.
    """

    collector: str
    key: SigningKey
    to: AnalysisPublicKey
    following: Following | None = None

    def put(self, spool: Spool, bundle: Bundle, *, last: bool = False) -> Link:
        """Seal a bundle and spool it. Raises SpoolFullError."""
        payload = pack(bundle.ledgers, bundle.arrow_ipc, bundle.alarms, bundle.release)
        lines = sum(ledger.received for ledger in bundle.ledgers.values())

        def seal_at(sequence: int, previous: str) -> bytes:
            header = Header(self.collector, sequence, previous, int(time.time() * 1000), bundle.rows, lines)
            changed = self.following is not None and sequence >= self.following.first
            return seal(payload, header, self.to, self.following.key if changed and self.following else self.key)

        return spool.put(seal_at, last=last)


@dataclass(slots=True)
class DeviceView:
    """What the member may want to know of a device, in this run."""

    source: str
    ledger: Ledger = field(default_factory=Ledger)
    products: dict[str, int] = field(default_factory=dict)
    last_line: float = 0.0
    absurd_times: int = 0


class Pipeline:
    """`watch` notices drift, where there is one; `tells_alarms` once the centre has said that it reads them."""

    def __init__(
        self,
        config: CollectorConfig,
        library: Library,
        devices: DeviceNames,
        spool: Spool,
        sealer: Sealer,
        watch: Watch | None = None,
    ) -> None:
        self._config = config
        self.library = library
        self._next: deque[Library] = deque(maxlen=1)
        self._sieve = sieve.build(config)
        self._summary = Summary(library.kernel)
        self._devices = devices
        self._spool = spool
        self.sealer = sealer
        self._watch = watch
        self.tells_alarms = False
        self._ledgers: dict[str, Ledger] = {}
        self._pending: Bundle | None = None
        self._opened = 0.0
        self._retry_at = 0.0
        self.views: dict[str, DeviceView] = {}

    def use(self, library: Library) -> None:
        """Read lines by these packs from the next bundle on; the one that is open becomes due. From any thread."""
        self._next.append(library)

    def change_packs(self) -> None:
        """Take up the packs that wait, if nothing is gathered: a summary knows one library's products."""
        if self._next and not self._ledgers:
            self.library = self._next.pop()
            self._summary = Summary(self.library.kernel)

    def take(self, chunk: Chunk, *, reference_ms: int | None = None) -> None:
        """Take in a chunk. `reference_ms` is when its lines were written, if that was not now."""
        self.change_packs()
        device, ledger, view = self._device(chunk.source)
        now = time.time()
        reference = int(now * 1000) if reference_ms is None else max(reference_ms, _EARLIEST_MS)
        decode = partial(
            self.library.kernel.decode,
            received_ms=reference,
            utc_offset_s=self._config.utc_offset_at(reference / 1000),
        )
        batch = decode(chunk.lines)
        self._sieve.apply(batch)
        self._summary.add(batch, device)
        counts = batch.counts()
        counts[OUTCOMES.index(Outcome.OVERFLOW)] += chunk.overflow
        ledger.add(counts)
        view.ledger.add(counts)
        view.last_line = now
        view.absurd_times += batch.absurd_times
        products = batch.products()
        for product, lines in products:
            view.products[product] = view.products.get(product, 0) + lines
        if self._watch is not None:
            self._watch.saw(device, chunk.lines, batch, (counts, products), decode)

    def pass_over(self, chunk: Chunk) -> None:
        """Count a chunk's lines as overflow without looking at them: the collector ends, and there is no room."""
        _, ledger, view = self._device(chunk.source)
        counts = [0] * len(OUTCOMES)
        counts[OUTCOMES.index(Outcome.OVERFLOW)] = chunk.lines.count(b"\n") + chunk.overflow
        ledger.add(counts)
        view.ledger.add(counts)

    def dropped(self, source: str, datagrams: int) -> None:
        """Note datagrams that the operating system dropped at a listener before anybody could see them."""
        _, ledger, view = self._device(source)
        ledger.dropped_by_kernel += datagrams
        view.ledger.dropped_by_kernel += datagrams

    def _device(self, source: str) -> tuple[str, Ledger, DeviceView]:
        if not self._ledgers:
            self._opened = time.monotonic()
        device = self._devices.name(source)
        view = self.views.get(device)
        if view is None:
            view = self.views[device] = DeviceView(self._devices.source(source))
        return device, self._ledgers.setdefault(device, Ledger()), view

    @property
    def due(self) -> bool:
        """Is it time to close the bundle?"""
        now = time.monotonic()
        if not (self._ledgers or self._pending or self._news) or now < self._retry_at:
            return False
        return (
            self._pending is not None
            or self._news
            or bool(self._next)
            or now - self._opened >= self._config.bundle_seconds
            or self._summary.rows >= self._config.bundle_rows
            or len(self._ledgers) >= MAX_DEVICES - 1
        )

    @property
    def _news(self) -> bool:
        """Has an alarm begun or ended that the centre should hear of without waiting for lines?"""
        return self.tells_alarms and self._watch is not None and self._watch.news

    @property
    def has_room(self) -> bool:
        """May more lines be taken in? Not while as many as a bundle may hold wait for the spool."""
        return self._summary.rows < self._config.bundle_rows or not (self._spool.full or self._pending)

    def close_bundle(self, *, last: bool = False) -> Link | None:
        """Seal and spool what was gathered. Gives its place in the chain, or None when there was nothing, or no room.

        `last`: the process is about to end; call it until there is nothing left (`unspooled`), or no room.
        """
        if self._pending is None:
            if not (self._ledgers or self._news) or (self._spool.full and not last):
                return None
            arrow_ipc, rows = self._summary.drain()
            alarms = self._watch.told() if self._watch is not None and self.tells_alarms else None
            self._pending = Bundle(self._ledgers, arrow_ipc, rows, alarms, self.library.release)
            self._ledgers = {}
            self.change_packs()
        bundle = self._pending
        try:
            link = self.sealer.put(self._spool, bundle, last=last)
        except SpoolFullError as error:
            log.warning("pipeline.no_room", code=error.code)
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            return None
        self._pending = None
        return link

    @property
    def unspooled(self) -> int:
        """Lines that were counted but are not in the spool yet."""
        ledgers = [*self._ledgers.values(), *(self._pending.ledgers.values() if self._pending else ())]
        return sum(ledger.received for ledger in ledgers)

    @property
    def totals(self) -> Ledger:
        """All devices of this run together."""
        total = Ledger()
        for view in self.views.values():
            total.merge(view.ledger)
        return total
