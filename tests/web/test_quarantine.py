"""The page of bundles put aside: who sees them, who decides, and that each act is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.utils import timezone

from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.ingest import evidence
from cyberalarm.central.ingest.models import Envelope, Quarantined
from cyberalarm.central.members.models import Collector, Site
from tests.web.browsing import Visitor
from tests.web.test_acting import MAY_ACT
from tests.web.test_scopes import PEOPLE, SEES_THE_MEMBER, person

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.central.accounts.models import User

__all__ = ["person"]

PAGE = "/police/quarantine"
WHY = "It can be read now."


@pytest.fixture
def held(site: Site) -> Quarantined:
    now = timezone.now()
    collector = Collector.objects.create(
        site=site, name="Attic <b>", status=Collector.Status.ENROLLED, public_key=b"k" * 32
    )
    envelope = Envelope.objects.create(
        collector=collector, sequence=4, digest="q" * 64, state=Envelope.State.QUARANTINED, sealed=now, received=now,
        rows=0, lines=9, size=6, ledgers={}, receipt=b"{}",
    )  # fmt: skip
    evidence.keep(evidence.folder_of(settings.CONFIG.data), collector.reference, 4, b"sealed")
    return Quarantined.objects.create(envelope=envelope, code="events-schema", reason="Strange columns.", at=now)


def told(action: Action, held: Quarantined) -> list[str | None]:
    subject = f"collector:{held.envelope.collector.reference}/4"
    return list(Entry.objects.filter(action=action, subject=subject).values_list("why", flat=True))


@pytest.mark.parametrize("who", PEOPLE)
def test_who_sees_it_and_takes_its_original_away(held: Quarantined, person: Callable[[str], User], who: str) -> None:
    browser, sees = Visitor(person(who)), who in SEES_THE_MEMBER
    page = browser.get(PAGE)
    assert (page.status_code == 200 and "Strange columns." in page.content.decode()) == sees
    assert "Attic <b>" not in page.content.decode()
    answer = browser.get(f"{PAGE}/{held.pk}/original")
    assert (answer.status_code == 200) == sees
    assert bool(told(Action.QUARANTINE_DOWNLOADED, held)) == sees
    if sees:
        assert answer.content == b"sealed"


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize(
    ("act", "state", "action"),
    [("release", "asked", Action.QUARANTINE_RELEASED), ("discard", "discarded", Action.QUARANTINE_DISCARDED)],
)
def test_who_decides(
    held: Quarantined, person: Callable[[str], User], who: str, act: str, state: str, action: Action
) -> None:
    answer = Visitor(person(who)).post(f"{PAGE}/{held.pk}", {"act": act, "why": WHY})
    held.refresh_from_db()
    may = who in MAY_ACT
    assert answer.status_code == (302 if may else 404)
    assert (held.state, told(action, held)) == ((state, [WHY]) if may else ("held", []))


def test_a_reason_is_asked_for_and_nothing_is_decided_twice(held: Quarantined, person: Callable[[str], User]) -> None:
    browser = Visitor(person("operator"))
    assert browser.post(f"{PAGE}/{held.pk}", {"act": "discard", "why": " "}).status_code == 422
    assert browser.post(f"{PAGE}/{held.pk}", {"act": "burn", "why": WHY}).status_code == 404
    held.refresh_from_db()
    assert held.state == "held"
    browser.post(f"{PAGE}/{held.pk}", {"act": "discard", "why": WHY})
    again = browser.post(f"{PAGE}/{held.pk}", {"act": "release", "why": WHY}, follow=True)
    assert "decided about this bundle already" in again.content.decode()
    assert told(Action.QUARANTINE_RELEASED, held) == []
