"""A real event store (chDB) in a temporary folder, one for each module of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cyberalarm.central.events.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    opened = EventStore.open(tmp_path_factory.mktemp("events") / "store")
    yield opened
    opened.close()


@pytest.fixture
def empty(store: EventStore) -> EventStore:
    """The module's store without any rows."""
    with store._client() as client:
        client.command("truncate table events")
    return store
