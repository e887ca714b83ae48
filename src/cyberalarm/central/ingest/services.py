"""The way of an envelope through the centre, step by step.

    header, collector, signature, seen before?, turn, place, chain, open, unpack, check, keep the original, store, receipt
                                                              └ what fails from here on is put aside (`quarantine`)

Invariants:
- nothing that is refused changes any state, but for a note on its collector that it was (`refusals`)
- the same envelope again, later or at the same time, gives the same receipt, and its rows are stored once
- envelopes of one collector are taken one after the other, whatever connections they come on, so a collector has at
  most one of the places; what it sends again is answered without one (`room`)
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from django.utils import timezone

from cyberalarm import __version__
from cyberalarm.central.enrolment.collector_keys import current_key, verify_envelope
from cyberalarm.central.enrolment.errors import CollectorStoppedError
from cyberalarm.central.enrolment.keys import CentreKeys, centre_keys
from cyberalarm.central.enrolment.services import chain_of, configuration, milliseconds, speaking_collector
from cyberalarm.central.events.errors import EventStoreError
from cyberalarm.central.ingest import evidence, figures, quarantine, saying
from cyberalarm.central.ingest.bundles import Sender, as_released, open_envelope
from cyberalarm.central.ingest.chain import check_chain
from cyberalarm.central.ingest.completing import Completer
from cyberalarm.central.ingest.errors import (
    BundleRefusedError,
    BusyError,
    EnvelopeReplayedError,
    OriginalLostError,
    StoreUnavailableError,
)
from cyberalarm.central.ingest.keeping import Keeper
from cyberalarm.central.ingest.models import Envelope
from cyberalarm.central.ingest.refusals import Speaker, noted
from cyberalarm.central.ingest.room import Room, Turns, busy
from cyberalarm.central.ingest.writer import AfterStep, Writer, nothing
from cyberalarm.central.members.models import Collector
from cyberalarm.central.releases import services as releases
from cyberalarm.central.sources import services as sources
from cyberalarm.envelope import payload, receipts, sealing
from cyberalarm.envelope.documents import Status
from cyberalarm.envelope.errors import EnvelopeRefused, RequestRefused, SignatureRefused
from cyberalarm.envelope.sealing import MAX_ENVELOPE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from cyberalarm.central.config import CentralConfig
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.ingest.bundles import Bundle
    from cyberalarm.central.ingest.models import Quarantined
    from cyberalarm.core.errors import CyberAlarmError
    from cyberalarm.envelope.requests import InUse, SignedRequest
    from cyberalarm.envelope.sealing import Header

log = structlog.get_logger(__name__)

MINIMUM_VERSION = "0.1.0"  # of a collector that this centre still understands
MOST_AT_ONCE = 128  # envelopes in hand
MOST_OPENING = 4  # of them are being opened; each may take some 200 MB meanwhile
MOST_OPENED = 1024**3  # bytes of rows that wait to be stored
MOST_BYTES = 256 * 1024 * 1024  # of envelopes in memory: four of the longest, or thousands of usual ones
LONGEST_WAIT_FOR_PLACE = 4.0  # seconds: a burst on the minute passes; beyond, waiting helps nobody
LONGEST_WAIT_FOR_ROOM = 10.0  # seconds, and as long again for the turn
LONGEST_WAIT = 60.0  # seconds for a group commit; shorter than a collector waits for an answer


@dataclass(frozen=True, slots=True)
class _Waiting:
    header: Header
    digest: str
    receipt: Future[bytes]


class Ingest:
    """The receiving side of a running centre. Make one with `start`."""

    def __init__(
        self, config: CentralConfig, store: EventStore, keys: CentreKeys, after_step: AfterStep = nothing
    ) -> None:
        self._folder = evidence.folder_of(config.data)
        self._keys = keys
        self._after_step = after_step
        self._completer = Completer(store, keys, self._folder)
        self._writer = Writer(store, self._completer, after_step)
        self._keeper = Keeper(self._completer, self._release)
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._opening = threading.BoundedSemaphore(MOST_OPENING)
        self._opened = Room(MOST_OPENED, LONGEST_WAIT_FOR_ROOM)
        self._room = Room(MOST_BYTES, LONGEST_WAIT_FOR_ROOM)
        self._turns = Turns(MAX_ENVELOPE, LONGEST_WAIT_FOR_ROOM)
        self._guard = threading.Lock()
        self._last: dict[int, _Waiting] = {}  # the newest waiting envelope of a collector
        self._waiting: dict[str, _Waiting] = {}  # by digest

    def start(self) -> None:
        """Complete what a crash interrupted, then take envelopes. What cannot be completed yet is tried again beside them."""
        if self._completer.alone:
            evidence.tidy(self._folder)
        self._completer.forget_unrecorded()
        try:
            self._completer.complete_others(starting=True)
        except (EventStoreError, OSError) as error:
            self._writer.unclean = True
            log.error("ingest.not_completed", error=type(error).__name__)  # noqa: TRY400 - the reason says all
        self._writer.start()
        self._keeper.start()

    def stop(self) -> None:
        """Store what waits, then end."""
        self._keeper.stop()
        self._writer.stop()

    @property
    def alive(self) -> bool:
        """Is the thread at work that stores envelopes?"""
        return self._writer.alive

    @property
    def keeper(self) -> Keeper:
        """What is done beside; for tests and for who does not want to wait for its next round."""
        return self._keeper

    def room(self, size: int) -> AbstractContextManager[None]:
        """Memory for an envelope of so many bytes; ask before it is read. Raises BusyError when others have it all."""
        return self._room.lent(size)

    def use_keys(self, keys: CentreKeys) -> None:
        """Open, sign and tell with these keys from now on."""
        self._keys = self._completer.keys = keys

    def receive(self, envelope: bytes, voucher: str = "", *, reads_words: bool = False) -> bytes:
        """Take an envelope; give its receipt once its rows are durable. `voucher` is of a collector that has changed its key;
        `reads_words`: it understands a receipt that says that the bundle was put aside.

        Raises errors of `enrolment.problems.PROBLEMS`.
        """
        figures.ENVELOPES.labels("received").inc()
        figures.BYTES.inc(len(envelope))
        claimed = sealing.read_header(envelope)
        with noted(claimed.collector) as speaker, figures.seconds("receive"):
            receipt = self._receive_from(speaker, envelope, voucher, reads_words=reads_words)
        figures.ENVELOPES.labels("receipted").inc()
        return receipt

    def _receive_from(self, speaker: Speaker, envelope: bytes, voucher: str, *, reads_words: bool) -> bytes:
        collector = speaking_collector(speaker.claimed)
        refuse_stopped(collector)
        with figures.seconds("verify"):
            header = verify_envelope(collector, envelope, voucher)
        figures.ENVELOPES.labels("verified").inc()
        speaker.proven = True
        digest = sealing.digest(envelope)
        known = self._seen(digest, reads_words=reads_words)
        if known is not None:
            figures.ENVELOPES.labels("repeated").inc()
            return _awaited(known)
        with self._turns.turn(collector.pk, len(envelope)), self._place():
            # Again, since another connection may have brought it while this one waited for its turn.
            receipt = self._seen(digest, reads_words=reads_words) or self._continues(
                header, digest, collector, reads_words=reads_words
            )
            if receipt is None:
                sender = sender_of(collector, reads_words=reads_words)
                try:
                    with self._opening:
                        bundle = open_envelope(envelope, header, digest, sender, self._keys.analysis, datetime.now(UTC))
                except (EnvelopeRefused, BundleRefusedError) as error:
                    return self._put_aside(collector, sender, header, digest, envelope, error)
                figures.ENVELOPES.labels("opened").inc()
                with self._opened.lent(bundle.events.nbytes):
                    self._keep(collector, header, envelope)
                    return _awaited(self._submit(bundle))
            return _awaited(receipt)

    def _continues(
        self, header: Header, digest: str, collector: Collector, *, reads_words: bool
    ) -> Future[bytes] | None:
        """Raises unless the envelope follows its chain's last one, or is that one, stored by another process just now."""
        try:
            check_chain(header, *self._chain(collector))
        except EnvelopeReplayedError:
            receipt = self._seen(digest, reads_words=reads_words)
            if receipt is None:
                raise
            return receipt
        return None

    def _put_aside(
        self,
        collector: Collector,
        sender: Sender,
        header: Header,
        digest: str,
        envelope: bytes,
        why: CyberAlarmError,
    ) -> bytes:
        """Raises `why` itself where the collector does not read the word for it, or has too much put aside."""
        if not sender.reads_words or not quarantine.has_room(collector.pk, len(envelope)):
            raise why
        self._keep(collector, header, envelope)
        return quarantine.put_aside(sender, header, digest, len(envelope), why, self._keys.receipts)

    def _release(self, held: Quarantined) -> None:
        """Try again what was put aside; returns once its rows are stored. Raises what is wrong with it still."""
        record = held.envelope
        path = evidence.path_of(self._folder, record.collector.reference, record.sequence)
        try:
            envelope = path.read_bytes()
        except OSError as error:
            raise OriginalLostError("Its original is not there.") from error
        if sealing.digest(envelope) != record.digest:
            raise OriginalLostError("The kept original is not this envelope.")
        sender, header = sender_of(record.collector, reads_words=True), sealing.read_header(envelope)
        now = datetime.now(UTC)
        bundle = as_released(open_envelope(envelope, header, record.digest, sender, self._keys.analysis, now))
        self._writer.submit(bundle)
        _awaited(bundle.receipt)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=LONGEST_WAIT_FOR_PLACE):
            raise busy()
        try:
            yield
        finally:
            self._places.release()

    def _keep(self, collector: Collector, header: Header, envelope: bytes) -> None:
        """Put the original on disk. Raises StoreUnavailableError, on a full disk for one."""
        try:
            evidence.keep(self._folder, collector.reference, header.sequence, envelope)
        except OSError as error:
            log.error("ingest.original_unwritten", reason=error.strerror)  # noqa: TRY400 - the reason says all
            raise StoreUnavailableError(
                "The centre could not keep the envelope.", next_step="Send it again in a moment."
            ) from error
        self._after_step("kept")

    def _seen(self, digest: str, *, reads_words: bool) -> Future[bytes] | None:
        """The receipt of this very envelope, given or still to come. Raises why it was put aside to who does not read that."""
        with self._guard:
            waiting = self._waiting.get(digest)
        if waiting is not None:
            return waiting.receipt
        known = Envelope.objects.filter(digest=digest).exclude(state=Envelope.State.STORING)
        stored = known.select_related("quarantined").first()
        if stored is None or stored.receipt is None:
            return None
        if stored.state == Envelope.State.QUARANTINED and not reads_words:
            raise BundleRefusedError(stored.quarantined.reason, stored.quarantined.code)
        given: Future[bytes] = Future()
        given.set_result(self._in_our_hand(bytes(stored.receipt)))
        return given

    def _in_our_hand(self, receipt: bytes) -> bytes:
        """The receipt as it was given, or signed anew by the present key where that has changed since."""
        try:
            receipts.read(receipt, self._keys.receipts.verify_key)
        except SignatureRefused:
            return receipts.renew(receipt, self._keys.receipts)
        return receipt

    def _chain(self, collector: Collector) -> tuple[int, str]:
        """Sequence and digest of the collector's newest envelope, waiting or stored."""
        with self._guard:
            waiting = self._last.get(collector.pk)
        return (waiting.header.sequence, waiting.digest) if waiting else chain_of(collector)

    def _submit(self, bundle: Bundle) -> Future[bytes]:
        waiting = _Waiting(bundle.header, bundle.digest, bundle.receipt)
        with self._guard:
            self._last[bundle.collector] = self._waiting[bundle.digest] = waiting

        def forget(_done: Future[bytes]) -> None:
            with self._guard:
                self._waiting.pop(bundle.digest, None)
                if self._last.get(bundle.collector) is waiting:
                    del self._last[bundle.collector]

        try:
            self._writer.submit(bundle)
        except BusyError:
            forget(bundle.receipt)
            raise
        bundle.receipt.add_done_callback(forget)
        return bundle.receipt

    def status(self, signed: SignedRequest, method: str, path: str, in_use: InUse | None = None) -> bytes:
        """The signed status document for the collector that signed this request and says what it uses. Raises RequestRefused and
        others.
        """
        collector = speaker_of(signed, method, path)
        now = timezone.now()
        saying.note(collector, signed.time, in_use, now)
        sequence, head = chain_of(collector)
        status = Status(
            collector=collector.reference,
            packs=__version__,  # of those that come with the program
            sieve=(),
            minimum_version=MINIMUM_VERSION,
            stop=collector.status == Collector.Status.STOPPED,
            time=milliseconds(now),
            next_sequence=sequence + 1,
            previous=head,
            analysis_keys=self._keys.analysis_public,
            bundle_form=payload.NEWEST_FORM,
            release=releases.offer(),
            revoked=tuple(configuration().revoked_release_keys),
            sources=sources.offer() if in_use and in_use.sources else None,
            trust=self._keys.trust(in_use.nonce) if in_use and in_use.nonce else None,
        )
        return status.sign(self._keys.receipts)


def speaker_of(signed: SignedRequest, method: str, path: str) -> Collector:
    """The collector that signed this request. Raises RequestRefused, CollectorUnknownError, CollectorRevokedError."""
    with noted(signed.collector) as speaker:
        collector = speaking_collector(speaker.claimed)
        try:
            signed.verify(current_key(collector), method, path, b"", milliseconds(timezone.now()))
        except RequestRefused as error:
            if error.code == "request-time":
                saying.note_wrong_clock(collector, signed.time, timezone.now())
            raise
    return collector


def _awaited(receipt: Future[bytes]) -> bytes:
    try:
        return receipt.result(LONGEST_WAIT)
    except TimeoutError as error:
        raise StoreUnavailableError(
            "Storing takes longer than it should.", next_step="Send the envelope again in a moment."
        ) from error


def sender_of(collector: Collector, *, reads_words: bool = False) -> Sender:
    """Whose rows an envelope of this collector brings."""
    member = collector.site.member
    return Sender(collector.pk, member.pk, member.force, member.region, collector.clock_offset or 0, reads_words)


def refuse_stopped(collector: Collector) -> None:
    """Raises CollectorStoppedError."""
    if collector.status == Collector.Status.STOPPED:
        raise CollectorStoppedError(
            "The centre asked this collector to stop sending.",
            next_step="Keep the bundles and ask for the status.",
        )


_current: Ingest | None = None


def start(config: CentralConfig, store: EventStore, after_step: AfterStep = nothing) -> Ingest:
    """Start receiving in this process, after undoing what a crash interrupted; views use what was started
    last.
    """
    global _current  # noqa: PLW0603 - one process holds one event store, and so one receiving side
    ingest = Ingest(config, store, centre_keys(config), after_step)
    ingest.start()
    _current = ingest
    return ingest


def stop() -> None:
    """Store what waits and stop receiving. Twice does no harm."""
    global _current
    if _current is not None:
        ingest, _current = _current, None
        ingest.stop()


def current() -> Ingest:
    """The receiving side of this process. Raises StoreUnavailableError when none was started."""
    if _current is None:
        raise StoreUnavailableError("The centre is not receiving.", next_step="Send the envelope again later.")
    return _current


def receiving() -> bool:
    """Does this process take envelopes?"""
    return _current is not None and _current.alive
