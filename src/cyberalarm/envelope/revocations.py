"""Revoking a release key: a word that nobody but the key itself can give, and that holds for ever.

    revocation = "revoked:" base64url(public key | signature)

Invariants
- Signed by the key that it revokes. Whoever has the centre, or another release key, cannot take a key away; a thief of the key can
  only throw away what he stole.
- It says nothing else: no date, no reason, no successor. So it may be made with the key, be kept apart from it, be read by anybody
  and be told again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.envelope import canonical
from cyberalarm.envelope.errors import KeyRefused, SignatureRefused
from cyberalarm.envelope.keys import SIGNATURE_BYTES, VerifyKey

if TYPE_CHECKING:
    from cyberalarm.envelope.keys import SigningKey

MOST = 16  # in a status
LONGEST = 192  # characters; one has 136
_BEGIN = "revoked:"
_PURPOSE = b"CyberAlarm release key revocation v1\0"


def revoke(key: SigningKey) -> str:
    """The text that revokes this key, wherever somebody trusts it."""
    return _BEGIN + canonical.base64_text(key.public + key.sign(_PURPOSE + key.public))


def revoked(text: str) -> VerifyKey:
    """The key that a revocation revokes. Raises KeyRefused unless that key itself signed it."""
    try:
        canonical.require(text.startswith(_BEGIN) and len(text) <= LONGEST, "it does not begin as one, or is too long")
        raw = canonical.base64_bytes(text.removeprefix(_BEGIN))
        key = VerifyKey(raw[:-SIGNATURE_BYTES])
        key.verify(raw[-SIGNATURE_BYTES:], _PURPOSE + key.raw)
    except (ValueError, SignatureRefused) as error:
        raise KeyRefused(
            "This is not the revocation of a release key.",
            next_step="Copy the whole line that `formats release revocation` printed, from `revoked:` to its end.",
        ) from error
    return key
