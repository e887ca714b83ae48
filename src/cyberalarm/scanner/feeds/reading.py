"""Feed files from disk, plain or gzipped, with caps: a feed is data from outside, however well known."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING

from cyberalarm.scanner.errors import FeedError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

MOST_BYTES = 2 * 1024**3  # unpacked; the largest yearly NVD file is a tenth of this
_LONGEST_LINE = 64 * 1024**2


def feed_files(paths: tuple[Path, ...], endings: tuple[str, ...]) -> tuple[Path, ...]:
    """The files named, and those in the folders named whose name ends so, in order of name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found.extend(sorted(p for p in path.iterdir() if p.name.endswith(endings)))
        elif path.is_file():
            found.append(path)
        else:
            raise FeedError(f"{path}: there is no such file.", next_step="Check the path.")
    if not found:
        raise FeedError("No feed file was found.", next_step=f"Files end in {' or '.join(endings)}.")
    return tuple(found)


def digest(paths: tuple[Path, ...]) -> str:
    """SHA-256 over the files as they lie on disk, in order."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as source:
            while chunk := source.read(1 << 20):
                total.update(chunk)
    return total.hexdigest()


def json_values(path: Path) -> Iterator[object]:
    """Every JSON value of a file: one document, or one a line (`.jsonl`).

    Raises FeedError naming file and line.
    """
    lines = path.name.removesuffix(".gz").endswith(".jsonl")
    try:
        with path.open("rb") as raw, _unpacked(path, raw) as source:
            if not lines:
                yield json.loads(_capped(source.read(MOST_BYTES + 1), path))
                return
            seen = 0
            for number, line in enumerate(iter(lambda: source.readline(_LONGEST_LINE + 1), b""), 1):
                seen += len(line)
                if len(line) > _LONGEST_LINE or seen > MOST_BYTES:
                    raise FeedError(f"{path}: line {number}: too large.", next_step="Check where the file comes from.")
                if line.strip():
                    yield json.loads(line)
    except (OSError, EOFError, ValueError, RecursionError) as error:
        raise FeedError(f"{path}: not readable as a feed: {error}.", next_step="Fetch it again.") from error


def _unpacked(path: Path, raw: io.BufferedReader) -> io.BufferedReader | gzip.GzipFile:
    return gzip.GzipFile(fileobj=raw) if path.name.endswith(".gz") else raw


def _capped(raw: bytes, path: Path) -> bytes:
    if len(raw) > MOST_BYTES:
        raise FeedError(f"{path}: too large.", next_step="Check where the file comes from.")
    return raw
