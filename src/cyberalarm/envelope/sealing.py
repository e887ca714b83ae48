"""The envelope: a bundle sealed to the centre and signed by its collector.

    magic "CAE1" | u32 length | header (canonical JSON) | u32 length | HPKE ciphertext | 64 bytes of Ed25519

Numbers are big-endian. The signature covers a domain prefix and every byte before it. The ciphertext is HPKE
base mode (RFC 9180), `enc` first, with `info` = a domain prefix and the header's bytes: a ciphertext opens
under its own header only.

Invariants:
- `read_header`, `header_end`, `peek_header`, `verify` and `open_sealed` are total: on any bytes whatever they
  return or raise an EnvelopeRefused.
- One header has one spelling, so `digest` names exactly one content.
- Envelopes of a collector form a chain: `previous` is the digest of the envelope before, zeros for the
  first.

What `read_header` and `peek_header` return is a claim. It is true only once `verify` has passed. Checking the chain is the
centre's work.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag

from cyberalarm.envelope import canonical
from cyberalarm.envelope.errors import (
    EnvelopeKeyUnknown,
    EnvelopeMalformed,
    EnvelopeSignature,
    EnvelopeSuite,
    EnvelopeTooLarge,
    EnvelopeUnopenable,
    EnvelopeVersion,
    SignatureRefused,
)
from cyberalarm.envelope.keys import (
    SIGNATURE_BYTES,
    AnalysisKey,
    AnalysisPublicKey,
    SigningKey,
    Suite,
    VerifyKey,
    hpke_suite,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
FIRST_PREVIOUS = "0" * 64
MAX_ENVELOPE = 64 * 1024 * 1024
MAX_HEADER = 1024  # a real one has about 300 bytes

_MAGIC = b"CAE1"
_LENGTH = struct.Struct(">I")
_BEFORE_HEADER = len(_MAGIC) + _LENGTH.size
_LEAST_CIPHERTEXT = 32 + 16  # the shortest `enc`, X25519's, and AES-GCM's tag
_SIGNED = b"CyberAlarm envelope v1\0"
_SEALED = b"CyberAlarm sealing v1\0"
_REFERENCE = re.compile(r"[a-z0-9-]{3,16}", re.ASCII)
_HEX_64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HEX_16 = re.compile(r"[0-9a-f]{16}", re.ASCII)
_KEYS = frozenset({"version", "suite", "collector", "sequence", "previous", "key", "sealed", "events", "lines"})


@dataclass(frozen=True, slots=True)
class Header:
    """What everybody may read on an envelope.

    `sealed` is ms UTC; `events` are the rows inside; `lines` is the sum of `received` over the ledgers
    inside.
    """

    collector: str
    sequence: int
    previous: str
    sealed: int
    events: int
    lines: int
    suite: Suite = Suite.HYBRID
    key: str = ""
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class _Parts:
    header: Header
    header_bytes: bytes
    ciphertext: memoryview
    signed: memoryview
    signature: bytes


def seal(payload: bytes, header: Header, to: AnalysisPublicKey, by: SigningKey) -> bytes:
    """Seal a payload to the centre's key and sign it.

    The header's `suite` and `key` are set from `to`. Raises EnvelopeTooLarge, or EnvelopeMalformed when the
    header could not be read again.
    """
    header_bytes = _header_bytes(replace(header, suite=to.suite, key=to.key_id))
    _read_header_bytes(header_bytes)
    ciphertext = hpke_suite(to.suite).encrypt(payload, to.hpke(), info=_SEALED + header_bytes)
    body = b"".join((_MAGIC, _LENGTH.pack(len(header_bytes)), header_bytes, _LENGTH.pack(len(ciphertext)), ciphertext))
    if len(body) + SIGNATURE_BYTES > MAX_ENVELOPE:
        raise EnvelopeTooLarge(
            f"An envelope may have {MAX_ENVELOPE} bytes.", next_step="Put fewer events into a bundle."
        )
    return body + by.sign(_SIGNED + body)


def read_header(envelope: bytes) -> Header:
    """The claims of an envelope, before anything is verified. Raises an EnvelopeRefused."""
    return _split(envelope).header


HEADER_WITHIN = _BEFORE_HEADER + MAX_HEADER  # bytes of an envelope


def header_end(prefix: bytes | bytearray) -> int:
    """How many bytes of an envelope `peek_header` needs, as far as these first ones tell: at most 8 + 1,024.

    Raises EnvelopeMalformed as soon as the bytes cannot become an envelope.
    """
    if prefix[: len(_MAGIC)] != _MAGIC[: len(prefix)]:
        raise EnvelopeMalformed("The bytes do not begin like an envelope.")
    if len(prefix) < _BEFORE_HEADER:
        return _BEFORE_HEADER
    (length,) = _LENGTH.unpack_from(prefix, len(_MAGIC))
    if length > MAX_HEADER:
        raise EnvelopeMalformed("The envelope's header is too long.")
    return _BEFORE_HEADER + int(length)


def peek_header(prefix: bytes | bytearray) -> Header:
    """The claims of an envelope of which no more than the beginning is there. Raises an EnvelopeRefused, also
    when `header_end` asks for more bytes.
    """
    end = header_end(prefix)
    if len(prefix) < end:
        raise EnvelopeMalformed("The envelope is cut off.")
    return _read_header_bytes(bytes(prefix[_BEFORE_HEADER:end]))


def check_length(prefix: bytes | bytearray, length: int) -> None:
    """Raises EnvelopeMalformed or EnvelopeTooLarge unless an envelope that begins so can be that long."""
    if length > MAX_ENVELOPE:
        raise EnvelopeTooLarge(f"An envelope may have {MAX_ENVELOPE} bytes.")
    if length < header_end(prefix) + _LENGTH.size + _LEAST_CIPHERTEXT + SIGNATURE_BYTES:
        raise EnvelopeMalformed("The envelope is cut off.")


def verify(envelope: bytes, key: VerifyKey) -> Header:
    """The header, once the signature over the whole envelope is proven to be this key's. Raises an
    EnvelopeRefused.
    """
    parts = _split(envelope)
    try:
        key.verify(parts.signature, b"".join((_SIGNED, parts.signed)))
    except SignatureRefused as error:
        raise EnvelopeSignature(
            "The envelope was not signed by this collector, or was changed on the way.",
            next_step="Send the envelope again; if it is refused again, enrol the collector anew.",
        ) from error
    return parts.header


def open_sealed(envelope: bytes, keys: Mapping[str, AnalysisKey]) -> bytes:
    """The payload, opened with the key that the header names. `keys` are by key id. Raises an
    EnvelopeRefused.

    Says nothing about who sealed it: call `verify` first.
    """
    parts = _split(envelope)
    key = keys.get(parts.header.key)
    if key is None:
        raise EnvelopeKeyUnknown(
            "The envelope is sealed to a key that is not ours.",
            next_step="Ask for the status, which names the keys.",
        )
    if key.suite is not parts.header.suite:
        raise EnvelopeSuite("The envelope names another suite than its key has.")
    try:
        return hpke_suite(key.suite).decrypt(parts.ciphertext, key.hpke, info=_SEALED + parts.header_bytes)
    except (InvalidTag, ValueError) as error:
        raise EnvelopeUnopenable("The envelope does not open with the key that it names.") from error


def digest(envelope: bytes) -> str:
    """The name of an envelope: hex SHA-256 of all its bytes, signature included."""
    return hashlib.sha256(envelope).hexdigest()


def _header_bytes(header: Header) -> bytes:
    return canonical.encode({name: getattr(header, name) for name in _KEYS})


def _split(envelope: bytes) -> _Parts:
    if len(envelope) > MAX_ENVELOPE:
        raise EnvelopeTooLarge(f"An envelope may have {MAX_ENVELOPE} bytes.")
    view = memoryview(envelope)
    if view[: len(_MAGIC)] != _MAGIC:
        raise EnvelopeMalformed("The bytes do not begin like an envelope.")
    header_bytes, at = _field(view, len(_MAGIC), MAX_HEADER)
    header = _read_header_bytes(bytes(header_bytes))
    ciphertext, at = _field(view, at, MAX_ENVELOPE)
    if len(view) - at != SIGNATURE_BYTES:
        raise EnvelopeMalformed("The envelope is cut off, or something follows it.")
    return _Parts(header, bytes(header_bytes), ciphertext, view[:at], bytes(view[at:]))


def _field(view: memoryview, at: int, most: int) -> tuple[memoryview, int]:
    start = at + _LENGTH.size
    if start > len(view):
        raise EnvelopeMalformed("The envelope is cut off.")
    (length,) = _LENGTH.unpack(view[at:start])
    if length > most or start + length > len(view):
        raise EnvelopeMalformed("The envelope is cut off, or a length in it is wrong.")
    return view[start : start + length], start + length


def _read_header_bytes(raw: bytes) -> Header:
    try:
        header = _check_header(canonical.object_of(canonical.decode(raw)))
    except ValueError as error:
        raise EnvelopeMalformed(f"The envelope's header is wrong: {error}.") from error
    if (header.sequence == 1) != (header.previous == FIRST_PREVIOUS):
        raise EnvelopeMalformed("Only the first envelope of a collector, and it alone, follows none.")
    return header


def _check_header(value: dict[str, canonical.JsonValue]) -> Header:
    version = canonical.count_of(value.get("version"))
    if version != VERSION:  # first, because another version may have other keys
        raise EnvelopeVersion(
            f"This is an envelope of version {version}; version {VERSION} is known here.",
            next_step="Update the older of the two programs.",
        )
    canonical.require(set(value) == _KEYS, "it has other keys than expected")
    suite = canonical.text_of(value["suite"])
    if suite not in set(Suite):
        raise EnvelopeSuite("The envelope names an unknown suite.", next_step="Update the centre.")
    return Header(
        collector=_matching(_REFERENCE, value["collector"]),
        sequence=canonical.count_of(value["sequence"], least=1),
        previous=_matching(_HEX_64, value["previous"]),
        sealed=canonical.count_of(value["sealed"]),
        events=canonical.count_of(value["events"]),
        lines=canonical.count_of(value["lines"]),
        suite=Suite(suite),
        key=_matching(_HEX_16, value["key"]),
    )


def _matching(pattern: re.Pattern[str], value: canonical.JsonValue) -> str:
    text = canonical.text_of(value)
    if not pattern.fullmatch(text):
        raise ValueError("a name or number has the wrong form")
    return text
