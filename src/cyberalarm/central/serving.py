"""The centre as one process: event store, receiving side, scheduled jobs, control socket, web site.

Order matters and is kept here: the store is opened and an interrupted ingest undone before the first request; on the way out,
requests end first and the store last. Needs Django to be set up.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import uvicorn
from django.core.management import call_command

from cyberalarm.central.asgi import application
from cyberalarm.central.commands import control_commands
from cyberalarm.central.control import Control
from cyberalarm.central.enrolment.keys import centre_keys
from cyberalarm.central.events import store as stores
from cyberalarm.central.ingest import services as ingest
from cyberalarm.central.ingest.bodies import BoundedBodies
from cyberalarm.central.jobs.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.central.config import CentralConfig

# Requests in hand at once; each holds a thread and maybe a database connection.
_MOST_REQUESTS = 200
_GRACE_SECONDS = 30


def migrate(config: CentralConfig) -> None:
    """Bring both databases to this version's schema. The event store must not be in use."""
    call_command("migrate", interactive=False, verbosity=0)
    stores.EventStore.open(config.data / "events").close()


def serve(config: CentralConfig, progress: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `progress` is told each step of the start."""
    with ExitStack() as parts:
        progress("Preparing the relational database")
        call_command("migrate", interactive=False, verbosity=0)
        progress("Opening the event store")
        store = stores.EventStore.open(config.data / "events")
        parts.callback(store.close)
        stores.use(store)
        parts.callback(stores.use, None)
        progress("Taking up where the last run ended")
        ingest.start(config, store)
        parts.callback(ingest.stop)
        supervisor = Supervisor(store)
        supervisor.start()
        parts.callback(supervisor.stop, _GRACE_SECONDS)
        control = Control(config.data, control_commands(store, config.data))
        control.start()
        parts.callback(control.stop)
        progress(f"Serving {config.url}")
        _run_server(config)
        progress("Ending")


def _run_server(config: CentralConfig) -> None:
    keys = centre_keys(config)
    uvicorn.Server(
        uvicorn.Config(
            BoundedBodies(application),  # type: ignore[arg-type]  # Django types ASGI messages as plain dicts
            host=config.host,
            port=config.port,
            ssl_certfile=str(keys.certificate.certificate),
            ssl_keyfile=str(keys.certificate.key),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_REQUESTS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    ).run()
