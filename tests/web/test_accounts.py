"""Who may see what, decided over values, by table."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from cyberalarm.central.accounts.errors import AddressTakenError, NobodySignedInError
from cyberalarm.central.accounts.models import MEMBER_ROLES, Role, User
from cyberalarm.central.accounts.services import (
    create_member_user,
    create_police_user,
    may_decide_sign_up,
    may_read_audit,
    may_see_member,
    scope_covers,
    scope_covers_member,
    scope_of,
)
from cyberalarm.central.audit.models import Action, Entry
from cyberalarm.central.members.models import Member
from cyberalarm.core.places import Level, Scope, forces, regions
from tests.web.browsing import PASSWORD

ESSEX, KENT, CLEVELAND = Scope.of_force("essex"), Scope.of_force("kent"), Scope.of_force("cleveland")
EASTERN, NORTH_EAST, NATIONAL = Scope.of_region("eastern"), Scope.of_region("north-east"), Scope.national()


def police(scope: Scope, role: Role = Role.PROTECT_OFFICER, *, active: bool = True) -> User:
    return User(pk=7, name="P", role=role, scope_level=str(scope.level), scope_code=scope.code, is_active=active)


@pytest.mark.parametrize(
    ("scope", "member", "force", "expected"),
    [
        (Scope.of_member(1), 1, "essex", True),
        (Scope.of_member(1), 2, "essex", False),
        (ESSEX, 1, "essex", True),
        (ESSEX, 1, "kent", False),
        (EASTERN, 1, "essex", True),
        (EASTERN, 1, "cleveland", False),
        (NORTH_EAST, 1, "cleveland", True),
        (EASTERN, 1, "no-such-force", False),
        (NATIONAL, 1, "cleveland", True),
    ],
)
def test_a_scope_covers_its_members_only(scope: Scope, member: int, force: str, expected: bool) -> None:
    assert scope_covers_member(scope, member, force) is expected


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        (ESSEX, ESSEX, True),
        (ESSEX, KENT, False),
        (ESSEX, EASTERN, False),
        (ESSEX, NATIONAL, False),
        (EASTERN, ESSEX, True),
        (EASTERN, CLEVELAND, False),
        (EASTERN, NORTH_EAST, False),
        (EASTERN, NATIONAL, False),
        (NATIONAL, ESSEX, True),
        (NATIONAL, EASTERN, True),
        (NATIONAL, Scope.of_member(1), False),
        (Scope.of_member(1), Scope.of_member(1), True),
        (Scope.of_member(1), Scope.of_member(2), False),
        (Scope.of_member(1), ESSEX, False),
    ],
)
def test_a_scope_covers_narrower_ones(outer: Scope, inner: Scope, expected: bool) -> None:
    assert scope_covers(outer, inner) is expected


def _police_scopes() -> st.SearchStrategy[Scope]:
    return st.one_of(
        st.sampled_from(sorted(forces())).map(Scope.of_force),
        st.sampled_from(sorted(regions())).map(Scope.of_region),
        st.just(NATIONAL),
    )


@given(_police_scopes(), _police_scopes(), st.sampled_from(sorted(forces())))
def test_covering_a_scope_means_covering_its_members(outer: Scope, inner: Scope, force: str) -> None:
    if scope_covers(outer, inner) and scope_covers_member(inner, 1, force):
        assert scope_covers_member(outer, 1, force)
    shown = {f for f in forces() if scope_covers_member(inner, 1, f)}
    seen = {f for f in forces() if scope_covers_member(outer, 1, f)}
    assert scope_covers(outer, inner) == (
        shown <= seen and (outer.level is not Level.FORCE or inner.level is Level.FORCE)
    )


def test_people_have_the_scope_they_were_given() -> None:
    assert scope_of(police(ESSEX)) == ESSEX
    assert scope_of(police(EASTERN)) == EASTERN
    assert scope_of(police(NATIONAL)) == NATIONAL
    assert scope_of(User(pk=1, role=Role.OWNER, member_id=9)) == Scope.of_member(9)


def test_nobody_has_no_scope() -> None:
    for nobody in (AnonymousUser(), police(NATIONAL, active=False)):
        with pytest.raises(NobodySignedInError):
            scope_of(nobody)
        assert not may_see_member(nobody, Member(pk=1, force="essex"))
        assert not may_decide_sign_up(nobody, Member(pk=1, force="essex"))
        assert not may_read_audit(nobody)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (police(ESSEX), True),
        (police(EASTERN), True),
        (police(NATIONAL), True),
        (police(KENT), False),
        (police(NORTH_EAST), False),
        (police(ESSEX, Role.ANALYST), False),
        (police(NATIONAL, Role.OPERATOR), False),
        (User(pk=1, role=Role.OWNER, member_id=1), False),
    ],
)
def test_only_protect_officers_in_scope_decide(user: User, expected: bool) -> None:
    assert may_decide_sign_up(user, Member(pk=1, force="essex")) is expected


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (police(NATIONAL, Role.OPERATOR), True),
        (police(ESSEX, Role.OPERATOR), False),
        (police(NATIONAL, Role.ANALYST), False),
        (User(pk=1, role=Role.OWNER, member_id=1), False),
    ],
)
def test_only_national_operators_read_the_audit(user: User, expected: bool) -> None:
    assert may_read_audit(user) is expected


def test_people_are_made_with_strong_hashes_and_one_address_each(member: Member) -> None:
    user = create_member_user("  Somebody@School.Example ", "S", PASSWORD, member)
    assert user.email == "somebody@school.example"
    assert user.password.startswith("scrypt$")
    assert user.check_password(PASSWORD)
    with pytest.raises(AddressTakenError), transaction.atomic():
        create_police_user("SOMEBODY@school.example", "T", PASSWORD, ESSEX, Role.ANALYST)


def test_roles_and_scopes_that_do_not_fit_are_refused(member: Member) -> None:
    for role in MEMBER_ROLES:
        with pytest.raises(ValueError, match="police"):
            create_police_user("p@police.example", "P", PASSWORD, ESSEX, role)
    with pytest.raises(ValueError, match="police"):
        create_police_user("p@police.example", "P", PASSWORD, Scope.of_member(member.pk), Role.ANALYST)
    with pytest.raises(ValueError, match="owners"):
        create_member_user("p@police.example", "P", PASSWORD, member, Role.OPERATOR)


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": Role.OWNER},
        {"role": Role.ANALYST, "scope_level": ""},
        {"role": Role.ANALYST, "scope_level": "force", "scope_code": ""},
        {"role": Role.ANALYST, "scope_level": "national", "scope_code": "essex"},
        {"role": Role.OWNER, "scope_level": "national"},
    ],
)
def test_the_database_refuses_people_between_member_and_police(database: None, wrong: dict[str, str]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(email="x@example.org", name="X", **wrong)


def test_a_police_account_and_its_rights_stand_in_the_audit(database: None) -> None:
    before = Entry.objects.count()
    with pytest.raises(ValueError, match="police role"):
        create_police_user("audited@police.example", "A", PASSWORD, ESSEX, Role.OWNER)
    assert Entry.objects.count() == before
    made = create_police_user("audited@police.example", "A", PASSWORD, ESSEX, Role.ANALYST)
    row = Entry.objects.get(action=Action.POLICE_ADDED, subject=f"person:{made.pk}")
    assert (row.actor, row.why) == (0, "Analyst, Essex Police")
    assert "police.example" not in f"{row.subject} {row.why}", "people appear by number"
