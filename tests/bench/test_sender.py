"""What is sent to a receiver that is measured: every line in turn, round and round, as many as were said."""

from __future__ import annotations

import socket
from threading import Thread

import pytest

from bench import sender


def received(receiver: socket.socket) -> list[bytes]:
    found = []
    try:
        while True:
            found.append(receiver.recv(65536))
    except TimeoutError:
        return found


@pytest.mark.parametrize("count", [1, 3, 2 * sender.BURST + 1])
def test_all_lines_go_out_in_turn_and_are_counted(count: int) -> None:
    lines = [b"line %d" % number + b"x" * number for number in range(count)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(1)
        told: list[tuple[int, float]] = []
        thread = Thread(target=lambda: told.append(sender.send(lines, receiver.getsockname()[1], 1000, 0.3)))
        thread.start()
        found = received(receiver)
        thread.join()
    assert told[0][0] == 300
    assert told[0][1] >= 0.29
    assert found == (lines * 300)[:300]


def test_nobody_there_is_an_error() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        sender.send([b"x"], port, 1000, 1)
