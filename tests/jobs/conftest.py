"""A centre's database and event store, both real, in temporary folders; every test's rows are taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from cyberalarm.central.events.store import EventStore
from cyberalarm.central.findings.models import DetectionRun, Finding
from cyberalarm.central.members.models import Member

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def database() -> None:
    call_command("migrate", verbosity=0)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    store = EventStore.open(tmp_path_factory.mktemp("events") / "store")
    yield store
    store.close()


@pytest.fixture
def store(opened: EventStore) -> EventStore:
    """The module's event store without any rows."""
    with opened._client() as client:
        client.command("truncate table events")
    return opened


@pytest.fixture
def members(database: None) -> Iterator[list[Member]]:
    """Four approved members; the numbers that events carry are theirs."""
    Finding.objects.all().delete()
    DetectionRun.objects.all().delete()
    forces = ("kent", "kent", "cleveland", "cheshire")
    made = [
        Member.objects.create(name=f"Member {at}", kind=Member.Kind.SCHOOL, force=force, status=Member.Status.APPROVED)
        for at, force in enumerate(forces)
    ]
    yield made
    Finding.objects.all().delete()
    Member.objects.filter(pk__in=[m.pk for m in made]).delete()
