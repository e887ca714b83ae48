"""What members, police and operators read of alarms, and what they can do about them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from cyberalarm.central.accounts.models import Role, User
from cyberalarm.central.accounts.services import create_police_user
from cyberalarm.central.alarms.models import Alarm
from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.members.models import Collector, Device, Member, Site
from cyberalarm.central.site import health
from cyberalarm.core.places import Scope
from tests.web.browsing import PASSWORD, Visitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.central.events.store import EventStore


@pytest.fixture
def collector(site: Site) -> Collector:
    made = Collector.objects.create(
        site=site, name="Cellar", status=Collector.Status.ENROLLED, version="0.1.0", last_seen=timezone.now()
    )
    since = timezone.now() - timedelta(hours=2)
    for device, kind, product, field, value, other in (
        ("d-4kq7xz", "not-recognised", "", "", 998, 410),
        ("d-second", "field-missing", "cisco-asa", "dst_port", 1000, 20),
        ("d-third", "device-silent", "", "", 900, 0),
        ("", "spool", "", "", 93, 0),
    ):
        Alarm.objects.create(
            collector=made, device=device, kind=kind, product=product, field=field, began=since, noticed=since, value=value,
            other=other,
        )  # fmt: skip
    Device.objects.create(collector=made, reference="d-third", name="<b>Gate</b>")
    return made


@pytest.fixture
def national(database: None) -> User:
    return create_police_user("n@example.org", "Nat", PASSWORD, Scope.national(), Role.ANALYST)


def test_member_and_police_read_what_is_wrong_and_what_to_do(
    events: EventStore, collector: Collector, owner: User, officer: User
) -> None:
    for person, path in (
        (owner, "/member/collectors/{}"),
        (officer, "/police/collectors/{}"),
        (owner, "/member/alarms"),
        (owner, "/member/"),
    ):
        answer = Visitor(person).get(path.format(collector.reference), follow=True)
        assert answer.status_code == 200
        text = answer.content.decode()
        assert "Device d-4kq7xz: fewer lines are recognised" in text
        assert "41.0% are recognised; before it were 99.8%." in text
        assert "The field dst_port of cisco-asa stands in 2.0% of its events; before it stood in 100.0%." in text
        assert "Device &lt;b&gt;Gate&lt;/b&gt; (d-third): silent" in text
        assert "Collector Cellar: what it keeps has nearly filled its space" in text
        assert "What to do:" in text
        assert text.index("93 per cent") < text.index("d-third): silent")
    assert "attack" not in text.lower()


def test_names_that_members_gave_are_for_the_member_and_its_force(
    events: EventStore, collector: Collector, national: User, officer: User
) -> None:
    region = create_police_user("r@example.org", "Reg", PASSWORD, Scope.of_region("eastern"), Role.ANALYST)
    for person, may in ((officer, True), (region, False), (national, False)):
        text = Visitor(person).get(f"/police/collectors/{collector.reference}").content.decode()
        assert ("Gate" in text) is may
        assert "d-third" in text
    listed = Visitor(officer).get("/police/collectors").content.decode()
    assert "d-third" in listed
    assert "Gate" not in listed


def test_a_revoked_collectors_alarms_are_nobodys_concern(events: EventStore, collector: Collector, owner: User) -> None:
    Collector.objects.filter(pk=collector.pk).update(status=Collector.Status.REVOKED)
    text = Visitor(owner).get(f"/member/collectors/{collector.reference}").content.decode()
    assert "What needs a look" not in text
    assert health._formats().good


def test_history_is_kept(events: EventStore, collector: Collector, owner: User) -> None:
    Alarm.objects.filter(kind="spool").update(ended=timezone.now())
    for path in ("/member/alarms", f"/member/collectors/{collector.reference}"):
        text = Visitor(owner).get(path).content.decode()
        assert "Alarms that have ended" in text
        assert "Collector Cellar: what it keeps" not in text


def test_each_person_chooses_mails_for_itself(owner: User, collector: Collector) -> None:
    visitor = Visitor(owner)
    assert "You are written to when an alarm begins" in visitor.get("/member/alarms").content.decode()
    assert visitor.post("/member/alarms/mails", {"mails": "maybe"}).status_code == 404
    text = visitor.post("/member/alarms/mails", {"mails": "no"}, follow=True).content.decode()
    assert "You get no mails about alarms; other people" in text
    visitor.post("/member/alarms/mails", {"mails": "yes"})
    owner.refresh_from_db()
    assert owner.alarm_mails is True


def test_police_list_what_has_stood_longest_first_by_place_and_kind(
    collector: Collector, make_member: Callable[..., Member], officer: User, national: User
) -> None:
    site = Site.objects.create(member=make_member("Other School", "cleveland"), name="North")
    other = Collector.objects.create(site=site, name="Attic", status=Collector.Status.ENROLLED, version="0.0.9")
    long_ago = timezone.now() - timedelta(days=9)
    Alarm.objects.create(collector=other, kind="collector-silent", began=long_ago, noticed=long_ago)
    mine = Visitor(officer).get("/police/collectors").content.decode()
    assert "Cellar" in mine
    assert "Attic" not in mine
    assert "Force</label>" not in mine
    everywhere = Visitor(national).get("/police/collectors").content.decode()
    assert everywhere.index(">Attic</a>") < everywhere.index(">Cellar</a>")
    assert "Cleveland Police (1 collector)" in everywhere
    assert "0.0.9" in everywhere
    for choice, there, missing in (
        ("?kind=collector-silent", ">Attic</a>", ">Cellar</a>"),
        ("?force=essex", ">Cellar</a>", ">Attic</a>"),
        ("?region=north-east", ">Attic</a>", ">Cellar</a>"),
        ("?kind=<script>", ">Attic</a>", "<script>"),
    ):
        text = Visitor(national).get(f"/police/collectors{choice}").content.decode()
        assert there in text, choice
        assert missing not in text, choice
    # A place outside one's own scope shows nothing of it.
    assert "Attic" not in Visitor(officer).get("/police/collectors?force=cleveland").content.decode()


def test_the_list_can_be_taken_away_harmlessly_and_that_is_recorded(collector: Collector, officer: User) -> None:
    Member.objects.filter(pk=collector.site.member_id).update(name="=cmd|' /C calc'!A0")
    answer = Visitor(officer).get("/police/collectors.csv?kind=device-silent")
    lines = answer.content.decode().splitlines()
    assert len(lines) == 2
    assert "'=cmd|" in lines[1]
    assert "d-third" in lines[1]
    assert "Gate" not in lines[1]
    entry = Entry.objects.get(action=Action.COLLECTORS_EXPORTED)
    assert entry.subject == "scope:force:essex"


def test_members_see_no_police_list(owner: User, collector: Collector) -> None:
    assert Visitor(owner).get("/police/collectors").status_code == 404
    assert Visitor(owner).get("/police/collectors.csv").status_code == 404


def test_operators_read_how_many(collector: Collector) -> None:
    found = health._formats()
    assert (found.good, found.grave) == (False, False)
    assert found.words == "2 devices' formats have changed. Fields are missing of cisco-asa. Fallen silent: 1."
    assert "collector samples" in found.next_step
    assert "spool nearly full 1" in health._alarms().words


@pytest.mark.parametrize(
    ("changed", "words"),
    [(0, "No device's format has changed."), (1, "1 device's format has changed."), (2, "2 devices'")],
)
def test_the_operators_words(changed: int, words: str) -> None:
    found = health.formats(changed, 0, [])
    assert found.words.startswith(words)
    assert found.good is (changed == 0) is not bool(found.next_step)
