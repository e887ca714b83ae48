"""The running collector: receivers, the pipeline's thread, the shipper's thread, and a look at the centre's status.

Stops cleanly on SIGTERM and SIGINT: what has arrived is bundled and spooled before the process ends.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING

import structlog

from cyberalarm import __version__
from cyberalarm.collector import identity as identities
from cyberalarm.collector.centre import STATUS_PATH, Centre
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.files import write_durably
from cyberalarm.collector.pipeline import Pipeline, Sealer
from cyberalarm.collector.receive.chunk import Intake
from cyberalarm.collector.receive.tcp import TcpReceiver
from cyberalarm.collector.receive.udp import UdpReceiver
from cyberalarm.collector.ship import Shipper
from cyberalarm.collector.spool import Spool
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope.documents import Status
from cyberalarm.envelope.requests import sign_request
from cyberalarm.formats.loader import bundled

if TYPE_CHECKING:
    from pathlib import Path

    from cyberalarm.collector.config import CollectorConfig

log = structlog.get_logger(__name__)

STATE = "state.json"
_STATE_SECONDS = 2.0
_STATUS_SECONDS = 60.0


class Service:
    """Everything a collector does, in one process. The data folder must be held by the caller (`files.only_one`)."""

    def __init__(self, config: CollectorConfig) -> None:
        """Open all parts. Raises NotEnrolledError, ConfigurationError, SpoolDamagedError."""
        self._config = config
        self._identity = identities.load(config.data)
        self._key = identities.signing_key(config.data)
        self._lock = RLock()
        self._spool = Spool(config.data / "spool", config.spool_bytes)
        sealer = Sealer(self._identity.collector, self._key, self._identity.analysis_key)
        self._pipeline = Pipeline(config, bundled(), DeviceNames(config.data), self._spool, sealer)
        self._centre = Centre(self._identity.centre, self._identity.pin, config.proxy)
        self._shipper = Shipper(self._centre, self._identity, self._spool, self._lock)
        self._intake = Intake()
        listen = config.listen
        self._udp = [UdpReceiver(e, listen.receive_buffer, self._intake) for e in listen.udp]
        self._tcp = [TcpReceiver(e, listen.tcp_connections, self._intake) for e in listen.tcp]
        self._drops = dict.fromkeys((r.endpoint for r in self._udp), 0)
        self._status_thread = Thread(target=self._watch_status, name="status", daemon=True)
        self._ending = Event()
        self._started = time.time()
        self._clock_ahead_ms: int | None = None

    def run(self, stop: Event) -> None:
        """Work until `stop` is set, then put away what has arrived."""
        receivers: list[UdpReceiver | TcpReceiver] = [*self._udp, *self._tcp]
        for receiver in receivers:
            receiver.start()
        self._shipper.start()
        self._status_thread.start()
        log.info("collector.running", udp=[r.endpoint for r in self._udp], tcp=[r.endpoint for r in self._tcp])
        while not stop.is_set():
            self._turn(0.2)
        self._intake.closing.set()
        ender = Thread(target=lambda: [receiver.stop() for receiver in receivers], name="end receivers")
        ender.start()
        while ender.is_alive() or not self._intake.empty:
            self._turn(0.05)
        self._intake.abandoned.set()
        with self._lock:
            self._pipeline.close_bundle()
        self._ending.set()
        self._shipper.stop(timeout=10)
        self._write_state()
        log.info("collector.stopped", waiting=self._spool.waiting)

    def _turn(self, timeout: float) -> None:
        """Take one chunk, close the bundle when it is due, note how things are."""
        if self._pipeline.has_room:
            chunk = self._intake.get(timeout)
            if chunk is not None:
                self._pipeline.take(chunk)
        else:
            time.sleep(timeout)
        if self._pipeline.due:
            self._count_drops()
            with self._lock:
                closed = self._pipeline.close_bundle()
            if closed:
                self._shipper.wake.set()
        if time.time() - self._state_written >= _STATE_SECONDS:
            self._write_state()

    _state_written = 0.0

    def _count_drops(self) -> None:
        for receiver in self._udp:
            drops = receiver.drops
            new = drops - self._drops[receiver.endpoint]
            if new > 0:
                self._drops[receiver.endpoint] = drops
                self._pipeline.dropped(f"listener {receiver.endpoint}", new)

    def _watch_status(self) -> None:
        while not self._ending.is_set():
            try:
                self._ask_status()
            except CyberAlarmError as error:
                log.info("status.unavailable", code=error.code)
            self._ending.wait(_STATUS_SECONDS)

    def _ask_status(self) -> None:
        now = int(time.time() * 1000)
        headers = sign_request(self._key, self._identity.collector, "GET", STATUS_PATH, b"", now)
        status = Status.read(self._centre.status(headers), self._identity.receipt_key)
        self._clock_ahead_ms = int(time.time() * 1000) - status.time
        # The switch is obeyed by what sends; what arrives is still taken and kept in the spool.
        self._shipper.hold = status.stop or _older(__version__, status.minimum_version)

    def _write_state(self) -> None:
        """Leave a note of how things are, for `doctor`; a convenience, so a full disk does not stop the collector."""
        self._state_written = time.time()
        state = {
            "written": self._state_written,
            "started": self._started,
            "version": __version__,
            "listening": {
                "udp": [f"{r.address[0]}:{r.address[1]}" for r in self._udp],
                "tcp": [f"{r.address[0]}:{r.address[1]}" for r in self._tcp],
            },
            "spool": {"waiting": self._spool.waiting, "bytes": self._spool.size, "limit": self._config.spool_bytes},
            "shipping": asdict(self._shipper.progress),
            "held": self._shipper.hold,
            "clock_ahead_ms": self._clock_ahead_ms,
            "devices": {
                device: {
                    "source": view.source,
                    "last_line": view.last_line,
                    "products": view.products,
                    "absurd_times": view.absurd_times,
                    "ledger": view.ledger.to_json(),
                }
                for device, view in self._pipeline.views.items()
            },
        }
        try:
            write_durably(self._config.data / STATE, json.dumps(state).encode())
        except OSError as error:
            log.warning("state.unwritten", reason=error.strerror)


def read_state(folder: Path) -> dict[str, object] | None:
    """The note that a running collector left, if there is one."""
    try:
        value = json.loads((folder / STATE).read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _older(ours: str, minimum: str) -> bool:
    """Is our version below the centre's minimum? Unreadable versions are not."""
    try:
        return [int(p) for p in ours.split(".")] < [int(p) for p in minimum.split(".")]
    except ValueError:
        return False
