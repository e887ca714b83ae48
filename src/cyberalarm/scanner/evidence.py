"""Bytes that a stranger sent, made fit to keep and show: trimmed, one line, no control or direction
characters.
"""

from __future__ import annotations

import unicodedata

LONGEST = 512  # bytes kept as evidence of one finding


def trimmed(raw: bytes | str, longest: int = LONGEST) -> str:
    """Text of at most `longest` bytes of input in which every character is printable."""
    text = raw[:longest].decode("utf-8", "replace") if isinstance(raw, bytes) else raw[:longest]
    shown = ("·" if unicodedata.category(c)[0] == "C" else " " if c.isspace() else c for c in text.strip())
    return "".join(shown)
