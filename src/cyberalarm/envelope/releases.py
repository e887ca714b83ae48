"""A pack release: format packs in one file, signed by a release key.

    release = "CAR1" | length | manifest | length | packs, compressed | signature

Invariants
- The signature covers every byte before it, and is checked before anything is unpacked. Of a manifest that is not verified yet
  only the format and the key's name are looked at.
- What is unpacked has exactly the length that the signed manifest says, at most `MAX_UNPACKED`; each pack has the digest that
  stands there. Nothing follows the signature, and nothing is left over inside.
- A release of one number has one manifest: packs in the order of their names, each name once.

What a pack means is not looked at here; that is `formats.delivery`.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cyberalarm.envelope import canonical, outline
from cyberalarm.envelope.canonical import JsonValue, count_of, list_of, object_of, require, text_of
from cyberalarm.envelope.errors import ReleaseFormat, ReleaseKeyUnknown, ReleaseMalformed, ReleaseSignature
from cyberalarm.envelope.errors import SignatureRefused as _SignatureRefused
from cyberalarm.envelope.keys import SIGNATURE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyberalarm.envelope.keys import SigningKey, VerifyKey

FORMAT = 1
MAX_RELEASE = 16 * 1024 * 1024
MAX_UNPACKED = 16 * 1024 * 1024
MAX_PACKS = 2_000
MAX_PACK = 1024 * 1024
_MAGIC = b"CAR1"
_PURPOSE = b"CyberAlarm pack release v1\0"
_MAX_MANIFEST = 512 * 1024
_KEYS = frozenset({"format", "key", "made", "number", "packs", "program"})
_PACK_KEYS = frozenset({"bytes", "name", "sha256", "version"})
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PROGRAM = re.compile(r"\d{1,6}(\.\d{1,6}){0,3}")


class PackFile(NamedTuple):
    """One pack as it is delivered: its name and version, as they stand in it too, and its TOML."""

    name: str
    version: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Release:
    """`number` rises with every release; `made` is ms UTC; `program` is the least version that understands these packs."""

    number: int
    made: int
    program: str
    packs: tuple[PackFile, ...]


def digest(raw: bytes) -> str:
    """The hex SHA-256 by which a release is named."""
    return hashlib.sha256(raw).hexdigest()


def sign(release: Release, key: SigningKey) -> bytes:
    """The release as one file. Raises ReleaseMalformed for one that nobody would accept."""
    packs = tuple(sorted(release.packs))
    manifest = canonical.encode(
        {
            "format": FORMAT,
            "key": key.verify_key.key_id,
            "made": release.made,
            "number": release.number,
            "packs": [
                {"bytes": len(p.content), "name": p.name, "sha256": digest(p.content), "version": p.version}
                for p in packs
            ],
            "program": release.program,
        }
    )
    body = outline.joined(_MAGIC, manifest, zlib.compress(b"".join(p.content for p in packs), 9))
    made = body + key.sign(_PURPOSE + body)
    read(made, [key.verify_key])
    return made


def signer(raw: bytes) -> str:
    """The id of the key that a release names; who wants to know whether that is true has read it before. Raises ValueError."""
    return text_of(
        object_of(canonical.decode(outline.split(raw, _MAGIC, _MAX_MANIFEST, MAX_RELEASE)[0])).get("key"), 16
    )


def read(raw: bytes, trusted: Iterable[VerifyKey]) -> Release:
    """The release, once proven to be signed by one of the trusted keys.

    Raises ReleaseMalformed, ReleaseFormat, ReleaseKeyUnknown or ReleaseSignature.
    """
    try:
        manifest, packed = outline.split(raw, _MAGIC, _MAX_MANIFEST, MAX_RELEASE)
        claimed = object_of(canonical.decode(manifest))
        _known_format(claimed)
        _verify(raw, text_of(claimed.get("key"), 16), trusted)
        return _understand(claimed, packed)
    except (ValueError, zlib.error) as error:
        raise ReleaseMalformed(
            f"This is not a pack release: {error}.", next_step="Fetch it again, or build it again."
        ) from error


def _known_format(claimed: dict[str, JsonValue]) -> None:
    number = claimed.get("format")
    require(type(number) is int, "its format is none")
    if isinstance(number, int) and number > FORMAT:
        raise ReleaseFormat(
            f"The release has the format {number}; this program knows {FORMAT}.", next_step="Update the program."
        )
    require(number == FORMAT, "its format is none")


def _verify(raw: bytes, key_id: str, trusted: Iterable[VerifyKey]) -> None:
    key = next((key for key in trusted if key.key_id == key_id), None)
    if key is None:
        raise ReleaseKeyUnknown(
            "The release is signed by a key that is not trusted here.",
            next_step="Sign it with a trusted release key, or add this one where release keys are named.",
        )
    try:
        key.verify(raw[-SIGNATURE_BYTES:], _PURPOSE + raw[:-SIGNATURE_BYTES])
    except _SignatureRefused as error:
        raise ReleaseSignature(
            "The release was not signed by the key that it names, or was changed afterwards.",
            next_step="Fetch it again. If this stays so, tell whoever publishes it.",
        ) from error


def _understand(manifest: dict[str, JsonValue], packed: bytes) -> Release:
    require(set(manifest) == _KEYS, "its manifest has other keys than expected")
    program = text_of(manifest["program"], 32)
    require(bool(_PROGRAM.fullmatch(program)), "the program's version is none")
    listed = [object_of(entry) for entry in list_of(manifest["packs"])]
    require(0 < len(listed) <= MAX_PACKS, f"it must hold 1 to {MAX_PACKS} packs")
    require(all(set(entry) == _PACK_KEYS for entry in listed), "an entry of its manifest has other keys than expected")
    lengths = [count_of(entry["bytes"], least=1) for entry in listed]
    require(max(lengths) <= MAX_PACK and sum(lengths) <= MAX_UNPACKED, "its packs are too long")
    content = _unpacked(packed, sum(lengths))
    packs, at = [], 0
    for entry, length in zip(listed, lengths, strict=True):
        one = content[at : at + length]
        at += length
        name = text_of(entry["name"], 64)
        require(bool(_NAME.fullmatch(name)), "a pack's name is none")
        require(digest(one) == text_of(entry["sha256"], 64), f"the pack {name} is not the one of the manifest")
        packs.append(PackFile(name, count_of(entry["version"], least=1), one))
    names = [pack.name for pack in packs]
    require(names == sorted(set(names)), "its packs are not in order")
    return Release(count_of(manifest["number"], least=1), count_of(manifest["made"]), program, tuple(packs))


def _unpacked(packed: bytes, length: int) -> bytes:
    """Exactly so many bytes, and never more in memory."""
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(packed, length)
    if not unpacking.eof:
        # The end mark may still be to come, but no byte beside it.
        require(not unpacking.decompress(unpacking.unconsumed_tail, 1), "its packs are longer than it says")
    require(unpacking.eof and not unpacking.unused_data and len(content) == length, "its packs are cut off or too long")
    return content
