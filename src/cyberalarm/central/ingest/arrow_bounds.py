"""How large an Arrow IPC stream is once unpacked, read from its messages before anything is unpacked.

A few compressed kilobytes can stand for gigabytes. Arrow writes each compressed buffer's unpacked length in
front of it, and refuses to unpack more than it says, so the sum of those lengths is what reading the stream
would cost. Layouts: Arrow's Message.fbs and Schema.fbs, in the FlatBuffers binary format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pyarrow as pa

from cyberalarm.central.ingest.errors import BundleRefusedError

MAX_ROWS = 200_000  # a collector seals far smaller bundles; 200,000 rows unpack to about 40 MB
MAX_UNPACKED = 128 * 1024 * 1024
MAX_MESSAGES = 512
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3  # Message.fbs: union MessageHeader
_UNCOMPRESSED = -1  # Message.fbs: BodyCompressionMethod.BUFFER


@dataclass(frozen=True, slots=True)
class Extent:
    """What a stream would unpack to."""

    rows: int
    unpacked: int


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
    try:
        reader = pa.ipc.MessageReader.open_stream(pa.py_buffer(stream))
        for message in reader:
            messages += 1
            found_rows, found_bytes = _measure(message.metadata.to_pybytes(), message.body)
            rows, unpacked = rows + found_rows, unpacked + found_bytes
            if rows > MAX_ROWS or unpacked > MAX_UNPACKED or messages > MAX_MESSAGES:
                raise BundleRefusedError(
                    f"A bundle may have {MAX_ROWS} rows, {MAX_UNPACKED} bytes and {MAX_MESSAGES} batches.",
                    "events-too-many",
                )
    except (pa.ArrowException, OSError, struct.error) as error:
        raise BundleRefusedError("The events are not an Arrow stream.", "events-unreadable") from error
    return Extent(rows, unpacked)


def _measure(metadata: bytes, body: pa.Buffer | None) -> tuple[int, int]:
    message = _Table(metadata, struct.unpack_from("<I", metadata, 0)[0])
    kind, header = message.number(1, "<B"), message.table(2)
    if header is not None and kind == _DICTIONARY_BATCH:
        header = header.table(1)
    elif kind != _RECORD_BATCH:
        return 0, 0
    if header is None:
        raise struct.error("a batch without a header")
    length = header.number(0, "<q")
    # A list may have more items than its batch has rows, so the lengths of all columns inside count too.
    longest = max((n for n, _ in header.pairs(1)), default=0)
    if length < 0 or longest < 0:
        raise struct.error("a negative length")
    compressed = header.table(3) is not None
    raw = memoryview(body) if body is not None else memoryview(b"")
    unpacked = sum(_buffer_length(raw, offset, size, compressed) for offset, size in header.pairs(2))
    return (length if kind == _RECORD_BATCH else 0), max(unpacked, longest)


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
