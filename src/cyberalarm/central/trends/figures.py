"""What a network trend says: frozen figures, no words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date, datetime

    from cyberalarm.central.events.spans import Span
    from cyberalarm.core.places import Scope

    from .rising import Rise


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a span. `total` and its parts count log lines."""

    total: int
    allowed: int
    blocked: int
    detected: int
    sources: int
    targets: int
    ports: int
    members: int


@dataclass(frozen=True, slots=True)
class DayFigure:
    day: date
    total: int
    allowed: int
    blocked: int
    detected: int
    members: int


@dataclass(frozen=True, slots=True)
class PlaceFigure:
    """A force or region by its code; `region` is the region it lies in (itself, for a region)."""

    code: str
    region: str
    total: int
    previous: int
    allowed: int
    sources: int
    members: int


@dataclass(frozen=True, slots=True)
class PortFigure:
    """A port as tried: none for protocols without ports. `capped`: see `services`."""

    port: int | None
    protocol: int
    total: int
    allowed: int
    blocked: int
    sources: int
    members: int
    capped: int


@dataclass(frozen=True, slots=True)
class RisingPort:
    """A port that more sources than usual tried on one day."""

    port: int
    protocol: int
    day: date
    span: Span
    members: int
    total: int
    rise: Rise


@dataclass(frozen=True, slots=True)
class SourceFigure:
    """A source by how many members and forces saw it. `established` 0: it may be forged."""

    address: str
    members: int
    forces: int
    total: int
    established: int
    ports: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class SignatureFigure:
    signature: str
    category: str
    severity: int
    total: int
    sources: int
    members: int
    capped: int
    cves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamedFigure:
    """A CVE number or the name of a threat, with its count. `capped`: see `services`."""

    name: str
    total: int
    members: int
    capped: int


@dataclass(frozen=True, slots=True)
class Withheld:
    """How many rows of each table rest on too few members to be shown."""

    days: int = 0
    forces: int = 0
    regions: int = 0
    ports: int = 0
    rising: int = 0
    signatures: int = 0
    cves: int = 0
    threats: int = 0
    totals: bool = False

    @property
    def rows(self) -> int:
        parts = (self.days, self.forces, self.regions, self.ports, self.rising)
        return sum(parts) + self.signatures + self.cves + self.threats


@dataclass(frozen=True, slots=True)
class NetworkTrend:
    """What the network of a scope saw in a span, beside the span before.

    With `minimum_members` above 0 it is an edition for members: figures that rest on fewer members are left
    out and counted in `withheld`; `totals` and `previous` are None when even they do.
    """

    scope: Scope
    span: Span
    minimum_members: int
    totals: Totals | None
    previous: Totals | None
    days: tuple[DayFigure, ...]
    regions: tuple[PlaceFigure, ...]
    forces: tuple[PlaceFigure, ...]
    ports: tuple[PortFigure, ...]
    rising: tuple[RisingPort, ...]
    sources: tuple[SourceFigure, ...]
    signatures: tuple[SignatureFigure, ...]
    cves: tuple[NamedFigure, ...]
    threats: tuple[NamedFigure, ...]
    withheld: Withheld
