"""Stopping, resuming, revoking, ending, judging: who may, that a reason is asked for, and that each is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from cyberalarm.central.accounts.models import Role, User
from cyberalarm.central.accounts.services import create_police_user, may_acknowledge, may_act_for
from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.findings.models import Finding
from cyberalarm.central.members.models import Collector, Member, Site
from cyberalarm.core.places import Scope
from tests.web.browsing import PASSWORD, Visitor
from tests.web.test_scopes import PEOPLE, SEES_THE_MEMBER, person

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["person"]

OK, BACK, GONE, WRONG = 200, 302, 404, 422
MAY_ACT = {"officer of the force", "operator"}
WHY = {"why": "it floods us"}
_S, _A = Collector.Status, Action


@pytest.fixture
def collector(site: Site) -> Collector:
    return Collector.objects.create(site=site, name="Server room", status=_S.ENROLLED, public_key=b"k" * 32)


def finding(member: Member | None, status: str = "open", key: str = "x") -> Finding:
    now = timezone.now()
    return Finding.objects.create(
        rule="no-such-rule", rule_version=1, member=member, group_key=key, day=now.date(), what="w", title="A finding",
        severity=Finding.Severity.HIGH, category="scan", evidence={}, source_role="none", spoofable=True, count=3,
        first_seen=now, last_seen=now, episode_start=now, episode_end=now, created=now, updated=now, status=status,
    )  # fmt: skip


def recorded(action: Action, subject: str) -> list[str | None]:
    """The reasons given for an act, one for each time it is in the record."""
    return list(Entry.objects.filter(action=action, subject=subject).values_list("why", flat=True))


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize(
    ("act", "before", "after", "action"),
    [
        ("stop", _S.ENROLLED, _S.STOPPED, _A.STOPPED),
        ("resume", _S.STOPPED, _S.ENROLLED, _A.RESUMED),
        ("revoke", _S.ENROLLED, _S.REVOKED, _A.REVOKED),
    ],
)
def test_who_may_stop_resume_and_revoke(
    collector: Collector, person: Callable[[str], User], who: str, act: str, before: str, after: str, action: Action
) -> None:
    Collector.objects.filter(pk=collector.pk).update(status=before)
    answer = Visitor(person(who)).post(f"/police/collectors/{collector.reference}/{act}", WHY)
    collector.refresh_from_db()
    may = who in MAY_ACT
    assert answer.status_code == (BACK if may else GONE)
    assert collector.status == (after if may else before)
    assert (collector.status_since is not None) == may
    assert recorded(action, f"collector:{collector.reference}") == ([WHY["why"]] if may else [])


@pytest.mark.parametrize("who", PEOPLE)
def test_who_sees_a_collectors_page(collector: Collector, person: Callable[[str], User], who: str) -> None:
    answer = Visitor(person(who)).get(f"/police/collectors/{collector.reference}")
    assert answer.status_code == (OK if who in SEES_THE_MEMBER else GONE)
    if answer.status_code == OK:
        assert ("Stop this collector" in answer.content.decode()) == (who in MAY_ACT)
    subject = f"member:{collector.site.member.reference}"
    assert len(recorded(Action.MEMBER_VIEWED, subject)) == (who in SEES_THE_MEMBER)


@pytest.mark.parametrize("who", PEOPLE)
def test_who_may_end_a_membership(collector: Collector, person: Callable[[str], User], who: str) -> None:
    member = collector.site.member
    browser, may = Visitor(person(who)), who in MAY_ACT
    asked = browser.get(f"/police/members/{member.reference}/end")
    assert asked.status_code == (OK if may else GONE)
    assert browser.post(f"/police/members/{member.reference}/end", WHY).status_code == (BACK if may else GONE)
    member.refresh_from_db()
    collector.refresh_from_db()
    assert member.status == (Member.Status.LEFT if may else Member.Status.APPROVED)
    assert collector.status == (_S.REVOKED if may else _S.ENROLLED)
    assert recorded(Action.MEMBERSHIP_ENDED, f"member:{member.reference}") == ([WHY["why"]] if may else [])
    assert len(recorded(Action.REVOKED, f"collector:{collector.reference}")) == may


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        ("open", "acknowledged", _A.FINDING_ACKNOWLEDGED),
        ("open", "closed", _A.FINDING_CLOSED),
        ("acknowledged", "closed", _A.FINDING_CLOSED),
        ("closed", "open", _A.FINDING_REOPENED),
    ],
)
def test_which_police_judge_findings(
    member: Member, person: Callable[[str], User], who: str, before: str, after: str, action: Action
) -> None:
    one = finding(member, before)
    answer = Visitor(person(who)).post(f"/police/findings/{one.pk}", {"status": after})
    one.refresh_from_db()
    may = who in MAY_ACT
    assert answer.status_code == (BACK if may else GONE)
    assert one.status == (after if may else before)
    assert len(recorded(action, f"finding:{one.pk}")) == may


@pytest.mark.parametrize("who", PEOPLE)
def test_only_the_members_owner_acknowledges_for_it(member: Member, person: Callable[[str], User], who: str) -> None:
    one = finding(member)
    browser = Visitor(person(who))
    answer = browser.post(f"/member/findings/{one.pk}", {"status": "closed"})
    one.refresh_from_db()
    assert one.status == ("acknowledged" if who == "owner" else "open"), (
        "whatever is asked for, it is an acknowledgement"
    )
    # A waiting member is sent to its front page, which says why.
    assert answer.status_code == (BACK if who in ("owner", "waiting owner") else GONE)
    assert len(recorded(Action.FINDING_ACKNOWLEDGED, f"finding:{one.pk}")) == (who == "owner")
    if who in ("owner", "technician"):
        Finding.objects.filter(pk=one.pk).update(status="open")
        assert ("We have seen this" in browser.get("/member/findings").content.decode()) == (who == "owner")


def test_findings_of_the_network_are_for_national_people(officer: User, database: None) -> None:
    one = finding(None)
    operator = create_police_user("op@police.example", "O", PASSWORD, Scope.national(), Role.OPERATOR)
    assert Visitor(officer).post(f"/police/findings/{one.pk}", {"status": "closed"}).status_code == GONE
    assert Visitor(operator).post(f"/police/findings/{one.pk}", {"status": "closed"}).status_code == BACK
    assert not may_act_for(officer, None)
    assert not may_acknowledge(operator, Member(pk=1, force="essex"))


def test_closed_findings_stay_to_be_seen_and_opened_again(member: Member, officer: User) -> None:
    one = finding(member, "closed")
    browser = Visitor(officer)
    assert one.title in browser.get("/police/findings").content.decode()
    assert one.title not in browser.get("/police/findings?status=open").content.decode()
    page = browser.get("/police/findings?status=closed").content.decode()
    assert "Open again" in page
    assert "Acknowledge" not in page


def test_what_cannot_be_done_changes_nothing(member: Member, officer: User) -> None:
    browser = Visitor(officer)
    one = finding(member, "closed")
    told = browser.post(f"/police/findings/{one.pk}", {"status": "acknowledged"}, follow=True).content.decode()
    assert "cannot become acknowledged" in told
    assert browser.post(f"/police/findings/{one.pk}", {"status": "no such"}).status_code == GONE
    merged = finding(member, key="y")
    Finding.objects.filter(pk=merged.pk).update(merged_into=one)
    assert browser.post(f"/police/findings/{merged.pk}", {"status": "closed"}).status_code == GONE
    assert list(Finding.objects.order_by("pk").values_list("status", flat=True)) == ["closed", "open"]


@pytest.mark.parametrize("back", ["overview", "member", "findings", "https://evil.example/", ""])
def test_after_judging_one_is_where_one_was(member: Member, officer: User, back: str) -> None:
    one = finding(member)
    answer = Visitor(officer).post(f"/police/findings/{one.pk}", {"status": "closed", "back": back})
    places = {"overview": "/police/", "member": f"/police/members/{member.reference}"}
    assert answer.headers["Location"] == places.get(back, "/police/findings")


@pytest.mark.parametrize("act", ["stop", "revoke"])
@pytest.mark.parametrize("why", ["", "   ", "\x00"])
def test_a_reason_is_asked_for(collector: Collector, officer: User, act: str, why: str) -> None:
    answer = Visitor(officer).post(f"/police/collectors/{collector.reference}/{act}", {"why": why})
    collector.refresh_from_db()
    assert (answer.status_code, collector.status) == (WRONG, _S.ENROLLED)
    assert "There is a problem" in answer.content.decode()


def test_what_is_final_is_confirmed_on_a_page_of_its_own(collector: Collector, officer: User) -> None:
    browser = Visitor(officer)
    page = browser.get(f"/police/collectors/{collector.reference}")
    assert f'href="/police/collectors/{collector.reference}/revoke"' in page.content.decode()
    assert f'action="/police/collectors/{collector.reference}/revoke"' not in page.content.decode()
    asked = browser.get(f"/police/collectors/{collector.reference}/revoke").content.decode()
    assert "This cannot be undone." in asked
    collector.refresh_from_db()
    assert collector.status == _S.ENROLLED, "looking at the page does nothing"
    assert browser.get(f"/police/collectors/{collector.reference}/stop").status_code == BACK
    assert browser.get(f"/police/collectors/{collector.reference}/burn").status_code == GONE


def test_revoking_is_for_good(collector: Collector, officer: User) -> None:
    Collector.objects.filter(pk=collector.pk).update(token_hash="a" * 64)
    browser = Visitor(officer)
    browser.post(f"/police/collectors/{collector.reference}/revoke", WHY)
    told = browser.post(f"/police/collectors/{collector.reference}/resume", WHY, follow=True).content.decode()
    assert "This cannot be done" in told
    collector.refresh_from_db()
    assert (collector.status, collector.token_hash) == (_S.REVOKED, "")
    assert collector.public_key is not None, "what it sent before can still be proven"
    assert "Stop this collector" not in browser.get(f"/police/collectors/{collector.reference}").content.decode()


def test_a_collector_that_was_never_installed_waits_again(site: Site, officer: User) -> None:
    waiting = Collector.objects.create(site=site, name="Spare")
    browser = Visitor(officer)
    for act, status in (("stop", _S.STOPPED), ("resume", _S.PROVISIONED)):
        browser.post(f"/police/collectors/{waiting.reference}/{act}", WHY)
        waiting.refresh_from_db()
        assert waiting.status == status


@pytest.mark.parametrize("address", ["/police/collectors/{0}/stop", "/police/collectors/{0}/revoke"])
def test_acts_need_the_forms_token(collector: Collector, officer: User, address: str) -> None:
    browser = Visitor(officer)
    browser.handler.enforce_csrf_checks = True
    assert browser.post(address.format(collector.reference), WHY).status_code == 403
    collector.refresh_from_db()
    assert collector.status == _S.ENROLLED


def test_a_member_that_left_is_told_so(collector: Collector, officer: User, owner: User) -> None:
    Visitor(officer).post(f"/police/members/{collector.site.member.reference}/end", WHY)
    browser = Visitor(owner)
    assert "Membership ended" in browser.get("/member/").content.decode()
    assert browser.get("/member/reports").status_code == BACK
    assert Visitor().get(f"/verify/{collector.site.member.reference}").status_code == GONE
