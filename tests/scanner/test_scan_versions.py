"""The order of versions: hard pairs by hand, and that it is an order at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.scanner.versions import debian_key, fold_update, in_range, version_key

RISING = [
    ("9.2p1", "9.10"), ("9.3", "9.3p1"), ("9.3p1", "9.3p2"), ("8.5p1", "8.6"), ("1.9.3", "1.22.1"),
    ("7.0.9", "7.0.15"), ("1.0.2k", "1.0.2zd"), ("1.0.2z", "1.0.2za"), ("1.0.2", "1.0.2a"),
    ("1.0.1f", "1.0.1g"), ("2.4.0-rc1", "2.4.0"), ("2.0beta2", "2.0rc1"), ("2.0alpha", "2.0beta"),
    ("1.3.5rc4", "1.3.5"), ("1.3.5", "1.3.5a"), ("1.3.3b", "1.3.3c"), ("15.2(4)m3", "15.2(4)m10"),
    ("15.2(4)", "15.2(4)m3"), ("12.1-55.9", "12.1-55.302"), ("1.2", "1.2.0.1"), ("2016.74", "2018.76"),
    ("4.92.2", "4.92.10"), ("0.9.8", "1"), ("1.0~rc1", "1.0"), ("5.5.9", "10.11.19"),
]  # fmt: skip
EQUAL = [
    ("1.2", "1.2.0"),
    ("1.2.0.0", "1.2"),
    ("v1.4", "1.4"),
    ("1.02", "1.2"),
    ("2.0-RC1", "2.0rc1"),
    ("3.0.0p1", "3p1"),
]
DEBIAN = [
    ("9.2p1-2", "9.2p1-2+deb12u1"), ("9.2p1-2+deb12u3", "9.2p1-2+deb12u10"), ("1.0~rc1-1", "1.0-1"),
    ("1.0", "1.0-1"), ("8.9p1-3ubuntu0.9", "8.9p1-3ubuntu0.10"), ("1.0-1~bpo1", "1.0-1"),
    ("1.0a-1", "1.0+x-1"), ("9.9-1", "10.0-1"),
]  # fmt: skip


@pytest.mark.parametrize(("low", "high"), RISING)
def test_hard_pairs(low: str, high: str) -> None:
    assert version_key(low) < version_key(high)
    assert not version_key(high) < version_key(low)


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_same_version_written_twice(one: str, other: str) -> None:
    assert version_key(one) == version_key(other)


@pytest.mark.parametrize(("low", "high"), DEBIAN)
def test_package_revisions(low: str, high: str) -> None:
    assert debian_key(low) < debian_key(high)


VERSIONISH = st.one_of(st.text(), st.from_regex(r"[0-9a-z.~p+_-]{0,14}", fullmatch=True))


@given(VERSIONISH, VERSIONISH, VERSIONISH)
def test_total_order_on_any_text(a: str, b: str, c: str) -> None:
    for key in (version_key, debian_key):
        x, y, z = key(a), key(b), key(c)
        assert (x < y) + (x == y) + (y < x) == 1
        if x <= y and y <= z:
            assert x <= z


@given(st.text(alphabet="0123456789", min_size=129, max_size=9000))
def test_absurd_numbers_do_not_matter(digits: str) -> None:
    assert version_key(digits) == version_key(digits[:128])


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=4),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=4),
)
def test_plain_numbers_sort_as_numbers(a: list[int], b: list[int]) -> None:
    def stripped(parts: list[int]) -> list[int]:
        while parts and parts[-1] == 0:
            parts = parts[:-1]
        return parts

    texts = [".".join(map(str, p)) for p in (a, b)]
    assert (version_key(texts[0]) < version_key(texts[1])) == (stripped(a) < stripped(b))


def test_update_field_is_folded_in() -> None:
    assert fold_update("9.2", "p1") == "9.2p1"
    assert fold_update("9.2", "-") == fold_update("9.2", "*") == "9.2"


def test_bounds() -> None:
    def inside(version: str) -> bool:
        return in_range(version, start="8.5p1", start_open=False, end="9.8", end_open=True)

    assert [inside(v) for v in ("8.4p1", "8.5p1", "9.2p1", "9.7p1", "9.8p1", "9.8")] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]
    assert in_range("2.0", start=None, start_open=False, end="2.0", end_open=False)
    assert not in_range("2.0", start="2.0", start_open=True, end=None, end_open=False)
