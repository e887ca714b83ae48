"""Canonical JSON: one value, one spelling. Sorted keys, no spaces, ASCII, whole numbers only.

`decode` accepts exactly what `encode` writes, so two readers can never understand the same bytes differently.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, NoReturn, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JsonValue: TypeAlias = "bool | int | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"


def encode(value: JsonValue) -> bytes:
    """Spell a value canonically."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def _no_fraction(text: str) -> NoReturn:
    raise ValueError(f"a number that is not whole: {text[:20]}")


def decode(raw: bytes) -> JsonValue:
    """Read canonical JSON. Raises ValueError on anything else, whatever the bytes."""
    try:
        value: JsonValue = json.loads(raw.decode("ascii"), parse_float=_no_fraction, parse_constant=_no_fraction)
        require(encode(value) == raw, "the JSON is valid but not canonical")
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    return value


def require(condition: bool, otherwise: str) -> None:
    """Raises ValueError, with words that end a sentence, unless the condition holds."""
    if not condition:
        raise ValueError(otherwise)


def decode_object(raw: bytes, keys: frozenset[str]) -> dict[str, JsonValue]:
    """Read a canonical JSON object with exactly these keys. Raises ValueError on anything else."""
    value = decode(raw)
    if not isinstance(value, dict) or set(value) != keys:
        raise ValueError(f"expected an object with the keys {', '.join(sorted(keys))}")
    return value


def text_of(value: JsonValue, most: int = 4096) -> str:
    """The value as text. Raises ValueError if it is none, or longer than `most` characters."""
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"expected text of at most {most} characters")
    return value


def object_of(value: JsonValue) -> dict[str, JsonValue]:
    """The value as an object. Raises ValueError if it is none."""
    if isinstance(value, dict):
        return value
    raise ValueError("expected an object")


def list_of(value: JsonValue) -> list[JsonValue]:
    """The value as a list. Raises ValueError if it is none."""
    if isinstance(value, list):
        return value
    raise ValueError("expected a list")


def flag_of(value: JsonValue) -> bool:
    """The value as true or false. Raises ValueError if it is neither."""
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


def count_of(value: JsonValue, least: int = 0) -> int:
    """The value as a whole number from `least` to 2^63-1. Raises ValueError otherwise."""
    if type(value) is not int or not least <= value < 2**63:
        raise ValueError(f"expected a whole number of at least {least}")
    return value


def base64_text(raw: bytes) -> str:
    """URL-safe base64 without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def base64_bytes(text: str) -> bytes:
    """Read what `base64_text` wrote, in its one spelling. Raises ValueError on anything else."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not URL-safe base64") from error
    if base64_text(raw) != text:
        raise ValueError("not canonical URL-safe base64")
    return raw
