"""The note that a running collector leaves in its data folder, for `doctor` and other programs on the same machine.

A convenience: it is written whole but not flushed to the disk, and nothing depends on it. It holds the devices' addresses, so it is
readable by the owner only and never leaves the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from cyberalarm.collector.files import write_whole
from cyberalarm.core.alarm import Alarm

if TYPE_CHECKING:
    from pathlib import Path

STATE = "state.json"


class _Note(BaseModel):
    # A newer collector may say more than this doctor knows.
    model_config = ConfigDict(extra="ignore", frozen=True)


class SpoolNote(_Note):
    """`oldest` is when the oldest bundle that waits was written, seconds since 1970; 0: none waits."""

    waiting: int
    bytes: int
    limit: int
    oldest: float = 0.0


class IntakeNote(_Note):
    """Bytes of lines between the receivers and the pipeline, and how many there may be."""

    bytes: int = 0
    limit: int = 0


class ShippingNote(_Note):
    """Times are seconds since 1970; 0 is never."""

    sent: int
    rows: int
    last_receipt: float
    trouble_code: str
    trouble: str
    trouble_since: float


class DeviceNote(_Note):
    """`ledger` is written as `Ledger.to_json` does. `first_heard`, seconds since 1970, may be of a run before; 0: not known."""

    source: str
    last_line: float
    products: dict[str, int]
    absurd_times: int
    ledger: dict[str, int]
    first_heard: float = 0.0


class AlarmNote(_Note):
    """An alarm that stands, as `Alarm.to_json` writes it."""

    device: str
    kind: str
    product: str
    field: str
    since: int
    before: int
    now: int

    def alarm(self) -> Alarm | None:
        """None for what a newer collector knows."""
        try:
            return Alarm.from_json(self.model_dump())
        except ValueError:
            return None


class PacksNote(_Note):
    """`release` is the number of the pack release in use, 0 when only the bundled packs are; `packs` are those of it that are used.

    `refused_number` is the release that was offered and is not used, 0 when none or when it is the one on disk.
    """

    release: int = 0
    sha256: str = ""
    packs: list[str] = []
    refused_number: int = 0
    refused_code: str = ""
    refused: str = ""


class SourcesNote(_Note):
    """The centre's list of sources in use; `number` is 0 when there is none. Times are ms UTC."""

    number: int = 0
    sources: int = 0
    issued: int = 0
    expires: int = 0
    refused_code: str = ""
    refused: str = ""


class SeenNote(_Note):
    """Lines of one known source, of those that were looked at, and when the last one was (seconds since 1970)."""

    lines: int
    last: float


class ListeningNote(_Note):
    udp: list[str]
    tcp: list[str]


class State(_Note):
    """`clock_ahead_ms` is against the centre, None while unknown. `turned_away` counts TCP connections beyond the bound, and
    `connections` are those that are open. `minimum_version` is the centre's. `troubles` counts, by code, how often each began
    in this run.
    """

    written: float
    started: float
    version: str
    listening: ListeningNote
    spool: SpoolNote
    shipping: ShippingNote
    held: bool
    clock_ahead_ms: int | None
    clock_unset: bool = False
    turned_away: int = 0
    connections: int = 0
    intake: IntakeNote = IntakeNote()
    minimum_version: str = ""
    troubles: dict[str, int] = {}
    packs: PacksNote = PacksNote()
    sources: SourcesNote = SourcesNote()
    known_seen: dict[str, SeenNote] = {}
    devices: dict[str, DeviceNote]
    alarms: list[AlarmNote] = []


def write(folder: Path, state: State) -> None:
    """Raises OSError."""
    write_whole(folder / STATE, state.model_dump_json().encode())


def read(folder: Path) -> State | None:
    """The note of the last collector that ran here, if there is a whole one."""
    try:
        return State.model_validate_json((folder / STATE).read_bytes())
    except (OSError, ValidationError):
        return None
