"""How keys are replaced without anybody's hand: a collector's signing key, the centre's receipt key and its certificate.

- `KeyChange`: a collector's request to be known by another key from one envelope of its chain on. The request is signed by the
  old key (`requests.sign_request`), and `proof` by the new one. `KeyChanged` is the centre's signed answer.
- A *voucher* is the new key's word for one envelope that the old key signed and that still waits: after the change the old key
  alone is worth nothing, so a thief of it can neither send nor fork the chain.
- A *succession* is the old receipt key's word for the next one; it holds for ever, and needs no other trust than in the old key.
- An `Introduction` is how a centre makes itself known to a collector that was away while keys changed: its pins and receipt keys,
  with the successions that lead to the key that signed it. It answers a nonce, so an old one proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.envelope import canonical, documents
from cyberalarm.envelope.canonical import JsonValue, count_of, list_of, require, text_of
from cyberalarm.envelope.errors import DocumentRefused, KeyRefused, RequestRefused, SignatureRefused
from cyberalarm.envelope.keys import SIGNATURE_BYTES, VerifyKey
from cyberalarm.envelope.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cyberalarm.envelope.keys import SigningKey

VOUCHER_HEADER = "CyberAlarm-Voucher"
MAX_KEY_CHANGE = 1024  # bytes of a request; one has some 300
MOST_SUCCESSIONS = 64
_CHANGE_KEYS = frozenset({"collector", "from", "proof", "public_key"})
_PROOF = b"CyberAlarm key change proof v1\0"
_VOUCHER = b"CyberAlarm voucher v1\0"
_SUCCESSION = b"CyberAlarm receipt key succession v1\0"
_SUCCESSOR = "successor:"
_KEY_BYTES = 32  # RFC 8032


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A collector is known by `public_key` from its envelope `first` on."""

    collector: str
    public_key: bytes
    first: int
    proof: bytes

    @classmethod
    def new(cls, collector: str, key: SigningKey, first: int) -> KeyChange:
        """A change to this key."""
        return cls(collector, key.public, first, key.sign(_proof_message(collector, key.public, first)))

    def to_bytes(self) -> bytes:
        return canonical.encode(
            {
                "collector": self.collector,
                "from": self.first,
                "proof": canonical.base64_text(self.proof),
                "public_key": canonical.base64_text(self.public_key),
            }
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> KeyChange:
        """Raises RequestRefused (`request-malformed`)."""
        try:
            require(len(raw) <= MAX_KEY_CHANGE, "it is too long")
            value = canonical.decode_object(raw, _CHANGE_KEYS)
            return cls(
                collector=text_of(value["collector"], 16),
                public_key=canonical.base64_bytes(text_of(value["public_key"], 64)),
                first=count_of(value["from"], least=1),
                proof=canonical.base64_bytes(text_of(value["proof"], 128)),
            )
        except ValueError as error:
            raise RequestRefused(
                f"The change of a key is wrong: {error}.",
                next_step="See docs/collector-api.md.",
                code="request-malformed",
            ) from error

    def verify_proof(self) -> None:
        """Raises RequestRefused (`request-signature`) unless the sender holds the private half of `public_key`."""
        try:
            VerifyKey(self.public_key).verify(self.proof, _proof_message(self.collector, self.public_key, self.first))
        except (KeyRefused, SignatureRefused) as error:
            raise RequestRefused(
                "The change of a key does not prove that the new key is the sender's.",
                next_step="Begin the change again.",
                code="request-signature",
            ) from error


def _proof_message(collector: str, public_key: bytes, first: int) -> bytes:
    content: dict[str, JsonValue] = {
        "collector": collector,
        "from": first,
        "public_key": canonical.base64_text(public_key),
    }
    return _PROOF + canonical.encode(content)


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """The centre's word that a collector is known by `public_key` from its envelope `first` on. `changed` is ms UTC."""

    collector: str
    public_key: bytes
    first: int
    changed: int

    KIND = "key-change"

    def sign(self, key: SigningKey) -> bytes:
        return documents.sign(
            self.KIND,
            {
                "changed": self.changed,
                "collector": self.collector,
                "from": self.first,
                "public_key": canonical.base64_text(self.public_key),
            },
            key,
        )

    @classmethod
    def read(cls, raw: bytes, *keys: VerifyKey) -> KeyChanged:
        """Raises DocumentRefused or SignatureRefused."""
        value = documents.read(cls.KIND, raw, *keys)
        try:
            require(set(value) == {"changed", "collector", "from", "public_key"}, "it has other keys than expected")
            return cls(
                collector=text_of(value["collector"], 16),
                public_key=canonical.base64_bytes(text_of(value["public_key"], 64)),
                first=count_of(value["from"], least=1),
                changed=count_of(value["changed"]),
            )
        except ValueError as error:
            raise DocumentRefused(f"The answer to a change of key is wrong: {error}.") from error


def vouch(key: SigningKey, envelope: str) -> str:
    """The new key's word for an envelope, named by its digest."""
    return canonical.base64_text(key.sign(_VOUCHER + bytes.fromhex(envelope)))


def check_voucher(text: str, envelope: str, key: VerifyKey) -> None:
    """Raises SignatureRefused unless this key vouches for this envelope."""
    try:
        signature = canonical.base64_bytes(text[:128])
        require(len(signature) == SIGNATURE_BYTES, "the signature has the wrong length")
    except ValueError as error:
        raise SignatureRefused("This is no voucher.") from error
    key.verify(signature, _VOUCHER + bytes.fromhex(envelope))


def succession(old: SigningKey, new: bytes) -> str:
    """The old receipt key's word that the new one, given by its public half, follows it."""
    return _SUCCESSOR + canonical.base64_text(old.public + new + old.sign(_SUCCESSION + old.public + new))


def _successor(text: str) -> tuple[VerifyKey, VerifyKey]:
    """The old key and the new one. Raises ValueError, or SignatureRefused unless the old one said so."""
    require(text.startswith(_SUCCESSOR), "it is no succession")
    raw = canonical.base64_bytes(text.removeprefix(_SUCCESSOR))
    require(len(raw) == 2 * _KEY_BYTES + SIGNATURE_BYTES, "a succession has the wrong length")
    old, new = VerifyKey(raw[:_KEY_BYTES]), VerifyKey(raw[_KEY_BYTES : 2 * _KEY_BYTES])
    old.verify(raw[2 * _KEY_BYTES :], _SUCCESSION + old.raw + new.raw)
    return old, new


def descendants(known: Iterable[VerifyKey], successions: Sequence[str]) -> tuple[VerifyKey, ...]:
    """The keys that are known, and those that follow them. Raises DocumentRefused when a text is no succession."""
    found = list(known)
    try:
        for old, new in map(_successor, successions[:MOST_SUCCESSIONS]):
            if old in found and new not in found:
                found.append(new)
    except (ValueError, KeyRefused, SignatureRefused) as error:
        raise DocumentRefused(f"A succession of receipt keys is wrong: {error}.") from error
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Introduction:
    """Who a centre is by now, to whoever knew it before."""

    centre: str
    trust: Trust
    successions: tuple[str, ...]

    KIND = "introduction"

    def sign(self, key: SigningKey) -> bytes:
        """Signed by the present receipt key."""
        content: dict[str, JsonValue] = {
            "centre": self.centre,
            "successions": list(self.successions),
            "trust": self.trust.to_json(),
        }
        return documents.sign(self.KIND, content, key)

    @classmethod
    def read(cls, raw: bytes, nonce: str, *known: VerifyKey) -> Introduction:
        """Read and verify with a key that is known or follows a known one. Raises DocumentRefused or SignatureRefused."""
        claimed = documents.claimed(cls.KIND, raw)
        try:
            texts = tuple(text_of(text, 256) for text in list_of(claimed.get("successions")))
            value = documents.read(cls.KIND, raw, *descendants(known, texts))
            require(set(value) == {"centre", "successions", "trust"}, "it has other keys than expected")
            introduced = cls(text_of(value["centre"], 500), Trust.from_json(value["trust"]), texts)
            require(introduced.trust.nonce == nonce, "it answers another question")
        except (ValueError, KeyRefused) as error:
            raise DocumentRefused(f"The centre's introduction is wrong: {error}.") from error
        return introduced
