"""One Django for all tests of this process, with its own configuration and a data folder that goes when the tests end; its
relational database is SQLite, or a PostgreSQL server of this process's own where `CYBERALARM_TEST_POSTGRESQL` is set.

Tests that need a centre with other settings start one as a process of its own.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import django
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyberalarm.central.events.store import EventStore
    from cyberalarm.central.members.models import Member

_FOLDER = Path(tempfile.mkdtemp(prefix="cyberalarm-tests-"))
_DATABASE = ""
if os.environ.get("CYBERALARM_TEST_POSTGRESQL"):
    from tests.servers.postgres import PostgreSQL

    _DATABASE = f'[database]\nurl = "{PostgreSQL().url}"\n'
(_FOLDER / "central.toml").write_text(f'data = "data"\n{_DATABASE}')
os.environ["CYBERALARM_CENTRAL_CONFIG"] = str(_FOLDER / "central.toml")
os.environ["DJANGO_SETTINGS_MODULE"] = "cyberalarm.central.settings"
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
django.setup()


@pytest.fixture(scope="session")
def migrated() -> None:
    """The relational database with this version's schema."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    """A real event store (chDB) in a temporary folder, one for each module of tests."""
    from cyberalarm.central.events.store import EventStore

    store = EventStore.open(tmp_path_factory.mktemp("events") / "store")
    yield store
    store.close()


@pytest.fixture
def store(opened: EventStore) -> EventStore:
    """The module's event store without any rows."""
    from tests.events.event_rows import emptied

    return emptied(opened)


@pytest.fixture
def members(migrated: None) -> Iterator[list[Member]]:
    """Four approved members; the numbers that events carry are theirs."""
    from cyberalarm.central.findings.models import DetectionRun, Finding
    from cyberalarm.central.members.models import Member

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
