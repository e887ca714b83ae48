"""How large an Arrow IPC stream is once unpacked, read from its messages before anything is unpacked.

A few compressed kilobytes can stand for gigabytes. Arrow writes each compressed buffer's unpacked length in
front of it, and refuses to unpack more than it says, so the sum of those lengths is what reading the stream
would cost. Layouts: Arrow's Message.fbs and Schema.fbs, in the FlatBuffers binary format.

Only streams of format version 5 without metadata on their messages are measured, and others refused: Arrow's
reader also knows an older mark of compression, made of version 4 and an entry in a message's metadata, that
the record batch itself does not show. A dictionary may be no longer than the rows that could use it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pyarrow as pa

from cyberalarm.central.ingest.errors import BundleRefusedError

MAX_ROWS = 200_000  # a collector seals far smaller bundles; 200,000 rows unpack to about 40 MB
MAX_UNPACKED = 128 * 1024 * 1024
MAX_MESSAGES = 512
MIN_DICTIONARY = 4096  # entries that a dictionary may have however few the rows are
_V5 = 4  # Schema.fbs: enum MetadataVersion; written by every Arrow library since 1.0 (2020)
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3  # Message.fbs: union MessageHeader
_UNCOMPRESSED = -1  # Message.fbs: BodyCompressionMethod.BUFFER


@dataclass(frozen=True, slots=True)
class Extent:
    """What a stream would unpack to."""

    rows: int
    unpacked: int


@dataclass(frozen=True, slots=True)
class _Measured:
    """What one message adds. `dictionary` is the id of the one that it fills, None if it fills none."""

    length: int = 0
    unpacked: int = 0
    dictionary: int | None = None


class _Table:
    """A FlatBuffers table at a position of a buffer."""

    __slots__ = ("_raw", "_start", "_vtable", "_vtable_size")

    def __init__(self, raw: bytes, start: int) -> None:
        self._raw, self._start = raw, start
        self._vtable = start - struct.unpack_from("<i", raw, start)[0]
        (self._vtable_size,) = struct.unpack_from("<H", raw, self._vtable)

    def _at(self, field: int) -> int:
        """Where a field's bytes are; 0 when it is absent."""
        slot = 4 + 2 * field
        if slot + 2 > self._vtable_size:
            return 0
        (offset,) = struct.unpack_from("<H", self._raw, self._vtable + slot)
        return self._start + int(offset) if offset else 0

    def has(self, field: int) -> bool:
        return bool(self._at(field))

    def number(self, field: int, form: str) -> int:
        at = self._at(field)
        return int(struct.unpack_from(form, self._raw, at)[0]) if at else 0

    def table(self, field: int) -> _Table | None:
        at = self._at(field)
        return _Table(self._raw, at + struct.unpack_from("<I", self._raw, at)[0]) if at else None

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A vector of structs of two 64-bit numbers."""
        at = self._at(field)
        if not at:
            return []
        at += struct.unpack_from("<I", self._raw, at)[0]
        (count,) = struct.unpack_from("<I", self._raw, at)
        if count > len(self._raw) // 16:
            raise struct.error("a vector longer than its message")
        return [struct.unpack_from("<qq", self._raw, at + 4 + 16 * i) for i in range(count)]


def extent(stream: bytes) -> Extent:
    """Measure a stream without unpacking it. Raises BundleRefusedError (`events-unreadable`,
    `events-too-many`).
    """
    rows = unpacked = messages = 0
    dictionaries: dict[int, int] = {}
    try:
        reader = pa.ipc.MessageReader.open_stream(pa.py_buffer(stream))
        for message in reader:
            found = _measure(message.metadata.to_pybytes(), message.body)
            messages, unpacked = messages + 1, unpacked + found.unpacked
            if found.dictionary is None:
                rows += found.length
            else:
                # Replacements add up, too: each one costs its length.
                dictionaries[found.dictionary] = dictionaries.get(found.dictionary, 0) + found.length
            if rows > MAX_ROWS or unpacked > MAX_UNPACKED or messages > MAX_MESSAGES:
                raise BundleRefusedError(
                    f"A bundle may have {MAX_ROWS} rows, {MAX_UNPACKED} bytes and {MAX_MESSAGES} batches.",
                    "events-too-many",
                )
    except (pa.ArrowException, OSError, struct.error) as error:
        raise BundleRefusedError("The events are not an Arrow stream.", "events-unreadable") from error
    if max(dictionaries.values(), default=0) > max(rows, MIN_DICTIONARY):
        raise BundleRefusedError("A dictionary of the events has more entries than rows use.", "events-too-many")
    return Extent(rows, unpacked)


def _measure(metadata: bytes, body: pa.Buffer | None) -> _Measured:
    message = _Table(metadata, struct.unpack_from("<I", metadata, 0)[0])
    if message.number(0, "<h") != _V5 or message.has(4):
        raise BundleRefusedError(
            "The events are not an Arrow stream of format version 5 without metadata.", "events-unreadable"
        )
    kind, header, dictionary = message.number(1, "<B"), message.table(2), None
    if header is not None and kind == _DICTIONARY_BATCH:
        dictionary, header = header.number(0, "<q"), header.table(1)
    elif kind != _RECORD_BATCH:
        return _Measured()
    if header is None:
        raise struct.error("a batch without a header")
    length = header.number(0, "<q")
    # A list may have more items than its batch has rows, so the lengths of all columns inside count too.
    lengths = [n for n, _ in header.pairs(1)]
    longest = max(lengths, default=0)
    if length < 0 or min(lengths, default=0) < 0:
        raise struct.error("a negative length")
    compressed = header.has(3)
    raw = memoryview(body) if body is not None else memoryview(b"")
    unpacked = sum(_buffer_length(raw, offset, size, compressed) for offset, size in header.pairs(2))
    # A dictionary is as long as its one column says, whatever its batch does.
    entries = length if dictionary is None else max(length, longest)
    return _Measured(entries, max(unpacked, longest), dictionary)


def _buffer_length(body: memoryview, offset: int, size: int, compressed: bool) -> int:
    if size < 0 or offset < 0 or offset + size > len(body):
        raise struct.error("a buffer outside of its message")
    if not compressed or size == 0:
        return size
    (length,) = struct.unpack_from("<q", body[offset : offset + size], 0)
    if length == _UNCOMPRESSED:
        return size
    if length < 0:
        raise struct.error("a negative length")
    return int(length)
