"""The outline of a file that the centre hands out: magic, manifest, content, signature; lengths before the parts.

    magic | u32 length | manifest | u32 length | content | Ed25519 signature over everything before it

Numbers are big-endian. It looks at lengths only: who signed, and what the parts mean, is for those who know the file.
"""

from __future__ import annotations

from cyberalarm.envelope.canonical import require
from cyberalarm.envelope.keys import SIGNATURE_BYTES

_LENGTH = 4


def joined(magic: bytes, manifest: bytes, content: bytes) -> bytes:
    """Everything that is to be signed."""
    return b"".join((magic, _field(manifest), _field(content)))


def _field(content: bytes) -> bytes:
    return len(content).to_bytes(_LENGTH) + content


def split(raw: bytes, magic: bytes, longest_manifest: int, longest: int) -> tuple[bytes, bytes]:
    """Manifest and content of a file with the right outline and at most `longest` bytes. Raises ValueError."""
    require(len(raw) <= longest, f"it is longer than {longest // 2**20} MiB")
    require(raw.startswith(magic), "it does not begin as one")
    at, found = len(magic), []
    for most in (longest_manifest, longest):
        length = int.from_bytes(raw[at : at + _LENGTH])
        at += _LENGTH
        require(length <= most and at + length <= len(raw), "it is cut off")
        found.append(raw[at : at + length])
        at += length
    require(len(raw) - at == SIGNATURE_BYTES, "it is cut off, or something follows it")
    return found[0], found[1]
