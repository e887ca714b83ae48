"""The centre as one process (event store, receiving side, scheduled jobs, control socket, web site), or one part of it.

Order matters and is kept here: the store is opened and an interrupted ingest completed before the first request; on the way out,
requests end first and the store last. Of several processes that start at once one brings the databases up to date. A part of
its own has no control socket: what it would be asked, the command line does itself. Needs Django to be set up.
"""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import uvicorn
from django.core.management import call_command

from cyberalarm.central import roles
from cyberalarm.central.asgi import application
from cyberalarm.central.backup.taking import forget_broken_off
from cyberalarm.central.commands import control_commands
from cyberalarm.central.connections import TimedBodies, protocol
from cyberalarm.central.control import Control
from cyberalarm.central.enrolment.key_watch import KeyWatch
from cyberalarm.central.enrolment.keys import centre_keys, told_of_changes
from cyberalarm.central.events import store as stores
from cyberalarm.central.events.engine import place_of
from cyberalarm.central.events.retention import Retention
from cyberalarm.central.ingest import services as ingest
from cyberalarm.central.ingest.bodies import BoundedBodies
from cyberalarm.central.ingest.front import EnvelopeFront
from cyberalarm.central.jobs.supervisor import Supervisor
from cyberalarm.central.locks import Lock, held
from cyberalarm.central.parting import PartOnly
from cyberalarm.central.roles import ALL, Role
from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from cyberalarm.central.config import CentralConfig
    from cyberalarm.central.enrolment.keys import CentreKeys

# Connections and requests in hand at once; a request may hold a thread and a database connection.
_MOST_CONNECTIONS = 2_000
_GRACE_SECONDS = 30


def open_store(config: CentralConfig) -> stores.EventStore:
    """The event store, with both databases brought to this version's schema.

    The relational one first where it is a server, since its lock says who may; else the folder's lock says it.
    """
    if not config.database.is_server:
        store = stores.EventStore.open(place_of(config))
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except BaseException:
            store.close()
            raise
        return store
    with held(Lock.MIGRATIONS):
        call_command("migrate", interactive=False, verbosity=0)
        call_command("createcachetable", verbosity=0)
        return stores.EventStore.open(place_of(config))


def migrate(config: CentralConfig) -> None:
    """Bring both databases to this version's schema. Raises StoreHeldError while a centre runs on a folder of its own."""
    open_store(config).close()


@contextmanager
def opened(config: CentralConfig) -> Iterator[stores.EventStore]:
    """The event store for one command of the command line."""
    store = open_store(config)
    try:
        yield store
    finally:
        store.close()


def serve(config: CentralConfig, progress: Callable[[str], None], which: frozenset[Role] = ALL) -> None:
    """Serve until SIGTERM or SIGINT: everything, or some parts. `progress` is told each step of the start.

    Raises ConfigurationError when the port cannot be had or parts need servers that are not configured, StoreHeldError when another
    centre runs on the same folder.
    """
    if which != ALL:
        require_servers(config)
    roles.take(which)
    with ExitStack() as parts:
        listens = bool(which & {Role.WEB, Role.INGEST})
        listener = parts.enter_context(_listen(config)) if listens else None
        progress("Opening the databases")
        store = open_store(config)
        parts.callback(store.close)
        if which == ALL:
            forget_broken_off(config.data)
        if Role.WORKER in which:
            store.keep(Retention(config.keep_events_months, config.keep_rollups_months))
        stores.use(store)
        parts.callback(stores.use, None)
        if Role.INGEST in which:
            progress("Taking up where the last run ended")
            receiving = ingest.start(config, store)
            parts.callback(ingest.stop)
            parts.enter_context(told_of_changes(receiving.use_keys))
        if Role.WORKER in which:
            supervisor = Supervisor(store)
            supervisor.start()
            parts.callback(supervisor.stop, _GRACE_SECONDS)
        if which == ALL:
            control = Control(config.data, control_commands(store, config))
            control.start()
            parts.callback(control.stop)
        else:
            watch = KeyWatch(config)
            watch.start()
            parts.callback(watch.stop)
        if listener is None:
            progress("Working")
            _wait_for_the_end()
        else:
            progress(f"Serving {config.url}")
            _run_server(config, listener, which)
        progress("Ending")


def require_servers(config: CentralConfig) -> None:
    """Raises ConfigurationError where several processes could not share the databases."""
    for key, there in (
        ("database.url", config.database.is_server),
        ("event_store.hosts", config.event_store.is_server),
    ):
        if not there:
            raise ConfigurationError(
                f"Parts of the centre as processes of their own need '{key}': a database in a folder belongs to one process.",
                next_step="Name the servers (docs/servers.md), or run everything: cyberalarm central serve.",
            )


def _wait_for_the_end() -> None:
    """Until SIGTERM or SIGINT."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


def _listen(config: CentralConfig) -> socket.socket:
    """The listening socket, had before anything else starts. Raises ConfigurationError."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.host, config.port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"The centre cannot listen on {config.host} port {config.port}: {error.strerror}.",
            next_step="Another program may hold the port (`ss -ltnp`), or the address is not this machine's.",
        ) from error
    return listener


def _run_server(config: CentralConfig, listener: socket.socket, which: frozenset[Role]) -> None:
    keys = centre_keys(config)
    settings = uvicorn.Config(
        TimedBodies(BoundedBodies(PartOnly(EnvelopeFront(application), which))),  # type: ignore[arg-type]  # Django's messages are dicts
        http=protocol(config.connections_per_address),
        ssl_certfile=str(keys.certificate.certificate),
        ssl_keyfile=str(keys.certificate.key),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=config.trusted_proxies or None,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    settings.load()
    # uvicorn stops at a signal and then raises it anew: by then it must not end us, since the other parts end after it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with told_of_changes(lambda changed: _show(changed, settings.ssl)):
        uvicorn.Server(settings).run(sockets=[listener])


def _show(keys: CentreKeys, context: ssl.SSLContext | None) -> None:
    """Answer new connections with the certificate of now."""
    if context is not None:
        context.load_cert_chain(keys.certificate.certificate, keys.certificate.key)
