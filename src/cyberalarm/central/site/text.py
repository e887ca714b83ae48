"""Text that people type into a field of one line, made plain. Pure."""

from __future__ import annotations

import re

# Controls, and characters that turn the direction of what follows or cannot be seen: a name must look like what it is.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_UNSEEN = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def plain_line(value: str) -> str:
    """Text of one line: no control characters, none that hide or turn text, single spaces."""
    return " ".join(_UNSEEN.sub("", _CONTROL.sub(" ", value)).split())
