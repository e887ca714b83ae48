"""One collector cannot keep another out: neither by sending again, nor by sending much, nor by its number."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from hypothesis import settings as bounds
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cyberalarm.central.enrolment.keys import centre_keys
from cyberalarm.central.ingest.errors import BusyError
from cyberalarm.central.ingest.room import Room, Turns
from cyberalarm.central.ingest.services import MOST_AT_ONCE, Ingest
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import sealing
from cyberalarm.envelope.sealing import MAX_ENVELOPE
from tests.ingest.ingest_client import API

if TYPE_CHECKING:
    from collections.abc import Callable

    import urllib3

    from cyberalarm.central.events.store import EventStore
    from tests.ingest.ingest_sender import Sender

LOOPS = MOST_AT_ONCE + 8


def test_many_loops_that_send_a_receipted_envelope_again_keep_nobody_out(
    receiving: Ingest, new_sender: Callable[[], Sender]
) -> None:
    liar, other = new_sender(), new_sender()
    envelope = liar.seal(2_000)
    receipt = receiving.receive(envelope)
    done, looping = threading.Event(), threading.Barrier(LOOPS + 1, timeout=60)

    def loop(_: int) -> int:
        assert receiving.receive(envelope) == receipt
        looping.wait()
        again = 1
        while not done.is_set():
            assert receiving.receive(envelope) == receipt
            again += 1
        return again

    with ThreadPoolExecutor(LOOPS) as pool:
        answered = pool.map(loop, range(LOOPS))
        looping.wait()
        try:
            for _ in range(4):
                mine = other.seal(3)
                receiving.receive(mine)  # a BusyError would end the test
                other.sent(mine)
        finally:
            done.set()
        assert min(answered) >= 1


def test_what_is_known_is_answered_without_a_place(
    receiving: Ingest, new_sender: Callable[[], Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = new_sender()
    envelope = sender.seal(3)
    receipt = receiving.receive(envelope)
    sender.sent(envelope)
    none = threading.BoundedSemaphore(1)
    none.acquire()
    monkeypatch.setattr(receiving, "_places", none)
    assert receiving.receive(envelope) == receipt
    with pytest.raises(BusyError):
        receiving.receive(sender.seal(3))


@pytest.fixture
def held(store: EventStore) -> tuple[Ingest, threading.Event, threading.Semaphore]:
    """A centre that stops at its first step until told to go on, and counts who got there."""
    go_on, there = threading.Event(), threading.Semaphore(0)

    def hold(step: str) -> None:
        if step == "kept":
            there.release()
            assert go_on.wait(60)

    return Ingest(settings.CONFIG, store, centre_keys(settings.CONFIG), hold), go_on, there


def test_a_collector_has_one_place_and_others_go_on_beside_it(
    held: tuple[Ingest, threading.Event, threading.Semaphore],
    new_sender: Callable[[], Sender],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest, go_on, there = held
    monkeypatch.setattr(ingest, "_places", threading.BoundedSemaphore(2))
    ingest.start()
    one, other, third = new_sender(), new_sender(), new_sender()
    forks = [one.seal(n) for n in range(1, 7)]  # each could be the first

    def outcome(envelope: bytes) -> str:
        try:
            ingest.receive(envelope)
        except CyberAlarmError as error:
            return error.code
        return "receipt"

    with ThreadPoolExecutor(8) as pool:
        first = [pool.submit(outcome, envelope) for envelope in forks]
        assert there.acquire(timeout=60)
        beside = pool.submit(outcome, other.seal(1))
        assert there.acquire(timeout=60)  # the other collector got the second place, whatever waits for the first
        assert outcome(third.seal(1)) == "busy"
        go_on.set()
        assert sorted(f.result() for f in first) == ["envelope-replayed"] * 5 + ["receipt"]
        assert beside.result() == "receipt"
    ingest.stop()
    assert ingest._turns.collectors == 0


def test_the_number_of_a_collector_is_nobody_elses() -> None:
    turns = Turns(100, patience=0.01)
    with ExitStack() as held:
        for collector in (1, 257, 513):
            held.enter_context(turns.turn(collector, 100))
        with pytest.raises(BusyError), turns.turn(257, 0):
            pass
        assert turns.collectors == 3
    assert turns.collectors == 0


def test_a_line_holds_no_more_bytes_than_one_of_the_longest_envelopes() -> None:
    turns = Turns(100, patience=60)
    with turns.turn(1, 60), pytest.raises(BusyError), turns.turn(1, 41):
        pass
    with turns.turn(1, 101):  # alone, whatever its size
        pass
    assert turns.collectors == 0


def test_room_is_lent_in_the_order_in_which_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    room, taken = Room(10, patience=60), threading.Event()

    def take_all() -> None:
        with room.lent(10):
            taken.set()

    with room.lent(8):
        first = threading.Thread(target=take_all)
        first.start()
        while not room._line:
            assert first.is_alive()
        monkeypatch.setattr(room, "_patience", 0.05)
        # It would fit, but somebody who needs more asked before.
        with pytest.raises(BusyError), room.lent(1):
            pass
        assert not taken.is_set()
    first.join()
    assert taken.is_set()
    with room.lent(1):
        assert room._free == 9


class RoomMachine(RuleBasedStateMachine):
    """Whatever is lent and given back, no more is out than there is."""

    def __init__(self) -> None:
        super().__init__()
        self.room = Room(10, patience=0)
        self.out: list[tuple[int, ExitStack]] = []

    @rule(size=st.integers(0, 12))
    def lend(self, size: int) -> None:
        free = 10 - sum(n for n, _ in self.out)
        stack = ExitStack()
        if min(size, 10) <= free:
            stack.enter_context(self.room.lent(size))
            self.out.append((min(size, 10), stack))
        else:
            with pytest.raises(BusyError):
                stack.enter_context(self.room.lent(size))

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        if self.out:
            self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))[1].close()

    @invariant()
    def adds_up(self) -> None:
        assert self.room._free == 10 - sum(n for n, _ in self.out) >= 0
        assert not self.room._line


RoomMachine.TestCase.settings = bounds(max_examples=50, deadline=None)
TestRoom = RoomMachine.TestCase


def test_an_envelope_is_not_read_into_memory_while_there_is_no_room(
    client: urllib3.HTTPSConnectionPool, receiving: Ingest, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    envelope = sender.seal(2)
    monkeypatch.setattr(receiving, "_room", Room(MAX_ENVELOPE, patience=0.05))
    with receiving.room(MAX_ENVELOPE):
        answer = client.request("POST", API + "envelopes", body=envelope)
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    answer = client.request("POST", API + "envelopes", body=envelope)
    assert answer.status == 200
    assert sealing.digest(envelope).encode() in answer.data
