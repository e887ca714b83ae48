"""What members, police and operators read when a device's format has changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from cyberalarm.central.ingest.models import DeviceAlarm
from cyberalarm.central.members.models import Collector
from cyberalarm.central.site import health
from tests.web.browsing import Visitor

if TYPE_CHECKING:
    from cyberalarm.central.accounts.models import User
    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.members.models import Site


@pytest.fixture
def collector(site: Site) -> Collector:
    made = Collector.objects.create(site=site, name="Cellar", status=Collector.Status.ENROLLED)
    since = timezone.now() - timedelta(hours=2)
    for device, kind, product, field, before, now in (
        ("d-4kq7xz", "not-recognised", "", "", 998, 410),
        ("d-second", "field-missing", "cisco-asa", "dst_port", 1000, 20),
        ("d-third", "silent", "", "", 0, 0),
    ):
        DeviceAlarm.objects.create(
            collector=made, device=device, kind=kind, product=product, field=field, since=since, before=before, now=now
        )
    return made


def test_member_and_police_read_what_changed_and_what_to_do(
    events: EventStore, collector: Collector, owner: User, officer: User
) -> None:
    for person, path in ((owner, "/member/collectors/{}"), (officer, "/police/collectors/{}")):
        answer = Visitor(person).get(path.format(collector.reference), follow=True)
        assert answer.status_code == 200
        text = answer.content.decode()
        assert "Device d-4kq7xz: fewer lines are recognised" in text
        assert "41.0% are recognised; before it were 99.8%." in text
        assert "The field dst_port of cisco-asa stands in 2.0% of its events; before it stood in 100.0%." in text
        assert "Device d-third: silent" in text
        assert "Update the collector and its packs" in text
    assert "3 things changed" in Visitor(owner).get("/member/").content.decode()


def test_a_revoked_collectors_alarms_are_nobodys_concern(events: EventStore, collector: Collector, owner: User) -> None:
    Collector.objects.filter(pk=collector.pk).update(status=Collector.Status.REVOKED)
    text = Visitor(owner).get(f"/member/collectors/{collector.reference}").content.decode()
    assert "Something has changed" not in text
    assert health._formats().good


def test_operators_read_how_many(collector: Collector) -> None:
    found = health._formats()
    assert (found.good, found.grave) == (False, False)
    assert found.words == "2 devices' formats have changed. Fields are missing of cisco-asa. Fallen silent: 1."
    assert "collector samples" in found.next_step


@pytest.mark.parametrize(
    ("changed", "words"),
    [(0, "No device's format has changed."), (1, "1 device's format has changed."), (2, "2 devices'")],
)
def test_the_operators_words(changed: int, words: str) -> None:
    found = health.formats(changed, 0, [])
    assert found.words.startswith(words)
    assert found.good is (changed == 0) is not bool(found.next_step)
