"""A pack release: whole and signed by a trusted key, or refused with a code, whatever the bytes."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.envelope import canonical, releases
from cyberalarm.envelope.errors import KeyRefused, ReleaseMalformed, ReleaseRefused
from cyberalarm.envelope.keys import SigningKey, VerifyKey
from cyberalarm.envelope.releases import PackFile, Release

KEY, OTHER = SigningKey.generate(), SigningKey.generate()
TRUSTED = [OTHER.verify_key, KEY.verify_key]
RELEASE = Release(7, 5, "0.1.0", (PackFile("a-b", 1, b"one"), PackFile("c-d", 2, b"two" * 100)))
GOOD = releases.sign(RELEASE, KEY)

names = st.from_regex(r"\A[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}\Z")
packs = st.dictionaries(
    names, st.tuples(st.integers(1, 2**40), st.binary(min_size=1, max_size=300)), min_size=1, max_size=20
)


@given(packs, st.integers(1, 2**60), st.integers(0, 2**60))
def test_what_was_signed_is_read(made: dict[str, tuple[int, bytes]], number: int, at: int) -> None:
    listed = tuple(PackFile(name, version, content) for name, (version, content) in made.items())
    release = Release(number, at, "0.1", listed)
    assert releases.read(releases.sign(release, KEY), TRUSTED) == replace(release, packs=tuple(sorted(listed)))


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
@settings(max_examples=400)
def test_no_byte_may_change(at: int, difference: int) -> None:
    changed = bytearray(GOOD)
    changed[at] ^= difference
    with pytest.raises(ReleaseRefused):
        releases.read(bytes(changed), TRUSTED)


@pytest.mark.parametrize("end", range(0, len(GOOD), 7))
def test_no_byte_may_be_missing(end: int) -> None:
    with pytest.raises(ReleaseMalformed):
        releases.read(GOOD[:end], TRUSTED)


@given(st.one_of(st.binary(max_size=600), st.binary(max_size=300).map(lambda raw: b"CAR1" + raw)))
def test_arbitrary_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(ReleaseRefused):
        releases.read(raw, TRUSTED)


def outline(manifest: dict[str, object], packed: bytes, by: SigningKey = KEY) -> bytes:
    """Signed, whatever it says."""
    text = canonical.encode(manifest)  # type: ignore[arg-type]
    body = b"CAR1" + len(text).to_bytes(4) + text + len(packed).to_bytes(4) + packed
    return body + by.sign(b"CyberAlarm pack release v1\0" + body)


def manifest(**changed: object) -> dict[str, object]:
    return {**json.loads(GOOD[8 : 8 + int.from_bytes(GOOD[4:8])]), **changed}


BODY = zlib.compress(b"one" + b"two" * 100)
ENTRIES: list[dict[str, object]] = manifest()["packs"]  # type: ignore[assignment]


def test_the_outline_of_these_tests_is_right() -> None:
    assert releases.read(outline(manifest(), BODY), TRUSTED) == RELEASE


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"format": 2}, "release-format"),
        ({"format": True}, "release-malformed"),
        ({"format": "1"}, "release-malformed"),
        ({"key": SigningKey.generate().verify_key.key_id}, "release-key-unknown"),
        ({"key": OTHER.verify_key.key_id}, "release-signature"),
        ({"key": 5}, "release-malformed"),
        ({"number": 0}, "release-malformed"),
        ({"number": 2**63}, "release-malformed"),
        ({"number": -1}, "release-malformed"),
        ({"made": -1}, "release-malformed"),
        ({"program": "newest"}, "release-malformed"),
        ({"program": "1." * 20}, "release-malformed"),
        ({"more": 1}, "release-malformed"),
        ({"packs": []}, "release-malformed"),
        ({"packs": {}}, "release-malformed"),
        ({"packs": ENTRIES[::-1]}, "release-malformed"),
        ({"packs": [ENTRIES[0], ENTRIES[0]]}, "release-malformed"),
        ({"packs": [{**ENTRIES[0], "name": "../../etc/passwd"}, ENTRIES[1]]}, "release-malformed"),
        ({"packs": [{**ENTRIES[0], "bytes": 0}, ENTRIES[1]]}, "release-malformed"),
        ({"packs": [{**ENTRIES[0], "bytes": 2**40}, ENTRIES[1]]}, "release-malformed"),
        ({"packs": [{**ENTRIES[0], "bytes": 4}, ENTRIES[1]]}, "release-malformed"),
        ({"packs": [{**ENTRIES[0], "version": 0}, ENTRIES[1]]}, "release-malformed"),
        ({"packs": [{**ENTRIES[0], "path": "x"}, ENTRIES[1]]}, "release-malformed"),
        ({"packs": [ENTRIES[0]]}, "release-malformed"),
        ({"packs": [ENTRIES[0]] * 2001}, "release-malformed"),
    ],
)
def test_a_signature_does_not_excuse_what_is_wrong(changed: dict[str, object], code: str) -> None:
    with pytest.raises(ReleaseRefused) as caught:
        releases.read(outline(manifest(**changed), BODY), TRUSTED)
    assert caught.value.code == code
    assert caught.value.next_step


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"not compressed",
        BODY[:-1],
        BODY + b"\0",
        zlib.compress(b"one" + b"two" * 100 + b"!"),
        zlib.compress(b"\0" * 64 * 1024 * 1024),
        zlib.compress(b"one"),
    ],
    ids=["nothing", "no stream", "cut", "followed", "longer", "a bomb", "shorter"],
)
def test_what_is_inside_is_exactly_what_the_manifest_says(packed: bytes) -> None:
    with pytest.raises(ReleaseMalformed):
        releases.read(outline(manifest(), packed), TRUSTED)


def test_nothing_is_understood_before_the_signature_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "_understand", lambda *_: pytest.fail("unpacked too early"))
    with pytest.raises(ReleaseRefused, match="not signed by the key"):
        releases.read(GOOD[:-64] + OTHER.sign(GOOD[:-64]), TRUSTED)


def test_without_a_trusted_key_nothing_is_taken() -> None:
    for trusted in ([], [OTHER.verify_key]):
        with pytest.raises(ReleaseRefused) as caught:
            releases.read(GOOD, trusted)
        assert caught.value.code == "release-key-unknown"


def test_a_signature_for_another_purpose_is_none() -> None:
    body = GOOD[:-64]
    for purpose in (b"", b"CyberAlarm envelope v1\0", b"CyberAlarm status v1\0"):
        with pytest.raises(ReleaseRefused) as caught:
            releases.read(body + KEY.sign(purpose + body), TRUSTED)
        assert caught.value.code == "release-signature"


def test_too_long_a_file_is_not_looked_at() -> None:
    with pytest.raises(ReleaseMalformed, match="longer than 16 MiB"):
        releases.read(GOOD + b"\0" * releases.MAX_RELEASE, TRUSTED)


@pytest.mark.parametrize(
    "wrong",
    [
        Release(1, 0, "0.1.0", ()),
        Release(1, 0, "0.1.0", (PackFile("a", 1, b""),)),
        Release(1, 0, "0.1.0", (PackFile("A", 1, b"x"),)),
        Release(1, 0, "0.1.0", (PackFile("a", 1, b"x" * (releases.MAX_PACK + 1)),)),
        Release(1, 0, "0.1.0", tuple(PackFile(f"a{n}", 1, b"x" * releases.MAX_PACK) for n in range(17))),
        Release(0, 0, "0.1.0", (PackFile("a", 1, b"x"),)),
    ],
    ids=["no pack", "an empty pack", "a name that is none", "too long a pack", "too much in all", "number 0"],
)
def test_what_nobody_would_accept_is_not_signed(wrong: Release) -> None:
    with pytest.raises(ReleaseMalformed):
        releases.sign(wrong, KEY)


@given(st.text(max_size=80))
def test_a_key_in_a_configuration_has_one_form(text: str) -> None:
    assert VerifyKey.from_text(KEY.verify_key.to_text()) == KEY.verify_key
    with pytest.raises(KeyRefused):
        VerifyKey.from_text(text)
