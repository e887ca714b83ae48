"""Notices that another process changed the centre's keys: every few seconds it looks
at their folder, and reads it anew when it differs.

For the profiles of several processes, which share the data folder. What it does not do: change keys.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from cyberalarm.central.enrolment.keys import NEXT, changed, folder_of
from cyberalarm.core.errors import CyberAlarmError

if TYPE_CHECKING:
    from cyberalarm.central.config import CentralConfig

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 5.0


class KeyWatch:
    """A thread that looks until `stop`."""

    def __init__(self, config: CentralConfig, look_seconds: float = _LOOK_SECONDS) -> None:
        self._config = config
        self._look_seconds = look_seconds
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="key-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join()

    def _watch(self) -> None:
        known = self._seen()
        while not self._ending.wait(self._look_seconds):
            try:
                now = self._seen()
                if now != known:
                    changed(self._config)
                    known = now
                    log.info("keys.read_anew")
            except (CyberAlarmError, OSError, ValueError) as error:
                # The folder may be between two states of a rotation: the next look finds it whole.
                log.warning("keys.unreadable", error=type(error).__name__)

    def _seen(self) -> tuple[tuple[str, int, int], ...]:
        folder = folder_of(self._config)
        files = [*folder.glob("*"), *(folder / NEXT).glob("*")]
        told = ((path, path.stat()) for path in files if path.is_file() and path.name != ".lock")
        return tuple(sorted((str(path), stat.st_mtime_ns, stat.st_ino) for path, stat in told))
