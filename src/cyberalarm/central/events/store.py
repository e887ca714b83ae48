"""The event store of the running centre, kept by chDB (the ClickHouse engine in this process) or by ClickHouse servers: `engine`.

Invariants:
- `insert` returns only when the rows are on disk (the table's own fsync settings): all of them or, after an
  error, possibly some: the same rows under the same token complete them (`inserting` says how)
- every read names a scope; the text of every read is a checked file (`queries`), its values travel beside it
- safe to call from any thread: each call leases a client of its own

What it does not do: decide what is valid (ingest does), recognise envelopes that came twice, or keep anything but events.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING

import structlog

from . import cluster, filling, queries
from .arrow import check_stored
from .engine import ChdbFolder, connect
from .errors import EventStoreError, QueryParameterError, StoreNotRunningError
from .inserting import blocks_of, settings_for
from .rows import Row, plain

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

    from cyberalarm.core.places import Scope

    from .engine import ClickHouseServers, Engine

log = structlog.get_logger(__name__)

Parameter = int | float | str | datetime | list[int] | list[str]

# No page or job may hold the engine longer than this.
_LONGEST_QUERY_SECONDS = 120
# The SQL here asks nothing about members: it tells one bundle by its sender and number, and counts parts.
_DELETE_BUNDLE = (
    "alter table events delete where collector = {collector:UInt32} and sequence = {sequence:UInt64}"
    " settings mutations_sync = 1"
)
JOURNAL = (
    "create table if not exists migrations (name String, applied DateTime64(3, 'UTC'))"
    " engine = MergeTree order by name settings fsync_after_insert = 1, fsync_part_directory = 1"
)
_COUNT_BUNDLE = "select count() from events where collector = {collector:UInt32} and sequence = {sequence:UInt64}"


class EventStore:
    """The store's one door. Make it with `open`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, where: Path | ClickHouseServers, *, bare: bool = False) -> EventStore:
        """Open the store in a folder, or on servers; make it if there is none, and bring its tables up to date.

        `bare` leaves tables alone. Of several processes on servers only one may bring tables up to date at a time. Raises
        StoreHeldError when another process, or this one, has the folder open already, StoreAwayError when no server answers.
        """
        store = cls(connect(where))
        try:
            if not bare:
                store._migrate()
        except BaseException:
            store.close()
            raise
        return store

    @property
    def directory(self) -> Path:
        """The folder of a store that has one. Raises EventStoreError where servers keep it."""
        if not isinstance(self._engine, ChdbFolder):
            raise EventStoreError(
                "The events lie on ClickHouse servers, not in a folder.",
                next_step="Back them up and restore them as servers are (docs/servers.md).",
                code="event-store-on-servers",
            )
        return self._engine.folder

    def insert(self, table: pa.Table, token: str | None = None) -> None:
        """Store rows that have `arrow.stored_schema()`; they are on disk when this returns.

        The same rows under the same token again add what the first attempt left out, and nothing twice: neither here nor in any
        rollup. Raises EventTableError before anything is stored, EventStoreError when storing failed on the way.
        """
        check_stored(table)
        settings = settings_for(token)
        if not table.num_rows:
            return
        blocks = blocks_of(table)
        # The settings hold a token, so that a second attempt adds only what the first left out.
        self._engine.run(lambda client: client.insert_arrow("events", blocks, settings=settings), twice=True)

    def delete_bundle(self, collector: int, sequence: int) -> None:
        """Remove every row of one bundle. For recovery only: it rewrites the parts that it touches."""
        bundle = {"collector": collector, "sequence": sequence}
        statement = cluster.mutation(_DELETE_BUNDLE, self._engine.cluster)
        self._engine.run(lambda client: client.command(statement, parameters=bundle), twice=True)

    def bundle_rows(self, collector: int, sequence: int) -> int:
        """How many rows of one bundle are stored."""
        bundle = {"collector": collector, "sequence": sequence}
        answer = self._engine.run(lambda client: client.query(_COUNT_BUNDLE, parameters=bundle), twice=True)
        return int(answer.result_rows[0][0])

    def query(self, name: str, scope: Scope, **parameters: Parameter) -> list[Row]:
        """Run the query file of this name within a scope: over whole days of UK time, its form for the rollups, if it has one.

        Raises QueryFileError when there is none, QueryParameterError when the parameters are not its own.
        """
        return self.run(queries.fitting(name, parameters), scope, **parameters)

    def run(self, query: queries.Query, scope: Scope, **parameters: Parameter) -> list[Row]:
        """Run a checked query (see `queries.parse`) within a scope."""
        if set(parameters) != set(query.parameters):
            raise QueryParameterError(
                f"The query {query.name} takes {sorted(query.parameters)} and was given {sorted(parameters)}."
            )
        sql, scoped = queries.bind(query, scope)
        bound: dict[str, object] = {name: _bound(value) for name, value in parameters.items()}
        bounds = {"max_execution_time": _LONGEST_QUERY_SECONDS}
        answer = self._engine.run(
            lambda client: client.query(sql, parameters={**bound, **scoped}, settings=bounds), twice=True
        )
        at = {column: index for index, column in enumerate(answer.column_names)}
        return [Row(at, tuple(plain(value) for value in row)) for row in answer.result_rows]

    def size(self) -> tuple[int, int]:
        """Rows stored and bytes they take on disk, over all members; for operators and benchmarks."""
        statement = cluster.parts("events", self._engine.cluster)
        answer = self._engine.run(lambda client: client.query(statement), twice=True)
        rows, size = answer.result_rows[0]
        return int(rows), int(size)

    def close(self) -> None:
        """Wait for running calls, and let go of the engine. Twice does no harm."""
        self._engine.close()

    def _client(self) -> AbstractContextManager[Client]:
        """A client for one call of one thread."""
        return self._engine.lease()

    def _migrate(self) -> None:
        """Apply the migrations that this store has not had yet, in the order of their numbers."""
        with self._client() as client:
            for statement in cluster.statements(JOURNAL, self._engine.cluster):
                client.command(statement)
            done = {row[0] for row in client.query("select name from migrations").result_rows}
            for name, statements in migrations():
                if name in done:
                    continue
                for one in statements:
                    for statement in cluster.statements(one, self._engine.cluster):
                        client.command(statement)
                filling.fill(client, name)
                client.insert("migrations", [[name, datetime.now(UTC)]], column_names=["name", "applied"])
                log.info("event_store.migrated", migration=name)


def migrations() -> list[tuple[str, list[str]]]:
    """Every migration's name and statements; each statement must bear running twice, as after a crash."""
    folder = files(__package__).joinpath("migrations")
    found = sorted((p.name, p) for p in folder.iterdir() if re.fullmatch(r"\d{4}_\w+\.sql", p.name))
    return [
        (name.removesuffix(".sql"), [s for s in path.read_text("utf-8").split(";\n") if s.strip()])
        for name, path in found
    ]


def _bound(value: Parameter) -> object:
    """A parameter as the driver shall send it: times with their milliseconds, in UTC."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise QueryParameterError("A time given to a query has no time zone.")
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return value


_current: EventStore | None = None


def use(store: EventStore | None) -> None:
    """Make a store the one that views and jobs of this process share; None ends that."""
    global _current  # noqa: PLW0603 - one process holds one store; this is that one
    _current = store


def current() -> EventStore:
    """The store of the running centre. Raises StoreNotRunningError outside of it."""
    if _current is None:
        raise StoreNotRunningError(
            "No event store is open in this process.", next_step="Start the centre, or open the store first."
        )
    return _current
