"""Gives the figures to a scraper on this machine: `GET /metrics` over HTTP, on a local socket or a loopback port.

Invariants
- Whoever asks cannot hold anything up: one thread, at most `MOST` connections, each with `PATIENCE` seconds and `_LONGEST`
  bytes for its whole request; the one that is open longest gives way to a new one. The collector's other threads never wait for
  it.
- Nothing is read but a request line and headers, nothing is changed, every connection is closed after its answer.
- A local socket is made for the collector's account and group only, and taken away at the end.
"""

from __future__ import annotations

import os
import selectors
import socket
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import structlog

from cyberalarm.collector.metrics.exposition import CONTENT_TYPE
from cyberalarm.collector.receive.endpoint import bound
from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

UNIX = "unix:"
MOST = 16
PATIENCE = 5.0
_LONGEST = 8 * 1024
_TURN = 0.5
_MODE = 0o660


@dataclass(slots=True)
class _Asker:
    """A connection: until when it may take, what it has said, and what is still to be written to it."""

    until: float
    said: bytes = b""
    answer: memoryview | None = None


class MetricsServer:
    """`page` gives the figures at each question; it is called in this server's thread."""

    def __init__(self, listen: str, page: Callable[[], bytes]) -> None:
        """Raises ConfigurationError when the place cannot be had."""
        self._page = page
        self._path = Path(listen.removeprefix(UNIX)) if listen.startswith(UNIX) else None
        try:
            self._listener = _local(self._path) if self._path else bound(listen, socket.SOCK_STREAM)
        except OSError as error:
            raise ConfigurationError(
                f"metrics.listen: {listen} cannot be used: {error.strerror}.",
                next_step="Name another port, or a socket in a folder that the collector's account may write.",
            ) from error
        self._listener.listen(MOST)
        self._listener.setblocking(False)
        self.address = self._listener.getsockname()
        self._askers: dict[socket.socket, _Asker] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._ending = Event()
        self._thread = Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(_TURN * 4)
        self._listener.close()
        if self._path:
            with suppress(OSError):
                self._path.unlink()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._turn()
            except Exception:
                log.exception("metrics.failed")  # a defect; figures are a convenience, so go on
                time.sleep(_TURN)
        for asker in list(self._askers):
            self._end(asker)
        self._selector.close()

    def _turn(self) -> None:
        for key, events in self._selector.select(_TURN):
            if key.fileobj is self._listener:
                self._accept()
            elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._askers:
                with suppress(BlockingIOError):
                    self._serve(key.fileobj, events)
        now = time.monotonic()
        for asker, state in list(self._askers.items()):
            if now >= state.until:
                self._end(asker)

    def _accept(self) -> None:
        try:
            asker, _ = self._listener.accept()
        except OSError:
            time.sleep(0.01)  # such as no file handle left: never in a tight loop
            return
        if len(self._askers) >= MOST:
            self._end(min(self._askers, key=lambda one: self._askers[one].until))
        asker.setblocking(False)
        self._askers[asker] = _Asker(time.monotonic() + PATIENCE)
        self._selector.register(asker, selectors.EVENT_READ)

    def _serve(self, asker: socket.socket, events: int) -> None:
        state = self._askers[asker]
        try:
            if events & selectors.EVENT_READ and state.answer is None:
                self._listen(asker, state)
            if state.answer is not None:
                state.answer = state.answer[asker.send(state.answer) :]
                if not state.answer:
                    self._end(asker)
        except BlockingIOError:
            raise
        except OSError:
            self._end(asker)

    def _listen(self, asker: socket.socket, state: _Asker) -> None:
        piece = asker.recv(_LONGEST)
        if not piece:
            raise ConnectionResetError  # as if it had been the other side's doing: it is let go
        state.said += piece
        if b"\r\n\r\n" in state.said or b"\n\n" in state.said:
            state.answer = memoryview(self._answer(state.said))
        elif len(state.said) > _LONGEST:
            raise ConnectionResetError
        if state.answer is not None:
            self._selector.modify(asker, selectors.EVENT_WRITE)

    def _answer(self, said: bytes) -> bytes:
        words = said.split(b"\n", 1)[0].split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return _response("400 Bad Request", b"This is not HTTP.\n")
        if words[0] not in {b"GET", b"HEAD"}:
            return _response("405 Method Not Allowed", b"Only GET is understood.\n", "Allow: GET, HEAD")
        if words[1].split(b"?", 1)[0] != b"/metrics":
            return _response("404 Not Found", b"The figures are at /metrics.\n")
        page = _response("200 OK", self._page(), kind=CONTENT_TYPE)
        return page if words[0] == b"GET" else page[: page.index(b"\r\n\r\n") + 4]

    def _end(self, asker: socket.socket) -> None:
        if self._askers.pop(asker, None) is not None:
            self._selector.unregister(asker)
        asker.close()


def _response(status: str, body: bytes, *more: str, kind: str = "text/plain; charset=utf-8") -> bytes:
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
        *more,
    ]
    return "\r\n".join([*head, "", ""]).encode("ascii") + body


def _local(path: Path) -> socket.socket:
    """A local socket in place of one that a killed run left; never in place of anything else. Raises OSError."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~_MODE)
    try:
        made.bind(str(path))
    except BaseException:
        made.close()
        raise
    finally:
        os.umask(before)
    return made
