"""A stream of bytes cut into lines: ended by a newline, or with octet counting (RFC 6587), also mixed.

Invariants
- Where the stream happens to be split makes no difference: the same lines and the same number of over-long ones come out.
- At most one line's length is kept. A line beyond the bound is counted once, and thrown away up to its end, however long.

Pure; it does not read sockets or files.
"""

from __future__ import annotations

import re

from cyberalarm.collector.receive.chunk import LONGEST_LINE

# RFC 6587, 3.4.1: MSG-LEN SP SYSLOG-MSG, where SYSLOG-MSG begins with a priority. It sets no bound; nobody sends a message of ten
# million bytes, and a count that was damaged must not make us deaf for long.
_COUNTED = re.compile(rb"([1-9][0-9]{0,6}) (?=<)")
_MAYBE_COUNTED = re.compile(rb"[1-9][0-9]{0,6} ?\Z")
_ANY_COUNTED = re.compile(rb"^[1-9][0-9]{0,6} <", re.MULTILINE)
_ENDS = b"\r\n\0"
_TO_NEWLINE = -1


class Framing:
    """`feed` is total on any bytes. Files never count octets: `counted=False`.

    `skipping`: begin inside a line that was over-long and has been counted.
    """

    def __init__(self, *, counted: bool = True, longest: int = LONGEST_LINE, skipping: bool = False) -> None:
        self._counted = counted
        self._longest = longest
        self._rest = b""
        self._skipping = _TO_NEWLINE if skipping else 0  # bytes still to throw away, or _TO_NEWLINE

    @property
    def unfinished(self) -> int:
        """Bytes that were fed and are neither given out nor thrown away."""
        return len(self._rest)

    @property
    def skipping(self) -> bool:
        """Is what comes next the rest of an over-long line?"""
        return self._skipping != 0

    def feed(self, received: bytes) -> tuple[bytes, int]:
        """The lines that are whole now, each ended by a newline, and how many over-long ones were thrown away."""
        rest = self._rest + received if self._rest else received
        at = self._skip(rest, 0)
        end = rest.rfind(b"\n") + 1
        if end > at and self._plain(rest, at, end) and len(rest) - end <= self._longest:
            self._rest = rest[end:]
            return rest[at:end], 0
        return self._line_by_line(rest, at)

    def finish(self) -> bytes:
        """What stood unfinished when the sender ended: still a line."""
        rest, self._rest = self._rest, b""
        if self._skipping or not rest:
            self._skipping = 0
            return b""
        prefix = self._match(_COUNTED, rest, 0)
        return _one_line(rest[prefix.end() :] if prefix else rest)

    def _plain(self, rest: bytes, start: int, end: int) -> bool:
        """Only lines of a bounded length that end in a newline? The usual case, and the one that must be fast."""
        # A `^` does not match at `start` behind a message whose octets were counted.
        if self._counted and (_COUNTED.match(rest, start) or _ANY_COUNTED.search(rest, start)):
            return False
        # A line longer than the bound spans at least one multiple of it.
        for at in range(start + self._longest, end, self._longest):
            first = max(rest.rfind(b"\n", start, at) + 1, start)
            if rest.find(b"\n", at) - first > self._longest:
                return False
        return True

    def _line_by_line(self, rest: bytes, at: int) -> tuple[bytes, int]:
        lines: list[bytes] = []
        overflow = 0
        while at < len(rest):
            if self._skipping:
                at = self._skip(rest, at)
                continue
            counted = self._match(_COUNTED, rest, at)
            if counted is None and self._match(_MAYBE_COUNTED, rest, at):
                break  # a count that has not arrived whole
            if counted:
                start, length = counted.end(), int(counted[1])
                if length > self._longest:
                    overflow += 1
                    self._skipping, at = length, start
                    continue
                if start + length > len(rest):
                    break
                lines.append(_one_line(rest[start : start + length]))
                at = start + length
                continue
            end = rest.find(b"\n", at)
            if (len(rest) if end < 0 else end) - at > self._longest:
                overflow += 1
                self._skipping = _TO_NEWLINE
                continue
            if end < 0:
                break
            lines.append(rest[at : end + 1])
            at = end + 1
        self._rest = rest[at:]
        return b"".join(lines), overflow

    def _match(self, pattern: re.Pattern[bytes], rest: bytes, at: int) -> re.Match[bytes] | None:
        return pattern.match(rest, at) if self._counted else None

    def _skip(self, rest: bytes, at: int) -> int:
        """Throw away what is left of an over-long line; gives where to go on."""
        if self._skipping == _TO_NEWLINE:
            end = rest.find(b"\n", at)
            if end < 0:
                return len(rest)
            self._skipping = 0
            return end + 1
        step = min(self._skipping, len(rest) - at)
        self._skipping -= step
        return at + step


def _one_line(message: bytes) -> bytes:
    return message.rstrip(_ENDS).replace(b"\n", b" ") + b"\n"
