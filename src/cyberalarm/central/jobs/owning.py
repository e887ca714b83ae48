"""Who runs a job: the name of this process, and whether a process of such a name can still be at work.

A name tells host, process namespace, process and its start, so that a process of this host that is gone is told at once, also
when its number was given to another. Of other hosts nothing can be told but by their lease.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path


def this_process() -> str:
    """The owner's name of this process."""
    return f"{_place()}/{os.getpid()}/{_began(os.getpid())}"


def surely_gone(owner: str) -> bool:
    """Is it certain that this owner is no more? False where it cannot be told."""
    place, _, rest = owner.rpartition("/")[0].rpartition("/")
    began = owner.rpartition("/")[2]
    if place != _place() or not rest.isdigit():
        return False
    return _began(int(rest)) != began


def _place() -> str:
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return f"{socket.gethostname()[:64]}/{namespace}"


def _began(process: int) -> str:
    """When a process began, in the system's own ticks; empty when there is none."""
    with suppress(OSError, IndexError):
        # The name, in brackets, may hold anything; what follows it are figures (proc(5)).
        return Path(f"/proc/{process}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[19]
    return ""
