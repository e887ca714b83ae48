"""The web site in this process: the real URL map, SQLite and chDB; every test's rows are rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from cyberalarm.central.accounts.models import Role, User
from cyberalarm.central.accounts.services import create_member_user, create_police_user
from cyberalarm.central.events import store as event_store
from cyberalarm.central.members.models import Member, Site
from cyberalarm.core.places import Scope
from tests.web.browsing import PASSWORD, Visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyberalarm.central.events.store import EventStore


@pytest.fixture
def database(migrated: None) -> Iterator[None]:
    """A transaction around the test that is always rolled back."""
    cache.clear()
    mail.outbox = []
    with (
        override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend"),
        transaction.atomic(),
    ):
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def store(opened: EventStore) -> EventStore:
    return opened


@pytest.fixture
def events(store: EventStore) -> Iterator[EventStore]:
    """The store that pages of this test read."""
    event_store.use(store)
    yield store
    event_store.use(None)


@pytest.fixture
def visitor(database: None) -> Visitor:
    return Visitor()


@pytest.fixture
def make_member(database: None) -> Callable[..., Member]:
    def make(
        name: str = "Hill Street School", force: str = "essex", status: Member.Status = Member.Status.APPROVED
    ) -> Member:
        approved = timezone.now() if status == Member.Status.APPROVED else None
        return Member.objects.create(name=name, kind=Member.Kind.SCHOOL, force=force, status=status, approved=approved)

    return make


@pytest.fixture
def member(make_member: Callable[..., Member]) -> Member:
    return make_member()


@pytest.fixture
def site(member: Member) -> Site:
    return Site.objects.create(member=member, name="Main building")


@pytest.fixture
def owner(member: Member) -> User:
    return create_member_user("owner@school.example", "Olive Owner", PASSWORD, member)


@pytest.fixture
def officer(database: None) -> User:
    """The Cyber Protect officer of the member's own force."""
    return create_police_user(
        "officer@essex.example", "Pat Officer", PASSWORD, Scope.of_force("essex"), Role.PROTECT_OFFICER
    )
