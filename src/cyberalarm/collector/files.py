"""Files that survive a crash: written whole, flushed to the disk, then put in place."""

from __future__ import annotations

import fcntl
import os
import pwd
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cyberalarm.collector.errors import BusyFolderError
from cyberalarm.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEMPORARY = ".part"
_LOCK = "lock"


def flush_folder(folder: Path) -> None:
    """Make renames and removals in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 so that after a crash it is there whole, or as it was before. Raises OSError."""
    write_whole(path, content, durable=True)
    flush_folder(path.parent)


def write_whole(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file of mode 0600 so that a reader never sees half of it. Raises OSError, leaving nothing behind."""
    part = path.with_name(path.name + TEMPORARY)
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            if durable:
                os.fsync(out.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the data folder for this process. Raises BusyFolderError when another has it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BusyFolderError(
                f"Another collector process is using {folder}.",
                next_step="Stop it first, or name another data folder in the configuration.",
            ) from error
        yield


def is_held(folder: Path) -> bool:
    """Does a process hold the data folder now? Looks only."""
    try:
        with (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def as_owner(folder: Path) -> None:
    """Raises ConfigurationError when a folder that is there belongs to another user, who could not read what is written now."""
    if not folder.exists() or folder.stat().st_uid == os.geteuid():
        return
    try:
        owner = pwd.getpwuid(folder.stat().st_uid).pw_name
    except KeyError:
        owner = str(folder.stat().st_uid)
    raise ConfigurationError(
        f"{folder} belongs to {owner}, who could not read what would be written there now.",
        next_step=f"Run it as that user: sudo -u {owner} …",
    )
