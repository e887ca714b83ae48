"""Text that people type into a field of one line, made plain. Pure."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def plain_line(value: str) -> str:
    """Text of one line: no control characters, single spaces."""
    return " ".join(_CONTROL.sub(" ", value).split())
