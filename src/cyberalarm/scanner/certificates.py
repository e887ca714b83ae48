"""The facts of an X.509 certificate, read straight from its DER bytes (RFC 5280 section 4.1).

A small bounded reader: no certificate is trusted or verified here, only described. Raises ProbeError on
anything that is not a certificate; never loops, never reads beyond the bytes given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cyberalarm.scanner.errors import ProbeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEQUENCE, _INTEGER, _BITS, _OCTETS, _OID = 0x30, 0x02, 0x03, 0x04, 0x06
_UTC_TIME, _GENERALISED_TIME = 0x17, 0x18
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_DNS_NAME, _IP_NAME = 0x82, 0x87
_OID_SUBJECT_ALT_NAME = bytes.fromhex("551d11")
_OID_COMMON_NAME = bytes.fromhex("550403")
_OID_RSA = bytes.fromhex("2a864886f70d010101")
# RFC 8017 and RFC 5758: signature algorithms on MD5 and SHA-1.
_OLD_SIGNATURES = {
    bytes.fromhex("2a864886f70d010104"): "MD5",
    bytes.fromhex("2a864886f70d010105"): "SHA-1",
    bytes.fromhex("2a8648ce3d0401"): "SHA-1",
}
_MOST_NAMES = 200


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """`rsa_bits` is 0 for other key kinds; `old_signature` names a broken hash, or is empty."""

    subject: str
    issuer: str
    self_signed: bool
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    rsa_bits: int
    old_signature: str

    def covers(self, host: str) -> bool:
        """Whether the names include the host, with `*` for one first label (RFC 6125 section 6.4.3)."""
        host = host.lower()
        for name in self.names:
            wanted = name.lower().rstrip(".")
            if wanted == host:
                return True
            if wanted.startswith("*.") and "." in host and host.split(".", 1)[1] == wanted[2:]:
                return True
        return False


@dataclass(frozen=True, slots=True)
class _Item:
    tag: int
    content: bytes
    whole: bytes


def _items(raw: bytes) -> Iterator[_Item]:
    at = 0
    while at < len(raw):
        start, tag = at, raw[at]
        if at + 2 > len(raw):
            raise ValueError("cut off")
        length, at = raw[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 3 or at + size > len(raw):
                raise ValueError("bad length")
            length, at = int.from_bytes(raw[at : at + size], "big"), at + size
        if at + length > len(raw):
            raise ValueError("cut off")
        yield _Item(tag, raw[at : at + length], raw[start : at + length])
        at += length


def _only(raw: bytes, tag: int) -> _Item:
    item = next(_items(raw), None)
    if item is None or item.tag != tag:
        raise ValueError("unexpected shape")
    return item


def read_certificate(der: bytes) -> CertificateFacts:
    """Describe a certificate. Raises ProbeError when the bytes are not one."""
    try:
        return _read(der)
    except (ValueError, IndexError) as error:
        raise ProbeError("The certificate cannot be read.", code="scanner.probe.certificate") from error


def _read(der: bytes) -> CertificateFacts:
    outer = list(_items(_only(der, _SEQUENCE).content))
    inside = [item for item in _items(outer[0].content) if item.tag != _VERSION]
    _serial, signature, issuer, validity, subject, key = inside[:6]
    times = [_time(item) for item in _items(validity.content)]
    names = tuple(_alternative_names(inside[6:])) or ((_common_name(subject),) if _common_name(subject) else ())
    return CertificateFacts(
        subject=_common_name(subject),
        issuer=_common_name(issuer),
        self_signed=issuer.whole == subject.whole,
        not_before=times[0],
        not_after=times[1],
        names=names,
        rsa_bits=_rsa_bits(key),
        old_signature=_OLD_SIGNATURES.get(_only(signature.content, _OID).content, ""),
    )


def _time(item: _Item) -> datetime:
    text = item.content.decode("ascii")
    if not text.endswith("Z") or item.tag not in {_UTC_TIME, _GENERALISED_TIME}:
        raise ValueError("bad time")
    if item.tag == _UTC_TIME:
        # RFC 5280 section 4.1.2.5.1: 50 to 99 are 19xx, the rest 20xx.
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _common_name(name: _Item) -> str:
    for group in _items(name.content):
        for pair in _items(group.content):
            parts = list(_items(pair.content))
            if len(parts) == 2 and parts[0].content == _OID_COMMON_NAME:
                return parts[1].content.decode("utf-8", "replace")[:253]
    return ""


def _rsa_bits(key: _Item) -> int:
    algorithm, bits = list(_items(key.content))[:2]
    if _only(algorithm.content, _OID).content != _OID_RSA or bits.tag != _BITS:
        return 0
    modulus = _only(_only(bits.content[1:], _SEQUENCE).content, _INTEGER).content
    return int.from_bytes(modulus, "big").bit_length()


def _alternative_names(rest: list[_Item]) -> Iterator[str]:
    for holder in rest:
        if holder.tag != _EXTENSIONS:
            continue
        for extension in _items(_only(holder.content, _SEQUENCE).content):
            parts = list(_items(extension.content))
            if parts and parts[0].content == _OID_SUBJECT_ALT_NAME and parts[-1].tag == _OCTETS:
                listed = _only(parts[-1].content, _SEQUENCE)
                for _, name in zip(range(_MOST_NAMES), _items(listed.content), strict=False):
                    if name.tag == _DNS_NAME:
                        yield name.content.decode("ascii", "replace")[:253]
                    elif name.tag == _IP_NAME and len(name.content) in {4, 16}:
                        yield str(ip_address(name.content))
