"""The web site in this process: the real URL map, SQLite and chDB; every test's rows are rolled back."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import django
import pytest
from django.conf import settings

if not settings.configured and "CYBERALARM_CENTRAL_CONFIG" not in os.environ:
    _FOLDER = Path(tempfile.mkdtemp(prefix="cyberalarm-web-tests-"))
    (_FOLDER / "central.toml").write_text('data = "data"\n')
    os.environ["CYBERALARM_CENTRAL_CONFIG"] = str(_FOLDER / "central.toml")
    atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cyberalarm.central.settings")
django.setup()

from typing import TYPE_CHECKING  # noqa: E402

from django.core import mail  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.utils import timezone  # noqa: E402

from cyberalarm.central.accounts.models import Role, User  # noqa: E402
from cyberalarm.central.accounts.services import create_member_user, create_police_user  # noqa: E402
from cyberalarm.central.events import store as event_store  # noqa: E402
from cyberalarm.central.events.store import EventStore  # noqa: E402
from cyberalarm.central.members.models import Member, Site  # noqa: E402
from cyberalarm.core.places import Scope  # noqa: E402
from tests.web.browsing import PASSWORD, Visitor  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def migrated() -> None:
    call_command("migrate", verbosity=0)


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


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    opened = EventStore.open(tmp_path_factory.mktemp("web-events"))
    yield opened
    opened.close()


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
