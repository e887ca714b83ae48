"""Fills the rollups from events that were stored before there were rollups, and anew for members whose rollups are in doubt.

Invariants:
- what a rollup holds of a row is said once, by the view that fills it: filling runs the view's own `select`
- a month is emptied in the rollups before it is filled, and noted when it is full: a fill that was interrupted goes on with that
  month, and counts nothing twice
- memory is bounded: a month is filled by members, some millions of events at once

Nobody may insert meanwhile: the store does this before it is open to anybody.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from .inserting import settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

log = structlog.get_logger(__name__)

# The rollups that a migration brings, and of these, those whose views read events; the others are filled by what these get.
_BROUGHT = {"0003_rollups": ("source_days", "total_days", "source_index", "detection_days")}
_FROM_EVENTS = ("source_days", "detection_days")
_ROWS_AT_ONCE = 4_000_000
# A day of UK time may lie in the month before or after its moments' month of UTC; and rollups are parted by UK time's.
_MONTH = "toYYYYMM(toDate32(time, 'Europe/London'))"
_MONTHS = "select toYYYYMM(toDate32(time, 'Europe/London')) as month, count() from events group by month order by month"
_MEMBERS = (
    "select member, count() from events where toYYYYMM(toDate32(time, 'Europe/London')) = {month:UInt32}"
    " group by member order by member"
)


def fill(client: Client, migration: str) -> None:
    """Fill the rollups that a migration brought, if it brought any, month by month."""
    rollups = _BROUGHT.get(migration, ())
    if not rollups:
        return
    counted = client.query(_MONTHS).result_rows
    done = {row[0] for row in client.query("select name from migrations").result_rows}
    for at, (month, rows) in enumerate(counted, 1):
        name = f"{migration}/{month}"
        if name in done:
            continue
        for table in rollups:
            client.command(f"alter table {table} drop partition {int(month)}")
        for condition in _pieces(client, int(month)):
            fill_where(client, condition)
        client.insert("migrations", [[name, datetime.now(UTC)]], column_names=["name", "applied"])
        log.info("event_store.filled", month=month, rows=rows, of=f"{at} of {len(counted)} months")


def fill_where(client: Client, condition: str) -> None:
    """Add the events that a condition holds for to the rollups. The condition is ours: numbers and columns only."""
    for table in _FROM_EVENTS:
        select = client.query(
            "select as_select from system.tables where database = currentDatabase() and name = {view:String}",
            parameters={"view": f"{table}_view"},
        ).result_rows[0][0]
        filters = {"additional_table_filters": "{'events': '" + condition.replace("'", "\\'") + "'}"}
        client.command(f"insert into {table} {select}", settings={**settings_for(None), **filters})


def _pieces(client: Client, month: int) -> Iterator[str]:
    """Conditions that part a month's events by members, with no more than so many events in each that has several."""
    members = client.query(_MEMBERS, parameters={"month": month}).result_rows
    first, held = 0, 0
    for member, rows in members:
        if held and held + rows > _ROWS_AT_ONCE:
            yield f"{_MONTH} = {month} and member >= {first} and member < {member}"
            first, held = int(member), 0
        held += rows
    yield f"{_MONTH} = {month} and member >= {first}"
