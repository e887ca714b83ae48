"""Months go when all of them are older than configured, and not sooner."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from cyberalarm.central.events.retention import Retention
from tests.events.event_rows import Given, table, totals

if TYPE_CHECKING:
    from cyberalarm.central.events.store import EventStore


def merged(store: EventStore) -> None:
    with store._client() as client:
        for name in ("events", "source_days", "total_days", "source_index", "detection_days"):
            client.command(f"alter table {name} materialize ttl", settings={"mutations_sync": 2})
            client.command(f"optimize table {name} final")


def test_old_months_go_from_events_and_much_older_ones_from_rollups(empty: EventStore) -> None:
    now = datetime.now(UTC)
    ages = (1, 370, 500, 1700, 2000)  # days; 13 months are at most 397, 60 are at most 1827
    empty.insert(table([Given(1, {"time": now - timedelta(days=days)}) for days in ages]))
    assert empty.keep(Retention()) == ["events", "source_days", "total_days", "source_index", "detection_days"]
    merged(empty)
    assert totals(empty) == [2, 4, 4, 4]
    assert empty.keep(Retention()) == []
    assert empty.keep(Retention(14, 60)) == ["events"]
    assert empty.keep(Retention(13, 60)) == ["events"]


def test_a_month_that_ends_within_the_time_is_kept_whole(empty: EventStore) -> None:
    """The engine drops parts, never rows: what is a day too old stays with its month."""
    empty.keep(Retention(1, 1))
    last = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=2)
    first = last.replace(day=1)
    empty.insert(table([Given(1, {"time": moment}) for moment in (first, last)]))
    with empty._client() as client:
        for name in ("events", "source_days"):
            client.command(f"alter table {name} materialize ttl", settings={"mutations_sync": 2})
    assert totals(empty) == [2] * 4
    empty.keep(Retention())


@pytest.mark.parametrize(("events", "rollups"), [(0, 60), (13, 0), (13, 12)])
def test_what_makes_no_sense_is_refused(events: int, rollups: int) -> None:
    with pytest.raises(ValueError, match="kept"):
        Retention(events, rollups)
