"""The collector API through a real TLS server on loopback: what a collector sees, what a hostile one gets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.conf import settings

from cyberalarm.central.enrolment import services as enrolment
from cyberalarm.central.enrolment.keys import centre_keys
from cyberalarm.central.ingest.bodies import ELSEWHERE
from cyberalarm.central.ingest.models import Envelope
from cyberalarm.central.members.models import Collector
from cyberalarm.envelope import receipts, sealing
from cyberalarm.envelope.documents import Enrolment, Status
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.requests import EnrolmentRequest, sign_request
from tests.ingest.ingest_client import API, code, tls
from tests.ingest.ingest_sender import Sender, now_ms

if TYPE_CHECKING:
    import urllib3

    from cyberalarm.central.accounts.models import User
    from cyberalarm.central.members.models import Site


def test_a_collector_enrols_sends_and_asks_for_the_status(
    client: urllib3.HTTPSConnectionPool, operator: User, site: Site
) -> None:
    collector, token = enrolment.provision(site, "Collector", operator)
    assert token.pin == centre_keys(settings.CONFIG).pin
    key = SigningKey.generate()
    request = EnrolmentRequest.new(token, key, "0.1.0", "linux").to_bytes()
    answer = client.request("POST", API + "enrol", body=request)
    assert answer.status == 200
    sender = Sender(Enrolment.read(answer.data), key)
    again = client.request("POST", API + "enrol", body=request)
    assert Enrolment.read(again.data).receipt_key == sender.enrolment.receipt_key

    envelope = sender.seal(9)
    posted = client.request("POST", API + "envelopes", body=envelope)
    assert posted.status == 200
    assert receipts.read(posted.data, sender.receipt_key).envelope == sealing.digest(envelope)
    repeated = client.request("POST", API + "envelopes", body=envelope)
    assert repeated.data == posted.data

    headers = sign_request(key, collector.reference, "GET", API + "status", b"", now_ms())
    answer = client.request("GET", API + "status", headers=headers)
    status = Status.read(answer.data, sender.receipt_key)
    assert (status.next_sequence, status.previous) == (2, sealing.digest(envelope))
    assert (status.stop, status.collector) == (False, collector.reference)
    Collector.objects.filter(pk=collector.pk).update(status=Collector.Status.STOPPED)
    assert Status.read(client.request("GET", API + "status", headers=headers).data, sender.receipt_key).stop


def test_status_is_for_signed_requests_only(client: urllib3.HTTPSConnectionPool, sender: Sender) -> None:
    path, name = API + "status", sender.enrolment.collector
    assert code(client.request("GET", path)) == "request-unsigned"
    old = sign_request(sender.key, name, "GET", path, b"", now_ms() - 6 * 60 * 1000)
    assert code(client.request("GET", path, headers=old)) == "request-time"
    foreign = sign_request(SigningKey.generate(), name, "GET", path, b"", now_ms())
    assert code(client.request("GET", path, headers=foreign)) == "request-signature"
    other_path = sign_request(sender.key, name, "GET", path + "?x=1", b"", now_ms())
    assert code(client.request("GET", path, headers=other_path)) == "request-signature"
    unknown = sign_request(sender.key, "c-nobody", "GET", path, b"", now_ms())
    assert code(client.request("GET", path, headers=unknown)) == "collector-unknown"


def test_refusals_are_problem_documents(client: urllib3.HTTPSConnectionPool, sender: Sender) -> None:
    assert code(client.request("GET", API + "envelopes")) == "method-not-allowed"
    assert code(client.request("POST", API + "envelopes", body=b"noise")) == "envelope-malformed"
    assert code(client.request("POST", API + "enrol", body=b"{}")) == "request-malformed"
    assert code(client.request("POST", API + "enrol", body=b"x" * 9000)) == "request-malformed"
    ahead = sender.seal(1, sequence=5, previous="a" * 64)
    gap = client.request("POST", API + "envelopes", body=ahead)
    assert (code(gap), gap.status, json.loads(gap.data)["expected"]) == ("chain-gap", 409, 1)


def test_a_body_too_long_is_refused_before_it_is_read(port: int) -> None:
    with tls(port) as raw:
        raw.sendall(
            b"POST /api/collector/v1/envelopes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
        )
        answer = raw.recv(4096)
    assert b" 413 " in answer.split(b"\r\n")[0]
    with tls(port) as raw:  # no length announced, and no end: the answer comes once the bound is passed
        raw.sendall(b"POST /api/collector/v1/enrol HTTP/1.1\r\nHost: localhost\r\n")
        raw.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        raw.sendall(b"%x\r\n%s\r\n" % (ELSEWHERE + 1, bytes(ELSEWHERE + 1)))
        answer = raw.recv(4096)
    assert b" 413 " in answer.split(b"\r\n")[0]


def test_a_cut_connection_leaves_nothing(client: urllib3.HTTPSConnectionPool, port: int, sender: Sender) -> None:
    envelope = sender.seal(500)
    start = f"POST {API}envelopes HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(envelope)}\r\n\r\n".encode()
    for part in (0, 100, len(envelope) // 2, len(envelope) - 1):
        with tls(port) as raw:
            raw.sendall(start + envelope[:part])
    with tls(port) as raw:  # the body's end announced too early: the envelope arrives cut off
        short = start.replace(str(len(envelope)).encode(), str(len(envelope) - 9).encode())
        raw.sendall(short + envelope[:-9])
        assert b" 400 " in raw.recv(4096).split(b"\r\n")[0]
    assert not Envelope.objects.filter(collector__reference=sender.enrolment.collector).exists()
    assert client.request("POST", API + "envelopes", body=envelope).status == 200
