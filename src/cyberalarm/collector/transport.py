"""How long a request to the centre may take, and what its failures are called.

The timeouts of sockets count from the last byte, so whoever takes or gives one byte a minute could hold a request for ever. A
`Deadline` cuts the connection when the time of the whole request is over, whatever it is doing then. (A TLS handshake has its own
end.) The other way round, a timeout counts for all that is sent at once, so `pieces` are sent, or a slow line could never send
much.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socket import SHUT_RDWR, SO_SNDBUF, SOL_SOCKET, socket
from threading import Timer
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, disable_warnings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InsecureRequestWarning,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# A certificate that is not known is asked for one thing only, which proves itself (`Centre.introduction`).
disable_warnings(InsecureRequestWarning)

_OBJECT = re.compile(r"^\w+\(host=.*?\): ")  # which of the library's objects says it
_SLOWEST = 8 * 1024  # bytes a second: a twentieth of the slowest broadband line that is sold


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for a connection, for silence, and for a whole request beside what its bytes take at `slowest` bytes a second."""

    connect: float = 15
    silence: float = 90  # the centre takes up to 60 to store a bundle
    request: float = 150
    slowest: float = _SLOWEST

    def whole(self, size: int) -> float:
        """How long a request may take whose body and answer have so many bytes."""
        return self.request + size / self.slowest


PATIENCE = Patience()


_PIECE = 64 * 1024
# What is sent waits here while a slow line takes it, and the other side seems silent meanwhile.
SOCKET_OPTIONS = [*HTTPConnection.default_socket_options, (SOL_SOCKET, SO_SNDBUF, 2 * _PIECE)]


class Deadline:
    """For the requests of one thread. `pool_classes` are what makes its connections."""

    def __init__(self) -> None:
        self._connection: HTTPConnection | None = None
        self.passed = False
        deadline = self

        class Plain(HTTPConnection):
            def connect(self) -> None:
                deadline._connection = self
                super().connect()

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                deadline._connection = self
                super().connect()

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.pool_classes: dict[str, Any] = {"http": PlainPool, "https": SecurePool}

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cut the connections of what is done here when the time is over; `passed` says whether that was so."""
        self.passed = False
        timer = Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self.passed = True
        handle = self._connection.sock if self._connection else None
        if handle is not None:
            with suppress(OSError):
                socket.shutdown(handle, SHUT_RDWR)  # not TLS's own way, which this thread may not use


def pieces(body: bytes) -> Iterator[bytes]:
    """The body in parts that go through the slowest line before its silence counts as an end."""
    return (body[at : at + _PIECE] for at in range(0, len(body), _PIECE))


def is_other_certificate(error: HTTPError) -> bool:
    """Did the other side show a certificate that is not the pinned one?"""
    return "Fingerprints did not match" in str(_cause(error))


def in_words(error: HTTPError) -> str:
    """What a member reads: the innermost cause, in words that end a sentence."""
    cause = _cause(error)
    text = str(cause)
    for sign, words in _WORDS.items():
        if sign in text:
            return words
    if isinstance(cause, NameResolutionError):
        return "its name is not found; is this machine's DNS right, and is there a connection?"
    slow = isinstance(cause, ConnectTimeoutError | ReadTimeoutError | TimeoutError)
    if slow and not isinstance(cause, NewConnectionError):
        return "it does not answer in time"
    told = _OBJECT.sub("", text)
    return f"the proxy cannot be used: {told}" if _of_proxy(error) else told


_WORDS = {
    "Fingerprints did not match": "its certificate is not the one that the registration token names",
    "certificate has expired": "its certificate has expired (certificate verify failed); or is this machine's clock wrong?",
    "certificate is not yet valid": "its certificate is not valid yet (certificate verify failed); is this machine's clock right?",
    "WRONG_VERSION_NUMBER": "what answers there does not speak TLS; a sign-in page of the network, or a proxy?",
    "407 Proxy": "the proxy wants a name and password (407): write them into `proxy` in the configuration",
}


def _of_proxy(error: BaseException) -> bool:
    reason = getattr(error, "reason", None)
    return isinstance(error, ProxyError) or (isinstance(reason, BaseException) and _of_proxy(reason))


def _cause(error: BaseException) -> BaseException:
    for name in ("reason", "original_error"):
        cause = getattr(error, name, None)
        if isinstance(cause, BaseException):
            return _cause(cause)
    inside = [told for told in error.args if isinstance(told, BaseException)]
    return _cause(inside[-1]) if inside else error
