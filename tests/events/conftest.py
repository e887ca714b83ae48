"""The event store of these tests: one for each module and each way to the engine, in this process and over HTTP; and one that
starts each test empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cyberalarm.central.events.store import EventStore
from tests.events.event_rows import emptied
from tests.servers.running import ClickHouseHttp

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", params=["chdb", "http"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    folder = tmp_path_factory.mktemp("events") / "store"
    if request.param == "chdb":
        kept = EventStore.open(folder)
        yield kept
        kept.close()
        return
    with ClickHouseHttp(folder) as server:
        kept = EventStore.open(server.address())
        yield kept
        kept.close()


@pytest.fixture
def empty(store: EventStore) -> EventStore:
    """The module's store without any rows."""
    return emptied(store)
