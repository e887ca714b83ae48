"""What a collector trusts its centre by: pins of its certificate, and keys that sign its receipts and documents.

There are two of each while one is being replaced: the present one, and the next, which is announced before it is used.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from cyberalarm.envelope.canonical import JsonValue, list_of, object_of, require, text_of
from cyberalarm.envelope.keys import VerifyKey

MOST_AT_ONCE = 2
_HEX_64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
NONCE = re.compile(r"[0-9a-f]{16,32}", re.ASCII)


def new_nonce() -> str:
    """What an answer must repeat to be an answer to this question, and not an old one."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Trust:
    """What a collector should trust in from now on, the present one first, and the nonce that this answers.

    Part of a status for a collector that asked for it, and of an introduction (`rotation`).
    """

    nonce: str
    pins: tuple[str, ...]
    receipt_keys: tuple[VerifyKey, ...]

    def to_json(self) -> dict[str, JsonValue]:
        return {
            "nonce": self.nonce,
            "pins": list(self.pins),
            "receipt_keys": [key.to_text() for key in self.receipt_keys],
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Trust:
        """Raises ValueError or KeyRefused."""
        read = object_of(value)
        require(set(read) == {"nonce", "pins", "receipt_keys"}, "the trust has other keys than expected")
        nonce = text_of(read["nonce"], 32)
        pins = tuple(text_of(pin, 64) for pin in list_of(read["pins"]))
        keys = tuple(VerifyKey.from_text(text_of(key, 64)) for key in list_of(read["receipt_keys"]))
        require(bool(NONCE.fullmatch(nonce)), "the nonce is none")
        require(1 <= len(pins) <= MOST_AT_ONCE and all(map(_HEX_64.fullmatch, pins)), "the pins are none")
        require(1 <= len(keys) <= MOST_AT_ONCE, "there is no receipt key, or there are too many")
        return cls(nonce, pins, keys)
