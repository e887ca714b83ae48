"""When devices were heard, what they are and how their clocks go, as the envelopes of a real collector tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.enrolment.models import Chain
from cyberalarm.central.ingest import hearing, saying
from cyberalarm.central.ingest.models import LedgerSpan, LedgerTotal, Pause
from cyberalarm.central.ingest.totals import forget_spans
from cyberalarm.central.members.models import Collector
from cyberalarm.core.outcome import Ledger
from cyberalarm.envelope import payload
from cyberalarm.envelope.requests import InUse, Load
from tests.ingest.ingest_judging import pk
from tests.ingest.ingest_sender import events, ledger, now_ms, stream

if TYPE_CHECKING:
    from cyberalarm.central.ingest.services import Ingest
    from tests.ingest.ingest_sender import Sender

MINUTE = timedelta(minutes=1)


def send(
    receiving: Ingest, sender: Sender, sealed: datetime, ledgers: dict[str, Ledger], table: pa.Table | None = None
) -> None:
    table = events(0) if table is None else table
    lines = sum(one.received for one in ledgers.values())
    header = replace(sender.header(table.num_rows, lines), sealed=int(sealed.timestamp() * 1000))
    envelope = sender.seal_payload(payload.pack(ledgers, stream(table)), header)
    receiving.receive(envelope)
    sender.sent(envelope)


def total(sender: Sender, device: str = "d1") -> LedgerTotal:
    return LedgerTotal.objects.get(collector=pk(sender), device=device)


def at_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def test_a_devices_time_is_that_of_its_envelope(receiving: Ingest, sender: Sender) -> None:
    """A collector was cut off for an hour and delivers late: its device paused once, for eight minutes, and never for an hour."""
    began = at_ms(datetime.now(UTC)) - timedelta(hours=1)
    for minutes in (0, 7, 15):
        send(receiving, sender, began + minutes * MINUTE, {"d1": ledger(0)})
    send(receiving, sender, began + 16 * MINUTE, {"d2": ledger(0)})
    assert total(sender).last_lines == began + 15 * MINUTE
    pauses = Pause.objects.filter(collector=pk(sender))
    assert [(p.device, p.began, p.ended) for p in pauses] == [("d1", began + 7 * MINUTE, began + 15 * MINUTE)]
    chain = Chain.objects.get(collector=pk(sender))
    assert chain.sealed == began + 16 * MINUTE
    assert chain.received is not None
    assert datetime.now(UTC) - chain.received < MINUTE
    pauses.delete()


def test_a_collectors_own_clock_is_taken_out(receiving: Ingest, sender: Sender) -> None:
    now = at_ms(datetime.now(UTC))
    Collector.objects.filter(pk=pk(sender)).update(clock_offset=-600)
    send(receiving, sender, now - 10 * MINUTE, {"d1": ledger(0)})
    assert abs(total(sender).last_lines - now) < MINUTE  # type: ignore[operator]
    Collector.objects.filter(pk=pk(sender)).update(clock_offset=0)
    send(receiving, sender, now + 60 * MINUTE, {"d1": ledger(0)})
    assert total(sender).last_lines <= datetime.now(UTC)  # type: ignore[operator]


def test_the_first_lines_of_each_kind_are_dated(receiving: Ingest, sender: Sender) -> None:
    unread = Ledger()
    unread.add([0, 0, 0, 0, 0, 0, 5, 1, 0])
    now = at_ms(datetime.now(UTC))
    send(receiving, sender, now, {"d1": unread})
    assert (total(sender).first_recognised, total(sender).first_kept, total(sender).product) == (None, None, None)
    send(receiving, sender, now, {"d1": ledger(0)})
    recognised = total(sender).first_recognised
    assert recognised is not None
    assert total(sender).first_kept is None
    send(receiving, sender, now, {"d1": ledger(2)}, events(2))
    assert total(sender).first_kept is not None
    assert total(sender).first_recognised == recognised
    assert total(sender).product == "linux-netfilter"
    send(receiving, sender, now, {"d1": Ledger(dropped_by_kernel=9)})
    assert total(sender).dropped_by_kernel == 9


def shifted(rows: int, by: timedelta) -> pa.Table:
    table = events(rows)
    for name in ("time", "last"):
        column = table.column(name).cast(pa.int64())
        moved = pa.chunked_array([pa.array([value + int(by.total_seconds() * 1000) for value in column.to_pylist()])])
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), moved.cast(table.schema.field(place).type))
    return table


def test_a_devices_wrong_clock_is_seen_from_when_to_when(receiving: Ingest, sender: Sender) -> None:
    now = at_ms(datetime.now(UTC)) - 10 * MINUTE
    send(receiving, sender, now, {"d1": ledger(1)}, shifted(1, timedelta(hours=-1)))
    first = total(sender)
    assert first.skew is not None
    assert -3600 <= first.skew < -2900  # the events are of now, the envelope is ten minutes old
    send(receiving, sender, now + MINUTE, {"d1": ledger(0)})
    send(receiving, sender, now + 2 * MINUTE, {"d1": ledger(1)}, shifted(1, timedelta(hours=-1)))
    assert total(sender).skew_since == first.skew_since == now
    send(receiving, sender, now + 10 * MINUTE, {"d1": ledger(1)}, events(1))
    assert (total(sender).skew, total(sender).skew_since) == (None, None)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(300, None), (301, 301), (-300, None), (-301, -301), (86_399, 86_399), (86_400, None), (-(10**9), None)],
)
def test_which_differences_are_a_wrong_clock(seconds: int, expected: int | None) -> None:
    assert hearing.skew_of(10**12 + seconds * 1000, 10**12) == expected


@given(st.integers(0, 253_402_300_799_000), st.integers(-(2**40), 2**40))
def test_no_sealing_is_after_its_coming(sealed: int, offset: int) -> None:
    now = datetime.now(UTC)
    try:
        assert hearing.sealed_at(sealed, offset, now) <= now
    except (OverflowError, ValueError):
        pytest.fail("a time that no clock shows")


def test_counts_by_hour_and_day_add_up_and_are_forgotten(receiving: Ingest, sender: Sender) -> None:
    now = datetime.now(UTC)
    for _ in range(2):
        send(receiving, sender, now, {"d1": ledger(2)}, events(2))
    spans = LedgerSpan.objects.filter(collector=pk(sender)).order_by("hours")
    assert {span.hours for span in spans} == {1, 24}
    assert (
        sum(span.kept for span in spans if span.hours == 1) == sum(span.kept for span in spans if span.hours == 24) == 4
    )
    assert all(span.ledger().balanced for span in spans)
    forget_spans(now + timedelta(hours=28))
    assert {span.hours for span in spans.all()} == {24}
    forget_spans(now + timedelta(days=34))
    assert not spans.all()


def test_what_a_collector_says_of_itself_is_kept(sender: Sender) -> None:
    collector = Collector.objects.get(pk=pk(sender))
    now = datetime.now(UTC)
    saying.note(collector, now_ms() + 2_000, InUse("0.1.0", 0, load=Load(3, 70, 12, 5_000, 2)), now)
    collector.refresh_from_db()
    assert collector.first_asked == collector.asked == collector.load_at == collector.turned_away_at == now
    assert (collector.waiting, collector.oldest_waiting, collector.spool_percent) == (3, 70, 12)
    assert (collector.disk_free, collector.turned_away, collector.clock_offset) == (5_000, 2, 2)
    later = now + MINUTE
    saying.note(collector, now_ms() + 60_000, InUse("0.1.0", 0), later)
    collector.refresh_from_db()
    assert (collector.first_asked, collector.asked, collector.load_at) == (now, later, now)
    assert (collector.turned_away, collector.turned_away_at) == (2, now)


def test_an_old_question_asked_again_makes_no_wrong_clock(sender: Sender) -> None:
    collector = Collector.objects.get(pk=pk(sender))
    now = datetime.now(UTC)
    saying.note(collector, now_ms(), None, now)
    collector.refresh_from_db()
    saying.note_wrong_clock(collector, now_ms() - 3_600_000, now + 14 * MINUTE)
    collector.refresh_from_db()
    assert abs(collector.clock_offset or 0) <= 1
    saying.note_wrong_clock(collector, now_ms() - 3_600_000, now + 15 * MINUTE)
    collector.refresh_from_db()
    assert collector.clock_offset == pytest.approx(-3600 - 900, abs=2)
