"""Log files as they lie in archives: plain, gzip, bzip2, xz, zstd, zip and tar, read as streams.

Invariants
- Memory is bounded whatever a file claims: nothing is unpacked but into pieces of the size that is asked for; a zip's directory and
  what zstd and xz may hold in memory have bounds.
- Nothing is ever written. Names inside archives are words, never paths.
- What unpacks to far more than logs do is refused (`MOST_RATIO`, `MOST_UNPACKED`) while it is being read.
- A compressed log inside a zip or tar is unpacked; an archive inside an archive is refused.

Whatever is wrong with a file is an `ArchiveError` in words for a person.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import sys
import tarfile
import time
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from cyberalarm.core.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Logs pack to a tenth or a fiftieth; the most even lines that a device can write to about a three-hundredth.
MOST_RATIO = 500
_RATIO_FROM = 64 * 1024 * 1024  # small files may be as even as they like
# Seven days at 500 lines a second are 90 GB.
MOST_UNPACKED = 1024**4
# zstd's own bound for windows that need no option when reading (`zstd --long`); xz -9 takes 65 MiB.
_ZSTD_WINDOW_LOG = 27
_XZ_MEMORY = 128 * 1024 * 1024
# The directory of a zip is read whole: so many bytes name about 20,000 files, and take some 30 MB of memory.
_ZIP_DIRECTORY = 2 * 1024 * 1024
MOST_MEMBERS = 20_000

_GZIP = b"\x1f\x8b\x08"  # RFC 1952
_ZSTD = b"\x28\xb5\x2f\xfd"  # RFC 8878
_XZ = b"\xfd7zXZ\x00"
_BZIP2 = b"BZh"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TAR_AT = 257  # POSIX ustar: where its magic stands
_TAR = b"ustar"
# tarfile reads these headers whole: long names and the like.
_TAR_EXTENSIONS = {
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
}
_TAR_EXTENSION = 1024 * 1024
# Formats that people have and that are not read here.
_FOREIGN = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
    b"ElfFile\x00": "Windows event log (EVTX)",
    b"LPKSHHRH": "systemd journal",
    b"\xff\xfe": "text in UTF-16",
    b"\xd4\xc3\xb2\xa1": "packet capture",
    b"\x0a\x0d\x0d\x0a": "packet capture",
}
_HEAD = 512
# What the libraries raise on damaged files; the last four by the way, as fuzzing shows.
_DAMAGE = (
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    ValueError,
    RuntimeError,
    LookupError,
    OverflowError,
    struct.error,
)


class ArchiveError(RefusedError):
    """A file cannot be read to its end, or at all."""

    code = "archive-unreadable"


@dataclass(frozen=True, slots=True)
class Member:
    """One log inside a file; its `lines` are read before the next is asked for. `written`: seconds since 1970, if known."""

    number: int
    lines: BinaryIO
    written: float | None = None


def members(raw: BinaryIO) -> Iterator[Member]:
    """The logs in a file, in order; a plain or compressed log is the only one. Raises ArchiveError, also while they are read.

    The file must be seekable. OSError of the file itself goes through.
    """
    bounds = _Bounds(raw.seek(0, io.SEEK_END))
    raw.seek(0)
    head = raw.read(_HEAD)
    raw.seek(0)
    with _damage_told():
        if head.startswith(_ZIP):
            yield from _zipped(raw, bounds)
            return
        stream = _unpacked(raw, head)
        head = stream.peek(_HEAD)[:_HEAD]
        if _is_tar(head):
            yield from _tarred(_whole(stream, bounds), bounds.packed)
            return
        yield Member(0, _whole(stream, bounds))


@contextmanager
def _damage_told() -> Iterator[None]:
    """Every library's own word for damage becomes ours."""
    try:
        yield
    except _DAMAGE as error:
        raise _damaged(error) from error
    except OSError as error:
        if error.errno is None:  # bz2 says so
            raise _damaged(error) from error
        raise


def is_packed(head: bytes) -> bool:
    """Do these first bytes of a file say that it is compressed, or an archive?"""
    return head.startswith((_GZIP, _BZIP2, _XZ, _ZSTD, *_ZIP, *_FOREIGN)) or _is_tar(head)


def _is_tar(head: bytes) -> bool:
    return head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR


def _unpacked(raw: BinaryIO, head: bytes) -> io.BufferedReader:
    """The stream inside a compressed one, or itself."""
    opened: BinaryIO
    if head.startswith(_GZIP):
        opened = cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    elif head.startswith(_BZIP2):
        opened = cast("BinaryIO", bz2.BZ2File(raw))
    elif head.startswith(_XZ):
        opened = cast("BinaryIO", _Xz(raw))
    elif head.startswith(_ZSTD):
        opened = _zstd(raw)
    else:
        for magic, name in _FOREIGN.items():
            if head.startswith(magic):
                raise ArchiveError(
                    f"It is a {name}, which is not read here.",
                    next_step="Unpack it, or export it as UTF-8 text, first.",
                )
        opened = raw
    if isinstance(opened, io.BufferedReader):
        return opened
    return io.BufferedReader(cast("io.RawIOBase", opened), 64 * 1024)


def _zstd(raw: BinaryIO) -> BinaryIO:
    # Part of Python from 3.14 on (PEP 784); before, its backport. Loaded by those only who have such a file.
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise ArchiveError(
            "zstd cannot be unpacked here.", next_step="Install backports.zstd, or unpack it first."
        ) from error
    options = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW_LOG}
    opened = cast("BinaryIO", zstd.ZstdFile(raw, options=options))
    return cast("BinaryIO", _Zstd(opened, zstd.ZstdError))


class _Zstd(io.RawIOBase):
    """ZstdFile with an error that others here share."""

    def __init__(self, opened: BinaryIO, error: type[Exception]) -> None:
        self._opened = opened
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            piece = self._opened.read(len(buffer))
        except self._error as error:
            raise ValueError(str(error)) from error
        buffer[: len(piece)] = piece
        return len(piece)


class _Xz(io.RawIOBase):
    """An xz stream, whose memory is bounded: LZMAFile knows no bound."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        given = b""
        while not given:
            if self._decoder.eof:  # streams may follow one another, with padding in between
                rest = self._decoder.unused_data.lstrip(b"\0")
                while not rest:
                    piece = self._raw.read(64 * 1024)
                    if not piece:
                        return 0
                    rest = piece.lstrip(b"\0")
                self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
                given = self._decoder.decompress(rest, len(buffer))
                continue
            packed = self._raw.read(64 * 1024) if self._decoder.needs_input else b""
            if not packed and self._decoder.needs_input:
                raise EOFError("it ends in the middle")
            given = self._decoder.decompress(packed, len(buffer))
        buffer[: len(given)] = given
        return len(given)


class _Bounds:
    """What may still come out of a file of so many bytes."""

    def __init__(self, packed: int) -> None:
        self.packed = packed
        self._given = 0

    def spend(self, count: int) -> None:
        self._given += count
        most = min(max(self.packed * MOST_RATIO, _RATIO_FROM), MOST_UNPACKED)
        if self._given > most and self._given > self.packed:
            raise ArchiveError(
                f"It unpacks to more than {most:,} bytes from {self.packed:,}: no log packs like that.",
                next_step="If it is one all the same, unpack it yourself and give the plain file.",
            )


class _Log(io.RawIOBase):
    """A member's bytes, counted against the bounds."""

    def __init__(self, stream: BinaryIO, bounds: _Bounds) -> None:
        self._stream = stream
        self._bounds = bounds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _damage_told():
            piece = self._stream.read(len(buffer))
        self._bounds.spend(len(piece))
        buffer[: len(piece)] = piece
        return len(piece)


def _whole(stream: BinaryIO, bounds: _Bounds) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Log(stream, bounds), 256 * 1024))


def _inside(opened: BinaryIO, bounds: _Bounds) -> BinaryIO:
    """A member of a zip or tar: plain or compressed, but no archive."""
    packed = io.BufferedReader(cast("io.RawIOBase", opened), 64 * 1024)
    stream = _unpacked(cast("BinaryIO", packed), packed.peek(_HEAD)[:_HEAD])
    head = stream.peek(_HEAD)[:_HEAD]
    if head.startswith(_ZIP) or _is_tar(head):
        raise ArchiveError("There is an archive inside it.", next_step="Unpack it once, and give what is inside.")
    return _whole(cast("BinaryIO", stream), bounds)


class _Careful(io.RawIOBase):
    """A file from which nothing reads more at once than a zip's directory may have."""

    def __init__(self, raw: BinaryIO, size: int) -> None:
        self._raw = raw
        self._size = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def read(self, size: int | None = -1) -> bytes:
        left = max(self._size - self._raw.tell(), 0)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > _ZIP_DIRECTORY:
            raise ArchiveError(
                "It is a zip with too many files.", next_step=f"Give at most {MOST_MEMBERS:,} files in one zip."
            )
        return self._raw.read(wanted)


def _zipped(raw: BinaryIO, bounds: _Bounds) -> Iterator[Member]:
    with zipfile.ZipFile(cast("BinaryIO", _Careful(raw, bounds.packed))) as archive:
        names = [one for one in archive.infolist() if not one.is_dir() and one.file_size]
        if len(names) > MOST_MEMBERS:
            raise ArchiveError("It is a zip with too many files.", next_step=f"Give at most {MOST_MEMBERS:,} at once.")
        for number, info in enumerate(names):
            if info.flag_bits & 1:  # APPNOTE.TXT, 4.4.4: encrypted
                raise ArchiveError("The zip is encrypted.", next_step="Unpack it yourself, and give the plain files.")
            try:
                opened = archive.open(info)
            except (NotImplementedError, RuntimeError) as error:
                raise ArchiveError(
                    "The zip uses a compression that is not read here.",
                    next_step="Pack it anew, or unpack it yourself.",
                ) from error
            with opened:
                yield Member(number, _inside(cast("BinaryIO", opened), bounds), _zip_time(info))


def _zip_time(info: zipfile.ZipInfo) -> float | None:
    """A zip keeps local times without a zone, to two seconds; it is a hint only."""
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return None


class _TarInfo(tarfile.TarInfo):
    """`_proc_member` is the place where tarfile lets subclasses in."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _TAR_EXTENSIONS and self.size > _TAR_EXTENSION:
            raise ArchiveError("It is no tar of logs: a name in it is endless.")
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return]


def _tarred(stream: BinaryIO, packed: int) -> Iterator[Member]:
    number, bounds = 0, _Bounds(packed)
    # "r|" reads forwards only and keeps nothing.
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_TarInfo) as archive:
        for info in archive:
            archive.members.clear()  # type: ignore[attr-defined]
            if not info.isreg() or not info.size:
                continue
            if number >= MOST_MEMBERS:
                raise ArchiveError(
                    "It is a tar with too many files.", next_step=f"Give at most {MOST_MEMBERS:,} at once."
                )
            opened = archive.extractfile(info)
            if opened is not None:
                yield Member(number, _inside(cast("BinaryIO", opened), bounds), float(info.mtime))
                number += 1


def _damaged(error: Exception) -> ArchiveError:
    if isinstance(error, lzma.LZMAError | ValueError) and "emory" in str(error):
        words, step = (
            "It needs more memory to unpack than is given to it here.",
            "Unpack it yourself, and give the plain file.",
        )
    else:
        words, step = "It is damaged, or cut off.", "Copy it again from where it came."
    return ArchiveError(words, next_step=step)
