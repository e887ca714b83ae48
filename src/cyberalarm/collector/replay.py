"""Replaying old log files as if their lines had just arrived: for somebody who has just been hit.

Reads files of any size in pieces, also compressed ones (gzip), keeps the lines' own times, and spools and sends as it goes. Memory
is bounded by the piece and the bundle. A file that is replayed twice is counted twice: nothing here remembers files.
"""

from __future__ import annotations

import gzip
import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING

from cyberalarm.collector import identity as identities
from cyberalarm.collector.centre import Centre
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.errors import SpoolFullError
from cyberalarm.collector.files import only_one
from cyberalarm.collector.keeping import Keeping
from cyberalarm.collector.keyring import Keyring
from cyberalarm.collector.listed_sources import ListedSources
from cyberalarm.collector.pipeline import Pipeline, Sealer
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.receive.framing import Framing
from cyberalarm.collector.ship import Shipper
from cyberalarm.collector.spool import Spool
from cyberalarm.collector.updates import Updates, trusted_keys
from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.core.outcome import Ledger

# With a full bundle (150,000 rows at most) the lines of one more piece must stay below the 200,000 rows that the centre takes.
_PIECE = 1024 * 1024
_GZIP = b"\x1f\x8b\x08"  # RFC 1952


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the lines; `unsent` bundles are still in the spool."""

    ledger: Ledger
    devices: dict[str, Ledger]
    bundles: int
    unsent: int
    trouble: str


class _Run:
    """The parts that work while files are replayed."""

    def __init__(self, config: CollectorConfig, wait: float) -> None:
        identity = identities.load(config.data)
        keys = Keyring(config.data)
        self.spool = Spool(config.data / "spool", config.spool_bytes)
        keeping = Keeping.opened(config)
        sealer = Sealer(identity.collector, keys.current, identity.analysis_key, keys.following, keeping.copies)
        updates = Updates(config.data, trusted_keys(config, identity))
        library = updates.load()
        library = updates.resume() or library
        names, listed = (
            DeviceNames(config.data, config.device),
            ListedSources(config.data, identity.receipt_keys).load(),
        )
        self.pipeline = Pipeline(config, library, names, self.spool, sealer, journal=keeping.journal, listed=listed)
        self._lock = RLock()
        centre = Centre(identity.centre, identity.pin, config.proxy, identity.next_pins)
        self.shipper = Shipper(centre, identity, self.spool, self._lock, keys)
        self._wait = wait

    def take(self, chunk: Chunk, reference_ms: int) -> None:
        """Take in a chunk, waiting for room in the spool. Raises SpoolFullError."""
        if chunk.lines or chunk.overflow:
            self.pipeline.take(chunk, reference_ms=reference_ms)
        self.pipeline.tick()
        if self.pipeline.due:
            self._close()
        self._wait_until(lambda: self.pipeline.has_room or self._close())
        if not self.pipeline.has_room:
            raise self._full()

    def finish(self) -> None:
        """Spool what is left, then wait for receipts. Raises SpoolFullError."""

        def all_spooled() -> bool:
            self._close()
            return not self.pipeline.unspooled

        self._wait_until(all_spooled)
        if self.pipeline.unspooled:
            raise self._full()
        self._wait_until(lambda: not self.spool.waiting)

    def _close(self) -> bool:
        with self._lock:
            closed = self.pipeline.close_bundle() is not None
        self.shipper.wake.set()
        return closed

    def _wait_until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._wait
        while not done() and time.monotonic() < deadline and not self.shipper.stuck:
            time.sleep(0.02)

    def _full(self) -> SpoolFullError:
        return SpoolFullError(
            f"The spool is full; {self.pipeline.unspooled:,} lines that were read are in no bundle.",
            next_step=self.shipper.progress.trouble
            or "Raise spool_bytes, or wait until bundles are sent; then replay again.",
        )


@contextmanager
def _running(config: CollectorConfig, wait: float) -> Iterator[_Run]:
    with only_one(config.data):
        run = _Run(config, wait)
        run.shipper.start()
        try:
            yield run
        finally:
            run.shipper.stop(timeout=30)


def replay(
    config: CollectorConfig,
    files: list[Path],
    *,
    on_progress: Callable[[int], None],
    device: str | None = None,
    wait: float = 600.0,
) -> Replayed:
    """Replay files in order. Each file is a device of its own, unless `device` names one for all.

    `on_progress` is told the bytes read. Waits up to `wait` seconds for room in the spool, and for receipts once all is read.
    Raises NotEnrolledError, BusyFolderError, SpoolFullError, ConfigurationError for a file that cannot be read; what was read
    until then is spooled and sent.
    """
    with _running(config, wait) as run:
        before = run.spool.head.sequence
        try:
            for path in files:
                _replay_file(run, path, device or path.name, on_progress)
        except ConfigurationError:
            run.finish()
            raise
        run.finish()
    devices = {name: view.ledger for name, view in run.pipeline.views.items()}
    bundles = run.spool.head.sequence - before
    return Replayed(run.pipeline.totals, devices, bundles, run.spool.waiting, run.shipper.progress.trouble)


@contextmanager
def _lines(raw: BinaryIO) -> Iterator[BinaryIO]:
    """The file's lines, unpacked if it is compressed."""
    compressed = raw.read(len(_GZIP)) == _GZIP
    raw.seek(0)
    if not compressed:
        yield raw
        return
    with gzip.open(raw) as unpacked:
        yield unpacked  # type: ignore[misc]


def _replay_file(run: _Run, path: Path, source: str, on_progress: Callable[[int], None]) -> None:
    try:
        # When a file was last written is the best clue to the year that its lines may lack.
        reference = int(min(path.stat().st_mtime, time.time()) * 1000)
        with path.open("rb") as raw, _lines(raw) as lines:
            framing = Framing(counted=False)
            read = 0
            while piece := lines.read(_PIECE):
                whole, overflow = framing.feed(piece)
                run.take(Chunk(source, whole, overflow), reference)
                on_progress(raw.tell() - read)
                read = raw.tell()
            run.take(Chunk(source, framing.finish()), reference)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        taken = run.pipeline.totals.received
        step = (
            f"{taken:,} lines were taken in until then. Replay only what is missing: what is replayed twice is counted twice."
            if taken
            else "Check the path."
        )
        raise ConfigurationError(f"{path}: cannot be read: {reason}.", next_step=step) from error
