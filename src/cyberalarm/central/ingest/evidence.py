"""The sealed originals. Each accepted envelope is kept as it came, in
<data>/envelopes/<collector>/<sequence>.env.

They are evidence: signed by the collector, chained to one another, readable only with the centre's analysis
keys. A file is on disk before its envelope is recorded; a file without a stored record is what an interrupted
attempt left, and the next attempt replaces it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyberalarm.envelope.files import write_secret

if TYPE_CHECKING:
    from pathlib import Path


_UNFINISHED = ".unfinished"  # no collector's reference begins with a dot


def folder_of(data: Path) -> Path:
    """Where a centre with this data folder keeps them."""
    return data / "envelopes"


def path_of(folder: Path, collector: str, sequence: int) -> Path:
    return folder / collector / f"{sequence}.env"


def keep(folder: Path, collector: str, sequence: int, envelope: bytes) -> None:
    """Write an envelope's file; it is on disk when this returns."""
    write_secret(path_of(folder, collector, sequence), envelope, by_way_of=folder / _UNFINISHED)


def drop(folder: Path, collector: str, sequence: int) -> None:
    """Remove an original that was put aside and discarded."""
    path_of(folder, collector, sequence).unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove what crashes left unfinished. Nobody may be writing."""
    for path in (folder / _UNFINISHED).glob(".*"):
        path.unlink()
