"""Each obstacle on the way to the centre has words of its own; each is met for real on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector.doctor.way import Obstacle, obstacle
from cyberalarm.envelope import certificate
from tests.collector import certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = timedelta(days=1)


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server on loopback that does one thing with each connection; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    ending = threading.Event()

    def work(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(5)
            answer(connection)

    def run() -> None:
        while not ending.is_set():
            with suppress(OSError):
                threading.Thread(target=work, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ending.set()
        with suppress(OSError):
            socket.create_connection(listener.getsockname(), 1).close()
        thread.join(5)
        listener.close()


def by_tls(made: certificates.Made) -> Callable[[socket.socket], None]:
    context = made.server_context

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    return answer


def proxy_saying(head: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(head)

    return answer


def at(port: int) -> str:
    return f"https://127.0.0.1:{port}"


def says(found: Obstacle | None, *words: str) -> None:
    assert found is not None
    for word in words:
        assert word in f"{found.what} {found.next_step}", found


def test_nobody_listens(closed_port: int) -> None:
    says(obstacle(at(closed_port), ("00" * 32,)), f"port {closed_port}", "nobody listens there", "Bundles are kept")


def test_no_answer_at_all() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # more than may wait: the operating system drops what comes after
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        says(
            obstacle(at(full.getsockname()[1]), (), patience=0.5), "no answer from the centre", "a firewall on the way"
        )
        for one in waiting:
            one.close()


@pytest.mark.parametrize(
    ("number", "words"), [(socket.EAI_NONAME, "is not known"), (socket.EAI_AGAIN, "No name server answers")]
)
def test_names_that_are_not_found(number: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "made up")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    says(obstacle("https://centre.example", ()), words, "centre.example", "DNS")


def test_a_name_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(10))
    says(obstacle("https://centre.example", (), patience=0.2), "No name server answers")
    ended.set()


def test_a_page_for_people_where_tls_should_be() -> None:
    with serving(lambda c: (c.recv(10), c.sendall(b"HTTP/1.1 302 Found\r\nLocation: /sign-in\r\n\r\n"))) as port:
        says(obstacle(at(port), ()), "does not speak TLS", "sign-in page")


def test_the_connection_is_cut_or_goes_quiet_when_it_is_to_be_encrypted() -> None:
    with serving(lambda c: c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")) as port:
        says(obstacle(at(port), ()), "to be encrypted", "A filter on the way")
    with serving(lambda c: threading.Event().wait(2)) as port:
        says(obstacle(at(port), (), patience=0.3), "nothing comes back")


def test_a_pinned_certificate_and_another_in_its_place(tmp_path: Path) -> None:
    made = certificates.make(tmp_path, issuer="School\x1b[2J Web Filter")
    with serving(by_tls(made)) as port:
        assert obstacle(at(port), (certificate.pin(made.certificate.read_bytes()),)) is None
        found = obstacle(at(port), ("ab" * 32,))
    says(found, "not the one that the registration token names", "issued by “School[2J Web Filter”", "except 127.0.0.1")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({}, None),
        ({"begins": -3 * DAY, "ends": -DAY}, "has expired"),
        ({"begins": DAY, "ends": 3 * DAY}, "not valid yet"),
        ({"name": "elsewhere.example"}, "another host's certificate"),
    ],
    ids=["good", "expired", "early", "other name"],
)
def test_public_trust(
    kind: dict[str, object], words: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificates.make(tmp_path, **kind)  # type: ignore[arg-type]
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    with serving(by_tls(made)) as port:
        found = obstacle(at(port), ())
    assert (found is None) is (words is None), found
    if words:
        says(found, words)


def test_an_authority_that_is_not_trusted(tmp_path: Path) -> None:
    with serving(by_tls(certificates.make(tmp_path))) as port:
        says(obstacle(at(port), ()), "not from an authority that this machine trusts", "looks into HTTPS")


LOGIN = "http://office:geheim%21@"


@pytest.mark.parametrize(
    ("head", "login", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", False, "wants a name and a password (407)"),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", True, "does not accept the name and password"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", False, "forbids the way to centre.example"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", False, "cannot reach centre.example itself (502)"),
        (b"HTTP/1.1 302 Found\r\n\r\n", False, "status 302"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", False, "does not answer as a proxy does"),
        (b"", False, "closed the connection"),
    ],
)
def test_a_proxy_in_each_mood(head: bytes, login: bool, words: str) -> None:
    with serving(proxy_saying(head)) as port:
        found = obstacle("https://centre.example", (), f"{LOGIN if login else 'http://'}127.0.0.1:{port}")
    says(found, words)
    assert "geheim" not in f"{found}"


def test_a_proxy_that_is_down_or_says_nothing(closed_port: int) -> None:
    says(obstacle("https://centre.example", (), f"http://127.0.0.1:{closed_port}"), "The proxy at", "nobody listens")
    with serving(lambda c: threading.Event().wait(2)) as port:
        says(obstacle("https://centre.example", (), f"http://127.0.0.1:{port}", 0.3), "does not answer")


def test_through_a_proxy_to_the_centre(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    asked: list[bytes] = []
    context = made.server_context

    def proxy(connection: socket.socket) -> None:
        asked.append(connection.recv(4096))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    with serving(proxy) as port:
        pins = (certificate.pin(made.certificate.read_bytes()),)
        assert obstacle("https://centre.example", pins, f"{LOGIN}127.0.0.1:{port}") is None
    assert asked[0].startswith(b"CONNECT centre.example:443 HTTP/1.1\r\n")
    assert b"b2ZmaWNlOmdlaGVpbSE=" in asked[0], "office:geheim!, as RFC 7617 writes it"


def test_what_an_issuer_is_called_is_cut_and_cannot_steer(tmp_path: Path) -> None:
    made = certificates.make(tmp_path, issuer="x" * 60 + "\u202e\n" + "y")
    der = ssl.PEM_cert_to_DER_cert(made.certificate.read_text())
    assert certificate.issuer(der) == "x" * 60 + "y"
    assert certificate.issuer(b"no certificate") == ""
