"""Signed HTTP requests: enrolment, and requests that carry no envelope.

A request is signed over its method, path, time and the hash of its body, and is good for five minutes around
its time, so that a stored copy is soon worth nothing. A request that repeats within that time does no harm:
signed requests read, and at most say again what their collector said of itself.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from cyberalarm.envelope import canonical
from cyberalarm.envelope.canonical import JsonValue, require, text_of
from cyberalarm.envelope.errors import KeyRefused, RequestRefused, SignatureRefused
from cyberalarm.envelope.keys import SigningKey, VerifyKey
from cyberalarm.envelope.tokens import RegistrationToken, secret_hash
from cyberalarm.envelope.trust import NONCE

if TYPE_CHECKING:
    from collections.abc import Mapping

COLLECTOR_HEADER = "CyberAlarm-Collector"
TIME_HEADER = "CyberAlarm-Time"
SIGNATURE_HEADER = "CyberAlarm-Signature"
WINDOW_MS = 5 * 60 * 1000
MAX_ENROLMENT_REQUEST = 8 * 1024
_ENROLMENT_KEYS = frozenset({"collector", "platform", "proof", "public_key", "secret", "version"})


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The three headers of a signed request: claims until `verify` has passed. `time` is ms UTC."""

    collector: str
    time: int
    signature: bytes

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> SignedRequest:
        """Read the headers; names are looked up as given here, so pass a case-insensitive mapping. Raises
        RequestRefused.
        """
        try:
            time = headers[TIME_HEADER]
            require(time.isascii() and time.isdigit() and len(time) <= 15, "the time is no number of ms")
            return cls(
                text_of(headers[COLLECTOR_HEADER], 16),
                int(time),
                canonical.base64_bytes(text_of(headers[SIGNATURE_HEADER], 128)),
            )
        except (KeyError, ValueError) as error:
            raise RequestRefused(
                "The request is not signed as it should be.", next_step="See docs/collector-api.md."
            ) from error

    def verify(self, key: VerifyKey, method: str, path: str, body: bytes, now: int) -> None:
        """Raises RequestRefused (`request-time`, `request-signature`) unless this key signed this request
        just now.
        """
        if abs(now - self.time) > WINDOW_MS:
            raise RequestRefused(
                "The request was made more than five minutes ago or ahead.",
                next_step="Set the collector's clock.",
                code="request-time",
            )
        try:
            key.verify(self.signature, _message(self.collector, method, path, self.time, body))
        except SignatureRefused as error:
            raise RequestRefused(
                "The request was not signed by this collector.",
                next_step="Enrol the collector anew if it lost its key.",
                code="request-signature",
            ) from error


def sign_request(key: SigningKey, collector: str, method: str, path: str, body: bytes, now: int) -> dict[str, str]:
    """The headers that sign a request. `path` is without scheme and host; `now` is ms UTC."""
    signature = key.sign(_message(collector, method, path, now, body))
    return {
        COLLECTOR_HEADER: collector,
        TIME_HEADER: str(now),
        SIGNATURE_HEADER: canonical.base64_text(signature),
    }


def _message(collector: str, method: str, path: str, time: int, body: bytes) -> bytes:
    content: dict[str, JsonValue] = {
        "body": hashlib.sha256(body).hexdigest(),
        "collector": collector,
        "method": method,
        "path": path,
        "time": time,
    }
    return b"CyberAlarm request v1\0" + canonical.encode(content)


@dataclass(frozen=True, slots=True)
class InUse:
    """What a collector says of itself when it asks for its status.

    The version of its program, the number of the pack release that it reads by (0: the packs of its program), and by its code why
    it does not use another one; empty when there is no such. `sources` is the newest form of a list of sources that it
    reads, 0 when none: a program of before would refuse a status that names one. `nonce` is what the answer must repeat, from a
    program that knows `envelope.trust`.
    """

    program: str
    release: int
    refused: str = ""
    sources: int = 0
    nonce: str = ""

    def to_query(self) -> str:
        """As the query of the request's path, which is signed with it."""
        said = {"program": self.program, "release": str(self.release), "refused": self.refused, "nonce": self.nonce}
        said["sources"] = str(self.sources or "")
        return urlencode({name: value for name, value in said.items() if value})

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> InUse | None:
        """None where it is not said, or in a way that is not understood: who asks gets its status all the same."""
        said = {name: query.get(name, "") for name in _SAID}
        if not all(pattern.fullmatch(said[name]) for name, pattern in _SAID.items()):
            return None
        return cls(said["program"], int(said["release"]), said["refused"], int(said["sources"] or 0), said["nonce"])


_SAID = {
    "program": re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,31}"),
    "release": re.compile(r"0|[1-9][0-9]{0,17}"),
    "refused": re.compile(r"[a-z-]{0,32}"),
    "sources": re.compile(r"([1-9][0-9]{0,3})?"),
    "nonce": re.compile(rf"({NONCE.pattern})?"),
}


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """What a new collector posts: the token's secret, its public key, and a proof that it holds the private
    one.
    """

    collector: str
    secret: bytes = field(repr=False)
    public_key: bytes
    version: str
    platform: str
    proof: bytes

    @classmethod
    def new(cls, token: RegistrationToken, key: SigningKey, version: str, platform: str) -> EnrolmentRequest:
        """A request signed with the collector's new key; version and platform are cut to 32 and 64
        characters.
        """
        proof = key.sign(_proof_message(token.collector, token.secret, key.public))
        return cls(token.collector, token.secret, key.public, version[:32], platform[:64], proof)

    def to_bytes(self) -> bytes:
        return canonical.encode(
            {
                "collector": self.collector,
                "platform": self.platform,
                "proof": canonical.base64_text(self.proof),
                "public_key": canonical.base64_text(self.public_key),
                "secret": canonical.base64_text(self.secret),
                "version": self.version,
            }
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> EnrolmentRequest:
        """Raises RequestRefused (`request-malformed`)."""
        try:
            require(len(raw) <= MAX_ENROLMENT_REQUEST, "it is too long")
            value = canonical.decode_object(raw, _ENROLMENT_KEYS)
            return cls(
                collector=text_of(value["collector"], 16),
                secret=canonical.base64_bytes(text_of(value["secret"], 64)),
                public_key=canonical.base64_bytes(text_of(value["public_key"], 64)),
                version=text_of(value["version"], 32),
                platform=text_of(value["platform"], 64),
                proof=canonical.base64_bytes(text_of(value["proof"], 128)),
            )
        except ValueError as error:
            raise RequestRefused(
                f"The enrolment request is wrong: {error}.",
                next_step="See docs/collector-api.md.",
                code="request-malformed",
            ) from error

    def verify_proof(self) -> None:
        """Raises RequestRefused (`request-signature`) unless the sender holds the private half of
        `public_key`.
        """
        try:
            message = _proof_message(self.collector, self.secret, self.public_key)
            VerifyKey(self.public_key).verify(self.proof, message)
        except (KeyRefused, SignatureRefused) as error:
            raise RequestRefused(
                "The enrolment request does not prove that its key is the sender's.",
                next_step="Try to enrol again.",
                code="request-signature",
            ) from error


def _proof_message(collector: str, secret: bytes, public_key: bytes) -> bytes:
    content = {
        "collector": collector,
        "public_key": canonical.base64_text(public_key),
        "secret_hash": secret_hash(secret),
    }
    return b"CyberAlarm enrolment proof v1\0" + canonical.encode(content)
