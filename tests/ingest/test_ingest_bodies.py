"""How far the centre reads an envelope before it knows that its sender may send, through a real TLS server."""

from __future__ import annotations

import asyncio
import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from cyberalarm.central.ingest.bodies import ENVELOPES, BoundedBodies, Message, Receive, Send
from cyberalarm.central.ingest.models import Envelope
from cyberalarm.central.members.models import Collector, Member
from cyberalarm.envelope import receipts, sealing
from tests.ingest.ingest_client import API, tls
from tests.ingest.ingest_judging import pk

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import urllib3

    from tests.ingest.ingest_sender import Sender

HUGE = 60 * 1024 * 1024


def start(length: int | None) -> bytes:
    body = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST {API}envelopes HTTP/1.1\r\nHost: localhost\r\n{body}\r\n\r\n".encode()


def answer_of(raw: ssl.SSLSocket) -> tuple[int, bytes]:
    """Status and body of the one answer on a connection."""
    got, length = b"", None
    while length is None or len(got.partition(b"\r\n\r\n")[2]) < length:
        part = raw.recv(65536)
        assert part, got
        got += part
        if found := re.search(rb"(?i)content-length: (\d+)\r\n.*?\r\n\r\n", got, re.DOTALL):
            length = int(found[1])
    return int(got.split(b" ", 2)[1]), got.partition(b"\r\n\r\n")[2]


def refusal_of(port: int, length: int | None, beginning: bytes) -> str:
    """The code with which the centre refuses a body of which it has seen no more than its beginning."""
    with tls(port) as raw:
        raw.sendall(start(length) + beginning)
        status, body = answer_of(raw)
    problem = json.loads(body)
    assert problem["status"] == status
    return str(problem["code"])


def header_of(envelope: bytes) -> bytes:
    return envelope[: sealing.header_end(envelope)]


def chunk(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part)


@pytest.mark.parametrize(
    ("forbid", "code"),
    [
        (lambda c: Collector.objects.filter(pk=c.pk).delete(), "collector-unknown"),
        (lambda c: Collector.objects.filter(pk=c.pk).update(public_key=None), "collector-unknown"),
        (lambda c: Collector.objects.filter(pk=c.pk).update(status=Collector.Status.REVOKED), "collector-revoked"),
        (lambda c: Collector.objects.filter(pk=c.pk).update(status=Collector.Status.STOPPED), "collector-stopped"),
        (lambda c: Member.objects.filter(pk=c.site.member_id).update(status="left"), "collector-revoked"),
    ],
)
def test_who_may_not_send_is_refused_by_the_header_alone(
    port: int, sender: Sender, forbid: Callable[[Collector], object], code: str
) -> None:
    header = header_of(sender.seal(2))
    forbid(Collector.objects.get(pk=pk(sender)))
    assert refusal_of(port, HUGE, header) == code
    assert refusal_of(port, None, chunk(header)) == code


@pytest.mark.parametrize("size", [1_000, 300_000, 8_000_000])
def test_a_collector_that_writes_all_before_it_reads_gets_its_answer(
    client: urllib3.HTTPSConnectionPool, sender: Sender, size: int
) -> None:
    """As ours does: the answer must not be lost to a connection that is closed under what is still being sent."""
    envelope = sender.seal_payload(bytes(size), sender.header(0, 0))
    Collector.objects.filter(pk=pk(sender)).update(status=Collector.Status.STOPPED)
    for _ in range(5):
        answer = client.request("POST", API + "envelopes", body=envelope)
        assert (answer.status, json.loads(answer.data)["code"]) == (403, "collector-stopped")


def test_what_is_no_envelope_is_refused_as_soon_as_it_shows(port: int, sender: Sender) -> None:
    header = header_of(sender.seal(2))
    for beginning, code in (
        (b"X", "envelope-malformed"),
        (b"CAE2", "envelope-malformed"),
        (b"CAE1" + (sealing.MAX_HEADER + 1).to_bytes(4), "envelope-malformed"),
        (header.replace(b'"version":1', b'"version":9'), "envelope-version"),
        (header.replace(b'"sequence":1', b'"sequence":0'), "envelope-malformed"),
    ):
        assert refusal_of(port, HUGE, beginning) == code


def test_a_length_that_no_envelope_has_is_refused(port: int, sender: Sender) -> None:
    header = header_of(sender.seal(2))
    assert refusal_of(port, len(header) + 80, header) == "envelope-malformed"
    assert refusal_of(port, sealing.MAX_ENVELOPE + 1, header) == "body-too-large"
    assert refusal_of(port, 0, b"") == "envelope-malformed"
    assert refusal_of(port, None, chunk(header[:-1]) + b"0\r\n\r\n") == "envelope-malformed"


def test_an_over_long_body_without_a_length_is_read_to_the_bound(port: int, sender: Sender) -> None:
    part = chunk(bytes(1024 * 1024))
    with tls(port) as raw:
        raw.sendall(start(None) + chunk(header_of(sender.seal(2))))
        for _ in range(sealing.MAX_ENVELOPE // (1024 * 1024)):
            raw.sendall(part)
        status, body = answer_of(raw)
    assert (status, json.loads(body)["code"]) == (413, "body-too-large")


@pytest.mark.parametrize("cuts", [(1, 3, 8, 9), (7, 200, 2000), (300,)])
@pytest.mark.parametrize("chunked", [False, True])
def test_an_envelope_in_pieces_is_taken_whole(port: int, sender: Sender, cuts: tuple[int, ...], chunked: bool) -> None:
    envelope = sender.seal(40)
    ends = (0, *cuts, len(envelope))
    with tls(port) as raw:
        raw.sendall(start(None if chunked else len(envelope)).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        for at, end in pairwise(ends):
            raw.sendall(chunk(envelope[at:end]) if chunked else envelope[at:end])
        if chunked:
            raw.sendall(b"0\r\n\r\n")
        status, body = answer_of(raw)
    assert status == 200
    assert b"kept" not in body
    assert sealing.digest(envelope).encode() in body
    assert Envelope.objects.get(collector=pk(sender)).rows == 40


@bounds(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 900), max_size=8).map(sorted), ended=st.booleans())
def test_what_was_read_of_a_body_is_handed_on_as_it_came(sender: Sender, cuts: list[int], ended: bool) -> None:
    """Every way to cut a body into messages; `ended`: the last message says that it is the last."""
    envelope = sender.seal(1)
    pieces = [envelope[at:end] for at, end in pairwise((0, *cuts, len(envelope)))]
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages += [] if ended else [{"type": "http.request"}]
    messages[-1]["more_body"] = False
    assert asyncio.run(handed_on(messages)) == envelope


async def handed_on(messages: list[Message]) -> bytes:
    """The body that an application behind `BoundedBodies` gets."""
    got = bytearray()

    async def application(_scope: Message, receive: Receive, _send: Send) -> None:
        more = True
        while more:
            message = await receive()
            got.extend(message.get("body", b""))
            more = message.get("more_body", False)

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope: Message = {"type": "http", "path": ENVELOPES, "method": "POST", "headers": []}
    await BoundedBodies(application)(scope, receive, send)
    assert not messages
    return bytes(got)


def test_a_sender_that_goes_away_in_its_header_leaves_nothing(
    client: urllib3.HTTPSConnectionPool, port: int, sender: Sender
) -> None:
    envelope = sender.seal(3)
    for part in (0, 1, 8, 100):
        with tls(port) as raw:
            raw.sendall(start(len(envelope)) + envelope[:part])
    answer = client.request("POST", API + "envelopes", body=envelope)
    assert receipts.read(answer.data, sender.receipt_key).rows == 3


def test_another_method_is_told_so_whatever_its_body(client: urllib3.HTTPSConnectionPool) -> None:
    answer = client.request("PUT", API + "envelopes", body=b"noise")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
