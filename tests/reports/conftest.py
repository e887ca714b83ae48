"""A real centre's reports in this process: SQLite and chDB, every test's relational rows rolled back.

The event store is shared by the tests of a module, so each test has members and a week of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator  # noqa: TC003
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import transaction

from cyberalarm.central.members.models import Collector, Member, Site
from cyberalarm.central.reports.period import Period

if TYPE_CHECKING:
    from cyberalarm.central.events.store import EventStore

# Far from the numbers that other tests' members get.
_NUMBERS = itertools.count(700_000)
_WEEKS = itertools.count()


@pytest.fixture
def database(migrated: None) -> Iterator[None]:
    """A transaction around the test that is always rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def store(opened: EventStore) -> EventStore:
    return opened


@pytest.fixture
def period() -> Period:
    """A week that no other test of this process uses; weeks lie six apart, beyond any history."""
    return Period.ending(date(2010, 1, 10) + timedelta(weeks=6 * next(_WEEKS)))


@pytest.fixture
def make_collector(database: None) -> Callable[..., Collector]:
    """A collector of a new member, or of the member given."""

    def make(name: str = "Hawthorn Vale Schools Trust", force: str = "kent", member: Member | None = None) -> Collector:
        owner = member or Member.objects.create(
            pk=next(_NUMBERS), name=name, kind=Member.Kind.SCHOOL, force=force, status=Member.Status.APPROVED
        )
        site, _ = Site.objects.get_or_create(member=owner, name="Main site")
        return Collector.objects.create(
            pk=next(_NUMBERS), site=site, name="Server room", status=Collector.Status.ENROLLED
        )

    return make
