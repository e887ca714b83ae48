"""What a detection rule is, once read: frozen values. No files, no SQL, no clock.

A *window* rule groups events and looks at each group over a sliding window; a *rising* rule compares each
group's distinct sources of a day with the days before (see `trends.rising`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyberalarm.central.events.arrow import FieldValue

ConditionValue = int | str


class Kind(StrEnum):
    WINDOW = "window"
    RISING = "rising"


class RuleLevel(StrEnum):
    """Over whose events a group is counted."""

    MEMBER = "member"
    NETWORK = "network"


class SourceRole(StrEnum):
    """What the group's source address is. A victim's address is never called an origin."""

    ORIGIN = "origin"
    VICTIM = "victim"
    NONE = "none"


class Spoofable(StrEnum):
    """Could the source be forged? The middle one asks the evidence: forged unless both sides spoke."""

    ALWAYS = "always"
    UNLESS_ESTABLISHED = "unless_established"
    NEVER = "never"


class Operator(StrEnum):
    IS = "is"
    IN = "in"
    CONTAINS = "contains"  # a text holds this one, in capitals or not
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    GIVEN = "given"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must hold of an event.

    Enum values are names. `or_absent` also lets a missing value pass.
    """

    field: str
    operator: Operator
    values: tuple[ConditionValue, ...] = ()
    or_absent: bool = False


@dataclass(frozen=True, slots=True)
class Threshold:
    """The least of each that a window must hold; 0 asks nothing."""

    tries: int = 1
    distinct: int = 0
    members: int = 0
    hours: int = 0


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """`repeat` events, `every` apart, the fields in `vary` growing by a step each."""

    fields: dict[str, FieldValue]
    vary: dict[str, int]
    repeat: int = 1
    every: timedelta = timedelta(0)
    after: timedelta = timedelta(0)
    member: int = 1
    members: int = 1


@dataclass(frozen=True, slots=True)
class Example:
    """Events that the rule must (or must not) find something in."""

    name: str
    fires: bool
    rows: tuple[ExampleRow, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. An event counts when all of `where` hold of it, and not all of `unless` (where there are any).

    `summary` says to police what `plain` says to the member; `severity_when_blocked` is that of a finding all of whose
    lines a device blocked.
    """

    id: str
    version: int
    kind: Kind
    title: str
    plain: str
    summary: str
    level: RuleLevel
    severity: int
    severity_when_blocked: int
    category: str
    technique: str
    source: SourceRole
    spoofable: Spoofable
    where: tuple[Condition, ...]
    unless: tuple[Condition, ...]
    group_by: tuple[str, ...]
    distinct: str
    window: timedelta
    threshold: Threshold
    advice: tuple[str, ...]
    false_positives: tuple[str, ...]
    examples: tuple[Example, ...]
