"""A bundle on its way from what was gathered into the spool: what it holds, and how it is sealed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from cyberalarm.envelope.payload import pack
from cyberalarm.envelope.sealing import Header, seal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cyberalarm.collector.keyring import Following
    from cyberalarm.collector.sent import Copies
    from cyberalarm.collector.spool import Link, Spool
    from cyberalarm.core.alarm import Alarm
    from cyberalarm.core.outcome import Ledger
    from cyberalarm.envelope.keys import AnalysisPublicKey, SigningKey

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Gathered and drained, but not yet in the spool. `alarms` are None for a centre that does not read them, and where a crash
    forgot them.

    `release` is the pack release by which the lines were read, 0 for the packs of the program.
    """

    ledgers: Mapping[str, Ledger]
    arrow_ipc: bytes
    rows: int
    alarms: tuple[Alarm, ...] | None = None
    release: int = 0
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sealer:
    """What it takes to make an envelope of this collector's. `following` is the key that signs from a bundle on, where there is
    one.
    """

    collector: str
    key: SigningKey
    to: AnalysisPublicKey
    following: Following | None = None
    copies: Copies | None = None

    def put(self, spool: Spool, bundle: Bundle, *, last: bool = False) -> Link:
        """Seal a bundle and spool it, and keep a copy of what was sealed. Raises SpoolFullError."""
        payload = pack(bundle.ledgers, bundle.arrow_ipc, bundle.alarms, bundle.release)
        lines = sum(ledger.received for ledger in bundle.ledgers.values())

        def seal_at(sequence: int, previous: str) -> bytes:
            header = Header(self.collector, sequence, previous, int(time.time() * 1000), bundle.rows, lines)
            changed = self.following is not None and sequence >= self.following.first
            return seal(payload, header, self.to, self.following.key if changed and self.following else self.key)

        link = spool.put(seal_at, last=last)
        if self.copies is not None:
            try:
                self.copies.add(link, payload)
            except OSError as error:
                log.warning("copy.unwritten", reason=error.strerror)
        return link
