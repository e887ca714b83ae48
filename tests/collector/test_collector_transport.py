"""The ways to the centre that fail: each is said in words that a member understands, nothing is lost, and it recovers by itself."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector import identity as identities
from cyberalarm.collector.centre import Centre
from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.replay import _Run
from cyberalarm.collector.ship import Shipper
from cyberalarm.collector.transport import Patience
from cyberalarm.envelope import certificate
from tests.collector.members import Home, blocked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.collector.fake_centre import FakeCentre

SHORT = Patience(connect=1, silence=1, request=2, slowest=1e9)


@pytest.fixture
def run(member: Home) -> _Run:
    """One bundle waits."""
    made = _Run(member.config, 5)
    made.pipeline.take(Chunk("gateway", blocked(1) + b"\n"))
    made.pipeline.close_bundle()
    return made


def attempt(run: _Run, centre: Centre) -> str:
    """Try to send by this way; gives what the member reads. The bundle stays, and there is a next time."""
    shipper = Shipper(centre, run.shipper._identity, run.spool, RLock())
    began = time.monotonic()
    wait = shipper.step()
    assert wait is not None
    assert 0.5 < wait < 2
    assert time.monotonic() - began < 8, "it must not be held for longer than its patience"
    assert shipper.progress.trouble_code == "centre-unreachable"
    assert not shipper.stuck
    assert run.spool.waiting == 1
    return shipper.progress.trouble


def recovers(run: _Run, centre: FakeCentre) -> None:
    assert run.shipper.step() == 0.0
    assert (centre.lines, run.spool.waiting) == (1, 0)


@contextmanager
def server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Whoever connects is talked to like this, each in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # as for whoever is accepted

        def one(client: socket.socket) -> None:
            with client:
                try:
                    talk(client)
                except OSError:
                    return

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(client,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """A certificate that is not the centre's, to be pinned by these tests."""
    made = certificate.make(tmp_path / "other", ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    return context


@pytest.fixture
def pin(context: ssl.SSLContext, tmp_path: Path) -> str:
    return certificate.pin((tmp_path / "other" / "tls-certificate.pem").read_bytes())


def drip(connection: socket.socket, content: bytes) -> None:
    for byte in content:
        connection.sendall(bytes([byte]))
        time.sleep(0.2)


def in_tls(context: ssl.SSLContext, talk: Callable[[ssl.SSLSocket], None]) -> Callable[[socket.socket], None]:
    def secured(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as connection:
            connection.settimeout(10)
            talk(connection)

    return secured


SLOW: dict[str, Callable[[ssl.SSLSocket], None]] = {
    "a head that drips": lambda c: drip(c, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 600),
    "a body that drips": lambda c: (
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n"),
        drip(c, b"x" * 600),
    )[1],
    "no answer at all": lambda c: time.sleep(6),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_server_holds_nobody(
    run: _Run, centre: FakeCentre, context: ssl.SSLContext, pin: str, name: str
) -> None:
    def talk(connection: ssl.SSLSocket) -> None:
        connection.recv(65536)
        SLOW[name](connection)

    with server(in_tls(context, talk)) as port:
        said = attempt(run, Centre(f"https://127.0.0.1:{port}", pin, patience=SHORT))
    assert "takes too long" in said or "not answer in time" in said
    recovers(run, centre)


def test_a_server_that_reads_slowly_holds_nobody(
    run: _Run, centre: FakeCentre, context: ssl.SSLContext, pin: str
) -> None:
    def talk(connection: ssl.SSLSocket) -> None:
        for _ in range(100):
            connection.recv(1)
            time.sleep(0.1)

    with server(in_tls(context, talk)) as port:
        told = Centre(f"https://127.0.0.1:{port}", pin, patience=SHORT)
        began = time.monotonic()
        with pytest.raises(Exception, match=r"takes too long|not answer in time"):
            told.envelope(bytes(40_000_000))
        assert time.monotonic() - began < 8
    recovers(run, centre)


def test_a_handshake_that_drips_holds_nobody(run: _Run, centre: FakeCentre, pin: str) -> None:
    with server(lambda client: drip(client, b"\x16\x03\x03\x40\x00" + bytes(600))) as port:
        said = attempt(run, Centre(f"https://127.0.0.1:{port}", pin, patience=SHORT))
    assert "takes too long" in said or "not answer in time" in said
    recovers(run, centre)


def test_a_slow_line_may_take_its_time(context: ssl.SSLContext, pin: str) -> None:
    """Longer than the silence that is borne, since bytes go all the while."""
    size = 3_000_000

    def talk(connection: ssl.SSLSocket) -> None:
        left = size
        while left > 0:
            left -= len(connection.recv(65536))
            time.sleep(0.03)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    patience = Patience(connect=1, silence=2, request=30)
    with server(in_tls(context, talk)) as port:
        began = time.monotonic()
        assert Centre(f"https://127.0.0.1:{port}", pin, patience=patience).envelope(bytes(size)) == b"ok"
    assert time.monotonic() - began > patience.silence


@pytest.mark.parametrize("reset", [False, True])
def test_closed_in_the_middle(run: _Run, centre: FakeCentre, context: ssl.SSLContext, pin: str, reset: bool) -> None:
    def talk(connection: ssl.SSLSocket) -> None:
        connection.recv(100)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with server(in_tls(context, talk)) as port:
        said = attempt(run, Centre(f"https://127.0.0.1:{port}", pin, patience=SHORT))
    assert "cannot be reached" in said
    recovers(run, centre)


def test_a_sign_in_page_that_knows_no_tls(run: _Run, centre: FakeCentre, pin: str) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello"
    with server(lambda client: (client.recv(4096), client.sendall(page))[1]) as port:
        said = attempt(run, Centre(f"https://127.0.0.1:{port}", pin, patience=SHORT))
    assert "does not speak TLS; a sign-in page" in said
    recovers(run, centre)


def test_a_name_that_is_not_found(run: _Run, centre: FakeCentre, pin: str) -> None:
    said = attempt(run, Centre("https://centre.invalid", pin, patience=SHORT))
    assert "its name is not found; is this machine's DNS right" in said
    recovers(run, centre)


@pytest.mark.parametrize(("days", "words"), [(-1, "has expired"), (1, "not valid yet")])
def test_a_public_certificate_out_of_its_time(
    run: _Run, centre: FakeCentre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, words: str
) -> None:
    """Trusted as public ones are (here by the environment), but of another time; its own pin would do without a date."""
    moment = datetime.now(UTC) + (timedelta(days=days) if days > 0 else -certificate.LIFETIME - timedelta(days=1))

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return moment

    with monkeypatch.context() as patched:
        patched.setattr(certificate, "datetime", Clock)
        made = certificate.make(tmp_path / "dated", ["127.0.0.1"])
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with server(in_tls(context, lambda connection: time.sleep(1))) as port:
        said = attempt(run, Centre(f"https://127.0.0.1:{port}", "", patience=SHORT))
    assert words in said
    assert "clock" in said
    recovers(run, centre)


def test_a_proxy_that_is_down(run: _Run, centre: FakeCentre, member: Home, closed_port: int) -> None:
    pin = identities.load(member.data).pin
    said = attempt(run, Centre(centre.url, pin, f"http://127.0.0.1:{closed_port}", patience=SHORT))
    assert "the proxy cannot be used" in said
    assert "Connection refused" in said
    assert "host=" not in said
    recovers(run, centre)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "name and password (407)"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "403 Forbidden"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "502 Bad Gateway"),
        (b"garbage\r\n\r\n", "cannot be reached"),
    ],
)
def test_a_proxy_that_says_no(run: _Run, centre: FakeCentre, member: Home, answer: bytes, words: str) -> None:
    pin = identities.load(member.data).pin
    with server(lambda client: (client.recv(4096), client.sendall(answer))[1]) as port:
        said = attempt(run, Centre(centre.url, pin, f"http://127.0.0.1:{port}", patience=SHORT))
    assert words in said
    recovers(run, centre)


def test_a_proxy_that_never_answers(run: _Run, centre: FakeCentre, member: Home) -> None:
    pin = identities.load(member.data).pin
    with server(lambda client: drip(client, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 600)) as port:
        attempt(run, Centre(centre.url, pin, f"http://127.0.0.1:{port}", patience=SHORT))
    recovers(run, centre)


def test_cut_off_after_the_centre_has_stored_it(run: _Run, centre: FakeCentre, member: Home) -> None:
    """Something on the way resets the connection when the answer begins: the same bundle again has the same receipt."""
    target = int(centre.url.rpartition(":")[2])

    def relay(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", target), 10) as there:

            def forward() -> None:
                try:
                    while content := client.recv(65536):
                        there.sendall(content)
                except OSError:
                    return

            threading.Thread(target=forward, daemon=True).start()
            while content := there.recv(65536):
                if centre.receipts:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                    return
                client.sendall(content)

    pin = identities.load(member.data).pin
    with server(relay) as port:
        attempt(run, Centre(f"https://127.0.0.1:{port}", pin, patience=SHORT))
    assert (centre.lines, run.spool.waiting) == (1, 1), "stored, and not known here"
    recovers(run, centre)
    assert centre.arrivals == 2


def test_an_idle_connection_is_closed(run: _Run, centre: FakeCentre, context: ssl.SSLContext, pin: str) -> None:
    """The centre waits for what comes next on a connection that stays open."""
    ended = threading.Event()

    def talk(connection: ssl.SSLSocket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")
        while connection.recv(65536):
            continue
        ended.set()

    with server(in_tls(context, talk)) as port:
        told = Centre(f"https://127.0.0.1:{port}", pin, patience=SHORT)
        attempt(run, told)
        told.rest()
        assert ended.wait(5)
    recovers(run, centre)
