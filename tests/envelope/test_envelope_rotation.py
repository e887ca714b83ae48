"""Changes of keys: requests, vouchers, successions, introductions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.envelope.documents import Status
from cyberalarm.envelope.errors import DocumentRefused, RequestRefused, SignatureRefused
from cyberalarm.envelope.keys import AnalysisKey, SigningKey, Suite
from cyberalarm.envelope.rotation import (
    Introduction,
    KeyChange,
    KeyChanged,
    check_voucher,
    descendants,
    succession,
    vouch,
)
from cyberalarm.envelope.tokens import RegistrationToken
from cyberalarm.envelope.trust import Trust, new_nonce

OLD, NEW, NEWEST, STRANGER = (SigningKey.generate() for _ in range(4))
NONCE = new_nonce()
TRUST = Trust(NONCE, ("a" * 64, "b" * 64), (NEW.verify_key, NEWEST.verify_key))
CHANGE = KeyChange.new("c-one", NEW, 7)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)


def test_a_change_round_trips_and_proves_the_new_key() -> None:
    read = KeyChange.from_bytes(CHANGE.to_bytes())
    assert read == CHANGE
    read.verify_proof()
    for changed in (
        replace(CHANGE, collector="c-two"),
        replace(CHANGE, first=8),
        replace(CHANGE, public_key=OLD.public),
        replace(CHANGE, public_key=b"short"),
        replace(CHANGE, proof=bytes(64)),
    ):
        with pytest.raises(RequestRefused) as refused:
            changed.verify_proof()
        assert refused.value.code == "request-signature"


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_changes_are_total(noise: bytes) -> None:
    with pytest.raises(RequestRefused):
        KeyChange.from_bytes(noise)


def test_the_answer_to_a_change() -> None:
    said = KeyChanged("c-one", NEW.public, 7, 5)
    assert KeyChanged.read(said.sign(OLD), STRANGER.verify_key, OLD.verify_key) == said
    with pytest.raises(SignatureRefused):
        KeyChanged.read(said.sign(OLD), STRANGER.verify_key)


@given(digests, digests)
@settings(deadline=None)
def test_a_voucher_is_for_one_envelope_by_one_key(one: str, other: str) -> None:
    word = vouch(NEW, one)
    check_voucher(word, one, NEW.verify_key)
    with pytest.raises(SignatureRefused):
        check_voucher(word, one, OLD.verify_key)
    if one != other:
        with pytest.raises(SignatureRefused):
            check_voucher(word, other, NEW.verify_key)


@given(st.text(max_size=200))
@settings(deadline=None)
def test_vouchers_are_total(text: str) -> None:
    with pytest.raises(SignatureRefused):
        check_voucher(text, "ab" * 32, NEW.verify_key)


def test_successions_lead_from_a_known_key_only() -> None:
    first, second = succession(OLD, NEW.public), succession(NEW, NEWEST.public)
    assert descendants([OLD.verify_key], [first, second]) == (OLD.verify_key, NEW.verify_key, NEWEST.verify_key)
    assert descendants([NEW.verify_key], [first, second]) == (NEW.verify_key, NEWEST.verify_key)
    assert descendants([NEWEST.verify_key], [first, second]) == (NEWEST.verify_key,)
    assert descendants([OLD.verify_key], [succession(STRANGER, NEW.public)]) == (OLD.verify_key,)


@given(st.one_of(st.text(max_size=300), st.text("AB-_", max_size=200).map("successor:".__add__)))
@settings(deadline=None)
def test_successions_are_total(text: str) -> None:
    with pytest.raises(DocumentRefused):
        descendants([OLD.verify_key], [text])


def test_an_introduction_is_believed_by_who_knew_a_key_before() -> None:
    words = (succession(OLD, NEW.public),)
    introduced = Introduction("https://centre.example.org", TRUST, words)
    raw = introduced.sign(NEW)
    assert Introduction.read(raw, NONCE, OLD.verify_key) == introduced
    assert Introduction.read(raw, NONCE, NEW.verify_key) == introduced
    with pytest.raises(SignatureRefused):
        Introduction.read(raw, NONCE, STRANGER.verify_key)
    with pytest.raises(DocumentRefused, match="another question"):
        Introduction.read(raw, new_nonce(), OLD.verify_key)
    with pytest.raises(SignatureRefused):
        Introduction.read(introduced.sign(STRANGER), NONCE, OLD.verify_key)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_introductions_are_total(noise: bytes) -> None:
    with pytest.raises(DocumentRefused):
        Introduction.read(noise, NONCE, OLD.verify_key)


def test_every_byte_of_an_introduction_counts() -> None:
    raw = Introduction("https://c.example", TRUST, (succession(OLD, NEW.public),)).sign(NEW)
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1
        with pytest.raises((DocumentRefused, SignatureRefused)):
            Introduction.read(bytes(changed), NONCE, OLD.verify_key)


def test_trust_in_a_status_is_left_out_where_nobody_asked() -> None:
    key = AnalysisKey.generate(Suite.CLASSIC).public
    status = Status("c-one", "0.1.0", (), "0.1.0", False, 5, 2, "a" * 64, (key,))
    assert b"trust" not in status.sign(OLD)
    told = replace(status, trust=TRUST)
    assert Status.read(told.sign(OLD), OLD.verify_key) == told


@pytest.mark.parametrize(
    "wrong",
    [
        replace(TRUST, nonce="x"),
        replace(TRUST, pins=()),
        replace(TRUST, pins=("a",)),
        replace(TRUST, pins=("a" * 64,) * 3),
        replace(TRUST, receipt_keys=()),
    ],
)
def test_trust_that_cannot_be_is_refused(wrong: Trust) -> None:
    with pytest.raises(DocumentRefused):
        Introduction.read(Introduction("https://c.example", wrong, ()).sign(OLD), wrong.nonce, OLD.verify_key)


def test_a_token_names_the_next_certificate_while_it_is_announced() -> None:
    token = RegistrationToken.new("https://centre.example.org", "a" * 64, "c-one", "b" * 64)
    assert RegistrationToken.from_text(token.to_text()) == token
    plain = replace(token, next_pin="")
    assert RegistrationToken.from_text(plain.to_text()) == plain
    assert len(plain.to_text()) < len(token.to_text())
