"""Talks to the service manager that started this process (systemd's notification protocol, sd_notify(3)): ready, alive, stopping.

A few lines instead of a library: one datagram to the socket that `NOTIFY_SOCKET` names. Without it nothing happens; what cannot
be told is not told, and never stops the collector.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress


class Supervisor:
    """Of one process; `alive` is for the thread whose standing still would mean that the collector does."""

    def __init__(self) -> None:
        path = os.environ.get("NOTIFY_SOCKET", "")
        # An @ stands for the zero byte of Linux's abstract names.
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self._every = _watchdog_seconds() / 3
        self._due = 0.0

    def ready(self, status: str) -> None:
        """The ports are open."""
        self._tell(f"READY=1\nSTATUS={status}")

    def alive(self) -> None:
        """Call it often; it tells no more often than the watchdog wants."""
        if self._every and time.monotonic() >= self._due:
            self._due = time.monotonic() + self._every
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def _tell(self, words: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.setblocking(False)
            out.sendto(words.encode(), self._address)


def _watchdog_seconds() -> float:
    """After how many seconds of silence the service manager acts; 0 when it does not (sd_watchdog_enabled(3))."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    with suppress(ValueError):
        return max(int(os.environ.get("WATCHDOG_USEC", "0")), 0) / 1e6
    return 0.0
