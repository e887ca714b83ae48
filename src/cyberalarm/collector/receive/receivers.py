"""All that lines are taken from, as the configuration says: listeners, files that grow, the drop folder, replays handed over.

Opens, starts, ends and describes them together; each works by itself.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

import structlog

from cyberalarm.collector import state as notes
from cyberalarm.collector.handover import Handover
from cyberalarm.collector.receive.endpoint import as_text
from cyberalarm.collector.receive.tcp import TcpReceiver
from cyberalarm.collector.receive.udp import UdpReceiver

if TYPE_CHECKING:
    from cyberalarm.collector.config import CollectorConfig
    from cyberalarm.collector.handover import Collecting
    from cyberalarm.collector.positions import Positions
    from cyberalarm.collector.receive.chunk import Intake
    from cyberalarm.collector.receive.drop import DropFolder
    from cyberalarm.collector.receive.growing import GrowingFiles
    from cyberalarm.collector.receive.tls import TlsDoor, TlsReceiver

log = structlog.get_logger(__name__)


class Part(Protocol):
    """Something with a thread, which ends by itself once the intake is closing."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    @property
    def alive(self) -> bool: ...


class Receivers:
    """Listeners are open once this is made; `read_files` opens the rest, once there is something to note positions with."""

    def __init__(self, config: CollectorConfig, intake: Intake) -> None:
        """Open the listeners. Raises ConfigurationError when a port cannot be had, or a certificate cannot be used."""
        listen = config.listen
        self.udp = [UdpReceiver(e, listen.receive_buffer, intake) for e in listen.udp]
        self.tcp = [TcpReceiver(e, listen.tcp_connections, intake) for e in listen.tcp]
        self.tls: list[TlsReceiver] = []
        self._door: TlsDoor | None = None
        if listen.tls:
            from cyberalarm.collector.receive.tls import TlsDoor, TlsFiles, TlsReceiver

            self._door = TlsDoor(TlsFiles.of(config.tls, config.data))
            self.tls = [TlsReceiver(e, listen.tcp_connections, intake, self._door) for e in listen.tls]
        self._files: GrowingFiles | None = None
        self._drop: DropFolder | None = None
        self._drop_folder = config.drop.folder
        self._handover: Handover | None = None
        self._positions: Positions | None = None

    def read_files(self, config: CollectorConfig, collecting: Collecting) -> None:
        """Open what else is read. What is not configured is not loaded."""
        self._positions, intake = collecting.positions, collecting.intake
        if config.files:
            from cyberalarm.collector.receive.growing import GrowingFiles

            self._files = GrowingFiles(config.files, config.data, collecting.positions, intake)
        if config.drop.folder:
            from cyberalarm.collector.receive.drop import DropFolder

            self._drop = DropFolder(config.drop, collecting.positions, intake)
        try:
            self._handover = Handover(config.data, collecting)
        except OSError as error:  # lines of devices matter more
            log.warning("replay.not_taken_over", reason=error.strerror)

    @property
    def parts(self) -> dict[str, Part]:
        """By the name that a person knows them by."""
        named: list[tuple[str, Part | None]] = [(one.endpoint, one) for one in self.udp]
        named += [(one.endpoint, one) for one in (*self.tcp, *self.tls)]
        named += [("files", self._files), ("drop folder", self._drop), ("replay", self._handover)]
        return {f"{number} {name}": part for number, (name, part) in enumerate(named) if part is not None}

    def start(self) -> None:
        for part in self.parts.values():
            part.start()

    def stop(self) -> None:
        """Wait for all, which end once the intake is closing."""
        for part in self.parts.values():
            part.stop()

    def close(self) -> None:
        """Close what was opened and never started."""
        for datagrams in self.udp:
            datagrams.close()
        for stream in (*self.tcp, *self.tls):
            stream.close()
        if self._handover is not None:
            self._handover.close()

    @property
    def dead(self) -> list[str]:
        """Parts that have ended and never should."""
        return [name.partition(" ")[2] for name, part in self.parts.items() if not part.alive]

    @property
    def listening(self) -> notes.ListeningNote:
        return notes.ListeningNote(
            udp=[as_text(r.address) for r in self.udp],
            tcp=[as_text(r.address) for r in self.tcp],
            tls=[as_text(r.address) for r in self.tls],
        )

    @property
    def ports(self) -> dict[str, list[int]]:
        """By transport, for the log: no addresses."""
        found = {"udp": [r.address[1] for r in self.udp], "tcp": [r.address[1] for r in self.tcp]}
        return {**found, "tls": [r.address[1] for r in self.tls]} if self.tls else found

    @property
    def turned_away(self) -> int:
        return sum(r.turned_away for r in (*self.tcp, *self.tls))

    @property
    def open_connections(self) -> int:
        return sum(r.open_connections for r in (*self.tcp, *self.tls))

    @property
    def no_descriptors(self) -> int:
        return sum(r.no_descriptors for r in (*self.tcp, *self.tls))

    @property
    def tls_note(self) -> notes.TlsNote:
        if self._door is None:
            return notes.TlsNote()
        failures = [
            notes.TlsFailureNote(why=str(why), times=one.times, source=one.source, last=one.last)
            for receiver in self.tls
            for why, one in list(receiver.failures.items())
        ]
        return notes.TlsNote(expires=self._door.expires, trouble=self._door.trouble, failures=failures)

    @property
    def files_note(self) -> notes.FilesNote:
        lost = self._positions is not None and self._positions.damaged
        if self._files is None:
            return notes.FilesNote(positions_lost=lost)
        return notes.FilesNote(
            following=self._files.following, troubles=dict(self._files.troubles), positions_lost=lost
        )

    @property
    def drop_note(self) -> notes.DropNote:
        if self._drop is None:
            return notes.DropNote()
        return notes.DropNote(folder=self._drop_folder, **asdict(self._drop.progress))
