"""How long events and rollups are kept: the engine drops whole months by the time at which things happened.

Invariants:
- a month goes when its last row is older than configured (`ttl_only_drop_parts`): nothing goes sooner, most up to a month later
- tables that are as configured are left alone; a change is logged with what it means, and reaches stored months in the background
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from .queries import TABLES

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

log = structlog.get_logger(__name__)

_TTL = "select engine_full from system.tables where database = currentDatabase() and name = {table:String}"


@dataclass(frozen=True, slots=True)
class Retention:
    """Months for which each class of data is kept. Raises ValueError on less than one."""

    events: int = 13
    rollups: int = 60

    def __post_init__(self) -> None:
        if min(self.events, self.rollups) < 1:
            raise ValueError("nothing is kept for less than a month")
        if self.rollups < self.events:
            raise ValueError("rollups are kept at least as long as events")


def keep(client: Client, retention: Retention, of_cluster: str = "") -> list[str]:
    """Make the tables keep their rows for so long; gives the tables that were changed."""
    changed = []
    for table in TABLES:
        column, months = ("time", retention.events) if table == "events" else ("day", retention.rollups)
        wanted = f"TTL {column} + toIntervalMonth({months})"
        engine = str(
            client.query(_TTL, parameters={"table": f"{table}_local" if of_cluster else table}).result_rows[0][0]
        )
        if f"{wanted} " in f"{engine} ":
            continue
        # Months are only marked with when they end; to take single rows out of them would rewrite them, and come sooner.
        client.command(
            f"alter table {table} modify setting ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1"
        )
        client.command(f"alter table {table} modify {wanted}", settings={"mutations_sync": 0})
        log.info("event_store.retention", table=table, months=months, before=_months(engine))
        changed.append(table)
    return changed


def _months(engine: str) -> int | None:
    """What a table's engine says of its retention; None: nothing."""
    _, found, rest = engine.partition("toIntervalMonth(")
    return int(rest.split(")", 1)[0]) if found else None
