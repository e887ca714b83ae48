"""A log file or archive read into chunks that know their place, so that it can be gone on with, and told when it comes again.

A file is known by the SHA-256 of its bytes, whatever its name. A plain log that has grown since it was taken is known by the bytes
that it had then, and only what was added is read. Pure but for reading the file that it is given.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, BinaryIO

from cyberalarm.collector.receive.archives import is_packed, members
from cyberalarm.collector.receive.chunk import Chunk, Place
from cyberalarm.collector.receive.framing import Framing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# With a full bundle (150,000 rows at most) the lines of one more piece must stay below the 200,000 rows that the centre takes.
PIECE = 1024 * 1024
PREFIX = "archive:"
_HEAD = 512
_MOST_SIZES = 500

_PACKED = re.compile(r"\.(gz|bz2|xz|zst|zip|tar|tgz)$", re.IGNORECASE)
_DATE = re.compile(r"[-_.]\d{4}-?\d{2}-?\d{2}([-_T.]\d{2}-?:?\d{2}(-?:?\d{2})?)?(?=$|[-_.])")
_NUMBER = re.compile(r"(?<=[a-z])\.\d{1,4}$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a file was taken: the log inside it, and bytes of its unpacked lines.

    `size` is that of a plain file, else 0. `name` and `at` (seconds since 1970) are for people.
    `trouble`: why it could not be read on. `filed`: nothing is to be done with the file any more.
    """

    member: int = 0
    offset: int = 0
    skipping: bool = False
    ended: bool = False
    trouble: str = ""
    filed: bool = False
    name: str = ""
    at: float = 0.0
    size: int = 0

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str | None) -> Mark | None:
        """None for no text, or one that is not understood."""
        try:
            return cls(**json.loads(text)) if text else None
        except (ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class Known:
    """The key of a file's content, its size if it is plain, else 0, and the keys that it had when it had fewer bytes."""

    key: str
    size: int
    earlier: dict[int, str]


def known_as(
    raw: BinaryIO,
    sizes: Callable[[int], Iterable[int]] = lambda _: (),
    on_progress: Callable[[int], None] = lambda _: None,
    go_on: Callable[[], bool] = lambda: True,
) -> Known | None:
    """What a file is known by; None when it was not to go on. Reads it whole, and rewinds it.

    `sizes` gives the sizes of plain files that were taken and are smaller than a file; `on_progress` is told the bytes read.
    """
    size = 0 if is_packed(raw.read(_HEAD)) else raw.seek(0, io.SEEK_END)
    raw.seek(0)
    found, earlier, at = hashlib.sha256(), {}, 0
    for length in sorted({one for one in sizes(size) if 0 < one < size}) if size else ():
        if not _hash_to(raw, length - at, found, on_progress, go_on):
            return None
        at = length
        earlier[length] = PREFIX + found.hexdigest()
    if not _hash_to(raw, None, found, on_progress, go_on):
        return None
    raw.seek(0)
    return Known(PREFIX + found.hexdigest(), size, earlier)


def _hash_to(
    raw: BinaryIO,
    count: int | None,
    found: hashlib._Hash,
    on_progress: Callable[[int], None],
    go_on: Callable[[], bool],
) -> bool:
    """Take in so many bytes, or all that are left; False when it was not to go on."""
    while count is None or count > 0:
        piece = raw.read(PIECE if count is None else min(count, PIECE))
        if not piece:
            return True
        if not go_on():
            return False
        found.update(piece)
        on_progress(len(piece))
        count = None if count is None else count - len(piece)
    return True


def sizes_in(places: Mapping[str, str], below: int) -> list[int]:
    """The sizes of plain files that were taken whole, the largest that are smaller than a file."""
    marks = (Mark.from_text(text) for text in places.values())
    return sorted({mark.size for mark in marks if mark and mark.ended and 0 < mark.size < below})[-_MOST_SIZES:]


def taken_before(raw: BinaryIO, known: Known, mark_of: Callable[[str], str | None]) -> tuple[Mark | None, bool]:
    """How far a file was taken, if it was, and whether it has grown since."""
    if mark := Mark.from_text(mark_of(known.key)):
        return mark, False
    for length, key in sorted(known.earlier.items(), reverse=True):
        mark = Mark.from_text(mark_of(key))
        if mark and mark.ended and mark.size == length:
            raw.seek(length - 1)
            # A last line without its end was taken as it was: what is there of it now is passed over.
            begin = Mark(offset=length, skipping=raw.read(1) != b"\n")
            raw.seek(0)
            return begin, True
    return None, False


def chunks(raw: BinaryIO, source: str, key: str, begin: Mark, reference: float) -> Iterator[Chunk]:
    """What a file holds from `begin` on. The last chunk has no lines and the place at which the file has ended.

    `reference` (seconds since 1970) is when its lines were written at the latest. Raises ArchiveError, OSError.
    """
    for member in members(raw):
        if member.number < begin.member:
            continue
        mark = begin if member.number == begin.member else replace(begin, offset=0, skipping=False)
        written = int(min(member.written or reference, reference) * 1000)
        for lines, overflow, after in _pieces(member.lines, replace(mark, member=member.number)):
            yield Chunk(source, lines, overflow, written, Place(key, after.to_text()))
    ended = replace(begin, member=0, offset=0, skipping=False, ended=True)
    yield Chunk(source, b"", reference_ms=int(reference * 1000), place=Place(key, ended.to_text()))


def _pieces(lines: BinaryIO, mark: Mark) -> Iterator[tuple[bytes, int, Mark]]:
    """Whole lines, over-long ones, and the mark behind them."""
    left = mark.offset
    while left and (passed := lines.read(min(left, PIECE))):
        left -= len(passed)
    framing = Framing(counted=False, skipping=mark.skipping)
    offset = mark.offset
    while piece := lines.read(PIECE):
        whole, overflow = framing.feed(piece)
        offset += len(piece)
        if whole or overflow:
            yield whole, overflow, replace(mark, offset=offset - framing.unfinished, skipping=framing.skipping)
    if rest := framing.finish():
        yield rest, 0, replace(mark, member=mark.member + 1, offset=0, skipping=False)


def device_of(name: str) -> str:
    """The device that a file's name tells of: without what rotation and compression add; an address, if that is what is left."""
    plain = unpacked_name(name)
    rest = _NUMBER.sub("", _DATE.sub("", plain))
    for candidate in (plain, plain.removesuffix(".log"), rest.removesuffix(".log")):
        if is_address(candidate):
            return candidate
    return readable(rest or name)


def readable(name: str) -> str:
    """A file's name as text that can be written anywhere: bytes of it that are no UTF-8 become question marks."""
    return name.encode("utf-8", "replace").decode("utf-8")


def unpacked_name(name: str) -> str:
    """A file's name without what compression adds."""
    while (shorter := _PACKED.sub("", name)) != name:
        name = shorter
    return name


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
