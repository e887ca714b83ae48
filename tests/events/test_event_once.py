"""An insert with a token counts once, however often it is tried and wherever the first attempt ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cyberalarm.central.events import inserting
from cyberalarm.central.events.errors import EventTableError
from cyberalarm.central.events.store import EventStore
from cyberalarm.core.places import Scope
from tests.events.event_rows import START, Given, table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

ALL = {"start": START - timedelta(days=20_000), "end": START + timedelta(days=20_000)}
VIEW = (
    """create table if not exists later (member UInt32, month UInt32, lines SimpleAggregateFunction(sum, UInt64))
    engine = AggregatingMergeTree partition by month order by member settings non_replicated_deduplication_window = 10000""",
    """create materialized view if not exists later_view to later as
    select member, toYYYYMM(time) as month, sum(count) as lines from events group by member, month""",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def fresh(folder: Path) -> Iterator[EventStore]:
    store = EventStore.open(folder)
    yield store
    store.close()


def rows(months: int = 3) -> pa.Table:
    """Two members' rows, in so many months."""
    when = [START - timedelta(days=30 * at) for at in range(months)]
    return table([Given(member, {"time": time, "count": 2}) for member in (1, 3) for time in when])


def lines(store: EventStore) -> int:
    return store.query("sums", Scope.national(), **ALL)[0].number("total")


def later(store: EventStore) -> int:
    with store._client() as client:
        return int(client.query("select sum(lines) from later").result_rows[0][0])


def test_the_same_rows_under_the_same_token_are_stored_once(fresh: EventStore) -> None:
    for _ in range(3):
        fresh.insert(rows(), token="a")
    assert lines(fresh) == 12
    fresh.insert(rows(), token="b")
    assert lines(fresh) == 24


def test_without_a_token_equal_rows_are_other_rows(fresh: EventStore) -> None:
    fresh.insert(rows())
    fresh.insert(rows())
    assert lines(fresh) == 24


def test_a_token_holds_when_the_store_is_opened_again(folder: Path) -> None:
    for _ in range(3):
        store = EventStore.open(folder)
        store.insert(rows(), token="a")
        assert lines(store) == 12
        store.close()


def test_how_the_rows_were_put_together_makes_no_difference(fresh: EventStore) -> None:
    whole = rows()
    fresh.insert(whole, token="a")
    fresh.insert(whole.combine_chunks(), token="a")
    assert lines(fresh) == 12


def test_a_view_that_the_first_attempt_did_not_reach_is_filled_once(fresh: EventStore) -> None:
    fresh.insert(rows(), token="a")
    with fresh._client() as client:
        for statement in VIEW:
            client.command(statement)
    assert later(fresh) == 0
    for _ in range(2):
        fresh.insert(rows(), token="a")
        assert (lines(fresh), later(fresh)) == (12, 12)


def test_rows_of_many_blocks_count_once(fresh: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inserting, "ROWS_IN_A_BLOCK", 2)
    for _ in range(2):
        fresh.insert(rows(7), token="a")
        assert lines(fresh) == 28


def test_how_blocks_are_cut_is_left_to_no_default(fresh: EventStore) -> None:
    """Other defaults in another version, or on a server, cut nothing otherwise: each setting that does is named, and known."""
    pinned = inserting.settings_for("a")
    with fresh._client() as client:
        known = {
            row[0]
            for row in client.query(
                "select name from system.settings where name like '%insert_block_size%' and alias_for = ''"
            ).result_rows
        }
        aliases = {
            row[0]: row[1]
            for row in client.query("select name, alias_for from system.settings where alias_for != ''").result_rows
        }
    assert known <= {aliases.get(name, name) for name in pinned}


@pytest.mark.parametrize("token", ["", "a" * 201, "a\n", "é"])
def test_a_token_is_a_short_text(token: str, fresh: EventStore) -> None:
    with pytest.raises(EventTableError):
        fresh.insert(rows(), token=token)


WRITER = """
import sys
from pathlib import Path
from cyberalarm.central.events.store import EventStore
from tests.events.event_rows import START, Given, table
store = EventStore.open(Path(sys.argv[1]))
rows = table([Given(m, {"time": START, "count": 2}) for m in (1, 3) for _ in range(400)])
for at in range(int(sys.argv[2]), 1_000_000):
    print(at, flush=True)
    store.insert(rows, token=f"group-{at}")
"""


def test_a_group_in_flight_at_a_kill_is_completed_once(folder: Path) -> None:
    first = last = 0
    for after in (3, 10, 25):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(first)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        begun: list[int] = []
        for line in writer.stdout:
            if line.strip().isdigit():  # the rest is its log
                begun.append(int(line))
            if len(begun) == after:
                writer.send_signal(signal.SIGKILL)
        writer.wait()
        first = last = begun[-1]  # the one in flight is tried again, with all that follow
    store = EventStore.open(folder)
    try:
        again = table([Given(m, {"time": START, "count": 2}) for m in (1, 3) for _ in range(400)])
        for at in range(last + 1):
            store.insert(again, token=f"group-{at}")
        assert lines(store) == (last + 1) * 1600
    finally:
        store.close()
