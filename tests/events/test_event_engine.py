"""The way to a server: what is sent twice and what never, when servers die, return, dawdle or refuse."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cyberalarm.central.events.arrow import Origin, table_of, with_origin
from cyberalarm.central.events.engine import ClickHouseServers
from cyberalarm.central.events.errors import EventStoreError, StoreAwayError
from cyberalarm.central.events.store import EventStore
from cyberalarm.core.places import Scope
from tests.events.event_rows import START, emptied
from tests.servers.running import ClickHouseHttp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseHttp]:
    with ClickHouseHttp(tmp_path_factory.mktemp("server") / "store") as running:
        yield running


@pytest.fixture(autouse=True)
def no_fault(server: ClickHouseHttp) -> Iterator[None]:
    yield
    server.calm()


@pytest.fixture
def kept(server: ClickHouseHttp) -> Iterator[EventStore]:
    store = EventStore.open(server.address())
    yield emptied(store)
    store.close()


def rows(count: int, collector: int = 1) -> pa.Table:
    events = table_of([{"time": START, "count": 1}] * count)
    return with_origin(events, Origin(1, collector, 1, "kent", "south-east", START))


def total(store: EventStore) -> int:
    found = store.query("sums", Scope.national(), start=START, end=START + timedelta(days=1))
    return found[0].number("total")


def test_an_insert_whose_answer_is_lost_is_sent_again_and_counts_once(kept: EventStore, server: ClickHouseHttp) -> None:
    server.plan("lose", "insert")
    kept.insert(rows(50), token="t-1")
    assert server.seen("insert into") == 2, "the server had it twice"
    assert total(kept) == 50
    kept.insert(rows(50), token="t-1")
    assert total(kept) == 50


def test_a_read_is_tried_again_when_the_connection_is_cut(kept: EventStore, server: ClickHouseHttp) -> None:
    kept.insert(rows(3))
    server.plan("cut", "select", times=3)
    assert total(kept) == 3


def test_a_command_is_never_sent_twice(kept: EventStore, server: ClickHouseHttp) -> None:
    server.plan("lose", "create table", times=5)
    with pytest.raises(StoreAwayError):
        kept._engine.run(lambda client: client.command("create table once (x UInt8) engine = MergeTree order by x"))
    assert server.seen("create table once") == 1


def test_a_server_killed_and_started_again_is_found_again(kept: EventStore, server: ClickHouseHttp) -> None:
    kept.insert(rows(7))
    server.kill()
    with pytest.raises(StoreAwayError) as raised:
        total(kept)
    assert raised.value.code == "event-store-away"
    server.start()
    assert total(kept) == 7, "what was answered outlives the kill"


def test_a_short_absence_is_waited_out(server: ClickHouseHttp) -> None:
    store = EventStore.open(server.address(again_after=4.0))
    store.insert(rows(2))
    before = total(store)
    server.kill()
    threading.Thread(target=server.start).start()
    assert total(store) == before
    store.close()


@pytest.mark.parametrize(("code", "sent"), [(252, 2), (242, 2), (241, 1), (60, 1)])
def test_what_passes_is_tried_again_and_what_does_not_is_not(
    kept: EventStore, server: ClickHouseHttp, code: int, sent: int
) -> None:
    server.plan("refuse", "insert into", code=code, times=9)
    with pytest.raises(EventStoreError) as raised:
        kept.insert(rows(1))
    assert isinstance(raised.value, StoreAwayError) == (sent == 2)
    assert server.seen("insert into") == sent


def test_what_takes_too_long_is_given_up_and_not_asked_again(server: ClickHouseHttp) -> None:
    store = EventStore.open(server.address(answer_seconds=1))
    server.plan("slow", "select", seconds=3, times=1)
    began = time.monotonic()
    with pytest.raises(StoreAwayError):
        total(store)
    assert time.monotonic() - began < 2.5
    assert server.seen("select") == 1
    store.close()


def test_a_wrong_password_is_said_and_not_shown(server: ClickHouseHttp) -> None:
    address = server.address(password="not-this-one")
    assert "not-this-one" not in repr(address)
    with pytest.raises(EventStoreError) as raised:
        EventStore.open(address)
    assert not isinstance(raised.value, StoreAwayError)
    assert "AUTHENTICATION_FAILED" in str(raised.value)
    assert "not-this-one" not in str(raised.value)


def test_of_several_hosts_one_that_answers_is_enough(server: ClickHouseHttp) -> None:
    hosts = (("127.0.0.1", 1), ("127.0.0.1", server.port), ("127.0.0.1", 2))
    store = EventStore.open(ClickHouseServers(hosts, "cyberalarm", server.password, again_after=0.1))
    store.insert(rows(1))
    assert total(store) >= 1
    store.close()


WRITER = """
import sys
from cyberalarm.central.events.engine import ClickHouseServers
from cyberalarm.central.events.store import EventStore
from tests.events.test_event_engine import rows
store = EventStore.open(ClickHouseServers((("127.0.0.1", int(sys.argv[1])),), "cyberalarm", "secret"))
for at in range(5):
    store.insert(rows(10, collector=int(sys.argv[2])), token=f"{sys.argv[2]}-{at}")
store.close()
"""


def test_several_processes_share_a_server(kept: EventStore, server: ClickHouseHttp) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(server.port), str(at)]) for at in (1, 2, 3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert total(kept) == 150


def test_more_calls_than_clients_wait_their_turn(kept: EventStore) -> None:
    kept._engine._most = 2
    threads = [threading.Thread(target=kept.insert, args=(rows(4),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert total(kept) == 32
    assert len(kept._engine._idle) <= 2


def test_nothing_is_kept_of_a_store_that_could_not_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreAwayError):
        EventStore.open(ClickHouseServers((("127.0.0.1", 1),), again_after=0.05))
