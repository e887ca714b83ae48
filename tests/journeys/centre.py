"""A whole centre for one journey: HTTPS with its own certificate, SQLite, chDB and the receiving side.

Run as a program with one argument, the configuration file. It ends when its standard input closes, so that it
never outlives the test.
"""

from __future__ import annotations

import os
import sys
import threading


def main() -> None:
    os.environ["CYBERALARM_CENTRAL_CONFIG"] = sys.argv[1]
    os.environ["DJANGO_SETTINGS_MODULE"] = "cyberalarm.central.settings"

    import django

    django.setup()

    import uvicorn
    from django.conf import settings
    from django.core.management import call_command

    from cyberalarm.central.accounts.models import Role
    from cyberalarm.central.accounts.services import create_police_user
    from cyberalarm.central.asgi import application
    from cyberalarm.central.enrolment.keys import centre_keys
    from cyberalarm.central.events import store as event_store
    from cyberalarm.central.ingest import services as ingest
    from cyberalarm.core.places import Scope

    config = settings.CONFIG
    call_command("migrate", verbosity=0)
    password = "purple-lantern-marmalade"
    create_police_user("officer@essex.example", "Pat Officer", password, Scope.of_force("essex"), Role.PROTECT_OFFICER)
    create_police_user("officer@kent.example", "Kim Officer", password, Scope.of_force("kent"), Role.PROTECT_OFFICER)

    store = event_store.EventStore.open(config.data / "events")
    event_store.use(store)
    ingest.start(config, store)
    keys = centre_keys(config)
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            host=config.host,
            port=config.port,
            ssl_certfile=keys.certificate.certificate,
            ssl_keyfile=keys.certificate.key,
            access_log=False,
            server_header=False,
            log_level="warning",
            lifespan="off",
        )
    )

    def end_with_the_test() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=end_with_the_test, daemon=True).start()
    server.run()
    ingest.stop()
    store.close()


if __name__ == "__main__":
    main()
