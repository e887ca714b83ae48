"""What a report is made from: plain frozen values, counted and not yet worded.

Invariants, which the tests check against a straight count of the stored rows:
- the tries of all days, of all kinds and of all parts of `Origins` each sum to the report's total;
- a row of a top list never counts more than the total.

No I/O, no words for people: `counting`, `coverage` and `gathering` fill these, `member_document` and
`trend_document` word them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date, datetime

    from cyberalarm.central.reports.period import Period
    from cyberalarm.core.outcome import Ledger
    from cyberalarm.core.places import Scope


@dataclass(frozen=True, slots=True)
class Tries:
    """Suspicious events by what the device did about them."""

    blocked: int = 0
    allowed: int = 0
    detected: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        return self.blocked + self.allowed + self.detected + self.unknown

    def __add__(self, other: Tries) -> Tries:
        return Tries(
            self.blocked + other.blocked,
            self.allowed + other.allowed,
            self.detected + other.detected,
            self.unknown + other.unknown,
        )


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole period in a few numbers."""

    tries: Tries = field(default_factory=Tries)
    sources: int = 0
    targets: int = 0
    ports: int = 0
    members: int = 0
    # Let in from outside on a port that should not face the Internet.
    let_in: int = 0


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    tries: Tries
    members: int = 0


@dataclass(frozen=True, slots=True)
class PortKey:
    """A port as tried: none for protocols without ports."""

    port: int | None
    protocol: int


@dataclass(frozen=True, slots=True)
class Source:
    """An outside address that suspicious activity came from."""

    address: str
    country: str
    tries: Tries
    ports: int
    top_ports: tuple[PortKey, ...]
    targets: int
    first: datetime
    last: datetime
    # "established": both sides spoke; "one_way": only the source did, so its address may be forged;
    # "unknown".
    evidence: str
    members: int = 1
    forces: int = 1


@dataclass(frozen=True, slots=True)
class PortTried:
    key: PortKey
    tries: Tries
    sources: int
    members: int = 1


@dataclass(frozen=True, slots=True)
class Target:
    """One of the member's own addresses."""

    address: str
    tries: Tries
    sources: int
    ports: int


@dataclass(frozen=True, slots=True)
class LetIn:
    """Connections that were let in to a service that should not face the Internet."""

    address: str
    key: PortKey
    count: int
    sources: int
    established: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of traffic: a category of the event schema, as one kind of device reported it."""

    sensor: str
    category: str
    tries: Tries
    sources: int


@dataclass(frozen=True, slots=True)
class Detection:
    """What an intrusion detection system, or a firewall with one, named."""

    signature_id: str
    signature: str
    category: str
    severity: int
    cves: tuple[str, ...]
    tries: Tries
    sources: int
    first: datetime
    last: datetime
    members: int = 1


@dataclass(frozen=True, slots=True)
class Threat:
    """What antivirus or antispam named. `sender_domain` is empty for antivirus."""

    sensor: str
    threat: str
    sender_domain: str
    count: int
    sources: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Country:
    code: str
    tries: int
    sources: int


@dataclass(frozen=True, slots=True)
class Origins:
    """Where events came from. `countries` splits `inside` and `outside`, most tries first."""

    inside: int = 0
    outside: int = 0
    unplaced: int = 0  # an outside address whose country is not known
    private: int = 0  # an address that only exists inside a network
    no_address: int = 0  # the device named none, as antivirus usually does
    own: int = 0  # from the member's own network: outbound and internal events
    countries: tuple[Country, ...] = ()

    @property
    def total(self) -> int:
        return self.inside + self.outside + self.unplaced + self.private + self.no_address + self.own


@dataclass(frozen=True, slots=True)
class FindingFigure:
    """A finding as a report shows it. Severity 0 not said, 1 low, 2 medium, 3 high, 4 critical."""

    rule: str
    title: str
    severity: int
    what: str
    advice: tuple[str, ...]
    first: datetime | None
    last: datetime | None
    count: int
    category: str = "none"
    # Lines of it that a device let through.
    allowed: int = 0


# A source at this many members is worth a word of its own.
SEVERAL = 2


class View(StrEnum):
    """How much of a member's network was in view during the period."""

    NONE = "none"  # no collector was set up
    NEVER = "never"  # a collector was set up, and none has ever sent anything
    SILENT = "silent"  # collectors sent before, and nothing about this period
    PARTIAL = "partial"  # a collector or a device was quiet, for all of the period or some days, or lines were lost
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that events of the period came in, and the days of the period on which they happened."""

    collector: int
    sequence: int
    days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class CollectorFigure:
    """What one collector sent. A day of the period is in `days` or in `quiet_days`, never in both."""

    site: str
    name: str
    status: str
    last_seen: datetime | None
    envelopes: int
    devices: int
    ledger: Ledger
    days: tuple[date, ...] = ()  # lines were received on them, or events of them were received later
    quiet_days: tuple[date, ...] = ()
    late_days: int = 0  # how many of `days` are known by the events' own times alone
    gone: tuple[str, ...] = ()  # devices that sent in the period before, and not in this one

    @property
    def reported(self) -> bool:
        return self.envelopes > 0


@dataclass(frozen=True, slots=True)
class Coverage:
    view: View
    collectors: tuple[CollectorFigure, ...]
    last_sent: datetime | None
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class NetworkItem:
    """Something seen at `members` members; never fewer than the edition's minimum.

    `kind` is "rising", "port", "cve" or "threat"; `name` is a CVE number or a threat's name, `key` a port. `tries` of what is
    not rising counts no member for more than ten times the middle one (see `trends.services`).
    """

    kind: str
    members: int
    tries: int
    name: str = ""
    key: PortKey | None = None
    usual: float = 0.0  # rising: sources on the days before
    sources: int = 0  # rising: sources on the day that rose


@dataclass(frozen=True, slots=True)
class MemberReport:
    """Everything that a Member Summary Threat Report says."""

    reference: str
    service: str
    contact: str
    member: str
    kind: str
    force: str
    period: Period
    made: datetime
    coverage: Coverage
    totals: Totals
    previous: Totals
    previous_seen: bool
    days: tuple[Day, ...]
    origins: Origins
    sources: tuple[Source, ...]
    ports: tuple[PortTried, ...]
    targets: tuple[Target, ...]
    let_in: tuple[LetIn, ...]
    kinds: tuple[Kind, ...]
    detections: tuple[Detection, ...]
    threats: tuple[Threat, ...]
    findings: tuple[FindingFigure, ...]
    network: tuple[NetworkItem, ...]
    minimum_members: int
    places_known: bool


@dataclass(frozen=True, slots=True)
class ForceFigure:
    code: str
    name: str
    members: int
    tries: int
    sources: int


@dataclass(frozen=True, slots=True)
class FindingCount:
    rule: str
    title: str
    severity: int
    findings: int
    members: int


@dataclass(frozen=True, slots=True)
class TrendReport:
    """Everything that a trend report says. Police see it; members are counted in it and never named."""

    reference: str
    service: str
    contact: str
    scope: Scope
    period: Period
    made: datetime
    members_approved: int
    members_with_collector: int
    members_reporting: int
    ledger: Ledger
    totals: Totals
    previous: Totals
    days: tuple[Day, ...]
    origins: Origins
    sources: tuple[Source, ...]
    ports: tuple[PortTried, ...]
    kinds: tuple[Kind, ...]
    detections: tuple[Detection, ...]
    shared_sources: int  # at SEVERAL members or more
    forces: tuple[ForceFigure, ...]
    findings: tuple[FindingCount, ...]
    rising: tuple[NetworkItem, ...]
    minimum_members: int
    places_known: bool
