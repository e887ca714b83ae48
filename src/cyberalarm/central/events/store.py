"""The event store of the running centre, kept by chDB (the ClickHouse engine in this process).

Invariants:
- one process holds the store's folder, and one `EventStore` in it: a lock file says which; any death frees it
- `insert` returns only when the rows are on disk (the table's own fsync settings): all of them or, after an
  error, possibly some: the same rows under the same token complete them (`inserting` says how)
- every read names a scope; the text of every read is a checked file (`queries`), its values travel beside it
- safe to call from any thread: each call leases a client of its own

What it does not do: decide what is valid (ingest does), recognise envelopes that came twice, or keep anything but events.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING

import clickhouse_connect
import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError

from . import filling, queries
from . import retention as retention_of_tables
from .arrow import check_stored
from .errors import EventStoreError, QueryParameterError, StoreHeldError, StoreNotRunningError
from .inserting import blocks_of, settings_for
from .rows import Row, plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

    from cyberalarm.core.places import Scope

    from .retention import Retention

log = structlog.get_logger(__name__)

Parameter = int | float | str | datetime | list[int] | list[str]

# No page or job may hold the engine longer than this.
_LONGEST_QUERY_SECONDS = 120
# The SQL here asks nothing about members: it tells one bundle by its sender and number, and counts parts.
_DELETE_BUNDLE = (
    "alter table events delete where collector = {collector:UInt32} and sequence = {sequence:UInt64}"
    " settings mutations_sync = 1"
)
_COUNT_BUNDLE = "select count() from events where collector = {collector:UInt32} and sequence = {sequence:UInt64}"
_LOCK = "cyberalarm.lock"


class EventStore:
    """The store's one door. Make it with `open`."""

    def __init__(self, directory: Path, lock: int) -> None:
        self._directory = directory
        self._lock = lock
        self._idle: list[Client] = []
        self._leased: set[Client] = set()
        self._guard = threading.Condition()
        self._closed = False

    @classmethod
    def open(cls, directory: Path) -> EventStore:
        """Open the store in a folder, make it if there is none, and bring its tables up to date.

        Raises StoreHeldError when another process, or this one, has it open already.
        """
        directory = directory.resolve()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = cls(directory, _take_lock(directory))
        try:
            store._migrate()
        except BaseException:
            store.close()
            raise
        return store

    @property
    def directory(self) -> Path:
        return self._directory

    def insert(self, table: pa.Table, token: str | None = None) -> None:
        """Store rows that have `arrow.stored_schema()`; they are on disk when this returns.

        The same rows under the same token again add what the first attempt left out, and nothing twice: neither here nor in any
        rollup. Raises EventTableError before anything is stored, EventStoreError when storing failed on the way.
        """
        check_stored(table)
        settings = settings_for(token)
        if not table.num_rows:
            return
        with self._client() as client:
            client.insert_arrow("events", blocks_of(table), settings=settings)

    def keep(self, retention: Retention) -> list[str]:
        """Keep events and rollups for so long from now on; gives the tables for which that is a change."""
        with self._client() as client:
            return retention_of_tables.keep(client, retention)

    def delete_bundle(self, collector: int, sequence: int) -> None:
        """Remove every row of one bundle. For recovery only: it rewrites the parts that it touches."""
        with self._client() as client:
            client.command(
                _DELETE_BUNDLE,
                parameters={"collector": collector, "sequence": sequence},
            )

    def bundle_rows(self, collector: int, sequence: int) -> int:
        """How many rows of one bundle are stored."""
        with self._client() as client:
            answer = client.query(
                _COUNT_BUNDLE,
                parameters={"collector": collector, "sequence": sequence},
            )
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
        with self._client() as client:
            answer = client.query(
                sql, parameters={**bound, **scoped}, settings={"max_execution_time": _LONGEST_QUERY_SECONDS}
            )
        at = {column: index for index, column in enumerate(answer.column_names)}
        return [Row(at, tuple(plain(value) for value in row)) for row in answer.result_rows]

    def size(self) -> tuple[int, int]:
        """Rows stored and bytes they take on disk, over all members; for operators and benchmarks."""
        with self._client() as client:
            answer = client.query(
                "select sum(rows), sum(bytes_on_disk) from system.parts"
                " where database = currentDatabase() and table = 'events' and active"
            )
        rows, size = answer.result_rows[0]
        return int(rows), int(size)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Rows and bytes on disk of each table of events and rollups, over all members; for operators and benchmarks."""
        with self._client() as client:
            answer = client.query(
                "select table, sum(rows), sum(bytes_on_disk) from system.parts"
                " where database = currentDatabase() and active group by table"
            )
        found = {str(table): (int(rows), int(size)) for table, rows, size in answer.result_rows}
        return {table: found.get(table, (0, 0)) for table in queries.TABLES}

    def close(self) -> None:
        """Wait for running calls, close every client and let go of the folder. Twice does no harm."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            while self._leased:
                self._guard.wait()
            for client in self._idle:
                client.close()
            self._idle.clear()
        os.close(self._lock)

    @contextmanager
    def _client(self) -> Iterator[Client]:
        """A client for one call of one thread: an idle one, else a new one."""
        with self._guard:
            if self._closed:
                raise StoreNotRunningError("The event store is closed.")
            client = self._idle.pop() if self._idle else self._connect()
            self._leased.add(client)
        try:
            yield client
        except ClickHouseError as error:
            raise EventStoreError(
                f"The event store failed: {_short(error)}", next_step="See the centre's log."
            ) from error
        finally:
            with self._guard:
                self._leased.discard(client)
                self._idle.append(client)
                self._guard.notify_all()

    def _connect(self) -> Client:
        try:
            return clickhouse_connect.get_client(dsn=f"chdb://{self._directory}", tz_mode="aware")
        except ClickHouseError as error:
            raise StoreHeldError(
                f"The event store in {self._directory} cannot be opened: {_short(error)}",
                next_step="One process may hold one event store; stop the other one.",
            ) from error

    def _migrate(self) -> None:
        """Apply the migrations that this store has not had yet, in the order of their numbers."""
        with self._client() as client:
            client.command(
                "create table if not exists migrations (name String, applied DateTime64(3, 'UTC'))"
                " engine = MergeTree order by name settings fsync_after_insert = 1, fsync_part_directory = 1"
            )
            done = {row[0] for row in client.query("select name from migrations").result_rows}
            for name, statements in _migrations():
                if name in done:
                    continue
                for statement in statements:
                    client.command(statement)
                filling.fill(client, name)
                client.insert("migrations", [[name, datetime.now(UTC)]], column_names=["name", "applied"])
                log.info("event_store.migrated", migration=name)


def _migrations() -> list[tuple[str, list[str]]]:
    """Every migration's name and statements; each statement must bear running twice, as after a crash."""
    folder = files(__package__).joinpath("migrations")
    found = sorted((p.name, p) for p in folder.iterdir() if re.fullmatch(r"\d{4}_\w+\.sql", p.name))
    return [
        (name.removesuffix(".sql"), [s for s in path.read_text("utf-8").split(";\n") if s.strip()])
        for name, path in found
    ]


def _take_lock(directory: Path) -> int:
    handle = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
        os.close(handle)
        raise StoreHeldError(
            f"The event store in {directory} is held by process {holder or '(unknown)'}.",
            next_step="Talk to the running centre instead, or stop it first.",
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode("ascii"), 0)
    return handle


def _bound(value: Parameter) -> object:
    """A parameter as the driver shall send it: times with their milliseconds, in UTC."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise QueryParameterError("A time given to a query has no time zone.")
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return value


def _short(error: ClickHouseError) -> str:
    return str(error).split("\n", 1)[0][:300]


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
