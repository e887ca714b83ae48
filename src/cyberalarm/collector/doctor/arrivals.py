"""What arrives while somebody sets up a device: new lines for each sender, from one note of the running collector to the next.

Counts, products and outcomes only; no line's content is in the note.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cyberalarm.core.outcome import OUTCOMES

if TYPE_CHECKING:
    from cyberalarm.collector.state import DeviceNote, State


@dataclass(frozen=True, slots=True)
class Arrival:
    """New lines of one sender. `source` is its address, as this machine sees it; the counts leave out what is zero."""

    source: str
    device: str
    lines: int
    products: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    lost: int = 0  # datagrams that the operating system dropped

    @property
    def understood(self) -> bool:
        return bool(self.products)


def arrivals(before: State | None, now: State) -> list[Arrival]:
    """Who has sent something between two notes, most lines first. A note of another run counts as a fresh beginning."""
    if before is not None and before.started != now.started:
        before = None
    found = []
    for device, note in now.devices.items():
        earlier = before.devices.get(device) if before else None
        arrival = _between(device, earlier, note)
        if arrival.lines or arrival.lost:
            found.append(arrival)
    return sorted(found, key=lambda one: (-one.lines, one.source))


def _between(device: str, before: DeviceNote | None, now: DeviceNote) -> Arrival:
    lines = _grown(before.ledger if before else {}, now.ledger)
    products = _grown(before.products if before else {}, now.products)
    outcomes = {outcome.value: lines[outcome.value] for outcome in OUTCOMES if lines.get(outcome.value)}
    return Arrival(now.source, device, lines.get("received", 0), products, outcomes, lines.get("dropped_by_kernel", 0))


def _grown(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    return {name: grown for name, value in now.items() if (grown := value - before.get(name, 0)) > 0}
