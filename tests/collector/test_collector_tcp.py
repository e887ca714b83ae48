"""TCP syslog over real sockets: framing, many connections, bounds, and the way out."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector.receive.chunk import LONGEST_LINE, Intake
from cyberalarm.collector.receive.tcp import TcpReceiver
from cyberalarm.core.errors import ConfigurationError
from tests.collector.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


class Listening:
    def __init__(self, connections: int = 10, endpoint: str = "127.0.0.1:0") -> None:
        self.intake = Intake()
        self.receiver = TcpReceiver(endpoint, connections, self.intake)
        self.lines: list[bytes] = []
        self.overflow = 0

    def collect(self) -> list[bytes]:
        while (chunk := self.intake.get(0)) is not None:
            self.lines += chunk.lines.split(b"\n")[:-1]
            self.overflow += chunk.overflow
        return self.lines

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(self.receiver.address, 10, source_address=(source, 0))

    def end(self) -> None:
        self.intake.closing.set()
        self.receiver.stop()


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = Listening()
    made.receiver.start()
    yield made
    made.end()


def counted(message: bytes) -> bytes:
    return b"%d %s" % (len(message), message)


def test_both_framings_on_one_connection(listening: Listening) -> None:
    stream = [
        b"<13>newline\n",
        counted(b"<13>by\ncount"),
        b"<13>again\r\n",
        counted(b"<13>a"),
        counted(b"<13>b"),
        b"<13>cut",
    ]
    with listening.connect() as device:
        device.sendall(b"".join(stream))
    wait_for("all lines", lambda: len(listening.collect()) == 6)
    assert listening.lines == [b"<13>newline", b"<13>by count", b"<13>again\r", b"<13>a", b"<13>b", b"<13>cut"]


def test_many_devices_at_once_in_pieces_of_any_size(listening: Listening) -> None:
    chance = random.Random(7)
    each = 400

    def device(number: int) -> None:
        stream = b"".join(b"<13>device %d line %d\n" % (number, n) for n in range(each))
        with listening.connect() as connection:
            at = 0
            while at < len(stream):
                step = chance.choice([1, 3, 50, 2000])
                connection.sendall(stream[at : at + step])
                at += step

    threads = [threading.Thread(target=device, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for("all lines", lambda: len(listening.collect()) >= 8 * each)
    for number in range(8):
        mine = [line for line in listening.lines if line.startswith(b"<13>device %d " % number)]
        assert mine == [b"<13>device %d line %d" % (number, n) for n in range(each)]


def test_an_over_long_line_is_counted_and_the_next_one_taken(listening: Listening) -> None:
    with listening.connect() as device:
        device.sendall(b"x" * (5 * LONGEST_LINE) + b"\n<13>after\n")
    wait_for("the next line", lambda: listening.collect() == [b"<13>after"])
    assert listening.overflow == 1


def test_connections_beyond_the_bound_are_turned_away_and_counted() -> None:
    few = Listening(connections=2)
    few.receiver.start()
    with few.connect() as one, few.connect() as two:
        one.sendall(b"one\n")
        two.sendall(b"two\n")
        wait_for("both", lambda: len(few.collect()) == 2)
        with few.connect() as three:
            assert three.recv(1) == b"", "closed at once"
        assert few.receiver.turned_away == 1
    wait_for("room again", lambda: not few.receiver._open)
    with few.connect() as four:
        four.sendall(b"four\n")
        wait_for("the fourth", lambda: len(few.collect()) == 3)
    few.end()


def test_a_reset_ends_only_its_own_connection(listening: Listening) -> None:
    with listening.connect() as stays:
        goes = listening.connect()
        goes.sendall(b"unfinished")
        wait_for("both connections", lambda: len(listening.receiver._open) == 2)
        goes.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        goes.close()
        stays.sendall(b"still here\n")
        wait_for("the other", lambda: b"still here" in listening.collect())


def test_a_sender_is_pushed_back_while_the_pipeline_is_behind() -> None:
    behind = Listening()
    behind.intake._most = 100_000
    behind.receiver.start()
    stream = b"".join(b"<13>line %d\n" % n for n in range(2_000_000))
    sent = 0
    with behind.connect() as device:
        device.settimeout(1)
        with pytest.raises(TimeoutError):  # noqa: PT012 - the loop is what must block
            while sent < len(stream):
                sent += device.send(stream[sent : sent + 65_536])
        assert behind.intake._bytes < 100_000 + 2 * 256 * 1024
        device.settimeout(20)
        rest = threading.Thread(target=lambda: (device.sendall(stream[sent:]), device.shutdown(socket.SHUT_WR)))
        rest.start()
        wait_for("everything", lambda: len(behind.collect()) == 2_000_000)
        rest.join()
    assert b"\n".join(behind.lines) + b"\n" == stream
    behind.end()


def test_what_has_arrived_is_read_at_the_end() -> None:
    """Also of connections that were not accepted yet, and a line that was not finished."""
    ending = Listening()
    with ending.connect() as one, ending.connect() as two:
        one.sendall(b"".join(b"%d\n" % n for n in range(100_000)))
        two.sendall(b"whole\nunfinished")
        ending.intake.closing.set()
        ending.receiver.start()
        ending.end()
    lines = ending.collect()
    assert lines.count(b"whole") == lines.count(b"unfinished") == 1
    assert [line for line in lines if line.isdigit()] == [b"%d" % n for n in range(100_000)]


def test_a_device_that_was_switched_off_is_noticed(listening: Listening) -> None:
    with listening.connect():
        wait_for("the connection", lambda: len(listening.receiver._open) == 1)
        [connection] = listening.receiver._open
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 600


def test_a_port_that_is_taken_is_said(listening: Listening) -> None:
    with pytest.raises(ConfigurationError, match=r"TCP port .* cannot be used: Address already in use"):
        Listening(endpoint=f"127.0.0.1:{listening.receiver.address[1]}")


def test_one_source_that_says_nothing_does_not_keep_others_out() -> None:
    held = Listening(connections=12)
    held.receiver.start()
    silent = [held.connect("127.0.0.2") for _ in range(30)]
    try:
        with held.connect("127.0.0.3") as firewall:
            firewall.sendall(b"<13>through\n")
            wait_for("the line", lambda: held.collect() == [b"<13>through"])
            # A source keeps its newest connections, so a device that comes back is never refused for its own old ones.
            silent[-1].sendall(b"<13>newest\n")
            wait_for("the newest", lambda: held.collect() == [b"<13>through", b"<13>newest"])
    finally:
        for connection in silent:
            connection.close()
        held.end()


def test_all_places_taken_by_many_sources_the_busiest_gives_one_up() -> None:
    held = Listening(connections=6)
    held.receiver.start()
    others = [held.connect(f"127.0.0.{n}") for n in (2, 2, 2, 3, 4, 5)]
    try:
        with held.connect("127.0.0.6") as late:
            late.sendall(b"<13>late\n")
            wait_for("the line", lambda: held.collect() == [b"<13>late"])
            assert held.receiver.turned_away == 1
    finally:
        for connection in others:
            connection.close()
        held.end()


def test_without_descriptors_new_connections_wait_and_that_is_counted() -> None:
    """The thread does not spin, and those that are connected are heard all the while."""
    held = Listening(connections=40)
    known = held.connect()
    waiting = [held.connect("127.0.0.2") for _ in range(5)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare: list[int] = []
    held.receiver._accept()
    try:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (max(int(one.name) for one in Path("/proc/self/fd").iterdir()) + 1, hard)
        )
        with contextlib.suppress(OSError):
            while True:
                spare.append(os.dup(0))
        held.receiver.start()
        used = time.process_time()
        wait_for("it is noticed", lambda: held.receiver.no_descriptors > 0)
        known.sendall(b"<13>heard\n")
        wait_for("the line of the known", lambda: held.collect() == [b"<13>heard"])
        time.sleep(1.2)
        assert time.process_time() - used < 0.6, "it spins"
        assert held.receiver.no_descriptors <= 4
    finally:
        for one in spare:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for number, one in enumerate(waiting):
        one.sendall(b"<13>waited %d\n" % number)
    wait_for("the others", lambda: len(held.collect()) == 6)
    for one in (known, *waiting):
        one.close()
    held.end()
