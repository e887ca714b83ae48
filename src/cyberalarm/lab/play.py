"""Sends lines through real sockets, each device from its own loopback address, at a bounded rate.

Invariants: only loopback targets, unless the caller says that the network is theirs; lines leave in the
order given; UDP is slowed while the receiver's queue is filling, so that nothing is lost on loopback. TCP
frames by newline (RFC 6587 3.4.2) and is slowed by the receiver itself. What the kernel dropped at the
receiver is read and reported, never guessed.
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cyberalarm.lab.errors import ReceiverGoneError, TargetRefusedError
from cyberalarm.lab.scenario import Device, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cyberalarm.lab.generate import PlayLine

# Lines between two looks at the clock and at receivers' queues.
BURST = 16
# Bytes that may wait at a receiver when a burst begins. The default buffer (net.core.rmem_default) is 208
# KiB, of which a burst of the longest lines takes 70 and what was read but is not yet given back takes up to
# a quarter (udp.c, udp_rmem_release), which the table does not show.
QUEUE_LIMIT = 48 * 1024
# A receiver that does not read for this long has stopped; sending on would only lose lines.
STALL_SECONDS = 30.0
CONNECT_SECONDS = 10.0
PROGRESS_STEP = 2_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a collector listens for one device's lines."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Played:
    """What was sent: lines by device, seconds it took, and datagrams that the kernel dropped at the
    receivers.
    """

    lines: dict[str, int]
    seconds: float
    dropped: int

    @property
    def total(self) -> int:
        return sum(self.lines.values())


class _Sender(Protocol):
    def send(self, line: bytes) -> None: ...

    def flush(self) -> None: ...


def check_target(endpoint: Endpoint, *, own_network: bool = False) -> None:
    """Refuse a target that is not this machine.

    Raises TargetRefusedError; names are refused too, they could be anything.
    """
    try:
        address = ip_address(endpoint.host)
    except ValueError as error:
        raise TargetRefusedError(
            f"{endpoint.host!r} is not an IP address.",
            next_step="Name the collector by its address, such as 127.0.0.1.",
        ) from error
    if not address.is_loopback and not own_network:
        raise TargetRefusedError(
            f"{endpoint} is not this machine.",
            next_step="The lab sends to loopback only; add --i-own-this-network for a network of your own.",
        )


class UdpQueue:
    """Length and losses of the UDP socket that listens at an endpoint, from /proc/net/udp (Linux; else
    unknown: zeros).
    """

    def __init__(self, endpoint: Endpoint) -> None:
        address = ip_address(endpoint.host)
        self._table = Path("/proc/net/udp" if address.version == 4 else "/proc/net/udp6")
        # the table gives IPv4 addresses as hexadecimal in host byte order; a wildcard socket also counts
        self._names: tuple[str, ...] = (f":{endpoint.port:04X}",)
        if isinstance(address, IPv4Address):
            self._names = (
                f"{address.packed[::-1].hex().upper()}:{endpoint.port:04X}",
                f"00000000:{endpoint.port:04X}",
            )

    def read(self) -> tuple[int, int]:
        """(bytes waiting, datagrams dropped since the socket was opened), summed over listening sockets."""
        try:
            rows = self._table.read_text("ascii").splitlines()[1:]
        except OSError:
            return 0, 0
        waiting = dropped = 0
        for row in rows:
            fields = row.split()
            if fields[1].endswith(self._names):
                waiting += int(fields[4].partition(":")[2], 16)
                dropped += int(fields[-1])
        return waiting, dropped


class _Udp:
    def __init__(self, device: Device, endpoint: Endpoint, stack: ExitStack) -> None:
        self._endpoint = endpoint
        self._socket = _socket(device, endpoint, socket.SOCK_DGRAM, stack)
        self._socket.connect((endpoint.host, endpoint.port))

    def send(self, line: bytes) -> None:
        try:
            self._socket.send(line)
        except ConnectionRefusedError as error:
            raise _gone(self._endpoint, "UDP") from error

    def flush(self) -> None:
        pass


class _Tcp:
    def __init__(self, device: Device, endpoint: Endpoint, stack: ExitStack) -> None:
        self._endpoint = endpoint
        self._socket = _socket(device, endpoint, socket.SOCK_STREAM, stack)
        self._socket.settimeout(CONNECT_SECONDS)
        try:
            self._socket.connect((endpoint.host, endpoint.port))
        except OSError as error:
            raise _gone(endpoint, "TCP") from error
        self._socket.settimeout(STALL_SECONDS)
        self._waiting: list[bytes] = []

    def send(self, line: bytes) -> None:
        self._waiting.append(line)

    def flush(self) -> None:
        if not self._waiting:
            return
        try:
            self._socket.sendall(b"\n".join((*self._waiting, b"")))
        except OSError as error:
            raise _gone(self._endpoint, "TCP") from error
        self._waiting.clear()


def _gone(endpoint: Endpoint, protocol: str) -> ReceiverGoneError:
    return ReceiverGoneError(
        f"{endpoint} does not take lines over {protocol}.", next_step="Check that the collector runs there."
    )


def _socket(device: Device, endpoint: Endpoint, kind: socket.SocketKind, stack: ExitStack) -> socket.socket:
    address = ip_address(endpoint.host)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    made = stack.enter_context(socket.socket(family, kind))
    if address.version == 4 and address.is_loopback:
        made.bind((device.bind, 0))
    return made


def _sender(device: Device, endpoint: Endpoint, stack: ExitStack) -> _Sender:
    if device.transport is Transport.UDP:
        return _Udp(device, endpoint, stack)
    return _Tcp(device, endpoint, stack)


class _Pace:
    """Keeps below a rate by sleeping, and waits while a receiver's queue is long."""

    def __init__(self, rate: float, queues: Iterable[UdpQueue]) -> None:
        self._rate = rate
        self._queues = tuple(queues)
        self._began = time.monotonic()

    def wait(self, sent: int) -> None:
        if self._rate > 0:
            ahead = sent / self._rate - (time.monotonic() - self._began)
            if ahead > 0:
                time.sleep(ahead)
        for queue in self._queues:
            until = time.monotonic() + STALL_SECONDS
            while queue.read()[0] > QUEUE_LIMIT:
                if time.monotonic() > until:
                    raise ReceiverGoneError(
                        "A collector has stopped reading its UDP socket.",
                        next_step="Look at the collector's own messages.",
                    )
                time.sleep(0.002)

    def seconds(self) -> float:
        return time.monotonic() - self._began


def play(
    lines: Iterable[PlayLine],
    devices: Iterable[Device],
    endpoints: Mapping[str, Endpoint],
    rate: float = 5_000,
    on_progress: Callable[[int], None] | None = None,
    *,
    own_network: bool = False,
) -> Played:
    """Send every line of the devices named in `endpoints`; lines of other devices are skipped.

    `rate` is lines per second over all devices, 0 for as fast as receivers read. Raises TargetRefusedError
    before the first packet, ReceiverGoneError when nobody listens or a receiver stops.
    """
    for endpoint in endpoints.values():
        check_target(endpoint, own_network=own_network)
    known = {d.name: d for d in devices if d.name in endpoints}
    counts = dict.fromkeys(known, 0)
    udp = {endpoints[n] for n, d in known.items() if d.transport is Transport.UDP}
    queues = [UdpQueue(endpoint) for endpoint in sorted(udp, key=str)]
    with ExitStack() as stack:
        senders = {name: _sender(device, endpoints[name], stack) for name, device in known.items()}
        before = sum(q.read()[1] for q in queues)
        pace = _Pace(rate, queues)
        wanted = (line for line in lines if line.device in senders)
        for sent, line in enumerate(wanted, 1):
            senders[line.device].send(line.line)
            counts[line.device] += 1
            if sent % BURST == 0:
                for each in senders.values():
                    each.flush()
                pace.wait(sent)
            if on_progress and sent % PROGRESS_STEP == 0:
                on_progress(sent)
        for each in senders.values():
            each.flush()
        dropped = sum(q.read()[1] for q in queues) - before
        return Played(counts, pace.seconds(), dropped)
