"""Decoys: stand-in services on loopback for demonstrations and tests of the scanner.

Each is a stub that says a given banner and nothing more; none is the product it names, and a web decoy's
page says so. They listen on loopback only, on ports that the system chooses, and bound what they read.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROOF_PATH = "/.well-known/cyberalarm-verification.txt"
PAGE = "This is a stub of the CyberAlarm lab. It is not the product that its header names.\n"
_MOST_REQUEST = 8192
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LineDecoy:
    """Greets with one line, as SSH, FTP and mail servers do."""

    name: str
    line: str

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.line.encode() + b"\r\n")
        await writer.drain()
        await reader.read(_MOST_REQUEST)


@dataclass(frozen=True, slots=True)
class WebDecoy:
    """Answers HTTP with a given Server header; with a token it also serves the verification file."""

    name: str
    server: str
    token: str = ""
    powered_by: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        path = head.split(b" ", 2)[1:2]
        if self.token and path == [PROOF_PATH.encode()]:
            status, body = "200 OK", self.token + "\n"
        elif path == [b"/"]:
            status, body = "200 OK", PAGE
        else:
            status, body = "404 Not Found", PAGE
        lines = [f"HTTP/1.1 {status}", f"Server: {self.server}", "Content-Type: text/plain; charset=utf-8"]
        lines += [f"X-Powered-By: {self.powered_by}"] if self.powered_by else []
        lines += [f"Content-Length: {len(body.encode())}", "Connection: close", "", body]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()


Decoy = LineDecoy | WebDecoy


@dataclass(frozen=True, slots=True)
class Place:
    """Where a decoy listens."""

    decoy: Decoy
    address: str
    port: int


def demonstration() -> tuple[Decoy, ...]:
    """A small organisation's worth of neglected services, and one that is in order.

    The web decoy comes first, without token.
    """
    return (
        WebDecoy("website", "Apache/2.4.49 (Unix) PHP/7.2.34"),
        LineDecoy("remote shell, old package", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2"),
        LineDecoy("remote shell, repaired package", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7"),
        LineDecoy("file transfer", "220 (vsFTPd 2.3.4)"),
        LineDecoy("mail", "220 mail.example.org ESMTP Exim 4.89 Mon, 05 Jan 2026 09:00:00 +0000"),
    )


async def start(decoys: Sequence[Decoy], address: str = "127.0.0.1") -> tuple[list[asyncio.Server], list[Place]]:
    """Start decoys on a loopback address; the caller closes the servers.

    Raises ValueError for any other address.
    """
    if not ip_address(address).is_loopback:
        raise ValueError(f"decoys listen on loopback only, not on {address}")
    servers: list[asyncio.Server] = []
    places: list[Place] = []
    for decoy in decoys:
        server = await asyncio.start_server(partial(_attend, decoy), address, 0, limit=_MOST_REQUEST)
        servers.append(server)
        places.append(Place(decoy, address, server.sockets[0].getsockname()[1]))
    return servers, places


async def _attend(decoy: Decoy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection to a decoy, with a deadline, and closed at its end."""
    try:
        # Cancelled when the decoys stop, which asyncio 3.11 would log as an error.
        with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(_SECONDS):
                await decoy.serve(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.contextmanager
def running(decoys: Sequence[Decoy], address: str = "127.0.0.1") -> Iterator[list[Place]]:
    """Run decoys in a thread of their own for the length of a `with` block."""
    loop = asyncio.new_event_loop()
    servers, places = loop.run_until_complete(start(decoys, address))
    thread = threading.Thread(target=loop.run_forever, name="decoys", daemon=True)
    thread.start()
    try:
        yield places
    finally:
        asyncio.run_coroutine_threadsafe(_stop(servers), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()


async def _stop(servers: Sequence[asyncio.Server]) -> None:
    for server in servers:
        server.close()
    others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
