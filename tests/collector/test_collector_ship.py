"""Shipping to a centre over real HTTPS that answers in every wrong way: the bundle is kept, and the words are plain."""

from __future__ import annotations

import base64
import select
import socket
import threading
from contextlib import suppress
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import identity as identities
from cyberalarm.collector.centre import Centre
from cyberalarm.collector.config import CollectorConfig
from cyberalarm.collector.enrol import enrol
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.replay import _Run
from cyberalarm.collector.ship import LONGEST_WAIT, REFUSED_WAIT, Shipper
from cyberalarm.envelope import receipts
from cyberalarm.envelope.keys import SigningKey
from cyberalarm.envelope.receipts import Receipt
from tests.collector.fake_centre import REFERENCE, Answer, FakeCentre, problem
from tests.collector.members import Home, blocked
from tests.collector.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def run(member: Home) -> _Run:
    """Two bundles wait; the shipper is stepped by hand."""
    made = _Run(member.config, 5)
    for number in range(2):
        made.pipeline.take(Chunk("gateway", blocked(number) + b"\n"))
        made.pipeline.close_bundle()
    return made


def other_envelope(receipt: bytes, centre: FakeCentre) -> Answer:
    said = receipts.read(receipt, centre.receipt_key.verify_key)
    return Answer(200, receipts.issue(replace(said, envelope="ab" * 32), centre.receipt_key))


LOGIN_PAGE = b"<!DOCTYPE html><html><title>Welcome to the guest network</title></html>"


def wrong_answers(centre: FakeCentre) -> dict[str, tuple[Answer | object, str, str]]:
    """Name: how the centre answers, the code that follows, and what the words must say."""
    receipt = Receipt("ab" * 32, REFERENCE, 1, 1, 1)
    return {
        "503": (problem(503, "busy", headers={"Retry-After": "7"}), "centre-unreachable", "busy"),
        "429": (Answer(429, b""), "centre-unreachable", "429"),
        "500": (Answer(500, b"oops"), "centre-unreachable", "500"),
        "no number": (problem(503, "busy", headers={"Retry-After": "\xb2"}), "centre-unreachable", "busy"),
        "nested": (Answer(403, b"[" * 100_000), "centre-unreachable", "in its place"),
        "no code": (problem(403, "\x1b[2J" * 20), "centre-unreachable", "in its place"),
        "cut": (lambda honest: Answer(200, honest, cut=20), "centre-unreachable", "cannot be reached"),
        "nothing": (lambda honest: Answer(200, honest, cut=0), "centre-unreachable", "cannot be reached"),
        "sign-in page": (Answer(200, LOGIN_PAGE, {"Content-Type": "text/html"}), "centre-unreachable", "in its place"),
        "page of no type": (Answer(200, LOGIN_PAGE), "centre-unreachable", "in its place"),
        "redirect": (Answer(302, b"", {"Location": "http://portal.example/"}), "centre-unreachable", "in its place"),
        "proxy asks": (Answer(407, b"<html>"), "centre-unreachable", "in its place"),
        "endless": (Answer(200, b"7" * 3_000_000), "document-malformed", "not a signed document"),
        "not a receipt": (Answer(200, b"{}"), "document-malformed", "not a signed document"),
        "empty": (Answer(200, b""), "document-malformed", "not a signed document"),
        "another's": (lambda honest: other_envelope(honest, centre), "receipt-other", "another envelope"),
        "another key's": (
            Answer(200, receipts.issue(receipt, SigningKey.generate())),
            "signature-refused",
            "signature",
        ),
        "gap": (problem(409, "chain-gap", {"expected": 1}), "chain-gap", "restoring a backup"),
        "forked": (problem(409, "chain-forked", {"expected": 1}), "chain-forked", "--set-aside"),
        "taken": (problem(409, "envelope-replayed", {"expected": 9}), "envelope-replayed", "All bundles are kept"),
        "refused": (problem(422, "events-time"), "events-time", "All bundles are kept"),
        "revoked": (problem(403, "collector-revoked"), "collector-revoked", "withdrawn"),
        "unknown": (problem(403, "collector-unknown"), "collector-unknown", "new token"),
    }


NAMES = [
    "503", "429", "500", "no number", "nested", "no code", "cut", "nothing", "sign-in page", "page of no type", "redirect",
    "proxy asks", "endless",
    "not a receipt", "empty", "another's", "another key's", "gap", "forked", "taken", "refused", "revoked", "unknown",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_is_kept_whatever_the_answer(name: str, run: _Run, centre: FakeCentre) -> None:
    answers = wrong_answers(centre)
    assert list(answers) == NAMES
    answer, code, words = answers[name]
    centre.answers.append(answer)  # type: ignore[arg-type]
    wait = run.shipper.step()
    progress = run.shipper.progress
    assert wait is not None
    assert wait > 0.5
    assert progress.trouble_code == code
    assert words in progress.trouble
    assert progress.trouble_since > 0
    assert (run.spool.waiting, progress.sent) == (2, 0)
    if name == "503":
        assert wait >= 7
    # The next honest answer cures it, and the bundle is stored once, also where the centre had it already.
    assert (run.shipper.step(), run.shipper.step(), run.shipper.step()) == (0.0, 0.0, None)
    assert (progress.trouble_code, progress.trouble, progress.sent) == ("", "", 2)
    assert [one.sequence for one in centre.taken] == [1, 2]
    assert run.spool.waiting == 0


def test_refusals_are_asked_again_slowly_and_a_withdrawn_collector_never(run: _Run, centre: FakeCentre) -> None:
    centre.answers += [problem(422, "events-time"), problem(403, "collector-revoked")]
    assert run.shipper.step() == REFUSED_WAIT
    assert run.shipper.stuck
    assert run.shipper.step() == float("inf")


def test_back_off_grows_and_is_bounded(run: _Run, centre: FakeCentre) -> None:
    centre.answers += [Answer(503, b"", {"Retry-After": "999999"}), *([Answer(500, b"")] * 12)]
    waits = [run.shipper.step() or 0.0 for _ in range(13)]
    assert waits[0] <= LONGEST_WAIT
    for number, wait in enumerate(waits[1:], 1):
        planned = min(2.0**number, LONGEST_WAIT)
        assert planned * 0.7 <= wait <= planned * 1.3
    assert not run.shipper.stuck
    assert run.shipper.step() == 0.0
    centre.answers.append(Answer(500, b""))
    assert (run.shipper.step() or 9) <= 1.3, "after success it begins anew"


def test_nobody_there(run: _Run, member: Home, closed_port: int) -> None:
    identity = identities.load(member.data)
    shipper = Shipper(Centre(f"https://127.0.0.1:{closed_port}", identity.pin), identity, run.spool, RLock())
    assert shipper.step()
    assert shipper.progress.trouble_code == "centre-unreachable"
    assert "Connection refused" in shipper.progress.trouble
    assert "0x" not in shipper.progress.trouble
    assert run.spool.waiting == 2


def test_another_certificate_is_never_talked_to(run: _Run, member: Home, centre: FakeCentre) -> None:
    identity = identities.load(member.data)
    for pin, words in (("ab" * 32, "registration token names"), ("", "certificate verify failed")):
        shipper = Shipper(Centre(centre.url, pin), identity, run.spool, RLock())
        assert shipper.step()
        assert shipper.progress.trouble_code == "centre-unreachable"
        assert words in shipper.progress.trouble
    assert (centre.arrivals, run.spool.waiting) == (0, 2)


def test_the_stop_switch_holds_without_asking(run: _Run, centre: FakeCentre) -> None:
    run.shipper.hold = True
    assert run.shipper.step() is None
    assert centre.arrivals == 0
    run.shipper.hold = False
    assert run.shipper.step() == 0.0


def test_a_rotten_file_is_not_sent_and_the_thread_goes_on(run: _Run, centre: FakeCentre, member: Home) -> None:
    first = member.data / "spool" / f"{1:020d}.env"
    whole = first.read_bytes()
    first.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    run.shipper.start()
    wait_for("trouble is said", lambda: run.shipper.progress.trouble_code == "spool-damaged")
    assert run.shipper.alive
    first.write_bytes(whole)
    wait_for("recovery", lambda: len(centre.taken) == 2)
    run.shipper.stop(10)


def test_a_defect_does_not_end_the_thread(run: _Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.spool, "next", lambda: 1 / 0)
    run.shipper.start()
    wait_for("trouble is said", lambda: run.shipper.progress.trouble_code == "ship-failed")
    assert run.shipper.alive
    assert "ZeroDivisionError" in run.shipper.progress.trouble
    run.shipper.stop(10)
    assert not run.shipper.alive


class ConnectProxy:
    """A tiny CONNECT proxy on loopback that asks for a name and password, and notes what it saw."""

    def __init__(self, credentials: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._wanted = b"Basic " + base64.b64encode(credentials.encode())
        self.seen: list[str] = []
        self.carried = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        with client:
            asked = b""
            while not asked.endswith(b"\r\n\r\n"):
                asked += client.recv(4096)
            first, *headers = asked.split(b"\r\n")
            self.seen.append(first.decode())
            if not any(h.lower().startswith(b"proxy-authorization:") and h.endswith(self._wanted) for h in headers):
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = first.split()[1].decode().rpartition(":")
            with socket.create_connection((host, int(port)), 10) as server:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                self._carry(client, server)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(ConnectionResetError):
            self._carry_on(client, server)

    def _carry_on(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            for ready in select.select([client, server], [], [], 20)[0]:
                content = ready.recv(65536)
                if not content:
                    return
                self.carried += content
                (server if ready is client else client).sendall(content)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    made = ConnectProxy("school:s3cret@x")
    yield made
    made.close()


def test_through_a_proxy_with_the_pin(home: Home, centre: FakeCentre, proxy: ConnectProxy) -> None:
    address = f"http://school:s3cret%40x@127.0.0.1:{proxy.port}"
    config = CollectorConfig.model_validate({**home.config.model_dump(), "proxy": address})
    identity = enrol(config, centre.token().to_text())
    run = _Run(config, 5)
    run.pipeline.take(Chunk("gateway", blocked(1) + b"\n"))
    run.pipeline.close_bundle()
    assert run.shipper.step() == 0.0
    assert centre.lines == 1
    assert {seen.rpartition(" ")[0] for seen in proxy.seen} == {f"CONNECT {centre.url.removeprefix('https://')}"}
    assert b"198.51.100" not in proxy.carried
    told = Centre(centre.url, identity.pin, address)
    assert told.proxy == f"http://127.0.0.1:{proxy.port}", "no password where people read"
    wrong = Shipper(Centre(centre.url, "ab" * 32, address), identity, run.spool, RLock())
    run.pipeline.take(Chunk("gateway", blocked(2) + b"\n"))
    run.pipeline.close_bundle()
    assert wrong.step()
    assert "certificate is not the one" in wrong.progress.trouble


def test_a_proxy_that_refuses_is_said(member: Home, centre: FakeCentre, proxy: ConnectProxy) -> None:
    identity = identities.load(member.data)
    run = _Run(member.config, 5)
    run.pipeline.take(Chunk("gateway", blocked(1) + b"\n"))
    run.pipeline.close_bundle()
    shipper = Shipper(Centre(centre.url, identity.pin, f"http://127.0.0.1:{proxy.port}"), identity, run.spool, RLock())
    assert shipper.step()
    assert "407" in shipper.progress.trouble
    assert run.spool.waiting == 1


def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert Centre("https://centre.example", "").proxy == "http://proxy.example:3128"
    monkeypatch.setenv("no_proxy", "centre.example")
    assert Centre("https://centre.example", "").proxy == ""
