"""Who may see what, as plain decisions, and the making of people.

Every page that shows members' data asks here first. The decisions are pure: they look at the values given and
at nothing else, so they can be tested by table. None has a default that lets somebody in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from allauth.account.models import EmailAddress
from django.contrib.auth.models import AnonymousUser
from django.db import transaction

from cyberalarm.central.accounts.errors import AddressTakenError, NobodySignedInError
from cyberalarm.central.accounts.models import MEMBER_ROLES, POLICE_ROLES, Role, User
from cyberalarm.central.audit import services as audit
from cyberalarm.central.audit.models import Action
from cyberalarm.core.places import Level, Scope, forces

if TYPE_CHECKING:
    from cyberalarm.central.members.models import Member

Person = User | AnonymousUser
_ACTING_ROLES = frozenset({Role.PROTECT_OFFICER, Role.OPERATOR})


def scope_of(user: Person) -> Scope:
    """Whose data this person may see. Raises NobodySignedInError for a visitor and a switched-off person."""
    if not isinstance(user, User) or not user.is_active:
        raise NobodySignedInError("Nobody is signed in.", next_step="Sign in and try again.")
    if user.member_id is not None:
        return Scope.of_member(user.member_id)
    match Level(user.scope_level):
        case Level.FORCE:
            return Scope.of_force(user.scope_code)
        case Level.REGION:
            return Scope.of_region(user.scope_code)
        case Level.NATIONAL:
            return Scope.national()
        case Level.MEMBER:
            raise NobodySignedInError("This person's scope is broken.", next_step="Ask the centre's operator.")


def scope_covers_member(scope: Scope, member: int, force: str) -> bool:
    """Does the scope hold the member with this id, of this force?"""
    match scope.level:
        case Level.MEMBER:
            return scope.member == member
        case Level.FORCE:
            return scope.code == force
        case Level.REGION:
            return force in forces() and forces()[force].region == scope.code
        case Level.NATIONAL:
            return True


def scope_covers(outer: Scope, inner: Scope) -> bool:
    """Is everything that the inner scope shows also in the outer one?"""
    if outer == inner:
        return True
    if Level.MEMBER in (outer.level, inner.level):
        return False
    if outer.level is Level.NATIONAL:
        return True
    return outer.level is Level.REGION and inner.level is Level.FORCE and forces()[inner.code].region == outer.code


def may_see_member(user: Person, member: Member) -> bool:
    """May this person see this member's data?"""
    if not isinstance(user, User) or not user.is_active:
        return False
    return scope_covers_member(scope_of(user), member.pk, member.force)


def may_decide_sign_up(user: Person, member: Member) -> bool:
    """May this person approve or decline this member? Only Cyber Protect officers, inside their scope."""
    return (
        isinstance(user, User) and user.is_police and user.role == Role.PROTECT_OFFICER and may_see_member(user, member)
    )


def may_act_for(user: Person, member: Member | None) -> bool:
    """May this person stop collectors, end the membership and close findings of this member?

    Cyber Protect officers and operators, inside their scope. None stands for what concerns the whole network: findings
    of no single member, for the national ones.
    """
    if not isinstance(user, User) or not user.is_active or user.role not in _ACTING_ROLES:
        return False
    return may_see_member(user, member) if member is not None else scope_of(user) == Scope.national()


def may_acknowledge(user: Person, member: Member) -> bool:
    """May this person say for the member that it has seen a finding? The member's owner."""
    return isinstance(user, User) and user.role == Role.OWNER and may_see_member(user, member)


def may_read_device_names(user: Person, member: Member) -> bool:
    """May this person read the names that a member gave its devices? Its own people, and its own force's.

    The force controls its members' log data and talks with them about "the gate's firewall". Region and nation look at many
    members: to them a device is its reference, and what a member typed is none of their business.
    """
    if not may_see_member(user, member):
        return False
    return scope_of(user).level in (Level.MEMBER, Level.FORCE)


def may_operate(user: Person) -> bool:
    """May this person see how the centre itself is? Only the centre's operators."""
    return may_read_audit(user)


def may_read_audit(user: Person) -> bool:
    """May this person read the record of privileged acts? Only the centre's operators."""
    return (
        isinstance(user, User)
        and user.is_active
        and user.is_police
        and user.role == Role.OPERATOR
        and user.scope_level == Level.NATIONAL
    )


def address_known(email: str) -> bool:
    """Is there a person, or a confirmed or waiting address, like this one already?"""
    normal = normal_address(email)
    return User.objects.filter(email=normal).exists() or EmailAddress.objects.filter(email__iexact=normal).exists()


def normal_address(email: str) -> str:
    return email.strip().lower()


@transaction.atomic
def create_police_user(email: str, name: str, password: str, scope: Scope, role: Role) -> User:
    """Make a police person with a confirmed address, from the machine's console; the audit says with which rights.

    Raises ValueError for a member's role or scope, AddressTakenError when the address is in use.
    """
    if role not in POLICE_ROLES or scope.level is Level.MEMBER:
        raise ValueError("police people need a police role and a force, region or national scope")
    user = User(email=normal_address(email), name=name, role=role, scope_level=str(scope.level), scope_code=scope.code)
    made = _save(user, password, confirmed=True)
    audit.record(None, Action.POLICE_ADDED, f"person:{made.pk}", f"{role.label}, {scope.name}")
    return made


def create_member_user(
    email: str, name: str, password: str, member: Member, role: Role = Role.OWNER, *, confirmed: bool = True
) -> User:
    """Make a member's person. An unconfirmed one cannot sign in until the address is confirmed by mail.

    Raises ValueError for a police role, AddressTakenError when the address is in use.
    """
    if role not in MEMBER_ROLES:
        raise ValueError("a member's people are owners or technicians")
    user = User(email=normal_address(email), name=name, role=role, member=member)
    return _save(user, password, confirmed=confirmed)


@transaction.atomic
def _save(user: User, password: str, *, confirmed: bool) -> User:
    if address_known(user.email):
        raise AddressTakenError("This email address is in use.", next_step="Sign in, or use another address.")
    user.set_password(password)
    user.save()
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=confirmed)
    return user
