"""Does a product fall under a vulnerability's configurations? Three-valued: yes, no, or cannot tell from
outside.

The shape is NVD's: configurations are alternatives; inside one, nodes are joined by AND or OR; inside a
node, criteria are joined by AND or OR; `negate` turns a value round. Rules that real records teach:
- `vulnerable: false` means "running on": it never makes a product affected by itself.
- a version of `-` means "not applicable" and never equals a number; `*` means any.
- a criterion about another product says nothing about ours, unless it is the platform in an AND: then it
  is unknown, except where the banner showed the platform.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from cyberalarm.scanner.cpe import Cpe, same_product
from cyberalarm.scanner.versions import fold_update, in_range, version_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyberalarm.scanner.identity import Identity


class Truth(IntEnum):
    """Kleene's three values, ordered so that AND is min and OR is max."""

    NO = 0
    UNKNOWN = 1
    YES = 2

    def negated(self) -> Truth:
        return Truth(2 - self)


@dataclass(frozen=True, slots=True)
class Criterion:
    cpe: Cpe
    vulnerable: bool
    start: str | None = None
    start_open: bool = False
    end: str | None = None
    end_open: bool = False

    @property
    def fixed_in(self) -> str:
        """The first version outside the range, where the data says it."""
        return self.end or "" if self.end_open else ""

    def describe(self) -> str:
        """The criterion in words, for `explain`."""
        name = f"{self.cpe.vendor}:{self.cpe.product}"
        if self.start is None and self.end is None:
            wanted = {"*": "every version", "-": "version not applicable"}.get(self.cpe.version, self.cpe.version)
            return f"{name} {fold_update(wanted, self.cpe.update)}"
        low = f"{'after' if self.start_open else 'from'} {self.start} " if self.start else ""
        high = f"{'before' if self.end_open else 'up to'} {self.end}" if self.end else ""
        return f"{name} {low}{high}".strip()


@dataclass(frozen=True, slots=True)
class Node:
    all_of: bool
    negate: bool
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    all_of: bool
    negate: bool
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, the criterion that decided, and each step in words."""

    truth: Truth
    criterion: Criterion | None
    steps: tuple[str, ...]


# How operating-system CPEs relate to the platform a banner shows.
_PLATFORM_PRODUCTS = {"windows": ("microsoft", "windows"), "linux": ("linux", "linux_kernel")}


def _version_truth(criterion: Criterion, identity: Identity) -> Truth:
    cpe = criterion.cpe
    if criterion.start is None and criterion.end is None:
        if cpe.version == "*":
            return Truth.YES
        if cpe.version == "-":
            return Truth.NO
        if not identity.version:
            return Truth.UNKNOWN
        same = version_key(identity.version) == version_key(fold_update(cpe.version, cpe.update))
        if cpe.update == "*" and not same:
            # `9.3` with any update covers 9.3p1 and 9.3p2.
            same = _without_patch(identity.version) == version_key(cpe.version)
        return Truth.YES if same else Truth.NO
    if not identity.version:
        return Truth.UNKNOWN
    inside = in_range(
        identity.version,
        start=criterion.start,
        start_open=criterion.start_open,
        end=criterion.end,
        end_open=criterion.end_open,
    )
    return Truth.YES if inside else Truth.NO


def _without_patch(version: str) -> object:
    head, found, tail = version.lower().rpartition("p")
    return version_key(head) if found and tail.isdigit() else None


def _software_truth(criterion: Criterion, identity: Identity) -> Truth:
    wanted = criterion.cpe.target_sw
    if wanted in {"*", "-", ""}:
        return Truth.YES
    if wanted in {"windows", "linux", "unix"} and identity.platform:
        return _platform_truth(wanted, identity)
    return Truth.UNKNOWN


def _platform_truth(wanted: str, identity: Identity) -> Truth:
    if not identity.platform:
        return Truth.UNKNOWN
    if wanted == "windows" or identity.platform == "windows":
        return Truth.YES if wanted == identity.platform else Truth.NO
    return Truth.YES if wanted == identity.platform else Truth.UNKNOWN


def _own_truth(criterion: Criterion, identity: Identity) -> Truth:
    return min(_version_truth(criterion, identity), _software_truth(criterion, identity))


def _other_truth(criterion: Criterion, identity: Identity) -> Truth:
    """A criterion about something else that must hold too: only the platform can be seen from outside."""
    cpe = criterion.cpe
    if cpe.part == "o":
        for platform, (vendor, start) in _PLATFORM_PRODUCTS.items():
            if cpe.vendor == vendor and cpe.product.startswith(start):
                return _platform_truth(platform, identity)
    return Truth.UNKNOWN


def _join(values: Iterable[Truth], *, all_of: bool) -> Truth:
    found = list(values)
    if not found:
        return Truth.NO
    return min(found) if all_of else max(found)


def _is_own(criterion: Criterion, identity: Identity) -> bool:
    return same_product(identity.vendor, identity.product, criterion.cpe)


def _node_truth(node: Node, identity: Identity, *, in_and: bool) -> Truth:
    own = [c for c in node.criteria if _is_own(c, identity)]
    others = [c for c in node.criteria if c not in own]
    values = [_own_truth(c, identity) for c in own]
    if not own:
        # Alternatives about other products say nothing of ours; a second condition is left open.
        values = [_other_truth(c, identity) for c in others] if in_and else [Truth.NO]
    elif node.all_of:
        values += [_other_truth(c, identity) for c in others]
    value = _join(values, all_of=node.all_of and bool(own))
    return value.negated() if node.negate else value


def _evaluate(configuration: Configuration, identity: Identity) -> tuple[Truth, Criterion | None]:
    affected = [
        (truth, c)
        for node in configuration.nodes
        for c in node.criteria
        if c.vulnerable and not node.negate and _is_own(c, identity) and (truth := _own_truth(c, identity)) > Truth.NO
    ]
    if not affected:
        return Truth.NO, None
    value = _join(
        (_node_truth(n, identity, in_and=configuration.all_of) for n in configuration.nodes),
        all_of=configuration.all_of,
    )
    value = value.negated() if configuration.negate else value
    best = max(affected, key=lambda pair: pair[0])
    return min(value, best[0]), best[1]


def evaluate(configurations: Iterable[Configuration], identity: Identity) -> Verdict:
    """Whether any configuration applies, with the reason."""
    truth, criterion = Truth.NO, None
    steps: list[str] = []
    words = {Truth.YES: "applies", Truth.UNKNOWN: "may apply", Truth.NO: "does not apply"}
    for number, configuration in enumerate(configurations, 1):
        value, decided = _evaluate(configuration, identity)
        asked = decided or next((c for n in configuration.nodes for c in n.criteria if _is_own(c, identity)), None)
        if asked is not None:
            steps.append(f"configuration {number}, {asked.describe()}: {words[value]}")
        if value > truth:
            truth, criterion = value, decided
    return Verdict(truth, criterion, tuple(steps))
