"""The envelopes' own way in: kept threads, lines of a collector's own, hosts that are ours."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.db.utils import OperationalError

from cyberalarm.central.ingest import front, services
from cyberalarm.central.ingest.errors import StoreUnavailableError
from cyberalarm.central.ingest.threads import KeptThreads
from cyberalarm.envelope import receipts, sealing
from tests.ingest.ingest_client import API, code

if TYPE_CHECKING:
    from collections.abc import Callable

    import urllib3

    from cyberalarm.central.ingest.services import Ingest
    from tests.ingest.ingest_sender import Sender


def test_many_collectors_at_once_are_all_receipted(
    client: urllib3.HTTPSConnectionPool, new_sender: Callable[[], Sender]
) -> None:
    senders = [new_sender() for _ in range(40)]
    envelopes = [sender.seal(5) for sender in senders]
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda envelope: client.request("POST", API + "envelopes", body=envelope), envelopes))
    assert {answer.status for answer in answers} == {200}
    for sender, envelope, answer in zip(senders, envelopes, answers, strict=True):
        assert receipts.read(answer.data, sender.receipt_key).envelope == sealing.digest(envelope)
        assert answer.headers["cache-control"] == "no-store"


def test_one_collector_has_two_threads_at_once_and_others_go_on(
    client: urllib3.HTTPSConnectionPool,
    new_sender: Callable[[], Sender],
    receiving: Ingest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flooding, other = new_sender(), new_sender()
    inside, most, go_on = [0], [0], threading.Event()
    take = receiving.receive

    def slow(envelope: bytes, voucher: str = "", *, reads_words: bool = False) -> bytes:
        if sealing.read_header(envelope).collector == flooding.enrolment.collector:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            go_on.wait(60)
            inside[0] -= 1
        return take(envelope, voucher, reads_words=reads_words)

    monkeypatch.setattr(receiving, "receive", slow)
    envelope = flooding.seal(3)
    with ThreadPoolExecutor(8) as pool:
        flood = [pool.submit(client.request, "POST", API + "envelopes", body=envelope) for _ in range(8)]
        mine = client.request("POST", API + "envelopes", body=other.seal(3))
        assert mine.status == 200
        assert not any(one.done() for one in flood)
        go_on.set()
        assert {one.result().status for one in flood} == {200}
    assert most[0] == front.OF_ONE


def test_a_host_that_is_not_ours_is_refused(client: urllib3.HTTPSConnectionPool, sender: Sender) -> None:
    answer = client.request("POST", API + "envelopes", body=sender.seal(1), headers={"Host": "evil.example"})
    assert answer.status == 400


def test_a_refusal_is_a_problem_document(client: urllib3.HTTPSConnectionPool, sender: Sender) -> None:
    broken = bytearray(sender.seal(1))
    broken[-1] ^= 1
    assert code(client.request("POST", API + "envelopes", body=bytes(broken))) == "envelope-signature"


def test_a_centre_that_does_not_receive_says_so(
    client: urllib3.HTTPSConnectionPool, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "_current", None)
    answer = client.request("POST", API + "envelopes", body=sender.seal(1))
    assert (answer.status, code(answer)) == (503, "store-unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_a_failed_connection_is_made_anew() -> None:
    threads = KeptThreads(1, "test")

    def kept() -> int:
        connection.ensure_connection()
        return id(connection.connection)

    def failing() -> None:
        raise OperationalError("gone")

    async def one_after_the_other() -> None:
        first = await threads.run(kept)
        assert await threads.run(kept) == first
        with pytest.raises(StoreUnavailableError):
            await threads.run(failing)
        assert await threads.run(lambda: connection.connection is None)

    asyncio.run(one_after_the_other())
