"""Replaying old log files as if their lines had just arrived: for somebody who has just been hit.

Reads files and archives of any size in pieces, keeps the lines' own times, and spools and sends as it goes. Memory is bounded by
the piece and the bundle.

Invariants
- A file is known by its content. What was taken of it is noted with the bundle that holds its lines (`positions`), so a replay that
  was broken off, or killed, goes on without losing or doubling a line.
- The same content is not taken twice unless that is asked for.
- A file that cannot be read does not keep the others from being replayed.
- Where a collector runs, the files are handed to it (`handover`), and it goes on listening.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from threading import RLock
from typing import TYPE_CHECKING, BinaryIO

from cyberalarm.collector import identity as identities
from cyberalarm.collector.bundle import Sealer
from cyberalarm.collector.centre import Centre
from cyberalarm.collector.devices import DeviceNames
from cyberalarm.collector.errors import ReplayedBeforeError, SpoolFullError
from cyberalarm.collector.files import as_owner, is_held, only_one
from cyberalarm.collector.handover import Handed, Wanted, Watcher
from cyberalarm.collector.keeping import Keeping
from cyberalarm.collector.keyring import Keyring
from cyberalarm.collector.listed_sources import ListedSources
from cyberalarm.collector.pipeline import Pipeline
from cyberalarm.collector.positions import Positions
from cyberalarm.collector.receive.archives import ArchiveError
from cyberalarm.collector.receive.reading import (
    PREFIX,
    Known,
    Mark,
    chunks,
    device_of,
    known_as,
    readable,
    sizes_in,
    taken_before,
)
from cyberalarm.collector.ship import Shipper
from cyberalarm.collector.spool import Spool
from cyberalarm.collector.updates import Updates, trusted_keys
from cyberalarm.core.outcome import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.receive.chunk import Chunk


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the lines; `unsent` bundles are still in the spool. `bundles` is None where a running collector took over.

    `failures` are files that could not be read, or not to their end, and why; `left_out` those that had been replayed before,
    `grown` those of which only what was added since was taken.
    """

    ledger: Ledger
    devices: dict[str, Ledger]
    bundles: int | None
    unsent: int
    trouble: str
    failures: tuple[tuple[Path, str], ...] = ()
    left_out: tuple[Path, ...] = ()
    grown: tuple[Path, ...] = ()
    broken_off: bool = False

    @property
    def whole(self) -> bool:
        """Is everything that was asked for at the centre?"""
        return not ((self.unsent and self.bundles is not None) or self.failures or self.broken_off)


class _Run:
    """The parts that work while files are replayed."""

    def __init__(self, config: CollectorConfig, wait: float) -> None:
        identity = identities.load(config.data)
        keys = Keyring(config.data)
        self.spool = Spool(config.data / "spool", config.spool_bytes)
        self.positions = Positions(config.data, self.spool.head.sequence)
        keeping = Keeping.opened(config)
        sealer = Sealer(identity.collector, keys.current, identity.analysis_key, keys.following, keeping.copies)
        updates = Updates(config.data, trusted_keys(config, identity))
        library = updates.load()
        library = updates.resume() or library
        names, listed = (
            DeviceNames(config.data, config.device),
            ListedSources(config.data, identity.receipt_keys).load(),
        )
        self.pipeline = Pipeline(
            config,
            library,
            names,
            self.spool,
            sealer,
            journal=keeping.journal,
            listed=listed,
            positions=self.positions,
        )
        self._lock = RLock()
        centre = Centre(identity.centre, identity.pin, config.proxy, identity.next_pins)
        self.shipper = Shipper(centre, identity, self.spool, self._lock, keys)
        self._wait = wait

    def take(self, chunk: Chunk) -> None:
        """Take in a chunk, waiting for room in the spool. Raises SpoolFullError."""
        self.pipeline.take(chunk)
        self.pipeline.tick()
        if self.pipeline.due:
            self._close()
        self._wait_until(lambda: self.pipeline.has_room or self._close())
        if not self.pipeline.has_room:
            raise self._full()

    def finish(self, *, send: bool = True) -> None:
        """Spool what is left, then wait for receipts if it is to be sent now. Raises SpoolFullError."""

        def all_spooled() -> bool:
            self._close()
            return not self.pipeline.unspooled

        self._wait_until(all_spooled)
        if self.pipeline.unspooled:
            raise self._full()
        if send:
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
            or "Raise spool_bytes, or wait until bundles are sent; then go on with --resume.",
        )


class _Alone:
    """No collector runs: the lines are taken here."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self._before = run.spool.head.sequence

    def mark(self, key: str) -> str | None:
        return self.run.positions.get(key)

    def sizes(self, below: int) -> list[int]:
        return sizes_in(self.run.positions.like(PREFIX), below)

    def take(self, raw: BinaryIO, wanted: Wanted, watcher: Watcher) -> str | None:
        """Take a file, or what is left of it, until it ends or cannot be read on; gives why. Raises SpoolFullError."""
        read = 0
        try:
            for chunk in chunks(raw, wanted.source, wanted.key, wanted.mark, wanted.reference):
                if watcher.stop.is_set():
                    return None
                self.run.take(chunk)
                watcher.taken(chunk.lines.count(b"\n"))
                watcher.read(raw.tell() - read)
                read = raw.tell()
        except ArchiveError as error:
            return str(error)
        except OSError as error:
            return f"cannot be read: {error.strerror}."
        return None

    def finish(self, work: _Work, stopped: bool) -> Replayed:
        run = self.run
        run.finish(send=not stopped)
        devices = {name: view.ledger for name, view in run.pipeline.views.items()}
        bundles, trouble = run.spool.head.sequence - self._before, run.shipper.progress.trouble
        return work.result(devices, bundles, run.spool.waiting, trouble, stopped)


class _Through:
    """A collector runs: it takes the files over."""

    def __init__(self, handed: Handed) -> None:
        self.mark = handed.mark
        self.sizes = handed.sizes
        self.take = handed.take
        self._handed = handed

    def finish(self, work: _Work, stopped: bool) -> Replayed:
        devices, waiting = self._handed.finish()
        return work.result(devices, None, waiting, "", stopped)


@contextmanager
def _way(config: CollectorConfig, wait: float) -> Iterator[_Alone | _Through]:
    """Through the collector that runs, else alone. Raises BusyFolderError when neither can be."""
    with ExitStack() as held:
        if is_held(config.data):
            handed = Handed(config.data)
            held.callback(handed.close)
            yield _Through(handed)
            return
        as_owner(config.data)
        held.enter_context(only_one(config.data))
        run = _Run(config, wait)
        run.shipper.start()
        held.callback(run.shipper.stop, timeout=30)
        yield _Alone(run)


def replay(
    config: CollectorConfig,
    files: list[Path],
    *,
    on_progress: Callable[[int], None] = lambda _: None,
    watcher: Watcher | None = None,
    device: str | None = None,
    wait: float = 600.0,
    resume: bool = False,
    again: bool = False,
) -> Replayed:
    """Replay files in order. Files of one name but for rotation are one device, unless `device` names one for all.

    `on_progress` is told the bytes read. `resume` goes on with what was broken off and leaves out what was replayed, `again`
    begins anew. Waits up to `wait` seconds for room in the spool, and for receipts once all is read. Raises ReplayedBeforeError
    before anything is taken; NotEnrolledError, BusyFolderError, SpoolFullError: what was read until then is spooled and sent.
    """
    watcher = watcher or Watcher(read=on_progress)
    with _way(config, wait) as way:
        work = _Work(way, watcher, device)
        for job in work.decided(work.checked(files), resume=resume, again=again):
            if not watcher.stop.is_set():
                work.take(job)
        return way.finish(work, watcher.stop.is_set())


@dataclass(frozen=True, slots=True)
class _Job:
    """A file, what it is known by, how far it was taken before, and whether it has grown since."""

    path: Path
    known: Known
    mark: Mark | None
    grown: bool


class _Work:
    """The files of one replay, whichever way they go."""

    def __init__(self, way: _Alone | _Through, watcher: Watcher, device: str | None) -> None:
        self._way = way
        self._watcher = watcher
        self._device = device
        self._failures: list[tuple[Path, str]] = []
        self._left_out: list[Path] = []
        self._grown: list[Path] = []

    def checked(self, files: Iterable[Path]) -> list[_Job]:
        """The files that can be read, known by their content."""
        jobs = []
        for path in files:
            try:
                with path.open("rb") as raw:
                    known = known_as(
                        raw, self._way.sizes, self._watcher.checked, lambda: not self._watcher.stop.is_set()
                    )
                    if known is None:
                        break
                    mark, grown = taken_before(raw, known, self._way.mark)
            except OSError as error:
                self._failures.append((path, f"cannot be read: {error.strerror}."))
                continue
            jobs.append(_Job(path, known, mark, grown))
        return jobs

    def decided(self, jobs: list[_Job], *, resume: bool, again: bool) -> list[_Job]:
        """What is to be taken, and where to begin with each. Raises ReplayedBeforeError."""
        if again:
            return [replace(job, mark=None) for job in jobs]
        decided: dict[str, _Job] = {}
        before = []
        for job in jobs:
            if job.known.key in decided or (job.mark and job.mark.ended and resume):
                self._left_out.append(job.path)
            elif job.mark and not job.grown and not resume:
                before.append((job.path, job.mark))
            else:
                decided[job.known.key] = job
        if before:
            raise _replayed_before(before)
        return list(decided.values())

    def take(self, job: _Job) -> None:
        """Replay a file, or what is left of it."""
        now = time.time()
        try:
            with job.path.open("rb") as raw:
                # When a file was last written is the best clue to the year that its lines may lack.
                reference = max(min(os.fstat(raw.fileno()).st_mtime, now), 0.0)
                begin = replace(
                    job.mark or Mark(),
                    trouble="",
                    filed=True,
                    at=now,
                    name=readable(job.path.name),
                    size=job.known.size,
                )
                source = self._device or device_of(job.path.name)
                wanted = Wanted(job.known.key, begin, source, reference)
                if begin.offset and job.grown:
                    self._grown.append(job.path)
                failure = self._way.take(raw, wanted, self._watcher)
        except OSError as error:
            failure = f"cannot be read: {error.strerror}."
        if failure:
            self._failures.append((job.path, failure))

    def result(
        self, devices: dict[str, Ledger], bundles: int | None, unsent: int, trouble: str, stopped: bool
    ) -> Replayed:
        total = Ledger()
        for ledger in devices.values():
            total.merge(ledger)
        notes = (tuple(self._failures), tuple(self._left_out), tuple(self._grown))
        return Replayed(total, devices, bundles, unsent, trouble, *notes, stopped)


def _replayed_before(known: list[tuple[Path, Mark]]) -> ReplayedBeforeError:
    path, mark = known[0]
    when = time.strftime("%d %B %Y at %H:%M", time.localtime(mark.at)).lstrip("0")
    also = f", and {len(known) - 1:,} more of these files" if len(known) > 1 else ""
    what = "was replayed before" if mark.ended else "was replayed in part before"
    return ReplayedBeforeError(
        f"{path} {what}, on {when} as {mark.name!r}{also}. Nothing was taken now.",
        next_step="--resume takes only what was not taken yet; --again takes everything, and counts it twice.",
    )
