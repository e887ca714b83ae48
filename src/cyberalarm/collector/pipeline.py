"""A line's way from the intake to the spool: decode, sieve, summarise, count, seal.

Invariants
- Every line of every chunk is counted in exactly one outcome of its device's ledger.
- A bundle holds the ledger of exactly the lines whose events it holds: the sum of its rows' counts is the sum of `kept`, and of
  `recalled` for lines that were routine when they came. That stays so when the disk is full: a bundle that was drained but could
  not be written is kept as it is and tried again.
- A bundle's rows were all read by the packs that its summary began with: other packs (`use`) come in between two bundles.
- Lines are taken from the intake only while there is room for what they may become.
- What is gathered is in the journal within a second, where there is one, and a bundle that a crash left there is spooled first.

One thread runs it. It neither receives nor sends.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from cyberalarm._kernel import Summary, by_host
from cyberalarm.collector import sieve
from cyberalarm.collector.errors import SpoolFullError
from cyberalarm.collector.journal import SECONDS as JOURNAL_SECONDS
from cyberalarm.collector.known_seen import KnownSeen
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.core.outcome import OUTCOMES, Ledger, Outcome
from cyberalarm.envelope.payload import MAX_DEVICES, pack
from cyberalarm.envelope.sealing import Header, seal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.devices import DeviceNames
    from cyberalarm.collector.drift.watch import Watch
    from cyberalarm.collector.journal import Journal
    from cyberalarm.collector.keyring import Following
    from cyberalarm.collector.listed_sources import Ranges
    from cyberalarm.collector.sent import Copies
    from cyberalarm.collector.spool import Link, Spool
    from cyberalarm.core.alarm import Alarm
    from cyberalarm.envelope.keys import AnalysisPublicKey, SigningKey
    from cyberalarm.formats.library import Library

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 5.0
# Rows at a time, so that a flood of sources that turn out suspicious cannot fill a bundle beyond its bound.
_RECALLED_AT_ONCE = 5_000
# The earliest time that a working clock can show: this program did not exist before. A computer without a battery begins in 1970.
CLOCK_FLOOR_S = 1_735_689_600  # 2025-01-01
_EARLIEST_MS = 946_684_800_000  # 2000-01-01: what the centre takes, at the earliest


@dataclass(frozen=True, slots=True)
class Bundle:
    """Gathered and drained, but not yet in the spool. `alarms` are None for a centre that does not read them, and where a crash
    forgot them.

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
    copies: Copies | None = None

    def put(self, spool: Spool, bundle: Bundle, *, last: bool = False) -> Link:
        """Seal a bundle and spool it, and keep a copy of what was sealed. Raises SpoolFullError."""
        payload = pack(bundle.ledgers, bundle.arrow_ipc, bundle.alarms, bundle.release)
        lines = sum(ledger.received for ledger in bundle.ledgers.values())

        def seal_at(sequence: int, previous: str) -> bytes:
            header = Header(self.collector, sequence, previous, int(time.time() * 1000), bundle.rows, lines)
            changed = self.following is not None and sequence >= self.following.first
            return seal(payload, header, self.to, self.following.key if changed and self.following else self.key)

        link = spool.put(seal_at, last=last)
        if self.copies is not None:
            try:
                self.copies.add(link, payload)
            except OSError as error:
                log.warning("copy.unwritten", reason=error.strerror)
        return link


@dataclass(slots=True)
class DeviceView:
    """What the member may want to know of a device, in this run."""

    source: str
    ledger: Ledger = field(default_factory=Ledger)
    products: dict[str, int] = field(default_factory=dict)
    last_line: float = 0.0
    absurd_times: int = 0


class Pipeline:
    """`watch` notices drift, where there is one; `tells_alarms` and `recalls` once the centre has said that it reads those.
    `listed` are the sources that the centre lists, `known` which known ones show up.
    """

    def __init__(
        self,
        config: CollectorConfig,
        library: Library,
        devices: DeviceNames,
        spool: Spool,
        sealer: Sealer,
        watch: Watch | None = None,
        journal: Journal | None = None,
        listed: Ranges | None = None,
    ) -> None:
        self._config = config
        self.library = library
        self._next: deque[Library] = deque(maxlen=1)
        self._sieve = sieve.build(config, listed)
        self._listed: deque[Ranges] = deque(maxlen=1)
        self.known = KnownSeen()
        self._summary = Summary(library.kernel)
        self._devices = devices
        self._spool = spool
        self.sealer = sealer
        self._watch = watch
        self.tells_alarms = False
        self.recalls = False
        self._ledgers: dict[str, Ledger] = {}
        self._pending: Bundle | None = None
        self._journal = journal
        self._journalled = True  # so that trouble is told once
        self._noted = 0.0
        self._unnoted = 0
        found = journal.recover(spool.head.sequence) if journal is not None else []
        self._recovered = deque(Bundle(one.ledgers, one.arrow_ipc, one.rows) for one in found)
        if found:
            log.info("journal.recovered", lines=self.unspooled)
        self._opened = 0.0
        self._retry_at = 0.0
        self.views: dict[str, DeviceView] = {}

    def use(self, library: Library) -> None:
        """Read lines by these packs from the next bundle on; the one that is open becomes due. From any thread."""
        self._next.append(library)

    def list_sources(self, listed: Ranges) -> None:
        """Keep what these sources are let in to, and what of it is still held. From any thread."""
        self._listed.append(listed)

    def _take_up_list(self) -> None:
        """Here and not where it comes, since the sieve is of one thread."""
        if self._listed:
            self._sieve.list_sources(self._listed.pop())

    def change_packs(self) -> None:
        """Take up the packs that wait, if nothing is gathered: a summary knows one library's products."""
        if self._next and not self._ledgers:
            self.library = self._next.pop()
            self._summary = Summary(self.library.kernel)

    def take(self, chunk: Chunk, *, reference_ms: int | None = None) -> None:
        """Take in a chunk. `reference_ms` is when its lines were written, if that was not now."""
        self.change_packs()
        self._take_up_list()
        found = by_host(chunk.lines)
        for host, lines in found:
            whole = chunk.lines if len(found) == 1 else lines
            self._take(Chunk(self._devices.sender(chunk.source, host), whole), reference_ms)
        if chunk.overflow:
            self.pass_over(Chunk(chunk.source, b"", chunk.overflow))
        self._recall()

    def _take(self, chunk: Chunk, reference_ms: int | None) -> None:
        device, ledger, view = self._device(chunk.source)
        now = time.time()
        reference = int(now * 1000) if reference_ms is None else max(reference_ms, _EARLIEST_MS)
        decode = partial(
            self.library.kernel.decode,
            received_ms=reference,
            utc_offset_s=self._config.utc_offset_at(reference / 1000),
        )
        batch = decode(chunk.lines)
        self._sieve.apply(batch, device)
        self._summary.add(batch, device)
        self._unnoted += batch.lines
        counts = batch.counts()
        ledger.add(counts)
        view.ledger.add(counts)
        view.last_line = now
        view.absurd_times += batch.absurd_times
        products = batch.products()
        for product, lines in products:
            view.products[product] = view.products.get(product, 0) + lines
        self.known.saw(chunk.lines, batch.outcomes, decode)
        if self._watch is not None:
            self._watch.saw(device, chunk.lines, batch, (counts, products), decode)

    def tick(self) -> None:
        """To be called often, also where no line comes."""
        self.change_packs()
        self._take_up_list()
        self._recall()
        self._note()

    def _note(self) -> None:
        """Write down what came since the last note."""
        if self._journal is None or not self._unnoted or time.monotonic() - self._noted < JOURNAL_SECONDS:
            return
        self._noted = time.monotonic()
        sequence = self._spool.head.sequence + 1 + len(self._recovered) + (self._pending is not None)
        rows, _ = self._summary.checkpoint()
        try:
            self._journal.write(sequence, self._ledgers, rows)
        except OSError as error:
            # The rows of this second are in no record, so neither may later ones be: the ledgers would tell of more than the rows.
            if self._journalled:
                log.warning("journal.unwritten", reason=error.strerror)
            self._journalled = False
            self._noted = float("inf")
        else:
            self._journalled = True
        self._unnoted = 0

    def _recall(self) -> None:
        """Send after all what sources that are suspicious now were let in to before."""
        if not (self.recalls and self._sieve.recalled):
            return
        self._open()
        for device, lines in self._summary.recall(self._sieve, _RECALLED_AT_ONCE):
            self._unnoted += lines
            self._ledgers.setdefault(device, Ledger()).recalled += lines
            if device in self.views:
                self.views[device].ledger.recalled += lines

    def pass_over(self, chunk: Chunk) -> None:
        """Count a chunk's lines as overflow without looking at them: the collector ends, and there is no room."""
        _, ledger, view = self._device(chunk.source)
        counts = [0] * len(OUTCOMES)
        counts[OUTCOMES.index(Outcome.OVERFLOW)] = chunk.lines.count(b"\n") + chunk.overflow
        ledger.add(counts)
        view.ledger.add(counts)
        self._unnoted += sum(counts)

    def dropped(self, source: str, datagrams: int) -> None:
        """Note datagrams that the operating system dropped at a listener before anybody could see them."""
        _, ledger, view = self._device(source)
        ledger.dropped_by_kernel += datagrams
        view.ledger.dropped_by_kernel += datagrams

    def _open(self) -> None:
        if not self._ledgers:
            self._opened = time.monotonic()
            self._noted = min(self._noted, self._opened)

    def _device(self, source: str) -> tuple[str, Ledger, DeviceView]:
        self._open()
        device = self._devices.name(source)
        view = self.views.get(device)
        if view is None:
            view = self.views[device] = DeviceView(self._devices.label(self._devices.source(source)))
        return device, self._ledgers.setdefault(device, Ledger()), view

    @property
    def due(self) -> bool:
        """Is it time to close the bundle?"""
        now = time.monotonic()
        if not (self._ledgers or self._waits or self._news) or now < self._retry_at:
            return False
        return (
            self._waits
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
        return self._summary.rows < self._config.bundle_rows or not (self._spool.full or self._waits)

    @property
    def _waits(self) -> bool:
        """Is there a bundle that only needs room?"""
        return bool(self._pending or self._recovered)

    def close_bundle(self, *, last: bool = False) -> Link | None:
        """Seal and spool what was gathered. Gives its place in the chain, or None when there was nothing, or no room.

        `last`: the process is about to end; call it until there is nothing left (`unspooled`), or no room.
        """
        if self._recovered:
            return self._put(self._recovered[0], self._recovered.popleft, last=last)
        if self._pending is None:
            if not (self._ledgers or self._news) or (self._spool.full and not last):
                return None
            arrow_ipc, rows = self._summary.drain()
            alarms = self._watch.told() if self._watch is not None and self.tells_alarms else None
            self._pending = Bundle(self._ledgers, arrow_ipc, rows, alarms, self.library.release)
            self._ledgers = {}
            self._unnoted = 0
            self.change_packs()
        return self._put(self._pending, self._forget_pending, last=last)

    def _forget_pending(self) -> None:
        self._pending = None

    def _put(self, bundle: Bundle, done: Callable[[], object], *, last: bool) -> Link | None:
        try:
            link = self.sealer.put(self._spool, bundle, last=last)
        except SpoolFullError as error:
            if not self._retry_at:  # once, until there is room again
                log.warning("pipeline.no_room", code=error.code)
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            return None
        if self._retry_at:
            log.info("pipeline.room_again")
        self._retry_at = 0.0
        done()
        try:
            self._devices.save()
        except OSError as error:
            log.warning("devices.unwritten", reason=error.strerror)
        if self._journal is not None:
            self._journal.spooled(link.sequence)
        return link

    @property
    def unspooled(self) -> int:
        """Lines that were counted but are not in the spool yet."""
        waiting = [*self._recovered, *([self._pending] if self._pending else [])]
        ledgers = [*self._ledgers.values(), *(ledger for bundle in waiting for ledger in bundle.ledgers.values())]
        return sum(ledger.received for ledger in ledgers)

    @property
    def totals(self) -> Ledger:
        """All devices of this run together."""
        total = Ledger()
        for view in self.views.values():
            total.merge(view.ledger)
        return total
