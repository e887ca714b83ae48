"""Lines arrive: all of them, unchanged, in order, from each device's own address, over real sockets on
loopback.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Self

import pytest

from cyberalarm.core.outcome import Outcome
from cyberalarm.lab.errors import ReceiverGoneError, TargetRefusedError
from cyberalarm.lab.generate import PlayLine, generate
from cyberalarm.lab.play import Endpoint, UdpQueue, check_target, play
from cyberalarm.lab.scenario import Device, Transport, Vendor, default_scenario

from .conftest import UNTIL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


class Receiver:
    """A plain syslog receiver: one UDP and one TCP socket on one loopback port, lines by sender's address."""

    def __init__(self, pause: float = 0) -> None:
        self.lines: dict[str, list[bytes]] = defaultdict(list)
        self._pause = pause
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.endpoint = Endpoint("127.0.0.1", self._tcp.getsockname()[1])
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.endpoint.port))
        self._udp.settimeout(0.2)
        self._tcp.settimeout(0.2)
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._datagrams), threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(10)
        self._udp.close()
        self._tcp.close()

    def _datagrams(self) -> None:
        while True:
            try:
                line, sender = self._udp.recvfrom(65536)
            except TimeoutError:
                if self._done.is_set():
                    return
                continue
            self.lines[sender[0]].append(line)
            if self._pause:
                time.sleep(self._pause)

    def _accept(self) -> None:
        while not self._done.is_set():
            try:
                connection, sender = self._tcp.accept()
            except TimeoutError:
                continue
            reader = threading.Thread(target=self._stream, args=(connection, sender[0]))
            self._threads.append(reader)
            reader.start()

    def _stream(self, connection: socket.socket, sender: str) -> None:
        with connection, connection.makefile("rb") as stream:
            for line in stream:
                assert line.endswith(b"\n")
                self.lines[sender].append(line[:-1])


DEVICES = default_scenario().devices


def test_every_line_arrives_unchanged_from_its_own_device() -> None:
    lines = list(generate(default_scenario(), "p", UNTIL, days=1, scale=0.05))
    with Receiver() as receiver:
        played = play(lines, DEVICES, {d.name: receiver.endpoint for d in DEVICES}, rate=0)
    assert played.total == len(lines)
    assert played.dropped == 0
    for device in DEVICES:
        sent = [x.line for x in lines if x.device == device.name]
        assert receiver.lines[device.bind] == sent
        assert played.lines[device.name] == len(sent)
    assert {d.transport for d in DEVICES} == set(Transport)


def test_a_slow_receiver_loses_nothing() -> None:
    """Its buffer would overflow several times over if the lab did not wait for it."""
    device = DEVICES[0]
    line = PlayLine(0, device.name, b"x" * 1200, None, Outcome.KEPT)
    with Receiver(pause=0.0005) as receiver:
        played = play([line] * 1500, DEVICES, {device.name: receiver.endpoint}, rate=0)
    assert played.dropped == 0
    assert len(receiver.lines[device.bind]) == 1500


def test_what_the_kernel_drops_is_reported() -> None:
    device = DEVICES[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.bind(("127.0.0.1", 0))
        endpoint = Endpoint("127.0.0.1", deaf.getsockname()[1])
        line = PlayLine(0, device.name, b"x" * 1000, None, Outcome.KEPT)
        played = play([line] * 50, DEVICES, {device.name: endpoint}, rate=0)
        waiting, dropped = UdpQueue(endpoint).read()
        assert waiting > 0
        assert played.dropped == dropped > 0
        deaf.settimeout(0.2)
        received = 0
        with contextlib.suppress(TimeoutError):
            while deaf.recv(2048):
                received += 1
        assert received + dropped == 50


def test_lines_of_devices_without_a_target_are_skipped() -> None:
    lines = list(generate(default_scenario(), "p", UNTIL, days=0.25, scale=0))
    with Receiver() as receiver:
        played = play(lines, DEVICES, {"school-clamav": receiver.endpoint}, rate=0)
    assert played.lines == {"school-clamav": sum(x.device == "school-clamav" for x in lines)}
    assert set(receiver.lines) == {"127.0.1.13"}


def test_the_rate_is_a_bound() -> None:
    device = DEVICES[0]
    line = PlayLine(0, device.name, b"x", None, Outcome.KEPT)
    with Receiver() as receiver:
        played = play([line] * 321, DEVICES, {device.name: receiver.endpoint}, rate=1000)
    assert played.seconds >= 0.3


@pytest.mark.parametrize(
    "host",
    [
        "192.0.2.1",
        "0.0.0.0",
        "10.0.0.1",
        "2001:db8::1",
        "::",
        "localhost",
        "example.org",
        "",
        "127.0.0.1.example",
    ],
)
def test_targets_that_are_not_this_machine_are_refused_before_the_first_packet(host: str) -> None:
    device = Device("d", Vendor.CLAMAV, "h", Transport.UDP, "127.0.9.1")

    def lines() -> Iterator[PlayLine]:
        raise AssertionError("asked for a line")
        yield

    with pytest.raises(TargetRefusedError) as refused:
        play(lines(), [device], {"d": Endpoint(host, 514)})
    assert refused.value.code == "lab-target-refused"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1"])
def test_loopback_is_accepted_and_other_networks_only_when_owned(host: str) -> None:
    check_target(Endpoint(host, 514))
    check_target(Endpoint("192.0.2.1", 514), own_network=True)


@pytest.mark.parametrize("transport", Transport)
def test_nobody_listening_is_said(transport: Transport) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = Endpoint("127.0.0.1", taken.getsockname()[1])
    device = Device("d", Vendor.CLAMAV, "h", transport, "127.0.9.1")
    line = PlayLine(0, "d", b"x", None, Outcome.KEPT)
    with pytest.raises(ReceiverGoneError):
        play([line] * 200, [device], {"d": endpoint}, rate=0)
