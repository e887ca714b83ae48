"""The list of sources: exact, whole and signed, or refused with a code, whatever the bytes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.core.addresses import pack
from cyberalarm.envelope import canonical, source_list
from cyberalarm.envelope.documents import Offer, Status
from cyberalarm.envelope.errors import SourceListMalformed, SourceListRefused
from cyberalarm.envelope.keys import AnalysisKey, SigningKey
from cyberalarm.envelope.requests import InUse
from cyberalarm.envelope.source_list import SourceList

KEY, OTHER = SigningKey.generate(), SigningKey.generate()
DAY = 86_400_000
LISTED = SourceList(7, 5, 5 + DAY, (1, 2, 3, 2**31, 2**32 - 1), (0, 2**61, 2**64 - 1))
GOOD = source_list.sign(LISTED, KEY)

v4s = st.lists(st.integers(0, 2**32 - 1), max_size=200).map(source_list.rising)
v6s = st.lists(st.integers(0, 2**64 - 1), max_size=60).map(source_list.rising)


@given(v4s, v6s, st.integers(1, 2**60), st.integers(0, 2**50), st.integers(1, 31 * DAY))
def test_what_was_signed_is_read(v4: tuple[int, ...], v6: tuple[int, ...], number: int, at: int, life: int) -> None:
    listed = SourceList(number, at, at + life, v4, v6)
    assert source_list.read(source_list.sign(listed, KEY), KEY.verify_key) == listed


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_no_byte_may_change(at: int, difference: int) -> None:
    changed = bytearray(GOOD)
    changed[at] ^= difference
    with pytest.raises(SourceListRefused):
        source_list.read(bytes(changed), KEY.verify_key)


@pytest.mark.parametrize("end", range(0, len(GOOD), 5))
def test_no_byte_may_be_missing(end: int) -> None:
    with pytest.raises(SourceListMalformed):
        source_list.read(GOOD[:end], KEY.verify_key)


def outline(manifest: dict[str, object], coded: bytes, by: SigningKey = KEY) -> bytes:
    """Signed, whatever it says."""
    text = canonical.encode(manifest)  # type: ignore[arg-type]
    body = b"CAS1" + len(text).to_bytes(4) + text + len(coded).to_bytes(4) + coded
    return body + by.sign(b"CyberAlarm source list v1\0" + body)


def manifest(**changed: object) -> dict[str, object]:
    return {"expires": DAY, "form": 1, "issued": 0, "number": 1, "v4": 0, "v6": 0, **changed}


@given(st.binary(max_size=300), st.integers(0, 50), st.integers(0, 50))
@settings(max_examples=300)
def test_signed_nonsense_is_refused_or_is_the_one_coding_of_what_it_says(coded: bytes, v4: int, v6: int) -> None:
    raw = outline(manifest(v4=v4, v6=v6), coded)
    try:
        listed = source_list.read(raw, KEY.verify_key)
    except SourceListMalformed:
        return
    assert source_list.sign(listed, KEY) == raw


@given(st.one_of(st.binary(max_size=400), st.binary(max_size=300).map(lambda raw: b"CAS1" + raw)))
def test_arbitrary_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(SourceListRefused):
        source_list.read(raw, KEY.verify_key)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"form": 2}, "sources-form"),
        ({"form": True}, "sources-malformed"),
        ({"form": "1"}, "sources-malformed"),
        ({"number": 0}, "sources-malformed"),
        ({"issued": DAY}, "sources-malformed"),
        ({"expires": 40 * DAY}, "sources-malformed"),
        ({"v4": 1}, "sources-malformed"),
        ({"v6": source_list.MOST + 1}, "sources-malformed"),
        ({"v6": 2**40}, "sources-malformed"),
        ({"v4": -1}, "sources-malformed"),
        ({"who": "a member"}, "sources-malformed"),
    ],
)
def test_what_its_manifest_must_be(changed: dict[str, object], code: str) -> None:
    assert source_list.read(outline(manifest(), b""), KEY.verify_key).v4 == ()
    with pytest.raises(SourceListRefused) as caught:
        source_list.read(outline(manifest(**changed), b""), KEY.verify_key)
    assert caught.value.code == code


def test_nobody_else_signs_it() -> None:
    with pytest.raises(SourceListRefused) as caught:
        source_list.read(outline(manifest(), b"", OTHER), KEY.verify_key)
    assert caught.value.code == "sources-signature"


@pytest.mark.parametrize(("v4", "v6"), [((2, 1), ()), ((1, 1), ()), ((2**32,), ()), ((), (2**64,)), ((-1,), ())])
def test_what_does_not_rise_or_is_no_address_is_not_signed(v4: tuple[int, ...], v6: tuple[int, ...]) -> None:
    with pytest.raises(SourceListMalformed):
        source_list.sign(SourceList(1, 0, DAY, v4, v6), KEY)


def test_a_hundred_thousand_addresses_take_two_bytes_each() -> None:
    numbers = random.Random(1)
    v4 = source_list.rising(numbers.randrange(2**32) for _ in range(100_000))
    raw = source_list.sign(SourceList(1, 0, DAY, v4, ()), KEY)
    assert len(raw) < 2.2 * len(v4)
    assert source_list.read(raw, KEY.verify_key).v4 == v4


def test_neighbours_are_one_range() -> None:
    listed = SourceList(1, 0, DAY, (0xC6336401, 0xC6336402, 0xC6336404), (0x20010DB800000000, 0x20010DB800000001))
    expected = [
        ("198.51.100.1", "198.51.100.2"),
        ("198.51.100.4", "198.51.100.4"),
        ("2001:db8::", "2001:db8:0:1:ffff:ffff:ffff:ffff"),
    ]
    assert list(listed.ranges) == [(int.from_bytes(pack(a)), int.from_bytes(pack(b))) for a, b in expected]
    assert list(SourceList(1, 0, DAY, (), ()).ranges) == []


def test_a_status_names_a_list_only_where_there_is_one() -> None:
    status = Status("c-1", "1", (), "0.1.0", False, 1, 1, "0" * 64, (AnalysisKey.generate().public,))
    assert b"sources" not in status.sign(KEY), "a collector of before would refuse it"
    named = Status(**{name: getattr(status, name) for name in Status.__slots__} | {"sources": Offer(3, "ab" * 32, 99)})
    assert Status.read(named.sign(KEY), KEY.verify_key).sources == Offer(3, "ab" * 32, 99)


def test_a_collector_says_that_it_reads_lists() -> None:
    said = InUse("0.2.0", 4, "", source_list.FORM)
    assert said.to_query() == "program=0.2.0&release=4&sources=1"
    assert InUse.from_query({"program": "0.2.0", "release": "4", "sources": "1"}) == said
    assert InUse.from_query({"program": "0.2.0", "release": "4"}) == InUse("0.2.0", 4)
    assert InUse.from_query({"program": "0.2.0", "release": "4", "sources": "-1"}) is None
