"""Replies are hostile: endless, slow, huge, binary, cut off. Caps hold, and nothing is called clean."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.scanner import wire
from cyberalarm.scanner.certificates import read_certificate
from cyberalarm.scanner.engines import banner as banner_engine
from cyberalarm.scanner.engines import probe as probe_engine
from cyberalarm.scanner.engines.banner import read_banner
from cyberalarm.scanner.engines.http import parse_reply, reply_complete
from cyberalarm.scanner.engines.probe import Heard, probe_port
from cyberalarm.scanner.engines.tls import parse_server_hello
from cyberalarm.scanner.errors import AuthorityError, ProbeError
from cyberalarm.scanner.evidence import trimmed
from cyberalarm.scanner.identity import Observation
from cyberalarm.scanner.recognise import Recogniser, server_parts
from cyberalarm.scanner.wire import Dialler, Line, Pace, UnwelcomeError
from tests.scanner.scan_lab import BOTH, answers, listening, say_nothing, says


def dialler_for(*ports: int) -> Dialler:
    return Dialler(ip_address("127.0.0.1"), frozenset(ports), lambda: None, Pace(500.0, 10))


def probe(port: int) -> Heard:
    async def ask() -> Heard:
        async with asyncio.timeout(60):
            return await probe_port(dialler_for(port), "127.0.0.1", port, BOTH)

    return asyncio.run(ask())


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same caps, reached sooner."""
    monkeypatch.setattr(probe_engine, "WAIT_SECONDS", 0.3)
    monkeypatch.setattr(wire, "READ_SECONDS", 1.0)
    monkeypatch.setattr(wire, "CONNECT_SECONDS", 2.0)
    monkeypatch.setattr(Line.read, "__defaults__", (1.0, None))


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"A" * 65536)
        await writer.drain()


async def endless_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(4096)
    writer.write(b"HTTP/1.1 200 OK\r\nServer: nginx/1.18.0\r\n\r\n")
    while True:
        writer.write(b"A" * 65536)
        await writer.drain()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def drip_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(4096)
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("talk", [endless, drip, drip_http, says(bytes(range(256)) * 100), answers(b"\x00" * 5000)])
def test_nonsense_is_unknown_and_bounded(talk: object) -> None:
    with listening(talk) as (server,):  # type: ignore[arg-type]
        heard = probe(server.port)
    # A reply that drips headers for ever is cut, and what came is read.
    assert heard.protocol == ("http" if talk is drip_http else "unknown")
    assert len(heard.banner) <= 512


def test_endless_page_is_cut_and_still_read() -> None:
    with listening(endless_http) as (server,):
        heard = probe(server.port)
    assert heard.observations == (Observation("http.server", "nginx/1.18.0"),)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 99999999999999999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFF\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nA",
        b"HTTP/",
    ],
)
def test_crooked_http(reply: bytes) -> None:
    with listening(answers(reply)) as (server,):
        try:
            heard = probe(server.port)
        except ProbeError:
            return
    assert heard.protocol in {"http", "unknown"}


def test_silent_port_is_open_and_not_known() -> None:
    with listening(say_nothing) as (server,):
        heard = probe(server.port)
    assert heard.protocol == "unknown"
    assert heard.notes


def test_a_dialler_reaches_its_own_ports_only() -> None:
    async def ask(dialler: Dialler, port: int) -> None:
        async with dialler.open(port):
            pass

    with listening(say_nothing) as (server,):
        with pytest.raises(AuthorityError):
            asyncio.run(ask(dialler_for(1), server.port))
        assert server.connections == 0


def test_pace_spaces_connections_and_stops_when_unwelcome() -> None:
    slept: list[float] = []

    async def turns() -> Pace:
        real = asyncio.sleep

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            await real(0)

        asyncio.sleep = sleep  # type: ignore[assignment]
        try:
            pace = Pace(rate=10.0, at_once=2)
            for _ in range(4):
                async with pace.turn():
                    pass
        finally:
            asyncio.sleep = real
        return pace

    pace = asyncio.run(turns())
    assert len(slept) == 3
    assert max(slept) <= 0.31
    pace.slow_down()
    assert pace.rate == 5.0
    pace.fine()
    pace.slow_down()
    pace.slow_down()
    with pytest.raises(UnwelcomeError):
        pace.slow_down()


@given(st.binary(max_size=2000))
def test_parsers_are_total(raw: bytes) -> None:
    for parse in (parse_reply, parse_server_hello, read_certificate):
        try:
            parse(raw)
        except ProbeError:
            continue
    read_banner(raw)
    reply_complete(raw)
    banner_engine.complete(raw)
    assert all(c.isprintable() for c in trimmed(raw))


@given(st.binary(max_size=600))
def test_http_after_a_status_line(raw: bytes) -> None:
    try:
        reply = parse_reply(b"HTTP/1.1 200 OK\r\n" + raw)
    except ProbeError:
        return
    assert reply.status == 200


@given(
    st.sampled_from(["ssh.banner", "http.server", "smtp.banner", "ftp.banner", "mysql.banner"]),
    st.text(max_size=3000),
)
def test_recognition_is_total(kind: str, text: str) -> None:
    for identity in Recogniser().identify(Observation(kind, text)):
        assert len(identity.evidence) <= 512
    assert len(server_parts(text)) <= 12


def test_evidence_hides_control_and_direction_characters() -> None:
    assert trimmed(b"\x1b[31mred\x07\r\nnext") == "·[31mred···next"
    assert trimmed("a\u202eb\u2066c") == "a·b·c"
    assert len(trimmed("x" * 5000)) == 512
