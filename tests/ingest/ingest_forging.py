"""Arrow messages written byte by byte, to say what no library would: the older mark of compression among them.

The layout is that of Arrow's Message.fbs in the FlatBuffers binary format. A table's fields are numbers with their
`struct` form, or functions that write what the field refers to and give its place.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pyarrow as pa

Write = Callable[[bytearray], int]
Field = tuple[str, int] | Write | None

V4, V5 = 3, 4  # Schema.fbs: enum MetadataVersion
SCHEMA, DICTIONARY, BATCH = 1, 2, 3  # Message.fbs: union MessageHeader
LEGACY_MARK = ("ARROW:experimental_compression", "zstd")


def _pad(out: bytearray, size: int, beyond: int = 0) -> None:
    while (len(out) + beyond) % size:
        out.append(0)


def table(*fields: Field) -> Write:
    def write(out: bytearray) -> int:
        inline, offsets = bytearray(4), []
        for field in fields:
            if field is None:
                offsets.append(0)
                continue
            form = "<I" if callable(field) else field[0]
            _pad(inline, struct.calcsize(form))
            offsets.append(len(inline))
            inline += struct.pack(form, 0 if callable(field) else field[1])
        _pad(out, 2)
        vtable = len(out)
        out += struct.pack(f"<{2 + len(offsets)}H", 4 + 2 * len(offsets), len(inline), *offsets)
        _pad(out, 8)
        start = len(out)
        struct.pack_into("<i", inline, 0, start - vtable)
        out += inline
        for field, offset in zip(fields, offsets, strict=True):
            if callable(field):
                at = start + offset
                struct.pack_into("<I", out, at, field(out) - at)
        return start

    return write


def pairs(values: list[tuple[int, int]]) -> Write:
    def write(out: bytearray) -> int:
        _pad(out, 8, beyond=4)
        start = len(out)
        out += struct.pack("<I", len(values)) + b"".join(struct.pack("<qq", *pair) for pair in values)
        return start

    return write


def text(value: str) -> Write:
    def write(out: bytearray) -> int:
        _pad(out, 4)
        start = len(out)
        out.extend(struct.pack("<I", len(value)) + value.encode() + b"\0")
        return start

    return write


def one_of(member: Write) -> Write:
    """A vector of one table."""

    def write(out: bytearray) -> int:
        _pad(out, 4)
        start = len(out)
        out.extend(struct.pack("<II", 1, 0))
        struct.pack_into("<I", out, start + 4, member(out) - (start + 4))
        return start

    return write


def framed(metadata: bytes, body: bytes) -> bytes:
    padded = metadata + bytes(-len(metadata) % 8)
    return struct.pack("<Ii", 0xFFFFFFFF, len(padded)) + padded + body


def dictionary(
    number: int, value: str, *, version: int = V5, metadata: tuple[str, str] | None = LEGACY_MARK, packed: bool = True
) -> bytes:
    """A dictionary of one text, without the mark that a compressed batch has since version 5."""
    codec = pa.Codec("zstd")
    body, buffers = b"", [(0, 0)]
    for raw in (struct.pack("<ii", 0, len(value)), value.encode()):
        part = struct.pack("<q", len(raw)) + codec.compress(raw, asbytes=True) if packed else raw
        buffers.append((len(body), len(part)))
        body += part + bytes(-len(part) % 8)
    entry = table(text(metadata[0]), text(metadata[1])) if metadata else None
    message = table(
        ("<h", version),
        ("<B", DICTIONARY),
        table(("<q", number), table(("<q", 1), pairs([(1, 0)]), pairs(buffers))),
        ("<q", len(body)),
        one_of(entry) if entry else None,
    )
    out = bytearray(4)
    struct.pack_into("<I", out, 0, message(out))
    return framed(bytes(out), body)


def with_first_dictionary(stream: bytes, forge: Callable[[int], bytes]) -> bytes:
    """The stream with its first dictionary, which is number 0, replaced."""
    out, replaced = b"", False
    for message in pa.ipc.MessageReader.open_stream(stream):
        body = message.body.to_pybytes() if message.body is not None else b""
        if message.type == "dictionary" and not replaced:
            replaced = True
            out += forge(0)
        else:
            out += framed(message.metadata.to_pybytes(), body)
    assert replaced
    return out + struct.pack("<Ii", 0xFFFFFFFF, 0)
