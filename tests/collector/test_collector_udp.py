"""UDP syslog over real sockets: one datagram is one line, and what the operating system drops is known."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from cyberalarm.collector.receive.chunk import MOST_WAITING, Chunk, Intake
from cyberalarm.collector.receive.udp import UdpReceiver
from cyberalarm.core.errors import ConfigurationError
from tests.collector.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

BUFFER = 4 * 1024 * 1024


class Listening:
    """A receiver with its intake, and what came out of it."""

    def __init__(self, endpoint: str = "127.0.0.1:0", buffer: int = BUFFER, most: int = MOST_WAITING) -> None:
        self.intake = Intake(most)
        self.receiver = UdpReceiver(endpoint, buffer, self.intake)
        self.lines: dict[str, list[bytes]] = {}

    def collect(self) -> dict[str, list[bytes]]:
        while (chunk := self.intake.get(0)) is not None:
            assert chunk.lines.endswith(b"\n")
            self.lines.setdefault(chunk.source, []).extend(chunk.lines.split(b"\n")[:-1])
        return self.lines

    def count(self) -> int:
        return sum(len(lines) for lines in self.collect().values())

    def end(self) -> None:
        self.intake.closing.set()
        self.receiver.stop()


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = Listening()
    made.receiver.start()
    yield made
    made.end()


def send(to: tuple[str, int], *datagrams: bytes, source: str = "127.0.0.1") -> None:
    family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        for datagram in datagrams:
            sender.sendto(datagram, to)


def test_one_datagram_is_one_line(listening: Listening) -> None:
    sent = [
        b"plain", b"ended\n", b"ended both ways\r\n", b"two\nlines\nin one", b"", b"\n\n", b"nul\0", bytes(range(256)),
        b"<13>" + "grüße".encode()[:-2],
    ]  # fmt: skip
    send(listening.receiver.address, *sent)
    wait_for("all lines", lambda: listening.count() == len(sent))
    assert listening.collect()["127.0.0.1"] == [line.rstrip(b"\r\n\0").replace(b"\n", b" ") for line in sent]


def test_the_largest_datagram_there_is(listening: Listening) -> None:
    send(listening.receiver.address, b"x" * 65_507)
    wait_for("the line", lambda: listening.count() == 1)
    assert listening.collect()["127.0.0.1"] == [b"x" * 65_507]


def test_devices_are_told_apart_by_address(listening: Listening) -> None:
    for number in range(2, 6):
        send(listening.receiver.address, b"from %d" % number, source=f"127.0.0.{number}")
    wait_for("all lines", lambda: listening.count() == 4)
    assert listening.collect() == {f"127.0.0.{n}": [b"from %d" % n] for n in range(2, 6)}


def test_ipv6_and_ipv4_side_by_side_on_one_port() -> None:
    four = Listening("0.0.0.0:0")
    port = four.receiver.address[1]
    six = Listening(f"[::]:{port}")
    for made in (four, six):
        made.receiver.start()
    send(("127.0.0.1", port), b"four")
    send(("::1", port), b"six", source="::1")
    wait_for("both", lambda: four.count() + six.count() == 2)
    assert (four.collect(), six.collect()) == ({"127.0.0.1": [b"four"]}, {"::1": [b"six"]})
    for made in (four, six):
        made.end()


@pytest.mark.parametrize("endpoint", ["127.0.0.1:0", "[::1]:0"])
def test_what_the_operating_system_drops_is_read_from_it(endpoint: str) -> None:
    """The receiver is held: it has not started, so its buffer runs over."""
    held = Listening(endpoint, buffer=65_536)
    assert held.receiver.drops == 0
    send(held.receiver.address, *[b"x" * 1000] * 2000, source=held.receiver.address[0])
    dropped = held.receiver.drops
    assert 0 < dropped < 2000
    held.receiver.start()
    wait_for("what was not dropped", lambda: held.count() == 2000 - dropped)
    held.end()
    assert held.receiver.drops == dropped, "also known once the socket is closed"


def test_what_has_arrived_is_handed_over_at_the_end() -> None:
    ending = Listening()
    send(ending.receiver.address, *[b"%d" % n for n in range(500)])
    ending.intake.closing.set()
    ending.receiver.start()
    ending.end()
    assert ending.collect()["127.0.0.1"] == [b"%d" % n for n in range(500)]


def test_what_waits_is_bounded_in_bytes() -> None:
    """Large datagrams must not take the memory when the pipeline is behind: the receiver stops reading instead."""
    behind = Listening(buffer=64 * 1024 * 1024, most=1024 * 1024)
    behind.receiver.start()
    send(behind.receiver.address, *[b"x" * 60_000] * 400)
    wait_for("a full intake", lambda: behind.intake._bytes >= 1024 * 1024)
    assert behind.intake._bytes <= 1024 * 1024 + 1024 * 1024 + 65_536
    got = 0

    def all_there() -> bool:
        nonlocal got
        got = behind.count()
        return got + behind.receiver.drops == 400

    wait_for("the rest", all_there)
    behind.end()
    assert got > 20


def test_a_port_that_is_taken_is_said() -> None:
    first = Listening()
    with pytest.raises(ConfigurationError, match=r"UDP port .* cannot be used: Address already in use") as said:
        Listening(f"127.0.0.1:{first.receiver.address[1]}")
    assert "ss -lunp" in said.value.next_step
    first.receiver._socket.close()


def test_the_intake_lets_go_when_there_is_no_pipeline_any_more() -> None:
    intake = Intake(10)
    intake.put(Chunk("a", b"x" * 10))
    intake.abandoned.set()
    intake.put(Chunk("a", b"y" * 10))  # returns, and adds nothing
    assert intake.get(0) == Chunk("a", b"x" * 10)
    assert intake.get(0) is None
    assert intake.empty
