"""The drop folder: whole log files and archives that somebody puts there are taken in, then moved to `done` or `failed`.

Invariants
- A file is taken when its size and time have stood still for some seconds; names that unfinished copies have are left alone.
- It is moved once all its lines are in the spool, not earlier. A restart goes on where it was; no line is lost or doubled.
- The same content is not taken twice, whatever its name: it goes to `failed`.
- Beside a file in `failed` lies `<name>.reason.txt`. Nothing is removed but from `done` and `failed`, after `keep_days`, if set.
- It is read no faster than the spool takes it, and lines of devices go first. What is looked at in one turn is bounded.

A file directly in the folder is of the device that its name tells of; one in a subfolder is of the device that the subfolder names.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import structlog

from cyberalarm.collector.errors import SpoolFullError
from cyberalarm.collector.receive.archives import ArchiveError
from cyberalarm.collector.receive.chunk import Chunk, Place
from cyberalarm.collector.receive.reading import (
    PREFIX,
    Mark,
    chunks,
    device_of,
    known_as,
    readable,
    sizes_in,
    taken_before,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyberalarm.collector.positions import Positions
    from cyberalarm.collector.receive.chunk import Intake
    from cyberalarm.collector.receive.sections import Drop

log = structlog.get_logger(__name__)

DONE, FAILED = "done", "failed"
REASON = ".reason.txt"
_LOOK_SECONDS = 1.0
_TIDY_SECONDS = 3600.0
_MOST_SEEN = 2_000
_LONGEST_NAME = 255  # bytes, on every file system here
_UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".tmp", ".temp", ".swp", "~")
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class _Look:
    """What a file was like, and since when (monotonic) it has been so."""

    size: int
    changed_ns: int
    inode: int
    since: float


@dataclass(frozen=True, slots=True)
class _Read:
    """By which key a file that was read is known, and which one it was."""

    key: str
    inode: int


@dataclass(frozen=True, slots=True)
class Progress:
    """For `doctor`: files that wait, the one being read and how far (bytes), and what became of others in this run."""

    waiting: int = 0
    reading: str = ""
    read: int = 0
    size: int = 0
    done: int = 0
    failed: int = 0
    trouble: str = ""


class DropFolder:
    def __init__(self, section: Drop, positions: Positions, intake: Intake) -> None:
        self._folder = Path(section.folder)
        self._settle = section.settle_seconds
        self._keep_days = section.keep_days
        self._positions = positions
        self._intake = intake
        self._seen: dict[Path, _Look] = {}
        self._read: dict[Path, _Read] = {}  # to the end, or as far as it goes, until that is in the spool
        self._tidy_at = 0.0
        self.progress = Progress()
        self._thread = Thread(target=self._run, name="drop folder", daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait for the thread, which ends once the intake is closing."""
        self._thread.join()

    def _run(self) -> None:
        closing = self._intake.closing
        while not closing.is_set():
            try:
                self.turn()
                trouble = ""
            except OSError as error:
                trouble = readable(f"{error.filename or self._folder}: {error.strerror}.")
            except SpoolFullError as error:
                trouble = error.what
            if trouble and trouble != self.progress.trouble:
                log.warning("drop.trouble")
            self.progress = replace(self.progress, trouble=trouble)
            closing.wait(_LOOK_SECONDS)

    def turn(self) -> None:
        """Put away what is in the spool, and take what lies there whole. Raises OSError, SpoolFullError."""
        for name in (DONE, FAILED):
            (self._folder / name).mkdir(mode=0o770, parents=True, exist_ok=True)
        troubles: list[OSError] = []  # of one file each; the others have their turn
        for path, read in list(self._read.items()):
            try:
                self._put_away(path, read)
            except OSError as error:
                troubles.append(error)
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = time.monotonic() + _TIDY_SECONDS
            self._tidy()
        for path in self._ready():
            if self._intake.closing.is_set():
                return
            try:
                self._take(path)
            except OSError as error:
                troubles.append(error)
            self.progress = replace(self.progress, reading="", read=0, size=0)
        if troubles:
            raise troubles[0]

    # What lies there

    def _ready(self) -> list[Path]:
        """Files that lie there whole, oldest first."""
        now = time.monotonic()
        seen: dict[Path, _Look] = {}
        ready = []
        for path in islice(self._lying(), _MOST_SEEN):
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
            look = _Look(found.st_size, found.st_mtime_ns, found.st_ino, now)
            before = self._seen.get(path)
            if before and replace(before, since=now) == look:
                look = before
            seen[path] = look
            if path not in self._read and now - look.since >= self._settle:
                ready.append((found.st_mtime_ns, path))
        self._seen = seen
        self.progress = replace(self.progress, waiting=len(seen))
        return [path for _, path in sorted(ready)]

    def _lying(self) -> Iterator[Path]:
        """Files in the folder and in its subfolders, empty ones not: they may be the beginning of a copy."""
        for folder in (self._folder, *self._subfolders()):
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name.lower().endswith(_UNFINISHED):
                        continue
                    with suppress(FileNotFoundError):
                        if entry.is_symlink() or (entry.is_file() and entry.stat().st_size):
                            yield Path(entry.path)

    def _subfolders(self) -> list[Path]:
        with os.scandir(self._folder) as entries:
            found = [Path(entry.path) for entry in islice(entries, _MOST_SEEN) if entry.is_dir(follow_symlinks=False)]
        return sorted(one for one in found if one.name not in {DONE, FAILED} and not one.name.startswith("."))

    def _source(self, path: Path) -> str:
        return device_of(path.name) if path.parent == self._folder else readable(path.parent.name)

    # What is done with it

    def _take(self, path: Path) -> None:
        """Read a file into the intake, as far as it goes."""
        try:
            handle = os.open(path, _OPEN)
        except FileNotFoundError:
            return
        except OSError as error:
            self._fail(path, f"It cannot be read: {error.strerror}.")
            return
        with os.fdopen(handle, "rb") as raw:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                self._fail(path, "It is no plain file.")
                return
            name = readable(str(path.relative_to(self._folder)))
            known = known_as(raw, self._sizes, go_on=lambda: not self._intake.closing.is_set())
            if known is None:
                return
            key = known.key
            before, _ = taken_before(raw, known, self._positions.get)
            if before and before.ended and (before.filed or before.name != name):
                when = time.strftime("%d %B %Y at %H:%M", time.localtime(before.at)).lstrip("0")
                self._fail(path, f"Its lines were taken before, on {when}, as {before.name}.")
                return
            self._read[path] = _Read(key, found.st_ino)
            if before and before.ended:
                return  # only moving it was left to be done
            begin = replace(
                before or Mark(), ended=False, trouble="", filed=False, name=name, at=time.time(), size=known.size
            )
            self.progress = replace(self.progress, reading=name, read=0, size=found.st_size)
            last = begin
            try:
                reference = min(found.st_mtime, time.time())
                for chunk in chunks(raw, self._source(path), key, begin, reference):
                    if not self._intake.put_read(chunk):
                        del self._read[path]
                        return
                    last = Mark.from_text(chunk.place.value if chunk.place else None) or last
                    self.progress = replace(self.progress, read=raw.tell())
            except (ArchiveError, OSError) as error:
                words = str(error) if isinstance(error, ArchiveError) else f"It cannot be read: {error.strerror}."
                broken = Place(key, replace(last, trouble=words).to_text())
                self._intake.put_read(Chunk(self._source(path), b"", place=broken))

    def _sizes(self, below: int) -> list[int]:
        return sizes_in(self._positions.like(PREFIX), below)

    def _put_away(self, path: Path, read: _Read) -> None:
        """Move a file of which everything that can be read is in the spool."""
        mark = Mark.from_text(self._positions.get(read.key))
        if mark is None or not (mark.ended or mark.trouble):
            return
        if not path.is_symlink() and path.exists() and path.stat().st_ino != read.inode:
            pass  # another one has taken its place meanwhile, and has its turn
        elif mark.trouble:
            self._fail(path, f"{mark.trouble} What was read until then has been taken.")
        else:
            self._move(path, self._folder / DONE)
            self.progress = replace(self.progress, done=self.progress.done + 1)
        self._positions.put({read.key: replace(mark, filed=True).to_text()})
        del self._read[path]

    def _fail(self, path: Path, why: str) -> None:
        log.warning("drop.failed")
        moved = self._move(path, self._folder / FAILED)
        if moved is not None:
            handle = os.open(
                _reason_for(moved), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640
            )
            with os.fdopen(handle, "w", encoding="utf-8") as reason:
                reason.write(why + "\n")
        self.progress = replace(self.progress, failed=self.progress.failed + 1)

    def _move(self, path: Path, to: Path) -> Path | None:
        """Move a file, under a name that is free there; None when it is gone."""
        target, number = to / path.name, 1
        while os.path.lexists(target) or os.path.lexists(_reason_for(target)):
            number += 1
            room = _LONGEST_NAME - len(os.fsencode(f"-{number}{path.suffix}"))
            stem = os.fsdecode(os.fsencode(path.stem)[: max(room, 0)])
            target = to / f"{stem}-{number}{path.suffix}"
        try:
            path.rename(target)
        except FileNotFoundError:
            return None
        self._seen.pop(path, None)
        return target

    def _tidy(self) -> None:
        """Remove what was put away long ago, if that is wished. When it was moved is its ctime."""
        if not self._keep_days:
            return
        oldest = time.time() - self._keep_days * 86_400
        for name in (DONE, FAILED):
            for path in list((self._folder / name).iterdir()):
                found = path.lstat()
                if not stat.S_ISDIR(found.st_mode) and found.st_ctime < oldest:
                    path.unlink(missing_ok=True)


def _reason_for(path: Path) -> Path:
    """Where it is said why a file failed; of a very long name, the end is left out."""
    return path.with_name(os.fsdecode(os.fsencode(path.name)[: _LONGEST_NAME - len(REASON)]) + REASON)
