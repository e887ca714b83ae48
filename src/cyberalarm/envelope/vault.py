"""Streams that only the holder of a recovery key can read: what a backup is made of.

Layout: magic `CAV1` · 16 characters of key id · u32 length · sealed data key (HPKE to the recovery key) · chunks of 1 MiB, the
last one shorter or empty, each AES-256-GCM under the data key.

Invariants
- The writer needs the public half only, so a centre that makes backups cannot open them.
- A chunk's nonce is its number and whether it is the last (the STREAM construction: Hoang, Reyhanitabar, Rogaway, Vizár, 2015), so
  that chunks left out, put elsewhere or cut off at the end are refused; a data key is made for one stream and never used again.
- Nothing is given out that was not authenticated.

What it does not do: say who wrote a stream.
"""

from __future__ import annotations

import secrets
import struct
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cyberalarm.envelope.errors import SealRefused
from cyberalarm.envelope.keys import hpke_suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm.envelope.keys import AnalysisKey, AnalysisPublicKey

CHUNK = 1024 * 1024
_MAGIC = b"CAV1"
_ID = 16
_LENGTH = struct.Struct(">I")
_MOST_SEALED_KEY = 4096
_TAG = 16
_INFO = b"CyberAlarm vault v1\0"


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class VaultWriter:
    """Writes one stream. `close` writes the last chunk: without it the stream is refused."""

    def __init__(self, write: Callable[[bytes], object], to: AnalysisPublicKey) -> None:
        data_key = AESGCM.generate_key(256)
        name = to.key_id.encode("ascii")
        sealed = hpke_suite(to.suite).encrypt(data_key, to.hpke(), info=_INFO + name)
        self._write = write
        self._aead = AESGCM(data_key)
        self._number = 0
        self._held = bytearray()
        write(_MAGIC + name + _LENGTH.pack(len(sealed)) + sealed)

    def add(self, content: bytes) -> None:
        self._held += content
        # One byte more than a chunk must be there: whether a chunk is the last is known once another follows.
        while len(self._held) > CHUNK:
            self._put(bytes(self._held[:CHUNK]), last=False)
            del self._held[:CHUNK]

    def close(self) -> None:
        self._put(bytes(self._held), last=True)
        self._held.clear()

    def _put(self, chunk: bytes, *, last: bool) -> None:
        self._write(self._aead.encrypt(_nonce(self._number, last=last), chunk, None))
        self._number += 1


def opened(source: _Source, key: AnalysisKey) -> Iterator[bytes]:
    """The stream's content, chunk by chunk. Raises SealRefused for another key, and for any damage."""
    aead = AESGCM(_data_key(source, key))
    chunk, number = _read(source, CHUNK + _TAG), 0
    while True:
        following = _read(source, CHUNK + _TAG)
        try:
            yield aead.decrypt(_nonce(number, last=not following), chunk, None)
        except (InvalidTag, ValueError) as error:
            raise SealRefused(
                f"The sealed stream is damaged or cut off at chunk {number}.", next_step="Use another backup."
            ) from error
        if not following:
            return
        chunk, number = following, number + 1


def _data_key(source: _Source, key: AnalysisKey) -> bytes:
    head = _read(source, len(_MAGIC) + _ID + _LENGTH.size)
    if len(head) < len(_MAGIC) + _ID + _LENGTH.size or head[: len(_MAGIC)] != _MAGIC:
        raise SealRefused("This is not a sealed stream.")
    name = head[len(_MAGIC) : len(_MAGIC) + _ID]
    if not secrets.compare_digest(name, key.public.key_id.encode("ascii")):
        raise SealRefused(
            "The backup was sealed to another recovery key.",
            next_step="Use the recovery key that was configured when it was made.",
        )
    (length,) = _LENGTH.unpack(head[-_LENGTH.size :])
    if length > _MOST_SEALED_KEY:
        raise SealRefused("The sealed stream is damaged in its head.")
    try:
        return hpke_suite(key.suite).decrypt(_read(source, length), key.hpke, info=_INFO + name)
    except (InvalidTag, ValueError) as error:
        raise SealRefused("The sealed stream does not open with this key.") from error


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _read(source: _Source, size: int) -> bytes:
    """So many bytes, or all that are left."""
    parts, missing = [], size
    while missing and (part := source.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
