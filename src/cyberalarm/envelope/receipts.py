"""The receipt: the centre's signed word that the rows of one envelope are durable.

A collector may delete a bundle from its spool once it holds the receipt for it, and never before.

A receipt may say that the bundle was put aside instead: it is kept as it came, has its place in the chain, and none of its rows is
stored; people at the centre decide about it. Only a collector that says that it reads that word is given it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyberalarm.envelope import documents
from cyberalarm.envelope.canonical import JsonValue, count_of, require, text_of
from cyberalarm.envelope.errors import DocumentRefused

if TYPE_CHECKING:
    from cyberalarm.envelope.keys import SigningKey, VerifyKey

_KIND = "receipt"
_KEYS = frozenset({"collector", "envelope", "received", "rows", "sequence"})
_ASIDE = "quarantined"
READS_HEADER = "CyberAlarm-Reads"  # of a request with an envelope
READS_QUARANTINED = _ASIDE
_CODE = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Receipt:
    """`envelope` is the digest of the whole envelope; `received` is ms UTC at the centre. `quarantined` is the code of why it was
    put aside, empty where its rows are stored.
    """

    envelope: str
    collector: str
    sequence: int
    rows: int
    received: int
    quarantined: str = ""


def issue(receipt: Receipt, key: SigningKey) -> bytes:
    """The receipt as signed bytes. The same receipt and key always give the same bytes."""
    content: dict[str, JsonValue] = {name: getattr(receipt, name) for name in _KEYS}
    if receipt.quarantined:
        content[_ASIDE] = receipt.quarantined
    return documents.sign(_KIND, content, key)


def renew(receipt_bytes: bytes, key: SigningKey) -> bytes:
    """A receipt of one's own, signed anew by the key that has followed the one it was signed by. Raises DocumentRefused."""
    content = documents.claimed(_KIND, receipt_bytes)
    return documents.sign(_KIND, content, key)


def read(receipt_bytes: bytes, *keys: VerifyKey) -> Receipt:
    """The receipt, once proven to be signed by one of these keys. Raises DocumentRefused or SignatureRefused."""
    value = documents.read(_KIND, receipt_bytes, *keys)
    try:
        require(set(value) - {_ASIDE} == _KEYS, "it has other keys than expected")
        aside = text_of(value[_ASIDE], 32) if _ASIDE in value else ""
        require(_ASIDE not in value or bool(_CODE.fullmatch(aside)), "no code of why it was put aside")
        return Receipt(
            envelope=text_of(value["envelope"], 64),
            collector=text_of(value["collector"], 16),
            sequence=count_of(value["sequence"], least=1),
            rows=count_of(value["rows"]),
            received=count_of(value["received"]),
            quarantined=aside,
        )
    except ValueError as error:
        raise DocumentRefused(f"The receipt is wrong: {error}.") from error
