"""Several processes that receive, on a database that locks by row: two receiving sides on one event store, one of which dies.

Needs PostgreSQL: `tests/whole/test_on_postgresql.py` runs this file with one. Each side has a name, threads and memory of its own,
as a process has; what they share is what processes share: the database, the originals, and the event store.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.db import connection

from cyberalarm.central.enrolment.keys import centre_keys
from cyberalarm.central.enrolment.models import Chain
from cyberalarm.central.ingest import evidence
from cyberalarm.central.ingest.models import Envelope, Group, LedgerTotal
from cyberalarm.central.ingest.services import Ingest
from cyberalarm.core.errors import CyberAlarmError
from cyberalarm.envelope import receipts
from tests.ingest.ingest_judging import pk, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm.central.events.store import EventStore
    from tests.ingest.ingest_sender import Sender

pytestmark = pytest.mark.skipif(
    not connection.features.has_select_for_update_skip_locked, reason="one process serves this database"
)


class Dies(Exception):  # noqa: N818 - a process that ends at a step, seen from inside
    pass


def side(store: EventStore, dies_at: str = "") -> Ingest:
    """A receiving side. With `dies_at` it does no more of a group once that step is done, and completes nothing."""

    def after_step(name: str) -> None:
        if name == dies_at:
            raise Dies

    made = Ingest(settings.CONFIG, store, centre_keys(settings.CONFIG), after_step)
    made.start()
    if dies_at:
        made.keeper.stop()
    return made


@pytest.fixture
def two(store: EventStore) -> Iterator[tuple[Ingest, Ingest]]:
    both = side(store), side(store)
    yield both
    for one in both:
        one.stop()


def deliver(receiving: Ingest, sender: Sender, envelope: bytes) -> int:
    for _ in range(200):
        try:
            return receipts.read(receiving.receive(envelope), sender.receipt_key).rows
        except CyberAlarmError as error:
            assert error.code in {"busy", "chain-gap", "store-unavailable"}  # noqa: PT017
            connection.close()
    raise AssertionError("never accepted")


def test_the_same_envelopes_at_both_are_stored_once(
    two: tuple[Ingest, Ingest], store: EventStore, new_sender: Callable[[], Sender]
) -> None:
    senders = [new_sender() for _ in range(4)]
    envelopes: list[tuple[Sender, bytes]] = []
    for sender in senders:
        for _ in range(5):
            envelope = sender.seal(4)
            envelopes.append((sender, envelope))
            sender.sent(envelope)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda at: deliver(two[at % 2], *envelopes[at // 2]), range(2 * len(envelopes))))
    assert answers == [4] * 40
    for sender in senders:
        chain = Chain.objects.get(collector=pk(sender))
        assert (chain.sequence, chain.head) == (5, sender.previous)
        assert (rows(store, sender), LedgerTotal.objects.get(collector=pk(sender)).kept) == (20, 20)
    assert not Group.objects.exists()


@pytest.mark.parametrize("step", ["recorded", "inserted"])
def test_the_group_of_one_that_is_gone_is_completed_by_another(store: EventStore, sender: Sender, step: str) -> None:
    dead, envelope = side(store, step), sender.seal(6)
    with pytest.raises(CyberAlarmError):
        dead.receive(envelope)
    alive = side(store)
    with pytest.raises(CyberAlarmError) as caught:
        alive.receive(envelope)
    assert caught.value.code == "busy", "its owner may live still"
    assert Envelope.objects.get(collector=pk(sender)).state == "storing"
    Group.objects.update(lease=Group.objects.get().lease - timedelta(minutes=2))
    alive.keeper.step()
    assert (rows(store, sender), LedgerTotal.objects.get(collector=pk(sender)).kept) == (6, 6)
    assert receipts.read(alive.receive(envelope), sender.receipt_key).rows == 6
    assert not Group.objects.exists()
    for one in (dead, alive):
        one.stop()


def test_who_comes_back_late_finds_its_group_done(store: EventStore, sender: Sender) -> None:
    """As after its machine slept: another has completed the group while the insert was under way."""
    other = side(store)

    def late(step: str) -> None:
        if step == "inserted":
            Group.objects.update(lease=Group.objects.get().lease - timedelta(minutes=2))
            other.keeper.step()

    made = Ingest(settings.CONFIG, store, centre_keys(settings.CONFIG), late)
    made.start()
    assert receipts.read(made.receive(sender.seal(3)), sender.receipt_key).rows == 3
    assert (rows(store, sender), LedgerTotal.objects.get(collector=pk(sender)).kept) == (3, 3)
    for one in (made, other):
        one.stop()


def test_an_original_that_is_gone_is_sent_again_when_nothing_is_stored(store: EventStore, sender: Sender) -> None:
    dead, envelope = side(store, "recorded"), sender.seal(2)
    with pytest.raises(CyberAlarmError):
        dead.receive(envelope)
    dead.stop()
    evidence.drop(evidence.folder_of(settings.CONFIG.data), sender.enrolment.collector, 1)
    Group.objects.update(lease=Group.objects.get().lease - timedelta(minutes=2))
    alive = side(store)
    assert receipts.read(alive.receive(envelope), sender.receipt_key).rows == 2
    assert rows(store, sender) == 2
    alive.stop()
