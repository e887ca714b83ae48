"""The alarms of a collector at the centre: those that its newest bundle with alarms named, and no other's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cyberalarm.central.ingest import standing
from cyberalarm.central.ingest.models import DeviceAlarm, Envelope
from cyberalarm.core.alarm import Alarm, AlarmKind
from cyberalarm.envelope import payload
from tests.ingest.ingest_judging import pk
from tests.ingest.ingest_sender import events, now_ms, stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.central.ingest.services import Ingest
    from tests.ingest.ingest_sender import Sender

FELL = Alarm("d-one", AlarmKind.NOT_RECOGNISED, "", "", 1_700_000_000_000, 998, 410)
MISSING = Alarm("d-two", AlarmKind.FIELD_MISSING, "cisco-asa", "dst_port", 1_700_000_000_000, 1000, 0)


def send(receiving: Ingest, sender: Sender, *alarms: Alarm, first_form: bool = False) -> None:
    """A bundle without lines, as a collector sends when an alarm begins or ends while no device speaks."""
    content = payload.pack({}, stream(events(0)), None if first_form else alarms)
    envelope = sender.seal_payload(content, sender.header(0, 0))
    receiving.receive(envelope)
    sender.sent(envelope)


def kept(sender: Sender) -> list[Alarm]:
    return [row.alarm() for row in DeviceAlarm.objects.filter(collector=pk(sender)).order_by("device")]


def test_the_newest_bundle_says_what_stands(receiving: Ingest, new_sender: Callable[[], Sender]) -> None:
    sender, other = new_sender(), new_sender()
    send(receiving, other, MISSING)
    send(receiving, sender, FELL, MISSING)
    assert kept(sender) == [FELL, MISSING]
    worse = Alarm(*(getattr(FELL, name) for name in FELL.__slots__[:-1]), 100)
    send(receiving, sender, worse)
    assert kept(sender) == [worse]
    send(receiving, sender, first_form=True)
    assert kept(sender) == [worse], "a bundle of the first form says nothing of alarms"
    send(receiving, sender)
    assert kept(sender) == []
    assert kept(other) == [MISSING]


def test_a_bundle_says_by_which_packs_it_was_read(receiving: Ingest, sender: Sender) -> None:
    for alarms, release in (((), 7), ((), 0), ((), None), (None, 7)):
        content = payload.pack({}, stream(events(0)), alarms, release)
        envelope = sender.seal_payload(content, sender.header(0, 0))
        receiving.receive(envelope)
        sender.sent(envelope)
    said = Envelope.objects.filter(collector=pk(sender)).order_by("sequence").values_list("pack_release", flat=True)
    assert list(said) == [7, 0, None, None]


def test_an_alarm_cannot_begin_after_now(receiving: Ingest, sender: Sender) -> None:
    send(receiving, sender, Alarm("d-one", AlarmKind.SILENT, "", "", 253_402_300_799_000, 0, 0))
    assert kept(sender)[0].since <= now_ms()


def test_the_same_alarm_twice_is_one(receiving: Ingest, sender: Sender) -> None:
    again = Alarm("d-one", AlarmKind.NOT_RECOGNISED, "", "", 1_800_000_000_000, 998, 410)
    send(receiving, sender, FELL, again)
    assert len(kept(sender)) == 1


def test_what_stays_as_it_was_is_not_written(sender: Sender) -> None:
    now, said = timezone.now(), {pk(sender): (FELL, MISSING)}
    standing.keep(said, now)
    with CaptureQueriesContext(connection) as same:
        standing.keep(said, now)
    assert len(same) == 1
    with CaptureQueriesContext(connection) as none:
        standing.keep({}, now)
    assert len(none) == 0


def test_the_status_says_that_alarms_are_read(receiving: Ingest, sender: Sender) -> None:
    from cyberalarm.envelope.documents import Status
    from cyberalarm.envelope.requests import SignedRequest, sign_request

    path = "/api/collector/v1/status"
    headers = sign_request(sender.key, sender.enrolment.collector, "GET", path, b"", now_ms())
    raw = receiving.status(SignedRequest.read(headers), "GET", path)
    assert Status.read(raw, sender.receipt_key).bundle_form >= payload.FORM_WITH_ALARMS == 2
