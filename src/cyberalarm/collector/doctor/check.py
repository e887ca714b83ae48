"""What a check gives: a verdict, what was found in plain words, and the next step."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Verdict(StrEnum):
    GOOD = "good"
    ATTENTION = "attention"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One link: what was looked at, what was found, and what to do about it; with a line that shows it, redacted."""

    link: str
    verdict: Verdict
    found: str
    next_step: str = ""
    sample: str = ""  # redacted


def worst(checks: Iterable[Check]) -> Verdict:
    verdicts = {check.verdict for check in checks}
    return next((one for one in (Verdict.BAD, Verdict.ATTENTION) if one in verdicts), Verdict.GOOD)


def lasting(seconds: float) -> str:
    """A length of time in one rounded unit, such as `12 minutes`."""
    for size, name in _UNITS:
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "a moment"


def since(when: float) -> str:
    """How long ago a time (seconds since 1970) was."""
    return f"{lasting(max(time.time() - when, 0.0))} ago"


def count(number: int, one: str, many: str = "") -> str:
    """`1 bundle`, `1,200 bundles`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
