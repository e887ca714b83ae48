"""Routes × people: everybody reaches their own side and scope; all else is 404 (or back, when waiting)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cyberalarm.central.accounts.models import Role, User
from cyberalarm.central.accounts.services import create_member_user, create_police_user
from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.members.models import Collector, Member, Site
from cyberalarm.core.places import Scope
from tests.web.browsing import PASSWORD, Visitor

if TYPE_CHECKING:
    from collections.abc import Callable

OK, GONE, BACK = 200, 404, 302

MEMBER_PAGES = [
    "/member/",
    "/member/sites/add",
    "/member/sites/{site}/provision",
    "/member/collectors/{collector}",
    "/member/findings",
    "/member/reports",
    "/member/certificate",
]
POLICE_PAGES = ["/police/", "/police/members", "/police/sign-ups"]

PEOPLE = {
    "owner": ("member", None, Role.OWNER),
    "technician": ("member", None, Role.TECHNICIAN),
    "owner of another": ("another", None, Role.OWNER),
    "waiting owner": ("waiting", None, Role.OWNER),
    "officer of the force": (None, Scope.of_force("essex"), Role.PROTECT_OFFICER),
    "officer of another force": (None, Scope.of_force("kent"), Role.PROTECT_OFFICER),
    "analyst of the region": (None, Scope.of_region("eastern"), Role.ANALYST),
    "analyst of another region": (None, Scope.of_region("north-east"), Role.ANALYST),
    "national analyst": (None, Scope.national(), Role.ANALYST),
    "operator": (None, Scope.national(), Role.OPERATOR),
}
SEES_THE_MEMBER = {"officer of the force", "analyst of the region", "national analyst", "operator"}


@pytest.fixture
def person(member: Member, make_member: Callable[..., Member]) -> Callable[[str], User]:
    def make(who: str) -> User:
        of, scope, role = PEOPLE[who]
        if scope is not None:
            return create_police_user("somebody@police.example", "Somebody", PASSWORD, scope, role)
        mine = {
            "member": lambda: member,
            "another": lambda: make_member("Another", "essex"),
            "waiting": lambda: make_member("Waiting", "essex", Member.Status.PENDING),
        }[of or ""]()
        return create_member_user("somebody@member.example", "Somebody", PASSWORD, mine, role)

    return make


@pytest.fixture
def collector(site: Site) -> Collector:
    return Collector.objects.create(site=site, name="Server room")


def expected_on_member_page(who: str, page: str) -> int:
    if who in ("owner", "technician"):
        return OK
    if who == "owner of another":
        return GONE if "{" in page else OK
    if who == "waiting owner":
        return OK if page == "/member/" else BACK
    return GONE


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("page", MEMBER_PAGES)
def test_member_pages(events: object, collector: Collector, person: Callable[[str], User], who: str, page: str) -> None:
    address = page.format(site=collector.site_id, collector=collector.reference)
    assert Visitor(person(who)).get(address).status_code == expected_on_member_page(who, page)


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("page", POLICE_PAGES)
def test_police_pages(events: object, person: Callable[[str], User], who: str, page: str) -> None:
    expected = GONE if "owner" in who or who == "technician" else OK
    assert Visitor(person(who)).get(page).status_code == expected


@pytest.mark.parametrize("who", PEOPLE)
def test_a_members_page_is_for_its_scope(
    events: object, member: Member, person: Callable[[str], User], who: str
) -> None:
    response = Visitor(person(who)).get(f"/police/members/{member.reference}")
    assert response.status_code == (OK if who in SEES_THE_MEMBER else GONE)
    viewed = Entry.objects.filter(action=Action.MEMBER_VIEWED, subject=f"member:{member.reference}").count()
    assert viewed == (1 if who in SEES_THE_MEMBER else 0)


@pytest.mark.parametrize("who", PEOPLE)
def test_lists_hold_members_in_scope_only(
    events: object, member: Member, person: Callable[[str], User], who: str
) -> None:
    response = Visitor(person(who)).get("/police/members")
    if response.status_code == OK:
        assert (member.name in response.content.decode()) == (who in SEES_THE_MEMBER)


@pytest.mark.parametrize(
    ("who", "address", "expected"),
    [
        ("officer of the force", "/police/overview/force/essex", OK),
        ("officer of the force", "/police/overview/force/kent", GONE),
        ("officer of the force", "/police/overview/region/eastern", GONE),
        ("analyst of the region", "/police/overview/force/essex", OK),
        ("analyst of the region", "/police/overview/force/kent", OK),
        ("analyst of the region", "/police/overview/force/cleveland", GONE),
        ("analyst of the region", "/police/overview/region/north-east", GONE),
        ("national analyst", "/police/overview/region/north-east", OK),
        ("national analyst", "/police/overview/force/no-such-force", GONE),
        ("national analyst", "/police/overview/member/1", GONE),
        ("owner", "/police/overview/force/essex", GONE),
    ],
)
def test_overviews(events: object, person: Callable[[str], User], who: str, address: str, expected: int) -> None:
    assert Visitor(person(who)).get(address).status_code == expected


@pytest.mark.parametrize("who", PEOPLE)
def test_only_the_forces_officer_decides(
    events: object, make_member: Callable[..., Member], person: Callable[[str], User], who: str
) -> None:
    asked = make_member("Asked to join", "essex", Member.Status.PENDING)
    response = Visitor(person(who)).post(f"/police/sign-ups/{asked.reference}", {"decision": "approve"})
    asked.refresh_from_db()
    may = who == "officer of the force"
    assert response.status_code == (BACK if may else GONE)
    assert asked.status == (Member.Status.APPROVED if may else Member.Status.PENDING)
    assert Entry.objects.filter(action=Action.APPROVED, subject=f"member:{asked.reference}").count() == may


def test_a_decision_is_taken_once(officer: User, make_member: Callable[..., Member]) -> None:
    asked = make_member("Asked to join", "essex", Member.Status.PENDING)
    browser = Visitor(officer)
    browser.post(f"/police/sign-ups/{asked.reference}", {"decision": "decline"})
    page = browser.post(f"/police/sign-ups/{asked.reference}", {"decision": "approve"}, follow=True)
    asked.refresh_from_db()
    assert asked.status == Member.Status.DECLINED
    assert asked.approved is None
    assert "decided this already" in page.content.decode()


@pytest.mark.parametrize("who", PEOPLE)
def test_only_operators_read_the_audit(person: Callable[[str], User], who: str) -> None:
    assert Visitor(person(who)).get("/police/audit").status_code == (OK if who == "operator" else GONE)


def test_an_owner_cannot_touch_another_members_collector(collector: Collector, person: Callable[[str], User]) -> None:
    browser = Visitor(person("owner of another"))
    assert browser.post(f"/member/collectors/{collector.reference}/renew").status_code == GONE
    assert browser.post(f"/member/sites/{collector.site_id}/provision", {"name": "x"}).status_code == GONE
    collector.refresh_from_db()
    assert collector.token_hash == ""


def test_police_sign_ins_are_recorded_and_switched_off_people_stay_out(officer: User) -> None:
    page = Visitor().post("/account/login/", {"login": officer.email, "password": PASSWORD})
    assert (page.status_code, page.headers["Location"]) == (BACK, "/police/")
    assert Entry.objects.filter(action=Action.SIGNED_IN, actor=officer.pk).count() == 1
    officer.is_active = False
    officer.save()
    page = Visitor().post("/account/login/", {"login": officer.email, "password": PASSWORD})
    assert page.headers["Location"] == "/account/inactive/"


def test_guessing_passwords_is_slowed_down(owner: User) -> None:
    browser = Visitor()
    for _ in range(5):
        browser.post("/account/login/", {"login": owner.email, "password": "wrong wrong wrong"})
    page = browser.post("/account/login/", {"login": owner.email, "password": PASSWORD})
    assert page.status_code == 200
    assert "Too many failed login attempts" in page.content.decode()
    assert browser.get("/member/").status_code == BACK
