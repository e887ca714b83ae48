"""UDP syslog: one datagram is one line, whatever stands in it.

Counts what the operating system dropped because we were behind (`drops`), from the socket table of the kernel. What is read at once
is bounded in bytes, so that large datagrams cannot take the memory.
"""

from __future__ import annotations

import select
import socket
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from cyberalarm.collector.receive.chunk import Chunk
from cyberalarm.collector.receive.endpoint import listening

if TYPE_CHECKING:
    from cyberalarm.collector.receive.chunk import Intake

_LARGEST = 65_535
_LAST_ROUNDS = 200
_AT_ONCE = 1024 * 1024  # bytes in one go; bounds both memory and the time that a line waits


class UdpReceiver:
    """One bound socket and the thread that empties it."""

    def __init__(self, endpoint: str, buffer: int, intake: Intake) -> None:
        """Raises ConfigurationError when the port cannot be had."""
        self._socket = listening(endpoint, socket.SOCK_DGRAM)
        _widen(self._socket, buffer)
        self._socket.setblocking(False)
        self._intake = intake
        self.endpoint = endpoint
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._inode = str(self._socket_inode())
        self._last_drops = 0
        self._thread = Thread(target=self._run, name=f"udp {endpoint}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Wait for the thread, which ends once the intake is closing."""
        self._thread.join()
        self._last_drops = self.drops
        self.close()

    def close(self) -> None:
        self._socket.close()

    @property
    def drops(self) -> int:
        """Datagrams that the operating system dropped at this socket since it was opened; also right after `stop`."""
        if self._socket.fileno() < 0:
            return self._last_drops
        table = "/proc/net/udp6" if self._socket.family == socket.AF_INET6 else "/proc/net/udp"
        try:
            rows = Path(table).read_text("ascii").splitlines()[1:]
        except OSError:
            return 0
        for row in rows:
            columns = row.split()
            if len(columns) > 12 and columns[9] == self._inode:
                return int(columns[12])
        return 0

    def _socket_inode(self) -> int:
        return Path(f"/proc/self/fd/{self._socket.fileno()}").stat().st_ino

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while not self._intake.closing.is_set():
            if poll.poll(200):
                self._hand_over()
        # What the operating system had already taken for us.
        for _ in range(_LAST_ROUNDS):
            if not self._hand_over():
                break

    def _hand_over(self) -> bool:
        found = self._drain()
        for source, datagrams in found.items():
            self._intake.put(Chunk(source, b"\n".join(datagrams) + b"\n"))
        return bool(found)

    def _drain(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        receive = self._socket.recvfrom
        room = _AT_ONCE
        while room > 0:
            try:
                datagram, address = receive(_LARGEST)
            except BlockingIOError:
                break
            except OSError:
                room -= 1  # an ICMP error for something we never sent; never endlessly
                continue
            room -= len(datagram) + 1
            datagram = datagram.rstrip(b"\r\n\0")
            if b"\n" in datagram:
                datagram = datagram.replace(b"\n", b" ")
            try:
                found[address[0]].append(datagram)
            except KeyError:
                found[address[0]] = [datagram]
        return found


def _widen(udp: socket.socket, wanted: int) -> None:
    """Ask for a large receive buffer: beyond the system's bound where we have the right, else up to it."""
    force = getattr(socket, "SO_RCVBUFFORCE", 33)  # Linux: asm-generic/socket.h
    try:
        udp.setsockopt(socket.SOL_SOCKET, force, wanted)
    except OSError:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
