"""What a backup holds in the data folder while it is made, and how it is let go of. Needs no Django, since a restore begins
without.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, TypedDict

from cyberalarm.central.backup.errors import BackupRefusedError
from cyberalarm.central.events import freezing

if TYPE_CHECKING:
    from pathlib import Path

STAGING = "backup-staging"
SQLITE, POSTGRESQL = "sqlite", "postgresql"
_LONGEST_DUMP = 6 * 3600.0


class Moment(TypedDict):
    """What is held, as the control socket carries it. Folders are whole paths; a table without one is a view."""

    database: str
    snapshot: str
    statements: list[str]
    rows: dict[str, int]
    tables: dict[str, str]
    envelopes: int
    audit: str


def release(data: Path, events: Path) -> None:
    """Let go of whatever is held. Nobody may be copying it."""
    shutil.rmtree(data / STAGING, ignore_errors=True)
    freezing.thaw(events)


def run_tool(command: list[str], environment: dict[str, str]) -> None:
    """Run one of PostgreSQL's programs. Raises BackupRefusedError."""
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_LONGEST_DUMP, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackupRefusedError(
            f"{command[0]} could not be run: {type(error).__name__}.",
            next_step="Install PostgreSQL's client programs, of the server's version or newer.",
        ) from error
    if done.returncode:
        said = done.stderr.strip().split("\n", 1)[0][:300]
        raise BackupRefusedError(f"{command[0]} failed: {said}", next_step="Its message says why.")
