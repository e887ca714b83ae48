"""Replaying old log files as if their lines had just arrived: for somebody who has just been hit.

Reads files of any size in pieces, keeps the lines' own times, and spools and sends as it goes. Memory is bounded by the piece.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING

from cyberalarm.collector import identity as identities
from cyberalarm.collector.centre import Centre
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.files import only_one
from cyberalarm.collector.pipeline import Pipeline, Sealer
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.receive.tcp import Framing
from cyberalarm.collector.ship import Shipper
from cyberalarm.collector.spool import Spool
from cyberalarm.core.errors import ConfigurationError
from cyberalarm.formats.loader import bundled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.core.outcome import Ledger

_PIECE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the lines; `unsent` bundles are still in the spool."""

    ledger: Ledger
    devices: dict[str, Ledger]
    bundles: int
    unsent: int
    trouble: str


@contextmanager
def _pipeline(config: CollectorConfig) -> Iterator[tuple[Pipeline, Shipper, Spool, RLock]]:
    with only_one(config.data):
        identity = identities.load(config.data)
        key = identities.signing_key(config.data)
        spool = Spool(config.data / "spool", config.spool_bytes)
        sealer = Sealer(identity.collector, key, identity.analysis_key)
        pipeline = Pipeline(config, bundled(), DeviceNames(config.data), spool, sealer)
        lock = RLock()
        shipper = Shipper(Centre(identity.centre, identity.pin, config.proxy), identity, spool, lock)
        yield pipeline, shipper, spool, lock


def replay(
    config: CollectorConfig,
    files: list[Path],
    *,
    on_progress: Callable[[int], None],
    device: str | None = None,
    wait: float = 600.0,
) -> Replayed:
    """Replay files in order. Each file is a device of its own, unless `device` names one for all.

    `on_progress` is told the bytes read. Waits up to `wait` seconds for receipts once everything is read. Raises NotEnrolledError,
    BusyFolderError, SpoolFullError, ConfigurationError for a file that cannot be read.
    """
    with _pipeline(config) as (pipeline, shipper, spool, lock):
        before = spool.head.sequence
        shipper.start()
        try:
            for path in files:
                _replay_file(pipeline, shipper, lock, path, device or path.name, on_progress)
            with lock:
                pipeline.close_bundle()
            shipper.wake.set()
            deadline = time.monotonic() + wait
            while spool.waiting and time.monotonic() < deadline and not _stuck(shipper):
                time.sleep(0.05)
        finally:
            shipper.stop(timeout=30)
        devices = {name: view.ledger for name, view in pipeline.views.items()}
        trouble = shipper.progress.trouble
        return Replayed(pipeline.totals, devices, spool.head.sequence - before, spool.waiting, trouble)


def _stuck(shipper: Shipper) -> bool:
    code = shipper.progress.trouble_code
    return bool(code) and code not in {"centre-unreachable", "busy", "store-unavailable"}


def _replay_file(
    pipeline: Pipeline,
    shipper: Shipper,
    lock: RLock,
    path: Path,
    source: str,
    on_progress: Callable[[int], None],
) -> None:
    try:
        reference = int(path.stat().st_mtime * 1000)
        with path.open("rb") as lines:
            framing = Framing()
            while piece := lines.read(_PIECE):
                whole, overflow = framing.feed(piece)
                _take(pipeline, shipper, lock, Chunk(source, _joined(whole), overflow), reference)
                on_progress(len(piece))
            _take(pipeline, shipper, lock, Chunk(source, _joined(framing.finish())), reference)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}.", next_step="Check the path.") from error


def _joined(lines: list[bytes]) -> bytes:
    return b"\n".join(lines) + b"\n" if lines else b""


def _take(pipeline: Pipeline, shipper: Shipper, lock: RLock, chunk: Chunk, reference: int) -> None:
    if chunk.lines or chunk.overflow:
        pipeline.take(chunk, reference_ms=reference)
    if pipeline.due:
        with lock:
            pipeline.close_bundle()
        shipper.wake.set()
    while not pipeline.has_room and not _stuck(shipper):
        time.sleep(0.1)
