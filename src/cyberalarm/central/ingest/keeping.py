"""What a receiving process does beside storing what comes: says that it lives, completes what was interrupted, here or in a process
that is gone, and tries again what people released from quarantine.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from django.db import DatabaseError, close_old_connections, connection, transaction

from cyberalarm.central.events.errors import EventStoreError
from cyberalarm.central.ingest import groups, quarantine
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyberalarm.central.ingest.completing import Completer
    from cyberalarm.central.ingest.models import Quarantined

log = structlog.get_logger(__name__)

EVERY = 5.0  # seconds; a lease lasts for twelve of them
_AT_ONCE = 10  # releases


class Keeper:
    """The thread. `release` tries one held envelope again: it raises what is still wrong with it."""

    def __init__(self, completer: Completer, release: Callable[[Quarantined], None]) -> None:
        self._completer = completer
        self._release = release
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            close_old_connections()
            try:
                self.step()
            except (CyberAlarmError, DatabaseError, OSError) as error:
                log.warning("ingest.keeping_failed", error=type(error).__name__)
        connection.close()

    def step(self) -> None:
        """One round."""
        groups.renew(self._completer.owner, datetime.now(UTC))
        self._completer.complete_others()
        self.release_asked()

    def release_asked(self) -> int:
        """Try again what people released; gives how much of it was stored."""
        stored = 0
        with transaction.atomic():
            asked = quarantine.asked(_AT_ONCE)
        for held in asked:
            try:
                self._release(held)
            except EventStoreError:
                raise
            except CyberAlarmError as error:
                if error.code not in {"busy", "store-unavailable"}:
                    quarantine.failed_again(held, error)
            else:
                quarantine.went_well(held)
                stored += 1
        return stored
