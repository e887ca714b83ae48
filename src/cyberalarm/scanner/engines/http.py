"""One HTTP/1.1 GET over a bounded connection, and the reading of what came back.

The reply is hostile: caps on bytes and time come from `wire`, parsing is done by the standard library on
bytes already in hand, and nothing in a reply is ever followed except a redirect on the same host.
"""

from __future__ import annotations

import http.client
import io
import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from cyberalarm import __version__
from cyberalarm.scanner.engines.tls import unverified_context
from cyberalarm.scanner.errors import ProbeError
from cyberalarm.scanner.wire import MOST_BYTES, Dialler

if TYPE_CHECKING:
    from socket import socket

AGENT = f"CyberAlarm-Scanner/{__version__} (vulnerability check agreed with the owner of this host)"
_LENGTH = re.compile(rb"(?i)\r?\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*\r?\n")


@dataclass(frozen=True, slots=True)
class HttpReply:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cut: bool  # the reply was longer than the cap, or broke off

    def header(self, name: str) -> str:
        """The first header of that name, or empty."""
        return next((value for key, value in self.headers if key.lower() == name), "")


class _Bytes:
    """What `http.client` needs of a socket: a file over bytes that are already here."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._raw)


def parse_reply(raw: bytes) -> HttpReply:
    """Read a reply that was received whole or cut. Raises ProbeError for anything that is not HTTP."""
    response = http.client.HTTPResponse(cast("socket", _Bytes(raw)), method="GET")
    try:
        response.begin()
        headers = tuple((k, v) for k, v in response.getheaders())
        try:
            body, cut = response.read(), False
        except http.client.IncompleteRead as error:
            body, cut = error.partial, True
    except (http.client.HTTPException, ValueError, OverflowError, OSError) as error:
        raise ProbeError("The answer is not HTTP.", code="scanner.probe.http") from error
    return HttpReply(response.status, headers, body, cut)


def reply_complete(raw: bytes) -> bool:
    """Whether all that a Content-Length promised is here; without one the end of the connection decides."""
    end = raw.find(b"\r\n\r\n")
    if end < 0:
        return False
    found = _LENGTH.search(raw[: end + 2])
    return found is not None and len(raw) >= end + 4 + int(found[1])


def host_header(host: str, port: int, *, tls: bool) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        name = host
    else:
        name = f"[{host}]" if isinstance(address, IPv6Address) else host
    return name if port == (443 if tls else 80) else f"{name}:{port}"


def request(host: str, port: int, path: str, *, tls: bool) -> bytes:
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host_header(host, port, tls=tls)}",
        f"User-Agent: {AGENT}",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii")


async def get(
    dialler: Dialler, host: str, port: int, path: str = "/", *, tls: bool = False, most: int = MOST_BYTES
) -> HttpReply:
    """Fetch one path. Raises ProbeError when there is no HTTP answer."""
    context = unverified_context() if tls else None
    async with dialler.open(port, context, host) as line:
        await line.send(request(host, port, path, tls=tls))
        raw = await line.read(most, enough=reply_complete)
    if not raw:
        raise ProbeError("No answer to an HTTP request.", code="scanner.probe.http")
    reply = parse_reply(raw)
    heed(dialler, reply)
    return reply


def heed(dialler: Dialler, reply: HttpReply) -> None:
    """Go slower where the host says that it is busy. Raises UnwelcomeError at the third time running."""
    if reply.status in {429, 503}:
        dialler.pace.slow_down()
    else:
        dialler.pace.fine()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a redirect on the same host leads."""

    tls: bool
    port: int
    path: str


def same_host_redirect(reply: HttpReply, host: str, here: Place) -> Place:
    """Where a redirect leads, if it stays on the host. Raises ProbeError where it leaves it."""
    where = reply.header("location")
    try:
        parts = urlsplit(where)
        port = parts.port
    except ValueError as error:
        raise ProbeError("The redirect cannot be read.", code="scanner.probe.redirect") from error
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.startswith("/") or not path.isascii() or any(c <= " " for c in path):
        raise ProbeError("The redirect cannot be read.", code="scanner.probe.redirect")
    if not parts.netloc and not parts.scheme:
        return Place(here.tls, here.port, path)
    if parts.scheme not in {"http", "https"} or (parts.hostname or "").lower() != host.lower() or parts.username:
        raise ProbeError("The host redirects to another host.", code="scanner.probe.redirect")
    tls = parts.scheme == "https"
    return Place(tls, port or (443 if tls else 80), path)
