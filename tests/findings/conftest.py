"""A centre's database and event store, both real, in temporary folders; every test's rows are taken back."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import django
import pytest
from django.conf import settings

if not settings.configured and "CYBERALARM_CENTRAL_CONFIG" not in os.environ:
    _FOLDER = Path(tempfile.mkdtemp(prefix="cyberalarm-findings-tests-"))
    (_FOLDER / "central.toml").write_text('data = "data"\n')
    os.environ["CYBERALARM_CENTRAL_CONFIG"] = str(_FOLDER / "central.toml")
    atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cyberalarm.central.settings")
django.setup()

from django.core.management import call_command  # noqa: E402

from cyberalarm.central.events.store import EventStore  # noqa: E402
from cyberalarm.central.findings.models import DetectionRun, Finding  # noqa: E402
from cyberalarm.central.members.models import Member  # noqa: E402

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
