"""A real server and strangers who say nothing, too little, or too slowly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
import uvicorn

from cyberalarm.central import connections
from cyberalarm.central.connections import Message, Receive, Send, TimedBodies, protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 5


async def echo_length(scope: Message, receive: Receive, send: Send) -> None:
    """Answers with the length of the body that arrived; says nothing when the sender left."""
    length = 0
    while scope["type"] == "http":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server with short deadlines."""
    for name, value in (("HEAD_SECONDS", 1.0), ("BODY_SECONDS", 1.0), ("LEAST_PACE", 1000)):
        monkeypatch.setattr(connections, name, value)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        TimedBodies(echo_length), http=protocol(MOST), lifespan="off", log_config=None, limit_concurrency=100
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)


def everything(client: socket.socket) -> bytes:
    """What the server says until it closes, as every request here asks it to."""
    with client.makefile("rb") as answer:
        return answer.read()


def ask(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request)
        return everything(client)


def closed(client: socket.socket) -> bool:
    """Whether the server ended a connection, within the test's patience."""
    client.settimeout(10)
    with contextlib.suppress(ConnectionResetError):
        return client.recv(1) == b""
    return True


def test_a_whole_request_is_answered(port: int) -> None:
    answer = ask(port, b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\n3\r\n" in answer  # the length, in a chunk


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_never_comes_whole_ends_the_connection(port: int, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(said)
        assert closed(client)


def test_silent_connections_do_not_keep_others_out(port: int) -> None:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(MOST + 10)]
        assert sum(closed(client) for client in held) == len(held)
    assert ask(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_body_that_stops_is_given_up(port: int) -> None:
    answer = ask(port, b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_slow_body_that_keeps_coming_is_taken(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8000\r\n\r\n")
        for _ in range(8):
            time.sleep(0.2)
            client.sendall(b"x" * 1000)
        assert b"8000" in everything(client)
