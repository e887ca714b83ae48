"""Where the keys of a TOML file stand, by line, so that a complaint about a key can name its line.

`tomllib` reads values and forgets places. This reads places and no values: table headers, keys in front of `=`, and the ends of
strings and brackets, so that what stands inside a value is never taken for a key. Keys inside inline tables have no place of
their own. Total on any text; on a file that is not TOML the places are a guess.
"""

from __future__ import annotations

import re
from collections import Counter

Path = tuple[str | int, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_DOTTED = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_DOTTED})[ \t]*\]\]?")
_KEY = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_ONE_PART = re.compile(_PART)
# What matters inside a value: strings (longest quotes first), comments, brackets, ends of lines.
_PIECE = re.compile(
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)|\'\'\'.*?(?:\'\'\'|\Z)|"(?:[^"\\\n]|\\.)*"?|\'[^\'\n]*\'?|#[^\n]*|[\[{]|[\]}]|\n',
    re.DOTALL,
)


def places(text: str) -> dict[Path, int]:
    """Line, from 1, of every key and table, as paths such as `("listen", "udp")` or `("files", 0, "path")`."""
    found: dict[Path, int] = {}
    arrays: Counter[Path] = Counter()
    table: Path = ()
    at, line = 0, 1
    while at < len(text):
        header = _HEADER.match(text, at)
        key = None if header else _KEY.match(text, at)
        if header:
            table = _resolved(_parts(header[2]), arrays, new=header[1] == "[[")
            _note(found, table, line)
        elif key:
            _note(found, table + _parts(key[1]), line)
        begin = (header or key).end() if header or key else at  # type: ignore[union-attr]
        end = _end_of_value(text, begin)
        line += text.count("\n", at, end)
        at = end
    return found


def nearest(found: dict[Path, int], path: Path) -> int | None:
    """The line of the longest beginning of a path that has one."""
    for length in range(len(path), 0, -1):
        if path[:length] in found:
            return found[path[:length]]
    return None


def _note(found: dict[Path, int], path: Path, line: int) -> None:
    for length in range(1, len(path) + 1):
        found.setdefault(path[:length], line)


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in _ONE_PART.findall(dotted))


def _resolved(path: Path, arrays: Counter[Path], *, new: bool) -> Path:
    """A header's path with the number of the newest entry behind every array of tables on its way."""
    resolved: Path = ()
    for number, part in enumerate(path):
        resolved = (*resolved, part)
        if new and number == len(path) - 1:
            arrays[resolved] += 1
        if arrays[resolved]:
            resolved = (*resolved, arrays[resolved] - 1)
    return resolved


def _end_of_value(text: str, at: int) -> int:
    """Behind the line on which what begins here ends: brackets and strings may take several lines."""
    depth = 0
    for piece in _PIECE.finditer(text, at):
        first = piece.group()[0]
        if first in "[{":
            depth += 1
        elif first in "]}":
            depth = max(depth - 1, 0)
        elif first == "\n" and depth == 0:
            return piece.end()
    return len(text)
