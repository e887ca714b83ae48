"""Handing files to the collector that runs, so that a replay does not have to stop it.

`cyberalarm collector replay` opens the files and passes the open files over a socket in the data folder, which only the collector's
user (and root) can reach. The collector reads them itself, behind what devices send, and tells how it goes. So a file needs to be
readable by whoever replays it, not by the service, which may see little of the disk.

Invariants
- The socket gives nothing but counts, and takes nothing but files to be read.
- When the other side goes away, reading ends after the chunk in hand; what was taken is noted as ever, and can be gone on with.
- At most `_MOST` replays at a time; messages are bounded.

Messages are JSON, one in a packet: {"mark": key} → {"mark": text or null} · {"sizes": below} → {"sizes"} · {"take": …} with the
file → {"read", "lines"}…, then {"failure"} · {"finish": true} → {"device", "ledger"}…, then {"waiting"}.
"""

from __future__ import annotations

import json
import os
import select
import socket
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from threading import BoundedSemaphore, Event, Thread
from typing import TYPE_CHECKING, BinaryIO

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cyberalarm.collector.errors import BusyFolderError, SpoolFullError
from cyberalarm.core.outcome import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cyberalarm.collector.positions import Positions
    from cyberalarm.collector.receive.chunk import Chunk, Intake
    from cyberalarm.collector.receive.reading import Mark

log = structlog.get_logger(__name__)

SOCKET = "replay.sock"
_MOST = 4
_BACKLOG = 64  # a place in it is held until it is looked at, also by who has gone; a full one turns the next away
_LONGEST = 64 * 1024
_TELL_SECONDS = 0.2
_SIGN_SECONDS = 5.0
_ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file's key, where to begin, whose it is, and when it was last written (seconds since 1970)."""

    key: str
    mark: Mark
    source: str
    reference: float


@dataclass(frozen=True, slots=True)
class Watcher:
    """Whom a replay tells of its way, and who may break it off. `checked` and `read` are told bytes, `taken` lines."""

    checked: Callable[[int], None] = lambda _: None
    read: Callable[[int], None] = lambda _: None
    taken: Callable[[int], None] = lambda _: None
    stop: Event = field(default_factory=Event)


class _Take(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    key: str = Field(pattern="^archive:[0-9a-f]{64}$")
    mark: str = Field(max_length=8_192)
    source: str = Field(min_length=1, max_length=255)
    reference: float = Field(ge=0, le=2**40)


class _Asked(BaseModel):
    """One of the four."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    mark: str | None = None
    sizes: int | None = None
    take: _Take | None = None
    finish: bool = False


@dataclass(frozen=True, slots=True)
class Collecting:
    """What of the running collector a replay needs. `hurry` closes the bundle soon, `waiting` counts those not receipted yet."""

    positions: Positions
    intake: Intake
    hurry: Callable[[], None]
    waiting: Callable[[], int]


class Handover:
    """The collector's side."""

    def __init__(self, data: Path, collecting: Collecting) -> None:
        """Raises OSError."""
        self._collecting = collecting
        self._places = BoundedSemaphore(_MOST)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with _short(data) as path:
                with suppress(FileNotFoundError):
                    os.unlink(path)  # noqa: PTH108 - of a run before; nobody else holds the folder
                self._socket.bind(path)
                os.chmod(path, 0o600)  # noqa: PTH101
            self._socket.listen(_BACKLOG)
            self._socket.settimeout(0.5)
        except OSError:
            self._socket.close()
            raise
        self._thread = Thread(target=self._run, name="replay", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Wait for the thread, which ends once the intake is closing."""
        self._thread.join()
        self.close()

    def close(self) -> None:
        self._socket.close()

    def _run(self) -> None:
        while not self._collecting.intake.closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:  # nobody came; or no descriptor is left
                time.sleep(0.01)
                continue
            if not self._places.acquire(blocking=False):
                connection.close()
                continue
            Thread(target=self._serve, args=(connection,), name="replay reader", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_ANSWER_SECONDS)
                _Served(connection, self._collecting).run()
        except (OSError, ValidationError, SpoolFullError):
            log.info("replay.ended_early")
        except Exception:
            log.exception("replay.failed")  # a defect; the next replay has its chance
        finally:
            self._places.release()


class _Served:
    """One replay that is handed over."""

    def __init__(self, connection: socket.socket, collecting: Collecting) -> None:
        self._connection = connection
        self._positions = collecting.positions
        self._intake = collecting.intake
        self._collecting = collecting
        self._devices: dict[str, Ledger] = {}
        self._places: dict[str, str] = {}  # the last of each file
        self._told_at = 0.0

    def run(self) -> None:
        """Answer until the other side goes away, or the collector ends."""
        while not self._intake.closing.is_set():
            if not select.select([self._connection], [], [], 0.5)[0]:
                continue
            message, files, _, _ = socket.recv_fds(self._connection, _LONGEST, 1)
            try:
                if not message:
                    return
                self._answer(_Asked.model_validate_json(message), files)
            finally:
                for one in files:
                    os.close(one)

    def _answer(self, asked: _Asked, files: list[int]) -> None:
        from cyberalarm.collector.receive.reading import PREFIX, sizes_in

        if asked.mark is not None:
            self._tell(mark=self._positions.get(asked.mark) if asked.mark.startswith(PREFIX) else None)
        elif asked.sizes is not None:
            self._tell(sizes=sizes_in(self._positions.like(PREFIX), asked.sizes))
        elif asked.take is not None and files and stat.S_ISREG(os.fstat(files[0]).st_mode):
            with os.fdopen(os.dup(files[0]), "rb") as raw:
                self._tell(failure=self._take(asked.take, raw))
        elif asked.finish:
            self._finish()

    def _take(self, take: _Take, raw: BinaryIO) -> str | None:
        """Read a file into the intake, until the other side wants something else; gives why it could not be read on."""
        # Loaded when somebody replays: most collectors never unpack anything.
        from cyberalarm.collector.receive.archives import ArchiveError
        from cyberalarm.collector.receive.reading import Mark, chunks

        raw.seek(0)
        read = lines = 0
        try:
            for chunk in chunks(raw, take.source, take.key, Mark.from_text(take.mark) or Mark(), take.reference):
                if not self._put(replace(chunk, tally=self._count)):
                    break
                if chunk.place is not None:
                    self._places[chunk.place.key] = chunk.place.value
                lines += chunk.lines.count(b"\n")
                if time.monotonic() >= self._told_at:
                    self._told_at = time.monotonic() + _TELL_SECONDS
                    self._tell(read=raw.tell() - read, lines=lines)  # raises when nobody listens any more
                    read, lines = raw.tell(), 0
                    if self._asked:
                        break
            self._tell(read=raw.tell() - read, lines=lines)
        except ArchiveError as error:
            return str(error)
        except ConnectionError:
            raise
        except OSError as error:
            return f"cannot be read: {error.strerror}."
        return None

    def _put(self, chunk: Chunk) -> bool:
        """Hand a chunk over, showing signs of life while there is no room; False when it is wanted no more."""
        while True:
            try:
                if self._intake.put_read(chunk, _SIGN_SECONDS):
                    return True
                raise ConnectionAbortedError
            except TimeoutError:
                self._tell(read=0, lines=0)
                if self._asked:
                    return False

    @property
    def _asked(self) -> bool:
        return bool(select.select([self._connection], [], [], 0)[0])

    def _count(self, device: str, counts: list[int]) -> None:
        self._devices.setdefault(device, Ledger()).add(counts)

    def _finish(self) -> None:
        """Wait until everything is in the spool, then tell what became of the lines."""
        while not self._intake.closing.is_set() and any(
            self._positions.get(key) != value for key, value in self._places.items()
        ):
            self._collecting.hurry()
            self._tell(read=0, lines=0)
            time.sleep(_TELL_SECONDS)
        for name, ledger in self._devices.items():  # each for itself: a packet has a bound
            self._tell(device=name, ledger=ledger.to_json())
        self._tell(waiting=self._collecting.waiting())

    def _tell(self, **words: object) -> None:
        self._connection.send(json.dumps(words).encode())


class Handed:
    """The side of the command: files go to the collector that runs."""

    def __init__(self, data: Path) -> None:
        """Raises BusyFolderError when the collector takes nothing over."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_ANSWER_SECONDS)
        try:
            with _short(data) as path:
                self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise BusyFolderError(
                f"Another collector process is using {data}, and takes no files over.",
                next_step="Stop it first, or put the files into its drop folder.",
            ) from error

    def close(self) -> None:
        self._socket.close()

    def mark(self, key: str) -> str | None:
        """How far a file of this content was taken."""
        self._ask(mark=key)
        found = self._answer().get("mark")
        return found if isinstance(found, str) else None

    def sizes(self, below: int) -> list[int]:
        """Sizes of plain files that were taken and are smaller."""
        self._ask(sizes=below)
        found = self._answer().get("sizes")
        return [_count(one) for one in found] if isinstance(found, list) else []

    def take(self, raw: BinaryIO, wanted: Wanted, watcher: Watcher) -> str | None:
        """Let the collector read a file; gives why it could not be read on."""
        told = {"key": wanted.key, "mark": wanted.mark.to_text(), "source": wanted.source}
        socket.send_fds(
            self._socket, [json.dumps({"take": {**told, "reference": wanted.reference}}).encode()], [raw.fileno()]
        )
        stopped = False
        while True:
            answer = self._answer()
            if "failure" in answer:
                return str(answer["failure"]) if answer["failure"] else None
            watcher.read(_count(answer.get("read")))
            watcher.taken(_count(answer.get("lines")))
            if watcher.stop.is_set() and not stopped:
                stopped = True
                self._ask(mark="")  # anything ends the reading

    def finish(self) -> tuple[dict[str, Ledger], int]:
        """Ledgers by device, and bundles not yet receipted, once all lines are in the spool."""
        self._ask(finish=True)
        devices: dict[str, Ledger] = {}
        while "waiting" not in (answer := self._answer()):
            if isinstance(ledger := answer.get("ledger"), dict):
                devices[str(answer.get("device"))] = Ledger.from_json(ledger)
        return devices, _count(answer["waiting"])

    def _ask(self, **words: object) -> None:
        self._socket.send(json.dumps(words).encode())

    def _answer(self) -> dict[str, object]:
        try:
            received = self._socket.recv(_LONGEST)
        except TimeoutError:
            received = b""
        if not received:
            raise BusyFolderError(
                "The collector has ended, or ended the replay.",
                next_step="See its log; then go on with the same command and --resume.",
            )
        found: dict[str, object] = json.loads(received)
        return found


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """The socket's path by way of an open folder: a socket's name has 108 bytes, a folder's may have more."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)
