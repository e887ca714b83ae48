"""The centre as one process: event store, receiving side, scheduled jobs, control socket, web site.

Order matters and is kept here: the store is opened and an interrupted ingest undone before the first request; on the way out,
requests end first and the store last. Needs Django to be set up.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import uvicorn
from django.core.management import call_command

from cyberalarm.central.asgi import application
from cyberalarm.central.commands import control_commands
from cyberalarm.central.connections import TimedBodies, protocol
from cyberalarm.central.control import Control
from cyberalarm.central.enrolment.keys import centre_keys, told_of_changes
from cyberalarm.central.events import store as stores
from cyberalarm.central.events.retention import Retention
from cyberalarm.central.ingest import services as ingest
from cyberalarm.central.ingest.bodies import BoundedBodies
from cyberalarm.central.jobs.supervisor import Supervisor
from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from cyberalarm.central.config import CentralConfig
    from cyberalarm.central.enrolment.keys import CentreKeys

# Connections and requests in hand at once; a request may hold a thread and a database connection.
_MOST_CONNECTIONS = 2_000
_GRACE_SECONDS = 30


def migrate(config: CentralConfig) -> None:
    """Bring both databases to this version's schema. Raises StoreHeldError while a centre runs on them."""
    store = stores.EventStore.open(config.data / "events")  # first, since it says that nobody else is at work
    try:
        call_command("migrate", interactive=False, verbosity=0)
    finally:
        store.close()


def serve(config: CentralConfig, progress: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `progress` is told each step of the start.

    Raises ConfigurationError when the port cannot be had, StoreHeldError when another centre runs on the same folder.
    """
    with ExitStack() as parts:
        listener = parts.enter_context(_listen(config))
        progress("Opening the event store")
        store = stores.EventStore.open(config.data / "events")
        parts.callback(store.close)
        store.keep(Retention(config.keep_events_months, config.keep_rollups_months))
        progress("Preparing the relational database")
        call_command("migrate", interactive=False, verbosity=0)
        stores.use(store)
        parts.callback(stores.use, None)
        progress("Taking up where the last run ended")
        receiving = ingest.start(config, store)
        parts.callback(ingest.stop)
        parts.enter_context(told_of_changes(receiving.use_keys))
        supervisor = Supervisor(store)
        supervisor.start()
        parts.callback(supervisor.stop, _GRACE_SECONDS)
        control = Control(config.data, control_commands(store, config))
        control.start()
        parts.callback(control.stop)
        progress(f"Serving {config.url}")
        _run_server(config, listener)
        progress("Ending")


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


def _run_server(config: CentralConfig, listener: socket.socket) -> None:
    keys = centre_keys(config)
    settings = uvicorn.Config(
        TimedBodies(BoundedBodies(application)),  # type: ignore[arg-type]  # Django types ASGI messages as plain dicts
        http=protocol(config.connections_per_address),
        ssl_certfile=str(keys.certificate.certificate),
        ssl_keyfile=str(keys.certificate.key),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    settings.load()
    with told_of_changes(lambda changed: _show(changed, settings.ssl)):
        uvicorn.Server(settings).run(sockets=[listener])


def _show(keys: CentreKeys, context: ssl.SSLContext | None) -> None:
    """Answer new connections with the certificate of now."""
    if context is not None:
        context.load_cert_chain(keys.certificate.certificate, keys.certificate.key)
