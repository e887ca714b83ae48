"""Receipts, enrolment and status documents, tokens, signed requests and the TLS certificate."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyberalarm.core.errors import RefusedError
from cyberalarm.envelope import certificate, documents, receipts
from cyberalarm.envelope.documents import Enrolment, Status
from cyberalarm.envelope.errors import (
    DocumentRefused,
    KeyRefused,
    RequestRefused,
    SignatureRefused,
    TokenMalformed,
)
from cyberalarm.envelope.keys import AnalysisKey, SigningKey, Suite
from cyberalarm.envelope.receipts import Receipt
from cyberalarm.envelope.requests import WINDOW_MS, EnrolmentRequest, InUse, Load, SignedRequest, sign_request
from cyberalarm.envelope.tokens import RegistrationToken

if TYPE_CHECKING:
    from pathlib import Path

CENTRE, COLLECTOR = SigningKey.generate(), SigningKey.generate()
ANALYSIS = tuple(AnalysisKey.generate(suite).public for suite in Suite)
ENROLMENT = Enrolment("c-one", "https://centre.example.org", CENTRE.public, ANALYSIS, 1, "0" * 64, 5)
STATUS = Status("c-one", "0.1.0", ("drop x",), "0.1.0", True, 5, 2, "a" * 64, ANALYSIS)
TOKEN = RegistrationToken.new("https://centre.example.org:8443", "a" * 64, "c-one")
PATH = "/api/collector/v1/status"

count = st.integers(0, 2**63 - 1)
some_receipts = st.builds(
    Receipt,
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.from_regex(r"[a-z0-9-]{3,16}", fullmatch=True),
    st.integers(1, 2**63 - 1),
    count,
    count,
)


@given(some_receipts)
@settings(deadline=None)
def test_receipt_round_trip(receipt: Receipt) -> None:
    issued = receipts.issue(receipt, CENTRE)
    assert receipts.read(issued, CENTRE.verify_key) == receipt
    assert receipts.issue(receipt, CENTRE) == issued
    with pytest.raises(SignatureRefused):
        receipts.read(issued, COLLECTOR.verify_key)


def test_documents_round_trip() -> None:
    assert Enrolment.read(ENROLMENT.sign(CENTRE)) == ENROLMENT
    assert Status.read(STATUS.sign(CENTRE), CENTRE.verify_key) == STATUS


def test_an_enrolment_signed_by_another_key_than_it_names_is_refused() -> None:
    with pytest.raises(SignatureRefused):
        Enrolment.read(ENROLMENT.sign(COLLECTOR))


def test_one_kind_never_passes_as_another() -> None:
    receipt = receipts.issue(Receipt("a" * 64, "c-one", 1, 1, 1), CENTRE)
    with pytest.raises(DocumentRefused):
        Status.read(receipt, CENTRE.verify_key)
    with pytest.raises(SignatureRefused):
        documents.read("status", receipt.replace(b'"receipt"', b'"status"'), CENTRE.verify_key)
    with pytest.raises(DocumentRefused):
        receipts.read(documents.sign("receipt", {"rows": 1}, CENTRE), CENTRE.verify_key)


@pytest.mark.parametrize("which", ["receipt", "status", "enrolment"])
def test_every_byte_of_a_document_counts(which: str) -> None:
    key = CENTRE.verify_key
    raw, reader = {
        "receipt": (
            receipts.issue(Receipt("a" * 64, "c-one", 1, 1, 1), CENTRE),
            lambda changed: receipts.read(changed, key),
        ),
        "status": (
            replace(STATUS, analysis_keys=ANALYSIS[1:]).sign(CENTRE),
            lambda changed: Status.read(changed, key),
        ),
        "enrolment": (replace(ENROLMENT, analysis_keys=ANALYSIS[1:]).sign(CENTRE), Enrolment.read),
    }[which]
    reader(raw)
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1
        with pytest.raises((DocumentRefused, SignatureRefused)):
            reader(bytes(changed))


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_documents_are_total(noise: bytes) -> None:
    for judge in (
        lambda: receipts.read(noise, CENTRE.verify_key),
        lambda: Status.read(noise, CENTRE.verify_key),
        lambda: Enrolment.read(noise),
    ):
        with pytest.raises(DocumentRefused):
            judge()


@given(st.integers(0, 10**6), st.sampled_from(["\n", " ", "\t", "\r\n  "]))
@settings(deadline=None)
def test_a_token_survives_mail_programs(at: int, break_: str) -> None:
    text = TOKEN.to_text()
    assert len(text.split()) == 1
    cut = at % len(text)
    assert RegistrationToken.from_text(f"  {text[:cut]}{break_}{text[cut:]}\n") == TOKEN


@given(st.integers(0, 10**6))
@settings(deadline=None)
def test_a_token_cut_off_is_told_so(at: int) -> None:
    text = TOKEN.to_text()
    with pytest.raises(TokenMalformed) as caught:
        RegistrationToken.from_text(text[: 4 + at % (len(text) - 4)])
    assert "cut off" in str(caught.value)


@given(st.text(max_size=300), st.booleans())
@settings(deadline=None)
def test_tokens_are_total(text: str, prefixed: bool) -> None:
    with pytest.raises(TokenMalformed):
        RegistrationToken.from_text("ca1." * prefixed + text)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(TOKEN, centre="http://centre.example.org"),
        replace(TOKEN, pin="abc"),
        replace(TOKEN, secret=b"short"),
    ],
)
def test_a_token_with_a_whole_checksum_may_still_be_wrong(wrong: RegistrationToken) -> None:
    with pytest.raises(TokenMalformed) as caught:
        RegistrationToken.from_text(wrong.to_text())
    assert "damaged" in str(caught.value)


def test_tokens_differ_and_hide_their_secret() -> None:
    made = [RegistrationToken.new("https://x.example", "", "c-one") for _ in range(20)]
    assert len({t.secret_hash for t in made}) == 20
    assert TOKEN.secret.hex() not in repr(TOKEN)
    assert repr(TOKEN.secret) not in repr(TOKEN)


def test_enrolment_request_round_trip_and_proof() -> None:
    request = EnrolmentRequest.new(TOKEN, COLLECTOR, "v" * 99, "p" * 99)
    again = EnrolmentRequest.from_bytes(request.to_bytes())
    assert again == request
    again.verify_proof()
    for changed in (
        replace(request, collector="c-two"),
        replace(request, public_key=CENTRE.public),
        replace(request, secret=b"z" * 24),
        replace(request, proof=bytes(64)),
    ):
        with pytest.raises(RequestRefused) as caught:
            changed.verify_proof()
        assert caught.value.code == "request-signature"
    assert repr(TOKEN.secret) not in repr(request)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_enrolment_requests_are_total(noise: bytes) -> None:
    with pytest.raises(RequestRefused):
        EnrolmentRequest.from_bytes(noise)


@given(st.integers(-2 * WINDOW_MS, 2 * WINDOW_MS))
@settings(deadline=None)
def test_a_signed_request_is_good_for_five_minutes(offset: int) -> None:
    now = 1_767_225_600_000
    signed = SignedRequest.read(sign_request(COLLECTOR, "c-one", "GET", PATH, b"", now + offset))
    if abs(offset) <= WINDOW_MS:
        signed.verify(COLLECTOR.verify_key, "GET", PATH, b"", now)
    else:
        with pytest.raises(RequestRefused) as caught:
            signed.verify(COLLECTOR.verify_key, "GET", PATH, b"", now)
        assert caught.value.code == "request-time"
        with pytest.raises(RequestRefused) as caught:
            signed.verify(SigningKey.generate().verify_key, "GET", PATH, b"", now)
        assert caught.value.code == "request-signature", "a clock is judged by what its owner signed"


def test_all_of_a_request_is_signed() -> None:
    headers = sign_request(COLLECTOR, "c-one", "GET", PATH, b"", 1000)
    signed = SignedRequest.read(headers)
    signed.verify(COLLECTOR.verify_key, "GET", PATH, b"", 1000)
    attempts = [
        (signed, "POST", PATH, b""),
        (signed, "GET", PATH + "/", b""),
        (signed, "GET", PATH, b"x"),
        (replace(signed, collector="c-two"), "GET", PATH, b""),
        (replace(signed, time=1001), "GET", PATH, b""),
    ]
    for request, method, path, body in attempts:
        with pytest.raises(RequestRefused) as caught:
            request.verify(COLLECTOR.verify_key, method, path, body, 1000)
        assert caught.value.code == "request-signature"


@given(
    st.dictionaries(st.sampled_from(sorted(sign_request(COLLECTOR, "c-one", "GET", "/", b"", 1))), st.text(max_size=30))
)
@settings(deadline=None)
def test_signed_request_headers_are_total(headers: dict[str, str]) -> None:
    try:
        read = SignedRequest.read(headers)
    except RequestRefused as error:
        assert error.code == "request-unsigned"  # noqa: PT017
    else:
        with pytest.raises(RefusedError):
            read.verify(COLLECTOR.verify_key, "GET", "/", b"", read.time)


def test_a_made_certificate_serves_its_names(tmp_path: Path) -> None:
    made = certificate.make(tmp_path, ["centre.example.org", "127.0.0.1", "::1", "127.0.0.1"])
    assert made.key.stat().st_mode & 0o077 == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    text = made.certificate.read_text()
    assert certificate.pin(text.encode()) == hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()
    with pytest.raises(KeyRefused):
        certificate.pin(b"not a certificate")


def test_a_client_that_pins_connects_and_another_does_not(tmp_path: Path) -> None:
    made = certificate.make(tmp_path, ["localhost"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate, made.key)
    assert _handshake(server, ssl.create_default_context(cafile=str(made.certificate)), "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, ssl.create_default_context(cafile=str(made.certificate)), "other.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, ssl.create_default_context(), "localhost")


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bool:
    """A TLS handshake in memory."""
    there, here = ssl.MemoryBIO(), ssl.MemoryBIO()
    a = client.wrap_bio(here, there, server_hostname=name)
    b = server.wrap_bio(there, here, server_side=True)
    done = [False, False]
    for _ in range(10):
        for at, side in enumerate((a, b)):
            try:
                side.do_handshake()
                done[at] = True
            except ssl.SSLWantReadError:
                continue
    return all(done)


@given(
    st.from_regex(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,31}", fullmatch=True),
    st.integers(0, 10**18 - 1),
    st.from_regex(r"([a-z-]{1,32})?", fullmatch=True),
)
def test_what_a_collector_says_of_itself_arrives(program: str, release: int, refused: str) -> None:
    said = InUse(program, release, refused)
    assert InUse.from_query(dict(parse_qsl(said.to_query()))) == said


@given(st.builds(Load, *[st.integers(0, 999_999_999)] * 5))
def test_what_a_collector_says_of_how_it_copes_arrives(load: Load) -> None:
    query = InUse("0.1.0", 3, load=load).to_query()
    assert InUse.from_query(dict(parse_qsl(query))) == InUse("0.1.0", 3, load=load)
    assert len(query) < 200


@pytest.mark.parametrize("changed", [{"waiting": "-1"}, {"oldest": ""}, {"spool": "1e3"}, {"disk": "9" * 10}])
def test_numbers_that_are_not_understood_are_left_out_and_the_rest_stands(changed: dict[str, str]) -> None:
    said = dict(parse_qsl(InUse("0.1.0", 3, load=Load(1, 2, 3, 4)).to_query())) | changed
    assert InUse.from_query(said) == InUse("0.1.0", 3)


def test_numbers_beyond_the_form_are_told_as_its_most() -> None:
    query = dict(parse_qsl(InUse("0.1.0", 3, load=Load(10**12, -5, 101, 4)).to_query()))
    assert Load.from_query(query) == Load(999_999_999, 0, 101, 4)


@given(st.dictionaries(st.sampled_from(["program", "release", "refused", "later"]), st.text()))
def test_what_is_said_otherwise_is_not_understood(query: dict[str, str]) -> None:
    said = InUse.from_query(query)
    assert said is None or all(part.isascii() and len(part) <= 32 for part in (said.program, said.refused))


@pytest.mark.parametrize("changed", [{"program": "<b>"}, {"release": "-1"}, {"release": "\u0663"}, {"refused": "a b"}])
def test_one_part_that_is_not_understood_is_enough(changed: dict[str, str]) -> None:
    good = {"program": "0.1.0", "release": "3", "refused": "release-lint", "later": "x"}
    assert InUse.from_query(good) == InUse("0.1.0", 3, "release-lint")
    assert InUse.from_query(good | changed) is None
