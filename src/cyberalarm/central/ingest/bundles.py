"""A bundle: an envelope that was verified, opened, unpacked and checked.

`open_envelope` makes one, for what has just come as for originals that are opened again: the same bytes always give the same rows.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cyberalarm.central.enrolment.services import milliseconds
from cyberalarm.central.events.arrow import Origin, with_origin
from cyberalarm.central.ingest import checks, figures
from cyberalarm.central.ingest.hearing import heard
from cyberalarm.envelope import payload, sealing
from cyberalarm.envelope.errors import EnvelopeMalformed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from cyberalarm.central.ingest.hearing import Heard
    from cyberalarm.core.alarm import Alarm
    from cyberalarm.core.outcome import Ledger
    from cyberalarm.envelope.keys import AnalysisKey
    from cyberalarm.envelope.sealing import Header

_LATEST = 253_402_300_799_000  # the last second of the year 9999, in ms: no date type goes beyond


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose an envelope is, as its rows will say for ever. `clock_offset`: seconds by which its clock is ahead of ours.

    `reads_words`: it understands a receipt that says that a bundle was put aside.
    """

    collector: int
    member: int
    force: str
    region: str
    clock_offset: int = 0
    reads_words: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """What waits to be stored; `receipt` comes when it is durable. `released`: it was put aside before, its chain has gone on."""

    sender: Sender
    header: Header
    digest: str
    size: int
    ledgers: dict[str, Ledger]
    events: pa.Table
    alarms: tuple[Alarm, ...] | None = None  # None: it says nothing of them
    release: int | None = None  # pack release by which its lines were read, 0 for the program's packs, None: not said
    heard: Mapping[str, Heard] = field(default_factory=dict)  # by device, of those with events
    released: bool = False
    receipt: Future[bytes] = field(default_factory=Future)

    @property
    def collector(self) -> int:
        return self.sender.collector

    @property
    def clock_offset(self) -> int:
        return self.sender.clock_offset

    def rows(self, stored: datetime) -> pa.Table:
        """Its rows as the event store takes them; the same for the same `stored`."""
        one = self.sender
        return with_origin(
            self.events, Origin(one.member, one.collector, self.header.sequence, one.force, one.region, stored)
        )


def open_envelope(
    envelope: bytes, header: Header, digest: str, sender: Sender, keys: Mapping[str, AnalysisKey], now: datetime
) -> Bundle:
    """Open, unpack and check. Raises an EnvelopeRefused, PayloadMalformed or BundleRefusedError."""
    if header.sealed > _LATEST:
        raise EnvelopeMalformed("The envelope was sealed after the year 9999.")
    with figures.seconds("open"):
        inside = payload.read(sealing.open_sealed(envelope, keys))
    with figures.seconds("check"):
        events = checks.read_events(inside.arrow_ipc)
        checks.check_events(events, milliseconds(now))
        checks.check_ledgers(inside.ledgers, header, events)
    return Bundle(
        sender=sender,
        header=header,
        digest=digest,
        size=len(envelope),
        ledgers=inside.ledgers,
        events=events,
        alarms=inside.alarms,
        release=inside.release,
        heard=heard(events),
    )


def sealed_time(header: Header) -> datetime:
    """When its collector says that it sealed it; the last second that dates know for whatever lies behind that."""
    return datetime.fromtimestamp(min(header.sealed, _LATEST) / 1000, UTC)


def as_released(bundle: Bundle) -> Bundle:
    """The same bundle, which had been put aside."""
    return replace(bundle, released=True)
