"""Sealing, opening and verifying: round trips, and total on whatever comes."""

from __future__ import annotations

import contextlib
import json
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.core.alarm import Alarm, AlarmKind
from cyberalarm.core.outcome import Ledger, Outcome
from cyberalarm.envelope import canonical, payload, sealing
from cyberalarm.envelope.errors import (
    EnvelopeMalformed,
    EnvelopeRefused,
    EnvelopeSuite,
    EnvelopeTooLarge,
    KeyRefused,
    PayloadMalformed,
    SignatureRefused,
)
from cyberalarm.envelope.keys import AnalysisKey, AnalysisPublicKey, SigningKey, Suite, VerifyKey
from cyberalarm.envelope.sealing import FIRST_PREVIOUS, Header

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {suite: AnalysisKey.generate(suite) for suite in Suite}
RING = {key.public.key_id: key for key in KEYS.values()}
SIGNER = SigningKey.generate()
HEADER = Header("c-one", 1, FIRST_PREVIOUS, 1_767_225_600_000, 2, 5)

suites = st.sampled_from(list(Suite))
counts = st.integers(0, 2**63 - 1)
headers = st.builds(
    lambda collector, later, previous, sealed, events, lines: Header(
        collector, later or 1, previous if later else FIRST_PREVIOUS, sealed, events, lines
    ),
    st.from_regex(r"[a-z0-9-]{3,16}", fullmatch=True),
    st.none() | st.integers(2, 2**63 - 1),
    st.text("0123456789abcdef", min_size=64, max_size=64).filter(lambda t: t != FIRST_PREVIOUS),
    counts,
    counts,
    counts,
)


@given(content=st.binary(max_size=500), header=headers, suite=suites)
@settings(deadline=None)
def test_round_trip(content: bytes, header: Header, suite: Suite) -> None:
    to = KEYS[suite].public
    envelope = sealing.seal(content, header, to, SIGNER)
    whole = replace(header, suite=suite, key=to.key_id)
    assert sealing.read_header(envelope) == sealing.verify(envelope, SIGNER.verify_key) == whole
    assert sealing.open_sealed(envelope, RING) == content


def attempt(envelope: bytes) -> str:
    """The code with which an envelope is refused; empty when all of it passes."""
    try:
        sealing.read_header(envelope)
        sealing.verify(envelope, SIGNER.verify_key)
        sealing.open_sealed(envelope, RING)
    except EnvelopeRefused as error:
        return error.code
    return ""


@pytest.mark.parametrize("suite", list(Suite))
def test_every_single_byte_counts(suite: Suite) -> None:
    envelope = sealing.seal(b"events", HEADER, KEYS[suite].public, SIGNER)
    assert attempt(envelope) == ""
    for at in range(len(envelope)):
        for flip in (0x01, 0x80):
            changed = bytearray(envelope)
            changed[at] ^= flip
            assert attempt(bytes(changed)), f"byte {at} does not matter"
            with pytest.raises(EnvelopeRefused):
                sealing.verify(bytes(changed), SIGNER.verify_key)


@given(st.binary(max_size=400), st.booleans())
@settings(deadline=None)
def test_total_on_any_bytes(noise: bytes, magic: bool) -> None:
    envelope = (b"CAE1" if magic else b"") + noise
    with pytest.raises(EnvelopeMalformed):
        sealing.read_header(envelope)
    for judge in (
        lambda: sealing.verify(envelope, SIGNER.verify_key),
        lambda: sealing.open_sealed(envelope, RING),
    ):
        with pytest.raises(EnvelopeMalformed):
            judge()


@given(st.binary(max_size=1200), st.sampled_from([b"", b"CA", b"CAE1", b"CAE1\0\0\1\x2c"]))
@settings(deadline=None)
def test_a_beginning_of_any_bytes_is_judged(noise: bytes, begin: bytes) -> None:
    prefix = begin + noise
    try:
        end = sealing.header_end(prefix)
    except EnvelopeMalformed:
        assert not prefix.startswith(b"CAE1") or int.from_bytes(prefix[4:8]) > sealing.MAX_HEADER
    else:
        assert prefix[:4] == b"CAE1"[: len(prefix)]
        assert len(prefix) < 8 <= end or end == 8 + int.from_bytes(prefix[4:8])
        assert end <= 8 + sealing.MAX_HEADER
    with pytest.raises(EnvelopeMalformed):
        sealing.peek_header(prefix)


@given(header=headers, more=st.integers(0, 100))
@settings(deadline=None, max_examples=30)
def test_a_header_is_read_from_the_first_bytes_alone(header: Header, more: int) -> None:
    envelope = sealing.seal(b"events", header, KEYS[Suite.CLASSIC].public, SIGNER)
    had = bytearray()
    while len(had) < sealing.header_end(had):
        assert len(had) < 8 + sealing.MAX_HEADER
        with pytest.raises(EnvelopeMalformed):
            sealing.peek_header(had)
        had += envelope[len(had) : sealing.header_end(had)]
    assert sealing.header_end(had) == len(had) < len(envelope)
    assert sealing.peek_header(had) == sealing.read_header(envelope)
    assert sealing.peek_header(envelope[: len(had) + more]) == sealing.read_header(envelope)


def test_a_header_that_is_wrong_is_refused_when_it_is_peeked_at() -> None:
    envelope = sealing.seal(b"events", HEADER, KEYS[Suite.CLASSIC].public, SIGNER)
    for was, now, code in (
        (b'"version":1', b'"version":2', "envelope-version"),
        (b'"suite":"x25519"', b'"suite":"x25518"', "envelope-suite"),
        (b'"sequence":1', b'"sequence":2', "envelope-malformed"),
        (b'"events":2', b'"events":"', "envelope-malformed"),
    ):
        assert was in envelope
        with pytest.raises(EnvelopeRefused) as caught:
            sealing.peek_header(envelope.replace(was, now))
        assert caught.value.code == code


@pytest.mark.parametrize("suite", list(Suite))
def test_a_length_is_one_that_an_envelope_can_have(suite: Suite) -> None:
    envelope = sealing.seal(b"", HEADER, KEYS[suite].public, SIGNER)
    begin = envelope[:400]
    for length in (len(envelope), sealing.MAX_ENVELOPE):
        sealing.check_length(begin, length)
    with pytest.raises(EnvelopeTooLarge):
        sealing.check_length(begin, sealing.MAX_ENVELOPE + 1)
    for length in (0, sealing.header_end(begin), sealing.header_end(begin) + 4 + 48 + 63):
        with pytest.raises(EnvelopeMalformed):
            sealing.check_length(begin, length)
    shortest = sealing.seal(b"", HEADER, KEYS[Suite.CLASSIC].public, SIGNER)
    sealing.check_length(shortest, len(shortest))
    with pytest.raises(EnvelopeMalformed):
        sealing.check_length(shortest, len(shortest) - 1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    key=st.sampled_from(sorted(json.loads(sealing._header_bytes(HEADER)))),
    value=json_values,
    drop=st.booleans(),
)
@settings(deadline=None)
def test_a_header_field_of_any_kind_is_judged(key: str, value: object, drop: bool) -> None:
    """Signed and sealed correctly around a header that says anything: refused, or read as it was written."""
    content = json.loads(sealing._header_bytes(replace(HEADER, key="0" * 16)))
    if drop:
        del content[key]
    else:
        content[key] = value
    raw = json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")
    body = b"CAE1" + len(raw).to_bytes(4) + raw + bytes(4)
    envelope = body + SIGNER.sign(b"CyberAlarm envelope v1\0" + body)
    try:
        header = sealing.verify(envelope, SIGNER.verify_key)
    except EnvelopeRefused as error:
        assert error.code in {"envelope-malformed", "envelope-version", "envelope-suite"}  # noqa: PT017
    else:
        assert not drop
        assert type(getattr(header, key)) is type(value) or key == "suite"
        assert getattr(header, key) == value


@given(st.binary(max_size=200) | st.integers(1, 3000).map(lambda n: b"[" * n) | st.just(b"1" * 5000))
@settings(deadline=None)
def test_canonical_json_is_total(raw: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert canonical.encode(canonical.decode(raw)) == raw


@pytest.mark.parametrize("raw", [b'{"a":1,"a":1}', b'{"b":1,"a":1}', b"1.0", b"NaN", b'"\\u0041"', b" 1", b"1e3"])
def test_a_value_has_one_spelling(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical.decode(raw)


def test_another_key_and_another_signer() -> None:
    envelope = sealing.seal(b"events", HEADER, KEYS[Suite.HYBRID].public, SIGNER)
    with pytest.raises(EnvelopeRefused) as caught:
        sealing.verify(envelope, SigningKey.generate().verify_key)
    assert caught.value.code == "envelope-signature"
    assert isinstance(caught.value, SignatureRefused)
    with pytest.raises(EnvelopeRefused) as caught:
        sealing.open_sealed(envelope, {})
    assert caught.value.code == "envelope-key-unknown"
    other = AnalysisKey.generate(Suite.HYBRID)
    with pytest.raises(EnvelopeRefused) as caught:
        sealing.open_sealed(envelope, {KEYS[Suite.HYBRID].public.key_id: other})
    assert caught.value.code == "envelope-unopenable"
    with pytest.raises(EnvelopeSuite):
        sealing.open_sealed(envelope, {KEYS[Suite.HYBRID].public.key_id: KEYS[Suite.CLASSIC]})


def test_a_lawful_header_only_is_sealed() -> None:
    for header in (
        replace(HEADER, collector="C-ONE"),
        replace(HEADER, sequence=0),
        replace(HEADER, sequence=2),
        replace(HEADER, previous="a" * 64),
        replace(HEADER, events=-1),
    ):
        with pytest.raises(EnvelopeMalformed):
            sealing.seal(b"", header, KEYS[Suite.CLASSIC].public, SIGNER)


def test_the_bound_holds_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvelopeTooLarge):
        sealing.read_header(bytes(sealing.MAX_ENVELOPE + 1))
    monkeypatch.setattr(sealing, "MAX_ENVELOPE", 1000)
    sealing.seal(bytes(400), HEADER, KEYS[Suite.CLASSIC].public, SIGNER)
    with pytest.raises(EnvelopeTooLarge):
        sealing.seal(bytes(1000), HEADER, KEYS[Suite.CLASSIC].public, SIGNER)


ledgers = st.dictionaries(
    st.from_regex(r"[a-z0-9]{1,32}", fullmatch=True),
    st.lists(st.integers(0, 2**40), min_size=len(Outcome), max_size=len(Outcome)),
    max_size=4,
)


def ledger_of(counted: list[int]) -> Ledger:
    made = Ledger()
    made.add(counted)
    return made


@given(ledgers, st.binary(max_size=300))
@settings(deadline=None)
def test_payload_round_trip(counted: dict[str, list[int]], arrow: bytes) -> None:
    made = {device: ledger_of(c) for device, c in counted.items()}
    packed = payload.pack(made, arrow)
    assert payload.unpack(packed) == (made, arrow)
    for cut in (packed[:-1], packed + b"\0"):
        with pytest.raises(PayloadMalformed):
            payload.unpack(cut)


alarms = st.builds(
    Alarm,
    st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True),
    st.sampled_from(AlarmKind),
    st.sampled_from(["", "linux-netfilter"]),
    st.sampled_from(["", "dst_port"]),
    st.integers(0, 2**40),
    st.integers(0, 1000),
    st.integers(0, 1000),
)


@given(
    ledgers,
    st.binary(max_size=300),
    st.lists(alarms, max_size=5, unique=True),
    st.none() | st.integers(0, 2**63 - 1),
)
@settings(deadline=None)
def test_payload_with_notes_round_trip(
    counted: dict[str, list[int]], arrow: bytes, standing: list[Alarm], release: int | None
) -> None:
    made = {device: ledger_of(c) for device, c in counted.items()}
    packed = payload.pack(made, arrow, standing, release)
    assert packed[:4] == b"CAP2"
    assert payload.read(packed) == payload.Payload(made, tuple(sorted(standing)), arrow, release)
    assert payload.unpack(packed) == (made, arrow)
    first = payload.read(payload.pack(made, arrow, None, release))
    assert (first.alarms, first.release) == (None, None), "the first form says nothing of them"
    for cut in (packed[:-1], packed + b"\0"):
        with pytest.raises(PayloadMalformed):
            payload.read(cut)


def with_notes(notes: str) -> bytes:
    framed = b"".join(len(part).to_bytes(4) + part for part in (b"{}", notes.encode(), b""))
    return b"CAP2" + framed


ONE = canonical.encode(Alarm("d-1", AlarmKind.SILENT, "", "", 1, 0, 0).to_json()).decode()


def test_notes_of_a_newer_collector_are_read_as_far_as_they_are_known() -> None:
    newer = ONE.replace("silent", "of-tomorrow"), ONE.replace('"since"', '"sign":{"x":[]},"since"')
    read = payload.read(with_notes(f'{{"alarms":[{newer[0]},{newer[1]}],"further":["x"],"version":9}}'))
    assert read.alarms == (Alarm("d-1", AlarmKind.SILENT, "", "", 1, 0, 0),)


@pytest.mark.parametrize(
    "notes",
    [
        "", "{}", "[]", '{"alarms":[]}', '{"alarms":{},"version":1}', '{"alarms":[5],"version":1}',
        '{"alarms":[],"release":-1,"version":1}', '{"alarms":[],"release":"7","version":1}',
        '{"alarms":[{}],"version":1}', '{"alarms": [],"version":1}', '{"alarms":[],"version":0}',
        f'{{"alarms":[{ONE.replace("d-1", "d 1")}],"version":1}}',
        f'{{"alarms":[{",".join([ONE] * (payload.MAX_ALARMS + 1))}],"version":1}}',
    ],
)  # fmt: skip
def test_wrong_notes_are_refused(notes: str) -> None:
    with pytest.raises(PayloadMalformed):
        payload.read(with_notes(notes))


def test_the_most_alarms_fit() -> None:
    names = ["x" * 28 + f"{n:04}" for n in range(payload.MAX_ALARMS)]
    longest = [
        Alarm(name, AlarmKind.NOT_RECOGNISED, "p" * 64, "sender_domain", 253_402_300_799_000, 1000, 1000)
        for name in names
    ]
    assert len(payload.read(payload.pack({}, b"", longest)).alarms or ()) == payload.MAX_ALARMS
    assert len(payload.pack({}, b"", longest)) < payload.MAX_NOTES


@given(st.binary(max_size=200), st.sampled_from([b"", b"CAP1", b"CAP2"]))
@settings(deadline=None)
def test_payload_is_total(noise: bytes, magic: bytes) -> None:
    with pytest.raises(PayloadMalformed):
        payload.read(magic + noise)


@pytest.mark.parametrize(
    "ledger",
    [
        "{}",
        '{"kept":true}',
        json.dumps({**Ledger().to_json(), "kept": -1}, sort_keys=True, separators=(",", ":")),
    ],
)
def test_a_ledger_has_exactly_its_counts(ledger: str) -> None:
    counted = f'{{"d1":{ledger}}}'.encode()
    with pytest.raises(PayloadMalformed):
        payload.unpack(b"CAP1" + len(counted).to_bytes(4) + counted + bytes(4))


def longest_ledgers(devices: int) -> dict[str, Ledger]:
    """The longest names, of characters that JSON escapes, with the longest counts."""
    full = Ledger(2**63 - 1, dict.fromkeys(Outcome, 2**63 - 1), 2**63 - 1)
    return {"".join("\\" if n >> bit & 1 else '"' for bit in range(32)): full for n in range(devices)}


def test_as_many_devices_as_there_may_be_fit() -> None:
    made = longest_ledgers(payload.MAX_DEVICES)
    packed = payload.pack(made, b"")
    assert payload.MAX_LEDGERS * 3 // 4 < len(packed) < payload.MAX_LEDGERS
    assert payload.unpack(packed) == (made, b"")
    with pytest.raises(PayloadMalformed):
        payload.pack(longest_ledgers(payload.MAX_DEVICES + 1), b"")


def test_over_long_ledgers_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(raw: bytes) -> canonical.JsonValue:
        raise AssertionError(f"{len(raw)} bytes were read")

    monkeypatch.setattr(canonical, "decode", unread)
    for length, read in ((payload.MAX_LEDGERS, True), (payload.MAX_LEDGERS + 1, False)):
        counted = b"[" + b"{}," * ((length - 4) // 3) + b"{}]"
        counted += b" " * (length - len(counted))
        content = b"CAP1" + length.to_bytes(4) + counted + bytes(4)
        with pytest.raises(AssertionError if read else PayloadMalformed):
            payload.unpack(content)


def test_keys_survive_their_files(tmp_path: Path) -> None:
    SIGNER.save(tmp_path / "new" / "signing.key")
    assert SigningKey.load(tmp_path / "new" / "signing.key").public == SIGNER.public
    for suite, key in KEYS.items():
        path = tmp_path / f"{suite}.key"
        key.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        loaded = AnalysisKey.load(path)
        assert loaded.public == key.public == AnalysisPublicKey.from_text(key.public.to_text())
        envelope = sealing.seal(b"x", HEADER, key.public, SIGNER)
        assert sealing.open_sealed(envelope, {loaded.public.key_id: loaded}) == b"x"
        with pytest.raises(KeyRefused):
            SigningKey.load(path)
    with pytest.raises(KeyRefused):
        AnalysisKey.load(tmp_path / "new" / "signing.key")
    assert {p.name for p in tmp_path.iterdir()} == {"new", *(f"{s}.key" for s in Suite)}


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_a_damaged_key_file_is_refused(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.key"
    path.write_bytes(noise)
    for kind in (SigningKey, AnalysisKey):
        with pytest.raises(KeyRefused):
            kind.load(path)


@given(st.text(max_size=100) | suites.map(lambda s: f"{s}:AAAA"))
@settings(deadline=None)
def test_a_public_key_text_is_judged(text: str) -> None:
    with pytest.raises(KeyRefused):
        AnalysisPublicKey.from_text(text)


@given(st.binary(max_size=64).filter(lambda b: len(b) != 32))
@settings(deadline=None)
def test_a_verify_key_has_32_bytes(raw: bytes) -> None:
    with pytest.raises(KeyRefused):
        VerifyKey(raw)


def test_no_private_key_shows_in_a_repr() -> None:
    private = SIGNER._key.private_bytes_raw()
    assert private.hex() not in repr(SIGNER)
    assert all(key._raw.hex() not in repr(key) for key in KEYS.values())
