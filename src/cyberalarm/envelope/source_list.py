"""The centre's list of sources seen across its network: sorted addresses, coded by their gaps, signed by the centre's receipt key.

    list = "CAS1" | length | manifest | length | sources, coded | signature

Invariants
- Exact: what is read is what was written, address for address. A Bloom filter as wrong as once in a million would take 3.6 bytes a
  source and at times keep a stranger's harmless connection by chance; 100,000 IPv4 addresses coded so take 2.1 bytes each.
- The signature covers every byte before it, and is checked before anything is understood but the form. One list has one coding:
  sources rise, the coding's parameter follows from their number, the bits that fill the last byte are zero.
- Total on arbitrary bytes, with time and memory bounded by `MAX_LIST` and `MOST`.
- It says nothing of who saw a source, when, or how often. IPv6 sources are networks of 64 bits: whoever has one has all of it.

Coding (Rice): each source is told by how many others lie between it and the one before. That number's lower k bits stand after
its upper ones, which are written as so many ones and a zero. Of n sources of w bits, k = w - (bits of n), 0 at least: those of the
mean gap. First IPv4 (32 bits), then IPv6 (the upper 64 bits), then zeros to the end of the byte.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from cyberalarm.envelope import canonical, outline
from cyberalarm.envelope.canonical import JsonValue, count_of, object_of, require
from cyberalarm.envelope.errors import SignatureRefused as _SignatureRefused
from cyberalarm.envelope.errors import SourceListForm, SourceListMalformed, SourceListSignature
from cyberalarm.envelope.keys import SIGNATURE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cyberalarm.envelope.keys import SigningKey, VerifyKey

FORM = 1
MOST = 200_000  # sources of both kinds together
MAX_LIST = 2 * 1024 * 1024
LONGEST_LIFE_MS = 31 * 86_400_000
_MAGIC = b"CAS1"
_PURPOSE = b"CyberAlarm source list v1\0"
_MAX_MANIFEST = 512
_KEYS = frozenset({"expires", "form", "issued", "number", "v4", "v6"})
_V4, _V6 = 32, 64  # bits of a source
_MAPPED = 0xFFFF << 32  # where IPv4 lies in IPv6
_REST = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class SourceList:
    """`number` rises with every list; times are ms UTC. `v4` are addresses, `v6` the upper 64 bits of networks; both rise."""

    number: int
    issued: int
    expires: int
    v4: tuple[int, ...]
    v6: tuple[int, ...]

    @property
    def ranges(self) -> Iterator[tuple[int, int]]:
        """First and last address of each run of neighbours, as 128-bit numbers with IPv4 mapped; IPv4 first."""
        for first, last in _runs(self.v4):
            yield _MAPPED | first, _MAPPED | last
        for first, last in _runs(self.v6):
            yield first << 64, last << 64 | _REST


def digest(raw: bytes) -> str:
    """The hex SHA-256 by which a list is named."""
    return hashlib.sha256(raw).hexdigest()


def sign(listed: SourceList, key: SigningKey) -> bytes:
    """The list as one file. Raises SourceListMalformed for one that nobody would accept."""
    manifest = canonical.encode(
        {
            "expires": listed.expires,
            "form": FORM,
            "issued": listed.issued,
            "number": listed.number,
            "v4": len(listed.v4),
            "v6": len(listed.v6),
        }
    )
    try:
        bits = "".join((*_bits(listed.v4, _V4), *_bits(listed.v6, _V6)))
    except ValueError as error:
        raise _malformed(error) from error
    body = outline.joined(_MAGIC, manifest, _packed(bits))
    made = body + key.sign(_PURPOSE + body)
    read(made, key.verify_key)
    return made


def read(raw: bytes, *keys: VerifyKey) -> SourceList:
    """The list, once proven to be signed by one of these keys.

    Raises SourceListMalformed, SourceListForm or SourceListSignature.
    """
    try:
        manifest, coded = outline.split(raw, _MAGIC, _MAX_MANIFEST, MAX_LIST)
        claimed = object_of(canonical.decode(manifest))
        _known_form(claimed)
        _verify(raw, keys)
        return _understand(claimed, coded)
    except ValueError as error:
        raise _malformed(error) from error


def _malformed(error: ValueError) -> SourceListMalformed:
    return SourceListMalformed(f"This is not a list of sources: {error}.", next_step="It is fetched again by itself.")


def _known_form(claimed: dict[str, JsonValue]) -> None:
    form = claimed.get("form")
    require(type(form) is int, "its form is none")
    if isinstance(form, int) and form > FORM:
        raise SourceListForm(
            f"The list of sources has the form {form}; this program knows {FORM}.", next_step="Update the program."
        )
    require(form == FORM, "its form is none")


def _verify(raw: bytes, keys: Sequence[VerifyKey]) -> None:
    for key in keys:
        with suppress(_SignatureRefused):
            key.verify(raw[-SIGNATURE_BYTES:], _PURPOSE + raw[:-SIGNATURE_BYTES])
            return
    raise SourceListSignature(
        "The list of sources was not signed by the centre, or was changed afterwards.",
        next_step="It is fetched again by itself. If this stays so, tell your contact.",
    )


def _understand(manifest: dict[str, JsonValue], coded: bytes) -> SourceList:
    require(set(manifest) == _KEYS, "its manifest has other keys than expected")
    counts = count_of(manifest["v4"]), count_of(manifest["v6"])
    require(sum(counts) <= MOST, f"it holds more than {MOST:,} sources")
    issued, expires = count_of(manifest["issued"]), count_of(manifest["expires"])
    require(issued < expires <= issued + LONGEST_LIFE_MS, "it does not expire as a list does")
    # A leading one keeps the zeros that the number would lose.
    bits = bin(int.from_bytes(b"\1" + coded))[3:]
    v4, at = _sources(bits, 0, counts[0], _V4)
    v6, at = _sources(bits, at, counts[1], _V6)
    require(len(bits) - at < 8 and "1" not in bits[at:], "something follows its sources")
    return SourceList(count_of(manifest["number"], least=1), issued, expires, v4, v6)


def _low_bits(count: int, width: int) -> int:
    """How many lower bits of a gap are written as they are: those of the mean gap."""
    return max(0, width - count.bit_length()) if count else 0


def _bits(sources: Sequence[int], width: int) -> Iterator[str]:
    """Raises ValueError for sources that do not rise, or are none."""
    low, before = _low_bits(len(sources), width), -1
    for source in sources:
        require(before < source < 1 << width, "its sources do not rise")
        gap, before = source - before - 1, source
        upper = gap >> low
        lower = gap & ((1 << low) - 1)
        yield "1" * upper + "0" + (f"{lower:0{low}b}" if low else "")


def _packed(bits: str) -> bytes:
    length = -(-len(bits) // 8)
    return int(bits.ljust(length * 8, "0") or "0", 2).to_bytes(length)


def _sources(bits: str, at: int, count: int, width: int) -> tuple[tuple[int, ...], int]:
    """So many sources from a place on, and the place after them. Raises ValueError."""
    low, source, found = _low_bits(count, width), -1, []
    for _ in range(count):
        end = bits.find("0", at)
        require(0 <= end < len(bits) - low, "its sources are cut off")
        after = end + 1 + low
        source += 1 + (end - at << low) + (int(bits[end + 1 : after], 2) if low else 0)
        found.append(source)
        at = after
    require(source < 1 << width, "a source is none")
    return tuple(found), at


def _runs(sources: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of neighbours."""
    if not sources:
        return
    first = sources[0]
    for one, following in pairwise(sources):
        if following != one + 1:
            yield first, one
            first = following
    yield first, sources[-1]


def rising(sources: Iterable[int]) -> tuple[int, ...]:
    """Each source once, in order, as a list has them."""
    return tuple(sorted(set(sources)))
