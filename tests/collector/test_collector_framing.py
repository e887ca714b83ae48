"""Streams cut into lines: whatever the framing, wherever the stream is split."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cyberalarm.collector.receive.chunk import LONGEST_LINE
from cyberalarm.collector.receive.framing import Framing
from tests.collector.processes import python

LONGEST = 40


def model(stream: bytes, counted: bool = True, longest: int = LONGEST) -> tuple[list[bytes], int]:
    """What a stream holds, read as a whole and slowly: its lines, and how many over-long ones."""
    lines, overflow, at = [], 0, 0
    while at < len(stream):
        found = re.match(rb"([1-9][0-9]{0,6}) <", stream[at : at + 10]) if counted else None
        if found:
            start, length = at + found.end() - 1, int(found[1])
            at = start + length
            if length > longest:
                overflow += 1
            else:
                lines.append(stream[start:at].rstrip(b"\r\n\0").replace(b"\n", b" "))
            continue
        line, newline, _ = stream[at:].partition(b"\n")
        at += len(line) + len(newline)
        if len(line) > longest:
            overflow += 1
        else:
            lines.append(line if newline else line.rstrip(b"\r\n\0"))
    return lines, overflow


def split(lines: bytes) -> list[bytes]:
    assert not lines or lines.endswith(b"\n")
    return lines.split(b"\n")[:-1]


_text = st.binary(max_size=LONGEST + 6).map(lambda raw: raw.replace(b"\n", b"."))
_pieces = st.one_of(
    _text.map(lambda text: text + b"\n"),
    _text.map(lambda text: b"<13>" + text + b"\n"),
    st.binary(max_size=LONGEST + 6).map(lambda text: b"%d <13>%s" % (len(text) + 4, text)),
    st.integers(0, 10**9).map(lambda n: b"%d " % n),
    st.integers(0, 10**9).map(lambda n: b"%d <" % n),
    st.sampled_from([b"\n", b"\n\n", b"\r\n", b"\0", b"<", b" ", b"1", b"7 ", b"12 <x\n"]),
    st.binary(max_size=200),
)


class FramingMachine(RuleBasedStateMachine):
    """Pieces of any kind, one byte or many at once; at every moment what came out is what the model says."""

    @initialize(counted=st.booleans())
    def start(self, counted: bool) -> None:
        self.counted = counted
        self.framing = Framing(counted=counted, longest=LONGEST)
        self.stream = b""
        self.lines: list[bytes] = []
        self.overflow = 0

    @rule(piece=_pieces, data=st.data())
    def send(self, piece: bytes, data: st.DataObject) -> None:
        self.stream += piece
        cuts = sorted(data.draw(st.lists(st.integers(0, len(piece)), max_size=4)))
        for start, end in zip([0, *cuts], [*cuts, len(piece)], strict=True):
            if start == end:
                continue  # a socket gives at least one byte
            lines, overflow = self.framing.feed(piece[start:end])
            self.lines += split(lines)
            self.overflow += overflow

    @invariant()
    def what_came_out_is_true(self) -> None:
        lines, overflow = model(self.stream, self.counted)
        assert self.lines == lines[: len(self.lines)]
        assert self.overflow <= overflow
        assert len(self.framing._rest) <= LONGEST + 10  # one line, and its count

    def teardown(self) -> None:
        if hasattr(self, "framing"):
            rest = split(self.framing.finish())
            assert (self.lines + rest, self.overflow) == model(self.stream, self.counted)


TestFraming = FramingMachine.TestCase
TestFraming.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


@given(st.lists(_pieces, max_size=12).map(b"".join), st.integers(1, 7), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_split_gives_the_same(stream: bytes, step: int, counted: bool) -> None:
    framing = Framing(counted=counted, longest=LONGEST)
    lines, overflow = [], 0
    for at in range(0, len(stream), step):
        found, over = framing.feed(stream[at : at + step])
        lines += split(found)
        overflow += over
    lines += split(framing.finish())
    assert (lines, overflow) == model(stream, counted)


def test_a_line_of_exactly_the_bound_is_taken_and_one_more_is_not() -> None:
    framing = Framing()
    assert framing.feed(b"x" * LONGEST_LINE + b"\n") == (b"x" * LONGEST_LINE + b"\n", 0)
    assert framing.feed(b"x" * (LONGEST_LINE + 1) + b"\nnext\n") == (b"next\n", 1)


def test_an_over_long_line_is_counted_once_however_it_comes() -> None:
    framing = Framing()
    counted = [framing.feed(b"x" * 50_000) for _ in range(20)]
    assert sum(overflow for _, overflow in counted) == 1
    assert framing.feed(b"end\nafter\n") == (b"after\n", 0)
    assert framing.feed(b"100000 <13>" + b"x" * 50_000) == (b"", 1)
    assert framing.feed(b"x" * 49_996 + b"9 <13>hello") == (b"<13>hello\n", 0)


def test_a_count_that_cannot_be_is_text() -> None:
    """A damaged count must not swallow what follows for gigabytes."""
    assert Framing().feed(b"99999999 <13>one\n<13>two\n") == (b"99999999 <13>one\n<13>two\n", 0)


def test_a_message_that_was_cut_off_is_still_a_line() -> None:
    framing = Framing()
    assert framing.feed(b"90 <13>cut\noff") == (b"", 0)
    assert framing.finish() == b"<13>cut off\n"
    assert framing.finish() == b""


FEED_A_GIGABYTE = """
import resource
from cyberalarm.collector.receive.framing import Framing
framing, piece, overflow = Framing(), {piece}, 0
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(1024 * 1024 * 1024 // len(piece)):
    lines, over = framing.feed(piece)
    assert not lines
    overflow += over
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(overflow, grown)
print(*framing.feed(b"\\nafter\\n"))
"""


@pytest.mark.parametrize(("piece", "overflow"), [("bytes(262144)", 1), ("b'7' * 65536", 1)])
def test_a_gigabyte_without_a_newline_takes_no_memory(piece: str, overflow: int) -> None:
    counts, after = python(FEED_A_GIGABYTE.replace("{piece}", piece), timeout=120).splitlines()
    counted, grown_kib = map(int, counts.split())
    assert counted == overflow
    assert grown_kib < 8 * 1024
    assert after == r"b'after\n' 0"
