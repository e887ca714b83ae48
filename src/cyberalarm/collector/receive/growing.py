"""Files that grow and rotate: what is added to them is taken in, each line once.

Invariants
- A file is what it holds, not what it is called: device and inode find it, a proof over the bytes before the position confirms it.
  So a renamed file is read to its end, a new one of the old name from its beginning, and an inode used again is a new file.
- A position counts when the bundle with the lines before it is in the spool (`positions`): a restart neither loses nor doubles.
- A file that became shorter, or whose proof does not hold, was truncated (copytruncate) and is read from its beginning.
- Only regular files are read. What a wildcard finds is never followed through a symlink; a path without wildcards may be one.
- Open files, bytes that wait, and what is told of trouble are bounded.

One thread reads them all, a bounded piece of each in turn. It only looks; it never writes, moves or removes a file.
"""

from __future__ import annotations

import glob
import os
import stat
import time
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import structlog

from cyberalarm.collector.errors import SpoolFullError
from cyberalarm.collector.receive.archives import is_packed
from cyberalarm.collector.receive.chunk import Chunk, Place
from cyberalarm.collector.receive.framing import Framing
from cyberalarm.collector.receive.marks import (
    MOST_ENTRIES,
    PREFIX,
    FileMark,
    inode_of,
    key_of,
    named_otherwise,
    proof_of,
    renumbered,
)
from cyberalarm.collector.receive.reading import device_of, is_address, readable, unpacked_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyberalarm.collector.positions import Positions
    from cyberalarm.collector.receive.chunk import Intake
    from cyberalarm.collector.receive.sections import WatchedFile

log = structlog.get_logger(__name__)

MOST_FILES = 200
_SCAN_SECONDS = 2.0
_POLL_SECONDS = 0.25
# A writer goes on writing into a file that was renamed until it is told to open the new one.
_GRACE_SECONDS = 60.0
_GRAIN_SECONDS = 2.0  # no file system that logs are on tells times more coarsely (FAT)
_PIECE = 256 * 1024
_PIECES = 4  # of one file in one turn
_MOST_TROUBLES = 50
# Lines of a file that was not written to for so long have the file's time, not now.
_OLD_SECONDS = 86_400.0
_REMEMBERED_SECONDS = 90 * 86_400.0  # what is finished and gone
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(slots=True)
class _Followed:
    """An open file. `at` is what was read, `mark` what was handed over; `gone_since` is when its name led elsewhere (monotonic).

    `settled`: the time of its last change, in nanoseconds, at which it was read to its end; 0 while it may still change unseen.
    """

    handle: int
    key: str
    section: WatchedFile
    source: str
    mark: FileMark
    framing: Framing
    at: int
    gone_since: float = 0.0
    settled: int = 0
    grew: float = field(default_factory=time.monotonic)


class GrowingFiles:
    """`troubles` says by path what cannot be read, and why, in words."""

    def __init__(self, sections: list[WatchedFile], data: Path, positions: Positions, intake: Intake) -> None:
        self._sections = sections
        self._data = str(data.resolve())
        self._positions = positions
        self._intake = intake
        self._followed: dict[str, _Followed] = {}
        self._scan_at = 0.0
        self._first = True
        self._gone: dict[str, str] = {}
        self._met: dict[str, str] = {}
        self.troubles: dict[str, str] = {}
        self._thread = Thread(target=self._run, name="files", daemon=True)

    @property
    def following(self) -> int:
        return len(self._followed)

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
                if not self.turn():
                    closing.wait(_POLL_SECONDS)
            except SpoolFullError as error:  # positions cannot be asked or noted
                self._trouble("positions", error.what)
                closing.wait(_SCAN_SECONDS)
        for one in self._followed.values():
            os.close(one.handle)

    def turn(self) -> bool:
        """Look which files there are, if it is time, and read a piece of each. Was there anything?"""
        now = time.monotonic()
        if now >= self._scan_at:
            self._scan_at = now + _SCAN_SECONDS
            self._scan(now)
        found = False
        for one in list(self._followed.values()):
            found = self._read(one) or found
            if self._intake.closing.is_set():
                return False
        return found

    # Which files there are

    def _scan(self, now: float) -> None:
        self._met = {}
        here: set[str] = set()
        remembered = self._marks() if self._first else {}
        for section in self._sections:
            for path, literal in _matches(section.path):
                key = self._find(section, path, literal, remembered)
                if key:
                    here.add(key)
        if self._first:
            self._find_rotated(remembered)
        self._first = False
        gone: dict[str, _Followed] = {}
        for one in list(self._followed.values()):
            if one.key in here:
                one.gone_since = 0.0
                continue
            one.gone_since = one.gone_since or now
            gone[one.mark.path] = one
            if now - max(one.gone_since, one.grew) > _GRACE_SECONDS:
                self._retire(one)
        for path, one in gone.items():  # at every look: the next of its name may come and go before the following one
            if one.key in self._followed:
                self._find_missed(one.section, path, os.fstat(one.handle).st_mtime)
        if self._met and not self.troubles:
            log.warning("files.trouble", files=len(self._met))
        self.troubles = {readable(path): why for path, why in (self._gone | self._met).items()}

    def _marks(self) -> dict[str, FileMark]:
        """What is remembered of earlier runs; forgets what is long finished."""
        found, old = {}, []
        for key, text in self._positions.like(PREFIX).items():
            mark = FileMark.from_text(text)
            if mark is None or (mark.closed and time.time() - mark.at > _REMEMBERED_SECONDS):
                old.append(key)
            else:
                found[key] = mark
        if old:
            self._positions.forget(old)
        return found

    def _find(
        self, section: WatchedFile, path: str, literal: bool, remembered: dict[str, FileMark], named: str = ""
    ) -> str:
        """Follow what is at a path, if it can be; gives its key. `named`: the path that it had before it was renamed."""
        try:
            found = Path(path).stat(follow_symlinks=literal)
            if not stat.S_ISREG(found.st_mode):
                self._trouble(path, "It is no plain file, or a link that a wildcard found.")
                return ""
            if os.path.realpath(path).startswith(self._data + os.sep):
                self._trouble(path, "It lies in the collector's own folder, which is not read.")
                return ""
            key = key_of(found)
            if key in self._followed:
                return key
            if len(self._followed) >= MOST_FILES:
                self._trouble(path, f"{MOST_FILES} files are being read already, which is the most.")
                return ""
            handle = os.open(path, _OPEN | (0 if literal else os.O_NOFOLLOW))
        except FileNotFoundError:
            self._trouble(path, "It is not there.")
            return ""
        except OSError as error:
            self._trouble(path, f"It cannot be read: {error.strerror}.")
            return ""
        key = key_of(os.fstat(handle))  # of what was opened, whatever was there before
        if key in self._followed or not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            return key if key in self._followed else ""
        if is_packed(os.pread(handle, 512, 0)):
            os.close(handle)
            self._trouble(path, "It is compressed, or no plain text: put it into the drop folder, or replay it.")
            return ""
        self._follow(section, handle, named or path, remembered, may_skip=not named)
        return key

    def _follow(
        self, section: WatchedFile, handle: int, path: str, remembered: dict[str, FileMark], *, may_skip: bool
    ) -> None:
        """Take over an open file: at the place where it was left, or at its beginning, or its end if that may be."""
        found = os.fstat(handle)
        key = key_of(found)
        mark = FileMark.from_text(self._positions.get(key)) or renumbered(key, path, handle, remembered)
        if mark is None or found.st_size < mark.offset or proof_of(handle, mark.offset) != mark.proof:
            known = any(fnmatchcase(one.path, section.path) for one in remembered.values())
            offset = found.st_size if section.begin == "end" and self._first and may_skip and not known else 0
            within = offset > 0 and os.pread(handle, 1, offset - 1) != b"\n"
            mark = FileMark(path, offset, within, proof_of(handle, offset), time.time())
            if offset:
                self._positions.put({key: mark.to_text()})
        framing = Framing(counted=False, skipping=mark.skipping)
        self._followed[key] = _Followed(handle, key, section, _source(section, path), mark, framing, mark.offset)

    def _find_rotated(self, remembered: dict[str, FileMark]) -> None:
        """After the start: what was renamed while nobody looked is read to its end, under its new name in the same folder."""
        inodes = {inode_of(key) for key in self._followed}
        for key, mark in remembered.items():
            section = next((one for one in self._sections if fnmatchcase(mark.path, one.path)), None)
            if section is None or mark.closed or inode_of(key) in inodes:
                continue
            path = named_otherwise(key, mark)
            if path is not None:
                self._find(section, path, False, remembered, mark.path)
                continue
            log.warning("files.gone")
            self._gone[mark.path] = (
                "It was renamed or removed while the collector was not running; its last lines may not have been read."
            )
            self._find_missed(section, mark.path, mark.at)
            self._positions.put({key: replace(mark, at=time.time(), closed=True).to_text()})

    def _find_missed(self, section: WatchedFile, path: str, since: float) -> None:
        """A file was renamed: was there another between it and the one of its name now, which came and went between two looks?"""
        name = device_of(Path(path).name)
        try:
            with os.scandir(Path(path).parent) as entries:
                beside = {
                    entry.name: entry.stat(follow_symlinks=False)
                    for entry in islice(entries, MOST_ENTRIES)
                    if entry.is_file(follow_symlinks=False) and device_of(entry.name) == name
                }
        except OSError:
            return
        for entry, found in sorted(beside.items(), key=lambda item: item[1].st_mtime):
            other = str(Path(path).with_name(entry))
            being_packed = (
                plain := unpacked_name(entry)
            ) != entry and plain in beside  # once done, it has the old time
            if other == path or being_packed or found.st_mtime < since or not self._unknown(key_of(found)):
                continue
            told = self._met.pop(other, None)
            if not self._find(section, other, False, {}, path) and other in self._met:
                if found.st_mtime > since:
                    self._gone[other] = self._met[other]
                elif told is None:
                    del self._met[other]

    def _unknown(self, key: str) -> bool:
        return key not in self._followed and self._positions.get(key) is None

    def _retire(self, one: _Followed) -> None:
        """A file whose name leads elsewhere, and which nobody has written to for a while, is finished."""
        rest = one.framing.finish()
        size = os.fstat(one.handle).st_size
        one.mark = FileMark(one.mark.path, size, False, proof_of(one.handle, size), time.time(), closed=True)
        if self._intake.put_read(Chunk(one.source, rest, place=Place(one.key, one.mark.to_text()))):
            os.close(one.handle)
            del self._followed[one.key]

    def _trouble(self, path: str, words: str) -> None:
        if len(self._met) < _MOST_TROUBLES:
            self._met[path] = words

    # What is in them

    def _read(self, one: _Followed) -> bool:
        """Read on in a file, a bounded piece. Was there anything?"""
        read = False
        try:
            found = os.fstat(one.handle)
            if found.st_size == one.at and found.st_mtime_ns == one.settled:
                return False
            # Within the grain of its times, a file may be truncated and grow again to where it was.
            one.settled = found.st_mtime_ns if time.time() - found.st_mtime > _GRAIN_SECONDS else 0
            truncated = found.st_size < one.at or proof_of(one.handle, one.mark.offset) != one.mark.proof
            if truncated and not self._begin_anew(one):
                return False
            for _ in range(_PIECES):
                piece = os.pread(one.handle, _PIECE, one.at)
                if not piece:
                    break
                read = True
                one.at += len(piece)
                one.grew = time.monotonic()
                if not self._hand_over(one, piece, found.st_mtime):
                    return False
        except OSError as error:  # a network folder that went away; it may come back
            self._trouble(one.mark.path, f"It cannot be read: {error.strerror}.")
            return False
        return read

    def _begin_anew(self, one: _Followed) -> bool:
        """It was truncated. What stood unfinished was a line."""
        rest = one.framing.finish()
        mark = FileMark(one.mark.path, 0, False, "", time.time())
        if not self._intake.put_read(Chunk(one.source, rest, place=Place(one.key, mark.to_text()))):
            return False
        one.framing, one.mark, one.at = Framing(counted=False), mark, 0
        return True

    def _hand_over(self, one: _Followed, piece: bytes, written: float) -> bool:
        if not one.mark.offset and not one.framing.unfinished:
            # A writer that does not append leaves a hole where it was when the file was truncated.
            piece = piece.lstrip(b"\0")
        lines, overflow = one.framing.feed(piece)
        offset = one.at - one.framing.unfinished
        if not lines and not overflow:
            return True
        mark = FileMark(one.mark.path, offset, one.framing.skipping, proof_of(one.handle, offset), time.time())
        reference = int(written * 1000) if time.time() - written > _OLD_SECONDS else None
        if not self._intake.put_read(Chunk(one.source, lines, overflow, reference, Place(one.key, mark.to_text()))):
            return False
        one.mark = mark
        return True


def _matches(pattern: str) -> Iterator[tuple[str, bool]]:
    """Paths, and whether the pattern names them outright."""
    if not glob.has_magic(pattern):
        yield pattern, True
        return
    for path in islice(glob.iglob(pattern), MOST_ENTRIES):  # noqa: PTH207 - folders in patterns
        yield path, False


def _source(section: WatchedFile, path: str) -> str:
    """The device that a file is: as configured; an address that it is named for; else its path without what rotation adds."""
    if section.device:
        return section.device
    name = device_of(Path(path).name)
    return name if is_address(name) else readable(str(Path(path).with_name(name)))
