"""TCP syslog: one listening socket, its connections, and the thread that reads them all.

Memory is bounded for each connection by `Framing`. When the pipeline is behind, nothing is read, so that TCP itself pushes the
sender back. On the way out, what has already arrived is read, and what stood unfinished counts as a line.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections import Counter
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING

from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.receive.endpoint import listening
from cyberalarm.collector.receive.framing import Framing

if TYPE_CHECKING:
    from cyberalarm.collector.receive.chunk import Intake

_READ = 256 * 1024
# A sender that never stops must not keep us from ending.
_LAST_SECONDS = 5.0
# A device that was switched off never closes its connection. Ask after ten minutes of silence; give up after four more.
_KEEPALIVE = {"TCP_KEEPIDLE": 600, "TCP_KEEPINTVL": 60, "TCP_KEEPCNT": 4}


# One machine that opens connections and says nothing must not keep the firewall out.
_LEAST_SHARE = 10


@dataclass(slots=True)
class _Sender:
    """A connection's other end: where from, its line in the making, and when it last said something."""

    source: str
    framing: Framing
    heard: float


class TcpReceiver:
    def __init__(self, endpoint: str, connections: int, intake: Intake) -> None:
        """Raises ConfigurationError when the port cannot be had."""
        self._listener = listening(endpoint, socket.SOCK_STREAM)
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._most = connections
        self._intake = intake
        self._open: dict[socket.socket, _Sender] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.endpoint = endpoint
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self.turned_away = 0
        self._thread = Thread(target=self._run, name=f"tcp {endpoint}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def stop(self) -> None:
        """Wait for the thread, which ends once the intake is closing."""
        self._thread.join()
        self._listener.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._intake.closing.is_set():
            self._turn(0.2)
        until = time.monotonic() + _LAST_SECONDS
        while self._turn(0) and time.monotonic() < until:
            pass
        for connection in list(self._open):
            self._end(connection)

    def _turn(self, timeout: float) -> bool:
        """Read what is there, a bounded piece of each connection. Was there anything?"""
        ready = self._selector.select(timeout)
        for key, _ in ready:
            if key.fileobj is self._listener:
                self._accept()
            elif isinstance(key.fileobj, socket.socket):
                self._read(key.fileobj)
        return bool(ready)

    def _accept(self) -> None:
        try:
            connection, address = self._listener.accept()
        except OSError:
            return
        if not self._make_room(address[0]):
            self.turned_away += 1
            connection.close()
            return
        connection.setblocking(False)
        with contextlib.suppress(OSError):  # it may be gone already; reading will tell
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE.items():
                if hasattr(socket, option):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self._open[connection] = _Sender(address[0], Framing(), time.monotonic())
        self._selector.register(connection, selectors.EVENT_READ)

    def _make_room(self, source: str) -> bool:
        """Is there a place for one more from `source`?

        A source that has its share gives up its own longest silent connection, since a device that lost its connection opens a
        new one. When all places are taken, the source that has most gives up its longest silent one, unless it has no more than
        the newcomer would.
        """
        counts = Counter(sender.source for sender in self._open.values())
        if counts[source] >= max(_LEAST_SHARE, self._most // 4):
            self._give_up(source)
        elif len(self._open) >= self._most:
            [(most, number)] = counts.most_common(1)
            if number <= counts[source] + 1:
                return False
            self._give_up(most)
        return True

    def _give_up(self, source: str) -> None:
        own = [(sender.heard, connection) for connection, sender in self._open.items() if sender.source == source]
        self.turned_away += 1
        self._end(min(own, key=lambda pair: pair[0])[1])

    def _read(self, connection: socket.socket) -> None:
        sender = self._open.get(connection)
        if sender is None:
            return  # given up in this very turn
        try:
            received = connection.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._end(connection)
            return
        sender.heard = time.monotonic()
        lines, overflow = sender.framing.feed(received)
        if lines or overflow:
            self._intake.put(Chunk(sender.source, lines, overflow))

    def _end(self, connection: socket.socket) -> None:
        sender = self._open.pop(connection)
        self._selector.unregister(connection)
        connection.close()
        if rest := sender.framing.finish():
            self._intake.put(Chunk(sender.source, rest))
