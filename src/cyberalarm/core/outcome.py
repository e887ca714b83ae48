"""The fate of a line, and the ledger that counts fates.

Invariant: every line that a collector receives ends in exactly one outcome, so
`received == sum(outcomes)` for every device, bundle and collector.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Outcome(StrEnum):
    """What became of one received line. The order is the code the kernel uses (0, 1, 2, …)."""

    KEPT = "kept"  # suspicious: its metadata becomes part of an event
    ROUTINE = "routine"  # allowed, and nothing suspicious about it
    INTERNAL = "internal"  # both ends belong to the member
    OUTBOUND = "outbound"  # from the member to the Internet, and not a detection
    TRUSTED = "trusted"  # from a source that the member trusts
    NOISE = "noise"  # a known product's message that is not about traffic
    UNRECOGNISED = "unrecognised"  # no pack knows this line
    MALFORMED = "malformed"  # a pack knows it, but it is broken: cut off, or an impossible value
    OVERFLOW = "overflow"  # not looked at: over-long, or the collector was out of room


OUTCOMES: tuple[Outcome, ...] = tuple(Outcome)


@dataclass(frozen=True, slots=True)
class Words:
    """An outcome for people: a short name, and what it means, without a full stop."""

    name: str
    meaning: str


# The one table of what members read of outcomes, whether at the collector, on a page or in a report.
WORDS: dict[Outcome, Words] = {
    Outcome.KEPT: Words("Suspicious", "Its metadata, and nothing else of it, is sent to the centre"),
    Outcome.ROUTINE: Words("Routine", "Allowed, and nothing suspicious about it; not sent"),
    Outcome.INTERNAL: Words("Internal", "Both ends are in your own network; not sent"),
    Outcome.OUTBOUND: Words("Outbound", "From you to the Internet, and nothing was detected; not sent"),
    Outcome.TRUSTED: Words("Trusted", "From a source that you trust; not sent"),
    Outcome.NOISE: Words("Not about traffic", "The device tells about itself; not sent"),
    Outcome.UNRECOGNISED: Words(
        "Not recognised", "We do not know this format yet; not sent. Tell us which device it is"
    ),
    Outcome.MALFORMED: Words("Damaged", "A format that we know, but cut off or with an impossible value; not sent"),
    Outcome.OVERFLOW: Words("Not looked at", "Over-long, or the collector was out of room; not sent"),
}


@dataclass(slots=True)
class Ledger:
    """Counts of every outcome for one device, plus what the operating system dropped before we saw it.

    `recalled` lines were routine when they came, also in an earlier ledger, and were sent after all when their source turned out to
    be suspicious: rows stand for `kept` and `recalled` lines together.
    """

    received: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    dropped_by_kernel: int = 0
    recalled: int = 0

    def add(self, counts: Iterable[int]) -> None:
        """Add counts given in the order of `OUTCOMES`; `received` grows by their sum."""
        for outcome, count in zip(OUTCOMES, counts, strict=True):
            self.outcomes[outcome] += count
            self.received += count

    def merge(self, other: Ledger) -> None:
        self.received += other.received
        self.dropped_by_kernel += other.dropped_by_kernel
        self.recalled += other.recalled
        for outcome, count in other.outcomes.items():
            self.outcomes[outcome] += count

    @property
    def balanced(self) -> bool:
        return self.received == sum(self.outcomes.values())

    @property
    def sent(self) -> int:
        """Lines that rows stand for."""
        return self.outcomes[Outcome.KEPT] + self.recalled

    def counts(self) -> dict[str, int]:
        """Every count by its name."""
        counts = {str(o): n for o, n in self.outcomes.items()}
        return {
            "received": self.received,
            "dropped_by_kernel": self.dropped_by_kernel,
            "recalled": self.recalled,
            **counts,
        }

    def to_json(self) -> dict[str, int]:
        """`recalled` is left out where it is nothing, so that readers of before know all keys."""
        return {name: count for name, count in self.counts().items() if count or name != "recalled"}

    @classmethod
    def from_json(cls, value: Mapping[str, int]) -> Ledger:
        """Read what `to_json` wrote. Raises KeyError or ValueError on anything else."""
        if set(value) - {"recalled"} != {"received", "dropped_by_kernel", *map(str, OUTCOMES)}:
            raise ValueError(f"a ledger has the wrong keys: {sorted(value)}")
        if any(type(n) is not int or not 0 <= n < 2**63 for n in value.values()):
            raise ValueError("a ledger holds a value that is not a count")
        outcomes = {o: value[o] for o in OUTCOMES}
        return cls(value["received"], outcomes, value["dropped_by_kernel"], value.get("recalled", 0))
