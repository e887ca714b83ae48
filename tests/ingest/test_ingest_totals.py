"""The ledgers of every device added up: exact for whoever is honest, bounded for whoever is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cyberalarm.central.ingest.bundles import Bundle
from cyberalarm.central.ingest.bundles import Sender as Whose
from cyberalarm.central.ingest.models import Envelope, LedgerTotal
from cyberalarm.central.ingest.totals import MOST_DEVICES, OTHER_DEVICES, add_sums, sums
from cyberalarm.central.members.models import Collector
from cyberalarm.core.outcome import OUTCOMES, Ledger
from cyberalarm.envelope import payload
from tests.ingest.ingest_judging import pk
from tests.ingest.ingest_sender import Sender, events, ledger, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.ingest.services import Ingest


def send(receiving: Ingest, sender: Sender, ledgers: dict[str, Ledger], rows: int = 0) -> None:
    lines = sum(one.received for one in ledgers.values())
    envelope = sender.seal_payload(payload.pack(ledgers, stream(events(rows))), sender.header(rows, lines))
    receiving.receive(envelope)
    sender.sent(envelope)


def names(numbers: Iterable[int]) -> dict[str, Ledger]:
    return {f"d-{n:05}": ledger(0, routine=1) for n in numbers}


def totals(sender: Sender) -> dict[str, Ledger]:
    return {total.device: total.ledger() for total in LedgerTotal.objects.filter(collector=pk(sender))}


def test_every_count_of_every_device_is_added(receiving: Ingest, sender: Sender) -> None:
    different = Ledger(dropped_by_kernel=7)
    different.add(range(len(OUTCOMES)))
    began = datetime.now(UTC)
    send(receiving, sender, {"d1": ledger(2), "d2": different}, rows=2)
    between = datetime.now(UTC)
    send(receiving, sender, {"d2": different, "d3": ledger(0, routine=9)})
    twice = Ledger()
    twice.merge(different)
    twice.merge(different)
    assert totals(sender) == {"d1": ledger(2), "d2": twice, "d3": ledger(0, routine=9)}
    times = {t.device: (t.first_received, t.last_received) for t in LedgerTotal.objects.filter(collector=pk(sender))}
    assert began < times["d1"][0] == times["d1"][1] == times["d2"][0] < between < times["d2"][1]
    assert times["d3"] == (times["d2"][1], times["d2"][1])


def test_devices_beyond_the_bound_are_counted_together(
    receiving: Ingest, store: EventStore, new_sender: Callable[[], Sender]
) -> None:
    liar, other = new_sender(), new_sender()
    send(receiving, liar, names(range(3000)))
    send(receiving, liar, names(range(2000, 5000)))
    send(receiving, other, names(range(3)))
    kept = totals(liar)
    assert len(kept) == MOST_DEVICES + 1
    assert sum(one.received for one in kept.values()) == 6000
    assert kept[OTHER_DEVICES] == ledger(0, routine=5000 - MOST_DEVICES)
    assert all(kept[f"d-{n:05}"].received == (2 if 2000 <= n < 3000 else 1) for n in range(MOST_DEVICES))
    # Those that are known are counted under their names for ever; envelopes and rows keep every name.
    send(receiving, liar, {"d-00001": ledger(0, routine=5), "d-new": ledger(1)}, rows=1)
    assert totals(liar)["d-00001"] == ledger(0, routine=6)
    assert "d-new" not in totals(liar)
    assert totals(liar)[OTHER_DEVICES].received == 5000 - MOST_DEVICES + ledger(1).received
    last = Envelope.objects.get(collector=pk(liar), sequence=3)
    assert last.device_ledgers() == {"d-00001": ledger(0, routine=5), "d-new": ledger(1)}
    assert store.bundle_rows(pk(liar), 3) == 1
    assert len(totals(other)) == 3


def bundle_of(sender: Sender, ledgers: dict[str, Ledger]) -> Bundle:
    return Bundle(Whose(pk(sender), 1, "kent", ""), sender.header(0, 0), "", 0, ledgers, events(0))


def test_the_bound_holds_within_a_group(new_sender: Callable[[], Sender]) -> None:
    one, other = new_sender(), new_sender()
    group = [bundle_of(one, names(range(n, n + 2500))) for n in (0, 2500, 5000)]
    added = sums([*group, bundle_of(other, names(range(2)))])
    mine = {device: total for (collector, device), total in added.items() if collector == pk(one)}
    assert len(mine) == MOST_DEVICES + 1
    assert mine[OTHER_DEVICES].received == 7500 - MOST_DEVICES
    assert len(added) - len(mine) == 2


def test_a_total_that_is_full_stays_balanced_and_fits(sender: Sender) -> None:
    """As after a million years of lies: it stops growing, in all columns together."""
    now, most = datetime.now(UTC), 2**40
    LedgerTotal.objects.create(
        collector=Collector.objects.get(pk=pk(sender)),
        device="d1",
        received=2**62 - 1,
        routine=2**62 - 1,
        dropped_by_kernel=2**62 - 1,
        first_received=now,
        last_received=now,
    )
    dropping = ledger(1, routine=most - 1)
    dropping.dropped_by_kernel = most
    for _ in range(2):
        add_sums({(pk(sender), "d1"): dropping}, now)
    total = LedgerTotal.objects.get(collector=pk(sender))
    assert (total.received, total.kept, total.routine) == (2**62 - 1 + most, 1, 2**62 - 2 + most)
    assert total.dropped_by_kernel == 2**62 - 1 + most
    assert total.ledger().balanced


@pytest.mark.parametrize("devices", [1, 500])
def test_totals_are_written_without_being_read(sender: Sender, new_sender: Callable[[], Sender], devices: int) -> None:
    """However many there are: a count before the transaction, and one statement for all of them."""
    group = [bundle_of(sender, names(range(devices))), bundle_of(new_sender(), names(range(devices)))]
    for _ in range(2):
        with CaptureQueriesContext(connection) as reading:
            added = sums(group)
        with CaptureQueriesContext(connection) as writing:
            add_sums(added, datetime.now(UTC))
        assert [q["sql"].split("(")[0].split()[0].lower() for q in reading] == ["select"]
        assert "count(" in reading[0]["sql"].lower()
        assert len(writing) == 1
    assert LedgerTotal.objects.filter(collector=pk(sender)).count() == devices
