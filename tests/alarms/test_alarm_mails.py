"""Members are written to once, with what to do, unless they have declined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core import mail

from cyberalarm.central.accounts.models import Role
from cyberalarm.central.accounts.services import create_member_user
from cyberalarm.central.alarms import mailing
from cyberalarm.central.alarms.models import Alarm
from cyberalarm.central.members.models import Collector, Device
from tests.alarms.alarm_stage import DAY, HOUR, MINUTE, NOW, alive, look, new_collector, new_device, new_site

if TYPE_CHECKING:
    from cyberalarm.central.members.models import Site

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def site() -> Site:
    made = new_site()
    password = "purple-lantern-marmalade"
    create_member_user("owner@school.example", "Olive", password, made.member)
    create_member_user("tech@school.example", "Terry", password, made.member, Role.TECHNICIAN)
    create_member_user("new@school.example", "Nora", password, made.member, Role.TECHNICIAN, confirmed=False)
    return made


def test_a_member_is_written_to_once(site: Site) -> None:
    collector = new_collector(site, spool_percent=90)
    new_device(collector, "d-4kq7xz", last_lines=NOW - HOUR)
    Device.objects.create(collector=collector, reference="d-4kq7xz", name="Gate <house>")
    look()
    assert mailing.send(NOW).members == 1
    (letter,) = mail.outbox
    assert letter.to == []
    assert sorted(letter.bcc) == ["owner@school.example", "tech@school.example"]
    assert letter.subject == "CyberAlarm: 2 things need a look"
    assert (
        "Main building, collector Cellar, device Gate <house> (d-4kq7xz)\nSilent, since 18 November 2026 at 10:05."
        in letter.body
    )
    assert "90 per cent of the space" in letter.body
    assert "What to do: Is the device on" in letter.body
    assert "/member/alarms" in letter.body
    for minute in range(1, 5):
        look(NOW + minute * MINUTE)
        assert mailing.send(NOW + minute * MINUTE).members == 0


def test_what_begins_within_the_hour_waits_and_what_has_ended_is_not_told(site: Site) -> None:
    collector = new_collector(site, spool_percent=90)
    look()
    mailing.send(NOW)
    Collector.objects.update(disk_free=100, clock_offset=400)
    look(NOW + MINUTE)
    assert mailing.send(NOW + MINUTE).members == 0
    Collector.objects.update(clock_offset=0)
    alive(collector, NOW + 61 * MINUTE)
    look(NOW + 61 * MINUTE)
    assert mailing.send(NOW + 61 * MINUTE).members == 1
    assert mail.outbox[-1].subject == "CyberAlarm: its disk is nearly full"


def test_the_same_is_not_told_again_within_a_day(site: Site) -> None:
    collector = new_collector(site, spool_percent=90)
    look()
    mailing.send(NOW)
    for hours, again in ((3, 0), (30, 1)):
        Collector.objects.update(spool_percent=1)
        alive(collector, NOW + hours * HOUR)
        look(NOW + hours * HOUR)
        Collector.objects.update(spool_percent=90)
        alive(collector, NOW + (hours + 2) * HOUR)
        look(NOW + (hours + 2) * HOUR)
        assert mailing.send(NOW + (hours + 2) * HOUR).members == again


def test_a_new_devices_silence_is_not_mailed(site: Site) -> None:
    new_device(new_collector(site), first_received=NOW - DAY, last_lines=NOW - HOUR)
    look()
    assert Alarm.objects.get().mail is False
    assert mailing.send(NOW).members == 0


def test_who_declines_gets_none_and_the_others_do(site: Site) -> None:
    owner = site.member.people.get(email="owner@school.example")
    mailing.choose(owner, wanted=False)
    owner.refresh_from_db()
    assert mailing.declined(owner)
    new_collector(site, spool_percent=90)
    look()
    mailing.send(NOW)
    assert mail.outbox[0].bcc == ["tech@school.example"]


class Broken:
    """A mail server that hangs up."""

    def __enter__(self) -> Broken:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send_messages(self, _messages: object) -> int:
        raise ConnectionResetError


def test_a_mail_that_fails_is_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    new_collector(site, spool_percent=90)
    look()
    with monkeypatch.context() as broken:
        broken.setattr(mailing, "get_connection", Broken)
        assert mailing.send(NOW) == mailing.Sent(0, "ConnectionResetError")
    assert mailing.send(NOW + MINUTE).members == 1
