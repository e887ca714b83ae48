"""The registration token: all that a person pastes into a new collector, in one line.

`ca1.<base64url of canonical JSON>.<8 hex digits>`: where the centre is, which certificate it must show, which
collector this is, and a secret that works once. The last part is a checksum, so that a token cut off in
copying is told from a wrong one. The centre keeps the secret's hash only.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field

from cyberalarm.envelope import canonical
from cyberalarm.envelope.errors import TokenMalformed

_PREFIX = "ca1"
_SECRET_BYTES = 24  # 192 bits
_KEYS = frozenset({"centre", "collector", "pin", "secret"})
_KEYS_WHILE_CHANGING = _KEYS | {"next_pin"}
_HEX_64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_URL = re.compile(r"https://[^\s/]+(/\S*)?", re.ASCII)
_MOST_TEXT = 4096


@dataclass(frozen=True, slots=True)
class RegistrationToken:
    """`centre` is the centre's https address, `pin` the hex SHA-256 of its certificate (DER); empty: public
    trust. `next_pin` is that of the certificate which is to follow, while it is announced.
    """

    centre: str
    pin: str
    collector: str
    secret: bytes = field(repr=False)
    next_pin: str = ""

    @classmethod
    def new(cls, centre: str, pin: str, collector: str, next_pin: str = "") -> RegistrationToken:
        """A token with a fresh random secret."""
        return cls(centre, pin, collector, secrets.token_bytes(_SECRET_BYTES), next_pin)

    @property
    def secret_hash(self) -> str:
        """Hex SHA-256 of the secret: what the centre keeps. A secret is random, so a plain hash is enough."""
        return secret_hash(self.secret)

    def to_text(self) -> str:
        content = {
            "centre": self.centre,
            "collector": self.collector,
            "pin": self.pin,
            "secret": canonical.base64_text(self.secret),
            **({"next_pin": self.next_pin} if self.next_pin else {}),
        }
        body = f"{_PREFIX}.{canonical.base64_text(canonical.encode(content))}"
        return f"{body}.{_checksum(body)}"

    @classmethod
    def from_text(cls, text: str) -> RegistrationToken:
        """Read a pasted token, whatever white space came with it. Raises TokenMalformed."""
        compact = "".join(text[:_MOST_TEXT].split())
        if not compact.startswith(_PREFIX + "."):
            raise TokenMalformed(
                "This is not a registration token.",
                next_step=f"A token begins with “{_PREFIX}.”; copy all of it.",
            )
        body, _, checksum = compact.rpartition(".")
        if body == _PREFIX or checksum != _checksum(body):
            raise TokenMalformed(
                "The registration token was cut off or changed when it was copied.",
                next_step="Copy the whole line again, from “ca1.” to its end.",
            )
        try:
            value = canonical.object_of(canonical.decode(canonical.base64_bytes(body.partition(".")[2])))
            canonical.require(set(value) in (_KEYS, _KEYS_WHILE_CHANGING), "it has other keys than expected")
            token = cls(
                centre=canonical.text_of(value["centre"], 500),
                pin=canonical.text_of(value["pin"], 64),
                collector=canonical.text_of(value["collector"], 16),
                secret=canonical.base64_bytes(canonical.text_of(value["secret"], 64)),
                next_pin=canonical.text_of(value.get("next_pin", ""), 64),
            )
            token._check()
        except ValueError as error:
            raise TokenMalformed(
                f"The registration token is damaged: {error}.", next_step="Ask for a new token."
            ) from error
        return token

    def _check(self) -> None:
        if not _URL.fullmatch(self.centre):
            raise ValueError("the centre's address is not https")
        if any(pin and not _HEX_64.fullmatch(pin) for pin in (self.pin, self.next_pin)):
            raise ValueError("the pin is not a SHA-256")
        if len(self.secret) < 16:
            raise ValueError("the secret is too short")


def secret_hash(secret: bytes) -> str:
    """Hex SHA-256 of a token's secret, with its own domain."""
    return hashlib.sha256(b"CyberAlarm token v1\0" + secret).hexdigest()


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode("utf-8", "replace")).hexdigest()[:8]
