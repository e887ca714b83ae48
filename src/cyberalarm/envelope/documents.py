"""What the centre says in writing: canonical JSON, signed for one purpose.

A document of one kind never passes as another, because the kind is part of what is signed. The typed
documents here (`Enrolment`, `Status`) are shared by the collector that reads them and the centre that writes
them.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.envelope import canonical, revocations
from cyberalarm.envelope.canonical import JsonValue, count_of, flag_of, list_of, object_of, require, text_of
from cyberalarm.envelope.errors import DocumentRefused, KeyRefused, SignatureRefused
from cyberalarm.envelope.keys import SIGNATURE_BYTES, AnalysisPublicKey, SigningKey, VerifyKey
from cyberalarm.envelope.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DOCUMENT = 256 * 1024
_SHA256 = re.compile("[0-9a-f]{64}")


def sign(kind: str, content: Mapping[str, JsonValue], key: SigningKey) -> bytes:
    """Canonical JSON of the content with `kind` and `signature` added."""
    signed = {**content, "kind": kind}
    signature = key.sign(_message(kind, signed))
    return canonical.encode({**signed, "signature": canonical.base64_text(signature)})


def read(kind: str, raw: bytes, *keys: VerifyKey) -> dict[str, JsonValue]:
    """The content of a document of this kind, signed by one of these keys, or DocumentRefused or SignatureRefused."""
    content, signature = _parse(kind, raw)
    message = _message(kind, {**content, "kind": kind})
    *others, last = keys
    for key in others:
        with suppress(SignatureRefused):
            key.verify(signature, message)
            return content
    last.verify(signature, message)
    return content


def claimed(kind: str, raw: bytes) -> dict[str, JsonValue]:
    """What a document of this kind claims, before anybody verified it. Raises DocumentRefused."""
    return _parse(kind, raw)[0]


def _message(kind: str, signed: Mapping[str, JsonValue]) -> bytes:
    return b"CyberAlarm " + kind.encode("ascii") + b" v1\0" + canonical.encode(signed)


def _parse(kind: str, raw: bytes) -> tuple[dict[str, JsonValue], bytes]:
    try:
        require(len(raw) <= MAX_DOCUMENT, "it is longer than any document")
        value = object_of(canonical.decode(raw))
        require(value.pop("kind", None) == kind, f"it is not of the kind {kind}")
        signature = canonical.base64_bytes(text_of(value.pop("signature", None)))
        require(len(signature) == SIGNATURE_BYTES, "the signature has the wrong length")
    except ValueError as error:
        raise DocumentRefused(f"This is not a signed document: {error}.") from error
    return value, signature


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The centre's answer to a collector that enrolled. `issued` is ms UTC.

    `analysis_keys` are in the centre's order of preference. `release_keys` are those whose pack releases the collector may
    load; left out of the document where there is none. A collector that is enrolled again goes on with
    the chain at `next_sequence`, after the envelope whose digest is `previous`.
    """

    collector: str
    centre: str
    receipt_key: bytes
    analysis_keys: tuple[AnalysisPublicKey, ...]
    next_sequence: int
    previous: str
    issued: int
    release_keys: tuple[VerifyKey, ...] = ()

    KIND = "enrolment"

    def sign(self, key: SigningKey) -> bytes:
        """The document's bytes, signed by the receipt key that it names."""
        return sign(
            self.KIND,
            {
                "collector": self.collector,
                "centre": self.centre,
                "receipt_key": canonical.base64_text(self.receipt_key),
                "analysis_keys": [k.to_text() for k in self.analysis_keys],
                "next_sequence": self.next_sequence,
                "previous": self.previous,
                "issued": self.issued,
                **({"release_keys": [k.to_text() for k in self.release_keys]} if self.release_keys else {}),
            },
            key,
        )

    @classmethod
    def read(cls, raw: bytes) -> Enrolment:
        """Read and verify with the key that the document itself names: its origin is the pinned TLS
        connection.

        Raises DocumentRefused or SignatureRefused.
        """
        claimed, _ = _parse(cls.KIND, raw)
        try:
            key = VerifyKey(canonical.base64_bytes(text_of(claimed.get("receipt_key"))))
            value = _exactly(read(cls.KIND, raw, key), cls, may={"release_keys"})
            keys = list_of(value["analysis_keys"])
            require(bool(keys), "it names no analysis key")
            return cls(
                collector=text_of(value["collector"], 16),
                centre=text_of(value["centre"]),
                receipt_key=key.raw,
                analysis_keys=tuple(AnalysisPublicKey.from_text(text_of(k)) for k in keys),
                next_sequence=count_of(value["next_sequence"], least=1),
                previous=text_of(value["previous"], 64),
                issued=count_of(value["issued"]),
                release_keys=tuple(VerifyKey.from_text(text_of(k)) for k in list_of(value.get("release_keys", []))),
            )
        except (ValueError, KeyRefused) as error:
            raise DocumentRefused(f"The enrolment document is wrong: {error}.") from error


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that a centre gives out, a pack release or its list of sources: number, hex SHA-256 and length."""

    number: int
    sha256: str
    size: int

    def to_json(self) -> dict[str, JsonValue]:
        return {"number": self.number, "sha256": self.sha256, "size": self.size}

    @classmethod
    def from_json(cls, value: JsonValue) -> Offer:
        """Raises ValueError."""
        read = object_of(value)
        require(set(read) == {"number", "sha256", "size"}, "what it offers has other keys than expected")
        sha256 = text_of(read["sha256"], 64)
        require(bool(_SHA256.fullmatch(sha256)), "the digest of what it offers is none")
        return cls(count_of(read["number"], least=1), sha256, count_of(read["size"], least=1))


@dataclass(frozen=True, slots=True)
class Status:
    """What the centre wants a collector to know. `time` is the centre's clock in ms UTC.

    `packs` is the version of the packs in the centre's own program, `release` what it has published beyond them, left out of the
    document where that is nothing; `sieve` are additional rules of the sieve; `stop` tells the
    collector to send nothing for now; `next_sequence` and `previous` are where its chain goes on. `bundle_form` is the newest
    form of a payload that the centre reads, left out where that is the first. `revoked` are revocations of release keys
    (`envelope.revocations`), which prove themselves; left out where there is none. `sources` is the list of sources seen across
    the network (`envelope.source_list`); left out where there is none, and for a collector that did not say that it reads such.
    `trust` answers the nonce of a collector that asked with one, and of no other; a centre that gives it also takes changes of the
    collector's key (`envelope.rotation`).
    """

    collector: str
    packs: str
    sieve: tuple[str, ...]
    minimum_version: str
    stop: bool
    time: int
    next_sequence: int
    previous: str
    analysis_keys: tuple[AnalysisPublicKey, ...]
    bundle_form: int = 1
    release: Offer | None = None
    revoked: tuple[str, ...] = ()
    sources: Offer | None = None
    trust: Trust | None = None

    KIND = "status"

    def sign(self, key: SigningKey) -> bytes:
        return sign(
            self.KIND,
            {
                "collector": self.collector,
                "packs": self.packs,
                "sieve": list(self.sieve),
                "minimum_version": self.minimum_version,
                "stop": self.stop,
                "time": self.time,
                "next_sequence": self.next_sequence,
                "previous": self.previous,
                "analysis_keys": [k.to_text() for k in self.analysis_keys],
                **({"bundle_form": self.bundle_form} if self.bundle_form > 1 else {}),
                **({"release": self.release.to_json()} if self.release else {}),
                **({"revoked": list(self.revoked)} if self.revoked else {}),
                **({"sources": self.sources.to_json()} if self.sources else {}),
                **({"trust": self.trust.to_json()} if self.trust else {}),
            },
            key,
        )

    @classmethod
    def read(cls, raw: bytes, *keys: VerifyKey) -> Status:
        """Raises DocumentRefused or SignatureRefused."""
        value = read(cls.KIND, raw, *keys)
        try:
            value = _exactly(value, cls, may={"bundle_form", "release", "revoked", "sources", "trust"})
            return cls(
                collector=text_of(value["collector"], 16),
                packs=text_of(value["packs"], 64),
                sieve=tuple(text_of(rule) for rule in list_of(value["sieve"])),
                minimum_version=text_of(value["minimum_version"], 32),
                stop=flag_of(value["stop"]),
                time=count_of(value["time"]),
                next_sequence=count_of(value["next_sequence"], least=1),
                previous=text_of(value["previous"], 64),
                analysis_keys=tuple(AnalysisPublicKey.from_text(text_of(k)) for k in list_of(value["analysis_keys"])),
                bundle_form=count_of(value.get("bundle_form", 1), least=1),
                release=Offer.from_json(value["release"]) if "release" in value else None,
                revoked=tuple(text_of(one, revocations.LONGEST) for one in list_of(value.get("revoked", []))),
                sources=Offer.from_json(value["sources"]) if "sources" in value else None,
                trust=Trust.from_json(value["trust"]) if "trust" in value else None,
            )
        except (ValueError, KeyRefused) as error:
            raise DocumentRefused(f"The status document is wrong: {error}.") from error


def _exactly(value: dict[str, JsonValue], shape: type[Enrolment] | type[Status], may: set[str]) -> dict[str, JsonValue]:
    """The value, if it has the keys of the shape and no other; those in `may` came later and need not be there."""
    keys = {name for name in shape.__slots__ if name != "KIND"}
    if not keys - may <= set(value) <= keys:
        raise ValueError("it has other keys than expected")
    return value
