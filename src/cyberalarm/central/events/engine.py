"""How the event store reaches its engine: chDB in this process, or ClickHouse servers over HTTP. The same SQL runs on both.

Invariants:
- a chDB folder belongs to one process, and to one `Engine` in it: a lock file says which; any death frees it
- a call leases a client of its own; there are `most` at once, and who finds none waits so long and no longer
- a call is tried once more when it failed in passing and doing it twice does no harm (reads; inserts with a token), or when
  it cannot have reached the server; nothing else is ever sent twice
- a client whose server failed it is not used again; the next one goes to the next host

What it does not do: know tables, queries or scopes (the store does).
"""

from __future__ import annotations

import fcntl
import itertools
import os
import threading
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import clickhouse_connect
import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
from clickhouse_connect.driver.httputil import get_pool_manager
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError
from urllib3.exceptions import TimeoutError as LateError

from .cluster import check_name
from .errors import EventStoreError, StoreAwayError, StoreHeldError, StoreNotRunningError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from cyberalarm.central.config import CentralConfig

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")

_LOCK = "cyberalarm.lock"
# A page's queries come one after another; a worker and an ingest process have a few threads each.
_MOST_CLIENTS = 32
_LONGEST_WAIT_SECONDS = 60.0
_CONNECT_SECONDS = 5
# Longer than any query may run, so that the server's own bound ends it and says so.
ANSWER_SECONDS = 150
_AGAIN_AFTER_SECONDS = 1.0
# ClickHouse's ErrorCodes.cpp: what the same statement may survive a moment later. 202 too many queries, 203, 209, 210 network,
# 225 no Keeper, 236 aborted by shutdown, 242 table read-only (Keeper lost), 252 too many parts, 279 no replica reached,
# 285 and 286 quorum, 319 insert's fate unknown, 394 cancelled by shutdown, 425 system, 999 Keeper.
_PASSING = frozenset({202, 203, 209, 210, 225, 236, 242, 252, 279, 285, 286, 319, 394, 425, 999})


@dataclass(frozen=True, slots=True)
class ClickHouseServers:
    """Where servers are, and as whom to speak with them. Of several hosts any will do: each knows all data."""

    hosts: tuple[tuple[str, int], ...]
    user: str = "default"
    password: str = field(default="", repr=False)
    database: str = "default"
    tls: bool = False
    authority: str = ""  # a PEM file; empty: the system's authorities
    cluster: str = ""  # the cluster's name in the servers' configuration; empty: one server
    answer_seconds: int = ANSWER_SECONDS
    again_after: float = _AGAIN_AFTER_SECONDS


class Engine(ABC):
    """Clients to one engine, leased to one call each."""

    cluster = ""

    def __init__(self, most: int = _MOST_CLIENTS, again_after: float = _AGAIN_AFTER_SECONDS) -> None:
        self._most = most
        self._again_after = again_after
        self._idle: list[Client] = []
        self._leased = 0
        self._guard = threading.Condition()
        self._closed = False

    @abstractmethod
    def _connect(self) -> Client:
        """A new client. Raises EventStoreError."""

    def run(self, work: Callable[[Client], Answer], *, twice: bool = False) -> Answer:
        """Do some work with a client. `twice`: doing it again does no harm.

        Raises StoreAwayError when the engine did not answer, EventStoreError for what it refused.
        """
        try:
            with self.lease() as client:
                return work(client)
        except StoreAwayError as error:
            if not (twice and error.passing) and not error.unsent:
                raise
        log.info("event_store.again")
        time.sleep(self._again_after)
        with self.lease() as client:
            return work(client)

    @contextmanager
    def lease(self) -> Iterator[Client]:
        """A client for one call of one thread. Raises as `run` does."""
        client = self._taken()
        failed = True
        try:
            yield client
            failed = False
        except ClickHouseError as error:
            told = _told(error)
            failed = isinstance(told, StoreAwayError)
            raise told from error
        finally:
            if failed:
                with suppress(Exception):
                    client.close()
                self._left()
            with self._guard:
                self._leased -= 1
                if not failed:
                    self._idle.append(client)
                self._guard.notify_all()

    def _taken(self) -> Client:
        with self._guard:
            if not self._guard.wait_for(lambda: self._closed or self._leased < self._most, _LONGEST_WAIT_SECONDS):
                raise StoreAwayError("The event store is busy.", next_step="Try again in a moment.", passing=False)
            if self._closed:
                raise StoreNotRunningError("The event store is closed.")
            self._leased += 1
            if self._idle:
                return self._idle.pop()
        try:
            return self._connect()
        except BaseException:
            with self._guard:
                self._leased -= 1
                self._guard.notify_all()
            raise

    def _left(self) -> None:  # noqa: B027 - most have nothing to do
        """A client failed and is not used again."""

    def close(self) -> None:
        """Wait for running calls, then close every client. Twice does no harm."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._guard.notify_all()
            self._guard.wait_for(lambda: not self._leased)
            for client in self._idle:
                client.close()
            self._idle.clear()
        self._end()

    def _end(self) -> None:  # noqa: B027 - a kind of engine may have nothing to let go of
        """What is to be let go of after the last client."""


class ChdbFolder(Engine):
    """chDB in this process. Raises StoreHeldError when another process, or this one, has the folder open already."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder.resolve()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _take_lock(self.folder)

    def _connect(self) -> Client:
        try:
            return clickhouse_connect.get_client(dsn=f"chdb://{self.folder}", tz_mode="aware")
        except ClickHouseError as error:
            raise StoreHeldError(
                f"The event store in {self.folder} cannot be opened: {_short(error)}",
                next_step="One process may hold one event store; stop the other one.",
            ) from error

    def _end(self) -> None:
        os.close(self._lock)


class ClickHouse(Engine):
    """Servers over HTTP or HTTPS; all clients share one pool of connections."""

    def __init__(self, servers: ClickHouseServers) -> None:
        super().__init__(again_after=servers.again_after)
        self._servers = servers
        self.cluster = servers.cluster
        self._turn = itertools.count(os.getpid())  # several processes begin at different hosts
        self._at = next(self._turn)
        self._pool = get_pool_manager(maxsize=_MOST_CLIENTS, ca_cert=servers.authority or None)

    def _connect(self) -> Client:
        servers = self._servers
        failures: list[StoreAwayError] = []
        for _ in servers.hosts:
            host, port = servers.hosts[self._at % len(servers.hosts)]
            try:
                return clickhouse_connect.get_client(
                    interface="https" if servers.tls else "http",
                    host=host,
                    port=port,
                    username=servers.user,
                    password=servers.password,
                    database=servers.database,
                    compress="zstd",
                    pool_mgr=self._pool,
                    connect_timeout=_CONNECT_SECONDS,
                    send_receive_timeout=servers.answer_seconds,
                    # Sessions would tie calls to one server, and a thread to a client.
                    autogenerate_session_id=False,
                    show_clickhouse_errors="scrub",
                    tz_mode="aware",
                    settings=_settings(servers),
                )
            except ClickHouseError as error:
                told = _told(error)
                if not isinstance(told, StoreAwayError):
                    raise told from error
                told.unsent = True  # whatever was to be done has not begun
                failures.append(told)
                self._at = next(self._turn)
        raise failures[-1]

    def _left(self) -> None:
        self._at = next(self._turn)

    def _end(self) -> None:
        self._pool.clear()


def _settings(servers: ClickHouseServers) -> dict[str, object]:
    """What every statement needs, whatever the server's own defaults are."""
    durable: dict[str, object] = {"async_insert": 0}  # an answered insert is stored, not queued
    if not servers.cluster:
        return durable
    return durable | {
        "insert_quorum": "auto",  # a receipt stands on the majority of a shard's replicas
        "distributed_foreground_insert": 1,
        "distributed_product_mode": "global",
        "load_balancing": "in_order",
    }


def place_of(config: CentralConfig) -> Path | ClickHouseServers:
    """Where the event store of this configuration is."""
    told = config.event_store
    if not told.is_server:
        return config.data / "events"
    if told.cluster:
        check_name(told.cluster)
    password = told.password.get_secret_value()
    return ClickHouseServers(told.addresses(), told.user, password, told.name, told.tls, told.authority, told.cluster)


def connect(where: Path | ClickHouseServers) -> Engine:
    """The engine at this place. Nothing is sent to servers yet. Raises StoreHeldError."""
    return ClickHouse(where) if isinstance(where, ClickHouseServers) else ChdbFolder(where)


def _told(error: ClickHouseError) -> EventStoreError:
    """What a failure means to whoever asked."""
    code = getattr(error, "code", None)
    if isinstance(error, OperationalError) and code is None:
        cause = error.__cause__
        reason = cause.reason if isinstance(cause, MaxRetryError) else cause
        unsent = isinstance(reason, NewConnectionError | ConnectTimeoutError)
        # What took too long once would take too long again.
        late = isinstance(reason, LateError) and not unsent
        return StoreAwayError(
            "The event store does not answer.",
            next_step="See whether its server runs, and the centre's log.",
            passing=not late,
            unsent=unsent,
        )
    if code in _PASSING:
        return StoreAwayError(f"The event store cannot do this now: {_short(error)}", next_step=_LOG)
    return EventStoreError(f"The event store failed: {_short(error)}", next_step=_LOG)


_LOG = "See the centre's log."


def _short(error: ClickHouseError) -> str:
    return str(error).split("\n", 1)[0][:300]


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
