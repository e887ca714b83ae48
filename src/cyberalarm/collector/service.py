"""The running collector: receivers, the pipeline's thread, the shipper's thread, and a look at the centre's status and packs.

Stops cleanly on SIGTERM and SIGINT: what has arrived is bundled and spooled before the process ends. When one of its threads ends
that never should, it stops as cleanly and says so, rather than stand there half alive.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING

import structlog

from cyberalarm import __version__
from cyberalarm.collector import identity as identities
from cyberalarm.collector import key_change
from cyberalarm.collector import state as notes
from cyberalarm.collector.bundle import Sealer
from cyberalarm.collector.centre import PACKS_PATH, SOURCES_PATH, Centre
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.drift.watch import Watch
from cyberalarm.collector.errors import PartFailedError
from cyberalarm.collector.handover import Collecting
from cyberalarm.collector.keeping import Keeping
from cyberalarm.collector.keyring import Keyring
from cyberalarm.collector.listed_sources import ListedSources
from cyberalarm.collector.logs import TROUBLES
from cyberalarm.collector.metrics import metrics_server
from cyberalarm.collector.pipeline import CLOCK_FLOOR_S, Pipeline
from cyberalarm.collector.positions import Positions
from cyberalarm.collector.receive.chunk import Intake
from cyberalarm.collector.receive.receivers import Receivers
from cyberalarm.collector.ship import Shipper
from cyberalarm.collector.spool import Spool
from cyberalarm.collector.standing import Standing
from cyberalarm.collector.supervision import Supervisor
from cyberalarm.collector.telling import Telling
from cyberalarm.collector.updates import Updates, trusted_keys
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import source_list
from cyberalarm.envelope.payload import FORM_WITH_ALARMS, FORM_WITH_RECALLED
from cyberalarm.envelope.requests import InUse, sign_request

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.listed_sources import Ranges
    from cyberalarm.envelope.documents import Offer
    from cyberalarm.formats.library import Library

log = structlog.get_logger(__name__)

_STATE_SECONDS = 2.0
_STATUS_SECONDS = 60.0


class Service:
    """Everything a collector does, in one process. The data folder must be held by the caller (`files.only_one`)."""

    def __init__(self, config: CollectorConfig) -> None:
        """Open all parts. Raises NotEnrolledError, ConfigurationError, SpoolDamagedError."""
        self._config = config
        self._identity = identities.load(config.data)
        self._keys = Keyring(config.data)
        self._standing = Standing(config.data, self._identity, self._keys)
        self._lock = RLock()
        # First of all, so that what arrives while the rest is made ready waits with the operating system.
        self._intake = Intake()
        self._receivers = Receivers(config, self._intake)
        self._udp, self._tcp = self._receivers.udp, self._receivers.tcp
        self._metrics = metrics_server(config.metrics.listen, lambda: self._note)
        self._spool = Spool(config.data / "spool", config.spool_bytes)
        positions = Positions(config.data, self._spool.head.sequence)
        keeping = Keeping.opened(config)
        identity, keys = self._identity, self._keys
        sealer = Sealer(identity.collector, keys.current, identity.analysis_key, keys.following, keeping.copies)
        self._watch = Watch(config.data)
        self._updates = Updates(config.data, trusted_keys(config, self._identity))
        library = self._updates.load()
        self._sources = ListedSources(config.data, identity.receipt_keys)
        names, listed = DeviceNames(config.data, config.device), self._sources.load()
        self._pipeline = Pipeline(
            config, library, names, self._spool, sealer, self._watch, keeping.journal, listed, positions
        )
        self._receivers.read_files(
            config, Collecting(positions, self._intake, self._pipeline.hurry, lambda: self._spool.waiting)
        )
        where = (identity.centre, identity.pin, config.proxy, identity.next_pins)
        self._centre, to_ship = Centre(*where), Centre(*where)
        self._shipper = Shipper(to_ship, identity, self._spool, self._lock, keys)
        self._shipper.hold = self._standing.held
        self._drops = dict.fromkeys((r.endpoint for r in self._udp), 0)
        self._telling = Telling(config.data, config.spool_bytes)
        self._status_thread = Thread(target=self._watch_status, name="status", daemon=True)
        self._ending = Event()
        self._started = time.time()
        self._state_due = 0.0
        self._clock_ahead_ms: int | None = None
        self._clock_unset = False
        self._minimum_version = ""
        self._note: notes.State | None = None
        self._unwritten = False
        self._supervisor = Supervisor()

    def run(self, stop: Event) -> None:
        """Work until `stop` is set, then put away what has arrived. Raises PartFailedError, after putting away."""
        self._receivers.start()
        self._shipper.start()
        self._status_thread.start()
        if self._metrics:
            self._metrics.start()
        self._supervisor.ready("Receiving.")
        log.info("collector.running", **self._receivers.ports)
        failed: list[str] = []
        while not stop.is_set() and not failed:
            self._turn(0.2)
            failed = self._receivers.dead or ([] if self._shipper.alive else ["shipping"])
        self._end()
        if failed:
            raise PartFailedError(f"A part of the collector has failed: {', '.join(failed)}.", next_step="See its log.")

    def _end(self) -> None:
        """Take in what has arrived, spool it, and end. What finds no room is at least counted."""
        self._supervisor.stopping()
        self._intake.close()
        ender = Thread(target=self._receivers.stop, name="end receivers", daemon=True)
        ender.start()
        while ender.is_alive() or not self._intake.empty:
            self._supervisor.alive()
            chunk = self._intake.get(0.05)
            if chunk is not None and self._pipeline.has_room and not self._clock_is_unset():
                self._pipeline.take(chunk)
            elif chunk is not None:
                self._pipeline.pass_over(chunk)
            if self._pipeline.due:
                with self._lock:
                    self._pipeline.close_bundle(last=True)
        self._intake.abandoned.set()
        self._count_drops()
        with self._lock:
            while self._pipeline.unspooled and self._pipeline.close_bundle(last=True):
                pass
        if self._pipeline.unspooled:
            log.error("collector.lines_lost", lines=self._pipeline.unspooled)
        self._ending.set()
        self._shipper.stop(timeout=10)
        self._watch.save()
        self._write_state()
        if self._metrics:
            self._metrics.stop()
        log.info("collector.stopped", waiting=self._spool.waiting)

    def _turn(self, timeout: float) -> None:
        """Take one chunk, close the bundle when it is due, note how things are."""
        self._supervisor.alive()
        self._pipeline.tick()
        if self._pipeline.has_room and not self._clock_is_unset():
            chunk = self._intake.get(timeout)
            if chunk is not None:
                self._pipeline.take(chunk)
        else:
            time.sleep(timeout)
        if not self._clock_unset:
            self._watch.tick()
        if self._pipeline.due:
            self._count_drops()
            with self._lock:
                closed = self._pipeline.close_bundle()
            if closed:
                self._shipper.wake.set()
        if time.monotonic() >= self._state_due:
            self._write_state()

    def _clock_is_unset(self) -> bool:
        """A machine without a battery begins in 1970; lines with such times would be of no use to anybody. They wait instead."""
        unset = time.time() < CLOCK_FLOOR_S
        if unset != self._clock_unset:
            self._clock_unset = unset
            (log.warning if unset else log.info)("clock.unset" if unset else "clock.set")
        return unset

    def _count_drops(self) -> None:
        for receiver in self._udp:
            drops = receiver.drops
            new = drops - self._drops[receiver.endpoint]
            if new > 0:
                self._drops[receiver.endpoint] = drops
                self._pipeline.dropped(f"listener {receiver.endpoint}", new)

    def _watch_status(self) -> None:
        said, begun = "", False
        while not self._ending.is_set():
            try:
                self._list(self._sources.expire())
                if not begun:
                    begun = True
                    self._use(self._updates.resume())
                self._ask_status()
                if said:
                    log.info("status.recovered", code=said)
                said = ""
            except CyberAlarmError as error:
                if error.code != said:
                    log.warning("status.unavailable", code=error.code)
                said = error.code
            except Exception:
                log.exception("status.failed")  # a defect; ask again all the same
            self._centre.rest()
            self._ending.wait(_STATUS_SECONDS)

    def _ask_status(self) -> None:
        status = self._standing.ask(self._centre, self._in_use())
        self._telling.told()
        self._clock_ahead_ms = int(time.time() * 1000) - status.time
        # The switch is obeyed by what sends; what arrives is still taken and kept in the spool.
        self._shipper.hold = self._standing.held
        self._minimum_version = status.minimum_version
        self._pipeline.tells_alarms = status.bundle_form >= FORM_WITH_ALARMS
        self._pipeline.recalls = status.bundle_form >= FORM_WITH_RECALLED
        self._take_up_identity()
        self._change_key()
        self._use(self._updates.heed(status.revoked))
        self._use(self._updates.follow(status.release, self._fetch))
        self._list(self._sources.follow(status.sources, self._fetch_sources))

    def _in_use(self) -> InUse:
        note = self._updates.note_of(self._pipeline.library)
        head, done = self._spool.head.sequence, self._spool.done.sequence
        turned_away = self._receivers.turned_away
        load = self._telling.load(time.monotonic(), head, done, self._spool.size, turned_away)
        return InUse(__version__, note.release, note.refused_code, source_list.FORM, load=load)

    def _signed(self, path: str) -> dict[str, str]:
        return sign_request(self._keys.current, self._identity.collector, "GET", path, b"", int(time.time() * 1000))

    def _fetch(self, offer: Offer) -> bytes:
        return self._centre.packs(offer.sha256, offer.size, self._signed(PACKS_PATH + offer.sha256))

    def _fetch_sources(self, offer: Offer) -> bytes:
        return self._centre.sources(offer.sha256, offer.size, self._signed(SOURCES_PATH + offer.sha256))

    def _list(self, listed: Ranges | None) -> None:
        if listed is not None:
            self._pipeline.list_sources(listed)

    def _use(self, library: Library | None) -> None:
        if library is not None:
            self._pipeline.use(library)

    def _take_up_identity(self) -> None:
        """Seal new bundles to the key that the centre prefers now; those in the spool keep theirs, which the centre still has."""
        identity = self._standing.identity
        if identity == self._identity:
            return
        self._identity = identity
        self._centre.pins = identity.pins
        self._sources.keys = identity.receipt_keys
        self._shipper.take_up(identity)
        with self._lock:
            self._pipeline.sealer = replace(self._pipeline.sealer, to=identity.analysis_key)

    def _change_key(self) -> None:
        """Sign what comes next by a new key, when somebody asked for that or the present one is old. What sends makes it known."""
        if self._keys.pending or not self._standing.takes_new_keys or self._clock_is_unset():
            return
        if not key_change.wanted(self._config, self._keys):
            return
        try:
            with self._lock:
                following = self._keys.begin(self._spool.head)
                self._pipeline.sealer = replace(self._pipeline.sealer, key=self._keys.current, following=following)
            key_change.begun(self._config)
        except OSError as error:
            log.warning("identity.unwritten", reason=error.strerror)
        self._shipper.wake.set()

    def _write_state(self) -> None:
        """Leave a note of how things are, for `doctor`; a full disk does not stop the collector."""
        self._state_due = time.monotonic() + _STATE_SECONDS
        shipping = notes.ShippingNote(**asdict(self._shipper.progress))
        waiting, most_waiting = self._intake.waiting
        state = notes.State(
            written=time.time(),
            started=self._started,
            version=__version__,
            listening=self._receivers.listening,
            spool=notes.SpoolNote(
                waiting=self._spool.waiting,
                bytes=self._spool.size,
                limit=self._config.spool_bytes,
                oldest=self._spool.oldest,
            ),
            shipping=shipping,
            held=self._shipper.hold,
            clock_ahead_ms=self._clock_ahead_ms,
            clock_unset=self._clock_unset,
            packs=self._updates.note_of(self._pipeline.library),
            sources=self._sources.note,
            known_seen=dict(self._pipeline.known.seen),
            turned_away=self._receivers.turned_away,
            connections=self._receivers.open_connections,
            no_descriptors=self._receivers.no_descriptors,
            tls=self._receivers.tls_note,
            files=self._receivers.files_note,
            drop=self._receivers.drop_note,
            intake=notes.IntakeNote(bytes=waiting, limit=most_waiting),
            minimum_version=self._minimum_version,
            troubles=dict(TROUBLES),
            devices={
                device: notes.DeviceNote(
                    source=view.source,
                    last_line=view.last_line,
                    products=view.products,
                    absurd_times=view.absurd_times,
                    ledger=view.ledger.to_json(),
                    first_heard=self._watch.first_heard(device),
                )
                for device, view in self._pipeline.views.items()
            },
            alarms=[notes.AlarmNote.model_validate(alarm.to_json()) for alarm in self._watch.alarms],
        )
        self._note = state
        try:
            notes.write(self._config.data, state)
        except OSError as error:
            if not self._unwritten:
                log.warning("state.unwritten", reason=error.strerror)
            self._unwritten = True
        else:
            self._unwritten = False
