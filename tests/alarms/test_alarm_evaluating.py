"""Alarms begin, go on and end as the centre's rows say; and one look costs the same for one collector and for ten thousand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cyberalarm.central.alarms import learning, services
from cyberalarm.central.alarms.models import Alarm
from cyberalarm.central.ingest.models import DeviceAlarm, LedgerSpan, LedgerTotal, Pause
from cyberalarm.central.members.models import Collector, Device, Member
from tests.alarms.alarm_stage import (
    DAY,
    HOUR,
    LONG_UP,
    MINUTE,
    NOW,
    alive,
    look,
    new_collector,
    new_device,
    new_site,
    standing,
)

pytestmark = pytest.mark.usefixtures("database")


def test_a_collector_falls_silent_and_comes_back() -> None:
    collector = new_collector()
    new_device(collector)
    assert look() == services.Changes(0, 0, 0)
    assert look(NOW + 15 * MINUTE).begun == 1
    assert standing() == [("collector-silent", "")]
    alarm = Alarm.objects.get()
    assert (alarm.began, alarm.noticed, alarm.ended) == (NOW, NOW + 15 * MINUTE, None)
    assert look(NOW + 16 * MINUTE) == services.Changes(0, 0, 1)
    alive(collector, NOW + 60 * MINUTE)
    assert look(NOW + 60 * MINUTE) == services.Changes(0, 1, 0)
    # For a quarter of an hour it may be catching up: its device is not called silent because of what was not sent.
    assert look(NOW + 61 * MINUTE).begun == 0
    alive(collector, NOW + 76 * MINUTE)
    assert look(NOW + 76 * MINUTE).begun == 1
    assert standing() == [("device-silent", "d-one")]


def test_an_alarm_that_comes_back_within_an_hour_is_the_same() -> None:
    collector = new_collector(spool_percent=90)
    assert look().begun == 1
    Collector.objects.update(spool_percent=10)
    assert look(NOW + MINUTE).ended == 1
    Collector.objects.update(spool_percent=95)
    assert look(NOW + 2 * MINUTE) == services.Changes(1, 0, 1)
    alarm = Alarm.objects.get()
    assert (alarm.began, alarm.ended, alarm.value) == (NOW, None, 90)
    assert look(NOW + 3 * MINUTE).begun == 0
    Collector.objects.update(spool_percent=10)
    look(NOW + 4 * MINUTE)
    Collector.objects.update(spool_percent=95)
    alive(collector, NOW + 2 * HOUR)
    look(NOW + 2 * HOUR)
    assert Alarm.objects.count() == 2


def test_a_stopped_collectors_alarms_end() -> None:
    collector = new_collector()
    look(NOW + HOUR)
    assert standing()
    Collector.objects.filter(pk=collector.pk).update(status=Collector.Status.STOPPED)
    look(NOW + HOUR + MINUTE)
    assert standing() == []
    new_collector(new_site("Left"))
    Member.objects.filter(name="Left").update(status=Member.Status.LEFT)
    look(NOW + 2 * HOUR)
    assert standing() == []


def test_what_a_collector_tells_of_formats_is_joined_in_and_the_same_is_not_said_twice() -> None:
    collector = new_collector()
    new_device(collector)
    for kind in ("not-recognised", "silent"):
        DeviceAlarm.objects.create(
            collector=collector, device="d-one", kind=kind, since=NOW - HOUR, before=990, now=100
        )
    hour(collector, "d-one", received=1_000, unrecognised=900, noise=100)
    hour(collector, "d-two", received=1_000, unrecognised=900, noise=100)
    look()
    assert sorted(standing()) == [("not-recognised", "d-one"), ("not-understood", "d-two")]
    told = Alarm.objects.get(kind="not-recognised")
    assert (told.began, told.value, told.other) == (NOW - HOUR, 990, 100)
    DeviceAlarm.objects.all().delete()
    LedgerSpan.objects.all().delete()
    look(NOW + MINUTE)
    assert standing() == []


def test_what_was_said_needs_no_waiting_for_a_centre_that_has_just_begun() -> None:
    collector = new_collector()
    new_device(collector, last_lines=NOW - HOUR)
    DeviceAlarm.objects.create(
        collector=collector, device="d-one", kind="field-missing", field="dst_port", since=NOW, before=990, now=1
    )
    look(NOW, NOW - MINUTE)
    assert standing() == [("field-missing", "d-one")]
    look(NOW + 15 * MINUTE, NOW)
    assert sorted(standing()) == [("collector-silent", ""), ("field-missing", "d-one")]


def hour(collector: Collector, device: str, **counts: int) -> None:
    LedgerSpan.objects.create(
        collector=collector, device=device, hours=1, start=NOW.replace(minute=0, second=0, microsecond=0), **counts
    )


def test_not_understood_and_dropped_are_of_this_hour_and_the_one_before() -> None:
    collector = new_collector()
    hour(collector, "d-listener", dropped_by_kernel=500)
    hour(collector, "d-two", received=1_000, unrecognised=501, noise=499)
    look()
    assert sorted(standing()) == [("dropped", ""), ("not-understood", "d-two")]
    alive(collector, NOW + 2 * HOUR)
    look(NOW + 2 * HOUR)
    assert standing() == []


def test_a_device_is_put_to_rest_and_wakes_by_itself() -> None:
    collector = new_collector()
    device = new_device(collector, last_lines=NOW - HOUR)
    look()
    assert standing() == [("device-silent", "d-one")]
    Device.objects.create(collector=collector, reference="d-one", rests_since=NOW)
    look(NOW + MINUTE)
    assert standing() == []
    LedgerTotal.objects.filter(pk=device.pk).update(last_lines=NOW + 2 * MINUTE)
    alive(collector, NOW + 30 * MINUTE)
    look(NOW + 30 * MINUTE)
    assert standing() == [("device-silent", "d-one")]


def test_a_quiet_night_is_learnt_from_the_pauses_that_were_noted() -> None:
    collector = new_collector()
    new_device(collector, last_lines=NOW - 6 * HOUR)
    Pause.objects.create(collector=collector, device="d-one", began=NOW - 10 * DAY, ended=NOW - 10 * DAY + 9 * HOUR)
    Pause.objects.create(collector=collector, device="d-one", began=NOW - DAY - 4 * HOUR, ended=NOW - DAY + HOUR)
    assert learning.learn() == 2
    assert not Pause.objects.exists()
    look()
    assert standing() == []
    assert Device.objects.get().pauses_at == NOW - DAY + HOUR


def test_outages_are_not_learnt_but_a_changed_habit_is() -> None:
    collector = new_collector()
    began = NOW - HOUR

    def alarm(kind: str, device: str, began: object, ended: object) -> None:
        Alarm.objects.create(collector=collector, kind=kind, device=device, began=began, noticed=NOW, ended=ended)

    def learnt() -> bool:
        Pause.objects.create(collector=collector, device="d-one", began=began, ended=NOW)
        learning.learn()
        return Device.objects.exists()

    alarm("device-silent", "d-one", began, NOW)
    alarm("device-silent", "d-two", began - DAY, NOW - DAY)
    assert not learnt()
    alarm("collector-silent", "", began - DAY, NOW - MINUTE)
    alarm("device-silent", "d-one", began - DAY, NOW - DAY)
    assert not learnt()
    Alarm.objects.filter(kind="collector-silent").delete()
    assert learnt()


def test_new_figures_are_written_when_a_reader_would_care() -> None:
    new_collector(spool_percent=80)
    look()
    Collector.objects.update(spool_percent=85)
    look(NOW + MINUTE)
    assert Alarm.objects.get().value == 80
    Collector.objects.update(spool_percent=95)
    look(NOW + 2 * MINUTE)
    assert Alarm.objects.get().value == 95


def test_old_alarms_are_forgotten() -> None:
    collector = new_collector()
    for days in (399, 401):
        Alarm.objects.create(
            collector=collector, kind="spool", began=NOW - 500 * DAY, noticed=NOW, ended=NOW - days * DAY
        )
    assert services.forget(NOW) == 1


def crowd(size: int) -> None:
    """So many collectors, each with a device; three in ten in trouble."""
    site = new_site()
    Collector.objects.bulk_create(
        Collector(
            site=site, name=f"c{at}", reference=f"c-{at:08}", status=Collector.Status.ENROLLED, enrolled=NOW - 60 * DAY,
            last_seen=NOW if at % 10 else NOW - HOUR, load_at=NOW, spool_percent=90 if at % 10 == 1 else 1, disk_free=9_000,
            clock_offset=0, clock_at=NOW,
        )
        for at in range(size)
    )  # fmt: skip
    made = list(Collector.objects.filter(site=site).order_by("pk"))
    LedgerTotal.objects.bulk_create(
        LedgerTotal(
            collector=one, device=device, first_received=NOW - 60 * DAY, last_received=NOW, received=9_000, routine=9_000,
            last_lines=NOW if at % 10 != 2 else NOW - timedelta(minutes=20),
        )
        for at, one in enumerate(made)
        for device in ("d-one",)
    )  # fmt: skip


def test_ten_thousand_collectors_cost_as_many_questions_as_ten() -> None:
    asked = []
    for size in (10, 10_000):
        Collector.objects.all().delete()
        crowd(size)
        with CaptureQueriesContext(connection) as queries:
            changes = services.evaluate(NOW, LONG_UP)
            learning.learn()
        asked.append([one["sql"].split(" ", 1)[0] for one in queries if one["sql"].startswith("SELECT")])
        assert changes.begun == size // 10 * 3
        with CaptureQueriesContext(connection) as again:
            assert services.evaluate(NOW + MINUTE, LONG_UP) == services.Changes(0, 0, size // 10 * 3)
        assert not [one for one in again if one["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert len(asked[0]) == len(asked[1]) <= 10
