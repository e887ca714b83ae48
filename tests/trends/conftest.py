"""A real event store for the trends' tests, one for the module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cyberalarm.central.events.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator


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
