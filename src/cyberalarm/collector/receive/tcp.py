"""TCP syslog with both framings of RFC 6587: lines ended by a newline, and octet counting.

Memory is bounded for each connection: a line that grows beyond the bound is counted once as overflow and thrown away up to its
end, however long it is. When the pipeline is behind, nothing is read, so that TCP itself pushes the sender back.
"""

from __future__ import annotations

import re
import selectors
import socket
from threading import Thread

from cyberalarm.collector.receive.chunk import LONGEST_LINE, Chunk, Intake
from cyberalarm.collector.receive.udp import split_endpoint
from cyberalarm.core.errors import ConfigurationError

_READ = 256 * 1024
# RFC 6587, 3.4.1: MSG-LEN SP SYSLOG-MSG, where SYSLOG-MSG begins with a priority.
_COUNTED = re.compile(rb"([1-9][0-9]{0,8}) (?=<)")
_MAYBE_COUNTED = re.compile(rb"[1-9][0-9]{0,8}( )?\Z")


class Framing:
    """Cuts a stream of bytes into lines. `feed` is total on any bytes and keeps at most one line's length."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping: int | None = None  # bytes still to throw away; -1: up to the next newline

    def feed(self, received: bytes) -> tuple[list[bytes], int]:
        """Whole lines so far, and how many over-long ones were thrown away."""
        rest = self._rest + received
        lines: list[bytes] = []
        overflow = 0
        at = 0
        while at < len(rest):
            if self._skipping is not None:
                at = self._skip(rest, at)
                continue
            counted = _COUNTED.match(rest, at)
            if counted is None and _MAYBE_COUNTED.match(rest, at):
                break  # a count that has not arrived whole
            if counted:
                start, length = counted.end(), int(counted[1])
                if length > LONGEST_LINE:
                    overflow += 1
                    self._skipping, at = length, start
                elif start + length > len(rest):
                    break
                else:
                    lines.append(rest[start : start + length].rstrip(b"\r\n\0").replace(b"\n", b" "))
                    at = start + length
                continue
            end = rest.find(b"\n", at)
            if end < 0:
                if len(rest) - at > LONGEST_LINE:
                    overflow += 1
                    self._skipping, at = -1, len(rest)
                break
            lines.append(rest[at:end])
            at = end + 1
        self._rest = rest[at:]
        return lines, overflow

    def _skip(self, rest: bytes, at: int) -> int:
        if self._skipping == -1:
            end = rest.find(b"\n", at)
            if end < 0:
                return len(rest)
            self._skipping = None
            return end + 1
        remaining = self._skipping or 0
        step = min(remaining, len(rest) - at)
        self._skipping = remaining - step or None
        return at + step

    def finish(self) -> list[bytes]:
        """What stood unfinished when the sender closed: still a line."""
        rest, self._rest = self._rest, b""
        return [rest] if rest and self._skipping is None else []


class TcpReceiver:
    """One listening socket, its connections, and the thread that reads them all."""

    def __init__(self, endpoint: str, connections: int, intake: Intake) -> None:
        """Raises ConfigurationError when the port cannot be had."""
        host, port = split_endpoint(endpoint)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((host, port))
        except OSError as error:
            self._listener.close()
            raise ConfigurationError(
                f"TCP port {endpoint} cannot be used: {error.strerror}.",
                next_step="Another program may hold it (`ss -ltnp`), or ports below 1024 need more rights.",
            ) from error
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._most = connections
        self._intake = intake
        self._open: dict[socket.socket, tuple[str, Framing]] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.endpoint = endpoint
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self.turned_away = 0
        self._thread = Thread(target=self._run, name=f"tcp {endpoint}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._thread.join(30)
        for connection in list(self._open):
            connection.close()
        self._listener.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._intake.closing.is_set():
            for key, _ in self._selector.select(0.2):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._read(key.fileobj)

    def _accept(self) -> None:
        try:
            connection, address = self._listener.accept()
        except OSError:
            return
        if len(self._open) >= self._most:
            self.turned_away += 1
            connection.close()
            return
        connection.setblocking(False)
        self._open[connection] = (address[0], Framing())
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        source, framing = self._open[connection]
        try:
            received = connection.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        lines, overflow = framing.feed(received) if received else (framing.finish(), 0)
        if lines or overflow:
            text = b"\n".join(lines) + b"\n" if lines else b""
            self._intake.put(Chunk(source, text, overflow))
        if not received:
            self._selector.unregister(connection)
            del self._open[connection]
            connection.close()
