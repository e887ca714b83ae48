"""Putting version numbers in order, for products that never agreed on how to write them.

`version_key` is total on arbitrary text and gives a total order in which `1.2` equals `1.2.0`, `1.10`
follows `1.9`, `rc` and `beta` come before the release, patch letters after it (OpenSSL's `zd` after `z`),
and `p1` after none. `debian_key` is the order of package revisions that dpkg defines. Neither is a
parser: nothing is ever invalid.
"""

from __future__ import annotations

import re
from functools import total_ordering

LONGEST = 128  # longer text is no version; the rest is ignored

_TOKEN = re.compile(r"[0-9]+|[a-z]+|~")
# Words that come before the release itself, in their own order. Others (p, patch, sp, single letters) come
# after.
_BEFORE = {"~": 0, "dev": 1, "snapshot": 1, "alpha": 2, "beta": 3, "preview": 4, "pre": 4, "cr": 5, "rc": 5}
_SAME = frozenset({"final", "release", "ga", "v", "version"})
_RANK_BEFORE, _RANK_END, _RANK_WORD, _RANK_NUMBER = 0, 1, 2, 3

_Token = tuple[int, int, str]
VersionKey = tuple[_Token, ...]


def _number(digits: str) -> _Token:
    plain = digits.lstrip("0")
    return (_RANK_NUMBER, len(plain), plain)  # longer is larger, so no integer is ever built


_ZERO = _number("0")


def version_key(text: str) -> VersionKey:
    """A key for sorting and comparing versions."""
    tokens: list[_Token] = []
    for word in _TOKEN.findall(text[:LONGEST].lower()):
        if word[0].isdigit():
            tokens.append(_number(word))
            continue
        if word in _SAME:
            continue
        _drop_zeros(tokens)
        if word in _BEFORE:
            tokens.append((_RANK_BEFORE, _BEFORE[word], ""))
        else:
            tokens.append((_RANK_WORD, len(word), word))
    _drop_zeros(tokens)
    return (*tokens, (_RANK_END, 0, ""))


def _drop_zeros(tokens: list[_Token]) -> None:
    while tokens and tokens[-1] == _ZERO:
        tokens.pop()


def fold_update(version: str, update: str) -> str:
    """CPE keeps `p1` of `9.2p1` in a field of its own; banners do not. `*` and `-` mean no update."""
    if update in {"", "*", "-"}:
        return version
    return f"{version}{update}" if update[0].isalpha() else f"{version}.{update}"


def in_range(version: str, *, start: str | None, start_open: bool, end: str | None, end_open: bool) -> bool:
    """Whether a version lies between two bounds; an open bound is not itself inside."""
    key = version_key(version)
    if start is not None and (key < version_key(start) or (start_open and key == version_key(start))):
        return False
    return end is None or key < version_key(end) or (not end_open and key == version_key(end))


_PART = re.compile(r"([^0-9]*)([0-9]*)")


@total_ordering
class _DebianPart:
    """One half of a Debian version (Debian Policy section 5.6.12): text and number runs by turns."""

    __slots__ = ("runs",)

    def __init__(self, text: str) -> None:
        runs: list[tuple[tuple[int, ...], tuple[int, str]]] = []
        for match in _PART.finditer(text):
            digits = match[2].lstrip("0")
            # `~` before the end, the end before letters, letters before everything else.
            words = (*(-1 if c == "~" else ord(c) if c.isalpha() else ord(c) + 0x110000 for c in match[1]), 0)
            if match[0] or not runs:
                runs.append((words, (len(digits), digits)))
        self.runs = (*runs, ((0,), (0, "")))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _DebianPart) and self.runs == other.runs

    def __lt__(self, other: _DebianPart) -> bool:
        return self.runs < other.runs

    def __hash__(self) -> int:
        return hash(self.runs)


def debian_key(version: str) -> tuple[_DebianPart, _DebianPart]:
    """A key for package versions without epoch, such as `9.2p1-2+deb12u3`."""
    text = version[:LONGEST]
    upstream, dash, revision = text.rpartition("-")
    return (_DebianPart(upstream), _DebianPart(revision)) if dash else (_DebianPart(text), _DebianPart("0"))


def upstream_of(version: str) -> str:
    """The maker's part of a package version."""
    upstream, dash, _ = version.rpartition("-")
    return upstream if dash else version
