"""Events that were stored before there were rollups are filled in, once, however often the filling is interrupted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cyberalarm.central.events import filling
from cyberalarm.central.events import store as stores
from cyberalarm.central.events.store import EventStore
from tests.events.event_rows import START, Given, table, totals

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("break_after", [0, 1, 2, 3])
def test_events_stored_before_there_were_rollups_are_filled_in_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_after: int
) -> None:
    with monkeypatch.context() as before:
        old = [m for m in stores._migrations() if m[0] < "0003"]
        before.setattr(stores, "_migrations", lambda: old)
        store = EventStore.open(tmp_path / "store")
        when = [START + timedelta(days=40 * at) for at in range(3)]
        store.insert(table([Given(member, {"time": t, "count": 2, "dst_port": 22}) for member in (1, 3) for t in when]))
        store.close()
    monkeypatch.setattr(filling, "_ROWS_AT_ONCE", 1)
    done = 0

    def breaking(client: object, condition: str) -> None:
        nonlocal done
        real(client, condition)  # type: ignore[arg-type]
        done += 1
        if done == break_after:
            raise KeyboardInterrupt

    real = filling.fill_where
    monkeypatch.setattr(filling, "fill_where", breaking)
    if break_after:
        with pytest.raises(KeyboardInterrupt):
            EventStore.open(tmp_path / "store")
    for _ in range(2):
        store = EventStore.open(tmp_path / "store")
        assert totals(store) == [12] * 4
        store.close()
