"""Writing a secret to disk so that a crash leaves either the old file or the new one, readable by the owner
only.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_secret(path: Path, content: bytes, mode: int = 0o600, by_way_of: Path | None = None) -> None:
    """Replace the file atomically and durably. Folders are made (0700) if they are missing.

    The unfinished file lies beside the path, or in the folder `by_way_of` of the same file system; a crash
    may leave it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if by_way_of is not None:
        by_way_of.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = (by_way_of or path.parent) / f".{path.name}.{secrets.token_hex(6)}"
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or a new name inside the folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
