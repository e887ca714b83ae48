"""Files are read for the decoder in pieces that end where a line ends, and nothing is left out or told twice."""

from __future__ import annotations

import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import kernel


def pieces(content: bytes, most: int) -> list[bytes]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return list(kernel.whole_lines(file.fileno(), most))


@given(st.text("ab\n", max_size=60).map(str.encode), st.integers(1, 20))
def test_pieces_are_the_file_and_end_where_lines_end(content: bytes, most: int) -> None:
    found = pieces(content, most)
    assert b"".join(found) == content
    assert all(piece.endswith(b"\n") for piece in found[:-1])
    assert all(len(piece) >= most for piece in found[:-1])
    assert all(b"\n" not in piece[most:-1] for piece in found)


@pytest.mark.parametrize("length", [kernel.LOOK - 1, kernel.LOOK, kernel.LOOK + 1, 5 * kernel.LOOK])
def test_a_line_longer_than_one_look_stays_whole(length: int) -> None:
    first, second = b"a" * length + b"\n", b"b" * length + b"\n"
    assert pieces(first + second, 1) == [first, second]
