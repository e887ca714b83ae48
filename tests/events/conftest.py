"""The event store of these tests: one for each module, and one that starts each test empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.events.event_rows import emptied

if TYPE_CHECKING:
    from cyberalarm.central.events.store import EventStore


@pytest.fixture(scope="module")
def store(opened: EventStore) -> EventStore:
    return opened


@pytest.fixture
def empty(store: EventStore) -> EventStore:
    """The module's store without any rows."""
    return emptied(store)
