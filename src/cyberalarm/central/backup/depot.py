"""Where backups are kept: a folder, or a store that speaks S3. The same few acts on both.

Invariants: what a backup's list names is whole, since the list is written last and holds every object's digest; nothing is ever
written twice under one name. In a folder an object appears when it is whole and on disk; of an upload to S3 that broke off, a
piece may stay, which no list names.

S3 by pyarrow, which the centre has anyway: `s3://bucket/prefix`, for other stores than Amazon's with
`?endpoint_override=https%3A%2F%2Fhost%3Aport` and `&region=…`; credentials from the usual `AWS_…` variables, never on the
command line.
"""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
from pyarrow import fs

from cyberalarm.central.backup.errors import BackupDamagedError, BackupRefusedError
from cyberalarm.envelope.files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

S3 = "s3://"


class Sink(Protocol):
    def write(self, content: bytes, /) -> object: ...


class Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Depot(Protocol):
    """Named objects; names hold slashes."""

    def writing(self, name: str) -> AbstractContextManager[Sink]: ...

    def reading(self, name: str) -> AbstractContextManager[Source]: ...

    def sizes(self, folder: str) -> dict[str, int]:
        """The bytes of every object below a folder, by name."""
        ...


def depot(place: str, *, new: bool = False) -> Depot:
    """The depot at a path or an S3 address; `new` makes a folder that is not there. Raises BackupRefusedError."""
    if place.startswith(S3):
        return _S3Depot(place)
    folder = Path(place).resolve()
    if new:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BackupRefusedError(f"{folder} cannot be made: {error.strerror}.") from error
    if not folder.is_dir():
        raise BackupRefusedError(f"There is no folder {folder}.", next_step="Check the path of the backup.")
    return _FolderDepot(folder)


class _FolderDepot:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def writing(self, name: str) -> Iterator[Sink]:
        path = self._folder / name
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            beside.rename(path)
            sync_folder(path.parent)
        except OSError as error:
            raise BackupRefusedError(
                f"{path} cannot be written: {error.strerror}.", next_step="Look at the room and the rights there."
            ) from error
        finally:
            beside.unlink(missing_ok=True)

    @contextmanager
    def reading(self, name: str) -> Iterator[Source]:
        try:
            source = (self._folder / name).open("rb")
        except FileNotFoundError as error:
            raise _missing(name) from error
        except OSError as error:
            raise BackupDamagedError(f"{name} cannot be read: {error.strerror}.") from error
        with source:
            yield source

    def sizes(self, folder: str) -> dict[str, int]:
        root = self._folder / folder
        found = (p for p in root.rglob("*") if p.is_file() and not p.name.startswith("."))
        return {str(p.relative_to(self._folder)): p.stat().st_size for p in found}


class _S3Depot:
    def __init__(self, place: str) -> None:
        # What is written is proven by our own digests; servers other than Amazon's do not all know the newer checksums.
        for name in ("AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION"):
            os.environ.setdefault(name, "when_required")
        try:
            found, self._root = fs.FileSystem.from_uri(place)
        except (pa.ArrowInvalid, OSError) as error:
            raise BackupRefusedError(
                f"This is not the address of an S3 store: {_short(error)}", next_step="Write s3://bucket/prefix."
            ) from error
        self._files = found

    @contextmanager
    def writing(self, name: str) -> Iterator[Sink]:
        try:
            stream = self._files.open_output_stream(f"{self._root}/{name}", compression=None)
        except OSError as error:
            raise _unusable(error) from error
        try:
            yield stream
            stream.close()
        except OSError as error:
            raise _unusable(error) from error

    @contextmanager
    def reading(self, name: str) -> Iterator[Source]:
        try:
            stream = self._files.open_input_stream(f"{self._root}/{name}", compression=None)
        except FileNotFoundError as error:
            raise _missing(name) from error
        except OSError as error:
            raise _unusable(error) from error
        with stream:
            yield stream

    def sizes(self, folder: str) -> dict[str, int]:
        chosen = fs.FileSelector(f"{self._root}/{folder}", allow_not_found=True, recursive=True)
        try:
            found = self._files.get_file_info(chosen)
        except OSError as error:
            raise _unusable(error) from error
        start = len(self._root) + 1
        return {info.path[start:]: int(info.size) for info in found if info.type is fs.FileType.File}


def _missing(name: str) -> BackupDamagedError:
    return BackupDamagedError(f"{name} is missing from the backup.", next_step="Use another backup.")


def _unusable(error: OSError) -> BackupRefusedError:
    return BackupRefusedError(
        f"The S3 store cannot be used: {_short(error)}",
        next_step="Check address, region and credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY).",
    )


def _short(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:300]
