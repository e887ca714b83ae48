"""Marks: how far a growing file was read, and what tells that it is the same file.

A file is what it holds, not what it is called: device and inode are its key, a proof over the bytes before the position
confirms it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from itertools import islice

PREFIX = "file:"
MOST_ENTRIES = 10_000  # of a folder that are looked at
_PROOF = 1024


@dataclass(frozen=True, slots=True)
class FileMark:
    """How far a file was read. `path` is where it was seen, `at` when (seconds since 1970). `closed`: nothing comes any more."""

    path: str
    offset: int
    skipping: bool
    proof: str
    at: float
    closed: bool = False

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str | None) -> FileMark | None:
        try:
            return cls(**json.loads(text)) if text else None
        except (ValueError, TypeError):
            return None


def key_of(found: os.stat_result) -> str:
    return f"{PREFIX}{found.st_dev}:{found.st_ino}"


def inode_of(key: str) -> int:
    return int(key.rpartition(":")[2])


def proof_of(handle: int, offset: int) -> str:
    """What confirms that the bytes before a position are those that were read."""
    if not offset:
        return ""
    first = os.pread(handle, min(_PROOF, offset), 0)
    last = os.pread(handle, min(_PROOF, offset), offset - min(_PROOF, offset))
    return hashlib.sha256(first + last).hexdigest()[:32]


def renumbered(key: str, path: str, handle: int, remembered: dict[str, FileMark]) -> FileMark | None:
    """The mark of the same file when its file system has another number since the machine was started anew."""
    size = os.fstat(handle).st_size
    for other, mark in remembered.items():
        if inode_of(other) == inode_of(key) and mark.path == path and size >= mark.offset:
            return mark
    return None


def named_otherwise(key: str, mark: FileMark) -> str | None:
    """Where a file is now that was renamed within its folder."""
    try:
        with os.scandir(os.path.dirname(mark.path)) as entries:  # noqa: PTH120 - paths are text here
            for entry in islice(entries, MOST_ENTRIES):
                if entry.inode() == inode_of(key) and entry.is_file(follow_symlinks=False):
                    return entry.path
    except OSError:
        return None
    return None
