"""The keys: Ed25519 for signing, HPKE keys of two suites for sealing.

- A signing key signs for one collector, the centre's receipts, or pack releases. Its public half is 32 raw bytes, which people
  write as `ed25519:<base64url>`.
- An analysis key opens envelopes. Its public half is written in documents as `<suite>:<base64url>`; for the
  hybrid suite that is ML-KEM-768 (1,184 bytes) followed by X25519 (32 bytes), as in X-Wing.
- Private halves are only ever written to files of mode 0600, and never appear in `repr`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cyberalarm.envelope import canonical
from cyberalarm.envelope.errors import KeyRefused, SignatureRefused
from cyberalarm.envelope.files import write_secret

if TYPE_CHECKING:
    from pathlib import Path

SIGNATURE_BYTES = 64  # RFC 8032
_ED25519 = "ed25519"
_X25519_BYTES = 32  # RFC 7748
_MLKEM_PUBLIC_BYTES = 1184  # FIPS 203, ML-KEM-768
_MLKEM_SEED_BYTES = 64  # FIPS 203: d and z
_MOST_KEY_FILE = 4096

_Public: TypeAlias = x25519.X25519PublicKey | hpke.MLKEM768X25519PublicKey
_Private: TypeAlias = x25519.X25519PrivateKey | hpke.MLKEM768X25519PrivateKey


class Suite(StrEnum):
    """Algorithms that an envelope is sealed with; all use HKDF-SHA256 and AES-256-GCM (RFC 9180)."""

    HYBRID = "mlkem768-x25519"
    CLASSIC = "x25519"


_HPKE = {
    Suite.HYBRID: hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM),
    Suite.CLASSIC: hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM),
}


def hpke_suite(suite: Suite) -> hpke.Suite:
    return _HPKE[suite]


class VerifyKey:
    """The public half of a signing key."""

    __slots__ = ("_key", "raw")

    def __init__(self, raw: bytes) -> None:
        """Raises KeyRefused unless given 32 bytes."""
        try:
            self._key = Ed25519PublicKey.from_public_bytes(bytes(raw))
        except ValueError as error:
            raise KeyRefused("A verification key must have 32 bytes.") from error
        self.raw = bytes(raw)

    @property
    def key_id(self) -> str:
        """16 hex digits that name this key."""
        return hashlib.sha256(b"CyberAlarm key v1\0ed25519\0" + self.raw).hexdigest()[:16]

    def to_text(self) -> str:
        """As people write it in a configuration."""
        return f"{_ED25519}:{canonical.base64_text(self.raw)}"

    @classmethod
    def from_text(cls, text: str) -> VerifyKey:
        """Raises KeyRefused unless the text is what `to_text` writes."""
        name, _, encoded = text.partition(":")
        try:
            canonical.require(name == _ED25519, "another kind of key")
            return cls(canonical.base64_bytes(encoded))
        except ValueError as error:
            raise KeyRefused("This is not a public key for signatures, ed25519:…") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifyKey) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises SignatureRefused unless this key signed exactly this message."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature as error:
            raise SignatureRefused("The signature does not belong to this key and message.") from error


class SigningKey:
    """An Ed25519 key that signs."""

    __slots__ = ("_key",)

    def __init__(self, raw: bytes) -> None:
        """Raises KeyRefused unless given the 32 bytes of a seed."""
        try:
            self._key = Ed25519PrivateKey.from_private_bytes(raw)
        except ValueError as error:
            raise KeyRefused("A signing key must have 32 bytes.") from error

    @classmethod
    def generate(cls) -> SigningKey:
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Raises KeyRefused when the file holds something else; OSError when it cannot be read."""
        kind, _, raw = _read_key_file(path)
        if kind != _ED25519:
            raise KeyRefused(f"{path} does not hold a signing key.")
        return cls(raw)

    def save(self, path: Path) -> None:
        """Write the key to a file that only its owner can read, atomically."""
        _write_key_file(path, _ED25519, "", self._key.private_bytes_raw())

    @property
    def public(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    @property
    def verify_key(self) -> VerifyKey:
        return VerifyKey(self.public)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


@dataclass(frozen=True, slots=True)
class AnalysisPublicKey:
    """What envelopes are sealed to. Make one with `from_text`, or take an `AnalysisKey`'s `public`."""

    suite: Suite
    raw: bytes

    @property
    def key_id(self) -> str:
        """16 hex digits that name this key in an envelope's header."""
        return hashlib.sha256(b"CyberAlarm key v1\0" + self.suite.encode() + b"\0" + self.raw).hexdigest()[:16]

    def to_text(self) -> str:
        return f"{self.suite}:{canonical.base64_text(self.raw)}"

    @classmethod
    def from_text(cls, text: str) -> AnalysisPublicKey:
        """Raises KeyRefused unless the text is a usable public key of a known suite."""
        name, _, encoded = text.partition(":")
        try:
            key = cls(Suite(name), canonical.base64_bytes(encoded))
            key.hpke()
        except ValueError as error:
            raise KeyRefused("This is not an analysis public key of a known suite.") from error
        return key

    def hpke(self) -> _Public:
        """The key as the HPKE library wants it. Raises ValueError when the bytes are none."""
        if self.suite is Suite.CLASSIC:
            return x25519.X25519PublicKey.from_public_bytes(self.raw)
        if len(self.raw) != _MLKEM_PUBLIC_BYTES + _X25519_BYTES:
            raise ValueError("a hybrid public key has 1216 bytes")
        return hpke.MLKEM768X25519PublicKey(
            mlkem.MLKEM768PublicKey.from_public_bytes(self.raw[:_MLKEM_PUBLIC_BYTES]),
            x25519.X25519PublicKey.from_public_bytes(self.raw[_MLKEM_PUBLIC_BYTES:]),
        )


class AnalysisKey:
    """The private half of an analysis key, for one suite."""

    __slots__ = ("_raw", "hpke", "public", "suite")

    def __init__(self, suite: Suite, raw: bytes) -> None:
        """`raw` is 32 bytes of X25519, in the hybrid suite after 64 of ML-KEM seed. Raises KeyRefused."""
        try:
            self.hpke, public = _private(suite, raw)
        except ValueError as error:
            raise KeyRefused(f"This is not a private key of the suite {suite}.") from error
        self.suite = suite
        self._raw = raw
        self.public = AnalysisPublicKey(suite, public)

    @classmethod
    def generate(cls, suite: Suite = Suite.HYBRID) -> AnalysisKey:
        classic = x25519.X25519PrivateKey.generate().private_bytes_raw()
        if suite is Suite.CLASSIC:
            return cls(suite, classic)
        return cls(suite, mlkem.MLKEM768PrivateKey.generate().private_bytes_raw() + classic)

    @classmethod
    def load(cls, path: Path) -> AnalysisKey:
        """Raises KeyRefused when the file holds something else; OSError when it cannot be read."""
        kind, suite, raw = _read_key_file(path)
        if kind != "analysis" or suite not in set(Suite):
            raise KeyRefused(f"{path} does not hold an analysis key of a known suite.")
        return cls(Suite(suite), raw)

    def save(self, path: Path) -> None:
        """Write the key to a file that only its owner can read, atomically."""
        _write_key_file(path, "analysis", self.suite, self._raw)


def _private(suite: Suite, raw: bytes) -> tuple[_Private, bytes]:
    if suite is Suite.CLASSIC:
        only = x25519.X25519PrivateKey.from_private_bytes(raw)
        return only, only.public_key().public_bytes_raw()
    if len(raw) != _MLKEM_SEED_BYTES + _X25519_BYTES:
        raise ValueError("a hybrid private key has 96 bytes")
    lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(raw[:_MLKEM_SEED_BYTES])
    classic = x25519.X25519PrivateKey.from_private_bytes(raw[_MLKEM_SEED_BYTES:])
    public = lattice.public_key().public_bytes_raw() + classic.public_key().public_bytes_raw()
    return hpke.MLKEM768X25519PrivateKey(lattice, classic), public


_KEY_FILE = frozenset({"kind", "private", "suite"})


def _write_key_file(path: Path, kind: str, suite: str, raw: bytes) -> None:
    content = {"kind": kind, "private": canonical.base64_text(raw), "suite": suite}
    write_secret(path, canonical.encode(content) + b"\n")


def _read_key_file(path: Path) -> tuple[str, str, bytes]:
    try:
        with path.open("rb") as source:
            value = canonical.decode_object(source.read(_MOST_KEY_FILE).rstrip(b"\n"), _KEY_FILE)
        raw = canonical.base64_bytes(canonical.text_of(value["private"]))
        return canonical.text_of(value["kind"]), canonical.text_of(value["suite"]), raw
    except ValueError as error:
        raise KeyRefused(f"{path} is not a key file.", next_step="Restore it from the backup.") from error
