"""Group commit: one thread stores all waiting bundles together.

For each group, in this order: 1. relational transaction: an `Envelope` in state `storing` for each bundle
that continues its collector's chain 2. one insert of all rows into the event store 3. relational transaction:
state `stored`, receipts, chain heads, ledger totals, when each device was heard, alarms, last seen

Invariants:
- a receipt is handed out only after step 3, so what it names is durable
- a crash between the steps leaves envelopes in `storing`; `recover` removes their rows and records, and the
  collector's next attempt stores them once
- this thread alone writes envelopes, chain heads, ledger totals and alarms, so a chain can neither break nor fork
- a collector has at most `totals.MOST_DEVICES` ledger totals, and one more for all other devices
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import structlog
from django.db import close_old_connections, connection, transaction

from cyberalarm.central.enrolment.models import Chain
from cyberalarm.central.enrolment.services import milliseconds
from cyberalarm.central.events.arrow import Origin, with_origin
from cyberalarm.central.ingest import quiet, standing, totals
from cyberalarm.central.ingest.chain import check_chain
from cyberalarm.central.ingest.errors import BusyError, StoreUnavailableError
from cyberalarm.central.ingest.hearing import note_heard, sealed_at
from cyberalarm.central.ingest.models import Envelope
from cyberalarm.central.members.models import Collector
from cyberalarm.core.errors import RefusedError
from cyberalarm.envelope import receipts
from cyberalarm.envelope.receipts import Receipt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.ingest.hearing import Heard
    from cyberalarm.core.alarm import Alarm
    from cyberalarm.core.outcome import Ledger
    from cyberalarm.envelope.keys import SigningKey
    from cyberalarm.envelope.sealing import Header

log = structlog.get_logger(__name__)

MOST_WAITING = 256  # bundles in the queue; more are answered with 503
MOST_ROWS_AT_ONCE = 1_000_000  # in one insert, beyond which a larger one is no faster

AfterStep = Callable[[str], None]


def nothing(_step: str) -> None:
    """The default for `after_step`."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified, opened and checked envelope that waits to be stored; `receipt` comes when it is durable."""

    collector: int
    member: int
    force: str
    region: str
    header: Header
    digest: str
    size: int
    ledgers: dict[str, Ledger]
    events: pa.Table
    alarms: tuple[Alarm, ...] | None = None  # None: it says nothing of them
    release: int | None = None  # pack release by which its lines were read, 0 for the program's packs, None: not said
    heard: Mapping[str, Heard] = field(default_factory=dict)  # by device, of those with events
    clock_offset: int = 0  # seconds by which its collector's clock is ahead of ours, as far as known
    receipt: Future[bytes] = field(default_factory=Future)


class Writer:
    """The thread and its queue. `after_step` is told each step's name once it is done; tests use it."""

    def __init__(self, store: EventStore, key: SigningKey, after_step: AfterStep = nothing) -> None:
        self._store = store
        self.key = key
        self._after_step = after_step
        self._waiting: queue.Queue[Bundle | None] = queue.Queue(MOST_WAITING)
        self._unclean = False
        self._thread = threading.Thread(target=self._run, name="ingest-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Store what waits, then end."""
        self._waiting.put(None)
        self._thread.join()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, bundle: Bundle) -> None:
        """Queue a bundle; its `receipt` will be set. Raises BusyError when the queue is full."""
        try:
            self._waiting.put_nowait(bundle)
        except queue.Full:
            raise BusyError("The centre is busy.", next_step="Send the envelope again in a moment.") from None

    def recover(self) -> int:
        """Undo every envelope whose storing was interrupted; give how many. No writer may be at work."""
        interrupted = list(Envelope.objects.filter(state=Envelope.State.STORING))
        for envelope in interrupted:
            self._store.delete_bundle(envelope.collector_id, envelope.sequence)
        Envelope.objects.filter(pk__in=[e.pk for e in interrupted]).delete()
        if interrupted:
            log.warning("ingest.recovered", envelopes=len(interrupted))
        return len(interrupted)

    def _run(self) -> None:
        ended = False
        while not ended:
            group, ended = self._take()
            if group:
                close_old_connections()
                self._store_group(group)
        connection.close()

    def _take(self) -> tuple[list[Bundle], bool]:
        """All bundles that wait, up to the most rows at once; and whether to end after them."""
        group: list[Bundle] = []
        rows = 0
        first = self._waiting.get()
        while first is not None:
            group.append(first)
            rows += first.events.num_rows
            if rows >= MOST_ROWS_AT_ONCE:
                return group, False
            try:
                first = self._waiting.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _store_group(self, group: Sequence[Bundle]) -> None:
        began = time.monotonic()
        try:
            if self._unclean:
                self.recover()
                self._unclean = False
            with quiet.storing():
                stored = self._commit(group)
        except Exception as error:
            self._unclean = True
            log.exception("ingest.store_failed", envelopes=len(group))
            for bundle in group:
                if not bundle.receipt.done():
                    bundle.receipt.set_exception(_unavailable(error))
            return
        took = round((time.monotonic() - began) * 1000)
        rows = sum(b.events.num_rows for b in stored)
        log.info("ingest.stored", envelopes=len(stored), rows=rows, milliseconds=took)

    def _commit(self, group: Sequence[Bundle]) -> list[Bundle]:
        now = datetime.now(UTC)
        accepted = self._record(group, now)
        if not accepted:
            return []
        self._after_step("recorded")
        self._store.insert(pa.concat_tables([with_origin(b.events, _origin(b, now)) for b in accepted]))
        self._after_step("inserted")
        issued = self._finish(accepted, now)
        self._after_step("finished")
        for bundle, receipt in zip(accepted, issued, strict=True):
            bundle.receipt.set_result(receipt)
        return accepted

    def _record(self, group: Sequence[Bundle], now: datetime) -> list[Bundle]:
        """Step 1: refuse what does not continue its chain, record the rest."""
        accepted, refused = [], []
        with transaction.atomic():
            chains = Chain.objects.in_bulk({b.collector for b in group})
            for bundle in group:
                chain = chains[bundle.collector]
                try:
                    check_chain(bundle.header, chain.sequence, chain.head)
                except RefusedError as error:
                    refused.append((bundle, error))
                    continue
                chain.sequence, chain.head = bundle.header.sequence, bundle.digest
                accepted.append(bundle)
            Envelope.objects.bulk_create([_record_of(b, now) for b in accepted])
        for bundle, reason in refused:
            bundle.receipt.set_exception(reason)
        return accepted

    def _finish(self, accepted: Sequence[Bundle], now: datetime) -> list[bytes]:
        """Step 3: receipts, chain heads and ledger totals, all or none."""
        issued = [receipts.issue(_receipt_of(b, now), self.key) for b in accepted]
        sums = totals.sums(accepted)  # reads, so before the transaction: nobody else changes what it reads
        with transaction.atomic():
            found = {e.digest: e for e in Envelope.objects.filter(digest__in=[b.digest for b in accepted])}
            for bundle, receipt in zip(accepted, issued, strict=True):
                envelope = found[bundle.digest]
                envelope.state, envelope.receipt = Envelope.State.STORED, receipt
            Envelope.objects.bulk_update(found.values(), ["state", "receipt"])
            heads = {b.collector: _head(b, now) for b in accepted}
            Chain.objects.bulk_update(heads.values(), ["sequence", "head", "sealed", "received"])
            totals.add_sums(sums, now)
            totals.add_spans(sums, now)
            note_heard(accepted, now)
            standing.keep({b.collector: b.alarms for b in accepted if b.alarms is not None}, now)
            Collector.objects.filter(pk__in=heads).update(last_seen=now)
        return issued


def _head(bundle: Bundle, now: datetime) -> Chain:
    header = bundle.header
    sealed = sealed_at(header.sealed, bundle.clock_offset, now)
    return Chain(
        collector_id=bundle.collector, sequence=header.sequence, head=bundle.digest, sealed=sealed, received=now
    )


def _origin(bundle: Bundle, now: datetime) -> Origin:
    return Origin(bundle.member, bundle.collector, bundle.header.sequence, bundle.force, bundle.region, now)


def _record_of(bundle: Bundle, now: datetime) -> Envelope:
    return Envelope(
        collector_id=bundle.collector,
        sequence=bundle.header.sequence,
        digest=bundle.digest,
        state=Envelope.State.STORING,
        sealed=datetime.fromtimestamp(bundle.header.sealed / 1000, UTC),
        received=now,
        rows=bundle.events.num_rows,
        lines=bundle.header.lines,
        size=bundle.size,
        pack_release=bundle.release,
        ledgers={device: ledger.to_json() for device, ledger in bundle.ledgers.items()},
    )


def _receipt_of(bundle: Bundle, now: datetime) -> Receipt:
    header = bundle.header
    return Receipt(bundle.digest, header.collector, header.sequence, bundle.events.num_rows, milliseconds(now))


def _unavailable(error: Exception) -> StoreUnavailableError:
    unavailable = StoreUnavailableError(
        "The centre could not store the envelope.", next_step="Send it again in a moment."
    )
    unavailable.__cause__ = error
    return unavailable
