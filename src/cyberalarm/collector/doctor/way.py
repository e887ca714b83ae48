"""The way to the centre, step by step: name, connection, proxy, TLS, certificate. The first obstacle is told in words of its own.

Every step has a bound in time and in bytes. Nothing of the collector's is sent: no request, no signature, only a proxy's name and
password to that proxy.
"""

from __future__ import annotations

import errno
import hashlib
import re
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from urllib3.util import make_headers

from cyberalarm.collector.centre import Centre
from cyberalarm.envelope.certificate import issuer

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE = 10.0  # seconds for each step
_MOST_HEAD = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})")
_DEFAULT_PORTS = {"https": 443, "http": 80}
# X509_V_ERR_… of openssl/x509_vfy.h
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_NAME = (62, 64)  # of a host, of an IP address
_KEPT = "Bundles are kept and sent when it can be reached."


@dataclass(frozen=True, slots=True)
class Obstacle:
    what: str
    next_step: str


class _BlockedError(Exception):
    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(what)
        self.found = Obstacle(what, next_step)


@dataclass(frozen=True, slots=True)
class _Hop:
    """Where a connection is made to: the centre, or a proxy on the way to it."""

    host: str
    port: int
    called: str

    @classmethod
    def of(cls, url: str, called: str) -> _Hop:
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 443), called)


def obstacle(centre: str, pins: Sequence[str], proxy: str = "", patience: float = PATIENCE) -> Obstacle | None:
    """What stands on the way to the centre, or None when a TLS connection to the right one can be had.

    `pins` are hex SHA-256 digests of which the certificate must have one; without any, public trust decides.
    """
    through = Centre(centre, "", proxy).through
    target = _Hop.of(centre, "the centre")
    first = _Hop.of(through, "the proxy") if through else target
    try:
        connection = _connected(first, _resolved(first, patience), patience)
        with connection:
            if through:
                connection = _tunnelled(connection, through, target, patience)
            _shaken(connection, target, pins)
    except _BlockedError as blocked:
        return blocked.found
    return None


def _resolved(hop: _Hop, patience: float) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
    pool = ThreadPoolExecutor(1, "name")
    try:
        asked = pool.submit(socket.getaddrinfo, hop.host, hop.port, type=socket.SOCK_STREAM)
        return [(found[0], found[4]) for found in asked.result(patience)]
    except NotInTime as error:
        raise _BlockedError(*_no_name_server(hop)) from error
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise _BlockedError(*_no_name_server(hop)) from error
        raise _BlockedError(
            f"The name of {hop.called}, {hop.host}, is not known to this machine's name server.",
            f"Check this machine's DNS setting (resolvectl status), and that {hop.host} is right. {_KEPT}",
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _no_name_server(hop: _Hop) -> tuple[str, str]:
    return (
        f"No name server answers, so the address of {hop.called}, {hop.host}, cannot be found.",
        f"Check this machine's network and its DNS setting: resolvectl status. {_KEPT}",
    )


def _connected(
    hop: _Hop, addresses: list[tuple[socket.AddressFamily, tuple[object, ...]]], patience: float
) -> socket.socket:
    last: OSError | None = None
    until = time.monotonic() + patience
    for family, address in addresses:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.settimeout(max(until - time.monotonic(), 0.1))
        try:
            made.connect(address)
        except OSError as error:
            made.close()
            last = error
            continue
        made.settimeout(patience)
        return made
    where = f"{hop.called} at {hop.host}, port {hop.port}"
    if isinstance(last, TimeoutError):
        raise _BlockedError(
            f"There is no answer from {where}: a firewall on the way seems to drop the connection.",
            f"Let this machine out to {hop.host}, TCP port {hop.port}. {_KEPT}",
        ) from last
    if isinstance(last, ConnectionRefusedError):
        raise _BlockedError(
            f"{where[0].upper()}{where[1:]}, cannot be reached: nobody listens there, or a firewall refuses.",
            f"Let this machine out to {hop.host}, TCP port {hop.port}; if that is done, ask your contact. {_KEPT}",
        ) from last
    said = "there is no route to it" if last and last.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH} else str(last)
    raise _BlockedError(
        f"{where[0].upper()}{where[1:]}, cannot be reached: {said}.",
        f"Check this machine's network, address and gateway: ip addr; ip route. {_KEPT}",
    ) from last


def _tunnelled(connection: socket.socket, proxy: str, target: _Hop, patience: float) -> socket.socket:
    """A way through the proxy, by CONNECT (RFC 9110, 9.3.6)."""
    parts = urlsplit(proxy)
    where = f"The proxy {parts.hostname}, port {_Hop.of(proxy, '').port},"
    if parts.scheme == "https":
        try:
            connection = ssl.create_default_context().wrap_socket(connection, server_hostname=parts.hostname)
        except OSError as error:
            raise _BlockedError(
                f"{where} cannot be spoken to by TLS: {error}.", "Check the proxy's address."
            ) from error
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username is not None else ""
    headers = make_headers(proxy_basic_auth=login) if login else {}
    lines = [f"CONNECT {target.host}:{target.port} HTTP/1.1", f"Host: {target.host}:{target.port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    try:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
        head = _head(connection, patience)
    except OSError as error:
        words = "does not answer" if isinstance(error, TimeoutError) else "closed the connection"
        raise _BlockedError(
            f"{where} {words}.", f"Check the proxy and its address in the configuration. {_KEPT}"
        ) from error
    found = _STATUS_LINE.match(head)
    if not found:
        raise _BlockedError(
            f"{where} does not answer as a proxy does.", "Check its address and port in the configuration."
        )
    status = int(found[1])
    if not 200 <= status < 300:
        raise _BlockedError(*_refused_by_proxy(where, status, target, login=bool(login)))
    return connection


def _refused_by_proxy(where: str, status: int, target: _Hop, *, login: bool) -> tuple[str, str]:
    if status == 407:
        if login:
            return (
                f"{where} does not accept the name and password (407).",
                'Correct them in the configuration: proxy = "http://NAME:PASSWORD@HOST:PORT".',
            )
        return (
            f"{where} wants a name and a password (407).",
            'Write them into the configuration: proxy = "http://NAME:PASSWORD@HOST:PORT"; or let this machine through without.',
        )
    if status in {403, 405}:
        return (
            f"{where} forbids the way to {target.host} ({status}).",
            f"Allow {target.host}:{target.port} at the proxy.",
        )
    if status in {502, 503, 504}:
        return (
            f"{where} answers, but cannot reach {target.host} itself ({status}).",
            f"See at the proxy why {target.host}:{target.port} cannot be reached. {_KEPT}",
        )
    return (
        f"{where} answers with status {status}.",
        f"See at the proxy why; it must allow CONNECT to {target.host}:{target.port}.",
    )


def _head(connection: socket.socket, patience: float) -> bytes:
    """What comes up to an empty line, within a bound of bytes and time. Raises OSError."""
    until, head = time.monotonic() + patience, b""
    while b"\r\n\r\n" not in head and len(head) < _MOST_HEAD:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(1)  # not a byte of what follows: it is TLS
        if not piece:
            raise ConnectionResetError
        head += piece
    connection.settimeout(patience)
    return head


def _shaken(connection: socket.socket, target: _Hop, pins: Sequence[str]) -> None:
    """A TLS handshake with the centre, and a look at its certificate."""
    context = ssl.create_default_context()
    if pins:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with context.wrap_socket(connection, server_hostname=target.host) as secure:
            certificate = secure.getpeercert(binary_form=True) or b""
    except ssl.SSLCertVerificationError as error:
        raise _BlockedError(*_bad_certificate(error, target)) from error
    except ssl.SSLError as error:
        raise _BlockedError(
            f"What answers at {target.host}, port {target.port}, does not speak TLS as the centre does ({error.reason}).",
            f"A filter or a sign-in page of the network may answer in its place: let this machine reach {target.host} directly.",
        ) from error
    except OSError as error:
        words = "nothing comes back" if isinstance(error, TimeoutError) else "the connection is closed"
        raise _BlockedError(
            f"{target.host} takes the connection, but as soon as it is to be encrypted {words}.",
            f"A filter on the way may break it: except {target.host} from inspection. {_KEPT}",
        ) from error
    if pins and hashlib.sha256(certificate).hexdigest() not in pins:
        by = issuer(certificate)
        raise _BlockedError(
            f"The centre cannot be reached: its certificate is not the one that the registration token names"
            f"{f'; this one was issued by “{by}”' if by else ''}.",
            f"If that is your filter, except {target.host} from its inspection of HTTPS. If not, ask your contact whether the"
            f" centre has a new certificate. Nothing was sent. {_KEPT}",
        )


def _bad_certificate(error: ssl.SSLCertVerificationError, target: _Hop) -> tuple[str, str]:
    if error.verify_code == _EXPIRED:
        return (
            f"The certificate of {target.host} has expired.",
            f"Check this machine's date first. If it is right, tell your contact. {_KEPT}",
        )
    if error.verify_code == _NOT_YET_VALID:
        return f"The certificate of {target.host} is not valid yet.", "This machine's date may be behind: set it (NTP)."
    if error.verify_code in _OTHER_NAME:
        return (
            f"What answers for {target.host} shows another host's certificate.",
            f"A sign-in page of the network, or a filter? Let this machine reach {target.host} directly.",
        )
    return (
        f"The certificate of {target.host} is not from an authority that this machine trusts ({error.verify_message}).",
        f"A filter that looks into HTTPS? Except {target.host} from its inspection. {_KEPT}",
    )
