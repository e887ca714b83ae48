"""Sealed streams: whole or refused, whatever is done to them."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.envelope.errors import SealRefused
from cyberalarm.envelope.keys import AnalysisKey, Suite
from cyberalarm.envelope.vault import CHUNK, VaultWriter, opened

KEY = AnalysisKey.generate(Suite.CLASSIC)


def sealed(*pieces: bytes, key: AnalysisKey = KEY) -> bytes:
    out = io.BytesIO()
    writer = VaultWriter(out.write, key.public)
    for piece in pieces:
        writer.add(piece)
    writer.close()
    return out.getvalue()


def content(stream: bytes, key: AnalysisKey = KEY) -> bytes:
    return b"".join(opened(io.BytesIO(stream), key))


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_what_goes_in_comes_out(suite: Suite, size: int) -> None:
    key = AnalysisKey.generate(suite)
    plain = bytes(range(256)) * (size // 256 + 1)
    assert content(sealed(plain[: size // 3], plain[size // 3 : size], key=key), key) == plain[:size]


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_no_byte_can_be_changed(at: int, by: int) -> None:
    stream = bytearray(sealed(b"x" * 300))
    stream[at % len(stream)] ^= by
    with pytest.raises(SealRefused):
        content(bytes(stream))


@given(st.integers(0, 10**6))
def test_no_end_can_be_cut_off(length: int) -> None:
    stream = sealed(b"x" * 300)
    with pytest.raises(SealRefused):
        content(stream[: length % len(stream)])


def test_no_chunk_can_be_left_out_or_put_elsewhere() -> None:
    stream = sealed(b"a" * CHUNK + b"b" * CHUNK + b"c")
    size = CHUNK + 16
    head = len(stream) - 2 * size - 17
    first, second, last = stream[head : head + size], stream[head + size : head + 2 * size], stream[head + 2 * size :]
    assert content(stream[:head] + first + second + last)
    for wrong in (first + second, second + first + last, first + last, second + last, last):
        with pytest.raises(SealRefused):
            content(stream[:head] + wrong)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(SealRefused):
        content(raw)


def test_another_key_is_told_apart_from_damage() -> None:
    with pytest.raises(SealRefused, match="another recovery key"):
        content(sealed(b"x"), AnalysisKey.generate(Suite.CLASSIC))
